"""A goal on a target over a matrix, as candidates and the requirements between them.

This is where facts and releases meet: every question the search asks (which candidates has a
project here, what does this one want, does the target rule it out) is answered, and remembered, by
:class:`Problem`. It knows nothing of search or order.

``off`` are the :class:`elements <cudalock.resolution.elements.Element>` of the question to leave
out: that is how a soft fact is given up, and a conflict narrowed down. A *wide* problem
offers what the goal's words and the target rule out as well, and names the elements that do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from typing import TYPE_CHECKING, Final

from cudalock.errors import UnknownName
from cudalock.matrix.facts import VERSION, Demand, Fact, Replacement, Verb
from cudalock.resolution.elements import (
    BUILDERS_OPTION,
    CUDA_OPTION,
    EXCLUDE_NEWER_OPTION,
    LIBRARY_OPTIONS,
    TARGET_PYTHON,
    TOOLKIT_OPTION,
    Element,
    fact_element,
)
from cudalock.resolution.model import Candidate, Requirement
from cudalock.resolution.policy import FROM_SCRATCH, Policy
from cudalock.resolution.propagation import NOTHING
from cudalock.resolution.wheels import WHEEL_FACETS, Fit, Screen, best_wheel
from cudalock.targets.accelerators import CPU, CUDA, LIBRARIES
from cudalock.targets.facets import COMPONENTS, FACETS
from cudalock.versions import (
    accepts,
    canonical,
    is_prerelease,
    leading_name,
    may_accept,
    names_prerelease,
    parse_requirement,
    pins_exactly,
)

if TYPE_CHECKING:
    from cudalock.goals import Goal
    from cudalock.matrix.universe import Universe
    from cudalock.targets import Ranker, Target
    from cudalock.targets.accelerators import Library

TRUST_ACCEPTED: Final = {
    "official": ("own",),
    "known": ("own", "known"),
    "any": ("own", "known", "other"),
}


class Problem:
    """What may be pinned for one goal on one target, and what each choice asks for."""

    def __init__(
        self,
        goal: Goal,
        target: Target,
        universe: Universe,
        off: frozenset[Element] = NOTHING,
        wide: bool = False,
        policy: Policy = FROM_SCRATCH,
    ) -> None:
        self.goal = goal
        self.target = target
        self.universe = universe
        self.matrix = universe.matrix
        self.off = off
        self.wide = wide
        self.policy = policy
        self.gave_up = False
        """whether a search for a choice was given up before its end"""
        self._environment = target.marker_environment()
        self._python = self._environment["python_full_version"]
        self._markers: dict[str, bool] = {}
        self._facts: dict[str, tuple[Fact, ...]] = {}
        self._release_facts: dict[tuple[str, str], tuple[Fact, ...]] = {}
        self._candidates: dict[tuple[str, str], tuple[Candidate, ...]] = {}
        self._relations: dict[Candidate, tuple[Requirement, ...]] = {}
        self._metadata: dict[Candidate, tuple[Requirement, ...]] = {}
        self._refusals: dict[Candidate, tuple[frozenset[Element], ...]] = {}
        self._filled_demands: dict[tuple[int, tuple[tuple[str, ...], ...]], Requirement | None] = {}

    def without(self, off: frozenset[Element]) -> Problem:
        """The same problem with other elements left out; what does not depend on them is shared."""
        other = Problem(self.goal, self.target, self.universe, off, policy=self.policy)
        other._markers, other._metadata = self._markers, self._metadata
        other._filled_demands = self._filled_demands
        return other

    # -- what was asked ---------------------------------------------------------------------

    @cached_property
    def roots(self) -> tuple[Requirement, ...]:
        """The goal's requirements and constraints, under their names on this target."""
        wanted: list[Requirement] = []
        for kind, texts in (
            ("requires", self.goal.requirements),
            ("constrains", self.goal.constraints),
        ):
            for text in texts:
                found = self._root(text, "requires" if kind == "requires" else "constrains")
                if found is not None:
                    wanted.append(found)
        return tuple(wanted)

    def _root(self, text: str, kind: Verb) -> Requirement | None:
        parsed = parse_requirement(text)
        if parsed.marker and not parsed.marker.evaluate(self._environment):
            return None
        origin = Element("goal", text)
        if origin in self.off:
            return None
        name = self.project_named(canonical(parsed.name))
        self._check_extras(name, parsed.extras)
        specifiers, extras = _specifiers_and_extras(text)
        return Requirement(name, specifiers, kind, origin, extras)

    def _check_extras(self, name: str, extras: set[str]) -> None:
        """Raises UnknownName for an extra whose requirements the matrix does not hold: without them
        a lock would look whole and not be."""
        project = self.universe.project(name)
        for extra in sorted(extras):
            if project is None or not project.mentions_extra(extra):
                raise UnknownName(
                    f"the requirements of the extra `{extra}` of `{name}` are not in the matrix "
                    f"of {self.matrix.version}",
                    hints=[f"ask for `{name}`, and for what the extra brings by its own names"],
                )

    def project_named(self, name: str) -> str:
        """The project that a goal's name means on this target."""
        if not self.policy.reads_aliases:
            return name
        for alias in self.matrix.component(name).alias_of:
            if alias.when is None or self.marker_holds(alias.when):
                return alias.name
        return name

    @cached_property
    def goal_names(self) -> tuple[str, ...]:
        """The projects asked for, without duplicates, in the order of the goal."""
        return tuple(dict.fromkeys(root.name for root in self.roots if root.kind == "requires"))

    def roots_of(self, name: str) -> tuple[Requirement, ...]:
        """The goal's requirements and constraints about one project."""
        return self._roots_by_name.get(name, ())

    @cached_property
    def _roots_by_name(self) -> dict[str, tuple[Requirement, ...]]:
        by_name: dict[str, list[Requirement]] = {}
        for root in self.roots:
            by_name.setdefault(root.name, []).append(root)
        return {name: tuple(found) for name, found in by_name.items()}

    @cached_property
    def pins_a_build(self) -> bool:
        """Whether the goal names a build of the framework by its local label (``2.5.1+cpu``)."""
        framework = self.matrix.framework
        return framework is not None and any(
            "+" in specifier for root in self.roots_of(framework) for specifier in root.specifiers
        )

    # -- candidates -------------------------------------------------------------------------

    def candidates(self, name: str, screen: Screen | None = None) -> Iterator[Candidate]:
        """Every candidate the target can take and the goal's own words allow, newest first.

        Refusals by fact are not applied: see :meth:`refusals`. A build that does not pass the
        ``screen`` is left out before anything else is asked about it.
        """
        project = self.universe.project(name)
        if project is None:
            return
        specifiers = [specifier for root in self.roots_of(name) for specifier in root.specifiers]
        pinned = pins_exactly(specifiers)
        seen = {True: 0, False: 0}
        for version in reversed(project.versions):
            asked = all(may_accept(each, version) for each in specifiers)
            window = project.window if asked else project.other_window
            if window is not None and seen[asked] >= window:
                project.cut()
                continue
            made = False
            for candidate in self._make_candidates(name, version, screen):
                if pinned or not candidate.is_yanked:
                    made = True
                    yield candidate
            seen[asked] += made

    def look_ahead(self, name: str, versions: Iterable[str]) -> None:
        """Have at once what is likely to be asked of these releases in turn."""
        project = self.universe.project(name)
        self.universe.read_at_once(
            build
            for version in versions
            if project is not None
            for build in project.release(version).builds
            if best_wheel(build, self._tags) is not None
            and (build.python is None or accepts(build.python, self._python))
        )

    def candidates_at(self, name: str, version: str) -> tuple[Candidate, ...]:
        """The candidates of one release, in the order of its rows, though it be withdrawn."""
        found = self._candidates.get((name, version))
        if found is None:
            found = tuple(self._make_candidates(name, version))
            self._candidates[name, version] = found
        return found

    def _make_candidates(
        self, name: str, version: str, screen: Screen | None = None
    ) -> Iterator[Candidate]:
        roots = self.roots_of(name)
        specifiers = [specifier for root in roots for specifier in root.specifiers]
        if not self.wide and not all(may_accept(each, version) for each in specifiers):
            return
        project = self.universe.project(name)
        if project is None or (
            is_prerelease(version) and project.has_final and not names_prerelease(specifiers)
        ):
            return
        release = project.release(version)
        for build in screen.passing(release) if screen else release.builds:
            wheel = best_wheel(build, self._tags)
            if wheel is None:
                continue
            candidate = Candidate(name, version, release, build, wheel)
            if (self.wide or self._passes(candidate, roots)) and build.is_readable:
                yield candidate

    def _passes(self, candidate: Candidate, roots: tuple[Requirement, ...]) -> bool:
        """Whether the goal's own words, and the filters that are not left out, allow it."""
        return all(root.accepts(candidate) for root in roots) and not any(
            self.off.isdisjoint(missed) for missed in self.missed_filters(candidate)
        )

    def missed_filters(self, candidate: Candidate) -> Iterator[frozenset[Element]]:
        """The elements that rule a wheel out before any fact is asked."""
        release, build = candidate.release, candidate.build
        if release is None or build is None:
            return
        policy, name = self.policy, candidate.name
        is_accepted = self.universe.trust(build) in TRUST_ACCEPTED[self.goal.builders]
        if not is_accepted and policy.option_applies(BUILDERS_OPTION, name):
            yield frozenset([BUILDERS_OPTION])
        limit = self.goal.exclude_newer
        is_newer = limit is not None and (release.uploaded is None or release.uploaded > limit)
        if is_newer and policy.option_applies(EXCLUDE_NEWER_OPTION, name):
            yield frozenset([EXCLUDE_NEWER_OPTION])
        if build.python is not None and not accepts(build.python, self._python):
            yield frozenset([TARGET_PYTHON])
        if self.wide:
            yield from self._fit.missed(build)
        if not policy.source_allowed(candidate):
            yield frozenset([Element("source", name)])

    def filter_key(self, candidate: Candidate) -> tuple[str | None, str | None]:
        """What, besides index, builder, Python and tags, `missed_filters` asks of a candidate."""
        version = candidate.version if self.goal.exclude_newer else None
        return version, self.policy.source_key(candidate)

    @cached_property
    def _fit(self) -> Fit:
        return Fit(self.target)

    @cached_property
    def _tags(self) -> Ranker:
        if self.wide:
            return self._fit.ranker(frozenset(WHEEL_FACETS))
        return self._fit.ranker(self.off)

    def is_fixed(self, owner: str, other: str) -> bool:
        """See :meth:`Policy.is_fixed <cudalock.resolution.policy.Policy.is_fixed>`."""
        policy = self.policy
        return policy is not FROM_SCRATCH and policy.is_fixed(owner, other, self.target_values)

    # -- what a candidate asks for ------------------------------------------------------------

    def fact_requirements(self, candidate: Candidate) -> tuple[Requirement, ...]:
        """What curated facts ask of other components beside this candidate."""
        found = self._relations.get(candidate)
        if found is None:
            found = tuple(self._find_fact_requirements(candidate))
            self._relations[candidate] = found
        return found

    def metadata_requirements(
        self, candidate: Candidate, names: frozenset[str] | None = None
    ) -> tuple[Requirement, ...]:
        """What the wheel's metadata requires on this target; only of ``names``, where given."""
        found = self._metadata.get(candidate) if names is None else None
        if found is None:
            requirements = self._find_metadata_requirements(candidate, names)
            if self.policy is not FROM_SCRATCH:
                counts = self.policy.requirement_counts
                requirements = (each for each in requirements if counts(candidate, each))
            found = tuple(requirements)
            if names is None:
                self._metadata[candidate] = found
        return found

    def may_require(self, name: str, other: str) -> bool:
        """Whether the metadata of some release of a project may name another."""
        project = self.universe.project(name)
        return project is not None and project.mentions(other)

    def refusals(self, candidate: Candidate) -> tuple[frozenset[Element], ...]:
        """Why the candidate cannot be had: each a set of elements that together rule it out."""
        found = self._refusals.get(candidate)
        if found is None:
            found = tuple(self._refusing_elements(candidate))
            self._refusals[candidate] = found
        return found

    def facts_on(self, candidate: Candidate) -> Iterator[Fact]:
        """The facts in force about a candidate, the relaxed and soft ones included."""
        if candidate.version is None:
            return
        for fact in self._facts_of_version(candidate.name, candidate.version):
            if all(fact.matches(candidate.row(key), found) for key, found in fact.where.items()):
                yield fact

    def _facts_of_version(self, name: str, version: str) -> tuple[Fact, ...]:
        key = (name, version)
        found = self._release_facts.get(key)
        if found is None:
            found = tuple(
                fact for fact in self.facts_in_force(name) if accepts(fact.versions, version)
            )
            self._release_facts[key] = found
        return found

    def facts_in_force(self, name: str) -> tuple[Fact, ...]:
        """The facts about some version of a component that hold on this target."""
        found = self._facts.get(name)
        if found is None:
            found = tuple(
                fact
                for fact in self.matrix.component(name).facts
                if fact.scope == "solve"
                and fact_element(fact.id) not in self.off
                and (fact.when is None or self.marker_holds(fact.when))
            )
            self._facts[name] = found
        return found

    def _find_fact_requirements(self, candidate: Candidate) -> Iterator[Requirement]:
        for fact in self.facts_on(candidate):
            for requirement in self._filled(fact, candidate, fact.beside):
                if not self.is_fixed(candidate.name, requirement.name):
                    yield requirement

    def machine_requirements(self, candidates: Iterable[Candidate]) -> Iterator[Requirement]:
        """What hard facts about these candidates ask of the machine itself."""
        for candidate in candidates:
            for fact in self.facts_on(candidate):
                if fact.is_hard:
                    yield from self._filled(fact, candidate, fact.of_machine)

    def _refusing_elements(self, candidate: Candidate) -> Iterator[frozenset[Element]]:
        for fact in self.facts_on(candidate):
            element = fact_element(fact.id)
            if fact.refuses and not self.is_fixed(candidate.name, candidate.name):
                yield frozenset([element])
            for requirement in self._filled(fact, candidate, fact.of_machine):
                settled = self.is_fixed(candidate.name, requirement.name)
                if not settled and not self.target_accepts(requirement):
                    yield frozenset([element, Element("target", requirement.name)])
        if self.wide:
            yield from self.missed_filters(candidate)

    def _filled(
        self, fact: Fact, candidate: Candidate, demands: tuple[Demand, ...]
    ) -> Iterator[Requirement]:
        for demand in demands:
            values = tuple(
                (candidate.version or "",) if name == VERSION else candidate.row(name)
                for name in demand.template.label_names
            )
            filled = self.filled(fact, demand, values)
            if filled is not None:
                yield filled

    def filled(
        self, fact: Fact, demand: Demand, values: tuple[tuple[str, ...], ...]
    ) -> Requirement | None:
        """A demand with its labels' values put in; None where one of them is not known."""
        key = (id(demand), values)
        if key not in self._filled_demands:
            names = demand.template.label_names
            labels = {name: value for name, value in zip(names, values, strict=True) if value}
            clause = demand.template.fill(labels)
            origin = fact_element(fact.id)
            self._filled_demands[key] = (
                None if clause is None else Requirement.of_clause(clause, demand.verb, origin)
            )
        return self._filled_demands[key]

    def _find_metadata_requirements(
        self, candidate: Candidate, names: frozenset[str] | None
    ) -> Iterator[Requirement]:
        if candidate.build is None:
            return
        texts: Iterable[str] = candidate.build.requires
        if names is not None:
            texts = [text for text in texts if leading_name(text) in names]
            if not texts and not candidate.extras:
                return
        origin = Element("metadata", str(candidate))
        if candidate.extras:
            specifier = f"=={candidate.full_version}"
            yield Requirement(candidate.name, (specifier,), "requires", origin)
        for text in texts:
            name = leading_name(text)
            if not self._requires_here(text, candidate.extras):
                continue
            specifiers, extras = _specifiers_and_extras(text)
            replaced = self._replaced(candidate, name)
            if replaced is not None:
                if replaced.replacement:
                    yield Requirement(
                        replaced.replacement, (), "requires", fact_element(replaced.fact)
                    )
                continue
            if extras:
                self.universe.note_extras((text,))
            yield Requirement(name, specifiers, "requires", origin, extras)

    def _requires_here(self, text: str, extras: frozenset[str]) -> bool:
        """Whether a requirement's marker holds; with extras, whether one of them brings it in."""
        if ";" not in text:
            return not extras
        marker = parse_requirement(text).marker
        if marker is None:
            return not extras
        base = self._evaluate(text, "")
        if not extras:
            return base
        return not base and any(self._evaluate(text, extra) for extra in extras)

    def _evaluate(self, text: str, extra: str) -> bool:
        key = f"{text}|{extra}"
        if key not in self._markers:
            marker = parse_requirement(text).marker
            environment = {**self._environment, "extra": extra}
            self._markers[key] = marker is None or marker.evaluate(environment)
        return self._markers[key]

    def _replaced(self, candidate: Candidate, requirement: str) -> Replacement | None:
        for replacement in self._replacements.get((candidate.name, requirement), ()):
            if candidate.version is not None and accepts(
                replacement.of_versions, candidate.version
            ):
                return replacement
        return None

    @cached_property
    def _replacements(self) -> dict[tuple[str, str], list[Replacement]]:
        found: dict[tuple[str, str], list[Replacement]] = {}
        for item in self.replacements():
            found.setdefault((item.of, item.requirement), []).append(item)
        return found

    def replacements(self) -> Iterator[Replacement]:
        """The wrong requirements that facts replace or drop on this target."""
        for item in self.matrix.replacements:
            if item.when is None or self.marker_holds(item.when):
                yield item

    @cached_property
    def soft_elements(self) -> frozenset[Element]:
        """The facts that may be left out at the price of a warning each."""
        if self.goal.strict:
            return frozenset()
        facts = self.matrix.facts.values()
        return frozenset(fact_element(fact.id) for fact in facts if not fact.is_hard)

    def cuda_requirements(self) -> Iterator[Requirement]:
        """What the goal wants of the framework's CUDA: some, unless it says otherwise."""
        if CUDA_OPTION in self.off or not self.policy.wants_cuda(self.goal):
            return
        wish = self.goal.cuda
        if wish == CPU:
            yield Requirement(CUDA.name, (), "conflicts", CUDA_OPTION)
        elif wish is not None:
            yield Requirement(CUDA.name, (wish,), "requires", CUDA_OPTION)
        elif CUDA.name in self.target.accelerators and not self.pins_a_build:
            yield Requirement(CUDA.name, (), "requires", CUDA_OPTION)

    def option_requirements(self, cuda: str | None) -> Iterator[Requirement]:
        """The pip packages that `--toolkit` and `--cudnn` ask for, beside a framework made with
        ``cuda``."""
        release = self.goal.toolkit[0] if self.goal.toolkit else None
        if self.goal.toolkit and TOOLKIT_OPTION not in self.off:
            pins = self.matrix.toolkits.pins(*self.goal.toolkit, self.target.platform)
            for name, version in pins.items():
                yield Requirement(name, (f"=={version}",), "requires", TOOLKIT_OPTION)
        for library in LIBRARIES.values():
            specifier = self.goal.of(library)
            option = LIBRARY_OPTIONS[library.name]
            if specifier is not None and option not in self.off:
                project = self.library_project(library, cuda or release)
                yield Requirement(project, (specifier,), "requires", option)

    def library_project(self, library: Library, cuda: str | None) -> str:
        """The pip package that `--cudnn` means beside a CUDA release. Where there is none, that of
        the newest CUDA major that has such a version."""
        projects = self.matrix.library_projects(library.name, cuda)
        wanted = self.goal.of(library) or ""
        having = [
            name
            for name in projects
            if any(accepts(wanted, version) for version in self.universe.versions(name))
        ]
        return (having or projects)[0]

    # -- the target -----------------------------------------------------------------------------

    @cached_property
    def target_values(self) -> dict[str, tuple[Candidate, ...]]:
        """The target's virtual components that are known; several GPUs are several values."""
        values = {name: FACETS[name].values(self.target) for name in COMPONENTS}
        return {
            name: tuple(Candidate(name, value) for value in found)
            for name, found in values.items()
            if found and Element("target", name) not in self.off
        }

    def target_accepts(self, requirement: Requirement) -> bool:
        """Whether every value of a target's component is accepted; unknown ones are."""
        return all(map(requirement.accepts, self.target_values.get(requirement.name, ())))

    @cached_property
    def fixed_requirements(self) -> tuple[tuple[Requirement, frozenset[Element]], ...]:
        """What facts about values fixed beforehand (GPU, Python, the toolkit asked for) ask of
        other components, each with the elements it rests on."""
        values = [
            (value, Element("target", name))
            for name, found in self.target_values.items()
            for value in found
        ]
        if self.goal.toolkit and TOOLKIT_OPTION not in self.off:
            toolkit = Candidate(self.matrix.toolkit_component, self.goal.toolkit[0])
            values.append((toolkit, TOOLKIT_OPTION))
        return tuple(
            (requirement, frozenset([requirement.origin, element]))
            for value, element in values
            for requirement in self.fact_requirements(value)
        )

    def marker_holds(self, marker: str) -> bool:
        """Evaluate a fact's ``when`` for the target."""
        return self._evaluate(f"x; {marker}", "")


@cache  # to write a specifier out takes longer than all else that is done with a requirement
def _specifiers_and_extras(text: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the specifier of a PEP 508 requirement, none or one, and its extras."""
    parsed = parse_requirement(text)
    specifier = str(parsed.specifier)
    return (specifier,) if specifier else (), frozenset(parsed.extras)

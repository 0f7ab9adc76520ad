"""A goal on a target, as candidates and the requirements between them.

Facts and releases meet here: :class:`Problem` says which candidates a project has on this target,
what each of them requires, and what rules it out. It remembers each answer, and knows nothing of
search or order.

``off`` are the :class:`elements <cudalock.resolution.elements.Element>` of the query to leave out:
so a soft fact is dropped, and a conflict narrowed down. A *wide* problem also offers candidates
that the goal or the target rule out, and names the elements that do.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from itertools import islice
from typing import TYPE_CHECKING, Final

from cudalock.errors import UnknownName
from cudalock.matrix.facts import DIST, VERSION, Demand, Fact, Replacement, RowRule, Verb
from cudalock.matrix.overlay import NAMED
from cudalock.matrix.releases import PACKAGE_INDEX, PLACE
from cudalock.matrix.sources import PURE, UNKNOWN, UNUSABLE, SourceState
from cudalock.resolution.elements import (
    ACCELERATOR_OPTION,
    BUILDERS_OPTION,
    EXCLUDE_NEWER_OPTION,
    LIBRARY_OPTIONS,
    TARGET_PYTHON,
    TOOLKIT_OPTION,
    Element,
    fact_element,
    goal_element,
)
from cudalock.resolution.model import Candidate, Requirement
from cudalock.resolution.policy import FROM_SCRATCH, Policy
from cudalock.resolution.propagation import NOTHING, Domain
from cudalock.resolution.shared import shared_by
from cudalock.resolution.unknowns import Unknowns
from cudalock.resolution.wheels import WHEEL_FACETS, Fit, Screen, best_wheel
from cudalock.targets.accelerators import ACCELERATORS, BUILT_FOR, CUDA, DEFAULT, LIBRARIES, Wish
from cudalock.targets.facets import COMPONENTS, flag_of
from cudalock.versions import (
    accepts,
    holds,
    is_prerelease,
    leading_name,
    may_accept,
    parse_requirement,
    pins_exactly,
    specifier_set,
)

if TYPE_CHECKING:
    from cudalock.goals import Goal, ProjectRequirement
    from cudalock.matrix.releases import Build, Project, Release
    from cudalock.matrix.universe import Universe
    from cudalock.targets import Ranker, Target
    from cudalock.targets.accelerators import Library

SOURCE_COST: Final = 4
"""How much of a window a source distribution takes: it is downloaded, and not only its metadata."""

COMPUTED: Final = SourceState(UNKNOWN, "its requirements are computed when it is built")

TRUST_ACCEPTED: Final = {
    "official": (NAMED, "own"),
    "known": (NAMED, "own", "known"),
    "any": (NAMED, "own", "known", "other"),
}

_PLATFORM: Final = frozenset(element.id for element in WHEEL_FACETS)


class Problem:
    """What may be pinned for one goal on one target, and what each candidate requires."""

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
        """whether a search over this problem reached its limit, so that "no" is not proven"""
        self.refused_sources: dict[str, dict[str, SourceState]] = {}
        """why source distributions were not candidates, by project and version"""
        universe.build_sources(goal.allow_build)
        self._environment = target.marker_environment()
        self._python = self._environment["python_full_version"]
        self._shared = shared_by(self.matrix, target)
        # Facts in force depend on what is left out.
        has_every_fact = not any(element.kind == "fact" for element in off)
        self._facts = self._shared.facts if has_every_fact else {}
        self._facts_of = self._shared.facts_of_version if has_every_fact else {}
        # What holds without the framework alone depends on the goal.
        self._own_facts: dict[str, tuple[Fact, ...]] = {}
        self._own_facts_of: dict[tuple[str, str], tuple[Fact, ...]] = {}
        self._candidates: dict[str, dict[str, tuple[Candidate, ...]]] = {}
        self._fact_requirements: dict[Candidate, tuple[Requirement, ...]] = {}
        self._metadata_requirements: dict[Candidate, tuple[Requirement, ...]] = {}
        self._refusals: dict[Candidate, tuple[frozenset[Element], ...]] = {}

    def without(self, off: frozenset[Element]) -> Problem:
        """Return the problem with other elements left out, sharing what does not depend on them."""
        other = Problem(self.goal, self.target, self.universe, off, policy=self.policy)
        other._metadata_requirements = self._metadata_requirements
        # Not shared: facts in force and refusals, which depend on `off`.
        other.refused_sources = self.refused_sources
        return other

    # -- the goal ---------------------------------------------------------------------

    @cached_property
    def roots(self) -> tuple[Requirement, ...]:
        """The goal's requirements and constraints, under the names of the projects they mean here.

        Raises UnknownName for an extra that the matrix does not know.
        """
        roots = [
            *(self._root(stated, "requires") for stated in self.goal.requirements),
            *(self._root(stated, "constrains") for stated in self.goal.constraints),
        ]
        return tuple(root for root in roots if root is not None)

    def _root(self, stated: ProjectRequirement, kind: Verb) -> Requirement | None:
        if not holds(stated.marker, self._environment):
            return None
        origin = goal_element(stated)
        if origin in self.off:
            return None
        name = self.project_named(stated.name)
        self._check_extras(name, stated.extras)
        specifiers = (_written(stated.specifier),) if stated.specifier else ()
        return Requirement(name, specifiers, kind, origin, frozenset(stated.extras))

    def _check_extras(self, name: str, extras: Iterable[str]) -> None:
        """Raise UnknownName for an extra whose requirements are not in the matrix: a lock without
        them would look complete."""
        project = self.universe.project(name)
        # The matrix has only the extras that something requires.
        for extra in sorted(extras):
            if project is None or not project.mentions_extra(extra):
                raise UnknownName(
                    f"the requirements of the extra `{extra}` of `{name}` are not in the matrix "
                    f"of {self.matrix.version}",
                    hints=[
                        f"name `{name}` without the extra, and each project that the extra adds"
                    ],
                )

    @cached_property
    def stated(self) -> Mapping[Element, ProjectRequirement]:
        """The goal's requirements and constraints, by the elements of the query that they are."""
        goal = self.goal
        # An element is what sets are made of, thousands of times: a text is the cheapest key.
        return {goal_element(stated): stated for stated in (*goal.requirements, *goal.constraints)}

    def project_named(self, name: str) -> str:
        """Return the project that a name in the goal means on this target: `triton` is
        `triton-windows` on Windows."""
        if not self.policy.reads_aliases:
            return name
        for alias in self.matrix.component(name).alias_of:
            if alias.when is None or self.marker_holds(alias.when):
                return alias.name
        return name

    @cached_property
    def goal_names(self) -> tuple[str, ...]:
        """The projects that the goal requires, without duplicates, in the order of the goal."""
        return tuple(dict.fromkeys(root.name for root in self.roots if root.kind == "requires"))

    def roots_of(self, name: str) -> tuple[Requirement, ...]:
        """Return the goal's requirements and constraints on one project."""
        return self._roots_by_name.get(name, ())

    @cached_property
    def _roots_by_name(self) -> dict[str, tuple[Requirement, ...]]:
        by_name: dict[str, list[Requirement]] = {}
        for root in self.roots:
            by_name.setdefault(root.name, []).append(root)
        return {name: tuple(roots) for name, roots in by_name.items()}

    @cached_property
    def pins_a_build(self) -> bool:
        """Whether the goal names a build of the framework by its local label (``2.5.1+cpu``)."""
        framework = self.matrix.framework
        return framework is not None and any(
            "+" in specifier for root in self.roots_of(framework) for specifier in root.specifiers
        )

    # -- candidates -------------------------------------------------------------------------

    def domain(self, name: str, screen: Screen | None = None) -> Domain:
        """Return :meth:`candidates` as a domain, which problems that agree in them share."""
        key = self._candidates_key(name)
        if key is None:
            return Domain(name, self.candidates(name, screen))
        whole_key = (key, screen and screen.key)
        domain = self._shared.domains.get(whole_key)
        if domain is None:
            domain = Domain(name, self.candidates(name, screen))
            self._shared.domains[whole_key] = domain
        return domain

    def virtual_domain(self, name: str, versions: tuple[str, ...]) -> Domain:
        """Return the domain of a virtual component with these versions, newest first."""
        key = (name, versions)
        domain = self._shared.domains.get(key)
        if domain is None:
            domain = Domain(name, (Candidate(name, version) for version in versions))
            self._shared.domains[key] = domain
        return domain

    def _candidates_key(self, name: str) -> Hashable | None:
        """Return all that the candidates of a project depend on, beside the target; None if they
        are this problem's own."""
        project = self.universe.project(name)
        of_policy = self.policy.candidates_key(name)
        if self.off or of_policy is None or project is None or not project.is_immutable:
            return None
        roots = tuple((root.kind, root.specifiers) for root in self.roots_of(name))
        goal = self.goal
        # The project itself: one of another universe has its own releases.
        return project, roots, self.wide, goal.builders, goal.exclude_newer, goal.skip, of_policy

    def candidates(self, name: str, screen: Screen | None = None) -> Iterator[Candidate]:
        """Yield every candidate that the target can take and the goal allows, newest first.

        Facts are not applied: see :meth:`refusals`. A build that does not pass the ``screen`` is
        left out before anything else is looked at. Of a project that an index lists only a window
        of releases is offered, and ``Project.cut`` records that there are more.
        """
        project = self.universe.project(name)
        if project is None:
            return
        specifiers = [specifier for root in self.roots_of(name) for specifier in root.specifiers]
        is_pinned = pins_exactly(specifiers)
        # Two windows: an explanation looks at releases that the goal rules out, but not at all of
        # them.
        counts = {True: 0, False: 0}
        self._look_ahead_of_window(project, specifiers)
        takes_early = project.takes_prereleases(specifiers)
        for version in reversed(project.versions):
            if is_prerelease(version) and not takes_early:
                continue
            is_allowed = all(may_accept(specifier, version) for specifier in specifiers)
            window = project.window if is_allowed else project.other_window
            is_free = project.is_free(version)
            if window is not None and not is_free and counts[is_allowed] >= window:
                if is_allowed:
                    project.cut()
                continue
            has_candidate = False
            cost = 1
            for candidate in self._make_candidates(name, version, screen):
                # PEP 592: a yanked release is for those who pin it exactly.
                if is_pinned or not candidate.is_yanked:
                    has_candidate = True
                    if candidate.build is not None and candidate.build.is_source:
                        cost = self._source_cost(name, window)
                    yield candidate
            counts[is_allowed] += cost if has_candidate and not is_free else 0

    def _source_cost(self, name: str, window: int | None) -> int:
        """Return how much of a window a source distribution takes.

        One that compiles may have 70 MiB, and whoever allows a build wants the newest.
        """
        if name in self.goal.allow_build and window is not None:
            return max(SOURCE_COST, window // 2)
        return SOURCE_COST

    def _look_ahead_of_window(self, project: Project, specifiers: list[str]) -> None:
        """Read at once the metadata of the releases that a window shows."""
        if project.window is None:
            return
        limit = self.goal.exclude_newer
        takes_early = project.takes_prereleases(specifiers)
        versions = (
            version
            for version in reversed(project.versions)
            if not project.is_free(version)
            and all(may_accept(specifier, version) for specifier in specifiers)
            and (takes_early or not is_prerelease(version))
            and (limit is None or (project.release(version).uploaded or limit) <= limit)
        )
        usable = (
            build
            for version in versions
            if (build := next(self._usable_builds(project, version), None)) is not None
        )
        self.universe.read_at_once(islice(usable, project.window))

    def _usable_builds(self, project: Project, version: str) -> Iterator[Build]:
        """Yield the builds of a release whose tags and Requires-Python the target meets."""
        for build in project.release(version).builds:
            if best_wheel(build, self._tags) is not None and (
                build.python is None or accepts(build.python, self._python)
            ):
                yield build

    def look_ahead(self, name: str, versions: Iterable[str]) -> None:
        """Read the metadata of these releases in parallel: the search is likely to need them."""
        project = self.universe.project(name)
        self.universe.read_at_once(
            build
            for version in versions
            if project is not None
            for build in self._usable_builds(project, version)
        )

    def candidates_at(self, name: str, version: str) -> tuple[Candidate, ...]:
        """Return the candidates of one release, yanked or not, final or not, in the order of its
        rows."""
        by_version = self._candidates.get(name)
        if by_version is None:
            key = self._candidates_key(name)
            by_version = {} if key is None else self._shared.candidates.setdefault(key, {})
            self._candidates[name] = by_version
        candidates = by_version.get(version)
        if candidates is None:
            candidates = by_version[version] = tuple(self._make_candidates(name, version))
        return candidates

    def _make_candidates(
        self, name: str, version: str, screen: Screen | None = None
    ) -> Iterator[Candidate]:
        roots = self.roots_of(name)
        specifiers = [specifier for root in roots for specifier in root.specifiers]
        if not self.wide and not all(may_accept(specifier, version) for specifier in specifiers):
            return
        project = self.universe.project(name)
        if project is None:
            return
        # Of flash-attn's releases three in four have no build for the torch of the goal.
        if screen and not screen.may_pass(project, version) and not self._may_build(name, version):
            return
        release = project.release(version)
        has_wheel = False
        for build in screen.passing(release) if screen else release.builds:
            wheel = best_wheel(build, self._tags)
            if wheel is None:
                continue
            candidate = Candidate(name, version, release, build, wheel)
            if (self.wide or self._passes(candidate, roots)) and build.is_readable:
                has_wheel = True
                yield candidate
        # Without that look most releases would be asked whether they may be built.
        if has_wheel and not self.wide and not self.off:
            return
        yield from self._source_candidates(name, version, release, roots)

    def _source_candidates(
        self, name: str, version: str, release: Release, roots: tuple[Requirement, ...]
    ) -> Iterator[Candidate]:
        """Yield the source distribution of a release without a wheel for the target."""
        # What is in the way of the goal is not worth a download.
        is_possible = all(root.may_accept(version) for root in roots)
        if not is_possible or not self._may_build(name, version) or self._has_wheel(release):
            return
        for build in release.source_builds:
            candidate = Candidate(name, version, release, build, build.wheel(0))
            # Filters first: the others may cost a download.
            if not self.wide and not self._passes(candidate, roots):
                continue
            refusal = self.source_refusal(name, version, build)
            # The archive may state a range of Pythons that the index page does not have.
            if refusal is None and (self.wide or self._passes(candidate, roots)):
                yield candidate
            elif refusal is not None:
                self.refused_sources.setdefault(name, {})[version] = refusal

    def _may_build(self, name: str, version: str) -> bool:
        """Return whether the source distribution of a release is worth a look.

        For a release of the matrix an index would have to be asked. What is curated about it, the
        user's permission and an exact pin are reasons for that, that the project's newest release
        has no wheel at all, and that a search found none of the days that the goal allows.
        """
        project = self.matrix.project(name)
        if project is None or version not in project or name in self.goal.allow_build:
            return True
        if self.matrix.component(name).sdists:
            stated = self._stated_source(name, version)
            return stated is not None and stated.kind == PURE
        newest = project.release(project.versions[-1])
        return (
            newest.is_source_only
            or self.universe.is_pinned(name, version)
            or self.universe.lacks_wheels(name)
        )

    def _has_wheel(self, release: Release) -> bool:
        exact = self._fit.ranker(NOTHING)
        return any(
            best_wheel(build, exact) is not None
            and (build.python is None or accepts(build.python, self._python))
            for build in release.builds
        )

    def source_refusal(self, name: str, version: str, build: Build) -> SourceState | None:
        """Return why a source distribution is not built; None if it is. Raises NetworkError."""
        is_allowed = name in self.goal.allow_build
        stated = self._stated_source(name, version)
        if is_allowed or (stated is not None and stated.kind == PURE):
            if build.is_readable:
                return None
            state = build.source_build(must_read=True)
            return state if state is not None and state.kind == UNUSABLE else COMPUTED
        state = stated or build.source_build()
        if state is None or state.kind != PURE:
            return state
        return None if build.is_readable else COMPUTED

    def source_of(self, name: str, release: Release) -> SourceState | None:
        """Return how a release without a wheel would be built; None where nobody can tell."""
        builds = release.source_builds if self._may_build(name, release.version) else ()
        for build in builds:
            refusal = self.source_refusal(name, release.version, build)
            return SourceState(PURE) if refusal is None else refusal
        return self._stated_source(name, release.version)

    def source_build(self, candidate: Candidate) -> SourceState | None:
        """Return how the source distribution of a candidate is built; None for a wheel.

        Raises NetworkError.
        """
        build = candidate.build
        if build is None or not build.is_source or candidate.version is None:
            return None
        stated = self._stated_source(candidate.name, candidate.version)
        return stated or build.source_build(must_read=True)

    def _stated_source(self, name: str, version: str) -> SourceState | None:
        """Return what is curated about the source distribution of a release."""
        return self.matrix.component(name).source_state(version, self.marker_holds)

    def _passes(self, candidate: Candidate, roots: tuple[Requirement, ...]) -> bool:
        """Return whether the goal, and the filters that are not left out, allow a candidate."""
        return all(root.accepts(candidate) for root in roots) and not any(
            self.off.isdisjoint(missed) for missed in self.missed_filters(candidate)
        )

    def missed_filters(self, candidate: Candidate) -> Iterator[frozenset[Element]]:
        """Yield the sets of elements that rule a wheel out before any fact is looked at."""
        release, build = candidate.release, candidate.build
        if release is None or build is None:
            return
        policy, name = self.policy, candidate.name
        trust = self.universe.trust(build)
        is_accepted = trust in TRUST_ACCEPTED[self.goal.builders]
        if not is_accepted and policy.option_applies(BUILDERS_OPTION, name):
            yield frozenset([BUILDERS_OPTION])
        limit = self.goal.exclude_newer
        # A release without a known day may be newer than the limit.
        # Who names a wheel means it, whatever day it is of.
        limit = None if trust == NAMED else limit
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
        """Return what :meth:`missed_filters` depends on besides index, builder, Python and tags."""
        version = candidate.version if self.goal.exclude_newer else None
        return version, self.policy.source_key(candidate)

    @cached_property
    def _fit(self) -> Fit:
        return Fit(self.target)

    @cached_property
    def _tags(self) -> Ranker:
        if self.wide:
            # A wide problem takes any wheel, and names what is wrong with it as refusals.
            return self._fit.ranker(frozenset(WHEEL_FACETS))
        return self._fit.ranker(self.off)

    def is_fixed(self, owner: str, other: str) -> bool:
        """See :meth:`Policy.is_fixed <cudalock.resolution.policy.Policy.is_fixed>`."""
        policy = self.policy
        # Asked for each demand of each candidate: the usual case is decided without a call.
        return policy is not FROM_SCRATCH and policy.is_fixed(owner, other, self.target_values)

    # -- what a candidate requires ------------------------------------------------------------

    def fact_requirements(self, candidate: Candidate) -> tuple[Requirement, ...]:
        """Return what curated facts require of other components beside this candidate."""
        requirements = self._fact_requirements.get(candidate)
        if requirements is None:
            requirements = tuple(self._find_fact_requirements(candidate))
            self._fact_requirements[candidate] = requirements
        return requirements

    def metadata_requirements(
        self, candidate: Candidate, names: frozenset[str] | None = None
    ) -> tuple[Requirement, ...]:
        """Return what the wheel's metadata requires on this target.

        With ``names`` (projects) only the requirements on those, which are not remembered.
        """
        requirements = self._metadata_requirements.get(candidate) if names is None else None
        if requirements is None:
            found = self._find_metadata_requirements(candidate, names)
            if self.policy is not FROM_SCRATCH:
                counts = self.policy.requirement_counts
                found = (requirement for requirement in found if counts(candidate, requirement))
            requirements = tuple(found)
            if names is None:
                self._metadata_requirements[candidate] = requirements
        return requirements

    def may_require(self, name: str, other: str) -> bool:
        """Return whether the metadata of some release of a project may name another project."""
        project = self.universe.project(name)
        return project is not None and project.mentions(other)

    def refusals(self, candidate: Candidate) -> tuple[frozenset[Element], ...]:
        """Return why a candidate cannot be pinned: sets of elements that together rule it out."""
        refusals = self._refusals.get(candidate)
        if refusals is None:
            refusals = tuple(self._find_refusals(candidate))
            self._refusals[candidate] = refusals
        return refusals

    def facts_on(self, candidate: Candidate) -> Iterator[Fact]:
        """Yield the facts in force about a candidate, soft ones included."""
        if candidate.version is None:
            return
        for fact in self._facts_of_version(candidate.name, candidate.version):
            if all(
                fact.matches(candidate.row(key), patterns) for key, patterns in fact.where.items()
            ) and (fact.rows is None or self.is_about(fact.rows, candidate)):
                yield fact

    @staticmethod
    def is_about(rows: RowRule, candidate: Candidate) -> bool:
        """Return whether a rule about rows is about a candidate; about source distributions none
        is, since they are compiled for what is there."""
        release, build, wheel = candidate.release, candidate.build, candidate.wheel
        if release is None or build is None or wheel is None or build.is_source:
            return False
        # The day before METADATA, which may have to be read.
        day = release.uploaded
        return (
            day is not None and day < rows.before and rows.covers(day, wheel.tags, build.requires)
        )

    def facts_perhaps_on(self, candidate: Candidate) -> Iterator[Fact]:
        """Yield the facts about builds with a label that the candidate's build lacks: nobody knows
        whether they are about it."""
        if candidate.version is None:
            return
        for fact in self._facts_of_version(candidate.name, candidate.version):
            rows = {key: candidate.row(key) for key in fact.where}
            lacks = any(not row and key not in (*PLACE, DIST) for key, row in rows.items())
            if lacks and all(
                not row or fact.matches(row, fact.where[key]) for key, row in rows.items()
            ):
                yield fact

    def _facts_of_version(self, name: str, version: str) -> tuple[Fact, ...]:
        key = (name, version)
        facts = self._facts_of.get(key)
        if facts is None:
            facts = self._own_facts_of.get(key)
        if facts is None:
            facts = tuple(
                fact for fact in self.facts_in_force(name) if accepts(fact.versions, version)
            )
            of_version = self._facts_of if name in self._facts else self._own_facts_of
            of_version[key] = facts
        return facts

    def facts_in_force(self, name: str) -> tuple[Fact, ...]:
        """Return the facts about some version of a component that hold on this target."""
        facts = self._facts.get(name)
        if facts is None:
            facts = self._own_facts.get(name)
        if facts is None:
            stated = self.matrix.component(name).facts
            facts = tuple(
                fact
                for fact in stated
                if fact.scope == "solve"
                and fact_element(fact.id) not in self.off
                and (fact.when is None or self.marker_holds(fact.when))
                and not (fact.alone and (self._is_for_another or self.leads_to_framework))
            )
            in_force = self._own_facts if any(fact.alone for fact in stated) else self._facts
            in_force[name] = facts
        return facts

    @property
    def _is_for_another(self) -> bool:
        """Whether the goal is for the CPU, or for the accelerators of another maker."""
        return self.wish is not None and self.wish.name != DEFAULT.name

    @cached_property
    def leads_to_framework(self) -> bool:
        """Whether the goal names the framework, or leads to it by facts, metadata or ranked
        projects."""
        framework = self.matrix.framework
        if framework is None or framework in self.goal_names:
            return framework is not None
        waiting = list(self.goal_names)
        seen = set(waiting)
        for name in waiting:  # grows
            named = self._named_by_facts(name)
            if framework in named or self.may_require(name, framework):
                return True
            further = {
                other
                for other in self.matrix.ranked - seen
                if other in named or self.may_require(name, other)
            }
            seen |= further
            waiting += sorted(further)
        return False

    def _named_by_facts(self, name: str) -> set[str]:
        """The components that facts about another name, where they hold beside the framework."""
        return {
            demand.template.name
            for fact in self.matrix.component(name).facts
            if fact.scope == "solve"
            and not fact.alone
            and fact_element(fact.id) not in self.off
            and (fact.when is None or self.marker_holds(fact.when))
            for demand in fact.beside
        }

    def _find_fact_requirements(self, candidate: Candidate) -> Iterator[Requirement]:
        for fact in self.facts_on(candidate):
            for requirement in self._fill_demands(fact, candidate, fact.beside):
                if not self.is_fixed(candidate.name, requirement.name):
                    yield requirement

    def machine_requirements(self, candidates: Iterable[Candidate]) -> Iterator[Requirement]:
        """Yield what hard facts about these candidates require of the driver, GPU or glibc."""
        for candidate in candidates:
            for fact in self.facts_on(candidate):
                if fact.is_hard:
                    yield from self._fill_demands(fact, candidate, fact.of_machine)

    def _find_refusals(self, candidate: Candidate) -> Iterator[frozenset[Element]]:
        for fact in self.facts_on(candidate):
            element = fact_element(fact.id)
            if fact.refuses and not self.is_fixed(candidate.name, candidate.name):
                yield frozenset([element])
            for requirement in self._fill_demands(fact, candidate, fact.of_machine):
                is_fixed = self.is_fixed(candidate.name, requirement.name)
                if not is_fixed and not self.target_accepts(requirement):
                    yield frozenset([element, Element("target", flag_of(requirement.name))])
        if self.is_for_the_default_accelerator(candidate):
            yield frozenset([ACCELERATOR_OPTION])
        if self.wide:
            yield from self.missed_filters(candidate)

    def is_for_the_default_accelerator(self, candidate: Candidate) -> bool:
        """Whether a build of the framework without a label is for another accelerator than the one
        that is wanted: the package index has builds for the default one, and for the CPU, alone."""
        return (
            candidate.name == self.matrix.framework
            and candidate.build is not None
            and candidate.build.index == PACKAGE_INDEX
            and candidate.accelerator is None
            and self.wish is not None
            and self.wish.name in BUILT_FOR
            and self.wish.name != DEFAULT.name
            and ACCELERATOR_OPTION not in self.off
            and self.policy.wants_accelerator(self.goal)
        )

    def _fill_demands(
        self, fact: Fact, candidate: Candidate, demands: tuple[Demand, ...]
    ) -> Iterator[Requirement]:
        for demand in demands:
            row = tuple(
                (candidate.version or "",) if name == VERSION else candidate.row(name)
                for name in demand.template.label_names
            )
            requirement = self.fill(fact, demand, row)
            if requirement is not None:
                yield requirement

    def fill(
        self, fact: Fact, demand: Demand, row: tuple[tuple[str, ...], ...]
    ) -> Requirement | None:
        """Return a demand with the labels of a wheel filled in; None if one of them is not known.

        ``row`` has the values of each label that the demand names, in its order.
        """
        # By identity: demands live as long as the matrix, and their hash would be computed each
        # time.
        key = (id(demand), row)
        if self.is_skipped(demand):
            return None
        filled_demands = self._shared.filled_demands
        if key not in filled_demands:
            names = demand.template.label_names
            labels = {name: label for name, label in zip(names, row, strict=True) if label}
            clause = demand.template.fill(labels)
            origin = fact_element(fact.id)
            filled_demands[key] = (
                None if clause is None else Requirement.of_clause(clause, demand.verb, origin)
            )
        return filled_demands[key]

    def is_skipped(self, demand: Demand) -> bool:
        """Return whether a demand is for a project that the goal leaves out."""
        return demand.verb == "requires" and demand.template.name in self.goal.skip

    def _find_metadata_requirements(
        self, candidate: Candidate, names: frozenset[str] | None
    ) -> Iterator[Requirement]:
        build = candidate.build
        if build is None:
            return
        if names is None:
            yield from self._required_by(candidate, None, build.requires)
            return
        if candidate.extras or not build.is_immutable:
            texts = tuple(text for text in build.requires if leading_name(text) in names)
            requirements, with_extras = self._requirements(candidate, texts)
            self.universe.note_extras(with_extras)
            yield from requirements
            return
        # Of a torch wheel's thirty requirements the network has two or three.
        texts_by_name = self._shared.texts.get(id(build.requires))
        if texts_by_name is None:
            texts_by_name = _texts_by_name(build.requires)
            self._shared.texts[id(build.requires)] = texts_by_name
        for name, texts_of_one in texts_by_name.items():
            if name in names:
                yield from self._required_by(candidate, name, texts_of_one)

    def _required_by(
        self, candidate: Candidate, name: str | None, texts: tuple[str, ...]
    ) -> tuple[Requirement, ...]:
        """Return what texts of a candidate's metadata require; `name` is the project that they are
        all about, None for any."""
        build = candidate.build
        if build is None or not build.is_immutable:
            requirements, with_extras = self._requirements(candidate, texts)
        else:
            # Several candidates are of one release: those of all problems, and its builds.
            key = (
                *(name, candidate.name, candidate.full_version, candidate.extras),
                *(id(build.requires), self.goal.skip),
            )
            if key not in self._shared.metadata:
                self._shared.metadata[key] = self._requirements(candidate, texts)
            requirements, with_extras = self._shared.metadata[key]
        if with_extras:
            self.universe.note_extras(with_extras)
        return requirements

    def _requirements(
        self, candidate: Candidate, texts: tuple[str, ...]
    ) -> tuple[tuple[Requirement, ...], tuple[str, ...]]:
        """Return the requirements of texts that hold here, and those of the texts with extras."""
        requirements: list[Requirement] = []
        with_extras: list[str] = []
        origin = Element("metadata", str(candidate))
        if candidate.extras:
            # An extra belongs to the very wheel, label included.
            specifier = f"=={candidate.full_version}"
            requirements.append(Requirement(candidate.name, (specifier,), "requires", origin))
        for text in texts:
            name = leading_name(text)
            if name in self.goal.skip or not self._requires_here(text, candidate.extras):
                continue
            replaced = self._replaced(candidate, name)
            if replaced is None:
                specifiers, extras = _specifiers_and_extras(text)
                requirements.append(Requirement(name, specifiers, "requires", origin, extras))
                if extras:
                    with_extras.append(text)
            elif replaced.replacement:
                of_fact = fact_element(replaced.fact)
                requirements.append(Requirement(replaced.replacement, (), "requires", of_fact))
        return tuple(requirements), tuple(with_extras)

    def _requires_here(self, text: str, extras: frozenset[str]) -> bool:
        """Return whether a requirement's marker holds; with extras, whether one of them adds it."""
        if ";" not in text:
            return not extras
        marker = parse_requirement(text).marker
        if marker is None:
            return not extras
        base = self._evaluate(text, "")
        if not extras:
            return base
        # `base` holds without any extra, so the project itself has that requirement already.
        return not base and any(self._evaluate(text, extra) for extra in extras)

    def _evaluate(self, text: str, extra: str) -> bool:
        key = f"{text}|{extra}"
        markers = self._shared.markers
        if key not in markers:
            marker = parse_requirement(text).marker
            environment = {**self._environment, "extra": extra}
            markers[key] = marker is None or marker.evaluate(environment)
        return markers[key]

    def _replaced(self, candidate: Candidate, requirement: str) -> Replacement | None:
        for replacement in self._replacements.get((candidate.name, requirement), ()):
            if candidate.version is not None and accepts(
                replacement.of_versions, candidate.version
            ):
                return replacement
        return None

    @cached_property
    def _replacements(self) -> dict[tuple[str, str], list[Replacement]]:
        by_requirement: dict[tuple[str, str], list[Replacement]] = {}
        for replacement in self.replacements():
            key = replacement.of, replacement.requirement
            by_requirement.setdefault(key, []).append(replacement)
        return by_requirement

    def replacements(self) -> Iterator[Replacement]:
        """Yield the wrong requirements of metadata that facts replace or drop on this target."""
        for replacement in self.matrix.replacements:
            if replacement.when is None or self.marker_holds(replacement.when):
                yield replacement

    @cached_property
    def unknowns(self) -> Unknowns:
        """What is unknown and warned of about its candidates."""
        return Unknowns(self)

    @cached_property
    def soft_elements(self) -> frozenset[Element]:
        """The facts that may be dropped, at the price of a warning each."""
        # `--strict`: warnings are as bad as conflicts.
        if self.goal.strict:
            return frozenset()
        return frozenset(map(fact_element, self.matrix.soft_facts))

    def may_guide(self, owner: str) -> bool:
        """Return whether some fact about a component may be guiding, without reading one."""
        matrix = self.matrix
        if self.goal.toolkit and owner == matrix.toolkit_component:
            return True
        return owner == matrix.framework or owner in self.goal_names or matrix.is_virtual(owner)

    def is_guiding(self, fact: Fact) -> bool:
        """Return whether a warning of a fact counts before any version.

        So does one about the framework, what its build fixes, or the target, and one about a
        component of the goal that rests on the framework, its build or the platform: those are
        chosen together.
        """
        owner = fact.component
        if self.goal.toolkit and owner == self.matrix.toolkit_component:
            return True
        if owner not in self.goal_names or owner == self.matrix.framework:
            return owner == self.matrix.framework or self.matrix.component(owner).is_virtual
        return any(self._is_chosen_with(demand.template.name) for demand in fact.beside) or any(
            demand.template.name in _PLATFORM for demand in fact.of_machine
        )

    def _is_chosen_with(self, name: str) -> bool:
        """Return whether a component is the framework, or fixed by its build."""
        return name == self.matrix.framework or self.matrix.component(name).is_virtual

    @cached_property
    def wish(self) -> Wish | None:
        """What the framework has to be built for: what the goal states, else what the GPUs of the
        target are, else CUDA where the target can have it."""
        if self.goal.accelerator is not None:
            return self.goal.accelerator
        # Unless the goal pins a build such as 2.5.1+cpu.
        name = self.target.wanted_accelerator.name
        can_have = name in self.target.accelerators or name in self.target.built_in
        return Wish(name) if can_have and not self.pins_a_build else None

    def accelerator_requirements(self) -> Iterator[Requirement]:
        """Yield what the goal requires of the accelerator that the framework is built for."""
        wish = self.wish
        if (
            wish is None
            or ACCELERATOR_OPTION in self.off
            or not self.policy.wants_accelerator(self.goal)
        ):
            return
        if wish.name in BUILT_FOR:
            specifiers = (wish.specifier,) if wish.specifier else ()
            yield Requirement(wish.name, specifiers, "requires", ACCELERATOR_OPTION)
            return
        for name in BUILT_FOR:
            yield Requirement(name, (), "conflicts", ACCELERATOR_OPTION)

    def option_requirements(self, cuda: str | None) -> Iterator[Requirement]:
        """Yield the pip packages that `--toolkit` and `--cudnn` require, beside a framework built
        with a CUDA release (None: with none); and that there is no such framework where no package
        of the library is for that release."""
        release = self.goal.toolkit[0] if self.goal.toolkit else None
        if self.goal.toolkit and TOOLKIT_OPTION not in self.off:
            pins = self.matrix.toolkits.pins(*self.goal.toolkit, self.target.platform)
            for name, version in pins.items():
                if name in self.goal.skip:
                    continue
                yield Requirement(name, (f"=={version}",), "requires", TOOLKIT_OPTION)
        for library in LIBRARIES.values():
            specifier = self.goal.of(library)
            option = LIBRARY_OPTIONS[library.name]
            if specifier is not None and option not in self.off:
                project = self.library_project(library, cuda or release)
                yield Requirement(project, (specifier,), "requires", option)
                framework = self.matrix.framework
                if cuda and framework and not self.matrix.library_projects(library.name, cuda):
                    # No package is for such a build: torch for CUDA 10.2 brings its own cuDNN.
                    yield Requirement(framework, (), "conflicts", option)

    def library_project(self, library: Library, cuda: str | None) -> str:
        """Return the pip package that `--cudnn` means beside a CUDA release.

        If none has such a version there, that of the newest CUDA major that has one; if none is for
        that release at all, the same of all CUDA majors.
        """
        projects_for = self.matrix.library_projects
        projects = projects_for(library.name, cuda) or projects_for(library.name, None)
        specifier = self.goal.of(library) or ""
        usable = [
            name
            for name in projects
            if any(accepts(specifier, version) for version in self.universe.versions(name))
        ]
        return (usable or projects)[0]

    # -- the target -----------------------------------------------------------------------------

    @cached_property
    def target_values(self) -> dict[str, tuple[Candidate, ...]]:
        """The virtual components of the target that are known; each GPU is a version of its own."""
        versions_by_name = {name: facet.values(self.target) for name, facet in COMPONENTS.items()}
        return {
            name: tuple(Candidate(name, version) for version in versions)
            for name, versions in versions_by_name.items()
            if versions and Element("target", flag_of(name)) not in self.off
        }

    def target_accepts(self, requirement: Requirement) -> bool:
        """Return whether each version of a target's component is accepted; an unknown one is."""
        # Several GPUs: a fact has to hold for each of them.
        return all(map(requirement.accepts, self.target_values.get(requirement.name, ())))

    @cached_property
    def fixed_requirements(self) -> tuple[tuple[Requirement, frozenset[Element]], ...]:
        """What facts about the target and about the goal's toolkit require of other components,
        each with the elements that it rests on."""
        fixed = [
            (candidate, Element("target", flag_of(name)))
            for name, candidates in self.target_values.items()
            for candidate in candidates
        ]
        if self.goal.toolkit and TOOLKIT_OPTION not in self.off:
            toolkit = Candidate(self.matrix.toolkit_component, self.goal.toolkit[0])
            fixed.append((toolkit, TOOLKIT_OPTION))
        required = [
            (requirement, frozenset([requirement.origin, element]))
            for candidate, element in fixed
            for requirement in self.fact_requirements(candidate)
        ]
        alone = [
            (Requirement(name, (), "requires", ACCELERATOR_OPTION), frozenset([ACCELERATOR_OPTION]))
            for name in self.stated_alone
        ]
        return (*required, *alone, *self.unusable_accelerators)

    @cached_property
    def stated_alone(self) -> Mapping[str, Sequence[str]]:
        """The releases of CUDA that the goal states, where no framework comes along whose build
        would fix one: those of the system then, which what is chosen has to go with."""
        wish = self.goal.accelerator
        is_alone = not (ACCELERATOR_OPTION in self.off or self.leads_to_framework)
        if wish is None or wish.name != CUDA.name or not wish.specifier or not is_alone:
            return {}
        known = self.matrix.toolkits.releases
        stated = [release for release in known if accepts(wish.specifier, release)]
        return {wish.name: stated} if stated else {}

    @cached_property
    def unusable_accelerators(self) -> tuple[tuple[Requirement, frozenset[Element]], ...]:
        """The absence of each accelerator of which parts of the machine contradict each other: a
        GPU and a driver that does not see it."""
        return tuple(self._find_unusable_accelerators())

    @property
    def contradicts_wish(self) -> bool:
        """Whether the framework is wanted for an accelerator that parts of the machine rule out
        together: then no release of anything makes a solution."""
        return (
            self.wish is not None
            and self.matrix.framework in self.goal_names
            and any(absent.name == self.wish.name for absent, _ in self.unusable_accelerators)
        )

    def _find_unusable_accelerators(self) -> Iterator[tuple[Requirement, frozenset[Element]]]:
        for accelerator in ACCELERATORS.values():
            for name in accelerator.components:
                for candidate in self.target_values.get(name, ()):
                    for elements in self._find_refusals(candidate):
                        fact = next(element for element in elements if element.kind == "fact")
                        unusable = Requirement(accelerator.name, (), "conflicts", fact)
                        yield unusable, elements | {Element("target", flag_of(name))}

    def marker_holds(self, marker: str) -> bool:
        """Return whether a fact's ``when``, a PEP 508 marker, holds on the target."""
        # Markers and requirements share one cache, whose key is a requirement's text.
        return self._evaluate(f"x; {marker}", "")


@cache
def _written(specifier: str) -> str:
    """Return a specifier as packaging writes it, as those of metadata are."""
    return str(specifier_set(specifier))


@cache  # to write a specifier out takes longer than all else that is done with a requirement
def _specifiers_and_extras(text: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the specifier of a PEP 508 requirement, none or one, and its extras."""
    parsed = parse_requirement(text)
    specifier = str(parsed.specifier)
    return (specifier,) if specifier else (), frozenset(parsed.extras)


def _texts_by_name(texts: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return PEP 508 requirements by the project that each names, in their order."""
    by_name: dict[str, list[str]] = {}
    for text in texts:
        by_name.setdefault(leading_name(text), []).append(text)
    return {name: tuple(texts_of_one) for name, texts_of_one in by_name.items()}

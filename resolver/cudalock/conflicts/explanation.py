"""Why there is no solution: the core's steps, from the requirement to the conflict."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from cudalock.conflicts.no_wheel import DeadEnds
from cudalock.conflicts.step import (
    SHOWN_VERSIONS,
    Advice,
    BuilderRejected,
    BuiltWith,
    FactSays,
    FixedValues,
    GoalRequires,
    GoalWantsAccelerator,
    GoalWantsLibrary,
    GoalWantsToolkit,
    MetadataRequires,
    NamedVersions,
    NoWheel,
    PublishedBy,
    Step,
    TargetHas,
    fact_of,
    render,
)
from cudalock.matrix.facts import NONE
from cudalock.records import NamedTuple
from cudalock.resolution.elements import ACCELERATOR_OPTION, TARGET_GLIBC, Element, ids_of
from cudalock.resolution.model import label
from cudalock.resolution.problem import Problem
from cudalock.resolution.propagation import (
    ABSENT,
    RequirementTable,
    Restriction,
    Strike,
    strikes_leading_to,
)
from cudalock.targets.accelerators import BUILT_FOR, CPU, CUDA, DEFAULT, LIBRARIES, Wish
from cudalock.targets.platforms import of_wheel_tags
from cudalock.versions import accepts, version_order

SHOWN_OF_PROOF: Final = 4
"""Requirements of one project that are shown of a proof."""

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.version import Version

    from cudalock.conflicts.core import Conflict, Core
    from cudalock.conflicts.suggestions import Suggestion
    from cudalock.matrix.facts import Fact
    from cudalock.resolution.model import Candidate


class Explanation(NamedTuple):
    """Why a goal has no solution on a target."""

    headline: str
    elements: tuple[Element, ...]
    """those of all cores, each once"""
    conflicts: tuple[tuple[Step, ...], ...]
    """the steps of each core"""
    suggestions: tuple[Suggestion, ...] = ()
    """changes that have a solution: each was solved"""

    def __str__(self) -> str:
        lines = [self.headline]
        for position, steps in enumerate(self.conflicts):
            if position:
                lines.append("and in addition")
            lines += [f"  {render(step)}" for step in steps]
        return "\n".join(lines)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of all conflicts."""
        return tuple(step for steps in self.conflicts for step in steps)

    @property
    def facts(self) -> tuple[str, ...]:
        """The ids of the curated facts in the cores."""
        return tuple(ids_of(self.elements, "fact"))


class CoreExplainer:
    """Explains one core of a conflict in steps."""

    def __init__(self, conflict: Conflict, core: Core) -> None:
        self._problem = conflict.problem
        self._network = conflict.search.network
        self._core = core
        self._dead_ends = DeadEnds(
            conflict.problem,
            is_single=len(core.elements) == 1,
            ignored=conflict.ignored,
        )

    def steps(self) -> tuple[Step, ...]:
        """Return the steps of the propagation that led to the conflict.

        Where it takes a search to see the conflict, they are the elements of the core instead.
        """
        if others := tuple(self._for_another_accelerator()):
            return others
        # Propagation alone finds most conflicts, and its trace reads like a proof: `torch==2.5.1`
        # leaves one version, whose metadata leaves one torchvision, which the goal forbids.
        trace: list[Strike] = []
        alive = self._network.alive(self._core.others, trace)
        empty = self._network.propagate(alive, self._core.others, trace)
        strikes = strikes_leading_to({empty}, trace) if empty is not None else []
        steps = [step for strike in strikes for step in self._steps_of(strike)]
        shown_facts = {fact_of(step) for step in steps}
        # A fact that the trace did not need is part of the core all the same.
        for element in self._core.elements:
            kind, id = element
            if kind == "fact" and id not in shown_facts:
                fact = self._problem.matrix.fact(id)
                subject = NamedVersions(fact.component, (), fact.versions)
                steps.append(FactSays(subject, fact.says, id))
            # No strike emptied anything: only a search sees the conflict, and it leaves no trace.
            elif kind == "goal" and empty is None:
                requirement = self._problem.stated[element]
                steps.insert(0, GoalRequires(requirement))
                steps += self._dead_ends.path_from(requirement)
            elif kind == "option" and empty is None:
                steps.append(self._option(id, ""))
            elif (
                kind == "target"
                and empty is None
                and not self._is_shown_by_glibc(id)
                and not any(isinstance(step, NoWheel) and id in step.parts for step in steps)
            ):
                steps.append(TargetHas(id, self._problem.target))
        if ACCELERATOR_OPTION in self._core.elements:
            steps += self._builds(steps)
        if empty is None:
            steps += self._among_blamed()
        steps += self._advice()
        return unique(steps)

    def _for_another_accelerator(self) -> Iterator[Step]:
        """What a goal's component is built for, where a fact says so and what serves instead.

        A proof would go through each of the framework's builds, to end at the same.
        """
        wish = self._problem.wish
        built_in = self._problem.target.built_in
        if (wish is None or wish.name in (CPU, DEFAULT.name)) and not built_in:
            return
        stated = self._problem.stated
        required = [stated[element] for element in self._core.elements if element in stated]
        for name, requirement in {one.name: one for one in required}.items():
            fact = self._fact_on_accelerator(name, wish.name if wish else None)
            if fact is None or self._is_built_for(name, wish.name if wish else None):
                continue
            yield GoalRequires(requirement)
            if wish is not None and wish.name in BUILT_FOR:
                yield self._option(CUDA.name, "")
            yield FactSays(NamedVersions(name, (), fact.versions), fact.says, fact.id)
            if fact.fix:
                yield Advice(fact.fix, fact.id)

    def _fact_on_accelerator(self, name: str, accelerator: str | None) -> Fact | None:
        """Return the fact that a component has no build for an accelerator, None if there is none
        of all its releases."""
        for fact in self._problem.facts_in_force(name):
            excludes = any(
                demand.verb == "conflicts" and demand.template.name == accelerator
                for demand in fact.beside
            )
            if not fact.versions and (excludes or (fact.refuses and fact.when is not None)):
                return fact
        return None

    def _is_built_for(self, name: str, accelerator: str | None) -> bool:
        """Return whether a project has a wheel for an accelerator on the target's platform."""
        project = self._problem.matrix.project(name)
        platform = self._problem.target.platform
        return accelerator is not None and any(
            platform in of_wheel_tags(tags)
            for release in project or ()
            for versions, positions in release.by_label(accelerator).items()
            if versions and versions != (NONE,)
            for position in positions
            for tags in release.build(position).tags
        )

    def _builds(self, steps: list[Step]) -> Iterator[BuiltWith]:
        """What the framework is built with, where a CUDA release was asked for that nothing has."""
        wish, framework = self._problem.goal.accelerator, self._problem.matrix.framework
        is_shown = any(isinstance(step, FactSays) and step.implies for step in steps)
        domain = self._network.domains.get(framework or "")
        if wish is None or not wish.specifier or is_shown or domain is None or framework is None:
            return
        roots = self._problem.roots_of(framework)
        builds = [
            build
            for build in domain.members(domain.all & ~ABSENT)
            if all(root.accepts(build) for root in roots)
        ]
        releases = {version for build in builds if (version := label(build, wish.name)) is not None}
        minors = {".".join(version.split(".")[:2]) for version in releases}
        if minors and not any(accepts(wish.specifier, version) for version in releases):
            named = NamedVersions.of(framework, builds)
            yield BuiltWith(named, tuple(sorted(minors, key=version_order)), wish.name)

    def _among_blamed(self) -> Iterator[Step]:
        """What the newest release of each project of a proof requires of the others in it."""
        problem = self._problem
        narrow = Problem(problem.goal, problem.target, problem.universe)
        for name in sorted(self._core.blamed):
            newest = next(narrow.candidates(name), None)
            if newest is None or newest.build is None:
                continue
            texts = tuple(
                str(requirement)
                for requirement in narrow.metadata_requirements(newest)
                if requirement.specifiers and requirement.name in self._core.blamed - {name}
            )
            owner = NamedVersions(name, (newest.version or "",))
            yield from (MetadataRequires(owner, (text,)) for text in texts[:SHOWN_OF_PROOF])

    def _is_shown_by_glibc(self, part: str) -> bool:
        # The step about a wheel for a newer glibc names the platform as well.
        return part == "platform" and TARGET_GLIBC in self._core.elements

    def _advice(self) -> Iterator[Step]:
        for id in ids_of(self._core.elements, "fact"):
            fix = self._problem.matrix.fact(id).fix
            if fix:
                yield Advice(fix, id)

    def _steps_of(self, strike: Strike) -> Iterator[Step]:
        if isinstance(strike.cause, Restriction):
            yield from self._restriction(strike, strike.cause)
        else:
            yield self._table(strike, strike.cause)

    # -- the goal and the target ----------------------------------------------------------------

    def _restriction(self, strike: Strike, cause: Restriction) -> Iterator[Step]:
        # Where a wheel has to come from is explained by whoever knows the file or environment.
        if any(element.kind == "source" for element in cause.elements):
            return
        by_kind: dict[str, list[str]] = {}
        for kind, id in sorted(cause.elements):
            by_kind.setdefault(kind, []).append(id)
        struck = self._members(strike.component, strike.before & ~strike.after)
        if "goal" in by_kind:
            requirement = self._problem.stated[Element("goal", by_kind["goal"][0])]
            yield GoalRequires(requirement)
            if not strike.after:
                specifier = requirement.specifier
                yield from self._dead_ends.never_installable(strike.component, specifier)
        elif "fact" in by_kind:
            fact = self._problem.matrix.fact(by_kind["fact"][0])
            parts = tuple(
                TargetHas(part, self._problem.target)
                for part in by_kind.get("target", ())
                if part != fact.component
            )
            if fact.component != strike.component:
                # A fact about the target's own value; its `says` follows the value.
                yield FactSays(self._fixed(fact.component), fact.says, fact.id, parts)
                return
            yield FactSays(
                NamedVersions.of(fact.component, struck),
                fact.says,
                fact.id,
                parts,
                labels=_span_of_labels(fact, struck),
            )
        elif "target" in by_kind:
            # Versions that keep another build are not worth a line.
            left = {build.version for build in self._members(strike.component, strike.after)}
            lost = [candidate for candidate in struck if candidate.version not in left]
            if lost:
                yield self._dead_ends.no_wheel(strike.component, lost, by_kind["target"])
        else:
            yield self._option(by_kind["option"][0], strike.component)

    def _option(self, option: str, component: str) -> Step:
        goal = self._problem.goal
        if option == CUDA.name:
            wish = self._problem.wish or Wish(CUDA.name)
            return GoalWantsAccelerator(
                wish.name,
                wish.specifier.removeprefix("==").removesuffix(".*") or None,
                is_stated=goal.accelerator is not None,
            )
        if option == "exclude-newer":
            return PublishedBy(str(goal.exclude_newer))
        if option == "builders":
            return BuilderRejected(component, goal.builders)
        if option == "toolkit" and goal.toolkit is not None:
            return GoalWantsToolkit(*goal.toolkit)
        library = LIBRARIES[option]
        release = goal.toolkit[0] if goal.toolkit else None
        project = self._problem.library_project(library, release)
        versions = tuple(self._problem.universe.versions(project))
        return GoalWantsLibrary(library.title, str(goal.of(library)), project, versions)

    def _fixed(self, component: str) -> FixedValues:
        fixed = self._problem.target_values.get(component, ())
        toolkit = self._problem.goal.toolkit
        if not fixed and toolkit:
            return FixedValues("CUDA toolkit", (toolkit[0],))
        return FixedValues(component, tuple(candidate.version or "" for candidate in fixed))

    # -- facts and metadata ---------------------------------------------------------------------

    def _table(self, strike: Strike, table: RequirementTable) -> Step:
        # If the owner lost candidates, those it had are what the fact is about; if the other
        # component did, those the owner still has.
        owners = strike.before if strike.component == table.owner else self._alive_owners(table)
        members = self._members(table.owner, owners & table.covered)
        owner = NamedVersions.of(table.owner, members)
        if table.element is None:
            return MetadataRequires(owner, self._required(table, members))
        kind, id = table.element
        if kind == "option":
            return self._option(id, table.owner)
        fact = self._problem.matrix.fact(id)
        return FactSays(owner, fact.says, fact.id, implies=self._implied(fact, table, owners))

    def _implied(self, fact: Fact, table: RequirementTable, owners: int) -> NamedVersions | None:
        """The versions that a fact leaves of the other component, where they are worth a mention.

        So they are of a virtual component, and where the fact names a label: "built for the torch
        of its label" means another torch for each wheel.
        """
        is_virtual = self._problem.matrix.component(table.other).is_virtual
        by_label = any(
            demand.template.name == table.other and demand.template.label_names
            for demand in fact.beside
        )
        if not is_virtual and not by_label:
            return None
        accepted = 0
        for group, useful in table.groups:
            if group & owners:
                accepted |= useful
        implied = NamedVersions.of(table.other, self._members(table.other, accepted))
        if not is_virtual and len(implied.versions) > SHOWN_VERSIONS:
            return None
        return implied

    def _alive_owners(self, table: RequirementTable) -> int:
        alive = self._network.alive(self._core.others)
        return alive[table.owner]

    def _required(self, table: RequirementTable, members: list[Candidate]) -> tuple[str, ...]:
        texts = {
            str(requirement)
            for candidate in members
            for requirement in self._problem.metadata_requirements(
                candidate, frozenset([table.other])
            )
        }
        return tuple(sorted(texts, key=_lowest)) or (table.other,)

    def _members(self, component: str, mask: int) -> list[Candidate]:
        return self._network.domains[component].members(mask & ~ABSENT)


def _span_of_labels(fact: Fact, builds: list[Candidate]) -> tuple[str, ...]:
    """The lowest and the highest value of the label that a fact holds against the target's GPU."""
    names = [name for demand in fact.of_machine for name in demand.template.label_names]
    values = {
        value.rstrip("af").removesuffix("+PTX")
        for build in builds
        for name in names
        for value in build.row(name)
        if value[:1].isdigit() and "." in value
    }
    ordered = sorted(values, key=version_order)
    return (ordered[0], ordered[-1]) if ordered else ()


def unique(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return the steps without those that read like an earlier one."""
    # By text and not by value: a span hides the versions between its ends.
    by_text: dict[str, Step] = {}
    for step in steps:
        by_text.setdefault(render(step), step)
    return tuple(by_text.values())


def _lowest(requirement: str) -> tuple[tuple[Version, str], str]:
    """A key to sort requirements by: the lowest version that each names."""
    # `torch==2.4.0 or torch==2.5.0` sorts by 2.4.0, and `torch>=2.4,<3` as well.
    versions = re.findall(r"(?<=[=<>~])[0-9]+(?:\.[0-9]+)*", requirement)
    return min(map(version_order, versions), default=version_order("0")), requirement

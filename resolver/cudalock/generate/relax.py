"""Drop the fewest limits so that there is a solution, and find what replaces them.

A requirement and its limit are two things: `torch==2.5.1` is the requirement `torch` and a limit on
it, so that without the limit the project is still required. Of the sets of limits that hit every
conflict the cheapest is tried (an implicit hitting set): if it leaves no conflict, none is smaller.
Each dropped limit then yields to the version nearest to what it allowed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.conflicts.core import Conflict
from cudalock.conflicts.explanation import CoreExplainer
from cudalock.conflicts.step import (
    Advice,
    FactSays,
    GoalRequires,
    GoalWantsAccelerator,
    MetadataRequires,
    NamedVersions,
    NoSuchBuild,
    NoWheel,
    SourceOnly,
    TargetHas,
    Yanked,
    describe,
)
from cudalock.goals import ProjectRequirement, RequestedProject
from cudalock.resolution.elements import Element, goal_element
from cudalock.resolution.minimal import smallest_hitting_sets
from cudalock.resolution.problem import Problem
from cudalock.resolution.search import Search
from cudalock.resolution.wheels import best_wheel
from cudalock.versions import accepts, is_prerelease, nearest_first, parse_version

if TYPE_CHECKING:
    from cudalock.conflicts.core import Core
    from cudalock.conflicts.step import Step
    from cudalock.goals import Query
    from cudalock.matrix.universe import Universe
    from cudalock.targets import Target

MOST_CORES: Final = 60
"""After so many conflicts the search for the smallest set stops."""
MOST_LISTED: Final = 8
"""So many releases of a project that only an index has are tried: each may take a request."""
MOST_LIMITS: Final = 6
"""More limits than these are not dropped: then the files are of another time."""


class Limit(NamedTuple):
    """A limit on one project, with its place and its marker; `weight` is what dropping it costs."""

    name: str
    specifier: str
    origin: str
    marker: str | None = None
    weight: int = 1

    @property
    def text(self) -> str:
        return f"{self.name}{self.specifier}"

    @property
    def constraint(self) -> ProjectRequirement:
        """The limit as a goal has it."""
        limit = ProjectRequirement.of(self.name, self.specifier)
        return replace(limit, origins=(self.origin,))

    def applies(self, target: Target) -> bool:
        """Whether it holds on a target."""
        requested = RequestedProject(self.name, self.specifier, marker=self.marker)
        return requested.applies(target.marker_environment())


class Loosened(NamedTuple):
    """A dropped limit, and the version that replaces it."""

    limit: Limit
    version: str | None
    reason: str = ""
    """what it conflicts with, as a clause"""

    def __str__(self) -> str:
        instead = f"{self.version} is taken" if self.version else "it is dropped"
        reason = f" ({self.reason})" if self.reason else ""
        return f"{self.limit.origin}: `{self.limit.text}` cannot be kept: {instead}{reason}"


class Relaxed(NamedTuple):
    """Queries that have a solution, and the limits that were dropped for it."""

    questions: tuple[Query, ...]
    loosened: tuple[Loosened, ...]
    held: Mapping[str, str]
    """project to the version that it is pinned at instead of the dropped limit"""


def relax(
    questions: Sequence[Query], limits: Sequence[Limit], universe: Universe
) -> Relaxed | None:
    """Return the queries, whose own limits are absolute, with all of `limits` but the fewest.

    Of sets of the same size weight decides, then the name. None if there is no solution even
    without any of the limits, or if the search stopped early.
    """
    return _Relaxing(questions, limits, universe).relax()


class _Relaxing:
    def __init__(
        self, questions: Sequence[Query], limits: Sequence[Limit], universe: Universe
    ) -> None:
        self.questions = tuple(questions)
        self.limits = tuple(dict.fromkeys(limits))
        self.universe = universe
        self.matrix = universe.matrix
        self._cores: list[tuple[Conflict, Core, frozenset[Limit]]] = []
        """the conflicts that were found, each with the limits in it"""

    def relax(self) -> Relaxed | None:
        let_go = self._smallest()
        if let_go is None:
            return None
        remaining = [limit for limit in self.limits if limit not in let_go]
        pinned: dict[str, str] = {}
        # The heaviest first: those that follow have to fit the versions chosen before them.
        for limit in sorted(
            let_go, key=lambda limit_dropped: (-limit_dropped.weight, limit_dropped.text)
        ):
            if limit.name not in pinned:
                version = self._nearest(limit, remaining, pinned)
                if version is not None:
                    pinned[limit.name] = version
        loosened = [
            Loosened(limit, pinned.get(limit.name), self._reason(limit))
            for limit in self.limits
            if limit in let_go
        ]
        return Relaxed(self._with(remaining, pinned), tuple(loosened), pinned)

    # -- which ----------------------------------------------------------------------------------

    def _smallest(self) -> frozenset[Limit] | None:
        # Wide: it has the candidates that limits rule out, so one problem serves any set of them.
        conflicts = [
            (Conflict(Problem(goal, target, self.universe, wide=True)), self._elements(target))
            for goal, target in self._with(self.limits, {})
        ]
        conflicts_found: list[frozenset[Limit]] = []
        for _ in range(MOST_CORES):
            hitting = smallest_hitting_sets(conflicts_found, _by_weight, MOST_LIMITS)
            let_go = min(hitting, key=_cost, default=None)
            if let_go is None:
                return None
            core = self._a_core(conflicts, let_go)
            if core is None:
                return let_go
            # A conflict without limits cannot be relaxed.
            if not core:
                return None
            conflicts_found.append(core)
        return None

    def _reason(self, limit: Limit) -> str:
        """What a limit that is let go conflicts with: the fact or the metadata that says so."""
        for conflict, core, limits in self._cores:
            if limit in limits:
                steps = [
                    step
                    for step in CoreExplainer(conflict, core).steps()
                    if not isinstance(
                        step, GoalRequires | GoalWantsAccelerator | TargetHas | Advice
                    )
                ]
                beside = sorted({f"`{other.text}`" for other in limits if other != limit})
                words = [f"beside {' and '.join(beside)}"] if beside else []
                # What the machine cannot run says more than what follows from it.
                of_machine = [step for step in steps if isinstance(step, FactSays) and step.parts]
                # What is so of the release itself says more than who else requires the project.
                own = [step for step in steps if self._is_about(limit, step)]
                telling = [step for step in own if step in of_machine] or own or of_machine or steps
                return "; ".join([*words, *map(describe, telling[-1:])])
        return ""

    def _is_about(self, limit: Limit, step: Step) -> bool:
        """Return whether a step says something of the releases of a limit's own project."""
        name = self.matrix.names.find(limit.name) or limit.name
        match step:
            case NoWheel(releases=NamedVersions(name=owner)):
                return owner == name
            case SourceOnly(releases=NamedVersions(name=owner)):
                return owner == name
            case FactSays(subject=NamedVersions(name=owner)):
                return owner == name
            case MetadataRequires(owner=NamedVersions(name=owner)):
                return owner == name
            case Yanked(project=owner) | NoSuchBuild(project=owner):
                return owner == name
        return False

    def _elements(self, target: Target) -> dict[Element, list[Limit]]:
        """Return the limits by the elements that they are in the query of a target."""
        limits_by_element: dict[Element, list[Limit]] = {}
        for limit in self.limits:
            if limit.applies(target):
                limits_by_element.setdefault(goal_element(limit.constraint), []).append(limit)
        return limits_by_element

    def _a_core(
        self,
        conflicts: Sequence[tuple[Conflict, dict[Element, list[Limit]]]],
        let_go: frozenset[Limit],
    ) -> frozenset[Limit] | None:
        """Return the limits of some remaining conflict; None if there is none."""
        for conflict, elements in conflicts:
            # One element has the same limit from several files: it is gone only if all of them are
            # dropped.
            off = {
                element for element, limits in elements.items() if all(x in let_go for x in limits)
            }
            core = conflict.core(frozenset(off))
            if core is not None:
                limits = frozenset(
                    limit
                    for element in core.elements
                    for limit in elements.get(element, ())
                    if limit not in let_go
                )
                self._cores.append((conflict, core, limits))
                return limits
        return None

    # -- what instead -----------------------------------------------------------------------------

    def _nearest(
        self, limit: Limit, remaining: Sequence[Limit], pinned: Mapping[str, str]
    ) -> str | None:
        """Return the version nearest to what the limit allows for which every target has a
        solution."""
        project = self.universe.project(limit.name)
        # A window: the project is listed by an index, release by release.
        if project is not None and project.window is not None:
            return self._nearest_listed(limit, remaining, pinned)
        searches = [
            Search(Problem(goal, target, self.universe))
            for goal, target in self._with(remaining, pinned)
            if limit.applies(target)
        ]
        names = [search.problem.project_named(limit.name) for search in searches]
        candidates = [
            search.versions_left(name, {}) for search, name in zip(searches, names, strict=True)
        ]
        having = [versions for versions in candidates if versions is not None]
        common = set.intersection(*having) if having else set()
        dear = None
        # What the rest costs without this limit: a nearer version may cost no more than that.
        free = self._price(remaining, pinned)
        for version in _by_distance(limit.specifier, common, self.universe.versions(limit.name)):
            if all(
                search.is_possible_at(name, version)
                for search, name in zip(searches, names, strict=True)
            ):
                # A warning, or an unconfirmed wheel, is a price for being near.
                price = self._price(remaining, {**pinned, limit.name: version})
                if price is not None and (free is None or price <= free):
                    return version
                dear = dear or version
        return dear

    def _nearest_listed(
        self, limit: Limit, remaining: Sequence[Limit], pinned: Mapping[str, str]
    ) -> str | None:
        """Like `_nearest`, for a project of an index, whose releases are queried one by one."""
        targets = [target for _, target in self.questions if limit.applies(target)]
        versions = [
            version
            for version in self.universe.versions(limit.name)
            if not is_prerelease(version)
            # Versions that the limit allows were part of the conflict.
            and not accepts(_public(limit.specifier), version)
            and all(self._has_wheel(limit.name, version, target) for target in targets)
        ]
        near = _by_distance(limit.specifier, set(versions), self.universe.versions(limit.name))
        for version in islice(near, MOST_LISTED):
            if self._price(remaining, {**pinned, limit.name: version}) is not None:
                return version
        return None

    def _has_wheel(self, name: str, version: str, target: Target) -> bool:
        """Whether a release lists a wheel for a target, without a request for its metadata."""
        project = self.universe.project(name)
        if project is None:
            return False
        tags, python = target.tags(), target.marker_environment()["python_full_version"]
        return any(
            best_wheel(build, tags) is not None
            and (build.python is None or accepts(build.python, python))
            for build in project.release(version).builds
        )

    def _price(self, limits: Sequence[Limit], pinned: Mapping[str, str]) -> tuple[int, int] | None:
        """Return how many warnings and unconfirmed wheels the best solution has; None without
        one."""
        answers = [
            Search(Problem(goal, target, self.universe)).best()
            for goal, target in self._with(limits, pinned)
        ]
        solved = [answer for answer in answers if answer is not None]
        if len(solved) < len(answers):
            return None
        flawed = [
            candidate
            for answer in solved
            for candidate in answer.assignment.candidates.values()
            if candidate.is_doubtful
        ]
        return sum(len(answer.off) for answer in solved), len(flawed)

    def _with(self, limits: Sequence[Limit], pinned: Mapping[str, str]) -> tuple[Query, ...]:
        """Return the queries with these limits, and projects pinned at versions."""
        return tuple(pinned_query(query, limits, pinned) for query in self.questions)


def pinned_query(question: Query, limits: Sequence[Limit], pinned: Mapping[str, str]) -> Query:
    """Return a query with the limits that apply to its target, and projects pinned at versions."""
    goal, target = question
    # A limit for another platform must not bind here.
    constraints = [limit.constraint for limit in limits if limit.applies(target)]
    # As constraints: a pin of a project that a target does not need must not add it.
    constraints += [ProjectRequirement.pin(*pin) for pin in sorted(pinned.items())]
    return goal.constrained(constraints), target


def _by_weight(limit: Limit) -> tuple[int, str, str]:
    return limit.weight, limit.text, limit.origin


def _cost(limits: frozenset[Limit]) -> tuple[int, list[tuple[str, str]]]:
    return sum(limit.weight for limit in limits), sorted(
        (limit.text, limit.origin) for limit in limits
    )


def _by_distance(specifier: str, versions: set[str], known: Sequence[str]) -> Iterator[str]:
    """Yield versions, those nearest to what a specifier allows first."""
    public = _public(specifier)
    allowed = [version for version in {*versions, *known} if accepts(public, version)]
    # A pin of a version that does not exist allows none: then its own number is the centre.
    yield from nearest_first(versions, allowed or _named(public), known)


def _public(specifier: str) -> str:
    """Return a specifier without local versions: another build is nearer than another version."""
    return ",".join(clause.partition("+")[0] for clause in specifier.split(","))


def _named(specifier: str) -> list[str]:
    """Return the lowest version that a specifier names."""
    texts = [clause.strip("<>=!~ ").removesuffix(".*") for clause in specifier.split(",")]
    return sorted(filter(None, texts), key=parse_version)[:1]

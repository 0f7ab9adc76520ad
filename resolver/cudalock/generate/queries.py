"""From what a repository requires to the queries that are solved.

Flags come first, then `[tool.cudalock]`, then the repository's hints, then this machine. Hints
about CUDA and the framework are dropped if the pins contradict them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from cudalock.errors import BadTarget
from cudalock.generate.hints import Hint, chosen_hints, python_within
from cudalock.goals import Request, RequestedProject, read_requests
from cudalock.goals.goal import OtherTarget
from cudalock.goals.values import parse_accelerator
from cudalock.targets import LINUX, Here, Target, parse_python
from cudalock.targets.accelerators import ACCELERATOR_FLAGS, DEFAULT
from cudalock.targets.platforms import likeliest

if TYPE_CHECKING:
    from cudalock.generate.read import Repository
    from cudalock.goals import Query
    from cudalock.matrix.universe import Universe

SOFT = (DEFAULT.name, "framework")
"""The parts whose hints are dropped, one, the other, then both, if there is no solution."""


class StatedQuery(NamedTuple):
    """What flags, `[tool.cudalock]` and this machine state besides the repository.

    `machines` are the targets of `[tool.cudalock]`, as flags would state each; if there are some,
    the repository's hints about Python and platform fill only what they leave open.
    """

    request: Request = Request()
    defaults: Request = Request()
    here: Here | None = None
    machines: tuple[Request, ...] = ()


class Ask(NamedTuple):
    """One way to put the query: the queries, the hints that they follow, and notes about them.

    `given_up` are the dropped hints: with them there was no solution.
    """

    questions: tuple[Query, ...]
    heeded: tuple[Hint, ...]
    notes: tuple[str, ...]
    given_up: tuple[Hint, ...] = ()


class Asker:
    """Makes the queries of one repository."""

    def __init__(self, repository: Repository, said: StatedQuery, universe: Universe) -> None:
        self.repository = repository
        self.universe = universe
        self.matrix = universe.matrix
        self.notes: list[str] = []
        self.heeded: list[Hint] = []
        self._here = said.here or Here()
        self._request = said.request._replace(
            projects=(*repository.requirements, *said.request.projects),
            constraints=(*repository.constraints, *said.request.constraints),
        )
        self._machines = [
            self._with_machine(said.request, _joined(said.defaults, machine))
            for machine in said.machines or (Request(),)
        ]
        self._chosen = chosen_hints(repository.hints, self._environment())

    def asks(self) -> Iterator[Ask]:
        """Yield the ways to put the query, the one that follows most hints first.

        Raises a UsageError of some kind for an invalid query.
        """
        soft = {part: hints_of_part for part in SOFT if (hints_of_part := self._soft(part))}
        # Lazy: the next way is tried only if this one has no solution.
        for dropped in _subsets(tuple(soft)):
            given_up = tuple(hint for part in dropped for hint in soft[part][:1])
            hints = [hint for part in soft if part not in dropped for hint in soft[part][:1]]
            yield self._ask(hints, given_up)

    def _ask(self, hints: list[Hint], given_up: tuple[Hint, ...]) -> Ask:
        machines = self._machines
        request = self._request
        for hint in hints:
            if hint.part == DEFAULT.name:
                machines = [machine._replace(accelerator=(hint.value,)) for machine in machines]
            else:
                name = self.matrix.framework or ""
                wish = RequestedProject(name, f"=={hint.value}", origin=hint.origin)
                request = request._replace(projects=(*request.projects, wish))
        questions = [
            question
            for machine in machines
            for question in read_requests(request, self.universe, machine, self._here)
        ]
        return Ask(
            tuple(map(_without_markers_notes, questions)),
            (*dict.fromkeys(self.heeded), *hints),
            tuple(dict.fromkeys(self.notes)),
            given_up,
        )

    # -- the machine --------------------------------------------------------------------------

    def _with_machine(self, request: Request, defaults: Request) -> Request:
        """Return the defaults with the repository's Python and platform."""
        chosen = chosen_hints(self.repository.hints)
        if not (request.python or defaults.python):
            defaults = self._with_python(defaults, chosen.get("python", []))
        if request.platform or defaults.platform:
            return defaults
        # A wheel's URL is of one platform; other wheels of the same project for other platforms do
        # not make the repository need a lock for each.
        platforms = chosen.get("platform", [])
        if platforms and platforms[0].kind == "wheel":
            platforms = self._first(platforms)
        self.heeded += platforms
        defaults = defaults._replace(
            platform=tuple(dict.fromkeys(hint.value for hint in platforms))
        )
        glibc = self._first(chosen.get("glibc", []))
        # glibc comes from a base image, and an image of another platform has another one.
        is_linux = defaults.platform == (likeliest(LINUX).flag,)
        if glibc and is_linux and not (request.glibc or defaults.glibc):
            self.heeded += glibc
            defaults = defaults._replace(glibc=(glibc[0].value,))
        return defaults

    def _with_python(self, defaults: Request, hints: list[Hint]) -> Request:
        limits = self.repository.limits
        ranges = [limit.value for limit in limits]
        for hint in hints:
            try:
                version, _ = parse_python(hint.value)
            except BadTarget as error:
                raise BadTarget(
                    f"{hint.origin}: {error.message}", hints=["--python 3.11"]
                ) from None
            # A .python-version of long ago beside a newer requires-python; uv refuses that pair.
            if python_within(ranges, version) == version:
                self.heeded.append(hint)
                return defaults._replace(python=(hint.value,))
            self.notes.append(
                f"{hint.origin}: Python {hint.value} is outside of"
                f" {' and '.join(f'`{limit.value}` ({limit.origin})' for limit in limits)}"
            )
        if limits:
            return self._within_limits(defaults, ranges, limits)
        return defaults

    def _within_limits(
        self, defaults: Request, ranges: list[str], limits: Sequence[Hint]
    ) -> Request:
        here, _ = self._here.python()
        python = python_within(ranges, here)
        if python is None:
            stated = " and ".join(f"`{limit.value}` ({limit.origin})" for limit in limits)
            raise BadTarget(f"no Python known here is in {stated}", hints=["--python 3.11"])
        if python != here:
            self.heeded.append(limits[0]._replace(value=python))
            # Detected, not stated: another Python of the range is the first thing to suggest.
            self._here = Here(
                lambda: (python, False), self._here.platform, self._here.gpus_and_driver
            )
        return defaults

    def _first(self, hints: list[Hint]) -> list[Hint]:
        """Return the first hint, with a note if others contradict it."""
        if len({hint.value for hint in hints}) > 1:
            listed = ", ".join(f"{hint.value} ({hint.origin})" for hint in hints[1:])
            self.notes.append(
                f"{hints[0].part} {hints[0].value} ({hints[0].origin}) is taken, and not {listed}"
            )
        return hints[:1]

    def _environment(self) -> dict[str, str]:
        """The marker values of the first target that can have CUDA."""
        targets = [
            target
            for machine in self._machines
            for target in _targets(self._request, machine, self.universe, self._here)
        ]
        # Hints about CUDA often have a marker, which does not hold on a target without it.
        able = [target for target in targets if target.accelerators]
        return (able or targets)[0].marker_environment()

    # -- hints that may be given up -----------------------------------------------------------

    def _soft(self, part: str) -> list[Hint]:
        hints = self._chosen.get(part, [])
        if part == DEFAULT.name:
            stated = (self._request, self._machines[0])
            if any(getattr(request, flag) for request in stated for flag in ACCELERATOR_FLAGS):
                return []
            hints = [hint for hint in hints if _is_accelerator(hint.value)]
            return self._first(hints)
        framework = self.matrix.framework or ""
        find = self.matrix.names.find
        pinned = any(
            find(requested.name) == framework and requested.specifier
            for requested in self._request.projects
        )
        # A framework version that the matrix does not have would be refused as an unknown pin.
        project = self.universe.project(framework)
        hints = [hint for hint in hints if project is not None and hint.value in project]
        framework_text = self._request.framework or self._machines[0].framework
        return [] if pinned or framework_text else self._first(hints)


def _joined(defaults: Request, machine: Request) -> Request:
    """Return the defaults with a machine instead of theirs."""
    if machine == Request():
        return defaults
    return defaults._replace(
        python=machine.python,
        platform=machine.platform,
        glibc=machine.glibc,
        gpu=machine.gpu,
        driver=machine.driver,
    )


def _without_markers_notes(question: Query) -> Query:
    """Drop the notes about lines for other machines: a repository may have dozens of them, all
    meant."""
    goal, target = question
    notes = tuple(note for note in goal.notes if not isinstance(note, OtherTarget))
    return replace(goal, notes=notes), target


def _targets(request: Request, defaults: Request, universe: Universe, here: Here) -> list[Target]:
    """Return only the targets, of a query that may turn out to be invalid later."""
    anything = Request(
        projects=(RequestedProject(universe.matrix.framework or ""),),
        python=request.python,
        platform=request.platform,
        glibc=request.glibc,
        gpu=request.gpu,
        driver=request.driver,
    )
    machine = Request(
        python=defaults.python,
        platform=defaults.platform,
        glibc=defaults.glibc,
        gpu=defaults.gpu,
        driver=defaults.driver,
    )
    return [target for _, target in read_requests(anything, universe, machine, here)]


def _is_accelerator(text: str) -> bool:
    from cudalock.errors import BadSpecifier

    try:
        return parse_accelerator(text) is not None
    except BadSpecifier:
        return False


def _subsets(parts: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the empty set, each part individually, then all."""
    subsets: list[tuple[str, ...]] = [(), *((part,) for part in parts)]
    return subsets if len(parts) < 2 else [*subsets, parts]


__all__ = ["Ask", "Asker", "StatedQuery"]

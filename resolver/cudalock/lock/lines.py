"""Several lines of one project: a lock for each accelerator, with the same versions where they can.

A line is what one extra or group of a project installs: `cpu`, `cu126`, `rocm64`. All lines are
solved together, each on the targets that it is for: on a platform that has no accelerator at all a
line has the build of that platform, and a platform for which the framework has no build of the
line's accelerator is not the line's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from cudalock.errors import Contradiction
from cudalock.goals import ProjectRequirement
from cudalock.lock.markers import marker_for
from cudalock.lock.merge import from_resolutions
from cudalock.lock.wheels import targets_of
from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.resolution.find import find
from cudalock.resolution.model import accelerator_of
from cudalock.resolution.problem import Problem
from cudalock.solving import solve_all
from cudalock.targets.accelerators import ACCELERATORS, CPU, Wish
from cudalock.text import listed

if TYPE_CHECKING:
    from cudalock.goals import Goal, Query
    from cudalock.lock.lock import Lock, Pin
    from cudalock.matrix.universe import Universe
    from cudalock.resolution.model import Candidate, Resolution
    from cudalock.targets import Target


class Named(NamedTuple):
    """A line that a project has already."""

    name: str
    index_id: str | None
    """of the index that it takes its builds from; None for the package index"""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: the name of its extra or group, and its lock."""

    name: str
    lock: Lock
    index: str | None = None
    """the id of the index besides the package index that has its builds of the framework"""


@dataclass(frozen=True, slots=True)
class LinedLock:
    """The lines of one project, in the order of the command, which makes them all again."""

    lines: tuple[Line, ...]
    command: str

    @property
    def locks(self) -> tuple[Lock, ...]:
        """The locks of the lines."""
        return tuple(line.lock for line in self.lines)

    @property
    def targets(self) -> tuple[Target, ...]:
        """The targets of all lines, each once."""
        return tuple(dict.fromkeys(target for line in self.lines for target in line.lock.targets))

    @property
    def notes(self) -> tuple[object, ...]:
        """The notes of all lines, each once."""
        return tuple(dict.fromkeys(note for line in self.lines for note in line.lock.notes))


def restated(lock: Lock, targets: Sequence[Target]) -> Iterator[Pin]:
    """Yield the pins of a line with markers that tell its targets from all of these."""
    for pin in lock.pins:
        yield replace(pin, marker=marker_for(targets_of(pin, lock), targets))


def build_lines(
    queries: Sequence[Sequence[Query]],
    universe: Universe,
    command: str,
    *,
    named: Sequence[Named | None] = (),
    one_index: bool = False,
) -> LinedLock:
    """Return the lock of each line; a line is its queries, one per target.

    `named` are the lines that a project has already; others are called as their index is.

    With `one_index` a line takes everything that its index has from there, as a project file says
    it best; else what is known for certain comes first. Raises as `solve_all` does, and
    Contradiction for two lines that are one.
    """
    notes: list[tuple[str, ...]] = []
    kept: list[tuple[Query, ...]] = []
    for of_line in queries:
        left, said = for_the_line(of_line, universe)
        kept.append(left)
        notes.append(said)
    joint = solve_all([query for of_line in kept for query in of_line], universe)
    resolutions = iter(joint.resolutions)
    lines = []
    given = named or [None] * len(queries)
    for of_line, said, known in zip(kept, notes, given, strict=True):
        own = [next(resolutions) for _ in of_line]
        index = known.index_id if known else _index_of(own)
        if known and index is None:
            own = [_from_package_index(resolution) for resolution in own]
        elif one_index and index is not None:
            own = [_from_index(resolution, index) for resolution in own]
        name = known.name if known else _name_of(own, index)
        lock = from_resolutions(own, command, (*said, *joint.notes))
        lines.append(Line(name, lock, index))
    _check_names(lines)
    return LinedLock(tuple(lines), command)


def _check_names(lines: Sequence[Line]) -> None:
    names = [line.name for line in lines]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise Contradiction(
            f"two lines resolve to `{twice[0]}`",
            hints=["state each accelerator with its version: `--cuda 12.6 --cuda 13.0`"],
        )


# -- what a line is for ---------------------------------------------------------------------------


def for_the_line(
    queries: Sequence[Query], universe: Universe
) -> tuple[tuple[Query, ...], tuple[str, ...]]:
    """Return the queries on the line's targets without what has no build in the line, and notes on
    both. All of them as they are where none has a solution: their conflict is explained."""
    kept: list[Query] = []
    notes: list[str] = []
    missing: list[Target] = []
    for goal, target in queries:
        # macOS has one build whatever the line: its project installs there all the same.
        if not target.accelerators:
            goal = replace(goal, accelerator=None)
        if find(goal, target, universe) is not None:
            kept.append((goal, target))
        elif target.accelerators and not _has_framework(goal, target, universe):
            missing.append(target)
        else:
            reduced = _without_others(goal, target, universe)
            left_out = [
                str(stated) for stated in goal.requirements if stated not in reduced.requirements
            ]
            kept.append((reduced, target))
            if left_out:
                where = f"{_title(goal)} on {target.platform_label}"
                notes.append(
                    f"{', '.join(left_out)} left out for {where}, which has no build of it"
                )
    # A line without any target of its kind is a mistake, and its conflict says which.
    if not any(target.accelerators for _, target in kept):
        return tuple(queries), ()
    if missing:
        labels = listed(dict.fromkeys(target.platform_label for target in missing))
        notes.append(f"no build for {_title(queries[0][0])} on {labels}: the line is not for it")
    return tuple(kept), tuple(dict.fromkeys(notes))


def _without_others(goal: Goal, target: Target, universe: Universe) -> Goal:
    """Return the goal without what has no build for the line; unchanged if that has no solution."""
    requirements = tuple(
        stated
        for stated in goal.requirements
        if not _is_for_another(stated, goal, target, universe)
    )
    reduced = replace(goal, requirements=requirements)
    is_solved = bool(requirements) and find(reduced, target, universe) is not None
    return reduced if is_solved else goal


def _has_framework(goal: Goal, target: Target, universe: Universe) -> bool:
    """Whether the framework alone has a build for the line on a target."""
    name = universe.matrix.framework or ""
    # Its version counts here: a line without that very release has no build of it.
    own = tuple(stated for stated in goal.requirements if stated.name == name)
    single = replace(goal, requirements=own or (ProjectRequirement.of(name),))
    return find(single, target, universe) is not None


def _is_for_another(
    stated: ProjectRequirement, goal: Goal, target: Target, universe: Universe
) -> bool:
    """Whether no release at all of a required project has a build for the line."""
    # Without its version: a pin that no line has is a mistake to explain, and not to leave out.
    alone = replace(goal, requirements=(ProjectRequirement.of(stated.name),), constraints=())
    return find(alone, target, universe) is None


def _title(goal: Goal) -> str:
    wish = goal.accelerator
    if wish is None or wish.name == CPU:
        return "CPU"
    version = wish.specifier.removeprefix("==").removesuffix(".*")
    return f"{ACCELERATORS[wish.name].title} {version}".strip()


# -- where a line comes from ----------------------------------------------------------------------


def _index_of(resolutions: Sequence[Resolution]) -> str | None:
    """Return the index that has the framework's builds of a line, besides the package index."""
    for resolution in resolutions:
        framework = resolution.pins.get(resolution.matrix.framework or "")
        if framework is None or not resolution.target.accelerators:
            continue
        for candidate in _elsewhere(resolution, framework):
            if candidate.build and candidate.build.index:
                return str(candidate.build.index)
    return None


def _elsewhere(resolution: Resolution, framework: Candidate) -> Iterator[Candidate]:
    """Yield the framework's builds of the same release for the same accelerator outside the package
    index, the chosen one first."""
    problem = Problem(resolution.goal, resolution.target, resolution.universe)
    same = [
        candidate
        for candidate in problem.candidates_at(framework.name, framework.version or "")
        if candidate.build is not None
        and candidate.build.index not in (None, PACKAGE_INDEX)
        and accelerator_of(candidate) == accelerator_of(framework)
    ]
    chosen = framework.build.index if framework.build else None
    yield from sorted(same, key=lambda candidate: candidate.build.index != chosen)  # type: ignore[union-attr]


def _from_index(resolution: Resolution, index: str) -> Resolution:
    """Return the resolution with the wheels of one index where it has them, in the same versions;
    unchanged where that has no solution, or one with more warnings."""
    if not resolution.target.accelerators:
        return resolution
    problem = Problem(resolution.goal, resolution.target, resolution.universe)
    constraints = []
    for name, pin in resolution.pins.items():
        version = pin.version or ""
        if pin.build is not None and pin.build.builder is None and pin.build.index != index:
            there = [
                candidate.build
                for candidate in problem.candidates_at(name, pin.version or "")
                if candidate.build is not None
                and candidate.build.index == index
                and candidate.build.local
                and not problem.refusals(candidate)
            ]
            version += f"+{there[0].local}" if there else ""
        constraints.append(ProjectRequirement.pin(name, version))
    goal = resolution.goal
    found = find(goal.constrained(constraints), resolution.target, resolution.universe)
    if found is None or len(found.warnings) > len(resolution.warnings):
        return resolution
    return found._replace(goal=goal)


def _from_package_index(resolution: Resolution) -> Resolution:
    """Return the resolution with the package index's build of the framework, whatever that is built
    for: on Windows it is the one without CUDA."""
    framework = resolution.pins.get(resolution.matrix.framework or "")
    if framework is None or framework.build is None or framework.build.index == PACKAGE_INDEX:
        return resolution
    constraints = (
        ProjectRequirement.pin(name, pin.version or "") for name, pin in resolution.pins.items()
    )
    goal = resolution.goal
    stated = replace(goal.constrained(constraints), accelerator=Wish(CPU))
    found = find(stated, resolution.target, resolution.universe)
    build = found.pins[framework.name].build if found is not None else None
    if found is None or build is None or build.index != PACKAGE_INDEX:
        return resolution
    return found._replace(goal=goal)


def _name_of(resolutions: Sequence[Resolution], index: str | None) -> str:
    """Return the name of a line's extra: its index's without dots, `cu126`; else its wish's."""
    if index is not None:
        return index.replace(".", "")
    wish = resolutions[0].goal.accelerator
    if wish is None:
        return "default"
    numbers = "".join(part for part in wish.specifier if part.isdecimal())
    return f"{wish.name}{numbers}"

"""Re-resolve a lock with the least change: each pin stays unless it no longer can."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.errors import BadFile
from cudalock.formats.header import find_command
from cudalock.generate.relax import Limit, pinned_query
from cudalock.generate.wheel_urls import find_wheel
from cudalock.lock.markers import full_marker
from cudalock.projects.locks.graph import entries_for
from cudalock.projects.read import read_file
from cudalock.resolution.find import find
from cudalock.resolution.minimal import preserve_most
from cudalock.resolution.problem import Problem

if TYPE_CHECKING:
    from cudalock.goals import Query
    from cudalock.lock import Lock
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.universe import Universe
    from cudalock.projects.model import Declared
    from cudalock.targets import Target


_KINDS: Final = ("extra", "group")
_PROJECT: Final = "pyproject"


class Held(NamedTuple):
    """The pins of a lock, and the command in its header."""

    pins: tuple[Limit, ...]
    command: str | None
    is_project: bool = False
    """whether it leaves out what the metadata of its pins holds, as a project file does"""
    of_others: frozenset[str] = frozenset()
    """projects that a project file of several lines only constrains: some line has them"""


def read_held(path: Path, matrix: Matrix) -> Held:
    """Read the pins of a lock. Raises BadFile for a file that has none."""
    file = read_file(path)
    pins = [pin for declared in file.declared if (pin := _pin(declared, matrix)) is not None]
    if not pins:
        raise BadFile(
            f"cannot update `{path}`: it pins nothing",
            hints=["`--update` goes with `-o` and a requirements.txt, pylock.toml or uv.lock"],
        )
    command = find_command(file.text)
    return Held(tuple(pins), command[0] if command else None, file.kind == _PROJECT)


def read_held_line(path: Path, name: str, targets: Iterable[Target], matrix: Matrix) -> Held:
    """Read the pins of one line of a project from a file that has all of them: those of its extra
    or group, and those of all lines.

    Raises BadFile for a file that cannot be read; a file without the line has no pins of it.
    """
    file = read_file(path)
    pins: dict[Limit, None] = {}
    if file.forks:
        # By target, since a lock's entries count along its requirements.
        fork = next((each for each in file.forks if _is_fork(each, name)), None)
        for target in targets if fork is not None else ():
            marker = full_marker(target)
            for declared in entries_for(file, target.marker_environment(), fork):
                pin = _pin(declared, matrix)
                # The lock's own marker names extras, which are no part of an environment.
                pins |= {pin._replace(marker=marker): None} if pin is not None else {}
    else:
        groups = {declared.group for declared in file.declared}
        own = next((each for kind in _KINDS if (each := f"{kind}:{name}") in groups), None)
        wanted = file.wanted_with(own)
        for declared in file.declared if own is not None else ():
            pin = _pin(declared, matrix) if declared.group in wanted else None
            pins |= {pin: None} if pin is not None else {}
    command = find_command(file.text)
    required = {each.name for each in file.declared if each.role == "requirement"}
    others = frozenset(pin.name for pin in pins if pin.name not in required and not file.forks)
    return Held(tuple(pins), command[0] if command else None, file.kind == _PROJECT, others)


def _is_fork(fork: str, name: str) -> bool:
    return fork == name or fork.endswith(f"-{name}")


def _pin(declared: Declared, matrix: Matrix) -> Limit | None:
    origin = f"{Path(declared.place.file).name}:{declared.place.line}"
    version = declared.version
    # A pylock.toml may have no version for a URL wheel, and its file name has the local version.
    wheels = [
        wheel for url in _addresses(declared) if (wheel := find_wheel(url, matrix)) is not None
    ]
    if version is None and wheels:
        version = wheels[0].version
    if version is None or not declared.name:
        return None
    return Limit(declared.name, f"=={version}", origin, declared.marker)


def _addresses(declared: Declared) -> Iterable[str]:
    return [declared.url] if declared.url else [file.url or file.name for file in declared.files]


def hold(
    questions: Sequence[Query], pins: Sequence[Limit], free: frozenset[str], universe: Universe
) -> tuple[Query, ...]:
    """Return the queries with as many pins of a lock as possible, of requested projects first.

    Projects of `free` are not pinned: each takes the version that it would have without the lock,
    and the pins yield to that.
    """
    return _Holding(questions, universe).hold(pins, free)


class _Holding:
    def __init__(self, questions: Sequence[Query], universe: Universe) -> None:
        self.questions = tuple(questions)
        self.universe = universe
        self.matrix = universe.matrix

    def hold(self, pins: Sequence[Limit], free: frozenset[str]) -> tuple[Query, ...]:
        by_importance = sorted((pin for pin in pins if pin.name not in free), key=self._importance)
        lifted = self._lifted(free)
        return self._with([*lifted, *preserve_most(lifted, by_importance, self._is_possible)])

    def _importance(self, pin: Limit) -> tuple[bool, bool, str]:
        requested = {
            name
            for goal, target in self.questions
            for name in Problem(goal, target, self.universe).goal_names
        }
        # The framework decides about all others, so its pin is the last to yield.
        return pin.name != self.matrix.framework, pin.name not in requested, pin.name

    def _lifted(self, free: frozenset[str]) -> list[Limit]:
        """Return the versions of free projects if nothing is pinned."""
        lifted = []
        for goal, target in self.questions if free else ():
            answer = find(goal, target, self.universe)
            for name in sorted(free) if answer is not None else ():
                chosen = answer.pins.get(name) if answer is not None else None
                if chosen is not None and chosen.version is not None:
                    lifted.append(Limit(name, f"=={chosen.version}", "--upgrade-package"))
        return list(dict.fromkeys(lifted))

    def _is_possible(self, pins: list[Limit]) -> bool:
        return all(
            find(goal, target, self.universe) is not None for goal, target in self._with(pins)
        )

    def _with(self, pins: Sequence[Limit]) -> tuple[Query, ...]:
        return tuple(pinned_query(query, pins, {}) for query in self.questions)


def changes(locked: Held, lock: Lock) -> list[str]:
    """Return the differences between an earlier lock's pins and a lock, a sentence each, by
    name."""
    before: dict[str, set[str]] = {}
    for pin in locked.pins:
        before.setdefault(pin.name, set()).add(pin.specifier.removeprefix("=="))
    after: dict[str, set[str]] = {}
    for each in lock.pins:
        if locked.is_project and each.held and each.name not in before:
            continue
        after.setdefault(each.name, set()).add(each.version)
    lines = []
    for name in sorted({*before, *after}):
        if name in locked.of_others and name not in after:
            continue
        old, new = _public(before.get(name)), _public(after.get(name))
        if old != new:
            lines.append(f"{name} {' and '.join(old) or 'added'} -> {' and '.join(new) or 'gone'}")
    return lines


def _public(versions: set[str] | None) -> list[str]:
    """Return versions without local parts, about which METADATA and file names do not agree."""
    return sorted({version.partition("+")[0] for version in versions or ()})


__all__ = ["Held", "changes", "hold", "read_held", "read_held_line"]

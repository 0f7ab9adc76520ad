"""The `solve` command that mends what a text shows: the least change that has an answer."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.errors import CudalockError
from cudalock.goals import Asked, Request, command_line, read_request
from cudalock.matrix.universe import ClosedUniverse
from cudalock.resolution.problem import Problem
from cudalock.resolution.search import Search
from cudalock.targets import LIKELY_PYTHONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cudalock.diagnose.attempts import Attempts
    from cudalock.diagnose.goal import Wish
    from cudalock.diagnose.machine import Clues
    from cudalock.goals import Goal
    from cudalock.matrix.matrix import Matrix
    from cudalock.targets import Here, Target

SOLVES: Final = 60
"""How many questions a remedy may ask of the engine."""

ORIGIN: Final = "the text"


class Remedy(NamedTuple):
    """A command that was solved, and what is other than the text has it."""

    command: str
    changes: tuple[tuple[str, str, str], ...]
    """project, version in the text, version in the answer"""
    added: tuple[tuple[str, str], ...]
    """what the text has no version of, and its version in the answer"""
    assumed: tuple[str, ...]
    """what the command says of the machine that the text does not"""
    target: str


class _Answer(NamedTuple):
    goal: Goal
    target: Target
    versions: Mapping[str, str]
    warnings: frozenset[str]
    """the ids of soft facts that it goes against"""


class Mender:
    """Looks for a remedy: for these projects, on the machine that the text tells of."""

    def __init__(self, pins: Mapping[str, str], clues: Clues, matrix: Matrix, here: Here) -> None:
        self._pins = pins
        self._clues = clues
        self._matrix = matrix
        self._universe = ClosedUniverse(matrix)
        self._here = here

    def mend(self, wish: Wish, attempts: Attempts) -> Remedy | None:
        """The first answer, from the least change to the most; None where there is none, or none
        was found with SOLVES questions. One that is no cure is taken where no other is."""
        names = sorted(set(wish.wanted))
        if not names:
            return None
        second_best: Remedy | None = None
        python = self._clues.python or self._likely_python()
        for asked in islice(attempts.of(names, wish.culprits), SOLVES):
            found = self._solve(asked, python)
            if found is None:
                continue
            remedy = self._remedy(found, names)
            changes = bool(remedy.changes) or not wish.must_change
            if changes and wish.facts.isdisjoint(found.warnings):
                return remedy
            second_best = second_best or remedy
        return second_best

    def _likely_python(self) -> str | None:
        """None for this machine's, unless the framework of the text is not made for that: then
        one that it is made for."""
        framework = self._matrix.framework or ""
        public = self._pins.get(framework, "").partition("+")[0]
        if public not in self._matrix.versions(framework):
            return None
        pythons = (None, *LIKELY_PYTHONS)
        asked = (f"{framework}=={public}",)
        return next((each for each in pythons if self._solve(asked, each) is not None), None)

    def _solve(self, asked: tuple[str, ...], python: str | None) -> _Answer | None:
        """The best answer; None where there is none."""
        request = Request(
            asked=tuple(Asked.of_requirement(text, ORIGIN) for text in asked),
            python=(python,) if python else (),
            platform=(self._clues.platform,) if self._clues.platform else (),
            gpu=(self._clues.gpu,) if self._clues.gpu else (),
            driver=(self._clues.driver,) if self._clues.driver else (),
            glibc=(self._clues.glibc,) if self._clues.glibc else (),
        )
        try:
            goal, target = read_request(request, self._universe, here=self._here)
            search = Search(Problem(goal, target, self._universe))
            solution = search.best() if search.is_possible() else None
        except CudalockError:  # a version that the matrix does not know is none to hold on to
            return None
        if solution is None:
            return None
        versions = {
            each.name: f"{each.version}+{each.build.local}"
            if each.build.local
            else str(each.version)
            for each in solution.pinned.candidates.values()
            if not each.is_absent and each.build is not None
        }
        return _Answer(goal, target, versions, frozenset(element.id for element in solution.off))

    def _remedy(self, answer: _Answer, names: Sequence[str]) -> Remedy:
        goal, target, versions, _ = answer
        environment = target.marker_environment()
        changes, added = [], []
        for name in names:
            had = self._pins.get(name)
            has = versions.get(self._matrix.names.stand_in(name, environment))
            if has is None:
                continue
            if had is None:
                added.append((name, has))
            elif not _is_same(had, has):
                changes.append((name, had, has))
        unsaid = {"Python": self._clues.python, "platform": self._clues.platform}
        return Remedy(
            command_line(goal, target),
            tuple(changes),
            tuple(added),
            tuple(what for what, said in unsaid.items() if said is None),
            target.label,
        )


def _is_same(had: str, has: str) -> bool:
    """A text often leaves the label out, or the last number."""
    public, _, local = has.partition("+")
    said, _, label = had.partition("+")
    is_public = public == said or (said.count(".") == 1 and public.startswith(f"{said}."))
    return is_public and (not label or label in (local, ""))

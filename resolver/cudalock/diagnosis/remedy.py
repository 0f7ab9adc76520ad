"""The `solve` command that mends what a text shows: the least change that has an answer."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.errors import CudalockError
from cudalock.goals import Asked, Request, command_line, read_request
from cudalock.resolution.problem import Problem
from cudalock.resolution.search import Search
from cudalock.resolution.specifiers import accepts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cudalock.diagnosis.clues import Clues
    from cudalock.goals import Goal
    from cudalock.matrix import Matrix
    from cudalock.target import Here, Target

PYTHONS: Final = ("3.12", "3.11", "3.10", "3.9", "3.13")
"""Tried in this order where the text tells no Python and this machine's has no answer."""

NO_FACTS: Final[frozenset[str]] = frozenset()
ORIGIN: Final = "the text"


class Remedy(NamedTuple):
    """A command that was solved, and what is other than the text has it."""

    command: str
    changes: tuple[tuple[str, str, str], ...]
    """project, version in the text, version in the answer"""
    assumed: tuple[str, ...]
    """what the command says of the machine that the text does not"""
    target: str

    @property
    def keeps_all(self) -> bool:
        """Whether the text's versions go together as they are."""
        return not self.changes


class _Answer(NamedTuple):
    goal: Goal
    target: Target
    versions: Mapping[str, str]
    warnings: frozenset[str]
    """the ids of soft facts that it goes against"""


class Mender:
    """Looks for a remedy: for these projects, on the machine that the text tells of."""

    def __init__(
        self,
        pins: Mapping[str, str],
        bounds: Mapping[str, str],
        clues: Clues,
        matrix: Matrix,
        here: Here,
    ) -> None:
        """`bounds` are what the text says that somebody asks of a project."""
        self._pins = pins
        self._bounds = bounds
        self._clues = clues
        self._matrix = matrix
        self._here = here

    def mend(
        self, wanted: Iterable[str], culprits: Iterable[str], facts: frozenset[str] = NO_FACTS
    ) -> Remedy | None:
        """The first answer, from the least change to the most; None where there is none.

        `wanted` are the projects to have. `culprits` of them are let go first, and the framework
        last. An answer with a warning that is one of the `facts` is no cure, unless all have one.
        """
        names = sorted(set(wanted))
        if not names:
            return None
        warned: Remedy | None = None
        pythons = [self._clues.python] if self._clues.python else [None, *PYTHONS]
        for python in pythons:
            for asked in self._attempts(names, list(dict.fromkeys(culprits))):
                found = self._solve(asked, python)
                if found is None:
                    continue
                remedy = self._remedy(found, names)
                if facts.isdisjoint(found.warnings):
                    return remedy
                warned = warned or remedy
            if warned:
                break
        return warned

    def _attempts(self, names: list[str], culprits: list[str]) -> Iterator[tuple[str, ...]]:
        """Requirements, one a project; each set of them at most once."""
        framework = self._matrix.framework or ""
        free = [name for name in names if name != framework]
        outside = {*self._out_of_bounds(free)}
        culprit = {name for name in culprits if name in free} | outside
        others = [name for name in free if name not in culprit]
        some = [outside, culprit, *({*culprit, other} for other in others), set(free)]
        seen = set()
        for of_framework in ("exact", "public", "minor", "any"):
            for let_go, of_others in product(some, ("exact", "public")):
                loose = dict.fromkeys(free, of_others) | dict.fromkeys(let_go, "any")
                loose[framework] = of_framework
                asked = tuple(self._requirement(name, loose[name]) for name in names)
                if asked not in seen:
                    seen.add(asked)
                    yield asked

    def _out_of_bounds(self, names: list[str]) -> Iterator[str]:
        for name in names:
            public = self._pins.get(name, "").partition("+")[0]
            if public and not accepts(self._bounds.get(name, ""), public):
                yield name

    def _requirement(self, name: str, loose: str) -> str:
        """A project at its version in the text, with or without the label, or its minor version,
        or at any."""
        version = self._pins.get(name)
        if version is None or loose == "any":
            return name + self._bounds.get(name, "")
        public = version.partition("+")[0]
        if public not in self._matrix.versions(name) and public.count(".") < 2:
            return f"{name}=={public}.*"
        if loose == "minor":
            return f"{name}=={'.'.join(public.split('.')[:2])}.*"
        # Only a label that tells builds apart here is one to ask for.
        is_exact = loose == "exact" and self._has_label(name, version)
        return f"{name}=={version if is_exact else public}"

    def _has_label(self, name: str, version: str) -> bool:
        public, _, local = version.partition("+")
        project = self._matrix.project(name)
        if not local or project is None or public not in project:
            return False
        return any(build.local == local for build in project.release(public).builds)

    def _solve(self, asked: tuple[str, ...], python: str | None) -> _Answer | None:
        """The best answer; None where there is none."""
        request = Request(
            asked=tuple(Asked.of_requirement(text, ORIGIN) for text in asked),
            python=(python,) if python else (),
            platform=(self._clues.platform,) if self._clues.platform else (),
            gpu=(self._clues.gpu,) if self._clues.gpu else (),
            driver=(self._clues.driver,) if self._clues.driver else (),
        )
        try:
            goal, target = read_request(request, self._matrix, here=self._here)
            search = Search(Problem(goal, target, self._matrix))
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
        return _Answer(goal, target, versions, frozenset(e.partition(":")[2] for e in solution.off))

    def _remedy(self, answer: _Answer, names: Sequence[str]) -> Remedy:
        goal, target, versions, _ = answer
        environment = target.marker_environment()
        changes = []
        for name in names:
            had = self._pins.get(name)
            has = versions.get(self._matrix.names.stand_in(name, environment))
            if had is not None and has is not None and not _is_same(had, has):
                changes.append((name, had, has))
        unsaid = {"Python": self._clues.python, "platform": self._clues.platform}
        return Remedy(
            command_line(goal, target),
            tuple(changes),
            tuple(what for what, said in unsaid.items() if said is None),
            target.label,
        )


def _is_same(had: str, has: str) -> bool:
    """A text often leaves the label out, or the last number."""
    public, _, local = has.partition("+")
    said, _, label = had.partition("+")
    return (public == said or public.startswith(f"{said}.")) and (not label or label in (local, ""))

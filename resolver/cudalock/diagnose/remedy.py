"""Find the `solve` command that fixes a text: the smallest change that has a solution."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.errors import CudalockError
from cudalock.goals import Request, RequestedProject, command_line, read_request
from cudalock.matrix.universe import ClosedUniverse
from cudalock.resolution.problem import Problem
from cudalock.resolution.search import Search
from cudalock.targets import LIKELY_PYTHONS, PLATFORMS
from cudalock.targets.platforms import SPELLINGS
from cudalock.versions import accepts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from cudalock.diagnose.attempts import Attempts
    from cudalock.diagnose.goal import FixGoal
    from cudalock.diagnose.machine import Clues
    from cudalock.goals import Goal
    from cudalock.matrix.matrix import Matrix
    from cudalock.resolution.search import Solution
    from cudalock.targets import Here, Target

SOLVES: Final = 60
"""The most attempts that are solved: an ordinary stack takes about 40 ms for each."""

ORIGIN: Final = "the text"


class Remedy(NamedTuple):
    """A command that was solved, and how its solution differs from the text."""

    command: str
    changes: tuple[tuple[str, str, str], ...]
    """project, version in the text, version in the solution"""
    added: tuple[tuple[str, str], ...]
    """projects without a version in the text, and the version in the solution"""
    assumed: tuple[str, ...]
    """the parts of the target that the text does not name"""
    target: str


class _Solution(NamedTuple):
    goal: Goal
    target: Target
    versions: Mapping[str, str]
    warnings: frozenset[str]
    """the ids of the soft facts that it violates, and of those that are unknown for its builds"""


class RemedySearch:
    """Searches for a fix, on the machine that the text is from."""

    def __init__(self, pins: Mapping[str, str], clues: Clues, matrix: Matrix, here: Here) -> None:
        self._pins = pins
        self._clues = clues
        self._matrix = matrix
        self._universe = ClosedUniverse(matrix)
        self._here = here

    def find(self, fix_goal: FixGoal, attempts: Attempts) -> Remedy | None:
        """Return the first attempt whose solution is a fix; None where none of the first SOLVES
        attempts is one."""
        names = self._names(fix_goal)
        if not names:
            return None
        python = self._clues.python or self._likely_python()
        for requirements in islice(attempts.of(names, fix_goal.culprits), SOLVES):
            solved = self._solve(requirements, python)
            # A fact that is only soft may be violated at a price, but not the one that the text is
            # about.
            if solved is None or not fix_goal.facts.isdisjoint(solved.warnings):
                continue
            remedy = self._remedy(solved, names)
            if self._is_fix(remedy, solved, fix_goal):
                kept = {
                    name
                    for name in names
                    if name not in fix_goal.culprits
                    and name != self._matrix.framework
                    and attempts.may_stay(name)
                }
                return self._smaller(remedy, requirements, names, python, fix_goal, kept)
        return None

    def _names(self, fix_goal: FixGoal) -> list[str]:
        """Return the projects, each once: `triton` is triton-windows there."""
        wanted = set(fix_goal.projects)
        if self._clues.platform is None:
            return sorted(wanted)
        platform = PLATFORMS[SPELLINGS[self._clues.platform]]
        environment = dict(platform.system.markers)
        aliases = {name: self._matrix.names.platform_alias(name, environment) for name in wanted}
        return sorted(
            name for name in wanted if aliases[name] == name or aliases[name] not in wanted
        )

    def _smaller(
        self,
        remedy: Remedy,
        requirements: tuple[str, ...],
        names: Sequence[str],
        python: str | None,
        fix_goal: FixGoal,
        bystanders: AbstractSet[str],
    ) -> Remedy:
        """Return the fix with each bystander at its version in the text, as far as that is
        possible: an attempt that leaves all of them open takes newer ones for no reason."""
        by_name = dict(zip(names, requirements, strict=True))
        for name, before, _ in remedy.changes:
            if name not in bystanders:
                continue
            pinned = {**by_name, name: f"{name}=={before.partition('+')[0]}"}
            solved = self._solve(tuple(pinned.values()), python)
            if solved is None or not fix_goal.facts.isdisjoint(solved.warnings):
                continue
            smaller = self._remedy(solved, names)
            if len(smaller.changes) < len(remedy.changes) and self._is_fix(
                smaller, solved, fix_goal
            ):
                remedy, by_name = smaller, pinned
        return remedy

    def _is_fix(self, remedy: Remedy, solved: _Solution, fix_goal: FixGoal) -> bool:
        """Return whether a solution changes what the cause rests on."""
        if fix_goal.subject and self._version(fix_goal.subject, solved) is None:
            return False
        if any(self._goes_back(*change, fix_goal) for change in remedy.changes):
            return False
        framework = self._matrix.framework
        if fix_goal.keeps_framework and any(
            name == framework and before.partition("+")[0] != after.partition("+")[0]
            for name, before, after in remedy.changes
        ):
            return False
        if fix_goal.alternatives and not any(
            # Constraints of statements are about public versions.
            accepts(specifier, (self._version(name, solved) or "0").partition("+")[0])
            for name, specifier in fix_goal.alternatives
        ):
            return False
        environment = solved.target.marker_environment()
        named = {name for name in (fix_goal.subject, *fix_goal.culprits) if name is not None}
        relevant = {self._matrix.names.platform_alias(name, environment) for name in named}
        is_added = any(name in relevant for name, _ in remedy.added)
        # The same versions again would not end anything, unless another wheel of them can.
        return bool(remedy.changes) or is_added or fix_goal.may_rebuild

    def _goes_back(self, name: str, before: str, after: str, fix_goal: FixGoal) -> bool:
        """Return whether a project goes back a major version, which the cause does not demand."""
        demanded = {
            demand.template.name
            for id in fix_goal.facts
            if id in self._matrix.facts
            for demand in self._matrix.facts[id].beside
        }
        demanded.update(fix_goal.bounded, (name for name, _ in fix_goal.alternatives))
        return name not in demanded and _major(after) < _major(before)

    def _version(self, name: str, solved: _Solution) -> str | None:
        environment = solved.target.marker_environment()
        return solved.versions.get(self._matrix.names.platform_alias(name, environment))

    def _likely_python(self) -> str | None:
        """Return a Python that the text's framework has wheels for; None for this machine's, where
        it has."""
        framework = self._matrix.framework or ""
        public = self._pins.get(framework, "").partition("+")[0]
        if public not in self._matrix.versions(framework):
            return None
        pythons = (None, *LIKELY_PYTHONS)
        pinned = (f"{framework}=={public}",)
        return next((python for python in pythons if self._solve(pinned, python) is not None), None)

    def _solve(self, requirements: tuple[str, ...], python: str | None) -> _Solution | None:
        """Return the best solution; None where there is none."""
        request = Request(
            projects=tuple(RequestedProject.of_requirement(text, ORIGIN) for text in requirements),
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
        except CudalockError:  # such as a version that is not in the matrix
            return None
        if solution is None:
            return None
        versions = {
            pin.name: f"{pin.version}+{pin.build.local}" if pin.build.local else str(pin.version)
            for pin in solution.assignment.candidates.values()
            if not pin.is_absent and pin.build is not None
        }
        doubts = self._doubts(search, solution)
        off = frozenset(element.id for element in solution.off)
        return _Solution(goal, target, versions, off | doubts)

    def _doubts(self, search: Search, solution: Solution) -> frozenset[str]:
        """Return the facts of which nobody knows whether they hold: a build that may have no code
        for the GPU is no answer to a message that says so."""
        candidates = solution.assignment.candidates
        build = candidates.get(self._matrix.framework or "")
        return frozenset(
            clause.fact.id
            for candidate in candidates.values()
            for clause in search.problem.unknowns.clauses_beside(
                candidate, None if candidate is build else build
            )
        )

    def _remedy(self, solved: _Solution, names: Sequence[str]) -> Remedy:
        goal, target, *_ = solved
        environment = target.marker_environment()
        changes, added = [], []
        for name in names:
            before = self._pins.get(name)
            after = self._version(name, solved)
            if after is None:
                continue
            if before is None:
                # `triton` is triton-windows there, and that is what will be installed.
                added.append((self._matrix.names.platform_alias(name, environment), after))
            elif not _is_same(before, after):
                changes.append((name, before, after))
        clues = {"Python": self._clues.python, "platform": self._clues.platform}
        return Remedy(
            command_line(goal, target),
            tuple(changes),
            tuple(added),
            tuple(part for part, clue in clues.items() if clue is None),
            target.label,
        )


def _major(version: str) -> int:
    number = version.partition(".")[0]
    return int(number) if number.isdecimal() else 0


def _is_same(before: str, after: str) -> bool:
    """Return whether two versions can be the same; a text often leaves out the label or the last
    number."""
    public, _, local = after.partition("+")
    written, _, label = before.partition("+")
    is_public = (
        public == written
        or public.startswith(f"{written}.post")
        or (written.count(".") == 1 and public.startswith(f"{written}."))
    )
    return is_public and (not label or label in (local, ""))

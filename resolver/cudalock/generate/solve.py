"""The questions of a repository that have an answer, or the no with the lines it comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cudalock.conflicts.explanation import Explanation
from cudalock.conflicts.no_solution import explain
from cudalock.conflicts.step import GoalRequires, Step
from cudalock.errors import (
    Contradiction,
    NetworkError,
    NoSolution,
    NothingAsked,
    NotKnown,
    UnknownName,
    UnknownVersion,
)
from cudalock.generate.queries import Ask, Asker, StatedQuery
from cudalock.generate.relax import Limit, Loosened, Relaxed, pinned_query, relax
from cudalock.resolution.find import find
from cudalock.targets.accelerators import AUTO, DEFAULT, OPTION
from cudalock.text import shell_word
from cudalock.versions import canonical

if TYPE_CHECKING:
    from cudalock.conflicts.suggestions import Suggestion
    from cudalock.generate.hints import Hint
    from cudalock.generate.read import Repository
    from cudalock.goals import Goal, Query, Request
    from cudalock.matrix.universe import Universe
    from cudalock.resolution.model import Resolution


class Answerable(NamedTuple):
    """Questions that have an answer, how they were asked, and what was let go for it."""

    ask: Ask
    questions: tuple[Query, ...]
    resolutions: tuple[Resolution, ...]
    """the best one of each question, by itself"""
    loosened: tuple[Loosened, ...] = ()

    @property
    def given_up(self) -> tuple[Hint, ...]:
        """The hints that were not heeded."""
        return self.ask.given_up


class Answerer:
    """Asks for one repository."""

    def __init__(
        self,
        repository: Repository,
        said: StatedQuery,
        universe: Universe,
        reduce: Callable[[Sequence[Query]], Sequence[Query]] = tuple,
    ) -> None:
        """`reduce` returns the queries that are meant: of a line of the project only some are."""
        self._reduce = reduce
        self.repository = repository
        self.universe = universe
        self.matrix = universe.matrix
        self._said = said

    def questions(self, *, relaxed: bool = False) -> Answerable:
        """The questions that heed most of the hints, among those that have an answer.

        With `relaxed`, where there is none, the repository's own limits are let go, the fewest.
        Raises NoSolution naming the lines that stand against one another, and a UsageError of some
        kind for a question that is wrong.
        """
        try:
            asks = self._asks(self.repository)
        except (Contradiction, UnknownVersion) as error:
            relaxed_queries = self._relaxed() if relaxed else None
            if relaxed_queries is not None:
                return relaxed_queries
            if relaxed:
                self._check_without_limits()
            raise type(error)(error.message, hints=[*error.hints, *self._parts(error)]) from None
        for ask in asks:
            resolutions = self._find(ask.questions)
            if resolutions is not None:
                return Answerable(ask, ask.questions, resolutions)
        if relaxed and (relaxed_queries := self._relaxed()) is not None:
            return relaxed_queries
        if relaxed:
            self._check_without_limits()
        raise self._refusal(asks[-1])

    def _check_without_limits(self) -> None:
        """Raises NoSolution where what is wanted cannot be had whatever limits are let go."""
        ask = self._asks(self._without_limits())[-1]
        if self._find(ask.questions) is None:
            raise self._refusal(ask)

    def _parts(self, error: Contradiction | UnknownVersion) -> Iterator[str]:
        """Where an error is about several parts of the repository: the command for each alone."""
        origins = [origin.origin for origin in self.repository.requirements]
        files = {origin.rpartition(":")[0] for origin in origins if f"({origin})" in error.message}
        folders = sorted({Path(file).parent for file in files})
        for folder in folders if len(folders) > 1 and Path() not in folders else ():
            path = (self.repository.root / folder).as_posix()
            yield f"`cudalock generate {shell_word(path)}` for that part alone"

    def _asks(self, repository: Repository) -> list[Ask]:
        asks = Asker(repository, self._said, self.universe).asks()
        return [ask._replace(questions=tuple(self._reduce(ask.questions))) for ask in asks]

    def _find(self, questions: Sequence[Query]) -> tuple[Resolution, ...] | None:
        """The best resolution of each question, None where one has none."""
        resolutions: list[Resolution] = []
        for goal, target in questions:
            resolution = find(goal, target, self.universe)
            if resolution is None:
                return None
            resolutions.append(resolution)
        return tuple(resolutions)

    # -- with less ------------------------------------------------------------------------------

    def _relaxed(self) -> Answerable | None:
        """The questions with all limits of the repository but the fewest."""
        asks = self._asks(self._without_limits())
        limits = tuple(self._limits())
        relaxed = relax(asks[-1].questions, limits, self.universe)
        if relaxed is None or not relaxed.loosened:
            return None
        for ask in asks:
            questions = self._with(ask, limits, relaxed)
            resolutions = self._find(questions)
            if resolutions is not None:
                return Answerable(ask, questions, resolutions, relaxed.loosened)
        return None

    def _with(self, ask: Ask, limits: Sequence[Limit], relaxed: Relaxed) -> tuple[Query, ...]:
        let_go = {query.limit for query in relaxed.loosened}
        remaining = [limit for limit in limits if limit not in let_go]
        return tuple(pinned_query(query, remaining, relaxed.held) for query in ask.questions)

    def _without_limits(self) -> Repository:
        """The repository with everything wanted and nothing limited."""
        framework = self.matrix.framework
        pins_framework = any(
            self.matrix.names.find(requested.name) == framework and requested.specifier
            for requested in self.repository.requirements
        )
        return replace(
            self.repository,
            requirements=tuple(
                requested._replace(specifier="") for requested in self.repository.requirements
            ),
            constraints=(),
            hints=tuple(
                hint
                for hint in self.repository.hints
                if not (hint.part == "framework" and pins_framework)
            ),
        )

    def _limits(self) -> Iterator[Limit]:
        for requested in (*self.repository.requirements, *self.repository.constraints):
            name = self.matrix.names.find(requested.name) or canonical(requested.name)
            if requested.specifier:
                yield Limit(
                    name,
                    requested.specifier,
                    requested.origin,
                    requested.marker,
                    self._weight(name),
                )

    def _weight(self, name: str) -> int:
        """What it costs to let go of a limit: most for the framework, more for what is built for
        it than for anything else."""
        if name == self.matrix.framework:
            return 3
        return 2 if name in self.matrix.ranked else 1

    # -- no -------------------------------------------------------------------------------------

    def _refusal(self, ask: Ask) -> NoSolution:
        for question in ask.questions:
            if self._find([question]) is None:
                return self._with_lines(question)
        # Each has an answer, and not all together: the joint search says so in its own words.
        return NoSolution("no versions work on all targets at once")

    def _with_lines(self, question: Query) -> NoSolution:
        """Why a question has no answer, by the lines that ask; the hints are edits of lines."""
        no = explain(*question, self.universe)
        explanation = no.explanation
        if not isinstance(explanation, Explanation):
            return no
        conflicts = tuple(tuple(map(_with_lines, steps)) for steps in explanation.conflicts)
        hints = [*self._relaxing_hints()]
        hints += [_as_edit(question, suggestion) for suggestion in explanation.suggestions]
        # The pins may be dozens; those in question are in the steps.
        label = question[1].label
        headline = f"the repository's requirements have no common solution on {label}"
        placed = explanation._replace(headline=headline, conflicts=conflicts)
        if isinstance(no, NotKnown):
            hints.insert(0, "the same command without `--offline` looks them up")
            return NotKnown(placed, hints=dict.fromkeys(hints))
        return NoSolution(placed, hints=dict.fromkeys(hints))

    def _relaxing_hints(self) -> Iterator[str]:
        """What `--relax` would come to. Where an index has to be asked that takes too long for a
        hint."""
        relaxed = None if self.universe.is_open else self._relaxed()
        for dropped in relaxed.loosened if relaxed else ():
            yield f"with `--relax`, {dropped}"


def _with_lines(step: Step) -> Step:
    """Return a step with the lines of the requirement that it is about."""
    if not isinstance(step, GoalRequires):
        return step
    return replace(step, lines=step.requirement.lines)


def _lines_on(name: str, goal: Goal) -> tuple[str, ...]:
    """Return the lines that limit a project, else those that require it."""
    about = [one for one in (*goal.requirements, *goal.constraints) if one.name == name]
    # An edit of a line without a version changes nothing.
    limiting = [one for one in about if one.specifier] or about
    return tuple(dict.fromkeys(line for one in limiting for line in one.lines))


def _as_edit(question: Query, suggestion: Suggestion) -> str:
    """A suggestion as what to write in which line, or as flags of this command."""
    goal, target = question
    other = suggestion.goal
    flags = []
    if suggestion.target.python_text != target.python_text:
        flags.append(f"--python {suggestion.target.python_text}")
    if suggestion.target.platform != target.platform:
        flags.append(" ".join(suggestion.target.flags()[2:4]))
    if other.accelerator != goal.accelerator:
        wish = other.accelerator
        flags.append(f"--{OPTION} {wish.name}" if wish else f"--{DEFAULT.name} {AUTO}")
    if other.builders != goal.builders:
        flags.append(f"--builders {other.builders}")
    for flag, before, after in (
        ("--allow-build", goal.allow_build, other.allow_build),
        ("--skip", goal.skip, other.skip),
    ):
        flags += [f"{flag} {name}" for name in after if name not in before]
    parts = [f"`{' '.join(flags)}`"] if flags else []
    if other.exclude_newer != goal.exclude_newer:
        parts.append("no `--exclude-newer`")
    old = {stated.name: stated for stated in goal.requirements}
    new = {stated.name: stated for stated in other.requirements}
    for name in sorted({*old, *new} - set(other.skip)):
        if old.get(name) != new.get(name):
            where = " and ".join(_lines_on(name, goal)) or "the flags"
            edit = f"`{new[name]}`" if name in new else f"no `{name}`"
            parts.append(f"{edit} in {where}")
    return " and ".join(parts) or suggestion.change


def check_anything(repository: Repository, request: Request) -> None:
    """Raises NothingAsked where neither the repository nor a flag wants anything."""
    stated = (request.projects, request.framework, request.switches, request.toolkit, request.cudnn)
    if not repository.requirements and not any(stated):
        raise NothingAsked(
            f"nothing in `{repository.root}` says what it wants, or all of it is left out",
            hints=["`--dry-run` shows what was found", "`cudalock generate FILE` reads that file"],
        )


def check_names(repository: Repository, universe: Universe) -> None:
    """Raises NetworkError for what has to be looked up and cannot be, UnknownName for what no index
    has, each with the lines that ask for it."""
    outside: dict[str, list[str]] = {}
    for requested in repository.requirements:
        if universe.matrix.names.find(requested.name) is None:
            outside.setdefault(canonical(requested.name), []).append(requested.origin)
    if not outside:
        return
    try:
        available = universe.elsewhere(sorted(outside))
    except NetworkError as error:
        hints = ["`--stack-only` leaves out everything that the matrix does not hold"]
        raise NetworkError(
            f"{error.message}\n  required in {_listed(outside)}", hints=[*error.hints, *hints]
        ) from None
    missing = {name: origins for name, origins in outside.items() if name not in available}
    if missing:
        raise UnknownName(
            f"no index has {_listed(missing)}",
            hints=[f"`--exclude {name}`, if it is something else" for name in sorted(missing)[:3]],
        )


def _listed(names: dict[str, list[str]]) -> str:
    return ", ".join(
        f"`{name}` ({', '.join(dict.fromkeys(origins))})" for name, origins in sorted(names.items())
    )


__all__ = ["Answerable", "Answerer", "check_anything", "check_names"]

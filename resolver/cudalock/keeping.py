"""What fits what is there: a goal solved for an environment whose distributions are held.

What is kept is held at its version and build. With `all` that is everything; else the named ones,
and of the rest as much as leaves an answer, the most important first. What comes out is the lock of
what is new or has to change, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from cudalock.conflicts import Conflict, Explanation, Step
from cudalock.conflicts.explanation import Narrator
from cudalock.environment.distributions import Installed
from cudalock.environment.installing import install_command, quoted
from cudalock.errors import Contradiction, GaveUp, NoSolution, UnknownName, UnknownVersion
from cudalock.goals import command_line
from cudalock.judging.problem import comes_from, place_element
from cudalock.lock.making import from_resolution
from cudalock.names import VENDOR, canonical
from cudalock.resolution import answer
from cudalock.resolution.problem import Problem
from cudalock.resolution.propagation import NOTHING
from cudalock.resolution.search import Search
from cudalock.resolution.specifiers import parse_requirement

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cudalock.goals import Goal
    from cudalock.health import Subject
    from cudalock.judging import Held
    from cudalock.lock import Lock, Pin
    from cudalock.resolution import Candidate, Requirement, Resolution
    from cudalock.resolution.propagation import Restriction, Strike

ALL: Final = "all"
"""What stands for everything that is installed."""

ROUNDS: Final = 400
"""How long an answer without a change is looked for where one with it was found."""

_OF_CHOICE: Final = frozenset(["option:builders", "option:exclude-newer"])
"""What rules out a wheel that is to be chosen, and not one that is there."""


class KeepingProblem(Problem):
    """A goal beside what is kept: that is had as it is, whoever built it and whenever.

    What is kept stays beside what is kept, and on its machine, whether that is well or not: only
    what is new is judged. How healthy the environment is is for `cudalock doctor` to say.
    """

    def __init__(
        self,
        subject: Subject,
        goal: Goal,
        kept: Sequence[Held],
        off: frozenset[str] = NOTHING,
        wide: bool = False,
        rounds: int | None = None,
    ) -> None:
        self.subject = subject
        self.asked = goal
        self.kept = tuple(kept)
        self._held = {each.name: each for each in self.kept if each.specifier}
        """what is there; the rest of what is kept is only to be had, at whatever version"""
        self._unknown = {
            each.name: each.version
            for each in subject.inventory.distributions
            if each.name not in self._held and not subject.builds(each)
        }
        wanted = [each.text for each in self.kept if each.required]
        limits = [each.text for each in self.kept if not each.required]
        goal = replace(
            goal,
            requirements=tuple(dict.fromkeys((*goal.requirements, *wanted))),
            constraints=tuple(dict.fromkeys((*goal.constraints, *limits))),
        )
        super().__init__(goal, subject.target, subject.matrix, off, wide)
        # What nothing holds stays rather than change to something newer.
        self.favourites = {
            each.name: each.public
            for each in subject.inventory.distributions
            if each.name not in self._held
        }
        self.max_rounds = rounds

    def without(self, off: frozenset[str]) -> KeepingProblem:
        return KeepingProblem(self.subject, self.asked, self.kept, off, rounds=self.max_rounds)

    def cuda_wishes(self) -> Iterator[Requirement]:
        # Whether the framework that is there has CUDA is no wish any more.
        if self.matrix.framework not in self._held or self.goal.cuda is not None:
            yield from super().cuda_wishes()

    def missed_filters(self, candidate: Candidate) -> Iterator[frozenset[str]]:
        held = self._held.get(candidate.name)
        for missed in super().missed_filters(candidate):
            if held is None or not missed <= _OF_CHOICE:
                yield missed
        build = candidate.build
        if held and build and not comes_from(held, build, candidate.version or ""):
            yield frozenset([place_element(candidate.name)])

    def told_apart_by(self, candidate: Candidate) -> str | None:
        held = self._held.get(candidate.name)
        if held is not None and held.file is not None:
            return candidate.full_version
        return super().told_apart_by(candidate)

    def _metadata_requirements(
        self, candidate: Candidate, names: frozenset[str] | None
    ) -> Iterator[Requirement]:
        for requirement in super()._metadata_requirements(candidate, names):
            if candidate.name in self._held and requirement.name in self._held:
                continue
            # A version that the matrix does not know meets what its number meets.
            version = self._unknown.get(requirement.name)
            if version is None or not _meets(requirement.specifiers, version):
                yield requirement

    def is_settled(self, owner: str, other: str) -> bool:
        """Between what is there already: what is kept, the machine, and what the build of a kept
        framework fixes. That it fixes it stays a question, or nobody would know."""
        if owner == self.matrix.framework and other != owner and other not in self.target_values:
            return other in self._held
        return self._is_there(owner) and self._is_there(other)

    def _is_there(self, name: str) -> bool:
        if name in self._held or name in self.target_values:
            return True
        fixed = self.matrix.framework in self._held
        return fixed and self.matrix.component(name).is_virtual


def _meets(specifiers: Iterable[str], version: str) -> bool:
    try:
        parsed = Version(version)
    except InvalidVersion:
        return False
    return all(SpecifierSet(each).contains(parsed, prereleases=True) for each in specifiers)


class Change(NamedTuple):
    """A distribution that has to be another than it is."""

    installed: Installed
    version: str

    def __str__(self) -> str:
        return f"changes {self.installed} to {self.version}"


@dataclass(frozen=True)
class Keeping:
    """A goal for an environment, and what of it is kept: `all`, or names."""

    subject: Subject
    goal: Goal
    words: tuple[str, ...]
    """as `--keep` has them"""

    @property
    def is_all(self) -> bool:
        return ALL in self.words

    @cached_property
    def held(self) -> tuple[Held, ...]:
        """What must stay as it is; with `all` what is used, and the rest is seen to afterwards.

        Raises UnknownName for a name that is not installed, UnknownVersion for what the matrix does
        not know, Contradiction for what the goal wants otherwise.
        """
        if self.is_all:
            return tuple(
                each
                for each in self._known
                if each.required and each.name not in self._wanted_otherwise
            )
        named = {self._installed(word).name for word in self.words}
        for name in sorted(named & self._wanted_otherwise.keys()):
            asked = self._wanted_otherwise[name]
            raise Contradiction(
                f"`{self.subject.inventory.find(name)}` is kept, and the goal asks for `{asked}`"
            )
        for name in sorted(named - {each.name for each in self._known}):
            raise self._unknown(name)
        return tuple(each for each in self._known if each.name in named)

    def _installed(self, word: str) -> Installed:
        matrix = self.subject.matrix
        meant = matrix.names.find(word) or canonical(word)
        meant = matrix.names.stand_in(meant, self.subject.markers)
        found = self.subject.inventory.find(meant) or self.subject.inventory.find(canonical(word))
        if found is None:
            raise UnknownName(f"`{word}` is not installed in `{self.subject.layout.prefix}`")
        return found

    def _unknown(self, name: str) -> UnknownVersion:
        return UnknownVersion(
            f"`{self.subject.inventory.find(name)}`, as it is installed, is not known here"
            f" (matrix {self.subject.matrix.version})"
        )

    @cached_property
    def _known(self) -> tuple[Held, ...]:
        """What is installed and known, the most important first: the framework, then what has a
        rank, then the rest. The first two are there to be used; the rest only limits."""
        matrix = self.subject.matrix
        found = []
        for each in self.subject.stack():
            if self.subject.builds(each):
                required = each.name == matrix.framework or each.name in matrix.ranked
                found.append(self.subject.held(each)._replace(required=required))
        framework = self.subject.framework
        if framework is not None and framework.name not in {each.name for each in found}:
            raise self._unknown(framework.name)
        return tuple(sorted(found, key=self._importance))

    def _importance(self, held: Held) -> tuple[bool, bool, int, bool, str]:
        rank = self.subject.matrix.component(held.name).rank
        is_framework = held.name == self.subject.matrix.framework
        is_vendors = held.name.startswith(VENDOR)
        return not is_framework, rank is None, rank or 0, is_vendors, held.name

    @cached_property
    def _wanted_otherwise(self) -> dict[str, str]:
        """What the goal asks for by name, at another version than the installed one."""
        matrix = self.subject.matrix
        found = {}
        for text in self.goal.requirements:
            parsed = parse_requirement(text)
            name = matrix.names.stand_in(canonical(parsed.name), self.subject.markers)
            installed = self.subject.inventory.find(name)
            if installed and not _meets([str(parsed.specifier)], installed.version):
                found[name] = text
        return found

    # -- solving --------------------------------------------------------------------------------

    def problem(self, kept: Sequence[Held], *, wide: bool = False) -> KeepingProblem:
        return KeepingProblem(self.subject, self.goal, kept, wide=wide, rounds=2 * ROUNDS)

    def _is_possible(self, kept: Sequence[Held]) -> bool:
        return Search(self.problem(kept)).is_possible()

    @cached_property
    def kept(self) -> tuple[Held, ...]:
        """What is held in the end; the caller has seen that it has an answer with `held`."""
        if self.is_all:
            return self.held
        names = {each.name for each in self.held} | self._wanted_otherwise.keys()
        rest = [each for each in self._known if each.required and each.name not in names]
        more = self._as_many(list(self.held), rest)
        kept = {each.name for each in more}
        free = [
            each._replace(specifier="", file=None, indexes=None)
            for each in rest
            if each.name not in kept
        ]
        # What is used has to go on working: at another version, where there is one that fits.
        return (*self.held, *more, *self._as_many([*self.held, *more], free))

    def _as_many(self, kept: list[Held], rest: list[Held]) -> list[Held]:
        """As many of the rest as leave an answer: all, else those of each half, the first first."""
        if not rest or self._is_possible([*kept, *rest]):
            return rest
        if len(rest) == 1:
            return []
        half = len(rest) // 2
        first = self._as_many(kept, rest[:half])
        return first + self._as_many(kept + first, rest[half:])

    @cached_property
    def resolution(self) -> Resolution:
        """The best answer beside what is kept. Raises NoSolution, GaveUp."""
        matrix = self.subject.matrix
        matrix.prepare(self.goal.requirements, self.subject.target)
        while True:
            search = Search(self.problem(self.held))
            is_possible = search.is_possible()
            # A matrix that asks an index shows no more at first than is likely to be enough.
            if not matrix.again(found=is_possible):
                break
        if not is_possible:
            raise _given_up() if search.gave_up else self._refusal()
        found = answer(self.problem(self.kept))
        if found is None:
            raise _given_up()
        return self._unchanged(found) if self.is_all else found

    def _unchanged(self, found: Resolution) -> Resolution:
        """The answer, or another one, that changes nothing that nobody asked to change."""
        limits: dict[str, Held] = {}
        first = found
        while changed := [each for each in self._changed(found) if each.name not in limits]:
            limits |= {each.name: each for each in changed}
            problem = KeepingProblem(
                self.subject, self.goal, [*self.held, *limits.values()], rounds=ROUNDS
            )
            again = answer(problem) if Search(problem).is_possible() else None
            if again is None:
                raise self._refusal_of_changes(first)
            found = again
        return found

    def _changed(self, found: Resolution) -> Iterator[Held]:
        """What of the installed an answer has at another version, and the goal does not name."""
        for held in self._known:
            pin = found.pins.get(held.name)
            if held.name in self._wanted_otherwise or pin is None or held.required:
                continue
            if isinstance(held.origin, Installed) and pin.version != held.origin.public:
                yield held

    def lock(self, command: str) -> Lock:
        """The lock of what is new or has to change. Raises as `resolution` does."""
        whole = from_resolution(self.resolution, command)
        pins = tuple(pin for pin in whole.pins if not self._is_there(pin))
        used = {pin.wheel.index for pin in pins}
        changes = [
            Change(installed, pin.version)
            for pin in pins
            if (installed := self.subject.inventory.find(pin.name)) is not None
        ]
        return replace(
            whole,
            pins=pins,
            notes=(*whole.notes, *map(str, changes), *self._left_broken(whole)),
            indexes=tuple(index for index in whole.indexes if index.id in used),
            builders=tuple(sorted({p.wheel.builder for p in pins if p.wheel.builder})),
            installer=install_command(self.subject.layout, self.subject.inventory),
        )

    def _left_broken(self, whole: Lock) -> Iterator[str]:
        """What is used, and of which no version goes with the answer."""
        there = {pin.name for pin in whole.pins}
        for each in self._known:
            if each.required and each.name not in there:
                yield f"{each.origin} does not go with this, and no version of it does"

    def _is_there(self, pin: Pin) -> bool:
        installed = self.subject.inventory.find(pin.name)
        if installed is None:
            return False
        if any(each.name == pin.name and each.specifier for each in self.kept):
            return True
        return installed.version == pin.version and installed.wheel_file in (None, pin.wheel.file)

    # -- words ----------------------------------------------------------------------------------

    def command(self, path: str) -> str:
        """The command that asks this again."""
        flags = self.subject.target.flags()
        machine = [
            word
            for flag, value in zip(flags[::2], flags[1::2], strict=True)
            if flag in ("--gpu", "--driver")
            for word in (flag, value)
        ]
        words = ["--python", path, "--keep", ",".join(self.words), *machine]
        return " ".join([command_line(self.goal), *map(quoted, words)])

    def _refusal(self) -> NoSolution:
        """Why what is kept leaves no answer."""
        conflict = Conflict.of(self.problem(self.held, wide=True))
        cores = conflict.cores()
        explanation = Explanation(
            headline=self._headline,
            elements=tuple(dict.fromkeys(each for core in cores for each in core.elements)),
            conflicts=tuple(KeepingNarrator(conflict, core).steps() for core in cores),
        )
        return NoSolution(explanation, hints=self._with_less())

    def _refusal_of_changes(self, found: Resolution) -> NoSolution:
        """What an answer would change, and who requires it: without a change none was found."""
        steps = []
        for held in self._changed(found):
            steps.append(Step(f"{held.origin} is installed, and kept"))
            for reason in found.reasons.get(held.name, ()):
                wanted = reason.requirement
                if (
                    reason.parent
                    and wanted.specifiers
                    and not _meets(wanted.specifiers, str(held.version))
                ):
                    text = f"{wanted.name}{','.join(wanted.specifiers)}"
                    steps.append(Step(f"{found.pins[reason.parent]} requires {text}"))
        explanation = Explanation(self._headline, (), (tuple(steps),))
        return NoSolution(explanation, hints=self._with_less())

    @property
    def _headline(self) -> str:
        wanted = ", ".join(self.goal.requirements)
        return f"{wanted} does not fit what is kept in `{self.subject.layout.prefix}`"

    def _with_less(self) -> Iterator[str]:
        """The command that keeps the framework alone, if that helps, with what it changes."""
        framework = self.subject.framework
        if framework is None or self.words == (framework.name,):
            return
        less = Keeping(self.subject, self.goal, (framework.name,))
        if framework.name in less._wanted_otherwise or not less._is_possible(less.held):
            return
        lock = less.lock("")
        changes = [note for note in lock.notes if note.startswith("changes ")]
        if changes:
            command = less.command(str(self.subject.layout.prefix))
            yield f"`{command}` {' and '.join(changes)}"


def _given_up() -> GaveUp:
    return GaveUp(
        "the search was given up: neither an answer nor a proof that there is none was found",
        hints=["say more of what is wanted: a version, say"],
    )


class KeepingNarrator(Narrator):
    """Tells what is installed from what is asked for, and leaves out where it came from."""

    def steps(self) -> tuple[Step, ...]:
        """As those of any conflict, in the words of what is there."""
        problem = self._problem
        kept = {each.text: each for each in getattr(problem, "kept", ())}
        steps = []
        for step in super().steps():
            held = kept.get(step.text.removeprefix("the goal asks for "))
            if held is not None and step.text.startswith("the goal asks for "):
                step = step._replace(text=f"{held.origin} is installed, and kept")
            steps.append(step)
        return tuple(steps)

    def _restriction(self, strike: Strike, cause: Restriction) -> Iterator[Step]:
        if not any(each.startswith("place:") for each in cause.elements):
            yield from super()._restriction(strike, cause)


__all__ = ["ALL", "Change", "Keeping", "KeepingProblem"]

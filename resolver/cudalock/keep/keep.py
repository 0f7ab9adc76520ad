"""What of an environment is kept for a goal, and what is new then."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.compat.installed import once_uninstalled
from cudalock.environment.distributions import Installed
from cudalock.environment.installer import install_command, refusal
from cudalock.errors import (
    Contradiction,
    CudalockError,
    GaveUp,
    NoSolution,
    UnknownName,
    UnknownVersion,
)
from cudalock.goals import command_line
from cudalock.keep.policy import keep_problem, meets
from cudalock.keep.refusal import explain, explain_changes
from cudalock.lock.build import from_resolution
from cudalock.matrix.universe import Attempt
from cudalock.resolution.find import answer
from cudalock.resolution.minimal import preserve_most
from cudalock.resolution.search import Search
from cudalock.solving import solve
from cudalock.targets.accelerators import is_vendor_library
from cudalock.text import shell_word
from cudalock.versions import canonical, parse_requirement

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cudalock.compat.installed import ExaminedEnvironment
    from cudalock.compat.pins import PinnedProject
    from cudalock.conflicts import Explanation
    from cudalock.goals import Goal
    from cudalock.lock import Lock, Pin
    from cudalock.resolution.model import Resolution
    from cudalock.resolution.problem import Problem

ALL: Final = "all"
"""What stands for everything that is installed."""

MAX_DEAD_ENDS: Final = 400
"""How long an answer without a change is looked for where one with it was found."""


class InstalledChange(NamedTuple):
    """A distribution that has to be another than it is."""

    installed: Installed
    version: str

    def __str__(self) -> str:
        return f"changes {self.installed} to {self.version}"


@dataclass(frozen=True)
class Keeping:
    """A goal for an environment, and what of it is kept: `all`, or names."""

    subject: ExaminedEnvironment
    goal: Goal
    words: tuple[str, ...]
    """as `--keep` has them"""

    @property
    def is_all(self) -> bool:
        return ALL in self.words

    @cached_property
    def held(self) -> tuple[PinnedProject, ...]:
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
            f" (matrix {self.subject.matrix.version}), and so is not what was made for it",
            hints=self._anew() if name == self.subject.matrix.framework else (),
        )

    @cached_property
    def _known(self) -> tuple[PinnedProject, ...]:
        """What is installed and known, the most important first: the framework, then what has a
        rank, then the rest. The first two are there to be used; the rest only limits."""
        matrix = self.subject.matrix
        found = []
        for each in self.subject.stack():
            if self.subject.builds(each):
                required = each.name == matrix.framework or each.name in matrix.ranked
                found.append(self.subject.pin_of(each)._replace(required=required))
        framework = self.subject.framework
        if framework is not None and framework.name not in {each.name for each in found}:
            raise self._unknown(framework.name)
        return tuple(sorted(found, key=self._importance))

    def _importance(self, held: PinnedProject) -> tuple[bool, bool, int, bool, str]:
        rank = self.subject.matrix.component(held.name).rank
        is_framework = held.name == self.subject.matrix.framework
        is_vendors = is_vendor_library(held.name)
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
            if installed and not meets([str(parsed.specifier)], installed.version):
                found[name] = text
        return found

    # -- solving --------------------------------------------------------------------------------

    def problem(self, kept: Sequence[PinnedProject], *, wide: bool = False) -> Problem:
        return keep_problem(
            self.subject, self.goal, kept, wide=wide, max_dead_ends=2 * MAX_DEAD_ENDS
        )

    def _is_possible(self, kept: Sequence[PinnedProject]) -> bool:
        return Search(self.problem(kept)).is_possible()

    @cached_property
    def kept(self) -> tuple[PinnedProject, ...]:
        """What is held in the end; the caller has seen that it has an answer with `held`."""
        if self.is_all:
            return self.held
        names = {each.name for each in self.held} | self._wanted_otherwise.keys()
        rest = [each for each in self._known if each.required and each.name not in names]
        more = preserve_most(self.held, rest, self._is_possible)
        kept = {each.name for each in more}
        free = [
            each._replace(specifier="", file=None, indexes=None)
            for each in rest
            if each.name not in kept
        ]
        # What is used has to go on working: at another version, where there is one that fits.
        return (*self.held, *more, *preserve_most([*self.held, *more], free, self._is_possible))

    @cached_property
    def resolution(self) -> Resolution:
        """The best answer beside what is kept. Raises NoSolution, GaveUp."""

        def attempt() -> Attempt[tuple[Search, bool]]:
            search = Search(self.problem(self.held))
            is_possible = search.is_possible()
            return Attempt((search, is_possible), is_possible)

        universe = self.subject.universe
        search, is_possible = universe.search(self.goal.requirements, self.subject.target, attempt)
        if not is_possible:
            raise (
                _given_up()
                if search.gave_up
                else self._refusal(
                    explain(self.problem(self.held, wide=True), self.held, self._headline)
                )
            )
        found = answer(self.problem(self.kept))
        if found is None:
            raise _given_up()
        return self._unchanged(found) if self.is_all else found

    def _unchanged(self, found: Resolution) -> Resolution:
        """The answer, or another one, that changes nothing that nobody asked to change."""
        limits: dict[str, PinnedProject] = {}
        first = found
        while changed := [each for each in self._changed(found) if each.name not in limits]:
            limits |= {each.name: each for each in changed}
            problem = keep_problem(
                self.subject,
                self.goal,
                [*self.held, *limits.values()],
                max_dead_ends=MAX_DEAD_ENDS,
            )
            again = answer(problem) if Search(problem).is_possible() else None
            if again is None:
                raise self._refusal(explain_changes(self._changed(first), first, self._headline))
            found = again
        return found

    def _changed(self, found: Resolution) -> Iterator[PinnedProject]:
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
            InstalledChange(installed, pin.version)
            for pin in pins
            if (installed := self.subject.inventory.find(pin.name)) is not None
        ]
        return replace(
            whole,
            pins=pins,
            notes=(
                *whole.notes,
                *map(str, changes),
                *self._left_broken(whole),
                *self._was_broken(changes),
                *self._for_powershell(),
                *self._for_a_managed_one(),
            ),
            indexes=tuple(index for index in whole.indexes if index.id in used),
            builders=tuple(sorted({p.wheel.builder for p in pins if p.wheel.builder})),
            installer=self._installer(changes),
        )

    def _installer(self, changes: Sequence[InstalledChange]) -> str:
        command = install_command(self.subject.layout, self.subject.inventory)
        is_hidden = any(each.installed.satisfies(each.version) for each in changes)
        return f"{command} --force-reinstall" if is_hidden else command

    def _for_powershell(self) -> Iterator[str]:
        """A quoted program is a string to PowerShell, and a program to cmd."""
        command = install_command(self.subject.layout, self.subject.inventory)
        if self.subject.layout.is_windows and command.startswith('"'):
            yield "in PowerShell the install command needs `&` and a space before it"

    def _for_a_managed_one(self) -> Iterator[str]:
        refused = refusal(self.subject.layout)
        if refused is not None:
            yield "{}: {} makes an environment where it does".format(*refused)

    def _left_broken(self, whole: Lock) -> Iterator[str]:
        """What is used, and of which no version goes with the answer."""
        there = {pin.name for pin in whole.pins}
        for each in self._known:
            if each.required and each.name not in there:
                yield f"{each.origin} does not go with this, and no version of it does"

    def _was_broken(self, changes: Sequence[InstalledChange]) -> Iterator[str]:
        """That what stays does not go together as it is: it was not asked, and is not refused."""
        changed = {each.installed.name for each in changes}
        stays = [each for each in self._known if each.name not in changed]
        if not self.subject.judge().works(stays):
            path = shell_word(str(self.subject.layout.prefix))
            yield f"what is kept was not well before: `cudalock doctor --python {path}` says why"

    def _is_there(self, pin: Pin) -> bool:
        installed = self.subject.inventory.find(pin.name)
        if installed is None or self.subject.is_foreign(installed):
            return False
        if any(each.name == pin.name and each.specifier for each in self.kept):
            return True
        return installed.version == pin.version and installed.wheel_file in (None, pin.wheel.file)

    # -- words ----------------------------------------------------------------------------------

    def command(self, path: str) -> str:
        """The command that asks this again."""
        words = ["--python", path, "--keep", ",".join(self.words), *self._machine_words()]
        return " ".join([command_line(self.goal), *map(shell_word, words)])

    def _machine_words(self) -> list[str]:
        """What was said or found of the machine, as flags."""
        stated = ["--gpu", "--driver", *(["--glibc"] if self.subject.machine_overridden else [])]
        flags = self.subject.target.flags()
        return [
            word
            for flag, value in zip(flags[::2], flags[1::2], strict=True)
            if flag in stated
            for word in (flag, value)
        ]

    # -- where there is no answer ---------------------------------------------------------------

    @property
    def _headline(self) -> str:
        wanted = ", ".join(self.goal.requirements)
        return f"{wanted} does not fit what is kept in `{self.subject.layout.prefix}`"

    def _refusal(self, explanation: Explanation) -> NoSolution:
        return NoSolution(explanation, hints=[*self._with_less()] or [*self._anew()])

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

    def _anew(self) -> Iterator[str]:
        """The command that solves for another framework, with all that is used beside it: another
        build of the same version, else another version."""
        framework = self.subject.framework
        if framework is None or framework.name in self._wanted_otherwise:
            return
        used = [
            each.name
            for each in self.subject.stack()
            if each.name in self.subject.matrix.ranked and self.subject.builds(each)
        ]
        for text in (f"{framework.name}=={framework.public}", framework.name):
            goal = replace(self.goal, requirements=_with(self.goal.requirements, text, *used))
            try:
                found = solve(goal, self.subject.target, self.subject.universe)
            except CudalockError:
                continue
            words = ["--python", str(self.subject.layout.prefix), *self._machine_words()]
            command = " ".join([command_line(goal), *map(shell_word, words)])
            build = found.pins[framework.name].full_version
            first = once_uninstalled(found, self.subject)
            yield f"`{command}` is all of it anew, with {framework.name} {build}{first}"
            return


def _with(requirements: tuple[str, ...], *more: str) -> tuple[str, ...]:
    """The requirements, and those of the others whose projects they do not name."""
    found = {canonical(parse_requirement(text).name): text for text in more}
    found |= {canonical(parse_requirement(text).name): text for text in requirements}
    return tuple(sorted(found.values()))


def _given_up() -> GaveUp:
    return GaveUp(
        "the search was given up: neither an answer nor a proof that there is none was found",
        hints=["say more of what is wanted: a version, say"],
    )


__all__ = ["ALL", "InstalledChange", "Keeping"]

"""The goal, and the command line that states it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cudalock.goals.requirement import ProjectRequirement
from cudalock.goals.switches import read_switches
from cudalock.records import dataclass, field, replace
from cudalock.targets.accelerators import ACCELERATORS, CPU, CUDA, DEFAULT, LIBRARIES, OPTION
from cudalock.text import shell_command

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cudalock.targets import Target
    from cudalock.targets.accelerators import Library, Wish
    from cudalock.text import NamesNote


@dataclass(frozen=True, slots=True)
class OtherTarget:
    """A requirement whose marker does not hold on the target; `origin` is where it is written."""

    origin: str
    name: str

    def __str__(self) -> str:
        return f"{self.origin}: `{self.name}` is not for this target"


@dataclass(frozen=True, slots=True)
class Goal:
    """What the user wants, however it was written: equal wishes are equal goals.

    Requirements and constraints may be PEP 508 texts, which are parsed at once: so a script states
    them. Raises InvalidRequirement for another text.
    """

    requirements: tuple[ProjectRequirement, ...]
    """one per project, sorted by its name"""
    constraints: tuple[ProjectRequirement, ...] = ()
    """the same, holding only where the project is present"""
    accelerator: Wish | None = None
    """None: that of the target's GPUs, else CUDA where the target can have it"""
    cudnn: str | None = None
    """a PEP 440 specifier of cuDNN"""
    toolkit: tuple[str, tuple[str, ...]] | None = None
    """CUDA release and its parts, sorted; no parts means all"""
    builders: str = "known"
    """whose third-party wheels are acceptable: `official`, `known` or `any`"""
    exclude_newer: str | None = None
    """an ISO day: only releases published by then"""
    allow_build: tuple[str, ...] = ()
    """projects, sorted, whose source distributions may be compiled"""
    skip: tuple[str, ...] = ()
    """projects, sorted, that are left out of the lock, whatever requires them"""
    strict: bool = False
    """whether a warning counts as an error"""
    notes: tuple[str | OtherTarget | NamesNote, ...] = field(default=(), compare=False)
    """for the user: how something was read, what was left out"""

    if TYPE_CHECKING:
        # A dataclass has one type for what it is given and what it holds: a script gives texts.
        def __init__(
            self,
            requirements: Iterable[ProjectRequirement | str],
            constraints: Iterable[ProjectRequirement | str] = (),
            accelerator: Wish | None = None,
            cudnn: str | None = None,
            toolkit: tuple[str, tuple[str, ...]] | None = None,
            builders: str = "known",
            exclude_newer: str | None = None,
            allow_build: tuple[str, ...] = (),
            skip: tuple[str, ...] = (),
            strict: bool = False,
            notes: tuple[str | OtherTarget | NamesNote, ...] = (),
        ) -> None: ...

    def __post_init__(self) -> None:
        # Here and not where one is used: a mistake shows where it was made, and only once.
        for name in ("requirements", "constraints"):
            parsed = tuple(map(_parsed, getattr(self, name)))
            object.__setattr__(self, name, parsed)

    def constrained(self, constraints: Iterable[ProjectRequirement]) -> Goal:
        """Return the goal with more constraints."""
        together = dict.fromkeys((*self.constraints, *constraints))
        return replace(self, constraints=tuple(together))

    def of(self, library: Library) -> str | None:
        """Return the wish for a library of an accelerator; None if there is none."""
        wish: str | None = getattr(self, library.name)
        return wish

    @property
    def cuda(self) -> str | None:
        """The wish as far as it is about CUDA: a PEP 440 specifier, `cpu`, or None."""
        wish = self.accelerator
        if wish is None or wish.name not in (CPU, CUDA.name):
            return None
        return CPU if wish.name == CPU else wish.specifier or None


def _parsed(stated: ProjectRequirement | str) -> ProjectRequirement:
    return ProjectRequirement.parse(stated) if isinstance(stated, str) else stated


def stated_accelerator(goal: Goal) -> dict[str, str]:
    """Return the wish for an accelerator as a table of a lock has it: `cuda` for what that states,
    else `accelerator`; empty for none."""
    if goal.cuda is not None:
        return {DEFAULT.name: goal.cuda}
    wish = goal.accelerator
    return {} if wish is None else {OPTION: f"{wish.name}{wish.specifier}"}


def command_line(goal: Goal, *targets: Target) -> str:
    """Return the `cudalock solve` command for this goal and targets, every value written out.

    The order is fixed, whatever the user's order was. Double quotes only: they
    mean the same to cmd, PowerShell and sh.
    """
    return shell_command(["cudalock", "solve", *command_words(goal, *targets)])


def command_words(
    goal: Goal, *targets: Target, wishes: Sequence[Wish | None] | None = None
) -> list[str]:
    """The words that state this goal and targets to a command, unquoted.

    `wishes` are the accelerators of several lines, in the place of the goal's own.
    """
    stated = [goal.accelerator] if wishes is None else wishes
    return [*_goal_words(goal, stated), *_target_words(targets)]


def _target_words(targets: tuple[Target, ...]) -> Iterator[str]:
    """Yield the flags of all targets, each once: the targets are platforms by Pythons."""
    written = set()
    for target in targets:
        flags = target.flags()
        for flag, argument in zip(flags[::2], flags[1::2], strict=True):
            if (flag, argument) not in written:
                written.add((flag, argument))
                yield flag
                yield argument


def _goal_words(goal: Goal, wishes: Sequence[Wish | None]) -> Iterator[str]:
    flags: dict[str, list[str]] = {}
    # Requirements without a flag of their own come first, as positional arguments.
    # A switch takes no version: `flash-attn==2.8.3` stays a word of its own.
    for requirement in goal.requirements:
        words = _flag_words(requirement)
        if words:
            flags[requirement.name] = words
        else:
            yield str(requirement)
    framework, switches = read_switches()
    for name in (framework, *switches):
        yield from flags.get(name, ())
    for wish in wishes:
        yield from _accelerator_words(wish)
    for library in LIBRARIES.values():
        yield from _option(f"--{library.name}", _shortest_of(library, goal.of(library)))
    yield from _option("--toolkit", _toolkit_text(goal.toolkit))
    yield from _option("--builders", None if goal.builders == "known" else goal.builders)
    yield from _option("--exclude-newer", goal.exclude_newer)
    for flag, names in {"--allow-build": goal.allow_build, "--skip": goal.skip}.items():
        for name in names:
            yield from _option(flag, name)
    if goal.strict:
        yield "--strict"
    for constraint in goal.constraints:
        yield from _option("-c", str(constraint))


def _accelerator_words(wish: Wish | None) -> tuple[str, ...]:
    """Return the flag that states a wish; a version alone is for the one that has its own flag."""
    if wish is None:
        return ()
    if wish.name == CPU:
        return (f"--{DEFAULT.name}", CPU)
    if ACCELERATORS[wish.name].flag and wish.specifier:
        return (f"--{wish.name}", _shortest(wish.specifier) or "")
    return (f"--{OPTION}", f"{wish.name}{_shortest(wish.specifier) or ''}")


def _flag_words(requirement: ProjectRequirement) -> list[str] | None:
    # A flag has no way to write extras, a URL or a marker.
    if requirement.extras or requirement.url or requirement.marker:
        return None
    framework, switches = read_switches()
    if requirement.name == framework:
        return [f"--{framework}", _shortest(requirement.specifier) or "latest"]
    if requirement.specifier or requirement.name not in switches:
        return None
    return [f"--{switches[requirement.name]}"]


def _option(flag: str, argument: str | None) -> Iterable[str]:
    return () if argument is None else (flag, argument)


def _shortest(specifier: str | None) -> str | None:
    """Return `2.5` for `==2.5.*` and `2.5.1` for `==2.5.1`; other specifiers keep their operator.

    A bare number reads back as a prefix too, but `==2.5` does not: it is one release.
    """
    if specifier is None:
        return None
    if match := re.fullmatch(r"==([0-9]+(?:\.[0-9]+)?)\.\*", specifier):
        return match[1]
    match = re.fullmatch(
        r"==([0-9]+\.[0-9]+\.[0-9]+(?:\.[0-9]+|\.?post[0-9]+)*(?:\+[a-z0-9.]+)?)", specifier
    )
    return match[1] if match else specifier


def _shortest_of(library: Library, specifier: str | None) -> str | None:
    """`9.1` for `==9.1.*`: fewer numbers than a release has read back as a series."""
    if specifier is None:
        return None
    match = re.fullmatch(r"==([0-9]+(?:\.[0-9]+)*)(\.\*)?", specifier)
    if match is None:
        return specifier
    is_release = match[1].count(".") + 1 == library.numbers
    return match[1] if is_release != bool(match[2]) else specifier


def _toolkit_text(toolkit: tuple[str, tuple[str, ...]] | None) -> str | None:
    if toolkit is None:
        return None
    version, parts = toolkit
    return f"{version}:{','.join(parts)}" if parts else version

"""Solve beside what is preserved, and lock what is new or has to change."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.compat.tied import build_command
from cudalock.environment.distributions import Installed
from cudalock.environment.installer import install_command, refusal
from cudalock.errors import GaveUp, NoSolution
from cudalock.keep.commands import KeepRequest, keep_command, re_resolve_hints
from cudalock.keep.foreign import Tied, is_foreign
from cudalock.keep.policy import keep_problem
from cudalock.keep.preserve import Preserved, preserved, replaced_by_goal
from cudalock.keep.refusal import explain, explain_changes
from cudalock.lock.build import from_resolution
from cudalock.lock.lock import KeptVersion, UnknownFact
from cudalock.matrix.universe import Attempt
from cudalock.resolution.blockers import Blame
from cudalock.resolution.find import best_resolution
from cudalock.resolution.minimal import preserve_most
from cudalock.resolution.search import Search
from cudalock.text import listed, shell_word
from cudalock.versions import is_prerelease, specifier_set

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cudalock.compat.pins import PinnedProject
    from cudalock.conflicts.explanation import Explanation
    from cudalock.goals import ProjectRequirement
    from cudalock.lock import Lock, Pin
    from cudalock.resolution.model import Resolution

MAX_DEAD_ENDS: Final = 400
"""Dead ends after which a solution without a change is given up where one with it was found; twice
as many where there is none yet. The engine's own bound, ten times that, is for whole goals: here
most of the solution is fixed beforehand."""


CONSTRAINTS: Final = "constraints.txt"
"""What an install command calls the constraints that hold an image's packages."""
_MAY_LINK: Final = "its compiled code may be for a release"


class InstalledChange(NamedTuple):
    """An installed distribution that a solution has at another version."""

    installed: Installed
    version: str

    def __str__(self) -> str:
        return f"changes {self.installed} to {self.version}"


class _Addition(NamedTuple):
    """A solution beside what is preserved: what stays, and what is new or changes."""

    resolution: Resolution
    known: tuple[PinnedProject, ...]
    staying: tuple[PinnedProject, ...]
    changes: tuple[InstalledChange, ...]
    lock: Lock
    """the pins to install, with the notes of the whole solution"""


def lock_additions(request: KeepRequest, command: str) -> Lock:
    """Return the lock of what a goal adds to an environment or changes in it.

    `command` is recorded in it. Raises NoSolution and GaveUp, and what `preserved` raises.
    """
    addition = _add(request, command)
    return replace(
        addition.lock,
        notes=(
            *addition.lock.notes,
            *_nothing_kept(request, addition),
            *map(str, addition.changes),
            *_left_broken(addition),
            *_was_broken(request, addition),
            *_for_powershell(request),
            *_for_managed(request),
            *_for_image(request),
        ),
        installer=_installer(request, addition.changes),
        unknowns=(*addition.lock.unknowns, *_open_wheels(request, addition)),
    )


def _add(request: KeepRequest, command: str) -> _Addition:
    preserved_pins = preserved(request)
    resolution, staying = _solve(request, preserved_pins)
    whole = from_resolution(resolution, command)
    pins = tuple(pin for pin in whole.pins if not _is_installed(request, pin, staying))
    indexes = {pin.wheel.index for pin in pins}
    changes = tuple(
        InstalledChange(installed, pin.version)
        for pin in pins
        if (installed := request.environment.inventory.find(pin.name)) is not None
    )
    is_open = request.environment.layout.image is not None
    if is_open:
        # What else an image has is not known: a pin of it would change what works there.
        pins = tuple(_without_edges(pin) for pin in pins if pin.is_requested)
    lock = replace(
        whole,
        pins=pins,
        kept=tuple(_kept(request, staying)),
        is_open=is_open,
        indexes=tuple(index for index in whole.indexes if index.id in indexes),
        builders=tuple(sorted({pin.wheel.builder for pin in pins if pin.wheel.builder})),
    )
    return _Addition(resolution, preserved_pins.known, staying, changes, lock)


def _without_edges(pin: Pin) -> Pin:
    return replace(pin, requires=())


def _kept(request: KeepRequest, staying: Sequence[PinnedProject]) -> Iterator[KeptVersion]:
    """What stays of the stack, as constraints name it."""
    is_image = request.environment.layout.image is not None
    for pin in sorted(staying, key=lambda pin: pin.name):
        if not pin.required or not isinstance(pin.origin, Installed):
            continue
        installed = pin.origin
        # An image's label may go on with the number of a build. `==2.7.0a0` means any label, and
        # no index has such a release.
        is_own = is_image and is_prerelease(installed.public)
        yield KeptVersion(installed.name, installed.public if is_own else installed.version)


def _is_installed(request: KeepRequest, pin: Pin, staying: Sequence[PinnedProject]) -> bool:
    """Whether the environment has a pin of the solution already."""
    installed = request.environment.inventory.find(pin.name)
    if installed is None or request.environment.is_foreign(installed):
        return False
    if any(preserved_pin.name == pin.name and preserved_pin.specifier for preserved_pin in staying):
        return True
    return installed.version == pin.version and installed.wheel_file in (None, pin.wheel.file)


# -- solving ------------------------------------------------------------------------------------


def _solve(
    request: KeepRequest, preserved_pins: Preserved
) -> tuple[Resolution, tuple[PinnedProject, ...]]:
    """The best solution beside what is preserved, and all that stays in it.

    Raises NoSolution and GaveUp.
    """
    environment, pins = request.environment, preserved_pins.pins

    def attempt() -> Attempt[tuple[Search, bool]]:
        search = _search(request, pins)
        is_possible = search.is_possible()
        blame = Blame(search)
        if not is_possible:
            return Attempt((search, False), has_solution=False, blockers=blame.of_no_solution)
        # Where everything stays the newest version is not what is wanted.
        solution = None if preserved_pins.is_all else search.best()
        if solution is None:
            return Attempt((search, True), has_solution=True)
        blockers = partial(blame.of_nothing_newer, solution.assignment)
        return Attempt((search, True), has_solution=True, blockers=blockers)

    search, is_possible = environment.universe.search(
        request.goal.requirements, environment.target, attempt
    )
    if not is_possible:
        if search.gave_up:
            raise _gave_up()
        problem = keep_problem(
            environment, request.goal, pins, wide=True, max_dead_ends=2 * MAX_DEAD_ENDS
        )
        raise _no_solution(request, explain(problem, pins, _headline(request)))
    staying = pins if preserved_pins.is_all else _with_as_many(request, preserved_pins)
    resolution = best_resolution(
        keep_problem(environment, request.goal, staying, max_dead_ends=2 * MAX_DEAD_ENDS)
    )
    if resolution is None:
        raise _gave_up()
    if preserved_pins.is_all:
        resolution = _without_changes(request, preserved_pins, resolution)
    return resolution, staying


def _search(request: KeepRequest, pins: Sequence[PinnedProject]) -> Search:
    return Search(
        keep_problem(request.environment, request.goal, pins, max_dead_ends=2 * MAX_DEAD_ENDS)
    )


def _with_as_many(request: KeepRequest, preserved_pins: Preserved) -> tuple[PinnedProject, ...]:
    """The preserved pins, and as many of the other required ones as leave a solution.

    What cannot stay at its version has to go on working: at another one, if there is one.
    """
    pins = list(preserved_pins.pins)
    names = {pin.name for pin in pins} | preserved_pins.replaced.keys()
    optional = [pin for pin in preserved_pins.known if pin.required and pin.name not in names]

    def is_possible(trial: list[PinnedProject]) -> bool:
        return _search(request, trial).is_possible()

    unchanged = preserve_most(pins, optional, is_possible)
    names = {pin.name for pin in unchanged}
    unpinned = [
        pin._replace(specifier="", file=None, indexes=None)
        for pin in optional
        if pin.name not in names
    ]
    beside = [*pins, *unchanged]
    return (*beside, *preserve_most(beside, unpinned, is_possible))


def _without_changes(
    request: KeepRequest, preserved_pins: Preserved, first: Resolution
) -> Resolution:
    """The solution, or another one, that changes nothing but what the goal names.

    Raises NoSolution, with who requires the change, where none was found.
    """
    # Not all known pins at once from the start: most are compatible with anything, and each would
    # make every search larger. A pin joins when a solution changes it.
    limits: dict[str, PinnedProject] = {}
    resolution = first
    while new_changes := [
        pin for pin in _changed(preserved_pins, resolution) if pin.name not in limits
    ]:
        limits |= {pin.name: pin for pin in new_changes}
        problem = keep_problem(
            request.environment,
            request.goal,
            [*preserved_pins.pins, *limits.values()],
            max_dead_ends=MAX_DEAD_ENDS,
        )
        unchanged = best_resolution(problem) if Search(problem).is_possible() else None
        if unchanged is None:
            changed = _changed(preserved_pins, first)
            raise _no_solution(request, explain_changes(changed, first, _headline(request)))
        resolution = unchanged
    return resolution


def _changed(preserved_pins: Preserved, resolution: Resolution) -> Iterator[PinnedProject]:
    """The installed pins that a solution has at another version, and the goal does not name."""
    for pin in preserved_pins.known:
        solved = resolution.pins.get(pin.name)
        if pin.name in preserved_pins.replaced or solved is None or pin.required:
            continue
        if isinstance(pin.origin, Installed) and solved.version != pin.origin.public:
            yield pin


# -- notes on a lock ----------------------------------------------------------------------------


def _installer(request: KeepRequest, changes: Sequence[InstalledChange]) -> str:
    command = install_command(request.environment.layout, request.environment.inventory)
    if request.environment.layout.image is not None:
        return f"{command} -c {CONSTRAINTS}"
    # PEP 440: an installed 2.5.1+cpu satisfies ==2.5.1, so that pip would leave it.
    is_hidden = any(change.installed.satisfies(change.version) for change in changes)
    return f"{command} --force-reinstall" if is_hidden else command


def _open_wheels(request: KeepRequest, addition: _Addition) -> Iterator[UnknownFact]:
    """The new wheels with compiled code of which nobody knows whether it links the framework, where
    that is no release."""
    framework = request.environment.framework
    if framework is None or not is_foreign(request.environment):
        return
    tied = Tied(request.environment.matrix)
    new = {pin.name for pin in addition.lock.pins}
    for name, candidate in sorted(addition.resolution.pins.items()):
        if name in new and tied.is_open(candidate):
            subject = f"{name} {candidate.full_version}"
            yield UnknownFact(subject, str(framework), None, _MAY_LINK)


def _for_powershell(request: KeepRequest) -> Iterator[str]:
    """A quoted program is a string to PowerShell, and a program to cmd."""
    command = install_command(request.environment.layout, request.environment.inventory)
    if request.environment.layout.is_windows and command.startswith('"'):
        yield "in PowerShell the install command needs `&` and a space before it"


def _for_image(request: KeepRequest) -> Iterator[str]:
    """How what is there is held, where pip adds the rest."""
    if request.environment.layout.image is not None:
        command = keep_command(request, "")
        yield (
            f"`{command} -o {CONSTRAINTS}` writes the constraints of the install command:"
            " they leave the image's own packages in place"
        )


def _for_managed(request: KeepRequest) -> Iterator[str]:
    """Where the operating system manages the Python, pip refuses to install (PEP 668)."""
    refused = refusal(request.environment.layout)
    if refused is not None:
        yield "{}; {} creates an environment where it does".format(*refused)


def _nothing_kept(request: KeepRequest, addition: _Addition) -> Iterator[str]:
    """That the environment may be another one than is meant."""
    if not any(pin.required for pin in addition.known):
        prefix = request.environment.layout.prefix
        framework = request.environment.matrix.framework
        yield f"`{prefix}` has no {framework}, nor anything built for it: there is nothing to keep"


def _left_broken(addition: _Addition) -> Iterator[str]:
    """The required projects of which no version is compatible with the solution."""
    names = set(addition.resolution.pins)
    for pin in addition.known:
        if pin.required and pin.name not in names:
            yield f"{pin.origin} is not compatible with this, and no other version of it is"


def _was_broken(request: KeepRequest, addition: _Addition) -> Iterator[str]:
    """That what stays is incompatible already: no reason to refuse what is new."""
    changed = {change.installed.name for change in addition.changes}
    unchanged = [pin for pin in addition.known if pin.name not in changed]
    if request.environment.layout.image is None and not request.environment.judge().works(
        unchanged
    ):
        path = shell_word(str(request.environment.layout.prefix))
        yield f"the environment already had problems: run `cudalock doctor --python {path}`"


# -- no solution --------------------------------------------------------------------------------


def _headline(request: KeepRequest) -> str:
    requirements = list(map(str, request.goal.requirements))
    verb = "is" if len(requirements) == 1 else "are"
    place = request.environment.layout.place
    return f"{listed(requirements)} {verb} not compatible with what has to stay in `{place}`"


def _no_solution(request: KeepRequest, explanation: Explanation) -> NoSolution:
    hints = [*_keep_less_hints(request)] or [*_re_resolve(request)]
    return NoSolution(explanation, hints=[*hints, *_build_hints(request)])


def _build_hints(request: KeepRequest) -> Iterator[str]:
    """How what links a framework that is no release is compiled beside it, where it has sources."""
    environment = request.environment
    if not is_foreign(environment):
        return
    command = install_command(environment.layout, environment.inventory)
    for requirement in request.goal.requirements:
        project = environment.universe.project(requirement.name)
        newest = next(
            (
                version
                for version in reversed(project.versions if project is not None else ())
                if project is not None
                and specifier_set(requirement.specifier).contains(version)
                and project.release(version).sdist
            ),
            None,
        )
        if newest is not None and not _search_alone(request, requirement):
            build = build_command(environment.matrix, requirement.name, newest, command)
            yield (
                f"`{build}` compiles it beside the installed {environment.framework}, which takes"
                " the CUDA compiler and time"
            )


def _search_alone(request: KeepRequest, requirement: ProjectRequirement) -> bool:
    """Whether one requirement of the goal has a solution by itself."""
    alone = replace(request, goal=replace(request.goal, requirements=(requirement,)))
    return _search(alone, preserved(alone).pins).is_possible()


def _re_resolve(request: KeepRequest) -> Iterator[str]:
    environment = request.environment
    framework = environment.framework
    if framework and framework.name not in replaced_by_goal(environment, request.goal):
        yield from re_resolve_hints(environment, request.goal)


def _keep_less_hints(request: KeepRequest) -> Iterator[str]:
    """The command that keeps the framework alone, if that helps, with what it changes."""
    environment = request.environment
    framework = environment.framework
    if framework is None or request.words == (framework.name,):
        return
    # A goal that names another framework would only meet the contradiction that `preserved` raises.
    if framework.name in replaced_by_goal(environment, request.goal):
        return
    less = replace(request, words=(framework.name,))
    if not _search(less, preserved(less).pins).is_possible():
        return
    changes = _add(less, "").changes
    if changes:
        command = keep_command(less, str(environment.layout.prefix))
        yield f"`{command}` {' and '.join(map(str, changes))}"


def _gave_up() -> GaveUp:
    return GaveUp(
        "gave up: no solution was found within the search limit, and none was ruled out",
        hints=["narrow the goal, for example with a version"],
    )

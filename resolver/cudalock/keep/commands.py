"""Write the commands that solve for an environment: the recorded one, and alternatives to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cudalock.compat.installed import once_uninstalled
from cudalock.errors import CudalockError
from cudalock.files import slashed
from cudalock.goals import ProjectRequirement, command_line
from cudalock.solving import solve
from cudalock.text import shell_word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.compat.installed import ExaminedEnvironment
    from cudalock.goals import Goal


@dataclass(frozen=True, slots=True)
class KeepRequest:
    """A goal for an environment, and what of the environment has to stay."""

    environment: ExaminedEnvironment
    goal: Goal
    words: tuple[str, ...]
    """`all`, or names as `--keep` has them"""


def keep_command(request: KeepRequest, path: str) -> str:
    """Return the command that makes this request for the environment at a path."""
    flags = machine_flags(request.environment)
    # A command of a lock is read by POSIX rules, which take a backslash for an escape.
    words = [*base_flags(request.environment, path), "--keep", ",".join(request.words), *flags]
    return " ".join([command_line(request.goal), *map(shell_word, words)])


def base_flags(environment: ExaminedEnvironment, path: str | None = None) -> list[str]:
    """Return the flags that name an environment, or the image that it is in."""
    layout = environment.layout
    if layout.image is None:
        return ["--python", slashed(path or str(layout.prefix))]
    return ["--image", layout.image, "--python", layout.target.python_text]


def machine_flags(environment: ExaminedEnvironment) -> list[str]:
    """Return the flags for what is known of the machine: `--gpu 8.9 --driver 550.54`."""
    shown = ["--gpu", "--driver", *(["--glibc"] if environment.machine_overridden else [])]
    flags = environment.target.flags()
    return [
        word
        for flag, argument in zip(flags[::2], flags[1::2], strict=True)
        if flag in shown
        for word in (flag, argument)
    ]


def re_resolve_hints(environment: ExaminedEnvironment, goal: Goal) -> Iterator[str]:
    """Yield the command that re-resolves the environment, if one has a solution.

    It is for the goal and every installed project with a rank: beside another build of the same
    framework version, else beside another version of it.
    """
    framework = environment.framework
    if framework is None:
        return
    used = [
        ProjectRequirement.of(installed.name)
        for installed in environment.stack()
        if installed.name in environment.matrix.ranked and environment.builds(installed)
    ]
    # The smaller change first: a CPU build beside what needs CUDA is fixed by another build.
    of_framework = ProjectRequirement.of(framework.name)
    for stated in (of_framework.at(framework.public), of_framework):
        requirements = _with_missing(goal.requirements, (stated, *used))
        whole_goal = replace(goal, requirements=requirements)
        try:
            resolution = solve(whole_goal, environment.target, environment.universe)
        except CudalockError:
            # This is only a hint beside the error that is reported: no reason to fail otherwise.
            continue
        if environment.layout.image is not None:
            # Nothing of an image is changed in place: another image is the answer.
            return
        words = ["--python", str(environment.layout.prefix), *machine_flags(environment)]
        command = " ".join([command_line(whole_goal), *map(shell_word, words)])
        build = resolution.pins[framework.name].full_version
        first = once_uninstalled(resolution, environment)
        yield f"`{command}` re-resolves the whole environment, with {framework.name} {build}{first}"
        return


def _with_missing(
    requirements: tuple[ProjectRequirement, ...], defaults: tuple[ProjectRequirement, ...]
) -> tuple[ProjectRequirement, ...]:
    """The requirements, and the defaults for projects that they do not name, sorted."""
    # The later one counts: what the goal states of a project replaces its default.
    by_name = {stated.name: stated for stated in (*defaults, *requirements)}
    return tuple(sorted(by_name.values(), key=str))

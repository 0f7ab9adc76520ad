"""The commands that fix something: those that install a distribution, and those that solve again.

A `solve` is shown only if it has a solution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.compat.installed import once_uninstalled
from cudalock.environment.installer import install_command, installing
from cudalock.errors import CudalockError
from cudalock.goals import Goal
from cudalock.text import shell_word
from cudalock.versions import leading_name

if TYPE_CHECKING:
    from cudalock.compat.installed import ExaminedEnvironment
    from cudalock.compat.pins import PinChange
    from cudalock.environment import Installed
    from cudalock.resolution.model import Resolution


def changing(change: PinChange, subject: ExaminedEnvironment) -> str:
    """Return the command that installs one thing as a judge found it, and leaves everything
    else."""
    installed = subject.inventory.find(change.old.name)
    # pip takes torch 2.6.0+cpu for `torch==2.6.0`, and would install nothing.
    hidden = not change.url and installed and installed.satisfies(change.specifier.lstrip("="))
    words = [*(["--force-reinstall"] if hidden else []), change.text]
    url = subject.universe.indexes[change.index_id].url if change.index_id else None
    if url:
        words += ["--index-url", url]
    return f"`{installing(subject.layout, subject.inventory, words)}`"


def adding(text: str, subject: ExaminedEnvironment) -> str:
    """Return the command that installs what is missing, with its dependencies."""
    return f"`{install_command(subject.layout, subject.inventory)} {shell_word(text)}`"


def completing(text: str, subject: ExaminedEnvironment) -> str | None:
    """Return the `solve` for a requirement beside everything that is installed; None for a project
    outside the matrix, or if nothing fits."""
    # Imported here: most environments lack nothing.
    from cudalock.keep import ALL, KeepRequest, keep_command, lock_additions

    name = leading_name(text)
    if not subject.matrix.is_curated(name) or subject.universe.project(name) is None:
        return None
    request = KeepRequest(subject, Goal(requirements=(text,)), (ALL,))
    try:
        lock_additions(request, "")
    except CudalockError:
        return None
    return f"`{keep_command(request, str(subject.layout.prefix))}`"


def again(installed: Installed, subject: ExaminedEnvironment) -> str:
    """Return the command that installs the same version again, from its place for this Python."""
    words = ["--force-reinstall", f"{installed.name}=={installed.version}"]
    urls = {
        subject.universe.indexes[build.index].url
        for build in subject.builds(installed)
        if build.index
    }
    # A wheel of another Python was installed by force, so its URL is the wrong one.
    if installed.wheel_file and installed.origin and not subject.is_foreign(installed):
        words[1] = f"{installed.name} @ {installed.origin.url}"
    elif len(urls) == 1 and (url := urls.pop()):
        words += ["--index-url", url]
    return f"`{installing(subject.layout, subject.inventory, words)}`"


def solving(subject: ExaminedEnvironment, *framework: str) -> str | None:
    """Return the `solve` for the framework, by the first of these requirements with a solution, and
    for the projects built for it: for all of them, else for those that have a wheel there. None
    without a solution."""
    ranked = [
        installed
        for installed in subject.stack()
        if installed.name in subject.matrix.ranked and installed.name != subject.matrix.framework
    ]
    known = [installed for installed in ranked if subject.builds(installed)]
    for members in (ranked, known) if len(known) < len(ranked) else (ranked,):
        names = [installed.name for installed in members]
        for text in framework:
            answer = _answer([text, *names], subject)
            if answer is not None:
                words = ["cudalock", "solve", "--python", str(subject.layout.prefix), text, *names]
                command = f"`{' '.join([*map(shell_word, words), *_stated(subject)])}`"
                return command + once_uninstalled(answer, subject)
    return None


def _answer(requirements: list[str], subject: ExaminedEnvironment) -> Resolution | None:
    from cudalock.solving import solve

    goal = Goal(requirements=tuple(sorted(requirements)))
    try:
        return solve(goal, subject.target, subject.universe)
    except CudalockError:
        return None


def _stated(subject: ExaminedEnvironment) -> list[str]:
    """Return options for the machine, if the command would not detect it by itself."""
    if subject.machine_probed and not subject.machine_overridden:
        return []
    target = subject.target
    flags = [word for gpu in target.gpus for word in ("--gpu", gpu)]
    return flags + (["--driver", target.driver] if target.driver else [])

"""The commands that fix something: those that install a distribution, and those that solve again.

A `solve` is shown only if it has a solution.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cudalock.compat.installed import once_uninstalled
from cudalock.environment.installer import install_command, installing
from cudalock.environment.repairs import Fix, Install
from cudalock.errors import CudalockError
from cudalock.goals import Goal
from cudalock.lock.build import from_resolution
from cudalock.targets.accelerators import is_vendor_library
from cudalock.text import shell_word
from cudalock.versions import leading_name, parse_requirement

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cudalock.compat.installed import ExaminedEnvironment
    from cudalock.compat.pins import PinChange
    from cudalock.environment import Installed
    from cudalock.findings import Finding
    from cudalock.lock import Pin
    from cudalock.resolution.model import Resolution


def fixed(finding: Finding, fix: Fix | None) -> Finding:
    """Return a finding with its fix, or as it is without one."""
    return finding if fix is None else replace(finding, fix=fix.text, repairs=fix.repairs)


def changing(change: PinChange, subject: ExaminedEnvironment) -> Fix:
    """Return the fix that installs one thing as a judge found it, and leaves everything
    else."""
    installed = subject.inventory.find(change.old.name)
    # pip takes torch 2.6.0+cpu for `torch==2.6.0`, and would install nothing.
    hidden = not change.url and installed and installed.satisfies(change.specifier.lstrip("="))
    words = [*(["--force-reinstall"] if hidden else []), change.text]
    url = subject.universe.indexes[change.index_id].url if change.index_id else None
    if url:
        words += ["--index-url", url]
    step = Install(change.old.name, change.specifier, change.url, change.sha256, url)
    return Fix(f"`{installing(subject.layout, subject.inventory, words)}`", (step,))


def adding(text: str, subject: ExaminedEnvironment) -> Fix:
    """Return the fix that installs what is missing, with its dependencies."""
    requirement = parse_requirement(text)
    name = leading_name(text)
    is_missing = subject.inventory.find(name) is None
    step = Install(name, str(requirement.specifier), is_addition=is_missing)
    command = f"{install_command(subject.layout, subject.inventory)} {shell_word(text)}"
    return Fix(f"`{command}`", (step,))


def completing(text: str, subject: ExaminedEnvironment) -> Fix | None:
    """Return the `solve` for a requirement beside everything that is installed; None for a project
    outside the matrix, or if nothing fits."""
    # Imported here: most environments lack nothing.
    from cudalock.keep import ALL, KeepRequest, keep_command, lock_additions

    name = leading_name(text)
    if not subject.matrix.is_curated(name) or subject.universe.project(name) is None:
        return None
    request = KeepRequest(subject, Goal(requirements=(text,)), (ALL,))
    # Whoever asks has a plainer fix for where this one has no answer.
    try:
        lock = lock_additions(request, "")
    except CudalockError:
        return None
    command = keep_command(request, str(subject.layout.prefix))
    return Fix(f"`{command}`", tuple(_installs(lock.pins, subject)))


def again(installed: Installed, subject: ExaminedEnvironment) -> Fix:
    """Return the fix that installs the same version again, from its place for this Python."""
    words = ["--force-reinstall", f"{installed.name}=={installed.version}"]
    urls = {
        subject.universe.indexes[build.index].url
        for build in subject.builds(installed)
        if build.index
    }
    step = Install(installed.name, f"=={installed.version}")
    # A wheel of another Python was installed by force, so its URL is the wrong one.
    if installed.wheel_file and installed.origin and not subject.is_foreign(installed):
        words[1] = f"{installed.name} @ {installed.origin.url}"
        step = step._replace(url=installed.origin.url, sha256=installed.origin.sha256)
    elif len(urls) == 1 and (url := urls.pop()):
        words += ["--index-url", url]
        step = step._replace(index_url=url)
    return Fix(f"`{installing(subject.layout, subject.inventory, words)}`", (step,))


def solving(subject: ExaminedEnvironment, *framework: str) -> Fix | None:
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
                return Fix(
                    command + once_uninstalled(answer, subject),
                    tuple(_moved(answer, subject)),
                )
    return None


def _moved(resolution: Resolution, subject: ExaminedEnvironment) -> Iterable[Install]:
    """The steps from an environment to a solution for another framework: what depends on its build
    and what is missing. Anything else stays, for its versions say nothing of that build."""
    lock = from_resolution(resolution, "")
    central = {subject.matrix.framework, *subject.matrix.ranked}
    pins = [
        pin
        for pin in lock.pins
        if (installed := subject.inventory.find(pin.name)) is None
        or (
            (pin.name in central or is_vendor_library(pin.name))
            and (installed.version != pin.version or installed.wheel_file != pin.wheel.file)
            and not (installed.version == pin.version and installed.wheel_file is None)
        )
    ]
    return _installs(pins, subject)


def _installs(pins: Iterable[Pin], subject: ExaminedEnvironment) -> Iterable[Install]:
    indexes = subject.universe.indexes
    for pin in pins:
        wheel = pin.wheel
        yield Install(
            pin.name,
            f"=={pin.version}",
            wheel.url if wheel.builder else None,
            wheel.sha256,
            indexes[wheel.index].url if wheel.index else None,
            is_addition=subject.inventory.find(pin.name) is None,
        )


def _answer(requirements: list[str], subject: ExaminedEnvironment) -> Resolution | None:
    from cudalock.solving import solve

    goal = Goal(sorted(requirements))
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

"""The one examination that runs something: it imports each member of the stack, and what stands
next to one, and tries it.

Each import and each trial has a process of its own, of the environment's Python, with a time limit
and with the variables that the user's programs have.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.compat.stack import Stack
from cudalock.doctor.files import packages_of
from cudalock.files import find_program
from cudalock.findings import Finding
from cudalock.targets import WINDOWS
from cudalock.targets.accelerators import CUDA, is_vendor_library
from cudalock.targets.facets import OF_ACCELERATOR
from cudalock.versions import accepts, leading_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cudalock.compat.installed import ExaminedEnvironment
    from cudalock.environment import Installed
    from cudalock.matrix.facts import Fact, Trial
    from cudalock.matrix.matrix import Matrix

SECONDS: Final = 180.0
"""For one process; the first import of a large package from a slow disk takes a minute."""

LINES: Final = 3
"""How many of the last lines of an error are shown."""


_TAIL: Final = 65_536
"""How much of its end is read, in bytes."""


class Outcome(NamedTuple):
    """How a process ended."""

    status: int | None
    """None: it was stopped at the time limit"""
    output: str
    """what it wrote on standard error"""


def examine(
    subject: ExaminedEnvironment, run: Callable[[Path, str], Outcome] | None = None
) -> Iterator[Finding]:
    """Yield a finding for each member and neighbour that cannot be imported or swallows an error,
    and for each trial that fails.

    If the same error stops several, it is reported of the first: the framework comes first.
    """
    interpreter = subject.layout.interpreter
    if interpreter is None or not subject.layout.runs:
        yield Finding(
            "CL712",
            "note",
            "nothing was imported: the environment has no interpreter that runs here",
        )
        return
    run = run or run_code
    reported: set[str] = set()
    for installed in imported(subject):
        for finding in _of_one(installed, subject, interpreter, run):
            reason = finding.sentence.partition(": ")[2]
            if reason not in reported:
                reported.add(reason)
                yield finding
    untried = list(_untried(subject))
    if untried:
        yield Finding(
            "CL713",
            "note",
            f"not tried, since this machine has no {CUDA.vendor} GPU: {', '.join(untried)}",
        )


def _untried(subject: ExaminedEnvironment) -> Iterator[str]:
    """Yield what a GPU is needed for, and was not there."""
    for installed in () if subject.machine.gpus else imported(subject):
        for trial in subject.matrix.component(installed.name).trials:
            if trial.gpu and _concerns(trial, installed, subject):
                yield f"{trial.name} with {installed.name}"


def _of_one(
    installed: Installed,
    subject: ExaminedEnvironment,
    interpreter: Path,
    run: Callable[[Path, str], Outcome],
) -> Iterator[Finding]:
    """The first import that fails; if none does, the trials that fail."""
    for module in _modules(installed, subject.matrix):
        finding = _imported(installed, module, run(interpreter, f"import {module}\n"), subject)
        if finding is not None:
            yield finding
            return
    yield from _tried(installed, subject, interpreter, run)


MOST_MODULES: Final = 3
"""How many modules of one distribution are imported; most have one."""


def _modules(installed: Installed, matrix: Matrix) -> tuple[str, ...]:
    """Return what a project is imported as: its own names, or those of the project it replaces;
    where the matrix has none, its packages by RECORD."""
    own = matrix.component(installed.name).imports
    stood_for = (
        component.imports
        for component in matrix.components.values()
        if any(alias.name == installed.name for alias in component.alias_of)
    )
    return own or next(stood_for, ()) or packages_of(installed)[:MOST_MODULES]


def imported(subject: ExaminedEnvironment) -> list[Installed]:
    """Return what is imported: the framework, the members of the stack, and their neighbours.

    A neighbour requires a member, as peft does, or a member requires it and it is compiled, as
    pyarrow is of datasets.
    """
    stack = Stack(subject.universe)
    several = [
        installed
        for installed in subject.inventory.distributions
        if not is_vendor_library(installed.name) and _modules(installed, subject.matrix)
    ]
    members = {installed.name for installed in several if installed.name in stack}
    around = {installed.name for installed in several if _names_required(installed) & members}
    required = {
        name
        for installed in several
        if installed.name in members | around
        for name in _names_required(installed)
    }
    compiled = {
        installed.name
        for installed in several
        if any(not tags.endswith("-none-any") for tags in installed.tags)
    }
    framework = subject.matrix.framework
    chosen = members | around | (required & compiled)
    return sorted(
        (installed for installed in several if installed.name in chosen),
        key=lambda installed: (installed.name != framework, installed.name not in members),
    )


def _names_required(installed: Installed) -> set[str]:
    """The projects that METADATA requires, without those of extras."""
    return {leading_name(text) for text in installed.requires if "extra ==" not in text}


def _imported(
    installed: Installed, module: str, outcome: Outcome, subject: ExaminedEnvironment
) -> Finding | None:
    if outcome.status == 0:
        return _swallowed(installed, module, outcome)
    why = reason(outcome)
    fact = _of_machine(outcome.output, subject)
    if fact is not None:
        return Finding(
            "CL712",
            "note",
            f"`import {module}` of {installed} needs a GPU, and fails without one: {why}",
            facts=(fact.id,),
            members=(installed.name,),
        )
    return Finding(
        "CL712",
        "error",
        f"`import {module}` of {installed} fails: {why}",
        members=(installed.name,),
    )


_TRACEBACK: Final = "Traceback (most recent call last)"


def _swallowed(installed: Installed, module: str, outcome: Outcome) -> Finding | None:
    """An error that an import prints and goes on after: what needed it is switched off."""
    _, found, rest = outcome.output.rpartition(_TRACEBACK)
    if not found:
        return None
    lines = [line.strip() for line in rest.splitlines() if line.strip()]
    starts = [line for line in lines if re.fullmatch(_EXCEPTION, line)]
    return Finding(
        "CL712",
        "warning",
        f"`import {module}` of {installed} goes on after an error: "
        f"{' '.join(starts[:1] or lines[-LINES:])}",
        members=(installed.name,),
    )


def _of_machine(output: str, subject: ExaminedEnvironment) -> Fact | None:
    """Return the fact about the driver or GPU that explains an error where there is no GPU."""
    if subject.machine.gpus:
        return None
    from cudalock.diagnose.symptoms import find_matches
    from cudalock.diagnose.text import PastedText

    facts = [
        fact
        for name in OF_ACCELERATOR
        for fact in subject.matrix.component(name).facts
        if fact.cure == "system"
    ]
    matches = find_matches(PastedText.of(output), facts, subject.matrix.projects.__contains__)
    return matches[0].fact if matches else None


def _tried(
    installed: Installed,
    subject: ExaminedEnvironment,
    interpreter: Path,
    run: Callable[[Path, str], Outcome],
) -> Iterator[Finding]:
    for trial in subject.matrix.component(installed.name).trials:
        if _applies(trial, installed, subject):
            outcome = run(interpreter, trial.code)
            if outcome.status != 0:
                yield Finding(
                    "CL713",
                    "error",
                    f"{trial.name} with {installed} fails: {reason(outcome)}",
                    members=(installed.name,),
                )


def _applies(trial: Trial, installed: Installed, subject: ExaminedEnvironment) -> bool:
    has_gpu = bool(subject.machine.gpus)
    return (not trial.gpu or has_gpu) and _concerns(trial, installed, subject)


def _concerns(trial: Trial, installed: Installed, subject: ExaminedEnvironment) -> bool:
    return accepts(trial.versions, installed.public) and all(
        subject.inventory.find(name) for name in trial.beside
    )


def reason(outcome: Outcome) -> str:
    """Return why a process failed, in one line: the end of its traceback, or the signal."""
    if outcome.status is None:
        return f"no end within {SECONDS:g} seconds"
    lines = [line.strip() for line in outcome.output.splitlines() if line.strip()]
    if outcome.status >= _WINDOWS_FAULT:
        name = _FAULTS.get(outcome.status, "an unknown fault")
        last_lines = _last_words(lines)
        crash = f"it ended with {outcome.status:#010x}, {name}"
        return crash + (f" ({last_lines})" if last_lines else "")
    if outcome.status < 0:
        name = signal.Signals(-outcome.status).name if -outcome.status in _SIGNALS else "a signal"
        last_lines = _last_words(lines)
        return f"it was ended by {name}" + (f" ({last_lines})" if last_lines else "")
    return " ".join(_message(lines)) or f"it ended with status {outcome.status}"


def _last_words(lines: list[str]) -> str:
    """What was written before the end, and where that was, the innermost call first."""
    fatal = [at for at, line in enumerate(lines) if line.startswith(_FATAL)]
    last_lines = lines[: fatal[-1]][-1:] if fatal else lines[-1:]
    # faulthandler's traceback has the most recent call first.
    where = [line for line in lines[fatal[-1] if fatal else len(lines) :] if "File " in line][:1]
    return "; ".join([*last_lines, *where]) or "".join(lines[-1:])


# faulthandler's words, the second on Windows.
_FATAL = ("Fatal Python error", f"{WINDOWS.platform_system} fatal exception")
_WINDOWS_FAULT = 0xC0000000
"""From here on a status of Windows is how a process crashed."""
_FAULTS = {
    0xC0000005: "an access violation",
    0xC000001D: "an instruction that this processor lacks",
    0xC00000FD: "a stack overflow",
    0xC0000135: "a DLL is missing",
    0xC0000139: "a DLL lacks a function",
    0xC0000142: "a DLL failed to start",
    0xC0000374: "a damaged heap",
    0xC0000409: "a failed security check",
}
_SIGNALS = {each.value for each in signal.Signals}
_EXCEPTION = r"[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit|Warning)\b.*"


def _message(lines: list[str]) -> list[str]:
    """Return the lines from the last one that begins an exception; else the last lines."""
    starts = [at for at, line in enumerate(lines) if re.fullmatch(_EXCEPTION, line)]
    return lines[starts[-1] :][:LINES] if starts else lines[-LINES:]


def run_code(interpreter: Path, code: str, seconds: float = SECONDS) -> Outcome:
    """Run a program in the environment, in an empty folder, and wait for its end.

    It is a file: what compiles its own functions reads their source from it. So is what it writes:
    a pipe would be waited for as long as a process that it started holds it.
    """
    with _scratch_folder() as folder:
        program, errors = Path(folder) / "trial.py", Path(folder) / "stderr"
        program.write_text(code, encoding="utf-8")
        try:
            with errors.open("wb") as output:
                process = subprocess.Popen(
                    # faulthandler prints a traceback even for a segmentation fault, as of a wheel
                    # of another ABI.
                    [str(interpreter), "-X", "faulthandler", str(program)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=output,
                    # A folder of the user's may have a torch.py, which would hide torch.
                    cwd=folder,
                    start_new_session=True,
                )
        except OSError as error:
            return Outcome(1, f"OSError: {error}")
        status = _wait(process, seconds)
        return Outcome(status, _tail(errors).replace(str(program), "the program"))


@contextmanager
def _scratch_folder() -> Iterator[str]:
    """An empty folder, gone afterwards unless a process is still in it.

    TemporaryDirectory recurses without end for such a folder on Windows, before Python 3.11.8 and
    3.12.1.
    """
    folder = tempfile.mkdtemp(prefix="cudalock-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _kill_tree(process: subprocess.Popen[bytes]) -> None:
    """End a process of Windows with all that it started."""
    program = find_program("taskkill")
    if program is not None:
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(
                [program, "/T", "/F", "/PID", str(process.pid)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=10,
                check=False,
            )
    process.kill()


def _wait(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    """Return the status; None if it was stopped, with all that it started."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if sys.platform == "win32":
            _kill_tree(process)
        else:
            with suppress(OSError):
                # The whole group: torch starts workers that would outlive their parent.
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _tail(path: Path) -> str:
    """Return the end of a file, as much as an error needs."""
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - _TAIL))
        return file.read().decode("utf-8", "replace")


__all__ = ["LINES", "SECONDS", "Outcome", "examine", "imported", "reason", "run_code"]

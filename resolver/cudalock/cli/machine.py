"""Goals and targets from options, with this machine for what no option states."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cudalock.errors import CudalockError, OtherProject, SeveralAccelerators
from cudalock.records import replace
from cudalock.targets.accelerators import CUDA
from cudalock.targets.facets import FACETS, OF_ACCELERATOR
from cudalock.text import shell_command

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cudalock.cli.options import GoalOptions, Likely
    from cudalock.environment.gpu import Machine, Probe
    from cudalock.goals import Query, Request
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.universe import Universe
    from cudalock.targets import Here, Target


def read_queries(options: GoalOptions, universe: Universe) -> tuple[Query, ...]:
    """Return the goal for each target of a command line, and report what was detected for it.

    Raises a UsageError for words and options that state none.
    """
    from cudalock.goals import read_requests

    local = LocalMachine(universe.matrix, off=not options.detect)
    request = at_environments(options.request)
    try:
        queries = read_requests(request, universe, options.defaults, local.here)
    except SeveralAccelerators as error:
        hints = [*_lines_hint(request, options.defaults, universe, local.here), *error.hints]
        raise SeveralAccelerators(error.message, hints=hints) from None
    except OtherProject as error:
        hint = _solved_hint(error, request, options.defaults, universe, local.here)
        raise OtherProject(
            error.message, error.name, error.project, hints=[*hint, *error.hints]
        ) from None
    if not options.quiet:
        local.report(target for _, target in queries)
    return _as_likely(queries, options.likely, universe) if options.likely else queries


def _as_likely(queries: tuple[Query, ...], likely: Likely, universe: Universe) -> tuple[Query, ...]:
    """Return the queries with what is likely, and a note of it, where they have a solution; without
    it where they have none, since nobody stated it."""
    from cudalock.goals import parse_accelerator
    from cudalock.matrix.phrases import DRIVER
    from cudalock.resolution.find import find

    says = []
    assumed = queries
    if likely.driver:
        says.append(f"driver {likely.driver} is assumed: `--driver` is for another")
    if likely.cuda_major:
        major = int(likely.cuda_major)
        wish = parse_accelerator(f">={major},<{major + 1}", CUDA.name)
        assumed = tuple((replace(goal, accelerator=wish), target) for goal, target in assumed)
        says.append(f"a build for CUDA {major} is assumed: `--cuda` is for another")
    assumed = tuple(
        (
            replace(goal, notes=(*goal.notes, "; ".join(says))),
            replace(target, driver=likely.driver, stated=target.stated | {DRIVER})
            if likely.driver
            else target,
        )
        for goal, target in assumed
    )
    if not says:
        return queries
    return assumed if all(find(*query, universe) is not None for query in assumed) else queries


def _solved_hint(
    error: OtherProject, request: Request, defaults: Request, universe: Universe, here: Here
) -> list[str]:
    """Return the command for the project that is meant, if it has a solution; else nothing."""
    import re

    from cudalock.goals import command_line, read_requests
    from cudalock.resolution.find import find

    if error.project is None:
        return []
    # Of the other project a version says nothing.
    name = re.compile(rf"(?<![\w.-]){re.escape(error.name)}(?![\w.-])[^\s;,+]*", re.IGNORECASE)
    words = tuple(name.sub(error.project, word) for word in request.words)
    if words == request.words:
        return []
    with suppress(CudalockError):
        queries = read_requests(request._replace(words=words), universe, defaults, here)
        if len(queries) == 1 and find(*queries[0], universe) is not None:
            return [f"`{command_line(*queries[0])}{universe.flags}`"]
    return []


def _lines_hint(request: Request, defaults: Request, universe: Universe, here: Here) -> list[str]:
    """Return the command that makes a line of a project for each stated accelerator, if they have
    a solution; else nothing."""
    from cudalock.goals import command_words, read_lines
    from cudalock.lock.lines import build_lines

    with suppress(CudalockError):
        lines = read_lines(request, universe, defaults, here)
        # The goal is the same in all of them but for this.
        wishes = [queries[0][0].accelerator for queries in lines]
        goal = lines[0][0][0]
        words = command_words(goal, *(target for _, target in lines[0]), wishes=wishes)
        build_lines(lines, universe, "", one_index=True)
        command = shell_command(["cudalock", "solve", *words, "-o", "pyproject.toml"])
        return [f"`{command}{universe.flags}` has an extra of a project for each"]
    return []


def read_query(options: GoalOptions, universe: Universe) -> Query:
    """Return the query of a command that takes one target.

    Raises a UsageError for words and options that state none, or several targets.
    """
    from cudalock.goals import one_target

    return one_target(read_queries(options, universe))


# -- this machine -------------------------------------------------------------------------------


class LocalMachine:
    """This machine: detected once, and only for what no option states."""

    def __init__(self, matrix: Matrix, *, off: bool = False, probe: Probe | None = None) -> None:
        self._matrix = matrix
        self._off = off
        self._probe = probe
        self.machine: Machine | None = None

    @property
    def here(self) -> Here:
        """This machine, as goals.read_requests needs it."""
        from cudalock.targets import Here

        # A function: the driver is queried only if a request leaves GPU or driver open.
        return Here() if self._off else Here(gpus_and_driver=self._gpus_and_driver)

    def _gpus_and_driver(self) -> tuple[tuple[str, ...], str | None]:
        if self.machine is None:
            from cudalock.environment import detect

            self.machine = detect(self._matrix.gpus.architecture, self._probe)
        return self.machine.capabilities, self.machine.driver

    def report(self, targets: Iterable[Target]) -> None:
        """Print on standard error what was detected and used for a target, or what failed."""
        reported = tuple(targets)
        lines = [self.describe(reported), _borrowed_python(reported)]
        if any(lines):
            from cudalock.cli.console import tell

            tell("\n".join(filter(None, lines)))

    def describe(self, targets: Iterable[Target]) -> str | None:
        """Return the line that `report` prints, None if there is none."""
        if self.machine is None:
            return None
        if self.machine.trouble:
            flags = " and ".join(f"--{name}" for name in CUDA.machine_parts)
            return (
                f"note: the {CUDA.vendor} driver did not respond: {self.machine.trouble};"
                f" state {flags} instead"
            )
        targets = tuple(targets)
        used = [
            name
            for name in OF_ACCELERATOR
            if any(FACETS[name].values(target) and name not in target.stated for target in targets)
        ]
        if not used:
            return None
        flags = " and ".join(f"--{name}" for name in used)
        return f"detected: {self.machine}; override with {flags}"


def at_environments(request: Request) -> Request:
    """Return the request with a Python version for each environment that `--python` names.

    One that was made for another machine (a Windows tree, looked at from Linux) states the platform
    as well, unless something else does.
    """
    if not any(map(_is_path, request.python)):
        return request
    from cudalock.environment import find_layout
    from cudalock.targets import this_platform

    pythons, platforms = [], []
    for text in request.python:
        if not _is_path(text):
            pythons.append(text)
            continue
        layout = find_layout(Path(text))
        pythons.append(layout.target.python_text)
        if layout.platform != this_platform()[0]:
            platforms.append(layout.platform)
    return request._replace(
        python=tuple(pythons), platform=request.platform or tuple(dict.fromkeys(platforms))
    )


def _is_path(text: str) -> bool:
    """Return whether `--python` names an interpreter or an environment, not a version."""
    from cudalock.targets.pythons import is_version

    return not is_version(text) and ("/" in text or "\\" in text or Path(text).exists())


def _borrowed_python(targets: Iterable[Target]) -> str | None:
    """Note that a lock for another platform has the Python of this machine; None where none has."""
    lent = [
        target
        for target in targets
        if "platform" in target.stated and "python" not in target.stated
    ]
    # Most goals state both, or neither: the Python of an environment takes a process to ask.
    if not lent:
        return None
    from cudalock.targets import current_python, this_platform

    with suppress(CudalockError):
        platform, python = this_platform()[0], current_python()[0]
        for target in lent:
            # The other machine may have told its own: a JetPack has one Python.
            if target.platform != platform and target.python_text == python:
                return (
                    f"note: Python {python} is this machine's; `--python` states that of the"
                    f" {target.platform_label} target"
                )
    return None

"""A lock's own command, from its header, run again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cudalock.cli.line_options import split_lines
from cudalock.cli.lines import solve_lines
from cudalock.cli.machine import read_queries
from cudalock.cli.options import GoalOptions, OptionValues, OutputOptions, read_recorded
from cudalock.cli.repository import GenerateOptions, build, folder_of, prepare, read
from cudalock.cli.repository_lines import build_lines, repository_lines
from cudalock.cli.settings import ProjectSettings, refuse_programs
from cudalock.cli.universe import with_overlays
from cudalock.formats import format_of
from cudalock.matrix.universe import ClosedUniverse

if TYPE_CHECKING:
    from cudalock.lock import Lock
    from cudalock.lock.lines import LinedLock
    from cudalock.matrix.universe import Universe


def rerun(command: str, name: str, universe: Universe) -> Lock | LinedLock | None:
    """Build the lock that the command in the header of the file `name` makes with this matrix.

    Nothing is reported or written, and this machine has no part in it. For a repository's lock this
    is what `--update` would make: it is fresh as long as an update would change nothing, since its
    pins were the newest once, and the repository's files may have changed since.

    None for a repository that names wheels of its own by URL: nobody is asked for them here. Raises
    the errors of the command line, click.ClickException among them.
    """
    recorded = read_recorded(command)
    params = recorded.context.params
    refuse_programs(params["python"], f"the command of `{name}`")
    # The settings of the folder may have changed since; what they said then is in the command.
    parsed = OptionValues(recorded.context, ProjectSettings())
    # The format decides what several lines become.
    output = replace(
        OutputOptions.of(parsed), output=name, format=format_of(name) or "requirements"
    )
    universe = ClosedUniverse(with_overlays(universe.matrix, output))
    if recorded.name == "generate":
        path: str = params["path"]
        options = GenerateOptions.of(parsed, path, ProjectSettings.find(folder_of(path)).targets)
        # `output` names the lock whose pins are kept; it is not written to.
        options = replace(
            options,
            goal=replace(options.goal, detect=False, quiet=True),
            output=output,
            update=True,
        )
        lines = repository_lines(options, universe.matrix)
        if len(lines) > 1:
            return build_lines(lines, options, universe)
        repository = read(options, universe)
        if repository.unknown_wheels:
            return None
        return build(prepare(repository, options, universe), options, universe)
    from cudalock.solving import build_lock

    goal = replace(GoalOptions.of(parsed, params["goal"]), detect=False, quiet=True)
    split = split_lines(goal)
    if len(split) > 1:
        return solve_lines(split, universe, output)
    return build_lock(read_queries(goal, universe), universe, command)

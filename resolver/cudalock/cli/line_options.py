"""The lines that options state: one for each accelerator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.errors import Contradiction
from cudalock.goals import line_requests
from cudalock.records import replace

if TYPE_CHECKING:
    from cudalock.cli.options import GoalOptions


def split_lines(options: GoalOptions) -> tuple[GoalOptions, ...]:
    """Return the options of each line; the options themselves where they state one."""
    requests = line_requests(options.request, options.defaults)
    if len(requests) == 1:
        return (options,)
    # A project of several lines is for other machines than this one too.
    return tuple(
        replace(options, request=request, detect=False, quiet=options.quiet or position > 0)
        for position, request in enumerate(requests)
    )


def check_one_line(lines_as: str | None) -> None:
    """Raise Contradiction for `--as` where there is one line."""
    if lines_as is not None:
        raise Contradiction(
            "`--as` is for several lines, and one accelerator is stated",
            hints=["--cuda cpu --cuda 12.6", "--cuda 12.6 --accelerator rocm6.4"],
        )

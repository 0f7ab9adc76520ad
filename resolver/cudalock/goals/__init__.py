"""Goals: what the user wants, read from a phrase, flags, requirement strings and files.

`vocabulary` is what reading has to know of a matrix, `switches` the flags that projects have.
`tokens` splits a phrase, and `phrase` turns it into parts. `values` reads the text of one part,
`merge` merges what is requested of each project into one `requirement`, `gpus` finds GPUs and the
machines that have them, `request` combines flags, phrase and defaults, `goal` holds the result and
writes it as a command line. `targets` reads targets without a goal.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cudalock.goals.goal import Goal, command_line, command_words
from cudalock.goals.requirement import ProjectRequirement

if TYPE_CHECKING:
    from cudalock.goals.gpus import check_platform, machines_of, read_gpus
    from cudalock.goals.merge import ParsedPhrase, RequestedProject, merge_requests
    from cudalock.goals.phrase import parse_phrase
    from cudalock.goals.request import (
        Query,
        Request,
        line_requests,
        one_target,
        read_lines,
        read_request,
        read_requests,
    )
    from cudalock.goals.values import (
        parse_accelerator,
        parse_date,
        parse_driver,
        parse_library,
        parse_toolkit,
        parse_version_spec,
    )
    from cudalock.goals.vocabulary import Known

_HOMES = {
    "Known": "vocabulary",
    "ParsedPhrase": "merge",
    "Query": "request",
    "Request": "request",
    "RequestedProject": "merge",
    "check_platform": "gpus",
    "line_requests": "request",
    "machines_of": "gpus",
    "merge_requests": "merge",
    "one_target": "request",
    "parse_accelerator": "values",
    "parse_date": "values",
    "parse_driver": "values",
    "parse_library": "values",
    "parse_phrase": "phrase",
    "parse_toolkit": "values",
    "parse_version_spec": "values",
    "read_gpus": "gpus",
    "read_lines": "request",
    "read_request": "request",
    "read_requests": "request",
}


def __getattr__(name: str) -> Any:
    # The engine needs goals, and reads none: to import all that reads them took 15 ms.
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Goal",
    "Known",
    "ParsedPhrase",
    "ProjectRequirement",
    "Query",
    "Request",
    "RequestedProject",
    "check_platform",
    "command_line",
    "command_words",
    "line_requests",
    "machines_of",
    "merge_requests",
    "one_target",
    "parse_accelerator",
    "parse_date",
    "parse_driver",
    "parse_library",
    "parse_phrase",
    "parse_toolkit",
    "parse_version_spec",
    "read_gpus",
    "read_lines",
    "read_request",
    "read_requests",
]

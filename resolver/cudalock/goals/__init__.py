"""Goals: what the user wants, read from a phrase, flags, requirement strings and files.

`vocabulary` is what reading has to know of a matrix, `switches` the flags that projects have.
`tokens` splits a phrase, and `phrase` turns it into parts. `values` reads the text of one part,
`merge` merges what is requested of each project into one `requirement`, `gpus` finds GPUs and the
machines that have them, `request` combines flags, phrase and defaults, `goal` holds the result and
writes it as a command line. `targets` reads targets without a goal.
"""

from cudalock.goals.goal import Goal, command_line, command_words
from cudalock.goals.gpus import check_platform, machines_of, read_gpus
from cudalock.goals.merge import RequestedProject, merge_requests
from cudalock.goals.phrase import ParsedPhrase, parse_phrase
from cudalock.goals.request import (
    Query,
    Request,
    line_requests,
    one_target,
    read_lines,
    read_request,
    read_requests,
)
from cudalock.goals.requirement import ProjectRequirement
from cudalock.goals.values import (
    parse_accelerator,
    parse_date,
    parse_driver,
    parse_library,
    parse_toolkit,
    parse_version_spec,
)
from cudalock.goals.vocabulary import Known

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

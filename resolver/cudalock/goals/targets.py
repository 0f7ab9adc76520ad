"""Targets without a goal: of options, and of phrases in settings and comments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cudalock.goals.merge import RequestedProject
from cudalock.goals.request import Request, read_requests
from cudalock.targets import LIKELY, LIKELY_PYTHONS, Here

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cudalock.matrix.universe import Universe
    from cudalock.targets import Target


def read_targets(request: Request, universe: Universe, here: Here | None = None) -> list[Target]:
    """Return the targets that a request states; what it leaves open is not stated in them.

    Where `here` is not given it is filled with the likeliest, and not with this machine: the files
    that are checked decide it.
    """
    framework = (RequestedProject(universe.matrix.framework or ""),)
    queries = read_requests(request._replace(projects=framework), universe, here=here or nowhere())
    return [target for _, target in queries]


def targets_stated(request: Request, universe: Universe) -> list[Target]:
    """Return the targets that options state, none if they state none."""
    return read_targets(request, universe) if any(request) else []


def targets_of(phrases: Iterable[str], universe: Universe) -> list[Target]:
    """Return the targets that phrases name, such as "linux 3.11" or "Windows py3.12"."""
    targets = []
    for phrase in phrases:
        # A bare `3.11` is a Python here; in a phrase of a goal it has to be `py3.11`.
        plain = re.sub(r"(?<![\w.+])(3\.[0-9]{1,2}(?:\.[0-9]+)?t?)(?![\w.])", r"py\1", phrase)
        targets += read_targets(Request(words=(plain,)), universe)
    return targets


def nowhere() -> Here:
    """Return the likeliest machine, in place of this one."""
    return Here(
        python=lambda: (LIKELY_PYTHONS[0], False),
        platform=lambda: (LIKELY[0], None, None),
        gpus_and_driver=lambda: ((), None),
    )

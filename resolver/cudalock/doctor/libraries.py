"""The CUDA libraries of the environment: whether others are found before them, and whether they are
where packages look for them."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from cudalock.activate.placement import find_wanted
from cudalock.doctor.facts import SEVERITY
from cudalock.environment.libraries import find_libraries
from cudalock.errors import NothingFound, NotNeeded
from cudalock.files import variable as read_variable
from cudalock.findings import Finding
from cudalock.text import shell_word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.compat.installed import ExaminedEnvironment

VARIABLES = {True: "PATH", False: "LD_LIBRARY_PATH"}
"""Where a system looks for libraries, by whether it is Windows."""


def examine(subject: ExaminedEnvironment) -> Iterator[Finding]:
    """Yield what is shadowed, and what is missing where a package looks for it."""
    yield from _shadowed(subject)
    yield from _not_placed(subject)


def _shadowed(subject: ExaminedEnvironment) -> Iterator[Finding]:
    """Yield a finding for each folder whose libraries come before the environment's own."""
    variable = VARIABLES[subject.layout.is_windows]
    own = find_libraries(subject.layout, subject.matrix).folders
    names = {name for folder in own for name in _libraries(folder, subject)}
    facts = tuple(
        fact.id
        for component in subject.matrix.components.values()
        for fact in component.facts
        if any(observation.shadowed == variable for observation in fact.observed)
    )
    earlier: set[str] = set()
    # The first folder with a library wins, so later ones shadow nothing more.
    for folder in _searched(subject, variable):
        names_here = sorted((_libraries(folder, subject) & names) - earlier)
        earlier.update(names_here)
        if not names_here or folder.is_relative_to(subject.layout.prefix):
            continue
        listed = ", ".join(names_here[:3]) + (
            f" and {len(names_here) - 3} more" if len(names_here) > 3 else ""
        )
        yield Finding(
            "CL709",
            "warning",
            f"`{folder}`, which {variable} names, has {listed}: they are found before those that"
            " pip installed",
            facts=facts,
            fix=f"take `{folder}` out of {variable}, or run `cudalock activate`",
        )


def _searched(subject: ExaminedEnvironment, variable: str) -> list[Path]:
    separator = ";" if subject.layout.is_windows else ":"
    texts = (read_variable(subject.environ, variable, subject.layout.os_name) or "").split(
        separator
    )
    return [Path(os.path.abspath(text)) for text in dict.fromkeys(texts) if text]  # noqa: PTH100


def _libraries(folder: Path, subject: ExaminedEnvironment) -> set[str]:
    """The names of the CUDA libraries in a folder."""
    where = subject.matrix.libraries(subject.layout.platform.partition("-")[0])
    if where is None:
        return set()
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:
        return set()
    # Windows finds DLLs whatever their case.
    fold = str.lower if subject.layout.is_windows else str
    return {
        fold(name)
        for name in names
        if any(fnmatchcase(name.lower(), pattern) for pattern in where.files)
    }


def _not_placed(subject: ExaminedEnvironment) -> Iterator[Finding]:
    """The files that a package looks for in the environment, and that are not there."""
    try:
        copies = find_wanted(subject.layout, subject.matrix)
    except (NotNeeded, NothingFound):
        return
    for fact in dict.fromkeys(copy.place.fact for copy in copies):
        missing = [copy for copy in copies if copy.place.fact == fact and not copy.is_there]
        if missing:
            rule = subject.matrix.fact(fact)
            paths = " and ".join(f"`{copy.base / copy.place.put}`" for copy in missing)
            prefix = shell_word(str(subject.layout.prefix))
            yield Finding(
                "CL710",
                SEVERITY[rule.effect],
                f"{rule.component} looks for {paths}, and nothing is there: it {rule.says}",
                facts=(fact,),
                fix=f"`cudalock activate --install --python {prefix}`",
                members=(rule.component,),
            )

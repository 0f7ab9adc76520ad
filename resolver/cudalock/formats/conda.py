"""A lock as environment.yml, for conda, mamba and micromamba: Python of conda, the lock by pip.

conda writes the lines of the pip section into a requirements file and gives that to pip, so options
and hashes work there as they do in a lock of the format `requirements`. Nothing but Python and pip
comes from a channel: a lock's wheels, their CUDA and their hashes are those of the package index
and of builders, and conda-forge's builds are others.
"""

from __future__ import annotations

import json
import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from cudalock.errors import Contradiction
from cudalock.formats import Format, InstallCommand, WriteOptions, requirements_txt
from cudalock.formats.header import header_lines
from cudalock.lock.sources import needs_own_build
from cudalock.text import either, listed, shell_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.lock import Lock

FILE: Final = "environment.yml"
CHANNELS: Final = ("conda-forge", "nodefaults")
"""The second keeps conda from those of its own settings, whose terms are others."""
NAME: Final = "cudalock"
"""The environment's, unless `-n` gives another."""
_NO_DEPS: Final = "PIP_NO_DEPS=1"


def render(lock: Lock, options: WriteOptions) -> str:
    """Return the file's text.

    Raises Contradiction for a lock of several Pythons and for one that is compiled step by step,
    and HashesMissing if hashes are required and one is not published.
    """
    _check(lock)
    header = [
        *header_lines(lock, options.hashes, (options.index_url, *options.extra_index_urls)),
        *(f"# create: {command}" for _, command in install_commands(lock, options)),
    ]
    body = [
        f"name: {NAME}",
        "channels:",
        *(f"  - {channel}" for channel in CHANNELS),
        "dependencies:",
        *(f"  - {name}={version}" for name, version in python_package(lock)),
        "  - pip",
        "  - pip:",
        *(f"      - {_scalar(line)}" for line in requirements_txt.plain_lines(lock, options)),
    ]
    # `pip` stands before the section: conda warns where it has to add it by itself.
    return "\n".join(header) + "\n\n" + "\n".join(body) + "\n"


def _check(lock: Lock) -> None:
    one_python(lock, "an environment.yml")
    # conda gives the whole section to pip at once.
    if needs_own_build(lock):
        names = listed(dict.fromkeys(pin.name for pin in lock.built))
        raise Contradiction(
            f"an environment.yml has one step of pip, and {names} is compiled after others are"
            " installed",
            hints=["--format requirements", "--format dockerfile"],
        )


def one_python(lock: Lock, what: str) -> None:
    """Raise Contradiction for a lock of several Pythons."""
    pythons = {target.python_text for target in lock.targets}
    if len(pythons) > 1:
        raise Contradiction(f"{what} has one Python, and the lock is for {either(sorted(pythons))}")


def python_package(lock: Lock) -> Iterator[tuple[str, str]]:
    """Yield conda's package of the lock's Python, and its version."""
    target = lock.target
    yield ("python-freethreading" if target.free_threaded else "python"), target.python


def _scalar(text: str) -> str:
    """Return a text as a YAML scalar: plain if nothing in it means something else there."""
    is_plain = text[0].isalnum() and not re.search(r": |:$| #", text)
    # A JSON string is a YAML scalar in double quotes.
    return text if is_plain else json.dumps(text)


def install_commands(lock: Lock, options: WriteOptions) -> tuple[InstallCommand, ...]:
    """Return the command that makes the environment."""
    path = PurePath(options.filename or FILE).as_posix()
    command = f"conda env create -f {shell_file(path)}"
    if lock.replaced:
        # With dependencies, pip would add the requirement that a fact replaced; a requirements
        # file cannot say it.
        every = {target.is_windows for target in lock.targets}
        command = f"set {_NO_DEPS}&& {command}" if every == {True} else f"{_NO_DEPS} {command}"
    return (InstallCommand("conda", command),)


FORMAT: Final = Format(
    render,
    FILE,
    install_commands,
    all_hashes=True,
    beside=lambda filename: f"cudalock-{filename}",
    paths_from_file=True,
)

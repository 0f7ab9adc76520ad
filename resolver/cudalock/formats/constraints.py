"""The stack of a lock as constraints, for `pip install -c` and `PIP_CONSTRAINT`.

Only the CUDA stack is constrained, with local versions, so that the next `pip install something`
cannot swap a CUDA torch for another. Everything else stays free. A constraint is a version and
never a URL: with a URL pip would refuse the same wheel from an index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cudalock.formats import DEFAULTS, Format, WriteOptions
from cudalock.formats.header import header_lines
from cudalock.formats.hold import constraint_lines
from cudalock.text import shell_file, with_coding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.lock import Lock, Pin

FILE: Final = "constraints.txt"


def render(lock: Lock, options: WriteOptions = DEFAULTS) -> str:
    """Return the file's text: ASCII but for paths."""
    file = shell_file(options.filename or FILE)
    header = [
        *header_lines(lock),
        f"# with pip: PIP_CONSTRAINT={file}, or pip install -c {file} PACKAGE",
        f"# with uv: UV_CONSTRAINT={file}, or uv pip install -c {file} PACKAGE",
    ]
    kept = constraint_lines(lock)
    if kept:
        header.append(f"# for builds: PIP_BUILD_CONSTRAINT={file} with pip 26.2 or newer")
    pins = [*kept, *(line for pin in constrained_pins(lock) for line in _lines(pin))]
    return with_coding("\n".join(header) + "\n\n" + "".join(f"{line}\n" for line in pins))


def constrained_pins(lock: Lock) -> tuple[Pin, ...]:
    """Return the pins that become constraints: requested projects and the CUDA stack."""
    return tuple(
        pin
        for pin in lock.pins
        if pin.is_requested or pin.name == lock.framework or pin.name in lock.stack
    )


def _lines(pin: Pin) -> Iterator[str]:
    marker = f"; {pin.marker}" if pin.marker else ""
    yield f"{pin.name}=={pin.version}{marker}"


def _beside(filename: str) -> str:
    """Return a name that ends as constraints do, which is what means this format."""
    return f"cudalock-{filename}"


FORMAT: Final = Format(render, FILE, beside=_beside)

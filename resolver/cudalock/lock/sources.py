"""What to know of pins that an installer builds from a source distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cudalock.matrix.sources import COMPILES, PURE
from cudalock.text import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.lock.lock import Lock, Pin


def source_lines(lock: Lock) -> Iterator[str]:
    """Yield a sentence for each pin that is built, those that compile first."""
    pins = sorted(lock.built, key=lambda pin: (_kind(pin) == PURE, pin.name))
    yield from dict.fromkeys(describe_source(pin, lock) for pin in pins)


def warning_lines(lock: Lock) -> Iterator[str]:
    """Yield a sentence for each pin that is compiled, or may be."""
    yield from dict.fromkeys(describe_source(pin, lock) for pin in lock.built if _kind(pin) != PURE)


def pure_names(lock: Lock) -> tuple[str, ...]:
    """Return the names of the pins that are built and not compiled."""
    return tuple(dict.fromkeys(pin.name for pin in lock.built if _kind(pin) == PURE))


NO_INDEX: Final = (
    "an isolated build needs an index: install setuptools and wheel, or the build backends, first"
)
"""The note on source distributions in a folder of files."""


def needs_own_build(lock: Lock, *, is_folder: bool = False) -> bool:
    """Return whether a build in isolation would lack something: pins that another is compiled
    against, or with `is_folder` an index that has the build backend."""
    if is_folder and lock.built:
        return True
    return any(pin.archive and pin.archive.build and pin.archive.build.beside for pin in lock.built)


def _kind(pin: Pin) -> str:
    archive = pin.archive
    return archive.build.kind if archive is not None and archive.build is not None else PURE


def describe_source(pin: Pin, lock: Lock) -> str:
    """Return what an installer does with the archive of a pin, and what that needs."""
    archive = pin.archive
    if archive is None or archive.build is None:
        return ""
    build = archive.build
    if build.kind == PURE:
        also = f"; {build.reason}" if build.reason else ""
        return f"{pin} is built from {archive.file}, which compiles nothing{also}"
    does = "is compiled from" if build.kind == COMPILES else "may be compiled from"
    sentence = f"{pin} {does} {archive.file}: {build.reason}"
    return sentence + "".join(f"; {need}" for need in _needs(build.beside, lock))


def _needs(beside: tuple[str, ...], lock: Lock) -> Iterator[str]:
    versions = {pin.name: pin.version for pin in lock.pins}
    if beside:
        named = listed(f"{name} {versions[name]}" if name in versions else name for name in beside)
        yield f"install {named}, setuptools and wheel first, and this with --no-build-isolation"
    if lock.framework in beside and lock.cuda:
        yield f"it needs nvcc of CUDA {lock.cuda} and a C++ compiler"
    elif lock.framework not in beside:
        yield "it needs a compiler"

"""A lock in a few lines: what is printed beside the file, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cudalock.lock.lock import DERIVED, origin
from cudalock.lock.sources import pure_names, warning_lines
from cudalock.text import NamesNote, ascii_line, counted, listed, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.lock.lock import Lock

NAMED_PINS: Final = 8
"""How many pins the first line of a summary names."""


def summary(
    lock: Lock,
    *,
    install: str | None = None,
    download: str | None = None,
    without_hashes: bool = False,
    verbose: bool = False,
) -> str:
    """Return a lock in a few lines: the build, third-party builders, warnings, needs, notes.

    `install` is how to install it, for a last line, and `download` how much that brings.
    `without_hashes` is whether the wheels that have a hash were written without it. `verbose` names
    what else is only counted.
    """
    lines = [ascii_line(line) for line in _summary_lines(lock, without_hashes=without_hashes)]
    # Notes contain paths and commands, which have to keep their letters.
    for note in lock.notes:
        brief = note.brief if isinstance(note, NamesNote) and not verbose else note
        key = "warning" if isinstance(note, NamesNote) and note.is_warning else "note"
        lines.append(one_line(f"{key}: {brief}"))
    if download is not None:
        lines.append(f"download: {download}")
    if install is not None:
        lines.append(one_line(f"install: {install}"))
    return "\n".join(lines)


def line_summary(name: str, lock: Lock, *, without_hashes: bool = False) -> str:
    """Return one line of a project in a few lines of text, each beginning with the line's name."""
    texts = _summary_lines(lock, without_hashes=without_hashes)
    return "\n".join(ascii_line(f"{name}: {text}") for text in texts)


def _summary_lines(lock: Lock, *, without_hashes: bool) -> Iterator[str]:
    yield headline(lock)
    builders = dict.fromkeys(f"{pin} from {origin(pin.wheel)}" for pin in lock.third_party)
    if builders:
        yield f"builders: {listed(builders)}"
    for warning in warnings_of(lock, without_hashes=without_hashes):
        yield f"warning: {warning}"
    yield from _advisory_lines(lock)
    if names := pure_names(lock):
        yield f"note: built from source by the installer, and nothing is compiled: {listed(names)}"
    for newer in lock.newer:
        yield f"newer: {newer}"
    yield f"needs: {listed(lock.needs)}"


def _advisory_lines(lock: Lock) -> Iterator[str]:
    """Yield what is known of vulnerabilities of the pins, where somebody asked."""
    if lock.advisories is None:
        return
    if not lock.advisories:
        yield f"advisories: none known for {counted(len(lock.pins), 'package')}"
    for advisory in lock.advisories[:NAMED_PINS]:
        yield f"warning: {advisory}"
    if len(lock.advisories) > NAMED_PINS:
        yield f"warning: {len(lock.advisories) - NAMED_PINS} more advisories (`--json` has all)"
    if lock.safe_command:
        yield f"hint: without them: {lock.safe_command}"
    elif lock.advisories:
        yield "note: no solution without them was found"


def headline(lock: Lock) -> str:
    """Return what was chosen, what it was built for, and how many packages it is."""
    nothing = f" ({lock.not_built_for})" if lock.framework else ""
    built = f" ({lock.built_for})" if lock.built_for else nothing
    where = " and ".join(target.label for target in lock.targets)
    return f"{_main_pins(lock)}{built} for {where}: {counted(len(lock.pins), 'package')}"


def _main_pins(lock: Lock) -> str:
    """Return the pin that fixes the CUDA version, then the requested ones."""
    pins = sorted(
        (pin for pin in lock.pins if pin.is_requested or pin.name == lock.framework),
        key=lambda pin: (pin.name != lock.framework, pin.name),
    )
    texts = list(dict.fromkeys(str(pin) for pin in pins))
    named = texts[:NAMED_PINS]
    if len(texts) > NAMED_PINS:
        named.append(f"{len(texts) - NAMED_PINS} more")
    return listed(named)


def warnings_of(lock: Lock, *, without_hashes: bool = False) -> list[str]:
    """Return what a reader has to know before installing; see :func:`summary`."""
    return [
        *map(str, lock.warnings),
        *file_warnings(lock),
        *(f"unknown {unknown}" for unknown in lock.unknowns),
        *lock.replaced,
        *_hash_warnings(lock, without_hashes=without_hashes),
    ]


def file_warnings(lock: Lock) -> Iterator[str]:
    """Yield what is wrong with the files of the pins, hashes apart."""
    for pin in lock.pins:
        if pin.wheel.warning:
            yield f"{pin.wheel.file}: {pin.wheel.warning}"
    for pin in lock.derived:
        yield f"{pin.wheel.file} is {DERIVED}"
    yield from warning_lines(lock)


def missing_hashes(lock: Lock) -> Iterator[str]:
    """Yield the warning about wheels of which no hash is published, where there are some."""
    yield from _hash_warnings(lock, without_hashes=False)


def _hash_warnings(lock: Lock, *, without_hashes: bool) -> Iterator[str]:
    if lock.unhashed:
        names = listed(dict.fromkeys(pin.name for pin in lock.unhashed))
        others = len(lock.pins) - len(lock.unhashed)
        cost = f", so those of {counted(others, 'package')} are left out: pip needs all or none"
        also = cost if without_hashes and others else ""
        yield f"no hash is published for {names}{also}; see `--fetch-hashes`"

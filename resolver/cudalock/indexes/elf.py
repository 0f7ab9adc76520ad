"""What a shared object of Linux links: the libraries, symbols and symbol versions that it needs.

Only the few tables of ELF that a loader reads are looked at, in the file's bytes. Nothing is run.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC: Final = b"\x7fELF\x02\x01"
"""64 bits, little-endian: x86_64 and aarch64, the machines that the matrix has."""
_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION: Final = struct.Struct("<IIQQQQIIQQ")
_PAIR: Final = struct.Struct("<QQ")
_SYMBOL: Final = struct.Struct("<IBBHQQ")
_NEED: Final = struct.Struct("<HHIII")
_NEED_VERSION: Final = struct.Struct("<IHHII")

_DYNAMIC: Final = 6
_DYNSYM: Final = 11
_VERNEED: Final = 0x6FFFFFFE
_DT_NEEDED: Final = 1
_WEAK: Final = 2
_MOST_NEEDS: Final = 4_096
"""Links in a chain of needed versions; a damaged file may have one that never ends."""


class Links(NamedTuple):
    """What a shared object needs of others, and what it offers them."""

    needed: tuple[str, ...] = ()
    """the sonames that it is linked with: `libcudart.so.12`"""
    undefined: frozenset[str] = frozenset()
    """the symbols that others have to define"""
    defined: frozenset[str] = frozenset()
    versions: frozenset[str] = frozenset()
    """the versions of symbols that it needs: `GLIBCXX_3.4.32`"""


class _Section(NamedTuple):
    kind: int
    offset: int
    size: int
    link: int


def is_cut_off(head: bytes, size: int) -> bool:
    """Return whether a file of so many bytes that begins with `head`, its first 64, is a shared
    object without its end: the table of its sections is there."""
    if len(head) < _HEADER.size or head[:6] != _MAGIC:
        return False
    header = _HEADER.unpack(head[: _HEADER.size])
    offset, entry, count = header[6], header[11], header[12]
    return bool(offset) and size < offset + entry * count


def read_links(content: bytes) -> Links | None:
    """Return what a shared object links; None for bytes that are no ELF file of 64 bits, or a
    damaged one."""
    if content[:6] != _MAGIC:
        return None
    try:
        sections = list(_sections(content))
        return Links(
            tuple(_needed(content, sections)),
            *_symbols(content, sections),
            frozenset(_needed_versions(content, sections)),
        )
    except (struct.error, IndexError, ValueError, OverflowError):
        return None


def _sections(content: bytes) -> Iterator[_Section]:
    header = _HEADER.unpack_from(content)
    offset, size, count = header[6], header[11], header[12]
    for position in range(count):
        fields = _SECTION.unpack_from(content, offset + position * size)
        yield _Section(fields[1], fields[4], fields[5], fields[6])


def _needed(content: bytes, sections: list[_Section]) -> Iterator[str]:
    for section in sections:
        if section.kind == _DYNAMIC:
            strings = sections[section.link].offset
            for tag, offset in _rows(_PAIR, content, section):
                if tag == _DT_NEEDED:
                    yield _string(content, strings + offset)


def _symbols(content: bytes, sections: list[_Section]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the undefined symbols, and the defined ones."""
    undefined: set[str] = set()
    defined: set[str] = set()
    for section in sections:
        if section.kind == _DYNSYM:
            strings = sections[section.link].offset
            for name, info, _, place, _, _ in _rows(_SYMBOL, content, section):
                # A loader goes on without a weak symbol that nobody defines.
                if name and (place or info >> 4 != _WEAK):
                    # Section 0 is SHN_UNDEF: another library has to define it.
                    (defined if place else undefined).add(_string(content, strings + name))
    return frozenset(undefined), frozenset(defined)


def _needed_versions(content: bytes, sections: list[_Section]) -> Iterator[str]:
    for section in sections:
        if section.kind != _VERNEED:
            continue
        strings, place = sections[section.link].offset, section.offset
        for _ in range(_MOST_NEEDS):
            _, count, _, first, following = _NEED.unpack_from(content, place)
            version = place + first
            for _ in range(min(count, _MOST_NEEDS)):
                _, _, _, name, next_version = _NEED_VERSION.unpack_from(content, version)
                yield _string(content, strings + name)
                version += next_version
            if not following:
                break
            place += following


def _rows(row: struct.Struct, content: bytes, section: _Section) -> Iterator[tuple[int, ...]]:
    end = min(section.offset + section.size, len(content))
    # A damaged section may end within a row, which iter_unpack refuses.
    whole = (end - section.offset) // row.size * row.size
    return row.iter_unpack(content[section.offset : section.offset + max(whole, 0)])


def _string(content: bytes, offset: int) -> str:
    # A text without end raises ValueError, and the file counts as damaged.
    end = content.index(b"\0", offset)
    return content[offset:end].decode("utf-8", "replace")


__all__ = ["Links", "read_links"]

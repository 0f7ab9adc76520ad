"""Shared objects of Linux made by a test: an ELF file with nothing but what a loader reads."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SECTION = struct.Struct("<IIQQQQIIQQ")
DYNAMIC, STRINGS, SYMBOLS, VERSIONS = 6, 3, 11, 0x6FFFFFFE


def shared_object(
    needed: Sequence[str] = (), undefined: Sequence[str] = (), versions: Sequence[str] = ()
) -> bytes:
    """Return a library that links sonames, and needs symbols and versions of symbols."""
    strings = b"\0"

    def place(text: str) -> int:
        nonlocal strings
        strings += text.encode() + b"\0"
        return len(strings) - len(text) - 1

    dynamic = b"".join(struct.pack("<QQ", 1, place(name)) for name in needed)
    # The first row is empty, as the format asks; 0x12 is a global function.
    symbols = bytes(24) + b"".join(
        struct.pack("<IBBHQQ", place(name), 0x12, 0, 0, 0, 0) for name in undefined
    )
    needs = b"".join(
        struct.pack("<IHHII", 0, 0, number, place(name), 16 if number < len(versions) else 0)
        for number, name in enumerate(versions, 1)
    )
    if needs:
        needs = struct.pack("<HHIII", 1, len(versions), place("libc.so.6"), 16, 0) + needs
    contents = [b"", strings, dynamic, symbols, needs]
    kinds = [0, STRINGS, DYNAMIC, SYMBOLS, VERSIONS if needs else 0]
    body, sections, offset = b"", b"", HEADER.size
    for kind, content in zip(kinds, contents, strict=True):
        sections += SECTION.pack(0, kind, 0, 0, offset, len(content), 1, 0, 0, 0)
        body, offset = body + content, offset + len(content)
    machine = 62  # x86_64
    head = HEADER.pack(
        b"\x7fELF\x02\x01\x01".ljust(16, b"\0"), 3, machine, 1, 0, 0, offset,
        0, HEADER.size, 0, 0, SECTION.size, len(contents), 1,
    )  # fmt: skip
    return head + body + sections

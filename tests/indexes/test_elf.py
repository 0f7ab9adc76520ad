"""What a shared object links, read from real ones and from damaged ones."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path

import pytest

from cudalock.indexes.elf import Links, read_links


@pytest.fixture(scope="module")
def library() -> bytes:
    """An extension module of this Python: it needs the C library, and symbols of Python."""
    spec = importlib.util.find_spec("_ctypes") or importlib.util.find_spec("_json")
    if sys.platform != "linux" or spec is None or not (spec.origin or "").endswith(".so"):
        pytest.skip("no shared object of Linux here")
    return Path(spec.origin or "").read_bytes()


def test_a_real_library(library: bytes) -> None:
    links = read_links(library)
    assert links is not None
    assert any(name.startswith("libc.so") for name in links.needed)
    assert any(name.startswith("Py") for name in links.undefined)
    assert any(name.startswith("PyInit_") for name in links.defined)
    assert any(version.startswith("GLIBC_") for version in links.versions)
    assert links.undefined.isdisjoint(links.defined)


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"MZ" + bytes(64), b"\x7fELF\x01\x01" * 20])
def test_no_library_of_64_bits(content: bytes) -> None:
    assert read_links(content) is None


def test_damaged_libraries(library: bytes) -> None:
    """Whatever the bytes are, it ends, and gives links or None."""
    chance = random.Random(7)
    for _ in range(40):
        damaged = bytearray(library[: chance.randrange(64, len(library))])
        for _ in range(20):
            damaged[chance.randrange(16, len(damaged))] = chance.randrange(256)
        assert isinstance(read_links(bytes(damaged)), Links | None)

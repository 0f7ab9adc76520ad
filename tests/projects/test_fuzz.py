"""Whatever bytes are in a file, there is a ProjectFile, and its places are in its text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from cudalock.projects.kinds import KINDS, kind_of
from cudalock.projects.read import find_files, read_file
from tests.projects.listing import check_places, listing
from tests.properties import BOUNDED

FILES = Path(__file__).parent / "files"

TOKENS = [json.loads(line) for line in (FILES.parent / "tokens.txt").read_text().splitlines()]
"""What such files are made of, and what goes wrong in them."""

words = st.lists(st.sampled_from(TOKENS) | st.text(max_size=5), max_size=40)
texts = st.builds(lambda parts, sep: sep.join(parts), words, st.sampled_from(["", " ", "\n"]))
encoded = st.builds(
    lambda text, codec: text.encode(codec, "ignore"),
    texts,
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "latin-1"]),
)


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """A good file with some of it cut out, doubled, or replaced."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 60)))
        piece = draw(st.just(b"") | st.just(content[start:end] * 2) | encoded)
        content = content[:start] + piece + content[end:]
    return content


def examine(content: bytes, kind: str) -> None:
    file = read_file("-", content, kind=kind)
    check_places(file)
    assert file.encode() == content
    assert list(listing(file))
    markers = [each.value for each in file.environments]
    markers += [each.marker for each in file.declared if each.marker]
    markers += [each.marker for each in file.sources if each.marker]
    assert all(map(Marker, markers))
    if file.requires_python is not None:
        SpecifierSet(file.requires_python.value)
    for entry in file.declared:
        # Whoever works with what was read need not look whether it can be.
        if entry.manager == "pypi" and entry.name:
            extras = f"[{','.join(entry.extras)}]" if entry.extras else ""
            Requirement(f"{entry.name}{extras}{entry.specifier}")
        assert {None, entry.group} <= file.wanted_with(entry.group)


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS])
@BOUNDED
@given(content=st.binary(max_size=300) | encoded)
def test_any_bytes(kind: str, content: bytes) -> None:
    examine(content, kind)


@pytest.mark.parametrize("path", find_files(FILES), ids=lambda p: f"{p.parent.name}-{p.name}")
@settings(BOUNDED, max_examples=40)
@given(data=st.data())
def test_damaged_files(path: Path, data: st.DataObject) -> None:
    kind = kind_of(path)
    assert kind is not None
    examine(data.draw(damaged(path.read_bytes())), kind)

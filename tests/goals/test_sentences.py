"""Sentences as people write them, against the matrix: `tests/cases/sentences.toml`."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from cudalock import toml
from cudalock.errors import BadPhrase
from cudalock.goals import ParsedPhrase, parse_phrase
from cudalock.matrix.matrix import Matrix
from cudalock.matrix.universe import ClosedUniverse
from tests.paths import CASES

UNIVERSE = ClosedUniverse(Matrix.load("embedded"))
SENTENCES = toml.loads((CASES / "sentences.toml").read_text(encoding="utf-8"))["sentence"]
PARTS = ("cuda", "accelerator", "cudnn", "python", "platform", "glibc", "gpu", "driver")


class Asking(ClosedUniverse):
    """A universe with an index that has every name: it must not be asked for a word."""

    looks_further = True

    def elsewhere(self, names: Any, /) -> frozenset[str]:
        raise AssertionError(f"looked up {names}")


def stated(parsed: ParsedPhrase) -> dict[str, Any]:
    asked = [f"{one.name} {one.loose or one.specifier}".strip() for one in parsed.projects]
    parts = {name: list(getattr(parsed, name)) for name in PARTS if getattr(parsed, name)}
    ignored = [name for note in parsed.notes if not isinstance(note, str) for name in note.names]
    return {"asked": asked, **parts, **({"ignored": ignored} if ignored else {})}


def plain(parts: dict[str, Any]) -> dict[str, Any]:
    """The parts as a reader of flags takes them: whatever the case, with a space or a hyphen."""
    return {
        name: [text.lower().replace("jetpack-", "jetpack ") for text in texts]
        for name, texts in parts.items()
    }


def test_there_are_enough_sentences() -> None:
    assert len(SENTENCES) >= 60


@pytest.mark.parametrize("row", SENTENCES, ids=lambda row: row["says"])
def test_a_sentence_is_read_as_it_is_meant(row: dict[str, Any]) -> None:
    if "refused" in row:
        with pytest.raises(BadPhrase) as raised:
            parse_phrase([row["says"]], UNIVERSE)
        text = " ".join([raised.value.message, *raised.value.hints])
        assert all(part in text for part in row["refused"]), text
        assert raised.value.exit_status == 2
        return
    expected = {key: value for key, value in row.items() if key not in ("says", "notes")}
    parsed = parse_phrase([row["says"]], UNIVERSE)
    assert plain(stated(parsed)) == plain(expected)
    for note in row.get("notes", ()):
        assert any(note in str(one) for one in parsed.notes), parsed.notes


@pytest.mark.parametrize(
    "row", [row for row in SENTENCES if "+" not in row["says"]], ids=lambda row: row["says"]
)
def test_no_word_of_a_sentence_is_looked_up_nor_offered_to_be(row: dict[str, Any]) -> None:
    hints: tuple[str, ...] = ()
    with suppress(BadPhrase):
        parse_phrase(row["says"].split(), Asking(UNIVERSE.matrix))
    try:
        parse_phrase([row["says"]], Asking(UNIVERSE.matrix))
    except BadPhrase as error:
        hints = error.hints
    assert not any("package" in hint for hint in hints)


class Listing(ClosedUniverse):
    """A universe with an index that has every name."""

    looks_further = True

    def elsewhere(self, names: Any, /) -> frozenset[str]:
        return frozenset(names)


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["faster-whisper windows"], ["faster-whisper"]),
        (["whisperx linux py3.11"], ["whisperx"]),
        (["torch 2.6 + whisperx, linux"], ["torch 2.6", "whisperx"]),
        (["windows", "whisperx"], ["whisperx"]),
        # What may be a word of the language beside a project, and a slip of a known name.
        (["gimme torch"], None),
        (["windows faster-whisper"], None),
        (["xformrs windows"], None),
    ],
)
def test_a_package_in_a_list_of_names(words: list[str], asked: list[str] | None) -> None:
    if asked is None:
        with pytest.raises(BadPhrase):
            parse_phrase(words, Listing(UNIVERSE.matrix))
        return
    assert stated(parse_phrase(words, Listing(UNIVERSE.matrix)))["asked"] == asked

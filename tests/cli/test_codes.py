"""`cudalock explain CODE` and `explain FACT`: every code has a page, and every example its code."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cudalock import toml
from cudalock.cli import main
from cudalock.findings import RULES
from cudalock.matrix.matrix import Matrix
from cudalock.show.codes import TEXTS, code_page


def run(*words: str) -> click.testing.Result:
    return CliRunner().invoke(main, words)


def test_every_code_has_a_page_and_no_other() -> None:
    assert list(toml.loads(TEXTS.read_text("utf-8"))) == list(RULES)


@pytest.mark.parametrize("code", RULES)
def test_a_page_has_every_part(code: str) -> None:
    page = code_page(code)
    for sentence in (page.means, page.why, page.fix):
        assert sentence.endswith(".")
    # A code of `check` shows a file; one of an environment says how that comes about.
    assert (page.example is None) == (code.startswith("CL7") or code in ("CL601", "CL109"))
    assert (page.seen is not None) == code.startswith("CL7")


@pytest.mark.parametrize("code", [code for code in RULES if code_page(code).example])
def test_the_example_has_the_code(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    example = code_page(code).example
    assert example is not None
    Path(example.name).write_text(example.content, encoding="utf-8")
    result = run("check", example.name, *example.arguments, "--json")
    assert code in {finding["code"] for finding in json.loads(result.stdout)["findings"]}


@pytest.mark.parametrize("words", [("explain",), ("matrix", "show")])
@pytest.mark.parametrize("word", ["CL203", "cl203", "other-cuda-pin"])
def test_a_code_is_explained(words: tuple[str, ...], word: str) -> None:
    result = run(*words, word)
    assert result.exit_code == 0, result.output
    assert result.stdout == code_page("CL203").text()
    assert "# cudalock: ignore[CL203]" in result.stdout
    document = json.loads(run(*words, word, "--json").stdout)
    assert (document["schema"], document["code"]) == ("cudalock.code/1", "CL203")


@pytest.mark.parametrize("words", [("explain",), ("matrix", "show")])
def test_a_fact_is_explained_with_its_sources(words: tuple[str, ...], matrix: Matrix) -> None:
    result = run(*words, "fa2-torch-minor")
    assert result.exit_code == 0, result.output
    assert "[fa2-torch-minor] flash-attn" in result.stdout
    for source in matrix.facts["fa2-torch-minor"].source:
        assert f"source: {source}" in result.stdout
    document = json.loads(run(*words, "fa2-torch-minor", "--json").stdout)
    assert [fact["id"] for fact in document["facts"]] == ["fa2-torch-minor"]


@pytest.mark.parametrize("words", [("explain",), ("matrix", "show")])
@pytest.mark.parametrize("word", ["CL", "cl2", "CL20"])
def test_codes_that_begin_alike_are_listed(words: tuple[str, ...], word: str) -> None:
    expected = [code for code in RULES if code.startswith(word.upper())]
    result = run(*words, word)
    assert result.exit_code == 0, result.output
    assert [line.split()[0] for line in result.stdout.splitlines() if line[:2] == "CL"] == expected
    document = json.loads(run(*words, word, "--json").stdout)
    assert document["schema"] == "cudalock.codes/1"
    assert [row["code"] for row in document["codes"]] == expected


def test_a_code_that_is_none() -> None:
    result = run("explain", "CL209")
    assert result.exit_code == 2
    assert "unknown code `CL209`" in result.stderr
    assert "`cudalock explain CL20" in result.stderr


def test_no_fact_and_no_code_is_the_name_of_a_component(matrix: Matrix) -> None:
    """Else a goal of one word would be taken for a page."""
    names = {rule.name for rule in RULES.values()} | set(RULES) | set(matrix.facts)
    assert [name for name in names if matrix.names.find(name)] == []

"""Cases as data: a command, and what must come of it.

`cases/*.toml` hold tables `[[case]]`. A case runs in process, offline, and in a directory of its
own. Its keys:

    name        unique in its file; with the file's name it is the test's id
    command     the words after `cudalock`, as one string (quoted as in sh) or a list
    rows        tables that fill `{words}` in the case's strings; a row makes a test of its own, and
                a key of the case in a row takes the place of the case's
    here        the machine it runs on: `python`, `platform`
    files       file name to text, written before
    status      exit status, 0 unless given
    pins        name to version, local version label included where an index has it; `2.7.*` is any
                2.7, `*` any
    exactly     true: there are no other pins
    absent      names that must not be pinned
    index       the extra indexes, all of them
    urls        a pattern (`*`, `?`, `[0-9]`) for the file name of each wheel that is an address
    builder     who built one of them
    hashed      whether every pin has a sha256
    facts       ids of facts that what was printed names
    output, stderr, unsaid   fragments of standard output, of standard error, of neither
    same_as     another command that gives the same pins, indexes and addresses
    hint        true: the first command among the hints gives an answer
    source      where the truth can be checked
    note        where a table in common use has it wrong
    xfail       why it fails for now
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from click.testing import CliRunner, Result

import cudalock
import cudalock.targets.detect
from cudalock import toml
from cudalock.cli import main
from cudalock.targets import parse_platform
from tests.paths import CASES, ROOT

KEYS = {
    *("name", "command", "rows", "here", "files", "status", "pins", "exactly", "absent", "index"),
    *("urls", "builder", "hashed", "facts", "output", "stderr", "unsaid", "same_as", "hint"),
    *("source", "note", "xfail"),
}


def read_cases() -> Iterator[Any]:
    for path in sorted(CASES.glob("*.toml")):
        table = toml.loads(path.read_text(encoding="utf-8"))
        cases = table.pop("case", ())
        if not any("command" in case for case in cases):
            continue  # the cases of another test
        for case in cases:
            yield from _parametrised(path.stem, {**table, **case})


def _parametrised(file: str, case: dict[str, Any]) -> Iterator[Any]:
    rows = case.pop("rows", None) or [{}]
    for row in rows:
        filled: dict[str, Any] = {
            key: _fill(value, row) for key, value in {**case, **_own(row)}.items()
        }
        unknown = filled.keys() - KEYS
        assert not unknown, f"{file}: {filled['name']}: unknown keys {sorted(unknown)}"
        marks = [pytest.mark.xfail(reason=filled["xfail"])] if filled.get("xfail") else []
        yield pytest.param(filled, id=f"{file}: {filled['name']}", marks=marks)


def _own(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key in KEYS}


def _fill(value: Any, row: Mapping[str, Any]) -> Any:
    """`{word}` in every string, from the row; a pin that comes to nothing is left out."""
    if isinstance(value, str):
        for key, text in row.items():
            if isinstance(text, str):
                value = value.replace(f"{{{key}}}", text)
        return value
    if isinstance(value, list):
        return [_fill(item, row) for item in value]
    if isinstance(value, dict):
        filled = {_fill(key, row): _fill(item, row) for key, item in value.items()}
        return {key: item for key, item in filled.items() if item != ""}
    return value


@dataclass(frozen=True)
class Answer:
    """A requirements.txt as an installer would read it."""

    pins: dict[str, str]
    addresses: dict[str, str]
    """of the pins that are addresses, the file's name"""
    indexes: list[str]
    hashed: bool

    @classmethod
    def read(cls, text: str) -> Answer:
        pins: dict[str, str] = {}
        addresses: dict[str, str] = {}
        indexes: list[str] = []
        logical = re.sub(r"\\\n\s*", "", text)
        lines = [
            line for line in logical.splitlines() if line and not line.lstrip().startswith("#")
        ]
        requirements = [line for line in lines if not line.startswith("--")]
        for line in requirements:
            requirement = line.partition(" --hash")[0].strip()
            name, at, address = requirement.partition(" @ ")
            if at:
                file = unquote(address.rsplit("/", 1)[1])
                addresses[name] = file
                # METADATA of some has no local version, and the file's name has.
                pins[name] = file.split("-")[1].partition("+")[0]
            else:
                name, _, version = requirement.partition("==")
                pins[name] = version
        for line in lines:
            if line.startswith("--extra-index-url "):
                indexes.append(line.split()[1])
        hashed = bool(requirements) and all("--hash=sha256:" in line for line in requirements)
        return cls(pins, addresses, indexes, hashed)


def words_of(command: str | list[str]) -> list[str]:
    words = shlex.split(command) if isinstance(command, str) else list(command)
    # A diagnosis never goes online, and has no flag for it.
    return words if "--offline" in words or words[0] == "diagnose" else [*words, "--offline"]


def run(command: str | list[str]) -> Result:
    return CliRunner().invoke(main, words_of(command), prog_name="cudalock")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the repository's pyproject.toml nor the active environment must matter."""
    monkeypatch.chdir(tmp_path)
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(variable, raising=False)


def stand_here(here: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    if "python" in here:
        Path(".python-version").write_text(here["python"] + "\n", encoding="utf-8")
    if "platform" in here:
        place = parse_platform(here["platform"])
        monkeypatch.setattr(cudalock.targets.detect, "this_platform", lambda: place)


@pytest.mark.parametrize("case", list(read_cases()))
def test_case(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    stand_here(case.get("here", {}), monkeypatch)
    for name, text in case.get("files", {}).items():
        Path(name).write_text(text, encoding="utf-8")
    result = run(case["command"])
    assert result.exit_code == case.get("status", 0), result.stderr
    _check_text(case, result)
    if case.get("hint"):
        _check_hint(result)
    if result.exit_code == 0:
        _check_answer(case, Answer.read(result.stdout))
    else:
        assert result.stdout == ""


def _check_text(case: dict[str, Any], result: Result) -> None:
    assert "Traceback" not in result.stderr
    for fragment in case.get("stderr", ()):
        assert fragment in result.stderr
    for fragment in case.get("output", ()):
        assert fragment in result.stdout
    for fact in case.get("facts", ()):
        assert f"[{fact}]" in result.output, result.output
    for fragment in case.get("unsaid", ()):
        assert fragment not in result.output
    if "builder" in case:
        assert f" from {case['builder']} (" in result.stdout


def _check_answer(case: dict[str, Any], answer: Answer) -> None:
    expected = case.get("pins", {})
    wrong = {
        name: answer.pins.get(name)
        for name, version in expected.items()
        if not _is(answer.pins.get(name), version)
        and not (name in answer.addresses and f"-{version}-" in answer.addresses[name])
    }
    assert wrong == {}, f"expected { {name: expected[name] for name in wrong} }"
    if case.get("exactly"):
        assert sorted(answer.pins) == sorted(expected)
    assert [name for name in case.get("absent", ()) if name in answer.pins] == []
    if "index" in case:
        assert answer.indexes == case["index"]
    if "urls" in case:
        files = sorted(answer.addresses.values())
        assert len(files) == len(case["urls"]), files
        for pattern in case["urls"]:
            assert any(fnmatchcase(file, pattern) for file in files), files
    if "hashed" in case:
        assert answer.hashed == case["hashed"]
    if "same_as" in case:
        other = run(case["same_as"])
        assert other.exit_code == 0, other.stderr
        assert Answer.read(other.stdout) == answer


def _is(found: str | None, expected: str) -> bool:
    """Whether a version is the one expected; `2.7.*` is any 2.7, `*` any at all."""
    if found is None:
        return False
    if expected.endswith(".*"):
        return f"{found}.".startswith(expected[:-1])
    return fnmatchcase(found, expected)


def _check_hint(result: Result) -> None:
    commands = re.findall(r"^hint: .*?`cudalock ([^`]*)`", result.stderr, re.MULTILINE)
    assert commands, result.stderr
    answer = run(commands[0])
    assert answer.exit_code == 0, answer.stderr


def test_every_case_has_a_name_of_its_own() -> None:
    ids = [parameters.id for parameters in read_cases()]
    assert sorted(ids) == sorted(set(ids))


RUN_EACH = """
import json, sys
from click.testing import CliRunner
from cudalock.cli import main
from cudalock.matrix.matrix import Matrix
from tests.loading import loading_once
Matrix.load = loading_once()
for words in json.load(sys.stdin):
    result = CliRunner().invoke(main, words, prog_name="cudalock")
    print(json.dumps([words, result.exit_code, result.stdout, result.stderr]))
"""
"""A program that runs commands and prints what each says, one JSON array a line."""


def test_the_same_bytes_whatever_the_hash_seed() -> None:
    cases = [parameters.values[0] for parameters in read_cases()]
    commands = [words_of(case["command"]) for case in cases if not case.keys() & {"here", "files"}]
    sources = os.pathsep.join([str(Path(cudalock.__file__).parents[1]), str(ROOT)])
    outputs = []
    for seed in ("1", "3"):
        done = subprocess.run(
            [sys.executable, "-c", RUN_EACH],
            # The screens of other tests meet the random seed of each run.
            input=json.dumps(commands[::12]),
            env={**os.environ, "PYTHONPATH": sources, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        outputs.append(done.stdout.splitlines())
    assert len(outputs[0]) > 40
    assert outputs[0] == outputs[1]


def test_the_order_of_flags_does_not_matter() -> None:
    words = "--torch 2.5.1 --vision --python 3.11 --python 3.12 --platform linux --platform windows"
    other = "--platform windows --platform linux --vision --python 3.12 --torch 2.5.1 --python 3.11"
    said = [CliRunner().invoke(main, ["solve", *each.split()]) for each in (words, other)]
    assert said[0].exit_code == 0
    assert said[0].output == said[1].output

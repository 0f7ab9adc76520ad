"""Public files and threads as data: sets that install, goals that solve, and how threads ended.

`cases/field/*.jsonl` hold one case a line, `cases/field/README.md` describes their shape. Cases
that fail today are in `cases/field/pending.txt` with a reason; one that passes must leave the list.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import pytest
from click.testing import CliRunner

from cudalock.cli import main
from tests.files import write_all
from tests.paths import CASES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FIELD: Final = CASES / "field"
SETS: Final = {
    **{"known_good": 60, "solvable": 40},
    **{"threads": 60, "threads2": 110, "threads3": 160, "threads4": 120, "machines": 30},
}
THREADS: Final = ("threads", "threads2", "threads3", "threads4", "machines")
"""The sets, with the least number of cases in each."""
KEYS: Final = {
    *("id", "source", "files", "text", "command", "truth", "verified"),
    *("network", "slow", "expect"),
}
OFFLINE: Final = {"check", "generate", "solve"}
"""The commands that have `--offline`."""

# Put together here: the package index's own addresses are in no file of this repository.
HOSTS: Final = {
    "{index}": "https://py" + "pi.org/simple",
    "{files}": "https://files.python" + "hosted.org",
}


@cache
def read_cases(name: str) -> tuple[dict[str, Any], ...]:
    lines = (FIELD / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(json.loads(line) for line in lines)


@cache
def read_pending() -> Mapping[str, str]:
    """Return the ids of the cases that fail today, with the reason of each."""
    lines = (FIELD / "pending.txt").read_text(encoding="utf-8").splitlines()
    entries = (line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))
    return {case_id: reason.strip() for case_id, reason in entries}


def offline_cases(name: str) -> list[Any]:
    return [_parameter(case) for case in read_cases(name) if not case.get("network")]


def network_cases() -> Iterator[Any]:
    for case in (case for name in SETS for case in read_cases(name) if case.get("network")):
        speed = [pytest.mark.slow_network] if case.get("slow") else []
        yield _parameter(case, pytest.mark.network, *speed)


def _parameter(case: dict[str, Any], *marks: pytest.MarkDecorator) -> Any:
    reason = read_pending().get(case["id"])
    pending = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
    return pytest.param(case, id=case["id"], marks=[*marks, *pending])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in an empty folder, away from the repository and from the active environment."""
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(variable, raising=False)
    return project


def faults(case: Mapping[str, Any], folder: Path) -> list[str]:
    """Run the case's command in `folder` and return what is not as the case expects it."""
    write_all(folder, {name: _fill(text) for name, text in case.get("files", {}).items()})
    words = case["command"][1:]
    if not case.get("network") and words[0] in OFFLINE:
        words = [*words, "--offline"]
    text = _fill(case.get("text", ""))
    result = CliRunner().invoke(main, words, input=text, prog_name="cudalock")
    printed = f"{result.stdout}\n{result.stderr}"
    if words[0] == "diagnose":
        # A line of the text, quoted, is not an answer.
        printed = re.sub(r"^  line .*$", "", printed, flags=re.MULTILINE)
    return list(_compare(case["expect"], result.exit_code, printed))


def _compare(expected: Mapping[str, Any], status: int, printed: str) -> Iterator[str]:
    wanted = expected["exit"]
    if status not in (wanted if isinstance(wanted, list) else [wanted]):
        yield f"exit status {status}, not {wanted}:\n{printed}"
    if "Traceback (most recent call last)" in printed:
        yield f"a traceback:\n{printed}"
    for pattern in expected["must_say"]:
        if not re.search(pattern, printed, re.IGNORECASE | re.MULTILINE):
            yield f"does not say /{pattern}/:\n{printed}"
    for pattern in expected["must_not_say"]:
        if re.search(pattern, printed, re.IGNORECASE | re.MULTILINE):
            yield f"says /{pattern}/:\n{printed}"


def _fill(text: str) -> str:
    for placeholder, address in HOSTS.items():
        text = text.replace(placeholder, address)
    return text


@pytest.mark.parametrize("case", offline_cases("known_good"))
def test_known_good_set_has_no_error(case: dict[str, Any], folder: Path) -> None:
    assert faults(case, folder) == []


@pytest.mark.parametrize("case", [case for name in THREADS for case in offline_cases(name)])
def test_thread(case: dict[str, Any], folder: Path) -> None:
    assert faults(case, folder) == []


@pytest.mark.usefixtures("network_environment")
@pytest.mark.parametrize("case", list(network_cases()))
def test_with_the_package_index(
    case: dict[str, Any], folder: Path, request: pytest.FixtureRequest
) -> None:
    if case.get("slow") and not request.config.getoption("--slow-network"):
        pytest.skip("takes long: run with --slow-network")
    assert faults(case, folder) == []


def test_every_case_is_whole() -> None:
    cases = [case for name in SETS for case in read_cases(name)]
    ids = [case["id"] for case in cases]
    assert sorted(ids) == sorted(set(ids))
    for case in cases:
        assert case.keys() <= KEYS
        assert case["expect"].keys() == {"exit", "must_say", "must_not_say"}
        assert case["command"][0] == "cudalock"
        assert re.match(r"[\w.-]+/[\w.-]+(#\d+|:\S+)", case["source"]), case["id"]
        assert not case.get("slow") or case["network"], case["id"]
    for name, least in SETS.items():
        assert len(read_cases(name)) >= least
    assert set(read_pending()) <= set(ids), "pending.txt names cases that do not exist"

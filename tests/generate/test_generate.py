"""Repositories laid out like real ones: what is read of each, and its lock, which uv accepts.

A case is a file under cases/repositories:

    about     a sentence
    args      what `cudalock generate` is given
    files     the repository
    pins      NAME or NAME==VERSION that the lock has; absent: names it has not
    told      parts of standard error; noted: notes in the lock; dry: lines of `--dry-run`
    command   a part of the command in the lock's header
    addresses files that the lock names by address
    refused   the exit status, where there is no lock, with what it says
    relaxed   pins with --relax, with what was loosened
    served    packages that are not in the matrix, NAME==VERSION to what it requires, on the index
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from cudalock import toml
from cudalock.cli import main
from tests.consumers import (
    HERE,
    Consumed,
    on_linux,
    pip_would_install,
    uv_would_install,
)
from tests.files import write_all
from tests.local_index import LocalIndex, build_wheel
from tests.paths import CASES
from tests.recorded import MAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.recorded import RecordedIndex

REPOSITORIES = CASES / "repositories"


def cases() -> list[Any]:
    return [pytest.param(path, id=path.stem) for path in sorted(REPOSITORIES.glob("*.toml"))]


def laid_out(path: Path, root: Path) -> dict[str, Any]:
    """The case, with its repository at `root`."""
    case = toml.loads(path.read_text(encoding="utf-8"))
    write_all(root, case["files"])
    return case


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["generate", *words], prog_name="cudalock")


def lacking(wanted: Iterable[str], pins: Mapping[str, str]) -> list[str]:
    """Those of `NAME` or `NAME==VERSION` that are not pinned so; without a local version any."""
    missing = []
    for text in wanted:
        name, _, version = text.partition("==")
        pinned = pins.get(name, "")
        here = pinned if "+" in version else pinned.partition("+")[0]
        if not pinned or (version and "://" not in pinned and here != version):
            missing.append(f"{text} (there is {pinned or 'none'})")
    return missing


@pytest.fixture(scope="module")
def further() -> Iterator[LocalIndex]:
    """A package index that has only what the cases say, and nothing that the matrix holds."""
    with LocalIndex() as index:
        for path in REPOSITORIES.glob("*.toml"):
            served = toml.loads(path.read_text(encoding="utf-8")).get("served", {})
            for pin, requires in served.items():
                name, _, version = pin.partition("==")
                wheel = build_wheel(name, version, requires=requires, offer_metadata=True)
                index.add(MAIN, wheel)
        yield index


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, further: LocalIndex) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    monkeypatch.chdir(root)
    monkeypatch.setenv("PIP_INDEX_URL", further.url(MAIN))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return root


@pytest.fixture
def installers(recorded_environment: Mapping[str, str], further: LocalIndex) -> Mapping[str, str]:
    """The environment of pip and uv: the recorded index, and the further one."""
    return {
        **recorded_environment,
        "UV_INDEX": further.url(MAIN),
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "PIP_EXTRA_INDEX_URL": further.url(MAIN),
    }


@pytest.mark.parametrize("path", cases())
def test_a_repository_and_its_lock(path: Path, repository: Path) -> None:
    case = laid_out(path, repository)
    if "refused" in case:
        refused = run(*case["args"])
        assert (refused.exit_code, refused.stdout) == (case["refused"], ""), refused.output
        assert not [text for text in case["says"] if text not in refused.stderr], refused.stderr
        result = run(*case["args"], "--relax")
    else:
        result = run(*case["args"])
    assert result.exit_code == 0, result.output
    lock = Consumed(result.stdout)
    assert not lacking(case.get("pins", case.get("relaxed", [])), lock.pins)
    assert not set(case.get("absent", ())) & set(lock.pins)
    noted = [*case.get("noted", ()), *case.get("loosened", ())]
    assert not [text for text in noted if f"# note: {text}" not in result.stdout], result.stdout
    assert not [text for text in case.get("told", ()) if text not in result.stderr], result.stderr
    assert case.get("command", "") in result.stdout
    files = [address.replace("+", "%2B") for address in case.get("addresses", ())]
    assert not [file for file in files if file not in result.stdout]
    assert result.stdout == run(*case["args"], *(["--relax"] if "refused" in case else [])).stdout


@pytest.mark.parametrize("path", cases())
def test_uv_accepts_the_lock_of_a_repository(
    path: Path,
    repository: Path,
    recorded: RecordedIndex,
    installers: Mapping[str, str],
    tmp_path: Path,
) -> None:
    case = laid_out(path, repository)
    result = run(*case["args"], *(["--relax"] if "refused" in case else []), "-q")
    assert result.exit_code == 0, result.output
    lock = Consumed(result.stdout).redirected(recorded)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert uv_would_install(lock, elsewhere, installers) == lock.pins


@pytest.mark.parametrize("path", cases())
def test_a_dry_run_shows_what_was_read(path: Path, repository: Path) -> None:
    case = laid_out(path, repository)
    relax = ["--relax"] if "refused" in case else []
    shown = run(*case["args"], *relax, "--dry-run")
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert not [line for line in case.get("dry", ()) if line not in lines], shown.stdout
    value = json.loads(run(*case["args"], *relax, "--dry-run", "--json").stdout)
    assert value["schema"] == "cudalock.generate/1"
    wanted = [line for line in lines if line.startswith("wanted: ")]
    assert wanted == list(map(wanted_line, value["requirements"]))
    if relax:
        refused = run(*case["args"], "--dry-run")
        assert refused.exit_code != 0
        assert set(wanted) <= set(refused.stdout.splitlines())


def test_a_dry_run_shows_what_was_looked_at_where_nothing_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = run("--dry-run")
    assert (shown.exit_code, shown.stdout) == (2, "code: 0 Python files, 0 notebooks\n")
    assert "nothing in `.` says what it wants" in shown.stderr


def wanted_line(row: Mapping[str, Any]) -> str:
    extras = f"[{','.join(row['extras'])}]" if row["extras"] else ""
    marker = f"; {row['marker']}" if row["marker"] else ""
    return f"wanted: {row['name']}{extras}{row['specifier']}{marker}, {row['origin']}"


BY_PIP = ("conflicting-files", "notebook-only", "setup-py-only")


@on_linux
@pytest.mark.parametrize("name", BY_PIP)
def test_pip_accepts_the_lock_of_a_repository(
    name: str,
    repository: Path,
    recorded: RecordedIndex,
    installers: Mapping[str, str],
    tmp_path: Path,
) -> None:
    """By its metadata, for the Python that runs the tests: pip reads markers for that one."""
    case = laid_out(REPOSITORIES / f"{name}.toml", repository)
    words = [HERE if word == "3.11" else word for word in case["args"]]
    result = run(*words, *(["--relax"] if "refused" in case else []), "--hashes", "off", "-q")
    if HERE != "3.11" and result.exit_code == 1:
        pytest.skip(f"these pins have no wheels for Python {HERE}")
    lock = Consumed(result.stdout).redirected(recorded)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    installed = pip_would_install(lock, elsewhere, installers)
    assert {each.rpartition("-")[0] for each in installed} == set(lock.pins)


TARGET = ("--python", "3.11", "--platform", "linux")


def test_what_no_index_has_names_its_line(repository: Path) -> None:
    write_all(repository, {"requirements.txt": "torch==2.5.1\nnobodys-package\n"})
    result = run(*TARGET)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no index has `nobodys-package` (requirements.txt:2)" in result.stderr
    without = run(*TARGET, "--exclude", "nobodys_package")
    assert without.exit_code == 0, without.output
    assert "left out: requirements.txt:2 `nobodys-package` (as `--exclude` says)" in without.stderr
    assert "--exclude nobodys_package" in without.stdout


def test_what_is_further_away_needs_the_network(repository: Path) -> None:
    write_all(repository, {"requirements.txt": "torch==2.5.1\nunasked-package\n"})
    result = run(*TARGET, "--offline")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "required in `unasked-package` (requirements.txt:2)" in result.stderr
    alone = run(*TARGET, "--offline", "--stack-only")
    assert alone.exit_code == 0, alone.output
    assert "# note: requirements.txt:2: `unasked-package` is left out" in alone.stdout


def test_the_nearest_version_that_an_index_has(repository: Path) -> None:
    write_all(repository, {"requirements.txt": "filters-2d==0.7.5\ntorch==2.5.1\n"})
    refused = run(*TARGET)
    assert refused.exit_code == 2, refused.output
    relaxed = run(*TARGET, "--relax")
    assert relaxed.exit_code == 0, relaxed.output
    note = "# note: requirements.txt:1: `filters-2d==0.7.5` cannot be kept: 0.7.0 is taken"
    assert note in relaxed.stdout

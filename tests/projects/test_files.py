"""Small repositories under files/, each with all that its files say in EXPECTED.txt."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cudalock.projects.read import find_files, read_file
from tests.projects.listing import check_places, listing

FILES = Path(__file__).parent / "files"


@pytest.mark.parametrize("case", sorted(FILES.iterdir()), ids=lambda path: path.name)
def test_what_a_repository_says(
    case: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(case)
    monkeypatch.setenv("SPANDREL_VERSION", "0.4.0")
    lines = []
    paths = [*find_files(Path())]
    paths += [path for path in map(Path, ("setup.py", ".python-version")) if path.exists()]
    for path in paths:
        file = read_file(path)
        check_places(file)
        assert file.encode() == path.read_bytes()
        lines += [*listing(file), ""]
    expected = case / "EXPECTED.txt"
    text = "\n".join(lines)
    if request.config.getoption("--update"):
        expected.write_text(text)
    # The folders of a name are separated as the system does it.
    assert text.replace(os.sep, "/") == expected.read_text(encoding="utf-8")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such pipes, and links for few users")
def test_only_regular_files_are_found(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "requirements.txt")
    (tmp_path / "reqs.txt").symlink_to("reqs.txt")
    (tmp_path / "constraints.txt").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to(".")
    (tmp_path / "dev-requirements.txt").write_text("torch\n", encoding="utf-8")
    assert find_files(tmp_path) == [tmp_path / "dev-requirements.txt"]

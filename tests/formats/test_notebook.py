"""Notebooks: read as an argument, written as a format, and run by a real kernel."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from cudalock.cli import main
from cudalock.errors import Contradiction
from cudalock.formats import WriteOptions, format_of
from cudalock.formats.notebook import LOCK, render
from cudalock.projects.read import read_file
from cudalock.targets import Target
from tests.local_index import LocalIndex, clean_environment, make_environment
from tests.sample_locks import CU124, FILELOCK, NUMPY, TORCH, lock, pin, small_lock, unhashed_lock

if TYPE_CHECKING:
    from pathlib import Path

TARGET = ["--platform", "linux", "--python", "3.11", "--offline"]


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def notebook(*sources: str | list[str], **cell: Any) -> str:
    cells = [
        {"cell_type": "code", "source": source, "metadata": {}, "outputs": [], **cell}
        for source in sources
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


# -- read -----------------------------------------------------------------------------------------


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    path = tmp_path / "demo.ipynb"
    # The letters before the pin take more room in the file than in the cell.
    text = notebook(
        [
            '# \u00e9\u2192\t"x"\n',
            '!pip install "torch==2.5.1" torchvision==0.19.0 \\\n',
            "  timm\n",
        ],
        "import torch\n%pip install --upgrade pip",
    )
    path.write_text(text, encoding="utf-8")
    return path


def test_check_judges_what_cells_install(wrong: Path) -> None:
    result = run("check", str(wrong), *TARGET)
    assert result.exit_code == 1, result.output
    assert "CL201 torch==2.5.1 and torchvision==0.19.0 are incompatible" in result.stdout


def test_places_are_in_the_file(wrong: Path) -> None:
    file = read_file(str(wrong))
    assert not file.problems
    places = {found.name: found.version_place for found in file.declared}
    shown = {name: file.text[at.start : at.end] for name, at in places.items() if at}
    assert shown == {"torch": "==2.5.1", "torchvision": "==0.19.0", "timm": "", "pip": ""}
    assert [found.name for found in file.declared] == ["torch", "torchvision", "timm", "pip"]


def test_a_fix_changes_the_pin_and_nothing_else(wrong: Path) -> None:
    before = wrong.read_text(encoding="utf-8")
    result = run("check", "--fix", str(wrong), *TARGET)
    assert "torchvision==0.19.0 is now torchvision==0.20.1" in result.output
    assert wrong.read_text(encoding="utf-8") == before.replace("==0.19.0", "==0.20.1")


def test_generate_takes_one_notebook(wrong: Path) -> None:
    text = wrong.read_text(encoding="utf-8").replace("0.19.0", "0.20.1")
    wrong.write_text(text.replace("import torch", "import torch, xformers"), encoding="utf-8")
    result = run("generate", str(wrong), *TARGET, "--dry-run")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "read: demo.ipynb: 3 entries"  # pip is a tool
    assert "wanted: torch==2.5.1, demo.ipynb:1" in lines
    assert "inferred: xformers (demo.ipynb cell 2:1 imports xformers)" in lines


def test_a_file_that_a_cell_writes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "demo.ipynb"
    written = "%%writefile reqs/gpu.txt\ntorch==2.5.1\ntorchvision==0.19.0\n"
    path.write_text(notebook(written, "!pip install -r reqs/gpu.txt"), encoding="utf-8")
    assert [found.text for found in read_file(str(path)).declared] == [
        "torch==2.5.1",
        "torchvision==0.19.0",
    ]
    path.write_text(notebook(written, "print('nobody installs it')"), encoding="utf-8")
    assert not read_file(str(path)).declared


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": 1}', '{"cells": [{"source": 1}]}'])
def test_what_is_no_notebook_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "demo.ipynb"
    path.write_text(text, encoding="utf-8")
    problems = [problem.message for problem in read_file(str(path)).problems]
    assert problems in ([], ["cannot read this notebook"])
    assert run("generate", str(path), *TARGET).exit_code == 2


def test_check_finds_notebooks_in_a_folder(wrong: Path) -> None:
    result = run("check", str(wrong.parent), *TARGET)
    assert result.exit_code == 1
    assert "demo.ipynb:1" in result.stdout


# -- written --------------------------------------------------------------------------------------


def test_whole_notebook() -> None:
    text = render(small_lock(), WriteOptions())
    document = json.loads(text)
    first, second, third = ("".join(cell["source"]) for cell in document["cells"])
    assert first.startswith(f"%%writefile {LOCK}\n# cudalock: Linux x86_64")
    assert "\n%pip install -q --require-hashes -r requirements.lock.txt\n" in second
    assert "if sys.version_info[:2] != (3, 11):" in second
    assert "everything is as in the lock" in third
    assert document["metadata"]["cudalock"]["schema"] == "cudalock.notebook/1"
    assert text == render(small_lock(), WriteOptions())
    uv = render(small_lock(), WriteOptions(installer="uv"))
    assert "!uv pip install --python {sys.executable} -q --require-hashes" in uv


def test_it_is_valid() -> None:
    nbformat = pytest.importorskip("nbformat", reason="pip install nbformat")
    for made in (small_lock(), unhashed_lock()):
        nbformat.validate(nbformat.reads(render(made, WriteOptions()), as_version=4))


def test_what_is_written_is_read_back_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "gpu.ipynb"
    solve = ["solve", "--torch", "2.8", "--cuda", "12.6", *TARGET, "-q", "-o", str(path)]
    assert run(*solve).exit_code == 0
    assert {found.name: found.version for found in read_file(str(path)).declared}[
        "torch"
    ] == "2.8.0+cu126"
    fresh = run("check", "--fresh", str(path))
    assert (fresh.exit_code, fresh.stdout) == (0, "")
    assert run(*solve).exit_code == 0
    path.write_text(notebook("print(1)"), encoding="utf-8")
    refused = run(*solve)
    assert refused.exit_code == 2
    assert "cudalock did not write it" in refused.stderr


def test_a_runtimes_own_torch_is_kept() -> None:
    words = ["solve", "--image", "colab:2026-01-27", "--keep", "torch", "xformers", "-q"]
    result = run(*words, "--offline", "--format", "notebook")
    assert result.exit_code == 0, result.output
    _, held, install, _ = ("".join(c["source"]) for c in json.loads(result.stdout)["cells"])
    assert held.startswith("%%writefile constraints.txt\n")
    assert "PIP_CONSTRAINT=constraints.txt," in held
    assert "\ntorch==2.9.0" in held
    assert "\n%pip install -q -c constraints.txt -r requirements.lock.txt\n" in install


def test_one_runtime_has_one_python() -> None:
    with pytest.raises(Contradiction, match="has one Python"):
        render(small_lock(others=(Target("3.12", "linux-x86_64"),)), WriteOptions())


def test_the_name_chooses_the_format() -> None:
    assert format_of("gpu.ipynb") == "notebook"


def test_a_kernel_runs_its_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = pytest.importorskip("nbclient", reason="pip install nbclient ipykernel nbformat")
    pytest.importorskip("ipykernel", reason="pip install nbclient ipykernel nbformat")
    nbformat = pytest.importorskip("nbformat", reason="pip install nbclient ipykernel nbformat")
    with LocalIndex() as index:
        index.add("/main/", NUMPY, FILELOCK)
        index.add("/whl/cu124/", TORCH)
        made = lock(
            pin(NUMPY, via=("torch",)),
            pin(FILELOCK, via=("torch",)),
            pin(TORCH, index="cu124", url=index.url(f"/whl/cu124/torch/{TORCH.name}")),
            indexes=(replace(CU124, url=index.url("/whl/cu124")),),
            target=Target(f"{sys.version_info[0]}.{sys.version_info[1]}", "linux-x86_64"),
        )
        environment = clean_environment(tmp_path, index.url("/main/"))
        make_environment(tmp_path, environment)
        document = nbformat.reads(render(made, WriteOptions()), as_version=4)
        # Not into the environment of the tests: pip installs beside it.
        beside = tmp_path / "beside"
        install = document.cells[1]
        install.source = install.source.replace(
            "%pip install -q", f"%pip install -q --target {beside}"
        ).replace(
            "importlib.invalidate", f"sys.path.insert(0, {str(beside)!r})\nimportlib.invalidate", 1
        )
        for name in ("PIP_INDEX_URL", "PIP_CONFIG_FILE"):
            if name in environment:
                monkeypatch.setenv(name, environment[name])
        client.NotebookClient(
            document, timeout=120, resources={"metadata": {"path": str(tmp_path)}}
        ).execute()
    printed = "".join(
        output.get("text", "") for cell in document.cells for output in cell.get("outputs", ())
    )
    assert (beside / "numpy-2.1.3.dist-info").is_dir()
    assert "no restart is needed" in printed
    assert "everything is as in the lock" in printed

"""Names that are another project on the package index, and slips of the names of the stack."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from packaging.utils import canonicalize_name

from cudalock import toml
from cudalock.cli import main
from cudalock.errors import MatrixError
from cudalock.matrix.matrix import Matrix
from cudalock.matrix.namesakes import read_namesakes
from cudalock.matrix.store import NAMESAKES
from tests.paths import MATRIX

LOADED = Matrix.load()


def codes(tmp_path: Path, text: str, name: str = "requirements.txt") -> dict[int, tuple[str, str]]:
    """The code and the fix of each line of a file that has a finding of a name."""
    (tmp_path / name).write_text(text, encoding="utf-8")
    words = ["check", str(tmp_path / name), "--platform", "linux", "--python", "3.11"]
    shown = CliRunner().invoke(main, words, prog_name="cudalock").stdout
    found = re.findall(r":(\d+):\d+: (CL10[78]) .*\n    fix: (.*)", shown)
    return {int(line): (code, fix) for line, code, fix in found}


@pytest.mark.parametrize(
    ("line", "code", "fix"),
    [
        ("nunchaku", "CL107", "github.com/nunchaku-tech/nunchaku/releases"),
        ("nunchaku==0.3.1", "CL107", "github.com/nunchaku-tech/nunchaku/releases"),
        ("whisper", "CL107", "`openai-whisper`"),
        ("Whisper>=1", "CL107", "`openai-whisper`"),
        ("apex", "CL107", "git+https://github.com/NVIDIA/apex"),
        ("clip", "CL107", "git+https://github.com/openai/CLIP.git"),
        ("pytorch==2.6.0", "CL107", "`torch`"),
        ("flash_attention", "CL107", "`flash-attn`"),
        ("xformer", "CL107", "`xformers`"),
        ("sklearn", "CL107", "`scikit-learn`"),
        ("cv2", "CL107", "`opencv-python`"),
        ("PIL", "CL107", "`pillow`"),
        ("faiss", "CL107", "`faiss-cpu`"),
        ("bitsandbytes-windows", "CL107", "`bitsandbytes`"),
        ("tensorrt==8.6.1", "CL107", "pypi.nvidia.com"),
        ("flashattn", "CL108", "`flash-attn`"),
        ("bitsandbyte", "CL108", "`bitsandbytes`"),
        ("torchvison==0.21.0", "CL108", "`torchvision`"),
        ("deepsped", "CL108", "`deepspeed`"),
        ("sage-atention", "CL108", "`sageattention`"),
    ],
)
def test_a_name_that_misleads(line: str, code: str, fix: str, tmp_path: Path) -> None:
    assert codes(tmp_path, f"torch==2.6.0\n{line}\n")[2][0] == code
    assert fix in codes(tmp_path, f"torch==2.6.0\n{line}\n")[2][1]


@pytest.mark.parametrize(
    "line",
    [
        # What is meant, by its address.
        "apex @ git+https://github.com/NVIDIA/apex",
        "clip @ git+https://github.com/openai/CLIP.git",
        # Other releases are packages like others.
        "tensorrt==10.3.0",
        "tensorrt",
        # Projects that are what they say.
        "torchio",
        "torchx",
        "flash-attn-4",
        "autogpt",
        "openai-whisper",
        "open-clip-torch",
        "onnxruntime",
        "torchmetrics",
        "tritonclient",
        "faster-whisper",
        "mamba-ssm",
    ],
)
def test_a_name_that_means_what_it_says(line: str, tmp_path: Path) -> None:
    assert codes(tmp_path, f"torch==2.6.0\n{line}\n") == {}


def test_without_the_stack_a_name_may_mean_the_other_project(tmp_path: Path) -> None:
    assert codes(tmp_path, "whisper==1.1.10\ncarbon==1.1.10\n") == {}
    assert codes(tmp_path, "pytorch\nrequests\n")[1][0] == "CL107"


def test_another_index_may_have_what_is_meant(tmp_path: Path) -> None:
    text = "--extra-index-url https://wheels.example/simple\ntorch==2.6.0\napex\nflashattn\n"
    assert codes(tmp_path, text) == {}


def test_a_source_of_uv_is_what_is_meant(tmp_path: Path) -> None:
    text = """[project]
name = "app"
version = "0.1"
dependencies = ["torch==2.6.0", "apex", "whisper"]
[tool.uv.sources]
apex = { git = "https://github.com/NVIDIA/apex" }
"""
    found = codes(tmp_path, text, "pyproject.toml")
    assert [code for code, _ in found.values()] == ["CL107"]
    assert next(iter(found.values()))[1] == "`openai-whisper`"


@pytest.mark.parametrize("words", [["whisper"], ["torch 2.6 and whisper"], ["whisper>=1.0"]])
def test_solve_refuses_it(words: list[str]) -> None:
    result = CliRunner().invoke(
        main, ["solve", *words, "--platform", "linux", "--python", "3.11", "--offline"]
    )
    assert result.exit_code == 1
    assert "`whisper` on the package index is another package" in result.stderr
    assert "openai-whisper" in result.stderr


def test_the_project_that_is_meant_is_solved_first() -> None:
    words = [
        "solve",
        "bitsandbytes-windows",
        "--platform",
        "linux",
        "--python",
        "3.11",
        "--offline",
    ]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1
    (first, *_) = re.findall(r"^hint: (.*)", result.stderr, re.MULTILINE)
    assert first.startswith("`cudalock solve --bnb")


def test_every_row_is_whole() -> None:
    tables = toml.loads((MATRIX / NAMESAKES).read_text(encoding="utf-8"))
    rows = tables["namesake"]
    names = [row["name"] for row in rows]
    assert sorted(names) == sorted(set(names))
    for row in rows:
        assert row["name"] == canonicalize_name(row["name"])
        assert all(source.startswith("https://") for source in row["source"]), row["name"]
        assert {"seen", "checked"} <= row.keys(), row["name"]
        # A component of the name is what is meant, and lives elsewhere.
        if row["name"] in LOADED.projects:
            assert not LOADED.component(row["name"]).on_index, row["name"]
    assert LOADED.namesakes.real.isdisjoint(names)


@pytest.mark.parametrize(
    ("row", "key"),
    [
        ('name = "a"\nsource = ["https://x.test"]', "is"),
        ('name = "a"\nis = "b"\nproject = "c"\nsource = ["https://x.test"]', "meant"),
        ('name = "a"\nis = "b"\nmeant = "c"\nsource = ["https://x.test"]', "project"),
        ('name = "a"\nis = "b"\nmeant = "c"\nproject = "d"', "source"),
        (
            'name = "a"\nis = "b"\nmeant = "c"\nproject = "d"\nsource = ["x"]\neffect = "z"',
            "effect",
        ),
    ],
)
def test_damaged_rows_name_the_key(row: str, key: str) -> None:
    with pytest.raises(MatrixError) as raised:
        read_namesakes(toml.loads(f"[[namesake]]\n{row}\n"))
    assert raised.value.key == f"namesake[a].{key}"

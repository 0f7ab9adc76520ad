"""`cudalock matrix rules`, `show` and `table`: screens on a small matrix, known truths on the real.

The truths are those of two public documents, corrected where the wheels say otherwise:
https://github.com/woct0rdho/triton-windows/issues/43 and the reports round
https://github.com/bitsandbytes-foundation/bitsandbytes/issues/1492.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cudalock.cli import main
from cudalock.errors import BadSpecifier, MatrixError, UnknownName, UnknownVersion, UsageError
from cudalock.matrix.matrix import Matrix
from cudalock.show import find_definition, make_table, read_definitions, rules, show
from cudalock.show.wheels import python_ranges
from cudalock.targets.platforms import of_wheel_tags
from cudalock.targets.tags import python_of
from tests.files import write_all
from tests.paths import RESOLVER

HEADER = """\
schema = 1
version = "2026.01.02"
[[index]]
id = "pypi"
trust = "own"
[[index]]
id = "cu124"
url = "https://download.pytorch.org/whl/cu124"
trust = "own"
"""
TORCH = """\
name = "torch"
aliases = ["pytorch"]
imports = ["torch"]
role = "framework"
summary = "the framework"

[[fact]]
id = "torch-pairs"
for = "==2.5.*"
when = "sys_platform == 'win32'"
constrains = ["triton-windows>=3.1,<3.2"]
effect = "unsupported"
says = "is paired with triton-windows 3.1"
fix = "triton-windows 3.1"
basis = "docs"
source = ["https://example.org/pairs"]
checked = 2026-01-02

[[fact]]
id = "torch-2.4-bad"
for = "==2.4.0"
refuses = true
effect = "degrades"
says = "is slow \u2192 very slow"
basis = "unverified"
source = ["https://example.org/slow"]
checked = 2026-01-02
"""
GPU = """\
name = "gpu"
kind = "virtual"
summary = "compute capability"

[[fact]]
id = "gpu-old"
for = "<5.0"
conflicts = ["torch"]
effect = "breaks"
says = "is too old"
basis = "docs"
source = ["https://example.org/old"]
checked = 2026-01-02
"""
INDEX = """\
{
"project": "torch",
"retrieved": "2026-01-02",
"sources": ["index files"],
"releases": {
"2.4.0": {"uploaded":"2024-07-24","python":">=3.8","requires":["triton==3.0.0; platform_system == \
'Linux'"],"builds":[{"index":"pypi","labels":{"cuda":"12.1.1","archs":["8.6"]},"wheels":\
[["cp38-cp38-linux_x86_64",null],["cp39-cp39-linux_x86_64","ab"]]}]},
"2.5.1": {"uploaded":"2024-10-29","python":">=3.9","requires":["triton==3.1.0; platform_system == \
'Linux'"],"default":{"cuda":"12.4"},"builds":[{"index":"pypi","labels":{"cuda":"12.4.1","archs":\
["8.6","9.0+PTX"]},"wheels":[["cp310-cp310-linux_x86_64","cd"]]},{"index":"cu124","local":"cu124",\
"labels":{"cuda":"12.4.1"},"known":"derived","source":"a rule","wheels":\
[["cp310-cp310-win_amd64",null],["cp313-cp313t-win_amd64",null]]}]}
}
}
"""
TABLES = """\
[[table]]
name = "pairs"
title = "torch and Triton"
about = ["torch"]
rows = {of = "torch"}
columns = [
  {key = "torch", shows = "version"},
  {key = "linux", title = "triton on Linux", shows = "requires", \
project = "triton", platform = "linux-x86_64"},
  {key = "windows", title = "on Windows", shows = "paired", \
project = "triton-windows", platform = "windows-x86_64"},
  {key = "python", title = "Python", shows = "pythons"},
  {key = "known", shows = "known"},
  {key = "notes", shows = "refused"},
]
notes = ["a note | with a bar"]
"""
GPUS = {"gpus": {"RTX 3090": "8.6", "T4": "7.5"}, "capabilities": {"8.6": {}, "7.5": {}}}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A matrix of one project, as a folder."""
    files = {
        "matrix.toml": HEADER,
        "tables.toml": TABLES,
        "components/torch.toml": TORCH,
        "components/gpu.toml": GPU,
        "index/torch.json": INDEX,
        "cuda/gpus.json": json.dumps(GPUS),
        "cuda/toolkits.json": '{"releases": {}}',
    }
    return write_all(tmp_path, files)


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["matrix", *words], prog_name="cudalock")


def screen(*words: str) -> str:
    result = run(*words)
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    assert result.stdout.isascii()
    return result.stdout


# -- whole screens on the small matrix --------------------------------------------------------


def test_a_table(small: Path) -> None:
    assert screen("table", "pairs", "--matrix", str(small)) == (
        "torch and Triton (matrix 2026.01.02)\n"
        "\n"
        "torch  triton on Linux  on Windows  Python       known              notes\n"
        "-----  ---------------  ----------  -----------  -----------------  -------------\n"
        "2.5.1  3.1.0            >=3.1,<3.2  3.10, 3.13t  metadata, derived  -\n"
        "2.4.0  3.0.0            -           3.8-3.9      metadata           torch-2.4-bad\n"
        "\n"
        "[torch-2.4-bad] torch ==2.4.0 is slow -> very slow\n"
        "a note | with a bar\n"
        "metadata: the file's own METADATA was read\n"
        "derived: by rule from a build script; the wheel may not exist\n"
    )


def test_a_table_in_markdown(small: Path) -> None:
    assert screen("table", "pairs", "2.4", "--format", "markdown", "--matrix", str(small)) == (
        "torch and Triton (matrix 2026.01.02)\n"
        "\n"
        "| torch | triton on Linux | on Windows | Python | known | notes |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        "| 2.4.0 | 3.0.0 |  | 3.8-3.9 | metadata | torch-2.4-bad |\n"
        "\n"
        "- `torch-2.4-bad`: torch ==2.4.0 is slow -> very slow\n"
        "- a note | with a bar\n"
        "- metadata: the file's own METADATA was read\n"
    )


def test_a_table_in_csv(small: Path) -> None:
    rows = list(
        csv.reader(io.StringIO(screen("table", "pairs", "--format", "csv", "--matrix", str(small))))
    )
    assert rows[0] == ["torch", "linux", "windows", "python", "known", "notes"]
    assert rows[1] == ["2.5.1", "3.1.0", ">=3.1,<3.2", "3.10, 3.13t", "metadata, derived", ""]


def test_a_table_in_json(small: Path) -> None:
    text = screen("table", "pairs", "2.4.0", "--json", "--matrix", str(small))
    assert json.loads(text) == {
        "schema": "cudalock.table/1",
        "matrix": "2026.01.02",
        "name": "pairs",
        "title": "torch and Triton",
        "columns": [
            {"key": "torch", "title": "torch"},
            {"key": "linux", "title": "triton on Linux"},
            {"key": "windows", "title": "on Windows"},
            {"key": "python", "title": "Python"},
            {"key": "known", "title": "known"},
            {"key": "notes", "title": "notes"},
        ],
        "rows": [
            {
                "torch": "2.4.0",
                "linux": ["3.0.0"],
                "windows": None,
                "python": ["3.8", "3.9"],
                "known": ["metadata"],
                "notes": ["torch-2.4-bad"],
            }
        ],
        "facts": {"torch-2.4-bad": "torch ==2.4.0 is slow \u2192 very slow"},
        "notes": ["a note | with a bar", "metadata: the file's own METADATA was read"],
    }


def test_a_narrow_screen_takes_the_columns_in_parts(small: Path) -> None:
    matrix = Matrix.load(small)
    table = make_table(find_definition(matrix, "pairs"), matrix)
    assert table.lines(44) == [
        "torch  triton on Linux  on Windows",
        "-----  ---------------  ----------",
        "2.5.1  3.1.0            >=3.1,<3.2",
        "2.4.0  3.0.0            -",
        "",
        "torch  Python       known",
        "-----  -----------  -----------------",
        "2.5.1  3.10, 3.13t  metadata, derived",
        "2.4.0  3.8-3.9      metadata",
        "",
        "torch  notes",
        "-----  -------------",
        "2.5.1  -",
        "2.4.0  torch-2.4-bad",
    ]
    assert max(map(len, table.lines(30))) <= 30


def test_rules(small: Path) -> None:
    assert screen("rules", "--for", "PyTorch", "--matrix", str(small)) == (
        "gpu: compute capability\n"
        "\n"
        "[gpu-old] gpu <5.0 is too old\n"
        "  conflicts: torch\n"
        "  effect: breaks\n"
        "  basis: docs, checked 2026-01-02\n"
        "  source: https://example.org/old\n"
        "\n"
        "torch: the framework\n"
        "\n"
        "[torch-2.4-bad] torch ==2.4.0 is slow -> very slow\n"
        "  refuses: the release itself\n"
        "  effect: degrades\n"
        "  basis: unverified, checked 2026-01-02\n"
        "  source: https://example.org/slow\n"
        "\n"
        "[torch-pairs] torch ==2.5.* is paired with triton-windows 3.1\n"
        "  when: sys_platform == 'win32'\n"
        "  constrains: triton-windows>=3.1,<3.2\n"
        "  effect: unsupported\n"
        "  fix: triton-windows 3.1\n"
        "  basis: docs, checked 2026-01-02\n"
        "  source: https://example.org/pairs\n"
        "\n"
        "3 facts that name torch (matrix 2026.01.02)\n"
    )


def test_rules_in_json(small: Path) -> None:
    document = json.loads(screen("rules", "--for", "gpu", "--json", "--matrix", str(small)))
    assert document == {
        "schema": "cudalock.rules/1",
        "matrix": "2026.01.02",
        "for": "gpu",
        "facts": [
            {
                "id": "gpu-old",
                "component": "gpu",
                "for": "<5.0",
                "conflicts": ["torch"],
                "effect": "breaks",
                "says": "is too old",
                "basis": "docs",
                "source": ["https://example.org/old"],
                "checked": "2026-01-02",
                "scope": "solve",
            }
        ],
    }


def test_a_project(small: Path) -> None:
    assert screen("show", "pytorch", "--matrix", str(small)) == (
        "torch: the framework\n"
        "also called: pytorch\n"
        "imported as: torch\n"
        "index: retrieved 2026-01-02\n"
        "source: index files\n"
        "\n"
        "version  uploaded    Requires-Python  Pythons      platforms"
        "                     builds: wheels by place\n"
        "-------  ----------  ---------------  -----------  ----------------------------"
        "  -------------------------\n"
        "2.5.1    2024-10-29  >=3.9            3.10, 3.13t  linux-x86_64, windows-x86_64"
        "  cu124 2 (derived), pypi 1\n"
        "2.4.0    2024-07-24  >=3.8            3.8-3.9      linux-x86_64"
        "                  pypi 2\n"
        "\n"
        "facts: 3: cudalock matrix rules --for torch\n"
        "table: cudalock matrix table pairs\n"
    )


def test_a_release(small: Path) -> None:
    assert screen("show", "torch", "2.5.1", "--matrix", str(small)) == (
        "torch 2.5.1\n"
        "uploaded: 2024-10-29\n"
        "default cuda: 12.4\n"
        "\n"
        "pypi: 1 wheel, 1 with sha256, metadata\n"
        "  cuda: 12.4.1\n"
        "  archs: 8.6, 9.0+PTX\n"
        "  requires-python: >=3.9\n"
        "  requires:\n"
        "    triton==3.1.0; platform_system == 'Linux'\n"
        "  wheels:\n"
        "    torch-2.5.1-cp310-cp310-linux_x86_64.whl  sha256:cd\n"
        "\n"
        "cu124: 2 wheels, 0 with sha256, derived\n"
        "  local: cu124\n"
        "  cuda: 12.4.1\n"
        "  requires-python: >=3.9\n"
        "  source: a rule\n"
        "  requires: as pypi above\n"
        "  wheels:\n"
        "    torch-2.5.1+cu124-cp310-cp310-win_amd64.whl  no hash known\n"
        "    torch-2.5.1+cu124-cp313-cp313t-win_amd64.whl  no hash known\n"
        "\n"
        "[torch-pairs] torch ==2.5.* is paired with triton-windows 3.1\n"
        "facts: 1: cudalock matrix rules --for torch\n"
    )


def test_a_release_in_json(small: Path) -> None:
    document = json.loads(screen("show", "torch==2.5.1+cu124", "--json", "--matrix", str(small)))
    (build,) = document["builds"]
    assert build["wheels"][0] == {
        "file": "torch-2.5.1+cu124-cp310-cp310-win_amd64.whl",
        "url": "https://download.pytorch.org/whl/cu124/torch-2.5.1%2Bcu124-cp310-cp310-win_amd64.whl",
        "sha256": None,
    }
    assert (build["known"], build["local"], build["hashes"]) == ("derived", "cu124", 0)
    assert document["facts"] == ["torch-pairs"]


def test_a_gpu(small: Path) -> None:
    assert screen("show", "GeForce RTX 3090", "--matrix", str(small)) == (
        "GeForce RTX 3090: compute capability 8.6\n"
        "GPUs: RTX 3090\n"
        "\n"
        "torch builds with machine code for 8.6, by CUDA release:\n"
        "\n"
        "version  Linux x86_64, CUDA  Linux aarch64, CUDA  Windows, CUDA\n"
        "-------  ------------------  -------------------  -------------\n"
        "2.5.1    12.4                -                    -\n"
        "2.4.0    12.1                -                    -\n"
        "\n"
        "no fact speaks against it\n"
    )


def test_a_matrix_without_tables(small: Path) -> None:
    (small / "tables.toml").unlink()
    matrix = Matrix.load(small)
    assert read_definitions(matrix) == {}
    assert "table:" not in show(matrix, "torch").text()
    with pytest.raises(UsageError, match="unknown table `pairs`"):
        find_definition(matrix, "pairs")


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('title = "torch and Triton"', "", "table[0].title"),
        ('shows = "known"', 'shows = "nothing"', "table[0].columns[4].shows"),
        ('{key = "notes"', '{kee = "notes"', "table[0].columns[5].key"),
        ('platform = "linux-x86_64"', 'platform = "linux"', "table[0].columns[1].platform"),
        ('{of = "torch"}', '{vendor = "drivres"}', "table[0].rows.vendor"),
        ('{of = "torch"}', '{by = ["cuda"]}', "table[0].rows"),
        ("[[table]]", "[[table]", "cannot be read"),
    ],
)
def test_a_wrong_definition_is_named(small: Path, old: str, new: str, key: str) -> None:
    (small / "tables.toml").write_text(TABLES.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(MatrixError) as caught:
        read_definitions(Matrix.load(small))
    assert key in str(caught.value)


# -- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["table", "torch-tritn"], "hint: cudalock matrix table torch-triton"),
        (["table", "torch-triton", "9.9"], "no row for `9.9`"),
        (["table", "torch-triton", ">=x"], "neither a version nor a range"),
        (["table", "cudnn", "--format", "html"], "'html' is not one of"),
        (["rules", "--for", "xformrs"], "did you mean `xformers`?"),
        (["rules", "--for", "nosuchthing"], "unknown component `nosuchthing`"),
        (["show", "tourch"], "`torch`"),
        (["show", "RTX 5091"], 'hint: cudalock matrix show "RTX 5090"'),
        (["show", "RTX", "5091"], 'hint: cudalock matrix show "RTX 5090"'),
        (["show", "torch", "2.5"], "hint: cudalock matrix show torch 2.5.1"),
        (["show", "torch", "2.5.1+cu999"], "hint: cudalock matrix show torch 2.5.1+cu"),
        (["show", "torch", "new"], "invalid version `new`"),
        (["show", "cuda", "new"], "invalid version `new`"),
        (["rules", "--matrix", "nowhere"], "matrix.toml"),
        (["shwo"], "No such command"),
    ],
)
def test_wrong_questions_are_2(words: list[str], said: str) -> None:
    result = run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert said in result.stderr


def test_json_and_another_format_are_an_error_in_json() -> None:
    result = run("table", "cudnn", "--json", "--format", "csv")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["code"]) == (2, "contradiction")
    assert "cannot be combined" in document["message"]
    assert document["message"] in result.stderr


def test_errors_have_their_kind() -> None:
    with pytest.raises(UnknownName):
        rules(real(), "nosuchthing")
    with pytest.raises(UnknownVersion):
        show(real(), "torch", "1.0")
    with pytest.raises(BadSpecifier):
        show(real(), "torch", "one")


# -- the real matrix --------------------------------------------------------------------------


@cache
def real() -> Matrix:
    return Matrix.load()


@cache
def rows_of(name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = make_table(find_definition(real(), name), real()).document()[
        "rows"
    ]
    return rows


def row(name: str, **wanted: object) -> dict[str, Any]:
    """The one row of a table with these values."""
    (found,) = (
        each for each in rows_of(name) if all(each[key] == value for key, value in wanted.items())
    )
    return found


def test_every_table_in_every_form() -> None:
    names = [each["name"] for each in json.loads(screen("table", "--json"))["rows"]]
    assert names == list(read_definitions(real()))
    for name in names:
        table = make_table(find_definition(real(), name), real())
        document = json.loads(json.dumps(table.document()))
        keys = [column["key"] for column in document["columns"]]
        assert document["rows"], name
        assert all(list(each) == keys for each in document["rows"]), name
        for text in (table.text(), table.text(80), table.markdown(), table.csv()):
            assert text.isascii(), name
            assert text.endswith("\n"), name
        assert len(list(csv.reader(io.StringIO(table.csv())))) == len(table.rows) + 1
        assert set(document["facts"]) <= set(real().facts), name


def test_what_tables_name_exists() -> None:
    known = {*real().projects, *real().components}
    for definition in read_definitions(real()).values():
        assert {*definition.of, *definition.about} <= known, definition.name
        assert set(definition.facts) <= set(real().facts), definition.name


@pytest.mark.parametrize(
    ("torch", "linux", "windows"),
    [
        # METADATA of the torch wheels; the pairs of
        # https://github.com/triton-lang/triton-windows/blob/readme/README.md
        ("2.6.0", "3.2.0", ">=3.2,<3.3"),
        ("2.5.1", "3.1.0", ">=3.1,<3.2"),
        ("2.5.0", "3.1.0", ">=3.1,<3.2"),
        ("2.4.1", "3.0.0", ">=3.1,<3.2"),
        ("2.4.0", "3.0.0", ">=3.1,<3.2"),
        ("2.3.1", "2.3.1", None),
        ("2.3.0", "2.3.0", None),
        ("2.2.2", "2.2.0", None),
    ],
)
def test_torch_triton(torch: str, linux: str, windows: str | None) -> None:
    found = row("torch-triton", torch=torch)
    assert found["triton_linux"] == [linux]
    assert found["triton_windows"] == ([windows] if windows else None)


@pytest.mark.parametrize(
    ("index", "cuda", "versions"),
    [
        # https://github.com/pytorch/pytorch/blob/main/RELEASE.md#release-compatibility-matrix
        ("cu126", "12.6", ["2.6.0"]),
        ("cu124", "12.4", ["2.6.0", "2.5.1", "2.5.0", "2.4.1", "2.4.0"]),
        ("cu121", "12.1", ["2.5.1", "2.5.0", "2.4.1", "2.4.0", "2.3.1", "2.3.0", "2.2.2", "2.1.0"]),
    ],
)
def test_torch_cuda(index: str, cuda: str, versions: list[str]) -> None:
    for version in versions:
        found = row("torch-cuda", torch=version, index=[index])
        assert {".".join(each.split(".")[:2]) for each in found["cuda"]} == {cuda}
        assert found["linux_x86_64"], version
        assert found["windows_x86_64"], version
    assert ["cu124"] not in [
        each["index"] for each in rows_of("torch-cuda") if each["torch"] == "2.3.1"
    ]


def test_torch_cuda_says_that_the_package_index_has_no_cuda_for_windows() -> None:
    # https://github.com/unslothai/unsloth/issues/1995
    found = row("torch-cuda", torch="2.5.1", index=["pypi"], cuda=["none"])
    assert found["windows_x86_64"] == ["metadata"]
    assert found["linux_x86_64"] is None


@pytest.mark.parametrize(
    ("torch", "index", "pins"),
    [
        # https://github.com/pytorch/pytorch/blob/v2.6.0/.github/scripts/generate_binary_build_matrix.py
        ("2.6.0", "cu126", "12.6.77 12.6.77 12.6.4.1 11.3.0.4 9.5.1.17 3.2.0"),
        ("2.6.0", "pypi", "12.4.127 12.4.127 12.4.5.8 11.2.1.3 9.1.0.70 3.2.0"),
        ("2.5.1", "pypi", "12.4.127 12.4.127 12.4.5.8 11.2.1.3 9.1.0.70 3.1.0"),
        ("2.5.1", "cu121", "12.1.105 12.1.105 12.1.3.1 11.0.2.54 9.1.0.70 3.1.0"),
    ],
)
def test_torch_pins(torch: str, index: str, pins: str) -> None:
    found = row("torch-pins", torch=torch, index=[index])
    columns = ("nvrtc", "runtime", "cublas", "cufft", "cudnn", "triton")
    assert [found[column] for column in columns] == [[pin] for pin in pins.split()]


def test_torch_pins_opens_the_parts_of_a_toolkit() -> None:
    # torch 2.14 asks for cuda-toolkit[cublas,...]==13.0.3 and names no nvidia-cublas.
    found = row("torch-pins", torch="2.14.1", index=["pypi"])
    pins = real().toolkits.releases["13.0.3"]["pins"]
    assert found["cublas"] == [pins["nvidia-cublas"]]
    assert found["nvrtc"] == [pins["nvidia-cuda-nvrtc"]]


@pytest.mark.parametrize(
    ("xformers", "torch", "windows"),
    [
        # METADATA and `xformers/cpp_lib.json` of the wheels; for Windows wheels.yml
        # of https://github.com/facebookresearch/xformers at each tag.
        ("0.0.29.post1", "2.5.1", ["cu124"]),
        ("0.0.29", "2.5.1", ["cu124"]),
        ("0.0.28.post3", "2.5.1", ["cu124"]),
        ("0.0.28.post2", "2.5.0", ["cu124"]),
        ("0.0.28.post1", "2.4.1", ["cu124"]),
        ("0.0.27.post2", "2.4.0", ["cu118", "cu121", "pypi (12.1)"]),
        ("0.0.27.post1", "2.4.0", ["cu118", "cu121", "pypi (12.1)"]),
        ("0.0.27", "2.3.1", ["cu118", "cu121", "pypi (12.1)"]),  # not 2.3.0
        ("0.0.26.post1", "2.3.0", ["cu118", "cu121", "pypi (12.1)"]),
        ("0.0.25.post1", "2.2.2", ["cu118", "cu121", "pypi (12.1)"]),
    ],
)
def test_torch_xformers(xformers: str, torch: str, windows: list[str]) -> None:
    found = row("torch-xformers", xformers=xformers)
    assert (found["torch"], found["windows"]) == ([torch], windows)


def test_torch_xformers_names_the_releases_not_to_use() -> None:
    # https://github.com/facebookresearch/xformers/issues/1163; 0.0.31 for Windows is empty.
    assert row("torch-xformers", xformers="0.0.29")["notes"] == ["xformers-0.0.29-bug"]
    assert row("torch-xformers", xformers="0.0.29.post1")["notes"] is None
    assert "pypi (12.6)" not in row("torch-xformers", xformers="0.0.31")["windows"]


@pytest.mark.parametrize(
    ("flash_attn", "cuda", "torch"),
    [
        # build-wheels.yml at the tags of https://github.com/bdashore3/flash-attention
        ("2.7.1.post1", "12.4", "2.3.1 2.4.0 2.5.1"),
        ("2.7.0.post2", "12.4", "2.3.1 2.4.0 2.5.1"),
        ("2.6.3", "12.3", "2.2.2 2.3.1 2.4.0"),
        ("2.6.1", "12.3", "2.2.2 2.3.1"),
        ("2.5.9.post2", "12.2", "2.2.2 2.3.1"),
        ("2.5.9.post1", "12.2", "2.2.2 2.3.0"),
        ("2.5.8", "12.2", "2.2.2 2.3.0"),
        ("2.5.6", "12.2", "2.1.2 2.2.2"),
        ("2.5.2", "12.2", "2.1.2 2.2.0"),
        ("2.4.2", "12.2", "2.1.2 2.2.0"),
    ],
)
def test_fa2_windows(flash_attn: str, cuda: str, torch: str) -> None:
    found = row(
        "fa2-windows", flash_attn=flash_attn, builder=["bdashore3/flash-attention"], cuda=[cuda]
    )
    assert set(torch.split()) <= set(found["torch"])


def test_fa2_windows_says_what_may_not_exist() -> None:
    # The source at that tag still calls itself 2.5.9.post1.
    assert row("fa2-windows", flash_attn="2.5.9.post2")["known"] == ["derived"]
    later = {each["cuda"][0] for each in rows_of("fa2-windows") if each["cuda"]}
    assert {"12.8", "13.0"} <= later


def test_triton_python() -> None:
    # The file list of triton; https://github.com/woct0rdho/triton-windows/releases
    def last(**wanted: object) -> str:
        found = row("triton-python", **wanted)
        pythons = found["linux_x86_64"] or found["windows_x86_64"]
        return str(pythons[-1])

    assert last(project="triton", version="3.0.0") == "3.12"
    assert last(project="triton", version="3.1.0") == "3.12"
    assert last(project="triton", version="3.2.0") == "3.13"
    assert last(project="triton-windows", version="3.1.0.post17") == "3.12"
    assert row("triton-python", project="triton", version="3.1.0")["windows_x86_64"] is None


@pytest.mark.parametrize(
    ("version", "triton", "windows"),
    [
        # Contents of the wheels; https://github.com/bitsandbytes-foundation/bitsandbytes/issues/1492
        ("0.38.0", None, False),
        ("0.41.1", ["<3.2"], False),
        ("0.42.0", ["<3.2"], False),
        ("0.43.0", ["<3.2"], True),
        ("0.43.1", ["<3.2"], True),
        ("0.43.2", ["<3.2"], True),
        ("0.44.0", ["<3.2"], True),
        ("0.44.1", ["<3.2"], True),
        ("0.45.0", ["<3.2"], True),
        ("0.45.1", None, True),
        ("0.45.2", None, True),
        ("0.45.5", None, True),
        ("0.48.2", None, True),
    ],
)
def test_bitsandbytes(version: str, triton: list[str] | None, windows: bool) -> None:
    found = row("bitsandbytes", bitsandbytes=version)
    assert found["triton"] == triton
    assert bool(found["windows"]) is windows


def test_bitsandbytes_libraries() -> None:
    # https://github.com/bitsandbytes-foundation/bitsandbytes/releases/tag/0.43.1: Linux alone
    found = row("bitsandbytes", bitsandbytes="0.43.1")
    assert "12.4" in found["linux"]
    assert "12.4" not in found["windows"]
    assert row("bitsandbytes", bitsandbytes="0.48.2")["torch"] == ["<3,>=2.3"]


@pytest.mark.parametrize(
    ("cuda", "pins"),
    [
        # https://developer.download.nvidia.com/compute/cuda/redist/: runtime, cublas, nvcc, nvrtc,
        # cufft. The published cuda-toolkit 12.5.1 repeats 12.5.0 by mistake.
        ("12.6.2", "12.6.77 12.6.3.3 12.6.77 12.6.77 11.3.0.4"),
        ("12.6.1", "12.6.68 12.6.1.4 12.6.68 12.6.68 11.2.6.59"),
        ("12.6.0", "12.6.37 12.6.0.22 12.6.20 12.6.20 11.2.6.28"),
        ("12.5.1", "12.5.82 12.5.3.2 12.5.82 12.5.82 11.2.3.61"),
        ("12.5.0", "12.5.39 12.5.2.13 12.5.40 12.5.40 11.2.3.18"),
        ("12.4.1", "12.4.127 12.4.5.8 12.4.131 12.4.127 11.2.1.3"),
        ("12.4.0", "12.4.99 12.4.2.65 12.4.99 12.4.99 11.2.0.44"),
        ("12.2.2", "12.2.140 12.2.5.6 12.2.140 12.2.140 11.0.8.103"),
        ("12.1.1", "12.1.105 12.1.3.1 12.1.105 12.1.105 11.0.2.54"),
        ("12.1.0", "12.1.55 12.1.0.26 12.1.66 12.1.55 11.0.2.4"),
        ("11.8.0", "11.8.89 11.11.3.6 11.8.89 11.8.89 10.9.0.58"),
    ],
)
def test_cuda_pins(cuda: str, pins: str) -> None:
    parts = ("cudart", "cublas", "nvcc", "nvrtc", "cufft")
    assert [row("cuda-pins", cuda=cuda, part=part)["version"] for part in parts] == pins.split()


def test_cuda_pins_has_no_package_that_does_not_exist() -> None:
    # nvidia-nvfatbin begins with CUDA 12.4; nvidia-nvjitlink-cu11 and -opencl-cu11 were never made.
    for cuda, part in [
        ("12.1.1", "nvfatbin"),
        ("12.1.0", "nvfatbin"),
        ("11.8.0", "nvfatbin"),
        ("11.8.0", "nvjitlink"),
        ("11.8.0", "opencl"),
    ]:
        assert not [r for r in rows_of("cuda-pins") if (r["cuda"], r["part"]) == (cuda, part)]
    assert row("cuda-pins", cuda="12.5.1", part="cublas")["published"] == "12.5.2.13"


@pytest.mark.parametrize(
    ("cudnn", "version", "recommended"),
    [
        # https://developer.download.nvidia.com/compute/cudnn/redist/
        ("8.9.7", "8.9.7.29", "12.2"),
        ("9.1.0", "9.1.0.70", "12.4"),
        ("9.1.1", "9.1.1.17", "12.4"),
        ("9.2.0", "9.2.0.82", "12.5"),
        ("9.2.1", "9.2.1.18", None),
        ("9.3.0", "9.3.0.75", None),
        ("9.4.0", "9.4.0.58", None),
        ("9.5.0", "9.5.0.50", None),
        ("9.5.1", "9.5.1.17", None),
    ],
)
def test_cudnn(cudnn: str, version: str, recommended: str | None) -> None:
    found = row("cudnn", cudnn=cudnn, version=version, project="nvidia-cudnn-cu12")
    assert (found["cuda_major"], found["recommended_cuda"]) == ("12", recommended)
    assert "windows-x86_64" in found["platforms"]


def test_drivers_and_capabilities() -> None:
    # https://docs.nvidia.com/cuda/cuda-toolkit-release-notes/index.html
    found = row("cuda-drivers", cuda="12.4.1")
    assert (found["linux"], found["oldest_linux"]) == ("550.54.15", "525.60.13")
    # RTX 50 from torch 2.7 on: https://github.com/pytorch/pytorch/issues/145949
    assert row("gpu-capabilities", capability="12.0")["framework"].startswith("2.7.0 to ")


def test_an_rtx_5090() -> None:
    page = show(real(), "RTX 5090").document()
    builds = {each["version"]: each for each in page["builds"]}
    assert page["capability"] == "12.0"
    assert builds["2.7.0"]["cuda_linux_x86_64"] == ["12.8"]
    assert "2.6.0" not in builds
    assert {"fa2-blackwell", "triton-blackwell", "xformers-fa3-blackwell"} <= set(
        page["refused_by"]
    )
    assert show(real(), "sm_120").document()["gpus"] == page["gpus"]


def test_a_driver_as_a_solve_takes_it() -> None:
    page = show(real(), "driver", "550.54").document()
    assert "cuda-13-driver" in page["refused_by"]
    assert "cuda-12-driver-linux" not in show(real(), "driver", "525.60").document()["refused_by"]


def test_cuda_and_cudnn_show_their_rows() -> None:
    tables = {each["name"]: each for each in show(real(), "cuda", "12.4.1").document()["tables"]}
    assert {"cuda-pins", "cuda-drivers"} <= set(tables)
    assert "9.1.0.70" in screen("show", "cudnn", "9.1.0")


@pytest.mark.parametrize(
    "name", ["torch", "FA2", "bnb", "cuda", "vllm", "python", "filelock", "gpu"]
)
def test_show_as_text_and_json(name: str) -> None:
    page = show(real(), name)
    assert page.text().isascii()
    assert json.loads(json.dumps(page.document()))["schema"] == "cudalock.show/1"
    assert max(map(len, rules(real(), name).text().splitlines())) > 0


def test_every_fact_is_listed_once_with_its_source() -> None:
    document = json.loads(screen("rules", "--json"))
    assert sorted(fact["id"] for fact in document["facts"]) == sorted(real().facts)
    assert all(fact["source"] and fact["checked"] for fact in document["facts"])
    text = screen("rules")
    assert all(text.count(f"\n[{id}] ") == 1 for id in real().facts)


def test_rules_for_a_name_in_a_clause() -> None:
    assert "bnb-triton-ops" in {fact.id for fact in rules(real(), "triton").facts}
    assert "unsloth-windows-triton" in {fact.id for fact in rules(real(), "windows-triton").facts}


# -- tags -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "platforms", "python"),
    [
        ("cp310-cp310-manylinux_2_17_x86_64.manylinux2014_x86_64", ["linux-x86_64"], "3.10"),
        ("1-cp311-cp311-linux_aarch64", ["linux-aarch64"], "3.11"),
        ("cp313-cp313t-win_amd64", ["windows-x86_64"], "3.13t"),
        ("cp39-abi3-win_arm64", ["windows-arm64"], "3.9+"),
        ("cp310-none-macosx_11_0_arm64", ["macos-arm64"], "3.10"),
        ("cp39-cp39-macosx_10_9_universal2", ["macos-arm64", "macos-x86_64"], "3.9"),
        ("py3-none-manylinux1_x86_64", ["linux-x86_64"], "any"),
    ],
)
def test_tags(tags: str, platforms: list[str], python: str) -> None:
    assert (of_wheel_tags(tags), python_of(tags)) == (platforms, python)


def test_python_ranges() -> None:
    pythons = ["3.9", "3.10", "3.11", "3.13", "3.13t", "3.14t", "3.9+", "any"]
    assert python_ranges(pythons) == ["3.9-3.11", "3.13", "3.13t-3.14t", "3.9+", "any"]


# -- the process ------------------------------------------------------------------------------


def in_process(*words: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(RESOLVER), "PYTHONIOENCODING": "cp1252"}
    command = [sys.executable, "-m", "cudalock", "matrix", *words]
    return subprocess.run(command, env=environment, capture_output=True, timeout=60, **options)


def test_output_survives_an_old_code_page() -> None:
    done = in_process("rules")
    assert (done.returncode, done.stderr) == (0, b"")
    done.stdout.decode("ascii")


@pytest.mark.skipif(os.name == "nt", reason="asks sh")
def test_a_reader_that_goes_away() -> None:
    command = f"'{sys.executable}' -m cudalock matrix table cuda-pins | head -1"
    environment = {**os.environ, "PYTHONPATH": str(RESOLVER)}
    done = subprocess.run(
        ["sh", "-c", command], env=environment, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_is_imported_before_it_is_used() -> None:
    absent = ["packaging", "cudalock.matrix.matrix", "cudalock.show", "cudalock.cli.console"]
    code = f"import cudalock.cli.matrix, sys; print([n for n in {absent!r} if n in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(RESOLVER)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"

"""Each lint finds what it is for: a small matrix that is clean, and one edit that is not."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cudalock.cli import main
from cudalock.lint import LINTS, lint
from cudalock.matrix.matrix import Matrix
from tests.small_matrix import DIGEST, small_matrix


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return small_matrix(tmp_path)


def test_the_small_matrix_is_clean(small: Path) -> None:
    assert lint(Matrix.load(small)) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "found"),
    [
        ("images/me-torch.toml", 'own = "torch"', 'own = "tortch"', "tortch is not in the matrix"),
        ("images/me-torch.toml", 'tag = "1.0"', 'tag = "1:0"', "invalid tag: `1:0`"),
        ("images/me-torch.toml", "3.12.3", "3.2", "Python 3.2 is not known"),
        ("images/me-torch.toml", "ubuntu24.04", "ubuntu24.05", "glibc of ubuntu24.05"),
        ("images/me-torch.toml", "12.9", "cu129", "invalid CUDA release: `cu129`"),
        ("images/me-torch.toml", "nv25.4", "nv25.04", "is written 2.7.0a0+79aa.nv25.4"),
        ("images/me-torch.toml", "2026-01-03", '"soon"', "me/torch:1.0: needs a source"),
        ("images/me-torch.toml", "tags", "togs", "image me/torch: is damaged: tags"),
        ("images/me-torch.toml", "cuda =", "coda =", "release 1.0: coda"),
        ("index/other.json", '"other"', '"another"', "other.json: project: is 'another'"),
        ("index/other.json", "2026-01-02", "soon", "other.json: retrieved: is no date"),
        ("index/other.json", '["made up"]', "[]", "other.json: sources: is empty"),
        ("index/other.json", '"1.0"', '"3.0"', "other.json: releases: is not in the order"),
        ("index/other.json", '"1.0"', '"1.0+cu1"', "releases['1.0+cu1']: a local version belongs"),
        ("index/other.json", '"2.0"', '"two"', "other.json: releases: Invalid version: 'two'"),
        ("index/other.json", '{"wheels"', '{"sheels"', "the unknown key 'sheels'"),
        ("index/other.json", "}\n}\n}", "", "other.json: releases: is not an index file"),
        ("index/torch.json", '"uploaded":"2026', '"uploaded":"26', "`uploaded` is no date"),
        ("index/torch.json", ">=3.9", ">>3.9", "releases['2.5.1']: `python`: Invalid specifier"),
        ("index/torch.json", "other==1.0", "other == 1.0", "is not in packaging's spelling"),
        ("index/torch.json", "other==1.0", "==1.0", "releases['2.5.0'].builds[0]: '==1.0'"),
        ("index/torch.json", "other==1.0", "other==1.5", "pins other==1.5, which is not held"),
        ("index/torch.json", '"index":"cu124"', '"place":"cu124"', "unknown key 'place'"),
        ("index/torch.json", '"index":"cu124"', '"index":"cu125"', "no row for the index 'cu125'"),
        ("index/torch.json", DIGEST, "abab", "'abab' is no sha256"),
        ("index/torch.json", "cp312-cp312", "cp311-cp311", "2.5.0+cu124-cp311-cp311-linux"),
        ("index/torch.json", "cp312-cp312", "cp310-cp310", "not in the order of their tags"),
        ("index/torch.json", "cp312-cp312-linux_x86_64", "cp312", "Invalid wheel filename"),
        (
            "index/torch.json",
            '{"cuda":"12.4.1"}',
            "{}",
            "2.5.0'].builds[0]: the label `cuda` is missing",
        ),
        ("index/torch.json", '"12.4.1"', '"12.6.1"', "12.6.1, and its index is CUDA 12.4"),
        ("index/torch.json", '{"cuda":"12.4"}', '{"cuda":"12.1"}', "`default` is CUDA 12.1"),
        ("index/thing.json", '"tag":"v1",', "", "`tag` and `builder` go together"),
        ("index/thing.json", '"me/thing"', '"you/thing"', "no row for the builder 'you/thing'"),
        ("index/thing.json", '"seen"', '"guessed"', "must be one of metadata, listed"),
        ("index/thing.json", '[["py3-none-any",null]]', "[]", "builds[0]: has no wheels"),
        (
            "index/thing.json",
            '"tag":"v1",',
            '"tag":"v1","requires":["other==1.0","torch==2.5.0"],',
            "builds[0]: repeats `requires` of the release",
        ),
        (
            "index/torch.json",
            '],["cp312-cp312-linux_x86_64",null]]}',
            ']]},{"index":"cu124","local":"cu124",'
            '"labels":{"cuda":"12.4.1"},"requires":["other==1.0"],"wheels":'
            '[["cp312-cp312-linux_x86_64",null]]}',
            "builds[1]: is the build of an earlier row",
        ),
        ("index/thing.json", '"torch":"2.5.0"', '"torch":"2.5.1"', "2.5.1, and requires torch=="),
        ("index/thing.json", '"torch":"2.5.0"', '"torch":"9.5"', "torch 9.5, which is not held"),
        ("index/thing.json", "other==1.0", "other==2.0", "pins other==2.0, which thing-old rules"),
        ("index/thing.json", "other==1.0", "absent", "requires absent, which is not held"),
        ("components/thing.toml", "thing-old", "Thing Old", "has other signs than"),
        ("components/thing.toml", "thing-old", "torch-cuda", "id: is used by another fact"),
        ("components/thing.toml", "an old one", "an old one.", "ends with a full stop"),
        ("components/thing.toml", "checked", 'symptom = ["bad"]\nchecked', "'bad' is not one line"),
        ("components/thing.toml", "= 2026-01-02", '= "soon"', "checked: is no date"),
        ("components/thing.toml", 'for = "<2"', 'for = ">2"', "for: `>2` is none of thing"),
        ("components/thing.toml", '"me/*"', '"you/*"', "where: is no build of these"),
        ("components/thing.toml", "{builder", "{maker", "names the label `maker`"),
        ("components/thing.toml", '"other<2"', '"odder<2"', "`odder`, which is not known"),
        ("components/thing.toml", '"other<2"', '"other<<2"', "fact[0].constrains[0]"),
        ("components/thing.toml", '"a thing"', '"pytorch"', "is an alias of torch too"),
        ("components/thing.toml", "[[fact]]", '[[alias]]\nname = "no"\n[[fact]]', "`no` is not he"),
        ("matrix.toml", '"2026.01.02"', '"today"', "matrix.toml: version: is no date"),
        ("matrix.toml", 'project = "thing"', 'project = "thong"', "thong is not held"),
        ("matrix.toml", 'trust = "known"', 'trust = "mine"', "its trust 'mine' is none of"),
        ("components/torch.toml", 'role = "framework"\n', "", "no component has the role"),
        ("cuda/gpus.json", '"8.0"', '"eight"', "'eight' is no compute capability"),
        ("cuda/toolkits.json", '"1.0"', '"1.5"', "other 1.5 has no wheel for linux-x86_64"),
        ("cuda/toolkits.json", '"source": "it"', '"published": {}', "is missing: `published`"),
    ],
)
def test_a_defect_is_found(small: Path, file: str, old: str, new: str, found: str) -> None:
    path = small / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    result = run("lint", "--matrix", str(small))
    assert found in result.output.replace("\n", " ")
    assert result.exit_code == (2 if "fact[0]" in found else 1)
    assert "Traceback" not in result.output


def test_each_lint_has_a_sentence_and_a_name_of_its_own() -> None:
    assert all(each.__doc__ for each in LINTS)
    assert len({each.__name__ for each in LINTS}) == len(LINTS)


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["matrix", *words], catch_exceptions=False)


def test_lint_as_json(small: Path) -> None:
    (small / "cuda" / "gpus.json").write_text('{"gpus": {"A1": "x"}, "capabilities": {}}')
    result = run("lint", "--json", "--matrix", str(small))
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "schema": "cudalock.lint/1",
        "matrix": "2026.01.02",
        "defects": [
            {"file": "gpus.json", "key": "gpus['A1']", "says": "'x' is no compute capability"}
        ],
    }
    assert result.stderr == "matrix 2026.01.02: 1 defect in 3 projects and its facts\n"


def test_a_clean_matrix_on_the_command_line(small: Path) -> None:
    """That the embedded one is clean is held lint by lint, in tests/test_matrix.py."""
    result = run("lint", "--matrix", str(small))
    assert result.exit_code == 0
    assert result.stdout == ""


def test_export_as_csv(small: Path) -> None:
    result = run("export", "--format", "csv", "--matrix", str(small))
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [(row["project"], row["version"]) for row in rows[:3]] == [
        ("other", "1.0"),
        ("other", "2.0"),
        ("thing", "1.0"),
    ]
    torch = next(row for row in rows if row["project"] == "torch")
    assert torch["file"] == "torch-2.5.0+cu124-cp311-cp311-linux_x86_64.whl"
    assert torch["url"].endswith("/whl/cu124/torch-2.5.0%2Bcu124-cp311-cp311-linux_x86_64.whl")
    assert (torch["sha256"], torch["label.cuda"]) == (DIGEST, "12.4.1")


def test_export_as_json(small: Path, tmp_path: Path) -> None:
    (small / "cuda" / "cudnn.json").write_text("{}")
    (small / "cuda" / "drivers.json").write_text("{}")
    (small / "cuda" / "jetpack.json").write_text("{}")
    file = tmp_path / "out.json"
    assert run("export", "-o", str(file), "--matrix", str(small)).exit_code == 0
    document = json.loads(file.read_text(encoding="utf-8"))
    assert document["schema"] == "cudalock.matrix/1"
    assert [fact["id"] for fact in document["facts"]] == ["thing-old", "torch-cuda"]
    build = document["projects"]["torch"]["releases"]["2.5.0"]["builds"][0]
    assert build["labels"] == {"cuda": ["12.4.1"]}
    assert build["wheels"][0]["sha256"] == DIGEST


def test_exports_are_the_same_each_time(small: Path) -> None:
    words = ("export", "--format", "csv", "--matrix", str(small))
    assert run(*words).stdout == run(*words).stdout != ""

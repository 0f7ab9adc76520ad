"""The embedded matrix is clean, and what damaged data earns."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cudalock.errors import MatrixError, UnknownVersion
from cudalock.files import data_directory
from cudalock.lint import LINTS, Lint, lint
from cudalock.matrix.matrix import Matrix
from cudalock.matrix.releases import read_project

MATRIX = Matrix.load()
# In two pieces, so that the tests themselves hold no such name.
INDEX_HOSTS = ("pypi" + ".org", "python" + "hosted.org", "pypi" + ".python" + ".org")

# -- the data -------------------------------------------------------------------------------------


@pytest.mark.parametrize("each", LINTS, ids=lambda each: each.__name__)
def test_the_embedded_matrix_is_clean(each: Lint) -> None:
    assert [str(defect) for defect in lint(MATRIX, (each,))] == []


def test_what_cuda_12_5_1_really_contains_is_kept() -> None:
    row = MATRIX.toolkits.releases["12.5.1"]
    assert row["pins"]["nvidia-cublas-cu12"] == "12.5.3.2"
    assert row["published"]["nvidia-cublas-cu12"] == "12.5.2.13"


@pytest.mark.parametrize(
    ("release", "message", "hint"),
    [
        ("12.4", "CUDA 12.4 is ambiguous: choose 12.4.1 or 12.4.0", "--toolkit 12.4.1"),
        ("12.99.1", "CUDA 12.99.1 is not known as pip packages", "--toolkit 12.9.2"),
        ("11.7", "CUDA 11.7 is not known as pip packages", "--toolkit 11.8.0"),
    ],
)
def test_a_cuda_release_that_is_not_there(release: str, message: str, hint: str) -> None:
    with pytest.raises(UnknownVersion, match=re.escape(message)) as caught:
        MATRIX.toolkits.pins(release, (), "windows-x86_64")
    assert caught.value.hints[0] == hint


def test_gpus_are_found_by_name_and_by_capability() -> None:
    assert MATRIX.gpus.find("NVIDIA GeForce RTX 4090") == MATRIX.gpus.find("8.9") == "8.9"


@pytest.mark.parametrize("name", ["flash-attn", "torchvision", "xformers", "bitsandbytes", "torch"])
def test_a_row_unparsed_has_the_labels_of_its_builds(name: str) -> None:
    path = MATRIX.file(f"index/{name}.json")
    unparsed, parsed = read_project(path), read_project(path)
    seen = 0
    for release in parsed:
        for label in ("torch", "cuda", "cxx11abi", "ships", "tag"):
            told: list[tuple[str, ...]] = []
            # `append` returns None: no value fits.
            may_have = unparsed.may_have(release.version, label, told.append)  # type: ignore[arg-type]
            values = set(release.by_label(label))
            if may_have:
                assert told == []
            else:
                seen += 1
                assert set(told) == values
                assert unparsed.may_have(release.version, label, values.__contains__)
            assert may_have or () not in values
    assert seen or name in ("bitsandbytes", "torch")


# -- the whole ------------------------------------------------------------------------------------


def test_the_matrix_has_a_version_that_is_a_date() -> None:
    assert re.fullmatch(r"20\d\d\.\d\d\.\d\d(\.\d+)?", MATRIX.version)
    assert MATRIX.framework == "torch"


def test_no_address_of_the_package_index_is_embedded() -> None:
    files = [path for path in data_directory().rglob("*") if path.is_file()]
    assert len(files) > 100
    named = [
        path.name
        for path in files
        for host in INDEX_HOSTS
        if host in path.read_text(encoding="utf-8")
    ]
    assert named == []


# -- damage ---------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A matrix of one project and one component, whole."""
    for folder in ("index", "components", "cuda"):
        (tmp_path / folder).mkdir()
    (tmp_path / "matrix.toml").write_text(
        'schema = 1\nversion = "2026.01.02"\n[[index]]\nid = "pypi"\ntrust = "own"\n'
    )
    (tmp_path / "index" / "thing.json").write_text(
        '{\n"project": "thing",\n"retrieved": "2026-01-02",\n"sources": ["made up"],\n'
        '"releases": {\n"1.0": {"wheels":[["py3-none-any",null]]},\n'
        '"1.1": {"builds":[{"index":"pypi","known":"seen","wheels":[["py3-none-any",null]]}]}\n'
        "}\n}\n"
    )
    (tmp_path / "components" / "thing.toml").write_text(
        'name = "thing"\nkind = "project"\n[[fact]]\nid = "thing-one"\nrequires = ["other>=1"]\n'
        'effect = "breaks"\nsays = "needs another"\nbasis = "docs"\nsource = ["https://example.com"]\n'
        "checked = 2026-01-02\n"
    )
    (tmp_path / "cuda" / "gpus.json").write_text('{"gpus": {"A1": "8.0"}, "capabilities": {}}')
    return tmp_path


def read_all(directory: Path) -> None:
    matrix = Matrix.load(directory)
    project = matrix.project("thing")
    assert project is not None
    for release in project:
        for build in release.builds:
            matrix.trust(build)
    assert matrix.facts
    assert matrix.gpus.find("A1") == "8.0"


def test_the_small_matrix_is_whole(small: Path) -> None:
    read_all(small)


def cut(text: str) -> str:
    return text[:-8]


def swap(old: str, new: str) -> Callable[[str], str]:
    def edit(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return edit


@pytest.mark.parametrize(
    ("file", "edit", "said"),
    [
        ("matrix.toml", swap("schema", "= schema"), "matrix.toml: cannot be read"),
        ("matrix.toml", swap('version = "2026.01.02"\n', ""), "matrix.toml: version"),
        ("matrix.toml", swap('id = "pypi"\n', ""), "matrix.toml: id"),
        ("matrix.toml", swap('id = "pypi"', 'id = "other"'), "matrix.toml: index"),
        ("index/thing.json", cut, "thing.json: releases"),
        ("index/thing.json", swap('"retrieved"', '"gone"'), "thing.json: has a damaged header"),
        ("index/thing.json", swap('"project": "thing"', '"project": thing'), "thing.json"),
        ("index/thing.json", swap('"1.0": {', '"1.0": '), "thing.json: releases"),
        ("index/thing.json", swap("null]]}", "null]}"), "thing.json: releases['1.0']"),
        ("index/thing.json", swap('"seen"', '"guessed"'), "thing.json: releases['1.1']"),
        ("index/thing.json", swap('"known":"seen","wheels"', '"what"'), "releases['1.1']"),
        ("components/thing.toml", swap("[[fact]]", "[[fact]"), "thing.toml: cannot be read"),
        ("components/thing.toml", swap('name = "thing"', "name = 1"), "thing.toml: name"),
        ("components/thing.toml", swap('id = "thing-one"', ""), "thing.toml: fact[0].id"),
        ("components/thing.toml", swap('"https://example.com"', ""), "thing.toml: fact[0].source"),
        ("components/thing.toml", swap('says = "needs another"', ""), "thing.toml: fact[0].says"),
        ("components/thing.toml", swap("2026-01-02", '""'), "thing.toml: fact[0].checked"),
        ("components/thing.toml", swap('"breaks"', '"hurts"'), "thing.toml: fact[0].effect"),
        ("components/thing.toml", swap('"docs"', '"a hunch"'), "thing.toml: fact[0].basis"),
        ("components/thing.toml", swap("other>=1", ">=1"), "thing.toml: fact[0].requires[0]"),
        ("cuda/gpus.json", cut, "gpus.json: cannot be read"),
    ],
)
def test_damage_is_named(small: Path, file: str, edit: Callable[[str], str], said: str) -> None:
    path = small / file
    path.write_text(edit(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(MatrixError) as caught:
        read_all(small)
    assert said in str(caught.value)
    assert caught.value.exit_status == 2
    assert caught.value.file == Path(file).name


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("components/thing.toml", 'requires = ["other>>1"]', "fact[0].requires[0]"),
        ("components/thing.toml", 'requires = ["other=={nothing:odd}"]', "fact[0].requires[0]"),
        ("components/thing.toml", "when = \"sys_platform = 'linux'\"", "fact[0].when"),
        ("components/thing.toml", 'for = ">>1"', "fact[0].for"),
    ],
)
def test_a_fact_that_cannot_be_parsed_is_named(
    small: Path, file: str, text: str, said: str
) -> None:
    path = small / file
    lines = path.read_text(encoding="utf-8")
    path.write_text(lines.replace('requires = ["other>=1"]', text), encoding="utf-8")
    with pytest.raises(MatrixError) as caught:
        read_all(small)
    assert said in str(caught.value)


def test_an_id_used_twice_is_named(small: Path) -> None:
    text = (small / "components" / "thing.toml").read_text(encoding="utf-8")
    other = text.replace('name = "thing"', 'name = "another"')
    (small / "components" / "another.toml").write_text(other, encoding="utf-8")
    with pytest.raises(MatrixError, match="thing-one"):
        read_all(small)


def test_a_missing_matrix_is_named(tmp_path: Path) -> None:
    with pytest.raises(MatrixError, match=r"matrix\.toml: cannot be read"):
        Matrix.load(tmp_path)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("matrix.toml", "matrix.toml"),
        ("index/torch.json", "torch.json"),
        ("index/sympy.json", "sympy.json"),
        ("components/flash-attn.toml", "flash-attn.toml"),
    ],
)
def test_damage_of_the_real_matrix_reaches_the_user(tmp_path: Path, file: str, said: str) -> None:
    from click.testing import CliRunner

    from cudalock.cli import main

    directory = tmp_path / "matrix"
    shutil.copytree(MATRIX.directory, directory)
    path = directory / file
    path.write_text(path.read_text(encoding="utf-8")[:-40], encoding="utf-8")
    words = ["solve", "--torch", "2.5.1", "--fa2", "--python", "3.11", "--platform", "linux"]
    result = CliRunner().invoke(main, [*words, "--offline", "--matrix", str(directory)])
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_no_wheel_has_an_older_abi_than_each_build_of_its_torch(matrix: Matrix) -> None:
    """What a name says of the C++ ABI is not what the binary has: it can be switched on, never off,
    and each build of torch 2.7 and later has the new one."""
    have: dict[str, set[str]] = {}
    for release in matrix.project("torch") or ():
        for build in release.builds:
            minor = ".".join(release.version.split(".")[:2])
            have.setdefault(minor, set()).update(build.labels.get("cxx11abi", ()))
    wrong = {
        (name, release.version, build.local)
        for name in matrix.projects
        for release in matrix.project(name) or ()
        for build in release.builds
        for torch in build.labels.get("torch", ())
        if "0" in build.labels.get("cxx11abi", ())
        and have.get(".".join(torch.split(".")[:2])) == {"1"}
    }
    assert wrong == set()

"""File names and METADATA give the labels that were recorded; damaged rules are named."""

from __future__ import annotations

import io
import shutil
import zipfile
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cudalock.cli import main
from cudalock.indexes.elf import Links
from cudalock.matrix.matrix import EMBEDDED, Matrix
from cudalock.update.file_names import Patterns
from cudalock.update.inside import WheelContents
from cudalock.update.labels import LabelRules, pinned
from tests.elf_files import shared_object

MATRIX = Matrix.load(EMBEDDED)
PATTERNS = Patterns(MATRIX)
RULES = LabelRules(MATRIX)
SILENT = {"bdashore3/flash-attention", "deepbeepmeep/kernels", "pytorch-index"}
SILENT |= {"jllllll/bitsandbytes-windows-webui"}
SILENT |= {"erictang000/flash-attention"}
# The folder of their address says it, or the version.
SILENT |= {"abetlen/llama-cpp-python", "jllllll/llama-cpp-python-cuBLAS-wheels"}
SILENT |= {"dl.fbaipublicfiles.com/pytorch3d", "download.openmmlab.com"}
SILENT |= {"sgl-project/whl", "vllm-project/vllm"}
# Their names have the torch, and the release's notes the CUDA.
SILENT |= {"nunchaku-ai/nunchaku", "nunchaku-tech/nunchaku"}
"""Builders of whose names some say nothing; people found out by other ways."""


def begins(recorded: tuple[str, ...], said: str | None) -> bool:
    return said is not None and any(f"{each}.".startswith(f"{said}.") for each in recorded)


@pytest.mark.parametrize("builder", sorted(MATRIX.builders))
def test_names_say_what_was_recorded(builder: str) -> None:
    for name in sorted(MATRIX.projects):
        if not name.startswith(MATRIX.builders[builder].project):
            continue
        for release in MATRIX.project(name) or ():
            for build in (each for each in release.builds if each.builder == builder):
                reading = PATTERNS.read(build.local, build.tags[0], builder=builder, tag=build.tag)
                where = f"{name} {release.version} {build.local}"
                if reading is None:
                    assert builder in SILENT, where
                    continue
                for label in ("torch", "torch_min", "cuda"):
                    # A name for ROCm says by that alone that the build has no CUDA.
                    unsaid = builder in SILENT and label not in reading.labels
                    if build.row(label) not in ((), ("none",)) and not unsaid:
                        assert begins(build.row(label), reading.labels.get(label)), where
                # FALSE in a name says nothing of a row that somebody looked into.
                said = reading.labels.get("cxx11abi")
                if name.startswith("flash-attn") and said and build.row("cxx11abi"):
                    assert build.row("cxx11abi") == (said,), where


BOUND_OTHERWISE = {
    *(("flash-attn-3", "pytorch-index"), ("flash-attn-3", None), ("auto-gptq", None)),
    *(("sgl-kernel", "sgl-project/whl"), ("sgl-kernel", None)),
    *(("sglang-kernel", "sgl-project/whl"), ("sglang-kernel", None)),
}
"""PyTorch's own abi3 wheels, on torch's stable ABI: from which torch on is not published. Old ones
of AutoGPTQ on the package index, for which facts have a bound. And SGLang's kernels where no
release of SGLang, or several with another torch each, pins them: for which they are is unknown."""


@pytest.mark.parametrize("name", sorted(MATRIX.projects))
def test_what_was_built_for_a_torch_says_for_which(name: str) -> None:
    facts = MATRIX.component(name).facts
    needs = {
        label for fact in facts for demand in fact.beside for label in demand.template.label_names
    }
    if not needs & {"torch", "torch_min"}:
        return
    for release in MATRIX.project(name) or ():
        for build in release.builds:
            of_a_machine = any(not tags.endswith("-any") for tags in build.tags)
            if of_a_machine and (name, build.builder) not in BOUND_OTHERWISE:
                told = build.row("torch") or build.row("torch_min")
                assert told, f"{name} {release.version} {build.builder} {build.local}"


@pytest.mark.parametrize(
    ("local", "tags", "labels"),
    [
        (
            "cu12torch2.5cxx11abiTRUE",
            "linux_x86_64",
            {"torch": "2.5", "cuda": "12", "cxx11abi": "1"},
        ),
        (
            "cu12torch2.5cxx11abiFALSE",
            "linux_x86_64",
            {"torch": "2.5", "cuda": "12", "cxx11abi": "0"},
        ),
        ("cu126torch2.6", "linux_x86_64", {"torch": "2.6", "cuda": "12.6", "cxx11abi": "1"}),
        ("cu124torch2.6", "linux_x86_64", {"torch": "2.6", "cuda": "12.4", "cxx11abi": "0"}),
        ("cu12torch2.6cxx11abiFALSE", "linux_x86_64", {"torch": "2.6", "cuda": "12"}),
        ("cu124torch2.6.0cxx11abiFALSE", "win_amd64", {"torch": "2.6.0", "cuda": "12.4"}),
        ("cu128.torch2.7.0", "win_amd64", {"torch": "2.7.0", "cuda": "12.8"}),
        ("cu128torch2.7.1.post1", "win_amd64", {"torch": "2.7.1", "cuda": "12.8"}),
        ("cu130torch2110", "win_amd64", {"torch": "2.11.0", "cuda": "13.0"}),
        (
            "20260318.cu130torch2100cxx11abitrue.8afc61",
            "win_amd64",
            {"torch": "2.10.0", "cuda": "13.0"},
        ),
        (
            "cu128torch2.9.0andhigher.post4",
            "win_amd64",
            {"torch_min": "2.9.0", "cuda": "12.8"},
        ),
        ("rocm6.2torch2.5", "linux_x86_64", {"rocm": "6.2", "torch": "2.5"}),
        (None, "linux_x86_64", None),
    ],
)
def test_a_name_is_read(local: str | None, tags: str, labels: dict[str, str] | None) -> None:
    reading = PATTERNS.read(local, f"cp311-cp311-{tags}")
    assert (reading and dict(reading.labels)) == labels


@pytest.mark.parametrize("name", ["torch", "torchvision", "torchaudio", "xformers"])
def test_rules_give_what_was_recorded(name: str) -> None:
    checked = 0
    for release in MATRIX.project(name) or ():
        for build in release.builds:
            # A release that has only an archive is built for nothing yet.
            if build.index is None or not build.tags:
                continue
            said = RULES.of(name, release.version, build.index, build.tags[0], build.requires)
            for label, value in said.items():
                recorded = build.row(label)
                if recorded:
                    where = f"{name} {release.version} {build.index} {build.tags[0]} {label}"
                    assert begins(recorded, value), where
                    checked += 1
    assert checked > 50


def test_pins_are_of_the_wheels_platform() -> None:
    requires = ["a==1", "b==2+cu1; sys_platform == 'linux'", "c>=3", "d==4.*", "e==5; extra == 'x'"]
    assert pinned(requires, "cp311-cp311-win_amd64") == {"a": "1"}
    assert pinned(requires, "cp311-cp311-manylinux_2_28_x86_64") == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("local = '(?:d", "local = '(?:d(", "matrix.toml: pattern[0]: is no pattern"),
        ('id = "cu-torch"\n', "", "matrix.toml: pattern[0]: is no pattern"),
        ('label = "cuda"\n', "", "matrix.toml: label[0]: is no rule"),
        ('for = ">=2.11"\nindex', 'for = ">>2.11"\nindex', "matrix.toml: label[0]: is no rule"),
    ],
)
def test_a_damaged_rule_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    folder = tmp_path / "matrix"
    # Rows of projects say nothing about the rules, and the lint of all of them takes seconds.
    others = [f"{name}.json" for name in MATRIX.projects if name not in ("six", "torch")]
    shutil.copytree(MATRIX.directory, folder, ignore=shutil.ignore_patterns(*others))
    text = (folder / "matrix.toml").read_text(encoding="utf-8")
    assert old in text
    (folder / "matrix.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    for words in (["lint", "--matrix", str(folder)], ["update", "six", "--output", str(folder)]):
        result: Any = CliRunner().invoke(main, ["matrix", *words], catch_exceptions=False)
        assert said in result.output
        assert result.exit_code == (1 if words[0] == "lint" else 2)


@pytest.mark.parametrize(
    ("version", "requires", "floor"),
    [
        ("5.23.0", ['torch>=2.6; extra == "torch"'], "2.6"),
        ("4.52.4", ["torch<2.7,>=2.1 ; extra == 'torch'", "numpy"], "2.1"),
        ("4.44.2", ["torch ; extra == 'torch'"], None),
        ("4.44.2", ['torchaudio>=2.1; extra == "torch-speech"'], None),
        # A requirement without the extra binds by itself, and is no label.
        ("5.23.0", ["torch>=2.6"], None),
        ("5.23.0", [], None),
    ],
)
def test_a_floor_in_an_extra_is_a_label(
    version: str, requires: list[str], floor: str | None
) -> None:
    labels = RULES.of("transformers", version, "pypi", "py3-none-any", requires)
    assert labels.get("torch_floor") == floor


# -- what is inside a wheel ------------------------------------------------------------------------


class Contents(WheelContents):
    """A wheel with one small file, and the links of its libraries."""

    def __init__(self, text: str | None = None, *needed: str) -> None:
        self._text = text
        self.links = (Links(needed),)

    def text(self, pattern: str) -> str | None:
        return self._text if fnmatchcase("torchaudio/version.py", pattern) else None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("__version__ = '2.11.1+cu132'\n", "13.2", id="CUDA"),
        pytest.param("__version__ = '2.9.1'\ngit_version = 'a+cu132'\n", "none", id="without"),
        pytest.param(None, None, id="not there"),
    ],
)
def test_a_version_inside(text: str | None, expected: str | None) -> None:
    matrix = Matrix.load(EMBEDDED)
    tags = "py3-none-manylinux_2_28_x86_64"
    labels = LabelRules(matrix).of("torchaudio", "2.11.1", "pypi", tags, (), Contents(text))
    assert labels.get("cuda") == expected
    assert "cuda" not in LabelRules(matrix).of("torchaudio", "2.11.1", "pypi", tags, ())


@pytest.mark.parametrize(
    ("needed", "expected"),
    [
        (("libc.so.6", "libcudart.so.13"), "13"),
        (("libcudart.so.12", "libcudart.so.13"), None),
        (("libcudart-53d54daa.so.12.6.68",), None),
        ((), None),
    ],
)
def test_a_soname_that_is_needed(
    needed: tuple[str, ...], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix = Matrix.load(EMBEDDED)
    rule = {"projects": ["x"], "label": "cuda", "needs": "libcudart.so"}
    monkeypatch.setattr(matrix, "labels", [rule])
    contents = Contents(None, *needed)
    labels = LabelRules(matrix).of("x", "1", "pypi", "py3-none-any", (), contents)
    assert labels.get("cuda") == expected


@pytest.mark.parametrize(
    ("undefined", "expected"),
    [
        ({"torch_exception_get_what_without_backtrace", "aoti_torch_delete_stream"}, "2.13"),
        ({"torch_from_blob", "malloc"}, "2.11"),
        ({"malloc", "_ZN2at6detail9empty_cpuE"}, None),
        (set(), None),
    ],
)
def test_the_torch_that_brought_what_is_linked(
    undefined: set[str], expected: str | None, matrix: Matrix
) -> None:
    contents = Contents()
    contents.links = (Links(), Links(undefined=frozenset(undefined)))
    tags = "py3-none-manylinux_2_28_x86_64"
    rules = LabelRules(matrix)
    labels = rules.of("torchaudio", "2.12.0", "pypi", tags, (), contents)
    assert labels.get("torch_floor") == expected
    assert "torch_floor" not in rules.of("torchaudio", "2.12.0", "pypi", tags, ())


class Archive(WheelContents):
    """A wheel in memory."""

    def __init__(self, **libraries: bytes) -> None:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in libraries.items():
                archive.writestr(f"a/{name}.so", content)
        self._archive = zipfile.ZipFile(file)


X86_64 = "cp311-cp311-manylinux_2_28_x86_64"


@pytest.mark.parametrize(
    ("versions", "tags", "expected"),
    [
        # What the tag promises is enough.
        (("GLIBC_2.14", "GLIBCXX_3.4.21"), X86_64, "2.28"),
        (("GLIBC_2.14", "GLIBCXX_3.4.29"), X86_64, "2.34"),
        (("GLIBC_2.38", "GLIBCXX_3.4.29"), X86_64, "2.38"),
        (("GLIBC_2.14", "GLIBCXX_3.4.22"), "cp39-abi3-manylinux2014_x86_64", "2.24"),
        # Without a promise it is what is linked.
        (("GLIBC_2.32",), "cp311-cp311-linux_x86_64", "2.32"),
        (("GLIBC_PRIVATE", "GLIBCXX_9.9"), "cp311-cp311-linux_x86_64", None),
        (("GLIBC_ABI_DT_RELR",), X86_64, "2.36"),
        ((), X86_64, None),
        # The rule is about Linux.
        (("GLIBC_2.38",), "cp311-cp311-win_amd64", None),
    ],
)
def test_the_oldest_system_that_has_what_is_linked(
    versions: tuple[str, ...], tags: str, expected: str | None, matrix: Matrix
) -> None:
    contents = Archive(one=shared_object(["libc.so.6"], ["malloc"], versions))
    labels = LabelRules(matrix).of("fbgemm-gpu", "1.9.0", "pypi", tags, (), contents)
    assert labels.get("glibc") == expected


@pytest.mark.parametrize(
    ("undefined", "expected"),
    [
        (["_used_in_all"], (None, None)),
        (["_came_with_26", "_used_in_all"], ("2.6", None)),
        (["_came_with_26", "_went_with_28"], ("2.6", "2.8")),
        (["_went_with_27", "_went_with_28"], (None, "2.7")),
    ],
)
def test_symbols_that_came_and_went(
    undefined: list[str],
    expected: tuple[str | None, str | None],
    matrix: Matrix,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    about = {"projects": ["x"], "only": "*linux*"}
    rules = [
        {**about, "label": "torch_floor", "brought": {"2.6": ["_came_with_26"], "2.5": ["_old"]}},
        {
            **about,
            "label": "torch_below",
            "gone": {"2.7": ["_went_with_27"], "2.8": ["_went_with_28"]},
        },
    ]
    monkeypatch.setattr(matrix, "labels", rules)
    # Each library may use some of them.
    contents = Archive(
        one=shared_object(undefined=undefined[:1]), two=shared_object(undefined=undefined[1:])
    )
    labels = LabelRules(matrix).of("x", "1", "pypi", X86_64, (), contents)
    assert (labels.get("torch_floor"), labels.get("torch_below")) == expected

"""Which releases take an argument, have a member, know a model, as `bench` reads it from wheels."""

from __future__ import annotations

import zipfile
from pathlib import Path

from bench import arguments, members, models
from cudalock.diagnose.name_table import ARGUMENTS, MODELS, Span, dated_names
from cudalock.matrix.matrix import Matrix

OLD = """
from dataclasses import dataclass

@dataclass
class Settings:
    old: int = 0

class Trainer:
    def __init__(self, model, tokenizer=None): ...
    def fit(self, gpus): ...
"""
RENAMED = """
class Trainer:
    @deprecate_kwarg("tokenizer", new_name="processor", version="3")
    def __init__(self, model, processor=None): ...
    def fit(self, **kwargs): ...
"""
NEW = """
from dataclasses import dataclass

@dataclass
class Settings:
    new: int = 0

class Trainer:
    def __init__(self, model, processor=None): ...
    def fit(self, devices): ...
"""


def test_what_decorators_and_keywords_take_is_there(tmp_path: Path) -> None:
    by_release = {}
    for version, text in (("1", OLD), ("2", RENAMED), ("3", NEW)):
        wheel = tmp_path / f"thing-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("thing/trainer.py", text)
            archive.writestr("thing/tests/test_it.py", "def spare(x): ...")
        by_release[version] = arguments.arguments_of(wheel)
    assert arguments.changed(by_release) == {
        "Settings.__init__": {"new": [2], "old": [0, 2]},
        "Trainer.__init__": {"processor": [1], "tokenizer": [0, 2]},
        "Trainer.fit": {"devices": [1], "gpus": [0, 2]},
    }


def wheel(folder: Path, version: str, path: str, text: str) -> Path:
    file = folder / f"thing-{version}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(path, text)
    return file


def test_members_are_inherited_and_locals_are_none(tmp_path: Path) -> None:
    old = """
class Base:
    limit = 1
    def __init__(self):
        counted = 0
        self.size = counted
    def encode(self): ...

class Child(Base):
    def own(self): ...
"""
    new = old.replace("def encode", "def write")
    by_release = {
        version: members.members_of(wheel(tmp_path, version, "thing/base.py", text))
        for version, text in (("1", old), ("2", new))
    }
    assert by_release["1"]["Child"] >= {"encode", "limit", "size", "own"}
    assert "counted" not in by_release["1"]["Base"]
    assert members.changed(by_release)["Child"] == {"encode": [0, 1], "write": [1]}


def test_models_of_a_release(tmp_path: Path) -> None:
    listed = models.LISTS["transformers"][0]
    path = "transformers/models/auto/configuration_auto.py"
    text = (
        """CONFIG_MAPPING_NAMES = OrderedDict([("bert", "BertConfig"), ("qwen3", "Qwen3Config")])"""
    )
    found = models.models_of(wheel(tmp_path, "1", path, text), listed)
    assert found == {"bert", "qwen3"}
    assert models.changed({"1": frozenset({"bert"}), "2": found}) == {"qwen3": [1]}


def test_the_embedded_table(matrix: Matrix) -> None:
    path = matrix.file(ARGUMENTS)
    found = dated_names(path, "SFTTrainer.__init__", "max_seq_length")
    assert [(row.project, row.spans) for row in found] == [("trl", (Span(None, "0.13.0"),))]
    # Only the old name of a renamed one, and nothing of what is in every release.
    assert dated_names(path, "Trainer.__init__", "model") == []
    assert dated_names(path.with_name("none.json"), "Trainer.__init__", "model") == []


def test_the_embedded_models(matrix: Matrix) -> None:
    path = matrix.file(MODELS)
    (row,) = dated_names(path, "model type", "qwen3")
    assert (row.project, row.spans) == ("transformers", (Span("4.51.0", None),))
    (row,) = dated_names(path, "architecture", "Qwen3ForCausalLM")
    assert row.project == "vllm"
    # What is in the oldest release that was examined came with it, or before.
    assert row._replace(spans=(Span(None, "0.9"),)).spans_for("0.1") == (Span(row.oldest, "0.9"),)

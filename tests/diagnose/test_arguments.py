"""Which releases take an argument, as `bench.arguments` reads it from wheels."""

from __future__ import annotations

import zipfile
from pathlib import Path

from bench import arguments
from cudalock.diagnose.name_table import DatedArgument, Span, arguments_named
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


def test_the_embedded_table(matrix: Matrix) -> None:
    path = matrix.file("names/arguments.json")
    assert arguments_named(path, "SFTTrainer.__init__", "max_seq_length") == [
        DatedArgument("trl", (Span(None, "0.13.0"),))
    ]
    # Only the old name of a renamed one, and nothing of what is in every release.
    assert arguments_named(path, "Trainer.__init__", "model") == []
    assert arguments_named(path.with_name("none.json"), "Trainer.__init__", "model") == []

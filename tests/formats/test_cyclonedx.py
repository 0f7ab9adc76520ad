"""Bills of materials: valid by CycloneDX's own schema, and the same bytes for the same lock."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from cudalock.cli import main
from cudalock.formats import WriteOptions, format_of
from cudalock.matrix.licenses import License, license_of
from cudalock.matrix.matrix import Matrix
from cudalock.projects.locks.own import is_own_lock
from tests.sample_locks import FLASH, small_lock, unhashed_lock

if TYPE_CHECKING:
    from pathlib import Path

    from cudalock.lock import Lock

needs_library = pytest.mark.skipif(
    subprocess.run([sys.executable, "-c", "import cyclonedx"], capture_output=True).returncode != 0,
    reason="pip install 'cyclonedx-python-lib[json-validation]'",
)
SOLVE = ["solve", "--torch", "2.8", "--python", "3.12", "--platform", "linux", "--offline", "-q"]


def render(lock: Lock) -> dict[str, Any]:
    from cudalock.formats.cyclonedx import render

    text = render(lock, WriteOptions())
    assert render(lock, WriteOptions()) == text
    document: dict[str, Any] = json.loads(text)
    return document


@needs_library
def test_a_component_for_each_pin() -> None:
    document = render(small_lock())
    flash, numpy, torch = document["components"]
    assert [each["purl"] for each in (numpy, torch)] == [
        "pkg:pypi/numpy@2.1.3",
        "pkg:pypi/torch@2.5.1%2Bcu124",
    ]
    assert flash["hashes"] == [{"alg": "SHA-256", "content": FLASH.sha256}]
    assert {row["name"]: row["value"] for row in flash["properties"]} == {
        "cudalock:builder": "Dao-AILab/flash-attention",
        "cudalock:trust": "own",
    }
    assert flash["externalReferences"][0]["url"].startswith("https://github.com/Dao-AILab/")
    edges = {row["ref"]: row.get("dependsOn", []) for row in document["dependencies"]}
    assert edges["environment"] == ["flash-attn@2.7.4.post1", "torch@2.5.1+cu124"]
    assert edges["flash-attn@2.7.4.post1"] == ["torch@2.5.1+cu124"]
    assert "timestamp" not in document["metadata"]
    assert (
        render(replace(small_lock(), matrix_version="2"))["serialNumber"]
        != (document["serialNumber"])
    )


@needs_library
def test_it_is_valid(tmp_path: Path) -> None:
    validation = pytest.importorskip(
        "cyclonedx.validation.json", reason="pip install 'cyclonedx-python-lib[json-validation]'"
    )
    schema = pytest.importorskip("cyclonedx.schema")
    path = tmp_path / "bom.json"
    several = [*SOLVE, "--platform", "windows", "-o", str(path)]
    assert CliRunner().invoke(main, several).exit_code == 0
    assert is_own_lock(path.read_bytes())
    assert CliRunner().invoke(main, several).exit_code == 0
    validator = validation.JsonStrictValidator(schema.SchemaVersion.V1_6)
    texts = [path.read_text(encoding="utf-8"), json.dumps(render(unhashed_lock()))]
    try:
        problems = [validator.validate_str(text) for text in texts]
    except Exception as error:
        if type(error).__name__ != "MissingOptionalDependencyException":
            raise
        pytest.skip("pip install 'cyclonedx-python-lib[json-validation]'")
    assert problems == [None, None]


@needs_library
def test_licences_are_those_that_were_read() -> None:
    result = CliRunner().invoke(main, [*SOLVE, "--format", "cyclonedx"])
    assert result.exit_code == 0, result.output
    components = {row["name"]: row for row in json.loads(result.stdout)["components"]}
    cublas = components["nvidia-cublas-cu12"]
    assert cublas["licenses"] == [
        {"expression": "LicenseRef-NVIDIA-Proprietary", "acknowledgement": "declared"}
    ]
    assert cublas["properties"][0]["name"] == "cudalock:license-read-of"
    # METADATA of this release has another licence than that which was read, of a later one.
    assert "licenses" not in components["torch"]


def test_licences_by_version() -> None:
    rows = {"a": (License("MIT", None, "2.0", ">=2"), License(None, "BSD", "1.0"))}
    found = {version: license_of(rows, "a", version) for version in ("1.0", "1.5", "2.5")}
    assert {version: row and row.read for version, row in found.items()} == {
        "1.0": "1.0",
        "1.5": "1.0",
        "2.5": "2.0",
    }
    assert license_of(rows, "b", "1.0") is None
    known = Matrix.load().licenses
    assert all(project in known for project in ("nvidia-cudnn-cu12", "nvidia-nccl-cu13"))


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cyclonedx.model.bom", None)
    result = CliRunner().invoke(main, [*SOLVE, "--format", "cyclonedx"])
    assert result.exit_code == 2
    assert "hint: pip install cyclonedx-python-lib" in result.stderr


@pytest.mark.parametrize("name", ["bom.json", "torch.cdx.json"])
def test_the_name_chooses_the_format(name: str) -> None:
    assert format_of(name) == "cyclonedx"
    assert format_of("lock.json") == "json"

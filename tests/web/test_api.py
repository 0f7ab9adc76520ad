"""The static API: every document is what its schema and the description say."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]
from referencing import Registry, Resource

from cudalock.cli import main
from cudalock.matrix.matrix import Matrix as LoadedMatrix
from cudalock.text import json_text
from tests.paths import ROOT
from web import api
from web.api.documents import _wheels, documents
from web.api.openapi import KINDS, openapi, schemas

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Matrix

ADDRESS = "https://cudalock.example/site"
SCHEMAS = schemas()
REGISTRY: Any = Registry().with_resources(
    (f"{name}.json", Resource.from_contents(schema)) for name, schema in SCHEMAS.items()
)


@pytest.fixture(scope="module")
def found(matrix: Matrix) -> dict[str, Any]:
    """Every kind of document, with few releases and locks of each project."""
    return documents(matrix, only=1)


def kind_of(path: str) -> str:
    """The kind whose path in the description a document's path is."""
    fitting = [
        kind
        for kind, (pattern, _, _) in KINDS.items()
        if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(pattern)), path)
    ]
    assert len(fitting) == 1, (path, fitting)
    return fitting[0]


def test_every_document_fits_its_schema(found: dict[str, Any]) -> None:
    seen = set()
    for path, document in found.items():
        kind = kind_of(path)
        seen.add(kind)
        schema = SCHEMAS[kind]
        validator = Draft202012Validator(schema, registry=REGISTRY, format_checker=FormatChecker())
        errors = [f"{path}: {error.message[:200]}" for error in validator.iter_errors(document)]
        assert not errors, errors[:3]
        described = set(schema["properties"])
        # Of a lock and a component the schema may say more than this one has.
        assert set(document) <= described, (path, set(document) - described)
    assert seen == KINDS.keys() - {"matrix"}


def test_schemas_are_schemas() -> None:
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)


def test_documents_say_of_which_matrix_they_are(found: dict[str, Any], matrix: Matrix) -> None:
    day = "-".join(matrix.version.split(".")[:3])
    assert {document["matrix"] for document in found.values()} == {matrix.version}
    assert {document["generated_at"] for document in found.values()} == {f"{day}T00:00:00Z"}


def test_the_description_names_every_kind(found: dict[str, Any]) -> None:
    described = openapi(ADDRESS)
    assert described["openapi"].startswith("3.1")
    assert described["servers"] == [{"url": f"{ADDRESS}/api/v1"}]
    assert {path.lstrip("/") for path in described["paths"]} == {row[0] for row in KINDS.values()}
    for path, item in described["paths"].items():
        named = re.findall(r"{(\w+)}", path)
        assert [each["name"] for each in item["get"]["parameters"]] == sorted(
            named, key=[each["name"] for each in item["get"]["parameters"]].index
        )
        assert len(named) == len(item["get"]["parameters"])
    operations = [item["get"]["operationId"] for item in described["paths"].values()]
    assert len(operations) == len(set(operations))
    listed = found["index.json"]["documents"]
    assert set(listed.values()) - {"openapi.json"} == {row[0] for row in KINDS.values()} - {
        "index.json"
    }


def test_names_lead_to_documents(found: dict[str, Any], matrix: Matrix) -> None:
    for row in found["components.json"]["components"]:
        assert f"components/{row['name']}.json" in found
        assert (f"wheels/{row['name']}.json" in found) == bool(row["releases"])
        for fact in row["facts"]:
            assert f"facts/{fact}.json" in found
    for row in found["locks.json"]["locks"]:
        assert found[row["path"]]["lock"]["pins"]
    assert found["locks.json"]["locks"]
    assert {row["id"] for row in found["facts.json"]["facts"]} == set(matrix.facts)


def test_paths_are_plain(found: dict[str, Any]) -> None:
    assert all(re.fullmatch(r"[A-Za-z0-9._/+-]+\.json", path) for path in found)


def test_a_lock_is_that_of_the_command(found: dict[str, Any]) -> None:
    row = found["locks.json"]["locks"][0]
    lock = found[row["path"]]["lock"]
    words = [*lock["command"].split()[1:], "--offline", "--json"]
    printed = CliRunner().invoke(main, words)
    assert json.loads(printed.stdout)["pins"] == lock["pins"]


def test_the_program_of_the_documentation_runs(
    matrix: Matrix, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "api.md").read_text(), re.DOTALL)
    project = matrix.project("flash-attn")
    assert project is not None
    folder = tmp_path / api.ROOT / "wheels"
    folder.mkdir(parents=True)
    document = _wheels(matrix, project.name, list(project))
    (folder / "flash-attn.json").write_text(json_text(document), encoding="utf-8")
    exec(
        compile(block.replace("https://cudalock.example", tmp_path.as_uri()), "api.md", "exec"), {}
    )
    printed = capsys.readouterr().out.splitlines()
    assert printed
    assert all(re.search(r"torch2\.8.*cp311-cp311-win_amd64\.whl", line) for line in printed)


def test_renovate_reads_the_releases(found: dict[str, Any], matrix: Matrix) -> None:
    document = found["renovate/torch.json"]
    assert [row["version"] for row in document["releases"]] == matrix.versions("torch")


def test_the_site_has_the_matrix_for_update_from(tmp_path: Path) -> None:
    """Made from a small matrix: what is written is what `update --from` takes."""
    from tests.files import write_all
    from tests.update.test_from_site import small
    from web.api.files import matrix_files

    write_all(tmp_path / "matrix", small("2026.01.03", 1))
    files = matrix_files(LoadedMatrix.load(tmp_path / "matrix"))
    listed = json.loads(files["matrix/digests.json"])
    validator = Draft202012Validator(SCHEMAS["matrix"], registry=REGISTRY)
    assert list(validator.iter_errors(listed)) == []
    assert {
        name: hashlib.sha256(files[f"matrix/files/{name}"]).hexdigest() for name in listed["files"]
    } == {name: row["sha256"] for name, row in listed["files"].items()}
    site = tmp_path / "site" / api.ROOT
    for path, content in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(content)
    words = [
        "matrix",
        "update",
        "--from",
        str(tmp_path / "site"),
        "--output",
        str(tmp_path / "new"),
    ]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output


def test_two_builds_give_the_same_bytes(matrix: Matrix, found: dict[str, Any]) -> None:
    again = documents(matrix, only=1)
    assert {path: json_text(document) for path, document in again.items()} == {
        path: json_text(document) for path, document in found.items()
    }

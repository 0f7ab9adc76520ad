"""Every JSON document against its published schema, on a no as well; and no key that it lacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from cudalock.cli import main
from cudalock.formats.json_lock import read as read_lock
from cudalock.lint.defects import Defect
from cudalock.matrix.matrix import Matrix
from cudalock.show import export
from cudalock.text import json_text
from cudalock.update.merge import Change
from cudalock.update.report import Failure, Report
from tests.paths import RESOLVER

SCHEMAS = {
    path.name.partition("-1.schema")[0]: json.loads(path.read_text("utf-8"))
    for path in sorted((RESOLVER / "cudalock" / "schemas").glob("*.json"))
}
FOR = ("--python", "3.11", "--platform", "linux")


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "requirements.txt").write_text("torch==2.5.1\ntorchaudio==2.4.0\nnumpy\n")
    (tmp_path / "environment.yml").write_text("dependencies: [python=3.11, pip: [torch==2.6.0]]\n")


def run(*words: str) -> click.testing.Result:
    return CliRunner().invoke(main, words)


def closed(schema: Any) -> Any:
    """The schema with no room for a key that it does not describe."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {key: closed(part) for key, part in schema.items()}
    if "properties" in schema and isinstance(schema["properties"], dict):
        copy.setdefault("additionalProperties", False)
    return copy


SAMPLES = [
    ("solve", ("solve", "--torch", "2.6.0", *FOR, "--json")),
    ("lines", ("solve", "--torch", "2.6.0", "--cuda", "cpu", "--cuda", "12.4", *FOR, "--json")),
    ("error", ("solve", "torch==2.6.0", "torchvision==0.20.0", *FOR, "--json")),
    ("error", ("solve", "--format", "json", "--torch", "nonsense")),
    ("error", ("solve", "torhc", *FOR, "--json", "--offline")),
    ("error", ("generate", "nowhere", "--json")),
    ("error", ("check", "nowhere.txt", "--output-format=json")),
    ("error", ("fetch", "nowhere.txt", "-d", "wheels", "--json")),
    ("error", ("activate", "--python", "nowhere", "--json")),
    ("error", ("why-not", "torch==2.6.0", "torchvision==0.20.0", *FOR, "--json")),
    ("error", ("explain", "nonsense", *FOR, "--json", "--offline")),
    ("why-not", ("why-not", "torch==2.6.0", "torchvision", *FOR, "--json")),
    ("explain", ("explain", "torch==2.6.0", "xformers", *FOR, "--json")),
    ("explain", ("explain", "torch==2.6.0", "torchvision==0.20.0", *FOR, "--json")),
    ("code", ("explain", "CL101", "--json")),
    ("code", ("explain", "CL712", "--json")),
    ("codes", ("explain", "CL7", "--json")),
    ("check", ("check", "requirements.txt", *FOR, "--json")),
    ("generate", ("generate", "--dry-run", "environment.yml", *FOR, "--json")),
    ("diagnose", ("diagnose", "CUDA error: no kernel image is available", "--json")),
    ("rules", ("matrix", "rules", "--for", "xformers", "--json")),
    ("show", ("matrix", "show", "xformers", "--json")),
    ("table", ("matrix", "table", "--json")),
]


@pytest.mark.parametrize(
    ("name", "words"), SAMPLES, ids=[f"{name}: {' '.join(words)}" for name, words in SAMPLES]
)
def test_a_document_is_as_its_schema_says(name: str, words: tuple[str, ...]) -> None:
    result = run(*words)
    assert result.exit_code in (0, 1, 2, 3), result.output
    document = json.loads(result.stdout)
    validator = Draft202012Validator(closed(SCHEMAS[name]))
    assert [error.message for error in validator.iter_errors(document)] == []


def test_the_locks_of_lines_are_locks(tmp_path: Path) -> None:
    """Each is a whole document of its own schema, and reads back as a lock."""
    words = ("--torch", "2.6.0", "--cuda", "cpu", "--cuda", "12.4", *FOR)
    result = run("solve", *words, "-o", str(tmp_path / "lines.json"))
    assert result.exit_code == 0, result.output
    document = json.loads((tmp_path / "lines.json").read_text("utf-8"))
    assert [(line["name"], line["index"]) for line in document["lines"]] == [
        ("cpu", "cpu"),
        ("cu124", "cu124"),
    ]
    validator = Draft202012Validator(closed(SCHEMAS["solve"]))
    for line in document["lines"]:
        assert [error.message for error in validator.iter_errors(line["lock"])] == []
        lock = read_lock(json_text(line["lock"]))
        assert lock.command == document["command"]
        assert any(pin.name == "torch" for pin in lock.pins)
    # As it was before a file had them all.
    assert run("solve", *words, "--as", "files", "-o", str(tmp_path / "lock.json")).exit_code == 0
    assert (tmp_path / "lock-cu124.json").is_file()
    # It is cudalock's own, and replaced.
    assert run("solve", *words, "-o", str(tmp_path / "lines.json")).exit_code == 0
    refused = run("solve", *words, "--json", "--as", "groups")
    assert json.loads(refused.stdout)["code"] == "contradiction"


def test_an_export_is_as_its_schema_says(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = Matrix.load("embedded")
    # All of it takes half a minute to compare.
    projects = [matrix.project(name) for name in ("xformers", "torchaudio", "cut-cross-entropy")]
    monkeypatch.setattr(export, "_projects", lambda _: projects)
    document = json.loads(export.export_json(matrix))
    validator = Draft202012Validator(closed(SCHEMAS["matrix"]))
    assert [error.message for error in validator.iter_errors(document)] == []


def test_an_update_is_as_its_schema_says() -> None:
    report = Report(
        was="2026.01.01",
        version="2026.01.02",
        folder="/x",
        asked=3,
        changes=(Change("torch", "2.6.0", True, ("a.whl",), (), (), ()),),
        notes=("n",),
        unread=("u",),
        failures=(Failure("index", "says", ("hint",)),),
        defects=(Defect("torch.json", "", "says"),),
        traffic="3 requests",
    )
    validator = Draft202012Validator(closed(SCHEMAS["update"]))
    document = json.loads(json_text(report.document()))
    assert [error.message for error in validator.iter_errors(document)] == []


def test_a_document_can_be_narrowed() -> None:
    words = ("solve", "--torch", "2.6.0", *FOR, "--json", "-q")
    document = json.loads(run(*words, "--fields", "matrix,pins.name", "--limit", "2").stdout)
    assert set(document) == {"schema", "matrix", "pins", "narrowed"}
    assert [set(pin) for pin in document["pins"]] == [{"name"}, {"name"}]
    assert document["narrowed"]["limit"] == 2
    assert document["narrowed"]["cut"]["pins"] > 10
    whole = json.loads(run(*words).stdout)
    assert whole["pins"][0]["name"] == document["pins"][0]["name"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--json", "--fields", "pinz"), "no field `pinz`"),
        (("--json", "--fields", "pins.nam"), "no field `pins.nam`"),
        (("--fields", "pins"), "need `--json`"),
        (("--limit", "3"), "need `--json`"),
    ],
)
def test_what_cannot_be_narrowed_is_refused(words: tuple[str, ...], says: str) -> None:
    result = run("solve", "--torch", "2.6.0", *FOR, *words)
    assert result.exit_code == 2
    assert says in result.stderr


def test_an_error_is_whole_whatever_fields_are_asked_for() -> None:
    result = run("solve", "--torch", "99", *FOR, "--json", "--fields", "pins.name")
    assert json.loads(result.stdout)["code"] == "unknown-version"


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one_and_is_named_in_the_documentation(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["title"] == f"cudalock.{name}/1"


def test_an_error_says_what_was_solved() -> None:
    document = json.loads(
        run("solve", "torch==2.6.0", "torchvision==0.20.0", *FOR, "--json").stdout
    )
    assert (document["code"], document["exit_status"]) == ("no-solution", 1)
    says = [step["says"] for steps in document["conflicts"] for step in steps]
    assert "the goal requires torch==2.6.0" in says
    commands = [hint["command"] for hint in document["hints"]]
    assert commands[0].startswith("cudalock solve ")
    for hint in document["hints"]:
        assert hint["command"] in hint["text"]


def test_an_error_is_told_on_standard_error_as_ever() -> None:
    plain, asked = (
        run("solve", "--torch", "99", *FOR),
        run("solve", "--torch", "99", *FOR, "--json"),
    )
    assert plain.stdout == ""
    assert plain.stderr == asked.stderr
    assert plain.exit_code == asked.exit_code


def test_a_document_that_tells_of_an_error_is_the_only_one() -> None:
    """`explain` and `diagnose` have a form for a no, and nothing follows it."""
    for words in (
        ("explain", "torch==2.6.0", "torchvision==0.20.0", *FOR),
        ("diagnose", "hello"),
    ):
        result = run(*words, "--json")
        assert result.exit_code == 1
        json.loads(result.stdout)


@pytest.mark.parametrize("words", [("--", "--json"), ("--json-lines",), ("-o", "x")])
def test_json_that_was_not_asked_for(words: tuple[str, ...]) -> None:
    assert run("check", "nowhere.txt", *words).stdout == ""

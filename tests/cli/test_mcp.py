"""`cudalock mcp` over standard input and output, with the client of the `mcp` package."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from cudalock.cli.tools import LARGEST, TOOLS, ToolServer, answer_of
from cudalock.errors import BadFile, UsageError
from tests.paths import RESOLVER

needs_mcp = pytest.mark.skipif(
    find_spec("mcp") is None, reason="mcp is not installed: `pip install 'mcp>=2'`"
)
SECRET = "torch==0.0.1  # swordfish"
LINUX = {"python": "3.11", "platform": "linux"}

CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "solve": ("solve", {"goal": "torch 2.6.0", **LINUX, "fields": ["pins.name", "matrix"]}),
    "solve: no": (
        "solve",
        {"goal": "torch==2.6.0", "requirements": ["torchvision==0.20.0"], **LINUX},
    ),
    "solve: wrong": ("solve", {"goal": "--output=/tmp/x"}),
    "check": ("check", {"file": "requirements.txt", **LINUX}),
    "check: text": ("check", {"text": "torch==2.5.1\ntorchaudio==2.4.0\n", **LINUX}),
    "check: wrong": ("check", {"file": "../secret/requirements.txt"}),
    "check: link": ("check", {"file": "link.txt"}),
    "check: names a file": ("check", {"file": "includes.txt"}),
    "diagnose": ("diagnose", {"text": "CUDA error: no kernel image is available"}),
    "diagnose: wrong": ("diagnose", {"text": 7}),
    "doctor: wrong": ("doctor", {"python": "nowhere"}),
    "doctor: outside": ("doctor", {"python": sys.prefix}),
    "explain": ("explain", {"goal": "CL203"}),
    "explain: wrong": ("explain", {"goal": "torch 2.6.0", "package": "nonsense", **LINUX}),
    "matrix_show": ("matrix_show", {"name": "xformers", "limit": 3}),
    "matrix_show: wrong": ("matrix_show", {"name": "torhc"}),
    "matrix_show: too long": ("matrix_show", {"name": "flash-attn", "version": "2.8.3"}),
    "unknown argument": ("solve", {"goal": "torch", "output": "/tmp/x"}),
    "no such tool": ("install", {}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    secret = tmp_path_factory.mktemp("other") / "secret" / "requirements.txt"
    secret.parent.mkdir()
    secret.write_text(SECRET, encoding="utf-8")
    (root / "requirements.txt").write_text("torch==2.5.1\ntorchaudio==2.4.0\n", encoding="utf-8")
    (root / "includes.txt").write_text(f"-r {secret}\n", encoding="utf-8")
    (root / "link.txt").symlink_to(secret)
    return root


@pytest.fixture(scope="module")
def session(folder: Path) -> dict[str, Any]:
    """What one session with the server returned: tools, schemas, and the answer to each call."""
    mcp: Any = import_module("mcp")
    stdio: Any = import_module("mcp.client.stdio")
    parameters = mcp.StdioServerParameters(
        command=sys.executable,
        args=["-m", "cudalock", "mcp", "--root", str(folder), "--offline", "--matrix", "embedded"],
        env={**os.environ, "PYTHONPATH": str(RESOLVER), "CUDALOCK_NO_DETECT": "1"},
    )

    async def talk() -> dict[str, Any]:
        # Its default is what standard error was when somebody imported it: the runner of another
        # test has no file there.
        transport = stdio.stdio_client(parameters, errlog=sys.__stderr__)
        async with mcp.Client(transport) as client:
            answers: dict[str, Any] = {
                "tools": (await client.list_tools()).tools,
                "resources": (await client.list_resources()).resources,
            }
            answers["schemas"] = {
                one.name: json.loads((await client.read_resource(one.uri)).contents[0].text)
                for one in answers["resources"]
            }
            for name, (tool, arguments) in CALLS.items():
                answers[name] = await client.call_tool(tool, arguments)
            return answers

    return asyncio.run(talk())


@needs_mcp
def test_every_tool_is_described(session: dict[str, Any]) -> None:
    tools = {tool.name: tool for tool in session["tools"]}
    assert set(tools) == {"solve", "check", "diagnose", "doctor", "explain", "matrix_show"}
    for tool in tools.values():
        assert tool.description
        assert tool.annotations.read_only_hint
        Draft202012Validator.check_schema(tool.input_schema)
    assert {name.split(":")[0] for name in CALLS} >= set(tools)


WHOLE = ("solve: no", "check", "check: text", "diagnose", "explain")


@needs_mcp
@pytest.mark.parametrize("name", WHOLE)
def test_an_answer_is_as_its_published_schema_says(session: dict[str, Any], name: str) -> None:
    answer = session[name]
    document = answer.structured_content
    schema = (
        session["schemas"].get(document["schema"]) if isinstance(document["schema"], str) else None
    )
    schema = schema or session["schemas"]["cudalock.check/1"]
    assert [error.message for error in Draft202012Validator(schema).iter_errors(document)] == []
    assert json.loads(answer.content[0].text) == document
    assert not answer.is_error, document


@needs_mcp
def test_an_answer_can_be_narrowed(session: dict[str, Any]) -> None:
    solved = session["solve"].structured_content
    assert set(solved) == {"schema", "matrix", "pins", "narrowed"}
    assert {"name": "torch"} in solved["pins"]
    shown = session["matrix_show"].structured_content
    assert len(shown["versions"]) == 3 < shown["narrowed"]["cut"]["versions"]


@needs_mcp
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("solve: wrong", "unknown word"),
        ("check: wrong", "outside the folders"),
        ("check: link", "outside the folders"),
        ("diagnose: wrong", "has to be of type string"),
        ("doctor: wrong", "nowhere"),
        ("doctor: outside", "outside the folders"),
        ("explain: wrong", "nonsense"),
        ("matrix_show: wrong", "torhc"),
        ("matrix_show: too long", f"{LARGEST} are the most"),
        ("unknown argument", "no argument `output`"),
        ("no such tool", "no such tool `install`"),
    ],
)
def test_a_wrong_call_is_answered_with_an_error(
    session: dict[str, Any], name: str, says: str
) -> None:
    answer = session[name]
    document = answer.structured_content
    assert answer.is_error
    assert says in document["message"]
    validator = Draft202012Validator(session["schemas"]["cudalock.error/1"])
    assert [error.message for error in validator.iter_errors(document)] == []


@needs_mcp
def test_no_file_outside_the_roots_is_read(session: dict[str, Any]) -> None:
    texts = [session[name].content[0].text for name in CALLS]
    assert not any("swordfish" in text or "0.0.1" in text for text in texts)
    (finding,) = session["check: names a file"].structured_content["findings"]
    assert "outside the folders" in finding["message"]


def test_arguments_never_become_options(folder: Path) -> None:
    server = ToolServer((folder,))
    call = server.call("solve", {"goal": "--fix", "requirements": ["-o", "x"], "gpu": "--urls"})
    assert call.words[-4:] == ("--", "--fix", "-o", "x")
    assert "--gpu=--urls" in call.words
    for name, tool in TOOLS.items():
        with pytest.raises(UsageError):
            server.call(name, {"no such": "argument"})
        for required in [key for key, one in tool.arguments.items() if one.is_required]:
            arguments = {key: "x" for key in tool.arguments if key != required}
            with pytest.raises(UsageError):
                server.call(name, arguments)
    for path in ("/etc/passwd", "..", "a/../../b", "\0"):
        with pytest.raises(BadFile):
            server.call("check", {"file": path})


def test_what_a_tool_prints_by_mistake_is_an_error() -> None:
    assert answer_of(b"", b"error: broken\n", 70, {}).document["message"] == "error: broken"
    assert answer_of(b"not json", b"", 0, {}).is_error

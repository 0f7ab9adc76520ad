"""`cudalock lsp` over standard input and output, with the client of `pygls`."""

from __future__ import annotations

import asyncio
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from cudalock.cli.editor import Editor
from cudalock.matrix.matrix import Matrix
from tests.paths import RESOLVER

needs_pygls = pytest.mark.skipif(
    find_spec("pygls") is None, reason="pygls is not installed: `pip install 'pygls>=2'`"
)
CLASH = "# ä \U0001f600\ntorch==2.5.1\ntorchaudio==2.4.0\n"
FIXED = CLASH.replace("torchaudio==2.4.0", "torchaudio==2.5.1")
FILES = {
    "requirements.txt": CLASH,
    "pyproject.toml": '[project]\nname = "x"\nversion = "1"\n'
    'dependencies = ["torch==2.5.1", "torchaudio==2.4.0"]\n',
    "environment.yml": "dependencies:\n  - pip:\n    - torch==2.5.1\n    - torchaudio==2.4.0\n",
}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one session with an editor returned."""
    folder = tmp_path_factory.mktemp("project")
    pygls: Any = import_module("pygls.lsp.client")
    types: Any = import_module("lsprotocol.types")
    environment = {**os.environ, "PYTHONPATH": str(RESOLVER)}

    async def talk() -> dict[str, Any]:
        client = pygls.BaseLanguageClient("test", "1")
        published: asyncio.Queue[Any] = asyncio.Queue()

        def diagnostics(params: Any) -> None:
            published.put_nowait(params)

        client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(diagnostics)

        async def next_for(uri: str) -> list[Any]:
            while True:
                params = await asyncio.wait_for(published.get(), 60)
                if params.uri == uri:
                    return list(params.diagnostics)

        command = [sys.executable, "-m", "cudalock", "lsp", "--matrix", "embedded"]
        await client.start_io(*command, env=environment, cwd=str(folder))
        capabilities = types.ClientCapabilities()
        begun = await client.initialize_async(
            types.InitializeParams(capabilities=capabilities, root_uri=folder.as_uri())
        )
        client.initialized(types.InitializedParams())
        answers: dict[str, Any] = {"capabilities": begun.capabilities}
        for name, text in FILES.items():
            uri = (folder / name).as_uri()
            document = types.TextDocumentItem(uri, "text", 1, text)
            client.text_document_did_open(types.DidOpenTextDocumentParams(document))
            found = answers[name] = await next_for(uri)
            identifier = types.TextDocumentIdentifier(uri)
            answers[f"{name}: fix"] = await client.text_document_code_action_async(
                types.CodeActionParams(identifier, found[0].range, types.CodeActionContext(found))
            )
            answers[f"{name}: hover"] = await client.text_document_hover_async(
                types.HoverParams(identifier, found[0].range.start)
            )
        uri = (folder / "requirements.txt").as_uri()
        whole = types.TextDocumentContentChangeWholeDocument(FIXED)
        for version in (2, 3):
            client.text_document_did_change(
                types.DidChangeTextDocumentParams(
                    types.VersionedTextDocumentIdentifier(version, uri), [whole]
                )
            )
        answers["typed"] = await next_for(uri)
        identifier = types.TextDocumentIdentifier(uri)
        answers["nowhere"] = await client.text_document_hover_async(
            types.HoverParams(identifier, types.Position(0, 1))
        )
        client.text_document_did_close(types.DidCloseTextDocumentParams(identifier))
        answers["closed"] = await next_for(uri)
        await client.shutdown_async(None)
        client.exit(None)
        await client.stop()
        return answers

    return asyncio.run(talk())


@needs_pygls
@pytest.mark.parametrize("name", FILES)
def test_a_clash_is_shown_where_it_is(session: dict[str, Any], name: str) -> None:
    (diagnostic,) = [one for one in session[name] if one.code == "CL201"]
    line = FILES[name].splitlines()[diagnostic.range.start.line]
    assert "torchaudio==2.4.0" in line[diagnostic.range.start.character :]
    assert "incompatible" in diagnostic.message
    assert diagnostic.source == "cudalock"


@needs_pygls
@pytest.mark.parametrize("name", FILES)
def test_a_fix_changes_the_line_and_no_other(session: dict[str, Any], name: str) -> None:
    action = next(one for one in session[f"{name}: fix"] if "torchaudio==2.5.1" in one.title)
    ((_, edits),) = action.edit.changes.items()
    lines = FILES[name].splitlines(keepends=True)
    for edit in reversed(edits):
        lines[edit.range.start.line : edit.range.end.line] = [edit.new_text]
    assert "".join(lines) == FILES[name].replace("torchaudio==2.4.0", "torchaudio==2.5.1")
    assert len(edits) == 1


@needs_pygls
def test_a_pin_says_what_it_goes_with(session: dict[str, Any]) -> None:
    about = session["requirements.txt: hover"].contents.value
    assert "torchaudio 2.4.0" in about
    assert "torch==2.4.0" in about
    assert session["nowhere"] is None


@needs_pygls
def test_what_was_fixed_is_gone_and_a_closed_file_has_nothing(session: dict[str, Any]) -> None:
    assert session["typed"] == []
    assert session["closed"] == []
    assert session["capabilities"].hover_provider


def test_a_hover_on_the_framework_names_its_companions() -> None:
    editor = Editor(Matrix.load("embedded"))
    about = editor.hover(Path("requirements.txt"), "torch==2.5.1\n", 3)
    assert about is not None
    assert "compatible torchaudio: 2.5.1" in about
    assert "compatible torchvision: 0.20.1" in about


@pytest.mark.parametrize(
    "text", ["", "\0", "torch==", "[", "torch @ ", "-r nowhere.txt", "#\n" * 99]
)
def test_half_a_line_is_no_fault_of_the_editors(text: str) -> None:
    editor = Editor(Matrix.load("embedded"))
    for name in (*FILES, "notes.md"):
        path = Path("nowhere") / name
        assert isinstance(editor.problems(path, text), list)
        assert isinstance(editor.fixes(path, text), list)
        editor.hover(path, text, len(text))


@pytest.mark.parametrize(("command", "library"), [("mcp", "mcp"), ("lsp", "pygls")])
def test_without_its_library_a_command_says_so(
    command: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    from cudalock.cli import main

    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    result = CliRunner().invoke(main, [command])
    assert result.exit_code == 2
    assert f"needs the package `{library}`" in result.stderr
    assert "pip install -U" not in result.stderr

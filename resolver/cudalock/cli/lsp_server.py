"""The language server: the one module that imports `pygls`."""

from __future__ import annotations

import asyncio
import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from cudalock import __version__
from cudalock.cli.editor import Editor
from cudalock.errors import CudalockError

if TYPE_CHECKING:
    from cudalock.cli.editor import EditorProblem, QuickFix
    from cudalock.matrix.matrix import Matrix

PAUSE: Final = 0.3
"""Seconds without a key before a text is checked."""
_SEVERITIES: Final = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
    "note": types.DiagnosticSeverity.Information,
}


def serve(matrix: Matrix) -> None:
    """Answer an editor on standard input and output until it goes."""
    server_of(matrix).start_io()


def server_of(matrix: Matrix) -> LanguageServer:
    """Return the server, its features registered."""
    server = LanguageServer("cudalock", __version__)
    editor = Editor(matrix)
    waiting: dict[str, asyncio.Task[None]] = {}

    async def check(uri: str, pause: float) -> None:
        await asyncio.sleep(pause)
        document = server.workspace.get_text_document(uri)
        text, version = document.source, document.version
        # A text that was never saved has no name that says what kind it is.
        path = _path(uri)
        if path is None:
            return
        try:
            problems = await asyncio.to_thread(editor.problems, path, text)
        except CudalockError as error:
            # While somebody types, most texts are broken: a log is the place, and not a window.
            problems = []
            message = types.LogMessageParams(types.MessageType.Warning, str(error))
            server.window_log_message(message)
        diagnostics = [_diagnostic(problem, text) for problem in problems]
        server.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri=uri, version=version, diagnostics=diagnostics)
        )

    def begin(uri: str, pause: float) -> None:
        if uri in waiting:
            waiting[uri].cancel()
        waiting[uri] = asyncio.create_task(check(uri, pause))

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    async def opened(params: types.DidOpenTextDocumentParams) -> None:
        begin(params.text_document.uri, 0)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(params: types.DidChangeTextDocumentParams) -> None:
        begin(params.text_document.uri, PAUSE)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    async def closed(params: types.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        if uri in waiting:
            waiting.pop(uri).cancel()
        # An editor keeps findings of a closed file until they are taken back.
        server.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri=uri, diagnostics=[])
        )

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION,
        types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix]),
    )
    async def code_actions(params: types.CodeActionParams) -> list[types.CodeAction]:
        uri = params.text_document.uri
        text = server.workspace.get_text_document(uri).source
        path = _path(uri)
        fixes = await asyncio.to_thread(editor.fixes, path, text) if path is not None else []
        here = {diagnostic.code for diagnostic in params.context.diagnostics}
        return [
            _action(fix, uri, text, params.context.diagnostics)
            for fix in fixes
            if not here or fix.codes & here
        ]

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    async def hover(params: types.HoverParams) -> types.Hover | None:
        uri = params.text_document.uri
        document = server.workspace.get_text_document(uri)
        path = _path(uri)
        if path is None:
            return None
        offset = document.offset_at_position(params.position)
        about = await asyncio.to_thread(editor.hover, path, document.source, offset)
        if about is None:
            return None
        return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, about))

    return server


def _path(uri: str) -> Path | None:
    name = to_fs_path(uri)
    return Path(name) if name else None


def _diagnostic(problem: EditorProblem, text: str) -> types.Diagnostic:
    finding = problem.finding
    message = finding.sentence if finding.fix is None else f"{finding.sentence}\nfix: {finding.fix}"
    return types.Diagnostic(
        range=_range(text, problem.start, problem.end),
        message=message,
        severity=_SEVERITIES[finding.severity],
        code=finding.code,
        source="cudalock",
    )


def _action(fix: QuickFix, uri: str, text: str, diagnostics: Any) -> types.CodeAction:
    return types.CodeAction(
        title=fix.title,
        kind=types.CodeActionKind.QuickFix,
        diagnostics=[one for one in diagnostics if one.code in fix.codes],
        edit=types.WorkspaceEdit(changes={uri: _edits(text, fix.text)}),
    )


def _edits(old: str, new: str) -> list[types.TextEdit]:
    """Return the lines that differ as edits: an editor keeps its cursor elsewhere."""
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    return [
        types.TextEdit(
            types.Range(types.Position(start, 0), types.Position(end, 0)),
            "".join(after[new_start:new_end]),
        )
        for kind, start, end, new_start, new_end in matcher.get_opcodes()
        if kind != "equal"
    ]


def _range(text: str, start: int, end: int) -> types.Range:
    return types.Range(_position(text, start), _position(text, end))


def _position(text: str, offset: int) -> types.Position:
    """Return a place of a text as LSP counts: lines, and in them units of UTF-16."""
    before = text[:offset]
    line = before.count("\n")
    column = before[before.rfind("\n") + 1 :]
    return types.Position(line, len(column.encode("utf-16-le")) // 2)

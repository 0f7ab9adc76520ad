"""The tools over the Model Context Protocol: the one module that imports `mcp`."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any, Final

import anyio
from mcp import types
from mcp.server import Server, stdio

from cudalock import __version__
from cudalock.cli.tools import (
    TOOLS,
    Tool,
    ToolAnswer,
    ToolCall,
    ToolServer,
    answer_of,
    failed,
    process_words,
    schema_names,
    schema_text,
)
from cudalock.errors import CudalockError

if TYPE_CHECKING:
    from collections.abc import Mapping

INSTRUCTIONS: Final = (
    "cudalock answers which versions of PyTorch's CUDA stack are compatible. Call `solve` before"
    " installing torch, flash-attn, xformers, vllm or the like, `check` for pins that are there,"
    " `diagnose` for an error message. A hint with a `command` was solved before it was proposed."
    " `unknowns`, `warnings` and `notes` are for the person: repeat them."
)
_SCHEMA_URI: Final = "cudalock://schemas/"


def serve(server: ToolServer, timeout: float) -> None:
    """Answer calls on standard input and output until the client goes; `timeout` is in seconds."""
    anyio.run(_serve, server, timeout)


async def _serve(server: ToolServer, timeout: float) -> None:
    async def list_tools(_context: Any, _params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_described(tool) for tool in TOOLS.values()])

    async def call_tool(_context: Any, params: Any) -> types.CallToolResult:
        answer = await _answer(server, params.name, params.arguments or {}, timeout)
        text = json.dumps(answer.document, sort_keys=True)
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=text)],
            structured_content=dict(answer.document),
            is_error=answer.is_error,
        )

    async def list_resources(_context: Any, _params: Any) -> types.ListResourcesResult:
        return types.ListResourcesResult(
            resources=[
                types.Resource(
                    uri=f"{_SCHEMA_URI}{name}-1",
                    name=f"cudalock.{name}/1",
                    mime_type="application/schema+json",
                )
                for name in schema_names()
            ]
        )

    async def read_resource(_context: Any, params: Any) -> types.ReadResourceResult:
        name = str(params.uri).removeprefix(_SCHEMA_URI).removesuffix("-1")
        content = types.TextResourceContents(
            uri=params.uri, mime_type="application/schema+json", text=schema_text(name)
        )
        return types.ReadResourceResult(contents=[content])

    mcp_server = Server(
        "cudalock",
        version=__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_read_resource=read_resource,
    )
    async with stdio.stdio_server() as (reading, writing):
        await mcp_server.run(reading, writing, mcp_server.create_initialization_options())


def _described(tool: Tool) -> types.Tool:
    schemas = ", ".join(f"cudalock.{name}/1" for name in (*tool.schemas, "error"))
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=f"{tool.says} Answers: {schemas}.",
        input_schema=tool.input_schema(),
        annotations=types.ToolAnnotations(
            title=tool.title,
            read_only_hint=True,
            destructive_hint=False,
            idempotent_hint=True,
            open_world_hint=tool.uses_network,
        ),
    )


async def _answer(
    server: ToolServer, name: str, arguments: Mapping[str, Any], timeout: float
) -> ToolAnswer:
    try:
        call = server.call(name, arguments)
    except CudalockError as error:
        return failed(error)
    try:
        output, errors, status = await asyncio.wait_for(_run(server, call), timeout)
    except TimeoutError:
        return failed(CudalockError(f"it took longer than {timeout:.0f} s"), 70)
    return answer_of(output, errors, status, arguments)


async def _run(server: ToolServer, call: ToolCall) -> tuple[bytes, bytes, int]:
    process = await asyncio.create_subprocess_exec(
        *process_words(call),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=server.roots[0],
        env={**os.environ, **call.environment},
    )
    try:
        text = None if call.text is None else call.text.encode()
        output, errors = await process.communicate(text)
    finally:
        # The client cancelled, or it took too long: nobody waits for it.
        if process.returncode is None:
            process.kill()
    return output, errors, process.returncode or 0

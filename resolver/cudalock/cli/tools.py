"""The tools that an agent may call: commands that print JSON and change nothing.

Each call is a process of its own: what it may cost is bounded, it can be stopped, and the roots are
in its environment. An argument is always the value of an option, or stands after `--`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from cudalock.cli.narrow import narrowed
from cudalock.conflicts.document import error_document
from cudalock.errors import BadFile, CudalockError, UsageError
from cudalock.files import ROOTS, data_directory, data_folder

LARGEST: Final = 100_000
"""Characters of an answer: about 30,000 tokens of a model that reads it."""
LONGEST: Final = 100_000
"""Characters of a text that is checked or explained."""


class ToolArgument(NamedTuple):
    """One argument of a tool."""

    says: str
    option: str = ""
    """the option that takes it; empty for what stands after `--`"""
    kind: str = "string"
    """of JSON Schema; `array` is of strings"""
    is_path: bool = False
    is_text: bool = False
    """whether it is given on standard input"""
    is_required: bool = False

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of its value."""
        if self.kind == "array":
            return {"type": "array", "items": {"type": "string"}, "description": self.says}
        return {"type": self.kind, "description": self.says}


_TARGET: Final = {
    "python": ToolArgument("Python version of the target: 3.11", "--python"),
    "platform": ToolArgument(
        "linux, windows, macos, linux-aarch64, ubuntu22.04, ...", "--platform"
    ),
    "gpu": ToolArgument('GPU of the target: "RTX 5090" or 12.0', "--gpu"),
    "driver": ToolArgument("NVIDIA driver of the target: 550.54", "--driver"),
}
_NARROW: Final = {
    "fields": ToolArgument(
        'only these keys of the answer: ["pins.name", "warnings"]', kind="array"
    ),
    "limit": ToolArgument("only the first rows of each list", kind="integer"),
}
_GOAL: Final = {
    "goal": ToolArgument(
        'what is wanted, in words: "torch 2.6 + flash attention on Windows py3.11"',
        is_required=True,
    ),
    "requirements": ToolArgument('further requirements: ["numpy<2", "einops"]', kind="array"),
    **_TARGET,
    "cuda": ToolArgument("CUDA build: 12.4, >=12.1 or cpu; leave it out for the best", "--cuda"),
    "glibc": ToolArgument("glibc of the target: 2.28", "--glibc"),
    "builders": ToolArgument("whose wheels: official, known (default) or any", "--builders"),
    "exclude_newer": ToolArgument("ignore what was published after this date", "--exclude-newer"),
}


@dataclass(frozen=True, slots=True)
class Tool:
    """A command as a tool."""

    name: str
    title: str
    says: str
    schemas: tuple[str, ...]
    """the published schemas that its answers have, beside that of an error"""
    command: tuple[str, ...]
    arguments: Mapping[str, ToolArgument]
    uses_network: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)

    def input_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of its arguments."""
        arguments = {**self.arguments, **_NARROW}
        return {
            "type": "object",
            "properties": {name: one.schema() for name, one in arguments.items()},
            "required": [name for name, one in arguments.items() if one.is_required],
            "additionalProperties": False,
        }


TOOLS: Final = {
    tool.name: tool
    for tool in (
        Tool(
            "solve",
            "Resolve compatible versions",
            "Resolve a goal of the CUDA deep-learning stack (torch, flash-attn, vllm, ...) into"
            " exact, compatible wheels. Call it before installing any of these. The answer is a"
            " lock; its `command` with `-o requirements.txt` writes it for pip. May take a minute.",
            ("solve",),
            ("solve", "--json", "--quiet"),
            _GOAL,
            uses_network=True,
        ),
        Tool(
            "check",
            "Check pins",
            "Check whether the pins of a file (requirements, pyproject, lock, environment.yml,"
            " Dockerfile, notebook), or of `text` in the form of a requirements file or of"
            " `pip list`, exist and are compatible.",
            ("check",),
            ("check", "--json", "--quiet"),
            {
                "file": ToolArgument("path of the file or folder", is_path=True),
                "text": ToolArgument("the pins themselves, in place of a file", is_text=True),
                **_TARGET,
                "select": ToolArgument("report only these codes: CL2,CL103", "--select"),
                "ignore": ToolArgument("do not report these codes", "--ignore"),
            },
            uses_network=True,
        ),
        Tool(
            "diagnose",
            "Explain an error message",
            "Explain an error message, traceback or pip log of the stack, with the command that"
            " fixes it.",
            ("diagnose",),
            ("diagnose", "--json"),
            {
                "text": ToolArgument("the message or log", is_text=True, is_required=True),
                **_TARGET,
            },
        ),
        Tool(
            "doctor",
            "Examine an environment",
            "Examine a Python environment: conflicts, missing or broken packages, a build that does"
            " not suit GPU or driver. Files are read; nothing is run, imported or changed.",
            ("doctor",),
            ("doctor", "--json"),
            {
                "python": ToolArgument(
                    "folder of the environment", "--python", is_path=True, is_required=True
                ),
                "lock": ToolArgument("a lock to compare it with", "--lock", is_path=True),
                "gpu": _TARGET["gpu"],
                "driver": _TARGET["driver"],
            },
        ),
        Tool(
            "explain",
            "Explain a lock, a code or a fact",
            "Explain each pin of a goal's lock, or one word: a code of `check` (CL203) or the id of"
            " a fact (fa2-torch-minor).",
            ("explain", "code", "rules"),
            ("explain", "--json"),
            {
                **_GOAL,
                "package": ToolArgument("explain only this package", "--package"),
            },
            uses_network=True,
        ),
        Tool(
            "matrix_show",
            "Look a project, release or GPU up",
            "What is known about a project (its versions), one release of it (its builds and"
            " requirements), cuda, cudnn, driver or a GPU. Give `limit` or `fields`: a release has"
            " hundreds of builds.",
            ("show", "code", "rules"),
            ("matrix", "show", "--json"),
            {
                "name": ToolArgument("a project, an alias, or a GPU", is_required=True),
                "version": ToolArgument("a version of it"),
            },
        ),
    )
}
"""By name; none of them writes a file or installs anything."""


class ToolCall(NamedTuple):
    """A process to run for a tool."""

    words: tuple[str, ...]
    text: str | None
    """for its standard input"""
    environment: Mapping[str, str]


class ToolAnswer(NamedTuple):
    """What a tool returns."""

    document: Mapping[str, Any]
    is_error: bool


@dataclass(frozen=True, slots=True)
class ToolServer:
    """What the tools may do."""

    roots: tuple[Path, ...]
    """folders, resolved; the first is where relative paths begin"""
    offline: bool = False
    matrix: str | None = None

    def call(self, name: str, arguments: Mapping[str, Any]) -> ToolCall:
        """Return the process that answers a call.

        Raises UsageError for arguments that the tool does not take, BadFile for a path outside the
        roots.
        """
        tool = TOOLS.get(name)
        if tool is None:
            raise UsageError(f"no such tool `{name}`", hints=[", ".join(TOOLS)])
        stated = self._checked(tool, arguments)
        text = next(
            (stated[key] for key, one in tool.arguments.items() if one.is_text and key in stated),
            None,
        )
        # Of both, one would be checked and the other pass for it.
        if "file" in tool.arguments and ("file" in stated) == (text is not None):
            raise UsageError("give either `file` or `text`")
        words = [*tool.command, *self._options(tool, stated)]
        after = list(self._after(tool, stated))
        words += ["--", *after] if after else []
        if text is not None:
            words += ["--", "-"]
        readable = map(str, (*self.roots, *self._own_folders()))
        return ToolCall(tuple(words), text, {ROOTS: os.pathsep.join(readable)})

    def _own_folders(self) -> Iterator[Path]:
        """Yield where cudalock keeps what it knows: a tool reads that, whatever it is asked."""
        from cudalock.indexes.cache import cache_folder

        yield data_directory()
        yield data_folder()
        yield cache_folder()
        if self.matrix and self.matrix != "embedded":
            yield Path(self.matrix).resolve()

    def _options(self, tool: Tool, stated: Mapping[str, Any]) -> Iterator[str]:
        if self.offline and tool.uses_network:
            yield "--offline"
        if self.matrix:
            yield f"--matrix={self.matrix}"
        for name, value in stated.items():
            argument = tool.arguments.get(name)
            if argument is not None and argument.option:
                # As one word: a value that begins with a dash is no option then.
                yield f"{argument.option}={value}"

    def _after(self, tool: Tool, stated: Mapping[str, Any]) -> Iterator[str]:
        for name, argument in tool.arguments.items():
            if argument.option or argument.is_text or name not in stated:
                continue
            value = stated[name]
            yield from value if isinstance(value, list) else [value]

    def _checked(self, tool: Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments by name, paths resolved. Raises UsageError and BadFile."""
        known = {**tool.arguments, **_NARROW}
        stated: dict[str, Any] = {}
        for name, value in arguments.items():
            argument = known.get(name)
            if argument is None:
                raise UsageError(
                    f"`{tool.name}` has no argument `{name}`", hints=[", ".join(known)]
                )
            # Clients write null for an argument that they leave out.
            if value is None:
                continue
            _check_kind(name, value, argument)
            stated[name] = str(self._path(value)) if argument.is_path else value
        for name, argument in known.items():
            if argument.is_required and name not in stated:
                raise UsageError(f"`{tool.name}` needs the argument `{name}`")
        return stated

    def _path(self, text: str) -> Path:
        """Return where a path leads, links followed. Raises BadFile outside the roots."""
        try:
            path = (self.roots[0] / text).resolve()
        except (OSError, RuntimeError, ValueError):
            raise BadFile(f"cannot use `{text}` as a path") from None
        if not any(path.is_relative_to(root) for root in self.roots):
            allowed = ", ".join(f"`{root}`" for root in self.roots)
            raise BadFile(f"`{text}` is outside the folders that may be read: {allowed}")
        return path


def _check_kind(name: str, value: Any, argument: ToolArgument) -> None:
    kinds: dict[str, type] = {"string": str, "integer": int, "array": list}
    # In Python a boolean is an integer, in JSON it is none.
    is_right = isinstance(value, kinds[argument.kind]) and not isinstance(value, bool)
    if argument.kind == "array" and is_right:
        is_right = all(isinstance(one, str) for one in value)
    if not is_right:
        raise UsageError(f"`{name}` has to be of type {argument.kind}")
    texts = value if isinstance(value, list) else [value]
    if any(isinstance(text, str) and len(text) > LONGEST for text in texts):
        raise UsageError(f"`{name}` is longer than {LONGEST} characters")


def process_words(call: ToolCall) -> list[str]:
    """Return the command line of a call's process."""
    return [sys.executable, "-m", "cudalock", *call.words]


def answer_of(
    output: bytes, errors: bytes, status: int, arguments: Mapping[str, Any]
) -> ToolAnswer:
    """Return what a tool's process printed as an answer that is not too long.

    `status` is its exit status: 1 is a no, which is an answer too.
    """
    try:
        document = json.loads(output)
    except ValueError:
        says = errors.decode("utf-8", "replace").strip().splitlines()
        return failed(CudalockError(says[0] if says else "the tool printed nothing"), status or 70)
    try:
        if arguments.get("fields") or arguments.get("limit") is not None:
            document = narrowed(document, arguments.get("fields") or (), arguments.get("limit"))
    except UsageError as error:
        return failed(error)
    # Half a document would pass for the whole of it.
    size = len(json.dumps(document))
    if size > LARGEST:
        return failed(
            UsageError(
                f"the answer has {size} characters, and {LARGEST} are the most",
                hints=[f"`fields`: {', '.join(sorted(document))}", "`limit`: 20"],
            )
        )
    return ToolAnswer(document, is_error=status not in (0, 1))


def failed(error: CudalockError, status: int | None = None) -> ToolAnswer:
    """Return an error as a tool's answer."""
    return ToolAnswer(error_document(error, error.exit_status if status is None else status), True)


def schema_text(name: str) -> str:
    """Return a published schema, by the name in its file's. Raises UsageError for another name."""
    from importlib.resources import files

    if name not in schema_names():
        raise UsageError(f"no such schema `{name}`")
    folder = files("cudalock").joinpath("schemas")
    return folder.joinpath(f"{name}-1.schema.json").read_text(encoding="utf-8")


def schema_names() -> Sequence[str]:
    """Return the names of the schemas of all tools."""
    return sorted({name for tool in TOOLS.values() for name in tool.schemas} | {"error"})

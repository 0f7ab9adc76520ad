"""Lists of strings in somebody's TOML file, changed without disturbing what stands around them.

tomlkit keeps a list's comments and line breaks only as long as nothing is put in or taken out, so
the list's own text is edited here, and tomlkit is given the result.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH: Final = 100
"""What a list may be long on one line; a longer one that is changed gets a line for each string."""

_TOKEN: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"""' r"|'''.*?'''" r'|"(?:\\.|[^"\\\n])*"' r"|'[^'\n]*'" r"|\#[^\n]*" r"|.",
    re.DOTALL,
)
_REST_OF_LINE: Final = re.compile(r"[ \t]*,?[ \t]*(?:#[^\n]*)?(?=\n|\Z)")


class _Span(NamedTuple):
    start: int
    end: int


def quoted(text: str) -> str:
    """The text as a TOML string: literal where it has double quotes, basic where not."""
    if '"' in text and "'" not in text:
        return f"'{text}'"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def list_text(strings: Sequence[str]) -> str:
    """A new list: each string on its own line."""
    if not strings:
        return "[]"
    return "\n".join(["[", *(f"    {quoted(each)}," for each in strings), "]"])


def edited(text: str, changes: Sequence[Sequence[str] | None], more: Sequence[str]) -> str:
    """The text of a list with some strings changed and others added at its end.

    `changes` has an entry for each string of the list: None leaves it alone, anything else takes
    its place, nothing included.
    """
    text = text.replace("\r\n", "\n")
    spans = _strings(text)
    if len(spans) != len(changes):
        raise ValueError("a list of strings alone can be edited")
    if not more and all(change is None for change in changes):
        return text
    if "\n" not in text:
        return _edited_line(text, spans, changes, more)
    indent = _indent(text, spans)
    if more:
        text = _with_more(text, spans, more, indent)
    for span, change in reversed(list(zip(spans, changes, strict=True))):
        if change:
            joined = f",\n{indent}".join(map(quoted, change))
            text = text[: span.start] + joined + text[span.end :]
        elif change is not None:
            text = _without(text, span)
    return text


def _strings(text: str) -> list[_Span]:
    return [
        _Span(*found.span()) for found in _TOKEN.finditer(text) if found[0].startswith(('"', "'"))
    ]


def _edited_line(
    text: str, spans: list[_Span], changes: Iterable[Sequence[str] | None], more: Sequence[str]
) -> str:
    kept: list[str] = []
    for span, change in zip(spans, changes, strict=True):
        written = text[span.start : span.end]
        kept += [written] if change is None else map(quoted, change)
    kept += map(quoted, more)
    line = f"[{', '.join(kept)}]"
    if len(line) <= WIDTH and len(kept) > 0 and len(spans) > 0:
        return line
    return "\n".join(["[", *(f"    {each}," for each in kept), "]"]) if kept else "[]"


def _indent(text: str, spans: list[_Span]) -> str:
    """What stands before the first string that begins a line."""
    for span in spans:
        before = text[: span.start].rpartition("\n")
        if before[1] and not before[2].strip():
            return before[2]
    return "    "


def _with_more(text: str, spans: list[_Span], more: Sequence[str], indent: str) -> str:
    """The strings on lines of their own, after the last one's line."""
    lines = "".join(f"{indent}{quoted(each)},\n" for each in more)
    if not spans:
        end = text.rindex("]")
        start = text.rindex("\n", 0, end) + 1
        return text[:start] + lines + text[start:]
    last = spans[-1].end
    if not re.match(r"\s*(?:#[^\n]*\s*)*,", text[last:]):
        text = f"{text[:last]},{text[last:]}"
    rest = _REST_OF_LINE.match(text, last)
    if rest is None:  # the bracket closes on the line of the last string
        end = text.rindex("]")
        return f"{text[:end].rstrip()}\n{lines}{text[end:]}"
    start = rest.end() + 1
    return text[:start] + lines + text[start:]


def _without(text: str, span: _Span) -> str:
    """The text without a string: the whole line, its comment included, where it has one."""
    line = text.rfind("\n", 0, span.start) + 1
    rest = _REST_OF_LINE.match(text, span.end)
    if rest is not None and line and not text[line : span.start].strip():
        return text[:line] + text[rest.end() + 1 :]
    comma = re.compile(r"[ \t]*,[ \t]*").match(text, span.end)
    return text[: span.start] + text[comma.end() if comma else span.end :]


__all__ = ["edited", "list_text", "quoted"]

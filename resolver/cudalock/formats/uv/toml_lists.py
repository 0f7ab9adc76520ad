"""Edit lists of strings in a user's TOML file without changing the text around them.

tomlkit keeps a list's comments and line breaks only as long as nothing is put in or taken out, so
the list's own text is edited here, and tomlkit is given the result.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH: Final = 100
"""The most columns of a list on one line; a longer one that changes gets a line per string."""

_TOKEN: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"""' r"|'''.*?'''" r'|"(?:\\.|[^"\\\n])*"' r"|'[^'\n]*'" r"|\#[^\n]*" r"|.",
    re.DOTALL,
)
_REST_OF_LINE: Final = re.compile(r"[ \t]*,?[ \t]*(?:#[^\n]*)?(?=\n|\Z)")


class _Span(NamedTuple):
    start: int
    end: int


def quoted(text: str) -> str:
    """Return the text as a TOML string: literal if it has double quotes, else basic."""
    if '"' in text and "'" not in text:
        return f"'{text}'"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def list_text(strings: Sequence[str]) -> str:
    """Return a new list with each string on its own line."""
    if not strings:
        return "[]"
    return "\n".join(["[", *(f"    {quoted(string)}," for string in strings), "]"])


def edited(text: str, changes: Sequence[Sequence[str] | None], added: Sequence[str]) -> str:
    """Return the text of a list with some strings changed and others added at its end.

    `changes` has a value for each string of the list: None leaves it, a sequence replaces it, and
    an empty one removes it. Raises ValueError for a list with other values than strings.
    """
    text = text.replace("\r\n", "\n")
    spans = _strings(text)
    if len(spans) != len(changes):
        raise ValueError("the list has other values than strings")
    if not added and all(change is None for change in changes):
        return text
    if "\n" not in text:
        return _edited_line(text, spans, changes, added)
    indent = _indent(text, spans)
    if added:
        text = _with_more(text, spans, added, indent)
    for span, change in reversed(list(zip(spans, changes, strict=True))):
        if change:
            joined = f",\n{indent}".join(map(quoted, change))
            text = text[: span.start] + joined + text[span.end :]
        elif change is not None:
            text = _without(text, span)
    return text


def _strings(text: str) -> list[_Span]:
    return [
        _Span(*token.span()) for token in _TOKEN.finditer(text) if token[0].startswith(('"', "'"))
    ]


def _edited_line(
    text: str, spans: list[_Span], changes: Iterable[Sequence[str] | None], added: Sequence[str]
) -> str:
    strings: list[str] = []
    for span, change in zip(spans, changes, strict=True):
        written = text[span.start : span.end]
        strings += [written] if change is None else map(quoted, change)
    strings += map(quoted, added)
    line = f"[{', '.join(strings)}]"
    if len(line) <= WIDTH and len(strings) > 0 and len(spans) > 0:
        return line
    return "\n".join(["[", *(f"    {string}," for string in strings), "]"]) if strings else "[]"


def _indent(text: str, spans: list[_Span]) -> str:
    """Return what precedes the first string that begins a line."""
    for span in spans:
        before = text[: span.start].rpartition("\n")
        if before[1] and not before[2].strip():
            return before[2]
    return "    "


def _with_more(text: str, spans: list[_Span], added: Sequence[str], indent: str) -> str:
    """Add the strings on lines of their own, after the last string's line."""
    lines = "".join(f"{indent}{quoted(string)},\n" for string in added)
    if not spans:
        end = text.rindex("]")
        start = text.rindex("\n", 0, end) + 1
        return text[:start] + lines + text[start:]
    last = spans[-1].end
    if not re.match(r"\s*(?:#[^\n]*\s*)*,", text[last:]):
        text = f"{text[:last]},{text[last:]}"
    rest_of_line = _REST_OF_LINE.match(text, last)
    if rest_of_line is None:  # the bracket closes on the line of the last string
        end = text.rindex("]")
        return f"{text[:end].rstrip()}\n{lines}{text[end:]}"
    start = rest_of_line.end() + 1
    return text[:start] + lines + text[start:]


def _without(text: str, span: _Span) -> str:
    """Remove a string: its whole line with the comment, if no other string is on it."""
    line = text.rfind("\n", 0, span.start) + 1
    rest_of_line = _REST_OF_LINE.match(text, span.end)
    if rest_of_line is not None and line and not text[line : span.start].strip():
        return text[:line] + text[rest_of_line.end() + 1 :]
    comma = re.compile(r"[ \t]*,[ \t]*").match(text, span.end)
    return text[: span.start] + text[comma.end() if comma else span.end :]

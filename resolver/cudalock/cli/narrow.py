"""Less of a JSON document: some of its keys, and the first rows of its lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from cudalock.errors import UsageError
from cudalock.text import did_you_mean, json_text, read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NARROWED: Final = "narrowed"
"""The key that says what was left out."""
_ALWAYS: Final = ("schema", "code", "exit_status", "message")
"""Keys that stay: without them nobody knows what the rest is."""
_META: Final = "cudalock.narrow"


def narrowed(
    document: dict[str, Any], fields: Sequence[str] = (), limit: int | None = None
) -> dict[str, Any]:
    """Return a document with only these fields, and at most `limit` rows in each list.

    A field is a path of keys, `pins.name`, which goes through lists. The key `narrowed` has `cut`:
    how many rows each list had that is shorter now. Raises UsageError for a field that is nowhere
    in the document.
    """
    chosen = document if not fields else _chosen(document, fields)
    cut: dict[str, int] = {}
    short = _cut(chosen, limit, "", cut) if limit is not None else chosen
    return {**short, NARROWED: {"fields": list(fields), "limit": limit, "cut": cut}}


def _chosen(document: dict[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    paths = [tuple(field.split(".")) for field in fields]
    for path, field in zip(paths, fields, strict=True):
        # An error has other keys than what was asked for.
        if not _has(document, path) and "exit_status" not in document:
            from cudalock.names import likely_names

            near = likely_names(path[0], document)
            raise UsageError(f"no field `{field}` in this document", hints=did_you_mean(near))
    always = [(key,) for key in _ALWAYS if key in document]
    if "exit_status" in document:
        return document
    return dict(_picked(document, [*always, *paths]))


def _has(part: Any, path: tuple[str, ...]) -> bool:
    """Whether a path leads somewhere; in an empty list everything may be."""
    if not path:
        return True
    if isinstance(part, list):
        return not part or any(_has(row, path) for row in part)
    return isinstance(part, dict) and path[0] in part and _has(part[path[0]], path[1:])


def _picked(part: Any, paths: Iterable[tuple[str, ...]]) -> Any:
    paths = list(paths)
    if any(not path for path in paths):
        return part
    if isinstance(part, list):
        return [_picked(row, paths) for row in part]
    if not isinstance(part, dict):
        return part
    below: dict[str, list[tuple[str, ...]]] = {}
    for path in paths:
        below.setdefault(path[0], []).append(path[1:])
    return {key: _picked(part[key], rest) for key, rest in below.items() if key in part}


def _cut(part: Any, limit: int, path: str, cut: dict[str, int]) -> Any:
    if isinstance(part, dict):
        return {
            key: _cut(value, limit, f"{path}.{key}" if path else key, cut)
            for key, value in part.items()
        }
    if not isinstance(part, list):
        return part
    if len(part) > limit:
        cut[path] = max(len(part), cut.get(path, 0))
    return [_cut(row, limit, path, cut) for row in part[:limit]]


# -- the options ----------------------------------------------------------------------------------


def add_options(params: list[click.Parameter]) -> None:
    """Add `--fields` and `--limit` to a command that can print JSON."""
    if not any("--json" in param.opts for param in params):
        return
    params += [
        click.Option(
            ["--fields"],
            metavar="KEY,...",
            multiple=True,
            expose_value=False,
            callback=_keep,
            help="Of the JSON print only these keys: matrix,pins.name.",
        ),
        click.Option(
            ["--limit"],
            type=click.IntRange(min=0),
            metavar="N",
            expose_value=False,
            callback=_keep,
            help="Of each list in the JSON print only the first N.",
        ),
    ]


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value not in (None, ()):
        ctx.find_root().meta.setdefault(_META, {})[param.name] = value


def as_wanted(text: str) -> str:
    """Return what a command prints, narrowed if the options say so. Raises UsageError for a text
    that is no JSON."""
    context = click.get_current_context(silent=True)
    wanted = context.find_root().meta.get(_META) if context is not None else None
    if not wanted:
        return text
    fields = [name.strip() for part in wanted.get("fields", ()) for name in part.split(",")]
    try:
        document = read_json(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise UsageError("`--fields` and `--limit` need `--json`")
    return json_text(narrowed(document, [name for name in fields if name], wanted.get("limit")))

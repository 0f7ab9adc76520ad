"""The pages of the reference that the code has: commands, codes, facts, settings, schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import click

from cudalock.cli import main
from cudalock.findings import RULES
from cudalock.show import rules
from cudalock.show.codes import code_page
from web.api.openapi import KINDS

if TYPE_CHECKING:
    from cudalock.matrix.facts import Fact
    from cudalock.matrix.matrix import Matrix


def pages(matrix: Matrix) -> dict[str, str]:
    """Return the text of every generated page by its name in the site."""
    return {
        "reference/commands.md": "".join(_commands()),
        "reference/codes.md": "".join(_codes()),
        "reference/facts.md": "".join(_facts(matrix)),
        "reference/settings.md": "".join(_settings()),
        "reference/schemas.md": "".join(_schemas()),
    }


# -- commands -------------------------------------------------------------------------------------


def _commands() -> Iterator[str]:
    yield "# Commands\n\nAs `cudalock COMMAND --help` prints it; "
    yield "[Command line](../cli.md) describes the options in order of use.\n"
    for words, command in commands():
        context = click.Context(command, info_name=words, terminal_width=100, max_content_width=100)
        text = click.unstyle(command.get_help(context)).rstrip()
        yield f"\n## {words}\n\n```text\n{text}\n```\n"


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command with the words that run it."""
    yield "cudalock", main
    yield from _below(main, "cudalock")


def _below(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from _below(command, f"{path} {name}")


# -- codes and facts ------------------------------------------------------------------------------


def _codes() -> Iterator[str]:
    yield "# Codes\n\nWhat `check` and `doctor` find. `cudalock explain CODE` prints the same.\n"
    for code, rule in RULES.items():
        page = code_page(code)
        yield f"\n## {code} {rule.name} {{ #{code.lower()} }}\n\n"
        yield f"*{rule.severity}*: {escaped(rule.summary)}\n\n{escaped(page.means)}\n\n"
        yield f"**Why:** {escaped(page.why)}\n\n**Fix:** {escaped(page.fix)}\n"
        if page.seen:
            yield f"\n**Seen with:** {escaped(page.seen)}\n"
        if page.example:
            content = page.example.content.strip()
            yield f'\n```text title="{page.example.name}"\n{content}\n```\n'
            yield f"\n```sh\n{page.example.command}\n```\n"
        if page.silence:
            yield "\n**Silence it:**\n\n" + "".join(f"- {way}\n" for way in page.silence)


def _facts(matrix: Matrix) -> Iterator[str]:
    yield f"# Facts\n\nOf matrix {matrix.version}, by component. `cudalock matrix rules` prints "
    yield "all of each; [The matrix](../matrix.md#facts) says what the words mean.\n"
    by_component: dict[str, list[Fact]] = {}
    for fact in rules(matrix).facts:
        by_component.setdefault(fact.component, []).append(fact)
    for component, facts in by_component.items():
        yield f"\n## {component}\n\n"
        for fact in facts:
            versions = f" {fact.versions}" if fact.versions else ""
            sentence = escaped(f"{component}{versions} {fact.says}")
            # An anchor of its own, by which a page or a message may name the fact.
            yield f'- <span id="{fact.id}"></span>`{fact.id}` ({fact.effect}): {sentence}\n'


def escaped(text: str) -> str:
    """Return a text with what Markdown would read as markup or HTML outside of code escaped."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        parts = ["'".join(parts)]
    for position in range(0, len(parts), 2):
        for sign in "\\*_[]":
            parts[position] = parts[position].replace(sign, f"\\{sign}")
        parts[position] = parts[position].replace("&", "&amp;").replace("<", "&lt;")
    return "`".join(parts)


# -- settings and schemas -------------------------------------------------------------------------


def _settings() -> Iterator[str]:
    yield "# Settings\n\nKeys of `[tool.cudalock]` in pyproject.toml, or of cudalock.toml; "
    yield "[Command line](../cli.md) says where they are looked for. A key is an option without "
    yield "its dashes, and has its meaning.\n\n| Key | Commands |\n|---|---|\n"
    by_option: dict[str, list[str]] = {}
    for words, command in commands():
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                longest = max(parameter.opts, key=len)
                if longest.startswith("--"):
                    by_option.setdefault(longest[2:], []).append(words.removeprefix("cudalock "))
    for option, users in sorted(by_option.items()):
        if option not in ("help", "version"):
            names = ", ".join(f"`{name}`" for name in dict.fromkeys(users))
            yield f"| `{option}` | {names} |\n"


def _schemas() -> Iterator[str]:
    yield "# JSON Schemas\n\nOf what `--json` prints; [JSON](../json.md) describes the documents.\n"
    folder = files("cudalock").joinpath("schemas")
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.name.endswith(".json"):
            schema: dict[str, Any] = json.loads(entry.read_text("utf-8"))
            yield f"\n## {schema.get('title', entry.name)}\n\n"
            yield f'??? note "{entry.name}"\n\n    ```json\n'
            text = json.dumps(schema, indent=1)
            yield "".join(f"    {line}\n" for line in text.splitlines())
            yield "    ```\n"
    yield "\n## Static API\n\n[The static API](../api.md) has these documents.\n\n"
    yield "| Document | Content |\n|---|---|\n"
    for path, summary, _ in KINDS.values():
        yield f"| `{path}` | {summary} |\n"

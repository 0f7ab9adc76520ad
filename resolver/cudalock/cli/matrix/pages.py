"""`cudalock matrix rules`, `show` and `table`: the matrix for people, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cudalock.cli import CONTEXT
from cudalock.cli.completing import completed
from cudalock.cli.help import SectionedCommand
from cudalock.cli.matrix import options
from cudalock.cli.universe import load_matrix
from cudalock.errors import Contradiction

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

FORMATS = ("text", "markdown", "csv")


@click.command(
    cls=SectionedCommand,
    short_help="The curated facts, with their sources.",
    context_settings=CONTEXT,
)
@click.option(
    "--for",
    "name",
    metavar="NAME",
    help="Only facts of this component, and those that name it.",
    shell_complete=completed("project"),
)
@options.as_json
@options.directory
def rules(name: str | None, as_json: bool, directory: str | None) -> None:
    """List the curated facts by component: what each says, its effect, basis and sources.

    Exit status: 0 listed; 2 unknown component.

    --json: one object with `schema` ("cudalock.rules/1"), `matrix`, `for`, and `facts` ordered by
    component and id. A fact has `id`, `component`, `says`, `effect`, `basis`, `source`, `checked`
    and `scope`, and what it holds of `for`, `where`, `when`, `requires`, `constrains`, `conflicts`,
    `refuses`, `replaces`, `symptom` and `fix`, as matrix/README.md describes them.
    """
    from cudalock.show import rules as make_rules

    listing = make_rules(load_matrix(directory), name)
    _write(listing.text, listing.document, as_json)


@click.command(
    cls=SectionedCommand,
    short_help="One project, release, component or GPU.",
    context_settings=CONTEXT,
)
@click.argument(
    "name", shell_complete=completed("alias", "project", "virtual", "gpu", "code", "fact")
)
@click.argument("version", required=False)
@options.as_json
@options.directory
def show(name: str, version: str | None, as_json: bool, directory: str | None) -> None:
    """Print what is known about NAME: a project, an alias, cuda, cudnn, driver, or a GPU; or what a
    code of `check` means, or a fact by its id.

    A project shows its versions, newest first; with VERSION each of its builds, with requirements,
    wheels, hashes and the facts that cover it. A GPU ("RTX 5090", 12.0) shows which builds have
    code for it.

    Exit status: 0 printed; 2 NAME or VERSION is not known.

    --json: one object with `schema` ("cudalock.show/1"), `matrix` and `name`. A project has
    `versions`, a release `builds` with `requires` and `wheels`, a GPU `capability`, `gpus` and
    `builds`, a version of a virtual component `tables`. `facts` are the ids of those that cover it,
    `refused_by` of those that forbid it.
    """
    from cudalock.show import page_of_word
    from cudalock.show import show as make_page

    loaded = load_matrix(directory)
    about = None if version else page_of_word(loaded, name)
    if about is not None:
        _write(about.text, about.document, as_json)
        return
    page = make_page(loaded, name, version)
    _write(lambda: page.text(_width()), page.document, as_json)


@click.command(cls=SectionedCommand, short_help="A compatibility table.", context_settings=CONTEXT)
@click.argument("name", required=False, shell_complete=completed("table"))
@click.argument("version", required=False)
@click.option(
    "--format", "layout", type=click.Choice(FORMATS), help="Output format (default: text)."
)
@options.as_json
@options.directory
def table(
    name: str | None,
    version: str | None,
    layout: str | None,
    as_json: bool,
    directory: str | None,
) -> None:
    """Print the compatibility table NAME, or list the tables.

    VERSION selects the rows by the first column: 2.5 is any 2.5.x, ">=2.4,<2.6" a range.

    Exit status: 0 printed; 2 no such table, or no such row.

    --json: one object with `schema` ("cudalock.table/1"), `matrix`, `name`, `title`, `columns`
    (`key` and `title`), `rows` (objects by column key: text, a list of texts, or null where nothing
    is known), `facts` (id to sentence) and `notes`. Without NAME the rows are the tables.
    """
    if as_json and layout:
        raise Contradiction(f"`--json` cannot be combined with `--format {layout}`")
    from cudalock.show import find_definition, make_table, table_of_tables

    loaded = load_matrix(directory)
    if name is None:
        page = table_of_tables(loaded)
    else:
        page = make_table(find_definition(loaded, name), loaded, version)
    layouts = {"markdown": page.markdown, "csv": page.csv}
    _write(layouts.get(layout or "", lambda: page.text(_width())), page.document, as_json)


def _write(text: Callable[[], str], document: Callable[[], dict[str, Any]], as_json: bool) -> None:
    from cudalock.cli.console import emit
    from cudalock.text import json_text

    emit(json_text(document()) if as_json else text())


def _width() -> int | None:
    """Return the width of the terminal in columns; None for a file or a pipe."""
    import shutil
    import sys

    return shutil.get_terminal_size().columns if sys.stdout and sys.stdout.isatty() else None

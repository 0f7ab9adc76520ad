"""`cudalock explain`: the pins of a goal's lock, with reasons."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from cudalock.cli import CONTEXT
from cudalock.cli.completing import completed
from cudalock.cli.help import SectionedCommand
from cudalock.cli.machine import read_query
from cudalock.cli.options import (
    GoalOptions,
    OptionValues,
    OutputOptions,
    goal_options,
    source_options,
)
from cudalock.cli.settings import ProjectSettings
from cudalock.cli.universe import load_matrix, open_universe
from cudalock.errors import NoSolution
from cudalock.text import json_text

if TYPE_CHECKING:
    from cudalock.conflicts.pin_reasons import PinReasons
    from cudalock.matrix.matrix import Matrix
    from cudalock.resolution.model import Resolution
    from cudalock.targets import Target


@click.command(
    cls=SectionedCommand,
    short_help="Explain the pins of a lock.",
    context_settings=CONTEXT,
    examples=(
        ("cudalock explain --torch 2.5.1 --fa2", "why these versions"),
        ("cudalock explain CL203", "what a code of `check` or `doctor` means"),
        ("cudalock explain fa2-torch-minor", "a fact, by the id that messages name"),
    ),
)
@click.argument("goal", nargs=-1, shell_complete=completed("code", "fact", "alias", "project"))
@goal_options
@click.option(
    "--package",
    metavar="NAME",
    help="Explain only this package.",
    shell_complete=completed("project"),
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@source_options
@click.pass_context
def explain(
    ctx: click.Context,
    /,
    goal: tuple[str, ...],
    package: str | None,
    as_json: bool,
    **_flags: Any,
) -> None:
    """Explain each pin of GOAL's lock: what requires it, by which fact newer versions were not
    chosen, and which other builds would work. Or explain one word: a code of `check` and `doctor`
    (CL203; CL lists all), or the id of a fact (fa2-torch-minor).

    GOAL and its options are those of `cudalock solve`, and so are the indexes that are queried.

    Exit status: 0 a solution, explained; 1 no solution, explained; 2 invalid input; 3 network
    error.
    """
    from cudalock.cli.console import emit
    from cudalock.conflicts.pin_reasons import as_document, explain_pins
    from cudalock.solving import solve

    parsed = OptionValues(ctx, ProjectSettings.find())
    # First of all: as a goal an id of a fact would be an unknown name.
    if len(goal) == 1 and _explain_word(goal[0], parsed, as_json=as_json):
        return
    universe = open_universe(OutputOptions.of(parsed))
    parsed_goal, target = read_query(GoalOptions.of(parsed, goal), universe)
    try:
        resolution = solve(parsed_goal, target, universe)
    except NoSolution as no:
        if as_json:
            emit(json_text(_document_of_no(no, target, universe.matrix)))
            # The document of the error would be a second one on the same stream.
            no.has_document = True
        raise
    choices = explain_pins(resolution, package)
    if as_json:
        emit(json_text(as_document(resolution, choices)))
    else:
        emit("\n".join(_lines(resolution, choices)) + "\n")


def _explain_word(word: str, parsed: OptionValues, *, as_json: bool) -> bool:
    """Print the page of a code or of a fact; return whether the word is one."""
    from cudalock.cli.console import emit
    from cudalock.show import page_of_word

    page = page_of_word(load_matrix(parsed.text("matrix")), word)
    if page is None:
        return False
    emit(json_text(page.document()) if as_json else page.text())
    return True


def _lines(resolution: Resolution, choices: list[PinReasons]) -> Iterator[str]:
    for choice in choices:
        yield f"{choice.name} {choice.version}, from {choice.source}"
        yield f"  required by {'; '.join(choice.required_by)}"
        for passed in choice.passed_over:
            yield f"  newer {passed}"
        for build in choice.other_builds:
            yield f"  would also work: {build}"
    for fact in resolution.warnings:
        yield f"warning: {fact.component} {fact.says}   [{fact.id}]"


def _document_of_no(no: NoSolution, target: Target, matrix: Matrix) -> dict[str, Any]:
    from cudalock.conflicts.document import conflicts_of
    from cudalock.conflicts.pin_reasons import SCHEMA

    return {
        "schema": SCHEMA,
        "matrix": matrix.version,
        "target": target.label,
        "pins": None,
        "conflicts": conflicts_of(no),
        "hints": list(no.hints),
    }

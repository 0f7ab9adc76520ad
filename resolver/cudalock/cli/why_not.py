"""`cudalock why-not`: what prevents one pin in a goal."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

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
    image_option,
    source_options,
)
from cudalock.cli.settings import ProjectSettings
from cudalock.cli.universe import open_universe
from cudalock.errors import BadSpecifier, NothingAsked
from cudalock.text import json_text
from cudalock.versions import parse_requirement

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cudalock.cli.keep import Kept
    from cudalock.goals import Goal
    from cudalock.lock import LockWarning
    from cudalock.matrix.universe import Universe
    from cudalock.resolution.model import Candidate
    from cudalock.targets import Target

SCHEMA: Final = "cudalock.why-not/1"


@click.command(
    "why-not",
    cls=SectionedCommand,
    short_help="Explain what prevents a pin.",
    context_settings=CONTEXT,
    examples=(
        (
            "cudalock why-not torch==2.9.0 flash-attn --platform windows --python 3.12",
            "what prevents this torch",
        ),
        (
            "cudalock why-not unsloth==2026.10.9 --image colab:2026-08-19",
            "what prevents it beside the packages of an image",
        ),
    ),
)
@click.argument("pin", shell_complete=completed("project"))
@click.argument("goal", nargs=-1, shell_complete=completed("alias", "project"))
@goal_options
@image_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@source_options
@click.pass_context
def why_not(
    ctx: click.Context, /, pin: str, goal: tuple[str, ...], as_json: bool, **_flags: Any
) -> None:
    """Explain what prevents PIN, such as torch==2.6.0, in GOAL.

    GOAL and its options are those of `cudalock solve`, and so are the indexes that are queried.

    Exit status: 0 nothing prevents it; 1 no solution with it, explained; 2 invalid input; 3 network
    error.
    """
    from cudalock.cli.console import emit
    from cudalock.goals import command_line
    from cudalock.lock import LockWarning
    from cudalock.solving import solve

    # `why-not torch 2.6.0 ...` without quotes: the shell has split the pin.
    if goal and re.fullmatch(r"[\w.-]+", pin) and re.match(r"v?[0-9]", goal[0]):
        pin, goal = f"{pin} {goal[0]}", goal[1:]
    parsed = OptionValues(ctx, ProjectSettings.find())
    output = OutputOptions.of(parsed)
    options = GoalOptions.of(parsed, goal)
    image, kept = parsed.text("image"), None
    if image:
        from cudalock.cli.image import read_base

        options, kept = read_base(image, options, output)
    universe = open_universe(output, added=kept.overlay if kept is not None else None)
    try:
        parsed_goal, target = read_query(options, universe)
    except NothingAsked:
        # `why-not torch==2.6.0` alone asks for the pin itself.
        parsed_goal, target = read_query(
            replace(options, request=options.request._replace(words=(pin,))), universe
        )
    pinned, name = _with_pin(parsed_goal, pin, target, universe)
    if kept is not None:
        _beside_image(pinned, target, kept, universe, output, as_json=as_json)
        return
    answer = solve(pinned, target, universe)  # raises NoSolution, which says what stops it
    usual = _without(parsed_goal, target, universe, name) if parsed_goal != pinned else None
    command = command_line(pinned, target)
    warnings = [
        LockWarning(fact.id, f"{fact.component} {fact.says}", fact.effect)
        for fact in answer.warnings
    ]
    if as_json:
        emit(json_text(_document(answer.matrix.version, target, command, warnings, usual)))
        return
    lines = [f"nothing prevents it: `{command}`"]
    lines += [f"warning: {warning.says}   [{warning.fact}]" for warning in warnings]
    if usual is not None:
        lines.append(f"without this pin the goal takes {usual}")
    emit("\n".join(lines) + "\n")


def _beside_image(
    pinned: Goal,
    target: Target,
    kept: Kept,
    universe: Universe,
    output: OutputOptions,
    *,
    as_json: bool,
) -> None:
    """Print what a pin changes in an image. Raises NoSolution, which says what stops it there."""
    from cudalock.cli.console import emit
    from cudalock.cli.keep import build_additions

    lock = build_additions(((pinned, target),), universe, kept, (), output)
    if as_json:
        document = _document(lock.matrix_version, lock.target, lock.command, lock.warnings)
        emit(json_text({**document, "notes": list(map(str, lock.notes))}))
        return
    lines = [f"nothing prevents it: `{lock.command}`"]
    lines += [f"warning: {warning}" for warning in lock.warnings]
    lines += [f"note: {note}" for note in lock.notes]
    emit("\n".join(lines) + "\n")


def _document(
    matrix: str,
    target: Target,
    command: str,
    warnings: Iterable[LockWarning],
    usual: Candidate | None = None,
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "matrix": matrix,
        "possible": True,
        "target": target.label,
        "command": command,
        "without": str(usual) if usual is not None else None,
        "warnings": [
            {"fact": warning.fact, "says": warning.says, "effect": warning.effect}
            for warning in warnings
        ],
    }


def _with_pin(goal: Goal, pin: str, target: Target, universe: Universe) -> tuple[Goal, str]:
    """Return the goal with the pin instead of its requirement of that project, and the name."""
    from packaging.requirements import InvalidRequirement

    from cudalock.goals import Request, read_request

    try:
        words = pin if re.fullmatch(r"[\w.-]+ [v0-9<>=!~]\S*", pin) else str(parse_requirement(pin))
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        raise BadSpecifier(
            f"invalid requirement `{pin}`: {reason}",
            hints=['`cudalock why-not "torch==2.6.0" ...`'],
        ) from None
    # Read as a goal is, with the same errors for unknown names.
    read, _ = read_request(Request(words=(words,), python=(target.python_text,)), universe)
    requirement = read.requirements[0]
    # The goal may require the project itself: two versions of it would be the only reason.
    others = [stated for stated in goal.requirements if stated.name != requirement.name]
    requirements = sorted([*others, requirement], key=str)
    return replace(goal, requirements=tuple(requirements)), requirement.name


def _without(goal: Goal, target: Target, universe: Universe, name: str) -> Candidate | None:
    """Return what the goal resolves to without the pin; None where it has no solution."""
    from cudalock.errors import NoSolution
    from cudalock.solving import solve

    try:
        return solve(goal, target, universe).pins.get(name)
    except NoSolution:
        return None

"""`cudalock why-not`: what stops one very pin in a goal."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from cudalock.cli import CONTEXT, matrix_option
from cudalock.cli.machine import read_query
from cudalock.cli.options import GoalOptions, OptionValues, goal_options
from cudalock.cli.settings import Settings
from cudalock.cli.universe import open_matrix
from cudalock.errors import BadSpecifier, NothingAsked
from cudalock.versions import parse_requirement

if TYPE_CHECKING:
    from cudalock.goals import Goal
    from cudalock.matrix.universe import Universe
    from cudalock.targets import Target


@click.command("why-not", short_help="What stops one pin.", context_settings=CONTEXT)
@click.argument("pin")
@click.argument("goal", nargs=-1)
@goal_options
@click.option("--offline", is_flag=True, help="Never use the network; it is not needed.")
@matrix_option
@click.pass_context
def why_not(ctx: click.Context, /, pin: str, goal: tuple[str, ...], **_flags: Any) -> None:
    """Say what stops PIN (as torch==2.6.0) in GOAL, which is said as for `cudalock solve`.

    Exit status: 0 nothing stops it; 1 it cannot be had, and why; 2 the question was wrong.
    """
    from cudalock.cli.console import emit
    from cudalock.goals import command_line
    from cudalock.solving import solve

    if goal and re.fullmatch(r"[\w.-]+", pin) and re.match(r"v?\d", goal[0]):
        pin, goal = f"{pin} {goal[0]}", goal[1:]
    values = OptionValues(ctx, Settings.read())
    universe = open_matrix(values.text("matrix"))
    options = GoalOptions.of(values, goal)
    try:
        wanted, target = read_query(options, universe)
    except NothingAsked:
        # The pin itself is a goal.
        wanted, target = read_query(
            replace(options, request=options.request._replace(words=(pin,))), universe
        )
    pinned, name = _with_pin(wanted, pin, target, universe)
    answer = solve(pinned, target, universe)  # raises NoSolution, which says what stops it
    lines = [f"nothing stops it: `{command_line(pinned, target)}`"]
    lines += [f"warning: {fact.component} {fact.says}   [{fact.id}]" for fact in answer.warnings]
    if wanted != pinned:
        lines += _compared(wanted, target, universe, name)
    emit("\n".join(lines) + "\n")


def _with_pin(goal: Goal, pin: str, target: Target, universe: Universe) -> tuple[Goal, str]:
    """The goal with one more requirement, in place of what it says of that project."""
    from packaging.requirements import InvalidRequirement

    from cudalock.goals import Request, read_request

    try:
        words = pin if re.fullmatch(r"[\w.-]+ [v\d<>=!~]\S*", pin) else str(parse_requirement(pin))
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        raise BadSpecifier(
            f"`{pin}` is no requirement: {reason}", hints=['`cudalock why-not "torch==2.6.0" ...`']
        ) from None
    # The same reading, and the same complaints about unknown names, as everywhere.
    read, _ = read_request(Request(words=(words,), python=(target.python_text,)), universe)
    requirement = read.requirements[0]
    name = parse_requirement(requirement).name
    others = [text for text in goal.requirements if parse_requirement(text).name != name]
    return replace(goal, requirements=tuple(sorted([*others, requirement]))), name


def _compared(goal: Goal, target: Target, universe: Universe, name: str) -> list[str]:
    """What the goal takes instead, when nothing more is said."""
    from cudalock.errors import NoSolution
    from cudalock.solving import solve

    try:
        usual = solve(goal, target, universe).pins.get(name)
    except NoSolution:
        return []
    return [f"without that wish the goal takes {usual}"] if usual else []

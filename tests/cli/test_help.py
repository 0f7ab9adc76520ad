"""Help: sections, examples that run, and what is typed instead of a command."""

from __future__ import annotations

import shlex

import click
import pytest
from click.testing import CliRunner

from cudalock.cli import COMMAND_SECTIONS, COMMANDS, main
from cudalock.cli.help import OTHERS, SECTIONS, SectionedCommand, section_of


def run(*words: str) -> click.testing.Result:
    return CliRunner().invoke(main, words)


def commands(group: click.Group, *path: str) -> list[tuple[str, click.Command]]:
    context = click.Context(group)
    found: list[tuple[str, click.Command]] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        below = commands(command, *path, name) if isinstance(command, click.Group) else None
        found += below if below is not None else [(" ".join([*path, name]), command)]
    return found


ALL = commands(main)


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name for name, _ in ALL])
def test_every_option_stands_in_a_section(name: str, command: click.Command) -> None:
    assert isinstance(command, SectionedCommand)
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert [option.opts for option in options if section_of(option) == OTHERS] == []


def test_no_section_names_an_option_that_is_gone() -> None:
    flags = {
        flag.removeprefix("--")
        for _, command in ALL
        for option in command.params
        for flag in option.opts
    }
    assert [name for names in SECTIONS.values() for name in names if name not in flags] == []


def test_every_command_stands_in_a_section() -> None:
    assert {name for names in COMMAND_SECTIONS.values() for name in names} == set(COMMANDS)


EXAMPLES = [
    (name, line, command)
    for name, command in ALL
    if isinstance(command, SectionedCommand)
    for line, _ in command.examples
]


@pytest.mark.parametrize(
    ("name", "line", "command"), EXAMPLES, ids=[line for _, line, _ in EXAMPLES]
)
def test_examples_are_command_lines(name: str, line: str, command: click.Command) -> None:
    """Only read: what they do is tested where they do it."""
    words = shlex.split(line.rpartition("| ")[2], comments=True)
    path = name.split()
    assert words[: len(path) + 1] == ["cudalock", *path]
    context = command.make_context(name, words[len(path) + 1 :])
    assert context.params


def test_every_command_that_answers_has_an_example() -> None:
    without = {
        name
        for name, command in ALL
        if isinstance(command, SectionedCommand) and not command.examples
    }
    assert {name for name in without if not name.startswith(("matrix ", "cache "))} == {
        "activate",
        "help",
    }


def test_help_of_a_command_is_its_help() -> None:
    assert run("help", "matrix", "show").stdout == run("matrix", "show", "--help").stdout
    assert run("help").stdout == run("--help").stdout


HERE = ("--python", "3.11", "--platform", "linux", "-q")


@pytest.mark.parametrize(
    "words",
    [
        ("torch==2.5.1",),
        ("torch", "2.5.1"),
        ("torch 2.5.1",),
        ("--torch", "2.5.1"),
    ],
)
def test_a_goal_without_a_command_is_solved(words: tuple[str, ...]) -> None:
    bare, full = run(*words, *HERE), run("solve", *words, *HERE)
    assert bare.exit_code == 0, bare.output
    assert bare.stdout == full.stdout


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("sovle", "torch"), "did you mean `cudalock solve torch`?"),
        (("chek",), "did you mean `cudalock check`?"),
        (("help", "sovle"), "did you mean `cudalock help solve`?"),
        (("help", "matrix", "shwo"), "did you mean `cudalock help show`?"),
        (("nonsense",), "`cudalock solve nonsense`, if `nonsense` is a package"),
    ],
)
def test_what_is_no_command_is_refused(words: tuple[str, ...], hint: str) -> None:
    result = run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.endswith(f"hint: {hint}\n")

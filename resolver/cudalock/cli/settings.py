"""`[tool.cudalock]` of a pyproject.toml: defaults for the options of the commands, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cudalock.errors import BadFile, UnknownName, UsageError
from cudalock.files import read_small
from cudalock.names import nearest
from cudalock.targets.facets import FACETS
from cudalock.text import did_you_mean, shell_word

if TYPE_CHECKING:
    from collections.abc import Iterable

TABLE: Final = "tool.cudalock"
TARGETS: Final = "targets"
"""The one key of the table that is no option: the targets of `check` and `generate`."""
INDEX_MAP: Final = "index-map"
FLAGS_ONLY: Final = frozenset({"force", "undo", "yes"})
"""Options that nobody but the user at the keyboard sets: a cloned repository has a table too."""


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """The table as TOML has it, and what it means for a command."""

    table: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path | None = None) -> ProjectSettings:
        """Return the table of the pyproject.toml in `folder`, empty where there is none.

        Raises BadFile for a file that cannot be read, or that is not TOML.
        """
        return cls(_table((folder or Path()) / "pyproject.toml"))

    def defaults(self, command: click.Command) -> dict[str, Any]:
        """Return the values by the command's parameter names. A key is an option without dashes.

        A key that only other commands have is ignored. Raises UnknownName for a key that is no
        option, BadFile for a value that the option does not take.
        """
        options = _options_of(command)
        defaults: dict[str, Any] = {}
        for key, setting in self.table.items():
            # No option: `check` and `generate` read it themselves.
            if key == TARGETS:
                continue
            if key in FLAGS_ONLY:
                raise UsageError(
                    f"pyproject.toml: [{TABLE}] {key} is not a setting: give `--{key}` each time"
                )
            option = options.get(key)
            if option is None and key in _options_of_all():
                continue
            if option is None or option.name is None:
                near = nearest(key, options)
                raise UnknownName(
                    f"pyproject.toml: unknown key `{key}` in [{TABLE}]; no option has this name",
                    hints=did_you_mean(near),
                )
            defaults[option.name] = _converted(key, setting, option)
        refuse_programs(defaults.get("python", ()), f"pyproject.toml: [{TABLE}] python")
        return defaults

    @property
    def target_flags(self) -> dict[str, tuple[str, ...]]:
        """The options that state a target, by name; the table's other keys are ignored.

        Raises BadFile for a value that is no text, or list of them.
        """
        flags = {}
        for name in FACETS:
            setting = self.table.get(name, [])
            texts = setting if isinstance(setting, list) else [setting]
            if not all(isinstance(text, str) for text in texts):
                raise BadFile(
                    f"pyproject.toml: [{TABLE}] {name} has to be text: write it in quotes"
                )
            flags[name] = tuple(texts)
        return flags

    @property
    def index_map(self) -> tuple[str, ...]:
        """The texts of `--index-map`. Raises BadFile for anything else there."""
        setting = self.table.get(INDEX_MAP, ())
        texts = _pairs(setting) if isinstance(setting, dict) else setting
        texts = [texts] if isinstance(texts, str) else texts
        if not all(isinstance(text, str) for text in texts):
            raise BadFile(f"pyproject.toml: [{TABLE}] {INDEX_MAP} has to map a URL to a URL")
        return tuple(texts)

    @property
    def targets(self) -> list[str]:
        """The phrases of `targets`, each a platform and a Python: "linux 3.11".

        Raises BadFile for anything else there.
        """
        setting = self.table.get(TARGETS, [])
        phrases = [setting] if isinstance(setting, str) else setting
        if not isinstance(phrases, list) or not all(isinstance(text, str) for text in phrases):
            raise BadFile(
                f'pyproject.toml: [{TABLE}] {TARGETS} has to be a list, such as ["linux 3.11"]'
            )
        return phrases


def _options_of(command: click.Command) -> dict[str, click.Option]:
    """Return a command's options by each of their spellings: `python` and `python-version`."""
    return {
        flag.removeprefix("--"): parameter
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for flag in parameter.opts
        if flag.startswith("--")
    }


def _options_of_all() -> set[str]:
    """Return the spellings of the options of every command, where a command line is running."""
    context = click.get_current_context(silent=True)
    group = context.find_root().command if context is not None else None
    if context is None or not isinstance(group, click.Group):
        return set()
    commands = [group.get_command(context, name) for name in group.list_commands(context)]
    return {key for command in commands if command is not None for key in _options_of(command)}


def refuse_programs(pythons: Iterable[str], where: str) -> None:
    """Raise BadFile for a Python that a file names by its path.

    To learn its version the program would have to be run, and nothing that a file names is run.
    `where` begins the message.
    """
    from cudalock.targets.pythons import is_version

    for text in pythons:
        if not is_version(text):
            raise BadFile(
                f"{where}: invalid Python version `{text}`; no program that a file names is run",
                hints=[
                    f"`--python {shell_word(text)}` if you trust it",
                    'a version, such as "3.11"',
                ],
            )


def _table(path: Path) -> dict[str, Any]:
    try:
        text = read_small(path).decode("utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BadFile(f"`{path}` cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BadFile(f"`{path}` cannot be read: {error}") from error
    if TABLE not in text:
        # Most have no such table, and need not be parsed, nor be right.
        return {}
    from cudalock import toml

    try:
        table = toml.loads(text).get("tool", {}).get("cudalock", {})
    except toml.TOMLDecodeError as error:
        raise BadFile(f"`{path}` is not valid TOML: {error}") from error
    if not isinstance(table, dict):
        raise BadFile(f"`{path}`: [{TABLE}] is not a table")
    return table


def _pairs(table: Mapping[str, object]) -> list[object]:
    """Return a table as `index-map` reads best, { ORIGINAL = MIRROR }, as the option's texts."""
    return [f"{name}={text}" if isinstance(text, str) else text for name, text in table.items()]


def _converted(key: str, setting: object, option: click.Option) -> object:
    """Return the value as the option's type makes it of a flag's text."""
    where = f"pyproject.toml: [{TABLE}] {key}"
    if option.is_flag:
        if not isinstance(setting, bool):
            raise BadFile(f"{where} has to be true or false")
        return setting
    if isinstance(setting, dict) and option.multiple:
        setting = _pairs(setting)
    texts = setting if isinstance(setting, list) and option.multiple else [setting]
    if not all(isinstance(text, str) for text in texts):
        # 3.10 as a number is 3.1: it has to be text.
        raise BadFile(f'{where} has to be text: write it in quotes, such as "3.11"')
    if any("\0" in str(text) for text in texts):
        raise BadFile(f"{where} has a character that no file name and no version has")
    try:
        converted = [option.type.convert(text, option, None) for text in texts]
    except click.BadParameter as error:
        raise UsageError(f"{where}: {error.message}") from error
    return tuple(converted) if option.multiple else converted[0]

"""`[tool.cudalock]` of a pyproject.toml, or a cudalock.toml: defaults for options, read once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cudalock.errors import BadFile, CudalockError, UnknownName, UsageError
from cudalock.files import read_small, resolved
from cudalock.names import nearest
from cudalock.records import dataclass, field
from cudalock.targets.facets import FLAGS
from cudalock.text import did_you_mean, shell_word

if TYPE_CHECKING:
    from collections.abc import Iterable

TABLE: Final = "tool.cudalock"
TARGETS: Final = "targets"
"""A key of the table that is no option: the targets of `check` and `generate`."""
PER_FILE: Final = "per-file-ignores"
"""The other one: codes that `check` ignores, by a pattern of file names."""
OWN_FILE: Final = "cudalock.toml"
"""A file that is this table as a whole, for a folder without a pyproject.toml."""
INDEX_MAP: Final = "index-map"
FLAGS_ONLY: Final = frozenset({"force", "fix", "undo", "yes"})
"""Options that nobody but the user at the keyboard sets: a cloned repository has a table too."""


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """The table as TOML has it, and what it means for a command."""

    table: Mapping[str, Any] = field(default_factory=dict)
    where: str = f"pyproject.toml: [{TABLE}]"
    """the file and the table, as messages name them"""

    @classmethod
    def read(cls, folder: Path | None = None) -> ProjectSettings:
        """Return the table of a folder's cudalock.toml, else of its pyproject.toml, else none.

        Raises BadFile for a file that cannot be read, or that is not TOML.
        """
        here = folder or Path()
        own = _toml(here / OWN_FILE)
        if own is not None:
            return cls(own, f"{OWN_FILE}:")
        return cls(_table(here / "pyproject.toml"))

    @classmethod
    def find(cls, folder: Path | None = None) -> ProjectSettings:
        """Return the settings of a folder, or of the nearest folder above it that has any.

        The search ends at the root of the repository (a folder with `.git`). Outside a repository
        only the folder itself counts: those above it may be anybody's. Raises as `read` does.
        """
        here = folder or Path()
        above = _repository_folders(resolved(here))
        for place in (here, *above[1:]):
            settings = cls.read(place)
            if settings.table:
                return settings
        return cls()

    def defaults(self, command: click.Command) -> dict[str, Any]:
        """Return the values by the command's parameter names. A key is an option without dashes.

        A key that only other commands have is ignored. Raises UnknownName for a key that is no
        option, BadFile for a value that the option does not take.
        """
        options = _options_of(command)
        defaults: dict[str, Any] = {}
        for key, setting in self.table.items():
            # No options: `check` and `generate` read them themselves.
            if key in (TARGETS, PER_FILE):
                continue
            if key in FLAGS_ONLY:
                raise UsageError(f"{self.where} {key} is not a setting: give `--{key}` each time")
            option = options.get(key)
            others = _options_of_all().get(key, ())
            if option is None and others:
                continue
            if option is None or option.name is None:
                near = nearest(key, options)
                raise UnknownName(
                    f"{self.where} unknown key `{key}`; no option has this name",
                    hints=did_you_mean(near),
                )
            try:
                defaults[option.name] = self._converted(key, setting, option)
            except CudalockError:
                # `format` of `solve` is no format of `check`.
                if not any(self._is_value_of(key, setting, other) for other in others):
                    raise
        refuse_programs(defaults.get("python", ()), f"{self.where} python")
        return defaults

    @property
    def target_flags(self) -> dict[str, tuple[str, ...]]:
        """The options that state a target, by name; the table's other keys are ignored.

        Raises BadFile for a value that is no text, or list of them.
        """
        flags = {}
        for name in FLAGS:
            setting = self.table.get(name, [])
            texts = setting if isinstance(setting, list) else [setting]
            if not all(isinstance(text, str) for text in texts):
                raise BadFile(f"{self.where} {name} has to be text: write it in quotes")
            flags[name] = tuple(texts)
        return flags

    @property
    def index_map(self) -> tuple[str, ...]:
        """The texts of `--index-map`. Raises BadFile for anything else there."""
        setting = self.table.get(INDEX_MAP, ())
        texts = _pairs(setting) if isinstance(setting, dict) else setting
        texts = [texts] if isinstance(texts, str) else texts
        if not all(isinstance(text, str) for text in texts):
            raise BadFile(f"{self.where} {INDEX_MAP} has to map a URL to a URL")
        return tuple(texts)

    @property
    def targets(self) -> list[str]:
        """The phrases of `targets`, each a platform and a Python: "linux 3.11".

        Raises BadFile for anything else there.
        """
        setting = self.table.get(TARGETS, [])
        phrases = [setting] if isinstance(setting, str) else setting
        if not isinstance(phrases, list) or not all(isinstance(text, str) for text in phrases):
            raise BadFile(f'{self.where} {TARGETS} has to be a list, such as ["linux 3.11"]')
        return phrases

    @property
    def per_file_ignores(self) -> dict[str, list[str]]:
        """Codes by a pattern of file names. Raises BadFile for anything else there."""
        setting = self.table.get(PER_FILE, {})
        if not isinstance(setting, dict):
            raise BadFile(f"{self.where} {PER_FILE} has to map a pattern to a list of codes")
        ignored = {}
        for pattern, codes in setting.items():
            texts = [codes] if isinstance(codes, str) else codes
            if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
                raise BadFile(f"{self.where} {PER_FILE} has to map a pattern to a list of codes")
            ignored[pattern] = texts
        return ignored

    def _is_value_of(self, key: str, setting: object, option: click.Option) -> bool:
        try:
            self._converted(key, setting, option)
        except CudalockError:
            return False
        return True

    def _converted(self, key: str, setting: object, option: click.Option) -> object:
        """Return the value as the option's type makes it of a flag's text."""
        where = f"{self.where} {key}"
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


def _options_of(command: click.Command) -> dict[str, click.Option]:
    """Return a command's options by each of their spellings: `python` and `python-version`."""
    return {
        flag.removeprefix("--"): parameter
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for flag in parameter.opts
        if flag.startswith("--")
    }


def _options_of_all() -> dict[str, list[click.Option]]:
    """Return the options of every command by spelling, where a command line is running."""
    context = click.get_current_context(silent=True)
    group = context.find_root().command if context is not None else None
    if context is None or not isinstance(group, click.Group):
        return {}
    options: dict[str, list[click.Option]] = {}
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        for key, option in _options_of(command).items() if command is not None else ():
            options.setdefault(key, []).append(option)
    return options


def _repository_folders(folder: Path) -> list[Path]:
    """Return a folder and those above it, up to the root of its repository; else only itself."""
    folders = [folder, *folder.parents]
    for place, candidate in enumerate(folders):
        if (candidate / ".git").exists():
            return folders[: place + 1]
    return [folder]


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
    text = _text(path)
    # Most have no such table, and need not be parsed, nor be right.
    if text is None or TABLE not in text:
        return {}
    table = _parsed(path, text).get("tool", {}).get("cudalock", {})
    if not isinstance(table, dict):
        raise BadFile(f"`{path}`: [{TABLE}] is not a table")
    return table


def _toml(path: Path) -> dict[str, Any] | None:
    text = _text(path)
    return None if text is None else _parsed(path, text)


def _text(path: Path) -> str | None:
    try:
        return read_small(path).decode("utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadFile(f"`{path}` cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BadFile(f"`{path}` cannot be read: {error}") from error


def _parsed(path: Path, text: str) -> dict[str, Any]:
    from cudalock import toml

    try:
        return toml.loads(text)
    except toml.TOMLDecodeError as error:
        raise BadFile(f"`{path}` is not valid TOML: {error}") from error


def _pairs(table: Mapping[str, object]) -> list[object]:
    """Return a table as `index-map` reads best, { ORIGINAL = MIRROR }, as the option's texts."""
    return [f"{name}={text}" if isinstance(text, str) else text for name, text in table.items()]

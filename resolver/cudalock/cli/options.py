"""The options that state a goal and a target, and their defaults from pyproject.toml."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cudalock.errors import BadFile, UnknownName, UsageError
from cudalock.goals import Request, RequestedProject
from cudalock.goals.switches import read_switches
from cudalock.names import nearest
from cudalock.targets import PLATFORMS
from cudalock.targets.accelerators import ACCELERATORS, CUDA, LIBRARIES
from cudalock.targets.facets import FACETS
from cudalock.text import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_Command = TypeVar("_Command", bound="Callable[..., Any]")

TABLE = "tool.cudalock"
TARGETS = "targets"
"""The key of the table that is no option: what `check` and `generate` are for."""
_TEXTS = [
    *ACCELERATORS,
    *LIBRARIES,
    "toolkit",
    *FACETS,
    "builders",
    "exclude_newer",
]
"""Options that are fields of a Request, under the same name."""


def _several(*names: str, metavar: str, text: str) -> Callable[[_Command], _Command]:
    return click.option(*names, multiple=True, metavar=metavar, help=text, callback=_not_flags)


def _not_flags(
    _ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    """`--torch --fa2` forgot a version; click would take `--fa2` for it."""
    for value in values:
        if value.startswith("--"):
            name = parameter.opts[0]
            raise click.UsageError(f"`{name}` needs a value, and `{value}` is an option")
    return values


def _switches() -> Iterator[Callable[[Any], Any]]:
    for project, short in read_switches().by_project.items():
        names = dict.fromkeys((f"--{short}", f"--{project}"))
        yield click.option(*names, _parameter(project), is_flag=True, help=f"Add {project}.")


def _parameter(project: str) -> str:
    return f"want_{project.replace('-', '_')}"


def _platforms() -> str:
    return ", ".join(row.flag for row in PLATFORMS.values() if row.likelihood)


_TARGET_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    _several(
        "--python",
        "--python-version",
        "python",
        metavar="VERSION|PATH",
        text="3.11, 3.13t, an interpreter or an environment.",
    ),
    _several(
        "--platform",
        "--python-platform",
        "platform",
        metavar="PLATFORM",
        text=f"{_platforms()} or a triple of uv's.",
    ),
    _several("--glibc", metavar="VERSION", text="Of the Linux solved for; 2.28 unless it is here."),
    _several("--gpu", metavar="NAME|CC", text='"RTX 5090" or 12.0; said again, all must work.'),
    _several("--driver", metavar="VERSION", text="The NVIDIA driver there, as 550.54."),
)
_GOAL_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    _several("-r", "--requirement", metavar="FILE", text="Requirements from a file; - is stdin."),
    _several("-c", "--constraint", metavar="FILE", text='Constraints from a file, or "numpy<2".'),
    _several(
        f"--{read_switches().framework}",
        _parameter(read_switches().framework),
        metavar="SPEC",
        text='2.5.1, 2.5 (any 2.5.x), ">=2.4,<2.6" or latest.',
    ),
    *_switches(),
    _several(
        f"--{CUDA.name}",
        *(f"--{synonym}" for synonym in CUDA.synonyms),
        CUDA.name,
        metavar="SPEC",
        text='12.4, cu124, ">=12.1", cpu or auto.',
    ),
    *(
        _several(f"--{row.name}", metavar="SPEC", text=f"A pip-installed {row.title}.")
        for row in LIBRARIES.values()
    ),
    _several(
        "--toolkit", metavar="VERSION[:PART,...]", text='CUDA parts from pip: "12.4.1:cudart,nvcc".'
    ),
    *_TARGET_OPTIONS,
    click.option(
        "--no-detect",
        is_flag=True,
        envvar="CUDALOCK_NO_DETECT",
        help="Do not look for a GPU and a driver here.",
    ),
    _several(
        "--builders",
        metavar="official|known|any",
        text="Whose wheels are acceptable; known unless said.",
    ),
    _several("--exclude-newer", metavar="DATE", text="Only what had been published by then."),
    click.option("--strict", is_flag=True, help="Warnings count as errors."),
)


def goal_options(command: _Command) -> _Command:
    """Adds every option that states a goal or a target."""
    for option in reversed(_GOAL_OPTIONS):
        command = option(command)
    return command


def target_options(command: _Command) -> _Command:
    """Adds the options that state a target alone."""
    for option in reversed(_TARGET_OPTIONS):
        command = option(command)
    return command


def request_of(values: Mapping[str, Any], words: tuple[str, ...] = ()) -> Request:
    """The Request that option values state. Reads the files of `-r` and `-c`."""
    switches = read_switches()
    request = Request(
        words=words,
        framework=tuple(values.get(_parameter(switches.framework), ())),
        switches=tuple(name for name in switches.by_project if values.get(_parameter(name))),
        strict=bool(values.get("strict")),
        **{name: tuple(values.get(name, ())) for name in _TEXTS},
    )
    files, constraints = values.get("requirement", ()), values.get("constraint", ())
    return _with_files(request, files, constraints) if files or constraints else request


def _with_files(request: Request, files: Iterable[str], constraints: Iterable[str]) -> Request:
    from cudalock.projects import asked_requirements

    lines = asked_requirements.Lines()
    for file in files:
        lines.extend(asked_requirements.read(file))
    for file in constraints:
        inline = _inline_constraint(file)
        if inline:
            lines.constraints.append(inline)
        else:
            lines.extend(asked_requirements.read(file, constraint=True))
    return request._replace(
        asked=tuple(lines.requirements),
        constraints=tuple(lines.constraints),
        notes=tuple(lines.notes),
    )


def _inline_constraint(text: str) -> RequestedProject | None:
    """A constraint given in place of a file, so that a command can be whole without one."""
    if not any(sign in text for sign in "<>=!~") or Path(text).exists():
        return None
    return RequestedProject.of_requirement(text, "-c")


# -- defaults ---------------------------------------------------------------------------------


def read_defaults(command: click.Command, directory: Path | None = None) -> dict[str, Any]:
    """`[tool.cudalock]` of the pyproject.toml in `directory`, by the command's parameter names.

    A key is an option without its dashes. Raises UnknownName for any other, BadFile for a value
    that the option does not take.
    """
    options = {
        flag.removeprefix("--"): parameter
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for flag in parameter.opts
        if flag.startswith("--")
    }
    defaults: dict[str, Any] = {}
    for key, value in _table((directory or Path()) / "pyproject.toml").items():
        if key == TARGETS:
            continue
        option = options.get(key)
        if option is None or option.name is None:
            near = nearest(key, options)
            raise UnknownName(
                f"pyproject.toml: [{TABLE}] has the key `{key}`, and there is no such option",
                hints=did_you_mean(near),
            )
        defaults[option.name] = _value(key, value, option)
    refuse_programs(defaults.get("python", ()), f"pyproject.toml: [{TABLE}] python")
    return defaults


def refuse_programs(pythons: Iterable[str], where: str) -> None:
    """Raises BadFile for a Python that a file of a repository states by a path: it would be run to
    be asked, and nothing that is read there is ever run."""
    from cudalock.targets.pythons import is_version

    for text in pythons:
        if not is_version(text):
            raise BadFile(
                f"{where}: Python `{text}` is no version, and no program that a file names is run",
                hints=[f'`--python "{text}"`, if it is to be trusted', 'a version, as "3.11"'],
            )


def read_target_defaults(directory: Path | None = None) -> dict[str, tuple[str, ...]]:
    """What [tool.cudalock] in `directory`'s pyproject.toml says of the options that state a target,
    by their names. Its other keys are for other commands.

    Raises BadFile for a value that is no text, or list of them.
    """
    table = _table((directory or Path()) / "pyproject.toml")
    found = {}
    for name in FACETS:
        said = table.get(name, [])
        values = said if isinstance(said, list) else [said]
        if not all(isinstance(each, str) for each in values):
            raise BadFile(f"pyproject.toml: [{TABLE}] {name} is text: write it in quotes")
        found[name] = tuple(values)
    return found


def read_target_words(directory: Path | None = None) -> list[str]:
    """`targets` of [tool.cudalock] in `directory`'s pyproject.toml: a phrase or a list of them.

    Raises BadFile for anything else there.
    """
    said = _table((directory or Path()) / "pyproject.toml").get(TARGETS, [])
    words = [said] if isinstance(said, str) else said
    if not isinstance(words, list) or not all(isinstance(each, str) for each in words):
        raise BadFile(f'pyproject.toml: [{TABLE}] {TARGETS} is a list, as ["linux 3.11"]')
    return words


def _table(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(f"`{path}` cannot be read: {error}") from error
    if TABLE not in text:
        # Most have no such table, and need not be parsed, nor be right.
        return {}
    from cudalock import toml

    try:
        table = toml.loads(text).get("tool", {}).get("cudalock", {})
    except toml.TOMLDecodeError as error:
        raise BadFile(f"`{path}` is not TOML: {error}") from error
    if not isinstance(table, dict):
        raise BadFile(f"`{path}`: [{TABLE}] is not a table")
    return table


def _value(key: str, value: object, option: click.Option) -> object:
    where = f"pyproject.toml: [{TABLE}] {key}"
    if option.is_flag:
        if not isinstance(value, bool):
            raise BadFile(f"{where} is true or false")
        return value
    items = value if isinstance(value, list) and option.multiple else [value]
    if not all(isinstance(item, str) for item in items):
        # 3.10 as a number is 3.1: it has to be text.
        raise BadFile(f'{where} is text: write it in quotes, as "3.11"')
    try:
        converted = [option.type.convert(item, option, None) for item in items]
    except click.BadParameter as error:
        raise UsageError(f"{where}: {error.message}") from error
    return tuple(converted) if option.multiple else converted[0]

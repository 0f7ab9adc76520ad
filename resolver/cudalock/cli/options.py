"""The options that several commands share, and their values: typed, and merged with settings once.

A flag that is given wins over `[tool.cudalock]` of pyproject.toml, that over the built-in default.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cudalock.cli import index_map_option, matrix_option
from cudalock.cli.completing import OPTIONS, completed
from cudalock.cli.settings import ProjectSettings
from cudalock.errors import Contradiction, UsageError
from cudalock.formats import FORMATS, INSTALLERS, format_of
from cudalock.goals import Request, RequestedProject
from cudalock.goals.switches import read_switches
from cudalock.mirrors import NO_MIRRORS
from cudalock.records import NamedTuple, dataclass, field
from cudalock.targets import PLATFORMS
from cudalock.targets.accelerators import (
    ACCELERATOR_FLAGS,
    ACCELERATORS,
    DEFAULT,
    LIBRARIES,
    OPTION,
    SYNONYMS,
)
from cudalock.targets.facets import FLAGS
from cudalock.targets.platforms import DEFAULT_GLIBC
from cudalock.urls import file_of, without_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from cudalock.mirrors import Mirrors

_Command = TypeVar("_Command", bound="Callable[..., Any]")

HASHES = ("auto", "require", "off")
LINES_AS = ("extras", "groups", "files")
"""The values of `--as`."""
_TEXTS = [
    *ACCELERATOR_FLAGS,
    *LIBRARIES,
    "toolkit",
    *FLAGS,
    "builders",
    "exclude_newer",
    "allow_build",
    "skip",
]
"""Options that are fields of a Request, under the same name."""


def _several(
    *names: str, metavar: str, text: str, values: tuple[str, ...] = ()
) -> Callable[[_Command], _Command]:
    """Return an option that may be repeated; `values` are the kinds of what completes it."""
    kinds = values or next((OPTIONS[name] for name in names if name in OPTIONS), ())
    return click.option(
        *names,
        multiple=True,
        metavar=metavar,
        help=text,
        callback=_not_flags,
        shell_complete=completed(*kinds) if kinds else None,
    )


def _not_flags(
    _ctx: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
) -> tuple[str, ...]:
    """Refuse `--torch --fa2`: the version is missing, and click would take `--fa2` for it."""
    for text in texts:
        if text.startswith("--"):
            name = parameter.opts[0]
            raise click.UsageError(f"`{name}` needs a value, and `{text}` is an option")
    return texts


def _switches() -> Iterator[Callable[[Any], Any]]:
    for project, short in read_switches().by_project.items():
        names = dict.fromkeys((f"--{short}", f"--{project}"))
        yield click.option(*names, _parameter(project), is_flag=True, help=f"Add {project}.")


def _parameter(project: str) -> str:
    return f"want_{project.replace('-', '_')}"


def _platforms() -> str:
    return ", ".join(row.flag for row in PLATFORMS.values() if row.likelihood)


def _accelerators() -> str:
    return ", ".join(
        f"{DEFAULT.name}{row.example}" if row.is_default else row.example
        for row in ACCELERATORS.values()
    )


_TARGET_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    _several(
        "--python",
        "--python-version",
        "python",
        metavar="VERSION|PATH",
        text="Python version, interpreter or environment: 3.11, 3.13t, .venv.",
    ),
    _several(
        "--platform",
        "--python-platform",
        "platform",
        metavar="PLATFORM",
        text=f"{_platforms()}, or a platform triple of uv.",
    ),
    _several(
        "--glibc",
        metavar="VERSION|LINUX",
        text='glibc of the target, or a Linux that has it: 2.35 or "ubuntu 22.04"'
        f" (default: {DEFAULT_GLIBC}, or this machine's).",
    ),
    _several(
        "--gpu",
        metavar="NAME|CC",
        text='GPU name, compute capability or gfx target: "RTX 5090", 12.0 or gfx1100. Repeatable:'
        " the lock must work on all of them.",
    ),
    _several(
        "--driver", metavar="VERSION", text="NVIDIA driver version of the target, such as 550.54."
    ),
)
_GOAL_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    _several(
        "-r", "--requirement", metavar="FILE", text="Read requirements from FILE; - is stdin."
    ),
    _several(
        "-c", "--constraint", metavar="FILE", text='Read constraints from FILE, or one: "numpy<2".'
    ),
    _several(
        f"--{read_switches().framework}",
        _parameter(read_switches().framework),
        metavar="SPEC",
        text='Version: 2.5.1, 2.5 (any 2.5.x), ">=2.4,<2.6" or latest.',
        values=("framework",),
    ),
    *_switches(),
    _several(
        f"--{DEFAULT.name}",
        DEFAULT.name,
        metavar="SPEC",
        text=f'{DEFAULT.title} version: 12.4, cu124, ">=12.1", cpu or auto.',
    ),
    _several(
        f"--{OPTION}",
        *(f"--{synonym}" for synonym in SYNONYMS),
        OPTION,
        metavar="NAME[VERSION]",
        text=f"What to build for: {_accelerators()}, cpu or auto.",
    ),
    *(
        _several(f"--{row.name}", metavar="SPEC", text=f"{row.title} version, as a pip package.")
        for row in LIBRARIES.values()
    ),
    _several(
        "--toolkit",
        metavar="VERSION[:PART,...]",
        text='CUDA toolkit packages: "12.4.1:cudart,nvcc".',
    ),
    *_TARGET_OPTIONS,
    click.option(
        "--no-detect",
        is_flag=True,
        envvar="CUDALOCK_NO_DETECT",
        help="Do not detect this machine's GPU and driver.",
    ),
    _several(
        "--builders",
        metavar="official|known|any",
        text="Whose wheels to accept (default: known).",
    ),
    _several("--exclude-newer", metavar="DATE", text="Ignore what was published after DATE."),
    click.option(
        "--pre", is_flag=True, help="Also take pre-releases of what is requested without a pin."
    ),
    _several(
        "--allow-build",
        metavar="NAME",
        text="Accept that NAME is compiled from its source distribution. Repeatable.",
    ),
    _several("--skip", metavar="NAME", text="Leave NAME out, whatever requires it. Repeatable."),
    click.option("--strict", is_flag=True, help="Treat warnings as errors."),
)


image_option: Callable[[Any], Any] = click.option(
    "--image",
    metavar="NAME:TAG",
    help="Base image: its Python and glibc are the target's, and its torch stays. Colab's and"
    " Kaggle's are colab:2026-08-19.",
)

_SOURCE_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("--index-url", metavar="URL", help="Package index to use, named in the lock."),
    click.option(
        "--extra-index-url", metavar="URL", multiple=True, help="Another index. Repeatable."
    ),
    index_map_option,
    click.option(
        "--find-links",
        metavar="DIR|URL",
        shell_complete=completed("folder"),
        multiple=True,
        help="Also use the wheels in a folder or on a page of links. Repeatable.",
    ),
    click.option(
        "--project-index",
        metavar="NAME[,...]=URL",
        multiple=True,
        help="Take these projects from this index alone. Repeatable.",
    ),
    click.option(
        "--matrix-overlay",
        metavar="DIR",
        shell_complete=completed("folder"),
        multiple=True,
        help="Lay your own builders, indexes, rows and facts over the matrix. Repeatable.",
    ),
    click.option("--offline", is_flag=True, help="Do not use the network; use cached index pages."),
    click.option("--live", is_flag=True, help="Also look up releases newer than the matrix."),
    matrix_option,
)


def advisory_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--advisories` and `--osv`."""
    for option in (
        click.option(
            "--osv",
            metavar="DIR|URL",
            help="Take advisories from a dump of OSV, or another service; means --advisories.",
        ),
        click.option(
            "--advisories",
            is_flag=True,
            help="Ask OSV for known vulnerabilities of the pins.",
        ),
    ):
        command = option(command)
    return command


_OUTPUT_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--format",
        type=click.Choice(tuple(FORMATS)),
        help="Output format (default: by the file name of -o, else requirements).",
    ),
    click.option("--json", is_flag=True, help="Same as --format json."),
    click.option(
        "-o",
        "--output",
        metavar="FILE",
        help="Write to FILE, not to standard output.",
        shell_complete=completed("file"),
    ),
    click.option("--force", is_flag=True, help="Overwrite FILE even if cudalock did not write it."),
    click.option(
        "--hashes",
        type=click.Choice(HASHES),
        help="Include hashes: auto (only if every wheel has one), require or off (default: auto).",
    ),
    click.option(
        "--fetch-hashes",
        is_flag=True,
        help="Look up missing hashes, or compute them from the wheels.",
    ),
    *_SOURCE_OPTIONS,
    advisory_options,
    click.option(
        "--urls", is_flag=True, help="Write wheels of other indexes as URLs; needs no extra index."
    ),
    click.option(
        "--wheels",
        metavar="DIR",
        shell_complete=completed("folder"),
        help="Write paths into DIR, for machines without a network.",
    ),
    click.option(
        "--as",
        "lines_as",
        type=click.Choice(LINES_AS),
        help="What several --cuda or --accelerator become: extras of a project, groups, or a file"
        " each.",
    ),
    click.option(
        "--installer",
        type=click.Choice(INSTALLERS),
        help="What a Dockerfile or notebook installs with (default: pip).",
    ),
    click.option("-q", "--quiet", is_flag=True, help="Print no summary."),
    click.option(
        "-v", "--verbose", is_flag=True, help="Also print matrix version, command and network use."
    ),
)


def goal_options(command: _Command) -> _Command:
    """Add every option that states a goal or a target."""
    for option in reversed(_GOAL_OPTIONS):
        command = option(command)
    return command


def source_options(command: _Command) -> _Command:
    """Add only the options that state the matrix and the indexes to read."""
    for option in reversed(_SOURCE_OPTIONS):
        command = option(command)
    return command


def target_options(command: _Command) -> _Command:
    """Add only the options that state a target."""
    for option in reversed(_TARGET_OPTIONS):
        command = option(command)
    return command


def output_options(command: _Command) -> _Command:
    """Add every option about how the lock is written, `--matrix`, `-q` and `-v`."""
    for option in reversed(_OUTPUT_OPTIONS):
        command = option(command)
    return command


# -- values ------------------------------------------------------------------------------------


class OptionValues:
    """The values of a command's options, by parameter name."""

    def __init__(self, context: click.Context, settings: ProjectSettings) -> None:
        """Raises UnknownName and BadFile for settings that the command does not take."""
        self.flags: Mapping[str, Any] = context.params
        self.defaults = settings.defaults(context.command)

    def text(self, name: str) -> str | None:
        """Return the value of an option that is given once."""
        text: str | None = self.flags.get(name) or self.defaults.get(name)
        return text

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the values of an option that may be repeated."""
        return tuple(self.flags.get(name) or self.defaults.get(name) or ())

    def is_set(self, name: str) -> bool:
        """Return whether a flag without a value is given."""
        return bool(self.flags.get(name) or self.defaults.get(name))


class Likely(NamedTuple):
    """What nobody stated of a target and a goal, and what counts if there is a solution with it."""

    driver: str | None = None
    cuda_major: str | None = None
    """of the framework's build"""


@dataclass(frozen=True, slots=True)
class GoalOptions:
    """The goal and target of a command line."""

    request: Request
    """what words and flags state"""
    defaults: Request = field(default_factory=Request)
    """what the settings state; per project and per flag, `request` wins over it"""
    detect: bool = True
    """whether to look for a GPU and a driver here"""
    quiet: bool = False
    likely: Likely | None = None

    @classmethod
    def of(cls, parsed: OptionValues, words: tuple[str, ...] = ()) -> GoalOptions:
        """Read the options. Reads the files of `-r` and `-c`, and raises what that raises."""
        return cls(
            request_of(parsed.flags, words),
            request_of(parsed.defaults),
            detect=not parsed.is_set("no_detect"),
            quiet=parsed.is_set("quiet"),
        )

    @property
    def wheel_urls(self) -> tuple[tuple[str, str], ...]:
        """The wheels that are requested by URL: the project's canonical name, and the URL."""
        return tuple(
            pair for request in (self.request, self.defaults) for pair in _wheel_urls(request)
        )

    @property
    def pythons(self) -> tuple[str, ...]:
        """The texts of `--python`."""
        return self.request.python or self.defaults.python

    @property
    def platforms(self) -> tuple[str, ...]:
        """The texts of `--platform`."""
        return self.request.platform or self.defaults.platform


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """The targets of `check`, as options and settings state them: `phrases`, else `merged`."""

    request: Request
    """what the command line states"""
    merged: Request
    """the same, and the settings for options that are not given"""
    phrases: Sequence[str] = ()
    """`targets` of the settings, unless an option states a target"""

    @classmethod
    def of(cls, context: click.Context, settings: ProjectSettings) -> TargetOptions:
        """Read the options. Raises BadFile for settings that are no text."""
        flags = {name: tuple(context.params[name]) for name in FLAGS}
        # A target that is typed replaces the list as a whole: it is no further target.
        phrases = () if any(flags.values()) else settings.targets
        defaults = {} if phrases else settings.target_flags
        merged = {name: flags[name] or defaults.get(name, ()) for name in FLAGS}
        return cls(target_request(flags), target_request(merged), phrases)


def target_request(flags: Mapping[str, tuple[str, ...]]) -> Request:
    """Return the Request of the options that state a target, by name."""
    return Request(
        python=flags.get("python", ()),
        platform=flags.get("platform", ()),
        glibc=flags.get("glibc", ()),
        gpu=flags.get("gpu", ()),
        driver=flags.get("driver", ()),
    )


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """Where a lock's facts come from, how it is written, and what is reported of it."""

    format: str = "requirements"
    """a name of `FORMATS`"""
    output: str | None = None
    """the file to write, None for standard output"""
    force: bool = False
    """whether a file is overwritten that cudalock did not write"""
    hashes: str = "auto"
    """one of `HASHES`"""
    fetch_hashes: bool = False
    urls: bool = False
    wheels: str | None = None
    """a folder"""
    lines_as: str | None = None
    """one of `LINES_AS`; None for what the format has"""
    installer: str = "pip"
    """one of `INSTALLERS`"""
    advisories: bool = False
    """whether known vulnerabilities of the pins are asked for"""
    osv: str | None = None
    """where advisories are: a folder, a zip file or a URL"""
    matrix: str | None = None
    """a folder, or `embedded`; None for the matrix in use"""
    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    mirrors: Mirrors = NO_MIRRORS
    find_links: tuple[str, ...] = ()
    project_indexes: tuple[str, ...] = ()
    """the texts of `--project-index`"""
    overlays: tuple[str, ...] = ()
    """folders"""
    environment: str | None = None
    """where the lock will be installed as far as that is known: `--python`, else what is active"""
    live: bool = False
    offline: bool = False
    quiet: bool = False
    verbose: bool = False

    @classmethod
    def of(cls, parsed: OptionValues) -> OutputOptions:
        """Read the options.

        Raises Contradiction for those that exclude each other, UsageError for a file name that
        means no format.
        """
        output = parsed.text("output")
        mirrors = read_index_map(parsed.texts("index_map"), parsed.text("matrix"))
        return cls(
            format=_format(parsed, output if output != "-" else None),
            output=None if output == "-" else output,
            # Not a setting: a repository's file must not decide what is overwritten.
            force=bool(parsed.flags.get("force")),
            hashes=parsed.text("hashes") or "auto",
            fetch_hashes=parsed.is_set("fetch_hashes"),
            urls=parsed.is_set("urls"),
            wheels=parsed.text("wheels"),
            lines_as=parsed.text("lines_as"),
            installer=parsed.text("installer") or INSTALLERS[0],
            advisories=parsed.is_set("advisories"),
            osv=parsed.text("osv"),
            matrix=parsed.text("matrix"),
            index_url=_index_url(parsed.text("index_url"), mirrors),
            extra_index_urls=tuple(map(mirrors.url, parsed.texts("extra_index_url"))),
            mirrors=mirrors,
            find_links=parsed.texts("find_links"),
            project_indexes=parsed.texts("project_index"),
            overlays=parsed.texts("matrix_overlay"),
            environment=_environment(parsed.texts("python")),
            live=parsed.is_set("live"),
            offline=parsed.is_set("offline"),
            quiet=parsed.is_set("quiet"),
            verbose=parsed.is_set("verbose"),
        )

    @property
    def words(self) -> list[str]:
        """The flags that state these options in the lock's recorded command, unquoted.

        Credentials in an index's URL are left out: the command is written into the lock.
        """
        words = [] if self.hashes == "auto" else ["--hashes", self.hashes]
        for name, is_set in {
            "--fetch-hashes": self.fetch_hashes,
            "--urls": self.urls,
            "--live": self.live,
        }.items():
            words += [name] if is_set else []
        if self.index_url:
            words += ["--index-url", without_credentials(self.index_url)]
        for url in self.extra_index_urls:
            words += ["--extra-index-url", without_credentials(url)]
        if self.wheels:
            words += ["--wheels", Path(self.wheels).as_posix()]
        if self.lines_as:
            words += ["--as", self.lines_as]
        words += ["--installer", self.installer] if self.installer != INSTALLERS[0] else []
        return words + self.universe_words

    @property
    def universe_words(self) -> list[str]:
        """The flags that state what is resolved over besides the matrix and the package index."""
        words = self.mirrors.words
        for place in self.find_links:
            words += ["--find-links", without_credentials(place) if "://" in place else place]
        for text in self.project_indexes:
            names, _, url = text.partition("=")
            words += ["--project-index", f"{names}={without_credentials(url)}"]
        for folder in self.overlays:
            words += ["--matrix-overlay", Path(folder).as_posix()]
        return words


def read_index_map(texts: Iterable[str], matrix: str | None) -> Mirrors:
    """Return the mirrors that `--index-map` states. Raises UsageError and Contradiction."""
    stated = tuple(texts)
    if not stated:
        return NO_MIRRORS
    from cudalock.indexes.package_index import default_index_url
    from cudalock.matrix.matrix import origins_of
    from cudalock.matrix.releases import PACKAGE_INDEX
    from cudalock.mirrors import read_mirrors

    return read_mirrors(stated, {**origins_of(matrix), PACKAGE_INDEX: default_index_url()})


def _index_url(stated: str | None, mirrors: Mirrors) -> str | None:
    """Return the package index to use and to name in the lock.

    A mirror of the one that installers use by themselves has to be named, as if it were stated.
    """
    if not mirrors:
        return stated
    from cudalock.indexes.package_index import default_index_url

    default = default_index_url()
    mirrored = mirrors.url(stated or default)
    return stated if mirrored == (stated or default) else mirrored


def _environment(pythons: Sequence[str]) -> str | None:
    from cudalock.targets.pythons import is_version

    named = [text for text in pythons if not is_version(text)]
    active = [path for name in ("VIRTUAL_ENV", "CONDA_PREFIX") if (path := os.environ.get(name))]
    return next(iter([*named, *active]), None)


def _format(parsed: OptionValues, output: str | None) -> str:
    """Return what a flag names, else what the output file's name means, else the setting."""
    # Not merged like the rest: the file name comes between the flag and the setting.
    named: str | None = parsed.flags.get("format")
    if parsed.flags.get("json"):
        if named not in (None, "json"):
            raise Contradiction(f"`--json` cannot be combined with `--format {named}`")
        return "json"
    if named is None and output:
        named = format_of(output)
        if named is None and "format" not in parsed.defaults:
            raise UsageError(
                f"the format is not clear from the file name `{output}`",
                hints=[
                    "`--format requirements`, or a name such as requirements.txt or pylock.toml"
                ],
            )
    default: str = "json" if parsed.defaults.get("json") else parsed.defaults.get("format", "")
    return named or default or "requirements"


def request_of(params: Mapping[str, Any], words: tuple[str, ...] = ()) -> Request:
    """Return the Request that option values state, by parameter name.

    Reads the files of `-r` and `-c`, and raises BadFile for one that cannot be read.
    """
    switches = read_switches()
    request = Request(
        words=words,
        framework=tuple(params.get(_parameter(switches.framework), ())),
        switches=tuple(name for name in switches.by_project if params.get(_parameter(name))),
        strict=bool(params.get("strict")),
        pre=bool(params.get("pre")),
        **{name: tuple(params.get(name, ())) for name in _TEXTS},
    )
    files, constraints = params.get("requirement", ()), params.get("constraint", ())
    return _with_files(request, files, constraints) if files or constraints else request


def _wheel_urls(request: Request) -> Iterator[tuple[str, str]]:
    from cudalock.versions import canonical, parse_requirement

    for word in request.words:
        if "://" in word:
            try:
                requirement = parse_requirement(word)
            except ValueError:  # InvalidRequirement, whose import takes long
                continue
            if requirement.url and file_of(requirement.url).endswith(".whl"):
                yield canonical(requirement.name), requirement.url
    for project in request.projects:
        if project.url:
            yield canonical(project.name), project.url


def _with_files(request: Request, files: Iterable[str], constraints: Iterable[str]) -> Request:
    from cudalock.projects import asked_requirements

    lines = asked_requirements.RequestedLines()
    for file in files:
        lines.extend(asked_requirements.read(file))
    for file in constraints:
        inline = _inline_constraint(file)
        if inline:
            lines.constraints.append(inline)
        else:
            lines.extend(asked_requirements.read(file, constraint=True))
    return request._replace(
        projects=tuple(lines.requirements),
        constraints=tuple(lines.constraints),
        notes=tuple(lines.notes),
        pre=request.pre or lines.takes_early,
    )


def _inline_constraint(text: str) -> RequestedProject | None:
    """Return the constraint that `-c` has in place of a file name, None for a file name.

    A lock's recorded command has its constraints inline, so that it needs no file.
    """
    if not any(sign in text for sign in "<>=!~") or Path(text).exists():
        return None
    return RequestedProject.of_requirement(text, "-c")


# -- recorded commands --------------------------------------------------------------------------


class RecordedCommand(NamedTuple):
    """The command in a lock's header."""

    name: str
    """solve or generate"""
    context: click.Context
    """the command's options, as click reads them"""


def read_recorded(text: str, extra_words: Sequence[str] = ()) -> RecordedCommand:
    """Read the command that made a lock, with `more` words after its own.

    Raises click.ClickException or ValueError for a text that is none.
    """
    import shlex

    _, name, *words = shlex.split(text)
    # By way of the running group, since the commands import this module.
    root = click.get_current_context().find_root()
    group = root.command
    command = group.get_command(root, name) if isinstance(group, click.Group) else None
    if command is None:
        raise ValueError(f"unknown command `{name}`")
    return RecordedCommand(name, command.make_context(name, [*words, *extra_words]))

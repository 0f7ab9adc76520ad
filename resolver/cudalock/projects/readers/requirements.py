"""Requirements and constraints files, and the output of `pip freeze`, as pip and uv read them."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.projects.model import Declared, DeclaredIndex, FileProblem, Option, ProjectFile
from cudalock.projects.syntax.logical_lines import LogicalLine, logical_lines, words
from cudalock.projects.syntax.pep508 import is_marker, is_name, parse
from cudalock.records import replace
from cudalock.targets.tags import parse_wheel_name
from cudalock.urls import file_of
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Callable

    from cudalock.projects.model import Encoding, Place
    from cudalock.projects.syntax.text import Text

    Nested = Callable[[str, bool, int, int], "ProjectFile | None"]

# As pip reads them: capitals in braces, and nothing else.
_VARIABLE: Final = re.compile(r"\$\{([A-Z0-9_]+)\}")
_ADDRESS: Final = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://|(?:git|hg|svn|bzr)\+|file:|\.{0,2}[/\\]|[A-Za-z]:[\\/]|~/"
)
_FOLDER: Final = re.compile(r"[\w.~+-]+(?:[/\\][\w.~+-]*)+(?:\[[^\[\]]*\])?")
"""`submodules/simple-knn`: no name of a project has a slash, so pip and uv look for a folder."""
_ARCHIVE: Final = (".whl", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip", ".tar")
_EGG: Final = re.compile(r"[#&]egg=([A-Za-z0-9._-]+)(?:\[([^\]]*)\])?")
_HASH: Final = re.compile(r"[#&](sha256|sha384|sha512)=([0-9A-Fa-f]+)")

_SHORT: Final = {
    "-i": "--index-url",
    "--pypi-url": "--index-url",
    "--default-index": "--index-url",
    "--index": "--extra-index-url",
    "-f": "--find-links",
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
}
_WITH_VALUE: Final = {
    "--index-url",
    "--extra-index-url",
    "--find-links",
    "--requirement",
    "--constraint",
    "--editable",
    "--no-binary",
    "--only-binary",
    "--trusted-host",
    "--use-feature",
    "--hash",
    "--config-settings",
    "--config-setting",
    "--global-option",
}
_WITHOUT: Final = {
    "--no-index",
    "--pre",
    "--prefer-binary",
    "--require-hashes",
    "--no-deps",
    "--always-unzip",
    "-Z",
}


class GivenOption(NamedTuple):
    """An option with its value, and the spans of both together and of the value."""

    name: str
    value: str | None
    start: int
    end: int
    value_start: int
    value_end: int


class Reader:
    """Collects what the lines of one file say."""

    def __init__(self, text: Text, is_constraint: bool, nested: Nested | None = None) -> None:
        self.text = text
        self.role = "constraint" if is_constraint else "requirement"
        self.nested_reader = nested
        self.declared: list[Declared] = []
        self.indexes: list[DeclaredIndex] = []
        self.options: list[Option] = []
        self.problems: list[FileProblem] = []
        self.nested: list[ProjectFile] = []
        self.no_index = False

    def read_line(self, line: LogicalLine) -> None:
        """A requirement with its own options, or options for all."""
        if line.text.startswith("-"):
            self._read_options(line)
            return
        cut = _options_start(line.text)
        options, stray = split_options(line.text, cut)
        if stray is not None:
            self._problem(
                line, stray[1], stray[2], f"`{stray[0]}` cannot stand after a requirement"
            )
        hashes = [option for option in options if option.name == "--hash" and option.value]
        requirement = self.requirement(
            line.text[:cut].rstrip(), line, 0, [option.value or "" for option in hashes]
        )
        if requirement is None:
            return
        if hashes:
            place = self.text.place(*line.span(hashes[0].start, hashes[-1].end))
            requirement = replace(requirement, hashes_place=place)
        self.declared.append(requirement)

    def requirement(
        self, text: str, line: LogicalLine, start: int, hashes: list[str], editable: bool = False
    ) -> Declared | None:
        """The entry for a requirement, path or address at `start` of a line; None for a problem."""
        expanded = _VARIABLE.sub(lambda variable: os.environ.get(variable[1], variable[0]), text)
        span = line.span(start, start + len(text))
        place = self.text.place(*span)
        ignored = self.text.ignored(line.start, line.end)
        written = self.text.text[span[0] : span[1]]
        base = Declared("", written, place, role=self.role, ignored=ignored, editable=editable)
        if editable or is_address(expanded):
            requirement = _address(
                base, expanded, hashes, self._part(line, text, start, expanded, None)
            )
            if requirement.marker is None or is_marker(requirement.marker):
                return requirement
            self.problems.append(FileProblem(place, f"invalid marker `{requirement.marker}`"))
            return None
        parsed = parse(expanded)
        if parsed.problem is not None:
            self.problems.append(
                FileProblem(
                    place, f"invalid requirement `{text}`: {parsed.problem}", is_requirement=True
                )
            )
            return None
        return replace(
            base,
            name=canonical(parsed.name),
            specifier=parsed.specifier,
            marker=parsed.marker,
            extras=parsed.extras,
            url=parsed.url,
            hashes=tuple(hashes) or url_hashes(parsed.url),
            version_place=self._part(line, text, start, expanded, parsed.version),
            syntax="url" if parsed.url else "pep508",
        )

    def _part(
        self, line: LogicalLine, text: str, start: int, expanded: str, part: tuple[int, int] | None
    ) -> Place | None:
        """The place of a part of a requirement, unless variables had to be put in."""
        if text != expanded:
            return None
        first, last = part if part is not None else (0, len(_without_marker(text)))
        return self.text.place(*line.span(start + first, start + last))

    def _read_options(self, line: LogicalLine) -> None:
        options, stray = split_options(line.text, 0)
        if stray is not None:
            place = self.text.place(*line.span(stray[1], stray[2]))
            self.options.append(Option(stray[0], None, place))
            self.problems.append(FileProblem(place, f"unknown option `{stray[0]}`"))
        for option in options:
            self.option(option, line)

    def option(self, option: GivenOption, line: LogicalLine) -> None:
        """One option for the whole file."""
        place = self.text.place(*line.span(option.start, option.end))
        value = option.value or ""
        if option.name not in ("--requirement", "--constraint", "--editable"):
            self.options.append(Option(option.name, option.value, place))
        if option.name == "--no-index":
            self.no_index = True
        elif option.name in ("--index-url", "--extra-index-url", "--find-links"):
            inner = self.text.place(*line.span(option.value_start, option.value_end))
            self.indexes.append(DeclaredIndex(value, option.name[2:], inner))
        elif option.name in ("--requirement", "--constraint"):
            self._read_nested(option, line)
        elif option.name == "--editable":
            tail = line.text[option.value_start : option.value_end]
            requirement = self.requirement(value, line, option.value_start, [], editable=True)
            if requirement is not None:
                span = line.span(option.start, option.end)
                text = self.text.text[span[0] : span[1]]
                # In quotes the value has another place than its text, and a fix would miss it.
                where = None if tail != value else requirement.version_place
                self.declared.append(
                    replace(requirement, text=text, place=place, version_place=where)
                )

    def _read_nested(self, option: GivenOption, line: LogicalLine) -> None:
        if self.nested_reader is None:
            return
        constraint = self.role == "constraint" or option.name == "--constraint"
        start, end = line.span(option.value_start, option.value_end)
        path = _VARIABLE.sub(
            lambda variable: os.environ.get(variable[1], variable[0]), option.value or ""
        )
        file = self.nested_reader(path, constraint, start, end)
        if file is not None:
            self.nested.append(file)

    def _problem(self, line: LogicalLine, start: int, end: int, message: str) -> None:
        self.problems.append(FileProblem(self.text.place(*line.span(start, end)), message))


def read(
    text: Text, encoding: Encoding, *, constraint: bool = False, nested: Nested | None = None
) -> ProjectFile:
    """What the file says. `nested` reads a file that it names: `(name, whether a constraint, start,
    end)` to a ProjectFile, or None where there is nothing to add."""
    reader = Reader(text, constraint, nested)
    for line in logical_lines(text.text):
        reader.read_line(line)
    return ProjectFile(
        text.name,
        "requirements",
        text.text,
        encoding,
        declared=tuple(reader.declared),
        indexes=tuple(reader.indexes),
        no_index=reader.no_index,
        options=tuple(reader.options),
        problems=tuple(reader.problems),
        nested=tuple(reader.nested),
    )


def _options_start(line: str) -> int:
    """Where the options of a requirement begin: at the first word with a dash, as with pip."""
    position = line.find(" -")
    tab = line.find("\t-")
    starts = [start for start in (position, tab) if start >= 0]
    return min(starts, default=len(line) - 1) + 1


def split_options(line: str, start: int) -> tuple[list[GivenOption], tuple[str, int, int] | None]:
    """The options of a line from `start` on, and the first word that is none of them."""
    options: list[GivenOption] = []
    waiting: tuple[str, int] | None = None
    stray: tuple[str, int, int] | None = None
    for word, begin, end in words(line, start):
        if waiting is not None:
            options.append(
                GivenOption(waiting[0], word, waiting[1], end, *_unquoted(line, begin, end))
            )
            waiting = None
            continue
        name, equals, value = word.partition("=")
        attached = word[2:] if word[:2] in _SHORT and not word.startswith("--") else ""
        if attached:
            name, equals, value = word[:2], "=", attached.removeprefix("=")
        name = _SHORT.get(name, name)
        if name in _WITH_VALUE and equals:
            inner = end - len(value) if line[begin:end].endswith(value) else begin
            options.append(GivenOption(name, value, begin, end, inner, end))
        elif name in _WITH_VALUE:
            waiting = name, begin
        elif name in _WITHOUT and not equals:
            options.append(GivenOption(name, None, begin, end, end, end))
        elif stray is None:
            stray = word, begin, end
    if waiting is not None and stray is None:
        stray = waiting[0], waiting[1], len(line)
    return options, stray


def _unquoted(line: str, start: int, end: int) -> tuple[int, int]:
    """The span within the quotes, if it is in quotes."""
    if end - start >= 2 and line[start] in "'\"" and line[end - 1] == line[start]:
        return start + 1, end - 1
    return start, end


def is_address(text: str) -> bool:
    """Whether a requirement is an address or a path without a name before it."""
    requirement = _without_marker(text)
    if _ADDRESS.match(requirement) or requirement in (".", ".."):
        return True
    if _FOLDER.fullmatch(requirement):
        return True
    bare = requirement.partition("#")[0].partition("[")[0].rstrip()
    return " @" not in requirement and bare.lower().endswith(_ARCHIVE)


def _without_marker(text: str) -> str:
    """An address without the marker after it: as with pip, there is a blank before its `;`."""
    return text.partition(" ;")[0].partition("; ")[0].rstrip()


def _address(base: Declared, text: str, hashes: list[str], place: Place | None) -> Declared:
    """The entry for an address or path, with as much of a name as it has."""
    url = _without_marker(text)
    marker = text[len(url) :].strip().removeprefix(";").strip() or None
    name, extras = "", ""
    if egg := _EGG.search(url):
        name, extras = egg[1], egg[2] or ""
    elif bracket := re.search(r"\[([^\[\]]*)\]$", url):
        url, extras = url[: bracket.start()], bracket[1]
    return replace(
        base,
        name=canonical(name) if is_name(name) else project_of(url),
        extras=tuple(
            sorted(canonical(extra) for extra in extras.split(",") if is_name(extra.strip()))
        ),
        marker=marker,
        url=url,
        hashes=tuple(hashes) or url_hashes(url),
        version_place=place,
        syntax="url",
    )


def project_of(url: str) -> str:
    """The canonical name of the project whose wheel or archive an address leads to, or ""."""
    file = file_of(url)
    wheel = parse_wheel_name(file)
    name = wheel.dist if wheel is not None else ""
    if file.lower().endswith(".tar.gz") and (match := re.match(r"(.+)-[0-9]", file)):
        name = match[1]
    return canonical(name) if is_name(name) else ""


def url_hashes(url: str | None) -> tuple[str, ...]:
    """The hashes in the fragment of an address."""
    return tuple(f"{kind}:{digest}" for kind, digest in _HASH.findall(url or ""))

"""What the files of a repository require, in one model for every kind of file.

A reader turns a file into a `ProjectFile`, and commands look at nothing else. Each entry knows its
span of characters, and a `ProjectFile` knows how its text becomes bytes again: a pin can be
rewritten while every other byte stays.

A file that is partly wrong raises nothing: what could be read is there, and `problems` has a
sentence for each span that could not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cudalock.records import NamedTuple, dataclass, field

if TYPE_CHECKING:
    from collections.abc import Iterator

EVERY_CODE: Final = "*"
"""In `Declared.ignored`: a comment that names no code, and silences all."""


class Place(NamedTuple):
    """Some characters of a file, possibly none.

    `line` and `column` count from 1. `text[start:end]` of the file's decoded text are the
    characters. `file` is the file's name as it was given.
    """

    file: str
    line: int
    column: int
    start: int
    end: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class LockedFile(NamedTuple):
    """A file that a lock lists for a project: its name, where it is, its hashes and its size.

    `url` is a URL or a path, None where the lock has only a name. A hash is `sha256:...`.
    """

    name: str
    url: str | None
    hashes: tuple[str, ...]
    size: int | None = None


class Edge(NamedTuple):
    """A requirement of one entry of a lock for another: a name, and what narrows it to one entry.

    It counts where `marker` holds, and, with an `extra`, where that extra of the first entry is
    requested. `extras` are those that it requests of the other.
    """

    name: str
    marker: str | None = None
    version: str | None = None
    url: str | None = None
    extras: tuple[str, ...] = ()
    extra: str | None = None
    registry: str | None = None


@dataclass(frozen=True, slots=True)
class Declared:
    """One project that a file requires, constrains or locks, at one span.

    `name` is canonical, and empty for a URL whose project is unknown. `text` is the entry as it is
    written at `place`, without the options that may follow it.

    `role` is "requirement", "constraint" (only limits what others require: `-c`, uv's constraints),
    "override" (replaces what metadata requires), "locked" (an entry of a lock that a tool wrote) or
    "installed" (an entry of a list of installed packages).

    `syntax` is how `version_place` is written, for whoever rewrites it:

    - "pep508": a PEP 440 specifier; into an empty span one may be inserted
    - "specifier": a PEP 440 specifier that is a value of its own, where no URL can stand
    - "url": a URL, a path or a version control URL
    - "poetry": Poetry's constraints, the whole value (`^2.5`)
    - "conda": conda's, with the operator (`=2.5.1`, `==2.5.1=py311_cuda`, ` >=2.4`)
    - "toml": a value of some other key
    - "locked": an entry of a lock, not to be changed by hand
    """

    name: str
    text: str
    place: Place
    specifier: str = ""
    """PEP 440, translated where the file has another syntax; empty for no specifier"""
    marker: str | None = None
    """PEP 508, as it is written"""
    extras: tuple[str, ...] = ()
    url: str | None = None
    """the URL or path of an entry that has one: of a wheel, archive, folder or repository"""
    hashes: tuple[str, ...] = ()
    """as `sha256:...`"""
    index: str | None = None
    """the URL of the index that the file names for it"""
    group: str | None = None
    """None for what everyone gets, else `extra:NAME`, `group:NAME`, `stage:NAME` of a Dockerfile,
    and `stage:NAME:BRANCH` of a shell's `if` there"""
    role: str = "requirement"
    version_place: Place | None = None
    """what a rewrite of the version replaces; None where it cannot be rewritten"""
    syntax: str = "pep508"
    ignored: frozenset[str] = frozenset()
    """codes of `# cudalock: ignore[CODE]` beside it; EVERY_CODE for all"""
    hashes_place: Place | None = None
    """from the first hash option to the last"""
    editable: bool = False
    manager: str = "pypi"
    """whose name it is: "pypi", or "conda" for a package of a conda channel"""
    channel: str | None = None
    """a conda package's own channel, as written"""
    build: str | None = None
    """a conda package's build string, as written"""
    files: tuple[LockedFile, ...] = ()
    """of a locked entry"""
    requires: tuple[Edge, ...] = ()
    """of a locked entry, if the lock has them"""
    problem: str | None = None
    """why specifier or marker could not be understood; they are empty then"""

    @property
    def version(self) -> str | None:
        """The version, if exactly one is required (`==2.5.1`, `===2.5.1`)."""
        # `==2.5.*` is a range, and `==2.5.1,!=2.5.2` has more than a version to it. PEP 440's `===`
        # compares text, so its version may be any.
        operator = "===" if self.specifier.startswith("===") else "=="
        version = self.specifier.removeprefix(operator).strip()
        exact = self.specifier.startswith("==") and not set(version) & set(",*")
        return version if exact else None

    def is_ignored(self, code: str) -> bool:
        """Whether a comment beside the entry silences this code."""
        return EVERY_CODE in self.ignored or code in self.ignored


class DeclaredIndex(NamedTuple):
    """An index, or a folder or page of links, that a file names.

    `kind` is "index-url", "extra-index-url", "find-links" or, for one that entries refer to,
    "named". `url` is as written. An `explicit` one serves only what refers to it; the `default` one
    replaces the package index. `priority` is Poetry's word.
    """

    url: str
    kind: str
    place: Place
    name: str | None = None
    explicit: bool = False
    default: bool = False
    priority: str | None = None
    is_of_uv_pip: bool = False
    """whether `uv pip` reads it, and `uv lock` and `uv sync` do not"""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a file sends one project, under a marker: an entry of `[tool.uv.sources]` or the like.

    One of `index` (the name of an index), `url`, `path` and `git` is given, and `value_place` is
    where; none is for a source of some other kind (`workspace`). `marker_place` is what is written
    between the marker's quotes. `extra` and `group` are those it is for.
    """

    name: str
    place: Place
    value_place: Place | None = None
    index: str | None = None
    url: str | None = None
    path: str | None = None
    git: str | None = None
    marker: str | None = None
    marker_place: Place | None = None
    extra: str | None = None
    group: str | None = None
    is_one_of: bool = False
    """whether the installer looks in all sources of the project, and takes what fits (PDM)"""


class Option(NamedTuple):
    """An option of a requirements file or an install command: `--only-binary`, `:all:`."""

    name: str
    value: str | None
    place: Place


class StatedValue(NamedTuple):
    """A value that a file states, with its span: a Python range, a version, an image."""

    value: str
    place: Place


class Stage(NamedTuple):
    """A stage of a Dockerfile: where it begins, and the image that it or its parent starts from;
    None where a build argument without a value names it."""

    start: int
    image: StatedValue | None


class FileProblem(NamedTuple):
    """A span of a file that could not be understood, and why, in a sentence.

    ``is_requirement``: a requirement is wrong, and not the file around it. ``is_encoding``: the
    text is not in the encoding that it declares, so that its other problems may be none.
    """

    place: Place
    message: str
    is_requirement: bool = False
    is_encoding: bool = False


class Encoding(NamedTuple):
    """How text became bytes: its codec, and the byte order mark before it."""

    codec: str = "utf-8"
    bom: bytes = b""


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """One file, read. `name` is as it was given, "standard input" for `-`.

    `kind` is a name in `projects.kinds`. `declared` are in the order of the file. A file that `-r`
    or `-c` names is in `nested`, at most once for each role.
    """

    name: str
    kind: str
    text: str = ""
    encoding: Encoding = field(default_factory=Encoding)
    declared: tuple[Declared, ...] = ()
    indexes: tuple[DeclaredIndex, ...] = ()
    no_index: bool = False
    options: tuple[Option, ...] = ()
    requires_python: StatedValue | None = None
    """a PEP 440 range, translated where the file has another syntax"""
    python: StatedValue | None = None
    """a version of Python that the file is for: conda's `python=3.11`, a base image's"""
    environments: tuple[StatedValue, ...] = ()
    """markers of the environments that it is limited to"""
    channels: tuple[str, ...] = ()
    """conda's channels, in order"""
    platforms: tuple[str, ...] = ()
    """the platforms that it is for, as `--platform` takes them"""
    base_images: tuple[StatedValue, ...] = ()
    """of a Dockerfile, with build arguments put in"""
    stages: tuple[Stage, ...] = ()
    """of a Dockerfile, in order"""
    targets: tuple[StatedValue, ...] = ()
    """`targets` of `[tool.cudalock]`, as written"""
    settings: dict[str, object] = field(default_factory=dict)
    """the whole `[tool.cudalock]` table"""
    sources: tuple[Source, ...] = ()
    dynamic: tuple[str, ...] = ()
    """fields that a build backend computes: `dependencies`, `optional-dependencies`"""
    notes: tuple[str, ...] = ()
    """sentences about what was not read, and why"""
    problems: tuple[FileProblem, ...] = ()
    nested: tuple[ProjectFile, ...] = ()
    named_at: Place | None = None
    """of a nested file, where the file above names it"""
    roots: tuple[Edge, ...] | None = None
    """what a lock was made for, if only its requirements show which entries a machine needs; see
    `projects.locks.graph`"""
    forks: tuple[str, ...] = ()
    """the extras and groups of a lock that exclude one another, as its markers name them"""
    overridden: frozenset[str] = frozenset()
    """the projects of a lock that its maker overrode, whatever metadata requires"""
    project: str | None = None
    """the canonical name of the project that the file describes"""
    members: tuple[str, ...] = ()
    """globs of the folders of a workspace's other projects"""
    no_members: tuple[str, ...] = ()
    """globs of folders that are not members, though one of `members` matches them"""
    together: tuple[frozenset[str | None], ...] = ()
    """where a group includes others (an include, an extra of extras, a stage that starts from one):
    the sets that are requested together; the smallest with a group in it is that group's"""
    conflicts: tuple[frozenset[str], ...] = ()
    """groups (`extra:cpu`, `extra:cu124`) of which no two are ever requested together"""

    def files(self) -> Iterator[ProjectFile]:
        """This file, then those it names, in order."""
        yield self
        for file in self.nested:
            yield from file.files()

    def at(self, place: Place) -> ProjectFile | None:
        """Return which of these files a place is in."""
        return next((file for file in self.files() if file.name == place.file), None)

    def everything(self) -> Iterator[Declared]:
        """Yield the entries of this file and of those it names, in the order in which pip reads
        them: a nested file's entries come where the file is named."""
        waiting = list(self.nested)
        for declared in self.declared:
            while waiting and (waiting[0].named_at or declared.place).start < declared.place.start:
                yield from waiting.pop(0).everything()
            yield declared
        for file in waiting:
            yield from file.everything()

    def wanted_with(self, group: str | None) -> frozenset[str | None]:
        """Return the groups that are requested where this one is, with itself and the main
        requirements."""
        # A group that others include is in their sets as well; its own is the smallest, since each
        # of theirs has all of it.
        sets = [groups for groups in self.together if group is not None and group in groups]
        return min(sets, key=len, default=frozenset([None, group]))

    @property
    def index_url(self) -> str | None:
        """The URL that replaces the package index; the last one counts, as in pip."""
        urls = [
            index for index in self._all_indexes() if index.kind == "index-url" or index.default
        ]
        return urls[-1].url if urls else None

    @property
    def extra_index_urls(self) -> tuple[str, ...]:
        """The other indexes that every project may come from."""
        # uv and Poetry look for every project on a named index too, unless it is explicit.
        return tuple(
            index.url
            for index in self._all_indexes()
            if index.kind == "extra-index-url"
            or (index.kind == "named" and not index.explicit and not index.default)
        )

    @property
    def find_links(self) -> tuple[str, ...]:
        """The folders and pages of links."""
        return tuple(index.url for index in self._all_indexes() if index.kind == "find-links")

    def index_named(self, name: str) -> DeclaredIndex | None:
        """The index that entries of this file call by this name."""
        return next((index for index in self.indexes if index.name == name), None)

    def sources_for(self, declared: Declared) -> tuple[Source, ...]:
        """The places that this file sends an entry to; where no marker holds it is sent nowhere."""
        return tuple(
            source
            for source in self.sources
            if source.name == declared.name
            and source.extra in (None, (declared.group or "").removeprefix("extra:"))
            and source.group in (None, (declared.group or "").removeprefix("group:"))
        )

    def _all_indexes(self) -> list[DeclaredIndex]:
        return [index for file in self.files() for index in file.indexes]

    def encode(self, text: str | None = None) -> bytes:
        """The bytes of a text as this file is encoded; of its own text, the bytes it was read from.

        Line ends are those of the text: a rewrite keeps them by leaving them alone.
        """
        # An untouched text gives back the very bytes, so `--fix` changes no line that it does not
        # mean.
        written = self.text if text is None else text
        return self.encoding.bom + written.encode(self.encoding.codec)


__all__ = [
    "EVERY_CODE",
    "Declared",
    "DeclaredIndex",
    "Edge",
    "Encoding",
    "FileProblem",
    "LockedFile",
    "Option",
    "Place",
    "ProjectFile",
    "Source",
    "StatedValue",
]

"""Generated rows: which releases, builds and wheels exist, and how each is known.

An index file is JSON laid out one release a line. A project's file is read whole, but a release is
parsed only when asked for: building objects costs far more than reading text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from packaging.specifiers import Specifier
from packaging.version import Version

from cudalock.errors import MatrixError
from cudalock.files import read_text
from cudalock.matrix.facts import NONE, Labels
from cudalock.matrix.sources import SourceState
from cudalock.mirrors import NO_MIRRORS, Mirrors
from cudalock.records import NamedTuple
from cudalock.targets.accelerators import BUILT_FOR
from cudalock.text import read_json
from cudalock.versions import (
    canonical,
    is_prerelease,
    names_prerelease,
    parse_version,
    specifier_set,
)

PACKAGE_INDEX: Final = "pypi"
"""The id of the default package index, whose URL the installer knows."""

KNOWN: Final = ("metadata", "listed", "seen", "derived")
"""How a row is known, best first: read from METADATA, listed by its publisher, seen in public use,
or derived from a build script, in which case the wheel may not exist."""

_EARLY: Final = re.compile(r"[0-9](?:a|b|rc|\.dev)[0-9]")
"""In a normalized version: it is a pre-release."""

PLACE: Final = ("index", "builder", "tag", "local")
"""The keys of a row for where its wheels are; facts may name these like labels."""


_NONE: Final = (NONE,)
_ACCELERATORS: Final = frozenset(BUILT_FOR)


def other_label(labels: Mapping[str, Any], name: str) -> str | None:
    """Return NONE for an accelerator if the labels of a row are about another one: nothing is built
    for two. `cuda = none` alone is a build for no accelerator at all."""
    is_another = name in _ACCELERATORS and any(other in labels for other in BUILT_FOR)
    return NONE if is_another and name not in labels else None


class Wheel(NamedTuple):
    """A wheel file: its tags (build tag included), published digest, and size in bytes if known.

    A source archive is one as well: its tags are those of the wheel that is built from it.
    """

    tags: str
    sha256: str | None
    dist: str
    size: int | None = None
    archive: str | None = None
    """the file name of a source archive"""
    url: str | None = None
    """where it is, if its index or builder does not say so: a user's own wheel"""

    def file(self, version: str, local: str | None) -> str:
        """Return the exact file name."""
        if self.archive is not None:
            return self.archive
        suffix = f"+{local}" if local else ""
        return f"{self.dist}-{version}{suffix}-{self.tags}.whl"


class Build:
    """The wheels of a release that were built alike and are published in one place.

    `index`, or `builder` with the release `tag`, says where. `labels` say what it was built with;
    `known` is one of :data:`KNOWN`. It is a view of its row: an index file may have thousands, and
    most are looked at in passing.
    """

    __slots__ = (
        "_requires",
        "_row",
        "builder",
        "dist",
        "index",
        "known",
        "local",
        "python",
        "rows",
        "tag",
        "warning",
    )

    is_source: bool = False
    """whether it is a source distribution, which an installer has to build"""

    is_immutable: bool = True
    """whether its metadata is in the matrix, and lives as long, so that what follows may be kept"""

    def __init__(
        self, row: dict[str, Any], python: str | None, requires: tuple[str, ...], dist: str
    ) -> None:
        # A local name, since this runs for thousands of rows.
        get = row.get
        self._row = row
        self.dist = dist
        self.index: str | None = get("index")
        self.builder: str | None = get("builder")
        self.tag: str | None = get("tag")
        self.local: str | None = get("local")
        self.known: str = get("known", KNOWN[0])
        self.warning: str | None = get("warning")
        self.python: str | None = get("python", python)
        self._requires: tuple[str, ...] = tuple(row["requires"]) if "requires" in row else requires
        self.rows: Sequence[Sequence[Any]] = row["wheels"]
        """the wheels as the file has them: tags, sha256 or None, exceptions"""
        if self.known not in KNOWN:
            raise ValueError(f"known must be one of {', '.join(KNOWN)}, not {self.known!r}")

    @property
    def requires(self) -> tuple[str, ...]:
        """What METADATA requires, PEP 508 requirements: always the same object, a key of caches."""
        return self._requires

    @property
    def is_readable(self) -> bool:
        """Whether METADATA can be read: without it a lock would not be complete."""
        return True

    @property
    def is_presumed(self) -> bool:
        """Whether it is a source distribution that is not read, since it is presumed to compile."""
        return False

    def source_build(self, *, must_read: bool = False) -> SourceState | None:
        """Return how a source distribution is built; None for wheels.

        With `must_read` the archive is read where else its kind would be presumed. Raises
        NetworkError.
        """
        return None

    @property
    def source(self) -> str | None:
        """What people can check the row against."""
        source: str | None = self._row.get("source")
        return source

    @property
    def renamed(self) -> bool | None:
        """Whether METADATA lacks the local version label; None: as usual for the builder."""
        renamed: bool | None = self._row.get("renamed")
        return renamed

    @property
    def labels(self) -> Labels:
        """Every label with its values: `{"cuda": ("12.4",)}`."""
        return {name: _as_tuple(label) for name, label in self._row.get("labels", {}).items()}

    def row(self, name: str) -> tuple[str, ...]:
        """Return the values of a label, or of a key of :data:`PLACE`; empty if it has none."""
        labels = self._row.get("labels", {})
        label = labels.get(name) or (self._row.get(name) if name in PLACE else None)
        if label:
            return _as_tuple(label)
        return _NONE if labels and other_label(labels, name) else ()

    @property
    def accelerator(self) -> str | None:
        """The accelerator that it is made for, NONE for none; None if nobody knows."""
        is_told = False
        for name in BUILT_FOR:
            label = self.row(name)
            if label and label != _NONE:
                return name
            is_told = is_told or bool(label)
        return NONE if is_told else None

    @property
    def tags(self) -> list[str]:
        """The tags of each wheel, build tag included."""
        return [row[0] for row in self.rows]

    def wheel(self, position: int) -> Wheel:
        """Return one wheel: building thousands of them would cost more than reading the file."""
        # Only what differs from the rule is in the row's third column.
        row = self.rows[position]
        exceptions = row[2] if len(row) > 2 else {}
        return Wheel(
            row[0],
            row[1],
            exceptions.get("dist", self.dist),
            exceptions.get("size"),
            exceptions.get("archive"),
            exceptions.get("url"),
        )

    @property
    def wheels(self) -> list[Wheel]:
        """Every wheel of the build."""
        return [self.wheel(position) for position in range(len(self.rows))]


def _as_tuple(label: str | Sequence[str]) -> tuple[str, ...]:
    return (label,) if isinstance(label, str) else tuple(label)


def _place_of(build: Build) -> tuple[str | None, ...]:
    return build.index, build.builder, build.tag, build.local


def _platform_of(tags: str) -> str:
    return tags.rpartition("-")[2]


class Release:
    """A version of a project. Its builds are objects only once they are used."""

    __slots__ = (
        "_builds",
        "_by_label",
        "_requires",
        "_rows",
        "_seen",
        "_table",
        "project",
        "version",
    )

    def __init__(self, project: str, version: str, table: dict[str, Any]) -> None:
        rows = table.get("builds")
        if rows is None:
            rows = [{"index": PACKAGE_INDEX, "wheels": table.get("wheels", ())}]
        self.project = project
        self.version = version
        self._table = table
        self._rows: list[dict[str, Any]] = rows
        self._builds: list[Build | None] = [None] * len(rows)
        self._by_label: dict[str, dict[tuple[str, ...], list[int]]] = {}
        self._seen: frozenset[tuple[tuple[str | None, ...], str]] | None = None
        self._requires = tuple(table.get("requires", ()))

    @property
    def row(self) -> dict[str, Any]:
        """The release as the file has it."""
        return self._table

    @property
    def uploaded(self) -> str | None:
        """The day its first file was published, `2024-10-29`, if known."""
        uploaded: str | None = self._table.get("uploaded")
        return uploaded

    @property
    def yanked(self) -> str | None:
        """Why it was yanked (PEP 592); None if it was not."""
        # PEP 592 allows a yank without a reason.
        yanked = self._table.get("yanked")
        return ("yanked" if yanked is True else str(yanked)) if yanked else None

    @property
    def default(self) -> Mapping[str, str]:
        """The labels of the build that the project publishes by default."""
        default: Mapping[str, str] = self._table.get("default", {})
        return default

    @property
    def sdist(self) -> bool:
        """Whether it has a source distribution."""
        return bool(self._table.get("sdist"))

    @property
    def is_source_only(self) -> bool:
        """Whether it has a source distribution and no wheel at all."""
        return self.sdist and not any(build.rows for build in self.builds)

    @property
    def stated_requires(self) -> tuple[str, ...] | None:
        """What the row itself states that the release requires; None where it states nothing."""
        return self._requires if "requires" in self._table else None

    @property
    def source_builds(self) -> tuple[Build, ...]:
        """Source distributions as builds of their own, where an index has been asked for them."""
        return ()

    @property
    def builds(self) -> tuple[Build, ...]:
        """Every build with wheels, in the order of the file."""
        return tuple(self.build(position) for position in range(len(self._rows)))

    def build(self, position: int) -> Build:
        """Return one build. Raises MatrixError for a damaged row."""
        build = self._builds[position]
        if build is None:
            # PEP 427: the distribution's name in a file name has underscores.
            python, dist = self._table.get("python"), self.project.replace("-", "_")
            try:
                build = Build(self._rows[position], python, self._requires, dist)
            except (ValueError, TypeError, AttributeError, LookupError) as error:
                key = f"releases[{self.version!r}].builds[{position}]"
                raise MatrixError(f"{self.project}.json", key, str(error)) from None
            self._builds[position] = build
        return build

    def has_seen_beside(self, build: Build, tags: str) -> bool:
        """Return whether somebody has seen a wheel that differs from one of a build in its Python
        alone: of the same place and local label, for the same platform."""
        if self._seen is None:
            # Of flash-attn a release has hundreds of builds, and each candidate wants to know.
            self._seen = frozenset(
                (_place_of(other), _platform_of(seen))
                for other in self.builds
                if other.known != "derived"
                for seen in other.tags
            )
        return (_place_of(build), _platform_of(tags)) in self._seen

    def by_label(self, name: str) -> dict[tuple[str, ...], list[int]]:
        """Return the positions of the builds by their values of a label; () for those without."""
        positions = self._by_label.get(name)
        if positions is None:
            positions = self._by_label[name] = {}
            for position, row in enumerate(self._rows):
                labels = row.get("labels", {})
                label = labels.get(name)
                label = label or other_label(labels, name)
                positions.setdefault(_as_tuple(label) if label else (), []).append(position)
        return positions


class Coverage(NamedTuple):
    """Which releases of a project the matrix tells about: final ones from `oldest` on, published by
    the day `until`, with the wheels that some supported platform and Python can take.

    `matrix update` leaves no gap: what is between the oldest and the newest and has no row does not
    exist. What is outside is not known, but `older` has the platforms that wheels of older releases
    are for, placeholders aside; None if nobody has looked. Where the rows come from the builders of
    wheels, there may be `gaps`: releases that nobody but the package index has.
    """

    oldest: str
    newest: str
    until: str
    older: tuple[str, ...] | None = None
    gaps: bool = False

    def __str__(self) -> str:
        return f"{self.oldest} to {self.newest} of {self.until}"

    def tells(self, version: str) -> bool:
        """Return whether the matrix tells if there is such a release."""
        parsed = parse_version(version)
        is_inside = parse_version(self.oldest) <= parsed <= parse_version(self.newest)
        return is_inside and not self.gaps and not is_prerelease(version)

    def may_be_older(self, specifiers: Iterable[str], platform: str | None = None) -> bool:
        """Return whether a release that is too old for the matrix, with a wheel for a platform,
        may meet all the specifiers."""
        if self.older is not None and not (platform in self.older if platform else self.older):
            return False
        oldest = parse_version(self.oldest)
        ends = (lower for lower, _ in map(_ends, _clauses(specifiers)) if lower is not None)
        return all(lower < oldest for lower in ends)

    def may_be_newer(self, specifiers: Iterable[str]) -> bool:
        """Return whether a release that is too new for the matrix may meet all the specifiers."""
        newest = parse_version(self.newest)
        ends = (upper for _, upper in map(_ends, _clauses(specifiers)) if upper is not None)
        return all(upper > newest for upper in ends)

    def is_before(self, specifier: str) -> bool:
        """Return whether a specifier accepts everything that is too old for the matrix."""
        oldest = parse_version(self.oldest)
        clauses = list(_clauses((specifier,)))
        return all(
            clause.operator in ("<", "<=") and upper is not None and upper >= oldest
            for clause, (_, upper) in zip(clauses, map(_ends, clauses), strict=True)
        )

    def begins_beyond(self, specifier: str) -> bool:
        """Return whether a specifier that no release meets begins where the matrix ends."""
        newest = parse_version(self.newest)
        ends = (lower for lower, _ in map(_ends, _clauses((specifier,))) if lower is not None)
        return any(lower >= newest for lower in ends)


def _clauses(specifiers: Iterable[str]) -> Iterator[Specifier]:
    for specifier in specifiers:
        yield from specifier_set(specifier)


def _ends(clause: Specifier) -> tuple[Version | None, Version | None]:
    """Return the least version that a clause may accept and one that none reaches beyond; None for
    an open end."""
    text = clause.version.partition("+")[0]
    version = parse_version(text.removesuffix(".*"))
    numbers = version.release
    match clause.operator:
        case ">" | ">=":
            return version, None
        case "<" | "<=":
            return None, version
        case "==" if text.endswith(".*"):
            return version, _next(numbers)
        case "==" | "===":
            return version, version
        case "~=":
            return version, _next(numbers[:-1])
    return None, None


def _next(numbers: tuple[int, ...]) -> Version:
    return parse_version(".".join(map(str, (*numbers[:-1], numbers[-1] + 1))))


def _values_told(line: str, label: str) -> frozenset[tuple[str, ...]] | None:
    """Return the values of a label that a row's builds have; None if one of them may have none."""
    texts = re.findall(rf'"{label}":("[^"\\]*"|\[[^\]\\]*\])', line)
    # Each build has its wheels, and a label once at most; the default build's come on top.
    if not 0 < line.count('"wheels":[') <= len(texts) or '"default":' in line:
        return None
    return frozenset(
        (text[1:-1],) if text[0] == '"' else _as_tuple(read_json(text)) for text in set(texts)
    )


class Project:
    """The releases of a project, oldest first, each parsed on first use."""

    __slots__ = (
        "_lines",
        "_parsed",
        "_told",
        "file",
        "gaps",
        "has_final",
        "name",
        "older",
        "retrieved",
        "sources",
    )

    is_immutable: bool = True
    """whether it always has the same releases, so that what follows from them may be kept"""

    def __init__(
        self,
        name: str,
        file: str,
        retrieved: str,
        sources: tuple[str, ...],
        lines: dict[str, str],
        older: tuple[str, ...] | None = None,
        *,
        gaps: bool = False,
    ) -> None:
        self.name = name
        self.gaps = gaps
        """whether releases between the rows may have none; see `Coverage`"""
        self.older = older
        """the platforms that wheels of releases before the first row are for; see `Coverage`"""
        self.file = file
        self.retrieved = retrieved
        self.sources = sources
        self._lines = lines
        self._parsed: dict[str, Release] = {}
        self._told: dict[tuple[str, str], frozenset[tuple[str, ...]] | None] = {}
        # By the text: parsing versions takes longer, and a damaged one is reported elsewhere.
        self.has_final = not lines or not all(map(_EARLY.search, reversed(lines)))
        """whether some release is final; of other projects the pre-releases count"""

    @property
    def window(self) -> int | None:
        """How many releases are looked at, the newest first, if each costs a request; else None."""
        return None

    @property
    def other_window(self) -> int | None:
        """As `window`, for releases that the goal rules out: an explanation looks at those too."""
        return None

    def is_free(self, version: str) -> bool:
        """Return whether looking at a release costs no request, so that no window counts it."""
        return True

    @property
    def coverage(self) -> Coverage | None:
        """Which releases the matrix tells about; None of a project that is not in the matrix, or
        has no release there."""
        if not self._lines:
            return None
        versions = list(self._lines)
        return Coverage(versions[0], versions[-1], self.retrieved, self.older, self.gaps)

    @property
    def versions(self) -> list[str]:
        """Every version, oldest first."""
        return list(self._lines)

    def takes_prereleases(self, specifiers: Iterable[str]) -> bool:
        """Return whether pre-releases count for whoever has these specifiers.

        PEP 440: they do where a specifier names one, or where nothing else exists.
        """
        return not self.has_final or names_prerelease(specifiers)

    def __contains__(self, version: str) -> bool:
        return version in self._lines

    def cut(self) -> None:
        """Record that a search ignored releases that the window does not show."""

    def release(self, version: str) -> Release:
        """Return a release.

        Raises KeyError for an unknown version, MatrixError for a damaged line.
        """
        release = self._parsed.get(version)
        if release is None:
            try:
                line = self._lines[version]
                # The line is the text of a JSON object's member, with a comma unless it is the
                # last.
                table = read_json(line[line.index("{") :].rstrip(","))
                release = Release(self.name, version, table)
            except (ValueError, TypeError, AttributeError, LookupError) as error:
                if version not in self._lines:
                    raise
                raise MatrixError(self.file, f"releases[{version!r}]", str(error)) from None
            self._parsed[version] = release
        return release

    def may_have(self, version: str, label: str, fits: Callable[[tuple[str, ...]], bool]) -> bool:
        """Return whether a release may have a build whose values of a label fit, or that has none,
        by the text of its row: to parse that takes four times as long."""
        if version in self._parsed or version not in self._lines or label in PLACE:
            return True
        key = version, label
        if key not in self._told:
            self._told[key] = _values_told(self._lines[version], label)
        values = self._told[key]
        return values is None or any(map(fits, values))

    def mentions(self, name: str) -> bool:
        """Return whether some row may name a project, by the text alone: parsing takes longer."""
        # The quote begins a string of the row; a longer name with the same start is a false alarm
        # at most.
        return any(f'"{name}' in line for line in self._lines.values())

    def mentions_extra(self, extra: str) -> bool:
        """Return whether some row has requirements of an extra, by the text alone."""
        # Quotes are escaped, since the row is JSON.
        texts = [f'extra == \\"{spelling}\\"' for spelling in spellings_of_extra(extra)]
        return any(text in line for line in self._lines.values() for text in texts)

    def __iter__(self) -> Iterator[Release]:
        return (self.release(version) for version in self._lines)


def spellings_of_extra(extra: str) -> set[str]:
    """Return how METADATA may write an extra.

    PEP 685: jax asks for jax-cuda12-plugin[with_cuda], whose METADATA calls it with-cuda.
    """
    plain = canonical(extra)
    return {extra, plain, plain.replace("-", "_")}


def read_project(path: Path, mirrors: Mirrors = NO_MIRRORS) -> Project:
    """Read an index file, with its URLs mirrored. Raises MatrixError if the file is damaged."""
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise MatrixError(path.name, "", f"cannot be read: {error}") from None
    text = mirrors.text(text)
    head, separator, body = text.partition('"releases": {\n')
    end = body.rstrip()
    # No newline at the end of JSON, but the two closing braces: a file that was cut short lacks
    # them.
    if not separator or not end.endswith("}\n}"):
        raise MatrixError(path.name, "releases", "is not an index file, or was cut short")
    try:
        header: dict[str, Any] = read_json(head.rstrip().rstrip(",") + "}")
        name, retrieved = header["project"], header["retrieved"]
    except (ValueError, LookupError) as error:
        raise MatrixError(path.name, "", f"has a damaged header: {error}") from None
    lines: dict[str, str] = {}
    # By newlines alone, in half the time: a line of JSON may have what `splitlines` splits at.
    rows = end[:-3].removesuffix("\n")
    for line in rows.split("\n") if rows else ():
        # PEP 440 versions are short; the bound keeps a damaged line from being searched whole.
        end_of_version = line.find('": {', 1, 80)
        if line[:1] != '"' or end_of_version < 0 or not line.endswith(("}", "},")):
            raise MatrixError(path.name, "releases", f"has a damaged line: {line[:40]!r}")
        lines[line[1:end_of_version]] = line
    sources, older = tuple(header.get("sources", ())), header.get("older")
    return Project(
        name,
        path.name,
        retrieved,
        sources,
        lines,
        None if older is None else tuple(older),
        gaps=bool(header.get("gaps")),
    )

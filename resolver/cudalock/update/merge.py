"""Merge what a source lists into the rows of the matrix.

The rule, for one place (an index, or a builder) and one project:

- a listed wheel that has a row keeps what a listing cannot know (labels, a warning, whether it was
  renamed), and takes what it can: digest, requirements, Python, and how it is known;
- a listed wheel without a row joins the build it belongs to by its name and platform, else it
begins
  one, with the labels that its source gives;
- a wheel that is no longer listed loses its row, and is reported;
- rows of other places stay.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from packaging.requirements import InvalidRequirement
from packaging.version import Version

from cudalock.matrix.releases import KNOWN, PACKAGE_INDEX
from cudalock.targets.tags import split_platform_tag
from cudalock.versions import normalized_requirement

Row = dict[str, Any]
Table = dict[str, Any]

RELEASE_ORDER: Final = ("uploaded", "python", "yanked", "requires", "default", "sdist", "wheels")
BUILD_ORDER: Final = (
    *("index", "builder", "tag", "local", "labels", "python", "requires", "known", "source"),
    *("warning", "renamed", "wheels"),
)
COMPUTED: Final = "computed"
"""The key of a wheel's row for the day its digest was computed, if nobody published one."""
LISTED: Final = ("uploaded", "python", "yanked", "requires", "sdist")
"""The keys that a package index has for a release as a whole."""


class WheelPlace(NamedTuple):
    """Where wheels are: an index or a builder, by its id."""

    kind: str
    id: str

    def has(self, row: Mapping[str, Any]) -> bool:
        """Whether a build is there."""
        return bool(row.get(self.kind) == self.id)


class Listed(NamedTuple):
    """One wheel as a source lists it. None means that the listing does not have it."""

    version: str
    tags: str
    local: str | None = None
    tag: str | None = None
    sha256: str | None = None
    dist: str | None = None
    size: int | None = None
    python: str | None = None
    requires: tuple[str, ...] | None = None
    labels: Mapping[str, Any] = {}
    known: str = "listed"
    source: str | None = None

    @property
    def key(self) -> tuple[str | None, ...]:
        """What distinguishes the wheels of one place and release."""
        return (self.tag, self.local, self.tags, self.dist)


class Change(NamedTuple):
    """What changed of one release: wheels new, changed (a digest, requirements) and gone."""

    project: str
    version: str
    new: bool = False
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    rehashed: tuple[str, ...] = ()
    """wheels whose published digest differs from the recorded one: the alarm among the changes"""


def merge_release(
    project: str,
    version: str,
    held: Table | None,
    place: WheelPlace,
    wheels: Iterable[Listed],
    said: Mapping[str, Any] | None = None,
) -> tuple[Table | None, Change]:
    """Return the release with what `place` lists of it, and what changed.

    `said` has the keys of LISTED that a package index has for the release, None from a source that
    knows builds only. A release without wheels or sdist is None.
    """
    heads = _heads(held or {})
    other_heads = [(head, rows) for head, rows in heads if not place.has(head)]
    here = [(head, rows) for head, rows in heads if place.has(head)]
    wheels = list(wheels)
    merged, change = _merge_place(Change(project, version, held is None), place, here, wheels)
    release = _release_keys(held or {}, said, wheels)
    table = _table(release, _in_order(heads, [*other_heads, *merged]))
    if not (table.get("wheels") or table.get("builds") or table.get("sdist")):
        return None, change
    if held is not None and table != held and not (change.added or change.changed or change.gone):
        change = change._replace(changed=("metadata",))
    # The old object, so that a file without changes keeps its day of retrieval.
    return (held if table == held else table), change


def _merge_place(
    change: Change, place: WheelPlace, here: list[tuple[Row, list[Any]]], wheels: Iterable[Listed]
) -> tuple[list[tuple[Row, list[Any]]], Change]:
    old = {
        (head.get("tag"), head.get("local"), row[0], _more(row).get("dist")): (head, row)
        for head, rows in here
        for row in rows
    }
    groups: dict[str, tuple[Row, list[Any]]] = {}
    added, changed, rehashed = [], [], []
    listed = {wheel.key: wheel for wheel in wheels}
    # By key: the order of a listing says nothing, and differs between two mirrors.
    for key, wheel in sorted(listed.items(), key=lambda keyed_wheel: str(keyed_wheel[0])):
        if key in old:
            head, row = old[key]
            new_head, new_row = _updated(head, wheel), _row(wheel, row)
            if row[1] and new_row[1] != row[1]:
                rehashed.append(wheel.tags)
            if (new_head, new_row) != (head, row):
                changed.append(_name(wheel))
        else:
            new_head, new_row = _head(place, wheel, here), _row(wheel, None)
            added.append(_name(wheel))
        text = json.dumps(new_head, sort_keys=True)
        groups.setdefault(text, (new_head, []))[1].append(new_row)
    gone = [f"{key[1] or ''} {key[2]}".strip() for key in old if key not in listed]
    for _, rows in groups.values():
        rows.sort(key=_row_order)
    return list(groups.values()), change._replace(
        added=tuple(added), changed=tuple(changed), gone=tuple(gone), rehashed=tuple(rehashed)
    )


def _updated(head: Row, wheel: Listed) -> Row:
    """Return the row of a build, with what a listing knows better."""
    new = dict(head)
    # Wheels of one release list the same in another order; a diff of that helps nobody.
    if wheel.requires is not None and not same_requires(wheel.requires, head.get("requires", ())):
        new["requires"] = list(wheel.requires)
    if wheel.python is not None:
        new["python"] = wheel.python
    # Somebody looked closer than a name can tell: a label that a row leaves out stays out.
    if wheel.labels and "labels" not in head:
        new["labels"] = dict(wheel.labels)
    # A row may only become better known, such as when its METADATA could be read.
    if KNOWN.index(wheel.known) < KNOWN.index(head.get("known", KNOWN[0])):
        new["known"], new["source"] = wheel.known, wheel.source
    return _plain(new)


def _head(place: WheelPlace, wheel: Listed, here: list[tuple[Row, list[Any]]]) -> Row:
    """Return a new wheel's build: the one of its name and platform, else one of its own."""
    for head, rows in here:
        same_name = (head.get("tag"), head.get("local")) == (wheel.tag, wheel.local)
        # For another Python of the same platform; another platform's wheel may differ in METADATA.
        if same_name and any(system_of(row[0]) == system_of(wheel.tags) for row in rows):
            return _updated(head, wheel)
    return _plain(
        {
            place.kind: place.id,
            "tag": wheel.tag,
            "local": wheel.local,
            "labels": dict(wheel.labels),
            "python": wheel.python,
            "requires": None if wheel.requires is None else list(wheel.requires),
            "known": wheel.known,
            "source": wheel.source,
        }
    )


def _plain(head: Row) -> Row:
    """Return a row without its defaults."""
    plain = {key: content for key, content in head.items() if content not in (None, {})}
    if plain.get("known") == KNOWN[0]:
        del plain["known"]
    return plain


def system_of(tags: str) -> tuple[str, str]:
    """Return the system and processor of wheel tags: `("linux", "x86_64")`, `("any", "")`."""
    system, arch = split_platform_tag(tags.rpartition("-")[2].split(".")[0])
    return (system.removeprefix("many"), arch) if system else (tags, "")


def _row(wheel: Listed, held: list[Any] | None) -> list[Any]:
    columns = dict(_more(held)) if held else {}
    if wheel.sha256:
        # A published digest takes the place of a computed one.
        columns.pop(COMPUTED, None)
    if wheel.dist:
        columns["dist"] = wheel.dist
    sha256 = wheel.sha256 or (held[1] if held else None)
    # Without a digest the size is all that distinguishes one file from another.
    if sha256 is not None:
        columns.pop("size", None)
    elif wheel.size is not None:
        columns["size"] = wheel.size
    return [wheel.tags, sha256, columns] if columns else [wheel.tags, sha256]


def _more(row: list[Any]) -> dict[str, Any]:
    return row[2] if len(row) > 2 else {}


def _row_order(row: list[Any]) -> tuple[str, str]:
    return (row[0], row[1] or "")


def _name(wheel: Listed) -> str:
    return f"{wheel.local or ''} {wheel.tags}".strip()


# -- between the shape of a file and builds by themselves -----------------------------------------


def _heads(table: Table) -> list[tuple[Row, list[Any]]]:
    """Return each build without its wheels, with what the release has for all."""
    builds = table.get("builds")
    if builds is None:
        wheels = table.get("wheels", [])
        builds = [{"index": PACKAGE_INDEX, "wheels": wheels}] if wheels else []
    inherited = {
        "python": table.get("python"),
        "requires": table.get("requires", []),
    }
    return [
        (_plain({**inherited, **{k: v for k, v in row.items() if k != "wheels"}}), row["wheels"])
        for row in builds
    ]


def _release_keys(held: Table, said: Mapping[str, Any] | None, wheels: list[Listed]) -> Row:
    """Return the keys of a release as a whole.

    Requirements that some wheel still has stay those that the others are compared with. Of a
    release without wheels no METADATA is read, so its requirements stay.
    """
    release = {key: content for key, content in held.items() if key not in ("wheels", "builds")}
    if said is not None:
        old = release.get("requires")
        release |= {"yanked": None, "sdist": None, **said}
        # A row may leave out that there is one beside its wheels; a new row never does.
        if held.get("wheels") or held.get("builds"):
            release["sdist"] = release["sdist"] and (held.get("sdist") or not wheels)
        # A release has its first day once, and some listings say neither that nor its Pythons.
        if held.get("uploaded"):
            release["uploaded"] = held["uploaded"]
        if old is not None and _is_still_said(old, wheels):
            release["requires"] = old
        elif wheels and old and not said.get("requires"):
            release["requires"] = []
    return {key: content for key, content in release.items() if content not in (None, False)}


def _is_still_said(requires: list[str], wheels: list[Listed]) -> bool:
    """Whether some wheel has these requirements still; also if no METADATA was read."""
    read = [wheel.requires for wheel in wheels if wheel.requires is not None]
    return not read or any(same_requires(requires, each) for each in read)


def same_requires(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether two lists of requirements differ in order and spelling at most: `huggingface_hub` and
    `huggingface-hub` are one project."""
    one, other = set(one), set(other)
    return one == other or {*map(_respelled, one)} == {*map(_respelled, other)}


@cache
def _respelled(requirement: str) -> str:
    try:
        return normalized_requirement(requirement)
    except InvalidRequirement:
        return requirement


def _table(release: Row, heads: list[tuple[Row, list[Any]]]) -> Table:
    """Return the release as its line has it: what all builds share is written once."""
    python, requires = release.get("python"), release.get("requires", [])
    builds = []
    for head, wheels in heads:
        row = dict(head)
        if row.get("python") == python:
            row.pop("python", None)
        if row.get("requires", requires) == requires:
            row.pop("requires", None)
        builds.append({key: row[key] for key in BUILD_ORDER if key in row} | {"wheels": wheels})
    if all(row.keys() == {"index", "wheels"} and row["index"] == PACKAGE_INDEX for row in builds):
        wheels = [wheel for row in builds for wheel in row["wheels"]]
        return _ordered(release) | {"wheels": sorted(wheels, key=_row_order)}
    return _ordered(release) | {"builds": builds}


def _ordered(release: Row) -> Row:
    return {key: release[key] for key in RELEASE_ORDER if key in release}


def _in_order(
    before: list[tuple[Row, list[Any]]], after: list[tuple[Row, list[Any]]]
) -> list[tuple[Row, list[Any]]]:
    """Return builds in the places that their wheels had; what is new follows its own kind."""
    places: dict[str, int] = {}
    kinds: dict[str, int] = {}
    for position, (head, rows) in enumerate(before):
        kinds[_kind(head)] = position
        for row in rows:
            places.setdefault(_identity(head, row), position)

    def order(head_and_rows: tuple[Row, list[Any]]) -> tuple[float, str]:
        head, rows = head_and_rows
        positions = [places[key] for key in (_identity(head, row) for row in rows) if key in places]
        last = kinds.get(_kind(head), len(before)) + 0.5
        return (min(positions) if positions else last, json.dumps(head, sort_keys=True))

    return sorted(after, key=order)


def _kind(head: Row) -> str:
    return f"{head.get('index')} {head.get('builder')}"


def _identity(head: Row, row: list[Any]) -> str:
    return f"{_kind(head)} {head.get('tag')} {head.get('local')} {row[0]} {_more(row).get('dist')}"


def in_version_order(releases: Mapping[str, Table]) -> dict[str, Table]:
    """Return releases as an index file has them, oldest first."""
    return {version: releases[version] for version in sorted(releases, key=Version)}


__all__ = [
    "Change",
    "Listed",
    "Table",
    "WheelPlace",
    "in_version_order",
    "merge_release",
    "system_of",
]

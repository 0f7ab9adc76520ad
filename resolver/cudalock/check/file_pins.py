"""What the lines of a file hold on one target."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from cudalock.check.index_names import Places, has_nightlies
from cudalock.check.source_builds import is_told_how, may_tell_how
from cudalock.compat.pins import PinnedProject
from cudalock.compat.wheels import wheel_tags
from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.projects.syntax.pep508 import may_hold
from cudalock.targets.tags import best_wheel
from cudalock.urls import file_of

if TYPE_CHECKING:
    from cudalock.projects.model import Declared, LockedFile, ProjectFile, Source
    from cudalock.targets import Target

_WHEEL = ".whl"


class Lines:
    """The lines of a file that the package index's tools install, group by group."""

    def __init__(self, file: ProjectFile, places: Places, names: Container[str]) -> None:
        """`names` are those of the projects that there is anything to say about."""
        self.file = file
        self._places = places
        self._names = names
        self._everywhere = places.of_file(file)
        self._has_nightlies = has_nightlies(file)
        self._owners = {id(entry): each for each in file.files() for entry in each.declared}
        self._building = {each.name for each in file.files() if may_tell_how(each)}
        self._replaced = {entry.name for entry in file.everything() if entry.role == "override"}
        self.overridden = self._replaced.union(*(each.overridden for each in file.files()))

    def groups(self, names: Iterable[str]) -> list[str | None]:
        """The groups that name some of these projects; None, for what everyone gets, is first.

        In a Dockerfile nothing is for everyone: there each stage is an environment of its own.
        """
        forks = [fork for file in self.file.files() for fork in file.forks]
        if forks:
            return [None, *forks]
        wanted = set(names)
        found = dict.fromkeys(
            entry.group for entry in self.file.everything() if entry.name in wanted
        )
        groups = [group for group in found if group is not None]
        everyone = None in found or not groups
        return [*([None] if everyone else []), *groups]

    def on(self, target: Target, group: str | None) -> list[PinnedProject]:
        """What is held where a group is wanted with what everyone gets."""
        environment = target.marker_environment()
        wanted = self.file.wanted_with(group)
        held = []
        for file in self.file.files():
            for entry in _entries(file, environment, group):
                if entry.group in wanted and self._counts(entry):
                    one = self._held(entry, target, environment)
                    held += [one] if one is not None else []
        return self._as_sent(held)

    def _as_sent(self, held: list[PinnedProject]) -> list[PinnedProject]:
        """The same with what a line sends to an index or an address taken from there for every line
        about it."""
        sent = {each.name for each in held if self._is_sent(each)}
        return [
            each._replace(indexes=None, names_sources=False)
            if each.name in sent and not self._is_sent(each)
            else each
            for each in held
        ]

    def _is_sent(self, held: PinnedProject) -> bool:
        return held.names_sources and (held.file is not None or held.indexes != self._everywhere)

    def _counts(self, entry: Declared) -> bool:
        # An override stands in the place of every other line about its project.
        return (
            entry.manager == "pypi"
            and entry.name in self._names
            and entry.problem is None
            and _is_comparable(entry.specifier)
            and (entry.role == "override" or entry.name not in self._replaced)
        )

    def _held(
        self, entry: Declared, target: Target, environment: Mapping[str, str]
    ) -> PinnedProject | None:
        if entry.role == "locked":
            return self._locked(entry, target)
        source = self._source(entry, environment)
        url = entry.url or (source.url if source else None)
        if source is not None and (source.git or source.path):
            return None
        if url is not None:
            return self._by_address(entry, url)
        if entry.role == "constraint":
            # A file of nothing but constraints is judged as if all of it were wanted.
            alone = self.file.kind == "constraints"
            return PinnedProject(
                entry.name, entry.specifier, required=alone, names_sources=False, origin=entry
            )
        if self._has_nightlies and entry.version is None:
            # A range may come to a nightly build, and those go together by other rules.
            return None
        return PinnedProject(
            entry.name,
            entry.specifier,
            indexes=self._indexes(entry, source),
            hashes=_digests(entry.hashes),
            has_build_recipe=self._is_built(entry),
            origin=entry,
        )

    def _is_built(self, entry: Declared) -> bool:
        owner = self._owners[id(entry)]
        return owner.name in self._building and is_told_how(entry, owner)

    def _by_address(self, entry: Declared, url: str) -> PinnedProject | None:
        file = file_of(url)
        version = _version_of(file)
        if version is None:
            return None
        return PinnedProject(
            entry.name,
            f"=={version}",
            file=file,
            hashes=_digests(entry.hashes) or _fragment(url),
            required=entry.role != "constraint",
            origin=entry,
        )

    def _source(self, entry: Declared, environment: Mapping[str, str]) -> Source | None:
        owner = self._owners[id(entry)]
        for source in owner.sources_for(entry) if owner.sources else ():
            if source.marker is None or may_hold(source.marker, environment):
                return source
        return None

    def _indexes(self, entry: Declared, source: Source | None) -> frozenset[str] | None:
        if entry.index is not None:
            return self._places.of_one(entry.index, entry.name)
        if source is not None and source.index is not None:
            index = self._owners[id(entry)].index_named(source.index)
            return self._places.of_one(index.url, entry.name) if index else None
        return self._everywhere

    # -- locks ----------------------------------------------------------------------------------

    def _locked(self, entry: Declared, target: Target) -> PinnedProject | None:
        """An entry of a lock: the file that the target takes of those that it lists."""
        if entry.url is not None:
            return self._by_address(entry, entry.url)
        if entry.version is None:
            return None
        indexes = self._everywhere
        if entry.index is not None:
            indexes = self._places.of_one(entry.index, entry.name)
        elif self._everywhere is not None:
            indexes = self._everywhere | {PACKAGE_INDEX}
        wheels = [each for each in entry.files if each.name.endswith(_WHEEL)]
        held = PinnedProject(
            entry.name,
            entry.specifier,
            indexes=indexes,
            has_sdist=len(wheels) < len(entry.files),
            origin=entry,
        )
        if not wheels:
            return held._replace(hashes=_digests(entry.hashes))
        best = _best(wheels, target)
        if best is None and held.has_sdist:
            return held
        chosen = best or wheels[0]
        # An index that is not known may have other bytes under a name that is.
        hashes = _digests(chosen.hashes) if indexes is not None else ()
        return held._replace(file=chosen.name, hashes=hashes)


@lru_cache(maxsize=1024)
def _is_comparable(specifier: str) -> bool:
    """Whether all its versions are: `===` may stand before anything."""
    from packaging.version import InvalidVersion, Version

    if "===" not in specifier:
        return True
    try:
        for clause in specifier.split(","):
            if clause.strip().startswith("==="):
                Version(clause.strip().removeprefix("==="))
    except InvalidVersion:
        return False
    return True


def _entries(
    file: ProjectFile, environment: Mapping[str, str], fork: str | None
) -> Iterator[Declared]:
    if file.roots is not None:
        from cudalock.projects.locks.graph import entries_for

        yield from entries_for(file, environment, fork)
        return
    for entry in file.declared:
        if entry.marker is None or may_hold(entry.marker, environment):
            yield entry


def _best(wheels: list[LockedFile], target: Target) -> LockedFile | None:
    # The first of those that rank alike: a lock lists them in an order of its own.
    tagged = [(tags, wheel) for wheel in reversed(wheels) if (tags := wheel_tags(wheel.name))]
    tag_sets = [tags for tags, _ in tagged]
    position = best_wheel(tag_sets, target.tags(), bare_linux_last=False)
    return None if position is None else tagged[position][1]


def _version_of(file: str) -> str | None:
    """The version that a wheel's name carries."""
    from packaging.version import InvalidVersion, Version

    if wheel_tags(file) is None:
        return None
    try:
        return str(Version(file.split("-")[1].replace("_", "-")))
    except InvalidVersion:
        return None


def _digests(hashes: Iterable[str]) -> tuple[str, ...]:
    kind = "sha256:"
    return tuple(each[len(kind) :].lower() for each in hashes if each.startswith(kind))


def _fragment(url: str) -> tuple[str, ...]:
    _, found, digest = url.partition("#sha256=")
    return (digest.partition("&")[0].lower(),) if found else ()


__all__ = ["Lines"]

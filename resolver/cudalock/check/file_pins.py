"""What the lines of a file hold on one target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from cudalock.check.conda import conda_pin
from cudalock.check.index_names import IndexNames, has_nightlies
from cudalock.check.source_builds import BuildRecipes
from cudalock.compat.installed import plain_indexes
from cudalock.compat.pins import PinnedProject
from cudalock.compat.wheels import PinWheels, variant_of, wheel_tags
from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.projects.model import Declared
from cudalock.projects.syntax.pep508 import may_hold
from cudalock.targets.tags import best_wheel
from cudalock.urls import file_of
from cudalock.versions import parse_version

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Matrix
    from cudalock.projects.model import LockedFile, ProjectFile, Source
    from cudalock.targets import Target

_WHEEL = ".whl"
_FOR_BOTH = ("requirements", "constraints", "dockerfile")
"""The kinds of files that pip and uv both install from."""


class FileLines:
    """The lines of a file that the package index's tools install, group by group."""

    def __init__(self, file: ProjectFile, matrix: Matrix, conda_cuda: str | None = None) -> None:
        """`conda_cuda` is the CUDA minor of what conda installs: see `conda.cuda_of`."""
        self.file = file
        self._conda_cuda = conda_cuda
        self._matrix = matrix
        self._places = places = IndexNames(matrix)
        self._names = matrix.projects | matrix.file_sharers.keys()
        self._everywhere = places.of_file(file)
        self._in_uv_order = places.in_uv_order(file)
        self._has_nightlies = has_nightlies(file)
        self._owners = {id(declared): each for each in file.files() for declared in each.declared}
        self._recipes = {id(each): BuildRecipes(each) for each in file.files()}
        self._replaced = {
            declared.name for declared in file.everything() if declared.role == "override"
        }
        self.overridden = self._replaced.union(*(each.overridden for each in file.files()))

    def groups(self, names: Iterable[str]) -> list[str | None]:
        """The groups that name some of these projects; None, for what everyone gets, is first.

        In a Dockerfile nothing is for everyone: there each stage is an environment of its own.
        """
        forks = [fork for file in self.file.files() for fork in file.forks]
        if forks:
            return [None, *forks]
        stack_names = set(names)
        found = dict.fromkeys(
            declared.group for declared in self.file.everything() if declared.name in stack_names
        )
        groups = [group for group in found if group is not None]
        everyone = None in found or not groups
        return [*([None] if everyone else []), *groups]

    @property
    def may_differ(self) -> bool:
        """Whether pip and uv may take the lines from different indexes."""
        return (
            len(self._in_uv_order) > 1
            and self._everywhere is not None
            and self.file.kind in _FOR_BOTH
            and not self.file.find_links
            and not self.file.no_index
        )

    def with_uv(self, pins: Iterable[PinnedProject], target: Target) -> list[PinnedProject]:
        """The same pins as uv reads them: each from the first index that has its project."""
        return [
            pin._replace(indexes=self._first_with(pin, target))
            if pin.takes_highest and pin.indexes == self._everywhere
            else pin
            for pin in pins
        ]

    def _first_with(self, pin: PinnedProject, target: Target) -> frozenset[str] | None:
        """The index that uv takes a pin from; all of them where that cannot be told.

        An index may have more than the matrix knows: one that has the project, and no known wheel
        for the pin, tells nothing.
        """
        project = self._matrix.project(pin.name)
        for index_ids in self._in_uv_order if project is not None else ():
            has_it = None if index_ids is None else self._places.has(index_ids, pin.name)
            if has_it is None or project is None:
                break
            if has_it:
                wheels = PinWheels(pin._replace(indexes=index_ids), project, target, self._matrix)
                is_known = wheels.first(wheels.is_reachable, wheels.fits) is not None
                return index_ids if is_known else self._everywhere
        return self._everywhere

    def on(self, target: Target, group: str | None) -> list[PinnedProject]:
        """What is held where a group is wanted with what everyone gets."""
        kind, _, name = (group or "").partition(":")
        # Poetry has markers on extras: `extra != 'cuda'` is for everyone else.
        extra = {"extra": name} if kind == "extra" else {}
        environment = {**target.marker_environment(), **extra}
        groups = self.file.wanted_with(group)
        pins = []
        for file in self.file.files():
            for declared in _requirements(file, environment, group):
                if declared.group in groups and self._counts(declared):
                    one = self._pin_of(declared, target, environment)
                    pins += [one] if one is not None else []
        pins = _without_alternatives(pins)
        # pip replaces what conda installed: a project that the pip section names is pip's.
        by_pip = {pin.name for pin in pins if pin.required and not pin.by_conda}
        pins = [pin for pin in pins if not (pin.by_conda and pin.name in by_pip)]
        return self._as_sent(pins)

    def are_in_base(self, pins: Iterable[PinnedProject], target: Target, group: str | None) -> bool:
        """Whether entries of a lock are all installed without an extra or a group of the project;
        those of another file are."""
        if self.file.roots is None:
            return True
        from cudalock.projects.locks.graph import entries_for

        environment = target.marker_environment()
        base = {id(each) for each in entries_for(self.file, environment, group, extras=False)}
        return all(id(pin.origin) in base for pin in pins)

    def _as_sent(self, pins: list[PinnedProject]) -> list[PinnedProject]:
        """The same with what a line sends to an index or an address taken from there for every line
        about it."""
        sent = {pin.name for pin in pins if self._is_sent(pin)}
        return [
            pin._replace(indexes=None, names_sources=False)
            if pin.name in sent and not self._is_sent(pin)
            else pin
            for pin in pins
        ]

    def _is_sent(self, pin: PinnedProject) -> bool:
        return pin.names_sources and (pin.file is not None or pin.indexes != self._everywhere)

    def _counts(self, declared: Declared) -> bool:
        # An override stands in the place of every other line about its project.
        return (
            declared.name in self._names
            and declared.problem is None
            and _is_comparable(declared.specifier)
            and (declared.role == "override" or declared.name not in self._replaced)
        )

    def _pin_of(
        self, declared: Declared, target: Target, environment: Mapping[str, str]
    ) -> PinnedProject | None:
        if declared.role == "locked":
            return self._locked(declared, target)
        if declared.manager == "conda":
            return conda_pin(declared, self._conda_cuda, target, self._matrix)
        if declared.role == "installed":
            return self._installed(declared, target)
        source = self._source(declared, environment)
        url = declared.url or (source.url if source else None)
        if source is not None and (source.git or source.path):
            return None
        if url is not None:
            return self._by_address(declared, url)
        if declared.role == "constraint":
            # A file of nothing but constraints is judged as if all of it were wanted.
            standalone = self.file.kind == "constraints"
            return PinnedProject(
                declared.name,
                declared.specifier,
                required=standalone,
                names_sources=False,
                origin=declared,
            )
        if self._has_nightlies and declared.version is None:
            # A range may come to a nightly build, and those go together by other rules.
            return None
        indexes = self._indexes(declared, source)
        return PinnedProject(
            declared.name,
            declared.specifier,
            indexes=indexes,
            may_be_elsewhere=indexes is None,
            extras=declared.extras,
            hashes=_digests(declared.hashes),
            has_build_recipe=self._is_built(declared),
            # With hashes an installer leaves out what has another.
            takes_highest=not declared.hashes,
            origin=declared,
        )

    def _is_built(self, declared: Declared) -> bool:
        return self._recipes[id(self._owners[id(declared)])].has(declared)

    def _by_address(self, declared: Declared, url: str) -> PinnedProject | None:
        file = file_of(url)
        version = _version_of(file)
        if version is None:
            return None
        return PinnedProject(
            declared.name,
            f"=={version}",
            file=file,
            indexes=self._places.of_wheel(url, declared.name, version),
            hashes=_digests(declared.hashes) or _fragment(url),
            required=declared.role != "constraint",
            origin=declared,
        )

    def _source(self, declared: Declared, environment: Mapping[str, str]) -> Source | None:
        owner = self._owners[id(declared)]
        for source in owner.sources_for(declared) if owner.sources else ():
            if source.marker is None or may_hold(source.marker, environment):
                return source
        return None

    def _indexes(self, declared: Declared, source: Source | None) -> frozenset[str] | None:
        if declared.index is not None:
            return self._places.of_one(declared.index, declared.name)
        if source is not None and source.is_one_of:
            return self._of_several(declared)
        if source is not None and source.index is not None:
            index = self._owners[id(declared)].index_named(source.index)
            return self._places.of_one(index.url, declared.name) if index else None
        return None if self._places.may_have(self.file, declared.name) else self._everywhere

    def _of_several(self, declared: Declared) -> frozenset[str] | None:
        """The indexes of all sources that an installer chooses from."""
        owner = self._owners[id(declared)]
        ids: frozenset[str] = frozenset()
        for source in owner.sources_for(declared):
            index = owner.index_named(source.index) if source.index else None
            one = self._places.of_one(index.url, declared.name) if index else None
            if one is None:
                return None
            ids |= one
        return ids

    def _installed(self, declared: Declared, target: Target) -> PinnedProject:
        """An entry of a list of what is installed: no index has to have it any more."""
        version = declared.version or ""
        project = None if "+" in version else self._matrix.project(declared.name)
        return PinnedProject(
            declared.name,
            declared.specifier,
            indexes=plain_indexes(project, version, target, self._matrix),
            origin=declared,
        )

    # -- locks ----------------------------------------------------------------------------------

    def _locked(self, declared: Declared, target: Target) -> PinnedProject | None:
        """An entry of a lock: the file that the target takes of those that it lists."""
        if declared.url is not None:
            return self._by_address(declared, declared.url)
        if declared.version is None:
            return None
        indexes = self._everywhere
        if declared.index is not None:
            indexes = self._places.of_one(declared.index, declared.name)
        elif self._everywhere is not None:
            indexes = self._everywhere | {PACKAGE_INDEX}
        wheels = [file for file in declared.files if file.name.endswith(_WHEEL)]
        pin = PinnedProject(
            declared.name,
            declared.specifier,
            indexes=indexes,
            has_sdist=len(wheels) < len(declared.files),
            has_build_recipe=self._is_built(declared),
            origin=declared,
        )
        if not wheels:
            return pin._replace(hashes=_digests(declared.hashes))
        best = _best(wheels, target)
        if best is None and pin.has_sdist:
            return pin
        chosen = best or wheels[0]
        # An index that is not known may have other bytes under a name that is.
        hashes = _digests(chosen.hashes) if indexes is not None else ()
        return pin._replace(file=chosen.name, hashes=hashes)


@lru_cache(maxsize=1024)
def _is_comparable(specifier: str) -> bool:
    """Whether all its versions are: `===` may stand before anything."""
    from packaging.version import InvalidVersion

    if "===" not in specifier:
        return True
    try:
        for clause in specifier.split(","):
            if clause.strip().startswith("==="):
                parse_version(clause.strip().removeprefix("==="))
    except InvalidVersion:
        return False
    return True


def _without_alternatives(pins: list[PinnedProject]) -> list[PinnedProject]:
    """The pins without the entries of a lock that stand for one another.

    Of a project that a lock has in several versions uv installs one, by the extras of workspace
    members, say; which one cannot be told, and none of them is judged beside the rest.
    """
    locked: dict[str, set[str]] = {}
    for pin in pins:
        if isinstance(pin.origin, Declared) and pin.origin.role == "locked":
            locked.setdefault(pin.name, set()).add(pin.specifier)
    several = {name for name, specifiers in locked.items() if len(specifiers) > 1}
    return [pin for pin in pins if pin.name not in several]


def _requirements(
    file: ProjectFile, environment: Mapping[str, str], fork: str | None
) -> Iterator[Declared]:
    if file.roots is not None or file.forks:
        from cudalock.projects.locks.graph import entries_for

        yield from entries_for(file, environment, fork)
        return
    for declared in file.declared:
        if declared.marker is None or may_hold(declared.marker, environment):
            yield declared


def _best(wheels: list[LockedFile], target: Target) -> LockedFile | None:
    # An installer that knows no variants takes another wheel, where there is one.
    wheels = [wheel for wheel in wheels if variant_of(wheel.name) is None] or wheels
    # The first of those that rank alike: a lock lists them in an order of its own.
    tagged = [(tags, wheel) for wheel in reversed(wheels) if (tags := wheel_tags(wheel.name))]
    tag_sets = [tags for tags, _ in tagged]
    position = best_wheel(tag_sets, target.tags(), bare_linux_last=False)
    return None if position is None else tagged[position][1]


def _version_of(file: str) -> str | None:
    """The version that a wheel's name carries."""
    from packaging.version import InvalidVersion

    if wheel_tags(file) is None:
        return None
    try:
        return str(parse_version(file.split("-")[1].replace("_", "-")))
    except InvalidVersion:
        return None


def _digests(hashes: Iterable[str]) -> tuple[str, ...]:
    kind = "sha256:"
    return tuple(digest[len(kind) :].lower() for digest in hashes if digest.startswith(kind))


def _fragment(url: str) -> tuple[str, ...]:
    _, separator, digest = url.partition("#sha256=")
    return (digest.partition("&")[0].lower(),) if separator else ()


__all__ = ["FileLines"]

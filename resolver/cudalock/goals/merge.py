"""What was asked of single projects, each with where it was said; merged, one entry a project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from packaging.requirements import InvalidRequirement
from packaging.version import Version

from cudalock.errors import BadSpecifier, Contradiction, UnknownName, UnknownVersion, UsageError
from cudalock.goals.goal import OtherTarget
from cudalock.goals.values import LISTING, check_exact, clauses, parse_version_spec, satisfying
from cudalock.names import guesses
from cudalock.text import did_you_mean
from cudalock.versions import canonical, holds, parse_requirement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cudalock.goals.vocabulary import Known
    from cudalock.names import Names

LOOKED_UP: Final = "a package outside the matrix is looked up by `cudalock solve`, not offline"
"""The hint for a name that is not known where no index is asked."""


class RequestedProject(NamedTuple):
    """One project asked for in one place."""

    name: str
    """as written, or the project once an alias was looked up"""
    specifier: str = ""
    """a PEP 440 specifier, when `loose` is None"""
    loose: str | None = None
    """a version as people write it (`2.5`), still to be read by parse_version_spec"""
    extras: tuple[str, ...] = ()
    marker: str | None = None
    origin: str = "the goal"
    """where it was said, for people: `--torch`, `requirements.txt:3`"""

    @classmethod
    def of_requirement(cls, text: str, origin: str) -> RequestedProject:
        """From a PEP 508 string. Raises BadSpecifier, and UsageError for a direct address."""
        try:
            requirement = parse_requirement(text)
        except InvalidRequirement as error:
            reason = str(error).splitlines()[0]
            raise BadSpecifier(f"{origin}: `{text}` is no requirement: {reason}") from None
        if requirement.url is not None:
            raise UsageError(
                f"{origin}: `{requirement.name}` is asked for by address, and cudalock chooses"
                " the wheels itself",
                hints=[f"write `{requirement.name}`, with a version if one is needed"],
            )
        return cls(
            name=requirement.name,
            specifier=",".join(clauses(str(requirement.specifier))),
            extras=tuple(sorted(map(canonical, requirement.extras))),
            marker=str(requirement.marker) if requirement.marker else None,
            origin=origin,
        )

    @property
    def is_of_file(self) -> bool:
        """Whether its origin is a line, and not a flag or the goal's words."""
        return ":" in self.origin

    def applies(self, environment: Mapping[str, str]) -> bool:
        """Whether its marker, if it has one, holds in `environment`."""
        return holds(self.marker, environment)


def _too_old(item: RequestedProject, known: Sequence[str]) -> str | None:
    """The version that an item names, if it is older than all that are known."""
    for clause in clauses(item.specifier) if known and item.loose is None else ():
        version = clause.removeprefix("==")
        is_exact = clause == f"=={version}" and not version.endswith(".*") and "+" not in version
        if is_exact and Version(version) < Version(known[0]):
            return version
    return None


class _Read(NamedTuple):
    """A RequestedProject with its project known and its version read."""

    project: str
    specifier: str
    extras: tuple[str, ...]
    origin: str


def merge_requests(
    asked: Iterable[RequestedProject], known: Known, environment: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str | OtherTarget, ...]]:
    """`(requirements, notes)`: one requirement string per project, sorted by name.

    What a marker rules out in `environment` is left out. Raises UnknownName, UnknownVersion, and
    Contradiction where two places ask for what no known version can be both.
    """
    found: dict[str, list[_Read]] = {}
    versions: dict[str, Sequence[str]] = {}
    names = known.matrix.names
    notes: dict[str | OtherTarget, None] = {}
    wanted = []
    for item in asked:
        if item.applies(environment):
            wanted.append(item)
        else:
            notes[OtherTarget(item.origin, item.name)] = None
    unlisted = {canonical(item.name) for item in wanted if names.find(item.name) is None}
    others = known.elsewhere(sorted(unlisted)) if unlisted else frozenset()
    for item in wanted:
        project = _project(item, names, others, asks=known.looks_further)
        meant = names.stand_in(project, environment)
        if project not in versions:
            versions[project] = known.versions(meant)
        place = known.matrix.version if project not in others else LISTING
        if place != LISTING and (exact := _too_old(item, versions[project])):
            versions[project] = known.older(meant, exact) or versions[project]
        specifier, note = _read(item, project, versions[project], place)
        if note:
            notes[note] = None
        found.setdefault(project, []).append(_Read(project, specifier, item.extras, item.origin))
    merged = (_merged(found[project], versions[project]) for project in sorted(found))
    return tuple(merged), tuple(notes)


def merge_constraints(
    asked: Iterable[RequestedProject], known: Known, environment: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """`(constraints, notes)`; one on a project outside the matrix limits nothing and is dropped,
    unless there may be such projects."""
    found: dict[str, set[str]] = {}
    unknown: set[str] = set()
    for item in asked:
        if not item.applies(environment):
            continue
        project = known.matrix.names.find(item.name)
        project = project or (canonical(item.name) if known.is_open else None)
        if project is None:
            unknown.add(canonical(item.name))
        elif item.specifier:
            found.setdefault(project, set()).update(clauses(item.specifier))
    notes: tuple[str, ...] = ()
    if unknown:
        listed = ", ".join(f"`{name}`" for name in sorted(unknown))
        notes = (f"constraints on projects that are not in the matrix limit nothing: {listed}",)
    return tuple(f"{name}{','.join(sorted(found[name]))}" for name in sorted(found)), notes


def _project(item: RequestedProject, names: Names, others: frozenset[str], *, asks: bool) -> str:
    project = names.find(item.name) or canonical(item.name)
    if project not in others and names.find(item.name) is None:
        raise unknown_name(item.name, names, item.origin, asks=asks)
    return project


def unknown_name(word: str, names: Names, origin: str, *, asks: bool = False) -> UnknownName:
    """The error for a project that is in no list; the nearest names are its hints. `asks` says
    whether an index was asked for it as well."""
    where = "" if origin == "the goal" else f"{origin}: "
    place = ", nor in a package index that was asked" if asks else ""
    return UnknownName(
        f"{where}`{word}` is not in the matrix{place}",
        hints=[*did_you_mean(guesses(word, names.words())), *([] if asks else [LOOKED_UP])],
    )


def _read(
    item: RequestedProject, project: str, known: Sequence[str], matrix_version: str | None
) -> tuple[str, str | None]:
    try:
        if item.loose is not None:
            return parse_version_spec(project, item.loose, known, matrix_version)
        check_exact(project, item.specifier, known, matrix_version)
    except UnknownVersion as error:
        if item.is_of_file:
            raise UnknownVersion(f"{item.origin}: {error.message}", hints=error.hints) from None
        raise
    return item.specifier, None


def _merged(items: list[_Read], known: Sequence[str]) -> str:
    together = ",".join(sorted({clause for item in items for clause in clauses(item.specifier)}))
    _check_agreement(items, together, known)
    extras = ",".join(sorted({extra for item in items for extra in item.extras}))
    return items[0].project + (f"[{extras}]" if extras else "") + together


def _check_agreement(items: list[_Read], together: str, known: Sequence[str]) -> None:
    """One place that asks for the impossible is for the resolver to explain; two are a slip."""
    limited = {item.specifier: item for item in items if item.specifier}
    if len(limited) < 2:
        return
    locals_ = {clause.partition("+")[2] for clause in clauses(together)} - {""}
    pool = known or [clause.lstrip("<>=!~").removesuffix(".*") for clause in clauses(together)]
    each_can = all(satisfying(specifier, pool) for specifier in limited)
    if len(locals_) > 1 or (each_can and not satisfying(together, pool)):
        said = " and ".join(f"`{spec}` ({item.origin})" for spec, item in limited.items())
        raise Contradiction(f"`{items[0].project}` cannot be both {said}")

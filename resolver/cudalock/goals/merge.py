"""Merge what flags, phrase and files request of each project into one requirement per project."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cudalock.errors import (
    BadSpecifier,
    Contradiction,
    OtherProject,
    UnknownName,
    UnknownVersion,
    UsageError,
)
from cudalock.goals.goal import OtherTarget
from cudalock.goals.requirement import ProjectRequirement, is_line
from cudalock.goals.values import LISTING, check_exact, clauses, parse_version_spec, satisfying
from cudalock.names import likely_names
from cudalock.records import NamedTuple
from cudalock.text import did_you_mean
from cudalock.urls import file_of, without_credentials
from cudalock.versions import (
    ANY_EARLY,
    ProjectName,
    Specifier,
    canonical,
    holds,
    parse_requirement,
    pins_exactly,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cudalock.goals.vocabulary import Known
    from cudalock.matrix.facts import Nightly
    from cudalock.names import Names
    from cudalock.text import NamesNote

LOOKED_UP: Final = "`cudalock solve` without `--offline` looks up packages outside the matrix"
"""The hint for an unknown name where no index is queried."""


class RequestedProject(NamedTuple):
    """One project, requested in one place."""

    name: str
    """as written, or the project name once an alias was looked up"""
    specifier: str = ""
    """a PEP 440 specifier, when `loose` is None"""
    loose: str | None = None
    """a version as people write it (`2.5`), still to be read by parse_version_spec"""
    extras: tuple[str, ...] = ()
    marker: str | None = None
    origin: str = "the goal"
    """where it is requested, for people: `--torch`, `requirements.txt:3`"""
    url: str | None = None
    """the URL of the one wheel to use, without secrets"""

    @classmethod
    def of_requirement(cls, text: str, origin: str) -> RequestedProject:
        """Read a PEP 508 string. Raises BadSpecifier, and UsageError for a direct URL."""
        try:
            requirement = parse_requirement(text)
        except ValueError as error:  # InvalidRequirement, whose import takes long
            reason = str(error).splitlines()[0]
            raise BadSpecifier(f"{origin}: invalid requirement `{text}`: {reason}") from None
        if requirement.url is not None and not file_of(requirement.url).endswith(".whl"):
            raise UsageError(
                f"{origin}: `{requirement.name}` is requested by a URL that is not that of a wheel",
                hints=[f"write `{requirement.name}`, with a version if one is needed"],
            )
        url = requirement.url and without_credentials(requirement.url, keep_variables=True)
        return cls(
            name=requirement.name,
            specifier=",".join(clauses(str(requirement.specifier))),
            extras=tuple(sorted(map(canonical, requirement.extras))),
            marker=str(requirement.marker) if requirement.marker else None,
            url=url,
            origin=origin,
        )

    @property
    def is_of_file(self) -> bool:
        """Whether its origin is a line of a file, not a flag or the phrase."""
        return is_line(self.origin)

    def applies(self, environment: Mapping[str, str]) -> bool:
        """Tell whether its marker, if any, holds in `environment`, the values of a target."""
        return holds(self.marker, environment)


class ParsedPhrase(NamedTuple):
    """What a phrase states, as text but for the projects; each tuple in the order of the words."""

    projects: tuple[RequestedProject, ...] = ()
    cuda: tuple[str, ...] = ()
    accelerator: tuple[str, ...] = ()
    cudnn: tuple[str, ...] = ()
    python: tuple[str, ...] = ()
    platform: tuple[str, ...] = ()
    glibc: tuple[str, ...] = ()
    gpu: tuple[str, ...] = ()
    driver: tuple[str, ...] = ()
    notes: tuple[str | NamesNote, ...] = ()
    """what was made of words that are no part of a goal"""
    base: str | None = None
    """the hosted notebook that it names, of which the matrix knows the image: `colab`"""


class _Read(NamedTuple):
    """A request with its project looked up and its version read."""

    project: str
    specifier: str
    extras: tuple[str, ...]
    origin: str
    url: str | None = None


def merge_requests(
    requests: Iterable[RequestedProject],
    vocabulary: Known,
    environment: Mapping[str, str],
    *,
    takes_early: bool = False,
) -> tuple[tuple[ProjectRequirement, ...], tuple[str | OtherTarget, ...]]:
    """Return `(requirements, notes)`: one requirement per project, sorted by name.

    Requests whose marker does not hold in `environment` are left out, with a note. With
    `takes_early` pre-releases count for what is not pinned. Raises UnknownName, UnknownVersion, and
    Contradiction if two places request different versions.
    """
    readings: dict[str, list[_Read]] = {}
    versions: dict[str, Sequence[str]] = {}
    names = vocabulary.matrix.names
    notes: dict[str | OtherTarget, None] = {}
    applicable = []
    for request in requests:
        # A goal is for one target, so its markers are decided here.
        if request.applies(environment):
            applicable.append(request)
        else:
            notes[OtherTarget(request.origin, request.name)] = None
    # All at once: an index is asked about unknown names in one round.
    unlisted = {
        canonical(request.name) for request in applicable if names.find(request.name) is None
    }
    for request in applicable:
        if canonical(request.name) in unlisted:
            check_namesake(request, vocabulary)
    on_index = vocabulary.elsewhere(sorted(unlisted)) if unlisted else frozenset()
    for request in applicable:
        project = _project(request, names, on_index, queried=vocabulary.looks_further)
        if request.url is not None and not vocabulary.matrix.is_named(project):
            raise UsageError(
                f"{request.origin}: `{project}` is requested by URL, which `solve` alone takes",
                hints=[f"write `{project}`, with a version if one is needed"],
            )
        # `triton` on Windows is `triton-windows`, whose versions count.
        replacement = names.platform_alias(project, environment)
        if project not in versions:
            versions[project] = vocabulary.versions(replacement)
        edition = vocabulary.matrix.version if project not in on_index else LISTING
        try:
            specifier, note = _read(request, project, versions[project], edition)
        except UnknownVersion as error:
            nightly = vocabulary.matrix.component(project).nightly
            if nightly is not None and _is_of_a_day(error.specifier):
                raise error.with_hint(_where_nightly(nightly)) from None
            looked_up = error.specifier and vocabulary.look_up(replacement, error.specifier)
            if edition == LISTING or not looked_up:
                raise
            versions[project] = looked_up
            specifier, note = _read(request, project, looked_up, LISTING)
        if note:
            notes[note] = None
        if takes_early and not request.url and not pins_exactly([specifier]):
            specifier = ",".join(filter(None, (specifier, ANY_EARLY)))
            nightly = vocabulary.matrix.component(project).nightly
            if nightly is not None:
                notes[f"{project}: {_where_nightly(nightly)}"] = None
        readings.setdefault(project, []).append(
            _Read(project, specifier, request.extras, request.origin, request.url)
        )
    merged = (_merged(readings[project], versions[project]) for project in sorted(readings))
    return tuple(merged), tuple(notes)


def merge_constraints(
    requests: Iterable[RequestedProject], vocabulary: Known, environment: Mapping[str, str]
) -> tuple[tuple[ProjectRequirement, ...], tuple[str, ...]]:
    """Return `(constraints, notes)`: one constraint per project, sorted by name.

    A constraint on a project outside the matrix is ignored, with a note, unless an index may have
    the project.
    """
    requests_by_project: dict[str, list[RequestedProject]] = {}
    unknown: set[str] = set()
    for request in requests:
        if not request.applies(environment):
            continue
        project = vocabulary.matrix.names.find(request.name)
        project = project or (canonical(request.name) if vocabulary.is_open else None)
        if project is None:
            unknown.add(canonical(request.name))
        elif request.specifier:
            requests_by_project.setdefault(project, []).append(request)
    notes: tuple[str, ...] = ()
    if unknown:
        listed = ", ".join(f"`{name}`" for name in sorted(unknown))
        notes = (f"ignored constraints on projects that are not in the matrix: {listed}",)
    return tuple(
        ProjectRequirement(
            ProjectName(name),
            _together(request.specifier for request in requests_by_project[name]),
            origins=_origins(requests_by_project[name]),
        )
        for name in sorted(requests_by_project)
    ), notes


def _together(specifiers: Iterable[str]) -> Specifier:
    """Return the specifier with each clause of several ones."""
    return Specifier(",".join(sorted({clause for text in specifiers for clause in clauses(text)})))


def _origins(stated: Iterable[RequestedProject | _Read]) -> tuple[str, ...]:
    """Return where a project is stated: with a version, where any place names one."""
    stated = list(stated)
    # `torch` in one file and `torch<2.6` in another: only the second can be in a conflict.
    limiting = [one.origin for one in stated if one.specifier or one.url]
    return tuple(dict.fromkeys(limiting or (one.origin for one in stated)))


def _project(
    request: RequestedProject, names: Names, on_index: frozenset[str], *, queried: bool
) -> str:
    project = names.find(request.name) or canonical(request.name)
    if project not in on_index and names.find(request.name) is None:
        raise unknown_name(request.name, names, request.origin, queried=queried)
    return project


def check_namesake(request: RequestedProject, vocabulary: Known) -> None:
    """Raise OtherProject for a name that the package index has for something else.

    An index that the user names may have what is meant under that name.
    """
    name = canonical(request.name)
    namesake = vocabulary.matrix.namesakes.find(name, request.specifier or _pinned(request.loose))
    if namesake is None or vocabulary.has_own(name):
        return
    # Its wheels are in the matrix, from a builder: nobody looks for it on the package index.
    if not vocabulary.matrix.component(name).on_index:
        return
    where = f"{request.origin}: " if request.is_of_file else ""
    raise OtherProject(
        f"{where}{namesake}", name, namesake.project, hints=[f"install {namesake.advice}"]
    )


def _pinned(loose: str | None) -> str:
    return f"=={loose}" if loose and loose[0].isdigit() else ""


def unknown_name(word: str, names: Names, origin: str, *, queried: bool = False) -> UnknownName:
    """Return the error for an unknown project; the nearest names are its hints.

    `queried` tells whether an index was queried for it as well.
    """
    where = "" if origin == "the goal" else f"{origin}: "
    place = ", nor on the package index" if queried else ""
    return UnknownName(
        f"{where}`{word}` is not in the matrix{place}",
        hints=[*did_you_mean(likely_names(word, names.words())), *([] if queried else [LOOKED_UP])],
    )


def _where_nightly(nightly: Nightly) -> str:
    return (
        f"nightly builds are at {nightly.url}, in a folder for each accelerator, and "
        f"go after {nightly.days} days: no lock of one lasts"
    )


def _is_of_a_day(specifier: str) -> bool:
    """Whether a specifier names a build of one day, `==2.12.0.dev20260301`."""
    return re.search(r"\.dev20[0-9]{6}", specifier) is not None


def _read(
    request: RequestedProject, project: str, versions: Sequence[str], matrix_version: str | None
) -> tuple[str, str | None]:
    try:
        if request.loose is not None:
            return parse_version_spec(project, request.loose, versions, matrix_version)
        check_exact(project, request.specifier, versions, matrix_version)
    except UnknownVersion as error:
        if request.is_of_file:
            raise error.at(request.origin) from None
        raise
    return request.specifier, None


def _merged(readings: list[_Read], versions: Sequence[str]) -> ProjectRequirement:
    together = _together(reading.specifier for reading in readings)
    # Two places that contradict each other are a mistake, and no conflict to search for.
    _check_agreement(readings, together, versions)
    url = _url(readings, versions)
    return ProjectRequirement(
        ProjectName(readings[0].project),
        Specifier("") if url else together,
        tuple(sorted({extra for reading in readings for extra in reading.extras})),
        url,
        origins=_origins(readings),
    )


def _url(readings: list[_Read], versions: Sequence[str]) -> str | None:
    """Return the URL of the one wheel that is requested, None where none is.

    Raises Contradiction for two, and for a version that is not the wheel's.
    """
    urls = {reading.url: reading for reading in readings if reading.url}
    if not urls:
        return None
    url, reading = next(iter(urls.items()))
    others = [(f"`{other}`", each) for other, each in urls.items() if other != url]
    others += [
        (f"`{each.specifier}`", each)
        for each in readings
        if each.specifier and not satisfying(each.specifier, versions)
    ]
    for shown, other in others:
        raise Contradiction(
            f"`{reading.project}` cannot be both `{url}` ({reading.origin}) and {shown}"
            f" ({other.origin})"
        )
    return url


def _check_agreement(readings: list[_Read], together: str, versions: Sequence[str]) -> None:
    """Raise Contradiction if two places request versions that no release has both of.

    An impossible specifier from a single place is left to the resolver, which explains it.
    """
    limited = {reading.specifier: reading for reading in readings if reading.specifier}
    if len(limited) < 2:
        return
    # `+cu121` and `+cu124` cannot both hold, whatever the public versions say.
    locals_ = {clause.partition("+")[2] for clause in clauses(together)} - {""}
    pool = versions or [clause.lstrip("<>=!~").removesuffix(".*") for clause in clauses(together)]
    each_can = all(satisfying(specifier, pool) for specifier in limited)
    if len(locals_) > 1 or (each_can and not satisfying(together, pool)):
        both = " and ".join(f"`{spec}` ({reading.origin})" for spec, reading in limited.items())
        raise Contradiction(f"`{readings[0].project}` cannot be both {both}")

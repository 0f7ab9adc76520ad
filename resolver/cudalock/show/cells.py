"""What a column may show of a row: of one project's release, or of some of its builds.

| `shows` | is |
|---|---|
| version, project, uploaded | of the release |
| python | Requires-Python |
| pythons | the Pythons with a wheel |
| known | how the wheels are known |
| label | the values of `label`; `form = "minor"` makes 12.4.1 12.4 |
| builder | who publishes the wheels: an index or a builder |
| builds | the indexes; with its CUDA release where the index is for none |
| requires | what METADATA asks of `project`, a name or several patterns |
| paired | what facts ask of `project` |
| refused | ids of the facts that speak against the release itself, and whether it is yanked |

`platform` looks at the wheels for that platform alone. A build that a fact refuses there counts as
absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from packaging.requirements import InvalidRequirement

from cudalock.matrix.facts import NONE
from cudalock.matrix.releases import KNOWN, PACKAGE_INDEX
from cudalock.show.covering import ANY_PYTHON, covers_build, facts_of, marker_holds, natural
from cudalock.show.wheels import builds_on, pythons_on
from cudalock.targets.accelerators import CUDA
from cudalock.targets.tags import ANY
from cudalock.versions import ParsedRequirement, canonical, parse_requirement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.releases import Build, Release
    from cudalock.show.table import Cell


@dataclass(frozen=True, slots=True)
class Row:
    """A release of a project with the builds that a line of a table is about."""

    matrix: Matrix
    release: Release
    builds: tuple[Build, ...]

    def on(self, platform: str | None) -> list[Build]:
        """The builds with a wheel for a platform that no fact refuses there."""
        if platform is None:
            return list(self.builds)
        release = self.release
        refusing = [
            fact
            for fact in facts_of(self.matrix, release.project, release.version, platform)
            # A soft fact only warns, and one for `check` or `doctor` rules no build out.
            if fact.refuses and fact.is_hard and fact.scope == "solve"
        ]
        return [
            build
            for build in builds_on(self.builds, platform)
            if not any(covers_build(fact, build) for fact in refusing)
        ]


def minor(version: str) -> str:
    """`12.4.1` as `12.4`."""
    return ".".join(version.split(".")[:2])


def unique(texts: Iterable[str]) -> tuple[str, ...] | None:
    """Return each value once, in natural order; None if there is none."""
    return tuple(sorted(set(texts), key=natural)) or None


def _version(row: Row, _options: Mapping[str, Any]) -> Cell:
    return row.release.version


def _project(row: Row, _options: Mapping[str, Any]) -> Cell:
    return row.release.project


def _uploaded(row: Row, _options: Mapping[str, Any]) -> Cell:
    return row.release.uploaded


def _python(row: Row, options: Mapping[str, Any]) -> Cell:
    return unique(build.python for build in row.on(options.get("platform")) if build.python)


def _pythons(row: Row, options: Mapping[str, Any]) -> Cell:
    platform = options.get("platform")
    return tuple(pythons_on(row.on(platform), platform)) or None


def _known(row: Row, options: Mapping[str, Any]) -> Cell:
    bases = {build.known for build in row.on(options.get("platform"))}
    return tuple(known for known in KNOWN if known in bases) or None


def _label(row: Row, options: Mapping[str, Any]) -> Cell:
    labels = (
        label for build in row.on(options.get("platform")) for label in build.row(options["label"])
    )
    return unique(minor(label) if options.get("form") == "minor" else label for label in labels)


def _builder(row: Row, options: Mapping[str, Any]) -> Cell:
    return unique(build.builder or build.index or "" for build in row.on(options.get("platform")))


def _builds(row: Row, options: Mapping[str, Any]) -> Cell:
    return unique(_place(build) for build in row.on(options.get("platform")))


def _place(build: Build) -> str:
    cuda = [minor(cuda_version) for cuda_version in build.row(CUDA.name) if cuda_version != NONE]
    if build.index == PACKAGE_INDEX and cuda:
        # An index of PyTorch's has its CUDA release in its name; the default index has builds of
        # any.
        return f"{PACKAGE_INDEX} ({', '.join(cuda)})"
    return build.builder or build.index or ""


def _requires(row: Row, options: Mapping[str, Any]) -> Cell:
    project_name = options["project"]
    patterns = [project_name] if isinstance(project_name, str) else list(project_name)
    platform = options.get("platform")
    return unique(
        specifier
        for build in row.on(platform)
        for name, specifier in requirements_of(row.matrix, build, platform)
        if any(fnmatchcase(name, pattern) for pattern in patterns)
    )


def requirements_of(
    matrix: Matrix, build: Build, platform: str | None
) -> Iterator[tuple[str, str]]:
    """Yield name and specifier of each requirement that holds on a platform for a Python with a
    wheel.

    An exact one is only its version. The parts of a CUDA toolkit appear as the packages that they
    are.
    """
    # `3.9+` stands for abi3 wheels; the marker is evaluated for the oldest Python they run on.
    pythons = [python.rstrip("+") for python in pythons_on([build], platform) if python != ANY]
    for text in build.requires:
        try:
            requirement = parse_requirement(text)
        except InvalidRequirement:
            continue
        marker = str(requirement.marker) if requirement.marker else None
        # A wheel for any Python has none of its own to evaluate markers with.
        if not any(marker_holds(marker, platform, python) for python in pythons or [ANY_PYTHON]):
            continue
        yield canonical(requirement.name), exact(str(requirement.specifier)) or "any"
        # Since 2.13 torch requires `cuda-toolkit[cublas,...]` where it pinned each library before.
        yield from _toolkit_parts(matrix, requirement, platform)


def _toolkit_parts(
    matrix: Matrix, requirement: ParsedRequirement, platform: str | None
) -> Iterator[tuple[str, str]]:
    release = exact(str(requirement.specifier))
    if not requirement.extras or release not in matrix.toolkits.releases or platform is None:
        return
    if canonical(requirement.name) != matrix.toolkit_component:
        return
    known = matrix.toolkits.releases[release]["extras"]
    parts = tuple(sorted(part for part in requirement.extras if part in known))
    if parts:
        yield from matrix.toolkits.pins(release, parts, platform).items()


def exact(specifier: str) -> str:
    """`==3.1.0` as `3.1.0`; any other specifier as it is."""
    plain = specifier.removeprefix("==")
    # `==3.1.*` and `==3.1,!=3.1.2` are ranges, which a version alone would not show.
    return specifier if "," in plain or "*" in plain else plain


def _paired(row: Row, options: Mapping[str, Any]) -> Cell:
    platform = options.get("platform")
    release = row.release
    return unique(
        specifier
        for fact in facts_of(row.matrix, release.project, release.version, platform)
        for demand in fact.beside
        if demand.template.name == options["project"] and demand.verb != "conflicts"
        for build in row.on(platform)
        if covers_build(fact, build)
        for clause in [demand.template.fill(build.labels)]
        if clause is not None
        for specifier in clause.specifiers
    )


def _refused(row: Row, options: Mapping[str, Any]) -> Cell:
    release = row.release
    covering = facts_of(row.matrix, release.project, release.version, options.get("platform"))
    ids = [
        fact.id
        for fact in covering
        if fact.refuses and fact.versions and any(covers_build(fact, b) for b in row.builds)
    ]
    return (*ids, *(["yanked"] if release.yanked else [])) or None


SHOWS: Final[Mapping[str, Callable[[Row, Mapping[str, Any]], Cell]]] = {
    "version": _version,
    "project": _project,
    "uploaded": _uploaded,
    "python": _python,
    "pythons": _pythons,
    "known": _known,
    "label": _label,
    "builder": _builder,
    "builds": _builds,
    "requires": _requires,
    "paired": _paired,
    "refused": _refused,
}

__all__ = ["SHOWS", "Row", "exact", "minor", "requirements_of", "unique"]

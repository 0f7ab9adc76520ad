"""Lints of the rows against each other and against the facts: pins, pairs, labels, NVIDIA's
tables."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from packaging.requirements import InvalidRequirement
from packaging.utils import canonicalize_name

from cudalock.errors import MatrixError
from cudalock.lint.curated import covers
from cudalock.lint.defects import Defect, of_release
from cudalock.lint.rows import releases
from cudalock.matrix.facts import NONE
from cudalock.matrix.gpus import NVIDIA
from cudalock.targets import LIKELY_PYTHONS, LIKELY_WITH_GPU, PLATFORMS, Target
from cudalock.targets.accelerators import CUDA
from cudalock.targets.tags import fits_any
from cudalock.update.file_names import Patterns
from cudalock.update.labels import LabelRules
from cudalock.versions import (
    ParsedRequirement,
    accepts,
    canonical,
    holds,
    parse_requirement,
    specifier_set,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cudalock.matrix.facts import Fact
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.releases import Build, Release
    from cudalock.targets import Tags

PYTHON: Final = LIKELY_PYTHONS[0]
"""Markers about Python are read for this one: a pin that holds for it must exist."""
_CUDA: Final = re.compile(r"[0-9]+\.[0-9]+(\.[0-9]+)?")


class _Machine(NamedTuple):
    platform: str
    markers: Mapping[str, str]
    tags: Tags

    def takes(self, build: Build) -> bool:
        return _installs(self.tags, build)

    def requires(self, build: Build) -> Iterator[ParsedRequirement]:
        """What holds here of a build's requirements, extras left out."""
        for text in build.requires:
            requirement = _requirement(text)
            if requirement is not None and _asks(text, self.platform):
                yield requirement


def _installs(tags: Tags, build: Build) -> bool:
    """Whether a wheel of a build has one of the tags; an invalid file name has a lint of its
    own."""
    return fits_any((tag for tag in build.tags if tag.count("-") >= 2), tags)


@cache
def _asks(text: str, platform: str) -> bool:
    """Whether a requirement's marker holds on a platform, without extras."""
    requirement = _requirement(text)
    marker = requirement.marker if requirement else None
    environment = Target(PYTHON, platform).marker_environment()
    return marker is None or marker.evaluate({**environment, "extra": ""})


@cache
def _requirement(text: str) -> ParsedRequirement | None:
    """Parse a requirement; None for an invalid one, which has a lint of its own."""
    try:
        return parse_requirement(text)
    except InvalidRequirement:
        return None


def _machines() -> list[_Machine]:
    """Return the machines that the framework has wheels for."""
    targets = [Target(PYTHON, platform) for platform, row in PLATFORMS.items() if row.likelihood]
    return [
        _Machine(target.platform, {**target.marker_environment(), "extra": ""}, target.tags())
        for target in targets
    ]


def pins(matrix: Matrix) -> Iterator[Defect]:
    """What a build of the framework pins is in the matrix, with a wheel for the platform."""
    machines = _machines()
    for release in _framework(matrix):
        # Once for each sentence: the same pin of ten builds is one thing to fix.
        counts: dict[str, int] = {}
        for position, build in enumerate(release.builds):
            for machine in machines:
                if machine.takes(build):
                    for _, says in _missing(matrix, machine, build):
                        counts.setdefault(says, position)
        for says, position in counts.items():
            yield of_release(release, says, position)


def lacking(matrix: Matrix) -> set[str]:
    """Return the projects that are missing although a build of the framework pins them, or a ranked
    project requires them: the names in the defects of `pins` and `names`."""
    machines = _machines()
    names: set[str] = {name for name, _ in _names(matrix, machines)}
    for release in _framework(matrix):
        for build in release.builds:
            for machine in machines:
                if machine.takes(build):
                    names |= {name for name, _ in _missing(matrix, machine, build)}
    return names


def _missing(matrix: Matrix, machine: _Machine, build: Build) -> Iterator[tuple[str, str]]:
    for requirement in machine.requires(build):
        if not _is_pin(requirement):
            continue
        name = canonicalize_name(requirement.name)
        project = matrix.project(name)
        plain = f"{requirement.name}{requirement.specifier}"
        hit = (
            [each for each in project.versions if requirement.specifier.contains(each)]
            if project
            else []
        )
        if not project or not hit:
            yield name, f"pins {plain}, which is not held"
        elif not any(
            machine.takes(each) for version in hit for each in project.release(version).builds
        ):
            yield name, f"pins {plain}, which has no wheel for {machine.platform}"


def _is_pin(requirement: ParsedRequirement) -> bool:
    exact = [str(specifier) for specifier in requirement.specifier if specifier.operator == "=="]
    # `==12.*` is a range, which several releases can meet.
    return bool(exact) and not exact[0].endswith("*")


def names(matrix: Matrix) -> Iterator[Defect]:
    """Every name that a wheel of a ranked project requires is in the matrix, so that a goal of the
    stack solves without a network."""
    for name, release in sorted(
        _names(matrix, _machines()), key=lambda named_release: named_release[0]
    ):
        yield of_release(release, f"requires {name}, which is not held")


def _names(matrix: Matrix, machines: list[_Machine]) -> list[tuple[str, Release]]:
    lacking: dict[str, Release] = {}
    for release in releases(matrix):
        if release.project != matrix.framework and release.project not in matrix.ranked:
            continue
        for build in release.builds:
            for machine in machines:
                for requirement in machine.requires(build):
                    name: str = canonicalize_name(requirement.name)
                    if name not in matrix.projects:
                        lacking[name] = release
    return list(lacking.items())


def framework_labels(matrix: Matrix) -> Iterator[Defect]:
    """A build of the framework has its CUDA release, and its default build exists."""
    for release in _framework(matrix):
        made_with = set()
        for position, build in enumerate(release.builds):
            cuda = build.row(CUDA.name)
            made_with |= {".".join(cuda_version.split(".")[:2]) for cuda_version in cuda}
            if not cuda or not all(
                cuda_version == NONE or _CUDA.fullmatch(cuda_version) for cuda_version in cuda
            ):
                cuda_text = " or ".join(map(repr, cuda)) or "missing"
                yield of_release(release, f"the label `cuda` is {cuda_text}", position)
            if not set(build.row("cxx11abi")) <= {"0", "1"}:
                yield of_release(release, "the label `cxx11abi` is neither 0 nor 1", position)
        default = release.default.get(CUDA.name)
        if default is not None and default not in made_with:
            yield of_release(release, f"`default` is CUDA {default}, which no build is made with")


def companions(matrix: Matrix) -> Iterator[Defect]:
    """A row that is built for one framework release states the same one everywhere.

    Its label, its own requirement and the CUDA release of its index agree, and that release of the
    framework is in the matrix.
    """
    framework = matrix.framework or ""
    companion = matrix.project(framework)
    for release in releases(matrix):
        for position, build in enumerate(release.builds):
            for says in _cuda(matrix, build):
                yield of_release(release, says, position)
            for version in build.row(framework):
                for says in _pair(framework, version, build):
                    yield of_release(release, says, position)
                if companion and not any(
                    _begins(version_listed, version) for version_listed in companion.versions
                ):
                    says = f"is built for {framework} {version}, which is not held"
                    yield of_release(release, says, position)


def _pair(framework: str, version: str, build: Build) -> Iterator[str]:
    if version.count(".") < 2:  # a minor: any of its releases may be meant
        return
    for requirement in filter(None, map(_requirement, build.requires)):
        if canonicalize_name(requirement.name) == framework and not requirement.marker:
            # Labels name releases without a local version, and `torch==2.5.1+cu124` would contain
            # none of them.
            public = specifier_set(re.sub(r"\+[\w.]+", "", str(requirement.specifier)))
            if not public.contains(version, prereleases=True):
                yield f"is built for {framework} {version}, and requires {requirement}"


def _cuda(matrix: Matrix, build: Build) -> Iterator[str]:
    index = matrix.indexes.get(build.index or "")
    labels = build.row(CUDA.name)
    if index is None or index.cuda is None or not labels:
        return
    if not any(_begins(cuda_label, index.cuda) for cuda_label in labels):
        yield f"the label `cuda` is {' or '.join(labels)}, and its index is CUDA {index.cuda}"


def _begins(version: str, prefix: str) -> bool:
    return f"{version}.".startswith(f"{prefix}.")


def contradictions(matrix: Matrix) -> Iterator[Defect]:
    """No row pins what a hard fact about that very row excludes: one of the two is wrong.

    A requirement that some fact replaces is exempt, since it was known to be wrong.
    """
    machines = _machines()
    for component in matrix.components.values():
        facts = [
            fact
            for fact in component.facts
            if fact.is_hard and fact.scope == "solve" and fact.beside
        ]
        project = matrix.project(component.name) if facts else None
        for release in project or ():
            covering = [fact for fact in facts if accepts(fact.versions, release.version)]
            for position, build in enumerate(release.builds):
                for fact in covering:
                    if covers(fact, build):
                        for says in _contradicted(matrix, machines, fact, build):
                            yield of_release(release, says, position)


def _contradicted(
    matrix: Matrix, machines: list[_Machine], fact: Fact, build: Build
) -> Iterator[str]:
    ruled = {
        demand.template.name: demand
        for demand in fact.beside
        if demand.template.name in matrix.projects
    }
    replaced = {replacement.requirement for replacement in matrix.replacements}
    reported = set()
    for machine in machines if ruled else ():
        if not machine.takes(build) or not _holds(fact, machine):
            continue
        for requirement in machine.requires(build):
            name = canonical(requirement.name)
            if name not in ruled or name in replaced or not _is_pin(requirement):
                continue
            clause = ruled[name].template.fill(build.labels)
            pinned = next(
                replacement.version
                for replacement in requirement.specifier
                if replacement.operator == "=="
            )
            allowed = clause is None or any(
                accepts(text, pinned) for text in clause.specifiers if text != NONE
            )
            if ruled[name].verb == "conflicts" or not allowed:
                reported.add(f"pins {requirement.name}=={pinned}, which {fact.id} rules out")
    yield from sorted(reported)


def _holds(fact: Fact, machine: _Machine) -> bool:
    return holds(fact.when, machine.markers)


def toolkits(matrix: Matrix) -> Iterator[Defect]:
    """The pip packages of each CUDA release exist; a difference from METADATA has its reason."""
    machines = {platform: Target(PYTHON, platform).tags() for platform in LIKELY_WITH_GPU}
    for release, row in matrix.toolkits.releases.items():
        key = f"releases[{release!r}]"
        if not row.get("source"):
            yield Defect(_TOOLKITS, f"{key}.source", "is missing")
        if "published" in row and "reason" not in row:
            yield Defect(_TOOLKITS, f"{key}.reason", "is missing: `published` is another")
        for platforms in row.get("platforms", {}).values():
            if unknown := sorted(set(platforms) - set(PLATFORMS)):
                yield Defect(_TOOLKITS, f"{key}.platforms", f"{unknown[0]!r} is no platform")
        for platform, tags in machines.items():
            for name, version in matrix.toolkits.pins(release, (), platform).items():
                project = matrix.project(name)
                builds = project.release(version).builds if project and version in project else ()
                if not any(_installs(tags, build) for build in builds):
                    says = f"{name} {version} has no wheel for {platform}"
                    yield Defect(_TOOLKITS, f"{key}.pins", says)


def gpus(matrix: Matrix) -> Iterator[Defect]:
    """Each GPU has an architecture and machines that exist, and no two are read alike."""
    for name, model in matrix.gpus.models.items():
        key = f"gpus[{name!r}]"
        if model.vendor == NVIDIA and not re.fullmatch(r"[0-9]{1,2}\.[0-9]", model.architecture):
            says = f"{model.architecture!r} is no compute capability"
            yield Defect("gpus.json", key, says)
        for platform in model.platforms:
            if platform not in PLATFORMS:
                yield Defect("gpus.json", key, f"unknown platform {platform!r}")
    for name, other in matrix.gpus.collisions():
        says = f"is read like {other!r}, whose architecture differs"
        yield Defect("gpus.json", f"gpus[{name!r}]", says)
    for key, name in matrix.gpus.unknown_names():
        yield Defect("gpus.json", key, f"unknown GPU {name!r}")


def header(matrix: Matrix) -> Iterator[Defect]:
    """The matrix has a version that is a date, and a framework."""
    if not re.fullmatch(r"20[0-9][0-9]\.[0-9][0-9]\.[0-9][0-9](\.[0-9]+)?", matrix.version):
        yield Defect("matrix.toml", "version", f"is no date: {matrix.version!r}")
    if matrix.framework is None:
        yield Defect("components", "role", "no component has the role `framework`")
    for builder in matrix.builders.values():
        for name in (builder.project, *builder.projects):
            if name not in matrix.projects:
                key = f"builder[{builder.id}].project"
                yield Defect("matrix.toml", key, f"{name} is not held")
        if not builder.source:
            yield Defect("matrix.toml", f"builder[{builder.id}].source", "is missing")


def reading_rules(matrix: Matrix) -> Iterator[Defect]:
    """The patterns of file names and the rules of labels can be parsed, and name projects there
    are."""
    for make in (Patterns, LabelRules):
        try:
            make(matrix)
        except MatrixError as error:
            says = error.message.removeprefix(f"{error.file}: {error.key}: ")
            yield Defect(error.file, error.key, says)
    for index in matrix.indexes.values():
        for name in index.projects:
            if name not in matrix.projects:
                yield Defect("matrix.toml", f"index[{index.id}].projects", f"{name} is not held")


def _framework(matrix: Matrix) -> Iterator[Release]:
    project = matrix.project(matrix.framework) if matrix.framework else None
    yield from project or ()


_TOOLKITS: Final = "toolkits.json"
LINTS: Final = (
    header,
    pins,
    names,
    framework_labels,
    companions,
    contradictions,
    toolkits,
    gpus,
    reading_rules,
)

__all__ = ["LINTS"]

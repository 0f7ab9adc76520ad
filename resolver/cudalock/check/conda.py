"""What conda installs in an environment, beside what pip installs there after it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cudalock.check.unpinned import usable
from cudalock.compat.pins import PinConflict, PinnedProject
from cudalock.compat.wheels import PinWheels
from cudalock.findings import Finding
from cudalock.projects.model import Declared
from cudalock.records import NamedTuple, replace
from cudalock.targets.accelerators import CUDA
from cudalock.versions import accepts, canonical, is_version, specifier_set

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cudalock.compat.stack import Stack
    from cudalock.generate.rules import CondaConflict, Rules
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.universe import Universe
    from cudalock.projects.model import ProjectFile
    from cudalock.targets import Target

CONDA: Final = "conda"
_BUILD_CUDA: Final = re.compile(r"cuda_?([0-9]{2})\.?([0-9])")


def has_conda(file: ProjectFile) -> bool:
    """Return whether a file has packages of conda's channels."""
    return any(declared.manager == CONDA for declared in file.declared)


def with_project_names(file: ProjectFile, rules: Rules) -> ProjectFile:
    """Return a file with the names of the package index for what conda installs.

    A tool of conda's has no name then. What pip lists and conda installed is left out: it is there
    once, as conda's.
    """
    named = [
        replace(declared, name=_project_of(declared, rules))
        if declared.manager == CONDA
        else declared
        for declared in file.declared
    ]
    of_conda = {(d.name, d.version) for d in named if d.manager == CONDA}
    return replace(
        file,
        declared=tuple(
            declared
            for declared in named
            if declared.role != "installed"
            or declared.manager == CONDA
            or (declared.name, declared.version) not in of_conda
        ),
    )


def _project_of(declared: Declared, rules: Rules) -> str:
    known = rules.conda.get(declared.name)
    if known is None:
        return declared.name
    return canonical(known.project) if known.project else ""


def cuda_of(file: ProjectFile, rules: Rules) -> str | None:
    """Return the CUDA minor that conda's packages state, None for none and for CPU builds.

    `file` has conda's own names.
    """
    for declared in file.declared:
        known = rules.conda.get(declared.name) if declared.manager == CONDA else None
        version = re.search(r"[0-9]+\.[0-9]+", declared.specifier)
        if known is not None and known.means == CUDA.name and version:
            return version[0]
        if declared.manager == CONDA and (built := _BUILD_CUDA.search(declared.build or "")):
            return f"{built[1]}.{built[2]}"
    return None


def conda_pin(
    declared: Declared, cuda: str | None, target: Target, matrix: Matrix
) -> PinnedProject:
    """Return what conda installs as a pin: the wheel that is nearest to conda's own build."""
    pin = PinnedProject(
        declared.name, declared.specifier, names_sources=False, by_conda=True, origin=declared
    )
    index_ids = frozenset(index.id for index in matrix.indexes.values() if index.cuda == cuda)
    project = matrix.project(declared.name)
    if cuda is None or project is None or not index_ids:
        return pin
    # The matrix has no wheel of many a pair that conda has.
    with_cuda = pin._replace(indexes=index_ids)
    wheels = PinWheels(with_cuda, project, target, matrix)
    is_known = wheels.first(wheels.is_reachable, wheels.fits) is not None
    return with_cuda if is_known else pin


def is_of_conda(clash: PinConflict) -> bool:
    """Return whether a conflict is among conda's packages alone, which conda itself resolves."""
    return all(
        isinstance(pin.origin, Declared) and pin.origin.manager == CONDA for pin in clash.members
    )


def replaced(
    pins: Sequence[PinnedProject], stack: Stack, universe: Universe, target: Target
) -> Iterator[PinConflict]:
    """Yield a conflict for each pin of pip that requires another version than conda installs.

    Only for versions that the matrix does not have: the others are put to the resolver.
    """
    for pin in pins:
        if pin.by_conda or not pin.required or pin.name not in stack:
            continue
        required = stack.required_by(pin, target)
        for other in pins:
            specifier = required.get(other.name)
            if not other.by_conda or not specifier or _is_known(other, universe):
                continue
            if not _overlap(specifier, other.specifier):
                yield _replacement(pin, other, specifier)


def pinned_version(declared: Declared) -> str | None:
    """Return the version that conda is asked for, `1.13` of `=1.13`; None for a range."""
    clauses = list(specifier_set(declared.specifier)) if declared.specifier else []
    exact = [clause.version.removesuffix(".*") for clause in clauses if clause.operator == "=="]
    return exact[0] if len(exact) == len(clauses) == 1 and is_version(exact[0]) else None


class NewestReplaces(NamedTuple):
    """The release that pip takes, what it requires of a project that conda installs, and the newest
    one that leaves it alone."""

    version: str
    project: str
    specifier: str
    better: str | None


def newest_that_replaces(
    name: str,
    specifier: str,
    installed: Mapping[str, str],
    target: Target,
    stack: Stack,
    universe: Universe,
) -> NewestReplaces | None:
    """Return what pip's newest release of an unpinned project replaces of what conda installed,
    versions by name; None for nothing, or if nothing is known about it.

    pip runs when conda is done, and resolves nothing together with its packages.
    """
    first: NewestReplaces | None = None
    specifiers = [specifier] if specifier else []
    for version, _, _ in usable(name, specifiers, target, universe):
        required = stack.required_by(PinnedProject(name, f"=={version}"), target)
        other = next(
            (
                project
                for project, wanted in required.items()
                if project in installed and wanted and not accepts(wanted, installed[project])
            ),
            None,
        )
        if other is None:
            return first and first._replace(better=version)
        first = first or NewestReplaces(version, other, required[other], None)
    return first


def _replacement(pin: PinnedProject, other: PinnedProject, specifier: str) -> PinConflict:
    written = other.origin.text if isinstance(other.origin, Declared) else other.text
    finding = Finding(
        "CL201",
        "error",
        f"{pin.text} requires {other.name}{specifier} (its metadata): pip replaces the "
        f"`{written}` that conda installs",
        fix=f"another {pin.name}, or `{other.name}{specifier}` in the pip section as well",
        members=(pin.name, other.name),
    )
    return PinConflict(finding, (pin, other))


def _is_known(pin: PinnedProject, universe: Universe) -> bool:
    project = universe.project(pin.name)
    return project is not None and any(
        accepts(pin.specifier, version) for version in project.versions
    )


def _overlap(first: str, second: str) -> bool:
    """Whether some version that one of two specifiers names is accepted by both."""
    versions = {
        clause.version.removesuffix(".*")
        for text in (first, second)
        for clause in specifier_set(text)
    }
    return not second or any(
        accepts(first, version) and accepts(second, version) for version in versions
    )


def broken_pairs(file: ProjectFile, rules: Rules, matrix: Matrix) -> Iterator[Finding]:
    """Yield a finding for two of conda's packages that conda installs, and that do not work.

    `file` has conda's own names.
    """
    packages = [declared for declared in file.declared if declared.manager == CONDA]
    for pair in rules.conda_conflicts:
        first = next((d for d in packages if _is_meant(d, pair, file)), None)
        second = next((d for d in packages if _is_within(d, *pair.beside)), None)
        if first is not None and second is not None:
            fact = matrix.fact(pair.fact)
            yield Finding(
                "CL202",
                "error" if fact.is_hard else "warning",
                f"{first.text} and {second.text} are incompatible; {fact.component} {fact.says}",
                (fact.id,),
                fact.fix,
                second.place,
                (first.name, second.name),
            )


def _is_meant(declared: Declared, pair: CondaConflict, file: ProjectFile) -> bool:
    channels = [declared.channel] if declared.channel else file.channels
    return _is_within(declared, *pair.package) and pair.channel in channels


def _is_within(declared: Declared, name: str, specifier: str) -> bool:
    """Whether a package is pinned to versions that a specifier accepts."""
    if declared.name != name or not declared.specifier.startswith("=="):
        return False
    version = declared.specifier.removeprefix("==").removesuffix(".*")
    return "," not in version and accepts(specifier, version)


__all__ = [
    "broken_pairs",
    "conda_pin",
    "cuda_of",
    "has_conda",
    "is_of_conda",
    "replaced",
    "with_project_names",
]

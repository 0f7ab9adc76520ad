"""What installed distributions require there, by their METADATA and what replaces it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from packaging.requirements import InvalidRequirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion

from cudalock.versions import canonical, holds, parse_requirement, parse_version, specifier_set

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.compat.installed import ExaminedEnvironment
    from cudalock.environment import Installed
    from cudalock.matrix.facts import Replacement


class InstalledRequirement(NamedTuple):
    """One requirement of one distribution, as it counts in this environment."""

    by: Installed
    name: str
    specifier: SpecifierSet
    text: str


def wanted_by(installed: Installed, subject: ExaminedEnvironment) -> Iterator[InstalledRequirement]:
    """Yield the requirements that hold there, without extras and with replacements by facts."""
    for text in installed.requires:
        try:
            requirement = parse_requirement(text)
        except InvalidRequirement:
            continue  # its publisher's slip; installers of its day read it somehow
        # No record says which extras an environment was installed with.
        environment = {**subject.markers, "extra": ""}
        if requirement.marker is not None and not requirement.marker.evaluate(environment):
            continue
        name = canonical(requirement.name)
        replaced = _replacement(installed, name, subject)
        if replaced is None:
            yield InstalledRequirement(
                installed, name, requirement.specifier, f"{name}{requirement.specifier}"
            )
        elif replaced.replacement:
            other = parse_requirement(replaced.replacement)
            yield InstalledRequirement(
                installed, canonical(other.name), other.specifier, str(other)
            )


def _replacement(
    installed: Installed, name: str, subject: ExaminedEnvironment
) -> Replacement | None:
    for replacement in subject.matrix.replacements:
        if (
            replacement.of != installed.name
            or canonical(parse_requirement(replacement.requirement).name) != name
        ):
            continue
        if holds(replacement.when, subject.markers) and fits(
            specifier_set(replacement.of_versions), installed
        ):
            return replacement
    return None


def fits(specifier: SpecifierSet, installed: Installed) -> bool:
    """Return whether an installed version is accepted; one that PEP 440 cannot read is."""
    try:
        return specifier.contains(parse_version(installed.version), prereleases=True)
    except InvalidVersion:
        return True

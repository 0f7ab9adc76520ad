"""Whether what is installed has what it requires: by its own METADATA, as far as that is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from cudalock.compat.stack import Stack
from cudalock.doctor.facts import SEVERITY, is_about
from cudalock.doctor.fixes import adding, completing, fixed
from cudalock.doctor.wanted import InstalledRequirement, fits, wanted_by
from cudalock.environment.repairs import Fix
from cudalock.findings import Finding, Severity
from cudalock.targets.accelerators import is_vendor_library
from cudalock.versions import (
    is_specifier,
    parse_requirement,
    specifier_set,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cudalock.compat.installed import ExaminedEnvironment
    from cudalock.environment import Installed


def examine(subject: ExaminedEnvironment) -> Iterator[Finding]:
    """Yield what is missing, and what has another version than is required. Only problems of the
    CUDA stack are errors."""
    stack = Stack(subject.universe)
    missing: dict[str, list[InstalledRequirement]] = {}
    requirements_by_name = {
        installed.name: list(wanted_by(installed, subject))
        for installed in subject.inventory.distributions
    }
    used = frozenset(
        requirement.name for several in requirements_by_name.values() for requirement in several
    )
    for installed in subject.inventory.distributions:
        for requirement in requirements_by_name[installed.name]:
            there = subject.inventory.find(requirement.name)
            if there is None:
                missing.setdefault(requirement.name, []).append(requirement)
            elif not fits(requirement.specifier, there):
                finding = Finding(
                    "CL201",
                    _severity([requirement], stack, used),
                    f"{installed} requires {requirement.text}, and {there} is installed",
                    members=(installed.name, requirement.name),
                )
                everyone = requirements_by_name.values()
                yield fixed(finding, _other(requirement, there, everyone, subject))
        yield from _other_python(installed, subject)
        yield from _unreadable(installed)
    for name, several in sorted(missing.items()):
        yield _missing(name, several, stack, used, subject)
    yield from _missing_by_fact(frozenset(missing), stack, subject)


def _other(
    requirement: InstalledRequirement,
    there: Installed,
    all_requirements: Iterable[list[InstalledRequirement]],
    subject: ExaminedEnvironment,
) -> Fix:
    """Return the fix by a version that everyone who requires a project accepts; if there is
    none, who else has to change."""
    both = SpecifierSet()
    for other in (
        other for several in all_requirements for other in several if other.name == requirement.name
    ):
        both &= other.specifier
        if not _may_hold(both):
            return Fix(
                f"another version of {requirement.by.name}: {other.by} requires {other.text}"
            )
    text = f"{requirement.name}{_within_major(both, there, subject)}"
    return completing(text, subject) or adding(text, subject)


def _within_major(
    wanted: SpecifierSet, there: Installed, subject: ExaminedEnvironment
) -> SpecifierSet:
    """Return what is wanted, without another major version than the one there if one of its
    releases will do: NumPy 1.23 becomes 1.26 before 2.2."""
    major = there.version.partition(".")[0]
    if not major.isdecimal():
        return wanted
    near = wanted & specifier_set(f"<{int(major) + 1}")
    releases = subject.matrix.versions(there.name)
    is_there = any(
        near.contains(release, prereleases=True) and release.partition(".")[0] == major
        for release in releases
    )
    return near if is_there else wanted


def _may_hold(specifiers: SpecifierSet) -> bool:
    """Whether the exact versions among specifiers are inside all of them."""
    # Whether ranges overlap is for pip to see: it knows the versions that exist.
    exact = [version.version for version in specifiers if version.operator == "=="]
    return all(
        specifiers.contains(version, prereleases=True) for version in exact if "*" not in version
    )


def _severity(several: list[InstalledRequirement], stack: Stack, used: frozenset[str]) -> Severity:
    """Return an error if the stack is concerned; NVIDIA's packages are part of it where something
    requires them, and not where they were left over."""
    concerned = {
        name
        for requirement in several
        for name in (requirement.by.name, requirement.name)
        if name in stack
    }
    left_over = {
        requirement.by.name
        for requirement in several
        if is_vendor_library(requirement.by.name) and requirement.by.name not in used
    }
    several_used = [requirement for requirement in several if requirement.by.name not in left_over]
    return "error" if concerned and several_used else "warning"


def _missing(
    name: str,
    several: list[InstalledRequirement],
    stack: Stack,
    used: frozenset[str],
    subject: ExaminedEnvironment,
) -> Finding:
    """Return one finding for what is missing, whoever requires it, with the narrowest
    requirement."""
    several = sorted(
        several,
        key=lambda requirement: (not requirement.specifier, requirement.by.name not in stack),
    )
    first, *neighbours = several
    suffix = f", and {len(neighbours)} more as well" if neighbours else ""
    finding = Finding(
        "CL705",
        _severity(several, stack, used),
        f"{name} is not installed, and {first.by} requires {first.text}{suffix}",
        members=(name,),
    )
    return fixed(finding, completing(first.text, subject) or adding(first.text, subject))


def _missing_by_fact(
    reported: frozenset[str], stack: Stack, subject: ExaminedEnvironment
) -> Iterator[Finding]:
    """Yield what METADATA does not require although a fact knows that it is needed."""
    for installed in subject.stack():
        facts = subject.matrix.component(installed.name).facts if installed.name in stack else ()
        for fact in facts:
            # What METADATA asks for as well has been told already.
            names = {d.template.name for d in fact.beside if d.verb == "requires"} - reported
            lacks = [
                name
                for name in sorted(names)
                if subject.inventory.find(name) is None
                and not subject.matrix.component(name).is_virtual
            ]
            if lacks and is_about(fact, installed, subject):
                finding = Finding(
                    "CL705",
                    SEVERITY[fact.effect],
                    f"{lacks[0]} is not installed, and {installed} {fact.says}",
                    facts=(fact.id,),
                    members=(lacks[0],),
                )
                yield fixed(finding, completing(lacks[0], subject))


def _other_python(installed: Installed, subject: ExaminedEnvironment) -> Iterator[Finding]:
    try:
        allowed = specifier_set(installed.requires_python or "")
    except InvalidSpecifier:
        # A note of its own tells of it.
        return
    if not allowed.contains(subject.markers["python_full_version"], prereleases=True):
        finding = Finding(
            "CL704",
            "error",
            f"{installed} requires Python {allowed}, and this is {subject.layout.python}",
            members=(installed.name,),
        )
        yield fixed(finding, adding(f"{installed.name}!={installed.version}", subject))


def _unreadable(installed: Installed) -> Iterator[Finding]:
    """What of METADATA no installer of today reads; what else is required was judged."""
    if installed.requires_python and not is_specifier(installed.requires_python):
        yield Finding(
            "CL701",
            "note",
            f"METADATA of {installed} requires Python `{installed.requires_python}`, which is not a"
            " version specifier and was not judged",
            members=(installed.name,),
        )
    for text in filter(_is_unreadable, installed.requires):
        yield Finding(
            "CL701",
            "note",
            f"METADATA of {installed} has `{text}`, which is not a requirement and was not judged",
            members=(installed.name,),
        )


def _is_unreadable(text: str) -> bool:
    try:
        parse_requirement(text)
    except InvalidRequirement:
        return True
    return False

"""The facts that no solve decides, and an environment does: those that are seen to hold there."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from cudalock.compat.stack import Stack
from cudalock.doctor.fixes import adding, fixed, solving
from cudalock.doctor.twins import keeping_one
from cudalock.files import find_program, variable
from cudalock.findings import Finding, Severity
from cudalock.targets.accelerators import CUDA, ROCM, XPU, of_gpu
from cudalock.targets.facets import COMPONENTS
from cudalock.versions import accepts, holds, specifier_set

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cudalock.compat.installed import ExaminedEnvironment
    from cudalock.environment import Installed, Machine
    from cudalock.environment.repairs import Fix
    from cudalock.matrix.facts import Demand, Fact, Observation

SEVERITY: Mapping[str, Severity] = {
    "breaks": "error",
    "degrades": "warning",
    "unsupported": "warning",
}
"""By a fact's effect."""


def examine(subject: ExaminedEnvironment) -> Iterator[Finding]:
    """A finding for each environment fact that holds there: what it asks for is not so, or what it
    is known by is seen. A fact with neither only says what a message means."""
    yield from _conflicts(subject)
    stack = Stack(subject.universe)
    for name, component in subject.matrix.components.items():
        # What is outside the stack was not put to the engine: its other facts are seen to here.
        facts = [
            fact
            for fact in component.facts
            # Of files that two install, their RECORDs tell; facts about rows, the engine.
            if fact.shared_path is None
            and fact.rows is None
            and (fact.scope == "environment" or not (component.is_virtual or name in stack))
        ]
        installed = subject.inventory.find(name)
        if not facts or (installed is None and not component.is_virtual):
            continue
        for fact in facts:
            severity = _severity(fact, installed, subject)
            if severity is not None:
                subject_words = str(installed) if installed else f"the {name}"
                finding = Finding(
                    "CL708",
                    severity,
                    f"{subject_words} {fact.says}",
                    facts=(fact.id,),
                    fix=fact.fix,
                    members=(name,) if installed else (),
                )
                yield fixed(finding, _fix(fact, installed, subject))


def _fix(fact: Fact, installed: Installed | None, subject: ExaminedEnvironment) -> Fix | None:
    """Return the `solve` where the framework does not use the GPU; None where the fact's own words
    have to do."""
    if (
        installed
        and installed is subject.framework
        and any(observation.gpu for observation in fact.observed)
    ):
        same, any_ = f"{installed.name}=={installed.public}", installed.name
        return solving(subject, same, any_)
    # What a fact requires of one project is installed; where it is about more, its words have to
    # do.
    unmet = [demand for demand in fact.beside if is_unmet(demand, subject)]
    clause = unmet[0].template.fill({}) if len(unmet) == 1 else None
    if clause is None or unmet[0].verb == "conflicts" or len(clause.specifiers) != 1:
        return None
    if subject.inventory.find(clause.name) is None:
        return None
    return adding(f"{clause.name}{clause.specifiers[0]}", subject)


def _conflicts(subject: ExaminedEnvironment) -> Iterator[Finding]:
    """What must not be beside what: the engine does not see it where one has no wheel for the
    target, and is there all the same."""
    for name, component in subject.matrix.components.items():
        installed = subject.inventory.find(name)
        for fact in component.facts if installed else ():
            for demand in fact.beside if fact.shared_path is None else ():
                other = subject.inventory.find(demand.template.name)
                if demand.verb == "conflicts" and other and is_about(fact, installed, subject):
                    finding = Finding(
                        "CL202",
                        SEVERITY[fact.effect],
                        f"{installed} and {other} are incompatible; {name} {fact.says}",
                        facts=(fact.id,),
                        members=(name, other.name),
                    )
                    fix = keeping_one((name, other.name), subject)
                    yield fixed(finding, fix._replace(text=fact.fix or fix.text))


def _severity(
    fact: Fact, installed: Installed | None, subject: ExaminedEnvironment
) -> Severity | None:
    """How bad it is there; None where the fact does not hold, or cannot be seen to."""
    if not is_about(fact, installed, subject):
        return None
    demands = (*fact.beside, *fact.of_machine)
    if any(is_unmet(demand, subject) for demand in demands):
        return SEVERITY[fact.effect]
    for observation in fact.observed:
        if _is_seen(observation, installed, subject):
            return observation.severity or SEVERITY[fact.effect]
    return None


def is_about(fact: Fact, installed: Installed | None, subject: ExaminedEnvironment) -> bool:
    """Whether a fact speaks of what is installed there, in that version and build."""
    if not holds(fact.when, subject.markers):
        return False
    # What opens CUDA's libraries finds those of the framework.
    if fact.alone and subject.framework is not None:
        return False
    if installed is None:
        return not fact.versions and not fact.where
    if not _accepts(fact.versions, installed.public):
        return False
    if not fact.where:
        return True
    builds = subject.builds(installed)
    return bool(builds) and all(
        fact.matches(build.row(label), patterns)
        for build in builds
        for label, patterns in fact.where.items()
    )


def _accepts(specifier: str, version: str) -> bool:
    try:
        return accepts(specifier, version)
    except ValueError:  # what packaging raises for a version that is none
        return not specifier


# -- what it asks for -------------------------------------------------------------------------


def is_unmet(demand: Demand, subject: ExaminedEnvironment) -> bool:
    """Whether a demand is not met; what is not known of a machine is met."""
    clause = demand.template.fill({})
    if clause is None:
        return False
    versions = _versions_of(clause.name, subject)
    if demand.verb == "conflicts":
        return bool(versions)
    if not versions:
        there = subject.matrix.component(clause.name).is_virtual
        return demand.verb == "requires" and not there
    return not all(
        any(specifier_set(text).contains(version, prereleases=True) for text in clause.specifiers)
        for version in versions
    )


def _versions_of(name: str, subject: ExaminedEnvironment) -> tuple[str, ...]:
    """The version of a component there, or of each GPU."""
    if name in COMPONENTS:
        return COMPONENTS[name].values(subject.target)
    installed = subject.inventory.find(name)
    return (installed.public,) if installed else ()


# -- what it is known by ----------------------------------------------------------------------


def _is_seen(
    observation: Observation, installed: Installed | None, subject: ExaminedEnvironment
) -> bool:
    if observation.shadowed is not None or observation.compiled:
        return False  # reported by `libraries` and `compiled`, which know by what
    if any(subject.inventory.find(name) for name in observation.without):
        return False
    machine = subject.machine
    expected_and_actual: list[tuple[object, object]] = [
        (observation.gpu, _has_nvidia(machine) if machine.gpus or subject.machine_probed else None),
        (
            observation.driver,
            bool(machine.driver) if machine.driver or subject.machine_probed else None,
        ),
        (observation.cuda, subject.is_built_for(CUDA.name)),
        (observation.rocm, subject.is_built_for(ROCM.name)),
        (observation.xpu, subject.is_built_for(XPU.name)),
        (observation.kind, subject.layout.kind),
    ]
    if any(expected is not None and expected != actual for expected, actual in expected_and_actual):
        return False
    if observation.version is not None:
        version = installed.version if installed else ""
        if not fnmatchcase(version, observation.version):
            return False
    return (
        _all_missing(observation, subject)
        and not (observation.commands and _some_command(observation, subject))
        and not any(_variable(subject, name) for name in observation.unset)
        and (not observation.set or any(_is_set(text, subject) for text in observation.set))
        and (bool(subject.environ) or not (observation.commands or observation.unset))
    )


def _has_nvidia(machine: Machine) -> bool:
    return any(of_gpu(gpu) is CUDA for gpu in machine.capabilities)


def _is_set(text: str, subject: ExaminedEnvironment) -> bool:
    """Whether a variable has a value of `NAME=PATTERN`; an empty value is one."""
    name, _, pattern = text.partition("=")
    value = _variable(subject, name)
    return value is not None and fnmatchcase(value, pattern)


def _variable(subject: ExaminedEnvironment, name: str) -> str | None:
    return variable(subject.environ, name, subject.layout.os_name)


def _some_command(observation: Observation, subject: ExaminedEnvironment) -> bool:
    return any(
        find_program(command, subject.environ, scripts=True) for command in observation.commands
    )


def _all_missing(observation: Observation, subject: ExaminedEnvironment) -> bool:
    """Whether none of the paths is there; where one cannot be looked for, it may be."""
    for text in observation.missing:
        places = list(_places(text, subject))
        if not places or any(_is_there(folder, path) for folder, path in places):
            return False
    return True


def _is_there(folder: Path, pattern: str) -> bool:
    return next(folder.glob(pattern), None) is not None


def _places(text: str, subject: ExaminedEnvironment) -> Iterator[tuple[Path, str]]:
    """The folders that the beginning of a path means, each with the rest of it."""
    layout = subject.layout
    folders = {
        "prefix": [layout.prefix],
        "packages": list(layout.site_packages),
        "include": [layout.include] if layout.include else [],
    }
    match = re.match(r"\{(\w+)\}/(.*)|%(\w+)%/(.*)", text)
    if match is None:
        # Of the machine itself: nothing is known about another one's folders.
        if text.startswith("/") and layout.runs:
            yield Path("/"), text[1:]
        return
    if match[1]:
        for folder in folders.get(match[1], []):
            yield folder, match[2]
    elif folder_named := _variable(subject, match[3]):
        yield Path(folder_named), match[4]

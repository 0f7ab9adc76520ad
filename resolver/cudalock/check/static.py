"""What can be said of a file whatever the target: what cannot be read, markers, sources."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cudalock.check.other_projects import name_findings
from cudalock.check.targets import NEWER_GLIBC, completed, is_allowed, likely
from cudalock.compat.pins import PinnedProject
from cudalock.compat.single import describe_misfit
from cudalock.compat.stack import Stack
from cudalock.compat.wheels import PinWheels, wheel_tags
from cudalock.errors import BadTarget
from cudalock.findings import RULES, Finding
from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.matrix.universe import ClosedUniverse
from cudalock.names import nearest
from cudalock.projects.syntax.markers import can_hold
from cudalock.projects.syntax.pep508 import may_hold
from cudalock.records import replace
from cudalock.targets import LIKELY_PYTHONS, Target, parse_platform, platform_words
from cudalock.urls import file_of

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Matrix
    from cudalock.projects.model import Declared, Place, ProjectFile, Source


def static_findings(
    file: ProjectFile, matrix: Matrix, targets: Sequence[Target]
) -> Iterator[Finding]:
    """Everything that needs no judgement."""
    stack = Stack(ClosedUniverse(matrix))
    yield from name_findings(file, matrix, stack)
    for included in file.files():
        for problem in included.problems:
            finding = _finding("CL001", problem.message, problem.place)
            # What a variable holds where the file is used, nobody knows here.
            yield replace(finding, severity="note") if "${" in problem.message else finding
        for declared in included.declared:
            if declared.name in stack:
                if declared.problem is not None:
                    # The tool that the file is for may well understand it.
                    finding = _finding(
                        "CL001", f"`{declared.text}`: {declared.problem}", declared.place
                    )
                    yield replace(finding, severity="note")
                yield from _markers(declared)
                yield from _wheel_pythons(declared, file)
            else:
                yield from _wheel_misfits(declared, file, targets)
        for source in included.sources:
            if source.name in stack:
                yield from _source_markers(source)
        yield from _left_out(included, matrix, targets)
        yield from _of_uv_pip(included, stack)


def _finding(
    code: str, says: str, place: Place, fix: str | None = None, member: str = ""
) -> Finding:
    members = (member,) if member else ()
    return Finding(code, RULES[code].severity, says, (), fix, place, members)


# -- markers ------------------------------------------------------------------------------------


def _markers(declared: Declared) -> Iterator[Finding]:
    if declared.marker is not None and declared.role != "locked" and not can_hold(declared.marker):
        says = f"`{declared.marker}` holds on no machine, so {declared.name} is never installed"
        yield _finding(
            "CL303", says, declared.place, _likely_marker(declared.marker), declared.name
        )


def _source_markers(source: Source) -> Iterator[Finding]:
    if source.marker is not None and not can_hold(source.marker):
        says = f"`{source.marker}` holds on no machine, so {source.name} is never sent there"
        yield _finding("CL303", says, _at(source), _likely_marker(source.marker), source.name)


def _at(source: Source) -> Place:
    return source.marker_place or source.place


def _likely_marker(marker: str) -> str | None:
    """What was probably meant by a value of a platform that there is not."""
    for variable, text in re.findall(
        r"(sys_platform|platform_system)\s*==\s*['\"]([^'\"]+)", marker
    ):
        words = [text, *nearest(text, platform_words(), 1)]
        for word in words:
            try:
                platform = parse_platform(word)[0]
            except BadTarget:
                continue
            actual = Target(LIKELY_PYTHONS[0], platform).marker_environment()[variable]
            return f"`{variable} == '{actual}'`"
    return None


# -- indexes ------------------------------------------------------------------------------------


def _of_uv_pip(file: ProjectFile, stack: Stack) -> Iterator[Finding]:
    """Indexes in a table that `uv pip` alone reads, beside a pin on a build that only they have."""
    sent = {source.name for source in file.sources}
    builds = [
        declared.name + declared.specifier
        for declared in file.declared
        if declared.name in stack and "+" in declared.specifier and declared.name not in sent
    ]
    mine = [index for index in file.indexes if index.is_of_uv_pip and index.kind != "index-url"]
    others = {index.url for index in file.indexes if not index.is_of_uv_pip and not index.explicit}
    unread = [index for index in mine if index.url not in others]
    if builds and unread:
        says = (
            f"`uv lock` and `uv sync` do not read [tool.uv.pip]: {builds[0]} is found by `uv pip`"
            " alone"
        )
        finding = _finding("CL301", says, unread[-1].place, "the same key in [tool.uv]")
        yield replace(finding, severity="warning")


# -- wheels by address --------------------------------------------------------------------------


def _wheel_pythons(declared: Declared, file: ProjectFile) -> Iterator[Finding]:
    """A wheel's address that some Python of requires-python cannot take, with no marker to say
    so."""
    stated = file.requires_python
    tags = wheel_tags(file_of(declared.url)) if declared.url and declared.role != "locked" else None
    if stated is None or tags is None:
        return
    missed = []
    for target in likely(file):
        environment = target.marker_environment()
        if declared.marker is not None and not may_hold(declared.marker, environment):
            continue
        fits = target.tags()
        if fits.takes_platform(tags) and not fits.takes_python(tags):
            missed.append(target.python)
    pythons = sorted(
        {minor for minor in missed if is_allowed(stated.value, minor)},
        key=lambda minor: int(minor.partition(".")[2]),
    )
    if pythons:
        says = (
            f"{file_of(declared.url or '')} is not for Python {', '.join(pythons)}, "
            f"which requires-python `{stated.value}` allows"
        )
        yield _finding("CL402", says, declared.place, "a marker on `python_version`", declared.name)


def _wheel_misfits(
    declared: Declared, file: ProjectFile, targets: Sequence[Target]
) -> Iterator[Finding]:
    """A wheel's address that a stated target cannot take; those of the stack are judged with it."""
    name = file_of(declared.url) if declared.url and declared.role != "locked" else ""
    tags = wheel_tags(name)
    if tags is None:
        return
    for stated in targets:
        usual = [
            target
            for target in completed(stated, file)
            if target.glibc != NEWER_GLIBC or "glibc" in target.stated
        ]
        reached = [
            target
            for target in usual
            if declared.marker is None or may_hold(declared.marker, target.marker_environment())
        ]
        if reached and not any(target.tags().rank(tags) is not None for target in reached):
            says = f"{name} is not for {describe_misfit(reached[0], tags)}"
            yield _finding("CL401", says, declared.place, member=declared.name)


# -- sources ------------------------------------------------------------------------------------


def _left_out(file: ProjectFile, matrix: Matrix, targets: Sequence[Target]) -> Iterator[Finding]:
    """A source that gives the framework CUDA on one platform, and leaves another to the build
    without."""
    for declared in file.declared:
        sources = file.sources_for(declared) if declared.name == matrix.framework else ()
        if not any(source.marker is not None for source in sources):
            continue
        for target in _each_platform(file, targets):
            environment = target.marker_environment()
            if declared.marker is not None and not may_hold(declared.marker, environment):
                continue
            if any(
                source.marker is None or may_hold(source.marker, environment) for source in sources
            ):
                continue
            if target.accelerators and _is_cpu(declared, target, matrix):
                place = next(_at(source) for source in sources if source.marker)
                says = (
                    f"no source of {declared.name} is for {target.platform_label}, where the "
                    "package index has the build without CUDA"
                )
                yield _finding(
                    "CL304", says, place, "a marker that holds there as well", declared.name
                )


def _each_platform(file: ProjectFile, targets: Sequence[Target]) -> Iterator[Target]:
    reported = set()
    stated = [completed_target for one in targets for completed_target in completed(one, file)]
    for target in stated or likely(file):
        if target.platform not in reported:
            reported.add(target.platform)
            yield target


def _is_cpu(declared: Declared, target: Target, matrix: Matrix) -> bool:
    project = matrix.project(declared.name)
    pin = PinnedProject(declared.name, declared.specifier, indexes=frozenset({PACKAGE_INDEX}))
    if project is None:
        return False
    wheels = PinWheels(pin, project, target, matrix)
    wheel = wheels.first(wheels.is_reachable, wheels.fits)
    return wheel is not None and not wheel.accelerator


__all__ = ["static_findings"]

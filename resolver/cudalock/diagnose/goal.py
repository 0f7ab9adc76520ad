"""Decide what a fix is about: the projects to solve for, and what a solution must change."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cudalock.diagnose.ranking import Evidence, companions
from cudalock.diagnose.statements import (
    NoCandidate,
    NoCompiler,
    NotOnIndex,
    OldDriver,
    SourceBuild,
    Unloadable,
    Unmet,
    WrongAbi,
)
from cudalock.diagnose.versions import LISTED, TextPin
from cudalock.show.wheels import pythons_on
from cudalock.targets import PLATFORMS
from cudalock.targets.accelerators import ACCELERATORS
from cudalock.targets.platforms import SPELLINGS
from cudalock.versions import is_version, leading_name, parse_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cudalock.diagnose.symptoms import Match
    from cudalock.findings import Finding
    from cudalock.matrix.facts import Fact
    from cudalock.matrix.matrix import Matrix


class FixGoal(NamedTuple):
    """What to solve for, and what makes a solution a fix."""

    projects: tuple[str, ...] = ()
    """the projects that the command has; none where no command can be a fix"""
    culprits: tuple[str, ...] = ()
    """those of them to unpin first"""
    facts: frozenset[str] = frozenset()
    """the facts that a solution must satisfy"""
    subject: str | None = None
    """the project that the explanation is about: it must be in the solution"""
    alternatives: tuple[tuple[str, str], ...] = ()
    """project and specifier, of which a solution must satisfy one; none for no such condition"""
    may_rebuild: bool = False
    """whether the same versions can be a fix, from other wheels"""
    bounded: frozenset[str] = frozenset()
    """the projects that a message says to be too new, which may go back a major version"""
    keeps_framework: bool = False
    """whether a solution with another release of the framework is none"""


def make_goal(
    matches: Sequence[Match],
    clashes: Sequence[Finding],
    pins: Sequence[TextPin],
    evidence: Evidence,
    matrix: Matrix,
    *,
    has_bounds: bool = False,
) -> FixGoal:
    """Return what to solve for; without projects where no version is known to be a fix.

    `has_bounds`: the text says what a package requires of the others.
    """
    pinned = [pin.name for pin in pins if _is_of_the_stack(pin, matrix)]
    blamed = [name for clash in clashes for name in clash.members[:1]]
    if not matches:
        return FixGoal(tuple(pinned), tuple(blamed))
    best = matches[0]
    fact = best.fact
    is_proven = fact.id in evidence.proven
    if not _may_be_cured(best, pinned, evidence, matrix, is_proven=is_proven):
        return FixGoal()
    subject = best.component if matrix.project(best.component) else None
    mends = tuple(map(_requirement, fact.mends))
    alternatives = _alternatives(matches, mends)
    has_cure = best.statement or alternatives or is_proven or mends or _is_of_versions(fact)
    if not has_cure:
        # A general message is about all versions in the text, if about any.
        is_general = matrix.component(fact.component).is_virtual
        if not (is_general and (len(pinned) > 1 or (pinned and has_bounds))):
            return FixGoal()
    projects = [*pinned, *(name for name, _ in mends)]
    if subject is not None and (best.statement or not pinned or evidence.shows(best)):
        projects.append(subject)
    fixed_by_framework = any(
        matrix.component(demand.template.name).is_virtual for demand in fact.beside
    )
    if fixed_by_framework and matrix.framework and not best.statement:
        # Nothing in the text has to do with it: TensorFlow misses CUDA's libraries of itself.
        if not (pinned or is_proven or evidence.is_mentioned(matrix.framework)):
            return FixGoal()
        projects.append(matrix.framework)
    beside = companions(fact, matrix)
    if set(beside).isdisjoint(pinned):
        projects += [name for name in beside if evidence.is_mentioned(name)]
    others = best.statement.others if best.statement else ()
    projects += [*others, *(name for name, _ in alternatives)]
    framework = matrix.framework
    is_of_machine = fact.of_machine or isinstance(best.statement, OldDriver)
    if not projects and framework and is_of_machine and evidence.tells_machine:
        # `The NVIDIA driver is too old` is about every CUDA program; the text must name this one.
        projects = [framework] if evidence.is_mentioned(framework) else []
        blamed = [*blamed, *projects]
    projects = [name for name in projects if matrix.project(name)]
    # A command without the project that the explanation is about would not end it.
    if subject and subject not in projects:
        return FixGoal()
    return FixGoal(
        tuple(dict.fromkeys(projects)),
        tuple(others or (*blamed, best.component, *(name for name, _ in alternatives))),
        frozenset(match.fact.id for match in matches if not match.statement)
        | frozenset(_soft_siblings(fact, matrix)),
        subject,
        alternatives,
        may_rebuild=_is_of_wheels(best, pins, matrix),
        bounded=frozenset(
            match.component for match in matches if isinstance(match.statement, Unmet)
        ),
        keeps_framework=isinstance(best.statement, NoCompiler),
    )


def _may_be_cured(
    best: Match,
    pinned: Sequence[str],
    evidence: Evidence,
    matrix: Matrix,
    *,
    is_proven: bool,
) -> bool:
    """Return whether other versions may end what a message tells, as far as the text tells."""
    # No version ends a wish for another GPU or more memory, and none is known to where the text
    # does not name the GPU. A proven conflict of versions is fixable whatever else the text has.
    if not is_proven and (best.cure != "versions" or _is_of_unknown_machine(best.fact, evidence)):
        return False
    match best.statement:
        case OldDriver(cuda=cuda):
            # A driver that runs the build's CUDA major version is new enough: something else is
            # wrong.
            return bool(evidence.clues.driver) and not evidence.has_cuda_up_to(cuda)
        case NoCandidate() as statement:
            # Without Python and platform it is unknown for which wheels the installer looked,
            # except that a version which does not exist has none anywhere.
            return (
                _tells_wheel_tags(evidence)
                or _is_no_release(statement, matrix)
                or _is_of_other_platforms(statement, evidence, matrix)
            )
        case SourceBuild(reason="python-no-wheel"):
            return _tells_wheel_tags(evidence)
        case NoCompiler() | Unloadable():
            # A wheel is one for the framework that is there.
            return matrix.framework in pinned
    return True


def _alternatives(
    matches: Sequence[Match], mends: Sequence[tuple[str, str]]
) -> tuple[tuple[str, str], ...]:
    """Return what the first match says to take instead, each a project and a specifier."""
    best = matches[0]
    if best.statement:
        return best.statement.alternatives
    # The same line may say which version would do.
    return tuple(pair for pair in mends if pair[1]) or tuple(
        pair
        for match in matches
        if match.line == best.line and isinstance(match.statement, Unmet)
        for pair in match.statement.alternatives
    )


def _soft_siblings(fact: Fact, matrix: Matrix) -> Iterator[str]:
    """Yield the other soft facts of a soft fact's component: an onnxruntime-gpu for CUDA 11 is no
    fix for one that does not find its cuDNN 9."""
    if not fact.is_hard:
        facts = matrix.component(fact.component).facts
        yield from (other.id for other in facts if other.beside and not other.is_hard)


def _requirement(text: str) -> tuple[str, str]:
    """Return project name and specifier of a requirement."""
    name = leading_name(text)
    return name, text[len(name) :].strip()


def _is_of_versions(fact: Fact) -> bool:
    """Return whether a fact names versions or builds, its own or another component's."""
    return (
        bool(fact.beside or fact.of_machine or fact.versions or fact.where or fact.refuses)
        or fact.scope == "solve"
    )


def _is_of_wheels(best: Match, pins: Sequence[TextPin], matrix: Matrix) -> bool:
    """Return whether another wheel of the same version can be the fix.

    That is so if wheels of one release are built for one torch or CUDA each, and the text does not
    show which of them is installed; and if an installer found none.
    """
    if isinstance(best.statement, NoCandidate):
        return not best.statement.offered
    if isinstance(best.statement, NotOnIndex):
        return True
    is_by_label = any(demand.template.label_names for demand in best.fact.beside)
    if best.fact.where:
        return True
    # The label is the CUDA or torch that a wheel is built for.
    if not (is_by_label or isinstance(best.statement, WrongAbi)):
        return False
    local = next((pin.version.partition("+")[2] for pin in pins if pin.name == best.component), "")
    project = matrix.project(best.component)
    has_several = project is not None and any(
        len({build.local for build in project.release(version).builds}) > 1
        for version in project.versions
    )
    return has_several and not local and best.component != matrix.framework


def _is_no_release(statement: NoCandidate, matrix: Matrix) -> bool:
    """Return whether there is no such release at all, whatever the Python and platform."""
    versions = matrix.versions(statement.project)
    public = (statement.version or "").partition("+")[0]
    if not public or not versions or public in versions or not is_version(public):
        return False
    # A release before the oldest of the matrix may well exist.
    return parse_version(public) > parse_version(versions[0])


def _is_of_other_platforms(statement: NoCandidate, evidence: Evidence, matrix: Matrix) -> bool:
    """Return whether no Python has a wheel of the version on the platform of the text."""
    row = matrix.project(statement.project)
    public, _, local = (statement.version or "").partition("+")
    if row is None or public not in row or not evidence.clues.platform:
        return False
    platform = SPELLINGS[evidence.clues.platform]
    # A Mac may be of either processor, unless the text says which.
    if not PLATFORMS[platform].accelerators and not evidence.names_processor:
        return False
    builds = [build for build in row.release(public).builds if local in ("", build.local or "")]
    return not pythons_on([build for build in builds if not build.is_source], platform)


def _tells_wheel_tags(evidence: Evidence) -> bool:
    """Return whether the text names what wheel tags depend on: the Python and the platform, and
    on a Mac its processor, since wheels for Intel Macs ended years before the others."""
    platform = evidence.clues.platform
    if evidence.clues.python is None or platform is None:
        return False
    return bool(PLATFORMS[SPELLINGS[platform]].accelerators)


def _is_of_unknown_machine(fact: Fact, evidence: Evidence) -> bool:
    """Return whether the fact is about a GPU or driver that the text does not name: then it is
    unknown whether any version helps."""
    parts = {part for row in ACCELERATORS.values() for part in row.components}
    needed = {demand.template.name for demand in fact.of_machine}
    return any(not evidence.has_version(part) for part in needed & parts)


def _is_of_the_stack(pin: TextPin, matrix: Matrix) -> bool:
    component = matrix.component(pin.name)
    if not matrix.is_curated(pin.name) or matrix.project(pin.name) is None:
        return False
    # A message that names the toolkit mostly means the one of the system.
    return component.role != "toolkit" or pin.trust >= LISTED

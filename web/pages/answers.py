"""Every answer about one add-on on one platform: the wheel for each torch, Python and CUDA, or why
there is none.

A reason is found once: a core of a conflict that does not name the torch release holds for all of
them, and one that does not name the Python for all Pythons.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from cudalock.conflicts.core import Conflict
from cudalock.conflicts.explanation import CoreExplainer
from cudalock.conflicts.step import GoalRequires, NoWheel, describe, fact_of
from cudalock.errors import GaveUp, UnknownName
from cudalock.goals import Goal, command_line
from cudalock.goals.values import parse_accelerator
from cudalock.matrix.universe import ClosedUniverse
from cudalock.resolution.blockers import Blame
from cudalock.resolution.elements import Element
from cudalock.resolution.find import find
from cudalock.resolution.machine import GLIBCS, glibc_needed
from cudalock.resolution.problem import Problem
from cudalock.resolution.search import Search
from cudalock.show.cells import minor
from cudalock.show.wheels import pythons_on
from cudalock.targets import PLATFORMS, Target
from cudalock.targets.accelerators import ACCELERATORS, CPU, CUDA
from cudalock.targets.pythons import PYTHONS
from cudalock.versions import leading_name, parse_requirement, parse_version, pins_exactly

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.releases import Build, Release
    from cudalock.resolution.model import Resolution

FREE_THREADED: Final = "t"
"""How a Python without its lock ends, `3.14t`."""

NEWEST_GLIBC: Final = GLIBCS[-1]
"""Where no wheel runs on the usual glibc, one that runs on this is shown, with what it needs."""


@dataclass(frozen=True, slots=True)
class Offer:
    """The wheel that the engine chooses."""

    version: str
    file: str
    url: str | None
    """None on the package index, whose URLs are looked up"""
    sha256: str | None
    place: str
    """an index or a builder"""
    trust: str
    known: str
    requirement: str
    glibc: str | None
    """the oldest glibc that it runs on; None where that is older than every Linux in use"""
    warnings: tuple[str, ...]
    """ids of facts"""

    @property
    def is_seen(self) -> bool:
        """Whether somebody has seen the wheel: one that is derived may not exist."""
        return self.known != "derived"


@dataclass(frozen=True, slots=True)
class Line:
    """One step of a reason, and the fact that it rests on."""

    text: str
    fact: str | None


Reason = tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is none: known to be impossible, or not known here."""

    reason: Reason
    unknown: tuple[str, ...] = ()
    """the projects of which releases that the matrix lacks may do"""

    @property
    def is_known(self) -> bool:
        """Whether it is known that there is none; a search without a reason does not say so."""
        return bool(self.reason) and not self.unknown


@dataclass(frozen=True, slots=True)
class Answer:
    """What the engine says of an add-on beside one build of torch."""

    torch: str
    python: str
    accelerator: str
    """a CUDA minor, `12.8`, another accelerator with its version if it has one, `rocm6.3`, or
    `cpu`"""
    command: str
    outcome: Offer | Refusal

    @property
    def offer(self) -> Offer | None:
        return self.outcome if isinstance(self.outcome, Offer) else None


def add_ons(matrix: Matrix) -> list[str]:
    """Return the projects that are built or chosen for a torch, the ones with a switch first."""
    ranked = sorted(
        (component.rank is None, component.rank or 0, name)
        for name, component in matrix.components.items()
        if name != matrix.framework and matrix.versions(name) and _is_add_on(matrix, name)
    )
    return [name for _, _, name in ranked]


def _is_add_on(matrix: Matrix, name: str) -> bool:
    return matrix.component(name).switch is not None or any(
        True for release in matrix.project(name) or () for _ in _named_frameworks(matrix, release)
    )


def _named_frameworks(matrix: Matrix, release: Release) -> Iterator[str]:
    """Yield the releases of the framework that builds of a release are made for."""
    framework = matrix.framework or ""
    for build in release.builds:
        yield from (label for label in build.row(framework) if label[:1].isdigit())
        for text in build.requires:
            if text.startswith(framework):
                requirement = parse_requirement(text)
                specifiers = [str(specifier) for specifier in requirement.specifier]
                if requirement.name == framework and pins_exactly(specifiers):
                    yield from (each.lstrip("=").removesuffix(".*") for each in specifiers[:1])


def oldest_framework(matrix: Matrix, name: str) -> str | None:
    """Return the oldest torch that a build of an add-on names, None where none names one."""
    named = {
        version
        for release in matrix.project(name) or ()
        for version in _named_frameworks(matrix, release)
    }
    return min(named, key=parse_version, default=None)


def frameworks_for(matrix: Matrix, name: str) -> list[str]:
    """Return the torch releases that an add-on's pages are about, the newest first."""
    oldest = oldest_framework(matrix, name)
    return [
        version
        for version in reversed(matrix.versions(matrix.framework or ""))
        if oldest is None or parse_version(version) >= parse_version(oldest)
    ]


def has_wheels(matrix: Matrix, name: str, platform: str) -> bool:
    """Return whether any wheel of a project installs on a platform."""
    return any(
        pythons_on(release.builds, platform)
        for release in reversed(list(matrix.project(name) or ()))
    )


def uninvolved(matrix: Matrix, name: str) -> tuple[str, ...]:
    """Return the projects of which no fact is known and that an add-on or the framework requires,
    or what these require.

    They are left out of the queries here: they decide about no wheel of the stack, and are most of
    a solution's cost. Those that the matrix lacks a lock looks up on the package index.
    """
    seen = {matrix.framework or "", name}
    left = sorted(seen)
    while left:
        project = matrix.project(left.pop())
        required = {
            leading_name(text)
            for release in project or ()
            for requires in {build.requires for build in release.builds}
            for text in requires
            # What an extra requires comes with nothing that is shown here.
            if "extra" not in text.partition(";")[2]
        }
        left += sorted((required & matrix.projects) - seen)
        seen |= required
    return tuple(sorted(seen - matrix.components.keys()))


def builds_of(matrix: Matrix, version: str, platform: str) -> list[tuple[str, str]]:
    """Return the Pythons and accelerators (see `Answer`) that a torch has builds for."""
    project = matrix.project(matrix.framework or "")
    release = project.release(version) if project else None
    found = {
        (python, accelerator)
        for build in (release.builds if release else ())
        for accelerator in _accelerator(build, platform)
        for python in pythons_on([build], platform)
        if python.removesuffix(FREE_THREADED) in PYTHONS
    }
    return sorted(found, key=lambda cell: (_python_order(cell[0]), _order(cell[1])))


def is_usual(python: str, accelerator: str) -> bool:
    """Return whether a page has to say that there is no wheel for these: CUDA or none, and a Python
    with its lock. Of the others it has the wheels that there are."""
    return not python.endswith(FREE_THREADED) and built_for(accelerator)[0] in (CUDA.title, "")


def built_for(accelerator: str) -> tuple[str, str]:
    """Return the accelerator of an answer for people, and its version; both empty for none."""
    if accelerator == CPU:
        return "", ""
    for row in ACCELERATORS.values():
        if accelerator.startswith(row.name):
            return row.title, accelerator.removeprefix(row.name)
    return CUDA.title, accelerator


def _accelerator(build: Build, platform: str) -> list[str]:
    allowed = PLATFORMS[platform].accelerators
    if build.accelerator == CUDA.name and CUDA.name in allowed:
        return [minor(build.row(CUDA.name)[0])]
    if build.accelerator in allowed:
        row = ACCELERATORS[build.accelerator]
        # The builds of some are not told apart: what a goal states has no version.
        return [row.name + (build.row(row.name)[0] if row.version_word else "")]
    is_for_none = build.accelerator not in (CUDA.name, None) and build.row(CUDA.name) == ("none",)
    others = [name for name in allowed if name != CUDA.name]
    if is_for_none and not any(build.row(name) not in ((), ("none",)) for name in others):
        return [CPU]
    return []


def _python_order(python: str) -> tuple[int, bool]:
    plain = python.removesuffix(FREE_THREADED)
    return PYTHONS.index(plain), plain != python


def _order(accelerator: str) -> tuple[int, tuple[int, ...]]:
    """None first, then CUDA, then the others in the order of their table."""
    title, version = built_for(accelerator)
    titles = ["", *(row.title for row in ACCELERATORS.values())]
    return titles.index(title), tuple(int(part) for part in version.split(".") if part)


def _made(matrix: Matrix, name: str, platform: str) -> tuple[set[str], set[str]]:
    """Return the titles of the accelerators, and the Pythons, that an add-on has wheels for."""
    builds = [build for release in matrix.project(name) or () for build in release.builds]
    named = {build.accelerator for build in builds if pythons_on([build], platform)}
    titles = {row.title for row in ACCELERATORS.values() if row.name in named}
    return titles, set(pythons_on(builds, platform))


class Answers:
    """The engine's answers about add-ons on one platform; what was found out once is kept."""

    def __init__(self, matrix: Matrix, platform: str) -> None:
        self._universe = ClosedUniverse(matrix)
        self._matrix = matrix
        self._platform = platform
        self._skipped: tuple[str, ...] = ()
        self._known: dict[frozenset[tuple[Element, str]], Reason] = {}
        """the reason of each core, by its elements and what they are in the query"""

    def of(self, name: str, releases: int | None = None) -> dict[str, list[Answer]]:
        """Return the answers about an add-on by torch release, the newest first, for every Python
        and accelerator that the release has builds for; older ones than it names are left out.

        With `releases` only so many, from the middle of the list, where there are most wheels.
        """
        versions = frameworks_for(self._matrix, name)
        if releases is not None:
            versions = versions[len(versions) // 3 :][:releases]
        titles, pythons = _made(self._matrix, name, self._platform)
        cells = [
            (python, version, accelerator)
            for version in versions
            for python, accelerator in builds_of(self._matrix, version, self._platform)
            if is_usual(python, accelerator)
            or (
                (python in pythons or not python.endswith(FREE_THREADED))
                and built_for(accelerator)[0] in {*titles, CUDA.title, ""}
            )
        ]
        # By Python: what problems of one target share is kept for some targets only.
        cells.sort(key=lambda cell: _python_order(cell[0]))
        self._skipped = uninvolved(self._matrix, name)
        answers: dict[str, list[Answer]] = {version: [] for version in versions}
        for python, version, accelerator in cells:
            answers[version].append(self._answer(name, python, version, accelerator))
        return {version: _telling(found) for version, found in answers.items() if found}

    def _answer(self, name: str, python: str, version: str, accelerator: str) -> Answer:
        wanted = tuple(sorted([f"{self._matrix.framework}=={version}", name]))
        plain = Goal(requirements=wanted, accelerator=parse_accelerator(accelerator))
        goal = replace(plain, skip=self._skipped)
        plain_python = python.removesuffix(FREE_THREADED)
        target = Target(plain_python, self._platform, free_threaded=python != plain_python)
        newest = replace(target, glibc=NEWEST_GLIBC) if target.is_linux else target
        outcome: Offer | Refusal | None = None
        if self._known_reason(goal, newest) is None:
            for tried in dict.fromkeys((target, newest)):
                resolution = self._find(goal, tried)
                if resolution is not None:
                    # Without it where another project takes its place: no wheel of it is known.
                    has_it = name in resolution.pins
                    outcome = self._offer(resolution, name) if has_it else Refusal(())
                    target = tried
                    break
        if outcome is None:
            outcome = self._refusal(goal, newest)
        return Answer(version, python, accelerator, command_line(plain, target), outcome)

    def _find(self, goal: Goal, target: Target) -> Resolution | None:
        try:
            return find(goal, target, self._universe)
        except (GaveUp, UnknownName):
            return None

    def _offer(self, resolution: Resolution, name: str) -> Offer:
        pin = resolution.pins[name]
        build, wheel, version = pin.build, pin.wheel, pin.version or ""
        assert build is not None
        assert wheel is not None
        local = build.local if build.local and not self._matrix.is_renamed(build) else None
        return Offer(
            version=pin.full_version,
            file=wheel.file(version, build.local),
            url=self._matrix.url(build, wheel, version),
            sha256=wheel.sha256,
            place=build.builder or build.index or "",
            trust=self._matrix.trust(build),
            known=build.known,
            requirement=f"{name}=={version}" + (f"+{local}" if local else ""),
            glibc=glibc_needed(resolution) if resolution.target.is_linux else None,
            warnings=tuple(fact.id for fact in resolution.warnings),
        )

    # -- reasons ----------------------------------------------------------------------------

    def _refusal(self, goal: Goal, target: Target) -> Refusal:
        problem = Problem(goal, target, self._universe)
        blockers = Blame(Search(problem)).of_no_solution()
        unknown = tuple(each.project for each in self._universe.unlisted(blockers))
        return Refusal(self._reason(goal, target), unknown)

    def _known_reason(self, goal: Goal, target: Target) -> Reason | None:
        """Return the reason of a core that was found before and that the query has as well."""
        parts = _parts_of(goal, target)
        for elements, reason in self._known.items():
            if all(_stated(element, parts) == stated for element, stated in elements):
                return reason
        return None

    def _reason(self, goal: Goal, target: Target) -> Reason:
        known = self._known_reason(goal, target)
        if known is not None:
            return known
        parts = _parts_of(goal, target)
        conflict = Conflict(Problem(goal, target, self._universe, wide=True))
        core = next(iter(conflict.cores()), None)
        if core is None:
            return ()
        steps = CoreExplainer(conflict, core).steps()
        lines = tuple(
            Line(describe(step), fact_of(step))
            for step in steps
            if not isinstance(step, GoalRequires)
        )
        # A core may do without a part of the target that its steps describe it with.
        shown = {
            Element("target", part)
            for step in steps
            if isinstance(step, NoWheel)
            for part in step.parts
        }
        key = frozenset((element, _stated(element, parts)) for element in {*core.elements, *shown})
        self._known[key] = lines
        return lines


def _parts_of(goal: Goal, target: Target) -> dict[str, str]:
    """What the elements of a query are in it, but for facts, which are the same in every one."""
    return {
        **{f"goal:{requirement}": "asked" for requirement in goal.requirements},
        "target:python": target.python + (FREE_THREADED if target.free_threaded else ""),
        "target:platform": target.platform,
        "target:glibc": target.glibc or "",
        "option:cuda": str(goal.accelerator),
    }


def _stated(element: Element, parts: dict[str, str]) -> str:
    if element.kind in ("goal", "target", "option"):
        return parts.get(str(element), "")
    return ""


def _telling(answers: list[Answer]) -> list[Answer]:
    """Leave out what has no wheel and nobody expects to have one, and builds without CUDA where
    they have none and others were tried."""
    usual = [each for each in answers if each.offer or is_usual(each.python, each.accelerator)]
    telling = [each for each in usual if each.offer or each.accelerator != CPU]
    return telling or usual

"""Explain the pins of a solution: who requires each, why not a newer version, other builds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import groupby, takewhile
from typing import TYPE_CHECKING, Any, Final

from cudalock.errors import NetworkError, UnknownName
from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.records import NamedTuple
from cudalock.resolution.elements import TARGET_PLATFORM, Element, fact_element, ids_of
from cudalock.resolution.model import Candidate, label
from cudalock.resolution.problem import Problem
from cudalock.resolution.search import Search
from cudalock.targets.accelerators import ACCELERATORS
from cudalock.text import yanked_clause
from cudalock.versions import is_prerelease, may_accept

if TYPE_CHECKING:
    from cudalock.resolution.model import Reason, Requirement, Resolution


SCHEMA: Final = "cudalock.explain/1"


class PassedOver(NamedTuple):
    """Newer versions that were not chosen for the same reason, the newest first."""

    versions: tuple[str, ...]
    why: str
    fact: str | None
    """the id of the curated fact that it rests on"""

    def __str__(self) -> str:
        span = self.versions[0]
        if len(self.versions) > 1:
            span = f"{self.versions[-1]} to {self.versions[0]}"
        return f"{span}: {self.why}{f'   [{self.fact}]' if self.fact else ''}"


class PinReasons(NamedTuple):
    """Why one pin of a solution is what it is."""

    name: str
    version: str
    """with the local label"""
    source: str
    """the index or the builder, for people"""
    required_by: tuple[str, ...]
    """clauses: `the goal`, `torch 2.5.1, which requires ...`"""
    passed_over: tuple[PassedOver, ...]
    """the newer versions by reason, the newest first"""
    other_builds: tuple[str, ...]
    """builds of the same version with which the goal has a solution as well"""


class Rejection(NamedTuple):
    """Why a wheel was not chosen; of several wheels that with the highest stage came closest."""

    stage: int
    why: str
    fact: str | None = None


# A wheel is checked in this order; each stage is closer to being chosen than the one before.
_TARGET, _WISH, _FACT, _GOAL, _REQUIRED, _REQUIRES, _PREFERENCE = range(7)


class PinExplainer:
    """Explains the pins of one resolution."""

    def __init__(self, resolution: Resolution) -> None:
        self._resolution = resolution
        goal, target, universe = resolution.goal, resolution.target, resolution.universe
        # A wide problem has the candidates that the goal or the target rules out, with the reason.
        self._problem = Problem(goal, target, universe, wide=True)
        self._chosen = {
            **resolution.pins,
            **{candidate.name: candidate for candidate in resolution.virtual_candidates},
        }
        self._central = {*resolution.goal_names, resolution.matrix.framework}
        # One step of a chain of reasons is told: a second would lead back to the first.
        self._is_followed = False

    def reasons(self, name: str) -> PinReasons:
        """Return the reasons for one pin. Raises KeyError for a project that is not pinned."""
        pin = self._resolution.pins[name]
        reasons = self._resolution.reasons.get(name, ())
        return PinReasons(
            name=name,
            version=pin.full_version,
            source=_source(pin),
            required_by=tuple(dict.fromkeys(map(self._requirer, reasons))),
            passed_over=tuple(self._passed_over(pin)),
            other_builds=tuple(self._other_builds(pin)),
        )

    def _requirer(self, reason: Reason) -> str:
        origin = reason.requirement.origin
        if reason.parent is None:
            return "the goal" if origin.kind == "goal" else f"`--{origin.id}`"
        if origin.kind == "fact":
            return f"{self._chosen_text(reason.parent)}, by a fact [{origin.id}]"
        return f"{self._chosen_text(reason.parent)}, which requires {reason.requirement}"

    def _chosen_text(self, name: str) -> str:
        return str(self._chosen.get(name, name))

    # -- newer versions -----------------------------------------------------------------------

    def newest_passed_over(self, name: str) -> PassedOver | None:
        """Return the newest release of a pinned project that was not chosen, and why; None if the
        pin is the newest one. What the goal's own words or its date rule out does not count, nor
        do pre-releases and yanked releases."""
        versions = list(self._newer_versions(name))
        # Somebody's build for another platform, or for another accelerator, is no release that
        # this target was denied.
        usable = (version for version in versions if self._is_for_target(name, version))
        version = next(usable, versions[0] if versions else None)
        return None if version is None else PassedOver((version,), *self._against(name, version))

    def _newer_versions(self, name: str) -> Iterator[str]:
        project = self._resolution.universe.project(name)
        limit = self._resolution.goal.exclude_newer
        for version in reversed(project.versions if project else ()):
            if project is None or version == self._resolution.pins[name].version:
                break
            roots = self._problem.roots_of(name)
            specifiers = [specifier for root in roots for specifier in root.specifiers]
            if is_prerelease(version) or not all(may_accept(text, version) for text in specifiers):
                continue
            release = project.release(version)
            is_too_new = limit is not None and (release.uploaded or limit) > limit
            if release.yanked is None and not is_too_new:
                yield version

    def _is_for_target(self, name: str, version: str) -> bool:
        """Return whether a release has a wheel for the platform and the accelerator, if not for the
        Python or glibc."""
        return any(
            self._fits_platform(candidate) and self._unmet_wish(candidate) is None
            for candidate in self._problem.candidates_at(name, version)
        )

    def _fits_platform(self, candidate: Candidate) -> bool:
        return frozenset([TARGET_PLATFORM]) not in self._problem.refusals(candidate)

    def _unmet_wish(self, candidate: Candidate) -> Requirement | None:
        """Return what is asked of the accelerator and a build of the framework does not have."""
        if candidate.name != self._resolution.matrix.framework:
            return None
        for requirement in self._problem.accelerator_requirements():
            if not requirement.accepts(_fixed(candidate, requirement.name)):
                return requirement
        return None

    def _passed_over(self, pin: Candidate) -> Iterator[PassedOver]:
        project = self._resolution.universe.project(pin.name)
        newest_first = reversed(project.versions) if project else iter(())
        newer = takewhile(lambda version: version != pin.version, newest_first)
        reasons = [(version, *self._against(pin.name, version)) for version in newer]
        for (why, fact), group in groupby(reasons, key=lambda reason: reason[1:]):
            yield PassedOver(tuple(version for version, _, _ in group), why, fact)

    def _against(self, name: str, version: str) -> tuple[str, str | None]:
        """Why no wheel of a version was chosen, and the id of the fact behind it."""
        if self._is_early(name, version):
            return "it is a pre-release", None
        candidates = self._problem.candidates_at(name, version)
        if not candidates:
            return "it has no wheel", None
        if candidates[0].is_yanked:
            return f"it {yanked_clause(candidates[0].yanked_reason)}", None
        closest = self._closest(name, version)
        return (closest.why, closest.fact) if closest is not None else ("it has no wheel", None)

    def _closest(self, name: str, version: str) -> Rejection | None:
        """What stopped the wheel of a version that came closest to being chosen."""
        rejections = [
            (self._rejection(candidate), self._fits_platform(candidate))
            for candidate in self._problem.candidates_at(name, version)
        ]
        # Of a wheel for another Python more can be said than of one for another platform.
        best = max(rejections, key=lambda each: (each[0].stage, each[1]), default=None)
        return best and best[0]

    def _is_early(self, name: str, version: str) -> bool:
        """Return whether a version is a pre-release, of which nothing that requires the project
        names one."""
        project = self._resolution.universe.project(name)
        reasons = self._resolution.reasons.get(name, ())
        requirements = (*self._problem.roots_of(name), *(reason.requirement for reason in reasons))
        specifiers = [text for requirement in requirements for text in requirement.specifiers]
        takes_early = project is None or project.takes_prereleases(specifiers)
        return is_prerelease(version) and not takes_early

    def _rejection(self, candidate: Candidate) -> Rejection:
        """What stopped a wheel first: the goal, the target, what others require of it, what it
        requires of others, or else the order of preference."""
        reasons = self._resolution.reasons.get(candidate.name, ())
        # The user's own words first: they answer "why not" best, also where the target forbids the
        # version as well.
        for requirement, _ in reasons:
            is_goal = requirement.kind == "requires" and requirement.origin.kind == "goal"
            if is_goal and not requirement.accepts(candidate):
                return Rejection(_GOAL, f"the goal requires {requirement.origin.id}")
        refusals = self._hard_refusals(candidate)
        is_framework = candidate.name == self._resolution.matrix.framework
        # What a fact says of a build that is for other machines is no reason here.
        for elements in refusals:
            if not ids_of(elements, "fact"):
                return self._refusal(elements)
        if is_framework and (rejection := self._unwanted_build(candidate)) is not None:
            return rejection
        if refusals:
            return self._refusal(refusals[0])
        if is_framework and (rejection := self._rejected_build(candidate)) is not None:
            return rejection
        for requirement, parent in reasons:
            if not requirement.accepts(candidate):
                fact = requirement.origin.id if requirement.origin.kind == "fact" else None
                why = f"{self._chosen_text(parent or '')} requires {requirement}"
                return Rejection(_REQUIRED, why, fact)
        for chosen in self._chosen.values():
            for requirement in self._problem.fact_requirements(chosen):
                if requirement.name == candidate.name and not requirement.accepts(candidate):
                    return self._unmet(requirement, chosen)
        requirements = (
            *self._problem.metadata_requirements(candidate),
            *self._problem.fact_requirements(candidate),
        )
        # What the user asked for is the reason, and not a dependency that could be another one.
        for requirement in sorted(requirements, key=lambda one: one.name not in self._central):
            other = self._chosen.get(requirement.name)
            # What only the framework brings along would be another's beside another build.
            is_its_own = is_framework and requirement.name not in self._resolution.goal_names
            if other is not None and not is_its_own and not requirement.accepts(other):
                return self._unmet(requirement, other)
        unavailable = self._unavailable(self._problem.metadata_requirements(candidate))
        if unavailable is not None:
            return Rejection(_REQUIRED, unavailable)
        return Rejection(_PREFERENCE, self._preference(candidate))

    def _unavailable(self, requirements: Iterable[Requirement]) -> str | None:
        """Why something that a wheel requires cannot be had at all; None if all can, as far as the
        releases show that were looked at."""
        universe = self._resolution.universe
        for requirement in requirements:
            if requirement.kind != "requires" or requirement.name in self._chosen:
                continue
            try:
                project = universe.project(requirement.name)
            except NetworkError:
                continue
            if project is None:
                if universe.is_open:
                    return f"it requires {requirement}, which is on no index that was queried"
                continue
            # Of what an index alone has, a part is looked at.
            is_held = project is universe.matrix.project(requirement.name)
            if is_held and not any(
                requirement.accepts(other) and not self._hard_refusals(other)
                for other in self._problem.candidates(requirement.name)
            ):
                return f"it requires {requirement}, of which no known wheel is for this target"
        return None

    def _hard_refusals(self, candidate: Candidate) -> list[frozenset[Element]]:
        """Return what rules a candidate out by itself. A soft fact is a price, and the order of
        preference has the last word on prices."""
        return [
            elements
            for elements in self._problem.refusals(candidate)
            if not elements & self._problem.soft_elements
        ]

    def _unwanted_build(self, candidate: Candidate) -> Rejection | None:
        """Why a build of the framework is not for the accelerator that is asked for."""
        requirement = self._unmet_wish(candidate)
        if requirement is None:
            return None
        wish = "with" if requirement.kind == "requires" else "without"
        row = ACCELERATORS[requirement.name]
        text = " ".join([row.title, *map(_series, requirement.specifiers)])
        return Rejection(_WISH, f"no build of it {wish} {text} is known")

    def _rejected_build(self, candidate: Candidate) -> Rejection | None:
        """Why a build of the framework cannot be had for what it fixes: its CUDA release."""
        for virtual in self._resolution.virtual_candidates:
            fixed = _fixed(candidate, virtual.name)
            for elements in self._hard_refusals(fixed) if fixed else ():
                return self._refusal(elements)
            for requirement, parent in self._resolution.reasons.get(virtual.name, ()):
                is_other = parent is not None and parent != candidate.name
                if is_other and not requirement.accepts(fixed):
                    fact = requirement.origin.id if requirement.origin.kind == "fact" else None
                    why = f"{self._chosen_text(parent or '')} requires {requirement}"
                    return Rejection(_REQUIRED, why, fact)
        return None

    def _preference(self, candidate: Candidate) -> str:
        """Why a wheel that nothing forbids was not taken."""
        pinned = self._resolution.pins[candidate.name]
        if candidate.is_derived and not pinned.is_doubtful:
            return f"nobody has seen its wheel for this target; {_asked_for(candidate)}"
        if candidate.is_doubtful and not pinned.is_doubtful:
            return f"its wheel has a known problem; {_asked_for(candidate)}"
        trust = self._trust(pinned)
        if self._trust(candidate) != trust:
            return f"its wheels for this target are by other builders; {trust} wheels are preferred"
        if len(self._resolution.goal_names) == 1:
            return "with what it requires it is impossible, or a worse solution"
        return "possible by itself; with the rest of the goal it is impossible or a worse solution"

    def _trust(self, candidate: Candidate) -> str:
        if candidate.build is None:
            return ""
        trust = self._resolution.universe.trust(candidate.build)
        return "the project's own" if trust == "own" else trust

    def _refusal(self, elements: frozenset[Element]) -> Rejection:
        """Why the target or an option rules a wheel out, by the elements that do."""
        fact_ids = ids_of(elements, "fact")
        if fact_ids:
            fact = self._resolution.matrix.fact(fact_ids[0])
            return Rejection(_FACT, f"{fact.component} {fact.says}", fact.id)
        parts = sorted(element.id for element in elements)
        if "builders" in parts:
            return Rejection(_TARGET, "its builder is not accepted by `--builders`")
        if "exclude-newer" in parts:
            day = self._resolution.goal.exclude_newer
            return Rejection(_TARGET, f"it was published after {day}")
        return Rejection(_TARGET, f"it has no wheel for {self._facets(parts)}")

    def _facets(self, parts: list[str]) -> str:
        target = self._resolution.target
        words = {
            "platform": target.platform_label,
            "glibc": f"glibc {target.glibc}",
            "python": f"Python {target.python_text}",
        }
        return " with ".join(word for part, word in words.items() if part in parts)

    def _unmet(self, requirement: Requirement, other: Candidate) -> Rejection:
        if requirement.origin.kind == "metadata":
            because = self._why_chosen(requirement, other) or f"{other} is pinned"
            return Rejection(_REQUIRES, f"it requires {requirement}, and {because}")
        fact = self._resolution.matrix.fact(requirement.origin.id)
        is_soft = fact_element(fact.id) in self._problem.soft_elements
        price = " (a warning)" if is_soft else ""
        why = f"{fact.component} {fact.says}, and {other} is pinned{price}"
        return Rejection(_REQUIRES, why, fact.id)

    def _why_chosen(self, requirement: Requirement, other: Candidate) -> str | None:
        """Why the release that would be needed of another project was not chosen either; None
        where it is pinned, or nothing more is known than that."""
        project = self._resolution.universe.project(other.name)
        if self._is_followed or project is None or other.name not in self._central:
            return None
        at = project.versions.index(other.version or "")
        # The nearest: the oldest of the newer ones, else the newest of the older ones.
        nearest_first = (*project.versions[at:], *reversed(project.versions[:at]))
        needed = (
            version
            for version in nearest_first
            if not is_prerelease(version)
            and any(map(requirement.accepts, self._problem.candidates_at(other.name, version)))
        )
        version = next(needed, None)
        if version is None:
            return None
        self._is_followed = True
        try:
            rejection = self._closest(other.name, version)
        finally:
            self._is_followed = False
        # What the goal pins is known to whoever wrote it.
        if rejection is None or rejection.stage in (_GOAL, _PREFERENCE):
            return None
        return f"{other.name} {version} was not chosen: {rejection.why}"

    # -- other builds -------------------------------------------------------------------------

    def _other_builds(self, pin: Candidate) -> Iterator[str]:
        """The builds of the same version with which the goal has a solution."""
        search = self._search
        domain = search.network.domains.get(pin.name)
        # Only for what the goal names: a search for each build of each dependency takes too long.
        if domain is None or pin.name not in self._resolution.goal_names:
            return
        for candidate in domain.members(domain.all):
            is_other = candidate.version == pin.version and candidate.build is not pin.build
            if is_other and search.is_possible_with(candidate):
                yield f"{candidate.full_version} from {_source(candidate)}"

    @cached_property
    def _search(self) -> Search:
        resolution = self._resolution
        return Search(Problem(resolution.goal, resolution.target, resolution.universe))


def _fixed(build: Candidate, name: str) -> Candidate | None:
    """What a build of the framework fixes of a virtual component, None if that is absent."""
    version = label(build, name)
    return None if version is None else Candidate(name, version)


def _source(candidate: Candidate) -> str:
    """The builder or the index that has a wheel, for people."""
    if candidate.build is None:
        return ""
    if candidate.build.builder is not None:
        return candidate.build.builder
    index = candidate.build.index
    return "the package index" if index == PACKAGE_INDEX else f"index {index}"


def _asked_for(candidate: Candidate) -> str:
    return f"`{candidate.name}=={candidate.version}` takes it all the same"


def _series(specifier: str) -> str:
    """Return `7.2` for `==7.2.*`, as people write it."""
    return specifier.removeprefix("==").removesuffix(".*")


def explain_pins(resolution: Resolution, package: str | None = None) -> list[PinReasons]:
    """Return the reasons for each pin, or for one project's, by any of its names.

    Raises UnknownName for a project that is not pinned.
    """
    explainer = PinExplainer(resolution)
    if package is None:
        return [explainer.reasons(name) for name in _in_order(resolution)]
    name = resolution.matrix.names.find(package) or package
    name = resolution.matrix.names.platform_alias(name, resolution.target.marker_environment())
    if name not in resolution.pins:
        pinned = ", ".join(_in_order(resolution))
        raise UnknownName(f"`{package}` is not in this lock; it pins {pinned}")
    return [explainer.reasons(name)]


def _in_order(resolution: Resolution) -> list[str]:
    """Return the project names: requested ones first, then those they require."""
    requested = [name for name in resolution.goal_names if name in resolution.pins]
    return [*requested, *(name for name in resolution.pins if name not in requested)]


def as_document(resolution: Resolution, choices: list[PinReasons]) -> dict[str, Any]:
    """Return the reasons as values of JSON: `cudalock.explain/1`."""
    return {
        "schema": SCHEMA,
        "matrix": resolution.matrix.version,
        "target": resolution.target.label,
        "pins": [
            {
                "name": choice.name,
                "version": choice.version,
                "from": choice.source,
                "wanted_by": list(choice.required_by),
                "passed_over": [
                    {"versions": list(passed.versions), "why": passed.why, "fact": passed.fact}
                    for passed in choice.passed_over
                ],
                "other_builds": list(choice.other_builds),
            }
            for choice in choices
        ],
        "warnings": [
            {"fact": fact.id, "says": f"{fact.component} {fact.says}", "effect": fact.effect}
            for fact in resolution.warnings
        ],
    }

"""Why an answer is what it is: who wanted each pin, what was passed over, what else would do."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.resolution.elements import Element, fact_element, ids_of
from cudalock.resolution.problem import Problem
from cudalock.resolution.search import Search

if TYPE_CHECKING:
    from cudalock.resolution.model import Candidate, Reason, Requirement, Resolution


class Passed(NamedTuple):
    """Newer versions that were passed over for one reason; ``fact`` is the id of a curated one."""

    versions: tuple[str, ...]
    why: str
    fact: str | None

    def __str__(self) -> str:
        span = self.versions[0]
        if len(self.versions) > 1:
            span = f"{self.versions[-1]} to {self.versions[0]}"
        return f"{span}: {self.why}{f'   [{self.fact}]' if self.fact else ''}"


class Choice(NamedTuple):
    """One pin, explained.

    ``wanted_by`` are sentences, ``passed_over`` the newer versions by reason, newest first, and
    ``other_builds`` the builds of the same version with which the goal has an answer as well.
    """

    name: str
    version: str
    place: str
    wanted_by: tuple[str, ...]
    passed_over: tuple[Passed, ...]
    other_builds: tuple[str, ...]


class Chooser:
    """Explains the choices of one resolution."""

    def __init__(self, resolution: Resolution) -> None:
        self._resolution = resolution
        goal, target, universe = resolution.goal, resolution.target, resolution.universe
        self._problem = Problem(goal, target, universe, wide=True)
        self._chosen = {
            **resolution.pins,
            **{each.name: each for each in resolution.virtual_candidates},
        }

    def choice(self, name: str) -> Choice:
        """One pin. Raises KeyError for a project that is not pinned."""
        pinned = self._resolution.pins[name]
        return Choice(
            name=name,
            version=pinned.full_version,
            place=_place(pinned),
            wanted_by=tuple(self._wanted_by(name)),
            passed_over=tuple(self._passed_over(pinned)),
            other_builds=tuple(self._other_builds(pinned)),
        )

    def _wanted_by(self, name: str) -> Iterator[str]:
        seen = set()
        for reason in self._resolution.reasons.get(name, ()):
            text = self._reason(reason)
            if text not in seen:
                seen.add(text)
                yield text

    def _reason(self, reason: Reason) -> str:
        origin = reason.requirement.origin
        if reason.parent is None:
            return "the goal" if origin.kind == "goal" else f"`--{origin.id}`"
        if origin.kind == "fact":
            return f"{self._chosen_text(reason.parent)}, by a fact [{origin.id}]"
        return f"{self._chosen_text(reason.parent)}, which requires {reason.requirement}"

    def _chosen_text(self, name: str) -> str:
        return str(self._chosen.get(name, name))

    # -- what was passed over -----------------------------------------------------------------

    def _passed_over(self, pinned: Candidate) -> Iterator[Passed]:
        project = self._resolution.universe.project(pinned.name)
        newest_first = reversed(project.versions) if project else iter(())
        reasons = []
        for version in newest_first:
            if version == pinned.version:
                break
            reasons.append((version, *self._against(pinned.name, version)))
        for (why, fact), group in groupby(reasons, key=lambda each: each[1:]):
            yield Passed(tuple(version for version, _, _ in group), why, fact)

    def _against(self, name: str, version: str) -> tuple[str, str | None]:
        """Why no wheel of a version was taken: the reason of the one that came closest."""
        asked = [
            reason.requirement
            for reason in self._resolution.reasons.get(name, ())
            if reason.requirement.kind == "requires"
        ]
        candidates = self._problem.candidates_at(name, version)
        if not candidates:
            return "it has no wheel, or is a pre-release", None
        if candidates[0].is_withdrawn:
            return f"it was withdrawn: {candidates[0].withdrawn_because}", None
        reasons = [self._against_wheel(candidate, asked) for candidate in candidates]
        return max(reasons, key=lambda each: each[0])[1:]

    def _against_wheel(
        self, candidate: Candidate, asked: list[Requirement]
    ) -> tuple[int, str, str | None]:
        """How far a wheel came, and what stopped it: the goal, the target, what others want of it,
        what it wants of others, and at last the order of preference."""
        for requirement in asked:
            if requirement.origin.kind == "goal" and not requirement.accepts(candidate):
                return 3, f"the goal asks for {requirement.origin.id}", None
        for elements in self._problem.refusals(candidate):
            if not elements & self._problem.soft_elements:
                return self._refusal(elements)
        for reason in self._resolution.reasons.get(candidate.name, ()):
            if not reason.requirement.accepts(candidate):
                origin = reason.requirement.origin
                fact = origin.id if origin.kind == "fact" else None
                by = self._chosen_text(reason.parent or "")
                return 4, f"{by} requires {reason.requirement}", fact
        for requirement in (
            *self._problem.metadata(candidate),
            *self._problem.relations(candidate),
        ):
            other = self._chosen.get(requirement.name)
            if other is not None and not requirement.accepts(other):
                return self._unmet(candidate, requirement, other)
        return 6, self._less_liked(candidate), None

    def _less_liked(self, candidate: Candidate) -> str:
        """Why a wheel that nothing forbids was not taken."""
        pinned = self._resolution.pins[candidate.name]
        if candidate.is_flawed and not pinned.is_flawed:
            return "known only from a build script, or with a known trap: better known comes first"
        trusts = [self._trust(each) for each in (candidate, pinned)]
        if trusts[0] != trusts[1]:
            return f"its fitting wheels are by others; a builder that is {trusts[1]} comes first"
        return "nothing forbids it alone; with the rest of the goal it does not fit, or costs more"

    def _trust(self, candidate: Candidate) -> str:
        if candidate.build is None:
            return ""
        trust = self._resolution.universe.trust(candidate.build)
        return "the project's own" if trust == "own" else trust

    def _refusal(self, elements: frozenset[Element]) -> tuple[int, str, str | None]:
        facts = ids_of(elements, "fact")
        if facts:
            fact = self._resolution.matrix.fact(facts[0])
            return 2, f"{fact.component} {fact.says}", fact.id
        parts = sorted(element.id for element in elements)
        if "builders" in parts:
            return 1, "its builder is not accepted by `--builders`", None
        if "exclude-newer" in parts:
            return 1, f"it was published after {self._resolution.goal.exclude_newer}", None
        return 1, f"it has no wheel for {self._facets(parts)}", None

    def _facets(self, parts: list[str]) -> str:
        target = self._resolution.target
        words = {
            "platform": target.platform_label,
            "glibc": f"glibc {target.glibc}",
            "python": f"Python {target.python_text}",
        }
        return " with ".join(word for part, word in words.items() if part in parts)

    def _unmet(
        self, candidate: Candidate, requirement: Requirement, other: Candidate
    ) -> tuple[int, str, str | None]:
        if requirement.origin.kind == "metadata":
            return 5, f"it requires {requirement}, and {other} is pinned", None
        fact = self._resolution.matrix.fact(requirement.origin.id)
        is_soft = fact_element(fact.id) in self._problem.soft_elements
        price = " (a warning)" if is_soft else ""
        return 5, f"{fact.component} {fact.says}, and {other} is pinned{price}", fact.id

    # -- what else would do -------------------------------------------------------------------

    def _other_builds(self, pinned: Candidate) -> Iterator[str]:
        """The builds of the same version that the goal has an answer with."""
        search = self._search
        domain = search.network.domains.get(pinned.name)
        if domain is None or pinned.name not in self._resolution.goal_names:
            return
        for candidate in domain.members(domain.all):
            is_other = candidate.version == pinned.version and candidate.build is not pinned.build
            if is_other and search.is_possible_with(candidate):
                yield f"{candidate.full_version} from {_place(candidate)}"

    @cached_property
    def _search(self) -> Search:
        resolution = self._resolution
        return Search(Problem(resolution.goal, resolution.target, resolution.universe))


def _place(candidate: Candidate) -> str:
    """Where a wheel lives, for people."""
    if candidate.build is None:
        return ""
    if candidate.build.builder is not None:
        return candidate.build.builder
    index = candidate.build.index
    return "the package index" if index == PACKAGE_INDEX else f"index {index}"


__all__ = ["Choice", "Chooser", "Passed"]

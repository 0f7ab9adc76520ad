"""The resolvelib provider: it translates, and decides nothing.

:class:`~cudalock.resolution.problem.Problem` knows what exists and what it asks for,
:mod:`~cudalock.resolution.cost` what is better; resolvelib searches. An identifier is a project's
name, with its extras in brackets where they were asked for, or a virtual component.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from resolvelib import (
    AbstractProvider,
    BaseReporter,
    ResolutionImpossible,
    ResolutionTooDeep,
    Resolver,
)

from cudalock.resolution.cost import closure_versions, component_key, component_order
from cudalock.resolution.limits import RESOLVELIB_DEAD_ENDS, RESOLVELIB_ROUNDS, WINDOWS_OF_CLOSURE
from cudalock.resolution.model import Assignment, Candidate, Requirement
from cudalock.resolution.propagation import ABSENT, Alive, Network
from cudalock.versions import pins_exactly

if TYPE_CHECKING:
    from cudalock.resolution.problem import Problem


class Provider(AbstractProvider[Requirement, Candidate, str]):
    """Offers what is still alive in the network, and the closure newest first."""

    def __init__(
        self,
        problem: Problem,
        network: Network,
        alive: Alive,
        cuda: str | None,
    ) -> None:
        self._problem = problem
        self._network = network
        self._alive = alive
        self._cuda = cuda
        self._order = {name: (0, *component_order(problem, name)) for name in (*network.domains,)}
        self._absent: dict[str, Candidate] = {}
        self._with_extras: dict[tuple[Candidate, frozenset[str]], Candidate] = {}
        self._dependencies: dict[Candidate, list[Requirement]] = {}

    def identify(self, requirement_or_candidate: Requirement | Candidate) -> str:
        return _identifier(requirement_or_candidate.name, requirement_or_candidate.extras)

    def narrow_requirement_selection(
        self,
        identifiers: Iterable[str],
        resolutions: Mapping[str, Candidate],
        candidates: Mapping[str, Iterator[Candidate]],
        information: Mapping[str, Iterator[Any]],
        backtrack_causes: Sequence[Any],
    ) -> Iterable[str]:
        # The members of the network before the closure, and of that what the last dead end was
        # about: told apart here once a round, and not in `get_preference` once a name.
        names = list(identifiers)
        members = [name for name in names if name in self._order]
        if members:
            return members
        causes = _about(backtrack_causes)
        return [name for name in names if name in causes] or names

    def get_preference(
        self,
        identifier: str,
        resolutions: Mapping[str, Candidate],
        candidates: Mapping[str, Iterator[Candidate]],
        information: Mapping[str, Iterator[Any]],
        backtrack_causes: Sequence[Any],
    ) -> tuple[object, ...]:
        # The members of the network in the order of the cost vector, then the closure: what is
        # pinned, what has an upper bound, the rest by name. Bound ones late in a large closure
        # would have the same conflict found again and again.
        place = self._order.get(identifier)
        if place is not None:
            return place
        asked = [each.requirement.specifiers for each in information[identifier]]
        bound = min(map(_looseness, asked), default=0)
        return (1, bound, identifier)

    def find_matches(
        self,
        identifier: str,
        requirements: Mapping[str, Iterator[Requirement]],
        incompatibilities: Mapping[str, Iterator[Candidate]],
    ) -> Callable[[], Iterator[Candidate]] | list[Candidate]:
        wanted = list(requirements[identifier])
        refused = set(incompatibilities[identifier])
        if not any(requirement.kind == "requires" for requirement in wanted):
            absent = self._absent.setdefault(identifier, Candidate(identifier, None))
            return [] if absent in refused else [absent]
        extras = wanted[0].extras
        # A withdrawn release is for those who name it alone. A domain has one only if the goal
        # names it, though of the goal's words the provider may have seen only looser ones so far.
        pinned = wanted[0].name in self._network.domains or pins_exactly(
            each for requirement in wanted for each in requirement.specifiers
        )

        def matches() -> Iterator[Candidate]:
            for candidate in self._offered(wanted[0].name, wanted):
                if candidate.is_withdrawn and not pinned:
                    continue
                if all(requirement.accepts(candidate) for requirement in wanted):
                    chosen = self._extended(candidate, extras)
                    if chosen not in refused:
                        yield chosen

        return matches

    def is_satisfied_by(self, requirement: Requirement, candidate: Candidate) -> bool:
        return requirement.accepts(candidate)

    def get_dependencies(self, candidate: Candidate) -> list[Requirement]:
        found = self._dependencies.get(candidate)
        if found is None:
            found = list(self._wants(candidate))
            self._dependencies[candidate] = found
        return found

    def _wants(self, candidate: Candidate) -> Iterator[Requirement]:
        if candidate.is_absent:
            return
        yield from self._problem.metadata(candidate)
        yield from self._problem.relations(candidate)
        if candidate.name == self._problem.matrix.framework:
            yield from self._problem.cuda_wishes()

    def _offered(self, name: str, wanted: list[Requirement]) -> Iterable[Candidate]:
        domain = self._network.domains.get(name)
        if domain is not None:
            alive = domain.members(self._alive[name] & ~ABSENT)
            alive.sort(key=lambda each: component_key(self._problem, each, self._cuda))
            favourite = self._problem.policy.favourites.get(name)
            if favourite is not None:
                alive.sort(key=lambda each: each.version != favourite)
            return alive
        return self._closure(name, wanted)

    def _closure(self, name: str, wanted: list[Requirement]) -> Iterator[Candidate]:
        project = self._problem.universe.project(name)
        # More than of a member of the network, all of which are looked at beforehand.
        window, seen = (project.window or 0) * WINDOWS_OF_CLOSURE if project is not None else 0, 0
        for version in closure_versions(self._problem, name, self._cuda):
            if not all(requirement.may_accept(version) for requirement in wanted):
                continue
            if project is not None and window and seen >= window:
                project.cut()
                return
            offered = [
                candidate
                for candidate in self._problem.candidates_at(name, version)
                if not self._problem.refusals(candidate)
            ]
            if len(offered) > 1:
                offered.sort(key=lambda each: component_key(self._problem, each, self._cuda))
            seen += bool(offered)
            yield from offered

    def _extended(self, candidate: Candidate, extras: frozenset[str]) -> Candidate:
        if not extras:
            return candidate
        key = (candidate, extras)
        if key not in self._with_extras:
            self._with_extras[key] = candidate.with_extras(extras)
        return self._with_extras[key]


@cache
def _looseness(specifiers: tuple[str, ...]) -> int:
    """0 for one version, 1 for a range that ends, 2 for one that does not."""
    if pins_exactly(specifiers):
        return 0
    return 1 if any(sign in text for text in specifiers for sign in ("<", "==", "~=")) else 2


def _about(causes: Sequence[Any]) -> set[str]:
    """The identifiers that a dead end was about."""
    names = {_identifier(cause.requirement.name, cause.requirement.extras) for cause in causes}
    return names | {
        _identifier(cause.parent.name, cause.parent.extras) for cause in causes if cause.parent
    }


def _identifier(name: str, extras: frozenset[str]) -> str:
    return f"{name}[{','.join(sorted(extras))}]" if extras else name


def _roots(problem: Problem, cuda: str | None) -> list[Requirement]:
    return [
        *problem.roots,
        *(requirement for requirement, _ in problem.fixed_requirements),
        *problem.option_roots(cuda),
    ]


class DeadEndCounter(BaseReporter[Requirement, Candidate, str]):
    """Stops resolvelib once it meets dead ends instead of coming to an end."""

    def __init__(self) -> None:
        self._left = RESOLVELIB_DEAD_ENDS

    def rejecting_candidate(self, criterion: Any, candidate: Candidate) -> None:
        self._left -= 1
        if self._left < 0:
            raise ResolutionTooDeep(RESOLVELIB_DEAD_ENDS)


def pin(problem: Problem, network: Network, alive: Alive, cuda: str | None) -> Assignment | None:
    """Let resolvelib choose among what is alive; None where there is no choice.

    Raises resolvelib's ResolutionTooDeep where it neither came to a choice nor to its end.
    """
    provider = Provider(problem, network, alive, cuda)
    resolver: Resolver[Requirement, Candidate, str] = Resolver(provider, DeadEndCounter())
    try:
        result = resolver.resolve(_roots(problem, cuda), max_rounds=RESOLVELIB_ROUNDS)
    except ResolutionImpossible:
        return None
    chosen = {key: each for key, each in result.mapping.items() if not each.is_absent}
    return Assignment(
        chosen,
        {
            identifier: tuple(
                (info.requirement, info.parent.name if info.parent else None)
                for info in criterion.information
                if info.requirement.kind == "requires"
            )
            for identifier, criterion in result.criteria.items()
        },
    )


__all__ = ["Provider", "pin"]

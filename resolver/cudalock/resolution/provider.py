"""The first driver: resolvelib, over the choices of :mod:`~cudalock.resolution.choices`.

It resolves what has few dead ends, as nearly everything in the matrix has. An identifier is a
project's name, with its extras in brackets where they are required, or a virtual component.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from resolvelib import (
    AbstractProvider,
    BaseReporter,
    ResolutionImpossible,
    ResolutionTooDeep,
    Resolver,
)

from cudalock.resolution.choices import FIXED, LOOSE, identify
from cudalock.resolution.limits import RESOLVELIB_DEAD_ENDS, RESOLVELIB_ROUNDS
from cudalock.resolution.model import Assignment, Candidate, Requirement
from cudalock.resolution.propagation import ANYTHING
from cudalock.versions import names_prerelease, pins_exactly

if TYPE_CHECKING:
    from cudalock.resolution.choices import Choices
    from cudalock.resolution.propagation import Alive


class Provider(AbstractProvider[Requirement, Candidate, str]):
    """Offers what is still alive in the network, and the closure newest first."""

    def __init__(self, choices: Choices, alive: Alive, cuda: str | None) -> None:
        self._choices = choices
        self._alive = alive
        self._cuda = cuda
        self._absent: dict[str, Candidate] = {}
        self._dependencies: dict[Candidate, list[Requirement]] = {}

    def identify(self, requirement_or_candidate: Requirement | Candidate) -> str:
        return identify(requirement_or_candidate.name, requirement_or_candidate.extras)

    def narrow_requirement_selection(
        self,
        identifiers: Iterable[str],
        resolutions: Mapping[str, Candidate],
        candidates: Mapping[str, Iterator[Candidate]],
        information: Mapping[str, Iterator[Any]],
        backtrack_causes: Sequence[Any],
    ) -> Iterable[str]:
        # The members of the network before the closure: told apart here once a round, and not in
        # `get_preference` once a name.
        names = list(identifiers)
        members = [name for name in names if name in self._choices.domains]
        if len(members or names) < 2:
            return members or names
        best: tuple[tuple[object, ...], str] | None = None
        for name in members or sorted(names):
            found = self.get_preference(
                name, resolutions, candidates, information, backtrack_causes
            )
            # In the order of names, nothing comes before what has one version left: a third of the
            # preferences need not be asked for.
            if found[0] == FIXED:
                return [name]
            if best is None or found < best[0]:
                best = found, name
        return [best[1]] if best else names

    def get_preference(
        self,
        identifier: str,
        resolutions: Mapping[str, Candidate],
        candidates: Mapping[str, Iterator[Candidate]],
        information: Mapping[str, Iterator[Any]],
        backtrack_causes: Sequence[Any],
    ) -> tuple[object, ...]:
        # Of what was required before a dead end and is not any more, no information is left.
        wanted = [cause.requirement for cause in information[identifier]]
        if not any(requirement.kind == "requires" for requirement in wanted):
            # It stays absent, and to read the project would cost time.
            return (LOOSE, 0, "", identifier)
        name = wanted[0].name
        allowed = ANYTHING if name in self._choices.domains else self._accepted(wanted)
        return (*self._choices.urgency(name, allowed), identifier)

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

        def matches() -> Iterator[Candidate]:
            for candidate in self._offered(wanted):
                if all(requirement.accepts(candidate) for requirement in wanted):
                    chosen = self._choices.with_extras(candidate, wanted[0].extras)
                    if chosen not in refused:
                        yield chosen

        return matches

    def is_satisfied_by(self, requirement: Requirement, candidate: Candidate) -> bool:
        return requirement.accepts(candidate)

    def get_dependencies(self, candidate: Candidate) -> list[Requirement]:
        found = self._dependencies.get(candidate)
        if found is None:
            found = list(self._choices.required_by(candidate))
            self._dependencies[candidate] = found
        return found

    def _offered(self, wanted: list[Requirement]) -> Iterator[Candidate]:
        name, choices = wanted[0].name, self._choices
        if choices.is_member(name):
            candidates = choices.domains[name].candidates
            for position in choices.best_first(name, self._alive[name], self._cuda):
                yield candidates[position]
            return
        # A yanked release is for those who pin it.
        specifiers = [text for requirement in wanted for text in requirement.specifiers]
        is_pinned, takes_early = pins_exactly(specifiers), names_prerelease(specifiers)
        releases, early = choices.releases(name), []
        for bit, offered in releases.in_order(self._accepted(wanted), self._cuda):
            if not offered or (offered[0].is_yanked and not is_pinned):
                continue
            if releases.is_early(bit):
                early.append(bit)
            else:
                yield from choices.builds(name, bit, self._cuda)
        for bit in early if takes_early else ():
            yield from choices.builds(name, bit, self._cuda)

    def _accepted(self, wanted: list[Requirement]) -> int:
        allowed = ANYTHING
        for requirement in wanted:
            allowed &= self._choices.accepted(requirement)
        return allowed


class DeadEndCounter(BaseReporter[Requirement, Candidate, str]):
    """Stops resolvelib where it meets dead ends instead of coming to an end."""

    def __init__(self) -> None:
        self._left = RESOLVELIB_DEAD_ENDS

    def rejecting_candidate(self, criterion: Any, candidate: Candidate) -> None:
        # resolvelib has no bound on dead ends, so its reporter raises.
        self._left -= 1
        if self._left < 0:
            raise ResolutionTooDeep(RESOLVELIB_DEAD_ENDS)


def pin(choices: Choices, alive: Alive, cuda: str | None) -> Assignment | None:
    """Let resolvelib choose among what is alive; None where there is no choice.

    Raises resolvelib's ResolutionTooDeep where it neither came to a choice nor to its end.
    """
    provider = Provider(choices, alive, cuda)
    resolver: Resolver[Requirement, Candidate, str] = Resolver(provider, DeadEndCounter())
    try:
        roots = [*choices.roots(), *choices.options(cuda)]
        result = resolver.resolve(roots, max_rounds=RESOLVELIB_ROUNDS)
    except ResolutionImpossible:
        return None
    except RecursionError as error:
        # Projects that require one another and that a given-up candidate led to: resolvelib follows
        # them to the goal without noting where it was.
        raise ResolutionTooDeep(RESOLVELIB_ROUNDS) from error
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

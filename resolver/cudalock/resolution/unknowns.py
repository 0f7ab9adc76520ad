"""What nobody knows about a candidate: it is neither a reason to take it nor one to refuse it.

A wheel may be derived from a build script and seen by nobody. A fact may read a label that the
wheel's row lacks: a build without a list of GPU architectures neither runs on a GPU nor fails
there, as far as anybody knows. A choice without unknowns comes first, one with them is taken with a
warning that names them, and what is known to fail is never taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from cudalock.matrix.facts import DIST, NONE, VERSION
from cudalock.matrix.releases import PLACE
from cudalock.records import NamedTuple
from cudalock.resolution.elements import fact_element
from cudalock.versions import pins_exactly

if TYPE_CHECKING:
    from cudalock.matrix.facts import Fact
    from cudalock.resolution.elements import Element
    from cudalock.resolution.model import Candidate

_PURE: Final = "-none-any"
"""How the tags of a wheel end that holds no compiled code."""


class UnknownClause(NamedTuple):
    """A fact that reads labels of a wheel, or is about wheels with a label, and a wheel that lacks
    it."""

    fact: Fact
    about: str
    """the component that the fact constrains: `gpu`, `torch`, `cxx11abi`"""


class FactsInForce(Protocol):
    """What a :class:`~cudalock.resolution.problem.Problem` says of facts and the target."""

    @property
    def soft_elements(self) -> frozenset[Element]: ...
    @property
    def target_values(self) -> Mapping[str, Sequence[Candidate]]: ...
    def facts_in_force(self, name: str) -> Sequence[Fact]: ...
    def facts_on(self, candidate: Candidate) -> Iterator[Fact]: ...
    def facts_perhaps_on(self, candidate: Candidate) -> Iterator[Fact]: ...
    def is_fixed(self, owner: str, other: str) -> bool: ...
    def is_guiding(self, fact: Fact) -> bool: ...
    def refusals(self, candidate: Candidate) -> Sequence[frozenset[Element]]: ...


class Unknowns:
    """What is unknown, and what is warned of, about the candidates of one problem."""

    def __init__(self, problem: FactsInForce) -> None:
        self._problem = problem
        self._clauses: dict[Candidate, tuple[UnknownClause, ...]] = {}
        self._about: dict[str, frozenset[str]] = {}
        self._soft_facts: dict[str, frozenset[Element]] = {}

    # -- unknown ----------------------------------------------------------------------------------

    def count_clauses(self, candidate: Candidate, build: Candidate | None = None) -> int:
        """Return how many facts read a label that a candidate's wheel lacks.

        ``build`` is the framework's build beside it. Without one, what depends on it does not
        count.
        """
        return len(self.clauses_beside(candidate, build))

    def clauses_beside(
        self, candidate: Candidate, build: Candidate | None
    ) -> tuple[UnknownClause, ...]:
        """Return the unknown clauses that matter on this target and beside the framework's build.

        For the framework itself ``build`` is None: its build fixes what others ask about.
        """
        about = self._read_about(candidate.name)
        if not about or (build is None and about.isdisjoint(self._problem.target_values)):
            return ()
        clauses = self._clauses.get(candidate)
        if clauses is None:
            clauses = self._clauses[candidate] = tuple(self._find_clauses(candidate))
        return tuple(clause for clause in clauses if self._matters(clause, build))

    def _find_clauses(self, candidate: Candidate) -> Iterator[UnknownClause]:
        wheel = candidate.wheel
        # A build for no accelerator has no list of GPUs, and nothing is unknown about that.
        if wheel is None or wheel.tags.endswith(_PURE) or candidate.accelerator == NONE:
            return
        # Two facts may read two labels about one component, of which a wheel has one: the torch
        # that it was built with, or the oldest torch that its stable ABI supports.
        known: set[str] = set()
        unknown: dict[str, Fact] = {}
        for fact in self._problem.facts_on(candidate):
            for demand in (*fact.beside, *fact.of_machine):
                about, patterns = demand.template.name, demand.template.patterns
                labels = [name for name in demand.template.label_names if name != VERSION]
                if any(not candidate.row(name) for name in labels):
                    unknown.setdefault(about, fact)
                elif labels or pins_exactly(patterns):
                    known.add(about)
        # A label that decides whether a fact is about a wheel at all, as `cuda` of torchaudio is.
        for fact in self._problem.facts_perhaps_on(candidate):
            for demand in (*fact.beside, *fact.of_machine):
                unknown.setdefault(demand.template.name, fact)
        for about, fact in unknown.items():
            if about not in known and not self._problem.is_fixed(candidate.name, about):
                yield UnknownClause(fact, about)

    def _matters(self, clause: UnknownClause, build: Candidate | None) -> bool:
        """Return whether what a clause is about is known, so that it could be kept or broken."""
        if clause.about in self._problem.target_values:
            return True
        if build is None:
            return False
        row = build.row(clause.about)
        return clause.about == build.name or bool(row and row[0] != NONE)

    def _read_about(self, name: str) -> frozenset[str]:
        """Return the components that facts about a project constrain by labels of its wheels."""
        about = self._about.get(name)
        if about is None:
            about = self._about[name] = frozenset(
                demand.template.name
                for fact in self._problem.facts_in_force(name)
                for demand in (*fact.beside, *fact.of_machine)
                if any(label != VERSION for label in demand.template.label_names)
                or not fact.where.keys() <= {*PLACE, DIST}
            )
        return about

    # -- warned of --------------------------------------------------------------------------------

    def soft_facts(self, name: str) -> frozenset[Element]:
        """Return the facts about a component that may be dropped at the price of a warning of its
        own, and not of the framework's."""
        soft = self._soft_facts.get(name)
        if soft is None:
            problem = self._problem
            own = (fact for fact in problem.facts_in_force(name) if not problem.is_guiding(fact))
            elements = frozenset(fact_element(fact.id) for fact in own)
            soft = self._soft_facts[name] = elements & problem.soft_elements
        return soft

    def count_faults(self, candidate: Candidate) -> int:
        """Return whether nobody has seen a wheel or its like, and how many soft facts warn of the
        wheel itself, wherever it is used."""
        return candidate.is_unseen + len(self._faults(candidate))

    def _faults(self, candidate: Candidate) -> list[Fact]:
        soft = self.soft_facts(candidate.name)
        return [
            fact
            for fact in (self._problem.facts_on(candidate) if soft else ())
            if fact.refuses and fact_element(fact.id) in soft
        ]

    def count_warnings(
        self, candidate: Candidate, violated: frozenset[Element] | None = None
    ) -> int:
        """Return how many warnings a candidate has beside its faults.

        ``violated`` are the soft facts about it that are gone against; without them it counts what
        the target decides.
        """
        warnings = int(candidate.build is not None and candidate.build.warning is not None)
        soft = self.soft_facts(candidate.name)
        if soft:
            if violated is None:
                refusals = self._problem.refusals(candidate)
                violated = soft & {element for elements in refusals for element in elements}
            warnings += len(violated) - len(self._faults(candidate))
        return warnings

    def is_doubtful(self, candidate: Candidate) -> bool:
        """Return whether something is unknown about a wheel by itself, or it has a known trap."""
        return candidate.is_doubtful or self.count_clauses(candidate) > 0

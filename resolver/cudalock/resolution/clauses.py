"""Clause learning: a search that never tries again what it once found to be impossible.

Every name stands for a choice of one among several, the bits of an integer, of which
:data:`ABSENT` is to do without. What cannot be together is a :class:`Clause`. A name that cannot be
absent is chosen for, the most urgent first and the best first, and what a choice requires becomes
clauses. A dead end is traced back to the choices that lead there (conflict-driven learning, as in
PubGrub): they become another clause, and the search goes back to where that one decides something.

    torch=2.5 requires triton=3.1, and unsloth=2024.8 requires triton=3.0. Chosen are torch=2.5,
    then numpy, then unsloth=2024.8: a dead end. Resolving the two clauses on triton gives
    {torch=2.5, unsloth=2024.8}: numpy has no part in it, so the search goes back to torch and
    rules unsloth 2024.8 out beside it, for good.

What is *assumed* holds for one search. Clauses hold for all of them, those learned from a search
included, so that the next one, under other assumptions, begins with what this one found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from heapq import heappop, heappush
from typing import Final, Protocol

from cudalock.records import NamedTuple
from cudalock.resolution.propagation import ABSENT, ANYTHING

FOR_EVER: Final = 0
ASSUMED: Final = 1
"""Levels of the trail; a choice is at a level above these."""


class Clause:
    """Choices that cannot be together: for each name a set, of which one is chosen."""

    __slots__ = ("others", "terms")

    def __init__(self, terms: dict[str, int], others: frozenset[str] = frozenset()) -> None:
        self.terms = terms
        self.others = others
        """the names that a learned clause rests on beside its terms"""

    @property
    def names(self) -> frozenset[str]:
        """Every name that it rests on."""
        return self.others.union(self.terms)


class TooLong(Exception):
    """More dead ends than there is time for."""


class Chooser(Protocol):
    """What there is to choose from."""

    def urgency(self, name: str, allowed: int) -> tuple[object, ...]:
        """Return how early a name is chosen for, the least first: always the same for the same
        two."""

    def best(self, name: str, allowed: int) -> tuple[int, int]:
        """Return the bit of the best choice, 0 if there is none, and those that turned out to be no
        choices at all."""

    def clauses_of(self, name: str, bit: int, chosen: Callable[[str], int]) -> Iterable[Clause]:
        """Yield what has to be known before a choice is made, and was not yielded before; `chosen`
        returns the bit that is chosen for a name, 0 without one."""


class _Step(NamedTuple):
    """One entry of the trail: what narrowed the choices of a name, and what they were before."""

    name: str
    before: int
    level: int
    cause: Clause | None


class Learner:
    """One question, searched as often as it takes."""

    def __init__(self, choices: Chooser) -> None:
        self._choices = choices
        self._single: dict[tuple[str, int], list[Clause]] = {}
        """the clauses with a term of one choice, by the term"""
        self._several: dict[str, dict[int, list[Clause]]] = {}
        """the others, by a name and the term's set"""
        self._alone: list[Clause] = []
        """clauses of one name"""
        self.dead_ends = 0
        self.made = 0
        """how many choices were made"""
        self.blamed: frozenset[str] = frozenset()
        """the names that it rests on that the last search found no choice"""
        self._begin()

    def _begin(self) -> None:
        self._allowed: dict[str, int] = {}
        self._trail: list[_Step] = []
        self._history: dict[str, list[tuple[int, int]]] = {}
        self._changed: dict[str, int] = {}
        """what was narrowed and not propagated so far, and what was allowed before"""
        self._added: list[tuple[int, Clause]] = []
        """the clauses that were added since a choice was made, and at which level"""
        self._level = FOR_EVER
        self._chosen_at: dict[str, int] = {}
        self._waiting: list[tuple[tuple[object, ...], str, int]] = []
        """a heap of the names to choose for, each with what was allowed when it got its urgency"""
        self._touched: dict[str, None] = {}
        """the names whose place in the heap has to be looked at again"""

    def add(self, clause: Clause) -> None:
        """Note a clause."""
        if self._level > ASSUMED:
            self._added.append((self._level, clause))
        self._index(clause)

    def _index(self, clause: Clause) -> None:
        if len(clause.terms) == 1:
            self._alone.append(clause)
        for name, mask in clause.terms.items():
            # A term of one choice is found by the choice itself: most clauses have one, "this
            # release requires".
            if mask > 0 and not mask & (mask - 1):
                self._single.setdefault((name, mask), []).append(clause)
            else:
                self._several.setdefault(name, {}).setdefault(mask, []).append(clause)

    def search(self, assumed: Mapping[str, int], most: int) -> dict[str, int] | None:
        """Return the bit chosen for each name that is present, in the order of choosing; None if
        nothing is possible.

        Raises TooLong after ``most`` dead ends.
        """
        self._begin()
        most += self.dead_ends
        # A contradiction before any choice: nothing is possible under the assumptions.
        if self._start(assumed) is not None:
            return None
        while True:
            name = self._most_urgent()
            if name is None:
                return {name: self._allowed[name] for name in self._chosen_at}
            dead_end = self._choose(name) or self._propagate()
            while dead_end is not None:
                self.dead_ends += 1
                if self.dead_ends > most:
                    raise TooLong
                learned = self._learn(dead_end)
                if learned is None:
                    return None
                dead_end = self._apply(learned) or self._catch_up() or self._propagate()

    def _start(self, assumed: Mapping[str, int]) -> Clause | None:
        """What contradicts the assumptions, if anything does."""
        for clause in self._alone:
            # Clauses of one name hold from the start, and nothing would ever trigger them.
            if (dead_end := self._apply(clause)) is not None:
                self._blame(dead_end.names)
                return dead_end
        if (dead_end := self._propagate()) is not None:
            self._blame(dead_end.names)
            return dead_end
        self._level = ASSUMED
        for name, mask in assumed.items():
            if not self._allowed.get(name, ANYTHING) & mask:
                self._blame(frozenset([name]))
                return Clause({name: ~mask})
            self._narrow(name, mask, None)
        dead_end = self._propagate()
        if dead_end is not None:
            self._learn(dead_end)
        return dead_end

    def _most_urgent(self) -> str | None:
        # To ask all names for their urgency before each choice took a third of the time of a file
        # with 200 pins. What the heap has of a name counts while the same is allowed of it.
        chosen, allowed, waiting = self._chosen_at, self._allowed, self._waiting
        for name in self._touched:
            mask = allowed.get(name, ANYTHING)
            if not mask & ABSENT and name not in chosen:
                heappush(waiting, (self._choices.urgency(name, mask), name, mask))
        self._touched.clear()
        while waiting:
            _, name, mask = waiting[0]
            if allowed.get(name) == mask and name not in chosen:
                return name
            heappop(waiting)
        return None

    # -- choosing ---------------------------------------------------------------------------------

    def _choose(self, name: str) -> Clause | None:
        """Choose the best, unless what it requires is known to be impossible: then that is noted,
        nothing is chosen, and the violated clause is returned."""
        bit, no_choices = self._choices.best(name, self._allowed[name])
        if no_choices:
            clause = Clause({name: no_choices})
            self.add(clause)
            return self._apply(clause)
        # Add all of them before applying one: they are given only once.
        clauses = list(self._choices.clauses_of(name, bit, self._chosen))
        for clause in clauses:
            self.add(clause)
        for clause in clauses:
            if (dead_end := self._apply(clause)) is not None:
                return dead_end
        allowed = self._allowed[name]
        # A clause has ruled the choice out; the loop in `search` chooses again.
        if not allowed & bit:
            return None
        # A choice that was forced needs no level of its own: there is nothing to go back on.
        if allowed != bit:
            self._level += 1
            self._narrow(name, bit, None)
        self._chosen_at[name] = self._level
        self.made += 1
        return None

    def _chosen(self, name: str) -> int:
        return self._allowed[name] if name in self._chosen_at else 0

    def _narrow(self, name: str, mask: int, cause: Clause | None) -> None:
        before = self._allowed.get(name, ANYTHING)
        after = before & mask
        if after == before:
            return
        self._history.setdefault(name, []).append((len(self._trail), after))
        self._trail.append(_Step(name, before, self._level, cause))
        self._allowed[name] = after
        self._touched[name] = None
        self._changed.setdefault(name, before)

    def _propagate(self) -> Clause | None:
        """Narrow until nothing changes; a clause that is violated then, if one is.

        A clause can only have become decisive if one of its terms holds from now on, so the clauses
        are found by the terms that a narrowed name newly meets. To look at all of a name's clauses
        took three quarters of a search's time.
        """
        while self._changed:
            name, before = next(iter(self._changed.items()))
            del self._changed[name]
            after = self._allowed[name]
            clauses = self._single.get((name, after), [])
            for mask, others in self._several.get(name, {}).items():
                if not after & ~mask and before & ~mask:
                    clauses = [*clauses, *others]
            for clause in clauses:
                if (dead_end := self._apply(clause)) is not None:
                    self._changed.clear()
                    return dead_end
        return None

    def _catch_up(self) -> Clause | None:
        """Apply what was added at levels that the search went back from: there it was propagated,
        and that was undone."""
        later = []
        while self._added and self._added[-1][0] > self._level:
            later.append(self._added.pop()[1])
        if self._level > ASSUMED:
            self._added += [(self._level, clause) for clause in reversed(later)]
        for clause in reversed(later):
            if (dead_end := self._apply(clause)) is not None:
                self._changed.clear()
                return dead_end
        return None

    def _apply(self, clause: Clause) -> Clause | None:
        """Where all but one of a clause's choices are made, rule the last one out; the clause
        itself where all are made."""
        allowed = self._allowed
        open_term: tuple[str, int] | None = None
        for name, mask in clause.terms.items():
            left = allowed.get(name, ANYTHING)
            if left & ~mask:
                if open_term is not None or not left & mask:
                    return None
                open_term = (name, mask)
        if open_term is None:
            return clause
        self._narrow(open_term[0], ~open_term[1], clause)
        return None

    # -- learning ---------------------------------------------------------------------------------

    def _learn(self, dead_end: Clause) -> Clause | None:
        """The clause that is to be learned from a violated one; the search goes back to where it
        decides something. None where nothing is left to go back to."""
        terms = dead_end.terms
        passed = dead_end.others
        while True:
            since = {name: self._since(name, mask) for name, mask in terms.items()}
            # What holds for ever needs no mention in a clause.
            since = {
                name: place
                for name, place in since.items()
                if place >= 0 and self._trail[place].level > FOR_EVER
            }
            if len(since) < len(terms):
                passed = passed.union(terms)
            terms = {name: terms[name] for name in since}
            if not terms:
                self._blame(passed)
                return None
            last = max(since, key=lambda name: since[name])
            step = self._trail[since[last]]
            others = [place for name, place in since.items() if name != last]
            cause = step.cause
            if cause is not None:
                # It may take an earlier step too to leave of the last name what the clause says.
                rest = terms[last] | cause.terms[last]
                if ~cause.terms[last] & ~terms[last]:
                    others.append(self._since(last, rest))
            before = max((self._trail[place].level for place in others if place >= 0), default=0)
            # An assumption has no cause to resolve with. The terms contradict the assumptions,
            # which is learned for the next search.
            if step.level == ASSUMED:
                if cause is None:
                    self._blame(passed.union(terms))
                    self._go_back(FOR_EVER)
                    self.add(Clause(terms, passed))
                    return None
            # The first unique implication point: only one choice of this level is left in the
            # clause.
            elif cause is None or before < step.level:
                clause = Clause(terms, passed)
                self._go_back(max(before, ASSUMED))
                # Not among the added ones, of which those of higher levels are still on top: a
                # search that goes back further undoes one of its terms, and meets it again there.
                self._index(clause)
                return clause
            assert cause is not None
            terms = _resolved(terms, cause.terms, last)
            passed = passed | cause.others | {last}

    def _blame(self, names: frozenset[str]) -> None:
        """Remember names, and those that made them what they are."""
        blamed = set(names)
        for step in reversed(self._trail):
            if step.name in blamed and step.cause is not None:
                blamed |= step.cause.names
        self.blamed = frozenset(blamed)

    def _since(self, name: str, mask: int) -> int:
        """The place in the trail since which a name's choice is inside a set; -1 without one, or
        where it always was."""
        if mask == ANYTHING:
            return -1
        for place, after in self._history.get(name, ()):
            if not after & ~mask:
                return place
        return -1

    def _go_back(self, level: int) -> None:
        while self._trail and self._trail[-1].level > level:
            step = self._trail.pop()
            self._allowed[step.name] = step.before
            self._touched[step.name] = None
            self._history[step.name].pop()
        for name in [chosen for chosen, at in self._chosen_at.items() if at > level]:
            del self._chosen_at[name]
            self._touched[name] = None
        self._level = level
        self._changed.clear()


def _resolved(terms: Mapping[str, int], cause: Mapping[str, int], name: str) -> dict[str, int]:
    """Resolve two clauses on a name: return what cannot be together whatever is chosen for it."""
    together = {other: mask for other, mask in terms.items() if other != name}
    for other, mask in cause.items():
        if other != name:
            together[other] = together.get(other, ANYTHING) & mask
    if (either := terms[name] | cause[name]) != ANYTHING:
        together[name] = either
    return together

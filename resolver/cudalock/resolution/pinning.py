"""The search that takes over where resolvelib goes round in circles, as it does in large closures.

Who does what: :mod:`clauses` searches, and learns of each dead end; :mod:`choices` says what there
is to choose from and what each choice asks for, :mod:`releases` so of one project of the closure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.resolution.choices import ProblemChoices
from cudalock.resolution.clauses import Learner, TooLong
from cudalock.resolution.limits import DEAD_ENDS, QUICK_DEAD_ENDS
from cudalock.resolution.releases import PassedOver

if TYPE_CHECKING:
    from cudalock.resolution.model import Assignment, Requirement
    from cudalock.resolution.problem import Problem
    from cudalock.resolution.propagation import Alive, Network


class Pinning:
    """The choices of one problem, with what was learned of them. Each search may see a part of the
    network alone."""

    def __init__(self, problem: Problem, network: Network) -> None:
        self._problem = problem
        self._network = network
        self._pinned: dict[str, int] = {}
        self.made = 0
        """how many choices were made"""
        self.dead_ends = 0
        self._restart()

    def _restart(self) -> None:
        self._choices = ProblemChoices(self._problem, self._network, self._pinned)
        self._learner = Learner(self._choices)
        for clause in self._choices.roots():
            self._learner.add(clause)

    def pin(self, alive: Alive, cuda: str | None) -> Assignment | None:
        """The best choice among what is alive; None where there is no choice, or where none was
        found in as much time as there is, which the problem then remembers."""
        most = self._problem.policy.max_dead_ends or DEAD_ENDS
        if not self._problem.universe.is_whole:
            most = min(QUICK_DEAD_ENDS, most)
        options = tuple(self._problem.option_roots(cuda))
        try:
            found = self._search(alive, cuda, options, most)
        except TooLong:
            self._problem.gave_up = True
            return None
        return None if found is None else self._choices.result(found, options)

    def is_hopeless(self, alive: Alive) -> bool:
        """Whether a short search proves that there is no choice among what is alive, options apart.

        What it learns is known to every search after it.
        """
        try:
            return self._search(alive, None, (), QUICK_DEAD_ENDS) is None
        except TooLong:
            return False

    def _search(
        self, alive: Alive, cuda: str | None, options: tuple[Requirement, ...], most: int
    ) -> dict[str, int] | None:
        while True:
            learner, choices = self._learner, self._choices
            before = learner.made, learner.dead_ends
            choices.cuda = cuda
            try:
                for clause in choices.wanted(options):
                    learner.add(clause)
                return learner.search(choices.assumed(alive, options), most)
            except PassedOver:
                # A withdrawn release was passed over, and now somebody pins it.
                self._restart()
            finally:
                self.made += learner.made - before[0]
                self.dead_ends += learner.dead_ends - before[1]


__all__ = ["Pinning"]

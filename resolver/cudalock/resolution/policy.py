"""What an existing environment or file changes about a query."""

from __future__ import annotations

from collections.abc import Container, Hashable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cudalock.goals import Goal
    from cudalock.resolution.elements import Element
    from cudalock.resolution.model import Candidate, Requirement


class Policy:
    """The decisions of a :class:`~cudalock.resolution.problem.Problem` that depend on what is
    there already.

    By itself it is the policy of a goal that is solved from scratch. `cudalock check` has one for
    pins that are only checked, `cudalock solve --keep` one for an environment that is preserved.
    """

    reads_aliases: bool = True
    """Whether a name means its alias on the target (`triton` is `triton-windows` on Windows), as it
    does in a goal."""

    favourites: Mapping[str, str] = {}
    """Project name to the public version that is taken before newer ones where nothing else
    decides."""

    max_dead_ends: int | None = None
    """Dead ends after which a search gives up; None for the usual number."""

    def wants_accelerator(self, goal: Goal) -> bool:
        """Return whether the goal's wish for CUDA, or for none, counts."""
        return True

    def source_allowed(self, candidate: Candidate) -> bool:
        """Return whether a wheel is from where its project has to come from."""
        return True

    def candidates_key(self, name: str) -> Hashable | None:
        """Return what a policy's answers about the wheels of a project depend on; None where they
        are its own, and not to be shared with other policies of its class."""
        return () if type(self) is Policy else None

    def source_key(self, candidate: Candidate) -> str | None:
        """Return what :meth:`source_allowed` depends on besides index, builder, Python and tags:
        candidates of one project that agree in all of these get one answer."""
        return None

    def option_applies(self, option: Element, name: str) -> bool:
        """Return whether `--builders` or `--exclude-newer` can rule out wheels of a project."""
        return True

    def requirement_counts(self, candidate: Candidate, requirement: Requirement) -> bool:
        """Return whether a requirement of a candidate's metadata has to be met."""
        return True

    def is_fixed(self, owner: str, other: str, machine: Container[str]) -> bool:
        """Return whether what facts about one component require of another is decided already.

        With the same name twice: whether the component may be installed at all. ``machine`` are the
        parts of the target that are known, such as `gpu`.
        """
        return False


FROM_SCRATCH = Policy()

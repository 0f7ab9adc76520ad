"""The bounds of the search, each with the measurement or the reason that set it.

A bound that stops a search without an answer or a proof is reported as such (`GaveUp`), never as
"no solution"; a bound on what is looked at only makes the engine look again, with more.
"""

from __future__ import annotations

from typing import Final

RESOLVELIB_DEAD_ENDS: Final = 3
"""Candidates that resolvelib may reject before the clause-learning search takes over.

Of a dead end resolvelib knows the last cause alone, so in a large closure it meets the same
conflict again and again. 400 random goals over 20 components, the same answers each time: 128 s of
CPU and 64 s for the worst goal with 600 rounds, 83 s and 11 s with 200, 65 s and 8.7 s with 80,
52 s and 6.6 s with 30. To count dead ends instead of rounds lets it finish what has none, which is
almost every goal on the framework alone: of 60 goals with large closures, the same answers each
time, 6.6 s with 30 rounds, 8.9 s with 40 dead ends, 7.7 s with 10, 5.5 s with none."""

RESOLVELIB_ROUNDS: Final = 600
"""Rounds of resolvelib, each of which pins one project. A guard: the largest closure that the
matrix leads to has some 200 projects."""

DEAD_ENDS: Final = 4_000
"""Dead ends after which the clause-learning search gives up on one build of the framework.

Answers take none as a rule; those of a large closure take some tens, the worst known one 323
(torchao and unsloth without CUDA on Windows)."""

QUICK_DEAD_ENDS: Final = 300
"""The same where a longer search is not worth its time: where an index may still show more
releases, and for the proof that a goal is impossible whatever the build, which is optional."""

BLAMED_BUILDS: Final = 8
"""Builds of the framework beside which it is seen what the lack of a solution rests on, where that
differs between builds: the best ones, which are what people ask for."""

WINDOWS_OF_CLOSURE: Final = 4
"""How many windows of releases are looked at of a project outside of the network, to the one of a
member (`Project.window`): a member's releases are all read before the search begins, those of
others only as far as the search gets."""

RELEASES_OF_CLOSURE: Final = 128
"""Releases of such a project that the clause-learning search looks at, however wide the window."""

READ_AHEAD_AFTER: Final = 2
"""Releases of a listed project that the search had to look at before the next ones are read in
advance: most projects need one, and each costs a request."""

READ_AHEAD: Final = 16
"""Releases whose metadata is then read at once, at most; the number doubles up to it."""

SHARED_TARGETS: Final = 40
"""Targets of which it is kept what problems share: `check` tries a fix on all that a file may be
for, six Pythons on four platforms, one after the other, and again for the next fix."""

UNREACHABLE_HOPS: Final = 3
"""How many requirements away from the goal a project without a wheel is looked for."""

UNREACHABLE_RELEASES: Final = 8
"""Releases of a project that are looked at for that; beyond them nothing is claimed."""

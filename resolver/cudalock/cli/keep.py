"""`cudalock solve --keep` and `--image`: what to add to what is there for a goal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from cudalock.errors import Contradiction, UsageError
from cudalock.text import shell_word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cudalock.cli.options import GoalOptions, OutputOptions
    from cudalock.environment import Inventory, Layout
    from cudalock.goals import Query
    from cudalock.lock import Lock
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.overlay import Overlay
    from cudalock.matrix.universe import Universe

FORMATS = ("requirements", "json", "constraints", "overrides", "dockerfile", "notebook")
"""Those that hold a part of an environment as well as a whole one."""


class Kept(NamedTuple):
    """What is there and stays: an environment, or an image."""

    layout: Layout
    inventory: Inventory
    path: str
    """as typed"""
    labels: Mapping[str, str] = MappingProxyType({})
    """those that are known of the framework's build without a look at its files"""
    names: tuple[str, ...] = ()
    """what stays where `--keep` says nothing, and as much of the rest as possible"""

    def overlay(self, matrix: Matrix) -> Overlay:
        """Return rows for what is there and the matrix lacks."""
        from cudalock.keep import foreign_overlay

        return foreign_overlay(self.layout, self.inventory, matrix, self.labels)


def read_environment(options: GoalOptions) -> Kept:
    """Return the environment of `--python`, else the active one. Raises UsageError for none."""
    from cudalock.environment import read_inventory

    layout, path = _environment(options)
    return Kept(layout, read_inventory(layout.site_packages), path)


def build_additions(
    queries: tuple[Query, ...],
    universe: Universe,
    kept: Kept,
    keep: Sequence[str],
    output_options: OutputOptions,
    command: str | None = None,
) -> Lock:
    """Return the lock of the packages to add to an environment, or to change, for a goal.

    `keep` are the texts of `--keep`: names, or `all`; without one, what `kept` says. `command` is
    recorded where it is not a solve that makes the lock. Raises NoSolution and GaveUp, and a
    UsageError of some kind for what is kept.
    """
    from cudalock.compat.installed import ExaminedEnvironment
    from cudalock.environment import Machine
    from cudalock.environment.gpu import Gpu
    from cudalock.goals import one_target
    from cudalock.keep import KeepRequest, keep_command, lock_additions

    goal, target = one_target(queries)
    layout, inventory, path = kept.layout, kept.inventory, kept.path
    machine = Machine(
        # A target has architectures, and no names of cards.
        tuple(Gpu(capability, capability) for capability in target.gpus),
        target.driver,
    )
    is_stated = "glibc" in target.stated
    layout = replace(layout, glibc=target.glibc) if is_stated else layout
    subject = ExaminedEnvironment(
        layout, inventory, machine, universe, machine_overridden=is_stated
    )
    request = KeepRequest(subject, goal, _words(keep or kept.names))
    words = [keep_command(request, path), *map(shell_word, output_options.words)]
    lock = lock_additions(request, command or " ".join(words))
    return replace(lock, image=layout.image)


def _environment(options: GoalOptions) -> tuple[Layout, str]:
    """Return the environment of `--python`, else the active one, and its path as typed."""
    from cudalock.environment import active_layout, find_layout

    if options.platforms:
        raise Contradiction("`--keep` uses the platform of the environment: leave out `--platform`")
    named = options.pythons
    if len(named) > 1:
        raise Contradiction("`--keep` needs one environment, and `--python` names several")
    if not named:
        layout = active_layout()
        return layout, str(layout.prefix)
    path = Path(named[0])
    if not path.exists():
        raise UsageError(
            f"`--keep` needs an environment, and there is none at `{named[0]}`",
            hints=["--python .venv"],
        )
    return find_layout(path), named[0]


def _words(texts: Sequence[str]) -> tuple[str, ...]:
    words = [word.strip() for text in texts for word in text.split(",")]
    return tuple(dict.fromkeys(word for word in words if word))


def check_format(name: str) -> None:
    """Raises Contradiction for a format that holds a whole environment or nothing."""
    if name not in FORMATS:
        raise Contradiction(
            f"`--keep` writes what to add, and `{name}` describes a whole environment",
            hints=[f"--format {known}" for known in FORMATS],
        )

"""Which wheels are built for one release of the framework: facts and METADATA say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cudalock.matrix.facts import VERSION
from cudalock.versions import leading_name, parse_requirement, pins_exactly

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cudalock.matrix.facts import Demand, Fact
    from cudalock.matrix.matrix import Matrix

PURE: Final = "-none-any"
"""How the tags of a wheel end that holds no compiled code."""


def tying_facts(matrix: Matrix, facts: Iterable[Fact]) -> Iterator[Fact]:
    """Yield those of some facts by which a wheel fits one release of the framework, the one that a
    label of the wheel names."""
    return (fact for fact in facts if any(_ties(matrix, demand) for demand in fact.beside))


def tying_labels(matrix: Matrix, facts: Iterable[Fact]) -> frozenset[str]:
    """Return the labels by which facts know how a wheel is bound to releases of the framework:
    built for one, or for all from one on by a stable ABI."""
    return frozenset(
        label
        for fact in facts
        for demand in fact.beside
        if demand.template.name == matrix.framework
        for label in demand.template.label_names
        if label != VERSION
    )


def _ties(matrix: Matrix, demand: Demand) -> bool:
    template = demand.template
    return (
        template.name == matrix.framework
        and set(template.label_names) - {VERSION} != set()
        # `torch>={torch_min}` is a stable ABI, which every later build has.
        and all(pattern.startswith("==") for pattern in template.patterns)
    )


def pins_framework(matrix: Matrix, requires: Iterable[str]) -> bool:
    """Return whether METADATA requires one release of the framework: its wheel was built with
    it."""
    return any(
        leading_name(text) == matrix.framework
        and pins_exactly([str(parse_requirement(text).specifier)])
        for text in requires
    )


def build_command(matrix: Matrix, name: str, version: str | None, command: str) -> str:
    """Return the command that compiles a project beside the framework that is there.

    `command` is an installer's: `pip install`.
    """
    force = matrix.component(name).force_build
    pin = f"{name}=={version}" if version else name
    words = [*([force] if force else []), command, "--no-build-isolation", "--no-deps", pin]
    return " ".join(words)


__all__ = ["PURE", "build_command", "pins_framework", "tying_facts", "tying_labels"]

"""A core of what is held, told in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cudalock.compat.wheels import PinWheels
from cudalock.conflicts.core import Conflict
from cudalock.conflicts.explanation import Narrator
from cudalock.conflicts.step import Advice, CpuBuild, GoalRequires, Step, describe
from cudalock.findings import Finding, Severity
from cudalock.resolution.elements import (
    TARGET_DRIVER,
    TARGET_GLIBC,
    TARGET_GPU,
    Element,
    ids_of,
)
from cudalock.targets.accelerators import is_vendor_library

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cudalock.compat.pins import PinnedProject
    from cudalock.conflicts.core import Core
    from cudalock.matrix.facts import Fact
    from cudalock.matrix.universe import Universe
    from cudalock.resolution.problem import Problem
    from cudalock.resolution.propagation import Restriction, Strike
    from cudalock.targets import Target


class HeldNarrator(Narrator):
    """Leaves out where things may come from: that is told once, where it matters."""

    def _restriction(self, strike: Strike, cause: Restriction) -> Iterator[Step]:
        if not any(each.kind == "source" for each in cause.elements):
            yield from super()._restriction(strike, cause)


def told(held: Sequence[PinnedProject], problem: Problem, alone: str = "cannot be had") -> Finding:
    """The finding for a smallest part of what is held that does not go together, from the wide
    problem of just that part; `alone` is what is said where that is one thing."""
    target, universe, matrix = problem.target, problem.universe, problem.matrix
    conflict = Conflict(problem)
    core = conflict.core()
    texts = list(dict.fromkeys(each.text for each in held))
    verb = alone if len(texts) == 1 else "exclude each other"
    together = f"{' and '.join(texts)} {verb}"
    if core is None:
        # Seen only by the closure's own search.
        return _finding("CL201", f"{together} on {target.label}", (), held)
    is_cpu = Element("source", matrix.framework or "") in core.elements and _is_cpu(
        held, target, universe
    )
    # The line itself says what it asks for, and a finding has its advice apart.
    steps = [
        step
        for step in HeldNarrator(conflict, core).steps()
        if not isinstance(step, GoalRequires | Advice)
    ]
    if is_cpu:
        steps.insert(0, CpuBuild(str(matrix.framework)))
    facts = tuple(ids_of(core.elements, "fact"))
    code = "CL302" if is_cpu else _code(core, [matrix.fact(id) for id in facts], held)
    advice = [fix for id in facts if (fix := matrix.fact(id).fix)]
    says = "; ".join([together + _where(target, core), *map(describe, steps)])
    return _finding(code, says, facts, held, fix=advice[0] if advice else None)


def _is_cpu(held: Sequence[PinnedProject], target: Target, universe: Universe) -> bool:
    """Whether the framework within reach has no CUDA."""
    for each in held:
        project = universe.project(each.name)
        if each.name == universe.matrix.framework and project is not None:
            wheels = PinWheels(each, project, target, universe.matrix)
            made = wheels.first(wheels.is_reachable, wheels.fits)
            return made is not None and not made.has_cuda
    return False


def _where(target: Target, core: Core) -> str:
    """The target, as far as the core speaks of it."""
    parts = set(ids_of(core.elements, "target"))
    if parts - {"python", "platform"}:
        return f" on {target.label}"
    words = {
        "platform": f" on {target.platform_label}",
        "python": f" with Python {target.python_text}",
    }
    return "".join(word for part, word in words.items() if part in parts)


def _code(core: Core, facts: Sequence[Fact], held: Sequence[PinnedProject]) -> str:
    if any(is_vendor_library(each.name) for each in held):
        return "CL203"
    machine = {TARGET_GPU, TARGET_DRIVER, TARGET_GLIBC}.intersection(core.elements)
    names = {each.name for each in held}
    if machine or (len(names) == 1 and any(fact.refuses or fact.of_machine for fact in facts)):
        return "CL204"
    return "CL202" if facts else "CL201"


def _finding(
    code: str,
    says: str,
    facts: tuple[str, ...],
    held: Sequence[PinnedProject],
    *,
    fix: str | None = None,
    severity: Severity = "error",
) -> Finding:
    members = tuple(dict.fromkeys(each.name for each in held))
    return Finding(code, severity, says, facts, fix, members=members)

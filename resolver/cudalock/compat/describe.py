"""Turn a minimal set of incompatible pins into a finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.compat.libraries import different_libraries
from cudalock.compat.wheels import PinWheels
from cudalock.conflicts.core import Conflict
from cudalock.conflicts.explanation import CoreExplainer
from cudalock.conflicts.step import Advice, CpuBuild, GoalRequires, NotLookedUp, TargetHas, describe
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
    from cudalock.matrix.universe import Universe, Unlisted
    from cudalock.resolution.problem import Problem
    from cudalock.targets import Target


def conflict_finding(
    pins: Sequence[PinnedProject],
    problem: Problem,
    verb: str = "cannot be installed",
    unlisted: Sequence[Unlisted] = (),
) -> Finding:
    """Return the finding for a minimal set of incompatible pins.

    `problem` is the wide problem of just these pins; `verb` is what is said of a single one that
    is incompatible with the target. With `unlisted` releases, which the matrix lacks, it is a note.
    """
    target, universe, matrix = problem.target, problem.universe, problem.matrix
    conflict = Conflict(problem, is_closed=True)
    core = conflict.core()
    texts = list(dict.fromkeys(pin.text for pin in pins))
    clause = f"{' and '.join(texts)} {verb if len(texts) == 1 else 'are incompatible'}"
    if core is None and not unlisted:
        # Propagation over the stack sees no conflict: the search over all dependencies did.
        return _finding("CL201", f"{clause} on {target.label}", (), pins)
    # The pins are named already, and a finding has its advice in a field of its own.
    steps = [
        step
        for step in (CoreExplainer(conflict, core).steps() if core else ())
        if not isinstance(step, GoalRequires | Advice)
    ]
    if unlisted or core is None:
        clause = f"{' and '.join(texts)} {'is' if len(texts) == 1 else 'are'} not judged"
        steps += map(NotLookedUp, unlisted)
        sentence = "; ".join(
            [clause + (_where(target, core) if core else ""), *map(describe, steps)]
        )
        return _finding("CL105", sentence, (), pins, severity="note")
    is_cpu = Element("source", matrix.framework or "") in core.elements and _is_cpu(
        pins, target, universe
    )
    if is_cpu:
        steps.insert(0, CpuBuild(str(matrix.framework)))
    fact_ids = tuple(ids_of(core.elements, "fact"))
    facts = [matrix.fact(fact_id) for fact_id in fact_ids]
    code = "CL302" if is_cpu else _code(core, facts, pins)
    advice = [fact.fix for fact in facts if fact.fix]
    clauses = list(map(describe, steps))
    is_told = any(not isinstance(step, TargetHas) for step in steps)
    if not is_told and (library := different_libraries(pins, target, universe)):
        clauses.append(library)
    sentence = "; ".join([clause + _where(target, core), *clauses])
    return _finding(code, sentence, fact_ids, pins, fix=advice[0] if advice else None)


def _is_cpu(pins: Sequence[PinnedProject], target: Target, universe: Universe) -> bool:
    """Whether the framework's pin resolves to a build without CUDA."""
    for pin in pins:
        project = universe.project(pin.name)
        if pin.name == universe.matrix.framework and project is not None:
            wheels = PinWheels(pin, project, target, universe.matrix)
            first = wheels.first(wheels.is_reachable, wheels.fits)
            return first is not None and not first.accelerator
    return False


def _where(target: Target, core: Core) -> str:
    """The parts of the target that the conflict depends on."""
    parts = set(ids_of(core.elements, "target"))
    # With a GPU, a driver or a glibc the reader needs the whole target to follow the reason.
    if parts - {"python", "platform"}:
        return f" on {target.label}"
    words = {
        "platform": f" on {target.platform_label}",
        "python": f" with Python {target.python_text}",
    }
    return "".join(word for part, word in words.items() if part in parts)


def _code(core: Core, facts: Sequence[Fact], pins: Sequence[PinnedProject]) -> str:
    # Most specific first: an nvidia-* pin, then the machine, then facts, then metadata alone.
    if any(is_vendor_library(pin.name) for pin in pins):
        return "CL203"
    machine = {TARGET_GPU, TARGET_DRIVER, TARGET_GLIBC}.intersection(core.elements)
    names = {pin.name for pin in pins}
    if machine or (len(names) == 1 and any(fact.refuses or fact.of_machine for fact in facts)):
        return "CL204"
    return "CL202" if facts else "CL201"


def _finding(
    code: str,
    sentence: str,
    fact_ids: tuple[str, ...],
    pins: Sequence[PinnedProject],
    *,
    fix: str | None = None,
    severity: Severity = "error",
) -> Finding:
    members = tuple(dict.fromkeys(pin.name for pin in pins))
    return Finding(code, severity, sentence, fact_ids, fix, members=members)

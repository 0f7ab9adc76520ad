"""The network of a problem: which components propagation sees, and what stands between them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from cudalock.facts import NONE
from cudalock.resolution.candidate import Candidate
from cudalock.resolution.columns import Columns
from cudalock.resolution.problem import fact_element
from cudalock.resolution.propagation import Domain, Network, Restriction, Table
from cudalock.resolution.requirement import parse_version

if TYPE_CHECKING:
    from cudalock.resolution.problem import Problem
    from cudalock.resolution.requirement import Requirement

CUDA: Final = "cuda"
"""The virtual component that `--cuda` speaks of."""


def build_network(problem: Problem) -> Network:
    """The goal's projects, the framework, the virtual components they name, and what binds them.

    Optional members (a project with a rank that a fact constrains) may stay absent.
    """
    columns = _projects(problem)
    domains = {name: each.domain for name, each in columns.items()}
    for name, domain in _virtual_domains(problem, columns).items():
        domains[name] = domain
        columns[name] = Columns(problem, domain)
    return Network(
        domains,
        [table for each in columns.values() for table in _tables(each, domains)],
        [*_asked(problem, domains), *_ruled_out(columns)],
    )


def _projects(problem: Problem) -> dict[str, Columns]:
    framework = problem.matrix.framework
    found: dict[str, Columns] = {}
    waiting = list(problem.goal_names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        columns = found[name] = Columns(problem, Domain(name, problem.candidates(name)))
        if name in problem.goal_names or name == framework:
            for other in _named_by(columns, framework):
                if other == framework or _is_optional_member(problem, other):
                    waiting.append(other)
    return found


def _named_by(columns: Columns, framework: str | None) -> set[str]:
    """The components that the candidates' facts name, and the framework if metadata does."""
    names = {requirement.name for _, requirement, _ in columns.beside()}
    if framework is not None and framework not in names:
        names |= {requirement.name for requirement, _ in columns.metadata(frozenset([framework]))}
    return names


def _is_optional_member(problem: Problem, name: str) -> bool:
    component = problem.matrix.component(name)
    return component.rank is not None and problem.matrix.project(name) is not None


def _virtual_domains(problem: Problem, columns: dict[str, Columns]) -> dict[str, Domain]:
    """One candidate for each value that a build of the framework gives a virtual component."""
    framework = problem.matrix.framework
    builds = columns[framework].domain.candidates if framework in columns else ()
    named = {requirement.name for each in columns.values() for _, requirement, _ in each.beside()}
    domains = {}
    for name in sorted(named | {CUDA}):
        if problem.matrix.component(name).is_virtual:
            values = {value for build in builds for value in build.row(name)} - {NONE}
            newest_first = sorted(values, key=parse_version, reverse=True)
            domains[name] = Domain(name, (Candidate(name, value) for value in newest_first))
    return domains


def _tables(columns: Columns, domains: dict[str, Domain]) -> Iterator[Table]:
    tables: dict[tuple[str | None, str], Table] = {}

    def add(element: str | None, requirement: Requirement, owners: int) -> None:
        other = requirement.name
        if other in domains:
            key = (element, other)
            if key not in tables:
                tables[key] = Table(columns.domain.name, other, element)
            tables[key].add(owners, domains[other].accepted(requirement))

    for fact, requirement, owners in columns.beside():
        add(fact_element(fact.id), requirement, owners)
    for requirement, owners in columns.metadata(frozenset(domains)):
        add(None, requirement, owners)
    yield from tables.values()


def _asked(problem: Problem, domains: dict[str, Domain]) -> Iterator[Restriction]:
    """What the goal's own words, and values fixed beforehand, leave of a domain."""
    wishes = problem.cuda_wishes() if problem.matrix.framework in domains else ()
    for root in (*problem.roots, *wishes):
        if root.name in domains:
            elements = frozenset([f"{root.origin.kind}:{root.origin.id}"])
            yield Restriction(root.name, elements, domains[root.name].accepted(root))
    for requirement, elements in problem.fixed_requirements:
        if requirement.name in domains:
            allowed = domains[requirement.name].accepted(requirement)
            yield Restriction(requirement.name, elements, allowed)


def _ruled_out(columns: dict[str, Columns]) -> Iterator[Restriction]:
    """What facts and the target rule out, candidate by candidate."""
    for name, each in columns.items():
        refused: dict[frozenset[str], int] = {}
        for elements, mask in each.refusals():
            refused[elements] = refused.get(elements, 0) | mask
        # What one element rules out comes before what takes two: so a trace of them reads well.
        for elements, mask in sorted(refused.items(), key=_by_size):
            yield Restriction(name, elements, each.domain.all & ~mask)


def _by_size(refused: tuple[frozenset[str], int]) -> tuple[int, list[str]]:
    elements, _ = refused
    return len(elements), sorted(elements)


__all__ = ["CUDA", "build_network"]

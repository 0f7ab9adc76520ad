"""Build the network of a problem: the components that propagation sees, and what binds them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from cudalock.matrix.facts import NONE
from cudalock.resolution.bulk import Columns
from cudalock.resolution.elements import Element, fact_element
from cudalock.resolution.propagation import Network, RequirementTable, Restriction
from cudalock.resolution.wheels import Screen
from cudalock.targets.accelerators import BUILT_FOR
from cudalock.versions import version_order

if TYPE_CHECKING:
    from cudalock.matrix.facts import Demand, Fact
    from cudalock.resolution.model import Requirement
    from cudalock.resolution.problem import Problem
    from cudalock.resolution.propagation import Domain


def build_network(problem: Problem) -> Network:
    """Return the network of the goal's projects, the framework and the virtual components.

    Optional members (a ranked project that a fact constrains) may stay absent.
    """
    columns: dict[str, Columns] = {}
    framework = problem.matrix.framework
    if framework is not None and problem.leads_to_framework:
        columns[framework] = Columns(problem, problem.domain(framework))
    _add_virtual(problem, columns)
    _add_projects(problem, columns)
    domains = {name: column.domain for name, column in columns.items()}
    return Network(
        domains,
        [
            *(table for column in columns.values() for table in _tables(column, domains)),
            *_wish_tables(problem, domains),
        ],
        [*_asked(problem, domains), *_ruled_out(columns)],
    )


def _add_virtual(problem: Problem, columns: dict[str, Columns]) -> None:
    """One candidate for each value that a build of the framework gives a virtual component, or
    that the goal says of it where no framework comes along."""
    framework = problem.matrix.framework
    by_framework = columns.get(framework) if framework is not None else None
    named = {
        requirement.name for column in columns.values() for _, requirement, _ in column.beside()
    }
    for name in sorted(named | {*BUILT_FOR}):
        if problem.matrix.component(name).is_virtual:
            rows = by_framework.column(name) if by_framework else ()
            values = {value for row in rows for value in row} - {NONE}
            values.update(problem.stated_alone.get(name, ()))
            newest_first = sorted(values, key=version_order, reverse=True)
            columns[name] = Columns(problem, problem.virtual_domain(name, tuple(newest_first)))


def _add_projects(problem: Problem, columns: dict[str, Columns]) -> None:
    framework = problem.matrix.framework
    # What the goal constrains is seen as well: else a conflict with the metadata of a member would
    # be found again for every build of the framework.
    # A constraint on a project that is not held costs no look at an index: few come to be wanted.
    held = problem.matrix.projects
    waiting = [*problem.goal_names, *(root.name for root in problem.roots if root.name in held)]
    if framework in columns and framework is not None:
        waiting += _optional_members(problem, columns[framework])
    while waiting:
        name = waiting.pop()
        if name in columns:
            continue
        screen = None if problem.wide else _screen(problem, name, columns)
        columns[name] = Columns(problem, problem.domain(name, screen))
        if name in problem.goal_names:
            waiting += _optional_members(problem, columns[name])


def _optional_members(problem: Problem, columns: Columns) -> list[str]:
    """The projects with a rank that the candidates' facts or metadata name, and of those that
    metadata names all that are tied to the framework.

    What ties them is then seen before any search: torchvision's exact torch is why half the builds
    of a torch cannot be had beside a project that wants torchvision.
    """
    matrix = problem.matrix
    names = {requirement.name for _, requirement, _ in columns.beside()} & matrix.ranked
    # What overwrites the files of something in the goal would else be seen by a search alone.
    sharers = [matrix.file_sharers.get(name, ()) for name in problem.goal_names]
    rivals = frozenset(name for names_of_one in sharers for name in names_of_one)
    named = {requirement.name for requirement, _ in columns.metadata(matrix.curated | rivals)}
    names |= {
        name for name in named if name in rivals or name in matrix.ranked or _is_tied(problem, name)
    }
    return sorted(name for name in names if problem.universe.project(name) is not None)


def _is_tied(problem: Problem, name: str) -> bool:
    """Whether facts or metadata of a project speak of the framework, or of what its build fixes."""
    matrix = problem.matrix
    if matrix.framework is None or matrix.component(name).is_virtual:
        return False
    if problem.may_require(name, matrix.framework):
        return True
    facts = problem.facts_in_force(name)
    named = {demand.template.name for fact in facts for demand in fact.beside}
    return any(other == matrix.framework or matrix.component(other).is_virtual for other in named)


def _screen(problem: Problem, name: str, columns: dict[str, Columns]) -> Screen | None:
    """Tells the builds that can fit some build of the framework from those that fit none.

    It looks only at facts about every wheel of the project that read one label (flash-attn's torch
    is one). Optional members are not screened: their absence is an answer as well.
    """
    if name not in problem.goal_names:
        return None
    demands = [
        (fact, demand, columns[demand.template.name].domain)
        for fact in problem.facts_in_force(name)
        if fact.is_hard and not fact.where and not fact.versions
        for demand in fact.beside
        if demand.verb == "requires"
        and demand.template.name in columns
        and not problem.is_fixed(name, demand.template.name)
        and len(demand.template.label_names) == 1
    ]
    fits = [
        (narrowing[1].template.label_names[0], partial(_fits, problem, *narrowing))
        for narrowing in demands
    ]
    key = tuple((id(demand), domain) for _, demand, domain in demands)
    return Screen(fits, key) if fits else None


def _fits(
    problem: Problem, fact: Fact, demand: Demand, domain: Domain, values: tuple[str, ...]
) -> bool:
    requirement = problem.fill(fact, demand, (values,))
    return requirement is None or bool(domain.accepted(requirement))


def _tables(columns: Columns, domains: dict[str, Domain]) -> Iterator[RequirementTable]:
    tables: dict[tuple[Element | None, str], RequirementTable] = {}

    def add(element: Element | None, requirement: Requirement, owners: int) -> None:
        other = requirement.name
        if other in domains:
            key = (element, other)
            if key not in tables:
                tables[key] = RequirementTable(columns.domain.name, other, element)
            tables[key].add(owners, domains[other].accepted(requirement))

    for fact, requirement, owners in columns.beside():
        add(fact_element(fact.id), requirement, owners)
    for requirement, owners in columns.metadata(frozenset(domains)):
        add(None, requirement, owners)
    yield from tables.values()


def _wish_tables(problem: Problem, domains: dict[str, Domain]) -> Iterator[RequirementTable]:
    """What the goal wants of the accelerator, wherever the framework is present at all."""
    framework = domains.get(problem.matrix.framework or "")
    for wish in problem.accelerator_requirements() if framework else ():
        # Where the matrix has no such accelerator, nothing is built for it.
        is_met = wish.kind == "conflicts" and wish.name not in domains
        if framework and not is_met:
            table = RequirementTable(framework.name, wish.name, wish.origin)
            # Of a build with no label nobody knows what it was built with.
            told = sum(1 << place for place, build in framework.real() if build.accelerator)
            table.add(told, domains[wish.name].accepted(wish))
            yield table


def _asked(problem: Problem, domains: dict[str, Domain]) -> Iterator[Restriction]:
    """What the goal's own words, and values fixed beforehand, leave of a domain."""
    for root in problem.roots:
        if root.name in domains:
            elements = frozenset([root.origin])
            yield Restriction(root.name, elements, domains[root.name].accepted(root))
    for requirement, elements in problem.fixed_requirements:
        if requirement.name in domains:
            allowed = domains[requirement.name].accepted(requirement)
            yield Restriction(requirement.name, elements, allowed)


def _ruled_out(columns: dict[str, Columns]) -> Iterator[Restriction]:
    """What facts and the target rule out, candidate by candidate."""
    for name, column in columns.items():
        refused: dict[frozenset[Element], int] = {}
        for elements, mask in column.refusals():
            refused[elements] = refused.get(elements, 0) | mask
        # What one element rules out comes before what takes two: so a trace of them reads well.
        for elements, mask in sorted(refused.items(), key=_by_size):
            yield Restriction(name, elements, column.domain.all & ~mask)


def _by_size(refused: tuple[frozenset[Element], int]) -> tuple[int, list[Element]]:
    elements, _ = refused
    return len(elements), sorted(elements)

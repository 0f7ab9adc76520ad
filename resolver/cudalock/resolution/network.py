"""The network of a problem: which components propagation sees, and what stands between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from cudalock.facts import NONE
from cudalock.resolution.candidate import Candidate
from cudalock.resolution.problem import fact_element
from cudalock.resolution.propagation import Domain, Network, Restriction, Table
from cudalock.resolution.requirement import Origin, Requirement, parse_version

if TYPE_CHECKING:
    from cudalock.resolution.problem import Problem

CUDA: Final = "cuda"
"""The virtual component that `--cuda` speaks of."""

_NOWHERE = Origin("", "")


def build_network(problem: Problem) -> Network:
    """The goal's projects, the framework, the virtual components they name, and what binds them.

    Optional members (a project with a rank that a fact constrains) may stay absent.
    """
    domains = _project_domains(problem)
    domains.update(_virtual_domains(problem, domains))
    return Network(domains, list(_tables(problem, domains)), list(_restrictions(problem, domains)))


def _project_domains(problem: Problem) -> dict[str, Domain]:
    framework = problem.matrix.framework
    domains: dict[str, Domain] = {}
    waiting = list(problem.goal_names)
    while waiting:
        name = waiting.pop()
        if name in domains:
            continue
        domain = domains[name] = Domain(name, problem.candidates(name))
        is_core = name in problem.goal_names or name == framework
        for other in _named_by(problem, domain, framework) if is_core else ():
            if other == framework or _is_optional_member(problem, other):
                waiting.append(other)
    return domains


def _named_by(problem: Problem, domain: Domain, framework: str | None) -> set[str]:
    """The components that the candidates' facts name, and the framework if metadata does."""
    names = set()
    wanted = frozenset([framework]) if framework else frozenset[str]()
    for candidate in domain.candidates:
        names |= {requirement.name for requirement in problem.relations(candidate)}
        if framework not in names:
            names |= {r.name for r in problem.metadata(candidate, wanted)}
    return names


def _is_optional_member(problem: Problem, name: str) -> bool:
    component = problem.matrix.component(name)
    return component.rank is not None and problem.matrix.project(name) is not None


def _virtual_domains(problem: Problem, projects: dict[str, Domain]) -> dict[str, Domain]:
    """One candidate for each value that a build of the framework gives a virtual component."""
    framework = problem.matrix.framework
    builds = projects[framework].candidates if framework in projects else ()
    named = {
        requirement.name
        for domain in projects.values()
        for candidate in domain.candidates
        for requirement in problem.relations(candidate)
    } | {CUDA}
    domains = {}
    for name in sorted(named):
        if problem.matrix.component(name).is_virtual:
            values = {value for build in builds for value in build.labels.get(name, ())} - {NONE}
            newest_first = sorted(values, key=parse_version, reverse=True)
            domains[name] = Domain(name, (Candidate(name, value) for value in newest_first))
    return domains


def _tables(problem: Problem, domains: dict[str, Domain]) -> Iterator[Table]:
    names = frozenset(domains)
    for name, domain in domains.items():
        groups: dict[tuple[str | None, str], dict[Requirement, int]] = defaultdict(
            lambda: defaultdict(int)
        )
        for position, candidate in enumerate(domain.candidates):
            for requirement in _between(problem, candidate, names):
                origin = requirement.origin
                element = fact_element(origin.id) if origin.kind == "fact" else None
                shared = groups[element, requirement.name]
                shared[_without_origin(requirement)] |= 1 << position
        for (element, other), requirements in groups.items():
            table = Table(name, other, element)
            for requirement, owners in requirements.items():
                table.add(owners, domains[other].accepted(requirement))
            yield table


def _between(
    problem: Problem, candidate: Candidate, names: frozenset[str]
) -> Iterator[Requirement]:
    for requirement in problem.relations(candidate):
        if requirement.name in names:
            yield requirement
    if candidate.build is not None:
        yield from problem.metadata(candidate, names)


def _without_origin(requirement: Requirement) -> Requirement:
    """Requirements that ask the same of different candidates share one entry of a table."""
    return Requirement(requirement.name, requirement.specifiers, requirement.kind, _NOWHERE)


def _restrictions(problem: Problem, domains: dict[str, Domain]) -> Iterator[Restriction]:
    for root in (*problem.roots, *_cuda_wishes(problem, domains)):
        if root.name in domains:
            elements = frozenset([f"{root.origin.kind}:{root.origin.id}"])
            yield Restriction(root.name, elements, domains[root.name].accepted(root))
    for requirement, elements in problem.fixed_requirements:
        if requirement.name in domains:
            allowed = domains[requirement.name].accepted(requirement)
            yield Restriction(requirement.name, elements, allowed)
    for name, domain in domains.items():
        refused: dict[frozenset[str], int] = defaultdict(int)
        for position, candidate in enumerate(domain.candidates):
            for elements in problem.refusals(candidate):
                refused[elements] |= 1 << position
        # What one element rules out comes before what takes two: so a trace of them reads well.
        for elements, mask in sorted(refused.items(), key=_by_size):
            yield Restriction(name, elements, domain.all & ~mask)


def _by_size(refused: tuple[frozenset[str], int]) -> tuple[int, list[str]]:
    elements, _ = refused
    return len(elements), sorted(elements)


def _cuda_wishes(problem: Problem, domains: dict[str, Domain]) -> Iterator[Requirement]:
    return problem.cuda_wishes() if problem.matrix.framework in domains else iter(())


__all__ = ["CUDA", "build_network"]

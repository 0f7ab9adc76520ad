"""What it rests on that there is no solution, or none with a newer release.

A proof that something is impossible is as good as the releases that it has seen. The projects that
it rests on, with what is required of them, say which releases might change it: of those the matrix
or an index page may lack some.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import TYPE_CHECKING

from cudalock.matrix.universe import Blocker
from cudalock.resolution.bulk import Columns
from cudalock.resolution.limits import BLAMED_BUILDS, NEWER_BLAMED
from cudalock.resolution.propagation import ABSENT, RequirementTable, Strike, strikes_leading_to
from cudalock.versions import may_accept, parse_version, pins_exactly

if TYPE_CHECKING:
    from cudalock.matrix.releases import Coverage
    from cudalock.resolution.elements import Element
    from cudalock.resolution.model import Assignment, Candidate
    from cudalock.resolution.propagation import Alive, Domain
    from cudalock.resolution.search import Search


class Blame:
    """Finds what the lack of a solution rests on, for one search."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._problem = search.problem
        self._network = search.network
        self._off: frozenset[Element] = search.problem.soft_elements

    def of_no_solution(self) -> tuple[Blocker, ...]:
        """Return what it rests on that there is no solution, where there is none."""
        return self._beside({})

    def of_nothing_newer(self, assignment: Assignment) -> tuple[Blocker, ...]:
        """Return what it rests on that no newer version of what the goal requires is chosen, beside
        the chosen build of the framework.

        Nothing, where a newer version is possible and something else was preferred.
        """
        blockers = (
            blocker
            for name, newer in self._newer(assignment)
            for blocker in self._of_newer(assignment, name, newer)
        )
        return tuple(dict.fromkeys((*blockers, *self._of_too_old(assignment))))

    def _of_too_old(self, assignment: Assignment) -> Iterator[Blocker]:
        """Yield what nothing in sight offers, and newer releases require, of pins that are too old
        for the matrix.

        Where the rows of multidict begin later than the day of the goal, the search goes back to an
        aiohttp that required none.
        """
        for name, pinned in assignment.candidates.items():
            project = self._problem.matrix.project(name)
            coverage = project.coverage if project is not None else None
            if coverage is None or pinned.version is None:
                continue
            if parse_version(pinned.version) >= parse_version(coverage.oldest):
                continue
            required = [requirement for requirement, _ in assignment.requirements.get(name, ())]
            newest_first = (
                candidate
                for candidate in self._newer_candidates(pinned)
                if all(requirement.accepts(candidate) for requirement in required)
                and self._fits_goal(candidate, assignment)
            )
            for candidate in islice(newest_first, NEWER_BLAMED):
                yield from self._not_offered(candidate)

    def _fits_goal(self, candidate: Candidate, assignment: Assignment) -> bool:
        """Return whether METADATA of a candidate allows what was chosen of the goal: a release for
        another framework is passed over whatever an index has of its other requirements."""
        return all(
            requirement.accepts(chosen)
            for requirement in self._problem.metadata_requirements(candidate)
            if requirement.name in self._problem.goal_names
            and (chosen := assignment.candidates.get(requirement.name)) is not None
        )

    def _newer_candidates(self, pinned: Candidate) -> Iterator[Candidate]:
        """Yield the candidates of newer versions of a pin, the newest first."""
        for candidate in self._problem.candidates(pinned.name):
            if candidate.version == pinned.version:
                return
            yield candidate

    def _not_offered(self, candidate: Candidate) -> Iterator[Blocker]:
        """Yield the projects that METADATA of a candidate requires and no candidate meets."""
        for requirement in self._problem.metadata_requirements(candidate):
            others = self._problem.candidates(requirement.name)
            if requirement.kind == "requires" and not any(map(requirement.accepts, others)):
                platform = self._problem.target.platform
                unmet = requirement.specifiers or ("",)
                yield self._where_required(
                    Blocker(requirement.name, unmet=unmet, platform=platform)
                )

    def of_each_newer(
        self, assignment: Assignment, most: int
    ) -> Iterator[tuple[str, Iterator[tuple[str, tuple[Blocker, ...]]]]]:
        """Yield what `of_nothing_newer` returns for each project and newer version by itself, the
        newest first: of each project at most so many versions."""
        for name, newer in self._newer(assignment):
            by_version = self._network.domains[name].versions
            versions = [version for version, mask in by_version.items() if mask & newer]
            newest_first = sorted(versions, key=parse_version, reverse=True)[:most]
            yield (
                name,
                (
                    (version, self._of_newer(assignment, name, by_version[version]))
                    for version in newest_first
                ),
            )

    def _newer(self, assignment: Assignment) -> Iterator[tuple[str, int]]:
        """Yield what the goal names, the framework too, with its versions that are newer than the
        chosen one and that the goal allows."""
        framework = self._search.framework
        named = [framework] if framework in self._problem.goal_names else []
        for name in (*named, *self._search.components):
            domain = self._network.domains.get(name or "")
            newer = self._not_older(assignment, domain, at_least=False) if domain else 0
            for root in self._problem.roots_of(name or ""):
                newer &= domain.accepted(root) if domain else 0
            if newer and name is not None:
                yield name, newer

    def _not_older(self, assignment: Assignment, domain: Domain, *, at_least: bool) -> int:
        """Return the candidates of a newer version than the chosen one; with `at_least` those of
        the chosen version too."""
        chosen = assignment.candidate_of(domain.name)
        if chosen is None or chosen.version is None:
            return 0
        pinned = parse_version(chosen.version)
        newer = domain.versions[chosen.version] if at_least else 0
        for version, mask in domain.versions.items():
            newer |= mask if parse_version(version) > pinned else 0
        return newer

    def _of_newer(self, assignment: Assignment, name: str, newer: int) -> tuple[Blocker, ...]:
        framework = self._search.framework
        limits = {name: newer}
        # A framework that the goal names is chosen first: what takes an older one is not better.
        if framework in self._problem.goal_names and framework not in limits:
            domain = self._network.domains[framework or ""]
            if builds := self._not_older(assignment, domain, at_least=True):
                limits[domain.name] = builds
        # Of what is limited no other release would help: it is what the query is about.
        return tuple(map(self._where_required, self._beside(limits)))

    def _where_required(self, blocker: Blocker) -> Blocker:
        """Return a blocker for which releases that are too old for the matrix count only where
        something requires them.

        Of such releases no facts are known, so they seem to fit whatever is newer.
        """
        project = self._problem.matrix.project(blocker.name)
        coverage = project.coverage if project is not None else None
        # A requirement without a specifier is unmet where the day of the goal leaves no release.
        unmet = blocker.unmet if blocker.has_candidate else (*blocker.unmet, "")
        is_required = coverage is not None and any(
            coverage.may_be_older((specifier,)) for specifier in unmet
        )
        return blocker._replace(is_old_ruled_out=blocker.is_old_ruled_out or not is_required)

    def _beside(self, limits: Mapping[str, int]) -> tuple[Blocker, ...]:
        """Return what it rests on that there is no solution with what `limits` allow of members of
        the network, as bits; nothing if there is one."""
        trace: list[Strike] = []
        alive = self._network.alive(self._off, trace)
        for name, mask in limits.items():
            alive[name] &= mask
        allowed = dict(alive)
        empty = self._network.propagate(alive, self._off, trace)
        unmet: Mapping[str, set[str]] = {}
        required: Mapping[str, set[tuple[str, ...]]] = {}
        if empty is not None:
            blamed = {empty, *self._left_out_beside(empty)}
        else:
            found = self._blamed_by_search(alive)
            if found is None:
                return ()
            blamed = {*found}
            clauses = self._search.clause_search(self._off)
            unmet, required = clauses.unmet, clauses.required
        for strike in strikes_leading_to(blamed, trace):
            blamed.add(strike.component)
            if isinstance(strike.cause, RequirementTable):
                blamed |= {strike.cause.owner, strike.cause.other}
        return tuple(
            Blocker(
                name,
                tuple(text for root in self._problem.roots_of(name) for text in root.specifiers),
                tuple(sorted({*unmet.get(name, ()), *self._unmet_in_network(name)})),
                self._problem.target.platform,
                self._rules_out_old(name, required.get(name, set()), allowed)
                or any(self._needs_newer_than_old(other, name, allowed) for other in limits),
                any(True for _ in self._problem.candidates(name)),
            )
            for name in sorted(blamed - limits.keys())
            if not self._problem.matrix.component(name).is_virtual
        )

    def _blamed_by_search(self, alive: Alive) -> set[str] | None:
        """Return the projects that a proof of the clause-learning search rests on; None if it finds
        a solution."""
        search = self._search.clause_search(self._off)
        if search.is_hopeless(alive):
            return {*search.blamed}
        blamed: set[str] = set()
        for part, cuda in islice(self._search.by_build(alive, self._off), BLAMED_BUILDS):
            if search.pin(part, cuda) is not None:
                return None
            blamed |= search.blamed
        return blamed

    def _left_out_beside(self, name: str) -> Iterator[str]:
        """Yield the projects that wheels of a goal component do not fit, where none is in the
        network for that."""
        domain = self._network.domains[name]
        if name not in self._search.components or any(domain.real()):
            return
        for candidate in islice(self._problem.candidates(name), 1):
            for requirement in self._problem.fact_requirements(candidate):
                yield requirement.name

    def _rules_out_old(self, name: str, required: set[tuple[str, ...]], allowed: Alive) -> bool:
        """Return whether nothing that is too old for the matrix can help.

        So it is if all that requires the project (by specifiers) requires newer ones, if a release
        that the goal fixes does, or if a hard fact about all those releases requires what the goal
        and the target do not leave: an old torchvision is for an old torch.
        """
        problem = self._problem
        project = problem.matrix.project(name)
        coverage = project.coverage if project is not None else None
        if coverage is None:
            return False
        if required and not any(_may_be_older(coverage, anyof) for anyof in required):
            return True
        framework = problem.matrix.framework
        if (framework == name or framework in problem.goal_names) and self._is_unusable():
            return True
        # A GPU of 2025 is for a torch of 2025.
        fixed = [
            requirement.specifiers
            for requirement, elements in problem.fixed_requirements
            if requirement.name == name
            and requirement.specifiers
            and self._off.isdisjoint(elements)
        ]
        if not all(_may_be_older(coverage, anyof) for anyof in fixed):
            return True
        if any(
            self._requires_newer(other, name, coverage)
            for other in problem.goal_names
            if other != name and self._is_fixed(other)
        ):
            return True
        domains = self._network.domains
        return any(
            not allowed[requirement.name] & domains[requirement.name].accepted(requirement)
            for fact in problem.facts_in_force(name)
            if fact.is_hard and not fact.where and coverage.is_before(fact.versions)
            for demand in fact.beside
            if not demand.template.label_names and demand.template.name in domains
            if (requirement := problem.fill(fact, demand, ())) is not None
        )

    def _is_unusable(self) -> bool:
        """Return whether the machine cannot use the accelerator that the framework has to be built
        for, so that no release of it is of use: the driver does not see the GPU."""
        wanted = {
            requirement.name
            for requirement in self._problem.accelerator_requirements()
            if requirement.kind == "requires"
        }
        return any(
            requirement.name in wanted
            and requirement.kind == "conflicts"
            and self._off.isdisjoint(elements)
            for requirement, elements in self._problem.fixed_requirements
        )

    def _needs_newer_than_old(self, owner: str, name: str, allowed: Alive) -> bool:
        """Return whether every allowed candidate of a member requires a release of another project
        that is not too old for the matrix."""
        project = self._problem.matrix.project(name)
        coverage = project.coverage if project is not None else None
        if coverage is None:
            return False
        columns = Columns(self._problem, self._network.domains[owner])
        by_fact = ((requirement, owners) for _, requirement, owners in columns.beside())
        covered = ABSENT
        for requirement, owners in chain(by_fact, columns.metadata(frozenset([name]))):
            is_about = requirement.name == name and requirement.specifiers
            if is_about and not _may_be_older(coverage, requirement.specifiers):
                covered |= owners
        return not allowed[owner] & ~covered

    def _is_fixed(self, name: str) -> bool:
        """Return whether no release that is not known may be chosen of a project of the goal: it is
        a wheel of the user's own, or the goal names a version that exists."""
        project = self._problem.matrix.project(name)
        if project is None:
            return False
        specifiers = [text for root in self._problem.roots_of(name) for text in root.specifiers]
        return project.coverage is None or (
            pins_exactly(specifiers) and self._has_release(name, specifiers)
        )

    def _has_release(self, name: str, specifiers: Iterable[str]) -> bool:
        """Return whether a project has a release that may meet all the specifiers."""
        texts = tuple(specifiers)
        return any(
            all(may_accept(text, version) for text in texts)
            for version in self._problem.universe.versions(name)
        )

    def _requires_newer(self, owner: str, name: str, coverage: Coverage) -> bool:
        """Return whether each candidate of a project, by its metadata or a hard fact, requires a
        release of another that is not too old for the matrix."""
        # Not those of the network: it has only the candidates that fit what the matrix holds.
        return all(
            any(
                requirement.name == name
                and requirement.origin not in self._off
                and requirement.specifiers
                and not _may_be_older(coverage, requirement.specifiers)
                for requirement in (
                    *self._problem.fact_requirements(candidate),
                    *self._problem.metadata_requirements(candidate, frozenset([name])),
                )
            )
            for candidate in self._problem.candidates(owner)
        )

    def _unmet_in_network(self, name: str) -> Iterator[str]:
        """Yield the specifiers of a member that its goal or another member requires, and that no
        release meets."""
        domain = self._network.domains.get(name)
        if domain is None:
            return
        others = frozenset([name])
        requirements = [*self._problem.roots_of(name)]
        for other in self._network.domains.values():
            if other.name != name and not self._problem.matrix.component(other.name).is_virtual:
                columns = Columns(self._problem, other)
                requirements += [requirement for requirement, _ in columns.metadata(others)]
        for requirement in requirements:
            if requirement.kind != "requires" or domain.accepted(requirement) & ~ABSENT:
                continue
            # The network has only the candidates that may fit the rest of the goal.
            yield from (
                text for text in requirement.specifiers if not self._has_release(name, [text])
            )


def _may_be_older(coverage: Coverage, anyof: tuple[str, ...]) -> bool:
    """Return whether what is too old for the matrix may meet one of the specifiers, if any."""
    return not anyof or any(coverage.may_be_older((each,)) for each in anyof)

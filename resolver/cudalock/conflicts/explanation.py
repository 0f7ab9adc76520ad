"""Why there is no answer: the core's steps, from what was asked to where it clashes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from cudalock.resolution.candidate import Candidate
from cudalock.resolution.propagation import ABSENT, Restriction, Strike, Table
from cudalock.sentences import either
from cudalock.specifiers import (
    accepts,
    is_prerelease,
    may_accept,
    parse_requirement,
    version_order,
)

if TYPE_CHECKING:
    from packaging.version import Version

    from cudalock.conflicts.core import Conflict, Core
    from cudalock.conflicts.suggestions import Suggestion
SHOWN_VERSIONS = 4
"""How many versions are named one by one; more are shown as a span."""
SHOWN_BUILDS = 8
MOST_HOPS = 4
MOST_RELEASES = 8
"""How far, and of how many releases, the way to a project without a wheel is looked for."""


class Step(NamedTuple):
    """One line of an explanation; ``fact`` is the id of the curated fact it rests on."""

    text: str
    fact: str | None = None

    def __str__(self) -> str:
        return f"{self.text}   [{self.fact}]" if self.fact else self.text


class Explanation(NamedTuple):
    """Why a goal has no answer on a target.

    ``elements`` are those of the cores; ``conflicts`` tell each core, one fact a line;
    ``suggestions`` are changes that help, which were solved.
    """

    headline: str
    elements: tuple[str, ...]
    conflicts: tuple[tuple[Step, ...], ...]
    suggestions: tuple[Suggestion, ...] = ()

    def __str__(self) -> str:
        lines = [self.headline]
        for position, steps in enumerate(self.conflicts):
            if position:
                lines.append("and besides")
            lines += [f"  {step}" for step in steps]
        return "\n".join(lines)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of all conflicts."""
        return tuple(step for steps in self.conflicts for step in steps)

    @property
    def facts(self) -> tuple[str, ...]:
        """The ids of the curated facts in the cores."""
        return tuple(
            element.partition(":")[2] for element in self.elements if element.startswith("fact:")
        )


class Narrator:
    """Tells one core of a conflict."""

    def __init__(self, conflict: Conflict, core: Core) -> None:
        self._problem = conflict.problem
        self._network = conflict.search.network
        self._core = core
        self._dead_ends: dict[tuple[str, str, int, frozenset[str]], tuple[Step, ...] | None] = {}

    def steps(self) -> tuple[Step, ...]:
        """The steps of the propagation that led to the clash; where it takes a search to see
        the clash, the elements of the core instead."""
        trace: list[Strike] = []
        alive = self._network.alive(self._core.others, trace)
        empty = self._network.propagate(alive, self._core.others, trace)
        strikes = _leading_to(empty, trace) if empty is not None else []
        told = [step for strike in strikes for step in self._told(strike)]
        named = {step.fact for step in told}
        # What the trace did not need to show is part of the core all the same.
        for element in self._core.elements:
            kind, _, id = element.partition(":")
            if kind == "fact" and id not in named:
                fact = self._problem.matrix.fact(id)
                told.append(Step(f"{fact.component} {fact.says}", id))
            elif kind == "goal" and empty is None:
                told.insert(0, Step(f"the goal asks for {id}"))
                told += self._source_alone(id)
            elif kind == "option" and empty is None:
                told.append(Step(self._option(id, "")))
            elif kind == "target" and empty is None and not self._is_of_glibc(id):
                told.append(Step(self._machine(id)))
        told += self._instead()
        return tuple(dict.fromkeys(told))

    def _is_of_glibc(self, part: str) -> bool:
        """Whether it is the platform, beside a glibc that says so."""
        return part == "platform" and "target:glibc" in self._core.elements

    def _instead(self) -> Iterator[Step]:
        """What the facts of the core advise."""
        for element in self._core.elements:
            kind, _, id = element.partition(":")
            fix = self._problem.matrix.fact(id).fix if kind == "fact" else None
            if fix:
                yield Step(f"instead: {fix}", id)

    def _told(self, strike: Strike) -> Iterator[Step]:
        if isinstance(strike.cause, Restriction):
            yield from self._restriction(strike, strike.cause)
        else:
            yield self._table(strike, strike.cause)

    # -- what was asked, and the target ---------------------------------------------------------

    def _restriction(self, strike: Strike, cause: Restriction) -> Iterator[Step]:
        by_kind: dict[str, list[str]] = {}
        for element in sorted(cause.elements):
            kind, _, id = element.partition(":")
            by_kind.setdefault(kind, []).append(id)
        struck = self._members(strike.component, strike.before & ~strike.after)
        if "goal" in by_kind:
            yield Step(f"the goal asks for {by_kind['goal'][0]}")
            if not strike.after:
                yield from self._without_wheels(strike.component, by_kind["goal"][0])
        elif "fact" in by_kind:
            fact = self._problem.matrix.fact(by_kind["fact"][0])
            if fact.component != strike.component:
                # A fact about the target's own value; its `says` follows the value.
                yield Step(f"{self._fixed(fact.component)} {fact.says}", fact.id)
                return
            subject = self._subject(fact.component, struck)
            machine = "".join(f"; {self._machine(part)}" for part in by_kind.get("target", ()))
            yield Step(f"{subject} {fact.says}{machine}", fact.id)
        elif "target" in by_kind:
            # Other builds of a version that stays are no loss worth telling.
            kept = {each.version for each in self._members(strike.component, strike.after)}
            lost = [each for each in struck if each.version not in kept]
            if lost:
                yield Step(self._no_wheel(strike.component, lost, by_kind["target"]))
        else:
            yield Step(self._option(by_kind["option"][0], strike.component))

    def _without_wheels(self, component: str, text: str) -> Iterator[Step]:
        """Why none of the versions asked for can be pinned at all, whatever the target."""
        project = self._problem.matrix.project(component)
        specifier = parse_requirement(text).specifier
        source_only = []
        for version in project.versions if project else ():
            if not project or not specifier.contains(version, prereleases=True):
                continue
            release = project.release(version)
            if release.yanked:
                yield Step(f"{component} {version} was withdrawn: {release.yanked}")
            elif release.sdist and not any(build.rows for build in release.builds):
                source_only.append(Candidate(component, version))
        if source_only:
            yield Step(
                f"{self._subject(component, source_only)} has no wheel, only a source "
                "distribution that would have to be compiled"
            )
        yield from self._other_builds(component, str(specifier))

    def _other_builds(self, component: str, specifier: str) -> Iterator[Step]:
        """That a release has no build of the local version that is asked for, and which it has."""
        project = self._problem.matrix.project(component)
        if project is None or "+" not in specifier:
            return
        for version in project.versions:
            if not may_accept(specifier, version):
                continue
            labels = sorted({b.local for b in project.release(version).builds if b.local})
            if labels and not any(accepts(specifier, f"{version}+{label}") for label in labels):
                have = ", ".join(f"+{label}" for label in labels[:SHOWN_BUILDS])
                have += f" and {len(labels) - SHOWN_BUILDS} more" * (len(labels) > SHOWN_BUILDS)
                yield Step(f"{component} {version} has no such build; it has {have}")

    def _source_alone(self, text: str) -> tuple[Step, ...]:
        """The way from a requirement of the goal to one that no wheel here meets (a source
        distribution, other platforms, a project that is not held), if every release that could be
        taken leads to such a one."""
        wanted = parse_requirement(text)
        name = self._problem.meant(wanted.name)
        extras = frozenset(wanted.extras)
        return self._dead_end(name, str(wanted.specifier), MOST_HOPS, extras) or ()

    def _dead_end(
        self, name: str, specifier: str, hops: int, extras: frozenset[str]
    ) -> tuple[Step, ...] | None:
        """Why no release of a project can be had, by what it requires; None where one might be."""
        key = (name, specifier, hops, extras)
        if key not in self._dead_ends:
            self._dead_ends[key] = self._look_for_dead_end(name, specifier, hops, extras)
        return self._dead_ends[key]

    def _look_for_dead_end(
        self, name: str, specifier: str, hops: int, extras: frozenset[str]
    ) -> tuple[Step, ...] | None:
        project = self._problem.matrix.project(name)
        if project is None:
            return (Step(self._not_held(name)),)
        asked = [
            version
            for version in reversed(project.versions)
            if accepts(specifier, version) and not is_prerelease(version)
        ]
        takable = (each for each in map(partial(self._first_at, name), asked) if each is not None)
        # Impossible alone: no release can be had, and the newest tells it as well as all.
        is_alone = hops == MOST_HOPS and len(self._core.elements) == 1
        made = list(islice(takable, 1 if is_alone else MOST_RELEASES + 1))
        if not made:
            told = tuple(self._without_wheels(name, f"{name}{specifier}"))[-1:]
            return told or self._not_for_here(name, asked)
        if not hops or len(made) > MOST_RELEASES:
            return None
        first = None
        for candidate in made:
            way = self._dead_requirement(candidate, hops, extras)
            if way is None:
                return None
            first = first or way
        return first

    def _not_held(self, name: str) -> str:
        if self._problem.matrix.is_open:
            return f"{name} is neither in the matrix nor on an index that was asked"
        return f"{name} is not in the matrix; with `--live` the package index is asked"

    def _first_at(self, name: str, version: str) -> Candidate | None:
        """The first candidate of a release that the target and the options let through."""
        for candidate in self._problem.candidates_at(name, version):
            if next(iter(self._problem.missed_filters(candidate)), None) is None:
                return candidate
        return None

    def _not_for_here(self, name: str, asked: list[str]) -> tuple[Step, ...] | None:
        """That no wheel of these releases is for the target; None for no releases."""
        if not asked:
            return None
        lost = [Candidate(name, version) for version in asked]
        glibc = ("glibc",) if self._problem.target.glibc else ()
        return (Step(self._no_wheel(name, lost, ["platform", "python", *glibc])),)

    def _dead_requirement(
        self, candidate: Candidate, hops: int, extras: frozenset[str]
    ) -> tuple[Step, ...] | None:
        parts = [candidate, *([candidate.with_extras(extras)] if extras else ())]
        for each in (one for part in parts for one in self._problem.metadata(part)):
            if each.name == candidate.name:
                # An extra that is made of others of the same project (grows).
                if each.extras and all(each.extras != part.extras for part in parts):
                    parts.append(candidate.with_extras(each.extras))
                continue
            for specifier in each.specifiers or ("",):
                way = self._dead_end(each.name, specifier, hops - 1, each.extras)
                if way is not None:
                    return (Step(f"{candidate} requires {each} (its metadata)"), *way)
        return None

    def _option(self, option: str, component: str) -> str:
        goal = self._problem.goal
        if option == "cuda":
            if goal.cuda is None:
                return "a build with CUDA is wanted, as long as `--cuda cpu` does not say otherwise"
            if goal.cuda == "cpu":
                return "the goal asks for a build without CUDA"
            return f"the goal asks for CUDA {goal.cuda.removeprefix('==').removesuffix('.*')}"
        if option == "exclude-newer":
            return f"only what had been published by {goal.exclude_newer} is taken"
        if option == "builders":
            others = f"other wheels of {component} are by builders"
            return f"{others} that `--builders {goal.builders}` does not accept"
        if option == "toolkit" and goal.toolkit is not None:
            release, parts = goal.toolkit
            return f"the goal asks for CUDA toolkit {release} ({', '.join(parts) or 'all parts'})"
        return self._cudnn()

    def _cudnn(self) -> str:
        goal, matrix = self._problem.goal, self._problem.matrix
        project = self._problem.cudnn_project(goal.toolkit[0] if goal.toolkit else None)
        versions = matrix.versions(project)
        there = f"{project} has {versions[0]} to {versions[-1]}" if versions else "there is none"
        return f"the goal asks for cuDNN {goal.cudnn}; {there}"

    def _fixed(self, component: str) -> str:
        values = self._problem.target_values.get(component, ())
        toolkit = self._problem.goal.toolkit
        if not values and toolkit:
            return f"CUDA toolkit {toolkit[0]}"
        return f"{component} {' and '.join(value.version or '' for value in values)}"

    def _machine(self, part: str) -> str:
        target = self._problem.target
        values = {
            "gpu": f"the target's GPU has compute capability {' and '.join(target.gpus)}",
            "driver": f"the target's driver is {target.driver}",
            "glibc": f"the target has glibc {target.glibc}",
            "python": f"the target has Python {target.python_text}",
            "platform": f"the target is {target.platform_label}",
        }
        return values[part]

    def _no_wheel(self, component: str, struck: list[Candidate], parts: list[str]) -> str:
        target = self._problem.target
        subject = self._subject(component, struck)
        if parts == ["python"]:
            pythons = _pythons(struck)
            there = f": only for Python {pythons}" if pythons else ""
            return f"{subject} has no wheel for Python {target.python_text}{there}"
        if parts == ["platform"]:
            return f"{subject} has no wheel for {target.platform_label}"
        if "glibc" in parts:
            return f"{subject} has no wheel for {target.platform_label} with glibc {target.glibc}"
        where = f"{target.platform_label} with Python {target.python_text}"
        return f"{subject} has no wheel for {where}"

    # -- facts and metadata ---------------------------------------------------------------------

    def _table(self, strike: Strike, table: Table) -> Step:
        owners = strike.before if strike.component == table.owner else self._alive_owners(table)
        members = self._members(table.owner, owners & table.covered)
        subject = self._subject(table.owner, members)
        if table.element is None:
            return Step(f"{subject} requires {self._required(table, members)} (its metadata)")
        kind, _, id = table.element.partition(":")
        if kind == "option":
            return Step(self._option(id, table.owner))
        fact = self._problem.matrix.fact(id)
        return Step(f"{subject} {fact.says}{self._meaning(table, owners)}", fact.id)

    def _meaning(self, table: Table, owners: int) -> str:
        """What a fact about a virtual component comes to for its owners, where that is short."""
        if not self._problem.matrix.component(table.other).is_virtual:
            return ""
        accepted = 0
        for group, useful in table.groups:
            if group & owners:
                accepted |= useful
        versions = _versions(self._members(table.other, accepted))
        return f": {table.other} {versions}" if versions else f": no {table.other}"

    def _alive_owners(self, table: Table) -> int:
        alive = self._network.alive(self._core.others)
        return alive[table.owner]

    def _required(self, table: Table, members: list[Candidate]) -> str:
        texts = {
            str(requirement)
            for candidate in members
            for requirement in self._problem.metadata(candidate, frozenset([table.other]))
        }
        wanted = sorted(texts, key=_lowest)
        if len(wanted) > SHOWN_VERSIONS:
            return f"{wanted[0]} to {wanted[-1]}, each its own"
        return " or ".join(wanted) or table.other

    def _members(self, component: str, mask: int) -> list[Candidate]:
        return self._network.domains[component].members(mask & ~ABSENT)

    def _subject(self, component: str, candidates: list[Candidate]) -> str:
        return f"{component} {_versions(candidates)}".rstrip()


def _leading_to(component: str, trace: list[Strike]) -> list[Strike]:
    """The strikes that the last one, which emptied ``component``, rests on, in their order."""
    needed = {component}
    kept = []
    for strike in reversed(trace):
        if strike.component in needed:
            kept.append(strike)
            if isinstance(strike.cause, Table):
                needed |= {strike.cause.owner, strike.cause.other}
    return kept[::-1]


def _versions(candidates: list[Candidate]) -> str:
    """Versions for people: a few by name, many as a span; nothing for a great many."""
    found = sorted({each.version for each in candidates if each.version}, key=version_order)
    if len(found) <= SHOWN_VERSIONS:
        return either(found)
    return f"{found[0]} to {found[-1]}"


def _lowest(requirement: str) -> tuple[tuple[Version, str], str]:
    """A key to sort requirements by: the lowest version that each names."""
    versions = re.findall(r"(?<=[=<>~])\d+(?:\.\d+)*", requirement)
    return min(map(version_order, versions), default=version_order("0")), requirement


def _pythons(candidates: list[Candidate]) -> str:
    """The CPython versions that wheels of these candidates' builds are for."""
    tags = {tag for each in candidates if each.build for tag in each.build.tags}
    minors = sorted({int(m[1]) for tag in tags if (m := re.search(r"\bcp3(\d+)-cp3\d+-", tag))})
    if not minors:
        return ""
    span = minors == list(range(minors[0], minors[-1] + 1)) and len(minors) > 2
    if span:
        return f"3.{minors[0]} to 3.{minors[-1]}"
    return either([f"3.{minor}" for minor in minors])


__all__ = ["Explanation", "Narrator", "Step"]

"""The oracle: facts and rows as Boolean clauses for a SAT solver, and the best answer among all.

One formula serves every goal on a target. Each build of each release is a variable that says "this
is pinned"; a project has at most one. What a goal asks is assumed, so the formula is made once and
asked often. The cost vector is settled from left to right: each point is made as good as can be and
then assumed too.

Nothing of the package is used but the fields of a goal and a target. See :mod:`tests.verifier` for
how the files are read.
"""

from __future__ import annotations

import atexit
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from packaging.utils import canonicalize_name
from packaging.version import Version
from pysat.card import ITotalizer  # type: ignore[import-untyped]
from pysat.solvers import Solver  # type: ignore[import-untyped]

from tests.verifier import (
    ACCELERATORS,
    FRAMEWORK,
    OF_THE_FRAMEWORK,
    OF_THE_MACHINE,
    TRUSTED,
    USED_BY,
    Book,
    Need,
    Report,
    Row,
    best_rank,
    extras_named,
    inside,
    is_pin,
    machine_values,
    marker_environment,
    needs,
    requirement,
    tag_ranks_of,
    unknown_about,
    version_of,
    wanted_accelerator,
    wheel_rank,
)

if TYPE_CHECKING:
    from cudalock.goals import Goal, ProjectRequirement
    from cudalock.targets import Target

SOLVER: Final = "minisat22"
MANY: Final = 1000
"""The place of a component without a rank."""

Literal = int
Cost = tuple[Any, ...]


@dataclass(frozen=True)
class Value:
    """A version of a virtual component; like a row, it can be chosen."""

    project: str
    version: str


@dataclass(frozen=True)
class Answer:
    """The best answer: its cost but for the closure, and the rows that count.

    Where the goal can be met without the framework, the points about it say nothing.
    """

    cost: Cost
    rows: Mapping[str, Row]
    needs_framework: bool


class Oracle:
    """Answers goals; formulas are kept by what they depend on besides the goal's names."""

    def __init__(self, book: Book | None = None) -> None:
        self.book = book or Book()
        self._formulas: dict[tuple[object, ...], Formula] = {}
        # The solver is C++, and complains if it is left to the interpreter's end.
        atexit.register(self.close)

    def close(self) -> None:
        """Let the formulas go."""
        while self._formulas:
            self._formulas.popitem()[1].close()

    def best(self, goal: Goal, target: Target) -> Answer | None:
        """The best answer, None where there is none."""
        return self._formula(goal, target).best(goal)

    def _formula(self, goal: Goal, target: Target) -> Formula:
        if goal.toolkit or goal.cudnn:
            raise NotImplementedError("the oracle does not read the vendor's tables")
        texts = tuple(map(str, goal.requirements + goal.constraints))
        special = tuple(text for text in texts if requirement(text).specifier.prereleases)
        key = (target, goal.builders, goal.exclude_newer, special)
        if key not in self._formulas:
            if len(self._formulas) > 3:  # a formula is some 50 MB
                self._formulas.pop(next(iter(self._formulas))).close()
            self._formulas[key] = Formula(self.book, target, goal)
        return self._formulas[key]


def judge(
    book: Book, goal: Goal, target: Target, report: Report, needs_framework: bool = True
) -> Cost:
    """The cost of an answer that the verifier has read."""
    rows = report.rows
    framework = rows.get(FRAMEWORK) if needs_framework else None
    doubts = Doubts(book, target)
    names = components(book, goal, marker_environment(target))
    guiding = {fact for fact in report.warnings if is_guiding(book, names, fact)}
    # A fact that warns of a wheel in itself is counted with its line.
    own = [
        book.owner(fact) for fact in report.warnings - guiding if not book.fact(fact).get("refuses")
    ]
    return (
        len(guiding) + (FRAMEWORK in rows and doubts.is_doubtful(rows[FRAMEWORK])),
        sum(doubts.is_unseen(rows[name]) for name in names if name in rows),
        _Newest(version_of(framework.version)) if framework else (),
        sum(rows[name].has_warning for name in names if name in rows),
        build_key(framework) if framework else (),
        tuple(
            (
                *doubts.line(rows[name]),
                doubts.count(rows[name], framework) + own.count(name),
                *component_key(rows[name], _label(framework, "cuda")),
            )
            for name in names
            if name in rows
        ),
        _index_key(framework) if framework else 0,
    )


def is_guiding(book: Book, names: Sequence[str], id: str) -> bool:
    """Whether a warning counts before any version: one about the framework, what its build fixes,
    or the target, or one of a component of the goal that rests on the framework, its build or the
    platform."""
    owner = book.owner(id)
    chosen_together = {FRAMEWORK, *OF_THE_FRAMEWORK, "glibc", "python"}
    if owner not in names or owner == FRAMEWORK:
        return owner in {FRAMEWORK, *OF_THE_FRAMEWORK, *OF_THE_MACHINE}
    return not chosen_together.isdisjoint(book.named_beside(book.fact(id)))


class Doubts:
    """What is unknown about rows on one target."""

    def __init__(self, book: Book, target: Target) -> None:
        self._book = book
        self._environment = marker_environment(target)
        self._ranks = tag_ranks_of(target)
        self._machine = machine_values(target)
        self._about: dict[int, set[str]] = {}

    def line(self, row: Row) -> tuple[Any, ...]:
        """Of a component first: the newest major, own before known builders, a wheel that somebody
        has seen and that no fact warns of in itself, the newest minor."""
        version = version_of(row.version)
        return (
            _Newest((version.epoch, version.major)),
            ("own", "known", "other").index(self._book.trust[row.place]),
            self.is_unseen(row) + self._faults(row),
            _Newest((version.minor,)),
        )

    def _faults(self, row: Row) -> int:
        facts = self._book.facts(row.project, self._environment, row.version, row)
        return sum("refuses" in fact and fact["effect"] != "breaks" for fact in facts)

    def is_unseen(self, row: Row) -> bool:
        """Whether nobody has seen the row's wheel for the target, nor one that differs from it in
        its Python alone."""
        if not row.is_derived:
            return False
        fitting = {
            tags.split("-")[-1]
            for _, tags, _ in row.files()
            if wheel_rank(tags, self._ranks) is not None
        }
        here = [row.build.get(key) for key in ("index", "builder", "tag", "local")]
        return not any(
            build.get("known") != "derived"
            and [build.get(key) for key in ("index", "builder", "tag", "local")] == here
            and any(wheel[0].split("-")[-1] in fitting for wheel in build["wheels"])
            for build in row.release.get("builds", ())
        )

    def is_doubtful(self, row: Row) -> bool:
        """Whether something is unknown of a row by itself, or it has a known problem."""
        return row.is_derived or self.count(row, None) > 0

    def count(self, row: Row, framework: Row | None) -> int:
        """How many facts read a label that a row lacks, beside a build of the framework; and
        whether the row itself is warned of."""
        if id(row) not in self._about:
            found = unknown_about(self._book, row, self._environment, self._ranks)
            self._about[id(row)] = found
        return row.has_warning + sum(
            name in self._machine
            or (
                framework is not None and (name == FRAMEWORK or _label(framework, name) is not None)
            )
            for name in self._about[id(row)]
        )


# -- the cost vector, point by point ------------------------------------------------------------


class _Newest:
    """A version that sorts newest first."""

    def __init__(self, version: Version | tuple[int, ...]) -> None:
        self.version = version

    def __lt__(self, other: _Newest) -> bool:
        return self.version > other.version  # type: ignore[operator]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Newest) and self.version == other.version

    def __hash__(self) -> int:
        return hash(self.version)

    def __repr__(self) -> str:
        return str(self.version)


def build_key(row: Row) -> tuple[Any, ...]:
    """The build upstream puts on the package index, the newest, older, without an accelerator."""
    cuda = _label(row, "cuda")
    if cuda is None:
        others = [found for name in ("rocm", "xpu") if (found := _label(row, name)) is not None]
        return (1, _Newest(_minor(others[0]))) if others else (2,)
    usual = row.release.get("default", {}).get("cuda")
    if usual is not None and _minor(usual) == _minor(cuda):
        return (0,)
    return (1, _Newest(_minor(cuda)))


def component_key(row: Row, cuda: str | None) -> tuple[Any, ...]:
    """Of a component last: newest, nearest CUDA minor, newest tag, address."""
    return (
        _Newest(version_of(row.version)),
        _distance(_label(row, "cuda"), cuda),
        _index_key(row),
        _Newest(tuple(int(number) for number in re.findall(r"\d+", row.tag))),
        row.place,
        row.tag,
        row.local,
    )


def components(book: Book, goal: Goal, environment: Mapping[str, str]) -> list[str]:
    """The goal's components in the order in which they count."""
    names = {name for name, _, _ in _roots(book, goal.requirements, environment)} - {FRAMEWORK}
    ranks = {name: book.components.get(name, {}).get("rank", MANY) for name in names}
    return sorted(names, key=lambda name: (ranks[name], name))


def _index_key(row: Row) -> int:
    return 0 if row.build.get("index", "pypi") == "pypi" and "builder" not in row.build else 1


def _distance(built_with: str | None, cuda: str | None) -> tuple[int, int]:
    """Exact, then the nearest minor below, then the nearest above, then unknown."""
    if built_with is None or cuda is None or "." not in built_with:
        return (3, 0)
    (ours, our_minor), (theirs, their_minor) = _minor(built_with), _minor(cuda)
    apart = (theirs - ours) * 100 + their_minor - our_minor
    if apart == 0:
        return (0, 0)
    return (1, apart) if apart > 0 else (2, -apart)


def _label(row: Row | None, name: str) -> str | None:
    values = row.labels.get(name, []) if row else []
    return values[0] if values and values[0] != "none" else None


def _minor(cuda: str) -> tuple[int, ...]:
    return tuple(int(part) for part in cuda.split(".")[:2])


# -- the formula --------------------------------------------------------------------------------


@dataclass
class _Domain:
    """What may be chosen of one component."""

    choices: Sequence[Row | Value]
    literals: list[Literal]
    present: Literal
    matching: dict[str, Literal] = field(default_factory=dict)
    failing: dict[str, Literal] = field(default_factory=dict)


class Formula:
    """Every rule that holds on a target, whatever the goal's names are."""

    def __init__(self, book: Book, target: Target, goal: Goal) -> None:
        self.book, self.target, self.goal = book, target, goal
        self.environment = marker_environment(target)
        self._last = 0
        self._solver = Solver(name=SOLVER)
        self._domains: dict[str, _Domain] = {}
        self._soft: dict[str, Literal] = {}
        self._extras: dict[tuple[str, str], Literal] = {}
        self._pinning: dict[str, list[Literal]] = {}
        """what pins a project to one version"""
        self._unpinned: dict[str, list[Literal]] = {}
        """for each yanked row of a project: pinned by nothing known so far"""
        self._totals: dict[tuple[Literal, ...], list[Literal]] = {}
        self._orders: dict[tuple[str, str], list[set[Literal]]] = {}
        self._doubts = Doubts(book, target)
        self._machine = machine_values(target)
        for name, values in self._machine.items():
            for value in values:
                self._encode_facts(name, value, None, None)

    def close(self) -> None:
        self._solver.delete()

    def _new(self) -> Literal:
        self._last += 1
        return self._last

    def _clause(self, *literals: Literal) -> None:
        self._solver.add_clause(list(literals))

    # -- what may be chosen -------------------------------------------------------------------

    def _domain(self, name: str) -> _Domain:
        if name in self._domains:
            return self._domains[name]
        choices: Sequence[Row | Value] = (
            self._values(name) if name in OF_THE_FRAMEWORK else self._rows(name)
        )
        domain = _Domain(choices, [self._new() for _ in choices], self._new())
        self._domains[name] = domain
        self._clause(-domain.present, *domain.literals)
        for literal in domain.literals:
            self._clause(-literal, domain.present)
        self._at_most_one(domain.literals)
        for choice, literal in zip(choices, domain.literals, strict=True):
            row = choice if isinstance(choice, Row) else None
            self._encode_facts(name, choice.version, row, literal)
            if row is not None:
                self._encode_metadata(row, literal)
                if row.release.get("yanked"):
                    self._needs_a_pin(name, literal)
        return domain

    def _needs_a_pin(self, name: str, literal: Literal) -> None:
        """A yanked row is only for those who pin it; who they are is not known yet."""
        unpinned = self._new()
        self._clause(-literal, unpinned)
        self._unpinned.setdefault(name, []).append(unpinned)
        for pinning in self._pinning.get(name, ()):
            self._pinned_by(name, pinning)

    def _pinned_by(self, name: str, pinning: Literal) -> None:
        for place, unpinned in enumerate(self._unpinned.get(name, ())):
            still = self._new()
            self._clause(-unpinned, pinning, still)
            self._unpinned[name][place] = still

    def _values(self, name: str) -> list[Value]:
        found = {value for row in self.book.rows(FRAMEWORK) for value in row.labels.get(name, ())}
        return [Value(name, value) for value in sorted(found - {"none"}, key=version_of)]

    def _rows(self, name: str) -> list[Row]:
        return [row for row in self.book.rows(name) if self._is_offered(row)]

    def _is_offered(self, row: Row) -> bool:
        python = self.environment["python_full_version"]
        texts = tuple(map(str, self.goal.requirements + self.goal.constraints))
        about = [each for each in map(requirement, texts) if each.name == row.project]
        if version_of(row.version).is_prerelease and not any(
            each.specifier.prereleases for each in about
        ):
            return False
        limit = self.goal.exclude_newer
        return (
            self.book.trust[row.place] in TRUSTED[self.goal.builders]
            and (limit is None or row.release.get("uploaded", "9999") <= limit)
            and (not row.python or inside(python, row.python))
            and best_rank(row, tag_ranks_of(self.target)) is not None
        )

    def _at_most_one(self, literals: list[Literal]) -> None:
        before: Literal | None = None
        for literal in literals:
            if before is not None:
                self._clause(-before, -literal)
            after = self._new()
            self._clause(-literal, after)
            if before is not None:
                self._clause(-before, after)
            before = after

    # -- facts and metadata ---------------------------------------------------------------------

    def _encode_facts(
        self, name: str, version: str, row: Row | None, literal: Literal | None
    ) -> None:
        """``literal`` None: the choice is made already."""
        chosen = () if literal is None else (-literal,)
        unused: tuple[Literal, ...] = ()
        if literal is None and name in USED_BY:
            unused = (-self._domain(USED_BY[name]).present,)
        for fact in self.book.facts(name, self.environment, version, row):
            given_up = () if fact["effect"] == "breaks" else (self._relaxed(fact["id"]),)
            if fact.get("refuses"):
                self._clause(*chosen, *given_up, *unused)
            for need in needs(fact, version, row):
                met = self._met(need)
                if met is not None:
                    others = unused if need.is_of_the_machine else ()
                    self._clause(*chosen, *given_up, *others, *met)

    def _relaxed(self, fact: str) -> Literal:
        if fact not in self._soft:
            self._soft[fact] = self._new()
        return self._soft[fact]

    def _met(self, need: Need) -> list[Literal] | None:
        """Literals of which one must hold; None where it holds anyway."""
        found: list[Literal] = []
        # Alternatives about one component are one question: any of their ranges will do.
        for name, group in groupby(need.alternatives, key=lambda each: each[0]):
            ranges = [specifier for _, specifier in group]
            if name in OF_THE_MACHINE:
                if all(
                    any(inside(value, each or "") for each in ranges)
                    for value in self._machine.get(name, ())
                ):
                    return None
                continue
            known = name in OF_THE_FRAMEWORK or self.book.holds(name)
            if need.verb != "requires" and not known:
                return None
            if need.verb == "conflicts" or None in ranges:
                found.append(-self._domain(name).present)
                continue
            key = " || ".join(each or "" for each in ranges)
            if need.verb == "requires":
                found.append(self._matching(name, key))
            else:
                found.append(-self._failing(name, key))
        return found

    def _matching(self, name: str, key: str) -> Literal:
        """True only if something inside the range is chosen."""
        domain = self._domain(name)
        if key not in domain.matching:
            literal = domain.matching[key] = self._new()
            fitting = (
                each
                for choice, each in zip(domain.choices, domain.literals, strict=True)
                if _fits(choice, key)
            )
            self._clause(-literal, *fitting)
        return domain.matching[key]

    def _failing(self, name: str, key: str) -> Literal:
        """True at least if something outside the range is chosen."""
        domain = self._domain(name)
        if key not in domain.failing:
            literal = domain.failing[key] = self._new()
            for choice, each in zip(domain.choices, domain.literals, strict=True):
                if not _fits(choice, key):
                    self._clause(-each, literal)
        return domain.failing[key]

    def _encode_metadata(self, row: Row, literal: Literal) -> None:
        base = list(self.book.wanted(row, self.environment))
        for name, specifier, extras in base:
            self._encode_requirement((-literal,), name, specifier, extras)
        for extra in extras_named(row):
            wanted = self._extra(row.project, extra)
            for each in self.book.wanted(row, self.environment, [extra]):
                if each not in base:
                    self._encode_requirement((-literal, -wanted), *each)

    def _encode_requirement(
        self, unless: tuple[Literal, ...], name: str, specifier: str, extras: Iterable[str]
    ) -> None:
        self._clause(*unless, self._matching(name, specifier))
        if is_pin(specifier):
            pinning = self._new()
            for each in unless:
                self._clause(-pinning, -each)
            self._pinning.setdefault(name, []).append(pinning)
            self._pinned_by(name, pinning)
        for extra in extras:
            self._clause(*unless, self._extra(name, canonicalize_name(extra)))

    def _extra(self, project: str, extra: str) -> Literal:
        key = (project, canonicalize_name(extra))
        if key not in self._extras:
            self._extras[key] = self._new()
        return self._extras[key]

    # -- a goal -----------------------------------------------------------------------------------

    def best(self, goal: Goal) -> Answer | None:
        """The best answer, None where there is none."""
        assumed = list(self._assumptions(goal))
        if not self._holds(assumed):
            return None
        if goal.strict and not self._hold_all(assumed, self._soft.values()):
            return None
        names = components(self.book, goal, self.environment)
        guiding = [
            literal
            for fact, literal in sorted(self._soft.items())
            if is_guiding(self.book, names, fact)
        ]
        doubts = self._fewest(assumed, [*guiding, *self._doubtful_builds()])
        needs_framework = not self._holds([*assumed, -self._domain(FRAMEWORK).present])
        unseen = self._fewest(assumed, self._marked("unseen", names, self._doubts.is_unseen))
        version = self._newest_framework(assumed) if needs_framework else None
        trapped = self._fewest(assumed, self._marked("trapped", names, lambda row: row.has_warning))
        framework = None
        if needs_framework:
            framework = self._settle(assumed, FRAMEWORK, "build", build_key)
        keys = tuple(
            filter(None, (self._component(assumed, name, framework, names) for name in names))
        )
        if framework is not None:
            framework = self._settle(assumed, FRAMEWORK, "index", _index_key)
        cost = (
            doubts,
            unseen,
            _Newest(version) if version else (),
            trapped,
            build_key(framework) if framework else (),
            keys,
            _index_key(framework) if framework else 0,
        )
        return Answer(cost, self._chosen(assumed, [FRAMEWORK, *names]), needs_framework)

    def _hold_all(self, assumed: list[Literal], soft: Iterable[Literal]) -> bool:
        nothing = [-literal for literal in soft]
        if not self._holds(assumed + nothing):
            return False
        assumed += nothing
        return True

    def _doubtful_builds(self) -> list[Literal]:
        """A literal that is true at least if a doubtful build of the framework is chosen, if there
        is any."""
        domain = self._domain(FRAMEWORK)
        doubtful = [
            literal
            for choice, literal in zip(domain.choices, domain.literals, strict=True)
            if isinstance(choice, Row) and self._doubts.is_doubtful(choice)
        ]
        return [self._any_of(("doubtful", FRAMEWORK), doubtful)] if doubtful else []

    def _marked(
        self, mark: str, names: Sequence[str], is_marked: Callable[[Row], bool]
    ) -> list[Literal]:
        """For each component a literal that is true at least if a row with a mark is chosen."""
        found = []
        for name in names:
            domain = self._domain(name)
            marked = [
                literal
                for choice, literal in zip(domain.choices, domain.literals, strict=True)
                if isinstance(choice, Row) and is_marked(choice)
            ]
            if marked:
                found.append(self._any_of((mark, name), marked))
        return found

    def _component(
        self, assumed: list[Literal], name: str, framework: Row | None, names: Sequence[str]
    ) -> tuple[Any, ...] | None:
        """Settle one component of the goal; the key of what is chosen."""
        line = self._settle(assumed, name, "line", self._doubts.line)
        if line is None:
            return None
        domain = self._domain(name)
        rows = {
            literal: self._doubts.count(choice, framework)
            for choice, literal in zip(domain.choices, domain.literals, strict=True)
            if isinstance(choice, Row)
        }
        own = [
            literal
            for fact, literal in sorted(self._soft.items())
            if self.book.owner(fact) == name
            and not is_guiding(self.book, names, fact)
            and not self.book.fact(fact).get("refuses")
        ]
        # As many literals as the worst row has doubts: of a row with two, two are true.
        labels = (
            [name for name in sorted(framework.labels) if _label(framework, name)]
            if framework
            else []
        )
        for least in range(1, max(rows.values(), default=0) + 1):
            worse = [literal for literal, count in rows.items() if count >= least]
            own.append(self._any_of((f"{least} doubts beside {labels}", name), worse))
        doubts = self._fewest(assumed, own)
        cuda = _label(framework, "cuda")
        row = self._settle(assumed, name, f"beside {cuda}", lambda row: component_key(row, cuda))
        assert row is not None
        return *self._doubts.line(row), doubts, *component_key(row, cuda)

    def _assumptions(self, goal: Goal) -> Iterator[Literal]:
        for name, specifier, extras in _roots(self.book, goal.requirements, self.environment):
            yield self._matching(name, specifier)
            for extra in extras:
                yield self._extra(name, extra)
        for name, specifier, _ in _roots(self.book, goal.constraints, self.environment):
            if self.book.holds(name):
                yield -self._failing(name, specifier)
        yield from self._cuda(goal)
        pinned = {
            name
            for name, specifier, _ in _roots(
                self.book, goal.requirements + goal.constraints, self.environment
            )
            if is_pin(specifier)
        }
        for name, unpinned in self._unpinned.items():
            if name not in pinned:
                yield from (-each for each in unpinned)

    def _cuda(self, goal: Goal) -> Iterator[Literal]:
        framework = self._domain(FRAMEWORK).present
        wish = goal.accelerator
        name = wanted_accelerator(self.target)
        if wish is not None and wish.name in ("cpu", "mps"):
            wishes = [-self._domain(each).present for each in ACCELERATORS.values()]
        elif wish is not None and wish.specifier:
            wishes = [self._matching(wish.name, wish.specifier)]
        elif wish is not None:
            wishes = [self._domain(wish.name).present]
        elif name is not None and not _names_a_build(goal):
            wishes = [self._domain(name).present]
        else:
            return
        only_then = self._new()
        for each in wishes:
            self._clause(-only_then, -framework, each)
        yield only_then

    def _holds(self, assumed: list[Literal]) -> bool:
        return bool(self._solver.solve(assumptions=assumed))

    def _fewest(self, assumed: list[Literal], literals: list[Literal]) -> int:
        """As few of the literals true as can be."""
        if self._hold_all(assumed, literals):
            return 0
        key = tuple(literals)
        if key not in self._totals:
            total = ITotalizer(literals, ubound=min(len(literals), 12), top_id=self._last)
            self._last = total.top_id
            for clause in total.cnf.clauses:
                self._clause(*clause)
            self._totals[key] = list(total.rhs)
            total.delete()
        bounds = self._totals[key]
        for most in range(1, len(bounds)):
            if self._holds([*assumed, -bounds[most]]):
                assumed.append(-bounds[most])
                return most
        return len(literals)

    def _any_of(self, key: tuple[str, str], literals: list[Literal]) -> Literal:
        """A literal that is true at least if one of the others is."""
        if key not in self._extras:
            self._extras[key] = self._new()
            for literal in literals:
                self._clause(-literal, self._extras[key])
        return self._extras[key]

    def _newest_framework(self, assumed: list[Literal]) -> Version | None:
        row = self._settle(
            assumed, FRAMEWORK, "version", lambda row: _Newest(version_of(row.version))
        )
        return version_of(row.version) if row else None

    def _settle(
        self, assumed: list[Literal], name: str, point: str, key: Callable[[Row], Any]
    ) -> Row | None:
        """Assume the best class of a component's rows that still has an answer."""
        present = self._domain(name).present
        for others in self._classes(name, point, key):
            if self._holds([*assumed, present, *others]):
                assumed += [present, *others]
                return self._chosen(assumed, [name]).get(name)
        return None

    def _classes(self, name: str, point: str, key: Callable[[Row], Any]) -> Iterator[list[Literal]]:
        """For each class of rows with one key, best first: what must not be chosen for it."""
        domain = self._domain(name)
        if (name, point) not in self._orders:
            rows = sorted(
                (
                    (key(choice), literal)
                    for choice, literal in zip(domain.choices, domain.literals, strict=True)
                    if isinstance(choice, Row)
                ),
                key=lambda each: each[0],
            )
            self._orders[name, point] = [
                {literal for _, literal in group}
                for _, group in groupby(rows, key=lambda each: each[0])
            ]
        for chosen in self._orders[name, point]:
            yield [-each for each in domain.literals if each not in chosen]

    def _chosen(self, assumed: list[Literal], names: list[str]) -> dict[str, Row]:
        self._holds(assumed)
        model = set(self._solver.get_model() or ())
        return {
            name: choice
            for name in names
            for choice, literal in zip(
                self._domain(name).choices, self._domain(name).literals, strict=True
            )
            if literal in model and isinstance(choice, Row)
        }


def _fits(choice: Row | Value, key: str) -> bool:
    full = choice.full_version if isinstance(choice, Row) else choice.version
    return any(
        inside(full if "+" in specifier else choice.version, specifier)
        for specifier in key.split(" || ")
    )


def _roots(
    book: Book, stated: Iterable[ProjectRequirement], environment: Mapping[str, str]
) -> Iterator[tuple[str, str, list[str]]]:
    for parsed in map(requirement, map(str, stated)):
        if parsed.marker is None or parsed.marker.evaluate(dict(environment)):
            name = book.meant(canonicalize_name(parsed.name), environment)
            yield name, str(parsed.specifier), sorted(parsed.extras)


def _names_a_build(goal: Goal) -> bool:
    return any(
        parsed.name == FRAMEWORK and "+" in str(parsed.specifier)
        for parsed in map(requirement, map(str, goal.requirements + goal.constraints))
    )

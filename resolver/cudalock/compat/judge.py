"""Whether what is held goes together on a target: the pins of a file, or what is installed.

Who does what: :mod:`pins` is the question's parts, :mod:`stack` what there is anything to say
about, :mod:`wheels` what an installer may take, :mod:`single` judges each of them by itself,
:mod:`query` puts them to the engine, :mod:`describe` turns a smallest part that cannot hold into a
finding, and :mod:`fix` looks for the nearest that can.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cudalock.compat.pins import PinChange, PinConflict, PinnedProject
from cudalock.compat.query import PinQuery
from cudalock.compat.single import SinglePinJudge
from cudalock.compat.stack import Stack
from cudalock.findings import Finding
from cudalock.targets.accelerators import is_vendor_library
from cudalock.versions import may_accept

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cudalock.matrix.universe import Universe
    from cudalock.resolution.search import Search
    from cudalock.targets import Target

SOLVES: Final = 120
"""How many questions one judgement may ask of the engine; a clash takes about ten."""


def judge(
    held: Iterable[PinnedProject],
    target: Target,
    universe: Universe,
    *,
    solves: int = SOLVES,
    overridden: frozenset[str] = frozenset(),
) -> list[PinConflict]:
    """Every independent clash among what is held, and what is wrong with each thing alone.

    What does not belong to the stack counts only where the metadata of the stack, or a fact, leads
    to it. After each clash its least important member is let go, to see the next one. What metadata
    wants of ``overridden`` projects is not asked.
    """
    return Judge(target, universe, solves, overridden).judge(list(held))


class Judge:
    """Judges on one target, with a bounded number of questions."""

    ALONE = "cannot be had"
    """What is said of one thing that does not go with the target."""

    def __init__(
        self,
        target: Target,
        universe: Universe,
        solves: int = SOLVES,
        overridden: frozenset[str] = frozenset(),
    ) -> None:
        self.target = target
        self.universe = universe
        self.matrix = universe.matrix
        self.stack = Stack(universe)
        self.question = PinQuery(target, universe, solves, overridden, stack=self.stack)

    def judge(self, held: Sequence[PinnedProject]) -> list[PinConflict]:
        """See the function of the same name. What is held twice is judged once, and told twice."""
        alike: dict[PinnedProject, list[PinnedProject]] = {}
        for each in held:
            alike.setdefault(each._replace(origin=None), []).append(each)
        clashes = self._judge([each[0] for each in alike.values()])
        again = {id(each[0].origin): each[1:] for each in alike.values() if len(each) > 1}
        return [each for clash in clashes for each in _repeated(clash, again)]

    def _judge(self, held: Sequence[PinnedProject]) -> list[PinConflict]:
        found, usable = self.alone(held)
        together = self.with_related(usable, held)
        search = self.question.search(together)
        if search.holds_all():
            return self.mended(found, together)
        clashes, left = self.clashes(together, search)
        said = _not_said_twice(found, clashes)
        warnings = self.warnings(left, None if clashes else search)
        return [*self.mended([*said, *clashes], left), *warnings]

    def works(self, held: Sequence[PinnedProject]) -> bool:
        """Whether there is nothing but warnings and notes to find, of things that are all there."""
        found, usable = self.alone(held)
        if any(clash.finding.severity == "error" for clash in found):
            return False
        if len(usable) < sum(each.name in self.stack for each in held):
            return False
        return self.question.is_possible(self.with_related(usable, held))

    def mended(
        self, clashes: Sequence[PinConflict], left: Sequence[PinnedProject]
    ) -> list[PinConflict]:
        """The clashes, each that can be mended with the changes that do it. The most important are
        mended first, and the others as they are then."""
        broken = [
            clash
            for clash in clashes
            if clash.finding.rule.fixable and clash.finding.severity == "error"
        ]
        if not broken:
            return list(clashes)
        from cudalock.compat.fix import PinFixer

        mender = PinFixer(self.question, left)
        changes: dict[int, tuple[PinChange, ...]] = {}
        for clash in sorted(broken, key=lambda each: self.importance(each.members[0].name)):
            changes[id(clash)] = mender.mend(clash)
        return [self._with_changes(clash, changes.get(id(clash), ())) for clash in clashes]

    def mended_warnings(
        self, clashes: Sequence[PinConflict], left: Sequence[PinnedProject]
    ) -> list[PinConflict]:
        """The same for warnings about more than one thing: with the change after which nothing is
        left to warn of. The framework is not worth changing for one."""
        if not clashes:
            return []
        from cudalock.compat.fix import PinFixer

        strict = PinQuery(
            self.target, self.universe, self.question.solves, strict=True, stack=self.stack
        )
        mender = PinFixer(strict, left)
        found = []
        for clash in clashes:
            others = [each for each in clash.members if each.name != self.matrix.framework]
            found.append(clash._replace(changes=mender.mend(clash._replace(members=tuple(others)))))
        return found

    def _with_changes(self, clash: PinConflict, changes: tuple[PinChange, ...]) -> PinConflict:
        if not changes:
            return clash
        fix = " and ".join(f"`{change.text}`" for change in changes)
        urls = [
            url
            for change in changes
            if (url := self._url(change))
            and change.old.indexes is not None
            and change.index_id not in change.old.indexes
        ]
        if urls:
            fix += f" with `--extra-index-url {urls[0]}`"
        return clash._replace(finding=replace(clash.finding, fix=fix), changes=changes)

    def _url(self, change: PinChange) -> str | None:
        return self.universe.indexes[change.index_id].url if change.index_id else None

    def alone(self, held: Sequence[PinnedProject]) -> tuple[list[PinConflict], list[PinnedProject]]:
        """What is wrong with each member of the stack by itself, and what can be judged together,
        the most important first.

        An index that is missing for one is taken to be there for the others: naming it is one
        change, and mends them all.
        """
        alone = SinglePinJudge(self.target, self.universe)
        members = [each for each in held if each.name in self.stack]
        judged = [alone.judge(each) for each in members]
        added = frozenset(index for found, _ in judged for clash in found for index in clash.needs)
        if added:
            judged = [
                one if any(clash.needs for clash in one[0]) else alone.judge(_wider(each, added))
                for each, one in zip(members, judged, strict=True)
            ]
        usable = [_wider(use, added) for _, use in judged if use is not None]
        usable.sort(key=lambda each: self.importance(each.name))
        return [clash for found, _ in judged for clash in found], usable

    def importance(self, name: str) -> tuple[int, int]:
        """The framework first, then what has a rank, then the rest, and last the vendor's."""
        if name == self.matrix.framework:
            return 0, 0
        if not self.matrix.is_curated(name):
            return 3, 0
        rank = self.matrix.component(name).rank
        return (2, 0) if rank is None else (1, rank)

    def with_related(
        self, usable: Sequence[PinnedProject], held: Sequence[PinnedProject]
    ) -> list[PinnedProject]:
        """What has to be put to the engine: the stack, and what is held besides that it may not go
        with. The vendor's packages count as such, beside something that wants them."""
        members = [each for each in usable if not is_vendor_library(each.name)]
        if not members:
            return list(usable)
        vendors = [each for each in usable if is_vendor_library(each.name)]
        besides = [each for each in held if each.name not in self.stack]
        strained = self.stack.strained(members, besides)
        return [
            *members,
            *self.stack.strained(members, vendors),
            *(each._replace(indexes=None, file=None) for each in strained if self._is_known(each)),
        ]

    def _is_known(self, held: PinnedProject) -> bool:
        """Whether the matrix has some version of it: what it does not have proves nothing."""
        if held.name not in self.matrix.projects:
            return False
        project = self.universe.project(held.name)
        return project is not None and any(
            may_accept(held.specifier, version) for version in project.versions
        )

    def clashes(
        self, held: Sequence[PinnedProject], search: Search | None = None
    ) -> tuple[list[PinConflict], list[PinnedProject]]:
        """Every independent clash, and what is left without them. ``search`` is that of all."""
        from cudalock.compat.describe import told

        left = list(held)
        found: list[PinConflict] = []
        is_possible = search.is_possible() if search else self.question.is_possible(held)
        while not is_possible and not self.question.is_spent:
            core = self._core(left)
            if not core:
                break
            if any(each.name in self.stack for each in core):
                finding = told(core, self.question.problem(core, wide=True), self.ALONE)
                found.append(PinConflict(finding, tuple(reversed(core))))
            left = [each for each in left if each is not core[-1]]
            is_possible = self.question.is_possible(left)
        return found, left

    def _core(self, held: Sequence[PinnedProject]) -> list[PinnedProject]:
        """A smallest part that does not go together; of the stack alone, where that is enough."""
        members = [each for each in held if each.name in self.stack]
        is_enough = len(members) < len(held) and not self.question.is_possible(members)
        return self.question.core(members if is_enough else held)

    def warnings(
        self, held: Sequence[PinnedProject], search: Search | None = None
    ) -> list[PinConflict]:
        """The soft facts that what is held goes against; ``search`` is that of it."""
        if not any(each.required for each in held) or self.question.is_spent:
            return []
        if search is None:
            search = self.question.search(held)
            if search.holds_all():
                return []
        best = search.best()
        ids = sorted(element.id for element in (best.off if best else ()))
        return [self._warning(id, held) for id in ids]

    def _warning(self, id: str, held: Sequence[PinnedProject]) -> PinConflict:
        fact = self.matrix.fact(id)
        named = {fact.component, *(demand.template.name for demand in fact.beside)}
        members = [each for each in held if each.name in named]
        members.sort(key=lambda each: each.name != fact.component)
        texts = " beside ".join(each.text for each in members) or fact.component
        finding = Finding(
            code="CL202",
            severity="warning",
            sentence=f"{texts}: {fact.component} {fact.says}",
            facts=(id,),
            fix=fact.fix,
            members=tuple(each.name for each in members),
        )
        return PinConflict(finding, tuple(members))


def _repeated(
    clash: PinConflict, again: Mapping[int, Sequence[PinnedProject]]
) -> Iterator[PinConflict]:
    """A clash, and the same for whatever else says what its first member says."""
    yield clash
    first, *others = clash.members
    for held in again.get(id(first.origin), ()):
        changes = [
            change._replace(old=held) if change.old.origin is first.origin else change
            for change in clash.changes
        ]
        yield clash._replace(members=(held, *others), changes=tuple(changes))


def _wider(held: PinnedProject, indexes: frozenset[str]) -> PinnedProject:
    return held if held.indexes is None else held._replace(indexes=held.indexes | indexes)


def _not_said_twice(found: list[PinConflict], clashes: list[PinConflict]) -> list[PinConflict]:
    """Less the warnings that a clash says as an error."""
    said = {(clash.finding.code, each.name) for clash in clashes for each in clash.members}
    return [
        clash
        for clash in found
        if clash.finding.severity == "error"
        or (clash.finding.code, clash.members[0].name) not in said
    ]

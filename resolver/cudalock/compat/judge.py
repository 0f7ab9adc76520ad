"""Judge pins on a target: each by itself, then all together, and find what would fix them.

:class:`Judge` is the one way in, for the lines of a file and for an environment alike. `examine`
finds, `with_fixes` and `with_warning_fixes` add the changes that help, and `judge` does it all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cudalock.compat.pins import PinChange, PinConflict, PinnedProject
from cudalock.compat.query import PinQuery
from cudalock.compat.same_files import RequiredProject, same_file_conflicts
from cudalock.compat.single import SinglePinJudge
from cudalock.compat.stack import Stack
from cudalock.compat.unbuilt import SOURCE_ONLY, conflicts_of_source
from cudalock.compat.wheels import PinWheels
from cudalock.findings import Finding
from cudalock.matrix.releases import KNOWN, PACKAGE_INDEX
from cudalock.matrix.sources import PURE
from cudalock.records import NamedTuple, replace
from cudalock.resolution.blockers import Blame
from cudalock.resolution.elements import ids_of
from cudalock.targets.accelerators import is_vendor_library
from cudalock.targets.facets import COMPONENTS, titled
from cudalock.text import listed
from cudalock.versions import (
    accepts,
    holds,
    is_prerelease,
    may_accept,
    names_prerelease,
    parse_version,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cudalock.matrix.universe import Universe, Unlisted
    from cudalock.resolution.search import Search
    from cudalock.targets import Target

SOLVES: Final = 120
"""How many searches one judgement may start; a conflict takes about ten.

Over the files of tests/cases/check the median is one, and the most is 21 for four conflicts."""


class Judgement(NamedTuple):
    """What is wrong with some pins."""

    single: list[PinConflict]
    """defects of one pin by itself, whatever the others are"""
    conflicts: list[PinConflict]
    """independent conflicts, each a minimal set of incompatible pins"""
    warnings: list[PinConflict]
    """facts that only warn, and that the compatible pins go against"""
    compatible: list[PinnedProject]
    """what is left when the least important pin of each conflict is dropped"""
    same_files: list[PinConflict]
    """pins that overwrite one another's files"""


def judge(
    pins: Iterable[PinnedProject],
    target: Target,
    universe: Universe,
    *,
    solves: int = SOLVES,
    overridden: frozenset[str] = frozenset(),
) -> list[PinConflict]:
    """Return every defect and every independent conflict of some pins, with fixes.

    A project outside the stack counts only where the metadata of the stack, or a fact, names it.
    After each conflict its least important pin is dropped to see the next one. `overridden` are
    the names of projects that metadata may require at any version.
    """
    return Judge(target, universe, solves, overridden).judge(list(pins))


class Judge:
    """Judges pins on one target with a bounded number of searches."""

    def __init__(
        self,
        target: Target,
        universe: Universe,
        solves: int = SOLVES,
        overridden: frozenset[str] = frozenset(),
        *,
        verb: str = "cannot be installed",
    ) -> None:
        """`verb` is the word of a finding for one pin that is incompatible with the target."""
        self.target = target
        self.universe = universe
        self.matrix = universe.matrix
        self.stack = Stack(universe)
        self.verb = verb
        self.query = PinQuery(target, universe, solves, overridden, stack=self.stack)
        self._bound: set[str] = set()
        """the projects outside the stack that facts about their rows bind to each other"""
        self._indexes_named: dict[str, frozenset[str] | None] = {}
        """by project, the indexes that the file names where it lacks the one that has the pin"""

    # -- the protocol ---------------------------------------------------------------------------

    def judge(self, pins: Sequence[PinnedProject]) -> list[PinConflict]:
        """See the function of this name. Equal pins are judged once and reported each."""
        # A line may stand in a file many times, in each extra for example: report it at each place.
        equal_pins: dict[PinnedProject, list[PinnedProject]] = {}
        for pin in pins:
            equal_pins.setdefault(pin._replace(origin=None), []).append(pin)
        judgement = self.examine([group[0] for group in equal_pins.values()])
        errors = [
            *judgement.same_files,
            *_without_repeats(judgement.single, judgement.conflicts),
            *judgement.conflicts,
        ]
        fixed = _without_replaced(self.with_fixes(errors, judgement.compatible))
        conflicts = [*fixed, *judgement.warnings]
        repeats = {id(group[0].origin): group[1:] for group in equal_pins.values()}
        return [copy for conflict in conflicts for copy in _repeated(conflict, repeats)]

    def examine(self, pins: Sequence[PinnedProject]) -> Judgement:
        """Find what is wrong with some pins, without looking for fixes."""
        single, usable = self._judge_single(pins)
        same_files = list(self._same_files(pins))
        overwritten = {conflict.members[0].name for conflict in same_files}
        usable = [pin for pin in usable if pin.name not in overwritten]
        relevant = self._relevant(usable, pins)
        built = [
            conflict
            for defect in single
            if defect.finding.code == SOURCE_ONLY
            for conflict in conflicts_of_source(defect.members[0], usable, self.target, self.matrix)
        ]
        if not relevant:
            return Judgement(single, built, [], relevant, same_files)
        search = self.query.search(relevant)
        # Most files are fine: propagation alone shows it, without a search.
        if search.is_possible_without_warnings():
            single += [*self._unknowns(relevant, search), *self._as_chosen(relevant)]
            return Judgement(single, built, [], relevant, same_files)
        conflicts, compatible = self._conflicts(relevant, search)
        if not conflicts:
            single += [*self._unknowns(relevant, search), *self._as_chosen(relevant)]
        conflicts = [*built, *conflicts]
        warnings = self._warnings(compatible, None if conflicts else search)
        return Judgement(single, conflicts, warnings, compatible, same_files)

    def _same_files(self, pins: Sequence[PinnedProject]) -> Iterator[PinConflict]:
        sharers = self.matrix.file_sharers
        if any(pin.name in sharers for pin in pins):
            members = [
                pin for pin in pins if pin.name in self.stack and pin.required and not pin.by_conda
            ]
            required = {
                name: RequiredProject(name, specifier, pin)
                for pin in sorted(members, key=lambda pin: self.importance(pin.name), reverse=True)
                for name, specifier in self.stack.required_by(pin, self.target).items()
                if name in sharers
            }
            yield from same_file_conflicts(pins, self.matrix, required, self.importance)

    def works(self, pins: Sequence[PinnedProject]) -> bool:
        """Return whether all the pins can be installed together, warnings apart."""
        single, usable = self._judge_single(pins)
        if any(defect.finding.severity == "error" for defect in single):
            return False
        # A pin without any usable wheel is not in the search, and would else pass unseen.
        left = {pin.name for pin in usable}
        if any(
            pin.name in self.stack and pin.name not in left and self.stack.is_judged_alone(pin.name)
            for pin in pins
        ):
            return False
        return self.query.is_possible(self._relevant(usable, pins))

    def with_fixes(
        self, conflicts: Sequence[PinConflict], compatible: Sequence[PinnedProject]
    ) -> list[PinConflict]:
        """Return the conflicts in their order, the fixable errors with the changes that fix them.

        The most important is fixed first, and each later one beside the fixes before it.
        """
        fixable = [
            conflict
            for conflict in conflicts
            if (conflict.finding.rule.fixable or _names_no_build(conflict))
            and (conflict.finding.severity == "error" or _may_have_wheel(conflict))
        ]
        if not fixable:
            return list(conflicts)
        # Imported here: a file that is fine, as most are, has no use for it.
        from cudalock.compat.fix import PinFixer

        fixer = PinFixer(self.query, compatible)
        # Later fixes respect earlier ones: the framework is fixed before what is built for it.
        fixable.sort(key=lambda conflict: self.importance(conflict.members[0].name))
        fixed = {
            id(conflict): fixer.fix(conflict)
            if conflict.finding.severity == "error"
            else fixer.wheel_of_release(conflict.members[0])
            for conflict in fixable
        }
        return [
            self._with_changes(conflict, changes)
            if (changes := fixed.get(id(conflict), ()))
            else _without_guess(conflict, compatible)
            for conflict in conflicts
        ]

    def with_warning_fixes(
        self, warnings: Sequence[PinConflict], compatible: Sequence[PinnedProject]
    ) -> list[PinConflict]:
        """Return the warnings, each with the changes after which there is nothing to warn of.

        The framework is not worth changing for a warning.
        """
        if not warnings:
            return []
        from cudalock.compat.fix import PinFixer

        strict = PinQuery(
            self.target, self.universe, self.query.solves, strict=True, stack=self.stack
        )
        fixer = PinFixer(strict, compatible)
        fixed = []
        for warning in warnings:
            # Another torch changes every build beside it: worse than what the warning is about.
            changeable = tuple(pin for pin in warning.members if pin.name != self.matrix.framework)
            changes = fixer.fix(warning._replace(members=changeable))
            fixed.append(warning._replace(changes=changes))
        return fixed

    def importance(self, name: str) -> tuple[int, int]:
        """Return a key to sort projects by: the framework, what has a rank, other curated ones."""
        if name == self.matrix.framework:
            return 0, 0
        if not self.matrix.is_curated(name):
            return 3, 0
        rank = self.matrix.component(name).rank
        return (2, 0) if rank is None else (1, rank)

    # -- fixes ----------------------------------------------------------------------------------

    def _with_changes(self, conflict: PinConflict, changes: tuple[PinChange, ...]) -> PinConflict:
        fix = " and ".join(f"`{change.text}`" for change in changes)
        urls = [
            url
            for change in changes
            if (url := self._index_url(change))
            and (indexes := self._indexes_named.get(change.old.name, change.old.indexes))
            is not None
            and change.index_id not in indexes
        ]
        if urls:
            fix += f" with `--extra-index-url {urls[0]}`"
        # A build on another index takes two edits, and only the user knows where the index goes.
        made = () if _names_no_build(conflict) else changes
        return conflict._replace(finding=replace(conflict.finding, fix=fix), changes=made)

    def _index_url(self, change: PinChange) -> str | None:
        return self.universe.indexes[change.index_id].url if change.index_id else None

    # -- one pin --------------------------------------------------------------------------------

    def _judge_single(
        self, pins: Sequence[PinnedProject]
    ) -> tuple[list[PinConflict], list[PinnedProject]]:
        """The defects of single pins of the stack, and the pins to judge together, the most
        important first.

        An index that is missing for one pin is taken to be named for the others as well: naming it
        is one change, and fixes them all.
        """
        single = SinglePinJudge(self.target, self.universe, self.query)
        members = [pin for pin in pins if pin.name in self.stack]
        judged = [single.judge(pin) for pin in members]
        added = frozenset(
            index for defects, _ in judged for defect in defects for index in defect.missing_indexes
        )
        for pin, (defects, _) in zip(members, judged, strict=True):
            if any(defect.missing_indexes for defect in defects):
                self._indexes_named[pin.name] = pin.indexes
        if added:
            judged = [
                (defects, usable)
                if any(defect.missing_indexes for defect in defects)
                else single.judge(_with_indexes(pin, added))
                for pin, (defects, usable) in zip(members, judged, strict=True)
            ]
        usable_pins = [_with_indexes(usable, added) for _, usable in judged if usable is not None]
        usable_pins.sort(key=lambda pin: self.importance(pin.name))
        defects = [
            defect
            for pin, (found, _) in zip(members, judged, strict=True)
            if self.stack.is_judged_alone(pin.name)
            for defect in found
        ]
        return defects, usable_pins

    # -- pins together --------------------------------------------------------------------------

    def _relevant(
        self, usable: Sequence[PinnedProject], pins: Sequence[PinnedProject]
    ) -> list[PinnedProject]:
        """The pins to give to the resolver: the stack, and what could conflict with it.

        NVIDIA's libraries count as such beside something that requires them.
        """
        members = [pin for pin in usable if not is_vendor_library(pin.name)]
        bound = [
            pin._replace(indexes=None, file=None)
            for pin in self.stack.bound_by_rows(pins)
            if self._has_version(pin)
        ]
        self._bound = {pin.name for pin in bound}
        if not members:
            return [*usable, *bound]
        libraries = [pin for pin in usable if is_vendor_library(pin.name)]
        outside = [
            pin for pin in pins if pin.name not in self.stack and pin.name not in self._bound
        ]
        return [
            *members,
            *bound,
            *self.stack.may_conflict(members, libraries),
            # What is outside the stack counts by its version alone: that the matrix does not know
            # the index or the file of it proves nothing.
            *(
                pin._replace(indexes=None, file=None)
                for pin in self.stack.may_conflict(members, outside)
                if self._has_version(pin)
            ),
        ]

    def _has_version(self, pin: PinnedProject) -> bool:
        """Whether the matrix has a version that the pin accepts: what it lacks proves nothing."""
        if pin.name not in self.matrix.projects:
            return False
        project = self.universe.project(pin.name)
        return project is not None and any(
            may_accept(pin.specifier, version) for version in project.versions
        )

    def _conflicts(
        self, pins: Sequence[PinnedProject], search: Search
    ) -> tuple[list[PinConflict], list[PinnedProject]]:
        """Every independent conflict, and the pins left without them; `search` is that of all."""
        from cudalock.compat.describe import conflict_finding

        compatible = list(pins)
        conflicts: list[PinConflict] = []
        is_possible = search.is_possible()
        while not is_possible and not self.query.is_spent:
            core = self._core(compatible)
            if not core:
                break
            if any(pin.name in self.stack or pin.name in self._bound for pin in core):
                # What the matrix lacks may be compatible: then it is not known.
                core, unlisted = self._with_limits_of(self._unlisted(core), core, compatible)
                problem = self.query.problem(core, wide=True)
                finding = conflict_finding(core, problem, self.verb, unlisted)
                if follows := self._follows(core, finding, conflicts):
                    finding = follows
                unknown = self._unverified(core, finding) or self._unknown_build(core, finding)
                if unknown := unknown or self._unread_source(core, finding):
                    finding = unknown
                conflicts.append(PinConflict(finding, tuple(reversed(core))))
            # The most important pins come first: the last one is the least to be missed.
            compatible = [pin for pin in compatible if pin is not core[-1]]
            is_possible = self.query.is_possible(compatible)
        return conflicts, compatible

    def _unlisted(self, core: Sequence[PinnedProject]) -> tuple[Unlisted, ...]:
        return self.universe.unlisted(Blame(self.query.search(core)).of_no_solution())

    def _with_limits_of(
        self,
        unlisted: tuple[Unlisted, ...],
        core: list[PinnedProject],
        pins: Sequence[PinnedProject],
    ) -> tuple[list[PinnedProject], tuple[Unlisted, ...]]:
        """The core of a conflict with what other pins say of the projects whose releases are not
        listed, if that rules those out: then the conflict is known."""
        names = {releases.project for releases in unlisted} - {pin.name for pin in core}
        limits = [pin for pin in pins if pin.name in names]
        if not limits:
            return core, unlisted
        wider = [*limits, *core]
        left = self._unlisted(wider)
        return (core, unlisted) if left else (wider, left)

    def _follows(
        self, core: Sequence[PinnedProject], finding: Finding, found: Sequence[PinConflict]
    ) -> Finding | None:
        """The finding for a pin that fails with the framework it requires, of which the same was
        found before: the reasons are there, and this line says what it has to do with them."""
        framework = next(
            (
                conflict.members[0]
                for conflict in found
                if len(conflict.members) == 1 and conflict.members[0].name == self.matrix.framework
            ),
            None,
        )
        if framework is None or framework.version is None or len(core) != 1:
            return None
        specifier = self.stack.required_by(core[0], self.target).get(framework.name)
        public = parse_version(framework.version).public
        if not specifier or not accepts(specifier, public):
            return None
        sentence = (
            f"{core[0].text} {self.verb} on {self.target.label}: it requires"
            f" {framework.name}{specifier} (its metadata)"
        )
        return replace(finding, sentence=sentence, fix=None)

    def _unverified(self, core: Sequence[PinnedProject], finding: Finding) -> Finding | None:
        """The note that stands for a conflict by a fact that says what nobody has read: the
        resolver keeps away from it, and that makes no pin wrong."""
        facts = [self.matrix.facts[id_] for id_ in finding.facts if id_ in self.matrix.facts]
        unread = next((fact for fact in facts if fact.basis == "unverified"), None)
        if unread is None:
            return None
        names = " and ".join(pin.text for pin in core)
        sentence = f"{names}: not judged, since {unread.component} {unread.says}"
        return replace(
            finding, code="CL105", severity="note", sentence=sentence, facts=(unread.id,), fix=None
        )

    def _unknown_build(self, core: Sequence[PinnedProject], finding: Finding) -> Finding | None:
        """The note that stands for a conflict by the labels of builds, where a pin may come to
        another build, from a place that the matrix does not know."""
        elsewhere = {pin.name for pin in core if pin.may_be_elsewhere and "+" not in pin.specifier}
        by_label = any(
            (fact := self.matrix.facts[fact_id]).component in elsewhere
            and any(demand.template.label_names for demand in fact.beside)
            for fact_id in finding.facts
            if fact_id in self.matrix.facts
        )
        if not by_label:
            return None
        names = " and ".join(pin.text for pin in core)
        known = finding.sentence.partition("; ")[2]
        sentence = (
            f"{names} are not judged: {listed(sorted(elsewhere))} may come from an index or page"
            f" that is not in the matrix; of the builds in it, {known}"
        )
        return replace(finding, code="CL105", severity="note", sentence=sentence, fix=None)

    def _unread_source(self, core: Sequence[PinnedProject], finding: Finding) -> Finding | None:
        """The note that stands for a conflict of an open pin, where an installer may build a
        release without a wheel of which nobody has read what it requires."""
        for pin in core:
            project = self.universe.project(pin.name)
            if pin.version is not None or pin.file is not None or project is None:
                continue
            unread = [
                version
                for version in project.versions
                if may_accept(pin.specifier, version)
                and not is_prerelease(version)
                and (release := project.release(version)).is_source_only
                and release.stated_requires is None
                and not self._compiles(pin.name, version)
            ]
            if unread:
                names = " and ".join(pin.text for pin in core)
                known = finding.sentence.partition("; ")[2]
                span = unread[0] if len(unread) == 1 else f"{unread[0]} to {unread[-1]}"
                sentence = (
                    f"{names} are not judged: without a wheel there is {pin.name} {span}, of which"
                    " nobody has read what the source distribution requires; of the others,"
                    f" {known}"
                )
                return replace(finding, code="CL105", severity="note", sentence=sentence, fix=None)
        return None

    def _compiles(self, name: str, version: str) -> bool:
        """Whether the source distribution of a release is known to need a compiler."""
        environment = self.target.marker_environment()
        state = self.matrix.component(name).source_state(
            version, lambda marker: holds(marker, environment)
        )
        return state is not None and state.kind != PURE

    def _core(self, pins: Sequence[PinnedProject]) -> list[PinnedProject]:
        """Return a minimal set of incompatible pins; of the stack alone, if that is enough."""
        # A conflict within the stack is the one to report: it needs no dependency to explain it.
        members = [pin for pin in pins if pin.name in self.stack]
        is_enough = len(members) < len(pins) and not self.query.is_possible(members)
        return self.query.core(members if is_enough else pins)

    def _warnings(self, pins: Sequence[PinnedProject], search: Search | None) -> list[PinConflict]:
        """The soft facts that compatible pins go against; `search` is theirs, if there is one."""
        if not any(pin.required for pin in pins) or self.query.is_spent:
            return []
        if search is None:
            search = self.query.search(pins)
            if search.is_possible_without_warnings():
                return []
        best = search.best()
        fact_ids = ids_of(best.off, "fact") if best else []
        warnings = [
            self._warning(fact_id, pins)
            for fact_id in sorted(fact_ids)
            if not self._is_answered(fact_id, pins)
        ]
        # What a fact says of something that the pins only lead to is not about their versions.
        return [warning for warning in warnings if warning.members]

    def _as_chosen(self, pins: Sequence[PinnedProject]) -> Iterator[PinConflict]:
        """What is wrong with the build of an open framework that an installer chooses, which knows
        nothing of the target's GPU and driver: it takes the newest one."""
        framework = next((pin for pin in pins if pin.name == self.matrix.framework), None)
        if framework is None or not framework.required or not framework.takes_highest:
            return
        if framework.version is not None or not (self.target.gpus or self.target.driver):
            return
        chosen = self._chosen(framework, pins)
        if chosen is None or self.query.is_spent or self.query.is_possible([chosen]):
            return
        from cudalock.compat.describe import conflict_finding

        problem = self.query.problem([chosen], wide=True)
        finding = conflict_finding([chosen], problem, self.verb, ())
        sentence = f"{framework.text} leaves the choice to the installer: {finding.sentence}"
        finding = replace(finding, sentence=sentence, severity="error")
        # The nearest to what an installer would take is the newest that works.
        member = framework._replace(specifier=chosen.specifier.partition("+")[0])
        yield PinConflict(finding, (member,), target_dependent=False)

    def _chosen(
        self, framework: PinnedProject, pins: Sequence[PinnedProject]
    ) -> PinnedProject | None:
        """The framework as an installer pins it: its newest version that the other pins and the
        platform leave, in the build that comes first."""
        blind = replace(self.target, gpus=(), driver=None)
        query = PinQuery(blind, self.universe, 1, self.query.overridden, stack=self.stack)
        left = query.search(pins).versions_left(framework.name, {}) or ()
        final = [version for version in left if not is_prerelease(version)]
        project = self.universe.project(framework.name)
        if not final or project is None:
            return None
        newest = max(final, key=parse_version)
        pin = framework._replace(specifier=f"=={newest}")
        wheels = PinWheels(pin, project, blind, self.matrix)
        build = wheels.first(wheels.is_reachable, wheels.fits)
        if build is None or build.build.known == KNOWN[-1]:
            return None
        indexes = frozenset({build.build.index or PACKAGE_INDEX})
        return framework._replace(specifier=f"=={build.version}", indexes=indexes)

    def _is_answered(self, fact_id: str, pins: Sequence[PinnedProject]) -> bool:
        """Whether a fact about what an installer chooses meets pins that leave it no choice."""
        fact = self.matrix.fact(fact_id)
        return fact.open_only and all(
            names_prerelease([pin.specifier]) for pin in pins if pin.name == fact.component
        )

    def _unknowns(self, pins: Sequence[PinnedProject], search: Search) -> Iterator[PinConflict]:
        """What nobody knows of compatible pins: whether a build has code for the target's GPU."""
        for pin in pins:
            for clause in search.unknown_clauses(pin.name) if pin.required else ():
                facet = COMPONENTS.get(clause.about)
                values = facet.values(self.target) if facet else ()
                about = listed(titled(clause.about, value) for value in values or ("",))
                sentence = f"whether {pin.text} works with {about} is unknown"
                finding = Finding("CL105", "note", sentence, (clause.fact.id,), members=(pin.name,))
                yield PinConflict(finding, (pin,))

    def _warning(self, fact_id: str, pins: Sequence[PinnedProject]) -> PinConflict:
        fact = self.matrix.fact(fact_id)
        named = {fact.component, *(demand.template.name for demand in fact.beside)}
        members = [pin for pin in pins if pin.name in named]
        members.sort(key=lambda pin: pin.name != fact.component)
        texts = " beside ".join(pin.text for pin in members) or fact.component
        finding = Finding(
            code="CL202",
            severity="note" if fact.is_slight else "warning",
            sentence=f"{texts}: {fact.component} {fact.says}",
            facts=(fact_id,),
            fix=fact.fix,
            members=tuple(pin.name for pin in members),
        )
        return PinConflict(finding, tuple(members))


def _repeated(
    conflict: PinConflict, repeats: Mapping[int, Sequence[PinnedProject]]
) -> Iterator[PinConflict]:
    """A conflict, and a copy for each pin that repeats its first member, by id of origin."""
    yield conflict
    first, *rest = conflict.members
    for pin in repeats.get(id(first.origin), ()):
        changes = [
            change._replace(old=pin) if change.old.origin is first.origin else change
            for change in conflict.changes
        ]
        yield conflict._replace(members=(pin, *rest), changes=tuple(changes))


def _with_indexes(pin: PinnedProject, indexes: frozenset[str]) -> PinnedProject:
    return pin if pin.indexes is None else pin._replace(indexes=pin.indexes | indexes)


def _without_guess(conflict: PinConflict, others: Sequence[PinnedProject]) -> PinConflict:
    """A conflict that no change fixes: a near version that has a wheel is no fix beside pins that
    exclude it."""
    if not conflict.has_guess or not others:
        return conflict
    return conflict._replace(finding=replace(conflict.finding, fix=None))


def _names_no_build(conflict: PinConflict) -> bool:
    """Whether pins conflict because the framework's comes to the build without CUDA."""
    return conflict.finding.code == "CL302" and len(conflict.members) > 1


def _may_have_wheel(conflict: PinConflict) -> bool:
    """Whether the version of a pin without a wheel on its indexes may have one elsewhere."""
    return conflict.finding.code == SOURCE_ONLY and conflict.members[0].version is not None


def _without_replaced(conflicts: Sequence[PinConflict]) -> list[PinConflict]:
    """The conflicts without those that an index is missing for a build that a fix replaces."""
    replaced = {change.old.name for conflict in conflicts for change in conflict.changes}
    return [
        conflict
        for conflict in conflicts
        if not (conflict.finding.code == "CL301" and conflict.members[0].name in replaced)
    ]


def _without_repeats(
    defects: Sequence[PinConflict], conflicts: Sequence[PinConflict]
) -> list[PinConflict]:
    """The defects without the warnings that a conflict reports as an error."""
    reported = {
        (conflict.finding.code, pin.name) for conflict in conflicts for pin in conflict.members
    }
    return [
        defect
        for defect in defects
        if defect.finding.severity == "error"
        or (defect.finding.code, defect.members[0].name) not in reported
    ]

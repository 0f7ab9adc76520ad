"""A file's lines, judged target by target, and told where they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.check.file_pins import Lines
from cudalock.check.index_names import Places
from cudalock.check.static import static_findings
from cudalock.check.targets import completed, likely, told
from cudalock.compat.judge import Judge
from cudalock.compat.pins import PinConflict, PinnedProject
from cudalock.compat.stack import Stack
from cudalock.findings import SEVERITIES, Finding
from cudalock.matrix.universe import ClosedUniverse
from cudalock.projects.model import Declared
from cudalock.targets.accelerators import is_vendor_library

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.universe import Universe
    from cudalock.projects.model import Place, ProjectFile
    from cudalock.targets import Target

MAX_TARGETS: Final = 64
"""How many likely targets are tried for one file."""


class Judged(NamedTuple):
    """What was found on one target for one group, and what was held there."""

    target: Target
    group: str | None
    held: tuple[PinnedProject, ...]
    clashes: tuple[PinConflict, ...]

    @property
    def errors(self) -> list[PinConflict]:
        return [clash for clash in self.clashes if clash.finding.severity == "error"]


@dataclass(frozen=True, slots=True)
class Checked:
    """A file, its findings in the order of its lines, and the judgements they rest on."""

    file: ProjectFile
    findings: list[Finding]
    judged: tuple[Judged, ...]


def check_file(file: ProjectFile, matrix: Matrix, targets: Sequence[Target] = ()) -> Checked:
    """See `cudalock.check.check`."""
    checker = _Checker(file, ClosedUniverse(matrix))
    judged: list[Judged] = []
    for alternatives in [completed(each, file) for each in targets] or [list(likely(file))]:
        judged += checker.on_one_of(alternatives[:MAX_TARGETS])
    findings = [
        *static_findings(file, matrix, targets),
        *checker.unpinned(),
        *(found for each in judged for found in checker.findings(each)),
        *checker.notes,
    ]
    return Checked(file, _in_order(findings, file), tuple(judged))


class _Checker:
    """Judges one file. `notes` come from looking for a target that works."""

    def __init__(self, file: ProjectFile, universe: Universe) -> None:
        self.file = file
        self.universe = universe
        self.stack = Stack(universe)
        self.notes: list[Finding] = []
        self._lines = Lines(file, Places(universe.matrix), universe.matrix.projects)
        self._names = {entry.name for entry in file.everything() if entry.name in self.stack}

    def _groups(self) -> list[str | None]:
        return self._lines.groups(self._names) if self._names else []

    def _judge(self, target: Target, group: str | None, lines: set[int] | None = None) -> Judged:
        """What is found on a target; of the errors only those that concern some lines, where they
        are given: the others hold on a target that was seen before."""
        held = self._lines.on(target, group)
        if not any(each.name in self.stack for each in held):
            return Judged(target, group, tuple(held), ())
        clashes = self._judgement(target).judge(held)
        if lines is not None:
            clashes = [each for each in clashes if _concerns(each, lines)]
        return Judged(target, group, tuple(held), tuple(clashes))

    def _judgement(self, target: Target) -> Judge:
        return Judge(target, self.universe, overridden=frozenset(self._lines.overridden))

    def on_one_of(self, targets: list[Target]) -> list[Judged]:
        """For each group as many of the targets as it takes to see each line on one that works.

        Where none works for a line, the first is the one to tell of.
        """
        return [each for group in self._groups() for each in self._covering(targets, group)]

    def _covering(self, targets: list[Target], group: str | None) -> Iterator[Judged]:
        waiting = {
            id(entry)
            for entry in self.file.everything()
            if entry.name in self._names and entry.group in (None, group)
        }
        for target in targets:
            if not waiting:
                return
            here = {id(each.origin) for each in self._lines.on(target, group)} & waiting
            if here:
                judged, seen = self._first_that_works(targets, target, group, here)
                waiting -= seen
                yield judged

    def _first_that_works(
        self, targets: list[Target], first: Target, group: str | None, lines: set[int]
    ) -> tuple[Judged, set[int]]:
        """The judgement on the first target that has these lines and no error, or at least none of
        those that another target is free of; else the one on the first of all. With it, the lines
        that need not be looked at again."""
        judged = self._judge(first, group, lines)
        if not judged.errors:
            return judged, _origins(judged) & lines
        errors = judged.errors
        other = self._better(targets, judged, errors, lines)
        if other is None:
            free = [
                clash
                for clash in errors
                if clash.finding.rule.target_dependent
                and any(self._may_work(each, group, [clash], lines) for each in targets)
            ]
            other = self._better(targets, judged, free, lines) if len(free) < len(errors) else None
        return other or judged, lines

    def _better(
        self, targets: list[Target], judged: Judged, mended: Sequence[PinConflict], lines: set[int]
    ) -> Judged | None:
        """The judgement on the first target that is free of some errors, and adds none; which it
        is noted of them."""
        if not mended or any(not clash.target_dependent for clash in mended):
            return None
        for target in targets:
            if target is judged.target or not self._may_work(target, judged.group, mended, lines):
                continue
            other = self._judge(target, judged.group, lines)
            if len(other.errors) <= len(judged.errors) - len(mended):
                self._note(judged, mended, targets, lines)
                return other
        return None

    def _may_work(
        self, target: Target, group: str | None, errors: Sequence[PinConflict], lines: set[int]
    ) -> bool:
        """Whether the lines are all there on a target, and each of these errors is not.

        Only the members of each error are judged there: it is cheap, and tells of most targets that
        they are no better.
        """
        held = self._lines.on(target, group)
        if not lines <= {id(each.origin) for each in held}:
            return False
        for clash in errors:
            wanted = {id(each.origin) for each in clash.members}
            members = [each for each in held if id(each.origin) in wanted]
            if not self._judgement(target).works(members):
                return False
        return True

    def _note(
        self, bad: Judged, clashes: Sequence[PinConflict], targets: list[Target], lines: set[int]
    ) -> None:
        """That something holds on some targets only, and on which."""
        for clash in clashes:
            place = _place(clash)
            if place is not None:
                good = [each for each in targets if self._may_work(each, bad.group, [clash], lines)]
                says = f"holds on {told(good)}, and not on {told([bad.target])}"
                found = Finding(
                    "CL002",
                    "note",
                    f"{' and '.join(each.text for each in clash.members)} {says}: "
                    f"{clash.finding.sentence}",
                    clash.finding.facts,
                    place=place,
                    members=clash.finding.members,
                )
                self.notes.append(found)

    # -- findings -------------------------------------------------------------------------------

    def findings(self, judged: Judged) -> Iterator[Finding]:
        """What was found on a target, where it stands and is not silenced."""
        for clash in judged.clashes:
            entries = [each.origin for each in clash.members if isinstance(each.origin, Declared)]
            place = _place(clash)
            if place is not None and not any(
                entry.is_ignored(clash.finding.code) for entry in entries
            ):
                yield replace(clash.finding, place=place)

    def unpinned(self) -> Iterator[Finding]:
        """A member of the stack that nothing pins, where something pins another that is installed
        with it. What the vendor makes is as the framework's own build wants it."""
        entries = [entry for entry in self.file.everything() if entry.name in self._names]
        pinned = [entry for entry in entries if entry.version or entry.url or entry.index]
        pinned_names = {entry.name for entry in pinned}
        for entry in entries:
            if entry.name in pinned_names or entry.role != "requirement":
                continue
            if entry.specifier or entry.problem is not None or entry.manager != "pypi":
                continue
            beside = self.file.wanted_with(entry.group)
            others = sorted({other.name for other in pinned if other.group in beside})
            if others and not self._is_settled(entry.name, pinned):
                says = f"{entry.name} is not pinned, beside a pinned {' and '.join(others[:2])}"
                yield Finding("CL501", "note", says, place=entry.place, members=(entry.name,))

    def _is_settled(self, name: str, pinned: Sequence[Declared]) -> bool:
        """Whether an installer has no choice of a project: the file's own, one of the vendor's, or
        one that the metadata of something pinned pins."""
        if is_vendor_library(name) or name in {each.project for each in self.file.files()}:
            return True
        return any(self.stack.is_pinned_by(name, each.name, each.version) for each in pinned)


def _concerns(clash: PinConflict, lines: set[int]) -> bool:
    is_error = clash.finding.severity == "error"
    return not is_error or any(id(each.origin) in lines for each in clash.members)


def _origins(judged: Judged) -> set[int]:
    return {id(each.origin) for each in judged.held}


def _place(clash: PinConflict) -> Place | None:
    entry = clash.members[0].origin if clash.members else None
    return entry.place if isinstance(entry, Declared) else None


def _in_order(findings: Sequence[Finding], file: ProjectFile) -> list[Finding]:
    """Each once, by file and place, the worst first where several stand in one place."""
    order = {name: at for at, name in enumerate(dict.fromkeys(each.name for each in file.files()))}
    unique = {(each.code, each.place, each.members): each for each in reversed(findings)}

    def key(finding: Finding) -> tuple[int, int, int, int, str, str]:
        place = finding.place
        where = (order.get(place.file, 0), place.line, place.column) if place else (0, 0, 0)
        return (*where, SEVERITIES.index(finding.severity), finding.code, finding.sentence)

    silenced = _silencing(file)
    found = [each for each in unique.values() if not silenced(each)]
    return sorted(found, key=key)


def _silencing(file: ProjectFile) -> Callable[[Finding], bool]:
    by_place = {entry.place: entry for entry in file.everything() if entry.ignored}

    def is_silenced(finding: Finding) -> bool:
        entry = by_place.get(finding.place) if finding.place else None
        return entry is not None and entry.is_ignored(finding.code)

    return is_silenced


__all__ = ["Checked", "Judged", "check_file"]

"""A file's lines, judged target by target, and told where they stand."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from cudalock.check.base_images import BaseImages, python_of
from cudalock.check.conda import (
    broken_pairs,
    cuda_of,
    has_conda,
    is_of_conda,
    replaced,
    with_project_names,
)
from cudalock.check.file_pins import FileLines
from cudalock.check.source_builds import offered_in_extra
from cudalock.check.source_fix import source_fixes
from cudalock.check.static import static_findings
from cudalock.check.targets import NEWER_GLIBC, completed, describe, likely, newer
from cudalock.compat.judge import Judge
from cudalock.compat.pins import PinConflict, PinnedProject
from cudalock.compat.same_files import CODE as SAME_FILES
from cudalock.compat.stack import Stack
from cudalock.compat.wheels import PinWheels
from cudalock.findings import SEVERITIES, Finding
from cudalock.matrix.universe import ClosedUniverse
from cudalock.projects.model import Declared
from cudalock.records import NamedTuple, dataclass, replace
from cudalock.targets.accelerators import CPU, CUDA

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.universe import Universe
    from cudalock.projects.model import Place, ProjectFile
    from cudalock.targets import Target

MAX_TARGETS: Final = 64
"""How many likely targets are tried for one file."""


WITHOUT_ACCELERATOR: Final = "CL302"
_PIP: Final = "with pip, which takes the highest version of all indexes"
_UV: Final = "with uv, which takes a project from the first index that has it"


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


def check_file(
    read_file: ProjectFile,
    matrix: Matrix,
    targets: Sequence[Target] = (),
    image: str | None = None,
) -> Checked:
    """See `cudalock.check.check`. `image` is the base image of what names none itself."""
    checker = _Checker(read_file, ClosedUniverse(matrix), image)
    file = checker.file
    judged: list[Judged] = []
    for alternatives in [completed(partial, file) for partial in targets] or [list(likely(file))]:
        judged += checker.on_one_of(alternatives[:MAX_TARGETS])
    findings = [
        *static_findings(read_file, matrix, targets),
        *checker.unpinned(judged),
        *(finding for partial in judged for finding in checker.findings(partial)),
        *checker.notes,
        *checker.images.findings(),
    ]
    return Checked(file, _in_order(findings, file), tuple(judged))


def pins_outside(checked: Checked, matrix: Matrix) -> tuple[tuple[str, str], ...]:
    """Return the exact pins (name and version) about which it was found that the matrix lacks such
    a release, and that it may exist."""
    pins = []
    clashes = (clash for judged in checked.judged for clash in judged.clashes)
    for pin in (pin for clash in clashes if clash.finding.code == "CL105" for pin in clash.members):
        project = matrix.project(pin.name)
        coverage = project.coverage if project is not None else None
        version = pin.version
        if coverage is not None and version and "+" not in version and not coverage.tells(version):
            pins.append((pin.name, version))
    return tuple(dict.fromkeys(pins))


class _Checker:
    """Judges one file. `notes` come from looking for a target that works."""

    def __init__(self, file: ProjectFile, universe: Universe, image: str | None = None) -> None:
        self.universe = universe
        self.stack = Stack(universe)
        self.notes: list[Finding] = []
        self._results: dict[Hashable, bool] = {}
        cuda = None
        if has_conda(file):
            # Imported here: a requirements file has no packages of conda.
            from cudalock.generate.rules import FILE, read_rules

            rules = read_rules(universe.matrix.file(FILE).parent)
            self.notes += broken_pairs(file, rules, universe.matrix)
            cuda = cuda_of(file, rules)
            file = with_project_names(file, rules)
        python = python_of(file, universe.matrix)
        self.file = file = file if python is None else replace(file, python=python)
        self._lines = FileLines(file, universe.matrix, cuda)
        self.images = BaseImages(file, universe.matrix, self.stack, image)
        self._names = {
            declared.name for declared in file.everything() if declared.name in self.stack
        }

        sharers = universe.matrix.file_sharers
        names = {declared.name for declared in file.everything()}
        self._judged = self._names | {
            name for name in names if name in sharers or self.stack.may_be_bound(name, names)
        }

    def _groups(self) -> list[str | None]:
        return self._lines.groups(self._judged) if self._judged else []

    def _judge(self, target: Target, group: str | None, lines: set[int] | None = None) -> Judged:
        """What is found on a target; of the errors only those that concern some lines, where they
        are given: the others hold on a target that was seen before."""
        pins = self._lines.on(target, group)
        if not any(pin.name in self._judged for pin in pins):
            return Judged(target, group, tuple(pins), ())
        clashes = self._judgement(target).judge(pins)
        if self._lines.may_differ:
            clashes = self._with_uv(target, pins, clashes)
        if any(pin.by_conda for pin in pins):
            clashes += replaced(pins, self.stack, self.universe, target)
            # conda resolves its packages, and knows nothing of the GPU that they shall run on.
            clashes = [
                self._as_of_conda(clash) if is_of_conda(clash) else clash
                for clash in clashes
                if self._is_of_gpu(clash) or not is_of_conda(clash)
            ]
        framework = self.universe.matrix.framework or ""
        offered = [
            self.images.adjusted(offered_in_extra(_as_offered(clash), self.file, framework))
            for clash in (self._by_choice(each, target, group) for each in clashes)
            if not self._is_meant_so(clash, group)
        ]
        clashes = [clash for clash in offered if clash is not None]
        if lines is not None:
            clashes = [project for project in clashes if _concerns(project, lines)]
        return Judged(target, group, tuple(pins), tuple(clashes))

    def _by_choice(self, clash: PinConflict, target: Target, group: str | None) -> PinConflict:
        """A conflict of files as a warning, where extras of a lock bring what overwrites what:
        nobody has to install both."""
        is_error = clash.finding.code == SAME_FILES and clash.finding.severity == "error"
        if not is_error or self._lines.are_in_base(clash.members, target, group):
            return clash
        return clash._replace(finding=replace(clash.finding, severity="warning"))

    def _as_of_conda(self, clash: PinConflict) -> PinConflict:
        """The same without a change for pip: its builds are not those of conda's channels."""
        facts = self.universe.matrix.facts
        advice = (facts[fact_id].fix for fact_id in clash.finding.facts if fact_id in facts)
        finding = replace(clash.finding, fix=next(filter(None, advice), None))
        return clash._replace(finding=finding, changes=())

    def _is_of_gpu(self, clash: PinConflict) -> bool:
        """Whether a conflict is one with the target's GPU, by the architectures of builds."""
        facts = self.universe.matrix.facts
        return any(
            demand.template.name == CUDA.component
            for fact_id in clash.finding.facts
            if fact_id in facts
            for demand in facts[fact_id].of_machine
        )

    def _is_meant_so(self, clash: PinConflict, group: str | None) -> bool:
        """Whether a build without an accelerator is what its line is for: on another platform the
        same line pins one that says so."""
        if clash.finding.code != WITHOUT_ACCELERATOR or group is None:
            return False
        names = {member.name for member in clash.members}
        return any(
            pin.name in names and (pin.version or "").endswith(f"+{CPU}")
            for target in likely(self.file)
            for pin in self._lines.on(target, group)
        )

    def _with_uv(
        self, target: Target, pins: Sequence[PinnedProject], clashes: list[PinConflict]
    ) -> list[PinConflict]:
        """What is found with pip, and what uv, which takes another index, finds beside it.

        A file does not say which of them it is for, so what only uv meets is a warning.
        """
        as_uv = self._lines.with_uv(pins, target)
        pairs = zip(pins, as_uv, strict=True)
        if all(
            self._build_of(pin, target) == self._build_of(other, target) for pin, other in pairs
        ):
            return clashes
        with_uv = self._judgement(target).judge(as_uv)
        of_uv, of_pip = set(map(_identity, with_uv)), set(map(_identity, clashes))
        merged = [
            clash if _identity(clash) in of_uv else _only_with(clash, _PIP) for clash in clashes
        ]
        for clash in with_uv:
            if _identity(clash) not in of_pip:
                finding = clash.finding
                severity = "warning" if finding.severity == "error" else finding.severity
                weaker = clash._replace(finding=replace(finding, severity=severity), changes=())
                merged.append(_only_with(weaker, _UV))
        return merged

    def _build_of(self, pin: PinnedProject, target: Target) -> object:
        """The build that a pin of the stack comes to, None for one that is not known."""
        project = self.universe.project(pin.name) if pin.name in self.stack else None
        if project is None or not pin.takes_highest:
            return None
        wheels = PinWheels(pin, project, target, self.universe.matrix)
        first = wheels.first(wheels.is_reachable, wheels.fits)
        return first and (first.version, first.build.index)

    def _judgement(self, target: Target) -> Judge:
        overridden = frozenset(self._lines.overridden)
        verb = "does not work" if self.file.kind == "package-list" else "cannot be installed"
        return Judge(target, self.universe, overridden=overridden, verb=verb)

    def on_one_of(self, targets: list[Target]) -> list[Judged]:
        """For each group as many of the targets as it takes to see each line on one that works.

        Where none works for a line, the first is the one to tell of.
        """
        return [result for group in self._groups() for result in self._covering(targets, group)]

    def _covering(self, targets: list[Target], group: str | None) -> Iterator[Judged]:
        waiting = {
            id(declared)
            for declared in self.file.everything()
            if declared.name in self._judged and declared.group in (None, group)
        }
        for target in targets:
            if not waiting:
                return
            here = {id(pin.origin) for pin in self._lines.on(target, group)} & waiting
            if here:
                judged, tried = self._first_that_works(targets, target, group, here)
                waiting -= tried
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
        own = [target for target in targets if target.platform == first.platform]
        if not self._is_meant(judged, own, lines):
            own = targets
        other = self._better(targets, own, judged, errors, lines)
        if other is None:
            free = [
                clash
                for clash in errors
                if clash.target_dependent
                and any(
                    self._may_work(other_target, group, [clash], lines)
                    for other_target in (own if len(clash.members) > 1 else targets)
                )
            ]
            if len(free) < len(errors):
                other = self._better(targets, own, judged, free, lines)
        return other or self._without_assumed_glibc(judged, lines) or judged, lines

    def _without_assumed_glibc(self, judged: Judged, lines: set[int]) -> Judged | None:
        """The judgement with a newer glibc where the assumed one is the reason for an error, and a
        newer one leaves others; None where it is no reason."""
        by_glibc: list[PinConflict] = []
        for newer_target in newer([judged.target]) if judged.target.assumes_glibc else ():
            by_glibc = [
                clash
                for clash in judged.errors
                if clash.target_dependent
                and self._may_work(newer_target, judged.group, [clash], lines)
            ]
            if by_glibc:
                self._note(judged, by_glibc, [newer_target], lines)
                return self._judge(newer_target, judged.group, lines)
        return None

    def _is_meant(self, judged: Judged, own: Sequence[Target], lines: set[int]) -> bool:
        """Whether the file may be for the platform of a judgement: each pin of the lines that
        fails there by itself works with another of the platform's Pythons (`own`)."""
        single = [clash for clash in judged.errors if len(clash.members) == 1]
        return all(
            any(self._may_work(target, judged.group, [clash], lines) for target in own)
            for clash in single
            if clash.target_dependent
        )

    def _better(
        self,
        targets: list[Target],
        own: list[Target],
        judged: Judged,
        fixed: Sequence[PinConflict],
        lines: set[int],
    ) -> Judged | None:
        """The judgement on the first target that is free of some errors, and adds none; which it
        is noted of them.

        Pins that exclude one another have to be free of that on the likeliest platform itself
        (`own`): that Windows has other requirements makes them no more installable on Linux.
        """
        if not fixed or any(not clash.target_dependent for clash in fixed):
            return None
        for target in own if any(len(clash.members) > 1 for clash in fixed) else targets:
            if target is judged.target or not self._may_work(target, judged.group, fixed, lines):
                continue
            other = self._judge(target, judged.group, lines)
            if len(other.errors) <= len(judged.errors) - len(fixed):
                self._note(judged, fixed, targets, lines)
                return other
        return None

    def _may_work(
        self, target: Target, group: str | None, errors: Sequence[PinConflict], lines: set[int]
    ) -> bool:
        """Whether the lines are all there on a target, and each of these errors is not.

        Only the members of each error are judged there: it is cheap, and tells of most targets that
        they are no better.
        """
        pins = self._lines.on(target, group)
        if not lines <= {id(pin.origin) for pin in pins}:
            return False
        for clash in errors:
            origins = {id(pin.origin) for pin in clash.members}
            members = [pin for pin in pins if id(pin.origin) in origins]
            if not self._works(target, members):
                return False
        return True

    def _works(self, target: Target, pins: Sequence[PinnedProject]) -> bool:
        """Whether pins are compatible on a target. The targets are gone through several times."""
        # A target equals one whose glibc is stated, and that counts here.
        key = target, target.stated, target.assumes_glibc, tuple(map(_without_origin, pins))
        if key not in self._results:
            self._results[key] = self._judgement(target).works(pins)
        return self._results[key]

    def _note(
        self, bad: Judged, clashes: Sequence[PinConflict], targets: list[Target], lines: set[int]
    ) -> None:
        """That something holds on some targets only, and on which."""
        for clash in clashes:
            place = _place(clash)
            if place is not None:
                good = [
                    member
                    for member in targets
                    if self._may_work(member, bad.group, [clash], lines)
                ]
                note = Finding(
                    "CL002",
                    "note",
                    _where_it_holds(clash, good, bad.target),
                    clash.finding.facts,
                    place=place,
                    members=clash.finding.members,
                )
                self.notes.append(note)

    def unpinned(self, judged: Sequence[Judged]) -> Iterator[Finding]:
        """What is chosen where a line leaves its version open."""
        from cudalock.check.open_requirements import OpenRequirements

        requirements = OpenRequirements(self.file, self._names, self.stack, self.universe)
        yield from requirements.findings(judged[0].target if judged else None)

    # -- findings -------------------------------------------------------------------------------

    def findings(self, judged: Judged) -> Iterator[Finding]:
        """What was found on a target, where it stands and is not silenced."""
        for clash in judged.clashes:
            lines = [
                member.origin for member in clash.members if isinstance(member.origin, Declared)
            ]
            place = _place(clash)
            if place is not None and not any(line.is_ignored(clash.finding.code) for line in lines):
                finding = replace(clash.finding, place=place)
                fixes = list(source_fixes(clash, self.file, judged.target))
                if fixes:
                    texts = " and ".join(f"`{fix}`" for fix in fixes)
                    finding = replace(finding, fix=f"{texts} in [{fixes[0].table}]")
                yield finding


def _identity(clash: PinConflict) -> tuple[object, ...]:
    return clash.finding.code, clash.finding.members, clash.finding.facts


def _only_with(clash: PinConflict, why: str) -> PinConflict:
    finding = clash.finding
    return clash._replace(finding=replace(finding, sentence=f"{finding.sentence} ({why})"))


def _as_offered(clash: PinConflict) -> PinConflict:
    """A conflict of files as a warning, where an extra or group adds what everyone has already.

    `onnxruntime` for all, and an extra with `onnxruntime-gpu`: it is meant in the place of it.
    """
    groups = {pin.origin.group for pin in clash.members if isinstance(pin.origin, Declared)}
    if clash.finding.code != SAME_FILES or len(groups) < 2:
        return clash
    return clash._replace(finding=replace(clash.finding, severity="warning"))


def _where_it_holds(clash: PinConflict, good: Sequence[Target], bad: Target) -> str:
    """A sentence on the targets that some pins hold on, beside one that they do not hold on."""
    if bad.assumes_glibc and all(target.glibc == NEWER_GLIBC for target in good):
        return f"{clash.finding.sentence}; `--glibc` states another"
    pins = " and ".join(member.text for member in clash.members)
    says = f"holds on {describe(good)}, and not on {describe([bad])}"
    return f"{pins} {says}: {clash.finding.sentence}"


def _concerns(clash: PinConflict, lines: set[int]) -> bool:
    is_error = clash.finding.severity == "error"
    return not is_error or any(id(member.origin) in lines for member in clash.members)


def _without_origin(pin: PinnedProject) -> PinnedProject:
    return pin._replace(origin=None)


def _origins(judged: Judged) -> set[int]:
    return {id(pin.origin) for pin in judged.held}


def _place(clash: PinConflict) -> Place | None:
    declared = clash.members[0].origin if clash.members else None
    return declared.place if isinstance(declared, Declared) else None


def _in_order(findings: Sequence[Finding], file: ProjectFile) -> list[Finding]:
    """Each once, by file and place, the worst first where several stand in one place."""
    order = {name: at for at, name in enumerate(dict.fromkeys(part.name for part in file.files()))}
    unique = {
        (finding.code, finding.place, finding.members): finding for finding in reversed(findings)
    }

    def key(finding: Finding) -> tuple[int, int, int, int, str, str]:
        place = finding.place
        where = (order.get(place.file, 0), place.line, place.column) if place else (0, 0, 0)
        return (*where, SEVERITIES.index(finding.severity), finding.code, finding.sentence)

    silenced = _silencing(file)
    reported = [finding for finding in unique.values() if not silenced(finding)]
    return sorted(reported, key=key)


def _silencing(file: ProjectFile) -> Callable[[Finding], bool]:
    by_place = {declared.place: declared for declared in file.everything() if declared.ignored}

    def is_silenced(finding: Finding) -> bool:
        line = by_place.get(finding.place) if finding.place else None
        return line is not None and line.is_ignored(finding.code)

    return is_silenced


__all__ = ["Checked", "Judged", "check_file"]

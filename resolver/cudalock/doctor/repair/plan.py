"""What `--fix` does to an environment: decided on paper first, finding by finding.

The steps of the findings are put into a copy of the inventory, which is examined again: a new torch
brings requirements of its own. So the plan is complete before anything changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.doctor import examine
from cudalock.environment.distributions import Installed, Inventory, Origin
from cudalock.environment.repairs import Install, RemoveFolder, Uninstall
from cudalock.files import resolved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from cudalock.compat.installed import ExaminedEnvironment
    from cudalock.doctor.repair.wheels import PlannedWheel
    from cudalock.environment import Layout
    from cudalock.environment.repairs import Repair
    from cudalock.findings import Finding

    FindWheel = Callable[[Install, str | None], PlannedWheel | None]

MAX_ROUNDS: Final = 12
"""How often a plan is examined again. A missing package with dependencies takes one round for each
step of the longest chain, and none of the stack's is longer than eight."""

MAX_TRIES: Final = 2
"""How often a plan may change its mind about one package."""

_CONDA: Final = "conda"
"""What INSTALLER has for a package of conda's."""


class PackageChange(NamedTuple):
    """One package of a plan."""

    name: str
    before: Installed | None
    wheel: PlannedWheel | None
    """None: it is removed"""
    reasons: tuple[Finding, ...]

    @property
    def versions(self) -> str:
        """`0.20.1 -> 0.21.0`, for people."""
        start = self.before.version if self.before else "not installed"
        return f"{start} -> {self.wheel.version if self.wheel else 'removed'}"


class Unfixed(NamedTuple):
    """A finding that the plan leaves, and why, where that is not because it has no fix."""

    finding: Finding
    why: str | None = None


@dataclass(frozen=True)
class Plan:
    """All that `--fix` would change, and what it would leave."""

    changes: tuple[PackageChange, ...]
    folders: tuple[Path, ...]
    """to be removed by hand, since no installer would"""
    unfixed: tuple[Unfixed, ...]
    untouched: int
    """how many distributions stay as they are"""

    @property
    def is_empty(self) -> bool:
        return not self.changes and not self.folders

    @property
    def wheels(self) -> tuple[PlannedWheel, ...]:
        return tuple(change.wheel for change in self.changes if change.wheel)

    @property
    def removals(self) -> tuple[str, ...]:
        """The names that are removed and not installed again."""
        return tuple(change.name for change in self.changes if change.wheel is None)


def own_folders(layout: Layout) -> tuple[Path, ...]:
    """Return the site-packages inside the environment: not those of the Python that it shares."""
    prefix = resolved(layout.prefix)
    return tuple(
        folder for folder in layout.site_packages if resolved(folder).is_relative_to(prefix)
    )


@dataclass
class _Draft:
    """A plan in the making."""

    subject: ExaminedEnvironment
    find_wheel: FindWheel
    wheels: dict[str, PlannedWheel | None] = field(default_factory=dict)
    reasons: dict[str, list[Finding]] = field(default_factory=dict)
    folders: dict[Path, None] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    obstacles: dict[str, str] = field(default_factory=dict)
    """why the steps of a finding were not taken, by its sentence"""

    def take(self, finding: Finding, decided: set[str]) -> bool:
        """Take the steps of a finding; return whether that changed the plan. `decided` are the
        names that findings before it have decided in the same round."""
        names = {step.name for step in finding.repairs if not isinstance(step, RemoveFolder)}
        # What is decided changes the environment: the next round examines it before the others.
        if names & decided:
            return False
        # All of its steps or none: one that uninstalls relies on the one that installs again.
        why = next(filter(None, map(self._obstacle, finding.repairs)), None)
        if why is not None:
            self.obstacles[finding.sentence] = why
            return False
        chosen: dict[str, PlannedWheel | None] = {}
        for step in finding.repairs:
            if isinstance(step, Uninstall):
                chosen[step.name] = None
            elif isinstance(step, Install):
                there = self.subject.inventory.find(step.name)
                wheel = self.find_wheel(step, there.version if there else None)
                if wheel is None:
                    self.obstacles[finding.sentence] = (
                        f"no index that pip is configured for has a wheel of {step.name}"
                        f"{step.specifier} for {self.subject.layout.target.label}"
                    )
                    return False
                chosen[step.name] = wheel
        return self._add(finding, chosen, decided)

    def _add(
        self, finding: Finding, chosen: dict[str, PlannedWheel | None], decided: set[str]
    ) -> bool:
        is_new = False
        for name, wheel in chosen.items():
            if name in self.wheels and self.wheels[name] == wheel:
                continue
            self.tries[name] = self.tries.get(name, 0) + 1
            if self.tries[name] > MAX_TRIES:
                self.obstacles[finding.sentence] = f"no version of {name} fits everything"
                continue
            self.wheels[name] = wheel
            self.reasons.setdefault(name, []).append(finding)
            is_new = True
        for step in finding.repairs:
            if isinstance(step, RemoveFolder) and step.path not in self.folders:
                self.folders[step.path] = None
                is_new = True
        decided |= chosen.keys()
        return is_new

    def _obstacle(self, step: Repair) -> str | None:
        """Why a step cannot be taken: `--fix` stays inside the environment, and leaves what conda
        installed to conda."""
        own = own_folders(self.subject.layout)
        if isinstance(step, RemoveFolder):
            is_own = any(step.path.parent == folder for folder in own)
            return None if is_own else f"`{step.path}` is outside the environment"
        there = self.subject.inventory.find(step.name)
        if there is None:
            return None
        if there.installer == _CONDA:
            return f"conda installed {there}, and has to change it"
        if there.origin is not None and there.origin.editable:
            return f"{there} is an editable installation"
        if isinstance(step, Uninstall) and there.site_packages not in own:
            return f"{there} is installed outside the environment"
        return None

    def as_planned(self) -> ExaminedEnvironment:
        """Return the environment as the plan would leave it."""
        inventory = self.subject.inventory
        base = own_folders(self.subject.layout)[0]
        staying = [each for each in inventory.distributions if each.name not in self.wheels]
        planned = [
            _as_installed(wheel, base) for wheel in self.wheels.values() if wheel is not None
        ]
        return replace(
            self.subject,
            inventory=Inventory(
                tuple(sorted([*staying, *planned], key=lambda each: each.name)),
                tuple(each for each in inventory.hidden if each.folder not in self.folders),
                tuple(each for each in inventory.damaged if each.folder not in self.folders),
            ),
        )


def make_plan(
    subject: ExaminedEnvironment, findings: Iterable[Finding], find_wheel: FindWheel
) -> Plan:
    """Return what fixes the findings, notes apart. Raises what `find_wheel` raises."""
    draft = _Draft(subject, find_wheel)
    current = [finding for finding in findings if finding.severity != "note"]
    for _ in range(MAX_ROUNDS):
        decided: set[str] = set()
        taken = [draft.take(finding, decided) for finding in current if finding.repairs]
        if not any(taken):
            break
        planned = draft.as_planned()
        current = [
            finding
            for finding in examine(planned)
            if finding.severity != "note" and not _is_of_removed(finding, draft)
        ]
    return Plan(
        changes=tuple(_changes(draft)),
        folders=tuple(draft.folders),
        unfixed=tuple(
            Unfixed(finding, draft.obstacles.get(finding.sentence)) for finding in current
        ),
        untouched=sum(
            installed.name not in draft.wheels for installed in subject.inventory.distributions
        ),
    )


def _is_of_removed(finding: Finding, draft: _Draft) -> bool:
    """Whether a finding is only about folders that the plan removes."""
    folders = [step.path for step in finding.repairs if isinstance(step, RemoveFolder)]
    return bool(folders) and all(folder in draft.folders for folder in folders)


def _changes(draft: _Draft) -> Iterator[PackageChange]:
    for name, wheel in sorted(draft.wheels.items()):
        before = draft.subject.inventory.find(name)
        # What the plan brought and then dropped was never there.
        if wheel is not None or before is not None:
            yield PackageChange(name, before, wheel, tuple(draft.reasons[name]))


def _as_installed(wheel: PlannedWheel, base: Path) -> Installed:
    """Return a wheel as the distribution that it will be."""
    stem = f"{wheel.name.replace('-', '_')}-{wheel.version}.dist-info"
    return Installed(
        name=wheel.name,
        version=wheel.version,
        folder=base / stem,
        tags=(wheel.tags,),
        requires=wheel.requires,
        requires_python=wheel.python,
        # Not pip: nobody looks for the RECORD of what is not there yet.
        installer="uv",
        origin=Origin(wheel.url, wheel.sha256) if wheel.by_url else None,
    )


__all__ = ["PackageChange", "Plan", "Unfixed", "make_plan", "own_folders"]

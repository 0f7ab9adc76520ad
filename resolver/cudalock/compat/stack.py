"""Decide which projects belong to the stack, and which others could conflict with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cudalock.compat.pins import PinnedProject
from cudalock.compat.wheels import PinWheels, comes_from
from cudalock.targets.accelerators import is_vendor_library
from cudalock.versions import accepts, is_version, leading_name, parse_requirement

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from cudalock.matrix.facts import Fact
    from cudalock.matrix.universe import Universe
    from cudalock.targets import Target


_SHARED_LIBRARIES: Final = ("nvidia-cublas", "nvidia-cuda-runtime", "nvidia-cudnn")
"""NVIDIA's packages that more than one framework requires"""


class Stack:
    """The stack of a matrix: the names that there is anything to judge about."""

    def __init__(self, universe: Universe) -> None:
        self._universe = universe
        self._matrix = universe.matrix
        self._members: dict[str, bool] = {}

    def __contains__(self, name: object) -> bool:
        """Return whether a canonical project name belongs to the stack.

        That is the framework, what has a rank, every curated project that metadata or facts tie to
        the framework, to what its build fixes or to another member, NVIDIA's own packages, and what
        requires those that a framework pins.
        """
        if not isinstance(name, str):
            return False
        if name not in self._members:
            # Two that only a fact ties to each other make no stack.
            self._members[name] = False
            self._members[name] = self._is_member(name)
        return self._members[name]

    def _is_member(self, name: str) -> bool:
        if not self._matrix.is_curated(name):
            # NVIDIA's packages are not curated one by one: what a framework's build pins, counts.
            project = self._universe.project(name)
            return project is not None and (
                is_vendor_library(name) or any(map(project.mentions, _SHARED_LIBRARIES))
            )
        component = self._matrix.component(name)
        if component.is_virtual or component.role or component.rank is not None:
            return not component.is_virtual
        if self._requires_framework(name):
            return True
        return any(
            self._is_central(demand.template.name)
            for fact in component.facts
            for demand in (*fact.beside, *fact.of_machine)
        ) or any(
            demand.template.name in self
            for fact in component.facts
            for demand in fact.beside
            if fact.is_hard and fact.scope == "solve" and fact.shared_path is None
        )

    def is_judged_alone(self, name: str) -> bool:
        """Return whether a member counts by itself, and not only for what it requires of NVIDIA's
        libraries beside others."""
        return self._matrix.is_curated(name) or is_vendor_library(name)

    def _requires_framework(self, name: str) -> bool:
        project, framework = self._universe.project(name), self._matrix.framework
        return project is not None and framework is not None and project.mentions(framework)

    def _is_central(self, name: str) -> bool:
        # Nearly every project has a fact or a marker about Python; that ties it to nothing.
        if name == "python":
            return False
        return name == self._matrix.framework or self._matrix.component(name).is_virtual

    def is_pinned_by(self, name: str, other: str, version: str | None) -> bool:
        """Return whether the metadata of another project pins this one, patch releases apart.

        `version` is that of the other project, None for its newest.
        """
        is_exact = version is not None and is_version(version)
        pin = PinnedProject(other, f"=={version}") if is_exact else PinnedProject(other)
        texts = [text for text in self._required_by(pin) if leading_name(text) == name]
        operators = [
            clause.operator for text in texts for clause in parse_requirement(text).specifier
        ]
        return any(operator in ("==", "~=") for operator in operators)

    def may_conflict(
        self, stack_pins: Sequence[PinnedProject], other_pins: Iterable[PinnedProject]
    ) -> list[PinnedProject]:
        """Return the other pins that could conflict with the stack.

        A pin could conflict if a stack pin's metadata rejects its version, if a fact about the
        stack names its project, or if it has files of something that the stack requires. The
        others are not given to the resolver: a lockfile has 200 pins, a stack about ten.
        """
        required = self._requirements_by_project(stack_pins)
        named_by_facts = {
            demand.template.name
            for name in {pin.name for pin in stack_pins}
            for fact in self._matrix.component(name).facts
            for demand in fact.beside
        }
        sharers = self._matrix.file_sharers
        return [
            pin
            for pin in other_pins
            if pin.name in named_by_facts
            or not sharers.get(pin.name, frozenset()).isdisjoint(required)
            or (pin.name in required and not _accept(required[pin.name], pin))
        ]

    def required_by(self, pin: PinnedProject, target: Target) -> dict[str, str]:
        """Return the specifiers of what every build that a pin may come to requires on a target.

        They are by project name; the builds are those that fit the target, and the pin's indexes.
        """
        project = self._universe.project(pin.name)
        if project is None:
            return {}
        wheels = PinWheels(pin, project, target, self._matrix)
        environment = target.marker_environment()
        required: dict[str, str] | None = None
        for release_build in wheels.release_builds():
            if wheels.is_reachable(release_build) and wheels.fits(release_build):
                names = dict(_names_in(release_build.build.requires, environment))
                known = names if required is None else required
                required = {name: text for name, text in known.items() if name in names}
        return required or {}

    def specifiers_in(self, name: str, version: str, other: str) -> list[str]:
        """Return the specifiers that METADATA of a release has for another project, extras and
        markers aside; none for what stands after `===` and is not a version."""
        if not is_version(version):
            return []
        texts = self._required_by(PinnedProject(name, f"=={version}"))
        return [
            str(parse_requirement(text).specifier)
            for text in dict.fromkeys(texts)
            if leading_name(text) == other and ";" not in text
        ]

    def bound_by_rows(self, pins: Sequence[PinnedProject]) -> list[PinnedProject]:
        """Return the pins outside the stack that a fact about their rows binds to another pin, such
        as a pandas that was compiled before NumPy 2, and those others."""
        by_name = {pin.name: pin for pin in pins}
        bound: dict[str, PinnedProject] = {}
        for pin in pins:
            for fact in self._row_facts(pin):
                for demand in fact.beside:
                    other = by_name.get(demand.template.name)
                    if other is not None:
                        bound |= {pin.name: pin, other.name: other}
        return [pin for pin in bound.values() if pin.name not in self]

    def may_be_bound(self, name: str, others: Container[str]) -> bool:
        """Return whether a fact about rows may bind a project of the matrix to one of some
        others."""
        named = {
            demand.template.name
            for fact in (
                self._matrix.component(name).facts if name in self._matrix.projects else ()
            )
            if fact.rows is not None
            for demand in fact.beside
        }
        project = self._universe.project(name) if any(other in others for other in named) else None
        return project is not None and any(project.mentions(other) for other in named)

    def _row_facts(self, pin: PinnedProject) -> Iterator[Fact]:
        """The facts about rows that are about every build of a pin."""
        public = (pin.version or "").partition("+")[0]
        if pin.name not in self._matrix.projects or not public:
            return
        project = self._universe.project(pin.name)
        release = project.release(public) if project is not None and public in project else None
        builds = [build for build in release.builds if build.rows] if release else []
        for fact in self._matrix.component(pin.name).facts if builds else ():
            rows = fact.rows
            if (
                rows is not None
                and release is not None
                and all(
                    rows.covers(release.uploaded, tags, build.requires)
                    for build in builds
                    for tags in build.tags
                )
            ):
                yield fact

    def _requirements_by_project(self, stack_pins: Sequence[PinnedProject]) -> dict[str, set[str]]:
        """The requirements of the stack, PEP 508 strings by the project that they are for.

        Of a pin that is a range only the newest release is looked at: what that names is in doubt
        at any version, and its requirement is an empty string.
        """
        requirements: dict[str, set[str]] = {}
        for pin in stack_pins:
            for text in dict.fromkeys(self._required_by(pin)):
                by_name = requirements.setdefault(leading_name(text), set())
                by_name.add(text if pin.version else "")
        return requirements

    def _required_by(self, pin: PinnedProject) -> Iterator[str]:
        project = self._universe.project(pin.name)
        public = (pin.version or "").partition("+")[0]
        if project is None or not project.versions:
            return
        # Releases of a range mostly agree; an unknown pin is judged like the newest known one.
        release = project.release(public if public in project else project.versions[-1])
        for build in release.builds:
            if not pin.version or comes_from(pin, build, release.version):
                yield from build.requires


def _names_in(
    requirements: Iterable[str], environment: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """The projects that requirements name where their markers hold, with the specifiers."""
    for text in requirements:
        parsed = parse_requirement(text)
        if parsed.marker is None or parsed.marker.evaluate({**environment, "extra": ""}):
            yield leading_name(text), str(parsed.specifier)


def _accept(requirements: Iterable[str], pin: PinnedProject) -> bool:
    """Whether each of some requirements accepts a pin's version, whatever their markers."""
    # Markers are ignored: a requirement too many only gives the resolver one pin more to look at.
    version = pin.version
    return version is not None and all(
        text != "" and accepts(str(parse_requirement(text).specifier), version)
        for text in requirements
    )

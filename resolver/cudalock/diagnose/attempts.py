"""List what to solve for: the versions of a text, with ever fewer of them pinned."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from cudalock.versions import accepts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cudalock.matrix.matrix import Matrix

Requirements = tuple[str, ...]
"""requirement strings, one a project"""


class Attempts:
    """Lists requirements to solve for.

    `pins` are the versions in the text, `bounds` the specifiers that it says others require; both
    by project name. `is_framework_to_blame`: several of the others require another release of the
    framework, so that it is the smallest change.
    """

    def __init__(
        self,
        pins: Mapping[str, str],
        bounds: Mapping[str, str],
        matrix: Matrix,
        *,
        is_framework_to_blame: bool = False,
    ) -> None:
        self._pins = pins
        self._bounds = bounds
        self._matrix = matrix
        self._is_framework_to_blame = is_framework_to_blame

    def of(self, names: list[str], culprits: Iterable[str]) -> Iterator[Requirements]:
        """Yield every attempt once, the smallest change first.

        The culprits are unpinned first, then one more project, then all but the framework. The
        framework changes last, since most other wheels are built for one release of it: first to
        another build, then to another patch release, the nearest newer minor version, the nearest
        older one, any.
        """
        framework = self._matrix.framework if self._matrix.framework in names else None
        free = [name for name in names if name != framework]
        # What the text itself says cannot stay is unpinned in every attempt.
        outside = {*self._out_of_bounds(free)}
        culprit = {name for name in culprits if name in free} | outside
        with_one_more = [{*culprit, other} for other in free if other not in culprit]
        unpinned_sets = [outside, culprit, *with_one_more, set(free)]
        earlier: set[Requirements] = set()
        for framework_requirement, unpinned in self._framework_and_others(framework, unpinned_sets):
            # With the label first: the same build is the smaller change, and without it any build
            # will do.
            # A release of the same major version is the smaller change as well.
            for is_near, is_exact in product((True, False), (True, False)):
                requirements = tuple(
                    framework_requirement
                    if name == framework
                    else self._unpinned(name, is_near=is_near)
                    if name in unpinned
                    else self._pinned(name, is_exact=is_exact)
                    for name in names
                )
                if requirements not in earlier:
                    earlier.add(requirements)
                    yield requirements

    def _framework_and_others(
        self, framework: str | None, unpinned_sets: list[set[str]]
    ) -> Iterator[tuple[str, set[str]]]:
        """Yield the framework's requirement, and the projects to leave unpinned beside it."""
        if framework is None:
            yield from (("", unpinned) for unpinned in unpinned_sets)
            return
        if self._is_framework_to_blame:
            yield self._bare(framework), unpinned_sets[0]
        # The text says that the framework has to change, so its own version is not tried.
        if any(self._out_of_bounds([framework])):
            fitting = self._minors(framework, same=False)
            # Other projects either all stay or all go: each other minor version multiplies the
            # attempts.
            yield from product(fitting, (unpinned_sets[0], unpinned_sets[-1]))
            yield from product([self._bare(framework)], unpinned_sets)
            return
        pinned = [self._pinned(framework, is_exact=is_exact) for is_exact in (True, False)]
        yield from product([*pinned, *self._minors(framework, same=True)], unpinned_sets)
        yield from product(
            self._minors(framework, same=False), (unpinned_sets[0], unpinned_sets[-1])
        )
        yield from product([self._bare(framework)], unpinned_sets)

    def _minors(self, name: str, *, same: bool) -> Iterator[str]:
        """Yield requirements for the minor version of the text, or for the others: the newer ones
        first, the nearest of them first."""
        version = self._pins.get(name)
        if version is None:
            return
        minors = list(dict.fromkeys(map(_minor, self._matrix.versions(name))))
        current = _minor(version)
        # A release older than the matrix has its nearest neighbours all the same: torch 1.12 goes
        # to 2.0 before 2.10.
        newer = [minor for minor in minors if minor > current]
        older = [minor for minor in reversed(minors) if minor < current]
        near = [current] * (current in minors) if same else [*newer, *older]
        near = [minor for minor in near if self._may_fit(name, minor)]
        yield from (f"{name}=={'.'.join(map(str, minor))}.*" for minor in near)

    def _may_fit(self, name: str, minor: tuple[int, ...]) -> bool:
        """Return whether a release of a minor version is within the text's bounds."""
        specifier = self._bounds.get(name, "")
        return any(
            _minor(version) == minor and accepts(specifier, version)
            for version in self._matrix.versions(name)
        )

    def may_stay(self, name: str) -> bool:
        """Return whether a project's version in the text is within the text's bounds."""
        return not any(self._out_of_bounds([name]))

    def _out_of_bounds(self, names: list[str]) -> Iterator[str]:
        for name in names:
            public = self._pins.get(name, "").partition("+")[0]
            if public and not accepts(self._bounds.get(name, ""), public):
                yield name

    def _unpinned(self, name: str, *, is_near: bool) -> str:
        """Return the requirement without the version in the text; `is_near` keeps its major
        version, where the text's bounds allow one."""
        version = self._pins.get(name, "").partition("+")[0]
        major = version.partition(".")[0]
        if not (is_near and major.isdecimal()):
            return self._bare(name)
        bounds = self._bounds.get(name, "")
        fitting = [release for release in self._matrix.versions(name) if accepts(bounds, release)]
        near = [release for release in fitting if release.partition(".")[0] == major]
        # A cap says something only where a newer major version would be taken.
        if set(near) <= {version} or fitting[-1:] == near[-1:]:
            return self._bare(name)
        cap = f"<{int(major) + 1}"
        return f"{name}{cap},{bounds}" if bounds else f"{name}{cap}"

    def _bare(self, name: str) -> str:
        return name + self._bounds.get(name, "")

    def _pinned(self, name: str, *, is_exact: bool) -> str:
        """Return the requirement for the version in the text, with its local label or without."""
        if name not in self._pins:
            return self._bare(name)
        public, _, local = self._pins[name].partition("+")
        releases = (
            [public] if public in self._matrix.versions(name) else self._releases(name, public)
        )
        if is_exact and local:
            # A label that no build in the matrix has (a distributor's own) would make every
            # attempt fail.
            labelled = [release for release in releases if self._has_build(name, release, local)]
            if labelled:
                return f"{name}=={labelled[-1]}+{local}"
        return f"{name}=={public}" if public in releases or not releases else f"{name}=={public}.*"

    def _releases(self, name: str, prefix: str) -> list[str]:
        """Return the releases that a version of two numbers can be, oldest first: "2.4" is written
        for 2.4.1 as well."""
        versions = self._matrix.versions(name)
        if prefix.count(".") > 1:
            return [version for version in versions if version.startswith(f"{prefix}.post")]
        return [version for version in versions if version.startswith(f"{prefix}.")]

    def _has_build(self, name: str, version: str, local: str) -> bool:
        project = self._matrix.project(name)
        if project is None:
            return False
        return any(build.local == local for build in project.release(version).builds)


def _minor(version: str) -> tuple[int, ...]:
    numbers = version.partition("+")[0].split(".")[:2]
    return tuple(int(number) for number in numbers if number.isdecimal())

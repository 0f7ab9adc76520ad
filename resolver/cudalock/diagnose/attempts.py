"""What to ask the engine for, from what a text has to ever less of it."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from cudalock.versions import accepts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cudalock.matrix.matrix import Matrix

Asked = tuple[str, ...]
"""Requirements, one a project."""


class Attempts:
    """The questions about some projects, in order.

    Versions are those of the text. `bounds` are what the text says that somebody asks of a project.
    """

    def __init__(self, pins: Mapping[str, str], bounds: Mapping[str, str], matrix: Matrix) -> None:
        self._pins = pins
        self._bounds = bounds
        self._matrix = matrix

    def of(self, names: list[str], culprits: Iterable[str]) -> Iterator[Asked]:
        """Each question once. The culprits are let go first, then one more project, then all but
        the framework, and the framework last: to another build, to another patch release, to the
        nearest newer minor version, to the nearest older one, to any."""
        framework = self._matrix.framework if self._matrix.framework in names else None
        free = [name for name in names if name != framework]
        outside = {*self._out_of_bounds(free)}
        culprit = {name for name in culprits if name in free} | outside
        one_more = [{*culprit, other} for other in free if other not in culprit]
        some = [outside, culprit, *one_more, set(free)]
        seen: set[Asked] = set()
        for text, let_go in self._framework_and_others(framework, some):
            for is_exact in (True, False):
                asked = tuple(
                    text
                    if name == framework
                    else self._bare(name)
                    if name in let_go
                    else self._pinned(name, is_exact=is_exact)
                    for name in names
                )
                if asked not in seen:
                    seen.add(asked)
                    yield asked

    def _framework_and_others(
        self, framework: str | None, some: list[set[str]]
    ) -> Iterator[tuple[str, set[str]]]:
        """What to ask of the framework, with what to let go beside it."""
        if framework is None:
            yield from (("", let_go) for let_go in some)
            return
        if any(self._out_of_bounds([framework])):
            yield from product([self._bare(framework)], some)
            return
        held = [self._pinned(framework, is_exact=is_exact) for is_exact in (True, False)]
        yield from product([*held, *self._minors(framework, same=True)], some)
        yield from product(self._minors(framework, same=False), (some[0], some[-1]))
        yield from product([self._bare(framework)], some)

    def _minors(self, name: str, *, same: bool) -> Iterator[str]:
        """The minor version of the text; or the others, newer ones first, the nearest first."""
        version = self._pins.get(name)
        if version is None:
            return
        minors = list(dict.fromkeys(map(_minor, self._matrix.versions(name))))
        here = _minor(version)
        if here not in minors:
            return
        at = minors.index(here)
        near = [here] if same else [*minors[at + 1 :], *reversed(minors[:at])]
        yield from (f"{name}=={'.'.join(map(str, minor))}.*" for minor in near)

    def _out_of_bounds(self, names: list[str]) -> Iterator[str]:
        for name in names:
            public = self._pins.get(name, "").partition("+")[0]
            if public and not accepts(self._bounds.get(name, ""), public):
                yield name

    def _bare(self, name: str) -> str:
        return name + self._bounds.get(name, "")

    def _pinned(self, name: str, *, is_exact: bool) -> str:
        """A project at its version in the text, with the label or without."""
        if name not in self._pins:
            return self._bare(name)
        public, _, local = self._pins[name].partition("+")
        meant = [public] if public in self._matrix.versions(name) else self._releases(name, public)
        if is_exact and local:
            # Only a label that tells builds apart here is one to ask for.
            labelled = [each for each in meant if self._has_build(name, each, local)]
            if labelled:
                return f"{name}=={labelled[-1]}+{local}"
        return f"{name}=={public}" if public in meant or not meant else f"{name}=={public}.*"

    def _releases(self, name: str, prefix: str) -> list[str]:
        """What a version of two numbers may mean, oldest first."""
        versions = self._matrix.versions(name) if prefix.count(".") == 1 else []
        return [each for each in versions if each.startswith(f"{prefix}.")]

    def _has_build(self, name: str, version: str, local: str) -> bool:
        project = self._matrix.project(name)
        if project is None:
            return False
        return any(build.local == local for build in project.release(version).builds)


def _minor(version: str) -> tuple[int, ...]:
    numbers = version.partition("+")[0].split(".")[:2]
    return tuple(int(number) for number in numbers if number.isdigit())

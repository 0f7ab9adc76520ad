"""A framework that the matrix lacks, taken as it is: NVIDIA's, a cluster's, one built at home.

What is known of it becomes a row that is laid over the matrix: its version, its labels, and what
its own files say. It is nobody's release, so that a wheel for a release is not known to fit it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from packaging.requirements import InvalidRequirement
from packaging.version import InvalidVersion

from cudalock.compat.installed import ExaminedEnvironment
from cudalock.compat.tied import PURE, pins_framework, tying_facts, tying_labels
from cudalock.environment.build_record import read_build_record
from cudalock.environment.gpu import Machine
from cudalock.matrix.overlay import NAMED, NO_OVERLAY, Overlay
from cudalock.matrix.universe import ClosedUniverse
from cudalock.targets.tags import fits_any
from cudalock.versions import accepts, leading_name, parse_requirement, parse_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cudalock.environment.distributions import Installed, Inventory
    from cudalock.environment.layout import Layout
    from cudalock.matrix.facts import Fact
    from cudalock.matrix.matrix import Matrix
    from cudalock.resolution.model import Candidate

INSTALLED: Final = "installed"
"""The id of the index that rows of what is installed are on."""
_ANY: Final = "py3-none-any"


def foreign_overlay(
    layout: Layout,
    inventory: Inventory,
    matrix: Matrix,
    labels: Mapping[str, str] | None = None,
) -> Overlay:
    """Return rows for the framework of an environment and what was built beside it, where the
    matrix has not what is installed; no rows where it has the framework.

    `labels` are those that are known of the framework's build from elsewhere.
    """
    environment = ExaminedEnvironment(layout, inventory, Machine(), ClosedUniverse(matrix))
    framework = environment.framework
    if framework is None or not _is_readable(framework) or environment.builds(framework):
        return NO_OVERLAY
    others = [
        installed
        for installed in environment.stack()
        if installed.name != framework.name
        and _is_readable(installed)
        and not environment.builds(installed)
    ]
    known = _labels(framework, matrix, labels or {})
    rows = {framework.name: _row(framework, environment, known)}
    rows |= {installed.name: _row(installed, environment, {}) for installed in others}
    index = {"id": INSTALLED, "url": "file:///installed", "trust": NAMED}
    return Overlay(header={"index": [index]}, releases=rows)


def _is_readable(installed: Installed) -> bool:
    try:
        parse_version(installed.version)
    except InvalidVersion:
        return False
    return True


def _labels(framework: Installed, matrix: Matrix, stated: Mapping[str, str]) -> dict[str, str]:
    """What is known of a build: by its own files, by its local version, by whoever states it."""
    # Imported here: it compiles the patterns of every builder.
    from cudalock.update.file_names import Patterns

    reading = Patterns(matrix).read(framework.local, _ANY)
    by_name = {
        label: value
        for label, value in (reading.labels if reading is not None else {}).items()
        if isinstance(value, str) and label != framework.name
    }
    record = matrix.component(framework.name).build_record
    own = read_build_record(framework.site_packages, record) if record is not None else {}
    return {**by_name, **stated, **own}


def _row(
    installed: Installed, environment: ExaminedEnvironment, labels: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    tags = environment.target.tags()
    tag = next((tag for tag in installed.tags if fits_any([tag], tags)), _ANY)
    build: dict[str, Any] = {"index": INSTALLED, "wheels": [[tag, None]]}
    if installed.local:
        build["local"] = installed.local
    if labels:
        build["labels"] = dict(labels)
    return {installed.public: {"requires": list(_requires(installed)), "builds": [build]}}


def _requires(installed: Installed) -> Iterator[str]:
    for text in installed.requires:
        try:
            parse_requirement(text)
        except InvalidRequirement:
            continue
        yield text


def is_foreign(environment: ExaminedEnvironment) -> bool:
    """Return whether the framework of an environment is one that no index has."""
    framework = environment.framework
    if framework is None:
        return False
    return any(build.index == INSTALLED for build in environment.builds(framework))


# -- what goes with it --------------------------------------------------------------------------


class Tied:
    """Tells which wheels are built for a release of the framework, and so not for one that is no
    release."""

    def __init__(self, matrix: Matrix) -> None:
        self._matrix = matrix

    def refuses(self, candidate: Candidate, trust: str) -> bool:
        """Return whether nothing says that a wheel fits a framework that is no release, and it
        links that."""
        build, wheel = candidate.build, candidate.wheel
        # What the user names, and what is installed, is taken; a source is compiled beside it.
        if build is None or wheel is None or build.is_source or trust == NAMED:
            return False
        if wheel.tags.endswith(PURE):
            return False
        if self._matrix.component(candidate.name).links is True:
            return True
        facts = self._facts(candidate)
        if any(tying_facts(self._matrix, facts)):
            labels = tying_labels(self._matrix, facts)
            exact = tying_labels(self._matrix, tying_facts(self._matrix, facts))
            # One with only the oldest framework that it needs has a stable ABI.
            has_floor = any(candidate.row(label) for label in labels - exact)
            return not has_floor or any(candidate.row(label) for label in exact)
        return pins_framework(self._matrix, build.requires)

    def is_open(self, candidate: Candidate) -> bool:
        """Return whether a wheel has compiled code and requires the framework, and nothing says
        whether it links that."""
        build, wheel = candidate.build, candidate.wheel
        if build is None or wheel is None or build.is_source or wheel.tags.endswith(PURE):
            return False
        is_known = self._matrix.component(candidate.name).links is not None
        framework = self._matrix.framework
        requires = any(
            leading_name(text) == framework and "extra ==" not in text for text in build.requires
        )
        return requires and not is_known and not tying_labels(self._matrix, self._facts(candidate))

    def facts(self, candidate: Candidate) -> tuple[str, ...]:
        """Return the ids of the facts by which a wheel is built for a release."""
        return tuple(fact.id for fact in tying_facts(self._matrix, self._facts(candidate)))

    def _facts(self, candidate: Candidate) -> list[Fact]:
        return [
            fact
            for fact in self._matrix.component(candidate.name).facts
            if candidate.version is not None and accepts(fact.versions, candidate.version)
        ]


__all__ = ["INSTALLED", "Tied", "foreign_overlay", "is_foreign"]

"""Find pins of different projects that install the same files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cudalock.compat.pins import PinConflict, PinnedProject
from cudalock.findings import Finding, Severity
from cudalock.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.shared_files import SharedFile

CODE: Final = "CL703"
SEVERITIES: Final[Mapping[str, Severity]] = {"breaks": "error"}
"""By a fact's effect; a warning for any other."""


class RequiredProject(NamedTuple):
    """A project that the metadata of a pin requires, whatever build the pin comes to."""

    name: str
    specifier: str
    requirer: PinnedProject


class _Owner(NamedTuple):
    """Who installs a file: a pin, or what a pin requires."""

    name: str
    pin: PinnedProject | None
    required: RequiredProject | None

    @property
    def version(self) -> str | None:
        pin = self.pin or PinnedProject(self.name, self.required.specifier if self.required else "")
        return pin.version

    @property
    def text(self) -> str:
        if self.pin is not None or self.required is None:
            return self.pin.text if self.pin else self.name
        return f"{self.name}, which {self.required.requirer.text} requires,"


def same_file_conflicts(
    pins: Sequence[PinnedProject],
    matrix: Matrix,
    required: Mapping[str, RequiredProject],
    importance: Callable[[str], tuple[int, ...]],
) -> Iterator[PinConflict]:
    """Yield a conflict for each pin that overwrites files of another project, which is to stay.

    The one to stay is the one that a pin requires (`required`, by project name), else the more
    important one. What is only constrained installs nothing.
    """
    installed = {pin.name: pin for pin in pins if pin.required and pin.name in matrix.file_sharers}
    owners = [
        _Owner(name, installed.get(name), required.get(name))
        for name in dict.fromkeys((*installed, *required))
    ]
    owners.sort(key=lambda owner: (owner.required is None, importance(owner.name)))
    reported = set()
    for shared in matrix.shared_files:
        sharing = [owner for owner in owners if shared.holder(owner.name, owner.version)]
        for other in sharing[1:]:
            # A pair may share several files, and one is enough to know it.
            pair = frozenset((sharing[0].name, other.name))
            if other.pin is not None and pair not in reported:
                reported.add(pair)
                yield _conflict(shared, other.pin, sharing[0])


def _conflict(shared: SharedFile, pin: PinnedProject, staying: _Owner) -> PinConflict:
    fix = shared.fact.fix or f"only one of `{pin.name}` and `{staying.name}`"
    if staying.required is not None:
        fix = f"remove `{pin.name}`; where it was installed, reinstall `{staying.name}`"
    beside = staying.pin or (staying.required.requirer if staying.required else pin)
    finding = Finding(
        CODE,
        SEVERITIES.get(shared.fact.effect, "warning"),
        f"{pin.text} and {staying.text} both install `{shared.path}`: the last one installed "
        "overwrites the other",
        (shared.fact_id(pin.name, staying.name),),
        fix,
        members=(pin.name, beside.name),
    )
    return PinConflict(finding, (pin, beside), target_dependent=finding.rule.target_dependent)

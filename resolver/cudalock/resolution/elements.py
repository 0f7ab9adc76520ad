"""The parts of a query: what a requirement comes from, and what can be left out of it.

A conflict is narrowed down by leaving parts out, a soft fact is dropped by leaving it out, and
every requirement names the part that it comes from.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Final, Literal

from cudalock.records import NamedTuple
from cudalock.targets.accelerators import CUDA, LIBRARIES

if TYPE_CHECKING:
    from cudalock.goals import ProjectRequirement

ElementKind = Literal["goal", "option", "target", "source", "fact", "metadata"]


class Element(NamedTuple):
    """One part of a query.

    ===========  ==============================================================================
    kind         id
    ===========  ==============================================================================
    `goal`       a requirement or constraint of the goal, as its text
    `option`     `cuda`, `builders`, `exclude-newer`, `toolkit` or `cudnn`
    `target`     `python`, `platform`, `glibc`, `gpu` or `driver`
    `source`     a project's name: the file or the indexes that its wheel has to come from
    `fact`       the id of a curated fact
    `metadata`   `name version` of the release whose metadata requires something; this is the one
                 kind that cannot be left out
    ===========  ==============================================================================
    """

    kind: ElementKind
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


ACCELERATOR_OPTION: Final = Element("option", CUDA.name)
"""What the goal wants of the accelerator; named for the flag that most goals have."""
BUILDERS_OPTION: Final = Element("option", "builders")
EXCLUDE_NEWER_OPTION: Final = Element("option", "exclude-newer")
TOOLKIT_OPTION: Final = Element("option", "toolkit")
LIBRARY_OPTIONS: Final = {name: Element("option", name) for name in LIBRARIES}
"""The options that state a version of an accelerator's library: `--cudnn`."""

TARGET_PYTHON: Final = Element("target", "python")
TARGET_PLATFORM: Final = Element("target", "platform")
TARGET_GLIBC: Final = Element("target", "glibc")
TARGET_GPU: Final = Element("target", "gpu")
TARGET_DRIVER: Final = Element("target", "driver")


@cache  # looked up for every fact of every candidate: 0.1 µs each instead of 0.6 µs
def fact_element(id: str) -> Element:
    """Return the element of the curated fact with this id."""
    return Element("fact", id)


def goal_element(requirement: ProjectRequirement) -> Element:
    """Return the element of a requirement or constraint of the goal."""
    return Element("goal", str(requirement))


def ids_of(elements: Iterable[Element], kind: ElementKind) -> list[str]:
    """Return the ids of the elements of one kind, in the order given."""
    return [element.id for element in elements if element.kind == kind]

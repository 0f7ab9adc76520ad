"""Curated facts: the rules people know, as typed values.

A fact belongs to a component, covers a range of its versions and some of its wheels, and says what
must hold beside them. Everything it can say is data; see ``matrix/README.md``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from cudalock.targets.accelerators import ACCELERATORS
from cudalock.targets.facets import OF_ACCELERATOR

Verb = Literal["requires", "constrains", "conflicts"]
VERBS: Final[tuple[Verb, ...]] = ("requires", "constrains", "conflicts")
EFFECTS: Final = ("breaks", "degrades", "unsupported")
Cure = Literal["versions", "system", "none"]
CURES: Final[tuple[Cure, ...]] = ("versions", "system", "none")
"""What ends what a fact describes: other releases or builds; something else of the machine (a
driver, a compiler, a library, a variable); or neither, so that no command can be offered."""
BASES: Final = (
    "metadata",
    "release-assets",
    "release-notes",
    "docs",
    "issue",
    "tried",
    "unverified",
)
VERSION: Final = "version"
"""What a template calls the component's own version."""
DIST: Final = "dist"
"""What a fact's `where` calls the kind of distribution it is about: only `sdist` is said so."""
NONE: Final = "none"
"""The label value of a build made without CUDA."""

Labels = Mapping[str, tuple[str, ...]]

CLAUSE: Final = r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(.*?)\s*$"
"""A component and its specifier, as facts are written."""
_TEMPLATE = r"\{(\w+)(?::(\w+))?\}"


class Clause(NamedTuple):
    """One component and the specifiers of which any may hold.

    The specifiers of a clause on a row without CUDA hold :data:`NONE`: the component must be
    absent.
    """

    name: str
    specifiers: tuple[str, ...]

    def __str__(self) -> str:
        return " or ".join(f"{self.name}{specifier}" for specifier in self.specifiers) or self.name


class ClauseTemplate(NamedTuple):
    """A clause whose specifier may name labels of a wheel row: ``torch=={torch:minor}.*``."""

    name: str
    patterns: tuple[str, ...]
    label_names: tuple[str, ...] = ()
    """the labels it needs; without one of them on a row the clause does not apply"""

    @classmethod
    def parse(cls, entry: str | Sequence[str]) -> ClauseTemplate:
        """Read one entry of ``requires`` or ``constrains``; a list means any of its strings.

        Raises ValueError if an entry is no clause, or a list names more than one component.
        """
        entries = [entry] if isinstance(entry, str) else list(entry)
        matches = [re.match(CLAUSE, text) for text in entries]
        if not matches or any(match is None for match in matches):
            raise ValueError(f"not a requirement: {entry!r}")
        names = {match[1] for match in matches if match}
        if len(names) != 1:
            raise ValueError(f"alternatives must name one component: {entry!r}")
        patterns = tuple(match[2] for match in matches if match)
        labels = {found[1]: None for text in patterns for found in re.finditer(_TEMPLATE, text)}
        return cls(names.pop(), patterns, tuple(labels))

    def fill(self, labels: Labels) -> Clause | None:
        """The clause for one row, or None where the row lacks a label it names."""
        specifiers: list[str] = []
        for pattern in self.patterns:
            filled = _fill(pattern, labels)
            if filled is None:
                return None
            specifiers += filled
        return Clause(self.name, tuple(dict.fromkeys(specifiers)))


def _fill(pattern: str, labels: Labels) -> list[str] | None:
    match = re.search(_TEMPLATE, pattern)
    if match is None:
        return [pattern]
    values = labels.get(match[1])
    if not values:
        return None
    if NONE in values:
        return [NONE]
    before, after = pattern[: match.start()], pattern[match.end() :]
    return [before + _shape(value, match[2]) + after for value in values]


def _shape(value: str, how: str | None) -> str:
    """A label's value as a template asks for it: whole, its minor or major, or as a GPU range."""
    if how is None:
        return value
    if how == "minor":
        return ".".join(value.split(".")[:2])
    if how == "major":
        return value.split(".")[0]
    if how == "gpu":
        return gpu_range(value)
    raise ValueError(f"unknown template form {how!r}")


def gpu_range(arch: str) -> str:
    """The compute capabilities that code for ``arch`` runs on, as a specifier.

    Code runs on its own major from its minor upwards (CUDA C++ Programming Guide, binary
    compatibility); ``9.0a`` on that very capability; ``8.0+PTX`` on everything later.
    """
    if arch.endswith("+PTX"):
        return f">={arch[:-4]}"
    if arch.endswith("a"):
        return f"=={arch[:-1]}"
    return f">={arch},<{int(arch.split('.')[0]) + 1}"


class Demand(NamedTuple):
    """What a fact asks of one component: to be there, to fit if it is there, or not to be there."""

    verb: Verb
    template: ClauseTemplate


class Observation(NamedTuple):
    """What is seen in an environment, or on its machine, where a fact holds: all that is not None.

    Paths may begin with `{prefix}`, `{packages}` or `{include}` (folders of the environment) or
    with `%NAME%` (a variable of the machine), and may be patterns.
    """

    gpu: bool | None = None
    """whether the machine has an NVIDIA GPU"""
    driver: bool | None = None
    """whether it has an NVIDIA driver"""
    cuda: bool | None = None
    """whether the framework there is a build with CUDA"""
    kind: str | None = None
    """of the environment: `embedded`, `conda`, ..."""
    version: str | None = None
    """a pattern that the component's version fits"""
    missing: tuple[str, ...] = ()
    """paths of which none is there"""
    commands: tuple[str, ...] = ()
    """programs of which none is on PATH"""
    unset: tuple[str, ...] = ()
    """variables of which none is set"""
    set: tuple[str, ...] = ()
    """`NAME=PATTERN` of variables, of which one is set so"""
    shadowed: str | None = None
    """the variable whose folders hide the environment's CUDA libraries"""
    severity: Literal["error", "warning", "note"] | None = None
    """where the finding is less than the fact's effect says"""

    @classmethod
    def parse(cls, table: Mapping[str, Any]) -> Observation:
        """Raises ValueError for a key that there is not, or a value of another kind."""
        values: dict[str, Any] = {}
        for key, value in table.items():
            wanted = _OBSERVED.get(key)
            if wanted is None or not isinstance(value, wanted) or not _is_severity(key, value):
                raise ValueError(f"{key} = {value!r} is nothing that can be observed")
            values[key] = tuple(map(str, value)) if isinstance(value, list) else value
        return cls(**values)


def _is_severity(key: str, value: object) -> bool:
    return key != "severity" or value in ("error", "warning", "note")


_OBSERVED: Final[Mapping[str, type]] = {
    **dict.fromkeys((*OF_ACCELERATOR, *ACCELERATORS), bool),
    **dict.fromkeys(("kind", "version", "shadowed", "severity"), str),
    **dict.fromkeys(("missing", "commands", "unset", "set"), list),
}


class Fact(NamedTuple):
    """One sourced rule about a component; the keys are those of the TOML files."""

    id: str
    component: str
    says: str
    effect: str
    basis: str
    source: tuple[str, ...]
    checked: str
    versions: str = ""
    where: Labels = MappingProxyType({})
    when: str | None = None
    beside: tuple[Demand, ...] = ()
    """what it asks of other components"""
    of_machine: tuple[Demand, ...] = ()
    """what it asks of the target"""
    refuses: bool = False
    scope: str = "solve"
    symptom: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    """texts: no other fact is searched for in a line that has one of them"""
    decides: bool = False
    """whether its message is the cause even where other messages stand in the same text"""
    cure: Cure = "versions"
    fix: str | None = None
    mends: tuple[str, ...] = ()
    """the projects that a solve for the cure has, where the fact itself does not show them"""
    observed: tuple[Observation, ...] = ()
    """how an environment shows that it holds there; any of them will do"""

    @property
    def is_hard(self) -> bool:
        return self.effect == "breaks"

    @staticmethod
    def matches(values: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
        """Whether one value of a row fits one pattern of ``where``."""
        return any(fnmatchcase(value, pattern) for value in values for pattern in patterns)


class NameAlias(NamedTuple):
    """Under a marker a goal's name means another project (``triton`` on Windows)."""

    name: str
    when: str | None
    fact: str | None


class Replacement(NamedTuple):
    """A requirement that metadata gets wrong, replaced or dropped."""

    fact: str
    requirement: str
    of: str
    of_versions: str
    when: str | None
    replacement: str | None


class Place(NamedTuple):
    """A file or folder that a package looks for beside itself, and what it can be copied from."""

    fact: str
    beside: str
    """a file that marks a package which looks for it; all paths are below site-packages"""
    unless: tuple[str, ...]
    """the files of a package that brings it along, and so needs nothing"""
    put: str
    source: str
    """where the copy comes from, in the environment or in a wheel of `project`"""
    project: str
    versions: str
    """the releases of `project` whose wheel has it"""


class Libraries(NamedTuple):
    """Where pip puts shared libraries on one system: glob patterns below site-packages."""

    folders: tuple[str, ...]
    files: tuple[str, ...]
    """what a folder must hold one of, as file name patterns"""
    runtime: tuple[str, ...]
    """the CUDA runtime itself, in the order of preference"""


class Trial(NamedTuple):
    """A small program that does with a component what it is for, and fails where that fails."""

    name: str
    """what it tries, for people: reads before "fails" """
    code: str
    """run as a file by the environment's Python"""
    gpu: bool = False
    """whether it needs a GPU"""
    versions: str = ""
    beside: tuple[str, ...] = ()
    """the other projects that it uses"""


class Component(NamedTuple):
    """What is curated about one project or virtual component."""

    name: str
    kind: str = "project"
    role: str | None = None
    rank: int | None = None
    switch: str | None = None
    """the short name of its flag, `fa2` of `--fa2`; None for what has no flag"""
    summary: str = ""
    aliases: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    alias_of: tuple[NameAlias, ...] = ()
    facts: tuple[Fact, ...] = ()
    replacements: tuple[Replacement, ...] = ()
    by_cuda: Mapping[str, str] = {}
    places: tuple[Place, ...] = ()
    libraries: Mapping[str, Libraries] = {}
    """by system: `windows`, `linux`"""
    trials: tuple[Trial, ...] = ()

    @property
    def is_virtual(self) -> bool:
        return self.kind == "virtual"

"""The values of the curated half: facts, and whatever else component files have.

A fact belongs to a component, covers a range of its versions and some of its wheels, and states
what must hold beside them. All of it is data; see ``matrix/README.md``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Final, Literal

from cudalock.matrix.sources import SourceFact, SourceState
from cudalock.records import NamedTuple
from cudalock.targets.accelerators import BUILT_FOR, gpu_version
from cudalock.targets.facets import OF_ACCELERATOR
from cudalock.versions import (
    FactId,
    ProjectName,
    accepts,
    leading_name,
    parse_requirement,
)

Verb = Literal["requires", "constrains", "conflicts"]
VERBS: Final[tuple[Verb, ...]] = ("requires", "constrains", "conflicts")
HARD: Final = "breaks"
"""The effect of the facts that a solution never violates."""
EFFECTS: Final = (HARD, "degrades", "unsupported")
VIRTUAL: Final = "virtual"
"""The kind of the components that pip does not install."""
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
"""The name of the component's own version in a template."""
DIST: Final = "dist"
"""The key of a fact's `where` for facts about source distributions: `dist = "sdist"`."""
NONE: Final = "none"
"""The label value of a build without CUDA."""

Labels = Mapping[str, tuple[str, ...]]

CLAUSE: Final = r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(.*?)\s*$"
"""A component and its specifier, as facts are written."""
_TEMPLATE = r"\{(\w+)(?::(\w+))?\}"


class FactClause(NamedTuple):
    """A component and specifiers, one of which has to accept its version.

    On a row without CUDA a specifier is :data:`NONE`: the component has to be absent.
    """

    name: str
    specifiers: tuple[str, ...]

    def __str__(self) -> str:
        return " or ".join(f"{self.name}{specifier}" for specifier in self.specifiers) or self.name


class ClauseTemplate(NamedTuple):
    """A clause whose specifier may name labels of a wheel row: `torch=={torch:minor}.*`.

    With `torch = 2.5.1` on the row that is `torch==2.5.*`. A row with several values of a label,
    a wheel that was built for either, gives as many specifiers.
    """

    name: str
    patterns: tuple[str, ...]
    label_names: tuple[str, ...] = ()
    """the labels it needs; without one of them on a row the clause does not apply"""

    @classmethod
    def parse(cls, alternatives: str | Sequence[str]) -> ClauseTemplate:
        """Parse a clause of `requires` or `constrains`; of a list any of its strings may hold.

        Raises ValueError if a string is not a clause, or a list names more than one component.
        """
        texts = [alternatives] if isinstance(alternatives, str) else list(alternatives)
        # A list that names two components would be a choice between packages, which no clause has.
        matches = [re.match(CLAUSE, text) for text in texts]
        if not matches or any(match is None for match in matches):
            raise ValueError(f"not a requirement: {alternatives!r}")
        names = {match[1] for match in matches if match}
        if len(names) != 1:
            raise ValueError(f"alternatives must name one component: {alternatives!r}")
        patterns = tuple(match[2] for match in matches if match)
        labels = {label[1]: None for text in patterns for label in re.finditer(_TEMPLATE, text)}
        return cls(names.pop(), patterns, tuple(labels))

    def fill(self, labels: Labels) -> FactClause | None:
        """Return the clause for a row with these labels, None if the row lacks one it names."""
        specifiers: list[str] = []
        for pattern in self.patterns:
            filled = _fill(pattern, labels)
            if filled is None:
                return None
            specifiers += filled
        return FactClause(self.name, tuple(dict.fromkeys(specifiers)))


def _fill(pattern: str, labels: Labels) -> list[str] | None:
    match = re.search(_TEMPLATE, pattern)
    if match is None:
        return [pattern]
    versions = labels.get(match[1])
    if not versions:
        return None
    if NONE in versions:
        return [NONE]
    # A row with several values of one label, each a specifier: a clause names one label at most.
    before, after = pattern[: match.start()], pattern[match.end() :]
    return [before + _shape(version, match[2]) + after for version in versions]


def _shape(version: str, how: str | None) -> str:
    """Return a label's version in a template's form: whole, `minor`, `major`, `gpu` range, or the
    version of a `gfx` target."""
    if how is None:
        return version
    if how == "minor":
        return ".".join(version.split(".")[:2])
    if how == "major":
        return version.split(".")[0]
    if how == "gpu":
        return gpu_range(version)
    if how == "gfx":
        return gpu_version(version)
    raise ValueError(f"unknown template form {how!r}")


def gpu_range(arch: str) -> str:
    """Return the compute capabilities that code for an architecture runs on, as a specifier.

    Code runs on its own major from its minor upwards (CUDA C++ Programming Guide, binary
    compatibility); `9.0a` on that very capability; `8.0+PTX` on everything later.
    """
    if arch.endswith("+PTX"):
        return f">={arch[:-4]}"
    if arch.endswith("a"):
        return f"=={arch[:-1]}"
    return f">={arch},<{int(arch.split('.')[0]) + 1}"


class Demand(NamedTuple):
    """What a fact demands of one component: to be present, to fit if present, or to be absent."""

    verb: Verb
    template: ClauseTemplate


class Observation(NamedTuple):
    """What is seen in an environment, or on its machine, where a fact holds: all that is not None.

    Paths may begin with `{prefix}`, `{packages}` or `{include}` (folders of the environment), with
    `%NAME%` (a variable of the machine) or `/` (its root), and may be patterns.
    """

    gpu: bool | None = None
    """whether the machine has an NVIDIA GPU"""
    driver: bool | None = None
    """whether it has an NVIDIA driver"""
    cuda: bool | None = None
    """whether the framework there is a build with CUDA"""
    rocm: bool | None = None
    """whether it is a build with ROCm"""
    xpu: bool | None = None
    """whether it is a build with XPU"""
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
    without: tuple[str, ...] = ()
    """projects of which none is installed"""
    compiled: tuple[str, ...] = ()
    """texts of which a compiled module of a package that requires the component has one"""
    compiled_lacks: tuple[str, ...] = ()
    """texts of which that module has none"""
    severity: Literal["error", "warning", "note"] | None = None
    """if the finding is less severe than the fact's effect"""

    @classmethod
    def parse(cls, table: Mapping[str, Any]) -> Observation:
        """Read an `observed` table. Raises ValueError for an unknown key or a wrong type."""
        fields: dict[str, Any] = {}
        for key, observed in table.items():
            # A misspelled key would make an observation that always holds.
            kind = _OBSERVED.get(key)
            is_valid = kind is not None and isinstance(observed, kind)
            if not is_valid or not _is_severity(key, observed):
                raise ValueError(f"{key} = {observed!r} is nothing that can be observed")
            fields[key] = tuple(map(str, observed)) if isinstance(observed, list) else observed
        return cls(**fields)


def _is_severity(key: str, observed: object) -> bool:
    return key != "severity" or observed in ("error", "warning", "note")


_OBSERVED: Final[Mapping[str, type]] = {
    **dict.fromkeys((*OF_ACCELERATOR, *BUILT_FOR), bool),
    **dict.fromkeys(("kind", "version", "shadowed", "severity"), str),
    **dict.fromkeys(("missing", "commands", "unset", "set", "without"), list),
    **dict.fromkeys(("compiled", "compiled_lacks"), list),
}


class RowRule(NamedTuple):
    """Which wheels of any project a fact is about, by what their rows say."""

    before: str
    """the day before which they were published, `2024-04-01`"""
    abi: tuple[str, ...]
    """patterns of ABI tags: `cp*` for what is compiled for one Python"""
    unbounded: str
    """the project that their METADATA requires without an upper bound"""
    but: frozenset[str]
    """the projects that it is not about"""

    def may_be_about(self, project: str) -> bool:
        """Return whether it is about some wheels of a project."""
        return project != self.unbounded and project not in self.but

    def covers(self, uploaded: str | None, tags: str, requires: Iterable[str]) -> bool:
        """Return whether it is about a wheel. Of a day that nobody knows it is not."""
        if uploaded is None or uploaded >= self.before:
            return False
        if not any(fnmatchcase(tags.split("-")[-2], pattern) for pattern in self.abi):
            return False
        return any(self._is_unbounded(text) for text in requires)

    def _is_unbounded(self, text: str) -> bool:
        if leading_name(text) != self.unbounded or "extra ==" in text:
            return False
        operators = {clause.operator for clause in parse_requirement(text).specifier}
        return operators.isdisjoint(("<", "<=", "==", "~=", "==="))


class Fact(NamedTuple):
    """One sourced rule about a component; the fields are the keys of the TOML files."""

    id: FactId
    component: ProjectName
    says: str
    """what goes wrong, as the end of a sentence that begins with the component"""
    effect: str
    """one of :data:`EFFECTS`; a solution never violates a fact whose effect is `breaks`"""
    basis: str
    """how it is known, one of :data:`BASES`"""
    source: tuple[str, ...]
    """URLs, or the words of whoever tried it"""
    checked: str
    """the day, `2026-11-21`"""
    versions: str = ""
    """the releases of the component that it is about, a specifier"""
    where: Labels = MappingProxyType({})
    """which wheels of those releases: patterns by label"""
    when: str | None = None
    """a PEP 508 marker: where it is true"""
    beside: tuple[Demand, ...] = ()
    """what it demands of other components"""
    of_machine: tuple[Demand, ...] = ()
    """what it demands of the target"""
    refuses: bool = False
    """whether the wheels it is about cannot be used at all"""
    alone: bool = False
    """whether it holds only where nothing in the goal leads to the framework, which brings the CUDA
    libraries that others open"""
    is_slight: bool = False
    """whether what it says costs little, so that a check notes it and does not warn"""
    open_only: bool = False
    """whether it says nothing to a requirement that names a pre-release: about what pip chooses"""
    scope: str = "solve"
    """`environment` for what no solve can decide: only doctor and diagnose use it"""
    symptom: tuple[str, ...] = ()
    """texts of error messages, for diagnose"""
    claims: tuple[str, ...] = ()
    """texts: no other fact is searched for in a line that has one of them"""
    places: Mapping[str, str] = MappingProxyType({})
    """texts that some releases of the component print and no others: the releases, a specifier"""
    decides: bool = False
    """whether its message is the cause even if there are other messages in the same text"""
    cure: Cure = "versions"
    fix: str | None = None
    mends: tuple[str, ...] = ()
    """the projects that a solve for the cure has, where the fact itself does not show them"""
    observed: tuple[Observation, ...] = ()
    """how an environment shows that it holds there; any of them will do"""
    rows: RowRule | None = None
    """of a fact from `[[row_fact]]`, about some wheels of any project"""
    shared_path: str | None = None
    """the file that both projects install, of a fact from `shared_files.toml`"""

    @property
    def is_hard(self) -> bool:
        """Whether a solution may not go against it."""
        return self.effect == HARD

    @staticmethod
    def matches(labels: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
        """Return whether a label of a row fits a pattern of `where`."""
        return any(_matches(label, pattern) for label in labels for pattern in patterns)


def _matches(label: str, pattern: str) -> bool:
    """Return what `fnmatchcase` does: most patterns are a plain text or its beginning, and to
    compile one takes longer than all that it is compared with."""
    start = pattern.removesuffix("*")
    if _MAGIC.isdisjoint(start):
        return label == pattern if start == pattern else label.startswith(start)
    return fnmatchcase(label, pattern)


_MAGIC: Final = frozenset("*?[")


class NameAlias(NamedTuple):
    """A project that a name means under a marker: `triton` is `triton-windows` on Windows."""

    name: str
    when: str | None
    """a PEP 508 marker; None for everywhere"""
    fact: str | None
    """the id of the fact that it rests on"""


class Replacement(NamedTuple):
    """A requirement that metadata gets wrong, and what it is replaced by (None: dropped)."""

    fact: FactId
    requirement: ProjectName
    """the project that is required wrongly"""
    of: ProjectName
    """the project whose metadata requires it"""
    of_versions: str
    """the releases of `of` that do, a specifier"""
    when: str | None
    """a PEP 508 marker: where it is replaced"""
    replacement: ProjectName | None


class FileCopy(NamedTuple):
    """A file or folder that a package needs beside itself, and what it can be copied from."""

    fact: str
    beside: str
    """a file that marks a package which looks for it; all paths are below site-packages"""
    unless: tuple[str, ...]
    """the files of a package that brings it along, and so needs nothing"""
    put: str
    """where it is needed"""
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


class Nightly(NamedTuple):
    """Where a project publishes a build of each day."""

    url: str
    days: int
    """how long the index has one"""


class BuildRecord(NamedTuple):
    """What an installed build of the framework says of itself, in files that are only read."""

    file: str
    """of Python code with one assignment for each value, below the folder it is installed in"""
    variables: Mapping[str, str]
    """label to the variable that has its value, `None` for a build without"""
    library: str
    """a shared object below that folder"""
    symbols: Mapping[str, Mapping[str, str]]
    """label to its value by a pattern that a symbol of the library fits"""


class Component(NamedTuple):
    """What is curated about one project or virtual component."""

    name: str
    kind: str = "project"
    """`virtual` for what a target or a build has and pip does not install: the CUDA release"""
    role: str | None = None
    """`framework` or `toolkit`, for the one component that is it"""
    rank: int | None = None
    """the place in the order in which a solve prefers new versions, the smallest first"""
    switch: str | None = None
    """the short name of its flag, `fa2` of `--fa2`; None for what has no flag"""
    summary: str = ""
    aliases: tuple[str, ...] = ()
    alias_versions: Mapping[str, str] = {}
    """the specifier that an alias stands for: `>=2` by `sageattention2`"""
    imports: tuple[str, ...] = ()
    nightly: Nightly | None = None
    on_index: bool = True
    """whether the package index has its releases; it may have another project of this name"""
    alias_of: tuple[NameAlias, ...] = ()
    facts: tuple[Fact, ...] = ()
    replacements: tuple[Replacement, ...] = ()
    by_cuda: Mapping[str, str] = {}
    """the pip project of a library by CUDA major: `nvidia-cudnn-cu12` by `12`"""
    file_copies: tuple[FileCopy, ...] = ()
    libraries: Mapping[str, Libraries] = {}
    """by system: `windows`, `linux`"""
    trials: tuple[Trial, ...] = ()
    sdists: tuple[SourceFact, ...] = ()
    """what its source distributions compile, where the archive alone does not show it"""
    links: bool | None = None
    """whether its compiled code links the framework's libraries; None where nobody looked"""
    build_record: BuildRecord | None = None
    force_build: str | None = None
    """the assignment, `NAME=VALUE`, with which its setup.py compiles, where it would else download
    a wheel that was built for a release of the framework"""

    def source_state(self, version: str, holds_here: Callable[[str], bool]) -> SourceState | None:
        """Return what is curated about the source distribution of a release, None for nothing.

        `holds_here` tells whether a marker holds on the machine that builds.
        """
        for row in self.sdists:
            if accepts(row.versions, version) and (row.when is None or holds_here(row.when)):
                return row.build
        return None

    @property
    def is_virtual(self) -> bool:
        """Whether it is no project that pip installs."""
        return self.kind == VIRTUAL

"""Curated facts: the rules people know, as typed values.

A fact belongs to a component, covers a range of its versions and some of its wheels, and says what
must hold beside them. Everything it can say is data; see ``matrix/README.md``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from cudalock.errors import MatrixError

Verb = Literal["requires", "constrains", "conflicts"]
VERBS: Final[tuple[Verb, ...]] = ("requires", "constrains", "conflicts")
TARGET_COMPONENTS: Final = ("python", "glibc", "gpu", "driver")
"""The virtual components that a target fixes; one it does not know constrains nothing."""
EFFECTS: Final = ("breaks", "degrades", "unsupported")
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

_CLAUSE = r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(.*?)\s*$"
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
        matches = [re.match(_CLAUSE, text) for text in entries]
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
    **dict.fromkeys(("gpu", "driver", "cuda"), bool),
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


def read_component(table: Mapping[str, Any], file: str) -> Component:
    """The component of one TOML file. Raises MatrixError naming file and key."""
    if not isinstance(table.get("name"), str):
        raise MatrixError(file, "name", "a component file needs a `name`")
    name: str = table["name"]
    facts: list[Fact] = []
    replacements: list[Replacement] = []
    for position, entry in enumerate(table.get("fact", ())):
        key = f"fact[{position}]"
        facts.append(_read_fact(entry, name, file, key))
        if "replaces" in entry:
            replacements.append(_read_replacement(entry, file, key))
    return Component(
        name=name,
        kind=table.get("kind", "project"),
        role=table.get("role"),
        rank=table.get("rank"),
        summary=table.get("summary", ""),
        aliases=tuple(table.get("aliases", ())),
        imports=tuple(table.get("imports", ())),
        alias_of=tuple(
            NameAlias(entry["name"], entry.get("when"), entry.get("fact"))
            for entry in table.get("alias", ())
        ),
        facts=tuple(facts),
        replacements=tuple(replacements),
        by_cuda=dict(table.get("by_cuda", {})),
        places=tuple(
            _read_place(entry, file, f"place[{position}]")
            for position, entry in enumerate(table.get("place", ()))
        ),
        libraries={
            system: _read_libraries(entry, file, f"libraries.{system}")
            for system, entry in table.get("libraries", {}).items()
        },
        trials=tuple(
            _read_trial(entry, file, f"trial[{position}]")
            for position, entry in enumerate(table.get("trial", ()))
        ),
    )


def check_component(table: Mapping[str, Any], file: str) -> None:
    """Parse every range, marker and template of a component file, which loading it does not.

    Raises MatrixError naming file and key for the first that is malformed.
    """
    for position, fact in enumerate(read_component(table, file).facts):
        for key, check in _parts(fact):
            try:
                check()
            except ValueError as error:  # what packaging raises for specifiers and markers is one
                says = " ".join(str(error).split())
                raise MatrixError(file, f"fact[{position}].{key}", says) from None


def _parts(fact: Fact) -> Iterator[tuple[str, Callable[[], object]]]:
    """Each part of a fact that has a grammar, by its key, with what parses it."""
    from packaging.markers import Marker
    from packaging.specifiers import SpecifierSet

    yield "for", partial(SpecifierSet, fact.versions)
    if fact.when is not None:
        yield "when", partial(Marker, fact.when)
    seen: dict[str, int] = {}
    for demand in (*fact.beside, *fact.of_machine):
        position = seen.get(demand.verb, 0)
        seen[demand.verb] = position + 1
        yield f"{demand.verb}[{position}]", partial(_check_template, demand.template)


def _check_template(template: ClauseTemplate) -> None:
    from packaging.specifiers import SpecifierSet

    clause = template.fill(dict.fromkeys(template.label_names, ("1.0",)))
    for specifier in clause.specifiers if clause else ():
        SpecifierSet(specifier)


def _read_fact(entry: Mapping[str, Any], component: str, file: str, key: str) -> Fact:
    for needed in ("id", "says", "effect", "basis", "source", "checked"):
        if not entry.get(needed):
            raise MatrixError(file, f"{key}.{needed}", f"a fact needs `{needed}`")
    if entry["effect"] not in EFFECTS:
        raise MatrixError(file, f"{key}.effect", f"must be one of {', '.join(EFFECTS)}")
    if entry["basis"] not in BASES:
        raise MatrixError(file, f"{key}.basis", f"must be one of {', '.join(BASES)}")
    demands = list(_read_demands(entry, file, key))
    return Fact(
        id=entry["id"],
        component=component,
        says=entry["says"],
        effect=entry["effect"],
        basis=entry["basis"],
        source=_strings(entry["source"]),
        checked=str(entry["checked"]),
        versions=entry.get("for", ""),
        where={label: _strings(value) for label, value in entry.get("where", {}).items()},
        when=entry.get("when"),
        beside=tuple(each for each in demands if each.template.name not in TARGET_COMPONENTS),
        of_machine=tuple(each for each in demands if each.template.name in TARGET_COMPONENTS),
        refuses=bool(entry.get("refuses", False)),
        scope=entry.get("scope", "solve"),
        symptom=_strings(entry.get("symptom", ())),
        fix=entry.get("fix"),
        mends=_strings(entry.get("mends", ())),
        observed=tuple(_read_observed(entry, file, key)),
    )


def _read_demands(entry: Mapping[str, Any], file: str, key: str) -> Iterator[Demand]:
    for verb in VERBS:
        for position, text in enumerate(entry.get(verb, ())):
            try:
                yield Demand(verb, ClauseTemplate.parse(text))
            except ValueError as error:
                raise MatrixError(file, f"{key}.{verb}[{position}]", str(error)) from None


def _read_observed(entry: Mapping[str, Any], file: str, key: str) -> Iterator[Observation]:
    for position, table in enumerate(entry.get("observed", ())):
        try:
            yield Observation.parse(table)
        except (ValueError, AttributeError) as error:
            raise MatrixError(file, f"{key}.observed[{position}]", str(error)) from None


def _read_trial(entry: Mapping[str, Any], file: str, key: str) -> Trial:
    for needed in ("name", "code"):
        if not isinstance(entry.get(needed), str):
            raise MatrixError(file, f"{key}.{needed}", f"a trial needs `{needed}`")
    return Trial(
        name=entry["name"],
        code=entry["code"],
        gpu=bool(entry.get("gpu", False)),
        versions=entry.get("for", ""),
        beside=_strings(entry.get("beside", ())),
    )


def _read_replacement(entry: Mapping[str, Any], file: str, key: str) -> Replacement:
    table = entry["replaces"]
    match = re.match(_CLAUSE, table.get("of", ""))
    if match is None or "requirement" not in table:
        raise MatrixError(file, f"{key}.replaces", "needs `requirement` and `of`")
    return Replacement(
        fact=entry["id"],
        requirement=table["requirement"],
        of=match[1],
        of_versions=match[2],
        when=table.get("when"),
        replacement=table.get("with"),
    )


def _read_place(entry: Mapping[str, Any], file: str, key: str) -> Place:
    match = re.match(_CLAUSE, entry.get("of", ""))
    missing = [each for each in ("fact", "beside", "put", "from") if not entry.get(each)]
    if missing or match is None:
        raise MatrixError(file, f"{key}.{(*missing, 'of')[0]}", "a place needs it")
    return Place(
        fact=entry["fact"],
        beside=entry["beside"],
        unless=_strings(entry.get("unless", ())),
        put=entry["put"],
        source=entry["from"],
        project=match[1],
        versions=match[2],
    )


def _read_libraries(entry: Mapping[str, Any], file: str, key: str) -> Libraries:
    for needed in Libraries._fields:
        if not entry.get(needed):
            raise MatrixError(file, f"{key}.{needed}", "is missing")
    return Libraries(*(_strings(entry[each]) for each in Libraries._fields))


def _strings(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(str(item) for item in value)

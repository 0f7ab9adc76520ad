"""Component files read into facts: `matrix/components/*.toml`, a component each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from cudalock.errors import MatrixError
from cudalock.matrix.facts import (
    BASES,
    CLAUSE,
    CURES,
    EFFECTS,
    VERBS,
    ClauseTemplate,
    Component,
    Demand,
    Fact,
    Libraries,
    NameAlias,
    Observation,
    Place,
    Replacement,
    Trial,
)
from cudalock.targets.facets import COMPONENTS


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
        switch=table.get("switch"),
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
    if entry.get("cure", "versions") not in CURES:
        raise MatrixError(file, f"{key}.cure", f"must be one of {', '.join(CURES)}")
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
        beside=tuple(each for each in demands if each.template.name not in COMPONENTS),
        of_machine=tuple(each for each in demands if each.template.name in COMPONENTS),
        refuses=bool(entry.get("refuses", False)),
        scope=entry.get("scope", "solve"),
        symptom=_strings(entry.get("symptom", ())),
        claims=_strings(entry.get("claims", ())),
        decides=bool(entry.get("decides", False)),
        cure=entry.get("cure", "versions"),
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
    match = re.match(CLAUSE, table.get("of", ""))
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
    match = re.match(CLAUSE, entry.get("of", ""))
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


__all__ = ["check_component", "read_component"]

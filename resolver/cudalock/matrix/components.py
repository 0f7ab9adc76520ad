"""Read component files, `matrix/components/*.toml`, into facts."""

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
    BuildRecord,
    ClauseTemplate,
    Component,
    Demand,
    Fact,
    FileCopy,
    Libraries,
    NameAlias,
    Nightly,
    Observation,
    Replacement,
    RowRule,
    Trial,
)
from cudalock.matrix.sources import COMPILES, PURE, SourceFact, SourceState
from cudalock.targets.facets import COMPONENTS
from cudalock.versions import FactId, ProjectName, specifier_set


def read_component(table: Mapping[str, Any], file: str) -> Component:
    """Read the table of one component file. Raises MatrixError naming file and key."""
    if not isinstance(table.get("name"), str):
        raise MatrixError(file, "name", "a component file needs a `name`")
    name: str = table["name"]
    facts: list[Fact] = []
    replacements: list[Replacement] = []
    for position, fact_table in enumerate(table.get("fact", ())):
        key = f"fact[{position}]"
        facts.append(_read_fact(fact_table, name, file, key))
        if "replaces" in fact_table:
            replacements.append(_read_replacement(fact_table, file, key))
    return Component(
        name=name,
        kind=table.get("kind", "project"),
        role=table.get("role"),
        rank=table.get("rank"),
        switch=table.get("switch"),
        summary=table.get("summary", ""),
        aliases=tuple(table.get("aliases", ())),
        alias_versions=dict(table.get("alias_versions", {})),
        imports=tuple(table.get("imports", ())),
        # Without a table nobody is told of an index that may not exist.
        nightly=_read_nightly(table["nightly"], file) if "nightly" in table else None,
        on_index=table.get("on_index", True),
        alias_of=tuple(
            NameAlias(alias["name"], alias.get("when"), alias.get("fact"))
            for alias in table.get("alias", ())
        ),
        facts=tuple(facts),
        replacements=tuple(replacements),
        by_cuda=dict(table.get("by_cuda", {})),
        file_copies=tuple(
            _read_file_copy(copy, file, f"place[{position}]")
            for position, copy in enumerate(table.get("place", ()))
        ),
        libraries={
            system: _read_libraries(patterns, file, f"libraries.{system}")
            for system, patterns in table.get("libraries", {}).items()
        },
        trials=tuple(
            _read_trial(trial, file, f"trial[{position}]")
            for position, trial in enumerate(table.get("trial", ()))
        ),
        sdists=tuple(
            _read_source_fact(row, file, f"sdist[{position}]")
            for position, row in enumerate(table.get("sdist", ()))
        ),
        links=table.get("links"),
        build_record=_read_build_record(table["build_record"], file)
        if "build_record" in table
        else None,
        force_build=table.get("force_build"),
    )


def read_row_facts(rows: Sequence[Mapping[str, Any]], file: str) -> tuple[Fact, ...]:
    """Read `[[row_fact]]`, facts about wheels of any project: their component is empty.

    Raises MatrixError naming file and key.
    """
    facts = []
    for position, row in enumerate(rows):
        key = f"row_fact[{position}]"
        for needed in ("before", "abi", "unbounded"):
            if not row.get(needed):
                raise MatrixError(file, f"{key}.{needed}", "a fact about rows needs it")
        rule = RowRule(
            str(row["before"]),
            _strings(row["abi"]),
            row["unbounded"],
            frozenset(_strings(row.get("but", ()))),
        )
        facts.append(_read_fact(row, "", file, key)._replace(rows=rule))
    return tuple(facts)


def _read_build_record(table: Mapping[str, Any], file: str) -> BuildRecord:
    try:
        symbols = {label: dict(patterns) for label, patterns in table["symbols"].items()}
        return BuildRecord(table["file"], dict(table["variables"]), table["library"], symbols)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MatrixError(file, "build_record", f"is incomplete: {error}") from None


def _read_nightly(table: Mapping[str, Any], file: str) -> Nightly:
    try:
        return Nightly(table["url"], table["days"])
    except (KeyError, TypeError) as error:
        raise MatrixError(file, "nightly", f"is incomplete: {error}") from None


def check_component(table: Mapping[str, Any], file: str) -> None:
    """Parse every range, marker and template of a component file; reading one does not.

    Raises MatrixError naming file and key for the first that is malformed.
    """
    component = read_component(table, file)
    parts: list[tuple[str, Callable[[], object]]] = [
        (f"alias_versions.{alias}", partial(specifier_set, specifier))
        for alias, specifier in component.alias_versions.items()
    ]
    parts += [
        (f"fact[{position}].{key}", check)
        for position, fact in enumerate(component.facts)
        for key, check in _parts(fact)
    ]
    for position, row in enumerate(component.sdists):
        parts += [(f"sdist[{position}].{key}", check) for key, check in _grammar(row)]
    for key, check in parts:
        try:
            check()
        except ValueError as error:  # packaging's errors are ValueErrors
            raise MatrixError(file, key, " ".join(str(error).split())) from None


def _grammar(fact: Fact | SourceFact) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the range and the marker of a row, and calls that parse them."""
    from packaging.markers import Marker
    from packaging.specifiers import SpecifierSet

    yield "for", partial(SpecifierSet, fact.versions)
    if fact.when is not None:
        yield "when", partial(Marker, fact.when)


def _parts(fact: Fact) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the key of each part of a fact that has a grammar, and a call that parses it."""
    yield from _grammar(fact)
    counts: dict[str, int] = {}
    for demand in (*fact.beside, *fact.of_machine):
        position = counts.get(demand.verb, 0)
        counts[demand.verb] = position + 1
        yield f"{demand.verb}[{position}]", partial(_check_template, demand.template)


def _check_template(template: ClauseTemplate) -> None:

    # Any value will do: what a label puts in is a version, and the pattern around it is checked.
    clause = template.fill(dict.fromkeys(template.label_names, ("1.0",)))
    for specifier in clause.specifiers if clause else ():
        specifier_set(specifier)


def _read_fact(table: Mapping[str, Any], component: str, file: str, key: str) -> Fact:
    for needed in ("id", "says", "effect", "basis", "source", "checked"):
        if not table.get(needed):
            raise MatrixError(file, f"{key}.{needed}", f"a fact needs `{needed}`")
    if table["effect"] not in EFFECTS:
        raise MatrixError(file, f"{key}.effect", f"must be one of {', '.join(EFFECTS)}")
    if table["basis"] not in BASES:
        raise MatrixError(file, f"{key}.basis", f"must be one of {', '.join(BASES)}")
    if table.get("cure", "versions") not in CURES:
        raise MatrixError(file, f"{key}.cure", f"must be one of {', '.join(CURES)}")
    demands = list(_read_demands(table, file, key))
    return Fact(
        id=FactId(table["id"]),
        component=ProjectName(component),
        says=table["says"],
        effect=table["effect"],
        basis=table["basis"],
        source=_strings(table["source"]),
        checked=str(table["checked"]),
        versions=table.get("for", ""),
        where={label: _strings(patterns) for label, patterns in table.get("where", {}).items()},
        when=table.get("when"),
        # A demand on the machine (gpu, driver, python) is decided by the target, not by the search.
        beside=tuple(demand for demand in demands if demand.template.name not in COMPONENTS),
        of_machine=tuple(demand for demand in demands if demand.template.name in COMPONENTS),
        refuses=bool(table.get("refuses", False)),
        alone=bool(table.get("alone", False)),
        open_only=bool(table.get("open_only", False)),
        is_slight=bool(table.get("slight", False)),
        scope=table.get("scope", "solve"),
        symptom=_strings(table.get("symptom", ())),
        claims=_strings(table.get("claims", ())),
        places=_read_places(table, file, key),
        decides=bool(table.get("decides", False)),
        cure=table.get("cure", "versions"),
        fix=table.get("fix"),
        mends=_strings(table.get("mends", ())),
        observed=tuple(_read_observed(table, file, key)),
    )


def _read_demands(table: Mapping[str, Any], file: str, key: str) -> Iterator[Demand]:
    for verb in VERBS:
        for position, text in enumerate(table.get(verb, ())):
            try:
                yield Demand(verb, ClauseTemplate.parse(text))
            except ValueError as error:
                raise MatrixError(file, f"{key}.{verb}[{position}]", str(error)) from None


def _read_places(table: Mapping[str, Any], file: str, key: str) -> Mapping[str, str]:
    places = table.get("places", {})
    for text, specifier in places.items():
        try:
            specifier_set(specifier)
        except ValueError as error:
            raise MatrixError(file, f"{key}.places.{text}", str(error)) from None
    return dict(places)


def _read_observed(table: Mapping[str, Any], file: str, key: str) -> Iterator[Observation]:
    for position, observation in enumerate(table.get("observed", ())):
        try:
            yield Observation.parse(observation)
        except (ValueError, AttributeError) as error:
            raise MatrixError(file, f"{key}.observed[{position}]", str(error)) from None


def _read_trial(table: Mapping[str, Any], file: str, key: str) -> Trial:
    for needed in ("name", "code"):
        if not isinstance(table.get(needed), str):
            raise MatrixError(file, f"{key}.{needed}", f"a trial needs `{needed}`")
    return Trial(
        name=table["name"],
        code=table["code"],
        gpu=bool(table.get("gpu", False)),
        versions=table.get("for", ""),
        beside=_strings(table.get("beside", ())),
    )


def _read_source_fact(table: Mapping[str, Any], file: str, key: str) -> SourceFact:
    for needed in ("builds", "says", "source", "checked"):
        if not table.get(needed):
            raise MatrixError(file, f"{key}.{needed}", f"a row of `sdist` needs `{needed}`")
    if table["builds"] not in (PURE, COMPILES):
        raise MatrixError(file, f"{key}.builds", f"must be {PURE} or {COMPILES}")
    return SourceFact(
        build=SourceState(table["builds"], table["says"], _strings(table.get("beside", ()))),
        versions=table.get("for", ""),
        when=table.get("when"),
        source=_strings(table["source"]),
    )


def _read_replacement(table: Mapping[str, Any], file: str, key: str) -> Replacement:
    replaces = table["replaces"]
    match = re.match(CLAUSE, replaces.get("of", ""))
    if match is None or "requirement" not in replaces:
        raise MatrixError(file, f"{key}.replaces", "needs `requirement` and `of`")
    return Replacement(
        fact=FactId(table["id"]),
        requirement=ProjectName(replaces["requirement"]),
        of=ProjectName(match[1]),
        of_versions=match[2],
        when=replaces.get("when"),
        replacement=replaces.get("with"),
    )


def _read_file_copy(table: Mapping[str, Any], file: str, key: str) -> FileCopy:
    match = re.match(CLAUSE, table.get("of", ""))
    missing = [needed for needed in ("fact", "beside", "put", "from") if not table.get(needed)]
    if missing or match is None:
        raise MatrixError(file, f"{key}.{(*missing, 'of')[0]}", "a place needs it")
    return FileCopy(
        fact=table["fact"],
        beside=table["beside"],
        unless=_strings(table.get("unless", ())),
        put=table["put"],
        source=table["from"],
        project=match[1],
        versions=match[2],
    )


def _read_libraries(table: Mapping[str, Any], file: str, key: str) -> Libraries:
    for needed in Libraries._fields:
        if not table.get(needed):
            raise MatrixError(file, f"{key}.{needed}", "is missing")
    return Libraries(*(_strings(table[field]) for field in Libraries._fields))


def _strings(text: str | Sequence[str]) -> tuple[str, ...]:
    """Return a string, or a list of strings, as a tuple."""
    return (text,) if isinstance(text, str) else tuple(map(str, text))

"""Lints of the curated facts: ids, sources, ranges that hit something, clauses, names."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from packaging.markers import InvalidMarker
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from cudalock.lint.defects import Defect, of_fact
from cudalock.lint.rows import releases
from cudalock.matrix.facts import BASES, DIST, EFFECTS, NONE, VERSION
from cudalock.matrix.releases import PLACE
from cudalock.versions import accepts, parse_marker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.matrix.facts import Fact
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.releases import Build

SYMPTOM: Final = 6
"""Signs that a symptom has at least."""
SCOPES: Final = ("solve", "environment")
_ID: Final = re.compile(r"[a-z0-9][a-z0-9.-]*")
_DAY: Final = re.compile(r"20\d\d-\d\d-\d\d")


def ids(matrix: Matrix) -> Iterator[Defect]:
    """Ids are unique and spelt alike."""
    facts = list(_facts(matrix))
    times = Counter(fact.id for fact in facts)
    for fact in facts:
        if times[fact.id] > 1:
            yield of_fact(fact, "id", "is used by another fact")
        if not _ID.fullmatch(fact.id):
            yield of_fact(fact, "id", "has other signs than a-z, 0-9, `.` and `-`")


def sources(matrix: Matrix) -> Iterator[Defect]:
    """A fact says what it rests on, since when, and in words that others have too."""
    for fact in _facts(matrix):
        if not all(fact.source):
            yield of_fact(fact, "source", "is empty")
        if not _DAY.fullmatch(fact.checked):
            yield of_fact(fact, "checked", f"is no date: {fact.checked!r}")
        if fact.says.endswith("."):
            yield of_fact(fact, "says", "ends with a full stop")
        for key, text, known in (
            ("basis", fact.basis, BASES),
            ("effect", fact.effect, EFFECTS),
            ("scope", fact.scope, SCOPES),
        ):
            if text not in known:
                yield of_fact(fact, key, f"{text!r} is none of {', '.join(known)}")
        try:
            parse_marker(fact.when or "python_version > '0'")
        except InvalidMarker as error:
            yield of_fact(fact, "when", str(error).splitlines()[0])


def ranges(matrix: Matrix) -> Iterator[Defect]:
    """A range hits a real release, and `where` a real build of one.

    A fact about environments is let off: what is found there may be older than what is offered.
    """
    for fact in _facts(matrix):
        project = matrix.project(fact.component)
        if project is None or fact.scope != "solve":
            continue
        hit = [each for each in project.versions if accepts(fact.versions, each)]
        if not hit:
            yield of_fact(fact, "for", f"`{fact.versions}` is none of {fact.component}")
        elif fact.where and not any(
            covers(fact, build) for version in hit for build in project.release(version).builds
        ):
            yield of_fact(fact, "where", "is no build of these releases")


def covers(fact: Fact, build: Build) -> bool:
    """Whether `where` of a fact takes a build."""
    return all(fact.matches(build.row(key), patterns) for key, patterns in fact.where.items())


def clauses(matrix: Matrix) -> Iterator[Defect]:
    """A clause names something known, and is a specifier for every row it may be filled from."""
    known = {*matrix.components, *matrix.projects, *matrix.file_sharers}
    for fact in _facts(matrix):
        project = matrix.project(fact.component)
        rows: list[Build | None] = [None]
        if project is not None:
            rows = [build for release in project for build in release.builds]
        for demand in (*fact.beside, *fact.of_machine):
            template = demand.template
            if template.name not in known:
                yield of_fact(fact, demand.verb, f"names `{template.name}`, which is not known")
            fillings: set[str] = set()
            for build in rows:
                labels = {**(build.labels if build else {}), VERSION: ("1.0",)}
                clause = template.fill(labels)
                fillings |= set(clause.specifiers) - {NONE} if clause else set()
            for text in sorted(fillings):
                try:
                    SpecifierSet(text)
                except InvalidSpecifier as error:
                    yield of_fact(fact, demand.verb, str(error))


def labels(matrix: Matrix) -> Iterator[Defect]:
    """A label that a fact names is on some row: a misspelt one would apply nowhere, silently."""
    label_names = {
        label for release in releases(matrix) for build in release.builds for label in build.labels
    }
    for fact in _facts(matrix):
        if fact.component not in matrix.projects:
            continue
        used_names = {
            label
            for demand in (*fact.beside, *fact.of_machine)
            for label in demand.template.label_names
        }
        for label in sorted((used_names | set(fact.where)) - label_names - {VERSION, DIST, *PLACE}):
            yield of_fact(fact, "where", f"names the label `{label}`, which no row has")


def symptoms(matrix: Matrix) -> Iterator[Defect]:
    """A symptom is one line, and more than a word of any message."""
    for fact in _facts(matrix):
        for text in fact.symptom:
            if text != text.strip() or "\n" in text or len(text.replace("*", "")) < SYMPTOM:
                yield of_fact(fact, "symptom", f"{text!r} is not one line of {SYMPTOM} signs")


def platform_aliases(matrix: Matrix) -> Iterator[Defect]:
    """What stands for a name or a requirement rests on a fact and exists."""
    for component in matrix.components.values():
        file = f"{component.name}.toml"
        for alias in component.alias_of:
            if alias.fact is not None and alias.fact not in matrix.facts:
                yield Defect(file, "alias.fact", f"`{alias.fact}` is no fact")
            if alias.name not in matrix.projects:
                yield Defect(file, "alias.name", f"`{alias.name}` is not held")
        for replacement in component.replacements:
            if replacement.fact not in matrix.facts:
                yield Defect(file, f"fact[{replacement.fact}]", "is no fact")


def aliases(matrix: Matrix) -> Iterator[Defect]:
    """An alias means one component."""
    owners: dict[str, set[str]] = {}
    for component in matrix.components.values():
        for alias in component.aliases:
            owners.setdefault(canonicalize_name(alias.replace(" ", "-")), set()).add(component.name)
    for alias, owner_names in owners.items():
        for name in sorted(owner_names) if len(owner_names) > 1 else ():
            other_owners = ", ".join(sorted(owner_names - {name}))
            yield Defect(f"{name}.toml", "aliases", f"`{alias}` is an alias of {other_owners} too")


def _facts(matrix: Matrix) -> Iterator[Fact]:
    for name in dict.fromkeys((*matrix.components, *matrix.file_sharers)):
        yield from matrix.component(name).facts


LINTS: Final = (ids, sources, ranges, clauses, labels, symptoms, platform_aliases, aliases)

__all__ = ["LINTS", "covers"]

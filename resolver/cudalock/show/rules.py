"""The curated facts as a list for people and programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cudalock.errors import UnknownName
from cudalock.names import nearest
from cudalock.show.covering import demand_texts, demands_of, natural
from cudalock.text import ascii_line, did_you_mean
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.matrix.facts import Component, Fact, Replacement
    from cudalock.matrix.matrix import Matrix

SCHEMA: Final = "cudalock.rules/1"


@dataclass(frozen=True, slots=True)
class FactTable:
    """Facts by component and id. `about` is the component that was requested."""

    matrix: str
    components: dict[str, Component]
    facts: tuple[Fact, ...]
    about: str | None = None

    def text(self) -> str:
        """A block for each component, a paragraph for each fact, under the keys of the TOML."""
        lines: list[str] = []
        for name in dict.fromkeys(fact.component for fact in self.facts):
            lines += [ascii_line(_heading(self.components[name])), ""]
            for fact in self.facts:
                if fact.component == name:
                    lines += [*self.lines(fact), ""]
        lines.append(self._summary())
        return "\n".join(lines) + "\n"

    def lines(self, fact: Fact) -> list[str]:
        """One fact: its sentence, then what else it holds, a line for each key."""
        details = [f"  {key}: {text}" for key, text in self._details(fact)]
        return [ascii_line(sentence_of(fact)), *(f"  {ascii_line(line)}" for line in details)]

    def document(self) -> dict[str, Any]:
        """`facts`, ordered by component and id, each under the keys of the TOML files.

        `id`, `component`, `says`, `effect`, `basis`, `source`, `checked` and `scope` are always
        there; `for`, `where`, `when`, `requires`, `constrains`, `conflicts`, `refuses`, `replaces`,
        `symptom` and `fix` only where the fact has them.
        """
        return {
            "schema": SCHEMA,
            "matrix": self.matrix,
            "for": self.about,
            "facts": [self._fact(fact) for fact in self.facts],
        }

    def _details(self, fact: Fact) -> Iterator[tuple[str, str]]:
        yield from ((f"where {key}", " or ".join(labels)) for key, labels in fact.where.items())
        if fact.when:
            yield "when", fact.when
        yield from demand_texts(fact)
        if fact.refuses:
            yield "refuses", "the release itself"
        if replacement := self._replacement(fact):
            of = f"{replacement.of}{replacement.of_versions}"
            other = replacement.replacement or "nothing"
            yield "replaces", f"{replacement.requirement} of {of} by {other}"
        scope = "" if fact.scope == "solve" else f" (for {fact.scope} checks, not for solving)"
        yield "effect", f"{fact.effect}{scope}"
        if fact.fix:
            yield "fix", fact.fix
        yield "basis", f"{fact.basis}, checked {fact.checked}"
        yield from (("source", source) for source in fact.source)

    def _fact(self, fact: Fact) -> dict[str, Any]:
        verbs: dict[str, list[str]] = {}
        for verb, clause in demand_texts(fact):
            verbs.setdefault(verb, []).append(clause)
        replacement = self._replacement(fact)
        optional: dict[str, Any] = {
            "for": fact.versions,
            "where": {key: list(labels) for key, labels in fact.where.items()},
            "when": fact.when,
            **verbs,
            "refuses": fact.refuses,
            "replaces": _replaces(replacement) if replacement else None,
            "symptom": list(fact.symptom),
            "fix": fact.fix,
        }
        return {
            "id": fact.id,
            "component": fact.component,
            "says": fact.says,
            "effect": fact.effect,
            "basis": fact.basis,
            "source": list(fact.source),
            "checked": fact.checked,
            "scope": fact.scope,
            **{key: content for key, content in optional.items() if content},
        }

    def _replacement(self, fact: Fact) -> Replacement | None:
        replacements = self.components[fact.component].replacements
        return next(
            (replacement for replacement in replacements if replacement.fact == fact.id), None
        )

    def _summary(self) -> str:
        about = f" that name {self.about}" if self.about else ""
        number = f"{len(self.facts)} facts" if len(self.facts) != 1 else "1 fact"
        return f"{number}{about} (matrix {self.matrix})"


def rules(matrix: Matrix, name: str | None = None) -> FactTable:
    """Every fact, or those of one component and those that name it.

    Raises UnknownName, naming the nearest, for a name that is no component, project or alias.
    """
    about = find_name(matrix, name) if name else None
    facts = [fact for fact in matrix.facts.values() if about is None or _names(matrix, fact, about)]
    facts.sort(key=lambda fact: (fact.component, natural(fact.id)))
    # A fact about files that two projects share may be about one without a file of its own.
    components: dict[str, Component] = {
        fact.component: matrix.component(fact.component) for fact in facts
    }
    return FactTable(matrix.version, components, tuple(facts), about)


def sentence_of(fact: Fact) -> str:
    """`[id] bitsandbytes >=0.38.1,<0.45.1 imports triton.ops, which Triton 3.2 removed`."""
    covered = f"{fact.component} {fact.versions}".rstrip()
    return f"[{fact.id}] {covered} {fact.says}"


def find_name(matrix: Matrix, word: str) -> str:
    """The component or project a word names: its name, an alias or an import name.

    Raises UnknownName, naming the nearest, for any other word.
    """
    words = known_words(matrix)
    name = words.get(canonical(word.strip().replace(" ", "-")))
    if name is not None:
        return name
    near = [
        words[canonical(suggestion)]
        for suggestion in nearest(canonical(word.replace(" ", "-")), words)
    ]
    raise UnknownName(
        f"unknown component `{word}`",
        hints=did_you_mean(dict.fromkeys(near)),
    )


def known_words(matrix: Matrix) -> dict[str, str]:
    """Return every word for a component or project; a name wins over an alias of another."""
    words: dict[str, str] = {}
    for name, component in matrix.components.items():
        for word in (*component.imports, *component.aliases):
            words[canonical(word.replace(" ", "-"))] = name
    # Last, so that names overwrite aliases.
    names = (*matrix.projects, *matrix.components, *matrix.file_sharers)
    words.update((name, name) for name in names)
    return words


def _names(matrix: Matrix, fact: Fact, name: str) -> bool:
    component = matrix.component(fact.component)
    involved = {fact.component, *(demand.template.name for demand in demands_of(fact))}
    for replacement in component.replacements:
        if replacement.fact == fact.id:
            involved |= {replacement.requirement, replacement.of, replacement.replacement or ""}
    involved |= {alias.name for alias in component.alias_of if alias.fact == fact.id}
    return name in {canonical(involved_name) for involved_name in involved}


def _heading(component: Component) -> str:
    return f"{component.name}: {component.summary}" if component.summary else component.name


def _replaces(replacement: Replacement) -> dict[str, str]:
    table = {
        "requirement": replacement.requirement,
        "of": f"{replacement.of}{replacement.of_versions}",
        "when": replacement.when,
        "with": replacement.replacement,
    }
    return {key: content for key, content in table.items() if content}

"""Order the facts that can explain a text, and drop those that its versions rule out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cudalock.matrix.facts import NONE
from cudalock.targets import PLATFORMS
from cudalock.targets.accelerators import CUDA
from cudalock.targets.platforms import SPELLINGS
from cudalock.versions import accepts, holds, may_accept, specifier_set

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cudalock.diagnose.machine import Clues
    from cudalock.diagnose.symptoms import Match
    from cudalock.diagnose.text import Text
    from cudalock.matrix.facts import Demand, Fact
    from cudalock.matrix.matrix import Matrix


_SHORT_ALIAS: Final = 4
"""Aliases up to this length (`fa2`) are parts of other words in logs."""


class Evidence:
    """What a text shows about versions and the machine, to compare facts with."""

    def __init__(
        self,
        text: Text,
        pins: Mapping[str, str],
        clues: Clues,
        matrix: Matrix,
        proven: frozenset[str],
    ) -> None:
        """`pins` is project name to version; `proven` are the ids of the facts that the versions in
        the text violate."""
        self.proven = proven
        self._text = text
        self._pins = pins
        self.clues = clues
        self._matrix = matrix
        self._mentioned: dict[str, bool] = {}
        self._known = {**pins, **self._of_framework(), **self._of_machine()}

    def _of_framework(self) -> dict[str, str]:
        """Return the versions of virtual components that the framework's build fixes: the label of
        torch 2.5.1+cu121 means CUDA 12.1."""
        framework = self._matrix.framework or ""
        public, _, local = self._pins.get(framework, "").partition("+")
        project = self._matrix.project(framework)
        if not local or project is None or public not in project:
            return {}
        builds = [build for build in project.release(public).builds if build.local == local]
        labels = builds[0].labels if builds else {}
        return {name: values[0] for name, values in labels.items() if len(values) == 1}

    def _of_machine(self) -> dict[str, str]:
        known = self.clues._asdict()
        known.pop("platform")
        return {name: value for name, value in known.items() if value}

    def has_cuda_up_to(self, newest: str) -> bool:
        """Return whether the framework's build in the text is for a CUDA major version that is not
        above that of `newest`."""
        cuda = self._known.get(CUDA.name, "")
        # Any driver of a major version runs every CUDA of that major version (minor version
        # compatibility), so only those are compared.
        return bool(cuda) and cuda.split(".")[0] <= newest.split(".")[0]

    @property
    def tells_machine(self) -> bool:
        """Whether the text names a GPU or a driver."""
        return bool(self.clues.gpu or self.clues.driver)

    def names(self, fact: Fact) -> bool:
        """Return whether the text names the fact's component, or one that the fact is about."""
        component = self._matrix.component(fact.component)
        # A fact about the driver, or about torch, is possible in any text of this field.
        if component.is_virtual or fact.component == self._matrix.framework:
            return True
        return any(map(self.is_mentioned, (fact.component, *companions(fact, self._matrix))))

    def shows(self, fact: Fact) -> bool:
        """Return whether the text or the fact's own message names the component."""
        name = fact.component.replace("-", "_")
        in_message = any(name in symptom.lower().replace("-", "_") for symptom in fact.symptom)
        return in_message or self.names(fact)

    def is_mentioned(self, name: str) -> bool:
        """Return whether the text has a project's name or import name."""
        if name not in self._mentioned:
            component = self._matrix.component(name)
            aliases = (alias for alias in component.aliases if len(alias) > _SHORT_ALIAS)
            words = {name, *component.imports, *aliases}
            self._mentioned[name] = name in self._pins or any(map(self._has_word, words))
        return self._mentioned[name]

    def _has_word(self, word: str) -> bool:
        pattern = re.escape(word.lower()).replace(r"\-", "[-_]")
        return re.search(rf"(?<![a-z0-9]){pattern}(?![a-z0-9])", self._text.folded) is not None

    def speaks_of(self, fact: Fact) -> bool | None:
        """Return whether the fact covers the version and platform in the text; None is unknown."""
        if self.is_of_platform(fact) is False:
            return False
        version = self._known.get(fact.component)
        # `NONE` is a build without the component, about which a fact's versions say nothing.
        if version is None or version == NONE:
            return None
        return not fact.versions or may_accept(fact.versions, version.partition("+")[0])

    def is_of_platform(self, fact: Fact) -> bool | None:
        """Return whether the fact is about the platform of the text; None if the fact is about one
        and the text names none."""
        if fact.when is None or "sys_platform" not in fact.when:
            return True
        if self.clues.platform is None:
            return None
        return holds(fact.when, PLATFORMS[SPELLINGS[self.clues.platform]].system.markers)

    def is_satisfied(self, fact: Fact) -> bool | None:
        """Return whether the text satisfies what the fact requires, so that it is not the cause;
        None is unknown."""
        answers = list(self._answers(fact))
        # What a fact refuses outright no version satisfies.
        if not answers or fact.refuses:
            return None
        if False in answers:
            return False
        return None if None in answers else True

    def _answers(self, fact: Fact) -> Iterator[bool | None]:
        for demand in (*fact.beside, *fact.of_machine):
            for clause_labels in self._labels(fact):
                yield self._answer(demand, clause_labels)

    def _labels(self, fact: Fact) -> list[Mapping[str, tuple[str, ...]]]:
        """Return the labels of the build in the text; none where several builds are possible."""
        version = self._pins.get(fact.component, "").partition("+")[0]
        project = self._matrix.project(fact.component)
        if not version or project is None or version not in project:
            # Of several builds the text may have any, so that no label of one may clear the fact.
            return [{}]
        builds = project.release(version).builds
        return [{**builds[0].labels, "version": (version,)}] if len(builds) == 1 else [{}]

    def _answer(self, demand: Demand, labels: Mapping[str, tuple[str, ...]]) -> bool | None:
        name = demand.template.name
        known = self._known.get(name)
        if known is None:
            return None
        if demand.verb == "conflicts":
            return False
        if set(demand.template.label_names) - set(labels):
            return None
        clause = demand.template.fill(labels)
        if clause is None:
            return None
        # `3.11` may be 3.11.0 or 3.11.9.
        if name == "python" and known.count(".") == 1 and _needs_patch(clause.specifiers):
            return None
        return any(
            spec == NONE == known or (NONE not in (spec, known) and accepts(spec, known))
            for spec in clause.specifiers
        )


def _needs_patch(specifiers: tuple[str, ...]) -> bool:
    return any(
        clause.version.count(".") > 1 for text in specifiers for clause in specifier_set(text)
    )


def companions(fact: Fact, matrix: Matrix) -> list[str]:
    """Return the projects that a fact requires or constrains, without its own."""
    return [
        demand.template.name
        for demand in fact.beside
        if demand.verb != "conflicts" and not matrix.component(demand.template.name).is_virtual
    ]


def rank(matches: list[Match], evidence: Evidence) -> list[Match]:
    """Return the matches that the text does not rule out, the likeliest first.

    1. Facts that the versions in the text violate.
    2. Messages that are the cause wherever they stand (`decides`), of several the last: a program
       ends with the exception that it failed of.
    3. Messages that name their project themselves, and facts about a project that the text names.
    4. Facts of more than one release, the longer message, facts that name another component, the
       id.

    What is general steps back where the message names a project; notes and what only follows from
    something else are left out beside a better explanation; and where no version cures the best
    one, the others, which may be cured by one, are left out as well.
    """
    stated = {match.fact.id for match in matches if match.statement}
    stated_lines = {match.line for match in matches if match.statement}
    possible = [
        match
        for match in matches
        # A general fact that a statement is made of is a second reading of the same line.
        if (match.statement or match.fact.id not in stated)
        and evidence.speaks_of(match.fact) is not False
        and evidence.is_satisfied(match.fact) is not True
    ]
    if not all(match.is_weak for match in possible):
        possible = [match for match in possible if not match.is_weak]
    possible.sort(key=lambda match: _key(match, evidence, stated_lines))
    # Where memory or the program is the cause, versions that look wrong as well only mislead.
    if possible and possible[0].fact.cure == "none":
        return possible[:1]
    best, others = possible[:1], possible[1:]
    return [
        *best,
        *(
            match._replace(is_named=bool(match.statement) or evidence.shows(match.fact))
            for match in others
        ),
    ]


def _key(match: Match, evidence: Evidence, stated_lines: set[int]) -> tuple[object, ...]:
    fact = match.fact
    is_broken = evidence.is_satisfied(fact) is False
    is_about = evidence.speaks_of(fact) is True
    # Of two readings of one line the one of the named component knows more.
    is_specific = match.statement is None and match.line in stated_lines and evidence.names(fact)
    decides = fact.decides and evidence.is_of_platform(fact) is not None
    return (
        fact.id not in evidence.proven,
        not decides,
        # A program ends with the exception that it failed of.
        -match.last_line if decides else 0,
        not (match.statement and decides),
        not (is_broken and is_about),
        not (match.statement or evidence.names(fact)),
        not is_specific,
        evidence.is_of_platform(fact) is None,
        # A fact about one release is likely only where the text has that release.
        fact.versions.startswith("==") and not is_about,
        not match.statement,
        -match.weight,
        not (fact.beside or fact.of_machine),
        fact.id,
    )

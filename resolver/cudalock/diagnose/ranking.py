"""Order the facts that can explain a text, and drop those that its versions rule out."""

from __future__ import annotations

import re
from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from cudalock.diagnose.machine import LONGEST
from cudalock.diagnose.reader import FRAME
from cudalock.diagnose.statements import MissingName, SourceBuild, Unloadable
from cudalock.diagnose.text import fold
from cudalock.matrix.facts import NONE
from cudalock.targets import PLATFORMS
from cudalock.targets.accelerators import ACCELERATORS, CUDA, DEFAULT, gpu_version, of_gpu
from cudalock.targets.platforms import PROCESSOR_OF_MAC, SPELLINGS
from cudalock.versions import accepts, holds, may_accept, specifier_set

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cudalock.diagnose.machine import Clues
    from cudalock.diagnose.symptoms import Match
    from cudalock.diagnose.text import PastedText
    from cudalock.matrix.facts import Demand, Fact
    from cudalock.matrix.matrix import Matrix
    from cudalock.targets.accelerators import Accelerator


_BUILT_FOR: Final = re.compile(
    r"(?P<name>[A-Za-z]\w*) (?P<version>[0-9][\w.]*\+\w+)[^()]{0,80}\(you have [0-9]"
)
_YOU_HAVE: Final = re.compile(r"\(you have [0-9]")
"""What makes a line worth the slower pattern."""
_WORD: Final = re.compile(r"[A-Za-z][\w-]*")

_PROCESSOR: Final = re.compile(PROCESSOR_OF_MAC)

OTHER_BUILD: Final = "python-other-build"
"""The general fact of a build outside of the stack."""
_CUDA_CODE: Final = re.compile(r"nvcc|\.cu\b|cuda_home|cudaextension|cpp_extension|-lcuda")

_SHORT_ALIAS: Final = 4
"""Aliases up to this length (`fa2`) are parts of other words in logs."""


class Evidence:
    """What a text shows about versions and the machine, to compare facts with."""

    def __init__(
        self,
        text: PastedText,
        pins: Mapping[str, str],
        clues: Clues,
        matrix: Matrix,
        proven: frozenset[str],
        places: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`pins` is project name to version; `proven` are the ids of the facts that the versions in
        the text violate; `places` is component to specifier, where only those releases print what
        is in the text."""
        self.proven = proven
        self._places = places
        self._built_for = read_built_for(text, matrix)
        self._text = text
        self._pins = pins
        self.clues = clues
        self._matrix = matrix
        self._mentioned: dict[str, bool] = {}
        self._frames = {matrix.names.imports.get(top.lower()) for top in FRAME.findall(text.folded)}
        framework = pins.get(matrix.framework or "", "")
        self._known = {**pins, **labels_of_framework(framework, matrix), **self._of_machine()}

    def is_told_by_framework(self, match: Match) -> bool:
        """Return whether the framework itself says that the machine is none that it runs on."""
        is_of_framework = match.component == self._matrix.framework
        return is_of_framework and bool(match.fact.of_machine) and self.is_in_message(match)

    def _of_machine(self) -> dict[str, str]:
        known = self.clues._asdict()
        known.pop("platform")
        if gpu := known.pop("gpu"):
            known[of_gpu(gpu).component] = gpu_version(gpu)
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

    def is_curated(self, name: str) -> bool:
        """Return whether the matrix has a file of facts about a project."""
        return self._matrix.is_curated(name)

    def shows(self, match: Match) -> bool:
        """Return whether the text or the fact's own message names the component."""
        return self.is_in_message(match) or self.names(match.fact)

    def is_in_message(self, match: Match) -> bool:
        """Return whether the fact's own message names the component, as far as the text has it."""
        name = match.fact.component.replace("-", "_")
        return name in match.symptom.lower().replace("-", "_")

    def is_absent_framework(self, match: Match) -> bool:
        """Return whether a fact is about the framework, of which neither text nor message has a
        word: a library that others open as well."""
        framework = self._matrix.framework
        return (
            match.statement is None
            and match.fact.component == framework is not None
            and not self.is_mentioned(framework)
            and not self.is_in_message(match)
        )

    def is_mentioned(self, name: str) -> bool:
        """Return whether the text has a project's name or import name."""
        if name not in self._mentioned:
            component = self._matrix.component(name)
            aliases = (alias for alias in component.aliases if len(alias) > _SHORT_ALIAS)
            words = {name, *component.imports, *aliases}
            self._mentioned[name] = name in self._pins or any(map(self._has_word, words))
        return self._mentioned[name]

    def is_other_project(self, name: str) -> bool:
        """Return whether a component is a project that is not the framework."""
        return not self._matrix.component(name).is_virtual and name != self._matrix.framework

    def tells_of(self, fact: Fact) -> bool:
        """Return whether the text has something of the machine that the fact is about, if it is
        about one."""
        needed = {demand.template.name for demand in fact.of_machine}
        return not needed or not needed.isdisjoint(self._known)

    def is_in_traceback(self, name: str) -> bool:
        """Return whether a frame is of a project, which is not the framework."""
        return self.is_other_project(name) and name in self._frames

    def has_other_version(self, name: str) -> bool:
        """Return whether the text has a version of a project that is not the framework."""
        return name in self._pins and name != self._matrix.framework

    @property
    def compiles_cuda(self) -> bool:
        """Whether CUDA code is compiled in the text."""
        return _CUDA_CODE.search(self._text.folded) is not None

    @property
    def names_processor(self) -> bool:
        """Whether the text has a wheel tag or a word for the processor of a Mac."""
        return _PROCESSOR.search(self._text.folded) is not None

    def _has_word(self, word: str) -> bool:
        pattern = re.escape(word.lower()).replace(r"\-", "[-_]")
        # torchcodec speaks of itself as `libtorchcodec`; a file `libtorchtext.so` says less.
        pattern = rf"(?<![a-z0-9])(?:{pattern}(?![a-z0-9])|lib{pattern}(?![a-z0-9]|\.so))"
        return re.search(pattern, self._text.folded) is not None

    def speaks_of(self, fact: Fact) -> bool | None:
        """Return whether the fact covers the version and platform in the text; None is unknown."""
        if self.is_of_platform(fact) is False or self._is_of_other_gpus(fact):
            return False
        version = self._known.get(fact.component)
        if version is None:
            return self._speaks_of_releases(fact)
        # `NONE` is a build without the component, about which a fact's versions say nothing.
        if version == NONE:
            return None
        return not fact.versions or may_accept(fact.versions, version.partition("+")[0])

    def _is_of_other_gpus(self, fact: Fact) -> bool:
        """Return whether a fact is about the accelerators of other makers than that of the GPU in
        the text."""
        if not self.clues.gpu:
            return False
        about = _accelerators(fact)
        return bool(about) and of_gpu(self.clues.gpu) not in about

    def is_far_fetched(self, fact: Fact) -> bool:
        """Return whether a fact is about accelerators that are not the usual ones, and the text
        names no GPU."""
        about = _accelerators(fact)
        return not self.clues.gpu and bool(about) and DEFAULT not in about

    def is_groundless(self, fact: Fact) -> bool:
        """Return whether a fact is far-fetched, and the text has no word for its accelerators."""
        return self.is_far_fetched(fact) and not any(
            self._has_word(word) for row in _accelerators(fact) for word in row.bare_words
        )

    def lacks_opponent(self, match: Match) -> bool:
        """Return whether a fact is about what does not go with another maker's GPU, of which
        neither the text nor the line of the message has a word."""
        opponents = {
            demand.template.name for demand in match.fact.of_machine if demand.verb == "conflicts"
        }
        rows = [row for row in ACCELERATORS.values() if row.component in opponents]
        return bool(rows) and not any(
            row.component in self._known or row.name in match.seen.lower() for row in rows
        )

    def _speaks_of_releases(self, fact: Fact) -> bool | None:
        """Return whether the fact covers the releases that print what is in the text."""
        if not fact.versions or fact.component not in self._places:
            return None
        answers = {accepts(fact.versions, release) for release in self.releases(fact.component)}
        return answers.pop() if len(answers) == 1 else None

    def releases(self, component: str) -> list[str]:
        """Return the releases of a component that the text can be of, if it names no version."""
        places = self._places.get(component, "")
        return [release for release in self._matrix.versions(component) if accepts(places, release)]

    def has_version(self, component: str) -> bool:
        """Return whether the text has a version of the component."""
        return component in self._known

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
        demands = (*fact.beside, *fact.of_machine)
        # What a fact refuses outright no version satisfies.
        if not demands or fact.refuses:
            return None
        # Of several builds the text may have any, so that they have to agree.
        answers = {
            _all(self._answer(demand, labels) for demand in demands)
            for labels in self._labels(fact)
        }
        return answers.pop() if len(answers) == 1 else None

    def is_violated(self, fact: Fact) -> bool:
        """Return whether what the text has of versions and the machine goes against the fact."""
        return self.is_satisfied(fact) is False and self.speaks_of(fact) is True

    def _labels(self, fact: Fact) -> list[Mapping[str, tuple[str, ...]]]:
        """Return the labels of each build that the text can be of."""
        version, _, local = self._pins.get(fact.component, "").partition("+")
        project = self._matrix.project(fact.component)
        if not version or project is None or version not in project:
            stated = self._built_for.get(fact.component, {})
            return [{name: (label,) for name, label in stated.items()}]
        builds = project.release(version).builds
        labelled = [build.labels for build in builds if local and build.local == local]
        stated = self._built_for.get(fact.component, {})
        fitting = [
            labels
            for labels in labelled or [build.labels for build in builds]
            if all(_is_label(value, labels.get(name)) for name, value in stated.items())
        ]
        needed = {
            name for demand in fact.beside + fact.of_machine for name in demand.template.label_names
        }
        # A build that lacks the label is not described: those of the same release that have it
        # decide.
        described = [labels for labels in fitting if needed - {"version"} <= set(labels)]
        return [{**labels, "version": (version,)} for labels in described or fitting] or [{}]

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


def _accelerators(fact: Fact) -> list[Accelerator]:
    """Return the accelerators that a fact speaks of, by themselves or by a part of a machine."""
    named = {fact.component, *fact.where}
    named |= {demand.template.name for demand in (*fact.beside, *fact.of_machine)}
    return [
        row for row in ACCELERATORS.values() if not named.isdisjoint((row.name, *row.components))
    ]


def _is_label(stated: str, labels: tuple[str, ...] | None) -> bool:
    """Return whether a build has the label that a message states; a wheel's label of CUDA 12.1.1
    may be `12.1`."""
    return labels is None or any(f"{stated}.".startswith(f"{label}.") for label in labels)


def _all(answers: Iterable[bool | None]) -> bool | None:
    """Return False if one answer is, None if one is unknown, else True."""
    found = set(answers)
    if False in found:
        return False
    return None if None in found else True


def labels_of_framework(version: str, matrix: Matrix) -> dict[str, str]:
    """Return the versions of virtual components that a build of the framework fixes: the label of
    torch 2.5.1+cu121 means CUDA 12.1."""
    public, _, local = version.partition("+")
    project = matrix.project(matrix.framework or "")
    if not local or project is None or public not in project:
        return {}
    builds = [build for build in project.release(public).builds if build.local == local]
    labels = builds[0].labels if builds else {}
    return {name: values[0] for name, values in labels.items() if len(values) == 1}


def read_built_for(text: PastedText, matrix: Matrix) -> dict[str, Mapping[str, str]]:
    """Return project to the labels of its build, where a message states them: `xFormers was built
    for: PyTorch 2.3.0+cu121 with CUDA 1201 (you have 2.1.0+cu121)`."""
    built_for: dict[str, Mapping[str, str]] = {}
    for number, line in enumerate(text.lines):
        match = _BUILT_FOR.search(line[:LONGEST]) if _YOU_HAVE.search(line) else None
        if match is None or matrix.names.find(match["name"]) != matrix.framework:
            continue
        labels = labels_of_framework(match["version"], matrix)
        # The project is named in the same line, or in the one before it.
        near = {
            matrix.names.find(word)
            for before in text.lines[max(0, number - 1) : number + 1]
            for word in _WORD.findall(before[:LONGEST])
        }
        built_for.update((name, labels) for name in near - {None, matrix.framework} if name)
    return built_for


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

    0. Facts about what the text or the message names, or the versions violate.
    1. Facts that the versions in the text violate.
    2. Messages that are the cause wherever they stand (`decides`), of several the last: a program
       ends with the exception that it failed of.
    3. Messages that name their project themselves, and facts about a project that the text names.
    4. Facts of more than one release, the longer message, facts that name another component, the
       id.

    What is general steps back where the message names a project; notes and what only follows from
    something else are left out beside a better explanation, as are accelerators of which the text
    says nothing; and where no version cures the best one, the others, which may be cured by one,
    are left out as well.
    """
    possible = _with_better_grounds(matches, _not_ruled_out(matches, evidence), evidence)
    stated_lines = {match.line for match in matches if match.statement}
    possible.sort(
        key=lambda match: (
            not _is_grounded(match, evidence),
            *_key(match, evidence, stated_lines),
        )
    )
    # Where memory or the program is the cause, versions that look wrong as well only mislead.
    if possible and possible[0].fact.cure == "none":
        return possible[:1]
    best = [match._replace(is_named=_is_grounded(match, evidence)) for match in possible[:1]]
    unlikelier = possible[1:]
    if any(
        evidence.has_other_version(match.component)
        or evidence.is_violated(match.fact)
        or evidence.is_told_by_framework(match)
        for match in best
    ):
        # Where the text has the version of the project, or what it has of torch and the machine is
        # the cause, or torch says so itself, what may be of others only hides it.
        unlikelier = [m for m in unlikelier if m.statement or evidence.shows(m)]
        return [*best, *(m._replace(is_named=_is_sure(m, evidence)) for m in unlikelier)]
    return [
        *best,
        *(m._replace(is_named=bool(m.statement) or evidence.shows(m)) for m in unlikelier),
    ]


def _not_ruled_out(matches: Sequence[Match], evidence: Evidence) -> list[Match]:
    """Return the matches that neither the text nor another reading of the same line rules out."""
    statements = [match.statement for match in matches if match.statement]
    stated = {id for statement in statements for id in statement.stands_for}
    stated_projects = {statement.project for statement in statements}
    possible = [
        match
        for match in matches
        # What a message says of a project comes before what may be wrong with the machine.
        if (
            match.statement
            or match.component not in stated_projects
            or evidence.tells_of(match.fact)
        )
        # A general fact that a statement is made of is a second reading of the same line.
        and (match.statement or match.fact.id not in stated)
        and evidence.speaks_of(match.fact) is not False
        and evidence.is_satisfied(match.fact) is not True
        and not evidence.lacks_opponent(match)
    ]
    # The words of a name that is imported are no message: `LocalEntryNotFoundError`.
    imported = {
        match.line: match.statement.name.lower()
        for match in possible
        if isinstance(match.statement, MissingName)
    }
    possible = [
        match
        for match in possible
        if match.statement or fold(match.symptom) not in imported.get(match.line, "")
    ]
    # Where a fact of the same project knows the message, what was read of it says no more.
    known = {(match.component, match.line) for match in possible if not match.statement}
    return [
        match
        for match in possible
        if not isinstance(match.statement, (MissingName, Unloadable))
        or (match.component, match.line) not in known
    ]


def _with_better_grounds(
    matches: Sequence[Match], possible: list[Match], evidence: Evidence
) -> list[Match]:
    """Return those of the possible matches beside which no other explains the message better."""
    breaking = [match for match in possible if not match.is_weak]
    if breaking:
        possible = [match for match in possible if not match.is_weak or _is_of(match, breaking)]
    if not all(evidence.is_groundless(match.fact) for match in possible):
        possible = [match for match in possible if not evidence.is_groundless(match.fact)]
    possible = _without_alternatives(matches, possible, evidence)
    # Where the versions or the machine in the text violate what a component demands, that explains
    # its message, and what the component says of the same message in general does not.
    violated = [match.fact for match in possible if evidence.is_violated(match.fact)]
    possible = [
        match
        for match in possible
        if match.statement
        or match.fact.beside
        or match.fact.of_machine
        or not any(_is_of_same_message(match.fact, fact) for fact in violated)
    ]
    if any(_is_of_compiler(match) for match in possible):
        possible = [m for m in possible if not _is_mere_build(m, evidence)]
    return possible


def _is_of(note: Match, breaking: Iterable[Match]) -> bool:
    """Return whether a note that decides is about something that breaks: its own project, or one
    that its message names (xformers works without Triton)."""
    message = note.symptom.lower()
    return note.fact.decides and any(
        match.component == note.component or match.component in message for match in breaking
    )


def _is_of_same_message(fact: Fact, other: Fact) -> bool:
    is_of_component = fact.component == other.component
    return is_of_component and not set(fact.symptom).isdisjoint(other.symptom)


def _is_mere_build(match: Match, evidence: Evidence) -> bool:
    """Return whether an explanation says no more than that something is compiled, which the
    compiler's own message explains."""
    if not isinstance(match.statement, SourceBuild):
        return False
    is_curated = evidence.is_curated(match.component)
    return is_curated if match.fact.id != OTHER_BUILD else evidence.compiles_cuda


def _is_of_compiler(match: Match) -> bool:
    """Return whether an explanation is about the compiler, its toolkit or headers."""
    return match.cure == "system" and match.fact.id.startswith("torch-extension-")


def _is_grounded(match: Match, evidence: Evidence) -> bool:
    """Return whether the text, the message or the versions are about the component: else it is a
    guess beside any other explanation."""
    return bool(match.statement or match.fact.id in evidence.proven or evidence.shows(match))


def _is_sure(match: Match, evidence: Evidence) -> bool:
    """Return whether more than a word in the text is about the component: its version, a frame of
    its files, or the message itself."""
    component = match.fact.component
    return bool(
        match.statement
        or not evidence.is_other_project(component)
        or evidence.has_version(component)
        or evidence.is_in_traceback(component)
        or evidence.is_in_message(match)
    )


def _without_alternatives(
    matches: Iterable[Match], possible: list[Match], evidence: Evidence
) -> list[Match]:
    """Drop the facts about single releases of a component whose version the text lacks, unless they
    are proven.

    One of them can be true at most. They are noise if the versions in the text satisfy another of
    them, so that the component may well fit; or if a fact about all its releases explains the same.
    """
    alternatives = {
        match.fact.id: match.fact.component for match in matches if _is_alternative(match, evidence)
    }
    satisfied = {
        match.fact.component
        for match in matches
        if match.fact.id in alternatives and evidence.is_satisfied(match.fact) is True
    }
    general = {match.fact.component for match in possible if not match.fact.versions}
    counts = Counter(alternatives.values())
    kept = [
        match
        for match in possible
        if (component := alternatives.get(match.fact.id)) is None
        or match.fact.id in evidence.proven
        or counts[component] < 2
        or not (component in satisfied or component in general)
    ]
    return kept or possible


def _is_alternative(match: Match, evidence: Evidence) -> bool:
    fact = match.fact
    return bool(
        match.statement is None
        and fact.versions
        and any(demand.verb == "requires" for demand in fact.beside)
        and not evidence.has_version(fact.component)
    )


def broken_in_every_release(matches: Iterable[Match], evidence: Evidence) -> frozenset[str]:
    """Return the ids of the facts that the versions in the text violate whatever the release of
    their component is, which the text does not name.

    So it is with torch 2.4 beside a torchcodec that a message places at 0.9 or newer.
    """
    violated: dict[str, list[Fact]] = {}
    for match in matches:
        fact = match.fact
        is_sure = fact.is_hard and not fact.where and evidence.is_of_platform(fact) is True
        if is_sure and _is_alternative(match, evidence) and evidence.is_satisfied(fact) is False:
            violated.setdefault(fact.component, []).append(fact)
    proven: set[str] = set()
    for component, facts in violated.items():
        releases = evidence.releases(component)
        facts = [fact for fact in facts if evidence.speaks_of(fact) is not False]
        if releases and all(
            any(accepts(fact.versions, release) for fact in facts) for release in releases
        ):
            proven.update(fact.id for fact in facts)
    return frozenset(proven)


def _key(match: Match, evidence: Evidence, stated_lines: set[int]) -> tuple[object, ...]:
    fact = match.fact
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
        not evidence.is_violated(fact),
        not (match.statement or evidence.names(fact)),
        evidence.is_absent_framework(match),
        not is_specific,
        evidence.is_of_platform(fact) is None,
        evidence.is_far_fetched(fact),
        # A fact about one release is likely only where the text has that release.
        fact.versions.startswith("==") and not is_about,
        not match.statement,
        -match.weight,
        # Several extensions have one message: the one whose files it went through, or whose version
        # the text has.
        not (is_about and evidence.is_in_traceback(fact.component)),
        not (is_about and evidence.has_other_version(fact.component)),
        not (fact.beside or fact.of_machine),
        fact.id,
    )

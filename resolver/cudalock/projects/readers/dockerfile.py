"""Dockerfiles: the images they start from, and what their `pip install` lines install."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.projects.model import (
    Declared,
    DeclaredIndex,
    FileProblem,
    Option,
    ProjectFile,
    Stage,
    StatedValue,
)
from cudalock.projects.syntax import pip_command as install_command
from cudalock.projects.syntax.shell import Branches, Word, commands
from cudalock.targets.platforms import LINUX, likeliest, of_docker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cudalock.projects.model import Encoding
    from cudalock.projects.readers.requirements import Nested
    from cudalock.projects.syntax.text import Text

_INSTRUCTION: Final = re.compile(r"[ \t]*([A-Za-z]+)(?=[ \t\\`]|$)", re.M)
# `# escape=` is a directive of Docker, which Dockerfiles for Windows set to a backtick so that
# paths may have backslashes.
_DIRECTIVE: Final = re.compile(r"#[ \t]*escape[ \t]*=[ \t]*(\S)", re.I)
_HEREDOC: Final = re.compile(r"<<-?[ \t]*([\"']?)([A-Za-z0-9_.-]+)\1")
_INDEXES: Final = {
    "PIP_INDEX_URL": "index-url",
    "UV_INDEX_URL": "index-url",
    "UV_DEFAULT_INDEX": "index-url",
    "PIP_EXTRA_INDEX_URL": "extra-index-url",
    "UV_EXTRA_INDEX_URL": "extra-index-url",
    "UV_INDEX": "extra-index-url",
    "PIP_FIND_LINKS": "find-links",
    "UV_FIND_LINKS": "find-links",
}
# A group's set has every stage that it starts from: the square of their number.
_MOST_STAGES: Final = 200
_BACKEND: Final = "UV_TORCH_BACKEND"


class Instruction(NamedTuple):
    """An instruction in capitals, and where its arguments begin and end."""

    name: str
    start: int
    end: int


@dataclass(slots=True)
class _Stage:
    """One stage: a `FROM` and what follows it."""

    name: str | None
    parent: int | None
    """the number of the stage that it starts from"""
    begins: Stage
    variables: dict[str, str] = field(default_factory=dict)
    declared: list[tuple[str | None, Declared]] = field(default_factory=list)
    """each with the branch of a shell's `if` or `case` that it stands in"""


def read(text: Text, encoding: Encoding, *, nested: Nested | None = None) -> ProjectFile:
    """What the file says. With stages that do not follow from one another, each is a group, and so
    is each branch of a shell's `if`: of two branches one is run."""
    reader = _Dockerfile(text, nested)
    reader.read()
    return ProjectFile(
        text.name,
        "dockerfile",
        text.text,
        encoding,
        declared=tuple(reader.declared()),
        indexes=tuple(reader.indexes),
        options=tuple(reader.options),
        base_images=tuple(reader.images),
        stages=tuple(stage.begins for stage in reader.stages),
        platforms=tuple(dict.fromkeys(reader.platforms)),
        problems=tuple(dict.fromkeys(reader.problems)),
        nested=tuple(reader.nested),
        together=reader.together(),
    )


class _Dockerfile:
    """The state of reading one file."""

    def __init__(self, text: Text, nested: Nested | None) -> None:
        self.text = text
        self.nested_reader = nested
        # Docker reads directives at the top only; further down the same line is a comment.
        first = _DIRECTIVE.match(text.text)
        self.escape = first[1] if first and first[1] in "\\`" else "\\"
        self.arguments: dict[str, str] = {}
        self.stages: list[_Stage] = []
        self.names: dict[str, int] = {}
        self.images: list[StatedValue] = []
        self.platforms: list[str] = []
        self.indexes: list[DeclaredIndex] = []
        self.options: list[Option] = []
        self.problems: list[FileProblem] = []
        self.nested: list[ProjectFile] = []

    def read(self) -> None:
        for instruction in instructions(self.text.text, self.escape):
            if len(self.stages) == _MOST_STAGES and instruction.name == "FROM":
                place = self.text.place(instruction.start, instruction.start)
                message = f"what follows is not read: there are {_MOST_STAGES} stages already"
                self.problems.append(FileProblem(place, message))
                return
            if instruction.name == "FROM":
                self._from(instruction)
            elif instruction.name in ("ARG", "ENV"):
                self._assign(instruction)
            elif instruction.name == "RUN":
                self._run(instruction)

    def declared(self) -> Iterator[Declared]:
        for number, stage in enumerate(self.stages):
            group = self._group(number) if self._has_branches else None
            for branch, requirement in stage.declared:
                own = group if branch is None else self._branch_group(number, branch)
                yield replace(requirement, group=own)

    def together(self) -> tuple[frozenset[str | None], ...]:
        """Each stage with those that it starts from, and each branch of a shell with its stage."""
        sets: list[frozenset[str | None]] = []
        for number, stage in enumerate(self.stages):
            with_parents = frozenset([None, *map(self._group, self._line(number))])
            if self._has_branches:
                sets.append(with_parents)
            for branch in dict.fromkeys(branch for branch, _ in stage.declared if branch):
                outer = accumulate(branch.split("-"), "{}-{}".format)
                sets.append(with_parents.union(self._branch_group(number, one) for one in outer))
        return tuple(sets)

    def _branch_group(self, number: int, branch: str) -> str:
        return f"{self._group(number)}:{branch}"

    def _line(self, number: int | None) -> Iterator[int]:
        """A stage and those that it starts from."""
        while number is not None:
            yield number
            number = self.stages[number].parent

    def _group(self, number: int) -> str:
        return f"stage:{self.stages[number].name or number}"

    @property
    def _has_branches(self) -> bool:
        """Whether some stage does not start from the one before it."""
        return any(stage.parent != number for number, stage in enumerate(self.stages[1:]))

    @property
    def _variables(self) -> dict[str, str]:
        return self.stages[-1].variables if self.stages else self.arguments

    def _words(self, instruction: Instruction, variables: Mapping[str, str]) -> list[Word]:
        """The words of an instruction that no shell reads."""
        commands_read = commands(
            self.text.text, instruction.start, instruction.end, variables, self.escape
        )
        return [word for command in commands_read for word in command]

    def _from(self, instruction: Instruction) -> None:
        # Docker replaces in `FROM` only what `ARG` before the first `FROM` defines.
        words = self._words(instruction, self.arguments)
        flags = [word.value for word in words if word.value.startswith("--")]
        words = [word for word in words if not word.value.startswith("--")]
        if not words:
            return
        named = len(words) > 2 and words[1].value.lower() == "as"
        name = words[2].value.lower() if named else None
        image = words[0]
        # Docker compares stage names without case.
        parent = self.names.get(image.value.lower())
        # A stage that starts from another inherits its environment variables.
        variables = dict(self.stages[parent].variables) if parent is not None else {}
        place = self.text.place(image.start, image.end)
        own = StatedValue(image.value, place) if image.known else None
        inherited = self.stages[parent].begins.image if parent is not None else own
        self.stages.append(_Stage(name, parent, Stage(image.start, inherited), variables))
        if name is not None:
            self.names[name] = len(self.stages) - 1
        platform = next((f.partition("=")[2] for f in flags if f.startswith("--platform=")), "")
        # Without `--platform` an image is of the machine that builds it: Linux, most likely.
        self.platforms.append((of_docker(platform) or likeliest(LINUX)).flag)
        # `FROM $BASE` without a default depends on the command line of the build.
        if parent is None and image.known:
            self.images.append(StatedValue(image.value, place))

    def _assign(self, instruction: Instruction) -> None:
        """`ARG NAME=value`, `ENV NAME=value ...` and the old `ENV NAME value`."""
        words = self._words(instruction, self._variables)
        if instruction.name == "ENV" and len(words) >= 2 and "=" not in words[0].value:
            words = [words[1]._replace(value=f"{words[0].value}={words[1].value}")]
        for word in words:
            name, equals, value = word.value.partition("=")
            if equals and word.known:
                self._variables[name] = value
                self._setting(name, value, word)
            # `ARG NAME` alone brings the value from before the first `FROM` into a stage.
            elif instruction.name == "ARG" and not equals and name in self.arguments:
                self._variables[name] = self.arguments[name]

    def _setting(self, name: str, value: str, word: Word) -> None:
        """Note the variables that pip and uv read as options."""
        place = self.text.place(word.start, word.end)
        if name in _INDEXES:
            # pip and uv take several URLs in one variable, separated by blanks.
            self.indexes += [DeclaredIndex(url, _INDEXES[name], place) for url in value.split()]
        elif name == _BACKEND:
            self.options.append(Option("--torch-backend", value, place))

    def _run(self, instruction: Instruction) -> None:
        start = _after_flags(self.text.text, instruction)
        commands_read = commands(
            self.text.text, start, instruction.end, self._variables, self.escape
        )
        # The exec form, a JSON list, is run without a shell: nothing in it is split or replaced.
        listed = list(_listed(self.text.text, start, instruction.end))
        place = self.text.place(start, start)
        branches = Branches()
        for command in [listed] if listed else commands_read:
            branch = branches.of(command)
            installed = install_command.read(command, self.text, self.nested_reader)
            if installed is not None:
                if self.stages:
                    # Two RUN lines have an `if` of their own each.
                    named = branch and f"{place.line}.{branch}"
                    self.stages[-1].declared += [(named, one) for one in installed.declared]
                self.indexes += installed.indexes
                self.options += installed.options
                self.problems += installed.problems
                self.nested += installed.nested


def is_other_branch(group: str | None) -> bool:
    """Return whether a group of a Dockerfile is a second or later branch of a shell's `if`."""
    kind, _, rest = (group or "").partition(":")
    branch = rest.partition(":")[2] if kind == "stage" else ""
    return any(part.rpartition(".")[2] != "1" for part in branch.split("-") if part)


def instructions(text: str, escape: str = "\\") -> Iterator[Instruction]:
    """The instructions, in order, here-documents included in theirs."""
    position = 0
    while position < len(text):
        end = _line_end(text, position)
        line = text[position:end].strip()
        match = _INSTRUCTION.match(text, position, end)
        if not line or line.startswith("#") or match is None:
            position = end + 1
            continue
        end = _instruction_end(text, position, escape)
        # Lines of a here-document are a script or a file's content, and may begin like
        # instructions.
        if match[1].upper() in ("RUN", "COPY"):
            end = _after_heredocs(text, match.end(), end)
        yield Instruction(match[1].upper(), match.end(), end)
        position = end + 1


def _instruction_end(text: str, position: int, escape: str) -> int:
    """Where the last line of an instruction ends. Comment and empty lines within it do not end
    it."""
    goes_on = True
    end = position
    while goes_on and position < len(text):
        end = _line_end(text, position)
        line = text[position:end].strip()
        # Docker drops comment lines in a continued instruction and, with a warning, empty lines.
        is_gap = not line or line.startswith("#")
        goes_on = is_gap or line.endswith(escape)
        position = end + 1
    return end


def _after_heredocs(text: str, start: int, end: int) -> int:
    for heredoc in _HEREDOC.finditer(text, start, end):
        # `<<-` removes tabs before the word that closes it. Without that word it is open to the
        # end.
        close = re.compile(rf"^\t*{re.escape(heredoc[2])}[ \t]*\r?$", re.M).search(text, end)
        end = close.end() if close else len(text)
    return end


def _after_flags(text: str, instruction: Instruction) -> int:
    """Where the command begins: after `--mount=...` and, of a here-document, its first line."""
    flag = re.compile(r"[ \t]*--[a-z]+(?:=\S*)?(?:[ \t]+|[ \t]*\\[ \t]*\r?\n)")
    position = instruction.start
    while match := flag.match(text, position, instruction.end):
        position = match.end()
    document = re.compile(r"[ \t]*<<-?[ \t]*[\"']?[A-Za-z0-9_.-]+[\"']?[ \t]*\r?\n")
    if opened := document.match(text, position, instruction.end):
        position = opened.end()
    return position


def _listed(text: str, start: int, end: int) -> Iterator[Word]:
    """The words of `RUN ["pip", "install", "torch"]`, which no shell reads."""
    if not text[start:end].lstrip().startswith("["):
        return
    for quoted in re.finditer(r'"((?:[^"\\]|\\.)*)"', text[start:end]):
        first, last = start + quoted.start(1), start + quoted.end(1)
        # With an escape the value is shorter than its text, so offsets in it mean nothing.
        exact = "\\" not in quoted[1]
        yield Word(quoted[1].replace('\\"', '"'), first, last, True, exact)


def _line_end(text: str, position: int) -> int:
    newline = text.find("\n", position)
    return len(text) if newline < 0 else newline


__all__ = ["Instruction", "instructions", "is_other_branch", "read"]

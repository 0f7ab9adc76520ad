"""What the files of `-r` and `-c` ask of a solve.

Index options are noted and not followed, since a lock names the indexes its pins need. Paths,
addresses and version control are refused: there is nothing to choose about them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cudalock.errors import BadFile, BadSpecifier, UsageError
from cudalock.goals import RequestedProject
from cudalock.projects.read import read_file
from cudalock.projects.readers.requirements import NO_REQUIREMENT
from cudalock.projects.syntax.text import NOT_TEXT

if TYPE_CHECKING:
    from cudalock.projects.model import Declared, Option, Problem, ProjectFile


@dataclass(slots=True)
class Lines:
    """What the files asked for, in order: requirements, constraints, and sentences to tell."""

    requirements: list[RequestedProject] = field(default_factory=list)
    constraints: list[RequestedProject] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def extend(self, other: Lines) -> None:
        """Adds what another file asked for."""
        self.requirements += other.requirements
        self.constraints += other.constraints
        self.notes += other.notes


def read(file: str, *, constraint: bool = False, stdin: bytes | None = None) -> Lines:
    """Everything `file` and the files it names ask for; `-` is standard input.

    `stdin` stands in for standard input. Raises BadFile naming file and line for what cannot be
    read or used, and BadSpecifier for a line that is no requirement.
    """
    found = read_file(file, stdin, kind="constraints" if constraint else "requirements")
    for each in found.files():
        _check(each)
    lines = Lines()
    for entry in found.everything():
        asked = lines.constraints if entry.role == "constraint" else lines.requirements
        asked.append(_asked(entry))
    for each in found.files():
        lines.notes += dict.fromkeys(_note(option, each) for option in each.options)
    return lines


def _check(file: ProjectFile) -> None:
    """Raises for the first line that is wrong, or leaves nothing to choose."""
    noted = {option.place for option in file.options}
    for problem in file.problems:
        # Text in another encoding than it says makes lines wrong that may be right.
        if problem.message.startswith(NOT_TEXT):
            raise BadFile(f"{problem.place.file}:{problem.place.line}: {problem.message}")
    errors = [
        (problem.place.start, _wrong(problem))
        for problem in file.problems
        if problem.place not in noted
    ]
    errors += [(entry.place.start, _refused(entry)) for entry in file.declared if entry.url]
    for _, error in sorted(errors, key=lambda each: each[0])[:1]:
        raise error


def _wrong(problem: Problem) -> UsageError:
    kind = BadSpecifier if NO_REQUIREMENT in problem.message else BadFile
    return kind(f"{problem.place.file}:{problem.place.line}: {problem.message}")


def _refused(entry: Declared) -> UsageError:
    return BadFile(
        f"{entry.place.file}:{entry.place.line}: `{entry.text}` is a path or an address, "
        "which leaves nothing to choose",
        hints=["leave the line out, and install it after the lock with `pip install --no-deps`"],
    )


def _asked(entry: Declared) -> RequestedProject:
    extras = f"[{','.join(entry.extras)}]" if entry.extras else ""
    marker = f" ; {entry.marker}" if entry.marker else ""
    origin = f"{entry.place.file}:{entry.place.line}"
    return RequestedProject.of_requirement(f"{entry.name}{extras}{entry.specifier}{marker}", origin)


def _note(option: Option, file: ProjectFile) -> str:
    written = file.text[option.place.start : option.place.end].replace("=", " ").split()[0]
    return (
        f"{option.place.file}:{option.place.line}: `{written}` is not followed: "
        "the lock names the indexes and files it needs"
    )

"""Requirements and constraints from the files of `-r` and `-c`.

Index options are noted and not followed, since a lock names the indexes its pins need. A wheel by
its URL is pinned as it is. Paths, other URLs and version control are refused: there is nothing to
choose about them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cudalock.errors import BadFile, BadSpecifier, UsageError
from cudalock.goals import RequestedProject
from cudalock.projects.read import read_file
from cudalock.projects.syntax.package_list import is_package_list
from cudalock.targets.tags import parse_wheel_name
from cudalock.urls import file_of

if TYPE_CHECKING:
    from cudalock.projects.model import Declared, FileProblem, Option, ProjectFile


PRE: Final = "--pre"


@dataclass(slots=True)
class RequestedLines:
    """The requirements and constraints of files, in order, and sentences about what was ignored."""

    requirements: list[RequestedProject] = field(default_factory=list)
    constraints: list[RequestedProject] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    takes_early: bool = False
    """whether a file has `--pre`"""

    def extend(self, other: RequestedLines) -> None:
        """Add those of another file."""
        self.requirements += other.requirements
        self.constraints += other.constraints
        self.notes += other.notes
        self.takes_early = self.takes_early or other.takes_early


def read(file: str, *, constraint: bool = False, stdin: bytes | None = None) -> RequestedLines:
    """Return the lines of `file` and the files it names; `-` is standard input.

    `stdin` are bytes to use for it. Raises BadFile naming file and line for what cannot be read or
    used, and BadSpecifier for an invalid requirement.
    """
    # The option decides the kind: pip parses whatever `-r` names as requirements.
    root_file = read_file(file, stdin, kind="constraints" if constraint else "requirements")
    if root_file.problems and is_package_list(root_file.text):
        raise BadFile(
            f"`{root_file.name}` is a list of installed packages, not a requirements file",
            hints=["`pip freeze` writes one, and `cudalock generate` reads such a list"],
        )
    for included in root_file.files():
        _check(included)
    lines = RequestedLines()
    for declared in root_file.everything():
        requested = lines.constraints if declared.role == "constraint" else lines.requirements
        requested.append(_requested(declared))
    for included in root_file.files():
        options = [option for option in included.options if option.name != PRE]
        lines.takes_early = lines.takes_early or len(options) < len(included.options)
        lines.notes += dict.fromkeys(_note(option, included) for option in options)
    return lines


def _check(file: ProjectFile) -> None:
    """Raise for the first line that is wrong, or that leaves no version to choose."""
    # An option that is not followed cannot be wrong.
    noted = {option.place for option in file.options}
    for problem in file.problems:
        # Text in another encoding than it says makes lines wrong that may be right.
        if problem.is_encoding:
            raise BadFile(f"{problem.place.file}:{problem.place.line}: {problem.message}")
    errors = [
        (problem.place.start, _wrong(problem))
        for problem in file.problems
        if problem.place not in noted
    ]
    errors += [
        (declared.place.start, _refused(declared))
        for declared in file.declared
        if declared.url and not (declared.name and _is_wheel_url(declared.url))
    ]
    # By line: the first thing to fix, whichever of the two kinds of error it is.
    for _, error in sorted(errors, key=lambda positioned: positioned[0])[:1]:
        raise error


def _wrong(problem: FileProblem) -> UsageError:
    kind = BadSpecifier if problem.is_requirement else BadFile
    return kind(f"{problem.place.file}:{problem.place.line}: {problem.message}")


def _refused(declared: Declared) -> UsageError:
    return BadFile(
        f"{declared.place.file}:{declared.place.line}: `{declared.text}` is a path or an address, "
        "which leaves nothing to choose",
        hints=["leave the line out, and install it after the lock with `pip install --no-deps`"],
    )


def _is_wheel_url(url: str) -> bool:
    """Return whether a URL says what wheel it is of: NAME-VERSION-PYTHON-ABI-PLATFORM.whl."""
    return "://" in url and parse_wheel_name(file_of(url)) is not None


def _requested(declared: Declared) -> RequestedProject:
    extras = f"[{','.join(declared.extras)}]" if declared.extras else ""
    marker = f" ; {declared.marker}" if declared.marker else ""
    origin = f"{declared.place.file}:{declared.place.line}"
    which = f" @ {url_with_digest(declared)}" if declared.url else declared.specifier
    return RequestedProject.of_requirement(f"{declared.name}{extras}{which}{marker}", origin)


def url_with_digest(declared: Declared) -> str:
    """Return a URL with the digest that the line has as an option."""
    url = declared.url or ""
    digest = next((text for text in declared.hashes if text.startswith("sha256:")), None)
    return f"{url}#{digest.replace(':', '=')}" if digest and "#" not in url else url


def _note(option: Option, file: ProjectFile) -> str:
    # `--index-url=URL` is one word; the URL may hold credentials, so only the option's name is
    # shown.
    written = file.text[option.place.start : option.place.end].replace("=", " ").split()[0]
    return (
        f"{option.place.file}:{option.place.line}: `{written}` is not followed: "
        "the lock names the indexes and files it needs"
    )

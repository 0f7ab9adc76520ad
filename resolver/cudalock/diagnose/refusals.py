"""Read what installers refuse: wheels for another platform, and requirements that exclude each
other, in the prose of pip, uv and Poetry."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.diagnose.machine import LONGEST
from cudalock.diagnose.reader import StatementReader
from cudalock.diagnose.statements import NoCandidate, Statement
from cudalock.targets import PLATFORMS
from cudalock.targets.platforms import of_wheel_tags
from cudalock.text import either
from cudalock.versions import accepts, canonical, is_specifier, is_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cudalock.diagnose.machine import Clues
    from cudalock.diagnose.text import PastedText
    from cudalock.matrix.matrix import Matrix


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongWheel(NoCandidate):
    """`torch-2.1.2-cp311-cp311-win_amd64.whl is not a supported wheel on this platform`."""

    tags: str
    """what the file's name says of its Python and platform"""
    python: str | None
    """the Python that runs, if the text names it"""

    @property
    def says(self) -> str:
        runs = f"; Python {self.python} runs" if self.python else ""
        return f"{self.version}: that wheel is for {self.tags}, and for nothing else{runs}"

    @property
    def fix(self) -> str | None:
        return f"the wheel of {self.project} for this Python and platform, or the Python it is for"


@dataclass(frozen=True, slots=True, kw_only=True)
class Excluding(Statement):
    """Two packages that an installer was to take require releases of a third that exclude each
    other."""

    first: tuple[str, str]
    """who requires it, and what"""
    second: tuple[str, str]
    requirers: tuple[str, ...]
    """those of the two that the matrix has"""

    @property
    def fact(self) -> str:
        return "python-requirements-conflict"

    @property
    def stands_for(self) -> tuple[str, ...]:
        return (self.fact, "python-no-wheel", "python-conda-conflict")

    @property
    def says(self) -> str:
        (requirer, wanted), (excluder, excluded) = self.first, self.second
        return f"must be {wanted} for {requirer} and {excluded} for {excluder}: no release is both"

    @property
    def fix(self) -> str | None:
        names = [who.split()[0] for who, _ in (self.first, self.second) if who != _YOU]
        own = "" if len(names) > 1 else ", or another version of your own choice"
        return f"another release of {' or of '.join(names)}{own}"

    @property
    def others(self) -> tuple[str, ...]:
        return self.requirers


class _Requirement(NamedTuple):
    who: str
    """a name, with the versions that are meant"""
    name: str
    """as the installer writes it"""
    specifier: str
    line: int


_WHEEL: Final = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.]*)-(?P<version>[0-9][\w.+!]*)(?:-[0-9]\w*)?"
    r"-(?P<python>[\w.]+)-(?P<abi>[\w.]+)-(?P<platform>[\w.]+)\.whl"
)
_NOT_SUPPORTED: Final = "is not a supported wheel on this platform"

# Bounded: a hostile text may be one name of a megabyte.
_NAME: Final = r"[A-Za-z0-9][\w.-]{0,80}"
_MARKS: Final = r"(?:\[[\w,-]*\])?(?:\{[^}]{0,200}\})?"
_CLAUSE: Final = r"(?:[<>=!~]=?=?\s?[0-9][\w.*+!]*)"
_CLAUSES: Final = rf"{_CLAUSE}(?:(?:\s?,\s?|\sand\s){_CLAUSE})*"
# uv: `vllm>=0.8.5 depends on torch==2.6.0`; Poetry: `torch (2.8.0) depends on triton (3.4.0)`; pip:
# `xformers 0.0.26.post1 depends on torch==2.3.0`.
_DEPENDS: Final = re.compile(r" (?:depends on|requires) ")
_WHO: Final = re.compile(
    rf"(?<![\w.-])(?P<who>{_NAME}?){_MARKS}\s?(?P<which>{_CLAUSES}|[0-9][\w.+!]*|\([^()]{{1,80}}\))?$"
)
_WANTED: Final = re.compile(
    rf"(?P<name>{_NAME}?){_MARKS}\s?(?P<wanted>{_CLAUSES}|\([^()]{{1,80}}\))"
)
_AROUND: Final = 200
"""Characters beside the verb that are read: of a hostile text, not all of it."""
_REQUESTED: Final = re.compile(
    r"(?:you require|your project depends on|The user requested) (?=[A-Za-z0-9])"
)
_YOU: Final = "the request"
# The frame that uv draws, and the times that Docker and logs print before each line.
_FRAME: Final = re.compile(
    r"^(?:#[0-9]+ )?(?:[0-9]+\.[0-9]+ |[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.,]+Z? )?"
    r"[\s│╰─▶\u00d7├└]*"
)
_PROSE: Final = ("depends on", "you require", "The user requested")
_SHORT: Final = 400
"""Lines of prose that are read."""


def read_refusals(
    text: PastedText, versions: Mapping[str, str], clues: Clues, matrix: Matrix
) -> Iterator[Statement]:
    """Yield what installers refused. `versions` is project name to version."""
    reader = StatementReader(text, versions, clues, matrix)
    for number, line in reader.lines:
        if _NOT_SUPPORTED in line:
            yield from _wrong_wheel(number, line[:LONGEST], reader, clues)
    yield from _excluding(reader, matrix)


def _wrong_wheel(
    number: int, line: str, reader: StatementReader, clues: Clues
) -> Iterator[Statement]:
    match = _WHEEL.search(line)
    project = reader.project(match["name"].replace("_", "-")) if match else None
    if match is None or project is None:
        return
    yield WrongWheel(
        project=project,
        line=number,
        version=match["version"],
        tags=f"{_python_of(match)} on {_platform_of(match['platform'])}",
        python=clues.python,
    )


def _python_of(wheel: re.Match[str]) -> str:
    names = {
        f"Python {digits[0]}.{digits[1:]}" if len(digits) > 1 else f"Python {digits}"
        for digits in re.findall(r"(?:cp|py)([0-9]+)", wheel["python"])
    }
    newer = " and newer" if wheel["abi"] == "abi3" else ""
    return f"{' or '.join(sorted(names))}{newer}" if names else wheel["python"]


def _platform_of(tags: str) -> str:
    if tags == "any":
        return "any system"
    return either([PLATFORMS[name].label for name in of_wheel_tags(tags)]) or tags


def _excluding(reader: StatementReader, matrix: Matrix) -> Iterator[Statement]:
    by_project: dict[str, list[_Requirement]] = {}
    for requirement in _requirements(reader):
        project = reader.project(requirement.name) or canonical(requirement.name)
        by_project.setdefault(project, []).append(requirement)
    for project, requirements in by_project.items():
        pair = _first_pair(
            requirements, matrix.versions(project) if matrix.is_curated(project) else ()
        )
        if pair is None:
            continue
        first, second = pair
        known = (
            reader.project(requirement.who.split()[0])
            for requirement in pair
            if requirement.who != _YOU
        )
        yield Excluding(
            project=project,
            line=second.line,
            version=None,
            first=(first.who, first.specifier),
            second=(second.who, second.specifier),
            requirers=tuple(name for name in known if name),
        )
        return


def _first_pair(
    requirements: list[_Requirement], releases: list[str] | tuple[str, ...]
) -> tuple[_Requirement, _Requirement] | None:
    """Return two requirements of different packages that no release satisfies both."""
    for at, later in enumerate(requirements):
        for earlier in requirements[:at]:
            if later.who.split()[0] == earlier.who.split()[0]:
                continue
            if _is_refused(later, earlier) or _is_refused(earlier, later):
                return earlier, later
            allowed = [release for release in releases if accepts(later.specifier, release)]
            both = [release for release in allowed if accepts(earlier.specifier, release)]
            # What neither release list knows is no conflict that is known.
            if allowed and not both and any(accepts(earlier.specifier, r) for r in releases):
                return earlier, later
    return None


def _is_refused(later: _Requirement, earlier: _Requirement) -> bool:
    """Return whether a pin is outside of what another requires, whatever releases there are."""
    pin = later.specifier.removeprefix("==")
    return is_version(pin) and not accepts(earlier.specifier, pin)


def _requirements(reader: StatementReader) -> Iterator[_Requirement]:
    if not any(words in line for _, line in reader.lines for words in _PROSE):
        return
    numbered = [
        (number, _FRAME.sub("", line[:LONGEST]).strip()) for number, line in reader.lines[-_SHORT:]
    ]
    # The lines are wrapped where the terminal ends.
    joined, starts = "", []
    for number, line in numbered:
        starts.append((len(joined), number))
        joined += f"{line} "
    for verb in _DEPENDS.finditer(joined):
        subject = _WHO.search(joined[max(0, verb.start() - _AROUND) : verb.start()])
        if subject:
            which = _clauses(subject["which"] or "").removeprefix("==")
            yield from _requirement(f"{subject['who']} {which}".strip(), verb.end(), joined, starts)
    for request in _REQUESTED.finditer(joined):
        yield from _requirement(_YOU, request.end(), joined, starts)


def _requirement(
    who: str, at: int, joined: str, starts: list[tuple[int, int]]
) -> Iterator[_Requirement]:
    match = _WANTED.match(joined, at, at + _AROUND)
    specifier = _clauses(match["wanted"]) if match else ""
    if match and is_specifier(specifier):
        line = max((number for start, number in starts if start <= at), default=1)
        yield _Requirement(who, match["name"], specifier, line)


def _clauses(text: str) -> str:
    """Return a specifier as PEP 440 writes it: Poetry's `(2.8.0)` is `==2.8.0`, and pip writes
    `<1.0 and >=0.26.0`."""
    plain = text.strip("() ").replace(" and ", ",").replace(" ", "")
    return f"=={plain}" if is_version(plain) else plain

"""Everything that can go wrong, with the exit status each earns.

    CudalockError
    ├── UsageError           2   the question was wrong
    │   ├── NothingAsked         a goal that asks for nothing
    │   ├── UnknownName          no such component, project or option key
    │   ├── UnknownVersion       no such release, as far as the matrix knows
    │   ├── BadSpecifier         a version, range, date or part that cannot be read
    │   ├── BadPhrase            a word of the goal that means nothing
    │   ├── BadTarget            an unknown Python, platform, GPU or driver
    │   ├── BadFile              an input file that cannot be read or used
    │   ├── Contradiction        two parts of the question exclude each other
    │   └── OutputError          the answer cannot be written where it was asked for
    ├── MatrixError          2   the data is wrong: which file, which key
    ├── NoSolution           1   the answer is no, with an explanation
    ├── GaveUp               1   the search ended without an answer or a proof of none
    ├── HashesMissing        1   hashes were required and a wheel has none published
    ├── HashMismatch         1   a file is not the one that the lock names
    ├── LockDiffers          1   a tool comes to other pins than the lock
    ├── NothingFound         1   what was looked at has nothing of what was looked for
    ├── NotNeeded            1   what should be changed is right as it is
    ├── SourceMissing        1   a file that is to be copied is not at hand
    └── NetworkError         3   an index could not be asked

An error holds structure; `render` turns it into text once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class CudalockError(Exception):
    """The base of every error a user may see.

    `code` is stable and kebab-case. `hints` are things to type or do, best first.
    """

    code: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 2

    def __init__(self, message: str, *, hints: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hints = tuple(hints)

    def __str__(self) -> str:
        return self.message


class UsageError(CudalockError):
    """The question was wrong."""

    code = "usage"


class NothingAsked(UsageError):
    """A goal with nothing in it, or nothing for the target."""

    code = "nothing-asked"


class UnknownName(UsageError):
    """A name that is no component, project or key known here."""

    code = "unknown-name"


class UnknownVersion(UsageError):
    """A version that the matrix does not know."""

    code = "unknown-version"


class BadSpecifier(UsageError):
    """A version, version range, date or list of parts that cannot be read."""

    code = "bad-specifier"


class BadPhrase(UsageError):
    """A goal phrase with a word that means nothing."""

    code = "bad-phrase"


class BadTarget(UsageError):
    """A Python, platform, glibc, GPU or driver that is unknown or impossible."""

    code = "bad-target"


class BadFile(UsageError):
    """An input file that is missing, unreadable, or says what cannot be used."""

    code = "bad-file"


class Contradiction(UsageError):
    """Two parts of one question that exclude each other."""

    code = "contradiction"


class OutputError(UsageError):
    """The result cannot be written where it was asked for; nothing was written."""

    code = "output"


class MatrixError(CudalockError):
    """Wrong data: `file` and the path inside it (`fact[3].requires[0]`) say where."""

    code = "matrix"

    def __init__(self, file: str, key: str, message: str, *, hints: Iterable[str] = ()) -> None:
        where = f"{file}: {key}" if key else file
        super().__init__(f"{where}: {message}", hints=hints)
        self.file = file
        self.key = key


class NoSolution(CudalockError):
    """The answer is no; `str(explanation)` says why."""

    code = "no-solution"
    exit_status = 1

    def __init__(self, explanation: object, *, hints: Iterable[str] = ()) -> None:
        super().__init__(str(explanation), hints=hints)
        self.explanation = explanation


class GaveUp(CudalockError):
    """Neither an answer nor a proof that there is none was found in a bounded search."""

    code = "gave-up"
    exit_status = 1


class HashesMissing(CudalockError):
    """Hashes were required, and these wheel files have none that is published.

    `files` maps each to its size in bytes, None where that is not known.
    """

    code = "hashes-missing"
    exit_status = 1

    def __init__(self, files: Mapping[str, int | None], *, hints: Iterable[str] = ()) -> None:
        self.files = dict(files)
        named = (
            f"`{file}`" if size is None else f"`{file}` ({size / 1e6:.0f} MB)"
            for file, size in self.files.items()
        )
        super().__init__("no hash is published for " + ", ".join(named), hints=hints)


class HashMismatch(CudalockError):
    """A file has the right name and other content: `expected` and `found` are sha256 digests."""

    code = "hash-mismatch"
    exit_status = 1

    def __init__(self, file: str, where: str, expected: str, found: str) -> None:
        super().__init__(
            f"`{file}` at {where} is another file than the lock's: "
            f"its sha256 is {found}, and {expected} was expected"
        )
        self.file = file
        self.expected = expected
        self.found = found


class LockDiffers(CudalockError):
    """Another tool was asked for the same lock, and said no or something else."""

    code = "lock-differs"
    exit_status = 1

    def __init__(self, message: str, differences: Iterable[str]) -> None:
        self.differences = tuple(differences)
        super().__init__("\n  ".join([f"{message}:", *self.differences]))


class NothingFound(CudalockError):
    """What was looked at, an environment or a text, has nothing of what was looked for."""

    code = "nothing-found"
    exit_status = 1


class NotNeeded(CudalockError):
    """What should be changed is right as it is."""

    code = "not-needed"
    exit_status = 1


class SourceMissing(CudalockError):
    """A file that is to be copied is not at hand; the message names where it comes from."""

    code = "source-missing"
    exit_status = 1


class NetworkError(CudalockError):
    """An index or a file host could not be asked."""

    code = "network"
    exit_status = 3

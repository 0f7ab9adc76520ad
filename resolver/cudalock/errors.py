"""Every error that a user may see, with its exit status.

    CudalockError
    ├── UsageError           2   the request is wrong
    │   ├── NothingAsked         a goal without requirements
    │   ├── UnknownName          no such component, project or option key
    │   ├── UnknownVersion       no such release in the matrix
    │   ├── BadSpecifier         a version, range, date or part that cannot be read
    │   ├── BadPhrase            an unknown word in the goal
    │   ├── BadTarget            an unknown Python, platform, GPU or driver
    │   ├── BadFile              an input file that cannot be read or used
    │   ├── Contradiction        two parts of the request conflict
    │   │   └── SeveralAccelerators  one lock is requested for several
    │   └── OutputError          the result cannot be written
    ├── MatrixError          2   the data is wrong: which file, which key
    ├── NoSolution           1   there is no solution, with an explanation
    │   └── NotKnown         3   there is none in the matrix; what is outside was not looked up
    ├── OtherProject         1   a name that is another project on the index than is meant
    ├── GaveUp               1   the search ended without a solution or a proof of none
    ├── HashesMissing        1   hashes are required and a wheel has none published
    ├── HashMismatch         1   a file does not match the lock
    ├── MatrixRefused        1   a site's matrix is not what its list states
    ├── LockDiffers          1   another tool resolves to other pins than the lock
    ├── NothingFound         1   an environment or a text has nothing to report on
    ├── NotNeeded            1   nothing needs to be changed
    ├── SourceMissing        1   a file to copy is not there
    └── NetworkError         3   an index could not be reached

An error holds structure; `render` turns it into text once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class CudalockError(Exception):
    """The base of all errors.

    `code` is stable and kebab-case. `hints` are things to type or do, best first. `has_document` is
    whether the command has already written a JSON document that tells of it.
    """

    code: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 2
    has_document: bool = False

    def __init__(self, message: str, *, hints: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hints = tuple(hints)

    def __str__(self) -> str:
        return self.message


class UsageError(CudalockError):
    """The request is wrong."""

    code = "usage"


class NothingAsked(UsageError):
    """A goal without requirements, or without any for the target."""

    code = "nothing-asked"


class UnknownName(UsageError):
    """A name that is not a known component, project or key."""

    code = "unknown-name"


class UnknownVersion(UsageError):
    """A version that is not in the matrix, or not on an index that was asked.

    `specifier` is the clause, of one version or series, that no release meets.
    """

    code = "unknown-version"

    def __init__(self, message: str, specifier: str = "", *, hints: Iterable[str] = ()) -> None:
        super().__init__(message, hints=hints)
        self.specifier = specifier

    def with_hint(self, hint: str) -> UnknownVersion:
        """Return the error with a hint before its others."""
        return UnknownVersion(self.message, self.specifier, hints=[hint, *self.hints])

    def at(self, origin: str) -> UnknownVersion:
        """Return the error with the place where the version is requested, `file:line`."""
        return UnknownVersion(f"{origin}: {self.message}", self.specifier, hints=self.hints)


class BadSpecifier(UsageError):
    """A version, version range, date or list of parts that cannot be read."""

    code = "bad-specifier"


class BadPhrase(UsageError):
    """A goal phrase with an unknown word."""

    code = "bad-phrase"


class BadTarget(UsageError):
    """A Python, platform, glibc, GPU or driver that is unknown or impossible."""

    code = "bad-target"


class BadFile(UsageError):
    """An input file that is missing, unreadable, or has what cannot be used."""

    code = "bad-file"


class Contradiction(UsageError):
    """Two parts of one request that conflict."""

    code = "contradiction"


class SeveralAccelerators(Contradiction):
    """One lock for several accelerators: as lines of a project there may be a lock for each."""


class OutputError(UsageError):
    """The result cannot be written to its destination; nothing was written."""

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
    """There is no solution; `str(explanation)` says why."""

    code = "no-solution"
    exit_status = 1

    def __init__(self, explanation: object, *, hints: Iterable[str] = ()) -> None:
        super().__init__(str(explanation), hints=hints)
        self.explanation = explanation


class OtherProject(CudalockError):
    """A requirement whose name is another project on the package index than people mean.

    `name` is the requirement's, and `project` the one that people mean, None where the index lacks
    it.
    """

    code = "other-project"
    exit_status = 1

    def __init__(
        self, message: str, name: str, project: str | None, *, hints: Iterable[str] = ()
    ) -> None:
        super().__init__(message, hints=hints)
        self.name = name
        self.project = project


class NotKnown(NoSolution):
    """There is no solution in the matrix, and it rests on releases outside that were not looked up.

    `str(explanation)` says why there is none, and which those are.
    """

    code = "not-known"
    exit_status = 3


class GaveUp(CudalockError):
    """A bounded search found neither a solution nor a proof that there is none."""

    code = "gave-up"
    exit_status = 1


class HashesMissing(CudalockError):
    """Hashes are required, and no hash is published for these wheel files.

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
    """A file has the right name and other content; the digests are sha256, in hex."""

    code = "hash-mismatch"
    exit_status = 1

    def __init__(self, file: str, where: str, expected: str, actual: str) -> None:
        super().__init__(
            f"`{file}` at {where} does not match the lock: "
            f"its sha256 is {actual}, expected {expected}"
        )
        self.file = file
        self.expected = expected
        self.actual = actual


class MatrixRefused(CudalockError):
    """A site's matrix is not what its list of digests states, or cannot be used."""

    code = "matrix-refused"
    exit_status = 1


class LockDiffers(CudalockError):
    """Another tool resolves the same goal to other pins, or to none."""

    code = "lock-differs"
    exit_status = 1

    def __init__(self, message: str, differences: Iterable[str]) -> None:
        self.differences = tuple(differences)
        super().__init__("\n  ".join([f"{message}:", *self.differences]))


class NothingFound(CudalockError):
    """An environment or a text has nothing to report on."""

    code = "nothing-found"
    exit_status = 1


class NotNeeded(CudalockError):
    """Nothing needs to be changed."""

    code = "not-needed"
    exit_status = 1


class SourceMissing(CudalockError):
    """A file to copy is not there; the message says where it comes from."""

    code = "source-missing"
    exit_status = 1


class NetworkError(CudalockError):
    """An index or a file host could not be reached.

    `host` and `reason` are what it is about, where it is about one URL.
    """

    code = "network"
    exit_status = 3

    def __init__(
        self, message: str, *, hints: Iterable[str] = (), host: str = "", reason: str = ""
    ) -> None:
        super().__init__(message, hints=hints)
        self.host = host
        self.reason = reason

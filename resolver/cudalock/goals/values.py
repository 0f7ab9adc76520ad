"""Read the text of one part of a goal: versions, CUDA, cuDNN, toolkit, dates."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier
from packaging.version import InvalidVersion, Version

from cudalock.errors import BadSpecifier, UnknownVersion
from cudalock.targets.accelerators import ACCELERATORS, AUTO, CPU, DEFAULT, OPTION, Wish
from cudalock.versions import NUMBER, is_version, parse_version, specifier_set

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cudalock.targets.accelerators import Accelerator, Library

BUILDERS = ("official", "known", "any")
LATEST = frozenset({"latest", "newest"})
_OPERATOR = r"[<>=!~]"
# `2.5`, `v2.5.1` as tags have it, `2.5.*`.
_PLAIN = rf"(?i)v?({NUMBER}(?:\.{NUMBER})*)(\.\*)?"


LISTING = "a listing"
"""In place of a matrix version, if the versions come from an index."""


def parse_version_spec(
    project: str,
    text: str,
    known: Sequence[str] = (),
    matrix_version: str | None = None,
) -> tuple[str, str | None]:
    """Return `(specifier, note or None)` for a version as people write it.

    `2.5.1` is that release and `2.5` any 2.5.x; a range stays a range; `latest` is no limit, since
    the newest version that fits the whole goal is chosen anyway. `known` are the project's
    versions, ascending; if it is empty, nothing is checked against them. A version that only has
    post releases is read as a prefix, with a note. Raises BadSpecifier, UnknownVersion.
    """
    text = text.strip()
    # No specifier: a pin to the newest release would leave no room for the rest of the goal.
    if text.lower() in LATEST:
        return "", None
    if re.search(_OPERATOR, text):
        specifier = _specifier(project, text)
        check_exact(project, specifier, known, matrix_version)
        return specifier, None
    specifier = _plain_specifier(project, text)
    if not known or _matches(specifier, known):
        return specifier, None
    prefix = f"{_without_local(specifier)}.*"
    # xformers has 0.0.26.post1 and no 0.0.26: `==0.0.26` accepts no post release (PEP 440).
    if specifier.count("*") == 0 and _post_releases(specifier, known):
        version = specifier.removeprefix("==")
        note = f"`{project}` {version} has only post releases: read as {version}.*"
        return prefix, note
    raise _unknown(project, text, specifier, known, matrix_version)


def check_exact(
    project: str, specifier: str, known: Sequence[str], matrix_version: str | None = None
) -> None:
    """Raise UnknownVersion for an `==` clause that names no known version of the project.

    A range without a version is not checked here: the resolver says so, with its reasons.
    """
    if not known:
        return
    for clause in clauses(specifier):
        exact = clause.startswith("==") and not clause.endswith(".*")
        if exact and not _matches(clause, known):
            version = _exact_version(clause)
            raise _unknown(project, version, clause, known, matrix_version)


def _exact_version(clause: str) -> str:
    """Return what stands after `==` or `===`, of which the second may stand before any text."""
    operator = "===" if clause.startswith("===") else "=="
    return clause.removeprefix(operator).removesuffix(".*").strip()


def clauses(specifier: str) -> list[str]:
    """Return the clauses of a PEP 440 specifier, sorted, each normalised."""
    return sorted(str(clause) for clause in specifier_set(specifier))


def satisfying(specifier: str, known: Sequence[str]) -> list[str]:
    """Return the known public versions that a specifier accepts, its local versions aside."""
    # Whether a build with this local version exists depends on the target: the resolver checks it.
    public = ",".join(_without_local(clause) for clause in clauses(specifier))
    return list(specifier_set(public).filter(known, prereleases=True))


def _matches(specifier: str, known: Sequence[str]) -> bool:
    return bool(satisfying(specifier, known))


def _without_local(clause: str) -> str:
    return clause.partition("+")[0]


def _specifier(name: str, text: str) -> str:
    with suppress(InvalidSpecifier):
        if text:
            return ",".join(clauses(text))
    raise BadSpecifier(
        f"invalid version or range `{text}` for {name}",
        hints=["write a range as `>=2.4,<2.6`, one release as `==2.5.1`"],
    )


def _plain_specifier(project: str, text: str) -> str:
    """Return the specifier of a plain version: three numbers are a release, fewer a series."""
    if match := re.fullmatch(_PLAIN, text):
        is_release = match[1].count(".") >= 2 and not match[2]
        return f"=={match[1]}" if is_release else f"=={match[1]}.*"
    try:
        return f"=={parse_version(text)}"
    except InvalidVersion:
        return _specifier(project, text)


def _post_releases(specifier: str, known: Sequence[str]) -> bool:
    version = _without_local(specifier).removeprefix("==")
    if not re.fullmatch(_PLAIN, version):
        return False
    base = parse_version(version)
    return any(
        release.is_postrelease and release.release == base.release
        for release in map(parse_version, known)
    )


def _unknown(
    project: str, text: str, specifier: str, known: Sequence[str], matrix_version: str | None
) -> UnknownVersion:
    public = _without_local(specifier)
    versions = sorted(map(parse_version, known))
    exact = _exact_version(public)
    if not is_version(exact):
        message = f"`{project}` has no version `{exact}`, which is not of PEP 440"
        # No index has it: there is nothing to look up.
        return UnknownVersion(message, "", hints=[f"`{project}=={versions[-1]}`"])
    base = parse_version(exact)
    near = [f"`{project}=={version}`" for version in _neighbours(base, versions)]
    if matrix_version == LISTING:
        message = f"`{project}` {text} does not exist on the package index"
        return UnknownVersion(message, public, hints=near)
    edition = f" of {matrix_version}" if matrix_version else ""
    if base > versions[-1]:
        return UnknownVersion(
            f"`{project}` {text} is newer than all releases in the matrix{edition}:"
            f" the newest is {versions[-1]}",
            public,
            hints=[
                f"`{project}=={versions[-1]}`",
                "`cudalock matrix update` for a newer matrix",
            ],
        )
    if base < versions[0]:
        message = (
            f"`{project}` {text} is older than all releases in the matrix{edition}:"
            f" the oldest is {versions[0]}"
        )
        return UnknownVersion(message, public, hints=near)
    message = f"`{project}` {text} does not exist according to the matrix{edition}"
    return UnknownVersion(message, public, hints=near)


def _neighbours(base: Version, versions: list[Version]) -> list[Version]:
    """Return the releases just above and below, the one that shares more numbers first."""
    below = [version for version in versions if version < base][-1:]
    above = [version for version in versions if version > base][:1]
    return sorted(below + above, key=lambda version: -_shared(base, version))


def _shared(one: Version, other: Version) -> int:
    count = 0
    for left, right in zip(one.release, other.release, strict=False):
        if left != right:
            break
        count += 1
    return count


def parse_accelerator(text: str, flag: str = OPTION) -> Wish | None:
    """Return the wish that a text states: `rocm6.4`, `cu124`, `12.4`, `>=12.1`, `cpu`; None for
    `auto`.

    A version without a name is one of CUDA. Raises BadSpecifier.
    """
    word = text.strip().lower()
    if word == AUTO:
        return None
    if word == CPU:
        return Wish(CPU)
    for row in ACCELERATORS.values():
        wish = _of_row(row, word)
        if wish is not None and flag in (row.name, OPTION):
            return wish
        if wish is not None:
            raise BadSpecifier(
                f"`--{flag}` is for {ACCELERATORS[flag].title} builds, and `{text}` is a"
                f" {row.title} build",
                hints=[f"--{OPTION} {word}"],
            )
    default = DEFAULT if flag == OPTION else ACCELERATORS[flag]
    if re.search(_OPERATOR, word):
        return Wish(default.name, _specifier(default.title, word))
    if flag == OPTION:
        examples = ", ".join(row.example for row in ACCELERATORS.values() if not row.flag)
        raise BadSpecifier(
            f"unknown accelerator `{text}`",
            hints=[f"`--{OPTION}` takes {default.example}, {examples}, {CPU} or {AUTO}"],
        )
    # `12,4` is rather 12.4 as half of Europe writes it.
    several = text.split(",") if re.search(r"[^0-9,]", text) else []
    hints = [f"--{flag} {default.example}", f"--{flag} {CPU}", f"--{flag} {AUTO}"]
    with suppress(BadSpecifier):
        if len(several) > 1 and all(parse_accelerator(part, flag) for part in several):
            hints = [" ".join(f"--{flag} {part.strip()}" for part in several)]
    raise BadSpecifier(f"invalid {default.title} version `{text}`", hints=hints)


def names_default(text: str) -> bool:
    """Tell whether a text that states a wish is about CUDA, or about no accelerator at all."""
    wish = parse_accelerator(text)
    return wish is None or wish.name in (DEFAULT.name, CPU)


def _of_row(row: Accelerator, word: str) -> Wish | None:
    """Return the wish for one accelerator that a word states: `rocm`, `rocm6.4`, `rocm>=6.3`."""
    if word in row.bare_words:
        return Wish(row.name)
    if not row.version_word:
        return None
    if match := re.fullmatch(row.version_word, word):
        return Wish(row.name, _series(match[1], row))
    match = re.fullmatch(rf"(?:{'|'.join(row.bare_words)})\s*({_OPERATOR}.*)", word)
    return Wish(row.name, _specifier(row.title, match[1])) if match else None


def _series(digits: str, row: Accelerator) -> str:
    """Return the specifier of `cu124` or `124`, which is 12.4, or of `cu12`, which is any 12.x."""
    if "." not in digits and row.digits_are_numbers:
        digits = ".".join(digits)
    # The last digit is the minor. No CUDA has a major of 20 or more, so `12` and `13` are majors.
    elif "." not in digits and int(digits) >= 20:
        digits = f"{digits[:-1]}.{digits[-1]}"
    return f"=={digits}" if digits.count(".") >= 2 else f"=={digits}.*"


def parse_library(library: Library, text: str) -> str:
    """Return the specifier of a library for `9`, `9.1.0`, `9.1.0.70` or a range.

    A full version has as many numbers as the library's row says; fewer are a series. Raises
    BadSpecifier.
    """
    word = text.strip()
    match = re.fullmatch(rf"({NUMBER}(?:\.{NUMBER})*)(\.\*)?", word)
    count = match[1].count(".") + 1 if match else 0
    if match and count == library.numbers and not match[2]:
        return f"=={word}"
    if match and count < library.numbers:
        return f"=={match[1]}.*"
    if re.search(_OPERATOR, word):
        return _specifier(library.title, word)
    raise BadSpecifier(
        f"invalid {library.title} version `{text}`", hints=[f"--{library.name} {library.example}"]
    )


def parse_toolkit(text: str) -> tuple[str, tuple[str, ...]]:
    """Return `(release, parts)` for `12.4.1` or `12.4.1:cudart,nvcc`. Raises BadSpecifier."""
    # `12.4.1:` with nothing after the colon is a slip, not a toolkit without parts.
    version, colon, listed = text.strip().lower().partition(":")
    parts = sorted({part.strip() for part in listed.split(",") if part.strip()})
    well_formed = all(re.fullmatch(r"[a-z][a-z0-9_-]*", part) for part in parts)
    if (
        not re.fullmatch(rf"{NUMBER}(\.{NUMBER}){{0,2}}", version)
        or not well_formed
        or bool(colon) != bool(parts)
    ):
        raise BadSpecifier(
            f"invalid CUDA toolkit `{text}`: write a release, and parts after a colon",
            hints=['--toolkit "12.4.1:cudart,nvcc"', "--toolkit 12.4.1"],
        )
    return version, tuple(parts)


def parse_date(text: str) -> str:
    """Return the ISO day of `2025-01-31` or `2025-01-31T00:00:00Z`. Raises BadSpecifier."""
    from datetime import date

    # pip and uv take a time as well; the matrix knows the day of a release.
    day, _, _time = text.strip().partition("T")
    try:
        return date.fromisoformat(day).isoformat()
    except ValueError:
        raise BadSpecifier(f"invalid date `{text}`", hints=["--exclude-newer 2025-01-31"]) from None


def parse_driver(text: str) -> str:
    """Return a driver version, `550.54`, as it was written. Raises BadSpecifier."""
    # NVIDIA calls a branch of its drivers R550.
    word = re.sub(r"(?i)^[rv](?=[0-9])", "", text.strip())
    if not re.fullmatch(rf"[0-9]{{3}}(\.{NUMBER}){{0,2}}", word):
        raise BadSpecifier(f"invalid driver version `{text}`", hints=["--driver 550.54"])
    return word


def parse_builders(text: str) -> str:
    """Return `official`, `known` or `any`. Raises BadSpecifier."""
    if text not in BUILDERS:
        raise BadSpecifier(
            f"invalid choice of builders `{text}`",
            hints=[f"`--builders {word}`" for word in BUILDERS],
        )
    return text

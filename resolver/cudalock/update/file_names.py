"""How to read the file names of builders: patterns of matrix.toml, which a new builder may
extend."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cudalock.errors import MatrixError
from cudalock.targets.accelerators import CUDA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cudalock.matrix.matrix import Matrix

_PART: Final = "__"


class Pattern(NamedTuple):
    """A regular expression for local versions, with a group for each label."""

    id: str
    local: re.Pattern[str] | None
    """None where the name does not say it, but the folder that the file is in"""
    tag: re.Pattern[str] | None
    """the same for the folder or the release"""
    builders: tuple[str, ...]
    """the only builders whose names it reads; empty for all"""
    values: Mapping[str, Mapping[str, str]]
    only: Mapping[str, str]
    follows: tuple[str, ...]

    def read(self, local: str, tags: str, tag: str) -> dict[str, str] | None:
        """Return the labels that a local version and the folder state; None if the pattern does not
        match them."""
        groups: dict[str, str | None] = {}
        for expression, stated in ((self.local, local), (self.tag, tag)):
            match = expression.fullmatch(stated) if expression is not None else None
            if expression is not None and match is None:
                return None
            groups |= match.groupdict() if match is not None else {}
        # `torch__major` and `torch__minor` are parts of one label, in the order of their names.
        parts: dict[str, list[str]] = {}
        for group, text in sorted(groups.items()):
            label = group.partition(_PART)[0]
            label_value = self.values[label].get(text or "") if label in self.values else text
            if label_value and self.is_for(label, tags):
                parts.setdefault(label, []).append(label_value)
        return {label: ".".join(groups) for label, groups in parts.items()}

    def is_for(self, label: str, tags: str) -> bool:
        """Whether wheels of these tags have the label."""
        return fnmatchcase(tags.rpartition("-")[2], self.only.get(label, "*"))


class Reading(NamedTuple):
    """The labels in a file name, and those that follow from the framework's builds."""

    labels: Mapping[str, str]
    follows: tuple[str, ...]


class Patterns:
    """Every pattern of a matrix, in order. Raises MatrixError for one that is malformed."""

    def __init__(self, matrix: Matrix) -> None:
        self._patterns = [
            _pattern(row, f"pattern[{position}]") for position, row in enumerate(matrix.patterns)
        ]
        self._matrix = matrix
        # Bound here, so that what was found goes when this does.
        self._followed = cache(self._follow)

    def read(
        self, local: str | None, tags: str, *, builder: str = "", tag: str | None = None
    ) -> Reading | None:
        """Return the labels of a wheel by its local version, and by the folder or release of the
        builder's that it is in; None if no pattern matches."""
        for pattern in self._patterns:
            if pattern.builders and builder not in pattern.builders:
                continue
            labels = pattern.read(local or "", tags, tag or "")
            if labels is not None:
                open_ = tuple(
                    label
                    for label in pattern.follows
                    if label not in labels and pattern.is_for(label, tags)
                )
                return Reading({**labels, **self._followed(tuple(labels.items()), open_)}, open_)
        return None

    def _follow(self, said: tuple[tuple[str, str], ...], names: tuple[str, ...]) -> dict[str, str]:
        """Return the values on which the framework's builds agree: those of that version and CUDA
        release, or of every CUDA release if there is none for that one."""
        labels, framework = dict(said), self._matrix.framework
        project = self._matrix.project(framework) if framework else None
        if not names or framework is None or project is None or framework not in labels:
            return {}
        builds = [
            build
            for version in project.versions
            if _begins(version, labels[framework])
            for build in project.release(version).builds
        ]
        cuda = labels.get(CUDA.name, "")
        builds = [
            build for build in builds if any(_begins(label, cuda) for label in build.row(CUDA.name))
        ] or builds
        labels_by_name = {
            name: {build.row(name) for build in builds if build.row(name)} for name in names
        }
        # A label on which builds disagree stays absent: a guess would be taken for a fact.
        return {
            name: next(iter(said))[0] for name, said in labels_by_name.items() if len(said) == 1
        }


def _begins(version: str, prefix: str) -> bool:
    return not prefix or f"{version}.".startswith(f"{prefix}.")


def _pattern(row: Mapping[str, Any], key: str) -> Pattern:
    try:
        return Pattern(
            id=row["id"],
            local=re.compile(row["local"]) if "tag" not in row or "local" in row else None,
            tag=re.compile(row["tag"]) if "tag" in row else None,
            builders=tuple(row.get("builder", ())),
            values=row.get("values", {}),
            only=row.get("only", {}),
            follows=tuple(row.get("follows", ())),
        )
    except (re.error, LookupError, TypeError) as error:
        raise MatrixError("matrix.toml", key, f"is no pattern: {error}") from None


__all__ = ["Pattern", "Patterns", "Reading"]

"""What reading a request needs to know: a part of a Universe, as protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cudalock.matrix.gpus import Gpus
    from cudalock.matrix.jetpack import JetPacks
    from cudalock.matrix.namesakes import Namesakes
    from cudalock.matrix.vendor import Distributions
    from cudalock.names import Names


class Vocabulary(Protocol):
    """The names that a request may use; see `cudalock.matrix.matrix.Matrix`."""

    @property
    def version(self) -> str: ...
    @property
    def names(self) -> Names: ...
    @property
    def gpus(self) -> Gpus: ...
    @property
    def jetpacks(self) -> JetPacks: ...
    @property
    def distributions(self) -> Distributions: ...
    @property
    def namesakes(self) -> Namesakes: ...
    def is_named(self, project: str, /) -> bool: ...


class Known(Protocol):
    """What a request may name; see `cudalock.matrix.universe.Universe`."""

    @property
    def matrix(self) -> Vocabulary: ...
    @property
    def looks_further(self) -> bool: ...
    @property
    def is_open(self) -> bool: ...
    def has_own(self, name: str, /) -> bool: ...
    def elsewhere(self, names: Iterable[str], /) -> frozenset[str]: ...
    def versions(self, name: str, /) -> Sequence[str]: ...
    def look_up(self, name: str, specifier: str, /) -> Sequence[str] | None: ...

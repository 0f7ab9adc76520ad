"""Images that a Dockerfile starts from, and what a container needs: `containers.toml`."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cudalock import toml
from cudalock.errors import MatrixError
from cudalock.files import read_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE: Final = "containers.toml"
TOOLKIT: Final = "cuda"
BRINGS: Final = ("python", "system", TOOLKIT)


class BaseImage(NamedTuple):
    """An image to start from, in each release of a Linux distribution that it is made for."""

    image: str
    tag: str
    """with fields to fill: `{python}`, `{codename}`, `{release}`, `{cuda}`, `{part}`"""
    brings: str
    """one of BRINGS"""
    distribution: str
    releases: tuple[str, ...]
    platforms: tuple[str, ...]
    pythons: tuple[str, ...] = ()
    """of one that brings Python: minor versions"""
    cuda: tuple[str, ...] = ()
    """of one that brings CUDA: its releases, `12.4.1`"""
    parts: tuple[str, ...] = ()
    """of one that brings CUDA: what may be in it, from small to large"""


class SystemNeed(NamedTuple):
    """What an image has to have where a fact holds: packages of the distribution, or a part of
    CUDA's images."""

    fact: str
    packages: tuple[str, ...] = ()
    part: str | None = None


class RunOptions(NamedTuple):
    """How a container gets the devices of an accelerator."""

    accelerator: str
    options: tuple[str, ...]
    variables: Mapping[str, str]
    """what the image sets"""


class Containers(NamedTuple):
    """The whole table."""

    bases: tuple[BaseImage, ...] = ()
    needs: tuple[SystemNeed, ...] = ()
    runs: tuple[RunOptions, ...] = ()
    compiler: tuple[str, ...] = ()
    """packages with which a source distribution is compiled"""
    build_variables: Mapping[str, str] = MappingProxyType({})
    """what is set where one is compiled against CUDA, with `{gpus}` to fill: `8.6;9.0`"""
    uv: str = ""
    """the image that has uv"""

    def run(self, accelerator: str) -> RunOptions | None:
        """Return how a container gets an accelerator's devices; None if that is not known."""
        return next((run for run in self.runs if run.accelerator == accelerator), None)


def read_containers(directory: Path) -> Containers:
    """Read the table of a matrix; an empty one if it has none.

    Raises MatrixError naming what is wrong.
    """
    # A matrix of a user may be without it, and then no image is known.
    path = directory / FILE
    if not path.is_file():
        return Containers()
    try:
        tables = toml.loads(read_text(path))
        # A key that is left out is an empty list: a table may be for one part alone.
        return Containers(
            bases=tuple(map(_base, tables.get("base", ()))),
            needs=tuple(
                SystemNeed(row["fact"], tuple(row.get("packages", ())), row.get("part"))
                for row in tables.get("need", ())
            ),
            runs=tuple(
                RunOptions(row["accelerator"], tuple(row["options"]), row.get("variables", {}))
                for row in tables.get("run", ())
            ),
            compiler=tuple(tables.get("compiler", {}).get("packages", ())),
            build_variables=tables.get("compiler", {}).get("variables", {}),
            uv=tables.get("uv", {}).get("image", ""),
        )
    except (OSError, ValueError) as error:
        raise MatrixError(FILE, "", f"cannot be read: {error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise MatrixError(FILE, str(error).strip("'"), "is missing or damaged") from None


def _base(row: dict[str, Any]) -> BaseImage:
    # A misspelt word would leave the row out without a sound.
    if row["brings"] not in BRINGS:
        raise KeyError(f"base.brings: {row['brings']}")
    # TOML has lists; what is read once and never changes is a tuple here.
    lists = {name: tuple(row.get(name, ())) for name in ("pythons", "cuda", "parts")}
    return BaseImage(
        row["image"],
        row["tag"],
        row["brings"],
        row["distribution"],
        tuple(row["releases"]),
        tuple(row["platforms"]),
        **lists,
    )

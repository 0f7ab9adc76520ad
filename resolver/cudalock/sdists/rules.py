"""The table of what compiles, `rules.toml`, typed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from cudalock import toml
from cudalock.records import NamedTuple, dataclass

NOTHING: Final = "nothing"
SETUP_SCRIPT: Final = "setup.py"
ELSEWHERE: Final = "elsewhere"


class Backend(NamedTuple):
    """A build backend: what it builds, `nothing`, `code`, what `setup.py` says, or what it fetches
    from `elsewhere`."""

    builds: str
    unless: str | None = None
    """a table of pyproject.toml by which a project runs code of its own"""
    made_with: str | None = None
    """for `code`: what runs; for `elsewhere`: the host"""


class Call(NamedTuple):
    """A call in setup.py that makes something to compile."""

    makes: str
    beside: str | None = None
    """a project that has to be installed before"""


@dataclass(frozen=True, slots=True)
class SourceRules:
    """All rules of the table."""

    languages: Mapping[str, str]
    """by suffix"""
    build_files: Mapping[str, str]
    """by file name"""
    backends: Mapping[str, Backend]
    """by top-level module"""
    harmless: Mapping[str, frozenset[str]]
    """keys, by table of pyproject.toml"""
    calls: Mapping[str, Call]
    programs: Mapping[str, str]
    """that a script may start, with what they do for it"""
    arguments: Mapping[str, str]
    """of `setup()`"""
    dropped: Mapping[str, str]
    """arguments and modules, with the setuptools that no longer has them"""
    tables: Mapping[str, str]
    """tables of pyproject.toml by which setuptools compiles"""


@cache
def read_rules() -> SourceRules:
    """Return the rules of the package."""
    text = files("cudalock.sdists").joinpath("rules.toml").read_text(encoding="utf-8")
    table: dict[str, Any] = toml.loads(text)
    return SourceRules(
        languages=table["languages"],
        build_files=table["build_files"],
        backends={
            name: Backend(row["builds"], row.get("unless"), row.get("with"))
            for name, row in table["backends"].items()
        },
        harmless={name: frozenset(keys) for name, keys in table["harmless"].items()},
        calls={name: Call(row["makes"], row.get("beside")) for name, row in table["calls"].items()},
        programs=table["programs"],
        arguments=table["arguments"],
        dropped=table["gone"],
        tables=table["tables"],
    )

"""Whether compiled modules fit what they were compiled for, by the texts inside them."""

from __future__ import annotations

import mmap
import os
import re
from typing import TYPE_CHECKING, Final

from cudalock.doctor.facts import SEVERITY, is_about
from cudalock.doctor.files import read_record
from cudalock.doctor.fixes import adding, fixed
from cudalock.doctor.wanted import wanted_by
from cudalock.files import extended
from cudalock.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.compat.installed import ExaminedEnvironment
    from cudalock.environment import Installed
    from cudalock.matrix.facts import Observation

_MODULE: Final = re.compile(r"\.(cpython-[^/]*|cp3[^/]*|abi3)\.(so|pyd)$")
"""A module that Python imports. The libraries beside it have a gigabyte, and no such text."""

_LARGEST: Final = 128 << 20
"""Bytes of a module that is looked into; the largest of OpenCV has half of that."""

_MOST: Final = 24
"""How many modules of a package are looked into: the first with a text decides."""


def examine(subject: ExaminedEnvironment) -> Iterator[Finding]:
    """Yield what was compiled for another major version of what it requires."""
    for name, component in subject.matrix.components.items():
        installed = subject.inventory.find(name)
        for fact in component.facts if installed else ():
            for observation in fact.observed:
                if not observation.compiled or not is_about(fact, installed, subject):
                    continue
                for other in _requiring(name, subject):
                    if _is_seen(other, observation):
                        finding = Finding(
                            "CL202",
                            SEVERITY[fact.effect],
                            f"{other} and {installed} are incompatible; {name} {fact.says}",
                            facts=(fact.id,),
                            fix=fact.fix,
                            members=(other.name, name),
                        )
                        fixes = [adding(text, subject) for text in fact.mends]
                        yield fixed(finding, fixes[0] if fixes else None)


def _requiring(name: str, subject: ExaminedEnvironment) -> Iterator[Installed]:
    for installed in subject.inventory.distributions:
        names = {requirement.name for requirement in wanted_by(installed, subject)}
        if name in names and installed.name != name:
            yield installed


def _is_seen(installed: Installed, observation: Observation) -> bool:
    modules = sorted(path for path in read_record(installed) if _MODULE.search(path))
    for path in modules[:_MOST]:
        full = extended(f"{installed.site_packages}/{path}")
        has, lacks = _texts_of(full, observation.compiled, observation.compiled_lacks)
        if has:
            return lacks
    return False


def _texts_of(path: str, texts: tuple[str, ...], lacking: tuple[str, ...]) -> tuple[bool, bool]:
    """Return whether a module has one of the first texts, and whether it has none of the others."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (long paths)
            size = os.fstat(file.fileno()).st_size
            # An empty file cannot be mapped.
            if not 0 < size <= _LARGEST:
                return False, False
            # Mapped: a text near the beginning is found without reading the rest.
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                has = any(content.find(text.encode()) >= 0 for text in texts)
                return has, all(content.find(text.encode()) < 0 for text in lacking)
    except (OSError, ValueError):
        # A module that cannot be read shows nothing; `files` tells of those that are gone.
        return False, False


__all__ = ["examine"]

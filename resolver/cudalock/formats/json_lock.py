"""A lock as JSON, for programs.

The document says what it is in `"schema": "cudalock.solve/1"`; `solve-1.schema.json`, beside this
module, is its JSON Schema and describes every key. Within version 1 keys may be added and none is
removed or changes its meaning, so a reader ignores keys it does not know. Every key is always
there; what is not known is null.

    schema, matrix, command, cuda   what made it, with which data; the CUDA toolkit of the build
    target, others[], goal          what was asked, every value written out; the further targets of
                                    a lock for several
    pins[]                          name, version, direct, via, facts, requires, hashes,
                                    hashes_complete, marker, wheel, wheels
    pins[].wheel                    file, sha256, index or builder, url, trust, known, warning,
                                    renamed, source
    indexes[], builders             where wheels come from besides the package index
    framework, stack                the pin whose build fixes the CUDA version; the CUDA stack
    needs, warnings[], replaced,    what a person has to know; what `replaced` speaks of
    replacements[], notes

Keys are sorted, pins come by name, the text is ASCII and ends with a newline: the same lock, the
same bytes.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from cudalock.placing import every_wheel

if TYPE_CHECKING:
    from cudalock.goals import Goal
    from cudalock.lock import Lock, LockedWheel, Pin
    from cudalock.target import Target

SCHEMA: Final = "cudalock.solve/1"


def render(lock: Lock) -> str:
    """The document's text."""
    return json.dumps(as_document(lock), indent=2, sort_keys=True, ensure_ascii=True) + "\n"


def as_document(lock: Lock) -> dict[str, Any]:
    """The document as JSON values."""
    return {
        "schema": SCHEMA,
        "matrix": lock.matrix_version,
        "command": lock.command,
        "cuda": lock.cuda,
        "framework": lock.framework,
        "target": _target(lock.target),
        "others": [_target(target) for target in lock.others],
        "goal": _goal(lock.goal),
        "pins": [_pin(pin) for pin in lock.pins],
        "indexes": [
            {"id": index.id, "url": index.url, "trust": index.trust} for index in lock.indexes
        ],
        "builders": list(lock.builders),
        "needs": list(lock.needs),
        "warnings": [
            {"fact": warning.fact, "says": warning.says, "effect": warning.effect}
            for warning in lock.warnings
        ],
        "replaced": list(lock.replaced),
        "replacements": [each._asdict() for each in lock.replacements],
        "stack": list(lock.stack),
        "notes": list(lock.notes),
    }


def schema() -> dict[str, Any]:
    """The JSON Schema of the document."""
    text = files("cudalock.formats").joinpath("solve-1.schema.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def _target(target: Target) -> dict[str, Any]:
    # Which values were stated and which detected is left out: the same machine, the same bytes.
    return {
        "python": target.python,
        "platform": target.platform,
        "free_threaded": target.free_threaded,
        "glibc": target.glibc,
        "macos": target.macos,
        "gpus": list(target.gpus),
        "driver": target.driver,
    }


def _goal(goal: Goal) -> dict[str, Any]:
    toolkit = goal.toolkit and {"version": goal.toolkit[0], "parts": list(goal.toolkit[1])}
    return {
        "requirements": list(goal.requirements),
        "constraints": list(goal.constraints),
        "cuda": goal.cuda,
        "cudnn": goal.cudnn,
        "toolkit": toolkit,
        "builders": goal.builders,
        "exclude_newer": goal.exclude_newer,
        "strict": goal.strict,
    }


def _pin(pin: Pin) -> dict[str, Any]:
    return {
        "name": pin.name,
        "version": pin.version,
        "direct": pin.direct,
        "via": list(pin.via),
        "facts": list(pin.facts),
        "requires": list(pin.requires),
        "hashes": [f"sha256:{digest}" for digest in pin.hashes],
        "hashes_complete": pin.hashes_complete,
        "marker": pin.marker,
        "wheel": _wheel(pin.wheel),
        "wheels": [_wheel(wheel) for wheel in every_wheel(pin)],
    }


def _wheel(wheel: LockedWheel) -> dict[str, Any]:
    return {
        "file": wheel.file,
        "sha256": wheel.sha256,
        "index": wheel.index,
        "builder": wheel.builder,
        "url": wheel.url,
        "trust": wheel.trust,
        "known": wheel.known,
        "warning": wheel.warning,
        "renamed": wheel.renamed,
        "source": wheel.source,
        "size": wheel.size,
    }

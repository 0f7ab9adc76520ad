"""A lock as JSON, for programs.

The document says what it is in `"schema": "cudalock.solve/1"`; `schemas/solve-1.schema.json` of
this package is its JSON Schema and describes every key. Within version 1 keys may be added and none
is removed or changes its meaning, so a reader ignores keys it does not know. Every key is always
there; what is not known is null.

    schema, matrix, command, cuda,  what made it, with which data; the CUDA toolkit of the build, or
    accelerator                     whatever else it was built for
    target, others[], goal          what was asked, every value written out; the further targets of
                                    a lock for several
    pins[]                          name, version, direct, via, facts, requires, hashes,
                                    hashes_complete, marker, overlooked, held, wheel,
                                    wheels
    pins[].wheel                    file, sha256, index or builder, url, trust, known, warning,
                                    renamed, source, size, build
    indexes[], builders             where wheels come from besides the package index
    framework, stack                the pin whose build fixes the CUDA version; the CUDA stack
    installer                       where the pins are what an environment lacks: the command that
                                    installs into it
    kept[], is_open                 what is there and stays; whether an installer adds to the pins
    needs, warnings[], unknowns[],  what a person has to know; what `replaced` speaks of
    advisories[], safe_command      with `--advisories` the known vulnerabilities, and the command
                                    of the nearest solution without them
    newer[], replaced,
    replacements[], notes

Keys are sorted, pins come by name, the text is ASCII and ends with a newline: the same lock, the
same bytes.
"""

from __future__ import annotations

import json
from dataclasses import fields
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from cudalock.errors import BadFile, BadSpecifier
from cudalock.formats import DEFAULTS, Format, WriteOptions
from cudalock.goals.goal import stated_accelerator
from cudalock.lock import require_hashes
from cudalock.lock.summary import file_warnings, missing_hashes
from cudalock.lock.wheels import all_wheels
from cudalock.targets.accelerators import DEFAULT, OPTION
from cudalock.text import json_text, read_json

if TYPE_CHECKING:
    from cudalock.goals import Goal
    from cudalock.lock import Lock, LockedWheel, Pin, PinAdvisory
    from cudalock.targets import Target

SCHEMA: Final = "cudalock.solve/1"


def render(lock: Lock, options: WriteOptions = DEFAULTS) -> str:
    """Return the document's text. Raises HashesMissing for `--hashes require` without them all."""
    if options.hashes == "require":
        require_hashes(lock)
    return json_text(as_document(lock))


def as_document(lock: Lock) -> dict[str, Any]:
    """Return the document as JSON values."""
    return {
        "schema": SCHEMA,
        "matrix": lock.matrix_version,
        "command": lock.command,
        "cuda": lock.cuda,
        "accelerator": _accelerator(lock),
        "is_unlabelled": lock.is_unlabelled,
        "framework": lock.framework,
        "target": _target(lock.target),
        "others": [_target(target) for target in lock.others],
        "goal": _goal(lock.goal),
        "pins": [_pin(pin) for pin in lock.pins],
        "indexes": [
            {"id": index.id, "url": index.url, "trust": index.trust, "cuda": index.cuda}
            for index in lock.indexes
        ],
        "builders": list(lock.builders),
        "needs": list(lock.needs),
        "warnings": [
            {"fact": warning.fact, "says": warning.says, "effect": warning.effect}
            for warning in lock.warnings
        ]
        # What is known of the files and no fact says; it follows from the pins, and is not read.
        + [
            {"fact": None, "says": says, "effect": None}
            for says in (*file_warnings(lock), *missing_hashes(lock))
        ],
        "unknowns": [unknown._asdict() for unknown in lock.unknowns],
        "newer": [newer._asdict() for newer in lock.newer],
        "advisories": None
        if lock.advisories is None
        else [
            {**row._asdict(), "aliases": list(row.aliases), "fixed": list(row.fixed)}
            for row in lock.advisories
        ],
        "safe_command": lock.safe_command,
        "replaced": list(lock.replaced),
        "replacements": [replacement._asdict() for replacement in lock.replacements],
        "stack": list(lock.stack),
        "notes": list(map(str, lock.notes)),
        "installer": lock.installer,
        "image": lock.image,
        "kept": [kept._asdict() for kept in lock.kept],
        "is_open": lock.is_open,
    }


def read(text: str) -> Lock:
    """Return the lock that `render` wrote as this text; unknown keys are ignored.

    Raises BadFile for another text.
    """
    try:
        document = read_json(text)
        if document["schema"] != SCHEMA:
            raise BadFile(f"unknown schema `{document['schema']}`: a lock has `{SCHEMA}`")
        return _lock(document)
    except (ValueError, KeyError, TypeError, AttributeError, BadSpecifier) as error:
        raise BadFile(f"invalid JSON lock: {type(error).__name__} {error}") from None


def _lock(document: dict[str, Any]) -> Lock:
    from cudalock.lock import (
        KeptVersion,
        Lock,
        LockWarning,
        NewerRelease,
        ReplacedRequirement,
        UnknownFact,
    )
    from cudalock.matrix.matrix import Index

    return Lock(
        target=_read_target(document["target"]),
        goal=_read_goal(document["goal"]),
        matrix_version=document["matrix"],
        pins=tuple(_read_pin(table) for table in document["pins"]),
        needs=tuple(document["needs"]),
        warnings=tuple(
            LockWarning(**_known(LockWarning, table))
            for table in document["warnings"]
            if table["fact"] is not None
        ),
        notes=tuple(document["notes"]),
        indexes=tuple(
            Index(table["id"], table["url"], table["trust"], table.get("cuda"))
            for table in document["indexes"]
        ),
        builders=tuple(document["builders"]),
        cuda=document["cuda"],
        command=document["command"],
        replaced=tuple(document["replaced"]),
        framework=document["framework"],
        others=tuple(_read_target(table) for table in document["others"]),
        stack=tuple(document["stack"]),
        # Version 1 got these keys later, and two of pins: older documents are read too.
        accelerator=_read_accelerator(document),
        is_unlabelled=document.get("is_unlabelled", False),
        installer=document.get("installer"),
        image=document.get("image"),
        safe_command=document.get("safe_command"),
        advisories=_read_advisories(document.get("advisories")),
        kept=tuple(KeptVersion(**_row(KeptVersion, kept)) for kept in document.get("kept", ())),
        is_open=document.get("is_open", False),
        unknowns=tuple(
            UnknownFact(**_row(UnknownFact, table)) for table in document.get("unknowns", ())
        ),
        newer=tuple(
            NewerRelease(**_row(NewerRelease, table)) for table in document.get("newer", ())
        ),
        replacements=tuple(
            ReplacedRequirement(
                table["of"], table["requirement"], table["replacement"], table["fact"]
            )
            for table in document["replacements"]
        ),
    )


def _read_advisories(tables: list[dict[str, Any]] | None) -> tuple[PinAdvisory, ...] | None:
    from cudalock.lock import PinAdvisory

    if tables is None:
        return None
    return tuple(
        PinAdvisory(
            **{
                **_row(PinAdvisory, table),
                "aliases": tuple(table["aliases"]),
                "fixed": tuple(table["fixed"]),
            }
        )
        for table in tables
    )


def _read_accelerator(document: dict[str, Any]) -> tuple[str, str] | None:
    table = document.get("accelerator")
    if table is not None:
        return table["name"], table["version"]
    # What was written before the key came was built for the default one, or for none.
    is_built_for_one = document["cuda"] and document["framework"]
    return (DEFAULT.name, document["cuda"]) if is_built_for_one else None


def _read_target(table: dict[str, Any]) -> Target:
    from cudalock.targets import Target

    return Target(**{**_known(Target, table), "gpus": tuple(table["gpus"])})


def _read_goal(table: dict[str, Any]) -> Goal:
    from cudalock.goals import Goal
    from cudalock.goals.values import parse_accelerator
    from cudalock.targets.accelerators import Wish

    toolkit = table["toolkit"]
    # A lock of before has not every key: `allow_build` and `skip` came later.
    fields_of_goal: dict[str, Any] = {
        name: tuple(stated) if isinstance(stated, list) else stated
        for name, stated in _known(Goal, table).items()
    }
    parts = toolkit and (toolkit["version"], tuple(toolkit["parts"]))
    # The wish for CUDA has a key of its own, as on the command line.
    stated = table.get(OPTION)
    wish = parse_accelerator(stated) if stated else Wish.of_default(table["cuda"])
    return Goal(**{**fields_of_goal, OPTION: wish, "toolkit": parts})


def _read_pin(table: dict[str, Any]) -> Pin:
    from cudalock.lock import Pin

    wheels = tuple(map(_read_wheel, table["wheels"]))
    return Pin(
        name=table["name"],
        version=table["version"],
        wheel=_read_wheel(table["wheel"]),
        hashes=tuple(digest.removeprefix("sha256:") for digest in table["hashes"]),
        hashes_complete=table["hashes_complete"],
        via=tuple(table["via"]),
        facts=tuple(table["facts"]),
        requires=tuple(table["requires"]),
        direct=table["direct"],
        wheels=wheels,
        marker=table["marker"],
        overlooked=table.get("overlooked", False),
        held=table.get("held", False),
    )


def _read_wheel(table: dict[str, Any]) -> LockedWheel:
    from cudalock.lock import LockedWheel
    from cudalock.matrix.sources import SourceState

    # Version 1 got this key later.
    build = table.get("build")
    read = build and SourceState(build["kind"], build["reason"], tuple(build["beside"]))
    return LockedWheel(**{**_known(LockedWheel, table), "build": read})


def _known(kind: Any, table: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a dataclass that a table has."""
    return {field.name: table[field.name] for field in fields(kind) if field.name in table}


def _row(kind: Any, table: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a named tuple that a table has to have."""
    return {field: table[field] for field in kind._fields}


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the document."""
    text = files("cudalock").joinpath("schemas", "solve-1.schema.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def _target(target: Target) -> dict[str, Any]:
    # Whether a value was stated or detected is left out: the same machine gives the same bytes.
    return {
        "python": target.python,
        "platform": target.platform,
        "free_threaded": target.free_threaded,
        "glibc": target.glibc,
        "macos": target.macos,
        "gpus": list(target.gpus),
        "driver": target.driver,
        "jetpack": target.jetpack,
    }


def _accelerator(lock: Lock) -> dict[str, str] | None:
    return lock.accelerator and dict(zip(("name", "version"), lock.accelerator, strict=True))


def _goal(goal: Goal) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for field in fields(goal):
        stated = getattr(goal, field.name)
        # Notes are of the reading, and the wish for CUDA has a key of its own.
        if field.name not in ("notes", OPTION):
            table[field.name] = list(map(str, stated)) if isinstance(stated, tuple) else stated
    # Named, so that a reader need not know which of two comes first.
    toolkit = goal.toolkit and {"version": goal.toolkit[0], "parts": list(goal.toolkit[1])}
    return {**table, "toolkit": toolkit, DEFAULT.name: goal.cuda, **_of_another(goal)}


def _of_another(goal: Goal) -> dict[str, Any]:
    """The wish for an accelerator that `cuda` cannot tell."""
    wish = stated_accelerator(goal)
    return {key: stated for key, stated in wish.items() if key == OPTION}


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
        "overlooked": pin.overlooked,
        "held": pin.held,
        "wheel": _wheel(pin.wheel),
        "wheels": [_wheel(wheel) for wheel in all_wheels(pin)],
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
        "build": wheel.build and {**wheel.build._asdict(), "beside": list(wheel.build.beside)},
    }


FORMAT: Final = Format(render, "lock.json", lines="json_lines")

"""The description of the API: OpenAPI 3.1, and a JSON Schema for each kind of document."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Final

Schema = dict[str, Any]

_TEXT: Final = {"type": "string"}
_MAYBE: Final = {"type": ["string", "null"]}
_NUMBER: Final = {"type": "integer", "minimum": 0}
_FLAG: Final = {"type": "boolean"}
_TEXTS: Final = {"type": "array", "items": _TEXT}
_LABELS: Final = {"type": "object", "additionalProperties": _TEXTS}


def _object(**keys: Any) -> Schema:
    """A table in which every key is there; more may come within v1."""
    return {"type": "object", "required": sorted(keys), "properties": keys}


def _list(**keys: Any) -> Schema:
    return {"type": "array", "items": _object(**keys)}


_FACT: Final = {
    "type": "object",
    "required": ["basis", "checked", "component", "effect", "id", "says", "scope", "source"],
    "properties": {
        "id": _TEXT,
        "component": _TEXT,
        "says": _TEXT,
        "effect": {"enum": ["breaks", "degrades", "unsupported"]},
        "basis": _TEXT,
        "checked": {"type": "string", "format": "date"},
        "source": _TEXTS,
        "scope": _TEXT,
        "symptom": _TEXTS,
        "fix": _TEXT,
    },
}

_BUILD: Final = {
    "index": _MAYBE,
    "builder": _MAYBE,
    "tag": _MAYBE,
    "local": _MAYBE,
    "labels": _LABELS,
    "known": {"enum": ["metadata", "listed", "seen", "derived"]},
    "requires_python": _MAYBE,
    "source": _MAYBE,
    "warning": _MAYBE,
    "hashes": _NUMBER,
}

_RELEASE: Final = {
    "version": _TEXT,
    "uploaded": _MAYBE,
    "yanked": _MAYBE,
    "default": {"type": "object", "additionalProperties": _TEXT},
    "sdist": _FLAG,
    "pythons": _TEXTS,
    "platforms": _TEXTS,
}

KINDS: Final[dict[str, tuple[str, str, Schema]]] = {
    "index": (
        "index.json",
        "Where the other documents are",
        {"framework": _TEXT, "documents": {"type": "object", "additionalProperties": _TEXT}},
    ),
    "components": (
        "components.json",
        "Every component that facts are about",
        {
            "components": _list(
                name=_TEXT,
                kind=_TEXT,
                summary=_MAYBE,
                aliases=_TEXTS,
                imports=_TEXTS,
                releases=_NUMBER,
                newest=_MAYBE,
                facts=_TEXTS,
            )
        },
    ),
    "component": (
        "components/{component}.json",
        "A component with its releases and their builds",
        {
            "name": _TEXT,
            "kind": _TEXT,
            "summary": _MAYBE,
            "aliases": _TEXTS,
            "imports": _TEXTS,
            "retrieved": _MAYBE,
            "sources": _TEXTS,
            "versions": _list(**_RELEASE, builds=_list(**_BUILD, wheels=_NUMBER)),
            "facts": _TEXTS,
            "tables": _TEXTS,
        },
    ),
    "releases": (
        "releases/{component}.json",
        "The releases of a component, the newest first",
        {
            "name": _TEXT,
            "retrieved": _TEXT,
            "sources": _TEXTS,
            "releases": _list(
                version=_TEXT,
                uploaded=_MAYBE,
                yanked=_MAYBE,
                sdist=_FLAG,
                pythons=_TEXTS,
                builds=_NUMBER,
            ),
        },
    ),
    "release": (
        "releases/{component}/{version}.json",
        "A release with its builds, what they require, and their wheels",
        {
            "name": _TEXT,
            **_RELEASE,
            "builds": _list(
                **_BUILD, requires=_TEXTS, wheels=_list(file=_TEXT, url=_MAYBE, sha256=_MAYBE)
            ),
            "facts": _TEXTS,
        },
    ),
    "wheels": (
        "wheels/{component}.json",
        "Every wheel of a component, one row each",
        {
            "name": _TEXT,
            "wheels": _list(
                version=_TEXT,
                file=_TEXT,
                url=_MAYBE,
                sha256=_MAYBE,
                size={"type": ["integer", "null"]},
                index=_MAYBE,
                builder=_MAYBE,
                tag=_MAYBE,
                known=_TEXT,
                trust={"enum": ["own", "known", "other"]},
                requires_python=_MAYBE,
                labels=_LABELS,
            ),
        },
    ),
    "facts": ("facts.json", "Every fact", {"facts": {"type": "array", "items": _FACT}}),
    "fact": ("facts/{fact}.json", "A fact", {"fact": _FACT}),
    "tables": ("tables.json", "The tables there are", {"tables": _list(name=_TEXT, title=_TEXT)}),
    "table": (
        "tables/{table}.json",
        "A compatibility table",
        {
            "name": _TEXT,
            "title": _TEXT,
            "columns": _list(key=_TEXT, title=_TEXT),
            "rows": {
                "type": "array",
                "items": {
                    "type": "object",
                    "additionalProperties": {
                        "anyOf": [_MAYBE, _TEXTS],
                    },
                },
            },
            "facts": {"type": "object", "additionalProperties": _TEXT},
            "notes": _TEXTS,
        },
    ),
    "gpus": (
        "gpus.json",
        "Every GPU with its architecture",
        {"gpus": _list(name=_TEXT, architecture=_TEXT, vendor=_TEXT, platforms=_TEXTS)},
    ),
    "codes": (
        "codes.json",
        "The codes of what `check` and `doctor` find",
        {
            "codes": _list(
                code=_TEXT,
                name=_TEXT,
                severity=_TEXT,
                summary=_TEXT,
                means=_TEXT,
                why=_TEXT,
                fix=_TEXT,
            )
        },
    ),
    "locks": (
        "locks.json",
        "Which locks there are",
        {"locks": _list(path=_TEXT, version=_TEXT, platform=_TEXT, python=_TEXT)},
    ),
    "lock": (
        "locks/{framework}-{version}/{platform}-py{python}.json",
        "A lock of the framework with everything that it requires",
        {"lock": {"$ref": "solve.json"}},
    ),
    "renovate": (
        "renovate/{component}.json",
        "The releases of a component as a custom datasource of Renovate",
        {
            "name": _TEXT,
            "releases": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["version", "isDeprecated"],
                    "properties": {
                        "version": _TEXT,
                        "isDeprecated": _FLAG,
                        "releaseTimestamp": {"type": "string", "format": "date-time"},
                    },
                },
            },
        },
    ),
    "matrix": (
        "matrix/digests.json",
        "The files of the matrix with their digests, for `cudalock matrix update --from`",
        {
            "files": {
                "type": "object",
                "additionalProperties": _object(
                    sha256={"type": "string", "pattern": "^[0-9a-f]{64}$"}, size=_NUMBER
                ),
            }
        },
    ),
}
"""The path of each kind of document, what it is, and its keys beside those that all have."""

_PARAMETERS: Final = {
    "component": "a name of components.json",
    "version": "a version of the component's releases",
    "fact": "the id of a fact",
    "table": "a name of tables.json",
    "framework": "`framework` of index.json",
    "platform": "a platform as `--platform` has it",
    "python": "a Python, `3.12`",
}


def schemas() -> dict[str, Schema]:
    """Return the JSON Schema of each kind, and that of a lock, by name."""
    found = {
        kind: {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": _title(kind),
            **_object(
                schema={"const": _title(kind)},
                matrix={"type": "string", "pattern": r"^\d{4}(\.\d+){2,3}$"},
                generated_at={"type": "string", "format": "date-time"},
                **keys,
            ),
        }
        for kind, (_, _, keys) in KINDS.items()
    }
    text = files("cudalock").joinpath("schemas", "solve-1.schema.json").read_text("utf-8")
    return {**found, "solve": json.loads(text)}


def _title(kind: str) -> str:
    # The command that reads the list has its own name for it.
    return "cudalock.matrix-files/1" if kind == "matrix" else f"cudalock.api.{kind}/1"


def openapi(address: str) -> Schema:
    """Return the description; `address` is the site's URL, empty if nobody knows it."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "cudalock",
            "version": "1",
            "description": "What the matrix of cudalock has, as static JSON. Within v1 documents "
            "and keys are added, and none is removed or changes its meaning: ignore keys that you "
            "do not know.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": f"{address}/api/v1" if address else "."}],
        "paths": {
            f"/{path}": {"get": _operation(kind, path, summary)}
            for kind, (path, summary, _) in KINDS.items()
        },
        "components": {
            "schemas": {kind: {"$ref": f"schemas/{kind}.json"} for kind in KINDS},
        },
    }


def _operation(kind: str, path: str, summary: str) -> Schema:
    names = [name for name in _PARAMETERS if f"{{{name}}}" in path]
    return {
        "operationId": kind,
        "summary": summary,
        "parameters": [
            {
                "name": name,
                "in": "path",
                "required": True,
                "description": _PARAMETERS[name],
                "schema": {"type": "string"},
            }
            for name in names
        ],
        "responses": {
            "200": {
                "description": summary,
                "content": {
                    "application/json": {"schema": {"$ref": f"#/components/schemas/{kind}"}}
                },
            },
            "404": {"description": "There is no such document"},
        },
    }

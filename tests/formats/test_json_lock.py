"""The JSON lock: the document, its published schema, and that the two agree."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from functools import reduce
from operator import getitem
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from cudalock.errors import HashesMissing
from cudalock.formats import WriteOptions, format_of, load_format
from cudalock.formats.json_lock import SCHEMA, render, schema
from cudalock.formats.json_lock import read as read_lock
from cudalock.formats.json_lock import schema as cudalock_schema
from cudalock.goals import Goal
from cudalock.lock import (
    Lock,
    LockedWheel,
    NewerRelease,
    Pin,
    ReplacedRequirement,
    UnknownFact,
)
from cudalock.targets import Target
from cudalock.targets.accelerators import Wish
from tests.local_index import build_wheel
from tests.sample_locks import CU124, lock, pin, warning

TORCH = build_wheel("torch", "2.5.1+cu124", requires=["numpy"])
NUMPY = build_wheel("numpy", "2.1.3").without_digest()


def full_lock() -> Lock:
    """A lock with something in every place."""
    torch = pin(TORCH, index="cu124", url=f"{CU124.url}/{TORCH.name}", facts=("torch-numpy",))
    return lock(
        torch,
        pin(NUMPY, via=("torch",), warning="A trap."),
        indexes=(CU124,),
        warnings=(warning("caf\u00e9 is slow"),),
        notes=("a note",),
        replaced=("unsloth asks for triton [unsloth-triton]",),
        replacements=(ReplacedRequirement("unsloth", "triton", None, "unsloth-triton"),),
        others=(Target("3.12", "linux-x86_64"),),
        goal=Goal(("torch==2.5.1",), accelerator=Wish("rocm", "==6.2.*")),
        accelerator=("rocm", "6.2"),
        stack=("torch",),
        unknowns=(UnknownFact("torch 2.5.1", "GPU 9.0", "torch-gpu-archs"),),
        newer=(NewerRelease("torch", "2.6.0", "nobody has seen it", None),),
        builders=("Dao-AILab/flash-attention",),
    )


def read(lock: Lock) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(render(lock))
    return document


@pytest.mark.parametrize("lock", [full_lock(), lock(), lock(pin(NUMPY), cuda=None, framework=None)])
def test_documents_are_valid(lock: Lock) -> None:
    Draft202012Validator(schema()).validate(read(lock))


def test_a_goal_is_read_back_whole() -> None:
    """Each field of it, those that a later option adds too."""
    goal = Goal(
        ("jax[cuda12]<0.5,>=0.4", "torch==2.5.1"),
        ("numpy<2",),
        Wish("rocm", "==6.2.*"),
        cudnn="==9.1.*",
        toolkit=("12.4.1", ("cublas", "nvcc")),
        builders="any",
        exclude_newer="2025-01-31",
        allow_build=("deepspeed",),
        skip=("triton",),
        strict=True,
    )
    defaults = Goal(())
    told = {row.name for row in fields(Goal) if row.compare}
    assert not [name for name in told if getattr(goal, name) == getattr(defaults, name)]
    assert read_lock(render(lock(goal=goal))).goal == goal


def test_schema_is_one_and_is_named() -> None:
    Draft202012Validator.check_schema(schema())
    assert schema()["title"] == read(lock())["schema"] == SCHEMA


def undescribed(document: object, schema: dict[str, Any], path: str = "") -> list[str]:
    """Paths of the document that the schema says nothing of."""
    if "$ref" in schema:
        schema = reduce(getitem, schema["$ref"].split("/")[1:], cudalock_schema())
    if isinstance(document, dict):
        known = schema.get("properties", {})
        missing = [f"{path}.{key}" for key in document if key not in known]
        return missing + [
            found
            for key, value in document.items()
            if key in known
            for found in undescribed(value, known[key], f"{path}.{key}")
        ]
    if isinstance(document, list):
        return [
            found
            for value in document
            for found in undescribed(value, schema["items"], f"{path}[]")
        ]
    return []


def test_every_key_is_described() -> None:
    assert undescribed(read(full_lock()), schema()) == []


def test_a_key_left_out_is_noticed() -> None:
    document = read(full_lock())
    del document["pins"][0]["wheel"]["sha256"]
    (error,) = Draft202012Validator(schema()).iter_errors(document)
    assert list(error.absolute_path) == ["pins", 0, "wheel"]


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        (Pin, lambda document: document["pins"][0]),
        (LockedWheel, lambda document: document["pins"][0]["wheel"]),
        (Lock, lambda document: {**document, "matrix_version": document["matrix"]}),
        (Goal, lambda document: {**document["goal"], "notes": None}),
        (Target, lambda document: {**document["target"], "stated": None, "assumes_glibc": None}),
    ],
)
def test_no_field_is_forgotten(kind: type[Any], where: Any) -> None:
    assert {field.name for field in fields(kind)} <= where(read(full_lock())).keys()


def test_values_arrive() -> None:
    document = read(full_lock())
    assert [pin["name"] for pin in document["pins"]] == ["numpy", "torch"]
    assert document["pins"][1]["hashes"] == [f"sha256:{TORCH.sha256}"]
    assert document["pins"][0]["wheel"]["sha256"] is None
    assert document["target"]["glibc"] == "2.28"
    assert read(lock())["goal"]["cuda"] == "==12.4.*"
    assert document["goal"]["accelerator"] == "rocm==6.2.*"
    assert document["accelerator"] == {"name": "rocm", "version": "6.2"}
    assert document["indexes"] == [
        {"id": "cu124", "url": CU124.url, "trust": "own", "cuda": CU124.cuda}
    ]


def test_toolkit_is_a_table() -> None:
    asked = lock()
    goal = replace(asked.goal, toolkit=("12.4.1", ("cudart", "nvcc")))
    document = read(replace(asked, goal=goal))
    assert document["goal"]["toolkit"] == {"version": "12.4.1", "parts": ["cudart", "nvcc"]}


def test_bytes_are_stable() -> None:
    text = render(full_lock())
    assert text == render(full_lock())
    assert text.isascii()
    assert text.endswith("}\n")
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"


def test_a_stated_target_and_a_detected_one_are_the_same_lock() -> None:
    one = full_lock()
    other = replace(one, target=replace(one.target, stated=frozenset({"python", "platform"})))
    assert render(one) == render(other)


def test_required_hashes_are_required_here_too() -> None:
    assert format_of("lock.json") == "json"
    kind = load_format("json")
    assert kind.render(full_lock(), WriteOptions()) == render(full_lock())
    with pytest.raises(HashesMissing, match="numpy"):
        kind.render(full_lock(), WriteOptions(hashes="require"))

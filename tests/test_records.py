"""`cudalock.records` makes what the standard library makes."""

from __future__ import annotations

import dataclasses
import inspect
import pickle
import sys
import types
import typing
from pathlib import Path
from typing import Any

import pytest

from cudalock import records
from cudalock.mirrors import Mirrors
from cudalock.targets import Target
from tests.paths import RESOLVER

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

IMPORT = "from cudalock.records import "
USERS = sorted(
    path for path in RESOLVER.rglob("*.py") if f"\n{IMPORT}" in path.read_text(encoding="utf-8")
)

SOURCE = '''
from __future__ import annotations

class Base:
    pass

@dataclass(frozen=True, slots=True)
class Slotted:
    """A value."""
    name: str
    count: int = 3
    """a line about it"""
    parts: list[str] = field(default_factory=list, compare=False)
    hidden: str = field(default="", repr=False)
    _index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", {self.name: self.count})

    @property
    def both(self) -> str:
        return f"{self.name} {self.count}"

@dataclass(frozen=True)
class Open(Base):
    name: str
    count: int = 3

@dataclass(frozen=True, slots=True)
class Single:
    name: str

    def __repr__(self) -> str:
        return "own"

@dataclass(frozen=True, slots=True)
class Empty:
    pass

class Pair(NamedTuple):
    """A tuple."""
    name: str
    count: int = 3
    """a line about it"""
    more: Mapping[str, tuple[str, ...]] = {}

    @classmethod
    def of(cls, text: str) -> Pair:
        return cls(text)

    @property
    def both(self) -> str:
        return f"{self.name} {self.count}"

    def __str__(self) -> str:
        return self.both
'''


def made(source: str, name: str, **with_what: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__.update(with_what)
    # dataclasses looks for a class's module, for what `ClassVar` means there.
    sys.modules[name] = module
    exec(compile(source, name, "exec", dont_inherit=True), module.__dict__)
    return module


STANDARD: dict[str, Any] = {
    "NamedTuple": typing.NamedTuple,
    "dataclass": dataclasses.dataclass,
    "field": dataclasses.field,
    "replace": dataclasses.replace,
}
OWN = {name: getattr(records, name) for name in STANDARD}


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    sys.modules.pop("made_records", None)


def classes(module: types.ModuleType) -> Iterator[tuple[str, type]]:
    for name, member in vars(module).items():
        if isinstance(member, type) and member.__module__ == module.__name__:
            yield name, member


def shown(default: object) -> str:
    # The repr of a function has its place in memory.
    return getattr(default, "__qualname__", repr(default))


def described(cls: type) -> object:
    """What users of a class can see of its fields and members."""
    fields = getattr(cls, "__dataclass_fields__", None)
    if fields is None and not hasattr(cls, "_fields"):
        return None
    parameters = inspect.signature(cls).parameters.values()
    return (
        [
            (
                each.name,
                each.kind,
                None if fields else shown(each.default),
                each.default is each.empty,
            )
            for each in parameters
        ],
        getattr(cls, "_fields", None),
        {name: shown(default) for name, default in getattr(cls, "_field_defaults", {}).items()},
        [(name, each.init, each.repr, each.compare) for name, each in (fields or {}).items()],
        getattr(cls, "__slots__", None),
        cls.__match_args__,  # type: ignore[attr-defined]
        cls.__doc__ if cls.__doc__ and "(" not in cls.__doc__ else "",
        cls.__qualname__,
        sorted(name for name in vars(cls) if not name.startswith("__")),
    )


@pytest.mark.parametrize("path", USERS, ids=lambda path: str(path.relative_to(RESOLVER)))
def test_each_class_is_what_the_standard_library_makes(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    names = [line.removeprefix(IMPORT) for line in lines if line.startswith(IMPORT)]
    source = "\n".join("" if line.startswith(IMPORT) else line for line in lines)
    assert names, "the import is one line"
    own, standard = (made(source, "made_records", **kind) for kind in (OWN, STANDARD))
    seen = {name: described(cls) for name, cls in classes(own)}
    assert seen == {name: described(cls) for name, cls in classes(standard)}


VALUES = [
    'Slotted("a")',
    'Slotted("a", 4, ["x"])',
    'Slotted(name="a", hidden="h")',
    'Slotted("b")',
    "Slotted()",
    'Slotted("a", nosuch=1)',
    'Slotted("a", 1, [], "", {})',
    'Open("a")',
    'Open("a", count=3)',
    'Single("a")',
    "Empty()",
    'Pair("a")',
    'Pair("a", 3, {})',
    'Pair.of("a")',
    'Pair("a", 1, {}, 2)',
    "Pair()",
    'replace(Slotted("a"), count=5)',
    'replace(Slotted("a"), nosuch=5)',
    'replace(Open("a"), name="b")',
    'Pair("a")._replace(count=5)',
    'Slotted("a").both',
    'str(Pair("a"))',
    'setattr(Slotted("a"), "name", "b")',
    'setattr(Open("a"), "other", "b")',
    'delattr(Slotted("a"), "name")',
    'hash(Slotted("a")) == hash(Slotted("a", parts=["x"]))',
    'Slotted("a") == Slotted("a", parts=["x"])',
    'Slotted("a") == Slotted("a", hidden="h")',
    'Single("a") == Open("a")',
    '{Slotted("a"): 1}[Slotted("a")]',
    'Open("a").count + Open.count',
    'tuple(Pair("a"))',
    'Pair("a")._asdict()',
]


@pytest.mark.parametrize("expression", VALUES)
def test_values_behave_alike(expression: str) -> None:
    def outcome(module: types.ModuleType) -> str:
        try:
            return repr(eval(expression, module.__dict__))
        except (AttributeError, TypeError) as error:
            # CPython's versions word it differently, and ours raises what it raises.
            return type(error).__name__

    own, standard = (made(SOURCE, "made_records", **kind) for kind in (OWN, STANDARD))
    assert outcome(own) == outcome(standard)


def test_the_standard_library_takes_them() -> None:
    target = Target("3.11", "linux-x86_64")
    assert dataclasses.is_dataclass(target)
    assert dataclasses.replace(target, python="3.12") == Target("3.12", "linux-x86_64")
    names = [each.name for each in dataclasses.fields(target)]
    assert dataclasses.asdict(target).keys() == set(names)
    assert pickle.loads(pickle.dumps(target)) == target
    assert pickle.loads(pickle.dumps(Mirrors())) == Mirrors()


def test_what_changes_is_refused() -> None:
    with pytest.raises(TypeError, match="standard library"):
        made("@dataclass(frozen=False)\nclass A:\n    a: str", "made_records", **OWN)

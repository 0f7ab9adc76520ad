"""`dataclass`, `replace` and `NamedTuple` for the modules that every command imports.

They do what those of the standard library do, at a fifth of the price. A frozen dataclass takes
0.7 ms there, in which six functions are written and compiled, and a NamedTuple 0.3 ms, in which the
annotation of each field is. A solve imports a hundred such classes: they took a fifth of its time.

Here a dataclass has one function of its own, `__init__`, which is compiled when its first value is
made, and a NamedTuple keeps its annotations as texts; those of as many fields share the code of
`__new__`, whose variables are renamed. Type checkers see the standard library's, and a test
compares both. Modules that only some commands import use the standard library itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["NamedTuple", "dataclass", "field", "replace"]

if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
    from typing import NamedTuple
else:
    import sys
    from _collections import _tuplegetter
    from functools import cache, partial
    from operator import attrgetter
    from types import CodeType, FunctionType, MethodType

    class _TupleMaker(type):
        """Makes a tuple with named fields of a class body."""

        def __new__(mcs, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            if not bases:
                return super().__new__(mcs, name, bases, body)
            names = tuple(body.get("__annotations__", {}))
            # Where a field has a default, the class has the field.
            defaults = {name: body[name] for name in names if name in body}
            members = {key: member for key, member in body.items() if key not in names}
            members |= {name: _tuplegetter(place, "") for place, name in enumerate(names)}
            return type(
                name,
                (tuple,),
                {
                    **_TUPLE_MEMBERS,
                    "__slots__": (),
                    "_fields": names,
                    "_field_defaults": defaults,
                    "__match_args__": names,
                    "__new__": _new_of(names, tuple(defaults.values())),
                    **members,
                },
            )

    def _new_of(names: tuple[str, ...], defaults: tuple[object, ...]) -> Any:
        """Return `__new__` for a tuple with these fields: compiled once for each number of them."""
        code = _new_code(len(names)).replace(co_varnames=("_cls", *names))
        return FunctionType(code, {"_make": tuple.__new__}, "__new__", defaults)

    @cache
    def _new_code(count: int) -> CodeType:
        names = [f"_{place}" for place in range(count)]
        values = f"({', '.join(names)}{',' if count == 1 else ''})"
        made: Any = eval(f"lambda {', '.join(['_cls', *names])}: _make(_cls, {values})")
        return made.__code__

    def _make_tuple(cls: Any, members: Any) -> Any:
        record = tuple.__new__(cls, members)
        if len(record) != len(cls._fields):
            raise TypeError(f"Expected {len(cls._fields)} arguments, got {len(record)}")
        return record

    def _replace_fields(self: Any, /, **changes: Any) -> Any:
        changed = self._make(map(changes.pop, self._fields, self))
        if changes:
            raise ValueError(f"Got unexpected field names: {list(changes)!r}")
        return changed

    def _shown_tuple(self: Any) -> str:
        pairs = zip(self._fields, self, strict=True)
        return f"{type(self).__name__}({', '.join(f'{name}={field!r}' for name, field in pairs)})"

    _TUPLE_MEMBERS: Any = {
        "_make": classmethod(_make_tuple),
        "_replace": _replace_fields,
        "_asdict": lambda self: dict(zip(self._fields, self, strict=True)),
        "__repr__": _shown_tuple,
        "__getnewargs__": tuple,
    }
    if sys.version_info >= (3, 13):
        _TUPLE_MEMBERS["__replace__"] = _replace_fields

    class NamedTuple(metaclass=_TupleMaker):
        """A tuple with named fields, as `typing.NamedTuple`."""

    class _RecordField:
        """What a dataclass knows of a field beside its name."""

        def __init__(self, **options: Any) -> None:
            self.options = options
            self.name = ""

        def is_for(self, use: str) -> bool:
            """Return whether it takes part in `init`, `repr` or `compare`."""
            return bool(self.options.get(use, True))

    def field(**options: Any) -> _RecordField:
        """Describe a field by the options of `dataclasses.field`."""
        return _RecordField(**options)

    def dataclass(*, frozen: bool, slots: bool = False) -> Any:
        """Make a frozen dataclass, as `dataclasses.dataclass` does; a base has no fields."""
        if not frozen:
            raise TypeError("a record is frozen: use the standard library's dataclass")
        return partial(_dataclass, slots=slots)

    def _dataclass(cls: type, *, slots: bool) -> type:
        fields = [_field(cls, name) for name in cls.__annotations__]
        compared = [member.name for member in fields if member.is_for("compare")]
        shown = [member.name for member in fields if member.is_for("repr")]
        # attrgetter has a tuple of several names, and of one name the value itself.
        key_of = attrgetter(*compared) if compared else tuple

        def is_equal(self: object, other: object) -> Any:
            if other.__class__ is not self.__class__:
                return NotImplemented
            return key_of(self) == key_of(other)

        def hashed(self: object) -> int:
            return hash(key_of(self))

        def shown_as(self: object) -> str:
            values = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
            return f"{type(self).__qualname__}({values})"

        members = {
            "__match_args__": tuple(member.name for member in fields if member.is_for("init")),
            "__init__": _LateInit(fields, hasattr(cls, "__post_init__")),
            "__eq__": is_equal,
            "__hash__": hashed,
            "__setattr__": _refuse,
            "__delattr__": _refuse,
            "__dataclass_fields__": _StandardFields(fields),
        }
        if "__repr__" not in cls.__dict__:
            members["__repr__"] = shown_as
        return _slotted(cls, fields, members) if slots else _with_members(cls, fields, members)

    def _field(cls: type, name: str) -> _RecordField:
        stated = cls.__dict__.get(name, _RecordField())
        member = stated if isinstance(stated, _RecordField) else _RecordField(default=stated)
        member.name = name
        return member

    def _with_members(cls: type, fields: list[_RecordField], members: dict[str, Any]) -> type:
        for member in fields:
            if "default" in member.options:
                setattr(cls, member.name, member.options["default"])
            elif member.name in cls.__dict__:
                delattr(cls, member.name)
        for key, member in members.items():
            setattr(cls, key, member)
        return cls

    def _slotted(cls: type, fields: list[_RecordField], members: dict[str, Any]) -> type:
        """Make the class again: the slots of one that is there cannot be changed."""
        names = tuple(member.name for member in fields)
        left_out = {*names, "__dict__", "__weakref__"}
        body = {key: member for key, member in cls.__dict__.items() if key not in left_out}
        # What is frozen is pickled by its slots.
        slots = {"__slots__": names, "__getstate__": _state, "__setstate__": _set_state}
        made = type(cls)(cls.__name__, cls.__bases__, {**body, **members, **slots})
        made.__qualname__ = cls.__qualname__
        return made

    class _LateInit:
        """`__init__`, compiled when it is first needed: a command makes half of its values."""

        def __init__(self, fields: list[_RecordField], has_post_init: bool) -> None:
            self._fields = fields
            self._has_post_init = has_post_init

        def __get__(self, record: object, owner: type) -> Any:
            home = next(base for base in owner.__mro__ if base.__dict__.get("__init__") is self)
            home.__init__ = init = _init_of(self._fields, self._has_post_init)
            return init if record is None else MethodType(init, record)

    def _init_of(fields: list[_RecordField], has_post_init: bool) -> Any:
        known: dict[str, Any] = {"_set": object.__setattr__, "_missing": _RecordField}
        parameters, lines = ["self"], []
        for member in fields:
            name, value = member.name, member.name
            if not member.is_for("init"):
                continue
            if "default_factory" in member.options:
                known[f"_make_{name}"] = member.options["default_factory"]
                value = f"_make_{name}() if {name} is _missing else {name}"
                parameters.append(f"{name}=_missing")
            elif "default" in member.options:
                known[f"_default_{name}"] = member.options["default"]
                parameters.append(f"{name}=_default_{name}")
            else:
                parameters.append(name)
            lines.append(f" _set(self, {name!r}, {value})\n")
        lines.append(" self.__post_init__()\n" if has_post_init else " pass\n")
        exec(f"def __init__({', '.join(parameters)}):\n{''.join(lines)}", known)
        return known["__init__"]

    def _refuse(self: object, name: str, *_: object) -> None:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _state(self: Any) -> list[object]:
        return [getattr(self, name) for name in self.__slots__]

    def _set_state(self: Any, state: list[object]) -> None:
        for name, value in zip(self.__slots__, state, strict=True):
            object.__setattr__(self, name, value)

    class _StandardFields:
        """What `dataclasses.replace`, `fields` and `asdict` look for, made once they do."""

        def __init__(self, fields: list[_RecordField]) -> None:
            self._fields = fields
            self._made: dict[str, Any] | None = None

        def __get__(self, _value: object, owner: type) -> dict[str, Any]:
            if self._made is None:
                import dataclasses

                body = {member.name: dataclasses.field(**member.options) for member in self._fields}
                body["__annotations__"] = owner.__annotations__
                standard = dataclasses.dataclass(type(owner.__name__, (), body))
                self._made = standard.__dataclass_fields__
            return self._made

    def replace(value: Any, /, **changes: Any) -> Any:
        """Return a dataclass with other values of some fields, as `dataclasses.replace`."""
        known = type(value).__dict__.get("__dataclass_fields__")
        if not isinstance(known, _StandardFields):
            import dataclasses

            return dataclasses.replace(value, **changes)
        names = type(value).__match_args__
        return type(value)(**{name: getattr(value, name) for name in names} | changes)

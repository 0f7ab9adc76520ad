"""A TOML file whose values know their places, for the readers of each kind of TOML file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cudalock import toml
from cudalock.projects.model import Declared, Place, Problem, Said
from cudalock.projects.syntax.pep508 import entry, is_marker, is_specifier, parse
from cudalock.projects.syntax.toml import Node, Places, TooDeep

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cudalock.projects.syntax.text import Text
    from cudalock.projects.syntax.toml import Key


class TomlFile:
    """A document, its places, and what was found wrong with it. It is empty if it is not TOML."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.problems: list[Problem] = []
        self.places: Places
        self.data: dict[str, Any] = self._load()

    def _load(self) -> dict[str, Any]:
        try:
            # first, since it says of what the parser would choke on that it is too deep
            self.places = _places(self.text.text)
            return toml.loads(self.text.text)
        except RecursionError:
            message = "it is nested too deeply"
        except ValueError as error:
            # integers of too many digits are a ValueError that is no TOMLDecodeError
            message = str(error)
        self.problems.append(Problem(self.text.place(0, 0), f"this is not TOML: {message}"))
        return {}

    # -- values -----------------------------------------------------------------------------------

    def table(self, *key: str | int) -> Mapping[str, Any]:
        """The table at a path; empty, with a problem, where something else is."""
        found: Any = self.data
        for position, part in enumerate(key):
            if isinstance(part, str) and isinstance(found, dict):
                found = found.get(part, {})
            elif isinstance(part, int) and isinstance(found, list):
                found = found[part]
            if not isinstance(found, dict | list):
                self.problem(key[: position + 1], "it is no table")
                return {}
        if not isinstance(found, dict):
            self.problem(key, "it is no table")
            return {}
        return found

    def items(self, *key: str) -> Iterator[tuple[Key, Any]]:
        """The entries of the array at a path, each with its own path."""
        found = self.table(*key[:-1]).get(key[-1], [])
        if not isinstance(found, list):
            self.problem(key, "it is no list")
            return
        for position, item in enumerate(found):
            yield (*key, position), item

    def string(self, *key: str | int) -> str | None:
        """The string at a path; None, with a problem if something else is there."""
        found = self.table(*key[:-1]).get(str(key[-1]))
        if found is None or isinstance(found, str):
            return found
        self.problem(key, "it is no string")
        return None

    def said(self, *key: str | int) -> Said | None:
        """The string at a path with its place."""
        found = self.string(*key)
        return None if found is None else Said(found, self.place(key))

    def range(self, *key: str) -> Said | None:
        """The PEP 440 range at a path; None, with a problem, for what is none."""
        said = self.said(*key)
        if said is not None and not is_specifier(said.value):
            self.problem(key, f"`{said.value}` is no version range")
            return None
        return said

    # -- places -----------------------------------------------------------------------------------

    def node(self, key: Key) -> Node:
        """Where a value stands, or the nearest thing above it that stands somewhere."""
        while key:
            if (found := self.places.nodes.get(key)) is not None:
                return found
            key = key[:-1]
        return Node(0, 0, 0)

    def place(self, key: Key) -> Place:
        """The place of a value; of a string, what is between its quotes."""
        node = self.node(key)
        return self.text.place(node.start, node.end)

    def pair_place(self, key: Key) -> Place:
        """The place of a value together with its key."""
        node = self.node(key)
        return self.text.place(node.key_start, node.end + int(node.is_string))

    def problem(self, key: Key, message: str) -> None:
        """Notes what is wrong with a value."""
        name = ".".join(str(part) for part in key)
        self.problems.append(Problem(self.place(key), f"{name}: {message}"))

    # -- requirements -----------------------------------------------------------------------------

    def requirement(
        self, key: Key, *, group: str | None = None, role: str = "requirement"
    ) -> Declared | None:
        """The PEP 508 string at a path; None, with a problem, where there is none."""
        found: Any = self.data
        for part in key:
            found = found[part]
        if not isinstance(found, str):
            self.problem(key, "it is no string")
            return None
        parsed = parse(found)
        place = self.place(key)
        if parsed.problem is not None:
            self.problem(key, f"`{found}` is no requirement: {parsed.problem}")
            return None
        node = self.node(key)
        written = self.text.text[place.start : place.end]
        where = self.text.place(*self.places.span(node, *parsed.version))
        ignored = self.text.ignored(node.key_start, node.end)
        return entry(parsed, written, place, where, ignored, group=group, role=role)

    def requirements(
        self, *key: str, group: str | None = None, role: str = "requirement"
    ) -> list[Declared]:
        """The PEP 508 strings of the array at a path."""
        found = (self.requirement(each, group=group, role=role) for each, _ in self.items(*key))
        return [each for each in found if each is not None]

    def markers(self, *key: str) -> tuple[Said, ...]:
        """The markers at a path, a string or a list of them."""
        value = self.table(*key[:-1]).get(key[-1])
        keys = [key] if isinstance(value, str) else [each for each, _ in self.items(*key)]
        found = []
        for each in keys:
            place = self.place(each)
            text: Any = self.data
            for part in each:
                text = text[part]
            if isinstance(text, str) and is_marker(text):
                found.append(Said(text, place))
            else:
                self.problem(each, f"`{text}` is no marker")
        return tuple(found)


def as_list(value: object) -> list[Any]:
    """The value where it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def _places(text: str) -> Places:
    """Where the values stand; nowhere for what is no TOML, of which the parser will say more."""
    try:
        return Places(text)
    except TooDeep:
        raise
    except (ValueError, IndexError):
        return Places("")

"""A TOML file whose values have spans, for the readers of each kind of TOML file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cudalock import toml
from cudalock.projects.model import Declared, FileProblem, Place, StatedValue
from cudalock.projects.syntax.pep508 import entry, is_marker, is_specifier, parse
from cudalock.projects.syntax.toml import Node, Places, TooDeep

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cudalock.projects.syntax.text import Text
    from cudalock.projects.syntax.toml import Key


class TomlFile:
    """A document, the spans of its values, and its problems. It is empty if it is invalid TOML."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.problems: list[FileProblem] = []
        self.places: Places
        self.data: dict[str, Any] = self._load()

    def _load(self) -> dict[str, Any]:
        try:
            # First: the parser would run out of memory for keys that this finds too deep.
            self.places = _places(self.text.text)
            return toml.loads(self.text.text)
        except RecursionError:
            message = "it is nested too deeply"
        except ValueError as error:
            # int() refuses more than 4,300 digits with a ValueError that is no TOMLDecodeError.
            message = str(error)
        self.problems.append(FileProblem(self.text.place(0, 0), f"this is not TOML: {message}"))
        return {}

    # -- values -----------------------------------------------------------------------------------

    def table(self, *key: str | int) -> Mapping[str, Any]:
        """The table at a path; empty, with a problem, where something else is."""
        node: Any = self.data
        for position, part in enumerate(key):
            if isinstance(part, str) and isinstance(node, dict):
                node = node.get(part, {})
            elif isinstance(part, int) and isinstance(node, list):
                node = node[part]
            if not isinstance(node, dict | list):
                self.problem(key[: position + 1], "expected a table")
                return {}
        if not isinstance(node, dict):
            self.problem(key, "expected a table")
            return {}
        return node

    def items(self, *key: str) -> Iterator[tuple[Key, Any]]:
        """The entries of the array at a path, each with its own path."""
        array = self.table(*key[:-1]).get(key[-1], [])
        if not isinstance(array, list):
            self.problem(key, "expected a list")
            return
        for position, member in enumerate(array):
            yield (*key, position), member

    def string(self, *key: str | int) -> str | None:
        """The string at a path; None, with a problem if something else is there."""
        text = self.table(*key[:-1]).get(str(key[-1]))
        if text is None or isinstance(text, str):
            return text
        self.problem(key, "expected a string")
        return None

    def said(self, *key: str | int) -> StatedValue | None:
        """The string at a path with its place."""
        text = self.string(*key)
        return None if text is None else StatedValue(text, self.place(key))

    def range(self, *key: str) -> StatedValue | None:
        """Return the PEP 440 range at a path; None, with a problem, for an invalid one."""
        stated = self.said(*key)
        if stated is not None and not is_specifier(stated.value):
            self.problem(key, f"invalid version range `{stated.value}`")
            return None
        return stated

    # -- places -----------------------------------------------------------------------------------

    def node(self, key: Key) -> Node:
        """Return the span of a value, or of the nearest table or array above it that has one."""
        while key:
            if (found := self.places.nodes.get(key)) is not None:
                return found
            key = key[:-1]
        # The document itself: nothing of the path is written.
        return Node(0, 0, 0)

    def place(self, key: Key) -> Place:
        """The place of a value; of a string, what is between its quotes."""
        node = self.node(key)
        return self.text.place(node.start, node.end)

    def pair_place(self, key: Key) -> Place:
        """The place of a value together with its key."""
        node = self.node(key)
        # The span of a string ends before its closing quote; that of the pair includes it.
        return self.text.place(node.key_start, node.end + int(node.is_string))

    def problem(self, key: Key, message: str) -> None:
        """Note what is wrong with a value."""
        name = ".".join(str(part) for part in key)
        self.problems.append(FileProblem(self.place(key), f"{name}: {message}"))

    # -- requirements -----------------------------------------------------------------------------

    def requirement(
        self, key: Key, *, group: str | None = None, role: str = "requirement"
    ) -> Declared | None:
        """Return the PEP 508 string at a path; None, with a problem, if there is no valid one."""
        text: Any = self.data
        for part in key:
            text = text[part]
        if not isinstance(text, str):
            self.problem(key, "expected a string")
            return None
        parsed = parse(text)
        place = self.place(key)
        if parsed.problem is not None:
            self.problem(key, f"invalid requirement `{text}`: {parsed.problem}")
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
        requirements = (
            self.requirement(requirement, group=group, role=role)
            for requirement, _ in self.items(*key)
        )
        return [requirement for requirement in requirements if requirement is not None]

    def markers(self, *key: str) -> tuple[StatedValue, ...]:
        """The markers at a path, a string or a list of them."""
        value = self.table(*key[:-1]).get(key[-1])
        keys = [key] if isinstance(value, str) else [path for path, _ in self.items(*key)]
        markers = []
        for path in keys:
            place = self.place(path)
            text: Any = self.data
            for part in path:
                text = text[part]
            if isinstance(text, str) and is_marker(text):
                markers.append(StatedValue(text, place))
            else:
                self.problem(path, f"invalid marker `{text}`")
        return tuple(markers)


def as_list(node: object) -> list[Any]:
    """Return a value that is a list, else an empty list."""
    return node if isinstance(node, list) else []


def _places(text: str) -> Places:
    """Return the spans of values; none for invalid TOML, which the parser reports better."""
    try:
        return Places(text)
    except TooDeep:
        raise
    except (ValueError, IndexError):
        return Places("")

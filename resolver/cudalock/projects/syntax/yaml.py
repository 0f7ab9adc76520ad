"""A YAML document as a tree whose nodes have spans.

The tree is built from the parser's events and not by its composer, which calls itself for each
level: a file of a million brackets would end the process.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# An environment.yml has four levels; the readers of the tree may call themselves for each.
_DEEPEST: Final = 100


class BadYaml(ValueError):
    """Invalid YAML: what is wrong, and at which character."""

    def __init__(self, message: str, start: int = 0) -> None:
        super().__init__(message)
        self.start = start


@dataclass(eq=False, slots=True)
class YamlNode:
    """A scalar with its `value`, or a mapping or sequence with the nodes in it.

    Keys and values of a mapping take turns in `inner`. `start` and `end` of a scalar are without
    its quotes.
    """

    kind: str
    start: int
    end: int
    value: str = ""
    inner: list[YamlNode] = field(default_factory=list)

    def pairs(self) -> Iterator[tuple[YamlNode, YamlNode]]:
        """The keys and values of a mapping; nothing for anything else."""
        if self.kind == "mapping":
            yield from zip(self.inner[::2], self.inner[1::2], strict=False)

    def items(self) -> list[YamlNode]:
        """The items of a sequence; nothing for anything else."""
        return self.inner if self.kind == "sequence" else []


def compose(text: str) -> YamlNode:
    """Return the first document of a text. Raises BadYaml for an invalid or too deeply nested
    one."""
    import yaml

    # libyaml's parser is twenty times as fast, and not in every build of PyYAML.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    anchors: dict[str, YamlNode] = {}
    root = YamlNode("sequence", 0, len(text))
    above = [root]
    try:
        for event in yaml.parse(text, Loader=loader):
            if isinstance(event, yaml.DocumentEndEvent):
                break
            if isinstance(event, yaml.CollectionEndEvent):
                above.pop()
            elif isinstance(event, yaml.AliasEvent):
                # The anchored node itself, not a copy: a few lines of aliases to lists of aliases
                # would otherwise make a tree of billions.
                if (anchored := anchors.get(event.anchor or "")) is not None:
                    above[-1].inner.append(anchored)
            elif isinstance(event, yaml.NodeEvent):
                node = _node(event)
                above[-1].inner.append(node)
                if event.anchor:
                    anchors[event.anchor] = node
                if node.kind != "scalar":
                    above.append(node)
                if len(above) > _DEEPEST:
                    raise BadYaml("it is nested too deeply", node.start)
    except yaml.MarkedYAMLError as error:
        start = error.problem_mark.index if error.problem_mark else 0
        raise BadYaml(error.problem or "it cannot be read", min(start, len(text))) from None
    # Of bytes that YAML does not allow the reader reports no mark.
    except yaml.YAMLError as error:
        raise BadYaml((str(error).splitlines() or ["it cannot be read"])[0]) from None
    return root.inner[0] if root.inner else YamlNode("scalar", 0, 0)


def _node(event: object) -> YamlNode:
    import yaml

    assert isinstance(event, yaml.NodeEvent)
    assert event.start_mark is not None
    assert event.end_mark is not None
    start, end = event.start_mark.index, event.end_mark.index
    if isinstance(event, yaml.MappingStartEvent):
        return YamlNode("mapping", start, end)
    if isinstance(event, yaml.ScalarEvent):
        # Block scalars have a style too (`|`, `>`), and no quotes.
        quoted = event.style in ("'", '"')
        return YamlNode("scalar", start + quoted, end - quoted, event.value)
    return YamlNode("sequence", start, end)

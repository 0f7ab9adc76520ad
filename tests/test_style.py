"""How the package reads: names, comments, and the words that its users meet.

Each bar is a number that may only fall (of comments: rise), and what is still above it is counted
file by file.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests.paths import RESOLVER

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = RESOLVER / "cudalock"

VAGUE = {
    word
    for line in (
        "each found said held told kept asked wanted made given left seen meant mended taken",
        "alone settled anew whole rest more others what which item items data info value values",
        "thing things entry entries obj tmp res ret stuff it elem",
    )
    for word in line.split()
}
"""Names that do not tell what they hold."""

MOST_VAGUE = 0.02
"""The share of all names bound in the package that may be vague."""

COMMENTS = (3.0, 6.0)
"""The fewest and the most comments for a hundred lines of code, over the whole package."""

PLAIN = {
    r"\bis no\b": "invalid ..., not a ...",
    r"\bexclude (each other|one another)\b": "cannot be combined, conflict",
    r"\btold\b|\btells?\b": "reported, described",
    r"\bsaid\b": "given, written",
    r"\banew\b": "again, re-...",
    r"\bmend": "fix",
    r"\bheld\b": "pinned, in the matrix",
    r"\bcomes? to\b": "resolves to",
    r"\basked\b|\basks?\b": "requested, required, queried",
    r"\bgo(es)? together\b": "compatible",
    r"\bno answer\b": "no solution",
    r"\bwithdrawn?\b|\bwithdrew\b": "yanked",
    r"\bstands? in\b": "falls back to",
    r"\bheeded\b": "ignored",
    r"\blet go\b|\bgiven up\b": "dropped, gave up",
}
"""Words of no use to whoever knows pip, and what to write for them."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def place(path: Path, line: int) -> str:
    return f"{path.relative_to(PACKAGE).as_posix()}:{line}"


# -- names --------------------------------------------------------------------------------------


def bound_names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The names that a module binds, with the line."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                yield name, node.lineno
            case ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
                yield name, node.lineno
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name, node.lineno
            case ast.ClassDef(name=name) | ast.alias(asname=str(name)):
                yield name, node.lineno
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name, node.lineno
            case _:
                pass


def test_names_tell_what_they_hold() -> None:
    vague: Counter[str] = Counter()
    total = 0
    for path in modules():
        for name, _ in bound_names(tree_of(path)):
            if name not in ("self", "cls", "_"):
                total += 1
                if name.strip("_") in VAGUE:
                    vague[path.relative_to(PACKAGE).parts[0]] += 1
    share = sum(vague.values()) / total
    assert share <= MOST_VAGUE, f"{share:.1%} are vague: {vague.most_common()}"


# -- comments -----------------------------------------------------------------------------------


def comments_and_code(source: str) -> tuple[int, int]:
    """How many comments, `noqa` and banners apart, and how many lines of code a module has.

    Docstrings are neither.
    """
    comments = 0
    code: set[int] = set()
    no_code = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    last = None
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            is_reason = not re.match(r"# (noqa|type:|--)", token.string)
            comments += is_reason
        elif token.type not in {*no_code, tokenize.ENDMARKER}:
            # A string that begins a logical line is a docstring.
            is_docstring = token.type == tokenize.STRING and last in {None, *no_code}
            if not is_docstring:
                code.update(range(token.start[0], token.end[0] + 1))
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            last = token.type
    return comments, len(code)


def test_comments_give_reasons() -> None:
    counts = [comments_and_code(path.read_text(encoding="utf-8")) for path in modules()]
    density = 100 * sum(comments for comments, _ in counts) / sum(code for _, code in counts)
    fewest, most = COMMENTS
    assert fewest <= density <= most, f"{density:.1f} comments for a hundred lines of code"


# -- messages -----------------------------------------------------------------------------------

TEXT_TESTS = frozenset({"startswith", "endswith", "removeprefix", "removesuffix", "partition"})

FOREIGN_MESSAGES = {
    "diagnose/machine.py": 1,
    "diagnose/refusals.py": 1,
    "diagnose/reader.py": 17,
    "diagnose/versions.py": 8,
    "doctor/imports.py": 1,
    "environment/gpu.py": 1,
    "projects/readers/poetry.py": 1,
    # the `or` of a marker
    "projects/syntax/markers.py": 1,
}
"""How many tests a module has of what pip, Python, nvidia-smi or Poetry wrote: nothing but text."""

MESSAGE_TESTS: dict[str, int] = {}
"""How many tests of a sentence of our own a module still has."""


def prose_tests(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The literals of two words and more that a text is compared with, with the line."""
    for node in ast.walk(tree):
        texts: list[ast.expr] = []
        match node:
            case ast.Call(func=ast.Attribute(attr=name), args=[argument, *_]) if (
                name in TEXT_TESTS | {"rpartition"}
            ):
                texts = argument.elts if isinstance(argument, ast.Tuple) else [argument]
            case ast.Compare(left=left, ops=[ast.In() | ast.NotIn()]):
                texts = [left]
            case _:
                pass
        for text in texts:
            literal = constants().get(text.id, "") if isinstance(text, ast.Name) else ""
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                literal = text.value
            if re.search(r"[A-Za-z]{2,}\s+[A-Za-z]{2,}|^ [a-z]+ $|^[a-z]{3,} $", literal):
                yield literal, text.lineno


@cache
def constants() -> dict[str, str]:
    """The module constants that are texts, by name."""
    found = {}
    for path in modules():
        for node in tree_of(path).body:
            match node:
                case (
                    ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str(text)))
                    | ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text)))
                ):
                    found[name] = text
                case _:
                    pass
    return found


def test_no_code_looks_into_a_sentence() -> None:
    """What a message says is known to who made it: as a value, not by its words."""
    for path in modules():
        tests = [f"{place(path, line)}: {text!r}" for text, line in prose_tests(tree_of(path))]
        name = path.relative_to(PACKAGE).as_posix()
        assert len(tests) <= MESSAGE_TESTS.get(name, 0) + FOREIGN_MESSAGES.get(name, 0), tests


# -- what others wrote ---------------------------------------------------------------------------

OWN_JSON = {
    "cli/tools.py",
    "files.py",
    "formats/cyclonedx.py",
    "formats/header.py",
    "formats/json_lock.py",
    "matrix/overlay.py",
    "matrix/store.py",
    "projects/syntax/notebook.py",
    "text.py",
}
"""The modules that parse JSON which cudalock or a library of it wrote, or one token of it."""


def test_json_of_others_is_read_in_one_place() -> None:
    """By `read_json`: a hundred thousand brackets are a RecursionError to the json module."""
    readers = {
        path.relative_to(PACKAGE).as_posix()
        for path in modules()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute)
        and (ast.unparse(node) == "json.loads" or node.attr == "json")
        and isinstance(node.ctx, ast.Load)
    }
    assert readers - OWN_JSON == set()


# -- words --------------------------------------------------------------------------------------

PLAIN_STILL: dict[str, int] = {
    "environment/layout.py": 1,
    "indexes/listings.py": 1,
    "indexes/transport.py": 2,
    "lint/agreement.py": 8,
    "lint/curated.py": 5,
    "lint/rows.py": 4,
    "live/universe.py": 1,
    "resolution/find.py": 1,
    "resolution/problem.py": 1,
    "update/file_names.py": 1,
    "update/files.py": 1,
    "update/from_indexes.py": 1,
    "update/labels.py": 1,
    "update/report.py": 2,
    "update/update.py": 1,
}
"""How many strings of a module still use words of :data:`PLAIN`."""


def user_facing(path: Path) -> Iterator[tuple[str, int]]:
    """The strings of two words and more that are no docstring, and the help of commands."""
    tree = tree_of(path)
    hidden: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            hidden.add(id(node.value))
        if isinstance(node, ast.FunctionDef) and any(map(is_command, node.decorator_list)):
            yield ast.get_docstring(node) or "", node.lineno
        if isinstance(node, ast.JoinedStr):
            hidden.update(id(part) for part in node.values)
            yield "".join(literal_of(part) for part in node.values), node.lineno
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in hidden:
            continue
        if isinstance(node.value, str) and " " in node.value.strip():
            yield node.value, node.lineno


def is_command(decorator: ast.expr) -> bool:
    return re.search(r"\.(command|group)\b", ast.unparse(decorator)) is not None


def literal_of(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else "{}"


def test_words_are_those_of_the_field() -> None:
    counts = {}
    for path in modules():
        unplain = [
            f"{place(path, line)}: {text!r}: {instead}"
            for text, line in user_facing(path)
            for pattern, instead in PLAIN.items()
            if re.search(pattern, text)
        ]
        name = path.relative_to(PACKAGE).as_posix()
        if unplain:
            counts[name] = len(unplain)
        assert len(unplain) <= PLAIN_STILL.get(name, 0), "\n".join(unplain)

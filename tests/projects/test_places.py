"""Places in TOML are where the parser finds the values; requirements are what packaging reads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from cudalock import toml
from cudalock.projects.syntax import conda as conda_versions
from cudalock.projects.syntax import poetry as poetry_versions
from cudalock.projects.syntax.pep508 import parse
from cudalock.projects.syntax.toml import Key, Places
from tests.paths import ROOT
from tests.properties import BOUNDED

NOT_TOML = {"kernels.lock"}
DOCUMENTS = sorted([*ROOT.glob("*.toml"), *ROOT.glob("matrix/components/*.toml")])
DOCUMENTS += sorted(
    path
    for path in ROOT.glob("tests/projects/files/**/*")
    if path.suffix in (".toml", ".lock") and path.name not in NOT_TOML and "broken" not in path.name
)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "e": "\x1b", '"': '"', "\\": "\\"}


def strings(value: Any, key: Key = ()) -> dict[Key, str]:
    """Every string of a document, by its path."""
    if isinstance(value, str):
        return {key: value}
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        inner = [strings(each, (*key, part)) for part, each in items]
        return {path: text for found in inner for path, text in found.items()}
    return {}


def unescaped(written: str) -> str:
    """A basic string as TOML defines it, by other means than the reader's."""
    written = re.sub(r"\\[ \t]*\n[ \t\n]*", "", written.replace("\r\n", "\n"))
    return re.sub(
        r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2})|(.))",
        lambda m: ESCAPES[m[4]] if m[4] else chr(int(m[1] or m[2] or m[3], 16)),
        written,
    )


def assert_placed(text: str) -> None:
    places = Places(text)
    for key, value in strings(toml.loads(text)).items():
        node = places.nodes[key]
        written = text[node.start : node.end]
        assert node.is_string
        found = written.replace("\r\n", "\n") if node.is_literal else unescaped(written)
        assert found == value
        for start in range(min(len(value), 30)):
            first, last = places.span(node, start, len(value))
            rest = text[first:last]
            assert (rest.replace("\r\n", "\n") if node.is_literal else unescaped(rest)) == value[
                start:
            ]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: f"{path.parent.name}-{path.name}")
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_the_strings_of_real_files(path: Path, ending: str) -> None:
    assert_placed(path.read_text(encoding="utf-8").replace("\n", ending))


ODD = r'''
a.b."c.d".'e' = "x\ty"          # a comment with "quotes" and [brackets]
"" = 'empty key'
"\u00e9" = """
first \
      second "" third ""\""" end"""
f = """a""""
g = """b"""""
h = \'\'\'it''s\'\'\'
i = [1, 2.5, true, 1979-05-27 07:32:00Z, "s", [ 'n' , ["deep",] ], { k = "v", l.m = "w" }, ]
j = { }
k = [
  # comment, with = and "
  "one", # two
  "three"
  ,
]
1979-05-27 = "a date as a key"
3.14 = "a number as a key"
[t]
u = "1"
[t.v.'w x']
y = "2"
[[t.z]]
n = "first"
[t.z.sub]
o = "3"
[[t.z]]
n = "second"
[[t.z.more]]
p = "4"
[ "sp aced" . x ]
q="5"
'''.replace("\\'", "'")


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_the_strings_of_an_odd_file(ending: str) -> None:
    assert len(strings(toml.loads(ODD))) == 22
    assert_placed(ODD.replace("\n", ending))


basic = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8)
pieces = st.sampled_from(
    [
        r"\n",
        r"\"",
        "\\\\",
        r"\u00e9",
        r"\U0001F600",
        "\\\n   ",
        "\n",
        '"',
        '""',
        "'",
        "\t",
        "é",
        "x",
    ]
)


@settings(BOUNDED, max_examples=300)
@given(parts=st.lists(basic | pieces, max_size=12), quote=st.sampled_from(['"', "'", '"""', "'''"]))
def test_any_string(parts: list[str], quote: str) -> None:
    text = f'k = [{quote}{"".join(parts)}{quote}, "after"]\n'
    try:
        toml.loads(text)
    except toml.TOMLDecodeError:
        return
    assert_placed(text)


WORDS = (
    "torch A_b.c [x] [x,Y_z] [ ( ) == >= ~= === != < , 2 2.5.1 2.5.* +cu124 1.0rc1 v1 1!2 ; @ - é"
    " python_version '3.11' sys_platform and in https://x/y.whl"
)
words = st.sampled_from([*WORDS.split(" "), " ", "\t"])


@settings(BOUNDED, max_examples=600)
@given(parts=st.lists(words, max_size=9), separator=st.sampled_from(["", " "]))
def test_requirements_are_what_packaging_reads(parts: list[str], separator: str) -> None:
    text = separator.join(parts)
    found = parse(text)
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        assert found.problem is not None
        return
    assert found.problem is None
    assert canonicalize_name(found.name) == canonicalize_name(requirement.name)
    assert SpecifierSet(found.specifier) == requirement.specifier
    assert set(found.extras) == {canonicalize_name(extra) for extra in requirement.extras}
    assert found.url == requirement.url
    assert (found.marker is None) == (requirement.marker is None)
    start, end = found.version
    said = text[start:end]
    if requirement.url:
        assert said == requirement.url
    else:
        assert SpecifierSet(said) == requirement.specifier


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("^2.5", ">=2.5,<3.0"),
        ("^0.2.3", ">=0.2.3,<0.3.0"),
        ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("^0.0", ">=0.0,<0.1"),
        ("^0", ">=0,<1"),
        ("^2.5.1+cu124", ">=2.5.1,<3.0.0"),
        ("~2.5.1", ">=2.5.1,<2.6.0"),
        ("~2.5", ">=2.5,<2.6"),
        ("~2", ">=2,<3"),
        ("~=2.5", "~=2.5"),
        ("~=2", ">=2,<3"),
        (">=2.5.1+cu124", ">=2.5.1"),
        ("2.5.1", "==2.5.1"),
        ("=2.5.1", "==2.5.1"),
        ("2.5.*", "==2.5.*"),
        ("*", ""),
        ("", ""),
        (">=2.4,<2.6", ">=2.4,<2.6"),
        (">= 2.4 < 2.6", ">=2.4,<2.6"),
        ("!=2.5.0,^2.4", "!=2.5.0,>=2.4,<3.0"),
        ("<2.4 || >2.5", None),
        (">=3.9,<3.9.7 || >3.9.7,<3.14", ">=3.9,!=3.9.7,<3.14"),
        ("<2.4||>2.4", "!=2.4"),
        ("2.4 || 2.5", None),
        ("^2 || ^3", None),
        ("|", None),
        ("newest", None),
        ("1," * 500, None),
    ],
)
def test_poetry_versions(text: str, expected: str | None) -> None:
    assert poetry_versions.translate(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pytorch=2.5.1", ("pytorch", "==2.5.1.*", None)),
        ("pytorch==2.5.1", ("pytorch", "==2.5.1", None)),
        ("pytorch=2.5.1=py3.11_cuda12.4*", ("pytorch", "==2.5.1", "py3.11_cuda12.4*")),
        ("pytorch=2.5.1=*cuda*", ("pytorch", "==2.5.1", "*cuda*")),
        ("pytorch 2.5.1", ("pytorch", "==2.5.1", None)),
        ("pytorch 2.5.*", ("pytorch", "==2.5.*", None)),
        ("pytorch=2.5.*", ("pytorch", "==2.5.*", None)),
        ("pytorch=2.5*", ("pytorch", "==2.5.*", None)),
        ("pytorch>=2.4,<2.6", ("pytorch", ">=2.4,<2.6", None)),
        ("pytorch >=2.4 , <2.6", ("pytorch", ">=2.4,<2.6", None)),
        ("pytorch", ("pytorch", "", None)),
        ("pytorch=*=*cuda*", ("pytorch", "", "*cuda*")),
        ("pytorch=2.4|2.5", ("pytorch", None, None)),
        ("pytorch[version='2.5.*']", ("pytorch", "==2.5.*", None)),
        ("pytorch[version=2.5]", ("pytorch", "==2.5", None)),
        ("pytorch[version='=2.5',build=x]", ("pytorch", "==2.5.*", "x")),
        ("conda-forge::cuda-version=12.4", ("cuda-version", "==12.4.*", None)),
        ("", None),
        ("=2", None),
        ("a/b", None),
    ],
)
def test_conda_versions(text: str, expected: tuple[str, str | None, str | None] | None) -> None:
    spec = conda_versions.parse(text)
    assert (spec and (spec.name, spec.specifier, spec.build)) == expected

"""What is read without packaging's parser is what packaging reads."""

from __future__ import annotations

from functools import cache

import pytest
from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet

from cudalock.files import data_directory
from cudalock.matrix.matrix import Matrix
from cudalock.plain import read_marker, read_requirement
from cudalock.targets import Target
from cudalock.versions import holds, parse_requirement

EXTRAS = ("", "dev", "cuda12", "gpu-extra", "GPU_Extra", "with_cuda")
ENVIRONMENTS = [
    {**Target(python, platform).marker_environment(), "extra": extra}
    for python, platform in (("3.9", "linux-x86_64"), ("3.13.2", "windows-x86_64"))
    for extra in EXTRAS
]


@cache
def texts() -> tuple[str, ...]:
    """Every requirement of the matrix."""
    matrix = Matrix.load(data_directory())
    found = {
        text: None
        for name in sorted(matrix.projects)
        for release in matrix.project(name) or ()
        for build in release.builds
        for text in build.requires
    }
    return tuple(found)


def test_requirements_of_the_matrix_are_read_as_packaging_reads_them() -> None:
    read = {text: plain for text in texts() if (plain := read_requirement(text)) is not None}
    # Else nothing is compared, and a solve imports packaging's parser after all.
    assert len(read) > len(texts()) * 0.99
    for text, plain in read.items():
        parsed = Requirement(text)
        assert (plain.name, set(plain.extras)) == (parsed.name, parsed.extras), text
        assert str(SpecifierSet(plain.specifier)) == str(parsed.specifier), text
        assert (plain.marker is None) == (parsed.marker is None), text
        assert str(parse_requirement(text)) == str(parsed), text


def test_markers_of_the_matrix_hold_where_packaging_says() -> None:
    markers = {text.partition(";")[2].strip() for text in texts() if ";" in text}
    matrix = Matrix.load(data_directory())
    markers |= {fact.when for fact in matrix.facts.values() if fact.when}
    for marker in markers:
        plain = read_marker(marker)
        for environment in ENVIRONMENTS:
            held = plain.evaluate(environment) if plain is not None else None
            assert held in (None, Marker(marker).evaluate(environment)), marker


ODD = [
    "a-", "-a", "a b", "a[", "a[]", "a[x,]", "a[x]]", "a==", "a==1,", "a (==1)", "a (==1", "a ==1)",
    "a===1.x", "a>=1.*", "a~=1", "a==1.*", "a==1+cu", "a @ https://host/a.whl", "a@file:///x", "a;",
    "a; os_name", "a; os_name ==", "a; os_name == 'x' or", "a; (os_name == 'x'",
    "a; os_name == 'x')", "a; ((os_name == 'x'))", "a; os.name == 'x'", "a; python_version ~= 'x'",
    "a; extra == 'A_b'",
    "a; python_version in '3.9 3.10'", "a; python_version not  in '3.9, 3.10'", "a; 'x' in os_name",
    "a; os_name > 'a'", "a; os_name == 'a' os_name == 'b'", "a; and os_name == 'a'",
    "a;os_name=='a'", "a; python_version >= '3.x'", "a; python_version == '3.9.*'",
    "a; python_full_version < '3.9.1rc1'", "a; platform_release >= '5'", "a; nosuch == 'a'",
    "a; os_name == 'posix' and (os_name == 'nt' or"
    " python_version > '3') or extra == 'gpu_extra'", "a\n", "a; os_name == 'a'\n", " a", "a ", "",
    "a;  os_name == \"it's\"", "a; os_name == 'posix'or os_name == 'nt'", "a>=1 ; extra == 'dev'",
    "a; extra != 'dev'", "a>=1,<2,!=1.5", "a > 1 , < 2", "é", "a; os_name == 'é'", "A.B_c-d>=1",
]  # fmt: skip


@pytest.mark.parametrize("text", ODD)
def test_what_is_odd_is_read_as_packaging_reads_it(text: str) -> None:
    try:
        parsed = Requirement(text)
        outcome = [parsed.marker is None or parsed.marker.evaluate(each) for each in ENVIRONMENTS]
    except (InvalidRequirement, ValueError):
        with pytest.raises(ValueError):  # noqa: PT011 (the kind, which is checked elsewhere)
            assert all(parse_requirement(text).marker.evaluate(each) for each in ENVIRONMENTS)  # type: ignore[union-attr]
        return
    own = parse_requirement(text)
    assert str(own) == str(parsed)
    assert outcome == [own.marker is None or own.marker.evaluate(each) for each in ENVIRONMENTS]


@pytest.mark.parametrize("text", ODD)
def test_a_marker_that_is_odd_holds_where_packaging_says(text: str) -> None:
    marker = text.partition(";")[2].strip(" ")
    try:
        expected = [Marker(marker).evaluate(each) for each in ENVIRONMENTS]
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011
            list(map(holds, [marker] * len(ENVIRONMENTS), ENVIRONMENTS))
        return
    assert [holds(marker, each) for each in ENVIRONMENTS] == expected


def test_what_is_not_plain_is_left_to_packaging() -> None:
    for marker in ("os.name == 'nt'", "python_version >= '3.x'", "'x' in os_name", "(" * 30):
        assert read_marker(marker) is None
    assert read_requirement("a===1.0") is None
    with pytest.raises(InvalidMarker):
        holds("(" * 30, ENVIRONMENTS[0])

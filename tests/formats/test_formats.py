"""What every format has in common: a row, and a module that defines `FORMAT`."""

from __future__ import annotations

from pathlib import Path

import pytest

import cudalock.formats
from cudalock.formats import FORMATS, Format, format_of, load_format

PACKAGE = Path(cudalock.formats.__file__).parent


@pytest.mark.parametrize("name", FORMATS)
def test_a_row_has_a_module_and_is_meant_by_its_suffix(name: str) -> None:
    assert isinstance(load_format(name), Format)
    # Poetry's file is called as uv's: what is in it tells them apart.
    if FORMATS[name].suffix:
        assert format_of(f"folder/{FORMATS[name].suffix}") == name


def test_every_module_that_is_a_format_has_a_row() -> None:
    modules = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for path in PACKAGE.rglob("*.py")
        if "\nFORMAT: Final" in path.read_text(encoding="utf-8")
    }
    assert modules == {row.module for row in FORMATS.values()}

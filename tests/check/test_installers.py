"""What installers and machines do with a file: `installers.toml` and `machines.toml`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from cudalock import toml
from tests.test_field import faults

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEYS: Final = {"name", "source", "command", "files", "text", "status", "says", "says_not"}


def read_cases() -> Iterator[Any]:
    folder = Path(__file__).parent
    files = [folder / name for name in ("installers.toml", "machines.toml")]
    tables = [toml.loads(path.read_text(encoding="utf-8")) for path in files]
    for case in [case for table in tables for case in table["case"]]:
        rows = case.pop("rows", [{}])
        for number, row in enumerate(rows):
            own = {key: value for key, value in row.items() if key in KEYS}
            filled = {key: _fill(value, row) for key, value in {**case, **own}.items()}
            assert filled.keys() <= KEYS, filled["name"]
            suffix = f" {number}" if len(rows) > 1 else ""
            yield pytest.param(filled, id=f"{filled['name']}{suffix}")


def _fill(value: Any, row: Mapping[str, Any]) -> Any:
    """Put a row's texts into every `{word}` of a value."""
    if isinstance(value, str):
        for word, text in row.items():
            value = value.replace(f"{{{word}}}", str(text))
        return value
    if isinstance(value, list):
        return [_fill(part, row) for part in value]
    if isinstance(value, dict):
        return {_fill(key, row): _fill(part, row) for key, part in value.items()}
    return value


@pytest.mark.parametrize("case", list(read_cases()))
def test_installers(case: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(variable, raising=False)
    expected = {
        "exit": case.get("status", 0),
        "must_say": case.get("says", []),
        "must_not_say": case.get("says_not", []),
    }
    command = ["cudalock", *case["command"].split()]
    assert faults({**case, "command": command, "expect": expected}, tmp_path) == []

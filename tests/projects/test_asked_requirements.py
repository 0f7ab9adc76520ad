"""Requirements files as pip reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cudalock.errors import CudalockError
from cudalock.projects.asked_requirements import RequestedLines, read

if TYPE_CHECKING:
    from pathlib import Path


def read_bytes(content: bytes) -> RequestedLines:
    return read("-", stdin=content)


def shown(lines: RequestedLines) -> list[str]:
    return [item.name + item.specifier for item in lines.requirements]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("torch==2.5.1\nnumpy\n", ["torch==2.5.1", "numpy"]),
        ("torch == 2.5.1  # the one\n\n   # nothing\n", ["torch==2.5.1"]),
        ("torch>=2.4, \\\n    <2.6\nnumpy", ["torch<2.6,>=2.4", "numpy"]),
        ("torch==2.5.1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n", ["torch==2.5.1"]),
        ("torch==2.5.1 \\\n# why\nnumpy", ["torch==2.5.1", "numpy"]),
        ("torch==2.5.1+cu124", ["torch==2.5.1+cu124"]),
        ("torch\\", ["torch"]),
        ("torch==${WANTED}", ["torch==2.5.1"]),
        ("", []),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_lines(
    text: str, expected: list[str], ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANTED", "2.5.1")
    assert shown(read_bytes(text.replace("\n", ending).encode())) == expected


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks(encoding: str) -> None:
    assert shown(read_bytes("torch  # größer\n".encode(encoding))) == ["torch"]


def test_a_marker_is_kept_for_the_target() -> None:
    (item,) = read_bytes(b"numpy<2 ; python_version < '3.12'").requirements
    assert item.marker == 'python_version < "3.12"'


def test_nested_files_are_beside_their_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "all.txt").write_text("-r sub/more.txt\ntorch\n-c limits.txt\n")
    (tmp_path / "sub" / "more.txt").write_text("--requirement=deep.txt\nxformers\n")
    (tmp_path / "sub" / "deep.txt").write_text("numpy\n")
    (tmp_path / "limits.txt").write_text("-rmore-limits.txt\ntorch<2.6\n")
    (tmp_path / "more-limits.txt").write_text("numpy<2\n")
    lines = read(str(tmp_path / "all.txt"))
    assert shown(lines) == ["numpy", "xformers", "torch"]
    assert [item.name + item.specifier for item in lines.constraints] == ["numpy<2", "torch<2.6"]
    assert lines.requirements[0].origin.endswith("deep.txt:1")


@pytest.mark.parametrize(
    "option",
    ["--index-url https://example.org", "-i x", "--prefer-binary", "--only-binary :all:", "-f ."],
)
def test_options_are_noted(option: str) -> None:
    lines = read_bytes(f"torch\n{option}\n".encode())
    assert shown(lines) == ["torch"]
    (note,) = lines.notes
    assert note.startswith(f"standard input:2: `{option.split()[0]}`")


def test_a_file_takes_pre_releases() -> None:
    lines = read_bytes(b"torch\n--pre\n")
    assert lines.takes_early
    assert lines.notes == []
    assert not read_bytes(b"torch\n").takes_early


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("numpy\n-e .\n", "standard input:2"),
        ("--editable=git+https://example.org/x\n", "path or an address"),
        ("./local\n", "path or an address"),
        (".\n", "path or an address"),
        ("../wheels/x-1.0-py3-none-any.whl\n", "path or an address"),
        ("x-1.0-py3-none-any.whl\n", "path or an address"),
        ("https://example.org/x.whl\n", "path or an address"),
        ("git+https://example.org/x.git\n", "path or an address"),
        ("torch @ https://example.org/x.whl\n", "path or an address"),
        ("torch=2.5.1\n", "invalid requirement"),
        ("torch==\n", "invalid requirement"),
        ("torch_\n", "invalid requirement"),
        ("-r https://example.org/r.txt\n", "on the network"),
        ("-r missing.txt\n", "missing.txt"),
    ],
)
def test_refused_with_the_line(text: str, said: str) -> None:
    with pytest.raises(CudalockError, match=said) as caught:
        read_bytes(text.encode())
    assert caught.value.exit_status == 2


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CudalockError, match="cannot be read"):
        read(str(tmp_path / "gone.txt"))
    with pytest.raises(CudalockError, match="cannot be read"):
        read(str(tmp_path))
    with pytest.raises(CudalockError, match="is not utf-8 text"):
        read_bytes(b"torch\xff")


def test_a_file_that_includes_itself(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("-r b.txt\n")
    (tmp_path / "b.txt").write_text("-r a.txt\n")
    with pytest.raises(CudalockError, match="includes itself"):
        read(str(tmp_path / "a.txt"))

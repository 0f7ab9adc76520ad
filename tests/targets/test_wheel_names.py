"""Names of wheels, with the label of a variant (PEP 825) or without."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from cudalock.cli import main
from cudalock.indexes.rows import wheel_parts
from cudalock.targets.tags import WheelName, parse_wheel_name

TAGS = "cp313-cp313t-musllinux_1_2_x86_64"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        # The examples of the PEP.
        (f"numpy-2.3.2-{TAGS}.whl", WheelName("numpy", "2.3.2", None, TAGS, None)),
        (f"numpy-2.3.2-{TAGS}-x86_64_v3.whl", WheelName("numpy", "2.3.2", None, TAGS, "x86_64_v3")),
        (f"numpy-2.3.2-{TAGS}-null.whl", WheelName("numpy", "2.3.2", None, TAGS, "null")),
        # A build number begins with a digit, and so may a label.
        (f"numpy-2.3.2-1-{TAGS}.whl", WheelName("numpy", "2.3.2", "1", TAGS, None)),
        (f"numpy-2.3.2-1_a-{TAGS}-12.6.whl", WheelName("numpy", "2.3.2", "1_a", TAGS, "12.6")),
        (f"numpy-2.3.2-{TAGS}-12.6.whl", WheelName("numpy", "2.3.2", None, TAGS, "12.6")),
        (f"a_b-1+cu124-{TAGS}-cuda12.6.whl", WheelName("a_b", "1+cu124", None, TAGS, "cuda12.6")),
        # Other names.
        (f"numpy-2.3.2-{TAGS}-CUDA.whl", None),
        (f"numpy-2.3.2-{TAGS}-.whl", None),
        (f"numpy-2.3.2-{TAGS}-12345678901234567.whl", None),
        (f"numpy-2.3.2-1-2-{TAGS}.whl", None),
        (f"numpy-2.3.2-1-{TAGS}-a-b.whl", None),
        ("numpy-2.3.2-py3-none.whl", None),
        (f"numpy-2.3.2-{TAGS}.zip", None),
        (".whl", None),
    ],
)
def test_the_parts_of_a_name(file: str, name: WheelName | None) -> None:
    assert parse_wheel_name(file) == name
    if name is not None and name.variant is None:
        assert str(parse_wheel_filename(file)[1]) == name.version
    else:
        # What makes it needful to know them: one such name in a file, and pip stops.
        with pytest.raises(InvalidWheelFilename):
            parse_wheel_filename(file)
        # And no row is made of one, so no lock ever has one.
        assert wheel_parts(file) is None


FLASH = "https://wheels.example/flash_attn-2.8.3+cu12torch2.6-cp311-cp311-linux_x86_64"


@pytest.mark.parametrize(
    ("line", "platform", "code"),
    [
        (f"flash-attn @ {FLASH}-cuda12.6.whl", "linux", "CL105 warning"),
        (f"flash-attn @ {FLASH}-null.whl", "linux", "CL105 warning"),
        (f"{FLASH}-null.whl", "linux", "CL105 warning"),
        # Its tags are what they are.
        (f"flash-attn @ {FLASH}-cuda12.6.whl", "windows", "CL401"),
    ],
)
def test_check_reads_variants(line: str, platform: str, code: str, tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text(f"torch==2.6.0\n{line}\n", encoding="utf-8")
    words = ["check", str(path), "--platform", platform, "--python", "3.11"]
    result = CliRunner().invoke(main, words)
    assert f"requirements.txt:2:1: {code}" in result.stdout
    assert result.exit_code == (0 if "warning" in code else 1)

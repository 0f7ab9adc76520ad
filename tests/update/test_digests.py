"""Which wheels `matrix update --digests` downloads first, and what an interruption leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from cudalock.matrix.matrix import EMBEDDED, Matrix
from cudalock.update import digests
from cudalock.update.files import read_index_file
from cudalock.update.merge import Change

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_newest_release_and_torch_come_first() -> None:
    matrix = Matrix.load(EMBEDDED)
    file = read_index_file(matrix, "natten")
    assert file is not None
    subjects = digests._subjects(matrix, {"natten": file})
    versions = [Version(subject.version) for subject in subjects]
    assert versions == sorted(versions, reverse=True)
    listed = [subject for subject in subjects if "SHI-Labs" in subject.url]
    newest = [subject.file for subject in listed if subject.version == listed[0].version]
    torches = [name.partition("+torch")[2].partition("cu")[0] for name in newest]
    assert torches == sorted(torches, reverse=True)


def test_an_interruption_keeps_what_is_computed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = [["cp311-cp311-linux_x86_64", None] for _ in range(3)]
    subjects = [
        digests.Subject("natten", "1.0", f"{position}.whl", "https://x.invalid", row)
        for position, row in enumerate(rows)
    ]
    calls = iter(["first", None])

    def compute(*_arguments: object) -> Change:
        if next(calls) is None:
            raise KeyboardInterrupt
        return Change("natten", "1.0", changed=("0.whl",))

    monkeypatch.setattr(digests, "_compute", compute)
    done = digests._compute_all(
        None,  # type: ignore[arg-type]
        subjects,
        tmp_path,
        "2026-11-30",
        lambda source, done, total: None,
    )
    assert [change.changed for change in done.changes] == [("0.whl",)]
    assert done.told[-1] == "interrupted after 1 of 3 wheels"

"""An update never makes a solution worse: a hundred goals are solved before it and after it.

The package index is the recorded one of a later day. It has source distributions beside wheels,
another spelling of what METADATA requires, and releases that were not there before: one that fits,
and some whose builds nobody has read yet.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Final

import pytest

from cudalock.goals import Goal
from cudalock.matrix.matrix import EMBEDDED, Matrix
from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.matrix.universe import ClosedUniverse
from cudalock.resolution.find import find
from cudalock.targets import Target
from cudalock.targets.accelerators import Wish
from cudalock.update.report import Failure, Report
from cudalock.update.update import update
from tests.local_index import ServedFile, metadata_text, page
from tests.recorded import MAIN, RecordedIndex

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES: Final = ("deepspeed", "filelock", "torchaudio", "torchvision", "xformers")

LATER: Final = (
    # A newer release that fits.
    ("filelock", "4.99.0", "py3-none-any", ()),
    # What CUDA these are built with, neither their names nor METADATA says.
    ("torchaudio", "2.11.99", "py3-none-manylinux_2_28_x86_64", ("torch>=2.11",)),
    ("torchvision", "0.29.99", "py3-none-manylinux_2_28_x86_64", ("numpy", "torch==2.15.0")),
)

FITS: Final = frozenset(["filelock"])
"""The projects of which a newer release is in the solutions after the update."""

TORCHES: Final = (
    *("2.1.2", "2.3.1", "2.4.1", "2.5.1", "2.6.0"),
    *("2.8.0", "2.9.1", "2.11.0", "2.13.0", "2.15.0"),
)
BESIDE: Final[tuple[tuple[tuple[str, ...], str | None], ...]] = (
    (("torchaudio",), None),
    (("torchvision",), None),
    (("xformers",), None),
    (("torchvision", "torchaudio"), "==12.8.*"),
    (("deepspeed",), None),
)
PLATFORMS: Final = ("linux-x86_64", "windows-x86_64")


class LaterDay(RecordedIndex):
    """The recorded package index, some days later."""

    def _make_wheels(self, name: str, index: str) -> dict[str, ServedFile]:
        found = super()._make_wheels(name, index)
        if index != PACKAGE_INDEX:
            return found
        found = {
            # `_` for `-`, which is the same project.
            file: replace(wheel, metadata=(wheel.metadata or b"").replace(b"-ml-py", b"_ml_py"))
            for file, wheel in found.items()
        }
        for project, version, tags, requires in LATER:
            if project == name:
                file = f"{name}-{version}-{tags}.whl"
                text = metadata_text(name, version, requires, ">=3.10").encode()
                found[file] = ServedFile(file, b"", "1" * 64, text, ">=3.10")
        return found

    def _make_main_page(self, name: str) -> tuple[str, bytes] | None:
        wheels = [self._listed(wheel) for wheel in self._wheels(name, PACKAGE_INDEX).values()]
        archives = [
            ServedFile(f"{name}-{release.version}.tar.gz", b"", yanked=release.yanked)
            for release in self._matrix.project(name) or ()
            if release.sdist
        ]
        return page([*wheels, *archives]) if wheels or archives else None


@pytest.fixture(scope="module")
def updated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Matrix, Report, Path]]:
    """The matrix before the update, the update's report, and the folder of the matrix after it."""
    before = Matrix.load(EMBEDDED)
    folder = tmp_path_factory.mktemp("later") / "matrix"
    shutil.copytree(before.directory, folder)
    with LaterDay(before) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_INDEX_URL", server.url(MAIN))
        patch.setenv("CUDALOCK_CACHE_DIR", str(folder.parent / "cache"))
        patch.setattr("cudalock.indexes.client.ATTEMPTS", 1)
        # PyTorch's own indexes are not asked: each has one CUDA, and its name says which.
        header = folder / "matrix.toml"
        text = header.read_text(encoding="utf-8")
        closed = text.replace('url = "https://download.pytorch.org/whl/', 'url = "http://[::1]:9/')
        header.write_text(closed, encoding="utf-8")
        report = update(Matrix.load(folder), NAMES, output=folder, today="2099-01-02")
        yield before, report, folder


@cache
def goals() -> tuple[tuple[Goal, Target], ...]:
    return tuple(
        (
            Goal((f"torch=={torch}", *names), accelerator=Wish.of_default(cuda)),
            Target("3.11", platform),
        )
        for torch, (names, cuda), platform in product(TORCHES, BESIDE, PLATFORMS)
    )


def solutions(matrix: Matrix) -> list[dict[str, str] | None]:
    universe = ClosedUniverse(matrix)
    found = (find(goal, target, universe) for goal, target in goals())
    return [each and {name: pin.full_version for name, pin in each.pins.items()} for each in found]


def test_a_hundred_goals(updated: tuple[Matrix, Report, Path]) -> None:
    before, _, folder = updated
    old, new = solutions(before), solutions(Matrix.load(folder))
    assert len(old) == 100
    assert sum(pins is not None for pins in old) > 60
    for (goal, target), was, now in zip(goals(), old, new, strict=True):
        if was is None or now is None:
            assert was == now, (goal, target)
            continue
        assert was.keys() == now.keys(), (goal, target)
        changed = {name for name in was if was[name] != now[name]}
        assert changed <= FITS, (goal, target, {name: (was[name], now[name]) for name in changed})


def test_what_changed(updated: tuple[Matrix, Report, Path]) -> None:
    _, report, folder = updated
    assert {(change.project, change.version) for change in report.changes} == {
        (name, version) for name, version, _, _ in LATER
    }
    assert not [change for change in report.changes if change.changed or change.gone]
    matrix = Matrix.load(folder)
    for name in ("deepspeed", "xformers"):
        rows = {
            version: (one.release(version).sdist, other.release(version).sdist)
            for one, other in [(Matrix.load(EMBEDDED).project(name), matrix.project(name))]
            if one is not None and other is not None
            for version in one.versions
        }
        assert any(was for was, _ in rows.values())
        assert all(was == now for was, now in rows.values()), name


def test_a_host_that_does_not_answer_is_one_line(updated: tuple[Matrix, Report, Path]) -> None:
    _, report, _ = updated
    assert len(report.failures) > 5
    lines = [line for line in report.text().splitlines() if line.startswith("failed")]
    assert len(lines) == 1
    assert f"and {len(report.failures) - 1} more: cannot read ::1" in lines[0]


def test_failures_of_other_kinds_are_lines_of_their_own() -> None:
    failures = (
        Failure("a on x", "cannot read http://h/a: no", (), "h", "no"),
        Failure("b on x", "cannot read http://h/b: late", (), "h", "late"),
        Failure("c", "is no listing"),
        Failure("d", "is no listing"),
    )
    report = Report("1", "1", "", 4, (), (), failures, (), (), "")
    lines = [line for line in report.text().splitlines() if line.startswith("failed")]
    assert len(lines) == 4

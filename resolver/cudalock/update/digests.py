"""`matrix update --digests`: the sha256 of wheels that have none published, from their bytes.

A row has the day on which its digest was computed. A digest that differs later, or that the
publisher lists otherwise, is an alarm: the row keeps the first, and the command fails.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cudalock.errors import CudalockError, UnknownName
from cudalock.indexes.client import Web
from cudalock.indexes.downloads import download
from cudalock.lint import new_defects
from cudalock.matrix.matrix import Matrix
from cudalock.matrix.releases import KNOWN
from cudalock.update.files import copy_matrix, publish, read_index_file, stage_beside, write_files
from cudalock.update.merge import COMPUTED, Change
from cudalock.update.report import Failure, Report
from cudalock.update.update import next_version
from cudalock.versions import canonical, parse_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from packaging.version import Version

    from cudalock.lint import Defect
    from cudalock.matrix.releases import Build
    from cudalock.update.files import IndexFile
    from cudalock.update.update import Progress

UNRANKED: Final = 1 << 16


class Subject(NamedTuple):
    """A wheel to compute the digest of: its row, and the URL of its file."""

    project: str
    version: str
    file: str
    url: str
    row: list[Any]


def compute_digests(
    matrix: Matrix,
    names: Sequence[str],
    number: int,
    *,
    output: Path | None = None,
    today: str,
    progress: Progress = lambda source, done, total: None,
) -> Report:
    """Download so many wheels and record their sha256 with the day.

    First those without a digest, by the order of `names` or else of rank, the newest release first;
    then, if too few lack one, those computed longest ago, to see whether they are still the same.
    Raises UnknownName for a project that is not in the matrix, OutputError.
    """
    project_names = [canonical(name) for name in names] or _by_rank(matrix)
    files: dict[str, IndexFile] = {}
    for name in project_names:
        file = read_index_file(matrix, name)
        if file is None:
            raise UnknownName(f"`{name}` is not in the matrix")
        files[name] = file
    subjects = _subjects(matrix, files)[:number]
    with stage_beside(output) as stage, Web() as web:
        done = _compute_all(web, subjects, stage, today, progress)
        version, folder = matrix.version, str(output or matrix.directory)
        defects: list[Defect] = []
        changed = {change.project for change in done.changes if change.changed}
        if changed:
            version = next_version(matrix.version, today)
            texts = {
                f"index/{name}.json": files[name]._replace(retrieved=today).text()
                for name in sorted(changed)
            }
            copy_matrix(matrix, stage / "matrix")
            write_files(stage / "matrix", texts)
            defects = new_defects(matrix, Matrix.load(stage / "matrix"), changed)
            folder = publish(stage / "matrix", matrix, output, version)
        return Report(
            was=matrix.version,
            version=version,
            folder=folder,
            asked=len(subjects),
            changes=tuple(done.changes),
            notes=tuple(done.told),
            failures=tuple(done.failures),
            unread=(),
            defects=tuple(defects),
            traffic=str(web.traffic),
        )


class _Computed(NamedTuple):
    """The results for some wheels: changes, a sentence for each digest, and failures."""

    changes: list[Change]
    told: list[str]
    failures: list[Failure]


def _compute_all(
    web: Web, subjects: Sequence[Subject], stage: Path, today: str, progress: Progress
) -> _Computed:
    """Download each wheel in turn, and remove it again."""
    computed = _Computed([], [], [])
    # Wheels of torch have gigabytes: one at a time, on the disk that the result goes to.
    scratch = Path(tempfile.mkdtemp(dir=stage))
    for number, subject in enumerate(subjects, 1):
        try:
            change = _compute(web, subject, scratch / "wheel.whl", today)
        except KeyboardInterrupt:
            # Hours of downloads are in the rows by now: they are written, and the next run goes on.
            computed.told.append(f"interrupted after {number - 1} of {len(subjects)} wheels")
            break
        except CudalockError as error:
            computed.failures.append(Failure(subject.file, error.message, error.hints))
        else:
            computed.told.append(f"sha256 of {subject.file} is {subject.row[1]}")
            computed.changes.extend([change] if change else [])
        progress(subject.file, number, len(subjects))
    shutil.rmtree(scratch)
    return computed


def _compute(web: Web, subject: Subject, target: Path, today: str) -> Change | None:
    """Set the digest of a row, and return what that changed; None if it was computed today."""
    try:
        digest = download(web, subject.url, target)
    finally:
        target.unlink(missing_ok=True)
    row = subject.row
    change = Change(subject.project, subject.version)
    # The row keeps the first digest: a file that changed under its name may be an attack.
    if row[1] is not None and row[1] != digest:
        return change._replace(rehashed=(f"{subject.file} (sha256 {digest} now)",))
    if row[1] is not None and row[2][COMPUTED] == today:
        return None
    columns = {**(row[2] if len(row) > 2 else {}), COMPUTED: today}
    # The size is recorded only as long as no digest tells one file from another.
    columns.pop("size", None)
    row[:] = [row[0], digest, columns]
    return change._replace(changed=(subject.file,))


def _subjects(matrix: Matrix, files: dict[str, IndexFile]) -> list[Subject]:
    """Return wheels without a digest, then those computed longest ago."""
    without, computed = [], []
    for name, file in files.items():
        for version in sorted(file.releases, key=parse_version, reverse=True):
            subjects = list(_of_release(matrix, name, version, file.releases[version]))
            without += [subject for subject in subjects if subject.row[1] is None]
            computed += [subject for subject in subjects if subject.row[1] is not None]
    computed.sort(key=lambda subject: str(subject.row[2][COMPUTED]))
    return [*without, *computed]


def _of_release(
    matrix: Matrix, name: str, version: str, table: dict[str, Any]
) -> Iterator[Subject]:
    """Yield wheels that are known to exist first, since a derived one may not, and of these the
    wheels for the newest framework."""
    project = matrix.project(name)
    builds = project.release(version).builds if project else ()
    rows = [row["wheels"] for row in table.get("builds", ())] or [table.get("wheels", [])]
    framework = matrix.framework or ""

    def newest(build: Build) -> Version:
        return parse_version(next(iter(build.row(framework)), "0"))

    pairs = sorted(zip(builds, rows, strict=False), key=lambda pair: newest(pair[0]), reverse=True)
    pairs.sort(key=lambda pair: KNOWN.index(pair[0].known))
    for build, wheels in pairs:
        for position, row in enumerate(wheels):
            wheel = build.wheel(position)
            url = matrix.url(build, wheel, version)
            is_computed = len(row) > 2 and COMPUTED in row[2]
            if url is not None and (row[1] is None or is_computed):
                yield Subject(name, version, wheel.file(version, build.local), url, row)


def _by_rank(matrix: Matrix) -> list[str]:
    def rank(name: str) -> tuple[int, str]:
        project_rank = matrix.component(name).rank
        return (UNRANKED if project_rank is None else project_rank, name)

    return sorted(matrix.projects, key=rank)


__all__ = ["compute_digests"]

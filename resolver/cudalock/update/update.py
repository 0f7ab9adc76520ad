"""`matrix update`: query every source, merge, lint, and put the result in place.

    tasks ── what to query: the default index, other indexes, builders indexes, builders ── one
    source each, as wheels merging ── wheels into rows files ── rows into files, staged beside their
    place

A source that fails changes nothing. Nothing is written before every source was queried.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.errors import CudalockError, NetworkError, OutputError, UnknownName
from cudalock.files import data_folder
from cudalock.indexes.client import Web
from cudalock.indexes.package_index import PackageIndexes
from cudalock.indexes.parallel import as_completed
from cudalock.lint import new_defects
from cudalock.lint.agreement import lacking
from cudalock.matrix.matrix import Matrix
from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.matrix.store import version_key
from cudalock.update.file_names import Patterns
from cudalock.update.files import (
    IndexFile,
    copy_matrix,
    drop_user_matrix,
    publish,
    read_index_file,
    stage_beside,
    write_files,
)
from cudalock.update.from_builders import held_files, is_listed, read_builder
from cudalock.update.from_indexes import ListedWheels, is_wanted, read_index
from cudalock.update.images import FILE as IMAGES
from cudalock.update.images import listed_text, read_images
from cudalock.update.labels import LabelRules
from cudalock.update.merge import Change, WheelPlace, in_version_order, merge_release
from cudalock.update.report import Failure, Report
from cudalock.update.toolkits import merge_cudnn, merge_toolkits, vendor_text
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from cudalock.matrix.matrix import Builder, Index

    Progress = Callable[[str, int, int], None]

AT_ONCE: Final = 8
ROUNDS: Final = 3
"""How often projects that new rows require are queried as well."""


class Answer(NamedTuple):
    """The wheels of some projects in one source."""

    place: WheelPlace
    found: dict[str, list[ListedWheels]]
    unread: tuple[str, ...] = ()


class Task(NamedTuple):
    """One source to query, by its name in a summary."""

    source: str
    ask: Callable[[], Answer]


def update(
    matrix: Matrix,
    names: Sequence[str] = (),
    *,
    output: Path | None = None,
    today: str,
    index_url: str | None = None,
    progress: Progress = lambda source, done, total: None,
) -> Report:
    """Update the rows of these projects, or of all, and report what that changed.

    The result goes into `output`, a folder that is a matrix or does not exist yet, else over the
    embedded matrix for this user. `today` is the day that rows are marked with, `2026-11-21`.
    Raises UnknownName for a name that neither the matrix nor the index has, OutputError.
    """
    project_names: list[str] = sorted({canonical(name) for name in names}) or sorted(
        matrix.projects
    )
    if output is not None and output.exists() and not (output / "matrix.toml").is_file():
        if not output.is_dir() or any(output.iterdir()):
            raise OutputError(f"`{output}` is not a matrix: it has no matrix.toml")
        # An empty folder is replaced as a whole, by one renaming.
        output.rmdir()
    # A new folder checks the whole matrix: METADATA is read again even where a digest is known.
    anew = output is not None and not output.exists()
    # Not stale: an update from the cache would mark old listings with today's date.
    with stage_beside(output) as stage, Web(stale=False) as web:
        run = _Run(matrix, web, stage / "matrix", today, anew, index_url, progress)
        run.ask(project_names)
        if not names:
            run.ask_images()
        return run.finish(output, known=bool(names))


class _Run:
    """The state of one update: the rows so far, and what changed."""

    def __init__(
        self,
        matrix: Matrix,
        web: Web,
        stage: Path,
        today: str,
        anew: bool,
        index_url: str | None,
        progress: Progress,
    ) -> None:
        self._matrix = matrix
        self._web = web
        self._stage = stage
        self._today = today
        self._anew = anew
        self._progress = progress
        self._patterns = Patterns(matrix)
        self._rules = LabelRules(matrix)
        self._address = _main_address(index_url)
        self._files: dict[str, IndexFile] = {}
        self._changes: dict[tuple[str, str], Change] = {}
        self._failures: list[Failure] = []
        self._unread: list[str] = []
        self._notes: list[str] = []
        self._asked = 0
        self._done: set[str] = set()
        copy_matrix(matrix, stage)

    # -- asking -----------------------------------------------------------------------------

    def ask(self, names: Collection[str]) -> None:
        """Query projects, and then those that their new rows require."""
        for _ in range(ROUNDS):
            self._done |= set(names)
            self._ask_all(self._tasks(names))
            self._write_stage()
            names = lacking(Matrix.load(self._stage)) - self._done
            if not names:
                return

    def ask_images(self) -> None:
        """Read what registries and makers list of base images."""
        listed = read_images(self._matrix, self._web, self._today)
        self._asked += sum(
            image.listing is not None for image in self._matrix.images.images.values()
        )
        self._failures += [_failure(source, error) for source, error in listed.failures]
        self._notes += listed.notes
        if listed.notes:
            write_files(self._stage, {f"cuda/{IMAGES}.json": listed_text(listed.rows)})

    def _tasks(self, names: Collection[str]) -> list[Task]:
        tasks = []
        for name in sorted(names):
            for index in self._matrix.indexes.values():
                if self._is_asked(index, name):
                    source = f"{name} on {index.id}"
                    tasks.append(Task(source, partial(self._ask_index, index, name)))
        for builder in self._matrix.builders.values():
            projects = {name for name in names if builder.has(name)}
            if projects and is_listed(builder):
                tasks.append(Task(builder.id, partial(self._ask_builder, builder, projects)))
        return tasks

    def _is_asked(self, index: Index, name: str) -> bool:
        if index.id != PACKAGE_INDEX:
            return name in index.projects
        if not self._matrix.component(name).on_index:
            return False
        project = self._matrix.project(name)
        # A project whose wheels are elsewhere still has its releases, and sdists, here.
        return project is None or bool(project.versions)

    def _ask_index(self, index: Index, name: str) -> Answer:
        address = index.url or self._address
        # Fails the tasks of the main index alone: other sources have URLs of their own.
        if address is None:
            raise NetworkError("no package index is configured")
        known_project = self._matrix.project(name)
        listed = read_index(
            self._web, index, address, name, known_project, self._rules, anew=self._anew
        )
        return Answer(WheelPlace("index", index.id), {name: listed})

    def _ask_builder(self, builder: Builder, projects: set[str]) -> Answer:
        known_files = held_files(self._matrix, builder)
        published = read_builder(self._web, builder, projects, self._patterns, known_files)
        # As on an index: an empty list of a builder that had wheels is not believed. What it has of
        # projects that are not updated says nothing.
        if not published.wheels and any(project in projects for project, *_ in known_files):
            raise NetworkError("no release has a wheel, and some are held")
        listed: dict[str, list[ListedWheels]] = {name: [] for name in projects}
        for name, versions in published.wheels.items():
            listed[name] = [
                ListedWheels(version, tuple(wheels))
                for version, wheels in versions.items()
                if is_wanted(version, self._matrix.project(name))
            ]
        return Answer(WheelPlace("builder", builder.id), listed, tuple(published.unread))

    def _ask_all(self, tasks: list[Task]) -> None:
        answers: dict[int, Answer] = {}
        outcomes = as_completed(lambda task: task.ask(), tasks, AT_ONCE)
        for done, (number, outcome) in enumerate(outcomes, 1):
            source = tasks[number].source
            try:
                answers[number] = outcome.result()
            except CudalockError as error:
                self._failures.append(_failure(source, error))
            self._progress(source, done, len(tasks))
        self._asked += len(tasks)
        # In the order of the tasks, whichever came first: the same answers make the same rows.
        for number in sorted(answers):
            self._merge(answers[number])

    # -- merging ----------------------------------------------------------------------------

    def _merge(self, answer: Answer) -> None:
        self._unread += answer.unread
        for name, found_releases in answer.found.items():
            self._merge_project(name, answer.place, found_releases)

    def _merge_project(
        self, name: str, place: WheelPlace, found_releases: Iterable[ListedWheels]
    ) -> None:
        file = self._file(name)
        releases = dict(file.releases)
        listed = {found_release.version: found_release for found_release in found_releases}
        # A release that is held there and no longer listed has lost its wheels.
        for version in [
            *listed,
            *(found_release for found_release in releases if found_release not in listed),
        ]:
            found_release = listed.get(version, ListedWheels(version, ()))
            table, change = merge_release(
                name,
                version,
                releases.get(version),
                place,
                found_release.wheels,
                found_release.said,
            )
            self._note(change)
            if table is None:
                releases.pop(version, None)
            else:
                releases[version] = table
        if releases != file.releases:
            self._files[name] = file._replace(
                retrieved=self._today, releases=in_version_order(releases)
            )

    def _file(self, name: str) -> IndexFile:
        if name not in self._files:
            index_file = read_index_file(self._matrix, name)
            # Of a new project every final release is taken, so nothing older is left out.
            self._files[name] = index_file or IndexFile(
                name, self._today, ("listing and METADATA of the package index",), {}, older=()
            )
        return self._files[name]

    def _note(self, change: Change) -> None:
        if not (change.added or change.changed or change.gone):
            return
        key = (change.project, change.version)
        before = self._changes.get(key)
        # A release may change on several indexes.
        if before is not None:
            change = change._replace(
                new=before.new or change.new,
                added=before.added + change.added,
                changed=before.changed + change.changed,
                gone=before.gone + change.gone,
                rehashed=before.rehashed + change.rehashed,
            )
        self._changes[key] = change

    # -- writing ----------------------------------------------------------------------------

    def _write_stage(self) -> None:
        """Write what has changed so far into the staged copy."""
        files = {f"index/{name}.json": self._files[name].text() for name in self._written()}
        write_files(self._stage, files)
        staged = Matrix.load(self._stage)
        tables = {"toolkits": self._toolkits(staged), "cudnn": self._cudnn(staged)}
        write_files(
            self._stage, {f"cuda/{name}.json": text for name, text in tables.items() if text}
        )

    def _written(self) -> list[str]:
        """Return the projects whose files are in the staged copy."""
        return [name for name, file in self._files.items() if file.releases]

    def _toolkits(self, staged: Matrix) -> str | None:
        """Return the toolkits' table if the rows of the toolkit's project differ from it by now."""
        name = staged.toolkit_component
        if name not in self._files:
            return None

        def wheels(project: str, version: str) -> list[str]:
            staged_project = staged.project(project)
            builds = (
                staged_project.release(version).builds
                if staged_project and version in staged_project
                else ()
            )
            return [tags for build in builds for tags in build.tags]

        table = staged.vendor_table("toolkits")
        rows, notes = merge_toolkits(table["releases"], self._files[name].releases, wheels)
        self._notes += notes
        if rows == table["releases"]:
            return None
        return vendor_text(self._today, table["sources"], rows)

    def _cudnn(self, staged: Matrix) -> str | None:
        names = sorted(set(staged.component("cudnn").by_cuda.values()) & set(self._files))
        if not names:
            return None
        table = staged.vendor_table("cudnn")
        releases = {name: self._files[name].releases for name in names}
        rows = merge_cudnn(table["releases"], releases)
        if rows == table["releases"]:
            return None
        self._notes += [
            f"cuDNN {version} is new" for version in rows if version not in table["releases"]
        ]
        return vendor_text(self._today, table["sources"], rows)

    def finish(self, output: Path | None, *, known: bool) -> Report:
        """Lint the staged matrix, put it in place, and report."""
        absent = [name for name in sorted(self._done) if not self._is_there(name)]
        # A failed source may be the one that has the name.
        if known and absent and not self._failures:
            raise UnknownName(f"`{absent[0]}` is neither in the matrix nor on the package index")
        staged = Matrix.load(self._stage)
        defects = new_defects(self._matrix, staged, self._written())
        version, folder = self._matrix.version, str(output or self._matrix.directory)
        user_matrix = self._matrix.user_matrix if output is None else None
        if self._changes or self._notes or (user_matrix and user_matrix.is_damaged):
            version = next_version(self._matrix.version, self._today)
        if version != self._matrix.version or (output is not None and not output.exists()):
            folder = publish(self._stage, self._matrix, output, version)
        # The embedded matrix is as new as the sources, so what a user updated before is of no more
        # use.
        elif output is None and user_matrix is None:
            drop_user_matrix(data_folder())
        return Report(
            was=self._matrix.version,
            version=version,
            folder=folder,
            asked=self._asked,
            changes=tuple(self._changes[key] for key in sorted(self._changes)),
            notes=tuple(self._notes),
            failures=tuple(sorted(self._failures)),
            unread=tuple(sorted(self._unread)),
            defects=tuple(defects),
            traffic=str(self._web.traffic),
        )

    def _is_there(self, name: str) -> bool:
        return name in self._matrix.projects or bool(self._file(name).releases)


def _failure(source: str, error: CudalockError) -> Failure:
    if isinstance(error, NetworkError):
        return Failure(source, error.message, error.hints, error.host, error.reason)
    return Failure(source, error.message, error.hints)


def _main_address(index_url: str | None) -> str | None:
    with PackageIndexes(index_url) as indexes:
        return indexes.urls[0] if indexes.urls else None


def next_version(was: str, today: str) -> str:
    """Return the version of a matrix of today: the day, with a number if it has one already."""
    day = today.replace("-", ".")
    # After a clock that was set back the version still has to grow.
    if version_key(day) > version_key(was):
        return day
    parts = was.split(".")
    return ".".join([*parts[:3], str(int(parts[3]) + 1 if len(parts) > 3 else 1)])


__all__ = ["next_version", "update"]

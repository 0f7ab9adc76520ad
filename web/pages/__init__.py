"""Static pages of what the engine and the matrix say, for readers and search engines.

    answers ─> addons ─┐
    matrix ─> reference ┴> layout.Page ─> index.html

`answers` solves, `addons` and `reference` make pages, `layout` is what surrounds each of them,
`feeds` writes what machines read of all of them. Every page works without JavaScript, and two
builds give the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from cudalock.findings import RULES
from cudalock.matrix.matrix import Matrix
from cudalock.show import read_definitions
from web.pages import addons, feeds, reference
from web.pages.addons import Standing, Task
from web.pages.answers import Answers, add_ons
from web.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from cudalock.show.pages import GpuPage
    from web.pages.layout import Page

Item = TypeVar("Item")

MOST_WORKERS: Final = 8

Written = tuple[str, str | None]
"""A page's path, and the day of its last change."""


def build(site: Site, limit: int | None = None, workers: int | None = None) -> list[str]:
    """Write all pages, or about `limit` of every kind together, and return their paths.

    `workers` are processes, as many as the machine has processors unless it is stated.
    """
    matrix = site.matrix
    tasks = addons.tasks(matrix)
    releases = None
    if limit is not None:
        tasks, releases = _some(tasks, max(1, limit // 16)), 2
    written: list[Written] = []
    standings: dict[str, dict[str, list[Standing]]] = {name: {} for name in add_ons(matrix)}
    for task, (pages, found) in zip(tasks, _solved(site, tasks, releases, workers), strict=True):
        written += pages
        standings[task.name][task.platform] = found
    makers = [*_overviews(matrix, standings), *_reference(matrix)]
    if limit is not None:
        makers = _some(makers, max(1, limit - len(written)))
    for make in makers:
        page = make()
        page.write(site.folder, site.address, matrix.version)
        written.append((page.path, page.day))
    if site.address:
        _write_feeds(site, written)
    return sorted(path for path, _ in written)


def all_paths(matrix: Matrix) -> set[str]:
    """Return the path of every page, before anything is solved."""
    return {*addons.all_pages(matrix), *reference.paths(matrix)}


def _some(items: list[Item], number: int) -> list[Item]:
    """Return some items, spread evenly over all of them."""
    return [items[place * len(items) // number] for place in range(min(number, len(items)))]


def _overviews(
    matrix: Matrix, standings: dict[str, dict[str, list[Standing]]]
) -> Iterator[Callable[[], Page]]:
    yield partial(addons.index, matrix)
    for name, found in standings.items():
        yield partial(addons.overview, matrix, name, found)


def _reference(matrix: Matrix) -> Iterator[Callable[[], Page]]:
    shown: dict[str, GpuPage] = {}
    by_torch: dict[str, dict[str, list[str]]] = {}
    for task in addons.tasks(matrix):
        for torch in addons.torch_of(matrix, task):
            by_torch.setdefault(torch, {}).setdefault(task.name, []).append(task.platform)
    yield from (
        partial(reference.torch_index, matrix),
        partial(reference.cuda_index, matrix),
        partial(reference.gpu_index, matrix),
        partial(reference.tables_index, matrix),
        partial(reference.facts_index, matrix),
        reference.codes_index,
    )
    for version in reference.torch_paths(matrix):
        yield partial(reference.torch_page, matrix, version, by_torch.get(version, {}))
    for version in reference.cuda_versions(matrix):
        yield partial(reference.cuda_page, matrix, version)
    for name in reference.gpu_paths(matrix):
        yield partial(reference.gpu_page, matrix, name, shown)
    for name in read_definitions(matrix):
        yield partial(reference.table_page, matrix, name)
    for id in matrix.facts:
        yield partial(reference.fact_page, matrix, id)
    for code in RULES:
        yield partial(reference.code_html, code)


# -- what is solved, in several processes ---------------------------------------------------------


def _solved(
    site: Site, tasks: list[Task], releases: int | None, workers: int | None
) -> Iterator[tuple[list[Written], list[Standing]]]:
    count = workers or min(os.cpu_count() or 1, MOST_WORKERS)
    if count == 1:
        yield from (_solve(site, task, releases) for task in tasks)
        return
    arguments = (site.folder, site.address, str(site.matrix.directory), releases)
    with ProcessPoolExecutor(count, initializer=_start, initargs=arguments) as executor:
        yield from executor.map(_solve_in_worker, tasks)


def _solve(site: Site, task: Task, releases: int | None) -> tuple[list[Written], list[Standing]]:
    # Answers of its own: a reason must not depend on what the process solved before.
    answers = Answers(site.matrix, task.platform)
    pages, standings = addons.pages(site.matrix, task, answers, releases)
    for page in pages:
        page.write(site.folder, site.address, site.matrix.version)
    return [(page.path, page.day) for page in pages], standings


_in_worker: tuple[Site, int | None]


def _start(folder: Path, address: str, directory: str, releases: int | None) -> None:
    global _in_worker
    _in_worker = Site(folder, address, Matrix.load(directory)), releases


def _solve_in_worker(task: Task) -> tuple[list[Written], list[Standing]]:
    site, releases = _in_worker
    return _solve(site, task, releases)


def _write_feeds(site: Site, written: list[Written]) -> None:
    names = [site.matrix.framework or "", *add_ons(site.matrix)]
    paths = [("", feeds.day_of(site.matrix)), *written]
    texts = {
        "sitemap.xml": feeds.sitemap(paths, site.address),
        "robots.txt": feeds.robots(site.address),
        "feed.xml": feeds.feed(site.matrix, names, site.address),
    }
    for name, text in texts.items():
        (site.folder / name).write_text(text, encoding="utf-8", newline="\n")

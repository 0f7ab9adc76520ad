"""`python -m bench.grid`: every cell solved, counted and timed, and checked if asked.

A cell is a framework release, a CUDA build, a Python, a platform and a set of components. Blocks
(cells that differ only in the components) without any build of the framework are trivially empty:
counted apart, never solved. What is impossible with some components is impossible with more, so
a cell whose part was found impossible is decided by it; `--every` solves it all the same. Times are
the processor's.

Written to `--output`: `cells.jsonl`, one line a block, which a later run continues; and the
summaries `summary.json`, `summary.md` and `table.csv`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.cells import (
    COMPONENTS,
    FRAMEWORK,
    MACHINES,
    SUBSETS,
    Block,
    Subset,
    blocks,
    is_empty,
    sample,
)
from bench.summary import write_summary
from cudalock.files import data_directory
from cudalock.matrix.matrix import Matrix

if TYPE_CHECKING:
    from bench.engine import Solved
    from tests.oracle import Oracle

CELLS: Final = "cells.jsonl"

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Options:
    """What each worker needs to know."""

    matrix: Path
    reasons: bool = True
    check: bool = False
    every: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """The cells of one block that are to be solved."""

    block: Block
    subsets: tuple[Subset, ...]


# -- one block, in a worker -----------------------------------------------------------------------


def run_tasks(tasks: tuple[Task, ...], options: Options) -> list[Record]:
    """Solve some blocks; the matrix and the oracle are kept for the worker's next call."""
    return [_Block(task, options).record() for task in tasks]


@cache
def _matrix(directory: Path) -> Matrix:
    return Matrix.load(directory)


@cache
def _oracle(directory: Path) -> Oracle:
    from tests.oracle import Oracle
    from tests.verifier import Book

    return Oracle(Book(directory))


class _Block:
    def __init__(self, task: Task, options: Options) -> None:
        self.block, self.subsets, self.options = task.block, task.subsets, options
        self.impossible: list[Record] = []
        """the cells found impossible, smallest first: they decide those that hold them"""

    def record(self) -> Record:
        head = {
            "torch": self.block.torch,
            "cuda": self.block.cuda,
            "python": self.block.python,
            "platform": self.block.platform,
            **({"glibc": self.block.glibc} if self.block.glibc else {}),
            **({"machine": self.block.machine} if self.block.machine else {}),
        }
        if is_empty(self.options.matrix, self.block):
            wrong = self._check_empty() if self.options.check else None
            found = {"wrong": wrong} if wrong else {}
            return {**head, "empty": len(self.subsets), **found}
        return {**head, "cells": [self._cell(subset) for subset in self.subsets]}

    def _cell(self, subset: Subset) -> Record:
        decided_by = next(
            (each for each in self.impossible if set(each["with"]) <= set(subset)), None
        )
        if decided_by is not None and not self.options.every:
            return {"with": subset, "answer": "no", "by": decided_by["with"]}
        cell = self._solve(subset)
        if decided_by is not None:
            cell["by"] = decided_by["with"]
            if cell["answer"] != "no":
                cell["wrong"] = [f"an answer, though {decided_by['with']} has none"]
        elif cell["answer"] == "no":
            self.impossible.append(cell)
        return cell

    def _solve(self, subset: Subset) -> Record:
        from bench import engine

        goal, target = self.block.goal(subset), self.block.target()
        matrix = _matrix(self.options.matrix)
        solved = engine.solve(goal, target, matrix)
        cell: Record = {
            "with": subset,
            "answer": "no" if solved.resolution is None else "yes",
            "ms": round(solved.busy_milliseconds, 2),
        }
        if solved.resolution is not None:
            stack = {FRAMEWORK, *subset, "triton-windows"}
            pins = solved.resolution.pins
            cell["pins"] = {name: pin.version for name, pin in pins.items() if name in stack}
            warnings = [fact.id for fact in solved.resolution.warnings]
            if warnings:
                cell["warnings"] = warnings
        elif self.options.reasons:
            why = engine.explain(goal, target, matrix)
            cell |= {"facts": why.facts, "because": why.elements}
            cell["explained_ms"] = round(why.busy_milliseconds, 2)
        if self.options.check:
            wrong = self._check(subset, solved)
            if wrong:
                cell["wrong"] = wrong
        return cell

    # -- the oracle and the verifier ------------------------------------------------------------

    def _check_empty(self) -> list[str]:
        best = _oracle(self.options.matrix).best(self.block.goal(), self.block.target())
        return [] if best is None else ["the oracle has an answer for an empty block"]

    def _check(self, subset: Subset, solved: Solved) -> list[str]:
        from tests.oracle import disagreements

        goal, target = self.block.goal(subset), self.block.target()
        return disagreements(_oracle(self.options.matrix), goal, target, solved.resolution)


# -- the whole grid -------------------------------------------------------------------------------


def run(
    tasks: Iterable[Task],
    options: Options,
    executor: Executor,
    output: Path,
    ahead: int = 8,
    progress: Callable[[Record], None] = lambda _: None,
) -> None:
    """Solve the tasks on an executor, appending each block to ``output`` as it comes back.

    No more than ``ahead`` calls wait at a time, so that an endless grid takes no endless memory.
    """
    batches = _batches(tasks)
    with (output / CELLS).open("a", encoding="utf-8") as file:
        waiting: list[Future[list[Record]]] = []
        while True:
            for batch in islice(batches, ahead - len(waiting)):
                waiting.append(executor.submit(run_tasks, batch, options))
            if not waiting:
                return
            for record in waiting.pop(0).result():
                file.write(json.dumps(record, separators=(",", ":")) + "\n")
                progress(record)
            file.flush()


def _batches(tasks: Iterable[Task], size: int = 16) -> Iterator[tuple[Task, ...]]:
    """Tasks of one target together: what a worker has prepared for a target serves them all."""
    for _, group in groupby(tasks, key=lambda task: (task.block.platform, task.block.python)):
        while batch := tuple(islice(group, size)):
            yield batch


def records(output: Path) -> Iterator[Record]:
    """The blocks written so far. A last line that was cut off is left out."""
    path = output / CELLS
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                return


def remaining(tasks: Iterable[Task], done: Iterable[Record]) -> list[Task]:
    """What is still to be solved of the tasks."""
    solved: dict[str, set[Subset] | None] = {}
    for record in done:
        key = block_of(record).key
        if "empty" in record:
            solved[key] = None
        else:
            found = solved.setdefault(key, set())
            if found is not None:
                found |= {tuple(cell["with"]) for cell in record["cells"]}
    left = []
    for task in tasks:
        found = solved.get(task.block.key, set())
        subsets = tuple(each for each in task.subsets if found is not None and each not in found)
        if subsets:
            left.append(Task(task.block, subsets))
    return left


def block_of(record: Mapping[str, Any]) -> Block:
    """The block that a record tells of."""
    return Block(
        record["torch"],
        record["cuda"],
        record["python"],
        record["platform"],
        record.get("glibc"),
        record.get("machine"),
    )


def _mend(output: Path) -> None:
    """Cut off a half-written last line, so that new ones do not continue it."""
    path = output / CELLS
    if path.exists():
        text = path.read_bytes()
        path.write_bytes(text[: text.rfind(b"\n") + 1])


# -- the command line -----------------------------------------------------------------------------


def executor_for(name: str, jobs: int, address: str | None = None) -> AbstractContextManager[Any]:
    """An executor by name: worker processes here, or Dask's workers wherever they are."""
    if name == "dask":
        # By name, as it is optional: only those who have a cluster need it.
        connect = import_module("distributed").Client
        client = connect(address) if address else connect(n_workers=jobs, threads_per_worker=1)
        return _DaskExecutor(client)
    if jobs == 1:
        return nullcontext(_Here())
    return ProcessPoolExecutor(jobs)


class _DaskExecutor(AbstractContextManager[Any]):
    """`Client.get_executor()`, and its client closed afterwards."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __enter__(self) -> Any:
        # Timings are results too, so a repeated call is not to be answered from memory.
        return self._client.get_executor(pure=False)

    def __exit__(self, *_: object) -> None:
        self._client.close()


class _Here(Executor):
    """Runs each call at once, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def parser() -> argparse.ArgumentParser:
    """The options of `python -m bench.grid`."""
    found = argparse.ArgumentParser("python -m bench.grid", description=__doc__)
    found.add_argument("--output", type=Path, required=True, help="folder of the results")
    found.add_argument("--jobs", type=int, default=1, help="worker processes (default 1)")
    found.add_argument("--executor", choices=["processes", "dask"], default="processes")
    found.add_argument("--scheduler", help="address of a Dask scheduler; without: one here")
    found.add_argument("--matrix", type=Path, help="another matrix folder")
    found.add_argument("--sample", type=int, metavar="N", help="only N cells")
    found.add_argument("--seed", type=int, default=0, help="of the sample (default 0)")
    found.add_argument("--check", action="store_true", help="compare with oracle and verifier")
    found.add_argument("--every", action="store_true", help="solve cells decided by others too")
    found.add_argument("--no-reasons", action="store_true", help="do not explain answers of no")
    found.add_argument("--glibc", help="of the Linux targets (default: what `linux` means)")
    found.add_argument(
        "--machine", action="append", choices=[*MACHINES, "all"], help="for this one; repeatable"
    )
    for axis in ("torch", "cuda", "python", "platform"):
        found.add_argument(f"--{axis}", action="append", help="only this one; may be repeated")
    return found


def tasks_for(arguments: argparse.Namespace, directory: Path) -> list[Task]:
    """The cells that the options ask for."""
    named = arguments.machine or []
    machines = list(MACHINES) if "all" in named else named
    every = [
        block
        for block in blocks(directory, arguments.glibc, machines)
        if all(
            getattr(arguments, axis) is None or getattr(block, axis) in getattr(arguments, axis)
            for axis in ("torch", "cuda", "python", "platform")
        )
    ]
    if arguments.sample is None:
        return [Task(block, SUBSETS) for block in every]
    chosen = sample(every, arguments.sample, arguments.seed)
    return [Task(block, tuple(subsets)) for block, subsets in chosen.items()]


def main(words: list[str] | None = None) -> int:
    """Run the grid; the exit status is 1 if anything disagrees."""
    arguments = parser().parse_args(words)
    directory = (arguments.matrix or data_directory()).resolve()
    arguments.output.mkdir(parents=True, exist_ok=True)
    options = Options(directory, not arguments.no_reasons, arguments.check, arguments.every)
    _mend(arguments.output)
    tasks = tasks_for(arguments, directory)
    left = remaining(tasks, records(arguments.output))
    start = time.perf_counter()
    with (
        executor_for(arguments.executor, arguments.jobs, arguments.scheduler) as executor,
        _progress(sum(len(task.subsets) for task in left)) as advance,
    ):
        ahead = max(2, 2 * arguments.jobs)
        run(left, options, executor, arguments.output, ahead, advance)
    seconds = time.perf_counter() - start
    summary = write_summary(
        list(records(arguments.output)),
        arguments.output,
        {"matrix": Matrix.load(directory).version, "components": list(COMPONENTS)},
    )
    print(f"{sum(len(task.subsets) for task in left)} cells in {seconds:.0f} s", file=sys.stderr)
    print((arguments.output / "summary.md").read_text(encoding="utf-8"))
    return 1 if summary["disagreements"] else 0


class _progress(AbstractContextManager[Any]):  # noqa: N801 (used as a function)
    """A progress bar on stderr; silent where Rich is not installed."""

    def __init__(self, total: int) -> None:
        self.total = total

    def __enter__(self) -> Callable[[Record], None]:
        try:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
        except ImportError:
            self.bar = None
            return lambda record: None
        self.bar = Progress(
            *(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()),
            console=Console(stderr=True),
        )
        self.bar.start()
        line = self.bar.add_task("cells", total=self.total)
        bar = self.bar

        def advance(record: Record) -> None:
            bar.advance(line, record.get("empty") or len(record["cells"]))

        return advance

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()


__all__ = ["Options", "Task", "main", "records", "remaining", "run"]

if __name__ == "__main__":
    sys.exit(main())

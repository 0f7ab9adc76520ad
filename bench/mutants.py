"""`python -m bench.mutants`: does a test fail when a line of the engine, the locks, the formats or
the judgement of pins is changed?

A seeded sample of mutmut's changes is tried. pytest collects the tests once, in this process; which
of them run which lines is measured once, by coverage; each change is then put into a fork, which
runs the quickest of the tests that run its lines, and, if none of those fails, the files they are
of. All of it goes to the folder of `--state`, so that a run continues the one before: what
survived is tried again with `--again`. Linux and macOS only, for the forks.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final

import pytest
import tomllib

from bench.mutation import ROOT, Mutant, NotApplicable, apply, files, sample
from cudalock.files import write_atomically

TESTS: Final = (
    *("tests/resolution", "tests/conflicts", "tests/lock", "tests/formats", "tests/compat"),
    *("tests/check", "tests/keep", "tests/goals", "tests/test_cases.py"),
)
AT_FIRST: Final = 15
"""Covering tests that run before whole files do."""
SECONDS_AT_FIRST: Final = 4.0
SECONDS: Final = 60.0
"""Of the processor, that the tests of one mutant may take as measured; what comes after is left
out."""
LONGEST: Final = 5.0
"""Seconds of the processor after which a test is stopped while it is measured, and left out; ten
times as long if it waits for others."""
LIMITS: Final = ((signal.ITIMER_VIRTUAL, 1), (signal.ITIMER_REAL, 10))
KEEP_EACH: Final = 3.0
JUDGED: Final = Path(__file__).with_name("mutants.toml")
"""Survivors that mean the same as the code, and why."""


# -- forks ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ended:
    """How a fork ended."""

    status: int
    """0, 1, or -9 if it took too long"""
    said: str
    seconds: float
    """of the processor, with those of its own children"""


def forked(work: Callable[[Callable[[str], None]], int], processor: float, passed: float) -> Ended:
    """Do something in a fork, which may write lines; it ends with the limits, in seconds."""
    import resource

    reads, writes = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setpgid(0, 0)
            os.close(reads)
            limit = int(processor) + 1
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
            nowhere = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(nowhere, descriptor)

            def say(line: str) -> None:
                os.write(writes, line.encode() + b"\n")

            status = work(say)
        finally:
            os._exit(status)
    os.close(writes)
    os.set_blocking(reads, False)
    before, begun, said, ended = _of_children(), monotonic(), b"", 0
    try:
        while not ended and monotonic() - begun < passed:
            said += _read(reads)
            sleep(0.005)
            ended, status = os.waitpid(pid, os.WNOHANG)
    finally:
        # What it started as well, and itself if it is late or this process is interrupted.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    if not ended:
        _, status = os.waitpid(pid, 0)
    said += _read(reads)
    os.close(reads)
    code = os.waitstatus_to_exitcode(status)
    late = code in (-signal.SIGXCPU, -signal.SIGKILL)
    return Ended(-9 if late else code and 1, said.decode(), _of_children() - before)


def _read(descriptor: int) -> bytes:
    found = b""
    while True:
        try:
            more = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return found
        if not more:
            return found
        found += more


def _of_children() -> float:
    # Not on Windows, where the figures can still be written.
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _used() -> float:
    import resource

    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime + _of_children()


# -- which tests run which lines ------------------------------------------------------------------


class Covered:
    """What was measured of each file of tests: its tests with their seconds, and their lines."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.seconds: dict[str, float] = {}
        """tests that passed, as measured"""
        self._of_line: dict[tuple[str, int], set[str]] = {}
        self.of_file: dict[str, list[str]] = {}

    def _paths(self, file: Path) -> tuple[Path, Path]:
        name = file.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        digest = sha256(file.read_bytes()).hexdigest()[:12]
        return self._folder / f"{name}-{digest}.json", self._folder / f"{name}-{digest}.coverage"

    def measured(self, file: Path) -> dict[str, float | None]:
        """The seconds of the tests of a file that were run; None for one that did not pass."""
        path = self._paths(file)[0]
        found: dict[str, float | None] = (
            json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        )
        return found

    def measure(self, file: Path, items: Sequence[pytest.Item], runner: Runner) -> Ended:
        """Run tests of a file in a fork, and keep what they ran, every few seconds."""
        seconds, lines = self._paths(file)
        took = self.measured(file)

        def work(_: Callable[[str], None]) -> int:
            import coverage

            watch = coverage.Coverage(
                data_file=str(lines),
                include=[str(path) for path in files()],
                config_file=False,
                messages=False,
            )
            if lines.exists():
                watch.load()
            for number in (signal.SIGVTALRM, signal.SIGALRM):
                signal.signal(number, _too_long)
            watch.start()
            runner.failed = set()
            kept = _used()
            for item, following in _pairs(items):
                watch.switch_context(item.nodeid)
                begun = _used()
                for timer, times in LIMITS:
                    signal.setitimer(timer, LONGEST * times)
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                for limit in LIMITS:
                    signal.setitimer(limit[0], 0)
                took[item.nodeid] = None if item.nodeid in runner.failed else _used() - begun
                if following is None or _used() - kept > KEEP_EACH:
                    watch.save()
                    write_atomically(seconds, json.dumps(took).encode())
                    kept = _used()
            return 0

        return forked(work, 1200, 3600)

    def load(self, file: Path) -> None:
        """Read what was measured of a file."""
        from coverage import CoverageData

        lines = self._paths(file)[1]
        found = {name: each for name, each in self.measured(file).items() if each is not None}
        self.seconds |= found
        self.of_file[file.relative_to(ROOT).as_posix()] = sorted(found, key=found.__getitem__)
        data = CoverageData(str(lines))
        data.read()
        for path in data.measured_files():
            name = Path(path).relative_to(ROOT).as_posix()
            for line, tests in data.contexts_by_lineno(path).items():
                kept = self._of_line.setdefault((name, line), set())
                kept |= {test for test in tests if test in found}

    def tests(self, mutant: Mutant) -> list[str]:
        """The tests that run what changes: quick ones first, each file's first before others."""
        names = {
            each for line in mutant.lines() for each in self._of_line.get((mutant.path, line), ())
        }
        by_file: dict[str, list[str]] = {}
        for name in sorted(names, key=lambda name: (self.seconds[name], name)):
            by_file.setdefault(name.partition("::")[0], []).append(name)
        ranked = [
            (place, self.seconds[name], name)
            for own in by_file.values()
            for place, name in enumerate(own)
        ]
        return [name for _, _, name in sorted(ranked)]


def _read_matrix() -> None:
    """Have the embedded matrix in this process, so that no fork reads it: nothing that is changed
    takes part in that."""
    from cudalock.matrix.matrix import Matrix
    from tests.loading import loading_once

    Matrix.load = loading_once()  # type: ignore[method-assign]
    matrix = Matrix.load()
    for name in matrix.components:
        matrix.versions(name)
    gc.freeze()


def _too_long(*_: object) -> None:
    raise TimeoutError(f"a test takes more than {LONGEST} s")


def _pairs(items: Sequence[pytest.Item]) -> Iterator[tuple[pytest.Item, pytest.Item | None]]:
    return zip(items, [*items[1:], None], strict=True)


# -- the runs -------------------------------------------------------------------------------------


class Runner:
    """A plugin of pytest that runs the collected tests as it needs them."""

    def __init__(
        self,
        state: Path,
        mutants: Sequence[Mutant],
        again: bool,
        only: str | None,
        seconds: float,
        out: Any,
    ) -> None:
        self.failed: set[str] = set()
        self._stop_at_failure: Callable[[str], None] | None = None
        self._state, self._mutants, self._again, self._out = state, mutants, again, out
        self._only, self._seconds = only, seconds
        self._covered = Covered(state / "covered")
        self._items: dict[str, pytest.Item] = {}
        self._sound: dict[str, bool] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Interrupted(f"{session.testsfailed} files of tests cannot be read")
        self._items = {item.nodeid: item for item in session.items}
        self._measure(session.items)
        if self._only != "measure":
            _read_matrix()
            self._try_all()
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed or report.skipped:
            self.failed.add(report.nodeid)
        if report.failed and self._stop_at_failure is not None:
            self._stop_at_failure(report.nodeid)
            os._exit(1)

    def _measure(self, items: Iterable[pytest.Item]) -> None:
        by_file: dict[Path, list[pytest.Item]] = {}
        for item in items:
            by_file.setdefault(item.path, []).append(item)
        for file, own in by_file.items():
            known = self._covered.measured(file)
            left = [item for item in own if item.nodeid not in known]
            if left and self._only != "try":
                ended = self._covered.measure(file, left, self)
                self._say(f"{file.name}: {len(left)} tests, {ended.seconds:.0f} s, {ended.status}")
            if self._covered.measured(file):
                self._covered.load(file)

    def _try_all(self) -> None:
        done = results(self._state)
        with (self._state / RESULTS).open("a", encoding="utf-8") as file:
            for number, mutant in enumerate(self._mutants, 1):
                before = done.get(mutant.key)
                if before and not (self._again and before["result"] in ("survived", "no test")):
                    continue
                try:
                    covering = self._covered.tests(mutant)
                except ValueError as error:
                    self._say(f"{number}: {error}")
                    continue
                if not covering and (before or self._only == "try"):
                    continue
                result = self._try(mutant, covering)
                # Fewer tests than before decide nothing.
                if before and result["result"] == "survived" and result["tests"] <= before["tests"]:
                    continue
                file.write(json.dumps({**asdict(mutant), **result}) + "\n")
                file.flush()
                self._say(f"{number}: {result['result']} in {result['seconds']:.1f} s")

    def _try(self, mutant: Mutant, covering: Sequence[str]) -> dict[str, Any]:
        if not covering:
            return {"result": "no test", "seconds": 0.0, "tests": 0}
        quick = self._within(covering[:AT_FIRST], min(SECONDS_AT_FIRST, self._seconds))
        result = self._run(mutant, quick)
        if result["result"] != "survived":
            return result
        # What one test of a file prepared, others use without running those lines.
        whole = [
            *covering,
            *(
                each
                for file in dict.fromkeys(name.partition("::")[0] for name in covering)
                for each in self._covered.of_file[file]
            ),
        ]
        more = self._within(
            [each for each in dict.fromkeys(whole) if each not in quick], self._seconds
        )
        last = self._run(mutant, more) if more else result
        return {
            **last,
            "seconds": round(result["seconds"] + (last["seconds"] if more else 0), 2),
            "tests": len(quick) + len(more),
            "left out": len(set(whole)) - len(quick) - len(more),
        }

    def _within(self, names: Iterable[str], seconds: float) -> list[str]:
        """The first of some tests, as many as fit in a time, and one at least."""
        found: list[str] = []
        total = 0.0
        for name in names:
            total += self._covered.seconds[name] + 0.005
            if found and total > seconds:
                break
            found.append(name)
        return found

    def _run(self, mutant: Mutant, names: Sequence[str]) -> dict[str, Any]:
        """Run some tests on a mutant, until one fails that does not without it."""
        seconds = 0.0
        left = [name for name in names if self._sound.get(name, True)]
        while left:
            ended = self._fork(mutant, left)
            seconds += ended.seconds
            said = ended.said.strip()
            found = {"seconds": round(seconds, 2), "tests": len(left)}
            if said.startswith("not applicable"):
                return {"result": "not applicable", **found, "why": said}
            if ended.status == -9:
                return {"result": "timed out", **found}
            if ended.status == 0:
                return {"result": "survived", **found}
            if said not in self._items or self._is_sound(said):
                return {"result": "killed", **found, "by": said}
            left = [name for name in left if name != said]
        return {"result": "survived", "seconds": round(seconds, 2), "tests": 0}

    def _is_sound(self, name: str) -> bool:
        """Whether a test passes alone and without a mutant."""
        if name not in self._sound:
            self._sound[name] = self._fork(None, [name]).status == 0
            if not self._sound[name]:
                self._say(f"{name} does not pass alone")
        return self._sound[name]

    def _fork(self, mutant: Mutant | None, names: Sequence[str]) -> Ended:
        items = sorted((self._items[name] for name in names), key=lambda item: str(item.path))

        def work(say: Callable[[str], None]) -> int:
            if mutant is not None:
                try:
                    apply(mutant)
                except NotApplicable as error:
                    say(f"not applicable: {error}")
                    return 1
            self._stop_at_failure = say
            for item, following in _pairs(items):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            return 0

        measured = sum(self._covered.seconds[name] for name in names)
        return forked(work, 5 + 3 * measured, 120 + 30 * measured)

    def _say(self, text: str) -> None:
        print(text, file=self._out, flush=True)


# -- the state, and the page ----------------------------------------------------------------------

RESULTS: Final = "results.jsonl"


def results(state: Path) -> dict[str, dict[str, Any]]:
    """The last result of each mutant. A line that was cut off is left out."""
    found = {}
    path = state / RESULTS
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        found[_mutant(record).key] = record
    return found


def _mutant(record: dict[str, Any]) -> Mutant:
    return Mutant(
        record["path"],
        record["function"],
        record["line"],
        tuple(record["before"]),
        tuple(record["after"]),
    )


def chosen(state: Path, size: int, seed: int) -> list[Mutant]:
    """The sample, as the state has it if it was drawn before."""
    path = state / f"sample-{seed}-{size}.json"
    if not path.exists():
        state.mkdir(parents=True, exist_ok=True)
        drawn = [asdict(each) for each in sample(size, seed)]
        path.write_text(json.dumps(drawn, indent=0), encoding="utf-8")
    return [_mutant(each) for each in json.loads(path.read_text(encoding="utf-8"))]


def judged() -> dict[tuple[str, str, str], str]:
    """Why a change means the same, by file, and its text before and after without the margin."""
    rows = tomllib.loads(JUDGED.read_text(encoding="utf-8")).get("same", [])
    return {(row["path"], row["before"], row["after"]): row["why"] for row in rows}


def _plain(lines: Iterable[str]) -> str:
    return " ".join(" ".join(lines).split())


def counted(mutants: Sequence[Mutant], done: dict[str, dict[str, Any]]) -> dict[str, list[Mutant]]:
    """The mutants by what became of them."""
    same = judged()
    found: dict[str, list[Mutant]] = {}
    for mutant in mutants:
        record = done.get(mutant.key)
        result = record["result"] if record else "not tried"
        change = (mutant.path, _plain(mutant.before), _plain(mutant.after))
        if result in ("survived", "no test") and change in same:
            result = "the same"
        elif record and result == "survived" and record.get("left out"):
            result = "undecided"
        found.setdefault(result, []).append(mutant)
    return found


HEAD: Final = """\
# Mutation testing

Made by `python -m bench.mutants --state DIR --page bench/mutants.md` on {date}. A mutant is a
change of one function by mutmut; each ran the tests that run its lines, in a process of its own.
Sample of {size}, seed {seed}.

| Became of it | Mutants |
|---|--:|
"""
RESULT_NAMES: Final = {
    "killed": "killed: a test failed",
    "timed out": "took more than three times as long, or 5 s more",
    "the same": "survived, and means the same (`bench/mutants.toml` says why)",
    "survived": "survived all of their tests",
    "undecided": "survived the tests that the time was for; others were left out",
    "no test": "no test of the chosen ones runs its lines",
    "not applicable": "could not be put into a running process",
    "not tried": "not tried",
}


LISTED: Final = {"What survived": ("survived", "no test"), "Undecided": ("undecided",)}


def page(mutants: Sequence[Mutant], state: Path, seed: int, date: str) -> str:
    """The figures, and what survived, in Markdown."""
    done = results(state)
    found = counted(mutants, done)
    tried = [done[each.key] for each in mutants if each.key in done]
    text = HEAD.format(date=date, size=len(mutants), seed=seed)
    for result, words in RESULT_NAMES.items():
        if result in found or result in ("killed", "survived"):
            text += f"| {words} | {len(found.get(result, ()))} |\n"
    seconds = sum(each["seconds"] for each in tried)
    text += (
        f"\nThe processor's time: {seconds:,.0f} s, {seconds / max(1, len(tried)):.1f} s each.\n"
    )
    for title, names in LISTED.items():
        left = [each for name in names for each in found.get(name, ())]
        if left:
            text += f"\n## {title}\n\n| Where | Before | After |\n|---|---|---|\n"
        for each in sorted(left, key=lambda mutant: (mutant.path, mutant.line)):
            name = each.path.removeprefix("resolver/cudalock/")
            before, after = (_cell(lines) for lines in (each.before, each.after))
            text += f"| `{name}`, `{each.function}` | {before} | {after} |\n"
    return text


def _cell(lines: Iterable[str]) -> str:
    return f"`{_plain(lines)}`".replace("|", "\\|") if any(lines) else ""


# -- the command line -----------------------------------------------------------------------------


def main(words: list[str] | None = None) -> int:
    """Try the mutants that were not tried; the exit status is 1 if any survive."""
    parser = argparse.ArgumentParser("python -m bench.mutants", description=__doc__)
    parser.add_argument("--sample", type=int, default=400, metavar="N", help="mutants (400)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--state", type=Path, default=Path("build/mutants"), help="its folder")
    parser.add_argument("--tests", nargs="+", default=TESTS, help="files and folders of tests")
    parser.add_argument("--again", action="store_true", help="try what survived again")
    parser.add_argument("--select", metavar="WORDS", help="of the tests, as pytest's -k")
    parser.add_argument(
        "--only", choices=["measure", "try"], help="measure what tests run, or go by what is known"
    )
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for one mutant (60)")
    parser.add_argument("--page", type=Path, help="write the figures, and try nothing")
    parser.add_argument("--date", default="an unknown day", help="of the figures")
    said = parser.parse_args(words)
    state = said.state.resolve()
    mutants = chosen(state, said.sample, said.seed)
    if said.page is not None:
        said.page.write_text(page(mutants, state, said.seed, said.date), encoding="utf-8")
        return 0
    # So that forks end with this process, whatever ends it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(130))
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    scratch = state / f"tmp-{os.getpid()}"
    options = [
        "-n",
        "0",
        "-q",
        "-p",
        "no:cacheprovider",
        "--timeout=0",
        f"--basetemp={scratch}",
    ]
    options += ["-m", "not network and not web and not slow_network", "--rootdir", str(ROOT)]
    ended = pytest.main(
        [*options, *said.tests], [Runner(state, mutants, said.again, said.only, said.seconds, out)]
    )
    shutil.rmtree(scratch, ignore_errors=True)
    if ended not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        return int(ended)
    found = counted(mutants, results(state))
    print(", ".join(f"{len(each)} {name}" for name, each in found.items()), file=out, flush=True)
    return 1 if {"survived", "undecided", "no test"} & found.keys() else 0


if __name__ == "__main__":
    sys.exit(main())

"""`python -m bench.guided`: bytes that a coverage-guided fuzzer (atheris) makes, read as files.

Each input's first byte chooses what reads the rest: a kind of project file with everything that
`check` does of it, a goal's phrase, an error message, a lock in JSON. Only the errors that people
are told may come out. Seeds are the test suite's own files; what fails is left in the folder, and
`python -m bench.guided FILE` runs it again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from cudalock.check import check_file
from cudalock.check.fix_text import rewrite
from cudalock.check.reports import REPORTS, CheckReport
from cudalock.diagnose import decode, diagnose
from cudalock.errors import CudalockError
from cudalock.files import data_directory
from cudalock.formats import json_lock
from cudalock.goals import Request, read_request
from cudalock.matrix.matrix import Matrix
from cudalock.matrix.universe import ClosedUniverse
from cudalock.projects.kinds import BY_NAME, kind_of
from cudalock.projects.read import find_files, read_file
from cudalock.targets import Target

SEEDS: Final = Path(__file__).parents[1] / "tests"
LINUX: Final = Target("3.11", "linux-x86_64")
LONGEST: Final = 4096
SLOWEST: Final = 20
"""Seconds for one input; beyond that the fuzzer calls it a hang."""

Reader = Callable[[bytes], object]


def readers(matrix: Matrix) -> list[Reader]:
    """What an input may be read as, in the order of its first byte."""
    kinds = [_checking(kind, matrix) for kind in BY_NAME]
    return [
        *kinds,
        lambda content: read_request(
            Request(words=tuple(_text(content).split())), ClosedUniverse(matrix)
        ),
        lambda content: diagnose(decode(content), matrix),
        lambda content: json_lock.read(_text(content)),
    ]


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def _checking(kind: str, matrix: Matrix) -> Reader:
    def read(content: bytes) -> None:
        file = read_file("-", content, kind=kind)
        checked = check_file(file, matrix, [LINUX])
        for report in REPORTS.values():
            report(
                CheckReport(
                    checked.findings, matrix.version, {checked.file.name: checked.file.text}
                )
            )
        list(rewrite(checked, matrix))

    return read


def write_seeds(folder: Path) -> None:
    """The test suite's files, each with the first byte that has it read as what it is."""
    folder.mkdir(parents=True, exist_ok=True)
    order = list(BY_NAME)
    for number, path in enumerate(find_files(SEEDS)):
        kind = kind_of(path)
        if kind in order:
            content = bytes([order.index(kind)]) + path.read_bytes()[: LONGEST - 1]
            (folder / f"seed-{number}").write_bytes(content)


def main() -> None:
    """Fuzz, or run inputs again."""
    parser = argparse.ArgumentParser(prog="python -m bench.guided", description=__doc__)
    parser.add_argument("inputs", nargs="*", type=Path, help="run these again, and no more")
    parser.add_argument("--corpus", type=Path, default=Path("build/guided"))
    parser.add_argument("--seconds", type=int, default=300)
    said = parser.parse_args()
    if said.inputs:
        chosen = readers(Matrix.load(data_directory()))
        for path in said.inputs:
            _run(path.read_bytes(), chosen)
        return
    write_seeds(said.corpus)
    _fuzz(said.corpus, said.seconds)


def _run(content: bytes, chosen: list[Reader]) -> None:
    if content:
        with suppress(CudalockError):
            chosen[content[0] % len(chosen)](content[1:])


def _fuzz(corpus: Path, seconds: int) -> None:
    import atheris

    atheris.instrument_all()
    chosen = readers(Matrix.load(data_directory()))
    flags = [f"-max_len={LONGEST}", f"-timeout={SLOWEST}", f"-max_total_time={seconds}"]
    words = [sys.argv[0], str(corpus), f"-artifact_prefix={corpus.parent}/", *flags]
    atheris.Setup(words, lambda content: _run(content, chosen))
    atheris.Fuzz()


if __name__ == "__main__":
    main()

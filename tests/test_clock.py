"""The clock changes no answer: not a lock, a finding or an explanation, and no test's result."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.files import write, write_all
from tests.paths import RESOLVER, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READERS = {
    "resolver/cudalock/cli/matrix/update.py": "the day that new rows are marked with",
    "resolver/cudalock/indexes/client.py": "Retry-After may name a time",
    "resolver/cudalock/matrix/matrix.py": "the age that `--version` shows",
    "tests/indexes/test_web.py": "Retry-After may name a time",
    "tests/web/built.py": "the age of what a build that was killed left behind",
}
"""The modules that may read the clock, and what for."""

_OF_TIME = {"time", "time_ns", "localtime", "gmtime", "strftime", "ctime"}
_OF_DATES = {"now", "utcnow", "today"}
_LOOKS_LIKE_ONE = re.compile(r"from time import|\b(time|date|datetime)\s*\.\s*(t|l|g|s|c|n|u)")


def clock_reads(module: Path) -> Iterator[str]:
    """Yield each expression of a module that reads the time of day."""
    text = module.read_text(encoding="utf-8")
    if not _LOOKS_LIKE_ONE.search(text):  # most modules, which then need no parsing
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and node.attr in _OF_TIME | _OF_DATES:
            owner = ast.unparse(node.value).rpartition(".")[2]
            if owner == "time" if node.attr in _OF_TIME else owner in ("date", "datetime"):
                yield ast.unparse(node)
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from (name.name for name in node.names if name.name in _OF_TIME)


def test_few_modules_read_the_clock() -> None:
    modules = [*RESOLVER.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    found = {module.relative_to(ROOT).as_posix() for module in modules if any(clock_reads(module))}
    assert found == set(READERS)


LATER = """
import datetime, time

AHEAD = datetime.timedelta(days=400)
seconds, localtime, gmtime = time.time, time.localtime, time.gmtime

class Date(datetime.date):
    @classmethod
    def today(cls):
        return cls.fromtimestamp(time.time())

class DateTime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls):
        return cls.now(datetime.timezone.utc).replace(tzinfo=None)

time.time = lambda: seconds() + AHEAD.total_seconds()
time.localtime = lambda at=None: localtime(time.time() if at is None else at)
time.gmtime = lambda at=None: gmtime(time.time() if at is None else at)
datetime.date, datetime.datetime = Date, DateTime
"""
"""A `sitecustomize` with which a Python starts 400 days ahead."""

GOAL = ["--torch", "2.5.1", "--fa2", "--python", "3.11", "--platform", "linux"]
NO_WHEEL = ["--torch", "2.5.1", "--fa2", "--python", "3.14", "--platform", "linux"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that git knows since a day before the matrix's."""
    files = {
        "requirements.txt": "torch==2.5.1\ntransformers\n",
        "broken.txt": "torch==2.5.1\ntorchvision==0.19.0\n",
    }
    write_all(tmp_path / "project", files)
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    day = "2025-01-31T12:00:00Z"
    environment = {**os.environ, "GIT_AUTHOR_DATE": day, "GIT_COMMITTER_DATE": day}
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        command = ["git", *identity, *words]
        subprocess.run(command, cwd=tmp_path / "project", env=environment, check=True)
    return tmp_path / "project"


def run(words: list[str], folder: Path, *, ahead: bool) -> tuple[int, str, str]:
    """Run cudalock in a folder, now or 400 days ahead; return the exit status and the outputs."""
    paths = [str(RESOLVER)]
    if ahead:
        paths.insert(0, str(write(folder.parent / "later" / "sitecustomize.py", LATER).parent))
    done = subprocess.run(
        [sys.executable, "-m", "cudalock", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["solve", *GOAL, "--offline"], 0),
        (["solve", *NO_WHEEL, "--offline"], 1),
        (["solve", *GOAL, "--exclude-newer", "2025-06-01", "--format", "json", "--offline"], 0),
        (["generate", "requirements.txt", *GOAL[3:], "--offline"], 0),
        (["check", "broken.txt", *GOAL[3:]], 1),
    ],
    ids=["solve", "no", "exclude-newer", "generate", "check"],
)
def test_an_answer_is_the_same_400_days_later(words: list[str], status: int, project: Path) -> None:
    now = run(words, project, ahead=False)
    assert now[0] == status, now[2]
    assert run(words, project, ahead=True) == now


def test_the_shifted_clock_is_400_days_ahead(project: Path) -> None:
    """By the one thing that shows the clock: the matrix's age."""
    ages = [
        int(re.findall(r"(\d+) days? old", run(["--version"], project, ahead=ahead)[1])[0])
        for ahead in (False, True)
    ]
    # One day more when midnight lies between, one less where a matrix of today is of tomorrow here.
    assert abs(ages[1] - ages[0] - 400) <= 1

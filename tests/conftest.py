"""What several test files share: the recorded index, and the real one where it may be asked."""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import TYPE_CHECKING, Final

import pytest

# Before anything reads a matrix: what the user of this machine refreshed is not what is tested.
os.environ["CUDALOCK_DATA_DIR"] = os.devnull

from cudalock.matrix.matrix import Matrix
from tests.loading import loading_once
from tests.local_index import clean_environment, run_tool
from tests.recorded import MAIN, RecordedIndex

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# While tests are collected nothing that is made goes.
gc.disable()

os.environ["CUDALOCK_NO_DETECT"] = "1"
"""What a test's machine has is not what the tests are about; those that are hand in a probe."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--update`, whose diff is reviewed like code, and `--slow-network`."""
    parser.addoption(
        "--update", action="store_true", help="rewrite what is printed, under tests/cases"
    )
    parser.addoption(
        "--slow-network", action="store_true", help="run the tests marked slow_network as well"
    )


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache that is empty at first, and not the user's. Each file has its own: what a command of
    one kept of an index would decide what a solve offline says in another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUDALOCK_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def cache_of_the_network(request: pytest.FixtureRequest) -> None:
    """What the real index says is kept apart, since a solve offline goes by what was kept."""
    if request.node.get_closest_marker("network"):
        # Looked up here: a folder for each of eight thousand tests takes its time.
        folder = request.getfixturevalue("tmp_path") / "kept"
        request.getfixturevalue("monkeypatch").setenv("CUDALOCK_CACHE_DIR", str(folder))


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where nothing may be compiled beside the source, each process that a test starts would
    compile the whole package: they share a folder for that."""
    with pytest.MonkeyPatch.context() as patch:
        if sys.dont_write_bytecode:
            # The folder of the whole run, above that of one of its processes.
            folder = tmp_path_factory.getbasetemp().parent / "compiled"
            patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
            patch.setenv("PYTHONPYCACHEPREFIX", str(folder))
        yield


SLOWEST: Final = (
    "test_cases",
    "test_hostile",
    "test_oracle",
    "test_conflicts",
    "test_field",
    "test_generate",
    "test_lines",
    "test_update_recorded",
    "test_own_wheels",
    "test_diagnose",
    "test_corpus",
    "test_explain",
    "test_engine",
    "test_fix",
    "test_pylock",
    "test_update",
    "test_workflows",
    "test_keeping",
    "test_foreign",
    "test_mirrors",
    "test_uv_project",
    "test_bench",
    "test_consumers",
    "test_check_agrees",
    "test_check_cases",
    "test_installers",
    "test_live",
    "test_imports",
)
"""The files that take longest, the longest first. A file's tests run in one process, so one of them
that begins last would be waited for."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest; the others keep their order."""
    rank = {name: place for place, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


def pytest_collection_finish() -> None:
    """Keep the collector from looking at eleven thousand tests, and the matrix, again and again: a
    tenth of the time."""
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


@pytest.fixture(scope="session", autouse=True)
def embedded_matrix() -> Iterator[None]:
    """The embedded matrix is read once in a process, whatever command asks for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Matrix, "load", loading_once())
        yield


@pytest.fixture(scope="session", autouse=True)
def no_waiting() -> Iterator[None]:
    """A request that fails is made again at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cudalock.indexes.client.BACK_OFF", 0)
        yield


STOPS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@pytest.fixture
def heeded_stops() -> Iterator[None]:
    """Signals as a terminal's shell leaves them. Tests that run in the background, or under nohup,
    are started with some of them ignored, and so would be what they start."""
    before = [(each, signal.getsignal(each)) for each in STOPS]
    for each in STOPS:
        default = signal.default_int_handler if each == signal.SIGINT else signal.SIG_DFL
        signal.signal(each, default)
    yield
    for each, handler in before:
        signal.signal(each, handler)


@pytest.fixture(scope="session")
def matrix() -> Matrix:
    return Matrix.load()


@pytest.fixture(scope="session")
def recorded(matrix: Matrix) -> Iterator[RecordedIndex]:
    """The package index, PyTorch's and the builders' releases as the matrix has them."""
    with RecordedIndex(matrix) as index:
        yield index


@pytest.fixture(scope="session")
def recorded_environment(
    recorded: RecordedIndex, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, str]:
    """For tools that use the recorded package index. They share one cache."""
    return clean_environment(tmp_path_factory.mktemp("recorded"), recorded.url(MAIN))


@pytest.fixture(scope="session")
def network_environment(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """For tools that use the real package index. Skips where it cannot be asked."""
    scratch = tmp_path_factory.mktemp("network")
    environment = clean_environment(scratch, None)
    compile_with_uv = ["uv", "pip", "compile", "--quiet", "--python", sys.executable]
    (scratch / "nothing.in").write_text("")
    # What fails without the index is no reason to skip.
    works = run_tool([*compile_with_uv, "nothing.in"], scratch, environment)
    assert works.returncode == 0, works.stderr
    (scratch / "asked.in").write_text("mpmath\n")
    tried = run_tool([*compile_with_uv, "asked.in"], scratch, environment)
    if tried.returncode != 0:
        pytest.skip(f"the package index cannot be asked: {tried.stderr.strip()}")
    return environment

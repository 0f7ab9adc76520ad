"""`doctor --fix` and `--undo`: real environments, a real pip or uv, and an index on loopback."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cudalock.cli import main
from cudalock.compat.installed import ExaminedEnvironment
from cudalock.doctor import examine
from cudalock.doctor.repair import rollback, run
from cudalock.doctor.repair.plan import Plan, make_plan
from cudalock.doctor.repair.wheels import WheelFinder
from cudalock.environment import Machine, find_layout, read_inventory
from cudalock.errors import NotNeeded
from cudalock.matrix.universe import ClosedUniverse
from cudalock.mirrors import NO_MIRRORS
from tests.environments import install_stub, make_venv_with_pip
from tests.local_index import LocalIndex, build_wheel, clean_environment, run_tool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.testing import Result

    from cudalock.matrix.matrix import Matrix

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX processes")

ROOT = "/main/simple/"


@dataclass(frozen=True)
class Broken:
    """An environment in which alpha has a beta that is too old, and no gamma."""

    prefix: Path
    variables: dict[str, str]

    @property
    def packages(self) -> Path:
        return next(self.prefix.glob("lib/python*/site-packages"))

    def doctor(self, *words: str) -> Result:
        runner = CliRunner()
        return runner.invoke(
            main, ["doctor", "--python", str(self.prefix), *words], env=self.variables
        )

    def copy(self, folder: Path) -> Broken:
        shutil.copytree(self.prefix, folder, symlinks=True)
        return replace(self, prefix=folder)


def contents(prefix: Path) -> dict[str, str]:
    """The digest of every file of an environment, compiled ones of pip itself apart."""
    return {
        str(path.relative_to(prefix)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(prefix.rglob("*"))
        if path.is_file() and not path.is_symlink() and "/pip/" not in str(path)
    }


@pytest.fixture(scope="module")
def index() -> Iterator[LocalIndex]:
    with LocalIndex() as index:
        index.add(
            ROOT,
            build_wheel("alpha", "1.0", requires=["beta>=2", "gamma"]),
            build_wheel("beta", "2.0", contents="two = 2\n"),
            build_wheel("beta", "3.0", requires_python=">=3.99"),
            build_wheel("gamma", "1.5", requires=["delta"]),
            build_wheel("delta", "1.0"),
        )
        yield index


def make_broken(folder: Path, index: LocalIndex, *, has_pip: bool) -> Broken:
    """Make the environment, with wheels that are on no index any more."""
    prefix = folder / "env"
    variables = {**clean_environment(folder, index.url(ROOT)), "CUDALOCK_NO_DETECT": "1"}
    if has_pip:
        make_venv_with_pip(prefix)
    else:
        made = run_tool(["uv", "venv", "--python", sys.executable, str(prefix)], folder, variables)
        assert made.returncode == 0, made.stderr
    with LocalIndex() as past:
        past.add(
            ROOT,
            build_wheel("alpha", "1.0", requires=["beta>=2", "gamma"]),
            build_wheel("beta", "1.0", contents="one = 1\n"),
        )
        words = ["uv", "pip", "install", "--no-deps", "--python", str(prefix), "alpha", "beta==1.0"]
        made = run_tool(words, folder, clean_environment(folder, past.url(ROOT)))
        assert made.returncode == 0, made.stderr
    return Broken(prefix, variables)


@pytest.fixture(scope="module")
def template(index: LocalIndex, tmp_path_factory: pytest.TempPathFactory) -> Broken:
    """One without pip, for which uv is several times faster."""
    return make_broken(tmp_path_factory.mktemp("uv"), index, has_pip=False)


@pytest.fixture(scope="module")
def with_pip(index: LocalIndex, tmp_path_factory: pytest.TempPathFactory) -> Broken:
    return make_broken(tmp_path_factory.mktemp("pip"), index, has_pip=True)


@pytest.fixture
def broken(template: Broken, tmp_path: Path) -> Broken:
    return template.copy(tmp_path / "env")


def test_the_plan_comes_first(broken: Broken) -> None:
    before = contents(broken.prefix)
    result = broken.doctor("--fix")
    assert result.exit_code == 0  # warnings alone: neither is of the stack
    assert "  beta: 1.0 -> 2.0 (" in result.stdout
    assert "because of CL201 alpha 1.0 requires beta>=2" in result.stdout
    assert "  gamma: not installed -> 1.5 (" in result.stdout
    assert "because of CL705 delta is not installed, and gamma 1.5 requires delta" in result.stdout
    assert "not touched: " in result.stdout
    assert "add `--yes`" in result.stderr
    assert contents(broken.prefix) == before


@pytest.mark.parametrize("installer", ["with_pip", "template"])
def test_fix_and_undo(installer: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    broken: Broken = request.getfixturevalue(installer).copy(tmp_path / "env")
    before = contents(broken.prefix)
    result = broken.doctor("--fix", "--yes")
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("healthy\n")
    assert (broken.packages / "beta.py").read_text(encoding="utf-8") == "two = 2\n"
    assert not list(broken.packages.glob("*/direct_url.json"))
    saved = json.loads((broken.prefix / rollback.FOLDER / "rollback.json").read_text())
    (beta,) = [row for row in saved["packages"] if row["name"] == "beta"]
    assert beta["before"]["version"] == "1.0"
    assert beta["after"]["version"] == "2.0"
    assert len(beta["after"]["sha256"]) == 64

    shown = broken.doctor("--undo")
    assert shown.exit_code == 1
    assert "  beta: 2.0 -> 1.0\n" in shown.stdout
    undone = broken.doctor("--undo", "--yes")
    assert undone.exit_code == 0, undone.output
    assert contents(broken.prefix) == before
    assert not (broken.prefix / rollback.FOLDER).exists()
    assert broken.doctor("--undo", "--yes").exit_code == 1


def test_json(broken: Broken) -> None:
    planned = json.loads(broken.doctor("--fix", "--json").stdout)
    assert planned["applied"] is False
    changes = {row["name"]: (row["from"], row["to"]) for row in planned["plan"]["changes"]}
    assert changes == {"beta": ("1.0", "2.0"), "gamma": (None, "1.5"), "delta": (None, "1.0")}
    done = json.loads(broken.doctor("--fix", "--json", "--yes").stdout)
    assert done["applied"] is True
    assert done["differences"] == []
    assert done["after"]["findings"] == []
    undone = json.loads(broken.doctor("--undo", "--json", "--yes").stdout)
    assert (undone["schema"], undone["applied"], undone["lost"]) == ("cudalock.undo/1", True, [])


def test_an_installer_that_fails_leaves_nothing_behind(
    broken: Broken, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(broken.prefix)
    monkeypatch.setattr(run, "_requirements", lambda plan, files: ["nobody==1.0\n"])
    result = broken.doctor("--fix", "--yes")
    assert result.exit_code == 1
    assert "everything is as it was" in result.stderr
    assert contents(broken.prefix) == before
    assert not (broken.prefix / rollback.FOLDER).exists()


class EmptiedIndex(LocalIndex):
    """An index whose listing outlives its wheels."""

    def answer(self, path: str) -> tuple[str, bytes] | None:
        return None if path.endswith(".whl") else super().answer(path)


def test_a_wheel_that_left_the_index_is_refused_before_anything_changes(broken: Broken) -> None:
    before = contents(broken.prefix)
    with EmptiedIndex() as emptied:
        emptied.add(ROOT, build_wheel("beta", "2.0", offer_metadata=True))
        emptied.add(ROOT, build_wheel("gamma", "1.5", offer_metadata=True))
        variables = {**broken.variables, "PIP_INDEX_URL": emptied.url(ROOT)}
        result = replace(broken, variables=variables).doctor("--fix", "--yes")
    assert "  beta: 1.0 -> 2.0 (" in result.stdout
    assert result.exit_code == 3, result.output
    assert contents(broken.prefix) == before
    assert not list(broken.prefix.glob(f"{rollback.FOLDER}*"))


def test_what_changed_after_the_fix_is_not_undone(broken: Broken) -> None:
    assert broken.doctor("--fix", "--yes").exit_code == 0
    (broken.packages / "beta.py").write_text("three = 3\n", encoding="utf-8")
    result = broken.doctor("--undo", "--yes")
    assert result.exit_code == 2
    assert "beta.py`" in result.stderr
    assert (broken.packages / "beta.py").read_text(encoding="utf-8") == "three = 3\n"


def test_leftovers_and_second_copies(broken: Broken) -> None:
    packages = broken.packages
    install_stub(packages, "gamma", "1.5")
    (packages / "~amma").mkdir()
    (packages / "~amma" / "big.so").write_bytes(b"x" * 2000)
    install_stub(packages, "~amma", "1.4")
    install_stub(packages, "delta", "0.9")
    install_stub(packages, "delta", "1.0")
    before = contents(broken.prefix)
    result = broken.doctor("--fix", "--yes")
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("healthy\n")
    assert not list(packages.glob("~*"))
    assert len(list(packages.glob("delta-*.dist-info"))) == 1
    assert broken.doctor("--undo", "--yes").exit_code == 0
    assert contents(broken.prefix) == before


# -- refused ------------------------------------------------------------------------------------


def test_a_managed_python_is_refused(broken: Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    from cudalock.environment import layout as layout_module

    ask = layout_module._ask

    def managed(*words: object) -> object:
        found = ask(*words)  # type: ignore[arg-type]
        return found and found._replace(managed=True)

    monkeypatch.setattr(layout_module, "_ask", managed)
    result = broken.doctor("--fix", "--yes")
    assert result.exit_code == 2
    assert "is managed by its system" in result.stderr


def test_an_environment_of_another_machine_is_refused(broken: Broken) -> None:
    for python in (broken.prefix / "bin").glob("python*"):
        python.unlink()
    result = broken.doctor("--fix", "--yes")
    assert result.exit_code == 2
    assert "does not run here" in result.stderr


def test_nothing_outside_the_environment_is_touched(broken: Broken, tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("mine\n", encoding="utf-8")
    (record,) = broken.packages.glob("beta-1.0.dist-info/RECORD")
    depth = "../" * (len(broken.packages.relative_to(broken.prefix).parts) + 1)
    with record.open("a", encoding="utf-8") as file:
        file.write(f"{depth}outside.txt,,\n")
    result = broken.doctor("--fix", "--yes")
    assert result.exit_code == 2
    assert "is outside the environment" in result.stderr
    assert outside.read_text(encoding="utf-8") == "mine\n"


def test_variables_that_lead_elsewhere_are_ignored(broken: Broken, tmp_path: Path) -> None:
    there = tmp_path / "elsewhere"
    variables = {"PIP_TARGET": str(there), "PIP_PREFIX": str(there), "UV_TARGET": str(there)}
    moved = replace(broken, variables={**broken.variables, **variables, "PYTHONPATH": ""})
    result = moved.doctor("--fix", "--yes")
    assert result.exit_code == 0, result.output
    assert not there.exists()
    assert (broken.packages / "gamma.py").is_file()


def test_conda_keeps_what_it_installed(broken: Broken) -> None:
    (installer,) = broken.packages.glob("beta-1.0.dist-info/INSTALLER")
    installer.write_text("conda", encoding="utf-8")
    result = broken.doctor("--fix", "--yes")
    assert result.exit_code == 0, result.output
    assert "conda installed beta 1.0, and has to change it" in result.stdout
    assert (broken.packages / "beta.py").read_text(encoding="utf-8") == "one = 1\n"
    assert (broken.packages / "gamma.py").is_file()


# -- interrupted --------------------------------------------------------------------------------

HOOK = """
import os, signal, sys
def _watch(counter, limit, prefix):
    events = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.chmod", "open"}
    def hook(event, arguments):
        if event not in events or prefix not in str(arguments[:2]):
            return
        if event == "open" and not (arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
            return
        folder = prefix + "/.cudalock-rollback"
        has_begun, is_done = map(os.path.exists, (folder, folder + "/after.json"))
        os.write(counter, b"c" if is_done else b"b" if has_begun else b"a")
        if os.fstat(counter).st_size >= limit:
            os.killpg(0, signal.SIGKILL)
    sys.addaudithook(hook)
if "WATCH_COUNTER" in os.environ:
    _flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    _watch(
        os.open(os.environ["WATCH_COUNTER"], _flags),
        int(os.environ["WATCH_LIMIT"]),
        os.environ["WATCH_PREFIX"],
    )
"""
"""Counts what a process and its installer change in the environment, and kills both at a number."""

POINTS = {"template": 8, "with_pip": 4}
"""At how many of the changes it is killed. Those of uv itself have no hook: see NEW_FILES."""

NEW_FILES = 8
"""In how many runs of uv it is killed once so many of the files are new."""


def planned(broken: Broken, matrix: Matrix) -> tuple[ExaminedEnvironment, Plan]:
    layout = find_layout(broken.prefix)
    subject = ExaminedEnvironment(
        layout, read_inventory(layout.site_packages), Machine(), ClosedUniverse(matrix)
    )
    finder = WheelFinder(subject.target, subject.matrix.mirrors)
    try:
        return subject, make_plan(subject, examine(subject), finder.find)
    finally:
        finder.close()


def interrupted(
    broken: Broken, made: tuple[ExaminedEnvironment, Plan], counter: Path, limit: int, new: int = 0
) -> str:
    """Carry a plan out in a group of processes that is killed at a change, or at new files; return
    a letter for each change, `b` for those after which everything has to be undone."""
    subject, plan = made
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.environ |= {
            "WATCH_COUNTER": str(counter),
            "WATCH_LIMIT": str(limit),
            "WATCH_PREFIX": str(broken.prefix),
        }
        exec(HOOK)
        if new:
            threading.Thread(target=kill_at, args=(broken.packages, new), daemon=True).start()
        run.apply(plan, subject, "a test", NO_MIRRORS, lambda file, done, total: None)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return counter.read_text()


def kill_at(packages: Path, new: int) -> None:
    before = set(packages.iterdir())
    while len(set(packages.iterdir()) - before) < new:
        pass
    os.killpg(0, signal.SIGKILL)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("installer", POINTS)
def test_killed_at_many_points(
    installer: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    matrix: Matrix,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At whatever change it is killed, `--undo` brings everything back, without an index."""
    template: Broken = request.getfixturevalue(installer)
    trial = template.copy(tmp_path / "env")
    (trial.packages / "watch.py").write_text(HOOK, encoding="utf-8")
    (trial.packages / "watch.pth").write_text("import watch\n", encoding="utf-8")
    before = contents(trial.prefix)
    for name, text in trial.variables.items():
        monkeypatch.setenv(name, text)
    made = planned(trial, matrix)
    changes = interrupted(trial, made, tmp_path / "all", 1 << 30)
    assert undone(trial, before)
    early = changes.count("a")
    late = changes.count("b")
    points = POINTS[installer]
    limits = [early // 2, *(early + 1 + at * late // points for at in range(points - 1))]
    states: Counter[str | None] = Counter()
    for number, limit in enumerate(limits):
        interrupted(trial, made, tmp_path / str(number), limit)
        states[undone(trial, before)] += 1
    for new in range(1, NEW_FILES + 1) if installer == "template" else ():
        interrupted(trial, made, tmp_path / f"new{new}", 1 << 30, new)
        states[undone(trial, before)] += 1
    assert states[rollback.APPLYING] >= sum(states.values()) // 2, states


def undone(trial: Broken, before: dict[str, str]) -> str | None:
    """Undo, and return the state in which the environment was."""
    pending = rollback.read(trial.prefix)
    if pending is None:
        with pytest.raises(NotNeeded):
            run.read_undo(find_layout(trial.prefix))
    else:
        rollback.undo(*run.read_undo(find_layout(trial.prefix)))
    assert contents(trial.prefix) == before
    return pending.state if pending else None


def test_a_half_fixed_environment_is_reported(broken: Broken) -> None:
    assert broken.doctor("--fix", "--yes").exit_code == 0
    saved = broken.prefix / rollback.FOLDER / "rollback.json"
    text = saved.read_text(encoding="utf-8")
    saved.write_text(text.replace('"applied"', '"applying"'), encoding="utf-8")
    assert "CL715" in broken.doctor().stdout
    refused = broken.doctor("--fix", "--yes")
    assert refused.exit_code == 2
    assert "doctor --undo" in refused.stderr


def test_an_installer_that_outlives_its_parent_keeps_the_lock(broken: Broken) -> None:
    with rollback.locked(broken.prefix) as descriptors:
        child = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(60)"], pass_fds=descriptors
        )
    try:
        result = broken.doctor("--undo", "--yes")
        assert result.exit_code == 2
        assert "still running" in result.stderr
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()

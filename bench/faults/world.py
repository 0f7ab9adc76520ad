"""What the faults happen in: servers in a process of their own, and prepared folders."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from bench.faults.commands import ROOT, WHEELS, Command, commands, wheel
from bench.faults.process import run
from cudalock.matrix.matrix import Matrix
from tests.files import write_all
from tests.local_index import LocalIndex, build_wheel
from tests.scripted import ScriptedServer


class Servers(AbstractContextManager["Servers"]):
    """A small package index, and one that `matrix update` reads; threads of a child's, not ours."""

    def __init__(self) -> None:
        read, write = os.pipe()
        self._process = os.fork()
        if not self._process:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            try:
                # Clients go away in the middle of answers here.
                os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
                with ExitStack() as stack:
                    index = stack.enter_context(LocalIndex())
                    index.add(
                        ROOT,
                        *(wheel(name) for name in WHEELS),
                        build_wheel(
                            "alpha", "1.0", requires=["beta>=2", "gamma"], offer_metadata=True
                        ),
                        build_wheel("beta", "2.0", contents="two = 2\n", offer_metadata=True),
                        build_wheel("gamma", "1.5", requires=["delta"], offer_metadata=True),
                        build_wheel("delta", "1.0", offer_metadata=True),
                    )
                    scripted = stack.enter_context(ScriptedServer())
                    from tests.update.test_update import healthy

                    healthy(scripted)
                    os.write(write, json.dumps([index.url(ROOT), scripted.url("")]).encode())
                    os.close(write)
                    signal.pause()
            finally:
                os._exit(0)
        os.close(write)
        self.index, self.scripted = json.loads(os.read(read, 4096))
        os.close(read)

    def __exit__(self, *_: object) -> None:
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)


class World:
    """The servers, the prepared folders, and the variables of a run in a folder."""

    def __init__(self, scratch: Path, servers: Servers) -> None:
        self.scratch = scratch
        self.servers = servers
        self.trees = scratch / "trees"
        # They name the servers of an earlier run.
        shutil.rmtree(self.trees, ignore_errors=True)
        self.commands = {command.name: command for command in commands(servers.index)}
        Matrix.load()

    def variables(self, folder: Path, command: Command) -> Mapping[str, str]:
        """Return the variables of a command in a folder."""
        return {
            "CUDALOCK_CACHE_DIR": str(folder / "cache"),
            "CUDALOCK_DATA_DIR": str(folder / "data"),
            "CUDALOCK_NO_DETECT": "1",
            "GITHUB_API_URL": self.servers.scripted,
            "HOME": str(folder / "home"),
            "NO_COLOR": "1",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": f"{self.servers.scripted}/simple/",
            **command.variables,
        }

    def make_folder(self, command: Command, name: str) -> Path:
        """Make a folder with what is there before a command."""
        folder = self.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if command.tree is not None:
            self._make_tree(command.tree)
            shutil.copytree(self.trees / command.tree, folder, symlinks=True, dirs_exist_ok=True)
        write_all(folder, dict(command.files))
        return folder

    def _make_tree(self, name: str) -> None:
        if (self.trees / name).exists():
            return
        fresh = self.trees / f"{name}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        getattr(self, f"_make_{name}")(fresh)
        fresh.rename(self.trees / name)

    def _make_matrix(self, folder: Path) -> None:
        from tests.update import test_update as recorded

        files = {
            **recorded.OTHER_FILES,
            "matrix.toml": recorded.HEADER.format(server=self.servers.scripted),
            "index/thing.json": recorded.THING.replace("OLD", recorded.OLD),
        }
        write_all(folder / "matrix", files)

    def _make_broken(self, folder: Path) -> None:
        from tests.doctor.test_fix import make_broken

        index = SimpleNamespace(url=lambda root: self.servers.index)
        (self.trees / "scratch").mkdir(exist_ok=True)
        made = make_broken(self.trees / "scratch", cast("Any", index), has_pip=False)
        shutil.copytree(made.prefix, folder / "env", symlinks=True)

    def _make_fixed(self, folder: Path) -> None:
        self._make_tree("broken")
        shutil.copytree(self.trees / "broken", folder, symlinks=True, dirs_exist_ok=True)
        fix = self.commands["doctor --fix"]
        ended = run(fix.words, folder, self.variables(folder, fix))
        assert ended.status in fix.statuses, ended.output

    def _make_cached(self, folder: Path) -> None:
        cold = self.commands["solve, with a cold cache"]
        ended = run(cold.words, folder, self.variables(folder, cold))
        assert ended.status == 0, ended.output


__all__ = ["Servers", "World"]

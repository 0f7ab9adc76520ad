"""The hooks, run by the real pre-commit from a clone of this repository."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from cudalock.projects.kinds import kind_of
from tests.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
NAMES = """
requirements.txt requirements-dev.txt dev-requirements.txt requirements_versions.txt reqs.txt
requirements/base.txt requirements/gpu.in requirements.in a/b/requirements.txt pyproject.toml
pylock.toml pylock.cu124.toml uv.lock poetry.lock pdm.lock environment.yml env.yml setup.cfg
environment-gpu.yaml conda-env.yml conda_environment.yaml linux.environment.yml Dockerfile
Dockerfile.cuda docker/gpu.Dockerfile Containerfile train.dockerfile constraints.txt
torch-constraints.txt
"""
OTHERS = """
README.md notes.txt package.json MANIFEST.in config.h.in docker-compose.yml Dockerfile.jinja2
cicd/Dockerfile-uv.jinja docker/Dockerfile.dockerignore Dockerfile.j2 Dockerfile.md Dockerfile.tmpl
"""
BROKEN = "torch==2.5.1\ntorchvision==0.19.0\n"
GOOD = "torch==2.5.1\ntorchvision==0.20.1\n"


def hook(id: str) -> dict[str, Any]:
    return next(each for each in HOOKS if each["id"] == id)


def is_hooked(name: str) -> bool:
    it = hook("cudalock-check")
    return bool(re.search(it["files"], name)) and not re.search(it["exclude"], name)


@pytest.mark.parametrize("name", NAMES.split())
def test_the_hook_covers_what_check_reads(name: str) -> None:
    assert kind_of(name) is not None
    assert is_hooked(name)


@pytest.mark.parametrize("name", OTHERS.split())
def test_and_nothing_else(name: str) -> None:
    assert kind_of(name) is None
    assert not is_hooked(name)


class Scratch:
    """A repository with a clone of this one as the source of its hooks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "scratch"
        constrained = folder / "constraints.txt"
        constrained.write_text(constraints(), encoding="utf-8")
        self.environment: Mapping[str, str] = {
            **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
            "PRE_COMMIT_HOME": str(folder / "home"),
            **dict.fromkeys(("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT"), str(constrained)),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_AUTHOR_NAME": "someone",
            "GIT_AUTHOR_EMAIL": "someone@example.com",
            "GIT_COMMITTER_NAME": "someone",
            "GIT_COMMITTER_EMAIL": "someone@example.com",
        }
        source = folder / "cudalock"
        self.run("git", "clone", "-q", "--no-local", str(ROOT), str(source), at=folder)
        # What is tried is the tree as it is, committed or not.
        listed = self.run("git", "ls-files", "-mo", "--exclude-standard", at=ROOT).stdout
        for name in listed.splitlines():
            if (ROOT / name).is_file():
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                (source / name).write_bytes((ROOT / name).read_bytes())
        self.run("git", "add", "-A", at=source)
        self.run("git", "commit", "-qm", "the tree as it is", "--allow-empty", at=source)
        revision = self.run("git", "rev-parse", "HEAD", at=source).stdout.strip()
        self.folder.mkdir()
        self.run("git", "init", "-q")
        config = {
            "repos": [
                {
                    "repo": str(source),
                    "rev": revision,
                    "hooks": [{"id": each["id"]} for each in HOOKS],
                }
            ]
        }
        (self.folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))

    def run(self, *command: str, at: Path | None = None) -> subprocess.CompletedProcess[str]:
        found = self.try_(*command, at=at)
        assert found.returncode == 0, f"{command}: {found.stdout}{found.stderr}"
        return found

    def try_(self, *command: str, at: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=at or self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def commit(self, **files: str) -> subprocess.CompletedProcess[str]:
        for name, text in files.items():
            (self.folder / f"{name}.txt").write_text(text)
        self.run("git", "add", "-A")
        return self.try_("git", "commit", "-m", "some pins")


def constraints() -> str:
    """The versions that the tests run with: what is released later is not tried here."""
    return "".join(
        f"{distribution.name}=={distribution.version}\n"
        for distribution in distributions()
        if distribution.read_text("direct_url.json") is None
    )


@pytest.fixture(scope="module")
def scratch(
    network_environment: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Scratch:
    """A repository whose hooks are installed, by pip from the package index."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout, and hooks come from one")
    scratch = Scratch(tmp_path_factory.mktemp("hooks"))
    pre_commit = [sys.executable, "-m", "pre_commit"]
    scratch.run(*pre_commit, "install")
    scratch.run(*pre_commit, "install-hooks")
    return scratch


@pytest.mark.network
def test_a_broken_pin_stops_the_commit_and_a_good_one_passes(scratch: Scratch) -> None:
    broken = scratch.commit(requirements=BROKEN)
    said = broken.stdout + broken.stderr
    assert broken.returncode == 1, said
    assert "requirements.txt:2:1: CL201" in said
    good = scratch.commit(requirements=GOOD)
    assert good.returncode == 0, good.stdout + good.stderr


@pytest.mark.network
def test_a_stale_lock_stops_the_commit(scratch: Scratch) -> None:
    command = ["solve", "--torch", "2.5.1", "--python", "3.11", "--platform", "linux", "-q"]
    lock = subprocess.run(
        [sys.executable, "-m", "cudalock", *command], capture_output=True, text=True, check=True
    ).stdout
    fresh = scratch.commit(requirements=lock)
    assert fresh.returncode == 0, fresh.stdout + fresh.stderr
    stale = scratch.commit(requirements=lock.replace("networkx==", "networkx==3.2.1 # "))
    said = stale.stdout + stale.stderr
    assert stale.returncode == 1, said
    assert "CL601 networkx==3.2.1 is pinned, and the lock's command resolves to networkx==" in said

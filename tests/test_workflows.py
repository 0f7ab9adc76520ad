"""The workflows are what GitHub reads, run what the README says, and their script does its work."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cudalock.indexes.github_releases import repository_of
from tests.files import write_all
from tests.paths import ROOT
from tests.scripted import Answer, ScriptedServer

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEST_COMMAND = 'pip install -e ".[test]" && ruff check && ruff format --check && mypy && pytest'
CLASH = "torch==2.5.1\ntorchvision==0.19.0\n"
PUBLISH = "pypa/gh-action-pypi-publish"
RELEASE = "/me/thing/releases/download/v1"


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())
    return found


def steps(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_there_are_five() -> None:
    names = ["installed.yml", "matrix.yml", "pages.yml", "release.yml", "test.yml"]
    assert [path.name for path in WORKFLOWS] == names


def test_only_the_job_that_publishes_may_and_it_runs_nothing_of_the_repository() -> None:
    workflow = load("release.yml")
    assert workflow["permissions"] == {"contents": "read"}
    assert "permissions" not in workflow["jobs"]["build"]
    publish = workflow["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert steps(publish) == []
    assert publish["steps"][-1]["with"]["attestations"] is True
    assert "secrets" not in (ROOT / ".github" / "workflows" / "release.yml").read_text()


def test_they_fit_the_schema() -> None:
    command = ["check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run(
        [sys.executable, "-m", *command, *map(str, WORKFLOWS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_action_fits_the_schema() -> None:
    command = ["check_jsonschema", "--builtin-schema", "vendor.github-actions", "action.yml"]
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(os.name == "nt", reason="runs bash with links into the environment")
@pytest.mark.parametrize(
    ("pins", "args", "files", "fix", "status", "changed"),
    [
        ("torch==2.5.1\n", "", "", "false", 0, "false"),
        (
            "torch==2.5.1\ntorchvision==0.19.0\n",
            "--platform linux\n",
            "a b.txt",
            "false",
            1,
            "false",
        ),
        ("torch==2.5.1\ntorchvision==0.19.0\n", "", "a b.txt", "true", 0, "true"),
        ("torch==2.5.2\n", "--ignore CL101\n--python 3.11", "a b.txt", "false", 0, "false"),
        ("torch==2.5.1\n", "--nonsense", "a b.txt", "false", 2, "false"),
        ("torch==2.5.1\n", "", "$(touch hacked)\n", "false", 2, "false"),
    ],
)
def test_the_actions_script_checks(
    pins: str,
    args: str,
    files: str,
    fix: str,
    status: int,
    changed: str,
    tmp_path: Path,
) -> None:
    """This checkout in place of an installation: pip and venv are stand-ins, the check is real."""
    repository, output = tmp_path / "repository", tmp_path / "output"
    write_all(repository, {"a b.txt": pins})
    for words in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *words], cwd=repository, check=True)
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/sh\n"
        f'mkdir -p "$3/bin"; printf \'#!/bin/sh\\nexit 0\\n\' > "$3/bin/python"\n'
        f"printf '#!/bin/sh\\nexec {sys.executable} -m cudalock \"$@\"\\n'"
        ' > "$3/bin/cudalock"\n'
        'chmod +x "$3/bin/python" "$3/bin/cudalock"\n'
    )
    python.chmod(0o755)
    sarif = tmp_path / "found.sarif"
    done = subprocess.run(
        ["bash", str(ROOT / ".ci" / "action")],
        cwd=repository,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "resolver"),
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_OUTPUT": str(output),
            "CUDALOCK_PYTHON": str(python),
            "CUDALOCK_FILES": files,
            "CUDALOCK_ARGS": args,
            "CUDALOCK_SARIF": str(sarif) if status < 2 else "",
            "CUDALOCK_FIX": fix,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert output.read_text() == f"status={status}\nchanged={changed}\n"
    assert not (repository / "hacked").exists()
    if status < 2:
        assert json.loads(sarif.read_text())["version"] == "2.1.0"
    if status == 1:
        assert done.stdout.startswith("::error file=a b.txt,line=2,col=1,")


def test_every_system_and_python_runs_the_readmes_command() -> None:
    job = load("test.yml")["jobs"]["test"]
    grid = job["strategy"]["matrix"]
    assert grid["os"] == ["ubuntu-latest", "windows-latest", "macos-latest"]
    assert grid["python"] == ["3.10", "3.11", "3.12", "3.13", "3.14"]
    assert steps(job) == [TEST_COMMAND]


def test_ci_runs_the_readmes_test_command() -> None:
    assert TEST_COMMAND in (ROOT / "README.md").read_text(encoding="utf-8")
    assert TEST_COMMAND in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_matrix_is_proposed_each_day() -> None:
    # YAML 1.1 reads `on` as true.
    workflow: dict[Any, Any] = load("matrix.yml")
    assert workflow[True]["schedule"][0]["cron"].count(" ") == 4
    update, digests = workflow["jobs"]["update"], workflow["jobs"]["digests"]
    assert steps(update)[-1].splitlines()[-1].split()[:2] == [".ci/propose", "matrix-update"]
    words = steps(digests)[-1].split()
    assert words[-2:] == ["--output", "matrix"]
    assert words[words.index("--digests") - 3 : words.index("--digests")] == [
        "flash-attn",
        "sageattention",
        "flash-attn-3",
    ]


def test_the_site_is_published_from_main_alone() -> None:
    workflow: dict[Any, Any] = load("pages.yml")
    build, deploy = workflow["jobs"]["build"], workflow["jobs"]["deploy"]
    assert workflow[True]["push"]["branches"] == ["main"]
    assert deploy["needs"] == "build"
    assert "github.ref == 'refs/heads/main'" in deploy["if"]
    assert steps(build)[-1].startswith("python -m web.build -o site")
    # Page, static pages, API and documentation: all of its steps, and what they need.
    assert "--only" not in steps(build)[-1]
    assert "[docs,test,web]" in steps(build)[0]
    assert "npm ci --ignore-scripts --prefix web" in steps(build)[0]
    assert build["steps"][-1]["with"] == {"path": "site"}
    assert "pull_request" in workflow[True]
    # A missing browser is a failure there, and no skip.
    assert "CUDALOCK_WEB=1 pytest tests/web" in steps(build)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_rights_are_few_and_actions_pinned(path: Path) -> None:
    """Nothing may be written but by the last step of the jobs that propose, and only they have the
    token; an action is the commit that was looked at."""
    workflow = load(path.name)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for job in workflow["jobs"].values():
        proposes = ".ci/propose" in job["steps"][-1].get("run", "")
        last = job["steps"][-1].get("uses", "")
        publishes = "pypi-publish" in last
        deploys = "deploy-pages" in last
        identity = {"id-token": "write"} if publishes or deploys else {}
        assert job.get("permissions", {}) == (
            {"contents": "write", "pull-requests": "write"}
            if proposes
            else {**({"pages": "write"} if deploys else {}), **identity}
        )
        assert "env" not in job
        with_token = [step for step in job["steps"] if "token" in str(step.get("env", ""))]
        assert with_token == job["steps"][-1:] * proposes
        for step in job["steps"]:
            if "uses" in step:
                action, _, commit = step["uses"].partition("@")
                assert action.startswith("actions/") or action == PUBLISH
                assert re.fullmatch(r"[0-9a-f]{40}", commit)
            if "checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False


# -- the script, with git, cudalock and a server; GitHub's own program is written down -------------

GH = """\
#!/usr/bin/env bash
printf '%s\\n' "$*" >> "$GH_LOG"
[ "$1 $2" = "pr list" ] && { cat "$GH_OPEN" 2> /dev/null; exit 0; }
for word in "$@"; do [ -f "$word" ] && cp "$word" "$GH_LOG.body"; done
exit 0
"""
HEADER = """\
schema = 1
version = "2026.01.02"
[[index]]
id = "pypi"
trust = "own"
[[builder]]
id = "me/thing"
project = "thing"
url = "{server}/me/thing/releases/download/{{tag}}/{{file}}"
trust = "known"
source = "https://github.com/me/thing/releases"
"""
THING = """\
{
"project": "thing",
"retrieved": "2026-01-02",
"sources": ["made up"],
"releases": {
"1.0": {"builds":[{"builder":"me/thing","tag":"v1","known":"seen","wheels":\
[["cp311-cp311-linux_x86_64",null]]}]},
"1.1": {"builds":[{"builder":"me/thing","tag":"v1","known":"seen","wheels":\
[["cp311-cp311-linux_x86_64",null]]}]}
}
}
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone whose matrix is small, with the script in it."""
    root = tmp_path / "clone"
    files = {
        "matrix/components/torch.toml": 'name = "torch"\nrole = "framework"\n',
        "matrix/components/cuda-toolkit.toml": 'name = "cuda-toolkit"\nrole = "toolkit"\n',
        "matrix/components/thing.toml": 'name = "thing"\n',
        "matrix/index/thing.json": THING,
        "matrix/cuda/gpus.json": '{"gpus": {}, "capabilities": {}}',
        "matrix/cuda/toolkits.json": '{"releases": {}}',
        ".ci/propose": (ROOT / ".ci" / "propose").read_text(encoding="utf-8"),
    }
    write_all(root, files)
    (root / ".ci" / "propose").chmod(0o755)
    return root


def git(*words: str, cwd: Path) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *identity, *words], cwd=cwd, check=True, capture_output=True, text=True
    )
    return done.stdout


@pytest.mark.skipif(os.name == "nt", reason="the job runs on Linux")
def test_what_changed_is_proposed_and_an_alarm_fails(checkout: Path, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "gh").write_text(GH)
    (programs / "cudalock").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cudalock "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    git("init", "--quiet", "--bare", "origin.git", cwd=tmp_path)
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "resolver"),
        "GH_LOG": str(tmp_path / "gh.log"),
        "GH_OPEN": str(tmp_path / "gh.open"),
        "CUDALOCK_CACHE_DIR": str(tmp_path / "cache"),
    }

    def propose(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [".ci/propose", "matrix-digests", "Digests", *words, "--output", "matrix"],
            cwd=checkout,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    with ScriptedServer() as server:
        header = HEADER.format(server=server.url(""))
        (checkout / "matrix" / "matrix.toml").write_text(header, encoding="utf-8")
        git("init", "--quiet", "--initial-branch=main", cwd=checkout)
        git("remote", "add", "origin", str(tmp_path / "origin.git"), cwd=checkout)
        git("add", ".", cwd=checkout)
        git("commit", "--quiet", "-m", "one", cwd=checkout)
        for version in ("1.0", "1.1"):
            path = f"{RELEASE}/thing-{version}-cp311-cp311-linux_x86_64.whl"
            server.answers[path] = [Answer(body=version.encode())]

        done = propose("thing", "--digests", "1")
        assert done.returncode == 0, done.stdout + done.stderr
        assert server.paths() == [f"{RELEASE}/thing-1.1-cp311-cp311-linux_x86_64.whl"]
        assert git("branch", "--list", "matrix-digests", cwd=tmp_path / "origin.git")
        assert (
            "pr create --head matrix-digests --title Digests" in (tmp_path / "gh.log").read_text()
        )
        body = (tmp_path / "gh.log.body").read_text()
        assert "sha256 of thing-1.1-cp311-cp311-linux_x86_64.whl is" in body
        assert "`cudalock matrix lint` (status" in body

        (tmp_path / "gh.open").write_text("7\n")
        done = propose("thing", "--digests", "2")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "pr edit matrix-digests --title Digests" in (tmp_path / "gh.log").read_text()
        rows = json.loads((checkout / "matrix" / "index" / "thing.json").read_text())["releases"]
        (wheel,) = rows["1.0"]["builds"][0]["wheels"]
        assert wheel[1] is not None
        assert wheel[2].keys() == {"computed"}

        # The same again changes nothing and proposes nothing.
        done = propose("thing", "--digests", "2")
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "nothing to propose")

        server.answers[f"{RELEASE}/thing-1.0-cp311-cp311-linux_x86_64.whl"] = [Answer(body=b"evil")]
        before = (checkout / "matrix" / "index" / "thing.json").read_bytes()
        done = propose("thing", "--digests", "2")
        assert done.returncode == 1
        assert "other digest: thing 1.0 thing-1.0-cp311-cp311-linux_x86_64.whl" in done.stdout
        assert (checkout / "matrix" / "index" / "thing.json").read_bytes() == before

        # A file that is gone is a source that failed, not a digest.
        server.answers = {}
        assert propose("thing", "--digests", "2").returncode == 3


def test_a_repository_is_known_by_its_addresses() -> None:
    assert repository_of("https://github.com/me/thing/releases/download/{tag}/{file}") == "me/thing"

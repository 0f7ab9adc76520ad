"""Break real environments in known ways, and have `doctor --fix` fix them: found, planned, applied,
healthy afterwards, and undone byte for byte.

    python -m bench.fixes                    # the light ones, with wheels of a few megabytes
    python -m bench.fixes --heavy            # those with torch and NVIDIA's libraries as well
    python -m bench.fixes P2 F1              # these two
    python -m bench.fixes --folder DIR       # where the environments are made, one after the other

The environments are in `tests/cases/fixes.toml`. Each is made with uv from the package index that
uv is configured for, and removed before the next one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from cudalock import toml

ROOT = Path(__file__).parents[1]
CASES = ROOT / "tests" / "cases" / "fixes.toml"


class Outcome(NamedTuple):
    """How one environment came out."""

    name: str
    trouble: str | None
    """what went wrong; None if nothing did"""
    changes: str = ""
    seconds: float = 0.0


def read_cases() -> list[dict[str, Any]]:
    """Return the table, in its order."""
    cases: list[dict[str, Any]] = toml.loads(CASES.read_text(encoding="utf-8"))["environment"]
    return cases


def make(case: dict[str, Any], prefix: Path, env: dict[str, str] | None = None) -> None:
    """Make the environment of a case and break it. Raises CalledProcessError."""
    python = case.get("python", f"{sys.version_info[0]}.{sys.version_info[1]}")
    seed = [] if case.get("installer") == "uv" else ["--seed"]
    _run(["uv", "venv", "-q", *seed, "--python", python, str(prefix)], env)
    for words in case["install"]:
        _run(["uv", "pip", "install", "-q", "--python", str(prefix), *words.split()], env)
    packages = next(prefix.glob("lib/python*/site-packages"))
    for path in case.get("remove", ()):
        for found in sorted(packages.glob(path)):
            shutil.rmtree(found) if found.is_dir() else found.unlink()
    for path, size in case.get("leave", {}).items():
        (packages / path).parent.mkdir(parents=True, exist_ok=True)
        (packages / path).write_bytes(b"\0" * size)
    for target, text in case.get("write", {}).items():
        (packages / target).parent.mkdir(parents=True, exist_ok=True)
        (packages / target).write_text(text, encoding="utf-8")
    for old, new in case.get("rename", {}).items():
        (packages / old).rename(packages / new)
    for words in case.get("beside", ()):
        # Into the folder, without looking at what is there: two copies of one project.
        _run(
            ["uv", "pip", "install", "-q", "--no-deps", "--target", str(packages), *words.split()],
            env,
        )


def _run(words: list[str], env: dict[str, str] | None) -> None:
    subprocess.run(words, check=True, env=env, stdin=subprocess.DEVNULL)


def digests(prefix: Path) -> dict[str, str]:
    """Return the digest of each file and the target of each link; compiled files apart, which any
    import writes."""
    return {
        str(path.relative_to(prefix)): str(path.readlink())
        if path.is_symlink()
        else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(prefix.rglob("*"))
        if (path.is_symlink() or path.is_file()) and path.suffix != ".pyc"
    }


def doctor(prefix: Path, *words: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Run the command of this checkout; return status, output and errors."""
    done = subprocess.run(
        [sys.executable, "-m", "cudalock", "doctor", "--python", str(prefix), *words],
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {}), "PYTHONPATH": str(ROOT / "resolver")},
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def judge(case: dict[str, Any], prefix: Path) -> Outcome:
    """Fix an environment that was made, and undo it."""
    begun = time.perf_counter()
    flags = case.get("machine", "--no-detect").split()
    before = digests(prefix)
    status, output, errors = doctor(prefix, *flags, "--fix", "--yes", "--json")
    if not output:
        return Outcome(case["name"], f"exit {status}: {errors.strip()[-300:]}")
    document = json.loads(output)
    changes = ", ".join(
        f"{row['name']} {row['from'] or '-'} -> {row['to'] or '-'}"
        for row in document["plan"]["changes"]
    )
    trouble = _trouble(case, document)
    if document["applied"]:
        status, _, errors = doctor(prefix, "--undo", "--yes")
        if status != 0:
            trouble = trouble or f"undo: exit {status}: {errors.strip()[-300:]}"
        elif (after := digests(prefix)) != before:
            differing = {path for path in {*before, *after} if before.get(path) != after.get(path)}
            trouble = trouble or f"undo left {sorted(differing)[:3]}"
    return Outcome(case["name"], trouble, changes, time.perf_counter() - begun)


def _trouble(case: dict[str, Any], document: dict[str, Any]) -> str | None:
    codes = {finding["code"] for finding in document["findings"]}
    planned = {row["name"]: row["to"] or "removed" for row in document["plan"]["changes"]}
    if not set(case["finds"]) <= codes:
        return f"finds {sorted(codes)}, not {case['finds']}"
    for name, version in case.get("plans", {}).items():
        if not planned.get(name, "nothing").startswith(version):
            return f"plans {name} {planned.get(name)}, not {version}"
    if "plans_only" in case and planned.keys() - case["plans"].keys():
        return f"plans {sorted(planned.keys() - case['plans'].keys())} as well"
    if not document["applied"]:
        return "nothing was applied"
    if document["differences"]:
        return f"not as planned: {document['differences']}"
    left = [
        f"{finding['code']} {finding['message'][:160]}"
        for finding in document["after"]["findings"]
        if finding["severity"] == "error" and finding["code"] not in case.get("stays", ())
    ]
    return f"still unhealthy: {left}" if left else None


def run(cases: list[dict[str, Any]], folder: Path) -> list[Outcome]:
    """Make, fix, undo and remove each environment."""
    outcomes = []
    for case in cases:
        prefix = folder / "env"
        try:
            make(case, prefix)
            outcome = judge(case, prefix)
        except subprocess.CalledProcessError as error:
            outcome = Outcome(case["name"], f"cannot be made: {error}")
        finally:
            shutil.rmtree(prefix, ignore_errors=True)
        print(f"{'fails' if outcome.trouble else 'ok   '} {outcome.seconds:6.1f} s  {outcome.name}")
        print(
            f"        {outcome.changes}"
            + (f"\n        {outcome.trouble}" if outcome.trouble else "")
        )
        sys.stdout.flush()
        outcomes.append(outcome)
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.fixes", description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--heavy", action="store_true")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    cases = [
        case
        for case in read_cases()
        if (case["name"].split()[0] in arguments.names if arguments.names else True)
        and (arguments.heavy or arguments.names or not case.get("heavy"))
    ]
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="cudalock-fixes-"))
    folder.mkdir(parents=True, exist_ok=True)
    outcomes = run(cases, folder)
    good = sum(outcome.trouble is None for outcome in outcomes)
    print(f"fixed and undone: {good} of {len(outcomes)}")
    return 0 if good == len(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())

"""`python -m bench.installed --output DIR`: locks installed for real, imported and tried.

For each stack of bench/stacks.toml, cudalock makes a lock for this machine, without a GPU and with
the package index alone: of the packages that are named, or of a repository at a commit. uv installs
it (and pip, for some) into a new environment; what is installed is compared with the lock, `pip
check` runs, each member is imported in a process of its own, and small programs use it. A stack
that locks without a warning and then does not work is a missing fact. What was done is not
repeated: DIR has one file for each stack.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import tomllib

from bench.installed_table import markdown, result_json, verdict

STACKS: Final = Path(__file__).with_name("stacks.toml")
TRIALS: Final = Path(__file__).with_name("installed_trials.py")
HOME: Final = Path(__file__).parent.parent
LOCK_SECONDS: Final = 900
INSTALL_SECONDS: Final = 1800
SHOWN: Final = 12
"""How many of the last lines of an error are stored."""

MARK: Final = "<!-- What follows was written by `python -m bench.installed --page`. -->"
"""The line of a page below which the table stands."""
UNSUPPORTED: Final = "is not supported on this platform"

INSPECT: Final = """
import json, re, sys
from importlib.metadata import distributions

result = {}
for distribution in distributions():
    modules, compiled = set(), False
    for path in distribution.files or ():
        first, suffix = path.parts[0], path.suffix
        compiled = compiled or suffix == ".so"
        if len(path.parts) == 1 and suffix in (".py", ".so"):
            modules.add(first.split(".")[0])
        elif len(path.parts) == 2 and path.name == "__init__.py":
            modules.add(first)
    name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
    result[name] = [distribution.version, sorted(modules), compiled]
print(json.dumps(result))
"""
"""Run by the environment's Python, 3.8 too: version, top modules, and whether it is compiled."""


@dataclass(frozen=True, slots=True)
class Stack:
    """What is locked and installed together."""

    name: str
    python: str
    torch: str
    beside: tuple[str, ...] = ()
    cuda: str | None = None
    before: str | None = None
    """the day after which releases are ignored, as for a project of that day"""
    installers: tuple[str, ...] = ("uv",)
    install: bool = True
    """False: it is locked only"""
    doctor: bool = True
    """is `doctor --import` run as well?"""
    shares: bool = False
    """is the environment of the stack before changed into this one, instead of a new one?"""
    repository: str = ""
    """owner/name on GitHub, whose files say what is locked; ``beside`` is what is imported of it"""
    commit: str = ""
    path: str = ""
    """the file of the repository that is read alone"""
    further: tuple[str, ...] = ()
    """further options of `cudalock generate` for the repository"""

    @property
    def minor(self) -> str:
        """The torch minor; stacks of one share most of what is downloaded."""
        return ".".join(self.torch.split(".")[:2])

    @property
    def command(self) -> list[str]:
        """The command of cudalock, with its goal and its target."""
        date = ["--exclude-newer", self.before] if self.before else []
        cuda = ["--cuda", self.cuda] if self.cuda else []
        target = ["--python", self.python, "--no-detect"]
        if self.repository:
            where = "/".join(filter(None, (self.repository, self.path)))
            return ["generate", where, *self.further, *cuda, *target, *date]
        return ["solve", "--torch", self.torch, *self.beside, *cuda, *target, *date]


@dataclass(frozen=True, slots=True)
class Trial:
    """A small program for the CPU; it runs if all of ``needs`` are installed."""

    name: str
    needs: tuple[str, ...]
    code: str


@dataclass(slots=True)
class Result:
    """What happened to one stack."""

    stack: dict[str, Any]
    date: str
    matrix: str = ""
    lock: dict[str, Any] = field(default_factory=dict)
    """status, summary, pins, warnings, unknowns, indexes"""
    skipped: str = ""
    installed: dict[str, str] = field(default_factory=dict)
    """for each installer an empty text, or the end of its output"""
    differences: list[str] = field(default_factory=list)
    pip_check: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    """for each module or trial that fails the end of its output"""
    programs: dict[str, list[str]] = field(default_factory=dict)
    """for each module or trial that was run the projects that it needs"""
    doctor: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that ended, or that was stopped."""

    status: int
    stdout: str
    stderr: str

    @property
    def tail(self) -> str:
        """The end of what it wrote about an error."""
        lines = (self.stderr.strip() or self.stdout.strip()).splitlines()
        return "\n".join(lines[-SHOWN:]) or f"status {self.status}"


def read_stacks(path: Path = STACKS) -> tuple[list[Stack], list[Trial]]:
    """Read the stacks, those of the sweeps included, and the trials."""
    with path.open("rb") as file:
        table = tomllib.load(file)
    stacks = [_stack(row) for row in table["stack"]]
    stacks += [_repository(row) for row in table.get("repository", ())]
    for sweep in table.get("sweep", ()):
        stacks += _sweep_stacks(sweep)
    trials = [Trial(row["name"], tuple(row["needs"]), row["code"]) for row in table["trial"]]
    return sorted(stacks, key=lambda stack: [int(part) for part in stack.minor.split(".")]), trials


def _stack(row: Mapping[str, Any]) -> Stack:
    lists = {key: tuple(row[key]) for key in ("beside", "installers", "further") if key in row}
    return Stack(**{**row, **lists})


def _repository(row: Mapping[str, Any]) -> Stack:
    """Return the stack of a repository: nothing but its name is needed to tell it."""
    return replace(_stack({"name": row["repository"], **row}), doctor=False)


def _sweep_stacks(sweep: Mapping[str, Any]) -> Iterator[Stack]:
    """Yield a stack for each package beside each torch."""
    for side in sweep["torch"]:
        for package in sweep["packages"]:
            yield Stack(
                name=f"{package} beside {side['torch']}",
                python=side["python"],
                torch=side["torch"],
                beside=(package,),
                install=package in side["install"],
                doctor=False,
                shares=True,
            )


def run(
    command: Sequence[str | Path],
    seconds: float,
    environment: Mapping[str, str] | None = None,
    stdin: str = "",
) -> Ended:
    """Run a command to its end, or stop it at the limit."""
    words = [str(word) for word in command]
    try:
        ended = subprocess.run(
            words,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Ended(124, "", f"no end within {seconds:g} seconds")
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def find_interpreter(python: str) -> Path | None:
    """Return an interpreter of a minor version that runs here: of PATH, or of pyenv."""
    name = f"python{python}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [*sorted(pyenv.glob(f"versions/{python}.*/bin/{name}"))]
    on_path = shutil.which(name)
    candidates += [Path(on_path)] if on_path else []
    return next((path for path in candidates if run([path, "-c", ""], 60).status == 0), None)


def clean_environment() -> dict[str, str]:
    """Return the variables for an installer and an import: no cache of models, no index of pip's
    configuration, no GPU."""
    kept = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("PYTHON", "PIP_FIND", "PIP_EXTRA", "VIRTUAL_ENV", "UV_"))
    }
    quiet = {"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    return {**kept, **quiet, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


class Runner:
    """Locks, installs and tries stacks, one at a time, in folders below ``output``."""

    def __init__(
        self,
        output: Path,
        trials: Sequence[Trial],
        extra: Sequence[str],
        checkouts: Path | None = None,
    ) -> None:
        self.output = output
        self.checkouts = checkouts or output / "checkouts"
        self.trials = trials
        self.extra = extra
        self.cache = output / "cache-any"
        self.shared = output / "shared"
        # Every environment has the same path, so that what one compiled serves the next.
        self.environment = clean_environment() | {"PYTHONPYCACHEPREFIX": str(output / "bytecode")}
        (output / "results").mkdir(parents=True, exist_ok=True)

    def file(self, stack: Stack) -> Path:
        """Return the file of a stack's result."""
        words = "".join(
            letter if letter.isalnum() or letter in ".-" else "-" for letter in stack.name
        )
        return self.output / "results" / f"{words}.json"

    def examine(self, stack: Stack) -> Result:
        """Lock a stack, install it, and try what is installed."""
        start = time.monotonic()
        result = Result(asdict(stack), time.strftime("%Y-%m-%d", time.gmtime()))
        folder = self.output / "environment"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            self._lock(stack, folder / "requirements.txt", result)
            if stack.install and not result.lock["status"] and not result.skipped:
                self.install_and_try(stack, folder, result)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        result.seconds = round(time.monotonic() - start, 1)
        return result

    def _lock(self, stack: Stack, file: Path, result: Result) -> None:
        words: list[str | Path] = [*stack.command]
        result.lock = {
            "command": " ".join(["cudalock", *stack.command]),
            "status": 0,
            "summary": [],
        }
        if stack.repository:
            words[1] = self._check_out(stack, result)
            if result.skipped:
                return
        program = [sys.executable, "-m", "cudalock", *words, *self.extra]
        as_json = file.with_suffix(".json")
        ended = run([*program, "-o", as_json], LOCK_SECONDS)
        result.lock["status"] = ended.status
        result.lock["summary"] = ended.stderr.strip().splitlines()
        if ended.status:
            return
        lock = json.loads(as_json.read_text())
        result.matrix = lock["matrix"]
        result.lock["pins"] = {pin["name"]: pin["version"] for pin in lock["pins"]}
        for key in ("stack", "warnings", "unknowns", "notes"):
            result.lock[key] = lock[key]
        result.lock["indexes"] = [index["id"] for index in lock["indexes"]]
        if stack.install:
            ended = run([*program, "-q", "-o", file], LOCK_SECONDS)
            result.lock["status"] = ended.status

    def _check_out(self, stack: Stack, result: Result) -> Path:
        """Return the folder of a repository at its commit, with the history that has its days."""
        folder = self.checkouts / stack.repository.replace("/", "+")
        if not folder.exists():
            url = f"https://github.com/{stack.repository}"
            ended = run(["git", "clone", "-q", "--filter=blob:none", url, folder], 900)
            if ended.status:
                result.skipped = f"{stack.repository} cannot be cloned"
        ended = run(["git", "-C", folder, "checkout", "-q", "--detach", stack.commit], 300)
        if ended.status and not result.skipped:
            result.skipped = f"{stack.repository} has no commit {stack.commit}"
        return folder / stack.path

    def install_and_try(self, stack: Stack, folder: Path, result: Result) -> None:
        """Install the requirements.txt of a folder with each installer, and try the result."""
        if result.lock["indexes"]:
            result.skipped = f"needs another index: {', '.join(result.lock['indexes'])}"
            return
        if find_interpreter(stack.python) is None:
            result.skipped = f"no Python {stack.python} at hand"
            return
        for installer in stack.installers:
            python = self._install(stack, installer, folder / "requirements.txt", result)
            if python:
                installed = self._compare(python, result)
            # Every installer unpacks the same wheels: those of the first are tried.
            if python and installer == stack.installers[0]:
                self._try(stack, python, installed, result)
                if stack.doctor:
                    self._ask_doctor(python, folder / "requirements.txt", result)
            shutil.rmtree(folder / "venv", ignore_errors=True)

    def _install(self, stack: Stack, installer: str, lock: Path, result: Result) -> Path | None:
        """Install the lock; return the Python of the environment, or None."""
        interpreter = find_interpreter(stack.python) or Path("python")
        venv = self.shared if stack.shares else lock.with_name("venv")
        python = venv / "bin" / "python"
        install: list[str | Path] = ["--require-hashes", "-r", lock]
        create: list[str | Path]
        command: list[str | Path]
        if installer == "uv":
            cache: list[str | Path] = ["--cache-dir", self.cache]
            create = ["uv", "venv", "-q", *cache, "--python", interpreter, venv]
            change = ["sync", *install[:1], lock] if stack.shares else ["install", *install]
            command = ["uv", "pip", *change, *cache, "--python", python]
        else:
            create = [interpreter, "-m", "venv", venv]
            quick = ["-q", "--no-cache-dir", "--no-compile"]
            command = [python, "-m", "pip", "install", *quick, *install]
        ended = run(create, 300) if not python.exists() else Ended(0, "", "")
        if not ended.status:
            ended = run(command, INSTALL_SECONDS, self.environment)
        result.installed[installer] = ended.tail if ended.status else ""
        return None if ended.status else python

    def _compare(self, python: Path, result: Result) -> dict[str, Any]:
        """Compare what is installed with the lock, run `pip check`; return what is installed."""
        inspected = run([python, "-c", INSPECT], 300, self.environment).stdout
        installed: dict[str, Any] = json.loads(inspected)
        result.differences += differences(result.lock["pins"], installed)
        checked = run([sys.executable, "-m", "pip", "--python", python, "check"], 300)
        if checked.status:
            lines = checked.stdout.strip().splitlines()
            # The tags inside some wheels differ from those of their names, which installers read.
            complaints = {line for line in lines if not line.endswith(UNSUPPORTED)}
            result.pip_check = sorted({*result.pip_check, *complaints})
        return installed

    def _try(
        self, stack: Stack, python: Path, installed: Mapping[str, Any], result: Result
    ) -> None:
        modules = modules_to_import(stack, result.lock, installed)
        trials = [trial for trial in self.trials if set(trial.needs) <= set(installed)]
        if stack.shares:
            # The other members are tried in the stacks of their own.
            requested = set(map(_project, stack.beside))
            modules = {module: name for module, name in modules.items() if name in requested}
            trials = [trial for trial in trials if requested & set(trial.needs)]
        result.programs = {f"import {module}": [name] for module, name in modules.items()}
        result.programs |= {trial.name: list(trial.needs) for trial in trials}
        programs = (
            [(f"import {module}", f"import {module}\n") for module in modules],
            [(trial.name, trial.code) for trial in trials],
            any("torch" in trial.needs for trial in trials),
        )
        ended = run([python, TRIALS], 3600, self.environment, json.dumps(programs))
        if ended.status:
            result.failures["python"] = ended.tail
            return
        reasons = json.loads(ended.stdout.splitlines()[-1])
        result.failures |= {name: reason for name, reason in reasons.items() if reason}

    def _ask_doctor(self, python: Path, lock: Path, result: Result) -> None:
        doctor: list[str | Path] = [sys.executable, "-m", "cudalock", "doctor", "--import"]
        ended = run(
            [*doctor, "--python", python, "--lock", lock, "--no-detect", "--json"],
            1800,
            self._for_cudalock(),
        )
        if ended.stdout.startswith("{"):
            result.doctor = [
                {key: finding[key] for key in ("code", "severity", "message", "facts")}
                for finding in json.loads(ended.stdout)["findings"]
            ]
            for finding in json.loads(ended.stdout)["findings"]:
                if finding["severity"] == "error":
                    program = f"doctor {finding['code']} {' '.join(finding['members'])}"
                    result.failures[program] = finding["message"]
                    result.programs[program] = finding["members"]
        else:
            result.failures["cudalock doctor"] = ended.tail

    def _for_cudalock(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        return {**self.environment, **kept}

    def use_cache(self, minor: str) -> None:
        """Download into a folder for one torch minor, and delete the others: each has gigabytes."""
        self.cache = self.output / f"cache-{minor}"
        shutil.rmtree(self.shared, ignore_errors=True)
        for folder in self.output.glob("cache-*"):
            if folder != self.cache:
                shutil.rmtree(folder, ignore_errors=True)


def differences(pins: Mapping[str, str], installed: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return what is installed otherwise than locked; the installers themselves are left out."""
    versions = {name: row[0] for name, row in installed.items()}
    own = {"pip", "setuptools", "wheel"} - set(pins)
    return [
        f"{name}: locked {pins.get(name)}, installed {versions.get(name)}"
        for name in sorted({*pins, *versions} - own)
        if pins.get(name) != versions.get(name)
    ]


def modules_to_import(
    stack: Stack, lock: Mapping[str, Any], installed: Mapping[str, Sequence[Any]]
) -> dict[str, str]:
    """Return the modules of what was requested and of what is compiled, each with its project."""
    requested = {"torch", *(_project(requirement) for requirement in stack.beside)}
    modules: dict[str, str] = {}
    for name, (_, names, compiled) in sorted(
        installed.items(), key=lambda row: (row[0] != "torch", row[0] not in requested)
    ):
        if name in requested or (
            name in lock["pins"] and compiled and not name.startswith("nvidia-")
        ):
            modules.update(dict.fromkeys(_own_modules(name, names), name))
    return modules


def _own_modules(name: str, modules: Iterable[str]) -> list[str]:
    """Return the module of the project's name; without one, all that are no helpers."""
    public = [module for module in modules if not module.startswith("_") and module not in HELPERS]
    named = [module for module in public if module.lower() == name.replace("-", "_")]
    return named or public


HELPERS: Final = {"tests", "test", "examples", "docs", "benchmarks", "build_backend", "scripts"}


def _project(requirement: str) -> str:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    return canonicalize_name(Requirement(requirement).name)


def write(file: Path, text: str) -> None:
    """Write a file, or leave it as it was."""
    partial = file.with_name(f"{file.name}.part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(file)


def run_all(runner: Runner, stacks: Iterable[Stack], again: bool) -> None:
    """Examine the stacks that were not examined yet, and report each on standard error."""
    for minor, of_minor in groupby(stacks, key=lambda stack: stack.minor):
        to_do = [stack for stack in of_minor if again or not runner.file(stack).exists()]
        if to_do:
            runner.use_cache(minor)
        for stack in to_do:
            result = runner.examine(stack)
            text = json.dumps(asdict(result), indent=1, ensure_ascii=False) + "\n"
            write(runner.file(stack), text)
            words = verdict(asdict(result))
            print(f"{stack.name}: {words} ({result.seconds:.0f} s)", file=sys.stderr, flush=True)


def main(words: Sequence[str] | None = None) -> int:
    """Examine the stacks, and write the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.installed", description=__doc__)
    parser.add_argument("--output", type=Path, help="folder of results")
    parser.add_argument("--checkouts", type=Path, help="folder of clones named OWNER+NAME")
    parser.add_argument("--stacks", type=Path, default=STACKS, help="default: bench/stacks.toml")
    parser.add_argument("--only", nargs="*", default=[], help="parts of the names of stacks")
    parser.add_argument("--without", nargs="*", default=[], help="the same: they are left out")
    parser.add_argument("--minor", help="a torch minor, such as 2.5")
    parser.add_argument("--minors", action="store_true", help="print the torch minors as JSON")
    parser.add_argument("--lock-only", action="store_true", help="install nothing")
    parser.add_argument("--report", action="store_true", help="write of what was done; do no more")
    parser.add_argument("--again", action="store_true", help="repeat what was done")
    parser.add_argument("--solve", action="append", default=[], help="an option for solve")
    parser.add_argument("--markdown", type=Path, help="write the table here")
    parser.add_argument("--page", type=Path, help="renew the table at the end of this page")
    parser.add_argument("--json", type=Path, help="write the stacks and pairs here")
    options = parser.parse_args(words)
    stacks, trials = read_stacks(options.stacks)
    if options.minors:
        print(json.dumps(list(dict.fromkeys(stack.minor for stack in stacks))))
        return 0
    if options.output is None:
        parser.error("--output DIR is required")
    checkouts = options.checkouts.resolve() if options.checkouts else None
    runner = Runner(options.output.resolve(), trials, options.solve, checkouts)
    chosen = [
        replace(stack, install=stack.install and not options.lock_only)
        for stack in stacks
        if options.minor in (None, stack.minor)
        and (not options.only or any(part in stack.name for part in options.only))
        and not any(part in stack.name for part in options.without)
    ]
    if not options.report:
        run_all(runner, chosen, options.again)
    results = [
        json.loads(file.read_text()) for stack in chosen if (file := runner.file(stack)).exists()
    ]
    if options.markdown:
        write(options.markdown, markdown(results))
    if options.page:
        head, _, before = options.page.read_text(encoding="utf-8").partition(MARK)
        order = [stack.name for stack in stacks]
        write(options.page, f"{head}{MARK}\n\n{markdown(results, before, order)}")
    if options.json:
        write(options.json, result_json(results))
    print(markdown(results))
    return 1 if any(verdict(result) == "fails" for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())

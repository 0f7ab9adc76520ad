"""Every command that README.md and docs/ show is run, but for those of `NOT_RUN`.

`test_readme` runs the screens, with what they print. Here are the other commands: the lines of a
block without a screen, one after the other in one folder, and commands within a line of text. Each
has to end with 0, or as `ENDS` has it. A file that a command reads and nothing has written is one
of `FILES`; the package index is a local one.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from click.testing import CliRunner

from cudalock.cli import main
from cudalock.goals import Goal
from cudalock.targets import Target
from tests.environments import install_lock, install_stub, make_tree, pretend, solved
from tests.files import write
from tests.local_index import LocalIndex, build_wheel
from tests.paths import CASES
from tests.recorded import MAIN, RecordedIndex
from tests.test_readme import DOCS, DOCUMENTS, FENCED, SPAN, name, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.matrix.matrix import Matrix

ERROR: Final = "ModuleNotFoundError: No module named 'triton.ops'"
FILES: Final = {
    "requirements.txt": "torch==2.5.1\ntorchvision==0.20.1\n",
    "requirements.in": "torch==2.5.1\nnumpy\n",
    "constraints.txt": "numpy<2.3\n",
    "pip.log": f"{ERROR}\nbitsandbytes==0.43.0 torch==2.6.0\n",
    "log": f"{ERROR}\nbitsandbytes==0.43.0 torch==2.6.0\n",
    "train.py": f'raise ModuleNotFoundError("{ERROR.partition(": ")[2]}")\n',
    "Dockerfile": "FROM python:3.11\nRUN pip install torch==2.5.1\n",
}
"""What a command reads that no command before it wrote."""
OWN_FILES: Final = {
    "docs/images.md": {"requirements.txt": "torch\naccelerate\n"},
    "docs/tutorials.md": {"requirements.txt": "torch==2.1.0\ntorchvision==0.16.0\n"},
}
"""Those of a document that is about others."""
FOLDERS: Final = {
    ".venv": Target("3.11", "linux-x86_64"),
    "python_embeded": Target("3.11", "windows-x86_64"),
}
"""Environments, and what they are for."""
READS: Final = {
    "check": ("requirements.txt",),
    "generate": ("requirements.txt",),
    "doctor": (".venv",),
    "activate": (".venv",),
    "solve": (".venv",),
}
"""What a command looks for that does not name it."""
TEXTS: Final = {"json|csv": "csv", "[-o FILE]": "-o out", "[NAME...]": "triton", "2>&1": ""}
"""What stands for something else in a line."""
PLACEHOLDERS: Final = {
    "FILE...": "requirements.txt",
    "PATH": ".venv",
    "NAME": "bitsandbytes",
    "FACT": "bnb-triton-ops",
    "ID": "bnb-triton-ops",
    "COMMAND": "check",
    "SHELL": "bash",
    "~/osv-dump": str(CASES / "osv"),
    "/media/stick": "stick",
    "/mnt/c/ComfyUI/python_embeded": "python_embeded",
}
"""Words that stand for others."""
ADDED: Final = {"--advisories": ("--osv", str(CASES / "osv"))}
"""What is asked in the place of a service, by the option that asks it."""
ENDS: Final = {
    "cudalock check --advisories": 1,
    "cudalock check --osv ~/osv-dump": 1,
    "python train.py": 1,
    # There is no build of PyTorch for it, and its section says so.
    "cudalock solve torch --platform jetpack-6.2 -o requirements.txt": 1,
}
"""The commands that end with another status than 0."""
NOT_RUN: Final = {
    "pip install": "changes an environment: tests/formats installs locks from a recorded index",
    "uv pip": "changes an environment: tests/formats installs locks from a recorded index",
    "uv sync": "downloads torch: tests/formats/test_uv_project.py has it with a recorded index",
    "uv lock": "asks PyTorch's index: tests/formats/test_uv_project.py has it with a recorded one",
    "docker build": "takes Docker",
    "pdm run": "takes PDM: tests/formats tries what it reads, where it is at hand",
    "conda env": "takes conda",
    "pixi install": "takes pixi",
    "npm ci": "asks a registry: .ci/web runs it",
    "python -m web.build": "takes npm's packages: tests/web builds the site",
    "python -m http.server": "serves until it is stopped",
    "python -m bench.grid": "takes hours on many machines",
    "python -m venv": "is Python's own, and takes seconds",
    "python -m cudalock.matrix.store": "writes into this checkout: test_readme compares the copy",
    ".": "is the shell's",
    "export": "is the shell's",
    "source": "is the shell's",
    "Out-String": "is the shell's",
    "Invoke-Expression": "is the shell's",
    "Set-Content": "is the shell's",
    "ruff": "is a step of the test command beside this one",
    "mypy": "is a step of the test command beside this one",
    "pytest": "is what runs this",
    "CUDALOCK_WEB=1 pytest": "is what runs this",
    ".ci/web": "installs a browser: CI runs it",
    "cudalock matrix lint": "is tests/lint",
    "cudalock matrix update --from": "takes a site: tests/update/test_from_site.py has one",
    "cudalock matrix update": "asks every index: tests/update has it with recorded ones",
    "cudalock solve 'newest vllm on an H100 in AWS'": "asks an index for forty packages: "
    "tests/cases/sentences.toml has the phrase",
    "cudalock solve 'torch + vllm on DGX Spark'": "asks an index for forty packages: "
    "tests/cases/sentences.toml has such phrases",
    "cudalock solve --torch 2.8 --fa2 --python 3.12 --platform linux --fetch-hashes": "downloads a "
    "wheel: tests/formats has it with a recorded index",
    "cudalock solve --torch 2.5.1 --fa2 --python 3.11 --python 3.12 --platform linux --platform "
    "windows -o uv.lock": "asks PyTorch's index: tests/formats/test_uv_project.py has its own",
    "cudalock fetch": "downloads gigabytes: tests/formats has it with a recorded index",
    "cudalock doctor --python .venv --fix": "changes an environment: tests/doctor/test_fix.py has "
    "real ones",
    "cudalock doctor --fix": "changes an environment: tests/doctor/test_fix.py has real ones",
    "cudalock doctor --undo": "changes an environment: tests/doctor/test_fix.py has real ones",
    "cudalock activate --install": "changes an environment: tests/activate has real ones",
}
"""The commands that are not run here, by how they begin, and why."""


@dataclass(frozen=True)
class Shown:
    """Commands that are shown together: the lines of a block, or one within a text."""

    document: Path
    line: int
    commands: tuple[str, ...]

    @property
    def label(self) -> str:
        """`docs/check.md:12`, which an editor can open."""
        return f"{name(self.document)}:{self.line}"


def find_blocks() -> Iterator[Shown]:
    for document in DOCUMENTS:
        text = read(document)
        for block in FENCED.finditer(text):
            if block[1] in ("sh", "yaml") and not block[2].startswith("$ "):
                lines = block[2].replace("\\\n", " ").splitlines()
                if block[1] == "yaml":
                    lines = re.findall(r"^ *- ((?:cudalock|pip|python) .*)", block[2], re.MULTILINE)
                if lines:
                    yield Shown(document, text[: block.start(2)].count("\n") + 1, tuple(lines))


def find_spans() -> Iterator[Shown]:
    """Commands with arguments; one without is the command's name."""
    seen = set()
    for document in DOCUMENTS:
        text = read(document)
        for span in SPAN.finditer(FENCED.sub(lambda block: "\n" * block[0].count("\n"), text)):
            command = span[1].replace("\\|", "|")
            words = command.split()
            if words[:1] == ["cudalock"] and len(words) > 2 and command not in seen:
                seen.add(command)
                yield Shown(document, span.string[: span.start()].count("\n") + 1, (command,))


BLOCKS: Final = list(find_blocks())
SPANS: Final = list(find_spans())


def stages(line: str) -> list[list[list[str]]]:
    """The pipelines of a line, each the words of its stages."""
    for text, other in TEXTS.items():
        line = line.replace(text, other)
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&<>")
    lexer.whitespace_split = True
    pipelines: list[list[list[str]]] = [[[]]]
    for word in lexer:
        if word == "&&":
            pipelines.append([[]])
        elif word == "|":
            pipelines[-1].append([])
        else:
            pipelines[-1][-1].append(word)
    return [pipeline for pipeline in pipelines if pipeline != [[]]]


class World:
    """A folder in which commands are run."""

    def __init__(self, folder: Path, environments: Path, document: Path) -> None:
        self.folder = folder
        self.environments = environments
        self.files = {**FILES, **OWN_FILES.get(name(document), {})}

    def run(self, line: str) -> None:
        for pipeline in stages(line):
            text = ""
            for words in pipeline:
                text = self.stage(words, text, line)

    def stage(self, words: list[str], text: str, line: str) -> str:
        plain, _, _ = redirected(words)
        if why_not(plain):
            return text
        words, reads, writes = redirected([PLACEHOLDERS.get(word, word) for word in words])
        for word in (*words, *reads):
            self.provide(word, words)
        words += [more for word in words for more in ADDED.get(word, ())]
        if reads:
            text = Path(reads[0]).read_text(encoding="utf-8")
        status, printed = self.started(words, text)
        assert status == ENDS.get(shown_as(plain), 0), f"{line}\n{status}: {printed}"
        for file in writes:
            write(self.folder / file, printed)
        return printed

    def provide(self, word: str, words: list[str]) -> None:
        """Make what a command reads."""
        before = words[words.index(word) - 1] if word in words else ""
        command = words[1] if words[:1] == ["cudalock"] and len(words) > 1 else ""
        for wanted in (word, *READS.get(command, ())) if word == command else (word,):
            if before in ("-o", "--output") or (self.folder / wanted).exists():
                continue
            if wanted in self.files:
                write(self.folder / wanted, self.files[wanted])
            elif wanted == "wheels/":
                wheel = build_wheel("my-kernels", "1.0")
                (self.folder / wanted).mkdir()
                (self.folder / wanted / wheel.name).write_bytes(wheel.content)
            elif wanted == "commit":
                self.provide("generate", ["cudalock", "generate"])
                commit(self.folder)
            elif wanted in FOLDERS:
                shutil.copytree(self.environments / wanted, self.folder / wanted)

    def started(self, words: list[str], text: str) -> tuple[int, str]:
        program, *rest = words
        if program == "cudalock":
            done = CliRunner().invoke(main, rest, input=text)
            crash = done.exception if not isinstance(done.exception, SystemExit) else None
            return (70 if crash else done.exit_code), f"{done.output}{crash or ''}"
        if program in ("python", "pip"):
            rest = rest if program == "python" else ["-m", "pip", *rest]
            made = subprocess.run(
                [sys.executable, *rest], input=text, capture_output=True, text=True, check=False
            )
            return made.returncode, made.stdout + made.stderr
        assert program == "grep", f"run it, or say in NOT_RUN why not: {shlex.join(words)}"
        return 0, "".join(each for each in text.splitlines(True) if rest[-1] in each.lower())


def commit(folder: Path) -> None:
    """Make a repository of a folder, of some day."""
    if shutil.which("git") is None:
        pytest.skip("git is missing: install git")
    who = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "x"]):
        subprocess.run(["git", *words], cwd=folder, check=True)


def redirected(words: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Words without what is read and written by the shell, and the names of these files."""
    kept: list[str] = []
    files: dict[str, list[str]] = {"<": [], ">": []}
    rest = iter(words)
    for word in rest:
        if word in files:
            files[word].append(next(rest))
        else:
            kept.append(word)
    return kept, files["<"], files[">"]


def shown_as(words: list[str]) -> str:
    """A command as the tables here have it: only what has a space is quoted."""
    return " ".join(f"'{word}'" if " " in word else word for word in words)


def why_not(words: list[str]) -> str | None:
    """Why a command is not run here."""
    text = shown_as(words)
    return next((why for start, why in NOT_RUN.items() if f"{text} ".startswith(f"{start} ")), None)


@pytest.fixture(scope="module")
def environments(matrix: Matrix, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("environments")
    goal = Goal(requirements=("torch==2.5.1", "torchvision==0.20.1"))
    for place, target in FOLDERS.items():
        packages = make_tree(folder / place, target)
        install_lock(packages, solved(goal, target, matrix), matrix)
        install_stub(packages, "pip", "25.0")
        write(packages / "nvidia" / "cuda_runtime" / "lib" / "libcudart.so.12")
    embedded = folder / "python_embeded"
    (embedded / "pyvenv.cfg").unlink()
    write(embedded / "python.exe")
    write(embedded / "python311._pth")
    return folder


class Index(RecordedIndex):
    """The package index as the matrix has it, and packages that it has not."""

    def answer(self, path: str) -> tuple[str, bytes] | None:
        return LocalIndex.answer(self, path) or super().answer(path)


@pytest.fixture(scope="module")
def index(matrix: Matrix) -> Iterator[LocalIndex]:
    with Index(matrix) as started:
        for project in ("lightning", "gradio"):
            wheel = build_wheel(project, "2.0", requires=["numpy"], offer_metadata=True)
            started.add(MAIN, wheel)
        yield started


@pytest.fixture
def world(
    tmp_path: Path,
    environments: Path,
    index: LocalIndex,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> World:
    pretend(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIP_INDEX_URL", index.url(MAIN))
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    for home in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(home, str(tmp_path / "home"))
    return World(tmp_path, environments, request.node.callspec.params["shown"].document)


@pytest.mark.parametrize("shown", BLOCKS, ids=lambda shown: shown.label)
def test_the_commands_of_a_block(shown: Shown, world: World) -> None:
    for line in shown.commands:
        world.run(line)


@pytest.mark.parametrize("shown", SPANS, ids=lambda shown: shown.label)
def test_a_command_within_a_line(shown: Shown, world: World) -> None:
    world.run(*shown.commands)


def test_the_program_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = [
        block[2] for block in FENCED.finditer(read(DOCS / "goals.md")) if block[1] == "python"
    ]
    exec(compile(block, "docs/goals.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert "torch 2.5.1" in printed
    assert any(line.startswith("flash-attn 2.") for line in printed)


def test_no_row_is_stale() -> None:
    shown = [
        shown_as(redirected(words)[0])
        for each in (*BLOCKS, *SPANS)
        for line in each.commands
        for pipeline in stages(line)
        for words in pipeline
    ]
    stale = [
        start for start in NOT_RUN if not any(f"{text} ".startswith(f"{start} ") for text in shown)
    ]
    assert stale == []
    assert ENDS.keys() <= set(shown)

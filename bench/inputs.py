"""Hostile inputs for everything that cudalock reads: seeds, what changes them, and readers.

A reader takes bytes and may raise only what a user is told. Whatever else it raises is a fault, and
so is what takes more than SECONDS or MEMORY.
"""

from __future__ import annotations

import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import traceback
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic, process_time
from typing import Final

from click.testing import CliRunner
from unearth.collector import IndexPage
from unearth.link import Link

from bench.guided import readers as guided_readers
from cudalock.activate.placement import _Record
from cudalock.cli import main as command_line
from cudalock.doctor.repair import rollback
from cudalock.errors import CudalockError
from cudalock.files import data_directory
from cudalock.indexes import client, github_releases, hugging_face, listings
from cudalock.indexes.elf import read_links
from cudalock.indexes.metadata import metadata_in, parse_metadata
from cudalock.indexes.pip_config import read_pip_settings
from cudalock.matrix.matrix import Matrix
from cudalock.matrix.store import compile_tables
from cudalock.projects.kinds import BY_NAME, kind_of
from cudalock.projects.locks import locked_wheels
from cudalock.projects.read import find_files
from cudalock.sdists import UnreadableArchive, read_archive, read_source
from tests.local_index import build_sdist, build_wheel
from tests.small_matrix import small_matrix

SEEDS: Final = Path(__file__).parents[1] / "tests"
SECONDS: Final = 10.0
MEMORY: Final = 500
"""MB that one input may add."""
LONGEST: Final = 20_000

TOKENS: Final = tuple(
    word.encode("utf-8", "surrogatepass")
    for word in (
        *("9" * 5_000, "1" * 30, "-1", "0", "1e999", "NaN", "\uff11.\uff12", "2.5\u00b2", "\u0661"),
        *("\0", "\x1b[2J", "\x1b]0;x\x07", "\u202e", "\u2028", "\ufeff", "\ud800", "\r", "\r\n"),
        *("[" * 2_000, "{" * 2_000, "(" * 2_000, "- " * 500, "a." * 500, "&a [*a]", "<<: *a"),
        *("..", "../../x", "C:x", "\\\\s\\s\\x", "nul", "/dev/zero", "file:///etc/passwd", "~x"),
        *("==", "===", "~=", "!=1.*", "==1.*.*", ">=3.5.*", "@", ";", "#", "%", "${HOME}", "%00"),
        *("http://[", "http://x:99999/", "git+https://x", "$(id)", "`id`", "'", '"', '"""', "'''"),
        *("; extra == 'x'", "; python_version > '3", "; foo == 'x'", "[a,b,", "-r -", "-c x", "--"),
        *("null", "true", "[]", "{}", '""', "0x10", "1979-05-27", "inf", "Requires-Dist: ", "\t"),
        *("torch", "cuda", "python", "sm_99x", "cu99999", "\u0130\u0131\u017f\u212a", "e\u0301"),
    )
)
"""What readers stumble over."""


class Hang(BaseException):
    """An input that takes too long; no reader may catch it."""


@dataclass
class Kind:
    """One thing that is read."""

    name: str
    read: Callable[[bytes], object]
    seeds: list[bytes] = field(default_factory=list)


@dataclass
class Outcome:
    """What a time of fuzzing found."""

    kind: str
    inputs: int = 0
    seconds: float = 0.0
    processor: float = 0.0
    """seconds of it, which on a busy machine are fewer"""
    slowest: float = 0.0
    faults: list[str] = field(default_factory=list)


def mutate(chance: random.Random, seeds: list[bytes]) -> bytes:
    """Change one of the seeds, a few times."""
    content = bytearray(chance.choice(seeds)[:LONGEST])
    for _ in range(chance.choice((1, 1, 2, 3, 5, 9))):
        at = chance.randrange(len(content) + 1)
        stop = min(len(content), at + int(2 ** chance.uniform(0, 8)))
        match chance.randrange(7):
            case 0:
                content[at:at] = chance.choice(TOKENS)
            case 1:
                content[at:stop] = chance.choice(TOKENS)
            case 2:
                del content[at:stop]
            case 3:
                content[at:at] = content[at:stop] * chance.choice((1, 2, 50))
            case 4 if content:
                content[at % len(content)] = chance.randrange(256)
            case 5:
                other = chance.choice(seeds)
                start = chance.randrange(len(other) + 1)
                content[at:stop] = other[start : start + (stop - at) * 2]
            case _:
                del content[at:]
    return bytes(content[: 4 * LONGEST])


def fuzz(kind: Kind, seconds: float, seed: int, report: Callable[[str, bytes], None]) -> Outcome:
    """Read changed seeds for a time. `report` gets each new fault and its input."""
    chance = random.Random(f"{seed} {kind.name}")
    outcome, known = Outcome(kind.name), set()
    begun, used = monotonic(), process_time()
    for content in _inputs(kind, chance):
        if monotonic() - begun > seconds:
            break
        fault, took = try_input(kind.read, content)
        outcome.inputs += 1
        outcome.slowest = max(outcome.slowest, took)
        if fault is not None and fault not in known:
            known.add(fault)
            outcome.faults.append(fault)
            report(fault, content)
    outcome.seconds, outcome.processor = monotonic() - begun, process_time() - used
    return outcome


def _inputs(kind: Kind, chance: random.Random) -> Iterator[bytes]:
    yield from kind.seeds[:200]
    while True:
        yield mutate(chance, kind.seeds)


def try_input(read: Callable[[bytes], object], content: bytes) -> tuple[str | None, float]:
    """Read an input; return what is wrong with that, and the seconds that it took."""
    before = _memory()
    begun = monotonic()
    fault = None
    try:
        with _alarm():
            read(content)
    except CudalockError:
        pass
    except Hang as error:
        where = traceback.extract_tb(error.__traceback__)[-2]
        fault = f"hang at {Path(where.filename).name}:{where.lineno}"
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        fault = f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}"
    if _memory() - before > MEMORY:
        fault = f"{_memory() - before:.0f} MB"
    return fault, monotonic() - begun


def _memory() -> float:
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


@contextmanager
def _alarm() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise Hang

    # The processor's time, since a busy machine doubles the other; and that one for a wait.
    limits = ((signal.SIGVTALRM, signal.ITIMER_VIRTUAL, 1), (signal.SIGALRM, signal.ITIMER_REAL, 6))
    for number, timer, times in limits:
        signal.signal(number, ring)
        signal.setitimer(timer, SECONDS * times)
    try:
        yield
    finally:
        for _, timer, _ in limits:
            signal.setitimer(timer, 0)


# -- the readers --------------------------------------------------------------------------------


class InternalError(Exception):
    """A command that ended in no documented status."""


def run_command(words: list[str], stdin: bytes | None = None) -> None:
    """Run a command as a user does. Raises InternalError with where it went wrong."""
    result = CliRunner().invoke(command_line, words, input=stdin, prog_name="cudalock")
    if result.exit_code not in (0, 1, 2, 3):
        message = result.output[result.output.find("internal error") :][:160]
        raise InternalError(f"{result.exit_code} {message}")
    unseen = set(result.output) & {"\x1b", "\x07", "\u202e", "\x00", "\u2028"}
    if unseen:
        raise InternalError(f"{unseen} reaches the terminal")


def kinds(scratch: Path) -> list[Kind]:
    """Return everything that is read; `scratch` is an empty folder for files."""
    # Nothing is asked of anybody, and no GPU is looked for.
    os.environ |= {
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
        "PIP_CONFIG_FILE": os.devnull,
        "CUDALOCK_CACHE_DIR": str(scratch / "cache"),
        "CUDALOCK_NO_DETECT": "1",
    }
    client.BACK_OFF = 0
    matrix = Matrix.load(data_directory())
    files = [path for path in find_files(SEEDS) if path.stat().st_size < LONGEST]
    by_kind: dict[str, list[bytes]] = {}
    for path in files:
        by_kind.setdefault(kind_of(path) or "", []).append(path.read_bytes())
    guided = guided_readers(matrix)
    texts = [
        json.loads(line)["text"].encode()
        for line in (SEEDS / "cases/diagnose/corpus.jsonl").open(encoding="utf-8")
    ]
    matrix_files = _MatrixFiles(scratch / "matrix")
    made = [
        Kind(f"file: {kind}", read, by_kind.get(kind) or [b"torch==2.5.1\n"])
        for kind, read in zip(BY_NAME, guided, strict=False)
    ]
    made += [
        Kind("phrases", guided[len(BY_NAME)], PHRASES),
        Kind("texts", guided[len(BY_NAME) + 1], texts),
        Kind("locks in JSON", guided[len(BY_NAME) + 2], [b'{"schema": "cudalock.solve/1"}']),
        Kind("explain", _explain, PHRASES),
        Kind("option lines", _option_line, OPTION_LINES),
        Kind("locks to fetch", partial(_lock, scratch), by_kind.get("requirements", [])),
        Kind("METADATA", parse_metadata, METADATA),
        Kind("trees", partial(_tree, scratch / "env"), METADATA),
        Kind("index pages", _page, PAGES),
        Kind("releases of GitHub", _github, [RELEASES]),
        Kind("files of Hugging Face", _hugging_face, [FILES]),
        Kind("wheels", lambda content: metadata_in(io.BytesIO(content)), _wheels()),
        Kind("source archives", _archive, _archives()),
        Kind("shared objects", read_links, [_some_library()]),
        Kind("settings", partial(_settings, scratch), SETTINGS),
        Kind("repositories", partial(_repository, scratch / "repository"), REPOSITORIES),
        Kind("pip's settings", partial(_pip, scratch), PIP),
        Kind("matrix files", matrix_files, matrix_files.seeds()),
        Kind("records of fixes", partial(_roll_back, scratch / "fixed"), ROLL_BACKS),
    ]
    return made


PHRASES: Final = [
    *(b"torch 2.5.1 + FA2 on Windows py3.11", b"torch cu124 rtx 4090 python 3.12"),
    *(b"vllm on linux glibc 2.31 driver 535", b"latest torch with xformers and bnb for H100"),
    *(b"torch>=2.4,<2.6 flash-attn==2.7.4.post1", b"flash-attn torch==2.0.1 py3.13 windows"),
    *(
        b"torch 2.5.1 on macos",
        b"jetpack 6.1 torch",
        b"torch rocm 6.2 mi300x",
        b"triton<3 torch 2.9",
    ),
]
OPTION_LINES: Final = [
    *(b"solve\0--torch\x002.5.1\0--fa2\0--python\x003.11\0--platform\0linux",),
    *(b"solve\0torch\0--gpu\0RTX 4090\0--driver\x00550.54\0--cuda\x0012.4",),
    *(b"explain\0torch 2.5.1 + FA2\0--platform\0windows", b"check\0-\0--format\0sarif"),
    *(b"why-not\0torch==2.5.1\0flash-attn==2.8", b"matrix\0table\0torch", b"matrix\0show\0torch"),
    *(b"solve\0torch\0--exclude-newer\x002025-01-01\0--builders\0official\0--glibc\x002.31",),
    *(b"solve\0torch\0--toolkit\x0012.4.1:cudart\0--cudnn\x009.1", b"diagnose\0-\0--json"),
]
METADATA: Final = [
    b"Metadata-Version: 2.1\nName: other\nVersion: 1.0\nRequires-Python: >=3.8\n"
    b"Requires-Dist: numpy (>=1.17,<3)\nRequires-Dist: torch==2.5.1; python_version < '3.13'\n"
    b"Requires-Dist: pytest>=7; extra == 'dev'\nProvides-Extra: dev\n\nA text.\n",
    b"Metadata-Version: 1.0\nName: x.y_z\nVersion: 2.0.post1+cu124\nRequires-Dist: a[b,c]~=1.0;"
    b'platform_machine == "x86_64" and (os_name == "nt" or sys_platform != "darwin")\n',
]
_FILE: Final = {
    "filename": "oddball-1.0-cp311-cp311-win_amd64.whl",
    "url": "../../f/oddball-1.0-cp311-cp311-win_amd64.whl#sha256=" + "0" * 64,
    "hashes": {"sha256": "0" * 64},
    "requires-python": ">=3.8",
    "core-metadata": {"sha256": "1" * 64},
    "size": 1000,
    "upload-time": "2024-01-01T00:00:00.000Z",
    "yanked": "broken",
}
PAGES: Final = [
    b"J" + json.dumps({"meta": {"api-version": "1.1"}, "name": "x", "files": [_FILE] * 3}).encode(),
    b'H<!DOCTYPE html><html><head><base href="/x/"></head><body>'
    b'<a href="../oddball-1.0-py3-none-any.whl#sha256=00" data-requires-python="&gt;=3.8" '
    b'data-yanked="" data-dist-info-metadata="sha256=11">oddball-1.0-py3-none-any.whl</a><br/>'
    b'<a href="oddball-1.0.tar.gz">x</a></body></html>',
]
RELEASES: Final = json.dumps(
    [
        {
            "tag_name": "v1.0",
            "draft": False,
            "assets": [
                {
                    "name": "x-1.0-py3-none-any.whl",
                    "browser_download_url": "https://github.com/a/b/releases/download/v1/x.whl",
                    "digest": "sha256:" + "0" * 64,
                    "size": 5,
                    "state": "uploaded",
                    "created_at": "2024-01-01T00:00:00Z",
                }
            ],
        }
    ]
).encode()
FILES: Final = json.dumps(
    [{"type": "file", "path": "a/x-1.0.whl", "size": 3, "lfs": {"oid": "0" * 64, "size": 3}}]
).encode()
SETTINGS: Final = [
    b'[tool.cudalock]\npython = ["3.11"]\nplatform = ["linux"]\nbuilders = "official"\n',
    b'[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.10"\n'
    b'dependencies = ["torch==2.5.1"]\n[tool.cudalock]\ngpu = ["8.9"]\ncuda = "12.4"\n',
    b'[tool.uv]\nenvironments = ["sys_platform == \'linux\'"]\n[[tool.uv.index]]\nurl = "http://x"\n'
    b'[tool.uv.sources]\ntorch = { index = "x" }\n[tool.cudalock]\nexclude-newer = "2025-01-01"\n',
]
PIP: Final = [
    b"[global]\nindex-url = https://u:p@x/simple\nextra-index-url =\n  https://y\n  https://z\n"
    b"trusted-host = x\nproxy = http://p:1\ncert = /c\n[install]\nfind-links = w\n"
]
ROLL_BACKS: Final = [
    json.dumps(
        {
            "schema": rollback.SCHEMA,
            "state": rollback.APPLIED,
            "prefix": "/x",
            "command": "cudalock doctor --fix",
            "packages": [{"name": "x", "before": None, "after": {"version": "1"}}],
            "roots": ["lib/python3.11/site-packages"],
            "extra": ["bin/x"],
            "files": {"a/b": "0" * 64},
            "folders": ["a"],
        }
    ).encode(),
    json.dumps({"lib/x.py": [1, 2, 33188, None], "bin/y": [0, 0, 41471, "x"]}).encode(),
]


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def _explain(content: bytes) -> None:
    words = _text(content).replace("\0", "").split()
    if words and not words[0].startswith("-"):
        run_command(["explain", *words[:12]])


def _option_line(content: bytes) -> None:
    words = [_text(word)[:6_000] for word in content.split(b"\0")][:14]
    # No network, and nothing beside this process.
    if words[0] in ("solve", "explain", "check", "why-not", "diagnose", "matrix") and not (
        {"update", "export"} & set(words) or any(word.startswith(("-o", "--o")) for word in words)
    ):
        offline = ["--offline"] if words[0] == "solve" else []
        run_command([*words[:1], *offline, *words[1:]], stdin=b"torch==2.5.1\n")


def _lock(scratch: Path, content: bytes) -> None:
    for name in ("lock.txt", "pylock.toml"):
        (scratch / name).write_bytes(content)
        try:
            locked_wheels.read(scratch / name)
        except CudalockError:
            continue


def _tree(root: Path, content: bytes) -> None:
    packages = root / "lib" / "python3.11" / "site-packages"
    if not packages.is_dir():
        packages.mkdir(parents=True)
        (root / "pyvenv.cfg").write_text("home = /nowhere\nversion = 3.11.9\n", encoding="utf-8")
        torch = packages / "torch-2.5.1.dist-info"
        torch.mkdir()
        (torch / "METADATA").write_bytes(METADATA[0].replace(b"other\nVersion: 1.0", b"torch"))
        (packages / "other-1.0.dist-info").mkdir()
    folder = packages / "other-1.0.dist-info"
    for name in ("METADATA", "RECORD", "WHEEL", "INSTALLER", "direct_url.json"):
        # Each as what it is not as well: any file may be anything.
        (folder / name).write_bytes(content if name == "METADATA" or len(content) % 2 else b"")
    run_command(["doctor", "--python", str(root), "--json"])


def _page(content: bytes) -> None:
    link = Link("https://index.example/simple/oddball/")
    kind = "application/vnd.pypi.simple.v1+json" if content[:1] == b"J" else "text/html"
    page = IndexPage(link, content[1:], None, kind)
    try:
        list(listings._files(page))
    except listings.UNREADABLE:
        return


def _github(content: bytes) -> None:
    try:
        list(github_releases._assets(json.loads(content)))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return


def _hugging_face(content: bytes) -> None:
    try:
        list(hugging_face._files(json.loads(content), "a/b"))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return


def _archive(content: bytes) -> None:
    for name in ("x-1.0.tar.gz", "x-1.0.zip"):
        try:
            read_source(read_archive(name, content))
        except UnreadableArchive:
            continue


def _wheels() -> list[bytes]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x-1.0.dist-info/METADATA", METADATA[0])
    return [build_wheel("x", "1.0", requires=["a"]).content, buffer.getvalue()]


SETUP_PY: Final = (
    "import os\nfrom setuptools import setup\nreq = ['torch>=2']\n"
    "if os.getenv('X') == '1':\n    req += ['a']\n"
    "setup(name='x', version='1.0', install_requires=req, ext_modules=[])\n"
)


def _archives() -> list[bytes]:
    made = [build_sdist("x", "1.0", {"setup.py": SETUP_PY, "PKG-INFO": METADATA[0].decode()})]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x-1.0/setup.py", SETUP_PY)
        archive.writestr("x-1.0/pyproject.toml", "[build-system]\nrequires = ['setuptools']\n")
        archive.writestr("x-1.0/setup.cfg", "[metadata]\nname = x\nversion = 1\n")
    return [made[0].content, buffer.getvalue()]


def _some_library() -> bytes:
    import _ctypes

    return Path(_ctypes.__file__).read_bytes()[:LONGEST]


def _settings(scratch: Path, content: bytes) -> None:
    (scratch / "pyproject.toml").write_bytes(content)
    before = Path.cwd()
    os.chdir(scratch)
    try:
        run_command(["solve", "torch", "--offline", "--no-detect"])
        run_command(["generate", ".", "--offline", "--no-detect"])
    finally:
        os.chdir(before)
        (scratch / "pyproject.toml").unlink()


REPOSITORIES: Final = [
    b"setup.py\n" + SETUP_PY.encode(),
    b"environment.yml\nname: x\nchannels: [pytorch, nvidia]\ndependencies:\n  - python=3.10\n"
    b"  - pytorch=2.1.0\n  - pytorch-cuda=12.1\n  - pip:\n    - flash-attn==2.5.8\n",
    b"train.py\nimport torch, flash_attn\nfrom transformers import AutoModel\n"
    b"try:\n    import xformers.ops\nexcept ImportError:\n    xformers = None\n",
    b"README.md\n# X\n\n```sh\nconda create -n x python=3.10\npip install torch==2.1.2 "
    b"--index-url https://download.pytorch.org/whl/cu121\npip install -r requirements.txt\n```\n",
    b"Dockerfile\nFROM nvidia/cuda:12.1.1-cudnn8-devel-ubuntu22.04\nARG TORCH=2.1.2\n"
    b"RUN pip install torch==${TORCH} && pip install flash-attn --no-build-isolation\n",
    b".github/workflows/test.yml\non: push\njobs:\n  test:\n    runs-on: ubuntu-22.04\n"
    b"    strategy:\n      matrix:\n        python: ['3.9', '3.12']\n    steps:\n"
    b"      - run: pip install torch==2.4.0 -e .[dev]\n",
    b"notebook.ipynb\n"
    + json.dumps(
        {"cells": [{"cell_type": "code", "source": ["!pip install -q torch==2.5.1\n"]}]}
    ).encode(),
    b"model/__init__.py\nimport importlib\nimportlib.import_module('torchvision')\n",
]


def _repository(root: Path, content: bytes) -> None:
    name, _, rest = content.partition(b"\n")
    if name not in {each.partition(b"\n")[0] for each in REPOSITORIES}:
        return
    root.mkdir(exist_ok=True)
    (root / "requirements.txt").write_text("torch>=2\nnumpy\n", encoding="utf-8")
    path = root / name.decode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(rest)
    try:
        run_command(["generate", str(root), "--offline", "--no-detect"])
        run_command(["check", str(root)])
    finally:
        shutil.rmtree(root)


def _pip(scratch: Path, content: bytes) -> None:
    file = scratch / "pip.conf"
    file.write_bytes(content)
    read_pip_settings({"PIP_CONFIG_FILE": str(file), "HOME": str(scratch)})


def _roll_back(prefix: Path, content: bytes) -> None:
    folder = prefix / rollback.FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    lists = content if content[:1] == b"{" and b"schema" not in content else ROLL_BACKS[1]
    record = content if lists is not content else ROLL_BACKS[0]
    (folder / "rollback.json").write_bytes(record)
    for name in ("before", "after"):
        (folder / f"{name}.json").write_bytes(lists)
    (prefix / "placed.json").write_bytes(content)
    for read in (lambda: rollback.read(prefix), lambda: _Record.read(prefix / "placed.json")):
        try:
            read()
        except CudalockError:
            continue


class _MatrixFiles:
    """A small matrix, with the embedded one's files that are read apart, in which one file is
    changed; the first line of an input is its name."""

    EMBEDDED = ("*.toml", "cuda/*.json", "images/*.toml", "names/*.json", "components/*.toml")
    COMMANDS = (
        ("solve", "torch", "thing", "--cuda", "12.4", "--platform", "linux", "--offline"),
        ("matrix", "lint"),
        ("diagnose", "ImportError: cannot import name 'x' from 'torchvision'"),
        ("check", "Dockerfile"),
    )

    def __init__(self, folder: Path) -> None:
        self._folder = small_matrix(folder)
        for pattern in self.EMBEDDED:
            for path in data_directory().glob(pattern):
                to = folder / path.relative_to(data_directory())
                small = path.stat().st_size < LONGEST // (
                    4 if to.parent.name == "components" else 1
                )
                if small and not to.exists():
                    to.parent.mkdir(exist_ok=True)
                    shutil.copyfile(path, to)
        (folder / "compiled.json").write_text(compile_tables(folder), encoding="utf-8")
        self._files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        self._project = folder.with_name("project")
        self._project.mkdir()
        (self._project / "Dockerfile").write_text(
            "FROM pytorch/pytorch:2.4.0-cuda12.4-cudnn9-devel\nRUN pip install torch==2.5.1\n"
        )

    def seeds(self) -> list[bytes]:
        return [name.encode() + b"\n" + text for name, text in self._files.items()]

    def __call__(self, content: bytes) -> None:
        name, _, rest = content.partition(b"\n")
        kept = self._files.get(name.decode("utf-8", "replace"))
        if kept is None:
            return
        path = self._folder / name.decode()
        path.write_bytes(rest)
        try:
            for words in self.COMMANDS:
                plain = [
                    str(self._project / each) if each == "Dockerfile" else each for each in words
                ]
                run_command([*plain, "--matrix", str(self._folder)])
        finally:
            path.write_bytes(kept)


def fuzz_all(minutes: float, seed: int, only: list[str], save: Path) -> list[Outcome]:
    """Fuzz each kind for a time; save the inputs that show a fault below a folder."""
    outcomes = []
    with tempfile.TemporaryDirectory() as scratch:
        for kind in kinds(Path(scratch)):
            if only and not any(word in kind.name for word in only):
                continue
            kind.seeds = [seed_ for seed_ in kind.seeds if seed_] or [b"x"]

            def report(fault: str, content: bytes, name: str = kind.name) -> None:
                save.mkdir(parents=True, exist_ok=True)
                number = len(list(save.iterdir()))
                (save / f"{number}-{name.replace(' ', '-').replace(':', '')}").write_bytes(content)
                print(f"{name}: {fault} ({save}, {number})", flush=True)

            outcome = fuzz(kind, minutes * 60, seed, report)
            outcomes.append(outcome)
            print(
                f"{outcome.kind}: {outcome.inputs} inputs in {outcome.seconds:.0f} s"
                f" ({outcome.processor:.0f} s of the processor), slowest"
                f" {outcome.slowest:.2f} s, {len(outcome.faults)} faults",
                flush=True,
            )
    return outcomes


def table(outcomes: list[Outcome]) -> str:
    """Return the figures as a table of Markdown."""
    lines = [
        "| Read as | Inputs | Minutes | Of the processor | Slowest | Faults |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {each.kind} | {each.inputs:,} | {each.seconds / 60:.1f} | {each.processor / 60:.1f}"
        f" | {each.slowest:.2f} s"
        f" | {len(each.faults)} |"
        for each in outcomes
    ]
    return "\n".join(lines)


__all__ = ["Kind", "Outcome", "fuzz", "fuzz_all", "kinds", "mutate", "table", "try_input"]

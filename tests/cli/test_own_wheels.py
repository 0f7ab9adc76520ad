"""Wheels of the user's own: by URL, from a folder, a page or an index; overlays of the matrix."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cudalock.cli import main
from tests.local_index import LocalIndex, build_wheel, clean_environment, make_environment, run_tool
from tests.scripted import Answer, ScriptedServer

LINUX = ("--python", "3.11", "--platform", "linux", "--offline", "--no-detect")
HERE = ("--python", f"{sys.version_info.major}.{sys.version_info.minor}", "--no-detect")
PLACE = "https://wheels.example/"
FLASH = f"{PLACE}flash_attn-2.8.3+cu12torch2.6cxx11abiTRUE-cp311-cp311-linux_x86_64.whl"
KERNELS = f"{PLACE}my_kernels-1.0+cu124torch2.6-cp311-cp311-linux_x86_64.whl"
OLD_FLASH = f"{PLACE}flash_attn-2.3.3+cu110torch1.7cxx11abiFALSE-cp311-cp311-linux_x86_64.whl"
OLD_KERNELS = f"{PLACE}my_kernels-0.1+cu110torch1.7-cp311-cp311-linux_x86_64.whl"
DIGEST = "1" * 64


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def served(content: bytes) -> Answer:
    return Answer(headers={"Accept-Ranges": "bytes"}, body=content)


# -- by URL -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        # A known project: the facts of the matrix judge the labels of its name.
        ((f"flash-attn @ {FLASH}", "--torch", "2.6.0"), 0, r"^flash-attn @ .*%2Bcu12torch2.6"),
        ((f"flash-attn @ {FLASH}", "--torch", "2.6.0"), 0, r"^einops=="),
        ((f"flash-attn @ {FLASH}", "--torch", "2.5.1"), 1, r"torch 2\.6\.0   \[fa2-torch-minor\]"),
        ((f"flash-attn @ {FLASH}", "--cuda", "11.8"), 1, r"\[fa2-cuda-major\]"),
        ((f"flash-attn @ {FLASH}", "--gpu", "7.5"), 1, r"flash-attn"),
        # An unknown one: the labels speak for themselves.
        ((f"my-kernels @ {KERNELS}",), 0, r"^torch==2\.6\.0"),
        ((f"my-kernels @ {KERNELS}",), 0, r"METADATA cannot be read: what it requires is unknown"),
        ((f"my-kernels @ {KERNELS}", "--torch", "2.5.1"), 1, r"\[my-kernels-label-torch\]"),
        ((f"my-kernels @ {KERNELS}", "--cuda", "11.8"), 1, r"\[my-kernels-label-cuda\]"),
        # What it is built for is older than the matrix: nobody knows.
        ((f"my-kernels @ {OLD_KERNELS}",), 3, r"torch from .* on, and an older one may fit"),
        ((f"flash-attn @ {OLD_FLASH}",), 3, r"torch from .* on, and an older one may fit"),
        ((f"my-kernels @ {KERNELS}#sha256={DIGEST}",), 0, rf"--hash=sha256:{DIGEST}"),
        ((f"my-kernels @ {KERNELS}", "--builders", "official"), 0, r"wheels\.example \(named by"),
        ((f"my-kernels @ {KERNELS}", "--exclude-newer", "2025-06-01"), 0, r"^my-kernels @ "),
        ((f"my-kernels @ {KERNELS}", "my-kernels>=1"), 0, r"^my-kernels @ "),
        # What does not fit together, or is no wheel.
        ((f"my-kernels @ {KERNELS}", "my-kernels>=2"), 2, r"cannot be both .*>=2"),
        (
            (f"my-kernels @ {KERNELS}", f"my-kernels @ {KERNELS}x.whl"),
            2,
            r"cannot be both",
        ),
        ((f"other @ {KERNELS}",), 2, r"is a wheel of my-kernels, not of other"),
        ((f"my-kernels @ {PLACE}x.whl",), 2, r"`x\.whl` is not the name of a wheel"),
        (
            (f"my-kernels @ {KERNELS[:-4]}-cuda12.6.whl",),
            2,
            r"wheel variant `cuda12\.6`.*pip cannot",
        ),
        ((f"my-kernels @ {PLACE}x-1.0.tar.gz",), 2, r"not that of a wheel"),
        (("x @ git+https://wheels.example/x",), 2, r"not that of a wheel"),
    ],
)
def test_a_wheel_by_its_url(words: tuple[str, ...], status: int, said: str) -> None:
    result = run("solve", *words, *LINUX)
    assert result.exit_code == status, result.output
    assert re.search(said, result.output, re.MULTILINE), result.output


def test_a_wheel_of_the_matrix_by_its_url_is_that_of_the_matrix() -> None:
    url = (
        "https://github.com/Dao-AILab/flash-attention/releases/download/v2.8.2/"
        "flash_attn-2.8.2+cu12torch2.4cxx11abiFALSE-cp310-cp310-linux_x86_64.whl"
    )
    machine = ("--python", "3.10", "--platform", "linux", "--glibc", "2.35", "--offline")
    result = run("solve", f"flash-attn @ {url}", *machine)
    assert result.exit_code == 0, result.output
    assert "Dao-AILab/flash-attention (the project's own)" in result.stderr
    assert "METADATA" not in result.stderr
    assert "    --hash=sha256:4581a14d6c4952707cf7bd3c131616e670c251dc955074796fce26d70ef4ffc2" in (
        result.stdout
    )


def test_it_is_for_its_own_platform() -> None:
    result = run(
        "solve", f"my-kernels @ {KERNELS}", *LINUX[:2], "--platform", "windows", "--offline"
    )
    assert result.exit_code == 1
    assert "my-kernels 1.0 has no wheel for Windows" in result.stderr


def test_the_recorded_command_makes_the_same_lock() -> None:
    first = run("solve", f"my-kernels @ {KERNELS}#sha256={DIGEST}", *LINUX)
    command = re.search(r"^# command: cudalock (.*)$", first.stdout, re.MULTILINE)
    assert command is not None
    assert run(*shlex.split(command[1]), "--offline").stdout == first.stdout


OWN = "my_kernels-1.0+cu124torch2.6-cp311-cp311-"


@pytest.mark.parametrize(
    ("lines", "status", "said"),
    [
        ([f"my-kernels @ {{url}}/{OWN}linux_x86_64.whl --hash=sha256:{DIGEST}"], 0, DIGEST),
        # The wheel says for which machine, as one of the matrix does.
        ([f"{{url}}/{OWN}linux_x86_64.whl"], 0, r"^# cudalock: Linux x86_64.*Python 3\.11"),
        ([f"my-kernels @ {{url}}/{OWN}linux_x86_64.whl"], 0, "^einops=="),
        ([f"{{url}}/{OWN}linux_x86_64.whl", "torch==2.5.1"], 1, r"\[my-kernels-label-torch\]"),
        (
            [
                f"my-kernels @ {{url}}/{OWN}linux_x86_64.whl ; sys_platform == 'linux'",
                f"my-kernels @ {{url}}/{OWN}win_amd64.whl ; sys_platform == 'win32'",
            ],
            0,
            r"^my-kernels @ .*linux_x86_64",
        ),
        # Nothing says which of two is meant, or what a wheel requires that cannot be read.
        ([f"{{url}}/{OWN}linux_x86_64.whl", f"{{url}}/b/{OWN}linux_x86_64.whl"], 0, "is left out"),
        ([f"my-kernels @ {{url}}/gone/{OWN}linux_x86_64.whl"], 0, "is left out"),
        ([f"my-kernels @ {{url}}/{OWN}linux_x86_64-null.whl"], 0, "is left out"),
        (["my-kernels @ git+https://wheels.example/x"], 0, "is left out"),
    ],
)
def test_generate_takes_wheels_by_url(
    lines: list[str], status: int, said: str, tmp_path: Path
) -> None:
    requirements, lock = tmp_path / "requirements.txt", tmp_path / "lock.txt"
    wheel = build_wheel("my-kernels", "1.0", "cp311-cp311-linux_x86_64", requires=["einops"])
    with ScriptedServer() as server:
        for platform in ("linux_x86_64", "win_amd64"):
            server.answers[f"/{OWN}{platform}.whl"] = [served(wheel.content)]
        server.answers[f"/gone/{OWN}linux_x86_64.whl"] = [Answer(404)]
        text = "\n".join([*lines, "numpy", ""]).format(url=server.url("/").rstrip("/"))
        requirements.write_text(text, encoding="utf-8")
        words = ("generate", str(requirements), "--no-detect", "-o", str(lock))
        result = run(*words)
    assert result.exit_code == status, result.output
    text = lock.read_text(encoding="utf-8") if status == 0 else ""
    assert re.search(said, result.output + text, re.MULTILINE), result.output + text
    if status == 0:
        fresh = run("check", "--fresh", str(lock))
        assert fresh.exit_code == 0, fresh.output


def test_secrets_of_the_url_are_not_written() -> None:
    url = KERNELS.replace("https://", "https://me:secret@")
    result = run("solve", f"my-kernels @ {url}", *LINUX)
    assert result.exit_code == 0
    assert "secret" not in result.output


def test_a_line_of_a_requirements_file(tmp_path: Path) -> None:
    path = tmp_path / "requirements.in"
    path.write_text(f"my-kernels @ {KERNELS} --hash=sha256:{DIGEST}\n", encoding="utf-8")
    result = run("solve", "-r", str(path), *LINUX)
    assert f"--hash=sha256:{DIGEST}" in result.stdout


@pytest.mark.parametrize("format", ["uv", "json", "constraints", "pylock"])
def test_every_format_takes_it(format: str) -> None:
    words = ["--index-url", "https://none.example/"] if format != "pylock" else ["--wheels", "w"]
    result = run(
        "solve", f"my-kernels @ {KERNELS}#sha256={DIGEST}", *LINUX, "--format", format, *words
    )
    assert result.exit_code == 0, result.output
    assert "my-kernels" in result.stdout


def test_its_metadata_is_read_in_part() -> None:
    requires = ["einops>=0.8", "torch>=2.4"]
    wheel = build_wheel(
        "my-kernels",
        "1.0",
        "cp311-cp311-linux_x86_64",
        requires=requires,
        file_version="1.0+cu124torch2.6",
        contents="# " + "".join(hashlib.sha256(bytes([n])).hexdigest() for n in range(256)) * 40,
    )
    with ScriptedServer() as server:
        server.answers[f"/{wheel.name}"] = [served(wheel.content)]
        words = [f"my-kernels @ {server.url('/')}{wheel.name}", *LINUX[:4]]
        result = run("solve", *words)
        assert result.exit_code == 0, result.output
        assert all("range" in request.headers for request in server.asked)
    assert "METADATA" not in result.output
    assert re.search(r"^einops==.*\n(?:.*\n)?    # via my-kernels", result.stdout, re.MULTILINE)


@pytest.mark.parametrize(("name", "version"), [("other", "1.0"), ("my-kernels", "1.1")])
def test_metadata_of_another_wheel_is_refused(name: str, version: str) -> None:
    wheel = build_wheel(name, version, "cp311-cp311-linux_x86_64")
    with ScriptedServer() as server:
        server.answers["/my_kernels-1.0-py3-none-any.whl"] = [served(wheel.content)]
        url = server.url("/my_kernels-1.0-py3-none-any.whl")
        result = run("solve", f"my-kernels @ {url}", *LINUX[:4])
    assert result.exit_code == 2
    assert f"says in its METADATA that it is {name} {version}" in result.stderr


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06" + bytes(18), b"<html>", bytes(100_000)])
def test_a_file_that_is_no_wheel_costs_a_warning(content: bytes) -> None:
    with ScriptedServer() as server:
        server.answers["/my_kernels-1.0-py3-none-any.whl"] = [served(content)]
        url = server.url("/my_kernels-1.0-py3-none-any.whl")
        result = run("solve", f"my-kernels @ {url}", *LINUX[:4])
    assert result.exit_code == 0, result.output
    assert "warning: my_kernels-1.0-py3-none-any.whl: its METADATA cannot be read" in result.stderr


# -- in check -----------------------------------------------------------------------------------

CORP = "https://wheels.example/"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([f"my-kernels @ {KERNELS}", "torch==2.5.1"], r"CL202 .*\[my-kernels-label-torch\]"),
        ([f"my-kernels @ {KERNELS}", "torch==2.6.0"], None),
        (
            [
                "--extra-index-url https://download.pytorch.org/whl/cu118",
                f"my-kernels @ {KERNELS}",
                "torch==2.6.0+cu118",
            ],
            r"CL202 .*\[my-kernels-label-cuda",
        ),
        # A release that the matrix lacks, of a project whose labels its facts are about.
        (
            [
                f"flash-attn @ {CORP}flash_attn-2.9.9+cu124torch2.6-cp311-cp311-linux_x86_64.whl",
                "torch==2.5.1",
            ],
            r"CL202 .*\[fa2-torch-minor\]",
        ),
        (
            [
                f"flash-attn @ {CORP}flash_attn-2.9.9+cu124torch2.6-cp311-cp311-linux_x86_64.whl",
                "torch==2.6.0",
            ],
            None,
        ),
        # A name that says nothing is no reason for anything.
        ([f"foo @ {CORP}foo-1.0+custom-cp311-cp311-linux_x86_64.whl", "torch==2.5.1"], None),
        ([f"foo @ {CORP}foo-1.0-cp311-cp311-linux_x86_64.whl", "torch==2.5.1"], None),
    ],
)
def test_check_reads_the_labels_of_wheels_by_url(
    lines: list[str], said: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    result = run("check", str(path), *LINUX[:4])
    assert result.exit_code == (1 if said else 0), result.output
    assert re.search(said or "no findings", result.output), result.output


# -- from a folder, a page, an index ------------------------------------------------------------

TOOL = build_wheel("my-tool", "1.2", requires=["my-part>=1"])
PART = build_wheel("my-part", "1.0")
NEWER = build_wheel("my-part", "2.0")


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("requirements.txt", "pip --python env install --require-hashes -r requirements.txt"),
        ("requirements.txt", "uv pip install --require-hashes -r requirements.txt"),
        ("pylock.toml", "pip --python env install -r pylock.toml"),
        ("pylock.toml", "uv pip install -r pylock.toml"),
        ("pyproject.toml", "uv sync --active"),
    ],
)
def test_wheels_of_a_folder_install(name: str, command: str, tmp_path: Path) -> None:
    folder, lock = tmp_path / "own wheels", tmp_path / name
    folder.mkdir()
    for wheel in (TOOL, PART, NEWER):
        (folder / wheel.name).write_bytes(wheel.content)
    (folder / "notes.txt").write_text("no wheel", encoding="utf-8")
    words = ["--find-links", str(folder), "--offline", "-q", "-o", str(lock)]
    result = run("solve", "my-tool", *HERE, *words)
    assert result.exit_code == 0, result.output
    assert name == "pyproject.toml" or TOOL.real_sha256 in lock.read_text(encoding="utf-8")
    environment = make_environment(tmp_path, clean_environment(tmp_path, "http://127.0.0.1:9/"))
    done = run_tool(shlex.split(command), tmp_path, environment)
    assert done.returncode == 0, done.stderr
    freeze = run_tool(["uv", "pip", "freeze"], tmp_path, environment).stdout
    assert len(freeze.splitlines()) == 2
    assert NEWER.name in freeze or "my-part==2.0" in freeze
    if name != "pyproject.toml":
        result = run("fetch", str(lock), "-d", str(tmp_path / "w"))
        assert result.exit_code == 0, result.output
        assert (tmp_path / "w" / NEWER.name).read_bytes() == NEWER.content


def test_fetch_copies_the_wheels_of_a_folder(tmp_path: Path) -> None:
    folder, lock = tmp_path / "own", tmp_path / "requirements.txt"
    folder.mkdir()
    (folder / PART.name).write_bytes(PART.content)
    words = ["--find-links", str(folder), "--offline", "-q", "-o", str(lock)]
    assert run("solve", "my-part", *HERE, *words).exit_code == 0
    result = run("fetch", str(lock), "-d", str(tmp_path / "w"))
    assert result.exit_code == 0, result.output
    assert (tmp_path / "w" / PART.name).read_bytes() == PART.content
    (folder / PART.name).write_bytes(b"other")
    result = run("fetch", str(lock), "-d", str(tmp_path / "x"))
    assert result.exit_code == 1
    assert not list((tmp_path / "x").iterdir())
    (folder / PART.name).unlink()
    result = run("fetch", str(lock), "-d", str(tmp_path / "x"))
    assert result.exit_code == 2
    assert "is not there" in result.stderr


def test_a_lock_of_own_wheels_is_not_compared(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    result = run("solve", f"my-kernels @ {KERNELS}", *LINUX, "-q", "-o", str(lock))
    assert result.exit_code == 0
    result = run("check", "--fresh", str(lock))
    assert result.exit_code == 0
    assert "is not compared" in result.stderr


def test_variants_of_a_folder_are_passed_over(tmp_path: Path) -> None:
    variant = tmp_path / TOOL.name.replace(".whl", "-cuda12.6.whl")
    variant.write_bytes(TOOL.content)
    words = ("my-tool", *HERE, "--offline", "--find-links", str(tmp_path))
    result = run("solve", *words)
    assert result.exit_code == 2
    assert "1 wheel variant" in result.stderr
    plain = build_wheel("my-tool", "1.0")
    (tmp_path / plain.name).write_bytes(plain.content)
    result = run("solve", *words)
    assert result.exit_code == 0, result.output
    assert "my_tool-1.0-py3-none-any.whl" in result.stdout
    assert "cuda12.6" not in result.stdout


def test_wheels_of_a_folder_join_those_of_the_matrix(tmp_path: Path) -> None:
    """An own wheel for a torch that nobody has published one for is found beside the others."""
    name = "flash_attn-2.8.3+cu130torch2.9cxx11abiTRUE-cp311-cp311-linux_x86_64.whl"
    own = build_wheel(
        "flash-attn", "2.8.3", "cp311-cp311-linux_x86_64", requires=["torch", "einops"]
    )
    (tmp_path / name).write_bytes(own.content)
    words = ("--torch", "2.9.1", "--cuda", "13.0", "--fa2", *LINUX, "--find-links", str(tmp_path))
    result = run("solve", *words)
    assert result.exit_code == 0, result.output
    assert f"{(tmp_path / name).as_uri()}" in result.stdout
    # Elsewhere the others still count.
    result = run("solve", "--torch", "2.5.1", *words[4:])
    assert "github.com" in result.stdout


def test_a_page_of_links() -> None:
    with LocalIndex() as index:
        index.add("/own/", build_wheel("my-tool", "1.2", offer_metadata=True))
        page = index.url("/own/my-tool/")
        result = run("solve", "my-tool", *LINUX[:4], "--find-links", page)
        assert result.exit_code == 0, result.output
        assert f"my-tool @ {page}my_tool-1.2-py3-none-any.whl" in result.stdout
        assert not [path for path in index.asked if path.endswith(".whl")]


def test_an_index_is_trusted_for_its_projects_alone() -> None:
    with LocalIndex() as index:
        index.add(
            "/own/",
            build_wheel("my-tool", "1.2", requires=["filelock"], offer_metadata=True),
            build_wheel("filelock", "99.0", offer_metadata=True),
        )
        index.add("/main/", build_wheel("my-tool", "3.0", offer_metadata=True))
        words = [
            "--index-url",
            index.url("/main/"),
            "--project-index",
            f"my-tool={index.url('/own/')}",
        ]
        result = run("solve", "my-tool", *LINUX[:4], *words)
        assert result.exit_code == 0, result.output
        assert "/own/filelock/" not in index.asked
        assert "/main/my-tool/" not in index.asked
    assert "my_tool-1.2-py3-none-any.whl" in result.stdout
    assert "filelock==99" not in result.stdout
    # pip and uv are not sent there either: a name of that index cannot take another's place.
    assert "extra-index-url" not in result.stdout.partition("\n\n")[2]
    assert f"--project-index my-tool={index.url('/own/')}" in result.stdout


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--find-links", "{dir}/gone"), 2, "cannot be read"),
        (("--find-links", "{dir}"), 2, "there are no wheels at"),
        (("--find-links", "ftp://x.example/"), 2, "neither a folder nor the URL of a page"),
        (("--find-links", "https://[::1/"), 2, "neither a folder nor the URL of a page"),
        (("--find-links", "{url}/gone/"), 2, "does not exist"),
        (("--find-links", "{url}/main/torch/"), 2, "there are no wheels at"),
        (("--project-index", "my-tool"), 2, "needs NAME=URL"),
        (("--project-index", "=https://x.example/"), 2, "needs NAME=URL"),
        (("--project-index", "my-tool=x.example"), 2, "needs NAME=URL"),
        (("--project-index", "my-tool={url}/main/"), 2, "has no wheel of my-tool"),
        (("--find-links", "http://127.0.0.1:9/"), 3, "cannot read"),
    ],
)
def test_places_that_are_none(
    words: tuple[str, str], status: int, said: str, tmp_path: Path
) -> None:
    output = tmp_path / "out" / "requirements.txt"
    output.parent.mkdir()
    with ScriptedServer() as server:
        server.answers["/main/torch/"] = [
            Answer(headers={"Content-Type": "text/html"}, body=b'<a href="x.tar.gz">x</a>')
        ]
        server.answers["/gone/"] = server.answers["/main/my-tool/"] = [Answer(404)]
        place = words[1].format(dir=tmp_path / "out", url=server.url("/").rstrip("/"))
        result = run("solve", "torch", *LINUX[:4], words[0], place, "-o", str(output))
    assert result.exit_code == status, result.output
    assert said in result.stderr
    assert not output.exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--project-index", "=https://me:secret@x.example/"),
        ("--project-index", "my-tool=ftp://me:secret@x.example/"),
        ("--project-index", "my-tool=http://me:secret@127.0.0.1:9/"),
        ("--find-links", "http://me:secret@127.0.0.1:9/"),
        ("--find-links", "https://me:secret@[::1/"),
        ("--find-links", "ftp://me:secret@x.example/"),
    ],
)
def test_no_message_has_a_secret(words: tuple[str, str]) -> None:
    result = run("solve", "torch", *LINUX[:4], *words)
    assert result.exit_code in (2, 3)
    assert "secret" not in result.output


# -- overlays -----------------------------------------------------------------------------------

BUILDER = """\
[[builder]]
id = "corp"
url = "https://wheels.example/{tag}/{file}"
"""
ROWS = {
    "project": "flash-attn",
    "retrieved": "2026-11-30",
    "releases": {
        "2.8.3": {
            "builds": [
                {
                    "builder": "corp",
                    "tag": "v1",
                    "local": "cu130torch2.9",
                    "labels": {"torch": "2.9", "cuda": "13.0", "cxx11abi": "1"},
                    "requires": ["torch", "einops"],
                    "wheels": [["cp311-cp311-linux_x86_64", DIGEST]],
                }
            ]
        }
    },
}
FACT = """\
name = "my-kernels"
[[fact]]
id = "my-kernels-torch"
requires = ["torch>=2.8"]
effect = "breaks"
says = "needs torch 2.8"
basis = "tried"
source = ["https://wheels.example/README"]
checked = 2026-11-30
"""


def index_file(rows: object) -> str:
    """The layout of an index file: one release a line."""
    assert isinstance(rows, dict)
    head = json.dumps({key: rows[key] for key in rows if key != "releases"}, indent=0)[:-2]
    lines = [f'"{version}": {json.dumps(row)}' for version, row in rows["releases"].items()]
    return head + ',\n"releases": {\n' + ",\n".join(lines) + "\n}\n}\n"


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_an_overlay_adds_builders_rows_and_facts(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "overlay",
        {
            "matrix.toml": BUILDER,
            "index/flash-attn.json": index_file(ROWS),
            "components/my-kernels.toml": FACT,
        },
    )
    overlay = ("--matrix-overlay", str(folder))
    words = ("--torch", "2.9.1", "--cuda", "13.0", "--fa2", *LINUX)
    result = run("solve", *words, *overlay)
    assert result.exit_code == 0, result.output
    assert "https://wheels.example/v1/flash_attn-2.8.3%2Bcu130torch2.9-cp311" in result.stdout
    assert f"--hash=sha256:{DIGEST}" in result.stdout
    assert "corp (named by you)" in result.stderr
    assert f"--matrix-overlay {folder.as_posix()}" in result.stdout
    lock = tmp_path / "requirements.txt"
    assert run("solve", *words, *overlay, "-q", "-o", str(lock)).exit_code == 0
    assert run("check", "--fresh", str(lock)).exit_code == 0
    url = f"my-kernels @ {PLACE}my_kernels-1.0-cp311-cp311-linux_x86_64.whl"
    assert run("solve", url, "--torch", "2.7", *LINUX).exit_code == 0
    result = run("solve", url, "--torch", "2.7", *LINUX, *overlay)
    assert result.exit_code == 1
    assert "[my-kernels-torch]" in result.stderr


def test_an_overlay_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "own", {"matrix.toml": BUILDER, "index/flash-attn.json": index_file(ROWS)})
    table = '[tool.cudalock]\nmatrix-overlay = "own"\nproject-index = { my-tool = "{url}" }\n'
    with LocalIndex() as index:
        index.add("/own/", build_wheel("my-tool", "1.2", offer_metadata=True))
        text = table.replace("{url}", index.url("/own/"))
        Path("pyproject.toml").write_text(text, encoding="utf-8")
        result = run("solve", "my-tool", "--fa2", "--torch", "2.9.1", "--cuda", "13.0", *LINUX[:4])
    assert result.exit_code == 0, result.output
    assert "wheels.example/v1/flash_attn" in result.stdout
    assert "/own/my-tool/my_tool-1.2" in result.stdout


def changed(**release: object) -> str:
    rows = json.loads(json.dumps(ROWS))
    rows["releases"]["2.8.3"]["builds"][0].update(release)
    return index_file(rows)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "is not an overlay"),
        ({"README.md": "x"}, "is not an overlay"),
        ({"matrix.toml": "[["}, "matrix.toml: cannot be read"),
        ({"matrix.toml": "[[builder]]\nid = 1\n"}, "builder[0].id: is missing, or is not text"),
        ({"matrix.toml": '[[builder]]\nid = "a"\n'}, "builder[0].url: is missing"),
        ({"matrix.toml": '[[builder]]\nid = "a"\nurl = "x"\n'}, "`x` is not a URL"),
        ({"matrix.toml": BUILDER.replace("{file}", "")}, "has no `{file}` in it"),
        ({"matrix.toml": BUILDER.replace("{tag}", "{0}")}, "has to be a URL with `{file}`"),
        ({"matrix.toml": BUILDER + BUILDER}, "the id `corp` is used twice"),
        ({"matrix.toml": BUILDER.replace("corp", "Dao-AILab/flash-attention")}, "is used twice"),
        ({"matrix.toml": BUILDER + 'trust = "me"\n'}, "trust: has to be one of named, own"),
        ({"matrix.toml": '[[pattern]]\nid = "a"\nlocal = "("\n'}, "is not a regular expression"),
        ({"matrix.toml": "[[fact]]\n"}, "fact: is unknown"),
        ({"matrix.toml": "builder = 1\n"}, "has to be a list of tables"),
        ({"index/flash-attn.json": "{}"}, "is not an index file"),
        (
            {"index/flash-attn.json": index_file({**ROWS, "project": "x"})},
            "is `x`, not `flash-attn`",
        ),
        ({"index/flash-attn.json": changed(requires=["torch>>1"])}, "flash-attn.json: releases"),
        ({"index/flash-attn.json": changed(known="sure")}, "known must be one of"),
        ({"index/flash-attn.json": changed(wheels=[["x", None]])}, "are no wheel tags"),
        ({"index/flash-attn.json": changed(wheels=[["a-b-c", "12"]])}, "is not a sha256 digest"),
        ({"index/flash-attn.json": changed(wheels=7)}, "is malformed"),
        ({"index/flash-attn.json": changed(index="pypi")}, "needs `index` or `builder`"),
        (
            {"index/flash-attn.json": changed(builder="nobody")},
            "a build of the unknown builder 'nobody'",
        ),
        (
            {"components/my-kernels.toml": FACT.replace(">=2.8", ">>2.8")},
            "my-kernels.toml: fact[0]",
        ),
        (
            {"components/my-kernels.toml": FACT.replace("breaks", "hurts")},
            "my-kernels.toml: fact[0]",
        ),
        ({"components/my-kernels.toml": FACT.replace("says", "said")}, "my-kernels.toml: fact[0]"),
        (
            {"components/my-kernels.toml": FACT.replace("my-kernels-torch", "torch-cuda")},
            "torch-cuda",
        ),
        ({"components/other.toml": FACT}, "name: is `my-kernels`, not `other`"),
        (
            {"components/my-kernels.toml": 'role = "framework"\n' + FACT},
            "belong to the matrix alone",
        ),
    ],
)
def test_a_wrong_overlay_is_a_sentence(files: dict[str, str], said: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "overlay", files)
    folder.mkdir(exist_ok=True)
    output = tmp_path / "requirements.txt"
    goal = ("--torch", "2.9.1", "--cuda", "13.0", "--fa2")
    result = run("solve", *goal, *LINUX, "--matrix-overlay", str(folder), "-o", str(output))
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert not output.exists()

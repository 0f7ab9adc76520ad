"""pylock.toml: what it says, read back by packaging, and that the real pip and uv install it."""

from __future__ import annotations

import os
import platform
import re
import shlex
import sys
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from packaging.pylock import Pylock
from packaging.version import Version

from cudalock import toml
from cudalock.cli import main
from cudalock.errors import Contradiction, HashesMissing, NetworkError, OutputError
from cudalock.formats import WriteOptions, format_of, load_format, pylock
from cudalock.formats.pylock import as_pylock
from cudalock.formats.python_ranges import requires_python
from cudalock.lock import FileUrl, Lock
from cudalock.targets import Target
from cudalock.text import shell_word
from tests.local_index import LocalIndex, build_wheel, clean_environment, make_environment, run_tool
from tests.recorded import MAIN
from tests.sample_locks import (
    CU124,
    FLASH,
    GOALS,
    NUMPY,
    RELEASE,
    TORCH,
    lock,
    pin,
    small_lock,
    unhashed_lock,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.recorded import RecordedIndex

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
ADDRESS = FileUrl(f"https://files.example/{NUMPY.name}", NUMPY.sha256, 1234, "https://x.example/s")
ADDRESSES = {NUMPY.name: ADDRESS}
TARGETS = [Target(f"3.{minor}", "linux-x86_64") for minor in (11, 12)]


def render(lock: Lock, addresses: Mapping[str, FileUrl], **options: Any) -> str:
    return pylock.render(lock, WriteOptions(addresses=addresses, **options))


def read(text: str) -> Pylock:
    return Pylock.from_dict(toml.loads(text))


def entries(text: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for package in read(text).packages:
        found.setdefault(package.name, []).append(package)
    return found


def solved(words: str, *more: str, status: int = 0) -> str:
    """What `cudalock solve` prints; for a failure, what it says.

    uv holds a pylock.toml's Python against the interpreter it runs with, whatever its target.
    """
    command = ["solve", *shlex.split(words), "--python", HERE, *more]
    result = CliRunner().invoke(main, [*command, "--format", "pylock"])
    if status == 0:
        assert result.exit_code == 0, result.output
        return result.stdout
    error = result.exception
    assert getattr(error, "exit_status", result.exit_code) == status, result.output
    return result.output or str(error)


@cache
def solved_by(words: str, index_url: str) -> str:
    """What `cudalock solve` prints by an index, which takes seconds: once for all tests."""
    return solved(words, "--index-url", index_url)


def test_what_is_in_the_file() -> None:
    text = render(small_lock(), ADDRESSES)
    document = read(text)
    assert document.lock_version == Version("1.0")
    assert document.created_by == "cudalock"
    assert str(document.requires_python) == "<3.12,>=3.11"
    assert [str(each) for each in document.environments or ()] == [
        'sys_platform == "linux" and platform_machine == "x86_64" and python_version == "3.11"'
    ]
    flash, numpy, torch = document.packages
    assert str(flash.version) == "2.7.4.post1+cu12torch2.5cxx11abifalse"
    assert flash.archive is not None
    assert flash.archive.url == RELEASE + FLASH.name.replace("+", "%2B")
    assert flash.tool == {"cudalock": {"facts": ["flash-attn-abi"]}}
    (wheel,) = numpy.wheels or ()
    assert (wheel.url, wheel.size, wheel.hashes) == (ADDRESS.url, 1234, {"sha256": NUMPY.sha256})
    assert wheel.name is None
    assert numpy.index == ADDRESS.index
    (wheel,) = torch.wheels or ()
    assert wheel.url is not None
    # What pip before 26.3 would take the address to end in is no wheel's name.
    assert "%2Bcu124" in wheel.url
    assert wheel.name == TORCH.name
    assert torch.index == CU124.url
    assert list(torch.dependencies or ()) == [{"name": "numpy"}]
    assert document.tool is not None
    facts = document.tool["cudalock"]
    assert facts["goal"]["requirements"] == ["flash-attn==2.7.4.post1", "torch==2.5.1"]
    assert facts["facts"] == ["flash-attn-abi"]
    assert facts["matrix"] == "2026.11.21"
    assert text.startswith("# cudalock: Linux x86_64")
    assert "# with pip: pip install -r pylock.toml\n" in text


def test_the_same_bytes() -> None:
    assert render(small_lock(), ADDRESSES) == render(small_lock(), dict(ADDRESSES))


@pytest.mark.parametrize(
    ("pythons", "expected"),
    [
        (["3.11"], ">=3.11,<3.12"),
        (["3.12", "3.11"], ">=3.11,<3.13"),
        (["3.13", "3.10", "3.11"], ">=3.10,<3.14,!=3.12.*"),
        (["3.12.4"], ">=3.12.4,<3.13"),
    ],
)
def test_requires_python_covers_the_targets_exactly(pythons: list[str], expected: str) -> None:
    targets = [Target(python, "linux-x86_64") for python in pythons]
    assert set(str(requires_python(targets)).split(",")) == set(expected.split(","))


def test_a_pin_of_several_targets_has_a_wheel_for_each() -> None:
    files = [
        build_wheel("regex", "1.0", f"cp3{minor}-cp3{minor}-linux_x86_64") for minor in (11, 12)
    ]
    first, second = (pin(file, url=f"https://x.example/{file.name}") for file in files)
    shared = replace(first, wheels=(first.wheel, second.wheel))
    document = as_pylock(lock(shared, target=TARGETS[0], others=(TARGETS[1],)), {})
    (package,) = document.packages
    assert [wheel.filename for wheel in package.wheels or ()] == [file.name for file in files]
    assert len(document.environments or ()) == 2
    bare = replace(second.wheel, sha256=None)
    with pytest.raises(HashesMissing, match="cp312"):
        as_pylock(lock(replace(shared, wheels=(first.wheel, bare)), others=(TARGETS[1],)), {})


def test_namesakes_are_told_apart() -> None:
    old, new = (build_wheel("numpy", version) for version in ("1.26.4", "2.1.3"))
    markers = ["python_version == '3.11'", "python_version == '3.12'"]
    pins = [
        replace(pin(file, url=f"https://x.example/{file.name}"), marker=marker)
        for file, marker in zip((old, new), markers, strict=True)
    ]
    torch = pin(TORCH, index="cu124", url=f"{CU124.url}/{TORCH.name}", requires=("numpy",))
    document = as_pylock(lock(torch, *pins, target=TARGETS[0], others=(TARGETS[1],)), {})
    found = {str(package.name): package for package in document.packages}
    assert list(found["torch"].dependencies or ()) == [
        {"name": "numpy", "version": "1.26.4"},
        {"name": "numpy", "version": "2.1.3"},
    ]
    assert [str(each.marker) for each in document.packages[:2]] == [
        marker.replace("'", '"') for marker in markers
    ]


def test_what_is_refused() -> None:
    with pytest.raises(HashesMissing) as caught:
        render(unhashed_lock(), ADDRESSES)
    assert caught.value.files == {FLASH.name: None}
    with pytest.raises(NetworkError, match=NUMPY.name):
        render(small_lock(), {})
    with pytest.raises(Contradiction):
        render(small_lock(), ADDRESSES, hashes="off")


@pytest.mark.parametrize(
    ("name", "better"),
    [("pylock.py3.11.toml", "pylock.py3-11.toml"), ("lock.toml", "pylock.lock.toml")],
)
def test_installers_take_certain_names_only(name: str, better: str) -> None:
    with pytest.raises(OutputError, match="has no dot") as caught:
        render(small_lock(), ADDRESSES, filename=name)
    assert caught.value.hints == (f"-o {shell_word(better)}",)


def test_a_bad_name_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    said = solved("sympy --platform linux", "--offline", "-o", str(tmp_path / "a.toml"), status=2)
    assert "pylock.NAME.toml" in said
    assert not list(tmp_path.iterdir())


def test_the_file_name_chooses_the_format() -> None:
    for name in ("pylock.toml", "locks/pylock.linux-cu124.toml", "pylock.a.b.toml"):
        assert format_of(name) == "pylock"
    options = WriteOptions(addresses=ADDRESSES, filename="pylock.dev.toml")
    text = load_format("pylock").render(small_lock(), options)
    for tool, command in load_format("pylock").install_commands(small_lock(), options):
        assert f"# with {tool}: {command}\n" in text


def test_offline_it_takes_listings_from_before(
    recorded: RecordedIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused without them; with all of them the same bytes come out; one that lacks is missed."""
    monkeypatch.setenv("CUDALOCK_CACHE_DIR", str(tmp_path))
    index = ["--index-url", recorded.url(MAIN)]
    said = solved(GOALS[-1], "--offline", *index, status=3)
    assert "3 wheels have no URL in the matrix" in said
    assert "`--offline` forbids a lookup" in said
    online = solved(GOALS[-1], *index)
    asked = len(recorded.asked)
    assert solved(GOALS[-1], "--offline", *index) == online
    solved(GOALS[-1].replace(",cublas", ",cufft"), "--offline", *index, status=3)
    assert len(recorded.asked) == asked


# With the real tools, by local indexes.


LINUX_ONLY = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64",
    reason="the lock is for Linux x86_64, and installers take it there only",
)


@LINUX_ONLY
@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_it_installs(tool: str, tmp_path: Path) -> None:
    """A renamed wheel, one of another index, one whose address was looked up."""
    with LocalIndex() as index:
        numpy = FileUrl(index.release("/files/", NUMPY), NUMPY.sha256, None, index.url("/main/"))
        torch = build_wheel("torch", "2.5.1+cu124", requires=["numpy"])
        text = render(
            lock(
                pin(NUMPY),
                pin(torch, index="cu124", url=index.release("/whl/cu124/", torch)),
                pin(
                    FLASH,
                    version="2.7.4.post1",
                    builder="Dao-AILab/flash-attention",
                    url=index.release("/v2.7.4.post1/", FLASH),
                    direct=True,
                ),
                target=Target(HERE, "linux-x86_64"),
            ),
            {NUMPY.name: numpy},
        )
        text = text.replace('sys_platform == "linux"', f'sys_platform == "{sys.platform}"')
        installed = install(text, tool, tmp_path, index.url("/none/"))
    assert [line.partition(" @")[0].partition("==")[0] for line in installed] == [
        "flash-attn",
        "numpy",
        "torch",
    ]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-08-18T10:11:12.123456Z", "2024-08-18 10:11:12.123456+00:00"),
        ("2024-08-18T10:11:12Z", "2024-08-18 10:11:12+00:00"),
        ("2024-08-18T10:11:12.5Z", "2024-08-18 10:11:12.500000+00:00"),
        ("2024-08-18T10:11:12.1234567890Z", "2024-08-18 10:11:12.123456+00:00"),
        ("2024-08-18T12:11:12+02:00", "2024-08-18 10:11:12+00:00"),
        ("2024-08-18 10:11:12", "2024-08-18 10:11:12+00:00"),
        # A day is no moment, and nothing is made up.
        ("2024-08-18", None),
        ("2024-13-18T10:11:12Z", None),
        ("0001-01-01T00:00:00+12:00", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_upload_times_are_those_of_the_index(text: str | None, moment: str | None) -> None:
    rendered = render(lock(pin(NUMPY)), {NUMPY.name: replace(ADDRESS, uploaded_at=text)})
    (wheel,) = read(rendered).packages[0].wheels or ()
    assert wheel.upload_time == (moment and datetime.fromisoformat(moment))
    assert ("upload-time" in rendered) == (moment is not None)


@LINUX_ONLY
@pytest.mark.parametrize(
    ("uploaded", "is_taken"),
    [("2024-08-18T10:11:12Z", True), ("2025-01-01T00:00:00Z", False), (None, False)],
)
def test_pip_knows_what_was_uploaded_when(
    uploaded: str | None, is_taken: bool, tmp_path: Path
) -> None:
    with LocalIndex() as index:
        url = index.release("/files/", NUMPY)
        address = FileUrl(url, NUMPY.sha256, None, index.url("/main/"), uploaded)
        text = render(lock(pin(NUMPY), target=Target(HERE, "linux-x86_64")), {NUMPY.name: address})
        text = text.replace('sys_platform == "linux"', f'sys_platform == "{sys.platform}"')
        (tmp_path / "pylock.toml").write_text(text, encoding="utf-8")
        command = ["pip", "install", "--dry-run", "--ignore-installed", "-r", "pylock.toml"]
        environment = clean_environment(tmp_path, index.url("/none/"))
        done = run_tool([*command, "--uploaded-prior-to", "2024-12-01"], tmp_path, environment)
    assert (done.returncode == 0) == is_taken, done.stderr


@pytest.mark.skipif(os.name == "nt", reason="`--platform windows` is another machine's here")
@pytest.mark.parametrize(
    ("pip", "line"),
    [
        ("26.1", "pip install -r pylock.toml"),
        ("27.0.dev1", "pip install -r pylock.toml"),
        ("23.2.1", "uv pip install -r pylock.toml (this environment's pip 23.2.1 cannot: "),
        (None, "pip install -r pylock.toml (pip 26.1 or newer), or uv pip install -r pylock.toml"),
    ],
)
def test_the_install_line_is_one_that_the_environment_can_run(
    pip: str | None, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = make_environment(tmp_path, clean_environment(tmp_path, "http://127.0.0.1:9/"))
    (packages,) = (tmp_path / "env").rglob("site-packages")
    if pip:
        (packages / f"pip-{pip}.dist-info").mkdir()
    monkeypatch.setenv("VIRTUAL_ENV", environment["VIRTUAL_ENV"])
    monkeypatch.chdir(tmp_path)
    words = ["solve", "--torch", "2.9.1", "--wheels", "w", "--offline", "-o", "pylock.toml"]
    result = CliRunner().invoke(main, [*words, "--no-detect"])
    assert result.exit_code == 0, result.output
    assert f"install: {line}" in result.stderr
    # About another machine's pip nothing is known.
    result = CliRunner().invoke(main, [*words, "--platform", "windows"])
    assert "(pip 26.1 or newer), or uv pip install" in result.stderr


@pytest.mark.parametrize("tool", ["pip", "uv"])
@pytest.mark.parametrize("what", ["environment", "python", "hash"])
def test_the_wrong_machine_or_file_is_refused(tool: str, what: str, tmp_path: Path) -> None:
    target = {
        "environment": Target(HERE, "linux-aarch64"),
        "python": Target("3.9", "linux-x86_64"),
    }.get(what, Target(HERE, "linux-x86_64"))
    with LocalIndex() as index:
        address = FileUrl(index.release("/files/", NUMPY), NUMPY.sha256, None, index.url("/m/"))
        text = render(lock(pin(NUMPY), target=target), {NUMPY.name: address})
        if what == "hash":
            text = text.replace(NUMPY.sha256 or "", "0" * 64)
        with pytest.raises(AssertionError):
            install(text, tool, tmp_path, index.url("/none/"))


def install(text: str, tool: str, folder: Path, index_url: str) -> list[str]:
    """Do as the header says and list what the new environment then has."""
    environment = make_environment(folder, clean_environment(folder, index_url))
    (folder / "pylock.toml").write_text(text, encoding="utf-8", newline="\n")
    (line,) = re.findall(rf"^# with {tool}: (.*)$", text, re.MULTILINE)
    command = shlex.split(line)
    if tool == "pip":
        command[1:1] = ["--python", str(folder / "env")]
    done = run_tool(command, folder, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return run_tool(["uv", "pip", "freeze"], folder, environment).stdout.splitlines()


@pytest.mark.parametrize("words", GOALS)
def test_uv_accepts_what_solve_writes(
    words: str,
    recorded: RecordedIndex,
    recorded_environment: Mapping[str, str],
    tmp_path: Path,
) -> None:
    """The package index is a mirror on this machine; its own addresses are in the file."""
    text = solved_by(words, recorded.url(MAIN))
    assert recorded.url(MAIN) in text
    (tmp_path / "pylock.toml").write_text(recorded.redirected(text), encoding="utf-8")
    flags = re.findall(r"--platform (\S+)", words)
    for flag in flags:
        there = {
            "linux": "x86_64-manylinux_2_28",
            "linux-aarch64": "aarch64-manylinux_2_28",
            "windows": "x86_64-pc-windows-msvc",
            "macos": "aarch64-apple-darwin",
        }[flag]
        target = ["--python-platform", there, "--target", "there"]
        command = ["uv", "pip", "sync", "--dry-run", "--python", sys.executable, *target]
        done = run_tool([*command, "pylock.toml"], tmp_path, recorded_environment)
        assert done.returncode == 0, done.stderr
        installed = set(re.findall(r"^ \+ ([a-z0-9-]+)", done.stderr, re.MULTILINE))
        if len(flags) == 1:
            assert installed == set(entries(text))
        else:
            assert installed <= set(entries(text))
            assert "torch" in installed


def test_pins_are_those_of_requirements(recorded: RecordedIndex) -> None:
    for words in (words for words in GOALS if words.count("--platform") == 1):
        result = CliRunner().invoke(main, ["solve", *shlex.split(words), "--python", HERE])
        wanted = dict(re.findall(r"^([a-z0-9-]+)(?:==| @ )(\S+)", result.stdout, re.MULTILINE))
        found = entries(solved_by(words, recorded.url(MAIN)))
        assert set(found) == set(wanted)
        for name, (package,) in found.items():
            if package.archive is not None:
                assert package.archive.url == wanted[name]
            elif "://" not in wanted[name]:
                assert package.version == Version(wanted[name])


@pytest.mark.skipif(sys.platform != "linux", reason="pip reads markers for its own machine")
@pytest.mark.parametrize(
    "words", [words for words in GOALS if re.search(r"--platform linux( |$)", words)]
)
def test_pip_accepts_what_solve_writes(
    words: str,
    recorded: RecordedIndex,
    recorded_environment: Mapping[str, str],
    tmp_path: Path,
) -> None:
    text = solved_by(words, recorded.url(MAIN))
    text = recorded.with_stand_in_digests(recorded.redirected(text))
    (tmp_path / "pylock.toml").write_text(text, encoding="utf-8")
    command = ["pip", "install", "--dry-run", "--target", "there", "-r", "pylock.toml"]
    done = run_tool(command, tmp_path, recorded_environment)
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = re.findall(r"^Would install (.*)$", done.stdout, re.MULTILINE)
    assert len(line.split()) == len(entries(text))


# By the real package index.


@pytest.mark.network
@pytest.mark.parametrize("tool", ["pip", "uv"])
@pytest.mark.parametrize("words", ["sympy", "--toolkit 12.4.1:cudart,nvrtc"])
def test_the_real_package_index(
    tool: str,
    words: str,
    network_environment: Mapping[str, str],
    tmp_path: Path,
) -> None:
    text = solved(f"{words} --platform linux")
    (tmp_path / "pylock.toml").write_text(text, encoding="utf-8")
    how = {"pip": ["install", "-r"], "uv": ["pip", "sync"]}[tool]
    more = ["--python", sys.executable] if tool == "uv" else []
    command = [tool, *how, "pylock.toml", "--dry-run", "--target", "there", *more]
    done = run_tool(command, tmp_path, network_environment)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("marker", "written"),
    [
        ('os_name == "nt"', "marker = 'os_name == \"nt\"'"),
        ("os_name == 'nt'", "marker = \"os_name == 'nt'\""),
        ('a == "b\'c"', 'marker = "a == \\"b\'c\\""'),
        ("plain", 'marker = "plain"'),
    ],
)
def test_a_marker_is_written_without_escapes_where_that_is_possible(
    marker: str, written: str
) -> None:
    document = {"packages": [{"name": "x", "marker": marker}]}
    text = pylock.as_toml(document)
    assert written in text.splitlines()
    assert toml.loads(text) == document

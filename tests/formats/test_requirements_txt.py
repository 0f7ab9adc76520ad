"""requirements.txt: what it says, and that the real pip and uv install from it as it says."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cudalock.errors import HashesMissing, UsageError
from cudalock.formats import WriteOptions, format_of, load_format, requirements_txt
from cudalock.matrix.matrix import Index
from cudalock.targets import Target
from tests.local_index import (
    LocalIndex,
    build_wheel,
    clean_environment,
    make_environment,
    run_tool,
    stand_in,
)
from tests.sample_locks import (
    CU124,
    FILELOCK,
    FLASH,
    NUMPY,
    RELEASE,
    TORCH,
    lock,
    pin,
    small_lock,
    unhashed_lock,
    warning,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cudalock.lock import Lock
    from tests.local_index import ServedFile

TOOLS = ("pip", "uv")
PYTHON = f"cp{sys.version_info.major}{sys.version_info.minor}"


def render(lock: Lock, hashes: str = "auto", **options: Any) -> str:
    return requirements_txt.render(lock, WriteOptions(hashes, **options))


def lines_of(text: str, key: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(f"# {key}: ")]


def test_whole_file() -> None:
    assert (
        render(small_lock())
        == f"""\
# cudalock: Linux x86_64, glibc 2.28, Python 3.11, CUDA 12.4
# command: cudalock solve "flash-attn==2.7.4.post1" "torch==2.5.1" --cuda 12.4 --python 3.11 \
--platform linux
# matrix: 2026.11.21
# needs: driver >= 525.60.13, glibc >= 2.17
# builder: flash-attn 2.7.4.post1 from Dao-AILab/flash-attention (the project's own)
# with pip: pip install --require-hashes -r requirements.txt
# with uv: uv pip install --require-hashes --index-strategy unsafe-best-match -r requirements.txt

--extra-index-url https://download.pytorch.org/whl/cu124
--only-binary :all:

flash-attn @ {RELEASE}flash_attn-2.7.4.post1%2Bcu12torch2.5cxx11abiFALSE-py3-none-any.whl \\
    --hash=sha256:{FLASH.sha256}
    # via goal
    # why [flash-attn-abi]
numpy==2.1.3 \\
    --hash=sha256:{NUMPY.sha256}
    # via torch
torch==2.5.1+cu124 \\
    --hash=sha256:{TORCH.sha256}
    # via goal
"""
    )


def test_every_hash_an_installer_may_prefer_is_listed() -> None:
    numpy = replace(pin(NUMPY), hashes=("f" * 64, "0" * 64))
    text = render(lock(numpy))
    digests = [line.strip(" \\") for line in text.splitlines() if "--hash" in line]
    assert digests == [f"--hash=sha256:{d}" for d in sorted([*numpy.hashes, NUMPY.sha256 or ""])]


def test_an_address_has_the_hash_of_its_file_alone() -> None:
    complete = small_lock()
    flash, *others = complete.pins
    text = render(replace(complete, pins=(replace(flash, hashes=("0" * 64,)), *others)))
    assert f"sha256:{FLASH.sha256}" in text
    assert "0" * 64 not in text


def test_one_wheel_without_a_hash_means_no_hash_at_all() -> None:
    text = render(unhashed_lock())
    assert "--hash=" not in text
    assert "--require-hashes" not in text
    assert lines_of(text, "no hash") == [
        f"# no hash: {FLASH.name} from Dao-AILab/flash-attention (the project's own) "
        "has no published hash",
        "# no hash: pip needs all hashes or none, so none is written; see --fetch-hashes",
    ]


def test_require_names_what_has_no_hash() -> None:
    with pytest.raises(HashesMissing) as caught:
        render(unhashed_lock(), hashes="require")
    assert caught.value.files == {FLASH.name: None}
    assert caught.value.hints


def test_require_tells_how_large_a_wheel_is_where_that_is_known() -> None:
    bare = unhashed_lock()
    (flash,) = [pin for pin in bare.pins if pin.wheel.sha256 is None]
    sized = replace(flash, wheel=replace(flash.wheel, size=187_600_000))
    lock_ = replace(bare, pins=tuple(sized if pin is flash else pin for pin in bare.pins))
    with pytest.raises(HashesMissing, match=r"`flash_attn\S+` \(188 MB\)$"):
        render(lock_, hashes="require")


def test_off_says_nothing_about_hashes() -> None:
    text = render(unhashed_lock(), hashes="off")
    assert "hash" not in text


def test_what_a_person_must_know_is_in_the_header() -> None:
    flash = replace(
        small_lock().pins[0].wheel, known="derived", trust="other", warning="Needs a new driver."
    )
    complete = small_lock(
        warnings=(warning(),),
        notes=("torch 2.5.1 is not the newest",),
        replaced=("unsloth 2025.3.1 asks for triton [unsloth-triton]",),
    )
    text = render(replace(complete, pins=(replace(complete.pins[0], wheel=flash),)))
    header = text.partition("\n\n")[0].splitlines()
    assert header[4:10] == [
        "# builder: flash-attn 2.7.4.post1 from Dao-AILab/flash-attention "
        "(third party, not vetted)",
        "# warning: flash-attn 2.7.4.post1 is slow on sm_75 [flash-attn-turing]",
        f"# warning: {FLASH.name}: Needs a new driver.",
        f"# derived: {FLASH.name} is derived from a build script, it may not exist; "
        f"see {RELEASE}{FLASH.name}",
        "# replaced: unsloth 2025.3.1 asks for triton [unsloth-triton]; "
        "--no-deps keeps the installer from undoing it",
        "# note: torch 2.5.1 is not the newest",
    ]
    assert all(
        "--no-deps" in line for line in lines_of(text, "with pip") + lines_of(text, "with uv")
    )


def test_a_sentence_cannot_break_out_of_its_comment() -> None:
    text = render(
        small_lock(notes=("first\nevil==1.0\r\n\u2028other\x85worse\\", "caf\u00e9 \u2192 x"))
    )
    assert "# note: first evil==1.0   other worse\\\n" in text
    assert not [line for line in text.splitlines() if line.startswith("evil")]


def test_a_path_is_as_it_is() -> None:
    """And the file says then how it is written, for pips that read it as the machine does."""
    notes = ('`cudalock doctor --python "/home/Jos\u00e9  x"` says why',)
    command = "cudalock solve --python /home/Jos\u00e9"
    text = render(replace(small_lock(notes=notes), command=command))
    assert text.startswith("# -*- coding: utf-8 -*-\n# cudalock: ")
    assert f"# command: {command}\n" in text
    assert f"# note: {notes[0]}\n" in text
    assert not render(small_lock()).startswith("# -*-")


def test_no_index_is_named_that_no_pin_needs() -> None:
    text = render(lock(pin(NUMPY), indexes=(CU124,)))
    assert "index" not in text


def test_the_package_index_is_named_only_when_given() -> None:
    text = render(
        small_lock(),
        index_url="https://me:secret@mirror.example/simple",
        extra_index_urls=("https://me:${TOKEN}@extra.example/simple/", f"{CU124.url}/"),
    )
    assert text.partition("\n\n")[2].splitlines()[:4] == [
        "--index-url https://mirror.example/simple",
        "--extra-index-url https://me:${TOKEN}@extra.example/simple",
        "--extra-index-url https://download.pytorch.org/whl/cu124",
        "--only-binary :all:",
    ]
    assert "secret" not in text
    assert lines_of(text, "note") == ["# note: the credentials of an index URL were left out"]


@pytest.mark.parametrize(
    ("filename", "shown"),
    [
        ("locks-linux.txt", "locks-linux.txt"),
        ("my lock.txt", '"my lock.txt"'),
        ("$a`b.txt", "FILE"),
    ],
)
def test_install_commands_name_the_file(filename: str, shown: str) -> None:
    text = render(small_lock(), filename=filename)
    assert lines_of(text, "with pip")[0].endswith(f" -r {shown}")


def test_an_empty_lock_is_a_file_too() -> None:
    text = render(lock())
    assert text.endswith("--only-binary :all:\n")
    assert "--require-hashes" not in text


def test_the_registry_renders_the_same() -> None:
    assert format_of("locks/Requirements-linux.TXT") == "requirements"
    kind = load_format("requirements")
    assert kind.render(small_lock(), WriteOptions()) == render(small_lock())
    assert kind.render(unhashed_lock(), WriteOptions(hashes="off")) == render(
        unhashed_lock(), "off"
    )
    assert format_of("lock.yaml") is None
    for tool, command in kind.install_commands(small_lock(), WriteOptions(filename="linux.txt")):
        shown = render(small_lock(), filename="linux.txt")
        assert lines_of(shown, f"with {tool}") == [f"# with {tool}: {command}"]


# With the real tools.


@pytest.fixture(scope="module")
def index() -> Iterator[LocalIndex]:
    """A package index, one like PyTorch's with an old mirrored filelock, and a release."""
    with LocalIndex() as index:
        index.add("/main/simple/", NUMPY, FILELOCK, build_wheel("torch", "2.5.1"))
        index.add("/whl/cu124/", TORCH, build_wheel("filelock", "3.13.1"))
        yield index


@pytest.fixture
def folder(tmp_path: Path, index: LocalIndex) -> Path:
    """A folder with a new environment in it."""
    make_environment(tmp_path, clean_environment(tmp_path, index.url("/main/simple/")))
    return tmp_path


def served_lock(index: LocalIndex, flash: ServedFile = FLASH) -> Lock:
    """The small lock with every address on the local server."""
    extra = Index("cu124", index.url("/whl/cu124"), "own")
    return lock(
        pin(NUMPY, via=("torch",)),
        pin(FILELOCK, via=("torch",)),
        pin(TORCH, index="cu124", url=index.url(f"/whl/cu124/torch/{TORCH.name}")),
        pin(
            flash,
            version="2.7.4.post1",
            builder="Dao-AILab/flash-attention",
            url=index.release("/releases/v2.7.4.post1/", flash),
            direct=True,
        ),
        indexes=(extra,),
    )


def install(text: str, tool: str, folder: Path, index: LocalIndex) -> list[str]:
    """Do as the header says, for real, and list what the environment then has."""
    (folder / "requirements.txt").write_text(text, encoding="ascii", newline="\n")
    (line,) = lines_of(text, f"with {tool}")
    command = shlex.split(line.partition(": ")[2])
    if tool == "pip":
        command[1:1] = ["--python", str(folder / "env")]
    environment = clean_environment(folder, index.url("/main/simple/"))
    environment["VIRTUAL_ENV"] = str(folder / "env")
    done = run_tool(command, folder, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    listing = run_tool(["uv", "pip", "freeze"], folder, environment)
    # pip records the digest with an address, and freeze shows it; uv does not.
    return [line.partition("#")[0] for line in listing.stdout.splitlines()]


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("hashes", ["auto", "off"])
def test_the_header_installs_the_lock(
    tool: str, hashes: str, folder: Path, index: LocalIndex
) -> None:
    installed = install(render(served_lock(index), hashes), tool, folder, index)
    assert installed == [
        "filelock==3.16.1",
        f"flash-attn @ {index.release('/releases/v2.7.4.post1/', FLASH)}",
        "numpy==2.1.3",
        "torch==2.5.1+cu124",
    ]


@pytest.mark.parametrize("tool", TOOLS)
def test_a_wheel_without_a_hash_installs(tool: str, folder: Path, index: LocalIndex) -> None:
    text = render(served_lock(index, FLASH.without_digest()))
    assert "torch==2.5.1+cu124" in install(text, tool, folder, index)


def test_uv_needs_the_index_strategy(folder: Path, index: LocalIndex) -> None:
    """Else it takes the mirrored filelock for the only one there is: see design, section 6."""
    text = render(served_lock(index)).replace("--index-strategy unsafe-best-match ", "")
    with pytest.raises(AssertionError, match=r"filelock==3\.16\.1"):
        install(text, "uv", folder, index)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_wrong_hash_is_refused(tool: str, folder: Path, index: LocalIndex) -> None:
    text = render(served_lock(index)).replace(FLASH.sha256 or "", "0" * 64)
    with pytest.raises(AssertionError, match=r"(?i)hash"):
        install(text, tool, folder, index)


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("on_package_index", [True, False])
def test_two_files_of_one_name_are_told_apart(
    tool: str, on_package_index: bool, folder: Path, index: LocalIndex
) -> None:
    """xformers has no local version: the same name and version is on several indexes.

    The one on the package index has no address to write. Then what comes from the other index is
    written by address, and that index leaves the file.
    """
    here = build_wheel("xformers", "0.0.29", contents="HOME = 'package index'\n")
    there = build_wheel("xformers", "0.0.29", contents="HOME = 'cu124'\n")
    index.add("/main/simple/", here)
    index.add("/whl/cu124/", there)
    chosen = (
        pin(here, direct=True)
        if on_package_index
        else pin(
            there,
            index="cu124",
            url=index.url(f"/whl/cu124/xformers/{there.name}"),
            direct=True,
        )
    )
    complete = served_lock(index)
    text = render(replace(complete, pins=(*complete.pins, chosen)), "off")
    assert ("--extra-index-url" in text) is not on_package_index
    install(text, tool, folder, index)
    (module,) = (folder / "env").rglob("xformers.py")
    assert ("package index" in module.read_text()) is on_package_index


@pytest.mark.parametrize("tool", TOOLS)
def test_replaced_requirements_need_no_deps(tool: str, folder: Path, index: LocalIndex) -> None:
    demanding = build_wheel("unsloth", "2025.3.1", requires=["triton"])
    index.add("/main/simple/", demanding)
    sentence = "unsloth 2025.3.1 asks for triton [unsloth-triton]"
    text = render(lock(pin(demanding), replaced=(sentence,)))
    assert install(text, tool, folder, index) == ["unsloth==2025.3.1"]


def test_a_recorded_wheel_is_shown_by_its_metadata_alone(folder: Path, index: LocalIndex) -> None:
    """The local index can present real names and digests without the files behind them."""
    file = f"torch-2.6.0+cu124-{PYTHON}-{PYTHON}-linux_x86_64.whl"
    recorded = stand_in(
        file,
        "Metadata-Version: 2.1\nName: torch\nVersion: 2.6.0+cu124\nRequires-Dist: numpy\n",
        sha256="a" * 64,
    )
    index.add("/recorded/", recorded)
    (folder / "requirements.txt").write_text(
        f"--extra-index-url {index.url('/recorded/')}\n"
        f"torch==2.6.0+cu124 --hash=sha256:{'a' * 64}\n"
        f"numpy==2.1.3 --hash=sha256:{NUMPY.sha256}\n"
    )
    index.asked.clear()
    command = ["uv", "pip", "compile", "--generate-hashes", "requirements.txt"]
    platform = ["--python", sys.executable, "--python-platform", "x86_64-manylinux_2_28"]
    environment = clean_environment(folder, index.url("/main/simple/"))
    done = run_tool([*command, *platform], folder, environment)
    assert done.returncode == 0, done.stderr
    assert f"--hash=sha256:{'a' * 64}" in done.stdout
    assert f"/recorded/torch/{file}.metadata" in index.asked
    assert f"/recorded/torch/{file}" not in index.asked


# Addresses and paths in place of versions.


def two_targets() -> Lock:
    """torch of one version, whose wheels differ by platform and Python; numpy for all."""
    files = [
        build_wheel("torch", "2.5.1+cu124", f"cp3{minor}-cp3{minor}-{platform}")
        for platform in ("linux_x86_64", "win_amd64")
        for minor in (11, 12)
    ]
    pins = [pin(file, index="cu124", url=f"{CU124.url}/{file.name}") for file in files]
    shared = replace(pins[0], wheels=tuple(each.wheel for each in pins))
    linux, windows = ("linux-x86_64", "windows-x86_64")
    return lock(
        pin(NUMPY),
        shared,
        indexes=(CU124,),
        target=Target("3.11", linux),
        others=(Target("3.12", linux), Target("3.11", windows), Target("3.12", windows)),
    )


def test_urls_need_no_index() -> None:
    text = render(two_targets(), urls=True)
    assert "index" not in text
    found = re.findall(r"^torch @ \S+(cp3\d+-\w+)\.whl ; (.*) \\$", text, re.MULTILINE)
    assert found == [
        ("cp311-linux_x86_64", "sys_platform == 'linux' and python_version < '3.12'"),
        ("cp312-linux_x86_64", "sys_platform == 'linux' and python_version >= '3.12'"),
        ("cp311-win_amd64", "sys_platform == 'win32' and python_version < '3.12'"),
        ("cp312-win_amd64", "sys_platform == 'win32' and python_version >= '3.12'"),
    ]
    assert text.count("--hash=") == 5
    assert "numpy==2.1.3 \\\n" in text


def test_an_ambiguous_pin_is_each_targets_own_address() -> None:
    """Without `--urls` too: the address of one Python's wheel is not another's."""
    several = two_targets()
    numpy, torch = several.pins
    text = render(replace(several, pins=(numpy, replace(torch, direct=True))))
    assert re.findall(r"^torch.*$", text, re.MULTILINE) == re.findall(
        r"^torch.*$", render(several, urls=True), re.MULTILINE
    )


@pytest.mark.parametrize(
    ("folder", "shown"),
    [("wheels", "./wheels/"), ("./a/b/", "./a/b/"), (".", "./"), ("/srv/w", "/srv/w/")],
)
def test_paths_into_a_folder(folder: str, shown: str) -> None:
    text = render(two_targets(), wheels=folder)
    assert f"\n{shown}{NUMPY.name} \\\n    --hash=sha256:{NUMPY.sha256}\n" in text
    assert text.count(f"\n{shown}torch-") == 4
    assert "--no-index\n" in text
    assert f"    # from {CU124.url}/torch-2.5.1%2Bcu124-cp311" in text
    assert lines_of(text, "fetch")[0].endswith(f" -d {folder}")


def test_a_path_keeps_its_hash_where_the_file_has_none() -> None:
    """pip takes all or none, but `cudalock fetch` can check what is known."""
    text = render(unhashed_lock(), wheels="w")
    assert "--hash=" not in text
    assert f"    # sha256 {TORCH.sha256}\n" in text


@pytest.mark.parametrize("folder", ["my wheels", "a;b", "", "w#1"])
def test_a_folder_that_no_line_can_name(folder: str) -> None:
    with pytest.raises(UsageError, match="cannot name the folder"):
        render(two_targets(), wheels=folder)


@pytest.mark.parametrize("tool", TOOLS)
def test_urls_install(tool: str, folder: Path, index: LocalIndex) -> None:
    text = render(served_lock(index), urls=True)
    assert "--extra-index-url" not in text
    assert install(text, tool, folder, index)[-1].startswith("torch @ http://127.0.0.1")


@pytest.mark.parametrize(
    ("folder", "path"),
    [
        ("wheels", "./wheels/x.whl"),
        ("./wheels/", "./wheels/x.whl"),
        ("wheels/./own", "./wheels/./own/x.whl"),
        (".", "./x.whl"),
        ("./", "./x.whl"),
        ("../wheels", "./../wheels/x.whl"),
        ("/srv/wheels/", "/srv/wheels/x.whl"),
        ("C:/wheels", "C:/wheels/x.whl"),
    ],
)
def test_a_wheel_in_a_folder_is_no_name(folder: str, path: str) -> None:
    assert requirements_txt.path(folder, "x.whl") == path


@pytest.mark.parametrize("folder", ["my wheels", "a;b", "a@b", ""])
def test_a_folder_that_no_line_can_name_is_refused(folder: str) -> None:
    with pytest.raises(UsageError, match="cannot name the folder"):
        requirements_txt.path(folder, "x.whl")

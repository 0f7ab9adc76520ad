"""Environments of every kind, laid out as they are and read without importing from them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cudalock.environment import active_layout, find_layout, read_inventory
from cudalock.errors import BadTarget
from cudalock.targets.detect import _python_on_path, machine_of_python, platform_of
from cudalock.targets.pythons import launched
from tests.files import write

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = "{}.{}.{}".format(*sys.version_info[:3])
PYTHONS = sorted({sys.executable, *filter(None, [shutil.which("python3", path=os.defpath)])})


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    prefix = tmp_path_factory.mktemp("real") / ".venv"
    venv.create(prefix, symlinks=sys.platform != "win32")
    return prefix


def install(folder: Path, name: str, version: str, **files: str) -> Path:
    """A distribution's folder with METADATA, and whatever else is given by its file name."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    write(info / "METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    for file, text in files.items():
        write(info / file.replace("__", "."), text)
    return info


def test_a_real_venv_by_every_name_it_has(real: Path) -> None:
    inside = next(real.glob("bin/python")) if sys.platform != "win32" else real / "Scripts"
    whole = find_layout(real)
    assert (whole.kind, whole.python, whole.runs) == ("venv", HERE, True)
    assert [folder.name for folder in whole.site_packages] == ["site-packages"]
    assert whole.site_packages[0].is_relative_to(real)
    assert find_layout(inside) == whole
    assert find_layout(real.parent) == whole
    assert find_layout(whole.site_packages[0]) == whole
    assert whole.target.python == HERE


@pytest.mark.skipif(sys.platform == "win32", reason="each Python names its folders alike there")
@pytest.mark.parametrize("shared", [False, True], ids=["alone", "shared"])
@pytest.mark.parametrize("python", PYTHONS)
def test_a_venv_of_every_python_here(python: str, shared: bool, tmp_path: Path) -> None:
    """Distributions build theirs with other folders: Debian's has `dist-packages`."""
    prefix = tmp_path / "env"
    words = ["--without-pip", *(["--system-site-packages"] if shared else [])]
    made = subprocess.run([python, "-m", "venv", *words, prefix], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"{python} has no venv")
    asked = (
        "import sys; print(*(each for each in sys.path if each.endswith('-packages')), sep='\\n')"
    )
    path = subprocess.check_output([prefix / "bin" / "python", "-c", asked], text=True).split()
    found = find_layout(prefix)
    assert found.runs
    assert [str(each) for each in found.site_packages] == path
    assert Path(found.include or "").name.startswith("python3")


@pytest.mark.parametrize("python", PYTHONS)
def test_whether_pip_may_install(python: str) -> None:
    """A Python that its system manages says so by a file (PEP 668); a venv of it is its owner's."""
    asked = (
        "import sys, sysconfig; print(sysconfig.get_path('stdlib'), sys.prefix, sys.base_prefix)"
    )
    answer = subprocess.check_output([python, "-c", asked], text=True)
    stdlib, prefix, base = answer.split()
    marked = prefix == base and (Path(stdlib) / "EXTERNALLY-MANAGED").is_file()
    assert find_layout(Path(python)).managed == marked


def test_no_code_of_the_environment_runs(real: Path, tmp_path: Path) -> None:
    folder = find_layout(real).site_packages[0]
    witness = tmp_path / "ran"
    line = write(folder / "loud.pth", f"import pathlib; pathlib.Path({str(witness)!r}).touch()\n")
    try:
        assert find_layout(real).runs
        assert not witness.exists()
        subprocess.run([find_layout(real).interpreter or "", "-c", "pass"], check=True)
        assert witness.exists()
    finally:
        line.unlink()


def test_an_environment_that_shares_the_packages_of_its_python(tmp_path: Path) -> None:
    venv.create(tmp_path / "own", system_site_packages=True, symlinks=sys.platform != "win32")
    folders = find_layout(tmp_path / "own").site_packages
    assert folders[0].is_relative_to(tmp_path) or len(folders) > 1
    assert any(not folder.is_relative_to(tmp_path) for folder in folders)


def test_the_portable_python_of_comfyui_read_from_its_files(tmp_path: Path) -> None:
    portable = tmp_path / "ComfyUI_windows_portable" / "python_embeded"
    write(portable / "python312._pth", "../ComfyUI\npython312.zip\n.\nimport site\n")
    write(portable / "python.exe")
    packages = portable / "Lib" / "site-packages"
    install(packages, "torch", "2.6.0+cu124", WHEEL="Tag: cp312-cp312-win_amd64\n")
    for path in (portable.parent, portable, portable / "python.exe", packages):
        layout = find_layout(path)
        assert (layout.kind, layout.python, layout.platform) == (
            "embedded",
            "3.12",
            "windows-x86_64",
        )
        assert (layout.site_packages, layout.runs) == ((packages,), False)
        assert layout.interpreter == portable / "python.exe"


@pytest.mark.parametrize(
    ("marks", "settings", "kind"),
    [
        ({}, "home = C:\\Python\nversion = 3.11.9\n", "venv"),
        ({}, "home = C:\\Python\nuv = 0.8.0\nversion_info = 3.11.9\n", "uv"),
        ({"uv-receipt.toml": ""}, "uv = 0.8.0\nversion_info = 3.11.9\n", "uv tool"),
        ({"pipx_metadata.json": "{}"}, "version = 3.11.9\n", "pipx"),
        ({"conda-meta/python-3.11.9-h123_0_cpython.json": "{}"}, None, "conda"),
    ],
)
def test_windows_environments_seen_from_elsewhere(
    tmp_path: Path, marks: dict[str, str], settings: str | None, kind: str
) -> None:
    for name, text in marks.items():
        write(tmp_path / name, text)
    if settings is not None:
        write(tmp_path / "pyvenv.cfg", settings)
    install(tmp_path / "Lib" / "site-packages", "numpy", "2.1.0")
    layout = find_layout(tmp_path)
    assert (layout.kind, layout.python) == (kind, "3.11.9")
    assert layout.target.label == "Windows x86_64, Python 3.11.9"


def test_windows_on_arm_is_told_by_its_wheels(tmp_path: Path) -> None:
    write(tmp_path / "pyvenv.cfg", "version = 3.12.1\n")
    folder = tmp_path / "Lib" / "site-packages"
    install(folder, "numpy", "2.3.0", WHEEL="Tag: cp312-cp312-win_arm64\n")
    assert find_layout(tmp_path).platform == "windows-arm64"


@pytest.mark.parametrize(
    ("tag", "platform"),
    [
        ("cp312-cp312-manylinux_2_17_aarch64.manylinux2014_aarch64", "linux-aarch64"),
        ("cp312-cp312-manylinux_2_28_x86_64", "linux-x86_64"),
        ("cp312-none-macosx_11_0_arm64", "macos-arm64"),
        ("cp312-cp312-macosx_10_13_universal2", "macos-arm64"),
    ],
)
def test_another_machine_is_told_by_its_wheels(tmp_path: Path, tag: str, platform: str) -> None:
    folder = tmp_path / "lib" / "python3.12" / "site-packages"
    install(folder, "filelock", "3.16.1", WHEEL="Tag: py3-none-any\n")
    install(folder, "numpy", "2.3.0", WHEEL=f"Tag: {tag}\n")
    assert find_layout(tmp_path).platform == platform


def test_a_python_of_posix_that_does_not_run(tmp_path: Path) -> None:
    folder = tmp_path / "lib" / "python3.13t" / "site-packages"
    install(folder, "numpy", "2.3.0")
    layout = find_layout(folder)
    assert (layout.python, layout.free_threaded, layout.kind) == ("3.13", True, "tree")


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_what_is_no_environment_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadTarget, match="is not an environment"):
        find_layout(tmp_path / name)


def test_the_active_environment_and_never_that_of_cudalock(real: Path, tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    venv.create(tool, symlinks=sys.platform != "win32")
    write(tool / "pipx_metadata.json", "{}")
    active = active_layout({"VIRTUAL_ENV": str(real)}, tmp_path, tool)
    assert active.prefix == real
    assert active_layout({"VIRTUAL_ENV": str(tmp_path / "gone")}, real.parent, tool).prefix == real
    assert active_layout({}, tmp_path, real).prefix == real
    inside = find_layout(real).interpreter
    assert inside is not None
    assert active_layout({"PATH": str(inside.parent)}, tmp_path, tool).prefix == real
    with pytest.raises(BadTarget, match="no Python environment is active"):
        active_layout({"PATH": ""}, tmp_path, tool)


def test_distributions_say_where_they_are_from(tmp_path: Path) -> None:
    url = (
        "https://github.com/Dao-AILab/flash-attention/releases/download/v2.7.4.post1/"
        "flash_attn-2.7.4.post1%2Bcu12torch2.6cxx11abiFALSE-cp311-cp311-linux_x86_64.whl"
    )
    install(
        tmp_path,
        "flash-attn",
        "2.7.4.post1",
        WHEEL="Wheel-Version: 1.0\nBuild: 3\nTag: cp311-cp311-linux_x86_64\n",
        INSTALLER="pip\n",
        direct_url__json=json.dumps({"url": url, "archive_info": {"hash": f"sha256={'0' * 64}"}}),
    )
    found = read_inventory([tmp_path]).find("flash-attn")
    assert found is not None
    assert found.tags == ("cp311-cp311-linux_x86_64",)
    assert (found.build_tag, found.installer) == ("3", "pip")
    assert found.wheel_file == (
        "flash_attn-2.7.4.post1+cu12torch2.6cxx11abiFALSE-cp311-cp311-linux_x86_64.whl"
    )
    assert found.origin is not None
    assert found.origin.sha256 == "0" * 64


def test_what_is_hidden_or_damaged_is_told(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    install(first, "numpy", "2.1.0")
    install(first, "numpy", "1.26.4")
    install(second, "numpy", "1.25.0")
    install(second, "torch", "2.6.0+cu124")
    write(second / "~orch-2.5.1.dist-info" / "METADATA", "Name: torch\nVersion: 2.5.1\n")
    write(second / "broken-1.0.dist-info" / "RECORD")
    inventory = read_inventory([first, second])
    assert [str(each) for each in inventory.distributions] == ["numpy 1.26.4", "torch 2.6.0+cu124"]
    assert [str(each) for each in inventory.hidden] == ["numpy 2.1.0", "numpy 1.25.0"]
    assert [each.folder.name for each in inventory.damaged] == [
        "broken-1.0.dist-info",
        "~orch-2.5.1.dist-info",
    ]
    torch = inventory.find("torch")
    assert torch is not None
    assert (torch.public, torch.local) == ("2.6.0", "cu124")


def test_the_environment_that_runs_these_tests() -> None:
    inventory = read_inventory(find_layout(Path(sys.prefix)).site_packages)
    pytest_ = inventory.find("pytest")
    assert pytest_ is not None
    assert pytest_.version == pytest.__version__
    assert pytest_.tags == ("py3-none-any",)
    assert any(requirement.startswith("pluggy") for requirement in pytest_.requires)


@pytest.mark.parametrize(
    "files",
    [
        {"METADATA": b""},
        {"METADATA": b"\xff\xfe\x00bad"},
        {"METADATA": b"Name: torch\n"},
        {"METADATA": b"Version: 1\n"},
        {"METADATA": b"Name: ../../etc\nVersion: 1\n"},
        {"METADATA": b"Name: a\nVersion: 1\n", "WHEEL": b"\xff\xff"},
        {"METADATA": b"Name: a\nVersion: 1\n", "direct_url.json": b"\xff"},
        {},
    ],
)
def test_what_cannot_be_read_is_damaged(tmp_path: Path, files: dict[str, bytes]) -> None:
    info = tmp_path / "a-1.dist-info"
    info.mkdir()
    for name, content in files.items():
        (info / name).write_bytes(content)
    inventory = read_inventory([tmp_path])
    assert inventory.distributions == ()
    assert [each.folder for each in inventory.damaged] == [info]


@pytest.mark.parametrize(
    "text", ["[]", "{}", "null", '"x"', '{"url": 1}', '{"url": "u", "archive_info": null}', "{"]
)
def test_a_strange_origin_is_none_or_harmless(tmp_path: Path, text: str) -> None:
    install(tmp_path, "a", "1.0-Beta.1", direct_url__json=text)
    (found,) = read_inventory([tmp_path]).distributions
    assert found.version == "1.0b1"
    assert found.wheel_file is None


def test_a_version_that_is_none_and_a_folder_that_is_none(tmp_path: Path) -> None:
    install(tmp_path, "a", "not-a-version")
    (found,) = read_inventory([tmp_path, tmp_path / "nowhere"]).distributions
    assert found.version == "not-a-version"


def windows_venv(root: Path) -> Path:
    """A venv of Windows as it lies on a disk, on whose Python this system cannot start."""
    write(root / "pyvenv.cfg", "home = C:\\Python311\nversion = 3.11.9\n")
    write(root / "Scripts" / "python.exe")
    write(root / "Lib" / "site-packages" / "torch.py")
    return root


@pytest.mark.parametrize(
    "name", ["", "Scripts", "Scripts/python.exe", "Lib/site-packages"], ids=lambda name: name or "."
)
def test_a_venv_of_windows_by_every_name_it_has(name: str, tmp_path: Path) -> None:
    layout = find_layout(windows_venv(tmp_path / "venv") / name)
    assert (layout.kind, layout.python, layout.prefix.name) == ("venv", "3.11.9", "venv")
    assert layout.is_windows


@pytest.mark.parametrize("letters", [str.lower, str.upper])
def test_the_folder_of_programs_in_other_letters(
    letters: Callable[[str], str], tmp_path: Path
) -> None:
    """As a file system without case gives a name that somebody typed."""
    root = windows_venv(tmp_path / "venv")
    programs = (root / "Scripts").rename(root / letters("Scripts"))
    program = (programs / "python.exe").rename(programs / letters("python.exe"))
    for path in (programs, program):
        layout = find_layout(path)
        assert (layout.kind, layout.prefix) == ("venv", root)


def test_packages_in_a_folder_in_other_letters(tmp_path: Path) -> None:
    root = windows_venv(tmp_path / "venv")
    (root / "Lib").rename(root / "lib")
    layout = find_layout(root / "lib" / "site-packages")
    assert (layout.kind, layout.prefix, layout.is_windows) == ("venv", root, True)


@pytest.mark.skipif(sys.platform == "win32", reason="a link, as Linux has one")
def test_a_linked_folder_is_one_folder_also_where_no_python_runs(tmp_path: Path) -> None:
    root = tmp_path / "venv"
    write(root / "pyvenv.cfg", "home = /nowhere\nversion = 3.11.9\n")
    install(root / "lib" / "python3.11" / "site-packages", "six", "1.17.0")
    (root / "lib64").symlink_to("lib")
    assert len(find_layout(root).site_packages) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="its stub is a shell script here")
def test_the_next_python_of_the_path_is_taken_where_the_first_is_a_stub(
    real: Path, tmp_path: Path
) -> None:
    """Windows' Store and macOS put programs of that name there which only offer to install one."""
    stub = write(tmp_path / "WindowsApps" / "python3", "#!/bin/sh\nexit 9009\n")
    stub.chmod(0o755)
    folders = [str(stub.parent), str(real / "bin")]
    environ = {"PATH": os.pathsep.join(folders)}
    tool = tmp_path / "tool"
    write(tool / "pipx_metadata.json", "{}")
    layout = active_layout(environ, tmp_path, tool)
    assert (layout.prefix, layout.runs) == (real, True)
    assert _python_on_path(environ, tool) == (HERE, bool(layout.free_threaded))


def test_the_pythons_that_the_launcher_of_windows_lists() -> None:
    text = (
        " -V:3.12 *        C:\\Program Files\\Python312\\python.exe\r\n"
        " -V:Astral/CPython3.11.9 C:\\Users\\x\\uv\\python.exe\r\n"
        "No installed Pythons found!\r\n"
    )
    assert list(map(str, launched(text))) == [
        "C:\\Program Files\\Python312\\python.exe",
        "C:\\Users\\x\\uv\\python.exe",
    ]


@pytest.mark.parametrize(
    ("machine", "built_for", "largest", "platform"),
    [
        ("AMD64", "win-amd64", 2**63 - 1, "windows-x86_64"),
        ("ARM64", "win-amd64", 2**63 - 1, "windows-x86_64"),
        ("ARM64", "win-arm64", 2**63 - 1, "windows-arm64"),
        ("AMD64", "win32", 2**31 - 1, None),
        ("x86", "win32", 2**31 - 1, None),
    ],
)
def test_a_python_takes_the_wheels_of_what_it_was_built_for(
    machine: str, built_for: str, largest: int, platform: str | None
) -> None:
    """An emulated Python says the processor of its machine."""
    read = machine_of_python(machine, built_for, largest)
    if platform is None:
        with pytest.raises(BadTarget, match="32-bit Python"):
            platform_of("win32", read, None, "")
    else:
        assert platform_of("win32", read, None, "")[0] == platform


@pytest.mark.parametrize(
    ("text", "version"),
    [("14.5.1", "14.0"), ("11", "11.0"), ("10.15.7", "10.15"), ("10.16", "11.0"), ("", None)],
)
def test_the_version_of_a_mac_as_its_python_says_it(text: str, version: str | None) -> None:
    assert platform_of("darwin", "arm64", None, text) == ("macos-arm64", None, version)

"""Targets: how they are read, their markers, and their tags against packaging's."""

from __future__ import annotations

import sys
import sysconfig
from typing import TYPE_CHECKING

import pytest
from packaging import tags as packaging_tags
from packaging.markers import Marker, default_environment

from cudalock.errors import BadTarget
from cudalock.targets import (
    Here,
    Target,
    current,
    current_python,
    parse_platform,
    parse_python,
    platform_words,
    this_platform,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("linux", ("linux-x86_64", None, None)),
        ("Linux", ("linux-x86_64", None, None)),
        ("wsl", ("linux-x86_64", None, None)),
        ("linux_x86_64", ("linux-x86_64", None, None)),
        ("linux-aarch64", ("linux-aarch64", None, None)),
        ("linux_aarch64", ("linux-aarch64", None, None)),
        ("x86_64-unknown-linux-gnu", ("linux-x86_64", None, None)),
        ("aarch64-unknown-linux-gnu", ("linux-aarch64", None, None)),
        ("x86_64-manylinux2014", ("linux-x86_64", "2.17", None)),
        ("x86_64-manylinux_2_28", ("linux-x86_64", "2.28", None)),
        ("x86_64-manylinux_2_40", ("linux-x86_64", "2.40", None)),
        ("aarch64-manylinux_2_28", ("linux-aarch64", "2.28", None)),
        ("manylinux_2_35_x86_64", ("linux-x86_64", "2.35", None)),
        ("manylinux2014_aarch64", ("linux-aarch64", "2.17", None)),
        ("windows", ("windows-x86_64", None, None)),
        ("win_amd64", ("windows-x86_64", None, None)),
        ("x86_64-pc-windows-msvc", ("windows-x86_64", None, None)),
        ("aarch64-pc-windows-msvc", ("windows-arm64", None, None)),
        ("macos", ("macos-arm64", None, None)),
        ("aarch64-apple-darwin", ("macos-arm64", None, None)),
        ("x86_64-apple-darwin", ("macos-x86_64", None, None)),
        ("macosx_12_0_arm64", ("macos-arm64", None, "12.0")),
    ],
)
def test_parse_platform(text: str, expected: tuple[str, str | None, str | None]) -> None:
    assert parse_platform(text) == expected


def test_every_platform_word_is_read() -> None:
    assert all(parse_platform(word) for word in platform_words())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("windws", "windows"),
        ("beos", "unknown platform"),
        ("x86_64-unknown-linux-musl", "musl"),
        ("alpine", "musl"),
        ("manylinux2014", "unknown platform"),
        ("", "unknown platform"),
    ],
)
def test_parse_platform_refuses(text: str, said: str) -> None:
    with pytest.raises(BadTarget) as caught:
        parse_platform(text)
    assert said in " ".join([caught.value.message, *caught.value.hints])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3.11", ("3.11", False)),
        ("3.12.4", ("3.12.4", False)),
        ("3.13t", ("3.13", True)),
        ("cp311", ("3.11", False)),
        ("cp313t", ("3.13", True)),
        ("py3.11", ("3.11", False)),
        ("PY311", ("3.11", False)),
        ("python3.10", ("3.10", False)),
        ("cpython-3.12", ("3.12", False)),
        (" 3.9 ", ("3.9", False)),
    ],
)
def test_parse_python(text: str, expected: tuple[str, bool]) -> None:
    assert parse_python(text) == expected


@pytest.mark.parametrize(
    "text", ["3.7", "2.7", "3", "311", "3.12t", "4.0", "pypy3.10", "", "/nowhere/python", "latest"]
)
def test_parse_python_refuses(text: str) -> None:
    with pytest.raises(BadTarget):
        parse_python(text)


@pytest.mark.parametrize("where", [sys.executable, sys.prefix])
def test_parse_python_asks_an_interpreter_or_environment(where: str) -> None:
    assert parse_python(where) == _running_python()


def _running_python() -> tuple[str, bool]:
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    return "{}.{}.{}".format(*sys.version_info[:3]), free_threaded


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"platform": "linux"}, "unknown platform"),
        ({"platform": "windows-x86_64", "glibc": "2.28"}, "glibc"),
        ({"platform": "linux-x86_64", "glibc": "two"}, "glibc"),
        ({"platform": "linux-x86_64", "free_threaded": True}, "free-threaded"),
    ],
)
def test_parts_that_do_not_go_together(values: dict[str, object], said: str) -> None:
    with pytest.raises(BadTarget, match=said):
        Target(python="3.11", **values)  # type: ignore[arg-type]


LINUX = Target("3.11", "linux-x86_64")


@pytest.mark.parametrize(
    ("target", "flags", "label"),
    [
        (LINUX, "--python 3.11 --platform linux", "Linux x86_64, glibc 2.28, Python 3.11"),
        (
            Target("3.12.4", "linux-aarch64", glibc="2.35", gpus=("8.6", "9.0"), driver="550.54"),
            "--python 3.12.4 --platform linux-aarch64 --glibc 2.35"
            " --gpu 8.6 --gpu 9.0 --driver 550.54",
            "Linux aarch64, glibc 2.35, Python 3.12.4, GPU 8.6, GPU 9.0, driver 550.54",
        ),
        (
            Target("3.13", "windows-x86_64", free_threaded=True),
            "--python 3.13t --platform windows",
            "Windows x86_64, Python 3.13t",
        ),
        (
            Target("3.13", "macos-arm64"),
            "--python 3.13 --platform macos",
            "macOS 14.0 arm64, Python 3.13",
        ),
        (
            Target("3.13", "macos-x86_64", macos="12.0"),
            "--python 3.13 --platform macosx_12_0_x86_64",
            "macOS 12.0 x86_64, Python 3.13",
        ),
    ],
)
def test_flags_and_label(target: Target, flags: str, label: str) -> None:
    assert " ".join(target.flags()) == flags
    assert target.label == label


@pytest.mark.parametrize(
    ("platform", "can"),
    [
        ("linux-x86_64", True),
        ("linux-aarch64", True),
        ("windows-x86_64", True),
        ("windows-arm64", False),
        ("macos-arm64", False),
    ],
)
def test_accelerators(platform: str, can: bool) -> None:
    assert ("cuda" in Target("3.11", platform).accelerators) == can


def test_what_was_stated_does_not_tell_targets_apart() -> None:
    assert Target("3.11", "linux-x86_64", stated=frozenset({"python"})) == LINUX


@pytest.mark.parametrize(
    ("platform", "marker"),
    [
        ("linux-x86_64", "sys_platform == 'linux' and platform_machine == 'x86_64'"),
        ("linux-aarch64", "platform_system == 'Linux' and platform_machine == 'aarch64'"),
        ("windows-x86_64", "os_name == 'nt' and platform_machine == 'AMD64'"),
        ("windows-arm64", "sys_platform == 'win32' and platform_machine == 'ARM64'"),
        ("macos-arm64", "platform_system == 'Darwin' and platform_machine == 'arm64'"),
        ("macos-x86_64", "sys_platform == 'darwin' and platform_machine == 'x86_64'"),
    ],
)
def test_markers(platform: str, marker: str) -> None:
    environment = Target("3.12", platform).marker_environment()
    assert Marker(marker).evaluate(environment)
    assert Marker("python_full_version == '3.12.0'").evaluate(environment)
    assert Marker("python_version < '3.13'").evaluate(environment)


def test_markers_leave_nothing_to_the_running_machine() -> None:
    assert LINUX.marker_environment().keys() == default_environment().keys()


# -- tags -------------------------------------------------------------------------------------


def _expected_order(target: Target, platforms: list[str]) -> list[str]:
    """The triples of packaging's own functions for such a Python and platforms, best first."""
    minor = int(target.python.split(".")[1])
    abis = [f"cp3{minor}t"] if target.free_threaded else [f"cp3{minor}"]
    found = [
        *packaging_tags.cpython_tags((3, minor), abis, platforms),
        *packaging_tags.compatible_tags((3, minor), f"cp3{minor}", platforms),
    ]
    return list(dict.fromkeys(map(str, found)))


@pytest.mark.parametrize(
    ("target", "platforms"),
    [
        (Target("3.11", "windows-x86_64"), ["win_amd64"]),
        (Target("3.8", "windows-arm64"), ["win_arm64"]),
        (Target("3.14", "windows-x86_64", free_threaded=True), ["win_amd64"]),
        (
            Target("3.12", "macos-arm64", macos="14.0"),
            list(packaging_tags.mac_platforms((14, 0), "arm64")),
        ),
        (
            Target("3.12", "macos-x86_64", macos="12.0"),
            list(packaging_tags.mac_platforms((12, 0), "x86_64")),
        ),
    ],
    ids=lambda value: value.label if isinstance(value, Target) else "",
)
def test_the_order_is_that_of_packaging(target: Target, platforms: list[str]) -> None:
    _assert_order(target, _expected_order(target, platforms))


def _assert_order(target: Target, expected: list[str]) -> None:
    tags = target.tags()
    ranks = [tags.rank(tag) for tag in expected]
    assert None not in ranks
    assert ranks == sorted(set(filter(lambda rank: rank is not None, ranks)), key=_number)


def _number(rank: int | None) -> int:
    assert rank is not None
    return rank


@pytest.mark.skipif(
    sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_DEBUG") == 1,
    reason="only a release build of CPython is a target",
)
def test_the_order_on_this_machine_is_that_of_packaging() -> None:
    version, free_threaded = _running_python()
    platform, glibc, macos = this_platform()
    target = Target(version, platform, free_threaded, glibc, macos)
    _assert_order(target, [str(tag) for tag in packaging_tags.sys_tags()])


@pytest.mark.parametrize(
    ("tags", "fits"),
    [
        ("cp311-cp311-manylinux_2_28_x86_64", True),
        ("cp311-cp311-manylinux_2_31_x86_64", False),
        ("cp311-cp311-manylinux1_x86_64", True),
        ("cp311-cp311-manylinux2010_x86_64", True),
        ("cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64", True),
        ("cp311-cp311-linux_x86_64", True),
        ("cp311-cp311-manylinux_2_28_aarch64", False),
        ("cp311-cp311-win_amd64", False),
        ("cp312-cp312-manylinux_2_28_x86_64", False),
        ("cp38-abi3-manylinux_2_24_x86_64", True),
        ("cp312-abi3-manylinux_2_24_x86_64", False),
        ("3-cp311-cp311-manylinux_2_28_x86_64", True),
        ("py3-none-any", True),
        ("py2.py3-none-any", True),
        ("py2.py3-none-manylinux1_x86_64.manylinux_2_5_x86_64", True),
        ("py2-none-any", False),
        ("cp311-none-any", True),
        ("cp310-none-any", False),
    ],
)
def test_which_wheels_fit(tags: str, fits: bool) -> None:
    assert (LINUX.tags().rank(tags) is not None) is fits


@pytest.mark.parametrize(
    ("tags", "python", "platform"),
    [
        ("cp312-cp312-manylinux_2_28_x86_64", False, True),
        ("cp311-cp311-win_amd64", True, False),
        ("py3-none-any", True, True),
        ("1-cp311-cp311-manylinux_2_28_x86_64", True, True),
    ],
)
def test_what_of_a_wheel_fits(tags: str, python: bool, platform: bool) -> None:
    assert LINUX.tags().takes_python(tags) is python
    assert LINUX.tags().takes_platform(tags) is platform


def test_the_stable_abi_is_not_for_free_threaded_builds() -> None:
    tags = Target("3.13", "linux-x86_64", free_threaded=True).tags()
    assert tags.rank("cp313-cp313t-manylinux_2_28_x86_64") is not None
    assert tags.rank("cp313-cp313-manylinux_2_28_x86_64") is None
    assert tags.rank("cp38-abi3-manylinux_2_28_x86_64") is None


def test_a_family_has_newer_machines_in_it() -> None:
    newer = "cp311-cp311-manylinux_2_39_x86_64"
    assert LINUX.tags().rank(newer) is None
    assert LINUX.family_tags().rank(newer) is not None
    assert LINUX.family_tags().rank("cp312-cp312-manylinux_2_39_x86_64") is None
    mac = Target("3.11", "macos-arm64")
    assert mac.family_tags().rank("cp311-cp311-macosx_26_0_arm64") is not None
    windows = Target("3.11", "windows-x86_64")
    assert windows.family_tags().rank("cp311-cp311-win_amd64") == 0


# -- this machine -----------------------------------------------------------------------------


def test_the_active_environment_comes_first(tmp_path: Path) -> None:
    (tmp_path / ".python-version").write_text("3.9\n")
    assert current_python({"VIRTUAL_ENV": sys.prefix}, tmp_path) == _running_python()
    assert current_python({"CONDA_PREFIX": sys.prefix}, tmp_path) == _running_python()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3.9\n", ("3.9", False)),
        ("# mine\n\n3.13t\n", ("3.13", True)),
        ("pypy3.10\n3.12.4\n", ("3.12.4", False)),
        ("cpython-3.10\n", ("3.10", False)),
    ],
)
def test_then_the_version_file(tmp_path: Path, text: str, expected: tuple[str, bool]) -> None:
    (tmp_path / ".python-version").write_text(text)
    assert current_python({}, tmp_path) == expected


@pytest.mark.parametrize("text", [None, "", "2.7\n", "myenv\n", "./evil\n"])
def test_then_this_interpreter(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / ".python-version").write_text(text)
    broken = {"VIRTUAL_ENV": str(tmp_path / "gone")}
    assert current_python(broken, tmp_path) == _running_python()


def test_current_asks_what_it_is_given() -> None:
    here = Here(
        python=lambda: ("3.12.1", False),
        platform=lambda: ("linux-x86_64", "2.36", None),
        gpus_and_driver=lambda: (("8.6",), "550.54"),
    )
    expected = Target("3.12.1", "linux-x86_64", glibc="2.36", gpus=("8.6",), driver="550.54")
    assert current(here) == expected
    assert current(here).stated == frozenset()

"""Platforms by every name that people and tools have for them."""

from __future__ import annotations

import re
from typing import NamedTuple

from cudalock.errors import BadTarget
from cudalock.names import nearest

DEFAULT_GLIBC = "2.28"
"""What uv takes bare `linux` to be; the oldest that current torch wheels run on."""

DEFAULT_MACOS = {"macos-arm64": "14.0", "macos-x86_64": "13.0"}
"""uv's default is 13.0. Current torch wheels for Apple silicon are tagged macosx_14_0, so 13.0
would hide them; the last wheels for Intel Macs are older than either."""


class Platform(NamedTuple):
    """What is to be known of a platform."""

    label: str
    """for people"""
    flag: str
    """as `--platform` has it"""
    markers: tuple[str, str, str, str]
    """sys_platform, platform_system, platform_machine, os_name"""
    arch: str
    """as platform tags spell the processor"""


PLATFORMS = {
    "linux-x86_64": Platform(
        "Linux x86_64", "linux", ("linux", "Linux", "x86_64", "posix"), "x86_64"
    ),
    "linux-aarch64": Platform(
        "Linux aarch64", "linux-aarch64", ("linux", "Linux", "aarch64", "posix"), "aarch64"
    ),
    "windows-x86_64": Platform(
        "Windows x86_64", "windows", ("win32", "Windows", "AMD64", "nt"), "amd64"
    ),
    "windows-arm64": Platform(
        "Windows arm64", "windows-arm64", ("win32", "Windows", "ARM64", "nt"), "arm64"
    ),
    "macos-arm64": Platform(
        "macOS arm64", "macos", ("darwin", "Darwin", "arm64", "posix"), "arm64"
    ),
    "macos-x86_64": Platform(
        "macOS x86_64", "macos-x86_64", ("darwin", "Darwin", "x86_64", "posix"), "x86_64"
    ),
}
"""By the name that the matrix has for each, in the order people ask for them."""

_SPELLINGS = {
    **{name: name for name in PLATFORMS},
    **{platform.flag: name for name, platform in PLATFORMS.items()},
    "linux64": "linux-x86_64",
    "wsl": "linux-x86_64",
    "wsl2": "linux-x86_64",
    "x86_64-unknown-linux-gnu": "linux-x86_64",
    "aarch64-unknown-linux-gnu": "linux-aarch64",
    "linux-arm64": "linux-aarch64",
    "win": "windows-x86_64",
    "win32": "windows-x86_64",
    "win64": "windows-x86_64",
    "win10": "windows-x86_64",
    "win11": "windows-x86_64",
    "windows10": "windows-x86_64",
    "windows11": "windows-x86_64",
    "win-amd64": "windows-x86_64",
    "win-arm64": "windows-arm64",
    "x86_64-pc-windows-msvc": "windows-x86_64",
    "aarch64-pc-windows-msvc": "windows-arm64",
    "mac": "macos-arm64",
    "osx": "macos-arm64",
    "darwin": "macos-arm64",
    "aarch64-apple-darwin": "macos-arm64",
    "x86_64-apple-darwin": "macos-x86_64",
}
# `win32` is what sys.platform says on every Windows; nobody resolves CUDA for 32 bits.

_MANYLINUX_TRIPLE = r"(x86_64|aarch64)-manylinux_2_(\d{1,2})"
_MANYLINUX_TAG = r"manylinux_2_(\d{1,2})_(x86_64|aarch64)"
_MANYLINUX_NAMED = r"(?:(x86_64|aarch64)-)?manylinux2014(?:_(x86_64|aarch64))?"
_MACOS_TAG = r"macosx_(\d{1,2})_(\d{1,2})_(arm64|x86_64)"
_MUSL = r"musl|alpine"


def check_glibc(glibc: str | None) -> None:
    """Raise BadTarget for what is no version of glibc."""
    if glibc is None:
        return
    if not re.fullmatch(r"2\.\d{1,2}", glibc):
        raise BadTarget(f"`{glibc}` is no glibc version", hints=[f"--glibc {DEFAULT_GLIBC}"])


def parse_platform(text: str) -> tuple[str, str | None, str | None]:
    """`(platform, glibc or None, macOS version or None)` for what a user calls a platform.

    Takes plain words (`linux`, `windows`, `macos`), uv's triples and pip's platform tags.
    Raises BadTarget for anything else, naming the nearest.
    """
    word = text.strip().lower()
    if match := re.fullmatch(_MANYLINUX_TRIPLE, word):
        return f"linux-{match[1]}", f"2.{match[2]}", None
    if match := re.fullmatch(_MANYLINUX_TAG, word):
        return f"linux-{match[2]}", f"2.{match[1]}", None
    if (match := re.fullmatch(_MANYLINUX_NAMED, word)) and (match[1] or match[2]):
        return f"linux-{match[1] or match[2]}", "2.17", None
    if match := re.fullmatch(_MACOS_TAG, word):
        return f"macos-{match[3]}", None, f"{int(match[1])}.{int(match[2])}"
    for spelling in (word, word.replace("_", "-"), word.replace("linux_", "linux-")):
        if spelling in _SPELLINGS:
            return _SPELLINGS[spelling], None, None
    raise unknown_platform(text)


def platform_words() -> list[str]:
    """The plain words and triples that parse_platform takes."""
    return sorted(_SPELLINGS)


def is_musl(text: str) -> bool:
    """Whether a platform's name says that its C library is musl."""
    return bool(re.search(_MUSL, text.lower()))


def unknown_platform(text: str) -> BadTarget:
    """The error for a platform that is none, naming the nearest."""
    if is_musl(text):
        return BadTarget(
            f"`{text}` has musl for its C library, and no torch wheel is made for musl",
            hints=["--platform linux"],
        )
    several = [word.strip() for word in text.split(",")]
    if len(several) > 1 and all(word.lower() in _SPELLINGS for word in several):
        hints = [" ".join(f"--platform {word}" for word in several)]
    else:
        # One spelling of each platform is enough.
        near = {_SPELLINGS[word]: word for word in reversed(nearest(text, _SPELLINGS))}
        hints = [f"--platform {word}" for word in reversed(near.values())]
    plain = ", ".join(f"`{platform.flag}`" for platform in PLATFORMS.values())
    return BadTarget(
        f"`{text}` is no platform known here: say {plain} or a triple of uv's",
        hints=hints,
    )

"""Platforms: one row for each, with every name that people and tools have for it.

This is the only module that spells a platform. To add one, add a row to PLATFORMS (and, for a new
operating system, a System).
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from cudalock.errors import BadTarget
from cudalock.names import nearest
from cudalock.records import NamedTuple
from cudalock.targets.accelerators import CUDA, MPS, ROCM, XPU

DEFAULT_GLIBC: Final = "2.28"
"""What uv takes bare `linux` to be; the oldest that current torch wheels run on."""


class System(NamedTuple):
    """An operating system: the part of a platform that all its processors share."""

    name: str
    """as platform names begin: `linux`"""
    sys_platform: str
    platform_system: str
    os_name: str
    fallback: str | None = None
    """the platform to take when `platform.machine()` names a processor that no wheel is made for"""
    traces: str = ""
    """a regular expression for what programs print on it, in lower case"""
    mentions: str = ""
    """the same for words that name it, and for weaker traces"""

    @property
    def markers(self) -> dict[str, str]:
        """The marker variables that tell operating systems apart, with this system's values."""
        return {
            "sys_platform": self.sys_platform,
            "platform_system": self.platform_system,
            "os_name": self.os_name,
        }


WINDOWS: Final = System(
    "windows",
    "win32",
    "Windows",
    "nt",
    # A 32-bit or emulated Python may name another processor; Windows wheels are x86_64's there.
    fallback="windows-x86_64",
    traces=r"(?<![a-z])[a-z]:\\[^\n]|win_amd64|\[winerror|dll load failed|\.pyd\b|\w\.dll\b"
    r"|windowspath|\bwindows[- ]1[01]\b",
    mentions=r"\bwindows\b(?! subsystem)",
)
MACOS: Final = System(
    "macos",
    "darwin",
    "Darwin",
    "posix",
    fallback="macos-x86_64",
    traces=r"/users/|macosx|\.dylib\b",
    mentions=r"\bmacos\b|\bmac ?os ?x?\b|\bmac [0-9][0-9]\.|\bdarwin\b|macbook|\bosx\b|apple-darwin"
    r"|/library/frameworks/|/opt/homebrew/|\bfor the mps device",
)
LINUX: Final = System(
    "linux",
    "linux",
    "Linux",
    "posix",
    traces=r"/usr/|/home/|/opt/|linux-gnu|manylinux|linux_x86_64|/lib/python3|\blib\w+\.so\b",
    mentions=r"\bubuntu|\bcentos|\bdebian|\bfedora|\bred ?hat|\beuleros|\bso\.[0-9]|\.so\b|glibc",
)
SYSTEMS: Final = (WINDOWS, MACOS, LINUX)
"""In the order to look for their traces: what Windows prints is the surest sign, and a `.so` the
least."""


class Platform(NamedTuple):
    """One row: an operating system on a processor."""

    name: str
    """as the matrix has it: `linux-x86_64`"""
    label: str
    """for people"""
    flag: str
    """as `--platform` has it"""
    system: System
    machine: str
    """the marker variable platform_machine"""
    arch: str
    """as wheel tags spell the processor"""
    wheel_tag: str
    """a regular expression for the platform part of its wheels' tags"""
    conda: str
    """conda's subdir"""
    docker: str | None = None
    """what `FROM --platform=` has; None where no image with Python is made"""
    spellings: tuple[str, ...] = ()
    """other words for it, in lower case: of people, of uv, of Rust"""
    machines: tuple[str, ...] = ()
    """what `platform.machine()` may say there, in lower case"""
    accelerators: tuple[str, ...] = ()
    """names of the accelerators that builds are made for there"""
    built_in: tuple[str, ...] = ()
    """names of the accelerators that what is built for none can use there"""
    likelihood: int | None = None
    """1 for the platform to try first if none is named; None: only where it is named"""
    traces: str = ""
    """a regular expression for what only its programs print, in lower case"""
    mentions: str = ""
    """the same for words that name its processor, in a text whose system is known"""
    multiarch: str | None = None
    """Debian's name for its folder of libraries, `/usr/lib/x86_64-linux-gnu`"""
    oldest_manylinux: int | None = None
    """the minor of the oldest glibc that manylinux tags of it name"""
    macos: str | None = None
    """macOS only: the version to solve for where nobody states one"""
    wsl: str | None = None
    """the Linux platform that the Windows Subsystem for Linux runs on it"""

    @property
    def markers(self) -> dict[str, str]:
        """The marker variables that tell platforms apart, with this platform's values."""
        return {**self.system.markers, "platform_machine": self.machine}


_ROWS: Final = (
    Platform(
        "linux-x86_64",
        "Linux x86_64",
        "linux",
        LINUX,
        machine="x86_64",
        arch="x86_64",
        wheel_tag=r"(?:many)?linux\w*_x86_64",
        conda="linux-64",
        docker="linux/amd64",
        spellings=("linux64", "wsl", "wsl2", "x86_64-unknown-linux-gnu"),
        machines=("x86_64", "amd64"),
        accelerators=(CUDA.name, ROCM.name, XPU.name),
        likelihood=1,
        multiarch="x86_64-linux-gnu",
        oldest_manylinux=5,
    ),
    Platform(
        "linux-aarch64",
        "Linux aarch64",
        "linux-aarch64",
        LINUX,
        machine="aarch64",
        arch="aarch64",
        wheel_tag=r"(?:many)?linux\w*_aarch64",
        conda="linux-aarch64",
        docker="linux/arm64",
        spellings=("aarch64-unknown-linux-gnu", "linux-arm64"),
        machines=("aarch64", "arm64"),
        accelerators=(CUDA.name,),
        likelihood=4,
        traces=r"linux_aarch64|manylinux\w*_aarch64|aarch64-linux-gnu",
        mentions=r"\baarch64\b|\blinux-arm64\b",
        multiarch="aarch64-linux-gnu",
        oldest_manylinux=17,
    ),
    Platform(
        "windows-x86_64",
        "Windows x86_64",
        "windows",
        WINDOWS,
        machine="AMD64",
        arch="amd64",
        wheel_tag=r"win_amd64",
        conda="win-64",
        docker="windows/amd64",
        # `win32` is what sys.platform says on every Windows; nobody resolves CUDA for 32 bits.
        spellings=(
            *("win", "win32", "win64", "win10", "win11", "windows10", "windows11", "win-amd64"),
            "x86_64-pc-windows-msvc",
        ),
        machines=("amd64", "x86_64"),
        accelerators=(CUDA.name, ROCM.name, XPU.name),
        likelihood=2,
        wsl="linux-x86_64",
    ),
    Platform(
        "windows-arm64",
        "Windows arm64",
        "windows-arm64",
        WINDOWS,
        machine="ARM64",
        arch="arm64",
        wheel_tag=r"win_arm64",
        conda="win-arm64",
        docker="windows/arm64",
        spellings=("win-arm64", "aarch64-pc-windows-msvc"),
        machines=("arm64",),
        traces=r"win_arm64",
        wsl="linux-aarch64",
    ),
    Platform(
        "macos-arm64",
        "macOS arm64",
        "macos",
        MACOS,
        machine="arm64",
        arch="arm64",
        wheel_tag=r"macosx_\w+_(?:arm64|universal2)",
        conda="osx-arm64",
        spellings=("mac", "osx", "darwin", "aarch64-apple-darwin"),
        machines=("arm64",),
        built_in=(MPS.name,),
        likelihood=3,
        # uv's default is 13.0. Current torch wheels for Apple silicon are tagged macosx_14_0, so
        # 13.0 would hide them.
        macos="14.0",
    ),
    Platform(
        "macos-x86_64",
        "macOS x86_64",
        "macos-x86_64",
        MACOS,
        machine="x86_64",
        arch="x86_64",
        wheel_tag=r"macosx_\w+_(?:x86_64|universal2|intel)",
        conda="osx-64",
        spellings=("x86_64-apple-darwin",),
        machines=("x86_64",),
        mentions=r"x86_64-apple-darwin|macos\S*-x86_64|macosx[-_.0-9]*x86_64|\bintel mac",
        # The last torch wheels for Intel Macs are older than uv's default, 13.0.
        macos="13.0",
    ),
)

PLATFORMS: Final = {row.name: row for row in _ROWS}
"""By the name that the matrix has for each, in the order in which lists show them."""

LIKELY: Final = tuple(
    sorted(
        (row.name for row in _ROWS if row.likelihood), key=lambda n: PLATFORMS[n].likelihood or 0
    )
)
"""The names of the platforms to try if none is named, the most common first."""

LIKELY_WITH_GPU: Final = tuple(name for name in LIKELY if PLATFORMS[name].accelerators)[:2]
"""The platforms on which a GPU or a driver is likely if none is named. Not Linux on aarch64, though
CUDA is built for it: users of such servers name it."""

SPELLINGS: Final = {
    **{name: name for name in PLATFORMS},
    **{row.flag: row.name for row in _ROWS},
    **{spelling: row.name for row in _ROWS for spelling in row.spellings},
}
"""The plain words and triples that `parse` takes, each with the name of its platform."""

_ARCHES: Final = "|".join(row.arch for row in _ROWS if row.system is LINUX)
# uv's targets: `x86_64-manylinux_2_28`.
_MANYLINUX_TRIPLE: Final = rf"({_ARCHES})-manylinux_2_([0-9]{{1,2}})"
# pip's platform tags: `manylinux_2_28_x86_64`.
_MANYLINUX_TAG: Final = rf"manylinux_2_([0-9]{{1,2}})_({_ARCHES})"
# The older spelling of glibc 2.17, on either side of the processor.
_MANYLINUX_NAMED: Final = rf"(?:({_ARCHES})-)?manylinux2014(?:_({_ARCHES}))?"
_MACOS_TAG: Final = r"macosx_([0-9]{1,2})_([0-9]{1,2})_(arm64|x86_64)"
_WSL: Final = r"\bwsl ?[12]?\b|microsoft-standard"
"""Linux on a machine whose Windows the text names as well."""
_MUSL: Final = r"musl|alpine"


# -- rows by what tools call them ------------------------------------------------------------------


@cache
def of_wheel_tag(tag: str) -> tuple[Platform, ...]:
    """Return the platforms that a wheel is for by the platform part of its tag.

    `manylinux_2_28_x86_64` is one platform's, `macosx_11_0_universal2` two platforms', and `any`
    every platform's. Empty for a platform outside the table, `manylinux_2_28_ppc64le`.
    """
    return tuple(row for row in _ROWS if tag == "any" or re.fullmatch(row.wheel_tag, tag))


def of_wheel_tags(tags: str) -> list[str]:
    """Return the names of the platforms that a wheel with these tags installs on, in table order.

    `tags` is the end of a wheel's file name: `cp311-cp311-manylinux_2_17_x86_64.linux_x86_64`.
    """
    parts = tags.rpartition("-")[2].split(".")
    names = {row.name for part in parts for row in of_wheel_tag(part)}
    return [name for name in PLATFORMS if name in names]


PROCESSOR_OF_MAC: Final = r"macosx_[0-9_]+(?:x86_64|arm64)|osx-(?:64|arm64)|darwin[ -]arm64"
"""How wheel tags, conda and the kernel name the processor of a Mac, in lower case."""


def names_mac_of_conda(text: str) -> bool:
    """Return whether a text has one of conda's subdirs for macOS."""
    return any(row.conda is not None and row.conda in text for row in _ROWS if row.system is MACOS)


def of_conda_subdir(subdir: str) -> Platform | None:
    """Return the platform of one of conda's subdirs: `osx-64` is macOS on x86_64."""
    return next((row for row in _ROWS if row.conda == subdir), None)


def of_docker(name: str) -> Platform | None:
    """Return the platform of a value of Docker's `--platform`: `linux/arm64`.

    A variant after it (`linux/arm64/v8`) does not count.
    """
    system_and_processor = "/".join(name.split("/")[:2])
    return next((row for row in _ROWS if row.docker == system_and_processor), None)


def of_machine(sys_platform: str, machine: str) -> Platform | None:
    """Return the platform of a running Python by `sys.platform` and `platform.machine()`."""
    rows = [row for row in _ROWS if row.system.sys_platform == sys_platform]
    for row in rows:
        if machine.lower() in row.machines:
            return row
    fallback = rows[0].system.fallback if rows else None
    return PLATFORMS[fallback] if fallback else None


def of_text(text: str) -> Platform | None:
    """Return the platform that `text`, an error log in lower case, is from; None if it is unknown.

    Traces of a program count before words that name a system, and both before the processor.
    """
    row = likeliest(LINUX) if re.search(_WSL, text) else _of_traces(text)
    if row is None or (row.system is LINUX and not re.search(_WSL, text)):
        row = _of_mentions(text, row)
    if row is None:
        return None
    of_system = [other for other in _ROWS if other.system is row.system and other.mentions]
    return next((other for other in of_system if re.search(other.mentions, text)), row)


def _of_traces(text: str) -> Platform | None:
    for system in SYSTEMS:
        for row in _ROWS:
            if row.system is system and row.traces and re.search(row.traces, text):
                return row
        if re.search(system.traces, text):
            return likeliest(system)
    return None


def _of_mentions(text: str, row: Platform | None) -> Platform | None:
    """Return the platform of the system that a text names, `row` if it names none.

    `row` is a Linux or None: paths such as /usr and /opt are those of a Mac too, so its names count
    more. The names of Linux and Windows count only if nothing else is known.
    """
    systems = (MACOS,) if row else (MACOS, LINUX, WINDOWS)
    return next((likeliest(system) for system in systems if re.search(system.mentions, text)), row)


def likeliest(system: System) -> Platform:
    """Return the platform of a system that is meant where nobody names its processor."""
    rows = (row for row in _ROWS if row.system is system)
    return min(rows, key=lambda row: row.likelihood or len(_ROWS) + 1)


def system_of(sys_platform: str) -> System | None:
    """Return the system by its value of the marker variable sys_platform."""
    return next((system for system in SYSTEMS if system.sys_platform == sys_platform), None)


# -- what people write -----------------------------------------------------------------------------


def check_glibc(glibc: str | None) -> None:
    """Raise BadTarget unless `glibc` is None or a version such as `2.28`."""
    if glibc is None:
        return
    if not re.fullmatch(r"2\.[0-9]{1,2}", glibc):
        raise BadTarget(f"invalid glibc version `{glibc}`", hints=[f"--glibc {DEFAULT_GLIBC}"])


def parse_platform(text: str) -> tuple[str, str | None, str | None]:
    """Return `(platform, glibc or None, macOS version or None)` for what a user calls a platform.

    Takes plain words (`linux`, `windows`, `macos`), uv's triples and pip's platform tags.
    Raises BadTarget for anything else, naming the nearest.
    """
    word = text.strip().lower()
    # First, for it is what most people write: to compile the patterns takes a millisecond.
    if word in SPELLINGS:
        return SPELLINGS[word], None, None
    if match := re.fullmatch(_MANYLINUX_TRIPLE, word):
        return f"linux-{match[1]}", f"2.{match[2]}", None
    if match := re.fullmatch(_MANYLINUX_TAG, word):
        return f"linux-{match[2]}", f"2.{match[1]}", None
    if (match := re.fullmatch(_MANYLINUX_NAMED, word)) and (match[1] or match[2]):
        return f"linux-{match[1] or match[2]}", "2.17", None
    if match := re.fullmatch(_MACOS_TAG, word):
        return f"macos-{match[3]}", None, f"{int(match[1])}.{int(match[2])}"
    for spelling in (word.replace("_", "-"), word.replace("linux_", "linux-")):
        if spelling in SPELLINGS:
            return SPELLINGS[spelling], None, None
    raise unknown_platform(text)


def macos_flag(platform: str, macos: str) -> str:
    """Return what `--platform` takes for one version of macOS: `macosx_12_0_arm64`."""
    return f"macosx_{macos.replace('.', '_')}_{PLATFORMS[platform].arch}"


def platform_words() -> list[str]:
    """Return the plain words and triples that `parse_platform` takes, sorted."""
    return sorted(SPELLINGS)


def is_musl(text: str) -> bool:
    """Tell whether a platform's name says that its C library is musl."""
    return bool(re.search(_MUSL, text.lower()))


def unknown_platform(text: str) -> BadTarget:
    """Return the error for an unknown platform, with the nearest names as hints."""
    if is_musl(text):
        return BadTarget(
            f"`{text}` uses musl as its C library, and no torch wheel is built for musl",
            hints=["--platform linux"],
        )
    several = [word.strip() for word in text.split(",")]
    if len(several) > 1 and all(word.lower() in SPELLINGS for word in several):
        hints = [" ".join(f"--platform {word}" for word in several)]
    else:
        # One spelling of each platform is enough.
        near = {SPELLINGS[word]: word for word in reversed(nearest(text, SPELLINGS))}
        hints = [f"--platform {word}" for word in reversed(near.values())]
    plain = ", ".join(f"`{row.flag}`" for row in _ROWS)
    return BadTarget(
        f"unknown platform `{text}`: write {plain} or a target triple of uv's",
        hints=hints,
    )

"""The machine solved for: its Python, platform, glibc, GPUs and driver; its markers and tags."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cudalock.errors import BadTarget
from cudalock.names import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

DEFAULT_GLIBC = "2.28"
"""What uv takes bare `linux` to be; the oldest that current torch wheels run on."""

DEFAULT_MACOS = {"macos-arm64": "14.0", "macos-x86_64": "13.0"}
"""uv's default is 13.0. Current torch wheels for Apple silicon are tagged macosx_14_0, so 13.0
would hide them; the last wheels for Intel Macs are older than either."""

_UNLIMITED = 99
"""A glibc minor or macOS major that no release reaches: stands for "any newer machine"."""

_OLDEST_PYTHON = (3, 8)


class _Platform(NamedTuple):
    label: str
    flag: str
    markers: tuple[str, str, str, str]
    """sys_platform, platform_system, platform_machine, os_name"""
    arch: str
    """as platform tags spell the processor"""


_PLATFORMS = {
    "linux-x86_64": _Platform(
        "Linux x86_64", "linux", ("linux", "Linux", "x86_64", "posix"), "x86_64"
    ),
    "linux-aarch64": _Platform(
        "Linux aarch64", "linux-aarch64", ("linux", "Linux", "aarch64", "posix"), "aarch64"
    ),
    "windows-x86_64": _Platform(
        "Windows x86_64", "windows", ("win32", "Windows", "AMD64", "nt"), "amd64"
    ),
    "windows-arm64": _Platform(
        "Windows arm64", "windows-arm64", ("win32", "Windows", "ARM64", "nt"), "arm64"
    ),
    "macos-arm64": _Platform(
        "macOS arm64", "macos", ("darwin", "Darwin", "arm64", "posix"), "arm64"
    ),
    "macos-x86_64": _Platform(
        "macOS x86_64", "macos-x86_64", ("darwin", "Darwin", "x86_64", "posix"), "x86_64"
    ),
}

_SPELLINGS = {
    **{name: name for name in _PLATFORMS},
    **{platform.flag: name for name, platform in _PLATFORMS.items()},
    "wsl": "linux-x86_64",
    "wsl2": "linux-x86_64",
    "x86_64-unknown-linux-gnu": "linux-x86_64",
    "aarch64-unknown-linux-gnu": "linux-aarch64",
    "linux-arm64": "linux-aarch64",
    "win": "windows-x86_64",
    "win32": "windows-x86_64",
    "win64": "windows-x86_64",
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

_PYTHON = r"(?i)(?:py|python|cp|cpython)?-?(3)\.(\d{1,2})(?:\.(\d{1,3}))?(t?)"
_PYTHON_TAG = r"(?i)(?:py|cp|python)(3)(\d{1,2})()(t?)"


class Tags:
    """Which wheels a target can install, and which of two it prefers.

    The order is that of `packaging.tags.sys_tags`: by Python and ABI, then by platform, with
    platform `any` after all others. So a rank is looked up in two small dicts, and the thousands of
    triples are never built.
    """

    __slots__ = ("_any", "_pairs", "_platforms", "_ranks")

    def __init__(self, pairs: list[str], any_pairs: list[str], platforms: list[str]) -> None:
        self._pairs = _ranks(pairs, len(platforms))
        self._any = _ranks(any_pairs, 1, start=len(pairs) * len(platforms))
        self._platforms = _ranks(platforms, 1)
        self._ranks: dict[str, int | None] = {}

    def rank(self, tags: str) -> int | None:
        """How well a wheel with this compressed tag set fits: smaller is better, None not at all.

        A build tag in front (`3-cp310-cp310-linux_x86_64`) does not count: among wheels of one rank
        pip takes the highest build tag.
        """
        try:
            return self._ranks[tags]
        except KeyError:
            rank = self._ranks[tags] = self._rank(tags)
            return rank

    def takes_python(self, tags: str) -> bool:
        """Whether the wheel fits this Python, whatever its platform."""
        return any(pair in self._pairs or pair in self._any for pair in _split(tags)[0])

    def takes_platform(self, tags: str) -> bool:
        """Whether the wheel fits this platform, whatever its Python."""
        return any(platform == "any" or platform in self._platforms for platform in _split(tags)[1])

    def _rank(self, tags: str) -> int | None:
        pairs, platforms = _split(tags)
        best = _best(self._pairs, pairs)
        where = _best(self._platforms, platforms)
        ranks = [best + where] if best is not None and where is not None else []
        if "any" in platforms:
            ranks += [self._any[pair] for pair in pairs if pair in self._any]
        return min(ranks, default=None)


def _split(tags: str) -> tuple[list[str], list[str]]:
    """The Python-ABI pairs and the platforms of a compressed tag set, without its build tag."""
    pythons, abis, platforms = tags.rsplit("-", 2)
    pairs = [
        f"{python}-{abi}"
        for python in pythons.rpartition("-")[2].split(".")
        for abi in abis.split(".")
    ]
    return pairs, platforms.split(".")


def _ranks(words: list[str], step: int, start: int = 0) -> dict[str, int]:
    return {word: start + position * step for position, word in enumerate(words)}


def _best(ranks: Mapping[str, int], words: list[str]) -> int | None:
    return min((ranks[word] for word in words if word in ranks), default=None)


@dataclass(frozen=True, slots=True)
class Target:
    """One machine to solve for. `parse_python` and `parse_platform` make the parts from text.

    Raises BadTarget when the parts do not go together.
    """

    python: str
    """`3.11` or `3.12.4`; markers read `3.12` as 3.12.0"""
    platform: str
    """a key of _PLATFORMS: `linux-x86_64`, `windows-x86_64`, ..."""
    free_threaded: bool = False
    glibc: str | None = None
    """Linux only; DEFAULT_GLIBC unless given"""
    macos: str | None = None
    """macOS only; DEFAULT_MACOS unless given"""
    gpus: tuple[str, ...] = ()
    """compute capabilities, `8.6`: all must work"""
    driver: str | None = None
    """as given, `550.54`"""
    stated: frozenset[str] = field(default=frozenset(), compare=False)
    """which of python, platform, glibc, gpu, driver the user stated: the others were found"""

    def __post_init__(self) -> None:
        if self.platform not in _PLATFORMS:
            raise _unknown_platform(self.platform)
        if self.free_threaded and self._python_pair < (3, 13):
            raise BadTarget(f"there is no free-threaded Python {self.python}: 3.13t is the first")
        if self.is_linux:
            _check_glibc(self.glibc)
            self._fill("glibc", DEFAULT_GLIBC)
        elif self.glibc is not None:
            raise BadTarget(f"glibc is a part of Linux: {self._row.label} has none")
        if self.is_macos:
            self._fill("macos", DEFAULT_MACOS[self.platform])

    def _fill(self, name: str, default: str) -> None:
        if getattr(self, name) is None:
            object.__setattr__(self, name, default)

    @property
    def _row(self) -> _Platform:
        return _PLATFORMS[self.platform]

    @property
    def _python_pair(self) -> tuple[int, int]:
        major, minor = self.python.split(".")[:2]
        return int(major), int(minor)

    @property
    def is_linux(self) -> bool:
        return self._row.markers[0] == "linux"

    @property
    def is_macos(self) -> bool:
        return self._row.markers[0] == "darwin"

    @property
    def can_have_cuda(self) -> bool:
        """Whether any CUDA build is made for such a platform: not for macOS, nor Windows on ARM."""
        return not self.is_macos and self.platform != "windows-arm64"

    @property
    def label(self) -> str:
        """For people: `Linux x86_64, glibc 2.28, Python 3.11`."""
        parts = [self._row.label]
        if self.is_linux:
            parts.append(f"glibc {self.glibc}")
        if self.is_macos:
            parts[0] = parts[0].replace("macOS", f"macOS {self.macos}")
        parts.append(f"Python {self.python_text}")
        parts += [f"GPU {gpu}" for gpu in self.gpus]
        if self.driver:
            parts.append(f"driver {self.driver}")
        return ", ".join(parts)

    @property
    def platform_label(self) -> str:
        """The platform for people: `Linux x86_64`."""
        return self._row.label

    def on_platform(self, platform: str) -> Target:
        """The same target on another platform, with that platform's default libraries."""
        return replace(self, platform=platform, glibc=None, macos=None)

    @property
    def python_text(self) -> str:
        """The Python as flags take it: `3.11`, `3.13t`."""
        return self.python + ("t" if self.free_threaded else "")

    def flags(self) -> list[str]:
        """The command-line flags that state this target in full, in a fixed order."""
        flags = ["--python", self.python_text, "--platform", self._platform_flag]
        if self.is_linux and self.glibc not in (None, DEFAULT_GLIBC):
            flags += ["--glibc", str(self.glibc)]
        for gpu in self.gpus:
            flags += ["--gpu", gpu]
        if self.driver:
            flags += ["--driver", self.driver]
        return flags

    @property
    def _platform_flag(self) -> str:
        if self.is_macos and self.macos != DEFAULT_MACOS[self.platform]:
            return f"macosx_{str(self.macos).replace('.', '_')}_{self._row.arch}"
        return self._row.flag

    def marker_environment(self) -> dict[str, str]:
        """Every variable a PEP 508 marker may ask for, with this target's values.

        The kernel's release and version are unknown of another machine: they are empty.
        """
        sys_platform, system, machine, os_name = self._row.markers
        full = self.python if self.python.count(".") == 2 else f"{self.python}.0"
        return {
            "implementation_name": "cpython",
            "implementation_version": full,
            "os_name": os_name,
            "platform_machine": machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": system,
            "platform_version": "",
            "python_full_version": full,
            "python_version": "{}.{}".format(*self._python_pair),
            "sys_platform": sys_platform,
        }

    def tags(self) -> Tags:
        """What this very machine installs."""
        return _tags(
            self._python_pair[1], self.free_threaded, self.platform, self.glibc, self.macos
        )

    def family_tags(self) -> Tags:
        """What some machine of this platform and Python installs, however new its glibc or macOS.

        Its wheels are those pip may prefer on a newer machine, so their hashes belong in the lock.
        """
        glibc = f"2.{_UNLIMITED}" if self.is_linux else None
        macos = f"{_UNLIMITED}.0" if self.is_macos else None
        return _tags(self._python_pair[1], self.free_threaded, self.platform, glibc, macos)


@lru_cache(maxsize=32)
def _tags(
    minor: int, free_threaded: bool, platform: str, glibc: str | None, macos: str | None
) -> Tags:
    pairs = list(_cpython_pairs(minor, free_threaded))
    pure = [f"{python}-none" for python in _pure_pythons(minor)]
    return Tags(
        [*pairs, *pure], [f"cp3{minor}-none", *pure], _platform_tags(platform, glibc, macos)
    )


def _cpython_pairs(minor: int, free_threaded: bool) -> Iterator[str]:
    """Python and ABI, best first, as `packaging.tags.cpython_tags` has them.

    A free-threaded build cannot load the old stable ABI; PEP 803 gave it one of its own, abi3t.
    """
    stable = "abi3t" if free_threaded else "abi3"
    yield f"cp3{minor}-cp3{minor}{'t' if free_threaded else ''}"
    yield f"cp3{minor}-{stable}"
    yield f"cp3{minor}-none"
    for older in range(minor - 1, 1, -1):
        yield f"cp3{older}-{stable}"


def _pure_pythons(minor: int) -> Iterator[str]:
    yield f"py3{minor}"
    yield "py3"
    for older in range(minor - 1, -1, -1):
        yield f"py3{older}"


def _platform_tags(platform: str, glibc: str | None, macos: str | None) -> list[str]:
    row = _PLATFORMS[platform]
    if glibc is not None:
        return list(_linux_tags(row.arch, int(glibc.split(".")[1])))
    if macos is not None:
        from packaging.tags import mac_platforms

        major, minor = macos.split(".")[:2]
        return list(mac_platforms((int(major), int(minor)), row.arch))
    return [f"win_{row.arch}"]


def _linux_tags(arch: str, glibc_minor: int) -> Iterator[str]:
    """`linux_*` comes first, as packaging has it since 26.3; some release assets are tagged so."""
    named = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
    oldest = 5 if arch == "x86_64" else 17
    yield f"linux_{arch}"
    for minor in range(glibc_minor, oldest - 1, -1):
        yield f"manylinux_2_{minor}_{arch}"
        if minor in named:
            yield f"{named[minor]}_{arch}"


def _check_glibc(glibc: str | None) -> None:
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
    raise _unknown_platform(text)


def platform_words() -> list[str]:
    """The plain words and triples that parse_platform takes."""
    return sorted(_SPELLINGS)


def is_musl(text: str) -> bool:
    """Whether a platform's name says that its C library is musl."""
    return bool(re.search(_MUSL, text.lower()))


def _unknown_platform(text: str) -> BadTarget:
    if is_musl(text):
        return BadTarget(
            f"`{text}` has musl for its C library, and no torch wheel is made for musl",
            hints=["--platform linux"],
        )
    near = nearest(text, _SPELLINGS)
    plain = ", ".join(f"`{platform.flag}`" for platform in _PLATFORMS.values())
    return BadTarget(
        f"`{text}` is no platform known here: say {plain} or a triple of uv's",
        hints=[f"--platform {word}" for word in near],
    )


def parse_python(text: str) -> tuple[str, bool]:
    """`(version, free-threaded)` for `3.11`, `3.12.4`, `3.13t`, `cp311`, `py3.11` or a path.

    A path is an interpreter or an environment, which is run to be asked; it is never imported.
    Raises BadTarget for anything else, and for a Python older than 3.8.
    """
    word = text.strip()
    match = re.fullmatch(_PYTHON, word) or re.fullmatch(_PYTHON_TAG, word)
    if match:
        version = ".".join(str(int(part)) for part in match.group(1, 2, 3) if part)
        return _checked_python(version, match[4] != "")
    if "/" in word or "\\" in word or Path(word).exists():
        return _checked_python(*_ask(Path(word).expanduser()))
    raise BadTarget(
        f"`{text}` is no Python version (as `3.11`), interpreter or environment",
        hints=[f"--python {guess}" for guess in _python_guesses(word)],
    )


def _python_guesses(word: str) -> list[str]:
    digits = re.fullmatch(r"3(\d{1,2})", word)
    return [f"3.{digits[1]}"] if digits else ["3.11"]


def _checked_python(version: str, free_threaded: bool) -> tuple[str, bool]:
    major, minor = (int(part) for part in version.split(".")[:2])
    if (major, minor) < _OLDEST_PYTHON:
        raise BadTarget(f"Python {version} is older than 3.8, the oldest that the matrix holds")
    if free_threaded and (major, minor) < (3, 13):
        raise BadTarget(f"there is no free-threaded Python {version}: 3.13t is the first")
    return version, free_threaded


_QUESTION = (
    "import platform, sys, sysconfig;"
    "print(platform.python_implementation(), '%d.%d.%d' % sys.version_info[:3],"
    " int(bool(sysconfig.get_config_var('Py_GIL_DISABLED'))))"
)


def _ask(path: Path) -> tuple[str, bool]:
    """The version of the interpreter or environment at `path`, and whether it is free-threaded."""
    import subprocess

    executable = _interpreter(path)
    try:
        answer = subprocess.run(
            [str(executable), "-I", "-c", _QUESTION],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout.split()
        implementation, version, free_threaded = answer
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise BadTarget(f"`{path}` is no Python that can be asked for its version") from error
    if implementation != "CPython":
        raise BadTarget(f"`{path}` is {implementation}: CUDA wheels are made for CPython")
    return version, free_threaded == "1"


def _interpreter(path: Path) -> Path:
    """`path` itself, or the interpreter inside it when it is an environment."""
    if not path.is_dir():
        return path
    inside = [path / "bin" / "python", path / "Scripts" / "python.exe", path / "python.exe"]
    return next((candidate for candidate in inside if candidate.exists()), path)


def current_python(
    environ: Mapping[str, str] = os.environ, directory: Path | None = None
) -> tuple[str, bool]:
    """The Python meant when none is named, as parse_python gives it.

    That of VIRTUAL_ENV or CONDA_PREFIX, else what `.python-version` in `directory` (the current
    one) says, else this interpreter: the one of cudalock's own environment comes last.
    """
    return _active_python(environ) or _pinned_python(directory or Path()) or _this_python()


def _no_probe() -> tuple[tuple[str, ...], str | None]:
    """GPUs' compute capabilities and driver version: this machine is not searched for them yet."""
    return (), None


@dataclass(frozen=True, slots=True)
class Here:
    """How to ask this machine what nobody stated. A test hands in other functions."""

    python: Callable[[], tuple[str, bool]] = current_python
    platform: Callable[[], tuple[str, str | None, str | None]] = field(
        default_factory=lambda: this_platform
    )
    gpus_and_driver: Callable[[], tuple[tuple[str, ...], str | None]] = _no_probe


def current(here: Here | None = None) -> Target:
    """This machine with the active environment's Python; nothing of it was stated.

    Raises BadTarget on a machine that no wheels are made for.
    """
    here = here or Here()
    python, free_threaded = here.python()
    platform, glibc, macos = here.platform()
    gpus, driver = here.gpus_and_driver()
    return Target(python, platform, free_threaded, glibc, macos, gpus, driver)


def _this_python() -> tuple[str, bool]:
    import sysconfig

    version = "{}.{}.{}".format(*sys.version_info[:3])
    return version, bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def _active_python(environ: Mapping[str, str]) -> tuple[str, bool] | None:
    """A broken environment says nothing: the lock's header shows which Python was taken instead."""
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        prefix = environ.get(variable)
        if not prefix:
            continue
        if Path(prefix) == Path(sys.prefix):
            return _this_python()
        try:
            return _checked_python(*_ask(Path(prefix)))
        except BadTarget:
            continue
    return None


def _pinned_python(directory: Path) -> tuple[str, bool] | None:
    """The first line of `.python-version` that is a version; a path there is not run."""
    try:
        lines = (directory / ".python-version").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    for line in lines:
        word = line.partition("#")[0].strip()
        if re.fullmatch(_PYTHON, word):
            try:
                return parse_python(word)
            except BadTarget:
                continue
    return None


def this_platform() -> tuple[str, str | None, str | None]:
    """`(platform, glibc, macOS version)` of the running machine, as parse_platform gives them."""
    import platform

    machine = platform.machine().lower()
    if sys.platform == "darwin":
        major, minor = (*platform.mac_ver()[0].split("."), "0")[:2]
        # Tags count macOS 11 and later by the major version alone.
        version = f"{major}.0" if int(major) >= 11 else f"{major}.{minor}"
        return f"macos-{'arm64' if machine == 'arm64' else 'x86_64'}", None, version
    if sys.platform == "win32":
        return f"windows-{'arm64' if machine == 'arm64' else 'x86_64'}", None, None
    glibc = _this_glibc()
    if glibc is None or machine not in ("x86_64", "aarch64", "arm64", "amd64"):
        raise BadTarget(
            f"no wheels are made for this machine ({sys.platform}, {machine},"
            f" {'glibc ' + glibc if glibc else 'no glibc'}): name the platform to solve for",
            hints=["--platform linux"],
        )
    arch = "x86_64" if machine in ("x86_64", "amd64") else "aarch64"
    return f"linux-{arch}", glibc, None


def _this_glibc() -> str | None:
    try:
        text = os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, ValueError, OSError):
        return None
    match = re.match(r"glibc (\d+\.\d+)", text or "")
    return match[1] if match else None

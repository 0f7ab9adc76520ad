"""The machine solved for: its Python, platform, glibc, GPUs and driver; its markers and tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.errors import BadTarget
from cudalock.records import dataclass, field, replace
from cudalock.targets.accelerators import DEFAULT, of_gpu
from cudalock.targets.platforms import (
    DEFAULT_GLIBC,
    LINUX,
    MACOS,
    PLATFORMS,
    WINDOWS,
    Platform,
    check_glibc,
    macos_flag,
    unknown_platform,
)
from cudalock.targets.pythons import LIKELY_PYTHONS, check_free_threaded, minor_pair
from cudalock.targets.tags import Tags, tags_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cudalock.targets.accelerators import Accelerator

_UNLIMITED = 99
"""A glibc minor or macOS major that no release reaches: any newer machine."""


def newest_driver(driver: str) -> str:
    """Return a driver's version; one without its last number is the newest of that series."""
    return driver if driver.count(".") >= 2 else f"{driver}.99999"


@dataclass(frozen=True, slots=True)
class Target:
    """One machine to solve for. `parse_python` and `parse_platform` read its parts from text.

    Raises BadTarget for parts that cannot be on one machine.
    """

    python: str
    """`3.11` or `3.12.4`; markers read `3.12` as 3.12.0"""
    platform: str
    """a key of PLATFORMS: `linux-x86_64`, `windows-x86_64`, ..."""
    free_threaded: bool = False
    glibc: str | None = None
    """Linux only; DEFAULT_GLIBC if None"""
    macos: str | None = None
    """macOS only; the version in the platform's row if None"""
    gpus: tuple[str, ...] = ()
    """architectures, `8.6` or `gfx1100`: all must work"""
    driver: str | None = None
    """as written, `550.54`"""
    jetpack: str | None = None
    """the release of JetPack, `6.2`, of a Jetson board"""
    stated: frozenset[str] = field(default=frozenset(), compare=False)
    """the names of the facets that the user stated; the others were detected"""
    assumes_glibc: bool = field(default=False, compare=False)
    """Whether the glibc is only the default, because nobody stated or detected one."""

    def __post_init__(self) -> None:
        if self.platform not in PLATFORMS:
            raise unknown_platform(self.platform)
        check_free_threaded(self.python, self.free_threaded)
        if self.is_linux:
            check_glibc(self.glibc)
            # `dataclasses.replace` passes the default on, and a copy with another one assumes none.
            is_assumed = self.glibc is None or (
                self.assumes_glibc and self.glibc == DEFAULT_GLIBC and "glibc" not in self.stated
            )
            object.__setattr__(self, "assumes_glibc", is_assumed)
            self._fill("glibc", DEFAULT_GLIBC)
        elif self.glibc is not None:
            raise BadTarget(f"only Linux has glibc: {self._row.label} has none")
        else:
            object.__setattr__(self, "assumes_glibc", False)
        if self.is_macos:
            self._fill("macos", self._row.macos)

    def _fill(self, name: str, default: str | None) -> None:
        if getattr(self, name) is None:
            # The way to fill a field of a frozen dataclass.
            object.__setattr__(self, name, default)

    @property
    def _row(self) -> Platform:
        return PLATFORMS[self.platform]

    @property
    def _python_pair(self) -> tuple[int, int]:
        return minor_pair(self.python)

    @property
    def is_linux(self) -> bool:
        return self._row.system is LINUX

    @property
    def is_macos(self) -> bool:
        return self._row.system is MACOS

    @property
    def is_windows(self) -> bool:
        return self._row.system is WINDOWS

    @property
    def accelerators(self) -> tuple[str, ...]:
        """The names of the accelerators that builds are made for on such a platform, if any."""
        return self._row.accelerators

    @property
    def wanted_accelerator(self) -> Accelerator:
        """The accelerator of its GPUs, if it has some of one maker; else the default one."""
        rows = {of_gpu(gpu).name: of_gpu(gpu) for gpu in self.gpus}
        return next(iter(rows.values())) if len(rows) == 1 else DEFAULT

    @property
    def built_in(self) -> tuple[str, ...]:
        """The names of the accelerators that what is built for none can use there."""
        return self._row.built_in

    @property
    def label(self) -> str:
        """For people: `Linux x86_64, glibc 2.28, Python 3.11`."""
        parts = [self._row.label]
        if self.jetpack:
            parts.append(f"JetPack {self.jetpack}")
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
        """Return this target on another platform, with that platform's default libraries."""
        return replace(self, platform=platform, glibc=None, macos=None, jetpack=None)

    @property
    def python_full(self) -> str:
        """The Python with three numbers, as markers compare it: `3.11.0` for 3.11."""
        return self.python if self.python.count(".") == 2 else f"{self.python}.0"

    @property
    def python_text(self) -> str:
        """The Python as flags take it: `3.11`, `3.13t`."""
        return self.python + ("t" if self.free_threaded else "")

    def flags(self) -> list[str]:
        """Return the command-line flags that state this target in full, in a fixed order."""
        flags = ["--python", self.python_text, "--platform", self._platform_flag]
        if self.is_linux and not self.assumes_glibc:
            flags += ["--glibc", str(self.glibc)]
        for gpu in self.gpus:
            flags += ["--gpu", gpu]
        if self.driver:
            flags += ["--driver", self.driver]
        return flags

    @property
    def _platform_flag(self) -> str:
        if self.jetpack:
            return f"jetpack-{self.jetpack}"
        if self.is_macos and self.macos != self._row.macos:
            return macos_flag(self.platform, str(self.macos))
        return self._row.flag

    def marker_environment(self) -> dict[str, str]:
        """Return every variable that a PEP 508 marker may name, with this target's values.

        The kernel's release and version are unknown of another machine: they are empty.
        """
        full = self.python_full
        return {
            "implementation_name": "cpython",
            "implementation_version": full,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_version": "",
            "python_full_version": full,
            "python_version": "{}.{}".format(*self._python_pair),
            **self._row.markers,
        }

    def has_markers_of(self, other: Target) -> bool:
        """Return whether every marker holds on both targets or on neither."""
        return self.python == other.python and self.platform == other.platform

    def tags(self) -> Tags:
        """Return the wheel tags that this machine installs."""
        return tags_of(
            self._python_pair[1], self.free_threaded, self.platform, self.glibc, self.macos
        )

    def family_tags(self) -> Tags:
        """Return the wheel tags of any machine with this platform and Python, however new.

        pip may prefer these wheels on a machine with a newer glibc or macOS, so their hashes belong
        in the lock.
        """
        glibc = f"2.{_UNLIMITED}" if self.is_linux else None
        macos = f"{_UNLIMITED}.0" if self.is_macos else None
        return tags_of(self._python_pair[1], self.free_threaded, self.platform, glibc, macos)


def platforms_of_markers(markers: Iterable[str]) -> list[Platform]:
    """Return the platforms on which one of the PEP 508 markers holds, with the likeliest Python. An
    invalid marker is ignored."""
    from packaging.markers import InvalidMarker

    from cudalock.versions import holds

    texts = list(markers)
    rows = []
    for row in PLATFORMS.values():
        environment = Target(LIKELY_PYTHONS[0], row.name).marker_environment()
        try:
            if any(holds(text, environment) for text in texts):
                rows.append(row)
        except InvalidMarker:
            continue
    return rows

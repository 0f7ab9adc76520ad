"""What the variables of environment markers may be on any machine that Python has been seen on.

More than the platforms of the matrix: a marker that holds on FreeBSD alone is no mistake.
"""

from __future__ import annotations

from typing import Final

from cudalock.targets.platforms import PLATFORMS, SYSTEMS

MARKER_SYSTEMS: Final = (
    *(system.markers for system in SYSTEMS),
    *(
        {"sys_platform": sys_platform, "platform_system": name, "os_name": "posix"}
        for sys_platform, name in (
            # What Python 2 and Python before 3.3 said on Linux.
            ("linux2", "Linux"),
            ("cygwin", "CYGWIN_NT-10.0"),
            ("freebsd14", "FreeBSD"),
            ("aix", "AIX"),
            ("android", "Android"),
            ("ios", "iOS"),
            ("emscripten", "Emscripten"),
            ("wasi", "wasi"),
        )
    ),
)
"""The values that belong together, for each operating system."""

MARKER_MACHINES: Final = (
    *dict.fromkeys(row.machine for row in PLATFORMS.values()),
    *("i386", "i686", "x86", "armv6l", "armv7l", "ppc64le", "s390x", "riscv64", "loongarch64"),
    "wasm32",
)
"""The values of platform_machine."""

MARKER_IMPLEMENTATIONS: Final = tuple(
    {"implementation_name": name, "platform_python_implementation": title}
    for name, title in (("cpython", "CPython"), ("pypy", "PyPy"), ("graalpy", "GraalVM"))
)
"""The values that belong together, for each implementation of Python."""

MARKER_MINORS: Final = ("2.7", *(f"3.{minor}" for minor in range(21)))
"""The values of python_version, with Pythons that are still to come."""

"""Pythons: the list of minors, and how to read what people call one, interpreters included."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cudalock.errors import BadTarget
from cudalock.files import expanded, find_program, find_programs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PYTHONS: Final = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
"""The CPython minors that the matrix knows, oldest first. The only list of them."""

LIKELY_PYTHONS: Final = ("3.11", "3.12", "3.10", "3.13", "3.9", "3.14", "3.8")
"""In the order to try them if none is named: the one with most wheels first."""

OLDEST_MINOR: Final = int(PYTHONS[0].split(".")[1])

FIRST_FREE_THREADED: Final = "3.13"
"""The first CPython with a build without the global interpreter lock (PEP 703)."""

# `3.11`, `py3.11`, `cpython-3.12.4`, `3.11.x`, `3.13t` for a free-threaded build.
PYTHON = r"(?i)(?:py|python|cp|cpython)?[- ]?(3)\.([0-9]{1,2})(?:\.([0-9]{1,3})|\.[x*])?(t?)"
# `cp311`, as wheel tags write it. The empty group stands for the patch version.
_PYTHON_TAG = r"(?i)(?:py|cp|python)(3)([0-9]{1,2})()(t?)"


_VERSION_CODE = (
    "import platform, sys, sysconfig;"
    "print(platform.python_implementation(), '%d.%d.%d' % sys.version_info[:3],"
    " int(bool(sysconfig.get_config_var('Py_GIL_DISABLED'))))"
)


def parse_python(text: str) -> tuple[str, bool]:
    """Return `(version, free-threaded)` for `3.11`, `3.12.4`, `3.13t`, `cp311`, `py3.11` or a path.

    A path is an interpreter or an environment, whose interpreter is run to print its version.
    Raises BadTarget for anything else, and for a Python older than the oldest in the list.
    """
    word = text.strip()
    match = _matched(word)
    if match:
        version = ".".join(str(int(part)) for part in match.group(1, 2, 3) if part)
        return checked_python(version, match[4] != "")
    if "/" in word or "\\" in word or Path(word).exists():
        return checked_python(*ask(expanded(Path(word))))
    raise BadTarget(
        f"`{text}` is not a Python version such as `3.11`, an interpreter or an environment",
        hints=[f"--python {guess}" for guess in _python_guesses(word)],
    )


def is_version(text: str) -> bool:
    """Tell whether `text` is read as a Python version, even if a file has that name."""
    return _matched(text.strip()) is not None


def _matched(word: str) -> re.Match[str] | None:
    return re.fullmatch(PYTHON, word) or re.fullmatch(_PYTHON_TAG, word)


def _python_guesses(word: str) -> list[str]:
    several = [part.strip() for part in word.split(",")]
    if len(several) > 1 and all(map(is_version, several)):
        return [" --python ".join(several)]
    digits = re.fullmatch(r"3([0-9]{1,2})", word)
    return [f"3.{digits[1]}"] if digits else [LIKELY_PYTHONS[0]]


def checked_python(version: str, free_threaded: bool) -> tuple[str, bool]:
    """Return the arguments. Raises BadTarget for a Python that no wheel in the matrix is for."""
    if minor_pair(version) < minor_pair(PYTHONS[0]):
        raise BadTarget(f"Python {version} is older than {PYTHONS[0]}, the oldest in the matrix")
    check_free_threaded(version, free_threaded)
    return version, free_threaded


def check_free_threaded(version: str, free_threaded: bool) -> None:
    """Raise BadTarget for a free-threaded Python older than the first."""
    if free_threaded and minor_pair(version) < minor_pair(FIRST_FREE_THREADED):
        raise BadTarget(
            f"Python {version} has no free-threaded build: {FIRST_FREE_THREADED}t is the first"
        )


def minor_pair(version: str) -> tuple[int, int]:
    """Return `(3, 11)` for `3.11` or `3.11.4`."""
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def ask(path: Path) -> tuple[str, bool]:
    """Return the version of an interpreter or environment, and whether it is free-threaded.

    Raises BadTarget if it does not run, or is not CPython.
    """
    try:
        implementation, version, free_threaded = run(_interpreter(path), _VERSION_CODE).split()
    except ValueError as error:
        raise BadTarget(f"cannot get the version of the Python at `{path}`") from error
    if implementation != "CPython":
        raise BadTarget(f"`{path}` is {implementation}: CUDA wheels are built for CPython")
    return version, free_threaded == "1"


def run(executable: Path, code: str, *arguments: str, seconds: float = 30) -> str:
    """Return what an interpreter prints for `code`. Raises ValueError if it does not run.

    It runs isolated and without `site`: neither the user's variables nor a .pth file of its
    site-packages, which may hold code, have a part in it. The code and its arguments go through
    standard input: on Windows pyenv's `python` is a batch file, for which cmd would expand them.
    """
    import subprocess

    program = f"import sys\nsys.argv[1:] = {list(arguments)!a}\n{code}\n"
    try:
        return subprocess.run(
            [os.path.abspath(executable), "-I", "-S", "-"],  # noqa: PTH100 (a venv's is a link)
            input=program,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=True,
        ).stdout
    except (OSError, UnicodeDecodeError, subprocess.SubprocessError) as error:
        raise ValueError(f"cannot run `{executable}`: {error}") from error


MOST_INTERPRETERS: Final = 6
"""How many interpreters of PATH are tried: each may take the whole time limit."""


def interpreters_on_path(
    environ: Mapping[str, str] = os.environ, os_name: str = os.name
) -> Iterator[Path]:
    """Yield the interpreters of PATH to try, the likeliest first.

    The first need not run: Windows' Store and macOS have stubs that offer an installation. On
    Windows those that the launcher `py` knows come last.
    """
    searched = ("python3", "python")
    paths = [
        path
        for name in searched
        for path in find_programs(name, environ, scripts=True, os_name=os_name)
    ]
    yield from (Path(path) for path in list(dict.fromkeys(paths))[:MOST_INTERPRETERS])
    if os_name == "nt":
        yield from _of_launcher(environ)


def _of_launcher(environ: Mapping[str, str]) -> Iterator[Path]:
    import subprocess

    launcher = find_program("py", environ)
    if launcher is None:
        return
    with suppress(OSError, ValueError, subprocess.SubprocessError):
        listed = subprocess.run(
            [launcher, "-0p"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        ).stdout
        yield from launched(listed)


def launched(text: str) -> Iterator[Path]:
    """Yield the interpreters that `py -0p` lists, as ` -V:3.11 *  C:\\Python311\\python.exe`."""
    lines = text.splitlines()[:MOST_INTERPRETERS]
    matches = (re.search(r"[A-Za-z]:\\.*\.exe$", line.strip()) for line in lines)
    yield from (Path(match[0]) for match in matches if match)


def _interpreter(path: Path) -> Path:
    """Return `path`, or the interpreter inside it if it is an environment."""
    if not path.is_dir():
        return path
    inside = [path / "bin" / "python", path / "Scripts" / "python.exe", path / "python.exe"]
    return next((candidate for candidate in inside if candidate.exists()), path)

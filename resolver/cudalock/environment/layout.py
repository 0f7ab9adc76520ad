"""Where an environment keeps what is installed in it, and which Python it has: read, never
imported.

An interpreter that runs here is run to describe itself. Of others (a Windows tree on Linux, a
broken link) the files are read that their kind always has: pyvenv.cfg, conda-meta, a
python3XX._pth, the names of folders.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.errors import BadTarget
from cudalock.files import expanded, read_small, resolved
from cudalock.targets import LINUX, PLATFORMS, WINDOWS, Target, this_platform
from cudalock.targets.detect import is_a_tools, machine_of_python, platform_of, read_glibc
from cudalock.targets.platforms import likeliest, of_wheel_tags
from cudalock.targets.pythons import checked_python, interpreters_on_path, run
from cudalock.targets.tags import ANY
from cudalock.text import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

INTERPRETERS: Final = (
    "bin/python",
    "bin/python3",
    "Scripts/python.exe",
    "python.exe",
)
"""Where an environment keeps its interpreter."""

# `python_embeded` is how ComfyUI's portable build spells it.
FOLDERS: Final = (".venv", "venv", "env", "python_embeded", "python_embedded", "python")
"""The environments that a project's folder, or a portable program's, may hold."""

_PACKAGES: Final = ("site-packages", "dist-packages")

_QUESTION: Final = """
import json, os, platform, site, sys, sysconfig
include = sysconfig.get_path("include")
managed = os.path.isfile(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED"))
base, shared = sys.base_prefix, sys.argv[2] == "shared"
# Debian's tells by `sys.prefix` whether a venv is meant, whose folders have other names.
sys.prefix = sys.argv[1] or base
folders = site.getsitepackages([sys.prefix])
others = site.getsitepackages([base]) if shared and sys.argv[1] else []
users = [site.getusersitepackages()] if shared else []
# `site` adds those of a venv before the user's, and any other Python's after them.
folders = folders + users + others if sys.argv[1] else users + folders
try:
    libc = os.confstr("CS_GNU_LIBC_VERSION")
except (AttributeError, ValueError, OSError):
    libc = None
print(json.dumps({
    "implementation": platform.python_implementation(),
    "version": "%d.%d.%d" % sys.version_info[:3],
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "folders": folders,
    "include": include,
    "managed": managed and not sys.argv[1],
    "system": sys.platform,
    "machine": platform.machine(),
    "built_for": sysconfig.get_platform(),
    "largest": sys.maxsize,
    "libc": libc,
    "macos": platform.mac_ver()[0],
}))
"""


class _Answer(NamedTuple):
    """What an interpreter prints for that."""

    implementation: str
    version: str
    free_threaded: bool
    folders: list[str]
    include: str | None
    managed: bool
    system: str
    machine: str
    built_for: str
    largest: int
    libc: str | None
    macos: str


@dataclass(frozen=True, slots=True)
class Layout:
    """One environment: its folders and its Python."""

    prefix: Path
    kind: str
    """`venv`, `uv`, `uv tool`, `pipx`, `conda`, `embedded`, `system` or `tree`"""
    python: str
    """`3.11.9`, or `3.11` where no more could be read"""
    platform: str
    """a key of PLATFORMS"""
    site_packages: tuple[Path, ...]
    """the folders that hold its distributions, in the order of its `sys.path`"""
    interpreter: Path | None = None
    """its interpreter, if it has one, whether or not that runs here"""
    runs: bool = False
    """whether the interpreter answered"""
    include: Path | None = None
    """where its C headers belong, whether or not they are there"""
    free_threaded: bool = False
    glibc: str | None = None
    macos: str | None = None
    managed: bool = False
    """whether its system manages it, so that pip installs nothing there (PEP 668)"""
    image: str | None = None
    """the base image that it is in, as the user names it; nothing of it is here then"""

    @property
    def place(self) -> str:
        """Where it is, for people: its folder, or its image."""
        return self.image or str(self.prefix)

    @property
    def is_windows(self) -> bool:
        return PLATFORMS[self.platform].system is WINDOWS

    @property
    def os_name(self) -> str:
        """What `os.name` is there."""
        return PLATFORMS[self.platform].system.os_name

    @property
    def target(self) -> Target:
        """The environment as a target, without GPU and driver."""
        return Target(self.python, self.platform, self.free_threaded, self.glibc, self.macos)


def find_layout(path: Path) -> Layout:
    """Return the environment that `path` means: its folder, its interpreter, its site-packages, or
    a project or portable program that has one. Raises BadTarget if there is none."""
    path = Path(os.path.abspath(expanded(path)))  # noqa: PTH100 (a venv's python is a link)
    try:
        return _find(path)
    except OSError as error:
        raise BadTarget(f"`{path}` cannot be read: {error.strerror or error}") from None


def _find(path: Path) -> Layout:
    if path.is_file():
        return _of_interpreter(path)
    # The folder itself first: an environment may have a folder `env` or `python` inside.
    if _is_programs(path) and _is_marked(path.parent):
        return _of_prefix(path.parent)
    for folder in (path, *(path / name for name in FOLDERS)):
        if _is_prefix(folder):
            return _of_prefix(folder)
    if path.name in _PACKAGES or any(path.glob("*.dist-info")):
        return _of_packages(path)
    raise BadTarget(
        f"`{path}` is not an environment: it has no interpreter and no site-packages",
        hints=["--python .venv", "`--python` with the path that `sys.executable` prints there"],
    )


def active_layout(
    environ: Mapping[str, str] = os.environ,
    directory: Path | None = None,
    own: Path | None = None,
) -> Layout:
    """Return the environment to use if none is named. Raises BadTarget if there is none.

    That of VIRTUAL_ENV or CONDA_PREFIX, else `.venv` in `directory` (the current one), else the
    environment `own` in which cudalock is installed unless it has it for itself (pipx, uvx), else
    the `python` of PATH.
    """
    active = [environ[name] for name in ("VIRTUAL_ENV", "CONDA_PREFIX") if environ.get(name)]
    beside = (directory or Path()) / ".venv"
    own = own or Path(sys.prefix)
    for prefix in (*map(Path, active), beside, *([] if is_a_tools(own) else [own])):
        if _is_prefix(prefix):
            return find_layout(prefix)
    return _on_path(environ)

    # Debian and macOS have no `python`.


def _on_path(environ: Mapping[str, str]) -> Layout:
    """The first environment of PATH whose interpreter runs, else the first that can be read."""
    readable: Layout | None = None
    failure: BadTarget | None = None
    for interpreter in interpreters_on_path(environ):
        try:
            layout = find_layout(interpreter)
        except BadTarget as error:
            failure = failure or error
            continue
        if layout.runs:
            return layout
        readable = readable or layout
    if readable is not None:
        return readable
    raise failure or BadTarget("no Python environment is active", hints=["--python .venv"])


# -- by asking --------------------------------------------------------------------------------


def _of_interpreter(executable: Path) -> Layout:
    folder = executable.parent
    inside = folder.parent if _is_programs(folder) else folder
    return _of_prefix(inside, executable)


def _is_programs(folder: Path) -> bool:
    """Whether an environment's programs lie there. Windows takes the name in any letters."""
    return folder.name.lower() in ("bin", "scripts")


def _is_marked(prefix: Path) -> bool:
    return (prefix / "pyvenv.cfg").is_file() or (prefix / "conda-meta").is_dir()


def _of_prefix(prefix: Path, executable: Path | None = None) -> Layout:
    executable = executable or _interpreter(prefix)
    settings = _settings(prefix)
    kind = _kind(prefix, settings)
    answer = _ask(executable, prefix, settings, kind) if executable else None
    if answer is None:
        return _from_files(prefix, kind, settings, executable)
    # PyPy and GraalPy have ABIs of their own.
    if answer.implementation != "CPython":
        raise BadTarget(
            f"`{executable}` is {answer.implementation}: CUDA wheels are made for CPython"
        )
    python, free_threaded = checked_python(answer.version, answer.free_threaded)
    machine = machine_of_python(answer.machine, answer.built_for, answer.largest)
    platform, glibc, macos = platform_of(
        answer.system, machine, read_glibc(answer.libc), answer.macos
    )
    return Layout(
        prefix=prefix,
        kind=kind,
        python=python,
        platform=platform,
        site_packages=_packages(answer.folders),
        interpreter=executable,
        runs=True,
        include=Path(answer.include) if answer.include else None,
        free_threaded=free_threaded,
        glibc=glibc,
        macos=macos,
        managed=answer.managed,
    )


def _ask(
    executable: Path, prefix: Path, settings: Mapping[str, str] | None, kind: str
) -> _Answer | None:
    """Return what the interpreter prints about itself, None if it cannot be run."""
    # Without `site` a venv's interpreter takes the prefix of the Python it was made from.
    own = str(prefix) if settings is not None else ""
    # A Python that is no venv reads the user's packages too; a venv does with this setting only.
    shares = settings is None or settings.get("include-system-site-packages") == "true"
    shared = "shared" if shares and kind not in ("embedded", "conda") else "alone"
    try:
        return _Answer(**read_json(run(executable, _QUESTION, own, shared)))
    except (ValueError, TypeError):
        return None


def _packages(folders: list[str]) -> tuple[Path, ...]:
    packages = [folder for folder in map(Path, folders) if folder.name in _PACKAGES]
    return tuple(_distinct(folder for folder in packages if folder.is_dir()))


def _distinct(folders: Iterable[Path]) -> list[Path]:
    """Each folder once, by its first name: lib64 is often a link to lib."""
    names: dict[Path, Path] = {}
    for folder in folders:
        names.setdefault(resolved(folder), folder)
    return list(names.values())


# -- by the files -----------------------------------------------------------------------------


def _interpreter(prefix: Path) -> Path | None:
    return next((prefix / name for name in INTERPRETERS if (prefix / name).is_file()), None)


def _is_prefix(folder: Path) -> bool:
    return (
        _is_marked(folder)
        or _interpreter(folder) is not None
        or next(_package_folders(folder), None) is not None
    )


def _settings(prefix: Path) -> dict[str, str] | None:
    """Return the settings of pyvenv.cfg, by their keys in lower case; None if there is none."""
    try:
        text = read_small(prefix / "pyvenv.cfg").decode("utf-8", "replace")
    except OSError:
        return None
    pairs = (line.partition("=") for line in text.splitlines())
    return {key.strip().lower(): value.strip() for key, sign, value in pairs if sign}


def _kind(prefix: Path, settings: Mapping[str, str] | None) -> str:
    # The most special first: pipx and uv make venvs, and uv's tools are uv environments.
    marks = {
        "pipx": (prefix / "pipx_metadata.json").is_file(),
        "uv tool": (prefix / "uv-receipt.toml").is_file(),
        "uv": settings is not None and "uv" in settings,
        "venv": settings is not None,
        "conda": (prefix / "conda-meta").is_dir(),
        "embedded": _path_file(prefix) is not None,
    }
    return next((kind for kind, marked in marks.items() if marked), "system")


def _path_file(prefix: Path) -> Path | None:
    """Return the python3XX._pth that makes a Python an embedded one."""
    return next(iter(sorted(prefix.glob("python3*._pth"))), None)


def _from_files(
    prefix: Path, kind: str, settings: Mapping[str, str] | None, executable: Path | None
) -> Layout:
    folders = _distinct(_package_folders(prefix))
    version = _version(prefix, settings or {}, folders)
    if version is None or not folders:
        lacks = "site-packages" if version else "Python version"
        raise BadTarget(
            f"`{prefix}` cannot be read as an environment: its {lacks} cannot be found,"
            " and it has no interpreter that runs here"
        )
    # `lib/python3.13t` is a free-threaded Python's.
    threads = any(re.fullmatch(r"python3\.[0-9]+t", folder.parent.name) for folder in folders)
    python, free_threaded = checked_python(version, threads)
    platform, glibc, macos = _platform(folders)
    return Layout(
        prefix=prefix,
        kind=kind if executable or kind != "system" else "tree",
        python=python,
        platform=platform,
        site_packages=tuple(folders),
        interpreter=executable,
        free_threaded=free_threaded,
        glibc=glibc,
        macos=macos,
    )


def _package_folders(prefix: Path) -> Iterator[Path]:
    for pattern in ("lib/python3*", "lib64/python3*"):
        for folder in sorted(prefix.glob(pattern)):
            yield from (folder / name for name in _PACKAGES if (folder / name).is_dir())
    # A file system that ignores case has a `Lib` wherever it has a `lib`.
    for windows in (prefix / "Lib" / "site-packages", prefix / "lib" / "site-packages"):
        if windows.is_dir():
            yield windows
            break


def _version(prefix: Path, settings: Mapping[str, str], folders: list[Path]) -> str | None:
    texts = [settings.get("version_info", ""), settings.get("version", "")]
    texts += [folder.parent.name.removeprefix("python") for folder in folders]
    texts += sorted(
        (path.name.removeprefix("python-") for path in prefix.glob("conda-meta/python-3.*.json")),
        reverse=True,
    )
    for name in ("python3*._pth", "python3*.dll"):
        texts += [f"3.{path.stem.removeprefix('python3')}" for path in sorted(prefix.glob(name))]
    matches = (re.match(r"3\.[0-9]{1,2}(?:\.[0-9]{1,3})?", text) for text in texts)
    return next((match[0] for match in matches if match), None)


def _platform(folders: list[Path]) -> tuple[str, str | None, str | None]:
    """Return the platform: a Windows tree has `Lib/site-packages`; any other has that of its
    wheels, else this machine's."""
    of_wheels = _platforms_of_wheels(folders)
    if folders[0].parent.name.lower() == "lib":
        platforms = [name for name in of_wheels if PLATFORMS[name].system is WINDOWS]
        arm = [name for name in platforms if name != likeliest(WINDOWS).name]
        return (arm or [likeliest(WINDOWS).name])[0], None, None
    platform, glibc, macos = this_platform()
    platforms = [name for name in of_wheels if PLATFORMS[name].system is not WINDOWS]
    if platforms and platform not in platforms:
        return platforms[0], None, None
    # A tree with `lib/python3.x` on Windows was copied from another machine.
    if PLATFORMS[platform].system is WINDOWS:
        return likeliest(LINUX).name, None, None
    return platform, glibc, macos


def _platforms_of_wheels(folders: list[Path]) -> list[str]:
    """Return the platforms of the installed wheels, by their tags, in the table's order.

    A pure wheel has none.
    """
    names: set[str] = set()
    for folder in folders:
        for file in folder.glob("*.dist-info/WHEEL"):
            text = read_small(file).decode("utf-8", "replace") if file.is_file() else ""
            for tags in re.findall(r"(?m)^Tag:[ \t]*(\S+)", text):
                if not tags.endswith(f"-{ANY}"):
                    names.update(of_wheel_tags(tags))
    return [name for name in PLATFORMS if name in names]


def _of_packages(folder: Path) -> Layout:
    """A site-packages folder: that of the environment around it, else one that stands alone."""
    around = folder.parents[1 if folder.parent.name.lower() == "lib" else 2 : 3]
    for prefix in around:
        if folder in _package_folders(prefix):
            return _of_prefix(prefix)
    raise BadTarget(
        f"`{folder}` belongs to no environment, so its Python is not known",
        hints=["`--python` with the environment that uses it"],
    )

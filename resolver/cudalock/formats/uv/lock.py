"""A lock as uv.lock, which uv itself writes from the pyproject.toml of `uv_project`.

`uv lock --check` accepts only what uv would derive from the project file, down to the way it spells
markers, so the file is not forged: the uv on the PATH is asked to write it, in a temporary folder.
For each target its pins are then compared with the lock, pin by pin, and a difference is an error.

uv queries the indexes, so it needs the network or, with `--offline`, a complete cache. A wheel that
is pinned by URL is downloaded once, for its hash.

Beside an existing pyproject.toml, uv.lock is made from that file, which has to contain the lock.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import tomlkit

from cudalock import toml
from cudalock.errors import BadFile, LockDiffers, NetworkError, OutputError, UsageError
from cudalock.files import NO_CURRENT_FOLDER, find_program
from cudalock.formats import DEFAULTS, Format, InstallCommand, WriteOptions
from cudalock.formats.uv import plan as uv_plan
from cudalock.formats.uv import project as uv_project
from cudalock.lock.wheels import targets_of, with_urls
from cudalock.text import shell_word
from cudalock.urls import file_of
from cudalock.versions import holds

if TYPE_CHECKING:
    from cudalock.lock import Lock
    from cudalock.targets import Target

FILE: Final = "uv.lock"

_ABSENT: Final = "0+cudalock"
# uv writes the version of a dynamic project nowhere, so the one that was put in comes out again.
_ROOT_VERSION: Final = re.compile(rf'^version = "{re.escape(_ABSENT)}"\n', re.MULTILINE)
_NETWORK_SIGNS: Final = (
    "error sending request",
    "failed to fetch",
    "network connectivity is disabled",
    "network was disabled",
    "request failed",
    "dns error",
)


def render(lock: Lock, options: WriteOptions = DEFAULTS) -> str:
    """Return the text that uv writes.

    Raises as `written_by_uv` does, UsageError where the pyproject.toml beside it lacks the lock,
    and LockDiffers where uv resolves to other pins.
    """
    text = written_by_uv(_project(lock, options), options)
    differences = list(compare(lock, text, options))
    if differences:
        raise LockDiffers("uv resolves to other pins than the lock", differences)
    return text


def written_by_uv(project: str, options: WriteOptions) -> str:
    """Return the uv.lock that uv writes for the text of a project file.

    Raises UsageError where there is no uv, NetworkError where uv cannot reach what it needs, and
    LockDiffers where it fails.
    """
    program = find_program("uv")
    if program is None:
        raise UsageError(
            "uv.lock is written by uv, and uv is not on the PATH",
            hints=["pip install uv", "`--format uv` writes the pyproject.toml without it"],
        )
    try:
        with tempfile.TemporaryDirectory(prefix="cudalock-") as folder:
            return _run_uv(program, Path(folder), project, options)
    except OSError as error:
        raise OutputError(f"uv cannot be run for {FILE}: {error.strerror or error}") from None


def _project(lock: Lock, options: WriteOptions) -> str:
    """Return the project file of the lock: the one beside it, or a new one."""
    path = options.folder / uv_project.FILE if options.folder is not None else None
    beside = options._replace(filename=uv_project.FILE)
    existing = uv_project.read_existing(path) if path else None
    if existing is None:
        return uv_project.render(lock, beside)
    if uv_project.edit(existing, lock, beside) != existing:
        raise BadFile(
            f"`{path}` does not contain this lock, and {FILE} is made from it",
            hints=[f"{lock.command} -o {shell_word(str(path))}"],
        )
    return existing


def _run_uv(program: str, folder: Path, project: str, options: WriteOptions) -> str:
    is_dynamic, stated = _with_version(project)
    (folder / uv_project.FILE).write_bytes(stated.encode())
    # uv keeps the versions in an existing uv.lock, and reads its own settings file.
    for name in (FILE, uv_project.SETTINGS):
        if options.folder is not None and (options.folder / name).is_file():
            shutil.copyfile(options.folder / name, folder / name)
    # Its messages are read below, without control sequences.
    flags = ["--no-progress", "--color", "never", *(["--offline"] if options.offline else [])]
    # uv warns if an environment is active that is not the project's.
    environment = {key: setting for key, setting in os.environ.items() if key != "VIRTUAL_ENV"}
    environment |= NO_CURRENT_FOLDER
    done = subprocess.run(
        [program, "lock", *flags],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode == 0:
        text = (folder / FILE).read_bytes().decode("utf-8")
        return _ROOT_VERSION.sub("", text) if is_dynamic else text
    messages = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    messages = messages[
        next((n for n, line in enumerate(messages) if line.startswith("error")), 0) :
    ]
    # Newer versions of uv wrap their messages.
    unwrapped = "".join(done.stderr.split())
    if any(sign.replace(" ", "") in unwrapped.lower() for sign in _NETWORK_SIGNS):
        raise NetworkError(f"`uv lock` could not reach what it needs: {' '.join(messages)}")
    if options.folder is not None and "".join(str(folder).split()) in unwrapped:
        raise UsageError(
            f"`{options.folder / uv_project.FILE}` refers to files beside it, and uv runs in "
            f"another folder to write {FILE}",
            hints=["run `uv lock` there: the pins are in the project file"],
        )
    raise LockDiffers("`uv lock` does not accept the project", messages)


def _with_version(project: str) -> tuple[bool, str]:
    """Return whether the version is dynamic, and the text with a fixed version in its place.

    The temporary folder has no source to build a version from. A uv.lock has no dynamic version.
    """
    document = tomlkit.parse(project.removeprefix("\ufeff"))
    table: Any = document["project"]
    if "version" not in table.get("dynamic", ()):
        return False, project
    table["dynamic"] = [field for field in table["dynamic"] if field != "version"]
    table["version"] = _ABSENT
    return True, tomlkit.dumps(document)


# -- what uv resolved -----------------------------------------------------------------------------


def compare(lock: Lock, text: str, options: WriteOptions) -> Iterator[str]:
    """Yield how the text of a uv.lock differs from the lock, target by target."""
    lock = with_urls(lock) if options.urls else lock
    packages = _Packages(toml.loads(text)["package"])
    direct = uv_plan.direct_names(lock)
    for target in lock.targets:
        locked = {
            pin.name: (
                pin.version,
                _file(pin.wheel.url) if uv_plan.by_address(pin, options) else None,
            )
            for pin in lock.pins
            if target in targets_of(pin, lock)
        }
        reached = packages.reached(target, direct)
        for name in sorted({*locked, *reached}):
            if locked.get(name) != reached.get(name):
                yield (
                    f"{name} on {target.platform_label}, Python {target.python_text}: "
                    f"{_shown(locked.get(name))} in the lock, {_shown(reached.get(name))} in uv's"
                )


_Found = tuple[str, str | None]
"""a version, and the file if it is pinned by URL"""


class _Packages:
    """The packages of a uv.lock."""

    def __init__(self, packages: list[dict[str, Any]]) -> None:
        self._by_name: dict[str, list[dict[str, Any]]] = {}
        for package in packages:
            self._by_name.setdefault(package["name"], []).append(package)
        (self._root,) = (package for package in packages if _is_root(package))

    def reached(self, target: Target, starts: Iterable[str]) -> dict[str, _Found]:
        """Return what an environment gets from those of the project's dependencies in `starts`."""
        environment = {**target.marker_environment(), "extra": ""}
        # Only what the lock made dependencies: the file may have others of its own.
        waiting = [edge for edge in self._root.get("dependencies", ()) if edge["name"] in starts]
        packages: dict[str, _Found] = {}
        visited = set()
        while waiting:
            edge = waiting.pop()
            if "marker" in edge and not holds(edge["marker"], environment):
                continue
            package = self._package(edge, environment)
            # An entry is followed again for other extras, which bring more.
            key = edge["name"], tuple(edge.get("extra", ()))
            if package is None or key in visited:
                continue
            visited.add(key)
            source = package["source"]
            place = source.get("url") or source.get("path")
            packages[edge["name"]] = package.get("version", ""), _file(place)
            waiting += package.get("dependencies", ())
            for extra in edge.get("extra", ()):
                waiting += package.get("optional-dependencies", {}).get(extra, ())
        return packages

    def _package(
        self, edge: Mapping[str, Any], environment: dict[str, str]
    ) -> dict[str, Any] | None:
        for package in self._by_name.get(edge["name"], ()):
            markers = package.get("resolution-markers", ())
            here = not markers or any(holds(marker, environment) for marker in markers)
            # uv leaves version and source out of an edge if the name alone is enough.
            if here and all(edge.get(k, package.get(k)) == package.get(k) for k in _TELLING):
                return package
        return None


_TELLING: Final = ("version", "source")


def _is_root(package: Mapping[str, Any]) -> bool:
    return any(package["source"].get(kind) == "." for kind in ("virtual", "editable"))


def _file(url: str | None) -> str | None:
    return file_of(url) if url else None


def _shown(package: _Found | None) -> str:
    if package is None:
        return "nothing"
    version, file = package
    return f"{version} ({file})" if file else version


def install_commands(_lock: Lock, options: WriteOptions) -> tuple[InstallCommand, ...]:
    """Return the command that installs uv.lock as it is."""
    return (InstallCommand("uv", f"uv sync --frozen{uv_project.elsewhere(options)}"),)


FORMAT: Final = Format(
    render,
    FILE,
    install_commands,
    beside=None,
    made_from=uv_project.FILE,
    lines="uv.lined_lock",
    remarks=uv_project.remarks,
)

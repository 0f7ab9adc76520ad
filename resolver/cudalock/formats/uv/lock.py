"""A lock as uv.lock, which uv itself writes from the pyproject.toml of `uv_project`.

`uv lock --check` accepts only what uv would derive from the project file, down to the way it spells
markers, so the file is not forged: the uv on the PATH is asked to write it, in a temporary folder.
For each target the answer is then compared with the lock, pin by pin, and a difference is an error.

uv asks the indexes, so it needs the network or, with `--offline`, a cache that has it all. A wheel
with a plain address it downloads once, to have a hash of it.

Beside a pyproject.toml that is there, uv.lock belongs to that file: it has to have the lock in it.
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
from cudalock.formats import DEFAULTS, Format, InstallCommand, WriteOptions
from cudalock.formats.uv import plan as uv_plan
from cudalock.formats.uv import project as uv_project
from cudalock.lock.wheels import targets_of, with_urls
from cudalock.urls import file_of
from cudalock.versions import holds

if TYPE_CHECKING:
    from cudalock.lock import Lock
    from cudalock.targets import Target

FILE: Final = "uv.lock"

_ABSENT: Final = "0+cudalock"
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
    """The text that uv writes.

    Raises UsageError where there is no uv or the pyproject.toml beside it lacks the lock,
    NetworkError where uv cannot reach what it needs, and LockDiffers where it says no or comes to
    other pins.
    """
    program = shutil.which("uv")
    if program is None:
        raise UsageError(
            "uv.lock is written by uv, and there is no uv on the PATH",
            hints=["pip install uv", "`--format uv` writes the pyproject.toml without it"],
        )
    project = _project(lock, options)
    try:
        with tempfile.TemporaryDirectory(prefix="cudalock-") as folder:
            text = _asked(program, Path(folder), project, options)
    except OSError as error:
        raise OutputError(f"uv cannot be asked for {FILE}: {error.strerror or error}") from None
    differences = list(compare(lock, text, options))
    if differences:
        raise LockDiffers("uv comes to other pins than the lock", differences)
    return text


def _project(lock: Lock, options: WriteOptions) -> str:
    """The project file that the lock goes with: the one beside it, or a new one."""
    path = options.folder / uv_project.FILE if options.folder is not None else None
    beside = options._replace(filename=uv_project.FILE)
    existing = uv_project.read_existing(path) if path else None
    if existing is None:
        return uv_project.render(lock, beside)
    if uv_project.edit(existing, lock, beside) != existing:
        raise BadFile(
            f"`{path}` does not have this lock in it, and {FILE} belongs to it",
            hints=[f"{lock.command} -o {path}"],
        )
    return existing


def _asked(program: str, folder: Path, project: str, options: WriteOptions) -> str:
    made, stated = _with_version(project)
    (folder / uv_project.FILE).write_bytes(stated.encode())
    # What uv.lock has of other projects stays as it is, and uv's own settings count.
    for name in (FILE, uv_project.SETTINGS):
        if options.folder is not None and (options.folder / name).is_file():
            shutil.copyfile(options.folder / name, folder / name)
    flags = ["--no-progress", "--color", "never", *(["--offline"] if options.offline else [])]
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
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
        return _ROOT_VERSION.sub("", text) if made else text
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    said = said[next((n for n, line in enumerate(said) if line.startswith("error")), 0) :]
    # Newer ones break their lines.
    whole = "".join(done.stderr.split())
    if any(sign.replace(" ", "") in whole.lower() for sign in _NETWORK_SIGNS):
        raise NetworkError(f"`uv lock` could not reach what it needs: {' '.join(said)}")
    if options.folder is not None and "".join(str(folder).split()) in whole:
        raise UsageError(
            f"`{options.folder / uv_project.FILE}` refers to files beside it, and uv is asked for "
            f"{FILE} in another folder",
            hints=["`uv lock` there: the pins are in the project file"],
        )
    raise LockDiffers("`uv lock` does not accept the project", said)


def _with_version(project: str) -> tuple[bool, str]:
    """Whether the project's version is made by a build, and the text with one in its place.

    The temporary folder has nothing to build. A uv.lock names no version that a build makes.
    """
    document = tomlkit.parse(project.removeprefix("\ufeff"))
    table: Any = document["project"]
    if "version" not in table.get("dynamic", ()):
        return False, project
    table["dynamic"] = [each for each in table["dynamic"] if each != "version"]
    table["version"] = _ABSENT
    return True, tomlkit.dumps(document)


# -- what uv came to ------------------------------------------------------------------------------


def compare(lock: Lock, text: str, options: WriteOptions) -> Iterator[str]:
    """How the text of a uv.lock differs from the lock, target by target."""
    lock = with_urls(lock) if options.urls else lock
    packages = _Packages(toml.loads(text)["package"])
    direct = uv_plan.direct_names(lock)
    for target in lock.targets:
        wanted = {
            pin.name: (
                pin.version,
                _file(pin.wheel.url) if uv_plan.by_address(pin, options) else None,
            )
            for pin in lock.pins
            if target in targets_of(pin, lock)
        }
        found = packages.reached(target, direct)
        for name in sorted({*wanted, *found}):
            if wanted.get(name) != found.get(name):
                yield (
                    f"{name} on {target.platform_label}, Python {target.python_text}: "
                    f"{_shown(wanted.get(name))} in the lock, {_shown(found.get(name))} in uv's"
                )


_Found = tuple[str, str | None]
"""a version, and the file where it is an address"""


class _Packages:
    """The packages of a uv.lock, and which of them an environment comes to."""

    def __init__(self, packages: list[dict[str, Any]]) -> None:
        self._by_name: dict[str, list[dict[str, Any]]] = {}
        for package in packages:
            self._by_name.setdefault(package["name"], []).append(package)
        (self._root,) = (each for each in packages if _is_root(each))

    def reached(self, target: Target, starts: Iterable[str]) -> dict[str, _Found]:
        """What the project's own dependencies lead to; of them those in `starts`."""
        environment = {**target.marker_environment(), "extra": ""}
        waiting = [each for each in self._root.get("dependencies", ()) if each["name"] in starts]
        found: dict[str, _Found] = {}
        seen = set()
        while waiting:
            edge = waiting.pop()
            if "marker" in edge and not holds(edge["marker"], environment):
                continue
            package = self._package(edge, environment)
            key = edge["name"], tuple(edge.get("extra", ()))
            if package is None or key in seen:
                continue
            seen.add(key)
            found[edge["name"]] = package.get("version", ""), _file(package["source"].get("url"))
            waiting += package.get("dependencies", ())
            for extra in edge.get("extra", ()):
                waiting += package.get("optional-dependencies", {}).get(extra, ())
        return found

    def _package(
        self, edge: Mapping[str, Any], environment: dict[str, str]
    ) -> dict[str, Any] | None:
        for package in self._by_name.get(edge["name"], ()):
            markers = package.get("resolution-markers", ())
            here = not markers or any(holds(each, environment) for each in markers)
            if here and all(edge.get(k, package.get(k)) == package.get(k) for k in _TELLING):
                return package
        return None


_TELLING: Final = ("version", "source")


def _is_root(package: Mapping[str, Any]) -> bool:
    return any(package["source"].get(kind) == "." for kind in ("virtual", "editable"))


def _file(url: str | None) -> str | None:
    return file_of(url) if url else None


def _shown(found: _Found | None) -> str:
    if found is None:
        return "nothing"
    version, file = found
    return f"{version} ({file})" if file else version


def install_commands(_lock: Lock, _options: WriteOptions) -> tuple[InstallCommand, ...]:
    """The command that installs what uv.lock has, without solving again."""
    return (InstallCommand("uv", "uv sync --frozen"),)


FORMAT: Final = Format(render, install_commands, remarks=uv_project.remarks)

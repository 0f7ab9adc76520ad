"""Carry out a plan: download, save, install, compare. And undo it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cudalock.doctor.files import read_owned
from cudalock.doctor.repair import rollback
from cudalock.doctor.repair.installer import InstallFailed, find_installer, last_lines
from cudalock.doctor.repair.plan import own_folders
from cudalock.environment import read_inventory
from cudalock.environment.installer import refusal
from cudalock.errors import BadFile, BadTarget, Contradiction, NotNeeded, OutputError
from cudalock.files import distribution_name, extended, resolved, stays_inside, write_atomically
from cudalock.indexes.client import Web
from cudalock.indexes.downloads import download

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.compat.installed import ExaminedEnvironment
    from cudalock.doctor.repair.installer import Installer
    from cudalock.doctor.repair.plan import PackageChange, Plan
    from cudalock.doctor.repair.rollback import RollBack, Undo
    from cudalock.doctor.repair.wheels import PlannedWheel
    from cudalock.environment import Installed, Layout
    from cudalock.indexes.downloads import Progress
    from cudalock.mirrors import Mirrors

_SPARE: Final = 64 << 20
"""Bytes that stay free: pip writes compiled files beside what it unpacks."""

_ORIGIN: Final = "direct_url.json"


class Difference(NamedTuple):
    """A package that is not what the plan has."""

    name: str
    planned: str | None
    """a version; None for what had to go"""
    actual: str | None

    def __str__(self) -> str:
        return (
            f"{self.name} had to become {self.planned or 'uninstalled'},"
            f" and is {self.actual or 'not installed'}"
        )


def check_fixable(subject: ExaminedEnvironment) -> Installer:
    """Return the installer of an environment that can be changed from here.

    Raises BadTarget for one that its system manages, whose Python does not run here, or that this
    user may not write into; Contradiction where an interrupted fix waits.
    """
    layout = subject.layout
    refused = refusal(layout)
    if refused is not None:
        why, command = refused
        raise BadTarget(why, hints=[command])
    if not layout.runs or layout.interpreter is None:
        raise BadTarget(
            f"the Python of `{layout.prefix}` does not run here, so nothing can be installed there",
            hints=["the same command on the machine of the environment"],
        )
    own = own_folders(layout)
    if not own:
        raise BadTarget(f"`{layout.prefix}` has no site-packages of its own")
    for folder in (layout.prefix, *own):
        if not os.access(folder, os.W_OK):
            raise BadTarget(f"`{folder}` may not be written to")
    pending = rollback.read(layout.prefix)
    if pending is not None and pending.state != rollback.APPLIED:
        raise rollback.interrupted(layout.prefix)
    return find_installer(layout, subject.inventory)


def apply(
    plan: Plan,
    subject: ExaminedEnvironment,
    command: str,
    mirrors: Mirrors,
    progress: Progress,
) -> list[Difference]:
    """Carry out a plan, and return what came out otherwise than planned.

    Nothing is changed before every wheel is here, its digest checked. Raises NetworkError,
    HashMismatch and OutputError with nothing changed, InstallFailed with everything undone.
    """
    installer = check_fixable(subject)
    layout = subject.layout
    with rollback.locked(layout.prefix) as descriptors:
        # Another fix may have ended while this one waited, or while somebody read the plan.
        if _is_changed(subject):
            raise Contradiction(
                f"`{layout.prefix}` has changed since the plan was made; nothing was changed",
                hints=["the same command again, which makes another plan"],
            )
        wheels = layout.prefix / f"{rollback.FOLDER}.{rollback.WHEELS}"
        try:
            files = _download(plan, wheels, mirrors, progress)
            saved = _prepare(plan, subject, files, command)
            try:
                _install(plan, subject, installer, files, descriptors)
                _restore_shared(plan, subject, saved)
            except InstallFailed:
                rollback.undo(saved, rollback.plan_undo(saved))
                raise
            rollback.complete(saved)
        finally:
            shutil.rmtree(extended(str(wheels)), ignore_errors=True)
    return list(_differences(plan, layout))


def _is_changed(subject: ExaminedEnvironment) -> bool:
    planned, there = (
        {(installed.name, installed.version, installed.folder) for installed in inventory}
        for inventory in (
            subject.inventory.distributions,
            read_inventory(subject.layout.site_packages).distributions,
        )
    )
    return planned != there


def _download(
    plan: Plan, folder: Path, mirrors: Mirrors, progress: Progress
) -> dict[str, tuple[Path, str]]:
    """Bring every wheel, and return its file and digest by the name of the project."""
    known = sum(wheel.size or 0 for wheel in plan.wheels)
    _check_room(folder.parent, known)
    files = {}
    with Web(mirrors=mirrors) as web:
        for wheel in plan.wheels:
            target = folder / distribution_name(wheel.file, "the index")
            digest = download(web, wheel.secret_url, target, wheel.sha256, progress=progress)
            files[wheel.name] = (target, digest)
    # How large they become is told by the files alone, so there are two checks.
    unpacked = sum(_unpacked_size(file) for file, _ in files.values())
    _check_room(folder.parent, unpacked)
    return files


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed + _SPARE > free:
        raise OutputError(
            f"`{folder}` has {free >> 20} MiB free, and the plan takes {(needed + _SPARE) >> 20}"
        )


def _unpacked_size(wheel: Path) -> int:
    return sum(member.file_size for member in _members(wheel))


def _members(wheel: Path) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = archive.infolist()
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise BadFile(f"`{wheel.name}` cannot be read as a wheel: {error}") from None
    if not all(stays_inside(member.filename.rstrip("/")) for member in members):
        raise BadFile(f"`{wheel.name}` has files outside its folder")
    return members


# -- saving -------------------------------------------------------------------------------------


def _prepare(
    plan: Plan,
    subject: ExaminedEnvironment,
    files: dict[str, tuple[Path, str]],
    command: str,
) -> RollBack:
    """Save whatever the plan may replace."""
    layout = subject.layout
    prefix = layout.prefix
    base = resolved(prefix)
    roots = [_below(folder, base) for folder in own_folders(layout)]
    scripts = _below(prefix / scripts_folder(layout), base)
    if (prefix / scripts).is_dir():
        roots.append(scripts)
    written = {
        path for file, _ in files.values() for path in _written(file, roots[0], scripts, layout)
    }
    removed = {
        _below(path, base) for each in _touched(plan, subject) for path in _files_of(each, base)
    }
    extra = sorted(
        path
        for path in written | removed
        if not any(root == "." or path.startswith(f"{root}/") for root in roots)
    )
    before = rollback.read_states(prefix, roots, extra)
    inside = {_below(folder, base) for folder in plan.folders}
    folders = {path.rpartition("/")[0] for path in removed if path.endswith(".py")}
    paths = {
        path
        for path in before
        if path in written
        or path in removed
        # All scripts: the installer makes those of entry points, which no wheel lists.
        or path.startswith(f"{scripts}/")
        or any(path.startswith(f"{folder}/") for folder in inside)
        # With a module go its compiled files, whether or not a RECORD lists them.
        or path.rpartition("/__pycache__")[0] in folders
    }
    roll_back = rollback.RollBack(
        prefix=prefix,
        state=rollback.APPLYING,
        roots=tuple(roots),
        extra=tuple(extra),
        before=before,
        packages=tuple(_row(change, files) for change in plan.changes),
        command=command,
    )
    rollback.begin(roll_back, sorted(paths))
    return roll_back


def _below(path: Path, base: Path) -> str:
    """Return a path below the environment, whatever links lead to its folder."""
    return (resolved(path.parent) / path.name).relative_to(base).as_posix()


def scripts_folder(layout: Layout) -> str:
    """Return the name of the folder for programs."""
    return "Scripts" if layout.is_windows else "bin"


def _touched(plan: Plan, subject: ExaminedEnvironment) -> Iterator[Installed]:
    """Yield every distribution whose files go: also those that another of the name hides."""
    names = {change.name for change in plan.changes}
    own = own_folders(subject.layout)
    inventory = subject.inventory
    for installed in (*inventory.distributions, *inventory.hidden):
        if installed.name in names and installed.site_packages in own:
            yield installed


def _files_of(installed: Installed, base: Path) -> Iterator[Path]:
    """Yield the files of a distribution. Raises BadTarget for one that has files elsewhere."""
    for path in read_owned(installed):
        file = Path(os.path.normpath(installed.site_packages / path))
        if not path or (file.is_dir() and not file.is_symlink()):
            continue
        if not resolved(file.parent).is_relative_to(base):
            raise BadTarget(
                f"{installed} has installed `{file}`, which is outside the environment",
                hints=[f"uninstall {installed.name} by hand"],
            )
        yield file
    yield from installed.folder.iterdir()


def _written(wheel: Path, packages: str, scripts: str, layout: Layout) -> Iterator[str]:
    """Yield the paths below the environment that a wheel is unpacked to."""
    version = ".".join(layout.python.split(".")[:2])
    include = f"include/site/python{version}" if not layout.is_windows else "Include"
    places = {
        "purelib": packages,
        "platlib": packages,
        "scripts": scripts,
        "headers": include,
        "data": "",
    }
    for member in _members(wheel):
        path = PurePosixPath(member.filename)
        if member.is_dir():
            continue
        if path.parts[0].endswith(".data") and len(path.parts) > 2:
            folder = places.get(path.parts[1])
            if folder is not None:
                yield str(PurePosixPath(folder, *path.parts[2:]))
        else:
            yield str(PurePosixPath(packages, *path.parts))


def _row(change: PackageChange, files: dict[str, tuple[Path, str]]) -> dict[str, Any]:
    """Return what the roll-back file has of a package: exact pin, URL and digest, both times."""
    before, wheel = change.before, change.wheel
    return {
        "name": change.name,
        "before": {
            "version": before.version,
            "url": before.origin.url if before.origin else None,
            "sha256": before.origin.sha256 if before.origin else None,
        }
        if before
        else None,
        "after": {"version": wheel.version, "url": wheel.url, "sha256": files[wheel.name][1]}
        if wheel
        else None,
    }


# -- installing ---------------------------------------------------------------------------------


def _install(
    plan: Plan,
    subject: ExaminedEnvironment,
    installer: Installer,
    files: dict[str, tuple[Path, str]],
    descriptors: tuple[int, ...],
) -> None:
    prefix = subject.layout.prefix
    log = prefix / rollback.FOLDER / "installer.log"
    twice = {installed.name for installed in subject.inventory.hidden}
    for installed in _touched(plan, subject):
        # An installer removes the files of one of two distributions of a name.
        if installed.name in twice:
            _remove_files(installed, resolved(prefix))
    for folder in plan.folders:
        _remove_folder(folder)
    there = [name for name in plan.removals if name not in twice]
    if there:
        _run(installer, [*installer.uninstall, *there], log, descriptors)
    if files:
        requirements = next(iter(files.values()))[0].parent / "requirements.txt"
        requirements.write_text("".join(_requirements(plan, files)), encoding="utf-8")
        words = [*installer.install, "--find-links", str(requirements.parent)]
        words += ["--require-hashes", "-r", str(requirements)]
        _run(installer, words, log, descriptors)
    for wheel in plan.wheels:
        if wheel.by_url:
            _record_origin(wheel, files[wheel.name][1], subject.layout)


def _requirements(plan: Plan, files: dict[str, tuple[Path, str]]) -> Iterator[str]:
    for wheel in plan.wheels:
        file, digest = files[wheel.name]
        # The name of a renamed wheel has another version than its METADATA.
        pin = f" @ {file.as_uri()}" if wheel.by_url else f"=={wheel.version}"
        yield f"{wheel.name}{pin} --hash=sha256:{digest}\n"


def _run(installer: Installer, words: list[str], log: Path, descriptors: tuple[int, ...]) -> None:
    try:
        status = installer.run(words, log, descriptors)
    except OSError as error:
        raise InstallFailed(f"{installer.name} cannot be run: {error}") from None
    if status != 0:
        raise InstallFailed(
            f"{installer.name} ended with status {status}, and everything is as it was\n"
            f"{last_lines(log)}"
        )


def _remove_files(installed: Installed, base: Path) -> None:
    for file in list(_files_of(installed, base)):
        file.unlink(missing_ok=True)
    shutil.rmtree(extended(str(installed.folder)), ignore_errors=True)


def _remove_folder(folder: Path) -> None:
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(extended(str(folder)))


def _record_origin(wheel: PlannedWheel, digest: str, layout: Layout) -> None:
    """Write the URL of a wheel into its record (PEP 610), where the installer wrote a file's."""
    installed = read_inventory(own_folders(layout)).find(wheel.name)
    if installed is None or not (installed.folder / _ORIGIN).is_file():
        return
    document = {
        "archive_info": {"hash": f"sha256={digest}", "hashes": {"sha256": digest}},
        "url": wheel.url,
    }
    content = json.dumps(document, sort_keys=True).encode("ascii")
    write_atomically(installed.folder / _ORIGIN, content)
    record = installed.folder / "RECORD"
    encoded = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    path = f"{installed.folder.name}/{_ORIGIN}"
    lines = [
        f"{path},sha256={encoded},{len(content)}" if line.startswith(f"{path},") else line
        for line in record.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    ]
    text = "".join(f"{line}\n" for line in lines)
    write_atomically(record, text.encode("utf-8", "surrogateescape"))


def _restore_shared(plan: Plan, subject: ExaminedEnvironment, roll_back: RollBack) -> None:
    """Bring back the files that an uninstallation took from a package that stays.

    Many wheels share a file, such as the `__init__.py` of a namespace.
    """
    base = resolved(subject.layout.prefix)
    names = {change.name for change in plan.changes}
    for installed in subject.inventory.distributions:
        if installed.name in names or installed.site_packages not in own_folders(subject.layout):
            continue
        for path in read_owned(installed):
            file = Path(os.path.normpath(installed.site_packages / path))
            if os.path.lexists(file) or not resolved(file.parent).is_relative_to(base):
                continue
            saved = roll_back.saved(_below(file, base))
            if saved.is_file():
                file.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(saved, file)


# -- afterwards ---------------------------------------------------------------------------------


def _differences(plan: Plan, layout: Layout) -> Iterator[Difference]:
    inventory = read_inventory(own_folders(layout))
    for change in plan.changes:
        installed = inventory.find(change.name)
        planned = change.wheel.version if change.wheel else None
        actual = installed.version if installed else None
        # METADATA of a renamed wheel lacks the label of its name.
        if planned != actual:
            yield Difference(change.name, planned, actual)


def read_undo(layout: Layout) -> tuple[RollBack, Undo]:
    """Return what `--undo` would do. Raises NotNeeded without a fix, BadTarget where that is not
    possible any more."""
    roll_back = rollback.read(layout.prefix)
    if roll_back is None:
        rollback.clean(layout.prefix)
        raise NotNeeded(f"`{layout.prefix}` has no fix that could be undone")
    steps = rollback.plan_undo(roll_back)
    if steps.changed_since:
        first, *others = steps.changed_since
        suffix = f" and {len(others)} more" if others else ""
        raise BadTarget(
            f"`{layout.prefix}` was changed after the fix: `{first}`{suffix}; undoing would"
            " mix the two",
            hints=[f"`{rollback.FOLDER}/rollback.json` has the versions from before"],
        )
    return roll_back, steps


__all__ = ["Difference", "apply", "check_fixable", "read_undo", "scripts_folder"]

"""The installed files: those that are missing, those that two distributions wrote, and those that
no distribution has."""

from __future__ import annotations

import base64
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cudalock.doctor.fixes import again, fixed
from cudalock.doctor.twins import keeping_one
from cudalock.environment.repairs import RemoveFolder
from cudalock.files import extended, read_small
from cudalock.findings import Finding
from cudalock.indexes.elf import is_cut_off
from cudalock.urls import local_path
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cudalock.compat.installed import ExaminedEnvironment
    from cudalock.environment import Installed

Record = dict[str, str]
"""The files of a distribution with their digests, by the path below site-packages."""

_LIBRARIES: Final = (".so", ".dll", ".pyd", ".dylib", ".exe", "/__init__.py")
"""Files without which an import, or the work after it, fails."""

_SMALL: Final = 1 << 16
"""Bytes of a library that is text for the linker; real ones are larger, and not read whole."""

_STRAY: Final = frozenset(
    ["tests", "test", "testing", "docs", "doc", "examples", "example", "benchmarks", "scripts"]
)
"""Folders that many publishers put beside their package by mistake, and that nobody imports."""


def examine(subject: ExaminedEnvironment) -> Iterator[Finding]:
    """The findings of all of these."""
    records = {
        installed.name: read_record(installed) for installed in subject.inventory.distributions
    }
    yield from _gone(records, subject)
    yield from _moved(subject)
    yield from _shared(records, subject)
    yield from _of_nobody(records, subject)


_LARGEST = 64 << 20
"""Bytes of a RECORD; torch's has two million."""


def read_record(installed: Installed) -> Record:
    """Return the files below site-packages that RECORD has; empty if there is none.

    RECORD of a large package has ten thousand lines, and few of its paths are quoted: so it is
    parsed by hand.
    """
    return {
        path: digest
        for path, digest in read_owned(installed).items()
        if not path.startswith(("../", "/")) and "__pycache__" not in path
    }


def read_owned(installed: Installed) -> Record:
    """Return all files of RECORD, also scripts and compiled files; empty if there is none."""
    try:
        text = read_small(installed.folder / "RECORD", _LARGEST).decode("utf-8", "replace")
    except OSError:
        return {}
    paths = {}
    for line in text.splitlines():
        path, _, columns = line.partition(",") if line[:1] != '"' else line[1:].partition('",')
        paths[path.replace("\\", "/")] = columns.partition(",")[0]
    return paths


def packages_of(installed: Installed) -> tuple[str, ...]:
    """Return what RECORD has to import: packages, or modules if there is no package."""
    record = read_record(installed)
    packages = [path.partition("/")[0] for path in record if path.count("/") == 1]
    packages = [
        name
        for name in dict.fromkeys(packages)
        if f"{name}/__init__.py" in record and _is_public(name)
    ]
    modules = [path.partition(".")[0] for path in record if "/" not in path and _is_py(path)]
    return tuple(packages or [name for name in dict.fromkeys(modules) if _is_public(name)])


def _is_public(name: str) -> bool:
    return name.isidentifier() and not name.startswith("_") and name not in _STRAY


def _gone(records: dict[str, Record], subject: ExaminedEnvironment) -> Iterator[Finding]:
    """Yield a finding for each member of the stack that lost files, to a virus scanner for
    instance."""
    for installed in subject.stack():
        if _lacks_record(installed):
            fix = again(installed, subject)
            yield Finding(
                "CL701",
                "warning",
                f"{installed} has no RECORD, without which no installer can take it away or "
                "replace it",
                fix=f"remove `{installed.folder.name}`, then {fix.text}",
                members=(installed.name,),
                repairs=(RemoveFolder(installed.folder), *fix.repairs),
            )
        base = str(installed.site_packages)
        # os.path and not pathlib: torch has ten thousand files.
        gone = [
            path
            for path in records[installed.name]
            if not os.path.exists(extended(f"{base}/{path}"))  # noqa: PTH110
        ]
        if gone:
            worst = [path for path in gone if path.endswith(_LIBRARIES) or ".so." in path]
            finding = Finding(
                "CL701",
                "error" if worst else "note",
                f"{installed} has lost {_listed([*worst, *(p for p in gone if p not in worst)])}",
                members=(installed.name,),
            )
            yield fixed(finding, again(installed, subject))
        record = records[installed.name]
        others = [other for name, other in records.items() if name != installed.name]
        cut_off = [
            path
            for path in record
            if _is_cut_off(path, installed, record) and not any(path in other for other in others)
        ]
        if cut_off:
            finding = Finding(
                "CL701",
                "error",
                f"{installed} has files that are cut off: {_listed(cut_off)}",
                members=(installed.name,),
            )
            yield fixed(finding, again(installed, subject))


def _is_cut_off(path: str, installed: Installed, record: Record) -> bool:
    """Whether a library is there in part, as a full disk or an update that was stopped leaves it.

    What others write over it is whole, and the finding about the two names it.
    """
    if not (path.endswith(".so") or ".so." in path):
        return False
    file = Path(extended(f"{installed.site_packages}/{path}"))
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            head = stream.read(64)
    except OSError:
        return False
    if head[:4] == b"\x7fELF":
        return is_cut_off(head, size)
    # Linkers take text as well, so that only RECORD tells.
    digest = record[path]
    return bool(digest) and size < _SMALL and digest != _digest(str(file))


def _moved(subject: ExaminedEnvironment) -> Iterator[Finding]:
    """Yield a finding for each project that is installed for editing from a folder that is gone."""
    for installed in subject.inventory.distributions:
        if installed.origin is None or not installed.origin.editable:
            continue
        folder = local_path(installed.origin.url)
        if folder and not Path(folder).exists():
            yield Finding(
                "CL701",
                "warning",
                f"{installed} is installed for editing from {folder}, which is not there",
                fix=f"install it again from where it is now, or uninstall {installed.name}",
                members=(installed.name,),
            )


def _lacks_record(installed: Installed) -> bool:
    """Whether pip installed it, and its RECORD is missing."""
    folder = installed.folder
    # Debian ships its packages without RECORD on purpose, so that pip leaves them alone.
    by_pip = installed.installer == "pip" and folder.suffix == ".dist-info"
    return by_pip and not (folder / "RECORD").exists()


def _shared(records: dict[str, Record], subject: ExaminedEnvironment) -> Iterator[Finding]:
    """Yield a finding for distributions that wrote different files at one path: the last one is
    there."""
    owners: dict[str, tuple[Installed, str]] = {}
    shared: dict[tuple[str, str], list[str]] = {}
    for installed in subject.inventory.distributions:
        for path, digest in records[installed.name].items():
            # RECORD has no digest for itself and for compiled files.
            if not digest or not _is_imported(path):
                continue
            # `build_backend.py` beside the package: from its build, and imported by nobody.
            if "/" not in path and not _is_own_module(path, installed, records):
                continue
            owner, other = owners.setdefault(
                f"{installed.site_packages}/{path}", (installed, digest)
            )
            # With one digest they agree: the empty file of a namespace that several share.
            if owner is not installed and other != digest:
                shared.setdefault((owner.name, installed.name), []).append(path)
    for names, paths in sorted(shared.items()):
        fact = subject.matrix.shared_fact(*names)
        winner = _winner(names, paths, records, subject)
        there = (
            f"what is there is of {winner}" if winner else "what is there is a mixture of the two"
        )
        finding = Finding(
            "CL703",
            "error" if fact is not None and fact.is_hard else "warning",
            f"{' and '.join(names)} both install {_listed(paths)}: {there}",
            facts=(fact.id,) if fact is not None else (),
            members=names,
        )
        yield fixed(finding, keeping_one(names, subject))


_MOST_HASHED: Final = 64 << 20
"""Bytes of the files whose digests are compared: the small ones tell as well as the large ones."""


def _winner(
    names: tuple[str, str],
    paths: Iterable[str],
    records: dict[str, Record],
    subject: ExaminedEnvironment,
) -> Installed | None:
    """Return the one of two distributions whose files are there, by their digests; None for files
    of both or of neither."""
    first, second = map(subject.inventory.find, names)
    if first is None or second is None:
        return None
    winners: set[str | None] = set()
    left = _MOST_HASHED
    for path in paths:
        full = extended(f"{first.site_packages}/{path}")
        with suppress(OSError):
            left -= os.stat(full).st_size  # noqa: PTH116 (long paths)
            if left < 0:
                break
            digest = _digest(full)
            owners = [name for name in names if records[name].get(path) == digest]
            winners.add(owners[0] if len(owners) == 1 else None)
    winner = winners.pop() if len(winners) == 1 else None
    return subject.inventory.find(winner) if winner else None


def _digest(path: str) -> str:
    """Return the digest of a file as RECORD has it."""
    digest = hashlib.sha256(read_small(path, _MOST_HASHED)).digest()
    return f"sha256={base64.urlsafe_b64encode(digest).decode('ascii').rstrip('=')}"


def _is_imported(path: str) -> bool:
    """Whether a file is where something may look for it, and is no stray."""
    first, slash, _ = path.partition("/")
    return (
        first not in _STRAY and not first.endswith(".dist-info") and (bool(slash) or _is_py(path))
    )


def _is_own_module(path: str, installed: Installed, records: dict[str, Record]) -> bool:
    """Whether a module that is one file is what a distribution is for: it has its name, or there is
    nothing else to import."""
    stem = path.partition(".")[0]
    packages = (other for other in records[installed.name] if other.endswith("/__init__.py"))
    return canonical(stem) == installed.name or next(packages, None) is None


def _is_py(path: str) -> bool:
    return path.endswith((".py", ".pyd", ".so"))


def _of_nobody(records: dict[str, Record], subject: ExaminedEnvironment) -> Iterator[Finding]:
    """Yield a finding for each package of the stack that no distribution has installed."""
    if not all(records.values()):
        return  # whose files those without a RECORD are is not known
    owned = {path.partition("/")[0] for record in records.values() for path in record}
    for name, component in subject.matrix.components.items():
        if subject.inventory.find(name) is not None:
            continue
        for base in subject.layout.site_packages:
            for folder in (base / module for module in component.imports):
                if folder.name not in owned and _has_files(folder):
                    yield Finding(
                        "CL701",
                        "warning",
                        f"`{folder}` is there, and no distribution that has it: an interrupted"
                        f" uninstallation of {name}",
                        fix=f"remove `{folder}`",
                        repairs=(RemoveFolder(folder),),
                    )


def _has_files(folder: Path) -> bool:
    try:
        return any(path.name != "__pycache__" for path in folder.iterdir())
    except OSError:
        return False


def _listed(paths: Iterable[str]) -> str:
    """`a.so, b.so and 12 more files`."""
    several = list(paths)
    remaining = len(several) - 2
    suffix = f" and {remaining} more file{'s' if remaining > 1 else ''}" if remaining > 0 else ""
    return ", ".join(f"`{path}`" for path in several[:2]) + suffix

"""What the folders themselves show: what is damaged, there twice, or made for another Python."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from cudalock.findings import Finding
from cudalock.health.commands import again, completing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cudalock.environment import Installed
    from cudalock.health.subject import Subject


def examine(subject: Subject) -> Iterator[Finding]:
    """The findings of all of these."""
    yield from _damaged(subject)
    yield from _twice(subject)
    yield from _of_another_python(subject)
    yield from _same_modules(subject)


def _damaged(subject: Subject) -> Iterator[Finding]:
    for each in subject.inventory.damaged:
        yield Finding(
            "CL701",
            "warning",
            f"`{each.folder}` {each.reason}",
            fix=f"remove the folder `{each.folder.name}`",
        )


def _twice(subject: Subject) -> Iterator[Finding]:
    for hidden in subject.inventory.hidden:
        shown = subject.inventory.find(hidden.name)
        if shown is None:
            continue
        beside = hidden.folder.parent == shown.folder.parent
        where = "twice in one folder" if beside else f"again in `{hidden.folder.parent}`"
        yield Finding(
            "CL702",
            "warning" if beside else "note",
            f"{hidden.name} is installed {where}: as {shown.version}, and as {hidden.version}",
            fix=f"uninstall {hidden.name} until it is gone, then install it once"
            if beside
            else None,
            members=(hidden.name,),
        )


def _of_another_python(subject: Subject) -> Iterator[Finding]:
    for each in subject.inventory.distributions:
        if subject.is_foreign(each):
            yield Finding(
                "CL704",
                "error",
                f"{each} was made for {each.tags[0]}, and this is {subject.layout.target.label}",
                fix=completing(each.name, subject) or again(each, subject),
                members=(each.name,),
            )


def _same_modules(subject: Subject) -> Iterator[Finding]:
    """Two distributions that wrote the same module: the one that came last is imported."""
    owners: dict[str, dict[str, Installed]] = {}
    for each in subject.inventory.distributions:
        for module, digest in _modules(each):
            owners.setdefault(f"{each.site_packages}/{module}", {})[digest] = each
    told = set()
    for path, found in sorted(owners.items()):
        names = tuple(sorted({each.name for each in found.values()}))
        # With one digest they agree: the empty file of a namespace that several share.
        if len(found) > 1 and len(names) > 1 and names not in told:
            told.add(names)
            module = path.rpartition("/")[0].rpartition("/")[2]
            yield Finding(
                "CL703",
                "warning",
                f"{' and '.join(names)} both install the import package `{module}`: it is a mixture"
                " of the two",
                fix=f"uninstall {' and '.join(names)}, then install the one that is wanted",
                members=names,
            )


def _modules(installed: Installed) -> Iterable[tuple[str, str]]:
    """`(path, digest)` of the top-level modules in RECORD."""
    try:
        text = (installed.folder / "RECORD").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    lines = (line for line in text.splitlines() if _is_package(line))
    try:
        return [(row[0], row[1]) for row in csv.reader(lines) if len(row) > 1 and row[1]]
    except csv.Error:
        return ()


def _is_package(line: str) -> bool:
    # RECORD of a large package has ten thousand lines: most are passed by without being parsed.
    path = line.partition(",")[0].replace("\\", "/")
    return path.endswith("/__init__.py") and path.count("/") == 1

"""What the folders themselves show: damaged, duplicate, or built for another Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.doctor.fixes import again, completing, fixed
from cudalock.environment.installer import refusal
from cudalock.environment.repairs import RemoveFolder
from cudalock.files import size_below
from cudalock.findings import Finding
from cudalock.text import bytes_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.compat.installed import ExaminedEnvironment


def examine(subject: ExaminedEnvironment) -> Iterator[Finding]:
    """The findings of all of these."""
    yield from _damaged(subject)
    yield from _left_over(subject)
    yield from _twice(subject)
    yield from _of_another_python(subject)
    yield from _managed(subject)


def _damaged(subject: ExaminedEnvironment) -> Iterator[Finding]:
    for folder in subject.inventory.damaged:
        yield Finding(
            "CL701",
            "warning",
            f"`{folder.folder}` {folder.reason}",
            fix=f"remove `{folder.folder.name}`",
            repairs=(RemoveFolder(folder.folder),),
        )


def _left_over(subject: ExaminedEnvironment) -> Iterator[Finding]:
    """Yield the folders that pip renamed before it replaced them: nothing imports them, and those
    of a large package have gigabytes."""
    for base in subject.layout.site_packages:
        for folder in sorted(base.glob("~*")):
            if folder.suffix not in (".dist-info", ".egg-info") and folder.is_dir():
                yield Finding(
                    "CL701",
                    "warning",
                    f"`{folder}` ({bytes_text(size_below(folder))}) is what an interrupted pip left"
                    " behind",
                    fix=f"remove `{folder.name}`",
                    repairs=(RemoveFolder(folder),),
                )


def _twice(subject: ExaminedEnvironment) -> Iterator[Finding]:
    for hidden in subject.inventory.hidden:
        shown = subject.inventory.find(hidden.name)
        if shown is None:
            continue
        beside = hidden.folder.parent == shown.folder.parent
        if hidden.version == shown.version:
            # A second folder of metadata, as Debian leaves some, or the same release of a shared
            # Python: whichever is read says the same.
            continue
        where = "twice in one folder" if beside else f"again in `{hidden.folder.parent}`"
        yield Finding(
            "CL702",
            "warning" if beside else "note",
            f"{hidden.name} is installed {where}: as {shown.version}, and as {hidden.version}",
            fix=f"uninstall {hidden.name} until it is gone, then install it once"
            if beside
            else None,
            members=(hidden.name,),
            repairs=(RemoveFolder(hidden.folder), *again(shown, subject).repairs) if beside else (),
        )


def _of_another_python(subject: ExaminedEnvironment) -> Iterator[Finding]:
    for installed in subject.inventory.distributions:
        if subject.is_foreign(installed):
            finding = Finding(
                "CL704",
                "error",
                f"{installed} was made for {installed.tags[0]}, and this is "
                f"{subject.layout.target.label}",
                members=(installed.name,),
            )
            yield fixed(finding, completing(installed.name, subject) or again(installed, subject))


def _managed(subject: ExaminedEnvironment) -> Iterator[Finding]:
    refused = refusal(subject.layout)
    if refused is not None:
        why, remedy = refused
        yield Finding("CL706", "note", why, fix=f"{remedy}, and install there")

"""What the folders themselves show: damaged, duplicate, or built for another Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.doctor.fixes import again, completing
from cudalock.environment.installer import refusal
from cudalock.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.compat.installed import ExaminedEnvironment


def examine(subject: ExaminedEnvironment) -> Iterator[Finding]:
    """The findings of all of these."""
    yield from _damaged(subject)
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
        )


def _twice(subject: ExaminedEnvironment) -> Iterator[Finding]:
    for hidden in subject.inventory.hidden:
        shown = subject.inventory.find(hidden.name)
        if shown is None:
            continue
        beside = hidden.folder.parent == shown.folder.parent
        if beside and hidden.version == shown.version:
            # A second folder of metadata, as Debian leaves some: whichever is read says the same.
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
        )


def _of_another_python(subject: ExaminedEnvironment) -> Iterator[Finding]:
    for installed in subject.inventory.distributions:
        if subject.is_foreign(installed):
            yield Finding(
                "CL704",
                "error",
                f"{installed} was made for {installed.tags[0]}, and this is "
                f"{subject.layout.target.label}",
                fix=completing(installed.name, subject) or again(installed, subject),
                members=(installed.name,),
            )


def _managed(subject: ExaminedEnvironment) -> Iterator[Finding]:
    refused = refusal(subject.layout)
    if refused is not None:
        why, remedy = refused
        yield Finding("CL706", "note", why, fix=f"{remedy}, and install there")

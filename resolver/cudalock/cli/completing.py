"""The values that a shell completes: platforms, GPUs, tables, components, codes, facts, files.

A press of the tab key waits for this, so it reads the matrix's files and runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from cudalock.records import NamedTuple

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

    from cudalock.matrix.matrix import Matrix


class Value(NamedTuple):
    """A word that completes what was typed, and what it is, for shells that show it."""

    text: str
    help: str = ""


Completer = Callable[["click.Context", "click.Parameter", str], "list[CompletionItem]"]


def completed(*kinds: str) -> Completer:
    """Return what completes a parameter whose values are of these kinds of `KINDS`.

    `file` and `folder` leave it to the shell. A value after a comma is completed too.
    """

    def complete(
        ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        before, comma, last = incomplete.rpartition(",")
        items = [
            CompletionItem(before + comma + value.text, help=value.help)
            for value in _values(kinds, ctx)
            if value.text.lower().startswith(last.lower())
        ]
        # Shells ask for either; what is typed so far tells which was meant.
        files = [_FILES[kind] for kind in kinds if kind in _FILES]
        if files and not items:
            return [CompletionItem(incomplete, type=files[0])]
        return items

    return complete


_FILES: Final = {"file": "file", "folder": "dir"}


def _values(kinds: tuple[str, ...], ctx: click.Context) -> Iterator[Value]:
    from cudalock.errors import CudalockError
    from cudalock.matrix.matrix import Matrix

    folder = ctx.params.get("matrix") or ctx.params.get("directory")
    try:
        matrix = Matrix.load(folder, lambda _: None)
        for kind in kinds:
            if kind in KINDS:
                yield from KINDS[kind](matrix)
    except (CudalockError, OSError, LookupError):
        # Nobody reads an error between two keys: the command itself prints it.
        return


def _platforms(matrix: Matrix) -> Iterator[Value]:
    from cudalock.targets import PLATFORMS

    for platform in PLATFORMS.values():
        yield Value(platform.flag, platform.label)
    for release in matrix.jetpacks.releases.values():
        yield Value(f"jetpack-{release.version}", "Jetson boards")
    yield from _distributions(matrix)


def _distributions(matrix: Matrix) -> Iterator[Value]:
    for row in matrix.distributions.rows:
        for release, glibc in row["releases"].items():
            yield Value(f"{row['names'][0]}{release}", f"{row['title']} {release}, glibc {glibc}")


def _pythons(_matrix: Matrix) -> Iterator[Value]:
    from cudalock.targets import PYTHONS

    yield from (Value(version) for version in PYTHONS)


def _gpus(matrix: Matrix) -> Iterator[Value]:
    # bash splits a value at a space; names are read with hyphens as well.
    for model in matrix.gpus.models.values():
        vendor = matrix.gpus.vendor_title(model.vendor)
        yield Value(model.name.replace(" ", "-"), f"{vendor} {model.name}, {model.architecture}")


def _drivers(matrix: Matrix) -> Iterator[Value]:
    releases = matrix.vendor_table("drivers")["releases"]
    branches = {driver: release for release in releases if (driver := matrix.driver_of(release))}
    for branch, release in branches.items():
        yield Value(branch, f"of CUDA {release} and newer")


def _cuda(matrix: Matrix) -> Iterator[Value]:
    from cudalock.targets.accelerators import AUTO, CPU

    minors = dict.fromkeys(
        ".".join(release.split(".")[:2])
        for release in reversed(list(matrix.toolkits.releases))
        if "rc" not in release
    )
    yield from (Value(minor) for minor in minors)
    yield Value(CPU, "a build without CUDA")
    yield Value(AUTO, "no limit")


def _accelerators(_matrix: Matrix) -> Iterator[Value]:
    from cudalock.targets.accelerators import ACCELERATORS, AUTO, CPU

    for name, row in ACCELERATORS.items():
        yield Value(name, row.title)
    yield Value(CPU, "no accelerator")
    yield Value(AUTO, "that of the target")


def _toolkits(matrix: Matrix) -> Iterator[Value]:
    yield from (Value(release) for release in reversed(list(matrix.toolkits.releases)))


def _framework_versions(matrix: Matrix) -> Iterator[Value]:
    yield Value("latest")
    if matrix.framework:
        yield from (Value(version) for version in reversed(matrix.versions(matrix.framework)))


def _projects(matrix: Matrix) -> Iterator[Value]:
    yield from (Value(name) for name in sorted(matrix.names.projects))


def _aliases(matrix: Matrix) -> Iterator[Value]:
    for alias, project in sorted(matrix.names.aliases.items()):
        if " " not in alias:
            yield Value(alias, project)


def _virtual(matrix: Matrix) -> Iterator[Value]:
    from cudalock.show.export import VENDOR_TABLES

    yield from (Value(name.removesuffix("s")) for name in VENDOR_TABLES[:2])
    yield Value("cuda")


def _tables(matrix: Matrix) -> Iterator[Value]:
    from cudalock.show import read_definitions

    yield from (Value(table.name, table.title) for table in read_definitions(matrix).values())


def _codes(_matrix: Matrix) -> Iterator[Value]:
    from cudalock.findings import RULES

    yield from (Value(rule.code, rule.summary) for rule in RULES.values())


def _facts(matrix: Matrix) -> Iterator[Value]:
    yield from (Value(id, f"{fact.component} {fact.says}") for id, fact in matrix.facts.items())


def _builders(_matrix: Matrix) -> Iterator[Value]:
    from cudalock.goals.values import BUILDERS

    yield from map(Value, BUILDERS)


KINDS: Final[Mapping[str, Callable[[Any], Iterator[Value]]]] = {
    "accelerator": _accelerators,
    "alias": _aliases,
    "builders": _builders,
    "code": _codes,
    "cuda": _cuda,
    "distribution": _distributions,
    "driver": _drivers,
    "fact": _facts,
    "framework": _framework_versions,
    "gpu": _gpus,
    "platform": _platforms,
    "project": _projects,
    "python": _pythons,
    "table": _tables,
    "toolkit": _toolkits,
    "virtual": _virtual,
}

OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "--python": ("python", "folder"),
    "--platform": ("platform",),
    "--glibc": ("distribution",),
    "--gpu": ("gpu",),
    "--driver": ("driver",),
    "--cuda": ("cuda",),
    "--accelerator": ("accelerator",),
    "--toolkit": ("toolkit",),
    "--builders": ("builders",),
    "--skip": ("project",),
    "--allow-build": ("project",),
    "--requirement": ("file",),
    "--constraint": ("file",),
}
"""What the options of a goal and a target take, by their long names."""

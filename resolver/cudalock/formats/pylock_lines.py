"""Several lines of one project as one pylock.toml: extras or dependency groups of PEP 751.

Each entry has a marker that names the lines it is for, also what all of them have: without an extra
nothing is installed, and not a part. Of groups the first line is the default one. Two lines at once
are refused by pip and uv, since two entries of one name would match.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cudalock.errors import Contradiction
from cudalock.formats import InstallCommand, LinedFormat, WriteOptions
from cudalock.formats.header import of_lines
from cudalock.formats.pylock import FILE, as_pylock, as_toml, check_name
from cudalock.formats.python_ranges import requires_python
from cudalock.lock.lines import restated
from cudalock.lock.markers import full_marker
from cudalock.lock.sources import needs_own_build
from cudalock.text import ascii_line, listed, one_line, shell_file, shell_word
from cudalock.versions import parse_marker, specifier_set

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from packaging.pylock import Package

    from cudalock.lock.lines import Line, LinedLock

_VARIABLES = {"extras": "extras", "groups": "dependency_groups"}


def render(lined: LinedLock, options: WriteOptions) -> str:
    """Return the file's text. Raises as the render of one lock does."""
    from packaging.pylock import Pylock
    from packaging.utils import canonicalize_name
    from packaging.version import Version

    check_name(options.filename or FILE)
    if options.hashes == "off":
        raise Contradiction(
            "`--hashes off` cannot be combined with pylock.toml, which always has hashes"
        )
    names = [line.name for line in lined.lines]
    as_groups = options.lines_as == "groups"
    document = Pylock(
        lock_version=Version("1.0"),
        environments=[
            parse_marker(marker) for marker in dict.fromkeys(map(full_marker, lined.targets))
        ],
        requires_python=specifier_set(requires_python(lined.targets)),
        extras=None if as_groups else [canonicalize_name(name) for name in names],
        dependency_groups=names if as_groups else None,
        default_groups=names[:1] if as_groups else None,
        created_by="cudalock",
        packages=list(_packages(lined, options)),
        tool={
            "cudalock": {
                "command": one_line(lined.command),
                "matrix": lined.lines[0].lock.matrix_version,
                "lines": names,
            }
        },
    )
    document.validate()
    return "\n".join(_header(lined, options)) + "\n\n" + as_toml(document.to_dict())


def _header(lined: LinedLock, options: WriteOptions) -> Iterator[str]:
    for target in lined.targets:
        yield f"# cudalock: {ascii_line(target.label)}"
    yield f"# command: {one_line(lined.command)}"
    yield f"# matrix: {ascii_line(lined.lines[0].lock.matrix_version)}"
    needs = of_lines((line.name, line.lock.needs) for line in lined.lines)
    yield f"# needs: {ascii_line(listed(needs))}"
    warnings = of_lines((line.name, tuple(map(str, line.lock.warnings))) for line in lined.lines)
    for warning in warnings:
        yield f"# warning: {ascii_line(warning)}"
    for note in lined.notes:
        yield f"# note: {one_line(str(note))}"
    for tool, command in install_commands(lined, options):
        yield f"# with {tool}: {command}"


def _packages(lined: LinedLock, options: WriteOptions) -> Iterator[Package]:
    """Yield the entries of all lines by name; those that lines share are one."""
    by_name: dict[str, list[tuple[Package, dict[str, str | None]]]] = {}
    for line in lined.lines:
        for package in _of_line(line, lined, options):
            bare = replace(package, marker=None)
            alike = by_name.setdefault(package.name, [])
            markers = next((markers for other, markers in alike if other == bare), None)
            # One line may have an entry twice, for targets that take different files.
            if markers is None or line.name in markers:
                markers = {}
                alike.append((bare, markers))
            markers[line.name] = str(package.marker) if package.marker else None
    for name in sorted(by_name):
        for package, markers in by_name[name]:
            marker = _marker(markers, _VARIABLES[options.lines_as])
            yield replace(package, marker=parse_marker(marker))


def _of_line(line: Line, lined: LinedLock, options: WriteOptions) -> Sequence[Package]:
    targets = lined.targets
    pins = tuple(restated(line.lock, targets))
    lock = replace(line.lock, pins=pins, target=targets[0], others=targets[1:])
    return as_pylock(lock, options.addresses, options.wheels).packages


def _marker(markers: dict[str, str | None], variable: str) -> str:
    """Return the marker of an entry by its marker in each line that has it."""
    lines_by_marker: dict[str | None, list[str]] = {}
    for line, marker in markers.items():
        lines_by_marker.setdefault(marker, []).append(line)
    parts = []
    for marker, lines in lines_by_marker.items():
        chosen = " or ".join(f"'{line}' in {variable}" for line in lines)
        if marker is None:
            parts.append(chosen)
        else:
            parts.append(f"({chosen}) and ({marker})")
    return parts[0] if len(parts) == 1 else " or ".join(f"({part})" for part in parts)


def install_commands(lined: LinedLock, options: WriteOptions) -> tuple[InstallCommand, ...]:
    """Return the commands that install the last line, which is no default."""
    file, name = options.filename or FILE, lined.lines[-1].name
    own_build = any(
        needs_own_build(line.lock, is_folder=options.wheels is not None) for line in lined.lines
    )
    isolation = "--no-build-isolation " if own_build else ""
    flags = "--no-deps " if any(line.lock.replaced for line in lined.lines) else ""
    if options.lines_as == "groups":
        return (
            InstallCommand("uv", f"uv pip install {isolation}-r {shell_file(file)} --group {name}"),
        )
    return (
        InstallCommand("pip", f"pip install {flags}{isolation}-r {shell_word(f'{file}[{name}]')}"),
        InstallCommand("uv", f"uv pip install {isolation}--extra {name} -r {shell_file(file)}"),
    )


LINES: Final = LinedFormat(render, install_commands)

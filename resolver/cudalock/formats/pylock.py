"""A lock as pylock.toml (PEP 751), for pip and uv.

What is written was tried with both. Their habits that shape it:

- pip feeds the entries to its own resolver and so needs the whole closure; uv installs what is
  there and checks nothing. So all of it is always written.
- A file without `environments` and `requires-python` installs on the wrong machine in silence.
- A wheel whose file name has a local version that its METADATA lacks is refused by one or the other
  in every form but one: as `archive`, with the file name's version.
- uv installs a wheel with an empty table of hashes unverified, so a wheel without a digest is never
  written.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from cudalock.errors import Contradiction, HashesMissing, NetworkError, OutputError
from cudalock.formats import Format, InstallCommand, WriteOptions
from cudalock.formats.header import header_lines
from cudalock.formats.python_ranges import requires_python
from cudalock.goals.goal import stated_accelerator
from cudalock.lock.markers import full_marker
from cudalock.lock.sources import NO_INDEX, needs_own_build
from cudalock.lock.wheels import all_wheels, split_by_wheel, targets_of, wheels_of_targets
from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.targets.accelerators import LIBRARIES
from cudalock.text import one_line, shell_file, shell_word
from cudalock.urls import encoded, local_path, without_credentials
from cudalock.versions import parse_marker, project_and_version, specifier_set

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from packaging.pylock import Package, PackageWheel, Pylock
    from packaging.version import Version

    from cudalock.lock import FileUrl, Lock, LockedWheel, Pin

FILE: Final = "pylock.toml"
_MOMENT: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.(?P<fraction>[0-9]+))?"
    r"(?:Z|(?P<zone>[+-][0-9]{2}:[0-9]{2}))?"
)
_FILE_NAME: Final = r"pylock(\.[^.]+)?\.toml"


def render(lock: Lock, options: WriteOptions) -> str:
    """Return the file's text.

    Raises HashesMissing for a wheel without a digest, OutputError for a file name that installers
    do not accept, NetworkError for a wheel without a URL.
    """
    filename, wheels = options.filename or FILE, options.wheels
    check_name(filename)
    if options.hashes == "off":
        raise Contradiction(
            "`--hashes off` cannot be combined with pylock.toml, which always has hashes"
        )
    document = as_pylock(lock, options.addresses, wheels)
    document.validate()
    header = list(
        header_lines(lock, user_index_urls=(options.index_url, *options.extra_index_urls))
    )
    header += [f"# with {tool}: {command}" for tool, command in install_commands(lock, options)]
    if wheels is not None:
        header.append(f"# fetch: cudalock fetch {shell_file(filename)} -d {shell_word(wheels)}")
        header += [f"# note: {NO_INDEX}"] if lock.built else []
    return "\n".join(header) + "\n\n" + as_toml(document.to_dict())


def is_name(filename: str) -> bool:
    """Return whether installers accept a pylock file of this name."""
    return re.fullmatch(_FILE_NAME, filename) is not None


def check_name(filename: str) -> None:
    """Raise OutputError for a file name that installers do not accept."""
    if not is_name(filename):
        stem = PurePath(filename).name.removesuffix(".toml").removeprefix("pylock").strip(".")
        plain = re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-")
        name = f"pylock.{plain}.toml" if plain else FILE
        raise OutputError(
            f"invalid name for a pylock file: `{filename}`; "
            "use pylock.toml, or pylock.NAME.toml where NAME has no dot",
            hints=[f"-o {shell_word(name)}"],
        )


def _beside(filename: str) -> str:
    """Return `pylock.cudalock.toml` for `pylock.toml`: the part between may not have a dot."""
    middle = filename.removeprefix("pylock").removesuffix(".toml").strip(".")
    return f"pylock.{middle}-cudalock.toml" if middle else "pylock.cudalock.toml"


def install_commands(lock: Lock, options: WriteOptions) -> tuple[InstallCommand, ...]:
    """Return the command with which each tool installs the file."""
    flags = "--no-deps " if lock.replaced else ""
    isolation = (
        "--no-build-isolation "
        if needs_own_build(lock, is_folder=options.wheels is not None)
        else ""
    )
    file = shell_file(options.filename or FILE)
    return (
        InstallCommand("pip", f"pip install {flags}{isolation}-r {file}"),
        InstallCommand("uv", f"uv pip install {isolation}-r {file}"),
    )


def as_pylock(lock: Lock, addresses: Mapping[str, FileUrl], wheels: str | None = None) -> Pylock:
    """Return the document of packaging. Raises as `render` does."""
    from packaging.pylock import Pylock
    from packaging.version import Version

    complete = _addressed(split_by_wheel(lock) if wheels is not None else lock, addresses, wheels)
    _demand_hashes(complete)
    indexes = {index.id: without_credentials(index.url or "") or None for index in lock.indexes}
    indexes[PACKAGE_INDEX] = next((marker.index for marker in addresses.values()), None)
    return Pylock(
        lock_version=Version("1.0"),
        environments=[
            parse_marker(marker) for marker in dict.fromkeys(map(full_marker, lock.targets))
        ],
        requires_python=specifier_set(requires_python(lock.targets)),
        created_by="cudalock",
        packages=[_package(pin, complete, addresses, indexes, wheels) for pin in complete.pins],
        tool={"cudalock": _facts(lock)},
    )


def _addressed(lock: Lock, addresses: Mapping[str, FileUrl], wheels: str | None) -> Lock:
    """Return the lock with the URLs and digests that index pages add."""
    return replace(
        lock,
        pins=tuple(
            replace(
                pin,
                wheel=_filled(pin.wheel, addresses, wheels),
                wheels=tuple(
                    _filled(locked_wheel, addresses, wheels) for locked_wheel in all_wheels(pin)
                ),
            )
            for pin in lock.pins
        ),
    )


def _filled(
    wheel: LockedWheel, addresses: Mapping[str, FileUrl], wheels: str | None
) -> LockedWheel:
    address = addresses.get(wheel.file)
    if address is not None:
        return replace(wheel, url=wheel.url or address.url, sha256=wheel.sha256 or address.sha256)
    if wheel.url is None and wheels is None:
        raise NetworkError(f"the URL of `{wheel.file}` is unknown")
    return wheel


def _demand_hashes(lock: Lock) -> None:
    """Raise HashesMissing, unless each wheel that a target takes has a digest."""
    bare = {
        wheel.file: wheel.size
        for pin in lock.pins
        for wheel in wheels_of_targets(pin, lock)
        if wheel.sha256 is None
    }
    if bare:
        raise HashesMissing(
            bare,
            hints=[
                "`--fetch-hashes` looks them up, or computes them from the wheels",
                "`--format requirements` writes a lock without hashes",
            ],
        )


def _package(
    pin: Pin,
    lock: Lock,
    addresses: Mapping[str, FileUrl],
    indexes: Mapping[str, str | None],
    folder: str | None,
) -> Package:
    from packaging.pylock import Package, PackageArchive, PackageSdist
    from packaging.utils import canonicalize_name

    wheel = pin.wheel
    where: dict[str, Any] = {}
    if wheel.renamed:
        where["archive"] = PackageArchive(**_place(wheel, addresses, folder))
    else:
        # uv would install a wheel without a hash unverified.
        where["wheels"] = [
            _wheel(locked_wheel, addresses, folder)
            for locked_wheel in pin.wheels
            if locked_wheel.sha256 is not None and not locked_wheel.is_source
        ] or None
        if pin.archive is not None:
            where["sdist"] = PackageSdist(**_place(pin.archive, addresses, folder))
    if wheel.index is not None and not wheel.renamed and indexes.get(wheel.index):
        where["index"] = indexes[wheel.index]
    return Package(
        name=canonicalize_name(pin.name),
        version=_version(wheel),
        marker=parse_marker(pin.marker) if pin.marker else None,
        dependencies=list(_dependencies(pin, lock)) or None,
        tool=_package_tool(pin, folder),
        **where,
    )


def _version(wheel: LockedWheel) -> Version:
    """Return the version in a file's name."""
    from packaging.utils import parse_sdist_filename

    if not wheel.is_source:
        return project_and_version(wheel.file)[1]
    # packaging knows the two endings of PEP 625 and before; older archives have others.
    stem = re.sub(r"\.(tgz|tar\.\w+)$", ".tar.gz", wheel.file)
    return parse_sdist_filename(stem)[1]


def _wheel(
    wheel: LockedWheel, addresses: Mapping[str, FileUrl], folder: str | None
) -> PackageWheel:
    from packaging.pylock import PackageWheel

    place = _place(wheel, addresses, folder)
    # pip before 26.3 reads the name from the URL without decoding `%2B`.
    named = place.get("url", wheel.file).endswith(wheel.file)
    return PackageWheel(name=None if named else wheel.file, **place)


def _place(
    wheel: LockedWheel, addresses: Mapping[str, FileUrl], folder: str | None
) -> dict[str, Any]:
    address = addresses.get(wheel.file)
    place: dict[str, Any] = {"hashes": {"sha256": wheel.sha256}}
    if folder is not None:
        place["path"] = f"{folder}/{wheel.file}"
    elif path := local_path(wheel.url):
        place["path"] = path
    else:
        # No installer expands a variable here.
        place["url"] = without_credentials(encoded(wheel.url or ""))
    size = wheel.size if address is None else address.size
    if size is not None:
        place["size"] = size
    uploaded = _moment(address.uploaded_at) if address is not None else None
    if uploaded is not None:
        place["upload_time"] = uploaded
    return place


def _moment(text: str | None) -> datetime | None:
    """Return what an index says of the time of an upload; None for nothing, or what is no time.

    pip's `--uploaded-prior-to` needs it for every wheel, and refuses a lock without it.
    """
    # Python 3.10 reads neither `Z` nor any number of digits of a second.
    match = _MOMENT.fullmatch(text or "")
    if match is None:
        return None
    zone = match["zone"] or "+00:00"
    microseconds = f"{match['fraction'] or ''}000000"[:6]
    try:
        moment = datetime.fromisoformat(f"{match[1]}T{match[2]}.{microseconds}{zone}")
        return moment.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def _package_tool(pin: Pin, folder: str | None) -> dict[str, Any] | None:
    """Return the facts that decided the pin, and for `cudalock fetch` the URL of its wheel."""
    table: dict[str, Any] = {}
    if pin.facts:
        table["facts"] = list(pin.facts)
    if folder is not None and pin.wheel.url is not None:
        table["urls"] = {pin.wheel.file: pin.wheel.url}
    return {"cudalock": table} if table else None


def _dependencies(pin: Pin, lock: Lock) -> Iterator[dict[str, str]]:
    """Yield the packages that a pin requires, with what distinguishes pins of one name."""
    here = set(targets_of(pin, lock))
    for name in pin.requires:
        namesakes = [namesake for namesake in lock.pins if namesake.name == name]
        for other in namesakes:
            if len(namesakes) == 1:
                yield {"name": name}
            elif here & set(targets_of(other, lock)):
                dependency = {
                    "name": name,
                    "version": str(_version(other.wheel)),
                }
                if (
                    other.marker
                    and sum(namesake.version == other.version for namesake in namesakes) > 1
                ):
                    dependency["marker"] = other.marker
                yield dependency


def _facts(lock: Lock) -> dict[str, Any]:
    goal: dict[str, Any] = {"requirements": list(map(str, lock.goal.requirements))}
    if lock.goal.constraints:
        goal["constraints"] = list(map(str, lock.goal.constraints))
    goal |= stated_accelerator(lock.goal)
    for name in LIBRARIES:
        if getattr(lock.goal, name):
            goal[name] = getattr(lock.goal, name)
    if lock.goal.toolkit:
        version, parts = lock.goal.toolkit
        goal["toolkit"] = {"version": version, "parts": list(parts)}
    facts = {fact for pin in lock.pins for fact in pin.facts}
    facts |= {warning.fact for warning in lock.warnings}
    table: dict[str, Any] = {"command": one_line(lock.command), "matrix": lock.matrix_version}
    if lock.cuda:
        table["cuda"] = lock.cuda
    elif lock.accelerator:
        table["accelerator"] = dict(zip(("name", "version"), lock.accelerator, strict=True))
    return {**table, "needs": list(lock.needs), "facts": sorted(facts), "goal": goal}


# -- text ---------------------------------------------------------------------------------------


def as_toml(document: Mapping[str, Any]) -> str:
    """Return the document in the layout of the specification: wheels inline, one a line."""
    import tomlkit

    text = tomlkit.document()
    for key, content in document.items():
        if key == "packages":
            text.add(key, _array_of_tables(content))
        elif key == "tool":
            text.add(key, tomlkit.item({"cudalock": content["cudalock"]}))
        else:
            text.add(key, _array(content) if isinstance(content, list) else _inline(content))
    return tomlkit.dumps(text)


def _array_of_tables(packages: Iterable[Mapping[str, Any]]) -> Any:
    import tomlkit

    tables = tomlkit.aot()
    for package in packages:
        table = tomlkit.table()
        for key, content in package.items():
            table.add(
                key, _array(content) if isinstance(content, list | tuple) else _inline(content)
            )
        tables.append(table)
    return tables


def _array(strings: Sequence[Any]) -> Any:
    import tomlkit

    array = tomlkit.array()
    array.extend([_inline(string) for string in strings])
    return array.multiline(bool(strings))


def _inline(content: Any) -> Any:
    """Return a value with every table in it on one line."""
    import tomlkit

    if isinstance(content, dict):
        table = tomlkit.inline_table()
        for key, field in content.items():
            if field is not None:
                table.add(key, _inline(field))
        return table
    # Markers contain double quotes: a literal string needs no escapes.
    if isinstance(content, str) and '"' in content and not set("'\n") & set(content):
        return tomlkit.string(content, literal=True)
    return tomlkit.item(content)


def _of_line(filename: str, line: str) -> str:
    """Return `pylock.cu126.toml` for `pylock.toml`: the part between may not have a dot."""
    middle = filename.removeprefix("pylock").removesuffix(".toml").strip(".")
    return f"pylock.{middle}-{line}.toml" if middle else f"pylock.{line}.toml"


FORMAT: Final = Format(
    render,
    FILE,
    install_commands,
    needs_urls=True,
    paths_from_file=True,
    check_name=check_name,
    pip_needed="26.1",
    beside=_beside,
    of_line=_of_line,
    lines="pylock_lines",
)

"""`read(render(lock)) == lock`: what each format says, read by the readers that `check` uses."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from packaging.markers import Marker
from packaging.utils import parse_wheel_filename

from cudalock.cli.machine import read_queries
from cudalock.cli.options import GoalOptions, OptionValues
from cudalock.cli.settings import ProjectSettings
from cudalock.cli.solve import solve
from cudalock.errors import BadFile
from cudalock.formats import DEFAULTS, WriteOptions, load_format
from cudalock.formats.constraints import constrained_pins
from cudalock.formats.json_lock import read as read_json
from cudalock.formats.uv.plan import direct_names
from cudalock.goals import command_line
from cudalock.lock import FileUrl
from cudalock.lock.wheels import (
    all_wheels,
    split_by_wheel,
    targets_of,
    wheel_for,
    wheels_without_url,
    with_urls,
)
from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.matrix.universe import ClosedUniverse
from cudalock.projects.kinds import kind_of
from cudalock.projects.locks.graph import entries_for
from cudalock.projects.locks.lock_pins import LockedPin, read_command, read_pins
from cudalock.projects.read import read_file
from cudalock.solving import build_lock
from cudalock.urls import encoded, file_of
from tests.sample_locks import GOALS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cudalock.lock import Lock, LockedWheel, Pin
    from cudalock.matrix.matrix import Matrix
    from cudalock.projects.model import ProjectFile
    from cudalock.targets import Target

MORE = [
    "--torch 2.5.1 --fa2 --python 3.11 --platform linux --platform windows",
    "--torch 2.4.1 --xformers --bnb --python 3.10 --python 3.12 --platform linux",
    "--torch 2.3.1 --triton --python 3.11 --platform windows --gpu 8.6",
    "numpy transformers --torch 2.6 --platform linux --platform macos --python 3.11",
    "--torch 2.8 --accelerator rocm6.4 --platform linux",
    "--torch 2.8 --accelerator xpu --platform linux",
    "numpy --platform jetpack-6.2 --python 3.10",
]
INDEX = "https://index.example/simple"


@pytest.fixture(scope="module", params=[*GOALS, *MORE])
def lock(request: pytest.FixtureRequest, matrix: Matrix) -> Lock:
    """The lock of a goal, as the command line makes it."""
    words = shlex.split(request.param)
    words += [] if "--python" in words else ["--python", "3.11"]
    values = OptionValues(
        solve.make_context("solve", [*words, "-q", "--no-detect"]), ProjectSettings()
    )
    universe = ClosedUniverse(matrix)
    queries = read_queries(GoalOptions.of(values, values.flags["goal"]), universe)
    command = command_line(queries[0][0], *(target for _, target in queries))
    return build_lock(queries, universe, command)


@pytest.fixture(scope="module")
def addresses(lock: Lock) -> Mapping[str, FileUrl]:
    """What a listing of an index would add."""
    return {
        wheel.file: FileUrl(f"https://files.example/{wheel.file}", "0" * 64, 12, INDEX)
        for _, wheel in wheels_without_url(lock)
    } | {
        wheel.file: FileUrl(wheel.url or "", "1" * 64, None, INDEX)
        for pin in lock.pins
        for wheel in all_wheels(pin)
        if wheel.url is not None and wheel.sha256 is None
    }


def written(lock: Lock, format: str, name: str, options: WriteOptions = DEFAULTS) -> ProjectFile:
    """What is read from what is written."""
    text = load_format(format).render(lock, options)
    kind = "constraints" if format == "constraints" else None
    file = read_file("-", text.encode(), kind=kind or kind_of(name))
    assert file.problems == ()
    assert file.encode() == text.encode()
    return file


def hashes(*wheels: str | None) -> tuple[str, ...]:
    return tuple(sorted({each for each in wheels if each}))


@pytest.mark.parametrize("urls", [False, True])
def test_requirements(lock: Lock, urls: bool) -> None:
    file = written(lock, "requirements", "requirements.txt", WriteOptions(urls=urls))
    by_address = lock.by_address
    placed = with_urls(lock) if urls else split_by_wheel(lock, lambda p: p in by_address)
    hashed = not placed.unhashed
    expected = []
    for pin in placed.pins:
        digests = hashes(pin.wheel.sha256, *pin.hashes) if hashed else ()
        if pin in placed.by_address:
            url, digests = encoded(pin.wheel.url or ""), digests and hashes(pin.wheel.sha256)
            read = LockedPin(pin.name, None, pin.wheel.file, url, digests, pin.marker)
        else:
            read = LockedPin(pin.name, pin.version, None, None, digests, pin.marker)
        expected.append(read)
    assert list(read_pins(file)) == expected
    indexes = () if urls else tuple(str(each.url) for each in placed.searched_indexes)
    assert file.extra_index_urls == indexes
    assert_command(file, lock)


def test_requirements_of_a_folder_of_wheels(lock: Lock) -> None:
    file = written(lock, "requirements", "requirements.txt", WriteOptions(wheels="wheels"))
    placed = split_by_wheel(lock)
    hashed = not placed.unhashed
    found = [(pin.file, pin.url, pin.marker, pin.hashes) for pin in read_pins(file)]
    assert found == [
        (
            pin.wheel.file,
            f"./wheels/{pin.wheel.file}",
            pin.marker,
            hashes(pin.wheel.sha256) if hashed else (),
        )
        for pin in placed.pins
    ]
    assert file.no_index


def test_constraints(lock: Lock) -> None:
    file = written(lock, "constraints", "constraints.txt")
    pins = constrained_pins(lock)
    expected = [LockedPin(pin.name, pin.version, marker=pin.marker) for pin in pins]
    assert list(read_pins(file)) == expected
    assert {each.role for each in file.declared} <= {"constraint"}
    assert_command(file, lock)


def test_pylock(lock: Lock, addresses: Mapping[str, FileUrl]) -> None:
    options = WriteOptions(addresses=addresses)
    file = written(lock, "pylock", "pylock.toml", options)
    assert len(file.declared) == len(lock.pins)
    for entry, pin in zip(file.declared, lock.pins, strict=True):
        assert entry.name == pin.name
        assert entry.version == str(parse_wheel_filename(pin.wheel.file)[1])
        assert entry.marker == (str(Marker(pin.marker)) if pin.marker else None)
        wheels = [pin.wheel] if pin.wheel.renamed else [*pin.wheels]
        expected = {wheel.file: stated(wheel, addresses) for wheel in wheels}
        assert {each.name: (each.url, each.hashes) for each in entry.files} == {
            name: found for name, found in expected.items() if found[1] != ()
        }
        assert (entry.url is not None) == pin.wheel.renamed
        if not pin.wheel.renamed and pin.wheel.index is not None:
            theirs = {index.id: index.url for index in lock.indexes}
            theirs[PACKAGE_INDEX] = INDEX if addresses else None
            assert entry.index == theirs[pin.wheel.index]
        assert {edge.name for edge in entry.requires} == set(pin.requires)
    assert file.settings["command"] == lock.command
    assert_command(file, lock)
    for target in lock.targets:
        reached = entries_for(file, target.marker_environment())
        assert [each.name for each in reached] == [pin.name for pin in holding(lock, target)]


def stated(
    wheel: LockedWheel, addresses: Mapping[str, FileUrl]
) -> tuple[str | None, tuple[str, ...]]:
    address = addresses.get(wheel.file)
    digest = wheel.sha256 or (address.sha256 if address else None)
    url = wheel.url or (address.url if address else "")
    return encoded(url), (f"sha256:{digest}",) if digest else ()


def holding(lock: Lock, target: Target) -> list[Pin]:
    return [pin for pin in lock.pins if target in targets_of(pin, lock)]


def test_uv_project(lock: Lock) -> None:
    """Target by target: equal versions of several pins are written as one."""
    file = written(lock, "uv", "pyproject.toml")
    direct = direct_names(lock)
    for target in lock.targets:
        environment = {**target.marker_environment(), "extra": ""}

        def holds(marker: str | None, environment: dict[str, str] = environment) -> bool:
            return marker is None or Marker(marker).evaluate(environment)

        entries = [each for each in file.declared if holds(each.marker)]
        found = {each.name: each.version for each in entries if each.role != "override"}
        # What the metadata of another pin holds to its version is not written.
        pins = [pin for pin in holding(lock, target) if not pin.held or pin.name in direct]
        assert found == {pin.name: pin.version for pin in pins}
        for pin in pins:
            (entry,) = (e for e in entries if e.name == pin.name and e.role != "override")
            sources = [each for each in file.sources_for(entry) if holds(each.marker)]
            if pin.wheel.builder is not None:
                (source,) = sources
                assert file_of(source.url or "") == wheel_for(pin, target).file
            elif entry.role == "requirement" and pin.wheel.index != PACKAGE_INDEX:
                (source,) = sources
                index = file.index_named(source.index or "")
                known = {each.id: each.url for each in lock.indexes}
                assert index is not None
                assert (index.url, index.explicit) == (known[pin.wheel.index or ""], True)
            else:
                assert sources == []
    assert [said.value for said in file.environments]
    assert_command(file, lock)


def test_json(lock: Lock) -> None:
    for one in (lock, replace(lock, installer="pip --python .venv install")):
        assert read_json(load_format("json").render(one, DEFAULTS)) == one


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"schema": "other/1"}', '{"schema": "cudalock.solve/1"}', "[" * 99999],
)
def test_json_that_is_no_lock(text: str) -> None:
    with pytest.raises(BadFile):
        read_json(text)


def assert_command(file: ProjectFile, lock: Lock) -> None:
    said = read_command(file)
    assert said is not None
    assert said.value == lock.command
    assert (
        file.text[said.place.start : said.place.end].strip('"').replace('\\"', '"') == lock.command
    )


def test_a_file_without_a_command() -> None:
    for text in ("torch\n", "# command: rm -rf\n", 'command = "cudalock \n'):
        assert read_command(read_file("-", text.encode())) is None

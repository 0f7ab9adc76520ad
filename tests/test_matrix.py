"""The embedded matrix: each rule about its data, and what damaged data earns."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from cudalock.errors import MatrixError
from cudalock.facts import BASES, EFFECTS, NONE, Fact, Labels
from cudalock.matrix import Matrix, data_directory
from cudalock.releases import KNOWN, PACKAGE_INDEX, Build, Release
from cudalock.target import Tags, Target

MATRIX = Matrix.load()
PROJECTS = sorted(MATRIX.projects)
FACTS = sorted(MATRIX.facts.values(), key=lambda fact: fact.id)
# In two pieces, so that the tests themselves hold no such name.
INDEX_HOSTS = ("pypi" + ".org", "python" + "hosted.org", "pypi" + ".python" + ".org")
RELEASE_KEYS = {
    *("uploaded", "python", "yanked", "requires", "default", "wheels", "builds", "sdist"),
}
BUILD_KEYS = {
    *("index", "builder", "tag", "local", "labels", "python", "requires", "known", "source"),
    *("warning", "renamed", "wheels"),
}
DAY = re.compile(r"20\d\d-\d\d-\d\d")


@cache
def document(project: str) -> dict[str, Any]:
    path = MATRIX.directory / "index" / f"{project}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def releases(project: str) -> Iterator[Release]:
    found = MATRIX.project(project)
    assert found is not None
    yield from found


# -- generated rows -------------------------------------------------------------------------------


@pytest.mark.parametrize("project", PROJECTS)
def test_an_index_file_is_json_and_lines(project: str) -> None:
    table = document(project)
    held = MATRIX.project(project)
    assert held is not None
    assert project == canonicalize_name(project) == table["project"] == held.name
    assert DAY.fullmatch(table["retrieved"])
    assert table["sources"]
    assert list(table["releases"]) == held.versions
    text = (MATRIX.directory / "index" / f"{project}.json").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith('"') and ": {" in line]
    assert [
        line.partition('"')[2].partition('"')[0] for line in lines if line != '"releases": {'
    ] == (held.versions)
    assert held.versions == sorted(held.versions, key=Version)
    assert held.versions


@pytest.mark.parametrize("project", PROJECTS)
def test_releases_say_known_things(project: str) -> None:
    for version, row in document(project)["releases"].items():
        where = f"{project} {version}"
        assert Version(version).local is None, where
        assert row.keys() <= RELEASE_KEYS, where
        assert ("wheels" in row) != ("builds" in row), where
        if "uploaded" in row:
            assert DAY.fullmatch(row["uploaded"]), where
        for text in row.get("requires", ()):
            assert str(Requirement(text)) == text, where
        SpecifierSet(row.get("python", ""))
        for build in row.get("builds", ()):
            assert build.keys() <= BUILD_KEYS, where
            assert ("index" in build) != ("builder" in build), where
            assert ("tag" in build) == ("builder" in build), where
            assert build.get("known", KNOWN[0]) in KNOWN, where
            for text in build.get("requires", ()):
                assert str(Requirement(text)) == text, where
            assert build["wheels"], where


@pytest.mark.parametrize("project", PROJECTS)
def test_file_names_rebuild_and_digests_are_digests(project: str) -> None:
    for release in releases(project):
        seen: Counter[tuple[str | None, ...]] = Counter()
        for build in release.builds:
            for row, wheel in zip(build.rows, build.wheels, strict=True):
                file = wheel.file(release.version, build.local)
                if row[1] is not None:
                    assert re.fullmatch(r"[0-9a-f]{64}", row[1]), file
                name, version, _, tags = parse_wheel_filename(file)
                assert version == Version(
                    release.version + (f"+{build.local}" if build.local else "")
                )
                assert tags, file
                assert name == project or len(row) > 2, file
                seen[build.index, build.builder, build.tag, file, wheel.sha256] += 1
            assert build.tags == sorted(build.tags), f"{project} {release.version}"
        assert [row for row, times in seen.items() if times > 1] == []


@pytest.mark.parametrize("project", PROJECTS)
def test_builds_name_indexes_and_builders_that_exist(project: str) -> None:
    for release in releases(project):
        for build in release.builds:
            assert MATRIX.trust(build) in ("own", "known", "other")
            if build.builder is not None:
                assert project.startswith(MATRIX.builders[build.builder].project)
            for wheel in build.wheels[:1]:
                url = MATRIX.url(build, wheel, release.version)
                if build.index == PACKAGE_INDEX:
                    assert url is None
                else:
                    assert url is not None
                    assert re.fullmatch(r"https://[^ {}]+/[^ {}+/]+\.whl", url), url


def test_labels_are_known_ones() -> None:
    names = {
        label
        for project in PROJECTS
        for release in releases(project)
        for build in release.builds
        for label in build.labels
    }
    asked = {
        label
        for fact in FACTS
        if fact.component in MATRIX.projects
        for demand in (*fact.beside, *fact.of_machine)
        for label in demand.template.label_names
    }
    keys = {key for fact in FACTS if fact.component in MATRIX.projects for key in fact.where}
    assert names >= asked - {"version"}
    assert names >= keys - {"index", "builder", "tag", "local"}


def test_the_torch_builds_have_the_labels_that_facts_ask_for() -> None:
    for release in releases("torch"):
        for build in release.builds:
            where = f"torch {release.version} {build.index} {build.local}"
            assert build.labels.get("cuda"), where
            for cuda in build.labels["cuda"]:
                assert cuda == NONE or re.fullmatch(r"\d+\.\d+(\.\d+)?", cuda), where
            assert set(build.labels.get("cxx11abi", ())) <= {"0", "1"}, where


def test_a_default_build_is_one_that_exists() -> None:
    for release in releases("torch"):
        minor = release.default["cuda"]
        made_with = {
            ".".join(cuda.split(".")[:2])
            for build in release.builds
            if build.index == PACKAGE_INDEX
            for cuda in build.labels.get("cuda", ())
        }
        assert minor in made_with, release.version


MACHINES = [
    Target("3.11", "linux-x86_64"),
    Target("3.11", "linux-aarch64"),
    Target("3.11", "windows-x86_64"),
    Target("3.11", "macos-arm64"),
]


def test_what_torch_pins_exists_for_the_platform() -> None:
    missing = set()
    for target in MACHINES:
        environment = target.marker_environment()
        tags = target.tags()
        for release in releases("torch"):
            for build in release.builds:
                if not any(tags.rank(each) is not None for each in build.tags):
                    continue
                for text in build.requires:
                    missing |= _missing(text, environment, tags, f"torch {release.version}")
    assert sorted(missing) == []


def _missing(text: str, environment: dict[str, str], tags: Tags, of: str) -> set[str]:
    requirement = Requirement(text)
    exact = [str(each) for each in requirement.specifier if each.operator == "=="]
    if not exact or exact[0].endswith("*"):
        return set()
    if requirement.marker and not requirement.marker.evaluate(environment):
        return set()
    held = MATRIX.project(canonicalize_name(requirement.name))
    found = held and [
        version for version in held.versions if requirement.specifier.contains(version)
    ]
    if not held or not found:
        return {f"{of} requires {text}, which is not held"}
    builds = [build for version in found for build in held.release(version).builds]
    if any(tags.rank(each) is not None for build in builds for each in build.tags):
        return set()
    return {f"{of} requires {text}, which has no wheel for {environment['platform_machine']}"}


def test_every_name_a_wheel_requires_is_held() -> None:
    """So that a goal of the stack solves without a network, on each platform."""
    lacking = set()
    for target in MACHINES:
        environment = {**target.marker_environment(), "extra": ""}
        for project in ("torch", "xformers", "flash-attn", "bitsandbytes", "torchvision"):
            for release in releases(project):
                for build in release.builds:
                    for text in build.requires:
                        requirement = Requirement(text)
                        marker = requirement.marker
                        name = canonicalize_name(requirement.name)
                        if (marker is None or marker.evaluate(environment)) and (
                            name not in MATRIX.projects
                        ):
                            lacking.add(name)
    assert sorted(lacking) == []


# -- facts ----------------------------------------------------------------------------------------


def test_ids_are_unique_and_spelt_alike() -> None:
    ids = [fact.id for component in MATRIX.components.values() for fact in component.facts]
    assert sorted(ids) == sorted(set(ids))
    assert [id for id in ids if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", id)] == []


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.id)
def test_a_fact_says_what_it_rests_on(fact: Fact) -> None:
    assert fact.says
    assert not fact.says.endswith(".")
    assert fact.basis in BASES
    assert fact.effect in EFFECTS
    assert all(fact.source)
    assert DAY.fullmatch(fact.checked)
    assert fact.scope in ("solve", "environment")
    if fact.when is not None:
        Marker(fact.when)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.id)
def test_a_fact_covers_something(fact: Fact) -> None:
    covered = SpecifierSet(fact.versions)
    project = MATRIX.project(fact.component)
    if project is None or fact.scope != "solve":
        # What is found in an environment may be older than anything that is offered.
        return
    hit = [version for version in project.versions if covered.contains(version, prereleases=True)]
    assert hit, f"`{fact.versions}` is none of {fact.component}"
    if fact.where:
        rows = [_row(build) for version in hit for build in project.release(version).builds]
        assert any(_covers(fact, row) for row in rows), fact.where


def _row(build: Build) -> Labels:
    place = {name: getattr(build, name) for name in ("index", "builder", "tag", "local")}
    return {**build.labels, **{name: (value,) for name, value in place.items() if value}}


def _covers(fact: Fact, row: Labels) -> bool:
    return all(
        any(fnmatchcase(value, pattern) for value in row.get(key, ()) for pattern in patterns)
        for key, patterns in fact.where.items()
    )


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.id)
def test_clauses_parse_for_every_row(fact: Fact) -> None:
    project = MATRIX.project(fact.component)
    rows: list[Build | None] = [None]
    if project is not None:
        rows = [build for release in project for build in release.builds]
    fillings = set()
    for demand in (*fact.beside, *fact.of_machine):
        name = demand.template.name
        known = {*MATRIX.components, *MATRIX.projects}
        assert name in known, name
        for build in rows:
            labels = {**(build.labels if build else {}), "version": ("1.0",)}
            clause = demand.template.fill(labels)
            if clause is not None:
                fillings |= set(clause.specifiers) - {NONE}
    for specifier in fillings:
        SpecifierSet(specifier)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.id)
def test_a_symptom_is_more_than_a_word_of_any_message(fact: Fact) -> None:
    for symptom in fact.symptom:
        assert symptom == symptom.strip(), symptom
        assert "\n" not in symptom, symptom
        assert len(symptom.replace("*", "")) >= 6, symptom


def test_what_stands_for_a_name_is_a_fact() -> None:
    for component in MATRIX.components.values():
        for alias in component.alias_of:
            assert alias.fact is None or alias.fact in MATRIX.facts
            assert alias.name in MATRIX.projects
        for replacement in component.replacements:
            assert replacement.fact in MATRIX.facts


def test_aliases_mean_one_component_each() -> None:
    words = [
        alias.lower().replace("_", "-").replace(" ", "-")
        for component in MATRIX.components.values()
        for alias in set(component.aliases)
    ]
    owners: dict[str, set[str]] = {}
    for component in MATRIX.components.values():
        for alias in component.aliases:
            owners.setdefault(canonicalize_name(alias.replace(" ", "-")), set()).add(component.name)
    assert words
    assert {alias: found for alias, found in owners.items() if len(found) > 1} == {}


# -- the vendor's tables --------------------------------------------------------------------------


def test_toolkits_name_wheels_that_exist() -> None:
    missing = [
        f"CUDA {release} {platform}: {name} {version}"
        for release in MATRIX.toolkits
        for platform in ("linux-x86_64", "windows-x86_64")
        for name, version in MATRIX.toolkit_pins(release, (), platform).items()
        if not _has_wheel(name, version, Target("3.11", platform))
    ]
    assert missing == []


def _has_wheel(name: str, version: str, target: Target) -> bool:
    held = MATRIX.project(name)
    if held is None or version not in held:
        return False
    tags = target.tags()
    builds = held.release(version).builds
    return any(tags.rank(each) is not None for build in builds for each in build.tags)


def test_a_toolkit_that_differs_from_its_metadata_says_why() -> None:
    for release, row in MATRIX.toolkits.items():
        assert row["source"], release
        assert ("published" in row) <= ("reason" in row), release
    assert MATRIX.toolkits["12.5.1"]["pins"]["nvidia-cublas-cu12"] == "12.5.3.2"
    assert MATRIX.toolkits["12.5.1"]["published"]["nvidia-cublas-cu12"] == "12.5.2.13"


def test_gpus_have_a_compute_capability() -> None:
    assert all(re.fullmatch(r"\d{1,2}\.\d", value) for value in MATRIX.gpus.values())
    assert MATRIX.gpu("NVIDIA GeForce RTX 4090") == MATRIX.gpu("8.9") == "8.9"


# -- the whole ------------------------------------------------------------------------------------


def test_the_matrix_has_a_version_that_is_a_date() -> None:
    assert re.fullmatch(r"20\d\d\.\d\d\.\d\d(\.\d+)?", MATRIX.version)
    assert MATRIX.framework == "torch"


def test_no_address_of_the_package_index_is_embedded() -> None:
    files = [path for path in data_directory().rglob("*") if path.is_file()]
    assert len(files) > 100
    named = [
        path.name
        for path in files
        for host in INDEX_HOSTS
        if host in path.read_text(encoding="utf-8")
    ]
    assert named == []


# -- damage ---------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A matrix of one project and one component, whole."""
    for folder in ("index", "components", "cuda"):
        (tmp_path / folder).mkdir()
    (tmp_path / "matrix.toml").write_text(
        'schema = 1\nversion = "2026.01.02"\n[[index]]\nid = "pypi"\ntrust = "own"\n'
    )
    (tmp_path / "index" / "thing.json").write_text(
        '{\n"project": "thing",\n"retrieved": "2026-01-02",\n"sources": ["made up"],\n'
        '"releases": {\n"1.0": {"wheels":[["py3-none-any",null]]},\n'
        '"1.1": {"builds":[{"index":"pypi","known":"seen","wheels":[["py3-none-any",null]]}]}\n'
        "}\n}\n"
    )
    (tmp_path / "components" / "thing.toml").write_text(
        'name = "thing"\nkind = "project"\n[[fact]]\nid = "thing-one"\nrequires = ["other>=1"]\n'
        'effect = "breaks"\nsays = "needs another"\nbasis = "docs"\nsource = ["https://example.com"]\n'
        "checked = 2026-01-02\n"
    )
    (tmp_path / "cuda" / "gpus.json").write_text('{"gpus": {"A1": "8.0"}, "capabilities": {}}')
    return tmp_path


def read_all(directory: Path) -> None:
    matrix = Matrix.load(directory)
    project = matrix.project("thing")
    assert project is not None
    for release in project:
        for build in release.builds:
            matrix.trust(build)
    assert matrix.facts
    assert matrix.gpu("A1") == "8.0"


def test_the_small_matrix_is_whole(small: Path) -> None:
    read_all(small)


def cut(text: str) -> str:
    return text[:-8]


def swap(old: str, new: str) -> Callable[[str], str]:
    def edit(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return edit


@pytest.mark.parametrize(
    ("file", "edit", "said"),
    [
        ("matrix.toml", swap("schema", "= schema"), "matrix.toml: cannot be read"),
        ("matrix.toml", swap('version = "2026.01.02"\n', ""), "matrix.toml: version"),
        ("matrix.toml", swap('id = "pypi"\n', ""), "matrix.toml: id"),
        ("matrix.toml", swap('id = "pypi"', 'id = "other"'), "matrix.toml: index"),
        ("index/thing.json", cut, "thing.json: releases"),
        ("index/thing.json", swap('"retrieved"', '"gone"'), "thing.json: has a damaged header"),
        ("index/thing.json", swap('"project": "thing"', '"project": thing'), "thing.json"),
        ("index/thing.json", swap('"1.0": {', '"1.0": '), "thing.json: releases"),
        ("index/thing.json", swap("null]]}", "null]}"), "thing.json: releases['1.0']"),
        ("index/thing.json", swap('"seen"', '"guessed"'), "thing.json: releases['1.1']"),
        ("index/thing.json", swap('"known":"seen","wheels"', '"what"'), "releases['1.1']"),
        ("components/thing.toml", swap("[[fact]]", "[[fact]"), "thing.toml: cannot be read"),
        ("components/thing.toml", swap('name = "thing"', "name = 1"), "thing.toml: name"),
        ("components/thing.toml", swap('id = "thing-one"', ""), "thing.toml: fact[0].id"),
        ("components/thing.toml", swap('"https://example.com"', ""), "thing.toml: fact[0].source"),
        ("components/thing.toml", swap('says = "needs another"', ""), "thing.toml: fact[0].says"),
        ("components/thing.toml", swap("2026-01-02", '""'), "thing.toml: fact[0].checked"),
        ("components/thing.toml", swap('"breaks"', '"hurts"'), "thing.toml: fact[0].effect"),
        ("components/thing.toml", swap('"docs"', '"a hunch"'), "thing.toml: fact[0].basis"),
        ("components/thing.toml", swap("other>=1", ">=1"), "thing.toml: fact[0].requires[0]"),
        ("cuda/gpus.json", cut, "gpus.json: cannot be read"),
    ],
)
def test_damage_is_named(small: Path, file: str, edit: Callable[[str], str], said: str) -> None:
    path = small / file
    path.write_text(edit(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(MatrixError) as caught:
        read_all(small)
    assert said in str(caught.value)
    assert caught.value.exit_status == 2
    assert caught.value.file == Path(file).name


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("components/thing.toml", 'requires = ["other>>1"]', "fact[0].requires[0]"),
        ("components/thing.toml", 'requires = ["other=={nothing:odd}"]', "fact[0].requires[0]"),
        ("components/thing.toml", "when = \"sys_platform = 'linux'\"", "fact[0].when"),
        ("components/thing.toml", 'for = ">>1"', "fact[0].for"),
    ],
)
def test_a_fact_that_cannot_be_parsed_is_named(
    small: Path, file: str, text: str, said: str
) -> None:
    path = small / file
    lines = path.read_text(encoding="utf-8")
    path.write_text(lines.replace('requires = ["other>=1"]', text), encoding="utf-8")
    with pytest.raises(MatrixError) as caught:
        read_all(small)
    assert said in str(caught.value)


def test_an_id_used_twice_is_named(small: Path) -> None:
    text = (small / "components" / "thing.toml").read_text(encoding="utf-8")
    other = text.replace('name = "thing"', 'name = "another"')
    (small / "components" / "another.toml").write_text(other, encoding="utf-8")
    with pytest.raises(MatrixError, match="thing-one"):
        read_all(small)


def test_a_missing_matrix_is_named(tmp_path: Path) -> None:
    with pytest.raises(MatrixError, match=r"matrix\.toml: cannot be read"):
        Matrix.load(tmp_path)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("matrix.toml", "matrix.toml"),
        ("index/torch.json", "torch.json"),
        ("index/sympy.json", "sympy.json"),
        ("components/flash-attn.toml", "flash-attn.toml"),
    ],
)
def test_damage_of_the_real_matrix_reaches_the_user(tmp_path: Path, file: str, said: str) -> None:
    from click.testing import CliRunner

    from cudalock.cli import main

    directory = tmp_path / "matrix"
    shutil.copytree(MATRIX.directory, directory)
    path = directory / file
    path.write_text(path.read_text(encoding="utf-8")[:-40], encoding="utf-8")
    words = ["solve", "--torch", "2.5.1", "--fa2", "--python", "3.11", "--platform", "linux"]
    result = CliRunner().invoke(main, [*words, "--offline", "--matrix", str(directory)])
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert said in result.stderr
    assert "Traceback" not in result.stderr

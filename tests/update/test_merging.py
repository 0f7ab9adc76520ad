"""What is listed merged into what is held: the same makes the same, and each rule by itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cudalock.matrix.matrix import EMBEDDED, Matrix
from cudalock.update.files import IndexFile
from cudalock.update.merge import LISTED, Listed, WheelPlace, merge_release, system_of
from cudalock.update.toolkits import merge_cudnn, merge_toolkits, vendor_text

MATRIX = Matrix.load(EMBEDDED)
PYPI = WheelPlace("index", "pypi")


def tables(project: str) -> dict[str, Any]:
    text = MATRIX.file(f"index/{project}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def listed(project: str, version: str, place: WheelPlace) -> list[Listed]:
    """Everything that is held in a place, as its listing says it."""
    held = MATRIX.project(project)
    assert held is not None
    return [
        Listed(
            version=version,
            tags=str(row[0]),
            local=build.local,
            tag=build.tag,
            sha256=row[1],
            dist=(row[2] if len(row) > 2 else {}).get("dist"),
            python=build.python if place == PYPI else None,
            requires=build.requires if place == PYPI else None,
            known="derived",
        )
        for build in held.release(version).builds
        if getattr(build, place.kind) == place.id
        for row in build.rows
    ]


@pytest.mark.parametrize("project", sorted(MATRIX.projects))
def test_a_listing_of_what_is_held_changes_nothing(project: str) -> None:
    for version, table in tables(project)["releases"].items():
        held = MATRIX.project(project)
        assert held is not None
        places = {
            WheelPlace("index", build.index)
            if build.index
            else WheelPlace("builder", str(build.builder))
            for build in held.release(version).builds
        }
        for place in sorted(places):
            said = {key: table[key] for key in LISTED if key in table} if place == PYPI else None
            wheels = listed(project, version, place)
            merged, change = merge_release(project, version, table, place, wheels, said)
            assert merged is table, f"{project} {version} {place}"
            assert (change.added, change.changed, change.gone) == ((), (), ())


def test_a_file_is_written_as_it_was() -> None:
    for project in ("torch", "flash-attn", "six"):
        table = tables(project)
        file = IndexFile(
            project,
            table["retrieved"],
            tuple(table["sources"]),
            table["releases"],
            tuple(table["older"]) if "older" in table else None,
        )
        assert file.text() == MATRIX.file(f"index/{project}.json").read_text(encoding="utf-8")


HELD = {
    "uploaded": "2026-01-01",
    "requires": ["torch"],
    "builds": [
        {
            "index": "pypi",
            "labels": {"cuda": "12.4"},
            "wheels": [["cp311-cp311-linux_x86_64", "a"]],
        },
        {"index": "pypi", "labels": {"cuda": "none"}, "wheels": [["cp311-cp311-win_amd64", "b"]]},
    ],
}


def merge(*wheels: Listed, **said: Any) -> tuple[Any, Any]:
    return merge_release("x", "1", HELD, PYPI, wheels, said)


def test_a_new_wheel_joins_the_build_of_its_platform() -> None:
    old = [Listed("1", "cp311-cp311-linux_x86_64"), Listed("1", "cp311-cp311-win_amd64")]
    new = [Listed("1", "cp312-cp312-manylinux_2_28_x86_64", sha256="c", labels={"cuda": "9"})]
    merged, change = merge(*old, *new)
    assert change.added == ("cp312-cp312-manylinux_2_28_x86_64",)
    assert merged["builds"][0]["wheels"][1] == ["cp312-cp312-manylinux_2_28_x86_64", "c"]
    assert merged["builds"][0]["labels"] == {"cuda": "12.4"}


def test_a_new_platform_begins_a_build() -> None:
    old = [Listed("1", "cp311-cp311-linux_x86_64"), Listed("1", "cp311-cp311-win_amd64")]
    new = [Listed("1", "cp312-cp312-linux_aarch64", labels={"cuda": "9"}, known="metadata")]
    merged, _ = merge(*old, *new)
    assert merged["builds"][2] == {
        "index": "pypi",
        "labels": {"cuda": "9"},
        "wheels": [["cp312-cp312-linux_aarch64", None]],
    }


def test_requirements_that_differ_are_the_builds_own() -> None:
    old = Listed("1", "cp311-cp311-linux_x86_64", requires=("torch",))
    other = Listed("1", "cp311-cp311-win_amd64", requires=("torch", "six"))
    merged, change = merge(old, other, requires=["torch", "six"])
    assert merged["requires"] == ["torch"]
    assert merged["builds"][1]["requires"] == ["torch", "six"]
    assert change.changed == ("cp311-cp311-win_amd64",)


def test_another_digest_is_told() -> None:
    wheels = [Listed("1", "cp311-cp311-linux_x86_64", sha256="z")]
    _, change = merge(*wheels, Listed("1", "cp311-cp311-win_amd64"))
    assert change.rehashed == ("cp311-cp311-linux_x86_64",)


def test_a_release_without_any_wheel_is_none() -> None:
    merged, change = merge()
    assert merged is None
    assert len(change.gone) == 2


def test_a_release_of_an_sdist_alone_stays() -> None:
    merged, _ = merge(sdist=True)
    assert merged == {"uploaded": "2026-01-01", "requires": ["torch"], "sdist": True, "wheels": []}


WHEEL = [["cp311-cp311-win_amd64", "a"]]


@pytest.mark.parametrize(
    ("held", "listed", "expected"),
    [
        pytest.param({"sdist": True, "wheels": WHEEL}, {"sdist": True}, True, id="stays"),
        pytest.param({"sdist": True, "wheels": WHEEL}, {}, None, id="is gone from the index"),
        pytest.param({"wheels": WHEEL}, {"sdist": True}, None, id="a row without it stays so"),
        pytest.param(None, {"sdist": True}, True, id="a new release"),
    ],
)
def test_an_sdist_beside_wheels(held: Any, listed: dict[str, Any], expected: bool | None) -> None:
    wheel = Listed("1", "cp311-cp311-win_amd64", sha256="a")
    merged, _ = merge_release("x", "1", held, PYPI, [wheel], listed)
    assert merged is not None
    assert merged.get("sdist") is expected


def test_another_spelling_is_no_change() -> None:
    held = {
        "requires": ["huggingface_hub>=0.20", "PyYAML", "torch; extra == 'all'"],
        "wheels": [["py3-none-any", "a"]],
    }
    requires = ("huggingface-hub>=0.20", 'torch; extra == "all"', "pyyaml")
    wheel = Listed("1", "py3-none-any", sha256="a", requires=requires, known="metadata")
    merged, change = merge_release("x", "1", held, PYPI, [wheel], {"requires": list(requires)})
    assert merged is held
    assert not (change.added)
    assert not (change.changed)
    assert not (change.gone)
    other = wheel._replace(requires=("huggingface-hub>=0.21", *requires[1:]))
    merged, change = merge_release("x", "1", held, PYPI, [other], {"requires": list(requires)})
    assert change.changed


def test_a_computed_digest_gives_way_to_a_published_one() -> None:
    held = {"wheels": [["py3-none-any", "a", {"computed": "2026-01-02"}]]}
    same, change = merge_release(
        "x", "1", held, PYPI, [Listed("1", "py3-none-any", sha256="a")], {}
    )
    assert same == {"wheels": [["py3-none-any", "a"]]}
    assert change.rehashed == ()
    _, change = merge_release("x", "1", held, PYPI, [Listed("1", "py3-none-any", sha256="b")], {})
    assert change.rehashed == ("py3-none-any",)


@pytest.mark.parametrize(
    ("tags", "system"),
    [
        ("cp310-cp310-manylinux_2_28_x86_64", ("linux", "x86_64")),
        ("3-cp310-cp310-manylinux1_x86_64", ("linux", "x86_64")),
        ("cp310-cp310-linux_aarch64", ("linux", "aarch64")),
        ("cp310-cp310-manylinux_2_17_aarch64.manylinux2014_aarch64", ("linux", "aarch64")),
        ("cp310-cp310-win_amd64", ("win", "amd64")),
        ("cp310-none-macosx_11_0_arm64", ("macosx", "arm64")),
        ("py3-none-any", ("any", "")),
    ],
)
def test_the_system_of_tags(tags: str, system: tuple[str, str]) -> None:
    assert system_of(tags) == system


# -- toolkits --------------------------------------------------------------------------------------


def wheels_of(project: str, version: str) -> list[str]:
    held = MATRIX.project(project)
    builds = held.release(version).builds if held and version in held else ()
    return [tags for build in builds for tags in build.tags]


def test_the_toolkits_follow_from_the_package_index() -> None:
    held = MATRIX.toolkits.releases
    rows, said = merge_toolkits(held, tables("cuda-toolkit")["releases"], wheels_of)
    assert (rows, said) == (held, [])
    rows, said = merge_toolkits({}, tables("cuda-toolkit")["releases"], wheels_of)
    different = [
        cuda for cuda in held if {**rows[cuda], "source": ""} != {**held[cuda], "source": ""}
    ]
    assert different == ["12.5.1"]  # published wrong, corrected by hand
    assert len(said) == len(held)


def test_a_corrected_row_is_never_overwritten() -> None:
    project = tables("cuda-toolkit")["releases"]
    text = json.dumps(project["12.5.1"]).replace("12.5.2.13", "12.5.9.99")
    changed = {"12.5.1": json.loads(text)}
    rows, said = merge_toolkits(MATRIX.toolkits.releases, changed, wheels_of)
    assert rows == MATRIX.toolkits.releases
    assert said == ["CUDA 12.5.1 was corrected by hand, and what is published has changed"]


def test_a_toolkit_whose_metadata_names_no_package_adds_no_row() -> None:
    wheels = [["py3-none-any", "0" * 64]]
    for requires in ([], ["numpy"]):
        later = {"99.0.0": {"requires": requires, "wheels": wheels}}
        assert merge_toolkits(MATRIX.toolkits.releases, later, wheels_of) == (
            MATRIX.toolkits.releases,
            [],
        )


def test_the_toolkits_are_written_as_they_were() -> None:
    table = MATRIX.vendor_table("toolkits")
    text = vendor_text(table["retrieved"], table["sources"], table["releases"])
    assert text == MATRIX.file("cuda/toolkits.json").read_text(encoding="utf-8")


CUDNN = ("nvidia-cudnn-cu11", "nvidia-cudnn-cu12", "nvidia-cudnn-cu13")


def test_the_table_of_cudnn_follows_from_the_package_index() -> None:
    held = MATRIX.vendor_table("cudnn")["releases"]
    projects = {name: tables(name)["releases"] for name in CUDNN}
    assert merge_cudnn(held, projects) == held
    made = merge_cudnn({}, projects)
    assert {each: row["projects"] for each, row in made.items()} == {
        each: row["projects"] for each, row in held.items()
    }
    only = {"nvidia-cudnn-cu11": projects["nvidia-cudnn-cu11"]}
    assert merge_cudnn(held, only) == held


def test_a_new_cudnn_is_a_row() -> None:
    wheel = {"wheels": [["py3-none-win_amd64", None]], "yanked": "bad"}
    rows = merge_cudnn({}, {"nvidia-cudnn-cu13": {"10.0.0.1": wheel}})
    assert rows == {
        "10.0.0.1": {
            "projects": {"nvidia-cudnn-cu13": ["windows-x86_64"]},
            "yanked": ["nvidia-cudnn-cu13"],
        }
    }

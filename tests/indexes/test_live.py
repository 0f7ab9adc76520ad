"""Packages that the matrix does not hold, and newer releases, from an index that is asked."""

from __future__ import annotations

import base64
import re
import shlex
import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cudalock import live
from cudalock.cli import main
from cudalock.resolution.pinning import ClauseSearch
from tests.local_index import LocalIndex, ServedFile, anchor, build_wheel, run_tool
from tests.scripted import Answer, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from cudalock.matrix.matrix import Matrix

MAIN = "/main/"
EXTRA = "/extra/"
TARGET = "--platform linux --python 3.11"


pytestmark = pytest.mark.usefixtures("alone")


def wheel(name: str, version: str, *requires: str, python: str | None = None) -> ServedFile:
    return build_wheel(
        name, version, requires=requires, requires_python=python, offer_metadata=True
    )


@pytest.fixture
def index() -> Iterator[LocalIndex]:
    with LocalIndex() as index:
        index.add(
            MAIN,
            wheel("zz-top", "1.0", "zz-base", "torch>=2.0"),
            wheel("zz-top", "2.0", "zz-base>=2", "torch>=2.4", 'zz-more; extra == "more"'),
            wheel("zz-top", "3.0rc1", "zz-base>=9"),
            wheel("zz-base", "1.0"),
            wheel("zz-base", "2.1", "filelock", 'zz-windows; sys_platform == "win32"'),
            wheel("zz-more", "0.1b1"),
        )
        yield index


def run(words: str, index: LocalIndex | None = None, *more: str) -> tuple[int, str, str]:
    """Exit status, what is printed, and what is said."""
    command = ["solve", *shlex.split(words), *shlex.split(TARGET), *more]
    if index is not None:
        command += ["--index-url", index.url(MAIN)]
    result = CliRunner().invoke(main, command)
    return result.exit_code, result.stdout, result.stderr


def pins(text: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==([^ \n]+)", text, re.MULTILINE))


def solved(words: str, index: LocalIndex, *more: str) -> dict[str, str]:
    status, text, said = run(words, index, *more)
    assert status == 0, said
    return pins(text)


def metadata_asked(index: LocalIndex) -> list[str]:
    return [path.rpartition("/")[2] for path in index.asked if path.endswith(".metadata")]


# What the matrix does not hold.


@pytest.mark.parametrize(
    "words", ["torch==2.5.1 zz-top", "--torch 2.5.1 zz_Top", "torch 2.5.1 zz-top 2"]
)
def test_a_package_outside_the_matrix_comes_with_its_closure(words: str, index: LocalIndex) -> None:
    status, text, said = run(words, index)
    assert status == 0, said
    found = pins(text)
    assert (found["zz-top"], found["zz-base"], found["torch"]) == ("2.0", "2.1", "2.5.1")
    assert {"filelock", "nvidia-cublas-cu12"} <= set(found)
    assert "zz-windows" not in found
    assert "note: from a live listing, not from the matrix: zz-base, zz-top" in said
    base = wheel("zz-base", "2.1", "filelock", 'zz-windows; sys_platform == "win32"')
    assert str(base.sha256) in text


def test_what_it_requires_of_the_framework_holds(index: LocalIndex) -> None:
    index.add(MAIN, wheel("zz-old", "1.0", "torch<2.5"))
    assert solved("zz-old", index)["torch"] == "2.4.1"
    status, _, said = run("zz-old torch==2.5.1", index)
    assert status == 1
    assert "zz-old" in said


def test_curated_facts_hold_beside_it(index: LocalIndex) -> None:
    """torch 2.2 cannot use NumPy 2, says a fact, and METADATA of torch does not."""
    index.add(MAIN, wheel("zz-array", "1.0", "numpy", "torch"))
    assert solved("zz-array torch==2.2.2", index)["numpy"].startswith("1.")


def test_an_extra_brings_its_requirements(index: LocalIndex) -> None:
    """zz-more has pre-releases alone, so they are taken."""
    assert solved("zz-top[more]", index)["zz-more"] == "0.1b1"
    status, _, said = run("zz-top[other]", index)
    assert status == 2
    assert "`other`" in said


@pytest.mark.parametrize(
    ("required", "pinned"),
    [
        ("zz-early==2.0b1", "2.0b1"),
        ("zz-early>=2.0b1", "2.0b2"),
        # Of releases that are allowed the final ones come first.
        ("zz-early>=1.0b1", "1.0"),
        # Nothing names a pre-release.
        ("zz-early>1", None),
    ],
)
def test_a_dependency_names_a_prerelease(
    required: str, pinned: str | None, index: LocalIndex
) -> None:
    """Installers take it then, although the project has final releases, and not else."""
    for version in ("1.0", "2.0b1", "2.0b2"):
        index.add(MAIN, wheel("zz-early", version))
    index.add(MAIN, wheel("zz-user", "1.0", required))
    # One that is tried first and cannot be had, so that clause learning has the last word.
    index.add(MAIN, *(wheel("zz-user", f"2.{number}", "zz-early<1") for number in range(5)))
    status, text, said = run("zz-user", index)
    assert status == (0 if pinned else 1), said
    assert pins(text).get("zz-early") == pinned


def test_an_extra_of_a_held_project_that_the_matrix_leaves_out(index: LocalIndex) -> None:
    """The matrix has fsspec without the requirements of its extras."""
    index.add(MAIN, wheel("zz-files", "1.0", "fsspec[zz]>=2024"))
    index.add(MAIN, wheel("fsspec", "2026.9.0", 'zz-base==2.1; extra == "zz"'))
    found = solved("zz-files", index)
    assert (found["fsspec"], found["zz-base"]) == ("2026.9.0", "2.1")


def test_an_extra_that_one_held_project_asks_of_another(index: LocalIndex) -> None:
    """datasets requires fsspec[http], and of that extra the matrix has nothing."""
    index.add(MAIN, wheel("fsspec", "2025.3.0", 'zz-base==2.1; extra == "http"'))
    first = run("datasets==3.6.0", index)
    found = pins(first[1])
    assert (found["fsspec"], found["zz-base"]) == ("2025.3.0", "2.1")
    assert run("datasets==3.6.0 --offline", index) == first
    status, text, said = run("datasets==3.6.0 --offline")
    assert status == 0
    assert "zz-base" not in text
    assert "what these extras bring is not known, and left out: fsspec[http]" in said


def test_offline_a_listing_alone_does_not_tell_an_extra(index: LocalIndex) -> None:
    """It was kept by another run, which read no metadata of the release."""
    index.add(MAIN, wheel("fsspec", "0.1"))
    index.add(MAIN, wheel("fsspec", "2025.3.0", 'zz-base==2.1; extra == "http"'))
    assert solved("fsspec==0.1", index) == {"fsspec": "0.1"}
    status, text, said = run("datasets==3.6.0 --offline", index)
    assert status == 0
    assert pins(text)["fsspec"] == "2025.3.0"
    assert "what these extras bring is not known, and left out: fsspec[http]" in said


def test_an_extra_that_nobody_asks_for_is_not_told_as_left_out(index: LocalIndex) -> None:
    index.add(MAIN, wheel("zz-top", "3.0", "torch", 'torch[opt-einsum]; extra == "all"'))
    assert "left out" not in run("zz-top", index)[2]
    assert "left out: torch[opt-einsum]" in run("zz-top[all]", index)[2]


def test_the_same_goal_and_listing_give_the_same_bytes(index: LocalIndex) -> None:
    first = run("zz-top torch==2.5.1", index)
    assert run("torch==2.5.1 zz-top", index) == first
    assert run("zz-top torch==2.5.1", index, "--offline") == first


@pytest.mark.parametrize("form", ["requirements", "pylock", "json", "constraints"])
def test_every_format_has_the_pins(form: str, index: LocalIndex) -> None:
    if form == "pylock":
        words = "zz-top torch==2.5.1+cpu --cuda cpu --wheels w"
    else:
        words = "zz-top torch==2.5.1"
    status, text, said = run(words, index, "--format", form)
    assert status == 0, said
    assert "zz-base" in text or form == "constraints"


def test_several_targets(index: LocalIndex) -> None:
    index.add(MAIN, wheel("zz-windows", "1.0"))
    status, text, said = run("zz-top torch==2.5.1 --platform windows", index)
    assert status == 0, said
    assert "zz-windows==1.0; sys_platform == 'win32'" in text


def test_a_goal_that_the_matrix_holds_asks_nobody(index: LocalIndex) -> None:
    solved("torch==2.5.1 numpy", index)
    assert index.asked == []


@pytest.mark.parametrize("older", [("zz-base<1",), ("zz-base==2.1", "zz-nobody")])
def test_a_newer_release_that_needs_what_the_matrix_lacks(
    older: tuple[str, ...], index: LocalIndex
) -> None:
    """Neither is it passed over in silence, nor does an impossible one above it hide it."""
    index.add(MAIN, wheel("zz-top", "4.0", *older), wheel("zz-top", "3.0", "certifi>=2099"))
    index.add(MAIN, wheel("certifi", "2099.1.1"))
    found = solved("zz-top", index)
    assert (found["zz-top"], found["certifi"]) == ("3.0", "2099.1.1")


def test_a_release_that_names_no_torch_although_the_next_one_does(index: LocalIndex) -> None:
    index.add(MAIN, wheel("zz-side", "1.0"), wheel("zz-side", "2.0", "torch==2.4.0"))
    status, text, said = run("zz-side torch==2.5.1", index)
    assert (status, pins(text)["zz-side"]) == (0, "1.0")
    unknown = (
        "unknown whether zz-side 1.0 works with torch 2.5.1: it names no torch, and zz-side 2.0"
    )
    assert f"warning: {unknown} requires torch==2.4.0" in said
    # The newest one has no neighbour that knows better.
    index.add(MAIN, wheel("zz-plain", "1.0", "torch"), wheel("zz-plain", "2.0"))
    assert "unknown" not in run("zz-plain torch==2.5.1", index)[2]


@pytest.mark.parametrize("limit", ["0.3", "1"])
def test_no_ancient_release_of_a_dependency(limit: str, index: LocalIndex) -> None:
    """The oldest release requires nothing, and would fit whatever the matrix has of multidict."""
    index.add(MAIN, wheel("zz-top", "3.0", f"aiohttp<{limit}"), wheel("multidict", "0.5"))
    index.add(MAIN, wheel("aiohttp", "0.1"), wheel("aiohttp", "0.2", "multidict<1"))
    # Nobody has such a multidict.
    index.add(MAIN, wheel("aiohttp", "0.3", "multidict<0.1"))
    found = solved("zz-top", index)
    assert (found["zz-top"], found["aiohttp"], found["multidict"]) == ("3.0", "0.2", "0.5")


def test_no_ancient_release_of_what_is_asked_for(index: LocalIndex) -> None:
    """The oldest release requires nothing, as on a day before the matrix's first multidict."""
    index.add(MAIN, wheel("multidict", "0.5"), wheel("aiohttp", "0.1"))
    index.add(MAIN, wheel("aiohttp", "0.2", "multidict<1"))
    found = solved("aiohttp<0.3", index)
    assert (found["aiohttp"], found["multidict"]) == ("0.2", "0.5")


def test_no_old_release_of_what_is_asked_for_on_an_old_python(index: LocalIndex) -> None:
    """All rows of aiohttp are for later Pythons, and old datasets required none."""
    index.add(MAIN, wheel("aiohttp", "3.10.10"))
    for more, expected in (("--offline", "1."), ("", "3.1.0")):
        command = ["solve", "datasets", "--platform", "linux", "--python", "3.8", *more.split()]
        result = CliRunner().invoke(main, [*command, "--index-url", index.url(MAIN)])
        assert result.exit_code == 0, result.stderr
        assert pins(result.stdout)["datasets"].startswith(expected), more


def test_offline_a_newer_release_may_be_possible(index: LocalIndex, matrix: Matrix) -> None:
    index.add(MAIN, wheel("zz-top", "3.0", "certifi>=2099"))
    # With a pin nobody is asked for another certifi.
    run(f"zz-top certifi=={matrix.versions('certifi')[-1]}", index)
    status, text, said = run("zz-top --offline", index)
    assert (status, pins(text)["zz-top"]) == (0, "2.0")
    assert "newer: zz-top 3.0: whether it fits is unknown: the matrix has certifi up to" in said


# How much is asked.


def test_few_releases_are_asked_about(index: LocalIndex) -> None:
    for number in range(60):
        index.add(MAIN, wheel("zz-many", f"1.{number}", "zz-deep"))
        index.add(MAIN, wheel("zz-deep", f"1.{number}"))
    assert solved("zz-many", index) == {"zz-many": "1.59", "zz-deep": "1.59"}
    asked = metadata_asked(index)
    assert len(asked) == len(set(asked)) <= live.WINDOW + 1


def test_a_named_version_asks_about_itself(index: LocalIndex) -> None:
    for number in range(60):
        index.add(MAIN, wheel("zz-many", f"1.{number}"))
    assert solved("zz-many==1.3", index) == {"zz-many": "1.3"}
    assert metadata_asked(index) == ["zz_many-1.3-py3-none-any.whl.metadata"]


def test_more_is_looked_at_before_the_answer_is_no(index: LocalIndex) -> None:
    for number in range(30):
        bound = "torch<2.5" if number < 5 else "torch>=2.6"
        index.add(MAIN, wheel("zz-many", f"1.{number}", bound))
    assert solved("zz-many torch==2.4.1", index)["zz-many"] == "1.4"


def test_releases_that_python_rules_out_do_not_count(index: LocalIndex) -> None:
    for number in range(40):
        index.add(MAIN, wheel("zz-many", f"1.{number}", python=">=3.12" if number else ">=3.9"))
    assert solved("zz-many", index) == {"zz-many": "1.0"}
    assert len(metadata_asked(index)) <= 2


def test_older_releases_of_what_the_matrix_holds(index: LocalIndex) -> None:
    """The matrix has the newer ones alone."""
    index.add(MAIN, wheel("zz-strict", "1.0", "filelock==0.1"), wheel("filelock", "0.1"))
    assert solved("zz-strict", index) == {"zz-strict": "1.0", "filelock": "0.1"}


def test_an_older_release_of_what_the_matrix_holds_may_be_named(index: LocalIndex) -> None:
    index.add(MAIN, wheel("filelock", "0.1", "zz-base"))
    assert solved("filelock==0.1", index) == {"filelock": "0.1", "zz-base": "2.1"}
    status, _, said = run("filelock==0.2", index)
    assert status == 2
    assert "`filelock` 0.2 does not exist on the package index" in said


def test_a_version_that_nobody_has_is_a_wrong_question(index: LocalIndex) -> None:
    index.add(MAIN, wheel("torch", "2.5.1"))
    status, text, said = run("torch --torch 99.1", index)
    assert (status, text) == (2, "")
    assert "`torch` 99.1 does not exist on the package index" in said
    assert "hint: `torch==2." in said


@pytest.mark.parametrize("words", ["filelock==0.1", "tqdm[framework]"])
def test_what_was_never_asked_is_not_known_offline(words: str, index: LocalIndex) -> None:
    """Of a project that the matrix holds: an older release, and an extra of the goal's own."""
    index.add(MAIN, wheel("filelock", "0.1"))
    index.add(MAIN, wheel("tqdm", "4.70.0", 'zz-base==2.1; extra == "framework"'))
    status, _, said = run(f"{words} --offline", index)
    assert status == 3
    assert f"`{words}` is not in the matrix" in said
    assert "and `--offline` forbids to look further" in said
    first = run(words, index)
    assert first[0] == 0
    assert run(f"{words} --offline", index) == first


# What the matrix lacks of its own projects: vllm before 0.10.1, torch before 2.0.


def add_old_vllm(index: LocalIndex) -> None:
    for version, torch in (("0.7.3", "2.5.1"), ("0.8.4", "2.6.0"), ("0.8.5", "2.6.0")):
        index.add(MAIN, wheel("vllm", version, f"torch=={torch}"))


OUTSIDE = [
    ("torch==2.6.0 vllm", {"vllm": "0.8.5", "torch": "2.6.0"}),
    ("torch==2.5.1 vllm", {"vllm": "0.7.3", "torch": "2.5.1"}),
    ("--torch 2.6 vllm<0.8.5", {"vllm": "0.8.4", "torch": "2.6.0"}),
    ("vllm<0.8", {"vllm": "0.7.3", "torch": "2.5.1"}),
    ("vllm==0.8.4", {"vllm": "0.8.4", "torch": "2.6.0"}),
    ("vllm 0.8.*", {"vllm": "0.8.5", "torch": "2.6.0"}),
]


@pytest.mark.parametrize(("words", "expected"), OUTSIDE)
def test_releases_before_the_matrix(
    words: str, expected: dict[str, str], index: LocalIndex
) -> None:
    add_old_vllm(index)
    status, text, said = run(words, index)
    assert status == 0, said
    assert {name: pins(text)[name] for name in expected} == expected
    assert f"vllm {expected['vllm']} is not in the matrix, which has 0.10.1 to " in said
    # No other project was asked about.
    assert {path.split("/")[2] for path in index.asked if path.endswith("/")} == {"vllm"}
    assert run(words, index, "--offline") == (status, text, said)


@pytest.mark.parametrize("command", ["explain", "why-not vllm==0.8.5"])
def test_what_explains_asks_as_solve_does(command: str, index: LocalIndex) -> None:
    add_old_vllm(index)
    for torch, status in (("2.6.0", 0), ("2.5.0", 1)):
        words = [*shlex.split(command), f"torch=={torch}", "vllm", *shlex.split(TARGET)]
        result = CliRunner().invoke(main, [*words, "--index-url", index.url(MAIN)])
        assert result.exit_code == status, result.stderr
        expected = "requires torch==2.5.1" if command == "explain" else "requires torch==2.6.0"
        assert ("0.8.5" in result.stdout) if status == 0 else (expected in result.stderr)


def test_a_framework_before_the_matrix_has_the_build_of_the_package_index(
    index: LocalIndex,
) -> None:
    tags = "cp311-cp311-manylinux1_x86_64"
    index.add(MAIN, build_wheel("torch", "1.7.1", tags, offer_metadata=True))
    for words in ("torch==1.7.1", "--torch 1.7.1", "torch 1.7"):
        status, text, said = run(words, index)
        assert status == 0, said
        assert pins(text) == {"torch": "1.7.1"}
        assert "torch 1.7.1 (CUDA 10.2)" in said
        assert "its build is that of the package index" in said


# Pre-releases: the matrix has none of a project that has final releases.


EARLY = [
    # A range that only they are in; without a name of one they do not count.
    ("filelock>=98rc0,<98rc2", "98rc1"),
    ("filelock<98rc2 --pre", "98rc1"),
    ("filelock --pre", "99.0b1"),
    ("filelock>=0a0", "99.0b1"),
    ("filelock==98rc2 --pre", "98rc2"),
    ("filelock", "final"),
    ("filelock<98rc2", "final"),
]


@pytest.mark.parametrize(("words", "expected"), EARLY)
def test_prereleases_of_a_project_of_the_matrix(
    words: str, expected: str, index: LocalIndex
) -> None:
    index.add(MAIN, *(wheel("filelock", version) for version in ("98rc1", "98rc2", "99.0b1")))
    status, text, said = run(words, index)
    assert status == 0, said
    pinned = pins(text)["filelock"]
    assert pinned == expected or (expected == "final" and pinned.replace(".", "").isdigit())
    assert ("filelock" in "".join(index.asked)) == (expected != "final")


def test_a_file_takes_prereleases(index: LocalIndex, tmp_path: Path) -> None:
    index.add(MAIN, wheel("filelock", "99.0b1"))
    (tmp_path / "requirements.txt").write_text("--pre\nfilelock\n", encoding="utf-8")
    status, text, said = run("", index, "-r", str(tmp_path / "requirements.txt"))
    assert status == 0, said
    assert pins(text) == {"filelock": "99.0b1"}
    assert "--pre" not in said


def test_nightly_builds_are_no_prereleases_of_an_index(index: LocalIndex) -> None:
    status, _, said = run("torch --pre", index)
    assert status == 0, said
    assert "note: torch: nightly builds are at https://download.pytorch.org/whl/nightly" in said


UNKNOWN = [
    (
        "numpy>=2.0.0rc1,<2.0.0rc3",
        "the matrix has no pre-releases of numpy, and one may fit",
    ),
    ("torch==1.7.1", "`torch==1.7.1` is not in the matrix, which has 1.8.0 to "),
    ("vllm==0.8.5", "`vllm==0.8.5` is not in the matrix, which has 0.10.1 to "),
    ("torch==2.6.0 vllm", "the matrix has vllm from 0.10.1 on, and an older one may fit"),
    ("vllm<0.8", "the matrix has vllm from 0.10.1 on, and an older one may fit"),
    ("filelock>=99", "the matrix has filelock up to "),
]


@pytest.mark.parametrize(("words", "expected"), UNKNOWN)
def test_offline_it_is_not_known(words: str, expected: str) -> None:
    status, text, said = run(words, None, "--offline")
    assert (status, text) == (3, "")
    assert expected in said
    assert "`--offline` forbids to look further" in said
    assert "cudalock solve" in said.partition("hint:")[2] or "once without `--offline`" in said


REFUTED = [
    "torch==2.6.0 vllm==0.11.0",
    # Facts: an old xformers is for an old torch.
    "torch==2.6.0 xformers<0.0.20",
    # Nothing older has a wheel, for the platform or at all.
    "numpy<1.10",
    "vllm --platform windows",
    "torch==2.5.7",
]


@pytest.mark.parametrize("words", REFUTED)
def test_offline_it_is_known_that_there_is_none(words: str) -> None:
    command = ["solve", *shlex.split(words), *shlex.split(TARGET)]
    if "--platform" in words:
        command = ["solve", *shlex.split(words), "--python", "3.11"]
    result = CliRunner().invoke(main, [*command, "--offline"])
    assert result.exit_code in (1, 2), result.stderr


def test_a_requirement_that_a_newer_release_alone_meets(index: LocalIndex) -> None:
    index.add(MAIN, wheel("zz-new", "1.0", "filelock>=99"), wheel("filelock", "99.0"))
    assert solved("zz-new", index) == {"zz-new": "1.0", "filelock": "99.0"}


def test_the_newest_is_not_passed_over_for_what_the_matrix_lacks(index: LocalIndex) -> None:
    index.add(MAIN, wheel("zz-new", "2.0", "filelock>=99"), wheel("filelock", "99.0"))
    index.add(MAIN, wheel("zz-new", "1.0", "filelock"))
    assert solved("zz-new", index) == {"zz-new": "2.0", "filelock": "99.0"}


def test_no_older_release_helps(index: LocalIndex) -> None:
    """It is a no with its reason once the index was asked."""
    add_old_vllm(index)
    status, _, said = run("torch==2.5.0 vllm", index)
    assert status == 1
    assert "no compatible versions found for torch==2.5.0, vllm on" in said
    assert re.search(r"vllm 0\.7\.3 to 0\.\d+\.\d+ requires torch==2\.5\.1 to ", said)


def test_an_index_in_trouble_is_told_with_the_reason() -> None:
    with LocalIndex() as gone:
        pass
    status, _, said = run("torch==2.6.0 xformers<0.0.20", gone)
    assert status == 1, said
    status, _, said = run("torch==2.6.0 vllm<0.8", gone)
    assert status == 3
    assert "the matrix has vllm from 0.10.1 on, and an older one may fit: it cannot be" in said


# No.


def test_a_source_distribution_that_is_not_there(index: LocalIndex) -> None:
    page = '<a href="zz_source-1.0.tar.gz">zz_source-1.0.tar.gz</a>'
    with Pages({"/main/zz-source/": page}) as pages:
        pages.add(MAIN, wheel("zz-user", "1.0", "zz-source"))
        for words in ("zz-source", "zz-user"):
            status, _, said = run(words, pages)
            assert status == 1
            assert "zz-source 1.0 has no wheel, and its source distribution is listed, and" in said


def test_an_extra_made_of_another_is_followed_to_what_has_no_wheel(index: LocalIndex) -> None:
    page = '<a href="zz_source-1.0.tar.gz">zz_source-1.0.tar.gz</a>'
    extras = ('zz-many[inner]; extra == "all"', 'zz-source==1.0; extra == "inner"')
    with Pages({"/main/zz-source/": page}) as server:
        server.add(MAIN, wheel("zz-many", "1.0", *extras))
        status, _, said = run("zz-many[all]==1.0", server)
    assert status == 1
    assert "zz-many 1.0 requires zz-source==1.0 (its metadata)" in said


def test_all_that_has_no_wheel_is_told_at_once(index: LocalIndex) -> None:
    page = '<a href="{0}-1.0.tar.gz">{0}-1.0.tar.gz</a>'
    pages = {f"/main/{name}/": page.format(name.replace("-", "_")) for name in ("zz-one", "zz-two")}
    with Pages(pages) as server:
        for number in range(40):
            server.add(
                MAIN, wheel("zz-user", f"1.{number}", "zz-base<2" if number < 5 else "zz-base")
            )
        server.add(MAIN, wheel("zz-base", "1.0"), wheel("zz-base", "2.0"))
        server.add(MAIN, wheel("zz-way", "1.0", "zz-far"), wheel("zz-far", "1.0", "zz-two>=1"))
        status, _, said = run("zz-one==1.0 zz-user zz-way zz-base==1.0", server)
    assert status == 1
    for name in ("zz-one", "zz-two"):
        assert f"{name} 1.0 has no wheel, and its source distribution" in said
    assert "zz-way 1.0 requires zz-far" in said
    assert "zz-user" not in said.partition("hint:")[0].partition("\n")[2]


def test_what_is_hopeless_beside_every_framework_is_seen_once(
    index: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be found again for each of a hundred builds of torch."""
    index.add(MAIN, wheel("zz-knot", "1.0", "torch", "zz-base<1"))
    pinned = []
    monkeypatch.setattr(ClauseSearch, "pin", lambda *given: pinned.append(given))
    status, _, said = run("zz-knot", index)
    assert status == 1
    assert "zz-knot" in said
    assert pinned == []


def test_a_knot_in_a_closure_is_undone_by_what_was_learned(index: LocalIndex) -> None:
    """Each of twelve projects has ten releases, and goes with the same number of the next alone;
    the last one's newest that goes with the goal is the second. Tried in turn, that is for ever."""
    for number in range(10):
        for place in range(12):
            following = f"zz-knot{place + 1}=={number}.0"
            index.add(MAIN, wheel(f"zz-knot{place}", f"{number}.0", following, "zz-knot12"))
        index.add(MAIN, wheel("zz-knot12", f"{number}.0", "zz-base<2" if number < 3 else "torch<1"))
    found = solved(" ".join(f"zz-knot{place}" for place in range(12)), index)
    assert {found[f"zz-knot{place}"] for place in range(13)} == {"2.0"}


def test_metadata_that_cannot_be_read_is_told(index: LocalIndex) -> None:
    index.add(MAIN, build_wheel("zz-dark", "1.0"))
    status, _, said = run("zz-dark", index)
    assert status == 1
    assert "the metadata of zz_dark-1.0-py3-none-any.whl cannot be read" in said


def test_a_requirement_that_is_none_sets_one_release_aside(index: LocalIndex) -> None:
    index.add(MAIN, wheel("zz-odd", "1.0", "zz-base (>=2.*)"), wheel("zz-odd", "2.0", "zz base!"))
    status, text, said = run("zz-odd", index)
    assert status == 0, said
    assert pins(text)["zz-odd"] == "1.0"
    assert "zz-odd 1.0 requires `zz-base (>=2.*)` in its METADATA, which is not PEP 440" in said
    index.add(MAIN, wheel("zz-none", "1.0", "zz base!"), wheel("zz-none", "2.0", "==2"))
    status, _, said = run("zz-none", index)
    assert status == 1
    expected = "the metadata of zz-none 2.0 cannot be read: `==2` is not a requirement"
    assert f"{expected} (1 other release likewise)" in said


def test_a_requires_python_that_is_none(index: LocalIndex) -> None:
    """As pip does, what can be repaired is, and what cannot be is not heeded."""
    index.add(MAIN, wheel("zz-old", "1.0", python=">=3.5.*"))
    index.add(MAIN, wheel("zz-old", "2.0", python=">=3.99.*"))
    assert solved("zz-old", index) == {"zz-old": "1.0"}
    index.add(MAIN, wheel("zz-older", "1.0", python="three"))
    assert solved("zz-older", index) == {"zz-older": "1.0"}


def test_a_requirement_that_no_index_has(index: LocalIndex) -> None:
    index.add(MAIN, wheel("zz-lost", "1.0", "zz-nowhere"))
    status, _, said = run("zz-lost", index)
    assert status == 1
    assert "zz-nowhere is in no package index that was asked" in said


def test_a_name_that_no_index_has(index: LocalIndex) -> None:
    for words, expected in (
        ("zz-nowhere", "unknown word `zz-nowhere`"),
        ("zz-nowhere>=1", "`zz-nowhere` is not in the matrix"),
        ("zz-top==9.9", "`zz-top` 9.9 does not exist on the package index"),
    ):
        status, _, said = run(words, index)
        assert status == 2
        assert expected in said


def test_a_slip_of_the_finger_is_no_package(index: LocalIndex) -> None:
    """What an index has as `xformrs` is not what was meant; who means it writes a requirement."""
    index.add(MAIN, wheel("xformrs", "6.6.6"))
    status, _, said = run("torch==2.5.1 xformrs", index)
    assert status == 2
    assert "did you mean `xformers`" in said
    assert index.asked == []
    assert solved("xformrs==6.6.6", index) == {"xformrs": "6.6.6"}


def test_offline_what_cannot_be_looked_up_is_named(index: LocalIndex) -> None:
    status, _, said = run("zz-top>=1 zz-base>=1 torch==2.5.1", index, "--offline")
    assert status == 3
    assert "`zz-base`, `zz-top` are not in the matrix, and `--offline` forbids" in said
    assert index.asked == []


def test_an_index_that_cannot_be_asked_is_named() -> None:
    with LocalIndex() as gone:
        pass
    status, _, said = run("zz-top>=1", gone)
    assert status == 3
    assert "`zz-top` is not in the matrix, and cannot be looked up" in said


def test_what_was_asked_is_told(index: LocalIndex) -> None:
    _, _, said = run("zz-base", index, "-v")
    assert re.search(r"^network: \d+ requests, \d+ bytes received, 0 answers from the", said, re.M)


def test_what_stands_in_is_told(index: LocalIndex) -> None:
    with ScriptedServer() as server:
        file = build_wheel("zz-base", "1.0")
        page = f'<a href="{file.name}#sha256={file.sha256}">{file.name}</a>'
        kind = {"Content-Type": "text/html", "ETag": '"1"'}
        server.answers["/main/zz-base/"] = [Answer(headers=kind, body=page.encode()), Answer(503)]
        server.answers[f"/main/zz-base/{file.name}"] = [
            Answer(headers={"Accept-Ranges": "bytes"}, body=file.content)
        ]
        command = ["solve", "zz-base", *shlex.split(TARGET), "--index-url", server.url(MAIN)]
        first, second = (CliRunner().invoke(main, command) for _ in range(2))
    assert first.stdout == second.stdout
    assert "zz-base==1.0" in second.stdout
    assert "cannot be read: using its cached page" in second.stderr
    assert "stands in" not in first.stderr


def test_live_and_offline_exclude_each_other(index: LocalIndex) -> None:
    status, _, said = run("torch==2.5.1", index, "--live", "--offline")
    assert status == 2
    assert "cannot be combined" in said


# Newer releases of what the matrix holds.


def test_live_has_newer_releases(index: LocalIndex) -> None:
    index.add(MAIN, wheel("filelock", "99.0"), wheel("torch", "99.0"))
    words = "filelock torch==2.5.1"
    assert solved(words, index)["filelock"] != "99.0"
    status, text, said = run(words, index, "--live")
    assert status == 0, said
    assert pins(text)["filelock"] == "99.0"
    assert "note: from a live listing, not from the matrix: filelock" in said
    assert re.search(r"not looked at.*: torch 99.0; `cudalock matrix update`", said)
    url = re.escape(index.url(MAIN))
    assert re.search(rf"^# command: .* --live --index-url {url}$", text, re.MULTILINE)


def test_what_is_older_than_the_matrix_is_not_told_as_newer(index: LocalIndex) -> None:
    index.add(MAIN, wheel("torch", "1.7.1"), wheel("zz-many", "1.0"))
    index.add(MAIN, *(wheel("zz-many", f"{n}.0", "torch==2.6.0") for n in range(2, 30)))
    # Every release has to be looked at here, and those that the matrix lacks of its own as well.
    status, _, said = run("zz-many torch==2.5.1", index, "--live")
    assert status == 0, said
    assert "not looked at" not in said


def test_an_extra_seen_late_leaves_releases_that_only_the_matrix_has(index: LocalIndex) -> None:
    """The index has withdrawn one of them: it is as the matrix has it, extra or no extra."""
    index.add(MAIN, wheel("filelock", "3.20.0"))
    index.add(MAIN, wheel("zz-needs", "1.0", "filelock[zz]<3.20"))
    status, text, said = run("zz-needs torch==2.5.1", index)
    assert status == 0, said
    assert "internal error" not in said
    assert pins(text)["filelock"].startswith("3.19.")


def test_a_hint_has_the_flag_that_the_answer_needs(index: LocalIndex) -> None:
    index.add(MAIN, wheel("zz-held", "1.0", "torch==2.5.1"))
    status, _, said = run("zz-held torch==2.6.0", index, "--live")
    assert status == 1
    hints = re.findall(r"^hint: .*`(cudalock .*)`$", said, re.MULTILINE)
    assert hints
    assert all(hint.endswith(" --live") for hint in hints)


# Who a name belongs to.


def test_a_held_name_is_never_taken_from_another_index(index: LocalIndex) -> None:
    index.add(EXTRA, wheel("filelock", "99.0"), wheel("numpy", "99.0"), wheel("torch", "99.0"))
    extra = ["--extra-index-url", index.url(EXTRA)]
    for flags in ([], ["--live"]):
        found = solved("filelock numpy torch zz-top", index, *extra, *flags)
        assert "99.0" not in found.values()
    assert not [path for path in index.asked if path.startswith("/extra/filelock")]


def test_a_private_name_is_never_taken_over(index: LocalIndex) -> None:
    """One that only the further index has must not come from the main one once it is there, not
    even where the further one is newer nowhere, or in trouble."""
    private = wheel("zz-private", "1.0")
    index.add(EXTRA, private)
    index.add(MAIN, wheel("zz-private", "99.0", "torch"))
    extra = ["--extra-index-url", index.url(EXTRA)]
    status, text, said = run("zz-private", index, *extra)
    assert status == 0, said
    assert pins(text) == {"zz-private": "1.0"}
    assert str(private.sha256) in text
    assert f"--extra-index-url {index.url(EXTRA).rstrip('/')}" in text


PROXY_PAGE = b'<html><body><a href="/login">log in</a></body></html>'
HTML = {"Content-Type": "text/html"}


@pytest.mark.parametrize(
    "answer",
    [
        Answer(401),
        Answer(403),
        Answer(500),
        Answer(302, {"Location": "/login"}),
        Answer(headers=HTML, body=PROXY_PAGE),
        Answer(headers=HTML, body=b"<html>", cut=3),
    ],
    ids=lambda answer: f"{answer.status} {answer.body[:6].decode()}",
)
def test_trouble_of_the_further_index_does_not_give_its_names_away(
    index: LocalIndex, answer: Answer
) -> None:
    """A token that has expired, a page to log in: the main index is not asked in its place."""
    index.add(MAIN, wheel("zz-private", "99.0"))
    with ScriptedServer() as broken:
        broken.answers["/zz-private/"] = [answer]
        broken.answers["/login"] = [Answer(headers=HTML, body=PROXY_PAGE)]
        for name in ("zz-private", "ZZ_Private", "zz.private"):
            status, text, said = run(name, index, "--extra-index-url", broken.url("/"))
            assert (status, text) == (3, "")
            assert "zz-private" in said
    assert not [path for path in index.asked if "private" in path]


def test_a_page_lists_its_own_project_alone(index: LocalIndex) -> None:
    """A link to a wheel of another name gives it no place, nor does another spelling of one."""
    real, other = wheel("zz-private", "1.0"), wheel("zz-base", "99.0")
    pages = {f"{EXTRA}zz-private/": f"{anchor(real, EXTRA)}{anchor(other, EXTRA)}"}
    for file in (real, other):
        pages[f"{EXTRA}{file.name}.metadata"] = (file.metadata or b"").decode()
    with Pages(pages) as further:
        extra = ["--extra-index-url", further.url(EXTRA)]
        found = solved("zz_private zz-base", index, *extra)
        assert found == {"zz-private": "1.0", "zz-base": "2.1", "filelock": found["filelock"]}


class Pages(LocalIndex):
    """A LocalIndex with a few pages of its own."""

    def __init__(self, pages: Mapping[str, str]) -> None:
        super().__init__()
        self._pages = pages

    def answer(self, path: str) -> tuple[str, bytes] | None:
        page = self._pages.get(path)
        return ("text/html", page.encode()) if page is not None else super().answer(path)


class Guarded(ScriptedServer):
    """Answers those alone who say who they are."""

    def next(self, path: str) -> Answer:
        said = self.asked[-1].headers.get("authorization", "")
        wanted = base64.b64encode(b"me:pw").decode()
        return super().next(path) if said == f"Basic {wanted}" else Answer(401)


def test_credentials_do_not_follow_to_another_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither those of the address nor of netrc nor a token, whether a page moved or its files."""
    file = build_wheel("zz-private", "1.0")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password pw\n")
    with Guarded() as server, ScriptedServer() as other:
        there = other.url("/").replace("127.0.0.1", "localhost")
        link = f'<a href="{there}f/{file.name}#sha256={file.sha256}">{file.name}</a>'
        server.answers["/moved/zz-private/"] = [Answer(302, {"Location": f"{there}page/"})]
        server.answers["/s/zz-private/"] = [Answer(headers=HTML, body=link.encode())]
        other.answers["/page/"] = [Answer(headers=HTML, body=link.encode())]
        other.answers[f"/f/{file.name}"] = [
            Answer(headers={"Accept-Ranges": "bytes"}, body=file.content)
        ]
        for root in ("/moved/", "/s/"):
            url = server.url(root)
            for given in (url.replace("//", "//me:pw@"), url):
                if given == url:
                    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
                result = CliRunner().invoke(
                    main, ["solve", "zz-private", *shlex.split(TARGET), "--index-url", given]
                )
                monkeypatch.delenv("NETRC", raising=False)
                shutil.rmtree(tmp_path / "cache")
                assert result.exit_code == 0, result.output
        assert len({each.path for each in other.asked}) == 2
        assert [each for each in other.asked if "authorization" in each.headers] == []


@pytest.mark.parametrize("way", ["address", "netrc", "none"])
def test_a_private_index_with_credentials(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = build_wheel("zz-private", "1.0")
    page = f'<a href="/files/{file.name}#sha256={file.sha256}">{file.name}</a>'
    with Guarded() as server:
        kind = {"Content-Type": "text/html"}
        server.answers["/s/zz-private/"] = [Answer(headers=kind, body=page.encode())]
        server.answers[f"/files/{file.name}"] = [
            Answer(headers={"Accept-Ranges": "bytes"}, body=file.content)
        ]
        url = server.url("/s/")
        if way == "address":
            url = url.replace("//", "//me:pw@")
        if way == "netrc":
            (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password pw\n")
            monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        command = ["solve", "zz-private>=1", *shlex.split(TARGET), "--index-url", url]
        result = CliRunner().invoke(main, command)
        if way == "none":
            assert result.exit_code == 3
            assert "401" in result.output
        else:
            assert result.exit_code == 0, result.output
            assert pins(result.stdout) == {"zz-private": "1.0"}
            # --index-url is written as it was given
            assert "pw" not in result.stdout.replace(url, "")


# Against the real index, with the real tools.


GOALS = [
    "--torch 2.5.1 lightning gradio",
    "--torch 2.6.0 timm einops-exts --cuda 12.4",
    "--torch 2.8 open-clip-torch --vision",
]


@pytest.mark.network
@pytest.mark.parametrize("goal", GOALS)
def test_real_tools_accept_the_whole_closure(
    goal: str, tmp_path: Path, matrix: Matrix, network_environment: Mapping[str, str]
) -> None:
    # Newer releases of what the matrix lacks may require newer ones of what it has.
    day = "-".join(matrix.version.split(".")[:3])
    command = ["solve", *shlex.split(goal), *shlex.split(TARGET), "--exclude-newer", day]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in network_environment.items():
            if name.startswith(("PIP_", "UV_", "SSL_")):
                patch.setenv(name, value)
        result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output + str(result.exception)
    lock = tmp_path / "requirements.txt"
    lock.write_text(result.stdout)
    uv = ["uv", "pip", "compile", "--quiet", "--python", sys.executable]
    uv += ["--python-version", "3.11", "--no-annotate"]
    uv += ["--no-header", "--python-platform", "x86_64-manylinux_2_28", "requirements.txt"]
    done = run_tool(uv, tmp_path, network_environment)
    assert done.returncode == 0, done.stderr
    assert pins(done.stdout) == pins(result.stdout)
    named = {"lightning", "gradio", "timm", "einops-exts", "open-clip-torch"}
    pip = ["pip", "install", "--dry-run", "--ignore-installed", "--no-deps"]
    asked = [f"{name}=={version}" for name, version in pins(result.stdout).items() if name in named]
    done = run_tool([*pip, *asked], tmp_path, network_environment)
    assert done.returncode == 0, done.stderr


def test_an_extra_that_the_goal_itself_asks_of_a_held_project(index: LocalIndex) -> None:
    """What it brings may be the framework, and may be held by nobody."""
    requires = ['torch>=2.4; extra == "framework"', 'zz-base==2.1; extra == "framework"']
    index.add(MAIN, wheel("tqdm", "4.70.0", *requires), wheel("tqdm", "4.70.1"))
    found = solved("tqdm[framework]==4.70.0", index)
    assert {"tqdm", "torch", "zz-base"} <= set(found)
    status, _, said = run("tqdm[framework]", index)
    assert status == 0
    assert "tqdm 4.70.1 has no extra `framework`" in said


# What `check` looks up.


def check(
    text: str, folder: Path, index: LocalIndex, monkeypatch: pytest.MonkeyPatch, *more: str
) -> tuple[int, str]:
    monkeypatch.setenv("PIP_INDEX_URL", index.url(MAIN))
    file = folder / "requirements.txt"
    file.write_text(text)
    result = CliRunner().invoke(main, ["check", str(file), *shlex.split(TARGET), *more])
    return result.exit_code, result.output


def test_check_looks_up_a_pin_that_is_older_than_the_matrix(
    index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add(MAIN, wheel("vllm", "0.5.4", "torch==2.4.0"))
    status, printed = check("torch==2.1.1\nvllm==0.5.4\n", tmp_path, index, monkeypatch)
    assert status == 1
    assert "vllm 0.5.4 requires torch==2.4.0 (its metadata)" in printed
    status, printed = check("torch==2.4.0\nvllm==0.5.4\n", tmp_path, index, monkeypatch)
    assert status == 0, printed


def test_check_says_what_it_did_not_look_up(
    index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "torch==2.1.1\nvllm==0.5.4\n"
    status, printed = check(text, tmp_path, index, monkeypatch, "--offline")
    assert (status, index.asked) == (0, [])
    assert "CL105 note: vllm==0.5.4 is not in the matrix" in printed
    # Not even online, if the matrix tells of every pin.
    check("torch==2.5.1\n", tmp_path, index, monkeypatch)
    assert index.asked == []


def test_what_a_framework_before_all_labels_is_built_for_is_unknown(index: LocalIndex) -> None:
    tags = "cp311-cp311-manylinux1_x86_64"
    index.add(MAIN, build_wheel("torch", "1.4.0", tags, offer_metadata=True))
    status, text, said = run("torch==1.4.0", index)
    assert status == 0, said
    assert "torch 1.4.0 (CUDA unknown)" in said
    assert "Python 3.11, CUDA unknown\n" in text

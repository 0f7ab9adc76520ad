"""Releases without a wheel: told apart without running anything, pinned, built by pip and uv."""

from __future__ import annotations

import json
import re
import shlex
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from packaging.pylock import Pylock

from cudalock import toml
from cudalock.cli import main
from tests.local_index import (
    LocalIndex,
    ServedFile,
    build_backend,
    build_sdist,
    build_wheel,
    clean_environment,
    make_environment,
    run_tool,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAIN = "/main/"
TARGET = "--platform linux --python 3.11"
HERE = f"--python {sys.version_info.major}.{sys.version_info.minor}"

COMPILES = {
    "setup.py": """
from setuptools import setup
from torch.utils.cpp_extension import CUDAExtension
setup(name="zz-cuda", version="1.0", ext_modules=[CUDAExtension("zz", ["zz.cu"])])
""",
    "zz.cu": "",
}
UNKNOWN = {
    "setup.py": "import helpers\nfrom setuptools import setup\nsetup(ext_modules=helpers.all())\n",
    "helpers.py": "",
    "zz.c": "",
}
EVIL = "import pathlib\npathlib.Path('{}').write_text('x')\nfrom setuptools import setup\nsetup()\n"


pytestmark = pytest.mark.usefixtures("alone")


@pytest.fixture
def index() -> Iterator[LocalIndex]:
    with LocalIndex() as index:
        index.add(
            MAIN,
            build_backend(),
            build_wheel("zz-user", "1.0", requires=["zz-pure"], offer_metadata=True),
            build_wheel("zz-base", "2.0", offer_metadata=True),
            build_sdist("zz-pure", "1.0"),
            build_sdist("zz-pure", "1.1", requires=["zz-base>=2"]),
            build_sdist("zz-cuda", "1.0", COMPILES, requires=["zz-base"]),
            build_sdist("zz-maybe", "1.0", UNKNOWN, metadata=info("zz-maybe", "1.0", "zz-base")),
        )
        yield index


def info(name: str, version: str, *requires: str) -> str:
    """PKG-INFO whose requirements are those of the wheel (PEP 643)."""
    lines = ["Metadata-Version: 2.2", f"Name: {name}", f"Version: {version}"]
    return "\n".join([*lines, *(f"Requires-Dist: {text}" for text in requires)]) + "\n"


def run(words: str, index: LocalIndex, *more: str) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    command = ["solve", *shlex.split(words), *shlex.split(TARGET), *more]
    result = CliRunner().invoke(main, [*command, "--index-url", index.url(MAIN)])
    return result.exit_code, result.stdout, result.stderr


def pins(text: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==([^ \n]+)", text, re.MULTILINE))


def archives_read(index: LocalIndex) -> list[str]:
    return [path.rpartition("/")[2] for path in index.asked if path.endswith((".gz", ".zip"))]


# What compiles nothing.


def test_a_pure_one_is_pinned_with_its_hash_and_what_it_requires(index: LocalIndex) -> None:
    status, text, said = run("zz-user", index)
    assert status == 0, said
    assert pins(text) == {"zz-user": "1.0", "zz-pure": "1.1", "zz-base": "2.0"}
    assert "--only-binary :all:\n--no-binary zz-pure\n" in text
    assert str(build_sdist("zz-pure", "1.1", requires=["zz-base>=2"]).sha256) in text
    assert "# source: zz-pure 1.1 is built from zz_pure-1.1.tar.gz, which compiles nothing" in text
    assert "built from source by the installer, and nothing is compiled: zz-pure" in said


def test_a_wheel_of_the_same_release_comes_first(index: LocalIndex) -> None:
    index.add(MAIN, build_wheel("zz-pure", "1.1", offer_metadata=True))
    _, text, _ = run("zz-pure", index)
    assert pins(text) == {"zz-pure": "1.1"}
    assert "--no-binary" not in text
    assert "zz_pure-1.1.tar.gz" not in archives_read(index)


def test_the_newest_release_is_taken_though_an_older_one_has_a_wheel(index: LocalIndex) -> None:
    index.add(MAIN, build_wheel("zz-pure", "0.9", offer_metadata=True))
    assert pins(run("zz-pure", index)[1])["zz-pure"] == "1.1"
    # One that compiles is not taken: the newest with a wheel is.
    index.add(MAIN, build_wheel("zz-cuda", "0.9", offer_metadata=True))
    assert pins(run("zz-cuda", index)[1]) == {"zz-cuda": "0.9"}


def test_one_of_the_matrix_that_had_no_wheel_yet(index: LocalIndex) -> None:
    """The matrix has a wheel of the newest fire alone, and on that day there was none."""
    index.add(MAIN, *(build_sdist("fire", version) for version in ("0.5.0", "0.6.0", "0.7.0")))
    # With a wheel in sight nobody is asked.
    assert pins(run("fire", index)[1])["fire"] == "0.7.1"
    assert index.asked == []
    status, text, said = run("fire --exclude-newer 2023-04-14", index)
    assert (status, pins(text).get("fire")) == (0, "0.5.0"), said
    assert "--no-binary fire\n" in text


def test_what_was_read_once_is_not_downloaded_again(index: LocalIndex) -> None:
    first = run("zz-user", index)
    assert archives_read(index) == ["zz_pure-1.1.tar.gz"]
    assert run("zz-user", index) == first
    assert run("zz-user --offline", index) == first
    assert archives_read(index) == ["zz_pure-1.1.tar.gz"]


def test_what_was_never_read_is_not_known_offline(index: LocalIndex) -> None:
    index.add(MAIN, build_sdist("zz-late", "1.0"), build_sdist("zz-late", "2.0"))
    assert run("zz-late==2.0", index)[0] == 0
    status, _, said = run("zz-late==1.0 --offline", index)
    assert status == 3
    assert "zz_late-1.0.tar.gz" in said


def test_nothing_of_an_archive_is_run(index: LocalIndex, tmp_path: Path) -> None:
    written = tmp_path / "written"
    files = {"setup.py": EVIL.format(written), "zz_evil.egg-info/SOURCES.txt": ""}
    index.add(MAIN, build_sdist("zz-evil", "1.0", files))
    status, text, said = run("zz-evil", index)
    assert status == 0, said
    assert pins(text) == {"zz-evil": "1.0"}
    assert not written.exists()


def test_a_python_that_it_does_not_take(index: LocalIndex) -> None:
    index.add(MAIN, build_sdist("zz-new", "1.0", requires_python=">=3.12"))
    assert run("zz-new", index)[0] == 1
    # Known from the archive alone: the index page does not say it.
    hidden = build_sdist("zz-hidden", "1.0", requires_python=">=3.12")
    index.add(MAIN, ServedFile(hidden.name, hidden.content, hidden.sha256))
    assert run("zz-hidden", index)[0] == 1


# What compiles, and what nobody can tell.


def test_one_that_compiles_is_refused_with_the_reason_and_solved_hints(index: LocalIndex) -> None:
    status, text, said = run("zz-cuda zz-user", index)
    assert (status, text) == (1, "")
    assert (
        "zz-cuda 1.0 has no wheel, only a source distribution that would have to be compiled: its"
        " setup.py uses CUDAExtension to compile CUDA" in said
    )
    hints = re.findall(r"^hint: .*: `(cudalock solve .*)`$", said, re.MULTILINE)
    assert "--allow-build zz-cuda" in hints[0]
    assert "--skip zz-cuda" in hints[1]
    for hint in hints[:2]:
        words = shlex.split(hint)[2:]
        result = CliRunner().invoke(main, ["solve", *words, "--index-url", index.url(MAIN)])
        assert result.exit_code == 0, result.stderr


def test_what_cannot_be_told_is_unknown_and_neither_yes_nor_no(index: LocalIndex) -> None:
    status, _, said = run("zz-maybe", index)
    assert status == 1
    assert "whether its source distribution compiles anything is unknown" in said
    assert "`ext_modules` of its setup.py is computed" in said
    assert "would have to be compiled" not in said
    status, text, _ = run("zz-maybe --allow-build zz-maybe", index)
    assert status == 0
    assert "zz-maybe 1.0 may be compiled from zz_maybe-1.0.tar.gz" in text


def test_an_allowed_build_tells_what_it_needs(index: LocalIndex) -> None:
    status, text, said = run("zz-cuda torch==2.6.0 --allow-build ZZ_cuda", index, "--cuda", "12.4")
    assert status == 0, said
    assert {"zz-cuda": "1.0", "torch": "2.6.0"}.items() <= pins(text).items()
    assert "--allow-build zz-cuda" in re.findall("^# command: .*", text, re.MULTILINE)[0]
    for part in ("install torch 2.6.0, setuptools and wheel first", "nvcc of CUDA 12.4.1"):
        assert part in text
        assert part in said
    assert "# with pip: pip install --require-hashes --no-build-isolation -r" in text


@pytest.mark.parametrize("name", ["requirements", "pylock"])
def test_a_build_from_a_folder_says_what_has_to_be_there_first(
    index: LocalIndex, name: str
) -> None:
    note = "# note: an isolated build needs an index: install setuptools and wheel, or the build"
    wheels = ("--wheels", "wheels", "--format", name)
    status, text, said = run("zz-pure", index, *wheels)
    assert status == 0, said
    header = [line for line in text.splitlines() if line.startswith("# ")]
    assert header[0].startswith("# cudalock: "), "what is added replaces nothing"
    assert header[-1].startswith(note)
    hashes = "--require-hashes " if name == "requirements" else ""
    assert f"# with pip: pip install {hashes}--no-build-isolation -r " in text
    plain = run("zz-pure", index, "--format", name)[1]
    assert note not in plain
    assert f"# with pip: pip install {hashes}-r " in plain


def test_a_skipped_project_is_left_out_and_named(index: LocalIndex) -> None:
    status, text, said = run("zz-user zz-cuda --skip zz-cuda --skip zz-pure", index)
    assert status == 0, said
    assert pins(text) == {"zz-user": "1.0"}
    assert "# note: `--skip` leaves out zz-cuda: install it yourself" in text
    assert "zz-user 1.0: its requirement zz-pure is dropped [--skip]" in said
    assert "pip install --require-hashes --no-deps" in text
    assert run("zz-cuda --skip zz-cuda", index)[0] == 2
    assert "invalid project name `a b`" in run("zz-user --skip 'a b'", index)[2]


def test_defaults_of_the_table(
    index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = '[tool.cudalock]\nallow-build = ["zz-cuda"]\nskip = ["zz-base"]\n'
    (tmp_path / "pyproject.toml").write_text(table, encoding="utf-8")
    assert pins(run("zz-cuda", index)[1]) == {"zz-cuda": "1.0"}


def test_generate_takes_them_too(
    index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "requirements.txt").write_text("zz-user\nzz-cuda==1.0\n", encoding="utf-8")
    command = ["generate", "requirements.txt", *shlex.split(TARGET), "--index-url", index.url(MAIN)]
    refused = CliRunner().invoke(main, command)
    assert refused.exit_code == 1
    assert "requirements.txt:2 requires zz-cuda==1.0" in refused.stderr
    assert "hint: `--allow-build zz-cuda`" in refused.stderr
    assert "hint: `--skip zz-cuda`" in refused.stderr
    allowed = CliRunner().invoke(main, [*command, "--allow-build", "zz-cuda"])
    assert allowed.exit_code == 0, allowed.stderr
    assert "--allow-build zz-cuda" in allowed.stdout.partition("# matrix")[0]
    skipped = CliRunner().invoke(main, [*command, "--skip", "zz-cuda"])
    assert pins(skipped.stdout) == {"zz-user": "1.0", "zz-pure": "1.1", "zz-base": "2.0"}


def test_what_helps_is_told_for_a_release_that_nobody_came_to(index: LocalIndex) -> None:
    """Where the newest releases of a project require more that cannot be had."""
    index.add(
        MAIN,
        *(
            build_wheel(
                "zz-app",
                f"1.{minor}",
                requires=["zz-cuda", "zz-mid"] if minor else ["zz-cuda"],
                offer_metadata=True,
            )
            for minor in range(40)
        ),
        build_wheel("zz-mid", "1.0", requires=["zz-base<2"], offer_metadata=True),
    )
    status, _, said = run("zz-app", index)
    assert status == 1, said
    assert "zz-app --allow-build zz-cuda" in said
    assert "zz-app --skip zz-cuda" in said
    allowed, text, said = run("zz-app --allow-build zz-cuda", index)
    assert allowed == 0, said
    assert pins(text)["zz-app"] == "1.0"


def test_older_releases_are_not_downloaded_where_the_newest_compile(index: LocalIndex) -> None:
    for number in range(12):
        index.add(MAIN, build_sdist("zz-many", f"1.{number}", COMPILES))
    index.add(MAIN, build_sdist("zz-many", "0.1"))
    status, _, said = run("zz-many", index)
    assert status == 1
    assert sorted(archives_read(index)) == ["zz_many-1.10.tar.gz", "zz_many-1.11.tar.gz"]
    assert "it was not looked into" in said
    # One that is named is looked into.
    assert pins(run("zz-many==0.1", index)[1]) == {"zz-many": "0.1"}


def test_wheels_with_machine_code_for_others_tell_that_it_compiles(index: LocalIndex) -> None:
    index.add(MAIN, build_wheel("zz-pure", "1.1", "cp311-cp311-win_amd64", offer_metadata=True))
    _, text, _ = run("zz-pure", index)
    assert pins(text) == {"zz-pure": "1.0"}
    assert "zz_pure-1.1.tar.gz" not in archives_read(index)


# What is damaged, or lies.


def hostile() -> dict[str, tuple[ServedFile, str]]:
    good = build_sdist("zz-bad", "1.0")
    return {
        "truncated": (served(good.content[:-60]), "was cut short"),
        "not an archive": (served(b"<html>login</html>"), "is damaged"),
        "another release": (
            build_sdist("zz-bad", "1.0", metadata=info("zz-other", "9.9")),
            "states that it is zz-other 9.9",
        ),
        "another digest": (
            ServedFile(good.name, good.content, "0" * 64),
            "does not have the hash that the index publishes",
        ),
        "no name": (served_files({"setup.py": "print('no name')"}), "neither a name nor a version"),
    }


def served(content: bytes) -> ServedFile:
    return ServedFile("zz_bad-1.0.tar.gz", content)


def served_files(files: dict[str, str]) -> ServedFile:
    from tests.local_index import pack

    return served(pack(files, "zz_bad-1.0"))


@pytest.mark.parametrize("kind", hostile())
def test_an_archive_that_cannot_be_used_is_told_in_a_sentence(
    kind: str, index: LocalIndex, tmp_path: Path
) -> None:
    file, problem = hostile()[kind]
    index.add(MAIN, file)
    output = tmp_path / "requirements.txt"
    for more in ((), ("--allow-build", "zz-bad")):
        status, _, said = run("zz-bad", index, *more, "-o", str(output))
        assert status == 1
        assert f"zz-bad 1.0 has no wheel, and its source distribution {problem}" in said or (
            problem in said
        )
        assert "Traceback" not in said
        assert not output.exists()


def test_an_older_release_is_taken_instead_of_a_damaged_one(index: LocalIndex) -> None:
    index.add(MAIN, ServedFile("zz_pure-1.2.tar.gz", b"damaged"))
    assert pins(run("zz-pure", index)[1])["zz-pure"] == "1.1"


def test_an_archive_that_is_too_large_is_not_read(
    index: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cudalock.indexes import sources

    monkeypatch.setattr(sources, "LARGEST", 100)
    status, _, said = run("zz-pure==1.0", index)
    assert status == 1
    assert "has no wheel, and its source distribution is longer" in said


def test_what_an_archive_states_reaches_no_terminal_unescaped(index: LocalIndex) -> None:
    backend = '[build-system]\nbuild-backend = "\\u001b[31mred"\nrequires = []\n'
    index.add(MAIN, build_sdist("zz-red", "1.0", {"pyproject.toml": backend}))
    status, _, said = run("zz-red", index)
    assert status == 1
    assert "\x1b" not in said


# What pip and uv make of it.


@pytest.fixture
def environment(tmp_path: Path, index: LocalIndex) -> dict[str, str]:
    return make_environment(tmp_path, clean_environment(tmp_path, index.url(MAIN)))


@pytest.mark.parametrize("tool", ["pip", "uv"])
@pytest.mark.parametrize("file", ["requirements.txt", "pylock.toml"])
def test_installers_build_it(
    tool: str, file: str, index: LocalIndex, tmp_path: Path, environment: dict[str, str]
) -> None:
    output = tmp_path / file
    result = CliRunner().invoke(
        main,
        ["solve", "zz-user", *HERE.split(), "--index-url", index.url(MAIN), "-o", str(output)],
    )
    assert result.exit_code == 0, result.stderr
    install = re.findall(rf"^# with {tool}: (.*)$", output.read_text("utf-8"), re.MULTILINE)[0]
    python = str(tmp_path / "env" / "bin" / "python")
    command = shlex.split(install)
    command += ["--python", python] if tool == "uv" else []
    if tool == "pip":
        command = ["pip", "--python", python, *command[1:]]
    done = run_tool(command, tmp_path, environment)
    assert done.returncode == 0, done.stderr
    assert any(path.name == "zz_pure.py" for path in (tmp_path / "env").rglob("*.py"))


def test_a_pylock_has_the_archive_as_sdist(index: LocalIndex) -> None:
    _, text, _ = run("zz-user", index, "--format", "pylock")
    document = Pylock.from_dict(toml.loads(text))
    (package,) = (package for package in document.packages if package.name == "zz-pure")
    assert package.wheels is None
    assert package.sdist is not None
    assert package.sdist.url == index.url("/main/zz-pure/zz_pure-1.1.tar.gz")


def test_uv_locks_without_running_a_build(index: LocalIndex, tmp_path: Path) -> None:
    written = tmp_path / "written"
    metadata = info("zz-evil", "1.0", "zz-base").replace("2.2", "2.1")
    egg = {"zz_evil.egg-info/requires.txt": "zz-base\n"}
    files = {"setup.py": EVIL.format(written), **egg}
    index.add(MAIN, build_sdist("zz-evil", "1.0", files, metadata=metadata))
    project = tmp_path / "pyproject.toml"
    words = ["zz-evil", "zz-user", *TARGET.split(), "--index-url", index.url(MAIN)]
    result = CliRunner().invoke(main, ["solve", *words, "-o", str(project)])
    assert result.exit_code == 0, result.stderr
    text = project.read_text("utf-8")
    assert '{ name = "zz-evil", version = "1.0", requires-dist = ["zz-base"] }' in text
    assert CliRunner().invoke(main, ["solve", *words, "-o", str(project)]).exit_code == 0
    assert project.read_text("utf-8") == text
    variables = clean_environment(tmp_path, index.url(MAIN))
    # With it uv does not read the table's settings, to which `dependency-metadata` belongs.
    del variables["UV_NO_CONFIG"]
    done = run_tool(["uv", "lock"], tmp_path, variables)
    assert done.returncode == 0, done.stderr
    locked = {
        package["name"]: package.get("version")
        for package in toml.loads((tmp_path / "uv.lock").read_text("utf-8"))["package"]
    }
    assert {"zz-evil": "1.0", "zz-pure": "1.1", "zz-base": "2.0"}.items() <= locked.items()
    assert not written.exists()
    # Without one the list goes, and with it what it was for.
    words[:1] = ["zz-base"]
    result = CliRunner().invoke(main, ["solve", *words, "--skip", "zz-pure", "-o", str(project)])
    assert result.exit_code == 0, result.stderr
    assert "dependency-metadata" not in project.read_text("utf-8")


def test_json_tells_how_each_is_built(index: LocalIndex) -> None:
    _, text, _ = run("zz-user zz-cuda --allow-build zz-cuda --json", index)
    document = json.loads(text)
    builds = {pin["name"]: pin["wheel"]["build"] for pin in document["pins"]}
    assert builds["zz-user"] is None
    assert builds["zz-pure"] == {"kind": "pure", "reason": "", "beside": []}
    assert builds["zz-cuda"]["kind"] == "compiles"
    assert builds["zz-cuda"]["beside"] == ["torch"]
    assert document["goal"]["allow_build"] == ["zz-cuda"]


def test_a_wheel_on_one_platform_and_the_archive_on_the_other(index: LocalIndex) -> None:
    """`--no-binary` would build it on both: the others are named instead."""
    index.add(
        MAIN,
        build_sdist("zz-half", "1.0"),
        build_wheel("zz-half", "1.0", "py3-none-win_amd64", offer_metadata=True),
    )
    words = "zz-half zz-base --platform windows --allow-build zz-half"
    status, text, said = run(words, index)
    assert status == 0, said
    assert "--only-binary zz-base\n" in text
    assert ":all:" not in text
    assert "--no-binary" not in text
    assert len(re.findall("--hash", text.partition("zz-half==")[2])) == 2
    _, text, _ = run(words, index, "--format", "pylock")
    packages = Pylock.from_dict(toml.loads(text)).packages
    (package,) = (package for package in packages if package.name == "zz-half")
    assert package.wheels
    assert package.sdist

"""Requirements files: encodings, nesting, bounds, and agreement with pip's own reader."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cudalock.errors import BadFile
from cudalock.projects.kinds import kind_of
from cudalock.projects.model import ProjectFile
from cudalock.projects.read import find_files, read_file
from cudalock.versions import canonical
from tests.projects.listing import check_places

FILES = Path(__file__).parent / "files"
PINS = "torch==2.5.1 # größe\n\nnumpy \\\n  <2\n"


def read(content: bytes | str, **more: Any) -> ProjectFile:
    file = read_file("-", content.encode() if isinstance(content, str) else content, **more)
    check_places(file)
    return file


def shown(file: ProjectFile) -> list[str]:
    return [f"{each.name}{each.specifier}" for each in file.everything()]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be-bom", "utf-32", "latin-1"]
)
def test_encodings(codec: str, ending: str) -> None:
    text = PINS.replace("\n", ending)
    content = {
        "utf-16-be-bom": b"\xfe\xff" + text.encode("utf-16-be"),
        "latin-1": b"# -*- coding: latin-1 -*-\n" + text.encode("latin-1"),
    }.get(codec) or text.encode(codec)
    file = read(content)
    assert shown(file) == ["torch==2.5.1", "numpy<2"]
    assert not file.problems
    assert file.encode() == content
    assert file.encode(file.text.replace("2.5.1", "2.6.0")) == _replaced(content, file)


def _replaced(content: bytes, file: ProjectFile) -> bytes:
    codec = file.encoding.codec
    return content.replace("2.5.1".encode(codec), "2.6.0".encode(codec))


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        (b"torch\n# \xff\xfe\nnumpy\n", 2, "this is not utf-8 text (byte 8)"),
        ("torch\nnumpy\n".encode("utf-16-le"), 1, "this is not text"),
        (b"\xff\xfet", 1, "this is not utf-16-le text (byte 0)"),
    ],
)
def test_text_that_is_not_what_it_says(content: bytes, line: int, said: str) -> None:
    file = read(content)
    assert file.encode() == content
    assert (file.problems[-1].place.line, file.problems[-1].message) == (line, said)


def test_what_pip_freeze_prints() -> None:
    file = read(
        "torch==2.5.1+cu124\n"
        "mine @ file:///home/me/mine-1.0-py3-none-any.whl#sha256=00ff\n"
        "-e git+https://github.com/a/b@0123abc#egg=b_b&subdirectory=src\n"
        "# Editable install with no version control (local==0.1)\n"
        "-e /home/me/local\n"
        "# Editable Git install with no remote (other==0.0.1)\n"
        "-e /home/me/other\n"
        "vcs @ git+https://github.com/a/vcs.git@0123abc\n"
    )
    assert not file.problems
    assert [(each.name, each.version, each.url, each.editable) for each in file.declared] == [
        ("torch", "2.5.1+cu124", None, False),
        ("mine", None, "file:///home/me/mine-1.0-py3-none-any.whl#sha256=00ff", False),
        ("b-b", None, "git+https://github.com/a/b@0123abc#egg=b_b&subdirectory=src", True),
        ("", None, "/home/me/local", True),
        ("", None, "/home/me/other", True),
        ("vcs", None, "git+https://github.com/a/vcs.git@0123abc", False),
    ]


def test_addresses_that_are_none() -> None:
    bad = "https://[::1/x-1-py3-none-any.whl"
    file = read(f"x @ {bad}\n{bad}\n-i {bad}\n-e {bad}\ntorch\n")
    assert [each.message for each in file.problems] == ["invalid URL"] * 4
    assert shown(file) == ["torch"]
    assert file.index_url is None


def test_a_file_is_read_once_and_a_chain_has_an_end(tmp_path: Path) -> None:
    for number in range(60):
        more = f"-r {number + 1}.txt\n" * 3 if number < 59 else ""
        (tmp_path / f"{number}.txt").write_text(f"a{number}\n{more}")
    file = read_file(tmp_path / "0.txt")
    found = list(file.files())
    assert len(found) == 32
    (problem, *_) = found[-1].problems
    assert problem.message == "`32.txt` is not read: too many files include one another"


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("-r a\0b\n-r .\n-r \n")
    file = read_file(tmp_path / "r.txt")
    assert len(file.problems) == 4


@pytest.mark.parametrize(
    ("kind", "mebibytes"), [("requirements", 4), ("uv-lock", 8), ("pyproject", 1)]
)
def test_files_that_nobody_wrote(kind: str, mebibytes: int) -> None:
    with pytest.raises(BadFile, match=f"larger than {mebibytes} MiB"):
        read_file("-", b"#" * (10 * 1024 * 1024), kind=kind)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("requirements", b"torch " + b" " * 500_000 + b"x"),
        ("requirements", b"torch\\\n" * 100_000),
        ("requirements", b"-r " + b"a" * 300),
        ("requirements", b"torch; " + b"(" * 100_000),
        ("poetry-lock", b"a." * 200_000 + b"a = 1"),
        ("pyproject", b"a = " + b"[" * 200_000),
        ("environment", b"[" * 1_000_000),
        ("environment", b"{a: " * 200_000),
        ("dockerfile", b"FROM x AS a\n" * 80_000),
        ("dockerfile", b"FROM x\nENV A=aa\n" + b"ENV A=$A$A\n" * 500),
        ("dockerfile", b"RUN a \\\n" + b"#\n" * 400_000),
        ("setup-cfg", b"a " * 400_000),
        ("setup-py", b"(" * 200_000),
    ],
)
def test_files_made_to_take_long(kind: str, content: bytes) -> None:
    """What grows faster than its file would take minutes, and ends as what hangs does."""
    assert read(content, kind=kind).kind == kind


def test_kinds_by_name() -> None:
    names = {
        "requirements.txt": "requirements",
        "dev-requirements.txt": "requirements",
        "requirements_versions.txt": "requirements",
        "requirements-cu124.in": "requirements",
        "requirements/base.txt": "requirements",
        "docs/base.txt": None,
        "reqs.txt": "requirements",
        "constraints.txt": "constraints",
        "pip-constraints-3.11.txt": "constraints",
        "pyproject.toml": "pyproject",
        "pylock.toml": "pylock",
        "pylock.linux.toml": "pylock",
        "pylock.py3.11.toml": None,
        "uv.lock": "uv-lock",
        "environment.yml": "environment",
        "environment-gpu.yaml": "environment",
        "conda-env.yml": "environment",
        "my.environment.yml": "environment",
        "docker-compose.yml": None,
        "Dockerfile": "dockerfile",
        "Dockerfile.gpu": "dockerfile",
        "gpu.Dockerfile": "dockerfile",
        "Containerfile": "dockerfile",
        "Dockerfile.jinja2": None,
        "MANIFEST.in": None,
        "Makefile.in": None,
        "requirements.in": "requirements",
        "requirements.pip": "requirements",
        "requirements/gpu.in": "requirements",
        "requirements/readme.md": None,
        "config.h.in": None,
        "setup.cfg": "setup-cfg",
        "README.md": None,
    }
    assert {name: kind_of(name) for name in names} == names


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        ("a: {{ .Values.x }} {{ y\n", 0),
        ("dependencies: [a, b\n", 1),
        ("a: 1\n", 0),
        ("- 1\n", 0),
        ("", 0),
        ("dependencies: {a: b}\n", 0),
        ("dependencies:\n  - a\n---\ndependencies:\n  - b\n", 0),
    ],
)
def test_yaml_that_is_no_environment(content: str, problems: int) -> None:
    """Many files have such names, and most of them are none of ours."""
    assert len(read(content, kind="environment").problems) == problems


def test_finding_files(tmp_path: Path) -> None:
    for name in (
        "requirements.txt",
        "a/requirements/gpu.txt",
        ".venv/requirements.txt",
        "env/pyvenv.cfg",
        "env/lib/requirements.txt",
        "node_modules/x/requirements.txt",
        ".git/requirements.txt",
        "setup.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    found = [str(path.relative_to(tmp_path).as_posix()) for path in find_files(tmp_path)]
    assert found == ["requirements.txt", "a/requirements/gpu.txt"]
    with pytest.raises(BadFile, match="not a directory"):
        find_files(tmp_path / "setup.py")


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="cannot be read: No such file"):
        read_file(tmp_path / "requirements.txt")
    with pytest.raises(BadFile, match="unknown kind of file"):
        read_file(tmp_path / "picture.png")


PIPS_OWN = """
import json, sys
from pip._internal.network.session import PipSession
from pip._internal.req.req_file import parse_requirements
from pip._internal.req.constructors import install_req_from_parsed_requirement

found = []
for parsed in parse_requirements(sys.argv[1], session=PipSession()):
    options = parsed.options or {}
    made = install_req_from_parsed_requirement(parsed)
    found.append({
        "name": made.req and made.req.name,
        "specifier": str(made.req.specifier) if made.req else "",
        "extras": sorted(made.extras),
        "marker": str(made.markers) if made.markers else None,
        "url": made.link.url if made.link else None,
        "hashes": sorted(f"{k}:{v}" for k, vs in options.get("hashes", {}).items() for v in vs),
        "constraint": parsed.constraint,
        "editable": made.editable,
        "line": parsed.line_source,
    })
print(json.dumps(found))
"""


def test_pip_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the lines that are right: those that are wrong make pip stop."""
    from packaging.markers import Marker
    from packaging.specifiers import SpecifierSet

    monkeypatch.setenv("SPANDREL_VERSION", "0.4.0")
    content = (FILES / "plain_requirements" / "requirements.txt").read_text()
    good = [
        line
        for line in content.partition("#torchaudio")[0].splitlines()
        if not line.startswith(("-e", "--editable", "./", "git+"))
    ]
    path = tmp_path / "requirements.txt"
    path.write_text("\n".join(good) + "\n-c limits.txt\n", encoding="utf-8")
    (tmp_path / "limits.txt").write_text("torch<3\n")
    result = subprocess.run(
        [sys.executable, "-c", PIPS_OWN, str(path)], capture_output=True, text=True, check=True
    )
    theirs = json.loads(result.stdout)
    ours = list(read_file(path).everything())
    assert len(theirs) == len(ours) > 15
    for one, other in zip(theirs, ours, strict=True):
        assert (canonical(one["name"] or "")) in (
            other.name,
            "",
        )
        # of an address pip takes the version from the file's name
        assert other.url or SpecifierSet(one["specifier"]) == SpecifierSet(other.specifier)
        assert list(map(canonical, one["extras"])) == list(other.extras) or other.url
        assert one["marker"] == (str(Marker(other.marker)) if other.marker else None)
        assert one["hashes"] == ([] if other.url else sorted(other.hashes))
        assert one["constraint"] == (other.role == "constraint")
        assert (one["url"] is None) == (other.url is None)

"""Archives as bytes: what is read of them, what they compile, and those that are out to do harm."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import tarfile
import tracemalloc
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from cudalock import toml
from cudalock.sdists import UnreadableArchive, archive, read_archive, read_source
from cudalock.sdists.rules import read_rules
from cudalock.sdists.setup_script import follow
from tests.local_index import pack
from tests.paths import CASES

if TYPE_CHECKING:
    from collections.abc import Callable

TOP = "zz-1.0"
INFO = "Metadata-Version: 2.2\nName: zz\nVersion: 1.0\n"
CASE_TABLE = toml.loads((CASES / "sdists.toml").read_text(encoding="utf-8"))["case"]


# -- what is read -------------------------------------------------------------------------------


def zipped(files: dict[str, str], top: str = TOP) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as packed:
        for path, text in files.items():
            packed.writestr(f"{top}/{path}", text)
    return sink.getvalue()


@pytest.mark.parametrize("case", CASE_TABLE, ids=lambda case: case["source"][:60])
def test_what_a_release_states_and_compiles(case: dict[str, Any]) -> None:
    for file, content in (
        ("zz.tar.gz", pack(case["files"], TOP)),
        ("zz.zip", zipped(case["files"])),
    ):
        metadata = read_source(read_archive(file, content))
        assert metadata is not None
        assert metadata.build.kind == case["kind"], metadata.build
        assert re.search(case.get("reason", ""), metadata.build.reason), metadata.build
        assert list(metadata.build.beside) == case.get("beside", [])
        if case.get("requires") == "computed":
            assert metadata.requires is None
        elif "requires" in case:
            assert list(metadata.requires or ()) == case["requires"]
        if "python" in case:
            assert metadata.python == case["python"]


def test_the_cases_are_of_every_kind_and_rule() -> None:
    assert {case["kind"] for case in CASE_TABLE} == {"pure", "compiles", "unknown"}
    rules = read_rules()
    assert all(
        backend.builds in ("nothing", "code", "setup.py", "elsewhere")
        for backend in rules.backends.values()
    )
    assert all(
        row.made_with for row in rules.backends.values() if row.builds in ("code", "elsewhere")
    )


@pytest.mark.parametrize(
    ("ending", "compress"),
    [(".tar.gz", gzip.compress), (".tar.bz2", bz2.compress), (".tar.xz", lzma.compress)],
)
def test_each_compression_is_read(ending: str, compress: Callable[[bytes], bytes]) -> None:
    plain = gzip.decompress(pack({"PKG-INFO": INFO}, TOP))
    assert read_archive(f"zz{ending}", compress(plain)).text("PKG-INFO") == INFO


# -- what is out to do harm ---------------------------------------------------------------------


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as packed:
        for member, content in members:
            packed.addfile(member, io.BytesIO(content))
    return sink.getvalue()


def named(path: str, content: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(path)
    member.size = len(content)
    for field, setting in fields.items():
        setattr(member, field, setting)
    return member, content


def long_header() -> bytes:
    """A pax header that claims 7 GiB, which tarfile would gather in memory."""
    member, _ = named("x", type=tarfile.XHDTYPE)
    member.size = 7 << 30
    return member.tobuf(tarfile.USTAR_FORMAT) + b"\0" * 1024


def chain_of_headers() -> bytes:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 4
    return (header.tobuf(tarfile.GNU_FORMAT) + b"abc\0" + b"\0" * 508) * 3_000


def gzip_bomb() -> bytes:
    """A member of 2 GiB of zeros, of which the file has a part."""
    member, _ = named(f"{TOP}/zeros")
    member.size = 2 << 30
    sink = io.BytesIO()
    with gzip.GzipFile(fileobj=sink, mode="wb", compresslevel=1) as packed:
        packed.write(member.tobuf())
        for _ in range(12):
            packed.write(bytes(1 << 20))
    return sink.getvalue()


def lying_zip() -> bytes:
    """A PKG-INFO whose size in the directory is a lie."""
    content = bytearray(zipped({"PKG-INFO": "x" * (archive.LARGEST_TEXT + 100)}))
    size = (archive.LARGEST_TEXT + 100).to_bytes(4, "little")
    place = content.rfind(size)
    content[place : place + 4] = (10).to_bytes(4, "little")
    return bytes(content)


HOSTILE: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "empty": ("zz.tar.gz", lambda: gzip.compress(tar_of()), "is empty"),
    "no bytes": ("zz.tar.gz", lambda: b"", "is damaged"),
    "not a zip": ("zz.zip", lambda: b"PK\3\4 nothing", "is damaged"),
    "cut short": (
        "zz.tar.gz",
        lambda: pack({"PKG-INFO": INFO, "zz.py": "x = 1\n" * 9999}, TOP)[:200],
        "cut short",
    ),
    "long header": ("zz.tar.gz", lambda: gzip.compress(long_header()), "a header that is too long"),
    "chain of headers": (
        "zz.tar.gz",
        lambda: gzip.compress(chain_of_headers()),
        "readable|damaged",
    ),
    "gzip bomb": ("zz.tar.gz", gzip_bomb, "unpacks to more than 8 MiB"),
    "large text": (
        "zz.tar.gz",
        lambda: gzip.compress(tar_of(named(f"{TOP}/setup.py", b"#" * (archive.LARGEST_TEXT + 1)))),
        r"has a `zz-1.0/setup.py` of 2,097,153 bytes",
    ),
    "many members": (
        "zz.tar.gz",
        lambda: gzip.compress(tar_of(*(named(f"{TOP}/{n}") for n in range(1_100)))),
        "more than 1,000 members",
    ),
    "lying zip": ("zz.zip", lying_zip, "damaged|too long"),
    "unknown ending": ("zz.tar.Z", lambda: b"", "ending"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_harm_is_refused_within_bounds(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LARGEST_UNPACKED", 8 << 20)
    monkeypatch.setattr(archive, "MOST_MEMBERS", 1_000)
    file, content, problem = HOSTILE[kind]
    packed = content()
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableArchive, match=problem):
            read_archive(file, packed)
        assert tracemalloc.get_traced_memory()[1] < 24 << 20
    finally:
        tracemalloc.stop()


def test_links_and_paths_lead_nowhere() -> None:
    """Nothing is extracted: a link has no text, and a path out of the archive is no member."""
    members = (
        named(f"{TOP}/PKG-INFO", INFO.encode()),
        named(f"{TOP}/setup.py", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        named(f"{TOP}/setup.cfg", type=tarfile.LNKTYPE, linkname=f"{TOP}/PKG-INFO"),
        named("../../setup.py", b"import os\n"),
        named(f"{TOP}/../pyproject.toml", b"[build-system]\n"),
        named("/etc/setup.cfg", b"[options]\n"),
        named(f"{TOP}/device", type=tarfile.CHRTYPE),
    )
    contents = read_archive("zz.tar.gz", gzip.compress(tar_of(*members)))
    assert set(contents.texts) <= {"PKG-INFO", "setup.cfg"}
    assert contents.text("PKG-INFO") == INFO
    metadata = read_source(contents)
    assert metadata is not None
    assert metadata.build.kind == "pure"


SCRIPTS = {
    "deep": "setup(x=" + "(" * 150 + "1" + ")" * 150 + ")",
    "deeper": "x = " + "-" * 5000 + "1",
    "long": "x = ['a' + 'b'] * 10**9\nsetup(name=x)",
    "growing": "x = 'a' * 5000\n" + "x = x + x\n" * 60 + "setup(name=x)",
    "endless": "def f():\n    return f()\nf()\nsetup()",
    "odd": "from setuptools import setup\nmatch 1:\n    case _:\n        setup(name='zz')",
    "chained": "setup(" + "".join(f"a{n}=1, " for n in range(500)) + ")",
    "text": "x = 'a,b'\nsetup(y=x.split(','), z=int('7'), w=int('seven'), v='%s' % x)",
}


@pytest.mark.parametrize("kind", SCRIPTS)
def test_a_script_is_followed_or_left_alone(kind: str) -> None:
    script = follow(SCRIPTS[kind])
    if kind == "text":
        assert script is not None
        assert script.arguments["y"] == ["a", "b"]
        assert script.arguments["z"] == 7

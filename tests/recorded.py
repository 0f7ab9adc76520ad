"""The package index, PyTorch's indexes and builders' releases, as the matrix records them.

`RecordedIndex` is a `LocalIndex` with three more kinds of address, each made when it is asked for:

    /simple/PROJECT/                      the package index
    /whl/VARIANT/PROJECT/                 PyTorch's, in the form that its own script writes
    /OWNER/REPO/releases/download/TAG/    a builder's files, which have no listing

Every wheel stands there under its own name and published digest, with the METADATA that the matrix
records for it. What is sent for the wheel itself is a small zip without code (`stand_in`), so a
consumer that reads metadata alone sees what the real index shows. A row that the matrix derived is
served as well: tried here is whether a lock can be read and holds together, not whether a file
exists.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from cudalock.matrix.releases import PACKAGE_INDEX
from tests.local_index import LocalIndex, ServedFile, anchor, metadata_text, page, stand_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.releases import Build, Release

MAIN: Final = "/simple/"

# What PyTorch's indexes hold of other people's projects, at https://download.pytorch.org/whl/ and
# listed by every variant: the same files as on the package index, but old ones.
MIRRORED: Final = (
    "certifi==2022.12.7",
    "charset-normalizer==2.1.1",
    "filelock==3.13.1",
    "fsspec==2024.2.0",
    "fsspec==2024.6.1",
    "idna==3.4",
    "jinja2==3.1.3",
    "jinja2==3.1.4",
    "jinja2==3.1.6",
    "markupsafe==2.1.5",
    "markupsafe==3.0.2",
    "mpmath==1.3.0",
    "networkx==3.2.1",
    "networkx==3.3",
    "numpy==1.26.3",
    "numpy==2.1.2",
    "packaging==24.1",
    "pillow==10.2.0",
    "pillow==11.0.0",
    "requests==2.28.1",
    "setuptools==70.0.0",
    "setuptools==70.2.0",
    "sympy==1.13.1",
    "sympy==1.13.3",
    "typing-extensions==4.12.2",
    "typing-extensions==4.15.0",
    "typing-extensions==4.9.0",
    "urllib3==1.26.13",
)
# The same for what only one variant lists, at https://download.pytorch.org/whl/VARIANT/.
MIRRORED_BY_VARIANT: Final = {
    "cu118": (
        "nvidia-cublas-cu11==11.11.3.6",
        "nvidia-cuda-cupti-cu11==11.8.87",
        "nvidia-cuda-nvrtc-cu11==11.8.89",
        "nvidia-cuda-runtime-cu11==11.8.89",
        "nvidia-cudnn-cu11==8.7.0.84",
        "nvidia-nccl-cu11==2.20.5",
    ),
    "cu124": (
        "nvidia-cublas-cu12==12.4.5.8",
        "nvidia-cudnn-cu12==9.1.0.70",
        "nvidia-cusparselt-cu12==0.6.2",
        "nvidia-nccl-cu12==2.21.5",
        "nvidia-nvjitlink-cu12==12.4.127",
    ),
    "cu128": (
        "nvidia-cublas-cu12==12.8.3.14",
        "nvidia-cudnn-cu12==9.7.1.26",
        "nvidia-cusparselt-cu12==0.6.3",
        "nvidia-nccl-cu12==2.26.2",
        "nvidia-nvjitlink-cu12==12.8.61",
    ),
}

_VARIANT_PAGE = re.compile(r"/whl/([^/]+)/([^/]+)/")
_VARIANT_FILE = re.compile(r"/whl/(?:([^/]+)/)?([^/]+\.whl)(\.metadata)?")
_MAIN_FILE = re.compile(r"/simple/([^/]+)/([^/]+\.whl)(\.metadata)?")
_DIGEST = re.compile(r"(?:(?<=sha256:)|(?<=sha256 = \"))[0-9a-f]{64}")
_ADDRESS = re.compile(r"://[^/\s]+(/[^\s\"]+\.whl)")
_EXTRA = re.compile(r"""extra == ["']([^"']+)""")
_PINNED = re.compile(r"""^(?:name = ")?([a-z0-9-]+)(?:==| @ |"$)""", re.MULTILINE)

_BINARY = "application/octet-stream"
_PAGE = "text/html; charset=utf-8"


class RecordedIndex(LocalIndex):
    """Everything that a matrix says is published, on 127.0.0.1.

    With `digests=False` no listing has one: the way to let a consumer download the stand-ins.
    """

    def __init__(self, matrix: Matrix, *, digests: bool = True) -> None:
        super().__init__()
        self._matrix = matrix
        self._digests = digests
        # Bound here, so that what was made goes when the index does.
        self._wheels = cache(self._make_wheels)
        self._main_page = cache(self._make_main_page)
        self._variant_page = cache(self._make_variant_page)

    def redirected(self, text: str) -> str:
        """The text of a lock with each address of an index or a release moved to this server.

        A lock names https://download.pytorch.org and https://github.com, and neither installer
        can be told to look for a host elsewhere. Only scheme and host change, so the paths, their
        encoding, the options, the pins and the hashes are tried as they were written.
        """
        urls = [index.url for index in self._matrix.indexes.values()]
        urls += [builder.url for builder in self._matrix.builders.values()]
        for origin in sorted({_origin(url) for url in urls if url}):
            text = text.replace(f"{origin}/", self.url("/"))
        return text

    def with_stand_in_digests(self, text: str) -> str:
        """The text with each published digest replaced by that of what is sent for the wheel.

        pip reads no metadata alone when it checks hashes: it downloads, and a stand-in under a
        published digest is a mismatch, as it should be.
        """
        sent = {
            wheel.sha256: wheel
            for name in _PINNED.findall(text)
            for index in self._matrix.indexes
            for wheel in self._wheels(name, index).values()
        }
        assets = map(self._asset, map(unquote, _ADDRESS.findall(text)))
        sent |= {wheel.sha256: wheel for wheel in assets if wheel is not None}
        return _DIGEST.sub(lambda found: _whole(sent[found[0]]).real_sha256, text)

    def answer(self, path: str) -> tuple[str, bytes] | None:
        if found := _VARIANT_PAGE.fullmatch(path):
            return self._variant_page(found[1], canonicalize_name(found[2]))
        if path.startswith(MAIN) and path.endswith("/"):
            return self._main_page(canonicalize_name(path.removeprefix(MAIN).removesuffix("/")))
        if found := _MAIN_FILE.fullmatch(path):
            return _file(self._wheels(found[1], PACKAGE_INDEX).get(found[2]), found[3])
        if found := _VARIANT_FILE.fullmatch(path):
            return _file(self._variant_wheel(found[1], found[2]), found[3])
        return _file(self._asset(path), None) or super().answer(path)

    def _make_main_page(self, name: str) -> tuple[str, bytes] | None:
        wheels = self._wheels(name, PACKAGE_INDEX).values()
        return page(map(self._listed, wheels)) if wheels else None

    def _make_variant_page(self, variant: str, name: str) -> tuple[str, bytes] | None:
        """As https://github.com/pytorch/test-infra writes it (s3_management/manage.py).

        Its addresses start at the host's root, since a mirrored file lies above the variant's
        folder, and it has no data-requires-python.
        """
        if variant not in self._matrix.indexes:
            return None
        rows = [(f"/whl/{variant}/", wheel) for wheel in self._wheels(name, variant).values()]
        rows += [
            (f"/whl/{folder}", wheel)
            for folder, pins in (("", MIRRORED), (f"{variant}/", MIRRORED_BY_VARIANT.get(variant)))
            for wheel in self._mirrored(name, pins or ())
        ]
        if not rows:
            return None
        anchors = [
            anchor(replace(self._listed(wheel), requires_python=None), folder)
            for folder, wheel in rows
        ]
        lines = [f"    {each}<br/>" for each in anchors]
        frame = ["<!DOCTYPE html>", "<html>", "  <body>", f"    <h1>Links for {name}</h1>"]
        return _PAGE, "\n".join([*frame, *lines, "  </body>", "</html>"]).encode()

    def _variant_wheel(self, variant: str | None, file: str) -> ServedFile | None:
        name = _project(file)
        found = self._wheels(name, variant).get(file) if variant in self._matrix.indexes else None
        pins = MIRRORED_BY_VARIANT.get(variant, ()) if variant else MIRRORED
        mirrored = (wheel for wheel in self._mirrored(name, pins) if wheel.name == file)
        return found or next(mirrored, None)

    def _mirrored(self, name: str, pins: Sequence[str]) -> Iterator[ServedFile]:
        versions = {pin.partition("==")[2] for pin in pins if pin.partition("==")[0] == name}
        for file, wheel in self._wheels(name, PACKAGE_INDEX).items():
            if str(parse_wheel_filename(file)[1]) in versions:
                yield wheel

    def _asset(self, path: str) -> ServedFile | None:
        """A builder's file."""
        file = path.rpartition("/")[2]
        for release in self._matrix.project(_project(file)) or ():
            for build in release.builds:
                for wheel in build.wheels if build.builder else ():
                    if wheel.file(release.version, build.local) == file:
                        url = self._matrix.url(build, wheel, release.version)
                        if unquote(urlsplit(url or "").path) == path:
                            metadata = self._metadata(release, build).encode()
                            return ServedFile(file, b"", wheel.sha256, metadata)
        return None

    def _listed(self, wheel: ServedFile) -> ServedFile:
        return wheel if self._digests else wheel.without_digest()

    def _make_wheels(self, name: str, index: str) -> dict[str, ServedFile]:
        """The wheels of a project on an index, by file name. Their content is made when sent."""
        found = {}
        for release in self._matrix.project(name) or ():
            for build in release.builds:
                if build.index == index:
                    metadata = self._metadata(release, build).encode()
                    for wheel in build.wheels:
                        file = wheel.file(release.version, build.local)
                        found[file] = ServedFile(
                            file, b"", wheel.sha256, metadata, build.python, release.yanked
                        )
        return found

    def _metadata(self, release: Release, build: Build) -> str:
        renamed = self._matrix.is_renamed(build)
        local = f"+{build.local}" if build.local and not renamed else ""
        extras = {extra for each in build.requires for extra in _EXTRA.findall(each)}
        text = metadata_text(
            release.project, f"{release.version}{local}", build.requires, build.python
        )
        return text + "".join(f"Provides-Extra: {extra}\n" for extra in sorted(extras))


class LaterIndex(RecordedIndex):
    """The recorded index as it may look later: each project has one more release.

    It is made as the newest one was, under the next major version, and has no digest.
    """

    def _make_wheels(self, name: str, index: str) -> dict[str, ServedFile]:
        wheels = super()._make_wheels(name, index)
        project = self._matrix.project(name)
        if project is not None:
            newest = project.release(project.versions[-1])
            version = f"{Version(newest.version).major + 1}.0.0"
            metadata = metadata_text(name, version).encode()
            for build in newest.builds:
                for wheel in build.wheels if build.index == index else ():
                    file = wheel.file(version, build.local)
                    wheels[file] = ServedFile(file, b"", None, metadata, build.python)
        return wheels


def _file(wheel: ServedFile | None, metadata: str | None) -> tuple[str, bytes] | None:
    if wheel is None:
        return None
    return _BINARY, (wheel.metadata or b"") if metadata else _whole(wheel).content


def _whole(wheel: ServedFile) -> ServedFile:
    return stand_in(wheel.name, (wheel.metadata or b"").decode(), wheel.sha256)


def _project(file: str) -> str:
    return canonicalize_name(file.partition("-")[0])


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"

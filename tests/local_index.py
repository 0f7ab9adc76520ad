"""Package indexes on loopback, for trying what we write with the real pip and uv.

`LocalIndex` is one small web server with as many roots as a test wants:

    with LocalIndex() as index:
        index.add("/main/simple/", build_wheel("numpy", "2.1.0"))
        index.add("/whl/cu124/", build_wheel("torch", "2.5.1+cu124", requires=["numpy"]))
        address = index.release("/releases/v2.7.4/", renamed_wheel)
        index.url("/main/simple/")            # what goes after --index-url

An index root answers as PEP 503 HTML with `#sha256=` fragments, and with PEP 658 attributes where
a file offers its METADATA on its own. A release folder is a plain directory of files without a
listing, as a GitHub release is.

A `ServedFile` says separately what is advertised and what is sent, so a recorded index can be
presented without its gigabytes: `stand_in` takes a real file name, the real METADATA and the real
digest, and sends a small zip that holds that METADATA and no code.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import io
import os
import subprocess
import sys
import tarfile
import threading
import zipfile
from dataclasses import dataclass, field, replace
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from packaging.utils import canonicalize_name, parse_wheel_filename

from tests.forked_pip import run_pip

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

# How an environment names the package index and what it needs to reach it.
INDEX_SETTINGS = {"PIP_CERT", "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"}

# A fixed time: the same wheel has the same digest in every run.
EARLIEST_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class ServedFile:
    """One file of an index or a release.

    `sha256` is the digest the listing advertises (None: no fragment); it need not be that of
    `content`. `metadata` is offered beside the file (PEP 658) when given. `requires_python` and
    `yanked` become the listing's attributes (PEP 503, PEP 592).
    """

    name: str
    content: bytes = field(repr=False)
    sha256: str | None = None
    metadata: bytes | None = field(default=None, repr=False)
    requires_python: str | None = None
    yanked: str | None = None

    @property
    def project(self) -> str:
        if self.name.endswith(".whl"):
            return str(parse_wheel_filename(self.name)[0])
        return str(canonicalize_name(self.name.rpartition("-")[0]))

    @cached_property
    def real_sha256(self) -> str:
        """The digest of what is sent."""
        return hashlib.sha256(self.content).hexdigest()

    def without_digest(self) -> ServedFile:
        return replace(self, sha256=None)


def metadata_text(
    name: str, version: str, requires: Iterable[str] = (), requires_python: str | None = None
) -> str:
    """A METADATA file with the fields that a resolver reads."""
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    if requires_python is not None:
        lines.append(f"Requires-Python: {requires_python}")
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    return "\n".join(lines) + "\n"


def build_wheel(
    name: str,
    version: str,
    tags: str = "py3-none-any",
    *,
    requires: Iterable[str] = (),
    requires_python: str | None = None,
    file_version: str | None = None,
    contents: str = "",
    offer_metadata: bool = False,
) -> ServedFile:
    """A small wheel that installs: one module named after the project, holding `contents`.

    `file_version` is the version in the file name where it differs from METADATA's, which makes a
    renamed wheel such as upstream flash-attn's. `tags` may start with a build tag.
    """
    distribution = canonicalize_name(name).replace("-", "_")
    metadata = metadata_text(name, version, requires, requires_python)
    content = _wheel_bytes(
        distribution, version, tags, metadata, {f"{distribution}.py": contents or f"# {name}\n"}
    )
    return ServedFile(
        name=f"{distribution}-{file_version or version}-{tags}.whl",
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        metadata=metadata.encode() if offer_metadata else None,
        requires_python=requires_python,
    )


def pack(files: Mapping[str, str], top: str) -> bytes:
    """A tar.gz with these files below one folder; the same files have the same digest."""
    sink = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=sink, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for path, text in files.items():
            member = tarfile.TarInfo(f"{top}/{path}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return sink.getvalue()


def build_sdist(
    name: str,
    version: str,
    files: Mapping[str, str] | None = None,
    *,
    requires: Iterable[str] = (),
    metadata: str | None = None,
    requires_python: str | None = None,
) -> ServedFile:
    """A source distribution: pure Python built by flit_core, unless `files` say otherwise.

    `metadata` is its PKG-INFO, if that is not of `name`, `version` and `requires`.
    """
    distribution = canonicalize_name(name).replace("-", "_")
    info = metadata or metadata_text(name, version, requires, requires_python)
    flit = '[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n'
    own = {"pyproject.toml": flit, f"{distribution}.py": f"# {name}\n"} if files is None else files
    content = pack({"PKG-INFO": info, **own}, f"{distribution}-{version}")
    return ServedFile(
        name=f"{distribution}-{version}.tar.gz",
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        requires_python=requires_python,
    )


BACKEND = """
import pathlib, zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    info = pathlib.Path("PKG-INFO").read_text()
    fields = dict(line.split(": ", 1) for line in info.splitlines() if ": " in line)
    stem = fields["Name"].replace("-", "_") + "-" + fields["Version"]
    file = stem + "-py3-none-any.whl"
    folder = stem + ".dist-info/"
    files = {path.name: path.read_text() for path in pathlib.Path().glob("*.py")}
    files[folder + "METADATA"] = info
    files[folder + "WHEEL"] = (
        "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    )
    files[folder + "RECORD"] = "".join(name + ",,\\n" for name in [*files, folder + "RECORD"])
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / file, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return file
"""
"""A build backend in twenty lines, so that pip and uv can build without a network."""


def build_backend() -> ServedFile:
    """A wheel under the name of flit_core that builds what `build_sdist` makes."""
    files = {"flit_core/__init__.py": "", "flit_core/buildapi.py": BACKEND}
    content = _wheel_bytes(
        "flit_core", "3.12", "py3-none-any", metadata_text("flit-core", "3.12"), files
    )
    digest = hashlib.sha256(content).hexdigest()
    return ServedFile("flit_core-3.12-py3-none-any.whl", content, digest)


def stand_in(file: str, metadata: str, sha256: str | None = None) -> ServedFile:
    """A recorded wheel by its real name: only `metadata` is real, and it is offered on its own.

    With `sha256` (the real file's) a resolver that reads metadata alone sees what the real index
    shows; one that downloads is told of a mismatch. Without, the advertised digest is that of the
    small zip.
    """
    distribution, _, rest = file.removesuffix(".whl").partition("-")
    _, _, tags = rest.partition("-")
    # The folder inside is named by METADATA's version, which is how a renamed wheel is renamed.
    version = next(
        line.partition(":")[2].strip()
        for line in metadata.splitlines()
        if line.startswith("Version:")
    )
    content = _wheel_bytes(distribution, version, tags, metadata, {})
    return ServedFile(
        name=file,
        content=content,
        sha256=sha256 or hashlib.sha256(content).hexdigest(),
        metadata=metadata.encode(),
    )


def _wheel_bytes(
    distribution: str, version: str, tags: str, metadata: str, modules: Mapping[str, str]
) -> bytes:
    folder = f"{distribution}-{version}.dist-info"
    python, abi, platform = tags.split("-")[-3:]
    wheel = ["Wheel-Version: 1.0", "Generator: local_index", "Root-Is-Purelib: true"]
    wheel += [
        f"Tag: {p}-{a}-{m}"
        for p in python.split(".")
        for a in abi.split(".")
        for m in platform.split(".")
    ]
    files = {**modules, f"{folder}/METADATA": metadata, f"{folder}/WHEEL": "\n".join(wheel) + "\n"}
    record = [_record_line(path, text.encode()) for path, text in files.items()]
    files[f"{folder}/RECORD"] = "\n".join([*record, f"{folder}/RECORD,,"]) + "\n"
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path, EARLIEST_ZIP_TIME), text)
    return sink.getvalue()


def _record_line(path: str, data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(data)}"


class LocalIndex:
    """A web server on 127.0.0.1, alive inside its `with` block. Files may be added while it runs.

    `asked` lists the paths requested so far, decoded, in order: a test can say what was not
    downloaded.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._roots: dict[str, dict[str, list[ServedFile]]] = {}
        self._releases: dict[str, ServedFile] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add(self, root: str, *files: ServedFile) -> None:
        """Put files on the index at `root` ("/main/simple/"), each under its own project."""
        projects = self._roots.setdefault(_folder(root), {})
        for file in files:
            projects.setdefault(file.project, []).append(file)

    def release(self, folder: str, file: ServedFile) -> str:
        """Put a file in a plain folder; its address, percent-encoded, comes back."""
        path = _folder(folder) + file.name
        self._releases[path] = file
        return self.url(path)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}{quote(path)}"

    def answer(self, path: str) -> tuple[str, bytes] | None:
        """The content type and body for a decoded path; None where nothing is."""
        if path in self._releases:
            return "application/octet-stream", self._releases[path].content
        for root, projects in self._roots.items():
            if path.startswith(root):
                return _answer_index(path.removeprefix(root), projects)
        return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        index = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body in one packet: apart, the second waits 40 ms for the first's receipt.
            wbufsize = -1
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                path = unquote(self.path.partition("?")[0])
                index.asked.append(path)
                found = index.answer(path)
                kind, body = found or ("text/plain", b"not here\n")
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_HEAD = do_GET  # noqa: N815 (http.server's name)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet: pytest's output is for failures."""

        return Handler


def _folder(path: str) -> str:
    return "/" + path.strip("/") + "/"


def _answer_index(
    rest: str, projects: Mapping[str, Sequence[ServedFile]]
) -> tuple[str, bytes] | None:
    if not rest:
        return _document(f'<a href="{quote(name)}/">{name}</a>' for name in sorted(projects))
    name, _, file = rest.partition("/")
    files = projects.get(canonicalize_name(name), ())
    if not file:
        return page(files) if files else None
    for served in files:
        if file == served.name:
            return "application/octet-stream", served.content
        if file == f"{served.name}.metadata" and served.metadata is not None:
            return "application/octet-stream", served.metadata
    return None


def page(files: Iterable[ServedFile]) -> tuple[str, bytes]:
    """The content type and body of a project's page, whose files lie beside it."""
    return _document(map(anchor, files))


def _document(anchors: Iterable[str]) -> tuple[str, bytes]:
    lines = [
        "<!DOCTYPE html>",
        "<html><body>",
        *(f"{anchor}<br>" for anchor in anchors),
        "</body></html>",
    ]
    return "text/html; charset=utf-8", "\n".join(lines).encode()


def anchor(file: ServedFile, folder: str = "") -> str:
    """The link to a file in a listing."""
    fragment = f"#sha256={file.sha256}" if file.sha256 else ""
    attributes = {}
    if file.metadata is not None:
        digest = f"sha256={hashlib.sha256(file.metadata).hexdigest()}"
        # Both spellings: PEP 714 renamed the attribute, and older installers look for the first.
        attributes = {"data-dist-info-metadata": digest, "data-core-metadata": digest}
    if file.requires_python is not None:
        attributes["data-requires-python"] = file.requires_python
    if file.yanked is not None:
        attributes["data-yanked"] = file.yanked
    words = "".join(f' {key}="{html.escape(value)}"' for key, value in attributes.items())
    return f'<a href="{folder}{quote(file.name)}{fragment}"{words}>{html.escape(file.name)}</a>'


def clean_environment(scratch: Path, index_url: str | None) -> dict[str, str]:
    """Environment variables for pip and uv: this package index, and no setting from outside.

    None is the installers' own index, or the one that the environment names in its place.
    """
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.upper().startswith(("PIP_", "UV_", "PYTHONIOENCODING", "VIRTUAL_ENV"))
        or (index_url is None and key.upper() in INDEX_SETTINGS)
    }
    if index_url is not None:
        kept |= {"PIP_INDEX_URL": index_url, "UV_DEFAULT_INDEX": index_url}
        kept |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    return {
        # pip does not start for a user who has no folder.
        "HOME": str(scratch),
        **kept,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_CACHE_DIR": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "UV_NO_CONFIG": "1",
        "UV_CACHE_DIR": str(scratch / "uv-cache"),
        "UV_PYTHON_DOWNLOADS": "never",
    }


def make_environment(folder: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Make a virtual environment at `folder`/env; return the variables with it as the active one.

    The variables name one that is there, or none: uv for Windows stops at a `VIRTUAL_ENV` that is
    not there, which would look as if the index could not be asked.
    """
    made = run_tool(["uv", "venv", "--python", sys.executable, "env"], folder, variables)
    assert made.returncode == 0, made.stderr
    return {**variables, "VIRTUAL_ENV": str(folder / "env")}


def run_tool(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command that begins with `pip` (this interpreter's) or `uv` (the one beside it)."""
    tool, *rest = command
    if tool == "pip":
        return run_pip(rest, folder, environment)
    return subprocess.run(
        [_uv(), *rest],
        cwd=folder,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _uv() -> str:
    from uv import find_uv_bin

    return str(find_uv_bin())

"""Known vulnerabilities of pins: from a dump of OSV and from a service, and the stack without them.

`tests/cases/osv` has facts that were recorded from OSV, in its format.
"""

from __future__ import annotations

import json
import re
import shlex
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from cudalock.cli import main
from cudalock.errors import BadFile, NetworkError
from cudalock.indexes.client import Web
from cudalock.indexes.osv import Advisories, read_advisories

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DUMP = Path(__file__).parents[1] / "cases" / "osv"
DOCUMENTS = {
    document["id"]: document
    for document in (json.loads(path.read_text(encoding="utf-8")) for path in DUMP.glob("*.json"))
}
PINS = [("torch", "2.4.1+cu124"), ("jinja2", "3.1.5"), ("numpy", "2.1.3"), ("torch", "2.6.0")]
FOUND = [
    ("torch", "2.4.1+cu124", "GHSA-53q9-r3pm-6pq6"),
    ("torch", "2.4.1+cu124", "PYSEC-2024-259"),
    ("jinja2", "3.1.5", "GHSA-cpwx-vrp4-4pq7"),
]
TARGET = ["--platform", "linux", "--python", "3.11"]


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


# -- which versions -------------------------------------------------------------------------------


def advisory(*events: dict[str, str], **more: Any) -> dict[str, Any]:
    affected = {
        "package": {"ecosystem": "PyPI", "name": "Some.Name"},
        "ranges": [{"type": "ECOSYSTEM", "events": list(events)}],
        "versions": more.pop("versions", []),
    }
    return {"id": "X-1", "affected": [affected], **more}


@pytest.mark.parametrize(
    ("document", "affected", "clean"),
    [
        (
            advisory({"introduced": "0"}, {"fixed": "2.6.0"}),
            "0.dev1 2.5.1 2.6.0rc1 2.5.1+cu124",
            "2.6.0 2.6.0+cpu",
        ),
        (
            advisory({"introduced": "1.2"}, {"last_affected": "1.4"}),
            "1.2 1.4",
            "1.1 1.4.1 1.4.post1",
        ),
        (
            advisory({"fixed": "3.1"}, {"introduced": "3"}, {"introduced": "1"}, {"fixed": "2"}),
            "1.5 3.0.5",
            "0.9 2 2.5 3.1",
        ),
        (advisory({"introduced": "5"}, versions=["1.0", "2.0.0-rc1"]), "1.0 2.0.0rc1 5", "1.1 2"),
        (advisory({"introduced": "1"}, {"limit": "2"}), "1.9", "2"),
    ],
)
def test_versions_by_the_rules_of_the_schema(
    document: dict[str, Any], affected: str, clean: str
) -> None:
    (row,) = read_advisories(document)
    assert row.project == "some-name"
    assert [version for version in affected.split() if not row.affects(version)] == []
    assert [version for version in clean.split() if row.affects(version)] == []


def test_what_was_withdrawn_or_is_of_another_ecosystem_is_none() -> None:
    assert not list(
        read_advisories(advisory({"introduced": "0"}, withdrawn="2025-01-01T00:00:00Z"))
    )
    other = advisory({"introduced": "0"})
    other["affected"][0]["package"]["ecosystem"] = "npm"
    assert not list(read_advisories(other))


# -- where they come from -------------------------------------------------------------------------


class Service:
    """OSV's service as it is documented, with one advisory to a page."""

    def __init__(self, change: Callable[[str, Any], Any] | None = None) -> None:
        self.asked: list[str] = []
        self.change = change or (lambda _path, answer: answer)

    def answer(self, path: str, body: Any) -> Any:
        self.asked.append(path)
        if path.startswith("/v1/vulns/"):
            return self.change(path, DOCUMENTS.get(path.removeprefix("/v1/vulns/")))
        results = [self._result(query) for query in body["queries"]]
        return self.change(path, {"results": results})

    def _result(self, query: dict[str, Any]) -> dict[str, Any]:
        ids = [
            identifier
            for identifier, document in sorted(DOCUMENTS.items())
            for row in read_advisories(document)
            if row.project == query["package"]["name"]
            and ("version" not in query or row.affects(query["version"]))
        ]
        first = int(query.get("page_token", "0"))
        result: dict[str, Any] = {}
        if ids:
            result["vulns"] = [{"id": ids[first], "modified": "2026-01-01T00:00:00Z"}]
        if first + 1 < len(ids):
            result["next_page_token"] = str(first + 1)
        return result


@contextmanager
def serving(service: Service) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(service.answer(self.path, None))

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            self._answer(service.answer(self.path, json.loads(self.rfile.read(length))))

        def _answer(self, answer: Any) -> None:
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(404 if answer is None else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()


def found(known: Advisories) -> list[tuple[str, str, str]]:
    return [(name, version, row.id) for name, version, row in known.of_pins(PINS)]


def zipped(tmp_path: Path) -> str:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in DUMP.glob("*.json"):
            archive.write(path, path.name)
    return str(tmp_path / "all.zip")


def test_a_dump_and_the_service_say_the_same(tmp_path: Path) -> None:
    service = Service()
    with Web(stale=False) as web, serving(service) as url:
        places = {"folder": str(DUMP), "zip": zipped(tmp_path), "service": url}
        for place in places.values():
            known = Advisories(web, place)
            assert found(known) == FOUND, place
            # Two databases have the same one, which is one.
            assert [row.id for row in known.of_project("torch")] == [
                "GHSA-47fc-vmwq-366v",
                "GHSA-53q9-r3pm-6pq6",
                "PYSEC-2024-259",
            ]
    assert service.asked.count("/v1/vulns/GHSA-53q9-r3pm-6pq6") == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path, answer: b"<html>" if "batch" in path else answer, "it is not JSON"),
        (lambda path, answer: [] if "batch" in path else answer, "it is not an object"),
        (lambda path, answer: {"results": []} if "batch" in path else answer, "no result for each"),
        (
            lambda path, answer: (
                {"results": [{"vulns": [{"id": "../x"}]}] * 4} if "batch" in path else answer
            ),
            "invalid id",
        ),
        (lambda path, answer: answer if "batch" in path else {"id": "X-1", "affected": 3}, "OSV"),
        (lambda path, answer: answer if "batch" in path else None, "cannot read"),
    ],
)
def test_a_service_that_answers_otherwise(change: Callable[[str, Any], Any], message: str) -> None:
    raises = pytest.raises(NetworkError, match=message)
    with Web(stale=False) as web, serving(Service(change)) as url, raises:
        found(Advisories(web, url))


@pytest.mark.parametrize("content", [None, "{", '{"id": 3, "affected": [{}]}', '{"id": "a b"}'])
def test_a_dump_that_is_none(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "X-1.json").write_text(content, encoding="utf-8")
    with Web() as web, pytest.raises(BadFile):
        Advisories(web, str(tmp_path))


# -- check ----------------------------------------------------------------------------------------


@pytest.fixture
def pins(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.txt"
    path.write_text("torch==2.5.1\ntorchvision==0.20.1\njinja2==3.1.5\n", encoding="utf-8")
    return path


def test_check_proposes_the_nearest_stack(pins: Path) -> None:
    result = run("check", str(pins), *TARGET, "--offline", "--osv", str(DUMP))
    assert result.exit_code == 1, result.output
    lines = result.stdout.splitlines()
    assert [re.sub(r"^.*?:(\d+):1: ", r"\1 ", line).partition(":")[0] for line in lines[::2]] == [
        "1 CL109 torch 2.5.1 has a known vulnerability",
        "3 CL109 jinja2 3.1.5 has a known vulnerability",
    ]
    assert "GHSA-53q9-r3pm-6pq6 (CVE-2025-32434), fixed in 2.6.0" in lines[0]
    assert set(lines[1::2]) == {"    fix: `torch==2.6.0`, `torchvision==0.21.0`, `jinja2==3.1.6`"}
    # It is what it says: nothing is found in it.
    pins.write_text("torch==2.6.0\ntorchvision==0.21.0\njinja2==3.1.6\n", encoding="utf-8")
    result = run("check", str(pins), *TARGET, "--offline", "--osv", str(DUMP))
    assert (result.exit_code, result.stdout) == (0, "")


def test_a_comment_silences_it_and_nobody_asks_without_the_option(pins: Path) -> None:
    assert run("check", str(pins), *TARGET, "--offline").exit_code == 0
    text = pins.read_text(encoding="utf-8")
    pins.write_text(text.replace("\n", "  # cudalock: ignore[CL109]\n"), encoding="utf-8")
    assert run("check", str(pins), *TARGET, "--offline", "--osv", str(DUMP)).exit_code == 0


def test_check_asks_the_service(pins: Path) -> None:
    with serving(Service()) as url:
        result = run("check", str(pins), *TARGET, "--osv", url, "--json")
    assert result.exit_code == 1
    findings = json.loads(result.stdout)["findings"]
    assert [row["members"] for row in findings] == [
        ["torch", "GHSA-53q9-r3pm-6pq6"],
        ["jinja2", "GHSA-cpwx-vrp4-4pq7"],
    ]


def test_a_service_that_is_not_there_ends_with_3(pins: Path) -> None:
    result = run("check", str(pins), *TARGET, "--osv", "http://127.0.0.1:9/v1")
    assert result.exit_code == 3
    assert "cannot read http://127.0.0.1:9/v1/querybatch" in result.stderr
    result = run("check", str(pins), *TARGET, "--advisories", "--offline")
    assert result.exit_code == 2
    assert "`--osv DIR`" in result.stderr


# -- solve ----------------------------------------------------------------------------------------


def test_solve_says_what_is_known_and_how_to_do_without() -> None:
    solve = ["solve", "--torch", "2.5.1", "--vision", *TARGET, "--offline", "--osv", str(DUMP)]
    result = run(*solve)
    assert result.exit_code == 0, result.output
    said = "warning: torch 2.5.1: GHSA-53q9-r3pm-6pq6 (CVE-2025-32434), fixed in 2.6.0"
    assert said in result.stderr
    (hint,) = re.findall(r"^hint: without them: cudalock (.*)$", result.stderr, re.MULTILINE)
    assert hint == "solve --torch 2.6.0 --vision --python 3.11 --platform linux"
    # The file is the same as without advisories: what is known changes with time.
    assert result.stdout == run(*solve[:-2]).stdout
    again = run(*shlex.split(hint), "--offline", "--osv", str(DUMP), "--json")
    assert json.loads(again.stdout)["advisories"] == []
    assert "advisories: none known for 27 packages" in again.stderr
    document = json.loads(run(*solve, "--json", "-q").stdout)
    assert document["safe_command"] == f"cudalock {hint}"
    assert document["advisories"][0]["fixed"] == ["2.6.0"]
    assert json.loads(run(*solve[:-2], "--json", "-q").stdout)["advisories"] is None


def test_where_no_version_is_without_one(tmp_path: Path) -> None:
    document = advisory({"introduced": "0"})
    document["affected"][0]["package"]["name"] = "torch"
    (tmp_path / "X-1.json").write_text(json.dumps(document), encoding="utf-8")
    result = run("solve", "--torch", "2.5.1", *TARGET, "--offline", "--osv", str(tmp_path))
    assert result.exit_code == 0
    assert "warning: torch 2.5.1: X-1, and no version fixes it" in result.stderr
    assert "note: no solution without them was found" in result.stderr

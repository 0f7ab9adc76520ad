"""The static pages: valid, linked, escaped, the same twice, and what the engine says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cudalock.cli import main
from tests.paths import ROOT
from tests.web.built import EVERYTHING, NPM, missing
from web import pages
from web.html import Html, element, grid, join, link, outside
from web.pages import addons, answers, feeds, reference
from web.pages.layout import SECTIONS, Page, slug, spoken
from web.site import Site

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Matrix

pytestmark = pytest.mark.timeout(3000 if EVERYTHING else 300)

ADDRESS = "https://cudalock.example/site"
VOID = {"br", "hr", "img", "input", "link", "meta"}


@pytest.fixture(scope="module")
def built(matrix: Matrix, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Fifty pages of every kind; all of them where everything is tested."""
    folder = tmp_path_factory.mktemp("site")
    site = Site(folder, ADDRESS, matrix)
    if EVERYTHING:
        return folder, pages.build(site)
    return folder, pages.build(site, limit=50, workers=1)


class Outline(HTMLParser):
    """What a page has, and what is wrong with it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.names: list[str] = []
        self.metas: dict[str, str] = {}
        self.wrong: list[str] = []
        self.feed(text)
        self.close()
        self.wrong += [f"<{tag}> is not closed" for tag in self.open]
        self.wrong += [f"id {id} is there twice" for id in self.ids if self.ids.count(id) > 1]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        table = dict(attrs)
        self.names.append(tag)
        if len(table) != len(attrs):
            self.wrong.append(f"<{tag}> has an attribute twice")
        if tag not in VOID:
            self.open.append(tag)
        if table.get("id"):
            self.ids.append(str(table["id"]))
        if tag == "a":
            self.links.append(str(table["href"]))
        if tag == "meta" and table.get("name"):
            self.metas[str(table["name"])] = str(table["content"])
        if any(name.startswith("on") for name in table):
            self.wrong.append(f"<{tag}> has a script")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes nothing")


def read(folder: Path, path: str) -> str:
    return (folder / path / "index.html").read_text(encoding="utf-8")


def test_every_kind_is_there(built: tuple[Path, list[str]]) -> None:
    folder, paths = built
    assert len(paths) >= 50
    kinds = {path.partition("/")[0] for path in paths}
    assert kinds >= {"torch", "gpu", "facts"}
    assert any("/torch-" in path for path in paths)
    assert {
        path.parent.relative_to(folder).as_posix() + "/" for path in folder.rglob("index.html")
    } == set(paths)


def test_pages_are_well_formed_and_lead_somewhere(
    built: tuple[Path, list[str]], matrix: Matrix
) -> None:
    folder, paths = built
    known = pages.all_paths(matrix) | {"", "docs/"}
    assert set(paths) <= known
    for path in paths:
        text = read(folder, path)
        outline = Outline(text)
        assert not outline.wrong, path
        assert outline.names.count("h1") == 1
        assert "script" not in outline.names
        assert 20 <= len(outline.metas["description"]) <= 320, path
        assert f'<link rel="canonical" href="{ADDRESS}/{path}">' in text
        for href in outline.links:
            if href.startswith("https://"):
                continue
            assert not re.match(r"\w+:", href), href
            assert _target(path, href) in known, f"{path}: {href}"


def _target(path: str, href: str) -> str:
    """The path that a relative link of a page leads to."""
    href = re.split(r"[?#]", href)[0]
    if not href:
        return path
    parts = path.rstrip("/").split("/")
    for part in href.rstrip("/").split("/"):
        if part == "..":
            assert parts, f"{href} leads out of the site"
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "".join(f"{part}/" for part in parts)


def test_two_builds_give_the_same_bytes(matrix: Matrix, tmp_path: Path) -> None:
    for name in ("a", "b"):
        pages.build(
            Site(tmp_path / name, ADDRESS, matrix), limit=12, workers=1 if name == "a" else 2
        )
    first, second = (
        {
            path.relative_to(tmp_path / name).as_posix(): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("a", "b")
    )
    assert first == second


def test_a_page_names_the_wheel_that_its_command_locks(matrix: Matrix) -> None:
    task = addons.Task("flash-attn", "windows-x86_64")
    found = answers.Answers(matrix, task.platform).of("flash-attn", 1)
    ((torch, cells),) = found.items()
    offered = [cell for cell in cells if cell.offer][-1]
    assert offered.offer is not None
    result = CliRunner().invoke(main, [*_words(offered.command), "--offline"])
    assert result.exit_code == 0, result.output
    assert str(offered.offer.url) in result.output
    refused = [cell for cell in cells if not cell.offer]
    for cell in refused[:1]:
        result = CliRunner().invoke(main, [*_words(cell.command), "--offline"])
        assert result.exit_code == 1, torch


def _words(command: str) -> list[str]:
    return command.split()[1:]


def test_what_nobody_looked_up_is_not_called_impossible(matrix: Matrix) -> None:
    """vllm requires packages that the matrix lacks: where a search alone fails, nobody knows."""
    refusal = answers.Refusal(())
    assert not refusal.is_known
    assert not answers.Refusal((answers.Line("a reason", None),), ("vllm",)).is_known


@pytest.mark.parametrize(
    ("name", "platform"), [("torchvision", "linux-x86_64"), ("xformers", "windows-x86_64")]
)
def test_what_is_left_out_changes_no_wheel(
    name: str, platform: str, matrix: Matrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = answers.Answers(matrix, platform).of(name, 1)
    every = answers.uninvolved(matrix, name)
    monkeypatch.setattr(answers, "uninvolved", lambda *_: tuple(set(every) - matrix.projects))
    whole = answers.Answers(matrix, platform).of(name, 1)
    assert _wheels(short) == _wheels(whole)


def _wheels(found: dict[str, list[answers.Answer]]) -> list[tuple[str, str | None] | None]:
    """The wheel of each answer, None for none."""
    offers = [cell.offer for cells in found.values() for cell in cells]
    return [None if offer is None else (offer.file, offer.url) for offer in offers]


def test_a_wheel_that_nobody_saw_is_not_promised(matrix: Matrix) -> None:
    found = answers.Answers(matrix, "linux-x86_64").of("pyg-lib", 1)
    ((torch, cells),) = found.items()
    offers = [cell.offer for cell in cells if cell.offer]
    assert offers
    (page,), (standing,) = addons.pages(
        matrix,
        addons.Task("pyg-lib", "linux-x86_64"),
        answers.Answers(matrix, "linux-x86_64"),
        1,
    )
    if not any(offer.is_seen for offer in offers):
        assert "may have wheels" in page.answer
        assert standing.words == "not confirmed"
    assert torch in page.title


def test_a_reason_found_for_one_python_is_not_told_of_another(matrix: Matrix) -> None:
    found = answers.Answers(matrix, "linux-x86_64").of("flash-attn-3", 2)
    for cells in found.values():
        for cell in cells:
            if isinstance(cell.outcome, answers.Refusal):
                for line in cell.outcome.reason:
                    match = re.search(r"no wheel for Python (3\.\d+)(?!\.)", line.text)
                    assert match is None or match[1] == cell.python


@pytest.mark.parametrize(
    ("name", "titles"), [("torchvision", {"CUDA", "ROCm", "XPU", ""}), ("flash-attn", {"CUDA"})]
)
def test_builds_for_other_accelerators_and_pythons_are_there(
    name: str, titles: set[str], matrix: Matrix
) -> None:
    task, found = addons.Task(name, "linux-x86_64"), answers.Answers(matrix, "linux-x86_64")
    (page,), _ = addons.pages(matrix, task, found, 1)
    (cells,) = found.of(name, 1).values()
    offered = {answers.built_for(cell.accelerator)[0] for cell in cells if cell.offer}
    assert offered == titles
    assert any(cell.python.endswith("t") for cell in cells if cell.offer)
    # Nobody expects a wheel for them: that there is none is not told.
    assert all(cell.offer or answers.is_usual(cell.python, cell.accelerator) for cell in cells)
    assert all(title in page.answer for title in titles)
    for cell in cells[-1:]:
        result = CliRunner().invoke(main, [*_words(cell.command), "--offline"])
        assert result.exit_code == 0, result.output


def test_a_release_of_cuda_leads_to_its_series(matrix: Matrix) -> None:
    page = reference.cuda_page(matrix, "12.6.0")
    assert re.search(r"torch \S+ is the newest with a build for CUDA 12\.6\.", page.answer)
    assert 'href="../12.6/"' in page.body
    assert "no torch" not in reference.cuda_page(matrix, "12.6").answer


# -- escaping -------------------------------------------------------------------------------------

HOSTILE = "<script>alert(1)</script>\"'&"


def test_text_is_escaped() -> None:
    assert "<script" not in join(HOSTILE)
    assert unescape(join(HOSTILE)) == HOSTILE
    assert element("a", HOSTILE, href=HOSTILE).count("<") == 2
    assert '"' not in element("p", title=HOSTILE)[10:-6]
    assert "<script" not in grid([HOSTILE], [[HOSTILE, HOSTILE]], HOSTILE)
    assert join(Html("<b>"), None, ["x", 1]) == "<b>x1"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", 'https://a/"><script>'])
def test_only_urls_of_the_web_are_links(url: str) -> None:
    assert "<a" not in outside(url)
    assert outside("https://a.example/b") == link(
        "https://a.example/b", "https://a.example/b", rel="noopener"
    )


def test_code_within_a_text_is_code() -> None:
    assert spoken("a `b <c>` d `e") == "a <code>b &lt;c&gt;</code> d `e"
    page = reference.code_html("CL202")
    assert "`" not in page.body
    assert "<code>cudalock explain FACT</code>" in page.body


def test_a_hostile_page_is_a_page() -> None:
    page = Page("facts/x/", HOSTILE, HOSTILE, element("p", HOSTILE))
    outline = Outline(page.text("https://a.example", "1"))
    assert not outline.wrong
    assert "script" not in outline.names


def test_slugs_are_paths() -> None:
    assert slug("RTX 4090") == "rtx-4090"
    assert slug("../../etc <x>") == "..-..-etc-x" or "/" not in slug("../../etc <x>")


# -- sitemap, feed --------------------------------------------------------------------------------


def test_the_sitemap_names_every_page(built: tuple[Path, list[str]]) -> None:
    folder, paths = built
    root = ET.parse(folder / "sitemap.xml").getroot()
    space = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
    found = [str(node.text) for node in root.iter(f"{space}loc")]
    assert set(found) == {f"{ADDRESS}/{path}" for path in ["", *paths]}
    assert f"Sitemap: {ADDRESS}/sitemap.xml" in (folder / "robots.txt").read_text()


def test_the_feed_has_what_changed(built: tuple[Path, list[str]], matrix: Matrix) -> None:
    folder, _ = built
    root = ET.parse(folder / "feed.xml").getroot()
    space = "{http://www.w3.org/2005/Atom}"
    entries = root.findall(f"{space}entry")
    assert len(entries) == feeds.ENTRIES
    days = [str(entry.findtext(f"{space}updated")) for entry in entries]
    assert days == sorted(days, reverse=True)
    ids = [entry.findtext(f"{space}id") for entry in entries]
    assert len(ids) == len(set(ids))
    known = pages.all_paths(matrix)
    for entry in entries:
        href = str(entry.find(f"{space}link").get("href"))  # type: ignore[union-attr]
        assert href.removeprefix(f"{ADDRESS}/") in known


def test_names_of_folders_do_not_meet(matrix: Matrix) -> None:
    assert not set(answers.add_ons(matrix)) & {*SECTIONS, "api", "cuda", "gpu"}
    assert len(reference.gpu_paths(matrix)) > 300


# -- a real validator -----------------------------------------------------------------------------

VALIDATOR = ROOT / "web" / "node_modules" / ".bin" / "html-validate"
RULES = {
    "extends": ["html-validate:standard"],
    "rules": {
        # Of style, not of validity.
        "long-title": "off",
        "no-trailing-whitespace": "off",
        "require-sri": "off",
        "no-inline-style": "error",
        "void-style": "off",
        "doctype-style": "off",
    },
}


def test_html_validate_finds_nothing(built: tuple[Path, list[str]], tmp_path: Path) -> None:
    if not VALIDATOR.exists() or shutil.which("node") is None:
        missing(f"html-validate is missing: install nodejs, and {NPM}")
    folder, _ = built
    config = tmp_path / "rules.json"
    config.write_text(json.dumps({"root": True, **RULES}), encoding="utf-8")
    done = subprocess.run(
        [VALIDATOR, "--config", config, "--formatter", "text", f"{folder}/**/*.html"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]

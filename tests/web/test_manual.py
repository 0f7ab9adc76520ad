"""The documentation's site: every page has its place, what is generated is what the code has, and
a link that leads nowhere fails the build."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from cudalock.findings import RULES
from tests.paths import ROOT
from tests.web.built import missing
from web import manual
from web.manual import pictures, reference, sources
from web.manual.slugs import anchor
from web.site import Site, Unavailable

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Matrix

FENCED = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
HAS_MKDOCS = all(find_spec(name) is not None for name in manual.NEEDED)


class _Loader(yaml.SafeLoader):
    """Reads mkdocs.yml without the functions that it names."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/name:", lambda *_: None)


@pytest.fixture(scope="module")
def written(matrix: Matrix) -> dict[str, str]:
    return {**sources.pages(), **reference.pages(matrix)}


def config() -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(manual.CONFIG.read_text("utf-8"), _Loader)
    return found


def places(entries: list[Any]) -> list[str]:
    found: list[str] = []
    for entry in entries:
        for content in entry.values() if isinstance(entry, dict) else [entry]:
            found += places(content) if isinstance(content, list) else [content]
    return found


def test_every_page_has_one_place(written: dict[str, str]) -> None:
    nav = places(config()["nav"])
    assert len(nav) == len(set(nav))
    others = {name for name in written if name.startswith(sources.MORE)}
    assert set(nav) == {name for name in written if name.endswith(".md")} - others
    titles = [next(iter(entry)) for entry in config()["nav"]]
    kinds = {"Tutorials", "How-to guides", "Reference", "Explanation", "Contributing"}
    assert kinds <= set(titles)


def test_nothing_is_fetched_from_elsewhere() -> None:
    theme = config()["theme"]
    assert (theme["name"], theme["font"]) == ("material", False)
    assert "extra_javascript" not in config()


def test_links_lead_to_pages_and_headings(written: dict[str, str]) -> None:
    for name, text in written.items():
        for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]+`", "", FENCED.sub("", text))):
            if re.match(r"[a-z]+:", link) or link.endswith(".svg"):
                continue
            file, _, fragment = link.partition("#")
            target = _joined(name, file) if file else name
            assert target in written, f"{name}: {link}"
            if fragment:
                headings = re.findall(r"^#+ (.+)$", FENCED.sub("", written[target]), re.MULTILINE)
                assert fragment in map(anchor, headings), f"{name}: {link}"


def _joined(page: str, link: str) -> str:
    parts = page.split("/")[:-1]
    for part in link.split("/"):
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


def test_a_link_out_of_the_pages_is_refused() -> None:
    with pytest.raises(ValueError, match="no page has"):
        sources._led("[x](../nowhere/at-all.md)", Path("docs"))
    assert sources._led("`[x](../nowhere)`\n\n```\n[x](y)\n```", Path("docs")).endswith("```")


def test_the_reference_has_all_of_the_code(written: dict[str, str], matrix: Matrix) -> None:
    commands = written["reference/commands.md"]
    for words, _ in reference.commands():
        assert f"\n## {words}\n" in commands
    assert "--torch" in commands
    codes = written["reference/codes.md"]
    assert re.findall(r"^## (CL\d+)", codes, re.MULTILINE) == list(RULES)
    facts = written["reference/facts.md"]
    assert set(re.findall(r'<span id="([^"]+)">', facts)) == set(matrix.facts)
    settings = written["reference/settings.md"]
    assert "| `torch` |" in settings
    for schema in (ROOT / "resolver" / "cudalock" / "schemas").glob("*.json"):
        assert schema.name in written["reference/schemas.md"]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a <b> & *c*", "a &lt;b> &amp; \\*c\\*"),
        ("`x<y>` and <z>", "`x<y>` and &lt;z>"),
        ("an odd ` tick <i>", "an odd ' tick &lt;i>"),
        ("[link](javascript:x)", "\\[link\\](javascript:x)"),
    ],
)
def test_texts_are_no_markup(text: str, escaped: str) -> None:
    assert reference.escaped(text) == escaped


def test_pictures_are_made_of_what_is_true(matrix: Matrix) -> None:
    for text in (pictures.terminal(), pictures.chart(matrix)):
        root = ET.fromstring(text)
        assert root.get("role") == "img"
        assert root.get("aria-label")
        assert not [node for node in root.iter() if node.tag.endswith("script")]
        assert "prefers-reduced-motion" in text or "animation" not in text
    drawn = "".join(ET.fromstring(pictures.terminal()).itertext())
    assert "flash-attn 2.8.3" in drawn
    assert "no compatible versions found" in drawn
    # torch 2.6.0 has no code for an RTX 50, torch 2.8.0 has.
    cells = pictures._builds(matrix, "12.0")
    assert "2.6.0" not in cells
    assert "12.8" in cells["2.8.0"]


def test_pictures_are_the_same_twice(matrix: Matrix) -> None:
    assert pictures.chart(matrix) == pictures.chart(matrix)


@pytest.mark.skipif(HAS_MKDOCS, reason="mkdocs-material is installed")
def test_without_mkdocs_it_says_what_to_install(matrix: Matrix, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"\[docs\]"):
        manual.build(Site(tmp_path, "", matrix))


@pytest.mark.filterwarnings("ignore")
def test_the_site_is_built_without_a_warning(
    matrix: Matrix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not HAS_MKDOCS:
        missing('mkdocs-material is missing: run `pip install -e ".[docs]"`')
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    manual.build(Site(tmp_path, "https://cudalock.example", matrix))
    page = (tmp_path / "docs" / "index.html").read_text("utf-8")
    assert "pictures/terminal.svg" in page
    assert "torch-cuda-gpu.svg" in (tmp_path / "docs" / "matrix" / "index.html").read_text("utf-8")
    for text in (tmp_path / "docs").rglob("*.html"):
        loaded = re.findall(r'(?:src|href)="(https?://[^"]+\.(?:js|css|woff2?))', text.read_text())
        assert not loaded
    assert (tmp_path / "docs" / "search" / "search_index.json").is_file()

    original = sources.pages
    monkeypatch.setattr(
        sources, "pages", lambda: {**original(), "glossary.md": "# G\n\n[x](nowhere.md)\n"}
    )
    with pytest.raises(BaseException, match=r"(?i)strict|abort|1"):
        manual.build(Site(tmp_path, "https://cudalock.example", matrix))

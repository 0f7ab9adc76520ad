"""Write the page: its form, the answer of its first state, and its scripts."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from web.engine.pageapi import Page
from web.html import Html, element, join, link
from web.pages.layout import SECTIONS
from web.selector.choices import DEFAULT
from web.selector.form import (
    check_form,
    diagnose_form,
    releases_table,
    selection,
    words_form,
)
from web.site import Unavailable

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Matrix
    from web.site import Site

HERE: Final = Path(__file__).parent
COPIED: Final = ("style.css", "app.js", "view.js", "worker.js", "engine.js", "icon.svg")
POLICY: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self';"
    " img-src 'self'; connect-src 'self'; worker-src 'self'; form-action 'none'; base-uri 'none'"
)
"""Nothing is sent anywhere and nothing comes from elsewhere; the engine is WebAssembly."""
TITLE: Final = "cudalock: versions of the CUDA stack that work together"
DESCRIPTION: Final = (
    "Choose torch, FlashAttention, xformers and more for your system, Python, GPU and driver, and"
    " get exact versions, wheels and hashes that work together, or the reason why none do."
)
VIEWS: Final = (("solve", "Choose"), ("check", "Check a file"), ("diagnose", "Explain an error"))


def build_page(site: Site) -> None:
    """Write `index.html` and what it needs. Raises Unavailable without Node."""
    node = shutil.which("node")
    if node is None:
        raise Unavailable("Node is missing: install nodejs 20 or newer")
    for name in COPIED:
        shutil.copyfile(HERE / name, site.folder / name)
    answer = json.loads(_ask(site.matrix, {"ask": "solve", "state": DEFAULT}))
    formats = _formats(site, answer)
    text = _page(site, answer, formats, _rendered(node, {**answer, "formats": formats}))
    (site.folder / "index.html").write_text(text, encoding="utf-8", newline="\n")


def _ask(matrix: Matrix, question: dict[str, Any]) -> str:
    return Page(matrix).answer(json.dumps(question))


def _formats(site: Site, answer: dict[str, Any]) -> list[dict[str, str]]:
    """The formats that the engine can write, by the name of their file; without one the first."""
    file = answer["file"]
    only = [{"format": file["format"], "filename": file["filename"]}]
    formats: list[dict[str, str]] = _manifest(site).get("formats", only)
    return formats


def _rendered(node: str, answer: dict[str, Any]) -> Html:
    """Lay an answer out as the page does."""
    done = subprocess.run(
        [node, HERE / "render.mjs"],
        input=json.dumps(answer),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"laying out the answer failed:\n{done.stderr[-4000:]}")
    return Html(done.stdout)


def _manifest(site: Site) -> dict[str, Any]:
    path = site.folder / "engine" / "manifest.json"
    manifest: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return manifest


def _page(site: Site, answer: dict[str, Any], formats: list[dict[str, str]], rendered: Html) -> str:
    manifest = _manifest(site)
    sizes = {
        name.partition("/")[2]: file["size"]
        for name, file in manifest.get("files", {}).items()
        if not name.endswith(("more.pack", "library.pack", "rest.pack", "licences.txt"))
    }
    head = (
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", TITLE),
        element("meta", name="description", content=DESCRIPTION),
        element("link", rel="canonical", href=f"{site.address}/") if site.address else None,
        element("link", rel="icon", href="icon.svg", type="image/svg+xml"),
        element("link", rel="stylesheet", href="style.css"),
        element("script", type="module", src="app.js"),
    )
    body = element(
        "body",
        link("Skip to the answer", "#answer", class_="skip"),
        _header(),
        element(
            "main",
            _solve(site.matrix, rendered),
            _check(),
            _diagnose(),
            element(
                "section",
                element("h2", "Releases of torch"),
                releases_table(site.matrix),
                class_="tables",
            ),
        ),
        _footer(site, manifest),
        element("p", role="status", class_="hidden", id="said"),
        link("To the answer", "#answer", class_="jump", id="jump", hidden=True),
        class_="selector",
        data_engine=manifest.get("engine", ""),
        data_runtime=manifest.get("runtime", ""),
        data_sizes=json.dumps(sizes, separators=(",", ":"), sort_keys=True),
        data_formats=json.dumps(formats, separators=(",", ":")),
        data_default=json.dumps(DEFAULT, separators=(",", ":")),
        data_matrix=site.matrix.version,
        data_command=answer["command"],
    )
    page = element("html", element("head", head), body, lang="en")
    return str(join(Html("<!doctype html>\n"), page, Html("\n")))


def _header() -> Html:
    tabs = [
        element(
            "button",
            title,
            type="button",
            role="tab",
            id=f"tab-{name}",
            aria_controls=f"view-{name}",
            aria_selected="true" if name == "solve" else "false",
            tabindex="0" if name == "solve" else "-1",
        )
        for name, title in VIEWS
    ]
    sections = [element("li", link(title, f"{folder}/")) for folder, title in SECTIONS.items()]
    return element(
        "header",
        element(
            "nav",
            link("cudalock", "./", class_="home"),
            element("ul", sections),
            aria_label="Main",
        ),
        element("h1", "Versions of the CUDA stack that work together"),
        element("div", tabs, role="tablist", aria_label="What to do", class_="tabs"),
    )


def _solve(matrix: Matrix, rendered: Html) -> Html:
    return element(
        "div",
        element("div", words_form(), selection(matrix), class_="choices"),
        element(
            "div",
            element(
                "div",
                element("span", f"matrix {matrix.version}", id="state-text"),
                element("progress", max="1", value="0", hidden=True, aria_label="Loading"),
                element("button", "Copy link", type="button", data_copy="link", class_="quiet"),
                class_="bar",
                id="bar",
            ),
            element("section", rendered, id="answer", aria_label="Answer", tabindex="-1"),
            element(
                "noscript",
                element(
                    "p",
                    "Without JavaScript this is the answer for one selection. The pages linked"
                    " above and the table below have the others.",
                ),
            ),
            class_="result",
        ),
        id="view-solve",
        role="tabpanel",
        aria_labelledby="tab-solve",
        class_="columns",
    )


def _check() -> Html:
    lead = "Whether the pins of a file exist, have wheels, and work together."
    return _pasting("check", lead, check_form(), "Findings")


def _diagnose() -> Html:
    lead = "What an error of torch, Triton, flash-attn or pip means, and which versions fix it."
    return _pasting("diagnose", lead, diagnose_form(), "Explanation")


def _pasting(name: str, lead: str, form: Html, answer: str) -> Html:
    """A view in which a text is pasted; `answer` is what screen readers call its answer."""
    return element(
        "div",
        element("p", f"{lead} What you paste stays in this browser.", class_="lead"),
        form,
        element("section", id=f"{name}-answer", aria_label=answer, tabindex="-1"),
        id=f"view-{name}",
        role="tabpanel",
        aria_labelledby=f"tab-{name}",
        class_="paste",
        hidden=True,
    )


def _footer(site: Site, manifest: dict[str, Any]) -> Html:
    licences = f"{manifest['engine']}/licences.txt" if manifest else None
    return element(
        "footer",
        element(
            "p",
            f"As of matrix {site.matrix.version}. The resolver runs in this browser: nothing that"
            " you choose or paste is sent anywhere. ",
            link("Licences", licences) if licences else None,
        ),
    )

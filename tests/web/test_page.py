"""The page in the system's Chromium: with a mouse, a keyboard alone, a phone, or no scripts."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest

from cudalock.matrix.matrix import Matrix
from tests.web.built import WEB, chromium, script, site
from web.engine.pageapi import Page
from web.pages import addons, reference
from web.pages.answers import Answers
from web.selector.choices import DEFAULT

WINDOWS: Final = "?platform=windows&python=3.12&torch=2.8&with=flash-attn"
NO: Final = (
    "?platform=windows&python=3.11&torch=2.4.1"
    "&goal=bitsandbytes%3D%3D0.43.0+triton-windows%3D%3D3.2.0.post21"
)
WAIT: Final = 40_000
"""Milliseconds: a crowded machine takes long to start the resolver, and nothing is timed here."""


class _Quiet(SimpleHTTPRequestHandler):
    """Serves files, and prints nothing."""

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    chromium()
    return site(tmp_path_factory.mktemp("web"))


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}/"
        httpd.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[Any]:
    path = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Root has no sandbox in most containers.
        words = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
        launched = playwright.chromium.launch(executable_path=path, args=words)
        yield launched
        launched.close()


class Visit:
    """A page that is open, with what it asked for and what it complained of."""

    def __init__(self, context: Any, server: str) -> None:
        self.server = server
        self.requests: list[Any] = []
        self.complaints: list[str] = []
        self.page = context.new_page()
        self.page.set_default_timeout(WAIT)
        self.page.on("request", lambda request: self.requests.append(request))
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def open(self, query: str = "") -> None:
        self.page.goto(self.server + query)

    def answered(self, kind: str = "") -> None:
        """Wait for an answer of a kind."""
        self.page.wait_for_selector(f"html[data-answered{f'={kind}' if kind else ''}]")

    def pasted(self) -> None:
        self.page.wait_for_selector("html[data-pasted]")

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector))

    def check(self) -> None:
        """Nothing was asked of another server, and nothing complained of."""
        elsewhere = [one.url for one in self.requests if not one.url.startswith(self.server)]
        assert [url for url in elsewhere if not url.startswith("blob:")] == []
        assert self.complaints == []


Opener = Callable[..., Visit]


@pytest.fixture
def visit(browser: Any, server: str) -> Iterator[Opener]:
    contexts = []
    visits = []

    def open_context(**options: Any) -> Visit:
        context = browser.new_context(**options)
        contexts.append(context)
        made = Visit(context, server)
        visits.append(made)
        return made

    yield open_context
    for made in visits:
        made.check()
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def desk(browser: Any, server: str) -> Iterator[Visit]:
    """One page with its resolver started, for the tests that need nothing else."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900},
        permissions=["clipboard-read", "clipboard-write"],
        accept_downloads=True,
    )
    made = Visit(context, server)
    made.open(WINDOWS)
    made.answered("yes")
    yield made
    made.check()
    context.close()


def fresh(desk: Visit, query: str, kind: str) -> None:
    """Bring the open page to an address without loading it again."""
    desk.page.evaluate("query => { history.pushState(null, '', query || '/'); }", query)
    desk.page.evaluate("() => dispatchEvent(new PopStateEvent('popstate'))")
    desk.answered(kind)


# -- before the resolver is there ------------------------------------------------------------------


def test_without_scripts_there_is_an_answer_and_a_table(visit: Opener) -> None:
    made = visit(java_script_enabled=False)
    made.open()
    assert made.text("#sentence").startswith("torch 2.")
    assert "torch==" in made.text("#file")
    assert made.text("#command").startswith("cudalock solve --torch latest")
    assert made.page.locator(".tables tbody tr").count() > 10
    assert "Without JavaScript" in made.text("noscript")
    # What only scripts would answer is not offered.
    for selector in ("#form", "#words", "#tab-check", "[data-copy=link]"):
        assert not made.page.is_visible(selector), selector


def test_the_first_answer_is_that_of_the_resolver(visit: Opener, matrix: Any) -> None:
    expected = json.loads(Page(matrix).answer(json.dumps({"ask": "solve", "state": DEFAULT})))
    made = visit(java_script_enabled=False)
    made.open()
    # Its content: what needs scripts is there as well, and not shown.
    before = made.page.text_content("#answer .yes")
    assert made.page.text_content("#file") == expected["file"]["text"]
    made = visit()
    made.open()
    made.answered("yes")
    assert made.page.text_content("#answer .yes") == before


def test_a_useful_page_is_small(visit: Opener) -> None:
    made = visit()
    made.open()
    # The resolver is what comes after it.
    own = [
        one for one in made.requests if not re.search(r"/engine/|engine\.js|worker\.js", one.url)
    ]
    sizes = [len(gzip.compress(one.response().body(), 9)) for one in own]
    assert len(own) <= 6, [one.url for one in own]
    assert sum(sizes) <= 100_000
    made.answered("yes")
    assert len(made.requests) <= 16, [one.url for one in made.requests]


# -- choosing --------------------------------------------------------------------------------------


def test_an_address_is_a_question(desk: Visit) -> None:
    fresh(desk, WINDOWS, "yes")
    assert re.match(r"torch 2\.8\.0\S*, flash-attn 2\.8", desk.text("#sentence"))
    assert desk.page.is_checked("[name=platform][value=windows]")
    assert desk.page.is_checked("[name=torch][value='2.8']")
    assert desk.page.is_checked("[name=with][value=flash-attn]")
    assert desk.text("#command").endswith("--python 3.12 --platform windows")
    assert desk.page.title() == f"{desk.text('#sentence')} | cudalock"


def test_a_link_within_the_page_asks_nothing_again(desk: Visit) -> None:
    fresh(desk, WINDOWS, "yes")
    desk.page.evaluate("() => { document.querySelector('#sentence').dataset.kept = '1'; }")
    desk.page.focus(".skip")
    desk.page.keyboard.press("Enter")
    desk.page.wait_for_url("**#answer")
    assert desk.page.locator("#sentence[data-kept]").count() == 1
    desk.page.go_back()
    assert desk.page.locator("#sentence[data-kept]").count() == 1


def test_an_address_survives_a_reload(visit: Opener) -> None:
    made = visit()
    made.open(f"{NO}&view=check")
    made.page.wait_for_selector("html[data-page=ready]")
    assert made.page.is_visible("#paste")
    made.page.click("#tab-solve")
    made.answered("no")
    made.page.reload()
    made.answered("no")
    assert made.page.input_value("#field-goal").startswith("bitsandbytes==0.43.0")
    assert "view" not in made.page.url


def test_a_click_changes_address_and_answer(desk: Visit) -> None:
    fresh(desk, WINDOWS, "yes")
    assert desk.page.locator("#answer").get_attribute("aria-busy") is None
    desk.page.check("[name=python][value='3.11']")
    desk.answered("yes")
    assert "python=3.11" in desk.page.url
    assert "Python 3.11" in desk.text("#sentence")
    desk.page.go_back()
    desk.answered("yes")
    assert "Python 3.12" in desk.text("#sentence")


def test_a_value_without_an_option_is_kept(desk: Visit) -> None:
    fresh(
        desk, "?platform=linux&python=3.11&torch=2.5.1&cuda=12.1&gpu=RTX+3090&driver=550.54", "yes"
    )
    assert desk.page.is_checked("[name=torch][value='2.5.1']")
    assert desk.page.input_value("#field-gpu") == "RTX 3090"
    assert "driver=550.54" in desk.page.url
    assert "cu121" in desk.text("#file")


def test_words_are_a_selection(desk: Visit) -> None:
    fresh(desk, "", "yes")
    desk.page.fill("#words", "torch 2.8 + FA2 on Windows py3.12")
    desk.page.press("#words", "Enter")
    desk.page.wait_for_url(f"**/{WINDOWS}")
    desk.answered("yes")
    desk.page.fill("#words", "colourless green ideas")
    desk.page.press("#words", "Enter")
    desk.answered("wrong")
    assert "colourless" in desk.text("#sentence")


def test_a_no_has_reasons_and_ways_out(desk: Visit) -> None:
    fresh(desk, NO, "no")
    assert "imports triton.ops" in desk.text(".steps")
    assert desk.page.get_attribute(".steps .fact", "href") == "facts/bnb-triton-ops/"
    hints = desk.page.locator(".hint")
    assert hints.count() >= 2
    hints.first.click()
    desk.answered("yes")
    assert desk.page.evaluate("() => document.activeElement.id") == "answer"
    assert "bitsandbytes 0.45.1" in desk.text("#sentence")
    assert "0.45.1" in desk.page.url


def test_options_are_marked_and_an_impossible_one_says_why(desk: Visit) -> None:
    fresh(desk, WINDOWS, "yes")
    desk.page.wait_for_selector("html[data-marked]")
    marks = {
        value: desk.page.get_attribute(f"label:has([name=platform][value={value}])", "data-mark")
        for value in ("windows", "linux", "macos")
    }
    assert marks == {"windows": "yes", "linux": "yes", "macos": "no"}
    assert desk.page.is_visible("#legend")
    # Its name has it as well, for whoever does not see the line through it.
    impossible = desk.page.get_by_role("radio", name="macOS arm64 not possible")
    impossible.check()
    desk.answered("no")
    assert "macOS" in desk.text("#sentence")
    assert desk.page.locator(".steps li").count() > 0


def test_gpus_are_marked_when_the_list_is_used(desk: Visit) -> None:
    fresh(desk, WINDOWS, "yes")
    desk.page.focus("#field-gpu")
    desk.page.wait_for_selector("html[data-gpus=all]")
    texts = desk.page.locator("#field-gpu option").all_inner_texts()
    assert "RTX 4090" in texts
    assert "GTX 1080, not possible" in texts
    desk.page.select_option("#field-gpu", "RTX 4090")
    desk.answered("yes")
    assert "gpu=RTX+4090" in desk.page.url


def test_why_these_versions(desk: Visit) -> None:
    fresh(desk, WINDOWS, "yes")
    desk.page.click("details[data-why] summary")
    desk.page.wait_for_selector(".why dt")
    assert "required by the goal" in desk.text(".why")
    assert "newer" in desk.text(".why")


def test_every_format_is_copied_and_downloaded(desk: Visit) -> None:
    fresh(desk, "?platform=linux&python=3.12&torch=2.8&with=torchvision", "yes")
    page = desk.page
    formats = page.locator("[name=format]").evaluate_all("all => all.map(one => one.value)")
    names = page.locator(".formats span").all_inner_texts()
    assert {"requirements.txt", "pyproject.toml", "Dockerfile"} <= set(names)
    for format, name in zip(formats, names, strict=True):
        page.check(f"[name=format][value='{format}']")
        page.wait_for_selector(f".file-head [data-download='{name}']")
        if format != formats[0]:
            # The first one is chosen already. The focus stays where it was, though all is new.
            assert page.evaluate("() => document.activeElement.value") == format
        page.click(".file-head [data-copy=file]")
        page.wait_for_selector(".file-head [data-done]")
        text = page.text_content("#file")
        assert page.evaluate("() => navigator.clipboard.readText()") == text
        with page.expect_download() as made:
            page.click(".file-head [data-download]")
        assert made.value.suggested_filename == name
        assert Path(made.value.path()).read_text("utf-8") == text
    assert page.inner_text("#said") == f"Downloaded {names[-1]}"


# -- pasted texts ----------------------------------------------------------------------------------


def test_a_pasted_file_is_checked_and_fixed(desk: Visit) -> None:
    desk.page.click("#tab-check")
    desk.page.click("[data-example=check]")
    desk.pasted()
    assert "do not work together" in desk.text("#check-answer .chip")
    assert desk.page.get_attribute("#check-answer .code", "href") == "codes/CL202/"
    assert desk.page.locator(".diff [data-kind=added]").count() >= 1
    assert "torch==" not in desk.page.url
    assert desk.page.url.endswith("view=check")
    fixed = str(desk.page.text_content("#fixed"))
    desk.page.fill("#paste", fixed)
    desk.page.click("#check-form button[type=submit]")
    desk.page.wait_for_selector("#check-answer .yes")


def test_a_pasted_error_is_explained(desk: Visit) -> None:
    desk.page.click("#tab-diagnose")
    desk.page.click("[data-example=diagnose]")
    desk.pasted()
    assert "triton.ops" in desk.text("#diagnose-answer h2")
    assert "Traceback" not in desk.page.url
    desk.page.click("#diagnose-answer [data-state]")
    desk.answered("yes")
    assert desk.page.get_attribute("#tab-solve", "aria-selected") == "true"
    assert "torch 2.6.0" in desk.text("#sentence")
    assert "torch=2.6.0" in desk.page.url


HOSTILE: Final = {
    "html": '<img src=x onerror="document.title=1"><script>document.title=2</script>==1.0\n'
    "torch==2.5.1 # </code></pre><svg onload=document.title=3>\n",
    "ansi": "\x1b[31mtorch\x1b[0m==2.5.1\n\x1b]0;title\x07\x00\u202etorch==2.4.1\n",
    "url": "torch @ javascript:alert(1)\n--index-url data:text/html,x\n-r //evil.example/x\n",
    "large": "torch==2.5.1\n" * 400_000,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_paste_is_only_answered(desk: Visit, kind: str) -> None:
    title = desk.page.title()
    for tab, field, answer in (
        ("check", "#paste", "#check-answer"),
        ("diagnose", "#error-text", "#diagnose-answer"),
    ):
        desk.page.click(f"#tab-{tab}")
        desk.page.evaluate(
            "([field, text]) => { document.querySelector(field).value = text; }",
            [field, HOSTILE[kind]],
        )
        desk.page.click(f"#{tab}-form button[type=submit]")
        desk.pasted()
        assert desk.page.locator(f"{answer} .chip").count() == 1
        assert desk.page.locator(f"{answer} :is(img, script, svg, iframe)").count() == 0
        assert desk.page.locator(f"{answer} a[href^='javascript:' i]").count() == 0
        desk.page.evaluate("field => { document.querySelector(field).value = ''; }", field)
    assert desk.page.title() == title
    desk.page.click("#tab-solve")


# -- for everybody ---------------------------------------------------------------------------------


def test_everything_is_done_by_keyboard(visit: Opener) -> None:
    desk = visit()
    desk.open(WINDOWS)
    desk.answered("yes")
    page = desk.page
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.className") == "skip"
    page.focus("#tab-solve")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("() => document.activeElement.id") == "tab-check"
    assert page.is_visible("#paste")
    page.keyboard.press("Home")
    assert page.is_visible("#form")
    page.focus("[name=python]:checked")
    page.keyboard.press("ArrowLeft")
    desk.answered("yes")
    assert "python=3.11" in page.url
    page.focus("[name=with][value=xformers]")
    page.keyboard.press("Space")
    desk.answered()
    assert "with=flash-attn,xformers" in page.url
    reached = set()
    for _ in range(200):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "() => { const e = document.activeElement;"
                " return e.id || e.dataset.copy || e.dataset.download || e.name || e.tagName; }"
            )
        )
    assert {"field-gpu", "field-goal", "file", "command", "format"} <= reached


@pytest.fixture(scope="module")
def examined(browser: Any, server: str) -> Iterator[Visit]:
    """A page with axe in it: a script from elsewhere, which the page's own policy refuses."""
    axe = script("axe-core/axe.min.js")
    context = browser.new_context(bypass_csp=True)
    made = Visit(context, server)
    made.open(WINDOWS)
    made.answered()
    made.page.add_script_tag(content=axe)
    yield made
    context.close()


@pytest.mark.parametrize("query", ["", WINDOWS, NO, "?view=check", "?view=diagnose"])
def test_axe_finds_nothing(examined: Visit, query: str) -> None:
    page = examined.page
    if "view" in query:
        name = query.removeprefix("?view=")
        page.click(f"#tab-{name}")
        page.click(f"[data-example={name}]")
        examined.pasted()
    else:
        page.click("#tab-solve")
        fresh(examined, query, "no" if query == NO else "yes")
        page.click("details[data-why] summary") if query == WINDOWS else None
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = page.evaluate("() => axe.run()")
        told = [
            (rule["id"], [node["target"] for node in rule["nodes"]][:3])
            for rule in found["violations"]
        ]
        assert told == [], scheme


def test_axe_finds_nothing_on_static_pages(browser: Any, matrix: Matrix, tmp_path: Path) -> None:
    task, answers = addons.Task("flash-attn", "linux-x86_64"), Answers(matrix, "linux-x86_64")
    pages = [
        *addons.pages(matrix, task, answers, 1)[0],
        addons.index(matrix),
        reference.code_html("CL202"),
        reference.fact_page(matrix, "bnb-triton-ops"),
        reference.torch_page(matrix, "2.8.0", {"flash-attn": ["linux-x86_64"]}),
        reference.gpu_page(matrix, "RTX 4090", {}),
    ]
    for name in ("style.css", "icon.svg"):
        shutil.copy(WEB / "selector" / name, tmp_path)
    context = browser.new_context(bypass_csp=True)
    for made in pages:
        made.write(tmp_path, "", matrix.version)
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message, all=complaints: all.append(message.text))
        page.goto((tmp_path / made.path / "index.html").as_uri())
        # What axe asks for later is its own.
        assert complaints == [], made.path
        page.add_script_tag(content=script("axe-core/axe.min.js"))
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found = page.evaluate("() => axe.run()")
            told = [
                (rule["id"], [node["target"] for node in rule["nodes"]][:3])
                for rule in found["violations"]
            ]
            assert told == [], (made.path, scheme)
        page.set_viewport_size({"width": 390, "height": 844})
        # A table scrolls in its own frame, and the page does not.
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 390, made.path
    context.close()


def test_a_phone_shows_all_of_it(visit: Opener) -> None:
    made = visit(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    made.open(WINDOWS)
    made.answered("yes")
    width = made.page.evaluate("() => document.documentElement.scrollWidth")
    assert width <= 390
    # The answer is below the choices: its sentence stays in sight, and leads there.
    assert made.text("#jump").startswith("torch 2.8.0")
    made.page.tap("#jump")
    assert made.page.locator("#sentence").bounding_box()["y"] < 844
    # So is that to a pasted text: the page leads there.
    made.page.tap("#tab-check")
    made.page.tap("[data-example=check]")
    made.pasted()
    assert made.page.locator("#check-answer .chip").bounding_box()["y"] < 844
    assert made.page.evaluate("() => document.documentElement.scrollWidth") <= 390


def test_a_dark_scheme_is_dark(visit: Opener) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        made = visit(color_scheme=scheme, java_script_enabled=True)
        made.open()
        colour = made.page.evaluate(
            "() => getComputedStyle(document.documentElement).backgroundColor"
        )
        grounds.append(sum(int(part) for part in re.findall(r"\d+", colour)[:3]))
    assert grounds[0] > 600
    assert grounds[1] < 150


def test_what_cannot_be_loaded_is_said(visit: Opener) -> None:
    made = visit()
    made.page.route("**/stdlib.pack", lambda route: route.abort())
    made.open(WINDOWS)
    made.answered("failed")
    assert made.page.locator("#answer [role=alert]").count() == 1
    made.complaints.clear()


def test_stopping_starts_again(visit: Opener) -> None:
    made = visit()
    made.open("?view=check")
    made.page.fill("#paste", "torch==2.5.1\n")
    made.page.click("#check-form button[type=submit]")
    made.page.click("[data-stop]")
    made.pasted()
    assert "Stopped" in made.text("#check-answer")
    made.page.click("#check-form button[type=submit]")
    made.page.wait_for_selector("#check-answer .chip")

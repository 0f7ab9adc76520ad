"""The page as HTML: valid by npm's validator, and bound by its own policy."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.web.built import MODULES, NPM, build_into, missing, node

RULES: Final = {
    "extends": ["html-validate:standard", "html-validate:a11y"],
    "rules": {
        # A change is a question at once, and Enter sends a field: there is nothing to submit.
        "wcag/h32": "off",
        # What scrolls is a region with a name, so that a keyboard can scroll it.
        "prefer-native-element": "off",
    },
}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    node()
    folder = tmp_path_factory.mktemp("page")
    build_into(folder, "selector")
    return folder / "index.html"


def test_it_is_valid(page: Path, tmp_path: Path) -> None:
    validator = MODULES / "html-validate" / "bin" / "html-validate.mjs"
    if not validator.is_file():
        missing(f"html-validate is missing: {NPM}")
    config = tmp_path / "rules.json"
    config.write_text(json.dumps(RULES), encoding="utf-8")
    done = subprocess.run(
        [node(), validator, "--config", config, page],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_its_policy_allows_all_that_it_has(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert "default-src &#x27;none&#x27;" in policy[1]
    assert "unsafe-inline" not in policy[1]
    assert "http" not in policy[1]
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\son[a-z]+=|\sstyle=", text) == []
    # Its own files, by relative names: it works below any folder of a server.
    loaded = re.findall(r'<(?:script|link|img)[^>]*\b(?:src|href)="([^"]*)"', text)
    assert loaded
    assert [name for name in loaded if re.match(r"[a-z]+:|/", name)] == []

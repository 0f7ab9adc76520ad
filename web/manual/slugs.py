"""The anchors of headings, as GitHub makes them: a link works in the repository and on the site."""

from __future__ import annotations

import re


def anchor(heading: str, _separator: str = "-") -> str:
    """Return the fragment of a heading's text."""
    words = re.sub(r"[^\w\s-]", "", heading.strip().lower())
    return re.sub(r"\s", "-", words)

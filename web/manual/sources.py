"""The pages that people wrote, as mkdocs reads them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

COPIES: Final = {
    "matrix/README.md": "matrix-files.md",
    "bench/README.md": "benchmarks.md",
    "CHANGELOG.md": "changelog.md",
}
"""Pages outside of `docs/` that links lead to, and what they are called in the site."""

ELSEWHERE: Final = {
    "resolver/cudalock/schemas": "reference/schemas.md",
    "README.md": "index.md",
}
"""What links lead to that is no page, by its beginning, and the page that has it."""

MORE: Final = "more-"
"""How the names of pages begin that are in no menu, since only a link leads to them."""

_LINK: Final = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")
_CODE: Final = re.compile(r"^ *```.*?^ *```$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
PICTURES: Final = {
    "index.md": (
        "## Install\n",
        "![cudalock locks flash-attn for Windows, and says why it cannot](pictures/terminal.svg)",
    ),
    "matrix.md": (
        "## Compatibility tables\n",
        "![CUDA releases of torch's builds by GPU](pictures/torch-cuda-gpu.svg)",
    ),
}
"""The pages with a picture that is made for the site, and the heading that it stands before."""


def pages() -> dict[str, str]:
    """Return the text of every written page by its name in the site."""
    found = {
        path.name: _led(path.read_text(encoding="utf-8"), Path("docs"))
        for path in sorted((ROOT / "docs").glob("*.md"))
    }
    # Served as they are: `llms.txt`.
    found |= {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.txt")}
    for name, copy in (COPIES | _linked()).items():
        found[copy] = _led((ROOT / name).read_text(encoding="utf-8"), Path(name).parent)
    for name, (heading, picture) in PICTURES.items():
        before, heading, after = found[name].partition(heading)
        found[name] = f"{before}{picture}\n\n{heading}{after}"
    return found


@cache
def _linked() -> dict[str, str]:
    """Return the other pages outside of `docs/` that links lead to, by what they are called."""
    found: dict[str, str] = {}
    left = [path.relative_to(ROOT) for path in (ROOT / "docs").glob("*.md")]
    left += [Path(name) for name in COPIES]
    while left:
        page = left.pop()
        for link in _LINK.findall(_CODE.sub("", (ROOT / page).read_text(encoding="utf-8"))):
            path = _normal(page.parent / link.partition("#")[0])
            is_new = path.endswith(".md") and path not in (*COPIES, *ELSEWHERE, *found)
            if is_new and not path.startswith("docs/") and (ROOT / path).is_file():
                found[path] = f"{MORE}{path.replace('/', '-').lower()}"
                left.append(Path(path))
    return found


def _led(text: str, folder: Path) -> str:
    """Return a page's text with its links leading to where their pages are in the site."""
    code = [match.span() for match in _CODE.finditer(text)]

    def lead(match: re.Match[str]) -> str:
        if any(start <= match.start() < end for start, end in code):
            return match[0]
        return _target(match[0], folder)

    return _LINK.sub(lead, text)


def _target(link: str, folder: Path) -> str:
    file, hash_, fragment = link.partition("#")
    if not file or re.match(r"[a-z]+:", file):
        return link
    path = _normal(folder / file)
    if path.startswith("docs/"):
        return path.removeprefix("docs/") + hash_ + fragment
    copies = COPIES | _linked()
    if path in copies:
        return copies[path] + hash_ + fragment
    for beginning, page in ELSEWHERE.items():
        if path.startswith(beginning):
            return page
    raise ValueError(f"{folder}: no page has what `{link}` leads to")


def _normal(path: Path) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    return "/".join(parts)

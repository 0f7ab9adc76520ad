"""`python -m web.build -o DIR`: build the site, or some steps of it.

A step that lacks what it needs is reported in one sentence, the others are built, and the exit
status is 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from cudalock.matrix.matrix import EMBEDDED, Matrix
from web.site import Site, Unavailable

__all__ = ["STEPS", "Site", "Unavailable", "build", "main"]

STEPS: Final[Mapping[str, str]] = {
    "engine": "web.engine",
    "selector": "web.selector",
    "pages": "web.pages",
    "api": "web.api",
    "manual": "web.manual",
}
"""The module of each step, which has `build(site)`; they run in this order."""


def build(site: Site, only: Sequence[str] = ()) -> dict[str, str]:
    """Run all steps, or those named, and return why each of those that could not run did not."""
    missing: dict[str, str] = {}
    for name, module in STEPS.items():
        if only and name not in only:
            continue
        try:
            _step(module)(site)
        except Unavailable as error:
            missing[name] = str(error)
    return missing


def _step(module: str) -> Callable[[Site], None]:
    # Imported here: a step may need packages that the others do not.
    step: Callable[[Site], None] = import_module(module).build
    return step


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m web.build", description=__doc__)
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="DIR")
    parser.add_argument("--address", default="", metavar="URL", help="where it will be published")
    parser.add_argument("--matrix", default=EMBEDDED, metavar="DIR")
    parser.add_argument("--only", action="append", default=[], choices=list(STEPS), metavar="STEP")
    options = parser.parse_args(words)
    options.output.mkdir(parents=True, exist_ok=True)
    site = Site(options.output.resolve(), options.address.rstrip("/"), Matrix.load(options.matrix))
    missing = build(site, options.only)
    for name, reason in missing.items():
        print(f"{name}: {reason}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())

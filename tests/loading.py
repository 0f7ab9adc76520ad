"""The embedded matrix, read once in a process."""

from __future__ import annotations

import os
import warnings
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from cudalock.files import data_directory
from cudalock.matrix.matrix import EMBEDDED, Matrix
from cudalock.mirrors import NO_MIRRORS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cudalock.mirrors import Mirrors


def loading_once() -> Callable[..., Matrix]:
    """What may stand for `Matrix.load`: the embedded matrix never changes while tests run.

    One beside it, a copy or the user's, is read each time.
    """
    load = Matrix.load
    embedded = cache(lambda: load(EMBEDDED))
    # A matrix with mirrors reads its projects anew.
    mirrored = lru_cache(maxsize=8)(lambda mirrors: embedded().mirrored(mirrors))

    def load_once(
        path: Path | str | None = None,
        warn: Callable[[str], None] = warnings.warn,
        mirrors: Mirrors = NO_MIRRORS,
    ) -> Matrix:
        is_embedded = path is None or str(path) in (EMBEDDED, str(data_directory()))
        if not is_embedded or os.environ.get("CUDALOCK_DATA_DIR") != os.devnull:
            return load(path, warn, mirrors)
        return mirrored(mirrors)

    return load_once

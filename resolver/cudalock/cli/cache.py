"""`cudalock cache`: where the cache is, how large it is, and how to empty it."""

from __future__ import annotations

from typing import Final

import click

from cudalock.cli import CONTEXT
from cudalock.cli.help import SectionedCommand

SCHEMA: Final = "cudalock.cache/1"


@click.group(short_help="Show or empty the cache.", context_settings=CONTEXT)
def cache() -> None:
    """Show or empty the cache of index pages and metadata."""


@cache.command(
    "dir", cls=SectionedCommand, short_help="Print its folder.", context_settings=CONTEXT
)
def directory() -> None:
    """Print the folder of the cache, which need not exist.

    Exit status: 0 printed; 2 invalid input.
    """
    from cudalock.cli.console import emit
    from cudalock.indexes.cache import cache_folder

    emit(f"{cache_folder()}\n")


@cache.command(cls=SectionedCommand, short_help="Print its size.", context_settings=CONTEXT)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def size(as_json: bool) -> None:
    """Print the size of the cache and the number of its files.

    Exit status: 0 printed; 2 the folder cannot be read.
    """
    from cudalock.cli.console import emit
    from cudalock.indexes.cache import cache_folder, cached_files
    from cudalock.text import counted, json_text

    files = cached_files()
    total = sum(path.stat().st_size for path in files)
    if as_json:
        emit(
            json_text(
                {
                    "schema": SCHEMA,
                    "folder": str(cache_folder()),
                    "files": len(files),
                    "bytes": total,
                }
            )
        )
    else:
        emit(f"{_megabytes(total)} in {counted(len(files), 'file')}\n")


@cache.command(cls=SectionedCommand, short_help="Empty it.", context_settings=CONTEXT)
def clear() -> None:
    """Remove what cudalock has cached; other files in that folder stay.

    Exit status: 0 it is empty; 2 a file cannot be removed.
    """
    from cudalock.cli.console import tell
    from cudalock.indexes.cache import clear_cache
    from cudalock.text import counted

    count, total = clear_cache()
    tell(f"removed {counted(count, 'file')}, {_megabytes(total)}")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"

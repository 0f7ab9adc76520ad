"""Pictures made from real runs and from the matrix: SVG without scripts."""

from __future__ import annotations

import os
import shlex
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import click
from click.testing import CliRunner

from cudalock.cli import main
from cudalock.matrix.gpus import NVIDIA
from cudalock.show import show
from cudalock.show.covering import natural
from cudalock.show.pages import GpuPage
from cudalock.versions import parse_version

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Matrix

RUNS: Final = (
    "cudalock solve --torch 2.5.1 --fa2 --python 3.11 --platform windows -o requirements.txt",
    "cudalock solve --torch 2.5.1 --fa2 --python 3.14 --platform windows --offline",
)
"""A yes and a no."""

WIDTH: Final = 100
"""Columns of the terminal."""
_LINE, _LETTER, _EDGE = 20, 8.4, 16
_SECONDS_A_LINE: Final = 0.5
_LONGEST: Final = 24
"""Lines of one run that are shown."""

_STYLE: Final = """\
text { font: 14px ui-monospace, Menlo, Consolas, monospace; fill: #d8dee9; white-space: pre; }
.command { fill: #a3be8c; }
.error { fill: #ef8a93; }
.line { animation: show 0.2s both; }
@keyframes show { from { opacity: 0; } to { opacity: 1; } }
@media (prefers-reduced-motion: reduce) { .line { animation: none; } }
"""


def terminal() -> str:
    """Return an animated picture of a terminal in which RUNS are typed."""
    lines: list[tuple[str, str]] = []
    runner = CliRunner()
    with _empty_folder():
        for command in RUNS:
            result = runner.invoke(main, shlex.split(command)[1:])
            lines += [("command", line) for line in _wrapped(f"$ {command}")]
            printed = click.unstyle(result.output).rstrip().splitlines()
            kind = "error" if result.exit_code else "text"
            shown = [part for line in printed for part in _wrapped(line)]
            lines += [(kind, line) for line in shown[:_LONGEST]] + [("text", "")]
    return _terminal_svg(lines)


@contextmanager
def _empty_folder() -> Iterator[None]:
    """Work in a folder without settings, in which a run may write."""
    before = Path.cwd()
    with TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def _wrapped(line: str) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False) or [""]


def _terminal_svg(lines: list[tuple[str, str]]) -> str:
    width, height = round(WIDTH * _LETTER) + 2 * _EDGE, len(lines) * _LINE + 2 * _EDGE
    body = "\n".join(
        f'<text class="line {kind}" x="{_EDGE}" y="{_EDGE + _LINE * (number + 0.75):g}" '
        f'style="animation-delay: {number * _SECONDS_A_LINE:g}s">{escape(line)}</text>'
        for number, (kind, line) in enumerate(lines)
    )
    said = escape(" ".join(RUNS), quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="A terminal in which these are run: {said}">\n<style>{_STYLE}</style>\n'
        f'<rect width="{width}" height="{height}" rx="8" fill="#2e3440"/>\n{body}\n</svg>\n'
    )


RELEASES: Final = 16
"""Of the framework, the newest minor releases."""
_CELL, _ROW, _LEFT, _TOP = 82, 26, 108, 64


def chart(matrix: Matrix) -> str:
    """Return which CUDA builds of the framework have code for which GPUs, on Linux."""
    framework = matrix.framework or ""
    versions = _newest_minors(matrix.versions(framework))
    example = {
        capability: next(
            name
            for name, model in matrix.gpus.models.items()
            if model.vendor == NVIDIA and model.architecture == capability
        )
        for capability in sorted(set(matrix.gpus.by_name.values()), key=natural)
    }
    columns = {capability: _builds(matrix, capability) for capability in example}
    columns = {key: cells for key, cells in columns.items() if cells.keys() & set(versions)}
    width = _LEFT + _CELL * len(columns) + _EDGE
    height = _TOP + _ROW * len(versions) + _EDGE
    parts = [
        f'<text x="{_LEFT + _CELL * (column + 0.5):g}" y="{y}" class="{kind}">{escape(text)}</text>'
        for column, capability in enumerate(columns)
        for y, kind, text in (
            (24, "head", f"sm_{capability.replace('.', '')}"),
            (46, "small", example[capability][:11]),
        )
    ]
    for row, version in enumerate(versions):
        y = _TOP + _ROW * row
        parts.append(f'<text x="8" y="{y + 17}" class="row">{framework} {version}</text>')
        for column, cells in enumerate(columns.values()):
            cudas = cells.get(version, ())
            kind = "yes" if cudas else "none"
            x = _LEFT + _CELL * column
            label = _range(cudas)
            parts.append(
                f'<rect x="{x + 1}" y="{y + 1}" width="{_CELL - 2}" height="{_ROW - 2}" rx="3" '
                f'class="{kind}"/>'
                f'<text x="{x + _CELL / 2:g}" y="{y + 17}" class="small">{label}</text>'
            )
    title = f"CUDA releases of the {framework} builds for Linux with code for each GPU"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(title, quote=True)}">\n<style>{_CHART_STYLE}</style>\n'
        f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


_CHART_STYLE: Final = """\
text { font: 12px system-ui, sans-serif; fill: #1c2733; text-anchor: middle; }
.head { font-weight: 600; }
.row { text-anchor: start; font-weight: 600; }
.small { font-size: 11px; }
.yes { fill: #b7e4c7; }
.none { fill: #eceff1; }
"""


def _newest_minors(versions: list[str]) -> list[str]:
    by_minor = {parse_version(version).release[:2]: version for version in versions}
    return list(by_minor.values())[-RELEASES:][::-1]


def _builds(matrix: Matrix, capability: str) -> dict[str, tuple[str, ...]]:
    page = show(matrix, "gpu", capability)
    assert isinstance(page, GpuPage)
    keys = [column.key for column in page.builds.columns]
    linux = keys.index("cuda_linux_x86_64")
    return {
        str(row[0]): row[linux] if isinstance(row[linux], tuple) else ()  # type: ignore[misc]
        for row in page.builds.rows
    }


def _range(cudas: tuple[str, ...]) -> str:
    """A cell's text: two releases are named, more are not all between the first and the last."""
    if len(cudas) > 2:
        return f"{cudas[0]} ... {cudas[-1]}"
    return ", ".join(cudas) or "-"

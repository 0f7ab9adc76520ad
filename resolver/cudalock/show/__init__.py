"""The matrix for people: its facts as a list, a project as a page, compatibility as tables.

    matrix ─> read_definitions ─> make_table ─> Table
    matrix ─> rules ─> Rules
    matrix ─> show  ─> a page

`definitions` reads which rows and columns a table has (`matrix/tables.toml`), `cells` computes what
a column shows of a release, `vendor` makes rows of NVIDIA's tables, `wheels` reads tags, `covering`
finds the facts that apply. `making` fills a table, `pages` has the pages and `codes` those of
codes, `export` writes everything for other programs. Each value has `text()` for people and
`document()` for programs, with the same content.
"""

from __future__ import annotations

from cudalock.show.codes import page_of_word
from cudalock.show.definitions import find_definition, read_definitions
from cudalock.show.making import make_table, table_of_tables
from cudalock.show.pages import show
from cudalock.show.rules import FactTable, rules
from cudalock.show.table import Table

__all__ = [
    "FactTable",
    "Table",
    "find_definition",
    "make_table",
    "page_of_word",
    "read_definitions",
    "rules",
    "show",
    "table_of_tables",
]

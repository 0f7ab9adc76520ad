"""A static API: JSON documents of the matrix at URLs that stay.

    documents ─> api/v1/*.json      described by openapi.json and schemas/
    files     ─> api/v1/matrix/     the matrix itself, for `cudalock matrix update --from`

Within v1 documents and keys are added, and none is removed or changes its meaning. Each document
has `schema`, `matrix` (the version) and `generated_at` (the matrix's day: the same matrix gives the
same bytes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cudalock.text import json_text
from web.api.documents import documents
from web.api.files import matrix_files
from web.api.openapi import openapi, schemas

if TYPE_CHECKING:
    from web.site import Site

ROOT: Final = "api/v1"


def build(site: Site) -> None:
    """Write all documents, their description, and the matrix's own files."""
    folder = site.folder / ROOT
    everything = {
        **documents(site.matrix),
        **{f"schemas/{name}.json": schema for name, schema in schemas().items()},
        "openapi.json": openapi(site.address),
    }
    contents = {path: json_text(document).encode("ascii") for path, document in everything.items()}
    contents |= matrix_files(site.matrix)
    for path, content in contents.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

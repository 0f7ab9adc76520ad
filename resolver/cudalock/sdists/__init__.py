"""Source distributions, read and never run: what they require, and whether they compile anything.

    bytes ── archive.read_archive ──> Contents ── judge.read_source ──> SourceMetadata

`archive` reads a tar or zip as a stream, within bounds, and writes nothing to disk. `static` finds
name, version and requirements in what a release states literally, `setup_script` follows a setup.py
as far as constants and unset environment variables go, `judge` applies the table `rules.toml`,
which `rules` reads, and `source` is the value that results.
"""

from cudalock.sdists.archive import Contents, Unreadable, read_archive
from cudalock.sdists.judge import read_source
from cudalock.sdists.source import SourceMetadata

__all__ = [
    "Contents",
    "SourceMetadata",
    "Unreadable",
    "read_archive",
    "read_source",
]

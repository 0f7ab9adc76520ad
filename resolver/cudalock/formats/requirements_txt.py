"""A lock as requirements.txt, for pip and uv.

What is written was tried with both. Three of their habits shape it:

- pip's hash mode is all or nothing, and the first hash switches it on. So a file has every hash or
  none.
- The format has no index per requirement, and for a name on two indexes pip takes the highest
  version from anywhere while uv takes the first index that has the name. So an index is named only
  when some pin needs it, uv's command then carries `--index-strategy unsafe-best-match` (an index
  of PyTorch's mirrors old releases of common packages, and uv would look no further), and wheels
  that a name and version cannot tell apart are written as addresses.
- Both fall back to building an sdist, which for a CUDA extension is an hour of compiling or a
  failure. `--only-binary :all:` stops that.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

from cudalock.formats.plain import ascii_line
from cudalock.lock import DERIVED, Lock, Pin, demand_hashes, listed, origin

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FILE: Final = "requirements.txt"

_PLAIN_NAME = r"[A-Za-z0-9_][A-Za-z0-9._+-]*"
_QUOTABLE_NAME = r"[A-Za-z0-9_][A-Za-z0-9 ._+,@()=~-]*"


def render(
    lock: Lock,
    hashes: str = "auto",
    index_url: str | None = None,
    extra_index_urls: Sequence[str] = (),
    *,
    filename: str = FILE,
) -> str:
    """The file's text: ASCII, newline at the end, the same bytes for the same arguments.

    `hashes` is "auto" (all if every wheel has a published one, else none), "require" or "off". The
    package index is named only where `index_url` gives one. Credentials in either kind of address
    stay out of the file. `filename` is what the install commands in the header call the file.

    Raises HashesMissing for "require" if a wheel has no published hash.
    """
    hashed = is_hashed(lock, hashes)
    options = list(_option_lines(lock, index_url, extra_index_urls))
    commands = install_commands(
        lock, hashes=hashes, extra_index_urls=extra_index_urls, filename=filename
    )
    header = list(_header_lines(lock, hashes, (index_url, *extra_index_urls)))
    header += [f"# with {tool}: {command}" for tool, command in commands]
    by_address = lock.by_address
    pins = [line for pin in lock.pins for line in _pin_lines(pin, pin in by_address, hashed)]
    blocks = (header, options, pins)
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def is_hashed(lock: Lock, hashes: str) -> bool:
    """Whether the file has hashes. Raises HashesMissing for "require" if one is lacking."""
    if hashes == "require":
        demand_hashes(lock)
    return hashes != "off" and bool(lock.pins) and not lock.unhashed


def install_commands(
    lock: Lock,
    *,
    hashes: str = "auto",
    extra_index_urls: Sequence[str] = (),
    filename: str = FILE,
) -> tuple[tuple[str, str], ...]:
    """The tools and the command with which each installs the file, to paste into any shell."""
    flags = ["--require-hashes"] if is_hashed(lock, hashes) else []
    flags += ["--no-deps"] if lock.replaced else []
    several = lock.searched_indexes or extra_index_urls
    strategy = ["--index-strategy", "unsafe-best-match"] if several else []
    file = ["-r", _quoted(filename)]
    return (
        ("pip", " ".join(["pip", "install", *flags, *file])),
        ("uv", " ".join(["uv", "pip", "install", *flags, *strategy, *file])),
    )


def _quoted(filename: str) -> str:
    """The name as cmd, PowerShell and sh all read it; FILE if no quoting serves in all three."""
    if re.fullmatch(_PLAIN_NAME, filename):
        return filename
    return f'"{filename}"' if re.fullmatch(_QUOTABLE_NAME, filename) else "FILE"


def _header_lines(lock: Lock, hashes: str, given: Sequence[str | None]) -> Iterator[str]:
    cuda = f"CUDA {lock.cuda}" if lock.cuda else "no CUDA"
    for target in lock.targets:
        built = cuda if target.can_have_cuda else "no CUDA"
        yield f"# cudalock: {ascii_line(target.label)}, {built}"
    yield f"# command: {ascii_line(lock.command)}"
    yield f"# matrix: {ascii_line(lock.matrix_version)}"
    yield f"# needs: {ascii_line(listed(lock.needs))}"
    # Pins of several targets may earn the same remark.
    for key, text in dict.fromkeys(_remarks(lock, hashes, given)):
        yield f"# {key}: {ascii_line(text)}"


def _remarks(lock: Lock, hashes: str, given: Sequence[str | None]) -> Iterator[tuple[str, str]]:
    """The lines that only some locks have, as key and sentence."""
    for pin in lock.third_party:
        yield "builder", f"{pin} from {origin(pin.wheel)}"
    for warning in lock.warnings:
        yield "warning", str(warning)
    for pin in lock.pins:
        if pin.wheel.warning:
            yield "warning", f"{pin.wheel.file}: {pin.wheel.warning}"
    for pin in lock.derived:
        place = pin.wheel.url or origin(pin.wheel)
        yield "derived", f"{pin.wheel.file} is {DERIVED}; see {place}"
    for sentence in lock.replaced:
        yield "replaced", f"{sentence}; --no-deps keeps the installer from undoing it"
    if hashes == "auto":
        yield from _unhashed_remarks(lock)
    if any(url is not None and _without_credentials(url) != url for url in given):
        yield "note", "the credentials of an index address were left out"
    for note in lock.notes:
        yield "note", note


def _unhashed_remarks(lock: Lock) -> Iterator[tuple[str, str]]:
    for pin in lock.unhashed:
        yield "no hash", f"{pin.wheel.file} from {origin(pin.wheel)} has no published hash"
    if lock.unhashed:
        yield "no hash", "pip checks all or none, so none is here; --hashes require would refuse"


def _option_lines(
    lock: Lock, index_url: str | None, extra_index_urls: Sequence[str]
) -> Iterator[str]:
    first = _without_credentials(index_url) if index_url else None
    if first is not None:
        yield f"--index-url {first}"
    urls = [*extra_index_urls, *(index.url or "" for index in lock.searched_indexes)]
    # dict: each address once, in order; a trailing slash does not make another index.
    for url in dict.fromkeys(_without_credentials(url).rstrip("/") for url in urls):
        if url != (first or "").rstrip("/"):
            yield f"--extra-index-url {url}"
    yield "--only-binary :all:"


def _without_credentials(url: str) -> str:
    """The address less user and password, unless the secret is a variable.

    Installers expand `${TOKEN}`. A user without a password may itself be a token.
    """
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at or re.fullmatch(r"\$\{[A-Z0-9_]+\}", user.rpartition(":")[2]):
        return url
    return urlunsplit(parts._replace(netloc=host))


def _pin_lines(pin: Pin, by_address: bool, hashed: bool) -> Iterator[str]:
    if by_address:
        requirement = f"{pin.name} @ {_address(pin.wheel.url or '')}"
        marker = f" ; {pin.marker}" if pin.marker else ""
        digests: Sequence[str] = [pin.wheel.sha256 or ""]
    else:
        requirement = f"{pin.name}=={pin.version}"
        marker = f"; {pin.marker}" if pin.marker else ""
        digests = sorted({pin.wheel.sha256 or "", *pin.hashes})
    lines = [requirement + marker]
    if hashed:
        lines += [f"    --hash=sha256:{digest}" for digest in digests]
    yield from (f"{line} \\" for line in lines[:-1])
    yield lines[-1]
    if pin.via:
        yield f"    # via {listed(pin.via)}"
    if pin.facts:
        yield f"    # why {' '.join(f'[{fact}]' for fact in pin.facts)}"


def _address(url: str) -> str:
    """The address with its `+` encoded, which some file stores would read as a space."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.replace("+", "%2B").replace(" ", "%20")))

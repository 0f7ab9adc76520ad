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
  failure. `--only-binary :all:` stops that, and `--no-binary NAME` below it excepts a name: with it
  both take the sdist. A name that has wheels for some targets of the lock and an sdist for others
  cannot have either, so `--only-binary` then names all the others.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cudalock.errors import UsageError
from cudalock.formats import DEFAULTS, Format, InstallCommand, WriteOptions
from cudalock.formats.header import header_lines
from cudalock.lock import Lock, Pin, require_hashes
from cudalock.lock.sources import NO_INDEX, needs_own_build
from cudalock.lock.wheels import split_by_wheel, with_urls
from cudalock.text import listed, shell_file, shell_word, with_coding
from cudalock.urls import encoded, without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FILE: Final = "requirements.txt"
_PLAIN_PATH: Final = r"(?:[A-Za-z]:)?[A-Za-z0-9._/+-]+"


def render(lock: Lock, options: WriteOptions = DEFAULTS) -> str:
    """Return the file's text: ASCII but for paths.

    The package index is named only where `index_url` gives one. Credentials in the URL of an index
    stay out of the file.

    Raises HashesMissing for `--hashes require` if a wheel has no published hash.
    """
    wheels, filename = options.wheels, options.filename or FILE
    lock = _placed(lock, options.urls, wheels)
    hashed = is_hashed(lock, options.hashes)
    commands = _commands(lock, hashed, options)
    flags, pins = _content(lock, hashed, options)
    header = list(
        header_lines(lock, options.hashes, (options.index_url, *options.extra_index_urls))
    )
    header += [f"# with {tool}: {command}" for tool, command in commands]
    if wheels is not None:
        header.append(f"# fetch: cudalock fetch {shell_file(filename)} -d {shell_word(wheels)}")
        header += [f"# note: {NO_INDEX}"] if lock.built else []
    blocks = (header, flags, pins)
    return with_coding("\n\n".join("\n".join(block) for block in blocks if block) + "\n")


def plain_lines(lock: Lock, options: WriteOptions) -> list[str]:
    """Return options and requirements as lines without comments, each of which is whole.

    Without the option that keeps an installer from building: hashes of wheels alone do that too.
    """
    lock = _placed(lock, options.urls, options.wheels)
    hashed = is_hashed(lock, options.hashes)
    flags, pins = _content(lock, hashed, options)
    implied = set(_binary_lines(lock)) if hashed and not lock.built else set()
    lines = [line for line in flags if line not in implied]
    is_continued = False
    for line in pins:
        bare = line.strip()
        if bare.startswith("#"):
            continue
        text = bare.removesuffix("\\").rstrip()
        if is_continued:
            lines[-1] += f" {text}"
        else:
            lines.append(text)
        is_continued = bare.endswith("\\")
    return lines


def _content(lock: Lock, hashed: bool, options: WriteOptions) -> tuple[list[str], list[str]]:
    """Return the lines of the options and those of the pins, for a lock that `_placed` returned."""
    wheels = options.wheels
    if wheels is not None:
        flags = ["--no-index", *_binary_lines(lock)]
        places = {pin: path(wheels, pin.wheel.file) for pin in lock.pins}
    else:
        flags = list(_option_lines(lock, options.index_url, options.extra_index_urls))
        places = {pin: f"{pin.name} @ {encoded(pin.wheel.url or '')}" for pin in lock.by_address}
    pins = [line for pin in lock.pins for line in _pin_lines(pin, places.get(pin), hashed)]
    return flags, pins


def is_hashed(lock: Lock, hashes: str) -> bool:
    """Return whether the file has hashes. Raises HashesMissing for "require" if one is missing."""
    if hashes == "require":
        require_hashes(lock)
    # pip needs the hash of everything that it installs, and of an open lock it adds the rest.
    return hashes != "off" and bool(lock.pins) and not lock.unhashed and not lock.is_open


def install_commands(lock: Lock, options: WriteOptions) -> tuple[InstallCommand, ...]:
    """Return the command with which each tool installs the file, for any shell."""
    lock = _placed(lock, options.urls, options.wheels)
    return _commands(lock, is_hashed(lock, options.hashes), options)


def _commands(lock: Lock, hashed: bool, options: WriteOptions) -> tuple[InstallCommand, ...]:
    """Return the install commands for a lock whose wheels are assigned to targets."""
    several = options.wheels is None and bool(lock.searched_indexes or options.extra_index_urls)
    flags = ["--require-hashes"] if hashed else []
    # With dependencies, the installer would add the requirement that a fact replaced.
    flags += ["--no-deps"] if lock.replaced else []
    flags += (
        ["--no-build-isolation"]
        if needs_own_build(lock, is_folder=options.wheels is not None)
        else []
    )
    strategy = ["--index-strategy", "unsafe-best-match"] if several else []
    file = ["-r", shell_file(options.filename or FILE)]
    if lock.installer:
        # The environment has everything else that the pins require.
        closed = [] if lock.is_open else ["--no-deps"]
        flags = list(dict.fromkeys([*closed, *flags]))
        tool = "uv" if lock.installer.startswith("uv ") else "pip"
        flags += strategy if tool == "uv" else []
        return (InstallCommand(tool, " ".join([lock.installer, *flags, *file])),)
    return (
        InstallCommand("pip", " ".join(["pip", "install", *flags, *file])),
        InstallCommand("uv", " ".join(["uv", "pip", "install", *flags, *strategy, *file])),
    )


def _placed(lock: Lock, urls: bool, wheels: str | None) -> Lock:
    """Return the lock with a pin for each wheel where the file names wheels by path or URL."""
    if wheels is not None:
        return split_by_wheel(lock)
    if urls:
        return with_urls(lock)
    by_address = lock.by_address
    return split_by_wheel(lock, lambda pin: pin in by_address)


def path(folder: str, file: str) -> str:
    """Return the path of a wheel in a folder, written so that no installer takes it for a name.

    Raises UsageError for a folder that a requirements file cannot name.
    """
    if not re.fullmatch(_PLAIN_PATH, folder):
        raise UsageError(
            f"a requirements file cannot name the folder `{folder}`",
            hints=["use letters, digits and `._-/` in the path of `--wheels`"],
        )
    absolute = folder.startswith("/") or folder[1:2] == ":"
    where = folder.removeprefix("./").rstrip("/")
    if absolute:
        return f"{where}/{file}"
    return f"./{file}" if where in ("", ".") else f"./{where}/{file}"


def _option_lines(
    lock: Lock, index_url: str | None, extra_index_urls: Sequence[str]
) -> Iterator[str]:
    first = _named(index_url) if index_url else None
    if first is not None:
        yield f"--index-url {first}"
    urls = [*extra_index_urls, *(index.url or "" for index in lock.searched_indexes)]
    # dict: each address once, in order; a trailing slash does not make another index.
    for url in dict.fromkeys(_named(url).rstrip("/") for url in urls):
        if url != (first or "").rstrip("/"):
            yield f"--extra-index-url {url}"
    yield from _binary_lines(lock)


def _binary_lines(lock: Lock) -> Iterator[str]:
    """Yield the options by which an installer builds the pins of source distributions alone."""
    built = dict.fromkeys(pin.name for pin in lock.built)
    wheels = {pin.name for pin in lock.pins for wheel in pin.wheels if not wheel.is_source}
    if any(name in wheels for name in built):
        for name in dict.fromkeys(pin.name for pin in lock.pins):
            if name not in built:
                yield f"--only-binary {name}"
        return
    yield "--only-binary :all:"
    for name in built:
        yield f"--no-binary {name}"


def _pin_lines(pin: Pin, place: str | None, hashed: bool) -> Iterator[str]:
    """Yield the lines of a pin: by `place`, a path or URL, else by name and version."""
    if place is not None:
        requirement = place
        # PEP 508: a URL ends at white space, so the semicolon needs some before it.
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
    # A path; a URL says itself where the wheel is from.
    if place is not None and "://" not in place:
        yield from _fetch_lines(pin, hashed)
    if pin.via:
        yield f"    # via {listed(pin.via)}"
    if pin.facts:
        yield f"    # why {' '.join(f'[{fact}]' for fact in pin.facts)}"


def _fetch_lines(pin: Pin, hashed: bool) -> Iterator[str]:
    """Yield what `cudalock fetch` needs besides a path: the URL of the wheel and its hash."""
    if pin.wheel.url is not None:
        yield f"    # from {encoded(pin.wheel.url)}"
    if not hashed and pin.wheel.sha256 is not None:
        yield f"    # sha256 {pin.wheel.sha256}"


def _named(url: str) -> str:
    """Return an index's URL as the file has it; variables stay, since pip and uv expand them."""
    return without_credentials(url, keep_variables=True)


FORMAT: Final = Format(render, FILE, install_commands, all_hashes=True)

"""`pip install` and `uv pip install` in a Dockerfile."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from cudalock.projects.model import Declared, DeclaredIndex, FileProblem, Option, ProjectFile
from cudalock.projects.readers.requirements import Reader, is_address
from cudalock.projects.syntax.logical_lines import LogicalLine

if TYPE_CHECKING:
    from cudalock.projects.readers.requirements import Nested
    from cudalock.projects.syntax.shell import Word
    from cudalock.projects.syntax.text import Text

# `pip3.11`, `/opt/venv/bin/pip`, `pip.exe`. Of `python -m pip` and `uv pip` pip is the last word.
_PIP: Final = re.compile(r"(?:.*[/\\])?pip[0-9.]*(?:\.exe)?")
_REQUIREMENT_LIKE: Final = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[^\]]*\])?\s*(?:[=<>!~;@]|$)"
)
_INDEXES: Final = {
    "-i": "index-url",
    "--index-url": "index-url",
    "--default-index": "index-url",
    "--extra-index-url": "extra-index-url",
    "--index": "extra-index-url",
    "-f": "find-links",
    "--find-links": "find-links",
}
_FILES: Final = {
    "-r": False,
    "--requirement": False,
    "--requirements": False,
    "-c": True,
    "--constraint": True,
    "--constraints": True,
}
_EDITABLE: Final = {"-e", "--editable"}
_TOLD: Final = {"--torch-backend", "--only-binary", "--no-binary", "--exclude-newer"}
# Options whose value is the next word: without them `--timeout 100` would read as a project.
_WITH_VALUE: Final = frozenset(
    """
    -t --target --platform --python-version --implementation --abi --root --prefix --src
    --upgrade-strategy --progress-bar --cache-dir --trusted-host --proxy --timeout --retries --cert
    --client-cert --config-settings -C --config-setting --global-option --report --log --python -p
    --index-strategy --prerelease --link-mode --resolution --keyring-provider --exists-action
    --use-feature --use-deprecated --no-build-isolation-package --refresh-package
    --upgrade-package -P --reinstall-package --python-platform --override --overrides
    --build-constraint --group --extra --allow-insecure-host
    """.split()  # noqa: SIM905 (a list of so many words is a page)
)
# `RUN echo "pip install torch"` in a Dockerfile prints advice.
_NOT_RUN: Final = {"echo", "printf"}


@dataclass(slots=True)
class PipInstall:
    """The requirements, indexes and options of one command."""

    declared: list[Declared] = field(default_factory=list)
    indexes: list[DeclaredIndex] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)
    problems: list[FileProblem] = field(default_factory=list)
    nested: list[ProjectFile] = field(default_factory=list)


def read(words: list[Word], text: Text, nested: Nested | None = None) -> PipInstall | None:
    """Read a command; None for one that is not `pip install`.

    An index that replaces the package index serves this command alone, so its entries get it.
    """
    arguments = _arguments(words)
    if arguments is None:
        return None
    command = _Command(text, nested)
    command.read(arguments)
    return command.result()


def _arguments(words: list[Word]) -> list[Word] | None:
    """Return the words after `pip install`, whatever runs pip and with whichever flags."""
    before = ""
    if words and words[0].value in _NOT_RUN:
        return None
    for position, word in enumerate(words):
        if word.value == "install" and _PIP.fullmatch(before):
            return words[position + 1 :]
        if not word.value.startswith("-"):
            before = word.value
    return None


class _Command:
    """The state of reading one command. A word is read like a line of a requirements file."""

    def __init__(self, text: Text, nested: Nested | None) -> None:
        self.text = text
        self.nested_reader = nested
        self.reader = Reader(text, False)
        self.installed = PipInstall()

    def read(self, words: list[Word]) -> None:
        waiting: str | None = None
        for word in words:
            if waiting is not None:
                self._option(waiting, word, word.value)
                waiting = None
            elif word.value.startswith("-") and word.value != "-":
                waiting = self._flag(word)
            elif word.known:
                self._requirement(word, False)

    def _flag(self, word: Word) -> str | None:
        """Read an option; return its name if its value is the next word."""
        name, equals, value = word.value.partition("=")
        if equals:
            start = word.end - len(value) if word.exact else word.start
            self._option(name, word._replace(start=start, value=value), value)
            return None
        # pip takes `-rrequirements.txt` as optparse does; `--index-url` begins like `-i` and is
        # none.
        short = word.value[:2]
        if short in ("-i", "-f", "-r", "-c", "-e") and len(word.value) > 2 and word.value[1] != "-":
            value = word.value[2:]
            start = word.start + 2 if word.exact else word.start
            self._option(short, word._replace(start=start, value=value), value)
            return None
        takes = name in _INDEXES or name in _FILES or name in _EDITABLE
        return name if takes or name in _WITH_VALUE or name in _TOLD else None

    def _option(self, name: str, word: Word, value: str) -> None:
        place = self.text.place(word.start, word.end)
        # `--index-url $URL`: nobody knows it without running the build.
        if not word.known:
            return
        if name in _INDEXES:
            # uv takes several URLs in one value.
            urls = value.split() or [value]
            self.installed.indexes += [DeclaredIndex(url, _INDEXES[name], place) for url in urls]
        elif name in _FILES and self.nested_reader is not None:
            file = self.nested_reader(value, _FILES[name], word.start, word.end)
            self.installed.nested += [file] if file is not None else []
        elif name in _EDITABLE:
            self._requirement(word, True)
        elif name in _TOLD:
            self.installed.options.append(Option(name, value, place))

    def _requirement(self, word: Word, editable: bool) -> None:
        text = word.value.strip()
        # `.`, `$EXTRA_ARGS` and globs of wheels are arguments of pip too, and name no project.
        if not text or (
            not editable and not is_address(text) and not _REQUIREMENT_LIKE.match(text)
        ):
            return
        line = LogicalLine(text, ((0, word.start),), word.end)
        requirement = self.reader.requirement(text, line, 0, [], editable)
        if requirement is None:
            place = self.text.place(word.start, word.end)
            self.installed.problems += [p._replace(place=place) for p in self.reader.problems]
            self.reader.problems.clear()
        elif word.exact:
            self.installed.declared.append(requirement)
        else:
            # A quoted or continued word has no offsets within it, only a span.
            written = self.text.text[word.start : word.end]
            place = self.text.place(word.start, word.end)
            self.installed.declared.append(
                replace(requirement, text=written, place=place, version_place=None)
            )

    def result(self) -> PipInstall:
        # Only the last counts for pip; explicit, since the other commands of the file do not use
        # it.
        own = [index for index in self.installed.indexes if index.kind == "index-url"]
        if own:
            self.installed.declared = [
                replace(requirement, index=own[-1].url) if requirement.url is None else requirement
                for requirement in self.installed.declared
            ]
            self.installed.indexes = [
                index._replace(kind="named", explicit=True) if index in own else index
                for index in self.installed.indexes
            ]
        return self.installed

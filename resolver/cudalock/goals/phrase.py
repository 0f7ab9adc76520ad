"""The goal phrase: "torch 2.5.1 + FA2 on Windows py3.11".

    phrase     = part, { joiner, part }
    joiner     = "+" | "," | "&" | "and" | "with" | "on" | "for" | "a" | "my" | nothing
    part       = component, [ version | range | "latest" ]
               | requirement with an operator: "flash-attn>=2.7,<2.8"
               | "py3.11" | "cp311" | "3.13t" | "python 3.11"
               | platform: "windows" | "linux-aarch64" | "ubuntu 22.04" | a triple
               | "cu124" | "cuda 12.4" | "cpu" | "cudnn 9.1"
               | "glibc 2.35" | "driver 550.54" | GPU: "RTX 5090" | "sm_86" | "gpu 8.6"

A component is an alias or a project; the longest run of words that is one wins. Upper and lower
case are alike.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from cudalock.errors import BadPhrase, BadTarget, NetworkError
from cudalock.goals.merge import LOOKED_UP, RequestedProject
from cudalock.names import closest, guesses
from cudalock.targets import MACOS, PLATFORMS, WINDOWS, is_musl, parse_platform, platform_words
from cudalock.targets.accelerators import ACCELERATORS, AUTO, CPU, LIBRARIES, is_foreign
from cudalock.targets.facets import COMPONENTS, FACETS
from cudalock.targets.platforms import macos_flag
from cudalock.text import did_you_mean
from cudalock.versions import canonical, parse_requirement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cudalock.goals.vocabulary import Known
    from cudalock.names import Names

ORIGIN = "the goal"

_JOINERS = frozenset({"+", ",", "&", ";", "and", "with", "on", "for", "plus", "a", "the", "my"})
_RANGED = (*ACCELERATORS, *LIBRARIES)
"""What a range may follow: `cuda >=12.1`."""
_KEYWORDS = (*_RANGED, *COMPONENTS, "py")
_LONGEST_NAME = 5
"""How many words an alias or GPU name may have: "nvidia geforce rtx 4070 super"."""

_PROJECT = r"(?i:[a-z0-9]|[a-z0-9][a-z0-9._-]*[a-z0-9])"
_VERSION = r"v?\d+(?:\.\d+)*(?:\.\*|(?:[._-]?(?:post|rc|dev|a|b)\d+)+)?"
_RANGE = r"(?:===|~=|==|!=|<=|>=|<|>)\s*[^\s,;+&<>=!~]+(?:\+[a-z0-9.]+)?"
_RANGES = rf"{_RANGE}(?:\s*,\s*{_RANGE})*"
_PYTHON_WORD = (
    r"(?:(?:python|py|cp)-?3\.?\d{1,2}(?:\.(?:\d+|[x*]))?t?|3\.\d{1,2}(?:(?:\.\d+)?t|\.[x*]))"
)
_PYTHON_ALONE = r"3\.(?:[89]|1\d)(?:\.\d+)?"
"""A version that stands alone and is nothing's but Python's."""
_PIP = r"[\[<>=!~@;]"


@lru_cache(maxsize=1)
def _token() -> re.Pattern[str]:
    """Compiled when there is a phrase: it takes longer than reading one."""
    return re.compile(
        rf"""\s*(?:
            (?P<requirement>[a-z][\w.-]*(?:\s*{_RANGES}|\[[^\]]*\](?:\s*{_RANGES})?))
          | (?P<range>{_RANGES})
          | (?P<version>{_VERSION})(?:\+(?P<local>[a-z0-9.]+))?(?=[\s,;&+)]|$)
          | (?P<joiner>[+,&;])
          | (?P<word>[^\s,;&+]+)
        )""",
        re.IGNORECASE | re.VERBOSE,
    )


class Parsed(NamedTuple):
    """What a phrase says, still as text but for the projects; each list in the order said."""

    asked: tuple[RequestedProject, ...] = ()
    cuda: tuple[str, ...] = ()
    cudnn: tuple[str, ...] = ()
    python: tuple[str, ...] = ()
    platform: tuple[str, ...] = ()
    glibc: tuple[str, ...] = ()
    gpu: tuple[str, ...] = ()
    driver: tuple[str, ...] = ()


class _Token(NamedTuple):
    kind: str
    text: str
    local: str | None = None


def parse_phrase(words: Sequence[str], known: Known) -> Parsed:
    """What `words` (the arguments as the shell split them) say.

    An argument that is a requirement by its own operator is taken whole, markers and extras
    included. A project that is in no list can be asked for as an argument of its own, if it can be
    had all the same. Raises BadPhrase naming the word that means nothing, and NetworkError for a
    word that has to be looked up and cannot be.
    """
    names = known.matrix.names
    reader = _Reader(known, frozenset(words))
    run: list[str] = []
    for word in words:
        asked = _requirement(word)
        if asked is None:
            run.append(word)
            continue
        reader.read(_tokens(run, names))
        run = []
        reader.add_requirement(asked)
    reader.read(_tokens(run, names))
    return reader.parsed()


def _requirement(word: str) -> RequestedProject | None:
    """The requirement that one whole argument is, if an operator, extra or marker makes it one."""
    from packaging.requirements import InvalidRequirement

    if not re.search(_PIP, word):
        return None
    try:
        parse_requirement(word)
    except InvalidRequirement:
        return None
    return RequestedProject.of_requirement(word, ORIGIN)


def _tokens(words: Sequence[str], names: Names) -> list[_Token]:
    if not words:
        return []
    text = " ".join(words)
    tokens: list[_Token] = []
    position = 0
    while match := _token().match(text, position):
        position = match.end()
        tokens += _split_token(match, names)
    return tokens


def _split_token(match: re.Match[str], names: Names) -> list[_Token]:
    kind = str(match.lastgroup if match["local"] is None else "version")
    text = match[kind]
    local = match["local"]
    if kind == "word":
        text = text.rstrip(".!?:") or text
        return [_Token("joiner" if text.lower() in _JOINERS else "word", text)]
    if local and names.find(local):
        # "torch 2.5.1+fa2" joins two components; "torch 2.5.1+cu124" is one local version.
        return [_Token(kind, text), _Token("joiner", "+"), _Token("word", local)]
    return [_Token(kind, text, local)]


class _Reader:
    """Reads tokens from left to right. A version belongs to the component just before it."""

    def __init__(self, known: Known, whole: frozenset[str]) -> None:
        self.known = known
        self.whole = whole
        """the arguments as the shell split them"""
        self.asked: list[RequestedProject] = []
        self.said: dict[str, list[str]] = {}

    def parsed(self) -> Parsed:
        said = {name: tuple(values) for name, values in self.said.items()}
        return Parsed(asked=tuple(self.asked), **said)

    def say(self, what: str, text: str) -> None:
        self.said.setdefault(what, []).append(text)

    def add_requirement(self, asked: RequestedProject) -> None:
        """A virtual name (`cuda>=12.1`) is a part of its own, any other a project."""
        what = asked.name.lower()
        if what in _RANGED and asked.specifier:
            self.say(what, asked.specifier)
        elif project := self.known.matrix.names.find(asked.name):
            self.asked.append(
                RequestedProject(
                    project, asked.specifier, None, asked.extras, asked.marker, asked.origin
                )
            )
        elif what in _KEYWORDS:
            raise BadPhrase(
                f"`{asked.name}{asked.specifier}` is not understood:"
                f" write `{what}` and one version",
                hints=["`py3.11`, `glibc 2.28`, `driver 550.54`, `gpu 8.6`"],
            )
        else:
            self.asked.append(asked)

    def read(self, tokens: list[_Token]) -> None:
        position = 0
        while position < len(tokens):
            position += self._read_part(tokens[position:])

    def _read_part(self, rest: list[_Token]) -> int:
        """Reads one part off the front; how many tokens it was."""
        first = rest[0]
        if first.kind == "joiner":
            return 1
        if first.kind == "requirement":
            self._read_requirement(first.text)
            return 1
        if first.kind in ("range", "version"):
            return self._read_count(rest) or self._read_number(first)
        return (
            self._read_keyword(rest)
            or self._read_component(rest)
            or self._read_newest(rest)
            or self._read_word(first.text)
            or self._read_platform(rest)
            or self._read_run(rest, "platform", self.known.matrix.distributions.glibc)
            or self._read_run(rest, "gpu", self.known.matrix.gpus.find)
            or self._read_further(rest)
            or self._fail(first.text)
        )

    def _read_requirement(self, text: str) -> None:
        asked = _requirement(text)
        if asked is None:
            raise BadPhrase(f"`{text}` is neither a requirement nor a part of a goal")
        self.add_requirement(asked)

    def _read_keyword(self, rest: list[_Token]) -> int:
        """`cuda 12.4`, `python 3.11`, `driver 550.54`; a bare `cuda` is what is wanted anyway."""
        keyword = rest[0].text.lower()
        if keyword not in _KEYWORDS or self.known.matrix.names.find(rest[0].text):
            return 0
        what = "python" if keyword == "py" else keyword
        if what == "gpu" and (used := self._read_run(rest[1:], what, self.known.matrix.gpus.find)):
            return 1 + used
        value = rest[1] if len(rest) > 1 else None
        if value and (value.kind == "version" or (value.kind == "range" and what in _RANGED)):
            self.say(what, value.text)
            return 2
        if value and value.kind == "word" and _is_value(what, value.text):
            self.say(what, value.text)
            return 2
        if what in (*ACCELERATORS, "gpu"):
            return 1
        raise BadPhrase(
            f"`{rest[0].text}` needs its version after it",
            hints=[f"`{what} {_EXAMPLES[what]}`"],
        )

    def _read_component(self, rest: list[_Token]) -> int:
        for length in range(min(_LONGEST_NAME, len(rest)), 0, -1):
            window = rest[:length]
            if any(token.kind not in ("word", "version") or token.local for token in window):
                continue
            project = self.known.matrix.names.find(" ".join(token.text for token in window))
            if project is None:
                continue
            version, used = _version_of(rest[length:])
            self.asked.append(RequestedProject(project, loose=version, origin=ORIGIN))
            return length + used
        return 0

    def _read_newest(self, rest: list[_Token]) -> int:
        """`latest torch`: the word before its component."""
        if rest[0].text.lower() not in _NEWEST:
            return 0
        used = self._read_component(rest[1:])
        if not used:
            return 0
        if self.asked[-1].loose is None:
            self.asked[-1] = self.asked[-1]._replace(loose=rest[0].text)
        return 1 + used

    def _read_word(self, text: str) -> int:
        """Words for a Python, and for an accelerator's version or its absence."""
        word = text.lower()
        if re.fullmatch(_PYTHON_WORD, word):
            self.say("python", word)
            return 1
        meant = [
            row.name
            for row in ACCELERATORS.values()
            if word == CPU or is_foreign(word) or re.fullmatch(row.phrase_word, word)
        ]
        for name in meant:
            self.say(name, word)
        return bool(meant)

    def _read_platform(self, rest: list[_Token]) -> int:
        """A platform, and the version people put after it: "Windows 11", "macOS 14"."""
        word = rest[0].text.lower()
        try:
            platform, _glibc, macos = parse_platform(word)
        except BadTarget:
            if is_musl(word):
                raise
            return 0
        version = rest[1].text if len(rest) > 1 and rest[1].kind == "version" else ""
        system = PLATFORMS[platform].system
        if system is WINDOWS and version in ("10", "11"):
            self.say("platform", word)
            return 2
        if system is MACOS and macos is None and version:
            major, minor = (*version.split("."), "0")[:2]
            self.say("platform", macos_flag(platform, f"{major}.{minor}"))
            return 2
        self.say("platform", word)
        return 1

    def _read_run(self, rest: list[_Token], what: str, known: Callable[[str], str | None]) -> int:
        """The longest run of words that is a known name: a GPU's, a distribution's."""
        for length in range(min(_LONGEST_NAME, len(rest)), 0, -1):
            window = rest[:length]
            if any(token.kind not in ("word", "version") for token in window):
                continue
            text = " ".join(token.text for token in window)
            if known(text):
                self.say(what, text)
                return length
        return 0

    def _read_count(self, rest: list[_Token]) -> int:
        """How many GPUs there are, "2 x H100": one of them tells as well."""
        if not re.fullmatch(r"\d{1,2}", rest[0].text):
            return 0
        by = len(rest) > 1 and rest[1].text.lower() in ("x", "of")
        used = self._read_run(rest[1 + by :], "gpu", self.known.matrix.gpus.find)
        return 1 + by + used if used else 0

    def _read_number(self, token: _Token) -> int:
        """A version with no component before it: "on Windows 3.11", "for a 4090"."""
        text = token.text + (f"+{token.local}" if token.local else "")
        if re.fullmatch(_PYTHON_ALONE, text):
            self.say("python", text)
        elif re.fullmatch(r"\d{4}", text) and self.known.matrix.gpus.find(text):
            self.say("gpu", text)
        else:
            raise BadPhrase(
                f"it is not clear what `{text}` is the version of",
                hints=["a version stands right after its component: `torch 2.5.1`"],
            )
        return 1

    def _read_further(self, rest: list[_Token]) -> int:
        """A project that is in no list. Not one whose name may be a slip: what an index has under
        the misspelt name of a well-known project is seldom what is wanted."""
        word = rest[0].text
        if word not in self.whole or not self._may_be_further(word):
            return 0
        try:
            if not self.known.elsewhere([canonical(word)]):
                return 0
        except NetworkError:
            if self.known.looks_further:
                raise
            return 0
        version, used = _version_of(rest[1:])
        self.asked.append(RequestedProject(canonical(word), loose=version, origin=ORIGIN))
        return 1 + used

    def _may_be_further(self, word: str) -> bool:
        return bool(re.fullmatch(_PROJECT, word)) and not closest(word, self._known())

    def _was_asked_for(self, word: str) -> bool:
        return self.known.looks_further and word in self.whole and self._may_be_further(word)

    def _known(self) -> list[str]:
        return [
            *self.known.matrix.names.words(),
            *platform_words(),
            *_KEYWORDS,
            *self.known.matrix.gpus.names,
        ]

    def _fail(self, word: str) -> int:
        index = ", nor a package that an index has" if self._was_asked_for(word) else ""
        raise BadPhrase(
            f"`{word}` is no component, platform, Python or GPU known here{index}",
            hints=self._hints(word),
        )

    def _hints(self, word: str) -> list[str]:
        """What was probably meant by a word that means nothing."""
        if single := re.fullmatch(rf"({_PROJECT})=({_VERSION}(?:\+[\w.]+)?)", word):
            name, version = single.groups()
            joined = f"{name} {version}" if name.lower() in _KEYWORDS else f"{name}=={version}"
            return [f"did you mean `{joined}`?"]
        if file := re.fullmatch(r"[^:]*\.(?:txt|in)", word):
            return [f"`-r {file[0]}`"]
        if wheel := re.fullmatch(r"\S*?([^/\\]+?)-([^/\\-]+)-[^/\\]+\.whl", word):
            name, version = canonical(wheel[1]), _public(wheel[2])
            return [f'`"{name}=={version}"`: cudalock chooses the wheel itself']
        hints = did_you_mean(guesses(word, self._known()))
        if not self._may_be_further(word) or self._was_asked_for(word):
            return hints
        alone = f"`{word}` as an argument of its own, outside the quotes, is looked up as a package"
        return [*hints, alone if self.known.looks_further else LOOKED_UP]


def _public(version: str) -> str:
    """The version in a wheel's name, without a local label."""
    return re.split(r"\+|%2B", version, maxsplit=1)[0]


_NEWEST = ("latest", "newest")
_EXAMPLES = {
    **{name: row.example for name, row in ACCELERATORS.items()},
    **{name: row.example for name, row in LIBRARIES.items()},
    **{name: FACETS[name].example for name in COMPONENTS},
}


def _is_value(what: str, text: str) -> bool:
    word = text.lower()
    if what in ACCELERATORS:
        return word in (CPU, AUTO)
    return what == "python" and bool(re.fullmatch(_PYTHON_WORD, word))


def _version_of(rest: list[_Token]) -> tuple[str | None, int]:
    """The version that the next token is of the component before it, and how many tokens it was."""
    if not rest:
        return None, 0
    token = rest[0]
    if token.kind == "version":
        return token.text + (f"+{token.local}" if token.local else ""), 1
    if token.kind == "range" or token.text.lower() in _NEWEST:
        return token.text, 1
    return None, 0

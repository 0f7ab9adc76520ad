"""The goal phrase: "torch 2.5.1 + FA2 on Windows py3.11".

    phrase     = part, { joiner, part }
    joiner     = "+" | "," | "&" | "and" | "with" | "on" | "for" | "a" | "an" | "my" | nothing
    part       = component, [ version | range | "latest" ]
               | requirement with an operator: "flash-attn>=2.7,<2.8"
               | "py3.11" | "cp311" | "3.13t" | "python 3.11"
               | platform: "windows" | "linux-aarch64" | "ubuntu 22.04" | "RHEL 8" | a triple
               | "cu124" | "cuda 12.4" | "rocm6.4" | "xpu" | "mps" | "cpu" | "cudnn 9.1"
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
from cudalock.names import likely_names, likely_typo
from cudalock.targets import MACOS, PLATFORMS, WINDOWS, is_musl, parse_platform, platform_words
from cudalock.targets.accelerators import (
    ACCELERATOR_FLAGS,
    ACCELERATORS,
    AUTO,
    CPU,
    DEFAULT,
    LIBRARIES,
    OPTION,
    maker_of,
)
from cudalock.targets.facets import FACETS
from cudalock.targets.platforms import macos_flag
from cudalock.text import did_you_mean
from cudalock.versions import canonical, parse_requirement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cudalock.goals.vocabulary import Known
    from cudalock.names import Names

ORIGIN = "the goal"

_JOINERS = frozenset(
    {"+", ",", "&", ";", "and", "with", "on", "for", "plus", "a", "an", "the", "my"}
)
_PLAIN_WORDS = frozenset(
    {
        *("i", "we", "me", "you", "it", "is", "am"),
        *("are", "be", "do", "does", "want", "wants", "need"),
        *("needs", "what", "which", "how", "where", "when", "why"),
        *("who", "please", "have", "has", "had", "would", "like"),
        *("can", "could", "should", "help", "give", "get", "use"),
        *("using", "install", "run", "running", "this", "that", "these"),
        *("those", "of", "in", "at", "by", "from"),
        *("to", "or", "not", "no", "any", "all", "some"),
        *("work", "works", "working", "machine", "laptop", "desktop", "computer"),
        *("pc", "server", "card", "box", "new", "old", "best"),
        *("latest", "version", "versions", "fast", "python", "kaggle", "colab"),
        *("notebook", "jupyter", "comfyui", "docker", "container", "cloud", "cluster"),
    }
)
"""Words of a sentence that nobody means as the name of a package."""
_VERSIONED = tuple(name for name, row in ACCELERATORS.items() if row.version_word)
_RANGED = (*_VERSIONED, *LIBRARIES)
"""What a range may follow: `cuda >=12.1`."""
_STATED = tuple(name for name, facet in FACETS.items() if facet.is_component)
_KEYWORDS = (*_RANGED, *_STATED, "py")
_LONGEST_NAME = 5
"""How many words an alias may have."""
_LONGEST_RUN = 9
"""How many words a GPU's name may have: "RTX PRO 6000 Blackwell Max-Q Workstation Edition"."""

# The name of a project by PEP 508.
_PROJECT = r"(?i:[a-z0-9]|[a-z0-9][a-z0-9._-]*[a-z0-9])"
# `2.5.1`, `v2.5`, `2.5.*`, `2.8.0.post2`, `2.6.0rc1`; a local version is read beside it.
_VERSION = r"v?[0-9]+(?:\.[0-9]+)*(?:\.\*|(?:[._-]?(?:post|rc|dev|a|b)[0-9]+)+)?"
# `>=2.4`; the local version comes last because `+` alone joins two parts: "torch==2.5.1+fa2".
_RANGE = r"(?:===|~=|==|!=|<=|>=|<|>)\s*[^\s,;+&<>=!~]+(?:\+[a-z0-9.]+)?"
_RANGES = rf"{_RANGE}(?:\s*,\s*{_RANGE})*"
# `py3.11`, `cp311`, `python3.12.4`, `3.13t`, and `3.11.x` as CI matrices write it.
_PYTHON_WORD = (
    r"(?:(?:python|py|cp)-?3\.?[0-9]{1,2}(?:\.(?:[0-9]{1,3}|[x*]))?t?"
    r"|3\.[0-9]{1,2}(?:(?:\.[0-9]{1,3})?t|\.[x*]))"
)
_PYTHON_ALONE = r"3\.(?:[89]|1[0-9])(?:\.[0-9]{1,3})?"
"""A version that stands alone and is nothing's but Python's."""
# An argument with one of these may be a requirement: `a[b]`, `a>=1`, `a @ URL`, `a; marker`.
_PIP = r"[\[<>=!~@;]"


@lru_cache(maxsize=1)
def _token() -> re.Pattern[str]:
    """Compile the pattern when there is a phrase: it takes longer than reading one."""
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
    """What a phrase states, as text but for the projects; each tuple in the order of the words."""

    projects: tuple[RequestedProject, ...] = ()
    cuda: tuple[str, ...] = ()
    accelerator: tuple[str, ...] = ()
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
    """Read `words`, the arguments as the shell split them.

    An argument that is a requirement by its own operator is read whole, markers and extras
    included. A project outside the matrix can be requested by an argument of its own, if an index
    has it. Raises BadPhrase naming the unknown word, and NetworkError for a word that has to be
    looked up and cannot be.
    """
    names = known.matrix.names
    # Plain words are one phrase however the shell split them, so versions find their component.
    reader = _Reader(known, frozenset(words))
    run: list[str] = []
    for word in words:
        request = _requirement(word)
        if request is None:
            run.append(word)
            continue
        reader.read(_tokens(run, names))
        run = []
        reader.add_requirement(request)
    reader.read(_tokens(run, names))
    return reader.parsed()


def _requirement(word: str) -> RequestedProject | None:
    """Return the requirement that a whole argument is, if an operator, extra or marker is in it."""
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
        # A phrase may end as a sentence does.
        text = text.rstrip(".!?:") or text
        return [_Token("joiner" if text.lower() in _JOINERS else "word", text)]
    if local and names.find(local):
        # "torch 2.5.1+fa2" joins two components; "torch 2.5.1+cu124" is one local version.
        return [_Token(kind, text), _Token("joiner", "+"), _Token("word", local)]
    return [_Token(kind, text, local)]


class _Reader:
    """Reads tokens from left to right. A version belongs to the component right before it."""

    def __init__(self, known: Known, arguments: frozenset[str]) -> None:
        self.known = known
        self.arguments = arguments
        """the arguments as the shell split them"""
        self.projects: list[RequestedProject] = []
        self.texts: dict[str, list[str]] = {}

    def parsed(self) -> Parsed:
        texts = {name: tuple(values) for name, values in self.texts.items()}
        return Parsed(projects=tuple(self.projects), **texts)

    def say(self, part: str, text: str) -> None:
        # An accelerator without a flag of its own is a value of the general one.
        if part in ACCELERATORS and part not in ACCELERATOR_FLAGS:
            part, text = OPTION, f"{part}{text}"
        self.texts.setdefault(part, []).append(text)

    def _say_value(self, part: str, value: str) -> None:
        facet = FACETS.get(part)
        if facet is not None and facet.stated_by:
            self.say(facet.stated_by, f"{part}-{value}")
        else:
            self.say(part, value)

    def add_requirement(self, request: RequestedProject) -> None:
        """Add a requirement of a project, or of a virtual component (`cuda>=12.1`) as a part."""
        part = request.name.lower()
        if part in _RANGED and request.specifier:
            self.say(part, request.specifier)
        elif project := self.known.matrix.names.find(request.name):
            specifier = request.specifier or self.known.matrix.names.specifier(request.name)
            self.projects.append(request._replace(name=project, specifier=specifier))
        elif part in _KEYWORDS:
            raise BadPhrase(
                f"cannot read `{request.name}{request.specifier}`: write `{part}` and one version",
                hints=["`py3.11`, `glibc 2.28`, `driver 550.54`, `gpu 8.6`"],
            )
        else:
            self.projects.append(request)

    def read(self, tokens: list[_Token]) -> None:
        position = 0
        while position < len(tokens):
            position += self._read_part(tokens[position:])

    def _read_part(self, tokens: list[_Token]) -> int:
        """Read one part off the front. Return how many tokens it was."""
        first = tokens[0]
        if first.kind == "joiner":
            return 1
        if first.kind == "requirement":
            self._read_requirement(first.text)
            return 1
        if first.kind in ("range", "version"):
            return self._read_count(tokens) or self._read_number(first)
        # The order decides what a word means that is several things: a component's alias comes
        # before a platform's word, and a package of the index, which may have any name, comes last.
        return (
            self._read_keyword(tokens)
            or self._read_component(tokens)
            or self._read_newest(tokens)
            or self._read_word(tokens)
            or self._read_platform(tokens)
            or self._read_run(tokens, "platform", self.known.matrix.jetpacks.find)
            or self._read_run(tokens, "platform", self.known.matrix.distributions.glibc)
            or self._read_run(tokens, "gpu", self.known.matrix.gpus.match)
            or self._read_namesake(tokens)
            or self._read_further(tokens)
            or self._fail(_model(tokens))
        )

    def _read_requirement(self, text: str) -> None:
        request = _requirement(text)
        if request is None:
            raise BadPhrase(f"cannot read `{text}`: not a requirement, nor a part of a goal")
        self.add_requirement(request)

    def _read_keyword(self, tokens: list[_Token]) -> int:
        """Read `cuda 12.4`, `python 3.11`, `driver 550.54`. A bare `cuda` is the default anyway."""
        keyword = tokens[0].text.lower()
        if keyword not in _KEYWORDS or self.known.matrix.names.find(tokens[0].text):
            return 0
        part = "python" if keyword == "py" else keyword
        # "gpu RTX 4090": the name says more than the word before it.
        if part == "gpu" and (
            used := self._read_run(tokens[1:], part, self.known.matrix.gpus.match)
        ):
            return 1 + used
        following = tokens[1] if len(tokens) > 1 else None
        if following and (
            following.kind == "version" or (following.kind == "range" and part in _RANGED)
        ):
            self._say_value(part, following.text)
            return 2
        if following and following.kind == "word" and _is_value(part, following.text):
            self.say(part, following.text)
            return 2
        # "with cuda", "on my gpu": a build for the accelerator is the default.
        if part in (DEFAULT.name, "gpu"):
            return 1
        if part in ACCELERATORS:
            self.say(part, "")
            return 1
        raise BadPhrase(
            f"`{tokens[0].text}` needs a version after it",
            hints=[f"`{part} {_EXAMPLES[part]}`"],
        )

    def _read_component(self, tokens: list[_Token]) -> int:
        for length in range(min(_LONGEST_NAME, len(tokens)), 0, -1):
            window = tokens[:length]
            if any(token.kind not in ("word", "version") or token.local for token in window):
                continue
            name = " ".join(token.text for token in window)
            project = self.known.matrix.names.find(name)
            if project is None:
                continue
            version, used = _version_of(tokens[length:])
            specifier = "" if version else self.known.matrix.names.specifier(name)
            self.projects.append(RequestedProject(project, specifier, version, origin=ORIGIN))
            return length + used
        return 0

    def _read_newest(self, tokens: list[_Token]) -> int:
        """Read `latest torch`, where the word comes before its component."""
        if tokens[0].text.lower() not in _NEWEST:
            return 0
        used = self._read_component(tokens[1:])
        if not used:
            return 0
        if self.projects[-1].loose is None:
            self.projects[-1] = self.projects[-1]._replace(loose=tokens[0].text)
        return 1 + used

    def _read_word(self, tokens: list[_Token]) -> int:
        """Read a word for a Python, or for an accelerator's version or its absence."""
        word = tokens[0].text.lower()
        if re.fullmatch(_PYTHON_WORD, word):
            self.say("python", word)
            return 1
        if word == CPU:
            self.say(DEFAULT.name, word)
            return 1
        for row in ACCELERATORS.values():
            is_version = row.phrase_word and re.fullmatch(row.phrase_word, word)
            is_bare = word in row.bare_words and not row.is_default
            # "Intel Arc B580": the name of a GPU says more than its maker's.
            if is_bare and (used := self._read_run(tokens, "gpu", self.known.matrix.gpus.match)):
                return used
            if is_version or is_bare:
                self.say(row.name if row.flag else OPTION, word)
                return 1
        return 0

    def _read_platform(self, tokens: list[_Token]) -> int:
        """Read a platform, and the version people put after it: "Windows 11", "macOS 14"."""
        word = tokens[0].text.lower()
        try:
            platform, _glibc, macos = parse_platform(word)
        except BadTarget:
            # Alpine is a platform, and the reason why it cannot be solved for is worth an error.
            if is_musl(word):
                raise
            return 0
        version = tokens[1].text if len(tokens) > 1 and tokens[1].kind == "version" else ""
        system = PLATFORMS[platform].system
        # Wheels do not tell Windows 10 from 11. "Windows 3.11" is a Python.
        if system is WINDOWS and version in ("10", "11"):
            self.say("platform", word)
            return 2
        if system is MACOS and macos is None and version:
            major, minor = (*version.split("."), "0")[:2]
            self.say("platform", macos_flag(platform, f"{major}.{minor}"))
            return 2
        self.say("platform", word)
        return 1

    def _read_run(self, tokens: list[_Token], part: str, known: Callable[[str], object]) -> int:
        """Read the longest run of words that is a known name: a GPU's, a distribution's."""
        for length in range(min(_LONGEST_RUN, len(tokens)), 0, -1):
            window = tokens[:length]
            # "RTX 2070 with Max-Q Design" is one name.
            if window[-1].kind == "joiner" or any(
                token.kind not in ("word", "version") and token.text.lower() != "with"
                for token in window
            ):
                continue
            text = " ".join(token.text for token in window)
            if known(text):
                self.say(part, text)
                return length
        return 0

    def _read_count(self, tokens: list[_Token]) -> int:
        """Read a number of GPUs, "2 x H100". The number is dropped: a lock for one works on two."""
        if not re.fullmatch(r"[0-9]{1,2}", tokens[0].text):
            return 0
        by = len(tokens) > 1 and tokens[1].text.lower() in ("x", "of")
        used = self._read_run(tokens[1 + by :], "gpu", self.known.matrix.gpus.match)
        return 1 + by + used if used else 0

    def _read_number(self, token: _Token) -> int:
        """Read a version with no component before it: "on Windows 3.11", "for a 4090"."""
        text = token.text + (f"+{token.local}" if token.local else "")
        # "on Windows 3.11" and "for a 4090": no component has such a version on its own.
        if re.fullmatch(_PYTHON_ALONE, text):
            self.say("python", text)
        elif re.fullmatch(r"[0-9]{4}", text) and self.known.matrix.gpus.match(text):
            self.say("gpu", text)
        else:
            raise BadPhrase(
                f"`{text}` is a version, but no component stands before it",
                hints=["write a version right after its component: `torch 2.5.1`"],
            )
        return 1

    def _read_namesake(self, tokens: list[_Token]) -> int:
        """Read a name that the package index has for something else, which is refused later on."""
        name = canonical(tokens[0].text)
        if not re.fullmatch(_PROJECT, name) or name not in self.known.matrix.namesakes.by_name:
            return 0
        version, used = _version_of(tokens[1:])
        self.projects.append(RequestedProject(name, loose=version, origin=ORIGIN))
        return 1 + used

    def _read_further(self, tokens: list[_Token]) -> int:
        """Read a project outside the matrix.

        Not one whose name looks like a slip: what an index has under the misspelt name of a
        well-known project is seldom what the user wants, and may be malicious.
        """
        word = tokens[0].text
        # Only an argument of its own: a sentence has many words that some package is named for.
        if word not in self.arguments or not self._may_be_further(word):
            return 0
        try:
            if not self.known.elsewhere([canonical(word)]):
                return 0
        except NetworkError:
            if self.known.looks_further:
                raise
            return 0
        version, used = _version_of(tokens[1:])
        self.projects.append(RequestedProject(canonical(word), loose=version, origin=ORIGIN))
        return 1 + used

    def _may_be_further(self, word: str) -> bool:
        return bool(re.fullmatch(_PROJECT, word)) and not likely_typo(word, self._known())

    def _was_asked_for(self, word: str) -> bool:
        return self.known.looks_further and word in self.arguments and self._may_be_further(word)

    def _known(self) -> list[str]:
        return [
            *self.known.matrix.names.words(),
            *platform_words(),
            *_KEYWORDS,
            *self.known.matrix.gpus.names,
        ]

    def _fail(self, word: str) -> int:
        maker = maker_of(word)
        if maker is not None:
            raise BadPhrase(
                f"unknown {maker.vendor} GPU `{word}`",
                hints=[
                    *did_you_mean(likely_names(word, self.known.matrix.gpus.names)),
                    f"`{maker.bare_words[0]}` in its place for builds for {maker.title}",
                ],
            )
        index = ", nor a package on the index" if self._was_asked_for(word) else ""
        raise BadPhrase(
            f"unknown word `{word}`: not a component, platform, Python or GPU in the matrix{index}",
            hints=self._hints(word),
        )

    def _hints(self, word: str) -> list[str]:
        """Return what was probably meant by an unknown word."""
        # conda writes one equals sign.
        if single := re.fullmatch(rf"({_PROJECT})=({_VERSION}(?:\+[\w.]+)?)", word):
            name, version = single.groups()
            joined = f"{name} {version}" if name.lower() in _KEYWORDS else f"{name}=={version}"
            return [f"did you mean `{joined}`?"]
        # A requirements file without its `-r`.
        if file := re.fullmatch(r"[^:]*\.(?:txt|in)", word):
            return [f"`-r {file[0]}`"]
        if wheel := re.fullmatch(r"\S*?([^/\\]+?)-([^/\\-]+)-[^/\\]+\.whl", word):
            name, version = canonical(wheel[1]), _public(wheel[2])
            return [f'`"{name}=={version}"`: cudalock chooses the wheel itself']
        hints = did_you_mean(likely_names(word, self._known()))
        if word.lower() in _PLAIN_WORDS:
            return ["name components, versions and the machine: `torch 2.6 + FA2 py3.11, my 4090`"]
        if not self._may_be_further(word) or self._was_asked_for(word):
            return hints
        as_argument = f"write `{word}` as a separate argument to look it up as a package"
        return [*hints, as_argument if self.known.looks_further else LOOKED_UP]


def _model(tokens: list[_Token]) -> str:
    """Return the first word, with the number after it where both are a GPU: `RX 7900`."""
    pair = " ".join(token.text for token in tokens[:2])
    is_gpu = maker_of(pair) is not None and maker_of(tokens[0].text) is None
    return pair if is_gpu else tokens[0].text


def _public(version: str) -> str:
    """Return the version in a wheel's file name without its local version."""
    return re.split(r"\+|%2B", version, maxsplit=1)[0]


_NEWEST = ("latest", "newest")
_EXAMPLES = {
    **{name: row.example for name, row in ACCELERATORS.items() if row.flag},
    **{name: row.example for name, row in LIBRARIES.items()},
    **{name: FACETS[name].example for name in _STATED},
}


def _is_value(part: str, text: str) -> bool:
    word = text.lower()
    if part == DEFAULT.name:
        return word in (CPU, AUTO)
    return part == "python" and bool(re.fullmatch(_PYTHON_WORD, word))


def _version_of(tokens: list[_Token]) -> tuple[str | None, int]:
    """Return the version that the next token is, and how many tokens it was: 0 or 1."""
    if not tokens:
        return None, 0
    token = tokens[0]
    if token.kind == "version":
        return token.text + (f"+{token.local}" if token.local else ""), 1
    if token.kind == "range" or token.text.lower() in _NEWEST:
        return token.text, 1
    return None, 0

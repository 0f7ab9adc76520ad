"""The goal phrase: "torch 2.5.1 + FA2 on Windows py3.11".

    phrase     = part, { joiner, part }
    joiner     = "+" | "," | "&" | a word such as "and", "with", "on", "for" | nothing
    part       = component, [ version | range | "latest" | "2.6 or newer" ]
               | requirement with an operator: "flash-attn>=2.7,<2.8"
               | "py3.11" | "cp311" | "3.13t" | "python 3.11"
               | platform: "windows" | "linux-aarch64" | "ubuntu 22.04" | "RHEL 8" | a triple
               | image: "nvidia/cuda:12.4.1-devel-ubuntu22.04"
               | "cu124" | "cuda 12.4" | "rocm6.4" | "xpu" | "mps" | "cpu" | "cudnn 9.1"
               | "glibc 2.35" | "driver 550.54" | GPU: "RTX 5090" | "sm_86" | "gpu 8.6"

A component is an alias or a project; the longest run of words that is one wins. Upper and lower
case are alike. `phrases.toml` has the other words of sentences. In a sentence ("I want torch for my
thesis") an unknown word is skipped and named, unless it may be a part of what is asked for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cudalock.errors import BadPhrase, BadTarget, NetworkError
from cudalock.goals.merge import LOOKED_UP, ParsedPhrase, RequestedProject
from cudalock.goals.tokens import (
    KEYWORDS,
    PIP,
    PROJECT,
    PYTHON_ALONE,
    PYTHON_WORD,
    RANGED,
    STATED,
    VERSION,
    Token,
    tokens_of,
)
from cudalock.matrix.phrases import (
    DRIVER,
    LONGEST_RUN,
    Application,
    CudaOf,
    MachinePlace,
    Meaning,
    Output,
    Refused,
    longest,
)
from cudalock.names import likely_names, likely_typo
from cudalock.targets import (
    LINUX,
    MACOS,
    PLATFORMS,
    WINDOWS,
    is_musl,
    parse_platform,
    platform_words,
)
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
from cudalock.targets.platforms import likeliest, macos_flag
from cudalock.text import NamesNote, did_you_mean, shell_command
from cudalock.versions import canonical, parse_requirement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cudalock.goals.vocabulary import Known

ORIGIN = "the goal"

_LONGEST_NAME = 5
"""How many words an alias may have."""
_LONGEST_RUN = 9
"""How many words a GPU's name may have: "RTX PRO 6000 Blackwell Max-Q Workstation Edition"."""
_LISTED: Final = frozenset("+&")
"""Signs before something that is asked for; a comma may be punctuation."""
_LATEST: Final = "latest"
_CUDA_VERSION: Final = r"1[0-9]\.[0-9]+(\.[0-9]+)?"
_WITH_AND: Final = (["with", "and"], ["with", "or"])
"""Before a negation: "with and without CUDA"."""
_EXAMPLE: Final = "name components, versions and the machine: `torch 2.6 + FA2 py3.11, my 4090`"


def parse_phrase(words: Sequence[str], known: Known) -> ParsedPhrase:
    """Read `words`, the arguments as the shell split them.

    An argument that is a requirement by its own operator is read whole, markers and extras
    included. A project outside the matrix can be requested by an argument of its own, if an index
    has it and the arguments are no sentence. Raises BadPhrase naming the word that is not clear,
    and NetworkError for a word that has to be looked up and cannot be.
    """
    # Plain words are one phrase however the shell split them, so versions find their component.
    parts: list[RequestedProject | list[Token]] = []
    run: list[str] = []
    for word in words:
        request = _requirement(word)
        if request is None:
            run.append(word)
            continue
        parts += [tokens_of(run, known.matrix), request]
        run = []
    parts.append(tokens_of(run, known.matrix))
    reader = _Reader(known, frozenset(words), [part for part in parts if isinstance(part, list)])
    for part in parts:
        if isinstance(part, list):
            reader.read(part)
        else:
            reader.add_requirement(part)
    return reader.parsed()


def _requirement(word: str) -> RequestedProject | None:
    """Return the requirement that a whole argument is, if an operator, extra or marker is in it."""
    if not re.search(PIP, word):
        return None
    try:
        parse_requirement(word)
    except ValueError:  # InvalidRequirement, whose import takes long
        return None
    return RequestedProject.of_requirement(word, ORIGIN)


class _Reader:
    """Reads tokens from left to right. A version belongs to the component right before it."""

    def __init__(
        self, known: Known, arguments: frozenset[str], runs: Sequence[Sequence[Token]]
    ) -> None:
        self.known = known
        self.words = known.matrix.phrases
        self.arguments = arguments
        """the arguments as the shell split them"""
        self.is_sentence = any(
            self.words.makes_sentence(token.lower) for run in runs for token in run
        )
        self.projects: list[RequestedProject] = []
        self.texts: dict[str, list[str]] = {}
        self.before: list[Token] = []
        self.asked_for: set[str] = set()
        """the words that no index has a project for"""
        """the tokens that were read so far"""
        self.places: list[str] = []
        """platforms of what is named beside the machine"""
        self.ignored: list[str] = []
        self.notes: list[str] = []
        self.machine_word: str | None = None
        """an unknown word where a machine is named"""
        self.cuda_of: str | None = None
        """what reports the CUDA version that comes next"""
        self.base: str | None = None
        """the image, or the hosted notebook, that a sentence names"""

    def parsed(self) -> ParsedPhrase:
        """Return what was read. Raises BadPhrase if what was skipped leaves it open."""
        if self.ignored and not self.projects:
            self._refuse(self.ignored[0])
        if self.machine_word and not (self.texts.keys() & {"platform", "gpu"} or self.places):
            self._refuse(self.machine_word)
        if self.places and "platform" not in self.texts and self._may_stand_on(self.places[0]):
            self.say("platform", self.places[0])
        if self.base:
            self._note_base(self.base)
        self.texts["platform"] = self._one_of_each(self.texts.get("platform", []))
        texts = {name: tuple(values) for name, values in self.texts.items() if values}
        skipped = NamesNote(
            "ignored words that name nothing in the matrix",
            tuple(dict.fromkeys(self.ignored)),
            "word",
            is_warning=True,
        )
        notes: tuple[str | NamesNote, ...] = (
            *dict.fromkeys(self.notes),
            *((skipped,) if self.ignored else ()),
        )
        return ParsedPhrase(projects=tuple(self.projects), notes=notes, base=self.base, **texts)

    def _note_base(self, base: str) -> None:
        """Note how what a base brings stays. Raises BadPhrase for an image, named for just that."""
        framework = self.known.matrix.framework
        words = [
            f"{project.name}{project.specifier or (project.loose and f'=={project.loose}') or ''}"
            for project in self.projects
            if project.name != framework
        ]
        gpus = [word for gpu in self.texts.get("gpu", ()) for word in ("--gpu", gpu)]
        command = f"`{shell_command(['cudalock', 'solve', *words, '--image', base, *gpus])}`"
        if ":" in base:
            raise BadPhrase(
                f"`{base}` brings packages of its own, which a phrase does not read",
                hints=[f"{command} leaves them as they are"],
            )
        self.notes.append(f"`{base}` brings a {framework} of its own, which {command} keeps")

    def _one_of_each(self, platforms: list[str]) -> list[str]:
        """Return the platforms without those that another says more of: WSL, and its Ubuntu."""
        places = {text: self._place(text) for text in platforms}
        return [
            text
            for text, (name, more) in places.items()
            if more or not any(other == name and rest for other, rest in places.values())
        ]

    def _place(self, text: str) -> tuple[str, str | None]:
        """Return the platform that a text means, and the version of its system."""
        try:
            name, glibc, macos = parse_platform(text)
        except BadTarget:
            glibc = self.known.matrix.distributions.glibc(text)
            # A JetPack is a machine of its own.
            return (likeliest(LINUX).name, glibc) if glibc else (text, text)
        return name, glibc or macos

    def _may_stand_on(self, platform: str) -> bool:
        """Return whether the GPUs leave a place's usual platform open: some are of one machine."""
        name = parse_platform(platform)[0]
        models = [self.known.matrix.gpus.match(text) for text in self.texts.get("gpu", ())]
        return all(
            not model or not model.is_of_machine or name in model.platforms for model in models
        )

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
        if part in RANGED and request.specifier:
            self.say(part, request.specifier)
        elif project := self.known.matrix.names.find(request.name):
            specifier = request.specifier or self.known.matrix.names.specifier(request.name)
            self.projects.append(request._replace(name=project, specifier=specifier))
        elif part in KEYWORDS:
            raise BadPhrase(
                f"cannot read `{request.name}{request.specifier}`: write `{part}` and one version",
                hints=["`py3.11`, `glibc 2.28`, `driver 550.54`, `gpu 8.6`"],
            )
        else:
            self.projects.append(request)

    def read(self, tokens: list[Token]) -> None:
        position = 0
        while position < len(tokens):
            used = self._read_part(tokens[position:])
            self.before += tokens[position : position + used]
            position += used

    def _read_part(self, tokens: list[Token]) -> int:
        """Read one part off the front. Return how many tokens it was."""
        first = tokens[0]
        # Runs of several words begin with a joiner at times: "at least", "in the cloud".
        if used := self._read_meaning(tokens) or self._read_comparison(tokens):
            return used
        if first.kind == "joiner":
            return 1
        if first.kind == "requirement":
            self._read_requirement(first.text)
            return 1
        if first.kind in ("range", "version"):
            return self._read_count(tokens) or self._read_number(tokens)
        # The order decides what a word means that is several things: a component's alias comes
        # before a platform's word, and a package of the index, which may have any name, comes last.
        return (
            self._read_negation(tokens)
            or self._read_alternative(tokens)
            or self._read_ordinary(tokens)
            or self._read_keyword(tokens)
            or self._read_component(tokens)
            or self._read_newest(tokens)
            or self._read_word(tokens)
            or self._read_platform(tokens)
            or self._read_run(tokens, "platform", self.known.matrix.jetpacks.find)
            or self._read_run(tokens, "platform", self.known.matrix.distributions.glibc)
            or self._read_run(tokens, "gpu", self._gpu)
            or self._read_image(first)
            or self._read_silent(tokens)
            or self._read_namesake(tokens)
            or self._read_further(tokens)
            or self._read_unknown(tokens)
            or self._fail(_model(tokens))
        )

    # -- words of sentences ---------------------------------------------------------------------

    def _read_meaning(self, tokens: list[Token]) -> int:
        """Read a run of words that stands for something: a cloud, a program, what is refused."""
        run, used = longest(_lower(tokens), self.words.meanings)
        if not used or self.known.matrix.names.find(run):
            return 0
        meaning: Meaning = self.words.meanings[run]
        shown = _text(tokens[:used])
        match meaning:
            case MachinePlace(platform, image):
                self.places.append(platform)
                self.base = self.base or image
            case Application(title, projects):
                # A version after it is the program's own.
                version, more = self._version_of(tokens[used:])
                self.projects += [RequestedProject(name, origin=ORIGIN) for name in projects]
                named = f"{title} {version}" if version else title
                self.notes.append(f"`{named}` is read as what it needs: {', '.join(projects)}")
                used += more
            case Refused(says):
                raise BadPhrase(f"cannot solve for `{shown}`: {says}", hints=[_EXAMPLE])
            case Output(option):
                if self._is_own(tokens[0]):
                    return 0
                self.notes.append(f"`{option}` writes the {shown}")
            case CudaOf(of):
                self.cuda_of = of
                version, more = self._version_of(tokens[used:])
                if version:
                    self._say_cuda(version)
                    used += more
        return used

    def _say_cuda(self, version: str) -> None:
        """Say what a CUDA version means that the driver or the machine's toolkit reports."""
        of, self.cuda_of = self.cuda_of, None
        title = ACCELERATORS[DEFAULT.name].title
        if of != DRIVER:
            self.notes.append(
                f"{title} {version} of the machine's own toolkit does not matter: builds bring"
                " theirs along"
            )
        elif driver := self.known.matrix.driver_of(version):
            self.say("driver", driver)
            self.notes.append(
                f"{title} {version} is the newest that the driver runs, so the driver is {driver}"
            )
        else:
            self._refuse(f"{title} {version}")

    def _read_comparison(self, tokens: list[Token]) -> int:
        """Read "at least torch 2.5": a range whose words stand before the component."""
        run, used = longest(_lower(tokens), self.words.before)
        if not used:
            return 0
        rest = tokens[used:]
        count = len(self.projects)
        more = self._read_component(rest) if rest and rest[0].kind == "word" else 0
        if not more:
            return 0
        request = self.projects[count]
        if not request.loose or not request.loose[0].isdigit():
            self.projects.pop()
            return 0
        specifier = f"{self.words.before[run]}{request.loose}"
        self.projects[count] = request._replace(specifier=specifier, loose=None)
        return used + more

    def _read_negation(self, tokens: list[Token]) -> int:
        """Read "without a GPU"; refuse what excludes something else."""
        _, used = longest(_lower(tokens), self.words.negations)
        if not used:
            return 0
        rest = tokens[used:]
        if [token.lower for token in self.before[-2:]] in _WITH_AND:
            raise BadPhrase(
                f"`{_text([*self.before[-2:], *tokens[: used + 1]])}` is two locks: name both",
                hints=[f"`--{DEFAULT.name} {CPU} --{DEFAULT.name} 12.8` are lines of one project"],
            )
        skipped = 0
        while skipped < len(rest) and self._states_nothing(rest[skipped]):
            if rest[skipped].lower in self.words.complaints:
                return used
            skipped += 1
        rest = rest[skipped:]
        # "no idea": what is not read is not excluded.
        if not rest:
            return used
        processor, more = longest(_lower(rest), self.words.processor)
        has_version = bool(self._version_of(rest[more:])[0])
        if processor and not has_version and not self._read_gpu_name(rest[1:]):
            self.say(DEFAULT.name, CPU)
            return used + skipped + more
        shown = _text(tokens[: used + skipped + 1])
        project = self._project_at(rest)
        hint = f"`--skip {project}` leaves it out" if project else _EXAMPLE
        if project or self._means_something(rest):
            raise BadPhrase(f"cannot read `{shown}`: a goal states what is wanted", hints=[hint])
        return used

    def _read_gpu_name(self, tokens: list[Token]) -> bool:
        return bool(tokens) and self._longest(tokens, self._gpu) > 0

    def _project_at(self, tokens: list[Token]) -> str | None:
        length = self._component_length(tokens)
        return self.known.matrix.names.find(_text(tokens[:length])) if length else None

    def _component_length(self, tokens: list[Token]) -> int:
        """Return how many tokens at the front are the longest name of a component; 0 for none."""
        for length in range(min(_LONGEST_NAME, len(tokens)), 0, -1):
            window = tokens[:length]
            if any(token.kind not in ("word", "version") or token.local for token in window):
                continue
            if self.known.matrix.names.find(_text(window)):
                return length
        return 0

    def _means_something(self, tokens: list[Token]) -> bool:
        """Return whether a platform, GPU, Python or keyword is at the front."""
        word = tokens[0].lower
        return bool(
            word in KEYWORDS
            or word in platform_words()
            or re.fullmatch(PYTHON_WORD, word)
            or self._longest(tokens, self._gpu)
            or longest(_lower(tokens), self.words.meanings)[1]
        )

    def _read_alternative(self, tokens: list[Token]) -> int:
        """Read "or"; refuse it between two components."""
        if tokens[0].lower not in self.words.alternatives:
            return 0
        after = [token for token in tokens[1:3] if token.kind == "word"]
        if self.before and after and self.projects and self._project_at(tokens[1:]):
            raise BadPhrase(
                f"`{tokens[0].text}` leaves open what is wanted: name one component, or both"
                " with `+`"
            )
        return 1

    def _read_ordinary(self, tokens: list[Token]) -> int:
        """Read a word that is a project too, and in a sentence only with a version, or where it
        goes on with a list of projects: "transformers, peft and accelerate"."""
        if tokens[0].lower not in self.words.ordinary:
            return 0
        # "flash-attn wheel for torch 2.8" says what is wanted of flash-attn.
        is_noun = tokens[0].lower in self.words.things and not self._is_own(tokens[0])
        follows = bool(self.projects and self.before) and self.before[-1].kind != "joiner"
        if not self.is_sentence and not (is_noun and follows):
            return 0
        if self.projects and self.before and self.before[-1].lower in self.words.also:
            return 0
        # "sage attention" is one name.
        is_longer = self._component_length(tokens) > 1
        return 0 if is_longer or self._version_of(tokens[1:])[0] else 1

    def _states_nothing(self, token: Token) -> bool:
        return token.kind == "joiner" or self.words.is_silent(token.lower)

    def _is_own(self, token: Token) -> bool:
        """Whether a word is an argument of its own, and so may be the name of a package."""
        return not self.is_sentence and token.text in self.arguments

    def _read_silent(self, tokens: list[Token]) -> int:
        word = tokens[0].lower
        # `docker` as an argument of its own may be the package.
        is_own = self._is_own(tokens[0])
        if word in self.words.silent or word in self.words.newest:
            return 1
        return int(word in self.words.things and not is_own)

    def _read_unknown(self, tokens: list[Token]) -> int:
        """Skip an unknown word of a sentence, if nothing shows that it is asked for."""
        word = tokens[0]
        if not self.is_sentence or maker_of(_model(tokens)):
            return 0
        has_version = bool(self._version_of(tokens[1:])[0])
        meant = likely_typo(word.text, self._known())
        if has_version or "=" in word.text or meant:
            return 0
        previous = self._joiner_before()
        if previous in self.words.wanted or previous in _LISTED:
            return 0
        if previous in self.words.on and self.machine_word is None:
            self.machine_word = word.text
        self.ignored.append(word.text)
        return 1

    def _joiner_before(self) -> str:
        """Return the joiner that leads to the next word, articles and adjectives left out."""
        for token in reversed(self.before):
            if token.lower in self.words.wanted or token.lower in self.words.on:
                return token.lower
            if token.text in _LISTED:
                return token.text
            if not self._states_nothing(token) or token.text in ",;":
                return ""
        return ""

    def _read_image(self, token: Token) -> int:
        """Read what a container's image shows: `python:3.12-slim-bookworm`."""
        name, colon, tag = token.text.rpartition(":")
        if not colon or not name or "//" in token.text:
            return 0
        if is_musl(tag) or is_musl(name):
            parse_platform(name if is_musl(name) else tag)
        known = self.known.matrix.images.read(token.text)
        if known is not None and (known.own or known.installed):
            self.base = token.text
            return 1
        short = name.rpartition("/")[2]
        parts = tag.split("-")
        glibc = self.known.matrix.distributions.by_release
        linux = [text for text in (f"{short}{parts[0]}", *parts) if text.lower() in glibc]
        python = parts[0] if short == "python" and re.match(PYTHON_ALONE, parts[0]) else None
        if not linux and not python:
            return 0
        if python:
            self.say("python", python)
        if linux:
            self.say("platform", linux[0])
        else:
            self.places.append(likeliest(LINUX).name)
        return 1

    # -- parts ----------------------------------------------------------------------------------

    def _read_requirement(self, text: str) -> None:
        request = _requirement(text)
        if request is None:
            raise BadPhrase(f"cannot read `{text}`: not a requirement, nor a part of a goal")
        self.add_requirement(request)

    def _read_keyword(self, tokens: list[Token]) -> int:
        """Read `cuda 12.4`, `python 3.11`, `driver 550.54`. A bare `cuda` is the default anyway."""
        keyword = tokens[0].lower
        if keyword not in KEYWORDS or self.known.matrix.names.find(tokens[0].text):
            return 0
        part = "python" if keyword == "py" else keyword
        # "gpu RTX 4090": the name says more than the word before it.
        if part == "gpu" and (used := self._read_run(tokens[1:], part, self._gpu)):
            return 1 + used
        gap = self._gap(tokens[1:])
        following = tokens[1 + gap] if len(tokens) > 1 + gap else None
        if following and following.kind == "version":
            if part == DEFAULT.name and self.cuda_of:
                self._say_cuda(following.text)
                return 2 + gap
            if self._is_version_of(part, following.text):
                operator, more = self._operator_after(tokens[2 + gap :])
                value = following.text
                self._say_value(part, f"{operator}{value}" if part in RANGED else value)
                return 2 + gap + (more if part in RANGED else 0)
            # "python 3" states nothing.
            return 2 + gap
        if following and following.kind == "range" and part in RANGED:
            self._say_value(part, following.text)
            return 2 + gap
        if following and following.kind == "word" and _is_value(part, following.text):
            self.say(part, following.text)
            return 2 + gap
        # "with cuda", "on my gpu": a build for the accelerator is the default.
        if part in (DEFAULT.name, "gpu"):
            return 1
        if part in ACCELERATORS:
            self.say(part, "")
            return 1
        # "the latest driver", "a python environment".
        if self.is_sentence:
            return 1
        raise BadPhrase(
            f"`{tokens[0].text}` needs a version after it",
            hints=[f"`{part} {_EXAMPLES[part]}`"],
        )

    def _is_version_of(self, part: str, text: str) -> bool:
        """Return whether a number is a version of a part: a `3` is no Python."""
        return part != "python" or "." in text or not self.is_sentence

    def _gap(self, tokens: list[Token]) -> int:
        """Return how many words stand before a version that belongs to what is before them."""
        for gap, token in enumerate(tokens[:3]):
            if token.kind in ("version", "range"):
                return gap
            if token.lower not in self.words.between:
                return 0
        return 0

    def _version_of(self, tokens: list[Token]) -> tuple[str | None, int]:
        """Return the next version, `2.6`, `>=2.6` or `latest`, and how many tokens it is."""
        gap = self._gap(tokens)
        rest = tokens[gap:]
        if not rest:
            return None, 0
        token = rest[0]
        if token.kind == "version":
            version = token.text + (f"+{token.local}" if token.local else "")
            operator, more = self._operator_after(rest[1:])
            return operator + version, gap + 1 + more
        if token.kind == "range":
            return token.text, gap + 1
        run, used = longest(_lower(rest), self.words.before)
        if used and len(rest) > used and rest[used].kind == "version":
            return f"{self.words.before[run]}{rest[used].text}", used + 1
        _, used = longest(_lower(rest), self.words.newest)
        # "torch, newest vllm": the word belongs to the component after it.
        if used and not self._project_at(rest[used:]):
            return _LATEST, used
        return None, 0

    def _operator_after(self, tokens: list[Token]) -> tuple[str, int]:
        run, used = longest(_lower(tokens), self.words.after)
        return (self.words.after[run], used) if used else ("", 0)

    def _read_component(self, tokens: list[Token]) -> int:
        length = self._component_length(tokens)
        name = _text(tokens[:length])
        project = self.known.matrix.names.find(name) if length else None
        if project is None:
            return 0
        version, used = self._version_of(tokens[length:])
        specifier = "" if version else self.known.matrix.names.specifier(name)
        self.projects.append(RequestedProject(project, specifier, version, origin=ORIGIN))
        return length + used

    def _read_newest(self, tokens: list[Token]) -> int:
        """Read `latest torch`, where the word comes before its component."""
        _, used = longest(_lower(tokens), self.words.newest)
        if not used:
            return 0
        gap = used
        while (
            gap < len(tokens) and self._states_nothing(tokens[gap]) and tokens[gap].text not in ",;"
        ):
            gap += 1
        count = len(self.projects)
        more = self._read_component(tokens[gap:]) if gap < len(tokens) else 0
        if not more:
            return 0
        if self.projects[count].loose is None:
            self.projects[count] = self.projects[count]._replace(loose=_LATEST)
        return gap + more

    def _read_word(self, tokens: list[Token]) -> int:
        """Read a word for a Python, or for an accelerator's version or its absence."""
        word = tokens[0].lower
        if re.fullmatch(PYTHON_WORD, word):
            self.say("python", word)
            return 1
        if word == CPU:
            self.say(DEFAULT.name, word)
            return 1
        for row in ACCELERATORS.values():
            is_version = row.phrase_word and re.fullmatch(row.phrase_word, word)
            is_bare = word in row.bare_words and not row.is_default
            # "Intel Arc B580": the name of a GPU says more than its maker's.
            if is_bare and (used := self._read_run(tokens, "gpu", self._gpu)):
                return used
            if is_version or is_bare:
                self.say(row.name if row.flag else OPTION, word)
                return 1
        return 0

    def _read_platform(self, tokens: list[Token]) -> int:
        """Read a platform, and the version people put after it: "Windows 11", "macOS 14"."""
        word = tokens[0].lower
        try:
            platform, _glibc, macos = parse_platform(word)
        except BadTarget:
            # Alpine is a platform, and the reason why it cannot be solved for is worth an error.
            if is_musl(word):
                raise
            return 0
        following = tokens[1] if len(tokens) > 1 else None
        # "linux aarch64", "Windows x86_64".
        if following and following.kind == "word":
            both = f"{word}-{following.lower}"
            if both in platform_words() or both.replace("_", "-") in platform_words():
                self.say("platform", both)
                return 2
        version = following.text if following and following.kind == "version" else ""
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

    def _gpu(self, text: str) -> object:
        """Return the GPU that a text names: "4090s" are several of one."""
        match = self.known.matrix.gpus.match
        plural = re.fullmatch(r"(.*[0-9])s", text)
        return match(text) or (plural and match(plural[1]))

    def _read_run(self, tokens: list[Token], part: str, known: Callable[[str], object]) -> int:
        """Read the longest run of words that is a known name: a GPU's, a distribution's."""
        length = self._longest(tokens, known)
        if length:
            text = _text(tokens[:length])
            plural = part == "gpu" and not self.known.matrix.gpus.match(text)
            self.say(part, text[:-1] if plural else text)
        return length

    def _longest(self, tokens: list[Token], known: Callable[[str], object]) -> int:
        for length in range(min(_LONGEST_RUN, len(tokens)), 0, -1):
            window = tokens[:length]
            # "RTX 2070 with Max-Q Design" is one name.
            if window[-1].kind == "joiner" or any(
                token.kind not in ("word", "version") and token.lower != "with" for token in window
            ):
                continue
            if known(_text(window)):
                return length
        return 0

    def _read_count(self, tokens: list[Token]) -> int:
        """Read a number of GPUs, "2 x H100". The number is dropped: a lock for one works on two."""
        if not re.fullmatch(r"[0-9]{1,2}", tokens[0].text):
            return 0
        by = len(tokens) > 1 and tokens[1].text.lower() in ("x", "of")
        used = self._read_run(tokens[1 + by :], "gpu", self._gpu)
        if not used and len(tokens) > 1 + by:
            # "on 2 GPUs" names none, nor does "4 cards".
            used = int(tokens[1 + by].lower in self.words.things)
        return 1 + by + used if used else 0

    def _read_number(self, tokens: list[Token]) -> int:
        """Read a version with no component before it: "on Windows 3.11", "for a 4090"."""
        token = tokens[0]
        text = token.text + (f"+{token.local}" if token.local else "")
        # "on Windows 3.11" and "for a 4090": no component has such a version on its own.
        if self._is_another_cuda(text):
            self.say(DEFAULT.name, text)
        elif re.fullmatch(PYTHON_ALONE, text):
            self.say("python", text)
        elif re.fullmatch(r"[0-9]{4}", text) and (used := self._read_run(tokens, "gpu", self._gpu)):
            return used
        else:
            raise BadPhrase(
                f"`{text}` is a version, but no component stands before it",
                hints=["write a version right after its component: `torch 2.5.1`"],
            )
        return 1

    def _is_another_cuda(self, text: str) -> bool:
        """Return whether a version goes on with those of CUDA: "CUDA 12.6 and 13.0"."""
        read = [token for token in self.before if token.kind != "joiner"]
        stated = self.texts.get(DEFAULT.name, [])
        is_listed = bool(self.before) and self.before[-1].kind == "joiner"
        follows = bool(read and stated) and read[-1].text == stated[-1]
        return is_listed and follows and re.fullmatch(_CUDA_VERSION, text) is not None

    def _read_namesake(self, tokens: list[Token]) -> int:
        """Read a name that the package index has for something else, which is refused later on."""
        name = canonical(tokens[0].text)
        if not re.fullmatch(PROJECT, name) or name not in self.known.matrix.namesakes.by_name:
            return 0
        version, used = self._version_of(tokens[1:])
        self.projects.append(RequestedProject(name, loose=version, origin=ORIGIN))
        return 1 + used

    def _read_further(self, tokens: list[Token]) -> int:
        """Read a project outside the matrix.

        Not one whose name looks like a slip: what an index has under the misspelt name of a
        well-known project is seldom what the user wants, and may be malicious.
        """
        word = tokens[0].text
        if not self._is_in_list(tokens) or not self._may_be_further(word):
            return 0
        try:
            if not self.known.elsewhere([canonical(word)]):
                self.asked_for.add(word)
                return 0
        except NetworkError:
            if self.known.looks_further:
                raise
            return 0
        version, used = self._version_of(tokens[1:])
        self.projects.append(RequestedProject(canonical(word), loose=version, origin=ORIGIN))
        return 1 + used

    def _may_be_further(self, word: str) -> bool:
        return bool(re.fullmatch(PROJECT, word)) and not likely_typo(word, self._known())

    def _is_in_list(self, tokens: list[Token]) -> bool:
        """Return whether a word stands where a list names a package: as an argument of its own,
        after a sign, or at the beginning if it looks like no English word or no other project
        follows: `faster-whisper windows`, `torch 2.6 + whisperx`. A sentence has many words that
        some package is named for."""
        word = tokens[0].text
        if self.is_sentence or word in self.arguments:
            return not self.is_sentence
        if self.before:
            return self.before[-1].text in _LISTED
        rest = (tokens[place:] for place in range(1, len(tokens)))
        return bool(re.search("[-_0-9]", word)) or not any(map(self._project_at, rest))

    def _was_asked_for(self, word: str) -> bool:
        return word in self.asked_for

    def _known(self) -> list[str]:
        return [
            *self.known.matrix.names.words(),
            *platform_words(),
            *KEYWORDS,
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

    def _refuse(self, word: str) -> None:
        """Raise BadPhrase for a word of a sentence that leaves the goal or the machine open."""
        self.is_sentence = True
        self._fail(word)

    def _hints(self, word: str) -> list[str]:
        """Return what was probably meant by an unknown word."""
        # conda writes one equals sign.
        if single := re.fullmatch(rf"({PROJECT})=({VERSION}(?:\+[\w.]+)?)", word):
            name, version = single.groups()
            joined = f"{name} {version}" if name.lower() in KEYWORDS else f"{name}=={version}"
            return [f"did you mean `{joined}`?"]
        # A requirements file without its `-r`.
        if file := re.fullmatch(r"[^:]*\.(?:txt|in)", word):
            return [f"`-r {file[0]}`"]
        if wheel := re.fullmatch(r"\S*?([^/\\]+?)-([^/\\-]+)-[^/\\]+\.whl", word):
            name, version = canonical(wheel[1]), _public(wheel[2])
            return [f'`"{name}=={version}"`: cudalock chooses the wheel itself']
        hints = did_you_mean(likely_names(word, self._known()))
        # A sentence is no list of packages: whoever publishes one of its words must not be asked.
        if self.is_sentence:
            meant = likely_typo(word, self._known())
            return [*did_you_mean([meant] if meant else []), _EXAMPLE]
        is_item = word in self.arguments or self._joiner_before() in _LISTED or "-" in word
        if not is_item or not self._may_be_further(word) or self._was_asked_for(word):
            return hints
        as_argument = f"write `{word}` as a separate argument to look it up as a package"
        return [*hints, as_argument if self.known.looks_further else LOOKED_UP]


def _model(tokens: Sequence[Token]) -> str:
    """Return the first word, with the number after it where both are a GPU: `RX 7900`."""
    pair = _text(tokens[:2])
    is_gpu = maker_of(pair) is not None and maker_of(tokens[0].text) is None
    return pair if is_gpu else tokens[0].text


def _public(version: str) -> str:
    """Return the version in a wheel's file name without its local version."""
    return re.split(r"\+|%2B", version, maxsplit=1)[0]


_EXAMPLES = {
    **{name: row.example for name, row in ACCELERATORS.items() if row.flag},
    **{name: row.example for name, row in LIBRARIES.items()},
    **{name: FACETS[name].example for name in STATED},
}


def _is_value(part: str, text: str) -> bool:
    word = text.lower()
    if part == DEFAULT.name:
        return word in (CPU, AUTO)
    return part == "python" and bool(re.fullmatch(PYTHON_WORD, word))


def _text(tokens: Sequence[Token]) -> str:
    return " ".join(token.text for token in tokens)


def _lower(tokens: Sequence[Token]) -> list[str]:
    return [token.lower for token in tokens[:LONGEST_RUN]]

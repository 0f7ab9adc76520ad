"""The state of the page: what a visitor chose, as the options of `cudalock solve`.

It is a table of lists of texts, `{"torch": ["2.5.1"], "with": ["flash-attn"]}`, which is the
page's query string as well. Its keys are the command's options, and three of its own: `torch` and
`with` are the framework's version and the projects with a switch, `goal` is everything else that is
required, as requirements or as words.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from cudalock.errors import UnknownName
from cudalock.goals.merge import RequestedProject
from cudalock.goals.request import Request
from cudalock.goals.switches import read_switches
from cudalock.targets.accelerators import LIBRARIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cudalock.goals import Goal
    from cudalock.targets import Target

State = dict[str, list[str]]

GOAL: Final = "goal"
WITH: Final = "with"
CONSTRAINT: Final = "constraint"
STRICT: Final = "strict"
TARGET: Final = ("python", "platform", "glibc", "gpu", "driver")
"""The keys that state the machine."""
FIELDS: Final = {
    GOAL: "words",
    WITH: "switches",
    "cuda": "cuda",
    "accelerator": "accelerator",
    "cudnn": "cudnn",
    "toolkit": "toolkit",
    **{key: key for key in TARGET},
    "builders": "builders",
    "exclude-newer": "exclude_newer",
    "allow-build": "allow_build",
    "skip": "skip",
}
"""The field of `Request` that each key fills; `torch`, `constraint` and `strict` are read apart."""
ACCELERATOR: Final = ("cuda", "accelerator")
"""The keys of one wish: another one takes the place of the first."""


def request_of(state: Mapping[str, Sequence[str]]) -> Request:
    """Return what a state asks for. Raises UnknownName for a key that it does not have."""
    framework = read_switches().framework
    fields: dict[str, Any] = {
        FIELDS[key]: tuple(texts) for key, texts in state.items() if key in FIELDS
    }
    unknown = state.keys() - FIELDS.keys() - {framework, CONSTRAINT, STRICT}
    if unknown:
        raise UnknownName(f"unknown option `{min(unknown)}`")
    return Request(
        **fields,
        framework=tuple(state.get(framework, ())),
        constraints=tuple(
            RequestedProject.of_requirement(text, "the goal") for text in state.get(CONSTRAINT, ())
        ),
        strict=bool(state.get(STRICT)),
    )


def state_of(goal: Goal, target: Target) -> State | None:
    """Return the state that asks for a goal on a target."""
    from cudalock.goals import command_words

    return state_of_words(command_words(goal, target))


def state_of_words(words: Sequence[str]) -> State | None:
    """Return the state of a command line's words, None if the page has no place for one of them."""
    framework, switches = read_switches()
    projects = {flag: name for name in switches for flag in (name, switches[name])}
    state: State = {}
    rest = iter(words)
    for word in rest:
        name = word.removeprefix("--")
        if word == "-c":
            name = CONSTRAINT
        elif not word.startswith("-"):
            state.setdefault(GOAL, []).append(word)
            continue
        if name in projects:
            state.setdefault(WITH, []).append(projects[name])
        elif name == STRICT:
            state[STRICT] = ["1"]
        elif name in (framework, CONSTRAINT) or (name in FIELDS and name not in (GOAL, WITH)):
            argument = next(rest, None)
            if argument is None:
                return None
            state.setdefault(name, []).append(argument)
        elif name != "offline":
            return None
    return state


def relaxed(goal: Goal, besides: str) -> Goal:
    """Return a goal for any versions of what it requires, but for the key that is examined."""
    framework = read_switches().framework
    kept = {framework} if besides == framework else set()
    requirements = (
        stated if stated.name in kept else stated.any_version for stated in goal.requirements
    )
    libraries: dict[str, Any] = {name: None for name in LIBRARIES if name != besides}
    return replace(
        goal,
        requirements=tuple(sorted(requirements, key=str)),
        constraints=(),
        accelerator=goal.accelerator if besides in ACCELERATOR else None,
        **libraries,
        toolkit=None,
        exclude_newer=None,
    )

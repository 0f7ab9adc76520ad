"""Flags, phrase, files and defaults put together: one request becomes a Goal and a Target."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from cudalock.errors import BadTarget, Contradiction, NothingAsked
from cudalock.goals.goal import Goal
from cudalock.goals.merge import RequestedProject, merge_constraints, merge_requests
from cudalock.goals.phrase import Parsed, parse_phrase
from cudalock.goals.switches import read_switches
from cudalock.goals.values import (
    clauses,
    parse_accelerator,
    parse_builders,
    parse_date,
    parse_driver,
    parse_library,
    parse_toolkit,
    satisfying,
)
from cudalock.names import nearest
from cudalock.targets import LINUX, PLATFORMS, Here, Target, parse_platform, parse_python
from cudalock.targets.accelerators import ACCELERATORS, CPU, LIBRARIES
from cudalock.targets.facets import OF_ACCELERATOR
from cudalock.targets.platforms import likeliest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cudalock.goals.vocabulary import Known
    from cudalock.matrix.vendor import Gpus
    from cudalock.names import Names
    from cudalock.targets.accelerators import Accelerator

_T = TypeVar("_T")


class Request(NamedTuple):
    """What was said, flag by flag, as text. A flag may be said twice if it says the same."""

    words: tuple[str, ...] = ()
    asked: tuple[RequestedProject, ...] = ()
    """from requirements files"""
    constraints: tuple[RequestedProject, ...] = ()
    framework: tuple[str, ...] = ()
    """versions of the framework"""
    switches: tuple[str, ...] = ()
    """projects"""
    cuda: tuple[str, ...] = ()
    cudnn: tuple[str, ...] = ()
    toolkit: tuple[str, ...] = ()
    python: tuple[str, ...] = ()
    platform: tuple[str, ...] = ()
    glibc: tuple[str, ...] = ()
    gpu: tuple[str, ...] = ()
    driver: tuple[str, ...] = ()
    builders: tuple[str, ...] = ()
    exclude_newer: tuple[str, ...] = ()
    strict: bool = False
    notes: tuple[str, ...] = ()
    """what reading the files has to tell"""


Query = tuple["Goal", "Target"]
"""What is asked of one target."""


def read_request(
    request: Request,
    known: Known,
    defaults: Request | None = None,
    here: Here | None = None,
) -> Query:
    """The goal and the one target that `request` states; `defaults` fill what it leaves open.

    `here` answers for what neither states. Raises a UsageError of some kind, Contradiction for
    several targets.
    """
    return one_target(read_requests(request, known, defaults, here))


def one_target(questions: tuple[Query, ...]) -> Query:
    """The question of a command that takes one target. Raises Contradiction for several."""
    if len(questions) > 1:
        labels = " and ".join(target.label for _, target in questions)
        raise Contradiction(f"this command takes one target, not {labels}")
    return questions[0]


def read_requests(
    request: Request,
    known: Known,
    defaults: Request | None = None,
    here: Here | None = None,
) -> tuple[Query, ...]:
    """The questions that `request` states: every platform with every Python, in a fixed order.

    A requirement whose marker does not hold on a target is not asked of it. Otherwise as
    `read_request`.
    """
    defaults = defaults or Request()
    here = here or Here()
    parsed = parse_phrase(request.words, known)
    whole = _with_phrase(request, parsed)
    return tuple(
        (_goal(whole, parsed, defaults, known, target), target)
        for target in _targets(whole, parsed, defaults, known, here)
    )


def _with_phrase(request: Request, parsed: Parsed) -> Request:
    names = (*ACCELERATORS, *LIBRARIES, "glibc", *OF_ACCELERATOR)
    return request._replace(
        **{name: getattr(request, name) + getattr(parsed, name) for name in names}
    )


def _one(flag: str, texts: Sequence[str], parse: Callable[[str], _T]) -> _T | None:
    """What all the texts come to. Raises Contradiction when they do not come to the same."""
    values = [parse(text) for text in texts]
    if any(value != values[0] for value in values):
        said = " and ".join(f"`{text}`" for text in dict.fromkeys(texts))
        raise Contradiction(f"`--{flag}` cannot be both {said}")
    return values[0] if values else None


# -- the goal ---------------------------------------------------------------------------------


def _goal(
    request: Request, parsed: Parsed, defaults: Request, known: Known, target: Target
) -> Goal:
    environment = target.marker_environment()
    asked = [*parsed.asked, *_flag_asks(request), *request.asked]
    asked += _default_asks(defaults, asked, known.matrix.names)
    requirements, notes = merge_requests(asked, known, environment)
    constraints, more_notes = merge_constraints(
        [*request.constraints, *defaults.constraints], known, environment
    )
    toolkit = _one("toolkit", request.toolkit or defaults.toolkit, parse_toolkit)
    builds = {
        row.name: _accelerator(row, getattr(request, row.name) or getattr(defaults, row.name))
        for row in ACCELERATORS.values()
    }
    libraries = {
        row.name: _one(
            row.name,
            getattr(request, row.name) or getattr(defaults, row.name),
            partial(parse_library, row),
        )
        for row in LIBRARIES.values()
    }
    if not requirements and toolkit is None and not any(libraries.values()):
        raise _nothing_asked(bool(asked))
    return Goal(
        requirements=requirements,
        constraints=constraints,
        **builds,
        **libraries,
        toolkit=toolkit,
        builders=_one("builders", request.builders or defaults.builders, parse_builders) or "known",
        exclude_newer=_one(
            "exclude-newer", request.exclude_newer or defaults.exclude_newer, parse_date
        ),
        strict=request.strict or defaults.strict,
        notes=(*request.notes, *defaults.notes, *notes, *more_notes),
    )


def _nothing_asked(was_ruled_out: bool) -> NothingAsked:
    return NothingAsked(
        "nothing in the goal is for this target" if was_ruled_out else "the goal is empty",
        hints=['`cudalock solve "torch 2.5.1 + FA2"`', "`cudalock solve --torch 2.5.1 --fa2`"],
    )


def _flag_asks(request: Request) -> list[RequestedProject]:
    name = read_switches().framework
    asks = [RequestedProject(name, loose=text, origin=f"--{name}") for text in request.framework]
    return asks + [RequestedProject(project, origin=f"--{project}") for project in request.switches]


def _default_asks(
    defaults: Request, asked: Sequence[RequestedProject], names: Names
) -> list[RequestedProject]:
    """A default version gives way to whatever was said about that project."""
    said = {names.find(item.name) for item in asked}
    return [
        item
        for item in [*_flag_asks(defaults), *defaults.asked]
        if names.find(item.name) not in said
    ]


def _accelerator(row: Accelerator, texts: Sequence[str]) -> str | None:
    """All that was said of an accelerator, as one specifier; `auto` says nothing."""
    said = {text: value for text in texts if (value := parse_accelerator(row, text)) is not None}
    specifiers = set(said.values())
    together = ",".join(sorted({c for value in specifiers - {CPU} for c in clauses(value)}))
    if len(specifiers) > 1:
        samples = [clause.lstrip("<>=!~").removesuffix(".*") for clause in together.split(",")]
        if CPU in specifiers or not satisfying(together, samples):
            listed = " and ".join(f"`{text}`" for text in said)
            raise Contradiction(f"{row.title} cannot be both {listed}")
    return together or next(iter(specifiers), None)


# -- the target -------------------------------------------------------------------------------


_Python = tuple[str, bool]
_Place = tuple[str, "str | None", "str | None"]


def _targets(
    request: Request, parsed: Parsed, defaults: Request, known: Known, here: Here
) -> list[Target]:
    """Every stated platform with every stated Python, in a fixed order. With several, `--glibc`
    speaks of those that have one, GPU and driver of those that can have CUDA."""
    pythons = _several("python", request.python, parsed.python, defaults.python, parse_python)
    places = _several(
        "platform",
        request.platform,
        parsed.platform,
        defaults.platform,
        lambda text: _place(text, known),
    )
    targets = []
    stated_places: list[_Place | None] = [*sorted(places, key=str)]
    stated_pythons: list[_Python | None] = [*sorted(pythons, key=_python_order)]
    for place in stated_places or [None]:
        for python in stated_pythons or [None]:
            one, rest = request, defaults
            if len(places) > 1 and place is not None and PLATFORMS[place[0]].system is not LINUX:
                one, rest = one._replace(glibc=()), rest._replace(glibc=())
            target = _target(one, rest, known, here, python, place)
            if len(places) > 1 and not target.accelerators:
                target = dataclasses.replace(target, gpus=(), driver=None)
            targets.append(target)
    return targets


def _place(text: str, known: Known) -> _Place:
    """As parse_platform, which does not know the distributions."""
    try:
        return parse_platform(text)
    except BadTarget:
        if glibc := known.matrix.distributions.glibc(text):
            return likeliest(LINUX).name, glibc, None
        raise


def _several(
    flag: str,
    flags: Sequence[str],
    phrase: Sequence[str],
    defaults: Sequence[str],
    parse: Callable[[str], _T],
) -> set[_T]:
    """What a repeatable flag states. A phrase states one value, and then flags say the same."""
    if phrase and flags:
        _one(flag, [*flags, *phrase], parse)
    return {parse(text) for text in flags or phrase or defaults}


def _python_order(python: _Python) -> tuple[list[int], bool]:
    version, free_threaded = python
    return [int(part) for part in version.split(".")], free_threaded


def _target(
    request: Request,
    defaults: Request,
    known: Known,
    here: Here,
    python: _Python | None,
    place: _Place | None,
) -> Target:
    """What is stated, and this machine for the rest."""
    glibc = _one("glibc", request.glibc or defaults.glibc, str)
    driver = _one("driver", request.driver or defaults.driver, parse_driver)
    gpus = _in_order([parse_gpu(text, known.matrix.gpus) for text in request.gpu or defaults.gpu])
    stated = {
        "python": python,
        "platform": place,
        "glibc": glibc or (place and place[1]),
        "gpu": gpus,
        "driver": driver,
    }
    platform, own_glibc, macos = place or here.platform()
    if place and glibc and own_glibc not in (None, glibc):
        raise Contradiction(f"the platform says glibc {own_glibc}, `--glibc` says {glibc}")
    own_gpus, own_driver = ((), None) if place else _plugged_in(here, gpus, driver)
    version, free_threaded = python or here.python()
    return Target(
        python=version,
        platform=platform,
        free_threaded=free_threaded,
        glibc=glibc or own_glibc,
        macos=macos,
        gpus=gpus or own_gpus,
        driver=driver or own_driver,
        stated=frozenset(name for name, value in stated.items() if value),
    )


def _plugged_in(
    here: Here, gpus: tuple[str, ...], driver: str | None
) -> tuple[tuple[str, ...], str | None]:
    """This machine's GPUs and driver, for what is not stated. A GPU that it does not have is stated
    of another machine, whose driver is not known."""
    if gpus and driver:
        return (), None
    own_gpus, own_driver = here.gpus_and_driver()
    return own_gpus, own_driver if set(gpus) <= set(own_gpus) else None


def parse_gpu(text: str, gpus: Gpus) -> str:
    """The compute capability meant by a GPU's name or number. Raises BadTarget."""
    capability = gpus.find(text)
    if capability is None:
        near = [f'`--gpu "{name}"`' for name in nearest(text, gpus.names)]
        if text.strip().lower() in (CPU, "none", "no"):
            near = [
                f"`--{row.name} {CPU}` is for a build without {row.title}"
                for row in ACCELERATORS.values()
            ]
        raise BadTarget(
            f"`{text}` is no GPU or compute capability known here", hints=near or ["`--gpu 8.6`"]
        )
    return capability


def _in_order(gpus: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(set(gpus), key=lambda gpu: [int(part) for part in gpu.split(".")]))

"""Combine flags, phrase, files and defaults: one request becomes a Goal and a Target each."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from cudalock.errors import (
    BadSpecifier,
    BadTarget,
    Contradiction,
    NothingAsked,
    SeveralAccelerators,
)
from cudalock.goals.goal import Goal
from cudalock.goals.gpus import check_platform, machines_of, read_gpus
from cudalock.goals.merge import (
    ParsedPhrase,
    RequestedProject,
    merge_constraints,
    merge_requests,
)
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
from cudalock.records import NamedTuple
from cudalock.targets import LINUX, PLATFORMS, PYTHONS, Here, Target, parse_platform, parse_python
from cudalock.targets.accelerators import (
    ACCELERATOR_FLAGS,
    ACCELERATORS,
    CPU,
    DEFAULT,
    LIBRARIES,
    Wish,
    gpu_order,
)
from cudalock.targets.facets import OF_ACCELERATOR
from cudalock.targets.platforms import likeliest
from cudalock.text import either
from cudalock.versions import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cudalock.goals.vocabulary import Known
    from cudalock.matrix.gpus import GpuModel
    from cudalock.matrix.jetpack import JetPack
    from cudalock.names import Names

_T = TypeVar("_T")


class Request(NamedTuple):
    """What the user states, flag by flag, as text. A flag may be repeated with the same meaning."""

    words: tuple[str, ...] = ()
    projects: tuple[RequestedProject, ...] = ()
    """from requirements files"""
    constraints: tuple[RequestedProject, ...] = ()
    framework: tuple[str, ...] = ()
    """versions of the framework"""
    switches: tuple[str, ...] = ()
    """projects"""
    cuda: tuple[str, ...] = ()
    accelerator: tuple[str, ...] = ()
    cudnn: tuple[str, ...] = ()
    toolkit: tuple[str, ...] = ()
    python: tuple[str, ...] = ()
    platform: tuple[str, ...] = ()
    glibc: tuple[str, ...] = ()
    gpu: tuple[str, ...] = ()
    driver: tuple[str, ...] = ()
    builders: tuple[str, ...] = ()
    exclude_newer: tuple[str, ...] = ()
    allow_build: tuple[str, ...] = ()
    """projects"""
    skip: tuple[str, ...] = ()
    """projects"""
    strict: bool = False
    pre: bool = False
    """whether pre-releases of what is requested count"""
    notes: tuple[str, ...] = ()
    """sentences from reading the files"""


Query = tuple["Goal", "Target"]
"""A goal and the target to solve it for."""


def read_request(
    request: Request,
    known: Known,
    defaults: Request | None = None,
    here: Here | None = None,
) -> Query:
    """Return the goal and the one target that `request` states.

    `defaults` fill what it leaves open, and `here`, this machine, what neither states. Raises a
    UsageError; Contradiction for several targets.
    """
    return one_target(read_requests(request, known, defaults, here))


def one_target(queries: tuple[Query, ...]) -> Query:
    """Return the query of a command that takes one target. Raises Contradiction for several."""
    if len(queries) > 1:
        labels = " and ".join(target.label for _, target in queries)
        raise Contradiction(f"this command takes one target, not {labels}")
    return queries[0]


def read_requests(
    request: Request,
    known: Known,
    defaults: Request | None = None,
    here: Here | None = None,
) -> tuple[Query, ...]:
    """Return the queries that `request` states: every platform with every Python, in fixed order.

    A requirement whose marker does not hold on a target is no part of that target's goal. Otherwise
    as `read_request`.
    """
    defaults = defaults or Request()
    here = here or Here()
    parsed = _phrase(request.words, known)
    whole = _with_phrase(request, parsed)
    return _queries(whole, parsed, _with_place(whole, parsed, defaults, known), known, here)


def read_lines(
    request: Request,
    known: Known,
    defaults: Request | None = None,
    here: Here | None = None,
) -> tuple[tuple[Query, ...], ...]:
    """Return the queries of each line that phrase and flags together state, as `line_requests`
    parts flags; raises as `read_requests`."""
    defaults = defaults or Request()
    parsed = _phrase(request.words, known)
    whole = _with_phrase(request, parsed)
    defaults = _with_place(whole, parsed, defaults, known)
    return tuple(
        _queries(line, parsed, defaults, known, here or Here())
        for line in line_requests(whole, defaults)
    )


def _phrase(words: Sequence[str], known: Known) -> ParsedPhrase:
    """Return what the words of a goal state. Raises what `parse_phrase` does."""
    if not words:
        return ParsedPhrase()
    # Imported here: flags alone state most goals.
    from cudalock.goals.phrase import parse_phrase

    return parse_phrase(words, known)


def _queries(
    request: Request, parsed: ParsedPhrase, defaults: Request, known: Known, here: Here
) -> tuple[Query, ...]:
    """Return the queries of a request that has the parts of the phrase as well."""
    queries = tuple(
        (_goal(request, parsed, defaults, known, target), target)
        for target in _targets(request, parsed, defaults, known, here)
    )
    _check_accelerator(queries)
    return queries


def line_requests(request: Request, defaults: Request | None = None) -> tuple[Request, ...]:
    """Return a request for each accelerator that flags state: `--cuda cpu --cuda 12.6` are two
    lines of one project.

    The request itself where they state one, or ranges of one that have a version in common.
    """
    defaults = defaults or Request()
    try:
        _accelerator(request, defaults)
    except SeveralAccelerators:
        pass
    else:
        return (request,)
    source = request if any(getattr(request, flag) for flag in ACCELERATOR_FLAGS) else defaults
    texts: dict[Wish, tuple[str, str]] = {}
    for flag in ACCELERATOR_FLAGS:
        for text in getattr(source, flag):
            wish = parse_accelerator(text, flag)
            if wish is not None:
                texts.setdefault(wish, (flag, text))
    nothing: dict[str, Any] = dict.fromkeys(ACCELERATOR_FLAGS, ())
    return tuple(request._replace(**{**nothing, flag: (text,)}) for flag, text in texts.values())


def _check_accelerator(queries: tuple[Query, ...]) -> None:
    """Raise BadTarget for an accelerator that no machine of the stated platforms has.

    Of CUDA the resolver says so: it has reasons and hints.
    """
    row = ACCELERATORS.get(queries[0][0].accelerator.name) if queries[0][0].accelerator else None
    if row is None or row is DEFAULT:
        return
    if any(row.name in (*target.accelerators, *target.built_in) for _, target in queries):
        return
    able = [
        platform
        for platform in PLATFORMS.values()
        if row.name in (*platform.accelerators, *platform.built_in)
    ]
    raise BadTarget(
        f"{queries[0][1].platform_label} has no {row.title}: it is for"
        f" {either([platform.label for platform in able])}",
        hints=[f"--platform {platform.flag}" for platform in able],
    )


def _with_phrase(request: Request, parsed: ParsedPhrase) -> Request:
    names = (*ACCELERATOR_FLAGS, *LIBRARIES, "glibc", *OF_ACCELERATOR)
    return request._replace(
        **{name: getattr(request, name) + getattr(parsed, name) for name in names}
    )


def _with_place(request: Request, parsed: ParsedPhrase, defaults: Request, known: Known) -> Request:
    """Return the defaults with the Python and the glibc of a hosted notebook that a phrase names:
    what it runs is not what this machine has."""
    base = known.matrix.images.read(parsed.base) if parsed.base else None
    if base is None:
        return defaults
    texts = {name: getattr(base, name) for name in ("python", "glibc")}
    stated: dict[str, Any] = {
        name: (text,)
        for name, text in texts.items()
        if text and not (getattr(request, name) or getattr(defaults, name))
    }
    return defaults._replace(**stated)


def _one(flag: str, texts: Sequence[str], parse: Callable[[str], _T]) -> _T | None:
    """Return what all the texts mean. Raises Contradiction if they mean different things."""
    readings = [parse(text) for text in texts]
    # `--cuda 12.4 --cuda cu124` is one wish, written twice.
    if any(reading != readings[0] for reading in readings):
        both = " and ".join(f"`{text}`" for text in dict.fromkeys(texts))
        raise Contradiction(f"`--{flag}` cannot be both {both}")
    return readings[0] if readings else None


# -- the goal ---------------------------------------------------------------------------------


def _goal(
    request: Request, parsed: ParsedPhrase, defaults: Request, known: Known, target: Target
) -> Goal:
    environment = target.marker_environment()
    requests = [*parsed.projects, *_flag_asks(request), *request.projects]
    # Defaults come last: what the user states of a project replaces its default.
    requests += _default_asks(defaults, requests, known.matrix.names)
    skip = _projects(request.skip or defaults.skip, known.matrix.names)
    stated_constraints = [*request.constraints, *defaults.constraints]
    requests, stated_constraints = (
        [stated for stated in listed if _project(stated.name, known.matrix.names) not in skip]
        for listed in (requests, stated_constraints)
    )
    takes_early = request.pre or defaults.pre
    requirements, notes = merge_requests(requests, known, environment, takes_early=takes_early)
    constraints, constraint_notes = merge_constraints(stated_constraints, known, environment)
    toolkit = _one("toolkit", request.toolkit or defaults.toolkit, parse_toolkit)
    libraries = {
        row.name: _one(
            row.name,
            getattr(request, row.name) or getattr(defaults, row.name),
            partial(parse_library, row),
        )
        for row in LIBRARIES.values()
    }
    # A toolkit or cuDNN alone is a goal: people lock the CUDA compiler for a build.
    if not requirements and toolkit is None and not any(libraries.values()):
        raise _nothing_asked(bool(requests))
    return Goal(
        requirements=requirements,
        constraints=constraints,
        accelerator=_accelerator(request, defaults),
        **libraries,
        toolkit=toolkit,
        builders=_one("builders", request.builders or defaults.builders, parse_builders) or "known",
        exclude_newer=_one(
            "exclude-newer", request.exclude_newer or defaults.exclude_newer, parse_date
        ),
        allow_build=_projects(request.allow_build or defaults.allow_build, known.matrix.names),
        skip=skip,
        strict=request.strict or defaults.strict,
        notes=(
            *request.notes,
            *parsed.notes,
            *defaults.notes,
            *notes,
            *constraint_notes,
            *_assumed(target, known),
        ),
    )


def _assumed(target: Target, known: Known) -> Iterator[str]:
    """Yield what was assumed of a Jetson board: its GPU does not say which JetPack runs on it."""
    if target.jetpack and "jetpack" not in target.stated:
        others = [
            f"`--platform jetpack-{release.version}`"
            for release in known.matrix.jetpacks.releases.values()
            if release.version != target.jetpack and set(target.gpus) <= set(release.architectures)
        ]
        instead = f": {either(others)} is for another" if others else ""
        yield f"JetPack {target.jetpack} is assumed{instead}"
    elif (
        target.is_linux
        and "platform" in target.stated
        and "glibc" not in target.stated
        and not target.assumes_glibc
    ):
        yield (
            f"glibc {target.glibc} is assumed, of the Linux that such machines come with: `--glibc`"
            " is for another"
        )


def _projects(texts: Sequence[str], names: Names) -> tuple[str, ...]:
    """Return the projects that a flag names, by their names or aliases. Raises BadSpecifier."""
    projects = set()
    for text in texts:
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", text):
            raise BadSpecifier(f"invalid project name `{text}`", hints=["a name such as `pyyaml`"])
        projects.add(_project(text, names))
    return tuple(sorted(projects))


def _project(text: str, names: Names) -> str:
    return str(names.find(text) or canonical(text))


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
    defaults: Request, requests: Sequence[RequestedProject], names: Names
) -> list[RequestedProject]:
    """Return the default requests of projects that nothing else requests."""
    requested = {names.find(request.name) for request in requests}
    return [
        request
        for request in [*_flag_asks(defaults), *defaults.projects]
        if names.find(request.name) not in requested
    ]


def _accelerator(request: Request, defaults: Request) -> Wish | None:
    """Return all that is stated of accelerators as one wish; `auto` states nothing.

    A default counts only where nothing is stated of any accelerator.
    """
    source = request if any(getattr(request, flag) for flag in ACCELERATOR_FLAGS) else defaults
    wish_by_text = {
        text: wish
        for flag in ACCELERATOR_FLAGS
        for text in getattr(source, flag)
        if (wish := parse_accelerator(text, flag)) is not None
    }
    wishes = set(wish_by_text.values())
    names = {wish.name for wish in wishes}
    if not names:
        return None
    combined = ",".join(
        sorted({c for wish in wishes if wish.specifier for c in clauses(wish.specifier)})
    )
    # Two ranges have no list of releases to try: the versions they name stand for it.
    samples = [clause.lstrip("<>=!~").removesuffix(".*") for clause in combined.split(",")]
    if len(names) > 1 or (len(wishes) > 1 and combined and not satisfying(combined, samples)):
        listed = " and ".join(f"`{text}`" for text in wish_by_text)
        rows = [ACCELERATORS[name].title for name in names if name != CPU]
        what = rows[0] if len(rows) == 1 else "the accelerator"
        raise SeveralAccelerators(f"{what} cannot be both {listed}")
    return Wish(names.pop(), combined)


# -- the target -------------------------------------------------------------------------------


_Python = tuple[str, bool]


class _Place(NamedTuple):
    """A platform, with what its name says beside it."""

    platform: str
    glibc: str | None = None
    macos: str | None = None
    jetpack: JetPack | None = None


def _targets(
    request: Request, parsed: ParsedPhrase, defaults: Request, known: Known, here: Here
) -> list[Target]:
    """Return a target for every stated platform with every stated Python, in a fixed order.

    With several platforms, `--glibc` is for those that have one, and GPU and driver for those that
    can have an accelerator.
    """
    pythons = _several("python", request.python, parsed.python, defaults.python, parse_python)
    platforms = _several(
        "platform",
        request.platform,
        parsed.platform,
        defaults.platform,
        lambda text: _place(text, known),
    )
    targets = []
    stated_platforms: list[_Place | None] = [*sorted(platforms, key=str)]
    stated_pythons: list[_Python | None] = [*sorted(pythons, key=_python_order)]
    for platform in stated_platforms or [None]:
        for python in stated_pythons or [None]:
            own_request, own_defaults = request, defaults
            if (
                len(platforms) > 1
                and platform is not None
                and PLATFORMS[platform.platform].system is not LINUX
            ):
                own_request, own_defaults = (
                    own_request._replace(glibc=()),
                    own_defaults._replace(glibc=()),
                )
            if (
                len(platforms) > 1
                and platform is not None
                and not PLATFORMS[platform.platform].accelerators
            ):
                own_request = own_request._replace(gpu=(), driver=())
                own_defaults = own_defaults._replace(gpu=(), driver=())
            targets.append(_target(own_request, own_defaults, known, here, python, platform))
    return targets


def _place(text: str, known: Known) -> _Place:
    """Read a platform; JetPack or a Linux distribution, which `parse_platform` does not know."""
    try:
        return _Place(*parse_platform(text))
    except BadTarget:
        if jetpack := known.matrix.jetpacks.find(text):
            return _jetson(jetpack, known)
        if glibc := known.matrix.distributions.glibc(text):
            return _Place(likeliest(LINUX).name, glibc)
        raise


def _jetson(jetpack: JetPack, known: Known) -> _Place:
    glibc = known.matrix.distributions.glibc(jetpack.distribution)
    return _Place(known.matrix.jetpacks.platform, glibc, None, jetpack)


def _glibc(text: str, known: Known) -> str:
    """Read a glibc, or the Linux distribution that has it: `2.35`, `ubuntu 22.04`."""
    return known.matrix.distributions.glibc(text) or text


def _several(
    flag: str,
    flags: Sequence[str],
    phrase: Sequence[str],
    defaults: Sequence[str],
    parse: Callable[[str], _T],
) -> set[_T]:
    """Return what a repeatable flag states. If a phrase states a value, flags have to agree."""
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
    stated_platform: _Place | None,
) -> Target:
    """Return the target that is stated, with this machine's parts where nothing is."""
    glibc = _one("glibc", request.glibc or defaults.glibc, lambda text: _glibc(text, known))
    driver = _one("driver", request.driver or defaults.driver, parse_driver)
    texts = request.gpu or defaults.gpu
    models = read_gpus(texts, known.matrix.gpus) if texts else []
    place = stated_platform or _place_of(models, known, here)
    if place:
        check_platform(place.platform, models)
    # A stated platform is another machine, about whose GPU this one knows nothing.
    own_gpus, own_driver = ((), None) if place else _plugged_in(here, models, driver)
    if place and not place.glibc and not place.jetpack:
        place = place._replace(glibc=_usual_glibc(models, place.platform, known))
    gpus = _architectures(models, place and place.jetpack)
    jetpack = place.jetpack if place else known.matrix.jetpacks.of_l4t(here.l4t() or "-")
    boards = () if jetpack else gpus or own_gpus
    assumed = known.matrix.jetpacks.usual_for(boards) if boards else None
    if assumed and place:
        place = _jetson(assumed, known)
    stated = {
        "python": python,
        "platform": place,
        "glibc": glibc or (stated_platform and stated_platform.glibc),
        "gpu": models,
        "driver": driver,
        "jetpack": jetpack,
    }
    means = stated_platform and stated_platform.glibc
    if means and glibc and means != glibc:
        raise Contradiction(f"the platform means glibc {means}, and `--glibc` is {glibc}")
    place = place or _Place(*here.platform())
    system = place.jetpack or assumed
    version, free_threaded = python or _python_of(system) or here.python()
    return Target(
        python=version,
        platform=place.platform,
        free_threaded=free_threaded,
        glibc=glibc or place.glibc,
        macos=place.macos,
        gpus=gpus or own_gpus,
        driver=driver or own_driver,
        jetpack=getattr(jetpack or assumed, "version", None),
        stated=frozenset(name for name, value in stated.items() if value),
    )


def _python_of(jetpack: JetPack | None) -> _Python | None:
    """Return the Python of another machine's JetPack, unless no wheel of the stack is for it."""
    return (jetpack.python, False) if jetpack and jetpack.python in PYTHONS else None


def _architectures(models: Sequence[GpuModel], jetpack: JetPack | None) -> tuple[str, ...]:
    """Return what is stated of the GPUs: a JetPack for one kind of board states its GPU.

    Raises Contradiction for a board that JetPack does not run on.
    """
    boards = jetpack.architectures if jetpack else ()
    for model in models:
        if jetpack and model.architecture not in boards:
            raise Contradiction(
                f"JetPack {jetpack.version} does not run on {model.name}: its boards have compute"
                f" capability {either(list(boards))}"
            )
    alone = boards if len(boards) == 1 else ()
    return _in_order([model.architecture for model in models] or alone)


def _place_of(models: Sequence[GpuModel], known: Known, here: Here) -> _Place | None:
    """Return the platform that the stated GPUs imply, None for the one of this machine.

    Raises BadTarget if neither this machine nor one of a certain platform can have them.
    """
    machines = machines_of(models)
    own = here.platform()[0]
    if not machines:
        check_platform(own, models)
    if not machines or own in machines:
        return None
    return _Place(machines[0])


def _usual_glibc(models: Sequence[GpuModel], platform: str, known: Known) -> str | None:
    """Return the glibc of the Linux that the GPUs' machines come with, if it is one."""
    if PLATFORMS[platform].system is not LINUX:
        return None
    names = {model.distribution for model in models}
    glibcs = [known.matrix.distributions.glibc(name) for name in names if name]
    return glibcs[0] if len(names) == len(glibcs) == 1 else None


def _plugged_in(
    here: Here, models: Sequence[GpuModel], driver: str | None
) -> tuple[tuple[str, ...], str | None]:
    """Return this machine's GPUs and driver, where they are not stated.

    If the stated GPUs are not here, another machine is meant, whose driver is unknown.
    """
    if models and driver:
        return (), None
    own_gpus, own_driver = here.gpus_and_driver()
    is_here = {model.architecture for model in models} <= set(own_gpus)
    return own_gpus, own_driver if is_here else None


def _in_order(gpus: Sequence[str]) -> tuple[str, ...]:
    # By number: as text 10.0 is less than 8.6.
    return tuple(sorted(set(gpus), key=gpu_order))

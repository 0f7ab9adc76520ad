"""Pages about add-ons: which wheel goes with which torch, by system, Python and CUDA."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from cudalock.lock import DERIVED
from cudalock.show.wheels import python_ranges
from cudalock.targets import PLATFORMS
from cudalock.targets.accelerators import CUDA
from cudalock.text import counted, listed
from web.html import Html, bullets, element, grid, join, link
from web.pages.answers import (
    Answer,
    Answers,
    Offer,
    Reason,
    Refusal,
    add_ons,
    builds_of,
    built_for,
    frameworks_for,
    has_wheels,
    is_usual,
)
from web.pages.layout import Page, code, command, section, spoken

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Matrix

TRUST: Final = {
    "own": "the project itself",
    "known": "third party, widely used",
    "other": "third party, not vetted",
}


@dataclass(frozen=True, slots=True)
class Task:
    """An add-on on a platform: its pages rest on the same solutions."""

    name: str
    platform: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether an add-on has a wheel for a torch on a platform."""

    torch: str
    offers: int
    cells: int
    is_known: bool
    is_seen: bool
    """whether somebody has seen one of the wheels"""

    @property
    def words(self) -> str:
        if not self.cells:
            return "no torch"
        if not self.offers:
            return "none" if self.is_known else "not known"
        if not self.is_seen:
            return "not confirmed"
        return "yes" if self.offers == self.cells else f"{self.offers} of {self.cells} builds"


def tasks(matrix: Matrix) -> list[Task]:
    """Return what is to be solved, a platform at a time: what its targets share is kept."""
    return [
        Task(name, platform)
        for platform in PLATFORMS
        for name in add_ons(matrix)
        if has_wheels(matrix, name, platform)
    ]


def path_of(name: str, torch: str, platform: str) -> str:
    return f"{name}/torch-{torch}/{PLATFORMS[platform].flag}/"


def torch_of(matrix: Matrix, task: Task) -> list[str]:
    """Return the torch releases that a task has a page for, before anything is solved."""
    return [
        torch
        for torch in frameworks_for(matrix, task.name)
        if builds_of(matrix, torch, task.platform)
    ]


def paths(matrix: Matrix, task: Task) -> list[str]:
    """Return the paths of the pages of a task, before anything is solved."""
    return [path_of(task.name, torch, task.platform) for torch in torch_of(matrix, task)]


def pages(
    matrix: Matrix, task: Task, answers: Answers, releases: int | None = None
) -> tuple[list[Page], list[Standing]]:
    """Return a page for each torch, or for some `releases`, and what the add-on's own page says."""
    by_torch = answers.of(task.name, releases)
    standings = [_standing(torch, found) for torch, found in by_torch.items()]
    usable = [standing.torch for standing in standings if standing.offers]
    return [
        _page(matrix, task, torch, found, usable) for torch, found in by_torch.items()
    ], standings


def _standing(torch: str, answers: list[Answer]) -> Standing:
    refusals = [each.outcome for each in answers if isinstance(each.outcome, Refusal)]
    offers = len(answers) - len(refusals)
    is_known = all(each.is_known for each in refusals)
    is_seen = any(answer.offer and answer.offer.is_seen for answer in answers)
    return Standing(torch, offers, len(answers), is_known, is_seen)


def _page(matrix: Matrix, task: Task, torch: str, answers: list[Answer], usable: list[str]) -> Page:
    label = PLATFORMS[task.platform].label
    title = f"{task.name} for torch {torch} on {label}"
    offered = [answer for answer in answers if answer.offer]
    body = [
        section("Wheels by Python and GPU build", _wheels(answers)) if offered else None,
        _first_command(task, offered, matrix.framework or ""),
        _refusals(answers),
        _facts(matrix, offered),
        _elsewhere(task, torch, usable),
    ]
    path = path_of(task.name, torch, task.platform)
    return Page(path, title, _sentence(task, torch, answers, usable), join(body))


def _sentence(task: Task, torch: str, answers: list[Answer], usable: list[str]) -> str:
    label = PLATFORMS[task.platform].label
    offered = [answer for answer in answers if answer.offer]
    if not offered:
        is_known = all(
            isinstance(answer.outcome, Refusal) and answer.outcome.is_known for answer in answers
        )
        where = f"{task.name} wheel for torch {torch} on {label}"
        other = _nearest(torch, usable)
        nearest = f"; there is one for torch {other}" if other else ""
        if not is_known:
            return f"Whether there is a {where} is not known here{nearest}."
        return f"There is no {where}{nearest}."
    seen = [answer for answer in offered if answer.offer and answer.offer.is_seen]
    has = "has wheels" if seen else "may have wheels"
    doubt = "" if seen else "; they are derived from a build script, and nobody has seen them"
    offered = seen or offered
    versions = {answer.offer.version for answer in offered if answer.offer}
    newest = _newest(offered).offer
    assert newest is not None
    builds = list(dict.fromkeys(answer.accelerator for answer in offered))
    pythons = python_ranges({answer.python for answer in offered})
    which = newest.version if len(versions) == 1 else newest.version.partition("+")[0]
    return (
        f"{task.name} {which} {has} for torch {torch} on {label} with Python "
        f"{', '.join(pythons)} and {_built_for(builds)}{doubt}."
    )


def _newest(offered: list[Answer]) -> Answer:
    """Return the answer for the newest Python and CUDA of those with a wheel."""
    usual = [each for each in offered if is_usual(each.python, each.accelerator)]
    return (usual or offered)[-1]


def _built_for(accelerators: list[str]) -> str:
    """`CUDA 12.6, 12.8 or ROCm 6.3 or XPU or no GPU`."""
    versions: dict[str, list[str]] = {}
    for title, version in sorted({*map(built_for, accelerators)}, key=_version_order):
        versions.setdefault(title, []).append(version)
    has_none = versions.pop("", None) is not None
    words = [
        f"{title} {listed(found)}" if any(found) else title for title, found in versions.items()
    ]
    return " or ".join([*words, *(["no GPU"] if has_none else [])])


def _version_order(built: tuple[str, str]) -> tuple[str, tuple[int, ...]]:
    title, version = built
    return title, _numbers(version)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part)


def _nearest(torch: str, usable: list[str]) -> str | None:
    """Return the usable release next to one, the newer one of two: `usable` is newest first."""
    newer = [each for each in usable if _numbers(each) > _numbers(torch)]
    older = [each for each in usable if _numbers(each) < _numbers(torch)]
    return newer[-1] if newer else next(iter(older), None)


def _wheels(answers: list[Answer]) -> Html:
    numbers = _reason_numbers(answers)
    rows = []
    for answer in answers:
        title, version = built_for(answer.accelerator)
        if isinstance(answer.outcome, Offer):
            cells = _offer_cells(answer.outcome, answer.command)
        elif answer.outcome.is_known:
            number = numbers[answer.outcome.reason]
            cells = [join("none: ", link(f"reason {number}", f"#reason-{number}")), "", ""]
        else:
            cells = ["not known", "", code(answer.command)]
        rows.append([answer.python, f"{title} {version}".strip() or "no GPU", *cells])
    head = ["Python", "Built for", "Wheel and sha256", "From", "Command"]
    return grid(head, rows)


def _offer_cells(offer: Offer, solve: str) -> list[object]:
    wheel = link(offer.file, offer.url, rel="noopener") if offer.url else code(offer.file)
    notes = [
        DERIVED if offer.known == "derived" else None,
        f"needs glibc {offer.glibc}" if offer.glibc and _numbers(offer.glibc) > (2, 28) else None,
    ]
    remarks = [element("br"), "; ".join(note for note in notes if note)] if any(notes) else []
    digest = offer.sha256 or "no sha256 is published"
    place = join(offer.place, element("br"), TRUST.get(offer.trust, offer.trust))
    below = element("small", digest, class_="digest")
    return [join(wheel, remarks, element("br"), below), place, code(solve)]


def _first_command(task: Task, offered: list[Answer], framework: str) -> Html | None:
    if not offered:
        return None
    answer = _newest(offered)
    assert answer.offer is not None
    is_cuda = built_for(answer.accelerator)[0] in (CUDA.title, "")
    query = {
        "platform": PLATFORMS[task.platform].flag,
        "python": answer.python,
        framework: answer.torch,
        CUDA.name if is_cuda else "accelerator": answer.accelerator,
        "with": task.name,
    }
    root = "../../../"
    return section(
        "Lock it",
        element("p", "With every other package at a version that fits, hashes included:"),
        command(f"{answer.command} -o requirements.txt\npip install -r requirements.txt"),
        element("p", link("Choose it in the browser", f"{root}?{urlencode(query)}")),
    )


def _reason_numbers(answers: list[Answer]) -> dict[Reason, int]:
    reasons = dict.fromkeys(
        answer.outcome.reason
        for answer in answers
        if isinstance(answer.outcome, Refusal) and answer.outcome.is_known
    )
    return {reason: number for number, reason in enumerate(reasons, 1)}


def _refusals(answers: list[Answer]) -> Html | None:
    numbers = _reason_numbers(answers)
    parts: list[Html] = []
    for reason, number in numbers.items():
        builds = [
            answer
            for answer in answers
            if isinstance(answer.outcome, Refusal)
            and answer.outcome.is_known
            and answer.outcome.reason == reason
        ]
        lines = [
            join(spoken(line.text), " ", link(line.fact, f"../../../facts/{line.fact}/"))
            if line.fact
            else spoken(line.text)
            for line in reason
        ]
        parts += [
            element("h3", f"Reason {number}: {_named(builds)}", id=f"reason-{number}"),
            bullets(lines),
        ]
    unknown = [
        answer
        for answer in answers
        if isinstance(answer.outcome, Refusal) and not answer.outcome.is_known
    ]
    if unknown:
        parts += [
            element("h3", f"Not known: {_named(unknown)}"),
            element(
                "p",
                "It rests on releases that the matrix lacks. The command looks them up on the "
                "package index:",
            ),
            command(unknown[-1].command),
        ]
    return section("Why there is none", parts) if parts else None


def _named(answers: list[Answer]) -> str:
    pythons = python_ranges(dict.fromkeys(answer.python for answer in answers))
    builds = [answer.accelerator for answer in answers]
    return f"Python {', '.join(pythons)}, {_built_for(builds)}"


def _facts(matrix: Matrix, offered: list[Answer]) -> Html | None:
    ids = dict.fromkeys(id for answer in offered if answer.offer for id in answer.offer.warnings)
    lines = [
        join(
            f"{matrix.fact(id).component} {matrix.fact(id).says} ",
            link(id, f"../../../facts/{id}/"),
        )
        for id in ids
    ]
    return section("Warnings", bullets(lines)) if lines else None


def _elsewhere(task: Task, torch: str, usable: list[str]) -> Html:
    flag = PLATFORMS[task.platform].flag
    others = [
        link(f"torch {other}", f"../../torch-{other}/{flag}/") for other in usable if other != torch
    ]
    return section(
        "Elsewhere",
        element("p", "The same system: ", _commas(others)) if others else None,
        element(
            "p",
            link(f"{task.name} by torch and system", "../../"),
            ", ",
            link(f"torch {torch}", f"../../../torch/{torch}/"),
        ),
    )


def _commas(items: list[Html]) -> Html:
    return join(items[:1], ([", ", item] for item in items[1:]))


# -- the pages above them -----------------------------------------------------------------------


def overview(matrix: Matrix, name: str, standings: dict[str, list[Standing]]) -> Page:
    """Return an add-on's own page: each torch by system."""
    component = matrix.component(name)
    platforms = [platform for platform in PLATFORMS if platform in standings]
    by_torch = {
        (platform, standing.torch): standing
        for platform, found in standings.items()
        for standing in found
    }
    rows = [
        [
            link(f"torch {torch}", f"../torch/{torch}/"),
            *(_cell(by_torch.get((platform, torch)), platform, torch) for platform in platforms),
        ]
        for torch in frameworks_for(matrix, name)
        if any((platform, torch) in by_torch for platform in platforms)
    ]
    labels = [PLATFORMS[platform].label for platform in platforms]
    newest = matrix.versions(name)[-1]
    missing = [row.label for key, row in PLATFORMS.items() if key not in standings]
    without = f", and no wheel for {listed(missing)}" if missing else ""
    answer = (
        f"{name} {newest} is its newest release; it has wheels for "
        f"{listed(labels) if labels else 'no system'}{without}."
    )
    body = [
        element("p", f"{component.summary}.") if component.summary else None,
        section("By torch and system", grid(["torch", *labels], rows)) if rows else None,
        section("Facts", facts_list(matrix, name)),
    ]
    release = matrix.project(name)
    day = release.release(newest).uploaded if release else None
    return Page(f"{name}/", f"{name} wheels by torch and system", answer, join(body), day)


def _cell(standing: Standing | None, platform: str, torch: str) -> object:
    if standing is None:
        return "no torch"
    return link(standing.words, f"torch-{torch}/{PLATFORMS[platform].flag}/")


def facts_list(matrix: Matrix, name: str) -> Html:
    """Return the facts of a component as links from a page one folder below the site."""
    return bullets(
        join(
            f"{name} {fact.versions} {fact.says} ".replace("  ", " "),
            link(fact.id, f"../facts/{fact.id}/"),
        )
        for fact in matrix.component(name).facts
    ) or element("p", "None.")


def index(matrix: Matrix) -> Page:
    """Return the list of add-ons."""
    names = add_ons(matrix)
    rows = [
        [
            link(name, f"../{name}/"),
            matrix.versions(name)[-1],
            matrix.component(name).summary,
        ]
        for name in names
    ]
    answer = (
        f"{counted(len(names), 'project')} that are built for a torch release, by torch and system."
    )
    return Page(
        "add-ons/",
        "Add-ons for torch",
        answer,
        grid(["Project", "Newest release", "What it is"], rows),
    )


def all_pages(matrix: Matrix) -> Iterator[str]:
    """Yield the paths of all pages about add-ons."""
    yield "add-ons/"
    yield from (f"{name}/" for name in add_ons(matrix))
    for task in tasks(matrix):
        yield from paths(matrix, task)

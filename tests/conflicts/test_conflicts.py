"""What must always hold of a no, on the real matrix and on small invented ones.

On an invented matrix every combination of wheels is tried by :mod:`tests.verifier`, which shares no
code with the package, and the engine's answer must be the best of those that hold.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cudalock.conflicts.core import Conflict, Core
from cudalock.conflicts.explanation import Explanation
from cudalock.conflicts.step import fact_of
from cudalock.conflicts.suggestions import suggest
from cudalock.errors import NoSolution
from cudalock.goals import Goal, command_line
from cudalock.lock.build import from_resolution
from cudalock.matrix.matrix import Matrix
from cudalock.matrix.universe import ClosedUniverse
from cudalock.resolution.model import Resolution
from cudalock.resolution.problem import Problem
from cudalock.solving import solve
from cudalock.targets import Target
from cudalock.targets.accelerators import Wish
from tests.files import write_all
from tests.oracle import Oracle, disagreements, judge
from tests.properties import BOUNDED, book, goals, matrix, targets
from tests.verifier import (
    Book,
    Choice,
    Report,
    Row,
    choices_of,
    inside,
    machine_values,
    marker_environment,
    marker_holds,
    preferred,
    tag_ranks_of,
    verify,
)


def answer(goal: Goal, target: Target, data: Matrix) -> Resolution | NoSolution:
    try:
        return solve(goal, target, ClosedUniverse(data))
    except NoSolution as no:
        return no


# -- what must hold of a no -----------------------------------------------------------------------


def check_cores(goal: Goal, target: Target, data: Matrix) -> list[Core]:
    """Each core is impossible, and possible without any one of its elements."""
    conflict = Conflict(Problem(goal, target, ClosedUniverse(data), wide=True))
    assert not conflict.is_possible(conflict.elements)
    cores = conflict.cores()
    assert cores
    for core in cores:
        assert set(core.elements) <= set(conflict.elements)
        assert not conflict.is_possible(core.elements)
        for element in core.elements:
            rest = [each for each in core.elements if each != element]
            assert conflict.is_possible(rest), f"{core.elements} does not need {element}"
    return cores


def check_suggestions(goal: Goal, target: Target, data: Matrix, cores: list[Core]) -> None:
    """Each suggestion solves, and asks something else than the goal did."""
    suggestions = suggest(goal, target, ClosedUniverse(data), cores)
    assert len(suggestions) <= 3
    for each in suggestions:
        assert (each.goal, each.target) != (goal, target)
        solve(each.goal, each.target, ClosedUniverse(data))


def check_explanation(no: NoSolution, goal: Goal, target: Target, facts: Book) -> None:
    """Every fact that is named is one a refusal can rest on, here."""
    explanation = no.explanation
    assert isinstance(explanation, Explanation)
    in_force = set(facts_in_force(facts, goal, target))
    told = {fact for step in explanation.steps if (fact := fact_of(step))}
    assert told <= in_force
    assert set(explanation.facts) <= told, "a fact of the core is not told"


def facts_in_force(facts: Book, goal: Goal, target: Target) -> Iterator[str]:
    """The ids of the facts that may refuse something on a target."""
    environment = marker_environment(target)
    values = machine_values(target)
    for component, table in facts.components.items():
        for fact in table.get("fact", ()):
            is_hard = fact["effect"] == "breaks" or goal.strict
            is_here = "when" not in fact or marker_holds(fact["when"], environment)
            applies = component not in ("python", "glibc", "gpu", "driver") or any(
                inside(value, fact.get("for", "")) for value in values.get(component, ())
            )
            if is_hard and is_here and applies and fact.get("scope", "solve") == "solve":
                yield fact["id"]


# -- the real matrix ------------------------------------------------------------------------------


@settings(BOUNDED, max_examples=40)
@given(goals(), targets())
def test_a_no_of_the_real_matrix(goal: Goal, target: Target) -> None:
    found = answer(goal, target, matrix())
    if isinstance(found, NoSolution):
        check_suggestions(goal, target, matrix(), check_cores(goal, target, matrix()))
        check_explanation(found, goal, target, book())
    else:
        conflict = Conflict(Problem(goal, target, ClosedUniverse(matrix()), wide=True))
        assert conflict.is_possible(conflict.elements)
        assert conflict.cores() == []


LINUX = Target("3.11", "linux-x86_64", stated=frozenset(["python", "platform"]))
WINDOWS = LINUX.on_platform("windows-x86_64")


@pytest.mark.parametrize(
    ("goal", "target"),
    [
        (Goal(("torch==2.5.1", "xformers==0.0.27.post2")), LINUX),
        (Goal(("torch==2.5.1", "torchvision==0.19.0", "xformers==0.0.27.post2")), LINUX),
        (Goal(("numpy==2.0.0", "torch==2.2.0")), LINUX),
        (Goal(("flash-attn", "torch==2.5.1")), replace(LINUX, gpus=("7.5",))),
        (Goal(("torch==2.6.0",)), replace(LINUX, gpus=("12.0",))),
        (
            Goal(("torch==2.9.0",), accelerator=Wish("cuda", "==13.0.*")),
            replace(LINUX, driver="550.54"),
        ),
        (Goal(("torch==2.5.1+cpu",), accelerator=Wish("cuda", "==12.4.*")), WINDOWS),
        (Goal(("flash-attn", "torch==2.5.1"), builders="official"), WINDOWS),
        (Goal(("torch==2.4.1", "triton-windows==3.2.0.post21"), strict=True), WINDOWS),
        (Goal(("bitsandbytes==0.43.0", "triton-windows==3.2.0.post21", "torch==2.4.1")), WINDOWS),
    ],
    ids=lambda one: " ".join(map(str, one.requirements)) if isinstance(one, Goal) else one.label,
)
def test_a_well_known_no(goal: Goal, target: Target) -> None:
    found = answer(goal, target, matrix())
    assert isinstance(found, NoSolution)
    check_suggestions(goal, target, matrix(), check_cores(goal, target, matrix()))
    check_explanation(found, goal, target, book())


# -- small invented matrices ----------------------------------------------------------------------

HEADER = """\
schema = 1
version = "2026.01.02"
[[index]]
id = "pypi"
trust = "own"
[[index]]
id = "cu121"
url = "https://example.org/cu121"
trust = "own"
[[builder]]
id = "a/friend"
project = "alpha"
url = "https://example.org/a/friend/{tag}/{file}"
trust = "known"
source = "https://example.org/a/friend"
[[builder]]
id = "a/stranger"
project = "alpha"
url = "https://example.org/a/stranger/{tag}/{file}"
trust = "other"
source = "https://example.org/a/stranger"
"""
ASIDE: Mapping[str, Any] = {
    "cuda/gpus.json": {"gpus": {}, "capabilities": {}},
    "cuda/toolkits.json": {"releases": {}},
}
PROJECTS = ("torch", "alpha", "beta", "gamma")
VIRTUAL = ("cuda", "cudnn", "cxx11abi", "gpu", "driver")
VERSIONS = ("1.0", "2.0", "2.1", "3.0")
RANGES = ("", "", "<2", ">=2", "==2.*", "==1.0", "==2.0", "!=2.0", "<3", ">=3")
BUILD_FACTS = {
    "torch": [("torch-cuda", "cuda=={cuda}")],
    "alpha": [("alpha-torch", "torch=={torch}.*"), ("alpha-cuda", "cuda=={cuda:major}.*")],
}

Files = Mapping[str, str]


@dataclass(frozen=True)
class Invented:
    """The files of a matrix, a goal and a target."""

    files: Files
    goal: Goal
    target: Target

    def __repr__(self) -> str:
        texts = [f"# {name}\n{text}" for name, text in self.files.items() if len(text) > 80]
        return "\n".join([*texts, command_line(self.goal, self.target)])


@st.composite
def inventions(draw: st.DrawFn) -> Invented:
    projects = PROJECTS[: draw(st.integers(3, 4))]
    facts = [draw(a_fact(projects, number)) for number in range(draw(st.integers(2, 4)))]
    files = {"matrix.toml": HEADER}
    files |= {name: json.dumps(value) for name, value in ASIDE.items()}
    for name in projects:
        files[f"index/{name}.json"] = draw(an_index(name, projects))
    for name in (*projects, *VIRTUAL):
        files[f"components/{name}.toml"] = component(name, facts)
    return Invented(files, draw(a_goal(projects)), draw(a_target()))


@st.composite
def an_index(draw: st.DrawFn, name: str, projects: tuple[str, ...]) -> str:
    releases = {}
    for version in sorted(draw(st.sets(st.sampled_from(VERSIONS), min_size=2, max_size=3))):
        release: dict[str, Any] = {"uploaded": f"2025-0{version[0]}-01"}
        release["requires"] = draw(some_requirements(name, projects))
        if draw(st.integers(0, 7)) == 7:
            release["yanked"] = "broken"
        release["builds"] = draw(some_builds(name))
        if name == "torch" and draw(st.booleans()):
            release["default"] = {"cuda": "12.1"}
        releases[version] = release
    lines = ",\n".join(f'"{version}": {json.dumps(row)}' for version, row in releases.items())
    head = f'"project": "{name}", "retrieved": "2026-01-02"'
    return f'{{{head}, "releases": {{\n{lines}\n}}\n}}\n'


@st.composite
def some_requirements(draw: st.DrawFn, name: str, projects: tuple[str, ...]) -> list[str]:
    # The framework may want a project of the closure; in a ring nobody is first.
    others = [
        each for each in projects if each != name and not (name == "gamma" and each != "torch")
    ]
    wanted = draw(st.sets(st.sampled_from(others), max_size=1 if name == "torch" else 2))
    return [each + draw(st.sampled_from(RANGES)) for each in sorted(wanted)]


@st.composite
def some_builds(draw: st.DrawFn, name: str) -> list[dict[str, Any]]:
    if name == "torch":
        cpu = {"index": "pypi", "labels": {"cuda": "none"}}
        usual = {"index": "pypi", "labels": {"cuda": draw(st.sampled_from(["11.8", "12.1"]))}}
        other = {"index": "cu121", "local": "cu121", "labels": {"cuda": "12.1"}}
        found = draw(st.sampled_from([[usual], [cpu, other], [usual, other], [other]]))
    elif name == "alpha":
        own: dict[str, Any] = {"index": "pypi"}
        labels = {
            "torch": draw(st.sampled_from("123")),
            "cuda": draw(st.sampled_from(["11.8", "12.4"])),
        }
        builder = draw(st.sampled_from(["a/friend", "a/stranger"]))
        built = {"builder": builder, "tag": "v1", "local": "built", "labels": labels}
        found = draw(st.sampled_from([[own], [own, built], [built]]))
    else:
        found = [{"index": "pypi"}]
    tags = "py3-none-manylinux_2_17_x86_64"
    return [{**build, "wheels": [[tags, f"{number:064x}"]]} for number, build in enumerate(found)]


@st.composite
def a_fact(draw: st.DrawFn, projects: tuple[str, ...], number: int) -> dict[str, Any]:
    of = draw(st.sampled_from(projects))
    others = [each for each in projects if each != of]
    about = draw(st.sampled_from([*others, *others, "cuda", "gpu"]))
    verb = "constrains"
    if about not in ("cuda", "gpu"):
        verb = draw(st.sampled_from(["constrains", "constrains", "requires", "conflicts"]))
    limits = {"cuda": ["==12.*", "<12"], "gpu": [">=8.0", "<8"]}.get(about, RANGES[2:])
    clause = about if verb == "conflicts" else about + draw(st.sampled_from(limits))
    return {
        "id": f"{of}-rule-{number}",
        "of": of,
        "for": draw(st.sampled_from(["", "", "<2", ">=2", "==2.*"])),
        verb: clause,
        "effect": draw(st.sampled_from(["breaks", "breaks", "breaks", "degrades"])),
    }


def component(name: str, facts: Iterable[Mapping[str, Any]]) -> str:
    lines = [f'name = "{name}"', f'kind = "{"virtual" if name in VIRTUAL else "project"}"']
    if name == "torch":
        lines.append('role = "framework"')
    if name in ("alpha", "beta"):
        lines.append(f"rank = {PROJECTS.index(name)}")
    for id, clause in BUILD_FACTS.get(name, ()):
        lines += _fact(id, "breaks", [f'requires = ["{clause}"]'])
    for fact in facts:
        if fact["of"] == name:
            about = [f'for = "{fact["for"]}"'] if fact["for"] else []
            for verb in ("requires", "constrains", "conflicts"):
                about += [f'{verb} = ["{fact[verb]}"]'] if verb in fact else []
            lines += _fact(fact["id"], fact["effect"], about)
    return "\n".join(lines) + "\n"


def _fact(id: str, effect: str, about: list[str]) -> list[str]:
    return [
        *("[[fact]]", f'id = "{id}"', f'effect = "{effect}"', *about),
        *('says = "is so"', 'basis = "tried"', 'source = ["invented"]', "checked = 2026-01-02"),
    ]


@st.composite
def a_goal(draw: st.DrawFn, projects: tuple[str, ...]) -> Goal:
    names = draw(st.sets(st.sampled_from(projects), min_size=1, max_size=3))
    limited = draw(st.sampled_from([None, None, None, *projects]))
    return Goal(
        tuple(name + draw(st.sampled_from(RANGES)) for name in sorted(names)),
        constraints=(limited + draw(st.sampled_from(RANGES[2:])),) if limited else (),
        accelerator=Wish.of_default(
            draw(st.sampled_from([None, None, None, "cpu", "==12.1.*", ">=12"]))
        ),
        builders=draw(st.sampled_from(["known", "known", "official", "any"])),
        strict=draw(st.sampled_from([False, False, False, True])),
        exclude_newer=draw(st.sampled_from([None, None, None, "2025-02-01"])),
    )


@st.composite
def a_target(draw: st.DrawFn) -> Target:
    gpu = draw(st.sampled_from([None, None, "7.5", "8.6"]))
    return replace(LINUX, gpus=(gpu,) if gpu else ())


def written(files: Files, directory: Path) -> Path:
    return write_all(directory, files)


def combinations(facts: Book, target: Target) -> Iterator[list[Choice]]:
    """Every way to pin at most one wheel of each project."""
    ranks = tag_ranks_of(target)
    choices = []
    for name in PROJECTS:
        rows = facts.rows(name)
        choices.append([None, *(_choice(row, min(preferred(row, ranks))) for row in rows)])
    for combination in product(*choices):
        yield [each for each in combination if each is not None]


def _choice(row: Row, file: str) -> Choice:
    return Choice(row.project, row.full_version, file, row.place)


def brute_force(facts: Book, goal: Goal, target: Target) -> tuple[Any, bool] | None:
    """The least cost of any combination that holds, None where none does; and whether the
    framework is in each of those with the fewest warnings."""
    reports: list[Report] = []
    for choices in combinations(facts, target):
        report = verify(facts, goal, target, choices)
        if not report.errors:
            reports.append(report)
    if not reports:
        return None
    fewest = min(len(report.warnings) for report in reports)
    reports = [report for report in reports if len(report.warnings) == fewest]
    needs_framework = all("torch" in report.rows for report in reports)
    costs = [judge(facts, goal, target, report, needs_framework) for report in reports]
    return min(costs), needs_framework


def test_a_ranked_project_leads_to_the_framework() -> None:
    """beta names alpha, and only alpha names torch, with which the values of `cuda` come."""

    def index(name: str, requires: list[str], **build: Any) -> str:
        wheel = ["py3-none-manylinux_2_17_x86_64", "0" * 64]
        builds = [{"index": "pypi", **build, "wheels": [wheel]}]
        row = {"uploaded": "2025-01-01", "requires": requires, "builds": builds}
        head = f'"project": "{name}", "retrieved": "2026-01-02"'
        return f'{{{head}, "releases": {{\n"1.0": {json.dumps(row)}\n}}\n}}\n'

    files = {
        "matrix.toml": HEADER,
        "index/torch.json": index("torch", [], labels={"cuda": "11.8"}),
        "index/alpha.json": index("alpha", ["torch"]),
        "index/beta.json": index("beta", ["alpha"]),
        **{name: json.dumps(value) for name, value in ASIDE.items()},
        **{f"components/{name}.toml": component(name, []) for name in (*PROJECTS, *VIRTUAL)},
    }
    with TemporaryDirectory() as scratch:
        data = Matrix.load(written(files, Path(scratch)))
        assert set(solve(Goal(("beta",)), LINUX, ClosedUniverse(data)).pins) >= {
            "beta",
            "alpha",
            "torch",
        }


@settings(BOUNDED, max_examples=120)
@given(inventions())
def test_the_engine_agrees_with_trying_everything(invented: Invented) -> None:
    goal, target = invented.goal, invented.target
    with TemporaryDirectory() as scratch:
        directory = written(invented.files, Path(scratch))
        data, facts = Matrix.load(directory), Book(directory)
        found = answer(goal, target, data)
        best = brute_force(facts, goal, target)
        if isinstance(found, NoSolution):
            assert best is None, f"no answer, but there is one that costs {best}"
            check_suggestions(goal, target, data, check_cores(goal, target, data))
            check_explanation(found, goal, target, facts)
            return
        choices = choices_of(from_resolution(found, command=""))
        report = verify(facts, goal, target, choices)
        assert report.errors == []
        assert report.warnings == {fact.id for fact in found.warnings}
        assert best is not None
        cost, needs_framework = best
        assert judge(facts, goal, target, report, needs_framework) == cost


@settings(BOUNDED, max_examples=60)
@given(inventions())
def test_the_oracle_agrees_on_invented_matrices(invented: Invented) -> None:
    goal, target = invented.goal, invented.target
    with TemporaryDirectory() as scratch:
        directory = written(invented.files, Path(scratch))
        oracle = Oracle(Book(directory))
        found = answer(goal, target, Matrix.load(directory))
        resolution = None if isinstance(found, NoSolution) else found
        assert disagreements(oracle, goal, target, resolution) == []
        oracle.close()

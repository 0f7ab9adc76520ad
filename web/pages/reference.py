"""Pages about what is in the matrix: releases of torch, CUDA, GPUs, tables, facts and codes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from cudalock.findings import RULES
from cudalock.matrix.gpus import NVIDIA
from cudalock.show import make_table, read_definitions, rules, show
from cudalock.show.cells import minor
from cudalock.show.codes import code_page
from cudalock.show.covering import facts_of, natural
from cudalock.show.pages import GpuPage, VirtualPage
from cudalock.show.rules import FactTable
from cudalock.show.table import Table
from cudalock.show.wheels import python_ranges, pythons_on
from cudalock.targets import PLATFORMS
from cudalock.targets.accelerators import CUDA
from cudalock.targets.platforms import of_wheel_tags
from cudalock.text import counted, listed
from cudalock.versions import parse_version
from web.html import Html, bullets, element, grid, join, link, outside
from web.pages.layout import Page, code, command, section, slug, spoken

if TYPE_CHECKING:
    from cudalock.matrix.facts import Component, Fact
    from cudalock.matrix.gpus import GpuModel
    from cudalock.matrix.matrix import Matrix
    from cudalock.matrix.releases import Build, Release

OF_RELEASE: Final = ("torch-cuda", "torch-triton", "torch-pins")
"""The tables of which a torch release's page shows its rows."""


def table_html(table: Table, root: str) -> Html:
    """Return the rows of a table, then its facts and notes; `root` leads to the site's folder."""
    rows = [
        [column.words(cell) or "-" for column, cell in zip(table.columns, row, strict=True)]
        for row in table.rows
    ]
    facts = [
        join(link(id, f"{root}facts/{id}/"), ": ", spoken(sentence)) for id, sentence in table.facts
    ]
    return join(
        grid([column.title for column in table.columns], rows, table.title),
        bullets([*facts, *map(spoken, table.notes)]),
    )


# -- torch ----------------------------------------------------------------------------------------


def torch_paths(matrix: Matrix) -> dict[str, str]:
    """Return the path of each torch release, the newest first."""
    name = matrix.framework or ""
    return {version: f"torch/{version}/" for version in reversed(matrix.versions(name))}


def torch_page(matrix: Matrix, version: str, add_ons: dict[str, list[str]]) -> Page:
    """Return the page of a torch release; `add_ons` are the platforms for which each add-on has a
    page beside it."""
    name = matrix.framework or ""
    project = matrix.project(name)
    assert project is not None
    release = project.release(version)
    cudas = _labels(release.builds)
    pythons = python_ranges(pythons_on(release.builds, None))
    published = f" was published on {release.uploaded}" if release.uploaded else " is known"
    answer = (
        f"{name} {version}{published}, for Python {listed(pythons)} and "
        f"{f'{CUDA.title} {listed(cudas)}' if cudas else 'no CUDA'}."
    )
    tables = [make_table(read_definitions(matrix)[each], matrix, version) for each in OF_RELEASE]
    body = [
        section("Builds", _builds(release)),
        section(
            "Install it",
            element("p", "With everything that goes with it, hashes included:"),
            command(f"cudalock solve --torch {version} -o requirements.txt"),
            element("p", link("Choose it in the browser", f"../../?{name}={version}")),
        ),
        section("Add-ons", _add_on_links(version, add_ons)),
        *(section(table.title, table_html(table, "../../")) for table in tables if table.rows),
        section("Facts", _sentences(facts_of(matrix, name, version, None), "../../")),
    ]
    return Page(
        f"torch/{version}/",
        f"{name} {version}: CUDA, Python and add-ons",
        answer,
        join(body),
        release.uploaded,
    )


def torch_index(matrix: Matrix) -> Page:
    """Return the list of torch releases."""
    name = matrix.framework or ""
    project = matrix.project(name)
    assert project is not None
    rows = []
    for version in reversed(project.versions):
        release = project.release(version)
        rows.append(
            [
                link(version, f"{version}/"),
                release.uploaded or "-",
                listed(python_ranges(pythons_on(release.builds, None))),
                listed(_labels(release.builds)),
                release.default.get(CUDA.name, "-"),
            ]
        )
    head = ["Release", "Published", "Pythons", "CUDA", "CUDA by default"]
    newest = project.versions[-1]
    return Page(
        "torch/",
        f"{name} releases",
        f"{counted(len(rows), 'release')} of {name} are known, the newest is {newest}.",
        grid(head, rows),
        project.release(newest).uploaded,
    )


def _labels(builds: Iterable[Build]) -> list[str]:
    found = {
        minor(label) for build in builds for label in build.row(CUDA.name) if label[0].isdigit()
    }
    return sorted(found, key=natural)


def _builds(release: Release) -> Html:
    rows = []
    for build in release.builds:
        for platform, row in PLATFORMS.items():
            pythons = pythons_on([build], platform)
            if pythons:
                built_for = build.accelerator
                labels = build.row(built_for) if built_for not in (None, "none") else ()
                rows.append(
                    [
                        build.builder or build.index or "",
                        row.label,
                        f"{built_for} {listed(labels)}" if labels else "none",
                        listed(python_ranges(pythons)),
                        build.known,
                    ]
                )
    return grid(["Index", "System", "Built for", "Pythons", "Known by"], rows)


def _add_on_links(version: str, add_ons: dict[str, list[str]]) -> Html:
    lines = [
        join(
            f"{name}: ",
            [
                join(
                    ", " if position else None,
                    link(
                        PLATFORMS[platform].label,
                        f"../../{name}/torch-{version}/{PLATFORMS[platform].flag}/",
                    ),
                )
                for position, platform in enumerate(platforms)
            ],
        )
        for name, platforms in add_ons.items()
        if platforms
    ]
    return bullets(lines) or element("p", "None is known.")


# -- CUDA -----------------------------------------------------------------------------------------


def cuda_versions(matrix: Matrix) -> list[str]:
    """Return every CUDA minor and release that has a page, the newest first."""
    releases = set(matrix.toolkits.releases)
    project = matrix.project(matrix.framework or "")
    minors = {minor(version) for version in releases}
    minors |= {label for release in project or () for label in _labels(release.builds)}
    return sorted({*releases, *minors}, key=parse_version, reverse=True)


def cuda_page(matrix: Matrix, version: str) -> Page:
    """Return the page of a CUDA release or minor."""
    page = show(matrix, CUDA.name, version)
    assert isinstance(page, VirtualPage)
    name = matrix.framework or ""
    project = matrix.project(name)
    builds = [
        (release.version, platforms)
        for release in reversed(list(project or ()))
        if (platforms := _platforms_for(release, version))
    ]
    series = minor(version)
    alike = [
        release.version
        for release in reversed(list(project or ()))
        if not builds and _platforms_for(release, series)
    ]
    if builds:
        newest = f"{name} {builds[0][0]} is the newest with a build for it"
    elif alike:
        newest = (
            f"no {name} is built with this very release; {name} {alike[0]} is the newest with a "
            f"build for {CUDA.title} {series}"
        )
    else:
        newest = f"no {name} in the matrix has a build for it"
    answer = f"{CUDA.title} {version}: {newest}."
    body = [
        section(
            f"{name} with {CUDA.title} {version}",
            grid(
                [name, "Systems"],
                [
                    [
                        link(torch, f"../../torch/{torch}/"),
                        listed(PLATFORMS[p].label for p in found),
                    ]
                    for torch, found in builds
                ],
            ),
            element(
                "p",
                "A build brings its CUDA libraries along: what the system has installed "
                "does not matter, its driver does.",
            ),
            command(f"cudalock solve torch --cuda {minor(version)} -o requirements.txt"),
        )
        if builds
        else element("p", link(f"{name} with {CUDA.title} {series}", f"../{series}/"))
        if alike
        else None,
        *(section(table.title, table_html(table, "../../")) for table in page.tables if table.rows),
        section("Facts", _sentences(page.facts, "../../")) if page.facts else None,
        section("What does not work with it", _sentences(page.refusing, "../../"))
        if page.refusing
        else None,
    ]
    return Page(f"cuda/{version}/", f"{CUDA.title} {version} and {name}", answer, join(body))


def _platforms_for(release: Release, version: str) -> list[str]:
    fitting = [
        build
        for build in release.builds
        if any(label == version or minor(label) == version for label in build.row(CUDA.name))
    ]
    tags = {name for build in fitting for tag in build.tags for name in of_wheel_tags(tag)}
    return [platform for platform in PLATFORMS if platform in tags]


def cuda_index(matrix: Matrix) -> Page:
    """Return the list of CUDA releases."""
    versions = cuda_versions(matrix)
    links = [link(f"{CUDA.title} {version}", f"{version}/") for version in versions]
    return Page(
        "cuda/",
        f"{CUDA.title} releases",
        f"{counted(len(versions), 'release')} of {CUDA.title}, each with the torch builds for it.",
        bullets(links),
    )


# -- GPUs -----------------------------------------------------------------------------------------


def gpu_paths(matrix: Matrix) -> dict[str, str]:
    """Return the path of each GPU by its name; two names with one slug share a page."""
    found: dict[str, str] = {}
    for name in matrix.gpus.models:
        found.setdefault(f"gpu/{slug(name)}/", name)
    return {name: path for path, name in found.items()}


def gpu_page(matrix: Matrix, name: str, shown: dict[str, GpuPage]) -> Page:
    """Return the page of a GPU; `shown` keeps what those of one architecture share."""
    model = matrix.gpus.models[name]
    vendor = matrix.gpus.vendor_title(model.vendor)
    if model.vendor != NVIDIA:
        return _other_gpu(matrix, model, vendor)
    page = shown.get(model.architecture)
    if page is None:
        found = show(matrix, "gpu", model.architecture)
        assert isinstance(found, GpuPage)
        page = shown.setdefault(model.architecture, found)
    builds = page.builds
    framework = matrix.framework or ""
    newest = builds.rows[0][0] if builds.rows else None
    oldest = builds.rows[-1][0] if builds.rows else None
    has = (
        f"{framework} {oldest} to {newest} have builds with code for it"
        if newest != oldest
        else f"{framework} {newest} has a build with code for it"
    )
    answer = (
        f"The {vendor} {name} has compute capability {model.architecture}; "
        f"{has if newest else f'no {framework} in the matrix has a build with code for it'}."
    )
    body = [
        section(builds.title, table_html(builds, "../../")) if builds.rows else None,
        section(
            "Lock for it",
            command(f'cudalock solve torch --gpu "{name}" -o requirements.txt'),
        ),
        section("What does not work with it", _sentences(page.refusing, "../../"))
        if page.refusing
        else None,
        section("GPUs of the same compute capability", element("p", listed(page.names))),
    ]
    return Page(f"gpu/{slug(name)}/", f"{name}: torch and CUDA", answer, join(body))


def _other_gpu(matrix: Matrix, model: GpuModel, vendor: str) -> Page:
    systems = listed(PLATFORMS[platform].label for platform in model.platforms)
    answer = (
        f"The {vendor} {model.name} is of the architecture {model.architecture}, for {systems}."
    )
    body = section(
        "Lock for it", command(f'cudalock solve torch --gpu "{model.name}" -o requirements.txt')
    )
    return Page(f"gpu/{slug(model.name)}/", f"{model.name}: torch", answer, body)


def gpu_index(matrix: Matrix) -> Page:
    """Return the list of GPUs by architecture."""
    by_architecture: dict[tuple[str, str], list[Html]] = {}
    for name, path in gpu_paths(matrix).items():
        model = matrix.gpus.models[name]
        title = matrix.gpus.vendor_title(model.vendor)
        by_architecture.setdefault((title, model.architecture), []).append(
            link(name, path.removeprefix("gpu/"))
        )
    rows = [
        [architecture, vendor, join(*([link_, " "] for link_ in links))]
        for (vendor, architecture), links in sorted(
            by_architecture.items(), key=lambda item: (item[0][0], natural(item[0][1]))
        )
    ]
    return Page(
        "gpu/",
        "GPUs",
        f"{counted(len(matrix.gpus.models), 'GPU')} by compute capability or architecture.",
        grid(["Architecture", "By", "GPUs"], rows),
    )


# -- tables, facts, codes -------------------------------------------------------------------------


def table_page(matrix: Matrix, name: str) -> Page:
    """Return the page of a compatibility table."""
    table = make_table(read_definitions(matrix)[name], matrix)
    answer = f"{table.title}: {counted(len(table.rows), 'row')}."
    body = join(
        table_html(table, "../../"),
        section("The same in a terminal", command(f"cudalock matrix table {name}")),
    )
    return Page(f"tables/{name}/", table.title[:1].upper() + table.title[1:], answer, body)


def tables_index(matrix: Matrix) -> Page:
    """Return the list of tables."""
    definitions = read_definitions(matrix).values()
    lines = [
        join(link(definition.name, f"{definition.name}/"), f": {definition.title}")
        for definition in definitions
    ]
    answer = f"{counted(len(lines), 'table')} of what goes with what, made from the matrix."
    return Page("tables/", "Compatibility tables", answer, bullets(lines))


def fact_page(matrix: Matrix, id: str) -> Page:
    """Return the page of a fact: what it says, what of, by which source."""
    fact = matrix.fact(id)
    table = _fact_table(matrix, fact)
    sentence = f"{fact.component} {fact.versions} {fact.says}".replace("  ", " ")
    rows = [[key, spoken(text)] for key, text in table.items() if key not in ("source", "symptom")]
    body = [
        section("What it means", grid(["Key", "Value"], rows)),
        section(
            "How it shows",
            element("p", "In an error message, where * stands for any text:"),
            bullets(code(symptom) for symptom in fact.symptom),
            element("p", link("Paste an error message", "../../?view=diagnose")),
        )
        if fact.symptom
        else None,
        section("Sources", bullets(map(outside, fact.source))),
        section("In a terminal", command(f"cudalock explain {id}")),
    ]
    return Page(f"facts/{id}/", id, f"{sentence}.", join(body), fact.checked)


def _fact_table(matrix: Matrix, fact: Fact) -> dict[str, str]:
    component: dict[str, Component] = {fact.component: matrix.component(fact.component)}
    (found,) = FactTable(matrix.version, component, (fact,)).document()["facts"]
    return {key: _words(content) for key, content in found.items() if key != "says"}


def _words(content: object) -> str:
    if isinstance(content, dict):
        return "; ".join(f"{key} {_words(inner)}" for key, inner in content.items())
    if isinstance(content, list | tuple):
        return ", ".join(_words(inner) for inner in content)
    if isinstance(content, bool):
        return "yes" if content else "no"
    return str(content)


def facts_index(matrix: Matrix) -> Page:
    """Return the list of facts by component."""
    by_component: dict[str, list[Fact]] = {}
    for fact in rules(matrix).facts:
        by_component.setdefault(fact.component, []).append(fact)
    sections = [
        section(component, _sentences(facts, "../")) for component, facts in by_component.items()
    ]
    number = sum(map(len, by_component.values()))
    answer = f"{counted(number, 'fact')} that no package's metadata has, each with its source."
    day = max(fact.checked for facts in by_component.values() for fact in facts)
    return Page("facts/", "Facts", answer, join(sections), day)


def _sentences(facts: Iterable[Fact], root: str) -> Html:
    return bullets(
        join(
            spoken(f"{fact.component} {fact.versions} {fact.says} ".replace("  ", " ")),
            link(fact.id, f"{root}facts/{fact.id}/"),
        )
        for fact in facts
    ) or element("p", "None.")


def code_html(name: str) -> Page:
    """Return the page of a finding code."""
    page = code_page(name)
    rule = page.rule
    example = page.example
    body = [
        section("What it means", element("p", spoken(page.means))),
        section("Why it matters", element("p", spoken(page.why))),
        section("How to fix it", element("p", spoken(page.fix))),
        section("Seen with", element("p", spoken(page.seen))) if page.seen else None,
        section(
            "Example",
            element("p", code(example.name), ":"),
            command(example.content.strip()),
            command(f"$ {example.command}"),
        )
        if example
        else None,
        section("Silence it", bullets(map(spoken, page.silence))) if page.silence else None,
        section("In a terminal", command(f"cudalock explain {name}")),
    ]
    answer = f"{name} {rule.name} ({rule.severity}): {rule.summary}."
    return Page(f"codes/{name}/", f"{name} {rule.name}", answer, join(body))


def codes_index() -> Page:
    """Return the list of codes."""
    rows = [
        [link(name, f"{name}/"), rule.name, rule.severity, spoken(rule.summary)]
        for name, rule in RULES.items()
    ]
    answer = f"{counted(len(rows), 'code')} of what check and doctor find."
    return Page("codes/", "Finding codes", answer, grid(["Code", "Name", "Severity", "What"], rows))


def paths(matrix: Matrix) -> Iterator[str]:
    """Yield the paths of all pages of this module."""
    yield from ("torch/", "cuda/", "gpu/", "tables/", "facts/", "codes/")
    yield from torch_paths(matrix).values()
    yield from (f"cuda/{version}/" for version in cuda_versions(matrix))
    yield from gpu_paths(matrix).values()
    yield from (f"tables/{name}/" for name in read_definitions(matrix))
    yield from (f"facts/{id}/" for id in matrix.facts)
    yield from (f"codes/{name}/" for name in RULES)

"""The form of the page: real radios, boxes and lists, which scripts only listen to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cudalock.targets import LIKELY
from web.engine.pasted import NAMES
from web.html import EMPTY, Html, element, join
from web.selector import choices
from web.selector.choices import DEFAULT, Choice

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cudalock.matrix.matrix import Matrix

BUILDERS: Final = (
    ("", "widely used third parties"),
    ("own", "the projects themselves only"),
    ("any", "anybody"),
)
"""What `--builders` takes, and what it means."""


def selection(matrix: Matrix) -> Html:
    """Return the form that a visitor chooses with."""
    systems = choices.systems(matrix)
    few = len(LIKELY)
    return element(
        "form",
        _group("System", "platform", _options(systems[:few]), _more(systems[few:])),
        _group("Python", "python", _options(choices.pythons(matrix))),
        element(
            "div",
            _labelled("GPU", "gpu", _gpus(matrix)),
            _labelled(
                "Driver",
                "driver",
                _input("driver", "text", list="drivers", placeholder="any", inputmode="decimal"),
            ),
            _datalist("drivers", choices.drivers(matrix)),
            class_="pair",
        ),
        _group("torch", "torch", _options(choices.releases(matrix))),
        _group("CUDA or another accelerator", "cuda", _options(choices.accelerators(matrix))),
        element(
            "fieldset",
            element("legend", "Add-ons"),
            element("div", [_box(choice, title) for choice, title in choices.add_ons(matrix)]),
            class_="options boxes",
        ),
        _labelled(
            "Also require",
            "goal",
            _input("goal", "text", list="projects", placeholder="vllm transformers>=4.40"),
        ),
        _datalist("projects", sorted(matrix.projects)),
        _details(matrix),
        _legend(),
        id="form",
        aria_label="Selection",
        autocomplete="off",
    )


def _group(title: str, key: str, *options: Html) -> Html:
    return element("fieldset", element("legend", title), options, class_="options", data_group=key)


def _options(options: Iterable[Choice]) -> Html:
    return element("div", [_radio(choice) for choice in options])


def _radio(choice: Choice) -> Html:
    # CUDA and the other accelerators are one choice, and two keys.
    group = "cuda" if choice.key == "accelerator" else choice.key
    checked = choice.value == (DEFAULT.get(choice.key) or [""])[0]
    return element(
        "label",
        element(
            "input",
            type="radio",
            name=group,
            value=choice.value,
            data_key=choice.key,
            checked=checked and choice.key == group,
        ),
        element("span", choice.label),
    )


def _box(choice: Choice, title: str) -> Html:
    return element(
        "label",
        element("input", type="checkbox", name="with", value=choice.value, data_key="with"),
        element("span", choice.label),
        title=title,
    )


def _more(options: Iterable[Choice]) -> Html:
    return element("details", element("summary", "More systems"), _options(options))


def _labelled(title: str, name: str, field: Html) -> Html:
    return element("p", element("label", title, for_=f"field-{name}"), field, class_="field")


def _input(name: str, type: str, **attributes: str) -> Html:
    return element(
        "input",
        id=f"field-{name}",
        name=name,
        type=type,
        data_key=name,
        spellcheck="false",
        **attributes,
    )


def _datalist(name: str, values: Iterable[str]) -> Html:
    return element("datalist", [element("option", value=value) for value in values], id=name)


def _gpus(matrix: Matrix) -> Html:
    groups = [
        element(
            "optgroup",
            [element("option", name, value=name, data_of=kind) for name, kind in members],
            label=group,
        )
        for group, members in choices.gpus(matrix)
    ]
    return element(
        "select",
        element("option", "any", value=""),
        groups,
        id="field-gpu",
        name="gpu",
        data_key="gpu",
    )


def _details(matrix: Matrix) -> Html:
    builders = [element("option", title, value=value) for value, title in BUILDERS]
    select = element("select", builders, id="field-builders", name="builders", data_key="builders")
    return element(
        "details",
        element("summary", "More options"),
        _labelled(
            "glibc or Linux distribution",
            "glibc",
            _input("glibc", "text", placeholder="2.28, or ubuntu 22.04"),
        ),
        _labelled("Wheels by", "builders", select),
        _labelled("Nothing newer than", "exclude-newer", _input("exclude-newer", "date")),
        _labelled("cuDNN", "cudnn", _input("cudnn", "text", placeholder="any")),
        class_="details",
    )


def _legend() -> Html:
    marks = (
        ("yes", "possible"),
        ("other", "with other versions"),
        ("no", "not possible"),
        ("unknown", "nobody knows"),
    )
    return element(
        "p",
        [element("span", text, data_mark=mark) for mark, text in marks],
        class_="legend",
        id="legend",
        hidden=True,
    )


def check_form() -> Html:
    """Return the form for a pasted file."""
    names = [element("option", name, value=name) for name in NAMES]
    return element(
        "form",
        element("label", "A requirements file, lockfile, environment or Dockerfile", for_="paste"),
        element("textarea", EMPTY, id="paste", rows="12", spellcheck="false", maxlength=None),
        element(
            "div",
            element(
                "span",
                element("label", "Read as", for_="paste-name"),
                element(
                    "select",
                    element("option", "what it looks like", value=""),
                    names,
                    id="paste-name",
                ),
            ),
            element(
                "span",
                element("label", "For", for_="paste-target"),
                element(
                    "select",
                    element("option", "any machine", value=""),
                    element("option", "the machine of the selection", value="selection"),
                    id="paste-target",
                ),
            ),
            element("button", "Check", type="submit", class_="main"),
            element("button", "Try an example", type="button", data_example="check"),
            class_="row",
        ),
        id="check-form",
    )


def diagnose_form() -> Html:
    """Return the form for a pasted error message."""
    return element(
        "form",
        element("label", "An error message, traceback or log of pip", for_="error-text"),
        element("textarea", EMPTY, id="error-text", rows="12", spellcheck="false"),
        element(
            "div",
            element("button", "Explain", type="submit", class_="main"),
            element("button", "Try an example", type="button", data_example="diagnose"),
            class_="row",
        ),
        id="diagnose-form",
    )


def words_form() -> Html:
    """Return the line in which a selection can be written."""
    return element(
        "form",
        element("label", "In words", for_="words", class_="hidden"),
        element(
            "input",
            id="words",
            type="text",
            placeholder="in words: torch 2.8 + FA2 on Windows py3.12",
            spellcheck="false",
        ),
        element("button", "Set", type="submit"),
        id="words-form",
        class_="words",
        role="search",
    )


def releases_table(matrix: Matrix) -> Html:
    """Return the releases of the framework, for whoever has no JavaScript and for the curious."""
    from cudalock.show.wheels import python_ranges, pythons_on
    from web.html import grid, link

    name = matrix.framework or ""
    project = matrix.project(name)
    rows = []
    for version in reversed(project.versions if project else []):
        if project is None or not choices.is_recent(version):
            continue
        builds = project.release(version).builds
        found = {build.index for build in builds if build.index}
        cudas = {matrix.indexes[index].cuda for index in found if index in matrix.indexes}
        shown = sorted(
            (cuda for cuda in cudas if cuda and cuda[0].isdigit()),
            key=lambda text: [int(part) for part in text.split(".")],
        )
        rows.append(
            (
                link(f"{name} {version}", f"{name}/{version}/"),
                ", ".join(python_ranges(pythons_on(builds, LIKELY[0]))),
                ", ".join(shown),
            )
        )
    return join(grid(["Release", "Python", "CUDA"], rows, label=f"Releases of {name}"))

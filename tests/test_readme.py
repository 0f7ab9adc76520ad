"""README.md and docs/ are true: what they show is printed, and what they name exists.

A block of which a line begins with `$ ` is a screen: its commands are run one after the other in an
empty folder, and what follows each is compared with what is printed. `pytest tests/test_readme.py
--update` rewrites them. Besides `cudalock` a screen may use

    | grep -F -A N WORDS          (after cudalock) the first line with the words, and N more
    cat FILE                      write the file that is shown, or show one that was written
    head -n N FILE                its first lines; `tail` shows the last
    uv pip freeze --python ENV    make an environment with the distributions that are listed; one
                                  that is called `python_embeded` is an embedded Python on Windows
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
import pytest
from click.testing import CliRunner

from cudalock import cli, errors
from cudalock.cli import main
from cudalock.files import SWITCHES, data_directory
from cudalock.findings import RULES
from cudalock.matrix.store import COMPILED, compile_switches, compile_tables
from cudalock.targets import Target
from tests.environments import install, install_stub, make_tree, pretend
from tests.files import write
from tests.paths import RESOLVER, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.matrix.matrix import Matrix

README = ROOT / "README.md"
DOCS = ROOT / "docs"
GUIDE = sorted(DOCS.glob("*.md"))
DOCUMENTS = [README, *GUIDE, *(ROOT / name / "README.md" for name in ("matrix", "bench"))]
STYLE = DOCS / "STYLE.md"

FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
STEP = re.compile(r"^\$ ([^\n]+)\n(.*?)(?=^\$ |\Z)", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`([^`\n]+)`")
MATRIX_VERSION = re.compile(r"(?<=matrix[: ])( ?)\d{4}(?:\.\d+)+")
"""A new matrix changes no document."""

HOME = "/home/me/app"
"""What documents call the folder that a screen runs in."""

PLAIN_WORDS = {
    r"(?<!there )\bis no (?!t\b)": "invalid ..., or: ... is not a ...",
    r"\bexclude (?:each other|one another)": "conflict",
    r"\bgo(?:es)? together\b": "are compatible",
    r"\btold\b|\btells?\b": "reports, prints, shows",
    r"\bsaid\b": "given, stated, repeated",
    r"\banew\b": "again",
    r"\bmend(?:s|ed|ing)?\b": "fix",
    r"\bheld\b": "pinned, in the matrix, installed",
    r"\bcomes? to\b": "resolves to",
    r"\bstands? in\b": "falls back to",
    r"\bgives? way\b": "is dropped",
    r"\blet go\b|\bloosened\b": "relaxed, dropped",
    r"\basked\b": "requested, queried",
    r"\bwithdrawn\b|\bwithdrew\b": "yanked",
    r"\bvendor'?s?\b": "NVIDIA's",
    r"\baddress(?:es)?\b": "URL",
    r"\blistings?\b": "index page",
}
"""What the style guide replaces, and by what."""


class Screen(NamedTuple):
    """A block of a document, and where it begins."""

    document: Path
    start: int
    text: str

    @property
    def label(self) -> str:
        """`docs/check.md:12`, which an editor can open."""
        before = read(self.document)[: self.start]
        return f"{name(self.document)}:{before.count(chr(10)) + 1}"


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def find_screens() -> Iterator[Screen]:
    for document in DOCUMENTS:
        for block in FENCED.finditer(read(document)):
            if block[2].startswith("$ "):
                yield Screen(document, block.start(2), block[2])


SCREENS = list(find_screens())


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.label)
def test_screens(
    screen: Screen,
    tmp_path: Path,
    matrix: Matrix,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    pretend(monkeypatch)
    monkeypatch.chdir(tmp_path)
    update = request.config.getoption("--update")
    printed = ""
    for command, output in STEP.findall(screen.text):
        printed += f"$ {command}\n{run(command, output, tmp_path, matrix)}"
    if update:
        replace(screen, printed)
    else:
        assert without_versions(printed) == without_versions(screen.text)


def run(command: str, output: str, folder: Path, matrix: Matrix) -> str:
    """Run one step of a screen, and return what it prints."""
    match shlex.split(command):
        case ["cudalock", *words, "|", "grep", "-F", "-A", count, words_of_line]:
            lines = run(shlex.join(["cudalock", *words]), "", folder, matrix).splitlines(True)
            first = next(index for index, line in enumerate(lines) if words_of_line in line)
            return "".join(lines[first : first + 1 + int(count)])
        case ["cudalock", *words]:
            result = CliRunner().invoke(main, words)
            assert result.exit_code in (0, 1, 2, 3), result.output
            return result.output.replace(str(folder), HOME)
        case ["cat", file] if not Path(file).exists():
            Path(file).write_text(output, encoding="utf-8")
            return output
        case ["cat", file]:
            return read(Path(file))
        case ["head", "-n", count, file]:
            return "".join(read(Path(file)).splitlines(keepends=True)[: int(count)])
        case ["tail", "-n", count, file]:
            return "".join(read(Path(file)).splitlines(keepends=True)[-int(count) :])
        case ["uv", "pip", "freeze", "--python", environment]:
            make_environment(Path(environment), output.split(), matrix)
            return output
    raise AssertionError(f"not a step of a screen: {command}")


def make_environment(prefix: Path, pins: list[str], matrix: Matrix) -> None:
    windows = prefix.name == "python_embeded"
    target = Target("3.11", "windows-x86_64" if windows else "linux-x86_64")
    packages = make_tree(prefix, target)
    if windows:
        (prefix / "pyvenv.cfg").unlink()
        for file in ("python.exe", "python311._pth"):
            write(prefix / file, "")
        install_stub(packages, "pip", "25.0")
    for pin in pins:
        project, _, version = pin.partition("==")
        install(packages, project, version, matrix, target=target)


def without_versions(text: str) -> str:
    return MATRIX_VERSION.sub(r"\1VERSION", text)


def replace(screen: Screen, printed: str) -> None:
    text = read(screen.document)
    assert text.count(screen.text) == 1, f"{screen.label} is there twice: update it by hand"
    screen.document.write_text(text.replace(screen.text, printed), encoding="utf-8")


def test_there_are_screens() -> None:
    shown = {name(screen.document) for screen in SCREENS}
    assert {"README.md", "docs/goals.md", "docs/check.md", "docs/environments.md"} <= shown


# -- commands and options ---------------------------------------------------------------------


def shown_commands(text: str) -> Iterator[list[str]]:
    """Every `cudalock ...` of a document's code, as words."""
    blocks = [block[2] for block in FENCED.finditer(text) if block[1] != "python"]
    code = [line for block in blocks for line in block.splitlines()]
    code += SPAN.findall(FENCED.sub("", text))
    for line in code:
        for rest in re.findall(r"(?:^|[\s(\"'])cudalock ([a-z-].*)", line):
            words = shlex.shlex(re.split(r"['\"]?\)", rest)[0], punctuation_chars=True)
            words.whitespace_split = True
            taken = []
            for word in map(str, words):
                if set(word) <= set("();<>|&"):
                    break
                taken.append(word.strip("'\""))
            yield taken


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_commands_and_options_exist(document: Path) -> None:
    for words in shown_commands(read(document)):
        command: click.Command | None = main
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            # A goal without a command is one of `solve`.
            _, command, words = command.resolve_command(click.Context(command), words)
        assert command is not None
        command.make_parser(click.Context(command)).parse_args(words)


def test_every_option_is_documented() -> None:
    documented = set(re.findall(r"--[a-z][a-z0-9-]*", read(DOCS / "cli.md")))
    missing = {
        f"{path}: {option}"
        for path, command in all_commands(main, "cudalock")
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
        if option.startswith("--") and option not in documented
    }
    assert not missing


def all_commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for subcommand in group.list_commands(context):
        command = group.get_command(context, subcommand)
        assert command is not None
        if isinstance(command, click.Group):
            yield from all_commands(command, f"{path} {subcommand}")
        else:
            yield f"{path} {subcommand}", command


OTHER_OPTIONS = {
    *(
        "--only-binary",
        "--no-binary",
        "--no-build-isolation",
        "--no-deps",
        "--require-hashes",
        "--force-reinstall",
        "--frozen",
        "--no-group",
    ),
    *("--no-index", "--hash", "--uploaded-prior-to"),
    *("--pip", "--check", "--jobs", "--json", "--markdown", "--seconds", "--output"),
    *("--bars", "--file", "--override"),
    *("--again", "--lock-only", "--minor", "--only", "--page"),
    *("--checkouts", "--folder", "--heavy", "--machine", "--minutes", "--seed"),
    *("--date", "--sample", "--state", "--tests"),
    # of Poetry
    "--extras",
    # of `conda list`
    *("--export", "--explicit"),
    *("--help", "--version"),
    "--durations",
}
"""Options of pip and uv, of `python -m bench`, of every program, and of pytest."""


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_options_in_the_text_exist(document: Path) -> None:
    options = {
        option
        for _, command in all_commands(main, "cudalock")
        for parameter in command.params
        for option in parameter.opts
    }
    spans = " ".join(SPAN.findall(FENCED.sub("", read(document))))
    shown = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", spans))
    assert shown <= options | OTHER_OPTIONS


def test_every_exit_status_is_documented() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    statuses = {kind.exit_status for kind in kinds if issubclass(kind, errors.CudalockError)}
    for status in statuses | {0, cli.INTERNAL, cli.INTERRUPTED}:
        assert re.search(rf"^\| {status} \|", read(DOCS / "cli.md"), re.MULTILINE), status


def test_the_table_of_codes_is_that_of_the_rules() -> None:
    severities = {}
    for codes, severity in re.findall(
        r"^\| ((?:CL\d+(?:, )?)+) \| ([^|]+) \|", read(DOCS / "check.md"), re.MULTILINE
    ):
        severities.update(dict.fromkeys(codes.split(", "), severity.strip()))
    assert list(severities) == list(RULES)
    by_fact = {code for code, severity in severities.items() if severity == "by its fact"}
    assert by_fact == {"CL708"}
    for code in severities.keys() - by_fact:
        assert severities[code] == RULES[code].severity, code


def test_every_variable_is_documented() -> None:
    sources = "".join(map(read, RESOLVER.rglob("*.py")))
    variables = set(re.findall(r"\bCUDALOCK_[A-Z_]+", sources))
    assert variables
    assert variables <= set(SPAN.findall(read(DOCS / "cli.md")))


def test_every_schema_is_documented() -> None:
    """But for those of files that only cudalock reads."""
    sources = "".join(map(read, RESOLVER.rglob("*.py")))
    schemas = set(re.findall(r"\bcudalock\.[a-z-]+/\d", sources))
    internal = {
        "cudalock.notebook/1",
        "cudalock.placed/1",
        "cudalock.refreshed/1",
        "cudalock.rollback/1",
    }
    assert schemas - internal == set(re.findall(r"\bcudalock\.[a-z-]+/\d", read(DOCS / "json.md")))


def test_every_key_of_a_lock_is_documented() -> None:
    schema = json.loads(read(RESOLVER / "cudalock" / "schemas" / "solve-1.schema.json"))
    assert set(schema["properties"]) <= set(SPAN.findall(read(DOCS / "json.md")))


def test_every_table_is_documented() -> None:
    printed = CliRunner().invoke(main, ["matrix", "table", "--json"]).stdout
    tables = [row["name"] for row in json.loads(printed)["rows"]]
    section = read(DOCS / "matrix.md").partition("## Compatibility tables")[2].partition("## ")[0]
    assert re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE) == tables


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_codes_exist(document: Path) -> None:
    assert set(re.findall(r"CL\d{3}", read(document))) <= set(RULES)


def test_the_quickly_read_copy_of_the_facts_is_current() -> None:
    directory = data_directory()
    assert read(directory / SWITCHES) == compile_switches(directory), (
        "run `python -m cudalock.matrix.store matrix`"
    )
    assert read(directory / COMPILED) == compile_tables(directory), (
        "run `python -m cudalock.matrix.store matrix`"
    )


# -- pages ------------------------------------------------------------------------------------


def prose(text: str) -> str:
    """A document without its code."""
    return SPAN.sub("", FENCED.sub("", text))


def headings(path: Path) -> list[str]:
    return re.findall(r"^#+ .+$", FENCED.sub("", read(path)), re.MULTILINE)


def anchor(heading: str) -> str:
    """The fragment that GitHub gives a heading."""
    words = re.sub(r"[^\w\s-]", "", heading.lstrip("#").strip().lower())
    return re.sub(r"\s", "-", words)


def links(path: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", prose(read(path)))


def test_readme_is_short() -> None:
    assert len(README.read_bytes()) <= 8192
    first_screen = read(README).partition("\n## ")[0]
    assert first_screen.count("\n") <= 40


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_a_page_has_one_title(document: Path) -> None:
    titles = [heading for heading in headings(document) if heading.startswith("# ")]
    assert len(titles) == 1
    assert read(document).startswith(titles[0])
    anchors = [anchor(heading) for heading in headings(document)]
    assert len(anchors) == len(set(anchors)), "two headings with the same anchor"


@pytest.mark.parametrize("document", [*DOCUMENTS, ROOT / "CHANGELOG.md"], ids=name)
def test_links_resolve(document: Path) -> None:
    for link in links(document):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, fragment = link.partition("#")
        target = (document.parent / file).resolve() if file else document
        assert target.exists(), link
        if fragment:
            assert fragment in map(anchor, headings(target)), link


def test_the_index_names_every_page() -> None:
    assert {link.partition("#")[0] for link in links(DOCS / "index.md")} >= {
        path.name for path in GUIDE if path.name != "index.md"
    }


@pytest.mark.parametrize(
    "document", [path for path in (*DOCUMENTS, ROOT / "CHANGELOG.md") if path != STYLE], ids=name
)
def test_the_words_are_plain(document: Path) -> None:
    text = prose(read(document))
    found = [
        f"{match[0]!r} ({instead}): ...{text[max(match.start() - 40, 0) : match.end() + 40]!r}"
        for pattern, instead in PLAIN_WORDS.items()
        for match in re.finditer(pattern, text, re.IGNORECASE)
    ]
    assert not found

"""`python -m bench.diagnose`: how often `diagnose` names the cause of real error texts.

Each text of a corpus goes through the command line in this process, once as text and once as JSON,
and the `cudalock solve` command that it prints is run, so that the score is about the versions that
the command resolves to. `tests/cases/diagnose/README.md` has the format of a corpus.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from click.testing import CliRunner, Result
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from cudalock import diagnose as engine
from cudalock import toml
from cudalock.cli import main as cudalock
from cudalock.diagnose import Diagnosis
from cudalock.diagnose.machine import Clues
from cudalock.matrix.matrix import Matrix
from cudalock.targets import Here

FOLDER: Final = Path(__file__).parents[1] / "tests" / "cases" / "diagnose"
CORPUS: Final = FOLDER / "corpus.jsonl"

# In two pieces, so that no file of the repository has the index's name.
ADDRESSES: Final = {
    "{index}": "https://py" + "pi.org/simple",
    "{files}": "https://files.python" + "hosted.org",
}

STATUSES: Final = (0, 1, 2, 3)
"""The documented exit statuses."""

FIRST: Final = "cause first"
LATER: Final = "cause later"
SILENT: Final = "silent"
WRONG: Final = "wrong"
QUIET: Final = "quiet"
"""An unrelated text: nothing was said of it, or what it is."""
ALARM: Final = "false alarm"
OUTCOMES: Final = (FIRST, LATER, SILENT, WRONG, QUIET, ALARM)

BARS: Final = {FIRST: 0.85, SILENT: 0.10, ALARM: 1, "leaves": 0}
"""At least, at most, at most, at most; the first two as a share of the related texts."""


@dataclass(frozen=True, slots=True)
class Cause:
    """A kind of cause, as `causes.toml` has it."""

    kind: str
    says: str
    cure: str
    """`versions`, `system` or `none`"""
    words: str
    """a regular expression: what an explanation of that kind speaks of"""


@dataclass(frozen=True, slots=True)
class Case:
    """A text, and what is known of it."""

    id: str
    text: str
    command: tuple[str, ...]
    cause: Cause
    of: tuple[str, ...]
    """the components and words, one of which an explanation names"""
    truth: str
    expect: Mapping[str, Any]
    fits: tuple[Mapping[str, str], ...] = ()
    """alternatives: project to specifier, `project+` to a regular expression of a build's label"""
    same: bool = False
    """whether the same versions in other builds can be the cure"""

    @property
    def is_related(self) -> bool:
        """Whether it has to do with the stack, so that silence is a fault."""
        return self.cause.cure != "none"


@dataclass(frozen=True, slots=True)
class Answer:
    """What `diagnose` said."""

    status: int
    printed: str
    explanations: tuple[str, ...]
    """the sentence, id and fix of each, the best first"""
    command: str | None = None
    changed: frozenset[str] = frozenset()
    """the projects whose version is other than in the text, or of which the text had none"""
    solved: Mapping[str, str] = field(default_factory=dict)
    """project to version and label, as a solve of the command gives them"""


@dataclass(frozen=True, slots=True)
class Score:
    """What an answer is worth."""

    case: Case
    answer: Answer
    outcome: str
    leaves: bool
    """whether there is a command that leaves the cause in place"""
    unmet: tuple[str, ...]
    """which of the expected patterns are missing, or there against expectation"""


# -- cases ----------------------------------------------------------------------------------------


@cache
def causes() -> Mapping[str, Cause]:
    """Return the kinds of causes by name."""
    data = toml.loads((FOLDER / "causes.toml").read_text(encoding="utf-8"))
    return {row["kind"]: Cause(**row) for row in data["cause"]}


def read_cases(path: Path) -> list[Case]:
    """Return the cases of a corpus. Raises KeyError for a kind that `causes.toml` lacks."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_case(json.loads(line)) for line in lines if line.strip()]


def _case(row: Mapping[str, Any]) -> Case:
    solution = row.get("solution", {})
    return Case(
        row["id"],
        row["text"],
        tuple(row["command"]),
        causes()[row["cause"]["kind"]],
        tuple(row["cause"]["of"]),
        row["truth"],
        row["expect"],
        tuple(solution.get("fits", ())),
        bool(solution.get("same", False)),
    )


# -- answers --------------------------------------------------------------------------------------


def ask(case: Case) -> Answer:
    """Run `diagnose` on a case's text, and solve the command that it prints."""
    text = case.text
    for placeholder, address in ADDRESSES.items():
        text = text.replace(placeholder, address)
    words = [text if word == "{text}" else word for word in case.command[1:]]
    with _diagnosing_once():
        plain = _run(words)
        data = json.loads(_run([*words, "--json"]).stdout or "{}")
    # The text's own lines, quoted back, say nothing of the answer.
    printed = re.sub(r"^  line .*$", "", f"{plain.stdout}\n{plain.stderr}", flags=re.MULTILINE)
    command = data.get("command")
    return Answer(
        plain.exit_code,
        printed,
        tuple(_explanations(data)),
        command,
        frozenset(row["name"] for key in ("changes", "added") for row in data.get(key, ())),
        _solve(command) if command else {},
    )


@contextmanager
def _diagnosing_once() -> Iterator[None]:
    """Print the text and the JSON from one diagnosis: finding it takes most of the time."""
    known: list[Diagnosis] = []
    diagnose = engine.diagnose

    def remembering(
        text: str, matrix: Matrix, given_clues: Clues | None = None, here: Here | None = None
    ) -> Diagnosis:
        if not known:
            known.append(diagnose(text, matrix, given_clues, here))
        return known[0]

    engine.diagnose = remembering
    try:
        yield
    finally:
        engine.diagnose = diagnose


def _run(words: Sequence[str]) -> Result:
    """Run the command line. Raises RuntimeError for an internal error, which is no answer."""
    result = CliRunner().invoke(cudalock, list(words), prog_name="cudalock")
    if result.exit_code not in STATUSES:
        raise RuntimeError(f"exit status {result.exit_code}: {result.output}")
    return result


def _explanations(data: Mapping[str, Any]) -> Iterator[str]:
    for fact in data.get("facts", ()):
        yield f"{fact['component']} {fact['says']} [{fact['id']}] {fact['fix'] or ''}"
    for clash in data.get("clashes", ()):
        yield f"{clash['says']} {clash['facts']}"


def _solve(command: str) -> dict[str, str]:
    """Return project to version for a `cudalock solve` command, each with its build's label."""
    result = _run([*shlex.split(command)[1:], "--json", "--offline"])
    if result.exit_code:
        return {}
    lock = json.loads(result.stdout)
    cuda = "".join((lock["cuda"] or "").split(".")[:2])
    label = f"cu{cuda}" if cuda else "cpu"
    return {pin["name"]: _labelled(pin, label) for pin in lock["pins"]}


def _labelled(pin: Mapping[str, Any], label: str) -> str:
    """Return a pin's version with a local label: its own, its wheel's, or that of the CUDA version,
    which wheels of the package index do not name."""
    if "+" in pin["version"]:
        return str(pin["version"])
    named = re.match(r"[^-]+-[^-+]+\+([^-]+)-", pin["wheel"]["file"] if pin["wheel"] else "")
    return f"{pin['version']}+{named[1] if named else label}"


# -- scores ---------------------------------------------------------------------------------------


def judge(case: Case, answer: Answer) -> Score:
    """Return what an answer is worth."""
    explains = [_explains(case, sentence) for sentence in answer.explanations]
    if not case.is_related:
        outcome = ALARM if answer.command or not all(explains) else QUIET
    elif not explains:
        outcome = SILENT
    else:
        outcome = FIRST if explains[0] else LATER if any(explains) else WRONG
    leaves = answer.command is not None and not _cures(case, answer)
    return Score(case, answer, outcome, leaves, tuple(_unmet(case, answer)))


def _explains(case: Case, sentence: str) -> bool:
    """Whether a sentence is about the case's cause, and not what it is not to say."""
    if any(_matches(pattern, sentence) for pattern in case.expect.get("must_not_say", ())):
        return False
    own = case.expect.get("first")
    if own:
        return all(re.search(pattern, sentence, re.IGNORECASE) for pattern in own)
    of_kind = re.search(case.cause.words, sentence, re.IGNORECASE) is not None
    if not case.is_related:
        return of_kind
    return of_kind and any(name.lower() in sentence.lower() for name in case.of)


def _cures(case: Case, answer: Answer) -> bool:
    """Whether what the command gives can be the cure."""
    if case.fits:
        return any(_fits(wanted, answer.solved) for wanted in case.fits)
    if case.cause.cure != "versions":
        return False
    return bool(answer.solved) and (case.same or bool(answer.changed))


def _fits(wanted: Mapping[str, str], solved: Mapping[str, str]) -> bool:
    return all(_fits_one(key, pattern, solved) for key, pattern in wanted.items())


def _fits_one(key: str, pattern: str, solved: Mapping[str, str]) -> bool:
    version = solved.get(key.rstrip("+"))
    if version is None:
        return False
    public, _, label = version.partition("+")
    if key.endswith("+"):
        return re.match(pattern, label) is not None
    try:
        return SpecifierSet(pattern).contains(Version(public), prereleases=True)
    except InvalidVersion:
        return False


def _unmet(case: Case, answer: Answer) -> Iterator[str]:
    status = case.expect.get("exit")
    allowed = status if isinstance(status, list) else [status]
    if status is not None and answer.status not in allowed:
        yield f"exit {answer.status}, not {status}"
    for pattern in case.expect.get("must_say", ()):
        if not _matches(pattern, answer.printed):
            yield f"does not say /{pattern}/"
    for pattern in case.expect.get("must_not_say", ()):
        if _matches(pattern, answer.printed):
            yield f"says /{pattern}/"


def _matches(pattern: str, printed: str) -> bool:
    return re.search(pattern, printed, re.IGNORECASE | re.MULTILINE) is not None


# -- the report -----------------------------------------------------------------------------------


def table(scores: Sequence[Score]) -> str:
    """Return the outcomes by kind of cause, and of all related and unrelated texts."""
    rows = [["cause", "texts", *OUTCOMES, "commands", "leave the cause"]]
    kinds = sorted({score.case.cause.kind for score in scores}, key=list(causes()).index)
    groups = [(kind, [s for s in scores if s.case.cause.kind == kind]) for kind in kinds]
    groups.append(("related", [s for s in scores if s.case.is_related]))
    groups.append(("unrelated", [s for s in scores if not s.case.is_related]))
    for name, group in groups:
        counts = Counter(score.outcome for score in group)
        commands = sum(score.answer.command is not None for score in group)
        leaving = sum(score.leaves for score in group)
        numbers = [len(group), *(counts[outcome] for outcome in OUTCOMES), commands, leaving]
        rows.append([name, *(str(number or "") for number in numbers)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])],
        ).rstrip()
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def shares(scores: Sequence[Score]) -> dict[str, float]:
    """Return what the bars are about."""
    related = [score for score in scores if score.case.is_related]
    counts = Counter(score.outcome for score in scores)
    return {
        FIRST: counts[FIRST] / max(1, len(related)),
        SILENT: counts[SILENT] / max(1, len(related)),
        ALARM: counts[ALARM],
        "leaves": sum(score.leaves for score in scores),
    }


def are_met(reached: Mapping[str, float]) -> bool:
    """Whether all bars are."""
    return reached[FIRST] >= BARS[FIRST] and all(
        reached[name] <= BARS[name] for name in (SILENT, ALARM, "leaves")
    )


def summary(scores: Sequence[Score]) -> str:
    """Return one line with the bars beside what was reached."""
    reached = shares(scores)
    as_expected = sum(not score.unmet for score in scores)
    return (
        f"cause first {reached[FIRST]:.0%} (at least {BARS[FIRST]:.0%})"
        f", silent {reached[SILENT]:.0%} (at most {BARS[SILENT]:.0%})"
        f", false alarms {reached[ALARM]:.0f} (at most {BARS[ALARM]:.0f})"
        f", commands that leave the cause {reached['leaves']:.0f} (at most {BARS['leaves']:.0f})"
        f"; printed as expected: {as_expected}/{len(scores)}\n"
    )


def details(scores: Iterable[Score]) -> Iterator[str]:
    """Yield a line or more for each text that is not answered as it should be."""
    for score in scores:
        case, answer = score.case, score.answer
        if score.outcome in (FIRST, QUIET) and not score.leaves and not score.unmet:
            continue
        leaving = ", leaves the cause" if score.leaves else ""
        yield f"{case.id} {case.cause.kind}: {score.outcome}{leaving}"
        yield f"  truth: {case.truth}"
        yield from (f"  said: {sentence}" for sentence in answer.explanations[:1])
        if score.leaves:
            yield f"  command: {answer.command}"
        yield from (f"  {text}" for text in score.unmet)


def parser() -> argparse.ArgumentParser:
    """Return the options of `python -m bench.diagnose`."""
    options = argparse.ArgumentParser("python -m bench.diagnose", description=__doc__)
    options.add_argument("ids", nargs="*", metavar="ID", help="the cases whose ids begin so")
    options.add_argument(
        "--file", type=Path, action="append", help=f"a corpus (default {CORPUS.name}); repeatable"
    )
    options.add_argument("-v", "--verbose", action="store_true", help="what is wrong, text by text")
    options.add_argument("--bars", action="store_true", help="exit 1 unless all bars are met")
    return options


def main(words: list[str] | None = None) -> int:
    """Score a corpus, and print the table."""
    arguments = parser().parse_args(words)
    cases = [case for path in arguments.file or [CORPUS] for case in read_cases(path)]
    if arguments.ids:
        cases = [case for case in cases if case.id.startswith(tuple(arguments.ids))]
    scores = [judge(case, ask(case)) for case in cases]
    if arguments.verbose:
        print("\n".join(details(scores)))
    print(table(scores), end="")
    print(summary(scores), end="")
    return 1 if arguments.bars and not are_met(shares(scores)) else 0


if __name__ == "__main__":
    sys.exit(main())

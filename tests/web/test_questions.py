"""The page's answers, in this Python: those of the command, and they lead to each other."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any, Final

import pytest
from click.testing import CliRunner

from cudalock.cli import main
from cudalock.matrix.matrix import EMBEDDED, Matrix
from tests.paths import CASES, MATRIX
from web.engine.pageapi import LARGEST, Page, offline_formats
from web.engine.pasted import name_of
from web.engine.state import state_of_words

PAGE: Final = Page(Matrix.load(EMBEDDED))
STATE: Final = {"torch": ["2.8"], "python": ["3.12"], "platform": ["windows"]}
WITH_FA2: Final = {**STATE, "with": ["flash-attn"]}
NO: Final = {
    "torch": ["2.4.1"],
    "goal": ["bitsandbytes==0.43.0 triton-windows==3.2.0.post21"],
    "python": ["3.11"],
    "platform": ["windows"],
}


def ask(**question: Any) -> Any:
    return json.loads(PAGE.answer(json.dumps(question)))


def run(*words: str) -> str:
    done = CliRunner().invoke(main, [*words, "--offline", "--quiet"], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return str(done.stdout)


@pytest.mark.parametrize(
    "state",
    [
        {"torch": ["latest"], "python": ["3.12"], "platform": ["linux"]},
        WITH_FA2,
        {**STATE, "with": ["xformers", "bitsandbytes"], "gpu": ["RTX 4090"], "driver": ["570.26"]},
        {**STATE, "platform": ["linux"], "cuda": ["12.6"], "goal": ["transformers numpy<2.3"]},
        {"torch": ["2.5.1"], "python": ["3.11"], "platform": ["macos"], "with": ["torchvision"]},
        {**STATE, "platform": ["linux"], "accelerator": ["rocm"], "glibc": ["ubuntu 22.04"]},
    ],
    ids=lambda state: " ".join(text for texts in state.values() for text in texts),
)
def test_a_lock_is_that_of_the_command(state: dict[str, list[str]]) -> None:
    answer = ask(ask="solve", state=state)
    words = answer["command"].split()
    assert answer["answer"] == "yes"
    for format in ("requirements", "constraints", "json"):
        made = ask(ask="file", state=state, format=format)["file"]["text"]
        # The words as the page's command has them: what it shows is what somebody types.
        assert made == run(*_words(answer["command"])[1:], "--format", format), format
    assert words[:2] == ["cudalock", "solve"]


def _words(command: str) -> list[str]:
    import shlex

    return shlex.split(command)


def test_a_state_is_what_the_words_mean() -> None:
    answer = ask(ask="read", text="torch 2.8 + FA2 on Windows py3.12")
    assert answer["state"] == WITH_FA2
    command = ask(ask="solve", state=WITH_FA2)["command"]
    assert ask(ask="read", text=command)["state"] == WITH_FA2
    assert state_of_words(["--frobnicate"]) is None


def test_every_hint_of_a_no_leads_to_a_yes() -> None:
    answer = ask(ask="why-not", state=NO)
    assert answer["answer"] == "no"
    assert answer["facts"]["bnb-triton-ops"]["source"]
    assert len(answer["error"]["hints"]) > 1
    for hint in answer["error"]["hints"]:
        solved = ask(ask="solve", state=hint["state"])
        assert (solved["answer"], solved["command"]) == ("yes", hint["command"])


def test_a_hint_of_options_is_a_patch() -> None:
    answer = ask(ask="solve", state={**STATE, "platform": ["macos"], "gpu": ["RTX 4090"]})
    assert answer["answer"] == "wrong"
    assert {"platform": ["linux"]} in [hint.get("patch") for hint in answer["error"]["hints"]]


def test_marks_tell_other_versions_from_none() -> None:
    marks = ask(
        ask="mark",
        state=WITH_FA2,
        options={
            "torch": ["2.9", "2.0", "latest"],
            "platform": ["linux", "macos"],
            "cuda": ["12.4"],
        },
    )["marks"]
    assert marks == {
        "torch": {"2.9": "yes", "2.0": "no", "latest": "yes"},
        "platform": {"linux": "yes", "macos": "no"},
        # flash-attn for torch 2.8 is not built for it, that for other releases is.
        "cuda": {"12.4": "other"},
    }
    # The versions of what is required count as well.
    assert ask(ask="mark", state=NO, options={"python": ["3.12"]})["marks"]["python"] == {
        "3.12": "other"
    }


def test_what_nobody_knows_is_neither_yes_nor_no() -> None:
    state = {"torch": ["latest"], "goal": ["vllm"], "python": ["3.12"], "platform": ["linux"]}
    answer = ask(ask="why-not", state=state)
    assert answer["answer"] == "unknown"
    assert answer["error"]["exit_status"] == 3
    marks = ask(ask="mark", state={**state, "torch": []}, options={"torch": ["latest"]})["marks"]
    assert marks["torch"]["latest"] in ("unknown", "other")


@pytest.mark.parametrize(
    "question",
    ["", "[]", "{}", '{"ask": "solve"}', '{"ask": "solve", "state": {"colour": ["red"]}}',
     '{"ask": "file", "state": {"torch": ["2.8"]}, "format": "pylock"}',
     '{"ask": "check", "text": "x", "name": "../../etc/passwd"}', "[" * 100_000],
)  # fmt: skip
def test_a_question_that_cannot_be_read_has_an_answer(question: str) -> None:
    answer = json.loads(PAGE.answer(question))
    assert answer["answer"] == "wrong"
    assert answer["error"]["message"]


def test_formats_that_need_a_network_are_left_out() -> None:
    assert {"requirements", "uv", "constraints", "json"} <= set(offline_formats())
    assert not {"pylock", "uv-lock"} & set(offline_formats())


def test_a_file_comes_with_what_belongs_beside_it() -> None:
    made = ask(ask="file", state=STATE | {"platform": ["linux"]}, format="dockerfile")["file"]
    names = [beside["filename"] for beside in made["beside"]]
    assert names
    assert all(name in made["text"] for name in names if name.endswith(".txt"))
    assert ask(ask="file", state=STATE, format="requirements")["file"]["beside"] == []


def test_a_matrix_is_read_without_much_memory() -> None:
    # A browser's memory never shrinks: a read of so many bytes that takes as much counts for good.
    tracemalloc.start()
    Matrix.load(MATRIX)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


NAMES: Final = {
    "requirements.txt": "requirements.txt",
    "pyproject.toml": "pyproject.toml",
    "uv.lock": "uv.lock",
    "poetry.lock": "poetry.lock",
    "pylock.toml": "pylock.toml",
    "environment.yml": "environment.yml",
    "setup.cfg": "setup.cfg",
}


def test_a_pasted_text_is_read_as_what_it_is() -> None:
    wrong = []
    for path in sorted((CASES / "check").iterdir()):
        expected = next((NAMES[end] for end in NAMES if path.name.endswith(f".{end}")), None)
        expected = "Dockerfile" if path.name.endswith(".Dockerfile") else expected
        content = path.read_bytes()
        if expected is None or b"\0" in content:
            continue
        found = name_of(content.decode("utf-8", "replace"))
        if found != expected:
            wrong.append((path.name, found))
    assert wrong == []
    assert name_of("Package Version\n------- -------\ntorch   2.5.1\n") == "packages.txt"


def test_a_file_is_fixed_and_the_fix_is_right() -> None:
    text = "torch==2.5.1\nbitsandbytes==0.43.0\ntriton==3.2.0\n"
    answer = ask(ask="check", text=text)
    assert answer["answer"] == "no"
    assert [line["text"] for line in answer["lines"]] == ["bitsandbytes==0.43.0", "triton==3.2.0"]
    again = ask(ask="check", text=answer["fixed"]["text"])
    assert (again["answer"], again["report"]["summary"]["error"]) == ("yes", 0)
    removed = [line for line in answer["fixed"]["diff"] if line.startswith("-")]
    assert removed == ["-bitsandbytes==0.43.0"]


def test_too_large_a_text_is_refused() -> None:
    for question in ("check", "diagnose"):
        answer = ask(ask=question, text="x" * (LARGEST + 1))
        assert answer["answer"] == "wrong"
        assert f"{LARGEST:,}" in answer["error"]["message"]


def test_the_fix_of_an_error_is_a_state() -> None:
    text = "ModuleNotFoundError: No module named 'triton.ops'\nbitsandbytes==0.43.0 torch==2.6.0"
    answer = ask(ask="diagnose", text=text)
    assert answer["diagnosis"]["facts"][0]["id"] == "bnb-triton-ops"
    assert ask(ask="solve", state=answer["state"])["command"] == answer["diagnosis"]["command"]
    unknown = ask(ask="diagnose", text="the dog ate it")
    assert (unknown["answer"], unknown["error"]["code"]) == ("unknown", "nothing-found")

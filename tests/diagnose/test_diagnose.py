"""`cudalock diagnose`: texts as programs print them, the facts, the versions read, the command."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from cudalock import toml
from cudalock.cli import main
from cudalock.diagnose import Diagnosis, decode, diagnose
from cudalock.diagnose.machine import Clues, read_clues
from cudalock.diagnose.symptoms import find_matches
from cudalock.diagnose.text import PastedText
from cudalock.diagnose.versions import read_pins
from cudalock.matrix.matrix import Matrix
from cudalock.targets import Here
from tests.paths import CASES

if TYPE_CHECKING:
    from cudalock.matrix.facts import Fact

TEXTS = CASES / "diagnose"
MATRIX = Matrix.load()
WITH_SYMPTOMS = [fact for fact in MATRIX.facts.values() if fact.symptom]

HERE = Here(python=lambda: ("3.11", False), platform=lambda: ("linux-x86_64", "2.35", None))
"""What stands in for whatever a text does not tell."""


def cases(file: str, key: str = "case") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = toml.loads((CASES / file).read_text(encoding="utf-8"))[key]
    return found


def look(text: str, said: Clues | None = None) -> Diagnosis:
    return diagnose(text, MATRIX, said, HERE)


def ids(found: Diagnosis) -> list[str]:
    return [match.fact.id for match in found.matches]


def run(*words: str, text: str | bytes = "") -> Result:
    return CliRunner().invoke(main, ["diagnose", *words], input=text, prog_name="cudalock")


# -- symptoms ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case", cases("symptoms.toml", "message"), ids=lambda case: case["text"].strip()[:60]
)
def test_messages_of_the_evidence(case: dict[str, Any]) -> None:
    found = ids(look(case["text"]))
    assert set(case["facts"]) <= set(found)
    assert bool(found) == bool(case["facts"])


@pytest.mark.parametrize("case", cases("diagnose/short.toml"), ids=lambda case: case["text"])
def test_messages_in_a_few_words(case: dict[str, Any]) -> None:
    assert case["fact"] in ids(look(case["text"]))


@pytest.mark.parametrize("fact", WITH_SYMPTOMS, ids=lambda fact: fact.id)
def test_every_symptom_is_seen(fact: Fact) -> None:
    for symptom in fact.symptom:
        line = (
            symptom.removeprefix("^")
            .removesuffix("$")
            .replace("*", " whatever ")
            .replace("'", "\u2019")
            .upper()
        )
        text = PastedText.of(f"before\n  {line}\nafter\n")
        (match,) = find_matches(text, [fact], lambda word: word == "torch")
        assert (match.line, match.fact) == (2, fact)


def test_a_symptom_ends_where_a_name_ends() -> None:
    ends = "No matching distribution found for torch"
    (fact,) = (fact for fact in WITH_SYMPTOMS if ends in fact.symptom)
    for rest, is_seen in {
        "": True,
        "==2.5": True,
        " (from x)": True,
        "vision": False,
        ".ops": False,
        ". ": True,
        "-ext": False,
    }.items():
        found = find_matches(PastedText.of(ends + rest), [fact], lambda word: word == "torch")
        assert bool(found) is is_seen, rest


def test_the_pieces_of_a_symptom_stand_in_one_line_and_in_order() -> None:
    fact = next(each for each in WITH_SYMPTOMS if each.id == "torch-extension-nvcc-major")
    message = "The detected CUDA version (11.8) mismatches the version that was used to compile"
    assert find_matches(PastedText.of(message), [fact], lambda word: False)
    for other in (
        message.replace("mismatches", "\nmismatches"),
        "mismatches the version that was used to compile. The detected CUDA version (",
    ):
        assert not find_matches(PastedText.of(other), [fact], lambda word: False)


# -- whole texts ------------------------------------------------------------------------------

EXPECTED = cases("diagnose/expected.toml")


def test_every_text_has_its_expectation() -> None:
    assert {case["text"] for case in EXPECTED} == {path.name for path in TEXTS.glob("*.txt")}


@pytest.mark.parametrize("case", EXPECTED, ids=lambda case: case["text"])
def test_texts(case: dict[str, Any]) -> None:
    found = look((TEXTS / case["text"]).read_text(encoding="utf-8"))
    remedy = found.remedy
    assert ids(found)[:3] == case["facts"]
    assert [list(clash.members) for clash in found.clashes] == case.get("clashes", [])
    assert [f"{pin.name}=={pin.version}" for pin in found.pins] == case["pins"]
    told = {name: value for name, value in found.clues._asdict().items() if value}
    assert told == case["machine"]
    assert (remedy and remedy.command) == case.get("command")
    changes = [f"{name} {had}" for name, had, _ in remedy.changes] if remedy else []
    assert changes == case.get("changes", [])


@pytest.mark.parametrize(
    "case", cases("diagnose/kinds.toml"), ids=lambda case: case["text"].strip()[:60]
)
def test_kinds(case: dict[str, Any]) -> None:
    found = look(case["text"])
    assert ids(found)[0] == case["first"]
    assert set(ids(found)).isdisjoint(case.get("absent", ()))
    best = found.matches[0]
    assert case.get("says", "") in f"{best.says}; {best.fix}"
    remedy = found.remedy
    assert bool(remedy) is ("solves" in case), remedy
    if remedy:
        versions = {name: version for name, _, version in remedy.changes} | dict(remedy.added)
        kept = {pin.name: pin.version for pin in found.pins}
        solved = {**kept, **versions, **_pinned_in(remedy.command)}
        for name, wanted in case["solves"].items():
            public, _, label = wanted.partition("+")
            got, _, got_label = solved[name].partition("+")
            assert got.startswith(public), (name, solved)
            assert got_label.startswith(label), (name, solved)


def _pinned_in(command: str) -> dict[str, str]:
    """Return the framework's version in a command, where it has a label."""
    match = re.search(r"--torch ([0-9.]+\+\w+)", command)
    return {"torch": match[1]} if match else {}


@pytest.mark.parametrize(
    "case", [each for each in EXPECTED if "command" in each], ids=lambda case: case["text"]
)
def test_the_commands_have_an_answer(case: dict[str, Any]) -> None:
    program, *words = shlex.split(case["command"])
    answer = CliRunner().invoke(main, [*words, "--offline", "-q"], prog_name=program)
    assert answer.exit_code == 0, answer.output
    for change in case["changes"]:
        assert not any(
            line.startswith(change.replace(" ", "==") + " ") for line in answer.stdout.splitlines()
        )


# -- versions and machines --------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("diagnose/pins.toml"), ids=lambda case: case["name"])
def test_pins(case: dict[str, Any]) -> None:
    found = {f"{pin.name}=={pin.version}" for pin in read_pins(PastedText.of(case["text"]), MATRIX)}
    assert found == set(case["pins"])


@pytest.mark.parametrize(
    ("text", "clues"),
    [
        ("Python 3.12.4 on linux-gnu", Clues("3.12.4", "linux")),
        ("/opt/env/lib/python3.11/site-packages/torch", Clues("3.11", "linux")),
        (r"C:\Python310\Lib\site-packages", Clues("3.10", "windows")),
        ("x.cpython-39-x86_64-linux-gnu.so", Clues("3.9", "linux")),
        ("torch-2.4.0-cp312-cp312-win_amd64.whl", Clues("3.12", "windows")),
        ("torch-2.9.0-cp313-cp313-manylinux_2_28_aarch64.whl", Clues("3.13", "linux-aarch64")),
        ("    Python  3.10.11 (you have 3.11.2)", Clues("3.11.2")),
        ("requires a different Python: 3.8.10 not in '>=3.9'", Clues("3.8.10")),
        ("/Users/ana/env/lib/python3.12/site-packages", Clues("3.12", "macos")),
        ("OSError: [WinError 126]", Clues(None, "windows")),
        ("Could not locate cudnn_ops64_9.dll.", Clues(None, "windows")),
        ("undefined symbol in _qattn_sm80, csrc/flash_fwd_sm80.cu", Clues()),
        (r"Loading binary C:\env\bitsandbytes\libbitsandbytes_cpu.so", Clues(None, "windows")),
        ("libcudnn.so.9: cannot open", Clues(None, "linux")),
        ("NVIDIA GeForce RTX 4070 Ti SUPER", Clues(gpu="8.9")),
        ("GPU: NVIDIA A100-SXM4-80GB", Clues(gpu="8.0")),
        ("a2 and t4 are no GPUs here", Clues()),
        ("8xH100 node, and layer h100_out", Clues(gpu="9.0")),
        ("on an A100-80G", Clues(gpu="8.0")),
        ("A100 and H100 are both named", Clues()),
        ("rtx 3090ti", Clues(gpu="8.6")),
        ("a T4 in colab", Clues(gpu="7.5")),
        ("GPU 3060 12G", Clues(gpu="8.6")),
        ("a 4090 GPU", Clues(gpu="8.9")),
        ("RTX 6000", Clues()),
        (
            "hint: You're on macOS (`macosx_14_0_x86_64`), but `torch` (v2.8.0) only has wheels"
            " for the following platforms: `manylinux_2_28_x86_64`, `win_amd64`",
            Clues(platform="macos-x86_64"),
        ),
        ("CUDA capability sm_120 is not", Clues(gpu="12.0")),
        ("supports CUDA capabilities sm_50 sm_60 sm_70", Clues()),
        ("Value 'sm_120' is not defined", Clues(gpu="12.0")),
        (
            "| NVIDIA-SMI 550.54.15  Driver Version: 550.54.15  CUDA Version: 12.4 |",
            Clues(driver="550.54.15"),
        ),
        ("ldd (Ubuntu GLIBC 2.31-0ubuntu9.9) 2.31", Clues(platform="linux", glibc="2.31")),
        ("version `GLIBC_2.32' not found", Clues(platform="linux")),
        ("torch-2.2.0-cp311-none-macosx_11_0_arm64.whl", Clues("3.11", "macos")),
        ("python 4.11.3, driver version 3, py2.7", Clues()),
    ],
)
def test_machines(text: str, clues: Clues) -> None:
    assert read_clues(PastedText.of(text), MATRIX) == clues


def test_what_is_said_goes_before_what_is_read() -> None:
    text = "/opt/env/lib/python3.11/site-packages: No module named 'triton.ops'"
    found = look(text, Clues(python="3.12", platform="windows"))
    assert found.clues == Clues("3.12", "windows")
    assert found.remedy is not None
    assert "--python 3.12 --platform windows" in found.remedy.command
    assert found.remedy.assumed == ()


def test_a_fact_about_another_version_is_not_meant() -> None:
    text = "No module named 'triton.ops'\nbitsandbytes==0.45.5\n"
    assert "bnb-triton-ops" not in ids(look(text))
    assert "bnb-triton-ops" in ids(look(text.replace("0.45.5", "0.44.1")))


def test_no_version_is_offered_where_the_gpu_decides_and_is_not_told() -> None:
    text = "RuntimeError: FlashAttention only supports Ampere GPUs or newer."
    assert look(text).remedy is None
    assert "no command: other versions do not fix this" in run(text).stdout


def test_a_fact_about_another_platform_is_not_meant() -> None:
    text = "No matching distribution found for triton\n/usr/lib/python3.11/site-packages"
    assert "triton-windows-name" not in ids(look(text))
    assert "triton-windows-name" in ids(look("No matching distribution found for triton"))


def test_what_the_text_does_not_tell_of_the_machine_is_no_clash() -> None:
    pins = "flash-attn==2.8.2+cu12torch2.6cxx11abiFALSE\ntorch==2.6.0+cu124\nlinux_x86_64 cp311"
    message = "undefined symbol c10::Error\n"
    assert look(message + pins).clashes == ()
    (clash,) = look(f"{message}{pins}\nglibc 2.31").clashes
    assert "fa2-28-glibc" in clash.facts


# -- reading ----------------------------------------------------------------------------------

MESSAGE = "ModuleNotFoundError: No module named 'triton.ops'"


@pytest.mark.parametrize(
    "data",
    [
        MESSAGE.encode(),
        MESSAGE.encode("utf-8-sig"),
        MESSAGE.encode("utf-16"),
        MESSAGE.encode("utf-16-le"),
        MESSAGE.encode("utf-16-be"),
        MESSAGE.encode("utf-32"),
        f"\x1b]8;;https://x\x1b\\{MESSAGE[:30]}\x1b]8;;\x1b\\{MESSAGE[30:]}".encode(),
        MESSAGE.replace("'", "\u2018").encode(),
        MESSAGE.replace("'", '"').upper().encode(),
        f"\x1b[31m{MESSAGE[:12]}\x1b[0m{MESSAGE[12:]}\r\n".encode(),
        f"50%\r100%\r{MESSAGE}".encode(),
        b"\xff\xfa\x80\n" + MESSAGE.encode(),
    ],
)
def test_a_message_however_it_was_saved(data: bytes) -> None:
    assert "bnb-triton-ops" in ids(look(decode(data)))


def test_the_text_comes_from_where_it_is(tmp_path: Path) -> None:
    file = tmp_path / "a log.txt"
    file.write_bytes(MESSAGE.encode("utf-16"))
    by_word, by_file = run(MESSAGE), run(str(file))
    assert by_word.exit_code == by_file.exit_code == 0
    assert (
        by_word.stdout
        == by_file.stdout
        == run("-", text=MESSAGE).stdout
        == run(text=MESSAGE).stdout
    )
    assert run(*MESSAGE.split()).stdout == by_word.stdout


def test_a_file_that_is_not_there() -> None:
    result = run("nosuch.log")
    assert result.exit_code == 2
    assert "no such file: `nosuch.log`" in result.stderr


@pytest.mark.parametrize(
    "words", [["--python", "2.7"], ["--platform", "beos"], ["--gpu", "RTX 9999"]]
)
def test_options_that_say_what_cannot_be(words: list[str]) -> None:
    assert run(MESSAGE, *words).exit_code == 2


# -- answers ----------------------------------------------------------------------------------


def test_an_unknown_text_gets_an_honest_no() -> None:
    result = run("-", text=(TEXTS / "unknown-memory.txt").read_text(encoding="utf-8"))
    assert result.exit_code == 1
    assert result.stdout.startswith("gpu has less memory than the program asked for")
    assert "no command: no other version of a package changes this" in result.stdout
    unknown = run("-", text="torch 2.6.0+cu124: something else")
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert "no known message in the text" in unknown.stderr
    assert "read from the text: torch 2.6.0+cu124" in unknown.stderr


@pytest.mark.parametrize("text", ["", "\n\n", "\x00\x01", "*", "'" * 1000])
def test_nothing_much(text: str) -> None:
    assert run("-", text=text).exit_code == 1


def test_what_a_log_holds_does_not_move_the_cursor() -> None:
    shown = run("-", text="\x1b[2J\x07\x9b31m\tNo module named 'triton.ops'\x08\n").stdout
    assert "  line 1: ??31m No module named 'triton.ops'?" in shown


def test_a_python_that_the_framework_is_not_made_for_is_not_assumed() -> None:
    text = (TEXTS / "bnb-triton-windows.txt").read_text(encoding="utf-8")
    text = text.replace("Python 3.11.14", "")
    newest = Here(python=lambda: ("3.14", False), platform=HERE.platform)
    remedy = diagnose(text, MATRIX, None, newest).remedy
    assert remedy is not None
    assert "--torch 2.4.1+cu121 --bnb --python 3.11 " in remedy.command


def test_a_python_without_wheels_is_no_obstacle() -> None:
    found = look("Python 3.6.9\n" + (TEXTS / "setuptools.txt").read_text(encoding="utf-8"))
    assert "torch-setuptools-cap" in ids(found)
    assert found.remedy is None


def test_the_answer_in_words(request: pytest.FixtureRequest) -> None:
    text = (TEXTS / "bnb-triton-windows.txt").read_text(encoding="utf-8")
    shown = run("-", text=text).stdout
    screen = CASES / "diagnose-screen.txt"
    if request.config.getoption("--update"):
        screen.write_text(shown, encoding="utf-8", newline="\n")
    assert shown == screen.read_text(encoding="utf-8")


def test_the_answer_as_json() -> None:
    text = (TEXTS / "blackwell.txt").read_text(encoding="utf-8")
    value = json.loads(run("-", "--json", text=text).stdout)
    assert value["schema"] == "cudalock.diagnose/1"
    machine = {"python": "3.10", "platform": "linux", "gpu": "12.0", "driver": None, "glibc": None}
    assert value["machine"] == machine
    assert value["pins"] == [{"name": "torch", "version": "2.5.1+cu121", "line": 4}]
    assert value["command"].endswith("--gpu 12.0")
    assert value["changes"][0]["from"] == "2.5.1+cu121"
    assert {each["id"] for each in value["facts"]} >= {"torch-gpu-archs"}
    assert value["added"] == []
    unknown = run("-", "--json", text="no such thing")
    assert unknown.exit_code == 1
    assert json.loads(unknown.stdout)["facts"] == []


def test_what_the_text_has_no_version_of_is_added() -> None:
    text = (TEXTS / "fa2-missing.txt").read_text(encoding="utf-8")
    assert "  flash-attn 2." in run("-", text=text).stdout


def test_a_text_that_begins_with_a_dash_is_no_option() -> None:
    text = "- torch version: 2.5.1\n- bitsandbytes 0.44.1\nNo module named 'triton.ops'"
    result = run(text)
    assert result.exit_code == 0, result.output
    assert "bitsandbytes imports triton.ops" in result.stdout
    assert run("--json", text, "--python", "3.11").exit_code == 0
    assert run("--jsn", text).exit_code == 2


LONG_GONE = "cannot import name 'list_audio_backends' from 'torchaudio' (/x/torchaudio/__init__.py)"


def test_a_name_is_placed_by_the_table_of_its_project() -> None:
    first = look(LONG_GONE).matches[0]
    assert (first.component, first.fact.id) == ("torchaudio", "python-name-gone")
    assert "no longer from 2.9.0 on" in first.says
    remedy = look(f"torchaudio==2.9.0\n{LONG_GONE}").remedy
    assert remedy is not None
    assert [name for name, *_ in remedy.changes] == ["torchaudio"]
    reinstall = look(f"torchaudio==2.8.0\n{LONG_GONE}")
    assert "files of two releases" in reinstall.matches[0].says
    assert reinstall.remedy is None


@pytest.mark.parametrize(
    ("text", "component", "fact"),
    [
        (
            "peft>=0.17.0 is required for a normal functioning, but found peft==0.7.0.",
            "peft",
            "python-floor",
        ),
        ("PyTorch >= 2.1 is required but found 2.0.1", "torch", "python-floor"),
        (
            "xformers 0.0.22 requires torch==2.0.1, but you have torch 2.5.1 which is bad.",
            "xformers",
            "xformers-exact-torch",
        ),
        (
            "outside 1.0 requires torch<2.2, but you have torch 2.5.1 which is incompatible.",
            "torch",
            "python-requirements-conflict",
        ),
        ("(found version 12020)", "driver", "driver-too-old"),
        ("Unable to find installation candidates for torch (2.3.1)", "torch", "python-no-wheel"),
        ("Failed building wheel for pycocotools", "pycocotools", "python-no-wheel"),
        ("Failed building wheel for lap", "lap", "python-other-build"),
        (
            "OSError: /x/lib/libtorchtext.so: undefined symbol: _ZN5torch3jit",
            "torchtext",
            "torch-extension-minor",
        ),
        (
            "W tensorflow/stream_executor/dso_loader.cc:64] no 'libcudart.so.11.0'",
            "cuda",
            "cuda-tensorflow",
        ),
    ],
)
def test_messages_that_name_their_project(text: str, component: str, fact: str) -> None:
    first = look(text).matches[0]
    assert (first.component, first.fact.id) == (component, fact)


def test_no_command_where_no_version_is_the_cure() -> None:
    text = "torch==2.5.1+cu124\nFailed to initialize NVML: Driver/library version mismatch"
    found = look(text)
    assert found.matches[0].cure == "system"
    assert found.remedy is None


def test_a_mac_gets_no_command_for_cuda() -> None:
    found = look("macOS 14.5 arm64\nAssertionError: Torch not compiled with CUDA enabled")
    assert ids(found)[0] == "torch-mac-no-cuda"
    assert found.remedy is None


def test_what_is_missing_for_a_command_is_said() -> None:
    shown = run("CUDA error: no kernel image is available for execution on the device").stdout
    assert "no command: the text does not name the GPU; add --gpu" in shown


# -- time -------------------------------------------------------------------------------------

LONG = {
    "one word": lambda size: "a" * size,
    "one name": lambda size: "a-" * (size // 2),
    "empty lines": lambda size: "\n" * size,
    "half a message": lambda size: "could not load library libcudnn_ " * (size // 33),
    "numbers": lambda size: "1." * (size // 2),
    "spaces": lambda size: "torch" + " " * size + "x",
    "requirements": lambda size: "x requires torch>=2\n" * (size // 20),
    "a log": lambda size: "[1/9] nvcc -c a.cu -o a.o -I/usr/lib/python3.11/torch\n" * (size // 54),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", LONG)
def test_a_long_text_ends(name: str) -> None:
    """Of what grows as the square of a text, this one takes minutes."""
    look(LONG[name](300_000))

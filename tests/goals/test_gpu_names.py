"""GPUs by name, and the machines that have them; the cases are in `cases/gpus.toml`."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from cudalock import toml
from cudalock.errors import BadTarget, CudalockError
from cudalock.goals import Request, read_gpus, read_request
from cudalock.matrix.matrix import Matrix
from cudalock.matrix.universe import ClosedUniverse
from cudalock.targets import Here
from cudalock.targets.detect import this_l4t
from tests.paths import CASES

if TYPE_CHECKING:
    from pathlib import Path

UNIVERSE = ClosedUniverse(Matrix.load())
GPUS = UNIVERSE.matrix.gpus


@cache
def cases() -> dict[str, Any]:
    return toml.loads((CASES / "gpus.toml").read_text(encoding="utf-8"))


def here(platform: str) -> Here:
    return Here(python=lambda: ("3.12", False), platform=lambda: (platform, None, None))


def test_every_name_has_its_capability() -> None:
    names = {**cases()["printed"], **cases()["written"]}
    assert len(names) > 300
    wrong = {
        name: (capability, found)
        for name, capability in names.items()
        if (found := read_gpus([name], GPUS)[0].architecture) != capability
    }
    assert wrong == {}


@pytest.mark.parametrize(("name", "said"), cases()["refused"].items())
def test_a_name_that_is_not_one_gpus_is_refused(name: str, said: str) -> None:
    with pytest.raises(BadTarget) as raised:
        read_gpus([name], GPUS)
    assert said in str([raised.value.message, *raised.value.hints])


def test_a_list_is_several() -> None:
    found = read_gpus(["RTX 3090, RTX 4090", "A100 and H100"], GPUS)
    assert [model.architecture for model in found] == ["8.6", "8.9", "8.0", "9.0"]


@pytest.mark.parametrize(
    ("words", "platform", "gpus"),
    [
        ("torch on GH200", "linux-aarch64", ("9.0",)),
        ("torch for my DGX Spark", "linux-aarch64", ("12.1",)),
        ("torch on Jetson AGX Thor", "linux-aarch64", ("11.0",)),
        ("torch on RTX Spark", "windows-arm64", ("12.1",)),
        ("torch on g5g.xlarge", "linux-aarch64", ("7.5",)),
        ("torch on p6e-gb200.36xlarge", "linux-aarch64", ("10.0",)),
        ("torch for sm_121", "linux-aarch64", ("12.1",)),
        ("torch for a GB10 and an RTX 3090", "linux-aarch64", ("8.6", "12.1")),
        ("torch for 2 x RTX PRO 6000 Blackwell Max-Q Workstation Edition", "own", ("12.0",)),
        ("torch for an RTX 2070 with Max-Q Design", "own", ("7.5",)),
        ("torch for an H100", "own", ("9.0",)),
        ("torch for sm_90", "own", ("9.0",)),
    ],
)
def test_a_gpu_implies_its_machine(words: str, platform: str, gpus: tuple[str, ...]) -> None:
    for own in ("linux-x86_64", "windows-x86_64"):
        _, target = read_request(Request(words=(words,)), UNIVERSE, None, here(own))
        assert (target.platform, target.gpus) == (own if platform == "own" else platform, gpus)


@pytest.mark.parametrize(
    ("request_", "glibc", "has_note"),
    [
        (Request(words=("torch on DGX Spark",)), "2.39", True),
        (Request(words=("torch on GB10",), glibc=("2.35",)), "2.35", False),
        (Request(words=("torch on GB10",), platform=("linux-aarch64",)), "2.39", True),
        (Request(words=("torch on GH200",)), "2.28", False),
        (Request(words=("torch on linux",)), "2.28", False),
    ],
)
def test_the_linux_that_a_machine_comes_with_is_assumed(
    request_: Request, glibc: str, *, has_note: bool
) -> None:
    goal, target = read_request(request_, UNIVERSE, None, here("linux-x86_64"))
    assert (target.glibc, bool(goal.notes)) == (glibc, has_note)


def test_a_machine_that_may_have_the_gpu_stays() -> None:
    request = Request(framework=("2.9",), gpu=("RTX Spark",))
    for own in ("windows-arm64", "linux-aarch64"):
        assert read_request(request, UNIVERSE, None, here(own))[1].platform == own


@pytest.mark.parametrize(
    ("gpu", "platform", "said"),
    [
        ("GH200", "linux", "no Linux x86_64 machine has GPU GH200"),
        ("GB10", "windows", "no Windows x86_64 machine has GPU GB10"),
        ("Jetson Orin", "linux", "no Linux x86_64 machine has GPU Jetson Orin"),
        ("RTX Spark", "windows", "it is in Windows arm64 or Linux aarch64 machines"),
        ("GTX 1080", "macos", "no macOS arm64 machine has GPU GTX 1080"),
        ("Tesla T4", "macos", "no macOS arm64 machine has GPU T4"),
        ("RTX 4090", "windows-arm64", "no Windows arm64 machine has GPU RTX 4090"),
        ("8.7", "linux", "no Linux x86_64 machine has GPU 8.7"),
        ("8.6", "macos", "no macOS arm64 machine has GPU 8.6"),
        ("GB10, T4G, RTX Spark", "windows-arm64", "no Windows arm64 machine has GPU GB10"),
    ],
)
def test_a_gpu_that_no_machine_of_the_platform_has_is_an_error(
    gpu: str, platform: str, said: str
) -> None:
    request = Request(framework=("2.9",), gpu=(gpu,), platform=(platform,))
    with pytest.raises(CudalockError) as raised:
        read_request(request, UNIVERSE, None, here("linux-x86_64"))
    assert said in str(raised.value)
    assert raised.value.hints


def test_on_a_mac_the_platform_of_a_card_has_to_be_stated() -> None:
    with pytest.raises(BadTarget, match="no macOS arm64 machine has GPU RTX 4090") as raised:
        read_request(
            Request(framework=("2.9",), gpu=("4090",)), UNIVERSE, None, here("macos-arm64")
        )
    assert "--platform linux" in raised.value.hints


@pytest.mark.parametrize(
    ("words", "jetpack", "python", "glibc", "gpus", "is_stated"),
    [
        ("torch on JetPack 6.2", "6.2", "3.10", "2.35", ("8.7",), True),
        ("torch on jetpack 6", "6.2", "3.10", "2.35", ("8.7",), True),
        ("torch on jp6 py3.11", "6.2", "3.11", "2.35", ("8.7",), True),
        ("torch on L4T r36.4.3", "6.2", "3.10", "2.35", ("8.7",), True),
        ("torch on L4T 36.4.0", "6.1", "3.10", "2.35", ("8.7",), True),
        ("torch on jetpack-7.2", "7.2", "3.12", "2.39", (), True),
        ("torch on jetpack 5.1.2 for a Jetson AGX Xavier", "5.1", "3.8", "2.31", ("7.2",), True),
        ("torch on my Jetson Orin Nano", "6.2", "3.10", "2.35", ("8.7",), False),
        ("torch on Jetson AGX Thor", "7.0", "3.12", "2.39", ("11.0",), False),
        ("torch on a Jetson TX2", "4.6", "3.12", "2.27", ("6.2",), False),
        ("torch for GPU 8.7 on linux-aarch64", "6.2", "3.10", "2.35", ("8.7",), False),
        ("torch on GH200", None, "3.12", "2.28", ("9.0",), False),
    ],
)
def test_jetpack(
    words: str,
    jetpack: str | None,
    python: str,
    glibc: str,
    gpus: tuple[str, ...],
    *,
    is_stated: bool,
) -> None:
    goal, target = read_request(Request(words=(words,)), UNIVERSE, None, here("linux-x86_64"))
    found = (target.jetpack, target.python, target.glibc, target.gpus)
    assert found == (jetpack, python, glibc, gpus)
    assert ("jetpack" in target.stated) == is_stated
    assert bool(goal.notes) == (jetpack is not None and not is_stated)
    # Its own flags state the same target on any machine.
    flags = target.flags()
    stated = dict(zip(flags[::2], flags[1::2], strict=True))
    again = Request(
        framework=("latest",),
        python=(stated["--python"],),
        platform=(stated["--platform"],),
        glibc=tuple(stated[name] for name in ("--glibc",) if name in stated),
        gpu=tuple(stated[name] for name in ("--gpu",) if name in stated),
    )
    assert read_request(again, UNIVERSE, None, here("windows-x86_64"))[1] == target


@pytest.mark.parametrize(
    ("release", "said"),
    [
        ("# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64", "6.2"),
        ("# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref, EABI: aarch64", "5.1"),
        ("# R38 (release), REVISION: 2.0, GCID: 41844464, BOARD: generic, EABI: aarch64", "7.0"),
        ("# R99 (release), REVISION: 1.0", None),
        ("something else", None),
    ],
)
def test_the_board_says_which_jetpack_it_has(
    release: str, said: str | None, tmp_path: Path
) -> None:
    file = tmp_path / "nv_tegra_release"
    file.write_text(release)
    own = replace(here("linux-aarch64"), l4t=lambda: this_l4t(file))
    _, target = read_request(Request(framework=("2.9",)), UNIVERSE, None, own)
    assert target.jetpack == said


@pytest.mark.parametrize(
    ("gpu", "platform", "said"),
    [
        ("Thor", "jetpack-6.2", "JetPack 6.2 does not run on Thor"),
        ("", "jetpack-3", "unknown JetPack `jetpack-3`: the matrix has 4.6"),
        ("", "l4t-99", "unknown JetPack `l4t-99`"),
    ],
)
def test_a_jetpack_that_cannot_be_is_refused(gpu: str, platform: str, said: str) -> None:
    request = Request(framework=("2.9",), gpu=(gpu,) if gpu else (), platform=(platform,))
    with pytest.raises(CudalockError, match=said):
        read_request(request, UNIVERSE, None, here("linux-x86_64"))

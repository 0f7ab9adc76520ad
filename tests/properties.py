"""What the property tests share: bounds that give the same examples each time, the data,
and goals and targets at random."""

from __future__ import annotations

from functools import cache

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement

from cudalock.goals import Goal
from cudalock.matrix.matrix import Matrix
from cudalock.targets import Target
from cudalock.targets.accelerators import Wish
from tests.verifier import Book

BOUNDED = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@cache
def matrix() -> Matrix:
    """The matrix that is installed."""
    return Matrix.load()


@cache
def book() -> Book:
    """The same, as the verifier reads it."""
    return Book()


TORCHES = [
    *("", "", "<2.5", ">=2.4,<2.7", "~=2.8", "!=2.15.0", "==2.0.1", "==2.1.2", "==2.3.1"),
    *("==2.4.0", "==2.4.1", "==2.5.*", "==2.5.1", "==2.6.0", "==2.7.*", "==2.8.0", "==2.9.1"),
    *("==2.11.0", "==2.12.*", "==2.13.0", "==2.5.1+cu121", "==2.6.0+cpu"),
]
OTHERS = {
    "flash-attn": ["", "", "==2.7.4.post1", ">=2.8", "<2.6"],
    "flash-attn-3": [""],
    "xformers": ["", "", "==0.0.28.post1", "<0.0.27", ">=0.0.33"],
    "bitsandbytes": ["", "", "==0.43.0", "<0.45", ">=0.48"],
    "triton": ["", "", "==3.1.*", "<3.2", ">=3.3"],
    "torchvision": ["", "==0.20.1", "<0.20"],
    "torchaudio": ["", "==2.5.1"],
    "numpy": ["<2", ">=2"],
}
CUDAS = ["cpu", "==12.4.*", "==12.1.*", ">=12.6", "==13.0.*"]


@st.composite
def goals(draw: st.DrawFn) -> Goal:
    names = draw(st.sets(st.sampled_from(sorted(OTHERS)), max_size=3))
    wanted = [name + draw(st.sampled_from(OTHERS[name])) for name in sorted(names)]
    if not wanted or draw(st.integers(0, 9)) < 9:
        wanted.append("torch" + draw(st.sampled_from(TORCHES)))
    sometimes = draw(st.integers(0, 7))
    return Goal(
        # By name, as a request has them: `flash-attn>=2.8` before `flash-attn-3`.
        requirements=tuple(map(str, sorted(map(Requirement, wanted), key=lambda each: each.name))),
        constraints=("numpy<2",) if sometimes == 1 else (),
        accelerator=Wish.of_default(draw(st.sampled_from([None] * 6 + CUDAS))),
        builders=draw(st.sampled_from(["known"] * 4 + ["official", "any"])),
        exclude_newer="2025-01-31" if sometimes == 2 else None,
        strict=sometimes == 3,
    )


@st.composite
def targets(draw: st.DrawFn) -> Target:
    platform = draw(
        st.sampled_from(
            ["linux-x86_64"] * 5 + ["windows-x86_64"] * 4 + ["linux-aarch64", "macos-arm64"]
        )
    )
    python = draw(st.sampled_from(["3.8", "3.9", "3.10", "3.11", "3.11", "3.12", "3.13", "3.14"]))
    on_linux = platform.startswith("linux")
    has_gpu = platform != "macos-arm64" and draw(st.booleans())
    return Target(
        python,
        platform,
        free_threaded=python in ("3.13", "3.14") and draw(st.integers(0, 3)) == 0,
        glibc=draw(st.sampled_from([None, None, "2.17", "2.31", "2.35"])) if on_linux else None,
        gpus=(draw(st.sampled_from(["6.1", "7.5", "8.6", "8.9", "9.0", "12.0"])),)
        if has_gpu
        else (),
        driver=draw(st.sampled_from([None, None, "450.80", "528.33", "550.54", "580.65"]))
        if has_gpu
        else None,
        stated=frozenset(["python", "platform"]),
    )

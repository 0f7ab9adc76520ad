"""The sentence about GPUs in a lock: from bounds of facts, whatever GPU comes next."""

from __future__ import annotations

import pytest

from cudalock.lock.build import _gpu_range

KNOWN = ("3.5", "7.5", "9.0", "12.1")


@pytest.mark.parametrize(
    ("bounds", "sentence"),
    [
        ([], None),
        ([(">=8.0",)], "GPU sm_80 or newer"),
        ([(">=8.0", "==7.5")], "GPU sm_75 or newer"),
        ([(">=5.0,<10.0",)], "GPU sm_50 to sm_9x"),
        ([(">=5.0",), ("<10.0",)], "GPU sm_50 to sm_9x"),
        ([("<13.0",)], "GPU sm_30 to sm_12x"),
        # An architecture after all that the matrix knows today.
        ([(">=16.0",)], "GPU sm_160 or newer"),
        ([(">=7.0,<20.0",)], "GPU sm_70 to sm_19x"),
        ([(">=9.0",), ("<9.0",)], None),
    ],
)
def test_gpu_range(bounds: list[tuple[str, ...]], sentence: str | None) -> None:
    assert _gpu_range(bounds, KNOWN) == sentence

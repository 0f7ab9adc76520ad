"""Recorded machines: their probes, through which everything else is the real code."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from cudalock import toml
from cudalock.environment.gpu import Probe
from tests.paths import CASES

FILE = CASES / "machines.toml"


class RecordedMachine(NamedTuple):
    """One table of machines.toml."""

    name: str
    flags: str
    sign: bool = True
    nvml: dict[str, Any] | None = None
    smi: dict[str, Any] | None = None
    says: str | None = None
    platform: str = "linux-x86_64"
    torch: str | None = None
    build: str | None = None
    refused: str | None = None

    @property
    def probe(self) -> Probe:
        return Probe(lambda: self.sign, self._load_nvml, self._run_smi)

    def _load_nvml(self) -> Any:
        if self.nvml is None:
            raise ImportError("No module named 'pynvml'")
        return _Bindings(self.nvml)

    def _run_smi(self, fields: tuple[str, ...]) -> str:
        if self.smi is None:
            raise FileNotFoundError(2, "No such file or directory: 'nvidia-smi'")
        answer = self.smi[",".join(fields)]
        if isinstance(answer, str):
            return answer
        _hang(answer)
        raise ValueError(answer["error"])


class _Bindings:
    """The part of pynvml that detection uses, with its names."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self._answers = answers
        self._open = False

    def nvmlInit(self) -> None:  # noqa: N802
        _hang(self._answers)
        if "error" in self._answers:
            raise RuntimeError(self._answers["error"])
        self._open = True

    def nvmlShutdown(self) -> None:  # noqa: N802
        assert self._open
        self._open = False

    def nvmlSystemGetDriverVersion(self) -> str | bytes:  # noqa: N802
        assert self._open
        return self._text(self._answers["driver"])

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self._answers["gpus"])

    def nvmlDeviceGetHandleByIndex(self, index: int) -> list[Any]:  # noqa: N802
        if "lost" in self._answers:
            raise RuntimeError(self._answers["lost"])
        handle: list[Any] = self._answers["gpus"][index]
        return handle

    def nvmlDeviceGetName(self, handle: list[Any]) -> str | bytes:  # noqa: N802
        return self._text(handle[0])

    def nvmlDeviceGetCudaComputeCapability(self, handle: list[Any]) -> list[int]:  # noqa: N802
        return handle[1:]

    def _text(self, text: str) -> str | bytes:
        return text.encode() if self._answers.get("bytes") else text


def _hang(answers: dict[str, Any]) -> None:
    if answers.get("hangs"):
        time.sleep(5)


MACHINES = [
    RecordedMachine(**table) for table in toml.loads(FILE.read_text(encoding="utf-8"))["machine"]
]


def machine(name: str) -> RecordedMachine:
    """The machine whose name begins so."""
    return next(each for each in MACHINES if each.name.startswith(name))

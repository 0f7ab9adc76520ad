"""The GPUs and the NVIDIA driver of this machine.

NVML is asked, and nvidia-smi where NVML has no answer. Both may hang with a broken driver, so both
have a time limit. Whether there is a driver at all is seen from a few files first: on a machine
without one nothing is imported, and GPUs of other makers are looked for.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cudalock.environment.other_gpus import OtherProbe, find_others
from cudalock.files import INTERRUPTIBLE, find_program
from cudalock.matrix.gpus import model_name
from cudalock.targets import PLATFORMS
from cudalock.targets.accelerators import gpu_order

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS: Final = 10.0
"""How long a driver may take to answer. One without persistence mode wakes its GPUs first."""

SMI: Final = "nvidia-smi"
_SMI_OF_WSL: Final = "/usr/lib/wsl/lib/nvidia-smi"
"""Not always on PATH there."""

_SIGNS: Final = (
    "/dev/nvidiactl",
    "/proc/driver/nvidia/version",
    *(f"/usr/lib/{row.multiarch}/libnvidia-ml.so.1" for row in PLATFORMS.values() if row.multiarch),
    "/usr/lib64/libnvidia-ml.so.1",
    "/usr/lib/libnvidia-ml.so.1",
    "/run/opengl-driver/lib/libnvidia-ml.so.1",
    "/usr/lib/wsl/lib/libnvidia-ml.so.1",
)
"""One of these is there wherever a Linux has a driver. Not `/dev/dxg`: a WSL2 with a GPU of another
maker has that too."""

_SIGNS_OF_WINDOWS: Final = (
    ("WINDIR", "System32/nvml.dll"),
    ("ProgramFiles", "NVIDIA Corporation/NVSMI/nvml.dll"),
)

_FIELDS: Final = (("name", "compute_cap", "driver_version"), ("name", "driver_version"))
"""What nvidia-smi is asked for; one of a driver before 495 does not know `compute_cap`."""


_MOST: Final = 20_000
"""How many characters a list of GPUs may have."""


class Gpu(NamedTuple):
    """A GPU as its driver names it."""

    name: str
    """without its maker: `RTX 4090`"""
    capability: str | None
    """`8.9`; None where the driver does not say and the name is not known"""

    def __str__(self) -> str:
        is_named = self.capability and self.capability != self.name
        return f"{self.name} ({self.capability})" if is_named else self.name


class Machine(NamedTuple):
    """What is plugged in here, as far as the driver tells."""

    gpus: tuple[Gpu, ...] = ()
    driver: str | None = None
    """`550.54.14`"""
    trouble: str | None = None
    """why a driver that is there did not answer, as a sentence's end"""
    jetpack: str | None = None
    """the release of JetPack of a Jetson board, `6.2`"""

    @property
    def capabilities(self) -> tuple[str, ...]:
        """Each compute capability once, the least first."""
        capabilities = {gpu.capability for gpu in self.gpus if gpu.capability}
        return tuple(sorted(capabilities, key=gpu_order))

    def __str__(self) -> str:
        """`2 x H100 80GB HBM3 (9.0), driver 550.54.14`; empty where there is nothing."""
        counted = {str(gpu): self.gpus.count(gpu) for gpu in self.gpus}
        parts = [f"{n} x {text}" if n > 1 else text for text, n in counted.items()]
        return ", ".join([*parts, *([f"driver {self.driver}"] if self.driver else [])])


class Probe(NamedTuple):
    """The three ways to ask a machine. A test hands in others, and all else stays the same."""

    is_there: Callable[[], bool]
    """whether there is any sign of a driver"""
    load_nvml: Callable[[], Any]
    """the NVML bindings; raises where they cannot be had"""
    run_smi: Callable[[tuple[str, ...]], str]
    """what nvidia-smi prints for these fields; raises OSError or ValueError, saying why"""
    others: OtherProbe | None = None
    """the ways to ask for GPUs of AMD and Intel; None for those of this machine"""


def detect(
    capability_of: Callable[[str], str | None] = lambda name: None,
    probe: Probe | None = None,
) -> Machine:
    """The GPUs and the driver of this machine; never raises.

    `capability_of` a GPU's name is asked where the driver does not say.
    """
    probe = probe or Probe(has_driver, load_nvml, run_smi)
    if not probe.is_there():
        # A processor's own GPU beside one of NVIDIA's is not what anybody computes on.
        others = find_others(capability_of, probe.others)
        return Machine(tuple(Gpu(model_name(gpu.name), gpu.architecture) for gpu in others))
    seconds = SECONDS
    answer = _in_time(lambda: _of_nvml(probe.load_nvml()), seconds)
    if isinstance(answer, Machine):
        return answer
    fallback = _in_time(lambda: _of_smi(probe.run_smi, capability_of), seconds + 1)
    if isinstance(fallback, Machine):
        return fallback
    return Machine(trouble=f"{answer} (NVML), {fallback} ({SMI})")


def has_driver() -> bool:
    """Whether this machine shows any sign of an NVIDIA driver; costs a few file look-ups."""
    if sys.platform == "darwin":
        return False
    if sys.platform == "win32":
        return any(
            (Path(os.environ.get(variable, "")) / file).is_file()
            for variable, file in _SIGNS_OF_WINDOWS
        )
    return any(os.path.exists(sign) for sign in _SIGNS) or _smi() is not None  # noqa: PTH110


def load_nvml() -> Any:
    """NVIDIA's bindings. Raises ImportError where they are not installed."""
    import pynvml

    return pynvml


def run_smi(fields: tuple[str, ...]) -> str:
    """What nvidia-smi prints for these fields. Raises OSError, or ValueError with its own words."""
    import subprocess

    program = _smi()
    if program is None:
        raise ValueError("it is not on the PATH")
    command = [program, f"--query-gpu={','.join(fields)}", "--format=csv,noheader"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"timed out after {SECONDS:g} seconds") from None
    if done.returncode:
        raise ValueError(" ".join((done.stdout + done.stderr).split()) or f"exit {done.returncode}")
    if len(done.stdout) > _MOST:
        raise ValueError(f"it printed {len(done.stdout)} characters")
    return done.stdout


def _smi() -> str | None:
    on_wsl = _SMI_OF_WSL if os.access(_SMI_OF_WSL, os.X_OK) else None
    return find_program(SMI) or on_wsl


def _in_time(ask: Callable[[], Machine], seconds: float) -> Machine | str:
    """The answer, or why there is none: a driver's call that hangs cannot be called off."""
    from threading import Thread
    from time import monotonic

    answers: list[Machine | str] = []

    def answer() -> None:
        try:
            answers.append(ask())
        except Exception as error:  # ctypes and the bindings raise what they like
            answers.append(" ".join(str(error).split()) or type(error).__name__)

    thread = Thread(target=answer, daemon=True)
    thread.start()
    end = monotonic() + seconds
    # Windows interrupts no wait without an end, nor a long one.
    while thread.is_alive() and (left := end - monotonic()) > 0:
        thread.join(min(left, INTERRUPTIBLE))
    return answers[0] if answers else f"timed out after {seconds:g} seconds"


def _of_nvml(nvml: Any) -> Machine:
    nvml.nvmlInit()
    try:
        handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
        gpus = tuple(
            Gpu(
                model_name(_text(nvml.nvmlDeviceGetName(handle))),
                "{}.{}".format(*nvml.nvmlDeviceGetCudaComputeCapability(handle)),
            )
            for handle in handles
        )
        return Machine(gpus, read_driver(_text(nvml.nvmlSystemGetDriverVersion())))
    finally:
        nvml.nvmlShutdown()


def _text(raw: str | bytes) -> str:
    """Older bindings answer in bytes."""
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw


def _of_smi(
    run: Callable[[tuple[str, ...]], str], capability_of: Callable[[str], str | None]
) -> Machine:
    """From nvidia-smi, asked for less where it does not know a field."""
    for last, fields in enumerate(_FIELDS, start=1):
        try:
            return _read_smi(run(fields), fields, capability_of)
        except ValueError as error:
            if last == len(_FIELDS) or "not a valid field" not in str(error):
                raise
    raise ValueError("it knows no field")


def _read_smi(
    text: str, fields: tuple[str, ...], capability_of: Callable[[str], str | None]
) -> Machine:
    gpus, driver = [], None
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != len(fields):
            raise ValueError(f"it printed `{line.strip()}`")
        row = dict(zip(fields, cells, strict=True))
        capability_text = row.get("compute_cap", "")
        name = model_name(row["name"])
        known = (
            capability_text
            if re.fullmatch(r"[0-9]{1,2}\.[0-9]{1,2}", capability_text)
            else capability_of(name)
        )
        gpus.append(Gpu(name, known))
        driver = driver or read_driver(row["driver_version"])
    return Machine(tuple(gpus), driver)


def read_driver(text: str) -> str | None:
    """The version in what a driver calls itself; None where it names none."""
    match = re.match(r"[0-9]{3}(?:\.[0-9]{1,9}){0,2}(?![0-9])", text.strip())
    return match[0] if match else None

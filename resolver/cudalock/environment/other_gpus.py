"""The GPUs of AMD and Intel on this machine.

The amdgpu driver describes its GPUs in files of /sys, so nothing is run for them. Where it does
not (a container without /sys, Windows), amd-smi and rocm-smi are asked, and xpu-smi for Intel's.
Programs are those of PATH's absolute folders, each with a time limit and a bound on what it prints.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cudalock.files import find_program
from cudalock.records import NamedTuple
from cudalock.targets.accelerators import ROCM, gpu_of
from cudalock.text import read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NODES: Final = Path("/sys/class/kfd/kfd/topology/nodes")
"""Where the amdgpu driver has a folder for each processor and GPU."""

SECONDS: Final = 10.0
_MOST: Final = 200_000
"""How many characters a program may print."""
_MOST_NODES: Final = 256
_SMALL: Final = 4
"""A GPU with less than a fourth of another's units is the processor's own, beside a card."""

PROGRAMS: Final = (
    ("amd-smi", ("static", "--asic", "--json")),
    ("rocm-smi", ("--showproductname", "--json")),
    ("xpu-smi", ("discovery", "-j")),
)
"""Who is asked, in this order, and how."""

_TARGET: Final = re.compile(r"\bgfx[0-9]{1,2}[0-9a-f]{2}\b")
_NAMES: Final = frozenset({"market_name", "card series", "card model", "device_name"})
"""The keys of their JSON that name a GPU, in lower case."""


class DetectedGpu(NamedTuple):
    """A GPU by its architecture and, where a program prints one, its name."""

    architecture: str
    name: str


class OtherProbe(NamedTuple):
    """The ways to ask a machine for such GPUs. A test hands in others."""

    nodes: Path = NODES
    run: Callable[[str, tuple[str, ...]], str | None] | None = None
    """what a program prints; None where there is none, or it fails"""


def find_others(
    architecture_of: Callable[[str], str | None], probe: OtherProbe | None = None
) -> tuple[DetectedGpu, ...]:
    """Return the GPUs of AMD, else those of Intel; never raises.

    `architecture_of` is asked for what a name means.
    """
    probe = probe or OtherProbe()
    found = tuple(_of_kernel(probe.nodes))
    if found:
        return found
    run = probe.run or run_program
    for program, arguments in PROGRAMS:
        text = run(program, arguments)
        found = tuple(_of_text(text, architecture_of)) if text else ()
        if found:
            return found
    return ()


def run_program(name: str, arguments: tuple[str, ...]) -> str | None:
    """Return what a program of PATH prints; None where there is none, or it fails."""
    import subprocess

    program = find_program(name)
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 and len(done.stdout) <= _MOST else None


def _of_kernel(nodes: Path) -> Iterator[DetectedGpu]:
    units: dict[str, int] = {}
    try:
        folders = sorted(nodes.iterdir())[:_MOST_NODES]
    except OSError:
        return
    for folder in folders:
        properties = _properties(folder / "properties")
        version = properties.get("gfx_target_version", 0)
        # A processor is a node as well, with no target.
        if version:
            # 90010 is 9.0.10, which is gfx90a: two decimals each for minor and stepping.
            numbers = f"{version // 10000}.{version // 100 % 100}.{version % 100}"
            target = gpu_of(ROCM.component, numbers)
            units[target] = max(units.get(target, 0), properties.get("simd_count", 0))
    most = max(units.values(), default=0)
    for target, count in units.items():
        if count * _SMALL >= most:
            yield DetectedGpu(target, target)


def _properties(path: Path) -> dict[str, int]:
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            lines = file.read(_MOST).splitlines()
    except OSError:
        return {}
    pairs = (line.split() for line in lines)
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}


def _of_text(text: str, architecture_of: Callable[[str], str | None]) -> Iterator[DetectedGpu]:
    try:
        document = read_json(text)
    except ValueError:
        return
    # Builds are chosen by architecture, so that two cards of one are one answer.
    seen = set()
    for name in _strings(document):
        match = _TARGET.search(name)
        architecture = match[0] if match else architecture_of(name)
        if architecture and architecture not in seen:
            seen.add(architecture)
            yield DetectedGpu(architecture, name if not match else architecture)


def _strings(document: Any, key: str = "") -> Iterator[str]:
    """Yield the texts of a JSON document that are a GPU's name or target."""
    # Each program nests its answer differently, so only the innermost keys are looked at.
    if isinstance(document, dict):
        for name, part in document.items():
            yield from _strings(part, str(name).lower())
    elif isinstance(document, list):
        for part in document:
            yield from _strings(part, key)
    elif isinstance(document, str) and (key in _NAMES or _TARGET.fullmatch(document.lower())):
        yield document.lower() if _TARGET.fullmatch(document.lower()) else document

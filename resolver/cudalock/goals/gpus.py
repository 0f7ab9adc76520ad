"""GPUs by what a user calls them, and the machines that have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.errors import BadTarget
from cudalock.names import nearest
from cudalock.targets import PLATFORMS
from cudalock.targets.accelerators import CPU, DEFAULT, OPTION, maker_of
from cudalock.text import either

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cudalock.matrix.gpus import GpuModel, Gpus


def read_gpus(texts: Iterable[str], gpus: Gpus) -> list[GpuModel]:
    """Return the GPUs that texts name, each a name, a number or a list. Raises BadTarget."""
    # Imported here: most goals name no GPU.
    from cudalock.matrix.gpus import split_names

    # Of separators alone the error names the whole text.
    return [_read_gpu(name, gpus) for text in texts for name in split_names(text) or [text]]


def _read_gpu(text: str, gpus: Gpus) -> GpuModel:
    model = gpus.match(text)
    # Builds for it can be wanted whatever the GPU, so that an unknown model is not the end.
    if model is None and (maker := maker_of(text)) is not None:
        raise BadTarget(
            f"unknown {maker.vendor} GPU `{text}`",
            hints=[
                *(f'`--gpu "{name}"`' for name in nearest(text, gpus.names)),
                f"`--{OPTION} {maker.name}` is for builds for {maker.title}, whatever the GPU",
            ],
        )
    if model is None:
        near = [f'`--gpu "{name}"`' for name in nearest(text, gpus.names)]
        if text.strip().lower() in (CPU, "none", "no"):
            near = [f"`--{DEFAULT.name} {CPU}` is for a build without {DEFAULT.title}"]
        raise BadTarget(
            f"unknown GPU or compute capability `{text}`",
            hints=near or ["`nvidia-smi --query-gpu=compute_cap --format=csv` prints the number"],
        )
    return model


def check_platform(platform: str, models: Iterable[GpuModel]) -> None:
    """Raise BadTarget for a GPU that no machine of a platform has."""
    for model in models:
        # Where nobody knows which machines have one, none is refuted.
        if platform in model.platforms or not model.platforms:
            continue
        rows = [PLATFORMS[name] for name in model.platforms]
        labels = either([row.label for row in rows])
        says = f"no {PLATFORMS[platform].label} machine has GPU {model.name}"
        raise BadTarget(
            f"{says}: it is in {labels} machines",
            hints=[f"--platform {row.flag}" for row in rows],
        )


def machines_of(models: Sequence[GpuModel]) -> tuple[str, ...]:
    """Return the platforms of the machines that GPUs are parts of, the likeliest first.

    None if they are cards, for many machines. Raises BadTarget if no machine has all of them.
    """
    common = [
        name
        for name in (models[0].platforms if models else ())
        if all(name in model.platforms for model in models)
    ]
    if models and not common:
        named = " and ".join(dict.fromkeys(model.name for model in models))
        raise BadTarget(f"no machine has {named}: they are of different platforms")
    return tuple(common) if any(model.is_of_machine for model in models) else ()

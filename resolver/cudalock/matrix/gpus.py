"""GPUs by the names that drivers, clouds and people have for them: `cuda/gpus.json`."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Final

from cudalock.errors import BadTarget
from cudalock.records import NamedTuple
from cudalock.targets import PLATFORMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

NVIDIA: Final = "nvidia"
"""The key of the vendor that a row without one belongs to."""

_BRANDS: Final = ("tesla", "quadro", "grid", "radeon", "instinct", "arc")
"""What stands before a model and tells it from another one at times: `Quadro RTX 6000`."""
_MAKER: Final = r"^(?:(?:NVIDIA|AMD|Intel(?:\(R\))?|Apple)\s+)?(?:GeForce\s+)?"
_SHORT_NAME: Final = 5
"""A GPU's name of fewer letters (`t4`, `a2`) is one only after a brand: texts have such words."""

# What a name says beside the model. The order counts: `3g.20gb` is a slice and no memory.
_BESIDE: Final = r"""
    ^gpu\ ?[0-9]{1,2}\ ?:                         # `GPU 0: NVIDIA A100`, of `nvidia-smi -L`
  | \(uuid:[^)]*\)
  | ^[0-9]{1,2}\ ?[x\xd7*]\ ?(?=[a-z])               # `2 x H100`, `8xA100`
  | \ ?[\xd7*:]\ ?[0-9]{1,2}$|\ x\ ?[0-9]{1,2}$      # `T4 x2`, `A100-80GB:4`
  | \bmig[ -][0-9]g\S*|\b[0-9]g\.[0-9]+gb\S*      # a slice: `MIG 3g.20gb`
  | (?<=[a-z0-9])-[0-9]{1,3}(?:-[0-9]{1,3})?[abcq]$   # a virtual GPU: `GRID T4-16Q`, `A100-3-20C`
  | \b[0-9]{1,3}\ ?gi?b\b|\b[0-9]{2,3}g\b|\bhbm[0-9]?e?\b
  | \bpci-?e?\b|\bsxm[0-9]?\b|\bnvl[0-9]*\b|\bdgxs\b|(?<=-)pg[0-9]+-[0-9]+\b
  | \((?:nvgpu|tm|r)\)|[™®]
  | \bmax-?[pq]\b|\bwith\b|\bdesign\b|\bgeneration\b|\bedition\b|\bworkstation\b|\bserver\b
  | \blaptop\b|\bmobile\b|\bnotebook\b|\bdesktop\b|\bembedded\b|\boem\b|\bsff\b|\bactive\b|\blc\b
  | \bdeveloper\ kit\b|\bdev\ ?kit\b|\bmodule\b|\bsuperchip\b
  | \bgpus?\b|\bgraphics\b|\bcard\b|\btensor\ core\b|\bnvidia\b|\bgeforce\b|\bmega\b|\bac\b
  | \bamd\b|\bintel\b|\bapple\b
  | \bcolab\b|\bkaggle\b|\b[dh]gx\b
    """
_CAPABILITY: Final = (
    r"(?:sm|cc|compute|capability|compute capability|cuda capability)?[ _:-]?"
    r"([0-9]{1,2})\.?([0-9])[af]?"
)
"""`8.6`, `sm_120`, `sm_90a`, `cc 12.0` and `compute_89`."""
_MAKERS: Final = ("nvidia", "geforce", "amd", "intel")
# How logs and people write a GPU that they do not name as its driver does. A letter with three
# digits is a model in capitals only (`H100`, `8xA100-80G`), shorter ones beside a word for a GPU.
_LOOSE: Final = (
    r"(?<![\w./\\-])(?:(?i:rtx|gtx)[ _-]?[A-Za-z]{0,3}[ _-]?[0-9]{3,4}(?:[ _-]?(?i:ti|super))?\b"
    r"|(?:[0-9]{1,2} ?[xX*\xd7] ?)?(?:[ABHPV][0-9]{3}[SX]?|A10G|L40S)(?=[^\w.]|[-_]|$)"
    r"|(?i:gpus?|card)[ :=]{1,3}(?:[A-Z][0-9]{1,3}[A-Z]?|[1-5]0[5-9]0(?: ?(?i:ti|super))?)"
    r"(?![\w.])"
    r"|(?:[A-Z][0-9]{1,3}[A-Z]?|[1-5]0[5-9]0(?: ?(?i:ti|super))?)(?= (?i:gpus?|graphics|card)\b)"
    r"|[TLAKM][0-9]{1,2}[SG]?(?=[^\w.]{1,4}(?i:on |in )?(?:google )?(?i:colab|kaggle)))"
)
_KEPT: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.")
_SERIES: Final = ("rtx", "gtx", "gt", "titan")
"""What people leave out before a model's number: `4090`, `a6000`, `pro 6000`."""


class GpuModel(NamedTuple):
    """A GPU, or all of one architecture."""

    name: str
    """as the table has it, `RTX 4090`; the architecture where nothing else was named"""
    architecture: str
    """the compute capability, `8.6`, of one by NVIDIA; another maker's own name for it"""
    vendor: str
    """a key of the table's `vendors`"""
    platforms: tuple[str, ...]
    """the platforms of the machines that have such a GPU, the likeliest first"""
    is_of_machine: bool = False
    """whether only certain machines have one: it is part of them, and no card"""
    distribution: str | None = None
    """the Linux that these machines come with, as a name of `repositories.toml`"""


class Gpus:
    """The GPUs of every vendor. Names are read with or without brand, memory and form."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        """`table` has `gpus`, `capabilities`, and optionally `vendors` and `instances`."""
        self._rows: Mapping[str, Any] = table["gpus"]
        self._vendors: Mapping[str, Any] = table.get("vendors", {})
        self._instances: Iterable[Mapping[str, Any]] = table.get("instances", ())
        self._capability_rows: Mapping[str, Any] = table.get("capabilities", {})

    @cached_property
    def models(self) -> dict[str, GpuModel]:
        """Each GPU by its name in the table; names of several GPUs left out."""
        return {
            name: self._model(name, row)
            for name, row in self._rows.items()
            if isinstance(row, str) or "either" not in row
        }

    @cached_property
    def by_name(self) -> dict[str, str]:
        """The compute capability of each GPU of NVIDIA, by the name without its brand."""
        return {
            name: model.architecture
            for name, model in self.models.items()
            if model.vendor == NVIDIA
        }

    @cached_property
    def capabilities(self) -> frozenset[str]:
        """Every compute capability that is known."""
        # Every solve looks here, for which 400 values of models are not made.
        named = {
            row if isinstance(row, str) else row["architecture"]
            for row in self._rows.values()
            if isinstance(row, str) or ("either" not in row and row.get("vendor", NVIDIA) == NVIDIA)
        }
        return frozenset(named).union(self._capability_rows)

    @property
    def names(self) -> list[str]:
        """The name of every GPU that is known."""
        return list(self.models)

    def vendor_title(self, vendor: str) -> str:
        """Return a vendor's name for people, by its key."""
        title: str = self._vendors.get(vendor, {}).get("title", vendor)
        return title

    def _model(self, name: str, row: str | Mapping[str, Any]) -> GpuModel:
        # A plain string is the architecture of one of NVIDIA's cards.
        if isinstance(row, str):
            row = {"architecture": row}
        vendor = row.get("vendor", NVIDIA)
        platforms = row.get("platforms", self._vendors.get(vendor, {}).get("platforms", ()))
        return GpuModel(
            name,
            row["architecture"],
            vendor,
            tuple(platforms),
            "platforms" in row,
            row.get("distribution"),
        )

    def find(self, text: str) -> str | None:
        """Return the compute capability that `RTX 5090`, `12.0` or `sm_120` means, if known.

        None also for a GPU of another vendor, and for a name of several GPUs.
        """
        try:
            model = self.match(text)
        except BadTarget:
            return None
        return model.architecture if model and model.vendor == NVIDIA else None

    def architecture(self, text: str) -> str | None:
        """Return the architecture of the GPU that a text names, whoever makes it; None if unknown,
        or of several."""
        try:
            model = self.match(text)
        except BadTarget:
            return None
        return model.architecture if model else None

    def match(self, text: str) -> GpuModel | None:
        """Return the GPU that a text is the name of, if known.

        Takes what nvidia-smi, torch and people write (`NVIDIA A100-SXM4-80GB MIG 3g.40gb`,
        `5070ti`), a compute capability, and a cloud's name of a machine (`g5.xlarge`). Raises
        BadTarget for a name of several GPUs with different architectures, `RTX 6000`.
        """
        lowered = " ".join(text.lower().split())
        if capability := re.fullmatch(_CAPABILITY, lowered):
            return self._of_capability(f"{capability[1]}.{capability[2]}")
        return (
            self._of_architecture(lowered)
            or self._of_instance(lowered)
            or self._of_name(text, lowered)
        )

    def _of_architecture(self, lowered: str) -> GpuModel | None:
        """Return the GPUs of an architecture that its vendor has a word for: `gfx1100`."""
        alike = [model for model in self.models.values() if model.architecture == lowered]
        if not alike:
            return None
        is_of_machine = all(model.is_of_machine for model in alike)
        return alike[0]._replace(name=lowered, is_of_machine=is_of_machine)

    def platforms_of(self, capability: str) -> tuple[str, ...]:
        """Return the platforms of machines with a GPU of this compute capability; every platform
        for one that is not known."""
        model = self._of_capability(capability)
        return model.platforms if model and model.platforms else tuple(PLATFORMS)

    def _of_capability(self, capability: str) -> GpuModel | None:
        if capability not in self.capabilities:
            return None
        alike = [
            model
            for model in self.models.values()
            if model.vendor == NVIDIA and model.architecture == capability
        ]
        platforms = dict.fromkeys(name for model in alike for name in model.platforms)
        if not alike:
            platforms = dict.fromkeys(self._vendors.get(NVIDIA, {}).get("platforms", ()))
        is_of_machine = bool(alike) and all(model.is_of_machine for model in alike)
        return GpuModel(capability, capability, NVIDIA, tuple(platforms), is_of_machine)

    def _of_instance(self, lowered: str) -> GpuModel | None:
        # A pattern's star would take the next words of a sentence too.
        if " " in lowered:
            return None
        for row in self._instances:
            if any(fnmatchcase(lowered, pattern) for pattern in row["names"]):
                model = self.models[row["gpu"]]
                return model._replace(name=lowered)
        return None

    def _of_name(self, text: str, lowered: str) -> GpuModel | None:
        # The whole name first: `Tegra X2` is no pair of Tegras.
        found = self._by_name.get(_joined(lowered)) or self._of_part_of_name(lowered)
        if found is None or len({model.architecture for model in found}) == 1:
            return found[0] if found else None
        names = [model.name for model in found]
        raise BadTarget(
            f"`{text}` is the name of several GPUs: {', '.join(names)}",
            hints=[f'--gpu "{name}"' for name in names],
        )

    def _of_part_of_name(self, lowered: str) -> tuple[GpuModel, ...] | None:
        """Return the GPUs that a name may mean without memory, form and brand, if any."""
        plain = _plain(lowered)
        unbranded = _plain(_without_brands(lowered)) or plain
        if not plain:
            return None
        for names in (self._by_name, self._by_plain_name):
            if found := names.get(plain) or names.get(unbranded):
                return found
        return self._of_number(unbranded) or self._of_parts(lowered)

    def _of_number(self, plain: str) -> tuple[GpuModel, ...] | None:
        """Return the GPUs that a number may mean, `3090`, `a6000`, if all are of one architecture.

        There are an M6000, a P6000 and an RTX A6000: `6000` is none of them.
        """
        # `RTX` alone is no TITAN RTX.
        if not any(map(str.isdigit, plain)):
            return None
        for series in _SERIES:
            if found := self._by_name.get(series + plain):
                return found
        if not re.fullmatch(r"[0-9]{3,4}(?:ti|super|xtx?)*", plain):
            return None
        models = [
            model
            for name, named in self._by_name.items()
            if re.fullmatch(rf"[a-z]+{plain}", name)
            for model in named
        ]
        alike = len({model.architecture for model in models}) == 1
        return tuple(models) if alike else None

    def _of_parts(self, lowered: str) -> tuple[GpuModel, ...] | None:
        """Return the GPU of these words in another order: `RTX 6000 Pro`."""
        parts = _parts(_strip(lowered))
        return self._by_parts.get(parts) if len(parts) > 2 else None

    @cached_property
    def _by_name(self) -> dict[str, tuple[GpuModel, ...]]:
        """The GPUs by their names in one word, `quadrortx6000`, and without a brand."""
        named: dict[str, tuple[GpuModel, ...]] = {
            _joined(name.lower()): (model,) for name, model in self.models.items()
        }
        for name, row in self._rows.items():
            if not isinstance(row, str) and "either" in row:
                named[_joined(name.lower())] = tuple(self.models[one] for one in row["either"])
        for name, model in self.models.items():
            named.setdefault(_joined(_without_brands(name.lower())), (model,))
        return named

    @cached_property
    def _by_plain_name(self) -> dict[str, tuple[GpuModel, ...]]:
        """The same by what is left of their names without memory and form: it takes longer."""
        named: dict[str, tuple[GpuModel, ...]] = {}
        for name, model in self.models.items():
            named.setdefault(_plain(name.lower()), (model,))
        return named

    @cached_property
    def _by_parts(self) -> dict[tuple[str, ...], tuple[GpuModel, ...]]:
        by_parts: dict[tuple[str, ...], tuple[GpuModel, ...]] = {}
        for name, model in self.models.items():
            by_parts.setdefault(_parts(name.lower()), (model,))
        return by_parts

    def find_in(self, text: str) -> GpuModel | None:
        """Return the GPU that a text names, if any.

        Of several the longest name counts: `rtx 3060 ti` has `rtx 3060` in it. A name of several
        GPUs is none.
        """
        lowered = text.lower()
        named = [name for name in self._rows if _is_named(lowered, name.lower())]
        longest = max(named, key=len, default=None)
        return self.models.get(longest) if longest else self._find_loosely(text)

    def _find_loosely(self, text: str) -> GpuModel | None:
        """Return the GPU that a text names as people write it; None where it names several."""
        words = {
            re.sub(r"^(?:gpus?|card)[ :=]+", "", word.lower()) for word in re.findall(_LOOSE, text)
        }
        try:
            models = [model for word in sorted(words) if (model := self.match(word))]
        except BadTarget:  # a name of several GPUs
            return None
        return models[0] if len({model.architecture for model in models}) == 1 else None

    def unknown_names(self) -> Iterator[tuple[str, str]]:
        """Yield where a row names a GPU that the table does not have, and that name."""
        for name, row in self._rows.items():
            for one in () if isinstance(row, str) else row.get("either", ()):
                if one not in self.models:
                    yield f"gpus[{name!r}]", one
        for row in self._instances:
            if row["gpu"] not in self.models:
                yield "instances", row["gpu"]

    def collisions(self) -> Iterator[tuple[str, str]]:
        """Yield pairs of GPUs that are read alike and differ in architecture."""
        names_by_key: dict[object, list[str]] = {}
        for name in self.models:
            for key in (_joined(name.lower()), _parts(name.lower())):
                names_by_key.setdefault(key, []).append(name)
        for names in names_by_key.values():
            for name in names[1:]:
                if self.models[name].architecture != self.models[names[0]].architecture:
                    yield names[0], name


def model_name(name: str) -> str:
    """Return a GPU's name as its driver reports it without maker and brand: `RTX 4090`."""
    return re.sub(_MAKER, "", name.strip()) or name


def split_names(text: str) -> list[str]:
    """Split a list of GPUs: `RTX 3090, RTX 4090`, `A100 and H100`, the lines of `nvidia-smi -L`."""
    return [part for part in re.split(r"\s*(?:[,;\n]|\band\b|\s\+\s)\s*", text.strip()) if part]


def _without_brands(lowered: str) -> str:
    if not any(brand in lowered for brand in _BRANDS):
        return lowered
    return re.sub(rf"\b(?:{'|'.join(_BRANDS)})\b", " ", lowered)


@cache
def _beside() -> re.Pattern[str]:
    """Compile the pattern where a name needs it: it takes longer than all else here."""
    return re.compile(_BESIDE, re.VERBOSE)


def _joined(lowered: str) -> str:
    """Return the letters and digits of a name, its maker left out: `quadrortx6000`."""
    # Done for each name of the table: a regular expression takes three times as long.
    joined = "".join(filter(_KEPT.__contains__, lowered))
    for maker in _MAKERS:
        joined = joined.replace(maker, "")
    return joined


def _plain(lowered: str) -> str:
    """Return what people agree on of a GPU's name: `rtx4090` of `nvidia geforce rtx 4090`."""
    return re.sub(r"[^a-z0-9.]", "", _strip(lowered))


def _strip(lowered: str) -> str:
    """Return a name without what it says beside the model."""
    # `4070s` is short for 4070 SUPER.
    spaced = re.sub(r"(?<=[0-9]{4})s\b", " super", lowered.replace("_", " "))
    # What one pass removes may have stood between two others.
    while (shorter := " ".join(_beside().sub(" ", spaced).split()).strip(" -")) != spaced:
        spaced = shorter
    return spaced


def _parts(lowered: str) -> tuple[str, ...]:
    """Return the words and numbers of a name, sorted."""
    return tuple(sorted(re.findall(r"[a-z]+|[0-9.]+", _without_brands(lowered))))


def _is_named(text: str, name: str) -> bool:
    if name not in text:
        return False
    brands = "|".join(("nvidia", "geforce", "amd", "intel", "apple", *_BRANDS))
    before = rf"(?:{brands}) " if len(name) < _SHORT_NAME else r"(?<![a-z0-9])"
    return re.search(f"{before}{re.escape(name)}(?![a-z0-9])", text) is not None

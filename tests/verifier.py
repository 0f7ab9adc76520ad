"""An independent check of an answer: which facts, requirements, tags and wishes does it break?

It reads the matrix's files itself and shares no code with the package, so that a mistake in a
loader or in the engine is not repeated here. Only PEP things are left to ``packaging``. A goal and
a target are taken as plain values, for their fields.
"""

from __future__ import annotations

import fnmatch
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from packaging import tags as wheel_tags
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.paths import MATRIX

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from cudalock.goals import Goal
    from cudalock.lock import Lock
    from cudalock.targets import Target


GPU_KINDS: Final = {
    "gpu": r"(\d+\.\d+)",
    "gfx": r"gfx(\d+)([0-9a-f])([0-9a-f])",
    "xe": r"xe(\d+\.\d+)",
    "apple": r"apple-m(\d+)",
}
"""What a GPU's architecture looks like, by the component that facts know it as."""
ACCELERATORS: Final = {"gpu": "cuda", "gfx": "rocm", "xe": "xpu"}
"""What builds are made for, by the GPUs that run them."""
USED_BY: Final = {**ACCELERATORS, "driver": "cuda"}
"""What builds use a part of the machine: those for nothing do with a part that does not work."""
OF_THE_MACHINE: Final = ("python", "glibc", "driver", "jetpack", *GPU_KINDS)
OF_THE_FRAMEWORK: Final = ("cuda", "cudnn", "cxx11abi", "rocm", "xpu")
FRAMEWORK: Final = "torch"

TRUSTED: Final = {
    "official": {"own"},
    "known": {"own", "known"},
    "any": {"own", "known", "other"},
}

_MARKERS: Final = {
    "linux-x86_64": ("linux", "Linux", "x86_64", "posix"),
    "linux-aarch64": ("linux", "Linux", "aarch64", "posix"),
    "windows-x86_64": ("win32", "Windows", "AMD64", "nt"),
    "windows-arm64": ("win32", "Windows", "ARM64", "nt"),
    "macos-arm64": ("darwin", "Darwin", "arm64", "posix"),
    "macos-x86_64": ("darwin", "Darwin", "x86_64", "posix"),
}


# -- PEP things, made once ----------------------------------------------------------------------


@cache
def version_of(text: str) -> Version:
    return Version(text)


@cache
def specifiers(text: str) -> SpecifierSet:
    return SpecifierSet(text)


@cache
def requirement(text: str) -> Requirement:
    return Requirement(text)


@cache
def inside(version: str, specifier: str) -> bool:
    """Whether a version is in a range; which pre-releases may be taken is decided elsewhere."""
    return not specifier or specifiers(specifier).contains(version_of(version), prereleases=True)


def marker_environment(target: Target) -> dict[str, str]:
    """What PEP 508 markers read on the target; `3.12` is read as 3.12.0."""
    system, platform, machine, os_name = _MARKERS[target.platform]
    full = target.python if target.python.count(".") == 2 else f"{target.python}.0"
    return {
        "implementation_name": "cpython",
        "implementation_version": full,
        "os_name": os_name,
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": platform,
        "platform_version": "",
        "python_full_version": full,
        "python_version": ".".join(full.split(".")[:2]),
        "sys_platform": system,
    }


def tag_ranks(target: Target) -> dict[str, int]:
    """Every tag the target's installer takes, with its place in the installer's order."""
    minor = int(target.python.split(".")[1])
    abi = f"cp3{minor}{'t' if target.free_threaded else ''}"
    platforms = list(_platforms(target))
    found = [
        *wheel_tags.cpython_tags((3, minor), [abi], platforms),
        *wheel_tags.compatible_tags((3, minor), f"cp3{minor}", platforms),
    ]
    ranks: dict[str, int] = {}
    for place, tag in enumerate(found):
        ranks.setdefault(str(tag), place)
    return ranks


def _platforms(target: Target) -> Iterator[str]:
    system, _, arch = target.platform.partition("-")
    if system == "windows":
        yield "win_amd64" if arch == "x86_64" else "win_arm64"
    elif system == "macos":
        major, minor = (int(part) for part in str(target.macos).split(".")[:2])
        yield from wheel_tags.mac_platforms((major, minor), arch)
    else:
        legacy = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
        yield f"linux_{arch}"
        for minor in range(int(str(target.glibc).split(".")[1]), 4, -1):
            if arch == "aarch64" and minor < 17:
                break
            yield f"manylinux_2_{minor}_{arch}"
            if minor in legacy:
                yield f"{legacy[minor]}_{arch}"


# -- the matrix as its files have it --------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Row:
    """The wheels of one build of one release."""

    project: str
    version: str
    release: Mapping[str, Any]
    build: Mapping[str, Any]

    @property
    def place(self) -> str:
        """The index or the builder that has it."""
        return str(self.build.get("builder") or self.build.get("index") or "pypi")

    @property
    def tag(self) -> str:
        return str(self.build.get("tag", ""))

    @property
    def local(self) -> str:
        return str(self.build.get("local", ""))

    @cached_property
    def full_version(self) -> str:
        return f"{self.version}+{self.local}" if self.local else self.version

    @property
    def python(self) -> str:
        return str(self.build.get("python", self.release.get("python", "")))

    @property
    def requires(self) -> list[str]:
        found: list[str] = self.build.get("requires", self.release.get("requires", []))
        return found

    @property
    def is_derived(self) -> bool:
        return self.build.get("known") == "derived"

    @property
    def has_warning(self) -> bool:
        return bool(self.build.get("warning"))

    @cached_property
    def labels(self) -> dict[str, list[str]]:
        labels = {name: _listed(value) for name, value in self.build.get("labels", {}).items()}
        # What is made for one accelerator, or for none, is made for no other.
        if any(name in labels for name in ACCELERATORS.values()):
            labels |= {name: ["none"] for name in ACCELERATORS.values() if name not in labels}
        return labels

    def files(self) -> Iterator[tuple[str, str, str | None]]:
        """File name, tags and digest of each wheel."""
        for tags, digest, *rest in self.build["wheels"]:
            dist = (rest[0] if rest else {}).get("dist", self.project.replace("-", "_"))
            yield f"{dist}-{self.full_version}-{tags}.whl", tags, digest

    @cached_property
    def place_values(self) -> dict[str, list[str]]:
        """What ``where`` of a fact may ask for."""
        places = {
            key: [str(self.build[key])]
            for key in ("index", "builder", "tag", "local")
            if self.build.get(key)
        }
        return {**self.labels, **places}


def best_rank(row: Row, ranks: Mapping[str, int]) -> int | None:
    """The rank of the row's best wheel on a target, None where none fits."""
    found = (wheel_rank(tags, ranks) for _, tags, _ in row.files())
    return min((rank for rank in found if rank is not None), default=None)


def preferred(row: Row, ranks: Mapping[str, int]) -> set[str]:
    """The file to take of those that fit: a bare `linux_x86_64` promises no glibc, so it is last.

    Several where they are alike but for the build tag.
    """
    fitting = {
        file: ("-linux_" in tags, rank)
        for file, tags, _ in row.files()
        if (rank := wheel_rank(tags, ranks)) is not None
    }
    best = min(fitting.values(), default=None)
    return {file for file, key in fitting.items() if key == best}


def wheel_rank(tags: str, ranks: Mapping[str, int]) -> int | None:
    """The rank of the best tag in a compressed set, a build tag in front not counted."""
    pythons, abis, platforms = tags.split("-")[-3:]
    found = (
        ranks.get(f"{python}-{abi}-{platform}")
        for python in pythons.split(".")
        for abi in abis.split(".")
        for platform in platforms.split(".")
    )
    return min((rank for rank in found if rank is not None), default=None)


@dataclass(frozen=True)
class Need:
    """One thing a fact asks: any of the alternatives, each a name and a specifier.

    The specifier None says that the name must be absent.
    """

    verb: str
    alternatives: tuple[tuple[str, str | None], ...]

    @property
    def is_of_the_machine(self) -> bool:
        return self.alternatives[0][0] in OF_THE_MACHINE


class Book:
    """The matrix's files, read here and in no other way."""

    def __init__(self, directory: Path = MATRIX) -> None:
        self.directory = directory
        self.header = _toml(directory / "matrix.toml")
        self.components: dict[str, dict[str, Any]] = {}
        for path in sorted((directory / "components").glob("*.toml")):
            table = _toml(path)
            self.components[table["name"]] = table
        self._add_shared_triton(directory)
        self.trust = {row["id"]: row.get("trust", "own") for row in self.header["index"]}
        self.trust |= {row["id"]: row["trust"] for row in self.header.get("builder", ())}
        self._rows: dict[str, list[Row]] = {}
        # A formula asks these of thousands of rows, and most answers are the same for all.
        self._owners: dict[str, tuple[str, dict[str, Any]]] = {}
        self._replacing: dict[str, list[dict[str, Any]]] = {}
        for name, component in self.components.items():
            for fact in component.get("fact", ()):
                self._owners.setdefault(fact["id"], (name, fact))
                if "replaces" in fact:
                    required = fact["replaces"]["requirement"]
                    self._replacing.setdefault(required, []).append(fact["replaces"])
        self._in_force: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        self._wanted: dict[tuple[object, ...], list[tuple[str, str, frozenset[str]]]] = {}

    def _add_shared_triton(self, directory: Path) -> None:
        """Two projects that install Triton's files are a conflict."""
        path = directory / "shared_files.toml"
        for file in _toml(path)["file"] if path.is_file() else ():
            if not file["path"].startswith("triton/"):
                continue
            before: list[str] = []
            for each in file["of"]:
                holder = Requirement(each)
                fact = {
                    "id": f"{holder.name}-{file['id']}",
                    "effect": "breaks",
                    "for": str(holder.specifier),
                    "conflicts": list(before),
                }
                if before and (known := self.components.get(holder.name)):
                    known["fact"] = [*known.get("fact", ()), fact]
                if not holder.specifier:
                    before.append(holder.name)

    def rows(self, project: str) -> list[Row]:
        """Every row of a project, in the file's order; none where it is not held."""
        if project not in self._rows:
            path = self.directory / "index" / f"{project}.json"
            table = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
            self._rows[project] = [
                Row(project, version, release, build)
                for version, release in table.get("releases", {}).items()
                for build in release.get("builds")
                or [{"index": "pypi", "wheels": release.get("wheels", [])}]
            ]
        return self._rows[project]

    def holds(self, project: str) -> bool:
        return bool(self.rows(project))

    def facts(
        self,
        component: str,
        environment: Mapping[str, str],
        version: str,
        row: Row | None,
        perhaps: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """The facts in force about one choice that a solve can decide; with `perhaps` those that
        are not, where that is because the row lacks a label."""
        key = (component, *environment.values())
        if key not in self._in_force:
            self._in_force[key] = list(self._facts_in_force(component, environment))
        for fact in self._in_force[key]:
            if inside(version, fact.get("for", "")) and (
                _is_perhaps(fact, row) if perhaps else _is_where(fact, row)
            ):
                yield fact

    def _facts_in_force(
        self, component: str, environment: Mapping[str, str]
    ) -> Iterator[dict[str, Any]]:
        for fact in self.components.get(component, {}).get("fact", ()):
            if fact.get("scope", "solve") != "solve":
                continue
            if "when" in fact and not marker_holds(fact["when"], environment):
                continue
            # Those for goals without torch warn of what is not there, which a lock says itself.
            if not fact.get("alone"):
                yield fact

    def owner(self, id: str) -> str:
        """The component that a fact is about."""
        return self._owners[id][0]

    def fact(self, id: str) -> dict[str, Any]:
        """A fact by its id."""
        return self._owners[id][1]

    def named_beside(self, fact: Mapping[str, Any]) -> set[str]:
        """The components that a fact speaks of beside its own."""
        texts = [
            text
            for verb in ("requires", "constrains", "conflicts")
            for entry in fact.get(verb, ())
            for text in _listed(entry)
        ]
        return {match[0] for text in texts if (match := re.search(r"[\w.-]+", text))}

    def meant(self, name: str, environment: Mapping[str, str]) -> str:
        """The project that a goal's name stands for on the target."""
        for alias in self.components.get(name, {}).get("alias", ()):
            if "when" not in alias or marker_holds(alias["when"], environment):
                return str(alias["name"])
        return name

    def wanted(
        self, row: Row, environment: Mapping[str, str], extras: Iterable[str] = ()
    ) -> list[tuple[str, str, frozenset[str]]]:
        """What a row's metadata requires, corrected by facts: name, specifier, extras."""
        place, extras = tuple(environment.items()), tuple(extras)
        # The builds of a release mostly require the same.
        key = (row.project, row.version, *row.requires, place, extras)
        if key not in self._wanted:
            self._wanted[key] = list(self._read_wanted(row, environment, place, extras))
        return self._wanted[key]

    def _read_wanted(
        self,
        row: Row,
        environment: Mapping[str, str],
        place: tuple[tuple[str, str], ...],
        extras: tuple[str, ...],
    ) -> Iterator[tuple[str, str, frozenset[str]]]:
        for text in row.requires:
            parsed = requirement(text)
            marker = marker_of(text)
            if marker and not any(_is_so(marker, extra, place) for extra in ("", *extras)):
                continue
            name = canonicalize_name(parsed.name)
            replaced = self._replacement(row, name, environment)
            if replaced is None:
                yield name, str(parsed.specifier), frozenset(parsed.extras)
            elif replaced.get("with"):
                yield canonicalize_name(replaced["with"]), "", frozenset()

    def _replacement(
        self, row: Row, name: str, environment: Mapping[str, str]
    ) -> dict[str, Any] | None:
        for table in self._replacing.get(name, ()):
            of = requirement(table["of"])
            if of.name != row.project or not inside(row.version, str(of.specifier)):
                continue
            if "when" not in table or marker_holds(table["when"], environment):
                return table
        return None


@cache
def marker_of(text: str) -> str:
    """The marker of a requirement, empty where it has none."""
    return str(requirement(text).marker or "")


def marker_holds(marker: str, environment: Mapping[str, str]) -> bool:
    return _is_so(marker, "", tuple(environment.items()))


@cache
def _is_so(marker: str, extra: str, environment: tuple[tuple[str, str], ...]) -> bool:
    # Thousands of requirements have some hundred markers.
    return Marker(marker).evaluate({**dict(environment), "extra": extra})


def _is_where(fact: Mapping[str, Any], row: Row | None) -> bool:
    values = row.place_values if row else {}
    return all(
        any(
            fnmatch.fnmatchcase(value, pattern) for value in values.get(key, ()) for pattern in wish
        )
        for key, wish in ((key, _listed(wish)) for key, wish in fact.get("where", {}).items())
    )


def _is_perhaps(fact: Mapping[str, Any], row: Row | None) -> bool:
    """Whether a row lacks a label that says whether the fact is about it."""
    where = fact.get("where", {})
    known = row.place_values if row else {}
    lacking = {
        key
        for key in where
        if not known.get(key) and key not in ("index", "builder", "tag", "local")
    }
    rest = {key: wish for key, wish in where.items() if known.get(key)}
    return len(lacking) + len(rest) == len(where) > len(rest) and _is_where({"where": rest}, row)


def needs(fact: Mapping[str, Any], version: str, row: Row | None) -> Iterator[Need]:
    """What a fact asks beside one choice, its templates filled from the row's labels."""
    labels = {"version": [version], **(row.labels if row else {})}
    for verb in ("requires", "constrains", "conflicts"):
        for entry in fact.get(verb, ()):
            filled = [_filled(text, labels) for text in _listed(entry)]
            if None not in filled:
                yield Need(verb, tuple(each for found in filled for each in found or ()))


def unknown_about(
    book: Book, row: Row, environment: Mapping[str, str], ranks: Mapping[str, int]
) -> set[str]:
    """The components that facts speak of by labels which the row lacks: nobody knows whether it
    goes with them. A wheel without compiled code has nothing to be known."""
    known: set[str] = set()
    asked: set[str] = set()
    if all(file.endswith("-none-any.whl") for file in preferred(row, ranks)):
        return known
    if all(row.labels.get(name) == ["none"] for name in ACCELERATORS.values()):
        return known
    for fact in book.facts(row.project, environment, row.version, row):
        for verb in ("requires", "constrains", "conflicts"):
            for text in (each for entry in fact.get(verb, ()) for each in _listed(entry)):
                holes = [name for name in re.findall(r"\{(\w+)", text) if name != "version"]
                name = re.match(r"\s*([\w.-]+)", text)
                assert name, text
                if any(not row.labels.get(hole) for hole in holes):
                    asked.add(name[1])
                elif holes or re.search(r"==[^*,]*$", text):
                    known.add(name[1])
    for fact in book.facts(row.project, environment, row.version, row, perhaps=True):
        asked |= book.named_beside(fact)
    return asked - known


def _filled(text: str, labels: Mapping[str, list[str]]) -> list[tuple[str, str | None]] | None:
    match = re.fullmatch(r"\s*([\w.-]+)\s*(.*?)\s*", text)
    assert match, text
    name, specifier = match[1], match[2]
    hole = re.search(r"\{(\w+)(?::(\w+))?\}", specifier)
    if hole is None:
        return [(name, specifier)]
    values = labels.get(hole[1], [])
    if not values:
        return None
    if "none" in values:
        return [(name, None)]
    shaped = [_shaped(value, hole[2]) for value in values]
    return [(name, specifier[: hole.start()] + each + specifier[hole.end() :]) for each in shaped]


def _shaped(value: str, form: str | None) -> str:
    numbers = value.split(".")
    if form == "major":
        return numbers[0]
    if form == "minor":
        return ".".join(numbers[:2])
    if form == "gpu":
        if value.endswith("+PTX"):
            return ">=" + value.removesuffix("+PTX")
        if value.endswith("a"):
            return "==" + value.removesuffix("a")
        return f">={value},<{int(numbers[0]) + 1}"
    if form == "gfx":
        return version_of_gpu("gfx", value)
    return value


def version_of_gpu(kind: str, architecture: str) -> str:
    """The architecture of a GPU as facts compare it: gfx90a is 9.0.10."""
    match = re.fullmatch(GPU_KINDS[kind], architecture)
    assert match, architecture
    first, *rest = match.groups()
    return ".".join([first, *(str(int(digit, 16)) for digit in rest)])


def _listed(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


# -- the check ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """One pin, with what tells its wheel from another of the same name."""

    name: str
    version: str
    file: str
    place: str = ""
    url: str | None = None
    sha256: str | None = None


def choices_of(lock: Lock) -> list[Choice]:
    """The pins of a lock."""
    return [
        Choice(
            pin.name,
            pin.version,
            pin.wheel.file,
            pin.wheel.builder or pin.wheel.index or "",
            pin.wheel.url,
            pin.wheel.sha256,
        )
        for pin in lock.pins
    ]


@dataclass
class Report:
    """What is wrong; ``warnings`` are the ids of the soft facts that the answer goes against."""

    errors: list[str] = field(default_factory=list)
    warnings: set[str] = field(default_factory=set)
    rows: dict[str, Row] = field(default_factory=dict)


def machine_values(target: Target) -> dict[str, list[str]]:
    """The target's own components; what is not known is not there."""
    environment = marker_environment(target)
    values = {"python": [environment["python_full_version"]]}
    for kind, pattern in GPU_KINDS.items():
        gpus = [gpu for gpu in target.gpus if re.fullmatch(pattern, gpu)]
        values[kind] = [version_of_gpu(kind, gpu) for gpu in gpus]
    if target.glibc:
        values["glibc"] = [target.glibc]
    if target.jetpack:
        values["jetpack"] = [target.jetpack]
    if target.driver:
        # A driver of two numbers stands for the newest of its series.
        whole = target.driver.count(".") >= 2
        values["driver"] = [target.driver if whole else f"{target.driver}.99999"]
    return {name: found for name, found in values.items() if found}


def verify(book: Book, goal: Goal, target: Target, choices: Iterable[Choice]) -> Report:
    """Check an answer against everything that the matrix says."""
    return _Verifier(book, goal, target, list(choices)).report()


class _Verifier:
    def __init__(self, book: Book, goal: Goal, target: Target, choices: list[Choice]) -> None:
        self.book, self.goal, self.target = book, goal, target
        self.environment = marker_environment(target)
        self.choices = choices
        self.found = Report()
        self.virtual: dict[str, str | None] = {}
        """None: absent; no key: the framework's build does not say"""

    def report(self) -> Report:
        for choice in self.choices:
            if choice.name in self.found.rows:
                self._wrong(f"{choice.name} is pinned twice")
            row = self._row(choice)
            if row is not None:
                self.found.rows[choice.name] = row
                self._check_wheel(choice, row)
        self.virtual = self._virtual_values()
        for name, row in self.found.rows.items():
            self._check_facts(name, row.version, row)
        for name, value in self.virtual.items():
            if value is not None:
                self._check_facts(name, value, None)
        for name, values in machine_values(self.target).items():
            for value in values:
                self._check_facts(name, value, None)
        self._check_goal()
        self._check_requirements()
        self._check_yanked()
        return self.found

    def _wrong(self, text: str) -> None:
        self.found.errors.append(text)

    def _row(self, choice: Choice) -> Row | None:
        rows = [
            row
            for row in self.book.rows(choice.name)
            if choice.version in (row.version, row.full_version)
            and choice.place in ("", row.place)
            and any(file == choice.file for file, _, _ in row.files())
            and (not row.tag or choice.url is None or f"/{row.tag}/" in choice.url)
        ]
        if choice.sha256:
            exact = [row for row in rows if choice.sha256 in {found for _, _, found in row.files()}]
            rows = exact
        if not rows:
            self._wrong(f"{choice.file} of {choice.name} {choice.version} is no row of the matrix")
            return None
        return rows[0]

    def _check_wheel(self, choice: Choice, row: Row) -> None:
        ranks = tag_ranks_of(self.target)
        tags = next(tags for file, tags, _ in row.files() if file == choice.file)
        rank = wheel_rank(tags, ranks)
        if rank is None:
            self._wrong(f"{choice.file} does not fit the target")
        elif choice.file not in preferred(row, ranks):
            self._wrong(f"{choice.file} is not the best wheel of its build")
        if row.python and not inside(self.environment["python_full_version"], row.python):
            self._wrong(f"{choice.name} {row.version} wants Python {row.python}")
        if self.book.trust[row.place] not in TRUSTED[self.goal.builders]:
            self._wrong(f"{choice.file} is by {row.place}, which is not accepted")
        limit = self.goal.exclude_newer
        if limit and row.release.get("uploaded", "9999") > limit:
            self._wrong(f"{choice.name} {row.version} is newer than {limit}")

    def _virtual_values(self) -> dict[str, str | None]:
        row = self.found.rows.get(FRAMEWORK)
        if row is None:
            return {}
        found: dict[str, str | None] = {}
        for name in OF_THE_FRAMEWORK:
            for value in row.labels.get(name, ()):
                found[name] = None if value == "none" else value
        return found

    # -- facts --------------------------------------------------------------------------------

    def _check_facts(self, name: str, version: str, row: Row | None) -> None:
        for fact in self.book.facts(name, self.environment, version, row):
            unused = row is None and self._is_unused(name)
            broken = [
                f"{need.verb} {need.alternatives}"
                for need in needs(fact, version, row)
                if not self._is_met(need) and not (unused and need.is_of_the_machine)
            ]
            if fact.get("refuses") and not unused:
                broken.append("refuses it")
            if not broken:
                continue
            if fact["effect"] == "breaks" or self.goal.strict:
                self._wrong(f"{name} {version}: [{fact['id']}] {'; '.join(broken)}")
            else:
                self.found.warnings.add(fact["id"])

    def _is_unused(self, part: str) -> bool:
        """Whether a part of the machine is one that this answer does not use."""
        return part in USED_BY and self.virtual.get(USED_BY[part]) is None

    def _is_met(self, need: Need) -> bool:
        name = need.alternatives[0][0]
        if need.is_of_the_machine:
            # Of several GPUs each must be served, but not all by the same alternative.
            return all(
                any(inside(value, specifier or "") for _, specifier in need.alternatives)
                for value in machine_values(self.target).get(name, ())
            )
        return any(self._holds(need.verb, *each) for each in need.alternatives)

    def _holds(self, verb: str, name: str, specifier: str | None) -> bool:
        present = self._values(name)
        if present is None:
            return True
        if not present:
            return verb != "requires" or specifier is None
        if verb == "conflicts" or specifier is None:
            return False
        return any(inside(value, specifier) for value in present)

    def _values(self, name: str) -> list[str] | None:
        """The version of a component here: empty where absent, None where nobody knows."""
        if name in OF_THE_FRAMEWORK:
            if name not in self.virtual:
                return None
            value = self.virtual[name]
            return [] if value is None else [value]
        row = self.found.rows.get(name)
        return [] if row is None else [row.version]

    # -- the goal and the metadata ------------------------------------------------------------

    def _check_goal(self) -> None:
        for text in map(str, self.goal.requirements):
            self._check_wish(text, must_be_there=True)
        for text in map(str, self.goal.constraints):
            self._check_wish(text, must_be_there=False)
        if FRAMEWORK in self.found.rows:
            self._check_cuda()

    def _check_wish(self, text: str, must_be_there: bool) -> None:
        parsed = requirement(text)
        if parsed.marker and not parsed.marker.evaluate(self.environment):
            return
        row = self.found.rows.get(self.book.meant(canonicalize_name(parsed.name), self.environment))
        if row is None:
            if must_be_there:
                self._wrong(f"the goal asks for {text}")
            return
        version = row.full_version if "+" in str(parsed.specifier) else row.version
        if not inside(version, str(parsed.specifier)):
            self._wrong(f"the goal asks for {text}, not {row.full_version}")

    def _check_cuda(self) -> None:
        wish = self.goal.accelerator
        built_for = {
            name: self.virtual[name]
            for name in ACCELERATORS.values()
            if self.virtual.get(name) is not None
        }
        if len(built_for) > 1:
            self._wrong(f"one build cannot be for {' and '.join(built_for)}")
        if wish is not None and wish.name in ("cpu", "mps"):
            if built_for:
                self._wrong(f"the goal asks for a build without {' and '.join(built_for)}")
        elif wish is not None:
            version = built_for.get(wish.name)
            if version is None or (wish.specifier and not inside(version, wish.specifier)):
                self._wrong(f"the goal asks for {wish.name} {wish.specifier}, not {built_for}")
        elif not _names_a_build(self.goal):
            name = wanted_accelerator(self.target)
            if name is not None and name not in built_for:
                self._wrong(f"a build with {name} is wanted")

    def _check_requirements(self) -> None:
        """Everything required is there, and nothing else is."""
        asked: dict[str, set[str]] = {}
        waiting = [
            (self.book.meant(canonicalize_name(parsed.name), self.environment), parsed.extras)
            for parsed in map(requirement, map(str, self.goal.requirements))
            if parsed.marker is None or parsed.marker.evaluate(self.environment)
        ]
        while waiting:
            name, extras = waiting.pop()
            if name in asked and extras <= asked[name]:
                continue
            asked.setdefault(name, set()).update(extras)
            row = self.found.rows.get(name)
            if row is None:
                continue
            for other, specifier, wanted in self.book.wanted(row, self.environment, asked[name]):
                self._check_requirement(row, other, specifier)
                waiting.append((other, set(wanted)))
            for fact in self.book.facts(name, self.environment, row.version, row):
                for need in needs(fact, row.version, row):
                    if need.verb == "requires":
                        waiting += [(other, set()) for other, _ in need.alternatives]
        if self.goal.toolkit or self.goal.cudnn:
            return  # those ask for projects by tables that are not read here
        for name in self.found.rows.keys() - asked.keys():
            self._wrong(f"nothing asks for {name}")

    def _check_requirement(self, row: Row, name: str, specifier: str) -> None:
        found = self.found.rows.get(name)
        if found is None:
            self._wrong(f"{row.project} {row.version} requires {name}{specifier}: not there")
            return
        version = found.full_version if "+" in specifier else found.version
        if not inside(version, specifier):
            self._wrong(f"{row.project} {row.version} requires {name}{specifier}, not {version}")

    def _check_yanked(self) -> None:
        """A yanked release is only for those who pin it."""
        yanked = {name for name, row in self.found.rows.items() if row.release.get("yanked")}
        for row in self.found.rows.values() if yanked else ():
            for name, specifier, _ in self.book.wanted(row, self.environment, extras_named(row)):
                if is_pin(specifier):
                    yanked.discard(name)
        for parsed in map(requirement, map(str, self.goal.requirements + self.goal.constraints)):
            if is_pin(str(parsed.specifier)):
                yanked.discard(self.book.meant(canonicalize_name(parsed.name), self.environment))
        for name in sorted(yanked):
            self._wrong(f"{name} {self.found.rows[name].version} is yanked, and nothing pins it")


@cache
def tag_ranks_of(target: Target) -> Mapping[str, int]:
    """The ranks of a target's tags, made once."""
    return tag_ranks(target)


def wanted_accelerator(target: Target) -> str | None:
    """What a target's builds are for where nobody says: its GPUs', else CUDA; none on a Mac."""
    if target.platform.startswith("macos") or target.platform == "windows-arm64":
        return None
    kinds = {
        kind
        for kind, pattern in GPU_KINDS.items()
        for gpu in target.gpus
        if re.fullmatch(pattern, gpu)
    }
    name = ACCELERATORS.get(kinds.pop(), "cuda") if len(kinds) == 1 else "cuda"
    return None if name != "cuda" and target.platform == "linux-aarch64" else name


def _names_a_build(goal: Goal) -> bool:
    return any(
        canonicalize_name(parsed.name) == FRAMEWORK and "+" in str(parsed.specifier)
        for parsed in map(requirement, map(str, goal.requirements + goal.constraints))
    )


def is_pin(specifier: str) -> bool:
    """Whether a specifier names one version: what a yanked release may be taken for."""
    return any(
        each.operator in ("==", "===") and not each.version.endswith(".*")
        for each in specifiers(specifier)
    )


def extras_named(row: Row) -> list[str]:
    """The extras that a row's requirements speak of."""
    markers = map(marker_of, row.requires)
    return sorted(
        {each for marker in markers for each in re.findall(r'extra == "([^"]+)"', marker)}
    )

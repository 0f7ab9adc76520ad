"""A repository, read: what it requires, what it shows about its machine, and what was left out.

Each part has the place where it was read. Nothing of the repository is run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.compat.base_image import framework_version
from cudalock.errors import BadFile
from cudalock.files import relative
from cudalock.formats.header import find_command
from cudalock.formats.uv.record import Record, key_of
from cudalock.generate.code import Code, Used, read_code, read_code_file, submodules
from cudalock.generate.hints import Hint, platforms_of, version_files
from cudalock.generate.rules import FILE, Audience, Rules, read_rules
from cudalock.generate.select_files import Chosen, choose_files
from cudalock.generate.wheel_urls import find_wheel, is_wheel_of
from cudalock.goals import RequestedProject
from cudalock.projects.asked_requirements import url_with_digest
from cudalock.projects.kinds import BY_NAME, kind_of_named
from cudalock.projects.model import ProjectFile
from cudalock.projects.read import read_file
from cudalock.projects.readers.dockerfile import is_other_branch
from cudalock.projects.syntax.markers import with_extras
from cudalock.targets import SYSTEMS
from cudalock.targets.accelerators import CPU, CUDA
from cudalock.versions import accepts, canonical

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cudalock.matrix.matrix import Matrix
    from cudalock.projects.model import Declared

_MARKERS: Final = {system.name: f'sys_platform == "{system.sys_platform}"' for system in SYSTEMS}
_OF_FRAMEWORK: Final = ("framework", CUDA.name)
"""The parts of hints that a framework which is there settles."""
_WANTED: Final = ("requirement", "installed")
"""The roles of entries that are wanted themselves; others only limit them."""
# `py3.11_cuda12.4_cudnn9.1.0_0` of the channel pytorch, `cuda118py310h...` of conda-forge.
_BUILD_CUDA: Final = re.compile(r"cuda_?([0-9]{2}\.?[0-9])")


class FileRead(NamedTuple):
    """A file of the repository, its number of entries, and why it was not read if it was not."""

    name: str
    kind: str
    entries: int
    why_not: str | None = None
    part: str | None = None
    """the folder of another part of the repository that it belongs to"""

    @property
    def is_elsewhere(self) -> bool:
        """Whether it has the requirements of another part of the repository."""
        return self.kind != "dockerfile" and self.part is not None


class LeftOut(NamedTuple):
    """An entry that is not part of the query, with its place and the reason."""

    origin: str
    text: str
    why: str
    of_choice: bool = False
    """whether the user chose so: it is in another extra or group, or was excluded"""

    def __str__(self) -> str:
        return f"{self.origin}: `{self.text}` is left out: {self.why}"


@dataclass(frozen=True, slots=True)
class Repository:
    """What a repository requires. `inferred` are components that its code needs and no file names;
    `optional` those that the code runs without."""

    root: Path
    files: tuple[FileRead, ...] = ()
    requirements: tuple[RequestedProject, ...] = ()
    constraints: tuple[RequestedProject, ...] = ()
    hints: tuple[Hint, ...] = ()
    limits: tuple[Hint, ...] = ()
    """the ranges of Python that it supports, as hints"""
    inferred: tuple[Used, ...] = ()
    optional: tuple[Used, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    code: Code = field(default_factory=Code)
    inputs: tuple[Path, ...] = ()
    """the files that were read"""
    unknown_wheels: tuple[tuple[str, str], ...] = ()
    """wheels by URL that the matrix does not have, left out for that: the project, and the URL"""


class Choice(NamedTuple):
    """Which parts of a repository are read: extras and groups, and names to leave out."""

    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    stack_only: bool = False
    """whether projects outside the matrix are left out"""


def read_repository(path: Path, matrix: Matrix, choice: Choice | None = None) -> Repository:
    """Read the repository in a folder, or a single file of one.

    Raises BadFile for what does not exist or cannot be read, and for a file of which no line could
    be understood.
    """
    return _RepositoryReading(path, matrix, choice or Choice()).read()


class _RepositoryReading:
    """The state of reading one repository."""

    def __init__(self, path: Path, matrix: Matrix, choice: Choice) -> None:
        if not path.exists():
            raise BadFile(f"`{path}` is not there")
        self.single = None if path.is_dir() else path
        self.root = path if path.is_dir() else path.parent
        self.matrix = matrix
        self.choice = choice
        self.rules: Rules = read_rules(matrix.file(FILE).parent)
        self.files: list[FileRead] = []
        self.requirements: list[RequestedProject] = []
        self.constraints: list[RequestedProject] = []
        self.hints: list[Hint] = []
        self.limits: list[Hint] = []
        self.left_out: list[LeftOut] = []
        self.notes: list[str] = []
        self.inputs: list[Path] = []
        self.unknown_wheels: list[tuple[str, str]] = []
        self.own: set[str] = set()
        self.seen: set[tuple[str, int, str | None]] = set()
        self.records: dict[str, Record] = {}
        """by file, what an earlier run of this command wrote into it"""
        """the places of entries that were read: two files may include the same third one"""
        self.excluded = {matrix.names.find(name) or canonical(name) for name in choice.exclude}

    def read(self) -> Repository:
        read = list(self._project_files())
        # Before any entry is taken: an extra may name the project that another file describes.
        self.own = {
            file_read.project for _, file in read for file_read in file.files() if file_read.project
        }
        self.hints += version_files(self.root)
        for chosen, file in read:
            for file_read in file.files():
                self._take(file_read, chosen.audience)
        code = self._code_of_single(self.single) if self.single else self._code()
        if not self.single:
            self._take_notebooks(code)
        inferred, optional = self._inferred(code)
        return Repository(
            self.root,
            tuple(self.files),
            tuple(self.requirements),
            tuple(self.constraints),
            tuple(self.hints),
            tuple(self.limits),
            inferred,
            optional,
            tuple(dict.fromkeys(self.left_out)),
            tuple(dict.fromkeys((*self.notes, *code.notes))),
            code,
            tuple(self.inputs),
            tuple(dict.fromkeys(self.unknown_wheels)),
        )

    # -- files --------------------------------------------------------------------------------

    def _project_files(self) -> Iterator[tuple[Chosen, ProjectFile]]:
        chosen = self._chosen()
        nested: set[str] = set()
        read = []
        for chosen_file in chosen:
            if chosen_file.why_not is None:
                # A single file may be a list of packages, which only its content tells.
                kind = None if self.single else chosen_file.kind
                file = read_file(chosen_file.path, kind=kind)
                read.append((chosen_file, file))
                # The file itself is the first of its own `files()`.
                nested |= {self._shown(inner.name) for inner in file.files()} - {chosen_file.name}
        known = {chosen_file.name for chosen_file, _ in read}
        # What another file includes is read there, in its place and with its role.
        for chosen_file, file in read:
            if chosen_file.name not in nested:
                yield chosen_file, file
                yield from self._members(file, known)
        for chosen_file in chosen:
            if chosen_file.why_not is not None and chosen_file.name not in nested | known:
                self.files.append(
                    FileRead(
                        chosen_file.name,
                        chosen_file.kind,
                        0,
                        chosen_file.why_not,
                        chosen_file.part,
                    )
                )

    def _chosen(self) -> list[Chosen]:
        if self.single is None:
            return choose_files(self.root, self.rules, self.choice.groups)
        return [Chosen(self.single, self.single.name, kind_of_named(str(self.single)))]

    def _members(self, file: ProjectFile, known: set[str]) -> Iterator[tuple[Chosen, ProjectFile]]:
        """Yield the pyproject.toml of each member of a workspace."""
        folder = Path(file.name).parent
        none = {path for pattern in file.no_members for path in _inside(folder, pattern)}
        for pattern in file.members:
            for path in sorted(_inside(folder, pattern)):
                if path in none:
                    continue
                inner = path / "pyproject.toml"
                name = self._shown(str(inner))
                if inner.is_file() and name not in known:
                    known.add(name)
                    yield Chosen(inner, name, "pyproject"), read_file(inner)

    def _code_of_single(self, path: Path) -> Code:
        """Read the imports of a notebook that is read by itself; other files have none."""
        if kind_of_named(str(path)) != "notebook":
            return Code()
        return read_code_file(path, self.matrix.names.imports)

    def _code(self) -> Code:
        """Read the code; what that of other parts of the repository imports is optional here."""
        parts = {Path(file.name).parent for file in self.files if file.is_elsewhere}
        return read_code(self.root, self.matrix.names.imports, parts | submodules(self.root))

    def _shown(self, file: str) -> str:
        return Path(relative(file, self.root)).as_posix()

    # -- what they say ------------------------------------------------------------------------

    def _take(self, file: ProjectFile, audience: Audience) -> None:
        name = self._shown(file.name)
        self.inputs.append(Path(file.name))
        marker = _MARKERS.get(audience.platform or "")
        groups = self._wanted_groups(file)
        count = sum(self._take_entry(declared, file, marker, groups) for declared in file.declared)
        self.files.append(FileRead(name, file.kind, count))
        self.hints += self._file_hints(file)
        self._take_problems(file)
        self.notes += [f"{name}: {note}" for note in file.notes]

    def _take_problems(self, file: ProjectFile) -> None:
        """Leave out a requirement that cannot be read beside others that can, and say so. Raise for
        anything else that installers refuse, and for a file of which nothing could be read: a limit
        may be lost in it. Note everything else that was not understood."""
        for problem in file.problems:
            origin = self._at(problem.place.file, problem.place.line)
            if problem.is_requirement and file.declared:
                text = file.text[problem.place.start : problem.place.end]
                self.left_out.append(LeftOut(origin, " ".join(text.split()), problem.message))
                continue
            message = f"{origin}: {problem.message}"
            on_problem = BY_NAME[file.kind].on_problem
            if on_problem == "refuse" or (on_problem == "refuse-empty" and not file.declared):
                raise BadFile(message)
            self.notes.append(message)

    def _at(self, file: str, line: int) -> str:
        # Relative and with slashes, so that a lock made on Windows has the same bytes.
        return f"{self._shown(file)}:{line}"

    def _wanted_groups(self, file: ProjectFile) -> frozenset[str | None]:
        """Return the groups that are taken from a file: the requested ones, with their includes."""
        requested = [f"extra:{canonical(name)}" for name in self.choice.extras]
        requested += [f"group:{canonical(name)}" for name in self.choice.groups]
        return frozenset([None]).union(*map(file.wanted_with, requested))

    def _take_entry(
        self,
        declared: Declared,
        file: ProjectFile,
        marker: str | None,
        groups: frozenset[str | None],
    ) -> bool:
        """Take an entry, and return whether it became part of the query."""
        declared = self._as_meant(declared, file)
        # With the group: an entry that several extras have is an entry of each.
        place = (declared.place.file, declared.place.start, declared.group)
        # A lock beside its source is what is being made, not what is required.
        if place in self.seen or declared.role == "locked":
            return False
        self.seen.add(place)
        origin = self._at(declared.place.file, declared.place.line)
        if declared.problem is not None:
            self.notes.append(f"{origin}: `{declared.text}`: {declared.problem}")
        # Every stage of a Dockerfile counts, since nobody can request one.
        is_stage = (declared.group or "").startswith("stage:")
        if declared.group not in groups and not is_stage:
            kind, _, name = (declared.group or "").partition(":")
            self._leave_out(origin, declared, f"`--{kind} {name}` takes it", of_choice=True)
            return False
        if is_other_branch(declared.group):
            self._leave_out(origin, declared, "it is in another branch of the shell's `if`")
            return False
        if declared.manager == "conda":
            return self._take_conda(declared, origin)
        left = self._with_extras(declared.marker)
        if left is None:
            self._leave_out(origin, declared, "not with the requested extra", of_choice=True)
            return False
        declared = replace(declared, marker=left or None)
        # `pip install --upgrade pip setuptools` in a Dockerfile or a notebook.
        if file.kind in ("dockerfile", "notebook") and self._is_tool(declared):
            return False
        return self._take_project(declared, origin, _both(declared.marker, marker))

    def _with_extras(self, marker: str | None) -> str | None:
        """Return what is left of a marker with the extras that are taken; None for nothing."""
        if marker is None or "extra" not in marker:
            return marker or ""
        return with_extras(marker, frozenset(map(canonical, self.choice.extras)))

    def _as_meant(self, declared: Declared, file: ProjectFile) -> Declared:
        """Return an entry that `generate` itself wrote without its version: else its next lock
        could have no other. It is marked `locked` if it only constrains."""
        if file.kind != "pyproject" or not declared.version:
            return declared
        if file.name not in self.records:
            command = find_command(file.text)
            is_own = command is not None and command[0].split()[1:2] == ["generate"]
            self.records[file.name] = Record.read(file.text) if is_own else Record()
        key = key_of(declared.role, declared.group)
        if not self.records[file.name].wrote_entry(key, declared.text):
            return declared
        role = "requirement" if declared.role == "requirement" else "locked"
        return replace(declared, specifier="", role=role)

    def _leave_out(
        self, origin: str, declared: Declared, why: str, *, of_choice: bool = False
    ) -> None:
        text = " ".join(declared.text.split())
        self.left_out.append(LeftOut(origin, text, why, of_choice))

    def _take_project(self, declared: Declared, origin: str, marker: str | None) -> bool:
        # `-e .` and `app[cu124]` are the repository itself.
        if declared.name in self.own or declared.url in (".", "./"):
            self._leave_out(origin, declared, "it is of this repository", of_choice=True)
            return False
        # The name of the matrix, which knows renamed projects.
        project = self.matrix.names.find(declared.name) or declared.name
        if project in self.excluded:
            self._leave_out(origin, declared, "as `--exclude` says")
            return False
        if self.choice.stack_only and not declared.url and self.matrix.names.find(project) is None:
            self._leave_out(origin, declared, "the matrix does not hold it")
            return False
        specifier, extras = declared.specifier, declared.extras
        if declared.url is not None:
            wheel = find_wheel(declared.url, self.matrix)
            if wheel is None:
                self._leave_out(origin, declared, self._why_no_wheel(declared))
                self._record_wheel(project, declared)
                return False
            project, specifier = wheel.project, f"=={wheel.version}"
            self._hint("python", wheel.python, origin, "wheel", marker)
            self._hint("platform", wheel.platform, origin, "wheel", marker)
        requested = RequestedProject(
            project, specifier, extras=extras, marker=marker, origin=origin
        )
        into = self.requirements if declared.role in _WANTED else self.constraints
        into.append(requested)
        self._index_hint(declared.index, origin, marker)
        return True

    def _record_wheel(self, project: str, declared: Declared) -> None:
        """Record a wheel that the matrix does not have: an overlay may lay it over the matrix."""
        url = url_with_digest(declared)
        if declared.role == "requirement" and is_wheel_of(project, url):
            self.unknown_wheels.append((project, url))

    # A constraint may have no extras, and a wheel by URL counts as a pin of its version.

    def _why_no_wheel(self, declared: Declared) -> str:
        if not declared.name:
            return "it is an address, and what is there is not known"
        if self.matrix.project(declared.name) is None:
            return "it is an address, and what is there cannot be read"
        return (
            f"the matrix has no such wheel; `{declared.name}`, with a version, would be chosen from"
            " those it has"
        )

    def _take_conda(self, declared: Declared, origin: str) -> bool:
        # `pytorch-cuda=12.4` is a choice of CUDA, `cpuonly` of none, and `pip` a tool.
        known = self.rules.conda.get(declared.name)
        version = re.search(r"[0-9]+\.[0-9]+", declared.specifier)
        if known is not None and known.means == CUDA.name and version:
            self._hint(CUDA.name, version[0], origin, "environment", None)
            return False
        if known is not None and known.means is not None:
            self._hint(CUDA.name, CPU if known.means == CPU else None, origin, "environment", None)
            return False
        if known is not None and known.project is None:
            return False
        project = (
            known.project if known and known.project else self.matrix.names.find(declared.name)
        )
        if project is None:
            self._leave_out(
                origin,
                declared,
                "a package of conda's whose name on the package index is not known",
            )
            return False
        if built := _BUILD_CUDA.search(declared.build or ""):
            digits = built[1].replace(".", "")
            self._hint(CUDA.name, f"{digits[:-1]}.{digits[-1]}", origin, "environment", None)
        return self._take_project(
            replace(declared, name=canonical(project)), origin, declared.marker
        )

    # -- hints --------------------------------------------------------------------------------

    def _hint(
        self, part: str, text: str | None, origin: str, kind: str, marker: str | None
    ) -> None:
        if text is not None:
            self.hints.append(Hint(part, text, origin, kind, marker))

    def _file_hints(self, file: ProjectFile) -> Iterator[Hint]:
        if file.requires_python is not None:
            stated = file.requires_python
            origin = self._at(stated.place.file, stated.place.line)
            self.limits.append(Hint("python", stated.value, origin, "limit"))
        if file.python is not None and file.kind != "dockerfile":
            origin = self._at(file.python.place.file, file.python.place.line)
            yield Hint("python", file.python.value, origin, "environment")
        if file.environments:
            origin = self._at(file.environments[0].place.file, file.environments[0].place.line)
            for platform in platforms_of([environment.value for environment in file.environments]):
                yield Hint("platform", platform, origin, "environment")
        kind = "image" if file.kind == "dockerfile" else "environment"
        for platform in dict.fromkeys(file.platforms):
            yield Hint("platform", platform, self._shown(file.name), kind)
        for index in file.indexes:
            if index.kind in ("index-url", "extra-index-url") or index.default:
                self._index_hint(index.url, self._at(index.place.file, index.place.line), None)
        for option in file.options:
            if option.name == "--torch-backend":
                origin = self._at(option.place.file, option.place.line)
                self._hint(CUDA.name, option.value, origin, "index", None)
        yield from self._source_hints(file)
        # The last stage of a Dockerfile is the image that runs.
        for image in reversed(file.base_images):
            yield from self._of_image(image.value, self._at(image.place.file, image.place.line))

    def _source_hints(self, file: ProjectFile) -> Iterator[Hint]:
        """Yield hints from projects that uv takes from an index of builds for one CUDA release."""
        for source in file.sources:
            index = file.index_named(source.index) if source.index else None
            of = source.extra and f"extra:{source.extra}"
            of = of or (source.group and f"group:{source.group}")
            # A source for an extra or group counts only where that is requested.
            is_wanted = of is None or of in self._wanted_groups(file)
            # One of several that a version chooses from says nothing by itself.
            if index is not None and is_wanted and not source.is_one_of:
                origin = self._at(source.place.file, source.place.line)
                self._index_hint(index.url, origin, source.marker)
        # Makes a generator of it even though no hint is yielded here.
        yield from ()

    def _index_hint(self, url: str | None, origin: str, marker: str | None) -> None:
        """Note the CUDA release of an index that has builds for one release only."""
        known = next(
            (
                index
                for index in self.matrix.indexes.values()
                # People write the URL with and without a slash at the end.
                if index.url and url and url.rstrip("/") == index.url.rstrip("/")
            ),
            None,
        )
        if known is not None:
            self._hint(CUDA.name, known.id, origin, "index", marker)

    def _of_image(self, text: str, origin: str) -> Iterator[Hint]:
        base = self.matrix.images.read(text)
        if base is None:
            return
        if base.musl:
            self.notes.append(f"{origin}: `{text}` has no glibc, and no CUDA wheel is for such")
        if base.own:
            stays = f"`--image {text}` leaves it there"
            known = stays if base.installed else "nothing else is known of it"
            self.notes.append(
                f"{origin}: `{text}` brings a {base.own} of its own, which no index has: the lock"
                f" would put another in its place; {known}"
            )
        framework = framework_version(base, self.matrix) if not base.own else None
        stated = {
            "python": base.python,
            "glibc": base.glibc,
            # Whatever the lock has instead of the image's own build is for any CUDA release.
            CUDA.name: base.cuda if not base.own else None,
            "framework": framework.partition("+")[0] if framework else None,
        }
        for part, value in stated.items():
            if value is not None:
                yield Hint(part, value, origin, "image")

    # -- code ---------------------------------------------------------------------------------

    def _take_notebooks(self, code: Code) -> None:
        from cudalock.projects.syntax import pip_command as install_command
        from cudalock.projects.syntax.shell import commands
        from cudalock.projects.syntax.text import Text

        for line in code.installs:
            text = Text(line.origin, line.command.text)
            for words in commands(text.text, 0, len(text.text), {}):
                installed = install_command.read(words, text)
                if installed is None:
                    if any(word.value in ("conda", "mamba", "micromamba") for word in words):
                        self.notes.append(f"{line.origin}: what conda installs is not read")
                    continue
                for declared in installed.declared:
                    if declared.problem is None and not self._is_tool(declared):
                        self._take_project(declared, line.origin, declared.marker)
                        self._index_hint(declared.index, line.origin, declared.marker)
                for index in installed.indexes:
                    self._index_hint(index.url, line.origin, None)

    def _is_tool(self, declared: Declared) -> bool:
        """Whether a project is installed only to install others."""
        return declared.name in self.rules.tools and not declared.specifier

    def _inferred(self, code: Code) -> tuple[tuple[Used, ...], tuple[Used, ...]]:
        """Return the components that are imported and not required, and the optional ones: each
        once, where it is imported first."""
        # Constraints do not count: a file may limit what it never requires.
        named = {self.matrix.names.find(requested.name) for requested in self.requirements}
        named |= self.excluded | self.own
        needed: dict[str, Used] = {}
        optional: dict[str, Used] = {}
        for used in code.used:
            if used.component not in named:
                (optional if used.optional else needed).setdefault(used.component, used)
        for component, used in needed.items():
            self.requirements.append(
                RequestedProject(component, origin=f"{used.origin} imports {used.module}")
            )
        aside = tuple(used for name, used in optional.items() if name not in needed)
        return tuple(needed.values()), aside


def beside(
    repository: Repository, installed: Mapping[str, str], framework: str, place: str
) -> Repository:
    """Return what a repository requires beside what an image brings.

    Left out are a requirement that the framework there does not meet, which has to stay and which
    files pin for machines that have none; and one that what else is there meets, since pip leaves
    that as it is. `installed` are versions by project.
    """
    left_out = list(repository.left_out)

    def stays(requested: RequestedProject) -> bool:
        name = canonical(requested.name)
        version = installed.get(name)
        if version is None or requested.extras or requested.url is not None:
            return True
        is_met = accepts(requested.specifier, version)
        # The framework's own requirement counts where it is met, any other where it is not.
        if is_met is (name == framework):
            return True
        text = f"{requested.name}{requested.specifier}"
        verb = "is there" if is_met else "stays"
        why = f"{requested.name} {version} of `{place}` {verb}"
        left_out.append(LeftOut(requested.origin or "", text, why, of_choice=is_met))
        return False

    return replace(
        repository,
        requirements=tuple(filter(stays, repository.requirements)),
        constraints=tuple(filter(stays, repository.constraints)),
        hints=tuple(hint for hint in repository.hints if hint.part not in _OF_FRAMEWORK),
        left_out=tuple(left_out),
    )


def _inside(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield what a glob matches inside a folder, never outside of it."""
    # `members = ["../../*"]` would read files outside the repository.
    if not (Path(pattern).is_absolute() or ".." in Path(pattern).parts):
        yield from folder.glob(pattern)


def _both(one: str | None, other: str | None) -> str | None:
    if one and other:
        return f"({one}) and {other}"
    return one or other


__all__ = ["Choice", "FileRead", "LeftOut", "Repository", "beside", "read_repository"]

"""Read messages that name a project, a version or a module: each kind once, for all projects.

What is read from one is a :class:`~cudalock.diagnose.statements.Statement`.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Final

from packaging.specifiers import InvalidSpecifier
from packaging.version import InvalidVersion

from cudalock.diagnose.machine import LONGEST, driver_cuda
from cudalock.diagnose.name_table import (
    ARGUMENTS,
    FOLDER,
    MEMBERS,
    MODELS,
    PACKAGES,
    DatedName,
    Span,
    dated_names,
    owners_of,
    project_of_package,
    read_name_table,
)
from cudalock.diagnose.statements import (
    Elsewhere,
    FrameworkUnloadable,
    MissingName,
    NoCandidate,
    NoCompiler,
    NotInChannels,
    NotInstalled,
    NotOnIndex,
    OldDriver,
    OtherPython,
    OwnFile,
    SourceBuild,
    Statement,
    UnknownArgument,
    UnknownMember,
    UnknownModel,
    Unloadable,
    Unmet,
    WrongAbi,
    WrongCuda,
)
from cudalock.generate.rules import read_rules
from cudalock.matrix.facts import NONE
from cudalock.show.wheels import python_ranges, pythons_on
from cudalock.targets.accelerators import CUDA
from cudalock.targets.platforms import SPELLINGS, names_mac_of_conda
from cudalock.versions import (
    accepts,
    canonical,
    is_version,
    leading_name,
    parse_version,
    specifier_set,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from packaging.version import Version

    from cudalock.diagnose.machine import Clues
    from cudalock.diagnose.text import PastedText
    from cudalock.matrix.matrix import Matrix
_LINES: Final = 20_000
"""Lines that are read, the last ones: the error of a long log is at its end."""

# Bounded: a hostile text may be one name of a megabyte.
_MODULE: Final = r"[A-Za-z_][\w.]{0,199}"
_FROM: Final = re.compile(
    r"cannot import name ['\"\u2018]?(?P<name>\w+)['\"\u2019]? from"
    rf" (?:partially initialized module )?['\"\u2018]?(?P<module>{_MODULE})"
)
_ATTRIBUTE: Final = re.compile(
    rf"module ['\"\u2018]?(?P<module>{_MODULE})['\"\u2019]? has no attribute"
    r" ['\"\u2018]?(?P<name>\w+)"
)
_NO_MODULE: Final = re.compile(
    rf"No module named ['\"\u2018]?(?P<module>{_MODULE})\.(?P<name>\w+)(?![\w.])"
)
_ARGUMENT: Final = re.compile(
    r"(?P<function>[A-Za-z_]\w*(?:\.\w+)?)\(\) got an unexpected keyword argument"
    r" ['\"\u2018]?(?P<name>\w+)"
)
_NOT_THERE: Final = re.compile(
    r"No module named ['\"\u2018]?(?P<top>[A-Za-z_]\w*)['\"\u2019]?(?![\w.])"
)
# Python up to 3.9 names no class: the call is in a line before.
# A file of the program's own that has the package's name: `(/work/torchvision.py)`.
_OWN_FILE: Final = re.compile(
    r"from (?:partially initialized module )?'(?P<module>\w+)'[^/\\]{0,80}"
    r"\((?P<path>[^()]{1,300}[/\\](?P=module)\.py)\)"
)
_CALLED: Final = re.compile(r"(?<![\w.])(?:[a-z_]\w*\.)*(?P<called>[A-Z]\w*)\(")
_MEMBER: Final = re.compile(
    r"['\"\u2018](?P<owner>[A-Z]\w*)['\"\u2019] (?:object )?has no attribute"
    r" ['\"\u2018]?(?P<name>\w+)"
    r"|rror: (?P<owner2>[A-Z]\w*) has no attribute (?P<name2>\w+)"
)
_CAMEL: Final = re.compile(r"[A-Z]\w*[A-Z][a-z]")
"""What is the name of one class: two words in one."""
_UNKNOWN_MODELS: Final = {
    "model type": re.compile(
        r"has model type [`'\"]?(?P<name>[\w-]+)[`'\"]? but Transformers does not"
        r"|KeyError: ['\"](?P<key>[a-z][a-z0-9_-]*)['\"]"
    ),
    "tokenizer": re.compile(r"Tokenizer class (?P<name>[A-Z]\w+) does not exist"),
    "architecture": re.compile(
        r"odel architectures? \[?['\"]?(?P<name>[A-Z]\w+)['\"]?\]? (?:are|is) not supported"
    ),
}
"""How programs say that they know no such model; `key` is a word that may be anything."""
# transformers: `requires the SentencePiece library but it was not found in your environment`, `the
# following packages that were not found in your environment: einops, flash_attn. Run`.
_NOT_FOUND: Final = re.compile(
    r"requires the (?P<name>[\w.-]+) library but it was not found in your"
    r"|packages that were not found in your environment: (?P<names>[\w.-]+(?:, [\w.-]+)*)"
)
# The package folder in a frame's path is the import name of the project.
FRAME: Final = re.compile(r"(?:site|dist)-packages[/\\]+(?P<top>[A-Za-z_]\w*)")

_NUMBER: Final = r"[0-9]+(?:\.[0-9]+)*(?:[.+\w]*\w)?"
# transformers: `tokenizers>=0.14,<0.15 is required for a normal functioning of this module, but
# found tokenizers==0.13.3`.
_REQUIRED: Final = re.compile(
    rf"(?P<name>[A-Za-z][\w.-]*) ?(?P<specifier>(?:>=?|==|~=|!=|<=?) ?{_NUMBER}"
    rf"(?: ?, ?(?:>=?|!=|<=?) ?{_NUMBER})*) is required\b.*?\bfound (?:[A-Za-z][\w.-]*==)?"
    rf"(?P<found>{_NUMBER})"
)
# sglang: `flashinfer_python with minimum required version 0.2.5 is not installed.`
_MINIMUM: Final = re.compile(
    rf"(?P<name>[A-Za-z][\w-]*) with minimum required version (?P<version>{_NUMBER}) is not"
)
# mmdet: `MMCV==1.3.1 is used but incompatible. Please install mmcv>=1.2.4, <=1.3.`
_USED: Final = re.compile(
    rf"(?P<name>[A-Za-z][\w-]*)==(?P<found>{_NUMBER}) is used but incompatible\. Please install"
    rf" [\w-]+(?P<specifier>(?:>=?|==|~=|<=?) ?{_NUMBER}(?:, ?(?:>=?|!=|<=?) ?{_NUMBER})*)"
)
# mmcv prints versions as lists: `>=[1, 1, 4]`, `>=(1, 3, 13, 0, 0, 0)`.
_NUMBERS: Final = re.compile(r"[\[(][0-9]{1,4}(?:, [0-9]{1,4}){1,6}[\])]")
# Of an exception only: `pip install 'accelerate>=0.26.0'` elsewhere is what somebody did.
_ASKED_FOR: Final = re.compile(
    r"(?:Error|Exception|Warning): .{0,300}?(?:requires?|needs?|install|upgrade|update)"
    r"(?: -U| --upgrade| the| your| to| at least)*(?: the)? ?[`'\"]{0,2}(?P<name>[A-Za-z][\w.-]*)"
    r"[`'\"]?(?: version| to| package)* ?"
    rf"(?P<specifier>(?:>=?|~=|<=?) ?{_NUMBER}(?:, ?(?:>=?|!=|<=?) ?{_NUMBER})*)"
)
# setuptools: `VersionConflict: (torch 1.13.1 (/lib), Requirement.parse('torch==1.10.0'), {'a'})`.
_VERSION_CONFLICT: Final = re.compile(
    r"VersionConflict: \((?P<name>[\w.-]+) (?P<found>[\w.+!]+) \(.{0,400}?\),"
    r" Requirement\.parse\(['\"][\w.-]+(?:\[[^]]*\])?(?P<specifier>[^'\"]*)['\"]\)"
    r"(?:, \{['\"](?P<who>[\w.-]+)['\"])?"
)
_NO_DISTRIBUTION: Final = re.compile(
    r"The ['\"](?P<name>[\w-]+)(?:\[[^]]*\])?(?P<specifier>[^'\"]*)['\"]"
    r" distribution was not found"
)
# pip, uv and Poetry, in this order.
_OTHER_PYTHON: Final = (
    re.compile(
        r"Package ['\"](?P<name>[\w.-]+)['\"] requires a different Python: (?P<python>3[\w.]*)"
        r" not in ['\"](?P<specifier>[^'\"]+)"
    ),
    re.compile(
        r"Python version \((?P<python>3[0-9.]*)\) does not satisfy"
        r" Python(?P<specifier>[<>=!~][^\s]*) and (?P<name>[\w.-]+)[=><]"
    ),
    re.compile(
        r"- (?P<name>[\w.-]+) requires Python (?P<specifier>[<>=!~][^\s]*?),? so it will not be"
    ),
)
# conda lists what it did not find in lines of their own.
_NOT_IN_CHANNELS: Final = (
    "PackagesNotFoundError",
    "ResolvePackageNotFound",
    "not available from current channels",
    "missing from the target platform",
)
_CONDA_ENTRY: Final = re.compile(
    r"^\s*- (?P<name>[A-Za-z][\w.-]*?)(?:\s*[=<>~!]{1,2}\s*(?P<version>[\w.*]+)\S*)?\s*$"
)
_NOT_NEW: Final = re.compile(r"(?P<name>[A-Za-z][\w-]*) is not (?:a )?new enough")
# pip: `a 1.0 requires b<2, but you have b 2.1 which is incompatible.`
_BUT_HAVE: Final = re.compile(
    r"(?P<who>[\w.-]+) (?P<who_version>[\w.+!]+) (?:requires|has requirement)"
    r" (?P<name>[\w.-]+)(?:\[[\w,-]*\])? ?(?P<specifier>[^;\s]*(?:, ?[^;\s]+)*?)(?:;[^,]*)?,"
    r" but you(?:'ll)? have (?:[\w.-]+ )(?P<found>[\w.+!]+)"
)
# pip's resolver: `a 1.0 depends on b<2`, and above it `The user requested b==2.1`.
_DEPENDS: Final = re.compile(
    r"(?P<who>[\w.-]+) (?P<who_version>[0-9][\w.+!]*) depends on (?P<name>[\w.-]+)"
    r"(?P<specifier>[<>=!~][^\s;]*)"
)
_REQUESTED: Final = re.compile(r"The user requested (?P<name>[\w.-]+)==(?P<version>[\w.+!]+)")

# pip: `Could not find a version that satisfies the requirement torch==1.7.1 (from versions: 2.0.0,
# 2.0.1)`.
_UNSATISFIED: Final = re.compile(
    r"satisfies the requirement (?P<name>[A-Za-z0-9][\w.-]*?)(?:\[[\w,-]*\])?"
    r"(?:===?(?P<version>[\w.+!]+)|[<>=!~][^\s(]*)?(?:[ ;].*?)?"
    r"(?:\(from versions: (?P<offered>[^)]*)\)|$)"
)
_POETRY: Final = re.compile(
    r"installation candidates for (?P<name>[A-Za-z0-9][\w.-]*) \((?P<version>[\w.+!]+)\)"
)
# uv: `torch==2.5.1+cu124 has no wheels with a matching platform tag`.
_UV: Final = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*)(?:\{[^}]*\})?==(?P<version>[\w.+!]+) has no .{0,120}?wheels"
    r"|no version of (?P<name2>[A-Za-z0-9][\w.-]*?)(?:\{[^}]*\})?==(?P<version2>[\w.+!]+)"
    # A lock without this platform: `Distribution `torch==2.8.0 @ registry+URL` can't be installed`.
    r"|istribution [`'](?P<name3>[A-Za-z0-9][\w.-]*?)(?:\[[^]]*\])?==(?P<version3>[\w.+!]+)"
    r" @ \S+ can't be installed"
    r"|`(?P<name4>[A-Za-z0-9][\w.-]*)` \(v(?P<version4>[\w.+!]+)\)"
    r" (?:only has wheels|on the follow)"
)
_NAMES: Final = ("name", "name2", "name3", "name4")
_VERSIONS: Final = ("version", "version2", "version3", "version4")
# flash-attn's setup.py, and those that began as a copy of it: `causal_conv1d was requested, but
# nvcc was not found`; apex names an option there (`--cuda_ext`).
_NO_NVCC: Final = re.compile(r" was requested, but nvcc was not found")
_NO_NVCC_VERSION: Final = re.compile(r"name 'bare_metal_version' is not defined")
_INDEX_URL: Final = re.compile(
    r"(?:index-url|index|Looking in (?:indexes|links):|find-links|-i|-f)[ =]+[\"']?(?P<url>https?://\S+)"
)
_CUDA_INDEX: Final = re.compile(r"cu(?P<major>1[0-9])(?P<minor>[0-9])")
_ARCHIVE: Final = re.compile(
    r"(?:Using cached|Downloading) (?:\S*/)?(?P<name>[A-Za-z0-9][\w.-]*?)"
    r"-(?P<version>[0-9][\w.+!]*?)\.(?:tar\.gz|zip)"
)
_COLLECTING: Final = re.compile(r"^\s*Collecting (?P<name>[A-Za-z0-9][\w-]*)")
_TREE: Final = re.compile(r"Obtaining file://\S*/(?P<name>[A-Za-z][\w-]*)")
# pip unpacks into `pip-install-RANDOM/NAME_DIGEST`.
_UNPACKED: Final = re.compile(r"pip-install-\w+[/\\]+(?P<name>[A-Za-z0-9][\w-]*?)_[0-9a-f]{32}")
_BUILDING: Final = (
    "Getting requirements to build",
    "get_requires_for_build",
    "Preparing metadata (",
    "python setup.py egg_info",
)
_REFUSED_BUILD: Final = (
    "metadata-generation-failed",
    "Getting requirements to build wheel did not run successfully",
    "Preparing metadata (pyproject.toml) did not run successfully",
    "Preparing metadata (setup.py) did not run successfully",
    "python setup.py egg_info did not run successfully",
)
"""What pip says of a source distribution that it could not even ask for its name."""
_FAILED_WHEEL: Final = re.compile(
    r"(?:Failed building wheel for|Building wheel for|Could not build wheels for|Failed to build)"
    r" (?P<name>[A-Za-z0-9][\w.-]*)"
)
_LONG_PATH: Final = ("Windows Long Path support", "Filename too long")
# Linux names the library before the colon; macOS writes `Symbol not found: __ZN2at...`, and newer
# ones `symbol not found in flat namespace '__ZN2at...'`.
_SYMBOL: Final = re.compile(
    r"(?P<path>[^\s:'\"(]*(?:[/\\][\w.+-]+)+)?[:),]? ?"
    r"(?:undefined symbol: |[Ss]ymbol not found: |symbol not found in flat namespace ['(]?)"
    r"(?P<symbol>_?_Z\w+)"
)
# The first number of a soname is not always that of CUDA: libcusparse.so.12 is of CUDA 12 and 13.
_CUDA_LIBRARY: Final = re.compile(
    r"lib(?P<library>cudart|cublas|cublasLt|nvrtc|cusparse|cusolver|cufft|cupti|nvJitLink)"
    r"\.so\.(?P<major>1[0-9])(?P<minor>\.[0-9])?\S*: cannot open"
)
_OF_CUDA: Final = {
    "cusparse": {"10": "10", "11": "11"},
    "cusolver": {"10": "10"},
    "cufft": {"11": "12", "12": "13"},
}
"""The CUDA major version of a library's soname, where one number does not say it."""
_NOT_CALLABLE: Final = "TypeError: 'NoneType' object is not callable"
"""What a program dies of that goes on after a failed import, with None for the function."""
_CALL: Final = re.compile(r"(?<![\w.])(?P<function>[a-z_]\w{3,80})\(")
_MODULE_NOT_FOUND: Final = "The specified module could not be found"
"""Windows' message for a missing library."""
_LOADED_MODULE: Final = re.compile(r"DLL load failed while importing (?P<module>[A-Za-z_]\w*)")
_OTHER_DLL: Final = (
    "The operating system cannot run %1",
    "dynamic link library (DLL) initialization routine failed",
)
"""Windows' messages for a library that is found, and does not start."""
_PROCEDURE: Final = "The specified procedure could not be found"
"""Windows' message for a missing symbol."""
# Namespaces of torch's C++ in mangled names: at, c10, torch, caffe2, and the class Tensor.
_FRAMEWORK_SYMBOL: Final = re.compile(r"_?_Z\w*?(?:2at|3c10|5torch|6caffe2|6Tensor)")
_IMPORT: Final = re.compile(r"^\s*(?:>>> )?(?:import|from) (?P<top>[A-Za-z_]\w*)")


# Most lines have none of these, and a search for a word takes a fraction of a pattern's time.
_CANDIDATE_WORDS: Final = ("satisfies the requirement", "candidates for", "==", " wheels")
_MODEL_WORDS: Final = ("KeyError", " not supported", "does not recognize", "Tokenizer class")
_FLOOR_WORDS: Final = ("required", "new enough", "incompatible. Please", "rror: ", "not found")


def read_statements(
    text: PastedText, versions: Mapping[str, str], clues: Clues, matrix: Matrix
) -> Iterator[Statement]:
    """Yield the statements in a text. `versions` is project name to version."""
    reader = StatementReader(text, versions, clues, matrix)
    for number, line in reader.lines:
        if line.strip():
            yield from reader.of_line(number, line[:LONGEST])
    yield from reader.of_builds()
    yield from reader.of_channels()


class StatementReader:
    """Reads the lines of one text."""

    def __init__(
        self, text: PastedText, versions: Mapping[str, str], clues: Clues, matrix: Matrix
    ) -> None:
        numbered = list(enumerate(text.lines, 1))
        self.lines = numbered[-_LINES:]
        self._text = text
        self._versions = versions
        self._clues = clues
        self._matrix = matrix

    def of_line(self, number: int, line: str) -> Iterator[Statement]:
        """Yield the statements of one line."""
        # Most lines have none of these words, and a search for a word takes a fraction of a
        # pattern's time.
        if "import" in line or "module" in line:
            yield from self._missing_names(number, line)
        if "unexpected keyword" in line:
            yield from self._unknown_arguments(number, line)
        if "has no attribute" in line:
            yield from self._unknown_members(number, line)
        if any(words in line for words in _MODEL_WORDS):
            yield from self._unknown_models(number, line)
        if "No module named" in line:
            yield from self._not_installed(number, line)
        if "not found in your environment" in line:
            yield from self._not_found(number, line)
        if _NOT_CALLABLE in line:
            yield from self._not_callable(number)
        if any(words in line for words in _FLOOR_WORDS):
            yield from self._floors(number, line)
        if "but you" in line or "depends on" in line or "VersionConflict" in line:
            yield from self._conflicts(number, line)
        if any(words in line for words in _CANDIDATE_WORDS):
            yield from self._candidates(number, line)
        if "ython" in line:
            yield from self._other_pythons(number, line)
        if "cannot open shared" in line and (match := _CUDA_LIBRARY.search(line)):
            yield from self._wrong_cuda(number, match)
        if "found version" in line and (cuda := driver_cuda(line)):
            yield OldDriver(project="driver", line=number, cuda=cuda)
        yield from self._no_compiler(number, line)
        if _MODULE_NOT_FOUND in line or _has_any(line, _OTHER_DLL):
            yield from self._unloadable(number, line)
        if "ymbol" in line or _PROCEDURE in line:
            yield from self._symbols(number, line)

    def _wrong_cuda(self, number: int, match: re.Match[str]) -> Iterator[Statement]:
        framework = self._matrix.framework or ""
        project = self.importer(number, framework) or self._imported(number)
        if not project or project == framework or not self._matrix.is_curated(project):
            return
        majors = _OF_CUDA.get(match["library"])
        cuda = match["major"] if majors is None else majors.get(match["major"])
        if cuda:
            yield WrongCuda(
                project=project,
                line=number,
                version=self._versions.get(project),
                framework=framework,
                cuda=cuda,
            )

    def _unloadable(self, number: int, line: str) -> Iterator[Statement]:
        framework = self._matrix.framework or ""
        loaded = _LOADED_MODULE.search(line)
        project = self.project_of(loaded["module"]) if loaded else None
        project = project or self.importer(number, framework) or self._imported(number)
        if project in (None, framework) and "DLL load failed" in line:
            yield from self._unloadable_framework(number, line, framework)
        # Facts know why some of them do not load.
        elif _MODULE_NOT_FOUND in line and project and self._matrix.is_curated(project):
            yield Unloadable(
                project=project,
                line=number,
                version=self._versions.get(project),
                framework=framework,
            )

    def _unloadable_framework(self, number: int, line: str, framework: str) -> Iterator[Statement]:
        near = self._text.lines[max(0, number - 6) : number]
        frames = [match["top"] for text in near for match in FRAME.finditer(text[:LONGEST])]
        imports = [f"from {framework}._C import" in text for text in near]
        if any(imports) or (frames and self.project_of(frames[-1]) == framework):
            yield FrameworkUnloadable(
                project=framework,
                line=number,
                version=self._versions.get(framework),
                is_other_dll=_has_any(line, _OTHER_DLL),
            )

    def _other_pythons(self, number: int, line: str) -> Iterator[Statement]:
        for pattern in _OTHER_PYTHON:
            match = pattern.search(line)
            project = self.project(match["name"]) if match else None
            if match is None or project is None:
                continue
            yield OtherPython(
                project=project,
                line=number,
                specifier=match["specifier"],
                python=match.groupdict().get("python"),
            )
            return

    def _not_installed(self, number: int, line: str) -> Iterator[Statement]:
        match = _NOT_THERE.search(line)
        project = self._matrix.names.imports.get(match["top"]) if match else None
        if match is None or project is None or not self._matrix.is_curated(project):
            return
        # Facts know more of some: what asks for the module, and where it is installed from.
        if match["top"] not in self._with_own_facts:
            yield NotInstalled(project=project, line=number)

    def _not_found(self, number: int, line: str) -> Iterator[Statement]:
        match = _NOT_FOUND.search(line)
        for word in (match["name"] or match["names"]).split(", ") if match else ():
            project = self.project_of(word.rstrip(".").lower().replace("-", "_"))
            if project and project != self._matrix.framework:
                yield NotInstalled(project=project, line=number)

    def _not_callable(self, number: int) -> Iterator[Statement]:
        """Yield the project of the function that is called in the lines before: `flash_attn_func`
        is one of flash_attn."""
        imports = self._matrix.names.imports
        for line in reversed(self._text.lines[max(0, number - 4) : number - 1]):
            for match in _CALL.finditer(line[:LONGEST]):
                words = match["function"].split("_")
                names = ("_".join(words[:length]) for length in range(len(words) - 1, 1, -1))
                project = next((imports[name] for name in names if name in imports), None)
                if project and self._matrix.is_curated(project):
                    yield NotInstalled(project=project, line=number)
                    return

    @cached_property
    def _with_own_facts(self) -> frozenset[str]:
        """The modules whose absence is the message of a fact."""
        symptoms = (text for fact in self._matrix.facts.values() for text in fact.symptom)
        found = (_NOT_THERE.search(text) for text in symptoms if "No module named" in text)
        return frozenset(match["top"] for match in found if match)

    # -- names ---------------------------------------------------------------------------------

    def _missing_names(self, number: int, line: str) -> Iterator[Statement]:
        own = _OWN_FILE.search(line)
        if own and "-packages" not in own["path"]:
            if project := self.project_of(own["module"]):
                yield OwnFile(project=project, line=number, path=own["path"])
            return
        for pattern in (_FROM, _ATTRIBUTE, _NO_MODULE):
            match = pattern.search(line)
            project = self.project_of(match["module"]) if match else None
            if match is None or project is None:
                continue
            module = match["module"].rstrip(".")
            is_import = pattern is _FROM
            spans = self._spans(project, module, match["name"], is_there=pattern is not _NO_MODULE)
            is_outside = self._matrix.project(project) is None
            # `No module named 'x.y'` has causes of its own, which facts know.
            if not spans and (not is_import or is_outside):
                continue
            importer = self.importer(number, module)
            other = importer if importer != project else None
            yield MissingName(
                project=project,
                line=number,
                version=self._public_version(project),
                module=module,
                name=match["name"],
                importer=other,
                spans=spans,
                is_outside=is_outside,
                unchanged=None if spans or other else self._examined(project, module),
            )

    def _public_version(self, project: str) -> str | None:
        version = self._versions.get(project)
        return version.partition("+")[0] if version else None

    def _unknown_arguments(self, number: int, line: str) -> Iterator[Statement]:
        match = _ARGUMENT.search(line)
        if match is None:
            return
        path, function, argument = self._matrix.file(ARGUMENTS), match["function"], match["name"]
        if function == "__init__":
            called = self._called(number)
            found = dated_names(path, f"{called}.__init__", argument) if called else []
            # A call of several lines shows no name: only the versions tell whose it can be.
            found = found or [
                row
                for row in owners_of(path, ".__init__", argument)
                if row.project in self._versions
            ]
        else:
            found = dated_names(path, function, argument)
        yield from self._dated(UnknownArgument, found, number, argument)

    def _unknown_members(self, number: int, line: str) -> Iterator[Statement]:
        match = _MEMBER.search(line)
        if match is None:
            return
        owner, name = match["owner"] or match["owner2"], match["name"] or match["name2"]
        found = dated_names(self._matrix.file(MEMBERS), owner, name)
        yield from self._dated(UnknownMember, found, number, name)

    def _unknown_models(self, number: int, line: str) -> Iterator[Statement]:
        for word, pattern in _UNKNOWN_MODELS.items():
            match = pattern.search(line)
            name = match[match.lastgroup or 0] if match else ""
            found = dated_names(self._matrix.file(MODELS), word, name) if name else []
            if match and match.lastgroup == "key":
                found = [row for row in found if row.project in self._text.folded]
            for row in found if len(found) == 1 else ():
                version = self._public_version(row.project)
                yield UnknownModel(
                    project=row.project,
                    line=number,
                    version=version,
                    module=word,
                    name=name,
                    importer=None,
                    spans=row.spans_for(version),
                )

    def _dated(
        self, kind: type[MissingName], found: list[DatedName], number: int, name: str
    ) -> Iterator[Statement]:
        """Yield what one project alone knows of a name that it has in some releases."""
        is_single = len({row.project for row in found}) == 1
        # Another project's class of that name is told by the frames and versions in the text.
        likely = [row for row in found if self._may_be_of(row, number, is_single=is_single)]
        for row in likely if len({row.project for row in likely}) == 1 else ():
            importer = self.importer(number, "")
            if importer and not self._asks_for(importer, row.project):
                importer = None
            yield kind(
                project=row.project,
                line=number,
                version=self._public_version(row.project),
                module=row.owner,
                name=name,
                importer=importer,
                spans=row.spans_for(self._public_version(row.project)),
                is_outside=self._matrix.project(row.project) is None,
            )
            return

    def _called(self, number: int) -> str | None:
        """Return the class that the lines before one call."""
        for line in reversed(self._text.lines[max(0, number - 4) : number - 1]):
            names = _CALLED.findall(line[:LONGEST])
            if names:
                return str(names[-1])
        return None

    def _may_be_of(self, row: DatedName, number: int, *, is_single: bool) -> bool:
        """Return whether a class or function may be of a project: a class of two words that no
        other project has, or of one that lost what is asked for (`Trainer` and `gpus`); or the
        text has a version of it, or a frame near a line whose project is it or asks for it; of a
        class's method, any frame of the stack."""
        owner = row.owner.partition(".")[0]
        had = owner[0].isupper() and any(span.gone for span in row.spans)
        if row.project in self._versions or (is_single and (had or _CAMEL.match(owner))):
            return True
        frames = {
            self.project_of(match["top"])
            for line in self._text.lines[max(0, number - 12) : number]
            for match in FRAME.finditer(line[:LONGEST])
        }
        return any(
            name == row.project
            or (owner[0].isupper() and self._matrix.is_curated(name))
            or self._asks_for(name, row.project)
            for name in frames
            if name
        )

    def _asks_for(self, name: str, project: str) -> bool:
        """Return whether the newest release of one project asks for another."""
        row = self._matrix.project(name)
        newest = row.release(row.versions[-1]).builds if row is not None and row.versions else ()
        return any(leading_name(text) == project for build in newest for text in build.requires)

    def _spans(self, project: str, module: str, name: str, *, is_there: bool) -> tuple[Span, ...]:
        """Return the spans of a name; of a module above it, where that one is gone as a whole and
        the module is not there."""
        table = read_name_table(self._matrix.file(f"{FOLDER}/{project}.json"))
        if table is None:
            return ()
        version = self._public_version(project)
        spans = table.spans(module, name, version, is_there=is_there)
        while not is_there and not spans and "." in module and not table.has_module(module):
            module, _, name = module.rpartition(".")
            spans = table.spans(module, name, version)
        return spans

    def _examined(self, project: str, module: str) -> tuple[str, str] | None:
        """Return the releases whose names of a module are known; none where the installed one is
        newer or older than they are."""
        table = read_name_table(self._matrix.file(f"{FOLDER}/{project}.json"))
        if table is None or not table.has_module(module):
            return None
        oldest, newest = table.examined
        version = self._public_version(project)
        if version and is_version(version) and not accepts(f">={oldest},<={newest}", version):
            return None
        return oldest, newest

    def importer(self, number: int, module: str) -> str | None:
        """Return the project whose file has the last frame before a line."""
        top = module.partition(".")[0]
        for line in reversed(self._text.lines[max(0, number - 12) : number - 1]):
            match = FRAME.search(line[:LONGEST])
            # importlib and the failing package itself are in the path of every import.
            if match and "File" in line and match["top"] not in (top, "importlib"):
                return self.project_of(match["top"]) or canonical(match["top"])
        return None

    def project_of(self, module: str) -> str | None:
        """Return the project that a module is of, also one that the matrix has no releases of."""
        top = module.partition(".")[0]
        names = self._matrix.names
        project = names.imports.get(top) or names.find(top)
        if project is None and self._matrix.project(canonical(top)) is not None:
            return canonical(top)
        return project or project_of_package(self._matrix.file(PACKAGES), module)

    def project(self, word: str) -> str | None:
        """Return the matrix's project for a word in a message."""
        names = self._matrix.names
        project = names.find(word) or names.imports.get(word)
        if project is None and self._matrix.project(canonical(word)) is not None:
            return canonical(word)
        return project

    # -- requirements --------------------------------------------------------------------------

    def _floors(self, number: int, line: str) -> Iterator[Statement]:
        line = _NUMBERS.sub(lambda match: _dotted(match[0]), line)
        match = _REQUIRED.search(line) or _USED.search(line)
        if match and (project := self.project(match["name"])):
            specifier, found = match["specifier"].replace(" ", ""), match["found"].rstrip(".")
            # Some messages name the lower bound alone, and are printed for the upper one too.
            if "incompatible" in line and not _excludes(specifier, found):
                specifier = f"{specifier},<{found}"
            yield Unmet(project=project, line=number, version=found, specifier=specifier)
        elif (match := _ASKED_FOR.search(line)) and (project := self.project(match["name"])):
            version = self._versions.get(project)
            specifier = match["specifier"].replace(" ", "").rstrip(".,")
            if version is None or _excludes(specifier, version):
                yield Unmet(project=project, line=number, version=version, specifier=specifier)
        match = _NO_DISTRIBUTION.search(line)
        if match and (project := self.project(match["name"])):
            yield Unmet(project=project, line=number, specifier=match["specifier"], is_missing=True)
        match = _MINIMUM.search(line)
        if match and (project := self.project(match["name"])):
            yield Unmet(
                project=project,
                line=number,
                specifier=f">={match['version']}",
                is_missing=True,
            )
        match = _NOT_NEW.search(line)
        if match and (project := self.project(match["name"])):
            yield Unmet(
                project=project,
                line=number,
                version=self._versions.get(project),
                specifier="",
            )

    def _conflicts(self, number: int, line: str) -> Iterator[Statement]:
        match = _BUT_HAVE.search(line)
        if match:
            yield from self._conflict(match, match["found"].rstrip("."), number)
            return
        match = _VERSION_CONFLICT.search(line)
        project = self.project(match["name"]) if match else None
        if match and project and _excludes(match["specifier"], match["found"]):
            blamed = self.project(match["who"]) if match["who"] else None
            yield Unmet(
                project=project,
                line=number,
                version=match["found"],
                specifier=match["specifier"],
                requirer=blamed or match["who"],
                blamed=blamed,
            )
            return
        match = _DEPENDS.search(line)
        requested = match and self._requested().get(canonical(match["name"]))
        if match and requested:
            yield from self._conflict(match, requested, number)

    def _conflict(self, match: re.Match[str], version: str, number: int) -> Iterator[Statement]:
        project, blamed = self.project(match["name"]), self.project(match["who"])
        who = blamed or canonical(match["who"])
        # pip puts old-style specifiers in parentheses.
        specifier = match["specifier"].strip(" ,()")
        if project is None or not _excludes(specifier, version):
            return
        is_curated = any(map(self._matrix.is_curated, (project, who)))
        if not is_curated and not (blamed and "depends on" in match[0]):
            return  # a warning about packages outside of the stack
        yield Unmet(
            project=project,
            line=number,
            version=version,
            specifier=specifier,
            requirer=f"{who} {match['who_version']}",
            blamed=blamed,
        )

    def _requested(self) -> dict[str, str]:
        matches = (_REQUESTED.search(line[:LONGEST]) for _, line in self.lines)
        return {canonical(match["name"]): match["version"] for match in matches if match}

    # -- files ---------------------------------------------------------------------------------

    def _candidates(self, number: int, line: str) -> Iterator[Statement]:
        for pattern in (_UNSATISFIED, _POETRY, _UV):
            match = pattern.search(line)
            if match is None:
                continue
            groups = match.groupdict()
            name = next((groups[key] for key in _NAMES if groups.get(key)), "")
            version = next((groups[key] for key in _VERSIONS if groups.get(key)), None)
            namesake = self._matrix.namesakes.find(canonical(name))
            if namesake is not None and namesake.is_absent:
                yield Elsewhere(project=namesake.name, line=number, namesake=namesake)
                return
            project = self.project(name) or self._matrix.names.find(name)
            # NVIDIA's packages are of the stack even where the matrix has no row for them.
            if project is None and not name.startswith("nvidia-"):
                return
            offered = tuple(
                word.strip()
                for word in (groups.get("offered") or "").split(",")
                if is_version(word.strip())
            )
            not_on_index = self._not_on_index(number, project, version) if not offered else None
            yield not_on_index or NoCandidate(
                project=project or canonical(name),
                line=number,
                version=version,
                offered=offered,
                pythons=self._pythons(project, version),
            )
            return

    def _pythons(self, project: str | None, version: str | None) -> tuple[str, ...]:
        """Return the Pythons that a version has wheels for on the text's platform, if the text's
        Python is none of them."""
        row = self._matrix.project(project) if project and self._clues.python else None
        public, _, local = (version or "").partition("+")
        if row is None or public not in row or not self._clues.platform:
            return ()
        platform = SPELLINGS[self._clues.platform]
        builds = [
            build
            for build in row.release(public).builds
            if not build.is_source and local in ("", build.local or "")
        ]
        pythons = pythons_on(builds, platform)
        minor = ".".join((self._clues.python or "").split(".")[:2])
        plain = all(re.fullmatch(r"3\.[0-9]+t?", python) for python in pythons)
        return tuple(python_ranges(pythons)) if plain and minor not in pythons else ()

    def _not_on_index(
        self, number: int, project: str | None, version: str | None
    ) -> NotOnIndex | None:
        """Return what is wrong with the index of a CUDA version that an installer searched."""
        urls = {
            match["url"].rstrip("/,'\"")
            for _, line in self.lines
            for match in _INDEX_URL.finditer(line[:LONGEST])
        }
        # Beside another index, this one may be there for other packages.
        if len(urls) != 1 or project is None:
            return None
        folder, _, index = urls.pop().rpartition("/")
        siblings = {
            name: row.cuda
            for name, row in self._matrix.indexes.items()
            if row.url and row.url.rpartition("/")[0] == folder and row.cuda not in (None, NONE)
        }
        match = _CUDA_INDEX.fullmatch(index)
        if not siblings or match is None:
            return None
        cuda = parse_version(f"{match['major']}.{match['minor']}")
        known = {name: parse_version(label or "") for name, label in siblings.items()}
        # The matrix begins with an index of some year and ends with one: others may be beyond.
        if index not in known and not min(known.values()) < cuda < max(known.values()):
            return None
        public = (version or "").partition("+")[0]
        row = self._matrix.project(project)
        if row is not None and public in row:
            built = {build.index for build in row.release(public).builds}
            known = {name: label for name, label in known.items() if name in built}
        elif index in siblings:
            return None
        if index in known:
            return None
        others = sorted(known, key=known.__getitem__)
        nearest = min(
            known,
            key=lambda name: (
                known[name].major != cuda.major,
                known[name] > cuda,
                _distance(known[name], cuda),
            ),
            default=None,
        )
        return NotOnIndex(
            project=project,
            line=number,
            version=public or None,
            index=index,
            is_index=index in siblings,
            others=tuple(others),
            nearest=nearest,
        )

    def _no_compiler(self, number: int, line: str) -> Iterator[Statement]:
        # Apart, since a pattern that begins with its own text is searched many times as fast.
        match = _NO_NVCC.search(line) or _NO_NVCC_VERSION.search(line)
        if match is None:
            return
        # apex names an option (`--cuda_ext`), and the second message nothing.
        words = line[: match.start()].split() or [""]
        project = self.project(words[-1])
        name = project or self._archive()[0] or self._failed_wheel()
        if name is None:
            return
        project = self.project(name) or canonical(name)
        row = self._matrix.project(project)
        yield NoCompiler(
            project=project,
            line=number,
            version=self._versions.get(project),
            has_wheels=row is not None
            and any(
                not build.is_source
                for release in row.versions
                for build in row.release(release).builds
            ),
        )

    def _failed_wheel(self) -> str | None:
        """Return the name of what pip could not build."""
        for _, line in self.lines:
            match = _FAILED_WHEEL.search(line[:LONGEST]) or _UNPACKED.search(line[:LONGEST])
            if match:
                return match["name"].rstrip(".")
        return None

    def of_builds(self) -> Iterator[Statement]:
        """Yield what is built from source, which takes more than one line to see."""
        name, version, number = self._archive()
        for at, line in self.lines:
            match = _UNPACKED.search(line[:LONGEST]) if "pip-install-" in line else None
            if match and self._has(_LONG_PATH):
                project = self.project(match["name"]) or canonical(match["name"])
                fitting = version if name and canonical(name) == project else None
                yield SourceBuild(
                    project=project, line=at, version=fitting, reason="python-long-path"
                )
                return
        # Packages such as flash-attn import torch in setup.py, and an isolated build has none.
        if name and self._has(_BUILDING) and self._has(("No module named 'torch'",)):
            project = self.project(name) or canonical(name)
            yield SourceBuild(
                project=project, line=number, version=version, reason="python-build-isolation"
            )
            return
        failed = list(self._failed_wheels())
        if not failed and name and self._has(_REFUSED_BUILD):
            known = self.project(name)
            failed = [
                SourceBuild(
                    project=known or canonical(name),
                    line=number,
                    version=version,
                    reason="python-no-wheel" if known else "python-other-build",
                )
            ]
        yield from failed

    def of_channels(self) -> Iterator[Statement]:
        """Yield what conda did not find."""
        start = next(
            (at for at, (_, line) in enumerate(self.lines) if _has_any(line, _NOT_IN_CHANNELS)),
            None,
        )
        if start is None:
            return
        is_mac = names_mac_of_conda(self._text.folded)
        conda = read_rules(self._matrix.directory).conda
        for number, line in self.lines[start + 1 : start + 30]:
            match = _CONDA_ENTRY.match(line[:LONGEST])
            if match is None or not match["name"]:
                if "channels:" in line.lower():
                    return
                continue
            known = conda.get(match["name"])
            is_cuda = known is not None and known.means == CUDA.name
            project = known.project if known else self.project(match["name"])
            if not is_cuda and not (project and self._matrix.is_curated(project)):
                continue
            yield NotInChannels(
                project=project or canonical(match["name"]),
                line=number,
                version=(match["version"] or "").rstrip("*.") or None,
                is_cuda_on_mac=is_cuda and is_mac,
            )

    def _failed_wheels(self) -> Iterator[Statement]:
        failed: dict[str, int] = {}
        for number, line in self.lines:
            match = _FAILED_WHEEL.search(line[:LONGEST]) if "build" in line.lower() else None
            if match and ("rror" in line or "ailed" in line or "not build" in line):
                failed.setdefault(match["name"].rstrip("."), number)
        # A failure outside of the stack is mentioned alone: it stopped the whole installation.
        unlisted = [name for name in failed if self.project(name) is None]
        for name in unlisted[:1]:
            yield SourceBuild(
                project=canonical(name), line=failed[name], reason="python-other-build"
            )
        for name, number in failed.items():
            project = self.project(name)
            if project and not unlisted:
                yield SourceBuild(project=project, line=number, reason="python-no-wheel")

    def _archive(self) -> tuple[str | None, str | None, int]:
        """Return name, version and line of the last source distribution that pip took."""
        # The archive that pip named, else the checkout that it builds, else what it collected last.
        for pattern in (_ARCHIVE, _TREE, _COLLECTING):
            for number, line in reversed(self.lines):
                match = pattern.search(line[:LONGEST])
                if match:
                    return match["name"], match.groupdict().get("version"), number
        return None, None, 0

    def _has(self, texts: tuple[str, ...]) -> bool:
        return any(text in line for _, line in self.lines for text in texts)

    # -- symbols -------------------------------------------------------------------------------

    def _symbols(self, number: int, line: str) -> Iterator[Statement]:
        match = _SYMBOL.search(line)
        framework = self._matrix.framework
        if framework is None:
            return
        if match is None:
            project = self.importer(number + 1, framework) if _PROCEDURE in line else None
            if project is None or not self._matrix.is_curated(project):
                return
        elif _FRAMEWORK_SYMBOL.match(match["symbol"]):
            project = self._owner(line, number)
        else:
            return
        if project and project != framework:
            yield WrongAbi(
                project=project,
                line=number,
                version=self._versions.get(project),
                framework=framework,
                is_new_abi="__cxx11" in line,
            )

    def _owner(self, line: str, number: int) -> str | None:
        """Return the project that a shared library is of, by its path, else by the last import."""
        paths = re.findall(r"[^\s:'\"(),]+\.(?:so|pyd|dylib)\b", line)
        for path in paths[:1]:
            parts = re.split(r"[/\\]+", path)
            stem = parts[-1].partition(".")[0]
            # `flash_attn_2_cuda.so` lies beside the package; `libfoo.so` and folders are tried
            # after it.
            for word in (stem, stem.removeprefix("lib"), *reversed(parts[:-1])):
                project = self.project_of(word) if word.isidentifier() else None
                if project:
                    return project
        return self._imported(number)

    def _imported(self, number: int) -> str | None:
        """Return the project of the last import statement before a line."""
        for before in reversed(self._text.lines[max(0, number - 6) : number]):
            match = _IMPORT.match(before[:LONGEST])
            project = self.project_of(match["top"]) if match else None
            if project:
                return project
        return None


def _has_any(line: str, words: tuple[str, ...]) -> bool:
    return any(word in line for word in words)


def _dotted(numbers: str) -> str:
    """Return the version that a list of numbers means: `[1, 1, 4]` is 1.1.4."""
    return ".".join(numbers.strip("[]()").split(", ")[:3])


def _distance(one: Version, other: Version) -> tuple[int, int]:
    return abs(one.major - other.major), abs(one.minor - other.minor)


def _excludes(specifier: str, version: str) -> bool:
    """Return whether a version is outside of a specifier; not for what cannot be read."""
    try:
        return not specifier_set(specifier).contains(parse_version(version), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return False

"""What a message of a known kind says: a value, whose sentence is made when it is shown.

A symptom in a component file is for one component. These have their subject in themselves
(`cannot import name X from Y`, `X>=2 is required, but found X==1`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cudalock.diagnose.name_table import (
    Span,
)
from cudalock.versions import (
    accepts,
)

if TYPE_CHECKING:
    from cudalock.matrix.namesakes import Namesake


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What one message states about one project."""

    project: str
    """a project name"""
    line: int
    """counted from 1"""
    version: str | None = None
    """of the project, as the text has it"""

    @property
    def fact(self) -> str:
        """The id of the general fact that this is a case of."""
        raise NotImplementedError

    @property
    def says(self) -> str:
        """What is wrong; reads after the project's name."""
        raise NotImplementedError

    @property
    def stands_for(self) -> tuple[str, ...]:
        """The ids of the general facts that say less of the same message."""
        return (self.fact,)

    @property
    def fix(self) -> str | None:
        """What to do; None for the general fact's."""
        return None

    @property
    def alternatives(self) -> tuple[tuple[str, str], ...]:
        """Project and specifier of which a fix satisfies one; none if any change can be one."""
        return ()

    @property
    def others(self) -> tuple[str, ...]:
        """The projects that are to blame as well, and to be unpinned first."""
        return ()

    @property
    def is_of_versions(self) -> bool:
        """Whether another version or build can be the fix."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingName(Statement):
    """`cannot import name X from Y`, `module Y has no attribute X`, `No module named Y.X`."""

    module: str
    name: str
    importer: str | None
    """the project whose file imports it"""
    spans: tuple[Span, ...]
    """the releases that have the name, if known"""
    is_outside: bool = False
    """whether the matrix has no releases of the project"""
    unchanged: tuple[str, str] | None = None
    """the oldest and newest release between which the name neither came nor went, if known"""

    @property
    def fact(self) -> str:
        if self.unchanged:
            return "python-name-unlisted"
        return "python-name-outside" if self.is_outside else "python-name-gone"

    @property
    def is_of_versions(self) -> bool:
        return bool(self.spans) and not self._should_be_there

    @property
    def _should_be_there(self) -> bool:
        return bool(self.version) and any(
            accepts(span.specifier, self.version or "") for span in self.spans
        )

    @property
    def says(self) -> str:
        name = f"{self.module}.{self.name}"
        who = f"; {self.importer} imports it" if self.importer else ""
        if self.unchanged:
            first, last = self.unchanged
            return (
                f"got or lost no {name} from {first} to {last}: the name is of a fork, of your"
                " program or of another package, or the package's files are not what runs"
            )
        if not self.spans:
            return f"has no {name}: what imports it needs an older or newer release{who}"
        spans = " and ".join(map(_in_words, self.spans))
        if self._should_be_there:
            return (
                f"has {name} {spans}, and so in {self.version}: files of two releases lie in one"
                f" folder, or an old one is still loaded{who}"
            )
        return f"has {name} {spans}{who}"

    @property
    def fix(self) -> str | None:
        if self.unchanged:
            return None
        if self._should_be_there:
            return f"uninstall {self.project} until pip finds none, reinstall it, and restart"
        texts = [f"{self.project}{span.specifier}" for span in self.spans]
        newer = f"a newer {self.importer or 'release of what imports it'}"
        if self.spans and self.spans[-1].gone:
            return " or ".join([*texts, newer])
        older = f"an older {self.importer or 'release of what imports it'}"
        return " or ".join([*texts, older]) if texts else f"{newer}, or an older {self.project}"

    @property
    def alternatives(self) -> tuple[tuple[str, str], ...]:
        return tuple((self.project, span.specifier) for span in self.spans)


def _in_words(span: Span) -> str:
    if span.first and span.gone:
        return f"from {span.first} on and no longer from {span.gone} on"
    return f"from {span.first} on" if span.first else f"no longer from {span.gone} on"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFile(Statement):
    """`cannot import name X from partially initialized module Y (/work/Y.py)`."""

    path: str

    @property
    def fact(self) -> str:
        return "python-own-file"

    @property
    def says(self) -> str:
        return f"is hidden by a file of the program's own that has its name: {self.path}"

    @property
    def fix(self) -> str | None:
        return "give that file another name, and remove its .pyc"

    @property
    def is_of_versions(self) -> bool:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownArgument(MissingName):
    """`Trainer.__init__() got an unexpected keyword argument 'tokenizer'`; `module` is the
    function."""

    @property
    def says(self) -> str:
        who = f"; {self.importer} passes it" if self.importer else ""
        spans = " and ".join(map(_in_words, self.spans))
        return f"has the argument {self.name} of {self.module}() {spans}{who}"

    @property
    def fix(self) -> str | None:
        texts = [f"{self.project}{span.specifier}" for span in self.spans]
        age = "a newer" if self.spans[-1].gone else "an older"
        return " or ".join([*texts, f"{age} {self.importer or 'release of what passes it'}"])


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownMember(MissingName):
    """`'DynamicCache' object has no attribute 'seen_tokens'`; `module` is the class."""

    @property
    def fix(self) -> str | None:
        texts = [f"{self.project}{span.specifier}" for span in self.spans]
        age = "a newer" if self.spans[-1].gone else "an older"
        return " or ".join([*texts, f"{age} {self.importer or 'release of what uses it'}"])


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownModel(MissingName):
    """A model that is newer than the installed release; `module` is the kind of name."""

    @property
    def stands_for(self) -> tuple[str, ...]:
        return (self.fact, "transformers-unknown-model", "transformers-unknown-tokenizer")

    @property
    def says(self) -> str:
        model, known = f"the {self.module} {self.name}", " and ".join(map(_in_words, self.spans))
        if self._should_be_there:
            return f"knows {model} {known}, and so in {self.version}: an older one is loaded"
        if self.spans[0].first is None:
            return f"knows {model} {known}"
        return f"is too old for {model}, which it knows {known}"

    @property
    def fix(self) -> str | None:
        return " or ".join(f"{self.project}{span.specifier}" for span in self.spans)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmet(Statement):
    """`X>=2 is required, but found X==1`; `version` is the one found, None for not installed."""

    specifier: str
    """`>=2`; empty for any version"""
    requirer: str | None = None
    """a project name with its version"""
    blamed: str | None = None
    """the requirer's project, if the matrix has it"""
    is_missing: bool = False

    @property
    def is_of_versions(self) -> bool:
        return bool(self.specifier)

    @property
    def fact(self) -> str:
        return "python-requirements-conflict" if self.requirer else "python-floor"

    @property
    def says(self) -> str:
        installed = f"{self.version} is installed" if self.version else "it is missing or too old"
        if self.is_missing:
            installed = "it is not installed"
        wanted = self.specifier or "a newer release"
        if self.requirer:
            return f"must be {wanted} for {self.requirer}, which requires it; {installed}"
        return f"must be {wanted} for what imports it and needs that or newer; {installed}"

    @property
    def fix(self) -> str | None:
        if self.requirer:
            return f"{self.project}{self.specifier}, or a {self.requirer.split()[0]} that fits"
        return f"{self.project}{self.specifier}" if self.specifier else f"a newer {self.project}"

    @property
    def alternatives(self) -> tuple[tuple[str, str], ...]:
        # With the requirer known, either of the two may change, which the solver decides.
        return ((self.project, self.specifier),) if self.specifier and not self.blamed else ()

    @property
    def others(self) -> tuple[str, ...]:
        return (self.blamed,) if self.blamed else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotInstalled(Statement):
    """`No module named X`, where X is the module of a project."""

    @property
    def fact(self) -> str:
        return "python-not-installed"

    @property
    def says(self) -> str:
        return "is not installed in the environment that runs"

    @property
    def fix(self) -> str | None:
        return f"install {self.project} there"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoCandidate(Statement):
    """An installer found no file of the project; `version` is the requested one."""

    offered: tuple[str, ...] = ()
    """the versions that the index offered for that Python and platform, oldest first"""
    pythons: tuple[str, ...] = ()
    """the Pythons that the version has wheels for on that platform, as ranges: `3.8-3.12`"""

    @property
    def fact(self) -> str:
        return "python-no-wheel"

    @property
    def says(self) -> str:
        which = f"has no wheel of {self.version} that fits" if self.version else "has no wheel"
        offered = f" (it offers {self.offered[0]} to {self.offered[-1]})" if self.offered else ""
        return f"{which} this Python and platform on the index that was searched{offered}"

    @property
    def fix(self) -> str | None:
        which = f"{self.project} {self.version}" if self.version else self.project
        pythons = f" (Python {', '.join(self.pythons)})" if self.pythons else ""
        return (
            f"a Python and platform that {which} has wheels for{pythons}, another of its releases,"
            " or the index that has them"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherPython(Statement):
    """An installer refuses the project for the Python that runs it."""

    specifier: str
    """the Pythons that the project is for"""
    python: str | None
    """the one that runs"""

    @property
    def fact(self) -> str:
        return "python-no-wheel"

    @property
    def is_of_versions(self) -> bool:
        return False

    @property
    def says(self) -> str:
        runs = f", and {self.python} runs" if self.python else ""
        return f"is for Python {self.specifier}{runs}: no wheel or source of it is for another"

    @property
    def fix(self) -> str | None:
        return f"a Python that is {self.specifier}, or another release of {self.project}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unloadable(Statement):
    """Windows does not find a DLL that a compiled module of the project opens."""

    framework: str

    @property
    def fact(self) -> str:
        return "torch-extension-dll"

    @property
    def says(self) -> str:
        return (
            f"opens a DLL that is not found: it is built for another {self.framework} or CUDA than"
            f" the one there, or is loaded before {self.framework}"
        )

    @property
    def fix(self) -> str | None:
        return (
            f"a wheel of {self.project} for this {self.framework} and its CUDA; import"
            f" {self.framework} first; the Visual C++ runtime"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameworkUnloadable(Statement):
    """Windows does not find, or cannot start, a DLL that the framework opens."""

    is_other_dll: bool
    """whether a DLL was found, and is none that fits"""

    @property
    def fact(self) -> str:
        return "torch-windows-vc-runtime"

    @property
    def is_of_versions(self) -> bool:
        return False

    @property
    def says(self) -> str:
        if self.is_other_dll:
            return (
                "opens a DLL of which another one is found first on PATH, or none starts without"
                " the Visual C++ runtime"
            )
        return (
            "opens a DLL that is not found: the Microsoft Visual C++ runtime, or a library whose"
            " folder is not on PATH"
        )

    @property
    def fix(self) -> str | None:
        return (
            "install or update the Visual C++ Redistributable (x64); then a new environment without"
            " other Pythons and their libraries on PATH"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NotInChannels(Statement):
    """conda found no package of that name and version; `version` is the requested one."""

    is_cuda_on_mac: bool
    """whether it is CUDA for macOS, which nobody has"""

    @property
    def fact(self) -> str:
        return "torch-mac-no-cuda" if self.is_cuda_on_mac else "python-conda-conflict"

    @property
    def stands_for(self) -> tuple[str, ...]:
        return (self.fact, "python-conda-conflict")

    @property
    def is_of_versions(self) -> bool:
        return False

    @property
    def says(self) -> str:
        if self.is_cuda_on_mac:
            return "of CUDA is requested on a Mac, and there is none: macOS has no CUDA"
        which = f"{self.version} is" if self.version else "is"
        return f"{which} in none of the channels that conda searched, for this platform"

    @property
    def fix(self) -> str | None:
        if self.is_cuda_on_mac:
            return "leave it out: torch for macOS runs on Apple's GPU (mps) or the CPU"
        return "a channel that has it (-c conda-forge, -c nvidia), or pip's wheels: cudalock solve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere(Statement):
    """An installer looked on the package index for what has never been there."""

    namesake: Namesake

    @property
    def fact(self) -> str:
        return "python-no-wheel"

    @property
    def is_of_versions(self) -> bool:
        return False

    @property
    def says(self) -> str:
        return f"is not on the package index: it is {self.namesake.title}"

    @property
    def fix(self) -> str | None:
        return self.namesake.advice


@dataclass(frozen=True, slots=True, kw_only=True)
class NotOnIndex(Statement):
    """An installer searched the index of a CUDA version that has no builds of what was requested;
    `version` is the requested one."""

    index: str
    """the index as its URL names it: `cu131`"""
    is_index: bool
    """whether there is such an index"""
    others: tuple[str, ...]
    """the indexes beside it that have builds of the version, or exist if there is no version"""
    nearest: str | None
    """the one of them whose CUDA is nearest"""

    @property
    def fact(self) -> str:
        return "python-no-index"

    @property
    def stands_for(self) -> tuple[str, ...]:
        return (self.fact, "python-no-wheel")

    @property
    def says(self) -> str:
        if self.is_index:
            return f"has no build of {self.version} on the index {self.index}"
        return f"is looked for on {self.index}, an index that does not exist"

    @property
    def fix(self) -> str | None:
        which = f"{self.project} {self.version} is on" if self.version else "there are"
        return f"another index: {which} {', '.join(self.others)}" if self.others else None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoCompiler(Statement):
    """The project's setup.py looks for nvcc, and there is none."""

    has_wheels: bool
    """whether the matrix has wheels of the project"""

    @property
    def fact(self) -> str:
        return "torch-extension-no-nvcc"

    @property
    def stands_for(self) -> tuple[str, ...]:
        return (self.fact, "torch-extension-cuda-home")

    @property
    def is_of_versions(self) -> bool:
        return self.has_wheels

    @property
    def says(self) -> str:
        return "is compiled from its sdist, which needs nvcc, and there is none"

    @property
    def fix(self) -> str | None:
        toolkit = "a CUDA toolkit with nvcc, and CUDA_HOME on its folder"
        if self.has_wheels:
            return (
                f"a wheel of {self.project} for this torch, which its releases have; or {toolkit}"
            )
        return toolkit


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceBuild(Statement):
    """pip builds the project from its source distribution."""

    reason: str
    """the id of the general fact: why that fails"""

    @property
    def fact(self) -> str:
        return self.reason

    @property
    def is_of_versions(self) -> bool:
        return self.reason != "python-other-build"

    @property
    def says(self) -> str:
        name = f"{self.version} is" if self.version else "is"
        match self.reason:
            case "python-long-path":
                return f"{name} unpacked from its sdist, whose paths are too long for the system"
            case "python-build-isolation":
                return (
                    f"{name} built from its sdist by pip, as no wheel fits: in an isolated"
                    " environment, without torch"
                )
            case "python-no-wheel":
                return f"{name} built from its sdist: no wheel of it is for this Python"
        return f"{name} compiled from its sdist, and is outside of this stack"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongAbi(Statement):
    """A compiled module of the project misses a C++ symbol of the framework."""

    framework: str
    is_new_abi: bool
    """whether the symbol is of the C++ ABI that gcc has had since 5.1 (`__cxx11`)"""

    @property
    def fact(self) -> str:
        return "torch-extension-minor"

    @property
    def says(self) -> str:
        abi = " (its symbol is of the new C++ ABI)" if self.is_new_abi else ""
        return (
            f"is compiled for another {self.framework} release or C++ ABI than the one there{abi}"
        )

    @property
    def fix(self) -> str | None:
        return f"a wheel of {self.project} for this {self.framework}, or the one it was built for"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongCuda(Statement):
    """A compiled module of the project opens the CUDA runtime of a missing major version."""

    framework: str
    cuda: str
    """a major version"""

    @property
    def fact(self) -> str:
        return "torch-extension-cuda-runtime"

    @property
    def stands_for(self) -> tuple[str, ...]:
        return (self.fact, "torch-libraries-not-found", "torch-own-libraries")

    @property
    def says(self) -> str:
        return (
            f"is built for CUDA {self.cuda}, whose libraries the {self.framework} there does not"
            " bring"
        )

    @property
    def fix(self) -> str | None:
        return (
            f"a {self.framework} for CUDA {self.cuda}, or a {self.project} for the CUDA of this"
            f" {self.framework}: both of one CUDA major version"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OldDriver(Statement):
    """The driver reports the newest CUDA version that it can run, which is older than what runs."""

    cuda: str

    @property
    def fact(self) -> str:
        return "driver-too-old"

    @property
    def says(self) -> str:
        return f"can run CUDA {self.cuda} at most, and what runs is built for a newer one"

"""Tell what a source distribution requires and whether it compiles, by the rules of the table."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from packaging.requirements import InvalidRequirement

from cudalock import toml
from cudalock.matrix.sources import COMPILES, PURE, UNKNOWN, SourceState
from cudalock.sdists.rules import ELSEWHERE, NOTHING, SETUP_SCRIPT, Backend, read_rules
from cudalock.sdists.setup_script import follow, is_open, is_standard
from cudalock.sdists.source import SourceMetadata
from cudalock.sdists.static import read_static
from cudalock.text import listed
from cudalock.versions import canonical, parse_requirement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.sdists.archive import Contents
    from cudalock.sdists.setup_script import Script

OF_SETUPTOOLS: Final = frozenset({"setuptools", "pkg_resources", "distutils", "wheel"})
"""Modules that an isolated build has if the build requirements name setuptools, or nothing."""

_LEGACY: Final = "setuptools.build_meta"


def read_source(contents: Contents) -> SourceMetadata | None:
    """Return what an archive states of itself; None where it has no name or version."""
    project = _pyproject(contents)
    script_text = contents.text("setup.py")
    script = follow(script_text) if script_text is not None else None
    backend = _backend(project)
    stated = read_static(
        contents,
        project,
        script,
        is_declarative=backend is not None and backend.builds == NOTHING,
    )
    if not stated.name or not stated.version:
        return None
    build = _Judge(contents, project, script, backend).build()
    return SourceMetadata(
        str(canonical(stated.name)), stated.version, stated.python, stated.requires, build
    )


def _pyproject(contents: Contents) -> dict[str, Any]:
    text = contents.text("pyproject.toml")
    try:
        return toml.loads(text) if text else {}
    except (toml.TOMLDecodeError, RecursionError):
        # It cannot be built either, and an empty backend below is of no known kind.
        return {"build-system": {"build-backend": ""}}


def _table(document: dict[str, Any], path: str) -> Any:
    content: Any = document
    for key in path.split("."):
        content = content.get(key) if isinstance(content, dict) else None
    return content


def _backend_name(project: dict[str, Any]) -> str:
    named = _table(project, "build-system.build-backend")
    return _LEGACY if named is None else str(named)


def _backend(project: dict[str, Any]) -> Backend | None:
    """Return the row of the build backend; None for one that is not in the table."""
    # One inside the archive may do anything, whatever its name.
    if _table(project, "build-system.backend-path") is not None:
        return None
    module = _backend_name(project).partition(":")[0].partition(".")[0]
    return read_rules().backends.get(module)


class _Judge:
    """Decides about one archive."""

    def __init__(
        self,
        contents: Contents,
        project: dict[str, Any],
        script: Script | None,
        backend: Backend | None,
    ) -> None:
        self._contents = contents
        self._project = project
        self._script = script
        self._backend = backend
        self._rules = read_rules()

    def build(self) -> SourceState:
        """Return whether it compiles, with the first reason."""
        backend = self._backend
        if backend is None:
            name = _backend_name(self._project) or "its pyproject.toml"
            return SourceState(UNKNOWN, f"nothing is known of its build backend, `{name}`")
        if backend.builds == SETUP_SCRIPT:
            return self._setuptools()
        if backend.builds == ELSEWHERE:
            return SourceState(
                UNKNOWN, f"its build backend fetches the wheel from {backend.made_with}"
            )
        if backend.builds != NOTHING:
            return SourceState(COMPILES, f"its build backend is for {backend.made_with}")
        code = self._own_code(backend)
        if code is not None and (reads := self._readable_by_compilers()):
            return SourceState(UNKNOWN, f"`{code}` runs code of its own, and it holds {reads}")
        return SourceState(PURE)

    def _own_code(self, backend: Backend) -> str | None:
        """Return the table by which a project runs code of its own in a backend."""
        table = _table(self._project, backend.unless) if backend.unless else None
        if not table:
            return None
        keys = set(table) if isinstance(table, dict) else {""}
        return (
            backend.unless if keys - self._rules.harmless.get(backend.unless or "", set()) else None
        )

    # -- setuptools -----------------------------------------------------------------------------

    def _setuptools(self) -> SourceState:
        for path, makes in self._rules.tables.items():
            if _table(self._project, path):
                return SourceState(COMPILES, f"`{path}` of its pyproject.toml compiles {makes}")
        if self._contents.text("setup.py") is None:
            return SourceState(PURE)
        script = self._script
        if script is None:
            return SourceState(UNKNOWN, "its setup.py is not Python 3")
        beside = tuple(self._needed_before(script))
        if signs := sorted(script.uses & self._rules.calls.keys()):
            calls = [self._rules.calls[sign] for sign in signs]
            needed = {call.beside for call in calls if call.beside}
            makes = listed(dict.fromkeys(call.makes for call in calls))
            reason = f"its setup.py uses {listed(signs)} to compile {makes}"
            return SourceState(COMPILES, reason, tuple(sorted({*beside, *needed})))
        return self._without_signs(script, beside)

    def _without_signs(self, script: Script, beside: tuple[str, ...]) -> SourceState:
        """A script that makes nothing to compile in sight."""
        if script.stops:
            return SourceState(UNKNOWN, "its setup.py ends with an error of its own", beside)
        if program := self._program(script):
            reason = f"its setup.py runs {program}, which {self._rules.programs[program]}"
            return SourceState(UNKNOWN, reason, beside)
        dropped = [name for name in self._rules.dropped if self._uses(script, name)]
        if dropped:
            name = dropped[0]
            since = self._rules.dropped[name]
            return SourceState(
                UNKNOWN, f"its setup.py uses `{name}`, which {since} dropped", beside
            )
        if beside:
            named = listed(beside)
            reason = f"its setup.py imports {named}, which its build requirements do not name"
            return SourceState(UNKNOWN, reason, beside)
        filled = [name for name in self._rules.arguments if script.arguments.get(name)]
        for name in filled:
            if not is_open(script.arguments[name]):
                makes = self._rules.arguments[name]
                return SourceState(COMPILES, f"`{name}` of its setup.py compiles {makes}")
        reads = self._readable_by_compilers()
        if not reads:
            # setuptools compiles what the archive holds: a computed list has nothing to name.
            return SourceState(PURE)
        if filled:
            return SourceState(
                UNKNOWN, f"`{filled[0]}` of its setup.py is computed; it holds {reads}"
            )
        if script.is_open:
            return SourceState(
                UNKNOWN, f"the arguments of its setup.py are computed; it holds {reads}"
            )
        if script.arguments.get("cmdclass"):
            return SourceState(UNKNOWN, f"its setup.py has commands of its own; it holds {reads}")
        return SourceState(PURE)

    def _program(self, script: Script) -> str | None:
        """Return a program of the table that a script may start."""
        if "subprocess" not in script.imports:
            return None
        text = self._contents.text("setup.py") or ""
        named = (
            name for name in self._rules.programs if f'"{name}"' in text or f"'{name}'" in text
        )
        return next(named, None)

    def _uses(self, script: Script, name: str) -> bool:
        if name not in script.imports and not script.arguments.get(name):
            return False
        # A project that bounds its setuptools knows what it is built with.
        return not any(
            canonical(requirement.name) == "setuptools"
            and requirement.specifier
            and any(clause.operator in ("<", "<=", "==", "~=") for clause in requirement.specifier)
            for requirement in self._build_requirements()
        )

    def _needed_before(self, script: Script) -> Iterator[str]:
        """Yield the modules that a script imports and that an isolated build does not have."""
        own = {name.partition("/")[0].removesuffix(".py") for name in self._contents.names}
        built_with = {canonical(requirement.name) for requirement in self._build_requirements()}
        for module in sorted(script.imports):
            if is_standard(module) or module in OF_SETUPTOOLS or module in own:
                continue
            if canonical(module) not in built_with:
                yield str(canonical(module))

    def _build_requirements(self) -> Iterator[Any]:
        texts = _table(self._project, "build-system.requires")
        required = self._script.arguments.get("setup_requires") if self._script else None
        for text in (*_strings(texts), *_strings(required)):
            try:
                yield parse_requirement(text)
            except InvalidRequirement:
                continue

    def _readable_by_compilers(self) -> str:
        """Return what the archive holds for compilers: "C++ and CUDA"; empty for nothing."""
        kinds = set()
        for name in self._contents.names:
            path = PurePosixPath(name)
            kind = self._rules.build_files.get(path.name) or self._rules.languages.get(path.suffix)
            if kind:
                kinds.add(kind)
        return f"sources in {listed(sorted(kinds))}" if kinds else ""


def _strings(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [text for text in content if isinstance(text, str)] if isinstance(content, list) else []

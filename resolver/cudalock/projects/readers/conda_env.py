"""environment.yml of conda, mamba and conda-lock: packages of conda, and the pip section."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cudalock.projects.model import Declared, FileProblem, ProjectFile, StatedValue
from cudalock.projects.readers.requirements import Reader
from cudalock.projects.syntax import conda as conda_versions
from cudalock.projects.syntax.logical_lines import LogicalLine, logical_lines
from cudalock.projects.syntax.text import Text
from cudalock.projects.syntax.yaml import BadYaml, compose
from cudalock.targets.platforms import of_conda_subdir
from cudalock.versions import canonical

if TYPE_CHECKING:
    from cudalock.projects.model import Encoding, Place
    from cudalock.projects.readers.requirements import Nested
    from cudalock.projects.syntax.yaml import YamlNode

_DEPENDENCIES: Final = re.compile(r"^dependencies[ \t]*:", re.MULTILINE)
_PYTHON: Final = "python"


def read(text: Text, encoding: Encoding, *, nested: Nested | None = None) -> ProjectFile:
    """Read the file."""
    reader = _Environment(text, nested)
    reader.read()
    pip = reader.pip
    return ProjectFile(
        text.name,
        "environment",
        text.text,
        encoding,
        declared=tuple(
            sorted((*reader.declared, *pip.declared), key=lambda declared: declared.place.start)
        ),
        indexes=tuple(pip.indexes),
        no_index=pip.no_index,
        options=tuple(pip.options),
        requires_python=reader.requires_python,
        python=reader.python,
        channels=tuple(reader.channels),
        platforms=tuple(dict.fromkeys(reader.platforms)),
        problems=tuple(dict.fromkeys((*reader.problems, *pip.problems))),
        nested=tuple(pip.nested),
    )


class _Environment:
    """The state of reading one file."""

    def __init__(self, text: Text, nested: Nested | None) -> None:
        self.text = text
        self.pip = Reader(text, False, nested)
        self.declared: list[Declared] = []
        self.problems: list[FileProblem] = []
        self.platforms: list[str] = []
        self.channels: list[str] = []
        self.requires_python: StatedValue | None = None
        self.python: StatedValue | None = None

    def read(self) -> None:
        try:
            root = compose(self.text.text)
        except BadYaml as error:
            if not _DEPENDENCIES.search(self.text.text):
                return  # A template or settings of something else: the file name is a common one.
            self._problem(error.start, error.start, f"this is not YAML: {error}")
            return
        for key, node in root.pairs():
            if key.value == "dependencies":
                for dependency in node.items():
                    self._dependency(dependency)
            elif key.value == "channels":
                self.channels += [channel.value for channel in node.items()]
            elif key.value == "platforms":
                rows = [of_conda_subdir(subdir.value) for subdir in node.items()]
                self.platforms += [row.flag for row in rows if row]

    def _dependency(self, node: YamlNode) -> None:
        for key, pip_node in node.pairs():
            if key.value == "pip":
                for pip_line in pip_node.items():
                    self._pip(pip_line)
        if node.kind == "scalar" and node.value.strip():
            self._conda(node)

    def _conda(self, node: YamlNode) -> None:
        start, end = node.start, node.end
        spec_text = self.text.text[start:end]
        # Offsets count in the text; what YAML unescapes or folds has none, and is no spec anyway.
        spec = conda_versions.parse(spec_text) if spec_text == node.value else None
        if spec is None:
            self._problem(start, end, f"invalid conda package spec `{node.value}`")
            return
        place = self.text.place(start, end)
        # All behind the name, so that a rewrite replaces version and build together: a build string
        # belongs to one version.
        where = self.text.place(start + spec.version[0], start + spec.version[1])
        if spec.name.lower() == _PYTHON:
            self._python(spec, where)
            return
        self.declared.append(
            Declared(
                name=canonical(spec.name),
                text=spec_text,
                place=place,
                specifier=spec.specifier or "",
                version_place=where,
                syntax="conda",
                ignored=self.text.ignored(start, end),
                manager="conda",
                channel=spec.channel,
                build=spec.build,
                problem=None if spec.specifier is not None else "only conda knows such versions",
            )
        )

    def _python(self, spec: conda_versions.Spec, place: Place) -> None:
        if not spec.specifier:
            return
        self.requires_python = StatedValue(spec.specifier, place)
        # `python=3.11` was translated to `==3.11.*`; of a range nobody knows what conda takes.
        if spec.specifier.startswith("==") and "," not in spec.specifier:
            self.python = StatedValue(spec.specifier[2:].removesuffix(".*"), place)

    def _pip(self, node: YamlNode) -> None:
        """A line of the pip section is a line of a requirements file."""
        start, end = node.start, node.end
        if self.text.text[start:end] == node.value:
            for line in logical_lines(node.value):
                pieces = tuple((offset, start + where) for offset, where in line.pieces)
                self.pip.read_line(LogicalLine(line.text, pieces, start + line.end))
        else:
            # Text that YAML folds or unescapes has a span as a whole only.
            self._folded(node.value, start, end)

    def _folded(self, command: str, start: int, end: int) -> None:
        inner = Reader(Text(self.text.name, command), False)
        for line in logical_lines(command):
            inner.read_line(line)
        place = self.text.place(start, end)
        text = self.text.text[start:end]
        self.pip.declared += [
            replace(requirement, place=place, text=text, version_place=None, hashes_place=None)
            for requirement in inner.declared
        ]
        self.pip.indexes += [index._replace(place=place) for index in inner.indexes]
        self.pip.problems += [problem._replace(place=place) for problem in inner.problems]

    def _problem(self, start: int, end: int, message: str) -> None:
        self.problems.append(FileProblem(self.text.place(start, end), message))

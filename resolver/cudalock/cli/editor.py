"""What an editor shows of an open file: findings, fixes of pins, and what a pin is compatible with.

The text is the editor's, whatever is on disk. Nothing is looked up on the network: a file is
checked after every pause in typing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.targets.accelerators import ACCELERATORS
from cudalock.text import listed
from cudalock.versions import leading_name, version_order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.check import Checked
    from cudalock.check.selection import Selection
    from cudalock.findings import Finding
    from cudalock.matrix.matrix import Matrix
    from cudalock.projects.model import Declared
    from cudalock.targets import Target

SHOWN: Final = 6
"""How many companions and facts a hover names."""


class EditorProblem(NamedTuple):
    """A finding in the text, from one offset to another, in characters."""

    finding: Finding
    start: int
    end: int


class QuickFix(NamedTuple):
    """What to do, and the whole text afterwards; `codes` are those of the findings it fixes."""

    title: str
    text: str
    codes: frozenset[str]


@dataclass(slots=True)
class Editor:
    """The matrix, and what was found in each file's last text."""

    matrix: Matrix
    _checked: dict[str, tuple[str, Checked]] = field(default_factory=dict)

    def problems(self, path: Path, text: str) -> list[EditorProblem]:
        """Return what is wrong in a file's text; nothing for a file that `check` does not read.

        Raises CudalockError for settings of its folder that are wrong.
        """
        checked = self._check(path, text)
        if checked is None:
            return []
        name = checked.file.name
        return [
            EditorProblem(finding, place.start, max(place.end, place.start + 1))
            for finding in self._selection(path).of_findings(checked.findings)
            if (place := finding.place) is not None and place.file == name
        ]

    def fixes(self, path: Path, text: str) -> list[QuickFix]:
        """Return the fixes of a file's text, one for each code, and one for all of several."""
        from cudalock.check.fix_text import rewrite
        from cudalock.check.selection import Selection

        checked = self._check(path, text)
        if checked is None:
            return []
        codes = sorted({finding.code for finding in checked.findings})
        fixes: list[QuickFix] = []
        for chosen in [[code] for code in codes] + ([codes] if len(codes) > 1 else []):
            selection = Selection.of(chosen, (), {})
            for new in rewrite(checked, self.matrix, selection):
                if new.file.name != checked.file.name:
                    continue
                fixed = frozenset(finding.code for finding in new.mended)
                title = "; ".join(new.changes)
                if all(title != other.title for other in fixes):
                    fixes.append(QuickFix(title, new.content.decode("utf-8", "replace"), fixed))
        return fixes

    def hover(self, path: Path, text: str, offset: int) -> str | None:
        """Return what the pin at an offset is compatible with, as Markdown; None without a pin."""
        checked = self._check(path, text)
        for declared in checked.file.declared if checked else ():
            places = [place for place in (declared.place, declared.version_place) if place]
            if any(place.start <= offset <= place.end for place in places):
                return "\n".join(self._about(declared)) or None
        return None

    def _check(self, path: Path, text: str) -> Checked | None:
        from cudalock.check import check_file
        from cudalock.errors import BadFile
        from cudalock.projects.read import read_file

        name = str(path)
        # Findings, fixes and hover of one text are asked for one after the other.
        known = self._checked.get(name)
        if known is not None and known[0] == text:
            return known[1]
        try:
            file = read_file(path, text.encode("utf-8"), is_content=True)
        except BadFile:
            return None
        checked = check_file(file, self.matrix, self._targets(path))
        self._checked[name] = text, checked
        return checked

    def _targets(self, path: Path) -> list[Target]:
        from cudalock.cli.options import target_request
        from cudalock.cli.settings import ProjectSettings
        from cudalock.goals.targets import targets_of, targets_stated
        from cudalock.matrix.universe import ClosedUniverse

        settings = ProjectSettings.find(path.parent)
        universe = ClosedUniverse(self.matrix)
        return targets_of(settings.targets, universe) or targets_stated(
            target_request(settings.target_flags), universe
        )

    def _selection(self, path: Path) -> Selection:
        from cudalock.check.selection import Selection
        from cudalock.cli.settings import ProjectSettings

        # Read each time: they are edited in the same editor.
        settings = ProjectSettings.find(path.parent)
        chosen = {key: settings.table.get(key, ()) for key in ("select", "ignore")}
        texts = {
            key: (value,) if isinstance(value, str) else tuple(value)
            for key, value in chosen.items()
        }
        return Selection.of(texts["select"], texts["ignore"], settings.per_file_ignores)

    # -- hover ----------------------------------------------------------------------------------

    def _about(self, declared: Declared) -> Iterator[str]:
        from cudalock.show import show
        from cudalock.show.covering import natural

        name = self.matrix.names.find(declared.name)
        project = self.matrix.project(name) if name else None
        if project is None or name is None:
            return
        release = next((one for one in project if one.version == declared.version), None)
        if release is None:
            versions = self.matrix.versions(name)
            yield f"**{name}**: {versions[0]} to {versions[-1]} in the matrix {self.matrix.version}"
            return
        day = f" ({release.uploaded[:10]})" if release.uploaded else ""
        yield f"**{name} {release.version}**{day}"
        yield ""
        labels = dict.fromkeys(key for build in release.builds for key in build.labels)
        for label in [key for key in labels if key in (self.matrix.framework, *ACCELERATORS)]:
            values = {text for build in release.builds for text in build.labels.get(label, ())}
            yield f"- built with {label} {listed(sorted(values, key=natural))}"
        stack = self.matrix.ranked | {self.matrix.framework}
        requires = {text for build in release.builds for text in build.requires}
        named = sorted(text for text in requires if leading_name(text) in stack)
        if named:
            yield f"- requires {listed(named[:SHOWN])}"
        for companion, versions in self._companions(name, release.version):
            yield f"- compatible {companion}: {listed(versions)}"
        page = show(self.matrix, name, release.version)
        for id in page.document()["facts"][:SHOWN]:
            fact = self.matrix.fact(id)
            yield f"- {fact.component} {fact.says} `[{id}]`"

    def _companions(self, name: str, version: str) -> Iterator[tuple[str, list[str]]]:
        """Yield the projects of the stack that are built for this version, newest first."""
        if name != self.matrix.framework:
            return
        for other in sorted(self.matrix.ranked):
            project = self.matrix.project(other)
            versions = [
                release.version
                for release in project or ()
                if any(
                    version == label or version.startswith(f"{label}.")
                    for build in release.builds
                    for label in build.labels.get(name, ())
                )
            ]
            if versions:
                yield other, sorted(versions, key=version_order)[-3:][::-1]

"""What the installs of a file do to the framework that its base image brings.

pip takes an installed version that meets a requirement, and replaces any other. An image's own
build of the framework is a pre-release or has a label that no index has, so that what requires a
release replaces it, and all else that was compiled beside it breaks.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Final

from cudalock.check.source_builds import command_at
from cudalock.compat.base_image import framework_version
from cudalock.compat.pins import PinConflict
from cudalock.compat.tied import build_command, tying_facts
from cudalock.findings import RULES, Finding
from cudalock.projects.model import Declared
from cudalock.records import NamedTuple, replace
from cudalock.versions import accepts, is_prerelease

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cudalock.compat.stack import Stack
    from cudalock.findings import Severity
    from cudalock.matrix.images import Base
    from cudalock.matrix.matrix import Matrix
    from cudalock.projects.model import Place, ProjectFile, StatedValue

CODE: Final = "CL205"
UNKNOWN: Final = "CL105"
NO_WHEEL: Final = "CL103"
SOURCE_ONLY: Final = "CL104"
NO_ISOLATION: Final = "--no-build-isolation"

_SEPARATORS: Final = re.compile(r"&&|\|\||;|\n(?=[ \t]*[A-Z]+ )")
_HELD: Final = re.compile(
    r"(?<!\S)(?:--no-deps|-c|--constraints?|--override|--target|-t|--prefix)(?![\w-])"
)
"""Options of an install with which it leaves the image's packages as they are, or may."""
_LINK: Final = re.compile(r"(?:-f|--find-links)[ =][\"']?(https?://[^\s\"']+)")
_VARIABLE: Final = re.compile(r"(?:PIP|UV)_(?:CONSTRAINT|OVERRIDE)=[\"']?[^\s\"']")


class OnImage(NamedTuple):
    """A base image, as the file names it, and the version of the framework that it brings."""

    text: str
    base: Base
    version: str | None
    """None where it is not known"""

    @property
    def is_own(self) -> bool:
        """Whether no index has the build that it brings."""
        return self.base.own is not None


class BaseImages:
    """The base images of one file."""

    def __init__(
        self, file: ProjectFile, matrix: Matrix, stack: Stack, image: str | None = None
    ) -> None:
        """`image` is the one that the user states, for what the file itself says nothing of."""
        self._file = file
        self._matrix = matrix
        self._stack = stack
        self._stated = image
        self._read: dict[str, OnImage | None] = {}

    # -- which image ----------------------------------------------------------------------------

    def under(self, place: Place) -> OnImage | None:
        """Return the image that what stands at a place is installed on, if it is known to bring
        the framework."""
        text = self._text_under(place)
        if text is None:
            return None
        if text not in self._read:
            self._read[text] = self._on_image(text)
        return self._read[text]

    def _text_under(self, place: Place) -> str | None:
        part = self._file.at(place)
        while part is not None and part is not self._file and part.named_at is not None:
            place = part.named_at
            part = self._file.at(place)
        if part is None or not part.stages:
            return self._stated
        before = [stage for stage in part.stages if stage.start <= place.start]
        image = before[-1].image if before else None
        return image.value if image is not None else None

    def _on_image(self, text: str) -> OnImage | None:
        base = self._matrix.images.read(text)
        framework = self._matrix.framework
        if base is None or framework is None:
            return None
        version = framework_version(base, self._matrix)
        return OnImage(text, base, version) if version or base.own == framework else None

    # -- what is found --------------------------------------------------------------------------

    def findings(self) -> Iterator[Finding]:
        """Yield what replaces the framework of an image, and the images that are not known."""
        if not self._file.stages and self._stated is None:
            return
        yield from self._unknown()
        yield from self._without_glibc()
        for declared in self._file.everything():
            image = self.under(declared.place)
            if (
                image is None
                or declared.role != "requirement"
                or declared.manager != "pypi"
                or declared.problem is not None
                or self._is_held(declared)
                or self._is_removed(declared)
            ):
                continue
            if declared.name == self._matrix.framework:
                yield from self._replaced_by_itself(declared, image)
            elif not self._is_replaced_before(declared, image):
                yield from self._replaced(declared, image)
                yield from self._misfit(declared, image)
                yield from self._downloads(declared, image)

    def _without_glibc(self) -> Iterator[Finding]:
        """The framework on an image whose C library is musl: every wheel of it wants glibc."""
        for declared in self._file.everything():
            if declared.name != self._matrix.framework or declared.role != "requirement":
                continue
            text = self._text_under(declared.place)
            base = self._matrix.images.read(text) if text is not None else None
            if base is not None and base.musl:
                says = f"{declared.name} has no wheel for musl, the C library of `{text}`"
                fix = "an image of a distribution with glibc"
                yield Finding(NO_WHEEL, "error", says, (), fix, declared.place, (declared.name,))

    def _unknown(self) -> Iterator[Finding]:
        """A tag of an image with the framework in it, of which nobody recorded which."""
        for image in self._images:
            found = self._matrix.images.read(image.value)
            if found is not None and found.unlisted_on is not None and found.tag:
                says = (
                    f"the registry listed no tag `{found.tag}` of {found.name} on"
                    f" {found.unlisted_on}"
                )
                yield Finding(UNKNOWN, RULES[UNKNOWN].severity, says, place=image.place)
            elif found is not None and found.own is not None and not found.installed:
                says = (
                    f"`{image.value}` brings a {found.own} of its own, and the matrix does not"
                    " know which: nothing was checked against it"
                )
                yield Finding(UNKNOWN, RULES[UNKNOWN].severity, says, place=image.place)

    @property
    def _images(self) -> Iterator[StatedValue]:
        seen = set()
        for part in self._file.files():
            for stage in part.stages:
                if stage.image is not None and stage.image.place not in seen:
                    seen.add(stage.image.place)
                    yield stage.image

    def _is_held(self, declared: Declared) -> bool:
        """Whether the install leaves the image's packages as they are, or pip is held to some."""
        part, place = self._command_of(declared)
        return bool(_VARIABLE.search(part.text) or _HELD.search(_segment(part.text, place)))

    def _command_of(self, declared: Declared) -> tuple[ProjectFile, Place]:
        """The file, and the place in it, of the command that installs a line: for a line of a file
        that a command names with `-r`, that command's."""
        part = next(part for part in self._file.files() if part.name == declared.place.file)
        place = declared.place
        if not part.stages and part.named_at is not None:
            place = part.named_at
            part = next(part for part in self._file.files() if part.name == place.file)
        return part, place

    def _is_removed(self, declared: Declared) -> bool:
        """Whether a command before a line uninstalls the framework that the image brings."""
        part, place = self._command_of(declared)
        begin = max((stage.start for stage in part.stages if stage.start <= place.start), default=0)
        name = re.escape(self._matrix.framework or "")
        before = part.text[begin : place.start]
        return bool(re.search(rf"uninstall\b[^&;|]*?(?<![\w.-]){name}(?![\w.-])", before))

    @cached_property
    def _replacing(self) -> list[Declared]:
        """The lines that take another framework themselves."""
        return [
            declared
            for declared in self._file.everything()
            if declared.name == self._matrix.framework
            and (image := self.under(declared.place)) is not None
            and image.version is not None
            and (declared.url or not accepts(declared.specifier, image.version))
        ]

    def _is_replaced_before(self, declared: Declared, image: OnImage) -> bool:
        """Whether the framework of the image is gone when a line is installed."""
        return any(other.group == declared.group for other in self._replacing) or any(
            self.under(other.place) == image and other.group is None for other in self._replacing
        )

    def _replaced_by_itself(self, declared: Declared, image: OnImage) -> Iterator[Finding]:
        version = image.version
        if version is None:
            return
        if not declared.url and (not declared.specifier or accepts(declared.specifier, version)):
            return
        severity: Severity = "warning" if image.is_own else "note"
        text = declared.text.split(";")[0].strip()
        says = f"`{text}` replaces {self._named(image)}"
        why = "; what was compiled beside it breaks" if image.is_own else ": it is there twice"
        fix = f"leave `{text}` out, or start from an image without {declared.name}"
        yield self._finding(declared, says + why, image, severity, fix)

    def _replaced(self, declared: Declared, image: OnImage) -> Iterator[Finding]:
        """That a requirement needs another framework than the image has."""
        version, framework = image.version, self._matrix.framework or ""
        project = self._matrix.project(declared.name)
        if version is None or project is None or image.base.installed.get(declared.name):
            return
        taken = self._newest(declared)
        required = self._required(declared.name, taken) if taken else []
        refused = [text for text in required if not accepts(text, version)]
        if taken is None or not refused:
            return
        # What is not pinned stays, if the image has it: of its own builds not all are known.
        severity: Severity = "error" if image.is_own and declared.version else "warning"
        says = (
            f"{declared.name} {taken} requires {framework}{refused[0]}, so that pip replaces"
            f" {self._named(image)}"
        )
        if image.base.constraints:
            says += f", or refuses, where {image.base.constraints} pins it"
        fix = self._fix(declared, taken, image)
        yield self._finding(declared, says, image, severity, fix, framework)

    def _misfit(self, declared: Declared, image: OnImage) -> Iterator[Finding]:
        """A wheel that was built for a release, by URL or from its builder's page, on an image
        with a build of its own."""
        by_url = bool(declared.url) and ".whl" in (declared.url or "")
        if not image.is_own or not (by_url or self._is_from_a_page(declared)):
            return
        facts = list(tying_facts(self._matrix, self._matrix.component(declared.name).facts))
        if facts:
            says = f"{declared.name} has no wheel that is known to fit {self._named(image)}"
            fix = self._build(declared.name, None)
            ids = (facts[0].id,)
            yield self._finding(declared, says, image, "error", fix, facts=ids)

    def _is_from_a_page(self, declared: Declared) -> bool:
        """Whether the command that installs a line names a page of a builder that has it."""
        part, place = self._command_of(declared)
        pages = [
            builder.page.partition("{")[0]
            for builder in self._matrix.builders.values()
            if builder.page and builder.has(declared.name)
        ]
        return bool(pages) and any(
            link.startswith(tuple(pages)) for link in _LINK.findall(_segment(part.text, place))
        )

    def _downloads(self, declared: Declared, image: OnImage) -> Iterator[Finding]:
        """A build that downloads a wheel for a release, on an image with a build of its own."""
        force = self._matrix.component(declared.name).force_build
        if force is None or not image.is_own or declared.url:
            return
        name = force.partition("=")[0]
        part, place = self._command_of(declared)
        if NO_ISOLATION not in _segment(part.text, place) or name in part.text:
            return
        if image.base.installed.get(declared.name, "").partition("+")[0] == declared.version:
            return
        says = (
            f"{declared.name} sees {self._named(image)}, and takes a wheel for the release that its"
            " version begins with, which may fail with an undefined symbol"
        )
        fix = self._build(declared.name, declared.version)
        facts = tuple(
            fact.id
            for fact in tying_facts(self._matrix, self._matrix.component(declared.name).facts)
        )
        yield self._finding(declared, says, image, "warning", fix, facts=facts[:1])

    def _newest(self, declared: Declared) -> str | None:
        """The release that a line comes to: the one it pins, or the newest that it allows."""
        project = self._matrix.project(declared.name)
        if project is None or declared.url:
            return None
        public = (declared.version or "").partition("+")[0]
        if public:
            return public if public in project else None
        allowed = [
            version
            for version in project.versions
            if accepts(declared.specifier, version) and not is_prerelease(version)
        ]
        return allowed[-1] if allowed else None

    def _required(self, name: str, version: str) -> list[str]:
        return self._stack.specifiers_in(name, version, self._matrix.framework or "")

    def _fix(self, declared: Declared, taken: str, image: OnImage) -> str:
        """A release that takes the image's framework as it is, else how to compile it there."""
        project = self._matrix.project(declared.name)
        if not image.is_own and project is not None and image.version is not None:
            for version in reversed(project.versions):
                required = self._required(declared.name, version)
                if required and all(accepts(text, image.version) for text in required):
                    return f"`{declared.name}=={version}`"
        release = project.release(taken) if project is not None else None
        if image.is_own and release is not None and release.sdist:
            return f"{self._build(declared.name, taken)}, which compiles it there"
        return f"start from an image without {self._matrix.framework}"

    def adjusted(self, clash: PinConflict) -> PinConflict | None:
        """Return a finding as it is on the base image: what has no wheel is compiled there, beside
        the image's own framework, and a wheel for a release would not fit that. None where the file
        says that it is compiled there."""
        finding = clash.finding
        origin = clash.members[0].origin if clash.members else None
        if finding.code != SOURCE_ONLY or not isinstance(origin, Declared):
            return clash
        image = self.under(origin.place)
        if image is None or not image.is_own or self._is_removed(origin):
            return clash
        if clash.members[0].has_build_recipe:
            return None
        own = (image.base.fact,) if image.base.fact else ()
        says = (
            f"{clash.members[0].name} {clash.members[0].version or ''}".rstrip()
            + f" has no wheel for {self._named(image)}, and pip does not let its build see that"
        )
        fix = self._build(clash.members[0].name, clash.members[0].version)
        facts = tuple(dict.fromkeys((*finding.facts, *own)))
        return clash._replace(
            finding=replace(finding, sentence=says, fix=fix, facts=facts), changes=()
        )

    def _build(self, name: str, version: str | None) -> str:
        return f"`{build_command(self._matrix, name, version, 'pip install')}`"

    def _named(self, image: OnImage) -> str:
        framework = self._matrix.framework
        version = f"{framework} {image.version}" if image.version else str(framework)
        if image.is_own:
            return f"the image's own {version} (`{image.text}`), which no index has"
        return f"{version} of `{image.text}`"

    def _finding(
        self,
        declared: Declared,
        says: str,
        image: OnImage,
        severity: Severity,
        fix: str,
        *members: str,
        facts: tuple[str, ...] = (),
    ) -> Finding:
        own = (image.base.fact,) if image.base.fact else ()
        return Finding(
            CODE,
            severity,
            says,
            tuple(dict.fromkeys((*facts, *own))),
            fix,
            declared.place,
            (declared.name, *members),
        )


def python_of(file: ProjectFile, matrix: Matrix) -> StatedValue | None:
    """Return the Python of the images that a Dockerfile starts from, None where they differ, or
    the file states one itself."""
    if not file.stages or file.python is not None:
        return None
    images = [stage.image for stage in file.stages]
    bases = [matrix.images.read(image.value) if image is not None else None for image in images]
    pythons = {base.python if base is not None else None for base in bases}
    python = pythons.pop() if len(pythons) == 1 else None
    return images[0]._replace(value=python) if python and images[0] is not None else None


def _segment(text: str, place: Place) -> str:
    """The command that a place stands in, of those that a shell runs one after another."""
    command = command_at(text, place.start)
    at = place.start - max(text.find(command, 0, place.start + len(command)), 0)
    begin = 0
    for separator in _SEPARATORS.finditer(command):
        if separator.start() >= at:
            return command[begin : separator.start()]
        begin = separator.end()
    return command[begin:]


__all__ = ["BaseImages", "OnImage", "python_of"]

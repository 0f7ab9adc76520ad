"""What a goal requires of one project, parsed."""

from __future__ import annotations

from typing import Final

from cudalock.records import dataclass, field, replace
from cudalock.versions import ProjectName, Specifier, canonical, parse_requirement

ANY_VERSION: Final = Specifier("")


def is_line(origin: str) -> bool:
    """Return whether an origin is a line of a file."""
    return ":" in origin


@dataclass(frozen=True, slots=True)
class ProjectRequirement:
    """A requirement or a constraint on one project, as PEP 508 has it.

    packaging's own value can be changed, and writes itself out each time that it is compared.
    """

    name: ProjectName
    specifier: Specifier = ANY_VERSION
    extras: tuple[str, ...] = ()
    """sorted"""
    url: str | None = None
    """the URL of the one wheel to use, where the specifier is empty"""
    marker: str | None = None
    """where it holds; None in a goal that was read for a target"""
    origins: tuple[str, ...] = field(default=(), compare=False)
    """where it is stated, for people: `requirements.txt:3`, `--torch`; empty where nobody knows"""

    @classmethod
    def parse(cls, text: str) -> ProjectRequirement:
        """Parse a PEP 508 requirement. Raises InvalidRequirement."""
        parsed = parse_requirement(text)
        return cls(
            canonical(parsed.name),
            Specifier(str(parsed.specifier)),
            tuple(sorted(parsed.extras)),
            parsed.url,
            str(parsed.marker) if parsed.marker is not None else None,
        )

    @classmethod
    def of(cls, name: str, specifier: str = "") -> ProjectRequirement:
        """Return the requirement of a canonical name and a PEP 440 specifier."""
        return cls(ProjectName(name), Specifier(specifier))

    @classmethod
    def pin(cls, name: str, version: str) -> ProjectRequirement:
        """Return the requirement of one version; the name is canonical."""
        return cls.of(name, f"=={version}")

    def __str__(self) -> str:
        which = f" @ {self.url}" if self.url else self.specifier
        # What a URL ends with is no marker unless a space comes before.
        space = " " if self.url else ""
        return f"{self.label}{which}" + (f"{space}; {self.marker}" if self.marker else "")

    @property
    def label(self) -> str:
        """The project with its extras: `jax[cuda12]`."""
        return f"{self.name}[{','.join(self.extras)}]" if self.extras else self.name

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines of files that state it, `requirements.txt:3`: no flag, and not the phrase."""
        return tuple(filter(is_line, self.origins))

    @property
    def any_version(self) -> ProjectRequirement:
        """The same project with the same extras, at any version."""
        return replace(self, specifier=ANY_VERSION, url=None)

    @property
    def is_bare(self) -> bool:
        """Whether it is the name of a project and nothing else."""
        return not (self.specifier or self.extras or self.url or self.marker)

    @property
    def is_pin(self) -> bool:
        """Whether it names a version or a series of versions: `==2.5.1`, `==2.5.*`."""
        # No operator but `==` and `===` has two of them, and no version has one.
        return "==" in self.specifier

    @property
    def names_build(self) -> bool:
        """Whether it names a build: by a local version, as `torch==2.5.1+cu124`, or its URL."""
        return "+" in self.specifier or self.url is not None

    def at(self, version: str) -> ProjectRequirement:
        """Return the requirement of one version, with the same extras."""
        return replace(self, specifier=Specifier(f"=={version}"), url=None)

"""Findings: what is wrong with some pins, or worth knowing of them, one sentence each.

Whoever judges something makes findings; whoever shows them asks this module what a code means. A
code is stable: scripts and `# cudalock: ignore[CL103]` name it, so none is ever used again for
something else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cudalock.projects.model import Place

Severity = Literal["error", "warning", "note"]
SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "note")
"""The worst first."""


class Rule(NamedTuple):
    """What a code stands for: a name to read, a summary, and how bad it is as a rule."""

    code: str
    name: str
    summary: str
    severity: Severity
    fixable: bool = False
    """whether another version or another wheel of the same project could fix it"""
    target_dependent: bool = False
    """whether a pin may have the defect on one target and not on another"""


RULES: Final[dict[str, Rule]] = {
    rule.code: rule
    for rule in (
        Rule("CL001", "unreadable", "a file or a line that cannot be understood", "error"),
        Rule("CL002", "other-target", "holds on some targets only, which it names", "note"),
        Rule(
            "CL101",
            "no-such-version",
            "a version or a build that does not exist",
            "error",
            fixable=True,
        ),
        Rule("CL102", "withdrawn", "a version that its publisher withdrew", "warning"),
        Rule(
            "CL103",
            "no-wheel",
            "no wheel for the target",
            "error",
            fixable=True,
            target_dependent=True,
        ),
        Rule(
            "CL104",
            "source-only",
            "only a source distribution, to be built",
            "warning",
            fixable=True,
            target_dependent=True,
        ),
        Rule("CL105", "not-known-here", "older or newer than the matrix reaches", "note"),
        Rule("CL106", "other-hash", "a hash that is not a published one", "error"),
        Rule(
            "CL201",
            "metadata-clash",
            "pins that exclude one another by metadata",
            "error",
            fixable=True,
        ),
        Rule(
            "CL202",
            "fact-clash",
            "pins that exclude one another by a curated fact",
            "error",
            fixable=True,
        ),
        Rule(
            "CL203",
            "other-cuda-pin",
            "an nvidia-* pin that is not the build's own",
            "error",
            fixable=True,
        ),
        Rule(
            "CL204", "machine-clash", "a pin that does not run on the target", "error", fixable=True
        ),
        Rule(
            "CL301",
            "index-missing",
            "a build without the index it lives on",
            "error",
            target_dependent=True,
        ),
        Rule(
            "CL302",
            "cpu-build",
            "a plain pin means the build without CUDA there",
            "warning",
            target_dependent=True,
        ),
        Rule("CL303", "marker-never-true", "a marker that holds on no machine", "warning"),
        Rule("CL304", "source-leaves-out", "a source leaves a target to the CPU build", "warning"),
        Rule(
            "CL401",
            "wheel-misfit",
            "a wheel's address for another Python or platform",
            "error",
            fixable=True,
            target_dependent=True,
        ),
        Rule("CL402", "wheel-python", "a wheel's address for less than requires-python", "warning"),
        Rule("CL501", "unpinned", "a member of the stack unpinned beside pinned ones", "note"),
        Rule("CL601", "lock-differs", "a lock that no longer answers its own command", "error"),
        Rule("CL701", "damaged", "a distribution that cannot be read, or lacks files", "warning"),
        Rule("CL702", "installed-twice", "a distribution that is there twice", "warning"),
        Rule("CL703", "same-files", "two distributions with the same files", "warning"),
        Rule("CL704", "other-python", "a distribution made for another Python", "error"),
        Rule("CL705", "missing", "a requirement that is not installed", "error"),
        Rule("CL706", "managed", "a Python of the system, where pip installs nothing", "note"),
        Rule("CL707", "driver-silent", "a driver that does not answer", "error"),
        Rule("CL708", "condition", "a fact about environments that holds in this one", "error"),
        Rule("CL709", "shadowed", "other CUDA libraries, found before its own", "warning"),
        Rule("CL710", "not-placed", "a file that is not where it is looked for", "error"),
        Rule("CL711", "not-the-lock", "a distribution that is not the lock's", "error"),
        Rule("CL712", "import-fails", "a member of the stack that cannot be imported", "error"),
        Rule("CL713", "does-not-run", "a member of the stack that fails at its work", "error"),
    )
}
"""Every code, in the order of the documentation."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to tell.

    `sentence` has no full stop and no code in it. `facts` are the ids of the curated facts it rests
    on. `fix` is what to type or do. `place` is where it is told, if it is about a file; `members`
    are the names of the projects it is about.
    """

    code: str
    severity: Severity
    sentence: str
    facts: tuple[str, ...] = ()
    fix: str | None = None
    place: Place | None = None
    members: tuple[str, ...] = ()

    @property
    def rule(self) -> Rule:
        """What its code stands for."""
        return RULES[self.code]

    def __str__(self) -> str:
        """`CODE message [fact]`, as a line of text shows it."""
        facts = f"   [{', '.join(self.facts)}]" if self.facts else ""
        return f"{self.code} {self.sentence}{facts}"


def worst(findings: Iterable[Finding]) -> Severity | None:
    """The worst severity among them; None without any."""
    found = {finding.severity for finding in findings}
    return next((severity for severity in SEVERITIES if severity in found), None)


def is_failure(findings: Iterable[Finding], *, strict: bool = False) -> bool:
    """Whether they make the answer no: an error does, with `strict` a warning does as well."""
    return worst(findings) in (("error", "warning") if strict else ("error",))


__all__ = ["RULES", "SEVERITIES", "Finding", "Rule", "Severity", "is_failure", "worst"]

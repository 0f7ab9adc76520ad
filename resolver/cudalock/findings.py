"""Findings: a defect of pins or of an environment, with a stable code and one sentence.

A code is stable: scripts and `# cudalock: ignore[CL103]` name it, so none is ever reused for
something else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from cudalock.records import NamedTuple, dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cudalock.environment.repairs import Repair
    from cudalock.projects.model import Place

Severity = Literal["error", "warning", "note"]
SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "note")
"""The worst first."""


class Rule(NamedTuple):
    """What a code stands for, and how severe it is by default."""

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
        Rule("CL001", "unreadable", "a file or a line that cannot be read", "error"),
        Rule("CL002", "other-target", "valid on some targets only", "note"),
        Rule(
            "CL101",
            "no-such-version",
            "a version or a build that does not exist",
            "error",
            fixable=True,
        ),
        Rule("CL102", "withdrawn", "a yanked version", "warning"),
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
            "only a source distribution, which has to be built",
            "warning",
            fixable=True,
            target_dependent=True,
        ),
        Rule("CL105", "not-known-here", "a version older or newer than the matrix has", "note"),
        Rule("CL106", "other-hash", "a hash that no published file has", "error"),
        Rule("CL107", "other-project", "a name that is another project on the index", "error"),
        Rule(
            "CL108", "near-miss", "a name that is one letter off a member of the stack", "warning"
        ),
        Rule("CL109", "vulnerable", "a version with a known vulnerability", "error", fixable=True),
        Rule(
            "CL201",
            "metadata-clash",
            "pins that are incompatible by their metadata",
            "error",
            fixable=True,
        ),
        Rule(
            "CL202",
            "fact-clash",
            "pins that are incompatible by a curated fact",
            "error",
            fixable=True,
        ),
        Rule(
            "CL203",
            "other-cuda-pin",
            "an nvidia-* pin that the build does not use",
            "error",
            fixable=True,
        ),
        Rule(
            "CL204", "machine-clash", "a pin that does not run on the target", "error", fixable=True
        ),
        Rule("CL205", "replaces-image", "a pin that replaces what the base image brings", "error"),
        Rule(
            "CL301",
            "index-missing",
            "a build on an index that is not named",
            "error",
            target_dependent=True,
        ),
        Rule(
            "CL302",
            "cpu-build",
            "a pin that resolves to the build without CUDA",
            "warning",
            target_dependent=True,
        ),
        Rule("CL303", "marker-never-true", "a marker that is true on no machine", "warning"),
        Rule("CL304", "source-leaves-out", "a source leaves a target to the CPU build", "warning"),
        Rule(
            "CL401",
            "wheel-misfit",
            "a wheel URL for another Python or platform",
            "error",
            fixable=True,
            target_dependent=True,
        ),
        Rule("CL402", "wheel-python", "a wheel URL for less than requires-python", "warning"),
        Rule("CL501", "unpinned", "a member of the stack unpinned beside pinned ones", "note"),
        Rule("CL601", "lock-differs", "a lockfile that its command no longer produces", "error"),
        Rule("CL701", "damaged", "a distribution that cannot be read, or lacks files", "warning"),
        Rule("CL702", "installed-twice", "a distribution that is installed twice", "warning"),
        Rule("CL703", "same-files", "two distributions with the same files", "warning"),
        Rule("CL704", "other-python", "a distribution made for another Python", "error"),
        Rule("CL705", "missing", "a requirement that is not installed", "error"),
        Rule("CL706", "managed", "a system-managed Python, where pip installs nothing", "note"),
        Rule("CL707", "driver-silent", "a driver that does not answer", "error"),
        Rule("CL708", "condition", "a known problem of environments like this one", "error"),
        Rule("CL709", "shadowed", "other CUDA libraries, loaded before its own", "warning"),
        Rule("CL710", "not-placed", "a file that is not where it is searched for", "error"),
        Rule("CL711", "not-the-lock", "a distribution that differs from the lock", "error"),
        Rule("CL712", "import-fails", "a member of the stack that cannot be imported", "error"),
        Rule("CL713", "does-not-run", "a member of the stack that fails at its work", "error"),
        Rule("CL714", "no-python", "an environment whose Python does not run here", "error"),
        Rule("CL715", "half-fixed", "a fix that was interrupted", "error"),
    )
}
"""Every code, in the order of the documentation."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One defect, or a note.

    `sentence` has no full stop and no code in it. `facts` are the ids of the curated facts it rests
    on. `fix` is what to type or do. `place` is where in a file it is, if it is about one; `members`
    are the names of the projects it is about. `repairs` are the steps that the fix takes in an
    installed environment.
    """

    code: str
    severity: Severity
    sentence: str
    facts: tuple[str, ...] = ()
    fix: str | None = None
    place: Place | None = None
    members: tuple[str, ...] = ()
    repairs: tuple[Repair, ...] = ()

    @property
    def rule(self) -> Rule:
        """The rule of its code."""
        return RULES[self.code]

    def __str__(self) -> str:
        """`CODE message [fact]`, as a line of text shows it."""
        facts = f"   [{', '.join(self.facts)}]" if self.facts else ""
        return f"{self.code} {self.sentence}{facts}"


def worst(findings: Iterable[Finding]) -> Severity | None:
    """Return the worst severity among findings; None without any."""
    severities = {finding.severity for finding in findings}
    return next((severity for severity in SEVERITIES if severity in severities), None)


def is_failure(findings: Iterable[Finding], *, strict: bool = False) -> bool:
    """Return whether findings make a check fail: an error does, with `strict` a warning as well."""
    return worst(findings) in (("error", "warning") if strict else ("error",))


__all__ = ["RULES", "SEVERITIES", "Finding", "Rule", "Severity", "is_failure", "worst"]

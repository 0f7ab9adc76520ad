"""The commands that mend something: what installs a distribution, and what solves the whole anew.

A `solve` is shown only if it has an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cudalock.environment.installing import install_command, installing, quoted
from cudalock.errors import CudalockError
from cudalock.goals import Goal

if TYPE_CHECKING:
    from cudalock.environment import Installed
    from cudalock.health.subject import Subject
    from cudalock.judging.mending import Change


def changing(change: Change, subject: Subject) -> str:
    """Installs one thing as a judge would have it, and leaves everything else."""
    words = [change.text]
    url = subject.matrix.indexes[change.index_id].url if change.index_id else None
    if url:
        words += ["--index-url", url]
    return f"`{installing(subject.layout, subject.inventory, words)}`"


def adding(text: str, subject: Subject) -> str:
    """Installs what is missing, and what that requires."""
    return f"`{install_command(subject.layout, subject.inventory)} {quoted(text)}`"


def again(installed: Installed, subject: Subject) -> str:
    """Installs the same version once more, as its index has it for this Python."""
    words = ["--force-reinstall", f"{installed.name}=={installed.version}"]
    return f"`{installing(subject.layout, subject.inventory, words)}`"


def solving(subject: Subject, *framework: str) -> str | None:
    """Solves for the framework, by the first of these requirements that has an answer, and for the
    projects that go by it: for all of them, else for those that have a wheel there. None where
    there is no answer."""
    ranked = [
        each
        for each in subject.stack()
        if each.name in subject.matrix.ranked and each.name != subject.matrix.framework
    ]
    known = [each for each in ranked if subject.builds(each)]
    for members in (ranked, known) if len(known) < len(ranked) else (ranked,):
        names = [each.name for each in members]
        for text in framework:
            if _has_answer([text, *names], subject):
                words = ["cudalock", "solve", "--python", str(subject.layout.prefix), text, *names]
                return f"`{' '.join([*map(quoted, words), *_stated(subject)])}`"
    return None


def _has_answer(requirements: list[str], subject: Subject) -> bool:
    from cudalock.resolution import resolve

    try:
        resolve(Goal(requirements=tuple(sorted(requirements))), subject.target, subject.matrix)
    except CudalockError:
        return False
    return True


def _stated(subject: Subject) -> list[str]:
    """The machine, where the command would not find it by itself."""
    if subject.looked and not subject.stated:
        return []
    target = subject.target
    flags = [word for gpu in target.gpus for word in ("--gpu", gpu)]
    return flags + (["--driver", target.driver] if target.driver else [])

"""A few lines for the top of a Python program, which do there what `shells` does for a shell."""

from __future__ import annotations

import pprint
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cudalock.matrix.facts import Libraries

_TEMPLATE: Final = """\
# The CUDA libraries that pip installed come first, for this program and for those it starts.
# Put it before the imports that need them. It does nothing on other systems than Windows.
def set_cuda_paths():
    import os
    import sys
    from glob import escape, glob

    if sys.platform != "win32":
        return
    folders = (
@FOLDERS@
    )
    runtime = (
@RUNTIME@
    )
    bases = list(dict.fromkeys(os.path.abspath(path) for path in sys.path))
    found = [
        folder
        for base in bases
        for pattern in folders
        for folder in sorted(glob(os.path.join(escape(base), *pattern.split("/"))))
        if os.path.isdir(folder)
        and any(name.lower().endswith(@ENDS@) for name in os.listdir(folder))
    ]
    roots = [
        os.path.join(base, *os.path.relpath(file, base).split(os.sep)[:2])
        for base in bases
        for pattern in runtime
        for file in sorted(glob(os.path.join(escape(base), *pattern.split("/"))), reverse=True)
    ]
    if roots:
        os.environ["CUDA_PATH"] = roots[0]
        found.sort(key=lambda folder: not folder.startswith(roots[0] + os.sep))
    others = os.environ.get("PATH", "").split(os.pathsep)
    ahead = list(dict.fromkeys(found))
    if ahead:
        rest = [folder for folder in others if folder and folder not in ahead]
        os.environ["PATH"] = os.pathsep.join(ahead + rest)
    for folder in ahead:
        os.add_dll_directory(folder)


set_cuda_paths()
"""


def snippet(where: Libraries) -> str:
    """The lines, for the folders of Windows. They need Python 3.8 and nothing else, do nothing
    on other systems, and may run twice."""
    ends = tuple(pattern.lstrip("*") for pattern in where.files)
    text = _TEMPLATE.replace("@FOLDERS@", _rows(where.folders))
    text = text.replace("@RUNTIME@", _rows(where.runtime))
    return text.replace("@ENDS@", pprint.pformat(ends).replace("'", '"'))


def _rows(patterns: tuple[str, ...]) -> str:
    return "\n".join(f'        "{pattern}",' for pattern in patterns)

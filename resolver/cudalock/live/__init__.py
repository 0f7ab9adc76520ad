"""The matrix with what an index lists laid over it: projects that the matrix does not hold, and
newer releases of those it does.

Nothing is asked before a goal names such a project, and METADATA of a release only when the search
comes to it; what the newest releases lead to is asked for beforehand, several at once. Curated
facts hold as ever.

A name belongs to one place. What the matrix holds comes from where the matrix says; any other name
is taken from the first index that has it, further ones before the main one as uv does, and only
from there: so nobody takes a private package over by giving its name to a public one.

`universe` is that view, `project` a project as an index lists it, `sources` its source archives,
`preload` asks beforehand; `own_wheels` reads the wheels that the user names, as an overlay, and
`outside_pins` what exact pins name that the matrix lacks.
"""

from cudalock.live.project import WINDOW, LiveProject
from cudalock.live.universe import LiveUniverse

__all__ = ["WINDOW", "LiveProject", "LiveUniverse"]

"""A small matrix that is clean, for what would take long over the embedded one."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any, Final

from cudalock.matrix.matrix import Matrix
from tests.files import write_all
from tests.paths import MATRIX

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DIGEST: Final = "ab" * 32
FILES: Final = {
    "matrix.toml": """\
schema = 1
version = "2026.01.02"
[[index]]
id = "pypi"
trust = "own"
[[index]]
id = "cu124"
url = "https://download.pytorch.org/whl/cu124"
cuda = "12.4"
trust = "own"
[[builder]]
id = "me/thing"
project = "thing"
url = "https://github.com/me/thing/releases/download/{tag}/{file}"
trust = "known"
source = "https://github.com/me/thing/releases"
""",
    "components/torch.toml": """\
name = "torch"
aliases = ["pytorch"]
role = "framework"
[[fact]]
id = "torch-cuda"
requires = ["cuda=={cuda}"]
effect = "breaks"
says = "is built with one CUDA toolkit"
basis = "metadata"
source = ["torch/version.py"]
checked = 2026-01-02
""",
    "components/cuda.toml": 'name = "cuda"\nkind = "virtual"\n',
    "repositories.toml": """\
[[distribution]]
title = "Ubuntu"
names = ["ubuntu"]
[distribution.releases]
"24.04" = "2.39"
""",
    "images/me-torch.toml": """\
[[image]]
name = "me/torch"
platform = "linux"
own = "torch"
tags = ['[0-9.]+']
source = "https://example.org/images"
checked = 2026-01-02
[[image.release]]
tag = "1.0"
python = "3.12.3"
distribution = "ubuntu24.04"
cuda = "12.9"
installed = {torch = "2.7.0a0+79aa.nv25.4"}
source = "https://example.org/images/1.0"
checked = 2026-01-03
""",
    "components/cuda-toolkit.toml": 'name = "cuda-toolkit"\nrole = "toolkit"\n',
    "components/thing.toml": """\
name = "thing"
aliases = ["a thing"]
rank = 1
[[fact]]
id = "thing-old"
for = "<2"
where = {builder = "me/*"}
constrains = ["other<2"]
effect = "breaks"
says = "needs an old one"
basis = "docs"
source = ["https://example.org"]
checked = 2026-01-02
""",
    "index/torch.json": """\
{
"project": "torch",
"retrieved": "2026-01-02",
"sources": ["made up"],
"releases": {
"2.5.0": {"default":{"cuda":"12.4"},"builds":[{"index":"cu124","local":"cu124","labels":\
{"cuda":"12.4.1"},"requires":["other==1.0"],"wheels":[["cp311-cp311-linux_x86_64","DIGEST"],\
["cp312-cp312-linux_x86_64",null]]}]},
"2.5.1": {"uploaded":"2026-01-02","python":">=3.9","builds":[{"index":"pypi","labels":\
{"cuda":"none"},"wheels":[["py3-none-any",null]]}]}
}
}
""",
    "index/thing.json": """\
{
"project": "thing",
"retrieved": "2026-01-02",
"sources": ["made up"],
"releases": {
"1.0": {"requires":["other==1.0","torch==2.5.0"],"builds":[{"builder":"me/thing","tag":"v1",\
"labels":{"torch":"2.5.0"},"known":"seen","wheels":[["py3-none-any",null]]}]}
}
}
""",
    "index/other.json": """\
{
"project": "other",
"retrieved": "2026-01-02",
"sources": ["made up"],
"releases": {
"1.0": {"wheels":[["py3-none-any",null]]},
"2.0": {"wheels":[["py3-none-any",null]]}
}
}
""",
    "cuda/gpus.json": '{"gpus": {"A1": "8.0"}, "capabilities": {}}',
    "cuda/toolkits.json": """\
{"releases": {"12.4.0": {"pins": {"other": "1.0"}, "extras": {}, "platforms": {}, "source": "it"}}}
""",
}


def small_matrix(folder: Path) -> Path:
    """The small matrix, written to a folder, which comes back."""
    return write_all(folder, {k: text.replace("DIGEST", DIGEST) for k, text in FILES.items()})


HEADER: Final = """\
schema = 1
version = "2026.01.01"
[[index]]
id = "pypi"
trust = "own"
"""


def release(*requires: str, wheel: bool = True) -> dict[str, Any]:
    """A release of :func:`matrix_of`, which has a source distribution, with a wheel or without."""
    wheels = [["py3-none-any", "0" * 64]] if wheel else []
    return {"requires": list(requires), "sdist": True, "wheels": wheels}


def matrix_of(
    root: Path,
    projects: Mapping[str, Mapping[str, Any]],
    components: Mapping[str, str] | None = None,
) -> Matrix:
    """A matrix of these projects (name to releases) and components (name to text), in a folder."""
    files = {"matrix.toml": HEADER}
    for name, text in (components or {}).items():
        files[f"components/{name}.toml"] = text
    for name, releases in projects.items():
        lines = [f'"{version}": {json.dumps(row)}' for version, row in releases.items()]
        head = f'{{\n"project": "{name}",\n"retrieved": "2026-01-01",\n"sources": ["a test"],\n'
        body = ",\n".join(lines)
        files[f"index/{name}.json"] = f'{head}"older": [],\n"releases": {{\n{body}\n}}\n}}\n'
    write_all(root, files)
    (root / "components").mkdir(exist_ok=True)
    shutil.copytree(MATRIX / "cuda", root / "cuda")
    return Matrix.load(root)

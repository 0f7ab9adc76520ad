"""Files that nobody would write crash nothing, and what is said of them can be shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cudalock.check import check_file
from cudalock.check.fix_text import rewrite
from cudalock.check.reports import REPORTS, CheckReport
from cudalock.projects.read import read_file
from cudalock.targets import Target

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Matrix

KINDS = ["requirements", "constraints", "pyproject", "environment", "dockerfile", "uv-lock"]
NAMES = ["torch", "Torch_Vision", "torchvision", "torchaudio", "xformers", "flash-attn", "triton"]
NAMES += ["bitsandbytes", "triton-windows", "numpy", "sympy", "nvidia-cudnn-cu12", "unsloth", "x"]
VERSIONS = ["2.5.1", "2.6.0+cu124", "0.20.1", "0.0.28.post3", "2.7.4.post1", "1.*", "99", "0", ""]
OPERATORS = ["==", ">=", "<", "~=", "!=", "===", " @ https://example.com/a-", "=", "==="]
MARKERS = [
    "",
    ' ; sys_platform == "win32"',
    "; python_version<'3.9'",
    "; extra == 'x'",
    " # ;",
    "\\",
]
OPTIONS = [
    "--extra-index-url https://download.pytorch.org/whl/cu124",
    "-i https://download.pytorch.org/whl/cpu",
    "-r nosuch.txt",
    "--hash=sha256:00",
    "\ufeff",
    "\x00",
]
LINES = st.one_of(
    st.builds(
        lambda *parts: "".join(parts),
        st.sampled_from(NAMES),
        st.sampled_from(OPERATORS),
        st.sampled_from(VERSIONS),
        st.sampled_from(MARKERS),
    ),
    st.sampled_from(OPTIONS),
    st.text(max_size=30),
)
SLOW = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
LINUX = Target("3.11", "linux-x86_64")


@SLOW
@given(
    lines=st.lists(LINES, max_size=8),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    stated=st.booleans(),
)
def test_requirements(lines: list[str], newline: str, stated: bool, matrix: Matrix) -> None:
    content = newline.join(lines).encode("utf-8", "surrogatepass")
    file = read_file("-", stdin=content)
    checked = check_file(file, matrix, [LINUX] if stated else [])
    for report in REPORTS.values():
        report(
            CheckReport(checked.findings, matrix.version, {checked.file.name: checked.file.text})
        )
    for rewritten in rewrite(checked, matrix):
        assert rewritten.content != content


@SLOW
@given(
    kind=st.sampled_from(KINDS),
    content=st.one_of(st.binary(max_size=200), st.text(max_size=200)),
)
def test_anything(kind: str, content: bytes | str, matrix: Matrix) -> None:
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    check_file(read_file("-", stdin=data, kind=kind), matrix, [LINUX])


@SLOW
@given(lines=st.lists(LINES, max_size=4))
def test_pyproject(lines: list[str], matrix: Matrix) -> None:
    listed = ", ".join("'''" + line.replace("'", "") + "'''" for line in lines)
    text = f"[project]\nname = 'x'\ndependencies = [{listed}]\n"
    check_file(read_file("-", stdin=text.encode("utf-8", "replace"), kind="pyproject"), matrix)

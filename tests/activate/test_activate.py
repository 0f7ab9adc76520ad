"""`cudalock activate`: folders found, shells' text evaluated by shells, files put and taken away.

Trees are made of file lists that were read from real wheels; one test unpacks such wheels.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from shutil import which
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from cudalock import toml
from cudalock.activate import shells
from cudalock.activate.placement import RECORD
from cudalock.activate.shells import Activation
from cudalock.activate.snippet import snippet
from cudalock.activate.wheel_files import WheelFile, bring, choose_wheel
from cudalock.cli import console, main
from cudalock.environment.libraries import look
from cudalock.errors import HashMismatch, UsageError
from cudalock.matrix.matrix import Matrix
from cudalock.targets import Target
from tests.files import write
from tests.local_index import (
    LocalIndex,
    ServedFile,
    build_wheel,
    clean_environment,
    metadata_text,
    run_tool,
)
from tests.paths import CASES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cudalock.matrix.facts import FileCopy

LAYOUTS = toml.loads((CASES / "layouts.toml").read_text(encoding="utf-8"))["case"]
MATRIX = Matrix.load()


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["activate", *words], prog_name="cudalock")


def fill(base: Path, files: Iterable[str]) -> None:
    for name in files:
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text(f"{name}\n", encoding="utf-8")


def distribution(base: Path, name: str, version: str) -> None:
    folder = base / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(metadata_text(name, version), encoding="utf-8")


def windows_tree(prefix: Path) -> Path:
    """The site-packages of an environment of Windows, looked at from wherever this runs."""
    base = prefix / "Lib" / "site-packages"
    base.mkdir(parents=True)
    (prefix / "pyvenv.cfg").write_text("home = C:\\Python311\nversion = 3.11.9\n", encoding="utf-8")
    return base


def linux_tree(prefix: Path) -> Path:
    base = prefix / "lib" / "python3.11" / "site-packages"
    base.mkdir(parents=True)
    (prefix / "pyvenv.cfg").write_text("home = /usr\nversion = 3.11.9\n", encoding="utf-8")
    return base


def all_files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


# -- the folders ------------------------------------------------------------------------------


@pytest.mark.parametrize("case", LAYOUTS, ids=lambda case: case["name"])
def test_folders_of_the_layouts(case: dict[str, Any], tmp_path: Path) -> None:
    fill(tmp_path, case["files"])
    where = MATRIX.libraries(case["system"])
    assert where is not None
    found = look([tmp_path], where)
    assert [each.relative_to(tmp_path).as_posix() for each in found.folders] == case["found"]
    assert found.root == (tmp_path / case["root"] if "root" in case else None)


@pytest.mark.parametrize("case", LAYOUTS, ids=lambda case: case["name"])
def test_the_wheels_of_the_layouts_are_real(case: dict[str, Any]) -> None:
    for file in case["wheels"]:
        name, version, _ = file.split("-", 2)
        project = MATRIX.project(name.replace("_", "-"))
        assert project is not None, file
        wheels = [
            wheel.file(version, build.local)
            for build in project.release(version).builds
            for wheel in build.wheels
        ]
        assert file in wheels


@pytest.mark.parametrize("system", ["linux", "windows"])
def test_nvidias_own_table_of_folders_is_covered(system: str) -> None:
    """cuda-pathfinder knows where each library is; ours are patterns, and must match them all."""
    from cuda.pathfinder._dynamic_libs import supported_nvidia_libs as theirs

    tables = {
        "linux": [theirs.SITE_PACKAGES_LIBDIRS_LINUX],
        "windows": [
            theirs.SITE_PACKAGES_LIBDIRS_WINDOWS_X64,
            theirs.SITE_PACKAGES_LIBDIRS_WINDOWS_ARM64,
        ],
    }
    listed = {folder for table in tables[system] for each in table.values() for folder in each}
    folders = {folder for folder in listed if folder.startswith("nvidia/")}
    where = MATRIX.libraries(system)
    assert where is not None
    assert folders
    for folder in sorted(folders):
        assert any(PurePosixPath(folder).match(pattern) for pattern in where.folders), folder


# -- for shells -------------------------------------------------------------------------------

WINDOWS = Activation(
    (
        PureWindowsPath("C:\\my env\\it's\\Lib\\site-packages\\nvidia\\cuda_runtime\\bin"),
        PureWindowsPath("C:\\my env\\it's\\Lib\\site-packages\\nvidia\\cudnn\\bin"),
    ),
    PureWindowsPath("C:\\my env\\it's\\Lib\\site-packages\\nvidia\\cuda_runtime"),
    True,
)


@pytest.mark.parametrize("shell", shells.SHELLS)
def test_text_for_windows(shell: str, request: pytest.FixtureRequest) -> None:
    screen = CASES / "shells" / f"{shell}.txt"
    text = shells.write(shell, WINDOWS)
    if request.config.getoption("--update"):
        screen.write_text(text, encoding="utf-8", newline="\n")
    assert text == screen.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["Jos\u00e9", "\u663e\u5361", "\U0001f600", "O\u2019Neil's"])
def test_powershell_reads_ascii_whatever_the_code_page(name: str) -> None:
    folder = PureWindowsPath(f"C:\\{name}\\bin")
    text = shells.write("powershell", Activation((folder,), folder, True))
    assert text.isascii()
    read = re.sub(
        r"\[char\]::ConvertFromUtf32\((\d+)\)", lambda match: f"'{chr(int(match[1]))}'", text
    )
    # What PowerShell makes of strings that are added, quotes doubled in them.
    assert str(folder).replace("'", "''") in read.replace("' + '", "")


def test_cmd_reads_the_code_page_of_the_console(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / "Jos\u00e9" / "Lib" / "site-packages"
    fill(base, ["nvidia/cuda_runtime/bin/cudart64_12.dll"])
    write(base.parents[1] / "pyvenv.cfg", "version = 3.11.9\n")
    words = ["--python", str(base.parents[1]), "--shell", "cmd", "-q"]
    monkeypatch.setattr(console, "console_encoding", lambda: "cp437")
    assert "Jos\u00e9".encode("cp437") in run(*words).stdout_bytes
    monkeypatch.setattr(console, "console_encoding", lambda: "ascii")
    refused = run(*words)
    assert refused.exit_code == 2
    assert "the console's code page, ascii, has no `\u00e9`" in refused.stderr


def test_a_server_in_a_posix_shell_of_windows() -> None:
    folder = PureWindowsPath(r"\\server\share\bin")
    text = shells.write("bash", Activation((folder,), None, True))
    assert "'//server/share/bin'" in text


PRINT = {
    "sh": 'printf \'%s\\n%s\\n\' "$LD_LIBRARY_PATH" "$CUDA_PATH"',
    "fish": 'printf \'%s\\n\' "$LD_LIBRARY_PATH" "$CUDA_PATH"',
    "pwsh": "$env:LD_LIBRARY_PATH; $env:CUDA_PATH",
}
HERE = [
    ("bash", "bash"),
    ("dash", "bash"),
    ("zsh", "bash"),
    ("fish", "fish"),
    ("pwsh", "powershell"),
]


POSIX_ONLY = pytest.mark.skipif(
    os.name == "nt", reason="a tree of Linux, whose folders no path of Windows can name"
)


@pytest.mark.parametrize("before", [None, "", "/opt/cuda/lib64:/opt/my lib"])
@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize(("program", "shell"), HERE)
def test_shells_that_are_here_evaluate_it(
    program: str, shell: str, times: int, before: str | None, tmp_path: Path
) -> None:
    if which(program) is None:
        pytest.skip(f"{program} is not installed here")
    base = linux_tree(tmp_path / 'it\'s $HOME `x` "y" \\ env')
    fill(base, ["nvidia/cuda_runtime/lib/libcudart.so.12", "nvidia/cudnn/lib/libcudnn.so.9"])
    prefix = base.parents[2]
    result = run("--python", str(prefix), "--shell", shell, "-q")
    assert result.exit_code == 0, result.output
    environment = {
        name: value for name, value in os.environ.items() if "PATH" in name or "HOME" in name
    }
    environment.pop("LD_LIBRARY_PATH", None)
    if before is not None:
        environment["LD_LIBRARY_PATH"] = before
    script = result.stdout * times + PRINT.get(program, PRINT["sh"]) + "\n"
    strict = ["-eu"] if shell == "bash" else []
    answer = subprocess.run(
        [program, *strict, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stderr == ""
    folders = [str(base / "nvidia/cuda_runtime/lib"), str(base / "nvidia/cudnn/lib")]
    expected = ":".join([*folders, *([before] if before else [])])
    assert answer.stdout.splitlines() == [expected, str(base / "nvidia/cuda_runtime")]


@POSIX_ONLY
def test_programs_started_from_the_shell_see_it(tmp_path: Path) -> None:
    base = linux_tree(tmp_path / "env")
    fill(base, ["nvidia/cu13/lib/libcudart.so.13"])
    text = run("--python", str(tmp_path / "env"), "--shell", "bash", "-q").stdout
    python = shlex.quote(sys.executable)
    child = f"{text}\n{python} -c 'import os; print(os.environ[\"LD_LIBRARY_PATH\"])'"
    answer = subprocess.run(["bash", "-c", child], capture_output=True, text=True, check=True)
    assert answer.stdout.split(":")[0].strip() == str(base / "nvidia/cu13/lib")


@pytest.mark.parametrize(
    ("shell", "folder", "said"),
    [
        ("bash", PurePosixPath("/a:b"), "':'"),
        ("bash", PurePosixPath("/a;b"), "';'"),
        ("bash", PurePosixPath("/a\nb"), "'\\\\n'"),
        ("powershell", PureWindowsPath("C:\\a;b"), "';'"),
        ("cmd", PureWindowsPath("C:\\100%"), "'%'"),
        ("cmd", PureWindowsPath("C:\\a=b"), "'='"),
    ],
)
def test_folders_that_cannot_be_written(shell: str, folder: PurePath, said: str) -> None:
    activation = Activation((folder,), None, isinstance(folder, PureWindowsPath))
    with pytest.raises(UsageError, match=said):
        shells.write(shell, activation)


def test_cmd_is_for_windows_only() -> None:
    with pytest.raises(UsageError, match="shell of Windows"):
        shells.write("cmd", Activation((PurePosixPath("/a"),), None, False))


def test_the_shell_is_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    import shellingham

    def found(name: str) -> Any:
        return lambda: (name, f"/bin/{name}")

    def none() -> Any:
        raise shellingham.ShellDetectionFailure

    for name, shell in {"zsh": "bash", "fish": "fish", "pwsh": "powershell", "cmd": "cmd"}.items():
        monkeypatch.setattr(shellingham, "detect_shell", found(name))
        assert shells.guess_shell(is_windows=False) == shell
    monkeypatch.setattr(shellingham, "detect_shell", none)
    assert shells.guess_shell(is_windows=True) == "powershell"
    assert shells.guess_shell(is_windows=False) == "bash"


@POSIX_ONLY
def test_standard_output_has_nothing_else(tmp_path: Path) -> None:
    fill(linux_tree(tmp_path / "env"), ["nvidia/cu13/lib/libcudart.so.13"])
    result = run("--python", str(tmp_path / "env"), "--shell", "bash")
    assert result.stdout.splitlines()[0].startswith("case ")
    assert "[cuda-toolkit-child-process]" in result.stderr
    assert "cuda-toolkit-child-process" not in result.stdout


def test_an_environment_without_such_libraries(tmp_path: Path) -> None:
    linux_tree(tmp_path / "env")
    result = run("--python", str(tmp_path / "env"), "--shell", "bash")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "pip has installed no CUDA libraries" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["--python", "--shell", "bash"],
        ["--snippet", "--install"],
        ["--install", "--uninstall"],
        ["--offline"],
        ["--wheels", "x"],
    ],
)
def test_what_excludes_each_other(words: list[str]) -> None:
    assert run(*words).exit_code == 2


# -- for a program ----------------------------------------------------------------------------

HARNESS = """
import json, os, sys
added = []
sys.platform = sys.argv[1]
os.add_dll_directory = added.append
sys.path.insert(0, sys.argv[2])
for _ in range(int(sys.argv[3])):
    exec(open(sys.argv[4], encoding="utf-8").read())
print(json.dumps([os.environ.get("PATH"), os.environ.get("CUDA_PATH"), added]))
"""


def run_snippet(base: Path, system: str, times: int = 1) -> tuple[str, str | None, list[str]]:
    text = run("--python").stdout
    program = base / "program.py"
    program.write_text(text, encoding="utf-8")
    answer = subprocess.run(
        [sys.executable, "-I", "-c", HARNESS, system, str(base), str(times), str(program)],
        env={"PATH": os.pathsep.join(["/first", "/second"]), "SYSTEMROOT": "C:\\Windows"},
        capture_output=True,
        text=True,
        check=True,
    )
    path, root, added = json.loads(answer.stdout)
    return path, root, added


def test_python_alone_and_snippet_are_the_same() -> None:
    where = MATRIX.libraries("windows")
    assert where is not None
    assert run("--python").stdout == run("--snippet").stdout == snippet(where)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize(
    "case", [each for each in LAYOUTS if each["system"] == "windows"], ids=lambda case: case["name"]
)
def test_the_snippet_does_what_activate_does(
    case: dict[str, Any], times: int, tmp_path: Path
) -> None:
    base = tmp_path / "my env [1]"
    fill(base, case["files"])
    path, root, added = run_snippet(base, "win32", times)
    folders = [str(base / folder) for folder in case["found"]]
    assert path.split(os.pathsep) == [*folders, "/first", "/second"]
    assert root == (str(base / case["root"]) if "root" in case else None)
    assert added == folders * times


def test_the_snippet_does_nothing_elsewhere(tmp_path: Path) -> None:
    fill(tmp_path, ["nvidia/cuda_runtime/bin/cudart64_12.dll"])
    path = os.pathsep.join(["/first", "/second"])
    assert run_snippet(tmp_path, "linux") == (path, None, [])


# -- files ------------------------------------------------------------------------------------

RUNTIME = ["nvidia/cuda_runtime/bin/cudart64_12.dll", "nvidia/cuda_runtime/include/cuda.h"]
PTXAS = "nvidia/cuda_nvcc/bin/ptxas.exe"
LIBS = [f"nvidia/cuda_runtime/lib/x64/{name}.lib" for name in ("cuda", "cudart")]
LOOKS = "triton/windows_utils.py"
BROUGHT = [
    "triton/backends/nvidia/bin/ptxas.exe",
    "triton/backends/nvidia/include/cuda.h",
    "triton/backends/nvidia/lib/x64/cuda.lib",
]
PUT = ["nvidia/cuda_runtime/bin/ptxas.exe", *LIBS]
WHEEL = "nvidia_cuda_runtime_cu12-12.9.79-py3-none-win_amd64.whl"


@pytest.fixture
def old_triton(tmp_path: Path) -> Path:
    """An environment with a Triton from before 3.2.0.post11, as GitHub has it."""
    prefix = tmp_path / "my env"
    base = windows_tree(prefix)
    fill(base, [LOOKS, PTXAS, *RUNTIME])
    distribution(base, "triton", "3.1.0")
    distribution(base, "nvidia-cuda-runtime-cu12", "12.4.127")
    distribution(base, "nvidia-cuda-nvcc-cu12", "12.4.131")
    return prefix


def lib_wheel(folder: Path, version: str = "12.9.999") -> Path:
    """A wheel with a lib folder, of a version that no table has."""
    folder.mkdir(exist_ok=True)
    path = folder / f"nvidia_cuda_runtime_cu12-{version}-py3-none-win_amd64.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name in [*LIBS, *RUNTIME]:
            wheel.writestr(name, name)
    return path


def install(prefix: Path, *words: str) -> Result:
    return run("--install", "--python", str(prefix), *words)


def test_files_are_put_and_taken_away(old_triton: Path, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    lib_wheel(wheels)
    # What else lies there is no business of ours.
    for name in ("a", "nvidia", "z", "nvidia_cuda_runtime_cu13-12.9.9999-py3-none-win_amd64"):
        (wheels / f"{name}.whl").write_bytes(b"no zip")
    base = old_triton / "Lib" / "site-packages"
    before = all_files(base)
    first = install(old_triton, "--wheels", str(wheels))
    assert first.exit_code == 0, first.output
    assert first.stdout.splitlines() == [str(base / name) for name in PUT]
    assert "[triton-windows-cuda-bundled]" in first.stderr
    folders = {"nvidia/cuda_runtime/lib", "nvidia/cuda_runtime/lib/x64"}
    assert all_files(base) == before | {*PUT, RECORD} | folders
    assert (base / PUT[0]).read_bytes() == (base / PTXAS).read_bytes()

    record = (base / RECORD).read_bytes()
    second = install(old_triton, "--offline")
    assert (second.exit_code, second.stdout) == (0, "")
    assert (base / RECORD).read_bytes() == record

    undone = run("--uninstall", "--python", str(old_triton))
    assert undone.exit_code == 0
    assert all_files(base) == before
    assert run("--uninstall", "--python", str(old_triton)).exit_code == 1


def test_a_lib_folder_that_is_there_is_enough(old_triton: Path) -> None:
    """As nvidia-cuda-runtime-cu12 12.9 has one itself."""
    base = old_triton / "Lib" / "site-packages"
    fill(base, LIBS)
    result = install(old_triton, "--offline")
    assert result.stdout.splitlines() == [str(base / PUT[0])]
    run("--uninstall", "--python", str(old_triton))
    assert (base / LIBS[0]).is_file()


def test_without_a_source_it_is_named_and_nothing_is_put(old_triton: Path) -> None:
    before = all_files(old_triton)
    result = install(old_triton, "--offline")
    assert (result.exit_code, result.stdout) == (1, "")
    assert WHEEL in result.stderr
    assert "--platform win_amd64" in result.stderr
    assert "nvidia-cuda-runtime-cu12==12.9.79" in result.stderr
    assert all_files(old_triton) == before


def test_a_wheel_that_is_not_what_was_published(old_triton: Path, tmp_path: Path) -> None:
    lib_wheel(tmp_path / "wheels", "12.9.79")
    result = install(old_triton, "--wheels", str(tmp_path / "wheels"))
    assert result.exit_code == 1
    assert "does not match the lock" in result.stderr


def test_a_wheel_too_old_to_have_it_is_passed_over(old_triton: Path, tmp_path: Path) -> None:
    lib_wheel(tmp_path / "wheels", "12.4.127")
    result = install(old_triton, "--wheels", str(tmp_path / "wheels"))
    assert result.exit_code == 1
    assert "not at hand" in result.stderr


@pytest.mark.parametrize("names", [["x/cudart.lib"], [*LIBS, f"{LIBS[0]}/../../../../x"]])
def test_a_wheel_with_other_files(old_triton: Path, tmp_path: Path, names: list[str]) -> None:
    before = all_files(old_triton)
    with zipfile.ZipFile(lib_wheel(tmp_path / "wheels"), "w") as wheel:
        for name in names:
            wheel.writestr(name, name)
    result = install(old_triton, "--wheels", str(tmp_path / "wheels"))
    assert result.exit_code == 2
    assert "has no `nvidia/cuda_runtime/lib" in result.stderr
    assert all_files(old_triton) == before


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalIndex]:
    with LocalIndex() as index:
        for name, value in clean_environment(tmp_path, index.url("/simple/")).items():
            monkeypatch.setenv(name, value)
        yield index


def test_a_wheel_of_an_index_that_is_not_what_was_published(
    old_triton: Path, tmp_path: Path, index: LocalIndex
) -> None:
    before = all_files(old_triton)
    rows = MATRIX.project("nvidia-cuda-runtime-cu12")
    assert rows is not None
    digests = {
        wheel.file("12.9.79", build.local): wheel.sha256
        for build in rows.release("12.9.79").builds
        for wheel in build.wheels
    }
    content = lib_wheel(tmp_path / "served").read_bytes()
    index.add("/simple/", ServedFile(WHEEL, content, digests[WHEEL]))
    result = install(old_triton)
    assert result.exit_code == 1, result.output
    assert "sha256" in result.stderr
    assert all_files(old_triton) == before


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("right", [True, False])
def test_a_wheel_is_brought_from_the_index(
    tmp_path: Path, index: LocalIndex, known: bool, right: bool
) -> None:
    """Its digest is the matrix's, else that of the index."""
    file = build_wheel("thing", "1.0")
    index.add("/simple/", replace(file, sha256=file.sha256 if right or known else "0" * 64))
    digest = (file.sha256 if right else "0" * 64) if known else None
    wheel = WheelFile("thing", "1.0", file.name, digest)
    if right:
        assert bring(wheel, tmp_path / "new").read_bytes() == file.content
    else:
        with pytest.raises(HashMismatch):
            bring(wheel, tmp_path / "new")


def test_a_damaged_wheel(old_triton: Path, tmp_path: Path) -> None:
    lib_wheel(tmp_path / "wheels").write_bytes(b"no zip")
    result = install(old_triton, "--wheels", str(tmp_path / "wheels"))
    assert result.exit_code == 2
    assert "cannot be read as a wheel" in result.stderr


def test_the_package_that_has_the_file_must_be_installed(old_triton: Path) -> None:
    base = old_triton / "Lib" / "site-packages"
    (base / "nvidia_cuda_nvcc_cu12-12.4.131.dist-info" / "METADATA").unlink()
    result = install(old_triton, "--offline")
    assert result.exit_code == 1
    assert '"nvidia-cuda-nvcc-cu12==12.4.131"' in result.stderr


def test_a_triton_that_brings_its_own_needs_nothing(old_triton: Path) -> None:
    fill(old_triton / "Lib" / "site-packages", BROUGHT)
    result = install(old_triton)
    assert result.exit_code == 1
    assert "brings its own" in result.stderr


def test_an_environment_without_triton_needs_nothing(tmp_path: Path) -> None:
    windows_tree(tmp_path / "env")
    result = install(tmp_path / "env")
    assert result.exit_code == 1
    assert LOOKS in result.stderr


def test_a_file_that_changed_since_is_left(old_triton: Path, tmp_path: Path) -> None:
    lib_wheel(tmp_path / "wheels")
    install(old_triton, "--wheels", str(tmp_path / "wheels"))
    changed = old_triton / "Lib" / "site-packages" / PUT[1]
    changed.write_text("mine", encoding="utf-8")
    result = run("--uninstall", "--python", str(old_triton))
    assert result.exit_code == 0
    assert f"warning: `{changed}` was changed since" in result.stderr
    assert changed.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"files": {"../../x": "0"}, "folders": []}',
        '{"files": {"/x": "0"}, "folders": []}',
        '{"files": {}, "folders": ["../x"]}',
        '{"files": [], "folders": 1}',
    ],
)
def test_a_record_that_somebody_wrote(old_triton: Path, text: str) -> None:
    (old_triton / "Lib" / "site-packages" / RECORD).write_text(text, encoding="utf-8")
    result = run("--uninstall", "--python", str(old_triton))
    assert result.exit_code == 2
    assert RECORD in result.stderr


# -- the wheels themselves ----------------------------------------------------------------------

FIND_CUDA = """
import json, sys, sysconfig, types
sys.modules["winreg"] = types.ModuleType("winreg")
base, tool = sys.argv[1:]
sysconfig.get_paths = lambda *rest: {"platlib": base}
code = types.ModuleType("windows_utils")
exec(compile(open(tool, encoding="utf-8").read(), tool, "exec"), code.__dict__)
print(json.dumps(code.find_cuda()))
"""


def fetch_wheel(
    requirement: str,
    folder: Path,
    environment: Mapping[str, str],
    platforms: Iterable[str] = ("win_amd64",),
) -> Path:
    """A wheel for another machine, by pip."""
    words = ["pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", "."]
    for each in platforms:
        words += ["--platform", each]
    before = set(folder.glob("*.whl"))
    tried = run_tool([*words, "--python-version", "3.11", requirement], folder, environment)
    assert tried.returncode == 0, tried.stderr
    (wheel,) = set(folder.glob("*.whl")) - before
    return wheel


@pytest.mark.network
def test_real_wheels_of_windows(network_environment: Mapping[str, str], tmp_path: Path) -> None:
    """Triton's own search finds what was put, in a tree of the wheels that pip would install."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    base = windows_tree(tmp_path / "my env")
    for requirement in (
        "nvidia-cuda-runtime-cu12==12.4.127",
        "nvidia-cuda-nvcc-cu12==12.4.131",
        "triton-windows==3.1.0.post17",
    ):
        with zipfile.ZipFile(fetch_wheel(requirement, wheels, network_environment)) as wheel:
            wheel.extractall(base)
    prefix = base.parents[1]
    refused = install(prefix, "--offline")
    assert refused.exit_code == 1
    assert "brings its own" in refused.stderr

    # What the older wheels on GitHub lack.
    for name in BROUGHT:
        (base / name).unlink()
    assert asked_triton(base) == [None, [], []]
    put = install(prefix)
    assert put.exit_code == 0, put.output
    libs = ["cuda", "cudadevrt", "cudart", "cudart_static"]
    assert put.stdout.splitlines() == [
        str(base / "nvidia/cuda_runtime/bin/ptxas.exe"),
        *(str(base / f"nvidia/cuda_runtime/lib/x64/{name}.lib") for name in libs),
    ]
    runtime = base / "nvidia" / "cuda_runtime"
    found = [str(runtime / "include")], [str(runtime / "lib" / "x64")]
    assert asked_triton(base) == [str(base / "nvidia" / "cuda_nvcc" / "bin"), *found]
    # As the oldest look for it: all in CUDA_PATH.
    assert asked_triton(base, CUDA_PATH=str(runtime)) == [str(runtime / "bin"), *found]

    shown = run("--python", str(prefix), "--shell", "powershell", "-q").stdout.splitlines()
    assert f"$cudalockFirst = @('{runtime / 'bin'}', '{base / 'nvidia/cuda_nvcc/bin'}'" in shown[0]
    assert shown[-1] == f"$env:CUDA_PATH = '{runtime}'"


MAPPED = """
import ctypes, sys
from tests.paths import CASES
ctypes.CDLL(sys.argv[1])
print(next(line[line.index("/"):] for line in open("/proc/self/maps") if sys.argv[1] in line))
"""


@pytest.mark.network
@pytest.mark.skipif(platform.machine() != "x86_64" or sys.platform != "linux", reason="the wheels")
@pytest.mark.parametrize(
    ("requirement", "library"),
    [
        ("nvidia-cuda-runtime-cu12==12.4.127", "libcudart.so.12"),
        ("nvidia-cuda-runtime==13.0.96", "libcudart.so.13"),
    ],
)
def test_real_libraries_are_loaded_from_the_environment(
    requirement: str, library: str, network_environment: Mapping[str, str], tmp_path: Path
) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    base = linux_tree(tmp_path / "my env")
    tags = ["manylinux_2_17_x86_64", "manylinux2014_x86_64"]
    with zipfile.ZipFile(fetch_wheel(requirement, wheels, network_environment, tags)) as wheel:
        wheel.extractall(base)
    text = run("--python", str(base.parents[2]), "--shell", "bash", "-q").stdout
    program = [sys.executable, "-c", MAPPED, library]
    alone = subprocess.run(program, env={"PATH": "/usr/bin:/bin"}, capture_output=True, check=False)
    # Not there at all, or that of a CUDA toolkit of the system.
    assert alone.returncode != 0 or b"site-packages" not in alone.stdout
    answer = subprocess.run(
        ["bash", "-c", f'{text}exec "$@"', "bash", *program],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip().startswith(str(base / "nvidia"))


def asked_triton(base: Path, **variables: str) -> object:
    """What triton-windows' own code finds in a tree: compiler folder, headers, libraries."""
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FIND_CUDA, str(base), str(base / LOOKS)],
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(answer.stdout)


@pytest.mark.parametrize("place", MATRIX.file_copies, ids=lambda place: place.put)
def test_a_place_has_a_fact_and_a_wheel(place: FileCopy) -> None:
    assert place.fact in MATRIX.facts
    assert choose_wheel(place, Target("3.11", "windows-x86_64"), MATRIX).sha256

"""`cudalock doctor` itself, on real virtual environments with planted distributions."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import venv
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from cudalock.cli import main
from cudalock.doctor import ExaminedEnvironment, examine, imports, libraries
from cudalock.environment import Machine, find_layout, read_inventory
from cudalock.environment import layout as layout_module
from cudalock.environment.gpu import Gpu
from cudalock.environment.repairs import Install, Uninstall
from cudalock.matrix.universe import ClosedUniverse
from tests.environments import install_stub, make_venv_with_pip, pretend
from tests.files import write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from click.testing import Result

    from cudalock.matrix.matrix import Matrix

GPU = Machine((Gpu("RTX 4090", "8.9"),), "550.54.14")


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pretend(monkeypatch)
    venv.create(tmp_path / "env", symlinks=sys.platform != "win32")
    return tmp_path / "env"


def packages(prefix: Path) -> Path:
    return find_layout(prefix).site_packages[0]


def subject(prefix: Path, matrix: Matrix, **given: str) -> ExaminedEnvironment:
    layout = find_layout(prefix)
    return ExaminedEnvironment(
        layout, read_inventory(layout.site_packages), GPU, ClosedUniverse(matrix), given, True
    )


def doctor(*words: object) -> Result:
    return CliRunner().invoke(main, ["doctor", *map(str, words)])


def test_an_empty_environment_is_healthy(prefix: Path) -> None:
    result = doctor("--python", prefix)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "healthy"
    assert "stack: not installed" in result.stdout


def test_a_python_of_the_system(
    prefix: Path, matrix: Matrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = layout_module._ask

    def asked(*words: Any) -> Any:
        answer = ask(*words)
        return answer and answer._replace(managed=True)

    monkeypatch.setattr(layout_module, "_ask", asked)
    (note,) = examine(subject(prefix, matrix))
    assert str(note) == f"CL706 `{prefix}` is managed by its system, and pip installs nothing there"
    assert note.fix is not None
    assert "-m venv .venv" in note.fix
    words = ["--python", str(prefix), "--keep", "all", "sympy==1.13.1", "--offline"]
    kept = CliRunner().invoke(main, ["solve", *words])
    assert kept.exit_code == 0, kept.stderr
    assert f"# note: `{prefix}` is managed by its system" in kept.stdout


def test_metadata_that_is_there_twice(prefix: Path, matrix: Matrix) -> None:
    """The same version twice, as in Debian's folders, hides nothing."""
    folder = packages(prefix)
    install_stub(folder, "cryptography", "38.0.4")
    write(folder / "cryptography.egg-info" / "PKG-INFO", "Name: cryptography\nVersion: 38.0.4\n")
    assert list(examine(subject(prefix, matrix))) == []
    write(folder / "cryptography.egg-info" / "PKG-INFO", "Name: cryptography\nVersion: 38.0.3\n")
    assert [each.code for each in examine(subject(prefix, matrix))] == ["CL702"]


def test_a_broken_one_says_what_mends_it(prefix: Path) -> None:
    install_stub(packages(prefix), "torch", "2.5.1+cu124", requires=["sympy==1.13.1"])
    result = doctor("--python", prefix)
    assert result.exit_code == 1
    interpreter = find_layout(prefix).interpreter
    assert (
        "error: CL705 sympy is not installed, and torch 2.5.1+cu124 requires sympy==1.13.1\n"
        f"  fix: `python -m pip --python {interpreter} install sympy==1.13.1`\n"
    ) in result.stdout
    assert result.stdout.splitlines()[-1] == "unhealthy: 1 error"


def test_what_is_no_matter_of_the_stack_is_a_warning(prefix: Path) -> None:
    install_stub(
        packages(prefix), "some-app", "1.0", requires=["left-pad", "nothing; extra == 'x'"]
    )
    assert doctor("--python", prefix).exit_code == 0
    result = doctor("--python", prefix, "--strict")
    assert result.exit_code == 1
    assert "warning: CL705 left-pad is not installed" in result.stdout


def test_the_findings_as_json(prefix: Path) -> None:
    install_stub(packages(prefix), "torch", "2.5.1+cpu")
    words = ("--python", prefix, "--gpu", "RTX 4090", "--driver", "550.54", "--json")
    document = json.loads(doctor(*words).stdout)
    assert document["schema"] == "cudalock.doctor/1"
    assert document["environment"]["kind"] == "venv"
    assert document["machine"]["gpus"] == [{"name": "RTX 4090", "capability": "8.9"}]
    assert document["stack"] == [{"name": "torch", "version": "2.5.1+cpu"}]
    assert not document["healthy"]
    (finding,) = document["findings"]
    assert (finding["code"], finding["facts"][0]["id"]) == ("CL708", "torch-cpu-build")
    assert finding["fix"].endswith(
        "torch==2.5.1 --gpu 8.9 --driver 550.54`, after uninstalling torch 2.5.1+cpu"
    )


def test_a_lock_is_compared(prefix: Path, tmp_path: Path) -> None:
    install_stub(packages(prefix), "torch", "2.5.1+cu124")
    install_stub(packages(prefix), "numpy", "2.1.0")
    url = "https://example.org/flash_attn-2.7.4.post1+cu12torch2.5-cp311-cp311-linux_x86_64.whl"
    install_stub(packages(prefix), "flash-attn", "2.7.4.post1", url=url)
    lock = write(
        tmp_path / "requirements.txt",
        f"torch==2.5.1\nnumpy==2.0.0\nsympy==1.13.1 ; python_version < '3'\nfilelock==3.16.1\n"
        f"flash-attn @ {url.replace('2.5-', '2.6-')}\n",
    )
    lines = doctor("--python", prefix, "--lock", lock).stdout.splitlines()
    told = [line for line in lines if "CL711" in line]
    assert [line.partition("has ")[2] for line in told] == [
        "filelock==3.16.1, and it is missing",
        f"flash-attn @ {url.replace('2.5-', '2.6-')}, and {url.rpartition('/')[2]} is installed",
        "numpy==2.0.0, and numpy 2.1.0 is installed",
    ]


def test_a_file_without_pins_is_no_lock(prefix: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "requirements.txt", "torch>=2\n")
    result = doctor("--python", prefix, "--lock", file)
    assert result.exit_code == 2
    assert "is not a lockfile: it pins nothing" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="libraries of Linux")
def test_other_cuda_libraries_that_are_found_first(
    prefix: Path, tmp_path: Path, matrix: Matrix
) -> None:
    own = packages(prefix) / "nvidia" / "cudnn" / "lib"
    system, other = tmp_path / "cuda" / "lib64", tmp_path / "other"
    for folder in (own, system):
        write(folder / "libcudnn.so.9", "")
    write(other / "libpng.so", "")

    def found(*folders: Path) -> list[str]:
        path = ":".join(map(str, folders))
        return [
            str(each) for each in libraries.examine(subject(prefix, matrix, LD_LIBRARY_PATH=path))
        ]

    (line,) = found(other, system)
    assert f"`{system}`, which LD_LIBRARY_PATH names, has libcudnn.so.9" in line
    assert line.endswith("[torch-library-path]")
    # What `cudalock activate` put first hides nothing.
    assert found(own, system) == []
    assert found(other) == []


def test_two_that_install_the_same_module(prefix: Path, matrix: Matrix) -> None:
    for name in ("opencv-python", "opencv-python-headless"):
        info = install_stub(packages(prefix), name, "4.10.0.84")
        write(
            info / "RECORD",
            "cv2/__init__.py,sha256=same,9\n"
            f"cv2/cv2.abi3.so,sha256={name},9\n"
            f"tests/__init__.py,sha256={name},9\n"
            f"{info.name}/METADATA,sha256={name},9\n",
        )
    for path in ("cv2/__init__.py", "cv2/cv2.abi3.so", "tests/__init__.py"):
        write(packages(prefix) / path, "")
    found = [str(each) for each in examine(subject(prefix, matrix))]
    assert found == [
        "CL703 opencv-python and opencv-python-headless both install `cv2/cv2.abi3.so`:"
        " what is there is a mixture of the two   [opencv-python-headless-package]"
    ]


def test_the_same_library_for_two_cudas(prefix: Path, matrix: Matrix) -> None:
    folder = packages(prefix)
    for name, version in (("nvidia-cudnn-cu12", "9.10.2.21"), ("nvidia-cudnn-cu13", "9.13.0.50")):
        info = install_stub(folder, name, version)
        write(info / "RECORD", f"nvidia/cudnn/lib/libcudnn.so.9,sha256={name},9\n")
    write(folder / "nvidia" / "cudnn" / "lib" / "libcudnn.so.9", "")
    install_stub(folder, "torch", "2.9.0+cu130", requires=["nvidia-cudnn-cu13==9.13.0.50"])
    (finding,) = (each for each in examine(subject(prefix, matrix)) if each.code == "CL703")
    assert (finding.severity, finding.facts) == ("error", ("nvidia-cudnn-cu13-libcudnn-9",))
    assert finding.fix is not None
    assert " uninstall nvidia-cudnn-cu12`, then `" in finding.fix
    assert finding.fix.endswith("--force-reinstall nvidia-cudnn-cu13==9.13.0.50`")


def test_files_that_are_gone(prefix: Path, matrix: Matrix) -> None:
    info = install_stub(packages(prefix), "torch", "2.6.0+cu126", imports=["torch"])
    record = info / "RECORD"
    lines = [
        "torch/lib/c10.lib,sha256=a,1",
        '"torch/a, b.txt",sha256=a,1',
        "../../bin/x,sha256=a,1",
    ]
    write(record, record.read_text() + "\n".join(lines) + "\n")
    (note,) = (each for each in examine(subject(prefix, matrix)) if each.code == "CL701")
    assert str(note) == "CL701 torch 2.6.0+cu126 has lost `torch/lib/c10.lib`, `torch/a, b.txt`"
    assert note.severity == "note"
    write(record, record.read_text() + "torch/lib/libtorch_cuda.so,sha256=a,1\n")
    (error,) = (each for each in examine(subject(prefix, matrix)) if each.code == "CL701")
    assert error.severity == "error"
    assert error.sentence.endswith(
        "`torch/lib/libtorch_cuda.so`, `torch/lib/c10.lib` and 1 more file"
    )
    assert error.fix is not None
    assert error.fix.endswith(
        "--force-reinstall torch==2.6.0+cu126 --index-url https://download.pytorch.org/whl/cu126`"
    )


def test_a_package_that_nobody_installed(prefix: Path, matrix: Matrix) -> None:
    folder = packages(prefix)
    install_stub(folder, "filelock", "3.16.1", imports=["filelock"])
    write(folder / "torch" / "lib" / "libc10.so", "")
    write(folder / "triton" / "__pycache__" / "x.pyc", "")
    (finding,) = examine(subject(prefix, matrix))
    assert str(finding).startswith(f"CL701 `{folder / 'torch'}` is there, and no distribution")
    install_stub(folder, "triton", "3.2.0")  # without a RECORD nobody knows whose it is
    assert not [each for each in examine(subject(prefix, matrix)) if each.code == "CL701"]


def test_variables_that_change_what_is_found(prefix: Path, matrix: Matrix) -> None:
    install_stub(packages(prefix), "torch", "2.5.1+cu124")
    install_stub(packages(prefix), "bitsandbytes", "0.45.5")

    def found(**environ: str) -> set[str]:
        ids = {id for each in examine(subject(prefix, matrix, **environ)) for id in each.facts}
        return ids & {"gpu-hidden", "bnb-cuda-override"}

    assert found(CUDA_VISIBLE_DEVICES="") == found(CUDA_VISIBLE_DEVICES="-1") == {"gpu-hidden"}
    assert found(CUDA_VISIBLE_DEVICES="0", BNB_CUDA_VERSION="118") == {"bnb-cuda-override"}
    assert found() == set()


def test_a_driver_that_does_not_answer(prefix: Path, matrix: Matrix) -> None:
    install_stub(packages(prefix), "torch", "2.5.1+cu124")
    layout = find_layout(prefix)
    broken = Machine(trouble="Driver/library version mismatch (NVML)")
    found = examine(
        ExaminedEnvironment(
            layout,
            read_inventory(layout.site_packages),
            broken,
            ClosedUniverse(matrix),
            machine_probed=True,
        )
    )
    assert (found[0].severity, found[0].code) == ("error", "CL707")


def test_strange_words_of_publishers_stop_nothing(prefix: Path, matrix: Matrix) -> None:
    folder = packages(prefix)
    requires = ["", "a b c", "x @", "y (>=", "z; nothing == 'x'", "torch>>2", "torch~=2"]
    install_stub(folder, "strange", "not-a-version", requires=requires, tags="what")
    info = install_stub(folder, "torch", "2.5.1+cu124", requires=requires)
    write(info / "RECORD", "\0,\0,\n")
    assert {each.code for each in examine(subject(prefix, matrix))} <= {
        "CL201",
        "CL701",
        "CL704",
        "CL705",
    }


# -- imports ----------------------------------------------------------------------------------


def test_each_member_is_really_imported(prefix: Path, matrix: Matrix) -> None:
    folder = packages(prefix)
    install_stub(folder, "torch", "2.5.1+cu124")
    write(folder / "torch" / "__init__.py", "")
    install_stub(folder, "flash-attn", "2.7.4.post1")
    write(
        folder / "flash_attn" / "__init__.py",
        "try:\n    import flash_attn_2_cuda\nexcept ImportError:\n    raise ImportError("
        "'/x/flash_attn_2_cuda.so: undefined symbol: _ZN3c105ErrorC2E')\n",
    )
    machine = replace(subject(prefix, matrix), machine=Machine())
    found = [str(each) for each in imports.examine(machine)]
    assert found == [
        "CL712 `import flash_attn` of flash-attn 2.7.4.post1 fails: ImportError:"
        " /x/flash_attn_2_cuda.so: undefined symbol: _ZN3c105ErrorC2E",
        "CL713 not tried, since this machine has no NVIDIA GPU: a product and a convolution on the"
        " GPU with torch, attention with flash-attn",
    ]


def test_one_error_that_stops_all_is_told_once(prefix: Path, matrix: Matrix) -> None:
    folder = packages(prefix)
    for name, module in (("torch", "torch"), ("torchvision", "torchvision")):
        install_stub(folder, name, "2.5.1" if name == "torch" else "0.20.1")
        write(folder / module / "__init__.py", "raise OSError('libcudnn.so.9: cannot open')\n")
    found = [str(each) for each in imports.examine(subject(prefix, matrix))]
    assert found == [
        "CL712 `import torch` of torch 2.5.1 fails: OSError: libcudnn.so.9: cannot open"
    ]


def test_neighbours_of_the_stack_are_imported(prefix: Path, matrix: Matrix) -> None:
    """What requires a member, and what a member requires and is compiled; not pure dependencies,
    and nothing that is not near."""
    folder = packages(prefix)
    compiled = "cp311-cp311-manylinux_2_17_x86_64"
    install_stub(folder, "torch", "2.5.1", imports=["torch"], requires=["numpy", "jinja2"])
    install_stub(folder, "numpy", "2.1.3", tags=compiled, imports=["numpy"])
    install_stub(folder, "jinja2", "3.1.6", imports=["jinja2"])
    install_stub(folder, "zz-trainer", "1.0", imports=["zz_trainer"], requires=["torch>=2"])
    install_stub(folder, "zz-arrow", "1.0", tags=compiled, imports=["zz_arrow"])
    install_stub(folder, "zz-rows", "1.0", imports=["zz_rows"], requires=["zz-arrow", "torch"])
    install_stub(folder, "zz-far", "1.0", tags=compiled, imports=["zz_far"])
    ran = []

    def run(interpreter: Path, code: str) -> imports.Outcome:
        ran.append(code)
        return imports.Outcome(0, "")

    findings = imports.examine(replace(subject(prefix, matrix), machine=Machine()), run)
    # What was not tried for want of a GPU is no fault.
    assert [each.code for each in findings] == ["CL713"]
    alone = [code.removeprefix("import ").strip() for code in ran if code.count("\n") == 1]
    assert alone[0] == "torch"
    assert {"numpy", "zz_trainer", "zz_arrow", "zz_rows"} <= set(alone)
    assert set(alone).isdisjoint(["jinja2", "zz_far"])


@pytest.mark.parametrize(
    ("outcome", "found"),
    [
        pytest.param(
            imports.Outcome(0, "Traceback (most recent call last):\n  File x\nNameError: no nn\n"),
            ["warning: `import torch` of torch 2.5.1 goes on after an error: NameError: no nn"],
            id="swallowed",
        ),
        pytest.param(imports.Outcome(0, "FutureWarning: old\n"), [], id="warned of"),
        pytest.param(
            imports.Outcome(1, "RuntimeError: 0 active drivers ([]). There should only be one.\n"),
            [
                "note: `import torch` of torch 2.5.1 needs a GPU, and fails without one: "
                "RuntimeError: 0 active drivers ([]). There should only be one."
            ],
            id="no GPU",
        ),
    ],
)
def test_what_an_import_says(
    outcome: imports.Outcome, found: list[str], prefix: Path, matrix: Matrix
) -> None:
    install_stub(packages(prefix), "torch", "2.5.1", imports=["torch"])
    machine = replace(subject(prefix, matrix), machine=Machine())
    findings = [
        each
        for each in imports.examine(machine, lambda interpreter, code: outcome)
        if each.code != "CL713"
    ]
    assert [f"{each.severity}: {each.sentence}" for each in findings] == found


def test_a_lock_does_not_make_healthy(prefix: Path, tmp_path: Path) -> None:
    install_stub(packages(prefix), "filelock", "3.16.1", imports=["filelock"])
    lock = write(tmp_path / "requirements.txt", "filelock==3.16.1\n")
    verdict = doctor("--python", prefix, "--lock", lock, "--no-detect").stdout.splitlines()[-1]
    assert verdict == "as locked; not imported"
    plain = doctor("--python", prefix, "--no-detect").stdout.splitlines()[-1]
    assert plain == "healthy"


def test_what_metadata_does_not_say(prefix: Path, matrix: Matrix) -> None:
    folder = packages(prefix)
    tags = "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64"
    install_stub(folder, "triton", "3.1.0", imports=["triton"], tags=tags)
    install_stub(folder, "pandas", "2.0.3", imports=["pandas"], tags=tags)
    numpy = install_stub(folder, "numpy", "2.1.3", imports=["numpy"], tags=tags)
    ids = {id for each in examine(subject(prefix, matrix)) for id in each.facts}
    assert {"triton-setuptools", "pandas-numpy2-abi"} <= ids
    shutil.rmtree(numpy)
    install_stub(folder, "numpy", "1.26.4", tags=tags)
    install_stub(folder, "setuptools", "75.0.0", imports=["setuptools"])
    ids = {id for each in examine(subject(prefix, matrix)) for id in each.facts}
    assert ids.isdisjoint(["triton-setuptools", "pandas-numpy2-abi", "numpy-numpy2-abi"])


def test_libraries_that_torch_has(prefix: Path, matrix: Matrix) -> None:
    folder = packages(prefix)
    tags = "cp311-cp311-manylinux_2_28_x86_64"
    install_stub(folder, "onnxruntime-gpu", "1.31.1", imports=["onnxruntime"], tags=tags)
    findings = examine(subject(prefix, matrix))
    (missing,) = (each for each in findings if "ort-gpu-alone-cuda13" in each.facts)
    assert missing.severity == "warning"
    install_stub(folder, "torch", "2.15.0", imports=["torch"])
    ids = {id for each in examine(subject(prefix, matrix)) for id in each.facts}
    assert "ort-gpu-alone-cuda13" not in ids


def test_ffmpeg_of_the_environment(prefix: Path, matrix: Matrix) -> None:
    """torchcodec below 0.17 opens FFmpeg's libraries; conda puts them into the prefix."""

    def ids(version: str) -> set[str]:
        install_stub(packages(prefix), "torchcodec", version, imports=["torchcodec"])
        found = {id for each in examine(subject(prefix, matrix, PATH="")) for id in each.facts}
        shutil.rmtree(packages(prefix) / f"torchcodec-{version}.dist-info")
        return found & {"torchcodec-ffmpeg"}

    elsewhere = [*Path("/usr/lib").glob("*/libavutil.so.*"), *Path("/usr/lib64").glob("libavutil*")]
    elsewhere += [
        *Path("/usr/local/lib").glob("libavutil.so.*"),
        *Path("/opt").glob("homebrew/lib"),
    ]
    if not elsewhere:
        assert ids("0.10.0") == {"torchcodec-ffmpeg"}
    assert not ids("0.17.0")
    write(prefix / "lib" / "libavutil.so.59", "")
    assert not ids("0.10.0")


def test_a_stray_module_is_no_conflict(prefix: Path, matrix: Matrix) -> None:
    folder = packages(prefix)
    for name, module in (("flashinfer-python", "flashinfer"), ("torch-c-dlpack-ext", "dlpack")):
        info = install_stub(folder, name, "1.0", imports=[module])
        write(
            info / "RECORD",
            f"build_backend.py,sha256={module},9\n{module}/__init__.py,sha256=x,0\n",
        )
    write(folder / "build_backend.py", "")
    assert not [each for each in examine(subject(prefix, matrix)) if each.code == "CL703"]


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (imports.Outcome(None, ""), "no end within 180 seconds"),
        (
            imports.Outcome(-11, "Fatal Python error\n"),
            "it was ended by SIGSEGV (Fatal Python error)",
        ),
        (
            imports.Outcome(
                -signal.SIGABRT,
                "terminate called\nFatal Python error: Aborted\n\nCurrent thread 0x0 (most recent"
                ' call first):\n  File "/x/ops.py", line 3 in <module>\n  File "/y.py", line 1\n',
            ),
            'it was ended by SIGABRT (terminate called; File "/x/ops.py", line 3 in <module>)',
        ),
        (imports.Outcome(3, ""), "it ended with status 3"),
        (imports.Outcome(0xC0000135, ""), "it ended with 0xc0000135, a DLL is missing"),
        (
            imports.Outcome(
                0xC0000005,
                "about to fail\nWindows fatal exception: access violation\n\nCurrent thread 0x0 "
                '(most recent call first):\n  File "C:\\x.py", line 3 in <module>\n',
            ),
            "it ended with 0xc0000005, an access violation"
            ' (about to fail; File "C:\\x.py", line 3 in <module>)',
        ),
        (imports.Outcome(0xC0009999, ""), "it ended with 0xc0009999, an unknown fault"),
        (
            imports.Outcome(
                1, "Traceback (most recent call last):\n  File\nRuntimeError: a\nb\nc\nd\n"
            ),
            "RuntimeError: a b c",
        ),
        (
            imports.Outcome(1, "torch.cuda.OutOfMemoryError: no\n"),
            "torch.cuda.OutOfMemoryError: no",
        ),
    ],
)
def test_why_a_process_failed(outcome: imports.Outcome, reason: str) -> None:
    assert imports.reason(outcome) == reason


def test_a_program_that_does_not_end_is_ended_with_what_it_started(prefix: Path) -> None:
    interpreter = find_layout(prefix).interpreter
    assert interpreter is not None
    code = (
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "sys.stderr.write('busy\\n')\nsys.stderr.flush()\ntime.sleep(600)\n"
    )
    begin = time.monotonic()
    assert imports.run_code(interpreter, code, seconds=1) == (None, f"busy{os.linesep}")
    assert time.monotonic() - begin < 30


def test_of_much_that_is_written_the_end_is_read(prefix: Path) -> None:
    interpreter = find_layout(prefix).interpreter
    assert interpreter is not None
    code = "import sys\nsys.stderr.write('x\\n' * 1_000_000)\nraise ImportError('at last')\n"
    outcome = imports.run_code(interpreter, code)
    assert imports.reason(outcome) == "ImportError: at last"
    assert len(outcome.output) < 100_000


def test_trials_run_where_there_is_a_gpu(prefix: Path, matrix: Matrix) -> None:
    folder = packages(prefix)
    install_stub(folder, "torch", "2.5.1+cu124", imports=["torch"])
    install_stub(folder, "bitsandbytes", "0.45.5", imports=["bitsandbytes"])
    ran = []

    def run(interpreter: Path, code: str) -> imports.Outcome:
        ran.append(code)
        failed = "Linear8bitLt" in code
        return imports.Outcome(int(failed), "RuntimeError: no 8 bits\n" if failed else "")

    found = [str(each) for each in imports.examine(subject(prefix, matrix), run)]
    assert found == ["CL713 an 8-bit layer with bitsandbytes 0.45.5 fails: RuntimeError: no 8 bits"]
    assert sum("runpy" in code for code in ran) == 1
    ran.clear()
    bare = replace(subject(prefix, matrix), machine=Machine())
    (note,) = imports.examine(bare, run)
    assert note.severity == "note"
    assert "python -m bitsandbytes with bitsandbytes, an 8-bit layer with bitsand" in note.sentence
    assert ran[:2] == ["import torch\n", "import bitsandbytes\n"]
    assert [code for code in ran if "cuda()" in code or "runpy" in code] == []


def test_every_trial_is_a_program(matrix: Matrix) -> None:
    trials = [trial for each in matrix.components.values() for trial in each.trials]
    assert {"an 8-bit layer", "a compiled kernel"} <= {trial.name for trial in trials}
    for trial in trials:
        compile(trial.code, trial.name, "exec")


def test_an_environment_of_another_machine_is_not_run(tmp_path: Path, matrix: Matrix) -> None:
    write(tmp_path / "pyvenv.cfg", "version = 3.11.9\n")
    install_stub(tmp_path / "Lib" / "site-packages", "torch", "2.5.1+cu124", imports=["torch"])
    result = doctor("--python", tmp_path, "--import")
    assert "note: CL712 nothing was imported" in result.stdout
    assert "machine: not examined" in result.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="its Python is a link there")
@pytest.mark.parametrize("moved", [False, True], ids=["here", "of another machine"])
def test_a_venv_whose_python_is_gone(moved: bool, tmp_path: Path) -> None:
    """The usual state after an upgrade of Python. A tree of another machine is no fault of it."""
    venv.create(tmp_path / "venv", symlinks=True)
    prefix = tmp_path / "venv"
    for link in prefix.glob("bin/python*"):
        link.unlink()
        link.symlink_to("/nowhere/python3.11")
    if moved:
        prefix = prefix.rename(tmp_path / "other")
    result = doctor("--python", prefix)
    severity = "warning: " if moved else ""
    assert (
        f"{severity or 'error: '}CL714 the Python of `{prefix}` does not run here" in result.stdout
    )
    assert result.exit_code == (0 if moved else 1)


@pytest.mark.network
@pytest.mark.skipif(sys.platform != "linux", reason="wheels of Linux")
def test_real_wheels_beside_a_torch(
    tmp_path: Path, matrix: Matrix, network_environment: Mapping[str, str]
) -> None:
    """What the real pip leaves behind of NVIDIA's real wheels: judged, and seen to be shadowed."""
    prefix = tmp_path / "env"
    make_venv_with_pip(prefix)
    folder = packages(prefix)
    install_stub(
        folder,
        "torch",
        "2.5.1",
        requires=["nvidia-cuda-runtime-cu12==12.4.127", "nvidia-nvtx-cu12==12.4.127"],
        tags="cp311-cp311-manylinux1_x86_64",
    )

    def found(*wanted: str, **given: str) -> list[str]:
        command = [str(prefix / "bin" / "python"), "-m", "pip", "install", "--no-deps", *wanted]
        subprocess.run(command, env=dict(network_environment), check=True, capture_output=True)
        return [str(each) for each in examine(subject(prefix, matrix, **given)) if each.members]

    def about(lines: list[str], name: str) -> list[str]:
        return [line for line in lines if name in line]

    first = found("nvidia-cuda-runtime-cu12==12.6.77", "nvidia-nvtx-cu12==12.4.127")
    (clash,) = about(first, "nvidia-cuda-runtime-cu12==12.6.77")
    assert clash.startswith("CL203 torch==2.5.1 and nvidia-cuda-runtime-cu12==12.6.77 are inc")
    then = found("nvidia-cuda-runtime-cu12==12.4.127")
    assert not about(then, "nvidia-cuda-runtime") + about(then, "nvidia-nvtx")

    runtime = folder / "nvidia" / "cuda_runtime" / "lib" / "libcudart.so.12"
    assert runtime.is_file()
    system = write(tmp_path / "cuda" / "lib64" / "libcudart.so.12", "").parent
    shadows = list(libraries.examine(subject(prefix, matrix, LD_LIBRARY_PATH=str(system))))
    assert [each.code for each in shadows] == ["CL709"]


# -- whose files are there ------------------------------------------------------------------------


def write_owned(folder: Path, name: str, version: str, path: str, text: str) -> None:
    """Install a stub that owns one file with a text, over whatever is there."""
    record = install_stub(folder, name, version) / "RECORD"
    write(folder / path, text)
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
    write(record, f"{path},sha256={digest},{len(text)}\n")


@pytest.mark.parametrize("last", ["onnxruntime", "onnxruntime-gpu"])
def test_digests_tell_whose_files_are_there(prefix: Path, matrix: Matrix, last: str) -> None:
    folder = packages(prefix)
    for name in sorted(["onnxruntime", "onnxruntime-gpu"], key=last.__eq__):
        write_owned(folder, name, "1.20.1", "onnxruntime/__init__.py", f"# {name}\n")
    (finding,) = [each for each in examine(subject(prefix, matrix)) if each.code == "CL703"]
    assert f"what is there is of {last} 1.20.1" in finding.sentence
    # It does what the other does, and more; nothing requires either.
    assert finding.repairs == (
        Uninstall("onnxruntime"),
        Install("onnxruntime-gpu", "==1.20.1"),
    )


def test_modules_compiled_for_another_numpy(prefix: Path, matrix: Matrix) -> None:
    folder = packages(prefix)
    install_stub(folder, "numpy", "2.2.6")
    texts = {
        "old": "numpy.core._multiarray_umath",
        "new": "numpy.core._multiarray_umath numpy._core._multiarray_umath",
        "none": "",
    }
    for name, text in texts.items():
        install_stub(folder, name, "1.0", requires=["numpy"])
        path = f"{name}/lib.cpython-311-x86_64-linux-gnu.so"
        write(folder / path, f"\0{text}\0")
        write(folder / f"{name}-1.0.dist-info" / "RECORD", f"{path},,\n")
    (finding,) = examine(subject(prefix, matrix))
    assert (finding.members, finding.facts) == (("old", "numpy"), ("numpy-2-abi",))
    assert finding.repairs == (Install("numpy", "<2"),)


def test_what_an_interrupted_pip_left_has_a_size(prefix: Path, matrix: Matrix) -> None:
    write(packages(prefix) / "~orch" / "lib" / "libtorch_cuda.so", "x" * 5_000_000)
    (finding,) = examine(subject(prefix, matrix))
    assert finding.code == "CL701"
    assert "~orch` (5.0 MB) is what an interrupted pip left" in finding.sentence


@pytest.mark.parametrize(("digest", "found"), [("", []), ("sha256=x", ["CL701"])])
def test_a_library_that_is_text(
    digest: str, found: list[str], prefix: Path, matrix: Matrix
) -> None:
    """A linker's script is whole if its RECORD says so, or says nothing."""
    folder = packages(prefix)
    info = install_stub(folder, "torch", "2.6.0+cu126", imports=["torch"])
    write(folder / "torch" / "lib" / "libx.so", "GROUP ( libx.so.1 )\n")
    record = info / "RECORD"
    write(record, record.read_text() + f"torch/lib/libx.so,{digest},20\n")
    codes = [each.code for each in examine(subject(prefix, matrix)) if each.code == "CL701"]
    assert codes == found

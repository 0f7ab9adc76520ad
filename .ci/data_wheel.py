"""Build the data as a wheel of its own, `cudalock-matrix`: python .ci/data_wheel.py -o dist

It has the files of matrix/ and `release.json`, which names the edition and the sha256 of each. A
cudalock that is installed beside it uses it if it is newer than its own (`data_directory`).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "resolver"))

from cudalock import toml  # noqa: E402
from cudalock.files import DATA_FORMAT, DATA_PACKAGE, HEADER, RELEASE  # noqa: E402

PROJECT = """
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "cudalock-matrix"
version = "{version}"
description = "The data of cudalock: facts and releases of the CUDA deep-learning stack"
readme = "README.md"
license = "Apache-2.0"
license-files = ["LICENSE"]
requires-python = ">=3.10"

[tool.hatch.build.targets.wheel]
only-include = ["{package}"]
"""


def build(matrix: Path, output: Path) -> Path:
    """Build the wheel of a matrix into a folder; return its path."""
    from hatchling.builders.wheel import WheelBuilder

    version = str(toml.loads((matrix / HEADER).read_text(encoding="utf-8"))["version"])
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        package = root / DATA_PACKAGE
        shutil.copytree(matrix, package, ignore=shutil.ignore_patterns("__pycache__"))
        files = sorted(path for path in package.rglob("*") if path.is_file())
        release = {
            "schema": "cudalock.release/1",
            "version": version,
            "format": DATA_FORMAT,
            "files": {
                path.relative_to(package).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in files
            },
        }
        (package / RELEASE).write_text(json.dumps(release, indent=1) + "\n", encoding="utf-8")
        shutil.copy(ROOT / "LICENSE", root)
        shutil.copy(matrix / "README.md", root)
        text = PROJECT.format(version=version, package=DATA_PACKAGE)
        (root / "pyproject.toml").write_text(text, encoding="utf-8")
        (built,) = WheelBuilder(str(root)).build(directory=str(output.resolve()))
    return Path(built)


def main() -> None:
    """Build what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--matrix", type=Path, default=ROOT / "matrix")
    parser.add_argument("-o", "--output", type=Path, default=Path("dist"))
    arguments = parser.parse_args()
    print(build(arguments.matrix, arguments.output))


if __name__ == "__main__":
    main()

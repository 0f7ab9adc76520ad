"""The real pip, imported once: each run is a fork of a process that has done so.

To import pip takes longer than most of what the tests have it do.
"""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LOCK = threading.Lock()

_SERVER = """
import json, os, sys
sys.path.remove("")
from pip._internal.cli.main import main
import pip._internal.commands.install, pip._internal.commands.download
import pip._internal.resolution.resolvelib.resolver
for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if not child:
        os.chdir(order["folder"])
        os.environ.clear()
        os.environ.update(order["environment"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number in (1, 2):
            os.dup2(os.open(order["files"][number - 1], os.O_WRONLY), number)
        # What else `python -m pip` does.
        sys.argv = ["pip", *order["words"]]
        sys.exit(main())
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


def run_pip(
    words: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run this interpreter's pip as `python -m pip` would."""
    command = [sys.executable, "-m", "pip", *words]
    if sys.platform == "win32":
        return subprocess.run(
            command,
            cwd=folder,
            env=dict(environment),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    with _LOCK, TemporaryDirectory() as scratch:
        orders, answers = _server()
        files = [Path(scratch) / name for name in ("out", "err")]
        for file in files:
            file.touch()
        order = {
            "words": list(words),
            "folder": str(folder),
            "environment": dict(environment),
            "files": list(map(str, files)),
        }
        print(json.dumps(order), file=orders, flush=True)
        status = int(answers.readline())
        said = [file.read_text(encoding="utf-8") for file in files]
    return subprocess.CompletedProcess(command, status, *said)


@cache
def _server() -> tuple[IO[str], IO[str]]:
    """Where orders go, and where exit statuses come from."""
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin is not None
    assert server.stdout is not None

    def stop() -> None:
        with server:
            assert server.stdin is not None
            server.stdin.close()

    atexit.register(stop)
    return server.stdin, server.stdout

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
from typing import TYPE_CHECKING

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
        files = [Path(scratch) / name for name in ("out", "err")]
        for file in files:
            file.touch()
        order = {
            "words": list(words),
            "folder": str(folder),
            "environment": dict(environment),
            "files": list(map(str, files)),
        }
        status = _ask(json.dumps(order))
        said = [file.read_text(encoding="utf-8") for file in files]
    return subprocess.CompletedProcess(command, status, *said)


def _ask(order: str) -> int:
    """The exit status of a run."""
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        print(order, file=server.stdin, flush=True)
        return int(server.stdout.readline())
    except BaseException:
        # A test's limit, say: what the server says later is no answer to the next order.
        _server.cache_clear()
        _stop(server)
        raise


@cache
def _server() -> subprocess.Popen[str]:
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(_stop, server)
    return server


def _stop(server: subprocess.Popen[str]) -> None:
    with server:
        server.kill()

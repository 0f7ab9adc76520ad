"""What people see, and that results reach their file or stream whole or not at all."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
import textwrap
from contextlib import redirect_stdout
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from cudalock.cli.console import emit, error_text, progress, tell, wants_colour, write_text
from cudalock.errors import OutputError, UsageError
from cudalock.lock.summary import summary
from cudalock.text import NamesNote, shell_word
from tests.local_index import build_wheel
from tests.paths import RESOLVER
from tests.sample_locks import CU124, lock, pin, warning

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TORCH = build_wheel("torch", "2.5.1+cu124")
NUMPY = build_wheel("numpy", "2.1.3")
FLASH = build_wheel("flash-attn", "2.7.4.post1", file_version="2.7.4.post1+cu12torch2.5")
BUILDER = "Dao-AILab/flash-attention"

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX files and signals")


def run_python(
    code: str,
    *,
    env: Mapping[str, str] | None = None,
    stdout: int | IO[bytes] = subprocess.PIPE,
    before: Callable[[], None] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run code that uses cudalock in a process of its own: the streams are real there."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": str(RESOLVER), **(env or {})},
        stdout=stdout,
        stderr=subprocess.PIPE,
        preexec_fn=before,
        timeout=60,
        check=False,
    )


class TestSummary:
    def test_four_lines(self) -> None:
        flash = pin(FLASH, version="2.7.4.post1", builder=BUILDER, url="https://x/", direct=True)
        torch = pin(TORCH, index="cu124", url=CU124.url)
        made = lock(pin(NUMPY, via=("torch",)), flash, torch)
        assert summary(made, install="uv pip install -r requirements.txt") == (
            "torch 2.5.1+cu124, flash-attn 2.7.4.post1 (CUDA 12.4) "
            "for Linux x86_64, glibc 2.28, Python 3.11: 3 packages\n"
            "builders: flash-attn 2.7.4.post1 from Dao-AILab/flash-attention (the project's own)\n"
            "needs: driver >= 525.60.13, glibc >= 2.17\n"
            "install: uv pip install -r requirements.txt"
        )

    def test_each_warning_has_a_line(self) -> None:
        flash = pin(
            FLASH.without_digest(),
            version="2.7.4.post1",
            builder=BUILDER,
            url="https://x/",
            direct=True,
            known="derived",
            warning="Needs a new driver.",
        )
        text = summary(lock(flash, warnings=(warning("caf\u00e9\nis slow"),), notes=("A note.",)))
        assert text.splitlines()[2:] == [
            "warning: cafe is slow [flash-attn-turing]",
            f"warning: {FLASH.name}: Needs a new driver.",
            f"warning: {FLASH.name} is derived from a build script, it may not exist",
            "warning: no hash is published for flash-attn; see `--fetch-hashes`",
            "needs: driver >= 525.60.13, glibc >= 2.17",
            "note: A note.",
        ]

    @pytest.mark.parametrize(
        ("others", "cost"),
        [
            (0, ""),
            (1, ", so those of 1 package are left out: pip needs all or none"),
            (170, ", so those of 170 packages are left out: pip needs all or none"),
        ],
    )
    def test_what_one_wheel_without_a_hash_costs(self, others: int, cost: str) -> None:
        flash = pin(
            FLASH.without_digest(), version="2.7.4.post1", builder=BUILDER, url="https://x/"
        )
        made = lock(flash, *(pin(build_wheel(f"p{n:03}", "1.0")) for n in range(others)))
        line = f"warning: no hash is published for flash-attn{cost}; see `--fetch-hashes`"
        assert line in summary(made, without_hashes=True).splitlines()
        assert "left out" not in summary(made)

    @pytest.mark.parametrize("number", [1, 8, 9, 90])
    def test_many_names_are_counted_unless_all_are_wanted(self, number: int) -> None:
        names = tuple(f"p{n:02}" for n in range(number))
        made = lock(pin(NUMPY), notes=(NamesNote("from a live listing", names),))
        told = f"note: from a live listing: {', '.join(names)}"
        counted = f"note: from a live listing: {number} packages (`-v` names them)"
        assert summary(made, verbose=True).splitlines()[-1] == told
        assert summary(made).splitlines()[-1] == (told if number <= 8 else counted)

    def test_a_long_goal_is_cut(self) -> None:
        made = lock(*(pin(build_wheel(f"p{n:02}", "1.0")) for n in range(12)), cuda=None)
        assert summary(made).splitlines()[0] == (
            "p00 1.0, p01 1.0, p02 1.0, p03 1.0, p04 1.0, p05 1.0, p06 1.0, p07 1.0, 4 more "
            "(no CUDA) for Linux x86_64, glibc 2.28, Python 3.11: 12 packages"
        )


class TestErrors:
    def test_hints_follow_a_blank_line_and_are_not_wrapped(self) -> None:
        long = 'cudalock solve "torch==2.5.1" ' + "--gpu 8.6 " * 30
        error = UsageError("`tourch` is not known", hints=[long, "two\nlines"])
        assert error_text(error) == (
            f"error: `tourch` is not known\n\nhint: {long.strip()}\nhint: two lines"
        )

    def test_without_hints(self) -> None:
        assert error_text(UsageError("No.")) == "error: No."


class TestTell:
    def test_colour_only_where_wanted(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.delenv("FORCE_COLOR", raising=False)
        tell("error: no\n\nhint: yes")
        assert capsys.readouterr().err == "error: no\n\nhint: yes\n"
        monkeypatch.setenv("FORCE_COLOR", "1")
        tell("error: no\nfor the rest: plain")
        assert capsys.readouterr().err == "\x1b[31m\x1b[1merror:\x1b[0m no\nfor the rest: plain\n"
        monkeypatch.setenv("NO_COLOR", "1")
        tell("error: no")
        assert capsys.readouterr().err == "error: no\n"

    @pytest.mark.parametrize(
        ("variables", "wanted"),
        [
            ({}, True),
            ({"TERM": "dumb"}, False),
            ({"NO_COLOR": "1"}, False),
            ({"NO_COLOR": ""}, True),
            ({"FORCE_COLOR": "0"}, False),
            ({"TERM": "dumb", "FORCE_COLOR": "1"}, True),
        ],
    )
    def test_on_a_terminal(
        self, variables: dict[str, str], wanted: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        terminal = io.StringIO()
        monkeypatch.setattr(terminal, "isatty", lambda: True)
        assert wants_colour(terminal) is wanted

    @pytest.mark.parametrize("encoding", ["cp1252", "cp936", "ascii", "utf-8"])
    def test_any_code_page(self, encoding: str) -> None:
        code = r"""
        from cudalock.cli.console import tell
        tell("error: caf\u00e9 \u2192 \u00fc \u7f51 \udcff \x1b[2J")
        """
        done = run_python(code, env={"PYTHONIOENCODING": encoding})
        assert done.returncode == 0, done.stderr
        shown = done.stderr.decode(encoding).replace("\r\n", "\n")
        whole = "error: caf\u00e9 \u2192 \u00fc \u7f51 ? ?[2J\n"
        expected = {
            # What a code page has stays as it is: it may be part of a path.
            "cp1252": "error: caf\u00e9 -> \u00fc ? ? ?[2J\n",
            "ascii": "error: cafe -> u ? ? ?[2J\n",
        }
        assert shown == expected.get(encoding, whole)
        assert "\x1b" not in shown

    @posix
    def test_a_closed_stream_is_no_error(self) -> None:
        code = "from cudalock.cli.console import tell; tell('hello')"
        done = run_python(code, before=lambda: os.close(2))
        assert done.returncode == 0


class TestEmit:
    def test_bytes_are_as_given(self) -> None:
        done = run_python(
            r"from cudalock.cli.console import emit; emit('a\nb\n')",
            env={"PYTHONIOENCODING": "cp1252"},
        )
        assert done.stdout == b"a\nb\n"

    def test_what_was_printed_before_comes_first(self) -> None:
        done = run_python("from cudalock.cli.console import emit; print('one'); emit('two')")
        assert done.stdout.split() == [b"one", b"two"]

    @posix
    def test_a_reader_that_went_away_is_no_error(self) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        code = "from cudalock.cli.console import emit; emit('x' * 300_000); emit('y')"
        done = run_python(code, stdout=writing)
        os.close(writing)
        assert (done.returncode, done.stderr) == (0, b"")

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
    def test_a_full_disk_is_an_output_error(self) -> None:
        code = """
        from cudalock.errors import OutputError
        from cudalock.cli.console import emit, tell
        try:
            emit("text")
        except OutputError as error:
            tell(str(error))
        """
        with Path("/dev/full").open("wb") as full:
            done = run_python(code, stdout=full)
        assert done.stderr == b"cannot write to standard output: no space left on device\n"
        assert done.returncode == 0

    def test_a_stream_without_bytes(self) -> None:
        with redirect_stdout(io.StringIO()) as stream:
            emit("text\n")
        assert stream.getvalue() == "text\n"

    def test_no_standard_output(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdout", None)
        with pytest.raises(OutputError, match="it is closed"):
            emit("text")


class TestWriteText:
    def test_new_file(self, tmp_path: Path) -> None:
        path = tmp_path / "requirements.txt"
        write_text(path, "numpy==2.1.3\n")
        assert path.read_bytes() == b"numpy==2.1.3\n"
        assert [path] == list(tmp_path.iterdir())

    @posix
    def test_a_new_file_honours_the_umask(self, tmp_path: Path) -> None:
        old = os.umask(0o027)
        try:
            write_text(tmp_path / "new.txt", "text")
        finally:
            os.umask(old)
        assert stat.S_IMODE((tmp_path / "new.txt").stat().st_mode) == 0o640

    @posix
    def test_mode_is_kept(self, tmp_path: Path) -> None:
        path = tmp_path / "lock.txt"
        path.write_text("old")
        path.chmod(0o604)
        write_text(path, "new")
        assert path.read_text() == "new"
        assert stat.S_IMODE(path.stat().st_mode) == 0o604

    @posix
    def test_a_link_stays_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        real, link = tmp_path / "real" / "lock.txt", tmp_path / "lock.txt"
        real.write_text("old")
        link.symlink_to(real)
        write_text(link, "new")
        assert link.is_symlink()
        assert real.read_text() == "new"

    def test_a_relative_path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        write_text("lock.txt", "text")
        assert (tmp_path / "lock.txt").read_text() == "text"

    def test_read_only_file(self, tmp_path: Path) -> None:
        path = tmp_path / "lock.txt"
        path.write_text("old")
        path.chmod(0o444)
        with pytest.raises(OutputError) as caught:
            write_text(path, "new")
        assert str(caught.value) == f"cannot write `{path}`: the file is read-only"
        assert path.read_text() == "old"
        path.chmod(0o644)

    @pytest.mark.skipif(not Path("/proc/self").exists(), reason="no folder even root cannot write")
    def test_unwritable_folder(self) -> None:
        with pytest.raises(OutputError, match=r"^cannot write `/proc/self/lock\.txt`: "):
            write_text("/proc/self/lock.txt", "text")

    def test_folder_that_is_not_there(self, tmp_path: Path) -> None:
        path = tmp_path / "locks" / "linux.txt"
        with pytest.raises(OutputError, match="no such file or directory") as caught:
            write_text(path, "text")
        assert caught.value.hints == (f"mkdir {shell_word(str(path.parent))}",)

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError) as caught:
            write_text(tmp_path, "text")
        assert caught.value.hints == (f"-o {shell_word(str(tmp_path / 'requirements.txt'))}",)
        assert list(tmp_path.iterdir()) == []

    @posix
    @pytest.mark.parametrize("name", ["a\0b", "x" * 300, "loop"])
    def test_impossible_names(self, name: str, tmp_path: Path) -> None:
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        with pytest.raises(OutputError, match=r"^cannot write `"):
            write_text(tmp_path / name, "text")

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
    def test_a_device_is_written_to_and_stays(self) -> None:
        with pytest.raises(OutputError, match="`/dev/full`: no space left on device"):
            write_text("/dev/full", "text")
        write_text("/dev/null", "text")
        assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)

    @posix
    def test_running_out_of_room_leaves_the_old_file(self, tmp_path: Path) -> None:
        path = tmp_path / "lock.txt"
        path.write_text("old")
        code = f"""
        import resource
        from cudalock.errors import OutputError
        from cudalock.cli.console import tell, write_text
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            write_text({str(path)!r}, "x" * 5000)
        except OutputError as error:
            tell(str(error))
        """
        done = run_python(code)
        assert done.stderr.decode() == f"cannot write `{path}`: file too large\n"
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]

    def test_an_interruption_leaves_the_old_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "lock.txt"
        path.write_text("old")

        def interrupted(descriptor: int) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_text(path, "new")
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_for_terminals(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    with progress() as advance:
        for done in (0, 50, 100):
            advance("a.whl", done, 100)
    assert ("a.whl" in stream.getvalue()) is terminal

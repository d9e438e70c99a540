"""Any terminal shows what a command prints, and a reader that stops early ends it quietly."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bertdata.errors import ConfigError, DataError
from bertdata.terminal import READER_GONE, CommandParser, exit_status

PRINT = """
import sys
from bertdata.terminal import run_command

def main():
    print({text})
    return 0

sys.exit(run_command(main))
"""


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", rb"caf\xe9 \u2026 \udcff"),
        ("latin-1", b"caf\xe9 \\u2026 \\udcff"),
        ("utf-8", "café … \\udcff".encode()),
    ],
)
def test_what_an_encoding_lacks_is_escaped(encoding: str, shown: bytes) -> None:
    done = _run(_program(r"'caf\xe9 \u2026 \udcff'"), PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert done.stdout == shown + b"\n"


def test_a_wrong_command_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    parser = CommandParser(prog="bake")
    parser.add_subparsers(required=True, dest="what").add_parser("bread").add_argument("--hot")
    for arguments, program in ((["cake"], "bake"), (["bread", "--hot"], "bake bread")):
        with pytest.raises(SystemExit) as stopped:
            parser.parse_args(arguments)
        assert stopped.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: argument ")
        assert line.endswith(f"; see {program} --help")


def test_finished_work_is_success_on_a_plain_terminal(small_config: Path, tmp_path: Path) -> None:
    config = tmp_path / "café.toml"
    config.write_text(small_config.read_text().replace('"books"', '"bücher"', 1))
    for module in ("flows", "bertdata.reference"):
        arguments = ["config", str(config)] if module == "flows" else ["--help"]
        done = _run(["-m", module, *arguments], PYTHONIOENCODING="ascii")
        assert done.returncode == 0, done.stderr
    done = _run(["-m", "flows", "config", str(config)], PYTHONIOENCODING="ascii")
    assert rb"b\xfccher" in done.stdout


@pytest.mark.parametrize("text", ["'x'", "'x' * 1_000_000"])
def test_a_reader_that_has_stopped_ends_a_command_quietly(text: str) -> None:
    done = _run_unread(_program(text))
    assert done == (READER_GONE, b"")


def test_help_and_configuration_end_quietly_without_a_reader() -> None:
    assert _run_unread(["-m", "flows", "config"]) == (READER_GONE, b"")
    status, error = _run_unread(["-m", "flows", "--help"])
    assert status in (0, READER_GONE)  # argparse itself overlooks some failed writes
    assert error == b""


def test_an_output_that_is_closed_is_not_an_error() -> None:
    command = f"exec {sys.executable} -m flows config >&-"
    done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def _program(text: str) -> list[str]:
    return ["-c", PRINT.format(text=text)]


def _run(arguments: list[str], **settings: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, env={**os.environ, **settings}, capture_output=True, check=False)


def _run_unread(arguments: list[str]) -> tuple[int, bytes]:
    """Run with a standard output that nobody reads; the exit status, and standard error."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        command = [sys.executable, *arguments]
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writer)
    return done.returncode, done.stderr


def test_wrong_usage_and_failed_work_have_their_own_exit_status() -> None:
    assert (exit_status(ConfigError("no such key")), exit_status(DataError("damaged"))) == (2, 1)

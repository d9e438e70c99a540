"""Completion as a shell does it, with the script that the command prints."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from flows.cli import main

CASES = [
    ("bertdata in", {"init", "inspect"}),
    ("bertdata inspect --s", {"--split", "--stats"}),
    ("bertdata inspect runs/x --split v", {"validation"}),
    ("bertdata finetune --task ta", {"tagging"}),
    ("bertdata run my.toml --set examples.max_s", {"examples.max_seq_length="}),
    ("bertdata completion z", {"zsh"}),
    ("bertdata run my", set()),  # readline completes file names
]
_COMPLETE = """
source "$1"
read -ra COMP_WORDS <<< "$2"
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_bertdata
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["completion", "bash"]) == 0
    path = tmp_path / "completion"
    path.write_text(capsys.readouterr().out)
    return path


@pytest.mark.parametrize(("line", "wanted"), CASES)
def test_bash(line: str, wanted: set[str], script: Path) -> None:
    command = ["bash", "-c", _COMPLETE, "bash", str(script), line]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == wanted
    assert done.stderr == ""


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "zsh"]) == 0
    (tmp_path / "completion").write_text(capsys.readouterr().out)
    command = ["zsh", "-c", "source completion; whence -w _bertdata"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == "_bertdata: function\n"

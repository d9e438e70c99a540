"""One process alone, and how several meet; what they train is in tests of whole runs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from bertdata.errors import ConfigError
from tests.process_tree import marked
from tests.sockets import LOOPBACK, find_inodes, find_ports
from trainer.ranks import is_first_rank, join_ranks, launcher, started_by_torchrun


def test_one_process_sums_itself() -> None:
    with join_ranks("cpu", 1) as ranks:
        assert (ranks.is_first, ranks.size) == (True, 1)
        assert ranks.sum([1, 2.5]) == [1, 2.5]
        assert ranks.text_from_first("a") == "a"
        values = torch.tensor([1.0])
        assert ranks.sum_tensor(values) is values


def test_processes_that_nobody_started_are_refused() -> None:
    with (
        pytest.raises(ConfigError, match="processes is 3, but 1 run; start 3 with torchrun"),
        join_ranks("cpu", 3),
    ):
        pass


def test_torchrun_is_known_by_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_first_rank()
    assert not started_by_torchrun()
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert started_by_torchrun()
    assert not is_first_rank()


_RANK = r"""
import os
import time
from trainer.ranks import join_ranks
with join_ranks("cpu", 2) as ranks:
    text = ranks.text_from_first("grün" if ranks.is_first else "")
    line = f"{ranks.rank} {text!a} {ranks.sum([1.0, 2.0])}\n"
    os.write(1, line.encode())  # at once: both write to one pipe
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for all sockets")
def test_ranks_meet_in_a_file_and_listen_on_loopback_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    arguments, own = launcher(2)
    (tmp_path / "rank.py").write_text(_RANK)
    environment, mark = marked({**os.environ, **own, "OMP_NUM_THREADS": "1"})
    with subprocess.Popen(
        [sys.executable, *arguments, str(tmp_path / "rank.py")],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        said = sorted(process.stdout.readline() for _ in range(2))
        ports = find_ports(find_inodes(mark))
        process.terminate()
        process.communicate(timeout=60)
    assert said == [f"{rank} 'gr\\xfcn' [2.0, 4.0]\n" for rank in range(2)]
    assert {address for address, _ in ports} <= {LOOPBACK}


def test_only_the_first_of_all_machines_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "8")
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert not is_first_rank()
    monkeypatch.setenv("RANK", "0")
    assert is_first_rank()

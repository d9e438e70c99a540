"""One process alone; several are in tests of whole runs."""

from __future__ import annotations

import pytest
import torch

from bertdata.errors import ConfigError
from trainer.ranks import is_first_rank, join_ranks, started_by_torchrun


def test_one_process_sums_itself() -> None:
    with join_ranks("cpu", 1) as ranks:
        assert (ranks.is_first, ranks.size) == (True, 1)
        assert ranks.sum([1, 2.5]) == [1, 2.5]
        assert ranks.from_first("a") == "a"
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

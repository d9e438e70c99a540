"""Which type of numbers a step multiplies in: the processor's own, never one that it imitates."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import torch

from bertdata.errors import ConfigError
from flows.config import DEMO_CONFIG, load_config
from tests.example_folder import write_folders
from trainer.device import compute_dtype, find_device
from trainer.pretraining.loop import train
from trainer.pretraining.resume import prepare
from trainer.pretraining.run import open_run
from trainer.ranks import Ranks

PRODUCTS = {"aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm", "aten::addmv", "aten::linear"}
HAS_BF16 = compute_dtype("auto") is torch.bfloat16


def count_products(tmp_path: Path, precision: str) -> Counter[str]:
    """The matrix products of one step of the demo's training, by the type of their numbers."""
    folders = write_folders(tmp_path)
    config = load_config(DEMO_CONFIG).train.replaced(precision=precision, checkpoint_every=0)
    (tmp_path / "model").mkdir()
    ranks = Ranks(device=torch.device("cpu"))
    run = open_run(
        folders.examples, folders.vocab, tmp_path / "model", config=config, seed=1, ranks=ranks
    )
    prepare(run, resume=False)
    profile = torch.profiler.profile(record_shapes=True)

    def profile_the_second_step() -> bool:
        if run.progress.steps == 1:
            profile.start()
        elif run.progress.steps == 2:
            profile.stop()
        return run.progress.steps == 2

    assert not train(run, profile_the_second_step)
    profile.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_bytes())["traceEvents"]
    return Counter(
        kind
        for event in events
        if event.get("name") in PRODUCTS
        for kind in set(event["args"]["Input type"]) & {"float", "c10::BFloat16"}
    )


def test_a_processor_without_bf16_multiplies_in_single_precision(tmp_path: Path) -> None:
    """As the demo has it ("auto") where this processor lacks bf16, else as such a one chooses."""
    counts = count_products(tmp_path, "fp32" if HAS_BF16 else "auto")
    assert counts["float"] > 50
    assert counts["c10::BFloat16"] == 0


@pytest.mark.skipif(not HAS_BF16, reason="this processor has no bf16 instructions")
def test_a_processor_with_bf16_uses_it(tmp_path: Path) -> None:
    counts = count_products(tmp_path, "auto")
    assert counts["c10::BFloat16"] > counts["float"]


def test_devices_that_this_machine_lacks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_device("").type == find_device("auto").type == "cpu"
    with pytest.raises(ConfigError, match="there is no device 'tpu'; try cpu or cuda"):
        find_device("tpu")
    with pytest.raises(ConfigError, match="torch sees no GPU"):
        find_device("cuda:1")

"""Whole runs of every kind: packed, in phases, by tokens and minutes, stopped early, by ranks."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from bertdata.config import Table
from bertdata.errors import BertdataError, ConfigError
from tests.example_folder import Folders, write_folders
from tests.trainer.test_pretrain import CONFIG, ROOT, digest, run, to_flags
from trainer.models.export import load_model
from trainer.optim.optimizers import Optimizers
from trainer.pretrain import main
from trainer.pretraining.checkpoint.file import open_content
from trainer.pretraining.checkpoint.folder import newest_checkpoint
from trainer.pretraining.config import TrainConfig
from trainer.pretraining.gradients import Gradients

PACKED = CONFIG.replaced(batch_tokens=120, accumulate=2, group_by_length=1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return write_folders(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def longer(folders: Folders, tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Examples of phase 2: the same vocabulary, up to 32 pieces."""
    return write_folders(tmp_path_factory.mktemp("longer"), length=32)


def metrics(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]


def steps_of(output: Path) -> list[dict[str, Any]]:
    return [line for line in metrics(output) if "mlm_loss" in line]


@pytest.mark.parametrize("kind", ["packed", "padded in parts", "phases", "tokens"])
def test_a_resumed_run_ends_with_the_same_bytes(
    folders: Folders, longer: Folders, tmp_path: Path, kind: str
) -> None:
    """Stopped within an epoch, gone on with another number of workers."""
    configs = {
        "packed": PACKED,
        "padded in parts": CONFIG.replaced(accumulate=3, dropout=0.3),
        "phases": PACKED.replaced(
            phase2_examples=str(longer.examples), phase2_fraction=0.4, schedule="cosine"
        ),
        "tokens": PACKED.replaced(tokens=1200, schedule="constant", optimizer="muon"),
    }
    config = configs[kind]
    whole = run(folders, tmp_path / "whole", config)
    assert run(folders, tmp_path / "resumed", config, stop_after=7) is None
    resumed = run(folders, tmp_path / "resumed", config.replaced(loader_workers=3))
    run(folders, tmp_path / "inline", config.replaced(loader_workers=0))
    assert whole == resumed
    assert digest(tmp_path / "whole") == digest(tmp_path / "resumed") == digest(tmp_path / "inline")


def test_phase_2_reads_the_other_examples(
    folders: Folders, longer: Folders, tmp_path: Path
) -> None:
    config = CONFIG.replaced(
        phase2_examples=str(longer.examples),
        phase2_fraction=0.25,
        phase2_batch_size=7,
        log_every=1,
        group_by_length=1,
    )
    assert run(folders, tmp_path, config) is not None
    tokens = [line["tokens"] for line in steps_of(tmp_path)]
    per_step = [after - before for before, after in zip([0, *tokens], tokens)]
    assert min(per_step[9:]) > max(per_step[:9])
    with pytest.raises(ConfigError, match=r"has 32 pieces, .* set max_positions to 32, or make"):
        run(folders, tmp_path / "short", config.replaced(max_positions=24))


def test_a_budget_of_tokens_is_used_and_not_much_more(folders: Folders, tmp_path: Path) -> None:
    results = run(folders, tmp_path, PACKED.replaced(tokens=1000, log_every=1))
    assert results is not None
    assert 1000 <= results.tokens < 1000 + 120
    rates = [line["learning_rate"] for line in steps_of(tmp_path)]
    assert rates[-1] < 0.15 * max(rates)


def test_a_budget_of_minutes_ends(folders: Folders, tmp_path: Path) -> None:
    results = run(folders, tmp_path, CONFIG.replaced(minutes=0.01, log_every=10_000))
    assert results is not None
    assert results.steps > 0
    (line,) = steps_of(tmp_path)
    assert line["step"] == results.steps
    assert line["seconds_left"] == 0


def test_a_run_that_gets_no_better_stops_early(folders: Folders, tmp_path: Path) -> None:
    config = CONFIG.replaced(learning_rate=1e-30, weight_decay=0.0, dropout=0.0)
    config = config.replaced(evaluate_every=2, early_stop_evaluations=2)
    results = run(folders, tmp_path, config)
    assert results is not None
    assert results.steps == 6
    assert results.exported_step == 2  # of equal losses, the first
    assert run(folders, tmp_path, config) == results


def overfits(**values: Any) -> TrainConfig:
    """A run whose validation loss rises again before it ends."""
    config = CONFIG.replaced(learning_rate=2e-2, dropout=0.0, steps=60, evaluate_every=5)
    return config.replaced(checkpoint_every=7, early_stop_evaluations=4, **values)


def evaluations_of(output: Path) -> dict[int, float]:
    key = "validation_mlm_loss"
    return {line["step"]: line[key] for line in metrics(output) if key in line}


@pytest.mark.parametrize("kind", ["padded", "packed"])
def test_a_run_that_stops_early_exports_its_best_evaluation(
    folders: Folders, tmp_path: Path, kind: str
) -> None:
    """Also where it was stopped and went on after the best step."""
    packed = {"batch_tokens": 120, "group_by_length": 1} if kind == "packed" else {}
    config = overfits(**packed)
    results = run(folders, tmp_path / "whole", config)
    assert results is not None
    losses = evaluations_of(tmp_path / "whole")
    best = min(losses, key=lambda step: losses[step])
    assert best < max(losses)
    assert results.exported_step == best
    assert results.steps == max(losses) == best + 4 * 5
    assert results.mlm_loss == pytest.approx(losses[best], rel=1e-9)
    assert run(folders, tmp_path / "resumed", config, stop_after=best + 3) is None
    assert run(folders, tmp_path / "resumed", config) == results
    assert digest(tmp_path / "resumed") == digest(tmp_path / "whole")


def test_evaluations_alone_change_nothing(folders: Folders, tmp_path: Path) -> None:
    """Without early stopping the last parameters are exported, however often it was evaluated."""
    config = overfits().replaced(early_stop_evaluations=0, steps=30)
    results = run(folders, tmp_path / "often", config)
    run(folders, tmp_path / "never", config.replaced(evaluate_every=0))
    assert results is not None
    assert results.exported_step == results.steps == 30
    assert digest(tmp_path / "often") == digest(tmp_path / "never")


def test_a_better_last_step_is_exported(folders: Folders, tmp_path: Path) -> None:
    """The last step counts too, though no evaluation was due there."""
    config = CONFIG.replaced(evaluate_every=5, early_stop_evaluations=9)
    results = run(folders, tmp_path, config)
    assert results is not None
    assert results.exported_step == results.steps == 12
    assert results.mlm_loss is not None
    assert results.mlm_loss < min(evaluations_of(tmp_path).values())


def test_stopping_early_needs_something_to_evaluate(tmp_path: Path) -> None:
    folders = write_folders(tmp_path, num_validation=0)
    config = CONFIG.replaced(evaluate_every=5, early_stop_evaluations=2)
    with pytest.raises(ConfigError, match=r"needs validation examples, and there are none; set it"):
        run(folders, tmp_path / "model", config)
    assert run(folders, tmp_path / "model", config.replaced(early_stop_evaluations=0)) is not None


def test_every_number_is_there(folders: Folders, tmp_path: Path, capsys: Any) -> None:
    run(folders, tmp_path, PACKED.replaced(peak_tflops=1e-3, evaluate_every=12))
    line = steps_of(tmp_path)[-1]
    assert line["step"] == 12
    assert line["loss"] == pytest.approx(line["mlm_loss"] + line["nsp_loss"])
    for name in ("mlm_accuracy", "nsp_accuracy", "data_wait_share", "padding_share"):
        assert 0 <= line[name] < 1, name
    for name in ("learning_rate", "gradient_norm", "tokens_per_second", "mfu", "memory_bytes"):
        assert line[name] > 0, name
    assert (line["skipped_steps"], line["seconds_left"]) == (0, 0)
    said = capsys.readouterr().out.splitlines()
    words = ("loss", "mlm acc", "nsp acc", "lr", "grad norm", "tokens/s", "mfu", "data wait")
    (shown,) = [text for text in said if text.startswith("step 12  loss")]
    assert all(word in shown for word in (*words, "padding", "memory", "skipped", "left"))
    assert any(text.startswith("step 12  validation mlm loss") for text in said)


def test_steps_that_are_not_finite_end_the_run_and_are_listed(
    folders: Folders, tmp_path: Path
) -> None:
    config = CONFIG.replaced(learning_rate=1e30, warmup_steps=0, weight_decay=0.0)
    config = config.replaced(max_skipped_steps=3, log_every=1, group_by_length=1)
    with pytest.raises(BertdataError, match=r"the loss is .* not finite 3 steps in a row"):
        run(folders, tmp_path, config)
    (path,) = tmp_path.glob("not-finite-step-*.json")
    table = json.loads(path.read_text())
    assert len(table["rows"]) == config.batches.batch_size
    documents = [row["document_id"] for row in folders.train]
    assert table["document_ids"] == [documents[row] for row in table["rows"]]
    assert steps_of(tmp_path)[-1]["skipped_steps"] == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"compile": "on"}, "needs the fixed shapes of batch_tokens"),
        ({"batch_size": 2, "accumulate": 3}, "batch_size 2 is less than its 3 micro-batches"),
        ({"processes": 2}, "processes is 2, but 1 run; start 2 with torchrun"),
        ({"device": "cuda"}, "torch sees no GPU"),
    ],
)
def test_what_cannot_be_run_is_refused(
    folders: Folders, tmp_path: Path, values: dict[str, Any], message: str
) -> None:
    if values.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(ConfigError, match=message):
        run(folders, tmp_path, CONFIG.replaced(**values))


def test_two_processes_take_the_same_steps_as_one(folders: Folders, tmp_path: Path) -> None:
    """Two ranks over gloo, started by torchrun, against one process that accumulates."""
    more = ("--dropout=0.2", "--evaluate_every=6", "--log_every=1")
    flags = [*to_flags(folders, tmp_path / "two"), *more, "--processes=2"]
    done = subprocess.run(
        [sys.executable, "-m", "trainer.pretrain", *flags],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    config = CONFIG.replaced(dropout=0.2, evaluate_every=6, log_every=1, accumulate=2)
    run(folders, tmp_path / "one", config)
    two, one = metrics(tmp_path / "two"), metrics(tmp_path / "one")
    assert [line["step"] for line in two] == [line["step"] for line in one]
    for ours, theirs in zip(two, one, strict=True):
        assert ours.keys() == theirs.keys()
        for name in {*ours} & {"loss", "gradient_norm", "tokens", "validation_mlm_loss"}:
            assert ours[name] == pytest.approx(theirs[name], rel=1e-5), name
    reached = [json.loads((tmp_path / n / "results.json").read_bytes()) for n in ("one", "two")]
    for name in ("mlm_loss_error", "unigram_loss", "below_unigram", "below_unigram_error"):
        assert reached[0][name] == pytest.approx(reached[1][name], rel=1e-4), name
    expected = load_model(tmp_path / "one").state_dict()
    for name, value in load_model(tmp_path / "two").state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-5)


def test_combinations_that_make_no_sense() -> None:
    for values, message in (
        ({"tokens": 5, "minutes": 1.0}, "choose one"),
        ({"tokens": 5, "warmup_steps": 3}, "use warmup_fraction"),
        ({"early_stop_evaluations": 2}, "needs evaluate_every"),
        ({"batch_tokens": 99, "output_candidates": 5}, "leave batch_tokens at 0"),
        ({"batch_tokens": 99, "accumulate": 2}, "must be a multiple of accumulate"),
    ):
        with pytest.raises(ConfigError, match=message):
            TrainConfig.of(**values)  # type: ignore[arg-type]


def break_steps(monkeypatch: pytest.MonkeyPatch, broken: Callable[[int], bool]) -> None:
    """Have the loss of some steps (from 1) not be a number."""
    accumulate = Gradients.accumulate

    def break_some(self: Gradients, step: int, *arguments: Any) -> Tensor:
        return accumulate(self, step, *arguments) * (math.nan if broken(step + 1) else 1.0)

    monkeypatch.setattr(Gradients, "accumulate", break_some)


def progress_of(output: Path) -> Table:
    path = newest_checkpoint(output / "checkpoints")
    assert path is not None
    with open_content(path) as content:
        return content.progress


def test_a_good_step_ends_a_row_of_skipped_ones(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_steps(monkeypatch, lambda step: step % 2 == 1)
    config = CONFIG.replaced(max_skipped_steps=2)
    assert run(folders, tmp_path / "odd", config) is not None
    odd = progress_of(tmp_path / "odd")
    assert (odd["steps"], odd["skipped"], odd["skipped_in_row"]) == (12, 6, 0)
    monkeypatch.undo()
    break_steps(monkeypatch, lambda step: step == 12)
    assert run(folders, tmp_path / "last", config.replaced(max_skipped_steps=1000)) is not None
    assert progress_of(tmp_path / "last")["skipped_in_row"] == 1


def test_a_row_of_skipped_steps_is_named_by_its_first(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_steps(monkeypatch, lambda step: step in (2, 3) or step >= 5)
    with pytest.raises(BertdataError) as raised:
        run(folders, tmp_path, CONFIG.replaced(max_skipped_steps=3))
    assert "at step 7, not finite 3 steps in a row, from step 5 on; lower" in str(raised.value)
    assert not (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize(("steps", "first"), [(5, 1), (12, 11), (1, 1)])
def test_a_run_that_ends_with_skipped_steps_has_failed(
    folders: Folders,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    steps: int,
    first: int,
) -> None:
    """Also if they are fewer than max_skipped_steps; and again if the command is."""
    break_steps(monkeypatch, lambda step: step >= first)
    for _ in range(2):
        assert main([*to_flags(folders, tmp_path), f"--steps={steps}"]) == 1
    for error in capsys.readouterr().err.splitlines():
        assert error == (
            f"error: the loss or the gradient norm is not finite from step {first} to the last, "
            f"{steps}; lower learning_rate, and choose another --output or delete {tmp_path}"
        )
    assert not (tmp_path / "model.safetensors").exists()


def test_parameters_that_are_not_finite_are_not_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last step breaks them, and no step and no evaluation follows that would notice."""
    update = Optimizers.step

    def step(self: Optimizers, *arguments: Any) -> float:
        for optimizer, _ in self._all if len(arguments) > 1 else ():
            optimizer.param_groups[0]["params"][0].data.fill_(math.inf)
        return update(self, *arguments)

    monkeypatch.setattr(Optimizers, "step", step)
    folders = write_folders(tmp_path / "data", num_validation=0)
    flags = to_flags(folders, tmp_path / "model")
    assert main([*flags, "--steps=1"]) == 1
    error = capsys.readouterr().err
    assert "is not finite after step 1" in error
    assert error.count("\n") == 1
    assert list((tmp_path / "model").glob("*.safetensors")) == []
    assert not (tmp_path / "model" / "checkpoints").exists()


def test_a_validation_loss_that_is_not_finite_ends_the_run(
    folders: Folders, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Parameters so large that their products are not finite, and no step that would notice."""
    flags = [*to_flags(folders, tmp_path), "--steps=1", "--warmup_steps=0"]
    assert main([*flags, "--learning_rate=1e30"]) == 1
    error = capsys.readouterr().err
    assert re.match(r"error: the validation mlm loss is not finite after step 1; lower", error)
    assert error.count("\n") == 1
    assert not (tmp_path / "model.safetensors").exists()


def test_phase_2_begins_at_the_first_of_its_examples(
    folders: Folders, longer: Folders, tmp_path: Path
) -> None:
    """Which batches it reads is known by what its steps count."""
    config = CONFIG.replaced(phase2_examples=str(longer.examples), phase2_fraction=0.25)
    run(folders, tmp_path, config)
    progress = progress_of(tmp_path)
    assert (progress["phase"], progress["position"]) == (2, 3 * 4)
    resumed = tmp_path / "resumed"
    assert run(folders, resumed, config, stop_after=9) is None
    assert (progress_of(resumed)["phase"], progress_of(resumed)["position"]) == (1, 9 * 4)
    run(folders, resumed, config)
    assert {**progress_of(resumed), "seconds": 0} == {**progress, "seconds": 0}
    assert digest(resumed) == digest(tmp_path)

"""Whole runs: same bytes, exact resumption, refusals, the command."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from bertdata.errors import BertdataError, ConfigError, DataError
from bertdata.storage.files import exists, list_files, read_bytes
from bertdata.storage.locations import Address, Location, locate
from bertdata.storage.locks import hold
from bertdata.storage.manifest import make_manifest, write_manifest
from bertdata.storage.shards import describe_file
from bertdata.storage.writing import atomic_file
from tests import closing_storage
from tests.copies import copy_folder, write_bytes
from tests.example_folder import Folders, write_folders
from tests.process_tree import wait_for_handler
from trainer.models.export import load_model
from trainer.pretrain import _Stop, _stop_on_signal, main, pretrain
from trainer.pretraining.checkpoint.file import open_content, write_content
from trainer.pretraining.checkpoint.folder import newest_checkpoint
from trainer.pretraining.config import TrainConfig
from trainer.pretraining.results import Results

ROOT = Path(__file__).resolve().parents[2]
CONFIG = TrainConfig.of(
    num_layers=1,
    hidden_size=16,
    num_heads=2,
    max_positions=32,
    steps=12,
    batch_size=4,
    group_by_length=2,
    checkpoint_every=4,
    log_every=3,
    device="cpu",  # where equal runs end with equal bytes
    threads=1,
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return write_folders(tmp_path_factory.mktemp("data"))


@dataclass(frozen=True)
class RemoteFolders:
    """Copies of `examples/` and `vocab/` at an address."""

    examples: Address
    vocab: Address


def copy_folders(folders: Folders, target: Address) -> RemoteFolders:
    copy_folder(folders.examples, target / "examples")
    copy_folder(folders.vocab, target / "vocab")
    return RemoteFolders(target / "examples", target / "vocab")


def run(
    folders: Folders | RemoteFolders,
    output: Location,
    config: TrainConfig = CONFIG,
    stop_after: int = 0,
) -> Results | None:
    """Train; with `stop_after`, ask to stop once that many steps are done."""
    calls = iter(range(10**9))
    return pretrain(
        examples=folders.examples,
        vocab=folders.vocab,
        output=output,
        config=config,
        seed=3,
        should_stop=lambda: next(calls) == stop_after if stop_after else False,
    )


def digest(output: Location) -> str:
    return hashlib.sha256(read_bytes(output / "model.safetensors")).hexdigest()


def losses(output: Location) -> list[tuple[int, float]]:
    lines = [json.loads(line) for line in read_bytes(output / "metrics.jsonl").splitlines()]
    return [(line["step"], line["mlm_loss"]) for line in lines if "mlm_loss" in line]


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_two_runs_and_a_resumed_one_give_the_same_bytes(
    folders: Folders, tmp_path: Path, optimizer: str, precision: str
) -> None:
    config = CONFIG.replaced(optimizer=optimizer, precision=precision)
    if optimizer == "muon":
        config = config.replaced(token_init="cooccurrence", output_candidates=20)
    whole = run(folders, tmp_path / "whole", config)
    run(folders, tmp_path / "again", config)
    assert run(folders, tmp_path / "resumed", config, stop_after=7) is None
    assert not (tmp_path / "resumed" / "model.safetensors").exists()
    resumed = run(folders, tmp_path / "resumed", config)
    assert digest(tmp_path / "whole") == digest(tmp_path / "again") == digest(tmp_path / "resumed")
    assert whole == resumed
    assert whole is not None
    assert whole.steps == 12
    # A line that means over steps of both parts covers the later part only.
    assert [step for step, _ in losses(tmp_path / "resumed")] == [3, 6, 9, 12]
    assert losses(tmp_path / "resumed")[-1] == losses(tmp_path / "whole")[-1]


def test_finished_runs_are_not_trained_again(folders: Folders, tmp_path: Path) -> None:
    first = run(folders, tmp_path)
    before = digest(tmp_path)
    assert run(folders, tmp_path) == first
    assert digest(tmp_path) == before


def test_results_say_what_was_reached(folders: Folders, tmp_path: Path) -> None:
    results = run(folders, tmp_path, CONFIG.replaced(evaluate_every=6))
    assert results is not None
    table = json.loads((tmp_path / "results.json").read_text())
    assert table == {name: getattr(results, name) for name in table}
    assert results.unigram_loss is not None
    assert 2 < results.unigram_loss < 4
    assert results.mlm_loss is not None
    assert results.below_unigram == pytest.approx(results.unigram_loss - results.mlm_loss)
    assert results.exported_step == results.steps
    assert results.parameters == sum(p.numel() for p in load_model(tmp_path).parameters())
    timing = json.loads((tmp_path / "timing.json").read_text())
    assert set(timing) == {"prepare", "train", "evaluate_and_export", "longest_checkpoint_wait"}
    metrics = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    evaluations = [line for line in metrics if "validation_mlm_loss" in line]
    assert [line["step"] for line in evaluations] == [6, 12]
    assert evaluations[-1]["validation_mlm_loss"] == results.mlm_loss


def test_few_validation_pieces_are_said_to_be_few(
    folders: Folders, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = run(folders, tmp_path, CONFIG.replaced(steps=1))
    assert results is not None
    assert not results.is_reliable
    pieces = sum(len(row["masked_lm_ids"]) for row in folders.validation)
    expected = f"mean much ({pieces} of 9 documents); raise [examples] validation_fraction"
    assert expected in capsys.readouterr().out


def test_one_batch_is_learnt_by_heart(tmp_path: Path) -> None:
    folders = write_folders(tmp_path, num_train=8, num_validation=0)
    config = CONFIG.replaced(
        hidden_size=64, steps=300, batch_size=8, learning_rate=5e-3, dropout=0.0
    )
    config = config.replaced(group_by_length=1, checkpoint_every=0, log_every=10)
    results = run(folders, tmp_path / "model", config)
    assert results is not None
    assert (results.mlm_loss, results.unigram_loss, results.below_unigram) == (None, None, None)
    assert losses(tmp_path / "model")[-1][1] < 0.05


def test_without_pairs_there_is_no_next_sentence_figure(tmp_path: Path) -> None:
    folders = write_folders(tmp_path, config={"next_sentence": False})
    results = run(folders, tmp_path / "model")
    assert results is not None
    assert results.nsp_accuracy is None


def test_named_starts(folders: Folders, tmp_path: Path) -> None:
    named = {"token_init": "cooccurrence", "position_init": "sinusoidal"}
    config = CONFIG.replaced(**named, output_bias_init="unigram", steps=1)  # type: ignore[arg-type]
    run(folders, tmp_path / "first", config)
    continued = CONFIG.replaced(init_from=str(tmp_path / "first"), steps=1, learning_rate=1e-12)
    run(folders, tmp_path / "second", continued)
    first, second = load_model(tmp_path / "first"), load_model(tmp_path / "second")
    assert first.output_bias.max() < -0.5
    for ours, theirs in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-9)


def test_a_start_with_another_vocabulary_is_refused(folders: Folders, tmp_path: Path) -> None:
    run(folders, tmp_path / "first", CONFIG.replaced(steps=1))
    other = write_folders(tmp_path / "other", vocabulary_size=60)
    with pytest.raises(ConfigError, match="init_from has 50 pieces, the vocabulary 60"):
        run(other, tmp_path / "second", CONFIG.replaced(init_from=str(tmp_path / "first")))


def test_another_configuration_is_refused(folders: Folders, tmp_path: Path) -> None:
    run(folders, tmp_path, stop_after=2)
    with pytest.raises(ConfigError, match=r"holds a run with learning_rate = 0\.001, not 0\.5"):
        run(folders, tmp_path, CONFIG.replaced(learning_rate=0.5))
    assert run(folders, tmp_path, CONFIG.replaced(log_every=1, checkpoint_every=2)) is not None
    assert main([*to_flags(folders, tmp_path), "--no-resume", "--learning_rate=0.5"]) == 0


def test_a_refused_configuration_follows_the_advice(folders: Folders, tmp_path: Path) -> None:
    """Both ways out of the message work, for whatever command started the training."""
    run(folders, tmp_path / "model", stop_after=2)
    other = CONFIG.replaced(learning_rate=0.5)
    way_out = "choose another --output, or delete that folder to train again"
    with pytest.raises(ConfigError, match=way_out):
        run(folders, tmp_path / "model", other)
    assert run(folders, tmp_path / "another", other) is not None
    shutil.rmtree(tmp_path / "model")
    assert run(folders, tmp_path / "model", other) is not None
    assert digest(tmp_path / "model") == digest(tmp_path / "another")


def test_before_the_first_checkpoint_nothing_is_lost(folders: Folders, tmp_path: Path) -> None:
    """A run that ended for want of memory may go on with a smaller batch, as it is told to."""
    assert run(folders, tmp_path, CONFIG.replaced(accumulate=2), stop_after=1) is None
    shutil.rmtree(tmp_path / "checkpoints")
    assert run(folders, tmp_path, CONFIG.replaced(accumulate=4)) is not None


def test_a_model_of_another_origin_is_not_written_over(folders: Folders, tmp_path: Path) -> None:
    run(folders, tmp_path / "first", CONFIG.replaced(steps=1))
    (tmp_path / "first" / "run.json").unlink()
    before = digest(tmp_path / "first")
    with pytest.raises(ConfigError, match="holds a model that was not trained there; choose"):
        run(folders, tmp_path / "first")
    assert digest(tmp_path / "first") == before


def test_a_damaged_vocabulary_is_named(tmp_path: Path) -> None:
    folders = write_folders(tmp_path)
    path = folders.vocab / "vocab.txt"
    shard = describe_file(path, rows=folders.vocabulary.size)
    manifest = make_manifest("vocab", config={}, inputs={}, counts={}, shards=[shard])
    write_manifest(folders.vocab, manifest)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:-2], lines[-1], lines[-2]]) + "\n")
    with pytest.raises(DataError, match=r"vocab\.txt: sha256 .* run bertdata vocab CONFIG\.toml"):
        run(folders, tmp_path / "model")


def test_a_damaged_checkpoint_is_refused(folders: Folders, tmp_path: Path) -> None:
    run(folders, tmp_path, stop_after=5)
    path = newest_checkpoint(tmp_path / "checkpoints")
    assert path is not None
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(DataError, match=r"step-00000005\.safetensors is damaged"):
        run(folders, tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(DataError, match=r"run\.json is damaged"):
        run(folders, tmp_path)


def test_a_checkpoint_of_another_run_is_refused(folders: Folders, tmp_path: Path) -> None:
    """Put where run.json says nothing of it, or another thing."""
    run(folders, tmp_path / "other", CONFIG.replaced(learning_rate=0.5), stop_after=5)
    run(folders, tmp_path / "own", stop_after=4)
    name = "checkpoints/step-00000005.safetensors"
    shutil.copy(tmp_path / "other" / name, tmp_path / "own" / name)
    refused = r"00005\.safetensors is of another run: it has learning_rate = 0\.5, this run 0\.001"
    for _ in range(2):
        with pytest.raises(DataError, match=refused):
            run(folders, tmp_path / "own")
        described = tmp_path / "own" / "run.json"
        described.unlink(missing_ok=True)
    assert not described.exists()  # nor is it then said to be of this run
    (tmp_path / "own" / name).unlink()
    assert run(folders, tmp_path / "own") is not None
    assert run(folders, tmp_path / "whole") is not None
    assert digest(tmp_path / "own") == digest(tmp_path / "whole")


def test_a_checkpoint_of_other_examples_is_refused(folders: Folders, tmp_path: Path) -> None:
    run(folders, tmp_path / "model", stop_after=5)
    (tmp_path / "model" / "run.json").unlink()
    with pytest.raises(DataError, match="is of another run: it has examples = "):
        run(write_folders(tmp_path, num_train=36), tmp_path / "model")
    with pytest.raises(DataError, match="is of another run: it has seed = 3, this run 99"):
        pretrain(
            examples=folders.examples,
            vocab=folders.vocab,
            output=tmp_path / "model",
            config=CONFIG,
            seed=99,
        )


def test_a_checkpoint_of_a_longer_run_is_not_a_finished_one(
    folders: Folders, tmp_path: Path
) -> None:
    """Whoever changes a checkpoint, checksum and all, does not finish a run with it."""
    run(folders, tmp_path, stop_after=5)
    path = newest_checkpoint(tmp_path / "checkpoints")
    assert isinstance(path, Path)
    with open_content(path) as found:
        for values in ({"steps": 10**30}, {"steps": 12}, {"phase": 2}, {"tokens": 10**9}):
            changed = replace(found, progress={**found.progress, **values})
            with atomic_file(path) as temporary:
                write_content(temporary, changed)
            with pytest.raises(DataError, match="is damaged"):
                run(folders, tmp_path)


@pytest.mark.parametrize("text", ["{", "[1]", "7", "null", "[" * 100_000])
def test_a_damaged_description_is_refused(folders: Folders, tmp_path: Path, text: str) -> None:
    run(folders, tmp_path, CONFIG.replaced(steps=1))
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(DataError, match=r"run\.json is damaged; delete"):
        run(folders, tmp_path, CONFIG.replaced(steps=1))


def test_only_the_newest_checkpoints_are_kept(folders: Folders, tmp_path: Path) -> None:
    run(folders, tmp_path, CONFIG.replaced(checkpoint_every=1, keep_checkpoints=3))
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == [f"step-000000{number}.safetensors" for number in (10, 11, 12)]


def test_a_loss_that_is_not_finite_ends_the_run(folders: Folders, tmp_path: Path) -> None:
    run(folders, tmp_path / "first", CONFIG.replaced(steps=1))
    config = CONFIG.replaced(learning_rate=1e30, warmup_steps=0, weight_decay=0.0)
    with pytest.raises(BertdataError, match=r"the loss is .* lower learning_rate"):
        run(folders, tmp_path / "second", config)


def to_flags(folders: Folders | RemoteFolders, output: Location) -> list[str]:
    flags = [f"--examples={folders.examples}", f"--vocab={folders.vocab}", f"--output={output}"]
    return [
        *flags,
        "--seed=3",
        "--num-layers=1",
        "--hidden_size=16",
        "--num_heads=2",
        "--max_positions=32",
        "--steps=12",
        "--batch_size=4",
        "--group_by_length=2",
        "--log_every=3",
        "--device=cpu",
        "--threads=1",
    ]


def start_command(
    folders: Folders | RemoteFolders, output: Location, *more: str
) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "trainer.pretrain", *to_flags(folders, output), *more]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


def wait_for_checkpoint(output: Location, process: subprocess.Popen[str]) -> None:
    """The process takes its first step, and logs it, before there is anything to look for."""
    assert process.stdout is not None
    process.stdout.readline()
    deadline = time.monotonic() + 120
    while newest_checkpoint(output / "checkpoints") is None:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def kill_during_a_save(output: Path, process: subprocess.Popen[str]) -> None:
    """Kill it when half of a checkpoint is there."""
    while not any(path.suffix == ".tmp" for path in (output / "checkpoints").iterdir()):
        assert process.poll() is None, process.communicate()[1]
    process.kill()


def test_killed_and_terminated_runs_end_with_the_same_bytes(
    folders: Folders, tmp_path: Path
) -> None:
    long = ("--steps=120", "--checkpoint_every=1", "--log_every=1")
    config = CONFIG.replaced(steps=120, checkpoint_every=0, log_every=50)
    run(folders, tmp_path / "whole", config)
    output = tmp_path / "killed"
    with start_command(folders, output, *long) as process:
        wait_for_checkpoint(output, process)
        kill_during_a_save(output, process)
    assert process.returncode == -signal.SIGKILL
    with start_command(folders, output, *long, "--loader_workers=3") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        _, errors = process.communicate()
    assert process.returncode == 143
    assert "the same command resumes from there" in errors
    assert not (output / "model.safetensors").exists()
    run(folders, output, config)
    assert digest(output) == digest(tmp_path / "whole")


def fail_after_a_signal(stop: _Stop) -> None:
    with _stop_on_signal(stop):
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            raise OSError(errno.EBADF, "Bad file descriptor")


def test_an_error_that_a_signal_led_to_is_that_signal() -> None:
    stop = _Stop()
    with pytest.raises(KeyboardInterrupt):
        fail_after_a_signal(stop)
    assert stop.status == 143


def test_an_error_between_steps_is_not_the_signal() -> None:
    """Which is answered after the step."""
    stop = _Stop()
    assert not stop.is_asked()
    with pytest.raises(OSError, match="Bad file descriptor"):
        fail_after_a_signal(stop)


@pytest.mark.usefixtures("untraced")
def test_a_signal_before_the_first_step_ends_at_once(folders: Folders, tmp_path: Path) -> None:
    with start_command(folders, tmp_path) as process:
        wait_for_handler(process, signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert errors.startswith("stopped")
    assert errors.count("\n") == 1
    assert process.returncode == 130
    run(folders, tmp_path)


def test_a_second_training_in_one_folder_is_refused(folders: Folders, tmp_path: Path) -> None:
    with hold(tmp_path), pytest.raises(BertdataError, match="another run is writing to"):
        run(folders, tmp_path)


def test_the_command_says_errors_in_one_line(
    folders: Folders, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = to_flags(folders, tmp_path)
    assert main([*flags, "--dropout=2"]) == 2
    assert main([*flags, f"--examples={tmp_path}"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("error: dropout must be from 0 to 1")
    assert "is not complete" in lines[1]
    assert len(lines) == 2


@pytest.mark.parametrize("packed", [False, True])
def test_examples_at_an_address_end_with_the_same_bytes(
    folders: Folders, tmp_path: Path, s3: Address, packed: bool
) -> None:
    config = CONFIG.replaced(batch_tokens=128) if packed else CONFIG
    local = run(folders, tmp_path / "local", config)
    assert run(copy_folders(folders, s3), tmp_path / "remote", config) == local
    assert digest(tmp_path / "remote") == digest(tmp_path / "local")
    assert (tmp_path / "remote" / "tensorboard").is_dir()


def test_a_run_at_an_address_ends_with_the_same_bytes(
    folders: Folders, tmp_path: Path, s3: Address
) -> None:
    """All of it there: phase 2, the model to start from, what is written; stopped in the middle."""
    remote = copy_folders(folders, s3)
    run(folders, tmp_path / "start", CONFIG.replaced(steps=1))
    copy_folder(tmp_path / "start", s3 / "start")
    results = []
    for given, output in ((folders, tmp_path), (remote, s3)):
        config = CONFIG.replaced(
            init_from=str(output / "start"),
            phase2_examples=str(given.examples),
            phase2_fraction=0.5,
            evaluate_every=6,
            checkpoint_every=1,
        )
        assert run(given, output / "model", config, stop_after=7) is None
        assert not exists(output / "model" / "model.safetensors")
        results.append(run(given, output / "model", config))
    assert results[0] == results[1] is not None
    assert digest(s3 / "model") == digest(tmp_path / "model")
    assert losses(s3 / "model") == losses(tmp_path / "model")
    local = {found.path for found in list_files(tmp_path / "model", recursive=True)}
    names = {found.path for found in list_files(s3 / "model", recursive=True, with_temporary=True)}
    assert names == {name for name in local if not name.startswith("tensorboard/")}
    assert {name for name in names if "/" in name} == {
        f"checkpoints/step-000000{number}.safetensors" for number in (11, 12)
    }
    for name in ("vocab.txt", "tokenizer_config.json", "config.json"):
        assert read_bytes(s3 / "model" / name) == read_bytes(tmp_path / "model" / name)


def test_a_killed_run_at_an_address_ends_with_the_same_bytes(
    folders: Folders, tmp_path: Path, s3: Address, capsys: pytest.CaptureFixture[str]
) -> None:
    remote, steps = copy_folders(folders, s3), "--steps=40"
    config = CONFIG.replaced(steps=40, checkpoint_every=0)
    run(folders, tmp_path, config)
    with start_command(
        remote, s3 / "model", steps, "--checkpoint_every=1", "--log_every=1"
    ) as process:
        wait_for_checkpoint(s3 / "model", process)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not exists(s3 / "model" / "model.safetensors")
    assert main([*to_flags(remote, s3 / "model"), steps, "--checkpoint_every=0"]) == 0
    assert capsys.readouterr().err == ""
    assert digest(s3 / "model") == digest(tmp_path)
    assert losses(s3 / "model")[-1] == losses(tmp_path)[-1]


def test_what_is_wrong_at_an_address_is_said_in_one_line(
    folders: Folders, s3: Address, capsys: pytest.CaptureFixture[str]
) -> None:
    remote = copy_folders(folders, s3)
    run(remote, s3 / "model", stop_after=5)
    path = newest_checkpoint(s3 / "model" / "checkpoints")
    assert path is not None
    write_bytes(path, read_bytes(path)[:-500])
    flags = to_flags(remote, s3 / "model")
    assert main([*flags, "--checkpoint_every=4"]) == 1
    assert main([*flags, "--learning_rate=0.5"]) == 2
    assert main([*flags, "--output=s3://no-such-bucket/model"]) == 1
    assert main([*flags, f"--examples={s3}/none"]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert errors[0].startswith(f"error: {path} is damaged (")
    assert errors[1].startswith(f"error: {s3}/model holds a run with learning_rate = 0.001, not")
    assert errors[2].startswith("error: cannot write s3://no-such-bucket/model/run.json: ")
    assert errors[3].startswith(f"error: {s3}/none is not complete: it has no manifest.json; ")
    assert len(errors) == 4
    assert main([*flags, "--checkpoint_every=4", "--no-resume"]) == 0


def test_a_storage_that_publishes_at_close_serves_too(folders: Folders, tmp_path: Path) -> None:
    closing_storage.register()
    address = locate(f"closing://{tmp_path}/remote")
    assert isinstance(address, Address)
    remote = copy_folders(folders, address)
    assert run(remote, address / "model", stop_after=7) is None
    assert run(remote, address / "model") == run(folders, tmp_path / "local")
    assert digest(address / "model") == digest(tmp_path / "local")
    assert losses(address / "model")[-1] == losses(tmp_path / "local")[-1]

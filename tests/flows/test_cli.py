"""The commands as users type them, on a real small run with a real Prefect server."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bertdata.storage.files import exists, list_files, read_bytes
from bertdata.storage.locations import Address
from bertdata.storage.manifest import read_manifest
from flows.cli import main
from flows.processes.signals import MESSAGE
from tests.copies import copy_folder, write_bytes
from tests.flows.terminal.test_live import frames
from tests.flows.terminal.test_styled import on_terminal
from tests.process_tree import marked, wait_until_gone
from tests.trainer.task_files import make_texts, write_model, write_tsv

STAGES = ("sentences", "vocab", "examples", "model")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def finished(
    prefect_server: dict[str, str], small_config: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The output of `bertdata run`, its jobs and its training in processes of their own."""
    output = tmp_path_factory.mktemp("finished") / "run"
    assert main(["run", str(small_config), "--output", str(output)]) == 0
    return output


def content(output: Path) -> dict[str, str]:
    return {stage: read_manifest(output / stage).content_sha256 for stage in STAGES}


def test_a_run_makes_all_stages_and_the_report(finished: Path) -> None:
    assert {path.name for path in finished.iterdir()} == {*STAGES, "report.html"}
    assert (finished / "model" / "metrics.jsonl").stat().st_size > 0


def test_a_second_run_skips_what_is_complete(
    finished: Path, small_config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(finished)
    assert main(["run", str(small_config), "--output", str(finished)]) == 0
    shown = capsys.readouterr().out
    assert all(f"{stage}: already complete" in shown for stage in STAGES)
    assert content(finished) == before


@pytest.mark.usefixtures("trainer_in_process")
def test_stage_by_stage_with_two_workers_gives_the_same(
    finished: Path, small_config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "run"
    common = [str(small_config), "--output", str(output), "--set", "runner.workers=2"]
    assert main(["vocab", *common]) == 1
    assert "first: bertdata sentences CONFIG.toml" in capsys.readouterr().err
    assert main(["train", *common]) == 1
    assert "first: bertdata examples CONFIG.toml" in capsys.readouterr().err
    for stage in ("sentences", "vocab", "examples", "train"):
        assert main([stage, *common]) == 0
    assert content(output) == content(finished)


@pytest.mark.usefixtures("jobs_in_process", "trainer_in_process", "prefect_server")
def test_in_a_pipe_every_stage_has_a_line_at_its_start_and_end(
    small_config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "run"
    assert main(["run", str(small_config), "--output", str(output)]) == 0
    lines = capsys.readouterr().out.splitlines()
    places = [
        next(n for n, line in enumerate(lines) if line.startswith(f"{stage}: {what}"))
        for stage in STAGES
        for what in ("started", "done in ")
    ]
    assert places == sorted(places)
    assert "model: started, 6 steps" in lines
    titles = [line.split()[0] for line in lines if line and line[0] != " "]
    end = ["vocabulary", "examples", "model", "time", "files", "next"]
    assert titles[-len(end) :] == end
    (time,) = [line for line in lines if line.startswith("time ")]
    assert all(f"{stage} " in time for stage in STAGES)


@pytest.mark.usefixtures("jobs_in_process", "trainer_in_process", "prefect_server")
def test_json_and_quiet(
    small_config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], finished: Path
) -> None:
    output = tmp_path / "run"
    common = ["run", str(small_config), "--output", str(output)]
    assert main([*common, "--json"]) == 0
    printed = list(map(json.loads, capsys.readouterr().out.splitlines()))
    for event in ("stage_started", "stage_finished"):
        assert [table["stage"] for table in printed if table["event"] == event] == [*STAGES]
    hashes = {
        table["stage"]: table["content_sha256"]
        for table in printed
        if table["event"] == "stage_finished"
    }
    assert hashes == content(finished)
    assert printed[-1].keys() == {"event", "output", "seconds"}
    assert main([*common, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    with pytest.raises(SystemExit):
        main([*common, "--quiet", "--json"])


def test_a_live_line_on_a_terminal(
    prefect_server: dict[str, str], small_config: Path, tmp_path: Path
) -> None:
    arguments = ["sentences", str(small_config), f"--output={tmp_path / 'run'}"]
    printed = on_terminal(
        f"import sys; sys.argv[1:] = {arguments!r}; from flows.start import main; main()",
        **prefect_server,
    )
    found = frames(printed)
    assert found[0].startswith("starting ━")
    assert any(line.startswith("sentences ━") for line in found)
    (done,) = [line for line in found if line.startswith("sentences: done in ")]
    assert found.index(done) < found.index(f"sentences: done, in {tmp_path / 'run'}")
    assert found[-1] == f"next        bertdata vocab {small_config} --output {tmp_path / 'run'}"


def test_another_configuration_is_refused(
    finished: Path, small_config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = [str(small_config), "--output", str(finished)]
    assert main(["run", *common, "--set", "examples.max_seq_length=64"]) == 2
    error = capsys.readouterr().err
    assert "examples.max_seq_length was 32, now 64" in error
    assert error.count("\n") == 1
    assert main(["run", *common, "--set", "train.steps=7"]) == 2
    assert "train.steps was 6, now 7" in capsys.readouterr().err


def test_the_run_is_seen_in_prefect(finished: Path) -> None:
    from prefect.client.orchestration import get_client

    async def look() -> tuple[list[str], dict[str, str]]:
        async with get_client() as client:
            flows = await client.read_flow_runs()
            tasks = await client.read_task_runs()
            states = {task.name: task.state_name or "" for task in tasks}
            return [flow.name for flow in flows], states

    flows, tasks = asyncio.run(look())
    assert any(name.startswith("books (") for name in flows)
    assert {
        "Split corpora into sentences",
        "Train the vocabulary",
        "Make MLM and NSP examples",
        "Pre-train BERT",
        "Write the report",
    } <= set(tasks)


def test_a_crashed_job_is_tried_again(
    prefect_server: dict[str, str],
    small_config: Path,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from flows import stages
    from flows.processes.jobs import run_job

    calls: list[str] = []

    def kill_the_first(function: str, arguments: tuple[Any, ...], *others: Any) -> Any:
        calls.append(function)
        if len(calls) == 1:
            return run_job("tests.flows.some_jobs:die", (signal.SIGKILL,), *others)
        return run_job(function, arguments, *others)

    monkeypatch.setattr(stages, "run_job", kill_the_first)
    assert main(["sentences", str(small_config), "--output", str(tmp_path)]) == 0
    assert calls == ["pipelines.run:run_stage"] * 2
    found = read_manifest(tmp_path / "sentences").content_sha256
    assert found == content(finished)["sentences"]


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize(
    ("number", "status", "said"),
    [
        (signal.SIGKILL, -signal.SIGKILL, ""),
        (signal.SIGTERM, 143, f"{MESSAGE}\n"),
        (signal.SIGINT, 130, f"{MESSAGE}\n"),
    ],
)
def test_a_run_that_is_ended_leaves_nothing_that_holds_its_pipes(
    number: signal.Signals, status: int, said: str, small_config: Path, tmp_path: Path
) -> None:
    """Neither a server nor a job; nor their files, if it may end itself."""
    output, temporary = tmp_path / "run", tmp_path / "tmp"
    temporary.mkdir()
    environment, mark = marked({**os.environ, "TMPDIR": str(temporary)})
    command = [sys.executable, "-m", "flows", "run", str(small_config), "--output", str(output)]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        while process.poll() is None and not (output / "sentences" / ".progress").exists():
            time.sleep(0.02)
        process.send_signal(number)
        _, error = process.communicate(timeout=30)
    assert (process.returncode, error) == (status, said)
    assert wait_until_gone(mark, 2) == []
    if number != signal.SIGKILL:
        assert list(temporary.iterdir()) == []


@pytest.mark.usefixtures("jobs_in_process")
def test_verify_finds_a_flipped_byte(
    finished: Path, small_config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(finished)]) == 0
    assert ": OK\n" in capsys.readouterr().out
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    shard = copy / "examples" / "train-00001-of-00003.arrow"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    assert main(["verify", str(copy)]) == 1
    shown = capsys.readouterr().out
    assert "train-00001-of-00003.arrow" in shown
    advice = "1 problem found; delete the damaged files or their stage's folder, then run again"
    assert shown.endswith(f": {advice}\n")
    shard.unlink()  # that advice, followed
    assert main(["run", str(small_config), "--output", str(copy)]) == 0
    assert main(["verify", str(copy)]) == 0


def test_inspect_report_and_config_show_the_run(
    finished: Path, small_config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(finished), "--rows", "2"]) == 0
    assert "book-" in capsys.readouterr().out
    assert main(["inspect", str(finished), "--stats"]) == 0
    assert "%" in capsys.readouterr().out
    document = ["--document", "book-01.txt", "--config", str(small_config)]
    assert main(["inspect", str(finished), *document]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("books: book-01.txt\nraw          ")
    assert "\nexamples     " in shown
    assert main(["report", str(finished)]) == 0
    assert capsys.readouterr().out.strip() == str(finished / "report.html")
    assert main(["config", str(small_config), "--set", "seed=8"]) == 0
    assert "seed = 8\n" in capsys.readouterr().out
    assert main(["config"]) == 0
    assert "max_predictions_per_seq = 20" in capsys.readouterr().out


def test_diff_of_a_run_and_its_copy(
    finished: Path, tmp_path: Path, s3: Address, capsys: pytest.CaptureFixture[str]
) -> None:
    copy_folder(finished, s3)
    assert main(["diff", str(finished), str(s3)]) == 0
    assert capsys.readouterr().out.endswith("\nthe data are the same\n")
    (tmp_path / "vocab").mkdir()
    shutil.copy(finished / "vocab" / "manifest.json", tmp_path / "vocab")
    assert main(["diff", str(finished), str(tmp_path)]) == 1
    assert capsys.readouterr().out.endswith("\nthe data differ: sentences, examples\n")
    assert main(["diff", str(finished), str(tmp_path / "none")]) == 1
    assert "holds no finished stage" in capsys.readouterr().err


@pytest.mark.usefixtures("trainer_in_process")
def test_fill_mask_uses_the_newest_model(
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["fill-mask", "the [MASK] city"]) == 2
    assert "no trained model below runs/" in capfd.readouterr().err
    Path("runs").mkdir()
    Path("runs/small").symlink_to(finished)
    assert main(["fill-mask", "the [MASK] city", "--top", "3"]) == 0
    assert len(capfd.readouterr().out.strip().splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["run", "none.toml"], 2, "cannot read configuration none.toml"),
        (["verify", "none"], 1, ""),
        (["inspect", "none"], 1, ""),
        (["report", "none"], 1, ""),
        (["config", "none.toml"], 2, "cannot read configuration"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == status
    shown = capsys.readouterr()
    assert message in shown.err
    assert (shown.err + shown.out).count("\n") <= 2


def test_finetune_runs_in_a_process_of_its_own(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    model = write_model(tmp_path)
    train = write_tsv(tmp_path / "train.tsv", make_texts(20))
    common = ["--train", str(train), "--output", str(tmp_path / "tuned"), "--epochs=1"]
    assert main(["finetune", str(model), *common]) == 0
    assert "rows: 18 train, 2 validation" in capfd.readouterr().out
    request.getfixturevalue("trainer_in_process")
    assert main(["finetune", str(model), *common, "--overwrite", "--text=txet"]) == 2
    assert "did you mean 'text'?" in capfd.readouterr().err
    vectors = tmp_path / "vectors.arrow"
    arguments = ["--input", str(train), "--output", str(vectors)]
    assert main(["features", str(tmp_path / "tuned"), *arguments]) == 0
    assert f"20 texts, 105 pieces, 0 of them cut: {vectors}" in capfd.readouterr().out
    assert main(["features", str(tmp_path / "none"), *arguments, "--overwrite"]) == 1


@pytest.mark.parametrize("storage", ["s3", "gs"])
def test_commands_about_a_run_at_an_address(
    storage: str, finished: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    run: Address = request.getfixturevalue(storage)
    copy_folder(finished, run)
    assert main(["verify", str(run)]) == 0
    assert capsys.readouterr().out == f"{run}: OK\n"
    assert main(["inspect", str(run), "--rows=2"]) == 0
    remote = capsys.readouterr().out
    assert main(["inspect", str(finished), "--rows=2"]) == 0
    assert capsys.readouterr().out == remote
    write_bytes(run / "report.html", b"")
    assert main(["report", str(run)]) == 0
    assert capsys.readouterr().out == f"{run / 'report.html'}\n"
    assert exists(run / "report.html")
    content = bytearray(read_bytes(run / "model" / "model.safetensors"))
    content[-1] ^= 1
    write_bytes(run / "model" / "model.safetensors", bytes(content))
    assert main(["verify", str(run)]) == 1
    assert f"{run / 'model' / 'model.safetensors'}: sha256 " in capsys.readouterr().out


@pytest.mark.usefixtures("trainer_in_process")
def test_a_model_at_an_address_fills_masks(
    tmp_path: Path, s3: Address, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_model(tmp_path)
    copy_folder(model, s3)
    assert main(["fill-mask", "--model", str(model), "the [MASK]"]) == 0
    local = capsys.readouterr().out
    assert main(["fill-mask", "--model", str(s3), "the [MASK]"]) == 0
    assert capsys.readouterr().out == local


def test_a_flow_opens_the_output_at_an_address(s3: Address) -> None:
    from flows.config import RunConfig
    from flows.end_to_end import _open_run

    assert _open_run(RunConfig(), "/base", str(s3)).paths.output == s3
    assert _open_run(RunConfig(), "/base", "/a/run").paths.output == Path("/a/run")
    assert list_files(s3) == []

"""A flow as a command runs it: what is refused before anything starts, and what is started."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bertdata.config import to_table
from bertdata.errors import BertdataError, ConfigError
from bertdata.storage.locations import Address, locate
from bertdata.storage.locks import hold
from flows.cli import main
from flows.commands import flow
from flows.commands.flow import run_flow
from flows.config import load_config
from flows.terminal.view import QuietView, current_view

FOLDERS = {"sentences": "sentences", "vocab": "vocab", "examples": "examples", "train": "model"}


class Flows:
    """In place of Prefect's: which flow was prepared and called, and with what."""

    def __init__(self, view: QuietView, output: Path) -> None:
        self.prepared: list[tuple[str, bool]] = []
        self.calls: list[tuple[dict[str, object], str, str]] = []
        self._view = view
        self._output = output

    def prepare(self, name: str, has_jobs: bool) -> Callable[..., None]:
        self.prepared.append((name, has_jobs))
        return self.call

    def call(self, config: dict[str, object], base: str, output: str) -> None:
        self.calls.append((config, base, output))
        assert current_view() is self._view
        with pytest.raises(BertdataError, match="another run is writing"), hold(self._output):
            pass


@pytest.fixture
def view() -> QuietView:
    return QuietView()


@pytest.fixture
def flows(view: QuietView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flows:
    made = Flows(view, tmp_path / "run")
    monkeypatch.setattr(flow, "_prepare_flow", made.prepare)
    return made


def options(config: Path, output: object, *overrides: str) -> Namespace:
    return Namespace(config=config, set=overrides, output=output, debug=False)


def finish(output: Path, *stages: str) -> None:
    for stage in stages:
        (output / FOLDERS[stage]).mkdir(parents=True)
        (output / FOLDERS[stage] / "manifest.json").write_text("{}")


# what is started


def test_a_flow_runs_in_its_folder_which_is_held_and_shown(
    flows: Flows, view: QuietView, small_config: Path, tmp_path: Path
) -> None:
    output = tmp_path / "run"
    assert run_flow("run", options(small_config, output, "seed=8"), view) == output
    assert flows.prepared == [("run", True)]
    wanted = to_table(load_config(small_config, ["seed=8"]))
    assert flows.calls == [(wanted, str(small_config.parent), str(output))]
    assert current_view() is None
    with hold(output):
        pass  # it is free again


def test_without_an_output_it_is_named_after_the_configuration(
    flows: Flows,
    view: QuietView,
    small_config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "small").symlink_to(tmp_path / "run")
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path)
    config = Path(os.path.relpath(small_config))
    assert run_flow("run", options(config, None), view) == Path("runs/small")
    ((_, base, where),) = flows.calls
    assert Path(base).samefile(small_config.parent)
    assert where == str(tmp_path / "runs" / "small")  # Prefect may run it in another folder


@pytest.mark.parametrize(
    ("name", "finished", "has_jobs"),
    [
        ("run", [], True),
        ("run", ["sentences", "vocab"], True),
        ("run", ["sentences", "vocab", "examples"], False),  # training is no job
        ("run", [*FOLDERS], False),
        ("vocab", ["sentences"], True),
        ("vocab", ["sentences", "vocab"], False),
        ("train", [], False),
    ],
)
def test_jobs_are_prepared_if_a_stage_needs_one(
    name: str,
    finished: list[str],
    has_jobs: bool,
    flows: Flows,
    view: QuietView,
    small_config: Path,
    tmp_path: Path,
) -> None:
    finish(tmp_path / "run", *finished)
    run_flow(name, options(small_config, tmp_path / "run"), view)
    assert flows.prepared == [(name, has_jobs)]


@pytest.mark.parametrize("has_jobs", [True, False])
def test_server_and_jobs_start_before_flows_are_imported(
    has_jobs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import end_to_end
    from flows.processes import fork_server
    from flows.server import temporary

    started: list[str] = []

    def ensure_server() -> Callable[[], None]:
        started.append("server")
        return lambda: started.append("waited")

    monkeypatch.setattr(fork_server, "prepare_jobs", lambda: started.append("jobs"))
    monkeypatch.setattr(temporary, "ensure_server", ensure_server)
    assert flow._prepare_flow("vocab", has_jobs) is end_to_end.vocab  # type: ignore[comparison-overlap]
    assert started == [*["jobs"] * has_jobs, "server", "waited"]


# what is refused before anything starts


@pytest.mark.parametrize(
    ("override", "message"), [("seed=many", "seed must be an integer"), ("sed=1", "no key 'sed'")]
)
def test_a_wrong_configuration_is_refused_before_a_folder_is_made(
    override: str, message: str, flows: Flows, view: QuietView, small_config: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        run_flow("run", options(small_config, tmp_path / "run", override), view)
    assert flows.prepared == []
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", ["run", "sentences", "train"])
def test_a_second_run_in_one_folder_refuses_at_once(
    command: str, small_config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with hold(tmp_path):
        assert main([command, str(small_config), "--output", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"bertdata: another run is writing to {tmp_path}; wait for it")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("s3")
def test_an_output_that_cannot_be_written_is_refused_before_any_work(
    small_config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.server.temporary.ensure_server", lambda: pytest.fail("it began"))
    assert main(["run", str(small_config), "--output", "s3://no-such-bucket/run"]) == 1
    assert main(["run", str(small_config), "--output", "none://bucket/run"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("bertdata: cannot write s3://no-such-bucket/run/")
    assert lines[1].startswith("bertdata: cannot use none://bucket/run/")
    assert len(lines) == 2
    assert not Path("none:").exists()


def test_an_output_at_an_address_is_passed_on_as_it_is(
    s3: Address, small_config: Path, view: QuietView, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(flow, "_prepare_flow", lambda *_, **__: lambda *all_: calls.append(all_))
    output = locate(f"{s3}/run")
    assert run_flow("run", options(small_config, output), view) == output
    assert [where for *_, where in calls] == [f"{s3}/run"]

"""Prefect as its users use it: a server, a process that serves the flows, runs that are asked for.

All are processes of their own; a test is a user with a browser or with Prefect's client.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from tests.pipelines.corpus import write_books
from tests.prefect_server import running, web_server
from tests.process_tree import find_processes, find_trainers

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import Artifact, FlowRun

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
FLOWS = ("run", "sentences", "vocab", "examples", "train")
SECONDS = 240
CONFIG = """
seed = 7
[[corpus]]
name = "books"
format = "text"
paths = ["books/*.txt"]
[vocab]
size = 60
[examples]
max_seq_length = 32
dupe_factor = 2
validation_fraction = 0.2
num_shards = 3
[runner]
workers = 1
[train]
hidden_size = 16
num_layers = 1
num_heads = 1
steps = 1000
log_every = 10
checkpoint_every = 100
threads = 1
"""
_R = TypeVar("_R")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    write_books(folder / "books")
    (folder / "small.toml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def environment(folder: Path) -> Iterator[dict[str, str]]:
    """That of clients of a server."""
    with web_server(folder) as environment:
        yield environment | {"PREFECT_RUNNER_POLL_FREQUENCY": "1"}


@pytest.fixture(scope="module")
def mark(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """By which the processes of `bertdata serve` are found, which serves the flows."""
    command = [sys.executable, "-m", "flows", "serve", "small.toml", "--output", "run"]
    with running(command, environment, folder / "serve.log") as mark:
        yield mark


@pytest.fixture(scope="module")
def client(environment: dict[str, str]) -> Iterator[SyncPrefectClient]:
    from prefect.client.orchestration import SyncPrefectClient

    with SyncPrefectClient(environment["PREFECT_API_URL"]) as client:
        yield client


def wait_for(look: Callable[[], _R | None], what: str) -> _R:
    """What `look` returns once it is something."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.2)
    raise AssertionError(f"{what} did not happen")


def ask_for(client: SyncPrefectClient, name: str, **parameters: object) -> UUID:
    """Create a run of a deployment as its page does; returns its number."""
    from prefect.exceptions import ObjectNotFound

    def deployment() -> UUID | None:
        try:
            return client.read_deployment_by_name(f"bertdata {name}/local").id
        except ObjectNotFound:
            return None

    number = wait_for(deployment, "a deployment")
    return client.create_flow_run_from_deployment(number, parameters=parameters).id


def wait_for_state(client: SyncPrefectClient, number: UUID, *names: str) -> FlowRun:
    def look() -> FlowRun | None:
        run = client.read_flow_run(number)
        return run if run.state is not None and run.state.name in names else None

    return wait_for(look, f"one of {names}")


def artifacts_of(client: SyncPrefectClient, number: UUID) -> dict[str, Artifact]:
    """Artifacts of a run by what they show."""
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

    chosen = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[number]))
    found = client.read_artifacts(artifact_filter=chosen)
    return {str(artifact.key).rpartition("-run-")[0]: artifact for artifact in found}


def log_of(client: SyncPrefectClient, number: UUID) -> str:
    from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId

    chosen = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[number]))
    return "\n".join(log.message for log in client.read_logs(chosen, limit=200))


def test_a_run_is_cancelled_and_the_next_goes_on(
    client: SyncPrefectClient, mark: str, folder: Path
) -> None:
    from prefect.states import Cancelling

    clock = time.monotonic()

    def lap(what):
        print(f"{time.monotonic() - clock:.1f} {what}", flush=True)

    lap("begin")
    cancelled = ask_for(client, "run")
    lap("asked")
    wait_for(lambda: list((folder / "run" / "model").glob("checkpoint*/*")), "a checkpoint")
    lap("checkpoint")
    assert wait_for_state(client, cancelled, "Running").name.startswith("books (")
    assert find_trainers(find_processes(mark))
    client.set_flow_run_state(cancelled, Cancelling())
    wait_for_state(client, cancelled, "Cancelled")
    lap("cancelled")
    wait_for(lambda: not find_trainers(find_processes(mark)), "the end of training")
    lap("gone")
    assert not (folder / "run" / "model" / "manifest.json").exists()

    resumed = ask_for(client, "run")
    run = wait_for_state(client, resumed, "Completed", "Failed", "Crashed")
    lap("done")
    print(run)
    print(log_of(client, resumed))
    for k, a in artifacts_of(client, resumed).items():
        print(k, a.key, a.type, a.description, a.data)
    print({k: a.data for k, a in artifacts_of(client, cancelled).items()})
    bad = ask_for(
        client,
        "run",
        config={"corpus": [{"name": "x", "format": "text", "paths": ["none/*.txt"]}]},
        output=str(folder / "bad"),
    )
    print(wait_for_state(client, bad, "Completed", "Failed", "Crashed").state)
    lap("bad")
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    for t in client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[bad]))):
        print(t.name, t.state)
    print(log_of(client, bad))
    assert 0

"""Prefect as its users use it: a server, a process that serves the flows, runs that are asked for.

All are processes of their own; a test is a user with a browser or with Prefect's client.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

import flows
from bertdata.storage.manifest import find_damage, read_manifest
from flows.wording import size
from tests.chromium import CHROMIUM, open_browser
from tests.flows_fixtures import SMALL
from tests.pipelines.corpus import WORDS
from tests.prefect_server import running, web_server
from tests.process_tree import (
    find_processes,
    find_trainers,
    has_been_sent,
    wait_until_gone,
)

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import Artifact, FlowRun

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
FLOWS = ("run", "sentences", "vocab", "examples", "train")
PREFECT_FILE = Path(flows.__file__).with_name("prefect.yaml")
SECONDS = 240
STEPS, LOG_EVERY = 400, 50
WIDTH_OF_PICTURE = "document.querySelector('img[alt^=Loss]').naturalWidth"
FORM_SENTENCE = "Sequences per step, padded to the longest."
CONFIG = f"{SMALL}steps = {STEPS}\nlog_every = {LOG_EVERY}\ncheckpoint_every = 100\n"
_R = TypeVar("_R")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    draws = random.Random(1)
    (folder / "books").mkdir()
    for book in range(40):
        sentences = [" ".join(draws.choices(WORDS, k=9)) + "." for _ in range(12)]
        (folder / "books" / f"{book:02d}.txt").write_text("\n".join(sentences))
    (folder / "small.toml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def environment(folder: Path, prefect_database: Path) -> Iterator[dict[str, str]]:
    """That of clients of a server."""
    with web_server(folder, prefect_database) as environment:
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
        time.sleep(0.5)  # each question is work of the server's
    raise AssertionError(f"{what} did not happen")


def name_of(folder: Path) -> str:
    """The name of the runs, once their sentences are there."""
    text_bytes = read_manifest(folder / "run" / "sentences").counts["text_bytes"]
    return f"books ({size(text_bytes)}) in {folder / 'run'}"


def has_text(text: str) -> str:
    """Whether a page shows a text, in JavaScript."""
    return f"document.body.innerText.includes({json.dumps(text)})"


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


def artifacts_of(client: SyncPrefectClient, run: FlowRun) -> dict[str, Artifact]:
    """Artifacts of a run by what they show."""
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

    chosen = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
    found = client.read_artifacts(artifact_filter=chosen)
    return {str(artifact.key).rpartition("-run-")[0]: artifact for artifact in found}


def log_of(client: SyncPrefectClient, run: FlowRun) -> str:
    from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId

    chosen = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]))
    return "\n".join(log.message for log in client.read_logs(chosen, limit=200))


@pytest.fixture(scope="module")
def cancelled(client: SyncPrefectClient, mark: str, folder: Path) -> FlowRun:
    """A run that was cancelled while it trained."""
    from prefect.states import Cancelling

    number = ask_for(client, "run")
    run = wait_for_state(client, number, "Running")
    wait_for(lambda: "model-progress" in artifacts_of(client, run), "the first steps")
    assert wait_for_state(client, number, "Running").name == name_of(folder)
    (trainer,) = find_trainers(find_processes(mark))
    os.kill(trainer, signal.SIGSTOP)  # it would soon be done
    client.set_flow_run_state(number, Cancelling())
    wait_for(partial(has_been_sent, signal.SIGTERM, trainer), "the end of training")
    os.kill(trainer, signal.SIGCONT)
    return wait_for_state(client, number, "Cancelled", "Completed")


@pytest.fixture(scope="module")
def resumed(client: SyncPrefectClient, cancelled: FlowRun) -> FlowRun:
    """A run with the same parameters after that."""
    return wait_for_state(client, ask_for(client, "run"), "Completed", "Failed", "Crashed")


def test_processes_of_a_cancelled_run_end(cancelled: FlowRun, mark: str, folder: Path) -> None:
    assert cancelled.state_name == "Cancelled"
    wait_for(lambda: len(find_processes(mark)) == 1, "the end of all but `bertdata serve`")
    assert not (folder / "run" / "model" / "manifest.json").exists()


def test_the_next_run_goes_on(
    client: SyncPrefectClient, resumed: FlowRun, cancelled: FlowRun, folder: Path
) -> None:
    assert resumed.state_name == "Completed"
    assert resumed.parameters == cancelled.parameters
    shown = log_of(client, resumed)
    for stage in ("sentences", "vocab", "examples"):
        assert f"{stage}: already complete" in shown
    assert not re.search(rf"^step {LOG_EVERY} ", shown, re.MULTILINE)  # the other run went so far
    assert find_damage(folder / "run" / "model", read_manifest(folder / "run" / "model")) == []


def test_a_run_has_the_name_and_tags_of_its_text(resumed: FlowRun, folder: Path) -> None:
    assert resumed.name == name_of(folder)
    assert set(resumed.tags) == {"bertdata", "corpus: books", "text: up to 1 MB"}


def test_each_stage_leaves_artifacts(
    client: SyncPrefectClient, resumed: FlowRun, cancelled: FlowRun
) -> None:
    found = artifacts_of(client, resumed)
    tables = dict.fromkeys(("sentences", "vocab", "examples", "model"), "table")
    shown = {"model-progress": "progress", "report": "markdown", "page": "markdown"}
    assert {name: artifact.type for name, artifact in found.items()} == {**tables, **shown}
    assert found["model-progress"].data == 100
    rows = json.loads(str(found["sentences"].data))
    assert {"what": "documents written", "count": "40", "share": "100.0%"} in rows
    before = artifacts_of(client, cancelled)
    assert before["sentences"].key == found["sentences"].key
    assert 0 < float(str(before["model-progress"].data)) < 100


def test_deployments_have_forms(client: SyncPrefectClient, mark: str) -> None:
    for name in FLOWS:
        deployment = client.read_deployment_by_name(f"bertdata {name}/local")
        assert deployment.enforce_parameter_schema
        assert deployment.parameters["config"]["train"]["steps"] == STEPS
        schema = deployment.parameter_openapi_schema
        assert schema is not None
        shown = schema["properties"]["config"]["properties"]["train"]["properties"]["batch_size"]
        assert shown["default"] == 64
        assert "Sequences per step" in shown["description"]


def test_the_server_refuses_values_of_a_wrong_type(client: SyncPrefectClient, mark: str) -> None:
    from prefect.exceptions import PrefectHTTPStatusError

    corpus = {"name": "books", "format": "text", "paths": ["*"]}
    config = {"corpus": [corpus], "train": {"steps": "many"}}
    with pytest.raises(PrefectHTTPStatusError, match="'many' is not of type 'integer'"):
        ask_for(client, "run", config=config)


def test_a_work_pool_takes_all_flows(
    client: SyncPrefectClient, environment: dict[str, str], folder: Path
) -> None:
    from prefect.client.schemas.actions import WorkPoolCreate

    client.create_work_pool(WorkPoolCreate(name="bertdata", type="process"))
    script = str(Path(sys.executable).with_name("prefect"))
    command = [script, "--no-prompt", "deploy", "--all", "--prefect-file", str(PREFECT_FILE)]
    subprocess.run(command, env=environment, cwd=folder, check=True, timeout=SECONDS)
    for name in FLOWS:
        deployment = client.read_deployment_by_name(f"bertdata {name}/pool")
        assert deployment.work_pool_name == "bertdata"


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")
def test_pages_in_a_browser(
    client: SyncPrefectClient, environment: dict[str, str], resumed: FlowRun, tmp_path: Path
) -> None:
    """All that is on the pages; with BERTDATA_PICTURES set, the pictures of the docs go there."""
    pictures = Path(os.environ.get("BERTDATA_PICTURES") or tmp_path)
    web = environment["PREFECT_API_URL"].removesuffix("/api")
    found = artifacts_of(client, resumed)
    pages = {
        "run": (f"runs/flow-run/{resumed.id}", ["books (", "corpus: books", "Completed"]),
        "form": (f"deployments/deployment/{resumed.deployment_id}/run", ["paths", FORM_SENTENCE]),
        "table": (f"artifacts/artifact/{found['sentences'].id}", ["documents written", "100.0%"]),
        "report": (f"artifacts/artifact/{found['report'].id}", ["validation MLM loss"]),
    }
    with open_browser(tmp_path) as page:
        for name, (path, texts) in pages.items():
            page.load(f"{web}/{path}")
            for text in texts:
                wait_for(partial(page.evaluate, has_text(text)), f"{text!r} on the page {name}")
            if name == "report":
                wait_for(partial(page.evaluate, WIDTH_OF_PICTURE), "the picture of the loss")
            time.sleep(1)  # what fades in
            picture = page.screenshot(height=900)
            assert 20_000 < len(picture) < 200_000
            (pictures / f"prefect-{name}.png").write_bytes(picture)
        kinds = {notice["method"] for notice in page.notices}
        assert "Runtime.exceptionThrown" not in kinds


def test_ctrl_c_cancels_the_runs_of_what_serves_them(client: SyncPrefectClient, mark: str) -> None:
    """The last test: afterwards nothing is served."""
    (process,) = find_processes(mark)
    number = ask_for(client, "run", output="another")
    wait_for_state(client, number, "Running")
    os.kill(process.pid, signal.SIGINT)
    state = wait_for_state(client, number, "Cancelled", "Completed").state
    assert state is not None
    assert state.name == "Cancelled"
    assert wait_until_gone(mark, 20) == []

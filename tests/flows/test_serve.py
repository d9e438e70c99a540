"""`bertdata serve`: a deployment for each flow, whose form is filled in."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from prefect.flows import load_flow_from_entrypoint

from bertdata.config import to_table
from flows import cli, end_to_end, serve
from flows.config import DEMO_CONFIG, load_config

NAMES = ["run", "sentences", "vocab", "examples", "train"]
PREFECT_FILE = Path(serve.__file__).with_name("prefect.yaml")


def test_each_flow_has_a_deployment_with_the_given_configuration() -> None:
    made = list(serve._deployments(DEMO_CONFIG, Path("out"), "mine", "0 3 * * *"))
    assert [deployment.entrypoint for deployment in made] == [
        f"flows.end_to_end.{n}" for n in NAMES
    ]
    for deployment in made:
        assert deployment.name == "mine"
        assert deployment.parameters == {
            "config": to_table(load_config(DEMO_CONFIG)),
            "base": str(DEMO_CONFIG.parent),
            "output": str(Path("out").absolute()),
        }
    assert [len(deployment.schedules or []) for deployment in made] == [1, 0, 0, 0, 0]


def test_without_a_server_it_says_how_to_start_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(serve, "has_own_server", lambda: False)
    assert cli.main(["serve"]) == 2
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert "prefect server start" in shown


def test_a_work_pool_has_a_deployment_for_each_flow() -> None:
    deployments = yaml.safe_load(PREFECT_FILE.read_text())["deployments"]
    flows = [load_flow_from_entrypoint(one["entrypoint"]) for one in deployments]
    assert flows == [getattr(end_to_end, name) for name in NAMES]
    assert {one["work_pool"]["name"] for one in deployments} == {"bertdata"}

"""What Prefect is set to before it is imported; what the user has set is kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.server import settings
from flows.server.settings import prepare_environment, reach_loopback_directly
from tests.another_user import as_another_user


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment for the settings module alone."""
    environment = {"HOME": str(tmp_path), "PREFECT_HOME": str(tmp_path / "prefect")}
    monkeypatch.setattr(settings.os, "environ", environment)
    return environment


def test_defaults_give_way_to_what_is_set(environment: dict[str, str]) -> None:
    environment["PREFECT_SERVER_ANALYTICS_ENABLED"] = "true"
    environment["PREFECT_CLI_COLORS"] = "mine"
    prepare_environment()
    assert environment["PREFECT_SERVER_ANALYTICS_ENABLED"] == "true"
    assert environment["PREFECT_CLI_COLORS"] == "mine"
    assert environment["PREFECT_SERVER_LOGGING_LEVEL"] == "CRITICAL"
    assert environment["no_proxy"] == "localhost,127.0.0.1,::1"


def test_nothing_is_reported_to_anybody_and_no_proxy_is_asked(environment: dict[str, str]) -> None:
    environment["NO_PROXY"] = "example.org"
    prepare_environment()
    assert environment["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert environment["DO_NOT_TRACK"] == "1"
    direct = "example.org,localhost,127.0.0.1,::1"
    assert [environment[name] for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy")] == [direct] * 3


def test_grpc_keeps_its_own_list() -> None:
    made = reach_loopback_directly({"no_proxy": "a", "no_grpc_proxy": "b"})
    assert made["no_grpc_proxy"] == "b,localhost,127.0.0.1,::1"
    assert made["no_proxy"] == "a,localhost,127.0.0.1,::1"


def test_debug_lets_the_log_of_prefect_through(environment: dict[str, str]) -> None:
    prepare_environment(debug=True)
    assert not [name for name in environment if "LOGGING" in name]
    assert environment["PREFECT_CLI_COLORS"] == "false"


def test_a_home_that_can_be_written_to_is_used(
    environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare_environment()
    assert environment["PREFECT_HOME"] == str(tmp_path / "prefect")
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("has_home", [True, False])
def test_a_user_without_a_writable_home_gets_a_temporary_one(has_home: bool) -> None:
    """As in a container that runs as a number: there is no such user, and nothing to write to."""
    environment = {**os.environ, "HOME": "/"}
    if not has_home:
        del environment["HOME"]
    environment.pop("PREFECT_HOME", None)
    command = [*as_another_user(), sys.executable, "-c", PREPARE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\n") == 1
    folder = Path(done.stdout.strip())
    assert folder.parts[:2] == ("/", "tmp")
    assert not folder.exists()
    assert ("/.prefect is not writable" if has_home else "no home folder") in done.stderr


PREPARE = """
from flows.server.settings import prepare_environment
prepare_environment()
from prefect.settings import PREFECT_HOME
print(PREFECT_HOME.value())
"""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "localhost,127.0.0.1,::1"),
        ({"NO_PROXY": "a.example, localhost"}, "a.example,localhost,127.0.0.1,::1"),
        ({"NO_PROXY": "a", "no_proxy": "b"}, "b,localhost,127.0.0.1,::1"),
        ({"no_proxy": "*"}, "*"),
    ],
)
def test_this_machine_is_reached_without_its_proxy(given: dict[str, str], expected: str) -> None:
    made = reach_loopback_directly(given)
    assert {made["no_proxy"], made["NO_PROXY"], made["no_grpc_proxy"]} == {expected}

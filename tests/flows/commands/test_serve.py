"""The command that waits for runs: what it passes on of its options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bertdata.errors import ConfigError
from bertdata.storage.locations import Address
from flows import serve
from flows.cli import main
from flows.config import DEMO_CONFIG


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The arguments that deployments were to be served with."""
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(serve, "serve", lambda *arguments: calls.append(arguments))
    return calls


def test_the_demo_is_served_by_default(served: list[tuple[Any, ...]]) -> None:
    assert main(["serve"]) == 0
    output = Path("runs") / DEMO_CONFIG.stem
    assert served == [(DEMO_CONFIG, output, "local", 1, None)]


def test_all_options_are_passed_on(served: list[tuple[Any, ...]]) -> None:
    given = ["--output", "s3://bucket/run", "--name=mine", "--limit=3", "--cron", "0 3 * * *"]
    assert main(["serve", "my.toml", *given]) == 0
    ((config, output, *others),) = served
    assert config == Path("my.toml")
    assert isinstance(output, Address)
    assert (str(output), others) == ("s3://bucket/run", ["mine", 3, "0 3 * * *"])


def test_the_output_is_named_after_the_configuration(served: list[tuple[Any, ...]]) -> None:
    assert main(["serve", "some/my.toml"]) == 0
    assert [output for _, output, *_ in served] == [Path("runs/my")]


def test_wrong_usage_serves_nothing(
    served: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serve", "--limit", "many"])
    assert (caught.value.code, served) == (2, [])
    assert "many" in capsys.readouterr().err


def test_an_error_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise ConfigError("there is no server")

    monkeypatch.setattr(serve, "serve", refuse)
    assert main(["serve"]) == 2
    assert capsys.readouterr() == ("", "bertdata: there is no server\n")

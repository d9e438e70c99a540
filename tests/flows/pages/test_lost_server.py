"""An error of Prefect's server is a line of the run's log; any other error is not."""

from __future__ import annotations

import httpx
import pytest
from prefect.exceptions import ObjectNotFound, PrefectException, PrefectHTTPStatusError

from flows.pages.lost_server import log_lost_server

BEGINNING = "Prefect's pages lack something of this run: "


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is logged as a warning; Prefect itself has a log in a run alone."""
    found: list[str] = []

    class Logger:
        def warning(self, line: str) -> None:
            found.append(line)

    monkeypatch.setattr("flows.pages.lost_server.get_run_logger", Logger)
    return found


def answer(status: int) -> Exception:
    """The error that Prefect's client makes of an answer."""
    request = httpx.Request("POST", "http://127.0.0.1:4200/api/artifacts/")
    try:
        httpx.Response(status, request=request).raise_for_status()
    except httpx.HTTPStatusError as error:
        return PrefectHTTPStatusError.from_httpx_error(error)
    raise AssertionError(status)


def test_what_works_is_not_logged(lines: list[str]) -> None:
    with log_lost_server():
        done = True
    assert done
    assert lines == []


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("timed out"),
        httpx.RemoteProtocolError("closed"),
        PrefectException("no API"),
        ObjectNotFound(ValueError("gone")),
        answer(500),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_the_server_is_logged_once(error: Exception, lines: list[str]) -> None:
    with log_lost_server():
        raise error
    assert lines == [f"{BEGINNING}{error}"]


@pytest.mark.parametrize("error", [ValueError("ours"), KeyboardInterrupt(), OSError("full")])
def test_other_errors_are_raised(error: BaseException, lines: list[str]) -> None:
    with pytest.raises(type(error)) as caught, log_lost_server():
        raise error
    assert caught.value is error
    assert lines == []

"""Servers of one home start one after the other. Without a server: an application is a function."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bertdata.errors import BertdataError
from bertdata.storage.locks import hold
from flows.server.serve import _one_start_at_a_time


async def _receive() -> dict[str, object]:
    return {}


async def _send(message: object) -> None:
    pass


def _start(home: Path, answer: dict[str, object]) -> list[bool]:
    """Start an application that answers; whether its home is held before and after the answer."""
    held: list[bool] = []

    def look() -> None:
        try:
            with hold(home):
                held.append(False)
        except BertdataError:
            held.append(True)

    async def application(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        look()
        await send(answer)
        look()

    asyncio.run(_one_start_at_a_time(application, home)({"type": "lifespan"}, _receive, _send))
    return held


def test_the_home_is_held_until_the_start_is_done(tmp_path: Path) -> None:
    assert _start(tmp_path, {"type": "lifespan.startup.complete"}) == [True, False]


def test_a_start_that_failed_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _start(tmp_path, {"type": "lifespan.startup.failed", "message": "no such table"})
    assert capsys.readouterr().err == "no such table\n"


def test_requests_pass_through(tmp_path: Path) -> None:
    scopes: list[object] = []

    async def application(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        scopes.append(scope)

    serve = _one_start_at_a_time(application, tmp_path)
    asyncio.run(serve({"type": "http"}, _receive, _send))
    assert scopes == [{"type": "http"}]

"""The process of a temporary server: reached on this machine alone, and past any proxy."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from bertdata.errors import BertdataError
from flows.server import process as module
from flows.server.process import ServerProcess


class _Server:
    """What would be started, without starting it: a process that sleeps."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.commands: list[list[str]] = []

    def start(self, command: list[str], **options: Any) -> subprocess.Popen[str]:
        self.commands.append(command)
        self.calls.append(options)
        return _POPEN(
            [sys.executable, "-c", "import time; time.sleep(60)"],
            start_new_session=True,
            text=True,
        )


_POPEN = subprocess.Popen


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> _Server:
    server = _Server()
    monkeypatch.setattr(module.subprocess, "Popen", server.start)
    return server


class _Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api/health" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def answering(listener: socket.socket) -> Iterator[None]:
    """Answer on a bound socket, as the process would that it is passed to."""
    server = HTTPServer(listener.getsockname(), _Healthy, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=os.dup(listener.fileno()))
    server.server_activate()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_only_this_machine_can_reach_it(started: _Server) -> None:
    with ServerProcess(None) as server:
        host, port = server._listener.getsockname()
        assert host == "127.0.0.1"
        assert server.url == f"http://127.0.0.1:{port}/api"
        (options,) = started.calls
        assert options["pass_fds"] == [server._listener.fileno()]
        assert started.commands[0][-2:] == [
            "flows.server.serve",
            str(server._listener.fileno()),
        ]
        # Nobody else gets the port before the process answers on it.
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        child = server._process
    assert child.poll() is not None


def test_the_process_ends_with_this_one_and_has_the_database_it_is_given(
    started: _Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "PREFECT_API_DATABASE_CONNECTION_URL"
    monkeypatch.delenv(name, raising=False)
    with ServerProcess(None) as server:
        environment = started.calls[0]["env"]
        assert name not in environment
        assert environment["BERTDATA_PARENT"] == str(os.getpid())
        assert environment["PREFECT_UI_ENABLED"] == "0"
        assert started.calls[0]["start_new_session"] is True
        server._process.kill()
        server._process.wait()
        server.start(tmp_path / "own.db")
        assert started.calls[1]["env"][name] == f"sqlite+aiosqlite:///{tmp_path}/own.db"


def test_it_is_found_past_a_proxy(started: _Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")  # nobody listens there
    for direct in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(direct, raising=False)
    monkeypatch.setattr(module, "_START_SECONDS", 5.0)
    with ServerProcess(None) as server, answering(server._listener):
        assert server.wait() is None


def test_a_server_that_never_answers_is_given_up(
    started: _Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_START_SECONDS", 0.2)
    with (
        ServerProcess(None) as server,
        pytest.raises(BertdataError, match="did not answer within 0 s; set PREFECT_API_URL"),
    ):
        server.wait()


def test_the_last_error_that_it_printed_is_the_reason(started: _Server) -> None:
    with ServerProcess(None) as server:
        server._log.write(b"Traceback\nValueError: first\n  more\nOSError: last\n")
        server._process.kill()
        server._process.wait()
        assert server.wait() == "OSError: last"
    with ServerProcess(None) as server:
        server._process.kill()
        server._process.wait()
        assert server.wait() == "it printed no reason"

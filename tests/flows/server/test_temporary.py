"""The temporary Prefect server starts wherever a command can run, and says why if it does not."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from bertdata.errors import BertdataError
from flows.server import temporary
from flows.server.temporary import _leave_socks_proxy, _wait, ensure_server, without_heartbeats

START = """
from flows.server.settings import prepare_environment
prepare_environment()
from flows.server.temporary import ensure_server
ensure_server()()
print("it answers")
"""
ASK = """
import asyncio
from prefect.client.orchestration import get_client

async def ask():
    async with get_client() as client:
        return await client.hello()

print(asyncio.run(ask()).status_code)
"""
# Nobody listens there.
PROXIES = {
    **dict.fromkeys(("HTTP_PROXY", "https_proxy", "grpc_proxy"), "http://127.0.0.1:9"),
    "ALL_PROXY": "socks5://127.0.0.1:9",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Prefect home that two servers have used first, all at once, behind a proxy."""
    folder = tmp_path_factory.mktemp("home") / "prefect"
    starts = [_start(START + ASK, PREFECT_HOME=str(folder), **PROXIES) for _ in range(2)]
    assert [_result(start) for start in starts] == [("it answers\n200\n", "")] * 2
    return folder


def test_first_starts_at_once_share_one_database(home: Path) -> None:
    assert (home / "prefect.db").exists()
    assert not (home / "memo_store.toml").exists()  # by which others would believe it complete


@pytest.fixture
def used_home(home: Path, tmp_path: Path) -> Path:
    """A home with a second database, for when the first cannot be used: to make one takes long."""
    folder = tmp_path / "prefect"
    shutil.copytree(home, folder)
    _checkpoint(folder / "prefect.db")
    shutil.copy(folder / "prefect.db", folder / f"prefect-{metadata.version('prefect')}.db")
    return folder


def test_a_database_that_is_damaged_is_left_alone(used_home: Path) -> None:
    damaged = b"no database" * 1000
    (used_home / "prefect.db").write_bytes(damaged)
    shown, error = _result(_start(START, PREFECT_HOME=str(used_home)))
    assert shown == "it answers\n"
    assert error.count("\n") == 1
    assert "file is not a database), which is left unchanged" in error
    assert (used_home / "prefect.db").read_bytes() == damaged


def _checkpoint(path: Path) -> None:
    """Let all of a database be in its one file."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class _BrokenServer:
    """A server that ends as soon as it is started."""

    def __init__(self) -> None:
        self.databases: list[Path | None] = []

    def start(self, database: Path | None) -> None:
        self.databases.append(database)

    def wait(self) -> str:
        return "OperationalError: unable to open database file"


def test_a_server_that_cannot_start_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    server = _BrokenServer()
    with pytest.raises(BertdataError) as caught:
        _wait(server, iter([Path("second.db")]))  # type: ignore[arg-type]
    assert server.databases == [Path("second.db")]
    assert "Prefect cannot use its database (OperationalError: unable" in capsys.readouterr().err
    assert "unable to open database file" in str(caught.value)
    assert str(caught.value).endswith("set PREFECT_API_URL to one that runs")


@pytest.mark.parametrize(
    ("proxy", "is_kept"),
    [
        ("socks5://127.0.0.1:9", False),
        ("SOCKS5H://127.0.0.1:9", False),
        ("http://127.0.0.1:9", True),
    ],
)
def test_proxies_that_prefect_cannot_use_are_left_out(
    proxy: str, is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy)
    _leave_socks_proxy()
    assert [name in os.environ for name in ("ALL_PROXY", "all_proxy")] == [is_kept] * 2


def test_the_users_own_server_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    def start() -> None:
        pytest.fail("a server was started")

    monkeypatch.setattr(temporary, "temporary_server", start)
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        ensure_server()()


def test_a_flow_whose_heartbeats_nobody_misses_sends_none() -> None:
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY as FREQUENCY

    usual = FREQUENCY.value()
    assert usual > 0
    with without_heartbeats(unless=True):
        assert FREQUENCY.value() == usual
    with without_heartbeats(unless=False):
        assert FREQUENCY.value() is None


def _start(program: str, **settings: str) -> subprocess.Popen[str]:
    environment = {**os.environ, **settings}
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", program]
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


def _result(start: subprocess.Popen[str]) -> tuple[str, str]:
    shown, error = start.communicate()
    assert start.returncode == 0, error
    return shown, error

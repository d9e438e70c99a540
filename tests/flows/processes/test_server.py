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

START = """
import asyncio
from flows.processes.prefect_settings import prepare_environment
prepare_environment()
from flows.processes.server import ensure_server
ensure_server()()
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
    starts = [_start(PREFECT_HOME=str(folder), **PROXIES) for _ in range(2)]
    assert [_result(start) for start in starts] == [("200\n", "")] * 2
    return folder


def test_first_starts_at_once_share_one_database(home: Path) -> None:
    assert (home / "prefect.db").exists()


@pytest.fixture
def used_home(home: Path, tmp_path: Path) -> Path:
    """A home with a second database, for when the first cannot be used: to make one takes long."""
    folder = tmp_path / "prefect"
    shutil.copytree(home, folder)
    _checkpoint(folder / "prefect.db")
    shutil.copy(folder / "prefect.db", folder / f"prefect-{metadata.version('prefect')}.db")
    return folder


def test_a_database_of_a_newer_version_is_left_alone(used_home: Path) -> None:
    _checkpoint(used_home / "prefect.db", "UPDATE alembic_version SET version_num = '0123456789ab'")
    before = (used_home / "prefect.db").read_bytes()
    shown, error = _result(_start(PREFECT_HOME=str(used_home)))
    assert shown == "200\n"
    assert error.count("\n") == 1
    assert "prefect.db was used by a newer version of Prefect and is left unchanged" in error
    assert (used_home / "prefect.db").read_bytes() == before


def test_a_database_that_is_damaged_is_left_alone(used_home: Path) -> None:
    damaged = b"no database" * 1000
    (used_home / "prefect.db").write_bytes(damaged)
    shown, error = _result(_start(PREFECT_HOME=str(used_home)))
    assert shown == "200\n"
    assert error.count("\n") == 1
    assert "file is not a database), which is left unchanged" in error
    assert (used_home / "prefect.db").read_bytes() == damaged


def _checkpoint(path: Path, change: str = "SELECT 1") -> None:
    """Change a database, and let all of it be in its one file."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(change)
        database.commit()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/missing/prefect.db"
    start = _start(PREFECT_HOME=str(tmp_path), PREFECT_API_DATABASE_CONNECTION_URL=url)
    _, error = start.communicate()
    assert start.returncode == 1
    assert "unable to open database file" in error.splitlines()[-1]
    assert "set PREFECT_API_URL" in error.splitlines()[-1]


def _start(**settings: str) -> subprocess.Popen[str]:
    environment = {**os.environ, **settings}
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", START]
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


def _result(start: subprocess.Popen[str]) -> tuple[str, str]:
    shown, error = start.communicate()
    assert start.returncode == 0, error
    return shown, error

"""Sockets lie where their paths are short enough for the system."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path

import pytest

from bertdata.processes.socket_folders import find_socket_folder


def test_a_short_path_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/var/tmp")
    assert find_socket_folder() == "/var/tmp"


def test_a_long_path_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with (
        tempfile.TemporaryDirectory(prefix="bertdata-", dir=find_socket_folder()) as short,
        socket.socket(socket.AF_UNIX) as listener,
    ):
        listener.bind(f"{short}/listener-12345678")

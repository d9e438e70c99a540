"""One run at a time in a folder, and none that a dead one still holds."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bertdata.errors import BertdataError
from bertdata.storage.locks import hold

HOLDER = """
import sys, time
from pathlib import Path
from bertdata.storage.locks import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_folder_is_held_by_one_and_then_free(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "run"
    with hold(folder):
        with pytest.raises(BertdataError, match=r"another run is writing to .*new/run; wait"):
            hold(folder).__enter__()
        with hold(tmp_path / "other"):
            pass
    assert not folder.exists()
    with hold(folder):
        (folder / "file").touch()
    with hold(folder):
        pass
    assert [path.name for path in folder.iterdir()] == ["file"]


def test_a_folder_that_was_there_stays(tmp_path: Path) -> None:
    """Also an empty one: it is the user's."""
    folder = tmp_path / "mine"
    folder.mkdir()
    with hold(folder):
        pass
    assert folder.is_dir()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_lock_dies_with_its_holder(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BertdataError, match="another run"):
            hold(tmp_path).__enter__()
        holder.send_signal(number)
        holder.wait()
    with hold(tmp_path):
        pass


def test_programs_that_the_holder_starts_do_not_hold_it(tmp_path: Path) -> None:
    with hold(tmp_path):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        with hold(tmp_path):
            pass
    finally:
        child.kill()
        child.wait()


def test_patience_waits_for_who_is_about_to_end(tmp_path: Path) -> None:
    holding = hold(tmp_path)
    holding.__enter__()
    threading.Timer(0.3, lambda: holding.__exit__(None, None, None)).start()
    with hold(tmp_path, patience=30):
        pass


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BertdataError, match=r"cannot use .*file"):
        hold(tmp_path / "file" / "run").__enter__()
    with pytest.raises(BertdataError, match=r"cannot use .*file: (File exists|Not a directory)"):
        hold(tmp_path / "file").__enter__()

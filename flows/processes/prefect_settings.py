"""Settings that Prefect needs before it is imported; what the user has set is kept."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

from flows.processes.loopback import reach_loopback_directly

_DEFAULTS = {
    # Nothing here needs the network.
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    # The temporary server of a run logs nothing useful, and complains when it is ended.
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    # The command line prints its own lines; Prefect's go to its server.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_CLI_COLORS": "false",
}


def prepare_environment(debug: bool = False) -> None:
    """Set what is not set yet. `debug`: keep Prefect's own log."""
    for name, value in _DEFAULTS.items():
        if not (debug and "LOGGING" in name):
            os.environ.setdefault(name, value)
    os.environ.update(reach_loopback_directly(os.environ))
    _prepare_home()


def _prepare_home() -> None:
    """Make sure that Prefect has a folder for its records: its usual one, or a temporary one."""
    if not _has_home():
        os.environ["HOME"] = _temporary_folder("there is no home folder")
    home = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect").expanduser()
    if _is_writable(home):
        return
    os.environ["PREFECT_HOME"] = _temporary_folder(f"{home} is not writable")
    if os.access(profiles := home / "profiles.toml", os.R_OK):
        os.environ.setdefault("PREFECT_PROFILES_PATH", str(profiles))


def _has_home() -> bool:
    """Whether this user has a home folder, which importing Prefect requires."""
    try:
        Path.home()
    except RuntimeError:
        return False
    return True


def _temporary_folder(why: str) -> str:
    folder = tempfile.mkdtemp(prefix="bertdata-prefect-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    text = f"bertdata: {why}; Prefect's records of this run are in {folder}, removed at its end"
    print(text, file=sys.stderr)
    return folder


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)

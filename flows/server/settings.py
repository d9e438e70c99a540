"""Settings that Prefect needs before it is imported; what the user has set is kept."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

_DEFAULTS = {
    # Nothing here needs the network.
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    # The temporary server of a run logs nothing useful, and complains when it is ended.
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    # The command line prints its own lines; Prefect's go to its server.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    # Such as that a server did not answer while the machine slept: what was lost is sent again.
    "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
    "PREFECT_CLI_COLORS": "false",
}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


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


def reach_loopback_directly(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment, changed so that programs use no proxy for this machine's own addresses."""
    # Programs prefer the lower-case name where both are set.
    given = environment.get("no_proxy", environment.get("NO_PROXY", ""))
    for_grpc = environment.get("no_grpc_proxy", given)
    direct = _with_loopback(given)
    names = {"no_proxy": direct, "NO_PROXY": direct, "no_grpc_proxy": _with_loopback(for_grpc)}
    return {**environment, **names}


def _with_loopback(given: str) -> str:
    hosts = [host.strip() for host in given.split(",") if host.strip()]
    if "*" in hosts:
        return given
    return ",".join(dict.fromkeys((*hosts, *_LOOPBACK)))

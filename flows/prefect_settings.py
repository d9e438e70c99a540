"""Settings for Prefect that must stand before it is imported; what the user set stays."""

from __future__ import annotations

import os

_DEFAULTS = {
    # Nothing here needs the network.
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    # The temporary server of a run says nothing of use, and complains when it is ended.
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    # The command line prints its own lines; Prefect's go to its server.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_CLI_COLORS": "false",
}


def prepare_environment(debug: bool = False) -> None:
    """Set what is not set yet; `debug` lets Prefect's own log through."""
    for name, value in _DEFAULTS.items():
        if not (debug and "LOGGING" in name):
            os.environ.setdefault(name, value)

"""`bertdata serve`: a deployment of each flow; this process starts their runs until it is ended."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import prefect
from prefect.deployments.runner import RunnerDeployment
from prefect.types.entrypoint import EntrypointType

from bertdata.config import to_table
from bertdata.errors import ConfigError
from bertdata.storage.locations import Location
from flows import end_to_end
from flows.config import load_config
from flows.server.temporary import has_own_server

_FLOWS = (
    end_to_end.run,
    end_to_end.sentences,
    end_to_end.vocab,
    end_to_end.examples,
    end_to_end.train,
)


def serve(config: Path, output: Location, name: str, limit: int, cron: str | None) -> None:
    """Serve the flows. `config`, `output`: what their forms are filled in with.

    `limit`: of runs at a time. `cron`: when the whole run is started by itself, if it is.
    """
    if not has_own_server():
        raise ConfigError(
            "bertdata serve needs a Prefect server: start one with `prefect server start`, "
            "then set PREFECT_API_URL=http://127.0.0.1:4200/api"
        )
    # At SIGTERM Prefect cancels its runs; at SIGINT it would leave them, shown as running for ever.
    signal.signal(signal.SIGINT, lambda *_: signal.raise_signal(signal.SIGTERM))
    prefect.serve(*_deployments(config, output, name, cron), limit=limit)


def _deployments(
    config: Path, output: Location, name: str, cron: str | None
) -> Iterator[RunnerDeployment]:
    where = output.absolute() if isinstance(output, Path) else output
    parameters: dict[str, object] = {
        "config": to_table(load_config(config)),
        "base": str(config.absolute().parent),
        "output": str(where),
    }
    for flow in _FLOWS:
        made = flow.to_deployment(
            name,
            parameters=parameters,
            tags=["bertdata"],
            cron=cron if flow is end_to_end.run else None,
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        assert isinstance(made, RunnerDeployment)
        yield made

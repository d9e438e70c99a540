"""A flow as a command runs it: in a folder that it holds, with the server that Prefect needs."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bertdata.storage.locations import Location

if TYPE_CHECKING:
    from flows.terminal.view import View


def run_flow(name: str, options: Namespace, view: View) -> Location:
    """Run the flow of a command; returns the folder of its results."""
    from bertdata.config import to_table
    from bertdata.storage.locks import hold
    from bertdata.storage.writing import check_writable
    from flows.config import load_config
    from flows.paths import default_output
    from flows.server.settings import prepare_environment

    # Errors in the configuration are reported before anything starts.
    config = load_config(options.config, options.set)
    output: Location = options.output or default_output(options.config)
    with hold(output), view.showing():
        check_writable(output)  # hours of work would be lost otherwise
        prepare_environment(options.debug)
        base = options.config.absolute().parent
        _run_in_folder(name, output, to_table(config), str(base))
    return output


def _run_in_folder(name: str, output: Location, config: dict[str, object], base: str) -> None:
    from flows.paths import RunPaths
    from flows.server.temporary import has_own_server, without_heartbeats

    unfinished = RunPaths(output).unfinished(name)
    flow = _prepare_flow(name, has_jobs=bool(set(unfinished) - {"train"}))
    where = output.absolute() if isinstance(output, Path) else output
    with without_heartbeats(unless=bool(unfinished) and has_own_server()):
        flow(config, base, str(where))


def _prepare_flow(name: str, has_jobs: bool) -> Callable[[dict[str, object], str, str], object]:
    """The flow, once there is a server for it and, if it has jobs, a process that forks them."""
    from flows.processes.fork_server import prepare_jobs
    from flows.server.temporary import ensure_server

    # Both start while this process imports Prefect.
    if has_jobs:
        prepare_jobs()
    wait_for_server = ensure_server()
    from flows import end_to_end

    wait_for_server()
    flow: Callable[[dict[str, object], str, str], object] = getattr(end_to_end, name)
    return flow

"""The command that waits for runs: `serve`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from bertdata.storage.locations import Location, locate
from flows.commands.command import Command


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "config", type=Path, nargs="?", metavar="CONFIG.toml", help="fills in the forms (the demo)"
    )
    parser.add_argument("--output", type=locate, metavar="DIR", help="as of `run`")
    parser.add_argument("--name", default="local", help="of the deployments (local)")
    parser.add_argument("--limit", type=int, default=1, help="runs at a time (1)")
    parser.add_argument("--cron", help='start the whole run by itself, such as "0 3 * * *"')


def _serve_flows(options: Namespace) -> int:
    from flows.config import DEMO_CONFIG
    from flows.paths import default_output
    from flows.server.settings import prepare_environment

    prepare_environment(debug=True)  # what happens here is its log
    from flows.serve import serve

    config = options.config or DEMO_CONFIG
    output: Location = options.output or default_output(config)
    serve(config, output, options.name, options.limit, options.cron)
    return 0


SERVE = Command(
    "serve", "start runs that are asked for on a Prefect server", _add_options, _serve_flows
)

"""What a stage costs that is already complete, beside a script with one empty Prefect flow.

    python -m tests.benchmarks.complete --times 5

Both run in turn, first without a Prefect server, so that each starts one of its own, then with one
that runs already, as on a machine where somebody watches.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from flows.config import to_toml
from flows.server.settings import prepare_environment
from flows.server.temporary import temporary_server
from tests.benchmarks.corpus import write_corpus
from tests.benchmarks.job import make_config
from tests.benchmarks.measure import Cost, cost_of_children
from tests.benchmarks.tables import Row, Table, to_text

_EMPTY_FLOW = "from prefect import flow\n\n@flow\ndef empty():\n    pass\n\nempty()\n"
_TEXT_BYTES = 20_000


def compare(folder: Path, times: int, environment: Mapping[str, str]) -> Row:
    """Medians of the seconds that both take, and their ratios."""
    script, toml = folder / "empty.py", folder / "small.toml"
    ours = ["-m", "flows", "sentences", str(toml), f"--output={folder / 'run'}"]
    _cost(ours, environment)  # makes the stage
    pairs = [(_cost(ours, environment), _cost([str(script)], environment)) for _ in range(times)]
    wall = [statistics.median(pair[who].wall_seconds for pair in pairs) for who in (0, 1)]
    cpu = [statistics.median(pair[who].cpu_seconds for pair in pairs) for who in (0, 1)]
    return {
        "ours, s": wall[0],
        "empty flow, s": wall[1],
        "ratio": wall[0] / wall[1],
        "ours, core-s": cpu[0],
        "empty flow, core-s": cpu[1],
        "ratio of core-s": cpu[0] / cpu[1],
    }


def _cost(arguments: Sequence[str], environment: Mapping[str, str]) -> Cost:
    command, settings = [sys.executable, *arguments], {**os.environ, **environment}
    # Python keeps what it has compiled, as it does for everybody.
    settings.pop("PYTHONDONTWRITEBYTECODE", None)
    return cost_of_children(
        lambda: subprocess.run(command, env=settings, capture_output=True, check=True)
    )[1]


def _prepare(folder: Path) -> None:
    """What both run: a configuration with its text, and a script."""
    config = make_config(
        write_corpus(folder / "texts", _TEXT_BYTES), workers=1, vocabulary_size=500, num_shards=4
    )
    (folder / "small.toml").write_text(to_toml(config), encoding="utf-8")
    (folder / "empty.py").write_text(_EMPTY_FLOW, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare them and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.complete", description=__doc__
    )
    parser.add_argument("--times", type=int, default=5, help="how often each runs (5)")
    given = parser.parse_args(arguments)
    prepare_environment()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bertdata-complete-")))
        _prepare(folder)
        alone = compare(folder, given.times, {})
        server, wait = stack.enter_context(temporary_server())
        wait()
        watched = compare(folder, given.times, server.for_clients)
    rows = ({"server": "its own", **alone}, {"server": "runs already", **watched})
    note = "Wanted: ratios of at most 0.7 and 1.3."
    print(to_text(Table(title="A complete stage and an empty flow", rows=rows, note=note)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

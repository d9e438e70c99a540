"""Fuzzing of everything that reads files: `python -m tests.fuzz --minutes 60`.

Guided by coverage: an input that takes a step from one line to another that no input took before
joins the seeds. Each target runs in a process of its own, so that a crash of the interpreter is a
finding like any other. One seed draws the same inputs, for as long as the time lasts.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.tables import Table, to_text
from tests.fuzz.loop import fuzz
from tests.fuzz.readers import reader_targets
from tests.fuzz.stage_files import stage_targets
from tests.fuzz.targets import Target

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def all_targets(folder: Path) -> list[Target]:
    """Readers and stage files. `folder`: for the finished run that the latter start from."""
    shared = SHARED if SHARED.is_dir() else None
    return [*reader_targets(shared), *stage_targets(folder)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a row a target; 1 when there are findings."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="in all (%(default)g)")
    parser.add_argument("--inputs", type=int, default=1 << 60, help="of each target at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--only", default="", help="targets whose names begin so")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        targets = [t for t in all_targets(Path(folder)) if t.name.startswith(options.only)]
        seconds = options.minutes * 60 / max(1, len(targets))
        rows, found = [], 0
        for target in targets:
            place = options.findings / target.name.replace("/", "-")
            outcome = fuzz(target, seconds, options.seed, place, options.inputs)
            found += len(outcome.findings)
            rows.append(
                {
                    "target": target.name,
                    "inputs": outcome.tried,
                    "CPU seconds": round(outcome.cpu_seconds, 1),
                    "findings": len(outcome.findings),
                }
            )
            print(rows[-1], *(f"  {path}" for path in outcome.findings), sep="\n", flush=True)
    total = {name: sum(row[name] for row in rows) for name in ("inputs", "CPU seconds", "findings")}
    print(to_text(Table(title="Fuzzing", rows=(*rows, {"target": "all", **total}))))
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())

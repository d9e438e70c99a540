"""Planted near duplicates through the sentences job: `python -m tests.benchmarks.near_duplicates`.

Copies with more and more words changed, and how many of them go as near duplicates; their true
similarity, the share of common runs of five words, says how many should.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from pipelines.options import RunnerConfig
from tests.benchmarks.tables import Row, Table, to_text
from tests.pipelines.test_duplicates import make_plan, prose, rows, with_changes, write_jsonl
from tests.runs import make_stage

CHANGES = (1, 2, 4, 8, 16, 32, 64)
SIMILARITY = 0.8


def similarity(one: str, other: str) -> float:
    """The share of common runs of five words, 0 to 1."""
    first, second = (
        {tuple(words[i : i + 5]) for i in range(len(words) - 4)}
        for words in (one.split(), other.split())
    )
    return len(first & second) / len(first | second)


def measure(folder: Path, number: int) -> Table:
    """A row for each number of changed words, and one for all."""
    originals = [prose(i, 300) for i in range(number * len(CHANGES))]
    copies = {
        f"{changed}-{i}": (originals[at * number + i], changed, i)
        for at, changed in enumerate(CHANGES)
        for i in range(number)
    }
    texts = {name: with_changes(*copy) for name, copy in copies.items()}
    write_jsonl(folder / "one-a.jsonl", [(f"original-{i}", t) for i, t in enumerate(originals)])
    write_jsonl(folder / "two-b.jsonl", list(texts.items()))
    plan = make_plan(folder, folder / "out", near_duplicates="drop")
    make_stage(plan, RunnerConfig(workers=2))
    gone = {row["document"] for row in rows(plan.folder, "rejected-*")}
    true = {name: similarity(texts[name], copies[name][0]) for name in texts}
    table = [_row(changed, true, gone) for changed in CHANGES]
    similar = {name for name, value in true.items() if value >= SIMILARITY}
    recall, precision = len(gone & similar) / len(similar), len(gone & similar) / len(gone)
    note = f"recall {recall:.3f}, precision {precision:.3f} at a similarity of {SIMILARITY}"
    return Table(title="Near duplicates of 300 words", rows=tuple(table), note=note)


def _row(changed: int, true: dict[str, float], gone: set[str]) -> Row:
    names = [name for name in true if name.startswith(f"{changed}-")]
    return {
        "words changed": changed,
        "copies": len(names),
        "similarity": round(sum(true[name] for name in names) / len(names), 3),
        "dropped": sum(name in gone for name in names),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=100, help="for each number of changes")
    with tempfile.TemporaryDirectory() as folder:
        print(to_text(measure(Path(folder), parser.parse_args().copies)))


if __name__ == "__main__":
    main()

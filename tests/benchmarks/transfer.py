"""What pre-training brings: `python -m tests.benchmarks.transfer`, a table at the end.

Pre-trains tiny with `bertdata run` on film reviews and on the sentences of two tasks without their
labels (ten CPU minutes), then fine-tunes it with `bertdata finetune` on some labelled sentences,
and the same architecture from random parameters, three seeds each. Both arms choose among the same
learning rates, by the mean accuracy on the validation sentences; the table shows accuracy on test
sentences that neither pre-training nor fine-tuning saw.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertdata.randomness import permutation
from bertdata.storage.writing import write_text
from tests.benchmarks.tables import Row, Table, to_text, write_results
from trainer.tuning.finetune import RESULTS_NAME

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "classification"
# Archive, then the file and label of each class.
TASKS = {
    "sentence_polarity": {"rt-polarity.neg": "negative", "rt-polarity.pos": "positive"},
    "subjectivity": {"plot.tok.gt9.5000": "objective", "quote.tok.gt9.5000": "subjective"},
}
SPLITS = ("test", "validation", "train")
# The recipe of the demo, on single segments, masked afresh in every epoch.
CONFIG = """
seed = 12345

[[corpus]]
name = "reviews"
format = "lines"
paths = ["reviews.txt"]

[[corpus]]
name = "sentences"
format = "lines"
paths = ["sentences.txt"]

[vocab]
size = 16000

[examples]
dupe_factor = 4
next_sentence = false
masking = "dynamic"
validation_fraction = 0.02
num_shards = 16

[runner]
workers = 1

[train]
model = "tiny"
steps = {steps}
batch_size = 64
learning_rate = 2e-3
dropout = 0.0
weight_decay = 0.0
beta2 = 0.98
optimizer = "muon"
muon_learning_rate = 5e-3
token_init = "cooccurrence"
position_init = "sinusoidal"
output_bias_init = "unigram"
output_candidates = 6144
group_by_length = 8
precision = "auto"
threads = 1
checkpoint_every = 0
log_every = 100
"""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A sentence and its label."""

    sentence: str
    label: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Pre-train once, fine-tune both arms, print and write."""
    options = make_parser().parse_args(arguments)
    work: Path = options.output
    splits = {task: split(read_task(options.data, task)) for task in TASKS}
    write_material(work, options, splits)
    call("run", work / "transfer.toml", "--output", work / "run")
    rows = [
        row
        for number in options.labels
        for task in TASKS
        for row in compare(work, task, splits[task], number, options)
    ]
    note = "Mean over seeds and standard deviation of a sample; rates chosen on validation."
    table = Table(title="Test accuracy, %", rows=tuple(rows), note=note)
    print(to_text(table))
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    minutes = (usage.ru_utime + usage.ru_stime) / 60
    write_results(work, [table], {"CPU minutes": minutes})
    print(f"\n{minutes:.1f} CPU minutes; written to {work}")
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The options, with defaults that take fifteen CPU minutes."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.transfer", description=__doc__
    )
    add = parser.add_argument
    add("--data", type=Path, default=DATA, help="folder with the three archives")
    add("--output", type=Path, default=Path("runs/transfer"), help="folder for all that is made")
    add("--steps", type=int, default=3000, help="of pre-training (3000)")
    add("--labels", type=_labels, default=[1000], help="labelled sentences, 0 for all (1000)")
    add("--epochs", type=int, default=6, help="of fine-tuning (6)")
    add("--rates", type=lambda text: text.split(","), default=["3e-4", "1e-3"])
    add("--seeds", default="1,2,3")
    return parser


def read_task(data: Path, task: str) -> list[Labelled]:
    """All sentences of an archive, in an order of chance that is always the same."""
    with zipfile.ZipFile(data / f"{task}.zip") as archive:
        rows = [
            Labelled(line.strip(), label)
            for name, label in TASKS[task].items()
            for line in archive.read(f"{task}/{name}").decode("utf-8").splitlines()
        ]
    return [rows[i] for i in permutation(len(rows), key=0)]


def split(rows: list[Labelled]) -> dict[str, list[Labelled]]:
    """A tenth to test, a tenth to choose by, the rest to train on."""
    tenth = len(rows) // 10
    parts = (rows[:tenth], rows[tenth : 2 * tenth], rows[2 * tenth :])
    return dict(zip(SPLITS, parts))


def write_material(
    work: Path, options: argparse.Namespace, splits: dict[str, dict[str, list[Labelled]]]
) -> None:
    """The configuration and its two corpora; no held-out sentence of either task is in them."""
    held_out = {
        row.sentence
        for parts in splits.values()
        for name in ("test", "validation")
        for row in parts[name]
    }
    seen = dict.fromkeys(row.sentence for parts in splits.values() for row in parts["train"])
    sentences = [sentence for sentence in seen if sentence not in held_out]
    reviews = read_reviews(options.data / "movie_reviews.zip", held_out)
    write_text(work / "sentences.txt", "\n\n".join(sentences) + "\n")
    write_text(work / "reviews.txt", "\n\n".join(reviews) + "\n")
    write_text(work / "transfer.toml", CONFIG.format(steps=options.steps))


def read_reviews(path: Path, held_out: set[str]) -> Iterator[str]:
    """Each review, a sentence a line."""
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".txt"):
                lines = map(str.strip, archive.read(name).decode("latin-1").splitlines())
                yield "\n".join(line for line in lines if line and line not in held_out)


def compare(
    work: Path,
    task: str,
    parts: dict[str, list[Labelled]],
    number: int,
    options: argparse.Namespace,
) -> Iterator[Row]:
    """Both arms on one task with so many labelled sentences."""
    folder = work / f"{task}-{number or 'all'}"
    for name, rows in {**parts, "train": parts["train"][: number or None]}.items():
        lines = ["sentence\tlabel", *(f"{row.sentence}\t{row.label}" for row in rows)]
        write_text(folder / f"{name}.tsv", "\n".join(lines) + "\n")
    arms = {"from scratch": ["--from-scratch"], "pre-trained": []}
    results = {arm: best_of_rates(work, folder, extra, options) for arm, extra in arms.items()}
    accuracies = {arm: result["test"]["accuracy"] for arm, result in results.items()}
    for arm, accuracy in accuracies.items():
        gain = accuracy["mean"] - accuracies["from scratch"]["mean"]
        yield {
            "task": task,
            "labels": results[arm]["rows"]["train"],
            "start": arm,
            "rate": f"{results[arm]['config']['learning_rate']:g}",
            **{
                f"seed {run['seed']}": f"{100 * run['test']['accuracy']:.1f}"
                for run in results[arm]["seeds"]
            },
            "mean": f"{100 * accuracy['mean']:.1f} ± {100 * accuracy['std']:.1f}",
            "gain": "" if arm == "from scratch" else f"{100 * gain:+.1f}",
        }


def best_of_rates(
    work: Path, folder: Path, extra: Sequence[str], options: argparse.Namespace
) -> dict[str, Any]:
    """results.json of the rate with the best mean accuracy on the validation sentences."""
    found = []
    for rate in options.rates:
        output = folder / f"tuned{''.join(extra)}-{rate}-{options.epochs}"
        files = [f"--{name}={folder / name}.tsv" for name in SPLITS]
        how = [f"--epochs={options.epochs}", f"--learning-rate={rate}", f"--seeds={options.seeds}"]
        quick = ["--threads=1", "--precision=auto", "--text=sentence"]
        if not is_done(output):
            call(
                "finetune", work / "run" / "model", *files, "--output", output, *how, *quick, *extra
            )
        found.append(read_results(output))
    return max(found, key=lambda result: float(result["validation"]["accuracy"]["mean"]))


def is_done(output: Path) -> bool:
    """Whether an earlier benchmark in the same folder got through all seeds here."""
    if not (output / RESULTS_NAME).exists():
        return False
    results = read_results(output)
    return len(results["seeds"]) == len(results["config"]["seeds"])


def read_results(output: Path) -> dict[str, Any]:
    """What `bertdata finetune` wrote."""
    table: dict[str, Any] = json.loads((output / RESULTS_NAME).read_bytes())
    return table


def call(*arguments: str | Path) -> None:
    """Run a command of `bertdata` and wait for it."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "flows", *map(str, arguments)]
    print("$ bertdata", *map(str, arguments), flush=True)
    subprocess.run(command, check=True, env=environment)


def _labels(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())

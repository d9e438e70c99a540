"""A run whose documents, names and pieces try to be markup, and what may lie beside it."""

from __future__ import annotations

import json
from pathlib import Path

from bertdata.storage.writing import write_json
from flows.paths import RunPaths
from tests.runs import make_run, some_documents

_RESULTS = {
    "mlm_loss": 5.25,
    "unigram_loss": 6.5,
    "is_reliable": False,
    "validation_pieces": 213,
    "validation_documents": 4,
    "nsp_accuracy": 0.75,
    "steps": 1000,
}
SCRIPT = "<script>alert(1)</script>"


def hostile_run(folder: Path) -> RunPaths:
    """Sentences, vocabulary, examples and the results of a training; two documents rejected."""
    documents: dict[str, str | bytes] = {
        **some_documents(),
        "<script>alert(2).txt": " ".join([f'{SCRIPT} & "<b>more</b>" \' is text.'] * 30),
        "bad.txt": b"\xff",
        "<u>.txt": b"\xfe" + SCRIPT.encode(),
    }
    paths = make_run(folder, documents, corpus={"name": f"{SCRIPT} & more"})
    paths.model.mkdir()
    write_json(paths.model / "results.json", _RESULTS)
    lines: list[dict[str, float | None]] = [
        {
            "step": step,
            "mlm_loss": 5 + 300 / step,
            "mlm_accuracy": 0.1,
            "nsp_accuracy": None,
            "tokens_per_second": 1e5,
        }
        for step in range(1, 1001)
    ]
    lines += [{"step": 500, "validation_mlm_loss": 5.5, "validation_nsp_loss": None}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (paths.model / "metrics.jsonl").write_text(text + '{"step": 1001, "mlm')
    return paths


def add_finetuning(folder: Path, *, finished: bool = True) -> None:
    """The results of a fine-tuning, as `trainer.tuning` writes them."""
    table = {
        "format": "bertdata-finetuned",
        "config": {"task": "classification"},
        "rows": {"train": 90, "validation": 10},
        "seeds": [{"seed": 1}, {"seed": 2}],
        "validation": {"accuracy": {"mean": 0.875, "std": 0.125}},
        "finished": finished,
    }
    write_json(folder / "results.json", table)

"""The card of an exported model: what it is, how it was trained, what it reached."""

from __future__ import annotations

from collections.abc import Iterator

from bertdata.exports.cards import CARD_NAME, UNKNOWN_LICENCE, make_card, table_lines
from bertdata.storage.writing import write_text
from trainer.pretraining.results import Results
from trainer.pretraining.run import Run

_HEAD = {
    "library_name": "transformers",
    "pipeline_tag": "fill-mask",
    "license": UNKNOWN_LICENCE,
    "tags": ["bert", "pre-training", "bertdata"],
}
_PROGRAM = """\
from transformers import AutoTokenizer, BertForPreTraining

tokenizer = AutoTokenizer.from_pretrained("FOLDER")  # or its name on the hub
model = BertForPreTraining.from_pretrained("FOLDER")"""


def write_model_card(run: Run, results: Results) -> None:
    """Write README.md beside the weights of a finished run."""
    write_text(run.output / CARD_NAME, make_card(_HEAD, _body(run, results)))


def _body(run: Run, results: Results) -> Iterator[str]:
    yield "# BERT pre-trained with bertdata"
    yield ""
    yield from table_lines(_model(run, results))
    yield from ("", "## Load", "", "```python", *_PROGRAM.splitlines(), "```")
    yield from ("", "## How it was trained", "")
    yield from table_lines(_training(run, results))
    yield from ("", "## What it reached", "")
    yield from table_lines(_reached(results))
    yield ""
    yield (
        "Losses are in nats, on held-out documents; the unigram loss is that of the training "
        "pieces' frequencies alone."
    )
    yield from ("", "## Source and licence", "")
    yield (
        "Unknown: fill in on which text and language it was trained, who may use it, and what it "
        "must not be used for."
    )


def _model(run: Run, results: Results) -> dict[str, object]:
    shape = run.model.config
    return {
        "parameters": results.parameters,
        "layers, width, heads": f"{shape.num_layers}, {shape.hidden_size}, {shape.num_heads}",
        "vocabulary": f"{run.readers.phases[0].vocabulary.size:,} pieces",
        "longest sequence": f"{shape.max_positions} pieces",
    }


def _training(run: Run, results: Results) -> dict[str, object]:
    first = run.readers.phases[0]
    return {
        "examples": first.num_rows,
        "`content_sha256` of the examples": first.manifest.content_sha256,
        "next-sentence prediction": first.next_sentence,
        "steps": results.exported_step,
        "tokens in all steps": results.tokens,
        "optimizer, learning rate": (
            f"{run.config.optimizer.optimizer}, {run.config.optimizer.learning_rate:g}"
        ),
        "started from": "another model" if run.config.model.init_from else "random values",
        "`seed`": str(run.seed),
    }


def _reached(results: Results) -> dict[str, object]:
    shown = {
        "MLM loss": _number(results.mlm_loss, results.mlm_loss_error),
        "unigram loss": _number(results.unigram_loss, results.unigram_loss_error),
        "MLM accuracy": _share(results.mlm_accuracy),
        "NSP accuracy": _share(results.nsp_accuracy),
        "predicted pieces": results.validation_pieces,
        "documents": results.validation_documents,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _number(value: float | None, error: float | None) -> str | None:
    if value is None:
        return None
    return f"{value:.3f}" if error is None else f"{value:.3f} ± {error:.3f}"


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.1%}"

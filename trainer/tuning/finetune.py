"""Fine-tuning: a pre-trained model and labelled rows in, a model of the task out.

Each seed is a separate run: a new head, another order of rows, other dropout. Each keeps its best
epoch by a validation score; of equal scores, the one with the lower loss. The best of all seeds is
written as a folder that `transformers.AutoModelForSequenceClassification` or
`…ForTokenClassification` loads, with results.json (every score of every epoch and seed) and its
predictions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from bertdata.config import Table, to_table
from bertdata.errors import ConfigError
from bertdata.notices import note
from bertdata.randomness import derive_key
from bertdata.storage.files import exists, read_bytes, remove_file
from bertdata.storage.locations import Address, Location
from bertdata.storage.writing import check_writable, write_json, write_text
from trainer.command import print_numbers
from trainer.device import find_device
from trainer.models.bert import Bert
from trainer.models.export import check_model, load_encoder, load_shape, new_bert
from trainer.models.weights import WEIGHTS_NAME
from trainer.texts.encoder import TextEncoder
from trainer.tuning.config import FinetuneConfig
from trainer.tuning.data import TaskData, hold_out
from trainer.tuning.heads import TaskModel, export_task_model, task_config
from trainer.tuning.results import SeedResult, _prefixed, prediction_lines, seed_table, spread
from trainer.tuning.tasks import TaskRow, check_labels, label_names, read_task, read_test
from trainer.tuning.training import TaskTrainer, is_better

RESULTS_NAME = "results.json"
_PREDICTIONS_NAME = "predictions-{}.jsonl"
_HELD_OUT = 0.1
_KIND = "bertdata-finetuned"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Splits:
    """Rows to train on, to choose the best epoch by, and to predict (and score) at the end.

    `labels`: the names in use in the training file; none for regression.
    """

    train: list[TaskRow]
    validation: list[TaskRow]
    test: list[TaskRow] | None
    labels: tuple[str, ...]


def finetune(
    *,
    model: Location,
    train: Location,
    output: Location,
    config: FinetuneConfig,
    validation: Location | None = None,
    test: Location | None = None,
    overwrite: bool = False,
) -> Table:
    """Train all seeds; write the best model, its predictions and results.json; return the results.

    They are written after each seed: they are the best so far, and results.json says whether all
    seeds are `finished`. `validation`: None holds out a tenth of the training rows,
    always the same ones. `test`: rows without labels are only predicted.

    Raises ConfigError if `output` holds a model of another kind, or, unless `overwrite`, a finished
    one of this kind.
    """
    _check_output(output, model, overwrite)
    if isinstance(output, Address):
        check_writable(output)  # a folder of this machine is held already
    check_model(model)
    if config.threads:
        torch.set_num_threads(config.threads)
    job = _Job(model, _read_splits(train, validation, test, config), config)
    results: list[SeedResult] = []
    for seed in config.seeds:
        result, tuned = job.run(seed)
        results.append(result)
        best = _best_of(results, config.selection)
        summary = {**job.summarize(results, best), "finished": False}
        write_json(output / RESULTS_NAME, summary)
        if best is result:
            job.write(output, tuned)
    summary["finished"] = True
    write_json(output / RESULTS_NAME, summary)
    return summary


class _Job:
    """A task: its data, encoded, and the folder of the model to start from."""

    def __init__(self, folder: Location, splits: _Splits, config: FinetuneConfig) -> None:
        self._folder, self._config = folder, config
        self._shape = load_shape(folder, dropout=config.dropout)
        length = min(config.max_seq_length, self._shape.max_positions)
        encoder = TextEncoder(folder, length, self._shape)
        self._labels = splits.labels
        self._train = TaskData(splits.train, encoder, self._labels)
        self._validation = TaskData(splits.validation, encoder, self._labels)
        self._test = TaskData(splits.test, encoder, self._labels) if splits.test else None
        self._trainer = TaskTrainer(config, self._labels, find_device(config.device), print_numbers)
        self._report_data(encoder.max_seq_length)

    def run(self, seed: int) -> tuple[SeedResult, TaskModel]:
        """Train and score one seed; return its result and the model of its best epoch."""
        model = self._new_model(seed)
        trained = self._trainer.train(model, self._train, self._validation, seed=seed)
        scores = None
        if self._test is not None and self._test.is_labelled:
            scores = self._trainer.evaluate(model, self._test)
            print_numbers(
                {"seed": seed, "best_epoch": trained.best.epoch, **_prefixed("test", scores)}
            )
        return SeedResult(trained=trained, test=scores), model

    def summarize(self, results: Sequence[SeedResult], best: SeedResult) -> dict[str, object]:
        """Return the contents of results.json."""
        table: dict[str, object] = {
            "format": _KIND,
            "model": str(self._folder),
            "config": to_table(self._config),
            "labels": list(self._labels),
            "rows": {name: len(data) for name, data in self._all_data()},
            "texts_cut": {name: data.num_cut for name, data in self._all_data()},
            "seeds": [seed_table(result) for result in results],
            "best_seed": best.trained.seed,
            "validation": spread([result.trained.best.validation for result in results]),
        }
        tests = [result.test for result in results if result.test is not None]
        return {**table, "test": spread(tests)} if tests else table

    def write(self, output: Location, model: TaskModel) -> None:
        """Write a model and its predictions."""
        config = task_config(model, self._labels)
        export_task_model(model, config, output, tokenizer=self._folder)
        remove_file(output / _PREDICTIONS_NAME.format("test"))
        for name, data in self._all_data():
            if name != "train":
                logits_NC = self._trainer.predict(model, data)
                lines = prediction_lines(data, logits_NC, self._labels)
                write_text(output / _PREDICTIONS_NAME.format(name), "".join(lines))

    def _new_model(self, seed: int) -> TaskModel:
        """Make the model that a seed starts from; its random parameters follow from the seed."""
        torch.manual_seed(derive_key(seed, "initial head") >> 1)
        bert, missing = self._new_bert()
        if seed == self._config.seeds[0]:
            _note_random_parts(self._folder, missing, self._config)
        model = TaskModel(bert, max(1, len(self._labels)), per_word=self._config.task == "tagging")
        if not self._labels:
            torch.nn.init.constant_(model.classifier.bias, float(self._train.targets().mean()))
        return model

    def _new_bert(self) -> tuple[Bert, list[str]]:
        if self._config.from_scratch:
            return new_bert(self._shape), []
        return load_encoder(self._folder, dropout=self._config.dropout)

    def _all_data(self) -> Iterator[tuple[str, TaskData]]:
        yield "train", self._train
        yield "validation", self._validation
        if self._test is not None:
            yield "test", self._test

    def _report_data(self, length: int) -> None:
        rows = ", ".join(f"{len(data):,} {name}" for name, data in self._all_data())
        cut = sum(data.num_cut for _, data in self._all_data())
        print(f"rows: {rows}; {cut:,} texts cut at {length} pieces", flush=True)
        if self._test is not None and not self._test.is_labelled:
            print("test: no labels (missing, empty or -1): predicted, not scored", flush=True)
        if self._labels:
            print(f"labels: {', '.join(self._labels)}", flush=True)


def _read_splits(
    train: Location, validation: Location | None, test: Location | None, config: FinetuneConfig
) -> _Splits:
    rows = read_task(train, config)
    labels = () if config.task == "regression" else label_names(rows, str(train))
    if validation is not None:
        kept, chosen = rows, read_task(validation, config)
    elif len(rows) < 2:
        raise ConfigError(f"{train} has one row, too few to hold out a part; add --validation")
    else:
        kept, chosen = hold_out(rows, _HELD_OUT)
    test_rows = read_test(test, config, rows) if test is not None else None
    if labels:
        check_labels([*chosen, *(test_rows or [])], labels)
    return _Splits(train=kept, validation=chosen, test=test_rows, labels=labels)


def _note_random_parts(folder: Location, missing: Sequence[str], config: FinetuneConfig) -> None:
    """Note the parameters that the folder lacks. Tagging does not use the pooler."""
    if config.from_scratch:
        note("all parameters have a random start, as --from-scratch asks for")
        return
    lacks_pooler = config.task != "tagging" and any(n.startswith("pooler.") for n in missing)
    pooler = f", and so has the pooler, which {folder} lacks" if lacks_pooler else ""
    note(f"the head of the task has a random start{pooler}")


def _best_of(results: Sequence[SeedResult], name: str) -> SeedResult:
    """Return the best seed, of equal ones the first."""
    best = results[0]
    for result in results[1:]:
        if is_better(result.trained.best.validation, best.trained.best.validation, name):
            best = result
    return best


def _check_output(output: Location, model: Location, overwrite: bool) -> None:
    """Raise ConfigError if `output` holds what fine-tuning may not replace."""
    if _is_same(output, model):
        raise ConfigError(f"{output} holds the model to start from; choose another --output")
    if not exists(output / WEIGHTS_NAME):
        return
    try:
        earlier = dict(json.loads(read_bytes(output / RESULTS_NAME)))
    except (OSError, ValueError, TypeError):
        earlier = {}
    if earlier.get("format") != _KIND:
        raise ConfigError(f"{output} holds a model of another kind; choose another --output")
    if earlier.get("finished", True) and not overwrite:
        raise ConfigError(
            f"{output} holds a finished model; choose another --output, or add --overwrite to "
            "replace it"
        )


def _is_same(first: Location, second: Location) -> bool:
    """Whether two locations are one; symbolic links are followed."""
    if isinstance(first, Path) and isinstance(second, Path):
        return first.resolve() == second.resolve()
    return first == second

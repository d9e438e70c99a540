"""A phase of a run: the batches of its examples, and how their gradients are computed."""

from __future__ import annotations

import json
from dataclasses import dataclass

import torch

from bertdata.errors import ConfigError
from bertdata.reader.example_reader import ExampleReader
from bertdata.storage.files import exists, read_bytes
from bertdata.storage.writing import write_json
from trainer.attention import choose_kernel
from trainer.batch import to_device
from trainer.decoder_loss import Candidates, DecoderLoss, whole_decoder_loss
from trainer.device import compute_dtype
from trainer.pretraining.batches import Batches, PackedBatches, PaddedBatches
from trainer.pretraining.gradients import Gradients, StepPlan
from trainer.pretraining.loader import Loader
from trainer.pretraining.measures.piece_counts import count_masked_pieces
from trainer.pretraining.run import Run

ATTENTION_NAME = "attention.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """The examples that a run trains on at present, their loader, and their gradients."""

    reader: ExampleReader
    loader: Loader
    gradients: Gradients


def open_phase(run: Run) -> Phase:
    """Open the phase in which the run is, at its position. Raises ConfigError."""
    reader = run.readers.phases[run.progress.phase - 1]
    batches = _make_batches(reader, run)
    machine = run.config.machine
    return Phase(
        reader=reader,
        loader=Loader(
            batches, run.progress.position, ranks=run.ranks, workers=machine.loader_workers
        ),
        gradients=Gradients(
            run.model,
            _plan_step(run, reader, batches),
            seed=run.seed,
            num_parts=batches.parts,
            dtype=compute_dtype(machine.precision, run.ranks.device),
            next_sentence=reader.next_sentence,
        ),
    )


def is_phase_over(run: Run) -> bool:
    """Whether it is time for phase 2."""
    if run.progress.phase == len(run.readers.phases):
        return False
    return run.used >= (1 - run.config.batches.phase2_fraction) * run.budget.total


def _make_batches(reader: ExampleReader, run: Run) -> Batches:
    options = run.config.batches
    parts = options.accumulate * run.ranks.size
    if options.batch_tokens:
        return PackedBatches(reader, batch_tokens=options.batch_tokens, seed=run.seed, parts=parts)
    batch_size = options.batch_size
    if run.progress.phase == 2 and options.phase2_batch_size is not None:
        batch_size = options.phase2_batch_size
    return PaddedBatches(
        reader,
        batch_size=batch_size,
        seed=run.seed,
        window=options.group_by_length,
        parts=parts,
    )


def _plan_step(run: Run, reader: ExampleReader, batches: Batches) -> StepPlan:
    compiled, on_gpu = run.config.machine.compile, run.ranks.device.type == "cuda"
    if isinstance(batches, PackedBatches):
        is_compiled = compiled == "on" or (compiled == "auto" and on_gpu)
        kernel = _choose_attention(run, batches)
        return StepPlan(decoder_loss=whole_decoder_loss, kernel=kernel, is_compiled=is_compiled)
    if compiled == "on":
        raise ConfigError(
            "compile = 'on' needs the fixed shapes of batch_tokens; set batch_tokens, "
            "or compile = 'auto'"
        )
    if not (number := run.config.model.output_candidates):
        return StepPlan(decoder_loss=DecoderLoss())
    counts_V = torch.from_numpy(count_masked_pieces(reader, seed=run.seed))
    return StepPlan(decoder_loss=DecoderLoss(Candidates(counts_V, number)))


def _choose_attention(run: Run, batches: PackedBatches) -> str:
    """Return the kernel: as configured, as chosen before the run was resumed, or measured."""
    if run.config.machine.attention != "auto":
        return run.config.machine.attention
    if run.ranks.device.type != "cuda":
        return "plain"
    return run.ranks.text_from_first(_measure_attention(run, batches) if run.ranks.is_first else "")


def _measure_attention(run: Run, batches: PackedBatches) -> str:
    path, phase = run.output / ATTENTION_NAME, str(run.progress.phase)
    table: dict[str, dict[str, object]] = json.loads(read_bytes(path)) if exists(path) else {}
    if phase not in table:
        shape = run.model.config
        batch = to_device(batches.read(batches.rows_at(0), 0), run.ranks.device)
        kernel, milliseconds = choose_kernel(
            batch.sequences,
            num_heads=shape.num_heads,
            width=shape.hidden_size,
            dtype=compute_dtype(run.config.machine.precision, run.ranks.device),
            dropout=shape.attention_dropout_or_dropout,
        )
        table[phase] = {"kernel": kernel, "milliseconds": milliseconds}
        write_json(path, table)
        shown = "  ".join(f"{name} {value:.2f} ms" for name, value in milliseconds.items())
        print(f"attention: {kernel}, the fastest of  {shown}", flush=True)
    return str(table[phase]["kernel"])

"""What pre-training reaches on this device, and what each step towards it brings.

    python -m tests.benchmarks.gpu --output DIR [--vocab DIR --examples-128 DIR --examples-512 DIR]

First the ceilings (matrix products of the model's shapes, attention, copies), then the same
training step built up: eager, compiled, with the vocabulary head at masked places only, packed,
with the fastest attention, in larger micro-batches. Then 100 steps of `trainer.pretrain` as users
run it, with reader, optimiser and log, beside the figures to reach on an H200; and, where real
examples are given, ten minutes of pre-training from scratch. Without examples, random ones of the
usual lengths are made. Needs torch, numpy, pyarrow, tokenizers, safetensors, and the folders
bertdata, trainer and tests/benchmarks. `--quick` tries the program itself, on any machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from bertdata.reader.example_reader import ExampleReader
from bertdata.tokens.vocabulary import read_vocabulary
from tests.benchmarks.gpu_data import in_rows, with_full_head, write_examples
from tests.benchmarks.tables import Row, Table, to_text, write_results
from trainer.attention import choose_kernel
from trainer.batch import Counts, PackedBatch, to_device
from trainer.decoder_loss import whole_decoder_loss
from trainer.device import HostCopy, compute_dtype, find_device
from trainer.models.bert import Bert, pad_vocabulary
from trainer.optim.optimizers import Optimizers, clip_gradients
from trainer.pretrain import pretrain
from trainer.pretraining.batches import PackedBatches
from trainer.pretraining.config import TrainConfig
from trainer.pretraining.gradients import Gradients, StepPlan
from trainer.pretraining.measures.flops import peak_flops, step_flops

# Real tokens a second on one H200: what to reach, and below what something is wrong.
WANTED = {
    ("base", 128): (900_000, 600_000),
    ("base", 512): (850_000, 570_000),
    ("large", 128): (280_000, 210_000),
    ("large", 512): (260_000, 202_000),
}
_Step = Callable[[int, PackedBatch], None]  # a training step over one batch
_MICRO_BATCHES = (16_384, 32_768, 65_536, 131_072)
_PLATEAU_LOSS = 6.3  # what training stays above until it begins to use context
_RECIPE: dict[str, Any] = {"dropout": 0.0, "precision": "bf16", "learning_rate": 5e-4}
# What left the plateau after 8 million tokens; AdamW alone was still there after 25 million.
_LEARNING: dict[str, Any] = {
    "optimizer": "muon",
    "muon_learning_rate": 1e-3,
    "position_init": "sinusoidal",
    "output_bias_init": "unigram",
    "beta2": 0.98,
    "warmup_fraction": 0.05,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """What is measured on. `steps`: of each variant; `micro_batches`: tokens, the first also for
    the variants before them."""

    device: torch.device
    output: Path
    vocab: Path
    examples: dict[int, Path]
    models: tuple[str, ...]
    steps: int
    micro_batches: tuple[int, ...]
    recipe: dict[str, Any]
    is_real: bool
    minutes: float

    def reader(self, length: int) -> ExampleReader:
        """The examples of this length."""
        vocabulary = read_vocabulary(self.vocab / "vocab.txt")
        return ExampleReader(self.examples[length], vocabulary)

    @property
    def dtype(self) -> torch.dtype:
        """What matrices are multiplied in."""
        return compute_dtype(self.recipe["precision"], self.device)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write results.json and results.md."""
    options = make_parser().parse_args(arguments)
    setting = make_setting(options)
    tables: list[Table] = []
    for part in options.only:
        for table in PARTS[part](setting):
            print(to_text(table), flush=True)
            tables.append(table)
            write_results(setting.output, tables, facts(setting))
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gpu", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder for results and runs")
    parser.add_argument("--vocab", type=Path, help="the vocabulary of the examples")
    parser.add_argument("--examples-128", type=Path, help="examples of up to 128 pieces")
    parser.add_argument("--examples-512", type=Path, help="examples of up to 512 pieces")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--models", nargs="+", default=["base", "large"])
    parser.add_argument("--steps", type=int, default=100, help="of a whole run (100)")
    parser.add_argument("--minutes", type=float, default=10.0, help="of real pre-training (10)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--quick", action="store_true", help="next to nothing of everything")
    return parser


def make_setting(options: argparse.Namespace) -> Setting:
    """The device, and real examples or made ones."""
    quick, is_real = options.quick, options.vocab is not None
    examples = {128: options.examples_128, 512: options.examples_512}
    examples = {length: path for length, path in examples.items() if path is not None}
    vocab = options.vocab
    if not is_real:
        root, size = options.output / "data", 200 if quick else 30_522
        lengths = (16, 32) if quick else (128, 512)
        rows = {length: 60 if quick else 2_560_000 // length for length in lengths}
        examples = {
            length: write_examples(root, vocabulary_size=size, length=length, rows=number)
            for length, number in rows.items()
        }
        vocab = root / "vocab"
    shape = {"hidden_size": 16, "num_layers": 2, "num_heads": 2} if quick else {}
    return Setting(
        device=find_device(options.device),
        output=options.output,
        vocab=vocab,
        examples=examples,
        models=("tiny",) if quick else tuple(options.models),
        steps=4 if quick else options.steps,
        micro_batches=(96, 192) if quick else _MICRO_BATCHES,
        recipe={**_RECIPE, **shape},
        is_real=is_real or quick,
        minutes=0.01 if quick else options.minutes,
    )


def facts(setting: Setting) -> Row:
    """What the tables were measured on."""
    on_gpu = setting.device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(setting.device) if on_gpu else "cpu",
        "torch": torch.__version__,
        "precision": setting.recipe["precision"],
        "dropout": setting.recipe["dropout"],
        "examples": "real" if setting.is_real else "random pieces of the usual lengths",
    }


def ceilings(setting: Setting) -> Iterator[Table]:
    """What the device does at best: products of the model's shapes, attention, copies."""
    tokens = setting.micro_batches[0]
    rows: list[Row] = []
    for model in setting.models:
        shape = _shape(setting, model)
        width, inner, vocabulary = shape.hidden_size, shape.intermediate_size, shape.vocab_size
        masked = max(8, int(0.15 * tokens))
        for name, m, n, k in (
            ("query", tokens, width, width),
            ("expand", tokens, inner, width),
            ("contract", tokens, width, inner),
            ("vocabulary", masked, _round_up(vocabulary, 64), width),
            ("vocabulary, not filled up", masked, vocabulary, width),
        ):
            rate = 2.0 * m * n * k / _product_seconds(setting, m, n, k) / 1e12
            rows.append({"model": model, "product": name, "m": m, "n": n, "k": k, "TFLOP/s": rate})
    yield Table(title="Matrix products", rows=tuple(rows))
    yield Table(title="Attention, forwards and backwards", rows=tuple(_attention_rows(setting)))
    yield Table(title="Copies", rows=tuple(_copy_rows(setting)))


def ladder(setting: Setting) -> Iterator[Table]:
    """The training step, built up."""
    for model in setting.models:
        for length in setting.examples:
            rows = tuple(_ladder_rows(setting, model, length))
            note = "Real tokens, without padding; MFU as in trainer.flops."
            yield Table(title=f"{model} at {length}: what each step brings", rows=rows, note=note)


def whole_runs(setting: Setting) -> Iterator[Table]:
    """`trainer.pretrain` as users run it, beside the figures to reach."""
    rows = [
        _whole_run(setting, model, length)
        for model in setting.models
        for length in setting.examples
    ]
    note = "The first step includes compilation; the rates leave the first tenth of the steps out."
    yield Table(title="Whole runs", rows=tuple(rows), note=note)


def real_training(setting: Setting) -> Iterator[Table]:
    """Minutes of pre-training from scratch on real text."""
    if not setting.is_real:
        note = "Not run: it needs real text; give --vocab, --examples-128 and --examples-512."
        yield Table(title="Real pre-training", rows=(), note=note)
        return
    length = min(setting.examples)
    output = setting.output / "real"
    config = TrainConfig.of(
        **setting.recipe,
        **_LEARNING,
        model=setting.models[0],
        minutes=setting.minutes,
        batch_tokens=setting.micro_batches[-2] if len(setting.micro_batches) > 2 else 192,
        schedule="linear",
        device=setting.device.type,
        checkpoint_every=0,
        log_every=20,
    )
    results = _pretrain(setting, length, output, config)
    lines = _step_lines(output)
    shown = lines[: -1 : max(1, len(lines) // 20)] + lines[-1:]
    rows = [
        {
            "step": line["step"],
            "million tokens": line["tokens"] / 1e6,
            "MLM loss": line["mlm_loss"],
            "MLM accuracy": line["mlm_accuracy"],
            "tokens/s": line["tokens_per_second"],
        }
        for line in shown
    ]
    left = next((line["tokens"] for line in lines if line["mlm_loss"] < _PLATEAU_LOSS), None)
    note = (
        f"Held out at the end: MLM loss {results.mlm_loss}, unigram loss {results.unigram_loss}. "
        f"Below {_PLATEAU_LOSS}, the plateau, " + (f"after {left:,} tokens." if left else "never.")
    )
    title = f"{setting.minutes:g} minutes of {setting.models[0]} on real text"
    yield Table(title=title, rows=tuple(rows), note=note)


PARTS = {"ceilings": ceilings, "ladder": ladder, "runs": whole_runs, "real": real_training}


def _whole_run(setting: Setting, model: str, length: int) -> Row:
    output = setting.output / f"{model}-{length}"
    large = model == "large"
    tokens = setting.micro_batches[-2 if large else -1]
    warm_up = max(1, setting.steps // 10)
    config = TrainConfig.of(
        **setting.recipe,
        model=model,
        steps=setting.steps + warm_up,
        batch_tokens=tokens,
        device=setting.device.type,
        checkpoint_every=0,
        log_every=1,
    )
    _pretrain(setting, length, output, config)
    first, *lines = _step_lines(output)
    lines = lines[warm_up - 1 :]
    rate = statistics.harmonic_mean([line["tokens_per_second"] for line in lines])
    wanted, least = WANTED.get((model, length), (None, None))
    mfu = [line["mfu"] for line in lines if line["mfu"] is not None]
    return {
        "model": model,
        "length": length,
        "micro-batch": tokens,
        "tokens/s": rate,
        "to reach": wanted,
        "at least": least,
        "MFU": statistics.mean(mfu) if mfu else None,
        "data wait": statistics.mean(line["data_wait_share"] for line in lines),
        "padding": statistics.mean(line["padding_share"] for line in lines),
        "first step s": first["tokens"] / first["tokens_per_second"],
        "memory GB": lines[-1]["memory_bytes"] / 1e9,
    }


def _pretrain(setting: Setting, length: int, output: Path, config: TrainConfig) -> Any:
    torch._dynamo.reset()
    if setting.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(setting.device)
    return pretrain(
        examples=setting.examples[length],
        vocab=setting.vocab,
        output=output,
        config=config,
        resume=False,
    )


def _step_lines(output: Path) -> list[dict[str, Any]]:
    lines = map(json.loads, (output / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if "mlm_loss" in line]


def _ladder_rows(setting: Setting, model: str, length: int) -> Iterator[Row]:
    reader = setting.reader(length)
    first = setting.micro_batches[0]
    packs = PackedBatches(reader, batch_tokens=first, seed=0)
    padded = [
        in_rows(
            reader.batch_at(0, i * (first // length), first // length),
            length=length,
            predictions=first,
        )
        for i in range(3)
    ]
    masked = [_fewer_predictions(batch, packs.shape.predictions) for batch in padded]
    fastest = _fastest_attention(setting, model, packs)
    common = "efficient" if setting.device.type == "cuda" else "math"
    measure = _Measure(setting, model, first)
    yield measure.row("eager", [with_full_head(b) for b in padded], common, is_compiled=False)
    yield measure.row("compiled", [with_full_head(b) for b in padded], common)
    yield measure.row("masked places only", masked, common)
    yield measure.row("packed", _packs(packs, 3), common)
    yield measure.row(f"attention: {fastest}", _packs(packs, 3), fastest)
    for tokens in setting.micro_batches[1:]:
        larger = _packs(PackedBatches(reader, batch_tokens=tokens, seed=0), 3)
        measure = _Measure(setting, model, tokens)
        yield measure.row("larger micro-batch", larger, fastest)


@dataclass(frozen=True, slots=True)
class _Measure:
    """Runs training steps of a fresh model over a few batches, again and again.

    Nothing is compiled on a CPU.
    """

    setting: Setting
    model: str
    tokens: int

    def row(
        self, name: str, batches: list[PackedBatch], kernel: str, *, is_compiled: bool = True
    ) -> Row:
        """Tokens a second and MFU; a row that says so where memory does not suffice."""
        try:
            return {
                "step": name,
                "micro-batch": self.tokens,
                **self._run(batches, kernel, is_compiled=is_compiled),
            }
        except torch.cuda.OutOfMemoryError:
            torch.cuda.empty_cache()
            return {"step": name, "micro-batch": self.tokens, "note": "out of memory"}

    def _run(self, batches: list[PackedBatch], kernel: str, *, is_compiled: bool) -> Row:
        setting = self.setting
        torch._dynamo.reset()
        step = self._make_step(kernel, is_compiled=is_compiled)
        on_device = [to_device(batch, setting.device) for batch in batches]
        started = time.perf_counter()
        _do(step, on_device, 1)
        first_seconds = time.perf_counter() - started
        _do(step, on_device, 3)
        started = time.perf_counter()
        steps = max(3, setting.steps // 4)
        counts = _do(step, on_device, steps)
        seconds = time.perf_counter() - started
        peak = peak_flops(setting.device, 0.0)
        flops = step_flops(_shape(setting, self.model), counts)
        return {
            "tokens/s": counts.tokens / seconds,
            "MFU": flops / seconds / peak if peak else None,
            "ms a step": 1e3 * seconds / steps,
            "padding": 1 - counts.tokens / counts.places,
            "first step s": first_seconds,
        }

    def _make_step(self, kernel: str, *, is_compiled: bool) -> _Step:
        setting = self.setting
        config = TrainConfig.of(**setting.recipe, model=self.model)
        model = Bert(_shape(setting, self.model))
        pad_vocabulary(model, 64)
        model = model.to(setting.device)
        is_compiled = is_compiled and setting.device.type == "cuda"
        plan = StepPlan(decoder_loss=whole_decoder_loss, kernel=kernel, is_compiled=is_compiled)
        precision = config.machine.precision
        optimizers = Optimizers(model, config.optimizer, precision)
        dtype = compute_dtype(precision, setting.device)
        gradients = Gradients(model, plan, seed=0, num_parts=1, dtype=dtype, next_sentence=True)

        def step(number: int, batch: PackedBatch) -> None:
            sums = gradients.accumulate(number, [(0, batch)], batch.counts)
            norm = clip_gradients(model, config.optimizer.max_grad_norm)
            numbers = torch.cat([sums, norm[None]])
            numbers_on_host = HostCopy(numbers)
            optimizers.step(1e-3, numbers.isfinite().all())
            numbers_on_host.wait()

        return step


def _do(step: _Step, batches: list[PackedBatch], number: int) -> Counts:
    """`number` steps over the batches in turn; each ends when the device is done."""
    done = []
    for i in range(number):
        batch = batches[i % len(batches)]
        step(i, batch)
        done.append(batch.counts)
    return Counts.summed(done)


def _packs(batches: PackedBatches, number: int) -> list[PackedBatch]:
    packs, position = [], 0
    for _ in range(number):
        rows = batches.rows_at(position)
        packs.append(batches.read(rows, 0))
        position = rows.next_position
    return packs


def _fewer_predictions(batch: PackedBatch, number: int) -> PackedBatch:
    """The same with room for `number` pieces to predict, where that holds all there are."""
    number = max(number, batch.counts.masked)
    num_sequences = len(batch.next_sentence_labels_G)
    return replace(
        batch,
        wanted_Q=batch.wanted_Q[: num_sequences + number],
        masked_ids_N=batch.masked_ids_N[:number],
    )


def _fastest_attention(setting: Setting, model: str, batches: PackedBatches) -> str:
    kernel, _ = _choose(setting, model, batches)
    return kernel


def _attention_rows(setting: Setting) -> Iterator[Row]:
    for model in setting.models:
        for length in setting.examples:
            batches = PackedBatches(
                setting.reader(length), batch_tokens=setting.micro_batches[0], seed=0
            )
            kernel, milliseconds = _choose(setting, model, batches)
            times = {f"{name} ms": value for name, value in milliseconds.items()}
            yield {"model": model, "length": length, **times, "fastest": kernel}


def _choose(setting: Setting, model: str, batches: PackedBatches) -> tuple[str, dict[str, float]]:
    shape = _shape(setting, model)
    batch = to_device(batches.read(batches.rows_at(0), 0), setting.device)
    return choose_kernel(
        batch.sequences,
        num_heads=shape.num_heads,
        width=shape.hidden_size,
        dtype=setting.dtype,
        dropout=0.0,
    )


def _copy_rows(setting: Setting) -> Iterator[Row]:
    megabytes = 8 if setting.micro_batches[0] < 1000 else 1024
    host = torch.empty(megabytes << 20, dtype=torch.uint8)
    on_device = host.to(setting.device)
    target = torch.empty_like(on_device)
    seconds = _median_seconds(setting, lambda: target.copy_(on_device))
    yield {"copy": "on the device, read and written", "GB/s": 2 * len(host) / seconds / 1e9}
    if setting.device.type == "cuda":
        host = host.pin_memory()
    seconds = _median_seconds(setting, lambda: target.copy_(host, non_blocking=True))
    yield {"copy": "from the host", "GB/s": len(host) / seconds / 1e9}


def _product_seconds(setting: Setting, m: int, n: int, k: int) -> float:
    a = torch.randn(m, k, device=setting.device).to(setting.dtype)
    b = torch.randn(n, k, device=setting.device).to(setting.dtype)
    return _median_seconds(setting, lambda: a @ b.T)


def _median_seconds(setting: Setting, run: Callable[[], object], calls: int = 10) -> float:
    seconds = []
    for _ in range(calls + 3):
        started = time.perf_counter()
        run()
        if setting.device.type == "cuda":
            torch.cuda.synchronize(setting.device)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[3:])


def _shape(setting: Setting, model: str) -> Any:
    size = len(read_vocabulary(setting.vocab / "vocab.txt").tokens)
    options = TrainConfig.of(**setting.recipe, model=model).model
    return options.shape(vocab_size=size, pad_id=0)


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


if __name__ == "__main__":
    sys.exit(main())

"""Pre-training: examples in, a model in the Hugging Face format out.

    python -m trainer.pretrain --examples DIR --vocab DIR --output DIR [--seed N] [--steps N ...]

Every key of `trainer.pretraining.config.TrainConfig` is an option. The same command in the same
output folder resumes from its newest checkpoint and ends with the same bytes as a run that was
never stopped. With --processes N, torchrun starts N of it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from types import FrameType
from typing import NoReturn

import torch

from bertdata.import_path import safe_environment
from bertdata.storage.locations import Location, locate
from bertdata.storage.locks import hold
from bertdata.storage.shards import first_line
from bertdata.storage.writing import write_json
from bertdata.terminal import CommandParser, run_command
from trainer.command import (
    Arguments,
    add_flags,
    exit_code,
    print_error,
    print_numbers,
    take_config,
)
from trainer.pretraining.card import write_model_card
from trainer.pretraining.config import TrainConfig
from trainer.pretraining.loop import train
from trainer.pretraining.results import Results, finish
from trainer.pretraining.resume import prepare
from trainer.pretraining.run import open_run
from trainer.ranks import is_first_rank, join_ranks, launcher, started_by_torchrun

RESULTS_NAME = "results.json"
TIMING_NAME = "timing.json"
_SMALLER_STEP = "raise accumulate, or lower batch_tokens or batch_size"
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def pretrain(
    *,
    examples: Location,
    vocab: Location,
    output: Location,
    config: TrainConfig,
    seed: int = 0,
    resume: bool = True,
    should_stop: Callable[[], bool] = lambda: False,
    when_trained: Callable[[], None] = lambda: None,
) -> Results | None:
    """Train to the end and export, or until `should_stop`; return None if stopped before the end.

    `examples`, `vocab`: finished stages. `output`: the folder for checkpoints, metrics.jsonl, the
    exported model and its card, results.json and timing.json, and, if it is on this machine,
    TensorBoard's files. All may be addresses. `when_trained`: called after the last step, when its
    checkpoint is written.

    Raises ConfigError if `output` holds a different run.
    """
    if config.machine.threads:
        torch.set_num_threads(config.machine.threads)
    processes = config.batches.processes
    with join_ranks(config.machine.device, processes) as ranks, contextlib.ExitStack() as lock:
        if ranks.is_first:
            lock.enter_context(hold(output))
        started = time.perf_counter()
        run = open_run(examples, vocab, output, config=config, seed=seed, ranks=ranks)
        prepare(run, resume=resume)
        prepared = time.perf_counter()
        is_done = train(run, should_stop)
        trained = time.perf_counter()
        if not is_done:
            return None
        when_trained()
        results = finish(run)
        seconds = {"prepare": prepared - started, "train": trained - prepared}
        seconds["evaluate_and_export"] = time.perf_counter() - trained
        if ranks.is_first:
            write_model_card(run, results)
            _write(output, results, seconds, max(run.writer.waits, default=0.0))
        return results


def _write(
    output: Location, results: Results, seconds: dict[str, float], longest_wait: float
) -> None:
    write_json(output / RESULTS_NAME, asdict(results))
    write_json(output / TIMING_NAME, {**seconds, "longest_checkpoint_wait": longest_wait})
    print_numbers({**asdict(results), "seconds": sum(seconds.values())})
    if results.mlm_loss is not None and not results.is_reliable:
        found = f"{results.validation_pieces:,} of {results.validation_documents:,} documents"
        print(
            f"too few validation pieces for this difference to mean much ({found}); "
            "raise [examples] validation_fraction",
            flush=True,
        )


def _make_parser() -> argparse.ArgumentParser:
    """Return the command line: three folders, a seed, and a flag per key of TrainConfig."""
    parser = CommandParser(
        prog="python -m trainer.pretrain", description=(__doc__ or "").splitlines()[0]
    )
    for name in ("examples", "vocab", "output"):
        parser.add_argument(f"--{name}", type=locate, required=True, metavar="DIR")
    parser.add_argument("--seed", type=int, default=0, help="of all random choices (0)")
    parser.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="resume from the newest checkpoint in the output folder, or start again",
    )
    add_flags(parser, TrainConfig)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    given = vars(_make_parser().parse_args(arguments))
    passed_on = sys.argv[1:] if arguments is None else arguments
    stop = _Stop()
    try:
        return exit_code(lambda: _run(given, passed_on, stop))
    except KeyboardInterrupt:
        print("stopped; the same command resumes from the last checkpoint", file=sys.stderr)
        return stop.status
    except torch.OutOfMemoryError as error:
        print_error(f"the GPU is out of memory ({first_line(error)}); {_SMALLER_STEP}")
    except MemoryError as error:
        print_error(f"out of memory ({first_line(error)}); {_SMALLER_STEP}")
    return 1


def _run(given: Arguments, arguments: Sequence[str], stop: _Stop) -> int:
    config = take_config(TrainConfig, given)
    if config.batches.processes > 1 and not started_by_torchrun():
        _become_torchrun(config.batches.processes, arguments)
    with _stop_on_signal(stop):
        results = pretrain(
            config=config, should_stop=stop.is_asked, when_trained=stop.rest, **given
        )
    if results is not None:
        return 0
    if is_first_rank():
        print("stopped after a checkpoint; the same command resumes from there", file=sys.stderr)
    return stop.status


def _become_torchrun(processes: int, arguments: Sequence[str]) -> None:
    """Replace this process by torchrun, which starts `processes` of this command."""
    start, own = launcher(processes)
    environment = {**safe_environment(os.environ), **own}
    environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    command = [sys.executable, *start, "-m", "trainer.pretrain", *arguments]
    os.execve(sys.executable, command, environment)


class _Stop:
    """Whether SIGTERM or Ctrl-C asked the run to stop.

    Between the first step and the last, the step under way is finished and saved first. Before and
    after there is nothing to save: the signal interrupts at once.
    """

    def __init__(self) -> None:
        self._is_listening = False
        self._number = 0
        self.has_interrupted = False

    @property
    def status(self) -> int:
        """The exit code, as shells report a program that the signal ended."""
        return 128 + (self._number or signal.SIGINT)

    def is_asked(self) -> bool:
        """Whether to stop; asked between steps."""
        self._is_listening = True
        return bool(self._number)

    def rest(self) -> None:
        """No more steps follow. Raises KeyboardInterrupt if a stop was asked for since the last."""
        self._is_listening = False
        if self._number:
            raise KeyboardInterrupt

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        self._number = self._number or number
        if not self._is_listening:
            self.has_interrupted = True
            raise KeyboardInterrupt


@contextlib.contextmanager
def _stop_on_signal(stop: _Stop) -> Iterator[None]:
    """Let SIGTERM and Ctrl-C ask to stop.

    Code that is interrupted may turn that into an error of its own, such as of a file closed twice.
    """
    before = {number: signal.signal(number, stop.handle) for number in _STOP_SIGNALS}
    try:
        yield
    except Exception as error:
        if stop.has_interrupted:
            raise KeyboardInterrupt from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(status: int) -> NoReturn:
    """Exit without cleaning up the process: threads of torch may abort one of several ranks then.

    torchrun would end the others, one of which may still be saving.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    exit_status = run_command(main)
    if started_by_torchrun():
        _leave(exit_status)
    sys.exit(exit_status)

"""Pre-training: examples in, a model in the Hugging Face format out.

    python -m trainer.pretrain --examples DIR --vocab DIR --output DIR [--seed N] [--steps N ...]

Every field of `trainer.pretraining.config.TrainConfig` is an option. The same command in the same output folder
goes on from its newest checkpoint and ends with the same bytes as a run that was never stopped.
With --processes N, torchrun starts N of it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from types import FrameType

import torch

from bertdata.errors import BertdataError, ConfigError
from bertdata.import_path import safe_environment
from bertdata.storage.locks import hold
from bertdata.storage.shards import first_line, write_json
from bertdata.terminal import run_command
from trainer.command import say
from trainer.pretraining.config import TrainConfig
from trainer.pretraining.run import Results, Run
from trainer.ranks import is_first_rank, join_ranks, started_by_torchrun

RESULTS_NAME = "results.json"
TIMING_NAME = "timing.json"
_LESS = "raise accumulate, or lower batch_tokens or batch_size"
INTERRUPTED = 130  # the exit code of a run that SIGTERM or Ctrl-C stopped
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def pretrain(
    *,
    examples: Path,
    vocab: Path,
    output: Path,
    config: TrainConfig,
    seed: int = 0,
    resume: bool = True,
    should_stop: Callable[[], bool] = lambda: False,
    when_trained: Callable[[], None] = lambda: None,
) -> Results | None:
    """Train to the end and export, or until `should_stop`; None when stopped before the end.

    `when_trained`: called after the last step, whose checkpoint is written by then.

    `examples`, `vocab`: finished stages. `output`: gets checkpoints, metrics.jsonl, TensorBoard's
    files, the exported model, results.json and timing.json. Raises ConfigError when `output` holds
    another run.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    with join_ranks(config.device, config.processes) as ranks, contextlib.ExitStack() as lock:
        if ranks.is_first:
            lock.enter_context(hold(output))
        started = time.perf_counter()
        run = Run(examples, vocab, output, config=config, seed=seed, ranks=ranks)
        run.prepare(resume=resume)
        prepared = time.perf_counter()
        is_done = run.train(should_stop)
        trained = time.perf_counter()
        if not is_done:
            return None
        when_trained()
        results = run.finish()
        seconds = {"prepare": prepared - started, "train": trained - prepared}
        seconds["evaluate_and_export"] = time.perf_counter() - trained
        if ranks.is_first:
            _write(output, results, seconds, run.longest_wait)
        return results


def _write(output: Path, results: Results, seconds: dict[str, float], longest_wait: float) -> None:
    write_json(output / RESULTS_NAME, asdict(results))
    write_json(output / TIMING_NAME, {**seconds, "longest_checkpoint_wait": longest_wait})
    say({**asdict(results), "seconds": sum(seconds.values())})
    if results.mlm_loss is not None and not results.is_reliable:
        found = f"{results.validation_pieces:,} of {results.validation_documents:,} documents"
        print(
            f"too few validation pieces for this difference to mean much ({found}); "
            "raise [examples] validation_fraction",
            flush=True,
        )


def make_parser() -> argparse.ArgumentParser:
    """The command line: three folders, a seed, and an option for every field of TrainConfig."""
    parser = argparse.ArgumentParser(
        prog="python -m trainer.pretrain",
        description=(__doc__ or "").splitlines()[0],
        epilog=(TrainConfig.__doc__ or "").replace("%", "%%"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name in ("examples", "vocab", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on from the newest checkpoint in the output folder, or start anew",
    )
    hints = typing.get_type_hints(TrainConfig)
    for field in fields(TrainConfig):
        (kind,) = set(typing.get_args(hints[field.name]) or (hints[field.name],)) - {type(None)}
        flags = dict.fromkeys((f"--{field.name.replace('_', '-')}", f"--{field.name}"))
        help_text = f"default {field.default}"
        parser.add_argument(*flags, type=kind, default=field.default, help=help_text)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives its exit code."""
    given = vars(make_parser().parse_args(arguments))
    values = {field.name: given.pop(field.name) for field in fields(TrainConfig)}
    try:
        config = TrainConfig(**values)
        if config.processes > 1 and not started_by_torchrun():
            _become_torchrun(config.processes, sys.argv[1:] if arguments is None else arguments)
        with _stop_on_signal() as stop:
            results = pretrain(
                config=config, should_stop=stop.is_asked, when_trained=stop.rest, **given
            )
    except BertdataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return INTERRUPTED
    except torch.OutOfMemoryError as error:
        print(
            f"error: the memory of the GPU is used up ({first_line(error)}); {_LESS}",
            file=sys.stderr,
        )
        return 1
    except MemoryError as error:
        print(f"error: memory is used up ({first_line(error)}); {_LESS}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"error: {first_line(error)}", file=sys.stderr)
        return 1
    if results is None:
        if is_first_rank():
            print(
                "stopped after a checkpoint; the same command goes on from there", file=sys.stderr
            )
        return INTERRUPTED
    return 0


def _become_torchrun(processes: int, arguments: Sequence[str]) -> None:
    """Replace this process by torchrun, which starts `processes` of this command."""
    launcher = [
        "-P",
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc-per-node={processes}",
    ]
    environment = safe_environment(os.environ)
    environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    command = [sys.executable, *launcher, "-m", "trainer.pretrain", *arguments]
    os.execve(sys.executable, command, environment)


class _Stop:
    """What SIGTERM and Ctrl-C ask for.

    Between the first step and the last, it is asked for, so that the step under way is finished and
    saved. Before and after there is nothing to save: there the signal interrupts.
    """

    def __init__(self) -> None:
        self._asked = self._is_listening = False

    def is_asked(self) -> bool:
        """Whether to stop; to be asked between steps."""
        self._is_listening = True
        return self._asked

    def rest(self) -> None:
        """No more steps follow; interrupts where a stop was asked for since the last."""
        self._is_listening = False
        if self._asked:
            raise KeyboardInterrupt

    def handle(self, _signal: int, _frame: FrameType | None) -> None:
        """Take a signal."""
        self._asked = True
        if not self._is_listening:
            raise KeyboardInterrupt


@contextlib.contextmanager
def _stop_on_signal() -> Iterator[_Stop]:
    """Let SIGTERM and Ctrl-C ask to stop."""
    stop = _Stop()
    before = {number: signal.signal(number, stop.handle) for number in _STOP_SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(status: int) -> typing.NoReturn:
    """End without taking the process apart: threads of torch's may abort one of several ranks then.

    torchrun would end the others, of which one still saves.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    exit_status = run_command(main)
    if started_by_torchrun():
        _leave(exit_status)
    sys.exit(exit_status)

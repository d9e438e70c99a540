"""The commands that use a trained model: `fill-mask`, `finetune` and `features`.

They need torch, so each runs in a process of its own.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bertdata.errors import ConfigError
from bertdata.storage.locations import locate
from flows.commands.command import Command
from flows.processes.signals import stopped_status


def _add_fill_options(parser: ArgumentParser) -> None:
    parser.add_argument("text", help='such as "The capital of France is [MASK]."')
    parser.add_argument("--model", type=locate, help="model folder (the newest below runs/)")
    parser.add_argument("--top", type=int, default=5, help="how many pieces (5)")


def _fill_mask(options: Namespace) -> int:
    folder = options.model or _newest_model(Path("runs"))
    arguments = [f"--model={folder}", f"--top={options.top}", options.text]
    return _call("trainer.features.fill_mask", arguments)


def _newest_model(runs: Path) -> Path:
    models = sorted(runs.glob("*/model/model.safetensors"), key=lambda path: path.stat().st_mtime)
    if not models:
        raise ConfigError(f"no trained model below {runs}/; name one with --model DIR")
    return models[-1].parent


def _add_tuning_options(parser: ArgumentParser) -> None:
    from trainer.tuning.config import add_arguments

    add_arguments(parser)


def _add_features_options(parser: ArgumentParser) -> None:
    from trainer.features.config import add_arguments

    add_arguments(parser)


def _run_trainer(module: str, options: Namespace) -> int:
    """Pass the arguments on to a module of the trainer, which reads them itself."""
    return _call(module, [given for given in options.arguments if given != "--debug"])


def _call(module: str, arguments: Sequence[str]) -> int:
    """Run a module in a process that ends with this one; returns its exit status.

    It has a process group of its own, so that Ctrl-C reaches this process alone and is reported
    once.
    """
    import subprocess

    from flows.processes.children import child_command, child_environment

    command = child_command(module, arguments)
    with subprocess.Popen(command, env=child_environment(), process_group=0) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.terminate()
            print(
                "bertdata: stopped; the same command starts again from the beginning",
                file=sys.stderr,
            )
            return stopped_status()


FILL_MASK = Command(
    "fill-mask", "predict [MASK] with a trained model", _add_fill_options, _fill_mask
)
FINETUNE = Command(
    "finetune",
    "fine-tune a model on labelled texts",
    _add_tuning_options,
    partial(_run_trainer, "trainer.tuning"),
    needs_trainer=True,
)
FEATURES = Command(
    "features",
    "write a model's vectors for texts to an Arrow file",
    _add_features_options,
    partial(_run_trainer, "trainer.features"),
    needs_trainer=True,
)

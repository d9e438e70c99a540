"""`python -m trainer.tuning MODEL_DIR --task classification --train train.tsv --output DIR`"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bertdata.storage.locks import hold
from bertdata.terminal import CommandParser, run_command
from trainer.command import Arguments, exit_code, take_config
from trainer.tuning.config import DESCRIPTION, FinetuneConfig, add_arguments
from trainer.tuning.finetune import finetune
from trainer.tuning.results import to_lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = CommandParser(prog="bertdata finetune", description=DESCRIPTION)
    add_arguments(parser)
    given = vars(parser.parse_args(arguments))
    return exit_code(lambda: _run(given))


def _run(given: Arguments) -> int:
    config = take_config(FinetuneConfig, given)
    with hold(given["output"]):
        summary = finetune(config=config, **given)
    print("\n".join(to_lines(summary)))
    print(f"the best model, of seed {summary['best_seed']}, is in {given['output']}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))

"""`python -m trainer.features MODEL_DIR --input PATH… --output PATH --pooling mean`"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bertdata.terminal import CommandParser, run_command
from trainer.command import Arguments, exit_code, take_config
from trainer.features.config import DESCRIPTION, FeaturesConfig, add_arguments
from trainer.features.extraction import FILE_NAME, extract_features


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = CommandParser(prog="bertdata features", description=DESCRIPTION)
    add_arguments(parser)
    given = vars(parser.parse_args(arguments))
    given["inputs"] = given.pop("input")
    if given["output"].suffix != ".arrow":
        given["output"] /= FILE_NAME
    return exit_code(lambda: _run(given))


def _run(given: Arguments) -> int:
    config = take_config(FeaturesConfig, given)
    counts = extract_features(config=config, **given)
    cut = f"{counts.cut:,} of them cut"
    print(f"{counts.texts:,} texts, {counts.pieces:,} pieces, {cut}: {given['output']}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))

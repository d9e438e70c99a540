"""The commands that write or show a configuration: `init` and `config`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from bertdata.storage.locations import locate
from flows.commands.command import Command


def add_set(parser: ArgumentParser) -> None:
    """The option that overrides keys of a configuration."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="TABLE.KEY=VALUE",
        help="override one key, such as examples.max_seq_length=512; may be repeated",
    )


def _add_init_options(parser: ArgumentParser) -> None:
    parser.add_argument("place", type=locate, metavar="PATH", help="also s3://bucket/folder")
    parser.add_argument(
        "--output", type=Path, metavar="MY.toml", help="never replaced (<name of PATH>.toml)"
    )


def _init_config(options: Namespace) -> int:
    from flows.guess.init import write_configuration

    for line in write_configuration(options.place, options.output):
        print(line)
    return 0


def _add_config_options(parser: ArgumentParser) -> None:
    parser.add_argument("config", type=Path, nargs="?", metavar="CONFIG.toml")
    add_set(parser)


def _show_config(options: Namespace) -> int:
    from flows.config import RunConfig, load_config, to_toml

    config = load_config(options.config, options.set) if options.config else RunConfig()
    print(to_toml(config), end="")
    return 0


INIT = Command(
    "init",
    "write a commented configuration for a file or folder",
    _add_init_options,
    _init_config,
)
CONFIG = Command(
    "config",
    "the complete configuration with every default",
    _add_config_options,
    _show_config,
)

"""What the trainer's commands share: flags from dataclasses, exit codes, lines of numbers.

Imports no torch.
"""

from __future__ import annotations

import argparse
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from bertdata.config import Table, choices_of, key_docs, key_fields, keys, read_table
from bertdata.errors import BertdataError
from bertdata.terminal import exit_status

# The arguments of a command, as they are parsed, by name.
Arguments: TypeAlias = dict[str, Any]

_T = typing.TypeVar("_T")
_METAVARS: Mapping[object, str] = {int: "N", float: "X"}


def add_flags(
    parser: argparse.ArgumentParser,
    cls: type,
    *,
    choices: Mapping[str, Sequence[str]] = types.MappingProxyType({}),
    names: Mapping[str, str] = types.MappingProxyType({}),
) -> None:
    """Add a flag for every key of a configuration, with its sentence and default as help.

    The flag of a key `batch_size` is `--batch-size`; `--batch_size`, which help does not show, is
    the same. A truth value has `--no-…` too, a tuple of numbers is written `1,2`. `choices`: by
    key, where the type does not say them. `names`: flags that are not called like their key.
    """
    docs = key_docs(cls)
    for key, (owner, field) in key_fields(cls).items():
        hint = typing.get_type_hints(owner)[field.name]
        known = choices.get(key) or choices_of(hint)
        how = {"dest": key, **_reading(_kind(hint), key, known)}
        text = f"{docs.get(key, '')} {_describe(field.default)}".strip().replace("%", "%%")
        flag, alias = _spellings(names.get(key, key))
        parser.add_argument(flag, default=field.default, help=text, **how)
        if alias != flag:
            hidden = argparse.SUPPRESS
            parser.add_argument(alias, default=hidden, help=hidden, **how)


def take_config(cls: type[_T], given: Arguments) -> _T:
    """Remove a configuration's keys from parsed arguments and make the configuration of them."""
    return read_table(cls, {key: given.pop(key) for key in keys(cls)}, "the command line")


def exit_code(work: Callable[[], int]) -> int:
    """Do the work of a command and return its exit code; errors are printed as one line."""
    try:
        return work()
    except BertdataError as error:
        print_error(error)
        return exit_status(error)
    except BrokenPipeError:
        raise
    except OSError as error:
        print_error((str(error).splitlines() or [type(error).__name__])[0])
        return 1


def print_error(error: object) -> None:
    """Print an error on standard error."""
    print(f"error: {error}", file=sys.stderr)


def print_numbers(values: Mapping[str, object]) -> None:
    """Print one line: step 100  loss 6.912  …"""
    parts = [f"{name.replace('_', ' ')} {_short(value)}" for name, value in values.items()]
    print("  ".join(parts), flush=True)


def _kind(hint: object) -> object:
    """Return the type of a hint, without None."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        (hint,) = (kind for kind in typing.get_args(hint) if kind is not types.NoneType)
    return typing.get_origin(hint) or hint


def _spellings(name: str) -> tuple[str, str]:
    return f"--{name.replace('_', '-')}", f"--{name}"


def _reading(kind: object, key: str, choices: Sequence[str]) -> Table:
    """Return the arguments of `add_argument` that say how a value is read."""
    if kind is bool:
        return {"action": argparse.BooleanOptionalAction}
    if choices:
        return {"choices": choices}
    if kind is tuple:
        return {"type": _whole_numbers, "metavar": "N,…"}
    return {"type": kind, "metavar": _METAVARS.get(kind, key.upper())}


def _whole_numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        message = f"must be whole numbers with commas between, such as 1,2; got {text!r}"
        raise argparse.ArgumentTypeError(message) from None


def _describe(default: object) -> str:
    if default is None or default == "":
        return ""
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    if isinstance(default, bool):
        default = "yes" if default else "no"
    return f"({default})"


def _short(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)

"""Strict reading of frozen configuration dataclasses from plain tables (TOML, JSON)."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from bertdata.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_T = TypeVar("_T")

# An object of JSON or TOML, as it is read or is to be written.
Table: TypeAlias = Mapping[str, Any]


def read_table(cls: type[_T], table: Table, where: str) -> _T:
    """Make a configuration dataclass from a table of plain values.

    Nested dataclasses are read from nested tables, tuples from lists; integers are accepted for
    floats. `where`: name of the table in messages, such as "[examples]".

    Raises ConfigError for an unknown key (naming the nearest known one), a missing key or a value
    of the wrong type.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    _refuse_unknown_keys(table, fields, where)
    missing = [name for name, field in fields.items() if name not in table and _is_required(field)]
    if missing:
        raise ConfigError(f"{where} needs {missing[0]!r}")
    values = {name: _read_value(hints[name], table[name], f"{where} {name}") for name in table}
    return cls(**values)


def to_table(config: DataclassInstance) -> dict[str, Any]:
    """The plain table (dicts, lists, scalars) that `read_table` reads back, without None values."""
    return {
        field.name: _to_plain(getattr(config, field.name))
        for field in dataclasses.fields(config)
        if getattr(config, field.name) is not None
    }


def unknown_key(
    key: str, known: typing.Iterable[str], where: str, *, kind: str = "key"
) -> ConfigError:
    """The error for an unknown key, which suggests the nearest known one."""
    names = sorted(known)
    nearest = difflib.get_close_matches(key, names, n=1)
    way_out = f"did you mean {nearest[0]!r}?" if nearest else f"known: {', '.join(names)}"
    return ConfigError(f"{where} has no {kind} {key!r}; {way_out}")


def check_choice(name: str, value: str, choices: typing.Iterable[str]) -> None:
    """Raise ConfigError unless `value` is one of `choices`."""
    known = tuple(choices)
    if value not in known:
        raise ConfigError(f"{name} must be one of {', '.join(known)}; got {value!r}")


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raise ConfigError unless low <= value <= high."""
    if not low <= value <= high:
        raise ConfigError(f"{name} must be from {low:g} to {high:g}, got {value:g}")


def _refuse_unknown_keys(table: Table, known: typing.Iterable[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise unknown_key(key, known, where)


def _is_required(field: dataclasses.Field[object]) -> bool:
    no_default = field.default is dataclasses.MISSING
    return no_default and field.default_factory is dataclasses.MISSING


def _read_value(hint: object, value: object, where: str) -> object:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} must be a table, got {value!r}")
        return read_table(typing.cast(type, hint), value, where)
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return _read_optional(hint, value, where)
    if origin is tuple:
        return _read_tuple(hint, value, where)
    if origin is dict:
        return dict(typing.cast(Table, value))
    return _read_scalar(typing.cast(type, hint), value, where)


def _read_optional(hint: object, value: object, where: str) -> object:
    (inner,) = (arg for arg in typing.get_args(hint) if arg is not type(None))
    return None if value is None else _read_value(inner, value, where)


def _read_tuple(hint: object, value: object, where: str) -> tuple[object, ...]:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{where} must be a list, got {value!r}")
    inner = typing.get_args(hint)[0]
    return tuple(_read_value(inner, item, f"{where}[{i}]") for i, item in enumerate(value))


def _read_scalar(hint: type, value: object, where: str) -> object:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ConfigError(f"{where} must be {_TYPE_NAMES[hint]}, got {value!r}")
    return value


def _to_plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_table(value)
    if isinstance(value, tuple):
        return [_to_plain(item) for item in value]
    return value


_TYPE_NAMES = {
    int: "an integer",
    float: "a number",
    str: "a string",
    bool: "true or false",
}

"""Strict reading of frozen configuration dataclasses from plain tables (TOML, JSON)."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import functools
import inspect
import itertools
import re
import sys
import types
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from bertdata.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_T = TypeVar("_T")
# Metadata of a field that holds a group of keys, which stand in the table of the field's owner.
FLAT: Mapping[str, bool] = types.MappingProxyType({"is_flat": True})

_MAX_POSITIVE = 1e30

_LISTED = re.compile(r"(?:^|(?<=\. ))((?:`\w+`, )*`\w+`): ")
_WORD = re.compile(r"\w+")

# An object of JSON or TOML, as it is read or is to be written.
Table: TypeAlias = Mapping[str, Any]


def read_table(cls: type[_T], table: Table, where: str) -> _T:
    """Make a configuration dataclass from a table of plain values.

    Nested dataclasses are read from nested tables, or from this one if their field is `FLAT`.
    Tuples are read from lists; an integer is taken where a float is wanted. `where` names the table
    in messages, such as "[examples]".

    Raises ConfigError for an unknown key (naming the nearest known one), a missing key or a value
    of the wrong type.
    """
    groups, fields = _split_fields(cls)
    _refuse_unknown_keys(
        table, [*fields, *(key for g in groups.values() for key in keys(g))], where
    )
    missing = [name for name, field in fields.items() if name not in table and _is_required(field)]
    if missing:
        raise ConfigError(f"{where} needs {missing[0]!r}; add it")
    hints = typing.get_type_hints(cls)
    values = {
        name: _read_value(hints[name], table[name], f"{where} {name}")
        for name in table
        if name in fields
    }
    for name, group in groups.items():
        own = {key: table[key] for key in keys(group) if key in table}
        values[name] = read_table(group, own, where)
    return cls(**values)


def to_table(config: DataclassInstance) -> dict[str, object]:
    """The plain table (dicts, lists, scalars) that `read_table` reads back; None is left out."""
    table: dict[str, object] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if "is_flat" in field.metadata:
            table |= to_table(value)
        elif value is not None:
            table[field.name] = _to_plain(value)
    return table


def keys(cls: type) -> list[str]:
    """The keys of a configuration's table, in order; those of `FLAT` groups included."""
    return list(key_fields(cls))


def key_fields(cls: type) -> dict[str, tuple[type, dataclasses.Field[object]]]:
    """Each key of a configuration's table, with the dataclass and the field that hold it."""
    found: dict[str, tuple[type, dataclasses.Field[object]]] = {}
    for field in dataclasses.fields(cls):
        if "is_flat" in field.metadata:
            found |= key_fields(_group(field))
        else:
            found[field.name] = (cls, field)
    return found


def key_docs(cls: type) -> dict[str, str]:
    """What the source says of each key; keys without a word are left out.

    That is the sentence below the field, or what the docstring of the class has after "`key`: ".
    """
    docs: dict[str, str] = {}
    for owner in dict.fromkeys(owner for owner, _ in key_fields(cls).values()):
        docs |= _listed_docs(owner) | _field_docs(owner)
    return docs


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


def check_choices(config: DataclassInstance) -> None:
    """Raise ConfigError where a field with a `Literal` type has another value."""
    for name, choices in _choices(type(config)).items():
        if (value := getattr(config, name)) is not None:
            check_choice(name, value, choices)


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raise ConfigError unless low <= value <= high."""
    if not low <= value <= high:
        shown = f"{value:g}" if isinstance(value, float) else value  # or too large for a float
        raise ConfigError(f"{name} must be from {low:g} to {high:g}, got {shown}")


def check_positive(name: str, value: float) -> None:
    """Raise ConfigError unless `value` is above 0, and far from what single precision can hold."""
    if not value > 0:
        raise ConfigError(f"{name} must be above 0, got {value:g}")
    check_range(name, value, 0, _MAX_POSITIVE)


@functools.cache
def _choices(cls: type) -> dict[str, tuple[str, ...]]:
    """The values of each field that has a `Literal` type."""
    hints = typing.get_type_hints(cls)
    found = {field.name: choices_of(hints[field.name]) for field in dataclasses.fields(cls)}
    return {name: choices for name, choices in found.items() if choices}


def choices_of(hint: object) -> tuple[str, ...]:
    """The values of a `Literal` type, or of one that may be None; none of other types."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return tuple(itertools.chain.from_iterable(map(choices_of, typing.get_args(hint))))
    return typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()


def _split_fields(cls: type) -> tuple[dict[str, type], dict[str, dataclasses.Field[object]]]:
    """The groups of a configuration by field, and its other fields."""
    fields = dataclasses.fields(cls)
    groups = {field.name: _group(field) for field in fields if "is_flat" in field.metadata}
    return groups, {field.name: field for field in fields if field.name not in groups}


def _group(field: dataclasses.Field[object]) -> type:
    assert isinstance(field.default_factory, type)
    return field.default_factory


def _field_docs(cls: type) -> dict[str, str]:
    docs: dict[str, str] = {}
    for field, below in itertools.pairwise(_class_body(cls)):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                docs[name] = " ".join(text.split())
    return docs


def _listed_docs(cls: type) -> dict[str, str]:
    """What a docstring says after "`key`: " or "`key`, `other`: ", by key."""
    _, *parts = _LISTED.split(" ".join((cls.__doc__ or "").split()))
    names = {field.name for field in dataclasses.fields(cls)}
    return {
        key: text.strip()
        for keys, text in zip(parts[::2], parts[1::2])
        for key in _WORD.findall(keys)
        if key in names
    }


def _class_body(cls: type) -> list[ast.stmt]:
    for node in _parse_module(cls.__module__).body:
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
            return node.body
    return []


@functools.cache
def _parse_module(name: str) -> ast.Module:
    """The syntax tree of a module; empty if it is installed without its source."""
    try:
        return ast.parse(inspect.getsource(sys.modules[name]))
    except OSError:
        return ast.Module(body=[], type_ignores=[])


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
    if origin is typing.Literal:
        return _read_scalar(str, value, where)
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
        try:
            return float(value)
        except OverflowError as error:
            raise ConfigError(f"{where} must be a number of 64 bits, got {value}") from error
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

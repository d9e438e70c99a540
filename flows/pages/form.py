"""The configuration as a typed parameter: Prefect's pages show it as a form, not as text."""

from __future__ import annotations

import copy
import dataclasses
import functools
import types
import typing
from collections.abc import Mapping

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from bertdata.config import choices_of, key_docs, key_fields
from bertdata.corpus.config import CorpusConfig
from flows.config import PARTS, RunConfig, read_config

_Schema = dict[str, object]
_TYPES: Mapping[object, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}


class Form:
    """Annotates a RunConfig parameter: it is read as the TOML file is, with the same messages.

    The form has the keys of that file, and the sentence of each.
    """

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """How pydantic reads the parameter."""
        return core_schema.no_info_plain_validator_function(_read)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> _Schema:
        """What Prefect makes the form from."""
        return copy.deepcopy(_make_schema())


def _read(value: object) -> RunConfig:
    return value if isinstance(value, RunConfig) else read_config(typing.cast(_Schema, value))


@functools.cache  # five flows have the same
def _make_schema() -> _Schema:
    properties = {
        "corpus": _value_schema("corpus", tuple[CorpusConfig, ...]),
        "seed": {"title": "seed", "type": "integer", "default": RunConfig().seed},
        **{name: _table_schema(name, kind) for name, kind in PARTS.items()},
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["corpus"],
        "properties": properties,
    }


def _table_schema(name: str, kind: type) -> _Schema:
    """The schema of a table of the configuration."""
    docs, found = key_docs(kind), key_fields(kind)
    hints = {owner: typing.get_type_hints(owner) for owner, _ in found.values()}
    properties = {
        key: {
            **_value_schema(key, hints[owner][field.name]),
            **_default(field),
            **({"description": docs[key][:1].upper() + docs[key][1:]} if key in docs else {}),
        }
        for key, (owner, field) in found.items()
    }
    required = [key for key in properties if not _has_default(found[key][1])]
    return {
        "title": name,
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        **({"required": required} if required else {}),
    }


def _value_schema(key: str, hint: object) -> _Schema:
    """The schema of a value, without its default."""
    if dataclasses.is_dataclass(hint):
        return _table_schema(key, typing.cast(type, hint))
    if choices := choices_of(hint):
        return {"title": key, "type": "string", "enum": list(choices)}
    arguments = typing.get_args(hint)
    match typing.get_origin(hint):
        case types.UnionType | typing.Union:
            (hint,) = (argument for argument in arguments if argument is not types.NoneType)
            return _value_schema(key, hint)
        case builtin if builtin is tuple:
            return {"title": key, "type": "array", "items": _value_schema(key, arguments[0])}
        case builtin if builtin in (dict, Mapping):
            return {"title": key, "type": "object"}
    return {"title": key, "type": _TYPES[hint]}


def _has_default(field: dataclasses.Field[object]) -> bool:
    return field.default is not dataclasses.MISSING


def _default(field: dataclasses.Field[object]) -> _Schema:
    if not _has_default(field) or field.default is None:
        return {}
    value = field.default
    return {"default": list(value) if isinstance(value, tuple) else value}

"""TensorFlow's Example, for the Protocol Buffers library alone; and records without TensorFlow."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from bertdata.exports.checksums import checksums_of

_Field = descriptor_pb2.FieldDescriptorProto
# tensorflow/core/example/example.proto and feature.proto; BytesList is left out.
_MESSAGES: dict[str, list[tuple[str, int, int, str]]] = {
    "FloatList": [("value", 1, _Field.TYPE_FLOAT, "")],
    "Int64List": [("value", 1, _Field.TYPE_INT64, "")],
    "Feature": [
        ("float_list", 2, _Field.TYPE_MESSAGE, "FloatList"),
        ("int64_list", 3, _Field.TYPE_MESSAGE, "Int64List"),
    ],
    "Features": [("feature", 1, _Field.TYPE_MESSAGE, "Features.FeatureEntry")],
    "Example": [("features", 1, _Field.TYPE_MESSAGE, "Features")],
}
_ENTRY = [("key", 1, _Field.TYPE_STRING, ""), ("value", 2, _Field.TYPE_MESSAGE, "Feature")]
_REPEATED = ("value", "feature")


def _make_example() -> Any:
    """The class of Example messages."""
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="t", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        _add_fields(message, fields, repeated=_REPEATED)
        if name == "Features":
            entry = message.nested_type.add(name="FeatureEntry")
            entry.options.map_entry = True
            _add_fields(entry, _ENTRY, repeated=())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)  # type: ignore[no-untyped-call]
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Example"))  # type: ignore[no-untyped-call]


def _add_fields(message: Any, fields: list[tuple[str, int, int, str]], repeated: Any) -> None:
    for name, number, kind, of in fields:
        label = _Field.LABEL_REPEATED if name in repeated else _Field.LABEL_OPTIONAL
        message.field.add(
            name=name, number=number, type=kind, label=label, type_name=f".t.{of}" if of else None
        )


Example = _make_example()


def read_records(path: Path) -> Iterator[bytes]:
    """The Examples of a TFRecord file, each with right checksums."""
    data = path.read_bytes()
    place = 0
    while place < len(data):
        (length,) = struct.unpack_from("<Q", data, place)
        for start, size in ((place, 8), (place + 12, length)):
            part = data[start : start + size]
            crc = int(checksums_of(part, np.array([0, size]))[0])
            masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
            assert struct.unpack_from("<I", data, start + size) == (masked,)
        yield data[place + 12 : place + 12 + length]
        place += length + 16


def to_row(example: bytes) -> dict[str, list[float]]:
    """The features of an Example, whose bytes must be those of Protocol Buffers' own writer."""
    message = Example.FromString(example)
    assert message.SerializeToString(deterministic=True) == example
    return {
        name: list(feature.int64_list.value or feature.float_list.value)
        for name, feature in message.features.feature.items()
    }

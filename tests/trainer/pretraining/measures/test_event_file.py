"""TensorBoard's format: known checksums, and what its own reader finds where it is installed."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from trainer.pretraining.measures.event_file import EventFile, crc32c


# RFC 3720, appendix B.4.
@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        (b"\0" * 32, 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (b"123456789", 0xE3069283),
    ],
)
def test_checksums(data: bytes, checksum: int) -> None:
    assert crc32c(data) == checksum


def test_records_by_hand(tmp_path: Path) -> None:
    EventFile(tmp_path).add(300, {"mlm_loss": 0.5})
    (path,) = tmp_path.iterdir()
    first, second = read_records(path.read_bytes())
    assert first[9:] == b"\x1a\x0dbrain.Event:2"
    value = b"\x0a\x08mlm_loss\x15" + struct.pack("<f", 0.5)
    summary = b"\x0a" + bytes([len(value)]) + value
    assert second[0:1] == b"\x09"
    assert second[9:] == b"\x10\xac\x02\x2a" + bytes([len(summary)]) + summary


def read_records(data: bytes) -> list[bytes]:
    records = []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        records.append(data[12 : 12 + length])
        data = data[12 + length + 4 :]
    return records


def test_tensorboard_reads_it(tmp_path: Path) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = EventFile(tmp_path)
    events.add(1, {"loss": 2.5, "mfu": 0.5})
    events.add(1000, {"loss": 1.25})
    accumulator = accumulators.EventAccumulator(str(tmp_path)).Reload()
    assert sorted(accumulator.Tags()["scalars"]) == ["loss", "mfu"]
    assert [(e.step, e.value) for e in accumulator.Scalars("loss")] == [(1, 2.5), (1000, 1.25)]

"""For `tests.benchmarks.gpu`: random examples, and padded batches in fixed shapes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from bertdata.reader.batches import CompactBatch, to_padded
from bertdata.storage.manifest import make_manifest, write_manifest
from bertdata.storage.schema import examples_schema
from bertdata.storage.shards import write_arrow
from bertdata.storage.writing import write_json
from bertdata.tokens.vocabulary import SPECIAL_PIECES, Vocabulary, write_vocabulary
from trainer.attention import Sequences
from trainer.batch import IGNORED, PackedBatch, PackShape, to_packed

_SHORT_SHARE = 0.1  # of rows that are shorter, as the original makes them
_MASKED_SHARE = 0.15


def write_examples(root: Path, *, vocabulary_size: int, length: int, rows: int) -> Path:
    """A finished `examples/` folder of random pieces, as long as real ones; also `vocab/`."""
    pieces = tuple(f"w{i}" for i in range(vocabulary_size - len(SPECIAL_PIECES)))
    vocabulary = Vocabulary(SPECIAL_PIECES + pieces)
    write_vocabulary(root / "vocab" / "vocab.txt", vocabulary)
    write_json(root / "vocab" / "tokenizer_config.json", {"do_lower_case": True})
    folder = root / f"examples-{length}"
    shards = [
        write_arrow(folder / name, examples_schema(vocabulary_size), [batch])
        for name, batch in (
            ("train-00000-of-00001.arrow", _random_rows(vocabulary, rows, length, seed=1)),
            ("validation-00000-of-00001.arrow", _random_rows(vocabulary, 64, length, seed=2)),
        )
    ]
    config = {"examples": {"masking": "static", "next_sentence": True}}
    inputs = {"vocabulary": {"sha256": vocabulary.fingerprint}}
    manifest = make_manifest("examples", config=config, inputs=inputs, counts={}, shards=shards)
    write_manifest(folder, manifest)
    return folder


def _random_rows(vocabulary: Vocabulary, rows: int, length: int, *, seed: int) -> pa.RecordBatch:
    draws = np.random.default_rng(seed)
    lengths = np.where(
        draws.random(rows) < _SHORT_SHARE, draws.integers(8, length + 1, rows), length
    )
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    # Ids by Zipf's law: the same share for every factor of rank.
    ranks = (vocabulary.size - 5) ** draws.random(offsets[-1])
    ids = (4 + ranks).astype(np.int64)
    starts, middles = offsets[:-1], lengths // 2
    ids[starts], ids[starts + middles] = vocabulary.special.cls, vocabulary.special.sep
    ids[offsets[1:] - 1] = vocabulary.special.sep
    counts = np.maximum(1, (lengths * _MASKED_SHARE).astype(np.int64))
    masked_offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    within = np.arange(masked_offsets[-1]) - np.repeat(masked_offsets[:-1], counts)
    positions = 1 + within * np.repeat((lengths - 2) // counts, counts)
    schema = examples_schema(vocabulary.size)
    piece = schema.field("input_ids").type.value_type

    def as_list(offsets: np.ndarray[tuple[int], np.dtype[np.int32]], values: pa.Array) -> pa.Array:
        return pa.ListArray.from_arrays(pa.array(offsets), values)

    columns = [
        as_list(offsets, pa.array(ids, piece)),
        pa.array(middles + 1, pa.uint16()),
        as_list(masked_offsets, pa.array(positions, pa.uint16())),
        as_list(masked_offsets, pa.array(ids[np.repeat(starts, counts) + positions], piece)),
        pa.array(draws.integers(0, 2, rows), pa.uint8()),
        pa.array(np.arange(rows), pa.uint64()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def in_rows(batch: CompactBatch, *, length: int, predictions: int) -> PackedBatch:
    """A padded batch in fixed shapes: every sequence fills a row of `length` places."""
    rows = len(batch.lengths)
    padded = to_padded(batch, pad_id=0, length=length)
    real_BL = padded["attention_mask"].astype(bool)
    shape = PackShape(tokens=rows * length, sequences=rows, predictions=predictions, length=length)
    packed = to_packed(batch, shape, pad_id=0)
    places_BL = np.arange(rows * length).reshape(rows, length)
    masked_rows = np.repeat(np.arange(rows), np.diff(batch.masked_offsets))
    wanted = np.zeros(rows + predictions, dtype=np.int64)
    wanted[:rows] = places_BL[:, 0]
    wanted[rows : rows + len(masked_rows)] = masked_rows * length + batch.masked_positions
    bias_BL = np.where(real_BL, 0.0, -1e9).astype(np.float32)
    return replace(
        packed,
        input_ids_T=torch.from_numpy(padded["input_ids"].flatten()),
        token_type_ids_T=torch.from_numpy(padded["token_type_ids"].flatten()),
        positions_T=torch.from_numpy(np.tile(np.arange(length), rows)),
        sequences=Sequences(
            offsets=torch.from_numpy((np.arange(rows + 1) * length).astype(np.int32)),
            places_GL=torch.from_numpy(places_BL),
            bias_GL=torch.from_numpy(bias_BL),
            grid_places_T=torch.from_numpy(places_BL.flatten()),
        ),
        wanted_Q=torch.from_numpy(wanted),
    )


def with_full_head(batch: PackedBatch) -> PackedBatch:
    """The same batch, with a score for every piece at every place and not only where masked."""
    num_sequences, num_places = len(batch.next_sentence_labels_G), len(batch.input_ids_T)
    labels_T = torch.full((num_places,), IGNORED)
    wanted_N = batch.wanted_Q[num_sequences:]
    is_real_N = batch.masked_ids_N != IGNORED
    labels_T[wanted_N[is_real_N]] = batch.masked_ids_N[is_real_N]
    return replace(
        batch,
        wanted_Q=torch.cat([batch.wanted_Q[:num_sequences], torch.arange(num_places)]),
        masked_ids_N=labels_T,
    )

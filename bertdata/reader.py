"""Batches from an `examples/` folder: order, position and masks as pure functions.

The shards are memory-mapped, so opening costs no memory and every rank may open all of them. The
order of training is endless: epoch after epoch, each a permutation of all rows of the split that is
a pure function of (seed, epoch) and can be evaluated at any place in constant time. So a position
is one integer and seeking is free. Position p of rank r among n is place p * n + r of that order:
every row is met exactly once in an epoch whatever n is, and there is no tail to drop or to fill,
since the rows left at the end of one epoch share their batch with the first of the next.

Legend of shapes: B rows, L pieces of the longest row, T pieces of all rows together, N masked
pieces of all rows together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bertdata.errors import ConfigError, DataError
from bertdata.manifest import Manifest, find_damage, read_manifest
from bertdata.masking import MaskingConfig, MaskingVocabulary, mask_batch, prediction_limits
from bertdata.randomness import UInt64Array, derive_key, derive_keys, mix_array
from bertdata.schema import check_schema, examples_schema
from bertdata.shards import Shard, open_arrow
from bertdata.vocabulary import Vocabulary

Split = Literal["train", "validation"]
IntArray = npt.NDArray[np.int64]
PieceArray = npt.NDArray[np.unsignedinteger[Any]]

_FEISTEL_ROUNDS = 6
_STRETCH = 8192  # places of the order that are worked out together


@dataclass(frozen=True, kw_only=True, slots=True)
class CompactBatch:
    """Rows of examples without padding.

    `input_ids` T pieces of row b at `offsets[b]:offsets[b + 1]`; `segment_b_starts` B, within the
    row; `masked_positions` (within the row) and `masked_ids` N, those of row b at
    `masked_offsets[b]:masked_offsets[b + 1]`; `next_sentence_labels` B, 1 where B is random.
    """

    input_ids: PieceArray
    offsets: IntArray
    segment_b_starts: IntArray
    masked_positions: IntArray
    masked_ids: PieceArray
    masked_offsets: IntArray
    next_sentence_labels: IntArray

    @property
    def lengths(self) -> IntArray:
        """Pieces of each row, B."""
        return np.diff(self.offsets)


class ExampleReader:
    """One split of an `examples/` folder.

    Raises DataError when a shard is missing or damaged, of another schema version, or made with
    another vocabulary. `verify_checksums = False` compares sizes only and reads nothing yet.
    """

    def __init__(
        self,
        folder: Path,
        vocabulary: Vocabulary,
        *,
        split: Split = "train",
        verify_checksums: bool = True,
    ) -> None:
        self.manifest = read_manifest(folder)
        self.vocabulary = vocabulary
        self.split = split
        self._folder = folder
        _check_vocabulary(folder, self.manifest, vocabulary)
        shards = tuple(s for s in self.manifest.shards if s.path.startswith(f"{split}-"))
        self._shards = shards
        _check_shards(folder, self.manifest, shards, verify_checksums)
        self._blocks = [b for shard in shards for b in _read_blocks(folder, shard, vocabulary.size)]
        if verify_checksums:
            _check_ids(folder, self._blocks, vocabulary.size)
        self._block_starts = np.cumsum([0] + [block.num_rows for block in self._blocks])
        self.num_rows = int(self._block_starts[-1])
        self._masking = _dynamic_masking(self.manifest, vocabulary)

    @property
    def next_sentence(self) -> bool:
        """Whether the examples are pairs with a label to predict."""
        return bool(self.manifest.config["examples"]["next_sentence"])

    def longest_row(self) -> int:
        """Pieces of the longest row of the split."""
        return max((block.input_ids.longest() for block in self._blocks), default=0)

    def rows_at(
        self, seed: int, position: int, count: int, *, rank: int = 0, num_ranks: int = 1
    ) -> tuple[IntArray, IntArray]:
        """The rows at `count` positions of the order from `position` on, and their epochs."""
        if not self.num_rows:
            raise DataError(f"there are no {self.split} examples; raise validation_fraction")
        if not 0 <= rank < num_ranks:
            raise ConfigError(f"rank must be from 0 to {num_ranks - 1}, got {rank}")
        places = np.arange(position, position + count, dtype=np.int64) * num_ranks + rank
        epochs, indexes = np.divmod(places, self.num_rows)
        rows = np.empty(count, dtype=np.int64)
        for epoch in np.unique(epochs):
            chosen = epochs == epoch
            rows[chosen] = _rows_in_order(indexes[chosen], self.num_rows, seed, int(epoch))
        return rows, epochs

    def lengths_of(self, rows: IntArray) -> IntArray:
        """Pieces of each row, without reading them."""
        lengths = np.empty(len(rows), dtype=np.int64)
        for block, chosen, local in self._by_block(rows):
            lengths[chosen] = block.input_ids.lengths_of(local)
        return lengths

    def predictions_of(self, rows: IntArray) -> IntArray:
        """Pieces to predict in each row, without reading it; where masking is dynamic, at most."""
        if self._masking is not None:
            return prediction_limits(self.lengths_of(rows), self._masking[0])
        counts = np.empty(len(rows), dtype=np.int64)
        for block, chosen, local in self._by_block(rows):
            counts[chosen] = block.masked_positions.lengths_of(local)
        return counts

    def document_ids_of(self, rows: IntArray) -> list[int]:
        """Where each row's A is from; opens the shards anew, so meant for a look at a few rows."""
        columns = []
        for shard in self._shards:
            with open_arrow(self._folder / shard.path) as reader:
                columns.append(reader.read_all().column("document_id").to_numpy())
        ids: list[int] = np.concatenate(columns)[rows].tolist()
        return ids

    def read(
        self, rows: IntArray, *, seed: int = 0, epochs: IntArray | None = None
    ) -> CompactBatch:
        """These rows of the split, in this order.

        Where masking is dynamic, the masks are a pure function of (seed, epoch, row); those of the
        validation split do not change with the epoch. Static masks are as stored.
        """
        if len(rows) and not (rows.min() >= 0 and rows.max() < self.num_rows):
            raise IndexError(f"rows must be from 0 to {self.num_rows - 1}")
        batch = self._gather(rows)
        if self._masking is None:
            return batch
        if epochs is None or self.split == "validation":
            epochs = np.zeros(len(rows), dtype=np.int64)
        keys = np.empty(len(rows), dtype=np.uint64)
        for epoch in np.unique(epochs):
            key = derive_key(seed, "dynamic masks", int(epoch))
            keys[epochs == epoch] = derive_keys(key, rows[epochs == epoch])
        return _mask(batch, keys, *self._masking)

    def batch_at(
        self, seed: int, position: int, batch_size: int, *, rank: int = 0, num_ranks: int = 1
    ) -> CompactBatch:
        """The `batch_size` examples from `position` on in the endless order of training."""
        rows, epochs = self.rows_at(seed, position, batch_size, rank=rank, num_ranks=num_ranks)
        return self.read(rows, seed=seed, epochs=epochs)

    def one_pass(self, batch_size: int, *, seed: int = 0) -> Iterator[CompactBatch]:
        """Every row once in the order of the shards; the last batch may be smaller."""
        for start in range(0, self.num_rows, batch_size):
            rows = np.arange(start, min(start + batch_size, self.num_rows), dtype=np.int64)
            yield self.read(rows, seed=seed)

    def _gather(self, rows: IntArray) -> CompactBatch:
        parts, order = [], []
        for block, chosen, local in self._by_block(rows):
            parts.append(block.take(local))
            order.append(chosen)
        if len(parts) == 1:
            return parts[0].to_batch()
        inverse = np.empty(len(rows), dtype=np.int64)
        if order:
            inverse[np.concatenate(order)] = np.arange(len(rows))
        return _concatenate(parts, self.vocabulary.size).take(inverse).to_batch()

    def _by_block(self, rows: IntArray) -> Iterator[tuple[_Block, IntArray, IntArray]]:
        """Each block that holds some of the rows, their places in `rows` and in the block."""
        numbers = np.searchsorted(self._block_starts, rows, side="right") - 1
        order = np.argsort(numbers, kind="stable")
        found, starts = np.unique(numbers[order], return_index=True)
        for number, chosen in zip(found, np.split(order, starts[1:])):
            yield self._blocks[number], chosen, rows[chosen] - self._block_starts[number]


def to_padded(
    batch: CompactBatch, *, pad_id: int, length: int | None = None
) -> dict[str, npt.NDArray[np.int64]]:
    """A batch under Hugging Face's names, padded at the end of each row.

    Gives `input_ids`, `token_type_ids`, `attention_mask`, `labels` (the original piece where one is
    predicted, -100 elsewhere), all int64 of shape B L, and `next_sentence_label`, int64 of shape B.
    `length`: L; the longest row when None. Raises ConfigError when a row is longer.
    """
    lengths = batch.lengths
    longest = int(lengths.max(initial=0))
    length = longest if length is None else length
    if longest > length:
        raise ConfigError(f"a row has {longest} pieces, more than length {length}")
    place_L = np.arange(length)
    real_BL = place_L < lengths[:, None]
    input_ids_BL = np.full(real_BL.shape, pad_id, dtype=np.int64)
    input_ids_BL[real_BL] = batch.input_ids
    labels_BL = np.full(real_BL.shape, -100, dtype=np.int64)
    labels_BL[_rows_of(batch.masked_offsets), batch.masked_positions] = batch.masked_ids
    in_segment_b_BL = (place_L >= batch.segment_b_starts[:, None]) & real_BL
    return {
        "input_ids": input_ids_BL,
        "token_type_ids": in_segment_b_BL.astype(np.int64),
        "attention_mask": real_BL.astype(np.int64),
        "labels": labels_BL,
        "next_sentence_label": batch.next_sentence_labels,
    }


def permute(indexes: IntArray, size: int, *, seed: int, epoch: int) -> IntArray:
    """Where a permutation of range(size), chosen by (seed, epoch), sends each index.

    A Feistel network on the smallest even number of bits that holds `size`; an image outside the
    range is sent on until it falls inside (cycle walking: Black and Rogaway, "Ciphers with
    arbitrary finite domains", 2002), under four rounds on average.
    """
    half_bits = max(1, ((size - 1).bit_length() + 1) // 2)
    keys = derive_keys(derive_key(seed, "order of rows", epoch), np.arange(_FEISTEL_ROUNDS))
    images = _feistel(indexes.astype(np.uint64), half_bits, keys)
    while (outside := images >= size).any():
        images[outside] = _feistel(images[outside], half_bits, keys)
    return images.astype(np.int64)


def _rows_in_order(indexes: IntArray, size: int, seed: int, epoch: int) -> IntArray:
    """`permute`, remembering stretches of the order: a batch alone is too short for numpy."""
    stretches, places = np.divmod(indexes, _STRETCH)
    rows = np.empty(len(indexes), dtype=np.int64)
    for stretch in np.unique(stretches):
        chosen = stretches == stretch
        rows[chosen] = _permute_stretch(int(stretch), size, seed, epoch)[places[chosen]]
    return rows


@lru_cache(maxsize=64)
def _permute_stretch(stretch: int, size: int, seed: int, epoch: int) -> IntArray:
    first = stretch * _STRETCH
    indexes = np.arange(first, min(first + _STRETCH, size), dtype=np.int64)
    return permute(indexes, size, seed=seed, epoch=epoch)


def _feistel(values: UInt64Array, half_bits: int, keys: UInt64Array) -> UInt64Array:
    shift, low_bits = np.uint64(half_bits), np.uint64((1 << half_bits) - 1)
    left, right = values >> shift, values & low_bits
    for key in keys:
        left, right = right, left ^ (mix_array(right + key) & low_bits)
    return (left << shift) | right


@dataclass(frozen=True, slots=True)
class _Ragged:
    """Rows of different lengths in one flat array: row i is values[offsets[i]:offsets[i + 1]]."""

    values: npt.NDArray[Any]
    offsets: npt.NDArray[np.integer[Any]]

    def lengths_of(self, rows: IntArray) -> IntArray:
        lengths: IntArray = (self.offsets[rows + 1] - self.offsets[rows]).astype(np.int64)
        return lengths

    def longest(self) -> int:
        return int(np.diff(self.offsets).max(initial=0))

    def take(self, rows: IntArray) -> _Ragged:
        lengths = self.lengths_of(rows)
        offsets = _offsets_of(lengths)
        shifts = self.offsets[rows] - offsets[:-1]
        places = np.repeat(shifts, lengths) + np.arange(offsets[-1])
        return _Ragged(self.values[places], offsets)


@dataclass(frozen=True, slots=True)
class _Block:
    """One record batch, as views of the mapped file."""

    input_ids: _Ragged
    masked_positions: _Ragged
    masked_ids: _Ragged
    segment_b_starts: npt.NDArray[np.integer[Any]]
    next_sentence_labels: npt.NDArray[np.integer[Any]]

    @property
    def num_rows(self) -> int:
        return len(self.segment_b_starts)

    def take(self, rows: IntArray) -> _Block:
        return _Block(
            self.input_ids.take(rows),
            self.masked_positions.take(rows),
            self.masked_ids.take(rows),
            self.segment_b_starts[rows],
            self.next_sentence_labels[rows],
        )

    def to_batch(self) -> CompactBatch:
        return CompactBatch(
            input_ids=self.input_ids.values,
            offsets=self.input_ids.offsets.astype(np.int64),
            segment_b_starts=self.segment_b_starts.astype(np.int64),
            masked_positions=self.masked_positions.values.astype(np.int64),
            masked_ids=self.masked_ids.values,
            masked_offsets=self.masked_positions.offsets.astype(np.int64),
            next_sentence_labels=self.next_sentence_labels.astype(np.int64),
        )


def _read_blocks(folder: Path, shard: Shard, vocabulary_size: int) -> Iterator[_Block]:
    """The record batches of a shard; their views keep the mapping alive after it is closed here."""
    path = folder / shard.path
    with open_arrow(path) as reader:
        check_schema(reader.schema, examples_schema(vocabulary_size), str(path))
        batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
    if (rows := sum(batch.num_rows for batch in batches)) != shard.rows:
        raise DataError(f"{path} has {rows} rows, the manifest says {shard.rows}")
    return (_view(batch) for batch in batches if batch.num_rows)


def _view(batch: pa.RecordBatch) -> _Block:
    return _Block(
        _ragged(batch.column("input_ids")),
        _ragged(batch.column("masked_lm_positions")),
        _ragged(batch.column("masked_lm_ids")),
        batch.column("segment_b_start").to_numpy(),
        batch.column("next_sentence_label").to_numpy(),
    )


def _ragged(column: pa.ListArray) -> _Ragged:
    return _Ragged(column.values.to_numpy(), column.offsets.to_numpy())


def _concatenate(blocks: Sequence[_Block], vocabulary_size: int) -> _Block:
    if not blocks:
        return _view(pa.RecordBatch.from_pylist([], schema=examples_schema(vocabulary_size)))
    return _Block(
        _concatenate_ragged([block.input_ids for block in blocks]),
        _concatenate_ragged([block.masked_positions for block in blocks]),
        _concatenate_ragged([block.masked_ids for block in blocks]),
        np.concatenate([block.segment_b_starts for block in blocks]),
        np.concatenate([block.next_sentence_labels for block in blocks]),
    )


def _concatenate_ragged(parts: Sequence[_Ragged]) -> _Ragged:
    lengths = np.concatenate([np.diff(part.offsets) for part in parts])
    return _Ragged(np.concatenate([part.values for part in parts]), _offsets_of(lengths))


def _offsets_of(lengths: npt.NDArray[np.integer[Any]]) -> IntArray:
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def _rows_of(offsets: IntArray) -> IntArray:
    """The row of each flat element: offsets 0 2 2 3 give 0 0 2."""
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def _dynamic_masking(
    manifest: Manifest, vocabulary: Vocabulary
) -> tuple[MaskingConfig, MaskingVocabulary] | None:
    config = manifest.config["examples"]
    if config["masking"] != "dynamic":
        return None
    masking = MaskingConfig(
        masked_lm_prob=config["masked_lm_prob"],
        max_predictions_per_seq=config["max_predictions_per_seq"],
        whole_word_mask=config["whole_word_mask"],
    )
    pieces = MaskingVocabulary(
        mask_id=vocabulary.special.mask,
        size=vocabulary.size,
        continuation=vocabulary.continuation,
    )
    return masking, pieces


def _mask(
    batch: CompactBatch, keys: UInt64Array, config: MaskingConfig, pieces: MaskingVocabulary
) -> CompactBatch:
    lengths = batch.lengths
    real_BL = np.arange(lengths.max(initial=0)) < lengths[:, None]
    input_ids_BL = np.zeros(real_BL.shape, dtype=batch.input_ids.dtype)
    input_ids_BL[real_BL] = batch.input_ids
    masked = mask_batch(input_ids_BL, lengths, batch.segment_b_starts, keys, config, pieces)
    counts = masked.num_predictions_B
    predicted_BM = np.arange(masked.positions_BM.shape[1]) < counts[:, None]
    return CompactBatch(
        input_ids=masked.input_ids_BL[real_BL].astype(batch.input_ids.dtype),
        offsets=batch.offsets,
        segment_b_starts=batch.segment_b_starts,
        masked_positions=masked.positions_BM[predicted_BM].astype(np.int64),
        masked_ids=masked.label_ids_BM[predicted_BM].astype(batch.input_ids.dtype),
        masked_offsets=_offsets_of(counts),
        next_sentence_labels=batch.next_sentence_labels,
    )


def _check_vocabulary(folder: Path, manifest: Manifest, vocabulary: Vocabulary) -> None:
    if manifest.format != "bertdata-examples":
        raise DataError(f"{folder} holds {manifest.format}, not bertdata-examples")
    made_with = manifest.inputs["vocabulary"]["sha256"]
    if vocabulary.fingerprint != made_with:
        raise DataError(
            f"vocabulary fingerprint {vocabulary.fingerprint[:12]}… is not the {made_with[:12]}… "
            f"that {folder} was made with; pass its vocab.txt or make the examples again"
        )


def _check_shards(
    folder: Path, manifest: Manifest, shards: tuple[Shard, ...], verify_checksums: bool
) -> None:
    for shard in shards:
        path = folder / shard.path
        if not path.is_file():
            raise DataError(f"{path} is missing; make the examples again")
        if (size := path.stat().st_size) != shard.bytes:
            raise DataError(f"{path} has {size} bytes, the manifest says {shard.bytes}")
    if verify_checksums and (damage := find_damage(folder, replace(manifest, shards=shards))):
        raise DataError(f"{damage[0]}; make the examples again")


def _check_ids(folder: Path, blocks: Sequence[_Block], vocabulary_size: int) -> None:
    for block in blocks:
        for ids in (block.input_ids.values, block.masked_ids.values):
            if (highest := int(ids.max(initial=0))) >= vocabulary_size:
                raise DataError(
                    f"{folder} has piece id {highest}, the vocabulary has {vocabulary_size} pieces"
                )

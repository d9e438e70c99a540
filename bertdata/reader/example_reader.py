"""Batches from an `examples/` folder: order, position and masks as pure functions.

The shards are memory-mapped and read block by block, so opening them takes no memory and each rank
can open all of them. Of shards at an address, such as s3://bucket/run/examples, the blocks are
fetched when they are needed; nothing is stored on a disk. The order of training is endless: epoch
after epoch, each a permutation of all rows of the split that is a pure function of (seed, epoch)
(`row_order`). So a position is one integer, and seeking costs the blocks of one window. Position p
of rank r among n is place p * n + r of that order: each row occurs exactly once per epoch for any
n. No tail is dropped or padded: the last rows of an epoch share their batch with the first rows of
the next one.

Shapes: B rows, L pieces of the longest row, M masked pieces of the row with the most.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from bertdata.arrays import Int64Array, UInt64Array, offsets_of, pad_rows, places_within
from bertdata.errors import ConfigError, DataError, damaged_file, damaged_one, missing_file
from bertdata.examples.masking import MaskingVocabulary, mask_batch, prediction_limits
from bertdata.randomness import derive_key, derive_keys
from bertdata.reader.batches import CompactBatch, PaddedBatch, to_padded
from bertdata.reader.row_order import RowOrder
from bertdata.reader.stored_examples import StoredExamples
from bertdata.reader.waiting import map_waiting
from bertdata.reference.config import MaskingConfig
from bertdata.storage.files import is_file, size_of
from bertdata.storage.locations import Address, Location, locate
from bertdata.storage.manifest import (
    Manifest,
    check_shard,
    manifest_errors_as_data_errors,
    read_manifest,
)
from bertdata.storage.shards import Shard
from bertdata.tokens.vocabulary import Vocabulary

_Split = Literal["train", "validation"]
# Rows read together: as many as fit in a processor's cache, or as make masking by steps pay.
_STATIC_AHEAD, _DYNAMIC_AHEAD = 2048, 4096


class ExampleReader:
    """One split of an `examples/` folder, given as a path or an address.

    Raises DataError when a shard is missing, damaged, of a different schema version, or made with a
    different vocabulary. `verify_checksums = False` compares only sizes and reads no rows.

    Connections to another storage do not survive a fork: open examples at an address in the process
    that reads them.
    """

    def __init__(
        self,
        folder: str | Location,
        vocabulary: Vocabulary,
        *,
        split: _Split = "train",
        verify_checksums: bool = True,
    ) -> None:
        self._folder = folder = locate(folder)
        self.manifest = read_manifest(folder)
        self.vocabulary = vocabulary
        self.split = split
        with manifest_errors_as_data_errors(folder):
            _check_vocabulary(folder, self.manifest, vocabulary)
        shards = tuple(s for s in self.manifest.shards if s.path.startswith(f"{split}-"))
        _check_shards(folder, self.manifest, shards, verify_checksums)
        self._examples = StoredExamples(folder, shards, vocabulary.size)
        if verify_checksums and (wrong := self._examples.check_contents(vocabulary.size)):
            raise damaged_one(f"{folder} {wrong}")
        self._order = RowOrder(self._examples.block_rows)
        self.num_rows = self._order.num_rows
        with manifest_errors_as_data_errors(folder):
            self._masking = _dynamic_masking(self.manifest, vocabulary)

    @property
    def next_sentence(self) -> bool:
        """Whether the examples are pairs with a label to predict."""
        return bool(self.manifest.config["examples"]["next_sentence"])

    def longest_row(self) -> int:
        """Pieces of the longest row of the split, from the manifest if it has them."""
        counts = self.manifest.counts.get(self.split)
        if counts is None:
            return self._examples.longest_row()
        with manifest_errors_as_data_errors(self._folder):
            return max((n for n, examples in enumerate(counts["lengths"]) if examples), default=0)

    def rows_at(
        self, seed: int, position: int, count: int, *, rank: int = 0, num_ranks: int = 1
    ) -> tuple[Int64Array, Int64Array]:
        """The rows at `count` positions of the order from `position` on, and their epochs."""
        if not self.num_rows:
            raise DataError(f"there are no {self.split} examples; raise validation_fraction")
        if not 0 <= rank < num_ranks:
            raise ConfigError(f"rank must be from 0 to {num_ranks - 1}, got {rank}")
        places = np.arange(position, position + count, dtype=np.int64) * num_ranks + rank
        return self._order.rows_at(places, seed)

    def lengths_of(self, rows: Int64Array) -> Int64Array:
        """Pieces of each row."""
        return self._examples.lengths_of(rows)

    def predictions_of(self, rows: Int64Array) -> Int64Array:
        """Pieces to predict in each row; the maximum if masking is dynamic."""
        if self._masking is not None:
            return prediction_limits(self.lengths_of(rows), self._masking[0])
        return self._examples.predictions_of(rows)

    def document_ids_of(self, rows: Int64Array) -> list[int]:
        """The document of each row's segment A."""
        return self._examples.document_ids_of(rows)

    def read(
        self, rows: Int64Array, *, seed: int = 0, epochs: Int64Array | None = None
    ) -> CompactBatch:
        """These rows of the split, in this order.

        With dynamic masking, masks are a pure function of (seed, epoch, row); those of the
        validation split are the same in each epoch. Static masks are read from the shards.
        """
        if len(rows) and not (rows.min() >= 0 and rows.max() < self.num_rows):
            raise IndexError(f"rows must be from 0 to {self.num_rows - 1}")
        batch = self._examples.take(rows)
        if self._masking is None:
            return batch
        if epochs is None or self.split == "validation":
            epochs = np.zeros(len(rows), dtype=np.int64)
        keys = np.empty(len(rows), dtype=np.uint64)
        for epoch in sorted(set(epochs.tolist())):
            key = derive_key(seed, "dynamic masks", epoch)
            keys[epochs == epoch] = derive_keys(key, rows[epochs == epoch])
        return _mask(batch, keys, *self._masking)

    def batch_at(
        self, seed: int, position: int, batch_size: int, *, rank: int = 0, num_ranks: int = 1
    ) -> CompactBatch:
        """The `batch_size` examples from `position` on in the endless order of training."""
        rows, epochs = self.rows_at(seed, position, batch_size, rank=rank, num_ranks=num_ranks)
        return self.read(rows, seed=seed, epochs=epochs)

    def batches(
        self, seed: int, position: int, batch_size: int, *, rank: int = 0, num_ranks: int = 1
    ) -> Iterator[CompactBatch]:
        """`batch_at` from `position` on, without end.

        Reads ahead in growing steps: the first batch is ready at once, later ones are cheap.
        """
        for start, count in _read_ahead(position, batch_size, self._max_ahead):
            ahead = self.batch_at(seed, start, count, rank=rank, num_ranks=num_ranks)
            yield from ahead.split(batch_size)

    def padded_batches(
        self,
        seed: int,
        position: int,
        batch_size: int,
        *,
        length: int | None = None,
        rank: int = 0,
        num_ranks: int = 1,
    ) -> Iterator[PaddedBatch]:
        """`batches`, each padded by `to_padded`; all to `length` if it is not None."""
        pad_id = self.vocabulary.special.pad
        if length is None:
            compact = self.batches(seed, position, batch_size, rank=rank, num_ranks=num_ranks)
            yield from (to_padded(batch, pad_id=pad_id) for batch in compact)
            return
        # Of one length, so padded together and cut: views of one table.
        for start, count in _read_ahead(position, batch_size, self._max_ahead):
            ahead = self.batch_at(seed, start, count, rank=rank, num_ranks=num_ranks)
            padded = to_padded(ahead, pad_id=pad_id, length=length)
            for first in range(0, count, batch_size):
                yield {name: column[first : first + batch_size] for name, column in padded.items()}

    @property
    def _max_ahead(self) -> int:
        return _STATIC_AHEAD if self._masking is None else _DYNAMIC_AHEAD

    def one_pass(self, batch_size: int, *, seed: int = 0) -> Iterator[CompactBatch]:
        """Every row once in the order of the shards; the last batch may be smaller."""
        for start in range(0, self.num_rows, batch_size):
            rows = np.arange(start, min(start + batch_size, self.num_rows), dtype=np.int64)
            yield self.read(rows, seed=seed)


def _read_ahead(position: int, batch_size: int, max_ahead: int) -> Iterator[tuple[int, int]]:
    """(first position, number) of rows read together: 1 batch, 2, 4, … up to `max_ahead` rows."""
    number = 1
    while True:
        yield position, number * batch_size
        position += number * batch_size
        number = max(1, min(2 * number, max_ahead // batch_size))


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
    real_BL = places_within(lengths, int(lengths.max(initial=0)))
    input_ids_BL = pad_rows(batch.input_ids, real_BL, 0)
    masked = mask_batch(input_ids_BL, lengths, batch.segment_b_starts, keys, config, pieces)
    counts = masked.num_predictions_B
    predicted_BM = places_within(counts, masked.positions_BM.shape[1])
    return CompactBatch(
        input_ids=masked.input_ids_BL[real_BL].astype(batch.input_ids.dtype),
        offsets=batch.offsets,
        segment_b_starts=batch.segment_b_starts,
        masked_positions=masked.positions_BM[predicted_BM].astype(np.int64),
        masked_ids=masked.label_ids_BM[predicted_BM].astype(batch.input_ids.dtype),
        masked_offsets=offsets_of(counts),
        next_sentence_labels=batch.next_sentence_labels,
    )


def _check_vocabulary(folder: Location, manifest: Manifest, vocabulary: Vocabulary) -> None:
    if manifest.format != "bertdata-examples":
        raise DataError(
            f"{folder} holds {manifest.format}, not bertdata-examples; name an examples/ folder"
        )
    made_with = manifest.inputs["vocabulary"]["sha256"]
    if vocabulary.fingerprint != made_with:
        raise DataError(
            f"vocabulary fingerprint {vocabulary.fingerprint[:12]}… is not the {made_with[:12]}… "
            f"that {folder} was made with; pass the vocab.txt it was made with"
        )


def _check_shards(
    folder: Location, manifest: Manifest, shards: tuple[Shard, ...], verify_checksums: bool
) -> None:
    def check_contents(shard: Shard) -> None:
        check_shard(folder, shard, manifest.format)

    is_remote = isinstance(folder, Address)
    list(map_waiting(lambda shard: _check_size(folder, shard), shards, is_remote))
    list(map_waiting(check_contents, shards if verify_checksums else (), is_remote))


def _check_size(folder: Location, shard: Shard) -> None:
    path = folder / shard.path
    if not is_file(path):
        raise missing_file(path)
    if (size := size_of(path)) != shard.bytes:
        raise damaged_file(f"{path} has {size} bytes, the manifest says {shard.bytes}")

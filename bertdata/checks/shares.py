"""Whether shares of examples are the configured ones, within what chance explains.

Each check bounds the probability that a correct data set deviates so much (Chernoff), so it holds
for any number of examples: a bound below exp(-SURELY), about 1e-13, is a finding. If several
documents share their random choices, values that should be independent are not: shares vary more,
and masks repeat.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from bertdata.arrays import Int64Array, UInt64Array
from bertdata.checks.invariants import ExampleRules
from bertdata.randomness import derive_keys, mix_array
from bertdata.reference.config import KEEP_SHARE, MASK_SHARE

SURELY = 30.0
_FEW_REPEATS = 0.02  # masks are compared only if chance repeats at most this share of them
_ROWS_AT_ONCE = 1 << 17
_KIND_FACTOR = 1024  # above any number of predictions
_MAX_COINS = 1_000_000
_NO_MASKS = np.empty((0, 4), dtype=np.uint64)


def surprise(count: int, total: int, share: float) -> float:
    """-log of a bound on the probability of this `count` among `total` with probability `share`.

    For counts above the share it also holds if the probability of each is at most `share`, given
    all others before it.
    """
    found = count / total if total else share
    return total * (_relative(found, share) + _relative(1 - found, 1 - share))


def check_masking(counts: Mapping[str, int], vocabulary_size: int) -> Iterator[str]:
    """Findings about the pieces at predicted places; `counts` as `count_examples` returns them.

    A random piece is the original one, or [MASK], as often as any other.
    """
    total, chance = counts["predicted"], (1 - MASK_SHARE) * (1 - KEEP_SHARE)
    shares = {
        "masked": MASK_SHARE + chance / vocabulary_size,
        "kept": (1 - MASK_SHARE) * KEEP_SHARE + chance / vocabulary_size,
        "replaced": chance - 2 * chance / vocabulary_size,
    }
    for name, share in shares.items():
        if surprise(counts[name], total, share) > SURELY:
            found = f"{counts[name] / total:.2%} of {total:,} predicted pieces"
            yield f"{name} {found}, configured {share:.2%}: more than chance explains"


def check_held_out(held_out: int, documents: int, fraction: float) -> Iterator[str]:
    """A finding if the share of documents in the validation split is not the configured one."""
    if surprise(held_out, documents, fraction) > SURELY:
        found = f"{held_out / documents:.2%} of {documents:,} documents are held out"
        yield f"{found}, configured {fraction:.2%}: more than chance explains"


class ExampleShares:
    """Compares the examples of a split with what chance explains.

    `num_examples`: about their number.
    """

    def __init__(self, rules: ExampleRules, num_examples: int) -> None:
        self._vocabulary_size = rules.vocabulary_size
        is_even = rules.masking is not None and not rules.masking.whole_word_mask
        self._masks = _RepeatedMasks() if is_even else None
        self._coins = _RandomNext(num_examples) if rules.next_sentence else None

    def add(self, batch: pa.RecordBatch) -> None:
        """Add valid rows of a shard."""
        if self._masks is not None:
            self._masks.add(batch)
        if self._coins is not None:
            self._coins.add(batch)

    def end_shard(self) -> None:
        """Call after the last rows of a shard."""
        if self._masks is not None:
            self._masks.compare()

    def findings(self, counts: Mapping[str, int]) -> Iterator[str]:
        """Findings about all rows; `counts`: their counts from `count_examples`."""
        yield from check_masking(counts, self._vocabulary_size)
        if self._masks is not None:
            yield from self._masks.findings()
        if self._coins is not None:
            yield from self._coins.findings()


@dataclass
class _RepeatedMasks:
    """Counts examples with the same predictions as another one of their shard.

    The predicted pieces of an example are drawn evenly among all sets of that size. So the
    probability that an example repeats an earlier one has a known bound, and is nearly zero in long
    examples, unless both use the same random stream. (Whole-word masking leaves fewer sets.)
    `expected` bounds the mean of `repeats` in a correct data set.
    """

    repeats: int = 0
    expected: float = 0.0
    _parts: list[UInt64Array] = field(default_factory=list)

    def add(self, batch: pa.RecordBatch) -> None:
        """Add rows of a shard."""
        self._parts.append(_describe_masks(batch))
        if sum(map(len, self._parts)) >= _ROWS_AT_ONCE:
            self.compare()

    def compare(self) -> None:
        """Compare the rows added since the last call; at the end of a shard, and when many wait."""
        rows = np.concatenate([_NO_MASKS, *self._parts])
        self._parts.clear()
        # Sorted by a hash of 64 bits; rows are equal if all columns are.
        rows = rows[np.argsort(rows[:, 2])]
        is_repeat = (rows[1:] == rows[:-1]).all(axis=1)
        kinds = (rows[:, 0] * _KIND_FACTOR + rows[:, 1]).astype(np.int64)
        sizes = np.bincount(kinds)
        repeats = np.bincount(kinds[1:][is_repeat], minlength=len(sizes))
        for kind in np.flatnonzero(sizes).tolist():
            size, log_sets = int(sizes[kind]), _log_choices(*divmod(kind, _KIND_FACTOR))
            expected = size * (size - 1) / 2 * math.exp(-log_sets)
            if expected <= _FEW_REPEATS * size:
                self.expected += expected
                self.repeats += int(repeats[kind])

    def findings(self) -> Iterator[str]:
        """A finding if there are more repeats than chance explains."""
        if self.repeats > self.expected and self._surprise() > SURELY:
            yield (
                f"{self.repeats:,} examples predict the same places as others of their shard: "
                "documents shared their random choices"
            )

    def _surprise(self) -> float:
        """Like `surprise`, for a number of rare events (Chernoff bound of the Poisson law)."""
        ratio = self.repeats / max(self.expected, 1e-300)
        return self.repeats * math.log(ratio) - self.repeats + self.expected


class _RandomNext:
    """Counts actual and random Bs of next-sentence pairs, which a coin decides.

    If a document has one sentence left, or a sentence is long enough, B is random without a coin.
    So the share of random Bs is above one half by an amount that depends on the texts, and the
    share of actual ones is at most one half. Documents without any random B are not counted,
    because they may have been alone in their pool; that makes a finding less likely.

    `num_examples`: of the split; of very many, only those of some documents are counted.
    """

    def __init__(self, num_examples: int) -> None:
        share = min(1.0, _MAX_COINS / max(1, num_examples))
        self._last_id = np.uint64(min(2**64 - 1, int(share * 2**64)))
        self._ids: list[UInt64Array] = []
        self._labels: list[Int64Array] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Add rows of a split."""
        ids = batch.column("document_id").to_numpy()
        labels = batch.column("next_sentence_label").to_numpy()
        chosen = ids <= self._last_id
        self._ids.append(ids[chosen])
        self._labels.append(labels[chosen].astype(np.int64))

    def findings(self) -> Iterator[str]:
        """A finding if fewer Bs are random than chance explains."""
        if not self._ids:
            return
        _, document_of = np.unique(np.concatenate(self._ids), return_inverse=True)
        examples = np.bincount(document_of)
        randoms = np.bincount(document_of, np.concatenate(self._labels)).astype(np.int64)
        total, random = int(examples[randoms > 0].sum()), int(randoms.sum())
        if 2 * random < total and surprise(random, total, 0.5) > SURELY:
            found = f"B is random in {random / total:.2%} of {total:,} examples"
            yield f"{found}, expected are 50% or more: fewer than chance explains"


def _describe_masks(batch: pa.RecordBatch) -> UInt64Array:
    """Per row: numbers of candidates and of predictions, and a hash of 128 bits of their places."""
    positions = batch.column("masked_lm_positions")
    offsets = np.asarray(positions.offsets).astype(np.int64)
    offsets -= offsets[0]
    counts = np.diff(offsets)
    b_starts = batch.column("segment_b_start").to_numpy().astype(np.int64)
    lengths = np.diff(np.asarray(batch.column("input_ids").offsets)).astype(np.int64)
    has_b = b_starts < lengths
    places = positions.flatten().to_numpy().astype(np.int64)
    # [SEP] between A and B is not a candidate: places after it move down by one.
    places -= (places >= np.repeat(b_starts, counts)) & np.repeat(has_b, counts)
    candidates = lengths - 2 - has_b
    first, second = (_sum_rows(derive_keys(key, places), offsets) for key in (1, 2))
    # Rows with other numbers of candidates must not be sorted between equal rows.
    columns = [candidates, counts, derive_keys(first, candidates), second]
    return np.stack([column.astype(np.uint64) for column in columns], axis=1)


def _sum_rows(values: UInt64Array, offsets: Int64Array) -> UInt64Array:
    """The sum of each row's values, modulo 2**64."""
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(values, dtype=np.uint64)])
    return mix_array(sums[offsets[1:]] - sums[offsets[:-1]])


def _log_choices(candidates: int, chosen: int) -> float:
    """The log of the number of ways to choose `chosen` of `candidates`."""
    left = candidates - chosen
    return math.lgamma(candidates + 1) - math.lgamma(chosen + 1) - math.lgamma(left + 1)


def _relative(found: float, share: float) -> float:
    """A term of the Kullback-Leibler divergence."""
    if found <= 0:
        return 0.0
    return found * math.log(found / share) if share > 0 else math.inf

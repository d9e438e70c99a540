"""The parameters of the original algorithm, with the original's names and defaults."""

from __future__ import annotations

from dataclasses import dataclass

from bertdata.config import check_range
from bertdata.storage.schema import MAX_PIECES

MASK_SHARE = 0.8  # share of the predicted pieces that become [MASK]
KEEP_SHARE = 0.5  # share of the others that are unchanged; the rest become a random piece


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskingConfig:
    """How pieces are hidden.

    `masked_lm_prob`: share of a sequence's pieces (with [CLS] and [SEP]) to predict, in (0, 1].
    `max_predictions_per_seq`: their maximum number, from 1. `whole_word_mask`: hide whole words.
    """

    masked_lm_prob: float = 0.15
    max_predictions_per_seq: int = 20
    whole_word_mask: bool = False

    def __post_init__(self) -> None:
        check_range("masked_lm_prob", self.masked_lm_prob, 1e-6, 1)
        check_range("max_predictions_per_seq", self.max_predictions_per_seq, 1, 512)


@dataclass(frozen=True, kw_only=True, slots=True)
class PairingConfig:
    """How documents become pairs of segments.

    `max_seq_length`: pieces of an example with [CLS] and [SEP], 5 to 512. `short_seq_prob`: share
    of documents (without next sentence prediction: of examples) with a random shorter target
    length. `next_sentence`: pairs, or single segments. `original_random_next`: as in the original,
    which tries ten times to find another document and then takes the last one, so that a pair can
    be labelled random although its B is from the same document. Otherwise B is from one of the
    other documents, and if there is none, no pair is labelled random.
    """

    max_seq_length: int = 128
    short_seq_prob: float = 0.1
    next_sentence: bool = True
    original_random_next: bool = False

    def __post_init__(self) -> None:
        check_range("max_seq_length", self.max_seq_length, 5, MAX_PIECES)
        check_range("short_seq_prob", self.short_seq_prob, 0, 1)

    @property
    def max_num_pieces(self) -> int:
        """Maximum pieces of text: the length without [CLS] and one or two [SEP]."""
        return self.max_seq_length - (3 if self.next_sentence else 2)

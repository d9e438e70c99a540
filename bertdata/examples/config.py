"""The `[examples]` table: how documents become examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bertdata.config import check_choices, check_range
from bertdata.reference.config import MaskingConfig, PairingConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class ExamplesConfig:
    """How documents become examples; names and defaults are the original's where it has them.

    `max_seq_length`: pieces of an example, with [CLS] and [SEP]. `short_seq_prob`: share of
    examples with a random shorter length. `masked_lm_prob`: share of the pieces to predict.
    `max_predictions_per_seq`: at most so many in an example. `whole_word_mask`: whether the pieces
    of a word are masked together. `num_shards`: files of training examples; 0 is 64, or one
    per 64 MB of text where that is more. `dupe_factor`: passes over the training documents, each
    paired and masked differently (validation documents get one pass). `masking`: "static" stores
    masks in the files, "dynamic" lets the reader draw new ones in each epoch. `next_sentence`:
    pairs, or single segments. `validation_fraction`: share of documents held out, in [0, 0.5].
    `compression`: of the shards, "none", "lz4" or "zstd". ZSTD needs a third less space than none,
    for about a tenth more work in the whole run; LZ4 a tenth less space, for half of that work.
    """

    max_seq_length: int = 128
    dupe_factor: int = 10
    short_seq_prob: float = 0.1
    masked_lm_prob: float = 0.15
    max_predictions_per_seq: int = 20
    whole_word_mask: bool = False
    masking: Literal["static", "dynamic"] = "static"
    next_sentence: bool = True
    validation_fraction: float = 0.005
    num_shards: int = 0
    compression: Literal["none", "lz4", "zstd"] = "zstd"

    def __post_init__(self) -> None:
        check_choices(self)
        check_range("dupe_factor", self.dupe_factor, 1, 1000)
        check_range("validation_fraction", self.validation_fraction, 0, 0.5)
        check_range("num_shards", self.num_shards, 0, 99_999)
        _ = self.pairing_config, self.masking_config  # they check the rest

    @property
    def pairing_config(self) -> PairingConfig:
        return PairingConfig(
            max_seq_length=self.max_seq_length,
            short_seq_prob=self.short_seq_prob,
            next_sentence=self.next_sentence,
        )

    @property
    def masking_config(self) -> MaskingConfig:
        return MaskingConfig(
            masked_lm_prob=self.masked_lm_prob,
            max_predictions_per_seq=self.max_predictions_per_seq,
            whole_word_mask=self.whole_word_mask,
        )

"""The objectives of pre-training, as sums over a batch: masked pieces, and pairs of sentences.

The masked-language-model loss is summed over predicted pieces, to be divided by their number; the
next-sentence loss is summed over sequences, to be divided by their number. Both numbers are those
of the whole step, over all its micro-batches and ranks: a mean of means would weigh pieces
unequally.

Shapes: B batch, G maximum of sequences in a pack, N predicted pieces, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from trainer.attention import PackedAttention
from trainer.batch import IGNORED, Batch, Counts, PackedBatch, PaddedBatch
from trainer.decoder_loss import Decoder
from trainer.models.bert import Bert

_ROWS_MULTIPLE = 64  # of predictions in a padded batch


@dataclass(frozen=True, kw_only=True, slots=True)
class LossSums:
    """Losses and right answers, summed over a batch."""

    mlm: Tensor
    nsp: Tensor
    mlm_right: Tensor
    nsp_right: Tensor

    def total(self, counts: Counts, *, next_sentence: bool) -> Tensor:
        """Return this batch's share of the step's loss; `counts`: of the whole step.

        The mean masked-language-model loss, plus the mean next-sentence loss if it is trained.
        """
        mlm = self.mlm / max(1, counts.masked)
        return mlm + self.nsp / max(1, counts.sequences) if next_sentence else mlm

    def stacked(self) -> Tensor:
        """Return the four numbers in single precision, detached."""
        sums = (self.mlm, self.nsp, self.mlm_right, self.nsp_right)
        return torch.stack([value.detach().float() for value in sums])


def pretraining_losses(
    model: Bert, batch: Batch, decoder_loss: Decoder, kernel: str = "plain"
) -> LossSums:
    """Compute both losses of a batch; `kernel`: of attention in packed batches."""
    if isinstance(batch, PaddedBatch):
        hidden_ND, first_BD = wanted_states(model, batch)
        hidden_ND, masked_ids_N = _fill_up(hidden_ND, batch.masked_ids_N)
        labels_B = batch.next_sentence_labels_B
    else:
        hidden_ND, first_BD = _packed_states(model, batch, kernel)
        masked_ids_N = batch.masked_ids_N
        labels_B = batch.next_sentence_labels_G
    mlm, mlm_right = decoder_loss(
        model.mlm_features(hidden_ND),
        model.embeddings.token.weight,
        model.output_bias,
        masked_ids_N,
    )
    scores_B2 = model.nsp_logits(first_BD).float()
    nsp = functional.cross_entropy(scores_B2, labels_B, reduction="sum", ignore_index=IGNORED)
    nsp_right = (scores_B2.argmax(dim=1) == labels_B).sum()
    return LossSums(mlm=mlm, nsp=nsp, mlm_right=mlm_right, nsp_right=nsp_right)


def _fill_up(hidden_ND: Tensor, labels_N: Tensor) -> tuple[Tensor, Tensor]:
    """Add rows up to a multiple, so that steps share few shapes; their labels are IGNORED."""
    missing = -len(labels_N) % _ROWS_MULTIPLE
    labels_N = functional.pad(labels_N, (0, missing), value=IGNORED)
    return functional.pad(hidden_ND, (0, 0, 0, missing)), labels_N


def wanted_states(model: Bert, batch: PaddedBatch) -> tuple[Tensor, Tensor]:
    """Return the last layer's states at the places to predict, N D, and at [CLS], B D."""
    hidden_BQD = model.encode(
        batch.input_ids_BL, batch.token_type_ids_BL, batch.real_BL, batch.wanted_BQ
    )
    return hidden_BQD.flatten(0, 1).index_select(0, batch.masked_places_N), hidden_BQD[:, 0]


def _packed_states(model: Bert, batch: PackedBatch, kernel: str) -> tuple[Tensor, Tensor]:
    """Return the same of a packed batch: N D and G D."""
    hidden_QD = model.encode_packed(
        batch.input_ids_T,
        batch.token_type_ids_T,
        batch.positions_T,
        PackedAttention(batch.sequences, kernel),
        batch.wanted_Q,
    )
    num_sequences = len(batch.next_sentence_labels_G)
    return hidden_QD[num_sequences:], hidden_QD[:num_sequences]

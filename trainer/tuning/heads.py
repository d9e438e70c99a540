"""A model with a head for a task: encoder, dropout, one dense layer.

For a text or pair the layer reads the pooled state of [CLS], for tagging the state of each word's
first piece (Devlin et al. 2019, sections 4.1 and 5.3). It is written under the names of
transformers' BertForSequenceClassification and BertForTokenClassification.

Shapes: B batch, L length, D width, Q wanted positions in a row, N of them that count, C outputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bertdata.storage.locations import Location
from bertdata.storage.writing import atomic_file, write_json
from trainer.models.bert import Bert
from trainer.models.bert_names import to_hf_config, to_hf_name
from trainer.models.export import CONFIG_NAME, copy_tokenizer
from trainer.models.tensor_file import write_tensors
from trainer.models.weights import WEIGHTS_NAME
from trainer.texts.encoder import TextBatch

_INITIAL_SCALE = 0.02
_ENCODER_PREFIXES = ("embeddings.", "layers.")
_POOLER_PREFIX = "pooler."
_ARCHITECTURES = {False: "BertForSequenceClassification", True: "BertForTokenClassification"}


class TaskModel(nn.Module):
    """An encoder and a head with `num_outputs` scores, for the whole text or `per_word`."""

    def __init__(self, bert: Bert, num_outputs: int, *, per_word: bool) -> None:
        super().__init__()
        self.bert = bert
        self.per_word = per_word
        self.dropout = nn.Dropout(bert.config.dropout)
        self.classifier = nn.Linear(bert.config.hidden_size, num_outputs)
        nn.init.trunc_normal_(self.classifier.weight, std=_INITIAL_SCALE, a=-0.04, b=0.04)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, batch: TextBatch, wanted_BQ: Tensor, places_N: Tensor) -> Tensor:
        """Return scores N C; `places_N`: which of the flattened positions B Q are not filling."""
        hidden_BQD = self.bert.encode(
            batch.input_ids_BL, batch.token_type_ids_BL, batch.real_BL, wanted_BQ
        )
        hidden_ND = hidden_BQD.flatten(0, 1).index_select(0, places_N)
        if not self.per_word:
            hidden_ND = torch.tanh(self.bert.pooler(hidden_ND))
        logits_NC: Tensor = self.classifier(self.dropout(hidden_ND))
        return logits_NC

    def used_parameters(self) -> dict[str, nn.Parameter]:
        """Return all parameters but those of pre-training's heads, which a task does not use."""
        return {name: p for name, p in self.named_parameters() if self._is_used(name)}

    def _is_used(self, name: str) -> bool:
        if not name.startswith("bert."):
            return True
        prefixes = _ENCODER_PREFIXES if self.per_word else (*_ENCODER_PREFIXES, _POOLER_PREFIX)
        return name.removeprefix("bert.").startswith(prefixes)


def export_task_model(
    model: TaskModel, config: dict[str, object], folder: Location, *, tokenizer: Location
) -> None:
    """Write a folder that `transformers.AutoModelFor…Classification.from_pretrained` loads.

    `config`: the contents of config.json. `tokenizer`: the folder whose tokenizer is copied.
    """
    copy_tokenizer(tokenizer, folder)
    write_json(folder / CONFIG_NAME, config)
    used = model.used_parameters()
    named = {_to_hf_name(name): value.detach().cpu().contiguous() for name, value in used.items()}
    with atomic_file(folder / WEIGHTS_NAME) as temporary:
        write_tensors(temporary, named, {"format": "pt"})


def task_config(model: TaskModel, labels: Sequence[str]) -> dict[str, object]:
    """Return the contents of config.json; without labels, of a regression."""
    names = list(labels) or ["LABEL_0"]
    table = to_hf_config(model.bert.config)
    table["architectures"] = [_ARCHITECTURES[model.per_word]]
    table["id2label"] = {str(i): name for i, name in enumerate(names)}
    table["label2id"] = {name: i for i, name in enumerate(names)}
    table["classifier_dropout"] = None
    if not model.per_word:
        kind = "single_label_classification" if labels else "regression"
        table["problem_type"] = kind
    return table


def _to_hf_name(name: str) -> str:
    return to_hf_name(name.removeprefix("bert.")) if name.startswith("bert.") else name

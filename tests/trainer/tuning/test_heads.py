"""Heads of tasks: what they read, which parameters a task uses."""

from __future__ import annotations

import torch

from tests.trainer.models.test_bert import make_model
from trainer.texts.encoder import TextBatch
from trainer.tuning.heads import TaskModel, task_config


def test_tagging_leaves_the_pooler_alone() -> None:
    for per_word in (False, True):
        used = TaskModel(make_model(), 3, per_word=per_word).used_parameters()
        assert ("bert.pooler.weight" in used) is not per_word
        assert not any(name.startswith(("bert.transform", "bert.next_sentence")) for name in used)
        assert "classifier.bias" in used


def test_scores_are_of_the_wanted_positions() -> None:
    model = TaskModel(make_model(), 3, per_word=True).eval()
    ids_BL = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12]])
    batch = TextBatch(input_ids_BL=ids_BL, token_type_ids_BL=torch.zeros_like(ids_BL), real_BL=None)
    logits_NC = model(batch, torch.tensor([[1, 3], [2, 0]]), torch.tensor([0, 1, 2]))
    hidden_BLD = model.bert.encode(ids_BL, torch.zeros_like(ids_BL))
    expected = model.classifier(torch.stack([hidden_BLD[0, 1], hidden_BLD[0, 3], hidden_BLD[1, 2]]))
    torch.testing.assert_close(logits_NC, expected)


def test_the_configuration_names_task_and_labels() -> None:
    found = task_config(TaskModel(make_model(), 2, per_word=False), ["no", "yes"])
    assert found["architectures"] == ["BertForSequenceClassification"]
    assert found["id2label"] == {"0": "no", "1": "yes"}
    assert found["problem_type"] == "single_label_classification"
    assert (
        task_config(TaskModel(make_model(), 1, per_word=False), [])["problem_type"] == "regression"
    )

"""Every rule of examples and sentences, broken one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bertdata.checks.invariants import (
    ExampleRules,
    Fault,
    check_documents,
    check_examples,
    check_sentences,
)
from bertdata.corpus.identity import hash_documents, hash_rows
from bertdata.corpus.partitions import assign_partitions, choose_validation
from bertdata.reference.config import MaskingConfig
from bertdata.storage.schema import SENTENCES, examples_schema
from bertdata.tokens.vocabulary import SpecialIds

Row = dict[str, Any]

PAD, UNK, CLS, SEP, MASK = range(5)
RULES = ExampleRules(
    max_seq_length=12,
    next_sentence=True,
    masking=MaskingConfig(masked_lm_prob=0.2, max_predictions_per_seq=2),
    special=SpecialIds(pad=PAD, unk=UNK, cls=CLS, sep=SEP, mask=MASK),
    vocabulary_size=20,
)


def pair_row() -> Row:
    """Ten pieces: two predictions."""
    return {
        "input_ids": [CLS, 10, MASK, 12, SEP, UNK, 14, 15, 16, SEP],
        "segment_b_start": 5,
        "masked_lm_positions": [2, 7],
        "masked_lm_ids": [11, 15],
        "next_sentence_label": 1,
        "document_id": 7,
    }


def single_row() -> Row:
    return {
        "input_ids": [CLS, 10, 11, SEP],
        "segment_b_start": 4,
        "masked_lm_positions": [],
        "masked_lm_ids": [],
        "next_sentence_label": 0,
        "document_id": 7,
    }


def faults_of(rows: list[Row], rules: ExampleRules = RULES) -> list[Fault]:
    schema = examples_schema(rules.vocabulary_size)
    return check_examples(pa.RecordBatch.from_pylist(rows, schema), rules)


def put(key: str, place: int, value: int) -> Callable[[Row], None]:
    def change(row: Row) -> None:
        row[key][place] = value

    return change


def give(**values: Any) -> Callable[[Row], None]:
    return lambda row: row.update(values)


BROKEN = {
    "does not begin with [CLS]": put("input_ids", 0, 10),
    "no [SEP] 3 after A": put("input_ids", 4, 10),
    "no [SEP] 3 at its end": put("input_ids", 9, 10),
    "special piece where none is predicted": put("input_ids", 6, SEP),
    "special piece where none is predicted: 4": put("input_ids", 1, MASK),
    "special piece where none is predicted: 0": put("input_ids", 6, PAD),
    "predicts a special piece: 0": put("masked_lm_ids", 0, PAD),
    "beyond the 20": put("input_ids", 6, 20),
    "beyond the 20 ": put("masked_lm_ids", 0, 300),
    "more than 12 pieces": give(input_ids=[CLS, *[10] * 3, SEP, *[10] * 8, SEP]),
    "fewer than 5 pieces": give(input_ids=[CLS, 10, SEP, SEP]),
    "leaves no room for A": give(segment_b_start=2),
    "leaves no room for A or B": give(segment_b_start=9),
    "more or fewer masked_lm_ids": give(masked_lm_ids=[11]),
    "predicts beyond its end": put("masked_lm_positions", 1, 10),
    "do not ascend": give(masked_lm_positions=[7, 2], masked_lm_ids=[15, 11]),
    "do not ascend, at 2": give(masked_lm_positions=[2, 2]),
    "predicts [CLS] or [SEP], at 0": put("masked_lm_positions", 0, 0),
    "predicts [CLS] or [SEP], at 4": put("masked_lm_positions", 1, 4),
    "predicts [CLS] or [SEP], at 9": put("masked_lm_positions", 1, 9),
    "predicts a special piece": put("masked_lm_ids", 0, SEP),
    "wrong number of predictions: 1": give(masked_lm_positions=[2], masked_lm_ids=[11]),
    "wrong number of predictions: 3": give(
        masked_lm_positions=[2, 6, 7], masked_lm_ids=[11, 14, 15]
    ),
    "next_sentence_label": give(next_sentence_label=2),
}


def test_sound_rows_have_no_fault() -> None:
    assert faults_of([pair_row(), pair_row()]) == []
    assert faults_of([]) == []


@pytest.mark.parametrize(("rule", "change"), BROKEN.items(), ids=list(BROKEN))
def test_broken_rule_names_the_row(rule: str, change: Callable[[Row], None]) -> None:
    broken = pair_row()
    change(broken)
    found = faults_of([pair_row(), broken, pair_row(), broken])
    (fault,) = [fault for fault in found if rule.strip() in f"{fault.rule} {fault.value}"]
    assert (fault.row, fault.rows) == (1, 2)


@pytest.mark.parametrize(("rule", "change"), BROKEN.items(), ids=list(BROKEN))
def test_slice_has_the_same_faults(rule: str, change: Callable[[Row], None]) -> None:
    broken = pair_row()
    change(broken)
    schema = examples_schema(RULES.vocabulary_size)
    batch = pa.RecordBatch.from_pylist([pair_row(), broken, pair_row(), pair_row()], schema)
    assert check_examples(batch.slice(1, 2), RULES) == faults_of([broken, pair_row()])


def row_of(length: int, b_start: int) -> Row:
    """A pair of this length without predictions; its B begins there."""
    ids = [CLS, *[10] * (length - 2), SEP]
    ids[b_start - 1] = SEP
    return pair_row() | {
        "input_ids": ids,
        "segment_b_start": b_start,
        "masked_lm_positions": [],
        "masked_lm_ids": [],
    }


@pytest.mark.parametrize(
    ("length", "b_start", "fault"),
    [
        (5, 3, ""),  # [CLS] A [SEP] B [SEP]
        (4, 3, "has fewer than 5 pieces: 4"),
        (12, 3, ""),
        (12, 10, ""),
        (12, 11, "leaves no room for A or B; segment_b_start is 11"),
        (12, 2, "leaves no room for A or B; segment_b_start is 2"),
        (13, 5, "has more than 12 pieces: 13"),
    ],
)
def test_rows_at_the_limits(length: int, b_start: int, fault: str) -> None:
    found = faults_of([row_of(length, b_start)], replace(RULES, masking=None))
    said = [f"{broken.rule} {broken.value}" for broken in found]
    assert said[:1] == ([fault] if fault else [])


@pytest.mark.parametrize(("piece", "is_known"), [(19, True), (20, False)])
def test_ids_go_up_to_the_size_of_the_vocabulary(piece: int, is_known: bool) -> None:
    for key, place in (("input_ids", 6), ("masked_lm_ids", 0)):
        row = pair_row()
        row[key][place] = piece
        assert (faults_of([row]) == []) is is_known


def test_a_predicted_place_may_show_any_piece() -> None:
    row = pair_row()
    row["input_ids"][7] = SEP
    assert faults_of([row]) == []


def test_whole_words_may_be_fewer_than_the_limit_but_not_more() -> None:
    assert RULES.masking
    rules = replace(RULES, masking=replace(RULES.masking, whole_word_mask=True))
    fewer, more = pair_row(), pair_row()
    BROKEN["wrong number of predictions: 1"](fewer)
    BROKEN["wrong number of predictions: 3"](more)
    fewer["input_ids"][7] = 15
    assert faults_of([fewer], rules) == []
    assert [fault.value for fault in faults_of([more], rules)] == ["3"]


def test_dynamic_rows_have_no_prediction() -> None:
    dynamic = replace(RULES, masking=None)
    plain = pair_row() | {"masked_lm_positions": [], "masked_lm_ids": []}
    plain["input_ids"][2] = 11
    assert faults_of([plain], dynamic) == []
    assert "dynamic" in faults_of([pair_row()], dynamic)[0].rule


def test_single_segments() -> None:
    rules = replace(RULES, next_sentence=False, masking=None)
    assert faults_of([single_row()], rules) == []
    assert "single segment" in faults_of([single_row() | {"segment_b_start": 3}], rules)[0].rule
    labelled = single_row() | {"next_sentence_label": 1}
    assert "label" in faults_of([labelled], rules)[0].rule


def test_documents_of_the_other_split_and_unknown_ones() -> None:
    ids = np.arange(100, dtype=np.uint64)
    held_out = choose_validation(ids, 0.3, 5)
    rules: dict[str, Any] = {"fraction": 0.3, "seed": 5}
    assert check_documents(ids[held_out], held_out=True, known=ids, **rules) == []
    assert check_documents(ids[~held_out], held_out=False, known=None, **rules) == []
    (wrong,) = check_documents(ids, held_out=True, known=ids, **rules)
    assert wrong.rows == int((~held_out).sum())
    (unknown,) = check_documents(ids[held_out], held_out=True, known=ids[:0], **rules)
    assert unknown.rows == int(held_out.sum())
    (unknown,) = check_documents(ids[~held_out], held_out=False, known=ids[1:], **rules)
    assert (unknown.value, unknown.rows) == ("0", 1)


def sentence_faults(sentences: list[str], **values: Any) -> list[str]:
    hashes = hash_documents([("wiki", "Paris")], pa.array([sentences], pa.list_(pa.string())))
    document_id = int(hashes.document_ids()[0])
    partition = int(assign_partitions(np.array([document_id], dtype=np.uint64), 4, 9)[0])
    row = {"document_id": document_id, "source": "wiki", "document": "Paris"}
    row |= {"sentences": sentences, **values}
    batch = pa.RecordBatch.from_pylist([row], SENTENCES)
    wanted = values.get("partition", partition)
    found = check_sentences(
        batch, partition=wanted, num_partitions=4, seed=9, hashes=hash_rows(batch)
    )
    return [f"{fault.rule} {fault.value}" for fault in found]


def test_sentences() -> None:
    assert sentence_faults(["One.", "Two."]) == []
    assert "sentences of 0" in sentence_faults([])[0]
    assert "empty sentence, number 1" in sentence_faults(["One.", ""])[0]
    assert "empty sentence, number 0" in sentence_faults([" \n", "Two."])[0]
    assert "not the hash" in sentence_faults(["One."], document="Rome")[0]
    assert "not the hash" in sentence_faults(["One."], document_id=7, partition=0)[0]
    wrong = [sentence_faults(["One."], partition=partition) for partition in range(4)]
    assert sum(map(len, wrong)) == 3
    assert "belongs in" in "".join(line for lines in wrong for line in lines)

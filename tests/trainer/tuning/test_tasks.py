"""Rows of a task: labels of every type by name and in order, words and tags in every form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bertdata.errors import InputError
from tests.trainer.task_files import write_jsonl, write_tsv
from trainer.tuning.config import FinetuneConfig
from trainer.tuning.data import hold_out
from trainer.tuning.tasks import label_names, read_task, read_test

TAGGING = FinetuneConfig(task="tagging", text="tokens", label="tags")


def test_labels_are_in_order_of_number_or_alphabet(tmp_path: Path) -> None:
    config = FinetuneConfig()
    numbers = write_tsv(tmp_path / "a.tsv", [("x", label) for label in (10, 2, 0, 2)])
    assert label_names(read_task(numbers, config), "a") == ("0", "2", "10")
    names = write_tsv(tmp_path / "b.tsv", [("x", label) for label in ("no", "maybe", "10")])
    assert label_names(read_task(names, config), "b") == ("10", "maybe", "no")


def test_labels_of_every_type_have_names(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"text": ["x", "y"], "label": pa.array([1, 0], pa.int8())}), tmp_path / "a.parquet"
    )
    rows = read_task(tmp_path / "a.parquet", FinetuneConfig())
    assert [row.label for row in rows] == ["1", "0"]
    path = write_jsonl(tmp_path / "a.jsonl", [{"text": "x", "label": v} for v in (True, 1.5, "é")])
    assert [row.label for row in read_task(path, FinetuneConfig())] == ["true", "1.5", "é"]


def test_words_and_tags_in_every_form_are_the_same(tmp_path: Path) -> None:
    words, tags = ["New", "York", "!"], ["B-LOC", "I-LOC", "O"]
    row = {"tokens": words, "tags": tags}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "a.parquet")
    write_jsonl(tmp_path / "a.jsonl", [row])
    write_tsv(tmp_path / "a.tsv", [(" ".join(words), " ".join(tags))], "tokens\ttags")
    lines = "\n".join(f"{word},{tag}" for word, tag in zip(words, tags))
    (tmp_path / "a.csv").write_text(f"tokens,tags\n{lines}\n\n{lines}\n")
    for name in ("a.parquet", "a.jsonl", "a.tsv", "a.csv"):
        first = read_task(tmp_path / name, TAGGING)[0]
        assert (first.text, first.label) == (tuple(words), tuple(tags))


def test_labels_may_lack_where_they_are_not_needed(tmp_path: Path) -> None:
    write_tsv(tmp_path / "a.tsv", [("New York",)], "tokens")
    (row,) = read_task(tmp_path / "a.tsv", TAGGING, labelled=False)
    assert row.label is None
    (tmp_path / "b.tsv").write_text("tokens\nNew\nYork\n\n!\n")
    rows = read_task(tmp_path / "b.tsv", TAGGING, labelled=False)
    assert [row.text for row in rows] == [("New", "York"), ("!",)]


@pytest.mark.parametrize(
    ("task", "trained", "given", "expected"),
    [
        ("classification", (0, 1), (-1, -1), (None, None)),
        ("classification", (-1, 1), (-1, 1), ("-1", "1")),  # there -1 is a class
        ("classification", (-1, 1), (-1, -1), ("-1", "-1")),
        ("classification", ("a", "b"), (-1.0, -1.0), (None, None)),
        ("classification", ("a", "b"), (" ", ""), (None, None)),
        ("regression", (0.5, 4), (-1, -1), (None, None)),
        ("regression", (0.5, 4), (-1, 2), (-1.0, 2.0)),  # there it may be a value
        ("regression", (-1, 4), (-1, -1), (-1.0, -1.0)),
        ("regression", (0.5, 4), (float("nan"), None), (None, None)),
    ],
)
def test_placeholders_are_no_labels(
    tmp_path: Path, task: str, trained: Any, given: Any, expected: Any
) -> None:
    config = FinetuneConfig(task=task)
    train, test = (
        write_jsonl(tmp_path / name, [{"text": "x", "label": value} for value in values])
        for name, values in (("train.jsonl", trained), ("test.jsonl", given))
    )
    rows = read_test(test, config, read_task(train, config))
    assert tuple(row.label for row in rows) == expected


def test_placeholders_of_words(tmp_path: Path) -> None:
    train = write_jsonl(tmp_path / "a.jsonl", [{"tokens": ["New", "!"], "tags": ["B-LOC", "O"]}])
    for tags in ([-1, -1], [-100, -100], [], None):
        test = write_jsonl(tmp_path / "b.jsonl", [{"tokens": ["New", "!"], "tags": tags}])
        (row,) = read_test(test, TAGGING, read_task(train, TAGGING))
        assert row.label is None


def test_some_labels_are_neither_all_nor_none(tmp_path: Path) -> None:
    config = FinetuneConfig()
    train = read_task(write_tsv(tmp_path / "a.tsv", [("x", 0), ("x", 1)]), config)
    test = write_tsv(tmp_path / "b.tsv", [("x", 1), ("x", -1)])
    with pytest.raises(InputError, match=r"b.tsv line 3: 'label' must be in all rows or in none,"):
        read_test(test, config, train)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"tokens": [], "tags": []}, "has no words"),
        ({"tokens": ["a", 1], "tags": ["X", "X"]}, "has words that are not text"),
        ({"tokens": 3, "tags": ["X"]}, "'tokens' is 3, not a list"),
        ({"tokens": ["a"], "tags": [None]}, "'tags' is missing, not a label"),
    ],
)
def test_rows_that_cannot_be_used(row: dict[str, object], message: str, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [row])
    with pytest.raises(InputError, match=f"a.jsonl line 1.*{message}"):
        read_task(path, TAGGING)


def test_the_same_rows_are_held_out_again(tmp_path: Path) -> None:
    path = write_tsv(tmp_path / "a.tsv", [(f"text {i}", i % 2) for i in range(45)])
    rows = read_task(path, FinetuneConfig())
    kept, held_out = hold_out(rows, 0.1)
    assert (len(kept), len(held_out)) == (41, 4)
    assert sorted([*kept, *held_out], key=rows.index) == rows
    assert hold_out(rows, 0.1) == (kept, held_out)

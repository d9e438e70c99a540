"""The examples that are shown are those of the files, piece by piece."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertdata.storage.shards import open_arrow
from bertdata.tokens.vocabulary import SPECIAL_PIECES, Vocabulary, read_vocabulary
from flows.finished import read_run
from flows.paths import RunPaths
from flows.views.report.examples import Part, _join, _parts, describe_examples
from tests.runs import make_run, some_documents

VOCABULARY = Vocabulary((*SPECIAL_PIECES, "play", "##ing", "chess", "go"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    return make_run(tmp_path_factory.mktemp("run"), some_documents())


def test_parts_of_a_row() -> None:
    row = {
        "input_ids": [2, 5, 6, 4, 8, 7, 7, 3],
        "masked_lm_positions": [3, 4, 5],
        "masked_lm_ids": [7, 7, 7],
    }
    parts = list(_join(list(_parts(row, VOCABULARY))[1:-1]))
    assert parts == [
        Part(kind="text", text="playing"),
        Part(kind="masked", text="[MASK]", original="chess"),
        Part(kind="replaced", text="go", original="chess"),
        Part(kind="kept", text="chess", original="chess"),
        Part(kind="text", text="chess"),
    ]


def test_twenty_by_a_fixed_key_are_rows_of_the_files(run: RunPaths) -> None:
    finished = read_run(run)
    assert finished.examples is not None
    facts = describe_examples(finished, finished.examples)
    assert [shown.split for shown in facts.shown] == ["train"] * 15 + ["validation"] * 5
    assert len({(shown.shard, shown.row) for shown in facts.shown}) == 20
    assert facts == describe_examples(finished, finished.examples)
    vocabulary = read_vocabulary(run.vocab / "vocab.txt")
    for shown in facts.shown:
        with open_arrow(Path(run.output) / "examples" / shown.shard) as reader:
            (row,) = reader.get_batch(0).slice(shown.row, 1).to_pylist()
        assert len(row["input_ids"]) == shown.pieces
        originals = [part.original for part in (*shown.a, *shown.b) if part.kind != "text"]
        assert originals == [vocabulary.tokens[id_] for id_ in row["masked_lm_ids"]]
        assert shown.document.startswith("texts: doc-")


def test_most_masked_pieces_are_counted(run: RunPaths) -> None:
    finished = read_run(run)
    assert finished.examples is not None
    facts = describe_examples(finished, finished.examples)
    counts = [count for _, count, _ in facts.masked]
    assert counts == sorted(counts, reverse=True)
    assert facts.sampled == finished.examples.counts["train"]["examples"]
    assert facts.masked[0][0] in (".", "the")

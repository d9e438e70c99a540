"""A file's documents without duplicates, and why the others were dropped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from bertdata.corpus.partitions import Layout
from bertdata.duplicates.find import DROPPED
from bertdata.sentences.files import write_file
from bertdata.sentences.removal import remove
from bertdata.storage.shards import open_arrow
from tests.block_tables import documents_of, make_blocks

TEXTS = ["a|b", "c", "d|e|f", "g"]
LAYOUT = Layout(num_partitions=1, num_files=1, seed=1)


def block_of(texts: list[str]) -> pa.Table:
    (block,) = make_blocks(documents_of(texts), LAYOUT, max(1, len(texts)))
    return block.combine_chunks()


def dropped(*rows: tuple[int, int, str, str]) -> pa.Table:
    """Rows of DROPPED from order, sentence, reason and detail."""
    names = ("order", "sentence", "reason", "detail")
    tables = [{**dict(zip(names, row)), "file": 0} for row in rows]
    return pa.Table.from_pylist(tables, schema=DROPPED)


def outcome(table: pa.Table) -> list[Any]:
    """The sentences of a kept document, or why it was dropped."""
    return [
        (row["reason"], row["detail"]) if row["reason"] else row["sentences"]
        for row in table.to_pylist()
    ]


def test_documents_and_sentences_are_dropped_and_reported() -> None:
    gone = dropped(
        (3, 0, "duplicate", "all stood before"),
        (2, 2, "duplicate", "-"),
        (0, 1, "duplicate", "-"),
        (2, 0, "duplicate", "-"),
        (1, -1, "near_duplicate", "much as d0"),
    )
    assert outcome(remove(block_of(TEXTS), gone)) == [
        ["a"],
        ("near_duplicate", "line 1: much as d0"),
        ["e"],
        ("duplicate", "line 3: all stood before"),  # it lost its last sentence
    ]


def test_of_two_reasons_the_stronger_one_is_told() -> None:
    both = (1, -1, "near_duplicate", "much"), (1, -1, "duplicate", "the same")
    for rows in (both, both[::-1]):
        found = outcome(remove(block_of(TEXTS), dropped(*rows)))
        assert found[1] == ("duplicate", "line 1: the same")


def test_where_nothing_is_dropped_all_stays_as_it_is() -> None:
    block = block_of(TEXTS)
    assert remove(block, dropped()).equals(block)


@given(st.lists(st.text("ab|", max_size=6), min_size=1, max_size=8), st.data())
def test_equals_a_plain_loop(texts: list[str], data: st.DataObject) -> None:
    block = block_of(texts)
    lists, reasons = block["sentences"].to_pylist(), block["reason"].to_pylist()
    kept = [n for n, reason in enumerate(reasons) if not reason]
    whole = data.draw(st.sets(st.sampled_from(kept))) if kept else set()
    places = [(n, i) for n in kept if n not in whole for i in range(len(lists[n]))]
    some = data.draw(st.sets(st.sampled_from(places))) if places else set()
    rows = [(n, -1, "duplicate", "w") for n in whole]
    rows += [(n, i, "duplicate", "s") for n, i in some]
    found = outcome(remove(block, dropped(*data.draw(st.permutations(rows)))))
    for n, reason in enumerate(reasons):
        left = [s for i, s in enumerate(lists[n]) if (n, i) not in some]
        if reason:
            assert found[n][0] == reason
        elif n in whole:
            assert found[n] == ("duplicate", f"line {n}: w")
        elif lists[n] and not left:
            assert found[n] == ("duplicate", f"line {n}: s")
        else:
            assert found[n] == left


def test_a_file_tells_its_own_rejections_and_later_ones_in_order(tmp_path: Path) -> None:
    layout = Layout(num_partitions=2, num_files=1, seed=1)
    (block,) = make_blocks(documents_of(["a|b", "", "c", "d"]), layout, 4)
    gone = [dropped((2, -1, "duplicate", "x")), dropped((0, 0, "duplicate", "-"))]
    written = write_file(tmp_path, 0, layout, [block], gone)
    with open_arrow(tmp_path / written.shards[1].path) as reader:
        rows = reader.read_all().to_pylist()
    assert [(row["document"], row["detail"]) for row in rows] == [("d1", "-"), ("d2", "line 2: x")]
    assert written.counts["sentences_dropped"] == 1
    assert written.counts["sentences"] == 2
    assert written.counts["rejected"] == {"duplicate": 1, "empty": 1}
    assert len(written.kept) == 2

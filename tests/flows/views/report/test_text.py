"""The text of a run, as its manifest and its files say: counts, reasons, samples and lengths."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bertdata.errors import DataError
from bertdata.storage.manifest import Manifest, make_manifest
from bertdata.storage.schema import REJECTED, SENTENCES
from bertdata.storage.shards import Shard, write_arrow
from flows.views.report.text import describe_text

COUNTS: dict[str, Any] = {
    "documents_written": 3,
    "documents_rejected": 4,
    "sentences": 5,
    "text_bytes": 60,
    "documents_per_partition": [2, 1],
    "rejected": {"empty": 1, "too_long": 2, "duplicate": 1},
    "sources": {"books": {"written": 3, "rejected": 1}, "web": {"rejected": 3}, "none": {}},
}


def write_sentences(folder: Path, *files: Sequence[Sequence[str]]) -> list[Shard]:
    """Files of documents, each a list of sentences; a record batch per document."""
    shards = []
    for number, documents in enumerate(files):
        rows = [
            {"document_id": place, "source": "books", "document": str(place), "sentences": found}
            for place, found in enumerate(documents)
        ]
        batches = [pa.RecordBatch.from_pylist([row], SENTENCES) for row in rows]
        name = f"sentences-{number:05d}-of-{len(files):05d}.arrow"
        shards.append(write_arrow(folder / name, SENTENCES, batches))
    return shards


def write_rejected(folder: Path, *documents: tuple[str, str, str, str]) -> Shard:
    names = ("source", "document", "reason", "detail")
    rows = [dict(zip(names, document, strict=True)) for document in documents]
    batches = [pa.RecordBatch.from_pylist(rows, REJECTED)] if rows else []
    return write_arrow(folder / "rejected-00000-of-00001.arrow", REJECTED, batches)


def manifest_of(shards: Sequence[Shard], **counts: Any) -> Manifest:
    return make_manifest(
        "sentences", config={}, inputs={}, counts={**COUNTS, **counts}, shards=shards
    )


def test_counts_are_those_of_the_manifest(tmp_path: Path) -> None:
    facts = describe_text(tmp_path, manifest_of([]))
    assert (facts.documents, facts.rejected, facts.repeated_ids) == (3, 4, 0)
    assert (facts.sentences, facts.text_bytes, facts.partitions) == (5, 60, 2)
    assert facts.sentences_per_document == pytest.approx(5 / 3)
    assert describe_text(tmp_path, manifest_of([], repeated_ids=2)).repeated_ids == 2


def test_reasons_are_in_order_the_most_frequent_first(tmp_path: Path) -> None:
    facts = describe_text(tmp_path, manifest_of([]))
    assert facts.reasons == (("too_long", 2), ("duplicate", 1), ("empty", 1))


def test_sources_without_a_document_have_none(tmp_path: Path) -> None:
    facts = describe_text(tmp_path, manifest_of([]))
    sources = [(source.name, source.written, source.rejected) for source in facts.sources]
    assert sources == [("books", 3, 1), ("web", 0, 3), ("none", 0, 0)]


def test_without_documents_there_are_no_lengths(tmp_path: Path) -> None:
    counts = {"documents_written": 0, "sentences": 0}
    shards = write_sentences(tmp_path, [])
    facts = describe_text(tmp_path, manifest_of(shards, **counts))
    assert (facts.sampled, facts.sentence_lengths, facts.document_lengths) == (0, None, None)
    assert facts.sentences_per_document == 0


def test_lengths_are_in_characters_of_sentences_and_documents(tmp_path: Path) -> None:
    documents = [["a" * 10, "b" * 20], ["é" * 30]], [["川" * 40, "c" * 50, "d" * 60]]
    facts = describe_text(tmp_path, manifest_of(write_sentences(tmp_path, *documents)))
    assert facts.sampled == 3
    sentences, whole = facts.sentence_lengths, facts.document_lengths
    assert sentences is not None
    assert whole is not None
    assert (sentences.number, sentences.median, sentences.longest) == (6, 35, 60)
    assert (whole.number, whole.median, whole.longest) == (3, 30, 150)
    assert (sentences.is_log, whole.is_log) == (False, True)


def test_lengths_of_a_part_of_a_batch_are_its_own(tmp_path: Path) -> None:
    """Several documents in one record batch, some with a single sentence."""
    rows = [
        {"document_id": place, "source": "s", "document": "d", "sentences": found}
        for place, found in enumerate([["ab"], ["c", "de", "f"], ["ghij"]])
    ]
    batch = pa.RecordBatch.from_pylist(rows, SENTENCES)
    shard = write_arrow(tmp_path / "sentences-0.arrow", SENTENCES, [batch[1:], batch[:1]])
    facts = describe_text(tmp_path, manifest_of([shard]))
    assert facts.document_lengths is not None
    assert (facts.sampled, facts.document_lengths.longest) == (3, 4)
    assert facts.document_lengths.median == 4
    assert sum(facts.document_lengths.counts) == 3


def test_of_much_text_some_is_measured(tmp_path: Path) -> None:
    files = [[["x" * 10]] * 5 for _ in range(10)]
    facts = describe_text(tmp_path, manifest_of(write_sentences(tmp_path, *files)))
    assert facts.sampled == 16  # eight files, two batches of each


def test_a_few_documents_of_each_reason_are_shown(tmp_path: Path) -> None:
    documents = [("web", f"{number}", "too_long", "large") for number in range(5)]
    documents += [("books", "z", "empty", ""), ("books", "a", "empty", "")]
    shard = write_rejected(tmp_path, *documents)
    facts = describe_text(tmp_path, manifest_of([shard]))
    assert [(one.source, one.document, one.reason, one.detail) for one in facts.samples] == [
        ("books", "a", "empty", ""),
        ("books", "z", "empty", ""),
        ("web", "0", "too_long", "large"),
        ("web", "1", "too_long", "large"),
        ("web", "2", "too_long", "large"),
    ]
    assert describe_text(tmp_path, manifest_of([write_rejected(tmp_path)])).samples == ()


@pytest.mark.parametrize(("reasons", "shown"), [(10, 30), (11, 30)])
def test_of_many_reasons_the_first_are_shown(reasons: int, shown: int, tmp_path: Path) -> None:
    documents = [("s", str(n % 3), f"reason {n // 3:02d}", "") for n in range(3 * reasons)]
    facts = describe_text(tmp_path, manifest_of([write_rejected(tmp_path, *documents)]))
    assert len(facts.samples) == shown
    assert facts.samples[-1].reason == "reason 09"


def test_long_names_and_details_are_cut(tmp_path: Path) -> None:
    shard = write_rejected(tmp_path, ("s", "n" * 300, "r", "d" * 301))
    (one,) = describe_text(tmp_path, manifest_of([shard])).samples
    assert (one.document, one.detail) == ("n" * 300, "d" * 300 + "…")


def test_damage_is_an_error(tmp_path: Path) -> None:
    shards = write_sentences(tmp_path, [["One."]])
    (tmp_path / shards[0].path).write_bytes(b"ARROW1")
    with pytest.raises(DataError, match="is not a complete Arrow file"):
        describe_text(tmp_path, manifest_of(shards))

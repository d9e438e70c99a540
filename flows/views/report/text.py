"""The text of a run: its sources, what was rejected and why, lengths of what was kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bertdata.arrays import Int64Array
from bertdata.storage.locations import Location
from bertdata.storage.manifest import Manifest
from bertdata.storage.schema import REJECTED, SENTENCES
from flows.views.report.sampling import Lengths, measure_lengths, sample_batches

_MAX_BATCHES = 16  # of 2 MB
_PER_REASON, _MAX_SAMPLES = 3, 30
_MAX_CHARACTERS = 300  # of a name or detail


@dataclass(frozen=True, kw_only=True, slots=True)
class _Source:
    """A corpus, and how many of its documents were written and rejected."""

    name: str
    written: int
    rejected: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _RejectedDocument:
    """A document that was not written."""

    source: str
    document: str
    reason: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TextFacts:
    """`sentences/`. `reasons`: (reason, documents), most frequent first.

    `sentence_lengths`, `document_lengths`: in characters, of `sampled` documents.
    """

    documents: int
    rejected: int
    repeated_ids: int
    sentences: int
    text_bytes: int
    partitions: int
    sources: tuple[_Source, ...]
    reasons: tuple[tuple[str, int], ...]
    samples: tuple[_RejectedDocument, ...]
    sampled: int
    sentence_lengths: Lengths | None
    document_lengths: Lengths | None

    @property
    def sentences_per_document(self) -> float:
        return self.sentences / max(1, self.documents)


def describe_text(folder: Location, manifest: Manifest) -> TextFacts:
    """The facts of `sentences/`; lengths and rejections of some of its files."""
    counts = manifest.counts
    rejected: Mapping[str, int] = counts["rejected"]
    per_sentence, per_document = _lengths(folder, manifest)
    return TextFacts(
        documents=counts["documents_written"],
        rejected=counts["documents_rejected"],
        repeated_ids=counts.get("repeated_ids", 0),
        sentences=counts["sentences"],
        text_bytes=counts["text_bytes"],
        partitions=len(counts["documents_per_partition"]),
        sources=tuple(
            _Source(name=name, written=found.get("written", 0), rejected=found.get("rejected", 0))
            for name, found in counts["sources"].items()
        ),
        reasons=tuple(sorted(rejected.items(), key=lambda item: (-item[1], item[0]))),
        samples=tuple(_sample_rejected(folder, manifest)),
        sampled=len(per_document),
        sentence_lengths=measure_lengths(per_sentence),
        document_lengths=measure_lengths(per_document, is_log=True),
    )


def _lengths(folder: Location, manifest: Manifest) -> tuple[Int64Array, Int64Array]:
    """Characters of each sentence, and of each document, in some partitions."""
    per_sentence, per_document = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for batch in sample_batches(
        folder, manifest, "sentences-", SENTENCES, max_batches=_MAX_BATCHES
    ):
        found = _characters(batch.column("sentences").flatten())
        ends = np.diff(np.asarray(batch.column("sentences").offsets)).cumsum()
        total = np.concatenate([[0], found.cumsum()])
        per_sentence.append(found)
        per_document.append(np.diff(total[np.concatenate([[0], ends])]))
    return np.concatenate(per_sentence), np.concatenate(per_document)


def _characters(texts: pa.StringArray) -> Int64Array:
    return np.asarray(pc.utf8_length(texts)).astype(np.int64)


def _sample_rejected(folder: Location, manifest: Manifest) -> Iterator[_RejectedDocument]:
    """The first few documents with each reason, in the order of the reasons."""
    found: Counter[str] = Counter()
    samples: list[_RejectedDocument] = []
    for batch in sample_batches(folder, manifest, "rejected-", REJECTED, max_batches=_MAX_BATCHES):
        for reason in batch.column("reason").unique().to_pylist():
            rows = batch.filter(pc.equal(batch.column("reason"), reason))
            rows = rows.slice(0, _PER_REASON - found[reason])
            found[reason] += rows.num_rows
            samples += (_shorten(row) for row in rows.to_pylist())
    yield from sorted(samples, key=lambda row: (row.reason, row.source, row.document))[
        :_MAX_SAMPLES
    ]


def _shorten(row: Mapping[str, str]) -> _RejectedDocument:
    short = {
        name: value if len(value) <= _MAX_CHARACTERS else f"{value[:_MAX_CHARACTERS]}…"
        for name, value in row.items()
    }
    return _RejectedDocument(**short)

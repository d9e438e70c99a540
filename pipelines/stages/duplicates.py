"""Which documents and sentences go, since they stood before: documents -> {tag: what is dropped}.

Rows that may be equal meet in buckets, by a hash; no process holds all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.pvalue import PCollection

from bertdata.cleaning.cleaner import CleaningConfig
from bertdata.duplicates.find import (
    DROPPED,
    attach_earlier,
    find_candidates,
    find_equal,
    find_repeated,
    find_similar,
    list_bands,
    list_sentences,
)
from bertdata.duplicates.fingerprints import Fingerprints
from bertdata.plans.sentences import SentencesWork
from bertdata.progress.runs import Grouped, Run, name_table, select_columns
from bertdata.progress.workplace import Workplace
from bertdata.randomness import mix_array
from pipelines.steps import Step
from pipelines.tables import CoGroupTables, KeepTables

DROPPED_TAGS = ("equal", "similar", "repeated")

_Dropped = Mapping[str, PCollection[pa.Table]]


def fingerprints_for(config: CleaningConfig) -> Fingerprints:
    """The fingerprints that a cleaning needs."""
    return Fingerprints(
        similar=config.near_duplicates == "drop", sentences=config.duplicate_sentences == "drop"
    )


@dataclass(eq=False)
class FindDuplicates(beam.PTransform):
    """Documents to rows of DROPPED, as tables by the tag of how they were found."""

    work: SentencesWork
    workplace: Workplace

    def expand(self, documents: PCollection[pa.Table | Run]) -> _Dropped:
        cleaning, dropped = self.work.cleaning, {}
        if cleaning.exact_duplicates == "drop":
            dropped["equal"] = documents | FindEqual(self.work, self.workplace)
        if cleaning.near_duplicates == "drop":
            dropped["similar"] = documents | FindSimilar(self.work, self.workplace)
        if cleaning.duplicate_sentences == "drop":
            found = FindRepeated(self.work, self.workplace, dict(dropped))
            dropped["repeated"] = documents | found
        return dropped


@dataclass(eq=False)
class FindEqual(beam.PTransform):
    """All but the first of equal documents."""

    work: SentencesWork
    workplace: Workplace

    def expand(self, documents: PCollection[pa.Table | Run]) -> PCollection[pa.Table]:
        buckets = self.work.num_buckets
        names = ("order", "file", "document_id", "hash_high", "hash_low")
        hashes = (
            documents
            | "Hashes" >> beam.Map(select_kept, names)
            | "By hash" >> beam.Map(add_bucket, "hash_high", buckets)
        )
        return (
            {"hashes": hashes}
            | CoGroupTables("bucket", range(buckets), self.workplace.spill)
            | "Equal"
            >> beam.ParDo(Step(equal_in_bucket, self.workplace)).with_output_types(pa.Table)
        )


@dataclass(eq=False)
class FindSimilar(beam.PTransform):
    """Documents that are similar to an earlier one: bands -> pairs -> pairs with signatures."""

    work: SentencesWork
    workplace: Workplace

    def expand(self, documents: PCollection[pa.Table | Run]) -> PCollection[pa.Table]:
        buckets = range(self.work.num_buckets)
        similarity = self.work.cleaning.near_duplicate_similarity
        names = ("order", "file", "document_id", "signature")
        signed = documents | "Signatures" >> beam.Map(select_kept, names)
        by_order = (
            signed
            | "By order" >> beam.Map(add_bucket, "order", len(buckets))
            | KeepTables("signed", "bucket", self.workplace.spill)
        )
        bands = (
            signed
            | "Bands" >> beam.Map(bands_of)
            | "By band" >> beam.Map(add_bucket, "key", len(buckets))
        )
        pairs = (
            {"bands": bands}
            | "Meet" >> CoGroupTables("bucket", buckets, self.workplace.spill)
            | "Pairs"
            >> beam.ParDo(Step(pairs_in_bucket, self.workplace)).with_output_types(pa.Table)
            | "By earlier" >> beam.Map(add_bucket, "earlier", len(buckets))
        )
        halves = (
            {"pairs": pairs, "earlier": by_order}
            | "Join earlier" >> CoGroupTables("bucket", buckets, self.workplace.spill)
            | "Attach"
            >> beam.ParDo(Step(attach_in_bucket, self.workplace)).with_output_types(pa.Table)
            | "By later" >> beam.Map(add_bucket, "later", len(buckets))
        )
        return (
            {"halves": halves, "later": by_order}
            | "Join later" >> CoGroupTables("bucket", buckets, self.workplace.spill)
            | "Similar"
            >> beam.ParDo(Step(similar_in_bucket, self.workplace, similarity)).with_output_types(
                pa.Table
            )
        )


@dataclass(eq=False)
class FindRepeated(beam.PTransform):
    """Sentences that stood before, in documents that are not `dropped`."""

    work: SentencesWork
    workplace: Workplace
    dropped: _Dropped

    def expand(self, documents: PCollection[pa.Table | Run]) -> PCollection[pa.Table]:
        files, buckets = range(self.work.layout.num_files), range(self.work.num_buckets)
        names = ("order", "file", "sentence_hashes")
        hashes = documents | "Sentences" >> beam.Map(select_kept, names)
        sentences = (
            {"hashed": hashes, **self.dropped}
            | "Kept" >> CoGroupTables("file", files, self.workplace.spill)
            | "List"
            >> beam.ParDo(Step(sentences_in_file, self.workplace)).with_output_types(pa.Table)
            | "By sentence" >> beam.Map(add_bucket, "hash", len(buckets))
        )
        return (
            {"sentences": sentences}
            | "Meet" >> CoGroupTables("bucket", buckets, self.workplace.spill)
            | "Repeated"
            >> beam.ParDo(Step(repeated_in_bucket, self.workplace)).with_output_types(pa.Table)
        )


def select_kept(documents: pa.Table | Run, names: tuple[str, ...]) -> pa.Table:
    """Some columns of the documents of a block that were not rejected."""
    table = select_columns(documents, (*names, "reason"))
    return table.filter(pc.equal(table["reason"], "")).drop_columns(["reason"])


def add_bucket(table: pa.Table, column: str, num_buckets: int) -> pa.Table:
    """The table with a column `bucket`, by the values of a column."""
    values = mix_array(table[column].to_numpy().astype(np.uint64))
    buckets = (values % np.uint64(num_buckets)).astype(np.int32)
    return table.append_column("bucket", pa.array(buckets))


def bands_of(documents: pa.Table) -> pa.Table:
    """`list_bands` of a block, with its name."""
    return list_bands(documents).replace_schema_metadata(documents.schema.metadata)


def equal_in_bucket(grouped: Grouped) -> Iterator[pa.Table]:
    """`find_equal` in one bucket."""
    bucket, tables = grouped
    if hashes := list(tables["hashes"]):
        yield _named(find_equal(pa.concat_tables(hashes)), bucket)


def pairs_in_bucket(grouped: Grouped) -> Iterator[pa.Table]:
    """`find_candidates` in one bucket."""
    bucket, tables = grouped
    if bands := list(tables["bands"]):
        yield _named(find_candidates(pa.concat_tables(bands)), bucket)


def attach_in_bucket(grouped: Grouped) -> Iterator[pa.Table]:
    """`attach_earlier` in one bucket."""
    bucket, tables = grouped
    if pairs := list(tables["pairs"]):
        documents = pa.concat_tables(tables["earlier"])
        yield _named(attach_earlier(pa.concat_tables(pairs), documents), bucket)


def similar_in_bucket(grouped: Grouped, similarity: float) -> Iterator[pa.Table]:
    """`find_similar` in one bucket."""
    bucket, tables = grouped
    if halves := list(tables["halves"]):
        documents = pa.concat_tables(tables["later"])
        yield _named(find_similar(pa.concat_tables(halves), documents, similarity), bucket)


def sentences_in_file(grouped: Grouped) -> Iterator[pa.Table]:
    """`list_sentences` of one file."""
    file, tables = grouped
    if hashed := list(tables["hashed"]):
        found = [table for tag in DROPPED_TAGS for table in tables.get(tag, ())]
        dropped = pa.concat_tables([DROPPED.empty_table(), *found])
        yield _named(list_sentences(pa.concat_tables(hashed), dropped), file)


def repeated_in_bucket(grouped: Grouped) -> Iterator[pa.Table]:
    """`find_repeated` in one bucket."""
    bucket, tables = grouped
    if sentences := list(tables["sentences"]):
        yield _named(find_repeated(pa.concat_tables(sentences)), bucket)


def _named(table: pa.Table, number: int) -> pa.Table:
    return name_table(table, f"{number:05d}")

"""The job that reads corpora, cleans documents and writes their sentences, gathered by partition.

Units write drafts; when all are there, duplicates among all documents are known, and drafts become
the stage's files, without them. With near duplicates a second round of Beam, a unit a band, finds
which documents are similar.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bertdata.cleaning import CleaningConfig, looks_for_duplicates, make_cleaner
from bertdata.config import read_table
from bertdata.corpus import InputUnit
from bertdata.duplicates import (
    Duplicates,
    Int64Array,
    count_hashed_sentences,
    find_duplicates,
    find_repeated_sentences,
    find_similar,
    merge_rejections,
    write_kept,
)
from bertdata.errors import DataError, InputError
from bertdata.fingerprints import FingerprintWriter
from bertdata.manifest import Manifest, make_manifest
from bertdata.minhash import NUM_BANDS
from bertdata.sentence_files import (
    SentenceCounts,
    count_rejections,
    count_sentence_file,
    write_sentences,
)
from bertdata.sentences import SentencesConfig, load_splitter
from bertdata.shards import Shard, atomic_file, open_arrow, write_arrow
from bertdata.statistics import add_counts
from pipelines.jobs.command import run_process
from pipelines.progress import FOLDER, StagePlan, UnitRecord, read_records
from pipelines.remote_files import read_anywhere
from pipelines.transforms import OpenWorker, Unit, WorkOnUnit

_SIMILAR = "similar"  # the folder, in that of the progress, of the second round
_SENTENCES_AT_ONCE = 20_000_000  # hashes in memory: 24 bytes each
_PAIRS = pa.schema([pa.field("earlier", pa.int64()), pa.field("later", pa.int64())])


def open_worker(folder: Path, spec: Mapping[str, Any]) -> WorkOnUnit:
    """Load cleaner and splitter once; the function it returns does one unit of input."""
    config = read_table(SentencesConfig, spec["sentences"], "[sentences]")
    cleaning = read_table(CleaningConfig, spec["cleaning"], "[cleaning]")
    model = Path(spec["punkt"]) if "punkt" in spec else None
    splitter = load_splitter(config.language, model)
    clean = make_cleaner(cleaning)
    drafts = folder / FOLDER

    def split_unit(unit: Unit) -> UnitRecord:
        documents = clean(read_anywhere(read_table(InputUnit, unit["input"], "unit")))
        name = f"{unit['unit']:05d}-of-{spec['num_units']:05d}.arrow"
        fingerprints = None
        if looks_for_duplicates(cleaning):
            fingerprints = FingerprintWriter(
                drafts / f"fingerprints-{name}",
                similar=cleaning.near_duplicates == "drop",
                sentences=cleaning.duplicate_sentences == "drop",
            )
        shards, counts = write_sentences(
            drafts / f"sentences-{name}",
            drafts / f"rejected-{name}",
            documents,
            splitter.split_all,
            spec["num_partitions"],
            spec["seed"],
            fingerprints,
        )
        shards = [dataclasses.replace(shard, path=f"{FOLDER}/{shard.path}") for shard in shards]
        return UnitRecord(unit=unit["unit"], shards=tuple(shards), counts=counts)

    return split_unit


def second_round(plan: StagePlan) -> tuple[StagePlan, OpenWorker] | None:
    """Where similar documents go, a unit of work for each band of the signatures."""
    if _cleaning(plan).near_duplicates == "drop":
        return _plan_bands(plan), open_band_worker
    return None


def open_band_worker(folder: Path, spec: Mapping[str, Any]) -> WorkOnUnit:
    """The function that finds the similar documents of one band."""
    fingerprints = [Path(path) for path in spec["fingerprints"]]

    def find_in_band(unit: Unit) -> UnitRecord:
        pairs = find_similar(fingerprints, unit["unit"], spec["similarity"])
        columns = [pa.array(np.ascontiguousarray(pairs[:, side])) for side in (0, 1)]
        batch = pa.record_batch(columns, schema=_PAIRS)
        shard = write_arrow(folder / f"pairs-{unit['unit']:02d}.arrow", _PAIRS, [batch])
        return UnitRecord(unit=unit["unit"], shards=(shard,), counts={"pairs": len(pairs)})

    return find_in_band


def finish(plan: StagePlan, records: Mapping[int, UnitRecord]) -> Manifest:
    """Make drafts the stage's files and add up. Raises InputError when no document is left."""
    if len(records) < len(plan.units):
        raise DataError(f"{plan.folder} lost files while they were made; run again")
    duplicates = _find_duplicates(plan)
    repeated = _find_repeated(plan, duplicates)
    shards: list[Shard] = []
    tables: list[Mapping[str, Any]] = []
    for unit, record in sorted(records.items()):
        some = _of_unit(repeated, duplicates, unit)
        if duplicates is not None and (duplicates.any_in_unit(unit) or len(some)):
            written, counts = _write_without(plan, unit, duplicates, some)
            counts = {**counts, **_lines_dropped(record)}
        else:
            written, counts = _take_over(plan.path, record), record.counts
        shards += written
        tables.append(counts)
    counts = add_counts(tables)
    if not counts.get("documents_written"):
        rejected = counts.get("rejected", {})
        reasons = ", ".join(f"{number:,} {reason}" for reason, number in rejected.items())
        raise InputError(
            f"the corpus has no document to use (rejected: {reasons or 'none'}); "
            "check [[corpus]] paths, format and text_field"
        )
    return make_manifest(
        plan.stage, config=plan.config, inputs=plan.inputs, counts=counts, shards=shards
    )


def _cleaning(plan: StagePlan) -> CleaningConfig:
    return read_table(CleaningConfig, plan.spec["cleaning"], "[cleaning]")


def _find_duplicates(plan: StagePlan) -> Duplicates | None:
    cleaning = _cleaning(plan)
    if not looks_for_duplicates(cleaning):
        return None
    is_exact = cleaning.exact_duplicates == "drop"
    return find_duplicates(_fingerprints(plan), exact=is_exact, pairs=_read_pairs(plan))


def _find_repeated(plan: StagePlan, duplicates: Duplicates | None) -> Int64Array:
    """Sentences that go, as `find_repeated_sentences` gives them, in order of documents."""
    found = [np.empty((0, 2), dtype=np.int64)]
    if duplicates is not None and _cleaning(plan).duplicate_sentences == "drop":
        paths = _fingerprints(plan)
        num_buckets = 1 + count_hashed_sentences(paths) // _SENTENCES_AT_ONCE
        found += [
            find_repeated_sentences(paths, duplicates, bucket, num_buckets)
            for bucket in range(num_buckets)
        ]
    repeated = np.concatenate(found)
    return repeated[np.argsort(repeated[:, 0], kind="stable")]


def _of_unit(repeated: Int64Array, duplicates: Duplicates | None, unit: int) -> Int64Array:
    if duplicates is None:
        return repeated[:0]
    numbers = duplicates.in_unit(unit)
    bounds = np.searchsorted(repeated[:, 0], [numbers.start, numbers.stop])
    return repeated[bounds[0] : bounds[1]]


def _fingerprints(plan: StagePlan) -> list[Path]:
    return [_draft(plan, "fingerprints", unit) for unit in range(len(plan.units))]


def _draft(plan: StagePlan, kind: str, unit: int) -> Path:
    return plan.path / FOLDER / f"{kind}-{unit:05d}-of-{plan.spec['num_units']:05d}.arrow"


def _plan_bands(plan: StagePlan) -> StagePlan:
    return StagePlan(
        stage="similar documents",
        folder=str(plan.path / FOLDER / _SIMILAR),
        config={},
        inputs={},
        units=tuple({"unit": band} for band in range(NUM_BANDS)),
        spec={
            "fingerprints": [str(path) for path in _fingerprints(plan)],
            "similarity": _cleaning(plan).near_duplicate_similarity,
        },
        text_bytes=plan.text_bytes,
    )


def _read_pairs(plan: StagePlan) -> Iterator[Int64Array]:
    """Pairs of similar documents; none when they stay."""
    if _cleaning(plan).near_duplicates == "keep":
        return
    bands = _plan_bands(plan)
    records = read_records(bands.path)
    if len(records) < NUM_BANDS:
        raise DataError(f"{plan.folder} lost files while they were made; run again")
    for _, record in sorted(records.items()):
        for shard in record.shards:
            with open_arrow(bands.path / shard.path) as reader:
                columns = reader.read_all().to_pydict()
                yield np.stack([np.array(columns[name], np.int64) for name in _PAIRS.names], 1)


def _take_over(folder: Path, record: UnitRecord) -> list[Shard]:
    """The drafts of a unit as they are, under their final names."""
    shards = []
    for draft in record.shards:
        name = draft.path.removeprefix(f"{FOLDER}/")
        if not name.startswith("fingerprints-"):
            _link(folder / draft.path, folder / name)
            shards.append(dataclasses.replace(draft, path=name))
    return shards


def _link(source: Path, target: Path) -> None:
    """A second name for a file, or a copy of it where a file has only one name."""
    temporary = target.with_name(f".{target.name}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        with atomic_file(target) as copy:
            shutil.copyfile(source, copy)
    else:
        # What the file holds is safe since it was written; its name is when the manifest is.
        temporary.replace(target)


def _write_without(
    plan: StagePlan, unit: int, duplicates: Duplicates, repeated: Int64Array
) -> tuple[list[Shard], Mapping[str, Any]]:
    """A unit's files without the documents that go, and what is in them."""
    sentences, rejected, fingerprints = (
        _draft(plan, kind, unit) for kind in ("sentences", "rejected", "fingerprints")
    )
    shard, gone = write_kept(
        sentences, plan.path / sentences.name, unit, duplicates, fingerprints, repeated
    )
    shards = [shard, merge_rejections(plan.path / rejected.name, rejected, gone)]
    counts = SentenceCounts(num_partitions=plan.spec["num_partitions"])
    with open_arrow(plan.path / shards[0].path) as reader:
        count_sentence_file(reader, counts)
    with open_arrow(plan.path / shards[1].path) as reader:
        for index in range(reader.num_record_batches):
            count_rejections(reader.get_batch(index), counts)
    if _cleaning(plan).duplicate_sentences == "drop":
        return shards, {**counts.to_table(), "sentences_dropped": len(repeated)}
    return shards, counts.to_table()


def _lines_dropped(record: UnitRecord) -> dict[str, int]:
    """What the files no longer tell: lines that went from documents, whatever became of these."""
    return {name: record.counts[name] for name in ("lines_dropped",) if name in record.counts}


if __name__ == "__main__":
    # Workers import this module by its name; nothing that they need may live in __main__.
    from pipelines.jobs import sentences as job

    raise SystemExit(
        run_process(job.open_worker, job.finish, sys.argv[1:], second_round=job.second_round)
    )

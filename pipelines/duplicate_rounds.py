"""The rounds that take duplicates out of what the units of the sentences job wrote, their drafts.

Where similar documents go, a unit a band finds which these are. One unit finds what goes in all,
and counts the ids that repeat in what stays; then each draft that loses something is written anew,
and removed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from bertdata.arrays import Int64Array
from bertdata.cleaning.cleaner import CleaningConfig, looks_for_duplicates
from bertdata.config import Table, read_table
from bertdata.duplicates.find import (
    Duplicates,
    count_hashed_sentences,
    count_repeated_names,
    find_duplicates,
    find_repeated_sentences,
    find_similar,
    read_removals,
    write_removals,
)
from bertdata.duplicates.minhash import NUM_BANDS
from bertdata.sentences.files import SentenceCounts, count_rejected_file
from bertdata.sentences.removal import merge_rejections, write_kept
from bertdata.storage.shards import open_arrow, write_arrow
from pipelines.progress import FOLDER, StagePlan, UnitRecord, read_record
from pipelines.units import OpenWorker, Round, Unit, WorkOnUnit

# Folders beside the drafts.
_SIMILAR, _REMOVALS, _KEPT = "similar", "removals", "kept"
_SENTENCES_AT_ONCE = 20_000_000  # hashes in memory: 24 bytes each
_PAIRS = pa.schema([pa.field("earlier", pa.int64()), pa.field("later", pa.int64())])


def rounds_for(plan: StagePlan) -> list[Round]:
    """The rounds that a plan of the sentences job asks for; where duplicates stay, only a count."""
    cleaning = _cleaning(plan.spec)
    bands: list[Unit] = [{"unit": band} for band in range(NUM_BANDS)]
    drafts: list[Unit] = [{"unit": unit} for unit in range(len(plan.units))]
    base = plan.path / FOLDER
    rounds = [_round(plan, base / _REMOVALS, "duplicates", [{"unit": 0}], _open_finder)]
    if not looks_for_duplicates(cleaning):
        return rounds
    rounds.append(
        _round(plan, plan.path, "sentences without duplicates", drafts, _open_remover, number=1)
    )
    if cleaning.near_duplicates == "drop":
        similar = _round(plan, base / _SIMILAR, "similar documents", bands, _open_band_worker)
        rounds.insert(0, similar)
    return rounds


def draft_path(folder: Path, spec: Table, kind: str, unit: int) -> Path:
    """The draft of a unit: "sentences", "rejected" or "fingerprints"."""
    return folder / FOLDER / f"{kind}-{unit:05d}-of-{spec['num_units']:05d}.arrow"


def _open_band_worker(folder: Path, spec: Table) -> WorkOnUnit:
    """The function that finds the similar documents of one band."""
    fingerprints = _fingerprints(spec)
    similarity = _cleaning(spec).near_duplicate_similarity

    def find_in_band(unit: Unit) -> UnitRecord:
        pairs = find_similar(fingerprints, unit["unit"], similarity)
        columns = [pa.array(np.ascontiguousarray(pairs[:, side])) for side in (0, 1)]
        batch = pa.record_batch(columns, schema=_PAIRS)
        shard = write_arrow(folder / f"pairs-{unit['unit']:02d}.arrow", _PAIRS, [batch])
        return UnitRecord(unit=unit["unit"], shards=(shard,), counts={})

    return find_in_band


def _open_finder(folder: Path, spec: Table) -> WorkOnUnit:
    """The function that finds all that goes, and counts the ids that repeat in what stays."""
    cleaning = _cleaning(spec)
    fingerprints = _fingerprints(spec)

    def find(unit: Unit) -> UnitRecord:
        pa.default_memory_pool().release_unused()  # what the units before this one left
        is_exact = cleaning.exact_duplicates == "drop"
        pairs = _read_pairs(spec) if cleaning.near_duplicates == "drop" else ()
        duplicates = find_duplicates(fingerprints, exact=is_exact, pairs=pairs)
        repeated = np.empty((0, 2), dtype=np.int64)
        if cleaning.duplicate_sentences == "drop":
            repeated = _find_repeated(fingerprints, duplicates)
        shard = write_removals(_removals_path(spec), duplicates, repeated)
        counts = {"repeated_ids": count_repeated_names(fingerprints, duplicates, repeated)}
        return UnitRecord(unit=unit["unit"], shards=(shard,), counts=counts)

    return find


def count_after_removal(plan: StagePlan) -> dict[str, int]:
    """What only the unit that finds what goes can count."""
    return dict(read_record(plan.path / FOLDER / _REMOVALS, 0).counts)


def _open_remover(folder: Path, spec: Table) -> WorkOnUnit:
    """The function that writes a unit's files anew, where something goes; else they stay."""
    drops_sentences = _cleaning(spec).duplicate_sentences == "drop"
    (folder / FOLDER / _KEPT).mkdir(parents=True, exist_ok=True)

    def remove(unit: Unit) -> UnitRecord:
        record = read_record(folder, unit["unit"])
        removals = read_removals(_removals_path(spec), record.unit)
        if not len(removals):
            return replace(record, round=1)
        record = _write_anew(folder, spec, record, removals)
        if not drops_sentences:
            return record
        dropped = len(removals.column("places").flatten())
        return replace(record, counts={**record.counts, "sentences_dropped": dropped})

    return remove


def _write_anew(
    folder: Path, spec: Table, record: UnitRecord, removals: pa.RecordBatch
) -> UnitRecord:
    """Write a unit's files without what goes; the record to take the place of its first one."""
    draft, rejected, fingerprints = (
        draft_path(folder, spec, kind, record.unit)
        for kind in ("sentences", "rejected", "fingerprints")
    )
    target = folder / FOLDER / _KEPT
    counts = SentenceCounts(num_partitions=spec["num_partitions"])
    kept, gone = write_kept(draft, target / draft.name, fingerprints, removals, counts)
    written = (kept, merge_rejections(target / rejected.name, rejected, gone))
    count_rejected_file(target / rejected.name, counts)
    return UnitRecord(
        unit=record.unit,
        shards=(
            *(replace(shard, path=f"{FOLDER}/{_KEPT}/{shard.path}") for shard in written),
            *(shard for shard in record.shards if shard.path.endswith(fingerprints.name)),
        ),
        counts={**counts.to_table(), **_lines_dropped(record)},
        round=1,
        replaced=tuple(f"{FOLDER}/{path.name}" for path in (draft, rejected)),
    )


def _lines_dropped(record: UnitRecord) -> dict[str, int]:
    """What the files no longer tell: lines that went from documents, whatever became of these."""
    return {name: record.counts[name] for name in ("lines_dropped",) if name in record.counts}


def _round(
    plan: StagePlan,
    folder: Path,
    stage: str,
    units: list[Unit],
    open_worker: OpenWorker,
    number: int = 0,
) -> Round:
    spec = {key: plan.spec[key] for key in ("cleaning", "num_partitions", "num_units")}
    return Round(
        plan=StagePlan(
            stage=stage,
            folder=str(folder),
            config={},
            inputs={},
            units=tuple(units),
            spec={**spec, "folder": plan.folder},
            text_bytes=plan.text_bytes,
        ),
        open_worker=open_worker,
        number=number,
    )


def _cleaning(spec: Table) -> CleaningConfig:
    return read_table(CleaningConfig, spec["cleaning"], "[cleaning]")


def _fingerprints(spec: Table) -> list[Path]:
    folder, units = Path(spec["folder"]), range(spec["num_units"])
    return [draft_path(folder, spec, "fingerprints", unit) for unit in units]


def _removals_path(spec: Table) -> Path:
    return Path(spec["folder"]) / FOLDER / _REMOVALS / "removals.arrow"


def _read_pairs(spec: Table) -> Iterator[Int64Array]:
    """The pairs of similar documents that each band found."""
    for path in sorted((Path(spec["folder"]) / FOLDER / _SIMILAR).glob("pairs-*.arrow")):
        with open_arrow(path) as reader:
            columns = reader.read_all().to_pydict()
        yield np.stack([np.array(columns[name], np.int64) for name in _PAIRS.names], 1)


def _find_repeated(fingerprints: list[Path], duplicates: Duplicates) -> Int64Array:
    """Sentences that go, as `find_repeated_sentences` gives them, in order of documents."""
    num_buckets = 1 + count_hashed_sentences(fingerprints) // _SENTENCES_AT_ONCE
    repeated = np.concatenate(
        [
            find_repeated_sentences(fingerprints, duplicates, bucket, num_buckets)
            for bucket in range(num_buckets)
        ]
    )
    return repeated[np.argsort(repeated[:, 0], kind="stable")]

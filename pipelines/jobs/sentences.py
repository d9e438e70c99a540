"""The job that reads corpora, cleans documents and writes their sentences, gathered by partition.

Units write drafts; further rounds take out the duplicates among all documents. What is left then
becomes the stage's files.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bertdata.cleaning import CleaningConfig, looks_for_duplicates, make_cleaner
from bertdata.config import read_table
from bertdata.corpus import InputUnit
from bertdata.errors import DataError, InputError
from bertdata.fingerprints import FingerprintWriter
from bertdata.manifest import Manifest, make_manifest
from bertdata.sentence_files import write_sentences
from bertdata.sentences import SentencesConfig, load_splitter
from bertdata.shards import Shard, atomic_file
from bertdata.statistics import add_counts
from pipelines.duplicate_rounds import KEPT, draft_path, round_folder, rounds_for
from pipelines.jobs.command import Job, run_process
from pipelines.progress import FOLDER, StagePlan, UnitRecord, read_records
from pipelines.remote_files import read_anywhere
from pipelines.units import Unit, WorkOnUnit


def open_worker(folder: Path, spec: Mapping[str, Any]) -> WorkOnUnit:
    """Load cleaner and splitter once; the function it returns does one unit of input."""
    config = read_table(SentencesConfig, spec["sentences"], "[sentences]")
    cleaning = read_table(CleaningConfig, spec["cleaning"], "[cleaning]")
    model = Path(spec["punkt"]) if "punkt" in spec else None
    splitter = load_splitter(config.language, model)
    clean = make_cleaner(cleaning)

    def split_unit(unit: Unit) -> UnitRecord:
        documents = clean(read_anywhere(read_table(InputUnit, unit["input"], "unit")))
        sentences, rejected, fingerprints = (
            draft_path(folder, spec, kind, unit["unit"])
            for kind in ("sentences", "rejected", "fingerprints")
        )
        writer = None
        if looks_for_duplicates(cleaning):
            writer = FingerprintWriter(
                fingerprints,
                similar=cleaning.near_duplicates == "drop",
                sentences=cleaning.duplicate_sentences == "drop",
            )
        shards, counts = write_sentences(
            sentences,
            rejected,
            documents,
            splitter.split_all,
            spec["num_partitions"],
            spec["seed"],
            writer,
        )
        shards = [dataclasses.replace(shard, path=f"{FOLDER}/{shard.path}") for shard in shards]
        return UnitRecord(unit=unit["unit"], shards=tuple(shards), counts=counts)

    return split_unit


def finish(plan: StagePlan, records: Mapping[int, UnitRecord]) -> Manifest:
    """Make drafts the stage's files and add up. Raises InputError when no document is left."""
    kept = _read_kept(plan)
    if len(records) < len(plan.units):
        raise DataError(f"{plan.folder} lost files while they were made; run again")
    shards: list[Shard] = []
    tables: list[Mapping[str, Any]] = []
    for unit, record in sorted(records.items()):
        if unit in kept:
            folder = round_folder(plan, KEPT)
            shards += _take_over(folder, plan.path, kept[unit])
            tables.append({**kept[unit].counts, **_lines_dropped(record)})
        else:
            shards += _take_over(plan.path / FOLDER, plan.path, record)
            tables.append(record.counts)
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


def _read_kept(plan: StagePlan) -> dict[int, UnitRecord]:
    """Records of the units that were written anew. Raises DataError where a round is not done."""
    for round_ in rounds_for(plan):
        records = read_records(round_.plan.path)
        if len(records) < len(round_.plan.units):
            raise DataError(f"{plan.folder} lost files while they were made; run again")
    kept = read_records(round_folder(plan, KEPT))
    return {unit: record for unit, record in kept.items() if record.shards}


def _take_over(folder: Path, target: Path, record: UnitRecord) -> list[Shard]:
    """The files of a record as they are, as files of the stage; fingerprints are none."""
    shards = []
    for draft in record.shards:
        name = draft.path.removeprefix(f"{FOLDER}/")
        if not name.startswith("fingerprints-"):
            _link(folder / name, target / name)
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


def _lines_dropped(record: UnitRecord) -> dict[str, int]:
    """What the files no longer tell: lines that went from documents, whatever became of these."""
    return {name: record.counts[name] for name in ("lines_dropped",) if name in record.counts}


JOB = Job(open_worker=open_worker, finish=finish, later_rounds=rounds_for)


if __name__ == "__main__":
    # Workers import this module by its name; nothing that they need may live in __main__.
    from pipelines.jobs import sentences as job

    raise SystemExit(run_process(job.JOB, sys.argv[1:]))

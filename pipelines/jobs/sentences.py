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

from bertdata.cleaning import CleaningConfig, make_cleaner
from bertdata.config import read_table
from bertdata.corpus import InputUnit
from bertdata.errors import DataError, InputError
from bertdata.fingerprints import FingerprintWriter
from bertdata.manifest import Manifest, make_manifest
from bertdata.sentence_files import write_sentences
from bertdata.sentences import SentencesConfig, load_splitter
from bertdata.shards import Shard, atomic_file
from bertdata.statistics import add_counts
from pipelines.duplicate_rounds import count_after_removal, draft_path, rounds_for
from pipelines.jobs.command import Job, run_process
from pipelines.progress import FOLDER, StagePlan, UnitRecord
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
    if len(records) < len(plan.units) or any(round_.units_left() for round_ in rounds_for(plan)):
        raise DataError(f"{plan.folder} lost files while they were made; run again")
    in_order = [record for _, record in sorted(records.items())]
    counts = add_counts([record.counts for record in in_order]) | count_after_removal(plan)
    if not counts.get("documents_written"):
        rejected = counts.get("rejected", {})
        reasons = ", ".join(f"{rejected[reason]:,} {reason}" for reason in sorted(rejected))
        raise InputError(
            f"the corpus has no document to use (rejected: {reasons or 'none'}); "
            "check [[corpus]] paths, format and text_field"
        )
    shards = [shard for record in in_order for shard in _take_over(plan.path, record)]
    return make_manifest(
        plan.stage, config=plan.config, inputs=plan.inputs, counts=counts, shards=shards
    )


def _take_over(folder: Path, record: UnitRecord) -> list[Shard]:
    """The files of a record as they are, as files of the stage; fingerprints are none."""
    shards = []
    for draft in record.shards:
        name = Path(draft.path).name
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


JOB = Job(open_worker=open_worker, finish=finish, later_rounds=rounds_for)


if __name__ == "__main__":
    # Workers import this module by its name; nothing that they need may live in __main__.
    from pipelines.jobs import sentences as job

    raise SystemExit(run_process(job.JOB, sys.argv[1:]))

"""The job that reads corpora, cleans documents and writes their sentences, gathered by partition.

Units write drafts; further rounds take out the duplicates among all documents. What is left then
becomes the stage's files.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bertdata.cleaning.cleaner import CleaningConfig, make_cleaner
from bertdata.config import Table, read_table
from bertdata.corpus.config import InputUnit
from bertdata.corpus.kept_share import describe_loss, is_enough, is_lost, read_rejected
from bertdata.duplicates.fingerprints import FingerprintWriter
from bertdata.errors import DataError, InputError
from bertdata.examples.statistics import add_counts
from bertdata.sentences.files import write_sentences
from bertdata.sentences.splitter import SentencesConfig, load_splitter
from bertdata.storage.manifest import Manifest, make_manifest
from bertdata.storage.shards import Shard
from bertdata.storage.writing import atomic_file
from pipelines.duplicate_rounds import count_after_removal, draft_path, rounds_for
from pipelines.jobs.command import Job, run_process
from pipelines.progress import FOLDER, StagePlan, UnitRecord, mark_unusable
from pipelines.remote_files import read_anywhere
from pipelines.units import Unit, WorkOnUnit


def open_worker(folder: Path, spec: Table) -> WorkOnUnit:
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
    """Make drafts the stage's files and add up.

    Raises InputError when too little is kept of a corpus. The drafts then stay, to be looked at,
    until the stage is run with another configuration.
    """
    if len(records) < len(plan.units) or any(round_.units_left() for round_ in rounds_for(plan)):
        raise DataError(f"{plan.folder} lost files while they were made; run again")
    in_order = [record for _, record in sorted(records.items())]
    counts = add_counts([record.counts for record in in_order]) | count_after_removal(plan)
    try:
        _check_kept(plan, in_order, counts)
    except InputError:
        mark_unusable(plan.path)
        raise
    shards = [shard for record in in_order for shard in _take_over(plan.path, record)]
    return make_manifest(
        plan.stage, config=plan.config, inputs=plan.inputs, counts=counts, shards=shards
    )


def _check_kept(plan: StagePlan, records: Sequence[UnitRecord], counts: Table) -> None:
    """Raise InputError where less is kept of a corpus than its `min_kept_share`, or nothing of all.

    A record's files name what was rejected.
    """
    for name, minimum in plan.spec["min_kept_shares"].items():
        outcomes = counts.get("sources", {}).get(name, {})
        written, rejected = (outcomes.get(key, 0) for key in ("written", "rejected"))
        if is_enough(written, rejected, minimum):
            continue
        files = [plan.path / path for path in _rejected_files(records)]
        found = read_rejected(files, name)
        if is_lost(written, found, minimum):
            what = describe_loss(name, written, found, minimum)
            where = (
                f"; rejected documents are listed in {files[0].parent}/rejected-*.arrow"
                if files
                else ""
            )
            raise InputError(f"{what}{where}")
    if not counts.get("documents_written"):
        raise InputError(
            "no document of the corpora can be used; check [[corpus]] paths and format"
        )


def _rejected_files(records: Sequence[UnitRecord]) -> list[str]:
    paths = (shard.path for record in records for shard in record.shards)
    return [path for path in paths if Path(path).name.startswith("rejected-")]


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

"""The job that reads corpora and writes their sentences, gathered by partition."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bertdata.config import read_table
from bertdata.corpus import InputUnit
from bertdata.errors import InputError
from bertdata.formats import read_unit
from bertdata.manifest import Manifest, make_manifest
from bertdata.sentence_files import write_sentences
from bertdata.sentences import SentencesConfig, load_splitter
from bertdata.statistics import add_counts
from pipelines.jobs.command import run_process
from pipelines.progress import StagePlan, UnitRecord
from pipelines.transforms import Unit, WorkOnUnit


def open_worker(folder: Path, spec: Mapping[str, Any]) -> WorkOnUnit:
    """Load the sentence splitter once; the function it returns does one unit of input."""
    config = read_table(SentencesConfig, spec["sentences"], "[sentences]")
    model = Path(spec["punkt"]) if "punkt" in spec else None
    splitter = load_splitter(config.language, model)

    def split_unit(unit: Unit) -> UnitRecord:
        documents = read_unit(read_table(InputUnit, unit["input"], "unit"))
        name = f"{unit['unit']:05d}-of-{spec['num_units']:05d}.arrow"
        shards, counts = write_sentences(
            folder / f"sentences-{name}",
            folder / f"rejected-{name}",
            documents,
            splitter.split_all,
            spec["num_partitions"],
            spec["seed"],
        )
        return UnitRecord(unit=unit["unit"], shards=tuple(shards), counts=counts)

    return split_unit


def finish(plan: StagePlan, records: Mapping[int, UnitRecord]) -> Manifest:
    """Add up the counts. Raises InputError when no document is left."""
    counts = add_counts(record.counts for _, record in sorted(records.items()))
    if not counts.get("documents_written"):
        rejected = counts.get("rejected", {})
        reasons = ", ".join(f"{number:,} {reason}" for reason, number in rejected.items())
        raise InputError(
            f"the corpus has no document to use (rejected: {reasons or 'none'}); "
            "check [[corpus]] paths, format and text_field"
        )
    shards = [shard for record in records.values() for shard in record.shards]
    return make_manifest(
        plan.stage, config=plan.config, inputs=plan.inputs, counts=counts, shards=shards
    )


if __name__ == "__main__":
    # Workers import this module by its name; nothing that they need may live in __main__.
    from pipelines.jobs import sentences

    raise SystemExit(run_process(sentences.open_worker, sentences.finish, sys.argv[1:]))

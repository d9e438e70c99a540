"""The job that samples paragraphs of the corpora, unit by unit, and trains a Punkt model."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from bertdata.config import Table, read_table
from bertdata.corpus.config import InputUnit
from bertdata.corpus.documents import Document
from bertdata.errors import DataError, InputError
from bertdata.examples.statistics import add_counts
from bertdata.sentences.punkt_training import sample_paragraphs, train_parameters, write_parameters
from bertdata.storage.manifest import Manifest, make_manifest
from bertdata.storage.shards import Shard, describe_file, open_arrow, write_arrow
from pipelines.jobs.command import Job, run_process
from pipelines.plans import PUNKT_FILE
from pipelines.progress import FOLDER, StagePlan, UnitRecord
from pipelines.remote_files import read_anywhere
from pipelines.units import Unit, WorkOnUnit

_SAMPLE = pa.schema([pa.field("paragraph", pa.string())])
_ROWS_AT_ONCE = 4096


def _open_worker(folder: Path, spec: Table) -> WorkOnUnit:
    """The function that samples one unit of input."""

    def sample_unit(unit: Unit) -> UnitRecord:
        paragraphs = _sample(read_table(InputUnit, unit["input"], "unit"), spec["rate"])
        name = f"{FOLDER}/sample-{unit['unit']:05d}.arrow"
        shard = write_arrow(folder / name, _SAMPLE, _to_batches(paragraphs))
        whole = Shard(path=name, rows=shard.rows, bytes=shard.bytes, sha256=shard.sha256)
        return UnitRecord(unit=unit["unit"], shards=(whole,), counts={"paragraphs": shard.rows})

    return sample_unit


def finish(plan: StagePlan, records: Mapping[int, UnitRecord]) -> Manifest:
    """Train on the samples in order of the units. Raises InputError when there is no text."""
    if len(records) < len(plan.units):
        raise DataError(f"{plan.folder} lost files while they were made; run again")
    counts = add_counts(record.counts for _, record in sorted(records.items()))
    if not counts.get("paragraphs"):
        raise InputError("the corpus has no text to train a Punkt model on; check [[corpus]]")
    parameters = train_parameters(_read_samples(plan.path, records))
    write_parameters(plan.path / PUNKT_FILE, parameters)
    return make_manifest(
        plan.stage,
        config=plan.config,
        inputs=plan.inputs,
        counts={
            **counts,
            "abbreviations": len(parameters.abbrev_types),
            "collocations": len(parameters.collocations),
            "sentence_starters": len(parameters.sent_starters),
        },
        shards=[describe_file(plan.path / PUNKT_FILE, rows=1)],
    )


def _sample(unit: InputUnit, rate: float) -> Iterator[str]:
    for item in read_anywhere(unit):
        if isinstance(item, Document):
            yield from sample_paragraphs(item.text, item.source, item.document, rate)


def _to_batches(paragraphs: Iterator[str]) -> Iterator[pa.RecordBatch]:
    waiting: list[str] = []
    for paragraph in paragraphs:
        waiting.append(paragraph)
        if len(waiting) == _ROWS_AT_ONCE:
            yield pa.record_batch([pa.array(waiting, pa.string())], schema=_SAMPLE)
            waiting = []
    if waiting:
        yield pa.record_batch([pa.array(waiting, pa.string())], schema=_SAMPLE)


def _read_samples(folder: Path, records: Mapping[int, UnitRecord]) -> Iterator[str]:
    for _, record in sorted(records.items()):
        for shard in record.shards:
            with open_arrow(folder / shard.path) as reader:
                for number in range(reader.num_record_batches):
                    yield from reader.get_batch(number).column("paragraph").to_pylist()


JOB = Job(open_worker=_open_worker, finish=finish)


if __name__ == "__main__":
    # Workers import this module by its name; nothing that they need may live in __main__.
    from pipelines.jobs import punkt

    raise SystemExit(run_process(punkt.JOB, sys.argv[1:]))

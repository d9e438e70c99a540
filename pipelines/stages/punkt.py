"""Corpora -> documents -> sampled paragraphs -> a Punkt model -> `punkt/`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import PBegin, PCollection

from bertdata.corpus.config import InputUnit
from bertdata.corpus.documents import Document
from bertdata.corpus.formats.registry import read_unit
from bertdata.errors import InputError
from bertdata.plans.punkt import PUNKT_FILE, PunktWork
from bertdata.progress.plan import StagePlan
from bertdata.progress.runs import name_table
from bertdata.progress.workplace import FileRecord, Workplace
from bertdata.sentences.punkt_training import sample_paragraphs, train_parameters, write_parameters
from bertdata.storage.shards import describe_file
from pipelines.steps import Step, WriteManifest
from pipelines.tables import GatherTables


@dataclass(eq=False)
class MakePunkt(beam.PTransform):
    """The whole stage."""

    plan: StagePlan
    work: PunktWork
    workplace: Workplace

    def expand(self, begin: PBegin) -> PCollection[str]:
        workplace = self.workplace
        finish = self.plan.without_work().finish_alone
        return (
            begin
            | SampleParagraphs(self.work, workplace)
            | GatherTables("paragraphs", self.workplace.spill)
            | TrainPunkt(workplace)
            | WriteManifest(workplace, finish)
        )


@dataclass(eq=False)
class SampleParagraphs(beam.PTransform):
    """Units of input to tables of some of their paragraphs."""

    work: PunktWork
    workplace: Workplace

    def expand(self, begin: PBegin) -> PCollection[pa.Table]:
        step = Step(sample_unit, self.workplace, self.work.rate)
        return (
            begin
            | beam.Create(list(enumerate(self.work.units)))
            | beam.ParDo(step).with_output_types(pa.Table)
        )


@dataclass(eq=False)
class TrainPunkt(beam.PTransform):
    """All paragraphs to the file of the model: its record."""

    workplace: Workplace

    def expand(self, tables: PCollection[Iterable[pa.Table]]) -> PCollection[FileRecord]:
        return tables | beam.ParDo(Step(train_punkt, self.workplace, self.workplace))


def sample_unit(unit: tuple[int, InputUnit], rate: float) -> Iterator[pa.Table]:
    """Paragraphs of a unit, with the unit's number."""
    number, found = unit
    paragraphs = [
        paragraph
        for item in read_unit(found)
        if isinstance(item, Document)
        for paragraph in sample_paragraphs(item.text, item.source, item.document, rate)
    ]
    units = pa.array([number] * len(paragraphs), pa.int64())
    table = pa.table({"unit": units, "paragraph": pa.array(paragraphs, pa.string())})
    yield name_table(table, f"{number:05d}")


def train_punkt(tables: Iterable[pa.Table], workplace: Workplace) -> Iterator[FileRecord]:
    """Train on all paragraphs in order of the units. Raises InputError when there is no text."""
    in_order = sorted((t for t in tables if len(t)), key=lambda table: table["unit"][0].as_py())
    if not in_order:
        raise InputError("the corpus has no text to train a Punkt model on; check [[corpus]]")
    texts = [text for table in in_order for text in table["paragraph"].to_pylist()]
    parameters = train_parameters(iter(texts))
    location = workplace.stage_folder / PUNKT_FILE
    write_parameters(location, parameters)
    counts = {
        "paragraphs": len(texts),
        "abbreviations": len(parameters.abbrev_types),
        "collocations": len(parameters.collocations),
        "sentence_starters": len(parameters.sent_starters),
    }
    shards = (describe_file(location, rows=1),)
    record = FileRecord(number=0, shards=shards, counts=counts)
    workplace.write_record(record)
    yield record

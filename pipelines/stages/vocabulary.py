"""Files of `sentences/` -> words -> counts -> vocabulary -> `vocab/`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.pvalue import AsList, PBegin, PCollection, TaggedOutput

from bertdata.errors import InputError
from bertdata.notices import note, warn
from bertdata.plans.finished import SENTENCES_FORMAT
from bertdata.progress.plan import StagePlan
from bertdata.progress.runs import Grouped, Run, find_runs, name_table
from bertdata.progress.workplace import FileRecord, Workplace
from bertdata.sentences.files import iterate_sentences
from bertdata.storage.locations import Location, locate
from bertdata.storage.manifest import check_shard
from bertdata.storage.schema import WORD_COUNTS
from bertdata.storage.shards import Shard, describe_file, write_arrow
from bertdata.tokens.tokenizer import save_tokenizer
from bertdata.tokens.tokenizer_comparison import check_tokenization
from bertdata.tokens.vocabulary import Vocabulary, read_vocabulary
from pipelines.steps import Step, WriteManifest, count
from pipelines.tables import CoGroupTables, GatherTables, KeepTables
from vocab.config import VocabConfig
from vocab.counting import COUNTS_SCHEMA, add_up_counts, assign_buckets, count_words, join_counts
from vocab.fast import train
from vocab.plan import VocabularyWork
from vocab.stripping import StrippedWords, count_stripped, describe_stripped

_SAMPLED_SENTENCES = 500  # of each group of files, to see what stripping accents does
_TOKENIZER_FILES = ("vocab.txt", "tokenizer.json", "tokenizer_config.json")


@dataclass(eq=False)
class MakeVocabulary(beam.PTransform):
    """The whole stage."""

    plan: StagePlan
    work: VocabularyWork
    workplace: Workplace

    def expand(self, begin: PBegin) -> PCollection[str]:
        work, workplace = self.work, self.workplace
        finish = self.plan.without_work().finish_alone
        if work.sentences is None:
            copied = begin | CopyVocabulary(work, workplace)
            return copied | WriteManifest(workplace, finish)

        counted = begin | CountWords(work, work.sentences, workplace)
        return (
            {"counts": counted.words}
            | CoGroupTables("bucket", range(work.num_buckets), workplace.spill)
            | MergeCounts(workplace)
            | GatherTables("merged", workplace.spill)
            | TrainVocabulary(work.vocab, workplace, counted.stripped)
            | WriteManifest(workplace, finish)
        )


@dataclass(eq=False)
class CountWords(beam.PTransform):
    """Files of sentences to tables of word counts as `words`; samples of accents as `stripped`.

    Some files are counted together: most of their words are the same.
    """

    work: VocabularyWork
    sentences: Location
    workplace: Workplace

    def expand(self, begin: PBegin) -> Counted:
        done = find_runs(self.workplace.spill, "words")
        groups = [g for g in enumerate(self.work.groups) if _name(g[0]) not in done]
        step = Step(
            count_files,
            self.workplace,
            self.sentences,
            self.work.vocab,
            self.work.num_buckets,
        )
        counted = (
            begin | beam.Create(groups) | beam.ParDo(step).with_outputs("stripped", main="words")
        )
        keep = KeepTables("words", "bucket", self.workplace.spill, list(done.values()))
        return Counted(counted.words | keep, counted.stripped)


@dataclass(eq=False)
class Counted:
    """What `CountWords` counts: word counts by file and bucket; samples of accents by file."""

    words: PCollection[pa.Table | Run]
    stripped: PCollection[StrippedWords]


@dataclass(eq=False)
class MergeCounts(beam.PTransform):
    """The counts of the words in one bucket, added up."""

    workplace: Workplace

    def expand(self, grouped: PCollection[Grouped]) -> PCollection[pa.Table]:
        return grouped | beam.ParDo(Step(merge_bucket, self.workplace)).with_output_types(pa.Table)


@dataclass(eq=False)
class TrainVocabulary(beam.PTransform):
    """All word counts to the files of the vocabulary: their record."""

    config: VocabConfig
    workplace: Workplace
    stripped: PCollection[StrippedWords]

    def expand(self, counts: PCollection[Iterable[pa.Table]]) -> PCollection[FileRecord]:
        step = Step(train_and_write, self.workplace, self.config, self.workplace)
        return counts | beam.ParDo(step, AsList(self.stripped))


@dataclass(eq=False)
class CopyVocabulary(beam.PTransform):
    """The files of the given vocabulary: their record."""

    work: VocabularyWork
    workplace: Workplace

    def expand(self, begin: PBegin) -> PCollection[FileRecord]:
        step = Step(copy_vocabulary, self.workplace, self.workplace)
        return begin | beam.Create([self.work]) | beam.ParDo(step)


def count_files(
    group: tuple[int, Sequence[Shard]], folder: Location, config: VocabConfig, num_buckets: int
) -> Iterator[pa.Table | TaggedOutput]:
    """The word counts of some files, and what stripping accents does to their beginning."""
    number, shards = group
    words = count_words(_read_sentences(shards, folder), config)
    buckets = assign_buckets(words["word"], num_buckets)
    count({"words": int(pc.sum(words["count"], min_count=0).as_py())})
    yield name_table(words.append_column("bucket", pa.array(buckets)), _name(number))
    for sentences in iterate_sentences(folder / shards[0].path):
        sampled = count_stripped(sentences[:_SAMPLED_SENTENCES], config.tokenization)
        yield TaggedOutput("stripped", sampled)
        break


def _read_sentences(shards: Sequence[Shard], folder: Location) -> Iterator[pa.StringArray]:
    """The sentences of files that are as their manifest says."""
    for shard in shards:
        check_shard(folder, shard, SENTENCES_FORMAT)
        yield from iterate_sentences(folder / shard.path)


def merge_bucket(grouped: Grouped) -> Iterator[pa.Table]:
    """The sum of all counts in a bucket."""
    bucket, tables = grouped
    counts = (table.select(COUNTS_SCHEMA.names) for table in tables["counts"])
    yield name_table(add_up_counts(counts), _name(bucket))


def train_and_write(
    tables: Iterable[pa.Table],
    config: VocabConfig,
    workplace: Workplace,
    stripped: Sequence[StrippedWords],
) -> Iterator[FileRecord]:
    """Train the vocabulary; write it and the word counts. Raises VocabularyError."""
    words = join_counts(table.select(COUNTS_SCHEMA.names) for table in tables)
    folder = workplace.stage_folder
    batches = words.cast(WORD_COUNTS).to_batches()
    shard = write_arrow(folder / "word_counts.arrow", WORD_COUNTS, batches)
    if text := describe_stripped(stripped):
        note(text)
    counts = {
        "words": pc.sum(words["count"], min_count=0).as_py(),
        "distinct_words": words.num_rows,
    }
    vocabulary = train(words, config)
    yield _write_vocabulary(workplace, vocabulary, config, [shard], counts)


def copy_vocabulary(work: VocabularyWork, workplace: Workplace) -> Iterator[FileRecord]:
    """Write the vocabulary of `vocab.file`; say what was changed to read it, and what may be wrong.

    Raises InputError when it is no longer the one that was planned with.
    """
    config = work.vocab
    path = locate(config.file or "")
    vocabulary = read_vocabulary(path)
    if vocabulary.fingerprint != work.given_sha256:
        raise InputError(f"{path} changed while it was read; run again")
    for text in vocabulary.notes:
        note(f"{path}: {text}; every piece keeps its id")
    for text in check_tokenization(config.tokenization, path, vocabulary, what="[vocab]"):
        warn(text)
    yield _write_vocabulary(workplace, vocabulary, config, [], {})


def _write_vocabulary(
    workplace: Workplace,
    vocabulary: Vocabulary,
    config: VocabConfig,
    shards: Sequence[Shard],
    counts: dict[str, int],
) -> FileRecord:
    folder = workplace.stage_folder
    save_tokenizer(folder, vocabulary, config.tokenization)
    files = [_describe(folder / name, vocabulary) for name in _TOKENIZER_FILES]
    counts = {**counts, "pieces": vocabulary.size}
    record = FileRecord(number=0, shards=(*shards, *files), counts=counts)
    workplace.write_record(record)
    return record


def _describe(location: Location, vocabulary: Vocabulary) -> Shard:
    return describe_file(location, rows=vocabulary.size if location.name == "vocab.txt" else 1)


def _name(number: int) -> str:
    return f"{number:05d}"

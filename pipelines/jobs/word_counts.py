"""The job that counts words, file by file, and trains the vocabulary from the counts."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bertdata.config import Table, read_table, to_table
from bertdata.errors import DataError, InputError
from bertdata.notices import note, warn
from bertdata.sentences.files import iterate_sentences
from bertdata.storage.manifest import Manifest, check_shard, make_manifest
from bertdata.storage.schema import WORD_COUNTS
from bertdata.storage.shards import Shard, describe_file, open_arrow, sync_files, write_arrow
from bertdata.tokens.tokenizer import save_tokenizer
from bertdata.tokens.tokenizer_comparison import check_tokenization
from bertdata.tokens.vocabulary import Vocabulary, read_vocabulary
from pipelines.jobs.command import Job, run_process
from pipelines.plans import SENTENCES_FORMAT
from pipelines.progress import FOLDER, StagePlan, UnitRecord
from pipelines.units import Unit, WorkOnUnit
from vocab.config import VocabConfig
from vocab.counting import COUNTS_SCHEMA, count_words, merge_counts
from vocab.fast import train
from vocab.stripping import StrippedWords, count_stripped, describe_stripped

_SAMPLED_SENTENCES = 500  # of each file, to see what stripping accents does


def open_worker(folder: Path, spec: Table) -> WorkOnUnit:
    """The function that counts the words of one file of sentences."""
    config = read_table(VocabConfig, spec["vocab"], "[vocab]")
    sentences_folder = Path(spec["sentences_folder"])
    shards = {shard["path"]: Shard(**shard) for shard in spec["sentence_shards"]}

    def count_file(unit: Unit) -> UnitRecord:
        check_shard(sentences_folder, shards[unit["file"]], SENTENCES_FORMAT)
        path = sentences_folder / unit["file"]
        counts = count_words(iterate_sentences(path), config)
        name = f"{FOLDER}/counts-{unit['unit']:05d}.arrow"
        shard = _write_counts(folder, name, counts)
        stripped = _sample_stripped(path, config)
        found = {"words": counts.num_rows, "stripped": to_table(stripped)}
        return UnitRecord(unit=unit["unit"], shards=(shard,), counts=found)

    return count_file


def finish(plan: StagePlan, records: Mapping[int, UnitRecord]) -> Manifest:
    """Merge the counts, train the vocabulary (or take the one given), write all its files."""
    if len(records) < len(plan.units):
        raise DataError(f"{plan.folder} lost files while they were made; run again")
    config = read_table(VocabConfig, plan.spec["vocab"], "[vocab]")
    shards: list[Shard] = []
    counts: dict[str, Any] = {}
    if config.file is not None:
        vocabulary = _read_given(Path(config.file), config, plan.inputs["vocabulary"]["sha256"])
    else:
        words = merge_counts(_read_counts(plan.path, records))
        shards.append(_write_counts(plan.path, "word_counts.arrow", words))
        sync_files(plan.path, shards)
        counts = {
            "words": pc.sum(words["count"], min_count=0).as_py(),
            "distinct_words": words.num_rows,
        }
        if text := describe_stripped(_stripped(records)):
            note(text)
        vocabulary = train(words, config)
    save_tokenizer(plan.path, vocabulary, config.tokenization)
    shards += [_describe(plan.path / name, vocabulary) for name in _TOKENIZER_FILES]
    return make_manifest(
        plan.stage,
        config=plan.config,
        inputs=plan.inputs,
        counts={**counts, "pieces": vocabulary.size},
        shards=shards,
    )


def _sample_stripped(path: Path, config: VocabConfig) -> StrippedWords:
    """What stripping accents does to the first sentences of a file."""
    for sentences in iterate_sentences(path):
        return count_stripped(sentences[:_SAMPLED_SENTENCES], config.tokenization)
    return StrippedWords()


def _stripped(records: Mapping[int, UnitRecord]) -> Iterator[StrippedWords]:
    for _, record in sorted(records.items()):
        if "stripped" in record.counts:  # not in those that an older version made
            yield StrippedWords(**record.counts["stripped"])


def _read_given(path: Path, config: VocabConfig, fingerprint: str) -> Vocabulary:
    """The vocabulary of `vocab.file`; says what was changed to read it, and what may be wrong."""
    vocabulary = read_vocabulary(path)
    if vocabulary.fingerprint != fingerprint:
        raise InputError(f"{path} changed while it was read; run again")
    for text in vocabulary.notes:
        note(f"{path}: {text}; every piece keeps its id")
    for text in check_tokenization(config.tokenization, path, vocabulary, what="[vocab]"):
        warn(text)
    return vocabulary


def _write_counts(folder: Path, name: str, counts: pa.Table) -> Shard:
    """Write word counts below a stage's folder."""
    counts = counts.cast(WORD_COUNTS)
    shard = write_arrow(folder / name, WORD_COUNTS, counts.to_batches())
    return Shard(path=name, rows=shard.rows, bytes=shard.bytes, sha256=shard.sha256)


def _read_counts(folder: Path, records: Mapping[int, UnitRecord]) -> Iterator[pa.Table]:
    for _, record in sorted(records.items()):
        for shard in record.shards:
            with open_arrow(folder / shard.path) as reader:
                yield reader.read_all().cast(COUNTS_SCHEMA)


def _describe(path: Path, vocabulary: Vocabulary) -> Shard:
    return describe_file(path, rows=vocabulary.size if path.name == "vocab.txt" else 1)


_TOKENIZER_FILES = ("vocab.txt", "tokenizer.json", "tokenizer_config.json")


JOB = Job(open_worker=open_worker, finish=finish)


if __name__ == "__main__":
    # Workers import this module by its name; nothing that they need may live in __main__.
    from pipelines.jobs import word_counts

    raise SystemExit(run_process(word_counts.JOB, sys.argv[1:]))

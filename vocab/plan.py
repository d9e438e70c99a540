"""What the stage `vocab/` will do: which files of sentences are counted together."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from operator import attrgetter

from bertdata.config import Table, to_table
from bertdata.grouping import fit_groups
from bertdata.plans.finished import find_finished, find_sentences
from bertdata.progress.plan import StagePlan
from bertdata.storage.locations import Location, locate
from bertdata.storage.manifest import manifest_errors_as_data_errors
from bertdata.storage.shards import Shard
from bertdata.tokens.tokenizer_comparison import check_tokenization
from bertdata.tokens.vocabulary import read_vocabulary
from vocab.config import VocabConfig

# What only the vocabulary depends on, not the counts of words that it is made from.
_NOT_FOR_COUNTING = ("vocab.size", "vocab.min_frequency", "vocab.alphabet_limit", "vocab.layout")
_GROUP_BYTES = 24 << 20  # of files whose words are counted together
_num_bytes = attrgetter("bytes")
_WORD_BUCKET_BYTES = 256 << 20  # of text, for the counts of one bucket of words


@dataclass(frozen=True, kw_only=True, slots=True)
class VocabularyWork:
    """Count the words of sentences and train a vocabulary; or copy the given one (no `groups`).

    `sentences`: the folder of the files in `groups`; those of a group are counted together, since
    most of their words are the same. `given_sha256`: fingerprint of the given one. `num_buckets`:
    for words.
    """

    vocab: VocabConfig
    sentences: Location | None = None
    groups: tuple[tuple[Shard, ...], ...] = ()
    given_sha256: str = ""
    num_buckets: int = 1


def plan_vocabulary(folder: Location, sentences_folder: Location, vocab: VocabConfig) -> StagePlan:
    """Count the words of each file of sentences; nothing to count when `vocab.file` is given.

    Raises ConfigError when text would not be tokenized as that file's folder wants it.
    """
    if vocab.file is not None:
        return _plan_given_vocabulary(folder, vocab)
    manifest = find_finished(sentences_folder, "sentences")
    sentences = find_sentences(sentences_folder, manifest)
    with manifest_errors_as_data_errors(sentences_folder):
        total = int(manifest.counts["text_bytes"])
    groups = tuple(map(tuple, fit_groups(sentences.shards, _GROUP_BYTES, _num_bytes)))
    return StagePlan(
        stage="vocab",
        folder=folder,
        config={"vocab": _vocab_table(vocab)},
        inputs={"sentences": {"content_sha256": manifest.content_sha256}},
        units=sentences.names,
        work=VocabularyWork(
            vocab=vocab,
            sentences=sentences_folder,
            groups=groups,
            num_buckets=1 + total // _WORD_BUCKET_BYTES,
        ),
        text_bytes=total,
        num_passing_parts=len(groups),
        num_documents=sentences.num_documents,
        free_keys=_NOT_FOR_COUNTING,
    )


def _plan_given_vocabulary(folder: Location, vocab: VocabConfig) -> StagePlan:
    path = locate(vocab.file or "")
    given = read_vocabulary(path)
    check_tokenization(vocab.tokenization, path, given, what="[vocab]")
    vocab = dataclasses.replace(vocab, size=given.size)
    return StagePlan(
        stage="vocab",
        folder=folder,
        config={"vocab": _vocab_table(vocab)},
        inputs={"vocabulary": {"sha256": given.fingerprint}},
        work=VocabularyWork(vocab=vocab, given_sha256=given.fingerprint),
        free_keys=_NOT_FOR_COUNTING,
    )


def _vocab_table(vocab: VocabConfig) -> Table:
    """A vocabulary's configuration without its path: its content counts."""
    return {key: value for key, value in to_table(vocab).items() if key != "file"}

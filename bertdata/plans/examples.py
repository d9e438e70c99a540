"""What the stage `examples/` will do: which shards are made together, and from which partitions."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bertdata.config import Table, keys, read_table, to_table
from bertdata.corpus.partitions import (
    ShardGroup,
    count_shards,
    join_small_partitions,
    plan_shards,
    plan_validation,
)
from bertdata.examples.config import ExamplesConfig
from bertdata.plans.finished import SentencesInput, find_finished, find_sentences
from bertdata.progress.plan import StagePlan
from bertdata.storage.locations import Location
from bertdata.storage.manifest import check_shards, manifest_errors_as_data_errors
from bertdata.tokens.tokenizer import TokenizationConfig
from bertdata.tokens.vocabulary import read_vocabulary


@dataclass(frozen=True, kw_only=True, slots=True)
class ExamplesGroup:
    """Training shards that are made together, from pools: ranges [first, end) of partitions."""

    number: int
    pools: tuple[tuple[int, int], ...]
    shards: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExamplesWork:
    """Make the training shards of `groups`, the largest first, and the one of held-out documents.

    `held_out`: the pools of held-out documents; none without validation.
    """

    groups: tuple[ExamplesGroup, ...]
    held_out: tuple[tuple[int, int], ...]
    examples: ExamplesConfig
    tokenization: TokenizationConfig
    seed: int
    sentences: SentencesInput
    vocabulary: Location
    vocabulary_sha256: str

    def without_groups(self) -> ExamplesWork:
        """What a worker needs besides its group."""
        return dataclasses.replace(self, groups=())


def plan_examples(
    folder: Location,
    sentences_folder: Location,
    vocab_folder: Location,
    examples: ExamplesConfig,
    seed: int,
) -> StagePlan:
    """Join partitions to pools, and pools to groups of shards that are made together."""
    sentences = find_finished(sentences_folder, "sentences")
    vocab = find_finished(vocab_folder, "vocab")
    check_shards(vocab_folder, vocab, ["vocab.txt"])
    vocabulary = read_vocabulary(vocab_folder / "vocab.txt")
    with manifest_errors_as_data_errors(sentences_folder):
        per_partition = sentences.counts["documents_per_partition"]
        text_bytes = sentences.counts["text_bytes"]
        num_shards = examples.num_shards or count_shards(text_bytes)
        examples = dataclasses.replace(examples, num_shards=num_shards)
        groups = tuple(_group_shards(per_partition, num_shards))
        fraction = examples.validation_fraction
        held_out = tuple(plan_validation(per_partition, fraction) if fraction else ())
    files = find_sentences(sentences_folder, sentences)
    work = ExamplesWork(
        groups=groups,
        held_out=held_out,
        examples=examples,
        tokenization=_read_tokenization(vocab.config["vocab"]),
        seed=seed,
        sentences=files,
        vocabulary=vocab_folder / "vocab.txt",
        vocabulary_sha256=vocabulary.fingerprint,
    )
    return StagePlan(
        stage="examples",
        folder=folder,
        config={"seed": seed, "examples": to_table(examples)},
        inputs={
            "sentences": {"content_sha256": sentences.content_sha256},
            "vocabulary": {
                "sha256": vocabulary.fingerprint,
                "size": vocabulary.size,
                "special": to_table(vocabulary.special),
                **vocab.config["vocab"],
            },
        },
        units=[held_out, *map(dataclasses.asdict, groups)],
        work=work,
        text_bytes=text_bytes,
        num_parts=len(groups) + bool(held_out),
        num_documents=files.num_documents,
    )


def _read_tokenization(vocab: Table) -> TokenizationConfig:
    """How the words of a finished vocabulary were counted, of the whole `[vocab]` table."""
    known = {key: vocab[key] for key in keys(TokenizationConfig) if key in vocab}
    return read_table(TokenizationConfig, known, "[vocab]")


def _group_shards(per_partition: Sequence[int], num_shards: int) -> Iterator[ExamplesGroup]:
    """The largest first, so that the last ones, for which some workers wait, are short."""

    def count_documents(group: ShardGroup) -> int:
        return sum(sum(per_partition[first:end]) for first, end in group.pools)

    groups = plan_shards(join_small_partitions(per_partition), num_shards)
    groups = sorted(groups, key=count_documents, reverse=True)
    for number, group in enumerate(groups, start=1):
        yield ExamplesGroup(number=number, pools=group.pools, shards=group.shards)

"""The vocabulary of a run: how it covers the words, its longest pieces, how often words occur."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bertdata.storage.files import is_file
from bertdata.storage.locations import Location
from bertdata.storage.manifest import Manifest
from bertdata.storage.schema import SENTENCES, WORD_COUNTS, check_schema
from bertdata.storage.shards import open_arrow
from bertdata.tokens.vocabulary import Vocabulary, read_vocabulary
from flows.finished import FinishedRun
from flows.views.report.sampling import sample_batches
from vocab.config import VocabConfig
from vocab.report import Coverage, measure_coverage

_FREQUENT, _RARE = 30_000, 10_000  # words that are looked up
_MAX_RANKS = 200
_LONGEST = 20
_MISSING = 20
_COUNTED_SENTENCES = 20_000
# What of the vocabulary's configuration decides how text becomes words.
_WORD_KEYS = ("lowercase", "strip_accents", "split_chinese_characters", "max_word_characters")


@dataclass(frozen=True, kw_only=True, slots=True)
class _NamedCoverage:
    """How a vocabulary covers the words of the run.

    `missing_characters`: (character, "U+00E9", occurrences), most frequent first.
    """

    name: str
    pieces: int
    pieces_per_word: float
    whole_share: float
    unknown_share: float
    missing_characters: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class VocabularyFacts:
    """`vocab/`. `coverages`: its own, then that of the one to compare with; () without words.

    `words`, `distinct_words`: that were counted for it, None for a vocabulary that was given.
    `looked_up`: distinct words that the coverage is measured with. `ranks`: (rank, occurrences) of
    words. `longest`, `longest_continuations`: pieces that start a word, and those that go on.
    """

    pieces: int
    words: int | None
    distinct_words: int | None
    continuations: int
    coverages: tuple[_NamedCoverage, ...]
    looked_up: int
    ranks: tuple[tuple[float, float], ...]
    longest: tuple[str, ...]
    longest_continuations: tuple[str, ...]


def describe_vocabulary(
    run: FinishedRun, manifest: Manifest, reference: Location | None
) -> VocabularyFacts:
    """The facts of `vocab/`, beside those of another vocabulary.

    Raises DataError if files are damaged, VocabularyError if the reference cannot be read.
    """
    own = read_vocabulary(run.paths.vocab / "vocab.txt")
    table = manifest.config["vocab"]
    config = VocabConfig(**{key: table[key] for key in _WORD_KEYS if key in table})
    counted = _read_counts(run.paths.vocab / "word_counts.arrow")
    words = _sample_words(counted) if counted is not None else _count_some(run, config)
    others = [] if reference is None else [(_name_of(reference), read_vocabulary(reference))]
    is_continuation = own.continuation
    return VocabularyFacts(
        pieces=own.size,
        words=manifest.counts.get("words"),
        distinct_words=manifest.counts.get("distinct_words"),
        continuations=int(is_continuation.sum()),
        coverages=tuple(
            _name_coverage(name, vocabulary, measure_coverage(words, vocabulary, config))
            for name, vocabulary in [("this vocabulary", own), *others]
            if len(words)
        ),
        looked_up=len(words),
        ranks=tuple(_ranks(counted)) if counted is not None else (),
        longest=tuple(_longest(own, continuing=False)),
        longest_continuations=tuple(_longest(own, continuing=True)),
    )


def _name_of(reference: Location) -> str:
    """Its folder's name too: most are called vocab.txt."""
    return f"{reference.parent.name}/{reference.name}".lstrip("/")


def _name_coverage(name: str, vocabulary: Vocabulary, found: Coverage) -> _NamedCoverage:
    return _NamedCoverage(
        name=name,
        pieces=vocabulary.size,
        pieces_per_word=found.pieces_per_word,
        whole_share=found.whole_share,
        unknown_share=found.unknown_share,
        missing_characters=tuple(
            (character, f"U+{ord(character):04X}", count)
            for character, count in found.missing_characters[:_MISSING]
        ),
    )


def _read_counts(path: Location) -> pa.Table | None:
    """The words, most frequent first; None for a vocabulary that was not made from words."""
    if not is_file(path):
        return None
    with open_arrow(path) as reader:
        check_schema(reader.schema, WORD_COUNTS, str(path))
        return reader.read_all()


def _sample_words(counted: pa.Table) -> pa.Table:
    """The frequent words, and every so many of the others with as many times their occurrences."""
    frequent, others = counted.slice(0, _FREQUENT), counted.slice(_FREQUENT)
    step = -(-len(others) // _RARE)
    if step <= 1:
        return counted
    rare = others.take(np.arange(step // 2, len(others), step))
    counts = pc.multiply(rare["count"], step)
    return pa.concat_tables([frequent, rare.set_column(1, rare.schema.field("count"), counts)])


def _count_some(run: FinishedRun, config: VocabConfig) -> pa.Table:
    """The words of some sentences, for a vocabulary that was given."""
    from vocab.counting import COUNTS_SCHEMA, count_words  # it takes compiled code with it

    if run.sentences is None:
        return COUNTS_SCHEMA.empty_table()
    folder, left = run.paths.sentences, _COUNTED_SENTENCES
    some: list[pa.StringArray] = []
    for batch in sample_batches(folder, run.sentences, "sentences-", SENTENCES, max_batches=8):
        some.append(batch.column("sentences").flatten().slice(0, left))
        left -= len(some[-1])
    return count_words(some, config)


def _ranks(counted: pa.Table) -> Iterator[tuple[float, float]]:
    """(rank, count), at ranks evenly spread over a logarithmic axis."""
    if not len(counted):
        return
    ranks = np.unique(np.geomspace(1, len(counted), _MAX_RANKS).round().astype(np.int64))
    counts = counted["count"].take(pa.array(ranks - 1)).to_pylist()
    yield from zip(map(float, ranks.tolist()), map(float, counts))


def _longest(vocabulary: Vocabulary, *, continuing: bool) -> list[str]:
    special = {*vocabulary.special_pieces}
    pieces = (
        token
        for token, continues in zip(vocabulary.tokens, vocabulary.continuation.tolist())
        if continues is continuing and token not in special
    )
    return sorted(pieces, key=lambda piece: (-len(piece), piece))[:_LONGEST]

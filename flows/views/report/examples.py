"""The examples of a run: shares, lengths, the pieces most masked, and some as they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bertdata.config import Table
from bertdata.errors import BertdataError
from bertdata.randomness import derive_key, permutation
from bertdata.storage.manifest import Manifest
from bertdata.storage.schema import check_schema, examples_schema
from bertdata.storage.shards import Shard, open_arrow
from bertdata.tokens.vocabulary import Vocabulary, read_vocabulary
from flows.finished import FinishedRun, config_of, is_dynamic, shares_of, splits_of
from flows.paths import RunPaths
from flows.views.inspect import bin_lengths, find_documents, join_pieces
from flows.views.report.sampling import sample_batches, spread

_LENGTH_BINS = 32
_MASKED_BATCHES, _MASKED_PIECES = 8, 10
_SHOWN = {"train": 15, "validation": 5}
_SHARES = {"masked": 0.8, "kept": 0.1, "replaced": 0.1}
_RANDOM_NEXT = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class _Share:
    """A measured share beside the configured one, both in [0, 1]."""

    name: str
    measured: float
    wanted: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _SplitFacts:
    """Numbers of a split. `lengths`: (from, to, examples) in pieces. `padding`: share of places."""

    name: str
    examples: int
    pieces: int
    mean_length: float
    padding: float
    lengths: tuple[tuple[int, int, int], ...]
    shares: tuple[_Share, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A part of a segment: text, or a piece to predict.

    `kind`: "text", "masked", "kept" or "replaced". `original`: the piece to predict.
    """

    kind: str
    text: str
    original: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _ShownExample:
    """An example as it is read. `follows`: whether B follows A; None without pairs.

    `document`: "corpus: name" of the document, "" if it is not in sentences/.
    """

    split: str
    shard: str
    row: int
    pieces: int
    predicted: int
    document: str
    follows: bool | None
    a: tuple[Part, ...]
    b: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExamplesFacts:
    """`examples/`. `masked`: (piece, times it is to predict, share) in `sampled` examples."""

    max_seq_length: int
    is_dynamic: bool
    is_pair: bool
    splits: tuple[_SplitFacts, ...]
    sampled: int
    masked: tuple[tuple[str, int, float], ...]
    shown: tuple[_ShownExample, ...]


def describe_examples(run: FinishedRun, manifest: Manifest) -> ExamplesFacts:
    """The facts of `examples/`. Without its vocabulary, no example is shown."""
    config = config_of(manifest)
    vocabulary = _vocabulary_of(run, manifest)
    sampled, masked = 0, list[tuple[str, int, float]]()
    if vocabulary is not None and not is_dynamic(manifest):
        sampled, masked = _most_masked(run.paths, manifest, vocabulary)
    return ExamplesFacts(
        max_seq_length=config.max_seq_length,
        is_dynamic=is_dynamic(manifest),
        is_pair=config.next_sentence,
        splits=tuple(_describe_split(manifest, split) for split in splits_of(manifest)),
        sampled=sampled,
        masked=tuple(masked),
        shown=tuple(_show_some(run, manifest, vocabulary)) if vocabulary is not None else (),
    )


def _vocabulary_of(run: FinishedRun, manifest: Manifest) -> Vocabulary | None:
    if run.vocab is None:
        return None
    vocabulary = read_vocabulary(run.paths.vocab / "vocab.txt")
    is_same = vocabulary.fingerprint == manifest.inputs["vocabulary"]["sha256"]
    return vocabulary if is_same else None


def _describe_split(manifest: Manifest, split: str) -> _SplitFacts:
    counts, shares = manifest.counts[split], shares_of(manifest, split)
    length = config_of(manifest).max_seq_length
    return _SplitFacts(
        name=split,
        examples=counts["examples"],
        pieces=counts["pieces"],
        mean_length=shares["mean_length"],
        padding=shares["padding"],
        lengths=tuple(bin_lengths(counts["lengths"], length, _LENGTH_BINS)),
        shares=tuple(_shares(manifest, shares)),
    )


def _shares(manifest: Manifest, shares: Mapping[str, float]) -> Iterator[_Share]:
    config = config_of(manifest)
    if not is_dynamic(manifest):
        wanted = config.masked_lm_prob
        yield _Share(name="pieces to predict", measured=shares["predicted"], wanted=wanted)
        names = ("shown as [MASK]", "shown unchanged", "shown as another")
        for name, (key, wanted) in zip(names, _SHARES.items()):
            yield _Share(name=name, measured=shares[key], wanted=wanted)
    if config.next_sentence:
        yield _Share(name="B is random", measured=shares["random_next"], wanted=_RANDOM_NEXT)


def _most_masked(
    paths: RunPaths, manifest: Manifest, vocabulary: Vocabulary
) -> tuple[int, list[tuple[str, int, float]]]:
    """The number of examples counted in, and the pieces that are most often to predict."""
    examples, counts = 0, np.zeros(vocabulary.size, np.int64)
    schema = examples_schema(vocabulary.size)
    for batch in sample_batches(
        paths.examples, manifest, "train-", schema, max_batches=_MASKED_BATCHES
    ):
        ids = batch.column("masked_lm_ids").flatten().to_numpy()
        counts += np.bincount(ids, minlength=vocabulary.size)
        examples += batch.num_rows
    total = max(1, int(counts.sum()))
    most = np.argsort(-counts, kind="stable")[:_MASKED_PIECES]
    pairs = ((vocabulary.tokens[id_], int(counts[id_])) for id_ in most.tolist())
    return examples, [(piece, count, count / total) for piece, count in pairs if count]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    """One example and its place in the first rows of a shard."""

    split: str
    shard: str
    row: int
    values: Table


def _show_some(
    run: FinishedRun, manifest: Manifest, vocabulary: Vocabulary
) -> Iterator[_ShownExample]:
    rows = [
        row
        for split in splits_of(manifest)
        for row in _choose_rows(run.paths, manifest, vocabulary, split)
    ]
    documents = _documents(run, [row.values["document_id"] for row in rows])
    is_pair = config_of(manifest).next_sentence
    for row in rows:
        parts = list(_parts(row.values, vocabulary))
        start = row.values["segment_b_start"]
        yield _ShownExample(
            split=row.split,
            shard=row.shard,
            row=row.row,
            pieces=len(parts),
            predicted=len(row.values["masked_lm_positions"]),
            document=documents.get(row.values["document_id"], ""),
            follows=not row.values["next_sentence_label"] if is_pair else None,
            a=tuple(_join(parts[1 : start - 1])),
            b=tuple(_join(parts[start:-1])) if is_pair else (),
        )


def _documents(run: FinishedRun, ids: Sequence[int]) -> dict[int, str]:
    if run.sentences is None:
        return {}
    try:
        return find_documents(run.paths, ids)
    except BertdataError:  # examples of other sentences
        return {}


def _choose_rows(
    paths: RunPaths, manifest: Manifest, vocabulary: Vocabulary, split: str
) -> Iterator[_Row]:
    """Rows by a fixed key, from the first batches of files that are evenly spaced."""
    shards = [shard for shard in manifest.shards if shard.path.startswith(f"{split}-")]
    wanted = _SHOWN[split]
    files = spread(shards, wanted)
    for number, shard in enumerate(files):
        count = (number + 1) * wanted // len(files) - number * wanted // len(files)
        yield from _rows_of(paths, shard, vocabulary, split, count)


def _rows_of(
    paths: RunPaths, shard: Shard, vocabulary: Vocabulary, split: str, count: int
) -> Iterator[_Row]:
    where = paths.examples / shard.path
    with open_arrow(where) as reader:
        check_schema(reader.schema, examples_schema(vocabulary.size), str(where))
        if not reader.num_record_batches:
            return
        batch = reader.get_batch(0)
        order = permutation(batch.num_rows, derive_key(0, "shown", int(shard.sha256[:15], 16)))
        for place in sorted(order[:count].tolist()):
            (values,) = batch.slice(place, 1).to_pylist()
            yield _Row(split=split, shard=shard.path, row=place, values=values)


def _parts(row: Table, vocabulary: Vocabulary) -> Iterator[Part]:
    """Each piece as a part of its own."""
    originals = dict(zip(row["masked_lm_positions"], row["masked_lm_ids"]))
    for place, id_ in enumerate(row["input_ids"]):
        if place not in originals:
            yield Part(kind="text", text=vocabulary.tokens[id_])
            continue
        right = originals[place]
        kind = "masked" if id_ == vocabulary.special.mask else "replaced"
        yield Part(
            kind="kept" if id_ == right else kind,
            text=vocabulary.tokens[id_],
            original=vocabulary.tokens[right],
        )


def _join(parts: Sequence[Part]) -> Iterator[Part]:
    """Neighbouring pieces of text as one part, joined to words."""
    text: list[tuple[str, bool]] = []
    for part in parts:
        if part.kind == "text":
            text.append((part.text, False))
            continue
        if text:
            yield Part(kind="text", text=join_pieces(text))
            text = []
        yield part
    if text:
        yield Part(kind="text", text=join_pieces(text))

"""`bertdata inspect`: examples as readable text, and statistics of all of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bertdata.arrays import UInt64Array
from bertdata.config import Table, check_choice, check_range
from bertdata.corpus.partitions import Layout
from bertdata.errors import DataError
from bertdata.storage.locations import Location
from bertdata.storage.manifest import Manifest, check_stage, read_manifest
from bertdata.storage.schema import SENTENCES, check_schema, examples_schema
from bertdata.storage.shards import open_arrow
from bertdata.tokens.vocabulary import CONTINUATION_PREFIX, MASK, Vocabulary, read_vocabulary
from flows.finished import SPLITS, config_of, is_dynamic, shares_of, splits_of
from flows.paths import RunPaths
from flows.terminal.styled import Span, Styled
from flows.wording import number, percent, printable, size

_WIDTH = 100
_INDENT = "      "
_HEADING = "bold"
_SEGMENTS = {"A": "cyan", "B": "magenta"}
_HIDDEN, _WRONG, _RIGHT = "bold yellow", "bold red", "bold green"
_BAR_WIDTH = 50
_HISTOGRAM_ROWS = 16
NAMES = ("document_id", "source", "document")


def show_examples(paths: RunPaths, split: str, rows: int) -> Iterator[str]:
    """Lines that show the first `rows` examples of a split.

    Raises DataError if the examples, or the sentences and vocabulary that they were made from, are
    missing or belong to a different run.
    """
    check_range("--rows", rows, 1, 1_000_000)
    check_choice("--split", split, SPLITS)
    manifest = read_manifest(paths.examples)
    vocabulary = vocabulary_of(paths, manifest)
    if not manifest.counts.get(split, {}).get("examples"):
        raise DataError(f"{paths.examples} has no {split} examples; choose the other --split")
    yield legend(manifest)
    shown = list(itertools.islice(read_examples(paths, manifest, vocabulary, split), rows))
    documents = find_documents(paths, {example.row["document_id"] for example in shown})
    is_pair = config_of(manifest).next_sentence
    for example in shown:
        name = documents.get(example.row["document_id"], "a document that is not in sentences/")
        yield ""
        yield from show_example(example, vocabulary, f"from {name}", is_pair)


def show_statistics(paths: RunPaths) -> Iterator[str]:
    """Lines with the measured shares and lengths of each split, from the manifest."""
    manifest = read_manifest(paths.examples)
    for split in splits_of(manifest):
        yield from _show_split(manifest, split)
        yield ""
    yield f"files: {_files(manifest)} in {paths.examples}"


def find_documents(paths: RunPaths, document_ids: Iterable[int]) -> dict[int, str]:
    """ "source: document" for each id that is in `sentences/`.

    Reads only the record batches of these ids' partitions, without their text.
    """
    wanted = np.array(sorted(document_ids), dtype=np.uint64)
    found: dict[int, str] = {}
    for place in find_batches(paths.sentences, read_manifest(paths.sentences), wanted):
        found.update(_names_of(place.read(NAMES), wanted))
    return found


@dataclass(frozen=True, slots=True)
class BatchPlace:
    """A record batch of `sentences/`: the documents of a partition."""

    path: Location
    number: int

    def read(self, columns: Sequence[str]) -> pa.RecordBatch:
        """Some columns of it; nothing else is read."""
        options = pa.ipc.IpcReadOptions(included_fields=list(map(SENTENCES.names.index, columns)))
        with open_arrow(self.path, options=options) as reader:
            return reader.get_batch(self.number)


def find_batches(
    folder: Location, manifest: Manifest, document_ids: UInt64Array | None = None
) -> Iterator[BatchPlace]:
    """The batches of `sentences/`, in order; with `document_ids` those that may hold one."""
    names = [shard.path for shard in manifest.shards if shard.path.startswith("sentences-")]
    layout = Layout(
        num_partitions=len(manifest.counts["documents_per_partition"]),
        num_files=len(names),
        seed=manifest.config["seed"],
    )
    partitions = (
        range(layout.num_partitions)
        if document_ids is None
        else np.unique(layout.partitions_of(document_ids)).tolist()
    )
    for name, (start, end) in zip(names, layout.ranges, strict=True):
        for partition in partitions:
            if start <= partition < end:
                yield BatchPlace(folder / name, partition - start)


def _names_of(batch: pa.RecordBatch, wanted: UInt64Array) -> Iterator[tuple[int, str]]:
    ids = batch.column("document_id").to_numpy()
    for place in np.flatnonzero(np.isin(ids, wanted)).tolist():
        source, document = (batch.column(name)[place].as_py() for name in ("source", "document"))
        yield int(ids[place]), f"{printable(source)}: {printable(document)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class _ShownExample:
    """One example and its place in a shard."""

    shard: str
    place: int
    row: Table


def vocabulary_of(paths: RunPaths, manifest: Manifest) -> Vocabulary:
    """The vocabulary that examples were made with. Raises DataError if it is another one now."""
    check_stage(paths.vocab, ["vocab.txt"])
    vocabulary = read_vocabulary(paths.vocab / "vocab.txt")
    if vocabulary.fingerprint != manifest.inputs["vocabulary"]["sha256"]:
        raise DataError(
            f"{paths.examples} was made with a different vocabulary than "
            f"{paths.vocab / 'vocab.txt'}; "
            "restore the one it was made with"
        )
    return vocabulary


def read_examples(
    paths: RunPaths,
    manifest: Manifest,
    vocabulary: Vocabulary,
    split: str,
    document_id: int | None = None,
) -> Iterator[_ShownExample]:
    """The examples of a split, in order; with `document_id` those of this document."""
    schema = examples_schema(vocabulary.size)
    for shard in manifest.shards:
        if not shard.path.startswith(f"{split}-"):
            continue
        start = 0
        with open_arrow(paths.examples / shard.path) as reader:
            check_schema(reader.schema, schema, str(paths.examples / shard.path))
            for batch_number in range(reader.num_record_batches):
                batch = reader.get_batch(batch_number)
                yield from _examples_in(batch, shard.path, start, document_id)
                start += batch.num_rows


def _examples_in(
    batch: pa.RecordBatch, shard: str, start: int, document_id: int | None
) -> Iterator[_ShownExample]:
    ids = batch.column("document_id").to_numpy()
    places = range(len(ids)) if document_id is None else np.flatnonzero(ids == document_id).tolist()
    for place in places:
        (row,) = batch.slice(place, 1).to_pylist()
        yield _ShownExample(shard=shard, place=start + place, row=row)


def legend(manifest: Manifest) -> str:
    """The line above examples that says how to read them."""
    if is_dynamic(manifest):
        return "masking is dynamic: the reader masks in every epoch; pieces are shown unmasked"
    return Styled(
        ("pieces to predict: ", ""),
        ("[MASK]→hidden", _HIDDEN),
        ("  ", ""),
        ("wrong→right", _WRONG),
        ("  ", ""),
        ("right=right", _RIGHT),
        ("; ## continues a word", ""),
    )


def show_example(
    example: _ShownExample, vocabulary: Vocabulary, origin: str, is_pair: bool
) -> Iterator[str]:
    """Lines that show an example. `origin`: a line about where it is from, or ""."""
    row = example.row
    pieces = _mark_predictions(row, vocabulary)
    b_start = row["segment_b_start"]
    facts = [f"{len(pieces)} pieces, {len(row['masked_lm_positions'])} to predict"]
    if is_pair:
        facts.insert(0, "B is random" if row["next_sentence_label"] else "B follows A")
    heading = f"{example.shard} row {example.place}"
    yield Styled((heading, _HEADING), (f": {', '.join(facts)}", ""))
    if origin:
        yield f"{_INDENT[:2]}{origin}"
    yield from _paragraph("A", pieces[1 : b_start - 1])
    if is_pair:
        yield from _paragraph("B", pieces[b_start:-1])


def _mark_predictions(row: Table, vocabulary: Vocabulary) -> list[tuple[str, bool]]:
    """Each piece as it is shown, and whether it has to be predicted."""
    pieces = [(vocabulary.tokens[id_], False) for id_ in row["input_ids"]]
    for position, id_ in zip(row["masked_lm_positions"], row["masked_lm_ids"]):
        seen, right = pieces[position][0], vocabulary.tokens[id_]
        sign = "=" if seen == right else "→"
        pieces[position] = (f"{seen}{sign}{right}", True)
    return pieces


def _paragraph(label: str, pieces: Sequence[tuple[str, bool]]) -> Iterator[str]:
    words = [
        (part, _style_of(word) if is_predicted else _SEGMENTS[label])
        for word, is_predicted in _words_of(pieces)
        for part in printable(word).split(" ")
    ]
    head: Span = (f"  {label}   ", f"bold {_SEGMENTS[label]}")
    for line in fill_lines(words, _WIDTH - len(_INDENT)):
        yield Styled(head, *line)
        head = (_INDENT, "")


def fill_lines(words: Iterable[Span], width: int) -> Iterator[list[Span]]:
    """Words with a space between them, in lines of at most `width`; a longer one has its own."""
    line: list[Span] = []
    length = 0
    for word in words:
        if line and length + 1 + len(word[0]) > width:
            yield line
            line, length = [], 0
        if line:
            line.append((" ", ""))
        length += len(word[0]) + bool(length)
        line.append(word)
    if line:
        yield line


def _style_of(word: str) -> str:
    """The style of a piece to predict, by how it is shown."""
    if word.startswith(f"{MASK}→"):
        return _HIDDEN
    return _RIGHT if word == "=".join([word[: len(word) // 2]] * 2) else _WRONG


def join_pieces(pieces: Sequence[tuple[str, bool]]) -> str:
    """Text of pieces: play, ##ing is "playing"; pieces to predict are words of their own."""
    return " ".join(word for word, _ in _words_of(pieces))


def _words_of(pieces: Sequence[tuple[str, bool]]) -> list[tuple[str, bool]]:
    words: list[tuple[str, bool]] = []
    may_glue = False
    for piece, is_predicted in pieces:
        if may_glue and not is_predicted and piece.startswith(CONTINUATION_PREFIX):
            words[-1] = words[-1][0] + piece.removeprefix(CONTINUATION_PREFIX), False
        else:
            words.append((piece, is_predicted))
        may_glue = not is_predicted
    return words


def _show_split(manifest: Manifest, split: str) -> Iterator[str]:
    counts, shares = manifest.counts[split], shares_of(manifest, split)
    config = config_of(manifest)
    yield f"{split}: {number(counts['examples'])} examples, {number(counts['pieces'])} pieces"
    if is_dynamic(manifest):
        yield "  pieces predicted    chosen by the reader, again in every epoch"
    else:
        wanted = f"{percent(config.masked_lm_prob)}, at most {config.max_predictions_per_seq}"
        yield f"  pieces predicted    {percent(shares['predicted'])} (asked for {wanted})"
        yield f"    shown as {MASK}   {percent(shares['masked'])}"
        yield f"    shown unchanged   {percent(shares['kept'])}"
        yield f"    shown as another  {percent(shares['replaced'])}"
    if config.next_sentence:
        yield f"  B is random         {percent(shares['random_next'])} of the pairs"
    yield f"  mean length         {shares['mean_length']:.1f} pieces"
    length = config.max_seq_length
    yield f"  padding             {percent(shares['padding'])} if padded to {length}"
    yield "  examples by length"
    yield from _histogram(counts["lengths"], length)


def _histogram(lengths: Sequence[int], longest: int) -> Iterator[str]:
    bins = bin_lengths(lengths, longest, _HISTOGRAM_ROWS)
    maximum = max((count for _, _, count in bins), default=0) or 1
    for first, last, count in bins:
        bar = "█" * round(count / maximum * _BAR_WIDTH) or ("▏" if count else "")
        yield f"    {first:>3}-{last:<3} {bar} {number(count)}"


def bin_lengths(lengths: Sequence[int], longest: int, num_bins: int) -> list[tuple[int, int, int]]:
    """(first, last, examples) for ranges of lengths of equal width; the last ends at `longest`."""
    width = -(-longest // num_bins)
    ends = range(longest, 0, -width)
    ranges = [(max(1, end - width + 1), end) for end in ends]
    return [(first, last, sum(lengths[first : last + 1])) for first, last in reversed(ranges)]


def _files(manifest: Manifest) -> str:
    total = sum(shard.bytes for shard in manifest.shards)
    return f"{number(len(manifest.shards))} shards, {size(total)}"

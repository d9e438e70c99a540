"""Each kernel on one core, in this process: CPU seconds, the median of several repeats.

"cold": a new splitter or tokenizer that remembers nothing. "new text": one that has worked on other
text before, which is how a worker spends its time. "again": the same text a second time.
"""

from __future__ import annotations

import itertools
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from tokenizers import pre_tokenizers

from bertdata.examples.config import ExamplesConfig
from bertdata.examples.make import (
    Documents,
    masking_vocabulary,
    pair_all_passes,
    shuffled,
    to_record_batch,
)
from bertdata.examples.pairing import JoinedExamples, Pairs, join_spans
from bertdata.examples.static_masking import mask_joined
from bertdata.examples.statistics import count_examples
from bertdata.reader.batches import to_padded
from bertdata.reader.example_reader import ExampleReader
from bertdata.sentences.splitter import SentenceSplitter, load_splitter
from bertdata.storage.schema import examples_schema
from bertdata.storage.shards import write_arrow
from bertdata.tokens.compiled import SentenceTokenizer
from bertdata.tokens.tokenizer import build_normalizer
from bertdata.tokens.vocabulary import Vocabulary
from tests.benchmarks import baseline
from tests.benchmarks.job import DUPE_FACTOR, MAX_SEQ_LENGTH
from tests.benchmarks.material import (
    Material,
    bytes_of,
    flatten,
    split_all,
    to_documents,
)
from tests.benchmarks.measure import cost_in_fresh_process, cpu_seconds_of
from tests.benchmarks.tables import Row, Table, megabytes
from vocab import fast, wordpiece
from vocab.config import VocabConfig
from vocab.counting import COUNTS_SCHEMA, count_words

SEED = 7
PLAIN_SHARE = 16  # the plain libraries get one part in so many of the text
BATCH_SIZES = (64, 256, 1024)
SEEKS = 100


def sentence_splitting(material: Material, repeats: int) -> list[Row]:
    """`SentenceSplitter` beside NLTK's own tokenizer, which must give the same."""
    new, text_bytes = material.new, bytes_of(material.new)

    def split(splitter: SentenceSplitter, texts: Sequence[str] = new) -> None:
        for block in in_blocks(texts):
            splitter.split_all(block)

    def after(texts: Sequence[str]) -> Callable[[], SentenceSplitter]:
        def prepare() -> SentenceSplitter:
            splitter = load_splitter("english")
            split(splitter, texts)
            return splitter

        return prepare

    some = new[: max(1, len(new) // PLAIN_SHARE)]
    nltk = baseline.make_nltk_splitter()
    plain = megabytes(bytes_of(some)) / cpu_seconds_of(lambda _: list(map(nltk, some)), repeats=1)
    _check_equal(list(map(nltk, some)), split_all(some), "sentences")
    wanted = {"cold": None, "new text": 10, "again": 20}
    before = {"cold": [], "new text": material.seen, "again": new}
    return [
        _row(f"sentence splitting, {name}", text_bytes, seconds, plain, wanted[name])
        for name, texts in before.items()
        for seconds in [cpu_seconds_of(split, after(texts), repeats=repeats)]
    ]


def in_blocks(texts: Sequence[str]) -> Iterator[pa.StringArray]:
    """Arrays of about a megabyte, as a run splits them."""
    block: list[str] = []
    size = 0
    for text in texts:
        block.append(text)
        size += len(text)
        if size >= 1 << 20:
            yield pa.array(block, pa.string())
            block, size = [], 0
    yield pa.array(block, pa.string())


def tokenization(material: Material, repeats: int) -> list[Row]:
    """`SentenceTokenizer` beside `encode_batch_fast`, which must give the same ids."""
    seen, new = flatten(split_all(material.seen)), flatten(split_all(material.new))
    text_bytes = bytes_of(material.new)

    def after(sentences: pa.StringArray | None) -> Callable[[], SentenceTokenizer]:
        def prepare() -> SentenceTokenizer:
            tokenizer = SentenceTokenizer(material.vocabulary, VocabConfig().tokenization)
            if sentences is not None:
                encode_in_parts(tokenizer, sentences)
            return tokenizer

        return prepare

    plain = _plain_tokenization(material, new[: max(1, len(new) // PLAIN_SHARE)])
    wanted = {"cold": None, "new text": 25, "again": None}
    before = {"cold": None, "new text": seen, "again": new}
    return [
        _row(f"tokenization, {name}", text_bytes, seconds, plain, wanted[name])
        for name, sentences in before.items()
        for seconds in [
            cpu_seconds_of(lambda t: encode_in_parts(t, new), after(sentences), repeats=repeats)
        ]
    ]


def encode_in_parts(tokenizer: SentenceTokenizer, sentences: pa.StringArray) -> None:
    """As a run does it: about 1.6 MB, a partition of 100 MB, at a time."""
    step = max(1, int(len(sentences) * 1.6e6 / max(1, sentences.nbytes)))
    for start in range(0, len(sentences), step):
        tokenizer.encode(sentences[start : start + step])


def making_examples(material: Material, folder: Path, repeats: int) -> list[Row]:
    """Five passes of pairs, joined and masked, beside the readable algorithm; then written."""
    sentences = split_all(material.new)
    documents = to_documents(sentences, material.vocabulary)
    seconds = time_making(documents, material.vocabulary, folder, repeats)
    text_bytes = bytes_of(material.new)
    rows = [_row(f"- {name}", text_bytes, taken) for name, taken in seconds.items()]
    made = sum(seconds[name] for name in ("pairing", "joining", "masking"))
    written = sum(seconds[name] for name in ("shuffling", "batches", "counting", "writing"))
    plain = _plain_making(sentences, material.vocabulary)
    whole = "pairing, joining, masking, five passes"
    return [
        _row(whole, text_bytes, made, plain, 40),
        *rows[:3],
        _row("shuffling and writing shards", text_bytes, written, wanted=40),
        *rows[3:],
    ]


def time_making(
    documents: Documents, vocabulary: Vocabulary, folder: Path, repeats: int
) -> dict[str, float]:
    """CPU seconds of each step of five passes over one pool of documents."""
    config = ExamplesConfig(max_seq_length=MAX_SEQ_LENGTH, dupe_factor=DUPE_FACTOR)
    special = vocabulary.special
    pieces = masking_vocabulary(vocabulary)

    def pair(_: object) -> Pairs:
        return pair_all_passes(documents, config.pairing_config, SEED, DUPE_FACTOR)

    def shuffle(_: object) -> Pairs:
        order = shuffled(pairs.mask_key)
        return Pairs._make(column[order] for column in pairs)

    def join(_: object) -> JoinedExamples:
        return join_spans(documents.tokenized.pieces, mixed, special.cls, special.sep)

    def mask(joined: JoinedExamples) -> Any:
        return mask_joined(joined, mixed.mask_key, config.masking_config, pieces)

    def batch(_: object) -> pa.RecordBatch:
        ids = documents.ids[mixed.document]
        return to_record_batch(joined, predictions, mixed, ids, vocabulary.size)

    def write(_: object) -> None:
        write_arrow(folder / "kernel.arrow", examples_schema(vocabulary.size), [made])

    pairs = pair(None)
    mixed = shuffle(None)
    joined = join(None)
    predictions = mask(joined)
    made = batch(None)
    return {
        "pairing": cpu_seconds_of(pair, repeats=repeats),
        "joining": cpu_seconds_of(join, repeats=repeats),
        "masking": cpu_seconds_of(mask, lambda: join(None), repeats=repeats),
        "shuffling": cpu_seconds_of(shuffle, repeats=repeats),
        "batches": cpu_seconds_of(batch, repeats=repeats),
        "counting": cpu_seconds_of(lambda _: count_examples(made, special.mask), repeats=repeats),
        "writing": cpu_seconds_of(write, repeats=repeats),
    }


def word_counting(material: Material, repeats: int) -> list[Row]:
    """`count_words` beside `tokenizers`' normalizer and pre-tokenizer, which must count alike."""
    sentences = flatten(split_all(material.new))
    config = VocabConfig()

    def count(_: object) -> pa.Table:
        return count_words([sentences], config)

    some = sentences[: max(1, len(sentences) // PLAIN_SHARE)]
    plain_seconds = cpu_seconds_of(lambda _: _count_plainly(some, config), repeats=1)
    ours = count_words([some], config)
    counted = dict(zip(ours["word"].to_pylist(), ours["count"].to_pylist()))
    _check_equal(dict(_count_plainly(some, config)), counted, "words")
    seconds = cpu_seconds_of(count, repeats=repeats)
    plain = megabytes(some.nbytes) / plain_seconds
    return [_row("word counting", bytes_of(material.new), seconds, plain, 25)]


def vocabulary_training(material: Material, distinct_words: int, small: int) -> Table:
    """Training from the words of the text, and from a long list made of them; memory too."""
    counts = material.word_counts.cast(COUNTS_SCHEMA)
    size = material.vocabulary.size
    long = make_long_list(counts, distinct_words)
    rows = [
        _training_row("words of the text", counts, size),
        _training_row(
            "a long list, Zipf-like", long, min(30_522, distinct_words // 4), "20 s, 1 GB"
        ),
    ]
    few = counts.slice(0, small)
    config = VocabConfig(size=len(wordpiece.train(few, _smallest(few)).tokens), min_frequency=1)
    seconds = [_training_seconds(train, few, config) for train in (fast.train, wordpiece.train)]
    _check_equal(wordpiece.train(few, config), fast.train(few, config), "pieces")
    rows.append(
        {
            "words": "a short list",
            "distinct": small,
            "pieces": config.size,
            "core-s": seconds[0],
            "readable trainer, core-s": seconds[1],
        }
    )
    return Table(title="Training a vocabulary, one core", rows=tuple(rows))


def make_long_list(counts: pa.Table, distinct_words: int) -> pa.Table:
    """Distinct words of real words' halves, with counts that fall with rank as Zipf's law says."""
    words = [word for word in counts["word"].to_pylist() if word.isalpha() and len(word) >= 2]
    draws = random.Random(SEED)
    made = dict.fromkeys(words[:distinct_words])
    while len(made) < distinct_words:
        first, second = draws.choice(words), draws.choice(words)
        made[first[: (len(first) + 1) // 2] + second[len(second) // 2 :]] = None
    frequencies = [1 + 10 * distinct_words // rank for rank in range(1, distinct_words + 1)]
    return pa.table([list(made), frequencies], schema=COUNTS_SCHEMA)


def reading(material: Material, repeats: int) -> Table:
    """Padded batches with static and dynamic masks, and seeks, in the order of training."""
    rows = []
    for masks, folder, wanted in (
        ("static", material.static, 50),
        ("dynamic", material.dynamic, 20),
    ):
        reader = ExampleReader(folder, material.vocabulary, verify_checksums=False)
        pad = material.vocabulary.special.pad
        seek = _seek_milliseconds(reader, pad)
        for batch_size in BATCH_SIZES:
            speed = _pieces_per_second(reader, pad, batch_size, repeats)
            rows.append(
                {
                    "masks": masks,
                    "batch": batch_size,
                    "million pieces/core-s": speed / 1e6,
                    "wanted": wanted,
                    **(seek if batch_size == BATCH_SIZES[0] else {}),
                }
            )
    return Table(title="The reader, one core", rows=tuple(rows), note="Seeks wanted: under 10 ms.")


def run_kernels(material: Material, folder: Path, repeats: int) -> Table:
    """Everything that is measured in megabytes of text."""
    rows = [
        *sentence_splitting(material, repeats),
        *tokenization(material, repeats),
        *making_examples(material, folder, repeats),
        *word_counting(material, repeats),
    ]
    return Table(
        title="Kernels, one core: MB of text per core-second",
        rows=tuple(rows),
        note=f"On {megabytes(bytes_of(material.new)):.1f} MB; the plain library on a 16th of it.",
    )


def _row(
    kernel: str,
    text_bytes: int,
    seconds: float,
    plain: float | None = None,
    wanted: float | None = None,
) -> Row:
    speed = megabytes(text_bytes) / max(seconds, 1e-9)
    row = {"kernel": kernel, "MB/core-s": speed, "wanted": wanted}
    return {**row, "plain library": plain, "ratio": plain and speed / plain}


def _plain_tokenization(material: Material, some: pa.StringArray) -> float:
    tokenizer = baseline.make_tokenizer(material.vocabulary)
    texts = some.to_pylist()

    def encode(_: object) -> list[list[int]]:
        return [e.ids for e in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    ours = SentenceTokenizer(material.vocabulary, VocabConfig().tokenization).encode(some)
    lists = [ours.ids[a:b].tolist() for a, b in itertools.pairwise(ours.offsets)]
    _check_equal(encode(None), lists, "ids")
    return megabytes(some.nbytes) / cpu_seconds_of(encode, repeats=1)


def _plain_making(sentences: Sequence[Sequence[str]], vocabulary: Vocabulary) -> float:
    some = sentences[: max(2, len(sentences) // (2 * PLAIN_SHARE))]
    documents = baseline.tokenize(some, baseline.make_tokenizer(vocabulary))
    seconds = cpu_seconds_of(lambda _: baseline.make_examples(documents, vocabulary), repeats=1)
    return megabytes(sum(bytes_of(document) for document in some)) / seconds


def _count_plainly(sentences: pa.StringArray, config: VocabConfig) -> Counter[str]:
    normalize = build_normalizer(config.tokenization).normalize_str
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    texts = sentences.to_pylist()
    return Counter(word for text in texts for word, _ in split(normalize(text)))


def _training_row(name: str, counts: pa.Table, size: int, wanted: str | None = None) -> Row:
    cost = cost_in_fresh_process(fast.train, counts, VocabConfig(size=size))
    return {
        "words": name,
        "distinct": counts.num_rows,
        "pieces": size,
        "core-s": cost.cpu_seconds,
        "peak, MB": megabytes(cost.largest_peak),
        "wanted": wanted,
    }


def _training_seconds(
    train: Callable[[pa.Table, VocabConfig], Vocabulary], counts: pa.Table, config: VocabConfig
) -> float:
    return cpu_seconds_of(lambda _: train(counts, config), repeats=1)


def _smallest(counts: pa.Table) -> VocabConfig:
    """A size that a short list reaches: its alphabet and 200 merges at most."""
    characters = {c for word in counts["word"].to_pylist() for c in word}
    return VocabConfig(
        size=5 + 2 * len(characters) + min(200, counts.num_rows // 4), min_frequency=1
    )


def _pieces_per_second(reader: ExampleReader, pad: int, batch_size: int, repeats: int) -> float:
    """Of rows that were not read just before: each time those of another epoch."""
    count = max(1, min(reader.num_rows, 50_000) // batch_size)
    length = reader.longest_row()

    def read(epoch: int) -> None:
        batches = reader.padded_batches(SEED, epoch * reader.num_rows, batch_size, length=length)
        for batch in itertools.islice(batches, count):
            if batch["input_ids"].shape != (batch_size, length):
                raise AssertionError("a batch has another shape")

    # Rows of other epochs are other ones, but of the same lengths on average.
    compact = itertools.islice(reader.batches(SEED, 0, batch_size), count)
    pieces = sum(len(batch.input_ids) for batch in compact)
    _check_masked(reader, batch_size)
    epochs = itertools.count(1)
    seconds = cpu_seconds_of(read, lambda: next(epochs), repeats=repeats, warm_up=True)
    return pieces / max(seconds, 1e-9)


def _check_masked(reader: ExampleReader, batch_size: int) -> None:
    if not len(reader.batch_at(SEED, 0, batch_size).masked_positions):
        raise AssertionError("the reader gave a batch without masks")


def _seek_milliseconds(reader: ExampleReader, pad: int) -> Row:
    """By the clock: from a position anywhere to its padded batch of 64."""
    draws = random.Random(SEED)
    milliseconds = []
    for _ in range(SEEKS):
        position = draws.randrange(1000 * reader.num_rows)
        started = time.perf_counter()
        to_padded(reader.batch_at(SEED, position, 64), pad_id=pad)
        milliseconds.append(1000 * (time.perf_counter() - started))
    return {
        "seek, ms (median)": statistics.median(milliseconds),
        "seek, ms (most)": max(milliseconds),
    }


def _check_equal(wanted: object, got: object, what: str) -> None:
    if wanted != got:
        raise AssertionError(f"the fast way gives other {what} than the plain one")

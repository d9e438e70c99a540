"""The plain way, on a sample of the same text: NLTK, `tokenizers`, and the readable algorithm.

One core, one process: NLTK's own `PunktSentenceTokenizer` over the paragraphs, `tokenizers`'
`encode_batch`, `bertdata.reference` over Python's random numbers (five passes, static masks), Arrow
from Python lists. No corpus is cut, nothing is checked or summed up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
from nltk.tokenize.punkt import PunktSentenceTokenizer
from tokenizers import Tokenizer

from bertdata.reference import algorithm as reference
from bertdata.reference.algorithm import Example, OriginalSource, Pieces
from bertdata.reference.command import to_record_batch
from bertdata.reference.config import MaskingConfig, PairingConfig
from bertdata.sentences.paragraphs import split_paragraphs
from bertdata.sentences.punkt import load_parameters
from bertdata.tokens.tokenizer import build_tokenizer
from bertdata.tokens.vocabulary import Vocabulary
from tests.benchmarks.corpus import CorpusFile, read_texts
from tests.benchmarks.job import DUPE_FACTOR, GIVEN, MAX_SEQ_LENGTH, JobCost
from tests.benchmarks.tables import Table, megabytes
from vocab.config import VocabConfig

WANTED_RATIO, FLOOR_RATIO = 16, 8

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class BaselineCost:
    """CPU seconds of each step over a sample of `text_bytes`."""

    text_bytes: int
    seconds: dict[str, float]

    def speed(self, *steps: str) -> float:
        """Megabytes of text per core-second of these steps, one after the other; none: of all."""
        chosen = steps or tuple(self.seconds)
        return megabytes(self.text_bytes) / sum(self.seconds[step] for step in chosen)


def run_baseline(
    files: Sequence[CorpusFile], text_bytes: int, vocabulary: Vocabulary, folder: Path
) -> BaselineCost:
    """Do it all for the first `text_bytes` of the files."""
    seconds: dict[str, float] = {}

    def step(name: str, work: Callable[[], Result]) -> Result:
        started = time.process_time()
        result = work()
        seconds[name] = time.process_time() - started
        return result

    split = make_nltk_splitter()
    tokenizer = make_tokenizer(vocabulary)
    texts = step("read", lambda: read_texts(files, text_bytes))
    sentences = step("split", lambda: [split(text) for text in texts])
    documents = step("tokenize", lambda: tokenize(sentences, tokenizer))
    examples = step("pair and mask", lambda: make_examples(documents, vocabulary))
    step("write", lambda: write_examples(folder / "baseline.arrow", examples, vocabulary.size))
    return BaselineCost(text_bytes=sum(len(text.encode()) for text in texts), seconds=seconds)


def baseline_table(baseline: BaselineCost) -> Table:
    """A row for each step, and for the whole."""
    rows = [
        {"step": step, "MB/core-s": baseline.speed(step), "core-s": seconds}
        for step, seconds in baseline.seconds.items()
    ]
    total = {
        "step": "whole",
        "MB/core-s": baseline.speed(),
        "core-s": sum(baseline.seconds.values()),
    }
    return Table(
        title=f"The baseline, on {megabytes(baseline.text_bytes):.1f} MB of the same text",
        rows=(*rows, total),
        note="NLTK's Punkt, tokenizers' encode_batch, bertdata.reference (five passes, masks), "
        "Arrow from Python lists; one process, one thread.",
    )


def ratio_table(jobs: Sequence[JobCost], baseline: BaselineCost) -> Table:
    """The job beside the baseline, by core-seconds."""
    pairs = {
        "sentences": ("read", "split"),
        "examples": ("tokenize", "pair and mask", "write"),
        GIVEN: (),
    }
    rows = tuple(
        {
            "workers": job.workers,
            "part": part,
            "MB/core-s": job.speed(part),
            "baseline": baseline.speed(*steps),
            "ratio": job.speed(part) / baseline.speed(*steps),
            "wanted": f"{WANTED_RATIO} (floor {FLOOR_RATIO})" if part == GIVEN else None,
        }
        for job in jobs
        for part, steps in pairs.items()
    )
    return Table(title="The job beside the baseline, per core-second", rows=rows)


def make_nltk_splitter() -> Callable[[str], list[str]]:
    """NLTK's own tokenizer as anyone would use it, on the paragraphs that a run cuts.

    (NLTK 3.10.4 gives up with an error where one of its searches takes five seconds by the clock.)
    """
    nltk = PunktSentenceTokenizer(load_parameters("english"))
    return lambda text: [
        s for paragraph in split_paragraphs(text) for s in nltk.tokenize(paragraph)
    ]


def make_tokenizer(vocabulary: Vocabulary) -> Tokenizer:
    """The tokenizer of a vocabulary, for corpus text."""
    tokenizer = build_tokenizer(vocabulary, VocabConfig().tokenization)
    tokenizer.encode_special_tokens = True
    return tokenizer


def tokenize(sentences: Sequence[Sequence[str]], tokenizer: Tokenizer) -> list[list[list[int]]]:
    """The pieces of each sentence of each document; empty sentences and documents left out."""
    documents = []
    for document in sentences:
        encodings = tokenizer.encode_batch(list(document), add_special_tokens=False)
        if ids := [encoding.ids for encoding in encodings if encoding.ids]:
            documents.append(ids)
    return documents


def make_pieces(vocabulary: Vocabulary) -> Pieces:
    """What the readable algorithm asks of a vocabulary."""
    special = vocabulary.special
    return Pieces(
        cls=special.cls,
        sep=special.sep,
        mask=special.mask,
        random_ids=range(vocabulary.size),
        continuation=vocabulary.continuation.tolist(),
    )


def make_examples(documents: list[list[list[int]]], vocabulary: Vocabulary) -> list[Example]:
    """The readable algorithm over Python's own random numbers."""
    pairing, masking = PairingConfig(max_seq_length=MAX_SEQ_LENGTH), MaskingConfig()
    return reference.create_examples(
        list(documents), DUPE_FACTOR, pairing, masking, make_pieces(vocabulary), OriginalSource(1)
    )


def write_examples(path: Path, examples: Sequence[Example], vocabulary_size: int) -> None:
    """One Arrow file from Python lists, with the columns of a run's."""
    batch = to_record_batch(examples, vocabulary_size)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)

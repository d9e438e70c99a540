"""What the kernels work on: texts in memory, and a small finished run, made in this process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from bertdata.examples.config import ExamplesConfig
from bertdata.examples.make import Documents, tokenize_documents
from bertdata.plans.examples import plan_examples
from bertdata.plans.inputs import Corpora
from bertdata.plans.sentences import plan_sentences
from bertdata.randomness import derive_key, derive_keys
from bertdata.sentences.splitter import load_splitter
from bertdata.storage.schema import SENTENCES
from bertdata.storage.shards import open_arrow
from bertdata.tokens.compiled import SentenceTokenizer
from bertdata.tokens.vocabulary import Vocabulary, read_vocabulary
from flows.config import RunConfig
from flows.paths import RunPaths
from tests.benchmarks.corpus import CorpusFile, read_texts
from tests.benchmarks.job import make_config
from tests.runs import make_stage
from vocab.config import VocabConfig
from vocab.plan import plan_vocabulary


@dataclass(frozen=True, kw_only=True)
class Material:
    """Texts, their sentences and pieces, and the folders of a run.

    `seen`, `new`: two sets of texts without a document in common, of `text_bytes` each (about).
    `static`, `dynamic`: folders of examples.
    """

    seen: list[str]
    new: list[str]
    vocabulary: Vocabulary
    word_counts: pa.Table
    static: Path
    dynamic: Path


def prepare(
    files: Sequence[CorpusFile], folder: Path, *, text_bytes: int, vocabulary_size: int
) -> Material:
    """Take texts from the first and the last files; run the stages on the first ones."""
    paths = RunPaths(folder)
    seen, new = _draw_texts(files, text_bytes)
    _make_run(files[:1], paths, vocabulary_size)
    with open_arrow(paths.vocab / "word_counts.arrow") as reader:
        word_counts = reader.read_all()
    return Material(
        seen=seen,
        new=new,
        vocabulary=read_vocabulary(paths.vocab / "vocab.txt"),
        word_counts=word_counts,
        static=paths.examples,
        dynamic=folder / "dynamic",
    )


def split_all(texts: Sequence[str]) -> list[list[str]]:
    """The sentences of each text."""
    splitter = load_splitter("english")
    return [splitter.split(text) for text in texts]


def to_sentence_table(sentences: Sequence[Sequence[str]]) -> pa.Table:
    """The columns of `sentences/`."""
    ids = derive_keys(derive_key(0, "documents"), np.arange(len(sentences)))
    names = [""] * len(sentences)
    return pa.table([pa.array(ids), names, names, sentences], schema=SENTENCES)


def flatten(sentences: Sequence[Sequence[str]]) -> pa.StringArray:
    """All sentences in a row."""
    return pa.array([s for document in sentences for s in document], pa.string())


def to_documents(sentences: Sequence[Sequence[str]], vocabulary: Vocabulary) -> Documents:
    """Documents as pieces."""
    tokenizer = SentenceTokenizer(vocabulary, VocabConfig().tokenization)
    return tokenize_documents(to_sentence_table(sentences), tokenizer)


def bytes_of(texts: Sequence[str]) -> int:
    """In UTF-8."""
    return sum(len(text.encode()) for text in texts)


def _draw_texts(files: Sequence[CorpusFile], text_bytes: int) -> tuple[list[str], list[str]]:
    """Texts from the front, and texts from as far behind as there are."""
    half = min(text_bytes, sum(file.text_bytes for file in files) // 2)
    behind = [file for file in files if file not in files[: -(-half // files[0].text_bytes)]]
    if len(files) > 1 and behind:
        return read_texts(files, half), read_texts(reversed(behind), half)
    texts = read_texts(files, 2 * half)
    return texts[: len(texts) // 2], texts[len(texts) // 2 :]


def _make_run(files: Sequence[CorpusFile], paths: RunPaths, vocabulary_size: int) -> None:
    config = make_vocabulary(files, paths, vocabulary_size)
    dynamic = replace(config.examples, masking="dynamic")
    _make_examples(paths, paths.examples, config.examples, config.seed)
    _make_examples(paths, paths.output / "dynamic", dynamic, config.seed)


def make_vocabulary(
    files: Sequence[CorpusFile], paths: RunPaths, vocabulary_size: int
) -> RunConfig:
    """The stages before the examples, here in this process; the configuration they had."""
    config = make_config(files, workers=1, vocabulary_size=vocabulary_size, num_shards=8)
    corpora = Corpora(configs=config.corpus, base="/")
    make_stage(
        plan_sentences(paths.sentences, corpora, config.sentences, config.seed),
    )
    make_stage(
        plan_vocabulary(paths.vocab, paths.sentences, config.vocab),
    )
    return config


def _make_examples(paths: RunPaths, folder: Path, config: ExamplesConfig, seed: int) -> None:
    plan = plan_examples(folder, paths.sentences, paths.vocab, config, seed)
    make_stage(plan)

"""As good as `tokenizers`' own trainer on real text."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from bertdata.tokens.tokenizer import build_normalizer
from bertdata.tokens.vocabulary import SPECIAL_PIECES, Vocabulary
from vocab import fast
from vocab.config import VocabConfig
from vocab.counting import count_words
from vocab.report import measure_coverage


def read_texts(shared_data: Path) -> list[str]:
    with gzip.open(shared_data / "wiki-vital" / "summaries_en-us.json.gz", "rt", "utf-8") as file:
        return [entry["extract"] for entry in json.load(file).values()]


def train_with_tokenizers(texts: list[str], config: VocabConfig) -> Vocabulary:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = build_normalizer(config.tokenization)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=config.size,
        min_frequency=config.min_frequency,
        limit_alphabet=config.alphabet_limit,
        special_tokens=list(SPECIAL_PIECES),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    ids = tokenizer.get_vocab()
    return Vocabulary(tuple(sorted(ids, key=ids.__getitem__)))


def test_pieces_per_word_as_with_tokenizers(shared_data: Path) -> None:
    texts = read_texts(shared_data)
    seen, held_out = texts[::2], pa.array(texts[1::8])
    config = VocabConfig(size=8000)
    ours = fast.train(count_words([pa.array(seen)], config), config)
    theirs = train_with_tokenizers(seen, config)
    assert ours.size == theirs.size == 8000
    counts = count_words([held_out], config)
    our_coverage = measure_coverage(counts, ours, config)
    their_coverage = measure_coverage(counts, theirs, config)
    ratio = our_coverage.pieces_per_word / their_coverage.pieces_per_word
    assert ratio == pytest.approx(1, abs=0.005)
    assert our_coverage.unknown_share < 0.001

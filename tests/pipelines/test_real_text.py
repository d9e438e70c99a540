"""The whole job on real speeches equals a plain loop over the real libraries and the reference."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from nltk.tokenize.punkt import PunktSentenceTokenizer
from tokenizers import BertWordPieceTokenizer

from bertdata.corpus.config import CorpusConfig
from bertdata.corpus.partitions import choose_validation
from bertdata.examples.config import ExamplesConfig
from bertdata.plans.examples import plan_examples
from bertdata.plans.inputs import Corpora
from bertdata.plans.sentences import plan_sentences
from bertdata.randomness import CounterSource, derive_key, derive_keys, stable_hash
from bertdata.reference.algorithm import Pieces, create_document_examples
from bertdata.sentences.punkt import load_parameters
from bertdata.sentences.splitter import SentencesConfig
from bertdata.storage.manifest import Manifest
from bertdata.tokens.vocabulary import Vocabulary, read_vocabulary
from tests.runs import make_stage
from vocab.config import VocabConfig
from vocab.plan import plan_vocabulary

SEED = 99
CONFIG = ExamplesConfig(max_seq_length=64, dupe_factor=3, validation_fraction=0.15, num_shards=4)

Row = tuple[Any, ...]


@pytest.fixture(scope="module")
def speeches(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("speeches")
    with zipfile.ZipFile(shared_data / "us-presidents" / "inaugural.zip") as archive:
        archive.extractall(folder)
    return folder / "inaugural"


@pytest.fixture(scope="module")
def manifests(
    speeches: Path, shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Manifest]]:
    output = tmp_path_factory.mktemp("run")
    corpus = CorpusConfig(name="speeches", format="text", paths=("*.txt",))
    corpora = Corpora(configs=(corpus,), base=str(speeches))
    given = VocabConfig(file=str(shared_data / "vocab" / "bert-base-uncased-vocab.txt"))
    folders = [output / stage for stage in ("sentences", "vocab", "examples")]
    found = {
        "sentences": make_stage(plan_sentences(folders[0], corpora, SentencesConfig(), SEED)),
        "vocab": make_stage(plan_vocabulary(folders[1], folders[0], given)),
        "examples": make_stage(plan_examples(folders[2], *folders[:2], CONFIG, SEED)),
    }
    return output, found


def test_speeches_that_are_not_utf8_are_accounted_for(
    speeches: Path, manifests: tuple[Path, dict[str, Manifest]]
) -> None:
    counts = manifests[1]["sentences"].counts
    broken = [path.name for path in speeches.glob("*.txt") if not _is_utf8(path)]
    assert broken
    assert counts["rejected"] == {"invalid_utf8": len(broken)}
    assert counts["documents_read"] == counts["documents_written"] + len(broken) == 59
    files = (manifests[0] / "sentences").glob("rejected-*.arrow")
    rows = [row for file in files for row in pa.ipc.open_file(file).read_all().to_pylist()]
    assert sorted(row["document"] for row in rows) == sorted(broken)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_every_row_is_the_references(
    split: str, speeches: Path, shared_data: Path, manifests: tuple[Path, dict[str, Manifest]]
) -> None:
    output, found = manifests
    vocabulary = read_vocabulary(shared_data / "vocab" / "bert-base-uncased-vocab.txt")
    documents = dict(tokenized_speeches(speeches, shared_data))
    kept = np.array(sorted(documents), dtype=np.uint64)
    is_validation = choose_validation(kept, CONFIG.validation_fraction, SEED)
    ids = [int(i) for i in kept[is_validation == (split == "validation")]]
    passes = CONFIG.dupe_factor if split == "train" else 1
    expected = list(reference_rows([documents[i] for i in ids], ids, vocabulary, passes))
    tables = [pa.ipc.open_file(p).read_all() for p in (output / "examples").glob(f"{split}-*")]
    rows = [_row(**row) for table in tables for row in table.to_pylist()]
    assert len(rows) == found["examples"].counts[split]["examples"] > 20
    assert sorted(rows) == sorted(expected)


def tokenized_speeches(speeches: Path, shared_data: Path) -> Iterator[tuple[int, list[list[int]]]]:
    """Document id and pieces by sentence, with nothing but NLTK and tokenizers."""
    punkt = PunktSentenceTokenizer()
    punkt._params = load_parameters("english")
    tokenizer = BertWordPieceTokenizer(str(shared_data / "vocab" / "bert-base-uncased-vocab.txt"))
    for path in speeches.glob("*.txt"):
        if _is_utf8(path):
            paragraphs = re.split(r"\n\s*\n", path.read_text(encoding="utf-8"))
            sentences = [s for p in paragraphs for s in punkt.tokenize(" ".join(p.split()))]
            pieces = [tokenizer.encode(s, add_special_tokens=False).ids for s in sentences]
            text_hash = hashlib.blake2b("".join(sentences).encode(), digest_size=16).digest()
            first = np.frombuffer(text_hash, dtype="<u8")[:1]
            (document_id,) = derive_keys(stable_hash("speeches", path.name), first).tolist()
            yield document_id, [ids for ids in pieces if ids]


def reference_rows(
    documents: list[list[list[int]]], ids: list[int], vocabulary: Vocabulary, passes: int
) -> Iterator[Row]:
    special = vocabulary.special
    pieces = Pieces(
        cls=special.cls,
        sep=special.sep,
        mask=special.mask,
        random_ids=range(vocabulary.size),
        continuation=vocabulary.continuation.tolist(),
    )
    for number in range(passes):
        for index, document_id in enumerate(ids):
            source = CounterSource(derive_key(SEED, "pairs", number, document_id))
            for example in create_document_examples(
                documents, index, CONFIG.pairing_config, CONFIG.masking_config, pieces, source
            ):
                yield _row(
                    input_ids=example.input_ids,
                    segment_b_start=example.segment_b_start,
                    masked_lm_positions=example.masked_lm_positions,
                    masked_lm_ids=example.masked_lm_ids,
                    next_sentence_label=int(example.is_random_next),
                    document_id=document_id,
                )


def _row(**values: Any) -> Row:
    return tuple(values[name] for name in sorted(values))


def _is_utf8(path: Path) -> bool:
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    return True

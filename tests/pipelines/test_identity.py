"""Documents are told apart whatever their ids are, and ids that repeat are counted."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bertdata.checks.verification import verify_sentences
from bertdata.cleaning.cleaner import CleaningConfig
from bertdata.corpus.config import CorpusConfig
from bertdata.examples.config import ExamplesConfig
from bertdata.examples.make import create_examples, select_split, tokenize_documents
from bertdata.examples.statistics import count_examples, describe_examples
from bertdata.plans.inputs import Corpora
from bertdata.plans.sentences import SentencesWork, plan_sentences
from bertdata.progress.plan import StagePlan
from bertdata.sentences import files
from bertdata.sentences.splitter import SentencesConfig
from bertdata.storage.manifest import Manifest
from bertdata.tokens.compiled import SentenceTokenizer
from bertdata.tokens.tokenizer import TokenizationConfig
from bertdata.tokens.vocabulary import Vocabulary
from pipelines.options import RunnerConfig
from tests.runs import make_stage

WORDS = ("harbour", "mill", "market", "river", "castle", "bridge", "meadow", "church", "garden")
VOCABULARY = Vocabulary(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *WORDS))
NUM_TEXTS = 300

Ids = Callable[[int], Any]
IDS: dict[str, tuple[Ids, int]] = {
    # What the record of each text has as its id, and how many of these repeat an earlier one.
    "distinct": (lambda number: f"text {number}", 0),
    "one": (lambda number: "en", NUM_TEXTS - 1),
    "restarting": (lambda number: number % (NUM_TEXTS // 3), NUM_TEXTS - NUM_TEXTS // 3),
    "a number or the same in letters": (lambda number: (7, "7")[number % 2], NUM_TEXTS - 1),
    "none that counts": (lambda number: (None, "", True, 1.5, [], {})[number % 6], 0),
}


def write_records(folder: Path, ids: Ids, seed: int, copies: int = 1) -> None:
    """Three shards of texts, a few sentences each, that differ from each other."""
    folder.mkdir(parents=True)
    shards: list[list[str]] = [[], [], []]
    for number in range(NUM_TEXTS):
        chance = random.Random(seed * NUM_TEXTS + number)
        lines = [" ".join(chance.choices(WORDS, k=7)).capitalize() for _ in range(6)]
        record = {"id": ids(number), "text": ". ".join(lines) + "."}
        shards[number * 3 // NUM_TEXTS] += [json.dumps(record)] * copies
    for shard, lines in enumerate(shards):
        (folder / f"part-{shard}.jsonl").write_text("\n".join(lines) + "\n")


def make_plan(folder: Path, output: Path, **cleaning: Any) -> StagePlan:
    """A corpus for each folder below `folder`."""
    configs = tuple(
        CorpusConfig(name=path.name, format="jsonl", paths=(f"{path.name}/*",), id_field="id")
        for path in sorted(folder.iterdir())
    )
    config = CleaningConfig(**cleaning)
    corpora = Corpora(configs=configs, base=str(folder))
    return plan_sentences(output, corpora, SentencesConfig(), 1, None, config)


def run(plan: StagePlan, workers: int = 1) -> Manifest:
    manifest = make_stage(plan, RunnerConfig(workers=workers))
    assert verify_sentences(plan.folder).findings == []
    return manifest


def read_documents(plan: StagePlan, manifest: Manifest) -> pa.Table:
    assert isinstance(plan.work, SentencesWork)
    names = [shard.path for shard in manifest.shards if shard.path[:1] == "s"]
    layout = plan.work.layout
    parts = files.read_documents(plan.folder, names, layout, 0, layout.num_partitions)
    return pa.concat_tables(parts)


def check_shares(documents: pa.Table) -> None:
    """Six standard errors at the most from what was asked for, as for documents that differ."""
    held_out = select_split(documents, "validation", 0.2, 1).num_rows / documents.num_rows
    assert abs(held_out - 0.2) < 6 * (0.2 * 0.8 / NUM_TEXTS) ** 0.5
    tokenizer = SentenceTokenizer(VOCABULARY, TokenizationConfig())
    config = ExamplesConfig(max_seq_length=64, masked_lm_prob=0.15)
    tokenized = tokenize_documents(documents, tokenizer)
    counts = count_examples(create_examples(tokenized, config, VOCABULARY, 1, 4), 4)
    shares = describe_examples(counts, 64)
    assert counts["examples"] > 1000
    assert abs(shares["predicted"] - 0.15) < 0.01
    size = VOCABULARY.size
    for name, share in (("masked", 0.8 + 0.1 / size), ("kept", 0.1 + 0.1 / size)):
        error = (share * (1 - share) / counts["predicted"]) ** 0.5
        assert abs(shares[name] - share) < 6 * error
    # Above half: where one sentence is left over, there is no coin to toss.
    assert 0.5 < shares["random_next"] < 0.64


def test_shares_are_right_whatever_the_ids(tmp_path: Path) -> None:
    for seed, (kind, (ids, _)) in enumerate(IDS.items()):
        write_records(tmp_path / "corpora" / kind, ids, seed)
    write_records(tmp_path / "corpora" / "copies", lambda number: "en", len(IDS), copies=3)
    plan = make_plan(tmp_path / "corpora", tmp_path / "sentences", exact_duplicates="keep")
    manifest = run(plan)
    repeated = sum(count for _, count in IDS.values()) + NUM_TEXTS - 1
    assert manifest.counts["repeated_ids"] == repeated
    documents = read_documents(plan, manifest)
    for kind in (*IDS, "copies"):
        some = documents.filter(pc.equal(documents["source"], kind))
        assert some.num_rows == NUM_TEXTS * (3 if kind == "copies" else 1)
        assert len(set(some["document_id"].to_pylist())) == NUM_TEXTS
        check_shares(some)


def test_repeated_ids_are_counted_in_what_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for any units, workers and buckets; duplicates that went count nowhere."""
    folder = tmp_path / "corpora" / "c"
    folder.mkdir(parents=True)
    long = [f"The {word} has stood beside the harbour for three centuries." for word in WORDS]
    rows = [
        ("a", f"{long[0]} {long[1]}"),
        ("a", f"{long[1]} {long[0]}"),  # its sentences stood before
        ("a", f"{long[0]}  {long[1]}"),  # equal but for white space
        ("b", f"{long[2]} {long[3]}"),
        ("a", f"{long[4]} Short."),
        ("b", f"{long[2]} {long[5]}"),  # keeps one sentence
    ]
    lines = [json.dumps({"id": name, "text": text}) + "\n" for name, text in rows]
    (folder / "x.jsonl").write_text("".join(lines))
    (folder / "y.jsonl").write_text(lines[0])
    wanted = {"keep": 3, "drop": 2}
    for number, workers in enumerate((1, 2)):
        for sentences_choice, count in wanted.items():
            plan = make_plan(
                folder.parent,
                tmp_path / f"{number}{sentences_choice}",
                duplicate_sentences=sentences_choice,
            )
            assert run(plan, workers).counts["repeated_ids"] == count
        monkeypatch.setattr("bertdata.plans.inputs._SMALL_UNIT_BYTES", 100)
        monkeypatch.setattr("bertdata.plans.sentences._BUCKET_BYTES", 100)

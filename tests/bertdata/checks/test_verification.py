"""Stages whose files are whole, with right checksums, but hold what they must not."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bertdata.checks.verification import (
    differences,
    verify_examples,
    verify_sentences,
    verify_vocabulary,
)
from bertdata.corpus.identity import DocumentHashes
from bertdata.storage.files import remove_file
from bertdata.storage.locations import Address
from bertdata.storage.schema import SENTENCES
from bertdata.storage.shards import describe_file, open_arrow, write_arrow
from bertdata.tokens.tokenizer import TokenizationConfig, save_tokenizer
from bertdata.tokens.vocabulary import Vocabulary, read_vocabulary
from flows.paths import RunPaths
from tests.copies import copy_folder, write_bytes
from tests.runs import edit_manifest, edit_shard, make_run, some_documents

Batches = list[list[dict[str, Any]]]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    documents: dict[str, str | bytes] = {**some_documents(), "bad.txt": b"\xff", "no.txt": " "}
    return make_run(tmp_path_factory.mktemp("finished"), documents)


@pytest.fixture
def run(finished: RunPaths, tmp_path: Path) -> RunPaths:
    shutil.copytree(finished.output, tmp_path / "run")
    return RunPaths(tmp_path / "run")


def first_shard(folder: Path, group: str) -> str:
    return min(path.name for path in folder.glob(f"{group}-*.arrow"))


def first_rows(batches: Batches) -> list[dict[str, Any]]:
    return next(rows for rows in batches if rows)


def test_a_finished_run_has_no_finding(finished: RunPaths) -> None:
    sentences = verify_sentences(finished.sentences)
    vocab = verify_vocabulary(finished.vocab)
    examples = verify_examples(finished.examples, sentences.document_ids)
    assert sentences.findings + vocab.findings + examples.findings == []
    assert sentences.document_ids is not None
    assert len(sentences.document_ids) == 40


@pytest.mark.parametrize(
    "options",
    [
        {"examples": {"masking": "dynamic"}},
        {"examples": {"next_sentence": False, "validation_fraction": 0, "num_shards": 1}},
        {"examples": {"whole_word_mask": True, "max_seq_length": 128}},
    ],
    ids=["dynamic", "single segments", "whole words"],
)
def test_other_configurations_have_no_finding(tmp_path: Path, options: Any) -> None:
    paths = make_run(tmp_path, some_documents(), **options)
    assert verify_examples(paths.examples).findings == []


def change_document(batches: Batches) -> None:
    first_rows(batches)[0]["document"] = "another.txt"


def empty_document(batches: Batches) -> None:
    first_rows(batches)[0]["sentences"] = []


def add_sentence(batches: Batches) -> None:
    first_rows(batches)[0]["sentences"].append("More.")


def drop_document(batches: Batches) -> None:
    first_rows(batches).pop()


def unknown_reason(batches: Batches) -> None:
    batches[0][0]["reason"] = "dull"


def drop_detail(batches: Batches) -> None:
    batches[0][0]["detail"] = ""


@pytest.mark.parametrize(
    ("group", "change", "wanted"),
    [
        ("sentences", change_document, "is not the hash of its source, document and text"),
        ("sentences", empty_document, "sentences of 0"),
        ("sentences", add_sentence, "counts.sentences is"),
        ("sentences", add_sentence, "is not the hash of its source, document and text"),
        ("sentences", drop_document, "counts.documents_read is 42, the files have 41"),
        ("rejected", unknown_reason, "unknown reason 'dull'"),
        ("rejected", drop_detail, "has no detail"),
        ("rejected", drop_document, "counts.rejected."),
    ],
)
def test_changed_sentences(
    run: RunPaths, group: str, change: Callable[[Batches], None], wanted: str
) -> None:
    edit_shard(run.sentences, first_shard(run.sentences, group), change)
    assert wanted in "\n".join(verify_sentences(run.sentences).findings)


def test_documents_that_shared_their_random_choices(tmp_path: Path) -> None:
    """Made as if texts made no difference to ids, and one id keyed all that stands under it."""
    rows = [json.dumps({"id": "en", "text": text}) for text in some_documents(80).values()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DocumentHashes, "document_ids", lambda hashes: hashes.names)
        patch.setattr("bertdata.examples.make._count_before", np.zeros_like)
        run = make_run(
            tmp_path,
            {"a.jsonl": "\n".join(rows)},
            corpus={"format": "jsonl", "id_field": "id"},
            examples={"max_seq_length": 64, "max_predictions_per_seq": 20},
            fresh=True,
        )
    sentences = verify_sentences(run.sentences)
    assert "document_id is not the hash of its source" in sentences.findings[0]
    examples = verify_examples(run.examples, sentences.document_ids)
    assert "shared their random choices" in "".join(examples.findings)


def test_document_in_the_wrong_partition(tmp_path: Path) -> None:
    # More than two megabytes of text are cut into several partitions.
    long = "The quick brown fox jumps over the lazy dog. " * 9000
    documents = {f"{n}.txt": f"Number {n}. {long}" for n in range(6)} | some_documents()
    run = make_run(tmp_path, documents, examples={"dupe_factor": 1})
    assert verify_sentences(run.sentences).findings == []

    def swap(batches: Batches) -> None:
        batches[0], batches[1] = batches[1], batches[0]

    edit_shard(run.sentences, first_shard(run.sentences, "sentences"), swap)
    findings = "\n".join(verify_sentences(run.sentences).findings)
    assert "is in partition 0 but belongs in 1" in findings
    assert "counts.documents_per_partition[0]" in findings


COUNTED = (
    "documents_read",
    "documents_written",
    "documents_rejected",
    "repeated_ids",
    "sentences",
    "text_bytes",
)


@pytest.mark.parametrize("key", COUNTED)
def test_wrong_count_of_sentences(run: RunPaths, key: str) -> None:
    edit_manifest(run.sentences, lambda table: table["counts"].update({key: 3}))
    (finding,) = verify_sentences(run.sentences).findings
    assert f"counts.{key} is 3, the files have" in finding


def test_wrong_counts_of_a_source(run: RunPaths) -> None:
    def move(table: dict[str, Any]) -> None:
        source = table["counts"]["sources"]["texts"]
        source.update(written=source["written"] - 1, rejected=source.get("rejected", 0) + 1)

    edit_manifest(run.sentences, move)
    findings = "\n".join(verify_sentences(run.sentences).findings)
    assert "counts.sources.texts.written" in findings
    assert "counts.sources.texts.rejected" in findings


@pytest.mark.parametrize("key", ["examples", "pieces", "masked", "kept", "replaced", "random_next"])
def test_wrong_count_of_examples(run: RunPaths, key: str) -> None:
    edit_manifest(run.examples, lambda table: table["counts"]["train"].update({key: 3}))
    (finding,) = verify_examples(run.examples).findings
    assert f"counts.train.{key} is 3, the files have" in finding


def test_wrong_length_histogram(run: RunPaths) -> None:
    def change(table: dict[str, Any]) -> None:
        table["counts"]["train"]["lengths"][7] += 1

    edit_manifest(run.examples, change)
    (finding,) = verify_examples(run.examples).findings
    assert "counts.train.lengths[7]" in finding


def test_count_of_a_split_that_has_no_files(run: RunPaths) -> None:
    edit_manifest(run.examples, lambda table: table["counts"].update(test={"examples": 5}))
    assert "counts.test" in "".join(verify_examples(run.examples).findings)


@pytest.mark.parametrize("key", ["words", "distinct_words", "pieces"])
def test_wrong_count_of_words(run: RunPaths, key: str) -> None:
    edit_manifest(run.vocab, lambda table: table["counts"].update({key: 3}))
    (finding,) = verify_vocabulary(run.vocab).findings
    assert key in finding


def test_changed_examples(run: RunPaths) -> None:
    def change(batches: Batches) -> None:
        first_rows(batches)[2]["input_ids"][0] = 17

    name = first_shard(run.examples, "train")
    edit_shard(run.examples, name, change)
    finding = verify_examples(run.examples).findings[0]
    assert finding == f"{run.examples / name}: row 2 does not begin with [CLS] 2 but with 17"


def test_example_of_an_unknown_document(run: RunPaths) -> None:
    known = verify_sentences(run.sentences).document_ids
    assert known is not None
    name = first_shard(run.examples, "train")
    with open_arrow(run.examples / name) as reader:
        first = reader.get_batch(0).column("document_id")[0].as_py()
    findings = verify_examples(run.examples, known[known != first]).findings
    assert f"is of no document in sentences/: {first}" in findings[0]


def test_train_example_in_validation(run: RunPaths) -> None:
    train, validation = (first_shard(run.examples, split) for split in ("train", "validation"))
    shutil.copyfile(run.examples / train, run.examples / validation)
    edit_shard(run.examples, validation, lambda batches: None)
    findings = verify_examples(run.examples).findings
    assert "belongs to the other split" in findings[0]


def test_fewer_shards_than_configured(run: RunPaths) -> None:
    name = first_shard(run.examples, "train")
    (run.examples / name).unlink()

    def drop(table: dict[str, Any]) -> None:
        table["shards"] = [shard for shard in table["shards"] if shard["path"] != name]

    edit_manifest(run.examples, drop)
    findings = "\n".join(verify_examples(run.examples).findings)
    assert f"{name}: is not in the manifest" in findings
    assert "lists 2 train shards, 3 are configured" in findings


def test_rows_other_than_the_manifest_says(run: RunPaths) -> None:
    def change(table: dict[str, Any]) -> None:
        table["shards"][0]["rows"] += 1

    edit_manifest(run.examples, change)
    (finding,) = verify_examples(run.examples).findings
    assert "rows, the manifest says" in finding


def describe_again(folder: Path, name: str, rows: int = 0) -> None:
    record = describe_file(folder / name, rows)

    def change(table: dict[str, Any]) -> None:
        for shard in table["shards"]:
            if shard["path"] == name:
                shard.update(bytes=record.bytes, sha256=record.sha256)

    edit_manifest(folder, change)


def test_other_schema_and_no_arrow_at_all(run: RunPaths) -> None:
    first, second = sorted(path.name for path in run.examples.glob("train-*"))[:2]
    schema = SENTENCES.with_metadata({"bertdata.version": "99"})
    write_arrow(run.examples / first, schema, [])
    (run.examples / second).write_bytes(b"ARROW1 but not really")
    for name in (first, second):
        describe_again(run.examples, name, 0)
    findings = "\n".join(verify_examples(run.examples).findings)
    assert f"{run.examples / first} has format version 99" in findings
    assert f"{run.examples / second} is not a complete Arrow file" in findings


def test_nulls(run: RunPaths) -> None:
    name = "word_counts.arrow"
    with open_arrow(run.vocab / name) as reader:
        table = reader.read_all()
    nulls = pa.array([None] * table.num_rows, pa.int64())
    batch = pa.RecordBatch.from_arrays([table["word"].combine_chunks(), nulls], schema=table.schema)
    write_arrow(run.vocab / name, table.schema, [batch])
    describe_again(run.vocab, name, table.num_rows)
    assert "column count has nulls" in "".join(verify_vocabulary(run.vocab).findings)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda rows: rows.reverse(), "is out of order"),
        (lambda rows: rows.append({"word": "zzz", "count": 0}), "has a count of 0"),
        (lambda rows: rows.append({"word": rows[0]["word"], "count": 1}), "distinct words"),
    ],
    ids=["order", "zero", "twice"],
)
def test_wrong_word_counts(run: RunPaths, change: Any, wanted: str) -> None:
    edit_shard(run.vocab, "word_counts.arrow", lambda batches: change(batches[0]))
    assert wanted in "\n".join(verify_vocabulary(run.vocab).findings)


def test_words_of_one_count_are_in_order_of_their_bytes(run: RunPaths) -> None:
    """Two such words are exchanged: counts still fall, and all else is as it was."""

    def exchange(batches: Batches) -> None:
        rows = batches[0]
        pairs = enumerate(itertools.pairwise(rows))
        place = next(n for n, (one, other) in pairs if one["count"] == other["count"])
        rows[place], rows[place + 1] = rows[place + 1], rows[place]

    edit_shard(run.vocab, "word_counts.arrow", exchange)
    (finding,) = verify_vocabulary(run.vocab).findings
    assert "is out of order; its count is" in finding


def write_damaged(folder: Path, name: str, column: str, damaged: pa.Array) -> None:
    """A file of which a column is replaced; its checksum and its rows are right again."""
    with open_arrow(folder / name) as reader:
        schema, table = reader.schema, reader.read_all()
    rows = len(damaged)
    columns = [
        damaged if field.name == column else table[field.name].combine_chunks().slice(0, rows)
        for field in schema
    ]
    batch = pa.RecordBatch.from_arrays(columns, schema=schema)
    write_arrow(folder / name, schema, [batch])
    record = describe_file(folder / name, rows)

    def change(table: dict[str, Any]) -> None:
        for shard in table["shards"]:
            if shard["path"] == name:
                shard.update(rows=rows, bytes=record.bytes, sha256=record.sha256)

    edit_manifest(folder, change)


def test_text_that_is_no_utf_8_is_found(run: RunPaths) -> None:
    """Arrow does not look at text when it reads it."""
    name = first_shard(run.sentences, "sentences")
    buffers = [None, pa.py_buffer(np.array([0, 2], np.int32)), pa.py_buffer(b"\xff\xfe")]
    write_damaged(run.sentences, name, "source", pa.Array.from_buffers(pa.string(), 1, buffers))
    findings = verify_sentences(run.sentences).findings
    assert findings[0].startswith(f"{run.sentences / name} is not a complete Arrow file (")
    assert "Invalid UTF8 sequence" in findings[0]


@pytest.mark.parametrize("offsets", [[0, 5, 3], [0, 900, 3]])
def test_lists_that_cannot_be_are_found(run: RunPaths, offsets: list[int]) -> None:
    """Arrow looks at the last offset alone when it reads them."""
    name = first_shard(run.examples, "train")
    buffers = [None, pa.py_buffer(np.array(offsets, np.int32))]
    values = pa.array(range(20), pa.uint16())
    lists = pa.Array.from_buffers(pa.list_(pa.uint16()), 2, buffers, children=[values])
    write_damaged(run.examples, name, "masked_lm_positions", lists)
    findings = verify_examples(run.examples).findings
    assert findings[0].startswith(f"{run.examples / name} is not a complete Arrow file (")
    assert "offset for slot 1 out of bounds" in findings[0]


def test_a_file_that_is_listed_twice_is_found(run: RunPaths) -> None:
    edit_manifest(run.vocab, lambda table: table["shards"].append(table["shards"][0]))
    findings = "\n".join(verify_vocabulary(run.vocab).findings)
    assert "is listed twice in the manifest" in findings


def test_a_last_file_that_is_missing_is_found(run: RunPaths) -> None:
    name = max(path.name for path in run.examples.glob("train-*.arrow"))
    (run.examples / name).unlink()

    def drop(table: dict[str, Any]) -> None:
        table["shards"] = [shard for shard in table["shards"] if shard["path"] != name]

    edit_manifest(run.examples, drop)
    findings = verify_examples(run.examples).findings
    assert f"{run.examples / name}: is not in the manifest" in findings


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("extra.arrow", "is not in the manifest; delete it"),
        ("deep/extra.txt", "is not in the manifest; delete it"),
        (".extra.arrow.0.tmp", "is left from a write that was cut off; delete it"),
        (".progress/x/file-00000.json", "is left from an unfinished run; delete it"),
    ],
)
def test_files_of_nobody_are_found(run: RunPaths, name: str, why: str) -> None:
    path = run.vocab / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    found = run.vocab / (".progress" if name.startswith(".progress") else name)
    assert verify_vocabulary(run.vocab).findings == [f"{found}: {why}"]


def test_a_content_hash_of_other_files_is_found(run: RunPaths) -> None:
    path = run.vocab / "manifest.json"
    table = json.loads(path.read_bytes())
    table["content_sha256"] = "0" * 64
    path.write_text(json.dumps(table))
    (finding,) = verify_vocabulary(run.vocab).findings
    assert "does not match its shards" in finding


def test_tokenizer_of_another_vocabulary(run: RunPaths) -> None:
    vocabulary = read_vocabulary(run.vocab / "vocab.txt")
    pieces = list(vocabulary.tokens)
    pieces[-1], pieces[-2] = pieces[-2], pieces[-1]
    save_tokenizer(run.vocab, Vocabulary(tuple(pieces)), TokenizationConfig())
    (run.vocab / "vocab.txt").write_text(vocabulary.to_text(), encoding="utf-8")
    for name in ("vocab.txt", "tokenizer.json"):
        describe_again(run.vocab, name, 1)
    assert "different pieces or ids" in "".join(verify_vocabulary(run.vocab).findings)


def test_tokenizer_of_another_configuration(run: RunPaths) -> None:
    vocabulary = read_vocabulary(run.vocab / "vocab.txt")
    save_tokenizer(run.vocab, vocabulary, TokenizationConfig(lowercase=False))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        describe_again(run.vocab, name, 1)
    assert "tokenizer.json: encodes " in "".join(verify_vocabulary(run.vocab).findings)
    (run.vocab / "tokenizer.json").write_text("{}")
    describe_again(run.vocab, "tokenizer.json", 1)
    assert "is not a tokenizer" in "".join(verify_vocabulary(run.vocab).findings)


def test_vocabulary_that_is_none(run: RunPaths) -> None:
    (run.vocab / "vocab.txt").write_text("[PAD]\n[UNK]\n")
    describe_again(run.vocab, "vocab.txt", 2)
    assert "lacks the special piece [CLS]" in "".join(verify_vocabulary(run.vocab).findings)


@pytest.mark.parametrize("name", ["vocab.txt", "tokenizer.json", "word_counts.arrow"])
def test_vocabulary_file_that_nobody_lists(run: RunPaths, name: str) -> None:
    (run.vocab / name).unlink()

    def drop(table: dict[str, Any]) -> None:
        table["shards"] = [shard for shard in table["shards"] if shard["path"] != name]

    edit_manifest(run.vocab, drop)
    assert f"{name}: is not in the manifest" in "".join(verify_vocabulary(run.vocab).findings)


def test_vocabulary_given_as_a_file(finished: RunPaths, tmp_path: Path) -> None:
    file = str(finished.vocab / "vocab.txt")
    run = make_run(tmp_path, some_documents(), vocab={"file": file})
    assert verify_vocabulary(run.vocab).findings == []

    def change(table: dict[str, Any]) -> None:
        table["inputs"]["vocabulary"]["sha256"] = "0" * 64

    edit_manifest(run.vocab, change)
    assert "is not the file it was made from" in verify_vocabulary(run.vocab).findings[0]


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table["config"].clear(),
        lambda table: table.update(counts={}),
        lambda table: table["config"].update(examples=5, vocab=5, seed="x"),
    ],
)
def test_manifest_without_sense(run: RunPaths, change: Any) -> None:
    for folder, check in (
        (run.sentences, verify_sentences),
        (run.vocab, verify_vocabulary),
        (run.examples, verify_examples),
    ):
        edit_manifest(folder, change)
        findings: list[str] = check(folder).findings
        assert findings
        assert all("manifest.json" in finding for finding in findings)


def test_stage_of_another_kind(run: RunPaths) -> None:
    (finding,) = verify_examples(run.sentences).findings
    assert "format is 'bertdata-sentences', not 'bertdata-examples'" in finding


def test_differences() -> None:
    said = {"a": 1, "b": {"c": [1, 2]}, "d": 4}
    found = {"a": 1, "b": {"c": [1, 3]}, "e": list(range(99))}
    lines = list(differences(said, found, "counts"))
    assert lines[:2] == [
        "counts.b.c[1] is 2, the files have 3",
        "counts.d is 4, the files have null",
    ]
    assert len(lines[2]) < 100
    assert list(differences(said, json.loads(json.dumps(said)), "counts")) == []


def test_stages_at_an_address(run: RunPaths, s3: Address) -> None:
    """Rows are checked there as on a disk."""
    edit_shard(run.sentences, first_shard(run.sentences, "sentences"), spoil_a_name)
    copy_folder(run.output, s3)
    local, remote = verify_sentences(run.sentences), verify_sentences(s3 / "sentences")
    assert remote.findings
    found = [line.replace(str(s3), str(run.output)) for line in remote.findings]
    assert found == local.findings
    assert np.array_equal(remote.document_ids, local.document_ids)
    assert verify_vocabulary(s3 / "vocab").findings == []
    assert verify_examples(s3 / "examples").findings == []


def spoil_a_name(batches: Batches) -> None:
    first_rows(batches)[0]["document"] = ""


def test_a_tokenizer_at_an_address_is_compared(run: RunPaths, s3: Address) -> None:
    path = run.vocab / "tokenizer.json"
    save_tokenizer(run.vocab, read_vocabulary(run.vocab), TokenizationConfig(lowercase=False))
    record = describe_file(path, rows=1)

    def describe(table: dict[str, Any]) -> None:
        for shard in table["shards"]:
            if shard["path"] == path.name:
                shard.update(bytes=record.bytes, sha256=record.sha256)

    edit_manifest(run.vocab, describe)
    copy_folder(run.vocab, s3)
    assert any(f"{s3}/tokenizer.json: encodes " in line for line in verify_vocabulary(s3).findings)


def test_an_unfinished_stage_at_an_address(finished: RunPaths, s3: Address) -> None:
    copy_folder(finished.examples, s3)
    write_bytes(s3 / ".progress" / "unit-00000.json", b"{}")
    write_bytes(s3 / ".a.arrow.0f.tmp", b"half")
    assert verify_examples(s3).findings == [
        f"{s3}/.progress: is left from an unfinished run; delete it",
        f"{s3}/.a.arrow.0f.tmp: is left from a write that was cut off; delete it",
    ]
    remove_file(s3 / "manifest.json")
    (finding,) = verify_examples(s3).findings
    assert finding.startswith(f"{s3}: is not complete (1 parts done); the same command")

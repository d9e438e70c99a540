"""The reader: order, seeking, ranks, batches, dynamic masks, and what it refuses."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bertdata.errors import ConfigError, DataError
from bertdata.reader.batches import to_padded
from bertdata.reader.collation import ExampleCollator
from bertdata.reader.example_reader import ExampleReader
from bertdata.storage.files import read_bytes, remove_file
from bertdata.storage.locations import Address
from bertdata.storage.manifest import read_manifest, write_manifest
from bertdata.storage.writing import write_json
from bertdata.tokens.vocabulary import read_vocabulary
from tests.copies import copy_folder, write_bytes
from tests.example_folder import (
    Folders,
    finish,
    make_rows,
    make_vocabulary,
    to_rows,
    without_document,
    write_folders,
    write_shard,
)
from tests.runs import make_run, some_documents

DYNAMIC = {
    "masking": "dynamic",
    "masked_lm_prob": 0.15,
    "max_predictions_per_seq": 20,
    "whole_word_mask": False,
}


@pytest.fixture(params=[None, "lz4", "zstd"])
def folders(request: pytest.FixtureRequest, tmp_path: Path) -> Folders:
    return write_folders(tmp_path, compression=request.param)


@pytest.fixture
def reader(folders: Folders) -> ExampleReader:
    return ExampleReader(folders.examples, folders.vocabulary)


def test_one_pass_returns_every_row_as_stored(reader: ExampleReader, folders: Folders) -> None:
    rows = [row for batch in reader.one_pass(4) for row in to_rows(batch)]
    assert rows == [without_document(row) for row in folders.train]


def test_rows_in_any_order_and_repeated(reader: ExampleReader, folders: Folders) -> None:
    numbers = [36, 0, 12, 12, 25, 5]
    batch = reader.read(np.array(numbers))
    assert to_rows(batch) == [without_document(folders.train[n]) for n in numbers]
    assert reader.lengths_of(np.array(numbers)).tolist() == batch.lengths.tolist()


@pytest.mark.parametrize("is_counted", [True, False])
def test_the_longest_row_is_as_the_manifest_says_or_as_read(
    folders: Folders, is_counted: bool
) -> None:
    if is_counted:
        manifest = read_manifest(folders.examples)
        counts = {"train": {"lengths": [0] * 20 + [1, 0, 0]}}
        write_manifest(folders.examples, replace(manifest, counts=counts))
    longest = ExampleReader(folders.examples, folders.vocabulary).longest_row()
    assert longest == (20 if is_counted else max(len(row["input_ids"]) for row in folders.train))


def test_no_rows_make_an_empty_batch(reader: ExampleReader) -> None:
    batch = reader.read(np.array([], dtype=np.int64))
    assert len(batch.lengths) == 0
    assert to_padded(batch, pad_id=0)["input_ids"].shape == (0, 0)


def test_parts_of_a_batch_are_batches_of_their_own(reader: ExampleReader) -> None:
    whole = reader.read(np.arange(10))
    parts = list(whole.split(4))
    assert [len(part.lengths) for part in parts] == [4, 4, 2]
    assert [row for part in parts for row in to_rows(part)] == to_rows(whole)
    for part in parts:
        assert (part.offsets[0], part.offsets[-1]) == (0, len(part.input_ids))
        assert (part.masked_offsets[0], part.masked_offsets[-1]) == (0, len(part.masked_ids))
        assert len(part.masked_positions) == len(part.masked_ids)


def test_rows_outside_the_split_are_an_error(reader: ExampleReader) -> None:
    with pytest.raises(IndexError, match="from 0 to 36"):
        reader.read(np.array([37]))


@pytest.mark.parametrize("position", [0, 5, 36, 37, 100, 3700])
def test_seeking_equals_reading_on(reader: ExampleReader, position: int) -> None:
    rows, epochs = reader.rows_at(9, 0, position + 8)
    sought, sought_epochs = reader.rows_at(9, position, 8)
    assert np.array_equal(rows[position:], sought)
    assert np.array_equal(epochs[position:], sought_epochs)


@pytest.mark.parametrize("num_ranks", [1, 2, 3, 5, 8])
def test_ranks_share_every_epoch_exactly(reader: ExampleReader, num_ranks: int) -> None:
    passes = 3
    count = -(-passes * reader.num_rows // num_ranks)
    seen: Counter[tuple[int, int]] = Counter()
    for rank in range(num_ranks):
        rows, epochs = reader.rows_at(1, 0, count, rank=rank, num_ranks=num_ranks)
        seen.update(zip(epochs.tolist(), rows.tolist()))
    for epoch in range(passes):
        assert all(seen[epoch, row] == 1 for row in range(reader.num_rows))


def test_a_rank_must_be_below_the_number_of_ranks(reader: ExampleReader) -> None:
    with pytest.raises(ConfigError, match="rank must be from 0 to 1, got 2"):
        reader.rows_at(0, 0, 1, rank=2, num_ranks=2)


def test_padded_batch_has_hugging_face_names(reader: ExampleReader, folders: Folders) -> None:
    numbers = [3, 30, 7]
    padded = to_padded(reader.read(np.array(numbers)), pad_id=0, length=32)
    assert {name: values.dtype for name, values in padded.items()} == dict.fromkeys(
        ("input_ids", "token_type_ids", "attention_mask", "labels", "next_sentence_label"),
        np.dtype(np.int64),
    )
    for i, number in enumerate(numbers):
        row = folders.train[number]
        size = len(row["input_ids"])
        labels = dict(zip(row["masked_lm_positions"], row["masked_lm_ids"]))
        assert padded["input_ids"][i].tolist() == row["input_ids"] + [0] * (32 - size)
        assert padded["attention_mask"][i].tolist() == [1] * size + [0] * (32 - size)
        assert padded["labels"][i].tolist() == [labels.get(k, -100) for k in range(32)]
        b_size = size - row["segment_b_start"]
        expected = [0] * (size - b_size) + [1] * b_size + [0] * (32 - size)
        assert padded["token_type_ids"][i].tolist() == expected
        assert padded["next_sentence_label"][i] == row["next_sentence_label"]


def test_padding_length_must_hold_the_longest_row(reader: ExampleReader) -> None:
    batch = reader.read(np.arange(5))
    assert to_padded(batch, pad_id=0)["labels"].shape[1] == batch.lengths.max()
    with pytest.raises(ConfigError, match="more than length 7"):
        to_padded(batch, pad_id=0, length=7)


@pytest.mark.parametrize("size", [1, 2, 254, 255, 256, 257, 65_535, 65_536])
@pytest.mark.parametrize("spare", [0, 1, 3])
def test_rows_of_any_length_are_padded(size: int, spare: int) -> None:
    lengths, starts = [size, size // 2], [size, size // 4]
    rows = [
        {
            "input_ids": list(range(5, 5 + length)),
            "segment_b_start": start,
            "masked_lm_positions": [length - 1] if length else [0],
            "masked_lm_ids": [9],
            "next_sentence_label": 0,
        }
        for length, start in zip(lengths, starts)
    ]
    padded = ExampleCollator(pad_id=3, length=size + spare)(rows)
    places = np.arange(size + spare)
    for i, (length, start) in enumerate(zip(lengths, starts)):
        real = places < length
        assert np.array_equal(padded["attention_mask"][i], real)
        assert np.array_equal(padded["input_ids"][i], np.where(real, places + 5, 3))
        assert np.array_equal(padded["token_type_ids"][i], real & (places >= start))


def test_collator_equals_the_reader(reader: ExampleReader, folders: Folders) -> None:
    collated = ExampleCollator(pad_id=0, length=24)(folders.train[:6])
    padded = to_padded(reader.read(np.arange(6)), pad_id=0, length=24)
    assert collated.keys() == padded.keys()
    for name, values in padded.items():
        assert np.array_equal(collated[name], values)


def test_collator_refuses_rows_without_masks() -> None:
    rows = make_rows(2, make_vocabulary(50), masked=False)
    with pytest.raises(DataError, match="has no masks"):
        ExampleCollator(pad_id=0)(rows)


def test_collator_refuses_a_batch_of_which_one_row_has_no_masks(folders: Folders) -> None:
    rows = [
        *folders.train[:2],
        {**folders.train[2], "masked_lm_positions": [], "masked_lm_ids": []},
    ]
    with pytest.raises(DataError, match="a row has no masks"):
        ExampleCollator(pad_id=0)(rows)


def test_dynamic_masks_follow_seed_epoch_and_row(tmp_path: Path) -> None:
    folders = write_folders(tmp_path, config=DYNAMIC)
    reader = ExampleReader(folders.examples, folders.vocabulary)
    rows = np.arange(20)

    def masked(rows: np.ndarray, seed: int, epoch: int) -> list[dict[str, object]]:
        return to_rows(reader.read(rows, seed=seed, epochs=np.full(len(rows), epoch)))

    first = masked(rows, 1, 0)
    assert first == masked(rows, 1, 0)
    assert masked(rows[::-1], 1, 0) == first[::-1]
    assert masked(rows, 1, 1) != first
    assert masked(rows, 2, 0) != first
    for row, original in zip(first, folders.train):
        restored = list(row["input_ids"])
        for position, piece in zip(row["masked_lm_positions"], row["masked_lm_ids"]):
            restored[position] = piece
        assert restored == original["input_ids"]
        assert len(row["masked_lm_positions"]) == max(1, round(len(restored) * 0.15))


@pytest.mark.parametrize(
    ("seed", "epoch", "positions"),
    [
        (1, 0, [10, 13, 3, 13, 14, 2, 7, 1, 4, 1, 10, 11, 5, 6, 11]),
        (1, 1, [12, 14, 3, 5, 7, 5, 8, 1, 8, 1, 11, 16, 2, 3, 4]),
        (2, 0, [5, 6, 8, 15, 17, 2, 7, 1, 8, 3, 10, 11, 1, 2, 14]),
    ],
)
def test_dynamic_masks_never_change(
    tmp_path: Path, seed: int, epoch: int, positions: list[int]
) -> None:
    folders = write_folders(tmp_path, config=DYNAMIC)
    reader = ExampleReader(folders.examples, folders.vocabulary)
    batch = reader.read(np.arange(6), seed=seed, epochs=np.full(6, epoch))
    assert batch.masked_positions.tolist() == positions
    # Alone, or beside rows of another epoch, a row is masked the same.
    mixed = reader.read(np.array([9, 5]), seed=seed, epochs=np.array([epoch + 7, epoch]))
    count = np.diff(batch.masked_offsets)[-1]
    assert mixed.masked_positions[-count:].tolist() == positions[-count:]


def test_validation_masks_do_not_change_with_the_epoch(tmp_path: Path) -> None:
    folders = write_folders(tmp_path, config=DYNAMIC)
    reader = ExampleReader(folders.examples, folders.vocabulary, split="validation")
    rows = np.arange(9)
    first = reader.read(rows, seed=1, epochs=np.zeros(9, dtype=np.int64))
    later = reader.read(rows, seed=1, epochs=np.full(9, 5))
    assert to_rows(first) == to_rows(later)


def test_an_empty_split_has_no_order(tmp_path: Path) -> None:
    folders = write_folders(tmp_path, num_validation=0)
    reader = ExampleReader(folders.examples, folders.vocabulary, split="validation")
    assert list(reader.one_pass(4)) == []
    with pytest.raises(DataError, match="no validation examples"):
        reader.rows_at(0, 0, 1)


def test_another_vocabulary_is_refused(folders: Folders) -> None:
    with pytest.raises(DataError, match=r"pass the vocab\.txt it was made with"):
        ExampleReader(folders.examples, make_vocabulary(51))


def test_a_flipped_byte_is_refused(folders: Folders) -> None:
    path = folders.examples / "train-00001-of-00003.arrow"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"train-00001.*sha256"):
        ExampleReader(folders.examples, folders.vocabulary)


def test_a_cut_shard_is_refused_without_checksums_too(folders: Folders) -> None:
    path = folders.examples / "train-00001-of-00003.arrow"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"train-00001.* bytes, the manifest says"):
        ExampleReader(folders.examples, folders.vocabulary, verify_checksums=False)


def test_a_missing_shard_is_refused(folders: Folders) -> None:
    (folders.examples / "train-00002-of-00003.arrow").unlink()
    with pytest.raises(DataError, match=r"train-00002.* is missing"):
        ExampleReader(folders.examples, folders.vocabulary)


@pytest.mark.parametrize("verify_checksums", [True, False])
def test_a_shard_that_is_a_link_out_of_its_folder_is_refused(
    folders: Folders, tmp_path: Path, verify_checksums: bool
) -> None:
    path = folders.examples / "train-00001-of-00003.arrow"
    path.rename(tmp_path / "elsewhere.arrow")
    path.symlink_to(tmp_path / "elsewhere.arrow")
    with pytest.raises(DataError, match=r"train-00001.*leaves its folder"):
        ExampleReader(folders.examples, folders.vocabulary, verify_checksums=verify_checksums)


def test_a_folder_without_a_manifest_is_refused(folders: Folders) -> None:
    (folders.examples / "manifest.json").unlink()
    with pytest.raises(DataError, match="not complete"):
        ExampleReader(folders.examples, folders.vocabulary)


def test_another_stage_is_refused(folders: Folders) -> None:
    manifest = replace(read_manifest(folders.examples), format="bertdata-sentences", version=2)
    write_manifest(folders.examples, manifest)
    with pytest.raises(DataError, match="holds bertdata-sentences"):
        ExampleReader(folders.examples, folders.vocabulary)


def test_ids_outside_the_vocabulary_are_refused(folders: Folders) -> None:
    rows = make_rows(3, folders.vocabulary)
    rows[1]["input_ids"][1] = 50
    finish(folders, [write_shard(folders, "train-0.arrow", rows)], {})
    with pytest.raises(DataError, match="piece id 50, the vocabulary has 50 pieces"):
        ExampleReader(folders.examples, folders.vocabulary)


@pytest.mark.parametrize("name", ["inputs", "config"])
def test_a_manifest_that_lacks_what_is_needed_is_damaged(folders: Folders, name: str) -> None:
    table = json.loads((folders.examples / "manifest.json").read_bytes())
    write_json(folders.examples / "manifest.json", {**table, name: {}})
    with pytest.raises(DataError, match=r"manifest\.json is damaged \(KeyError"):
        ExampleReader(folders.examples, folders.vocabulary)


@pytest.mark.parametrize("masking", ["static", "dynamic"])
@pytest.mark.parametrize("next_sentence", [True, False])
def test_reads_what_a_run_makes(masking: str, next_sentence: bool, tmp_path: Path) -> None:
    settings = {"masking": masking, "next_sentence": next_sentence}
    paths = make_run(tmp_path, some_documents(), examples=settings)
    reader = ExampleReader(paths.examples, read_vocabulary(paths.vocab / "vocab.txt"))
    assert reader.next_sentence == next_sentence
    first, second = (reader.read(np.arange(5), epochs=np.full(5, epoch)) for epoch in (0, 1))
    assert len(first.masked_ids) > 5
    is_same = np.array_equal(first.masked_positions, second.masked_positions)
    assert is_same == (masking == "static")


@pytest.mark.parametrize("length", [None, 300])
def test_batches_read_ahead_are_those_read_one_by_one(
    reader: ExampleReader, length: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bertdata.reader.example_reader._STATIC_AHEAD", 20)
    ahead = reader.padded_batches(3, 5, 4, length=length, rank=1, num_ranks=2)
    for number, padded in zip(range(15), ahead):
        alone = reader.batch_at(3, 5 + 4 * number, 4, rank=1, num_ranks=2)
        wanted = to_padded(alone, pad_id=0, length=length)
        assert all((padded[name] == wanted[name]).all() for name in wanted)


@pytest.mark.parametrize("settings", [None, DYNAMIC])
def test_shards_at_an_address_have_the_same_rows_in_the_same_order(
    tmp_path: Path, s3: Address, settings: dict[str, Any] | None
) -> None:
    folders = write_folders(tmp_path, config=settings, compression="zstd")
    copy_folder(folders.examples, s3 / "examples")
    for split in ("train", "validation"):
        local = ExampleReader(folders.examples, folders.vocabulary, split=split)
        remote = ExampleReader(str(s3 / "examples"), folders.vocabulary, split=split)
        assert remote.num_rows == local.num_rows
        assert remote.longest_row() == local.longest_row()
        batches = zip(local.batches(5, 3, 4), remote.batches(5, 3, 4), range(40))
        assert all(to_rows(ours) == to_rows(theirs) for ours, theirs, _ in batches)
        rows = np.arange(local.num_rows)[::-1]
        assert remote.document_ids_of(rows) == local.document_ids_of(rows)
        assert remote.predictions_of(rows).tolist() == local.predictions_of(rows).tolist()


def test_a_damaged_shard_at_an_address_is_refused(tmp_path: Path, s3: Address) -> None:
    folders = write_folders(tmp_path)
    copy_folder(folders.examples, s3)
    name = "train-00001-of-00003.arrow"
    content = bytearray(read_bytes(s3 / name))
    content[len(content) // 2] ^= 1
    write_bytes(s3 / name, bytes(content))
    with pytest.raises(DataError, match=rf"{s3}/{name}: sha256"):
        ExampleReader(s3, folders.vocabulary)
    write_bytes(s3 / name, bytes(content[:-9]))
    with pytest.raises(DataError, match=rf"{s3}/{name} has {len(content) - 9} bytes"):
        ExampleReader(s3, folders.vocabulary, verify_checksums=False)
    remove_file(s3 / name)
    with pytest.raises(DataError, match=f"{s3}/{name} is missing"):
        ExampleReader(s3, folders.vocabulary, verify_checksums=False)

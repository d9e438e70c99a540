"""The reference equals the original: id for id on real text, through the command and its flags."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertdata.randomness import CounterSource
from bertdata.reference.algorithm import (
    OriginalSource,
    create_document_examples,
    create_examples,
    create_pairs,
    create_segments,
    truncate_pair,
)
from bertdata.reference.command import main
from bertdata.reference.config import MaskingConfig, PairingConfig
from tests.strategies import PIECES, documents, keys, masking_configs, pairing_configs

FIXTURES = Path(__file__).parents[2] / "fixtures" / "original"
REAL_CASES = ["sample-defaults", "sample-whole-word", "inaugural-128", "inaugural-512-cased"]


@pytest.mark.parametrize("case", ["defaults", "whole-words", "cased-short"])
def test_equals_the_original(case: str, tmp_path: Path) -> None:
    lines = (FIXTURES / f"{case}.jsonl").read_text().splitlines()
    assert len(lines) > 20
    assert _run(FIXTURES, FIXTURES, case, tmp_path) == [json.loads(line) for line in lines]


@pytest.mark.parametrize("case", REAL_CASES)
def test_equals_the_original_on_real_text(case: str, shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "google-reference"
    rows = pq.read_table(folder / f"{case}.parquet").to_pylist()
    assert _run(folder, shared_data / "vocab", case, tmp_path) == [_unpadded(row) for row in rows]


def _run(folder: Path, vocabularies: Path, case: str, tmp_path: Path) -> list[dict[str, Any]]:
    """The rows that our command makes with the flags of a case, with the original's columns."""
    flags = json.loads((folder / f"{case}.json").read_text())
    flags["input_file"] = folder / flags["input_file"]
    flags["vocab_file"] = vocabularies / flags["vocab_file"]
    output = tmp_path / "out.arrow"
    arguments = [f"--{name}={value}" for name, value in flags.items()]
    assert main([*arguments, f"--output_file={output}"]) == 0
    return [_as_original(row) for row in pa.ipc.open_file(output).read_all().to_pylist()]


def _as_original(row: dict[str, Any]) -> dict[str, Any]:
    start = row.pop("segment_b_start")
    row.pop("document_id")
    length = len(row["input_ids"])
    return {**row, "token_type_ids": [0] * start + [1] * (length - start)}


def _unpadded(row: dict[str, Any]) -> dict[str, Any]:
    """[PAD] is 0 in all the vocabularies, and no example holds it otherwise."""
    length = max(i for i, piece in enumerate(row["input_ids"]) if piece) + 1
    lists = {name: list(row[name]) for name in ("masked_lm_positions", "masked_lm_ids")}
    cut = {name: list(row[name])[:length] for name in ("input_ids", "token_type_ids")}
    return {**lists, **cut, "next_sentence_label": row["next_sentence_label"]}


def test_several_outputs_take_turns(tmp_path: Path) -> None:
    text, vocabulary = _tiny_input(tmp_path)
    outputs = [tmp_path / "a.arrow", tmp_path / "b.arrow"]
    common = [f"--input_file={text}", f"--vocab_file={vocabulary}", "--max_seq_length=8"]
    assert main([*common, f"--output_file={outputs[0]}"]) == 0
    whole = pa.ipc.open_file(outputs[0]).read_all().to_pylist()
    assert main([*common, f"--output_file={outputs[0]},{outputs[1]}"]) == 0
    parts = [pa.ipc.open_file(output).read_all().to_pylist() for output in outputs]
    assert parts == [whole[::2], whole[1::2]]


@pytest.mark.parametrize("form", ["--do_lower_case=false", "--nodo_lower_case"])
def test_switches_have_the_original_forms(form: str, tmp_path: Path) -> None:
    text, vocabulary = _tiny_input(tmp_path, "A B.\nA B.\n\nB A.\nB.\n")
    output = tmp_path / "out.arrow"
    arguments = [f"--input_file={text}", f"--vocab_file={vocabulary}", f"--output_file={output}"]
    assert main([*arguments, form]) == 0
    ids = {
        i for row in pa.ipc.open_file(output).read_all().to_pylist() for i in row["masked_lm_ids"]
    }
    assert ids <= {1, 7}  # capitals are unknown: only [UNK] and the full stop


@pytest.mark.parametrize(
    ("change", "message", "status"),
    [
        ({"input_file": "nothing-*.txt"}, "no file matches", 1),
        ({"vocab_file": "nothing.txt"}, "cannot read vocabulary", 1),
        ({"max_seq_length": "3"}, "max_seq_length must be from 5 to 512", 2),
    ],
)
def test_wrong_usage_is_one_line(
    change: dict[str, str],
    message: str,
    status: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text, vocabulary = _tiny_input(tmp_path)
    flags = {"input_file": text, "vocab_file": vocabulary, "output_file": tmp_path / "o.arrow"}
    assert main([f"--{name}={value}" for name, value in {**flags, **change}.items()]) == status
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_invalid_text_and_blank_input_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, vocabulary = _tiny_input(tmp_path)
    arguments = [f"--input_file={text}", f"--vocab_file={vocabulary}", "--output_file=out.arrow"]
    text.write_bytes(b"a b\xff\n")
    assert main(arguments) == 1
    assert "not UTF-8 at byte 3" in capsys.readouterr().err
    text.write_bytes(b"\n \n")
    assert main(arguments) == 1
    assert "no document" in capsys.readouterr().err


def test_a_vocabulary_without_a_special_piece_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, vocabulary = _tiny_input(tmp_path)
    vocabulary.write_text("[UNK]\n[CLS]\n[SEP]\na\n")
    assert main([f"--input_file={text}", f"--vocab_file={vocabulary}", "--output_file=o"]) == 1
    assert "lacks [MASK]" in capsys.readouterr().err


def _tiny_input(folder: Path, content: str = "a b.\na.\n\nb a.\n") -> tuple[Path, Path]:
    text, vocabulary = folder / "text.txt", folder / "vocab.txt"
    text.write_text(content)
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "."]))
    return text, vocabulary


@given(documents, pairing_configs, keys)
def test_pairs_fit_and_come_from_the_documents(
    documents: list[list[list[int]]], config: PairingConfig, key: int
) -> None:
    make = create_pairs if config.next_sentence else create_segments
    texts = ["," + ",".join(str(p) for s in document for p in s) + "," for document in documents]
    for pair in make(documents, 0, config, CounterSource(key)):
        assert pair.a
        assert len(pair.a) + len(pair.b) <= config.max_num_pieces
        assert bool(pair.b) == config.next_sentence
        assert _written(pair.a) in texts[0]
        assert any(_written(pair.b) in text for text in texts[1 if pair.is_random_next else 0 :])


def _written(pieces: list[int]) -> str:
    return "," + "".join(f"{piece}," for piece in pieces)


@given(documents, keys)
def test_segments_hold_every_piece_once(documents: list[list[list[int]]], key: int) -> None:
    config = PairingConfig(max_seq_length=8, short_seq_prob=0.5, next_sentence=False)
    segments = create_segments(documents, 0, config, CounterSource(key))
    assert [p for pair in segments for p in pair.a] == [p for s in documents[0] for p in s]


def test_a_single_document_makes_no_random_pair() -> None:
    document = [[[5, 6, 7], [8], [9, 10]]]
    config = PairingConfig(max_seq_length=6, short_seq_prob=0)
    pairs = [p for key in range(50) for p in create_pairs(document, 0, config, CounterSource(key))]
    assert pairs
    assert not any(pair.is_random_next for pair in pairs)


def test_the_original_labels_them_random() -> None:
    document = [[[5, 6, 7], [8], [9, 10]]]
    config = PairingConfig(max_seq_length=6, short_seq_prob=0, original_random_next=True)
    pairs = [
        p for seed in range(20) for p in create_pairs(document, 0, config, OriginalSource(seed))
    ]
    assert any(pair.is_random_next for pair in pairs)


def test_truncation_takes_from_the_longer_and_from_b_in_a_tie() -> None:
    a, b = [1, 2, 3], [4, 5, 6]
    truncate_pair(a, b, 5, CounterSource(1))
    assert a == [1, 2, 3]
    assert len(b) == 2


@given(documents, pairing_configs, masking_configs, keys)
def test_unmasking_restores_the_example(
    documents: list[list[list[int]]], pairing: PairingConfig, masking: MaskingConfig, key: int
) -> None:
    def make(config: MaskingConfig | None) -> list[Any]:
        source = CounterSource(key)
        return list(create_document_examples(documents, 0, pairing, config, PIECES, source))

    for masked, whole in zip(make(masking), make(None), strict=True):
        assert masked.masked_lm_positions == sorted(set(masked.masked_lm_positions))
        assert len(masked.masked_lm_positions) <= masking.max_predictions_per_seq
        restored = list(masked.input_ids)
        for position, piece in zip(masked.masked_lm_positions, masked.masked_lm_ids, strict=True):
            assert whole.input_ids[position] not in (PIECES.cls, PIECES.sep)
            restored[position] = piece
        assert restored == whole.input_ids


@given(st.integers(0, 2**32))
def test_create_examples_makes_every_pass(seed: int) -> None:
    documents: list[Any] = [[[5, 6], [7]], [[8], [9, 10]]]
    pairing = PairingConfig(max_seq_length=64, short_seq_prob=0, original_random_next=True)
    examples = create_examples(documents, 3, pairing, MaskingConfig(), PIECES, OriginalSource(seed))
    # Each document is one chunk of two sentences; a random B puts the second one back.
    assert 6 <= len(examples) <= 12

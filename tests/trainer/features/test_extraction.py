"""Features equal transformers' hidden states, in the order of the texts; a classifier uses them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bertdata.randomness import stable_hash
from bertdata.storage.files import read_bytes
from bertdata.storage.locations import Address
from tests.copies import copy_folder
from tests.runs import make_run, some_documents
from tests.trainer.task_files import make_texts, write_jsonl, write_model
from trainer.features.__main__ import main
from trainer.features.config import FeaturesConfig
from trainer.features.extraction import batches_by_length, extract_features

transformers = pytest.importorskip("transformers")

TEXTS = [text for text, _ in make_texts(7)] + ["", "good " * 40]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    values = [{"id": f"doc {i}" if i % 2 else i, "text": text} for i, text in enumerate(TEXTS)]
    return write_jsonl(tmp_path / "texts.jsonl", values)


def run(model: Path, source: Path, *arguments: str) -> pa.Table:
    output = source.parent / "features.arrow"
    options = [f"--input={source}", f"--output={output}", "--overwrite", "--threads=1"]
    assert main([str(model), *options, *arguments]) == 0
    return read(output)


def read(path: Path) -> pa.Table:
    with pa.OSFile(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


def to_numpy(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Vectors as the README says: B D."""
    array = column.combine_chunks()
    vectors: npt.NDArray[Any] = array.flatten().to_numpy().reshape(len(array), -1)
    return vectors


def their_states(model: Path, text: str) -> list[npt.NDArray[np.float32]]:
    """L D after the embeddings and each layer, for a text alone."""
    theirs = transformers.BertModel.from_pretrained(model).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    inputs = tokenizer(text, truncation=True, max_length=24, return_tensors="pt")
    with torch.no_grad():
        states = theirs(**inputs, output_hidden_states=True).hidden_states
    return [state[0].numpy() for state in states]


@pytest.mark.parametrize("pooling", ["cls", "mean", "tokens"])
def test_vectors_equal_those_of_transformers(pooling: str, model: Path, rows: Path) -> None:
    table = run(model, rows, f"--pooling={pooling}", "--layers=-1,0,1", "--batch-pieces=64")
    assert table.column_names[-3:] == ["layer_2", "layer_0", "layer_1"]
    for i, text in enumerate(TEXTS):
        for layer, states_LD in enumerate(their_states(model, text)):
            found = np.array(table[f"layer_{layer}"][i].as_py())
            wanted = {"cls": states_LD[0], "mean": states_LD.mean(0), "tokens": states_LD}
            np.testing.assert_allclose(found, wanted[pooling], rtol=1e-4, atol=1e-5)


def test_rows_name_their_texts(model: Path, rows: Path) -> None:
    table = run(model, rows, "--pooling=tokens", "--dtype=float16")
    names = [str(i) if i % 2 == 0 else f"doc {i}" for i in range(len(TEXTS))]
    assert table["document"].to_pylist() == names
    assert table["document_id"][3].as_py() == stable_hash("texts.jsonl", "doc 3", TEXTS[3])
    assert table["num_cut"].to_pylist() == [0] * 8 + [18]
    assert table["num_pieces"][-1].as_py() == len(table["input_ids"][-1]) == 24
    assert table.schema.field("layer_2").type == pa.list_(pa.list_(pa.float16(), 16))
    assert table.schema.metadata == {b"pooling": b"tokens", b"max_seq_length": b"24"}


def test_nothing_is_dropped_out(rows: Path, tmp_path: Path) -> None:
    plain = to_numpy(run(write_model(tmp_path / "plain"), rows)["layer_2"])
    with_dropout = to_numpy(run(write_model(tmp_path / "other", dropout=0.5), rows)["layer_2"])
    assert np.array_equal(plain, with_dropout)


def test_texts_that_are_cut_are_counted_once(model: Path, rows: Path) -> None:
    config = FeaturesConfig(threads=1)
    output = rows.with_name("counted.arrow")
    counts = extract_features(model=model, inputs=[rows], output=output, config=config)
    assert (counts.texts, counts.cut) == (len(TEXTS), 1)
    assert counts.pieces == sum(read(output)["num_pieces"].to_pylist())


def test_float16_is_float32_rounded(model: Path, rows: Path) -> None:
    single = to_numpy(run(model, rows)["layer_2"])
    half = to_numpy(run(model, rows, "--dtype=float16")["layer_2"])
    assert (single.dtype, half.dtype) == (np.float32, np.float16)
    assert np.array_equal(single.astype(np.float16), half)


def test_the_output_may_be_a_folder(model: Path, rows: Path, tmp_path: Path) -> None:
    single = run(model, rows)
    assert main([str(model), f"--input={rows}", f"--output={tmp_path / 'x'}", "--threads=1"]) == 0
    assert read(tmp_path / "x" / "features.arrow").equals(single)


def test_a_finished_file_is_replaced_only_when_asked(
    model: Path, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    single = run(model, rows)
    empty = write_jsonl(tmp_path / "empty.jsonl", [])
    output = tmp_path / "features.arrow"
    common = [str(model), f"--output={output}", "--threads=1"]
    assert main([*common, f"--input={rows}", "--pooling=cls"]) == 2
    assert main([*common, f"--input={empty}", "--overwrite"]) == 1
    refused, no_text = capsys.readouterr().err.splitlines()
    assert refused.endswith("choose another --output, or add --overwrite to replace it")
    assert "there is no text in" in no_text
    assert read(output).equals(single)
    assert main([*common, f"--input={rows}", "--pooling=cls", "--overwrite"]) == 0
    assert not read(output).equals(single)


def test_the_batches_change_nothing(model: Path, rows: Path) -> None:
    one_by_one = to_numpy(run(model, rows, "--batch-pieces=1")["layer_2"])
    together = to_numpy(run(model, rows)["layer_2"])
    np.testing.assert_allclose(one_by_one, together, rtol=1e-4, atol=1e-5)


def test_text_files_and_tables(model: Path, rows: Path, tmp_path: Path) -> None:
    expected = to_numpy(run(model, rows)["layer_2"])[:7]
    (tmp_path / "texts.txt").write_text("\n\n".join(TEXTS[:7]))
    table = run(model, tmp_path / "texts.txt")
    assert table["document"].to_pylist() == [str(line) for line in range(1, 14, 2)]
    np.testing.assert_allclose(to_numpy(table["layer_2"]), expected, rtol=1e-4, atol=1e-5)
    pq.write_table(pa.table({"body": TEXTS[:7]}), tmp_path / "texts.parquet")
    table = run(model, tmp_path / "texts.parquet", "--text=body")
    assert table["document"].to_pylist() == [str(row) for row in range(1, 8)]
    np.testing.assert_allclose(to_numpy(table["layer_2"]), expected, rtol=1e-4, atol=1e-5)


def test_sentences_folders_by_document_and_by_sentence(model: Path, tmp_path: Path) -> None:
    paths = make_run(tmp_path / "made", some_documents(6), vocab={"size": 60})
    documents = run(model, paths.sentences)
    sentences = run(model, paths.sentences, "--by=sentence")
    assert documents.num_rows == 6
    assert set(documents["document"].to_pylist()) == {f"doc-{i:02d}.txt" for i in range(6)}
    assert documents["sentence"].null_count == 6
    assert sentences.num_rows > 6
    first = sentences.slice(0, 3).to_pylist()
    assert [row["sentence"] for row in first] == [0, 1, 2]
    assert {row["document_id"] for row in first} == {documents["document_id"][0].as_py()}


def test_a_classifier_learns_from_features(model: Path, tmp_path: Path) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    vectors, labels = [], []
    for name, seed in (("train", 0), ("test", 1)):
        texts = make_texts(150, seed=seed)
        path = write_jsonl(tmp_path / f"{name}.jsonl", [{"text": text} for text, _ in texts])
        table = run(model, path, "--layers=0,1,2")
        vectors.append(np.hstack([to_numpy(table[f"layer_{layer}"]) for layer in range(3)]))
        labels.append([label for _, label in texts])
    classifier = linear_model.LogisticRegression(C=10.0, max_iter=2000)
    classifier.fit(vectors[0], labels[0])
    assert classifier.score(vectors[1], labels[1]) > 0.85


@given(st.lists(st.integers(1, 30), max_size=40), st.integers(1, 100))
def test_batches_hold_every_row_once_and_little_padding(lengths: Sequence[int], most: int) -> None:
    batches = list(batches_by_length(np.array(lengths, dtype=np.int64), most))
    rows = [row for batch in batches for row in batch.tolist()]
    assert sorted(rows) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[row] for row in batch) <= most


@pytest.mark.parametrize(
    ("name", "data", "arguments", "status", "message"),
    [
        ("a.jsonl", "", (), 1, "there is no text in"),
        ("a.txt", "\n", (), 1, "there is no text in"),
        ("a.jsonl", '{"body": "x"}', (), 2, "has no column 'text'; known: body"),
        ("a.jsonl", '{"text": null}', (), 1, "a.jsonl line 1: 'text' is None, not text"),
        ("a.txt", "x", ("--layers=3",), 2, "there is no layer 3; choose from 0 to 2"),
        ("a.doc", "x", (), 2, "cannot tell the format of"),
        ("none/manifest.json", "{}", (), 1, "is damaged"),
    ],
)
def test_mistakes_are_one_line(
    name: str,
    data: str,
    arguments: tuple[str, ...],
    status: int,
    message: str,
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(data)
    source = path.parent if path.parent != tmp_path else path
    output = tmp_path / "out.arrow"
    assert main([str(model), f"--input={source}", f"--output={output}", *arguments]) == status
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not output.exists()


def test_model_input_and_output_at_an_address(
    model: Path, rows: Path, s3: Address, capsys: pytest.CaptureFixture[str]
) -> None:
    local = run(model, rows)
    copy_folder(model, s3 / "model")
    copy_folder(rows.parent, s3)
    common = [f"{s3}/model", f"--input={s3}/texts.jsonl", f"--output={s3}/out", "--threads=1"]
    assert main(common) == 0
    assert capsys.readouterr().out.endswith(f": {s3}/out/features.arrow\n")
    remote = pa.ipc.open_file(read_bytes(s3 / "out" / "features.arrow")).read_all()
    assert remote.equals(local)
    assert main(common) == 2
    assert main([*common[:-2], "--output=s3://no-such-bucket/a.arrow"]) == 1
    refused, unwritable = capsys.readouterr().err.splitlines()
    assert refused.startswith(f"error: {s3}/out/features.arrow already exists; choose")
    assert unwritable.startswith("error: cannot write s3://no-such-bucket/.")

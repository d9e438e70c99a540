"""The benchmark of training runs as a program; nothing here is about time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from bertdata.reader.example_reader import ExampleReader
from bertdata.tokens.vocabulary import read_vocabulary
from tests.benchmarks import gpu
from tests.benchmarks.gpu_data import in_rows, with_full_head, write_examples
from tests.trainer.models.test_bert import make_model
from trainer.batch import to_tensors
from trainer.decoder_loss import DecoderLoss, whole_decoder_loss
from trainer.objectives import pretraining_losses


@pytest.fixture
def reader(tmp_path: Path) -> ExampleReader:
    folder = write_examples(tmp_path, vocabulary_size=50, length=24, rows=30)
    return ExampleReader(folder, read_vocabulary(tmp_path / "vocab" / "vocab.txt"))


def test_every_variant_has_the_same_loss(reader: ExampleReader) -> None:
    model = make_model()
    compact = reader.batch_at(0, 0, 8)
    expected = pretraining_losses(model, to_tensors(compact, pad_id=0), DecoderLoss())
    rows = in_rows(compact, length=24, predictions=80)
    for batch in (rows, with_full_head(rows)):
        found = pretraining_losses(model, batch, whole_decoder_loss, "math")
        torch.testing.assert_close(found.stacked(), expected.stacked(), rtol=1e-5, atol=1e-5)


def test_it_runs_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.set_num_threads(1)  # more wait for each other, which takes longer than these few numbers
    assert gpu.main(["--output", str(tmp_path), "--quick", "--device=cpu"]) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    titles = [table["title"] for table in results["tables"]]
    assert titles[:3] == ["Matrix products", "Attention, forwards and backwards", "Copies"]
    assert "tiny at 16: what each step brings" in titles
    steps = [row["step"] for row in results["tables"][3]["rows"]]
    assert steps[:4] == ["eager", "compiled", "masked places only", "packed"]
    runs = next(table for table in results["tables"] if table["title"] == "Whole runs")
    assert all(row["tokens/s"] > 0 and row["first step s"] > 0 for row in runs["rows"])
    assert "minutes of tiny on real text" in titles[-1]
    assert "what each step brings" in capsys.readouterr().out

"""The plan of a Punkt model: how much of the text it is trained on."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertdata.corpus.config import CorpusConfig
from bertdata.plans.inputs import Corpora
from bertdata.plans.punkt import PunktWork, plan_punkt


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """A folder with a file of 4,000 bytes in documents of ten."""
    (tmp_path / "a.txt").write_bytes(b"some tex\n\n" * 400)
    return tmp_path


@pytest.mark.parametrize(("sample_bytes", "rate"), [(1000, 0.25), (4000, 1.0), (9000, 1.0)])
def test_punkt_reads_a_sample(
    sample_bytes: int, rate: float, lines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bertdata.plans.punkt._SAMPLE_BYTES", sample_bytes)
    corpus = CorpusConfig(name="a", format="lines", paths=("*.txt",))
    plan = plan_punkt(lines / "punkt", Corpora(configs=(corpus,), base=str(lines)))
    assert isinstance(plan.work, PunktWork)
    assert plan.work.rate == rate

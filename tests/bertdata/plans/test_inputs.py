"""How input is cut into units, and what of it is noted."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from bertdata.corpus.config import CorpusConfig
from bertdata.plans.inputs import Corpora, describe_units, list_units


@pytest.fixture
def corpora(tmp_path: Path) -> Corpora:
    """A folder with a file of 4,000 bytes in documents of ten."""
    (tmp_path / "a.txt").write_bytes(b"some tex\n\n" * 400)
    config = CorpusConfig(name="a", format="lines", paths=("*",))
    return Corpora(configs=(config,), base=str(tmp_path))


def test_compressed_text_counts_four_times(corpora: Corpora, tmp_path: Path) -> None:
    assert list_units(corpora).text_bytes == 4000
    for name, pack in (("b.txt.gz", gzip.compress), ("c.txt", bytes)):
        (tmp_path / name).write_bytes(pack(b"some tex\n\n" * 400))
    packed = (tmp_path / "b.txt.gz").stat().st_size
    assert list_units(corpora).text_bytes == 4000 + 4 * packed + 4000


def test_the_last_units_are_small(corpora: Corpora, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that all workers end at about the same time."""
    monkeypatch.setattr("bertdata.plans.inputs._SMALL_UNIT_BYTES", 400)
    sizes = [unit.bytes for unit in list_units(corpora).units]
    assert sum(sizes) == 4000
    assert max(sizes) == 400
    assert max(sizes[-4:]) <= 100


def test_units_of_a_file_that_was_written_again_are_others(
    corpora: Corpora, tmp_path: Path
) -> None:
    """Though what is noted of its content is the same: no sample need show a change."""
    before = list_units(corpora)
    os.utime(tmp_path / "a.txt", ns=(0, 0))
    after = list_units(corpora)
    assert after.files == before.files
    assert describe_units(after.units) != describe_units(before.units)

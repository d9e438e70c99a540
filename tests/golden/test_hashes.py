"""The same corpus gives the same bytes, on every machine and in every version."""

from __future__ import annotations

import json
from pathlib import Path

from tests.golden.make import HASHES, make_hashes


def test_the_bytes_are_those_of_ever(tmp_path: Path) -> None:
    assert make_hashes(tmp_path) == json.loads(HASHES.read_text())

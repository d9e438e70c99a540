"""What the tests of progress share."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertdata.progress.plan import StagePlan


@pytest.fixture
def plan(tmp_path: Path) -> StagePlan:
    return StagePlan(
        stage="examples",
        folder=tmp_path,
        config={"seed": 1, "examples": {"max_seq_length": 128}},
        inputs={"files": [{"name": "a", "bytes": 1}]},
        units=[["a", 0, 1]],
    )

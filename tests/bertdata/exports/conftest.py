"""A small run whose examples are exported."""

from __future__ import annotations

import pytest

from flows.paths import RunPaths
from tests.runs import make_run, some_documents


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunPaths:
    """A run up to its examples; tests only read it."""
    return make_run(tmp_path_factory.mktemp("exported"), some_documents())

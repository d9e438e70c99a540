"""One Prefect server for all tests of flows: starting it takes ten seconds."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.processes.prefect_settings import prepare_environment
from tests.pipelines.corpus import write_books


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A real, temporary Prefect server that this process and its flows talk to."""
    prepare_environment()
    with warnings.catch_warnings():
        # Prefect's own imports warn; what they warn of is not ours to mend.
        warnings.simplefilter("ignore")
        from prefect.testing.utilities import prefect_test_harness

        with prefect_test_harness(server_startup_timeout=180):
            yield


@pytest.fixture(scope="session")
def small_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of a run on a small corpus, to be finished in seconds."""
    folder = tmp_path_factory.mktemp("small")
    write_books(folder / "books")
    config = folder / "small.toml"
    config.write_text(
        """
        seed = 7
        [[corpus]]
        name = "books"
        format = "text"
        paths = ["books/*.txt"]
        [vocab]
        size = 60
        [examples]
        max_seq_length = 32
        dupe_factor = 2
        validation_fraction = 0.2
        num_shards = 3
        [runner]
        workers = 1
        [train]
        hidden_size = 16
        num_layers = 1
        num_heads = 1
        steps = 6
        checkpoint_every = 2
        """
    )
    return config

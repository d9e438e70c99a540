"""What all tests share: where the real corpora lie, and how hypothesis works."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import hypothesis
import pytest
from hypothesis.internal.conjecture import providers

pytest_plugins = [
    "tests.flows_fixtures",
    "tests.gcs_server",
    "tests.s3_server",
    "tests.pipelines.runners.servers",
]

# All modules of all tests are imported first, and nearly nothing of them is ever garbage: to look
# for it takes a quarter of that time, and some of each test's.
gc.disable()

# Where it is set, children write at once, and no test would see what a user's lose unflushed.
os.environ.pop("PYTHONUNBUFFERED", None)

# The first call of compiled code takes a second; and no test here is about time.
hypothesis.settings.register_profile("bertdata", deadline=None, derandomize=True)
hypothesis.settings.load_profile("bertdata")

# Hypothesis also draws constants that it finds in the source of all our modules that are imported
# by then: a test alone would have other examples than in the whole suite. There is no setting.
providers._get_local_constants = providers.Constants


@pytest.fixture(scope="session", autouse=True)
def _packages_of_users() -> None:
    """Processes that tests start do not import what users rarely have, for one to two seconds."""
    folders = [str(Path(__file__).with_name("children")), os.environ.get("PYTHONPATH")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, folders))
    os.environ["BERTDATA_TEST_HIDES"] = "pandas scipy sklearn"


@pytest.fixture
def untraced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Coverage leaves child processes alone.

    For those that a signal interrupts (it waits for ever), that run as another user (it may not
    write) or with files beside them that hide the standard library (it cannot start).
    """
    for name in os.environ:
        if name.startswith("COVERAGE_PROCESS"):
            monkeypatch.delenv(name)


SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real corpora and reference results beside the checkout."""
    return SHARED_DATA


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """No long bytes in names of tests: those of gzip hold the time, and all workers must agree."""
    return argname if isinstance(val, bytes) and len(val) > 40 else None


def pytest_collection_finish() -> None:
    """Look for garbage from now on, but not among what was imported."""
    gc.enable()
    gc.freeze()


# With several workers each takes the next file: those that take longest come first, or one worker
# would be busy with the last of them while the others have nothing left to do.
LONGEST = (
    "tests/flows/test_prefect.py",
    "tests/pipelines/runners/test_apart.py",
    "tests/flows/test_cli.py",
    "tests/test_readme.py",
    "tests/flows/test_faults.py",
    "tests/trainer/test_pretrain.py",
    "tests/flows/server/test_temporary.py",
    "tests/pipelines/runners",
    "tests/benchmarks",
    "tests/flows",
    "tests/golden",
    "tests/fuzz",
    "tests/pipelines",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the files, and leave out what only repeats tests where there are no real corpora."""
    items.sort(key=_place)
    _leave_out_real_corpora(config, items)


def _place(item: pytest.Item) -> int:
    """Whether an item comes early: the first of the longest that its name begins with."""
    named = [place for place, name in enumerate(LONGEST) if item.nodeid.startswith(name)]
    return min(named, default=len(LONGEST))


def _leave_out_real_corpora(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what repeats a test over real corpora, where there are none: see tests/fixtures."""
    if SHARED_DATA.is_dir():
        return
    real = [item for item in items if "shared_data" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=real)
    items[:] = [item for item in items if item not in real]

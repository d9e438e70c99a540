"""One of the faults, on a corpus of next to nothing."""

from __future__ import annotations

import pytest

from tests.benchmarks.faults import (
    KINDS,
    MISSED,
    Undisturbed,
    fault_table,
    prepare,
    run_kind,
    run_undisturbed,
)
from tests.benchmarks.tables import to_text


def test_a_run_that_is_killed_ends_as_undisturbed(
    prefect_server: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("faults")
    prepare(folder, 200_000)
    undisturbed = run_undisturbed(folder, prefect_server)
    assert set(undisturbed.content) == {"sentences", "vocab", "examples", "model", "weights"}
    stages = [stage for stage, _ in undisturbed.spans["driver"]]
    assert stages[0] == "start-up"
    assert "model" in stages
    (outcome,) = run_kind(
        KINDS["kill-driver"],
        1,
        folder,
        prefect_server,
        keep_stages(undisturbed, stages[1:]),
        seed=2,
    )
    assert outcome.problems == []
    assert outcome.stage != MISSED
    assert "landed in" in to_text(fault_table({"kill-driver": [outcome]}))


def keep_stages(undisturbed: Undisturbed, stages: list[str]) -> Undisturbed:
    """Moments of these stages alone."""
    spans = {
        target: [span for span in spans if span[0] in stages]
        for target, spans in undisturbed.spans.items()
    }
    return Undisturbed(
        content=undisturbed.content,
        names=undisturbed.names,
        temporary=undisturbed.temporary,
        spans=spans,
    )

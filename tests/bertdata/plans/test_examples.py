"""The plan of examples: groups of shards, and the vocabulary that they are made with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bertdata.errors import DataError
from bertdata.plans import examples
from bertdata.plans.examples import ExamplesWork, _group_shards
from bertdata.plans.finished import find_finished
from bertdata.storage.locations import Location
from bertdata.storage.manifest import Manifest
from tests.pipelines.corpus import Stages, make_vocabulary_of_books


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Stages:
    """With finished sentences and a finished vocabulary."""
    return make_vocabulary_of_books(tmp_path_factory.mktemp("plans"))


def test_groups_of_shards_are_numbered_from_1_the_largest_first() -> None:
    """0 is the number of the held-out documents' record."""
    groups = list(_group_shards([20, 90, 40, 60], 4))
    assert [group.number for group in groups] == [1, 2, 3, 4]
    assert [group.pools for group in groups] == [((1, 2),), ((3, 4),), ((2, 3),), ((0, 1),)]
    assert sorted(shard for group in groups for shard in group.shards) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("configured", "text_bytes", "planned"),
    [(0, 4 << 30, 64), (0, (4 << 30) + 1, 65), (0, 1 << 40, 16384), (3, 1 << 40, 3)],
)
def test_much_text_gets_more_shards_unless_a_number_is_configured(
    configured: int, text_bytes: int, planned: int, stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_much(folder: Location, stage: str) -> Manifest:
        found = find_finished(folder, stage)
        return replace(found, counts={**found.counts, "text_bytes": text_bytes})

    monkeypatch.setattr(examples, "find_finished", find_much)
    plan = replace(
        stages, examples_config=replace(stages.examples_config, num_shards=configured)
    ).examples()
    assert plan.config["examples"]["num_shards"] == planned
    assert isinstance(plan.work, ExamplesWork)
    assert plan.work.examples.num_shards == planned


def test_held_out_pools_are_there_only_with_validation(stages: Stages) -> None:
    for fraction in (0.2, 0.0):
        config = replace(stages.examples_config, validation_fraction=fraction)
        work = replace(stages, examples_config=config).examples().work
        assert isinstance(work, ExamplesWork)
        assert bool(work.held_out) is (fraction > 0)


def test_a_vocabulary_that_was_changed_is_not_used(stages: Stages) -> None:
    path = stages.output / "vocab" / "vocab.txt"
    before = path.read_bytes()
    try:
        path.write_bytes(before.replace(b"\nthe\n", b"\neht\n"))
        with pytest.raises(DataError, match=r"vocab\.txt: sha256"):
            stages.examples()
    finally:
        path.write_bytes(before)
    stages.examples()

"""The plan of examples: groups of shards, and the vocabulary that they are made with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bertdata.errors import DataError
from bertdata.plans.examples import ExamplesWork, _group_shards
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

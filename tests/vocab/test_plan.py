"""The plan of a vocabulary: what its words are counted by, and what it is made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines.corpus import Stages, make_vocabulary_of_books
from vocab.config import VocabConfig
from vocab.plan import plan_vocabulary


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Stages:
    """With finished sentences and a finished vocabulary."""
    return make_vocabulary_of_books(tmp_path_factory.mktemp("plans"))


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        ({"size": 70}, True),
        ({"min_frequency": 3}, True),
        ({"alphabet_limit": 30}, True),
        ({"layout": "bert-base-uncased", "size": 1100}, True),
        ({"lowercase": False}, False),
        ({"strip_accents": False}, False),
        ({"split_chinese_characters": False}, False),
        ({"max_word_characters": 5}, False),
    ],
    ids=str,
)
def test_words_are_counted_again_only_for_other_words(
    stages: Stages, change: dict[str, Any], is_same: bool
) -> None:
    config = VocabConfig(size=60)
    plan, other = stages.vocabulary(config), stages.vocabulary(replace(config, **change))
    assert (other.digest == plan.digest) is is_same
    assert other.config != plan.config


def test_a_given_vocabulary_is_planned_by_what_is_in_it(stages: Stages, tmp_path: Path) -> None:
    given = tmp_path / "vocab.txt"
    text = (stages.output / "vocab" / "vocab.txt").read_text()
    digests = []
    for pieces in (text, text + "more\n"):
        given.write_text(pieces)
        plan = plan_vocabulary(tmp_path / "vocab", tmp_path / "none", VocabConfig(file=str(given)))
        assert plan.work.given_sha256 == plan.inputs["vocabulary"]["sha256"] != ""  # type: ignore[attr-defined]
        digests.append(plan.digest)
    assert digests[0] != digests[1]

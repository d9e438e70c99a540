"""Every number of every configuration has its range: none can be absurd without a word."""

from __future__ import annotations

import math
import re
import typing
from typing import Any

import pytest

from bertdata.config import key_fields, read_table
from bertdata.corpus.config import CorpusConfig
from bertdata.errors import ConfigError
from flows.config import PARTS
from trainer.features.config import FeaturesConfig
from trainer.tuning.config import FinetuneConfig

CLASSES: dict[str, type] = {
    **PARTS,
    "corpus": CorpusConfig,
    "finetune": FinetuneConfig,
    "features": FeaturesConfig,
}
# Any whole number is a seed; which layers there are, the model says.
WITHOUT_RANGE = ("seeds", "layers")
# As the message names it, which is the way out.
RANGE = r"(from \S+ to \S+|above 0|at least \S+|at most \S+|a number of 64 bits)"
ABSURD: dict[type, tuple[Any, ...]] = {
    float: (math.nan, math.inf, -math.inf, -1.0, 10**400, -(10**400)),
    int: (10**30, 10**400, -(10**30), -1),
}


def number_keys() -> list[tuple[str, str, type]]:
    found = []
    for part, cls in CLASSES.items():
        for key, (owner, field) in key_fields(cls).items():
            hint = typing.get_type_hints(owner)[field.name]
            kinds = {hint, *typing.get_args(hint)} & {int, float}
            if key not in WITHOUT_RANGE:
                found += [(part, key, kind) for kind in kinds]
    return found


@pytest.mark.parametrize(("part", "key", "kind"), number_keys())
def test_an_absurd_number_is_refused(part: str, key: str, kind: type) -> None:
    cls = CLASSES[part]
    needed = {"name": "a", "format": "text", "paths": ["*"]} if cls is CorpusConfig else {}
    for value in ABSURD[kind]:
        with pytest.raises(ConfigError) as raised:
            read_table(cls, {**needed, key: value}, f"[{part}]")
        shown = f"{value:g}" if isinstance(value, float) else str(value)
        pattern = rf"{key} must be {RANGE}, got {re.escape(shown)}"
        assert re.search(pattern, str(raised.value)), value

"""A table of names, both ways."""

from __future__ import annotations

import pytest

from trainer.models.names import NameTable

TABLE = NameTable(
    modules={"norm": "model.final.ln"},
    block_modules={"query": "attn.q"},
    blocks="model.h",
    parameters={"bias": "lm_head.bias"},
)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("norm.weight", "model.final.ln.weight"),
        ("layers.12.query.bias", "model.h.12.attn.q.bias"),
        ("bias", "lm_head.bias"),
    ],
)
def test_names_go_both_ways(ours: str, theirs: str) -> None:
    assert TABLE.to_hf(ours) == theirs
    assert TABLE.from_hf(theirs) == ours


@pytest.mark.parametrize("name", ["model.other.weight", "model.h.1.attn.z.weight", "weight"])
def test_a_name_of_another_family_is_an_error(name: str) -> None:
    with pytest.raises(KeyError):
        TABLE.from_hf(name)

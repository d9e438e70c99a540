"""A reversible table of parameter names: ours, and those of Hugging Face's format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class NameTable:
    """The names of one family of models, ours on the left.

    `modules`: such as "pooler": "bert.pooler.dense". `block_modules`: within a block, which is
    "layers.N." for us and `blocks`, a dot, N and a dot for them. `parameters`: whole names.
    """

    modules: Mapping[str, str]
    block_modules: Mapping[str, str]
    blocks: str
    parameters: Mapping[str, str]

    def to_hf(self, name: str) -> str:
        """Return their name: layers.0.query.weight -> bert.encoder.layer.0.attention.self…"""
        return _translate(name, self, r"layers", self.blocks)

    def from_hf(self, name: str) -> str:
        """Return our name. Raises KeyError for a name that the family does not have."""
        return _translate(name, self._reversed(), re.escape(self.blocks), "layers")

    def _reversed(self) -> NameTable:
        return NameTable(
            modules=_reverse(self.modules),
            block_modules=_reverse(self.block_modules),
            blocks="layers",
            parameters=_reverse(self.parameters),
        )


def _translate(name: str, table: NameTable, blocks: str, new_blocks: str) -> str:
    if name in table.parameters:
        return table.parameters[name]
    module, _, kind = name.rpartition(".")
    if match := re.fullmatch(rf"{blocks}\.(\d+)\.(.+)", module):
        return f"{new_blocks}.{match[1]}.{table.block_modules[match[2]]}.{kind}"
    return f"{table.modules[module]}.{kind}"


def _reverse(names: Mapping[str, str]) -> dict[str, str]:
    return {theirs: ours for ours, theirs in names.items()}

"""Apache Beam pipelines: one module a stage in `pipelines.stages`, and what they share."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "options": ["RunnerConfig"],
        "run": ["run_stage"],
        "runners": ["open_runner"],
        "tables": ["CoGroupTables", "GatherTables", "KeepTables"],
    },
)

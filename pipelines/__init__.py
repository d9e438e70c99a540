"""Apache Beam pipelines: one module a stage in `pipelines.stages`, and what they share."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "options": ["RunnerConfig", "beam_arguments", "open_runner"],
        "run": ["run_stage"],
        "tables": ["CoGroupTables", "GatherTables", "KeepTables"],
    },
)

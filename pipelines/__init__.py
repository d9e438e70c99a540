"""Apache Beam pipelines: one module a stage in `pipelines.stages`, and what they share."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "options": ["RunnerConfig", "beam_arguments", "open_runner"],
        "plans": ["Corpora", "plan_examples", "plan_punkt", "plan_sentences", "plan_vocabulary"],
        "progress": [
            "StagePlan",
            "StageState",
            "describe_differences",
            "prepare_stage",
            "write_plan",
        ],
        "progress_lines": ["StageProgress"],
        "run": ["run_stage"],
        "tables": ["CoGroupTables", "GatherTables", "KeepTables"],
    },
)

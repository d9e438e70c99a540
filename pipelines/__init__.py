"""Apache Beam jobs: one module per stage in `pipelines.jobs`, and what they share."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "options": ["RunnerConfig", "beam_arguments"],
        "plans": ["Corpora", "plan_examples", "plan_punkt", "plan_sentences", "plan_vocabulary"],
        "processes": ["END", "FAILED", "PARENT", "end_with_parent"],
        "progress": ["StagePlan", "StageState", "error_named", "prepare_stage", "write_plan"],
    },
)

"""A stage while it is being made: its plan, records of what is finished, tables that wait."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "differences": ["describe_differences"],
        "failures": ["describe_failure", "error_named", "find_error"],
        "lines": ["ProgressLines", "StageProgress"],
        "plan": ["StagePlan"],
        "runs": [
            "Grouped",
            "Run",
            "as_runs",
            "decode_table",
            "encode_table",
            "find_runs",
            "gather_runs",
            "name_table",
            "open_run",
            "select_columns",
            "split_table",
            "write_run",
        ],
        "state": ["StageState", "clear_progress", "find_state", "prepare_stage", "write_plan"],
        "workplace": ["FileRecord", "Workplace"],
    },
)

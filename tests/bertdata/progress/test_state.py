"""What is in the folder of a stage: what is finished stays, what differs is refused."""

from __future__ import annotations

import dataclasses
import json

import pytest

from bertdata.errors import (
    ConfigError,
    InputError,
)
from bertdata.progress.plan import StagePlan
from bertdata.progress.state import (
    StageState,
    clear_progress,
    find_state,
    prepare_stage,
    write_plan,
)
from bertdata.progress.workplace import FOLDER, FileRecord
from bertdata.storage.locations import Address
from bertdata.storage.manifest import make_manifest, write_manifest
from bertdata.storage.shards import describe_file

NOTHING = FileRecord(number=0, shards=(), counts={})


def _finish(plan: StagePlan) -> None:
    (plan.folder / "a.arrow").write_text("a")
    shard = describe_file(plan.folder / "a.arrow", rows=1)
    manifest = make_manifest(
        "examples", config=plan.config, inputs=plan.inputs, counts={}, shards=[shard]
    )
    write_manifest(plan.folder, manifest)


def lines_of(plan: StagePlan) -> set[str]:
    return {path.name for path in plan.workplace.folder.iterdir()}


def test_done_means_same_inputs_same_configuration_and_all_files(plan: StagePlan) -> None:
    assert prepare_stage(plan) is not StageState.COMPLETE
    _finish(plan)
    write_plan(plan)  # as a run leaves it that was killed right after its manifest
    (plan.folder / ".a.arrow.x.tmp").touch()
    assert prepare_stage(plan) is StageState.COMPLETE
    assert {path.name for path in plan.folder.iterdir()} == {"a.arrow", "manifest.json"}
    (plan.folder / "a.arrow").unlink()
    assert prepare_stage(plan) is StageState.DAMAGED
    assert not (plan.folder / "manifest.json").exists()


def test_asking_for_the_state_changes_nothing(plan: StagePlan) -> None:
    _finish(plan)
    write_plan(plan)
    assert find_state(plan) is StageState.COMPLETE
    assert lines_of(plan) == {"plan.json"}
    (plan.folder / "a.arrow").unlink()
    assert find_state(plan) is StageState.DAMAGED
    (plan.folder / "manifest.json").unlink()
    assert find_state(dataclasses.replace(plan, units=())) is StageState.OUTDATED
    assert find_state(plan) is StageState.UNFINISHED
    assert lines_of(plan) == {"plan.json"}


@pytest.mark.parametrize("finished", [True, False])
def test_another_configuration_is_refused_by_name(plan: StagePlan, finished: bool) -> None:
    if finished:
        _finish(plan)
    else:
        write_plan(plan)
        plan.workplace.write_record(NOTHING)
    other = dataclasses.replace(plan, config={"seed": 1, "examples": {"max_seq_length": 512}})
    with pytest.raises(ConfigError, match=r"examples\.max_seq_length was 128, now 512"):
        prepare_stage(other)
    other = dataclasses.replace(plan, inputs={"files": [{"name": "a", "bytes": 2}]})
    with pytest.raises(ConfigError, match=r"files\.a\.bytes was 1, now 2"):
        prepare_stage(other)


@pytest.mark.parametrize("lost", ["nothing", "a failure", "what is of no use"])
def test_where_nothing_is_lost_another_configuration_starts_afresh(
    plan: StagePlan, lost: str
) -> None:
    write_plan(plan)
    if lost == "a failure":
        with pytest.raises(InputError), plan.workplace.noting_failure():
            raise InputError("reported")
    if lost == "what is of no use":
        plan.workplace.write_record(NOTHING)
        plan.workplace.mark_unusable()
        assert prepare_stage(plan) is StageState.UNFINISHED
        assert plan.workplace.read_records()  # the same configuration goes on with them
    other = dataclasses.replace(plan, config={"seed": 1, "examples": {"max_seq_length": 512}})
    assert prepare_stage(other) is StageState.OUTDATED
    assert not (plan.folder / FOLDER).exists()


def test_tables_that_wait_are_not_thrown_away(plan: StagePlan) -> None:
    write_plan(plan)
    (plan.workplace.waiting).mkdir()
    (plan.workplace.waiting / "documents-00000-00000-last.arrow").touch()
    other = dataclasses.replace(plan, config={"seed": 1, "examples": {"max_seq_length": 512}})
    with pytest.raises(ConfigError, match=r"examples\.max_seq_length was 128, now 512"):
        prepare_stage(other)


def test_other_units_start_afresh(plan: StagePlan) -> None:
    """And what was finished in the other way goes, or it would be taken for a part of the stage."""
    write_plan(plan)
    (plan.folder / "a.arrow").write_text("a")
    shard = describe_file(plan.folder / "a.arrow", rows=1)
    plan.workplace.write_record(FileRecord(number=0, shards=(shard,), counts={}))
    other = dataclasses.replace(plan, units=[["a", 0, 2]])
    assert prepare_stage(other) is StageState.OUTDATED
    assert other.workplace.read_records() == plan.workplace.read_records() == {}
    assert list(plan.folder.iterdir()) == []


def test_what_only_the_end_depends_on_may_change_until_then(plan: StagePlan) -> None:
    first = dataclasses.replace(plan, free_keys=("examples.max_seq_length",))
    other = dataclasses.replace(first, config={"seed": 1, "examples": {"max_seq_length": 9}})
    write_plan(first)
    first.workplace.write_record(NOTHING)
    assert prepare_stage(other) is StageState.UNFINISHED
    assert other.workplace.read_records() == {0: NOTHING}
    with pytest.raises(ConfigError, match="seed was 1, now 2"):
        prepare_stage(dataclasses.replace(first, config={**first.config, "seed": 2}))
    _finish(first)
    with pytest.raises(ConfigError, match="max_seq_length was 128, now 9"):
        prepare_stage(other)


def test_the_plan_names_what_it_is_made_of(plan: StagePlan) -> None:
    write_plan(plan)
    described = json.loads((plan.workplace.folder / "plan.json").read_bytes())
    assert described == {"config": plan.config, "inputs": plan.inputs}


def test_progress_at_an_address(plan: StagePlan, s3: Address) -> None:
    there = dataclasses.replace(plan, folder=s3 / "examples")
    write_plan(there)
    there.workplace.write_record(NOTHING)
    with pytest.raises(InputError), there.workplace.noting_failure():
        raise InputError("reported")
    assert there.workplace.read_records() == {0: NOTHING}
    with pytest.raises(InputError, match="reported"):
        there.workplace.raise_failure()
    with pytest.raises(ConfigError, match="seed was 1, now 2"):
        prepare_stage(dataclasses.replace(there, config={**there.config, "seed": 2}))
    clear_progress(there.folder)
    assert there.workplace.read_records() == {}

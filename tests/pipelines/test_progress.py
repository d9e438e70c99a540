"""Stages while they are made: what is finished stays, what differs is refused."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from bertdata.errors import (
    BertdataError,
    ConfigError,
    DataError,
    InputError,
    MemoryUsedUpError,
    StorageError,
)
from bertdata.storage.locations import Address
from bertdata.storage.manifest import make_manifest, write_manifest
from bertdata.storage.shards import Shard, describe_file, write_arrow
from bertdata.storage.writing import write_json
from pipelines.progress import (
    FOLDER,
    FileRecord,
    StagePlan,
    StageState,
    clear_progress,
    describe_differences,
    error_named,
    find_state,
    prepare_stage,
    write_plan,
)

NOTHING = FileRecord(number=0, shards=(), counts={})


@pytest.fixture
def plan(tmp_path: Path) -> StagePlan:
    return StagePlan(
        stage="examples",
        folder=tmp_path,
        config={"seed": 1, "examples": {"max_seq_length": 128}},
        inputs={"files": [{"name": "a", "bytes": 1}]},
        units=[["a", 0, 1]],
    )


def _finish(plan: StagePlan) -> None:
    (plan.folder / "a.arrow").write_text("a")
    shard = describe_file(plan.folder / "a.arrow", rows=1)
    manifest = make_manifest(
        "examples", config=plan.config, inputs=plan.inputs, counts={}, shards=[shard]
    )
    write_manifest(plan.folder, manifest)


def lines_of(plan: StagePlan) -> set[str]:
    return {path.name for path in plan.workplace.folder.iterdir()}


def test_a_record_counts_while_its_files_are_there(plan: StagePlan) -> None:
    (plan.folder / "a.arrow").write_text("a")
    shard = describe_file(plan.folder / "a.arrow", rows=1)
    record = FileRecord(number=1, shards=(shard,), counts={"n": 1})
    plan.workplace.write_record(record)
    assert plan.workplace.read_records() == {1: record}
    (plan.folder / "a.arrow").write_text("other")
    assert plan.workplace.read_records() == {}


def test_a_record_that_leads_out_of_the_folder_is_refused(plan: StagePlan) -> None:
    shard = dataclasses.asdict(Shard(path="../a.arrow", rows=1, bytes=1, sha256=""))
    table = {"number": 0, "shards": [shard], "counts": {}}
    write_json(plan.workplace.folder / "file-00000.json", table)
    with pytest.raises(DataError, match="leaves its folder"):
        plan.workplace.read_records()


def test_records_of_another_plan_are_not_met(plan: StagePlan) -> None:
    plan.workplace.write_record(NOTHING)
    other = dataclasses.replace(plan, config={**plan.config, "seed": 2})
    assert other.workplace.read_records() == {}
    assert dataclasses.replace(plan, text_bytes=9).workplace.read_records() == {0: NOTHING}


def test_the_first_failure_comes_back_with_its_type(plan: StagePlan) -> None:
    workplace = plan.workplace
    workplace.check_others()
    for error in (InputError("first"), ConfigError("later")):
        with pytest.raises(type(error)), workplace.noting_failure():
            raise error
    with pytest.raises(BertdataError, match="stopped, since other work"):
        workplace.check_others()
    with pytest.raises(InputError, match="first"):
        workplace.raise_failure()
    workplace.start_again()
    workplace.raise_failure()
    assert type(error_named("NoSuchError", "x")).__name__ == "BertdataError"


def test_other_errors_are_no_failures_but_want_of_memory_is(plan: StagePlan) -> None:
    with pytest.raises(KeyError), plan.workplace.noting_failure():
        raise KeyError("a bug")
    plan.workplace.check_others()
    with pytest.raises(MemoryUsedUpError), plan.workplace.noting_failure():
        raise MemoryError
    with pytest.raises(MemoryUsedUpError, match=r"lower \[runner\] workers"):
        plan.workplace.raise_failure()


def test_a_storage_that_fails_is_noted_as_one_that_may_answer_later(plan: StagePlan) -> None:
    with pytest.raises(StorageError, match="Input/output error"), plan.workplace.noting_failure():
        raise OSError(5, "Input/output error")
    with pytest.raises(BertdataError, match="stopped, since other work"):
        plan.workplace.check_others()
    with pytest.raises(StorageError, match="Input/output error"):
        plan.workplace.raise_failure()


def test_what_was_made_of_damaged_files_is_made_again_once(plan: StagePlan) -> None:
    workplace = plan.workplace
    workplace.write_record(NOTHING)
    workplace.start_again()
    assert workplace.read_records() == {0: NOTHING}
    workplace.distrust()
    workplace.start_again()
    assert workplace.read_records() == {}
    workplace.write_record(NOTHING)
    workplace.start_again()
    assert workplace.read_records() == {0: NOTHING}


def test_a_record_of_several_files_counts_while_all_are_there(plan: StagePlan) -> None:
    for name in ("a.arrow", "b.arrow"):
        (plan.folder / name).write_text(name)
    shards = tuple(describe_file(plan.folder / name, rows=1) for name in ("a.arrow", "b.arrow"))
    record = FileRecord(number=1, shards=shards, counts={})
    plan.workplace.write_record(record)
    assert plan.workplace.read_records() == {1: record}
    (plan.folder / "b.arrow").write_text("longer than before")
    assert plan.workplace.read_records() == {}


def test_all_that_makes_the_bytes_is_compared_by_version(plan: StagePlan) -> None:
    assert plan.workplace.versions.keys() == {"bertdata", "pyarrow", "apache-beam"}


def test_a_failure_that_cannot_be_noted_is_raised(plan: StagePlan) -> None:
    plan.folder.joinpath(FOLDER).write_text("a file where the folder should be")
    with pytest.raises(InputError, match="the cause"), plan.workplace.noting_failure():
        raise InputError("the cause")


def test_a_worker_of_another_version_is_refused(plan: StagePlan) -> None:
    plan.workplace.check_versions()
    other = dataclasses.replace(plan.workplace, versions={"pyarrow": "1.0"})
    with pytest.raises(DataError, match=r"has pyarrow .*planned with 1\.0; install the same"):
        other.check_versions()


def test_what_is_sent_to_workers_is_the_same_there(plan: StagePlan) -> None:
    assert pickle.loads(pickle.dumps(plan.workplace)) == plan.workplace
    assert pickle.loads(pickle.dumps(plan)).digest == plan.digest


def test_progress_at_an_address(plan: StagePlan, s3: Address) -> None:
    there = dataclasses.replace(plan, folder=s3 / "examples")
    write_plan(there)
    there.workplace.write_record(NOTHING)
    with pytest.raises(InputError), there.workplace.noting_failure():
        raise InputError("told")
    assert there.workplace.read_records() == {0: NOTHING}
    with pytest.raises(InputError, match="told"):
        there.workplace.raise_failure()
    with pytest.raises(ConfigError, match="seed was 1, now 2"):
        prepare_stage(dataclasses.replace(there, config={**there.config, "seed": 2}))
    clear_progress(there.folder)
    assert there.workplace.read_records() == {}


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
            raise InputError("told")
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


def test_a_changed_file_is_named() -> None:
    old = {"wiki": [{"name": "a.txt", "bytes": 1}, {"name": "b.txt", "bytes": 2}]}
    new = {"wiki": [{"name": "a.txt", "bytes": 1}, {"name": "b.txt", "bytes": 3}]}
    assert describe_differences(old, new) == ["wiki.b.txt.bytes was 2, now 3"]


def test_long_differences_are_not_spelled_out() -> None:
    assert describe_differences({"a": list(range(90))}, {"a": [1]}) == ["a differ"]
    assert describe_differences({"a": 1}, {"b": 1}) == ["a was 1, now null", "b was null, now 1"]


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the file of a descriptor")
def test_a_record_waits_until_its_files_are_on_disk(
    plan: StagePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []

    def note(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name.split(".json")[0])

    monkeypatch.setattr(os, "fsync", note)
    schema = pa.schema([pa.field("x", pa.int64())])
    shard = write_arrow(plan.folder / "x.arrow", schema, [])
    assert synced == []
    plan.workplace.write_record(FileRecord(number=7, shards=(shard,), counts={}))
    assert synced == ["x.arrow", ".file-00007"]


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
    told = json.loads((plan.workplace.folder / "plan.json").read_bytes())
    assert told == {"config": plan.config, "inputs": plan.inputs}


def test_a_file_that_never_reached_the_disk_is_no_record(plan: StagePlan) -> None:
    lost = Shard(path="lost.arrow", rows=1, bytes=1, sha256="")
    with pytest.raises(BertdataError, match=r"cannot write .*lost\.arrow: No such file"):
        plan.workplace.write_record(FileRecord(number=0, shards=(lost,), counts={}))
    assert plan.workplace.read_records() == {}

"""Stages while they are made: what is finished stays, what differs is refused."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from bertdata.errors import BertdataError, ConfigError, DataError, InputError
from bertdata.storage.manifest import make_manifest, write_manifest
from bertdata.storage.shards import describe_file, write_arrow
from pipelines.progress import (
    FOLDER,
    StagePlan,
    StageState,
    UnitRecord,
    clear_failures,
    clear_progress,
    describe_differences,
    error_named,
    find_state,
    give_units_back,
    has_failed,
    mark_unusable,
    prepare_stage,
    raise_failure,
    read_plan,
    read_records,
    take_unit,
    write_failure,
    write_plan,
    write_record,
)
from pipelines.transforms import find_error


@pytest.fixture
def plan(tmp_path: Path) -> StagePlan:
    return StagePlan(
        stage="examples",
        folder=str(tmp_path),
        config={"seed": 1, "examples": {"max_seq_length": 128}},
        inputs={"files": [{"name": "a", "bytes": 1}]},
        units=({"unit": 0}, {"unit": 1}),
        spec={},
        text_bytes=0,
    )


def _finish(plan: StagePlan) -> None:
    (plan.path / "a.arrow").write_text("a")
    shard = describe_file(plan.path / "a.arrow", rows=1)
    manifest = make_manifest(
        "examples", config=plan.config, inputs=plan.inputs, counts={}, shards=[shard]
    )
    write_manifest(plan.path, manifest)


def test_a_plan_comes_back_as_written(plan: StagePlan) -> None:
    assert read_plan(write_plan(plan)) == plan


def test_a_record_counts_while_its_files_are_there(plan: StagePlan) -> None:
    (plan.path / "a.arrow").write_text("a")
    shard = describe_file(plan.path / "a.arrow", rows=1)
    record = UnitRecord(unit=1, shards=(shard,), counts={"n": 1})
    write_record(plan.path, record)
    assert read_records(plan.path) == {1: record}
    (plan.path / "a.arrow").write_text("other")
    assert read_records(plan.path) == {}


def test_a_record_takes_the_place_of_an_earlier_round_s(plan: StagePlan) -> None:
    for name in ("a.arrow", "b.arrow"):
        (plan.path / name).write_text(name)
    first, second = (
        UnitRecord(unit=1, shards=(describe_file(plan.path / name, rows=1),), counts={}, round=n)
        for n, name in enumerate(("a.arrow", "b.arrow"))
    )
    write_record(plan.path, first)
    assert read_records(plan.path, round_=1) == {}
    write_record(plan.path, dataclasses.replace(second, replaced=("a.arrow", "never-there.arrow")))
    assert read_records(plan.path) == read_records(plan.path, round_=1) == {1: second}
    assert not (plan.path / "a.arrow").exists()


def test_failures_come_back_with_their_type(plan: StagePlan) -> None:
    assert not has_failed(plan.path)
    write_failure(plan.path, 5, ConfigError("later"))
    write_failure(plan.path, 3, InputError("first"))
    assert has_failed(plan.path)
    with pytest.raises(InputError, match="first"):
        raise_failure(plan.path)
    clear_failures(plan.path)
    raise_failure(plan.path)
    assert type(error_named("NoSuchError", "x")).__name__ == "BertdataError"


def test_done_means_same_inputs_same_configuration_and_all_files(plan: StagePlan) -> None:
    assert prepare_stage(plan) is not StageState.COMPLETE
    _finish(plan)
    write_plan(plan)  # as a run leaves it that was killed right after its manifest
    (plan.path / ".a.arrow.x.tmp").touch()
    assert prepare_stage(plan) is StageState.COMPLETE
    assert {path.name for path in plan.path.iterdir()} == {"a.arrow", "manifest.json"}
    (plan.path / "a.arrow").unlink()
    assert prepare_stage(plan) is StageState.DAMAGED
    assert not (plan.path / "manifest.json").exists()


def test_asking_for_the_state_changes_nothing(plan: StagePlan) -> None:
    _finish(plan)
    write_plan(plan)
    assert find_state(plan) is StageState.COMPLETE
    assert (plan.path / FOLDER / "plan.json").exists()
    (plan.path / "a.arrow").unlink()
    assert find_state(plan) is StageState.DAMAGED
    (plan.path / "manifest.json").unlink()
    assert find_state(dataclasses.replace(plan, units=())) is StageState.OUTDATED
    assert find_state(plan) is StageState.UNFINISHED
    assert (plan.path / FOLDER / "plan.json").exists()


@pytest.mark.parametrize("finished", [True, False])
def test_another_configuration_is_refused_by_name(plan: StagePlan, finished: bool) -> None:
    if finished:
        _finish(plan)
    else:
        write_plan(plan)
        write_record(plan.path, UnitRecord(unit=0, shards=(), counts={}))
    other = dataclasses.replace(plan, config={"seed": 1, "examples": {"max_seq_length": 512}})
    with pytest.raises(ConfigError, match=r"examples\.max_seq_length was 128, now 512"):
        prepare_stage(other)
    other = dataclasses.replace(plan, inputs={"files": [{"name": "a", "bytes": 2}]})
    with pytest.raises(ConfigError, match=r"files\.a\.bytes was 1, now 2"):
        prepare_stage(other)


@pytest.mark.parametrize("has_records", [True, False])
def test_where_nothing_is_lost_another_configuration_starts_afresh(
    plan: StagePlan, has_records: bool
) -> None:
    write_plan(plan)
    if has_records:
        write_record(plan.path, UnitRecord(unit=0, shards=(), counts={}))
        mark_unusable(plan.path)
        assert prepare_stage(plan) is not StageState.COMPLETE
        assert read_records(plan.path)  # the same configuration goes on with them
    other = dataclasses.replace(plan, config={"seed": 1, "examples": {"max_seq_length": 512}})
    assert prepare_stage(other) is not StageState.COMPLETE
    assert read_records(plan.path) == {}


def test_other_units_start_afresh(plan: StagePlan) -> None:
    write_plan(plan)
    write_record(plan.path, UnitRecord(unit=0, shards=(), counts={}))
    assert prepare_stage(dataclasses.replace(plan, units=({"unit": 0},))) is not StageState.COMPLETE
    assert read_records(plan.path) == {}
    clear_progress(plan.path)
    assert list(plan.path.iterdir()) == []


def test_a_changed_file_is_named() -> None:
    old = {"wiki": [{"name": "a.txt", "bytes": 1}, {"name": "b.txt", "bytes": 2}]}
    new = {"wiki": [{"name": "a.txt", "bytes": 1}, {"name": "b.txt", "bytes": 3}]}
    assert describe_differences(old, new) == ["wiki.b.txt.bytes was 2, now 3"]


def test_long_differences_are_not_spelled_out() -> None:
    assert describe_differences({"a": list(range(90))}, {"a": [1]}) == ["a differ"]
    assert describe_differences({"a": 1}, {"b": 1}) == ["a was 1, now null", "b was null, now 1"]


@pytest.mark.parametrize(
    "text",
    [
        "bertdata.errors.DataError: it is damaged",
        "bertdata.errors.DataError: it is damaged [while running 'Sentences/Run']",
        "Traceback:\n  File\nbertdata.errors.BertdataError: an earlier one\n"
        "RuntimeError: bertdata.errors.DataError: it is damaged [while running 'x']\n",
    ],
)
def test_errors_are_found_in_what_runners_make_of_them(text: str) -> None:
    error = find_error(RuntimeError(text))
    assert type(error) is DataError
    assert str(error) == "it is damaged"
    assert find_error(RuntimeError("another")) is None


def test_a_unit_is_taken_once_until_all_are_given_back(plan: StagePlan) -> None:
    give_units_back(plan.path)
    assert take_unit(plan.path, 3)
    assert not take_unit(plan.path, 3)
    assert take_unit(plan.path, 4)
    give_units_back(plan.path, round_=1)
    assert take_unit(plan.path, 3, round_=1)
    assert not take_unit(plan.path, 3)
    give_units_back(plan.path)
    assert take_unit(plan.path, 3)
    clear_progress(plan.path)
    with pytest.raises(BertdataError, match=r"cannot write .*taken"):
        take_unit(plan.path, 3)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the file of a descriptor")
def test_a_record_waits_until_its_files_are_on_disk(
    plan: StagePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []

    def note(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name.split(".json")[0])

    monkeypatch.setattr(os, "fsync", note)
    schema = pa.schema([pa.field("x", pa.int64())])
    shard = write_arrow(plan.path / "x.arrow", schema, [])
    assert synced == []
    write_record(plan.path, UnitRecord(unit=7, shards=(shard,), counts={}))
    assert synced == ["x.arrow", ".unit-00007"]


def test_what_only_the_end_depends_on_may_change_until_then(plan: StagePlan) -> None:
    first = dataclasses.replace(plan, free_keys=("examples.max_seq_length",))
    other = dataclasses.replace(first, config={"seed": 1, "examples": {"max_seq_length": 9}})
    write_plan(first)
    record = UnitRecord(unit=1, shards=(), counts={})
    write_record(plan.path, record)
    assert prepare_stage(other) is not StageState.COMPLETE
    assert read_records(plan.path) == {1: record}
    with pytest.raises(ConfigError, match="seed was 1, now 2"):
        prepare_stage(dataclasses.replace(first, config={**first.config, "seed": 2}))
    _finish(first)
    with pytest.raises(ConfigError, match="max_seq_length was 128, now 9"):
        prepare_stage(other)

"""Records of what is finished, and the failure that was first."""

from __future__ import annotations

import dataclasses
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
from bertdata.progress.plan import StagePlan
from bertdata.progress.workplace import FOLDER, FileRecord, error_named
from bertdata.storage.shards import Shard, describe_file, write_arrow
from bertdata.storage.writing import write_json

NOTHING = FileRecord(number=0, shards=(), counts={})


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


def test_a_file_that_never_reached_the_disk_is_no_record(plan: StagePlan) -> None:
    lost = Shard(path="lost.arrow", rows=1, bytes=1, sha256="")
    with pytest.raises(BertdataError, match=r"cannot write .*lost\.arrow: No such file"):
        plan.workplace.write_record(FileRecord(number=0, shards=(lost,), counts={}))
    assert plan.workplace.read_records() == {}

"""Steps note why they fail and stop; the manifest is written once, when all is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest

from bertdata.errors import BertdataError, DataError, InputError
from bertdata.progress.workplace import FOLDER, FileRecord, Workplace
from bertdata.storage.manifest import Manifest, is_complete, make_manifest, read_manifest
from pipelines.options import RunnerConfig
from pipelines.steps import Step, WriteManifest, count
from tests.pipelines.beam_runs import collect


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    return Workplace(folder=tmp_path / "stage" / FOLDER / "digest")


def run_step(step: Step, elements: Sequence[Any]) -> list[Any]:
    return collect(lambda pipeline: pipeline | beam.Create(elements) | beam.ParDo(step))


def twice(number: int, added: int) -> Iterator[int]:
    yield number + added
    yield number + added


def test_a_step_is_its_function(workplace: Workplace) -> None:
    assert sorted(run_step(Step(twice, workplace, 10), [1, 2])) == [11, 11, 12, 12]
    assert not workplace.folder.exists()


def test_side_inputs_come_after_the_arguments(workplace: Workplace) -> None:
    def add(number: int, added: int, others: Sequence[int]) -> Iterator[int]:
        yield number + added + sum(others)

    def build(pipeline: beam.Pipeline) -> Any:
        others = pipeline | "Others" >> beam.Create([100, 200])
        step = beam.ParDo(Step(add, workplace, 10), beam.pvalue.AsList(others))
        return pipeline | beam.Create([1]) | step

    assert collect(build) == [311]


def fail_at_two(number: int, folder: Path) -> Iterator[int]:
    with (folder / "seen").open("a") as file:
        file.write(f"{number} ")
    if number == 2:
        raise InputError("two is bad")
    yield number


def test_a_failure_is_noted_and_nothing_begins_after_it(
    workplace: Workplace, tmp_path: Path
) -> None:
    step = Step(fail_at_two, workplace, tmp_path)
    with pytest.raises(InputError, match="two is bad"):
        run_step(step, [1, 2, 3])
    with pytest.raises(InputError, match="two is bad"):
        workplace.raise_failure()
    seen = (tmp_path / "seen").read_text()
    with pytest.raises(BertdataError, match="stopped, since other work of this stage failed"):
        run_step(step, [4, 5])
    with pytest.raises(InputError, match="two is bad"):  # still the first one
        workplace.raise_failure()
    assert (tmp_path / "seen").read_text() == seen
    workplace.start_again()
    assert run_step(step, [4]) == [4]


def test_a_worker_of_another_version_refuses_and_says_so(workplace: Workplace) -> None:
    other = replace(workplace, versions={"apache-beam": "2.1.0"})
    with pytest.raises(DataError, match=r"has apache-beam .* planned with 2\.1\.0"):
        run_step(Step(twice, other, 1), [1])
    with pytest.raises(DataError, match="install the same version on all machines"):
        workplace.raise_failure()


def finish(records: Sequence[FileRecord], *others: Sequence[Any]) -> Manifest:
    counts = {
        "numbers": [record.number for record in records],
        "found": [record.counts["found"] for record in records],
        "others": [sorted(some) for some in others],
    }
    return make_manifest("x", config={}, inputs={}, counts=counts, shards=[])


def record(number: int, found: int = 0) -> FileRecord:
    return FileRecord(number=number, shards=(), counts={"found": found})


def write_manifest(
    workplace: Workplace,
    records: Sequence[FileRecord],
    done: Sequence[FileRecord] = (),
    runner: RunnerConfig | None = None,
) -> list[str]:
    workplace.stage_folder.mkdir(parents=True, exist_ok=True)

    def build(pipeline: beam.Pipeline) -> Any:
        others = pipeline | "Others" >> beam.Create(["b", "a"])
        created = pipeline | beam.Create(records)
        return created | WriteManifest(workplace, finish, done, [others])

    return collect(build, runner)


def test_the_manifest_is_of_all_records_in_order(workplace: Workplace) -> None:
    hashes = write_manifest(workplace, [record(3), record(0)], [record(2), record(1)])
    manifest = read_manifest(workplace.stage_folder)
    assert hashes == [manifest.content_sha256]
    assert manifest.counts["numbers"] == [0, 1, 2, 3]
    assert manifest.counts["others"] == [["a", "b"]]


def test_a_record_that_comes_twice_counts_once(workplace: Workplace) -> None:
    """As it does where a bundle is tried again, or what was done is done again."""
    repeated = RunnerConfig(workers=1, options=("--direct_runner_bundle_repeat=1",))
    write_manifest(workplace, [record(1, 5), record(0), record(1, 5)], [record(0)], repeated)
    counts = read_manifest(workplace.stage_folder).counts
    assert (counts["numbers"], counts["found"]) == ([0, 1], [0, 5])


def test_no_records_are_a_manifest_too(workplace: Workplace) -> None:
    """What that means is for `finish` to say."""
    assert len(write_manifest(workplace, [])) == 1
    assert read_manifest(workplace.stage_folder).counts["numbers"] == []


def test_a_failure_before_it_leaves_no_manifest(workplace: Workplace, tmp_path: Path) -> None:
    def build(pipeline: beam.Pipeline) -> Any:
        step = Step(fail_at_two, workplace, tmp_path)
        records = pipeline | beam.Create([1, 2]) | beam.ParDo(step) | beam.Map(record)
        return records | WriteManifest(workplace, finish)

    with pytest.raises(InputError, match="two is bad"):
        collect(build)
    assert not is_complete(workplace.stage_folder)


def test_counts_are_metrics_by_their_names() -> None:
    found: dict[str, int] = {}

    class Counter:
        def __init__(self, name: str) -> None:
            self.name = name

        def inc(self, value: int) -> None:
            found[self.name] = value

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.steps.Metrics.counter", lambda space, name: Counter(name))
        count({"a": 1, "rejected": {"empty": 2}, "sources": {"c": {"written": 3}}, "list": [4]})
    assert found == {"a": 1, "rejected:empty": 2, "sources:c:written": 3}

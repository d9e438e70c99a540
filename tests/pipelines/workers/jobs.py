"""Jobs with a pool of two workers, whose steps do not come to their end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

import apache_beam as beam

from pipelines.options import RunnerConfig
from pipelines.runners import beam_options, open_runner
from pipelines.workers.pool import open_pool

CONFIG = RunnerConfig(workers=2)
Say = Callable[[object], None]


def run(function: Callable[[int], None], elements: Iterable[int]) -> None:
    """Call a function of each element, on both workers."""
    with open_runner(CONFIG) as runner:
        pipeline = beam.Pipeline(runner, beam_options(CONFIG))
        done = pipeline | beam.Create(elements) | beam.Reshuffle() | beam.Map(function)
        _ = done | beam.Map(lambda done: (0, done)) | beam.GroupByKey()
        pipeline.run().wait_until_finish()


def kill_a_worker(_say: Say) -> None:
    """One of the elements kills the worker that gets it."""
    run(_die, range(10))


def kill_a_worker_unnoticed(_say: Say) -> None:
    """Beam notices a death while it waits for what a step puts out; here it waits for nothing."""
    with open_runner(CONFIG) as runner:
        pipeline = beam.Pipeline(runner, beam_options(CONFIG))
        _ = pipeline | beam.Create(range(10)) | beam.Reshuffle() | beam.Map(_die)
        pipeline.run().wait_until_finish()


def let_a_worker_exit(_say: Say) -> None:
    """One of the elements makes the worker that gets it exit."""
    run(_exit, range(10))


def leave_a_pool(say: Say) -> None:
    """Says how many children there are in a pool, and after an error in it; who died; where."""
    try:
        with open_pool(3) as pool:
            say((_count_children(), pool.find_death(), pool.address))
            raise KeyError
    except KeyError:
        say((_count_children(), pool.find_death()))


def _die(number: int) -> None:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)


def _exit(number: int) -> None:
    if number == 3:
        os._exit(3)


def _count_children() -> int:
    return len(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())

"""A process that has everything imported and compiled, and forks itself for each job.

`python -m pipelines.jobs` reads a line of JSON for each job from its standard input, such as
`{"module": "pipelines.jobs.examples", "arguments": [...], "log": "examples.log"}`. What the job
prints goes to standard output, its errors to the log; then comes a line `END` with its status,
negative for a signal. So a job starts in hundredths of a second instead of seconds.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path

import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions

from bertdata.config import Table
from bertdata.examples.config import ExamplesConfig
from bertdata.examples.make import create_examples, tokenize_documents
from bertdata.sentences.splitter import load_splitter
from bertdata.tokens.compiled import SentenceTokenizer
from bertdata.tokens.tokenizer import TokenizationConfig
from bertdata.tokens.vocabulary import SPECIAL_PIECES, Vocabulary
from pipelines.jobs.command import run_process
from pipelines.options import make_runner
from pipelines.processes import END, end_with_parent
from vocab.config import VocabConfig
from vocab.counting import count_words
from vocab.fast import train

_JOBS = ("pipelines.jobs.sentences", "pipelines.jobs.word_counts", "pipelines.jobs.examples")
# What Beam and gRPC import only when something of theirs is first called.
_IMPORTED_LATE = (
    "apache_beam.typehints.opcodes",
    "concurrent.futures.thread",
    "grpc._server",
    "grpc.experimental",
)


def main() -> None:
    """Serve jobs, one after the other, until standard input ends."""
    end_with_parent()
    _warm_up()
    # What is there now stays: no collection, in any fork, need look at it (and copy its pages).
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        status = _run_job(json.loads(line))
        print(f"{END}{status}", flush=True)


def _run_job(request: Table) -> int:
    """Run one job in a fork of this process; its exit status, negative for a signal."""
    host = os.getpid()
    process = os.fork()
    if process == 0:
        os._exit(_run_in_fork(request, host))
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status)


def _warm_up() -> None:
    """Do all that jobs do once, on two sentences, so that forks find it imported and compiled."""
    for name in ("pipelines.workers", "pipelines.transforms", *_JOBS):
        importlib.import_module(name)
    for name in _IMPORTED_LATE:
        with contextlib.suppress(ImportError):  # another version may have it elsewhere
            importlib.import_module(name)
    make_runner(PipelineOptions([]))
    sentences = load_splitter("english").split_all(pa.array(["One is here. Two is there."]))
    vocabulary = Vocabulary((*SPECIAL_PIECES, "one", "two"))
    tokenizer = SentenceTokenizer(vocabulary, TokenizationConfig())
    table = pa.table({"document_id": pa.array([1], pa.uint64()), "sentences": sentences})
    documents = tokenize_documents(table, tokenizer)
    create_examples(documents, ExamplesConfig(), vocabulary, seed=0, passes=1)
    train(count_words([sentences.flatten()], VocabConfig()), VocabConfig(size=30, min_frequency=1))


def _run_in_fork(request: Table, host: int) -> int:
    try:
        end_with_parent(host, signal.SIGKILL)
        with Path(request["log"]).open("wb") as log:
            os.dup2(log.fileno(), sys.stderr.fileno())
        job = importlib.import_module(request["module"])
        return run_process(job.JOB, request["arguments"])
    except BaseException:
        with contextlib.suppress(OSError):
            traceback.print_exc()
        return 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):  # the log may lie on a full disk
                stream.flush()

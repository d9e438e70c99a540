"""What jobs need, imported and compiled: by the process that all jobs are forks of.

Its import does the work, since that is what the standard library's fork server can be told to do
before it forks. Nothing else imports this module.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import logging
import os
from pathlib import Path

from bertdata.processes.parents import ending_with_parent

# Before Beam is imported, which warns of what we do without.
logging.basicConfig(level=logging.ERROR)

_MODULES = (
    "pipelines.run",
    # What Beam and gRPC import only when something of theirs is first called.
    "apache_beam.typehints.opcodes",
    "concurrent.futures.thread",
    "grpc.experimental",
)


def _warm_up() -> None:
    """Do all that jobs do once, on two sentences, so that forks find it imported and compiled."""
    import pyarrow as pa

    from bertdata.examples.config import ExamplesConfig
    from bertdata.examples.make import create_examples, tokenize_documents
    from bertdata.sentences.splitter import load_splitter
    from bertdata.tokens.compiled import SentenceTokenizer
    from bertdata.tokens.tokenizer import TokenizationConfig
    from bertdata.tokens.vocabulary import SPECIAL_PIECES, Vocabulary
    from pipelines.options import RunnerConfig
    from pipelines.runners import open_runner
    from vocab.config import VocabConfig
    from vocab.counting import count_words
    from vocab.fast import train

    with open_runner(RunnerConfig(workers=1)):
        pass
    sentences = load_splitter("english").split_all(pa.array(["One is here. Two is there."]))
    vocabulary = Vocabulary((*SPECIAL_PIECES, "one", "two"))
    tokenizer = SentenceTokenizer(vocabulary, TokenizationConfig())
    table = pa.table({"document_id": pa.array([1], pa.uint64()), "sentences": sentences})
    documents = tokenize_documents(table, tokenizer)
    create_examples(documents, ExamplesConfig(), vocabulary, seed=0, passes=1)
    train(count_words([sentences.flatten()], VocabConfig()), VocabConfig(size=30, min_frequency=1))


def _be_silent() -> None:
    """Let go of the pipes or the terminal that this process was started with."""
    with Path(os.devnull).open("wb") as nowhere:
        for number in (1, 2):
            os.dup2(nowhere.fileno(), number)


gc.disable()  # imports make many objects and little garbage
_be_silent()
with ending_with_parent():  # later, the fork server itself notices
    for _module in _MODULES:
        with contextlib.suppress(ImportError):  # another version may have it elsewhere
            importlib.import_module(_module)
    with contextlib.suppress(Exception):  # the job that meets it says what is wrong
        _warm_up()
# There is nothing to take apart, which takes a while, when the run has ended.
atexit.register(os._exit, 0)
# What is there now stays: no collection, in any fork, need look at it (and copy its pages).
gc.collect()
gc.freeze()
gc.enable()

"""The flows: the whole run, and each stage alone.

Their parameters are what Prefect can store and show. `config`: the configuration as JSON, with the
keys of the TOML file. `base`: the folder that paths of corpora start from. `output`: the folder for
the results, a path or an address.
"""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from bertdata.storage.locations import locate
from flows import tasks
from flows.config import Run, Table, read_config
from flows.paths import RunPaths


def _open_run(config: Table, base: str, output: str) -> Run:
    return Run(config=read_config(config), base=Path(base), paths=RunPaths(locate(output)))


@flow(name="bertdata run", flow_run_name="text to BERT: {output}")
def run(config: Table, base: str, output: str) -> Table:
    """Sentences, vocabulary, examples, training, report; finished stages are skipped."""
    opened = _open_run(config, base, output)
    tasks.make_sentences(opened)
    tasks.make_vocabulary(opened)
    tasks.make_examples(opened)
    results = tasks.train_model(opened)
    tasks.write_report(opened)
    return results


@flow(name="bertdata sentences", flow_run_name="sentences: {output}")
def sentences(config: Table, base: str, output: str) -> str:
    """Only the sentences."""
    return tasks.make_sentences(_open_run(config, base, output))


@flow(name="bertdata vocab", flow_run_name="vocabulary: {output}")
def vocab(config: Table, base: str, output: str) -> str:
    """Only the vocabulary, from finished sentences."""
    return tasks.make_vocabulary(_open_run(config, base, output))


@flow(name="bertdata examples", flow_run_name="examples: {output}")
def examples(config: Table, base: str, output: str) -> str:
    """Only the examples, from finished sentences and vocabulary."""
    return tasks.make_examples(_open_run(config, base, output))


@flow(name="bertdata train", flow_run_name="training: {output}")
def train(config: Table, base: str, output: str) -> Table:
    """Only training, from finished examples."""
    return tasks.train_model(_open_run(config, base, output))

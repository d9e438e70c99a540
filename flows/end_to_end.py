"""The flows: the whole run, and each stage alone."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows import tasks


@flow(name="bertdata run", flow_run_name="text to BERT: {output}")
def run(config: str, overrides: list[str], output: str) -> dict[str, Any]:
    """Sentences, vocabulary, examples, training, report; finished stages are skipped."""
    tasks.make_sentences(config, overrides, output)
    tasks.make_vocabulary(config, overrides, output)
    tasks.make_examples(config, overrides, output)
    results: dict[str, Any] = tasks.train_model(config, overrides, output)
    tasks.write_report(output)
    return results


@flow(name="bertdata sentences", flow_run_name="sentences: {output}")
def sentences(config: str, overrides: list[str], output: str) -> str:
    """Only the sentences."""
    return str(tasks.make_sentences(config, overrides, output))


@flow(name="bertdata vocab", flow_run_name="vocabulary: {output}")
def vocab(config: str, overrides: list[str], output: str) -> str:
    """Only the vocabulary, from finished sentences."""
    return str(tasks.make_vocabulary(config, overrides, output))


@flow(name="bertdata examples", flow_run_name="examples: {output}")
def examples(config: str, overrides: list[str], output: str) -> str:
    """Only the examples, from finished sentences and vocabulary."""
    return str(tasks.make_examples(config, overrides, output))


@flow(name="bertdata train", flow_run_name="training: {output}")
def train(config: str, overrides: list[str], output: str) -> dict[str, Any]:
    """Only training, from finished examples."""
    results: dict[str, Any] = tasks.train_model(config, overrides, output)
    return results

"""The lines at the end of a run: what was made, how good it is, what to do next."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterable, Iterator, Mapping

from bertdata.config import Table
from bertdata.storage.files import exists
from bertdata.storage.locations import Location
from bertdata.storage.manifest import Manifest
from flows.finished import (
    FinishedRun,
    Results,
    config_of,
    is_dynamic,
    nsp_baseline,
    read_run,
    shares_of,
    splits_of,
)
from flows.paths import RunPaths
from flows.terminal.styled import Styled
from flows.wording import duration, number, percent, repeated_ids, size

_INDENT = " " * 12  # of what stands beside the titles


def summarize(output: Location) -> str:
    """About twelve lines about a run. Raises DataError if no stage is finished."""
    return "\n".join(summary_lines(output))


def summary_lines(output: Location, seconds: Mapping[str, float] | None = None) -> list[str]:
    """The lines of `summarize`, with their styles.

    `seconds`: that the stages took which were made just now.
    """
    run = read_run(RunPaths(output))
    lines: list[str] = []
    if run.sentences:
        lines += _titled("sentences", _describe_sentences(run.sentences))
        if run.sentences.counts["documents_rejected"]:
            lines += _titled("rejected", ["each with its reason in sentences/rejected-*.arrow"])
    if run.vocab:
        lines += _titled("vocabulary", _describe_vocabulary(run.vocab))
    if run.examples:
        lines += _titled("examples", _describe_examples(run.examples))
    if run.results:
        lines += _titled("model", describe_results(run.results, nsp_baseline(run)))
    if seconds:
        lines += _titled("time", [_describe_seconds(seconds)])
    lines += _titled("files", [_where(run)])
    lines += _titled("next", _next_commands(run))
    return lines


def describe_made(manifest: Manifest) -> str:
    """What a finished stage made, in a few words; "" where its manifest does not say."""
    counts = manifest.counts
    with contextlib.suppress(LookupError):
        match manifest.format.removeprefix("bertdata-"):
            case "sentences":
                documents = number(counts["documents_written"])
                return f"{documents} documents, {number(counts['sentences'])} sentences"
            case "vocab":
                return f"{number(counts['pieces'])} pieces"
            case "examples":
                return f"{_count_examples(manifest)} examples in {len(manifest.shards)} shards"
            case "model":
                return f"{number(counts['steps'])} steps"
    return ""


def describe_results(results: Results, baseline: float | None = None) -> Iterator[str]:
    """What training reached on the validation split, in words; `baseline`: see `nsp_baseline`."""
    amounts = {
        "parameters": results.parameters,
        "steps": results.steps,
        "tokens": results.tokens,
    }
    facts = [f"{number(count)} {name}" for name, count in amounts.items() if count is not None]
    exported = results.exported_step
    if exported is not None and exported != results.steps:
        facts.append(f"the best, of step {number(exported)}, exported")
    yield ", ".join(facts)
    if results.mlm_loss is None:
        yield "no validation examples to evaluate it on"
        return
    yield from _describe_loss(results, results.mlm_loss)
    if accuracies := list(_describe_accuracies(results, baseline)):
        yield ", ".join(accuracies)


def _describe_loss(results: Results, loss: float) -> Iterator[str]:
    line = f"validation MLM loss {loss:.2f} nats"
    unigram, error = results.unigram_loss, results.below_unigram_error
    if unigram is None:
        yield line
        return
    side = "below" if loss < unigram else "ABOVE"
    margin = f"{abs(unigram - loss):.2f}{'' if error is None else f' ± {error:.2f}'}"
    yield f"{line}, {margin} {side} the {unigram:.2f} of the training pieces' frequencies alone"
    if not results.is_reliable:
        yield f"{too_few(results)}: raise [examples] validation_fraction"


def _describe_accuracies(results: Results, baseline: float | None) -> Iterator[str]:
    if results.mlm_accuracy is not None:
        yield f"MLM accuracy {percent(results.mlm_accuracy)}"
    if results.nsp_accuracy is not None:
        always = "" if baseline is None else f" (always the same answer: {percent(baseline)})"
        yield f"NSP accuracy {percent(results.nsp_accuracy)}{always}"


def too_few(results: Results) -> str:
    """A message: the validation losses of these results mean little."""
    documents = results.validation_documents
    pieces = f"{number(results.validation_pieces)} of {number(documents)}"
    found = f"{pieces} document{'' if documents == 1 else 's'}"
    return f"too few validation pieces for this difference to mean much ({found})"


def _describe_rejected(counts: Table) -> str:
    """ "3 rejected (2 empty, 1 invalid_utf8)"."""
    reasons = ", ".join(f"{number(n)} {reason}" for reason, n in counts["rejected"].items())
    return f"{number(counts['documents_rejected'])} rejected{f' ({reasons})' if reasons else ''}"


def _describe_sentences(manifest: Manifest) -> Iterator[str]:
    counts = manifest.counts
    documents = f"{number(counts['documents_written'])} of {number(counts['documents_read'])}"
    yield (
        f"{documents} documents, {_describe_rejected(counts)}; "
        f"{number(counts['sentences'])} sentences, {size(counts['text_bytes'])}"
    )
    if repeated := counts.get("repeated_ids"):
        yield repeated_ids(repeated)


def _describe_vocabulary(manifest: Manifest) -> Iterator[str]:
    counts = manifest.counts
    line = f"{number(counts['pieces'])} pieces"
    if "words" in counts:
        line += (
            f" from {number(counts['words'])} words, {number(counts['distinct_words'])} distinct"
        )
    yield line


def _describe_examples(manifest: Manifest) -> Iterator[str]:
    total = sum(shard.bytes for shard in manifest.shards)
    yield f"{_count_examples(manifest)} in {len(manifest.shards)} shards, {size(total)}"
    shares = shares_of(manifest, splits_of(manifest)[0])
    facts = [f"{shares['mean_length']:.0f} pieces on average"]
    if is_dynamic(manifest):
        facts.append("masked by the reader")
    else:
        kinds = " / ".join(percent(shares[key]) for key in ("masked", "kept", "replaced"))
        facts.append(f"{percent(shares['predicted'])} predicted ([MASK] / kept / replaced {kinds})")
    if config_of(manifest).next_sentence:
        facts.append(f"B random in {percent(shares['random_next'])}")
    yield ", ".join(facts)


def _count_examples(manifest: Manifest) -> str:
    """ "144,508 train, 2,363 validation"."""
    counts = manifest.counts
    return ", ".join(
        f"{number(counts[split]['examples'])} {split}" for split in splits_of(manifest)
    )


def _describe_seconds(seconds: Mapping[str, float]) -> str:
    parts = ", ".join(f"{stage} {duration(taken)}" for stage, taken in seconds.items())
    return f"{duration(sum(seconds.values()))}: {parts}" if len(seconds) > 1 else parts


def _where(run: FinishedRun) -> str:
    report = run.paths.report
    return f"{run.paths.output}{f', {report.name} shows it all' if exists(report) else ''}"


def _next_commands(run: FinishedRun) -> Iterator[str]:
    output = shlex.quote(str(run.paths.output))
    if run.examples:
        yield f"bertdata inspect {output}"
    yield f"bertdata verify {output}"
    if run.results:
        model = shlex.quote(str(run.paths.model))
        yield f'bertdata fill-mask --model {model} "The capital of France is [MASK]."'


def _titled(title: str, lines: Iterable[str]) -> list[str]:
    return [
        Styled((f"{title if n == 0 else '':<{len(_INDENT)}}", "bold"), (line, ""))
        for n, line in enumerate(lines)
    ]

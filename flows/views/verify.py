"""`bertdata verify`: read everything in a run's folder again and check it.

`bertdata.checks.verification` checks each stage alone; this module, that they belong together.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bertdata.checks.verification import (
    Verified,
    differences,
    verify_examples,
    verify_files,
    verify_sentences,
    verify_vocabulary,
)
from bertdata.errors import BertdataError, VocabularyError
from bertdata.processes.temporary_folders import temporary_folder
from bertdata.storage.files import exists, is_file, is_folder, open_file, read_bytes, size_of
from bertdata.storage.locations import Location, locate
from bertdata.storage.manifest import FILE_NAME, Manifest, is_complete, read_manifest
from bertdata.storage.shards import first_line
from bertdata.tokens.vocabulary import read_vocabulary
from flows.paths import RunPaths
from flows.wording import printable

_STAGES = ("sentences", "vocab", "examples", "model")

_MAX_HEADER_BYTES = 100 << 20  # safetensors' own limit
_MODEL_FILES = ("config.json", "model.safetensors", "vocab.txt", "results.json")


def verify(folder: str | Location) -> list[str]:
    """Problems in the folder of a run or of one stage, one line each; empty if it is OK."""
    folder = locate(folder)
    if not is_folder(folder):
        findings = [f"{folder}: there is no such folder"]
    elif any(is_folder(folder / stage) for stage in _STAGES):
        findings = list(_verify_run(RunPaths(folder)))
    else:
        findings = list(_verify_stage(folder))
    return [printable(finding) for finding in findings]


def _verify_stage(folder: Location) -> Iterator[str]:
    if is_complete(folder):
        try:
            kind = read_manifest(folder).format
        except BertdataError as error:
            yield str(error)
            return
        if kind in _CHECKS:
            yield from _CHECKS[kind](folder).findings
        else:
            yield f"{folder / FILE_NAME}: format is {kind!r}, which this program does not know"
    elif exists(folder / "model.safetensors"):
        yield from _verify_model(folder).findings
    elif exists(folder / ".progress"):
        yield f"{folder}: is not complete; the same command continues it"
    else:
        yield f"{folder}: holds no stage of a run (no {FILE_NAME})"


def _verify_run(paths: RunPaths) -> Iterator[str]:
    yield from _missing_stages(paths)
    punkt = _if_there(paths.punkt, _verify_punkt)
    yield from punkt.findings
    sentences = _if_there(paths.sentences, verify_sentences)
    vocab = _if_there(paths.vocab, verify_vocabulary)
    examples = _if_there(
        paths.examples, lambda folder: verify_examples(folder, sentences.document_ids)
    )
    model = _if_there(paths.model, _verify_model)
    for stage in (sentences, vocab, examples, model):
        yield from stage.findings
    yield from _check_chain(sentences, vocab, examples)
    if is_folder(paths.model):
        yield from _check_model_origin(model, vocab, examples)


def _missing_stages(paths: RunPaths) -> Iterator[str]:
    """A missing stage is a problem if a later one is there."""
    present = [is_folder(paths.output / stage) for stage in _STAGES]
    for number, stage in enumerate(_STAGES):
        if not present[number] and any(present[number:]):
            later = _STAGES[present.index(True, number)]
            yield f"{paths.output / stage}: is missing, though {later}/ was made from it"


def _if_there(folder: Location, check: Callable[[Location], Verified]) -> Verified:
    return check(folder) if is_folder(folder) else Verified(folder=folder)


def _check_chain(sentences: Verified, vocab: Verified, examples: Verified) -> Iterator[str]:
    """Each stage names its inputs; they must be the stages beside it."""
    if sentences.manifest:
        content = sentences.manifest.content_sha256
        for stage in (vocab, examples):
            yield from _compare_input(stage, ("sentences", "content_sha256"), content, "sentences/")
    if vocab.vocabulary:
        fingerprint, size = vocab.vocabulary.fingerprint, vocab.vocabulary.size
        where = "vocab/vocab.txt"
        yield from _compare_input(examples, ("vocabulary", "sha256"), fingerprint, where)
        yield from _compare_input(examples, ("vocabulary", "size"), size, where)
        special = vocab.vocabulary.special
        for name in special.__dataclass_fields__:
            key = ("vocabulary", "special", name)
            yield from _compare_input(examples, key, getattr(special, name), where)


def _compare_input(
    stage: Verified, keys: tuple[str, ...], found: object, where: str
) -> Iterator[str]:
    said = _input(stage.manifest, keys)
    if said is not None and said != found:
        name = ".".join(keys)
        path = stage.folder / FILE_NAME
        yield f"{path}: was made from {name} {_brief(said)}, {where} has {_brief(found)}"


def _input(manifest: Manifest | None, keys: tuple[str, ...]) -> object:
    table: object = manifest.inputs if manifest else None
    for key in keys:
        table = table.get(key) if isinstance(table, Mapping) else None
    return table


def _verify_punkt(folder: Location) -> Verified:
    return verify_files(folder, "bertdata-punkt")


def _verify_export(folder: Location) -> Verified:
    return verify_files(folder, read_manifest(folder).format)


def _verify_model(folder: Location) -> Verified:
    """Check a `model/` folder. One trained without a run has no manifest and no checksums."""
    stage = Verified(folder=folder)
    if is_complete(folder):
        stage = verify_files(folder, "bertdata-model")
    missing = [name for name in _MODEL_FILES if not is_file(folder / name)]
    if missing:
        stage.findings.append(
            f"{folder}: is not complete (no {missing[0]}); the same command continues it"
        )
        return stage
    stage.findings += _check_weights(folder / "model.safetensors")
    stage.findings += _check_results(folder / "results.json", stage.manifest)
    stage.findings += _check_metrics(folder / "metrics.jsonl")
    stage.findings += _check_model_vocabulary(folder)
    return stage


def _check_model_vocabulary(folder: Location) -> Iterator[str]:
    config, problem = _read_json(folder / "config.json")
    try:
        size = read_vocabulary(folder / "vocab.txt").size
    except VocabularyError as error:
        yield str(error)
        return
    if problem:
        yield problem
    # A model that started from a given one may have spare rows.
    elif not isinstance(rows := config.get("vocab_size"), int) or rows < size:
        path = folder / "config.json"
        yield f"{path}: vocab_size is {config.get('vocab_size')}, vocab.txt has {size} pieces"


def _check_model_origin(model: Verified, vocab: Verified, examples: Verified) -> Iterator[str]:
    """The model must have been trained on these examples, and with this vocabulary."""
    folder = model.folder
    if not model.manifest and not model.findings:
        yield f"{folder}: is not complete (no {FILE_NAME}); the same command continues it"
    run, problem = _read_json(folder / "run.json") if exists(folder / "run.json") else ({}, "")
    if problem:
        yield problem
    said: list[tuple[str, object, object, str]] = []
    if examples.manifest:
        content = examples.manifest.content_sha256
        yield from _compare_input(model, ("examples", "content_sha256"), content, "examples/")
        said.append(("run.json", run.get("examples", content), content, "examples/"))
    if vocab.vocabulary:
        fingerprint = vocab.vocabulary.fingerprint
        said.append(("run.json", run.get("vocabulary", fingerprint), fingerprint, "vocab/"))
        said.append(("vocab.txt", _fingerprint(folder, fingerprint), fingerprint, "vocab/"))
    for name, value, found, where in said:
        if value != found:
            yield f"{folder / name}: belongs to {_brief(value)}, {where} has {_brief(found)}"


def _fingerprint(folder: Location, default: str) -> str:
    try:
        return read_vocabulary(folder / "vocab.txt").fingerprint
    except VocabularyError:
        return default  # _verify_model reports it


def _check_weights(path: Location) -> Iterator[str]:
    """Check a safetensors file: a readable header, and tensors that fill the rest exactly."""
    from safetensors import SafetensorError, safe_open

    try:
        with _header_only(path) as file, safe_open(file, framework="numpy"):
            pass
    except (SafetensorError, OSError) as error:
        yield f"{path}: is not a complete safetensors file ({first_line(error)}); train again"


@contextlib.contextmanager
def _header_only(location: Location) -> Iterator[Path]:
    """A file of this machine with the header and the size of the weights; of a path, itself.

    The rest, which is not read to check the header, is a hole that takes no room on the disk.
    """
    if isinstance(location, Path):
        yield location
        return
    with temporary_folder() as folder:
        copy = folder / location.name
        with open_file(location) as file, copy.open("wb") as target:
            target.write(length := file.read(8))
            target.write(file.read(min(int.from_bytes(length, "little"), _MAX_HEADER_BYTES)))
            target.truncate(size_of(location))
        yield copy


def _check_results(path: Location, manifest: Manifest | None) -> Iterator[str]:
    """Numbers must be finite and the same as in the manifest."""
    results, problem = _read_json(path)
    if problem:
        yield problem
        return
    for name, value in results.items():
        if isinstance(value, float) and not math.isfinite(value):
            yield f"{path}: {name} is {value}"
    if manifest:
        for line in differences(manifest.counts, results, "counts"):
            yield f"{path.with_name(FILE_NAME)}: {line}"


def _check_metrics(path: Location) -> Iterator[str]:
    if not is_file(path):
        yield f"{path}: missing"
        return
    for number, line in enumerate(read_bytes(path).splitlines(), start=1):
        try:
            has_step = isinstance(json.loads(line)["step"], int)
        except (ValueError, TypeError, KeyError, RecursionError):
            has_step = False
        if not has_step:
            yield f"{path}: line {number} is not a JSON object with a step"
            return


def _read_json(path: Location) -> tuple[dict[str, object], str]:
    """The object in a JSON file, and a line about it if it is not one."""
    try:
        table = json.loads(read_bytes(path))
    except (OSError, ValueError, RecursionError) as error:
        return {}, f"{path}: is damaged ({first_line(error)})"
    return (table, "") if isinstance(table, dict) else ({}, f"{path}: is not a JSON object")


def _brief(value: object) -> str:
    text = str(value)
    return text if len(text) <= 16 else f"{text[:12]}…"


_CHECKS: Mapping[str, Callable[[Location], Verified]] = {
    "bertdata-sentences": verify_sentences,
    "bertdata-vocab": verify_vocabulary,
    "bertdata-examples": verify_examples,
    "bertdata-model": _verify_model,
    "bertdata-tfrecord": _verify_export,
    "bertdata-parquet": _verify_export,
    "bertdata-mds": _verify_export,
}

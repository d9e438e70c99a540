"""One TOML a run: read strictly, overridden key by key, shown with every default."""

from __future__ import annotations

import codecs
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from bertdata.cleaning.cleaner import CleaningConfig
from bertdata.config import read_table, to_table, unknown_key
from bertdata.corpus.config import CorpusConfig, check_corpora
from bertdata.errors import ConfigError
from bertdata.examples.make import ExamplesConfig
from bertdata.sentences.splitter import SentencesConfig
from bertdata.storage.shards import first_line
from pipelines.options import RunnerConfig
from trainer.pretraining.config import TrainConfig
from vocab.config import VocabConfig

DEMO_CONFIG = Path(__file__).with_name("demo.toml")


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConfig:
    """Everything a run depends on; see the README for each key."""

    seed: int = 12345
    corpus: tuple[CorpusConfig, ...] = ()
    cleaning: CleaningConfig = field(default_factory=CleaningConfig)
    sentences: SentencesConfig = field(default_factory=SentencesConfig)
    vocab: VocabConfig = field(default_factory=VocabConfig)
    examples: ExamplesConfig = field(default_factory=ExamplesConfig)
    runner: RunnerConfig = field(default_factory=RunnerConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


def load_config(path: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a configuration file; `overrides` are "table.key=value" with values as in TOML.

    Raises ConfigError: no file, no TOML, an unknown key, a value that cannot be.
    """
    table = _read_toml(path)
    for override in overrides:
        _set(table, override)
    config = _read_run(table)
    check_corpora(config.corpus)
    return _anchor(config, path.parent)


def _read_toml(path: Path) -> dict[str, Any]:
    """The table in a TOML file. Raises ConfigError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"cannot read configuration {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is {_what_it_is(error)}; save it as UTF-8") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not TOML: {first_line(error)}") from error


def _what_it_is(error: UnicodeDecodeError) -> str:
    """What a text that is not UTF-8 seems to be."""
    if error.object.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "UTF-16 or UTF-32"
    line = error.object.count(b"\n", 0, error.start) + 1
    return f"not UTF-8 (line {line}: {error.reason})"


def to_toml(config: RunConfig) -> str:
    """The complete configuration as TOML.

    Keys without a value are comments that say what leaving them out means; so is the table of a
    corpus where there is none.
    """
    lines = [f"seed = {config.seed}"]
    for corpus in config.corpus:
        lines += ["", "[[corpus]]", *_lines("corpus", corpus)]
    if not config.corpus:
        example = CorpusConfig(name="articles", format="text", paths=("*.txt",))
        lines += ["", "# [[corpus]]", *(f"# {line}" for line in _lines("corpus", example))]
    for name in _TABLES:
        lines += ["", f"[{name}]", *_lines(name, getattr(config, name))]
    return "\n".join(lines) + "\n"


def _read_run(table: Mapping[str, Any]) -> RunConfig:
    """Read table by table, so that messages name the table as the file does."""
    names = {run_field.name: run_field for run_field in fields(RunConfig)}
    for key in table:
        if key not in names:
            raise unknown_key(key, names, "the configuration")
    values: dict[str, Any] = {}
    for name, kind in _TABLES.items():
        if name in table:
            if not isinstance(table[name], Mapping):
                raise ConfigError(f"[{name}] must be a table, got {table[name]!r}")
            values[name] = read_table(kind, table[name], f"[{name}]")
    corpora = table.get("corpus", [])
    if not isinstance(corpora, list):
        raise ConfigError("[[corpus]] must be written with two brackets: there can be several")
    values["corpus"] = tuple(read_table(CorpusConfig, corpus, "[[corpus]]") for corpus in corpora)
    if not isinstance(table.get("seed", 0), int):
        raise ConfigError(f"seed must be an integer, got {table['seed']!r}")
    return RunConfig(seed=table.get("seed", RunConfig().seed), **values)


def _set(table: dict[str, Any], override: str) -> None:
    """Put one "examples.max_seq_length=512" into the table; "corpus.0.paths" reaches into lists."""
    name, equals, text = override.partition("=")
    if not equals or not name:
        raise ConfigError(f"--set wants table.key=value, got {override!r}")
    *parents, key = name.strip().split(".")
    target: Any = table
    for parent in parents:
        target = _descend(target, parent, override)
    if not isinstance(target, dict):
        raise ConfigError(f"--set {override}: {name} is no key of a table")
    target[key] = _parse_value(text.strip())


def _descend(target: Any, parent: str, override: str) -> Any:
    if isinstance(target, dict):
        return target.setdefault(parent, {})
    if isinstance(target, list) and parent.isdigit() and int(parent) < len(target):
        return target[int(parent)]
    raise ConfigError(f"--set {override}: there is no {parent!r}")


def _parse_value(text: str) -> Any:
    """A TOML value; what is none is taken as a string, so that quotes need no quoting."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _anchor(config: RunConfig, base: Path) -> RunConfig:
    """Make file names in the configuration start from its folder."""
    table = to_table(config)
    for name, key in (
        ("cleaning", "block_list"),
        ("cleaning", "bad_words"),
        ("vocab", "file"),
        ("train", "init_from"),
        ("train", "phase2_examples"),
    ):
        if key in table[name]:
            table[name][key] = str(base.absolute() / Path(table[name][key]).expanduser())
    return _read_run(table)


def _lines(table: str, config: Any) -> list[str]:
    """A line for each field of a table's configuration."""
    values = to_table(config)
    return [
        f"{key.name} = {_toml(values[key.name])}"
        if key.name in values
        else f"# {key.name} is left out: {_WITHOUT.get((table, key.name), 'it is not used')}"
        for key in fields(config)
    ]


def _toml(value: Any) -> str:
    # JSON's strings, numbers, booleans and lists are TOML's too.
    return json.dumps(value, ensure_ascii=False)


_TABLES: Mapping[str, type] = {
    "cleaning": CleaningConfig,
    "sentences": SentencesConfig,
    "vocab": VocabConfig,
    "examples": ExamplesConfig,
    "runner": RunnerConfig,
    "train": TrainConfig,
}
# What it means to leave a key out that has no default value.
_WITHOUT: Mapping[tuple[str, str], str] = {
    ("cleaning", "bad_words"): "no document is rejected for its words",
    ("cleaning", "block_list"): "only what `blocked` names is rejected",
    ("vocab", "strip_accents"): "as lowercase, BERT's rule",
    ("vocab", "file"): "a vocabulary is trained",
    ("train", "num_layers"): "as `model` says",
    ("train", "hidden_size"): "as `model` says",
    ("train", "num_heads"): "one for every 64 of hidden_size",
    ("train", "intermediate_size"): "four times hidden_size",
    ("train", "attention_dropout"): "as dropout",
    ("train", "init_from"): "training starts from random parameters",
    ("train", "phase2_examples"): "there is one phase",
    ("train", "phase2_batch_size"): "as batch_size",
    ("train", "warmup_steps"): "as warmup_fraction says",
}

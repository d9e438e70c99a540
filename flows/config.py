"""The configuration of a run: one TOML file, read strictly, and shown with every default."""

from __future__ import annotations

import codecs
import json
import textwrap
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bertdata.cleaning.cleaner import CleaningConfig
from bertdata.config import key_docs, keys, read_table, to_table, unknown_key
from bertdata.corpus.config import CorpusConfig, check_corpora
from bertdata.errors import ConfigError
from bertdata.examples.config import ExamplesConfig
from bertdata.sentences.splitter import SentencesConfig
from bertdata.storage.locations import locate
from bertdata.storage.shards import first_line
from flows.paths import RunPaths
from pipelines.options import RunnerConfig
from trainer.pretraining.config import TrainConfig
from vocab.config import VocabConfig

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_MAX_WIDTH = 98  # of comments

DEMO_CONFIG = Path(__file__).with_name("demo.toml")

_Toml = dict[str, object]  # a table of the file, which overrides change
_Part = TypeVar("_Part")
_SEE_KEYS = "name a key as `bertdata config` shows it"


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConfig:
    """Everything that the results of a run depend on; the README describes each key."""

    seed: int = 12345
    corpus: tuple[CorpusConfig, ...] = ()
    cleaning: CleaningConfig = field(default_factory=CleaningConfig)
    sentences: SentencesConfig = field(default_factory=SentencesConfig)
    vocab: VocabConfig = field(default_factory=VocabConfig)
    examples: ExamplesConfig = field(default_factory=ExamplesConfig)
    runner: RunnerConfig = field(default_factory=RunnerConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One run. `base`: the folder that paths of corpora start from. `paths`: its output."""

    config: RunConfig
    base: Path
    paths: RunPaths


def load_config(path: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a configuration file. `overrides`: "table.key=value", with values as in TOML.

    File names in the result start from the folder of the configuration.
    Raises ConfigError: no such file, not TOML, an unknown key, a value that is not allowed.
    """
    table = _read_toml(path)
    for override in overrides:
        _set(table, override)
    _anchor(table, path.parent)
    config = read_config(table)
    check_corpora(config.corpus)
    return config


def read_config(table: Mapping[str, object]) -> RunConfig:
    """The configuration in a table such as TOML or JSON holds. Raises ConfigError.

    It is read part by part, so that messages name the parts as the file does.
    """
    names = {run_field.name: run_field for run_field in fields(RunConfig)}
    for key in table:
        if key not in names:
            raise unknown_key(key, names, "the configuration")
    seed = table.get("seed", RunConfig().seed)
    if not isinstance(seed, int):
        raise ConfigError(f"seed must be an integer, got {seed!r}")
    return RunConfig(
        seed=seed,
        corpus=_read_corpora(table.get("corpus", [])),
        cleaning=_read_part(table, "cleaning", CleaningConfig),
        sentences=_read_part(table, "sentences", SentencesConfig),
        vocab=_read_part(table, "vocab", VocabConfig),
        examples=_read_part(table, "examples", ExamplesConfig),
        runner=_read_part(table, "runner", RunnerConfig),
        train=_read_part(table, "train", TrainConfig),
    )


def to_toml(config: RunConfig) -> str:
    """The complete configuration as TOML.

    A key without a value is shown as a comment that says what leaving it out means. Without
    corpora, an example of [[corpus]] is shown as comments.
    """
    lines = [f"seed = {config.seed}"]
    for corpus in config.corpus:
        lines += ["", "[[corpus]]", *_lines("corpus", corpus)]
    if not config.corpus:
        example = CorpusConfig(name="articles", format="text", paths=("*.txt",))
        lines += ["", "# [[corpus]]", *(f"# {line}" for line in _lines("corpus", example))]
    for name in PARTS:
        lines += ["", f"[{name}]", *_lines(name, getattr(config, name))]
    return "\n".join(lines) + "\n"


def all_keys() -> list[str]:
    """Each key that `--set` takes, such as "vocab.size"; those of corpora need their number."""
    return ["seed", *(f"{name}.{key}" for name, part in PARTS.items() for key in keys(part))]


def meaning_without(part: str, key: str) -> str:
    """What leaving out a key without a default means."""
    return _WITHOUT.get((part, key), "it is not used")


def _read_toml(path: Path) -> _Toml:
    """The table in a TOML file. Raises ConfigError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        is_missing = isinstance(error, FileNotFoundError)
        way_out = "`bertdata init PATH` writes one" if is_missing else "name one that you may read"
        problem = f"cannot read configuration {path}: {error.strerror}; {way_out}"
        raise ConfigError(problem) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is {_name_encoding(error)}; save it as UTF-8") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not TOML: {first_line(error)}; correct it there") from error


def _name_encoding(error: UnicodeDecodeError) -> str:
    """What the encoding of a text that is not UTF-8 seems to be."""
    if error.object.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "UTF-16 or UTF-32"
    line = error.object.count(b"\n", 0, error.start) + 1
    return f"not UTF-8 (line {line}: {error.reason})"


def _read_part(table: Mapping[str, object], name: str, kind: type[_Part]) -> _Part:
    part = table.get(name, {})
    if not isinstance(part, Mapping):
        raise ConfigError(f"[{name}] must be a table, got {part!r}")
    return read_table(kind, part, f"[{name}]")


def _read_corpora(corpora: object) -> tuple[CorpusConfig, ...]:
    if not isinstance(corpora, list):
        raise ConfigError("[[corpus]] must be written with two brackets: there can be several")
    return tuple(read_table(CorpusConfig, corpus, "[[corpus]]") for corpus in corpora)


def _set(table: _Toml, override: str) -> None:
    """Put "examples.max_seq_length=512" into the table; "corpus.0.paths" reaches into lists."""
    name, equals, text = override.partition("=")
    if not equals or not name:
        raise ConfigError(f"--set must be table.key=value, got {override!r}")
    *parents, key = name.strip().split(".")
    target: object = table
    for parent in parents:
        target = _descend(target, parent, override)
    if not isinstance(target, dict):
        raise ConfigError(f"--set {override}: {name} is not a key of a table; {_SEE_KEYS}")
    target[key] = _parse_value(text.strip())


def _descend(target: object, parent: str, override: str) -> object:
    if isinstance(target, dict):
        return target.setdefault(parent, {})
    if isinstance(target, list) and parent.isdigit() and int(parent) < len(target):
        return target[int(parent)]
    raise ConfigError(f"--set {override}: there is no {parent!r}; {_SEE_KEYS}")


def _parse_value(text: str) -> object:
    """A TOML value; any other text is taken as a string, so that it needs no quotes."""
    try:
        value: object = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return value


def _anchor(table: _Toml, base: Path) -> None:
    """Make file names in the table start from `base`; addresses are left alone."""
    for name, key in _FILE_KEYS:
        part = table.get(name)
        if isinstance(part, dict) and isinstance(file := part.get(key), str):
            found = locate(file)
            if isinstance(found, Path):
                part[key] = str(base.absolute() / found.expanduser())


def _lines(part: str, config: DataclassInstance) -> list[str]:
    """The lines of each key of a table's configuration: its sentence, its value."""
    values, docs = to_table(config), key_docs(type(config))
    lines: list[str] = []
    for key in keys(type(config)):
        lines += [
            f"# {line}"
            for line in textwrap.wrap(docs.get(key, ""), _MAX_WIDTH, break_on_hyphens=False)
        ]
        lines.append(
            f"{key} = {_toml(values[key])}"
            if key in values
            else f"# {key} is left out: {meaning_without(part, key)}"
        )
    return lines


def _toml(value: object) -> str:
    # JSON's strings, numbers, booleans and lists are TOML's too.
    return json.dumps(value, ensure_ascii=False)


PARTS: Mapping[str, type] = {
    "cleaning": CleaningConfig,
    "sentences": SentencesConfig,
    "vocab": VocabConfig,
    "examples": ExamplesConfig,
    "runner": RunnerConfig,
    "train": TrainConfig,
}
_FILE_KEYS = (
    ("cleaning", "block_list"),
    ("cleaning", "bad_words"),
    ("vocab", "file"),
    ("train", "init_from"),
    ("train", "phase2_examples"),
)
# What leaving a key out means, for keys without a default value.
_WITHOUT: Mapping[tuple[str, str], str] = {
    ("cleaning", "bad_words"): "no document is rejected for its words",
    ("cleaning", "block_list"): "only what `blocked` names is rejected",
    ("vocab", "strip_accents"): "as lowercase, BERT's rule",
    ("vocab", "file"): "a vocabulary is trained",
    ("runner", "spill"): "in the output folder for `direct`, otherwise in the runner",
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

"""One TOML a run: defaults, overrides, and one line for every mistake."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from bertdata.config import key_fields, keys
from bertdata.corpus.config import CorpusConfig
from bertdata.errors import BertdataError, ConfigError
from flows.config import (
    _WITHOUT,
    DEMO_CONFIG,
    PARTS,
    RunConfig,
    load_config,
    to_toml,
)

MINIMAL = '[[corpus]]\nname = "a"\nformat = "text"\npaths = ["*.txt"]\n'


def load(folder: Path, text: str, *overrides: str) -> RunConfig:
    path = folder / "run.toml"
    path.write_text(text)
    return load_config(path, overrides)


def test_defaults_are_those_of_the_original(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL)
    examples = config.examples
    assert (config.seed, config.vocab.size) == (12345, 30522)
    assert (examples.max_seq_length, examples.dupe_factor) == (128, 10)
    assert (examples.short_seq_prob, examples.masked_lm_prob) == (0.1, 0.15)
    assert (examples.max_predictions_per_seq, examples.masking) == (20, "static")


def test_the_complete_configuration_reads_back_as_the_same(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL + '[vocab]\nsize = 99\n[train]\nmodel = "mini"\n')
    text = to_toml(config)
    assert tomllib.loads(text)["train"]["model"] == "mini"
    assert load(tmp_path, text) == config


def test_training_is_as_its_page_says(tmp_path: Path) -> None:
    page = Path(__file__).parents[2].joinpath("docs", "training.md").read_text(encoding="utf-8")
    (block,) = [b for b in page.split("```") if b.startswith("toml") and "batch_tokens" in b]
    config = load(tmp_path, MINIMAL + block.removeprefix("toml"))
    assert (config.train.model.model, config.train.length.tokens) == ("base", 3_000_000_000)


def test_the_files_of_training_start_from_the_folder_of_the_configuration(tmp_path: Path) -> None:
    lines = '[train]\ninit_from = "bert"\nphase2_examples = "runs/long/examples"\n'
    config = load(tmp_path, MINIMAL + lines)
    assert config.train.model.init_from == str(tmp_path / "bert")
    assert config.train.batches.phase2_examples == str(tmp_path / "runs/long/examples")


def test_the_demo_is_valid() -> None:
    assert load_config(DEMO_CONFIG).corpus[0].format == "demo"


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("examples.max_seq_length=512", 512),
        ("examples.masking=dynamic", "dynamic"),
        ('examples.masking="dynamic"', "dynamic"),
        ("examples.next_sentence = false", False),
        ("corpus.0.name=b", "b"),
        ('corpus.0.paths=["x", "y"]', ("x", "y")),
        ("seed=3", 3),
    ],
)
def test_overrides(override: str, value: object, tmp_path: Path) -> None:
    config: object = load(tmp_path, MINIMAL, override)
    for key in override.partition("=")[0].strip().split("."):
        config = config[0] if key == "0" else getattr(config, key)  # type: ignore[index]
    assert config == value


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        ("", [], r"there is no \[\[corpus\]\]"),
        ("seed = \n", [], r"run\.toml is not TOML: .*line 1"),
        (MINIMAL + "[exmples]\n", [], "no key 'exmples'; did you mean 'examples'"),
        (MINIMAL + "[examples]\nmax_sequence_length = 9\n", [], "did you mean 'max_seq_length'"),
        ("examples = 1\n" + MINIMAL, [], r"\[examples\] must be a table"),
        ('[corpus]\nname = "a"\n', [], "two brackets"),
        ('seed = "1"\n' + MINIMAL, [], "seed must be an integer"),
        (MINIMAL + MINIMAL, [], "two corpora are named 'a'"),
        (MINIMAL, ["examples"], "--set must be table.key=value"),
        (MINIMAL, ["corpus.7.name=x"], "there is no '7'"),
        (MINIMAL, ["corpus.1.name=x"], "there is no '1'"),
        (MINIMAL, ["corpus=x"], "two brackets"),
        (MINIMAL, ["examples.max_seq_length=many"], "must be an integer, got 'many'"),
    ],
)
def test_mistakes_are_one_line(
    text: str, overrides: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(BertdataError, match=message) as caught:
        load(tmp_path, text, *overrides)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"cannot read .*: No such file .*; `bertdata init PATH` writes"
    ):
        load_config(tmp_path / "none.toml")


def test_file_names_start_from_the_configuration(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL + '[vocab]\nfile = "v.txt"\n')
    assert config.vocab.file == str(tmp_path / "v.txt")


def test_file_names_stay_what_they_are_in_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    config = load(Path("here"), MINIMAL + '[vocab]\nfile = "v.txt"\n')
    assert config.vocab.file == str(tmp_path / "here" / "v.txt")


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert load_config(path) == load(tmp_path, MINIMAL)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (MINIMAL.encode("utf-16"), "is UTF-16 or UTF-32; save it as UTF-8"),
        (b"\xfe\xff" + MINIMAL.encode("utf-16-be"), "is UTF-16 or UTF-32; save it as UTF-8"),
        (b'seed = 1\n# "caf\xe9"\n', r"is not UTF-8 \(line 2: .*\); save it as UTF-8"),
    ],
)
def test_other_encodings_are_named(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_every_key_of_every_table_is_shown(tmp_path: Path) -> None:
    for config in (RunConfig(), load(tmp_path, MINIMAL)):
        text = to_toml(config)
        for table in ("corpus", *PARTS):
            kind = PARTS.get(table, CorpusConfig)
            (shown,) = re.findall(rf"^(?:# )?\[+{table}\]+\n((?:.+\n)*)", text, re.MULTILINE)
            names = re.findall(r"^(?:# )?(\w+) (?:=|is left out: .)", shown, re.MULTILINE)
            assert names == keys(kind)
    assert load(tmp_path, text) == config


@pytest.mark.parametrize("table", PARTS)
def test_every_key_without_a_value_says_what_that_means(table: str) -> None:
    without = [key for key, (_, field) in key_fields(PARTS[table]).items() if field.default is None]
    described = [key for name, key in _WITHOUT if name == table]
    assert sorted(described) == sorted(without)


def test_a_key_that_has_a_value_is_shown_with_it(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL, "vocab.strip_accents=false")
    assert "\nstrip_accents = false\n" in to_toml(config)
    assert "\n# strip_accents is left out: as lowercase, BERT's rule\n" in to_toml(RunConfig())


def test_addresses_in_a_configuration_are_left_alone(tmp_path: Path) -> None:
    lines = """
    [[corpus]]
    name = "a"
    format = "text"
    paths = ["*"]
    [train]
    init_from = "s3://bucket/bert?region=eu-west-1"
    [vocab]
    file = "gs://bucket/vocab.txt"
    [cleaning]
    block_list = "file:///lists/block.txt"
    bad_words = "words.txt"
    """
    (tmp_path / "run.toml").write_text(lines)
    config = load_config(tmp_path / "run.toml")
    assert config.train.model.init_from == "s3://bucket/bert?region=eu-west-1"
    assert config.vocab.file == "gs://bucket/vocab.txt"
    assert config.cleaning.block_list == "/lists/block.txt"
    assert config.cleaning.bad_words == str(tmp_path / "words.txt")

"""The commands that write or show a configuration, and the option that overrides its keys."""

from __future__ import annotations

import tomllib
from argparse import ArgumentParser
from pathlib import Path

import pytest

from bertdata.storage.locations import Address, locate
from flows.cli import main
from flows.commands.configuration import add_set
from flows.commands.parser import make_parser
from flows.config import DEMO_CONFIG, RunConfig, load_config, to_toml
from tests.flows.guess.river_files import HTML, LINES, PROSE


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("texts").mkdir()


def test_overrides_are_kept_in_their_order() -> None:
    parser = ArgumentParser()
    add_set(parser)
    assert parser.parse_args([]).set == []
    given = ["--set", "seed=1", "--set=vocab.size=60", "--set", "seed=2"]
    assert parser.parse_args(given).set == ["seed=1", "vocab.size=60", "seed=2"]
    assert parser.parse_args([]).set == []  # not those of before


# init


def test_the_place_may_be_an_address() -> None:
    options = make_parser("init").parse_args(["init", "s3://bucket/texts"])
    assert isinstance(options.place, Address)
    assert (str(options.place), options.output) == ("s3://bucket/texts", None)
    assert make_parser("init").parse_args(["init", "texts"]).place == locate("texts")


def test_init_shows_what_it_found_and_the_next_command(capsys: pytest.CaptureFixture[str]) -> None:
    Path("texts/a.jsonl").write_text(LINES)
    Path("texts/page.html").write_text(HTML)
    assert main(["init", "texts"]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines() == [
        "jsonl         texts/*.jsonl: 1 file, 684 bytes: JSON objects",
        '              text_field = "content": 172 characters on average; other fields: title',
        '              id_field = "url": each record has another',
        "language      english: 62% of the words are frequent words of English",
        "left out      page.html: a web page; pages are read from WARC files",
        "written       texts.toml; look at it, then",
        "next          bertdata run texts.toml",
    ]
    assert main(["config", "texts.toml"]) == 0
    assert tuple(load_config(Path("texts.toml")).corpus[0].paths) == ("texts/*.jsonl",)


def test_init_writes_where_it_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    Path("texts/a.txt").write_text(PROSE)
    assert main(["init", "texts", "--output", "my texts.toml"]) == 0
    assert capsys.readouterr().out.endswith("next          bertdata run 'my texts.toml'\n")
    assert Path("my texts.toml").exists()
    assert not Path("texts.toml").exists()


# config


def test_config_shows_every_key_as_it_is_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", str(DEMO_CONFIG)]) == 0
    shown = capsys.readouterr().out
    assert shown == to_toml(load_config(DEMO_CONFIG))
    Path("again.toml").write_text(shown)
    assert main(["config", "again.toml"]) == 0
    assert capsys.readouterr().out == shown


def test_config_shows_overrides_the_last_of_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    overrides = ["--set", "seed=1", "--set", "examples.masking=dynamic", "--set", "seed=2"]
    assert main(["config", str(DEMO_CONFIG), *overrides]) == 0
    table = tomllib.loads(capsys.readouterr().out)
    assert (table["seed"], table["examples"]["masking"]) == (2, "dynamic")
    assert main(["config", str(DEMO_CONFIG), "--set", "seed"]) == 2
    assert capsys.readouterr() == ("", "bertdata: --set must be table.key=value, got 'seed'\n")


def test_config_without_a_file_shows_the_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config"]) == 0
    assert capsys.readouterr().out == to_toml(RunConfig())

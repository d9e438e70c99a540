"""The commands and programs of README and docs/, run as written on a small finished run."""

from __future__ import annotations

import bz2
import contextlib
import importlib.util
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bertdata.storage.locations import Address
from flows.cli import main
from flows.config import read_config
from flows.help.reference import configuration_page

ROOT = Path(__file__).parents[1]
README = ROOT.joinpath("README.md").read_text(encoding="utf-8")
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
}
ALL_TEXT = "\n".join(PAGES.values())
# The pages' sizes are for real corpora.
SMALL = {
    "vocab.size": 60,
    "examples.max_seq_length": 32,
    "examples.num_shards": 2,
    "examples.dupe_factor": 1,
    "examples.validation_fraction": 0.2,
    "train.hidden_size": 16,
    "train.num_layers": 1,
    "train.num_heads": 1,
    "train.steps": 2,
    "runner.workers": 1,
}
DUMP = "simplewiki-latest-pages-articles.xml.bz2"
WITH_CONFIGURATION = ("run", "sentences", "vocab", "examples", "train")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


def blocks(language: str) -> list[str]:
    """The blocks of all pages in a language, each once; README's first."""
    found = re.findall(rf"```{language}\n(.*?)```", ALL_TEXT, flags=re.DOTALL)
    return list(dict.fromkeys(found))


def commands(first_word: str) -> list[list[str]]:
    """The commands of all pages that begin with a program, each once."""
    lines = dict.fromkeys(line for block in blocks("sh") for line in block.splitlines())
    split = [shlex.split(line) for line in lines]
    named = [[Path(words[0]).name, *words[1:]] for words in split]
    return [words for words in _each_once(named) if words[0] == first_word]


def _each_once(lists: list[list[str]]) -> list[list[str]]:
    return [list(words) for words in dict.fromkeys(map(tuple, lists))]


@pytest.fixture(scope="module")
def folder(finished: Path, small_config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the pages' reader has it: runs/, my.toml and its text, a dump, labelled rows."""
    folder = tmp_path_factory.mktemp("readme")
    for name in ("demo", "trial", "wiki"):
        shutil.copytree(finished, folder / "runs" / name)
    (my,) = [block for block in blocks("toml") if block.startswith("# my.toml")]
    (folder / "my.toml").write_text(my)
    (folder / "text").mkdir()
    texts = {book.name: book.read_text() for book in (small_config.parent / "books").iterdir()}
    lines = [json.dumps({"id": name, "text": texts[name]}) for name in sorted(texts)]
    plain = folder / "text" / "a.jsonl"
    plain.write_text("\n".join(lines))
    subprocess.run(["gzip", str(plain)], check=True)
    (folder / DUMP).write_bytes(bz2.compress(_dump(texts).encode()))
    _write_small_files(folder)
    return folder


def _dump(texts: dict[str, str]) -> str:
    """A dump of a wiki with an article for each text."""
    pages = (
        f"<page><title>{title}</title><ns>0</ns><revision><text>{text}</text></revision></page>\n"
        for title, text in texts.items()
    )
    return f"<mediawiki>\n{''.join(pages)}</mediawiki>\n"


def _write_small_files(folder: Path) -> None:
    (folder / "text.txt").write_text("a b.\na.\n\nb a.\n")
    (folder / "lddl.txt").write_text("one a b. a.\ntwo b a.\n")
    rows = "".join(f"a b{'.' * i}\t{i % 2}\n" for i in range(20))
    (folder / "train.tsv").write_text(f"sentence\tlabel\n{rows}")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "."]
    (folder / "vocab.txt").write_text("\n".join(pieces))


@pytest.mark.usefixtures("trainer_in_process", "prefect_server")
@pytest.mark.parametrize("command", commands("bertdata"), ids=" ".join)
def test_bertdata_commands(
    command: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch, s3: Address
) -> None:
    monkeypatch.chdir(folder)
    if command[1:] == ["run", "wiki.toml"]:
        _remove("runs/wiki")
    _remove_output(command)
    arguments = [argument.replace("s3://bucket", str(s3)) for argument in command[1:]]
    if arguments[0] in WITH_CONFIGURATION:
        _write_configuration("wiki.toml", DUMP)
        for key, value in SMALL.items():
            arguments += ["--set", f"{key}={value}"]
    assert main(arguments) == 0


def _remove_output(command: list[str]) -> None:
    """Remove what a command writes and never replaces: another may have written it before."""
    if command[1] in ("init", "features", "finetune") or "runs/trial" in command:
        for option, output in itertools.pairwise(command):
            if option == "--output":
                _remove(output)


def _remove(path: str) -> None:
    if Path(path).is_dir():
        shutil.rmtree(path)
    Path(path).unlink(missing_ok=True)


def _write_configuration(name: str, place: str) -> None:
    if not Path(name).exists():
        assert main(["init", place, "--output", name]) == 0


@pytest.mark.parametrize("command", commands("python"), ids=" ".join)
def test_python_commands(command: list[str], folder: Path) -> None:
    arguments = [sys.executable, *command[1:]]
    if "trainer.pretrain" in arguments:
        arguments += ["--hidden-size=16", "--num-layers=1", "--num-heads=1", "--threads=1"]
    subprocess.run(arguments, cwd=folder, check=True, env=_environment())


@pytest.fixture(scope="module")
def vectors(folder: Path) -> None:
    """The file that the last program reads, as the command before it in the pages writes it."""
    (command,) = [line for line in commands("bertdata") if "vectors.arrow" in line]
    if not (folder / "vectors.arrow").exists():
        with contextlib.chdir(folder):
            assert main(command[1:]) == 0


@pytest.fixture(scope="module")
def exported(folder: Path) -> None:
    """The files that a program loads, as the command before it in the pages writes them."""
    with contextlib.chdir(folder):
        assert main(["export", "runs/demo", "--format", "parquet"]) == 0


@pytest.mark.usefixtures("vectors", "exported")
@pytest.mark.parametrize("program", blocks("python"))
def test_python_programs(
    program: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    exec(program, {"__name__": "__main__"})
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("block", blocks("toml"))
def test_configurations_are_read(block: str) -> None:
    read_config(tomllib.loads(block))


def test_programs_that_are_named_exist() -> None:
    modules = set(re.findall(r"python -m ((?:tests|trainer|bertdata|flows)[\w.]*)", ALL_TEXT))
    assert len(modules) > 8
    assert [name for name in sorted(modules) if importlib.util.find_spec(name) is None] == []


def test_the_two_commands_are_targets_of_make() -> None:
    makefile = ROOT.joinpath("Makefile").read_text()
    shown = re.findall(r"^\$ make (\w+)$", README, flags=re.MULTILINE)
    assert shown == ["demo", "test"]
    named = set(re.findall(r"`make (\w+)", ALL_TEXT)) | set(shown)
    assert all(re.search(rf"^{name}:", makefile, flags=re.MULTILINE) for name in named)


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) < 180


def test_the_page_of_keys_is_what_the_code_says() -> None:
    made = "\n".join(configuration_page()) + "\n"
    assert PAGES["docs/configuration.md"] == made, "make docs"


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page: str) -> None:
    """Between pages `make docs` checks them, too, and their places; the README is none of its."""
    links = re.findall(r"\]\(([^)#\s]+)", PAGES[page])
    links = [link for link in links if not re.match(r"\w+://", link)]
    folder = (ROOT / page).parent
    assert [link for link in links if not (folder / link).is_file()] == []


def test_the_pictures_are_small_and_need_no_network() -> None:
    for picture in (ROOT / "docs" / "pictures").glob("*.svg"):
        text = picture.read_text(encoding="utf-8")
        assert len(text) < 20_000
        assert "prefers-color-scheme: dark" in text
        assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]


def _environment() -> dict[str, str]:
    path = os.pathsep.join([os.environ["PYTHONPATH"], str(ROOT)])
    return {**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"}

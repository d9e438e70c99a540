"""The README's own commands and programs, run as written on a small finished run."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bertdata.storage.locations import Address
from flows.cli import main

README = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")
# The README's sizes are for real corpora.
SMALL = {
    "vocab.size": 60,
    "examples.num_shards": 2,
    "examples.dupe_factor": 1,
    "train.hidden_size": 16,
    "train.num_layers": 1,
    "train.num_heads": 1,
    "train.steps": 2,
    "runner.workers": 1,
}

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands(first_word: str) -> list[list[str]]:
    lines = [shlex.split(line) for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if Path(line[0]).name == first_word]


@pytest.fixture(scope="module")
def folder(finished: Path, small_config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the README's reader has it: runs/demo, my.toml and its text, text.txt."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(finished, folder / "runs" / "demo")
    books = sorted((small_config.parent / "books").iterdir())
    (folder / "my.toml").write_text(blocks("toml")[0])
    (folder / "text").mkdir()
    lines = [json.dumps({"id": book.name, "text": book.read_text()}) for book in books]
    plain = folder / "text" / "a.jsonl"
    plain.write_text("\n".join(lines))
    subprocess.run(["gzip", str(plain)], check=True)
    (folder / "text.txt").write_text("a b.\na.\n\nb a.\n")
    rows = "".join(f"a b{'.' * i}\t{i % 2}\n" for i in range(20))
    (folder / "train.tsv").write_text(f"sentence\tlabel\n{rows}")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "."]
    (folder / "vocab.txt").write_text("\n".join(pieces))
    return folder


@pytest.mark.usefixtures("trainer_in_process")
@pytest.mark.parametrize("command", commands("bertdata"), ids=" ".join)
def test_bertdata_commands(
    command: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch, s3: Address
) -> None:
    monkeypatch.chdir(folder)
    arguments = [argument.replace("s3://bucket", s3.root) for argument in command[1:]]
    if "vectors.arrow" in arguments:  # the programs may have wanted it before
        (folder / "vectors.arrow").unlink(missing_ok=True)
    if "my.toml" in arguments:
        for key, value in SMALL.items():
            arguments += ["--set", f"{key}={value}"]
    assert main(arguments) == 0


@pytest.mark.parametrize("command", commands("python"), ids=" ".join)
def test_python_commands(command: list[str], folder: Path) -> None:
    arguments = [sys.executable, *command[1:]]
    if "trainer.pretrain" in arguments:
        arguments += ["--hidden-size=16", "--num-layers=1", "--num-heads=1"]
    subprocess.run(arguments, cwd=folder, check=True, env=_environment())


@pytest.fixture(scope="module")
def vectors(folder: Path) -> None:
    """The file that the last program reads, as the command before it in the README writes it."""
    (command,) = [line for line in commands("bertdata") if "vectors.arrow" in line]
    if not (folder / "vectors.arrow").exists():
        with contextlib.chdir(folder):
            assert main(command[1:]) == 0


@pytest.mark.usefixtures("vectors")
@pytest.mark.parametrize("program", blocks("python"), ids=["reader", "transformers", "features"])
def test_python_programs(program: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_two_commands_are_targets_of_make() -> None:
    makefile = Path(__file__).parents[1].joinpath("Makefile").read_text()
    shown = re.findall(r"^\$ make (\w+)$", README, flags=re.MULTILINE)
    assert shown == ["demo", "test"]
    assert all(re.search(rf"^{target}:", makefile, flags=re.MULTILINE) for target in shown)


def _environment() -> dict[str, str]:
    root = str(Path(__file__).parents[1])
    return {**os.environ, "PYTHONPATH": root, "HF_HUB_OFFLINE": "1"}

"""The parser of all commands: its help needs no heavy library, and wrong usage is one line."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from flows.cli import main
from flows.commands.parser import make_parser
from flows.help.completion import _commands


def test_options_of_the_trainer_are_added_for_its_own_commands_alone() -> None:
    for given, known in {"finetune": True, "features": False, "run": False, "": False}.items():
        tune = _commands(make_parser(given))["finetune"]
        assert ("--epochs" in tune.format_help()) is known


def test_unknown_commands_are_wrong_usage() -> None:
    for arguments in ([], ["nonsense"], ["run"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2


def help_without_heavy_imports(*arguments: str) -> str:
    """What `--help` prints; fails where it needs a heavy library."""
    code = (
        f"import sys, json; sys.argv[1:] = {[*arguments, '--help']!r}\n"
        "from flows.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'apache_beam', 'prefect', 'torch', 'pyarrow', 'numpy'} & set(sys.modules)\n"
        "print(json.dumps(sorted(heavy)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []
    return done.stdout


def test_help_imports_nothing_heavy() -> None:
    assert "sentences" in help_without_heavy_imports()


@pytest.mark.parametrize("command", ["finetune", "features"])
def test_help_of_transfer_learning_imports_nothing_heavy(command: str) -> None:
    shown = help_without_heavy_imports(command)
    assert "MODEL_DIR" in shown
    assert "--output" in shown

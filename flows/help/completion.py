"""Completion of commands and options in shells, as a script that needs no Python to run.

Completing by calling the command, as argcomplete does, would start Python at each press of the key.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping

SHELLS = ("bash", "zsh")

_SCRIPT = """\
_bertdata() {
  local word="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" words=""
  case "$COMP_CWORD ${COMP_WORDS[1]} $previous" in
    "1 "*) words="COMMANDS" ;;
    *" --set") words="KEYS"; compopt -o nospace 2>/dev/null ;;
CHOICES
    *) case "${COMP_WORDS[1]} $word" in
OPTIONS
    esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _bertdata bertdata
"""
_ZSH = "autoload -U +X compinit bashcompinit && compinit && bashcompinit\n"


def make_completion(shell: str, parser: argparse.ArgumentParser, keys: Iterable[str]) -> str:
    """The script for one of SHELLS. `keys`: what `--set` takes, such as "vocab.size"."""
    commands = _commands(parser)
    options, choices = list[str](), list[str]()
    for name, command in commands.items():
        options.append(f'      "{name} -"*) words="{" ".join(_options(command))}" ;;')
        choices += _choices(name, command)
    script = (
        _SCRIPT.replace("COMMANDS", " ".join(commands))
        .replace("KEYS", " ".join(f"{key}=" for key in keys))
        .replace("CHOICES", "\n".join(choices))
        .replace("OPTIONS", "\n".join(options))
    )
    return (_ZSH if shell == "zsh" else "") + script


def _commands(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _options(command: argparse.ArgumentParser) -> list[str]:
    return [option for action in command._actions for option in _long_options(action)]


def _long_options(action: argparse.Action) -> list[str]:
    """The options as they are shown: those with an underscore are a second spelling."""
    return [name for name in action.option_strings if name.startswith("--") and "_" not in name]


def _choices(name: str, command: argparse.ArgumentParser) -> Iterator[str]:
    """The lines for arguments that are one of a few words."""
    for action in command._actions:
        words = " ".join(map(str, action.choices or ()))
        if words:
            for option in _long_options(action) or (name,):
                yield f'    *" {name} {option}") words="{words}" ;;'

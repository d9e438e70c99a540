"""`python -m flows.help.reference`: the page of the documentation with every key, on the output.

What a key means is the docstring of its dataclass or the sentence below its field, as in `bertdata
config`; a test compares the page in docs/ with this.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

from bertdata.config import key_docs, key_fields
from bertdata.corpus.config import CorpusConfig
from bertdata.sentences.splitter import LANGUAGES, RULE_LANGUAGES
from flows.config import PARTS, RunConfig, meaning_without

_HEAD = """\
# Configuration

<!-- Made by `python -m flows.help.reference`; `make docs` makes it again. -->

A run has one TOML file. A mistyped key is refused with the nearest known one, and file names start
from the file's folder. `bertdata init PATH` writes such a file for your text, `bertdata config`
shows all of this with the values of a file, and `--set vocab.size=8000` replaces one value for one
command.
"""
_NOTES = {
    "corpus": "One table for each corpus. [Your own text](text.md) has an example.",
    "cleaning": "What is rejected. [Cleaning](text.md#cleaning) has an example.",
    "sentences": (f"Punkt models: {', '.join(LANGUAGES)}. Rules: {', '.join(RULE_LANGUAGES)}."),
    "vocab": "How words become pieces.",
    "examples": "How documents become examples; names and defaults are those of the original.",
    "runner": "Where the work is done. [Clusters](runners/README.md) has examples.",
    "train": "How the model is pre-trained. [Training](training.md) has an example for a GPU.",
}


def main() -> None:
    """Print the page."""
    print("\n".join(configuration_page()))


def configuration_page() -> Iterator[str]:
    """The lines of the page."""
    yield _HEAD
    yield f"`seed` ({RunConfig().seed}) stands above all tables and decides what is random."
    for name, part in {"corpus": CorpusConfig, **PARTS}.items():
        yield from ("", f"## {name}", "", _NOTES[name], "", *_table(name, part))


def _table(name: str, part: type) -> Iterator[str]:
    header = f"[[{name}]]" if name == "corpus" else f"[{name}]"
    yield f"| `{header}` | default | |"
    yield "| --- | --- | --- |"
    docs = key_docs(part)
    for key, (_, field) in key_fields(part).items():
        text = docs.get(key, "").replace("|", "\\|")
        yield f"| `{key}` | {_default(name, key, field)} | {text[:1].upper()}{text[1:]} |"


def _default(name: str, key: str, field: dataclasses.Field[object]) -> str:
    if field.default is dataclasses.MISSING:
        return "must be given"
    if field.default is None:
        return f"left out: {meaning_without(name, key)}"
    return f"`{json.dumps(field.default)}`"


if __name__ == "__main__":
    main()

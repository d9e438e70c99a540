"""`bertdata init`: a commented configuration for a file or folder, and what it was guessed from."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from bertdata.errors import ConfigError
from bertdata.storage.locations import Location
from flows.guess.corpora import Found, Guess, guess_corpora
from flows.guess.languages import Language, guess_language
from flows.wording import size

_MAX_CHARACTERS = 1 << 18  # of text to see the language in, of each corpus
_PACKED_RATIO = 3  # of prose to what it takes compressed
# Vocabularies that little text can fill: (bytes of text, pieces).
_SIZES = ((100_000, 1_000), (1_000_000, 4_000), (8_000_000, 10_000))
_FULL_SIZE = 30_522
_LITTLE_TEXT, _FEW_SHARDS = 128 << 20, 16
# Keys of a corpus that are left out where they have these values.
_OPTIONAL = {"text_field": "text", "id_field": "", "encoding": "utf-8"}


def write_configuration(place: Location, output: Path | None) -> list[str]:
    """Write a configuration for the text in a file or folder; returns lines that say what it is.

    `output`: where to write; None is a file named after the place, in the current folder. Raises
    InputError if there is no text that is read, ConfigError if the file is there already.
    """
    output = output or Path(f"{place.name.partition('.')[0] or 'corpus'}.toml")
    if output.exists():
        raise ConfigError(f"{output} is there already; name another file with --output")
    found = guess_corpora(place, _path_from(place, output.parent))
    samples = ["\n".join(guess.texts)[:_MAX_CHARACTERS] for guess in found.guesses]
    language = guess_language(samples)
    text = "\n".join(_configuration(found.guesses, language)) + "\n"
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(
            f"cannot write {output}: {error.strerror}; name another file with --output"
        ) from error
    return list(_explain(found, language, output))


def _path_from(place: Location, folder: Path) -> str:
    """The place as a configuration in a folder names it."""
    if not isinstance(place, Path) or place.is_absolute():
        return str(place)
    return os.path.relpath(place, folder)


def _explain(found: Found, language: Language, output: Path) -> Iterator[str]:
    for guess in found.guesses:
        first, *others = guess.reasons
        yield f"{guess.corpus.format:<14}{', '.join(guess.corpus.paths[:3])}: {first}"
        yield from (f"{'':<14}{reason}" for reason in others)
    yield f"{'language':<14}{language.name}: {language.reason}"
    yield from (f"{'left out':<14}{line}" for line in found.left_out)
    yield f"{'written':<14}{output}; look at it, then"
    yield f"{'next':<14}bertdata run {shlex.quote(str(output))}"


def _configuration(guesses: Sequence[Guess], language: Language) -> Iterator[str]:
    yield "# Written by `bertdata init`; `bertdata config` shows every key with its meaning."
    yield "seed = 12345                    # another one: other pairs, masks and held-out documents"
    for guess in guesses:
        yield from ("", *_corpus_lines(guess))
    yield from (
        "",
        "[cleaning]                      # exact duplicates are dropped without any key",
    )
    yield '# near_duplicates = "drop"      # also documents that are nearly equal to an earlier one'
    yield '# rules = ["gopher-quality"]    # also documents that are not prose'
    yield from ("", "[sentences]", f"# {language.reason}", f'language = "{language.name}"')
    text = sum(guess.bytes * (_PACKED_RATIO if guess.is_compressed else 1) for guess in guesses)
    yield from ("", *_vocabulary_lines(text, language.name), "")
    yield _EXAMPLES
    if text < _LITTLE_TEXT:
        yield f"num_shards = {_FEW_SHARDS}                 # left out: 64, or more for much text"
    yield _TRAIN


def _corpus_lines(guess: Guess) -> Iterator[str]:
    corpus = guess.corpus
    yield "[[corpus]]"
    yield from (f"# {reason}" for reason in guess.reasons)
    yield from (f"{key} = {_toml(getattr(corpus, key))}" for key in ("name", "format", "paths"))
    for key, default in _OPTIONAL.items():
        if (value := getattr(corpus, key)) != default:
            yield f"{key} = {_toml(value)}"
    yield '# on_bad_file = "skip"          # a damaged file is counted as rejected instead'


def _vocabulary_lines(text: int, language: str) -> Iterator[str]:
    pieces = next((pieces for limit, pieces in _SIZES if text < limit), _FULL_SIZE)
    yield "[vocab]"
    if pieces < _FULL_SIZE:
        yield f"# Little text ({size(text)}) has few words; the usual size is {_FULL_SIZE}."
    yield f"size = {pieces}"
    yield "lowercase = true"
    if language != "english":
        yield "strip_accents = false           # true, as in BERT: signs of vowels are lost, too"
    yield '# file = "bert"                 # a vocab.txt, tokenizer.json or folder instead'


def _toml(value: object) -> str:
    # JSON's strings and lists are TOML's too.
    return json.dumps(value, ensure_ascii=False)


_EXAMPLES = """\
[examples]
max_seq_length = 128            # pieces of a pair of sentences; at most 512 for the usual BERT
dupe_factor = 10                # passes over the text, each paired and masked differently
masking = "static"              # "dynamic": the reader masks again in every epoch
validation_fraction = 0.005     # of the documents are held out"""
_TRAIN = """
[train]
model = "tiny"                  # tiny mini small medium base large
steps = 2000                    # or tokens = 3_000_000_000, or minutes = 60
batch_size = 64
learning_rate = 1e-3"""

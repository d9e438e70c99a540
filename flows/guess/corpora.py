"""The corpora in a file or folder: its files by ending and content."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path, PurePosixPath

from bertdata.corpus.config import CorpusConfig
from bertdata.corpus.inputs import Pattern, match_pattern
from bertdata.corpus.own_files import OwnFiles
from bertdata.errors import InputError
from bertdata.storage.files import find_file, is_file, is_folder, list_files
from bertdata.storage.locations import Address, Location
from flows.guess.contents import COMPRESSIONS, Content, look_into
from flows.guess.fields import guess_fields
from flows.wording import number, size

_MAX_LOOKED_AT = 100  # files of one ending
_MAX_SHOWN = 100  # characters of the names of fields
_SAVED_DATASET = ("state.json", "dataset_dict.json")
_RECORDS = ("jsonl", "parquet", "arrow")
_KINDS = {
    "text": "a document per file",
    "lines": "a sentence per line, a blank line between documents",
    "jsonl": "JSON objects",
    "parquet": "tables",
    "arrow": "tables",
    "wikipedia-xml": "a dump of a wiki",
    "wet": "texts of Common Crawl",
    "warc": "pages of the web",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Guess:
    """A corpus, and in words what it was made from.

    `bytes`: of its files. `texts`: beginnings of documents, for the language.
    """

    corpus: CorpusConfig
    bytes: int
    is_compressed: bool
    reasons: tuple[str, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a place holds. `left_out`: a line for each kind of files that cannot be input."""

    guesses: tuple[Guess, ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _File:
    """`name`: below the place; "" if the file is the place itself."""

    path: Location
    name: str
    bytes: int


@dataclass(frozen=True, slots=True)
class _Group:
    """Files of one ending and one kind, and what some of them hold."""

    ending: str
    files: Sequence[_File]
    contents: Sequence[Content]
    is_whole: bool  # no file of the ending is of another kind

    @property
    def content(self) -> Content:
        return self.contents[0]

    @property
    def records(self) -> list[Mapping[str, object]]:
        return list(chain.from_iterable(found.records for found in self.contents))


def guess_corpora(place: Location, shown: str) -> Found:
    """The corpora in a file or folder. `shown`: the place as `paths` are to name it.

    Raises InputError if there is nothing to read.
    """
    if is_folder(place) and any(is_file(place / name) for name in _SAVED_DATASET):
        return Found(guesses=(_guess_saved(place, shown),))
    files = list(_find_files(place))
    endings = _by_ending(files)
    groups = [group for ending, some in endings.items() for group in _groups(ending, some)]
    guesses, left_out = list[Guess](), list[str]()
    for group in groups:
        if problem := group.content.problem or _name_problem(group):
            left_out.append(_describe_left_out(group, problem))
        else:
            guesses.append(_make_guess(group, _patterns(group, shown, endings)))
    if not guesses:
        why = f": {left_out[0]}" if left_out else ""
        raise InputError(f"{place} holds no text that is read{why}; name a file or folder of texts")
    return Found(guesses=tuple(_with_names(guesses, place)), left_out=tuple(left_out))


def _find_files(place: Location) -> Iterator[_File]:
    """The files that a glob would match, without those of runs. Raises InputError."""
    if not is_folder(place):
        try:
            yield _File(place, "", find_file(place).bytes)
        except OSError as error:
            raise InputError(
                f"cannot read {place}: {error.strerror or error}; name a file or folder of texts"
            ) from error
        return
    runs = OwnFiles()
    for file in _list_below(place):
        is_hidden = any(part.startswith(".") for part in file.name.split("/"))
        if not is_hidden and not runs.holds(file.path, place):
            yield file


def _list_below(folder: Location) -> Iterator[_File]:
    """All files below a folder; also through links, and links to nothing, as a glob finds them."""
    if isinstance(folder, Address):
        for found in list_files(folder, recursive=True):
            yield _File(folder / found.path, found.path, found.bytes)
        return
    for text in sorted(match_pattern(Pattern(folder, ("**", "*"), is_literal=False))):
        path = Path(text)
        name = Path(os.path.relpath(path, folder)).as_posix()
        if path.is_file():
            yield _File(folder / name, name, path.stat().st_size)
        elif not path.exists():  # a run would stop at it
            yield _File(folder / name, name, 0)


def _by_ending(files: Sequence[_File]) -> dict[str, list[_File]]:
    endings = defaultdict[str, list[_File]](list)
    for file in files:
        endings[_ending(file.path.name)].append(file)
    return dict(sorted(endings.items()))


def _ending(name: str) -> str:
    """ ".jsonl.gz" for "a.b.jsonl.gz", ".txt" for "a.txt"; "" if there is none."""
    path = PurePosixPath(name)
    inner = PurePosixPath(path.stem).suffix if path.suffix.lower() in COMPRESSIONS else ""
    return inner + path.suffix


def _groups(ending: str, files: Sequence[_File]) -> Iterator[_Group]:
    """The files of one ending by what they hold. Raises InputError if too many differ."""
    step = max(1, len(files) // _MAX_LOOKED_AT)
    looked_at = files[::step]
    by_kind = defaultdict[tuple[str, ...], list[tuple[_File, Content]]](list)
    for file in looked_at:
        content = look_into(file.path)
        by_kind[content.format, content.encoding, content.problem].append((file, content))
    if step > 1 and len(by_kind) > 1:
        kinds = " and ".join(filter(None, chain.from_iterable((k[0], k[2]) for k in by_kind)))
        raise InputError(f"files *{ending} hold different things ({kinds}); put them into folders")
    for pairs in by_kind.values():
        is_whole = len(by_kind) == 1
        some = files if is_whole else [file for file, _ in pairs]
        yield _Group(ending, some, [content for _, content in pairs], is_whole)


def _patterns(group: _Group, shown: str, endings: Mapping[str, object]) -> tuple[str, ...]:
    """A glob if it matches just these files, otherwise their names."""
    names = [file.name for file in group.files]
    if names == [""]:
        return (shown,)
    ending = group.ending
    is_shared = any(other != ending and other.endswith(ending) for other in endings)
    if not group.is_whole or is_shared:
        return tuple(f"{shown}/{name}" for name in names)
    folders = "**/" if any("/" in name for name in names) else ""
    return (f"{shown}/{folders}*{ending}",)


def _make_guess(group: _Group, patterns: tuple[str, ...]) -> Guess:
    content = group.content
    corpus = CorpusConfig(
        name="corpus", format=content.format, paths=patterns, encoding=content.encoding
    )
    kinds = {found.compression for found in group.contents if found.compression}
    guess = Guess(
        corpus=corpus,
        bytes=sum(file.bytes for file in group.files),
        is_compressed=bool(kinds) or content.format == "parquet",
        reasons=tuple(_describe(group, sorted(kinds))),
        texts=tuple(chain.from_iterable(found.texts for found in group.contents)),
    )
    return _with_fields(guess, group)


def _with_fields(guess: Guess, group: _Group) -> Guess:
    """The guess with the fields of its records, and their texts."""
    if (fields := guess_fields(group.records)) is None:
        return guess
    texts = (record.get(fields.text) for record in group.records)
    return replace(
        guess,
        corpus=replace(guess.corpus, text_field=fields.text, id_field=fields.id),
        reasons=(*guess.reasons, *fields.reasons),
        texts=tuple(text for text in texts if isinstance(text, str)),
    )


def _describe(group: _Group, compressions: Sequence[str]) -> Iterator[str]:
    count = len(group.files)
    files = "1 file" if count == 1 else f"{number(count)} files"
    packed = f", compressed ({', '.join(compressions)})" if compressions else ""
    total = size(sum(file.bytes for file in group.files))
    yield f"{files}, {total}{packed}: {_KINDS[group.content.format]}"
    if group.content.format == "text" and count == 1 and not group.content.is_archive:
        yield "one document: pairs need several; several in one file are JSON lines, or lines"
    if group.content.encoding != "utf-8":
        yield f'encoding = "{group.content.encoding}": the text is not UTF-8'


def _name_problem(group: _Group) -> str:
    """Why the records of a group cannot be input, or ""."""
    if group.content.format not in _RECORDS or guess_fields(group.records):
        return ""
    names = ", ".join(dict.fromkeys(chain.from_iterable(group.records))) or "none"
    return f"no field with texts ({names[:_MAX_SHOWN]}); write a text into one of them"


def _describe_left_out(group: _Group, problem: str) -> str:
    first = group.files[0]
    more = f" and {number(len(group.files) - 1)} more" if len(group.files) > 1 else ""
    return f"{first.name or first.path}{more}: {problem}"


def _guess_saved(place: Location, shown: str) -> Guess:
    """The folder of a saved Hugging Face dataset, as one corpus."""
    files = [file for file in _find_files(place) if file.path.suffix == ".arrow"]
    if not files:
        raise InputError(f"{place} is a saved dataset without Arrow files; save it again")
    group = _Group(".arrow", files, [look_into(file.path) for file in files[:1]], True)
    guess = _make_guess(group, (shown,))
    return replace(guess, corpus=replace(guess.corpus, name=_name(place)))


def _with_names(guesses: Sequence[Guess], place: Location) -> Iterator[Guess]:
    """Names after the place, and the format if there are several."""
    names = [_name(place)] * len(guesses)
    if len(guesses) > 1:
        names = [f"{name}-{guess.corpus.format}" for name, guess in zip(names, guesses)]
    for place_in_list, guess in enumerate(guesses):
        earlier = names[:place_in_list].count(name := names[place_in_list])
        unique = f"{name}-{earlier + 1}" if earlier else name
        yield replace(guess, corpus=replace(guess.corpus, name=unique))


def _name(place: Location) -> str:
    """The name of a corpus: the file's or folder's, without its endings."""
    return place.name.partition(".")[0] or "corpus"

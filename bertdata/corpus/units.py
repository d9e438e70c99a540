"""Units of work: input files cut and grouped into units of about the same size.

The plan depends only on the files and the wanted size, never on the number of workers. Cuts are
between documents, so that a unit reads whole documents.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from operator import attrgetter, itemgetter
from pathlib import Path

from bertdata.config import check_range
from bertdata.corpus.compression import is_compressed
from bertdata.corpus.config import (
    ENCODED_FORMATS,
    CorpusConfig,
    FilePart,
    InputFile,
    InputUnit,
    files_at_once,
    skippable,
)
from bertdata.corpus.demo import ARTICLES_NAME, read_articles
from bertdata.corpus.formats.decoding import is_wide
from bertdata.corpus.formats.json_objects import is_spread_out
from bertdata.corpus.formats.jsonl import find_line
from bertdata.corpus.formats.lines import find_document
from bertdata.corpus.formats.tables import Block, arrow_blocks, parquet_blocks
from bertdata.corpus.formats.web.pages import find_member
from bertdata.corpus.formats.wikipedia.pages import find_page, find_stream
from bertdata.corpus.packed.packed_files import is_packed, read_beginning
from bertdata.errors import InputError
from bertdata.grouping import fit_groups
from bertdata.storage.locations import Location, is_address, locate

_SizedPart = tuple[FilePart, int]

_SHARE_LEFT_SMALL = 8  # an eighth of the text is left in small units

_FindRecord = Callable[[Location, int], int | None]

_FIND_RECORD: dict[tuple[str, str], _FindRecord] = {
    ("jsonl", ""): find_line,
    ("lines", ""): find_document,
    ("wikipedia-xml", ""): find_page,
    ("wikipedia-xml", ".bz2"): find_stream,
    ("wet", ".gz"): find_member,
    ("warc", ".gz"): find_member,
}
_READ_BLOCKS: dict[str, Callable[[Location, CorpusConfig], list[Block]]] = {
    "parquet": parquet_blocks,
    "arrow": arrow_blocks,
}


def plan_units(
    corpus: CorpusConfig, inputs: Sequence[InputFile], unit_bytes: int
) -> tuple[InputUnit, ...]:
    """Cut and group the files of a corpus, in order, into units of about `unit_bytes`.

    Text files, compressed files without stream boundaries between records, and single blocks of
    tables are not cut, however large. Raises InputError when a file cannot be examined, unless
    on_bad_file = "skip": then its reader reports that.
    """
    check_range("unit_bytes", unit_bytes, 1, float("inf"))
    parts = itertools.chain.from_iterable(_split_all(corpus, inputs, unit_bytes))
    groups = fit_groups(parts, unit_bytes, itemgetter(1))
    return tuple(_to_unit(corpus, group) for group in groups)


def _split_all(
    corpus: CorpusConfig, inputs: Sequence[InputFile], unit_bytes: int
) -> Iterator[list[_SizedPart]]:
    """The parts of each file; files on other storage are examined several at once."""
    split = partial(_split, corpus, unit_bytes=unit_bytes)
    if not any(is_address(file.path) for file in inputs):
        yield from map(split, inputs)
        return
    with ThreadPoolExecutor(files_at_once(locate(inputs[0].path))) as pool:
        yield from pool.map(split, inputs)


def _to_unit(corpus: CorpusConfig, sized: Sequence[_SizedPart]) -> InputUnit:
    parts, sizes = zip(*sized)
    return InputUnit(corpus=corpus, parts=parts, bytes=sum(sizes))


def join_units(units: Sequence[InputUnit], unit_bytes: int) -> list[InputUnit]:
    """Neighbouring units of a corpus joined to about `unit_bytes`, except for the last eighth.

    Small units at the end let all workers finish at nearly the same time.
    """
    joined: list[InputUnit] = []
    left = sum(unit.bytes for unit in units)
    smaller_from = left // _SHARE_LEFT_SMALL
    for unit in units:
        last = joined[-1] if joined else None
        fits = last is not None and last.bytes + unit.bytes <= unit_bytes
        if last is not None and fits and left > smaller_from and last.corpus == unit.corpus:
            parts = _join_parts(last.parts, unit.parts)
            joined[-1] = replace(last, parts=parts, bytes=last.bytes + unit.bytes)
        else:
            joined.append(unit)
        left -= unit.bytes
    return joined


def _join_parts(
    parts: tuple[FilePart, ...], following: tuple[FilePart, ...]
) -> tuple[FilePart, ...]:
    """All parts; two parts that continue each other in a file become one."""
    last, first = parts[-1], following[0]
    if (last.path, last.stop) != (first.path, first.start):
        return (*parts, *following)
    return (*parts[:-1], replace(last, stop=first.stop), *following[1:])


def _split(corpus: CorpusConfig, file: InputFile, unit_bytes: int) -> list[_SizedPart]:
    try:
        return _split_readable(corpus, file, unit_bytes)
    except InputError as error:
        if corpus.on_bad_file == "stop":
            raise skippable(error) from error
        return [_whole(file)]


def _split_readable(corpus: CorpusConfig, file: InputFile, unit_bytes: int) -> list[_SizedPart]:
    path = locate(file.path)
    if corpus.format in _READ_BLOCKS:
        blocks = _READ_BLOCKS[corpus.format](path, corpus)
        return list(_split_blocks(file, blocks, unit_bytes))
    if file.bytes <= unit_bytes:
        return [_whole(file)]
    compression = path.suffix.lower() if is_compressed(path) else ""
    find_record = _FIND_RECORD.get((corpus.format, compression))
    if find_record and (corpus.format not in ENCODED_FORMATS or _holds_lines(path, corpus)):
        return _split_bytes(file, find_record, unit_bytes)
    if file.name == ARTICLES_NAME and corpus.format == "demo":
        return _split_articles(file, unit_bytes)
    return [_whole(file)]


def _holds_lines(path: Location, corpus: CorpusConfig) -> bool:
    """Whether a file without a compression suffix can be cut at line ends."""
    beginning = read_beginning(path)
    if is_wide(beginning, corpus) or is_packed(beginning):
        return False
    return corpus.format != "jsonl" or not is_spread_out(beginning)


def _whole(file: InputFile) -> _SizedPart:
    return _part(file, 0, None), file.bytes


def _split_bytes(file: InputFile, find_record: _FindRecord, unit_bytes: int) -> list[_SizedPart]:
    """Ranges of about equal size, with each cut moved to the beginning of the next record."""
    cuts = [0]
    for target in _even_cuts(file.bytes, unit_bytes):
        if target <= cuts[-1]:
            continue
        if (cut := find_record(locate(file.path), target)) is None:
            break
        cuts.append(cut)
    return [
        (_part(file, start, stop), stop - start)
        for start, stop in itertools.pairwise([*cuts, file.bytes])
    ]


def _split_blocks(file: InputFile, blocks: list[Block], unit_bytes: int) -> Iterator[_SizedPart]:
    """Runs of blocks, each as long as fits; a file without blocks is one empty part."""
    start = first_row = 0
    for group in [*fit_groups(blocks, unit_bytes, attrgetter("bytes"))] or [[]]:
        stop = start + len(group)
        yield _part(file, start, stop, first_row), sum(block.bytes for block in group)
        start, first_row = stop, first_row + sum(block.rows for block in group)


def _part(file: InputFile, start: int, stop: int | None, first_row: int = 0) -> FilePart:
    return FilePart(
        path=file.path,
        name=file.name,
        start=start,
        stop=stop,
        first_row=first_row,
        version=file.version,
    )


def _split_articles(file: InputFile, unit_bytes: int) -> list[_SizedPart]:
    count = len(read_articles(Path(file.path)))
    num_parts = len(_even_cuts(file.bytes, unit_bytes)) + 1
    cuts = [count * number // num_parts for number in range(num_parts + 1)]
    return [
        (_part(file, start, stop), file.bytes // num_parts)
        for start, stop in itertools.pairwise(cuts)
        if stop > start
    ]


def _even_cuts(size: int, unit_bytes: int) -> list[int]:
    num_parts = -(-size // unit_bytes)
    return [size * number // num_parts for number in range(1, num_parts)]

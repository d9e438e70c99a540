"""Corpora: their configuration, and the input files and units that result from it."""

from __future__ import annotations

import codecs
import contextlib
import glob
import hashlib
import io
import json
import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias, TypeGuard

from bertdata.config import check_choices, check_range
from bertdata.corpus.compression import MAX_RATIO, unreadable
from bertdata.corpus.demo import demo_files
from bertdata.corpus.documents import Rejection, printable_name
from bertdata.corpus.inputs import (
    Pattern,
    locate_pattern,
    match_pattern,
    name_files,
    read_pattern,
)
from bertdata.corpus.own_files import OwnFiles
from bertdata.errors import ConfigError, InputError
from bertdata.storage.files import (
    FoundFile,
    find_file,
    is_file,
    is_folder,
    open_file,
    read_bytes,
)
from bertdata.storage.locations import Address, Location, is_address, locate
from bertdata.storage.shards import first_line

Format: TypeAlias = Literal[
    "text", "lines", "jsonl", "parquet", "arrow", "wikipedia-xml", "wet", "warc", "demo"
]
ENCODED_FORMATS = ("text", "lines", "jsonl")
_SAVE_AGAIN = "save the dataset again, or name its files, such as FOLDER/*.arrow"

# A file beside a multistream dump; it is not needed, as the dump itself shows its streams.
_DUMP_INDEX = re.compile(r"-multistream-index\d*\.txt")

# Includes escapes of encodings that only look like ASCII.
_ASCII_PROBE = bytes(byte for byte in range(128) if byte != 0x1B) + rb"\u0041\n\x41+AGE-~{"

GONE = "gone"  # the version of a missing file
_MAX_NAME_BYTES = 255  # that file systems allow
_FINGERPRINT_BLOCKS = 16
_FINGERPRINT_BLOCK_BYTES = 1 << 16
_FILES_AT_ONCE = 8
_ADDRESSES_AT_ONCE = 32  # whose answers take longer, most of it without any work here


@dataclass(frozen=True, kw_only=True, slots=True)
class CorpusConfig:
    """One `[[corpus]]` table.

    `name`: of the corpus in results and messages. `format`: "text", "lines", "jsonl", "parquet",
    "arrow", "wikipedia-xml", "wet", "warc" or "demo". `paths`: file names or globs (also with
    `**`), relative to the configuration file's folder; none for `demo`. Or addresses of other
    storage, with the same globs, such as "s3://bucket/**/*.jsonl.gz". For text, lines and jsonl
    also tar archives, compressed or not, and ZIP archives. `follow_links`: whether files may be
    links that lead out of the folder that a pattern starts in, or be found through such links.
    False, for folders of strangers: such a link ends the run. `text_field`, `id_field`: keys or
    columns of jsonl, parquet and arrow; without an `id_field`, records are named after their file
    and position. `on_bad_file`: an unreadable or damaged file ends the run ("stop") or is rejected
    ("skip"). `encoding`: of text, lines and jsonl, by Python's name; a byte order mark overrides
    it. `encoding_errors`: invalid bytes reject their document ("strict") or become U+FFFD
    ("replace"). `max_compression_ratio`: a compressed file or archive that unpacks to more than
    this many times its size, and to over 64 MiB, counts as damaged. `max_document_bytes`: longer
    documents are rejected, since memory grows with the longest one. `min_kept_share`: minimum share
    of the corpus's documents, in [0, 1], that must be kept. Below it, or if none is kept (unless it
    is 0), the sentences stage ends with an error, since a field, format or rule is probably wrong.
    Documents in `[cleaning] blocked` do not count. The default allows what is normal: more than a
    fifth of the pages of a Wikipedia dump are articles (the others are redirects and other
    namespaces), and published strict cleaning of Common Crawl keeps about a tenth.
    """

    name: str
    format: Format
    paths: tuple[str, ...] = ()
    follow_links: bool = True
    text_field: str = "text"
    id_field: str = ""
    on_bad_file: Literal["stop", "skip"] = "stop"
    encoding: str = "utf-8"
    encoding_errors: Literal["strict", "replace"] = "strict"
    max_document_bytes: int = 256 << 20
    max_compression_ratio: int = MAX_RATIO
    min_kept_share: float = 0.05

    def __post_init__(self) -> None:
        if not self.name:
            raise ConfigError("the name of a corpus must not be empty")
        check_choices(self)
        self._check_encoding()
        check_range("max_document_bytes", self.max_document_bytes, 1, 1 << 30)
        check_range("max_compression_ratio", self.max_compression_ratio, 1, 1 << 30)
        check_range("min_kept_share", self.min_kept_share, 0, 1)
        if self.format == "demo" and self.paths:
            raise ConfigError(f"corpus {self.name!r}: format 'demo' takes no paths; remove them")
        if self.format != "demo" and not self.paths:
            raise ConfigError(f"corpus {self.name!r} needs paths; add them")
        _check_one_kind(self.name, map(is_address, self.paths))

    def _check_encoding(self) -> None:
        known = encoding_name(self.encoding)
        if known != "utf-8" and self.format not in ENCODED_FORMATS:
            formats = ", ".join(ENCODED_FORMATS)
            raise ConfigError(
                f"encoding {self.encoding!r} is for the formats {formats}; "
                f"leave it out: {self.format} has an encoding of its own"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class InputFile:
    """One file of a corpus.

    `name`: its path below the common folder of the corpus's patterns, with `/`; document ids
    contain it, so they do not depend on where the corpus is stored. `fingerprint`: hex SHA-256 of
    the size and samples of the content; empty if unreadable. `version`: changes whenever the file
    does; empty if unreadable.
    """

    path: str
    name: str
    bytes: int
    fingerprint: str
    version: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundInputs:
    """The files of a corpus, and the paths of those that match but were written by runs."""

    files: tuple[InputFile, ...]
    own: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class FilePart:
    """A file, or a range of it, in the unit of its format: bytes, row groups, batches, articles.

    From `start` up to `stop` (None: the end). `first_row`: number of the first row, in tables.
    `version`: the file's version when it was planned, if known.
    """

    path: str
    name: str
    start: int = 0
    stop: int | None = None
    first_row: int = 0
    version: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class InputUnit:
    """What one worker reads at a time: parts of files of one corpus, about `bytes` in all.

    `bertdata.config.to_table` turns it into a plain table, which `read_table` reads.
    """

    corpus: CorpusConfig
    parts: tuple[FilePart, ...]
    bytes: int


def encoding_name(encoding: str) -> str:
    """Python's own name of an encoding, such as "iso8859-1" for "latin-1".

    Raises ConfigError for an unknown encoding, and for one that does not contain ASCII.
    """
    try:
        name = codecs.lookup(encoding).name
        is_wide = name.startswith(("utf-16", "utf-32"))
        keeps_ascii = is_wide or _ASCII_PROBE.decode(name) == _ASCII_PROBE.decode("ascii")
    except (LookupError, UnicodeError, ValueError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"encoding {encoding!r} is not a text encoding of Python; "
            "use the name of one, such as 'latin-1'"
        ) from error
    if not keeps_ascii:
        raise ConfigError(f"encoding {encoding!r} does not contain ASCII; convert the files")
    return "utf-8" if name == "utf-8-sig" else name


def check_corpora(corpora: Iterable[CorpusConfig]) -> None:
    """Raise ConfigError when there is no corpus, or two have the same name."""
    seen: set[str] = set()
    for corpus in corpora:
        if corpus.name in seen:
            raise ConfigError(f"two corpora are named {corpus.name!r}; give each its own name")
        seen.add(corpus.name)
    if not seen:
        raise ConfigError("there is no [[corpus]]; add one, or let `bertdata init PATH` write it")


def list_inputs(corpus: CorpusConfig, base: Location) -> tuple[InputFile, ...]:
    """The files of a corpus, each once, sorted by name; see `find_inputs`."""
    return find_inputs(corpus, base).files


def find_inputs(
    corpus: CorpusConfig, base: Location, output: Location | None = None
) -> FoundInputs:
    """The files of a corpus, each once even if several links lead to it, without those of runs.

    `base`: the folder of relative patterns. `output`: the run's own folder. Raises InputError when
    a pattern matches no file, a file cannot be read (unless on_bad_file = "skip"), a link leads out
    of a pattern's folder (unless `follow_links`), a storage does not answer, or the demo corpus's
    packages are not installed.
    """
    if corpus.format == "demo":
        demo = tuple(_describe(corpus, path, path.name) for path in demo_files())
        return FoundInputs(files=demo)
    patterns = _read_patterns(corpus, base)
    runs = OwnFiles(_normal(output) if output else None)
    found, own = set[str](), set[str]()
    for path, pattern in patterns.items():
        with _listing(path):
            matches, own_matches = _match(corpus, path, pattern, runs)
        found |= matches
        own |= own_matches
    named = name_files(found, patterns.values())
    # Threads help: reading waits for the disk, and hashing releases Python's lock.
    with ThreadPoolExecutor(max(map(files_at_once, patterns))) as pool:
        inputs = tuple(pool.map(lambda file: _describe(corpus, locate(file[1]), file[0]), named))
    return FoundInputs(files=inputs, own=tuple(sorted(own - found)))


def files_at_once(location: Location) -> int:
    """The number of threads to look at files that are where this one is."""
    return _ADDRESSES_AT_ONCE if isinstance(location, Address) else _FILES_AT_ONCE


def fingerprint(path: Location) -> str:
    """Hex SHA-256 over the size and up to 16 blocks of 64 KiB spread evenly over the file.

    Small files are hashed whole. Modification times do not count. Raises OSError.
    """
    with open_file(path) as file:
        size = file.seek(0, io.SEEK_END)
        digest = hashlib.sha256(size.to_bytes(8, "little"))
        for start, length in _samples(size):
            file.seek(start)
            digest.update(file.read(length))
    return digest.hexdigest()


def version_of(path: Location) -> str:
    """A text that changes whenever a file does: its size and the time of its last change.

    GONE if the file is missing or cannot be examined.
    """
    try:
        return _version(find_file(path))
    except OSError:
        return GONE


def _version(file: FoundFile) -> str:
    return f"{file.bytes} bytes, changed at {file.changed}"


def check_unchanged(part: FilePart, version: str) -> None:
    """Raise InputError when a part's file no longer has the version that was planned."""
    if part.version and version != part.version:
        raise InputError(
            f"{part.path} changed while it was read; run again when nobody writes to it, "
            "into another --output where it asks for that"
        )


def _check_one_kind(corpus: str, kinds: Iterable[bool]) -> None:
    if len(set(kinds)) > 1:
        raise ConfigError(f"corpus {corpus!r} mixes paths and addresses; split it into two corpora")


@contextlib.contextmanager
def _listing(pattern: Location) -> Iterator[None]:
    """Turn the errors of a storage that does not answer into InputError."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise InputError(
            f"cannot list {pattern}: {reason}; check the path, and that you may read it"
        ) from error


def _normal(folder: Location) -> Location:
    return Path(os.path.normpath(folder.absolute())) if isinstance(folder, Path) else folder


def _samples(size: int) -> Iterator[tuple[int, int]]:
    """(start, length) of the blocks to hash."""
    if size <= _FINGERPRINT_BLOCKS * _FINGERPRINT_BLOCK_BYTES:
        yield 0, size
        return
    for number in range(_FINGERPRINT_BLOCKS):
        start = (size - _FINGERPRINT_BLOCK_BYTES) * number // (_FINGERPRINT_BLOCKS - 1)
        yield start, _FINGERPRINT_BLOCK_BYTES


def _read_patterns(corpus: CorpusConfig, base: Location) -> dict[Location, Pattern]:
    """The patterns of a corpus, by what a message calls them."""
    given = [locate_pattern(path, base) for path in corpus.paths]
    _check_one_kind(corpus.name, (isinstance(pattern, Address) for pattern in given))
    patterns: dict[Location, Pattern] = {}
    for path in given:
        with _listing(path):
            for pattern in _open_saved(corpus, path, base):
                patterns[pattern] = read_pattern(pattern, base)
    return patterns


def _open_saved(corpus: CorpusConfig, pattern: Location, base: Location) -> Iterator[Location]:
    """The pattern itself; for a folder saved by Hugging Face `datasets`, those of its Arrow files.

    `state.json` names the files of a dataset, and `dataset_dict.json` the splits of several; other
    Arrow files there are caches of `datasets`.
    """
    if corpus.format != "arrow" or not is_folder(folder := _absolute(pattern, base)):
        yield pattern
        return
    escaped = _escape(pattern)
    if splits := _read_saved(folder / "dataset_dict.json", "splits"):
        for split in splits:
            if not _is_plain_name(split):
                raise InputError(
                    f"{folder / 'dataset_dict.json'} names {split!r}, which is not a folder in it; "
                    f"{_SAVE_AGAIN}"
                )
            yield from _open_saved(corpus, pattern / split, base)
    elif files := _read_saved(folder / "state.json", "_data_files"):
        yield from (escaped / glob.escape(name) for name in _file_names(folder, files))
    else:
        raise InputError(
            f"{pattern} is a folder but not a dataset saved by Hugging Face datasets "
            f"(corpus {corpus.name!r}); use a pattern such as {pattern}/*.arrow"
        )


def _absolute(pattern: Location, base: Location) -> Location:
    if isinstance(pattern, Address):
        return pattern
    return base.absolute() / pattern if isinstance(base, Path) else pattern


def _escape(pattern: Location) -> Location:
    if isinstance(pattern, Address):
        return replace(pattern, path=glob.escape(pattern.path))
    return Path(glob.escape(str(pattern)))


def _file_names(folder: Location, files: list[object]) -> Iterator[str]:
    for file in files:
        if not isinstance(file, dict) or not isinstance(file.get("filename"), str):
            raise InputError(
                f"{folder / 'state.json'} does not describe a saved dataset; {_SAVE_AGAIN}"
            )
        # The files are beside it, whatever path it names.
        yield Path(file["filename"]).name


def _is_plain_name(name: object) -> TypeGuard[str]:
    if not isinstance(name, str) or name in ("", "..") or Path(name).name != name:
        return False
    return len(name.encode("utf-8", "replace")) <= _MAX_NAME_BYTES


def _read_saved(path: Location, key: str) -> list[object]:
    """A list in one of the JSON files of a saved dataset; empty without that file."""
    if not is_file(path):
        return []
    try:
        found = json.loads(read_bytes(path))[key]
        if not isinstance(found, list):
            raise TypeError(f"{key} is not a list")
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path} does not describe a saved dataset ({error}); {_SAVE_AGAIN}"
        ) from error
    return found


def _match(
    corpus: CorpusConfig, path: Location, pattern: Pattern, runs: OwnFiles
) -> tuple[set[str], set[str]]:
    """The files that a pattern matches, and those of them that runs wrote."""
    matches = list(match_pattern(pattern, follow_links=corpus.follow_links))
    files = {match for match in matches if _is_wanted(match, corpus)}
    own = set[str]()
    if not pattern.is_literal:
        own = _find_own(files, pattern, runs)
    if not files - own:
        is_other = matches or (isinstance(path, Address) and is_folder(path))
        no = "; folders, pipes and devices are not files" if is_other else ""
        no = "; files written by runs of bertdata are not input" if own else no
        raise InputError(f"no file matches {path} (corpus {corpus.name!r}){no}; correct its paths")
    return files - own, own


def _find_own(files: set[str], pattern: Pattern, runs: OwnFiles) -> set[str]:
    """Those of the files that runs wrote."""

    def is_own(file: str) -> bool:
        return runs.holds(locate(file), pattern.folder)

    if isinstance(pattern.folder, Address):  # ask about many folders at once; `runs` remembers
        one_each = {file.rpartition("/")[0]: file for file in files}.values()
        with ThreadPoolExecutor(_ADDRESSES_AT_ONCE) as pool:
            list(pool.map(is_own, one_each))
    return {file for file in files if is_own(file)}


def _is_wanted(path: str, corpus: CorpusConfig) -> bool:
    """True of files, and of what cannot be looked at, such as broken links: that gets reported."""
    if _is_dump_index(corpus, locate(path).name):
        return False
    if is_address(path):
        return True
    return os.path.isfile(path) or not os.path.exists(path)  # noqa: PTH110, PTH113 (never raise)


def _describe(corpus: CorpusConfig, path: Location, name: str) -> InputFile:
    try:
        # The version first: the reader notices any later change.
        found = find_file(path)
        version, size, sample = _version(found), found.bytes, fingerprint(path)
    except OSError as error:
        if corpus.on_bad_file == "stop":
            raise skippable(unreadable(path, error)) from error
        version, size, sample = "", 0, ""
    return InputFile(
        path=str(path),
        name=printable_name(name),
        bytes=size,
        fingerprint=sample,
        version=version,
    )


def unreadable_file(corpus: CorpusConfig, part: FilePart, error: InputError) -> Rejection:
    """The rejection of a file, or the rest of one, that cannot be read."""
    return Rejection(
        source=corpus.name, document=part.name, reason="unreadable_file", detail=str(error)
    )


def _is_dump_index(corpus: CorpusConfig, name: str) -> bool:
    """Whether a file is the index of a multistream dump, which holds no page."""
    return corpus.format == "wikipedia-xml" and _DUMP_INDEX.search(name) is not None


def skippable(error: InputError) -> InputError:
    """The same error with the way out that a damaged file has."""
    return InputError(
        f'{error}; replace the file, or pass over such files with on_bad_file = "skip"'
    )

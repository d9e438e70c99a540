"""The corpora of a run, their files, and how those are cut into units of work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bertdata.config import Table, to_table
from bertdata.corpus.config import (
    CorpusConfig,
    FoundInputs,
    InputFile,
    InputUnit,
    find_inputs,
)
from bertdata.corpus.units import join_units, plan_units
from bertdata.printable import printable
from bertdata.storage.locations import locate

_SMALL_UNIT_BYTES = 2 << 20
_LARGE_UNIT_BYTES = 64 << 20
_NUM_UNITS = 32  # aimed at between the two: enough to keep many workers busy
_PARTS_OF_UNIT = 4  # the last units are cut into so many
_KEPT_KEY = "min_kept_share"
_COMPRESSED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".tgz", ".tbz2", ".txz", ".zip")
_COMPRESSION_RATIO = 4  # of text, roughly: only sizes of units and partitions depend on it


@dataclass(frozen=True, kw_only=True, slots=True)
class Corpora:
    """The corpora of a run; relative paths start from `base`. `output`: the run's own folder."""

    configs: tuple[CorpusConfig, ...]
    base: str
    output: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Inputs:
    """The files of all corpora, cut into units; `text_bytes`: about how much text they hold.

    `notices`: lines about what was left out.
    """

    config: list[Table]
    files: dict[str, list[Table]]
    units: tuple[InputUnit, ...]
    text_bytes: int
    notices: tuple[str, ...]


def list_units(corpora: Corpora) -> _Inputs:
    """The files of all corpora, cut into units. Raises InputError as `find_inputs`."""
    found = {corpus.name: _find_inputs(corpus, corpora) for corpus in corpora.configs}
    inputs = {name: listed.files for name, listed in found.items()}
    total = sum(_text_bytes(file) for files in inputs.values() for file in files)
    unit_bytes = min(_LARGE_UNIT_BYTES, max(_SMALL_UNIT_BYTES, total // _NUM_UNITS))
    units = [
        unit
        for corpus in corpora.configs
        for unit in plan_units(corpus, inputs[corpus.name], unit_bytes // _PARTS_OF_UNIT)
    ]
    return _Inputs(
        config=[_content_config(corpus) for corpus in corpora.configs],
        files={name: [_input_table(file) for file in files] for name, files in inputs.items()},
        units=tuple(join_units(units, unit_bytes)),
        text_bytes=total,
        notices=tuple(
            _own_notice(name, listed.own) for name, listed in found.items() if listed.own
        ),
    )


def describe_units(units: Sequence[InputUnit]) -> list[object]:
    """How the input is cut; a file that changed, also where no sample shows it, is another one."""
    return [
        [
            unit.corpus.name,
            *([part.name, part.start, part.stop, part.version] for part in unit.parts),
        ]
        for unit in units
    ]


def _find_inputs(corpus: CorpusConfig, corpora: Corpora) -> FoundInputs:
    output = locate(corpora.output) if corpora.output else None
    return find_inputs(corpus, locate(corpora.base), output)


def _text_bytes(file: InputFile) -> int:
    """About how much text a file holds."""
    is_compressed = file.name.endswith(_COMPRESSED_SUFFIXES)
    return file.bytes * (_COMPRESSION_RATIO if is_compressed else 1)


def _own_notice(corpus: str, own: Sequence[str]) -> str:
    files = "1 file" if len(own) == 1 else f"{len(own):,} files"
    return f"corpus {corpus!r}: not reading {files} written by runs, such as {printable(own[0])}"


def _content_config(corpus: CorpusConfig) -> Table:
    """A corpus without its paths: where it lies changes nothing, and the inputs name the files.

    Nor does it matter how much of it had to be kept.
    """
    left_out = ("paths", "follow_links", _KEPT_KEY)
    return {key: value for key, value in to_table(corpus).items() if key not in left_out}


def _input_table(file: InputFile) -> Table:
    return {"name": file.name, "bytes": file.bytes, "fingerprint": file.fingerprint}

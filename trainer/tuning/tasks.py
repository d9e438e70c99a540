"""Tasks: texts and labels from the rows of a file, and the names of the labels."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from bertdata.config import unknown_key
from bertdata.errors import InputError
from bertdata.storage.locations import Location
from trainer.texts.tables import Row, read_groups, read_rows, table_kind
from trainer.tuning.config import FinetuneConfig

_TEXT_KINDS = ("tsv", "csv")  # every cell is a string
# Labels of test sets whose labels are not published; PyTorch ignores -100.
_PLACEHOLDERS = ("-1", "-1.0", -1.0, "-100")


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskRow:
    """One text or pair and its label.

    `text`: in tagging, the words. `label`: a name; a number in regression; in tagging one name per
    word; None if the file has no label column. `where`: the place in the file.
    """

    where: str
    text: str | tuple[str, ...]
    text_pair: str | None
    label: str | float | tuple[str, ...] | None


def read_task(path: Location, config: FinetuneConfig, *, labelled: bool = True) -> list[TaskRow]:
    """Read the rows of a file. With `labelled` False the label column may be missing or empty.

    Raises ConfigError if a column is missing, InputError if a text or label cannot be used or the
    file has no rows.
    """
    rows = _read_rows(path, config, labelled)
    _check_all_or_none(rows, config.label)
    return rows


def read_test(path: Location, config: FinetuneConfig, train: Sequence[TaskRow]) -> list[TaskRow]:
    """Read the rows of a test file, whose labels may be missing, empty or a placeholder.

    Published test sets, such as GLUE's, have the label -1 in every row. It is a placeholder unless
    a row of `train` has it too; in regression, only if every row has it. Raises as `read_task`,
    and InputError if only some rows have labels.
    """
    rows = _read_rows(path, config, labelled=False)
    trained = {label for row in train for label in _labels_of(row)}
    are_all = all(_is_placeholder(row, trained) for row in rows)
    if are_all or config.task != "regression":
        rows = [replace(row, label=None) if _is_placeholder(row, trained) else row for row in rows]
    _check_all_or_none(rows, config.label)
    return rows


def _read_rows(path: Location, config: FinetuneConfig, labelled: bool) -> list[TaskRow]:
    if config.task == "tagging":
        rows = _read_tagging(path, config, labelled)
    else:
        rows = [_to_row(row, config, labelled) for row in read_rows(path, header=config.header)]
    if not rows:
        raise InputError(f"{path} has no rows; name a file with rows")
    return rows


def _check_all_or_none(rows: Sequence[TaskRow], column: str) -> None:
    for row in rows:
        if (row.label is None) != (rows[0].label is None):
            missing = row if row.label is None else rows[0]
            raise InputError(
                f"{missing.where}: {column!r} must be in all rows or in none, and is missing "
                "here; put rows without labels into a separate file"
            )


def _is_placeholder(row: TaskRow, trained: Collection[str | float]) -> bool:
    """Whether a row's label is a placeholder; `trained`: labels in use in training."""
    labels = _labels_of(row)
    return bool(labels) and all(label in _PLACEHOLDERS and label not in trained for label in labels)


def _labels_of(row: TaskRow) -> tuple[str | float, ...]:
    if row.label is None:
        return ()
    return row.label if isinstance(row.label, tuple) else (row.label,)


def label_names(rows: Iterable[TaskRow], where: str) -> tuple[str, ...]:
    """Return the labels in use, in numerical order if they are whole numbers, else alphabetical.

    Raises InputError if there is only one.
    """
    found = {name for row in rows for name in _names_of(row)}
    try:
        names = sorted(found, key=int)
    except ValueError:
        names = sorted(found)
    if len(names) < 2:
        raise InputError(f"{where} has only one label, {names[0]!r}; a task needs at least two")
    return tuple(names)


def check_labels(rows: Iterable[TaskRow], known: Sequence[str]) -> None:
    """Raise InputError, naming the nearest label, for a label that training has not seen."""
    for row in rows:
        for name in _names_of(row):
            if name not in known:
                raise InputError(str(unknown_key(name, known, row.where, kind="training label")))


def _names_of(row: TaskRow) -> tuple[str, ...]:
    if isinstance(row.label, tuple):
        return row.label
    return (row.label,) if isinstance(row.label, str) else ()


def _to_row(row: Row, config: FinetuneConfig, labelled: bool) -> TaskRow:
    pair = None if config.text_pair is None else _text(row, config.text_pair)
    to_label = _number if config.task == "regression" else _name
    return TaskRow(
        where=row.where,
        text=_text(row, config.text),
        text_pair=pair,
        label=to_label(row, config.label) if labelled or _has_label(row, config.label) else None,
    )


def _has_label(row: Row, column: str) -> bool:
    """Whether a column has a value; empty text, empty lists and NaN are none."""
    value = row.values.get(column)
    if isinstance(value, str):
        value = value.strip()
    is_nan = isinstance(value, float) and math.isnan(value)
    return value is not None and value not in ("", []) and not is_nan


def _text(row: Row, column: str) -> str:
    value = row.cell(column)
    if not isinstance(value, str):
        raise _wrong_cell(f"{row.where}: {column!r} is {_show(value)}, not text")
    return value


def _name(row: Row, column: str) -> str:
    return _to_name(row.cell(column), f"{row.where}: {column!r}")


def _to_name(value: object, where: str) -> str:
    if value is None or value == "" or isinstance(value, list | dict):
        raise _wrong_cell(f"{where} is {_show(value)}, not a label")
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _number(row: Row, column: str) -> float:
    value = row.cell(column)
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise _wrong_cell(f"{row.where}: {column!r} is {_show(value)}, not a number")
    return number


def _wrong_cell(what: str) -> InputError:
    return InputError(f"{what}; correct it, or name another column")


def _show(value: object) -> str:
    return "missing" if value is None else repr(value)[:60]


def _read_tagging(path: Location, config: FinetuneConfig, labelled: bool) -> list[TaskRow]:
    """Read words and tags, which are lists, or one string with spaces.

    A TSV or CSV file with blank lines between its rows holds one word per row instead.
    """
    groups = read_groups(path, header=config.header)
    if table_kind(path) not in _TEXT_KINDS:
        return [_to_words(row, config, labelled) for group in groups for row in group]
    gathered = list(groups)
    if len(gathered) > 1:
        return [_gather_words(group, config, labelled) for group in gathered]
    return [_to_words(row, config, labelled) for group in gathered for row in group]


def _to_words(row: Row, config: FinetuneConfig, labelled: bool) -> TaskRow:
    cells = _cells(row, config.text)
    if not cells:
        raise _wrong_cell(f"{row.where}: {config.text!r} has no words")
    words = tuple(word for word in cells if isinstance(word, str))
    if len(words) < len(cells):
        raise _wrong_cell(f"{row.where}: {config.text!r} has words that are not text")
    tags = None
    if labelled or _has_label(row, config.label):
        where = f"{row.where}: {config.label!r}"
        tags = tuple(_to_name(tag, where) for tag in _cells(row, config.label))
        if len(tags) != len(words):
            raise InputError(
                f"{row.where} has {len(words)} words but {len(tags)} tags; give each word one tag"
            )
    return TaskRow(where=row.where, text=words, text_pair=None, label=tags)


def _cells(row: Row, column: str) -> Sequence[object]:
    value = row.cell(column)
    if isinstance(value, str):
        return value.split()
    if not isinstance(value, list):
        raise _wrong_cell(f"{row.where}: {column!r} is {_show(value)}, not a list")
    return value


def _gather_words(group: Sequence[Row], config: FinetuneConfig, labelled: bool) -> TaskRow:
    is_labelled = labelled or any(_has_label(row, config.label) for row in group)
    return TaskRow(
        where=group[0].where,
        text=tuple(_text(row, config.text) for row in group),
        text_pair=None,
        label=tuple(_name(row, config.label) for row in group) if is_labelled else None,
    )

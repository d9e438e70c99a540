"""Rows of documents without duplicates and without repeated sentences."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bertdata.arrays import BoolArray, Int64Array, as_array, offsets_of


def remove(documents: pa.Table, dropped: pa.Table) -> pa.Table:
    """The documents without repeated sentences; those that are dropped have a reason.

    `documents`: rows of blocks in the order of the input, one chunk a column; `dropped`: rows of
    `bertdata.duplicates.find.DROPPED` for them. A document that loses its last sentence is dropped
    as a duplicate.
    """
    if not len(dropped):
        return documents
    order = documents["order"].to_numpy()
    # "duplicate" comes before "near_duplicate": of two reasons the stronger one is reported.
    dropped = dropped.sort_by([("order", "ascending"), ("reason", "ascending")])
    is_whole = pc.less(dropped["sentence"], 0)
    documents = _give_reasons(documents, order, dropped.filter(is_whole))
    return _without_sentences(documents, order, dropped.filter(pc.invert(is_whole)))


def _give_reasons(documents: pa.Table, order: Int64Array, dropped: pa.Table) -> pa.Table:
    """The documents with the reason of those that are dropped."""
    orders, first = np.unique(dropped["order"].to_numpy(), return_index=True)
    rows = np.searchsorted(order, orders)
    chosen = dropped.take(pa.array(first))
    why = {name: chosen[name].to_pylist() for name in ("reason", "detail")}
    places = documents["place"].take(pa.array(rows)).to_pylist()
    why["detail"] = [f"{at}: {text}" if at else text for at, text in zip(places, why["detail"])]
    for name, values in why.items():
        column = np.array(documents[name].to_pylist(), dtype=object)
        column[rows] = values
        index = documents.schema.get_field_index(name)
        documents = documents.set_column(index, name, pa.array(column, pa.string()))
    return documents


def _without_sentences(documents: pa.Table, order: Int64Array, dropped: pa.Table) -> pa.Table:
    if not len(dropped):
        return documents
    lists = as_array(documents["sentences"])
    offsets = np.asarray(lists.offsets).astype(np.int64)
    rows = np.searchsorted(order, dropped["order"].to_numpy())
    keep: BoolArray = np.ones(int(offsets[-1] - offsets[0]), dtype=np.bool_)
    keep[offsets[rows] - offsets[0] + dropped["sentence"].to_numpy()] = False
    left = offsets_of(keep)[offsets - offsets[0]]
    values = lists.flatten().filter(pa.array(keep))
    column = pa.ListArray.from_arrays(pa.array(left.astype(np.int32)), values)
    index = documents.schema.get_field_index("sentences")
    documents = documents.set_column(index, "sentences", column)
    emptied = np.unique(rows[np.diff(left)[rows] == 0])
    return _give_reasons(documents, order, _first_rows(dropped, order[emptied]))


def _first_rows(dropped: pa.Table, orders: Int64Array) -> pa.Table:
    """The first row of each of these documents."""
    return dropped.filter(pc.is_in(dropped["order"], pa.array(orders)))

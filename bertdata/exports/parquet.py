"""Parquet files with the columns of the shards, which Hugging Face's `datasets` loads."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bertdata.exports.rows import ShardRows
from bertdata.grouping import fill_groups

# Of a row group, which readers load at once: about 10 MB.
_GROUP_ROWS = 32_768


def write_parquet(path: Path, rows: ShardRows) -> None:
    """Write the rows of a shard as a Parquet file."""
    schema = rows.examples.schema
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in fill_groups(rows.blocks, _GROUP_ROWS, len):
            writer.write_table(pa.Table.from_batches(group, schema))

"""Examples in the formats of other programs: TFRecord, Parquet, MDS; and cards for the hub."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "cards": ["CARD_NAME", "UNKNOWN_LICENCE", "make_card", "table_lines"],
        "export": ["FORMATS", "export_examples"],
        "rows": ["open_examples"],
    },
)

"""Web pages of Common Crawl: WARC and WET records, HTTP responses, the text of a page."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "pages": ["find_member", "read_warc", "read_wet"],
    },
)

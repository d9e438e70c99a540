"""Web pages of Common Crawl: WARC and WET records, HTTP responses, the text of a page."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "pages": ["find_member", "read_warc", "read_wet"],
    },
)

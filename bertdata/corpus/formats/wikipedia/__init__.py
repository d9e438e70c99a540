"""Wikipedia dumps: pages of the XML file, and the articles among them."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "articles": ["read_wikipedia"],
        "pages": ["find_page", "find_stream"],
    },
)

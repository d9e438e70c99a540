"""Wikipedia dumps: pages of the XML file, and the articles among them."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "articles": ["read_wikipedia"],
        "pages": ["find_page", "find_stream"],
    },
)

"""`bertdata report`: facts about a run, its figures, and the page that shows both."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(__name__, {"page": ["write_report"]})

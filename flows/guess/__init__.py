"""A configuration guessed from files: `bertdata init`."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(__name__, {"init": ["write_configuration"]})

"""The contents of a package: names that its modules define, imported when they are first used.

Importing the modules at once would load numba and torch for names that need neither. Written here
(PEP 562), as machines that train have no packages but those that training needs.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence


def list_contents(
    package: str, names: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """A package's `__getattr__`, `__dir__` and `__all__`. `names`: by the module that has them."""
    homes = {name: module for module, some in names.items() for name in some}
    listed = sorted(homes)

    def find(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    return find, lambda: list(listed), listed

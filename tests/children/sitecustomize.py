"""What Python imports first in every process that tests start: it hides packages.

Those that BERTDATA_TEST_HIDES names are as if they were not installed: only tests install them, and
NLTK, pyarrow and others use what is there. And imports are not searched for garbage, which they
make little of.
"""

import gc
import os
import sys
from importlib.machinery import PathFinder

gc.set_threshold(100_000)

_HIDDEN = frozenset(os.environ.get("BERTDATA_TEST_HIDES", "").split())


class _Finder(PathFinder):
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):  # type: ignore[no-untyped-def]
        return None if fullname in _HIDDEN else super().find_spec(fullname, path, target)


if _HIDDEN:
    sys.meta_path[:] = [_Finder if finder is PathFinder else finder for finder in sys.meta_path]

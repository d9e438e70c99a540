"""`python -m pipelines.jobs`: the host of jobs, without libraries that no job needs.

NLTK, numba, Beam and pyarrow import matplotlib, pandas, scipy and scikit-learn where these happen
to be installed: one to two seconds of every run, for nothing.
"""

from __future__ import annotations

import logging
import sys
from importlib.abc import MetaPathFinder
from typing import Any

_NOT_NEEDED = ("matplotlib", "pandas", "scipy", "sklearn")


class _Absent(MetaPathFinder):
    """Lets these libraries be as if they were not installed."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name in _NOT_NEEDED:
            raise ModuleNotFoundError(f"no job needs {name}", name=name)


if __name__ == "__main__":
    sys.meta_path.insert(0, _Absent())
    # Before Beam is imported, which warns of what we do without.
    logging.basicConfig(level=logging.ERROR)
    from pipelines.jobs import host

    host.main()

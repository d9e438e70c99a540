"""The memory of this process that nobody uses any more."""

from __future__ import annotations

import ctypes
import sys

import pyarrow as pa


def return_free_memory() -> None:
    """Return what was freed to the system: by Arrow, and by Python where its C library can.

    Both keep much of it for later. To be called between two kinds of work, which would add up.
    """
    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        # glibc's; other C libraries have no function of this name, and keep less.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)

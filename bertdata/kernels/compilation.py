"""How loops over arrays are compiled.

numba counts references to arrays, even where an inlined function only passes one on; in a loop over
bytes this takes half of the time or more. A kernel works on its argument arrays and creates none
(one that does fails to compile), so it needs no reference counts.

Compiled code is cached beside the module's source; the installation already fills that cache. numba
reads only caches that it can write to: where the installed one is read-only, it is copied to a
folder of the user's.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from numba import config, njit

_Function = TypeVar("_Function", bound=Callable[..., object])

# What kernels of other packages inline, and the numbers that it uses.
_SHARED_SOURCES = (
    *Path(__file__).parent.glob("*.py"),
    Path(__file__).parents[1] / "randomness.py",
)


def kernel(function: _Function) -> _Function:
    """Compile a loop over arrays, once for all processes."""
    return _compile(function, nogil=True, _nrt=False)


def inlined(function: _Function) -> _Function:
    """Compile a part of kernels: each kernel gets a copy of it."""
    return _compile(function, inline="always")


def _compile(function: _Function, **options: Any) -> _Function:
    compiled = njit(cache=True, **options)(function)
    folder = Path(compiled.stats.cache_path)
    _copy_installed(Path(function.__code__.co_filename).parent, folder)
    _forget_outdated(folder)
    return compiled  # type: ignore[no-any-return]


@functools.cache
def _copy_installed(package: Path, folder: Path) -> None:
    """Copy the installed cache of a package to the folder that numba uses instead."""
    installed = package / "__pycache__"
    if folder == installed:
        return
    for source in installed.glob("*.nb[ci]"):
        target = folder / source.name
        if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            with tempfile.NamedTemporaryFile(dir=folder, delete=False) as copy:
                shutil.copy2(source, copy.name)
            Path(copy.name).replace(target)


@functools.cache
def _forget_outdated(folder: Path) -> None:
    """Remove compiled code that is older than the parts of other modules that are inlined in it.

    numba compares it with the file of its own function alone.
    """
    newest = max(source.stat().st_mtime for source in _SHARED_SOURCES)
    for index in folder.glob("*.nbi"):
        with contextlib.suppress(OSError):  # another process removes it, or it cannot be removed
            if index.stat().st_mtime < newest:
                index.unlink()


def _ensure_folder() -> None:
    """Make sure numba has a folder to write to: a temporary one if there is no other."""
    try:
        njit(cache=True)(_ensure_folder)
    except RuntimeError:  # neither the source's folder nor the user's home is writable
        folder = tempfile.mkdtemp(prefix="bertdata-numba-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        config.CACHE_DIR = folder  # type: ignore[attr-defined]
        os.environ["NUMBA_CACHE_DIR"] = folder  # for processes that this one starts


_ensure_folder()

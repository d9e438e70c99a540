"""How loops over arrays are compiled.

numba counts references to arrays, also where a function that is inlined only hands one on: in a
loop over bytes that takes half of the time or more. A kernel works on arrays that it is given and
makes none (one that would does not compile), so nothing need be counted.

What is compiled is kept beside the module's source, by the installation already. numba reads only
folders that it can also write to; where that one is not, what is there is copied to one that is.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from numba import config, njit

_Function = TypeVar("_Function", bound=Callable[..., Any])


def kernel(function: _Function) -> _Function:
    """Compile a loop over arrays, once for all processes."""
    return _compile(function, nogil=True, _nrt=False)


def inlined(function: _Function) -> _Function:
    """Compile a part of kernels: each gets a copy."""
    return _compile(function, inline="always")


def _compile(function: _Function, **options: Any) -> _Function:
    compiled = njit(cache=True, **options)(function)
    _copy_installed(Path(function.__code__.co_filename).parent, Path(compiled.stats.cache_path))
    return compiled  # type: ignore[no-any-return]


@functools.cache
def _copy_installed(package: Path, folder: Path) -> None:
    """Copy what the installation compiled for a package to the folder that numba uses instead."""
    installed = package / "__pycache__"
    if folder == installed:
        return
    for source in installed.glob("*.nb[ci]"):
        target = folder / source.name
        if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            with tempfile.NamedTemporaryFile(dir=folder, delete=False) as copy:
                shutil.copy2(source, copy.name)
            Path(copy.name).replace(target)


def _ensure_folder() -> None:
    """Let numba have a folder to write to: where there is none, a temporary one."""
    try:
        njit(cache=True)(_ensure_folder)
    except RuntimeError:  # neither beside the source nor below the user's home
        folder = tempfile.mkdtemp(prefix="bertdata-numba-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        config.CACHE_DIR = folder  # type: ignore[attr-defined]
        os.environ["NUMBA_CACHE_DIR"] = folder  # for the processes that this one starts


_ensure_folder()

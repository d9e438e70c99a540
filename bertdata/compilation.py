"""How loops over arrays are compiled.

numba counts references to arrays, also where a function that is inlined only hands one on: in a
loop over bytes that takes half of the time or more. A kernel works on arrays that it is given and
makes none (one that would does not compile), so nothing need be counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile a loop over arrays, once for all processes."""
    return njit(cache=True, nogil=True, _nrt=False)(function)  # type: ignore[call-overload,no-any-return]


def inlined(function: Function) -> Function:
    """Compile a part of kernels: each gets a copy."""
    return njit(cache=True, inline="always")(function)  # type: ignore[return-value]

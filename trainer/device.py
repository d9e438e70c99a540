"""Where a model is computed, and in which type of numbers."""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor

from bertdata.errors import ConfigError

_CPU = torch.device("cpu")
_BF16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")


def find_device(name: str) -> torch.device:
    """Return a device by torch's name; "" and "auto" mean a GPU if there is one, else the CPU.

    Raises ConfigError for a device that this machine does not have.
    """
    has_gpu = torch.cuda.is_available()
    if name in ("", "auto"):
        return torch.device("cuda" if has_gpu else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"there is no device {name!r}; try cpu or cuda") from error
    if device.type == "cuda" and not has_gpu:
        raise ConfigError(f"device is {name!r}, but torch sees no GPU; use 'cpu' or leave it out")
    return device


def compute_dtype(precision: str, device: torch.device = _CPU) -> torch.dtype:
    """Return the type in which matrices are multiplied; parameters are in single precision."""
    if precision == "bf16" or (precision == "auto" and _has_native_bf16(device)):
        return torch.bfloat16
    return torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> contextlib.AbstractContextManager[None]:
    """Multiply in `dtype` within the context."""
    if dtype is torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype)


class HostCopy:
    """Numbers that are being copied to the host, which need not wait for them."""

    def __init__(self, values: Tensor) -> None:
        """Begin to copy what `values` will hold when the work under way is done."""
        self._values = torch.empty_like(values, device="cpu", pin_memory=values.is_cuda)
        self._values.copy_(values, non_blocking=True)
        self._arrived = record_event(values.device)

    def wait(self) -> list[float]:
        """Wait for the numbers and return them."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return [float(value) for value in self._values.tolist()]


def record_event(device: torch.device) -> torch.cuda.Event | None:
    """Return an event that the GPU reaches when the work under way is done; None on a CPU."""
    if device.type != "cuda":
        return None
    event = torch.cuda.Event()
    event.record(torch.cuda.current_stream(device))
    return event


def _has_native_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if not hasattr(torch.cpu, "get_capabilities"):  # newer than torch 2.11
        return False
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in _BF16_INSTRUCTIONS)

"""The processes of one training: alone, or several that torchrun started, one per GPU."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

from bertdata.errors import ConfigError
from trainer.device import find_device

# The environment of ranks that meet in a file of this machine: the folder that it is in.
_FOLDER = "BERTDATA_RANKS"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranks:
    """This process among all; all of them must call every method alike."""

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and prints."""
        return self.rank == 0

    def sum(self, values: Sequence[float]) -> list[float]:
        """Return each number, summed over the ranks."""
        if self.size == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(tensor)
        return tensor.tolist()

    def sum_tensor(self, values: Tensor) -> Tensor:
        """Sum a tensor over the ranks, on its device and in place."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def sum_gradients(self, model: nn.Module) -> None:
        """Replace every gradient by its sum over the ranks."""
        if self.size == 1:
            return
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        for gradient, summed in zip(gradients, flat.split([g.numel() for g in gradients])):
            gradient.copy_(summed.view_as(gradient))

    def text_from_first(self, text: str) -> str:
        """Return the first rank's text. It goes as bytes: nothing from a network is pickled."""
        if self.size == 1:
            return text
        sent = torch.tensor(list(text.encode()), dtype=torch.uint8)
        length = torch.tensor([len(sent)])
        distributed.broadcast(length, 0)
        received = sent if self.is_first else torch.empty(int(length), dtype=torch.uint8)
        distributed.broadcast(received, 0)
        return bytes(received.tolist()).decode()

    def wait_for_first(self) -> None:
        """Return when the first rank is here, too."""
        self.text_from_first("")


def started_by_torchrun() -> bool:
    """Whether torchrun started this process."""
    return "WORLD_SIZE" in os.environ


def is_first_rank() -> bool:
    """Whether this process prints for all."""
    return os.environ.get("RANK", "0") == "0"


@contextlib.contextmanager
def join_ranks(device: str, processes: int) -> Iterator[Ranks]:
    """Join the ranks of this training: as many as torchrun started; `processes` may be 1 then.

    `device`: "cpu", "cuda" or "auto".
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if processes not in (1, size):
        raise ConfigError(
            f"processes is {processes}, but {size} run; start {processes} with torchrun "
            f"--nproc-per-node={processes}, or set processes = {size}"
        )
    found = find_device(device)
    if size == 1:
        yield Ranks(device=found)
        return
    rank, local_rank = int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"])
    is_gpu = found.type == "cuda"
    if is_gpu:
        found = torch.device("cuda", local_rank)
        torch.cuda.set_device(found)
    # Numbers of the host go through gloo, gradients on a GPU through nccl.
    folder = os.environ.get(_FOLDER)
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if is_gpu else "gloo",
        init_method=f"file://{folder}/ranks" if folder else "env://",
        rank=rank,
        world_size=size,
    )
    try:
        yield Ranks(device=found, rank=rank, size=size)
    finally:
        distributed.destroy_process_group()


def launcher(processes: int) -> tuple[list[str], dict[str, str]]:
    """Arguments of Python that start `processes` ranks on this machine, and their environment.

    They meet in a file that only this user may open, and listen on loopback alone: torchrun's
    usual store listens on all interfaces, and none of torch's connections asks who is there. The
    folder stays, with next to nothing in it: torchrun needs it to its end.
    """
    folder = tempfile.mkdtemp(prefix="bertdata-ranks-")  # mode 0700
    arguments = [
        *("-P", "-m", "torch.distributed.run", f"--nproc-per-node={processes}"),
        *("--rdzv-backend=c10d", "--rdzv-conf=store_type=file", "--rdzv-id=bertdata"),
        f"--rdzv-endpoint={folder}/torchrun",
    ]
    loopback = "lo" if sys.platform == "linux" else "lo0"
    environment = {
        _FOLDER: folder,
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
        "GLOO_SOCKET_IFNAME": loopback,
        "NCCL_SOCKET_IFNAME": loopback,
    }
    return arguments, environment

"""Training in several processes on one machine: each has blocks of its own, and they step with the mean of their gradients.

On two cores, two processes of one thread step about 1.8 times as often as one process of two threads: the sparse layers of
the cloud network wait for memory, not for arithmetic.
"""

from __future__ import annotations

import datetime
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

_PATIENCE = datetime.timedelta(minutes=10)


@dataclass(frozen=True)
class Crew:
    """Who trains together: this process's `rank` of `size`. A crew of one does nothing."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def start_alike(self, net: nn.Module) -> None:
        """Give every process the weights of the first."""
        if self.size > 1:
            for value in net.state_dict().values():
                dist.broadcast(value, 0)

    def agree(self, net: nn.Module, spent_s: float, stop: bool) -> tuple[float, bool]:
        """Put the mean of all gradients in place; the mean of the time spent, and whether anybody wants to stop."""
        if self.size == 1:
            return spent_s, stop
        held = [p for p in net.parameters() if p.requires_grad]
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in held]
        last = torch.tensor([spent_s, float(stop)], dtype=parts[0].dtype)
        flat = torch.cat([*[part.flatten() for part in parts], last])
        dist.all_reduce(flat)
        flat /= self.size
        start = 0
        for parameter in held:
            count = parameter.numel()
            parameter.grad = flat[start : start + count].view_as(parameter).clone()
            start += count
        return float(flat[-2]), bool(flat[-1] > 0)


def run_crew(size: int, work: Callable[[Crew, Any], None], given: Any) -> None:
    """`work(crew, given)` in `size` processes, the first of them this one; both must be importable and picklable."""
    if size == 1:
        work(Crew(), given)
        return
    port = _free_port()
    context = torch.multiprocessing.get_context("spawn")
    others = [
        context.Process(target=_join, args=(Crew(rank, size), port, work, given))
        for rank in range(1, size)
    ]
    for other in others:
        other.start()
    _join(Crew(0, size), port, work, given)
    for other in others:
        other.join()


def _join(crew: Crew, port: int, work: Callable[[Crew, Any], None], given: Any) -> None:
    # Threads that spin while they wait would take the cores from the other processes.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    address = f"tcp://127.0.0.1:{port}"
    dist.init_process_group(
        "gloo", init_method=address, rank=crew.rank, world_size=crew.size, timeout=_PATIENCE
    )
    try:
        work(crew, given)
    finally:
        dist.destroy_process_group()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])

"""Processes that train together: the mean of their gradients, one end for all."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from inference_backend.training.side_by_side import Crew, run_crew


def one_step(crew: Crew, folder: Path) -> None:
    torch.manual_seed(crew.rank)
    net = nn.Linear(3, 1, bias=False)
    crew.start_alike(net)
    before = net.weight.detach().clone()
    (net(torch.full((1, 3), float(crew.rank + 1))).sum()).backward()
    spent, stop = crew.agree(net, 10.0 * (crew.rank + 1), stop=crew.rank == 1)
    torch.save([before, net.weight.grad, spent, stop], folder / f"{crew.rank}.pt")


def test_two_processes_have_the_mean_gradient_the_mean_time_and_stop_together(tmp_path):
    run_crew(2, one_step, tmp_path)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    torch.testing.assert_close(first[0], second[0])
    for _, gradient, spent, stop in (first, second):
        # Inputs of 1 and of 2: the gradient of the sum is the input.
        torch.testing.assert_close(gradient, torch.full((1, 3), 1.5))
        assert (spent, stop) == (15.0, True)


def test_alone_nothing_is_changed(tmp_path):
    run_crew(1, one_step, tmp_path)
    _, gradient, spent, stop = torch.load(tmp_path / "0.pt", weights_only=True)
    torch.testing.assert_close(gradient, torch.ones(1, 3))
    assert (spent, stop) == (10.0, False)

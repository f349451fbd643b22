"""What the process tells of its progress: every pass as it begins, and not every step of one."""

from __future__ import annotations

from inference_backend.serve import Server


class Told(Server):
    """A server that keeps what it would send; it has no pipe and no session."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def send(self, message) -> None:
        self.messages.append(message.params["message"])


def test_a_new_pass_is_told_at_once_and_small_steps_are_not():
    server = Told()
    report = server._progress_of(1)
    report(0.0, "Reading the points")
    for step in range(200):
        report(step * 1e-4, f"Reading {step}")
    # The last word before a long silence: it may not be lost to what came just before it.
    report(0.021, "Classifying, about 20 s left")
    assert server.messages[0] == "Reading the points"
    assert server.messages[-1] == "Classifying, about 20 s left"
    assert len(server.messages) < 100


def test_the_end_is_always_told():
    server = Told()
    report = server._progress_of(1)
    report(0.99, "Writing")
    report(0.991, "Writing")
    report(1.0, "Writing")
    assert server.messages[0] == server.messages[-1] == "Writing"
    assert len(server.messages) == 2

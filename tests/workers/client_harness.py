"""A client of a misbehaving child, everything that it signalled, and ways to wait. For QGIS's Python."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from qgis.PyQt.QtCore import QCoreApplication, QEventLoop, QTimer

from cityseg_qgis.errors import CitySegError
from cityseg_qgis.worker.client import BackendClient
from cityseg_qgis.worker.interpreter import BackendCommand, child_environment
from cityseg_qgis.worker.watchdog import Timing

WORKER = Path(__file__).resolve().parent / "problem_worker.py"
# Long enough for a loaded machine; a test that waits this long has failed.
PATIENCE_S = 30
QUICK = Timing(hello=20_000, stall=20_000, cancel=20_000, shutdown=1_500)


class Harness:
    """A client, everything that it signalled, and a way to wait."""

    def __init__(self, *flags: str, timing: Timing = QUICK, program: str = sys.executable) -> None:
        self.arguments = ("-I", "-u", str(WORKER), *flags)
        self.program = program
        self.commands_made = 0
        self.answers: dict[int, tuple[dict, tuple]] = {}
        self.failures: dict[int, CitySegError] = {}
        self.order: list[int] = []
        self.steps: list[tuple[int, float, str]] = []
        self.lines: list[tuple[str, str]] = []
        self.states: list[str] = []
        self.client = BackendClient(self.make_command, timing=timing)
        self.client.answered.connect(self._on_answered)
        self.client.failed.connect(self._on_failed)
        self.client.progressed.connect(lambda *step: self.steps.append(step))
        self.client.log_line.connect(lambda *line: self.lines.append(line))
        self.client.state_changed.connect(self.states.append)

    def make_command(self) -> BackendCommand:
        self.commands_made += 1
        return BackendCommand(self.program, self.arguments, child_environment(os.environ))

    def _on_answered(self, request_id: int, result: dict, attachments: tuple) -> None:
        assert request_id not in self.answers
        assert request_id not in self.failures
        self.order.append(request_id)
        self.answers[request_id] = (result, attachments)

    def _on_failed(self, request_id: int, error: CitySegError) -> None:
        assert request_id not in self.answers
        assert request_id not in self.failures
        self.order.append(request_id)
        self.failures[request_id] = error

    def ask(self, method: str, supersede: str = "", **params) -> int:
        return self.client.request(method, params, supersede=supersede)

    def answer(self, method: str, **params) -> dict:
        """Ask and wait; the result, or the error raised."""
        return self.result_of(self.ask(method, **params))

    def result_of(self, request_id: int) -> dict:
        wait_until(lambda: request_id in self.answers or request_id in self.failures)
        if request_id in self.failures:
            raise self.failures[request_id]
        return self.answers[request_id][0]

    def failure_of(self, request_id: int) -> CitySegError:
        wait_until(lambda: request_id in self.answers or request_id in self.failures)
        return self.failures[request_id]


def wait_until(condition) -> None:
    """Run the event loop until `condition()`."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        loop = QEventLoop()
        QTimer.singleShot(10, loop.quit)
        loop.exec()


def run_for(milliseconds: int) -> None:
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A killed child that Qt has not reaped yet is a zombie.
    return " Z" not in Path(f"/proc/{pid}/stat").read_text().partition(")")[2][:3]


def harnesses() -> Iterator[Callable[..., Harness]]:
    """The body of a fixture: makes harnesses, and ends their children."""
    made: list[Harness] = []

    def make(*flags: str, **options) -> Harness:
        made.append(Harness(*flags, **options))
        return made[-1]

    yield make
    for one in made:
        one.client.shutdown()
        one.client.deleteLater()
    QCoreApplication.processEvents()

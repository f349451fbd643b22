"""The client against a real child that misbehaves: every fault ends in an answer or in one clear sentence."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from qgis.PyQt.QtCore import QCoreApplication, QEventLoop, QTimer

from cityseg_qgis.errors import (
    BackendCrashed,
    BackendFailed,
    BackendUnavailable,
    CitySegError,
    RequestCancelled,
)
from cityseg_qgis.protocol import codes
from cityseg_qgis.worker.client import FAILED, READY, STARTING, STOPPED, BackendClient
from cityseg_qgis.worker.interpreter import BackendCommand, child_environment
from cityseg_qgis.worker.watchdog import Timing

WORKER = Path(__file__).resolve().parents[1] / "workers" / "problem_worker.py"
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


@pytest.fixture
def harness(qgis_app):
    made = []

    def make(*flags: str, **options) -> Harness:
        made.append(Harness(*flags, **options))
        return made[-1]

    yield make
    for one in made:
        one.client.shutdown()
        one.client.deleteLater()
    QCoreApplication.processEvents()


def test_a_request_starts_the_process_and_is_answered(harness):
    one = harness()
    assert one.client.state == STOPPED
    request_id = one.client.request("echo", {"text": "Dächer ☀"}, (b"\x00CSEG\n", b""))
    assert one.result_of(request_id)["params"] == {"text": "Dächer ☀"}
    assert one.answers[request_id][1] == (b"\x00CSEG\n", b"")
    assert one.states == [STARTING, READY]
    assert one.client.backend.version == "problem"
    assert one.client.pending_count == 0


def test_many_requests_in_flight_are_answered_in_order_by_one_process(harness):
    one = harness()
    ids = [one.ask("echo", number=number) for number in range(50)]
    wait_until(lambda: len(one.answers) == 50)
    assert one.order == ids
    assert [one.answers[i][0]["params"]["number"] for i in ids] == list(range(50))
    assert len({one.answers[i][0]["pid"] for i in ids}) == 1
    assert one.commands_made == 1


def test_the_child_gets_a_scrubbed_environment(harness, monkeypatch):
    monkeypatch.setenv("PYTHONEXECUTABLE", "/nowhere/python")
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    monkeypatch.setenv("QGIS_PREFIX_PATH", "/usr")
    environ = harness().answer("echo")["environ"]
    assert not {"PYTHONEXECUTABLE", "PYTHONHOME", "QGIS_PREFIX_PATH"} & environ.keys()
    assert environ["HOME"] == os.environ["HOME"]


def test_requests_made_before_a_late_start_wait_for_it(harness):
    one = harness("--start-delay", "0.5")
    first, second = one.ask("echo", n=1), one.ask("echo", n=2)
    one.result_of(second)
    assert one.order == [first, second]


def test_noise_on_stdout_is_logged_and_breaks_no_frame(harness):
    one = harness("--start-noise")
    assert one.answer("noise") == {"fine": True}
    assert one.answer("noise") == {"fine": True}
    noise = [text for level, text in one.lines if level == "noise"]
    assert noise[0] == "Welcome to the cluster!"
    assert "Downloading: 3%" in noise
    assert "CSEG is a magic word" in noise


def test_a_frame_that_arrives_byte_by_byte_is_one(harness):
    one = harness()
    request_id = one.ask("drip")
    assert one.result_of(request_id) == {"fine": True}
    assert one.answers[request_id][1] == (b"CSEG",)


def test_progress_and_log_lines_are_handed_on(harness):
    one = harness()
    request_id = one.ask("steps")
    one.result_of(request_id)
    assert one.steps == [
        (request_id, 0.0, "step 0"),
        (request_id, 0.5, "step 1"),
        (request_id, 1.0, "step 2"),
    ]
    assert ("warning", "careful") in one.lines


def test_an_error_of_the_backend_keeps_sentence_detail_and_kind(harness):
    with pytest.raises(BackendFailed) as caught:
        harness().answer("error")
    error = caught.value
    assert (error.user_message, error.detail, error.kind) == ("Bad.", "why", "invalid_input")
    assert error.code == codes.INVALID_INPUT


def test_messages_without_meaning_are_logged_and_skipped(harness):
    one = harness()
    assert one.answer("nonsense") == {"fine": True}
    assert sum("unreadable" in text for _, text in one.lines) == 2


@pytest.mark.parametrize("how", [{"kill": True}, {"code": 3}, {"code": 0}, {"half": True}])
def test_a_child_that_dies_is_restarted_and_its_requests_are_repeated(harness, tmp_path, how):
    one = harness()
    before = one.answer("echo")["pid"]
    dying = one.ask("die", once=str(tmp_path / "once"), **how)
    behind = one.ask("echo", n=7)
    assert one.result_of(dying)["pid"] != before
    assert one.result_of(behind)["params"] == {"n": 7}
    assert one.commands_made == 2
    assert not one.failures


@pytest.mark.parametrize("how", [{"kill": True}, {"code": 3}, {"half": True}])
def test_a_request_that_kills_twice_fails_with_one_sentence_and_the_last_words(harness, how):
    one = harness()
    with pytest.raises(BackendCrashed) as caught:
        one.answer("die", **how)
    assert one.commands_made == 2
    assert "\n" not in caught.value.user_message
    assert caught.value.detail.count("last words of the worker") == 2
    assert ("stderr", "last words of the worker") in one.lines
    # The next request finds a new process.
    assert one.answer("echo", n=1)["params"] == {"n": 1}


def test_a_child_that_dies_idle_is_replaced_by_the_next_request(harness):
    one = harness()
    pid = one.answer("echo")["pid"]
    os.kill(pid, 9)
    wait_until(lambda: one.client.state == STOPPED)
    assert one.commands_made == 1
    assert one.answer("echo")["pid"] != pid


def test_a_hanging_child_is_replaced_and_the_request_repeated(harness, tmp_path):
    one = harness(timing=Timing(hello=20_000, stall=300))
    before = one.answer("echo")["pid"]
    assert one.answer("hang", once=str(tmp_path / "once"))["pid"] != before
    wait_until(lambda: not alive(before))


def test_a_child_that_hangs_twice_is_given_up(harness):
    one = harness(timing=Timing(hello=20_000, stall=300))
    with pytest.raises(BackendCrashed, match="stopped answering"):
        one.answer("hang")
    assert one.commands_made == 2


def test_long_work_of_a_living_child_is_left_alone(harness):
    one = harness(timing=Timing(hello=20_000, stall=50))
    request_id = one.ask("never")
    run_for(600)
    assert one.commands_made == 1
    assert one.client.state == READY
    assert request_id not in one.failures


def test_cancel_reaches_the_child(harness):
    one = harness()
    one.answer("echo")
    request_id = one.ask("slow")
    assert one.client.cancel(request_id)
    error = one.failure_of(request_id)
    assert isinstance(error, RequestCancelled)
    assert error.kind == "cancelled"
    assert not one.client.cancel(request_id)
    assert one.commands_made == 1


def test_cancel_before_the_start_needs_no_child(harness):
    one = harness("--silent")
    request_id = one.ask("echo")
    assert one.client.cancel(request_id)
    assert isinstance(one.failure_of(request_id), RequestCancelled)


def test_a_child_that_hears_no_cancel_is_replaced_and_other_requests_survive(harness):
    one = harness(timing=Timing(hello=20_000, cancel=300))
    one.answer("echo")
    deaf, other = one.ask("never"), one.ask("slow")
    one.client.cancel(deaf)
    assert isinstance(one.failure_of(deaf), RequestCancelled)
    wait_until(lambda: one.commands_made == 2 and one.client.state == READY)
    assert other not in one.failures
    one.client.cancel(other)
    assert isinstance(one.failure_of(other), RequestCancelled)
    assert one.commands_made == 2


def test_a_newer_request_supersedes_older_ones_of_its_group(harness):
    one = harness()
    one.answer("echo")
    first = one.ask("slow", supersede="preview")
    other = one.ask("slow", supersede="something else")
    second = one.ask("slow", supersede="preview")
    third = one.ask("echo", supersede="preview", n=3)
    assert one.result_of(third)["params"] == {"n": 3}
    for stale in (first, second):
        assert isinstance(one.failures[stale], RequestCancelled)
        assert one.failures[stale].kind == "superseded"
    assert other not in one.failures
    run_for(100)  # late answers to the stale ones are not heard: the harness checks
    assert one.client.pending_count == 1


def test_superseded_requests_are_not_even_sent_while_the_child_starts(harness):
    one = harness("--start-delay", "0.3")
    ids = [one.ask("echo", supersede="preview", n=n) for n in range(5)]
    assert one.result_of(ids[-1])["params"] == {"n": 4}
    assert set(one.failures) == set(ids[:-1])


def test_no_signal_comes_before_the_request_has_returned(harness):
    one = harness(program="/nowhere/python")
    request_id = one.ask("echo")
    assert not one.failures
    assert isinstance(one.failure_of(request_id), BackendUnavailable)


def test_a_child_of_another_version_is_refused_in_one_sentence(harness):
    one = harness("--protocol", "99")
    error = one.failure_of(one.ask("echo"))
    assert isinstance(error, BackendUnavailable)
    assert "versions" in error.user_message
    assert "protocol 99" in error.detail
    assert one.client.state == FAILED


def test_a_program_that_does_not_exist_is_said_so(harness):
    one = harness(program="/nowhere/python")
    error = one.failure_of(one.ask("echo"))
    assert "could not be started" in error.user_message
    assert one.client.state == FAILED


@pytest.mark.parametrize("code", [0, 1, 3])
def test_a_child_that_ends_at_start_is_not_started_again(harness, code):
    one = harness("--exit-at-start", str(code))
    error = one.failure_of(one.ask("echo"))
    assert isinstance(error, BackendUnavailable)
    assert f"exit code {code}" in error.user_message
    assert "No module named 'numpy'" in error.detail
    assert one.commands_made == 1


def test_a_silent_child_is_given_up_after_a_while(harness):
    one = harness("--silent", timing=Timing(hello=400))
    error = one.failure_of(one.ask("echo"))
    assert isinstance(error, BackendUnavailable)
    assert "did not answer" in error.user_message
    assert one.client.state == FAILED


def test_after_a_failed_start_the_next_request_tries_again(harness):
    one = harness("--exit-at-start", "3")
    one.failure_of(one.ask("echo"))
    one.arguments = one.arguments[:3]
    assert one.answer("echo", n=1)["params"] == {"n": 1}


def test_a_command_that_cannot_be_made_fails_the_requests(harness):
    one = harness()

    def refuse() -> BackendCommand:
        raise BackendUnavailable("Not installed.")

    one.client._make_command = refuse
    assert one.failure_of(one.ask("echo")).user_message == "Not installed."
    assert one.client.state == FAILED


def test_what_cannot_be_sent_fails_alone(harness):
    one = harness()
    bad, good = one.ask("echo", value=float("nan")), one.ask("echo", n=1)
    assert isinstance(one.failure_of(bad), BackendFailed)
    assert one.result_of(good)["params"] == {"n": 1}


def test_restart_takes_a_new_child_and_keeps_the_requests(harness):
    one = harness()
    before = one.answer("echo")["pid"]
    request_id = one.ask("slow")
    one.client.restart()
    wait_until(lambda: one.client.state == READY)
    wait_until(lambda: not alive(before))
    assert one.client.cancel(request_id)
    assert isinstance(one.failure_of(request_id), RequestCancelled)


@pytest.mark.parametrize("flags", [(), ("--stay",)])
def test_shutdown_ends_the_child_and_fails_what_is_open(harness, flags):
    one = harness(*flags, timing=Timing(shutdown=300))
    pid = one.answer("echo")["pid"]
    request_id = one.ask("slow")
    one.client.shutdown()
    assert not alive(pid)
    assert one.client.state == STOPPED
    assert isinstance(one.failure_of(request_id), RequestCancelled)


def test_shutdown_of_a_hanging_child_is_bounded(harness):
    one = harness(timing=Timing(shutdown=200))
    pid = one.answer("echo")["pid"]
    one.ask("hang")
    one.client.shutdown()
    assert not alive(pid)


def test_shutdown_in_the_middle_of_a_start_leaves_nothing(harness):
    one = harness("--silent")
    one.client.start()
    wait_until(lambda: one.client._process._process.processId() > 0)
    pid = one.client._process._process.processId()
    one.client.shutdown()
    assert not alive(pid)
    assert one.states == [STARTING, STOPPED]


def test_requests_after_shutdown_start_anew(harness):
    one = harness()
    first = one.answer("echo")["pid"]
    one.client.shutdown()
    assert one.answer("echo")["pid"] != first


def test_a_large_attachment_travels_both_ways_without_blocking(harness):
    one = harness()
    one.answer("echo")
    data = os.urandom(1 << 20) * 24
    request_id = one.client.request("echo", {}, (data,))
    assert one.client.pending_count == 1
    one.result_of(request_id)
    assert one.answers[request_id][1] == (data,)


def test_the_end_of_the_application_ends_the_child(qgis_app, tmp_path):
    """In a process of its own: a QGIS that leaves without saying goodbye to the plugin."""
    import subprocess

    script = tmp_path / "leaving.py"
    script.write_text(
        f"""
import os, sys
sys.path[:0] = [{str(WORKER.parents[2])!r}]
from qgis.PyQt.QtCore import QCoreApplication
from cityseg_qgis.worker.client import BackendClient
from cityseg_qgis.worker.interpreter import BackendCommand
app = QCoreApplication([])
command = BackendCommand(sys.executable, ("-I", "-u", {str(WORKER)!r}), dict(os.environ))
client = BackendClient(lambda: command)
client.answered.connect(lambda i, result, parts: (print(result["pid"], flush=True), app.quit()))
client.request("echo")
app.exec()
""",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=True
    )
    assert not alive(int(done.stdout))
    assert "QProcess: Destroyed" not in done.stderr

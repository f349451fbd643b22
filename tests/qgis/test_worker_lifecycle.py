"""Start, death, restart and end of a real child that misbehaves: an answer, or one clear sentence."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cityseg_qgis.errors import (
    BackendCrashed,
    BackendUnavailable,
    RequestCancelled,
)
from cityseg_qgis.worker.client import FAILED, READY, STARTING, STOPPED
from cityseg_qgis.worker.interpreter import BackendCommand
from cityseg_qgis.worker.watchdog import Timing
from tests.workers.client_harness import WORKER, alive, harnesses, run_for, wait_until


@pytest.fixture
def harness(qgis_app):
    yield from harnesses()


def test_requests_made_before_a_late_start_wait_for_it(harness):
    one = harness("--start-delay", "0.5")
    first, second = one.ask("echo", n=1), one.ask("echo", n=2)
    one.result_of(second)
    assert one.order == [first, second]


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


def test_the_end_of_the_application_ends_the_child(qgis_app, tmp_path):
    """In a process of its own: a QGIS that leaves without saying goodbye to the plugin."""
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

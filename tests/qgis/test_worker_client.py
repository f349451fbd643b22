"""Requests, answers, errors and cancels of the client, against a real child."""

from __future__ import annotations

import os

import pytest

from cityseg_qgis.errors import (
    BackendFailed,
    BackendUnavailable,
    RequestCancelled,
)
from cityseg_qgis.protocol import codes
from cityseg_qgis.worker.client import READY, STARTING, STOPPED
from tests.workers.client_harness import harnesses, run_for, wait_until


@pytest.fixture
def harness(qgis_app):
    yield from harnesses()


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


def test_what_cannot_be_sent_fails_alone(harness):
    one = harness()
    bad, good = one.ask("echo", value=float("nan")), one.ask("echo", n=1)
    assert isinstance(one.failure_of(bad), BackendFailed)
    assert one.result_of(good)["params"] == {"n": 1}


def test_a_large_attachment_travels_both_ways_without_blocking(harness):
    one = harness()
    one.answer("echo")
    data = os.urandom(1 << 20) * 24
    request_id = one.client.request("echo", {}, (data,))
    assert one.client.pending_count == 1
    one.result_of(request_id)
    assert one.answers[request_id][1] == (data,)

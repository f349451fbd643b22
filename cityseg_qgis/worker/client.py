"""Requests to the backend and their answers as signals; owns its start, restart and end.

Lives in the GUI thread and never blocks it: every wait is a signal or a timer, but for the bounded `shutdown`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Optional

from qgis.PyQt.QtCore import QCoreApplication, QObject, QTimer, pyqtSignal

from cityseg_qgis.errors import CitySegError
from cityseg_qgis.protocol import codes
from cityseg_qgis.protocol.framing import Frame, FrameTooLarge, Rejected
from cityseg_qgis.protocol.messages import (
    ErrorResponse,
    HelloAnswer,
    InvalidMessage,
    Notification,
    Request,
    Response,
    from_frame,
    to_bytes,
)
from cityseg_qgis.worker import failures
from cityseg_qgis.worker.interpreter import BackendCommand
from cityseg_qgis.worker.pending import Pending, PendingRequests
from cityseg_qgis.worker.process import BackendProcess, End, LastWords
from cityseg_qgis.worker.watchdog import DEFAULT_TIMING, Timing, Watchdog

STOPPED = "stopped"
STARTING = "starting"
READY = "ready"
FAILED = "failed"

_CLIENT_NAME = "cityseg-qgis"


class BackendClient(QObject):
    """The one way to the backend. The process starts with the first request, or by `start`.

    Every id that `request` returned gets exactly one `answered` or `failed`, never before `request` has returned.
    """

    answered = pyqtSignal(int, object, object)
    failed = pyqtSignal(int, object)
    progressed = pyqtSignal(int, float, str)
    partially_answered = pyqtSignal(int, object)
    log_line = pyqtSignal(str, str)
    state_changed = pyqtSignal(str)

    def __init__(
        self,
        make_command: Callable[[], BackendCommand],
        parent: Optional[QObject] = None,
        timing: Timing = DEFAULT_TIMING,
    ) -> None:
        super().__init__(parent)
        self._make_command = make_command
        self._process: Optional[BackendProcess] = None
        self._pending = PendingRequests()
        self._own_requests: dict[int, str] = {}
        self._last_id = 0
        self._state = STOPPED
        self._command = ""
        self._last_words = LastWords()
        self.backend: Optional[HelloAnswer] = None
        self._watchdog = Watchdog(timing, self)
        self._watchdog.hello_late.connect(self._on_hello_late)
        self._watchdog.ping_wanted.connect(self._on_ping_wanted)
        self._watchdog.stalled.connect(lambda: self._replace_process("stopped answering"))
        self._watchdog.cancel_ignored.connect(
            lambda: self._replace_process("did not stop when asked to")
        )
        # What is not to happen inside `request`: its caller must know the id first.
        self._failed_early: list[tuple[int, CitySegError]] = []
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._on_soon)
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.shutdown)

    @property
    def state(self) -> str:
        """One of `STOPPED`, `STARTING`, `READY`, `FAILED`."""
        return self._state

    @property
    def pending_count(self) -> int:
        """Requests without an answer."""
        return len(self._pending)

    def last_words(self) -> str:
        """The end of the backend's standard error, for a report."""
        return str(self._last_words)

    def start(self) -> None:
        """Start the process if it does not run. What goes wrong shows in `state_changed` and `failed`."""
        if self._process is not None:
            return
        try:
            command = self._make_command()
        except CitySegError as error:
            self._give_up(error)
            return
        self._command = str(command)
        self._process = process = BackendProcess(self._last_words, self)
        process.opened.connect(self._on_opened)
        process.frame_received.connect(self._on_frame)
        process.rejected.connect(self._on_rejected)
        process.noise_received.connect(lambda text: self.log_line.emit("noise", text))
        process.stderr_line.connect(lambda text: self.log_line.emit("stderr", text))
        process.ended.connect(self._on_ended)
        self._set_state(STARTING)
        self._watchdog.expect_hello()
        process.start(command)

    def request(
        self,
        method: str,
        params: Optional[dict[str, Any]] = None,
        attachments: Sequence[bytes] = (),
        supersede: str = "",
    ) -> int:
        """Ask; the answer comes by `answered` or `failed` with the id returned here.

        With `supersede`, earlier requests of that name that have no answer yet end as `RequestCancelled` of the
        kind "superseded": a preview of yesterday's clicks is of no use.
        """
        for older in self._pending.of_group(supersede):
            self._drop(older, failures.SUPERSEDED)
        request = Request(self._next_id(), method, params or {}, tuple(attachments))
        self._pending.add(Pending(request, supersede))
        if self._state == READY:
            self._send_pending(request.id)
        else:
            self._soon.start()
        return request.id

    def cancel(self, request_id: int) -> bool:
        """Stop that request; it ends by `failed` with `RequestCancelled`. False if it has ended already."""
        pending = self._pending.get(request_id)
        if pending is None or pending.cancelled:
            return False
        if not pending.sent or self._state != READY:
            self._drop(pending, failures.CANCELLED)
            return True
        self._pending.mark_cancelled(request_id)
        self._send_own(codes.CANCEL, {"id": request_id})
        self._watchdog.expect_end_of_cancelled()
        return True

    def restart(self) -> None:
        """Begin anew, for instance with a new interpreter; requests without an answer are sent to it."""
        self._forget_process()
        self._set_state(STOPPED)
        if len(self._pending):
            self.start()

    def shutdown(self) -> None:
        """End the process, in bounded time; open requests fail. A later request would start it again."""
        process, self._process = self._process, None
        self._watchdog.stop()
        self._own_requests.clear()
        if process is not None:
            farewell = to_bytes(Request(self._next_id(), codes.SHUTDOWN))
            process.close(farewell, self._watchdog.timing.shutdown)
        self._set_state(STOPPED)
        for pending in self._pending.take_all():
            self._fail_soon(pending.id, failures.cancelled())

    # From the process.

    def _on_opened(self) -> None:
        self._last_words.mark(self._command)
        self._send_own(codes.HELLO, {"protocol": codes.PROTOCOL_VERSION, "client": _CLIENT_NAME})

    def _on_frame(self, frame: Frame) -> None:
        self._heard()
        try:
            message = from_frame(frame)
        except InvalidMessage as error:
            self.log_line.emit("warning", f"unreadable message from the backend: {error}")
            return
        if isinstance(message, Response):
            self._on_response(message)
        elif isinstance(message, ErrorResponse):
            self._on_error_response(message)
        elif isinstance(message, Notification):
            self._on_notification(message)

    def _on_response(self, response: Response) -> None:
        own = self._own_requests.pop(response.id, "")
        if own == codes.HELLO:
            self._on_hello(HelloAnswer.of(response.result))
        elif self._pending.take(response.id) is not None:
            self._settle()
            self.answered.emit(response.id, response.result, response.attachments)

    def _on_error_response(self, response: ErrorResponse) -> None:
        own = self._own_requests.pop(response.id, "") if response.id is not None else ""
        if own == codes.HELLO:
            self._give_up(failures.mismatch(response.message))
        elif response.id is not None and self._pending.take(response.id) is not None:
            self._settle()
            self.failed.emit(response.id, failures.of_response(response))
        elif not own and response.message:
            self.log_line.emit("warning", f"{response.message} {response.detail}".strip())

    def _on_notification(self, message: Notification) -> None:
        params = message.params
        if message.method == codes.PROGRESS:
            request_id, fraction = params.get("id"), params.get("fraction")
            if request_id in self._pending and isinstance(fraction, (int, float)):
                self.progressed.emit(request_id, float(fraction), str(params.get("message", "")))
        elif message.method == codes.PARTIAL:
            if params.get("id") in self._pending:
                self.partially_answered.emit(params["id"], params)
        elif message.method == codes.LOG:
            self.log_line.emit(str(params.get("level", "info")), str(params.get("message", "")))

    def _on_rejected(self, event: Rejected) -> None:
        self._heard()
        request_id = event.header.get("id")
        if self._pending.take(request_id if isinstance(request_id, int) else None) is not None:
            self._settle()
            self.failed.emit(request_id, failures.too_large_to_receive(event.reason))

    def _on_hello(self, answer: HelloAnswer) -> None:
        if answer.protocol != codes.PROTOCOL_VERSION:
            spoken = f"backend {answer.version} speaks protocol {answer.protocol}"
            detail = f"{spoken}, this plugin protocol {codes.PROTOCOL_VERSION}"
            self._give_up(failures.mismatch(detail))
            return
        self._watchdog.got_hello()
        self.backend = answer
        self._set_state(READY)
        for pending in self._pending.all():
            self._send_pending(pending.id)

    def _on_ended(self, end: End) -> None:
        was_ready = self._state == READY
        self._forget_process()
        self.log_line.emit("warning", f"The backend {end.text}.")
        if not was_ready:
            self._give_up(failures.not_ready(end.text, self._detail()))
            return
        self._set_state(STOPPED)
        self._repeat_or_fail(end.text)

    def _repeat_or_fail(self, how: str) -> None:
        """Send what may be repeated to a new process; the rest has failed."""
        detail = self._detail()
        for pending in self._pending.take_unrepeatable():
            wanted = pending.cancelled
            self._fail_soon(
                pending.id, failures.cancelled() if wanted else failures.crashed(how, detail)
            )
        if len(self._pending):
            self.start()

    def _on_hello_late(self) -> None:
        self._give_up(failures.late(self._watchdog.timing.hello / 1000, self._detail()))

    def _on_ping_wanted(self) -> None:
        self._send_own(codes.STATUS, {})

    def _replace_process(self, how: str) -> None:
        self.log_line.emit("warning", f"The backend {how}; it is started again.")
        self._forget_process()
        self._set_state(STOPPED)
        self._repeat_or_fail(how)

    # Small steps.

    def _give_up(self, error: CitySegError) -> None:
        """No backend: everything that waits has failed. The next request tries again."""
        self._forget_process()
        self._set_state(FAILED)
        for pending in self._pending.take_all():
            self._fail_soon(pending.id, error)

    def _forget_process(self) -> None:
        process, self._process = self._process, None
        self._watchdog.stop()
        self._own_requests.clear()
        self.backend = None
        if process is not None:
            process.abandon()

    def _drop(self, pending: Pending, kind: str) -> None:
        """End `pending` here and now; the backend is told, and its late answer is not heard."""
        self._pending.take(pending.id)
        if pending.sent and self._state == READY:
            self._send_own(codes.CANCEL, {"id": pending.id})
        self._settle()
        self._fail_soon(pending.id, failures.cancelled(kind))

    def _send_pending(self, request_id: int) -> None:
        pending = self._pending.get(request_id)
        if pending is None or self._process is None:
            return
        try:
            data = to_bytes(pending.request)
        except (FrameTooLarge, TypeError, ValueError) as error:
            self._pending.take(request_id)
            self._fail_soon(request_id, failures.too_large_to_send(str(error)))
            return
        self._pending.mark_sent(request_id)
        self._watchdog.expect_answer()
        self._process.write(data)

    def _send_own(self, method: str, params: dict[str, Any]) -> None:
        if self._process is not None:
            request = Request(self._next_id(), method, params)
            self._own_requests[request.id] = method
            self._process.write(to_bytes(request))

    def _fail_soon(self, request_id: int, error: CitySegError) -> None:
        self._failed_early.append((request_id, error))
        self._soon.start()

    def _on_soon(self) -> None:
        failed, self._failed_early = self._failed_early, []
        for request_id, error in failed:
            self.failed.emit(request_id, error)
        if len(self._pending):
            self.start()

    def _heard(self) -> None:
        if len(self._pending):
            self._watchdog.expect_answer()

    def _settle(self) -> None:
        self._watchdog.settle(len(self._pending) > 0, self._pending.any_cancelled())

    def _set_state(self, state: str) -> None:
        if state != self._state:
            self._state = state
            self.state_changed.emit(state)

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _detail(self) -> str:
        return f"{self._command}\n{self._last_words}".strip()

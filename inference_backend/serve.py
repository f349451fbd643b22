"""The process: one thread reads requests, one works on them in order.

The reader answers at once what must not wait (`hello`, `status`, `cancel`, `shutdown`). Heavy imports begin when
`hello` has been answered, on the worker's thread and behind any request.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from cityseg_qgis.protocol import codes
from cityseg_qgis.protocol.framing import Decoder, Event, Frame, Noise
from cityseg_qgis.protocol.messages import (
    ErrorResponse,
    InvalidMessage,
    Message,
    Notification,
    Request,
    Response,
    from_frame,
    partial,
    progress,
    to_bytes,
)
from inference_backend.cancel import CancelToken
from inference_backend.dispatch import Call, answer, error_response
from inference_backend.errors import Cancelled
from inference_backend.handlers import Session
from inference_backend.memory import resident_mb
from inference_backend.models.device import device_hint
from inference_backend.stdio import Channel, ChannelClosed
from inference_backend.version import backend_version

_log = logging.getLogger("inference_backend")
# How long a job may clean up after the end of input before the process leaves without it.
_GRACE_S = 3.0
# A progress bar needs no more; a tile loop may report thousands of times.
_PROGRESS_INTERVAL_S = 0.05
_PROGRESS_STEP = 0.05


class Server:
    """Serves one channel until its end, `shutdown` or the parent's end."""

    def __init__(self, channel: Channel, session: Session) -> None:
        self._channel = channel
        self._session = session
        self._handlers = session.handlers()
        self._waiting: deque[Call] = deque()
        self._running: Call | None = None
        self._warm_steps: deque[tuple[str, Callable[[], object]]] = deque()
        # Steps not yet done; None before `hello`.
        self._steps_left: int | None = None
        self._changed = threading.Condition()
        self._closing = False
        self._worker = threading.Thread(target=self._work, name="worker", daemon=True)

    def run(self) -> None:
        """Read until the end. Returns when the worker has stopped, or had its time to."""
        self._worker.start()
        decoder = Decoder()
        while not self._closing:
            data = self._channel.read()
            if not data:
                break
            for event in decoder.feed(data):
                self._take(event)
        self.close()
        self.wait()

    def wait(self) -> None:
        """Give the worker its time to clean up."""
        self._worker.join(_GRACE_S)

    def close(self) -> None:
        """Cancel everything and let the worker end."""
        with self._changed:
            self._closing = True
            self._waiting.clear()
            self._warm_steps.clear()
            if self._running is not None:
                self._running.cancel.cancel()
            self._changed.notify_all()

    def send(self, message: Message) -> None:
        """Write one message; nothing where the other side is gone, which the reader notices."""
        self._write(to_bytes(message))

    def _write(self, data: bytes) -> None:
        try:
            self._channel.write(data)
        except ChannelClosed as error:
            sys.stderr.write(f"cityseg: the plugin is gone ({error})\n")
            self.close()

    # The reader's thread.

    def _take(self, event: Event) -> None:
        if isinstance(event, Noise):
            sys.stderr.write(f"cityseg: ignored on standard input: {event.text}\n")
        elif isinstance(event, Frame):
            self._take_frame(event)
        else:
            request_id = event.header.get("id")
            known = request_id if isinstance(request_id, int) else None
            sentence = "The pixels sent are too large: choose a smaller extent."
            self.send(
                ErrorResponse(known, codes.INVALID_REQUEST, sentence, event.reason, "invalid_input")
            )

    def _take_frame(self, frame: Frame) -> None:
        try:
            message = from_frame(frame)
        except InvalidMessage as error:
            sentence = "The backend could not read a request: update the plugin and the backend."
            self.send(ErrorResponse(error.request_id, codes.INVALID_REQUEST, sentence, str(error)))
            return
        if not isinstance(message, Request):
            return
        immediate = self._immediate().get(message.method)
        if immediate is None:
            self._enqueue(message)
            return
        self.send(Response(message.id, immediate(message.params)))
        if message.method == codes.HELLO:
            self._start_warming()
        elif message.method == codes.SHUTDOWN:
            self.close()

    def _immediate(self) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        return {
            codes.HELLO: self._hello,
            codes.STATUS: self._status,
            codes.CANCEL: self._cancel,
            codes.SHUTDOWN: lambda params: {},
        }

    def _hello(self, params: dict[str, Any]) -> dict[str, Any]:
        # The client compares the versions: it is the one that can tell the user.
        return {
            "protocol": codes.PROTOCOL_VERSION,
            "version": backend_version(),
            "pid": os.getpid(),
            "python": sys.version.split()[0],
            "device_hint": device_hint()
            if self._session.device == "auto"
            else self._session.device,
        }

    def _status(self, params: dict[str, Any]) -> dict[str, Any]:
        with self._changed:
            running = self._running.request.id if self._running is not None else None
            waiting = [call.request.id for call in self._waiting]
            warm = self._steps_left == 0
        state = self._session.state()
        devices = sorted(set(state["models"].values()))
        return {
            "device": devices[0] if devices else device_hint(),
            "memory": {"resident_mb": resident_mb()},
            "running": running,
            "waiting": waiting,
            "warm": warm,
            **state,
        }

    def _cancel(self, params: dict[str, Any]) -> dict[str, Any]:
        """A waiting request ends here; a running one is told, and ends when its loop looks."""
        wanted = params.get("id")
        with self._changed:
            if self._running is not None and self._running.request.id == wanted:
                self._running.cancel.cancel()
                return {"cancelled": True}
            dropped = next((call for call in self._waiting if call.request.id == wanted), None)
            if dropped is None:
                return {"cancelled": False}
            self._waiting.remove(dropped)
        self.send(error_response(dropped.request.id, Cancelled()))
        return {"cancelled": True}

    def _enqueue(self, request: Request) -> None:
        call = Call(
            request,
            CancelToken(),
            self._progress_of(request.id),
            lambda message: self.send(progress(request.id, 0.0, message)),
            lambda features: self.send(partial(request.id, features)),
        )
        with self._changed:
            self._waiting.append(call)
            self._changed.notify_all()

    def _start_warming(self) -> None:
        with self._changed:
            if self._steps_left is None:
                self._warm_steps = deque(self._session.warm_steps())
                self._steps_left = len(self._warm_steps)
            self._changed.notify_all()

    # The worker's thread.

    def _work(self) -> None:
        while True:
            with self._changed:
                while not (self._closing or self._waiting or self._warm_steps):
                    self._changed.wait()
                if self._closing:
                    return
                if self._waiting:
                    self._running = self._waiting.popleft()
                    step = None
                else:
                    step = self._warm_steps.popleft()
            if step is not None:
                _warm(*step)
                self._steps_left -= 1
                continue
            reply = answer(self._handlers, self._running)
            with self._changed:
                self._running = None
            self._write(reply)

    def _progress_of(self, request_id: int) -> Callable[[float, str], None]:
        told_at, told, doing = [0.0], [0.0], [""]

        def report(fraction: float, message: str = "") -> None:
            now = time.monotonic()
            # A large step and a new pass ("Reading ...", "Classifying ...") are told at once: nothing may follow for long.
            word = str(message).partition(" ")[0].strip(",.…")
            far = fraction >= 1 or fraction - told[0] >= _PROGRESS_STEP or word != doing[0]
            if now - told_at[0] >= _PROGRESS_INTERVAL_S or far:
                told_at[0], told[0], doing[0] = now, fraction, word
                self.send(progress(request_id, min(max(float(fraction), 0.0), 1.0), str(message)))

        return report


class _LogToPlugin(logging.Handler):
    """The backend's own log lines as notifications; what libraries log goes to standard error."""

    def __init__(self, server: Server) -> None:
        super().__init__(logging.INFO)
        self._server = server

    def emit(self, record: logging.LogRecord) -> None:
        level = record.levelname.lower()
        message = self.format(record)
        self._server.send(Notification(codes.LOG, {"level": level, "message": message}))


def serve(
    channel: Channel, device: str = "auto", watch: Callable[[Server], None] | None = None
) -> None:
    """Serve `channel` until its end. `watch` may arrange for `Server.close` to be called."""
    server = Server(channel, Session(device))
    handler = _LogToPlugin(server)
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    _log.propagate = False
    if watch is not None:
        watch(server)
    try:
        server.run()
    finally:
        _log.removeHandler(handler)


def _warm(name: str, step: Callable[[], object]) -> None:
    """A step that fails is no fault yet: the request that needs it will say so."""
    started = time.monotonic()
    try:
        step()
    except Exception as error:
        _log.warning("Getting ready (%s) failed: %s", name, error)
    else:
        _log.debug("Getting ready (%s) took %.2f s", name, time.monotonic() - started)

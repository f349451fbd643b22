"""A plain, synchronous speaker of the protocol for tests of the real process. No Qt."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cityseg_qgis.protocol.framing import Decoder, Frame
from cityseg_qgis.protocol.messages import (
    ErrorResponse,
    Message,
    Notification,
    Request,
    Response,
    from_frame,
    to_bytes,
)

ROOT = Path(__file__).resolve().parents[2]
MAIN = ROOT / "inference_backend" / "__main__.py"
# A test that waits this long has failed.
PATIENCE_S = 120


class Wire:
    """Starts a backend and talks to it; `stderr` and `noise` are what came beside frames."""

    def __init__(
        self,
        script: Path = MAIN,
        arguments: Sequence[str] = ("serve",),
        env: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        self.process = subprocess.Popen(
            command or [sys.executable, "-I", "-X", "utf8", "-u", str(script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(env or {})},
        )
        self.noise: list[str] = []
        self.notifications: list[Notification] = []
        self._stderr = bytearray()
        self._answers: dict[int | None, Message] = {}
        self._arrived: queue.Queue[Message | None] = queue.Queue()
        self._last_id = 0
        self._threads = [
            threading.Thread(target=t, daemon=True) for t in (self._read, self._listen)
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join(5)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                pipe.close()
            except BrokenPipeError:
                continue

    @property
    def stderr(self) -> str:
        return self._stderr.decode("utf-8", errors="replace")

    def send(self, method: str, params: dict[str, Any] | None = None, *attachments: bytes) -> int:
        self._last_id += 1
        self.raw(to_bytes(Request(self._last_id, method, params or {}, attachments)))
        return self._last_id

    def raw(self, data: bytes) -> None:
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def wait(self, request_id: int | None) -> Message:
        """The answer to that request."""
        while request_id not in self._answers:
            message = self._arrived.get(timeout=PATIENCE_S)
            if message is None:
                raise AssertionError(f"the backend is gone: {self.stderr}")
            self._answers[message.id] = message
        return self._answers.pop(request_id)

    def ask(self, method: str, params: dict[str, Any] | None = None, *parts: bytes) -> dict:
        """The result of a request that has to succeed."""
        answer = self.wait(self.send(method, params, *parts))
        assert isinstance(answer, Response), answer
        return answer.result

    def refusal(
        self, method: str, params: dict[str, Any] | None = None, *parts: bytes
    ) -> ErrorResponse:
        """The error of a request that has to fail."""
        answer = self.wait(self.send(method, params, *parts))
        assert isinstance(answer, ErrorResponse), answer
        return answer

    def end(self) -> int:
        """Close standard input; the exit code."""
        self.process.stdin.close()
        return self.process.wait(PATIENCE_S)

    def _read(self) -> None:
        decoder = Decoder()
        while data := os.read(self.process.stdout.fileno(), 65536):
            for event in decoder.feed(data):
                if not isinstance(event, Frame):
                    self.noise.append(str(event))
                    continue
                message = from_frame(event)
                if isinstance(message, Notification):
                    self.notifications.append(message)
                else:
                    self._arrived.put(message)
        self._arrived.put(None)

    def _listen(self) -> None:
        while data := os.read(self.process.stderr.fileno(), 65536):
            self._stderr += data

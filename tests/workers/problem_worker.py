"""A backend that misbehaves on request, for the tests of the client.

Flags say how it starts; the method of a request says what it does then. It imports the protocol and nothing else.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))

from cityseg_qgis.protocol import codes
from cityseg_qgis.protocol.framing import Decoder, Frame
from cityseg_qgis.protocol.messages import (
    ErrorResponse,
    Notification,
    Request,
    Response,
    from_frame,
    progress,
    to_bytes,
)

FOREVER_S = 3600


def write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


class ProblemWorker:
    def __init__(self, flags: argparse.Namespace) -> None:
        self._flags = flags
        self._slow: set[int] = set()

    def run(self) -> None:
        decoder = Decoder()
        while data := os.read(0, 65536):
            for event in decoder.feed(data):
                if isinstance(event, Frame):
                    message = from_frame(event)
                    if isinstance(message, Request):
                        self.take(message)

    def take(self, request: Request) -> None:
        if request.method == codes.CANCEL:
            self.cancel(request)
            return
        handler = getattr(self, f"do_{request.method}", None)
        if handler is None:
            write(to_bytes(ErrorResponse(request.id, codes.METHOD_NOT_FOUND, "No such method.")))
        else:
            handler(request)

    def cancel(self, request: Request) -> None:
        wanted = request.params["id"]
        if wanted in self._slow:
            self._slow.discard(wanted)
            error = ErrorResponse(wanted, codes.CANCELLED, "Cancelled.", "", "cancelled")
            write(to_bytes(error))
        write(to_bytes(Response(request.id, {"cancelled": True})))

    def do_hello(self, request: Request) -> None:
        if self._flags.silent:
            return
        result = {"protocol": self._flags.protocol, "version": "problem", "pid": os.getpid()}
        write(to_bytes(Response(request.id, result)))

    def do_status(self, request: Request) -> None:
        write(to_bytes(Response(request.id, {})))

    def do_shutdown(self, request: Request) -> None:
        if self._flags.stay:
            time.sleep(FOREVER_S)
        write(to_bytes(Response(request.id, {})))
        sys.exit(0)

    def do_echo(self, request: Request) -> None:
        result = {"params": request.params, "pid": os.getpid(), "environ": dict(os.environ)}
        write(to_bytes(Response(request.id, result, request.attachments)))

    def do_noise(self, request: Request) -> None:
        """Foreign output before, right at, and after the frame."""
        write(b"Downloading: 3%\r\nCSEG is a magic word\nno line end")
        write(to_bytes(Response(request.id, {"fine": True})) + b"bye\n\xff\xfe\n")

    def do_drip(self, request: Request) -> None:
        """The frame byte by byte, with pauses that let the reader see each."""
        for byte in to_bytes(Response(request.id, {"fine": True}, (b"CSEG",))):
            write(bytes([byte]))
            time.sleep(0.001)

    def do_die(self, request: Request) -> None:
        """End in the middle of a request; with `once`, only where that file does not exist yet."""
        params = request.params
        marker = Path(params["once"]) if "once" in params else None
        if marker is not None and marker.exists():
            self.do_echo(request)
            return
        if marker is not None:
            marker.write_text("died", encoding="utf-8")
        sys.stderr.write("last words of the worker\n")
        sys.stderr.flush()
        frame = to_bytes(Response(request.id, {"fine": True}))
        if params.get("half"):
            write(frame[: len(frame) // 2])
        if params.get("kill"):
            os.kill(os.getpid(), 9)
        os._exit(params.get("code", 3))

    def do_hang(self, request: Request) -> None:
        """Neither answer nor read any more."""
        marker = Path(request.params["once"]) if "once" in request.params else None
        if marker is not None and marker.exists():
            self.do_echo(request)
            return
        if marker is not None:
            marker.write_text("hung", encoding="utf-8")
        time.sleep(FOREVER_S)

    def do_never(self, request: Request) -> None:
        """No answer, but alive: reads on, answers the others, and hears no cancel of this one."""

    def do_slow(self, request: Request) -> None:
        """No answer until cancelled."""
        self._slow.add(request.id)

    def do_steps(self, request: Request) -> None:
        for step in range(3):
            write(to_bytes(progress(request.id, step / 2, f"step {step}")))
        write(to_bytes(Notification(codes.LOG, {"level": "warning", "message": "careful"})))
        write(to_bytes(Response(request.id, {})))

    def do_error(self, request: Request) -> None:
        write(
            to_bytes(ErrorResponse(request.id, codes.INVALID_INPUT, "Bad.", "why", "invalid_input"))
        )

    def do_nonsense(self, request: Request) -> None:
        """Well-framed messages that mean nothing, then the answer."""
        for header in (
            b"{}",
            b'{"jsonrpc":"2.0","id":"x","result":{}}',
            b'{"jsonrpc":"2.0","id":999,"result":{}}',
        ):
            write(b"CSEG" + len(header).to_bytes(4, "big") + header)
        write(to_bytes(Response(request.id, {"fine": True})))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--start-delay", type=float, default=0.0)
    parser.add_argument("--start-noise", action="store_true")
    parser.add_argument("--exit-at-start", type=int, default=-1)
    parser.add_argument("--silent", action="store_true")
    parser.add_argument("--stay", action="store_true")
    parser.add_argument("--protocol", type=int, default=codes.PROTOCOL_VERSION)
    flags = parser.parse_args()
    if flags.start_noise:
        write(b"Welcome to the cluster!\nCSEG")
    if flags.exit_at_start >= 0:
        sys.stderr.write("ModuleNotFoundError: No module named 'numpy'\n")
        sys.exit(flags.exit_at_start)
    time.sleep(flags.start_delay)
    ProblemWorker(flags).run()


if __name__ == "__main__":
    main()

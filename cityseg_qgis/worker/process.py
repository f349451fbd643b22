"""One life of the backend's process: starts it, carries bytes, keeps its last words. Never waits, but in `close`."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Optional

from qgis.PyQt.QtCore import QDir, QObject, QProcess, QProcessEnvironment, QTimer, pyqtSignal

from cityseg_qgis.protocol.framing import Decoder, Event, Frame, Noise
from cityseg_qgis.worker.interpreter import BackendCommand

# A traceback through several libraries has some sixty lines.
_STDERR_LINES = 200
_LINE_CHARACTERS = 4000
# After a kill the system only has to take the process away.
_KILL_WAIT_MS = 500


_leaving: set[BackendProcess] = set()


@dataclass(frozen=True)
class End:
    """How a process ended. `text` says it in words that go behind "The backend …"."""

    text: str
    started: bool


class LastWords:
    """The last lines of standard error over all lives, for reports."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=_STDERR_LINES)
        self._rest = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> list[str]:
        """Take `data`; returns the lines that it completes."""
        *lines, self._rest = (self._rest + self._decoder.decode(data)).split("\n")
        if len(self._rest) > _LINE_CHARACTERS:
            lines, self._rest = [*lines, self._rest], ""
        whole = [line.rstrip("\r")[:_LINE_CHARACTERS] for line in lines]
        self._lines.extend(whole)
        return whole

    def mark(self, text: str) -> None:
        """Write a line of our own between two lives."""
        self.feed(b"\n" if self._rest else b"")
        self._lines.append(f"--- {text}")

    def __str__(self) -> str:
        return "\n".join([*self._lines, self._rest]).strip()


class BackendProcess(QObject):
    """One child. `ended` comes exactly once, also when the program cannot be started."""

    opened = pyqtSignal()
    frame_received = pyqtSignal(object)
    rejected = pyqtSignal(object)
    noise_received = pyqtSignal(str)
    stderr_line = pyqtSignal(str)
    ended = pyqtSignal(object)

    def __init__(self, last_words: LastWords, parent: Optional[QObject] = None) -> None:
        super().__init__(parent)
        self._last_words = last_words
        self._decoder = Decoder()
        self._has_ended = False
        self._process = QProcess(self)
        self._process.started.connect(self.opened)
        self._process.readyReadStandardOutput.connect(self._on_output)
        self._process.readyReadStandardError.connect(self._on_error_output)
        self._process.finished.connect(self._on_finished)
        self._process.errorOccurred.connect(self._on_error)

    def start(self, command: BackendCommand) -> None:
        """Start `command`; `opened` or `ended` follows."""
        environment = QProcessEnvironment()
        for name, value in command.environment.items():
            environment.insert(name, value)
        self._process.setProcessEnvironment(environment)
        # Not QGIS's current folder, and not the plugin's: Windows locks a process's folder.
        self._process.setWorkingDirectory(QDir.homePath())
        self._process.start(command.program, list(command.arguments))

    def write(self, data: bytes) -> None:
        """Queue `data`; Qt writes it as the child reads."""
        self._process.write(data)

    def abandon(self) -> None:
        """Kill the child and forget it: no signal comes any more."""
        self._has_ended = True
        self.blockSignals(True)
        if self._process.state() == QProcess.ProcessState.NotRunning:
            self.deleteLater()
            return
        # Destroying a QProcess that runs waits for it. So it leaves its parent, who may go at any time,
        # and lives here until the system has taken the killed child away.
        _leaving.add(self)
        self.setParent(None)
        self._process.finished.connect(self._on_left)
        self._process.kill()

    def kill(self) -> None:
        """End the child at once; `ended` follows."""
        self._process.kill()

    def close(self, farewell: bytes, wait_ms: int) -> None:
        """Ask the child to leave, wait at most `wait_ms`, then kill it. The one place that waits: on unload."""
        self._has_ended = True
        self.blockSignals(True)
        if self._process.state() == QProcess.ProcessState.Running:
            self._process.write(farewell)
            self._process.closeWriteChannel()
            self._process.waitForFinished(wait_ms)
        if self._process.state() != QProcess.ProcessState.NotRunning:
            self._process.kill()
            self._process.waitForFinished(_KILL_WAIT_MS)
        self.deleteLater()

    def _on_left(self) -> None:
        _leaving.discard(self)
        self.deleteLater()

    def _on_output(self) -> None:
        self._hand_out(self._decoder.feed(bytes(self._process.readAllStandardOutput())))

    def _hand_out(self, events: Iterable[Event]) -> None:
        for event in events:
            # Whoever heard the one before may have abandoned this process: it may be gone already.
            if self._has_ended:
                return
            if isinstance(event, Frame):
                self.frame_received.emit(event)
            elif isinstance(event, Noise):
                self.noise_received.emit(event.text)
            else:
                self.rejected.emit(event)

    def _on_error_output(self) -> None:
        for line in self._last_words.feed(bytes(self._process.readAllStandardError())):
            if self._has_ended:
                return
            self.stderr_line.emit(line)

    def _on_finished(self, exit_code: int, status: QProcess.ExitStatus) -> None:
        self._on_error_output()
        self._hand_out([*self._decoder.feed(bytes(self._process.readAllStandardOutput()))])
        self._hand_out(self._decoder.close())
        crashed = status == QProcess.ExitStatus.CrashExit
        text = "was killed or crashed" if crashed else f"ended with exit code {exit_code}"
        self._end(End(text, started=True))

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            end = End(f"could not be started ({self._process.errorString()})", started=False)
            # Windows says so inside start(), before the caller is ready for it.
            QTimer.singleShot(0, lambda: self._end(end))

    def _end(self, end: End) -> None:
        if not self._has_ended:
            self._has_ended = True
            self.ended.emit(end)

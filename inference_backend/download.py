"""Fetches one file of weights: resumes what broke off, checks size and digest, and lets nothing half-done be found.

The standard library's client is assembled by hand from HTTP, HTTPS and proxy handlers alone: it takes the system's proxies (with
their user names), the system's certificates, and cannot be talked into opening `file:` or `ftp:` by a redirect.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import re
import shutil
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from inference_backend import file_lock
from inference_backend.cancel import CancelToken
from inference_backend.errors import InvalidInput, ModelProblem, ResourceProblem
from inference_backend.weights.catalogue import CatalogueEntry
from inference_backend.weights.store import expected_path, partial_path

Progress = Callable[[int, int], None]

# A line that delivers nothing for this long is dead; a slow one that delivers is left alone, however long it takes.
STALL_S = 30.0
# Attempts that brought nothing new. One that brought something starts the count again.
_FRUITLESS_ATTEMPTS = 4
_WAIT_S = 1.0
_CHUNK_BYTES = 1 << 18
# Room that must stay free beside the file: a disk filled to the brim breaks the user's other programs.
_SPARE_BYTES = 64 << 20
_AGENT = "cityseg-qgis"


class _Interrupted(Exception):
    """The line broke; what arrived is kept and the rest can be asked for."""


class _StaysHttps(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from an encrypted address to a plain one."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # noqa: ANN001, ANN201, D102
        if req.type == "https" and not newurl.startswith("https:"):
            raise urllib.error.HTTPError(
                newurl, code, "redirected to an unencrypted address", headers, fp
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(
    record: CatalogueEntry,
    *,
    url: str | None = None,
    progress: Progress | None = None,
    cancel: CancelToken | None = None,
    stall_s: float = STALL_S,
    wait_s: float = _WAIT_S,
) -> Path:
    """The whole, verified file of `record`; `url` is a mirror. `progress(bytes_done, bytes_total)`.

    Raises `InvalidInput` (no such download), `ModelProblem` (network, server, digest), `ResourceProblem` (disk) and
    `Cancelled`. What had arrived is kept for the next attempt, unless its digest is wrong.
    """
    address = _address(record, url)
    target = expected_path(record)
    if target.is_file() and target.stat().st_size == record.bytes:
        return target
    _make(target.parent)
    with _only_one(partial_path(target)):
        fetching = _Fetching(
            record, address, partial_path(target), progress, cancel or CancelToken()
        )
        fetching.stall_s, fetching.wait_s = stall_s, wait_s
        fetching.run()
        fetching.part.replace(target)
    return target


class _Fetching:
    """One download under way. `part` grows; its first `done` bytes have gone through `digest`."""

    stall_s, wait_s = STALL_S, _WAIT_S

    def __init__(
        self,
        record: CatalogueEntry,
        url: str,
        part: Path,
        progress: Progress | None,
        cancel: CancelToken,
    ) -> None:
        self.record, self.url, self.part, self.cancel = record, url, part, cancel
        self.total = record.bytes or 0
        self.progress = progress or (lambda done, total: None)
        self.client = _client()
        self.digest, self.done = hashlib.sha256(), 0

    def run(self) -> None:
        """Fetch until whole, then verify; leaves a correct `part` or raises."""
        self._take_up()
        _check_room(self.part.parent, self.total - self.done)
        fruitless, before = 0, self.done
        while self.done < self.total:
            try:
                self._fetch_rest()
            except _Interrupted as error:
                fruitless = 0 if self.done > before else fruitless + 1
                before = self.done
                if fruitless >= _FRUITLESS_ATTEMPTS:
                    raise ModelProblem(
                        f"The download of {self.record.file} broke off after {self.done / 1e6:.0f} of "
                        f"{self.total / 1e6:.0f} MB; start it again to go on from there.",
                        str(error),
                    ) from error
                self._wait(self.wait_s * 2**fruitless)
        self._verify()

    def _take_up(self) -> None:
        """Read what an earlier attempt left, for the digest goes over the whole file."""
        with contextlib.suppress(FileNotFoundError), self.part.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES * 16):
                self.cancel.check()
                self.digest.update(chunk)
                self.done += len(chunk)
        if self.done > self.total:
            self._start_over()

    def _start_over(self) -> None:
        self.part.unlink(missing_ok=True)
        self.digest, self.done = hashlib.sha256(), 0

    def _fetch_rest(self) -> None:
        request = urllib.request.Request(self.url, headers={"User-Agent": _AGENT})  # noqa: S310
        if self.done:
            request.add_header("Range", f"bytes={self.done}-")
        try:
            with self.client.open(request, timeout=self.stall_s) as response:
                self._check_answer(response)
                self._receive(response)
        except urllib.error.HTTPError as error:
            self._refused(error)
        except (OSError, http.client.HTTPException) as error:
            _raise_if_final(error, self.url)
            raise _Interrupted(f"{type(error).__name__}: {error}") from error

    def _check_answer(self, response: http.client.HTTPResponse) -> None:
        """Tell a continuation from a start; a server that ignores ranges sends the whole file again."""
        begins = 0
        if response.status == 206:
            found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
            begins = int(found[1]) if found else -1
        if begins not in (0, self.done):
            raise ModelProblem(
                f"The server {_host(self.url)} sent another part of {self.record.file} than was asked for; "
                "try again or use another mirror."
            )
        if begins == 0 and self.done:
            self._start_over()
        length = response.headers.get("Content-Length", "")
        if length.isdigit() and self.done + int(length) != self.total:
            raise ModelProblem(
                f"The file at {_host(self.url)} has {self.done + int(length)} bytes where {self.record.file} has "
                f"{self.total}; it is another file, or a page that asks for a log-in."
            )

    def _receive(self, response: http.client.HTTPResponse) -> None:
        with _opened(self.part) as stream:
            while self.done < self.total:
                self.cancel.check()
                chunk = response.read1(min(_CHUNK_BYTES, self.total - self.done))
                if not chunk:
                    raise _Interrupted("the server closed the connection")
                _write(stream, chunk, self.part)
                self.digest.update(chunk)
                self.done += len(chunk)
                self.progress(self.done, self.total)

    def _refused(self, error: urllib.error.HTTPError) -> None:
        """What a status means: begin again, try again, or give up with the reason."""
        error.close()
        if error.code == 416 and self.done:
            self._start_over()
        elif error.code in (408, 425, 429, 500, 502, 503, 504):
            raise _Interrupted(f"HTTP {error.code}") from error
        else:
            raise ModelProblem(
                f"The server {_host(self.url)} answered {error.code} ({error.reason}) for {self.record.file}; "
                f"fetch it by hand from {self.record.homepage} and run 'cityseg models register "
                f"{self.record.name} PATH'.",
                str(error),
            ) from error

    def _verify(self) -> None:
        if self.record.sha256 is not None and self.digest.hexdigest() != self.record.sha256:
            self.part.unlink(missing_ok=True)
            raise ModelProblem(
                f"What {_host(self.url)} sent is not {self.record.file} (its SHA-256 differs) and was deleted; "
                "try again, and if it happens twice something between you and the server changes files.",
                f"got {self.digest.hexdigest()}, expected {self.record.sha256}",
            )

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.cancel.check()
            time.sleep(min(left, 0.1))


def _address(record: CatalogueEntry, url: str | None) -> str:
    if record.ships:
        raise InvalidInput(f"{record.name} ships with CitySeg; there is nothing to download.")
    if record.gated and url is None:
        raise InvalidInput(
            f"{record.name} is only given out at {record.homepage} after a registration; fetch it there and run "
            f"'cityseg models register {record.name} PATH'."
        )
    address = url or record.url or ""
    parts = urllib.parse.urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInput(f"'{address}' is not a web address; a mirror begins with https://.")
    if record.bytes is None or (parts.scheme == "http" and record.sha256 is None):
        raise InvalidInput(
            f"{record.name} has no known size and digest; it cannot be downloaded safely."
        )
    return address


def _client() -> urllib.request.OpenerDirector:
    client = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _StaysHttps(),
        urllib.request.UnknownHandler(),
    ):
        client.add_handler(handler)
    return client


def _raise_if_final(error: Exception, url: str) -> None:
    """Trying again does not mend a name that does not exist or a certificate that is not trusted."""
    if isinstance(error, (ResourceProblem, ModelProblem)):
        raise error
    reason = getattr(error, "reason", error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        raise ModelProblem(
            f"The certificate of {_host(url)} is not trusted here ({reason.verify_message}); if your network "
            "inspects traffic, set SSL_CERT_FILE to its certificate.",
            str(error),
        ) from error


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed + _SPARE_BYTES:
        raise ResourceProblem(
            f"The disk of {folder} has {free / 1e6:.0f} MB free and the download needs {needed / 1e6:.0f} MB more; "
            "free some space or set CITYSEG_HOME to another disk."
        )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResourceProblem(
            f"Could not make the folder {folder}: {error.strerror}.", str(error)
        ) from error


def _opened(path: Path) -> IO[bytes]:
    """The file, for appending; a refusal is the disk's and not the network's, so it gets a sentence of its own."""
    try:
        return path.open("ab")
    except OSError as error:
        raise ResourceProblem(f"Could not write {path}: {error.strerror}.", str(error)) from error


def _write(stream: IO[bytes], chunk: bytes, path: Path) -> None:
    try:
        stream.write(chunk)
        stream.flush()
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror
        raise ResourceProblem(
            f"Could not go on writing {path}: {reason}; what arrived is kept, free some space and start again.",
            str(error),
        ) from error


@contextlib.contextmanager
def _only_one(part: Path) -> Iterator[None]:
    """Two QGIS windows must not write into one file. The system drops the lock when its process dies."""
    path = part.with_name(part.name + ".lock")
    with _opened(path) as stream:
        try:
            file_lock.take(stream)
        except OSError as error:
            raise ResourceProblem(
                f"{part.stem} is being downloaded by another CitySeg; wait for it."
            ) from error
        try:
            yield
        finally:
            # While it is still locked, so that nobody waits for a name that is gone. Windows keeps open files.
            with contextlib.suppress(OSError):
                path.unlink()


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).hostname or url

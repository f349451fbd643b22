"""Downloads against a real server on the loopback: ranges, broken lines, wrong files, refusals, proxies."""

from __future__ import annotations

import base64
import hashlib
import http.server
import re
import resource
import shutil
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from inference_backend.cancel import CancelToken
from inference_backend.download import _only_one, _write, download
from inference_backend.errors import Cancelled, InvalidInput, ModelProblem, ResourceProblem
from inference_backend.weights.catalogue import CatalogueEntry
from inference_backend.weights.store import partial_path, weights_folder

CONTENT = np.random.default_rng(7).bytes(1_500_000)


class _Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT. `plan` holds what to do at each request in turn, then "serve"."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.plan: list[str] = []
        self.content = CONTENT
        self.ranges: list[str | None] = []
        self.logins: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/weights.pth"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        step = self.server.plan.pop(0) if self.server.plan else "serve"
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        self.server.logins.append(self.headers.get("Proxy-Authorization"))
        if step.isdigit():
            self.send_error(int(step))
            return
        if step.startswith("to "):
            self.send_response(302)
            self.send_header("Location", step[3:])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = self.server.content
        begin = 0
        if asked and step != "no ranges":
            begin = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            if begin >= len(content):
                self.send_error(416)
                return
        if step == "shifted":
            begin += 10
        self.send_response(206 if asked and step != "no ranges" else 200)
        if asked and step != "no ranges":
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        if step.startswith("cut "):
            self.wfile.write(content[begin : begin + int(step[4:])])
            self.wfile.flush()
            self.connection.close()
        elif step == "stall":
            self.wfile.write(content[begin : begin + 1000])
            self.wfile.flush()
            threading.Event().wait(3)
        else:
            self.wfile.write(content[begin:])


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("CITYSEG_HOME", str(tmp_path / "home with ümlaut"))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    running = _Server()
    thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()


def entry_for(url: str, content: bytes = CONTENT, **changes) -> CatalogueEntry:
    facts = {
        "name": "test-model",
        "title": "Test",
        "family": "sam",
        "file": "weights.pth",
        "licence": "Apache-2.0",
        "homepage": "https://example.org/model",
        "prompts": ("point",),
        "input_px": 1024,
        "memory_mb": 1,
        "needs_module": "torch",
        "url": url,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return CatalogueEntry(**{**facts, **changes})


def fetch(record: CatalogueEntry, **options) -> Path:
    return download(record, wait_s=0.01, **options)


def test_a_file_arrives_whole_and_nothing_else_is_left(server):
    seen = []
    path = fetch(entry_for(server.url), progress=lambda done, total: seen.append((done, total)))
    assert path == weights_folder() / "weights.pth"
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert list(weights_folder().iterdir()) == [path]


def test_what_is_there_is_not_fetched_again(server):
    record = entry_for(server.url)
    fetch(record)
    fetch(record)
    assert len(server.ranges) == 1


def test_broken_lines_are_taken_up_where_they_broke(server):
    server.plan = ["cut 400000", "503", "cut 300000", "cut 0"]
    assert fetch(entry_for(server.url)).read_bytes() == CONTENT
    assert server.ranges == [
        None,
        "bytes=400000-",
        "bytes=400000-",
        "bytes=700000-",
        "bytes=700000-",
    ]


def test_a_later_call_goes_on_from_what_an_earlier_one_left(server):
    record = entry_for(server.url)
    server.plan = ["cut 600000"] + ["cut 0"] * 20
    with pytest.raises(ModelProblem, match=r"broke off after 1 of 2 MB; start it again"):
        fetch(record)
    assert not (weights_folder() / "weights.pth").exists()
    server.plan, server.ranges = [], []
    assert fetch(record).read_bytes() == CONTENT
    assert server.ranges == ["bytes=600000-"]


def test_a_server_without_ranges_makes_it_start_over(server):
    server.plan = ["cut 500000", "no ranges"]
    assert fetch(entry_for(server.url)).read_bytes() == CONTENT


def test_a_server_that_sends_the_wrong_part_is_refused(server):
    server.plan = ["cut 500000", "shifted"]
    with pytest.raises(ModelProblem, match="another part"):
        fetch(entry_for(server.url))


def test_a_left_over_that_is_too_long_is_dropped(server):
    weights_folder().mkdir(parents=True)
    partial_path(weights_folder() / "weights.pth").write_bytes(CONTENT + b"more")
    assert fetch(entry_for(server.url)).read_bytes() == CONTENT


def test_a_whole_left_over_only_has_to_be_verified(server):
    weights_folder().mkdir(parents=True)
    partial_path(weights_folder() / "weights.pth").write_bytes(CONTENT)
    assert fetch(entry_for(server.url)).read_bytes() == CONTENT
    assert server.ranges == []


def test_a_changed_file_is_deleted_and_never_found(server):
    server.content = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    with pytest.raises(ModelProblem, match="SHA-256 differs"):
        fetch(entry_for(server.url))
    assert list(weights_folder().iterdir()) == []


def test_a_page_instead_of_the_file_is_told_by_its_size(server):
    server.content = b"<html>Please log in</html>"
    with pytest.raises(ModelProblem, match="26 bytes where weights.pth has 1500000"):
        fetch(entry_for(server.url))


def test_a_missing_file_gives_the_status_and_the_way_by_hand(server):
    server.plan = ["404"]
    with pytest.raises(ModelProblem, match="answered 404.*cityseg models register test-model PATH"):
        fetch(entry_for(server.url))


def test_a_silent_line_is_given_up_and_asked_again(server):
    server.plan = ["stall"]
    assert fetch(entry_for(server.url), stall_s=0.3).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1000-"]


def test_nobody_listening_is_one_sentence(server):
    server.shutdown()
    server.server_close()
    with pytest.raises(ModelProblem, match="broke off after 0 of 2 MB"):
        fetch(entry_for(server.url))


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_a_redirect_cannot_reach_other_schemes(server, target):
    server.plan = [f"to {target}"] * 10
    with pytest.raises(ModelProblem):
        fetch(entry_for(server.url))
    assert not (weights_folder() / "weights.pth").exists()


def test_a_redirect_to_the_file_is_followed(server):
    server.plan = [f"to {server.url}?mirror"]
    assert fetch(entry_for(server.url)).read_bytes() == CONTENT


def test_cancel_keeps_what_arrived(server):
    token = CancelToken()
    with pytest.raises(Cancelled):
        fetch(entry_for(server.url), progress=lambda *_: token.cancel(), cancel=token)
    kept = partial_path(weights_folder() / "weights.pth").read_bytes()
    assert kept
    assert CONTENT.startswith(kept)
    assert fetch(entry_for(server.url)).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={len(kept)}-"]


def test_a_disk_without_room_is_said_before_the_first_byte(server):
    with pytest.raises(ResourceProblem, match="MB free and the download needs 1000000000 MB"):
        fetch(entry_for(server.url, bytes=10**15))
    assert server.ranges == []


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits of file size")
def test_a_write_that_the_system_refuses_is_a_sentence_and_can_be_taken_up(server):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (700_000, before[1]))
    try:
        with pytest.raises(ResourceProblem, match="Could not go on writing .*what arrived is kept"):
            fetch(entry_for(server.url))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert fetch(entry_for(server.url)).read_bytes() == CONTENT


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_named():
    with (
        Path("/dev/full").open("wb", buffering=0) as stream,
        pytest.raises(ResourceProblem, match="the disk is full"),
    ):
        _write(stream, b"x" * 100, Path("weights.pth.part"))


def test_a_folder_that_cannot_be_made_is_a_sentence(server, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CITYSEG_HOME", str(tmp_path / "file"))
    with pytest.raises(ResourceProblem, match="Could not make the folder"):
        fetch(entry_for(server.url))


def test_two_downloads_of_one_file_do_not_mix(server):
    weights_folder().mkdir(parents=True)
    with (
        _only_one(partial_path(weights_folder() / "weights.pth")),
        pytest.raises(ResourceProblem, match="another CitySeg"),
    ):
        fetch(entry_for(server.url))
    assert fetch(entry_for(server.url)).read_bytes() == CONTENT


def test_a_mirror_replaces_the_address(server):
    record = entry_for("https://nowhere.invalid/weights.pth")
    assert fetch(record, url=server.url).read_bytes() == CONTENT


@pytest.mark.parametrize("url", ["ftp://example.org/a", "weights.pth", "file:///tmp/a", "https://"])
def test_what_is_not_a_web_address_is_refused(server, url):
    with pytest.raises(InvalidInput, match="not a web address"):
        fetch(entry_for(server.url), url=url)


def test_gated_and_shipped_weights_are_not_fetched(server):
    with pytest.raises(InvalidInput, match="after a registration"):
        fetch(entry_for(server.url, gated=True))
    with pytest.raises(InvalidInput, match="ships with CitySeg"):
        fetch(entry_for(None))


def test_the_system_proxy_is_used_with_its_login(server, monkeypatch):
    login = "user:p%40ss"
    monkeypatch.setenv("http_proxy", f"http://{login}@127.0.0.1:{server.server_port}")
    record = entry_for("http://weights.invalid/weights.pth")
    assert fetch(record).read_bytes() == CONTENT
    expected = "Basic " + base64.b64encode(b"user:p@ss").decode()
    assert server.logins == [expected]


def test_an_untrusted_certificate_is_refused_at_once(server, tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to make a certificate")
    made = ["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=127.0.0.1"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *made],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with pytest.raises(
        ModelProblem, match="certificate of 127.0.0.1 is not trusted.*SSL_CERT_FILE"
    ):
        fetch(entry_for(server.url.replace("http:", "https:")))

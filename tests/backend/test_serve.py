"""The real process over its real pipes: start, end, order, cancel, and what must not break a frame."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cityseg_qgis.protocol import codes
from cityseg_qgis.protocol.framing import encode
from cityseg_qgis.protocol.messages import Request, to_bytes
from inference_backend.version import backend_version
from tests.data.rasters import two_roofs, write_tif
from tests.workers.wire import MAIN, PATIENCE_S, ROOT, Wire

COLOUR = ROOT / "tests" / "workers" / "colour_backend.py"
RED_CENTRE_PX = [70.0, 80.0]


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CITYSEG_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def roofs(home):
    return write_tif(home / "roofs.tif", two_roofs())


def click(path: Path, **more) -> dict:
    prompt = {"kind": "point", "xy": [RED_CENTRE_PX], "label": 1}
    return {
        "source": {"kind": "file", "path": str(path)},
        "prompts": [prompt],
        "options": {"frame": "pixel"},
        **more,
    }


def wait_for(condition) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def test_hello_says_who_it_is_before_anything_heavy_is_imported(home):
    with Wire() as wire:
        answer = wire.ask("hello", {"protocol": 1, "client": "test"})
        loaded = Path(f"/proc/{wire.process.pid}/maps").read_text()
    assert answer["protocol"] == codes.PROTOCOL_VERSION
    assert answer["version"] == backend_version() != "0"
    assert answer["pid"] == wire.process.pid
    assert answer["python"] == sys.version.split()[0]
    assert answer["device_hint"] in ("cpu", "cuda", "mps")
    assert "libtorch" not in loaded


def test_nothing_heavy_is_imported_on_the_way_to_hello():
    """By name, in a process that imports what the start imports and then looks."""
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "import inference_backend.commands.serve, inference_backend.serve\n"
        "heavy = {'numpy', 'torch', 'rasterio', 'shapely', 'pyproj', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-I", "-c", script], check=True)


def test_after_hello_it_gets_ready_by_itself(home):
    with Wire() as wire:
        assert wire.ask("status")["warm"] is False
        wire.ask("hello")
        wait_for(lambda: wire.ask("status")["warm"])
        assert "libtorch" in Path(f"/proc/{wire.process.pid}/maps").read_text()
        assert wire.ask("status")["memory"]["resident_mb"] > 100


def test_the_end_of_input_ends_it(home):
    with Wire() as wire:
        wire.ask("hello")
        assert wire.end() == 0


def test_shutdown_is_answered_and_ends_it(home):
    with Wire() as wire:
        assert wire.ask("shutdown") == {}
        assert wire.process.wait(PATIENCE_S) == 0


def test_the_end_of_the_parent_ends_it_although_its_input_stays_open(home):
    """A middle process starts it and is killed; this one holds the writing end of its input."""
    read_end, write_end = os.pipe()
    middle_code = (
        "import os, subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-I', {str(MAIN)!r}, 'serve', '--parent-pid', str(os.getpid())],"
        f" stdin={read_end}, stdout=subprocess.DEVNULL)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(3600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", middle_code],
        stdout=subprocess.PIPE,
        pass_fds=(read_end,),
        text=True,
    ) as middle:
        os.close(read_end)
        pid = int(middle.stdout.readline())
        os.write(write_end, to_bytes(Request(1, "hello")))
        time.sleep(0.5)
        assert not gone(pid)
        middle.send_signal(signal.SIGKILL)
        wait_for(lambda: gone(pid))
    os.close(write_end)


def test_a_parent_that_ended_before_the_start_ends_it_too(home):
    """The parent is a zombie: ended, and not yet waited for."""
    with subprocess.Popen([sys.executable, "-c", ""]) as parent:
        os.waitid(os.P_PID, parent.pid, os.WEXITED | os.WNOWAIT)
        with Wire(arguments=("serve", "--parent-pid", str(parent.pid))) as wire:
            wait_for(lambda: gone(wire.process.pid))


def test_a_watched_parent_that_lives_is_no_reason_to_end(home):
    with Wire(arguments=("serve", "--parent-pid", str(os.getpid()))) as wire:
        wire.ask("hello")
        time.sleep(3)
        assert wire.ask("status")


def test_prints_of_libraries_go_to_stderr_and_break_no_frame(roofs):
    with Wire(COLOUR, ()) as wire:
        wire.ask("predict", click(roofs))
        assert wire.noise == []
        assert "Downloading shards" in wire.stderr
        assert "printed by a C library" in wire.stderr


def test_nonsense_on_its_input_is_answered_or_skipped(home):
    with Wire() as wire:
        wire.raw(b"GET / HTTP/1.1\r\n\r\nCSEG\x00\x00\x00\x02{}")
        assert wire.wait(None).code == codes.INVALID_REQUEST
        wire.raw(encode({"jsonrpc": "2.0", "id": 90, "method": ["x"]}))
        assert wire.wait(90).code == codes.INVALID_REQUEST
        assert wire.refusal("no-such-method").code == codes.METHOD_NOT_FOUND
        assert wire.ask("hello")["protocol"] == codes.PROTOCOL_VERSION
        assert "GET / HTTP" in wire.stderr


def test_hello_status_and_cancel_are_answered_while_it_works(roofs, tmp_path, monkeypatch):
    gate = tmp_path / "gate"
    monkeypatch.setenv("COLOUR_GATE", str(gate))
    with Wire(COLOUR, ()) as wire:
        running = wire.send("predict", click(roofs))
        waiting = wire.send("predict", click(roofs))
        last = wire.send("open", {"source": {"kind": "file", "path": str(roofs)}})
        wait_for(lambda: wire.ask("status")["running"] == running)
        assert wire.ask("status")["waiting"] == [waiting, last]
        assert wire.ask("hello")["protocol"] == codes.PROTOCOL_VERSION
        assert wire.ask("cancel", {"id": waiting}) == {"cancelled": True}
        assert wire.wait(waiting).code == codes.CANCELLED
        assert wire.ask("cancel", {"id": running}) == {"cancelled": True}
        gate.touch()
        error = wire.wait(running)
        assert (error.code, error.kind) == (codes.CANCELLED, "cancelled")
        assert wire.wait(last).result["width"] == 256
        assert wire.ask("cancel", {"id": running}) == {"cancelled": False}
        assert wire.ask("cancel", {"id": 12345}) == {"cancelled": False}
        assert wire.ask("predict", click(roofs))["features"]


def test_the_end_of_input_does_not_wait_for_a_request_that_hangs(roofs, tmp_path, monkeypatch):
    monkeypatch.setenv("COLOUR_GATE", str(tmp_path / "never"))
    with Wire(COLOUR, ()) as wire:
        running = wire.send("predict", click(roofs))
        wait_for(lambda: wire.ask("status")["running"] == running)
        assert wire.end() == 0


@pytest.mark.parametrize(
    ("fault", "code", "kind"),
    [
        ("problem", codes.MODEL, "model"),
        ("memory", codes.RESOURCE, "resource"),
        ("import", codes.ENVIRONMENT, "environment"),
        ("exit", codes.INTERNAL_ERROR, "internal"),
        ("unforeseen", codes.INTERNAL_ERROR, "internal"),
    ],
)
def test_what_a_model_raises_becomes_an_answer_and_it_works_on(
    roofs, monkeypatch, fault, code, kind
):
    monkeypatch.setenv("COLOUR_FAULT", fault)
    with Wire(COLOUR, ()) as wire:
        error = wire.refusal("predict", click(roofs))
        assert (error.code, error.kind) == (code, kind)
        assert error.message.endswith(".")
        assert "\n" not in error.message
        if fault == "problem":
            assert (error.message, error.detail) == (
                "The model is ill: choose another.",
                "detail of it",
            )
        else:
            assert "Traceback" in error.detail
        assert wire.ask("open", {"source": {"kind": "file", "path": str(roofs)}})["count"] == 3


def test_the_installed_layout_works_and_shadows_nothing(home):
    """As in QGIS's plugin folder: the backend inside the plugin's package, beside other people's plugins."""
    plugin = home / "plugins" / "cityseg_qgis"
    ignore = shutil.ignore_patterns("__pycache__", "*.safetensors")
    shutil.copytree(ROOT / "cityseg_qgis", plugin, ignore=ignore)
    shutil.copytree(ROOT / "inference_backend", plugin / "inference_backend", ignore=ignore)
    shutil.copyfile(ROOT / "metadata.txt", plugin / "metadata.txt")
    for folder in (plugin, plugin.parent):
        for name in ("numpy", "torch", "core", "queue"):
            (folder / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    with Wire(plugin / "inference_backend" / "__main__.py") as wire:
        assert wire.ask("hello")["version"] == backend_version()
        path = write_tif(home / "roofs.tif", two_roofs())
        assert wire.ask("open", {"source": {"kind": "file", "path": str(path)}})["width"] == 256


def test_it_serves_by_the_module_and_by_the_command_too(home):
    command = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from inference_backend.cli import main; main(['serve'])"
    for start in (
        [sys.executable, "-c", command],
        [
            sys.executable,
            "-c",
            f"import os; os.chdir({str(ROOT)!r}); "
            "import runpy, sys; sys.path.insert(0, '.'); sys.argv = ['x', 'serve']; "
            "runpy.run_module('inference_backend', run_name='__main__')",
        ],
    ):
        with Wire(command=start) as wire:
            assert wire.ask("hello")["protocol"] == codes.PROTOCOL_VERSION
            assert wire.end() == 0

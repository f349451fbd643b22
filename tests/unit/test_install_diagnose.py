"""Error texts that uv, pip, Python and Windows really print, and what the user is told."""

from __future__ import annotations

import pytest

from cityseg_qgis.worker.installer.diagnose import diagnose

# (a recorded text, a word of the sentence that it must give)
RECORDED = [
    (
        "error: Failed to install: torch\n  Caused by: failed to write to file: No space left on device (os error 28)",
        "disk is full",
    ),
    ("Caused by: There is not enough space on the disk. (os error 112)", "disk is full"),
    (
        "  Caused by: Eine Anwendungssteuerungsrichtlinie hat diese Datei blockiert. (os error 4551)",
        "Windows blocks",
    ),
    (
        'OSError: [WinError 1114] A dynamic link library (DLL) initialization routine failed. Error loading "c10.dll"',
        "Visual C++",
    ),
    (
        'OSError: [WinError 127] Die angegebene Prozedur wurde nicht gefunden. Error loading "shm.dll"',
        "Visual C++",
    ),
    (
        "PermissionError: [WinError 32] The process cannot access the file because it is being used by another process",
        "antivirus",
    ),
    ("error: Hash mismatch for `numpy==2.4.6`\n\nExpected:\n  sha256:00", "recorded hash"),
    ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "recorded hash"),
    ("  Caused by: tunnel error: unsuccessful\n 407 Proxy Authentication Required", "proxy"),
    ("  Caused by: invalid peer certificate: UnknownIssuer", "certificate"),
    (
        "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self signed certificate",
        "certificate",
    ),
    (
        "error: Distribution `torch==2.15.0 @ registry` can't be installed because it doesn't have a source distribution or wheel for the current platform\n"
        "hint: You're on macOS (`macosx_14_0_x86_64`), but `torch` (v2.15.0) only has wheels for the following platforms: `manylinux_2_28_aarch64`",
        "Intel Macs",
    ),
    (
        "The virtual environment was not created successfully because ensurepip is not available.",
        "python3-venv",
    ),
    ("/usr/bin/python3: No module named venv", "python3-venv"),
    ("/usr/bin/python3: No module named pip", "no pip"),
    (
        "error: No interpreter found for Python >=3.11, <3.15 in virtual environments, managed installations, or search path",
        "Python 3.12",
    ),
    (
        "  × No solution found when resolving dependencies:\n  ╰─▶ Because six was not found in the provided package locations",
        "was not found",
    ),
    (
        "Because numpy was not found in the cache and network connectivity is disabled",
        "was not found",
    ),
    (
        "  Caused by: dns error: failed to lookup address information: Temporary failure in name resolution",
        "cannot be reached",
    ),
    (
        "error: Failed to fetch: `https://example.invalid/simple/numpy/`\n  Caused by: operation timed out",
        "cannot be reached",
    ),
    (
        "NewConnectionError: Failed to establish a new connection: [Errno 111] Connection refused",
        "cannot be reached",
    ),
    (
        "error: failed to create directory `/srv/x`: Permission denied (os error 13)",
        "cannot be written",
    ),
    ("error: failed to create directory: Read-only file system (os error 30)", "cannot be written"),
    ("Fatal Python error: init_sys_streams: can't initialize sys standard streams", "broken"),
    ("ModuleNotFoundError: No module named 'encodings'", "broken"),
    ("exit code 132", "AVX2"),
    ("exit code -4", "AVX2"),
    ("MemoryError: Unable to allocate 1.2 GiB", "out of memory"),
]


@pytest.mark.parametrize(("text", "word"), RECORDED)
def test_a_recorded_error_gets_its_sentence(text, word):
    assert word in diagnose(text)


@pytest.mark.parametrize("text", [text for text, _ in RECORDED])
def test_a_sentence_says_what_to_do_in_a_line(text):
    sentence = diagnose(text)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert len(sentence) < 260


def test_an_unknown_error_points_to_the_log():
    assert (
        diagnose("something entirely new", "Making the environment")
        == "Making the environment failed. The log says why; attach it to a report."
    )


def test_only_the_end_of_a_long_log_counts():
    assert "log says why" in diagnose("No space left on device\n" + "x" * 30_000)


@pytest.mark.parametrize(
    "text",
    [
        "Downloading torch (500.1MiB)\n Downloaded torch\nexit code 1",
        "skilled work",
        "exit code 4096",
    ],
)
def test_ordinary_output_is_not_mistaken_for_an_error(text):
    assert "log says why" in diagnose(text)

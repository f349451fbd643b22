"""Turns what uv, pip or Python printed into one sentence that says what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass

# How much of the end of an output is looked at: errors come last, and a log of megabytes must not slow the answer.
_TAIL_CHARACTERS = 20_000


@dataclass(frozen=True)
class _Rule:
    pattern: re.Pattern[str]
    sentence: str


def _rule(pattern: str, sentence: str) -> _Rule:
    return _Rule(re.compile(pattern, re.IGNORECASE), sentence)


# First match wins, so the narrow ones stand first. Windows texts are localised: match numbers there, not words.
_RULES = (
    _rule(
        r"no space left on device|os error 112|os error 28|ENOSPC|not enough space on the disk|errno 28",
        "The disk is full. Free some space, or set CITYSEG_HOME to a folder on another disk, and install again.",
    ),
    _rule(
        r"os error 4551|winerror 4551|os error 1260|winerror 1260|application control policy",
        "Windows blocks programs in the environment's folder (Smart App Control or AppLocker). "
        "Ask your IT department to allow that folder, or use an existing Python.",
    ),
    _rule(
        r"winerror (1114|126|127|193)\b.*|(c10|shm|torch_\w+|fbgemm)\.dll",
        "PyTorch's libraries do not load on this Windows. Install the Microsoft Visual C++ Redistributable (x64), then install again.",
    ),
    _rule(
        r"os error 32|winerror 32\b|os error 5\b|winerror 5\b|being used by another process",
        "Another program holds a file of the environment (often an antivirus). Close other QGIS windows, wait a moment and install again.",
    ),
    _rule(
        r"hash mismatch|THESE PACKAGES DO NOT MATCH THE HASHES",
        "A download does not match its recorded hash, so it was refused. Try again; if it stays, a proxy or mirror changes the files.",
    ),
    _rule(
        r"407 proxy|proxy authentication|tunnel error|failed to connect to proxy|proxyerror",
        "The proxy refused the connection. Set the proxy with its user name in QGIS's options (Network) or in HTTPS_PROXY, and install again.",
    ),
    _rule(
        r"certificate verify failed|invalid peer certificate|UnknownIssuer|self[- ]signed certificate|CERTIFICATE_VERIFY",
        "The secure connection could not be verified: a company proxy probably uses its own certificate. "
        "Set SSL_CERT_FILE to that certificate, or install from a folder of wheels.",
    ),
    _rule(
        r"manylinux|no wheels? with a matching (platform|Python)|only has wheels for the following|has no usable wheels|"
        r"no wheels are available|none of .* platform|not a supported wheel on this platform",
        "There is no ready-made package for this system or Python version (Intel Macs and 32-bit systems are not supported by PyTorch). "
        "Use a Python 3.11 to 3.14 on a 64-bit system.",
    ),
    _rule(
        r"ensurepip is not available|No module named '?(ensurepip|venv)\b|returned non-zero exit status.*ensurepip",
        "This Python cannot make environments. On Debian and Ubuntu, run: apt-get install python3-venv; then install again.",
    ),
    _rule(
        r"No module named '?pip\b",
        "This Python has no pip. Choose another Python, or put uv on the PATH, and install again.",
    ),
    _rule(
        r"no interpreter found|No virtual environment or system Python|No download found for request|python downloads are (disabled|not allowed)",
        'No Python 3.11 or newer was found and none could be fetched. Install Python 3.12 from python.org, or choose one with "Use an existing Python".',
    ),
    _rule(
        r"because only the following versions|no solution found|was not found in the (package registry|provided package locations)|"
        r"not found in the cache|No matching distribution found|needs to be downloaded|network (was|is|connectivity is) disabled",
        "A needed package was not found. For a folder of wheels: make it with the same Python version and system as this one, from the plugin's requirements.",
    ),
    _rule(
        r"dns error|failed to lookup address|Temporary failure in name resolution|getaddrinfo failed|Could not resolve|"
        r"error sending request|client error \(Connect\)|Connection (refused|reset|timed out)|Network is unreachable|NewConnectionError|"
        r"operation timed out|Read timed out|failed to fetch",
        "The package registry cannot be reached. Check the internet connection and the proxy, or install from a folder of wheels.",
    ),
    _rule(
        r"permission denied|os error 13|access is denied|read-only file system|os error 30",
        "The environment's folder cannot be written. Set CITYSEG_HOME to a folder that you may write, and install again.",
    ),
    _rule(
        r"init_sys_streams|failed to get the Python codec|No module named 'encodings'|unable to get the locale encoding",
        "That Python is broken or was started with another Python's settings. Choose another one.",
    ),
    _rule(
        r"illegal instruction|exit code -?(4|132)\b|0xc000001d",
        "This processor lacks an instruction that PyTorch needs. A computer from 2013 or later with AVX2 is needed.",
    ),
    _rule(
        r"\bkilled\b|out of memory|memoryerror|cannot allocate memory",
        "The computer ran out of memory. Close other programs and install again.",
    ),
)


def diagnose(output: str, step_title: str = "The installation") -> str:
    """The sentence for what went wrong; a general one where nothing is recognised."""
    tail = output[-_TAIL_CHARACTERS:]
    for rule in _RULES:
        if rule.pattern.search(tail):
            return rule.sentence
    return f"{step_title} failed. The log says why; attach it to a report."

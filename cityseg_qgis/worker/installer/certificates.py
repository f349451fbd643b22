"""Lets uv trust what the system trusts: companies that look into TLS have a certificate of their own in its store."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Callable

# Where Linux systems keep the store; a minimal one has none, and then uv's own list is better than nothing.
_LINUX_STORES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def with_system_certificates(
    environ: Mapping[str, str],
    platform: str = sys.platform,
    exists: Callable[[str], bool] = os.path.exists,
) -> dict[str, str]:
    """`environ` with uv told to use the system's store, unless the user decided or there is none."""
    result = dict(environ)
    if platform.startswith("linux") and not any(exists(path) for path in _LINUX_STORES):
        return result
    result.setdefault("UV_SYSTEM_CERTS", "1")
    result.setdefault("UV_NATIVE_TLS", "1")  # its name until uv 0.9
    return result

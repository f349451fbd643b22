"""QGIS's proxy options as the variables that uv and pip read."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from qgis.core import QgsSettings

_SCHEMES = {
    "HttpProxy": "http",
    "HttpCachingProxy": "http",
    "DefaultProxy": "http",
    "Socks5Proxy": "socks5",
}


def with_qgis_proxy(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ`, with HTTPS_PROXY and HTTP_PROXY from QGIS's options where the user set none outside QGIS."""
    result = dict(environ)
    address = _qgis_proxy()
    if address and not any(name.upper() in ("HTTPS_PROXY", "ALL_PROXY") for name in environ):
        result["HTTPS_PROXY"] = result["HTTP_PROXY"] = address
    return result


def _qgis_proxy() -> str:
    settings = QgsSettings()
    if not settings.value("proxy/proxyEnabled", False, type=bool):
        return ""
    host = str(settings.value("proxy/proxyHost", "") or "")
    scheme = _SCHEMES.get(str(settings.value("proxy/proxyType", "HttpProxy")))
    if not host or scheme is None:
        return ""
    port = str(settings.value("proxy/proxyPort", "") or "")
    user = str(settings.value("proxy/proxyUser", "") or "")
    login = (
        user
        and f"{quote(user, safe='')}:{quote(str(settings.value('proxy/proxyPassword', '') or ''), safe='')}@"
    )
    return f"{scheme}://{login}{host}{':' + port if port else ''}"

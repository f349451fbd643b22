#!/usr/bin/env bash
# Installs what `make` needs from the system's packages, where it is missing: QGIS, a virtual screen, venv for Python.
# Prints nothing when all is there. As root it uses apt-get; else it says what to run.
set -euo pipefail

wanted=()
[ -x /usr/bin/python3 ] && /usr/bin/python3 -c 'import qgis.core' 2>/dev/null || wanted+=(qgis python3-qgis)
command -v qgis >/dev/null || wanted+=(qgis)
command -v qgis_process >/dev/null || wanted+=(qgis)
command -v Xvfb >/dev/null || wanted+=(xvfb)
command -v xauth >/dev/null || wanted+=(xauth)  # xvfb-run needs it and only recommends it
command -v xdotool >/dev/null || wanted+=(xdotool)
command -v flock >/dev/null || wanted+=(util-linux)
# uv comes through pip; a Debian Python has neither pip nor venv until its packages are there.
if ! command -v uv >/dev/null && [ ! -x .cache/uv/bin/uv ]; then
    python3 -c 'import ensurepip, venv' 2>/dev/null || wanted+=(python3-venv)
fi
[ ${#wanted[@]} -eq 0 ] && exit 0

mapfile -t wanted < <(printf '%s\n' "${wanted[@]}" | sort -u)
if ! command -v apt-get >/dev/null; then
    echo "CitySeg needs these Debian packages or their like, install them first: ${wanted[*]}" >&2
    exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "Some system packages are missing. Run this once, then make again:" >&2
    echo "  sudo apt-get update && sudo apt-get install ${wanted[*]}" >&2
    exit 1
fi
echo "Installing system packages: ${wanted[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq -y --no-install-recommends "${wanted[@]}" >/dev/null

"""Start of the backend: `python -I …/inference_backend/__main__.py COMMAND`, or `python -m inference_backend`.

Before anything else, `serve` reserves standard output for frames. Under `-I` no folder of ours is on `sys.path`, and
none is put there: the plugin's folder holds modules (`core`, `settings`, …) and QGIS's plugin folder holds other
people's plugins, which would shadow libraries. The two packages are bound by their files instead.
"""

from __future__ import annotations

import importlib.util
import os
import sys


def _bind(name: str, folder: str) -> None:
    """Make `folder` the package `name`, whatever else of that name may be installed."""
    initial = os.path.join(folder, "__init__.py")  # noqa: PTH118 - pathlib costs start-up time
    spec = importlib.util.spec_from_file_location(
        name, initial, submodule_search_locations=[folder]
    )
    if name in sys.modules or spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


def _bind_packages() -> None:
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    parent = os.path.dirname(here)  # noqa: PTH120
    beside = os.path.join(parent, "cityseg_qgis")  # noqa: PTH118
    _bind("inference_backend", here)
    # In a checkout the plugin's package lies beside this one; installed in QGIS, it is the parent.
    _bind("cityseg_qgis", beside if os.path.isdir(beside) else parent)  # noqa: PTH112


def _main() -> int:
    _bind_packages()
    if sys.argv[1:2] == ["serve"]:
        from inference_backend import stdio

        stdio.reserve()
        # Not through `cli`, which imports every other command to list it.
        from inference_backend.commands.serve import main as serve

        return serve(sys.argv[2:])
    from inference_backend.cli import main

    return main()


if __name__ == "__main__":
    sys.exit(_main())
elif __name__ == "__mp_main__":
    # A worker process that `multiprocessing` spawned: it needs the packages, not the command.
    _bind_packages()

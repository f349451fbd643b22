"""Settings of the test libraries, shared by every tier."""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("hypothesis"):  # QGIS's environment has none
    from hypothesis import settings

    # No test asserts a time: on a busy machine the default deadline of 200 ms fails at random.
    settings.register_profile("cityseg", deadline=None)
    settings.load_profile("cityseg")

"""Makes the backend's own Python environment: outside the plugin and the profile, from pinned and hashed requirements.

`places`, `requirements`, `plan` and `diagnose` are plain Python, so `make env` uses them too; `lock`, `steps` and
`install` need Qt. Nothing here touches QGIS's own Python.
"""

"""The Processing provider: the algorithms of the toolbox, of models and of `qgis_process`, one a module."""

"""Runs inside desktop QGIS (--code): loads, unloads and loads the plugin with QGIS's own functions, and reports."""

import os
import traceback
from pathlib import Path

import qgis.utils
from qgis.core import Qgis, QgsApplication
from qgis.PyQt.QtCore import QObject, QProcess, QTimer
from qgis.PyQt.QtWidgets import QApplication, QMenu
from qgis.utils import iface

NAME = "cityseg_qgis"
PAUSE_MS = 300
REPORT = Path(os.environ["CITYSEG_VERIFY_REPORT"])


def say(line):
    """Add a line to the report that verify_zip.py reads."""
    with REPORT.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def is_empty_menu(thing):
    """QGIS takes a plugin's empty menu out of sight but keeps the object."""
    return isinstance(thing, QMenu) and not thing.actions()


def leftovers():
    """Names of what the plugin put into QGIS and should have taken away."""
    window = iface.mainWindow()
    found = [
        f"{type(o).__name__} {o.objectName()}"
        for o in window.findChildren(QObject)
        if o.objectName().startswith("CitySeg") and not is_empty_menu(o)
    ]
    found += [
        provider.id()
        for provider in QgsApplication.processingRegistry().providers()
        if provider.id() == "cityseg"
    ]
    found += [
        f"process {p.program()}"
        for p in QApplication.instance().findChildren(QProcess)
        if p.state() != QProcess.ProcessState.NotRunning
    ]
    return found


def check(condition, what):
    """Stop the verification with `what` unless `condition` holds."""
    if not condition:
        raise RuntimeError(what)


def load():
    """Load and start the plugin as QGIS's plugin manager does."""
    qgis.utils.updateAvailablePlugins()
    check(NAME in qgis.utils.available_plugins, "QGIS does not list the plugin")
    check(qgis.utils.loadPlugin(NAME), "loadPlugin failed")
    check(qgis.utils.startPlugin(NAME), "startPlugin failed")


def check_loaded():
    """The plugin is there."""
    check(leftovers(), "the loaded plugin shows nothing in QGIS")
    say(f"loaded: {len(leftovers())} objects")


def unload():
    """Unload it as the plugin manager does."""
    check(qgis.utils.unloadPlugin(NAME), "unloadPlugin failed")


def check_unloaded():
    """Nothing of it is left."""
    check(not leftovers(), f"left after unload: {leftovers()}")
    say("unloaded: nothing left")


def check_empty():
    """Nothing of it was there before."""
    check(not leftovers(), f"there before the plugin: {leftovers()}")
    say(f"QGIS {Qgis.QGIS_VERSION}, empty profile")


ROUND = [load, check_loaded, unload, check_unloaded]
STEPS = [check_empty, *ROUND, *ROUND]


def run_next():
    """One step a turn of the event loop: what `deleteLater` names is deleted only between turns."""
    try:
        if STEPS:
            STEPS.pop(0)()
            QTimer.singleShot(PAUSE_MS, run_next)
            return
        say("verified")
    except Exception:
        say(traceback.format_exc())
    os._exit(0)  # QGIS's own end of life is not under test here


QTimer.singleShot(1000, run_next)

"""Runs inside desktop QGIS (--code): loads, unloads and loads the plugin with QGIS's own functions, and reports."""

import os
import traceback
from pathlib import Path

import qgis.utils
from qgis.core import Qgis, QgsApplication
from qgis.PyQt.QtCore import QProcess, QTimer
from qgis.PyQt.QtWidgets import QApplication
from qgis.utils import iface

NAME = "cityseg_qgis"
REPORT = Path(os.environ["CITYSEG_VERIFY_REPORT"])


def say(line):
    with REPORT.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def leftovers():
    """Names of what the plugin put into QGIS and should have taken away."""
    window = iface.mainWindow()
    from qgis.PyQt.QtCore import QObject

    found = [
        f"{type(o).__name__} {o.objectName()}"
        for o in window.findChildren(QObject)
        if o.objectName().startswith("CitySeg")
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


def settle():
    for _ in range(20):
        QApplication.sendPostedEvents(None, 0)
        QApplication.processEvents()


def check(condition, what):
    if not condition:
        raise RuntimeError(what)


def load(round_number):
    qgis.utils.updateAvailablePlugins()
    check(NAME in qgis.utils.available_plugins, "QGIS does not list the plugin")
    check(qgis.utils.loadPlugin(NAME), "loadPlugin failed")
    check(qgis.utils.startPlugin(NAME), "startPlugin failed")
    settle()
    check(leftovers(), "the loaded plugin shows nothing in QGIS")
    say(f"load {round_number}: {len(leftovers())} objects")


def unload(round_number):
    check(qgis.utils.unloadPlugin(NAME), "unloadPlugin failed")
    settle()
    check(not leftovers(), f"left after unload: {leftovers()}")
    say(f"unload {round_number}: nothing left")


def run():
    try:
        say(f"QGIS {Qgis.QGIS_VERSION}")
        before = leftovers()
        check(not before, f"already there: {before}")
        load(1)
        unload(1)
        load(2)
        unload(2)
        say("verified")
    except Exception:
        say(traceback.format_exc())
    os._exit(0)  # QGIS's own end of life is not under test here


QTimer.singleShot(1000, run)

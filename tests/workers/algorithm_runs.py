"""Runs Processing algorithms as QGIS does, in the main thread or in one of its pool, and keeps what they say."""

from __future__ import annotations

from qgis.core import (
    QgsApplication,
    QgsProcessingAlgRunnerTask,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingUtils,
    QgsProject,
)
from qgis.PyQt.QtCore import QThread

from tests.workers.client_harness import wait_until


class Feedback(QgsProcessingFeedback):
    """Everything that an algorithm says. It cancels itself at `cancel_at` percent."""

    def __init__(self, cancel_at=101):
        super().__init__(False)
        self.errors, self.warnings, self.infos, self.debug, self.console = [], [], [], [], []
        self.texts, self.threads, self.percent, self.cancel_at = [], set(), 0.0, cancel_at
        self.progressChanged.connect(self._on_progress)

    def _on_progress(self, percent):
        self.percent = percent
        if percent >= self.cancel_at:
            self.cancel()

    def reportError(self, error, _fatal=False):
        self.errors.append(error)

    def pushWarning(self, warning):
        self.warnings.append(warning)

    def pushInfo(self, info):
        self.infos.append(info)

    def pushDebugInfo(self, info):
        self.threads.add(QThread.currentThread())
        self.debug.append(info)

    def pushConsoleInfo(self, info):
        self.console.append(info)

    def setProgressText(self, text):
        self.texts.append(text)

    @property
    def said(self):
        return " ".join([*self.errors, *self.warnings, *self.infos])


class Run:
    """One run and what came of it."""

    def __init__(self, results, ok, context, feedback):
        self.results, self.ok, self.context, self.feedback = results, ok, context, feedback

    @property
    def layer(self):
        return QgsProcessingUtils.mapLayerFromString(self.results["OUTPUT"], self.context)

    @property
    def features(self):
        return list(self.layer.getFeatures())

    @property
    def error(self):
        return " ".join(self.feedback.errors)


def algorithm(name):
    found = QgsApplication.processingRegistry().algorithmById(f"cityseg:{name}")
    assert found is not None, f"there is no cityseg:{name}"
    return found.create()


def make_context():
    context = QgsProcessingContext()
    context.setProject(QgsProject.instance())
    return context


def run_here(name, feedback=None, **parameters):
    """In this thread, as `qgis_process`, batches and the Python console do; the parameters are checked first."""
    context, feedback = make_context(), feedback or Feedback()
    parameters.setdefault("OUTPUT", "memory:")
    ok, problem = algorithm(name).checkParameterValues(parameters, context)
    if not ok:
        feedback.reportError(problem)
        return Run({}, False, context, feedback)
    results, ok = algorithm(name).run(parameters, context, feedback)
    return Run(results, ok, context, feedback)


class BackgroundRun:
    """In a thread of QGIS's pool, as the toolbox does."""

    def __init__(self, name, feedback=None, **parameters):
        self.context, self.feedback = make_context(), feedback or Feedback()
        parameters.setdefault("OUTPUT", "memory:")
        self.ended = None
        task = QgsProcessingAlgRunnerTask(algorithm(name), parameters, self.context, self.feedback)
        # Not by a lambda, which would hold the context for as long as QGIS holds the task.
        task.executed.connect(self._on_executed)
        QgsApplication.taskManager().addTask(task)

    def _on_executed(self, ok, results):
        self.ended = (ok, results)

    def wait(self):
        """Let the event loop of this thread run until the task has ended."""
        wait_until(lambda: self.ended is not None)
        ok, results = self.ended
        return Run(results, ok, self.context, self.feedback)


def run_in_background(name, feedback=None, **parameters):
    return BackgroundRun(name, feedback, **parameters).wait()


def end_runs():
    """Cancel what a failed test left running: QGIS would wait for it at its end."""
    manager = QgsApplication.taskManager()
    manager.cancelAll()
    wait_until(lambda: manager.countActiveTasks() == 0)

"""All displays of one shell: which output belongs to which cell, and when they are brought up to date."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from cellray_kernel.cell_output import CellOutput
from cellray_kernel.cell_run import CellRun, CellRuns
from cellray_kernel.provenance import CellTracker, RunningCell
from cellray_kernel.publisher import Publisher
from cellray_kernel.task_names import TaskNames
from cellray_kernel.ticker import Ticker

KERNEL_ENDED = "the kernel ended while this ran"


class Displays:
    """Routes what tasks print to the display of the cell that submitted them."""

    def __init__(self, shell: Any, publisher: Publisher) -> None:
        self.publisher = publisher
        self.ticker = Ticker()
        self.runs = CellRuns()
        self.task_names = TaskNames()
        self.at_cell_end: dict[str, Callable[[], None]] = {}
        self.tracker = CellTracker(shell, publisher, self._on_cell_begins, self._on_cell_ends)
        self._lock = threading.Lock()
        self._outputs: dict[str, CellOutput] = {}
        self._run_of: dict[str, CellRun] = {}

    def begin(self, cell: RunningCell, run: CellRun) -> CellOutput:
        """The display of a new run of a remote cell, shown at once."""
        output = CellOutput(self.publisher, cell.parent, run)
        run.on_change = output.changed
        with self._lock:
            self._outputs[cell.cell_id] = output
            self._run_of[cell.cell_id] = run
        self.runs.begin(cell.cell_id, run)
        self.task_names.add(run.elements)
        output.refresh()
        self.ticker.add(output)
        return output

    def on_output(self, cell_id: str | None, task_id: bytes, stream: str, text: str, dropped_bytes: int) -> None:
        """A piece of what a task printed. Called in the runtime's I/O thread."""
        if cell_id is None:
            cell_id = self.tracker.current.cell_id
        with self._lock:
            output = self._outputs.get(cell_id)
            if output is None:
                # An ordinary cell that calls remote functions: its display begins with the first output.
                parent = self.tracker.parents.get(cell_id, self.tracker.current.parent)
                output = self._outputs[cell_id] = CellOutput(self.publisher, parent)
            run = self._run_of.get(cell_id)
        element = run.elements.get(bytes(task_id), "") if run is not None else ""
        output.write(task_id, element, stream, text, dropped_bytes)
        self.ticker.add(output)

    def flush(self) -> None:
        """Everything that is known now is on its way when this returns."""
        self.ticker.flush()

    def close(self) -> None:
        """The kernel ends: what is shown must not say forever that it runs."""
        for run in self.runs.running():
            run.note = KERNEL_ENDED
        with self._lock:
            outputs = list(self._outputs.values())
        for output in outputs:
            output.close()
        self.flush()

    def _on_cell_ends(self) -> None:
        self.flush()
        for action in tuple(self.at_cell_end.values()):
            action()

    def _on_cell_begins(self, cell_id: str) -> None:
        """A cell that runs again gets a new display."""
        with self._lock:
            self._outputs.pop(cell_id, None)
            self._run_of.pop(cell_id, None)
            self.at_cell_end.pop(cell_id, None)

"""Which cell runs: told to the runtime, which records it with every task, and to the displays."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cellray.provenance import Cell, cancel_current_cell, set_current_cell

from cellray_kernel.human import plural
from cellray_kernel.publisher import Publisher


@dataclass(frozen=True, slots=True)
class RunningCell:
    """The cell that runs, or ran last. `parent` is what its displays are created with, `raw` its text."""

    cell_id: str
    execution_count: int
    raw: str
    parent: Any

    @property
    def label(self) -> str:
        """As people write it."""
        return f"In [{self.execution_count}]"

    @property
    def filename(self) -> str:
        """As IPython's tracebacks call it."""
        return f"Cell In[{self.execution_count}]"


class CellTracker:
    """Hears from IPython when cells begin and end."""

    def __init__(self, shell: Any, publisher: Publisher, on_begin: Callable[[str], None], on_end: Callable[[], None]):
        self.current = RunningCell("", 0, "", None)
        self.parents: dict[str, Any] = {}
        self._shell = shell
        self._publisher = publisher
        self._kernel_id = kernel_id()
        self._on_begin = on_begin
        self._on_end = on_end

    def register(self) -> None:
        """Hear from now on. The cell that loads the extension has begun already: take it as it is."""
        self._shell.events.register("pre_run_cell", self.on_pre_run_cell)
        self._shell.events.register("post_run_cell", self.on_post_run_cell)

    def unregister(self) -> None:
        """Hear no more."""
        self._shell.events.unregister("pre_run_cell", self.on_pre_run_cell)
        self._shell.events.unregister("post_run_cell", self.on_post_run_cell)
        set_current_cell(None)

    def on_pre_run_cell(self, info: Any) -> None:
        """A cell begins. Clients that name no cells get a name for each execution: nothing supersedes anything then."""
        # The number in In [n]. `shell.execution_count` is raised before or after this event, by IPython's version.
        count = len(self._shell.history_manager.input_hist_parsed)
        cell_id = getattr(info, "cell_id", None) or f"execution-{self._kernel_id}-{count}"
        parent = self._publisher.enter_cell()
        self.parents[cell_id] = parent
        self.current = RunningCell(cell_id, count, info.raw_cell or "", parent)
        set_current_cell(Cell(self._kernel_id, cell_id, count))
        self._on_begin(cell_id)

    def on_post_run_cell(self, result: Any) -> None:
        """A cell ended: its display updates must be on their way before its reply is. An interrupt ends its tasks."""
        if isinstance(getattr(result, "error_in_exec", None), KeyboardInterrupt):
            number = cancel_current_cell("its cell was interrupted")
            if number:
                print(f"{plural(number, 'task')} of this cell cancelled")  # noqa: T201
        self._on_end()
        set_current_cell(None)


def kernel_id() -> str:
    """The id by which the Jupyter server knows this kernel, from its connection file; else the process id."""
    try:
        from ipykernel.connect import get_connection_file

        name = os.path.basename(get_connection_file())
    except Exception:
        return f"pid-{os.getpid()}"
    return name.removeprefix("kernel-").removesuffix(".json")

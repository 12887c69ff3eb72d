"""Where tasks come from: the notebook cell that is running, recorded with each task that it submits.

The notebook extension tells which cell that is and takes the output of its tasks; a script has none of this.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

from cellray.api import current
from cellray.model.command import OutputForwarded
from cellray.model.task import Cell
from cellray.ports import Engine

OutputCallback = Callable[[str | None, bytes, str, str, int], None]

__all__ = [
    "Cell",
    "begin_epoch",
    "cancel_current_cell",
    "current_cell",
    "epoch",
    "on_output",
    "route_output",
    "set_current_cell",
]

NO_MARK = -1

_cell: Cell | None = None
_epoch = 0
_mark = NO_MARK
_marks: list[tuple[int, Cell | None]] = []
"""For each cell that has run in this session the mark before its submissions."""
_marks_of: Engine | None = None
_listeners: list[OutputCallback] = []


def set_current_cell(cell: Cell | None) -> None:
    """The cell that runs from now on (None: none). Functions are exported anew in each cell: see RemoteFunction."""
    global _cell, _epoch, _mark, _marks_of
    _cell = cell
    _epoch += 1
    engine = current.engine_or_none()
    _mark = engine.mark() if engine is not None else NO_MARK
    if engine is not _marks_of:
        _marks_of = engine
        _marks.clear()
    _marks.append((_mark, cell))


def cell_at(index: int) -> Cell | None:
    """The cell that ran when the task with this place among the driver's submissions was submitted."""
    after = bisect_left(_marks, index, key=lambda mark: mark[0])
    return _marks[after - 1][1] if index >= 0 and after > 0 else None


def begin_epoch() -> None:
    """Something has changed on which it depends how functions are exported: they are from now on exported anew."""
    global _epoch
    _epoch += 1


def current_cell() -> Cell | None:
    """The notebook cell; inside a task, the cell that its ancestor was submitted from."""
    context = getattr(current.engine_or_none(), "context", None)
    return context.cell if context is not None and context.cell is not None else _cell


def epoch() -> int:
    """Counts the cells that have run, and other changes that make functions be exported anew."""
    return _epoch


def cancel_current_cell(reason: str) -> int:
    """Cancel the unfinished tasks that the running cell has submitted, and theirs; how many the cell itself had."""
    engine = current.engine_or_none()
    return engine.cancel_since(_mark, reason) if engine is not None else 0


def on_output(callback: OutputCallback) -> Callable[[], None]:
    """Take the output of this driver's tasks: `callback(cell_id, task_id, stream, text, dropped_bytes)`, called in the
    runtime's I/O thread. Returns what ends it."""
    _listeners.append(callback)
    return lambda: _listeners.remove(callback)


def route_output(command: OutputForwarded) -> bool:
    """Hand a piece of output to the listeners; False when there are none."""
    for callback in tuple(_listeners):
        cell_id = command.cell.cell_id if command.cell is not None else None
        callback(cell_id, command.task_id, command.stream, command.text, command.dropped_bytes)
    return bool(_listeners)

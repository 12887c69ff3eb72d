"""How the runtime's errors look in a notebook: the user's lines, local and remote, and none of ours."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

from cellray.exceptions import CellrayError, TaskError
from cellray.observe.visual.format import count

from cellray_kernel.cell_run import CellRun
from cellray_kernel.remote_error import FileLabel, render, where_it_was_met


class ShortTraceback(Exception):  # noqa: N818 - not raised by itself
    """Mixed into what ends a cell with a word instead of frames; IPython asks for `_render_traceback_`."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class CellSyntaxError(ShortTraceback):
    """The cell cannot be compiled or cannot run remotely; `shown` is the line with a mark, as IPython shows it."""

    def __init__(self, message: str, shown: str) -> None:
        super().__init__(message)
        self.shown = shown

    def _render_traceback_(self) -> list[str]:
        return [self.shown]


class CellInterrupted(ShortTraceback, KeyboardInterrupt):
    """The user interrupted a remote cell; its tasks were cancelled."""


class CellTasksCancelled(ShortTraceback):
    """Somebody cancelled tasks that a cell waited for."""


class ErrorDisplay:
    """Installs itself as IPython's handler for the runtime's errors, and renders them."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._previous: tuple[Any, Any] | None = None

    def install(self) -> None:
        """Take over; a handler that somebody else installed for other errors stays in force for those."""
        shell = self._shell
        self._previous = (shell.custom_exceptions, shell.CustomTB)
        shell.set_custom_exc((CellrayError, *shell.custom_exceptions), self._handle)

    def uninstall(self) -> None:
        """Leave everything as it was found."""
        if self._previous is not None:
            self._shell.custom_exceptions, self._shell.CustomTB = self._previous
            self._previous = None

    def _handle(
        self,
        shell: Any,
        kind: type[BaseException],
        error: BaseException,
        traceback: TracebackType | None,
        tb_offset: int | None = None,
    ) -> list[str] | None:
        if not isinstance(error, CellrayError):
            assert self._previous is not None
            previous: Any = self._previous[1]
            result: list[str] | None = previous(kind, error, traceback, tb_offset=tb_offset)
            return result
        sys.last_type, sys.last_value, sys.last_traceback = kind, error, traceback
        lines = self.render(error, traceback)
        shown = error.cause if isinstance(error, TaskError) else error
        shell._showtraceback(type(shown), shown, lines)
        return lines

    def render(self, error: BaseException, traceback: TracebackType | None = None) -> list[str]:
        """The lines that are shown for an error of the runtime."""
        where = where_it_was_met(traceback, self.file_label)
        notes = tuple(getattr(error, "__notes__", ()))
        if isinstance(error, TaskError):
            task = f"in task {error.function_name}, remotely:"
            # A remote cell's own error needs no word on where it was: its first frame names the cell.
            is_own = f'"Cell {error.function_name.replace(" ", "")}"' in error.traceback_text
            where = f"{where}\n{task}" if where else "" if is_own else task
            kind, message = type(error.cause).__name__, str(error.cause)
            return render(kind, message, error.traceback_text, self.file_label, where, notes)
        return render(type(error).__name__, str(error), "", self.file_label, where, notes)

    def render_failures(self, run: CellRun) -> list[str]:
        """The first failure of a run, with its element and how many others there are."""
        failure = run.first_failure
        if failure is None:
            return []
        return [*self.render(failure.error), *failure_notes(run)]

    @property
    def file_label(self) -> FileLabel:
        """Names a file the way IPython does: `Cell In[5]` for cells."""

        def label(filename: str) -> str:
            found = self._shell.compile.format_code_name(filename)
            return " ".join(found) if found else filename

        return label


def failure_notes(run: CellRun) -> list[str]:
    """Which element failed and how many; nothing to say for a single task."""
    failure, progress = run.first_failure, run.progress()
    if failure is None or progress.total == 1:
        return []
    place = f"This is {failure.element}. " if failure.element else ""
    return [f"{place}{count(progress.failed)} of {count(progress.total)} tasks failed."]

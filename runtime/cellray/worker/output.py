"""What tasks print: lines of the running task become facts; between tasks they go where C code writes to."""

from __future__ import annotations

import io
import logging
import sys
import time
from collections.abc import Callable
from typing import TextIO

from cellray.ids import TaskId
from cellray.model.fact import TaskOutput
from cellray.worker.black_box import BlackBox

FLUSH_CHARS = 8192
FLUSH_PIECES = 256
"""Text without an end of line is forwarded when it is this long, or was written in so many pieces."""


class OutputBudget:
    """How much a worker's tasks may have forwarded in a second; the rest is counted, and left in a file."""

    def __init__(self, bytes_max_per_s: int, dropped_path: str) -> None:
        self._bytes_max = bytes_max_per_s
        self._dropped_path = dropped_path
        self._window_start = 0.0
        self._used = 0

    def take(self, count: int) -> bool:
        """Whether `count` bytes more may be forwarded now."""
        now = time.monotonic()
        if now - self._window_start >= 1.0:
            self._window_start, self._used = now, 0
        self._used += count
        return self._used <= self._bytes_max

    def leave(self, text: str) -> None:
        """Keep what is not forwarded."""
        with open(self._dropped_path, "a", encoding="utf-8", errors="replace") as file:
            file.write(text)


class LastResort(logging.StreamHandler[TextIO]):
    """Shows records of a program that has configured no logging: as Python does, and with the level."""

    def __init__(self) -> None:
        super().__init__()
        self.setLevel(logging.WARNING)
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """On the standard error of this moment."""
        self.stream = sys.stderr
        super().emit(record)


class TaskStream(io.TextIOBase):
    """Stands in for sys.stdout or sys.stderr in a worker."""

    def __init__(
        self,
        name: str,
        fallback: TextIO,
        current_task: Callable[[], TaskId | None],
        emit: Callable[[TaskOutput], None],
        budget: OutputBudget,
        black_box: BlackBox,
    ) -> None:
        self._name = name
        self._fallback = fallback
        self._current_task = current_task
        self._emit = emit
        self._budget = budget
        self._black_box = black_box
        self.is_muted = False
        self.pending: dict[TaskId, list[str]] = {}
        self.dropped_bytes: dict[TaskId, int] = {}
        """What was not forwarded yet, and how much never was; when both are empty, `end_task` has nothing to do."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Text is UTF-8 throughout."""
        return "utf-8"

    def writable(self) -> bool:
        """Yes."""
        return True

    def fileno(self) -> int:
        """The descriptor that C code and subprocesses write to."""
        return self._fallback.fileno()

    def write(self, text: str) -> int:
        """Buffer until a line is whole; forwarded with the next flush of the worker's facts."""
        if self.is_muted:
            return len(text)
        task_id = self._current_task()
        if task_id is None:
            self._fallback.write(text)
            self._fallback.flush()
            return len(text)
        self._black_box.note(self._name, task_id, text)
        pending = self.pending.setdefault(task_id, [])
        pending.append(text)
        if "\n" in text:
            self._forward_lines(task_id)
        elif len(text) > FLUSH_CHARS or len(pending) > FLUSH_PIECES:
            self._forward(task_id)
        return len(text)

    def flush(self) -> None:
        """Forward what is buffered, whole line or not."""
        task_id = self._current_task()
        if task_id is None:
            self._fallback.flush()
        elif task_id in self.pending:
            self._forward(task_id)

    def end_task(self, task_id: TaskId) -> None:
        """Forward the rest before the task's result, and what was dropped as a count."""
        if task_id in self.pending:
            self._forward(task_id)
        if task_id in self.dropped_bytes:
            self._emit(TaskOutput(task_id, time.time(), self._name, "", self.dropped_bytes.pop(task_id)))

    def _forward_lines(self, task_id: TaskId) -> None:
        """What is after the last end of line stays here, so that no line is torn apart."""
        whole, _, rest = "".join(self.pending.pop(task_id)).rpartition("\n")
        if rest:
            self.pending[task_id] = [rest]
        self._emit_text(task_id, f"{whole}\n")

    def _forward(self, task_id: TaskId) -> None:
        self._emit_text(task_id, "".join(self.pending.pop(task_id, ())))

    def _emit_text(self, task_id: TaskId, text: str) -> None:
        dropped_bytes = self.dropped_bytes.pop(task_id, 0)
        if self._budget.take(len(text)):
            self._emit(TaskOutput(task_id, time.time(), self._name, text, dropped_bytes))
        else:
            self._budget.leave(text)
            self.dropped_bytes[task_id] = dropped_bytes + len(text)

"""What a worker's process writes past Python: descriptors 1 and 2 are files that the node reads.

C code, subprocesses and the interpreter's own last words go there. Files and not pipes: whoever writes never waits for
a reader, and what was written is there when the process has died.
"""

from __future__ import annotations

import faulthandler
import os
import time
from collections.abc import Callable
from typing import Protocol

from cellray.ids import TaskId
from cellray.model.fact import WorkerWrote
from cellray.model.task import TaskTemplate
from cellray.worker.black_box import BlackBox


class TaskOfThread(Protocol):
    """The task that the running thread belongs to."""

    @property
    def task_id(self) -> TaskId:
        """Which task."""

    @property
    def template(self) -> TaskTemplate | None:
        """What it is an instance of."""


def redirect_descriptors(log_folder: str) -> RawFiles:
    """From now on; a crash in C code leaves the Python traceback there too."""
    files = RawFiles(log_folder, os.getpid())
    os.dup2(files.descriptors[0], 1)
    os.dup2(files.descriptors[1], 2)
    faulthandler.enable(files.descriptors[1], all_threads=False)
    return files


class RawFiles:
    """The files of one process, and how large they were when the node was told."""

    def __init__(self, log_folder: str, pid: int) -> None:
        self.dropped_path = os.path.join(log_folder, f"worker-{pid}.log")
        """Where text of tasks is left that was too much to be forwarded."""
        self.descriptors = [
            os.open(os.path.join(log_folder, f"worker-{pid}.{stream}"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            for stream in ("stdout", "stderr")
        ]
        self.black_box = BlackBox(os.path.join(log_folder, f"worker-{pid}.box"))
        self._told_bytes = 0

    def news(self, context: Callable[[], TaskOfThread]) -> WorkerWrote | None:
        """What the node must be told, if they have grown: two system calls for a flush of facts, not for a task."""
        first, second = self.descriptors
        # By `lseek`, at a third of the cost of `fstat`: whoever writes appends, wherever the offset stands.
        size = os.lseek(first, 0, os.SEEK_END) + os.lseek(second, 0, os.SEEK_END)
        if size == self._told_bytes:
            return None
        self._told_bytes = size
        task = context()
        return WorkerWrote(time.time(), task.task_id, task.template.template_id if task.template is not None else None)

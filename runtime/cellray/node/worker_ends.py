"""Ends of workers: what one has left is read and the core is told, when its connection and its process have ended.

The two come in either order. What the worker sent before is read first: its connection ends when its socket is empty.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from cellray.errors import SessionError
from cellray.ids import NODE, ClientId
from cellray.model.fact import LoggedFact, WorkerExited, WorkerOutput
from cellray.node.memory_watch import KERNEL

if TYPE_CHECKING:
    from cellray.node.connection import ClientConnection
    from cellray.node.worker_files import WorkerFiles
    from cellray.ports import Clock

ORPHANED_SOCKET_S = 0.2
"""An ended worker's connection is closed from this side after that long; what it had sent is read long before."""


class WorkerEnds:
    """`pids` are the processes that the template has spoken of and that live."""

    def __init__(
        self,
        clients: Mapping[ClientId, ClientConnection],
        files: WorkerFiles,
        record: Callable[[Sequence[LoggedFact]], None],
        pids: Callable[[], Collection[int]],
        has_kernel_killed: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self._clients = clients
        self._files = files
        self._record = record
        self._pids = pids
        self._has_kernel_killed = has_kernel_killed
        self._clock = clock
        self._disconnected: dict[int, ClientId] = {}
        self._exit_statuses: dict[int, int] = {}
        self._never_admitted: set[int] = set()

    def check(self, pid: int) -> None:
        """Raises SessionError for a worker whose end has been told before it was admitted: nobody would bury it again.

        The number may be that of another process by now, which the template has told of then.
        """
        if pid in self._never_admitted:
            self._never_admitted.discard(pid)
            if pid not in self._pids():
                raise SessionError(f"worker process {pid} has ended")

    def on_process_ended(self, pid: int, status: int) -> None:
        """The template's word."""
        worker_id = self._disconnected.pop(pid, None)
        if worker_id is not None:
            self._bury(worker_id, pid, status)
            return
        for client in self._clients.values():
            if client.hello.pid == pid and client.hello.role == "worker":
                self._exit_statuses[pid] = status
                # Processes that its tasks forked may hold its socket open.
                asyncio.get_running_loop().call_later(ORPHANED_SOCKET_S, client.close)
                return
        self._never_admitted.add(pid)
        self._bury(NODE, pid, status)

    def on_disconnected(self, worker_id: ClientId, pid: int) -> None:
        """A worker's connection has ended."""
        status = self._exit_statuses.pop(pid, None)
        if status is not None:
            self._bury(worker_id, pid, status)
        else:
            self._disconnected[pid] = worker_id

    def _bury(self, worker_id: ClientId, pid: int, status: int) -> None:
        signal_number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        exit_code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0
        now, files = self._clock.now(), self._files
        last_words = [
            WorkerOutput(worker_id, now, stream, text, task_id=task_id)
            for stream, task_id, text in files.black_box(pid)
        ]
        last_words += [WorkerOutput(worker_id, now, *piece) for piece in files.read(pid, to_the_end=True)]
        tail = files.tail(pid)
        files.forget(pid)
        # Asked only of those whom nobody else is likely to have killed: the counts are the machine's, or our group's.
        by_kernel = KERNEL if signal_number == signal.SIGKILL and self._has_kernel_killed() else ""
        exited = WorkerExited(worker_id, now, exit_code, signal_number, tail, out_of_memory=by_kernel)
        self._record([*last_words, exited])

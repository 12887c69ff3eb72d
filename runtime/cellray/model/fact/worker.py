"""Facts about the processes that run tasks."""

from __future__ import annotations

import msgspec

from cellray.ids import ClientId, TaskId


class WorkerStarted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=4):
    """A worker connected and takes tasks."""

    worker_id: ClientId
    at: float
    pid: int


class WorkerExited(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=5):
    """A worker is gone. `signal` is 0 when it exited with `exit_code`; `output_tail` its last lines.

    `out_of_memory` says how it is known that it was ended because memory ran out; it is empty otherwise.
    """

    worker_id: ClientId
    at: float
    exit_code: int = 0
    signal: int = 0
    output_tail: str = ""
    intended: bool = False
    out_of_memory: str = ""


class WorkerOutput(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=28):
    """What a worker's process wrote past Python: C code, subprocesses, its last words. `task_id` is what it ran, if it
    is known; `dropped_bytes` counts what the cap kept out."""

    worker_id: ClientId
    at: float
    stream: str
    text: str
    dropped_bytes: int = 0
    task_id: TaskId = TaskId(b"")


class WorkerBlocked(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=21):
    """A worker waits in `get` or `wait`: its resources are lent out, its prefetched tasks come back."""

    worker_id: ClientId
    at: float


class WorkerUnblocked(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=22):
    """A worker goes on after `get` or `wait`."""

    worker_id: ClientId
    at: float

"""Facts of a task's life, from what it is an instance of to its end."""

from __future__ import annotations

import msgspec

from cellray.ids import ClientId, GroupId, TaskId
from cellray.model.object import ObjectValue
from cellray.model.task import Function, TaskSpec, TaskTemplate


class FunctionRegistered(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=8):
    """A function, content-addressed; registering it again changes nothing."""

    function: Function
    at: float


class TemplateRegistered(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=9):
    """A template, content-addressed; registering it again changes nothing."""

    template: TaskTemplate
    at: float


class TasksSubmitted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=10):
    """Tasks of one parent, with everything that is needed to run them again."""

    parent_id: TaskId
    at: float
    tasks: list[TaskSpec]


class TasksDispatched(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=11):
    """The node's core sent tasks to a worker, which runs them in this order."""

    worker_id: ClientId
    at: float
    task_ids: list[TaskId]


class TasksReturned(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=12):
    """A worker gave back tasks that it had not begun."""

    worker_id: ClientId
    at: float
    task_ids: list[TaskId]


class TaskStarted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=13):
    """A task that has been running for a while; short ones say `started_at` only when they end."""

    task_id: TaskId
    worker_id: ClientId
    at: float


class TaskFinished(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=14):
    """A task returned; one value for each of its returns."""

    task_id: TaskId
    started_at: float
    finished_at: float
    values: tuple[ObjectValue, ...]


class TaskFailed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=15):
    """A task raised, or could not run. `error` becomes the value of each of its returns, unless `will_retry`.

    `summary` is one line for views, such as `ValueError: bad seed`; `started_at` is 0 when it never ran. `values` are
    its first returns as far as it had made them. `retryable`: the exception is one that the template retries on.
    """

    task_id: TaskId
    started_at: float
    finished_at: float
    error: ObjectValue
    summary: str
    will_retry: bool = False
    values: tuple[ObjectValue, ...] = ()
    retryable: bool = True


class TaskCancelled(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=16):
    """A task was cancelled before it ended; its returns raise TaskCancelledError."""

    task_id: TaskId
    at: float
    reason: str = ""


class CancelRequested(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=17):
    """Somebody asks to cancel tasks (with `recursive`, their unfinished descendants too)."""

    task_ids: list[TaskId]
    at: float
    force: bool = False
    recursive: bool = True
    reason: str = ""


class TaskOutput(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=20):
    """What a task printed. `stream` is "stdout" or "stderr"; `dropped_bytes` counts what the cap kept out."""

    task_id: TaskId
    at: float
    stream: str
    text: str
    dropped_bytes: int = 0


class TaskRetried(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=23):
    """An attempt failed and the core put the task back in its queue; `attempt` (from 0) is the one to come, after a
    pause of `pause_s`."""

    task_id: TaskId
    attempt: int
    at: float
    reason: str
    pause_s: float = 0.0


class ItemsYielded(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=44):
    """A generator yielded items, the first of them as its `index`-th (from 0); each is an object from now on."""

    task_id: TaskId
    index: int
    at: float
    values: list[ObjectValue]


class GroupRemoved(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=50):
    """Somebody removed a placement group; what ran in it ends, and its resources are free again."""

    group_id: GroupId
    at: float

"""Calls, and ordinary tasks, that a caller gives to a process itself; see `core/direct_calls.py`."""

from __future__ import annotations

import msgspec

from cellray.ids import ClientId, ObjectId, TaskId
from cellray.model.fact.task import TaskFinished
from cellray.model.task import TaskSpec


class DirectCall(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A call that `caller` sent to the process of an actor, or a task to a worker that is kept for it, at `at`. `end`
    is None while it may be under way."""

    caller: ClientId
    worker_id: ClientId
    parent_id: TaskId
    at: float
    task_id: TaskId
    spec: TaskSpec
    end: TaskFinished | None = None


class DirectCallsMade(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=150):
    """Either side tells of calls that the node has not seen, before anything else that it says.

    Those that have ended are told by their caller, and all is said of them. Of one that is under way both may tell, and
    its end goes by the node from then on.
    """

    calls: list[DirectCall]


class DirectLineRequested(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=151):
    """A driver that calls an actor one call after another would like to talk to its process, which is to connect to
    `address`. `last` is the call that it submitted just before. Answered by nobody if that is not possible now.

    Without an `actor` it is about tasks like `last`, and the worker that gets it. `line`: which of the driver's it is.
    """

    ticket: int
    actor: ObjectId | None
    last: TaskId
    address: str
    line: int = 0


class DirectLinesShut(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=152):
    """A worker takes no more tasks over its lines. What it has begun it has told of before; except of those that have
    `ended` last, of which their drivers tell, and may not know it when they do."""

    ended: list[TaskFinished]

"""Actors that run several calls at a time: in threads, or on an event loop.

An ordinary worker, and an ordinary actor, runs one task after another on its main thread (`worker.main`). What stands
here and in `worker.threads` and `worker.event_loop` takes over when a worker becomes an actor of the other kind.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from cellray.ids import TaskId
from cellray.model.actor import ActorOptions
from cellray.model.command import OpenDirectLine
from cellray.model.fact import TaskCancelled
from cellray.model.task import TaskAssignment
from cellray.worker.desk import Desk
from cellray.worker.execute import Outcome


class Calls(Protocol):
    """How the calls of one actor run."""

    def take(self, tasks: Sequence[TaskAssignment]) -> None:
        """Begin these in this order, each as soon as its concurrency group has a slot. On whichever thread reads."""

    def cancel(self, task_id: TaskId) -> None:
        """Drop a call that has not begun, ask one to end that runs. On whichever thread reads."""

    def open_line(self, command: OpenDirectLine) -> None:
        """A caller wants to call without the node. On whichever thread reads."""

    def serve(self) -> SystemExit | None:
        """Until the actor leaves, which is returned once all that was under way has ended, or the connection goes."""


def make_calls(desk: Desk, options: ActorOptions) -> Calls:
    """How an actor with these options runs its calls."""
    # Imported when there is such an actor: asyncio and its event loop are nothing for ordinary workers.
    if options.is_async:
        from cellray.worker.event_loop import LoopCalls

        return LoopCalls(desk, options.slots)
    from cellray.worker.threads import ThreadedCalls

    return ThreadedCalls(desk, options.slots)


def not_begun(task_id: TaskId) -> Outcome:
    """What becomes of a call that was cancelled in time."""
    return Outcome(TaskCancelled(task_id, time.time(), "before it began"))


def ended_cancelled(task_id: TaskId) -> Outcome:
    """What becomes of a call that was cancelled while it ran."""
    return Outcome(TaskCancelled(task_id, time.time(), "while it ran"))

"""What happened to a task, an object or an actor that does not to most: attempts, requests to end, restarts, losses.

It is kept for those few, beside their records, for whoever asks why.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Literal

import msgspec

from cellray.ids import ActorId, ObjectId, TaskId
from cellray.model import fact as told
from cellray.observe.records import TaskRecord, WorkerKey

EVENTS_MAX = 50
"""The latest so many of one task or actor are kept."""
EventKind = Literal[
    "retried",
    "returned",
    "cancel_requested",
    "died",
    "kill_requested",
    "exited",
    "lost",
    "reconstructed",
    "unrecoverable",
    "restored",
    "checkpoint_failed",
]


class Event(msgspec.Struct, frozen=True, gc=False):
    """One thing that happened. `text` is the reason that the log gives.

    `attempt` (from 0) is the one that ended by it, on `worker`, where it had begun at `started_at` (0: it had not).
    `asker` is the task, or the root task of the driver, that asked for it; `recursive`: for all below too.
    """

    at: float
    kind: EventKind
    text: str = ""
    attempt: int = 0
    worker: WorkerKey | None = None
    started_at: float = 0.0
    asker: TaskId | None = None
    recursive: bool = False


class Stories:
    """Events by task or object, those of an actor by its creation. Read freely; the fold's handlers write."""

    def __init__(self) -> None:
        self._events: dict[TaskId | ObjectId, deque[Event]] = {}

    def of(self, key: TaskId | ObjectId) -> Sequence[Event]:
        """What happened to a task, an object or an actor, in order."""
        return self._events.get(key, ())

    def forget(self, key: TaskId | ObjectId) -> None:
        """The task or object is kept as a count only."""
        self._events.pop(key, None)

    def note_retried(self, record: TaskRecord, fact: told.TaskRetried) -> None:
        """An attempt is over and another one will follow; the record is as it was before."""
        before = max(0, fact.attempt - 1)
        self._add(record.task_id, Event(fact.at, "retried", fact.reason, before, record.worker, record.started_at))

    def note_resubmission(self, record: TaskRecord, at: float) -> None:
        """A task that had ended runs again, because its parent does; the record is as it was before."""
        text = "the task that submitted it runs again, and its results were gone"
        self._add(record.task_id, Event(at, "retried", text, record.attempt, record.worker, record.started_at))

    def note_returned(self, record: TaskRecord, at: float) -> None:
        """A worker gave the task back before it had begun it."""
        self._add(record.task_id, Event(at, "returned", "", record.attempt, record.worker))

    def note_cancel_request(self, fact: told.CancelRequested, asker: TaskId | None) -> None:
        """Somebody wants tasks to end, perhaps with all below them."""
        event = Event(fact.at, "cancel_requested", fact.reason, asker=asker, recursive=fact.recursive)
        for task_id in fact.task_ids:
            self._add(task_id, event)

    def note_death(self, fact: told.ActorDied) -> None:
        """An actor's process ended, for good or to be started again."""
        self._add(TaskId(fact.actor_id), Event(fact.at, "died", fact.reason))

    def note_kill_request(self, fact: told.ActorKillRequested, asker: TaskId | None) -> None:
        """Somebody wants an actor to end."""
        self._add(TaskId(fact.actor_id), Event(fact.at, "kill_requested", asker=asker))

    def note_exit(self, actor_id: ActorId, at: float) -> None:
        """An actor said that it ends itself."""
        self._add(TaskId(actor_id), Event(at, "exited"))

    def note_restoration(self, fact: told.ActorRestored) -> None:
        """A new process has the actor's state."""
        again = f", {len(fact.replayed)} of them run again" if fact.replayed else ""
        self._add(TaskId(fact.actor_id), Event(fact.at, "restored", f"after {fact.calls} calls{again}"))

    def note_checkpoint_failure(self, fact: told.CheckpointFailed) -> None:
        """A checkpoint could not be made, kept or restored."""
        self._add(TaskId(fact.actor_id), Event(fact.at, "checkpoint_failed", fact.reason))

    def note_loss(self, fact: told.ObjectLost | told.ReconstructionFailed | told.SpillFailed) -> None:
        """An object's value is gone, perhaps for good."""
        kind: EventKind = "unrecoverable" if isinstance(fact, told.ReconstructionFailed) else "lost"
        self._add(fact.object_id, Event(fact.at, kind, fact.reason))

    def note_reconstruction(self, fact: told.ObjectReconstructed) -> None:
        """A lost object has its value again."""
        how = "it was read from the log" if fact.from_log else "its task ran again"
        self._add(fact.object_id, Event(fact.at, "reconstructed", how))

    def _add(self, key: TaskId | ObjectId, event: Event) -> None:
        self._events.setdefault(key, deque(maxlen=EVENTS_MAX)).append(event)

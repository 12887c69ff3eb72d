"""What it takes to rebuild one actor: its last two checkpoints, and its recorded calls since the older of them.

The younger checkpoint is the one to restore; the older is there for the case that it cannot be. While there is only one
the journal reaches back to the constructor. Calls stand in the order in which they have ended, which for an actor that
runs them one after another is that in which they ran.

A call keeps what a second run of it needs and the log does not have: its arguments, as far as they are objects, and the
results of what it has submitted itself, so that these tasks do not run a second time with it. All else that is to be
known of it the log tells when it is to run again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from cellray.ids import TASK_ID_BYTES, ClientId, ObjectId, TaskId
from cellray.model.actor import Checkpoint

if TYPE_CHECKING:
    from cellray.core.objects import ObjectEntry, ObjectTable
    from cellray.core.tasks import Task
    from cellray.model.history import TaskHistory

REPLAYER = ClientId(-1)
"""Who calls that run again are said to come from: their results are nobody's."""
REBUILDS_MAX = 3
"""An actor whose processes died so often in succession while its state was rebuilt is given up."""


class KeptCheckpoint(NamedTuple):
    """A checkpoint, and the objects that its state refers to."""

    checkpoint: Checkpoint
    contains: tuple[ObjectEntry, ...]


class Journal:
    """Of one actor. `position` counts the recorded calls that the state of its process reflects.

    `is_replaying`: a process that replaces another one runs calls again; `orphans` is what that other one referred to,
    kept until then. `suspect` was under way when it died: it goes alone, so that if it is what kills processes, nothing
    else is taken for it. `failures` counts processes that died in succession before the state was rebuilt. `reasons`
    tell why checkpoints could not be restored; `falls_back`: one was given up a moment ago. `lost`: why a call cannot
    run again. `histories` is what the log has of the calls that are to run again; None while it is asked, for the
    `question`-th time.
    """

    __slots__ = (
        "_first",
        "_ids",
        "_kept",
        "_objects",
        "_own",
        "_submitted",
        "checkpoints",
        "failures",
        "falls_back",
        "histories",
        "is_replaying",
        "lost",
        "orphans",
        "position",
        "question",
        "reasons",
        "suspect",
    )

    def __init__(self, own: ObjectId, objects: ObjectTable) -> None:
        self.checkpoints: list[KeptCheckpoint] = []
        self.position = 0
        self.is_replaying = False
        self.falls_back = False
        self.failures = 0
        self.reasons: list[str] = []
        self.lost: str = ""
        self.orphans: tuple[ObjectEntry, ...] = ()
        self.suspect: Task | None = None
        self.histories: dict[TaskId, TaskHistory] | None = None
        self.question = 0
        self._ids = bytearray()
        self._first = 0
        self._kept: dict[TaskId, list[ObjectEntry]] = {}
        self._submitted: dict[TaskId, int] = {}
        self._own = own
        self._objects = objects

    @property
    def calls(self) -> int:
        """How many recorded calls have ended since the constructor."""
        return self._first + len(self._ids) // TASK_ID_BYTES

    @property
    def newest(self) -> Checkpoint | None:
        """The checkpoint to restore."""
        return self.checkpoints[-1].checkpoint if self.checkpoints else None

    @property
    def restored_calls(self) -> int:
        """How many calls the state reflects that a new process begins with."""
        return self.checkpoints[-1].checkpoint.calls if self.checkpoints else 0

    @property
    def reaches_constructor(self) -> bool:
        """Whether the actor can be rebuilt without any checkpoint."""
        return self._first == 0

    def ended(self, task: Task) -> None:
        """A recorded call has run to its end, with whatever outcome; its arguments are still pinned."""
        self.position += 1
        if task.owner_id == REPLAYER:
            return
        self._ids += task.task_id
        if len(task.pinned) > 1:  # the actor itself is always among them
            self._keep(task.task_id, task.pinned)

    def submitted(self, task: Task, children: Iterable[tuple[int, Sequence[ObjectId]]]) -> None:
        """A call, or the constructor, has submitted tasks: an index and the results that are to be kept, for each."""
        last = self._submitted.get(task.task_id, -1)
        for index, results in children:
            last = max(last, index)
            self.keep_for(task, results)
        self._submitted[task.task_id] = last

    def keep_for(self, task: Task, objects: Iterable[ObjectId]) -> None:
        """The call, or the constructor, keeps these as far as they are known, while it may have to run again."""
        self._keep(task.task_id, self._objects.known(objects))

    def has_submitted(self, task: Task, index: int) -> bool:
        """Whether the task of this index is one that an earlier run of the call, or of the constructor, submitted."""
        return index <= self._submitted.get(task.task_id, -1)

    def since(self, calls: int) -> list[TaskId]:
        """The recorded calls after the first `calls`."""
        return self._ids_at((calls - self._first) * TASK_ID_BYTES, len(self._ids))

    def keep(self, checkpoint: Checkpoint) -> list[str]:
        """The state after `position` calls is kept; files of checkpoints that are not needed any more."""
        dropped: list[KeptCheckpoint] = []
        if self.checkpoints and self.checkpoints[-1].checkpoint.calls >= checkpoint.calls:
            dropped.append(self.checkpoints.pop())
        contained = tuple(each for each in checkpoint.state.contained if each != self._own)
        self.checkpoints.append(KeptCheckpoint(checkpoint, self._objects.pin(contained)))
        if len(self.checkpoints) > 2:
            dropped.append(self.checkpoints.pop(0))
        if len(self.checkpoints) == 2:
            self._forget_calls(self.checkpoints[0].checkpoint.calls)
        return [file for file in map(self._drop, dropped) if file and file != checkpoint.file]

    def give_up_newest(self) -> list[str]:
        """The younger checkpoint cannot be restored; its file, if it has one."""
        file = self._drop(self.checkpoints.pop())
        return [file] if file else []

    def drop_orphans(self) -> None:
        """The state is rebuilt, and what it refers to is referred to by the new process."""
        orphans, self.orphans = self.orphans, ()
        self._unpin(orphans)

    def close(self) -> None:
        """The actor is over: nothing is kept for it. The files stay, for those who read the log."""
        self.drop_orphans()
        self.suspect = self.histories = None
        self.question += 1
        self.is_replaying = False
        self._forget_calls(self.calls)
        kept, self._kept = self._kept, {}
        for entries in kept.values():
            self._unpin(entries)
        for each in self.checkpoints:
            self._unpin(each.contains)
        self.checkpoints.clear()

    def entries(self) -> Iterable[ObjectEntry]:
        """All that is kept, once for each reference."""
        yield from self.orphans
        for entries in self._kept.values():
            yield from entries
        for each in self.checkpoints:
            yield from each.contains

    def _keep(self, task_id: TaskId, entries: Iterable[ObjectEntry]) -> None:
        mine = [entry for entry in entries if entry.object_id != self._own]
        for entry in mine:
            entry.refs += 1
        if mine:
            self._kept.setdefault(task_id, []).extend(mine)

    def _forget_calls(self, calls: int) -> None:
        end = (calls - self._first) * TASK_ID_BYTES
        for task_id in self._ids_at(0, end):
            self._submitted.pop(task_id, None)
            self._unpin(self._kept.pop(task_id, ()))
        del self._ids[:end]
        self._first = calls

    def _ids_at(self, begin: int, end: int) -> list[TaskId]:
        ids = bytes(self._ids[begin:end])
        return [TaskId(ids[at : at + TASK_ID_BYTES]) for at in range(0, len(ids), TASK_ID_BYTES)]

    def _drop(self, kept: KeptCheckpoint) -> str:
        self._unpin(kept.contains)
        return kept.checkpoint.file

    def _unpin(self, entries: Iterable[ObjectEntry]) -> None:
        for entry in entries:
            self._objects.unpin(entry)

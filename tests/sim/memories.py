"""Actors in the simulator that lose no state: what each process of one remembers, and what it must remember.

The state is the list of recorded calls that have run. Whoever begins a call must find all that have ended before, each
once and in their order, in whatever process: so much is what others could see of the state.
"""

from __future__ import annotations

from collections import defaultdict
from random import Random
from typing import TYPE_CHECKING

from cellray.core.actor_journal import REPLAYER
from cellray.ids import TASK_ID_BYTES, ActorId, TaskId
from cellray.model import command as c
from cellray.model import fact as f
from cellray.model.actor import ActorOptions
from cellray.model.object import Failure, ObjectValue, ValueKind, encode_failure

if TYPE_CHECKING:
    from cellray.core.tasks import Task

    from tests.sim.clients import VirtualWorker

NOT_RESTORED = encode_failure(Failure("actor_died", "its checkpoint", {"restore_failed": "KeyError: 'x'"}))


class Histories:
    """The recorded calls of each actor whose ends the core has taken, in their order."""

    def __init__(self) -> None:
        self.of: dict[ActorId, list[TaskId]] = defaultdict(list)
        self.replays = 0
        self.checkpoints = 0

    def note_end(self, task: Task, fact: f.TaskFinished | f.TaskFailed | f.TaskCancelled) -> None:
        """A worker has told the end of a task that it had."""
        is_executed = task.template.spec.recorded and not isinstance(fact, f.TaskCancelled)
        if is_executed and task.actor is not None and task.actor.journal is not None:
            self.of[task.actor.actor_id].append(task.task_id)

    def note_fact(self, fact: f.Fact) -> None:
        """The core has something to say for the log."""
        if isinstance(fact, f.ActorRestored):
            self.replays += len(fact.replayed)
        self.checkpoints += isinstance(fact, f.ActorCheckpointed)


class Memory:
    """Of one process. `replays` are calls that it is told to run again."""

    def __init__(self, worker: VirtualWorker) -> None:
        self.calls: list[TaskId] = []
        self.replays: set[TaskId] = set()
        self.is_restored = False
        self._worker = worker
        self._options: ActorOptions | None = None
        self._since = 0

    def receive(self, command: c.TasksAssigned) -> None:
        """Tasks have come, perhaps the one that makes an actor of this process."""
        for template in command.templates:
            if template.actor is not None and template.actor.recovers:
                self._options = template.actor
        if command.restore is not None:
            data = command.restore.state.data
            self.calls = [TaskId(data[at : at + TASK_ID_BYTES]) for at in range(0, len(data), TASK_ID_BYTES)]
            assert len(self.calls) == command.restore.calls, "a checkpoint counts the calls that its state has"
            self.is_restored = True
        if command.is_replay:
            self.replays.update(TaskId(task.task_id) for task in command.tasks)

    def begin(self, task_id: TaskId) -> None:
        """A call begins: nothing is forgotten and nothing doubled."""
        actor_id = self._worker.creation
        if self._options is None or actor_id is None or task_id == actor_id:
            return
        world = self._worker.world
        actor = world.core._actors.known.get(actor_id)
        if actor is None or actor.worker is None or actor.worker.client_id != self._worker.client_id:
            return  # it is over, and the process does not know
        history = world.histories.of[actor_id]
        if task_id in self.replays:
            place = len(self.calls)
            assert [*self.calls, task_id] == history[: place + 1], f"call {place} of {actor_id.hex()} runs out of turn"
        else:
            assert self.calls[: len(history)] == history, f"{actor_id.hex()} has another state than others have seen"

    def fails_to_restore(self, random: Random) -> bool:
        """Whether the constructor's process cannot make use of the checkpoint."""
        return self.is_restored and random.random() < 0.2

    def ended(self, task_id: TaskId, fact: f.Fact) -> None:
        """A call has ended, and its result is on its way."""
        self.replays.discard(task_id)
        worker, options = self._worker, self._options
        if options is None or not worker.world.tasks[task_id].template.recorded or isinstance(fact, f.TaskCancelled):
            return
        self.calls.append(task_id)
        self._since += 1
        if 0 < options.checkpoint_every <= self._since:
            self._since = 0
            at, random = worker.world.at, worker.world.random
            if random.random() < 0.1:
                worker.tell(f.CheckpointFailed(ActorId(worker.creation or task_id), at, task_id, "ValueError: x"))
                return
            state = ObjectValue(ValueKind.INLINE, b"".join(self.calls), 0, 0, tuple(list(worker.held)[:2]))
            worker.tell(f.CheckpointTaken(task_id, at, state, f"{len(self.calls)}" if random.random() < 0.3 else ""))


def is_replay(task: Task) -> bool:
    """Whether the record is that of a call which has ended before."""
    return task.owner_id == REPLAYER

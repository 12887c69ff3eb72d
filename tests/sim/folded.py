"""A world whose log is folded as it is written: after each frame the fold must say what the core holds."""

from __future__ import annotations

from collections.abc import Sequence

from cellray.core import actor_record, transitions
from cellray.core.actor_record import Actor
from cellray.core.tasks import Task
from cellray.ids import ClientId, NodeId, SessionId
from cellray.model import command as c
from cellray.model import fact as f
from cellray.model.task import make_resources
from cellray.observe.fold import LogFold
from cellray.observe.records import CANCELLED, ENDED, FAILED, FINISHED, LOST, READY, RETRIED, RUNNING, WAITING

from tests.sim.memories import is_replay
from tests.sim.programs import NODE_RESOURCES
from tests.sim.world import ARENA_BYTES, SHELL, World

NODE = "sim"
ENDS = {
    transitions.FINISHED: {FINISHED},
    transitions.FAILED: {FAILED, LOST, CANCELLED},
    transitions.CANCELLED: {CANCELLED},
}
ACTOR_STATES = {
    actor_record.PENDING: "pending",
    actor_record.ALIVE: "alive",
    actor_record.RESTARTING: "restarting",
    actor_record.DEAD: "dead",
}


class FoldedWorld(World):
    """The log is what the core is fed, without what is not kept, each frame followed by what the core derives."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.fold = LogFold()
        started = f.SessionStarted(SessionId(f"seed {seed}"), self.at)
        joined = f.NodeJoined(NodeId(NODE), self.at, 1, make_resources(NODE_RESOURCES), ARENA_BYTES)
        self.fold.apply([started, joined], SHELL, NODE)

    def _handle(self, facts: Sequence[f.Fact], source: ClientId) -> None:
        self.fold.apply([fact for fact in facts if not isinstance(fact, f.UNLOGGED)], source, NODE)
        super()._handle(facts, source)
        self.compare()

    def _perform(self, command: c.Command) -> None:
        if isinstance(command, c.AppendFacts):
            self.fold.apply(command.facts, SHELL, NODE)
        super()._perform(command)

    def compare(self) -> None:
        """Task by task, object by object, actor by actor."""
        core, fold = self.core, self.fold
        # Calls that rebuild an actor's state have ended before: for the log they stay so.
        tasks = {task_id: task for task_id, task in core._tasks.tasks.items() if not is_replay(task)}
        for task in tasks.values():
            self._compare_task(task)
        live = {task_id for task_id, task in tasks.items() if task.state < transitions.FINISHED}
        open_ones = {task_id for task_id, record in fold.tasks.items() if record.state not in ENDED}
        assert open_ones == live, self._story(f"open in the fold only or in the core only: {open_ones ^ live}")
        for actor in core._actors.known.values():
            self._compare_actor(actor)
        for worker in core._workers.workers.values():
            queue = [record.task_id for record in fold.workers[NODE, worker.client_id].queue]
            sent = [task.task_id for task in worker.queue if not is_replay(task)]
            assert queue == sent, self._story(f"queue of worker {worker.client_id}")
            assert fold.workers[NODE, worker.client_id].blocked == worker.blocked
        for object_id, entry in core._objects.entries.items():
            if entry.value is not None and not entry.value.is_error:
                known = fold.objects.get(object_id)
                assert known is not None, self._story(f"{object_id.hex()} exists and the fold does not know it")
                assert known.state != "freed", self._story(f"{object_id.hex()} is there and freed in the fold")

    def _compare_task(self, task: Task) -> None:
        record = self.fold.tasks[task.task_id]
        told = f"core {task.state}, fold {record.state_name}: {transitions.story(task)}"
        if task.state in ENDS:
            assert record.state in ENDS[task.state], self._story(told)
        elif task.state == transitions.WAITING:
            # Ready, but for arguments that were moved to disk or lost meanwhile: the log tells that of the objects.
            objects = (self.fold.objects.get(dependency) for dependency in record.dependencies)
            is_fetched = any(known is not None and known.state in ("spilled", "lost") for known in objects)
            # Held back: a pause before a retry, or the log is asked what came of it; facts tell when that is over.
            is_off = is_fetched or task in self.core._tasks.holds.held
            assert record.state == WAITING or (record.state in (READY, RETRIED) and is_off), self._story(told)
        elif task.state == transitions.READY:
            assert record.state in (READY, RETRIED), self._story(told)
            assert not record.queued, self._story(told)
        else:
            assert record.queued, self._story(told)
            assert record.state in (RUNNING, READY, RETRIED), self._story(told)
        assert record.attempt == task.attempt, self._story(told)

    def _compare_actor(self, actor: Actor) -> None:
        known = self.fold.actors[actor.creation.task_id]
        assert known.state == ACTOR_STATES[actor.state], self._story(f"actor {actor.actor_id.hex()}: {known.state}")

    def _story(self, text: str) -> str:
        return f"SIM_SEED={self.seed}, after {self.event_count} events: {text}"

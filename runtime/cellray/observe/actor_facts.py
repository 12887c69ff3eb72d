"""What the log says of actors, entered into the fold's books: made, alive, restarted, ended, and called in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cellray.ids import TaskId
from cellray.model import fact as told
from cellray.observe.records import ActorRecord, TaskRecord

if TYPE_CHECKING:
    from cellray.observe.fold import LogFold


class ActorFacts:
    """The handlers of one fold, and the actors that it knows, by their creation."""

    def __init__(self, fold: LogFold) -> None:
        self.actors: dict[TaskId, ActorRecord] = {}
        self._fold = fold
        self._last_calls: dict[str, TaskId] = {}
        self._before_restart: dict[str, TaskId] = {}

    def handlers(self) -> dict[type, Callable[[Any], None]]:
        """What to call for each kind of fact."""
        return {
            told.ActorStarted: self._on_actor_started,
            told.ActorDied: self._on_actor_died,
            told.ActorKillRequested: self._on_actor_kill_requested,
            told.ActorExited: self._on_actor_exited,
            told.ActorCheckpointed: self._on_actor_checkpointed,
            told.CheckpointFailed: self._on_checkpoint_failed,
            told.ActorRestored: self._on_actor_restored,
        }

    def created(self, record: TaskRecord) -> None:
        """Somebody submitted the creation of an actor."""
        self.actors[record.task_id] = ActorRecord(record, record.submitted_at)
        self._forget_dead()

    def rebuilds(self, record: TaskRecord | None) -> bool:
        """Whether a task is a call, or the constructor, that runs again to rebuild an actor's state."""
        actor = self.actors.get(TaskId(bytes.fromhex(record.actor))) if record is not None and record.actor else None
        if record is None or actor is None or not actor.creation.template.recovers:
            return False
        return record.template.recorded or record.template.creates

    def follow_call(self, record: TaskRecord) -> None:
        """An actor was sent a call, or its constructor; one that is tried again follows what it followed before."""
        last = self._last_calls.get(record.actor)
        if record.template.creates and last is not None:
            self._before_restart[record.actor] = last
        if record.previous_call is None and not record.template.creates and last is not None:
            record.previous_call = last
            self._fold.ledger.count_call(self._fold.tasks.get(last), record)
        self._last_calls[record.actor] = record.task_id

    def _on_actor_started(self, fact: told.ActorStarted) -> None:
        actor = self.actors.get(TaskId(fact.actor_id))
        if actor is not None and actor.state != "dead":
            actor.state, actor.since, actor.restarts = "alive", fact.at, fact.restarts
            actor.worker = (self._fold.node_id, fact.worker_id)
        self._fold.note_time(fact.at)

    def _on_actor_died(self, fact: told.ActorDied) -> None:
        actor = self.actors.get(TaskId(fact.actor_id))
        if actor is not None:
            actor.state = "restarting" if fact.will_restart else "dead"
            actor.since, actor.reason, actor.worker = fact.at, fact.reason, None
            self._fold.stories.note_death(fact)
        if not fact.will_restart:
            self._last_calls.pop(fact.actor_id.hex(), None)
            self._before_restart.pop(fact.actor_id.hex(), None)
        self._fold.note_time(fact.at)

    def _on_actor_kill_requested(self, fact: told.ActorKillRequested) -> None:
        if TaskId(fact.actor_id) in self.actors:
            self._fold.stories.note_kill_request(fact, self._fold.asker())
        self._fold.note_time(fact.at)

    def _on_actor_exited(self, fact: told.ActorExited) -> None:
        if TaskId(fact.actor_id) in self.actors:
            self._fold.stories.note_exit(fact.actor_id, fact.at)
        self._fold.note_time(fact.at)

    def _on_actor_checkpointed(self, fact: told.ActorCheckpointed) -> None:
        actor = self.actors.get(TaskId(fact.actor_id))
        if actor is not None:
            actor.checkpoint, actor.checkpoints = fact.checkpoint, actor.checkpoints + 1
        self._fold.note_time(fact.at)

    def _on_checkpoint_failed(self, fact: told.CheckpointFailed) -> None:
        actor = self.actors.get(TaskId(fact.actor_id))
        if actor is not None:
            self._fold.stories.note_checkpoint_failure(fact)
        self._fold.note_time(fact.at)

    def _on_actor_restored(self, fact: told.ActorRestored) -> None:
        """Calls that run again for the sake of their actor have ended before, and stay so. What the actor is sent from
        now on follows the calls before the restart, and not the creation."""
        actor = self.actors.get(TaskId(fact.actor_id))
        if actor is not None:
            actor.replayed += len(fact.replayed)
            self._fold.stories.note_restoration(fact)
        before = self._before_restart.pop(fact.actor_id.hex(), None)
        if before is not None:
            self._last_calls[fact.actor_id.hex()] = before
        self._fold.note_time(fact.at)

    def end_all(self, at: float, reason: str) -> None:
        """The session is over, and with it every actor."""
        for actor in self.actors.values():
            if actor.state != "dead":
                actor.state, actor.since, actor.reason, actor.worker = "dead", at, reason, None

    def _forget_dead(self) -> None:
        """Beyond the limit the oldest that are dead go; those that live stay however many they are."""
        over = len(self.actors) - self._fold.ledger.limits.actors_max
        if over <= 0:
            return
        # A tenth at once, so that looking for them costs little for each actor.
        gone = [key for key, actor in self.actors.items() if actor.state == "dead"]
        for key in gone[: over + self._fold.ledger.limits.actors_max // 10]:
            del self.actors[key]
            self._fold.stories.forget(key)

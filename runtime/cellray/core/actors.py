"""The actors of one node: made, called in order, restarted, ended.

Each has a worker of its own from its creation on. Its calls are sent to it as soon as nothing before them in their
caller's order waits; what was sent and not answered when the process dies may have run, so that it is tried again only
if the call allows that (`max_task_retries`), as in Ray. Calls that were not sent wait for the restart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellray.config import Config
from cellray.core import actor_failures, failures, views
from cellray.core.actor_journal import REPLAYER, Journal
from cellray.core.actor_names import ActorNames
from cellray.core.actor_rebuild import Rebuilds, Warner
from cellray.core.actor_record import ALIVE, DEAD, PENDING, RESTARTING, Actor
from cellray.core.call_queue import CallQueue, Lane
from cellray.core.checkpoint_files import CheckpointFiles
from cellray.core.objects import ObjectTable
from cellray.core.outbox import Outbox
from cellray.core.tasks import Job, Task
from cellray.core.transitions import FINISHED
from cellray.core.workers import Worker, WorkerTable
from cellray.ids import ActorId, ObjectId
from cellray.model import fact as f
from cellray.model.actor import Checkpoint, actor_of_call
from cellray.model.command import Exit
from cellray.model.object import ObjectValue

if TYPE_CHECKING:
    from cellray.core.clients import Client
    from cellray.core.dispatcher import Dispatcher
    from cellray.core.histories import Histories
    from cellray.core.task_table import TaskTable


class Actors:
    """All actors that somebody refers to. `known` is empty in most sessions, and then nothing here costs anything."""

    def __init__(
        self,
        tasks: TaskTable,
        objects: ObjectTable,
        workers: WorkerTable,
        outbox: Outbox,
        config: Config,
        histories: Histories,
        warn: Warner,
    ) -> None:
        self.known: dict[ActorId, Actor] = {}
        self.names = ActorNames(objects, outbox)
        self.calls = CallQueue()
        files = CheckpointFiles(outbox, config.checkpoint_bytes_max)
        self.rebuilds = Rebuilds(tasks, objects, self.calls, outbox, files, histories, warn)
        self._by_object: dict[ObjectId, Actor] = {}
        self._failed: list[tuple[Actor, Task, ObjectValue]] = []
        self._leaving: dict[Worker, float] = {}
        self._tasks = tasks
        self._objects = objects
        self._workers = workers
        self._outbox = outbox
        self._exit_grace_s = config.actor_exit_grace_s

    @property
    def is_waiting(self) -> bool:
        """Whether some were told to end and have not: `expire` wants to know how time passes."""
        return bool(self._leaving)

    @property
    def has_work(self) -> bool:
        """Whether `run` has something to do."""
        outbox = self._outbox
        return bool(self._failed or self.calls.changed or (self.known and len(outbox.freed) > outbox.freed_seen))

    def submitted(self, task: Task, client: Client) -> ObjectValue | None:
        """A creation or a call was submitted; why it fails at once, or None."""
        options = task.template.spec.actor
        if options is None:
            return self._call_submitted(task)
        actor = Actor(task, options)
        if options.name and not self.names.take(actor, client):
            return actor_failures.name_taken(options)
        if options.recovers:
            actor.journal = Journal(actor.object_id, self._objects)
        self.known[actor.actor_id] = self._by_object[actor.object_id] = actor
        return None

    def of_object(self, object_id: ObjectId) -> Actor | None:
        """The actor that this object stands for."""
        return self._by_object.get(object_id)

    def lane(self, contained: tuple[ObjectId, ...], client: Client) -> Lane | None:
        """Where calls of this client go whose arguments contain this, which is to be the actor and nothing else.

        None if it is not, or if such calls fail.
        """
        actor = self.of_object(contained[0]) if len(contained) == 1 else None
        if actor is None or actor.state == DEAD or actor.object_id not in self._objects.entries:
            return None
        return self.calls.lane(actor, client.client_id, self._objects.entries[actor.object_id])

    def attached(self, task: Task) -> None:
        """A creation keeps its arguments alive: so does its actor, if it may need them again."""
        actor = self.known.get(ActorId(task.task_id))
        if actor is None or task.state >= FINISHED:
            return
        keep: tuple[ObjectId, ...] = (actor.object_id,) if actor.options.detached else ()
        if actor.options.max_restarts:
            keep += task.spec.dependencies + task.spec.contained
        actor.kept = self._objects.pin(keep)

    def ended_badly(self, task: Task, error: ObjectValue) -> None:
        """A creation or a call failed or was cancelled."""
        if task.template.spec.method:
            if task.actor is not None:
                self.calls.changed[task.actor] = None
                self.rebuilds.ended_badly(task, error)
        elif (actor := self.known.get(ActorId(task.task_id))) is not None:
            self._failed.append((actor, task, error))

    def begin(self, task: Task, worker: Worker) -> None:
        """An idle worker is to run the creation: from now on it is the actor's."""
        actor = self.known[ActorId(task.task_id)]
        actor.worker = worker
        self._workers.dedicate(worker, actor)

    def checkpoint_for(self, creation: Task) -> Checkpoint | None:
        """What the actor is to restore that this creation makes, or makes again."""
        journal = self.known[ActorId(creation.task_id)].journal
        return journal.newest if journal is not None else None

    def run(self, dispatcher: Dispatcher, at: float) -> None:
        """What follows from this `handle` for actors: some are alive now, some are over, calls go out."""
        for worker in dispatcher.emptied:
            actor = worker.actor
            if actor is not None and actor.state in (PENDING, RESTARTING) and actor.creation.state == FINISHED:
                self._created(actor, worker, at)
            elif actor is not None and actor.journal is not None:
                self.calls.changed[actor] = None  # what waited for a suspect
        failed, self._failed = self._failed, []
        for actor, task, error in failed:
            self._not_created(actor, task, error, at)
        outbox, by_object = self._outbox, self._by_object
        while outbox.freed_seen < len(outbox.freed):  # with an actor go its constructor's arguments, and so others
            fresh = outbox.freed[outbox.freed_seen :]
            outbox.freed_seen += len(fresh)
            if not by_object.keys().isdisjoint(fresh):
                for object_id in fresh:
                    if object_id in by_object:
                        self._leave_scope(by_object[object_id], at)
        changed, self.calls.changed = self.calls.changed, {}
        for actor in changed:
            if actor.takes_calls:
                self._send_calls(actor, dispatcher, at)
            elif actor.state == RESTARTING and actor.creation.state == FINISHED and actor.worker is not None:
                self._created(actor, actor.worker, at)  # the log has answered

    def _created(self, actor: Actor, worker: Worker, at: float) -> None:
        """Its constructor has returned, and perhaps calls that ran again have ended."""
        if self.rebuilds.advance(actor, at):
            actor.move(ALIVE)
            self._outbox.facts.append(f.ActorStarted(actor.actor_id, worker.client_id, at, actor.restarts))
            self.calls.changed[actor] = None

    def _not_created(self, actor: Actor, creation: Task, error: ObjectValue, at: float) -> None:
        """Its constructor has failed, or the checkpoint after it."""
        if actor.state == DEAD:
            return
        if not self.rebuilds.falls_back(actor, error, at):
            self._die(actor, *actor_failures.not_created(actor, creation, error), at)
        elif actor.worker is not None:  # its state is neither the old nor a new one: another process begins anew
            self._end_worker(actor.worker, "its checkpoint could not be restored", at, by_force=True)

    def _send_calls(self, actor: Actor, dispatcher: Dispatcher, at: float) -> None:
        journal, worker = actor.journal, actor.worker
        assert worker is not None, "it takes calls"
        if journal is not None and journal.lost:
            self._die(actor, *actor_failures.not_rebuilt(actor, journal.lost), at, by_force=True)
            return

        def may_go(task: Task) -> bool:
            return dispatcher.may_go(task, at)

        if journal is None:
            ready = self.calls.take_all(actor, may_go)
        else:
            ready = self.rebuilds.take(actor, journal, may_go)
        if ready:
            if not worker.queue:
                worker.head_since, worker.head_reported = at, False
            worker.queue.extend(ready)
            dispatcher.assign(worker, ready, at, is_replay=journal is not None and journal.is_replaying)

    def kill(self, fact: f.ActorKillRequested, at: float) -> None:
        """Somebody asks to end an actor; without `no_restart` its process only, as if it had crashed."""
        actor = self.known.get(fact.actor_id)
        if actor is None or actor.state == DEAD:
            return
        if fact.no_restart:
            self._die(actor, *actor_failures.killed(actor.options, actor.actor_id), at, by_force=True)
        elif actor.worker is not None:
            self._end_worker(actor.worker, "cellray.kill() of its actor", at, by_force=True)

    def exited(self, fact: f.ActorExited, at: float) -> None:
        """An actor's process said that it ends itself."""
        actor = self.known.get(fact.actor_id)
        if actor is not None and actor.state != DEAD:
            self._die(actor, *actor_failures.exited(actor.options, actor.actor_id), at, by_force=False)

    def end(self, actor: Actor, death: ObjectValue, reason: str, at: float) -> None:
        """What the actor needs to live has gone."""
        if actor.state != DEAD:
            self._die(actor, death, reason, at, by_force=True)

    def expire(self, at: float) -> None:
        """Kill processes that were told to end too long ago: what they run at their end must not run for ever."""
        for worker in [worker for worker, since in self._leaving.items() if at - since >= self._exit_grace_s]:
            del self._leaving[worker]
            self._outbox.kill(worker.client_id, f"its actor has not ended within {self._exit_grace_s:g} s")

    def end_job(self, job: Job, at: float) -> None:
        """A driver has left: its actors end, but for detached ones."""
        for actor in list(self.known.values()):
            if actor.creation.job is job and not actor.options.detached and actor.state != DEAD:
                self._die(actor, *actor_failures.driver_left(actor.options, actor.actor_id), at)

    def worker_left(self, worker: Worker, left: list[Task], fact: f.WorkerExited, at: float) -> None:
        """An actor's process is gone, and had `left` to do."""
        actor = worker.actor
        assert actor is not None, "only a dedicated worker is an actor's"
        actor.worker = None
        self._leaving.pop(worker, None)
        death = f"its process {worker.pid} {failures.death(fact)}"
        if actor.state == DEAD:
            return
        makes_it = actor.creation in left
        has_begun = actor.state == ALIVE or (actor.state == RESTARTING and actor.journal is not None and not makes_it)
        if has_begun and self._may_restart(actor):
            self._outbox.facts.append(f.ActorDied(actor.actor_id, at, death, will_restart=True))
            if actor.journal is not None:
                self.rebuilds.worker_left(actor, actor.journal, worker, left, death, at)
            else:
                self.rebuilds.restarts_empty(actor)
                self._settle_calls(actor, left, death, at)
                actor.move(RESTARTING)
            actor.restarts += 1
            self._create_again(actor, death, at)
        elif makes_it and self._may_restart(actor) and actor.creation.cancel is None:
            if actor.journal is not None:
                actor.journal.failures += 1
            actor.restarts += 1
            self._tasks.retry(actor.creation, death, at)
            actor.creation.orphans += self._objects.hand_over(worker)
        else:
            self._die(actor, *actor_failures.crashed(actor, worker.pid, fact), at, left)

    def _may_restart(self, actor: Actor) -> bool:
        journal = actor.journal
        if journal is None:
            return actor.may_restart
        return journal.falls_back or (actor.may_restart and not self.rebuilds.given_up(actor))

    def calls_returned(self, actor: Actor) -> None:
        """Its process has given back what it had not begun: calls go out again, in their order."""
        self.calls.changed[actor] = None

    def lost_call(self, call: Task, actor: Actor, at: float) -> None:
        """A call was with a process that has gone, and nobody knew."""
        self._settle_calls(actor, [call], "its process died", at)

    def _call_submitted(self, task: Task) -> ObjectValue | None:
        contained = task.spec.contained
        actor = self.of_object(contained[0]) if contained else None
        if actor is None:
            return actor_failures.unknown(task.template.spec.name, actor_of_call(contained))
        if actor.state == DEAD:
            return actor.death
        self.calls.enroll(task, actor)
        return None

    def _settle_calls(self, actor: Actor, left: list[Task], death: str, at: float) -> None:
        """Calls that were with the process fail, or take their places again at the head of their lanes."""
        again: list[Task] = []
        for task in left:
            if task.cancel is not None:
                self._tasks.cancel(task, task.cancel.reason, at)
            elif task.template.may_retry(task.attempt):
                again.append(task)
            else:
                error = actor_failures.unavailable(actor.options, task, death)
                self._tasks.fail(task, error, death, at)
        for task in reversed(again):
            self._tasks.retry(task, death, at)

    def _create_again(self, actor: Actor, reason: str, at: float) -> None:
        before = actor.creation
        again = Task(
            before.task_id, before.spec, before.template, before.owner_id, before.job, None, before.order, at, ()
        )
        again.attempt = actor.restarts
        actor.creation = again
        self._tasks.submissions.run_again(again, (actor.object_id,), reason, at)

    def _leave_scope(self, actor: Actor, at: float) -> None:
        """Nobody refers to the actor any more."""
        if actor.state != DEAD:
            self._die(actor, *actor_failures.out_of_scope(actor.options, actor.actor_id), at)
        del self.known[actor.actor_id]
        del self._by_object[actor.object_id]

    def _die(
        self,
        actor: Actor,
        death: ObjectValue,
        reason: str,
        at: float,
        left: list[Task] | None = None,
        *,
        by_force: bool | None = None,
    ) -> None:
        """The actor is over for good: everything that waits for it fails, its name is free, its process ends.

        Unless said otherwise it is killed only when it is at work, which it would not leave for a word.
        """
        actor.move(DEAD)
        actor.death = death
        self.names.free(actor)
        self._outbox.facts.append(f.ActorDied(actor.actor_id, at, reason))
        worker = actor.worker
        if worker is not None:
            left = list(worker.queue)
            for task in left:
                views.hold(self._objects, task.spec.dependencies, worker)  # it reads them until it has ended
            worker.queue.clear()
            self._end_worker(worker, reason, at, by_force=bool(left) if by_force is None else by_force)
        in_pause = [task for task in self._tasks.holds.held if task.actor is actor]
        doomed = list(dict.fromkeys([*(left or ()), *self.calls.abandon(actor), *in_pause]))
        if actor.creation.state < FINISHED and actor.creation not in doomed:
            doomed.append(actor.creation)
        self.rebuilds.end(actor)
        for task in doomed:
            if task.owner_id == REPLAYER:
                self._tasks.end_quietly(task, at)
            elif task.cancel is not None:
                self._tasks.cancel(task, task.cancel.reason, at)
            else:
                self._tasks.fail(task, death, reason, at)
        kept, actor.kept = actor.kept, ()
        for entry in kept:
            self._objects.unpin(entry)

    def _end_worker(self, worker: Worker, reason: str, at: float, *, by_force: bool) -> None:
        if worker.ending and not by_force:
            return
        if by_force:
            self._outbox.kill(worker.client_id, reason)
        else:
            self._outbox.send(worker, Exit(reason))
            self._leaving[worker] = at
        worker.ending = True
        self._workers.settle(worker)

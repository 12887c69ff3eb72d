"""Calls and tasks that went from a driver to a process without the node; see `client/direct_line.py`.

The node gets to know of most of them when they are over, in batches: what they returned is an object from then on, and
the log is told what it would have been told. Of one that concerns it sooner it hears while it is under way, from its
caller, the process or both; it is a call like any other from then on. It may hear of it when that process has gone, and
settles it as those that it knew to be with it. Of a task it may hear when its worker is not its driver's any more, and
has not taken it: then it is one that was submitted just now.
"""

from __future__ import annotations

from collections import Counter

from cellray.core.actor_record import Actor
from cellray.core.actors import Actors
from cellray.core.cancellation import Cancellation
from cellray.core.clients import Client
from cellray.core.kept_workers import KeptWorkers
from cellray.core.objects import SHARED, ObjectEntry, ObjectTable
from cellray.core.outbox import Outbox
from cellray.core.task_table import TaskTable
from cellray.core.tasks import Task
from cellray.core.transitions import ASSIGNED, FINISHED, READY, move
from cellray.core.worker_exit import WorkerExit
from cellray.core.workers import Worker
from cellray.ids import ClientId, return_object_id
from cellray.model.command import OpenDirectLine
from cellray.model.fact import (
    CancelRequested,
    DirectCall,
    DirectCallsMade,
    DirectLineRequested,
    TasksDispatched,
    TasksSubmitted,
)

QUEUE_MAX = 64
"""An actor that has more to do than this is no fast answerer, and it would take long to look whose calls these are."""


class DirectCalls:
    """Looks at the core's tables, and enters into them what it is told."""

    def __init__(
        self,
        clients: dict[ClientId, Client],
        tasks: TaskTable,
        objects: ObjectTable,
        actors: Actors,
        kept: KeptWorkers,
        worker_exit: WorkerExit,
        cancellation: Cancellation,
        outbox: Outbox,
        ignored: Counter[str],
    ) -> None:
        self._clients = clients
        self._tasks = tasks
        self._objects = objects
        self._actors = actors
        self._kept = kept
        self._worker_exit = worker_exit
        self._cancellation = cancellation
        self._outbox = outbox
        self._ignored = ignored

    def on_requested(self, fact: DirectLineRequested, client: Client, at: float) -> None:
        """A driver wants to call an actor without us: yes, if no call of it but the `last` one is under way there. Or
        it wants a worker, of which it is not known yet who that is."""
        if fact.actor is None:
            self._kept.asked.append((fact, client))
            return
        actor = self._actors.of_object(fact.actor)
        worker = self._process_to_call(actor, fact, client) if actor is not None else None
        if worker is not None:
            self._outbox.send(worker, OpenDirectLine(client.client_id, fact.address, fact.ticket, fact.line))

    def on_made(self, fact: DirectCallsMade, client: Client, at: float) -> None:
        """Calls were made directly, or are being made."""
        for call in fact.calls:
            is_known = self._enter(call, client, at) if call.end is None else self._enter_ended(call, client)
            if not is_known:
                self._ignored[DirectCallsMade.__name__] += 1

    def _process_to_call(self, actor: Actor, fact: DirectLineRequested, client: Client) -> Worker | None:
        """The actor's process, if the client may call it directly."""
        options, worker = actor.options, actor.worker
        if worker is None or not actor.takes_calls or actor.journal is not None:
            return None
        if options.is_concurrent and not options.is_async:
            return None
        if isinstance(client, Worker) or len(worker.queue) > QUEUE_MAX:
            return None
        under_way = [*worker.queue, *actor.lanes.get(client.client_id, ()), *self._tasks.holds.held]
        for task in under_way:
            if task.actor is actor and task.owner_id == client.client_id and task.task_id != fact.last:
                return None
        return worker

    def _enter_ended(self, call: DirectCall, client: Client) -> bool:
        """A call that is over: nobody but its caller has known of it, which holds its result."""
        registry = self._tasks.registry
        template = registry.usable.get(call.spec.template_id) or registry.of(call.spec)
        object_id = return_object_id(call.task_id, 0)
        end = call.end
        if (
            end is None
            or client.client_id != call.caller
            or call.task_id in self._tasks.tasks
            or object_id in self._objects.entries
            or len(end.values) != 1
            or end.values[0].kind == SHARED
            or end.values[0].contained
        ):
            return False
        template.observe(end.finished_at - end.started_at)
        entry = self._objects.entries[object_id] = client.held[object_id] = ObjectEntry(object_id)
        entry.refs = 1
        entry.value = end.values[0]
        self._tasks.ended[FINISHED] += 1
        self._outbox.facts += (
            TasksSubmitted(call.parent_id, call.at, [call.spec]),
            TasksDispatched(call.worker_id, call.at, [call.task_id]),
            end,
        )
        return True

    def _enter(self, call: DirectCall, client: Client, at: float) -> bool:
        """A call that is under way becomes one that was sent to its process; False if it is known already, or its
        caller is gone, unless a worker has begun it for that one."""
        process = self._clients.get(call.worker_id)
        worker = process if isinstance(process, Worker) else None
        caller = self._clients.get(call.caller)
        if caller is None and worker is client and worker.kept_for is not None:
            caller = worker.kept_for if worker.kept_for.client_id == call.caller else None
        job = caller.job if caller is not None else None
        if caller is None or job is None or client.client_id not in (call.caller, call.worker_id):
            return False
        tasks, task_id = self._tasks, call.task_id
        if task_id in tasks.tasks or return_object_id(task_id, 0) in self._objects.entries:
            if client is worker:
                self._kept.confirm(task_id)
            return False
        submitted = TasksSubmitted(call.parent_id, call.at, [call.spec])
        self._outbox.facts.append(submitted)
        tasks.submissions.submit(submitted, caller, job, None, "")
        task = tasks.tasks.get(task_id)
        if task is None or task.state != READY:
            return True  # it has failed: its actor is dead
        if task.actor is not None:
            self._sent(task, call)
            if worker is not None and worker.actor is task.actor:
                _put(task, worker, call)
            else:
                self._actors.lost_call(task, task.actor, at)
        elif worker is not None and worker.kept_for is caller and worker.lease is task.template.queue:
            self._sent(task, call)
            _put(task, worker, call)
            self._kept.has(task, worker, is_sure=client is worker)
            if job.ended:
                self._cancellation.request(CancelRequested([task_id], at, reason="its driver has left"), at)
        elif (ended := self._kept.ended.pop(task_id, None)) is not None:
            self._sent(task, call)
            self._kept.finish(task, ended)
        elif (death := self._kept.died.get(call.worker_id)) is not None and death.client is caller:
            self._sent(task, call)
            self._worker_exit.settle_head(task, death.worker, death.fact, at)
        return True

    def _sent(self, task: Task, call: DirectCall) -> None:
        task.template.queue.take_back(task)
        move(task, ASSIGNED)
        self._outbox.facts.append(TasksDispatched(call.worker_id, call.at, [task.task_id]))


def _put(task: Task, worker: Worker, call: DirectCall) -> None:
    """The task is with the worker, behind what the node has sent to it."""
    task.worker = worker
    if not worker.queue:
        worker.head_since, worker.head_reported = call.at, False
    worker.queue.append(task)

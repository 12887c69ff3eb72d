"""The node's core: facts in, commands out. Everything that a node decides about tasks, workers and objects starts here.

It is pure: no clock, no randomness, no input or output; what it knows of time it is told. One call handles the facts
of one frame and then makes one scheduling pass, so that each worker and client gets at most one batch for it.

Facts of clients can race with what the core has decided since (a result of a task that was given to somebody else, a
release of an object that is gone): such facts are passed over and counted in `ignored`. A move that the tables forbid
is a bug and raises InternalError.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from cellray.config import Config
from cellray.core.actor_names import namespace_of
from cellray.core.actors import Actors
from cellray.core.ahead import Ahead
from cellray.core.cancellation import Cancellation
from cellray.core.clients import Client
from cellray.core.direct_calls import DirectCalls
from cellray.core.dispatcher import Dispatcher
from cellray.core.expectations import divergence_text
from cellray.core.faults import Faults
from cellray.core.histories import Histories
from cellray.core.holds import Holds
from cellray.core.kept_workers import KeptWorkers
from cellray.core.memory_guard import MemoryGuard
from cellray.core.memory_manager import MemoryManager
from cellray.core.objects import SHARED, ObjectTable
from cellray.core.outbox import Outbox
from cellray.core.output import Output
from cellray.core.placement_groups import PlacementGroups
from cellray.core.recovery import Recovery
from cellray.core.resources import ResourcePool
from cellray.core.staging import Staging
from cellray.core.status import NodeStatus
from cellray.core.task_table import TaskTable
from cellray.core.tasks import NOBODY, Job, Task
from cellray.core.transitions import FINISHED
from cellray.core.warnings import Warnings
from cellray.core.worker_exit import WorkerExit
from cellray.core.workers import Worker, WorkerTable, job_of
from cellray.ids import NODE, ClientId, NodeId, ObjectId, TaskId, item_object_id, producer_of
from cellray.model import fact as f
from cellray.model.command import Command, NodeStateTold, Send, TaskDescribed, Warn
from cellray.model.history import HistoryFound
from cellray.model.task import RESOURCE_UNITS, Resources

Handler = Callable[[Any, Client, float], None]


class NodeScheduler:
    """The state of one node and its only mutator, `handle`."""

    def __init__(self, node_id: NodeId, resources: Resources, arena_bytes: int, config: Config) -> None:
        self.node_id = node_id
        self.ignored: Counter[str] = Counter()
        self._config = config
        self._outbox = Outbox()
        self.histories = Histories(self._outbox)
        self._pool = ResourcePool(resources)
        self._objects = ObjectTable(arena_bytes, self._outbox, config)
        self._tasks = TaskTable(self._objects, self._pool, self._outbox, node_id)
        self._workers = WorkerTable(self._pool.total.get("CPU", 0) // RESOURCE_UNITS, config)
        self._clients: dict[ClientId, Client] = {}
        self._warnings = Warnings(self._clients, self._workers, self._outbox)
        self._actors = Actors(
            self._tasks,
            self._objects,
            self._workers,
            self._outbox,
            config,
            self.histories,
            self._warnings.tell_driver_of,
        )
        self._tasks.actors = self._tasks.registry.actors = self._actors
        self._groups = PlacementGroups(self._tasks, self._objects, self._workers, self._pool, self._outbox)
        self._tasks.groups = self._tasks.registry.groups = self._groups
        staging = Staging(self._tasks, self._objects)
        self._dispatcher = Dispatcher(self._tasks, staging, self._workers, self._pool, self._outbox, config)
        self._ahead = Ahead(self._tasks, self._objects, self._workers, self._pool, self._actors, self._dispatcher)
        self._cancellation = Cancellation(self._tasks, self._workers, self._outbox, config)
        self._output = Output(self._clients, self._workers, self._tasks, self._outbox)
        self._memory = MemoryManager(
            self._objects, self._tasks, self._dispatcher, self._outbox, self._clients, self.ignored
        )
        self._objects.recovery = self._tasks.recovery = Recovery(
            self._tasks, self._objects, self._memory.views, self.histories, self._outbox
        )
        self._tasks.holds = Holds(self._tasks, self.histories, self._outbox, config)
        self._kept = KeptWorkers(self._tasks, self._workers, self._dispatcher, self._outbox)
        self._worker_exit = WorkerExit(
            self._tasks, self._objects, self._memory.views, self._workers, self._dispatcher, self._actors, self._kept
        )
        self._direct = DirectCalls(
            self._clients,
            self._tasks,
            self._objects,
            self._actors,
            self._kept,
            self._worker_exit,
            self._cancellation,
            self._outbox,
            self.ignored,
        )
        self._faults = Faults(self._tasks, self._objects, self._actors, self._workers, self._clients, self._outbox)
        self._memory_guard = MemoryGuard(self._workers, self._outbox, self._warnings.tell_all)
        self._by_shell = self._shell_handlers()
        self._by_client = self._client_handlers()
        self._by_stranger: dict[type, Handler] = {f.TasksSubmitted: self._on_tasks_submitted}
        self.status = NodeStatus(self._tasks, self._workers, self._objects, self._pool)

    def ahead(self, facts: Sequence[f.Fact | HistoryFound], source: ClientId) -> Send | None:
        """What can be sent before anything else is done about these facts; `handle` must get them next."""
        client = self._clients.get(source)
        return None if client is None else self._ahead.of(facts, client)

    def handle(self, facts: Sequence[f.Fact | HistoryFound], source: ClientId, at: float) -> list[Command]:
        """What follows from facts that came over connection `source` (0: the node itself) at time `at`."""
        client = self._clients.get(source)
        if client is not None:
            handlers = self._by_client
        else:
            handlers = self._by_shell if source == NODE else self._by_stranger
            client = Client(source)
            client.alive = False
        for fact in facts:
            handler = handlers.get(type(fact))
            if handler is None:
                self._ignore(fact)
            else:
                handler(fact, client, at)
        if self._objects.resolved:
            self._tasks.settle(at)
        if self._actors.known:
            self._run_actors(at)
        self._dispatcher.run(at)
        if self._groups.leaving:
            self._groups.settle()
            self._dispatcher.run(at)
        while self._objects.resolved or (self._actors.known and self._actors.has_work):
            # Tasks failed because their arguments can never be in memory together.
            self._tasks.settle(at)
            self._run_actors(at)
            self._dispatcher.run(at)
        if self._kept.asked:
            self._kept.answer()
        admission = self._objects.admission
        if admission.urgent or admission.staging:
            self._memory.pump(at)
        return self._outbox.flush(at)

    def _run_actors(self, at: float) -> None:
        """Their ends resolve objects, and objects let calls go out: until nothing follows."""
        self._actors.run(self._dispatcher, at)
        while self._objects.resolved or self._actors.has_work:
            self._tasks.settle(at)
            self._actors.run(self._dispatcher, at)

    @property
    def wants_ticks(self) -> bool:
        """Whether ClockTicked facts are needed: something is queued or running, or workers are to be replaced."""
        return (
            self._tasks.live > 0
            or self._memory.is_waiting
            or self._actors.is_waiting
            or self._workers.short > self._workers.starting
            or bool(self._workers.surplus())
        )

    @property
    def look_at(self) -> float:
        """When the core should be told the time at the latest; infinite if it can wait for the next tick."""
        return self._dispatcher.look_at

    def _shell_handlers(self) -> dict[type, Handler]:
        return {
            f.WorkerStarted: self._on_worker_started,
            f.WorkerExited: self._on_worker_exited,
            f.JobStarted: self._on_job_started,
            f.JobEnded: self._on_job_ended,
            f.ClockTicked: self._on_clock_ticked,
            f.WorkerOutput: self._output.on_worker_output,
            f.MemoryMeasured: self._on_memory_measured,
            **self._memory.shell_handlers(),
            f.CancelRequested: self._on_cancel_requested,
            f.ActorKillRequested: self._on_actor_kill_requested,
            f.FunctionRegistered: self._on_function_registered,
            f.TemplateRegistered: self._on_template_registered,
            HistoryFound: self._on_history_found,
        }

    def _client_handlers(self) -> dict[type, Handler]:
        return {
            f.TaskFinished: self._on_task_finished,
            f.TasksSubmitted: self._on_tasks_submitted,
            f.ObjectsReleased: self._on_objects_released,
            f.ObjectsHeld: self._on_objects_held,
            f.ObjectsRequested: self._on_objects_requested,
            f.TaskFailed: self._on_task_failed,
            f.ItemsYielded: self._on_items_yielded,
            f.ItemsTaken: self._on_items_taken,
            f.GeneratorDropped: self._on_generator_dropped,
            f.TaskCancelled: self._on_task_cancelled,
            f.TasksReturned: self._on_tasks_returned,
            f.WorkerBlocked: self._on_worker_blocked,
            f.WorkerUnblocked: self._on_worker_unblocked,
            **self._memory.client_handlers(),
            f.ObjectSealed: self._on_object_sealed,
            f.TaskOutput: self._output.on_task_output,
            f.WorkerWrote: self._output.on_worker_wrote,
            f.ActorNameRequested: self._on_actor_name_requested,
            f.ActorNamesRequested: self._on_actor_names_requested,
            f.TaskRequested: self._on_task_requested,
            f.NodeStateRequested: self._on_node_state_requested,
            f.GroupRemoved: self._on_group_removed,
            f.ActorKillRequested: self._on_actor_kill_requested,
            f.ActorExited: self._on_actor_exited,
            f.CheckpointTaken: self._on_checkpoint_taken,
            f.CheckpointFailed: self._on_checkpoint_failed,
            f.OutputDiverged: self._on_output_diverged,
            f.SpanEnded: _only_history,
            f.CancelRequested: self._on_cancel_requested,
            f.FaultRequested: self._faults.on_requested,
            f.DirectLineRequested: self._direct.on_requested,
            f.DirectCallsMade: self._direct.on_made,
            f.DirectLinesShut: self._on_direct_lines_shut,
            f.FunctionRegistered: self._on_function_registered,
            f.TemplateRegistered: self._on_template_registered,
        }

    # Tasks

    def _on_tasks_submitted(self, fact: f.TasksSubmitted, client: Client, at: float) -> None:
        if client.kept:
            self._kept.let_go_all(client)
        parent = self._tasks.tasks.get(fact.parent_id)
        if parent is not None:
            job = parent.job
            if parent.state >= FINISHED:
                parent = None
        else:
            job = self._tasks.jobs.get(fact.parent_id) or client.job or NOBODY
        refusal = self._cancellation.refusal(job, parent) if parent is not None or job.ended else ""
        if parent is not None and parent.template.is_special:
            rebuilds = self._actors.rebuilds
            journal = rebuilds.journal_of(parent)
            if journal is not None:
                fact = rebuilds.submitting(fact, parent, journal, client)
                self._tasks.submissions.submit(fact, client, job, parent, refusal)
                rebuilds.submitted(fact, parent, journal)
                return
        self._tasks.submissions.submit(fact, client, job, parent, refusal)

    def _on_task_finished(self, fact: f.TaskFinished, client: Client, at: float) -> None:
        task = self._tasks.tasks.get(fact.task_id)
        if task is not None and task.worker is client:
            # `_taken_from` in full, because this is where half of the core's time goes.
            worker = task.worker
            queue = worker.queue
            if queue[0] is task:
                queue.popleft()
                worker.head_since = fact.finished_at
                worker.head_reported = False
            else:
                worker.take_out(task, fact.finished_at)
            worker.job = task.job
            if not queue:
                self._dispatcher.emptied.append(worker)
            self._tasks.finish(task, worker, fact)
            return
        for index, value in enumerate(fact.values):
            if value.kind == SHARED:
                self._objects.ungrant(ObjectId(fact.task_id + index.to_bytes(4, "big")), client)
        self._ignore(fact)

    def _on_task_failed(self, fact: f.TaskFailed, client: Client, at: float) -> None:
        task = self._taken_from(fact.task_id, client, fact.finished_at)
        if task is None:
            self._ignore(fact)
        else:
            assert isinstance(client, Worker)
            self._tasks.raised(task, client, fact)

    def _on_items_yielded(self, fact: f.ItemsYielded, client: Client, at: float) -> None:
        task = self._tasks.tasks.get(fact.task_id)
        if task is not None and task.worker is client and task.template.spec.stream is not None:
            self._tasks.generators.yielded(task, task.worker, fact)
            self._actors.rebuilds.yielded(fact, task)
            return
        for index, value in enumerate(fact.values, fact.index):
            if value.kind == SHARED:
                self._objects.ungrant(item_object_id(fact.task_id, index), client)
        self._ignore(fact)

    def _on_items_taken(self, fact: f.ItemsTaken, client: Client, at: float) -> None:
        self._tasks.generators.taken(fact, client)

    def _on_generator_dropped(self, fact: f.GeneratorDropped, client: Client, at: float) -> None:
        self._tasks.generators.dropped(fact, client)

    def _on_task_cancelled(self, fact: f.TaskCancelled, client: Client, at: float) -> None:
        task = self._taken_from(fact.task_id, client, fact.at)
        if task is None:
            self._ignore(fact)
        else:
            assert isinstance(client, Worker)
            self._tasks.dropped(task, client, fact)

    def _on_tasks_returned(self, fact: f.TasksReturned, client: Client, at: float) -> None:
        if not isinstance(client, Worker):
            self._ignore(fact)
            return
        returned = [self._taken_from(task_id, client, at) for task_id in reversed(fact.task_ids)]
        for task in returned:
            if task is not None:
                self._tasks.give_back(task, at)
        client.returning = False
        if client.kept_for is not None:
            self._kept.let_go(client)
        if client.actor is not None:
            self._actors.calls_returned(client.actor)
        if client.queue or client.lease is None:
            self._workers.settle(client)
        else:
            self._dispatcher.emptied.append(client)

    def _on_direct_lines_shut(self, fact: f.DirectLinesShut, client: Client, at: float) -> None:
        if isinstance(client, Worker):
            self._kept.on_shut(fact, client, at)
        else:
            self._ignore(fact)

    def _on_cancel_requested(self, fact: f.CancelRequested, client: Client, at: float) -> None:
        self._cancellation.request(fact, at)

    def _on_task_requested(self, fact: f.TaskRequested, client: Client, at: float) -> None:
        task = self._tasks.tasks.get(fact.task_id)
        job = (task.job if task is not None else job_of(client)) or NOBODY
        is_call = task is not None and bool(task.template.spec.method)
        self._outbox.send(client, TaskDescribed(fact.request, job.job_id, job.namespace, is_call))

    def _taken_from(self, task_id: TaskId, client: Client, at: float) -> Task | None:
        """The task, if `client` is the worker that has it; the worker has it no longer then."""
        task = self._tasks.tasks.get(task_id)
        if task is None or task.worker is not client:
            return None
        worker = task.worker
        worker.take_out(task, at)
        worker.job = task.job
        if not worker.queue:
            self._dispatcher.emptied.append(worker)
        return task

    # Actors

    def _on_actor_name_requested(self, fact: f.ActorNameRequested, client: Client, at: float) -> None:
        self._actors.names.request(fact, client)

    def _on_actor_names_requested(self, fact: f.ActorNamesRequested, client: Client, at: float) -> None:
        self._actors.names.list(fact, client)

    def _on_actor_kill_requested(self, fact: f.ActorKillRequested, client: Client, at: float) -> None:
        self._actors.kill(fact, at)

    def _on_actor_exited(self, fact: f.ActorExited, client: Client, at: float) -> None:
        self._actors.exited(fact, at)

    def _on_checkpoint_taken(self, fact: f.CheckpointTaken, client: Client, at: float) -> None:
        if isinstance(client, Worker):
            self._actors.rebuilds.checkpoint_taken(fact, client, at)
        else:
            self._ignore(fact)

    def _on_checkpoint_failed(self, fact: f.CheckpointFailed, client: Client, at: float) -> None:
        if isinstance(client, Worker):
            self._actors.rebuilds.checkpoint_failed(fact, client)
        else:
            self._ignore(fact)

    # Placement groups, and the node as a whole

    def _on_group_removed(self, fact: f.GroupRemoved, client: Client, at: float) -> None:
        self._groups.remove(fact, self._actors, self._dispatcher, at)

    def _on_node_state_requested(self, fact: f.NodeStateRequested, client: Client, at: float) -> None:
        state = self.status.state(self._groups.states(), namespace_of(client))
        self._outbox.send(client, NodeStateTold(fact.request, state))

    # Objects

    def _on_objects_requested(self, fact: f.ObjectsRequested, client: Client, at: float) -> None:
        for object_id in fact.object_ids:
            self._objects.request(object_id, client)

    def _on_objects_held(self, fact: f.ObjectsHeld, client: Client, at: float) -> None:
        for object_id in fact.object_ids:
            self._objects.hold(object_id, client)

    def _on_objects_released(self, fact: f.ObjectsReleased, client: Client, at: float) -> None:
        self._objects.release_many(fact.object_ids, client)

    def _on_object_sealed(self, fact: f.ObjectSealed, client: Client, at: float) -> None:
        value = fact.value
        if value.kind != SHARED:
            self._objects.ungrant(fact.object_id, client)
        elif not self._objects.space.claim(fact.object_id, value.offset, client):
            self._ignore(fact)
            return
        self._objects.put(fact.object_id, value, client, at)
        if value.kind == SHARED:
            self._objects.recovery.was_put(fact.object_id)

    def _on_output_diverged(self, fact: f.OutputDiverged, client: Client, at: float) -> None:
        task = self._tasks.tasks.get(producer_of(fact.object_id))
        driver = self._clients.get(task.job.client_id) if task is not None else None
        if task is not None and driver is not None:  # else its driver itself says so: it has replayed the task
            spec = task.template.spec
            self._outbox.send(driver, Warn(divergence_text(fact, spec.name, spec.cell)))

    # Functions and templates

    def _on_function_registered(self, fact: f.FunctionRegistered, client: Client, at: float) -> None:
        if self._tasks.registry.register_function(fact.function):
            self._outbox.functions.append(fact.function)

    def _on_template_registered(self, fact: f.TemplateRegistered, client: Client, at: float) -> None:
        self._tasks.registry.register_template(fact.template)
        self._workers.is_mixed = len(self._tasks.registry.environments) > 1

    # Drivers and workers

    def _on_job_started(self, fact: f.JobStarted, client: Client, at: float) -> None:
        job = Job(fact.client_id, fact.job_id, fact.root_task_id, fact.namespace)
        self._tasks.jobs[fact.root_task_id] = job
        self._clients[fact.client_id] = Client(fact.client_id, job)

    def _on_job_ended(self, fact: f.JobEnded, client: Client, at: float) -> None:
        driver = self._clients.pop(fact.client_id, None)
        if driver is None or driver.job is None:
            self._ignore(fact)
            return
        driver.alive = False
        self._cancellation.end_job(driver.job, fact.reason or "its driver has left", at)
        self._actors.end_job(driver.job, at)
        self._groups.end_job(driver.job, self._actors, self._dispatcher, at)
        self._actors.names.forget(driver)
        self._kept.end_job(driver)
        self._tasks.generators.forget(driver)
        self._objects.release_all(driver)
        self._memory.release_all(driver)
        self._objects.sweep()

    def _on_worker_started(self, fact: f.WorkerStarted, client: Client, at: float) -> None:
        worker = Worker(fact.worker_id, fact.pid)
        self._clients[fact.worker_id] = worker
        self._workers.add(worker)

    def _on_worker_exited(self, fact: f.WorkerExited, client: Client, at: float) -> None:
        if fact.worker_id == NODE:
            self._on_start_failed(fact, at)
            return
        worker = self._clients.get(fact.worker_id)
        if not isinstance(worker, Worker):
            self._ignore(fact)
            return
        del self._clients[fact.worker_id]
        self._worker_exit.settle(worker, self._memory_guard.explain(worker, fact), at)
        self._dispatcher.tend_pool(at)

    def _on_start_failed(self, fact: f.WorkerExited, at: float) -> None:
        self._workers.start_failed(at)
        self._warnings.start_failed(fact.output_tail)

    def _on_worker_blocked(self, fact: f.WorkerBlocked, client: Client, at: float) -> None:
        if isinstance(client, Worker):
            self._kept.take_back(client)  # it may not have begun yet what its driver has for it
            self._dispatcher.block(client)

    def _on_worker_unblocked(self, fact: f.WorkerUnblocked, client: Client, at: float) -> None:
        if isinstance(client, Worker):
            self._dispatcher.unblock(client)

    # The past

    def _on_history_found(self, fact: HistoryFound, client: Client, at: float) -> None:
        if not self.histories.on_found(fact, at):
            self._ignore(fact)

    # Time

    def _on_clock_ticked(self, fact: f.ClockTicked, client: Client, at: float) -> None:
        self._report_started(at)
        self._cancellation.expire(at)
        self._actors.expire(at)
        self._tasks.holds.on_tick(at)
        self._memory.on_tick(at)
        self._dispatcher.rebalance(at)
        self._dispatcher.tend_pool(at)
        self._output.look(at)
        self._warnings.look(self.status.ready_count)
        stuck, self._dispatcher.stuck = self._dispatcher.stuck, []
        self._warnings.stuck(stuck)

    def _on_memory_measured(self, fact: f.MemoryMeasured, client: Client, at: float) -> None:
        self._memory_guard.on_measured(fact, at)

    def _report_started(self, at: float) -> None:
        after_s = self._config.started_report_ms / 1000.0
        for worker in self._workers.workers.values():
            if worker.actor is not None and worker.actor.under_way is not None:
                worker.actor.under_way.look(worker.queue, at)
                for task, since in worker.actor.under_way.take_long(after_s, at):
                    self._outbox.facts.append(f.TaskStarted(task.task_id, worker.client_id, since))
            elif worker.queue and not worker.head_reported and at - worker.head_since > after_s:
                worker.head_reported = True
                task_id = worker.queue[0].task_id
                self._outbox.facts.append(f.TaskStarted(task_id, worker.client_id, worker.head_since))

    def _ignore(self, fact: f.Fact | HistoryFound) -> None:
        self.ignored[type(fact).__name__] += 1


def _only_history(_fact: f.Fact, _client: Client, _at: float) -> None:
    """The log has it, and nothing follows from it here."""

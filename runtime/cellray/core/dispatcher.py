"""Which ready task goes to which worker, and when workers get more, give back, start or retire.

One pass at the end of each `handle`. A worker is leased for one resource shape: it takes the shape's resources with
its first task and keeps them while it has tasks, so that a batch costs one acquisition. Shapes are served by the age
of their oldest task. While an older shape has no lease for want of some resource, younger ones that use it add nothing
to their leases, so that these run out; when that has not helped for `reserve_after_ms`, what the older one asks for
counts as taken for the younger ones.

Ready tasks are spread evenly: nobody gets a second while another could still get a first. How many one worker may
hold depends on what its tasks take: about `dispatch_target_ms` of work.
"""

from __future__ import annotations

import math

from cellray.config import Config
from cellray.core.dependencies import argument_values
from cellray.core.outbox import Outbox
from cellray.core.ready_queue import ReadyQueue
from cellray.core.resources import ResourcePool
from cellray.core.staging import Staging
from cellray.core.task_table import TaskTable
from cellray.core.tasks import Task, Template
from cellray.core.transitions import ASSIGNED, READY, move
from cellray.core.workers import Worker, WorkerTable
from cellray.ids import TaskId
from cellray.model.actor import Checkpoint
from cellray.model.command import Exit, ReturnTasks, TasksAssigned
from cellray.model.fact import TasksDispatched
from cellray.model.task import Function, Resources, TaskAssignment, TaskTemplate

RECLAIM_SOON_S = 0.008
SLOW_TIMES = 4.0
"""Whoever is idle takes from behind a task that has run for so long, and for so many times what its like take: of those
that are short the node hears some milliseconds later."""
PREFETCH_BELOW_S = 0.020
"""Tasks that take less than this are given at least two at a time, so that a worker need not wait for the next."""


class Dispatcher:
    """Gives ready tasks to workers. `emptied` collects workers whose queue may have run empty in this `handle`.

    `stuck` are shapes that wait for what actors or blocked tasks hold, until drivers have been told.
    """

    def __init__(
        self,
        tasks: TaskTable,
        staging: Staging,
        workers: WorkerTable,
        pool: ResourcePool,
        outbox: Outbox,
        config: Config,
    ) -> None:
        self.emptied: list[Worker] = []
        self.stuck: list[ReadyQueue] = []
        self.sent_ahead: TaskId | None = None
        """A task that its worker has already (`core/ahead.py`)."""
        self.look_at = math.inf
        """When tasks should be had back from behind a long one for somebody who is idle, if nothing happens before."""
        self._tasks = tasks
        self._staging = staging
        self._workers = workers
        self._pool = pool
        self._outbox = outbox
        self._batch_max = max(1, config.dispatch_batch_max)
        self._target_s = config.dispatch_target_ms / 1000.0
        self._reclaim_after_s = config.reclaim_after_ms / 1000.0
        self._reserve_after_s = config.reserve_after_ms / 1000.0

    def run(self, at: float) -> None:
        """One pass: end leases that ran out, then hand out what is ready."""
        has_emptied = bool(self.emptied)
        if has_emptied:
            for worker in self.emptied:
                if not worker.queue and worker.actor is None and worker.kept_for is None:
                    self.end_lease(worker)
                    if worker.is_worn and not worker.ending:
                        self._retire(worker, "it has run a function as often as its max_calls allows")
                    self._workers.settle(worker)
            self.emptied.clear()
        queues = []
        for queue in self._tasks.registry.queues.values():
            if queue.count and not queue.is_closed:
                queues.append(queue)  # noqa: PERF401 - for the one or two that there are
        if not queues:
            if has_emptied and self._workers.idle:
                self.rebalance(at)
            return
        if len(queues) > 1:
            queues.sort(key=lambda queue: queue.head().order)
        wanted, has_news = 0, False
        starved: set[str] = set()
        reserved: list[Resources] = []
        for queue in queues:
            if queue.for_actors:
                self._serve_creations(queue, at)
            elif queue.for_groups:
                has_news |= self._serve_groups(queue, at)
            else:
                self._serve(queue, at, not (starved and any(name in starved for name, _ in queue.demand)))
            fits = queue.count and self._pool.fits(queue.demand)
            if fits or queue.workers or not queue.count:
                queue.starved_since = None
                queue.told = False
                if fits and not queue.for_groups:
                    wanted += self._workers_wanted(queue)
            elif self._obtainable(queue.demand):
                starved.update(self._pool.short_of(queue.demand))
                if self._starves_long(queue, at):
                    self._pool.acquire(queue.demand)
                    reserved.append(queue.demand)
            elif self._starves_long(queue, at) and not queue.told:
                queue.told = True
                self.stuck.append(queue)
        for demand in reserved:
            self._pool.release(demand)
        if self._workers.kept and any(queue.count for queue in queues):
            for worker in self._workers.kept:
                self.reclaim(worker)
        if wanted:
            self._outbox.start_workers(self._workers.startable(wanted, at))
            if self._workers.is_mixed and (idle := self._workers.in_the_way()) is not None:
                self._retire(idle, "workers of another environment are needed")
        if has_news:
            self.run(at)  # queues of what is to run in a new group are open now

    def end_lease(self, worker: Worker) -> None:
        """The worker serves no shape any more. While it is blocked its resources are lent out already."""
        lease = worker.lease
        if lease is not None:
            worker.lease = None
            lease.workers.pop(worker, None)
            self._pool.release(lease.kept if worker.blocked else lease.demand)
            if worker.devices:
                self._pool.devices.give_back(lease.demand, worker.devices)
                worker.devices = ()

    def block(self, worker: Worker) -> None:
        """The worker waits in `get`: lend its CPUs out, and have its unbegun tasks back."""
        if worker.blocked:
            return
        if worker.lease is not None:
            self._pool.release(worker.lease.lent)
            worker.lease.workers.pop(worker, None)
        self._workers.set_blocked(worker, True)
        if len(worker.queue) > 1 and worker.actor is None:
            self.reclaim(worker)

    def unblock(self, worker: Worker) -> None:
        """The worker goes on, with its CPUs."""
        if not worker.blocked:
            return
        if worker.lease is not None:
            self._pool.acquire(worker.lease.lent)
            if worker.actor is None:
                worker.lease.workers[worker] = None
        self._workers.set_blocked(worker, False)

    def reclaim(self, worker: Worker) -> None:
        """Ask for the worker's unbegun tasks; it gets no others until it has answered."""
        if not worker.returning and not worker.ending:
            worker.returning = True
            self._workers.settle(worker)
            self._outbox.send(worker, ReturnTasks())

    def abandon(self, worker: Worker, reason: str) -> None:
        """End a worker's process with what it runs; the caller says what becomes of the tasks that it had."""
        worker.queue.clear()
        worker.ending = True
        self._workers.settle(worker)
        self._outbox.kill(worker.client_id, reason)
        self.emptied.append(worker)

    def rebalance(self, at: float) -> None:
        """Have tasks back from workers that are held up by a long one, as far as others could run them: idle ones, or
        one that will be started, since there is room for it and none is idle."""
        idle = max(1, len(self._workers.idle))
        self.look_at = math.inf
        for queue in self._tasks.registry.queues.values():
            if not queue.workers or queue.count or not self._pool.fits(queue.demand):
                continue
            for worker in list(queue.workers):
                if idle and worker.open and len(worker.queue) > 1:
                    slow_at = worker.head_since + self._slow_after_s(worker)
                    if at > slow_at:
                        self.reclaim(worker)
                        idle -= 1
                    else:
                        self.look_at = min(self.look_at, slow_at)

    def tend_pool(self, at: float) -> None:
        """Replace workers that died, add some when all are held up, retire those that too much nesting has left."""
        workers = self._workers
        wanted = workers.short
        is_free = [queue for queue in self._tasks.registry.queues.values() if queue.count and not queue.demand]
        held_up = [
            worker.blocked or self._is_slow(worker, at) for worker in workers.workers.values() if worker.actor is None
        ]
        if any(not queue.for_actors for queue in is_free) and all(held_up):
            # Tasks that ask for nothing are not limited by resources: one worker more at a time, while nobody moves.
            wanted = max(wanted, 1)
        if wanted:
            self._outbox.start_workers(workers.startable(wanted, at))
        for worker in workers.surplus():
            self._retire(worker, "there are more idle workers than needed")

    def _retire(self, worker: Worker, reason: str) -> None:
        worker.ending = True
        worker.retired = True
        self._workers.settle(worker)
        self._outbox.send(worker, Exit(reason))

    def _serve(self, queue: ReadyQueue, at: float, may_top_up: bool) -> None:
        """Hand out the shape's ready tasks to the workers that it has and to idle ones."""
        takers: list[Worker] = []
        if may_top_up and queue.workers:
            # Who still has half of what he may hold gets more later, in one batch: each costs a frame and a wake.
            enough = self._depth(queue.head().template) // 2
            takers = [
                worker
                for worker in queue.workers
                if worker.open and len(worker.queue) <= enough and not self._is_slow(worker, at)
            ]
        workers, pool, demand = self._workers, self._pool, queue.demand
        fresh: list[Worker] = []
        while workers.idle and len(fresh) < queue.count and pool.fits(demand):
            worker = workers.take_idle(queue.environment)
            if worker is None:
                break
            self._lease(worker, queue)
            queue.workers[worker] = None
            fresh.append(worker)
        if fresh and queue.count <= len(fresh):
            for worker in fresh:
                self._fill(worker, queue, 1, at)
        elif fresh or takers:
            for worker, target in spread(queue.count, fresh + takers):
                self._fill(worker, queue, target, at)

    def _serve_creations(self, queue: ReadyQueue, at: float) -> None:
        """Each creation of an actor gets an idle worker for good, with the resources that the actor asks for."""
        while queue.count and self._pool.fits(queue.demand) and self._workers.has_idle(queue.environment):
            (task,) = queue.take(1)
            if not self.may_go(task, at):
                continue
            worker = self._workers.take_idle(queue.environment)
            assert worker is not None, "there was one a moment ago"
            self._lease(worker, queue)
            self._tasks.actors.begin(task, worker)
            worker.head_since, worker.head_reported = at, False
            worker.queue.append(task)
            self.assign(worker, [task], at, restore=self._tasks.actors.checkpoint_for(task))

    def _serve_groups(self, queue: ReadyQueue, at: float) -> bool:
        """Placement groups come to be as soon as all that they ask for is free. Whether one did."""
        before = queue.count
        while queue.count and self._tasks.groups.fits(queue.head()):
            (task,) = queue.take(1)
            self._tasks.groups.create(task, at)
        return queue.count != before

    def _lease(self, worker: Worker, queue: ReadyQueue) -> None:
        """The worker serves the shape from now on, with its resources."""
        self._pool.acquire(queue.demand)
        worker.lease = queue
        if queue.uses_devices:
            worker.devices = self._pool.take_devices(queue.demand)

    def may_go(self, task: Task, at: float) -> bool:
        """Whether a ready task may be sent now: its arguments are in memory, and pinned then."""
        staging = self._staging
        if not task.spec.dependencies or not (staging.space.blocks or staging.space.losses):
            return True
        return staging.pin(task, at)

    def _obtainable(self, demand: Resources) -> bool:
        """Whether it helps to wait for running tasks: what actors hold does not come back by that, and what a task
        holds that waits in `get` may not, if it waits for this one."""
        held = {name: 0 for name, _ in demand}
        for worker in self._workers.workers.values():
            if worker.lease is not None and (worker.actor is not None or worker.blocked):
                for name, units in worker.lease.demand if worker.actor is not None else worker.lease.kept:
                    held[name] = held.get(name, 0) + units
        return all(self._pool.total.get(name, 0) - held[name] >= units for name, units in demand)

    def _starves_long(self, queue: ReadyQueue, at: float) -> bool:
        """Whether it is time to keep what becomes free for this shape."""
        if queue.starved_since is None:
            queue.starved_since = at
        return at - queue.starved_since >= self._reserve_after_s

    def _fill(self, worker: Worker, ready: ReadyQueue, target: int, at: float) -> None:
        """Give the worker tasks until it holds `target`, or what its tasks' durations allow."""
        queue = worker.queue
        given: list[Task] = []
        staging = self._staging
        if staging.is_short:
            target = 1
        if not queue:
            worker.head_since = at
            worker.head_reported = False
        while ready.count and len(queue) < target:
            room = 1
            if target > 1:
                head = ready.head()
                # A retried task may be one that kills workers: nobody's unreported result is to stand before it.
                room = min(target, self._depth(head.template) if not head.attempt else 1) - len(queue)
                if room <= 0:
                    break
            tasks = ready.take(room)
            if staging.space.blocks or staging.space.losses:
                tasks = [task for task in tasks if not task.spec.dependencies or staging.pin(task, at)]
            queue.extend(tasks)
            given.extend(tasks)
            if given and given[-1].template.spec.max_calls:
                break  # nobody is to stand behind the last task of a process
        if given:
            self.assign(worker, given, at)
        elif not queue:
            # All that was there waits for its arguments to be read back.
            self.end_lease(worker)
            self._workers.settle(worker)

    def assign(
        self,
        worker: Worker,
        given: list[Task],
        at: float,
        *,
        restore: Checkpoint | None = None,
        is_replay: bool = False,
    ) -> None:
        """Send tasks that are in the worker's queue, with the templates and functions that it has not seen."""
        task_ids: list[TaskId] = []
        assignments: list[TaskAssignment] = []
        templates: list[TaskTemplate] = []
        functions: list[Function] = []
        last: Template | None = None
        for task in given:
            if task.state == READY:
                task.state = ASSIGNED  # the move that nearly all make, without a call
            else:
                move(task, ASSIGNED)
            task.worker = worker
            task_ids.append(task.task_id)
            spec = task.spec
            if task.template is not last:
                last = task.template
                if last.spec.max_calls:
                    self._wear(worker, last)
                if spec.template_id not in worker.templates:
                    self._introduce(worker, last, templates, functions)
            if spec.dependencies:
                values = argument_values(task)
                assignments.append(
                    TaskAssignment(task.task_id, spec.template_id, spec.args, values, spec.dependencies, task.attempt)
                )
            else:
                assignments.append(TaskAssignment(task.task_id, spec.template_id, spec.args, (), (), task.attempt))
        self._outbox.facts.append(TasksDispatched(worker.client_id, at, task_ids))
        if task_ids[0] == self.sent_ahead:
            self.sent_ahead = None
            return
        devices: tuple[int, ...] | None = None
        if worker.devices or worker.devices_told:
            numbers = tuple([number for number, _ in worker.devices])
            if numbers != worker.devices_told:
                devices = worker.devices_told = numbers
        expectations = self._tasks.expectations
        expected = expectations.take(given) if expectations.of else []
        self._outbox.send(
            worker, TasksAssigned(assignments, templates, functions, devices, expected, restore, is_replay)
        )

    def _wear(self, worker: Worker, template: Template) -> None:
        """The worker runs a function that its process may run so often only; `_depth` gives these out one by one."""
        spec = template.spec
        runs = worker.runs[spec.function_hash] = worker.runs.get(spec.function_hash, 0) + 1
        if runs >= spec.max_calls:
            worker.is_worn = True
            self._workers.settle(worker)

    def _introduce(
        self, worker: Worker, template: Template, templates: list[TaskTemplate], functions: list[Function]
    ) -> None:
        spec = template.spec
        worker.templates.add(spec.template_id)
        templates.append(spec)
        if spec.function_hash not in worker.functions:
            worker.functions.add(spec.function_hash)
            functions.append(self._tasks.registry.functions[spec.function_hash])

    def _depth(self, template: Template) -> int:
        """How many tasks of this template one worker may hold; one until it is known how long they take."""
        mean = template.mean_s
        if mean < 0.0 or template.spec.max_calls:
            return 1
        if mean * self._batch_max <= self._target_s:
            return self._batch_max
        depth = int(self._target_s / mean)
        return min(max(depth, 2 if mean < PREFETCH_BELOW_S else 1), self._batch_max)

    def _is_slow(self, worker: Worker, at: float) -> bool:
        """Whether the worker's running task takes so long that nothing should wait behind it."""
        return bool(worker.queue) and at - worker.head_since > self._reclaim_after_s

    def _slow_after_s(self, worker: Worker) -> float:
        """When somebody idle should have what waits behind a worker's running task: soon, if that was to be short."""
        mean = worker.queue[0].template.mean_s
        after_s = max(RECLAIM_SOON_S, SLOW_TIMES * mean) if mean >= 0.0 else self._reclaim_after_s
        return min(self._reclaim_after_s, after_s)

    def _workers_wanted(self, queue: ReadyQueue) -> int:
        """How many more workers could run tasks of this shape now: its resources are free, nobody is idle.

        A shape that asks for nothing would justify any number; it gets the base pool's worth of workers that move,
        and more only as long as all are held up (`tend_pool`).
        """
        if self._workers.has_idle(queue.environment):
            return 0
        if queue.for_actors and not queue.demand:
            return queue.count
        if queue.demand:
            return self._pool.fit_count(queue.demand, queue.count)
        return min(queue.count, max(0, self._workers.base - self._workers.moving(queue.environment)))


def spread(ready: int, takers: list[Worker]) -> list[tuple[Worker, int]]:
    """How many tasks each of `takers` should hold when `ready` more are given out evenly.

    Those that hold more than their share already are left out. The shares differ by one at most.
    """
    takers = sorted(takers, key=lambda worker: len(worker.queue))
    total = ready + sum([len(worker.queue) for worker in takers])
    while True:
        share, extra = divmod(total, len(takers))
        longest = len(takers[-1].queue)
        if longest <= share:
            break
        total -= longest
        takers.pop()
    return [(worker, share + 1 if place < extra else share) for place, worker in enumerate(takers)]

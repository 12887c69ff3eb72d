"""One node in virtual time: workers whose tasks take as long as they are said to, and messages that take a while.

Nothing is drawn at random and nobody dies: this is for how well the work is spread.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Sequence

from cellray.config import Config
from cellray.core.node_scheduler import NodeScheduler
from cellray.ids import ClientId, JobId, NodeId, TaskId, child_task_id, children_prefix, root_task_id
from cellray.model import command as c
from cellray.model import fact as f
from cellray.model.object import ObjectValue, ValueKind
from cellray.model.task import Function, TaskSpec, TaskTemplate

SHELL = ClientId(0)
VALUE = ObjectValue(ValueKind.INLINE, b"v")
MESSAGE_S = 0.0001
"""From one process to another."""
FORK_S = 0.005


class TimedWorker:
    """Runs its tasks in order. `idle_since` is None while it runs one; `busy_s` is what it has run in all."""

    def __init__(self, client_id: ClientId, at: float) -> None:
        self.client_id = client_id
        self.queue: deque[TaskId] = deque()
        self.idle_since: float | None = at
        self.running: TaskId | None = None
        self.busy_s = 0.0


class TimedNode:
    """A core with `cpus` workers, fed by drivers. `ended` has when each task ended, `began` when and where it began."""

    def __init__(self, cpus: int, templates: Sequence[TaskTemplate]) -> None:
        self.at = 1000.0
        self.core = NodeScheduler(NodeId("n"), (("CPU", cpus * 10_000),), 0, Config())
        self.workers: list[TimedWorker] = []
        self.run_s: dict[TaskId, float] = {}
        self.began: dict[TaskId, float] = {}
        self.ended: dict[TaskId, float] = {}
        self.held_up_s = 0.0
        """The longest that a task stood behind a running one while another worker had nothing to do."""
        self._templates = templates
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._submitted: dict[TaskId, int] = {}
        self._ticking = False
        self._looking_at = math.inf
        for _ in range(cpus):
            self._add_worker()

    def add_driver(self, number: int) -> TaskId:
        """A driver's root task."""
        client, job = ClientId(number), JobId(number.to_bytes(4, "big"))
        root = root_task_id(job)
        self._tell([f.JobStarted(client, job, root, self.at, 1, "sim")], SHELL)
        known: list[f.Fact] = [
            f.FunctionRegistered(Function(template.function_hash, template.name, "m", "", b""), self.at)
            for template in self._templates
        ]
        self._tell(known + [f.TemplateRegistered(template, self.at) for template in self._templates], client)
        return root

    def submit(self, number: int, root: TaskId, tasks: Sequence[tuple[TaskTemplate, float]]) -> list[TaskId]:
        """Tasks that take so many seconds; their ids."""
        first = self._submitted.get(root, 0)
        self._submitted[root] = first + len(tasks)
        prefix = children_prefix(root)
        ids = [child_task_id(prefix, first + index) for index in range(len(tasks))]
        self.run_s.update(zip(ids, [run_s for _, run_s in tasks], strict=True))
        specs = [TaskSpec(first + index, template.template_id) for index, (template, _) in enumerate(tasks)]
        self._tell([f.TasksSubmitted(root, self.at, specs)], ClientId(number))
        return ids

    def later(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do something when that much time has passed."""
        heapq.heappush(self._events, (self.at + delay_s, next(self._order), action))

    def run(self) -> None:
        """Until all that was submitted has ended."""
        while len(self.ended) < len(self.run_s) or self._events:
            self.at, _, action = heapq.heappop(self._events)
            action()
            self._look_who_is_held_up()

    def _tell(self, facts: Sequence[f.Fact], source: ClientId) -> None:
        for command in self.core.handle(facts, source, self.at):
            if isinstance(command, c.Send):
                self._deliver(command)
            elif isinstance(command, c.StartWorkers):
                for _ in range(command.count):
                    self.later(FORK_S, self._add_worker)
            else:
                assert not isinstance(command, c.KillWorker), f"{command} was not expected"
        if self.core.look_at != self._looking_at:
            self._looking_at = self.core.look_at
            if self._looking_at < math.inf:
                self.later(
                    max(0.0, self._looking_at - self.at) + 1e-6, lambda: self._tell([f.ClockTicked(self.at)], SHELL)
                )
        if self.core.wants_ticks and not self._ticking:
            self._ticking = True
            self.later(0.010, self._tick)

    def _add_worker(self) -> None:
        worker = TimedWorker(ClientId(100 + len(self.workers)), self.at)
        self.workers.append(worker)
        self._tell([f.WorkerStarted(worker.client_id, self.at, 1)], SHELL)

    def _tick(self) -> None:
        self._ticking = False
        self._tell([f.ClockTicked(self.at)], SHELL)

    def _deliver(self, command: c.Send) -> None:
        worker = next((worker for worker in self.workers if worker.client_id == command.client_id), None)
        sent = command.command
        if worker is not None and isinstance(sent, c.TasksAssigned):
            tasks = [TaskId(task.task_id) for task in sent.tasks]
            self.later(MESSAGE_S, lambda: self._take(worker, tasks))
        elif worker is not None and isinstance(sent, c.ReturnTasks):
            self.later(MESSAGE_S, lambda: self._return(worker))

    def _take(self, worker: TimedWorker, tasks: list[TaskId]) -> None:
        worker.queue.extend(tasks)
        if worker.running is None:
            self._begin(worker)

    def _return(self, worker: TimedWorker) -> None:
        returned = list(worker.queue)
        worker.queue.clear()
        fact = f.TasksReturned(worker.client_id, self.at, returned)
        self.later(MESSAGE_S, lambda: self._tell([fact], worker.client_id))

    def _begin(self, worker: TimedWorker) -> None:
        if not worker.queue:
            worker.running, worker.idle_since = None, self.at
            return
        task_id = worker.running = worker.queue.popleft()
        worker.idle_since = None
        self.began[task_id] = self.at
        self.later(self.run_s[task_id], lambda: self._end(worker, task_id))

    def _end(self, worker: TimedWorker, task_id: TaskId) -> None:
        self.ended[task_id] = self.at
        worker.busy_s += self.run_s[task_id]
        fact = f.TaskFinished(task_id, self.began[task_id], self.at, (VALUE,))
        self.later(MESSAGE_S, lambda: self._tell([fact], worker.client_id))
        self._begin(worker)

    def _look_who_is_held_up(self) -> None:
        idle_s = max(
            [self.at - worker.idle_since for worker in self.workers if worker.idle_since is not None], default=0
        )
        for worker in self.workers:
            if idle_s and worker.queue and worker.running is not None:
                held_up_s = min(idle_s, self.at - self.began[worker.running])
                self.held_up_s = max(self.held_up_s, held_up_s)

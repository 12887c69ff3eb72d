"""The world around one core: connections that delay, workers that die, time that passes, all from one seed."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from cellray.config import Config
from cellray.core.invariants import check, check_drained, check_quick
from cellray.core.node_scheduler import NodeScheduler
from cellray.ids import ClientId, JobId, NodeId, ObjectId, TaskId, return_object_id, root_task_id
from cellray.model import command as c
from cellray.model import fact as f
from cellray.model.history import HistoryFound
from cellray.model.object import ObjectValue, ValueKind
from cellray.model.task import Function, TaskSpec, TaskTemplate, make_resources

from tests.helpers.past import Past
from tests.sim.actors import CALLS, CLASS, CREATIONS, NAMED, ActorWatch
from tests.sim.clients import SMALL, VirtualClient, VirtualDriver, VirtualWorker
from tests.sim.disk import VirtualDisk
from tests.sim.memories import Histories, is_replay
from tests.sim.programs import FUNCTION, NODE_RESOURCES, TEMPLATES

ARENA_BYTES = 500_000
SPILL_BYTES_MAX = 600_000
LIVE_TASKS_MAX = 400
SHELL = ClientId(0)


class TaskInfo(NamedTuple):
    """What the world knows of a task that was submitted."""

    spec: TaskSpec
    depth: int
    template: TaskTemplate


class World:
    """One node's core with its virtual surroundings. Everything that happens follows from `seed`.

    `check_every` is after how many events the full invariants are checked; the quick ones are after each.
    """

    def __init__(self, seed: int, check_every: int = 500) -> None:
        self.seed = seed
        self.check_every = check_every
        self.random = Random(seed)
        self.at = 1000.0
        self.config = Config(
            workers_max=300,
            retry_pause_ms=5,
            workers_spare_max=4,
            dispatch_batch_max=8,
            reserve_after_ms=100,
            spill_bytes_max=SPILL_BYTES_MAX,
            spill_batch_bytes=150_000,
            space_wait_s=0.4,
            spill_wait_s=0.1,
            space_overtake_ms=50,
        )
        self.core = NodeScheduler(NodeId("sim"), make_resources(NODE_RESOURCES), ARENA_BYTES, self.config)
        self.drivers: dict[ClientId, VirtualDriver] = {}
        self.workers: dict[ClientId, VirtualWorker] = {}
        self.doomed: list[ClientId] = []
        self.starting = int(NODE_RESOURCES["CPU"])
        self.tasks: dict[TaskId, TaskInfo] = {}
        self.recent: deque[TaskId] = deque(maxlen=50)
        self.submissions: Counter[TaskId] = Counter()
        self.ends: Counter[TaskId] = Counter()
        self.remade: Counter[TaskId] = Counter()
        self.finished: set[TaskId] = set()
        self.fact_count = 0
        self.event_count = 0
        self.kinds: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.disk = VirtualDisk(self)
        self.past = Past()
        self.actors = ActorWatch(self)
        self.histories = Histories()
        self._next_client = 1
        self._growing = True

    def run(self, facts: int) -> None:
        """Let things happen until the core has had `facts` facts, then let all come to rest and check that it did."""
        while self.fact_count < facts:
            self._event()
        self._growing = False
        self._drain()

    def note_submission(
        self, task_id: TaskId, spec: TaskSpec, depth: int, template: TaskTemplate, client_id: ClientId
    ) -> None:
        """A client is about to submit a task, for the first time or again."""
        known = self.tasks.get(task_id)
        if known is not None:
            assert known.spec == spec, "a retried task must submit the same children"
        self.tasks[task_id] = TaskInfo(spec, depth, template)
        self.recent.append(task_id)
        self.submissions[task_id] += 1
        self.actors.note_submission(task_id, template, client_id)

    def note_assignment(self, worker: VirtualWorker, command: c.TasksAssigned) -> None:
        """Tasks have reached a worker."""
        for task in command.tasks:
            assert not any(task.task_id == other.task_id for other in worker.queue), "a task was assigned twice"

    def note_begin(self, task_id: TaskId) -> None:
        """A worker begins a task. One that has finished does not run again, unless its results were lost, or an
        actor is rebuilt by its calls."""
        template = self.tasks[task_id].template
        if not (template.actor or template.stream or template.recorded):
            assert task_id not in self.finished, f"task {task_id.hex()} runs again, though it has finished"

    def wants_more_tasks(self) -> bool:
        """Whether drivers go on submitting."""
        return self._growing and self.core._tasks.live < LIVE_TASKS_MAX

    def check_readable(self, object_id: ObjectId, value: ObjectValue) -> None:
        """A client reads a value now: it must be there, and nothing else in its place."""
        if value.kind == ValueKind.SHARED:
            blocks = self.core._objects.arena.blocks()
            assert blocks.get(value.offset, 0) >= value.object_bytes, f"{value.offset} was freed under a reader"
            assert self.disk.memory.get(value.offset) == object_id, f"{object_id.hex()} is not where it was said to be"

    def worker_ends(self, worker: VirtualWorker, *, intended: bool = False, signal: int = 0) -> None:
        """The process is gone. What it had sent arrives, or is cut off somewhere, before the node notices."""
        del self.workers[worker.client_id]
        cut = self.random.randint(0, len(worker.outgoing)) if signal else len(worker.outgoing)
        for _ in range(cut):
            self._deliver(worker)
        self._handle([f.WorkerExited(worker.client_id, self.at, 0, signal, "bye\n" if signal else "", intended)], SHELL)
        if self.random.random() < 0.05:
            late: list[f.Fact] = [f.ObjectsReleased(list(worker.held)), f.WorkerBlocked(worker.client_id, self.at)]
            self._handle(late, worker.client_id)

    def _event(self) -> None:
        random = self.random
        choice = random.random()
        if choice < 0.45:
            self._deliver_any()
        elif choice < 0.65:
            self._receive_any()
        elif choice < 0.90:
            self._step_any()
        elif choice < 0.93:
            self.disk.act()
            self._look_up()
        elif choice < 0.95 and self.drivers:
            random.choice(list(self.drivers.values())).act()
        elif choice < 0.975:
            self._pass_time()
        elif choice < 0.985:
            self._start_or_lose_worker()
        else:
            self._mischief()

    def _deliver_any(self) -> None:
        busy = [client for client in (*self.drivers.values(), *self.workers.values()) if client.outgoing]
        if busy:
            self._deliver(self.random.choice(busy))

    def _deliver(self, client: VirtualClient) -> None:
        self._handle(client.outgoing.popleft(), client.client_id)

    def _receive_any(self) -> None:
        busy = [client for client in (*self.drivers.values(), *self.workers.values()) if client.incoming]
        if busy:
            client = self.random.choice(busy)
            assert isinstance(client, VirtualDriver | VirtualWorker)
            client.receive(client.incoming.popleft())

    def _step_any(self) -> None:
        able = [worker for worker in self.workers.values() if worker.can_step()]
        if able:
            self.random.choice(able).step()

    def _pass_time(self) -> None:
        self.at += self.random.choice((0.0005, 0.003, 0.01, 0.03))
        if self.core.wants_ticks:
            self._handle([f.ClockTicked(self.at)], SHELL)

    def _start_or_lose_worker(self) -> None:
        if self.doomed:
            killed = self.workers.get(self.doomed.pop(0))
            if killed is not None:
                self.worker_ends(killed, signal=9)
            return
        if self.starting and (self.random.random() < 0.9 or not self.workers):
            self.starting -= 1
            if self.random.random() < 0.05 and self._growing:
                self._handle([f.WorkerExited(SHELL, self.at, 1, 0, "no memory\n")], SHELL)
            else:
                self._add_worker()
        elif self.workers and self._growing and self.random.random() < 0.15:
            worker = self.random.choice(list(self.workers.values()))
            self.worker_ends(worker, signal=self.random.choice((9, 11)))

    def _add_worker(self) -> None:
        worker = VirtualWorker(self._client_id(), self)
        self.workers[worker.client_id] = worker
        self._handle([f.WorkerStarted(worker.client_id, self.at, 1000 + worker.client_id)], SHELL)

    def _mischief(self) -> None:
        """Drivers come and go; facts arrive that make no sense."""
        random = self.random
        choice = random.random()
        if choice < 0.3 and len(self.drivers) < 3 and self._growing:
            self._add_driver()
        elif choice < 0.305 and self.drivers:
            self._end_driver(random.choice(list(self.drivers.values())))
        elif self.tasks and self._growing:
            task_id = random.choice(self.recent)
            object_id = return_object_id(task_id, 0)
            nonsense: list[f.Fact] = [
                f.TaskFinished(TaskId(b"?" * 16), 0.0, 1.0, (ObjectValue(ValueKind.SHARED, b"", 64, 64),)),
                f.ObjectsHeld([ObjectId(b"?" * 20)]),
                f.ObjectsReleased([ObjectId(b"!" * 20)]),
                f.SpaceReturned(object_id),
                f.ObjectSealed(ObjectId(b"?" * 20), self.at, ObjectValue(ValueKind.SHARED, b"", 128, 64)),
                f.ObjectsRequested([ObjectId(b"?" * 20)]),
                f.ViewsRequested([ObjectId(b"?" * 20)], -1),
                f.ViewsReleased([ObjectId(b"!" * 20)]),
                f.ViewsHeld([ObjectId(b"?" * 20)]),
                f.CancelRequested([TaskId(b"?" * 16)], self.at),
                f.ItemsYielded(task_id, 3, self.at, [ObjectValue(ValueKind.SHARED, b"", 64, 64), SMALL]),
                f.ItemsTaken(task_id, 2),
                f.TasksReturned(ClientId(1), self.at, [TaskId(b"?" * 16)]),
            ]
            if self.drivers:
                driver = random.choice(list(self.drivers.values()))
                nonsense += [f.TaskFinished(task_id, 0.0, 1.0, (SMALL,)), f.WorkerBlocked(ClientId(1), self.at)]
                self._handle([random.choice(nonsense)], driver.client_id)
            self._handle([f.TaskFinished(task_id, 0.0, 1.0, (SMALL,))], ClientId(999_999))

    def _add_driver(self) -> None:
        client_id = self._client_id()
        job_id = JobId(client_id.to_bytes(4, "big"))
        driver = VirtualDriver(client_id, root_task_id(job_id), self)
        self.drivers[client_id] = driver
        self._handle([f.JobStarted(client_id, job_id, driver.root, self.at, 1, "sim.py")], SHELL)
        functions = [Function(FUNCTION, "work", "sim", "", b"p"), Function(CLASS, "Actor", "sim", "", b"p")]
        registered: list[f.Fact] = [f.FunctionRegistered(function, self.at) for function in functions]
        templates = (*TEMPLATES, *CREATIONS, *CALLS, *NAMED.values())
        registered += [f.TemplateRegistered(template, self.at) for template in templates]
        self._handle(registered, client_id)

    def _end_driver(self, driver: VirtualDriver) -> None:
        del self.drivers[driver.client_id]
        for _ in range(self.random.randint(0, len(driver.outgoing))):
            self._deliver(driver)
        job_id = JobId(driver.client_id.to_bytes(4, "big"))
        self._handle([f.JobEnded(driver.client_id, job_id, self.at, "the kernel was restarted")], SHELL)

    def _client_id(self) -> ClientId:
        self._next_client += 1
        return ClientId(self._next_client)

    def _look_up(self) -> None:
        """The log answers the oldest question, late."""
        if self.past.questions:
            self._handle([self.past.answer()], SHELL)

    def _handle(self, facts: Sequence[f.Fact | HistoryFound], source: ClientId) -> None:
        self.event_count += 1
        self.fact_count += len(facts)
        self.past.add(facts, source)
        for fact in facts:
            kind = type(fact).__name__
            self.kinds[kind] += 1
            if isinstance(fact, f.TaskFinished | f.TaskFailed | f.TaskCancelled):
                self._note_end(fact, source)
        for command in self._decide(facts, source):
            self._perform(command)
        check_quick(self.core)
        if self.event_count % self.check_every == 0:
            check(self.core)

    def _decide(self, facts: Sequence[f.Fact | HistoryFound], source: ClientId) -> list[c.Command]:
        ahead = self.core.ahead(facts, source)
        return [*([] if ahead is None else [ahead]), *self.core.handle(facts, source, self.at)]

    def _note_end(self, fact: f.TaskFinished | f.TaskFailed | f.TaskCancelled, source: ClientId) -> None:
        """Count an end that a worker reports, if the task is with that worker."""
        task = self.core._tasks.tasks.get(fact.task_id)
        if task is None or task.worker is None or task.worker.client_id != source:
            return
        template = task.template.spec
        stream = self.core._tasks.generators.streams.get(fact.task_id)
        if stream is not None and stream.reader is not None:
            is_stopped = isinstance(fact, f.TaskCancelled) and task.cancel is None and stream.interrupted
            if is_stopped or (stream.must_restart and task.cancel is None):
                return
        may_retry = template.retry_exceptions and task.cancel is None and task.attempt < template.max_retries
        if not (isinstance(fact, f.TaskFailed) and may_retry) and not is_replay(task):
            self.ends[fact.task_id] += 1
            if isinstance(fact, f.TaskFinished):
                self.finished.add(fact.task_id)
            self.histories.note_end(task, fact)

    def _perform(self, command: c.Command) -> None:
        if isinstance(command, c.Send):
            client = self.workers.get(command.client_id) or self.drivers.get(command.client_id)
            if client is not None:
                client.incoming.append(command.command)
        elif isinstance(command, c.FindHistory):
            self.past.questions.append(command.task_ids)
        elif isinstance(command, c.AppendFacts):
            self.past.add(command.facts, SHELL)
            for fact in command.facts:
                self.actors.note_fact(fact)
                if isinstance(fact, f.TaskRetried) and fact.reason.startswith("its result"):
                    self.remade[fact.task_id] += 1
                    self.finished.discard(fact.task_id)
                is_lost = isinstance(fact, f.TaskFailed) and b"object_lost" in fact.error.data
                assert not is_lost, f"a dependency was lost: {fact}"
                if isinstance(fact, f.TaskFailed | f.TaskCancelled | f.TaskFinished | f.ResultRecalled):
                    self.ends[fact.task_id] += 1
        elif isinstance(command, c.StartWorkers):
            self.starting += command.count
        elif isinstance(command, c.KillWorker):
            self.doomed.append(command.worker_id)
        elif isinstance(command, c.SpillObjects | c.RestoreObjects | c.DropSpilled):
            self.disk.take(command)
        else:
            # A table of the GCS and the files of processes, which the simulator has none of.
            assert isinstance(command, c.RegisterFunctions | c.ReadOutput | c.DropCheckpoints)

    def _drain(self) -> None:
        """Nobody submits, nobody dies any more; in the end everybody lets go of everything."""
        for driver in self.drivers.values():
            driver.streams.take_all()
            driver.groups.remove_all()
        self._rest()
        for client in (*self.workers.values(), *self.drivers.values()):
            unanswered = [object_id.hex() for object_id, value in client.views.items() if value is None]
            assert not unanswered, f"client {client.client_id} waits for ever to read {unanswered}"
            client.streams.drop_all()
            client.release(list(client.held))
            client.end_views(list(client.views))
            while client.outgoing:
                self._deliver(client)
        for driver in list(self.drivers.values()):
            self._end_driver(driver)
        self._handle([f.ActorKillRequested(actor_id, self.at) for actor_id in self.core._actors.known], SHELL)
        self._rest()
        while self.disk.orders:
            self.disk.act()
        assert not self.disk.files, "files are left"
        check_drained(self.core)
        restarts = self.actors.restarted.total()
        taken = self.core._tasks.submissions._order
        assert sum(self.core._tasks.ended) == taken + restarts, "tasks did not end exactly once"
        for task_id, count in self.submissions.items():
            if count == 1 and task_id in self.ends:
                once = 1 + self.actors.restarted[task_id] + self.remade[task_id]
                assert self.ends[task_id] == once, f"task {task_id.hex()} ended {self.ends[task_id]} times"
        ends = taken + restarts - self.histories.replays
        assert sum(self.ends.values()) == ends, "the log does not tell of each end once"
        assert len(self.workers) >= NODE_RESOURCES["CPU"], f"only {len(self.workers)} workers are left"

    def _rest(self) -> None:
        for _ in range(2_000_000):
            if not self._anything_left():
                return
            self._event_of_rest()
        raise AssertionError(f"it never came to rest: {self.core.status.counts()}, {self.core.status.workers()}")

    def _event_of_rest(self) -> None:
        choice = self.random.random()
        if choice < 0.35:
            self._deliver_any()
        elif choice < 0.65:
            self._receive_any()
        elif choice < 0.90:
            self._step_any()
        elif choice < 0.93:
            self.disk.act()
            self._look_up()
        elif choice < 0.96:
            self._pass_time()
        else:
            self._start_or_lose_worker()

    def _anything_left(self) -> bool:
        clients: list[VirtualClient] = [*self.workers.values(), *self.drivers.values()]
        return (
            self.core._tasks.live > 0
            or self.starting > 0
            or self.core._workers.short > 0
            or bool(self.disk.orders or self.past.questions)
            or self.core._memory.is_waiting
            or bool(self.doomed)
            or any(client.outgoing or client.incoming for client in clients)
        )

"""Workers that are kept for a driver, which gives them tasks itself: when, until when, and that no task gets lost or
runs twice whatever is under way between the three."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from itertools import count
from random import Random

import pytest
from cellray.core.invariants import check_drained
from cellray.ids import ClientId, FunctionHash, JobId, ObjectId, TaskId, root_task_id
from cellray.model import command as c
from cellray.model import fact as f
from cellray.model.object import decode_failure
from cellray.model.task import TaskSpec, TaskTemplate, make_resources, make_template

from tests.unit.core.kit import DRIVER, JOB, ONE_CPU, ROOT, SHELL, VALUE, F, Node, assigned, child, result

ADDRESS = "/somewhere/driver-1.sock"
OTHER, OTHER_JOB = ClientId(50), JobId(b"job2")
OTHER_ROOT = root_task_id(OTHER_JOB)
ONCE = make_template(FunctionHash(b"f" * 16), "once", ONE_CPU, max_retries=0)
ALWAYS = make_template(FunctionHash(b"f" * 16), "always", ONE_CPU, max_retries=-1)
TICKET = 7


class KeptNode(Node):
    """A node whose driver (client 1) has submitted one task, and asked with it for the worker that gets it."""

    def __init__(self, cpus: int = 2, template: TaskTemplate = F) -> None:
        super().__init__(cpus)
        self.register(template)
        self.template = template
        self.next = count(100)
        self.last = self.ask()[0]

    def ask(self, template: TaskTemplate | None = None) -> tuple[TaskId, list[c.Command]]:
        template = template or self.template
        spec = TaskSpec(next(self.next), template.template_id)
        last = child(spec.index)
        asked = f.DirectLineRequested(TICKET, None, last, ADDRESS, 3)
        commands = self.tell(f.TasksSubmitted(ROOT, self.at, [spec]), asked)
        opened = [(each.client_id, each.command) for each in commands if isinstance(each, c.Send)]
        self.lines = [each for each in opened if isinstance(each[1], c.OpenDirectLine)]
        if self.lines:
            self.worker = self.lines[0][0]
        return last, commands

    def keep(self) -> KeptNode:
        """The task has ended. It took so long that nobody is given two of its like."""
        self.tell(f.TaskFinished(self.last, self.at - 1.0, self.at, (VALUE,)), source=self.worker)
        assert self.is_kept
        return self

    @property
    def is_kept(self) -> bool:
        worker = self.core._workers.workers.get(self.worker)
        return worker is not None and worker.kept_for is not None

    @property
    def free_cpus(self) -> int:
        return self.core.status.available["CPU"] // 10000

    def made(self, template: TaskTemplate | None = None) -> f.DirectCall:
        """A task that the driver has given to the worker."""
        spec = TaskSpec(next(self.next), (template or self.template).template_id)
        return f.DirectCall(DRIVER, self.worker, ROOT, self.at, child(spec.index), spec)

    def connect(self) -> None:
        """Another driver."""
        self.tell(f.JobStarted(OTHER, OTHER_JOB, OTHER_ROOT, 0.0, 2, "test"), source=SHELL)

    def submit_other(self, *indices: int) -> list[c.Command]:
        return self.submit(*indices, parent=OTHER_ROOT, source=OTHER, template=self.template)

    def give_back(self, *ended: TaskId) -> list[c.Command]:
        """The worker answers that it takes nothing more from its driver."""
        shut = f.DirectLinesShut([f.TaskFinished(task, self.at, self.at, (VALUE,)) for task in ended])
        return self.tell(shut, f.TasksReturned(self.worker, self.at, []), source=self.worker)

    def exited(self) -> list[c.Command]:
        return self.tell(f.WorkerExited(self.worker, self.at, 0, 9), source=SHELL)


def asks_back(commands: list[c.Command]) -> list[ClientId]:
    return [each.client_id for each in commands if isinstance(each, c.Send) and isinstance(each.command, c.ReturnTasks)]


def values(commands: list[c.Command], task: TaskId) -> list[str]:
    """What became of the task, as its owner is told."""
    return [
        "" if value.kind == VALUE.kind else decode_failure(value.data).kind
        for each in commands
        if isinstance(each, c.Send) and isinstance(each.command, c.ObjectsReady)
        for object_id, value in each.command.objects
        if object_id == result(task)
    ]


def test_the_worker_that_gets_the_task_is_kept_when_it_has_run_it() -> None:
    node = KeptNode()
    assert node.lines == [(node.worker, c.OpenDirectLine(DRIVER, ADDRESS, TICKET, 3, is_for_tasks=True))]
    assert node.free_cpus == 1
    node.keep()
    assert node.free_cpus == 2, "as far as anybody else is concerned"
    assert node.core._pool.available["CPU"] == 10000


@pytest.mark.parametrize(
    ("template", "is_kept"),
    [
        (make_template(FunctionHash(b"f" * 16), "often", ONE_CPU, max_calls=5), False),
        (make_template(FunctionHash(b"f" * 16), "free", ()), True),
        (make_template(FunctionHash(b"f" * 16), "two", make_resources({"CPU": 2})), True),
        (make_template(FunctionHash(b"f" * 16), "more", make_resources({"CPU": 3})), False),
    ],
)
def test_for_which_tasks(template: TaskTemplate, is_kept: bool) -> None:
    node = KeptNode()
    node.keep()
    node.register(template)
    node.submit(1)  # gives the first one back
    node.finish(child(1), node.worker)
    node.ask(template)
    assert bool(node.lines) is is_kept


def _others_wait(node: KeptNode) -> None:
    node.connect()
    node.submit_other(1, 2, 3)


def _a_larger_one_waits(node: KeptNode) -> None:
    node.submit(1)
    node.connect()
    large = make_template(FunctionHash(b"f" * 16), "two", make_resources({"CPU": 2}))
    node.register(large)
    node.submit(1, parent=OTHER_ROOT, source=OTHER, template=large)


def _has_another_task(node: KeptNode) -> None:
    node.submit(1, 2)


@pytest.mark.parametrize("prepare", [_others_wait, _a_larger_one_waits, _has_another_task])
def test_nobody_is_kept_while_others_have_something_to_run(prepare: Callable[[KeptNode], None]) -> None:
    node = KeptNode()
    node.keep()
    prepare(node)
    node.ask()
    assert not node.lines


def test_workers_do_not_keep_workers() -> None:
    node = KeptNode()
    spec = TaskSpec(0, node.template.template_id)
    asked = f.DirectLineRequested(TICKET, None, child(0, node.last), ADDRESS)
    commands = node.tell(f.TasksSubmitted(node.last, node.at, [spec]), asked, source=node.worker)
    assert assigned(commands)
    assert not [each for each in commands if isinstance(each, c.Send) and isinstance(each.command, c.OpenDirectLine)]


def test_a_request_that_comes_late_is_not_answered() -> None:
    node = KeptNode()
    node.keep()
    asked = f.DirectLineRequested(TICKET, None, node.last, ADDRESS)
    assert node.tell(asked) == []


def test_its_driver_gives_it_back_by_submitting_anything() -> None:
    node = KeptNode(cpus=1).keep()
    assert assigned(node.submit(1)) == [(node.worker, [child(1)])]
    assert not node.is_kept
    node.finish(child(1), node.worker)
    assert node.core._pool.available["CPU"] == 10000


def test_it_stays_while_others_find_room() -> None:
    node = KeptNode().keep()
    node.connect()
    commands = node.submit_other(1)
    assert [task_ids for _, task_ids in assigned(commands)] == [[child(1, OTHER_ROOT)]]
    assert not asks_back(commands)
    assert node.is_kept


def test_it_is_asked_back_when_somebody_waits_and_comes_when_it_has_answered() -> None:
    node = KeptNode().keep()
    node.connect()
    commands = node.submit_other(1, 2)
    assert asks_back(commands) == [node.worker]
    assert not asks_back(node.tick(1.0)), "once"
    assert assigned(node.give_back()) == [(node.worker, [child(2, OTHER_ROOT)])]
    assert not node.is_kept


def test_it_is_asked_back_for_actors_too() -> None:
    node = KeptNode(cpus=1).keep()
    node.connect()
    big = make_template(FunctionHash(b"f" * 16), "two", make_resources({"CPU": 1}), max_retries=1)
    node.register(big)
    assert asks_back(node.submit(5, parent=OTHER_ROOT, source=OTHER, template=big)) == [node.worker]


def test_a_worker_that_blocks_in_what_it_was_kept_with_is_asked_back() -> None:
    node = KeptNode()
    commands = node.tell(f.WorkerBlocked(node.worker, node.at), source=node.worker)
    assert asks_back(commands) == [node.worker]
    node.give_back()
    node.tell(f.WorkerUnblocked(node.worker, node.at), source=node.worker)
    assert not node.is_kept
    node.finish(node.last, node.worker)
    assert node.core._pool.available["CPU"] == 20000


def test_what_has_ended_is_logged_and_does_not_end_the_loan() -> None:
    node = KeptNode().keep()
    call = node.made()
    end = f.TaskFinished(call.task_id, node.at, node.at, (VALUE,))
    call = f.DirectCall(*[getattr(call, name) for name in call.__struct_fields__[:-1]], end)
    (append,) = node.tell(f.DirectCallsMade([call]))
    assert isinstance(append, c.AppendFacts)
    assert [type(fact) for fact in append.facts] == [f.TasksSubmitted, f.TasksDispatched, f.TaskFinished]
    assert node.is_kept


@pytest.mark.parametrize("by_driver", [True, False])
def test_a_task_under_way_is_like_any_other_and_its_worker_too(by_driver: bool) -> None:
    node = KeptNode(cpus=1).keep()
    call = node.made()
    commands = node.tell(f.DirectCallsMade([call]), source=DRIVER if by_driver else node.worker)
    assert not assigned(commands)
    assert not node.is_kept
    assert not node.tell(f.DirectCallsMade([call]), source=node.worker if by_driver else DRIVER), "known"
    assert node.free_cpus == 0
    assert values(node.finish(call.task_id, node.worker), call.task_id) == [""]
    assert node.free_cpus == 1


def test_what_was_sent_to_a_worker_that_was_asked_back_first_is_submitted() -> None:
    """It never looks at it, and the driver learns that with the answer, or tells of it before."""
    node = KeptNode(cpus=1).keep()
    node.connect()
    node.submit_other(1)
    late = node.made()
    assert assigned(node.give_back()) == [(node.worker, [child(1, OTHER_ROOT)])]
    assert not assigned(node.tell(f.DirectCallsMade([late]))), "in line"
    assert assigned(node.finish(child(1, OTHER_ROOT), node.worker)) == [(node.worker, [late.task_id])]

    node = KeptNode(cpus=1).keep()
    node.connect()
    node.submit_other(1)
    early = node.made()
    node.tell(f.DirectCallsMade([early]))
    assert assigned(node.give_back()), "who submitted first"
    node.finish(child(1, OTHER_ROOT), node.worker)
    assert values(node.finish(early.task_id, node.worker), early.task_id) == [""]


def test_what_it_has_begun_stays_with_a_worker_that_is_asked_back() -> None:
    node = KeptNode(cpus=1).keep()
    node.connect()
    node.submit_other(1)
    call = node.made()
    node.tell(f.DirectCallsMade([call]))
    node.tell(f.DirectCallsMade([call]), source=node.worker)
    assert not assigned(node.give_back())
    assert assigned(node.finish(call.task_id, node.worker)) == [(node.worker, [child(1, OTHER_ROOT)])]


@pytest.mark.parametrize("was_told", [True, False])
def test_what_it_has_just_ended_does_not_run_again(was_told: bool) -> None:
    node = KeptNode(cpus=1).keep()
    node.connect()
    node.submit_other(1)
    call = node.made()
    commands = node.tell(f.DirectCallsMade([call])) if was_told else []
    commands += node.give_back(call.task_id)
    commands += [] if was_told else node.tell(f.DirectCallsMade([call]))
    assert assigned(commands) == [(node.worker, [child(1, OTHER_ROOT)])]
    assert values(commands, call.task_id) == [""]
    facts = [fact for each in commands if isinstance(each, c.AppendFacts) for fact in each.facts]
    assert [type(fact) for fact in facts if not isinstance(fact, f.TasksDispatched)] == [
        f.TasksSubmitted,
        f.TaskFinished,
    ]


@pytest.mark.parametrize("was_told", [True, False])
@pytest.mark.parametrize(("template", "end"), [(ONCE, "worker_crashed"), (ALWAYS, "")])
def test_a_task_that_was_with_a_dead_worker_may_have_run(template: TaskTemplate, end: str, was_told: bool) -> None:
    node = KeptNode(template=template).keep()
    call = node.made()
    commands = [] if was_told is False else node.tell(f.DirectCallsMade([call]))
    commands += node.exited()
    commands += [] if was_told else node.tell(f.DirectCallsMade([call]))
    if not end:
        commands += node.tick(10.0)
        ((worker, task_ids),) = assigned(commands)
        assert task_ids == [call.task_id]
        commands = node.finish(call.task_id, worker)
    assert values(commands, call.task_id) == [end]
    node.tell(f.JobEnded(DRIVER, JOB, node.at, ""), source=SHELL)
    assert not node.core._kept.died


def test_a_driver_that_goes_gives_back_what_is_kept() -> None:
    node = KeptNode(cpus=1).keep()
    assert asks_back(node.tell(f.JobEnded(DRIVER, JOB, node.at, ""), source=SHELL)) == [node.worker]
    node.give_back()
    assert node.core._pool.available["CPU"] == 10000
    node.exited()
    check_drained(node.core)


def test_what_a_driver_that_has_gone_left_running_is_cancelled() -> None:
    node = KeptNode(cpus=1).keep()
    call = node.made()
    node.tell(f.JobEnded(DRIVER, JOB, node.at, ""), source=SHELL)
    commands = node.tell(f.DirectCallsMade([call]), source=node.worker)
    assert c.Send(node.worker, c.InterruptTask(call.task_id)) in commands
    node.give_back()
    assert node.core._pool.available["CPU"] == 0
    node.tell(f.TaskCancelled(call.task_id, node.at, ""), source=node.worker)
    assert node.core._pool.available["CPU"] == 10000
    node.exited()
    check_drained(node.core)


# -- all three together, each as it says in `client/direct_line.py`


class DriverModel:
    """One thread that waits for each task, and another that says things to the node now and then."""

    def __init__(self, play: Play, client: ClientId, root: TaskId) -> None:
        self.play, self.client, self.root = play, client, root
        self.next = count(1)
        self.ticket = 0
        self.open: tuple[ClientId, int] | None = None
        self.over_line: f.DirectCall | None = None
        self.lone: TaskId | None = None
        self.calls: list[f.DirectCall] = []
        self.results: Counter[TaskId] = Counter()
        self.tasks: set[TaskId] = set()
        self.is_gone = False

    def take_spec(self) -> tuple[TaskId, TaskSpec]:
        spec = TaskSpec(next(self.next), ALWAYS.template_id)
        task = child(spec.index, self.root)
        self.tasks.add(task)
        return task, spec

    def say(self, *facts: f.Fact) -> None:
        told: list[f.Fact] = [f.DirectCallsMade(self.calls)] if self.calls else []
        self.calls = []
        self.play.to_node(self.client, [*told, *facts])

    def act(self, random: Random) -> None:
        if self.over_line is not None:
            if random.random() < 0.3:
                self.hand_over()
        elif self.lone is None:
            what = random.random()
            if what < 0.75:
                self.call(random)
            elif what < 0.9:
                pairs = [self.take_spec() for _ in range(random.randrange(1, 4))]
                self.leave(None)
                self.say(f.TasksSubmitted(self.root, 0.0, [spec for _, spec in pairs]))
        if random.random() < 0.2:
            self.say()

    def call(self, random: Random) -> None:
        task, spec = self.take_spec()
        self.read_lines()
        if self.open is not None:
            worker, ticket = self.open
            call = f.DirectCall(self.client, worker, self.root, 0.0, task, spec)
            if self.play.send_line(self.client, worker, ("sent", ticket, call)):
                self.calls.append(call)
                self.over_line = call
                return
        facts: list[f.Fact] = [f.TasksSubmitted(self.root, 0.0, [spec])]
        self.leave(None)
        if random.random() < 0.8:
            self.ticket = next(self.play.tickets)
            facts.append(f.DirectLineRequested(self.ticket, None, task, ADDRESS))
        self.lone = task
        self.say(*facts)

    def leave(self, ticket: int | None) -> None:
        self.open, self.ticket = None, ticket or 0

    def hand_over(self) -> None:
        call = self.over_line
        assert call is not None
        self.over_line, self.lone = None, call.task_id
        self.leave(None)
        self.say()
        self.play.send_line(self.client, call.worker_id, ("told", call.task_id))

    def read_lines(self) -> None:
        for (client, worker), messages in list(self.play.down.items()):
            while client == self.client and messages:
                self.on_message(worker, messages.popleft())

    def on_message(self, worker: ClientId, message: tuple) -> None:  # type: ignore[type-arg]
        call = self.over_line
        mine = call is not None and call.worker_id == worker
        if message[0] == "opened" and message[1] == self.ticket and self.lone is None:
            self.open, self.ticket = (worker, message[1]), 0
        elif message[0] == "shut" and self.open == (worker, message[1]):
            self.leave(None)
            if mine and call is not None:
                self.over_line, self.lone = None, call.task_id
                if call in self.calls:
                    self.calls.remove(call)
                    self.say(f.TasksSubmitted(self.root, 0.0, [call.spec]))
        elif mine and call is not None and (message[0] == "closed" or message == ("told", call.task_id)):
            self.hand_over()
        elif mine and call is not None and message[0] == "ended" and message[1].task_id == call.task_id:
            if call not in self.calls:
                self.hand_over()
                return
            self.calls.remove(call)
            fields = [getattr(call, name) for name in call.__struct_fields__[:-1]]
            self.calls.append(f.DirectCall(*fields, message[1]))
            self.over_line = None
            self.results[call.task_id] += 1
        if message[0] == "closed" and self.open is not None and self.open[0] == worker:
            self.leave(None)

    def on_command(self, command: c.ClientCommand) -> None:
        if isinstance(command, c.ObjectsReady):
            for object_id, value in command.objects:
                assert value.kind == VALUE.kind, decode_failure(value.data)
                task = TaskId(object_id[:16])
                self.results[task] += 1
                if task == self.lone:
                    self.lone = None


class WorkerModel:
    """Its main thread, and what another thread does when the node asks for its tasks."""

    def __init__(self, play: Play, client: ClientId) -> None:
        self.play, self.client = play, client
        self.queue: deque[TaskId] = deque()
        self.running: TaskId | None = None
        self.is_cancelled = False
        self.tickets: dict[ClientId, int] = {}
        self.under_way: dict[TaskId, f.DirectCall] = {}
        self.calls: list[f.DirectCall] = []
        self.ended: dict[ClientId, tuple[f.DirectCall, f.TaskFinished]] = {}

    def say(self, *facts: f.Fact) -> None:
        told: list[f.Fact] = [f.DirectCallsMade(self.calls)] if self.calls else []
        self.calls = []
        if told or facts:
            self.play.to_node(self.client, [*told, *facts])

    def act(self, random: Random) -> None:
        if self.running is not None and random.random() < 0.7:
            self.end()
        elif self.running is None and random.random() < 0.5:
            self.read_lines()
        elif self.running is None and self.queue:
            self.running, self.is_cancelled = self.queue.popleft(), False
            self.play.runs[self.running] += 1
        if random.random() < 0.1:
            self.say()

    def end(self) -> None:
        task, self.running = self.running, None
        assert task is not None
        call = self.under_way.pop(task, None)
        end = f.TaskFinished(task, 0.0, 0.0, (VALUE,))
        if self.is_cancelled:
            if call is not None:
                self.play.reply(call.caller, self.client, ("told", task))
            self.say(f.TaskCancelled(task, 0.0, ""))
        elif call is None:
            self.say(end)
        elif call in self.calls:
            self.calls.remove(call)
            self.ended[call.caller] = call, end
            self.play.reply(call.caller, self.client, ("ended", end))
        else:
            self.play.reply(call.caller, self.client, ("told", task))
            self.say(end)

    def read_lines(self) -> None:
        for (client, worker), messages in list(self.play.up.items()):
            while worker == self.client and messages:
                message = messages.popleft()
                if message[0] == "sent":
                    if self.tickets.get(client) == message[1]:
                        call = message[2]
                        self.under_way[call.task_id] = call
                        self.calls.append(call)
                        self.queue.appendleft(call.task_id)
                elif self.under_way.pop(message[1], None) is None:
                    call, end = self.ended.get(client, (None, None))
                    if call is not None and end is not None and call.task_id == message[1]:
                        del self.ended[client]
                        self.say(f.DirectCallsMade([call]), end)

    def on_command(self, command: c.ClientCommand) -> None:
        if isinstance(command, c.TasksAssigned):
            self.queue.extend(TaskId(task.task_id) for task in command.tasks)
        elif isinstance(command, c.OpenDirectLine):
            self.tickets[command.caller] = command.ticket
            self.play.reply(command.caller, self.client, ("opened", command.ticket))
        elif isinstance(command, c.InterruptTask):
            if self.running == command.task_id:
                self.is_cancelled = True
            elif command.task_id in self.queue:
                self.queue.remove(TaskId(command.task_id))
                call = self.under_way.pop(TaskId(command.task_id), None)
                if call is not None:
                    self.play.reply(call.caller, self.client, ("told", call.task_id))
                self.say(f.TaskCancelled(TaskId(command.task_id), 0.0, ""))
        elif isinstance(command, c.ReturnTasks):
            returned = list(self.queue)
            self.queue.clear()
            for task, call in self.under_way.items():
                self.play.reply(call.caller, self.client, ("told", task))
            self.under_way.clear()
            for client, ticket in self.tickets.items():
                self.play.reply(client, self.client, ("shut", ticket))
            self.tickets.clear()
            shut = f.DirectLinesShut([end for _, end in self.ended.values()])
            self.ended.clear()
            self.say(shut, f.TasksReturned(self.client, 0.0, returned))


class Play:
    """The node, its drivers and workers, and what is on its way between them: in order on each way, and else anyhow."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.node = Node(self.random.choice((1, 2, 3)))
        self.node.register(ALWAYS)
        self.node.tell(f.JobStarted(OTHER, OTHER_JOB, OTHER_ROOT, 0.0, 2, "test"), source=SHELL)
        self.tickets = count(1)
        self.next_client = count(100)
        self.runs: Counter[TaskId] = Counter()
        self.died: Counter[TaskId] = Counter()
        self.drivers = {DRIVER: DriverModel(self, DRIVER, ROOT), OTHER: DriverModel(self, OTHER, OTHER_ROOT)}
        self.workers = {client: WorkerModel(self, client) for client in self.node.workers}
        self.inbox: dict[ClientId, deque[list[f.Fact]]] = {}
        self.commands: dict[ClientId, deque[c.ClientCommand]] = {}
        self.up: dict[tuple[ClientId, ClientId], deque[tuple]] = {}  # type: ignore[type-arg]
        self.down: dict[tuple[ClientId, ClientId], deque[tuple]] = {}  # type: ignore[type-arg]

    def to_node(self, client: ClientId, facts: list[f.Fact]) -> None:
        if facts:
            self.inbox.setdefault(client, deque()).append(facts)

    def send_line(self, client: ClientId, worker: ClientId, message: tuple) -> bool:  # type: ignore[type-arg]
        if worker not in self.workers:
            return False
        self.up.setdefault((client, worker), deque()).append(message)
        return True

    def reply(self, client: ClientId, worker: ClientId, message: tuple) -> None:  # type: ignore[type-arg]
        self.down.setdefault((client, worker), deque()).append(message)

    def handle(self, source: ClientId, facts: list[f.Fact]) -> None:
        # As `node/loop.py` does.
        ahead = self.node.core.ahead(facts, source)
        if ahead is not None:
            self.perform([ahead])
        if facts and isinstance(facts[0], f.DirectCallsMade):
            self.perform(self.node.tell(facts.pop(0), source=source))
        if facts:
            self.perform(self.node.tell(*facts, source=source))

    def perform(self, commands: list[c.Command]) -> None:
        for each in commands:
            if isinstance(each, c.Send):
                self.commands.setdefault(each.client_id, deque()).append(each.command)
            elif isinstance(each, c.KillWorker):
                self.die(each.worker_id)
            elif isinstance(each, c.StartWorkers):
                for _ in range(each.count):
                    client = ClientId(next(self.next_client))
                    self.workers[client] = WorkerModel(self, client)
                    self.handle(SHELL, [f.WorkerStarted(client, self.node.at, 100)])

    def die(self, client: ClientId) -> None:
        worker = self.workers.pop(client, None)
        if worker is None:
            return
        for facts in self.inbox.pop(client, ()):
            self.handle(client, facts)
        if worker.running is not None:
            self.died[worker.running] += 1
        for call, _ in worker.ended.values():
            self.died[call.task_id] += 1  # its driver may not have been told that it has run
        for driver in self.drivers:
            self.up.pop((driver, client), None)
            self.reply(driver, client, ("closed",))
        self.handle(SHELL, [f.WorkerExited(client, self.node.at, 0, 9)])

    def step(self, is_ending: bool) -> bool:
        """Something happens; False when nothing was left to happen."""
        ways: list[Callable[[], object]] = []
        for client, frames in self.inbox.items():
            if frames:
                ways.append(lambda client=client, frames=frames: self.handle(client, frames.popleft()))  # type: ignore[misc]
        for client, commands in self.commands.items():
            model = self.drivers.get(client) or self.workers.get(client)
            if model is None:
                commands.clear()
            elif commands:
                ways.append(lambda model=model, commands=commands: model.on_command(commands.popleft()))  # type: ignore[misc]
        for worker in self.workers.values():
            has_mail = any(messages for (_, to), messages in self.up.items() if to == worker.client)
            if worker.running is not None or worker.queue or has_mail or (not is_ending and self.random.random() < 0.1):
                ways.append(lambda worker=worker: worker.act(self.random))  # type: ignore[misc]
        for driver in self.drivers.values():
            if driver.is_gone:
                continue
            has_mail = any(messages for (to, _), messages in self.down.items() if to == driver.client)
            if has_mail and (driver.over_line is not None or is_ending):
                ways.append(driver.read_lines)
            if not is_ending:
                ways.append(lambda driver=driver: driver.act(self.random))  # type: ignore[misc]
        if not ways:
            return False
        self.node.at += 0.001
        self.random.choice(ways)()
        if self.random.random() < 0.02:
            self.handle(SHELL, [f.ClockTicked(self.node.at)])
        return True

    def leave(self, driver: DriverModel) -> None:
        """Killed: what it has not said it never will."""
        driver.is_gone = True
        self.inbox.pop(driver.client, None)
        for key in [key for key in self.up if key[0] == driver.client]:
            del self.up[key]
        job = JOB if driver.client == DRIVER else OTHER_JOB
        self.handle(SHELL, [f.JobEnded(driver.client, job, self.node.at, "")])


@pytest.mark.parametrize("seed", range(300))
def test_whatever_is_under_way_no_task_is_lost_or_runs_twice(seed: int) -> None:
    play = Play(seed)
    random = play.random
    is_deadly, is_left = seed % 3 == 1, seed % 3 == 2
    for _ in range(400):
        play.step(is_ending=False)
        if is_deadly and random.random() < 0.02 and play.workers:
            play.die(random.choice(list(play.workers)))
        if is_left and random.random() < 0.01 and not play.drivers[OTHER].is_gone:
            play.leave(play.drivers[OTHER])
    for driver in play.drivers.values():
        if driver.over_line is None and not driver.is_gone:
            driver.say()
    for _ in range(5):
        while play.step(is_ending=True):
            pass
        play.node.at += 10.0  # retries pause
        play.handle(SHELL, [f.ClockTicked(play.node.at)])
    for driver in play.drivers.values():
        if not driver.is_gone:
            driver.say()
            assert driver.results == dict.fromkeys(driver.tasks, 1)
            for task in driver.tasks:
                assert 1 <= play.runs[task] <= 1 + play.died[task]
    while play.step(is_ending=True):
        pass
    held: dict[ClientId, list[ObjectId]] = {}
    for client in (DRIVER, OTHER):
        entry = play.node.core._clients.get(client)
        held[client] = list(entry.held) if entry is not None else []
        if held[client]:
            play.handle(client, [f.ObjectsReleased(held[client])])
    while play.step(is_ending=True):
        pass
    for client, driver in play.drivers.items():
        if not driver.is_gone:
            play.leave(play.drivers[client])
    while play.step(is_ending=True):
        pass
    assert not play.node.core._workers.kept
    check_drained(play.node.core)

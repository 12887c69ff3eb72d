"""Small records for the tests of single parts of the core, and a node with names for the tests of its whole."""

from __future__ import annotations

from cellray.config import Config
from cellray.core.invariants import check
from cellray.core.node_scheduler import NodeScheduler
from cellray.core.ready_queue import ReadyQueue
from cellray.core.tasks import Job, Task, Template
from cellray.ids import (
    ClientId,
    FunctionHash,
    JobId,
    NodeId,
    ObjectId,
    TaskId,
    child_task_id,
    children_prefix,
    return_object_id,
    root_task_id,
)
from cellray.model import fact as f
from cellray.model.command import Command, Send, TasksAssigned
from cellray.model.object import ObjectValue, ValueKind
from cellray.model.task import Function, TaskSpec, TaskTemplate, make_resources, make_template

ONE_CPU = make_resources({"CPU": 1})


def make_job(client: int = 1) -> Job:
    """A job of the driver with this client id."""
    return Job(ClientId(client), JobId(client.to_bytes(4, "big")), TaskId(b"r" * 16))


def make_task_template(name: str = "f", queue: ReadyQueue | None = None, **options: int | bool | str) -> Template:
    """A template of one CPU."""
    spec = make_template(FunctionHash(b"f" * 16), name, ONE_CPU, **options)  # type: ignore[arg-type]
    return Template(spec, queue or ReadyQueue(ONE_CPU))


def make_task(
    index: int,
    template: Template | None = None,
    job: Job | None = None,
    dependencies: tuple[ObjectId, ...] = (),
    contained: tuple[ObjectId, ...] = (),
) -> Task:
    """A task in its first state, without returns."""
    template = template or make_task_template()
    spec = TaskSpec(index, template.spec.template_id, b"", dependencies, contained)
    task_id = child_task_id(b"p" * 12, index)
    return Task(task_id, spec, template, ClientId(1), job or make_job(), None, index, 0.0, ())


SHELL, DRIVER = ClientId(0), ClientId(1)
JOB = JobId(b"job1")
ROOT = root_task_id(JOB)
VALUE = ObjectValue(ValueKind.INLINE, b"v")
F = make_template(FunctionHash(b"f" * 16), "f", ONE_CPU)


class Node:
    """A core with a driver (client 1) and `cpus` workers (clients 2 and up); invariants are checked at each step."""

    def __init__(self, cpus: int = 1, arena_bytes: int = 1 << 20, **limits: float) -> None:
        self.core = NodeScheduler(NodeId("n"), make_resources({"CPU": cpus}), arena_bytes, Config(**limits))  # type: ignore[arg-type]
        self.at = 0.0
        self.workers = [self.add_worker(2 + index) for index in range(cpus)]
        self.tell(f.JobStarted(DRIVER, JOB, ROOT, 0.0, 1, "test"), source=SHELL)
        self.register(F)

    def tell(self, *facts: f.Fact, source: ClientId = DRIVER) -> list[Command]:
        commands = self.core.handle(facts, source, self.at)
        check(self.core)
        return commands

    def add_worker(self, client: int) -> ClientId:
        self.tell(f.WorkerStarted(ClientId(client), self.at, 100 + client), source=SHELL)
        return ClientId(client)

    def register(self, template: TaskTemplate) -> None:
        function = Function(template.function_hash, template.name, "m", "", b"")
        self.tell(f.FunctionRegistered(function, 0.0), f.TemplateRegistered(template, 0.0))

    def submit(
        self,
        *indices: int,
        parent: TaskId = ROOT,
        source: ClientId = DRIVER,
        template: TaskTemplate = F,
        dependencies: tuple[ObjectId, ...] = (),
    ) -> list[Command]:
        specs = [TaskSpec(index, template.template_id, b"", dependencies) for index in indices]
        return self.tell(f.TasksSubmitted(parent, self.at, specs), source=source)

    def finish(self, task: TaskId, worker: ClientId, value: ObjectValue = VALUE) -> list[Command]:
        return self.tell(f.TaskFinished(task, self.at, self.at, (value,)), source=worker)

    def tick(self, at: float) -> list[Command]:
        self.at = at
        return self.tell(f.ClockTicked(at), source=SHELL)


def child(index: int, parent: TaskId = ROOT) -> TaskId:
    """The id of a parent's task."""
    return child_task_id(children_prefix(parent), index)


def result(task: TaskId) -> ObjectId:
    """The id of a task's first return."""
    return return_object_id(task, 0)


def assigned(commands: list[Command]) -> list[tuple[ClientId, list[TaskId]]]:
    """Which worker got which tasks."""
    return [
        (command.client_id, [TaskId(task.task_id) for task in command.command.tasks])
        for command in commands
        if isinstance(command, Send) and isinstance(command.command, TasksAssigned)
    ]

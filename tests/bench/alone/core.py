"""What the node's core alone costs for an empty task: submitted in batches, dispatched, finished, released."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Sequence

from cellray.config import Config
from cellray.core.node_scheduler import NodeScheduler
from cellray.ids import ClientId, FunctionHash, JobId, NodeId, TaskId, root_task_id
from cellray.model import fact as f
from cellray.model.command import ObjectsReady, Send, TasksAssigned
from cellray.model.object import ObjectValue
from cellray.model.task import Function, TaskSpec, TaskState, TaskTemplate, make_resources, make_template

BATCH = 512
RUN_S = 5e-6
WORKERS = 2
BACKLOG_FRAMES = 8
"""The driver is this many frames ahead of the workers."""
RESULT = (ObjectValue(0, b"x"),)
ROOT = root_task_id(JobId(b"jobb"))
DRIVER = ClientId(1)


class Bench:
    """A node's core, with clients that answer at once; `spent` is core time by what was handled."""

    def __init__(self) -> None:
        self.core = NodeScheduler(NodeId("n"), make_resources({"CPU": WORKERS}), 1 << 20, Config())
        self.spent: Counter[str] = Counter()
        self.sends: deque[Send] = deque()
        self.at = 0.0
        for worker in range(WORKERS):
            self.handle("start", [f.WorkerStarted(ClientId(2 + worker), 0.0, 100)], ClientId(0))
        self.handle("start", [f.JobStarted(DRIVER, JobId(b"jobb"), ROOT, 0.0, 1, "bench")], ClientId(0))
        content = FunctionHash(b"f" * 16)
        self.template: TaskTemplate = make_template(content, "empty", make_resources({"CPU": 1}))
        function = Function(content, "empty", "m", "", b"")
        self.handle("start", [f.FunctionRegistered(function, 0.0), f.TemplateRegistered(self.template, 0.0)], DRIVER)

    def handle(self, kind: str, facts: Sequence[f.Fact], source: ClientId) -> None:
        """One timed call."""
        begin = time.perf_counter()
        commands = self.core.handle(facts, source, self.at)
        self.spent[kind] += time.perf_counter() - begin
        self.sends.extend(command for command in commands if isinstance(command, Send))

    def run(self, tasks: int) -> dict[str, float]:
        """Microseconds of core time a task, by kind of frame."""
        self.spent.clear()
        template_id = self.template.template_id
        for start in range(0, tasks, BATCH):
            specs = [TaskSpec(index, template_id) for index in range(start, start + BATCH)]
            self.handle("submit", [f.TasksSubmitted(ROOT, self.at, specs)], DRIVER)
            while self.core.status.ready_count > BACKLOG_FRAMES * BATCH:
                self.answer()
        while self.sends:
            self.answer()
        count = self.core.status.counts()[TaskState.FINISHED]
        assert self.core.status.object_count == 0
        return {kind: seconds / count * 1e6 for kind, seconds in self.spent.items()}

    def answer(self) -> None:
        """The oldest command is carried out by its client."""
        self.at += 1e-3
        send = self.sends.popleft()
        if isinstance(send.command, TasksAssigned):
            done = [
                f.TaskFinished(TaskId(task.task_id), self.at, self.at + RUN_S, RESULT) for task in send.command.tasks
            ]
            self.handle("finish+dispatch", done, send.client_id)
        elif isinstance(send.command, ObjectsReady):
            self.handle("release", [f.ObjectsReleased([object_id for object_id, _ in send.command.objects])], DRIVER)

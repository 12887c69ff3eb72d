"""What the node's core alone costs for an empty task: submitted in batches, dispatched, finished, released.

`make bench` includes it; alone, with and without the garbage collector: `.venv/bin/python -m tests.bench.bench_core`.
Figures are of this machine only; to compare two commits, run both in turn on one machine.
"""

from __future__ import annotations

import gc
import time

from cellray.config import Config
from cellray.core import NodeScheduler
from cellray.ids import ClientId, FunctionHash, JobId, NodeId, root_task_id
from cellray.model import fact as f
from cellray.model.command import Send, TasksAssigned
from cellray.model.object import ObjectValue
from cellray.model.task import Function, TaskSpec, make_resources, make_template

TASKS = 400_000
BATCH = 512
RUN_S = 10e-6
WORKERS = 2


def prepare() -> tuple[NodeScheduler, f.TasksSubmitted]:
    """A node with workers and a driver, whose template's cost is known; and a fact without tasks to copy from."""
    core = NodeScheduler(NodeId("n"), make_resources({"CPU": WORKERS}), 1 << 20, Config())
    root = root_task_id(JobId(b"jobb"))
    shell: list[f.Fact] = [f.WorkerStarted(ClientId(2 + i), 0.0, 100 + i) for i in range(WORKERS)]
    core.handle([*shell, f.JobStarted(ClientId(1), JobId(b"jobb"), root, 0.0, 1, "bench")], ClientId(0), 0.0)
    content = FunctionHash(b"f" * 16)
    template = make_template(content, "empty", make_resources({"CPU": 1}))
    registered = [
        f.FunctionRegistered(Function(content, "empty", "m", "", b""), 0.0),
        f.TemplateRegistered(template, 0.0),
    ]
    core.handle(registered, ClientId(1), 0.0)
    return core, f.TasksSubmitted(root, 0.0, [TaskSpec(0, template.template_id)])


def run(core: NodeScheduler, sample: f.TasksSubmitted, tasks: int = TASKS) -> float:
    """Microseconds of core time a task."""
    value = (ObjectValue(0, b"x"),)
    template_id = sample.tasks[0].template_id
    frames = [
        f.TasksSubmitted(sample.parent_id, 0.0, [TaskSpec(i, template_id) for i in range(start, start + BATCH)])
        for start in range(0, tasks, BATCH)
    ]
    at = 0.0
    spent = 0.0
    pending: list[Send] = []

    def handle(facts: list[f.Fact], source: int) -> None:
        nonlocal spent
        begin = time.perf_counter()
        commands = core.handle(facts, ClientId(source), at)
        spent += time.perf_counter() - begin
        pending.extend(command for command in commands if isinstance(command, Send))

    def drain(limit: int) -> None:
        nonlocal at
        for _ in range(limit):
            if not pending:
                return
            at += 1e-3
            send = pending.pop(0)
            if isinstance(send.command, TasksAssigned):
                done: list[f.Fact] = [
                    f.TaskFinished(task.task_id, at, at + RUN_S, value)
                    for task in send.command.tasks  # type: ignore[arg-type]
                ]
                handle(done, send.client_id)
            else:
                handle([f.ObjectsReleased([object_id for object_id, _ in send.command.objects])], 1)  # type: ignore[union-attr]

    for frame in frames:
        handle([frame], 1)
        drain(6)
    drain(10 * tasks)
    assert core.status.counts()[3] == len(frames) * BATCH  # type: ignore[index]
    return spent / (len(frames) * BATCH) * 1e6


if __name__ == "__main__":
    for collector in (True, False):
        gc.enable() if collector else gc.disable()
        figures = [run(*prepare()) for _ in range(3)]
        print(
            f"gc {'on ' if collector else 'off'}: best {min(figures):.2f} of {[round(x, 2) for x in figures]} us/task"
        )

"""What watching costs: facts folded a second, and the price of a delta at the limit of what is drawn one by one."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

from cellray.config import Config
from cellray.gcs.memory import MemoryLog, MemoryLogReader
from cellray.ids import ClientId, FunctionHash, JobId, TaskId, child_task_id, children_prefix, root_task_id
from cellray.model import fact as f
from cellray.model.fact import decode_facts, encode_facts
from cellray.model.object import ObjectValue
from cellray.model.task import Cell, TaskSpec, make_template
from cellray.observe import GraphView, Lineage, LogFold, LogFollower

BATCH = 512
ROOT = root_task_id(JobId(b"jobb"))
PREFIX = children_prefix(ROOT)
TEMPLATE = make_template(FunctionHash(b"f" * 16), "empty", (("CPU", 10_000),), cell=Cell("k", "c", 1))
VALUE = (ObjectValue(0, b"x"),)


def records(tasks: int) -> list[list[f.Fact]]:
    """A log of `tasks` empty tasks: submitted, dispatched to four workers and finished, in batches."""
    head: list[f.Fact] = [
        f.JobStarted(ClientId(1), JobId(b"jobb"), ROOT, 1.0, 1, "bench"),
        f.TemplateRegistered(TEMPLATE, 1.0),
    ]
    made = [head]
    for start in range(0, tasks, BATCH):
        at = 1.0 + start * 1e-5
        size = min(BATCH, tasks - start)
        ids = [child_task_id(PREFIX, start + n) for n in range(size)]
        specs = [TaskSpec(start + n, TEMPLATE.template_id, b"args") for n in range(size)]
        made.append([f.TasksSubmitted(ROOT, at, specs)])
        made.append([f.TasksDispatched(ClientId(10 + n), at, ids[n::4]) for n in range(4)])
        made.append([f.TaskFinished(TaskId(each), at, at + 1e-5, VALUE) for each in ids])
    return made


def best_of(repeats: int, run: Callable[[], object]) -> float:
    """Seconds of the fastest run."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times)


def fold_all(batches: list[list[f.Fact]]) -> LogFold:
    fold = LogFold()
    for batch in batches:
        fold.apply(batch, 0, "n")
    return fold


def view_of(fold: LogFold, config: Config) -> GraphView:
    follower = LogFollower(MemoryLogReader(MemoryLog()), fold)
    follower.close()
    return GraphView(follower, config=config)


def measure(tasks: int) -> dict[str, float]:
    """All of it, for a log of so many tasks."""
    batches = records(tasks)
    frames = [encode_facts(batch) for batch in batches]
    # The facts held here for repetition are not what a follower holds: the collector must not walk them.
    gc.freeze()
    folded_s = best_of(2, lambda: fold_all([decode_facts(frame) for frame in frames]))
    fold = fold_all(batches)
    view = view_of(fold, Config())
    view.next_delta(fold.take_changes())
    for record in fold.tasks.values():
        fold.ledger.move(record, record.state)
    changes = fold.take_changes()
    return {
        "fold_s": folded_s / tasks,
        "boxes_delta_s": best_of(3, lambda: view.next_delta(changes)),
        "lineage_s": best_of(2, lambda: Lineage(fold)) / tasks,
        **delta_costs(),
    }


def delta_costs() -> dict[str, float]:
    """A delta in which every one of the tasks drawn changed, and a snapshot of them."""
    config = Config()
    fold = LogFold()
    view = view_of(fold, config)
    for batch in records(config.view_tasks_max)[:-1]:
        fold.apply(batch, 0, "n")
    view.next_delta(fold.take_changes())
    for record in fold.tasks.values():
        fold.ledger.move(record, record.state)
    changes = fold.take_changes()
    return {
        "tasks_delta_s": best_of(1, lambda: view.next_delta(changes)),
        "snapshot_s": best_of(3, view.snapshot),
    }

"""How ready tasks are spread; the rest of the dispatcher is in the transcripts and the simulator."""

from __future__ import annotations

import math

import pytest
from cellray.core.dispatcher import RECLAIM_SOON_S, spread
from cellray.core.workers import Worker
from cellray.ids import ClientId, FunctionHash
from cellray.model import fact as f
from cellray.model.command import ReturnTasks, Send, StartWorkers
from cellray.model.task import make_template
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.kit import ONE_CPU, Node, assigned, child, make_task


def make_workers(lengths: list[int]) -> list[Worker]:
    workers = []
    for index, length in enumerate(lengths):
        worker = Worker(ClientId(index + 1), 0)
        worker.queue.extend(make_task(i) for i in range(length))
        workers.append(worker)
    return workers


@given(st.integers(1, 200), st.lists(st.integers(0, 40), min_size=1, max_size=8))
def test_all_is_given_and_nobody_idles_beside_a_backlog(ready: int, lengths: list[int]) -> None:
    shares = spread(ready, make_workers(lengths))
    given_out = [target - len(worker.queue) for worker, target in shares]
    assert sum(given_out) == ready
    assert all(count >= 0 for count in given_out)
    targets = [target for _, target in shares]
    assert max(targets) - min(targets) <= 1
    left_out = sorted(lengths)[len(shares) :]
    assert all(length > min(targets) for length in left_out), "who gets nothing has more than its share"


def test_idle_workers_come_first() -> None:
    workers = make_workers([10, 0, 0])
    assert spread(5, workers) == [(workers[1], 3), (workers[2], 2)]


def test_what_waits_behind_a_long_task_gets_a_new_worker_when_another_waits_in_get() -> None:
    """One task is long, one blocks in `get` and lends its CPU out; a third had been queued behind the long one."""
    node = Node(cpus=2)
    short = make_template(FunctionHash(b"s" * 16), "short", ONE_CPU)
    node.register(short)
    node.submit(0, template=short)
    node.finish(child(0), node.workers[1])  # it is known to take no time
    node.submit(1)
    node.submit(2)
    node.submit(3, template=short)
    blocking, long = [worker for worker in node.core._workers.workers.values() if worker.queue]
    if len(blocking.queue) > 1:
        blocking, long = long, blocking
    node.tell(f.WorkerBlocked(blocking.client_id, node.at), source=blocking.client_id)
    commands = node.tick(1.0)
    assert Send(long.client_id, ReturnTasks()) in commands
    commands = node.tell(f.TasksReturned(long.client_id, 1.0, [child(3)]), source=long.client_id)
    assert StartWorkers(1) in commands
    node.add_worker(9)
    assert node.core.status.ready_count == 0


def test_an_idle_worker_takes_from_behind_a_task_that_was_to_be_short() -> None:
    """As soon as it is seen that it is not."""
    node = Node(cpus=2)
    node.submit(0)
    node.finish(child(0), node.workers[1])  # it is known to take no time
    node.at = 1.0
    tasks = dict(assigned(node.submit(1, 2, 3, 4)))
    busy, done = node.workers
    for task in tasks[done]:
        commands = node.finish(task, done)
    assert Send(busy, ReturnTasks()) not in commands
    assert node.core.look_at == pytest.approx(1.0 + RECLAIM_SOON_S)
    assert Send(busy, ReturnTasks()) not in node.tick(node.core.look_at - 0.001)
    assert Send(busy, ReturnTasks()) in node.tick(node.core.look_at + 0.001)
    assert node.core.look_at == math.inf
    returned = f.TasksReturned(busy, node.at, tasks[busy][1:])
    assert assigned(node.tell(returned, source=busy)) == [(done, tasks[busy][1:])]

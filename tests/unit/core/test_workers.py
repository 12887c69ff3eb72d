"""The table of workers: who is idle, how many start."""

from __future__ import annotations

from cellray.config import Config
from cellray.core.workers import Worker, WorkerTable
from cellray.ids import ClientId

from tests.unit.core.kit import make_task


def make_table(cpus: int = 2, **limits: int) -> tuple[WorkerTable, list[Worker]]:
    table = WorkerTable(cpus, Config(**limits))
    workers = [Worker(ClientId(index + 1), 100 + index) for index in range(cpus)]
    for worker in workers:
        table.add(worker)
    return table, workers


def test_the_shell_starts_the_first_ones() -> None:
    table = WorkerTable(3, Config())
    assert (table.starting, table.short) == (3, 3)
    assert table.startable(2, 0.0) == 0, "they are on their way"
    assert table.startable(5, 0.0) == 2


def test_no_more_than_the_limit() -> None:
    table, workers = make_table(2, workers_max=3)
    assert table.startable(10, 0.0) == 1
    assert table.startable(10, 0.0) == 0
    table.add(Worker(ClientId(9), 9))
    for worker in table.workers.values():
        assert not table.exhausted
        table.set_blocked(worker, True)
    assert table.exhausted
    table.set_blocked(workers[0], False)
    assert not table.exhausted


def test_a_worker_that_did_not_start_is_not_replaced_at_once() -> None:
    table = WorkerTable(1, Config())
    table.start_failed(10.0)
    assert table.startable(1, 10.1) == 0
    assert table.startable(1, 10.3) == 1
    for _ in range(30):
        table.start_failed(20.0)
    assert table.startable(1, 29.0) == 0
    assert table.startable(1, 31.0) == 1, "the pause has an end"


def test_only_open_workers_without_tasks_are_idle() -> None:
    table, (first, second) = make_table()
    assert list(table.idle) == [first, second]
    table.set_blocked(first, True)
    assert (first.open, list(table.idle)) == (False, [second])
    table.set_blocked(first, False)
    assert list(table.idle) == [second, first]
    second.queue.append(make_task(0))
    table.settle(second)
    assert (second.open, list(table.idle)) == (True, [first])
    first.ending = True
    table.settle(first)
    assert not table.idle
    table.remove(first)
    assert table.short == 1


def test_surplus_is_what_exceeds_base_and_reserve() -> None:
    table, workers = make_table(2, workers_spare_max=3)
    for index in range(2):
        table.add(Worker(ClientId(10 + index), 200))
    assert table.surplus() == workers[:1], "four idle, three kept"
    table, _ = make_table(2, workers_spare_max=0)
    assert table.surplus() == [], "never below the base"


def test_taking_out_the_head_starts_the_next() -> None:
    worker = Worker(ClientId(1), 1)
    tasks = [make_task(index) for index in range(4)]
    worker.queue.extend(tasks)
    worker.head_since, worker.head_reported = 1.0, True
    worker.take_out(tasks[3], 2.0)
    worker.take_out(tasks[1], 2.0)
    assert (worker.head_since, worker.head_reported) == (1.0, True)
    worker.take_out(tasks[0], 3.0)
    assert (worker.head_since, worker.head_reported) == (3.0, False)
    assert list(worker.queue) == [tasks[2]]


def test_who_is_idle_for_an_environment() -> None:
    table, (one, two, three) = make_table(3)
    assert table.take_idle("E") is three, "with one environment only, whoever became idle last"
    table.is_mixed = True
    assert three.environment == "E"
    assert table.has_idle("E"), "those that have run nothing will do"
    assert table.take_idle("F") is two
    table.settle(three)
    assert table.take_idle("E") is three, "who has it already is preferred"
    assert table.take_idle("E") is one
    table.settle(two)
    assert not table.has_idle("E")
    assert table.take_idle("E") is None
    assert table.has_idle("F")
    assert table.moving("F") == 1
    assert table.moving("E") == 2


def test_who_makes_room_when_no_worker_may_be_started() -> None:
    table, workers = make_table(2, workers_max=3)
    assert table.in_the_way() is None, "there is room"
    table.add(Worker(ClientId(9), 9))
    assert table.in_the_way() is workers[0]
    workers[0].retired = True
    assert table.in_the_way() is None, "one at a time"

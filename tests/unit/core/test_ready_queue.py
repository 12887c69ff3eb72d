"""Ready tasks of one shape: in order within a job, jobs in turn."""

from __future__ import annotations

import pytest
from cellray.core.ready_queue import ReadyQueue
from cellray.core.tasks import Job, Task, Template
from cellray.core.transitions import CANCELLED, READY
from cellray.errors import InternalError

from tests.unit.core.kit import ONE_CPU, make_job, make_task, make_task_template


def ready(queue: ReadyQueue, index: int, template: Template, job: Job) -> Task:
    task = make_task(index, template, job)
    task.state = READY
    queue.push(task)
    return task


def drain(queue: ReadyQueue, limit: int) -> list[list[int]]:
    batches = []
    while queue.count:
        batches.append([task.order for task in queue.take(limit)])
    assert not queue.by_job
    return batches


def test_batches_in_order() -> None:
    queue, template, job = ReadyQueue(ONE_CPU), make_task_template(), make_job()
    for index in range(5):
        ready(queue, index, template, job)
    assert drain(queue, 2) == [[0, 1], [2, 3], [4]]


def test_a_batch_has_one_template() -> None:
    queue, job = ReadyQueue(ONE_CPU), make_job()
    f, g = make_task_template("f"), make_task_template("g")
    for index, template in enumerate((f, f, g, f)):
        ready(queue, index, template, job)
    assert drain(queue, 10) == [[0, 1], [2], [3]]


def test_retried_tasks_end_a_batch() -> None:
    queue, template, job = ReadyQueue(ONE_CPU), make_task_template(), make_job()
    for index in range(3):
        ready(queue, index, template, job).attempt = int(index == 1)
    assert drain(queue, 10) == [[0], [1, 2]]


def test_jobs_take_turns() -> None:
    queue, template = ReadyQueue(ONE_CPU), make_task_template()
    first, second = make_job(1), make_job(2)
    for index in range(4):
        ready(queue, index, template, first)
    for index in range(10, 12):
        ready(queue, index, template, second)
    assert drain(queue, 10) == [[0], [10], [1], [11], [2, 3]]


def test_cancelled_tasks_are_passed_over() -> None:
    queue, template, job = ReadyQueue(ONE_CPU), make_task_template(), make_job()
    tasks = [ready(queue, index, template, job) for index in range(4)]
    for index in (0, 2, 3):
        tasks[index].state = CANCELLED
        queue.withdraw()
    assert drain(queue, 10) == [[1]]


def test_given_back_tasks_come_first() -> None:
    queue, template, job = ReadyQueue(ONE_CPU), make_task_template(), make_job()
    ready(queue, 5, template, job)
    for index in (4, 3):
        task = make_task(index, template, job)
        task.state = READY
        queue.push_front(task)
    assert drain(queue, 10) == [[3, 4, 5]]


def test_an_empty_queue_has_no_head() -> None:
    with pytest.raises(InternalError):
        ReadyQueue(ONE_CPU).head()

"""Cancelling with descendants; single tasks are in the transcripts."""

from __future__ import annotations

from cellray.core.cancellation import descendants
from cellray.model import fact as f
from cellray.model.command import InterruptTask, Send
from cellray.model.task import TaskState

from tests.unit.core.kit import Node, assigned, child


def test_descendants_come_after_their_parents() -> None:
    node = Node(cpus=2)
    ((worker, _),) = assigned(node.submit(0))
    ((second, _),) = assigned(node.submit(0, 1, parent=child(0), source=worker))
    node.submit(5, parent=child(0, child(0)), source=second)
    found = [task.task_id for task in descendants(node.core._tasks.tasks[child(0)])]
    assert found == [child(0), child(0, child(0)), child(1, child(0)), child(5, child(0, child(0)))]


def test_recursive_or_not() -> None:
    for recursive, cancelled in ((False, 0), (True, 2)):
        node = Node(cpus=1)
        ((worker, _),) = assigned(node.submit(0))
        node.submit(0, 1, parent=child(0), source=worker)
        commands = node.tell(f.CancelRequested([child(0)], 0.0, recursive=recursive))
        assert Send(worker, InterruptTask(child(0))) in commands
        assert node.core.status.counts()[TaskState.CANCELLED] == cancelled


def test_a_second_request_does_not_interrupt_again_nor_restart_the_grace() -> None:
    node = Node(cancel_grace_s=5)
    node.submit(0)
    assert len(node.tell(f.CancelRequested([child(0)], 0.0))) == 1
    node.at = 4.0
    assert node.tell(f.CancelRequested([child(0)], 4.0)) == []
    assert "KillWorker" in [type(command).__name__ for command in node.tick(5.5)]


def test_a_result_that_comes_too_late_for_the_cancel_counts() -> None:
    node = Node()
    node.submit(0)
    node.tell(f.CancelRequested([child(0)], 0.0))
    node.finish(child(0), node.workers[0])
    assert node.core.status.counts()[TaskState.FINISHED] == 1


def test_a_cancelled_task_that_comes_back_unbegun_ends() -> None:
    node = Node()
    node.submit(0)
    node.finish(child(0), node.workers[0])
    node.submit(1, 2)
    node.tell(f.CancelRequested([child(2)], 0.0))
    node.tell(f.TasksReturned(node.workers[0], 0.0, [child(2)]), source=node.workers[0])
    assert node.core.status.counts()[TaskState.CANCELLED] == 1

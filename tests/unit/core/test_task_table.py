"""Tasks that run again, and the tree of records that their ends leave."""

from __future__ import annotations

from cellray.core.invariants import check_drained
from cellray.ids import ClientId
from cellray.model import fact as f
from cellray.model.task import TaskState, make_template

from tests.unit.core.kit import ONE_CPU, SHELL, VALUE, F, Node, assigned, child, result


def test_a_final_record_with_running_children_can_be_superseded() -> None:
    """The task ends while its child runs, its result goes, and it is submitted again."""
    node = Node(cpus=2)
    ((worker, _),) = assigned(node.submit(0))
    node.submit(0, parent=child(0), source=worker)
    node.finish(child(0), worker)
    node.tell(f.ObjectsReleased([result(child(0))]))
    ((again, _),) = assigned(node.submit(0))
    (other,) = [each for each in node.workers if each != again]
    node.finish(child(0, child(0)), other)
    node.finish(child(0), again)
    assert node.core.status.counts()[TaskState.FINISHED] == 3
    node.tell(f.ObjectsReleased([result(child(0))]))
    node.tell(f.ObjectsReleased([result(child(0, child(0)))]), source=worker)
    check_drained(node.core)


def test_records_above_go_with_the_last_below() -> None:
    node = Node(cpus=4)
    task, worker = child(0), assigned(node.submit(0))[0][0]
    chain = [(task, worker)]
    for _ in range(3):
        worker = assigned(node.submit(0, parent=task, source=worker))[0][0]
        task = child(0, task)
        chain.append((task, worker))
    for task, worker in chain[:-1]:
        node.finish(task, worker)
    assert len(node.core._tasks.tasks) == 4
    node.finish(*chain[-1])
    assert not node.core._tasks.tasks


def test_two_clients_that_submit_the_same_both_get_the_result() -> None:
    node = Node(cpus=3)
    ((first, _),) = assigned(node.submit(0))
    ((child_worker, _),) = assigned(node.submit(0, parent=child(0), source=first))
    (second,) = [each for each in node.workers if each not in (first, child_worker)]
    node.submit(0, parent=child(0), source=second)
    commands = node.finish(child(0, child(0)), child_worker)
    assert {command.client_id for command in commands} == {first, second}  # type: ignore[union-attr]


def test_a_partly_freed_result_is_made_again() -> None:
    node = Node()
    pair = make_template(F.function_hash, "pair", ONE_CPU, num_returns=2)
    node.register(pair)
    for _ in range(2):
        assert len(assigned(node.submit(0, template=pair))) == 1
        node.tell(f.TaskFinished(child(0), 0.0, 0.0, (VALUE, VALUE)), source=node.workers[0])
        node.tell(f.ObjectsReleased([result(child(0))]))
    assert node.core.status.object_count == 1


def test_max_retries_without_limit() -> None:
    node = Node()
    eternal = make_template(F.function_hash, "eternal", ONE_CPU, max_retries=-1)
    node.register(eternal)
    node.submit(0, template=eternal)
    worker = node.workers[0]
    for number in range(10, 30):
        node.tell(f.WorkerExited(worker, 0.0, 0, 11), source=SHELL)
        worker = node.add_worker(number)
        node.tick(node.at + 10.0)
    assert node.core.status.running()[0].attempt == 20
    assert worker == ClientId(29)

"""What a dead worker leaves behind; crashes and retries are in the transcripts."""

from __future__ import annotations

from cellray.core.invariants import check_drained
from cellray.ids import put_object_id
from cellray.model import fact as f
from cellray.model.command import StartWorkers
from cellray.model.object import ObjectValue, ValueKind
from cellray.model.task import TaskState

from tests.unit.core.kit import SHELL, Node, assigned, child, result


def test_space_and_holds_of_an_idle_worker_go_with_it() -> None:
    node = Node()
    worker = node.workers[0]
    node.submit(0)
    node.finish(child(0), worker)
    put = put_object_id(child(0), 0)
    node.tell(f.SpaceRequested(put, 100), source=worker)
    node.tell(f.ObjectSealed(put, 0.0, ObjectValue(ValueKind.SHARED, b"", 0, 100)), source=worker)
    node.tell(f.SpaceRequested(put_object_id(child(0), 1), 100), source=worker)
    assert node.core.status.object_bytes == 256
    commands = node.tell(f.WorkerExited(worker, 0.0, 1), source=SHELL)
    assert StartWorkers(1) in commands
    node.tell(f.ObjectsReleased([result(child(0))]))
    check_drained(node.core)


def test_an_intended_exit_costs_no_attempt() -> None:
    node = Node()
    node.submit(0)
    node.tell(f.WorkerExited(node.workers[0], 0.0, intended=True), source=SHELL)
    ((_, tasks),) = assigned(node.core.handle([f.WorkerStarted(node.workers[0], 0.0, 1)], SHELL, 0.0))
    assert tasks == [child(0)]
    assert node.core.status.running()[0].attempt == 0


def test_a_blocked_worker_gives_its_resources_back_once() -> None:
    node = Node()
    node.submit(0)
    worker = node.workers[0]
    node.tell(f.WorkerBlocked(worker, 0.0), source=worker)
    node.tell(f.WorkerBlocked(worker, 0.0), source=worker)
    assert node.core.status.available == {"CPU": 10_000}
    node.tell(f.WorkerExited(worker, 0.0, 0, 9), source=SHELL)
    assert node.core.status.available == {"CPU": 10_000}
    assert node.core.status.counts()[TaskState.READY] == 1


def test_what_a_retried_task_had_put_is_kept_until_it_ends() -> None:
    node = Node()
    node.submit(0)
    worker, put = node.workers[0], put_object_id(child(0), 0)
    for attempt in range(2):
        node.tell(f.SpaceRequested(put, 100), source=worker)
        value = ObjectValue(ValueKind.SHARED, b"", 128 * attempt, 100)  # while the first copy is there
        node.tell(f.ObjectSealed(put, 0.0, value), source=worker)
        if attempt == 0:
            node.tell(f.WorkerExited(worker, 0.0, 0, 9), source=SHELL)
            worker = node.add_worker(30)
    node.tell(f.ObjectsReleased([put]), source=worker)
    assert node.core.status.object_bytes == 128, "as long as the task runs; one copy, the first"
    node.finish(child(0), worker)
    node.tell(f.ObjectsReleased([result(child(0))]))
    check_drained(node.core)

"""The node's core as a whole, where a transcript would be too long or too short."""

from __future__ import annotations

import pytest
from cellray.core.invariants import check_drained
from cellray.ids import ClientId, FunctionHash, ObjectId, TaskId
from cellray.model import fact as f
from cellray.model.command import AppendFacts, KillWorker, ObjectsReady, Send, StartWorkers, TasksAssigned
from cellray.model.object import ObjectValue, ValueKind, decode_failure
from cellray.model.task import TaskSpec, TaskState, make_resources, make_template

from tests.unit.core.kit import DRIVER, JOB, ONE_CPU, ROOT, SHELL, VALUE, F, Node, assigned, child, result


def failure_kind(value: ObjectValue) -> str:
    assert value.kind == ValueKind.FAILURE
    return decode_failure(value.data).kind


def test_deep_recursion_never_deadlocks() -> None:
    """Each task waits for its child: with one CPU, every level needs a worker more."""
    node = Node(cpus=1, workers_spare_max=1000)
    depth, next_worker = 200, 10
    commands = node.submit(0)
    tasks: list[tuple[TaskId, ClientId]] = []
    for _ in range(depth):
        ((worker, (task,)),) = assigned(commands)
        tasks.append((task, worker))
        node.submit(0, parent=task, source=worker)
        blocked = node.tell(f.WorkerBlocked(worker, 0.0), source=worker)
        assert StartWorkers(1) in blocked
        commands = node.core.handle([f.WorkerStarted(ClientId(next_worker), 0.0, 1)], SHELL, 0.0)
        next_worker += 1
    ((worker, (task,)),) = assigned(commands)
    node.finish(task, worker)
    for task, worker in reversed(tasks):
        node.tell(f.WorkerUnblocked(worker, 0.0), f.TaskFinished(task, 0.0, 0.0, (VALUE,)), source=worker)
    assert node.core.status.counts()[TaskState.FINISHED] == depth + 1
    assert node.core.status.available == {"CPU": 10_000}
    assert node.core.status.counts()[TaskState.ASSIGNED] == 0


def test_memory_does_not_grow_with_what_has_run() -> None:
    node = Node()
    for index in range(50):
        node.submit(index)
        node.finish(child(index), node.workers[0])
        node.tell(f.ObjectsReleased([result(child(index))]))
    check_drained(node.core)
    assert node.core.status.object_count == 0
    assert not node.core.wants_ticks


def test_a_task_that_is_submitted_twice_runs_once() -> None:
    node = Node()
    node.submit(0)
    assert assigned(node.submit(0)) == []
    node.finish(child(0), node.workers[0])
    assert node.submit(0) == [Send(DRIVER, ObjectsReady([(result(child(0)), VALUE)]))], "told again"
    node.tell(f.ObjectsReleased([result(child(0))]))
    assert len(assigned(node.submit(0))) == 1, "its result is gone"


def test_results_of_strangers_change_nothing() -> None:
    node = Node(cpus=2)
    commands = node.submit(0)
    ((worker, _),) = assigned(commands)
    (other,) = [each for each in node.workers if each != worker]
    for source in (other, DRIVER, ClientId(99)):
        assert node.finish(child(0), source) == []
        assert node.tell(f.TaskFailed(child(0), 0.0, 0.0, VALUE, "x"), source=source) == []
        assert node.tell(f.TaskCancelled(child(0), 0.0), source=source) == []
        assert node.tell(f.TasksReturned(source, 0.0, [child(0)]), source=source) == []
    assert node.tell(f.WorkerExited(worker, 0.0), source=DRIVER) == [], "only the shell may say so"
    assert node.core.ignored["TaskFinished"] == 3
    assert node.core.status.counts()[TaskState.ASSIGNED] == 1
    assert node.finish(child(0), worker) != []


def test_a_late_result_gives_its_space_back() -> None:
    node = Node()
    node.submit(0)
    worker = node.workers[0]
    node.tell(f.SpaceRequested(result(child(0)), 100), source=worker)
    node.finish(child(0), worker, ObjectValue(ValueKind.SHARED, b"", 0, 100))
    assert node.core.status.object_bytes == 128
    node.tell(f.SpaceRequested(result(child(0)), 100), source=worker)
    node.finish(child(0), worker, ObjectValue(ValueKind.SHARED, b"", 128, 100))
    assert node.core.status.object_bytes == 128


def test_a_result_in_space_that_was_not_granted_is_refused() -> None:
    node = Node()
    node.submit(0)
    commands = node.finish(child(0), node.workers[0], ObjectValue(ValueKind.SHARED, b"", 640, 100))
    ((_, value),) = commands[-1].command.objects  # type: ignore[union-attr]
    assert failure_kind(value) == "internal"


def test_a_result_of_the_wrong_length_is_refused() -> None:
    node = Node()
    node.submit(0)
    commands = node.tell(f.TaskFinished(child(0), 0.0, 0.0, (VALUE, VALUE)), source=node.workers[0])
    assert isinstance(commands[0], AppendFacts)
    assert isinstance(commands[0].facts[0], f.TaskFailed)


def test_unregistered_templates_and_functions_fail_the_task() -> None:
    node = Node()
    nameless = make_template(FunctionHash(b"n" * 16), "nameless", ONE_CPU)
    for register in (False, True):
        if register:
            node.tell(f.TemplateRegistered(nameless, 0.0))
        commands = node.submit(int(register), template=nameless)
        assert [type(command) for command in commands] == [AppendFacts, Send]
        ((_, value),) = commands[1].command.objects  # type: ignore[union-attr]
        assert failure_kind(value) == "internal"


def test_functions_and_templates_travel_once_to_each_worker() -> None:
    node = Node(cpus=1)
    g = make_template(F.function_hash, "g", ONE_CPU)
    node.register(g)
    sent = []
    for index, template in enumerate((F, F, g)):
        commands = node.submit(index, template=template)
        sent += [command.command for command in commands if isinstance(command, Send)]
        node.finish(child(index), node.workers[0])
    runs = [command for command in sent if isinstance(command, TasksAssigned)]
    assert [(len(run.templates), len(run.functions)) for run in runs] == [(1, 1), (0, 0), (1, 0)]


def test_children_of_a_finished_task_go_on() -> None:
    node = Node(cpus=2)
    ((worker, _),) = assigned(node.submit(0))
    node.submit(0, parent=child(0), source=worker)
    node.finish(child(0), worker)
    counts = node.core.status.counts()
    assert (counts[TaskState.FINISHED], counts[TaskState.ASSIGNED]) == (1, 1)
    grandchild = child(0, child(0))
    (other,) = [each for each in node.workers if each != worker]
    node.tell(f.CancelRequested([child(0)], 0.0, recursive=True))
    node.tell(f.TaskCancelled(grandchild, 0.0), source=other)
    node.tell(f.ObjectsReleased([result(child(0))]))
    node.tell(f.ObjectsReleased([result(grandchild)]), source=worker)
    check_drained(node.core)


def test_submissions_nobody_is_left_for_are_cancelled_and_logged() -> None:
    node = Node()
    commands = node.tell(f.TasksSubmitted(ROOT, 0.0, [TaskSpec(0, F.template_id)]), source=ClientId(77))
    assert assigned(commands) != [], "its job goes on"
    node.tell(f.JobEnded(DRIVER, JOB, 0.0, ""), source=SHELL)
    node.tell(f.TaskCancelled(child(0), 0.0), source=node.workers[0])
    commands = node.tell(f.TasksSubmitted(ROOT, 0.0, [TaskSpec(1, F.template_id)]), source=DRIVER)
    assert isinstance(commands[0], AppendFacts)
    assert [type(fact) for fact in commands[0].facts] == [f.TaskCancelled, f.ObjectsFreed]
    check_drained(node.core)


def test_a_task_without_returns() -> None:
    node = Node()
    silent = make_template(F.function_hash, "silent", ONE_CPU, num_returns=0)
    node.register(silent)
    node.submit(0, template=silent)
    node.tell(f.TaskFinished(child(0), 0.0, 0.0, ()), source=node.workers[0])
    check_drained(node.core)


def test_tasks_that_ask_for_nothing_run_beside_busy_cpus() -> None:
    node = Node(cpus=1)
    free = make_template(F.function_hash, "free", make_resources({}))
    node.register(free)
    node.submit(0)
    assert node.submit(1, 2, template=free) == [], "one worker for one CPU, unless it is held up"
    assert StartWorkers(1) in node.tick(0.05)
    node.add_worker(50)
    assert assigned(node.tick(0.06)) == []
    assert node.core.status.counts()[TaskState.ASSIGNED] == 2


def test_status_tells_what_runs() -> None:
    node = Node(cpus=2)
    ((worker, _),) = assigned(node.submit(0))
    node.tell(f.WorkerBlocked(worker, 0.0), source=worker)
    status = node.core.status
    (running,) = status.running()
    assert (running.task_id, running.name, running.worker_id) == (child(0), "f", worker)
    assert {each.state for each in status.workers()} == {"idle", "blocked"}
    assert status.available == {"CPU": 20_000}
    assert status.is_live(child(0))
    assert not status.is_live(child(1))


def test_a_forced_cancel_kills_only_for_what_runs() -> None:
    node = Node(cpus=1)
    node.submit(0)
    node.finish(child(0), node.workers[0])
    node.submit(1, 2, 3)
    node.tell(f.CancelRequested([child(2)], 0.0, force=True))
    commands = node.tell(f.CancelRequested([child(1)], 0.0, force=True))
    assert [type(command) for command in commands] == [KillWorker]
    commands = node.tell(f.WorkerExited(node.workers[0], 0.0, 0, 9), source=SHELL)
    counts = node.core.status.counts()
    assert counts[TaskState.CANCELLED] == 2
    assert counts[TaskState.READY] == 1, "the third waits for a new worker"
    assert StartWorkers(1) in commands


@pytest.mark.parametrize("nonsense", [f.SessionEnded(0.0, ""), f.NodeJoined("x", 0.0, 1, (), 0)])  # type: ignore[arg-type]
def test_facts_that_are_not_for_the_core_are_counted(nonsense: f.Fact) -> None:
    node = Node()
    assert node.tell(nonsense) == []
    assert node.core.ignored[type(nonsense).__name__] == 1


def test_unknown_objects_may_be_held_and_released() -> None:
    node = Node()
    unknown = ObjectId(b"?" * 20)
    assert node.tell(f.ObjectsHeld([unknown]), f.ObjectsReleased([unknown]), f.SpaceReturned(unknown)) == []

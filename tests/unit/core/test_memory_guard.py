"""Whom the node ends when memory runs out, one at a time, and what is said about it."""

from __future__ import annotations

from cellray.ids import ClientId, FunctionHash
from cellray.model import fact as f
from cellray.model.command import Command, KillWorker, ObjectsReady, Send, Warn
from cellray.model.object import Failure, decode_failure
from cellray.model.task import TaskTemplate, make_template

from tests.unit.core.kit import DRIVER, ONE_CPU, SHELL, Node, child

ONCE = make_template(FunctionHash(b"o" * 16), "once", ONE_CPU, max_retries=0)
TWICE = make_template(FunctionHash(b"t" * 16), "twice", ONE_CPU, max_retries=1)
FULL = f.MemoryMeasured(1.0, 990 << 20, 1000 << 20, [(102, 300 << 20), (103, 200 << 20)])


def node_with(*templates: TaskTemplate) -> Node:
    """One task of each, begun one second after another."""
    node = Node(cpus=len(templates))
    for index, template in enumerate(templates):
        node.register(template)
        node.at = float(index)
        node.submit(index, template=template)
    return node


def measured(node: Node) -> list[Command]:
    return node.tell(FULL, source=SHELL)


def killed(commands: list[Command]) -> list[ClientId]:
    return [command.worker_id for command in commands if isinstance(command, KillWorker)]


def runs(node: Node, index: int) -> ClientId:
    """The worker that has the task."""
    worker = node.core._tasks.tasks[child(index)].worker
    assert worker is not None
    return worker.client_id


def failure(commands: list[Command]) -> Failure:
    """What the driver got."""
    (values,) = [
        command.command.objects
        for command in commands
        if isinstance(command, Send) and isinstance(command.command, ObjectsReady)
    ]
    return decode_failure(values[0][1].data)


def test_the_newest_that_can_run_again_goes_first() -> None:
    node = node_with(TWICE, TWICE, ONCE)
    assert killed(measured(node)) == [runs(node, 1)]


def test_what_cannot_run_again_goes_when_there_is_nothing_else() -> None:
    node = node_with(ONCE, ONCE)
    assert killed(measured(node)) == [runs(node, 1)]


def test_one_at_a_time() -> None:
    node = node_with(TWICE, TWICE)
    (first,) = killed(measured(node))
    assert killed(measured(node)) == [], "its memory is not back yet"
    node.tell(f.WorkerExited(first, 2.0, signal=9), source=SHELL)
    assert len(killed(measured(node))) == 1


def test_nobody_runs() -> None:
    node = node_with()
    (warning,) = measured(node)
    assert isinstance(warning, Send)
    assert isinstance(warning.command, Warn)
    assert "no task runs here" in warning.command.message
    assert measured(node) == [], "said once in a while"


def test_the_error_says_how_much_memory_was_in_use() -> None:
    node = node_with(TWICE)
    commands = measured(node)
    (warning,) = [command for command in commands if isinstance(command, Send) and command.client_id == DRIVER]
    assert isinstance(warning.command, Warn)
    assert "990.0 MB of 1000.0 MB were in use. twice (process 102) is ended" in warning.command.message
    (worker,) = killed(commands)
    assert not any(isinstance(command, Send) for command in exited(node, worker)), "it is tried again"
    node.at = 30.0
    node.add_worker(7)
    (worker,) = killed(measured(node))
    error = failure(exited(node, worker))
    assert error.kind == "out_of_memory"
    assert "was ended for want of memory (990.0 MB of 1000.0 MB were in use" in error.message
    assert "in attempt 2 and the last" in error.message
    assert "CELLRAY_MEMORY_USAGE_THRESHOLD" in error.message


def exited(node: Node, worker: ClientId) -> list[Command]:
    return node.tell(f.WorkerExited(worker, node.at, signal=9), source=SHELL)


def test_what_the_kernel_ended_is_told_apart() -> None:
    node = node_with(ONCE)
    commands = node.tell(f.WorkerExited(runs(node, 0), 1.0, signal=9, out_of_memory="by the kernel"), source=SHELL)
    error = failure(commands)
    assert error.kind == "out_of_memory"
    assert "for want of memory (by the kernel)" in error.message

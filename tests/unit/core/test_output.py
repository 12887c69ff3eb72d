"""Output goes to the driver of the task's job, under the task's name."""

from __future__ import annotations

from cellray.ids import ClientId, JobId, TaskId, root_task_id
from cellray.model import fact as f
from cellray.model.command import Command, OutputForwarded, ReadOutput, Send

from tests.unit.core.kit import DRIVER, SHELL, F, Node, child

WORKER = ClientId(2)


def forwarded(commands: list[Command]) -> list[tuple[ClientId, OutputForwarded]]:
    return [
        (each.client_id, each.command)
        for each in commands
        if isinstance(each, Send) and isinstance(each.command, OutputForwarded)
    ]


def reads(commands: list[Command]) -> list[ReadOutput]:
    return [each for each in commands if isinstance(each, ReadOutput)]


def test_to_the_driver_whose_task_it_is() -> None:
    node = Node()
    other = JobId(b"job2")
    node.tell(f.JobStarted(ClientId(9), other, root_task_id(other), 0.0, 1, "other"), source=SHELL)
    node.submit(0)
    commands = node.tell(f.TaskOutput(child(0), 0.0, "stdout", "hi\n", 3), source=WORKER)
    assert forwarded(commands) == [(DRIVER, OutputForwarded(child(0), "stdout", "hi\n", 3, "f", None, 102))]


def test_what_was_written_past_python_is_read_when_the_worker_says_so() -> None:
    node = Node()
    node.submit(0)
    node.finish(child(0), WORKER)
    wrote = f.WorkerWrote(0.0, child(0), F.template_id)
    assert reads(node.tell(wrote, source=WORKER)) == [ReadOutput(WORKER, child(0), True)]
    ((driver, command),) = forwarded(
        node.tell(f.WorkerOutput(WORKER, 0.0, "stderr", "raw\n", 0, child(0)), source=SHELL)
    )
    assert (driver, command.name, command.text, command.pid) == (DRIVER, "f", "raw\n", 102)


def test_and_now_and_then_while_a_task_runs_for_long() -> None:
    node = Node()
    node.submit(0)
    assert reads(node.tick(0.1)) == []
    assert reads(node.tick(0.5)) == [ReadOutput(WORKER, child(0), False)]
    assert reads(node.tick(0.6)) == []
    assert reads(node.tick(0.8)) == [ReadOutput(WORKER, child(0), False)]
    node.finish(child(0), WORKER)
    assert reads(node.tick(2.0)) == []


def test_last_words_are_those_of_the_task_that_ran() -> None:
    node = Node()
    node.submit(0)
    ((driver, command),) = forwarded(node.tell(f.WorkerOutput(WORKER, 0.0, "stderr", "Fatal\n"), source=SHELL))
    assert (driver, command.task_id, command.name) == (DRIVER, child(0), "f")


def test_of_nobody_to_nobody() -> None:
    node = Node()
    assert forwarded(node.tell(f.WorkerOutput(WORKER, 0.0, "stderr", "x\n"), source=SHELL)) == []
    assert forwarded(node.tell(f.WorkerOutput(ClientId(77), 0.0, "stderr", "x\n"), source=SHELL)) == []
    assert reads(node.tell(f.WorkerWrote(0.0, TaskId(b"")), source=DRIVER)) == []

"""The sentences that users read."""

from __future__ import annotations

import pytest
from cellray.core import failures
from cellray.core.resources import ResourcePool
from cellray.ids import ClientId, TaskId, child_task_id, put_object_id, return_object_id
from cellray.model.fact import WorkerExited
from cellray.model.object import ObjectValue, decode_failure
from cellray.model.task import make_resources

TASK = child_task_id(b"\xab" * 12, 17)


def text(value: ObjectValue) -> str:
    return decode_failure(value.data).message


def exited(signal: int = 0, code: int = 0, tail: str = "") -> WorkerExited:
    return WorkerExited(ClientId(3), 0.0, code, signal, tail)


@pytest.mark.parametrize(
    ("fact", "parts"),
    [
        (exited(9), ["SIGKILL (9)", "memory", "abababab-17"]),
        (exited(11, tail="Fatal Python error"), ["SIGSEGV (11)", "faulthandler", "Fatal Python error"]),
        (exited(64), ["signal (64)"]),
        (exited(0, 3), ["exited with code 3", "os._exit"]),
    ],
)
def test_a_crash_names_its_cause(fact: WorkerExited, parts: list[str]) -> None:
    value = failures.worker_crashed("train", TASK, 4711, 4, fact)
    for part in [*parts, "4711", "train", "attempt 4"]:
        assert part in text(value)
    assert decode_failure(value.data).kind == "worker_crashed"
    assert decode_failure(value.data).fields["signal"] == str(fact.signal)


def test_the_only_attempt_is_not_counted() -> None:
    assert "attempt" not in text(failures.worker_crashed("f", TASK, 1, 1, exited(9)))


def test_what_no_node_has() -> None:
    pool = ResourcePool(make_resources({"CPU": 2}))
    assert failures.infeasible_text("f", make_resources({"CPU": 2}), pool) == ""
    message = failures.infeasible_text("f", make_resources({"CPU": 3, "GPU": 0.5}), pool)
    assert "3 CPU (the node has 2) and 0.5 GPU (the node has 0)" in message
    assert message.endswith("resources={...}).")


def test_where_a_lost_object_came_from() -> None:
    assert "returned by task abababab-17" in text(failures.object_lost(return_object_id(TASK, 0)))
    assert "stored with put by task abababab-17" in text(failures.object_lost(put_object_id(TaskId(TASK), 0)))


def test_reasons_of_cancelling() -> None:
    assert "was cancelled: the cell was interrupted." in text(failures.cancelled("f", TASK, "the cell was interrupted"))
    assert "was cancelled." in text(failures.cancelled("f", TASK, ""))

"""What `cancel` does, by what is cancelled and how: the cases as a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cellray
import psutil
import pytest
from cellray import ObjectRef, Session
from cellray.exceptions import RayError, TaskError

from tests.helpers.control import StatusReader
from tests.helpers.gates import Gate
from tests.helpers.polling import eventually

pytestmark = pytest.mark.usefixtures("session")
LONG_S = 60.0
CANCELLED = "TaskCancelledError"


@cellray.remote
def hold(gate: Gate, *_: Any) -> int:
    gate.arrive()
    gate.pass_through()
    return 1


@cellray.remote
def resist(gate: Gate) -> None:
    gate.arrive()
    while True:
        try:
            time.sleep(LONG_S)
        except KeyboardInterrupt:
            continue


@cellray.remote
def add(a: int, b: int = 1) -> int:
    return a + b


@cellray.remote
def fail() -> None:
    raise ValueError("x")


@cellray.remote(num_returns=2)
def hold_two(gate: Gate) -> tuple[int, int]:
    gate.arrive()
    gate.pass_through()
    return 1, 2


@cellray.remote
def hold_items(gate: Gate) -> Iterator[int]:
    yield 1
    gate.arrive()
    gate.pass_through()
    yield 2


@cellray.remote
def get_nested(gate: Gate, depth: int) -> int:
    inner = hold.remote(gate) if not depth else get_nested.remote(gate, depth - 1)
    return cellray.get(inner)


class Stage:
    """What a case is played with: gates that hold tasks, and the two CPUs."""

    def __init__(self, folder: Path) -> None:
        self.gate = Gate(folder)
        self.others = Gate(folder, "others")

    def fill(self) -> list[ObjectRef]:
        """Both CPUs are taken."""
        refs = [hold.remote(self.others) for _ in range(2)]
        self.others.wait_arrived(2)
        return refs


def running(stage: Stage, task: Any = hold) -> ObjectRef:
    ref = task.remote(stage.gate)
    stage.gate.wait_arrived()
    return ref


def queued(stage: Stage) -> ObjectRef:
    stage.fill()
    return hold.remote(stage.gate)


def waiting(stage: Stage) -> ObjectRef:
    return hold.remote(stage.gate, *stage.fill())


def finished(_: Stage) -> ObjectRef:
    ref = add.remote(1)
    cellray.wait([ref])
    return ref


def failed(_: Stage) -> ObjectRef:
    ref = fail.remote()
    cellray.wait([ref])
    return ref


def of_several_returns(stage: Stage) -> ObjectRef:
    first, _ = hold_two.remote(stage.gate)
    stage.gate.wait_arrived()
    return first


def dependent(stage: Stage) -> ObjectRef:
    """Not the cancelled one, but one that waits for it."""
    ref = running(stage)
    after = add.remote(ref)
    cellray.cancel(ref)
    return after


def cancelled_twice(stage: Stage) -> ObjectRef:
    ref = running(stage)
    cellray.cancel(ref)
    return ref


def generator(stage: Stage) -> Any:
    read = hold_items.remote(stage.gate)
    stage.gate.wait_arrived()
    assert cellray.get(next(read)) == 1
    return read


def nested(stage: Stage) -> ObjectRef:
    ref = get_nested.remote(stage.gate, 2)
    stage.gate.wait_arrived()
    return ref


CASES: dict[str, tuple[Callable[[Stage], Any], dict[str, bool], Any]] = {
    "queued": (queued, {}, CANCELLED),
    "queued, by force": (queued, {"force": True}, CANCELLED),
    "waiting for its arguments": (waiting, {}, CANCELLED),
    "running": (running, {}, CANCELLED),
    "running, by force": (running, {"force": True}, CANCELLED),
    "running and deaf, by force": (lambda stage: running(stage, resist), {"force": True}, CANCELLED),
    "running, not recursively": (running, {"recursive": False}, CANCELLED),
    "one of several returns": (of_several_returns, {}, CANCELLED),
    "finished": (finished, {}, 2),
    "finished, by force": (finished, {"force": True}, 2),
    "failed": (failed, {}, "ValueError"),
    "cancelled before": (cancelled_twice, {}, CANCELLED),
    "what depends on it": (dependent, {}, CANCELLED),
    "a generator": (generator, {}, CANCELLED),
    "a generator, by force": (generator, {"force": True}, CANCELLED),
    "the one that waits for nested ones": (nested, {}, CANCELLED),
    "the one that waits for nested ones, by force": (nested, {"force": True}, CANCELLED),
}
"""What is cancelled, how, and what `get` comes to then: a value, or the class of what it raises."""


def outcome(ref: Any) -> Any:
    try:
        return cellray.get(ref if isinstance(ref, ObjectRef) else next(ref), timeout=30)
    except RayError as error:
        return type(error.cause if isinstance(error, TaskError) else error).__name__


@pytest.mark.parametrize("case", CASES)
def test_what_comes_of_it(case: str, tmp_path: Path, session: Session, status_reader: StatusReader) -> None:
    prepare, options, expected = CASES[case]
    stage = Stage(tmp_path)
    ref = prepare(stage)
    cellray.cancel(ref, **options)
    assert outcome(ref) == expected
    stage.gate.open()
    stage.others.open()
    assert cellray.get(add.options(num_cpus=2).remote(1), timeout=30) == 2, "both CPUs are free again"

    def nothing_is_left() -> bool:
        tasks = status_reader.read(session.address).tasks
        return not any(tasks.get(state) for state in ("waiting", "ready", "running"))

    eventually(nothing_is_left, "no task is left")


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("recursive", [False, True])
def test_what_comes_of_the_tasks_below(force: bool, recursive: bool, tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    ref = get_nested.remote(stage.gate, 0)
    (below,) = stage.gate.wait_arrived()
    cellray.cancel(ref, force=force, recursive=recursive)
    assert outcome(ref) == CANCELLED
    if recursive:
        assert cellray.get(add.options(num_cpus=2).remote(1), timeout=30) == 2, "the one below has ended too"
        return
    assert psutil.pid_exists(below)
    after = add.options(num_cpus=2).remote(1)
    assert cellray.wait([after], timeout=0.2) == ([], [after]), "the one below goes on"
    stage.gate.open()
    assert cellray.get(after, timeout=30) == 2


def test_what_cannot_be_cancelled() -> None:
    with pytest.raises(ValueError, match="stored with put"):
        cellray.cancel(cellray.put(1))
    for wrong in (1, None, [add.remote(1)], add):
        with pytest.raises(TypeError, match="only supports object refs"):
            cellray.cancel(wrong)  # type: ignore[arg-type]

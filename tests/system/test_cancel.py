"""Cancelling tasks in every state, and interrupting a driver that waits."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import cellray
import psutil
import pytest
from cellray import ObjectRef, Session
from cellray.exceptions import TaskCancelledError, TaskError
from cellray.node.control import NodeStatus

from tests.helpers.control import StatusReader
from tests.helpers.event_log import facts_once, of_type
from tests.helpers.gates import Gate
from tests.helpers.polling import eventually
from tests.helpers.scripts import running_script

pytestmark = pytest.mark.usefixtures("session")
LONG_S = 600.0


@cellray.remote
def add(a: int, b: int = 1) -> int:
    return a + b


@cellray.remote
def sleep_long(gate: Gate) -> None:
    gate.arrive()
    time.sleep(LONG_S)


@cellray.remote
def spin(gate: Gate) -> None:
    gate.arrive()
    while True:
        pass


def assert_cancelled(ref: ObjectRef, words: str = "cancelled") -> None:
    with pytest.raises(TaskCancelledError, match=words):
        cellray.get(ref, timeout=30)


def test_a_running_task_is_interrupted_and_its_worker_goes_on(tmp_path: Path) -> None:
    for number, task in enumerate((sleep_long, spin)):
        gate = Gate(tmp_path, f"gate{number}")
        ref = task.options(num_cpus=2).remote(gate)
        (worker,) = gate.wait_arrived()
        cellray.cancel(ref)
        assert_cancelled(ref, task._function.__name__)
        assert psutil.pid_exists(worker)
        assert cellray.get([add.remote(i) for i in range(20)]) == list(range(1, 21))
        assert psutil.pid_exists(worker)


def test_tasks_that_wait_are_dropped(tmp_path: Path) -> None:
    gate, never = Gate(tmp_path), Gate(tmp_path, "never")
    holders = [sleep_long.remote(gate) for _ in range(2)]
    gate.wait_arrived(2)
    queued = sleep_long.remote(never)
    waiting = add.remote(holders[0])
    behind = add.remote(waiting)
    cellray.cancel(queued)
    cellray.cancel(waiting)
    for ref in (queued, waiting, behind):
        assert_cancelled(ref)
    for ref in holders:
        cellray.cancel(ref)
        assert_cancelled(ref)
    assert not never.pids
    assert cellray.get(add.remote(1)) == 2


def test_cancelling_twice_and_what_has_finished(tmp_path: Path) -> None:
    done = add.remote(1)
    assert cellray.get(done) == 2
    cellray.cancel(done)
    cellray.cancel(done, force=True)
    assert cellray.get(done) == 2
    gate = Gate(tmp_path)
    ref = sleep_long.remote(gate)
    gate.wait_arrived()
    for _ in range(3):
        cellray.cancel(ref)
    assert_cancelled(ref)
    assert cellray.get([add.remote(i) for i in range(10)]) == list(range(1, 11))


def test_many_at_once() -> None:
    @cellray.remote
    def brief(i: int) -> int:
        time.sleep(0.001)
        return i

    for _ in range(5):
        refs = [brief.remote(i) for i in range(200)]
        cellray.wait(refs, num_returns=5)
        for ref in refs:
            cellray.cancel(ref)
        for number, ref in enumerate(refs):
            try:
                assert cellray.get(ref, timeout=30) == number
            except TaskCancelledError:
                continue
    assert cellray.get([brief.remote(i) for i in range(50)]) == list(range(50))


def test_workers_that_are_interrupted_at_bad_moments_go_on(session: Session, status_reader: StatusReader) -> None:
    @cellray.remote
    def parent() -> int:
        return sum(cellray.get([add.remote(i) for i in range(3)]))

    for _ in range(150):
        refs = [parent.remote() for _ in range(4)]
        cellray.wait(refs, timeout=0.002)
        for ref in refs:
            cellray.cancel(ref)
        cellray.wait(refs, num_returns=len(refs))

    def all_idle() -> bool:
        status = status_reader.read(session.address)
        return {worker.state for worker in status.workers} == {"idle"} and status.resources_available["CPU"] == 2

    eventually(all_idle, "all workers are idle and no resource is lent out for ever")


def test_what_finally_does_is_done(tmp_path: Path) -> None:
    @cellray.remote
    def tidy(gate: Gate, folder: str) -> None:
        try:
            gate.arrive()  # the interrupt may hit here already, as soon as the arrival is seen
            time.sleep(LONG_S)
        finally:
            Path(folder, "tidied").touch()

    gate = Gate(tmp_path)
    ref = tidy.remote(gate, str(tmp_path))
    gate.wait_arrived()
    cellray.cancel(ref)
    assert_cancelled(ref)
    assert (tmp_path / "tidied").exists()


def test_a_task_that_resists_is_ended_by_force(tmp_path: Path) -> None:
    @cellray.remote(max_retries=5)
    def stubborn(gate: Gate) -> None:
        while True:
            with suppress(KeyboardInterrupt):
                gate.arrive()  # the interrupt may hit here already, as soon as the arrival is seen
                time.sleep(LONG_S)

    gate = Gate(tmp_path)
    ref = stubborn.remote(gate)
    (worker,) = gate.wait_arrived()
    cellray.cancel(ref)
    gate.wait_arrived(2)
    cellray.cancel(ref, force=True)
    assert_cancelled(ref)
    eventually(lambda: not psutil.pid_exists(worker), "the worker is gone")
    assert len(gate.pids) == 2
    assert cellray.get([add.remote(i) for i in range(10)]) == list(range(1, 11))


def test_a_task_that_resists_is_ended_after_a_grace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cellray.shutdown()
    monkeypatch.setenv("CELLRAY_CANCEL_GRACE_S", "0.2")
    cellray.init(num_cpus=1, object_store_memory=64_000_000)

    @cellray.remote
    def deaf(gate: Gate) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        gate.arrive()
        time.sleep(LONG_S)

    gate = Gate(tmp_path)
    ref = deaf.remote(gate)
    gate.wait_arrived()
    cellray.cancel(ref)
    assert_cancelled(ref)
    assert cellray.get(add.remote(1)) == 2


def test_children_are_cancelled_with_their_parent(tmp_path: Path) -> None:
    @cellray.remote
    def parent(gate: Gate, depth: int) -> None:
        cellray.get(sleep_long.remote(gate) if depth == 0 else parent.remote(gate, depth - 1))

    @cellray.remote
    def orphan_maker(gate: Gate, refs_to: list[Any]) -> list[ObjectRef]:
        return [sleep_long.remote(gate)]

    gate = Gate(tmp_path)
    ref = parent.remote(gate, 3)
    gate.wait_arrived()
    cellray.cancel(ref)
    assert_cancelled(ref)
    # The child's worker is free again: both CPUs can be had.
    assert cellray.get(add.options(num_cpus=2).remote(1)) == 2

    outliving = Gate(tmp_path, "outliving")
    keeper = parent.remote(outliving, 0)
    outliving.wait_arrived()
    cellray.cancel(keeper, recursive=False)
    assert_cancelled(keeper)
    assert psutil.pid_exists(outliving.pids[0])
    (child,) = cellray.get(orphan_maker.remote(Gate(tmp_path, "third"), []))
    cellray.cancel(child)
    assert_cancelled(child)


def test_the_log_tells_of_it(session: Session, tmp_path: Path) -> None:
    from cellray.model.fact import CancelRequested, TaskCancelled

    gate = Gate(tmp_path)
    ref = sleep_long.remote(gate)
    gate.wait_arrived()
    cellray.cancel(ref)
    assert_cancelled(ref)
    facts = facts_once(session, lambda facts: of_type(facts, TaskCancelled), "the cancellation is logged")
    assert [fact.task_ids for fact in of_type(facts, CancelRequested)] == [[ref.task_id()]]
    assert [fact.task_id for fact in of_type(facts, TaskCancelled)] == [ref.task_id()]


def test_a_task_that_raises_keyboard_interrupt_by_itself() -> None:
    @cellray.remote
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises((TaskCancelledError, TaskError)):
        cellray.get(interrupt.remote())
    assert cellray.get(add.remote(1)) == 2


DRIVER = """
import os, sys, time, cellray
cellray.init(num_cpus=2, object_store_memory=64_000_000)
@cellray.remote
def sleep_long():
    time.sleep(600)
@cellray.remote
def add(x):
    return x + 1
ref = sleep_long.remote()
for attempt in range(3):
    try:
        print("waiting", flush=True)
        if attempt == 0:
            cellray.get(ref)
        elif attempt == 1:
            cellray.wait([ref])
        else:
            ref.future().result()
    except KeyboardInterrupt:
        print("interrupted", cellray.get([add.remote(i) for i in range(100)]) == list(range(1, 101)), flush=True)
cellray.cancel(ref)
try:
    cellray.get(ref)
except cellray.exceptions.TaskCancelledError:
    print("cancelled")
"""


def test_an_interrupt_ends_the_wait_and_nothing_else() -> None:
    cellray.shutdown()
    with running_script(DRIVER) as script:
        for _ in range(3):
            script.expect("waiting")
            # To the whole group, as a terminal does; it is not known when the wait has begun.
            eventually(lambda: psutil.Process(script.pid).status() == psutil.STATUS_SLEEPING, "the driver waits")
            script.signal(signal.SIGINT)
            assert script.expect("interrupted") == "True"
        script.expect("cancelled")
        assert script.wait() == 0


def eventually_two_workers(reader: StatusReader, session: Session) -> NodeStatus:
    eventually(lambda: len(reader.read(session.address).workers) == 2, "both workers are there")
    return reader.read(session.address)


def test_a_terminals_interrupt_does_not_reach_the_daemons(session: Session, status_reader: StatusReader) -> None:
    assert cellray.get(add.remote(1)) == 2
    status = eventually_two_workers(status_reader, session)
    groups = {os.getsid(pid) for pid in [status.pid, *[worker.pid for worker in status.workers]]}
    assert os.getsid(0) not in groups
    for pid in [worker.pid for worker in status.workers]:
        os.kill(pid, signal.SIGINT)  # and if it did, an idle worker would not mind
    assert cellray.get([add.remote(i) for i in range(10)]) == list(range(1, 11))
    after = status_reader.read(session.address)
    assert {worker.pid for worker in after.workers} == {worker.pid for worker in status.workers}

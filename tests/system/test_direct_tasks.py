"""A driver that waits for one task before it submits the next gives them to a worker itself: only the speed tells."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cellray
import numpy as np
import pytest
from cellray import ObjectRef, Session
from cellray.engines import direct_calls
from cellray.engines.callee import Callee
from cellray.exceptions import GetTimeoutError, TaskCancelledError, WorkerCrashedError
from cellray.model import fact as f
from cellray.util import placement_group
from cellray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from tests.helpers.event_log import facts_once, of_type
from tests.helpers.gates import Gate
from tests.helpers.polling import eventually
from tests.helpers.scripts import running_script
from tests.system.test_direct_calls import LONG_S, STORY, calls_of_driver, running_names, stories

WAIT_S = 60
TASKS = 300


@cellray.remote
def pid() -> int:
    return os.getpid()


@cellray.remote
def same(value: Any) -> Any:
    return value


@cellray.remote
def hold(gate: Gate, value: Any = 1) -> Any:
    gate.arrive()
    gate.pass_through()
    return value


@cellray.remote
def do(what: Callable[[], Any]) -> Any:
    return what()


@cellray.remote(max_retries=0)
def do_once(what: Callable[[], Any]) -> Any:
    return what()


@cellray.remote(num_returns=2)
def two(value: int) -> tuple[int, int]:
    return value, value + 1


def lines() -> list[Callee]:
    """Those for tasks that are open."""
    return [each for each in calls_of_driver()._callees.values() if each.actor is None and each.is_open]


def open_line(task: Any = pid) -> None:
    """Run tasks until a worker is kept that has seen it."""

    def run() -> bool:
        cellray.get(task.remote())
        return bool(lines())

    eventually(run, "a worker that is kept")


@pytest.fixture(autouse=True)
def kept(session: Session) -> None:
    """A worker is kept that knows the tasks of this file."""
    for task in (do, do_once, same):
        for _ in range(12):
            cellray.get(task.remote(os.getpid))
    open_line()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task is not handed over to the node for taking long."""
    monkeypatch.setattr(direct_calls, "HAND_OVER_S", LONG_S)


def test_every_task_runs_once_and_is_logged_like_any(session: Session) -> None:
    refs = [same.remote(0)]
    for index in range(TASKS):
        refs.append(same.remote(index))
        assert cellray.get(refs[-1]) == index
    assert lines()
    mine = {ref.task_id() for ref in refs[1:]}

    def ends(facts: list[f.Fact]) -> Counter[bytes]:
        return Counter(fact.task_id for fact in of_type(facts, f.TaskFinished) if fact.task_id in mine)

    facts = facts_once(session, lambda found: len(ends(found)) == TASKS, "the ends of all tasks")
    assert set(ends(facts).values()) == {1}
    assert set(stories(facts, mine).values()) == {STORY}


def test_every_way_to_wait_for_one_task_is_direct() -> None:
    ways: list[Callable[[ObjectRef], Any]] = [
        cellray.get,
        lambda ref: cellray.get(ref, timeout=WAIT_S),
        lambda ref: cellray.get([ref]),
        lambda ref: cellray.wait([ref], timeout=WAIT_S)[0],
    ]
    for wait in ways:
        open_line()
        before = lines()[0].opened
        for _ in range(5):
            assert wait(pid.remote())
        assert [each.opened for each in lines()] == [before]
    with pytest.raises(GetTimeoutError):
        cellray.get(do.remote(lambda: time.sleep(0.2)), timeout=0.05)
    with pytest.raises(GetTimeoutError):
        cellray.get(do.remote(lambda: time.sleep(0.2)), timeout=0)


def test_what_a_task_does_with_the_node_works(session: Session) -> None:
    def shout() -> None:
        os.write(1, b"written over the line\n")

    def fail() -> None:
        raise ValueError("so it is")

    def keep() -> list[ObjectRef]:
        return [cellray.put(7), same.remote(8)]

    for _ in range(3):
        open_line()
        assert cellray.get(do.remote(lambda: cellray.get(same.remote(5)))) == 5
        open_line()
        assert cellray.get(cellray.get(do.remote(keep))) == [7, 8]
        open_line()
        assert cellray.get(do.remote(lambda: np.arange(1 << 18))).sum() == (1 << 18) * ((1 << 18) - 1) // 2
        open_line()
        with pytest.raises(ValueError, match="so it is"):
            cellray.get(do.remote(fail))
        open_line()
        assert cellray.get(do.remote(lambda: time.sleep(0.05))) is None
        open_line()
        assert cellray.get(same.remote(cellray.put(1))) == 1
        open_line()
        assert cellray.get(cellray.get(same.remote([cellray.put(1)]))) == [1]
        open_line()
        assert len(cellray.get(same.remote(b"x" * 300_000))) == 300_000
        open_line()
        assert cellray.get(two.remote(1)) == [1, 2]
    open_line()
    cellray.get(do.remote(lambda: sys.stdout.write("said over the line\n")))
    open_line()
    cellray.get(do.remote(shout))
    facts_once(session, lambda facts: [t for t in of_type(facts, f.TaskOutput) if "said over" in t.text], "print")
    facts_once(session, lambda facts: [t for t in of_type(facts, f.WorkerOutput) if "written over" in t.text], "write")


def test_only_plain_tasks_are_direct() -> None:
    group = placement_group([{"CPU": 1}])
    cellray.get(group.ready())
    placed = pid.options(scheduling_strategy=PlacementGroupSchedulingStrategy(group))

    @cellray.remote(max_calls=2)
    def worn() -> int:
        return os.getpid()

    for special in (worn, placed):
        pids = set()
        for _ in range(12):
            pids.add(cellray.get(special.remote()))
            assert not lines()
        assert special is placed or len(pids) == 6


def test_tasks_that_ask_for_different_things_take_turns() -> None:
    small = pid.options(num_cpus=0.5)
    for _ in range(20):
        assert cellray.get(pid.remote())
        assert cellray.get(small.remote())
    open_line(small)
    assert cellray.available_resources()["CPU"] == 2


def test_two_functions_are_direct_by_turns() -> None:
    for _ in range(10):
        cellray.get(pid.remote())
        cellray.get(same.remote(1))
    before = lines()[0].opened
    for index in range(20):
        cellray.get(pid.remote())
        assert cellray.get(same.remote(index)) == index
    assert [each.opened for each in lines()] == [before]


def test_a_function_that_is_defined_anew_is_the_new_one() -> None:
    for version in range(5):

        @cellray.remote
        def current(version: int = version) -> int:
            return version

        open_line(current)
        for _ in range(5):
            assert cellray.get(current.remote()) == version


def test_what_is_kept_is_there_for_whoever_asks(tmp_path: Path) -> None:
    assert cellray.available_resources()["CPU"] == 2
    gate = Gate(tmp_path)
    refs = [hold.remote(gate) for _ in range(2)]
    gate.wait_arrived(2)  # both at a time
    gate.open()
    assert cellray.get(refs) == [1, 1]
    open_line()
    whole = pid.options(num_cpus=2)
    assert cellray.get(whole.remote(), timeout=WAIT_S)
    open_line()

    @cellray.remote(num_cpus=2)
    class Whole:
        def pid(self) -> int:
            return os.getpid()

    actor = Whole.remote()
    assert cellray.get(actor.pid.remote(), timeout=WAIT_S)
    cellray.kill(actor)
    open_line()
    group = placement_group([{"CPU": 1}, {"CPU": 1}])
    assert group.wait(WAIT_S)


def driver(session: Session, body: str) -> str:
    """Another driver of the session."""
    return f"""
import cellray, os, sys, time
from pathlib import Path
from tests.helpers.gates import Gate
cellray.init({session.address!r})

@cellray.remote
def pid():
    return os.getpid()

@cellray.remote
def hold(gate):
    gate.arrive()
    gate.pass_through()
    return os.getpid()

for _ in range(30):
    cellray.get(pid.remote())
{body}
"""


@pytest.mark.parametrize("is_busy", [False, True])
def test_another_drivers_tasks_get_the_worker(session: Session, tmp_path: Path, is_busy: bool) -> None:
    """While ours runs one task after another, and while we are silent."""
    stop = threading.Event()

    def run() -> int:
        for count in range(1, 1 << 30):
            assert cellray.get(same.remote(count)) == count
            if stop.is_set():
                return count
        return 0

    body = f"""
gate = Gate(Path({str(tmp_path)!r}))
refs = [hold.remote(gate) for _ in range(2)]
gate.wait_arrived(2)
gate.open()
assert len(set(cellray.get(refs))) == 2
print("both", flush=True)
sys.stdin.read()
"""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run) if is_busy else None
        with running_script(driver(session, body)) as other:
            other.expect("both")
            stop.set()
        if running is not None:
            assert running.result(WAIT_S)
    open_line()


def test_a_driver_that_is_killed_leaves_nothing_behind(session: Session, tmp_path: Path) -> None:
    """Its task is under way, and the node has not heard of it."""
    cellray.get([pid.remote(), pid.remote()])  # nobody is kept for us
    body = f"""
from cellray.engines import direct_calls
direct_calls.HAND_OVER_S = 60.0
gate = Gate(Path({str(tmp_path)!r}))
print("ready", flush=True)
cellray.get(hold.remote(gate))
"""
    gate, mine = Gate(tmp_path), Gate(tmp_path, "mine")
    with running_script(driver(session, body)) as other:
        other.expect("ready")
        (worker,) = gate.wait_arrived()
        os.kill(other.pid, signal.SIGKILL)
    refs = [hold.remote(mine) for _ in range(2)]
    mine.wait_arrived(2)  # the task that nobody waits for has been interrupted
    mine.open()
    assert cellray.get(refs, timeout=WAIT_S) == [1, 1]
    assert cellray.available_resources()["CPU"] == 2
    assert worker


def test_a_task_that_takes_long_is_seen_to_run(session: Session, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    cellray.get(do.remote(os.getpid))
    with ThreadPoolExecutor(1) as pool:
        got = pool.submit(lambda: cellray.get(do.remote(lambda: (gate.arrive(), gate.pass_through()))))
        facts_once(session, lambda facts: "do" in running_names(facts), "the task that runs")
        gate.open()
        got.result(WAIT_S)


def test_a_long_task_holds_nobody_up(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    with ThreadPoolExecutor(1) as pool:
        got = pool.submit(lambda: cellray.get(do.remote(lambda: (gate.arrive(), gate.pass_through()))))
        gate.wait_arrived()
        assert cellray.get([same.remote(index) for index in range(200)], timeout=WAIT_S) == list(range(200))
        for index in range(50):
            assert cellray.get(same.remote(index), timeout=WAIT_S) == index
        gate.open()
        got.result(WAIT_S)


def test_the_task_can_be_an_argument_while_it_is_under_way(tmp_path: Path, patient: None) -> None:
    gate = Gate(tmp_path)
    ref = do.remote(lambda: (gate.arrive(), gate.pass_through(), 41)[2])
    with ThreadPoolExecutor(2) as pool:
        got = pool.submit(cellray.get, ref)
        gate.wait_arrived()
        after = same.remote(ref)
        waited = pool.submit(cellray.wait, [ref], timeout=WAIT_S)
        gate.open()
        assert cellray.get(after) == 41
        assert got.result(WAIT_S) == 41
        assert waited.result(WAIT_S) == ([ref], [])


@pytest.mark.parametrize("force", [False, True])
def test_the_task_can_be_cancelled_while_it_is_under_way(tmp_path: Path, patient: None, force: bool) -> None:
    gate = Gate(tmp_path)
    ref = do.remote(lambda: (gate.arrive(), gate.pass_through()))
    with ThreadPoolExecutor(1) as pool:
        got = pool.submit(cellray.get, ref)
        gate.wait_arrived()
        cellray.cancel(ref, force=force)
        with pytest.raises((TaskCancelledError, WorkerCrashedError)):
            got.result(WAIT_S)
    open_line()


def test_an_interrupt_ends_the_wait_and_not_the_task(tmp_path: Path, patient: None) -> None:
    gate = Gate(tmp_path)

    def interrupt() -> None:
        gate.wait_arrived()
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    ref = do.remote(lambda: (gate.arrive(), gate.pass_through(), 5)[2])
    with pytest.raises(KeyboardInterrupt):
        cellray.get(ref)
    thread.join()
    assert cellray.wait([ref], timeout=0.05) == ([], [ref])
    gate.open()
    assert cellray.get(ref) == 5
    open_line()


def test_a_worker_that_has_died_meanwhile_is_replaced() -> None:
    for _ in range(3):
        os.kill(cellray.get(pid.remote()), signal.SIGKILL)
        assert cellray.get(pid.remote(), timeout=WAIT_S)
        open_line()


def test_a_task_that_dies_with_its_worker_is_tried_again_if_it_may_be(tmp_path: Path) -> None:
    died = tmp_path / "died"

    def die_once() -> str:
        if not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return "alive"

    assert cellray.get(do.remote(die_once), timeout=WAIT_S) == "alive"
    open_line()
    cellray.get(do_once.remote(os.getpid))
    with pytest.raises(WorkerCrashedError, match="SIGKILL"):
        cellray.get(do_once.remote(lambda: os.kill(os.getpid(), signal.SIGKILL)), timeout=WAIT_S)
    assert cellray.get(pid.remote(), timeout=WAIT_S)


def test_a_task_that_blocks_lends_its_cpu_though_its_worker_is_kept() -> None:
    """Also the one with which the worker was asked for."""

    def nest(depth: int) -> int:
        return 0 if not depth else 1 + int(cellray.get(do.remote(lambda: nest(depth - 1))))

    for _ in range(8):
        assert cellray.get(do.remote(lambda: nest(4)), timeout=WAIT_S) == 4


def test_threads_that_wait_for_tasks_side_by_side() -> None:
    def run(which: int) -> int:
        for index in range(150):
            assert cellray.get(same.remote((which, index))) == (which, index)
        return which

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(run, range(3))) == [0, 1, 2]


@pytest.mark.parametrize("seed", range(3))
def test_no_task_is_lost_or_runs_twice_beside_another_driver(session: Session, tmp_path: Path, seed: int) -> None:
    """Both run single tasks and batches, in turns that nobody plans."""
    chosen = random.Random(seed)
    theirs, mine = tmp_path / "theirs", tmp_path / "mine"
    for path in (theirs, mine):
        path.touch()
    code = """
@cellray.remote(max_retries=0)
def note(path, index):
    with open(path, "a") as file:
        file.write(f"{index}\\n")
    return index

"""
    body = f"""{code}
import random
chosen, count, end = random.Random({seed + 100}), 0, time.monotonic() + 3
while time.monotonic() < end:
    size = chosen.choice((1, 1, 1, 1, 1, 1, 5, 30))
    refs = [note.remote({str(theirs)!r}, count + index) for index in range(size)]
    assert cellray.get(refs if size > 1 else refs[0]) == (list(range(count, count + size)) if size > 1 else count)
    count += size
    if chosen.random() < 0.02:
        time.sleep(0.02)
print("count", count, flush=True)
sys.stdin.read()
"""
    note = do_once
    with running_script(driver(session, body)) as other:
        count, end = 0, time.monotonic() + 3

        def write(index: int) -> int:
            with open(mine, "a", encoding="utf-8") as file:
                file.write(f"{index}\n")
            return index

        def bound(index: int) -> Callable[[], int]:
            return lambda: write(index)

        while time.monotonic() < end:
            size = chosen.choice((1, 1, 1, 1, 1, 1, 5, 30))
            refs = [note.remote(bound(count + index)) for index in range(size)]
            assert [cellray.get(refs[0]), *cellray.get(refs[1:])] == list(range(count, count + size))
            count += size
        their_count = int(other.expect("count"))
    assert sorted(map(int, mine.read_text().split())) == list(range(count))
    assert sorted(map(int, theirs.read_text().split())) == list(range(their_count))
    eventually(lambda: cellray.available_resources()["CPU"] == 2, "all CPUs back")


def test_a_session_that_ends_with_a_worker_kept_leaves_nothing() -> None:
    address = calls_of_driver()._address
    assert os.path.exists(address)
    cellray.shutdown()
    assert not os.path.exists(address)

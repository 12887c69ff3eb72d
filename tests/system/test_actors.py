"""Actors from the user's side: state, order, failures, names, handles, and when they end."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from itertools import chain
from pathlib import Path
from typing import Any

import cellray
import numpy as np
import pytest
from cellray import ActorHandle, Session
from cellray.actor import exit_actor
from cellray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    RayActorError,
    SerializationError,
    TaskCancelledError,
    TaskError,
)
from cellray.model.fact import ActorDied, ActorStarted, TaskStarted

from tests.helpers.control import StatusReader
from tests.helpers.event_log import facts_once, of_type
from tests.helpers.gates import Gate
from tests.helpers.polling import eventually
from tests.helpers.processes import has_ended
from tests.helpers.scripts import run_script

pytestmark = pytest.mark.usefixtures("session")
CALLS = 2_000


@cellray.remote
class Counter:
    def __init__(self, start: int = 0) -> None:
        self.value = start
        self.seen: list[Any] = []

    def add(self, step: int = 1) -> int:
        self.value += step
        return self.value

    def note(self, what: Any) -> int:
        self.seen.append(what)
        return len(self.seen)

    def notes(self) -> list[Any]:
        return self.seen

    @cellray.method(num_returns=2)
    def both(self) -> tuple[int, list[Any]]:
        return self.value, self.seen

    def fail(self) -> None:
        self.value += 100
        raise ValueError("bad call")

    def pid(self) -> int:
        return os.getpid()

    def wait_at(self, gate: Gate, value: Any = None) -> Any:
        gate.arrive(value)
        gate.pass_through()
        return value

    def crash(self) -> None:
        os.write(1, b"last words\n")
        os.kill(os.getpid(), signal.SIGKILL)

    def leave(self) -> None:
        exit_actor()

    def leave_with(self, code: int) -> None:
        sys.exit(code)

    def keep(self, handles: list[ActorHandle]) -> None:
        self.seen = handles

    def call_kept(self) -> int:
        return int(cellray.get(self.seen[0].add.remote()))


@cellray.remote
def late(gate: Gate, value: Any) -> Any:
    gate.pass_through()
    return value


@cellray.remote
def add_to(counter: ActorHandle, count: int) -> list[int]:
    return [int(value) for value in cellray.get([counter.add.remote() for _ in range(count)])]


def wait_gone(pid: int) -> None:
    eventually(lambda: has_ended(pid), f"process {pid} has ended")


def test_an_actor_keeps_its_state_in_a_process_of_its_own() -> None:
    one, two = Counter.remote(5), Counter.remote(start=10)
    assert cellray.get([one.add.remote(), one.add.remote(step=2), two.add.remote()]) == [6, 8, 11]
    pids = {*cellray.get([one.pid.remote(), one.pid.remote(), two.pid.remote()]), os.getpid()}
    assert len(pids) == 3


def test_methods_options_and_inheritance() -> None:
    class Base:
        def who(self) -> str:
            return "base"

        def shared(self) -> str:
            return f"shared by {self.who()}"

    @cellray.remote
    class Derived(Base):
        def who(self) -> str:
            return "derived"

    @cellray.remote
    class Further(Derived):  # type: ignore[misc]
        def who(self) -> str:
            return f"further than {super().who()}"

    assert cellray.get(Derived.remote().shared.remote()) == "shared by derived"
    assert cellray.get(Further.remote().shared.remote()) == "shared by further than derived"
    counter = Counter.remote(3)
    value, seen = counter.both.remote()
    assert cellray.get([value, seen]) == [3, []]
    assert cellray.get(counter.both.options(num_returns=1).remote()) == (3, [])
    assert counter.add.options(num_returns=0).remote() is None
    assert cellray.get(counter.add.options(name="plus").remote()) == 5


def test_mistakes_are_told_at_once() -> None:
    with pytest.raises(TypeError, match=r"try|use 'Counter.remote\(\)'"):
        Counter()
    with pytest.raises(TypeError, match=r"Counter.remote\(\): too many positional arguments"):
        Counter.remote(1, 2)
    counter = Counter.remote()
    with pytest.raises(TypeError, match=r"try 'object.add.remote\(\)'"):
        counter.add()
    with pytest.raises(AttributeError, match="have no method 'ad'; did you mean 'add'"):
        _ = counter.ad
    for handle in (counter, cellray.get(cellray.put(counter))):
        with pytest.raises(TypeError, match=r"Counter.add.remote\(\): too many positional arguments"):
            handle.add.remote(1, 2, 3)
        with pytest.raises(TypeError, match=r"Counter.add.remote\(\): got an unexpected keyword argument 'stop'"):
            handle.add.remote(stop=1)
    with pytest.raises(SerializationError, match="step"):
        counter.add.remote(step=threading.Lock())
    with pytest.raises(ValueError, match="did you mean 'max_restarts'"):
        Counter.options(max_restart=1)
    with pytest.raises(ValueError, match="'max_task_retries' cannot be set"):
        Counter.options(max_task_retries=1).remote()
    with pytest.raises(ValueError, match="name must be specified"):
        Counter.options(get_if_exists=True).remote()
    with pytest.raises(ValueError, match="only supported for actors"):
        cellray.kill(counter.add.remote())
    with pytest.raises(TypeError, match="in a method"):
        exit_actor()
    assert cellray.get(counter.add.remote()) == 2


def test_an_exception_of_a_method_leaves_the_actor_alive() -> None:
    counter = Counter.remote()
    with pytest.raises(ValueError, match="bad call") as caught:
        cellray.get(counter.fail.remote())
    assert isinstance(caught.value, TaskError)
    assert caught.value.function_name == "Counter.fail"
    assert cellray.get(counter.add.remote()) == 101


def test_calls_run_in_the_order_in_which_they_were_made(tmp_path: Path) -> None:
    counter = Counter.remote()
    assert cellray.get([counter.note.remote(i) for i in range(CALLS)]) == list(range(1, CALLS + 1))
    assert cellray.get(counter.notes.remote()) == list(range(CALLS))
    gate = Gate(tmp_path)
    other = Counter.remote()
    for i in range(3):
        other.note.remote(late.options(num_cpus=0).remote(gate, f"late {i}"))
        other.note.remote(i)
    # Another caller does not wait for our arguments.
    assert len(cellray.get(add_to.remote(other, 2))) == 2
    gate.open()
    assert cellray.get(other.notes.remote()) == ["late 0", 0, "late 1", 1, "late 2", 2]


def test_handles_travel_into_tasks_actors_and_objects() -> None:
    counter = Counter.remote()
    seen = cellray.get([add_to.remote(counter, 50) for _ in range(4)])
    assert sorted(chain.from_iterable(seen)) == list(range(1, 201))
    outer = Counter.remote()
    cellray.get(outer.keep.remote([counter]))
    assert cellray.get(outer.call_kept.remote()) == 201
    stored = cellray.put({"counter": counter})
    del counter
    gc.collect()
    assert cellray.get(cellray.get(stored)["counter"].add.remote()) == 202
    assert cellray.get(cellray.get(stored)["counter"].add.remote()) == 203


def test_actors_that_hold_all_cpus_and_wait_for_each_other_do_not_deadlock() -> None:
    @cellray.remote(num_cpus=1)
    class Asks:
        def ask(self) -> list[int]:
            return [int(value) for value in cellray.get([add_to.remote(Counter.remote(), 2) for _ in range(3)])[0]]

    asks = Asks.remote()
    assert cellray.get(asks.ask.remote(), timeout=60) == [1, 2]
    assert cellray.get([asks.ask.remote() for _ in range(5)], timeout=60) == [[1, 2]] * 5


def test_an_actor_holds_its_resources_as_long_as_it_lives(session: Session, status_reader: StatusReader) -> None:
    def available() -> float:
        return status_reader.read(session.address).resources_available["CPU"]

    free = Counter.remote()
    cellray.get(free.add.remote())
    assert available() == 2
    holders = [Counter.options(num_cpus=1).remote() for _ in range(2)]
    cellray.get([each.add.remote() for each in holders])
    assert available() == 0
    waiting = Counter.options(num_cpus=1).remote()
    assert cellray.wait([waiting.add.remote()], timeout=0.3)[0] == []
    cellray.kill(holders.pop())
    assert cellray.get(waiting.add.remote(), timeout=30) == 2
    del waiting, holders
    gc.collect()
    eventually(lambda: available() == 2, "all is given back")


def test_a_constructor_that_raises_tells_every_call() -> None:
    @cellray.remote
    class Broken:
        def __init__(self) -> None:
            raise RuntimeError("no luck")

        def use(self) -> None: ...

    broken = Broken.remote()
    for _ in range(2):
        with pytest.raises(ActorDiedError, match=r"(?s)its constructor raised.*no luck"):
            cellray.get(broken.use.remote())
    failing = Counter.remote(cellray.remote(lambda: 1 // 0).remote())
    with pytest.raises(ActorDiedError, match="an argument of its constructor failed"):
        cellray.get(failing.add.remote())
    with pytest.raises(ActorDiedError, match="5 CPU"):
        cellray.get(Counter.options(num_cpus=5).remote().add.remote())


def test_kill_ends_calls_under_way_and_later_ones(tmp_path: Path) -> None:
    counter = Counter.options(recover=False, max_restarts=3).remote()
    pid = cellray.get(counter.pid.remote())
    gate = Gate(tmp_path)
    refs = [counter.wait_at.remote(gate), counter.add.remote()]
    gate.wait_arrived()
    cellray.kill(counter)
    for ref in (*refs, counter.add.remote()):
        with pytest.raises(ActorDiedError, match=r"it was killed by cellray.kill\(\)"):
            cellray.get(ref)
    wait_gone(pid)


def test_a_crash_without_restarts_says_what_happened(session: Session) -> None:
    counter = Counter.remote()
    pid = cellray.get(counter.pid.remote())
    refs = [counter.crash.remote(), counter.add.remote()]
    for ref in (*refs, counter.add.remote()):
        with pytest.raises(RayActorError, match=r"was killed by SIGKILL \(9\)") as caught:
            cellray.get(ref)
        assert isinstance(caught.value, ActorDiedError)
        assert "last words" in str(caught.value)
        assert str(pid) in str(caught.value)
    assert cellray.get(Counter.remote().add.remote()) == 1
    facts = facts_once(session, lambda facts: of_type(facts, ActorDied), "the death is logged")
    assert not of_type(facts, ActorDied)[0].will_restart


def test_a_crash_with_restarts_runs_the_constructor_again(session: Session, tmp_path: Path) -> None:
    counter = Counter.options(recover=False, max_restarts=1).remote(cellray.put(10))
    assert cellray.get(counter.add.remote()) == 11
    gate = Gate(tmp_path)
    under_way = counter.wait_at.remote(gate)
    gate.wait_arrived()
    os.kill(int(gate.pids[0]), signal.SIGKILL)
    with pytest.raises(ActorUnavailableError, match="may have run"):
        cellray.get(under_way)
    assert cellray.get(counter.add.remote(), timeout=60) == 11
    os.kill(cellray.get(counter.pid.remote()), signal.SIGKILL)
    with pytest.raises(ActorDiedError, match=r"after 1 restart\(s\)"):
        eventually(lambda: cellray.get(counter.add.remote()) < 0, "the actor is dead")
    facts = facts_once(session, lambda facts: len(of_type(facts, ActorDied)) == 2, "both deaths are logged")
    assert [fact.will_restart for fact in of_type(facts, ActorDied)] == [True, False]
    assert [fact.restarts for fact in of_type(facts, ActorStarted)] == [0, 1]


def test_calls_are_tried_again_when_they_ask_for_it(tmp_path: Path) -> None:
    counter = Counter.options(recover=False, max_restarts=-1, max_task_retries=2).remote()
    gate = Gate(tmp_path)
    refs = [counter.wait_at.remote(gate, "held"), *[counter.note.remote(i) for i in range(20)]]
    gate.wait_arrived(1)
    os.kill(gate.pids[-1], signal.SIGKILL)
    gate.wait_arrived(2)
    gate.open()
    assert cellray.get(refs, timeout=60) == ["held", *range(1, 21)]
    assert cellray.get(counter.notes.remote()) == list(range(20))
    with pytest.raises(ActorUnavailableError):
        cellray.get(counter.crash.options(max_task_retries=0).remote(), timeout=60)
    assert cellray.get(counter.add.remote(), timeout=60) == 1


def test_kill_with_restart_and_leaving_by_itself() -> None:
    counter = Counter.options(recover=False, max_restarts=2).remote()
    first = cellray.get(counter.pid.remote())
    cellray.kill(counter, no_restart=False)
    wait_gone(first)
    second = cellray.get(counter.pid.remote(), timeout=60)
    assert second != first
    with pytest.raises(ActorUnavailableError, match="exited with code 3"):
        cellray.get(counter.leave_with.remote(3))
    assert cellray.get(counter.pid.remote(), timeout=60) not in (first, second)
    with pytest.raises(ActorDiedError, match=r"exit_actor\(\)"):
        cellray.get(counter.leave.remote())
    with pytest.raises(ActorDiedError, match=r"exit_actor\(\)"):
        cellray.get(counter.add.remote())


def test_names_are_taken_once() -> None:
    first = Counter.options(name="shared").remote()
    with pytest.raises(ValueError, match="already taken"):
        Counter.options(name="shared").remote()
    again = Counter.options(name="shared", get_if_exists=True).remote(99)
    assert again == first
    assert cellray.get([first.add.remote(), again.add.remote()]) == [1, 2]
    assert cellray.get(cellray.get_actor("shared").add.remote()) == 3
    with pytest.raises(ValueError, match="Failed to look up actor with name 'shared'"):
        cellray.get_actor("shared", namespace="elsewhere")

    @cellray.remote
    def use_by_name(i: int) -> int:
        mine = Counter.options(name="made in tasks", get_if_exists=True).remote()
        cellray.get(mine.note.remote(i))
        return int(cellray.get(cellray.get_actor("shared").add.remote()))

    keeper = Counter.options(name="made in tasks", get_if_exists=True).remote()
    assert sorted(cellray.get([use_by_name.remote(i) for i in range(10)])) == list(range(4, 14))
    assert sorted(cellray.get(keeper.notes.remote())) == list(range(10))
    cellray.kill(first)
    eventually(lambda: not is_named("shared"), "the name is free")
    assert cellray.get(Counter.options(name="shared").remote().add.remote()) == 1


def is_named(name: str) -> bool:
    try:
        cellray.get_actor(name)
    except ValueError:
        return False
    return True


def test_an_actor_ends_when_its_last_handle_goes() -> None:
    counter = Counter.options(name="short").remote()
    pid = cellray.get(counter.pid.remote())
    add = counter.add
    del counter
    gc.collect()
    assert cellray.get(add.remote()) == 1
    held = cellray.get_actor("short")
    del add
    assert cellray.get(held.add.remote()) == 2
    last = held.add.remote()
    del held
    gc.collect()
    assert cellray.get(last) == 3  # a call under way keeps its actor
    wait_gone(pid)
    assert not is_named("short")
    assert cellray.get(Counter.remote(7).add.remote()) == 8


def test_large_values_and_views_go_in_and_out() -> None:
    @cellray.remote
    class Holder:
        def __init__(self, array: np.ndarray[Any, Any]) -> None:
            self.array = array

        def total(self, other: np.ndarray[Any, Any]) -> float:
            return float(self.array.sum() + other.sum())

        def grown(self) -> np.ndarray[Any, Any]:
            return np.concatenate([self.array, self.array])

    holder = Holder.remote(np.ones(1_000_000))
    assert cellray.get(holder.total.remote(np.ones(500_000))) == 1_500_000
    assert cellray.get(holder.grown.remote()).sum() == 2_000_000


def test_a_queued_call_can_be_cancelled_and_a_running_one_interrupted(tmp_path: Path) -> None:
    counter = Counter.remote()
    gate = Gate(tmp_path)
    running, queued, kept = counter.wait_at.remote(gate), counter.add.remote(), counter.add.remote()
    gate.wait_arrived()
    cellray.cancel(queued)
    with pytest.raises(TaskCancelledError):
        cellray.get(queued)
    cellray.cancel(running)
    with pytest.raises(TaskCancelledError):
        cellray.get(running)
    assert cellray.get(kept) == 1


def test_many_actors_at_once() -> None:
    actors = [Counter.remote(i) for i in range(30)]
    begun = time.monotonic()
    assert cellray.get([actor.add.remote() for actor in actors], timeout=60) == list(range(1, 31))
    assert time.monotonic() - begun < 30
    pids = set(cellray.get([actor.pid.remote() for actor in actors]))
    assert len(pids) == 30


def test_a_long_call_is_reported_as_started(session: Session, tmp_path: Path) -> None:
    counter = Counter.remote()
    gate = Gate(tmp_path)
    ref = counter.wait_at.remote(gate)
    facts_once(session, lambda facts: of_type(facts, TaskStarted), "the call is reported")
    gate.open()
    cellray.get(ref)


def test_detached_actors_outlive_their_driver_and_others_do_not(session: Session) -> None:
    output = run_script(f"""
        import cellray, os
        cellray.init(address={session.address!r})
        @cellray.remote
        class Kept:
            def pid(self): return os.getpid()
            def count(self, n=[0]): n[0] += 1; return n[0]
        stays = Kept.options(name="stays", namespace="both", lifetime="detached").remote()
        goes = Kept.options(name="goes", namespace="both").remote()
        print(*cellray.get([stays.pid.remote(), goes.pid.remote(), stays.count.remote()]))
    """)
    stays, goes, count = (int(word) for word in output.stdout.split())
    assert count == 1, output
    wait_gone(goes)
    handle = cellray.get_actor("stays", namespace="both")
    assert cellray.get(handle.count.remote()) == 2
    assert cellray.get(handle.pid.remote()) == stays
    with pytest.raises(ValueError, match="Failed to look up"):
        cellray.get_actor("goes", namespace="both")
    del handle
    gc.collect()
    assert cellray.get(cellray.get_actor("stays", namespace="both").count.remote()) == 3
    cellray.kill(cellray.get_actor("stays", namespace="both"))
    wait_gone(stays)

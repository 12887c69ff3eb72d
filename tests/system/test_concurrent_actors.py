"""Actors that run several calls at a time, in threads and on an event loop: order, limits, cancelling, leaving."""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cellray
import pytest
from cellray import ObjectRef, Session
from cellray.actor import exit_actor
from cellray.exceptions import ActorDiedError, ActorUnavailableError, PendingCallsLimitExceeded, TaskCancelledError
from cellray.model.fact import TaskOutput

from tests.helpers.event_log import facts_once, of_type
from tests.helpers.gates import Gate
from tests.helpers.polling import eventually

pytestmark = pytest.mark.usefixtures("session")
WAIT_S = 60


@cellray.remote
def plus_one(value: int) -> int:
    return value + 1


class Busy:
    """Calls that nest tasks, put, and print in two pieces who they are."""

    def threaded(self, value: int) -> int:
        sys.stdout.write(cellray.get_runtime_context().get_task_id() or "")
        refs = [plus_one.remote(value + index) for index in range(3)]
        stored = cellray.put(value)
        total = sum(cellray.get(refs)) + cellray.get(stored)
        sys.stdout.write(f" {value}\n")
        return int(total)


class BusyLoop(Busy):
    async def awaiting(self, value: int) -> int:
        sys.stdout.write(cellray.get_runtime_context().get_task_id() or "")
        refs = [plus_one.remote(value + index) for index in range(3)]
        total = sum([await ref for ref in refs]) + await cellray.put(value)
        sys.stdout.write(f" {value}\n")
        return int(total)

    async def in_a_thread(self, value: int) -> int:
        return await asyncio.to_thread(self.threaded, value)


@cellray.remote(max_concurrency=3, concurrency_groups={"io": 2})
class Threads:
    def __init__(self, folder: str = "") -> None:
        self.folder = folder
        self.began: list[Any] = []
        self.barriers = {count: threading.Barrier(count) for count in (2, 3)}
        if folder:
            atexit.register(Path(folder, "atexit").touch)

    def __del__(self) -> None:
        if self.folder:
            Path(self.folder, "del").touch()

    def note(self, what: Any) -> Any:
        self.began.append(what)
        return what

    def noted(self) -> list[Any]:
        return self.began

    def meet(self, count: int) -> str:
        self.barriers[count].wait(WAIT_S)
        return threading.current_thread().name

    @cellray.method(concurrency_group="io")
    def meet_in_group(self) -> str:
        return str(self.meet(2))

    def hold(self, gate: Gate) -> str:
        gate.arrive()
        gate.pass_through()
        return "held"

    def nested(self, value: int) -> int:
        return int(cellray.get(plus_one.remote(value)))

    def watch_cancel(self, gate: Gate) -> str:
        context = cellray.get_runtime_context()
        context.is_canceled()
        gate.arrive()
        while not context.is_canceled():
            time.sleep(0.005)
        Path(self.folder, "noticed").touch()
        return "noticed"

    def leave(self) -> None:
        exit_actor()

    def quit(self, code: int) -> None:
        sys.exit(code)

    def crash(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


@cellray.remote
class Async:
    def __init__(self, folder: str = "") -> None:
        self.folder = folder
        self.began: list[Any] = []
        self.running = self.most = 0
        self.event = asyncio.Event()
        asyncio.get_running_loop().call_soon(self.began.append, "from the loop")
        if folder:
            atexit.register(Path(folder, "atexit").touch)

    def __del__(self) -> None:
        if self.folder:
            Path(self.folder, "del").touch()

    async def note(self, what: Any) -> Any:
        self.began.append(what)
        return what

    def noted(self) -> list[Any]:
        return self.began

    async def sleep(self, seconds: float) -> int:
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(seconds)
        self.running -= 1
        return self.most

    async def wait(self) -> str:
        await self.event.wait()
        return "woken"

    async def wake(self) -> None:
        self.event.set()

    async def hold(self, gate: Gate) -> str:
        gate.arrive()
        await asyncio.to_thread(gate.pass_through)
        return "held"

    async def stubborn(self, gate: Gate) -> str:
        gate.arrive()
        try:
            await asyncio.sleep(WAIT_S)
        except asyncio.CancelledError:
            return "kept"
        return "not cancelled"

    async def nested(self, value: int) -> int:
        first, second = await asyncio.gather(plus_one.remote(value), plus_one.remote(value + 1))
        return int(await plus_one.remote(first)) + int(second)

    def holding_up_the_loop(self, value: int) -> int:
        return int(plus_one.remote(value).future().result(WAIT_S))

    async def blocking(self, value: int) -> int:
        return int(cellray.get(plus_one.remote(value)))

    async def fail(self) -> None:
        await asyncio.sleep(0)
        raise KeyError("no such thing")

    async def leave(self) -> None:
        exit_actor()

    async def leave_in_a_coroutine_of_its_own(self) -> None:
        async def leave() -> None:
            exit_actor()

        await asyncio.create_task(leave())

    async def quit(self, code: int) -> None:
        sys.exit(code)

    async def crash(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def got(ref: ObjectRef | list[ObjectRef]) -> Any:
    return cellray.get(ref, timeout=WAIT_S)  # type: ignore[arg-type]


def test_threads_run_as_many_calls_as_they_may_each_group_for_itself(tmp_path: Path) -> None:
    actor = Threads.remote()
    names = got([actor.meet.remote(3) for _ in range(3)])
    assert len(set(names)) == 3
    gate = Gate(tmp_path)
    held = [actor.hold.remote(gate) for _ in range(4)]
    gate.wait_arrived(3)
    # All slots of the others are taken, those of the group are not.
    assert len(set(got([actor.meet_in_group.remote() for _ in range(2)]))) == 2
    assert got(actor.note.options(concurrency_group="io").remote("elsewhere")) == "elsewhere"
    assert cellray.wait([actor.note.remote("waits")], timeout=0.1)[0] == []
    assert len(gate.pids) == 3
    gate.open()
    assert got(held) == ["held"] * 4


def test_calls_begin_in_the_order_of_their_caller() -> None:
    one_thread = Threads.options(max_concurrency=1).remote()
    event_loop = Async.remote()
    for actor in (one_thread, event_loop):
        got([actor.note.remote(i) for i in range(1_000)])
        assert [each for each in got(actor.noted.remote()) if each != "from the loop"] == list(range(1_000))
    assert "from the loop" in got(event_loop.noted.remote())


def test_an_event_loop_runs_its_calls_interleaved() -> None:
    actor = Async.remote()
    woken = actor.wait.remote()
    got(actor.wake.remote())
    assert got(woken) == "woken"
    assert max(got([actor.sleep.remote(0.2) for _ in range(50)])) == 50
    limited = Async.options(max_concurrency=2).remote()
    assert max(got([limited.sleep.remote(0.05) for _ in range(6)])) == 2
    with pytest.raises(KeyError, match="no such thing"):
        got(actor.fail.remote())


def test_a_caller_may_be_limited_in_what_it_has_under_way() -> None:
    actor = Async.options(max_pending_calls=2).remote()
    waiting = [actor.wait.remote() for _ in range(2)]
    with pytest.raises(PendingCallsLimitExceeded, match="max_pending_calls=2"):
        actor.wake.remote()
    cellray.cancel(waiting.pop())
    eventually(lambda: _is_taken(actor), "there is room again")
    assert got(waiting) == ["woken"]


def _is_taken(actor: Any) -> bool:
    try:
        actor.wake.remote()
    except PendingCallsLimitExceeded:
        return False
    return True


def test_calls_may_submit_and_wait_for_others() -> None:
    event_loop, threads = Async.remote(), Threads.remote()
    assert got([event_loop.nested.remote(i) for i in range(20)]) == [2 * i + 4 for i in range(20)]
    assert got(event_loop.blocking.remote(5)) == 6
    assert got([event_loop.holding_up_the_loop.remote(i) for i in range(5)]) == [i + 1 for i in range(5)]
    assert got([threads.nested.remote(i) for i in range(20)]) == [i + 1 for i in range(20)]
    holding = Threads.options(num_cpus=2).remote()
    assert got([holding.nested.remote(i) for i in range(6)]) == [i + 1 for i in range(6)]
    del holding
    awaiting = Async.options(num_cpus=2).remote()
    assert got([awaiting.nested.remote(i) for i in range(6)]) == [2 * i + 4 for i in range(6)]


def test_many_calls_that_submit_at_the_same_time_do_not_mix(session: Session) -> None:
    threads = cellray.remote(max_concurrency=8)(Busy).remote()
    event_loop = cellray.remote(BusyLoop).remote()
    values = range(60)
    calls = [
        (value, method.remote(value))
        for method in (threads.threaded, event_loop.awaiting, event_loop.threaded, event_loop.in_a_thread)
        for value in values
    ]
    assert got([ref for _, ref in calls]) == [4 * value + 6 for value, _ in calls]
    printed = [f"{ref.task_id().hex()} {value}\n" for value, ref in calls]

    def all_told(facts: list[Any]) -> dict[str, str]:
        told: dict[str, str] = {}
        for fact in of_type(facts, TaskOutput):
            told[fact.task_id.hex()] = told.get(fact.task_id.hex(), "") + fact.text
        return told if len("".join(told.values())) >= len("".join(printed)) else {}

    told = all_told(facts_once(session, all_told, "everything that was printed is logged"))
    assert told == {ref.task_id().hex(): text for (_, ref), text in zip(calls, printed, strict=True)}


def test_a_call_does_not_see_the_context_variables_of_another() -> None:
    @cellray.remote
    class Carries:
        def __init__(self) -> None:
            self.variable = contextvars.ContextVar("variable", default="unset")

        async def set_and_read(self, value: str) -> str:
            before = self.variable.get()
            self.variable.set(value)
            await asyncio.sleep(0)
            return f"{before} {self.variable.get()}"

    actor = Carries.options(max_concurrency=1).remote()
    assert got([actor.set_and_read.remote(str(i)) for i in range(3)]) == [f"unset {i}" for i in range(3)]


def test_a_queued_call_is_dropped_when_it_is_cancelled(tmp_path: Path) -> None:
    for kind, (actor_class, slots) in {"threads": (Threads, 3), "loop": (Async.options(max_concurrency=3), 3)}.items():
        actor = actor_class.remote()
        gate = Gate(tmp_path, kind)
        held = [actor.hold.remote(gate) for _ in range(slots)]
        gate.wait_arrived(slots)
        queued = [actor.note.remote(i) for i in range(3)]
        cellray.cancel(queued[1])
        gate.open()
        with pytest.raises(TaskCancelledError):
            got(queued[1])
        assert got([*held, queued[0], queued[2]]) == ["held"] * slots + [0, 2]
        assert 1 not in got(actor.noted.remote())


def test_a_running_coroutine_is_cancelled_as_asyncio_does_it(tmp_path: Path) -> None:
    actor = Async.remote()
    gate = Gate(tmp_path)
    refs = [actor.wait.remote(), actor.stubborn.remote(gate)]
    gate.wait_arrived()
    for ref in refs:
        cellray.cancel(ref)
    with pytest.raises(TaskCancelledError):
        got(refs[0])
    assert got(refs[1]) == "kept"
    assert got(actor.note.remote("alive")) == "alive"


def test_a_running_thread_is_told_when_it_asks(tmp_path: Path) -> None:
    actor = Threads.remote(str(tmp_path))
    asks, holds = Gate(tmp_path, "asks"), Gate(tmp_path, "holds")
    watching, holding = actor.watch_cancel.remote(asks), actor.hold.remote(holds)
    asks.wait_arrived()
    holds.wait_arrived()
    cellray.cancel(watching)
    cellray.cancel(holding)
    with pytest.raises(TaskCancelledError):
        got(watching)
    assert (tmp_path / "noticed").exists()
    holds.open()
    assert got(holding) == "held"
    with pytest.raises(ValueError, match=r"force=True.*cellray.kill\(actor\)"):
        cellray.cancel(actor.note.remote(1), force=True)


LEAVING: dict[str, Callable[[Any], ObjectRef]] = {
    "exit_actor": lambda actor: actor.leave.remote(),
    "__ray_terminate__": lambda actor: actor.__ray_terminate__.remote(),
}


def fate_of(ref: ObjectRef) -> Any:
    try:
        return got(ref)
    except ActorDiedError as died:
        return "dead" if "exit_actor" in str(died) else died


@pytest.mark.parametrize("way", list(LEAVING))
@pytest.mark.parametrize("actor_class", [Threads, Async], ids=["threads", "loop"])
def test_what_runs_comes_to_its_end_before_the_actor_leaves(actor_class: Any, way: str, tmp_path: Path) -> None:
    actor = actor_class.options(max_concurrency=2, recover=False, max_restarts=5).remote(str(tmp_path))
    gate = Gate(tmp_path)
    running = actor.hold.remote(gate)
    gate.wait_arrived()
    leaving = LEAVING[way](actor)
    queued = [actor.note.remote(i) for i in range(3)]
    gate.open()
    assert got(running) == "held"
    with pytest.raises(ActorDiedError, match="exit_actor"):
        got(leaving)
    # The slot that is free runs the next ones until the actor has noticed that it leaves; from there on they all fail.
    fates = [fate_of(ref) for ref in (*queued, actor.note.remote("late"))]
    begun = fates.index("dead")
    assert fates == [*range(begun), *["dead"] * (4 - begun)]
    assert (tmp_path / "del").exists()
    assert (tmp_path / "atexit").exists()


def test_a_coroutine_of_a_call_may_end_the_actor() -> None:
    actor = Async.remote()
    with pytest.raises(ActorDiedError, match="exit_actor"):
        got(actor.leave_in_a_coroutine_of_its_own.remote())


@pytest.mark.parametrize("actor_class", [Threads, Async], ids=["threads", "loop"])
def test_a_crash_ends_all_that_was_under_way(actor_class: Any, tmp_path: Path) -> None:
    actor = actor_class.options(recover=False, max_restarts=2).remote()
    gate = Gate(tmp_path)
    running = actor.hold.remote(gate)
    gate.wait_arrived()
    for ref in (actor.crash.remote(), running):
        with pytest.raises(ActorUnavailableError, match=r"SIGKILL"):
            got(ref)
    with pytest.raises(ActorUnavailableError, match="exited with code 3"):
        got(actor.quit.remote(3))
    assert got(actor.note.remote("again")) == "again"


@pytest.mark.parametrize("actor_class", [Threads, Async], ids=["threads", "loop"])
def test_calls_that_were_under_way_are_tried_again(actor_class: Any, tmp_path: Path) -> None:
    actor = actor_class.options(recover=False, max_restarts=1, max_task_retries=1).remote()
    gate = Gate(tmp_path)
    refs = [actor.hold.remote(gate) for _ in range(2)]
    os.kill(gate.wait_arrived(2)[0], signal.SIGKILL)
    gate.wait_arrived(4)
    gate.open()
    assert got(refs) == ["held"] * 2

"""A driver that calls an actor one call after another goes to its process itself: only the speed tells."""

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
from cellray.actor import exit_actor
from cellray.api import current
from cellray.engines import direct_calls
from cellray.engines.direct_calls import DirectCalls
from cellray.exceptions import ActorDiedError, ActorUnavailableError, GetTimeoutError, TaskCancelledError
from cellray.ids import ObjectId
from cellray.model import fact as f

from tests.helpers.event_log import facts_once, of_type, submitted
from tests.helpers.gates import Gate
from tests.helpers.polling import eventually
from tests.helpers.processes import has_ended
from tests.helpers.scripts import running_script

pytestmark = pytest.mark.usefixtures("session")
WAIT_S = 60
LONG_S = 60.0
CALLS = 300


@cellray.remote
def plus_one(value: int) -> int:
    return value + 1


class Noter:
    """Notes what it is given, and does what a call may do besides."""

    def __init__(self) -> None:
        self.noted: list[Any] = []

    def note(self, what: Any) -> int:
        self.noted.append(what)
        return len(self.noted)

    def take(self) -> list[Any]:
        noted, self.noted = self.noted, []
        return noted

    def pid(self) -> int:
        return os.getpid()

    def hold(self, gate: Gate, value: Any = 1) -> Any:
        gate.arrive()
        gate.pass_through()
        return value

    def nap(self, seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    def say(self, text: str) -> str:
        sys.stdout.write(f"{text}\n")
        return text

    def shout(self, text: str) -> str:
        os.write(1, text.encode() + b"\n")
        return text

    def nest(self, value: int) -> int:
        return int(cellray.get(plus_one.remote(value)))

    def keep(self, value: int) -> list[ObjectRef]:
        return [cellray.put(value), plus_one.remote(value)]

    def large(self, count: int) -> np.ndarray:
        return np.arange(count)

    def fail(self, text: str) -> None:
        raise ValueError(text)

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def leave(self) -> None:
        exit_actor()

    @cellray.method(num_returns=2)
    def two(self, value: int) -> tuple[int, int]:
        return value, value + 1


class AsyncNoter(Noter):
    async def later(self, what: Any) -> int:
        return self.note(what)


Sync = cellray.remote(Noter)
Async = cellray.remote(AsyncNoter)


def calls_of_driver() -> DirectCalls:
    assert current.engine is not None
    return current.engine.direct  # type: ignore[attr-defined, no-any-return]


def is_open(actor: Any) -> bool:
    """Whether the next call goes over its line."""
    object_id = ObjectId(actor._cellray_ref._id)
    callee = calls_of_driver()._callees.get(object_id)
    return callee is not None and callee.is_open


def open_line(actor: Any) -> None:
    """Call until the line is open."""

    def call() -> bool:
        cellray.get(actor.pid.remote())
        return is_open(actor)

    eventually(call, "a direct line")


@pytest.fixture(params=[Sync, Async], ids=["sync", "async"])
def actor(request: pytest.FixtureRequest) -> Any:
    """An actor that is called directly."""
    made = request.param.remote()
    open_line(made)
    return made


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call is not handed over to the node for taking long."""
    monkeypatch.setattr(direct_calls, "HAND_OVER_S", LONG_S)


def test_every_call_runs_once_and_is_logged_like_any(actor: Any, session: Session) -> None:
    refs = []
    for index in range(CALLS):
        ref = actor.note.remote(index)
        assert cellray.get(ref) == index + 1
        refs.append(ref.task_id())
    assert is_open(actor)
    assert cellray.get(actor.take.remote()) == list(range(CALLS))
    mine = set(refs)

    def ends(facts: list[f.Fact]) -> Counter[bytes]:
        return Counter(fact.task_id for fact in of_type(facts, f.TaskFinished) if fact.task_id in mine)

    facts = facts_once(session, lambda found: len(ends(found)) == CALLS, "the ends of all calls")
    assert set(ends(facts).values()) == {1}
    assert set(stories(facts, mine).values()) == {STORY}


STORY = ("TasksSubmitted", "TasksDispatched", "TaskFinished")


def stories(facts: list[f.Fact], tasks: set[bytes]) -> dict[bytes, tuple[str, ...]]:
    """What the log has of each of these tasks, in its order."""
    assert tasks <= submitted(facts).keys()  # once each
    story: dict[bytes, list[str]] = {task_id: [] for task_id in tasks}
    for fact in facts:
        told: list[bytes] = []
        if isinstance(fact, f.TasksSubmitted):
            told = [task_id for task_id in submitted([fact]) if task_id in tasks]
        elif isinstance(fact, f.TasksDispatched):
            told = [task_id for task_id in fact.task_ids if task_id in tasks]
        elif isinstance(fact, f.TaskFinished) and fact.task_id in tasks:
            told = [fact.task_id]
            assert fact.started_at <= fact.finished_at
        for task_id in told:
            story[task_id].append(type(fact).__name__)
    return {task_id: tuple(each) for task_id, each in story.items()}


def test_what_becomes_the_nodes_is_in_the_log_in_its_order(actor: Any, session: Session) -> None:
    """Such a call and its end may come in one breath."""
    refs = []
    for index in range(5):
        for call in (actor.say, actor.shout):
            cellray.get(call.remote("known"))
            open_line(actor)
            refs.append(call.remote(f"said {index}"))
            cellray.get(refs[-1])
    mine = {ref.task_id() for ref in refs}
    ended = lambda facts: mine <= {fact.task_id for fact in of_type(facts, f.TaskFinished)}  # noqa: E731
    facts = facts_once(session, ended, "the ends of all calls")
    assert set(stories(facts, mine).values()) == {STORY}


@pytest.mark.parametrize("seed", range(4))
def test_calls_keep_the_order_of_their_caller_whatever_way_they_go(actor: Any, seed: int) -> None:
    chosen = random.Random(seed)
    cellray.get(actor.take.remote())
    expected = 0
    for _ in range(60):
        burst = chosen.choice((1, 1, 1, 1, 1, 2, 5, 40))
        refs = [actor.note.remote(expected + index) for index in range(burst)]
        expected += burst
        what = chosen.random()
        if what < 0.6:
            assert cellray.get(refs[-1]) == expected
        elif what < 0.7:
            assert cellray.get(refs)[-1] == expected
        elif what < 0.8:
            cellray.wait(refs)
        elif what < 0.85:
            time.sleep(0.003)  # the background thread sends them
    assert cellray.get(actor.take.remote()) == list(range(expected))


def test_threads_that_call_in_turn_are_served_in_turn(actor: Any) -> None:
    """Each thread calls after the other has called, and before that one's call has ended."""
    cellray.get(actor.take.remote())
    turn = threading.Semaphore(1), threading.Semaphore(0)
    numbers = iter(range(400))

    def call(which: int) -> None:
        for _ in range(200):
            turn[which].acquire()
            ref = actor.note.remote(next(numbers))
            turn[1 - which].release()
            cellray.get(ref)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(call, (0, 1)))
    assert cellray.get(actor.take.remote()) == list(range(400))


def test_a_call_that_takes_long_is_seen_to_run(actor: Any, session: Session, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    with ThreadPoolExecutor(1) as pool:
        got = pool.submit(lambda: cellray.get(actor.hold.remote(gate)))
        facts_once(session, lambda facts: any("hold" in name for name in running_names(facts)), "the call that runs")
        gate.open()
        assert got.result(WAIT_S) == 1


def running_names(facts: list[f.Fact]) -> list[str]:
    """What has started and not ended."""
    ended = {fact.task_id for fact in of_type(facts, f.TaskFinished)}
    specs, templates = (
        submitted(facts),
        {t.template.template_id: t.template for t in of_type(facts, f.TemplateRegistered)},
    )
    return [
        templates[specs[fact.task_id].template_id].name
        for fact in of_type(facts, f.TaskStarted)
        if fact.task_id not in ended
    ]


def test_what_a_call_does_with_the_node_works(actor: Any, session: Session) -> None:
    for _ in range(3):  # over the line at first, and by the node after that
        open_line(actor)
        assert cellray.get(actor.nest.remote(4)) == 5
        open_line(actor)
        first, second = cellray.get(actor.keep.remote(7))
        assert cellray.get([first, second]) == [7, 8]
        open_line(actor)
        assert cellray.get(actor.large.remote(1 << 18)).sum() == (1 << 18) * ((1 << 18) - 1) // 2
        open_line(actor)
        with pytest.raises(ValueError, match="so it is"):
            cellray.get(actor.fail.remote("so it is"))
        open_line(actor)
        assert cellray.get(actor.nap.remote(0.05)) == 0.05
        open_line(actor)
        assert cellray.get(actor.two.remote(3)) == [3, 4]
        open_line(actor)
        assert cellray.get(actor.note.remote(cellray.put(1)), timeout=WAIT_S)
        open_line(actor)
        assert cellray.get(actor.note.remote([cellray.put(1)])), "a reference inside an argument"
        open_line(actor)
        assert cellray.get(actor.note.remote(b"x" * 300_000)), "an argument that lies in shared memory"
    open_line(actor)
    assert cellray.get(actor.say.remote("said over the line")) == "said over the line"
    open_line(actor)
    assert cellray.get(actor.shout.remote("written over the line")) == "written over the line"
    facts_once(session, lambda facts: [t for t in of_type(facts, f.TaskOutput) if "said over" in t.text], "print")
    facts_once(session, lambda facts: [t for t in of_type(facts, f.WorkerOutput) if "written over" in t.text], "write")


def test_every_way_to_wait_for_one_call_is_direct(actor: Any) -> None:
    ways: list[Callable[[ObjectRef], Any]] = [
        cellray.get,
        lambda ref: cellray.get(ref, timeout=WAIT_S),
        lambda ref: cellray.get([ref]),
        lambda ref: cellray.wait([ref], timeout=WAIT_S)[0],
    ]
    for wait in ways:
        open_line(actor)
        for _ in range(5):
            assert wait(actor.pid.remote())
        assert is_open(actor)
    with pytest.raises(GetTimeoutError):
        cellray.get(actor.nap.remote(0.2), timeout=0.05)
    with pytest.raises(GetTimeoutError):
        cellray.get(actor.nap.remote(0.2), timeout=0)


def test_a_call_that_waits_for_another_callers_can_be_cancelled(session: Session, tmp_path: Path) -> None:
    shared, gate = Sync.options(name="shared", namespace="direct", lifetime="detached").remote(), Gate(tmp_path)
    open_line(shared)
    code = f"""
    import cellray
    from tests.helpers.gates import Gate
    from pathlib import Path
    cellray.init({session.address!r}, namespace="direct")
    print(cellray.get(cellray.get_actor("shared").hold.remote(Gate(Path({str(tmp_path)!r})))))
    """
    with running_script(code) as other, ThreadPoolExecutor(1) as pool:
        gate.wait_arrived()
        ref = shared.note.remote("cancelled")
        got = pool.submit(cellray.get, ref)
        time.sleep(0.05)  # it has been handed over to the node, and lies in the line
        cellray.cancel(ref)
        gate.open()
        with pytest.raises(TaskCancelledError):
            got.result(WAIT_S)
        other.expect("1")
        assert cellray.get(shared.take.remote()) == []
        cellray.kill(shared)


def test_a_coroutine_may_be_called_directly() -> None:
    noter = Async.remote()
    open_line(noter)
    for index in range(50):
        assert cellray.get(noter.later.remote(index)) == index + 1
    assert is_open(noter)


def test_the_call_can_be_an_argument_while_it_is_under_way(actor: Any, tmp_path: Path, patient: None) -> None:
    gate = Gate(tmp_path)
    ref = actor.hold.remote(gate, 41)
    with ThreadPoolExecutor(2) as pool:
        got = pool.submit(cellray.get, ref)
        gate.wait_arrived()
        after = plus_one.remote(ref)
        waited = pool.submit(cellray.wait, [ref], timeout=WAIT_S)
        gate.open()
        assert cellray.get(after) == 42
        assert got.result(WAIT_S) == 41
        assert waited.result(WAIT_S) == ([ref], [])


def test_the_call_can_be_cancelled_while_it_is_under_way(tmp_path: Path, patient: None) -> None:
    @cellray.remote
    class Sleeper:
        async def sleep(self, gate: Gate) -> None:
            import asyncio

            gate.arrive()
            await asyncio.sleep(LONG_S)

        def pid(self) -> int:
            return os.getpid()

    sleeper, gate = Sleeper.remote(), Gate(tmp_path)
    open_line(sleeper)
    ref = sleeper.sleep.remote(gate)
    with ThreadPoolExecutor(1) as pool:
        got = pool.submit(cellray.get, ref)
        gate.wait_arrived()
        cellray.cancel(ref)
        with pytest.raises(TaskCancelledError):
            got.result(WAIT_S)


def test_an_interrupt_ends_the_wait_and_not_the_call(actor: Any, tmp_path: Path, patient: None) -> None:
    gate = Gate(tmp_path)

    def interrupt() -> None:
        gate.wait_arrived()
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    ref = actor.hold.remote(gate, 5)
    with pytest.raises(KeyboardInterrupt):
        cellray.get(ref)
    thread.join()
    assert cellray.wait([ref], timeout=0.05) == ([], [ref])
    gate.open()
    assert cellray.get(ref) == 5
    open_line(actor)


def test_the_last_handle_may_go_while_a_call_is_under_way(tmp_path: Path, patient: None) -> None:
    noter, gate = Sync.remote(), Gate(tmp_path)
    open_line(noter)
    pid = cellray.get(noter.pid.remote())
    ref = noter.hold.remote(gate, 6)
    with ThreadPoolExecutor(1) as pool:
        got = pool.submit(cellray.get, ref)
        gate.wait_arrived()
        del noter
        time.sleep(0.05)  # the node has heard of it
        gate.open()
        assert got.result(WAIT_S) == 6
    eventually(lambda: has_ended(pid), "the end of an actor that nobody refers to")


@pytest.mark.parametrize("kind", [Sync, Async])
def test_who_calls_an_actor_that_dies_is_told(kind: Any) -> None:
    actor = kind.remote()
    open_line(actor)
    with pytest.raises(ActorDiedError, match="SIGKILL"):
        cellray.get(actor.die.remote())
    with pytest.raises(ActorDiedError):
        cellray.get(actor.pid.remote())
    actor = kind.remote()
    open_line(actor)
    with pytest.raises(ActorDiedError, match="exit_actor"):
        cellray.get(actor.leave.remote())


@pytest.mark.parametrize("kind", [Sync, Async])
def test_who_calls_an_actor_that_has_died_meanwhile_is_told(kind: Any) -> None:
    actor = kind.remote()
    open_line(actor)
    pid = cellray.get(actor.pid.remote())
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ActorDiedError):
        cellray.get(actor.pid.remote())


@pytest.mark.parametrize("kind", [Sync, Async])
@pytest.mark.parametrize("retries", [0, 1])
def test_an_actor_that_restarts_is_called_directly_again(kind: Any, retries: int) -> None:
    actor = kind.options(max_restarts=-1, max_task_retries=retries, recover=False).remote()
    open_line(actor)
    pid = cellray.get(actor.pid.remote())
    with pytest.raises(ActorUnavailableError):
        cellray.get(actor.die.remote())
    eventually(lambda: has_ended(pid), "the end of its process")
    open_line(actor)
    after = cellray.get(actor.pid.remote())
    assert after != pid
    cellray.kill(actor, no_restart=False)
    again = cellray.get(actor.pid.remote())  # not to the process that is being killed
    assert again not in (pid, after)
    cellray.kill(actor)
    with pytest.raises(ActorDiedError):
        cellray.get(actor.pid.remote())


def test_a_call_is_tried_again_if_it_may_be(tmp_path: Path) -> None:
    @cellray.remote(max_restarts=1, max_task_retries=1, recover=False)
    class Mortal:
        def pid(self) -> int:
            return os.getpid()

        def die_once(self, path: str) -> str:
            if not os.path.exists(path):
                open(path, "w").close()
                os.kill(os.getpid(), signal.SIGKILL)
            return "alive"

    mortal = Mortal.remote()
    open_line(mortal)
    assert cellray.get(mortal.die_once.remote(str(tmp_path / "died"))) == "alive"


def test_no_more_lines_than_are_good_for_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct_calls, "LINES_MAX", 2)
    actors = [Sync.remote() for _ in range(4)]
    for _ in range(2):
        for actor in actors:
            open_line(actor)
            assert cellray.get(actor.note.remote(1))
    assert len(calls_of_driver()._callees) <= 2


def test_only_plain_methods_go_directly_and_others_shut_the_line(actor: Any) -> None:
    assert cellray.get(actor.two.remote(1)) == [1, 2]
    assert not is_open(actor)
    open_line(actor)
    ref = actor.note.remote(1)
    cellray.get([ref, actor.note.remote(2)])
    assert not is_open(actor)
    open_line(actor)


def test_calls_of_two_drivers_go_directly_side_by_side(session: Session) -> None:
    shared = Sync.options(name="shared", namespace="direct", lifetime="detached").remote()
    open_line(shared)
    code = f"""
    import cellray, sys
    cellray.init({session.address!r}, namespace="direct")
    shared = cellray.get_actor("shared")
    for index in range({CALLS}):
        cellray.get(shared.note.remote(("other", index)))
        if index == 50:
            print("begun", flush=True)
    print("done", flush=True)
    sys.stdin.read()
    """
    with running_script(code) as other:
        other.expect("begun")
        for index in range(CALLS):
            cellray.get(shared.note.remote(("mine", index)))
        other.expect("done")
        noted = cellray.get(shared.take.remote())
        for who in ("mine", "other"):
            assert [index for name, index in noted if name == who] == list(range(CALLS))
        os.kill(other.pid, signal.SIGKILL)  # with its line
    open_line(shared)
    assert cellray.get(shared.note.remote(1)) == 1
    cellray.kill(shared)


def test_a_session_that_ends_with_lines_leaves_nothing(session: Session) -> None:
    actors = [Sync.remote(), Async.remote()]
    for actor in actors:
        open_line(actor)
    address = calls_of_driver()._address
    assert os.path.exists(address)
    cellray.shutdown()
    assert not os.path.exists(address)

"""Generators: what a caller sees of them, case by case, with Ray's rules; and what they leave behind."""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import cellray
import numpy as np
import pytest
from cellray import DynamicObjectRefGenerator, ObjectRef, ObjectRefGenerator, Session
from cellray.exceptions import RayError, TaskError, TaskUnschedulableError, WorkerCrashedError
from cellray.model.fact import ItemsYielded, TaskFinished, TaskRetried

from tests.helpers.control import StatusReader
from tests.helpers.event_log import facts_once, of_type
from tests.helpers.gates import Gate
from tests.helpers.polling import eventually

pytestmark = pytest.mark.usefixtures("session")
LONG_S = 30.0


@cellray.remote
def count(n: int) -> Iterator[int]:
    yield from range(n)


@cellray.remote
def fail_after(n: int, error: Exception) -> Iterator[int]:
    yield from range(n)
    raise error


@cellray.remote
def die_after(n: int) -> Iterator[int]:
    yield from range(n)
    time.sleep(0.3)  # what was yielded leaves within milliseconds
    os.kill(os.getpid(), signal.SIGKILL)


@cellray.remote
def hold_after(n: int, gate: Gate) -> Iterator[int]:
    yield from range(n)
    gate.arrive()
    gate.pass_through()
    yield n


@cellray.remote
def note_each(n: int, folder: Path) -> Iterator[int]:
    try:
        for i in range(n):
            (folder / f"{i}.made").touch()
            yield i
    finally:
        (folder / "closed").touch()


@cellray.remote
def double(value: int) -> int:
    return 2 * value


@cellray.remote
class Source:
    def count(self, n: int) -> Iterator[int]:
        yield from range(n)

    def fail_after(self, n: int) -> Iterator[int]:
        yield from range(n)
        raise ValueError(n)

    @cellray.method(_generator_backpressure_num_objects=1)
    def note_each(self, n: int, folder: Path) -> Iterator[int]:
        for i in range(n):
            (folder / f"{i}.made").touch()
            yield i

    @cellray.method(num_returns=2)
    def halves(self) -> Iterator[int]:
        yield from range(2)

    def ping(self) -> str:
        return "here"


@cellray.remote
class AsyncSource:
    async def count(self, n: int) -> AsyncIterator[int]:
        for i in range(n):
            await asyncio.sleep(0)
            yield i

    async def fail_after(self, n: int) -> AsyncIterator[int]:
        for i in range(n):
            yield i
        raise ValueError(n)

    def count_plainly(self, n: int) -> Iterator[int]:
        yield from range(n)

    async def hold(self) -> AsyncIterator[int]:
        yield 0
        await asyncio.sleep(LONG_S)
        yield 1


def outcome(ref: ObjectRef) -> Any:
    """The value, or the name of the class of what `get` raises."""
    try:
        return cellray.get(ref, timeout=LONG_S)
    except RayError as error:
        return type(error.cause if isinstance(error, TaskError) else error).__name__


def outcomes(refs: ObjectRefGenerator) -> list[Any]:
    return [outcome(ref) for ref in refs]


def made(folder: Path) -> int:
    return len(list(folder.glob("*.made")))


CASES: dict[str, tuple[Callable[[], ObjectRefGenerator], list[Any], Any]] = {
    "all of it": (lambda: count.remote(3), [0, 1, 2], None),
    "nothing": (lambda: count.remote(0), [], None),
    "an error in the middle": (lambda: fail_after.remote(2, ValueError("x")), [0, 1, "ValueError"], "ValueError"),
    "an error at once": (lambda: fail_after.remote(0, KeyError("x")), ["KeyError"], "KeyError"),
    "a worker that dies, without retries": (
        lambda: die_after.options(max_retries=0).remote(2),
        [0, 1, "WorkerCrashedError"],
        "WorkerCrashedError",
    ),
    "a worker that dies, each time": (
        lambda: die_after.options(max_retries=2).remote(2),
        [0, 1, "WorkerCrashedError"],
        "WorkerCrashedError",
    ),
    "a request that nobody can meet": (
        lambda: count.options(num_cpus=99).remote(2),
        ["TaskUnschedulableError"],
        "TaskUnschedulableError",
    ),
    "an argument that failed": (
        lambda: count.remote(double.remote(None)),
        ["TypeError"],
        "TypeError",
    ),
    "large items": (lambda: count_arrays.remote(3), [0, 1, 2], None),
    "items that are references": (lambda: yield_references.remote(3), [0, 2, 4], None),
    "one for each `next`": (
        lambda: count.options(_generator_backpressure_num_objects=1).remote(4),
        [0, 1, 2, 3],
        None,
    ),
}
"""The call; what its items come to, errors by their class; what `completed()` comes to."""


@cellray.remote
def count_arrays(n: int) -> Iterator[Any]:
    for i in range(n):
        yield np.full(200_000, i)


@cellray.remote
def yield_references(n: int) -> Iterator[list[ObjectRef]]:
    for i in range(n):
        yield [double.remote(i)]


def plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return int(value[-1])
    if isinstance(value, list):
        return cellray.get(value[0])
    return value


@pytest.mark.parametrize("case", CASES)
def test_what_a_reader_sees(case: str) -> None:
    call, items, completed = CASES[case]
    read = call()
    assert isinstance(read, ObjectRefGenerator)
    assert [plain(each) for each in outcomes(read)] == items
    assert outcome(read.completed()) == completed
    assert read.is_finished()
    assert not read.next_ready()
    for _ in range(2):
        with pytest.raises(StopIteration):
            next(read)


@pytest.mark.parametrize("case", CASES)
def test_what_an_asynchronous_reader_sees(case: str) -> None:
    call, items, _ = CASES[case]

    async def read() -> list[Any]:
        return [plain(outcome(ref)) async for ref in call()]

    assert asyncio.run(read()) == items


def test_items_come_while_the_task_runs(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    read = hold_after.remote(2, gate)
    assert [cellray.get(next(read)), cellray.get(next(read))] == [0, 1]
    gate.wait_arrived()
    assert not read.next_ready()
    assert not read.is_finished()
    assert cellray.wait([read, read.completed()], timeout=0)[0] == []
    gate.open()
    assert outcomes(read) == [2]


def test_an_item_is_an_object_like_any_other() -> None:
    refs = list(count.remote(3))
    assert len(set(refs)) == 3
    assert cellray.get([double.remote(ref) for ref in refs]) == [0, 2, 4]
    copies = cellray.get(cellray.put(refs))
    assert cellray.get(copies) == [0, 1, 2]


def test_wait_takes_generators(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    held, done = hold_after.remote(0, gate), count.remote(1)
    ready, rest = cellray.wait([held, done, double.remote(1)], num_returns=2, timeout=LONG_S)
    assert ready[0] is done
    assert rest == [held]
    next(done)
    eventually(lambda: cellray.wait([done], timeout=0)[0] == [done], "the end counts as ready")
    gate.open()
    assert cellray.wait([held], timeout=LONG_S) == ([held], [])
    assert outcomes(held) == [0]


@pytest.mark.parametrize("unread_max", [1, 3])
def test_a_generator_waits_for_its_reader(tmp_path: Path, unread_max: int) -> None:
    read = note_each.options(_generator_backpressure_num_objects=unread_max).remote(6, tmp_path)
    for taken in range(4):
        expected = min(6, taken + unread_max)
        eventually(lambda expected=expected: made(tmp_path) == expected, "as many as may be unread")  # type: ignore[misc]
        cellray.get(double.remote(1))
        assert made(tmp_path) == expected
        assert cellray.get(next(read)) == taken
    assert outcomes(read) == [4, 5]


def test_a_waiting_generator_lends_its_cpu_out(tmp_path: Path) -> None:
    reads = [
        note_each.options(_generator_backpressure_num_objects=1).remote(3, tmp_path) for _ in range(2)
    ]  # both CPUs of the session
    assert cellray.get(double.remote(1), timeout=LONG_S) == 2
    assert [outcomes(read) for read in reads] == [[0, 1, 2]] * 2


def test_nobody_reads_on(tmp_path: Path) -> None:
    held, free = tmp_path / "held", tmp_path / "free"
    held.mkdir()
    free.mkdir()
    read = note_each.options(_generator_backpressure_num_objects=2).remote(1000, held)
    next(read)
    del read
    eventually((held / "closed").exists, "a generator that waits for its reader is closed")
    assert made(held) < 10
    read = note_each.remote(50, free)
    next(read)
    del read
    eventually((free / "closed").exists, "one that does not wait runs to its end")
    assert made(free) == 50


def test_what_was_not_read_is_freed(session: Session, status_reader: StatusReader) -> None:
    def used_bytes() -> int:
        return status_reader.read(session.address).object_store_used_bytes

    gc.collect()
    eventually(lambda: used_bytes() == 0, "nothing is left of the tests before")
    read = count_arrays.remote(20)
    kept = next(read)
    cellray.wait([read.completed()])
    one = used_bytes() // 20
    assert one > 200_000 * 8
    del read
    eventually(lambda: used_bytes() == one, "all but one are freed")
    assert int(cellray.get(kept)[0]) == 0


def test_a_retry_yields_nothing_twice(session: Session, tmp_path: Path) -> None:
    gate = Gate(tmp_path)

    @cellray.remote
    def die_once(n: int) -> Iterator[int]:
        for i in range(n):
            if i == 3 and not gate.pids:
                time.sleep(0.05)
                gate.arrive()
                os.kill(os.getpid(), signal.SIGKILL)
            yield i

    read = die_once.remote(6)
    refs = [next(read) for _ in range(2)]
    assert [cellray.get(ref) for ref in refs] == [0, 1]
    del refs  # taken and freed: the second attempt yields them once more, for nobody
    assert outcomes(read) == [2, 3, 4, 5]
    task = read.task_id()
    facts = facts_once(
        session, lambda facts: task in [fact.task_id for fact in of_type(facts, TaskFinished)], "the end in the log"
    )
    assert [fact.attempt for fact in of_type(facts, TaskRetried) if fact.task_id == task] == [1]
    yielded = [fact.index for fact in of_type(facts, ItemsYielded) if fact.task_id == task]
    assert yielded.count(0) == 2


def test_exceptions_that_are_retried(tmp_path: Path) -> None:
    gate = Gate(tmp_path)

    @cellray.remote(retry_exceptions=[ValueError], max_retries=5)
    def raise_twice(n: int) -> Iterator[int]:
        for i in range(n):
            if i == 2 and len(gate.pids) < 2:
                gate.arrive()
                raise ValueError(i)
            yield i

    assert outcomes(raise_twice.remote(4)) == [0, 1, 2, 3]


def test_a_task_that_reads_runs_again_and_reads_everything_again(tmp_path: Path) -> None:
    gate = Gate(tmp_path)

    @cellray.remote
    def add_up(unread_max: int) -> list[int]:
        found = []
        for ref in count.options(_generator_backpressure_num_objects=unread_max).remote(5):
            found.append(cellray.get(ref))
            del ref
            if len(found) == 3 and len(gate.pids) < 2:
                gate.arrive()
                os.kill(os.getpid(), signal.SIGKILL)
        return found

    assert cellray.get(add_up.remote(2), timeout=LONG_S) == [0, 1, 2, 3, 4]
    assert cellray.get(add_up.remote(-1), timeout=LONG_S) == [0, 1, 2, 3, 4]


def test_cancel(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    read = hold_after.remote(2, gate)
    gate.wait_arrived()
    cellray.cancel(read)
    assert outcomes(read) == [0, 1, "TaskCancelledError"]
    waiting = note_each.options(_generator_backpressure_num_objects=1).remote(5, tmp_path)
    next(waiting)
    eventually(lambda: made(tmp_path) == 2, "it waits")
    cellray.cancel(waiting)
    assert outcomes(waiting) == [1, "TaskCancelledError"]
    eventually((tmp_path / "closed").exists, "its `finally` has run")


def test_methods_of_actors(tmp_path: Path) -> None:
    source = Source.remote()
    assert outcomes(source.count.remote(3)) == [0, 1, 2]
    assert outcomes(source.fail_after.remote(1)) == [0, "ValueError"]
    assert cellray.get(source.halves.remote()) == [0, 1]
    assert cellray.get(source.count.options(num_returns=2).remote(2)) == [0, 1]
    read = source.note_each.remote(3, tmp_path)
    eventually(lambda: made(tmp_path) == 1, "it waits for its reader")
    behind = source.ping.remote()
    assert cellray.wait([behind], timeout=0.05)[0] == [], "calls run one after another"
    assert outcomes(read) == [0, 1, 2]
    assert cellray.get(behind) == "here"
    assert outcomes(source.note_each.options(_generator_backpressure_num_objects=-1).remote(2, tmp_path)) == [0, 1]


def test_an_actor_that_dies_in_the_middle() -> None:
    source = Source.remote()
    read = source.count.options(_generator_backpressure_num_objects=1).remote(10)
    assert cellray.get(next(read)) == 0
    cellray.kill(source)
    assert outcomes(read)[-1] == "ActorDiedError"
    with pytest.raises(StopIteration):
        next(read)


def test_methods_of_async_actors() -> None:
    source = AsyncSource.remote()
    reads = [source.count.remote(3), source.count_plainly.remote(3), source.fail_after.remote(2)]
    assert [outcomes(read) for read in reads] == [[0, 1, 2], [0, 1, 2], [0, 1, "ValueError"]]
    held = source.hold.remote()
    assert cellray.get(next(held)) == 0
    cellray.cancel(held)
    assert outcomes(held) == ["TaskCancelledError"]
    refused = source.count.options(_generator_backpressure_num_objects=1).remote(3)
    with pytest.raises(ValueError, match="not supported for async actors"):
        cellray.get(next(refused))


def test_generators_read_generators(tmp_path: Path) -> None:
    @cellray.remote
    def relay(depth: int, n: int) -> Iterator[int]:
        inner = count.remote(n) if depth == 0 else relay.remote(depth - 1, n)
        for ref in inner:
            yield cellray.get(ref) + 1

    assert outcomes(relay.remote(4, 5)) == [5, 6, 7, 8, 9]


def test_many_small_items() -> None:
    n = 30_000
    assert sum(cellray.get(ref) for ref in count.remote(n)) == n * (n - 1) // 2


def test_what_generators_are_not_for() -> None:
    read = count.remote(1)
    assert cellray.get(read) is read  # type: ignore[comparison-overlap]
    for call in (lambda: double.remote(read), lambda: cellray.put(read), lambda: pickle.dumps(read)):
        with pytest.raises(TypeError, match="cannot return or pass a generator"):
            call()
    with pytest.raises(TypeError, match="which is not a cellray"):
        cellray.get([read])
    with pytest.raises(TypeError, match="got a single ObjectRefGenerator"):
        cellray.wait(read)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="list of unique"):
        cellray.wait([read, read])
    for name in ("send", "throw"):
        with pytest.raises(NotImplementedError):
            getattr(read, name)(None)
    with pytest.raises(ValueError, match="can only be used with generator functions"):
        cellray.remote(num_returns="streaming")(len)


def test_what_yields_too_much_or_too_little_for_its_returns() -> None:
    @cellray.remote(num_returns=3)
    def some(n: int) -> Iterator[int]:
        yield from range(n)

    cases: dict[int, list[Any]] = {5: [0, 1, 2], 3: [0, 1, 2], 2: [0, 1, "ValueError"], 0: ["ValueError"] * 3}
    assert {n: [outcome(ref) for ref in some.remote(n)] for n in cases} == cases


def test_dynamic_returns() -> None:
    with pytest.warns(DeprecationWarning, match="use num_returns='streaming'"):
        dynamic = count.options(num_returns="dynamic")
    ref = dynamic.remote(3)
    assert isinstance(ref, ObjectRef)
    refs = cellray.get(ref)
    assert isinstance(refs, DynamicObjectRefGenerator)
    assert len(refs) == 3
    assert [cellray.get(each) for each in refs] == [0, 1, 2]


def test_the_errors_keep_their_classes() -> None:
    for call, expected in (
        (lambda: die_after.options(max_retries=0).remote(0), WorkerCrashedError),
        (lambda: count.options(num_cpus=99).remote(0), TaskUnschedulableError),
    ):
        with pytest.raises(expected):
            cellray.get(next(call()))

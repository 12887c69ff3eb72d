"""Queue, with the semantics of Ray's."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Iterator
from typing import Any

import cellray
import numpy as np
import psutil
import pytest
from cellray.util.queue import Empty, Full, Queue

from tests.helpers.polling import eventually

pytestmark = pytest.mark.usefixtures("session")


@pytest.fixture
def unbounded() -> Iterator[Queue]:
    made = Queue()
    yield made
    made.shutdown()


@pytest.fixture
def of_two() -> Iterator[Queue]:
    made = Queue(maxsize=2)
    yield made
    made.shutdown(force=True)


@cellray.remote
def produce(items: Queue, values: list[Any]) -> None:
    for value in values:
        items.put(value)


@cellray.remote
def consume(items: Queue, count: int) -> list[Any]:
    return [items.get() for _ in range(count)]


def test_in_order_and_counted(unbounded: Queue) -> None:
    assert unbounded.empty()
    for i in range(5):
        unbounded.put(i)
    assert (len(unbounded), unbounded.qsize(), unbounded.size()) == (5, 5, 5)
    assert not unbounded.full()
    assert [unbounded.get() for _ in range(5)] == list(range(5))
    assert unbounded.empty()


def test_no_room(of_two: Queue) -> None:
    of_two.put_nowait(1)
    of_two.put_nowait(2)
    assert of_two.full()
    with pytest.raises(Full):
        of_two.put_nowait(3)
    with pytest.raises(queue.Full):  # the standard library's too
        of_two.put(3, timeout=0.01)
    assert of_two.get_nowait_batch(2) == [1, 2]


def test_nothing_there(unbounded: Queue) -> None:
    with pytest.raises(Empty):
        unbounded.get_nowait()
    with pytest.raises(queue.Empty):
        unbounded.get(timeout=0.01)
    unbounded.put("later")
    assert unbounded.get() == "later", "what was given up has taken nothing"


def test_batches_are_put_and_taken_whole_or_not_at_all(of_two: Queue) -> None:
    with pytest.raises(Full, match="Cannot add 3 items"):
        of_two.put_nowait_batch(range(3))
    assert of_two.empty()
    of_two.put_nowait_batch(iter("ab"))
    with pytest.raises(Empty, match="Cannot get 3 items"):
        of_two.get_nowait_batch(3)
    assert of_two.get_nowait_batch(2) == ["a", "b"]


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (lambda q: q.put(1, timeout=-1), ValueError, "non-negative"),
        (lambda q: q.get(timeout=-1), ValueError, "non-negative"),
        (lambda q: q.put_nowait_batch(1), TypeError, "Iterable"),
        (lambda q: q.get_nowait_batch("1"), TypeError, "int"),
        (lambda q: q.get_nowait_batch(-1), ValueError, "nonnegative"),
    ],
)
def test_bad_arguments(of_two: Queue, call: Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        call(of_two)


def test_between_tasks_that_wait_for_each_other(of_two: Queue) -> None:
    taken = [consume.remote(of_two, 10), consume.remote(of_two, 10)]
    made = [produce.remote(of_two, list(range(k * 10, k * 10 + 10))) for k in range(2)]
    cellray.get(made, timeout=60)
    first, second = cellray.get(taken, timeout=60)
    assert sorted(first + second) == list(range(20))


def test_awaited(of_two: Queue) -> None:
    async def main() -> list[Any]:
        with pytest.raises(Empty):
            await of_two.get_async(block=False)
        with pytest.raises(Empty):
            await of_two.get_async(timeout=0.01)
        getting = [asyncio.ensure_future(of_two.get_async()) for _ in range(5)]
        for i in range(5):
            await of_two.put_async(i)
        got = await asyncio.gather(*getting)
        await of_two.put_async("a", block=False)
        await of_two.put_async("b")
        with pytest.raises(Full):
            await of_two.put_async("c", timeout=0.01)
        return got

    assert asyncio.run(main()) == list(range(5))


def test_large_items_go_past_its_process_and_references_stay_references(unbounded: Queue) -> None:
    array = np.arange(1_000_000)
    unbounded.put(array)
    got = unbounded.get()
    assert np.array_equal(got, array)
    assert not got.flags.owndata, "read from shared memory"
    ref = cellray.put("value")
    unbounded.put(ref)
    assert unbounded.get() == ref


def test_its_end() -> None:
    ended = Queue(actor_options={"name": "ended"})
    process = cellray.get(cellray.get_actor("ended").__ray_call__.remote(lambda _: __import__("os").getpid()))
    ended.shutdown()
    eventually(lambda: not psutil.pid_exists(process), "its process has ended")
    for call in (lambda: ended.put(1), ended.get, lambda: len(ended), ended.shutdown):
        with pytest.raises(RuntimeError, match="shut down"):
            call()

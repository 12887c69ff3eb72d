"""cellray.util.multiprocessing.Pool, with the semantics of the standard library's."""

from __future__ import annotations

import itertools
import os
import pickle
import threading
from collections.abc import Iterator
from multiprocessing.pool import MaybeEncodingError, RemoteTraceback  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any

import cellray
import psutil
import pytest
from cellray.exceptions import ActorDiedError, SerializationError
from cellray.util.multiprocessing import Pool, TimeoutError  # noqa: A004

from tests.helpers.gates import Gate
from tests.helpers.polling import eventually

pytestmark = pytest.mark.usefixtures("session")
START = 0


@pytest.fixture(scope="module")
def pool(session: cellray.Session) -> Iterator[Pool]:
    with Pool(2) as pool:
        yield pool
    pool.join()


def square(x: int) -> int:
    return x * x


def process_of(_: int) -> int:
    return os.getpid()


def fail_at_7(x: int) -> int:
    if x == 7:
        raise ValueError("seven")
    return x


class UnpicklableError(Exception):
    def __init__(self) -> None:
        super().__init__(threading.Lock())


def raise_unpicklable(_: int) -> None:
    raise UnpicklableError


def pass_gate(gate: Gate) -> str:
    gate.arrive()
    gate.pass_through()
    return "through"


def test_apply(pool: Pool) -> None:
    assert pool.apply(pow, (2, 5)) == 32
    assert pool.apply(int, ("ff",), {"base": 16}) == 255
    assert pool.apply(os.getpid) != os.getpid()
    result = pool.apply_async(square, (3,))
    assert result.get(60) == 9
    assert result.ready()
    assert result.successful()


@pytest.mark.parametrize("count", [0, 1, 7, 1000])
def test_maps(pool: Pool, count: int) -> None:
    squares = [square(i) for i in range(count)]
    assert pool.map(square, range(count)) == squares
    assert pool.map(square, iter(range(count)), chunksize=3) == squares
    assert pool.map_async(square, range(count)).get(60) == squares
    assert list(pool.imap(square, range(count))) == squares
    assert list(pool.imap(square, range(count), chunksize=4)) == squares
    assert sorted(pool.imap_unordered(square, range(count))) == squares
    assert pool.starmap(pow, [(i, 2) for i in range(count)]) == squares
    assert pool.starmap_async(pow, [(i, 2) for i in range(count)]).get(60) == squares


def test_work_goes_to_all_processes_and_to_those_only(pool: Pool) -> None:
    assert len(set(pool.map(process_of, range(100), chunksize=1))) == 2


def test_imap_takes_from_an_endless_input_as_results_are_consumed(pool: Pool) -> None:
    taken = []
    results = pool.imap(square, (taken.append(i) or i for i in itertools.count()))  # type: ignore[func-returns-value]
    assert [next(results) for _ in range(20)] == [square(i) for i in range(20)]
    assert len(taken) < 60


def test_imap_unordered_does_not_wait_for_a_slow_one(pool: Pool, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    results = pool.imap_unordered(lambda x: pass_gate(gate) if x == 0 else x, range(4))
    assert sorted(next(results) for _ in range(3)) == [1, 2, 3]
    with pytest.raises(TimeoutError):
        results.next(timeout=0.01)
    gate.open()
    assert next(results) == "through"
    with pytest.raises(StopIteration):
        next(results)


def test_a_timeout_leaves_the_result_to_come(pool: Pool, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    result = pool.apply_async(pass_gate, (gate,))
    result.wait(0.01)
    assert not result.ready()
    with pytest.raises(ValueError, match="not ready"):
        result.successful()
    with pytest.raises(TimeoutError):
        result.get(timeout=0.01)
    gate.open()
    assert result.get(60) == "through"


def test_errors(pool: Pool) -> None:
    with pytest.raises(ValueError, match="seven") as caught:
        pool.map(fail_at_7, range(100))
    assert isinstance(caught.value.__cause__, RemoteTraceback)
    assert "in fail_at_7" in str(caught.value.__cause__)
    (line,) = [line for line in str(caught.value.__cause__).splitlines() if line.lstrip().startswith("File ")]
    assert "test_pool.py" in line, "the user's lines only"
    result = pool.apply_async(fail_at_7, (7,))
    result.wait(60)
    assert not result.successful()
    with pytest.raises(MaybeEncodingError):
        pool.map(raise_unpicklable, [1])
    with pytest.raises(SerializationError):
        pool.map(square, [threading.Lock()])  # type: ignore[list-item]
    with pytest.raises(SerializationError, match="lock"):
        pool.apply(square, (threading.Lock(),))


def test_an_imap_goes_on_after_an_error(pool: Pool) -> None:
    results = pool.imap(fail_at_7, range(10), chunksize=5)
    got: list[Any] = []
    while True:
        try:
            got.append(next(results))
        except ValueError as error:
            got.append(str(error))
        except StopIteration:
            break
    assert got == [0, 1, 2, 3, 4, 5, 6, "seven", 8, 9]


def test_callbacks(pool: Pool) -> None:
    got: list[Any] = []
    pool.apply_async(square, (3,), callback=got.append).wait(60)
    pool.map_async(square, range(3), callback=got.append).wait(60)
    pool.map_async(fail_at_7, range(9), callback=got.append, error_callback=lambda e: got.append(str(e))).wait(60)
    eventually(lambda: len(got) == 3, "all callbacks have run")
    assert got == [9, [0, 1, 4], "seven"]


@pytest.mark.parametrize(
    "call",
    [
        lambda pool: pool.map(square, [1], chunksize=0),
        lambda pool: pool.imap(square, [1], chunksize=0),
        lambda _: Pool(0),
        lambda _: Pool(-1),
        lambda _: Pool(1, maxtasksperchild=0),
    ],
)
def test_wrong_numbers_are_refused(pool: Pool, call: Any) -> None:
    with pytest.raises(ValueError, match=r"must be|Chunksize"):
        call(pool)


def remember(start: int) -> None:
    global START
    START = start


def test_the_initializer_runs_in_each_process() -> None:
    with Pool(2, initializer=remember, initargs=(5,)) as pool:
        assert set(pool.map(lambda x: START + x, range(50), chunksize=1)) == {*range(5, 55)}


def test_an_initializer_that_raises_is_an_error_at_once() -> None:
    with pytest.raises(ActorDiedError, match="ZeroDivisionError"):
        Pool(2, initializer=divmod, initargs=(1, 0))


def test_processes_are_replaced_after_so_many_tasks() -> None:
    with Pool(2, maxtasksperchild=3) as pool:
        processes = pool.map(process_of, range(20), chunksize=1)
        assert all(processes.count(each) <= 3 for each in processes)
        assert len(set(processes)) >= 7


def test_a_process_that_dies_fails_its_chunk_and_is_replaced() -> None:
    with Pool(1) as pool:
        first = pool.apply(os.getpid)
        with pytest.raises(ActorDiedError):
            pool.apply(os._exit, (1,))
        assert pool.apply(os.getpid) != first
        with pytest.raises(ActorDiedError):
            next(pool.imap(os._exit, [3]))


def test_close_lets_the_work_end(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    pool = Pool(1)
    with pytest.raises(ValueError, match="still running"):
        pool.join()
    results = [pool.apply_async(pass_gate, (gate,)) for _ in range(3)]
    pool.close()
    with pytest.raises(ValueError, match="not running"):
        pool.apply(square, (1,))
    gate.open()
    pool.join()
    assert [each.get(0) for each in results] == ["through"] * 3


def test_terminate_ends_it(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    with Pool(1) as pool:
        results = [pool.apply_async(pass_gate, (gate,)) for _ in range(30)]
        gate.wait_arrived(1)
    pool.join()
    assert all(each.ready() for each in results)
    with pytest.raises(ActorDiedError):
        results[0].get()
    with pytest.raises(RuntimeError, match="terminated before"):
        results[-1].get()
    with pytest.raises(ValueError, match="not running"), pool:
        pass


def test_a_pool_that_is_forgotten_ends() -> None:
    pool = Pool(1)
    process = pool.apply(os.getpid)
    result = pool.apply_async(square, (3,))
    del pool
    assert result.get(60) == 9
    del result
    eventually(lambda: not psutil.pid_exists(process), "the process has ended")


def test_a_pool_inside_of_a_task() -> None:
    @cellray.remote
    def inner() -> list[int]:
        with Pool(2) as pool:
            return pool.map(square, range(10))

    assert cellray.get(inner.remote(), timeout=60) == [square(i) for i in range(10)]


def test_pools_cannot_be_sent(pool: Pool) -> None:
    with pytest.raises(NotImplementedError, match="pool objects"):
        pickle.dumps(pool)

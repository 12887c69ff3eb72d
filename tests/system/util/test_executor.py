"""CellrayExecutor, with the semantics of concurrent.futures."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
from concurrent.futures import CancelledError, as_completed
from pathlib import Path
from typing import Any

import cellray
import pytest
from cellray.exceptions import SerializationError
from cellray.util import CellrayExecutor

from tests.helpers.gates import Gate
from tests.helpers.polling import eventually

pytestmark = pytest.mark.usefixtures("session")


def square(x: int) -> int:
    return x * x


def pass_gate(gate: Gate, value: Any = None) -> Any:
    gate.arrive(value)
    gate.pass_through()
    return value


def note_end(gate: Gate, path: Path) -> None:
    gate.arrive()
    try:
        gate.pass_through()
    finally:
        path.touch()


def test_submit() -> None:
    with CellrayExecutor() as executor:
        assert executor.submit(pow, 2, exp=5).result(60) == 32
        assert executor.submit(os.getpid).result(60) != os.getpid()
        assert isinstance(executor.submit(divmod, 1, 0).exception(60), ZeroDivisionError)
        assert executor.submit(square, cellray.put(4)).result(60) == 16, "references arrive as their values"
        futures = [executor.submit(square, i) for i in range(100)]
        assert sorted(each.result() for each in as_completed(futures)) == [square(i) for i in range(100)]
        with pytest.raises(SerializationError):
            executor.submit(square, threading.Lock()).result(60)


@pytest.mark.parametrize("chunksize", [1, 7, 1000])
def test_map(chunksize: int) -> None:
    with CellrayExecutor() as executor:
        assert list(executor.map(square, range(100), chunksize=chunksize)) == [square(i) for i in range(100)]
        assert list(executor.map(pow, range(5), itertools.repeat(2), chunksize=chunksize)) == [0, 1, 4, 9, 16]
        assert list(executor.map(square, [], chunksize=chunksize)) == []


def test_map_with_a_timeout(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    with CellrayExecutor() as executor:
        with pytest.raises(TimeoutError):
            list(executor.map(pass_gate, [gate], timeout=0.05))
        gate.open()


def test_a_running_call_is_cancelled_with_its_future(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    with CellrayExecutor() as executor:
        future = executor.submit(note_end, gate, tmp_path / "ended")
        gate.wait_arrived()
        assert future.cancel()
        assert future.cancelled()
        with pytest.raises(CancelledError):
            future.result()
        eventually((tmp_path / "ended").exists, "the task was interrupted")
        done = executor.submit(square, 2)
        assert done.result(60) == 4
        assert not done.cancel()


def test_no_more_workers_than_asked_for(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    with CellrayExecutor(1) as executor:
        first = executor.submit(pass_gate, gate, 1)
        cancelled = executor.submit(pass_gate, gate, 2)
        last = executor.submit(pass_gate, gate, 3)
        gate.wait_arrived()
        assert cancelled.cancel()
        assert not last.done()
        gate.open()
        assert (first.result(60), last.result(60)) == (1, 3)
        assert len(gate.pids) == 2, "the cancelled one never began"


def test_shutdown(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    executor = CellrayExecutor()
    future = executor.submit(pass_gate, gate, 5)
    executor.shutdown(wait=False)
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(square, 1)
    gate.open()
    executor.shutdown()
    assert future.done()
    assert future.result() == 5


def test_shutdown_cancels_when_asked(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    executor = CellrayExecutor(1)
    futures = [executor.submit(pass_gate, gate) for _ in range(10)]
    executor.shutdown(cancel_futures=True)
    assert all(each.cancelled() for each in futures)


def test_options_are_those_of_tasks() -> None:
    with pytest.raises(ValueError, match="num_cpu"):
        CellrayExecutor(num_cpu=2)
    with pytest.raises(ValueError, match="max_workers"):
        CellrayExecutor(0)
    with CellrayExecutor(num_cpus=2, name="pairs") as executor:
        assert executor.submit(square, 3).result(60) == 9
        assert executor.submit(cellray.remote(square), 3).result(60) == 9


def test_asyncio_takes_it() -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        with CellrayExecutor() as executor:
            return await asyncio.gather(*[loop.run_in_executor(executor, square, i) for i in range(10)])

    assert asyncio.run(main()) == [square(i) for i in range(10)]

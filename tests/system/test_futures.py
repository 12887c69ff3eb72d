"""References as futures: `await ref` and `ref.future()`."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
from pathlib import Path
from typing import Any

import cellray
import numpy as np
import pytest

from tests.helpers.gates import Gate

pytestmark = pytest.mark.usefixtures("session")


@cellray.remote
def add(a: int, b: int = 1) -> int:
    return a + b


@cellray.remote
def divide(a: int, b: int) -> float:
    return a / b


@cellray.remote
def ones(count: int) -> Any:
    return np.ones(count)


@cellray.remote
def wait_at(gate: Gate, value: Any = None) -> Any:
    gate.arrive(value)
    gate.pass_through()
    return value


def test_references_can_be_awaited() -> None:
    async def main() -> list[Any]:
        with pytest.raises(ZeroDivisionError):
            await divide.remote(1, 0)
        return await asyncio.gather(add.remote(1), cellray.put("x"), *[add.remote(i) for i in range(20)])

    assert asyncio.run(main()) == [2, "x", *range(1, 21)]


def test_a_future_has_the_value_or_the_error(tmp_path: Path) -> None:
    assert add.remote(1).future().result(60) == 2
    assert isinstance(divide.remote(1, 0).future().exception(60), ZeroDivisionError)

    gate = Gate(tmp_path)
    future = wait_at.remote(gate, 3).future()  # nothing else holds the reference
    gc.collect()
    assert not future.done()
    gate.open()
    assert future.result(60) == 3


def test_large_values_which_the_node_must_be_asked_for() -> None:
    async def main() -> Any:
        return await ones.remote(1_000_000)

    assert ones.remote(1_000_000).future().result(60).sum() == 1_000_000
    assert asyncio.run(main()).sum() == 1_000_000


def test_callbacks_may_wait_for_other_values() -> None:
    got: concurrent.futures.Future[int] = concurrent.futures.Future()

    def go_on(first: concurrent.futures.Future[int]) -> None:
        got.set_result(cellray.get(add.remote(first.result(), 10)))

    add.remote(1).future().add_done_callback(go_on)
    assert got.result(60) == 12

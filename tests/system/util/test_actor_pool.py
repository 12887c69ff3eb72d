"""ActorPool, with the semantics of Ray's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cellray
import pytest
from cellray.exceptions import ActorDiedError
from cellray.util import ActorPool

from tests.helpers.gates import Gate

pytestmark = pytest.mark.usefixtures("session")


@cellray.remote
class Doubler:
    def double(self, value: int) -> int:
        return 2 * value

    def wait_at(self, gate: Gate, value: int) -> int:
        gate.pass_through()
        return value

    @cellray.method(num_returns=2)
    def both(self, value: int) -> tuple[int, int]:
        return value, -value

    def fail(self, value: int) -> None:
        raise ValueError(value)

    def leave(self) -> None:
        os._exit(1)


def double(actor: Any, value: int) -> Any:
    return actor.double.remote(value)


@pytest.fixture
def pool() -> ActorPool:
    return ActorPool([Doubler.remote(), Doubler.remote()])


def test_map_in_order_and_as_they_come(pool: ActorPool, tmp_path: Path) -> None:
    assert list(pool.map(double, range(10))) == [2 * i for i in range(10)]
    assert sorted(pool.map_unordered(double, range(10))) == [2 * i for i in range(10)]

    gate = Gate(tmp_path)
    results = pool.map_unordered(lambda a, v: a.wait_at.remote(gate, v) if v == 0 else a.double.remote(v), range(5))
    assert [next(results) for _ in range(4)] == [2, 4, 6, 8], "the one that is held up holds up no other"
    gate.open()
    assert list(results) == [0]


def test_more_work_than_actors_waits_its_turn(pool: ActorPool) -> None:
    for value in range(5):
        pool.submit(double, value)
    assert pool.has_next()
    assert not pool.has_free()
    assert pool.pop_idle() is None
    assert [pool.get_next() for _ in range(5)] == [0, 2, 4, 6, 8]
    assert not pool.has_next()
    assert pool.has_free()
    with pytest.raises(StopIteration, match="No more results to get"):
        pool.get_next()
    with pytest.raises(StopIteration):
        pool.get_next_unordered()


def test_actors_come_and_go() -> None:
    first, second = Doubler.remote(), Doubler.remote()
    pool = ActorPool([first])
    pool.submit(double, 1)
    with pytest.raises(ValueError, match="already belongs"):
        pool.push(first)
    pool.submit(double, 2)  # waits, until there is one more
    pool.push(second)
    with pytest.raises(ValueError, match="already belongs"):
        pool.push(second)
    assert [pool.get_next(), pool.get_next()] == [2, 4]
    assert {pool.pop_idle(), pool.pop_idle()} == {first, second}
    assert pool.pop_idle() is None


def test_timeouts(pool: ActorPool, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    pool.submit(lambda a, v: a.wait_at.remote(gate, v), 7)
    with pytest.raises(TimeoutError):
        pool.get_next(timeout=0)
    with pytest.raises(TimeoutError):
        pool.get_next_unordered(timeout=0)
    assert pool.has_next(), "it is still there"
    with pytest.raises(TimeoutError, match="ignored"):
        pool.get_next(timeout=0, ignore_if_timedout=True)
    assert not pool.has_next()
    gate.open()


def test_in_order_is_refused_after_what_is_next_was_taken_out_of_order(pool: ActorPool, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    pool.submit(lambda a, v: a.wait_at.remote(gate, v), 0)
    pool.submit(double, 1)
    assert pool.get_next_unordered() == 2
    with pytest.raises(ValueError, match="not allowed"):
        pool.get_next()
    gate.open()
    assert pool.get_next_unordered() == 0


def test_errors_of_calls_and_ends_of_actors(pool: ActorPool) -> None:
    pool.submit(lambda a, v: a.fail.remote(v), 1)
    with pytest.raises(ValueError, match="1"):
        pool.get_next()
    pool.submit(lambda a, _: a.leave.remote(), 0)
    pool.submit(double, 1)
    pool.submit(double, 2)
    with pytest.raises(ActorDiedError):
        pool.get_next()
    assert [pool.get_next(), pool.get_next()] == [2, 4], "the actor that is left does the work"
    assert pool.pop_idle() is not None
    assert pool.pop_idle() is None, "the dead one is gone"


def test_several_returns_are_one_result(pool: ActorPool) -> None:
    assert list(pool.map(lambda a, v: a.both.remote(v), range(3))) == [[0, 0], [1, -1], [2, -2]]
    assert len(list(pool.map_unordered(lambda a, v: a.both.remote(v), range(3)))) == 3

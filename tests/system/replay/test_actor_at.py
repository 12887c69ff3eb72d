"""`cellray.actor_at`: an actor as it was after some of its calls, and new actors that go on from there."""

from __future__ import annotations

import threading
from typing import Any

import cellray
import pytest
from cellray import Session
from cellray.exceptions import ReplayError, SerializationError

from tests.helpers.polling import eventually

pytestmark = pytest.mark.usefixtures("session")
WAIT_S = 60


@cellray.remote
def double(number: int) -> int:
    return 2 * number


class CounterClass:
    def __init__(self, start: int = 0) -> None:
        self.total = start
        self.refs: list[Any] = []

    def add(self, number: int) -> int:
        self.total += number
        if number < 0:
            raise ValueError(f"{number} is negative")
        return self.total

    def add_double(self, number: int) -> int:
        ref = double.remote(number)
        self.refs.append(ref)
        self.total += cellray.get(ref)
        return self.total

    def last_double(self) -> int:
        value: int = cellray.get(self.refs[-1])
        return value


Counter = cellray.remote(CounterClass)


@cellray.remote
class Locked:
    def __init__(self) -> None:
        self.lock = threading.Lock()

    def one(self) -> int:
        return 1


def got(ref: Any) -> Any:
    return cellray.get(ref, timeout=WAIT_S)


def counted() -> Any:
    """A counter after 10 + 1 + 2 * 2 - 3 (which raised) + 5 = 17."""
    counter = Counter.remote(10)
    assert got([counter.add.remote(1), counter.add_double.remote(2)]) == [11, 15]
    with pytest.raises(ValueError, match="negative"):
        got(counter.add.remote(-3))
    assert got(counter.add.remote(5)) == 17
    return counter


def test_each_state_that_it_had_can_be_had_again() -> None:
    counter = counted()
    totals = [cellray.actor_at(counter, index).instance.total for index in range(5)]
    assert totals == [10, 11, 15, 12, 17]
    state = cellray.actor_at(counter, -1)
    assert (state.instance.total, state.call_index) == (17, 4)
    assert cellray.actor_at(counter, -2).instance.total == 12
    assert [name.split(" ")[0] for name in state.calls] == [
        "CounterClass.add",
        "CounterClass.add_double",
        "CounterClass.add",
        "CounterClass.add",
    ]
    assert repr(state).startswith("ActorState(CounterClass after 4 calls, the last one CounterClass.add (task ")


def test_calls_of_others_do_not_count() -> None:
    @cellray.remote
    def use(counter: Any) -> int:
        return int(got(counter[0].add.remote(1)))

    counter, other = Counter.remote(), Counter.remote()
    got([other.add.remote(100), use.remote([counter])])
    assert cellray.actor_at(counter, -1).instance.total == 1
    assert len(cellray.actor_at(counter, -1).calls) == 1


def test_a_fork_goes_on_and_leaves_the_first_one_alone() -> None:
    counter = counted()
    fork = cellray.actor_at(counter, 2).fork()
    assert got([fork.last_double.remote(), fork.add.remote(1)]) == [4, 16]
    assert got(counter.add.remote(0)) == 17
    changed = cellray.actor_at(counter, 2)
    changed.instance.total = 1000
    named = changed.fork(num_cpus=0, name="forked")
    assert got(named.add.remote(1)) == 1001
    assert got(cellray.get_actor("forked").add.remote(1)) == 1002


def test_its_methods_see_what_they_saw_then() -> None:
    """As in a script or notebook, where a helper is edited while the actor lives."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(
        "def step(x):\n    return x + 1\n\n"
        "class Walk:\n    at = 0\n    def walk(self):\n        self.at = step(self.at)\n        return self.at\n",
        names,
    )
    walk = cellray.remote(names["Walk"]).remote()
    refs = [walk.walk.remote() for _ in range(3)]
    assert got(refs) == [1, 2, 3]
    method = names["Walk"].walk
    names["step"] = lambda x: x + 100
    assert cellray.replay(refs[1]) == 2
    assert cellray.actor_at(walk, 2).instance.at == 2
    assert names["Walk"].walk is method
    assert names["Walk"]().walk() == 100


def test_a_dead_actor_can_be_seen_too() -> None:
    counter = counted()
    actor_id = counter._actor_id.hex()
    cellray.kill(counter)
    del counter
    assert cellray.actor_at(actor_id, 1).instance.total == 11


def test_a_state_that_cannot_be_copied_is_an_error_that_names_the_culprit() -> None:
    locked = Locked.remote()
    got(locked.one.remote())
    state = cellray.actor_at(locked, 1)
    with pytest.raises(SerializationError, match=r"the state of Locked.lock"):
        state.fork()


def test_what_is_asked_must_be_there() -> None:
    counter = counted()
    with pytest.raises(IndexError, match="has had 4 calls"):
        cellray.actor_at(counter, 5)
    with pytest.raises(IndexError, match="has had 4 calls"):
        cellray.actor_at(counter, -6)
    with pytest.raises(TypeError, match="call_index='2'"):
        cellray.actor_at(counter, "2")  # type: ignore[arg-type]
    ref = double.remote(1)
    got(ref)
    with pytest.raises(ReplayError, match=r"double .* is no actor"):
        cellray.actor_at(ref, 1)
    with pytest.raises(ReplayError, match="knows no task"):
        cellray.actor_at("01" * 16, 1)


def test_a_process_that_lost_its_state_began_anew(session: Session) -> None:
    counter = Counter.options(max_restarts=1, recover=False).remote()
    got([counter.add.remote(1), counter.add.remote(2)])
    cellray.kill(counter, no_restart=False)

    def is_back() -> bool:
        try:
            got(counter.add.remote(10))
        except cellray.exceptions.ActorUnavailableError:
            return False
        return True

    eventually(is_back, "the actor is back")
    totals = [cellray.actor_at(counter, index).instance.total for index in (1, 2, 3)]
    assert totals == [1, 3, 10]

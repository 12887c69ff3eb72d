"""`wait` and `get`: what they come to, case by case."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cellray
import pytest
from cellray import ObjectRef
from cellray.exceptions import GetTimeoutError, RayError, TaskError

from tests.helpers.gates import Gate

pytestmark = pytest.mark.usefixtures("session")
LONG_S = 30.0


@cellray.remote
def add(a: int, b: int = 1) -> int:
    return a + b


@cellray.remote
def fail(error: Exception) -> None:
    raise error


@cellray.remote
def hold(gate: Gate) -> str:
    gate.pass_through()
    return "held"


@cellray.remote
def count(n: int) -> Iterator[int]:
    yield from range(n)


def ended(ref: Any) -> Any:
    cellray.wait([ref], timeout=LONG_S)
    return ref


# D: done, F: failed, P: put, H: held until the end of the case, G: a generator with an item, E: one at its end.
MAKE: dict[str, Callable[[Gate], Any]] = {
    "D": lambda _: ended(add.remote(1)),
    "F": lambda _: ended(fail.remote(ValueError("x"))),
    "P": lambda _: cellray.put(1),
    "H": hold.remote,
    "G": lambda _: ended(count.remote(1)),
    "E": lambda _: ended(count.remote(0)),
}
WAITS: list[tuple[str, int, float | None, str, str]] = [
    ("D", 1, None, "D", ""),
    ("DH", 1, None, "D", "H"),
    ("HD", 1, None, "D", "H"),
    ("HDP", 2, None, "DP", "H"),
    ("HDP", 1, None, "D", "HP"),
    ("HDPF", 2, None, "DP", "HF"),
    ("HDPF", 3, None, "DPF", "H"),
    ("HF", 1, None, "F", "H"),
    ("HH", 1, 0.0, "", "HH"),
    ("HD", 2, 0.0, "D", "H"),
    ("HD", 2, 0.05, "D", "H"),
    ("DDHH", 4, 0.05, "DD", "HH"),
    ("HG", 1, None, "G", "H"),
    ("HE", 1, None, "E", "H"),
    ("GHED", 3, None, "GED", "H"),
    ("", 1, None, "", ""),
]
"""What is waited for, `num_returns`, the timeout, and what is ready and what is not: both in the order given."""


@pytest.mark.parametrize(("given", "num_returns", "timeout", "ready", "rest"), WAITS)
def test_wait(given: str, num_returns: int, timeout: float | None, ready: str, rest: str, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    refs = [MAKE[kind](gate) for kind in given]
    names = {id(ref): kind for ref, kind in zip(refs, given, strict=True)}
    found = cellray.wait(refs, num_returns=num_returns, timeout=timeout)
    gate.open()
    assert tuple("".join(names[id(ref)] for ref in part) for part in found) == (ready, rest)


def test_what_wait_is_given_comes_back_as_the_same_objects() -> None:
    refs = [add.remote(i) for i in range(20)]
    ready, rest = cellray.wait(refs, num_returns=7)
    assert sorted(map(id, ready + rest)) == sorted(map(id, refs))
    assert [ref for ref in refs if ref in ready] == ready


def test_wait_gives_what_has_come_meanwhile_in_the_order_given(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    late = hold.remote(gate)
    done = [ended(add.remote(i)) for i in range(3)]
    ready, rest = cellray.wait([late, *done])
    assert (ready, rest) == ([done[0]], [late, *done[1:]])
    gate.open()
    ended(late)
    ready, rest = cellray.wait(rest)
    assert (ready, rest) == ([late], done[1:]), "it stands before those that were there before it"


def test_wait_sees_what_was_put_into_the_middle_of_its_rest(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    done = [ended(add.remote(i)) for i in range(2)]
    held = [hold.remote(gate), hold.remote(gate), hold.remote(gate)]
    _, rest = cellray.wait([*held, *done])
    assert rest == [*held, done[1]]
    ready, rest = cellray.wait([held[0], done[0], held[2], done[1]])
    assert ready == [done[1]], "the list has the length and the ends of the rest: what is known of that is believed"
    ready, rest = cellray.wait(rest)
    assert (ready, rest) == ([done[0]], [held[0], held[2]])
    gate.open()
    cellray.get(held)


def test_a_loop_over_wait_ends_with_everything() -> None:
    rest, seen = [add.remote(i) for i in range(50)], []
    while rest:
        ready, rest = cellray.wait(rest)
        seen += cellray.get(ready)
    assert sorted(seen) == list(range(1, 51))


GETS: dict[str, tuple[Callable[[Gate], Any], float | None, Any]] = {
    "one": (lambda _: add.remote(1), None, 2),
    "a list": (lambda _: [add.remote(1), cellray.put("p"), add.remote(2)], None, [2, "p", 3]),
    "the same twice": (lambda _: [ref := add.remote(1), ref], None, [2, 2]),
    "none": (lambda _: [], None, []),
    "what is there, in no time": (lambda _: ended(add.remote(1)), 0, 2),
    "what is not there, in no time": (hold.remote, 0, "GetTimeoutError"),
    "what is not there, in some time": (lambda gate: [add.remote(1), hold.remote(gate)], 0.05, "GetTimeoutError"),
    "an error": (lambda _: fail.remote(KeyError("k")), None, "KeyError"),
    "an error among others": (lambda _: [add.remote(1), fail.remote(KeyError("k"))], None, "KeyError"),
    "the first of two errors": (
        lambda _: [ended(fail.remote(KeyError("k"))), ended(fail.remote(ValueError("v")))],
        None,
        "KeyError",
    ),
    "what depends on an error": (lambda _: add.remote(fail.remote(KeyError("k"))), None, "KeyError"),
    "a reference to a reference": (lambda _: cellray.get(cellray.put([add.remote(1)])), None, [2]),
    "None": (lambda _: fail.options(num_returns=1).remote(None), None, "TypeError"),
}
"""What is got, with which timeout, and the value or the class of what it raises."""


@pytest.mark.parametrize("case", GETS)
def test_get(case: str, tmp_path: Path) -> None:
    make, timeout, expected = GETS[case]
    gate = Gate(tmp_path)
    refs = make(gate)
    try:
        found = cellray.get(refs, timeout=timeout)
    except RayError as error:
        found = type(error.cause if isinstance(error, TaskError) else error).__name__
    gate.open()
    assert found == expected


def test_a_timeout_is_a_timeout_error_and_leaves_the_task_alone(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    ref: ObjectRef = hold.remote(gate)
    began = time.monotonic()
    with pytest.raises(TimeoutError, match="1 of 1 objects were not ready") as caught:
        cellray.get(ref, timeout=0.1)
    assert isinstance(caught.value, GetTimeoutError)
    assert 0.1 <= time.monotonic() - began < LONG_S
    gate.open()
    assert cellray.get(ref, timeout=LONG_S) == "held"

"""as_completed, map_unordered, inspect_serializability and what else is small."""

from __future__ import annotations

import io
import itertools
import threading
from pathlib import Path
from typing import Any

import cellray
import cellray.util
import pytest
from cellray.util import as_completed, get_node_ip_address, inspect_serializability, map_unordered

from tests.helpers.gates import Gate

pytestmark = pytest.mark.usefixtures("session")


@cellray.remote
def square(x: int) -> int:
    return x * x


@cellray.remote
def pass_gate(gate: Gate) -> str:
    gate.pass_through()
    return "through"


def test_results_as_they_come(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    refs = [pass_gate.remote(gate), *[square.remote(i) for i in range(5)]]
    results = as_completed(refs, chunk_size=1)
    assert sorted(next(results) for _ in range(5)) == [0, 1, 4, 9, 16]
    gate.open()
    assert list(results) == ["through"]
    assert sorted(as_completed([square.remote(i) for i in range(25)])) == [i * i for i in range(25)]
    assert set(as_completed(refs, yield_obj_refs=True)) == set(refs)
    assert list(as_completed([])) == []


def test_a_map_that_limits_itself() -> None:
    assert sorted(map_unordered(square, range(250))) == [i * i for i in range(250)]
    assert sorted(map_unordered(square, range(30), backpressure_size=None)) == [i * i for i in range(30)]
    taken: list[int] = []
    results = map_unordered(
        square,
        (taken.append(i) or i for i in itertools.count()),
        backpressure_size=5,
        chunk_size=1,  # type: ignore[func-returns-value]
    )
    assert len([next(results) for _ in range(20)]) == 20
    assert len(taken) <= 25


@pytest.mark.parametrize(
    "call",
    [
        lambda: as_completed([], chunk_size=0),
        lambda: as_completed([], num_returns=2),
        lambda: map_unordered(square, [], backpressure_size=0),
        lambda: map_unordered(square, [], chunk_size=0),
    ],
)
def test_wrong_numbers_are_refused_at_once(call: Any) -> None:
    with pytest.raises(ValueError, match=r"chunk_size|backpressure"):
        call()


class Service:
    def __init__(self) -> None:
        self.parts = {"lock": threading.Lock()}


def test_what_cannot_be_sent_is_found() -> None:
    out = io.StringIO()
    assert inspect_serializability([1, 2], print_file=out) == (True, set())
    service = Service()
    ok, failures = inspect_serializability(lambda: service, name="job", print_file=out)
    assert not ok
    (failure,) = failures
    assert failure.obj is service.parts["lock"]
    assert failure.parent is service.parts
    assert failure.path[0] == "job"
    assert "service" in failure.path[1]
    assert ".parts['lock']" in repr(failure)
    assert ".parts['lock']" in out.getvalue()
    assert "actor" in out.getvalue(), "and it says what to do"


def test_the_address_of_the_node() -> None:
    assert get_node_ip_address() == "127.0.0.1"


def test_all_names_are_there() -> None:
    for name in cellray.util.__all__:
        assert getattr(cellray.util, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        cellray.util.nothing  # noqa: B018

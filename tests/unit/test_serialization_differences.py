"""The first difference between two values: where it is, what is equal all the same, and what bytes can tell."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from cellray.serialization import (
    difference_of_bytes,
    first_difference,
    has_unordered,
    serialize,
)
from cellray.store import digest_of

NAN = float("nan")


class Plain:
    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


class Slotted:
    __slots__ = ("loss",)

    def __init__(self, loss: float) -> None:
        self.loss = loss


class Loud:
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("compare me not")

    __hash__ = object.__hash__


class Point(msgspec.Struct):
    x: int


def circle(end: int) -> list[Any]:
    items: list[Any] = [end]
    items.insert(0, items)
    return items


DIFFERENT = [
    (0.29, 0.31, "0.29 != 0.31"),
    ([1, 2, 3, {"loss": 0.31}], [1, 2, 3, {"loss": 0.29}], "[3]['loss']: 0.31 != 0.29"),
    ([1], [1, 2], "1 items != 2 items"),
    ({"a": 1}, {"a": 1, "b": 2}, "['b']: nothing != 2"),
    ({"a": 1, "b": 2}, {"a": 1}, "['b']: 2 != nothing"),
    ({1, 2}, {1, 3}, "2 is lost"),
    (1, "1", "1 != '1'"),
    ((1,), [1], "(1,) != [1]"),
    (np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.5, 3.5]), "[1]: 2.0 != 2.5 (2 of 3 elements differ)"),
    (np.zeros((2, 2)), np.array([[0.0, 0.0], [0.0, 1.0]]), "[1, 1]: 0.0 != 1.0"),
    ({"w": np.zeros(3)}, {"w": np.zeros(4)}, "['w']: float64[3] != float64[4]"),
    (np.zeros(2), np.zeros(2, "f4"), "float64[2] != float32[2]"),
    (np.array(["a", None], object), np.array(["b", None], object), "[0]: 'a' != 'b'"),
    (pd.DataFrame({"loss": [1.0, 2.0]}), pd.DataFrame({"loss": [1.0, 3.0]}), "['loss'][1]: 2.0 != 3.0"),
    (Plain(net=[1, 2]), Plain(net=[1, 3]), ".net[1]: 2 != 3"),
    (Slotted(1.0), Slotted(2.0), ".loss: 1.0 != 2.0"),
    (Point(1), Point(2), "Point(x=1) != Point(x=2)"),
    (circle(1), circle(2), "[1]: 1 != 2"),
    ("x" * 100, "y" * 100, f"'{'x' * 56}... != '{'y' * 56}..."),
]
SAME = [
    (NAN, float("nan")),
    ([0.1, NAN], [0.1, float("nan")]),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ({"x", "y"}, {"y", "x"}),
    (np.array([1.0, NAN]), np.array([1.0, NAN])),
    (pd.DataFrame({"a": [1.0, NAN]}), pd.DataFrame({"a": [1.0, NAN]})),
    (Plain(a=1), Plain(a=1)),
    (lambda: 1, lambda: 1),
    (circle(1), circle(1)),
    (Loud(), Loud()),
    (1, 1.0),
]


@pytest.mark.parametrize(("before", "after", "said"), DIFFERENT, ids=[said for _, _, said in DIFFERENT])
def test_what_differs_is_named_with_its_place(before: Any, after: Any, said: str) -> None:
    assert first_difference(before, after) == said


@pytest.mark.parametrize(("before", "after"), SAME)
def test_what_is_equal_does_not_differ(before: Any, after: Any) -> None:
    assert first_difference(before, after) is None


def test_bytes_that_cannot_be_read_here_prove_nothing() -> None:
    assert difference_of_bytes(b"\x80\x05cnowhere\nNothing\n.", 1) is None
    assert difference_of_bytes(serialize(2).to_bytes(), 1) == "2 != 1"


@pytest.mark.parametrize(
    ("value", "is_unordered"),
    [
        ([1, {"a": (2.0, b"x")}], False),
        ([1, {"a": ({3},)}], True),
        (Plain(tags=frozenset("ab")), True),
        (list(range(100_000)), False),
        ([[] for _ in range(20_000)], True),
    ],
)
def test_values_whose_bytes_say_nothing_are_known(value: Any, is_unordered: bool) -> None:
    assert has_unordered(value) is is_unordered


def test_a_digest_is_of_the_bytes_however_they_are_cut() -> None:
    assert digest_of([b"abc", memoryview(b"def")]) == digest_of([b"abcdef"]) != digest_of([b"abcdeg"])

"""References by themselves: what they are to Python, and what they tell their engine."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from cellray import ObjectRef
from cellray.api import current
from cellray.errors import CellrayError
from cellray.ids import ObjectId

A = ObjectId(b"a" * 20)
B = ObjectId(b"b" * 20)


class Counting:
    """An engine that counts."""

    def __init__(self) -> None:
        self.counts: dict[ObjectId, int] = {}

    def retain_all(self, objects: tuple[ObjectId, ...]) -> None:
        for obj in objects:
            self.counts[obj] = self.counts.get(obj, 0) + 1

    def release(self, obj: ObjectId) -> None:
        self.counts[obj] -= 1


@pytest.fixture
def engine() -> Iterator[Any]:
    before = current.engine
    counting: Any = Counting()
    current.set_engine(counting)
    yield counting
    current.set_engine(before)


def test_equal_by_id_and_usable_as_keys(engine: Any) -> None:
    one, same, other = (ObjectRef.from_binary(obj) for obj in (A, A, B))
    assert one == same
    assert one != other
    assert one != A
    assert {one: 1}[same] == 1
    assert len({one, same, other}) == 2
    assert (one.binary(), one.hex(), one.task_id(), one.size()) == (A, A.hex(), A[:16], 20)
    assert repr(one) == f"ObjectRef({A.hex()})"
    assert ObjectRef.from_hex(one.hex()) == one


def test_each_that_goes_is_told_and_copies_are_the_same(engine: Any) -> None:
    one = ObjectRef.from_binary(A)
    two = ObjectRef.from_binary(A)
    assert engine.counts == {A: 2}
    assert copy.copy(one) is one
    assert copy.deepcopy([one])[0] is one
    del two
    assert engine.counts == {A: 1}
    del one
    assert engine.counts == {A: 0}


def test_cannot_be_changed(engine: Any) -> None:
    one = ObjectRef.from_binary(A)
    with pytest.raises(AttributeError):
        one._id = B  # type: ignore[misc]


def test_the_reference_to_nothing() -> None:
    nil = ObjectRef.nil()
    assert nil.is_nil()
    assert nil == ObjectRef.nil()
    assert hash(nil) == hash(ObjectRef.nil())
    with pytest.raises(CellrayError, match="reference to no object"):
        nil.future().result()
    del nil


@pytest.mark.parametrize("bad", [b"", b"short", A.hex(), None])
def test_what_is_no_id(engine: Any, bad: Any) -> None:
    with pytest.raises(ValueError, match="an object's id is 20 bytes"):
        ObjectRef.from_binary(bad)


def test_annotations_say_of_what() -> None:
    assert ObjectRef[int].__args__ == (int,)

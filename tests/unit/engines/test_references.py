"""Counts of references: what the node is told, whatever came together between two drains."""

from __future__ import annotations

from cellray.engines.references import References
from cellray.ids import ObjectId
from hypothesis import given
from hypothesis import strategies as st

A, B, C = (ObjectId(letter * 20) for letter in (b"a", b"b", b"c"))


def counting() -> References:
    return References(lambda: None)


def test_only_the_first_and_the_last_are_told() -> None:
    references = counting()
    references.retain(A)
    assert references.drain() == ([A], [])
    references.retain(A)
    references.release(A)
    assert references.drain() == ([], [])
    assert references.holds(A)
    references.release(A)
    assert references.drain() == ([], [A])
    assert not references.holds(A)
    assert len(references) == 0


def test_what_came_and_went_is_not_told() -> None:
    references = counting()
    references.retain_all([A, B])
    references.release(A)
    assert references.drain() == ([B], [])


def test_one_that_goes_and_comes_back_is_not_told() -> None:
    references = counting()
    references.retain(A)
    references.drain()
    references.release(A)
    references.retain(A)
    assert references.drain() == ([], [])


def test_own_objects_are_counted_without_being_told() -> None:
    references = counting()
    references.adopt([A, B])
    references.adopt_one(C)
    assert references.drain() == ([], [])
    references.retain(A)
    for obj in (A, B, C):
        references.release(obj)
    assert references.drain() == ([], [B, C])


def test_each_change_wakes_somebody() -> None:
    calls: list[int] = []
    references = References(lambda: calls.append(1))
    references.retain(A)
    references.retain_all([A, B])
    references.release(A)
    assert len(calls) == 3


@given(st.lists(st.sampled_from(["+a", "+b", "-a", "-b", "drain"]), max_size=40))
def test_the_node_knows_what_a_model_knows(steps: list[str]) -> None:
    references = counting()
    counts = {A: 0, B: 0}
    told: set[ObjectId] = set()
    for step in [*steps, "drain"]:
        if step == "drain":
            held, released = references.drain()
            assert told.isdisjoint(held)
            assert told.issuperset(released)
            told = (told | set(held)) - set(released)
            assert told == {obj for obj, count in counts.items() if count}
            continue
        obj = A if step[1] == "a" else B
        if step[0] == "+":
            counts[obj] += 1
            references.retain(obj)
        elif counts[obj]:
            counts[obj] -= 1
            references.release(obj)

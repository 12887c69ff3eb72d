"""A process's views: who must ask, what the node is told, and answers that come too late."""

from __future__ import annotations

from cellray.engines.views import ViewCounts
from cellray.ids import ObjectId
from cellray.model.command import ViewsGranted
from cellray.model.object import Failure, ObjectValue, ValueKind, encode_failure

A = ObjectId(b"a" * 20)
HERE = ObjectValue(ValueKind.SHARED, b"", 64, 100)
THERE = ObjectValue(ValueKind.SHARED, b"", 128, 100)


def test_only_the_first_view_asks_and_only_the_last_end_is_told() -> None:
    views = ViewCounts(lambda: None)
    assert views.join(A, 1)
    views.on_granted(ViewsGranted([(A, HERE)], 1))
    assert not views.join(A, 2)
    assert views.place(A) == HERE
    views.release(A)
    assert views.drain() == ([], [])
    views.release(A)
    assert not views.join(A, 3), "before the node was told, the view goes on"
    assert views.drain() == ([], [])
    views.release(A)
    assert views.drain() == ([], [A])
    assert views.place(A) is None
    assert views.join(A, 4)


def test_an_argument_is_reported_only_when_it_outlives_its_task() -> None:
    views = ViewCounts(lambda: None)
    views.retain(A)
    views.release(A)
    assert views.drain() == ([], [])
    views.retain(A)
    assert views.drain() == ([A], [])


def test_a_late_answer_is_not_taken_for_the_new_one() -> None:
    views = ViewCounts(lambda: None)
    views.join(A, 1)
    views.release(A)
    assert views.drain() == ([], [A])
    assert views.join(A, 2)
    views.on_granted(ViewsGranted([(A, HERE)], 1))
    assert views.place(A) is None
    views.on_granted(ViewsGranted([(A, THERE)], 2))
    assert views.place(A) == THERE


def test_what_was_refused_is_asked_for_again() -> None:
    views = ViewCounts(lambda: None)
    views.join(A, 1)
    views.on_granted(ViewsGranted([(A, encode_failure(Failure("store_full", "no")))], 1))
    assert views.join(A, 2), "although whoever was refused has not let go yet"
    views.on_granted(ViewsGranted([(A, HERE)], 2))
    assert views.place(A) == HERE
    views.release(A)
    views.release(A)
    assert views.drain() == ([], [A])

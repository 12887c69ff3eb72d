"""A process's views: who must ask, what the node is told, and answers that come too late."""

from __future__ import annotations

from cellray.engines.views import ViewCounts
from cellray.ids import ObjectId
from cellray.model.command import RecallViews, ViewsGranted
from cellray.model.fact import ViewsRequested
from cellray.model.object import Failure, ObjectValue, ValueKind, encode_failure

A, B, C = (ObjectId(letter * 20) for letter in (b"a", b"b", b"c"))
HERE = ObjectValue(ValueKind.SHARED, b"", 64, 100)
THERE = ObjectValue(ValueKind.SHARED, b"", 128, 100)


class Sent:
    """The facts that were sent, in place of a channel."""

    def __init__(self) -> None:
        self.facts: list[ViewsRequested] = []

    def add(self, fact: ViewsRequested) -> None:
        self.facts.append(fact)

    def flush(self) -> None:
        pass


def counts(*referred: ObjectId) -> ViewCounts:
    """Of a process that refers to these objects otherwise."""
    return ViewCounts(lambda: None, set(referred).__contains__)


def test_only_the_first_view_asks_and_only_the_last_end_is_told() -> None:
    views = counts()
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
    views = counts()
    views.retain(A)
    views.release(A)
    assert views.drain() == ([], [])
    views.retain(A)
    assert views.drain() == ([A], [])


def test_a_late_answer_is_not_taken_for_the_new_one() -> None:
    views = counts()
    views.join(A, 1)
    views.release(A)
    assert views.drain() == ([], [A])
    assert views.join(A, 2)
    views.on_granted(ViewsGranted([(A, HERE)], 1))
    assert views.place(A) is None
    views.on_granted(ViewsGranted([(A, THERE)], 2))
    assert views.place(A) == THERE


def test_what_was_refused_is_asked_for_again() -> None:
    views = counts()
    views.join(A, 1)
    views.on_granted(ViewsGranted([(A, encode_failure(Failure("store_full", "no")))], 1))
    assert views.join(A, 2), "although whoever was refused has not let go yet"
    views.on_granted(ViewsGranted([(A, HERE)], 2))
    assert views.place(A) == HERE
    views.release(A)
    views.release(A)
    assert views.drain() == ([], [A])


def test_a_view_lingers_while_the_process_refers_to_the_object() -> None:
    views = counts(A)
    assert views.join(A, 1)
    views.on_granted(ViewsGranted([(A, HERE)], 1))
    views.release(A)
    assert views.drain() == ([], []), "it may be read again"
    assert not views.join(A, 2)
    assert views.place(A) == HERE
    views.release(A)
    views.drain()
    assert views.forget([A]) == [A], "with the last reference it ends"
    assert views.forget([A]) == []
    assert views.join(A, 3)


def test_recalled_views_end_unless_they_are_read() -> None:
    views = counts(A, B)
    for obj in (A, B):
        views.join(obj, 1)
    views.on_granted(ViewsGranted([(A, HERE), (B, THERE)], 1))
    views.release(A)
    views.drain()
    views.on_recalled(RecallViews())
    assert views.has_events
    assert views.drain() == ([], [A])
    assert not views.has_events
    assert not views.join(B, 2)
    assert views.join(A, 3)


def test_an_argument_that_lingers_is_no_news() -> None:
    views = counts(A)
    views.join(A, 1)
    views.on_granted(ViewsGranted([(A, HERE)], 1))
    views.release(A)
    views.drain()
    views.retain(A)
    views.drain()
    views.on_recalled(RecallViews())
    assert views.drain() == ([], []), "it is read"
    views.release(A)
    views.drain()
    views.on_recalled(RecallViews())
    assert views.drain() == ([], [A])


def test_whoever_does_not_wait_is_called() -> None:
    views = counts(A)
    called: list[ObjectValue] = []
    views.join(A, 1)
    views.on_granted(ViewsGranted([(A, HERE)], 1))
    sent = Sent()
    views.acquire_soon(A, sent, lambda: None, called.append)
    assert called == [HERE]
    assert sent.facts == []
    views.acquire_soon(B, sent, lambda: None, called.append)
    (asked,) = sent.facts
    views.on_granted(ViewsGranted([(B, THERE)], asked.ticket))
    assert called == [HERE, THERE]
    views.acquire_soon(C, sent, lambda: None, called.append)
    gone = encode_failure(Failure("session_lost", "it has ended"))
    views.on_closed(gone)
    assert called == [HERE, THERE, gone]

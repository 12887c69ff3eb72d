"""What a process holds and reads, as facts, in the order in which the node must hear of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cellray.clock import SystemClock
from cellray.engines.holdings import Holdings
from cellray.ids import ObjectId, TaskId
from cellray.model.command import RecallViews, ViewsGranted
from cellray.model.fact import (
    GeneratorDropped,
    ObjectsHeld,
    ObjectsReleased,
    ObjectsRequested,
    ViewsHeld,
    ViewsReleased,
)
from cellray.model.object import ObjectValue, ValueKind

A, B = (ObjectId(letter * 20) for letter in (b"a", b"b"))
HERE = ObjectValue(ValueKind.SHARED, b"", 64, 100)


class Sent:
    """What was sent, in place of a channel."""

    def __init__(self) -> None:
        self.facts: list[Any] = []
        self.nudges = 0

    def add(self, fact: Any) -> None:
        self.facts.append(fact)

    def nudge(self) -> None:
        self.nudges += 1

    def taken(self) -> list[Any]:
        facts, self.facts = self.facts, []
        return facts


def dropped(task_id: TaskId) -> GeneratorDropped:
    raise AssertionError("there are no generators here")


def opened() -> tuple[Holdings, Sent, list[ObjectId]]:
    sent = Sent()
    gone: list[ObjectId] = []
    holdings = Holdings(lambda: sent, SystemClock())  # type: ignore[arg-type, return-value]
    holdings.open(gone.extend, dropped)
    return holdings, sent, gone


def viewed(holdings: Holdings, obj: ObjectId) -> None:
    """A view of the object was had, and has gone."""
    holdings.views.join(obj, 1)
    holdings.views.on_granted(ViewsGranted([(obj, HERE)], 1))
    holdings.views.release(obj)


def test_changes_are_told_once_and_wake_the_channel() -> None:
    holdings, sent, gone = opened()
    holdings.references.retain(A)
    assert sent.nudges == 1
    holdings.report()
    assert sent.taken() == [ObjectsHeld([A])]
    holdings.report()
    assert sent.taken() == []
    holdings.references.release(A)
    holdings.report()
    assert sent.taken() == [ObjectsReleased([A])]
    assert gone == [A]


def test_a_view_that_goes_on_is_told_before_the_reference_goes() -> None:
    holdings, sent, _ = opened()
    holdings.references.adopt_one(A)
    holdings.views.retain(A)
    holdings.references.release(A)
    holdings.report()
    assert sent.taken() == [ViewsHeld([A]), ObjectsReleased([A])]


def test_a_view_that_lingers_ends_with_the_reference() -> None:
    holdings, sent, _ = opened()
    holdings.references.adopt([A, B])
    viewed(holdings, A)
    holdings.report()
    assert sent.taken() == []
    holdings.references.release(A)
    holdings.references.release(B)
    holdings.report()
    assert sent.taken() == [ViewsReleased([A]), ObjectsReleased([A, B])]


def test_views_that_linger_are_given_back_when_they_are_recalled() -> None:
    holdings, sent, _ = opened()
    holdings.references.adopt([A])
    viewed(holdings, A)
    holdings.report()
    nudges = sent.nudges
    holdings.views.on_recalled(RecallViews())
    assert sent.nudges == nudges + 1
    holdings.report()
    assert sent.taken() == [ViewsReleased([A])]


def test_a_closed_one_wakes_nobody() -> None:
    holdings, sent, _ = opened()
    holdings.references.adopt([A])
    holdings.close()
    holdings.references.release(A)
    holdings.views.on_recalled(RecallViews())
    assert sent.nudges == 0


class Curious(Sent):
    """Looks, while it is told of what was released, whether another thread could adopt something now."""

    def __init__(self) -> None:
        super().__init__()
        self.lock: Any = None
        self.could_adopt: list[bool] = []

    def add(self, fact: Any) -> None:
        if isinstance(fact, ObjectsReleased):
            with ThreadPoolExecutor(1) as other:
                self.could_adopt.append(other.submit(self.lock.acquire, blocking=False).result())
        super().add(fact)


def test_nothing_is_adopted_between_the_look_at_what_was_released_and_the_word_to_the_node() -> None:
    sent = Curious()
    holdings = Holdings(lambda: sent, SystemClock())  # type: ignore[arg-type, return-value]
    holdings.open(lambda _gone: None, dropped)
    sent.lock = holdings.references.unchanged
    holdings.references.adopt([A])
    holdings.references.release(A)
    holdings.report()
    assert sent.could_adopt == [False], "it would be submitted before what it was released with is told"


def test_what_is_asked_for_because_something_was_let_go_follows_that() -> None:
    sent = Sent()
    holdings = Holdings(lambda: sent, SystemClock())  # type: ignore[arg-type, return-value]
    holdings.open(lambda gone: sent.add(ObjectsRequested(list(gone))), dropped)
    holdings.references.adopt([A])
    holdings.references.release(A)
    holdings.report()
    assert sent.taken() == [ObjectsReleased([A]), ObjectsRequested([A])]

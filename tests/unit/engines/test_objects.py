"""What one process knows of objects: values that came, waits that they end, and what is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from cellray.config import Config
from cellray.engines.context import SubmitContext
from cellray.engines.objects import NativeObjects, ResolvedObjects
from cellray.engines.references import References
from cellray.errors import SessionLostError
from cellray.ids import ObjectId, TaskId, is_put
from cellray.model.command import ObjectsReady
from cellray.model.fact import ObjectSealed, ObjectsRequested
from cellray.model.object import Failure, ObjectValue, ValueKind, encode_failure
from cellray.serialization import deserialize, serialize

A, B, C = (ObjectId(letter * 20) for letter in (b"a", b"b", b"c"))


def value_of(value: Any) -> ObjectValue:
    return ObjectValue(ValueKind.INLINE, serialize(value).to_bytes())


def load(_ids: Sequence[ObjectId], values: Sequence[ObjectValue], _timeout_s: float | None) -> list[Any]:
    return [deserialize(value.data) for value in values]


class Sent:
    """A channel that keeps what is sent. While somebody waits, `arrivals` happen, one after another, and `meanwhile`
    before he looks."""

    def __init__(self) -> None:
        self.facts: list[Any] = []
        self.arrivals: list[Callable[[], None]] = []
        self.meanwhile: Callable[[], None] = lambda: None
        self.closed_reason: str | None = None
        self.pause_s: Callable[[], float] | None = None

    def add(self, fact: Any) -> None:
        self.facts.append(fact)

    def flush(self) -> None:
        pass

    def nudge(self) -> None:
        pass

    def lost(self) -> SessionLostError:
        return SessionLostError(self.closed_reason)

    def wait_until(
        self,
        done: Callable[[], bool],
        timeout_s: float | None = None,
        pause_s: Callable[[], float] | None = None,
    ) -> bool:
        self.pause_s = pause_s
        while not done() and self.arrivals:
            self.arrivals.pop(0)()
        is_done = done()
        self.meanwhile()
        return is_done


class Setting:
    """The objects of a driver, and what they stand on."""

    def __init__(self) -> None:
        self.sent = Sent()
        engine: Any = SimpleNamespace(
            channel=self.sent,
            config=Config(),
            context=SubmitContext(TaskId(b"p" * 16), None, None),
            references=References(lambda: None),
            require_open=lambda: None,
            now=lambda: 1.0,
            flush_soon=self.sent.nudge,
            direct=SimpleNamespace(lone_call=lambda obj: None),
        )
        self.objects = NativeObjects(engine, SimpleNamespace(load=load), None)  # type: ignore[arg-type]

    def arrive(self, *objects: ObjectId) -> None:
        self.objects.on_ready(ObjectsReady([(obj, value_of(obj[:1])) for obj in objects]))

    def later(self, *objects: ObjectId) -> None:
        self.sent.arrivals.append(lambda: self.arrive(*objects))

    @property
    def asked(self) -> list[ObjectId]:
        return [obj for fact in self.sent.facts if isinstance(fact, ObjectsRequested) for obj in fact.object_ids]


def test_a_put_is_known_at_once_and_told() -> None:
    setting = Setting()
    obj = setting.objects.put({"a": [1]})
    assert is_put(obj)
    assert setting.objects.get_one(obj) == {"a": [1]}
    (fact,) = setting.sent.facts
    assert isinstance(fact, ObjectSealed)
    assert fact.object_id == obj
    assert setting.asked == []


def test_a_wait_ends_with_as_many_as_were_asked_for() -> None:
    setting = Setting()
    setting.objects.expected.update((A, B, C))
    setting.later(B)
    setting.later(A)
    assert setting.objects.wait([A, B, C], 1, None)
    assert set(setting.objects.resolved) == {B}
    assert setting.objects.wait([A, C], 1, None)
    assert not setting.objects.wait([C], 1, 0.01)
    assert setting.asked == [], "they come unasked"


def test_only_who_wants_many_leaves_them_to_gather_and_nobody_whom_callbacks_wait_for() -> None:
    setting = Setting()
    many = [ObjectId(bytes([number]) * 20) for number in range(100)]
    setting.objects.expected.update([*many, A])
    assert not setting.objects.wait(many, 1, None)
    assert setting.sent.pause_s is None, "the next one is wanted when it comes"
    pauses: list[float] = []

    def come_slowly(obj: ObjectId) -> None:
        time.sleep(0.001)
        setting.arrive(obj)
        assert setting.sent.pause_s is not None
        pauses.append(setting.sent.pause_s())

    setting.sent.arrivals.append(lambda: come_slowly(many[0]))
    setting.sent.arrivals.append(lambda: setting.objects.add_done_callback(A, lambda _value: None))
    setting.sent.arrivals.append(lambda: come_slowly(many[1]))
    assert not setting.objects.wait(many, 100, None)
    assert pauses[0] > 0
    assert pauses[1] == 0


class LookedUpOnly(ResolvedObjects):
    """A session may have a million references: who asks for two of them is not to pay for all."""

    def __iter__(self) -> NoReturn:
        raise AssertionError("all that is here was gone through")


def test_what_is_asked_for_is_looked_up_in_what_is_here() -> None:
    setting = Setting()
    setting.objects.resolved = LookedUpOnly()
    setting.objects.expected.update((A, B, C))
    setting.arrive(A)
    setting.later(B)
    assert setting.objects.get([A, B], None) == [b"a", b"b"]
    assert setting.objects.get([A, B], None) == [b"a", b"b"]
    setting.later(C)
    assert setting.objects.wait([B, C], 2, None)


def test_what_others_made_is_asked_for_once() -> None:
    setting = Setting()
    assert not setting.objects.wait([A, B], 2, 0)
    assert sorted(setting.asked) == [A, B]
    setting.later(A, B)
    assert setting.objects.wait([A, B], 2, None)
    assert sorted(setting.asked) == [A, B]


def test_a_value_that_comes_too_late_is_not_kept() -> None:
    setting = Setting()
    setting.objects.expected.add(A)
    setting.objects.forget([A])
    setting.arrive(A)
    assert A not in setting.objects.resolved
    setting.arrive(B)
    assert B not in setting.objects.resolved, "nobody asked for it"


def test_what_is_let_go_while_another_thread_takes_it_anew_is_asked_for_again() -> None:
    setting = Setting()
    objects = setting.objects
    objects.expected.update((A, B, C))

    def let_go() -> None:
        objects.forget([A, B])
        setting.later(A, C)

    setting.sent.arrivals.append(let_go)
    assert objects.get([A, C], None) == [b"a", b"c"]
    assert setting.asked == [A], "nobody waits for B"
    objects.forget([A])
    objects.expected.add(A)
    setting.sent.arrivals.append(let_go)
    assert objects.get_one(A) == b"a"
    assert setting.asked == [A, A]
    objects.expected.add(B)
    objects.add_done_callback(B, lambda _value: None)
    objects.forget([B])
    assert setting.asked == [A, A, B]


@pytest.mark.parametrize("timeout_s", [None, 5.0])
def test_what_is_let_go_between_its_arrival_and_the_look_at_it_is_waited_for(timeout_s: float | None) -> None:
    setting = Setting()

    def let_go() -> None:
        setting.objects.forget([A])
        setting.sent.meanwhile = lambda: None

    for get in (lambda: setting.objects.get_one(A), lambda: setting.objects.get([A], timeout_s)[0]):
        setting.sent.meanwhile = let_go
        setting.later(A)
        setting.later(A)
        assert get() == b"a"
        setting.objects.forget([A])


def test_callbacks_are_called_once_and_at_the_end_of_the_session() -> None:
    setting = Setting()
    called: list[bytes] = []
    setting.objects.add_done_callback(A, lambda value: called.append(value.data))
    setting.objects.add_done_callback(B, lambda value: called.append(value.data))
    setting.arrive(A)
    setting.arrive(A)
    setting.objects.add_done_callback(A, lambda value: called.append(b"again"))
    lost = encode_failure(Failure("session_lost", "it ended"))
    setting.objects.on_closed(lost)
    assert called == [value_of(b"a").data, b"again", lost.data]


def test_in_a_session_that_is_lost_nothing_is_waited_for() -> None:
    setting = Setting()
    setting.sent.closed_reason = "the node ended"

    def require_open() -> None:
        raise setting.sent.lost()

    setting.objects._engine.require_open = require_open  # type: ignore[method-assign]
    with pytest.raises(SessionLostError, match="the node ended"):
        setting.objects.wait([A], 1, None)
    with pytest.raises(SessionLostError, match="the node ended"):
        setting.objects.put(1)


def test_a_look_tells_what_is_known_here() -> None:
    setting = Setting()
    unknown = setting.objects.look(A)
    assert (unknown.is_resolved, unknown.is_expected, unknown.object_bytes) == (False, False, 0)
    setting.objects.expected.add(A)
    assert setting.objects.look(A).is_expected
    setting.arrive(A)
    ready = setting.objects.look(A)
    assert (ready.is_resolved, ready.is_error, ready.submission) == (True, False, -1)
    assert ready.object_bytes == len(value_of(b"a").data)
    setting.objects.resolved[A] = encode_failure(Failure("cancelled", "no"))
    assert setting.objects.look(A).is_error
    index, task = setting.objects._engine.context.take_child()
    assert setting.objects.look(ObjectId(task + bytes(4))).submission == index

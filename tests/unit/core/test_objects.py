"""Objects live exactly as long as somebody refers to them."""

from __future__ import annotations

from itertools import pairwise

from cellray.core.clients import Client
from cellray.core.objects import ObjectEntry, ObjectTable
from cellray.core.outbox import Outbox
from cellray.ids import ClientId, ObjectId
from cellray.model.command import AppendFacts, Command, ObjectsReady, Send, SpaceGranted
from cellray.model.fact import ObjectsFreed
from cellray.model.object import ObjectValue, ValueKind, decode_failure

A, B, C = (ObjectId(bytes([letter]) * 20) for letter in b"abc")
ONE = ObjectValue(ValueKind.INLINE, b"1")


class Table:
    """A table, two clients, and what went out."""

    def __init__(self, arena_bytes: int = 1024) -> None:
        self.outbox = Outbox()
        self.objects = ObjectTable(arena_bytes, self.outbox)
        self.owner, self.other = Client(ClientId(1)), Client(ClientId(2))

    def sent(self) -> list[Command]:
        return self.outbox.flush(0.0)

    def shared(self, object_id: ObjectId, size: int, client: Client) -> ObjectValue:
        self.objects.grant(object_id, size, client, 0.0)
        offset = client.granted[object_id]
        assert self.objects.space.claim(object_id, offset, client)
        return ObjectValue(ValueKind.SHARED, b"", offset, size)

    def seal_shared(self, entry: ObjectEntry, size: int, client: Client) -> None:
        value = self.shared(entry.object_id, size, client)
        self.objects.space.shelve(entry, value)
        self.objects.seal(entry, value)


def test_the_owner_and_those_who_asked_get_the_value_once() -> None:
    table = Table()
    entry = table.objects.declare(A, table.owner)
    table.objects.request(A, table.other)
    table.objects.request(A, table.owner)
    table.objects.seal(entry, ONE)
    ready = ObjectsReady([(A, ONE)])
    assert table.sent() == [Send(ClientId(1), ready), Send(ClientId(2), ready)]


def test_many_are_released_at_once_whatever_they_are() -> None:
    table = Table()
    table.objects.seal(table.objects.declare(A, table.owner), ONE)
    table.objects.seal(table.objects.declare(B, table.owner), ObjectValue(ValueKind.INLINE, b"a", contained=(A,)))
    table.objects.declare(C, table.owner)
    table.objects.release_many([A, C, A, B], table.owner)
    assert list(table.objects.entries) == [C], "it has no value yet"
    assert sorted(table.outbox.freed) == [A, B], "what the other one contains goes with it, once"


def test_an_object_goes_with_its_last_holder() -> None:
    table = Table()
    table.objects.seal(table.objects.declare(A, table.owner), ONE)
    table.objects.hold(A, table.other)
    table.objects.hold(A, table.other)
    table.objects.release(A, table.owner)
    table.objects.release(A, table.owner)
    assert A in table.objects.entries
    table.objects.release(A, table.other)
    assert not table.objects.entries
    assert table.sent()[0] == AppendFacts([ObjectsFreed([A], 0.0)])


def test_a_released_result_is_dropped_when_it_comes() -> None:
    table = Table()
    entry = table.objects.declare(A, table.owner)
    table.objects.release(A, table.owner)
    assert A in table.objects.entries, "its task will run all the same"
    table.seal_shared(entry, 100, table.other)
    assert not table.objects.entries
    assert table.objects.arena.used_bytes == 0
    assert [command for command in table.sent() if isinstance(command, Send)] == [Send(ClientId(2), SpaceGranted(A, 0))]


def test_what_a_value_contains_lives_as_long_as_it() -> None:
    table = Table()
    chain = [ObjectId(index.to_bytes(20, "big")) for index in range(5000)]
    table.objects.put(chain[0], ONE, table.owner, 0.0)
    for before, after in pairwise(chain):
        table.objects.put(after, ObjectValue(ValueKind.INLINE, b"", contained=(before,)), table.owner, 0.0)
        table.objects.release(before, table.owner)
    assert len(table.objects.entries) == 5000
    table.objects.release(chain[-1], table.owner)
    assert not table.objects.entries, "thousands deep, without recursion"


def test_a_value_that_contains_itself_is_no_circle() -> None:
    table = Table()
    table.objects.put(A, ObjectValue(ValueKind.INLINE, b"", contained=(A,)), table.owner, 0.0)
    table.objects.release(A, table.owner)
    assert not table.objects.entries


def test_circles_are_swept_and_nothing_else() -> None:
    table = Table()
    first = table.objects.declare(A, table.owner)
    table.objects.put(B, ObjectValue(ValueKind.INLINE, b"", contained=(A,)), table.owner, 0.0)
    table.objects.put(C, ONE, table.owner, 0.0)
    table.objects.seal(first, ObjectValue(ValueKind.INLINE, b"", contained=(B, C)))
    table.objects.release(A, table.owner)
    table.objects.release(B, table.owner)
    table.objects.sweep()
    assert list(table.objects.entries) == [C]
    assert table.objects.entries[C].refs == 1


def test_a_reachable_circle_stays() -> None:
    table = Table()
    first = table.objects.declare(A, table.owner)
    table.objects.put(B, ObjectValue(ValueKind.INLINE, b"", contained=(A,)), table.owner, 0.0)
    table.objects.seal(first, ObjectValue(ValueKind.INLINE, b"", contained=(B,)))
    table.objects.release(A, table.owner)
    table.objects.sweep()
    assert set(table.objects.entries) == {A, B}


def test_what_is_put_again_is_kept_once() -> None:
    table = Table()
    table.objects.put(A, table.shared(A, 100, table.owner), table.owner, 0.0)
    table.objects.put(A, table.shared(A, 100, table.other), table.other, 0.0)
    assert table.objects.arena.used_bytes == 128, "nobody reads the second copy: one asks first where to read"
    table.objects.release(A, table.owner)
    table.objects.release(A, table.other)
    assert table.objects.arena.used_bytes == 0


def test_asking_for_what_is_gone() -> None:
    table = Table()
    table.objects.request(A, table.owner)
    (send,) = table.sent()
    assert isinstance(send, Send)
    assert isinstance(send.command, ObjectsReady)
    failure = decode_failure(send.command.objects[0][1].data)
    assert failure.kind == "object_lost"
    assert A.hex() in failure.message


def test_space_that_was_not_sealed_comes_back() -> None:
    table = Table()
    table.objects.grant(A, 100, table.owner, 0.0)
    table.objects.grant(A, 200, table.owner, 0.0)
    table.objects.grant(B, 100, table.owner, 0.0)
    assert table.objects.arena.used_bytes == 256 + 128
    assert not table.objects.space.claim(B, 0, table.other), "granted to somebody else"
    table.objects.release_all(table.owner)
    assert table.objects.arena.used_bytes == 0


def test_what_can_never_fit_is_refused_at_once_and_the_rest_waits() -> None:
    table = Table(2 * 1024 * 1024)
    table.objects.grant(A, 3 * 1024 * 1024, table.owner, 0.0)
    table.objects.grant(B, 1024 * 1024, table.owner, 0.0)
    table.objects.grant(C, 1500 * 1024, table.owner, 0.0)
    errors = [send.command.error for send in table.sent() if isinstance(send, Send)]  # type: ignore[union-attr]
    assert len(errors) == 2
    assert "3.0 MB does not fit" in errors[0]
    assert "object_store_memory" in errors[0]
    assert errors[1] == ""
    assert list(table.owner.wanted) == [C]
    table.objects.release_all(table.owner)
    assert not table.owner.wanted
    assert not table.objects.admission.urgent


def test_the_holds_of_the_dead_can_be_handed_over() -> None:
    table = Table()
    table.objects.put(A, ONE, table.owner, 0.0)
    pending = table.objects.declare(B, table.owner)
    handed = table.objects.hand_over(table.owner)
    assert pending.owner is None
    assert set(table.objects.entries) == {A, B}
    for entry in handed:
        table.objects.unpin(entry)
    assert set(table.objects.entries) == {B}, "B is still to come"

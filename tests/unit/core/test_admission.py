"""Who gets room, in which order, and who is told that there will be none."""

from __future__ import annotations

from cellray.ids import ObjectId, put_object_id
from cellray.model import fact as f
from cellray.model.command import Command, Send, SpaceGranted, Spill, SpillObjects, ViewsGranted
from cellray.model.object import ObjectValue, ValueKind, decode_failure

from tests.unit.core.kit import ROOT, SHELL, Node, assigned, child


def obj(index: int) -> ObjectId:
    return put_object_id(ROOT, index)


def granted(commands: list[Command]) -> list[tuple[ObjectId, int]]:
    sent = [command.command for command in commands if isinstance(command, Send)]
    return [(each.object_id, each.offset) for each in sent if isinstance(each, SpaceGranted) and not each.error]


def refused(commands: list[Command]) -> list[str]:
    sent = [command.command for command in commands if isinstance(command, Send)]
    return [each.error for each in sent if isinstance(each, SpaceGranted) and each.error]


def spills(commands: list[Command]) -> list[Spill]:
    return [order for command in commands if isinstance(command, SpillObjects) for order in command.objects]


def want(node: Node, index: int, size: int) -> list[Command]:
    return node.tell(f.SpaceRequested(obj(index), size))


def put(node: Node, index: int, size: int) -> None:
    ((_, offset),) = granted(want(node, index, size))
    node.tell(f.ObjectSealed(obj(index), node.at, ObjectValue(ValueKind.SHARED, b"", offset, size)))


def written(node: Node, order: Spill) -> list[Command]:
    return node.tell(f.ObjectSpilled(order.object_id, order.spill_id, order.object_bytes, node.at), source=SHELL)


def view(node: Node, *indices: int) -> list[Command]:
    return node.tell(f.ViewsRequested([obj(index) for index in indices], 1))


def test_small_requests_overtake_a_large_one_for_a_while_only() -> None:
    node = Node(arena_bytes=1024, space_overtake_ms=1000)
    put(node, 0, 512)
    view(node, 0)
    assert not granted(want(node, 1, 900))
    assert granted(want(node, 2, 64)) == [(obj(2), 512)]
    node.tick(2.0)
    assert not granted(want(node, 3, 64)), "what is free is kept for the large one now"
    released = node.tell(f.SpaceReturned(obj(2)), f.ViewsReleased([obj(0)]), f.ObjectsReleased([obj(0)]))
    assert granted(released) == [(obj(1), 0), (obj(3), 960)]


def test_a_request_of_a_client_that_leaves_is_forgotten() -> None:
    node = Node(cpus=1, arena_bytes=1024)
    put(node, 0, 1000)
    view(node, 0)
    node.tell(f.SpaceRequested(obj(7), 500), source=node.workers[0])
    assert node.core._memory.is_waiting
    node.tell(f.WorkerExited(node.workers[0], 0.0, 0, 9), source=SHELL)
    assert not node.core._memory.is_waiting


def test_the_quota_keeps_room_for_an_exchange() -> None:
    node = Node(arena_bytes=1024, spill_bytes_max=1100, spill_batch_bytes=1, spill_wait_s=1, space_wait_s=9)
    put(node, 0, 512)
    put(node, 1, 512)
    (first,) = spills(want(node, 2, 512))
    assert first.object_id == obj(0)
    ((_, offset),) = granted(written(node, first))
    node.tell(f.ObjectSealed(obj(2), 0.0, ObjectValue(ValueKind.SHARED, b"", offset, 512)))
    assert not spills(want(node, 3, 512)), "the rest of the quota is for reading back"
    node.tick(0.5)
    (text,) = refused(node.tick(1.5))
    assert "1100 bytes that may be taken on disk are used up" in text
    assert "CELLRAY_SPILL_BYTES_MAX" in text
    node = Node(arena_bytes=1024, spill_bytes_max=0, spill_wait_s=1)
    put(node, 0, 1000)
    assert not spills(want(node, 1, 512)), "spilling is turned off"


def test_one_that_is_read_while_it_is_written_stays() -> None:
    node = Node(arena_bytes=1024)
    put(node, 0, 1000)
    (order,) = spills(want(node, 1, 1000))
    (answer,) = [c.command for c in view(node, 0) if isinstance(c, Send)]
    assert isinstance(answer, ViewsGranted)
    assert not granted(written(node, order))
    assert node.core.status.spilled_bytes == 0
    (again,) = spills(node.tell(f.ViewsReleased([obj(0)])))
    assert granted(written(node, again)) == [(obj(1), 0)]


def test_arguments_that_never_fit_together_are_an_error_at_once() -> None:
    node = Node(arena_bytes=1024, spill_batch_bytes=1)
    put(node, 0, 600)
    (order,) = spills(want(node, 1, 600))
    ((_, offset),) = granted(written(node, order))
    node.tell(f.ObjectSealed(obj(1), 0.0, ObjectValue(ValueKind.SHARED, b"", offset, 600)))
    commands = node.submit(0, dependencies=(obj(0), obj(1)))
    assert not assigned(commands)
    (failed,) = [fact for c in commands if hasattr(c, "facts") for fact in c.facts if isinstance(fact, f.TaskFailed)]
    failure = decode_failure(failed.error.data)
    assert failure.kind == "store_full"
    assert "take 1.2 KB of shared memory together" in failure.message


def test_tasks_that_were_given_out_ahead_give_way() -> None:
    node = Node(cpus=1, arena_bytes=1024, spill_batch_bytes=1)
    put(node, 0, 400)
    for index in range(1, 4):
        node.submit(index)
        node.finish(child(index), node.workers[0])
    node.submit(4)
    node.submit(5, dependencies=(obj(0),))
    worker = node.workers[0]
    assert len(node.core._workers.workers[worker].queue) == 2
    node.tell(f.SpaceRequested(obj(9), 900), source=worker)
    sent = [c.command for c in node.tick(0.1) if isinstance(c, Send)]
    assert [type(command).__name__ for command in sent] == ["ReturnTasks"]
    (order,) = spills(node.tell(f.TasksReturned(worker, 0.1, [child(5)]), source=worker))
    assert granted(written(node, order)) == [(obj(9), 0)]


def test_the_driver_gets_what_it_asked_to_read_in_one_answer() -> None:
    node = Node(arena_bytes=1024)
    put(node, 0, 100)
    put(node, 1, 100)
    (answer,) = [c.command for c in view(node, 0, 1) if isinstance(c, Send)]
    assert isinstance(answer, ViewsGranted)
    assert [object_id for object_id, _ in answer.objects] == [obj(0), obj(1)]

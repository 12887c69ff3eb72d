"""The actor's end of a direct line: what goes over it, and what the node is told instead, or besides."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cellray.client.connect import Connected
from cellray.client.direct_line import CallEnded, CallSent, DirectLine, LineOpened, LineShut, NodeTold
from cellray.config import Config
from cellray.engines.native import NativeEngine
from cellray.ids import ClientId, FunctionHash, ObjectId, TaskId
from cellray.model.command import OpenDirectLine, TasksAssigned
from cellray.model.fact import (
    DirectCall,
    DirectCallsMade,
    DirectLinesShut,
    Fact,
    ObjectsHeld,
    TaskFailed,
    TaskFinished,
    TasksReturned,
    decode_facts,
)
from cellray.model.object import ObjectValue, ValueKind
from cellray.model.task import Function, TaskAssignment, TaskSpec, make_template
from cellray.store.memory import MemoryStore
from cellray.wire import FrameReader
from cellray.worker.desk import Desk
from cellray.worker.direct_calls import DirectCalls

from tests.unit.worker.test_calls import WELCOME

CALLER = ClientId(9)
METHOD = make_template(FunctionHash(b"c" * 16), "C.m", (), method="m")
SMALL = ObjectValue(ValueKind.INLINE, b"v")
ERROR = ObjectValue(ValueKind.ERROR, b"e")
WAIT_S = 10


class Actor:
    """An actor's process with a node that listens and one caller. Nothing is read but by the test."""

    def __init__(self, folder: Path) -> None:
        ours, self.node = socket.socketpair()
        self.engine = NativeEngine(Connected(ours, WELCOME, -1), MemoryStore(1000), Config(), role="worker")
        desk = Desk(self.engine)
        function = Function(METHOD.function_hash, "C", "", "", b"")
        desk.introduce(TasksAssigned([], [METHOD], [function]))
        self.taken: list[TaskAssignment] = []
        self.watched: dict[int, object] = {}
        self.direct = DirectCalls(desk, self.taken.append, self.watched.__setitem__, self.watched.pop)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.address = str(folder / "caller.sock")
        self.listener.bind(self.address)
        self.listener.listen()
        self.open(1)
        self.caller = DirectLine(self.listener.accept()[0], 1 << 20)
        assert self.heard() == [LineOpened(1, WELCOME.client_id)]
        self._reader = FrameReader(1 << 20)
        self._numbers = iter(range(100))

    def open(self, ticket: int, *, is_for_tasks: bool = False) -> None:
        self.direct.open(OpenDirectLine(CALLER, self.address, ticket, is_for_tasks=is_for_tasks))

    def call(self, template_id: int = METHOD.template_id, ticket: int = 0) -> DirectCall:
        number = next(self._numbers)
        spec = TaskSpec(number, template_id, b"args")  # type: ignore[arg-type]
        task_id = TaskId(number.to_bytes(16, "big"))
        call = DirectCall(CALLER, WELCOME.client_id, TaskId(b"p" * 16), 1.0, task_id, spec)
        self.caller.send(CallSent(call, ticket))
        self.direct.look()
        return call

    def heard(self) -> list[object]:
        """What has come over the line."""
        assert self.caller.poll.poll(WAIT_S * 1000)
        return list(self.caller.read())

    def told(self) -> list[Fact]:
        """What the node hears with the next flush."""
        self.engine.channel.flush()
        ready, _, _ = select.select([self.node], [], [], 0.2)
        frames = self._reader.feed(self.node.recv(1 << 16)) if ready else []
        return [fact for _, payload in frames for fact in decode_facts(payload)]


@pytest.fixture
def actor(tmp_path: Path) -> Iterator[Actor]:
    made = Actor(tmp_path)
    yield made
    made.node.close()
    made.engine.close()
    made.caller.close()
    made.listener.close()
    for line in made.direct._lines.values():
        line.close()


def ended(call: DirectCall, value: ObjectValue = SMALL) -> TaskFinished:
    return TaskFinished(call.task_id, 1.0, 2.0, (value,))


def test_a_call_begins_and_ends_without_the_node(actor: Actor) -> None:
    call = actor.call()
    assert [(task.task_id, task.args) for task in actor.taken] == [(call.task_id, b"args")]
    assert actor.direct.end(ended(call))
    assert actor.heard() == [CallEnded(ended(call))]
    assert not actor.told()


def test_other_tasks_are_none_of_its_business(actor: Actor) -> None:
    assert not actor.direct.end(TaskFinished(TaskId(b"z" * 16), 1.0, 2.0, (SMALL,)))


def test_the_same_line_is_opened_again(actor: Actor) -> None:
    actor.open(2)
    assert actor.heard() == [LineOpened(2, WELCOME.client_id)]
    assert len(actor.watched) == 1


def test_whoever_does_not_listen_any_more_is_not_talked_to(actor: Actor) -> None:
    actor.direct.open(OpenDirectLine(ClientId(10), actor.address + "-of-nobody", 3))
    assert len(actor.watched) == 1


@pytest.mark.parametrize(
    "fact",
    [
        lambda call: TaskFailed(call.task_id, 1.0, 2.0, ERROR, "ValueError"),
        lambda call: ended(call, ObjectValue(ValueKind.SHARED, b"", 64, 10)),
        lambda call: ended(call, msgspec.structs.replace(SMALL, contained=(ObjectId(b"o" * 20),))),
    ],
)
def test_ends_that_concern_others_go_by_the_node(actor: Actor, fact: object) -> None:
    call = actor.call()
    assert not actor.direct.end(fact(call))  # type: ignore[operator]
    assert actor.heard() == [NodeTold(call.task_id)]
    assert actor.told() == [DirectCallsMade([call])], "before what follows"


def test_a_call_that_has_told_the_node_something_ends_by_the_node(actor: Actor) -> None:
    call = actor.call()
    held = ObjectsHeld([ObjectId(b"o" * 20)])
    actor.engine.channel.keep(held)
    assert actor.told() == [DirectCallsMade([call]), held]
    assert not actor.direct.end(ended(call))
    assert actor.heard() == [NodeTold(call.task_id)]


def test_a_call_that_is_about_to_tell_the_node_something_too(actor: Actor) -> None:
    call = actor.call()
    held = ObjectsHeld([ObjectId(b"o" * 20)])
    actor.engine.channel.keep(held)
    assert not actor.direct.end(ended(call))
    assert actor.heard() == [NodeTold(call.task_id)]
    assert actor.told() == [DirectCallsMade([call]), held]


def test_its_caller_may_hand_it_over_while_it_is_under_way(actor: Actor) -> None:
    call = actor.call()
    actor.caller.send(NodeTold(call.task_id))
    actor.direct.look()
    assert not actor.direct.end(ended(call))
    assert actor.told() == [DirectCallsMade([call])], "its caller has said so too, perhaps later"


def test_its_caller_may_hand_it_over_when_its_end_is_on_the_way(actor: Actor) -> None:
    call = actor.call()
    assert actor.direct.end(ended(call))
    actor.caller.send(NodeTold(call.task_id))
    actor.direct.look()
    assert actor.told() == [DirectCallsMade([call]), ended(call)]
    actor.caller.send(NodeTold(TaskId(b"z" * 16)))  # one that ended long ago
    actor.direct.look()
    assert not actor.told()


def test_a_method_that_the_process_does_not_know_is_given_back(actor: Actor) -> None:
    call = actor.call(template_id=12345)
    assert not actor.taken
    assert actor.heard() == [NodeTold(call.task_id)]
    told = actor.told()
    assert told[0] == DirectCallsMade([call])
    assert isinstance(told[1], TasksReturned)
    assert told[1].task_ids == [call.task_id]


def test_a_call_whose_caller_goes_ends_by_the_node(actor: Actor) -> None:
    call = actor.call()
    actor.caller.close()
    actor.direct.look()
    assert not actor.watched
    assert not actor.direct.end(ended(call))
    assert actor.told() == [DirectCallsMade([call])]


def test_a_caller_that_goes_at_the_end_is_found_out_by_sending(actor: Actor) -> None:
    call = actor.call()
    actor.caller.close()
    assert not actor.direct.end(ended(call))
    assert actor.told() == [DirectCallsMade([call])]


TICKET = 5


@pytest.fixture
def worker(actor: Actor) -> Actor:
    """One that is kept for its caller, and is no actor."""
    actor.open(TICKET, is_for_tasks=True)
    assert actor.heard() == [LineOpened(TICKET, WELCOME.client_id)]
    return actor


def test_a_kept_worker_takes_tasks_by_its_newest_ticket(worker: Actor) -> None:
    first = worker.call(ticket=TICKET)
    worker.call(ticket=TICKET - 1)
    worker.open(TICKET + 1, is_for_tasks=True)
    worker.call(ticket=TICKET)
    second = worker.call(ticket=TICKET + 1)
    assert [task.task_id for task in worker.taken] == [first.task_id, second.task_id]


def test_a_worker_that_is_asked_back_says_so_after_what_it_has_begun(worker: Actor) -> None:
    call = worker.call(ticket=TICKET)
    worker.direct.shut()
    assert worker.heard() == [NodeTold(call.task_id), LineShut(TICKET)]
    assert not worker.direct.end(ended(call))
    worker.call(ticket=TICKET)
    assert len(worker.taken) == 1, "it never looks at that"
    assert worker.told() == [DirectCallsMade([call]), DirectLinesShut([])]


def test_a_worker_that_is_asked_back_says_what_it_has_just_ended(worker: Actor) -> None:
    call = worker.call(ticket=TICKET)
    assert worker.direct.end(ended(call))
    worker.direct.shut()
    assert worker.heard() == [CallEnded(ended(call)), LineShut(TICKET)]
    worker.caller.send(NodeTold(call.task_id))  # had told of it meanwhile
    worker.direct.look()
    assert worker.told() == [DirectLinesShut([ended(call)])]
    worker.direct.shut()
    assert worker.told() == [DirectLinesShut([])], "once"


def test_a_caller_that_has_gone_does_not_keep_a_worker_from_being_asked_back(worker: Actor) -> None:
    call = worker.call(ticket=TICKET)
    worker.caller.close()
    worker.direct.shut()
    assert worker.told() == [DirectCallsMade([call]), DirectLinesShut([])]


def test_other_lines_of_a_caller_are_others(worker: Actor) -> None:
    worker.direct.open(OpenDirectLine(CALLER, worker.address, 9, 1, is_for_tasks=True))
    other = DirectLine(worker.listener.accept()[0], 1 << 20)
    assert other.poll.poll(WAIT_S * 1000)
    assert other.read() == [LineOpened(9, WELCOME.client_id)]
    other.close()

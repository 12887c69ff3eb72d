"""One frame's worth for each client, facts before what follows from them."""

from __future__ import annotations

from cellray.core.clients import Client
from cellray.core.outbox import Outbox
from cellray.ids import ClientId, ObjectId, TaskId
from cellray.model.command import AppendFacts, InterruptTask, KillWorker, ObjectsReady, Send, StartWorkers
from cellray.model.fact import ObjectsFreed, TaskCancelled
from cellray.model.object import ObjectValue

A = ObjectId(b"a" * 20)
TASK = TaskId(b"t" * 16)
VALUE = ObjectValue(0, b"v")


def test_everything_in_its_order() -> None:
    outbox, client, other = Outbox(), Client(ClientId(1)), Client(ClientId(2))
    outbox.start_workers(1)
    outbox.kill(ClientId(9), "why")
    outbox.send(client, InterruptTask(TASK))
    for receiver in (client, other, client):
        outbox.deliver(receiver, A, VALUE)
    outbox.freed.append(A)
    outbox.facts.append(TaskCancelled(TASK, 1.0))
    outbox.start_workers(2)
    assert outbox.flush(2.0) == [
        AppendFacts([TaskCancelled(TASK, 1.0), ObjectsFreed([A], 2.0)]),
        Send(ClientId(1), ObjectsReady([(A, VALUE), (A, VALUE)])),
        Send(ClientId(2), ObjectsReady([(A, VALUE)])),
        Send(ClientId(1), InterruptTask(TASK)),
        KillWorker(ClientId(9), "why"),
        StartWorkers(3),
    ]
    assert outbox.flush(3.0) == []


def test_nothing_is_sent_to_those_who_left() -> None:
    outbox, client = Outbox(), Client(ClientId(1))
    outbox.deliver(client, A, VALUE)
    outbox.send(client, InterruptTask(TASK))
    client.alive = False
    assert outbox.flush(0.0) == []
    assert client.outbox == []

"""Which clients read which shared objects. An object that is read stays where it is.

A client asks before it reads, unless the object is an argument of the task that it runs, and says when it has stopped.
A view is a reference too: what is read is not freed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from cellray.core import failures
from cellray.core.blocks import Block
from cellray.core.tasks import NOBODY
from cellray.core.workers import Worker, job_of
from cellray.model.command import ViewsGranted
from cellray.model.object import ObjectValue, ValueKind

if TYPE_CHECKING:
    from cellray.core.clients import Client
    from cellray.core.objects import ObjectTable
    from cellray.core.outbox import Outbox
    from cellray.ids import ObjectId

SHARED = ValueKind.SHARED.value


class Views:
    """Begins and ends views; `client.views` holds those that it has or waits for."""

    def __init__(self, objects: ObjectTable, outbox: Outbox) -> None:
        self._objects = objects
        self._outbox = outbox

    def request(self, object_ids: Sequence[ObjectId], ticket: int, client: Client, at: float) -> None:
        """`client` wants to read these. What is in memory is answered at once, in one command."""
        answers: list[tuple[ObjectId, ObjectValue]] = []
        for object_id in object_ids:
            answer = self._begin(object_id, ticket, client, at)
            if answer is not None:
                answers.append((object_id, answer))
        if answers:
            self._outbox.send(client, ViewsGranted(answers, ticket))

    def hold(self, object_ids: Sequence[ObjectId], client: Client) -> bool:
        """`client` reads arguments of the task that it runs on. Whether all of them were in their places."""
        return hold(self._objects, object_ids, client)

    def release(self, object_ids: Sequence[ObjectId], client: Client) -> None:
        """`client` has stopped to read these, or to wait for them."""
        for object_id in object_ids:
            block = client.views.pop(object_id, None)
            if block is None:
                continue
            if block.viewers is not None and client in block.viewers:
                del block.viewers[client]
            else:
                self._objects.space.unpin(block)
            self._objects.unpin(block.entry)

    def release_all(self, client: Client) -> None:
        """`client` is gone."""
        self.release(list(client.views), client)

    def arrived(self, block: Block) -> None:
        """The block is in memory again, or lost: tell those who wait to read it."""
        value = block.entry.value
        assert value is not None, "what was spilled has a value"
        if value.kind == SHARED:
            viewers, block.viewers = block.viewers, None
            for client, ticket in (viewers or {}).items():
                self._objects.space.pin(block)
                self._outbox.send(client, ViewsGranted([(block.entry.object_id, value)], ticket))
        else:
            self.refuse(block, value)

    def refuse(self, block: Block, reason: ObjectValue) -> None:
        """Nobody will be able to read the block: tell those who wait to."""
        viewers, block.viewers = block.viewers, None
        for client, ticket in (viewers or {}).items():
            del client.views[block.entry.object_id]
            self._outbox.send(client, ViewsGranted([(block.entry.object_id, reason)], ticket))
            self._objects.unpin(block.entry)

    def _begin(self, object_id: ObjectId, ticket: int, client: Client, at: float) -> ObjectValue | None:
        """Where the object lies; None when the answer comes later."""
        entry = self._objects.entries.get(object_id)
        if entry is None or entry.value is None:
            return failures.object_lost(object_id)
        if entry.value.kind != SHARED:
            return entry.value
        viewed = client.views.get(object_id)
        if viewed is not None:
            if viewed.viewers is None or client not in viewed.viewers:
                # Perhaps it is lost to all others, and this one reads on where it was.
                return msgspec.structs.replace(entry.value, offset=viewed.offset, object_bytes=viewed.object_bytes)
            viewed.viewers[client] = ticket
            return None
        block = client.views[object_id] = self._objects.space.blocks[object_id]
        entry.refs += 1
        if block.is_readable:
            self._objects.space.pin(block)
            return entry.value
        if block.viewers is None:
            block.viewers = {}
        block.viewers[client] = ticket
        self._objects.bring_back(block, job_of(client) or NOBODY, at, urgent=True)
        return None


def hold(objects: ObjectTable, object_ids: Sequence[ObjectId], client: Client) -> bool:
    """`client` reads arguments on when their task has ended, until it says otherwise or is gone. Whether all of them
    were in their places."""
    fine = True
    for object_id in object_ids:
        block = _argument(object_id, client) or objects.space.blocks.get(object_id)
        if block is None or not block.pins:
            fine = False
        elif object_id not in client.views:
            client.views[object_id] = block
            block.entry.refs += 1
            objects.space.pin(block)
    return fine


def _argument(object_id: ObjectId, client: Client) -> Block | None:
    """Where an argument of the client's tasks lies for them: elsewhere than for others, if it was lost meanwhile."""
    tasks = client.queue if isinstance(client, Worker) else ()
    return next((block for task in tasks for block in task.views if block.entry.object_id == object_id), None)

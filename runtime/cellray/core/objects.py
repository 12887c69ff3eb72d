"""The objects of one node: their values, and who refers to them. Those in shared memory have a block in `space`.

An object is kept while anybody refers to it: clients that hold or read it, tasks not yet final that depend on it or
carry it in their arguments, values that contain it, and a task whose dead worker held it. `refs` counts all of these;
each party remembers what it counted, so that it takes back exactly that. Freed when the value is there and `refs` is 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cellray.config import Config
from cellray.core import failures
from cellray.core.admission import Admission
from cellray.core.arena import align
from cellray.core.blocks import LOST
from cellray.core.clients import Client
from cellray.core.lineage import Lineage
from cellray.core.outbox import Outbox
from cellray.core.space import SharedSpace
from cellray.ids import ObjectId
from cellray.model.command import SpaceGranted
from cellray.model.object import ObjectValue, ValueKind

if TYPE_CHECKING:
    from cellray.core.blocks import Block
    from cellray.core.recovery import Recovery
    from cellray.core.tasks import Job, Task

SHARED = ValueKind.SHARED.value


class ObjectEntry:
    """One object. `value` is None until its task has ended; `waiters` are tasks that wait for it, once for each use.

    `owner` gets the value unasked, `requesters` asked for it. `contains` are the objects that the value refers to.
    """

    __slots__ = ("contains", "object_id", "owner", "refs", "requesters", "value", "waiters")

    def __init__(self, object_id: ObjectId) -> None:
        self.object_id = object_id
        self.refs = 0
        self.value: ObjectValue | None = None
        self.owner: Client | None = None
        self.requesters: dict[Client, None] | None = None
        self.waiters: list[Task] | None = None
        self.contains: tuple[ObjectEntry, ...] = ()


class ObjectTable:
    """All objects that somebody refers to or that a task will produce. `resolved` got values and have waiters."""

    recovery: Recovery
    """Set by whoever puts the core's parts together."""

    def __init__(self, arena_bytes: int, outbox: Outbox, config: Config | None = None) -> None:
        self.entries: dict[ObjectId, ObjectEntry] = {}
        self.space = SharedSpace(arena_bytes, outbox)
        self.arena = self.space.arena
        self.admission = Admission(self.space, outbox, config or Config())
        self.lineage = Lineage(self, config or Config())
        self.resolved: list[ObjectEntry] = []
        self._outbox = outbox

    def declare(self, object_id: ObjectId, owner: Client) -> ObjectEntry:
        """The entry of an object that `owner` will own, with the hold that comes with owning it.

        The entry may be there already: then the client holds it like the others, and gets its value.
        """
        entry = self.entries.get(object_id)
        if entry is None:
            entry = self.entries[object_id] = ObjectEntry(object_id)
        self.subscribe(entry, owner)
        return entry

    def subscribe(self, entry: ObjectEntry, client: Client) -> None:
        """`client` holds the object and gets its value, now or once it exists. A client that has left does neither."""
        if not client.alive:
            return
        if entry.object_id not in client.held:
            client.held[entry.object_id] = entry
            entry.refs += 1
        if entry.value is not None:
            self._outbox.deliver(client, entry.object_id, entry.value)
        elif entry.owner is None:
            entry.owner = client
        elif entry.owner is not client:
            self._ask(entry, client)

    def seal(self, entry: ObjectEntry, value: ObjectValue) -> None:
        """The object's value exists. It goes to those who wait for it; the object goes when nobody refers to it."""
        entry.value = value
        if value.contained:
            self.contain(entry, value.contained)
        owner = entry.owner
        if owner is not None:
            if owner.outbox:  # `Outbox.deliver`, which would cost as much as all of this
                owner.outbox.append((entry.object_id, value))
            else:
                self._outbox.deliver(owner, entry.object_id, value)
        if entry.requesters is not None:
            for client in entry.requesters:
                self._outbox.deliver(client, entry.object_id, value)
            entry.requesters = None
        if entry.waiters is not None:
            self.resolved.append(entry)
        if not entry.refs:
            self._free(entry)

    def contain(self, entry: ObjectEntry, contained: tuple[ObjectId, ...]) -> None:
        """The object's value refers to these, and to nothing that it may have referred to before."""
        before, entry.contains = (
            entry.contains,
            self.pin(tuple([other for other in contained if other != entry.object_id])),
        )
        for inner in before:
            self.unpin(inner)

    def put(self, object_id: ObjectId, value: ObjectValue, client: Client, at: float) -> None:
        """`client` stored an object, into space that `claim` took over when the value is shared.

        A task that runs a second time puts the same object again. The first value stays, since others may be reading
        it, unless it was lost; nobody reads the second, since even this client asks first where to read.
        """
        entry = self.entries.get(object_id)
        if entry is None:
            entry = self.entries[object_id] = ObjectEntry(object_id)
        if object_id not in client.held:
            client.held[object_id] = entry
            entry.refs += 1
        if entry.value is not None:
            self.come_again(entry, value, at)
            return
        if value.kind == SHARED:
            self.space.shelve(entry, value)
        self.seal(entry, value)

    def come_again(self, entry: ObjectEntry, value: ObjectValue, at: float) -> None:
        """A value of an object that has one: the older one stays, unless it was lost."""
        block = self.space.lost.get(entry.object_id)
        if block is None:
            self.discard(value)
        else:
            self.recovery.found(block, value, at)

    def forget_lineage(self, object_id: ObjectId) -> None:
        """The object will not have to be made again: it is small now, or cannot be."""
        for source in self.lineage.forget(object_id):
            self._free(source)

    def bring_back(self, block: Block, job: Job, at: float, *, urgent: bool) -> None:
        """Somebody of this job waits for a block that is not in memory: to be read back, or to be made again."""
        if block.state == LOST:
            self.recovery.want(block, job)
        else:
            self.admission.restore(block, at, urgent=urgent)

    def request(self, object_id: ObjectId, client: Client) -> None:
        """`client` wants the value; an object that is not known is reported lost at once."""
        entry = self.entries.get(object_id)
        if entry is None:
            self._outbox.deliver(client, object_id, failures.object_lost(object_id))
        elif entry.value is not None:
            self._outbox.deliver(client, object_id, entry.value)
        elif entry.owner is not client:
            self._ask(entry, client)

    def hold(self, object_id: ObjectId, client: Client) -> None:
        """`client` refers to the object now. Too late for one that is gone already; asking for it will say so."""
        entry = self.entries.get(object_id)
        if entry is not None and object_id not in client.held:
            client.held[object_id] = entry
            entry.refs += 1

    def release(self, object_id: ObjectId, client: Client) -> None:
        """`client` no longer refers to the object."""
        self.release_many((object_id,), client)

    def release_many(self, object_ids: Iterable[ObjectId], client: Client) -> None:
        """`client` no longer refers to these. What is small and contains nothing goes without further questions."""
        held, entries, freed = client.held, self.entries, self._outbox.freed
        for object_id in object_ids:
            entry = held.pop(object_id, None)
            if entry is None:
                continue
            if entry.owner is client:
                entry.owner = None
            entry.refs -= 1
            value = entry.value
            if entry.refs or value is None:
                continue
            if value.kind == SHARED or entry.contains:
                self._free(entry)
            else:
                del entries[object_id]
                freed.append(object_id)

    def release_all(self, client: Client) -> None:
        """`client` is gone, and with it everything it held and the space it was writing to."""
        self.release_many(list(client.held), client)
        for object_id in [*client.granted, *client.wanted]:
            self.ungrant(object_id, client)

    def hand_over(self, client: Client) -> tuple[ObjectEntry, ...]:
        """The holds of a client that is gone, for another party to keep and `unpin`."""
        entries = tuple(client.held.values())
        client.held.clear()
        for entry in entries:
            if entry.owner is client:
                entry.owner = None
        return entries

    def known(self, object_ids: Iterable[ObjectId]) -> list[ObjectEntry]:
        """Those of the objects that are known."""
        entries = self.entries
        return [entries[object_id] for object_id in object_ids if object_id in entries]

    def pin(self, object_ids: tuple[ObjectId, ...]) -> tuple[ObjectEntry, ...]:
        """Refer to those of the objects that are known; `unpin` each of what is returned."""
        entries = self.entries
        if len(object_ids) == 1:
            only = entries.get(object_ids[0])
            if only is None:
                return ()
            only.refs += 1
            return (only,)
        pinned = tuple(self.known(object_ids))
        for entry in pinned:
            entry.refs += 1
        return pinned

    def unpin(self, entry: ObjectEntry) -> None:
        """Take back one reference."""
        entry.refs -= 1
        if not entry.refs and entry.value is not None:
            self._free(entry)

    def grant(self, object_id: ObjectId, object_bytes: int, client: Client, at: float) -> None:
        """`client` is about to write an object: it is told where, now or in its turn, or that it can never be."""
        self.ungrant(object_id, client)
        arena_bytes = self.arena.arena_bytes
        if align(object_bytes) > arena_bytes:
            text = failures.too_large_text(object_bytes, arena_bytes)
            self._outbox.send(client, SpaceGranted(object_id, 0, text))
        else:
            self.admission.write(object_id, object_bytes, client, at)

    def ungrant(self, object_id: ObjectId, client: Client) -> None:
        """Free space that was granted to `client` for the object and not sealed, or that it waits for."""
        offset = client.granted.pop(object_id, None)
        if offset is not None:
            self.space.free(offset)
        elif client.wanted:
            self.admission.withdraw(object_id, client)

    def discard(self, value: ObjectValue) -> None:
        """A value that nobody will see, whose space `claim` took over."""
        if value.kind == SHARED:
            self.space.free(value.offset)

    def sweep(self) -> None:
        """Free objects that only refer to each other in a circle, which counting never frees.

        A circle needs a program that puts a reference to a running task where that task finds it. It costs a look at
        every object, so it is done when a job ends.
        """
        inner_refs: dict[ObjectId, int] = {}
        for entry in self.entries.values():
            for inner in self._inside(entry):
                inner_refs[inner.object_id] = inner_refs.get(inner.object_id, 0) + 1
        reached = [
            entry
            for entry in self.entries.values()
            if entry.value is None or entry.refs > inner_refs.get(entry.object_id, 0)
        ]
        kept = {entry.object_id for entry in reached}
        for entry in reached:
            for inner in self._inside(entry):
                if inner.object_id not in kept:
                    kept.add(inner.object_id)
                    reached.append(inner)
        for entry in [entry for entry in self.entries.values() if entry.object_id not in kept]:
            # One that an earlier one of the circle took along is gone already.
            if entry.object_id in self.entries:
                self._free(entry)

    def _inside(self, entry: ObjectEntry) -> tuple[ObjectEntry, ...]:
        """What the object itself refers to: what its value contains, and what it was made of."""
        return entry.contains + self.lineage.sources_of.get(entry.object_id, ())

    def _ask(self, entry: ObjectEntry, client: Client) -> None:
        if entry.requesters is None:
            entry.requesters = {}
        entry.requesters[client] = None

    def _free(self, entry: ObjectEntry) -> None:
        """Free an object, and what only its value referred to. A loop: values can contain each other in long chains."""
        freed = self._outbox.freed
        doomed = [entry]
        while doomed:
            entry = doomed.pop()
            del self.entries[entry.object_id]
            freed.append(entry.object_id)
            if entry.value is not None and entry.value.kind == SHARED:
                self.space.drop(entry.object_id)
                doomed += self.lineage.forget(entry.object_id)
            contains, entry.contains = entry.contains, ()
            for inner in contains:
                inner.refs -= 1
                if not inner.refs and inner.value is not None and inner.object_id in self.entries:
                    doomed.append(inner)
